//! What the original wrote is read, what is written is what the original writes, and nothing unsigned is believed.

use super::*;
use crate::id::KeyId;
use crate::id::Party;

const SAMPLES: [&str; 4] = [
    include_str!("../../tests/vectors/v2/26cd814e-123d-431b-b70a-37a366bb0fdc.json"),
    include_str!("../../tests/vectors/v2/32a19491-8b98-47c9-9b86-14de7bc2c04a.json"),
    include_str!("../../tests/vectors/v2/3f25aaaa-0000-4000-8000-000000003301.json"),
    include_str!("../../tests/vectors/v2/b683e6c0-00e3-43ba-a384-a9d604c2fd5f.json"),
];

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

fn key() -> Key {
    let peers = [party("devbox"), party("gpubox")];
    let (kid, made) = (KeyId::parse("old").unwrap(), Timestamp::from_unix(0));
    Key::new(kid, Alg::V2, peers, made, "ab".repeat(32).into_bytes()).unwrap()
}

fn place() -> Context {
    Context {
        from: party("devbox"),
        to: party("gpubox"),
        kind: Kind::Task,
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn judge(file: &str, now: &str) -> Result<Taken, Reason> {
    let ring = Keyring::of(vec![key()]);
    read(
        file.as_bytes(),
        &ring,
        &place(),
        at(now),
        &Rules::at(at(now)),
    )
    .map_err(|refusal| refusal.reason)
}

#[test]
fn what_the_original_wrote_is_read_and_nothing_unsigned_is_believed() {
    for sample in SAMPLES {
        let now = if sample.contains("06:00:00") {
            "2026-11-20T06:10:00Z"
        } else {
            "2026-11-20T07:50:00Z"
        };
        let taken = judge(sample, now).unwrap();
        let given: serde_json::Value = serde_json::from_str(sample).unwrap();
        assert_eq!(taken.task.request, given["request"].as_str().unwrap());
        assert_eq!(
            taken.task.priority.as_str(),
            given["priority"].as_str().unwrap()
        );
        assert_eq!(taken.identity.to_string(), given["hmac"].as_str().unwrap());
        assert!(!taken.task.require_ack && !taken.task.require_dangerous);
        assert_eq!(
            (taken.task.timeout_s, taken.task.max_output_bytes),
            (None, None)
        );
        let unsigned = given.get("callback").map_or(0, |_| 5);
        assert_eq!(taken.ignored.len(), unsigned, "{:?}", taken.ignored);
    }
}

#[test]
fn what_is_written_is_what_the_original_writes() {
    for sample in SAMPLES
        .into_iter()
        .filter(|text| text.contains("\"require_ack\": false"))
    {
        let taken = judge(sample, "2026-11-20T07:50:00Z").unwrap();
        let written = String::from_utf8(write(&taken.task, &key()).unwrap()).unwrap();
        assert!(judge(&written, "2026-11-20T07:50:00Z").unwrap().task == taken.task);
        // The original's moment has a fraction, so its code differs; everything else is the same text.
        let rest = |text: &str| -> Vec<String> {
            let same = |line: &&str| !line.contains("\"created\"") && !line.contains("\"hmac\"");
            text.split('\n').filter(same).map(str::to_owned).collect()
        };
        assert_eq!(rest(&written), rest(sample));
    }
}

#[test]
fn the_published_code_of_version_2() {
    let id = TaskId::parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301").unwrap();
    let made = at("2026-11-20T06:00:00Z");
    let task = Task::new(id, party("devbox"), party("gpubox"), made, "a|b".into());
    let file = String::from_utf8(write(&task, &key()).unwrap()).unwrap();
    let code = "b9a58c19a8fb51fa12f59f74393282a93dfa797ff870cad17fd3b721810cb59a";
    assert!(file.contains(code), "{file}");
    assert!(judge(&file, "2026-11-20T06:01:00Z").is_ok());
}

#[test]
fn one_defect_gives_its_code() {
    let good = SAMPLES[3];
    let on_time = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        judge(&good.replacen(from, to, 1), "2026-11-20T07:50:00Z").err()
    };
    assert_eq!(on_time("Run the", "Ran the"), Some(Reason::Mac));
    assert_eq!(on_time("\"normal\"", "\"high\""), Some(Reason::Mac));
    assert_eq!(on_time("775d40d3", "775D40D3"), Some(Reason::Mac));
    assert_eq!(on_time("775d40d3", ""), Some(Reason::Mac));
    assert_eq!(on_time("\"hmac\"", "\"code\""), Some(Reason::Frame));
    assert_eq!(
        on_time("\"schema\": 2", "\"schema\": 3"),
        Some(Reason::Schema)
    );
    assert_eq!(
        on_time("\"schema\": 2", "\"schema\": \"2\""),
        Some(Reason::Json)
    );
    assert_eq!(
        on_time("\"id\"", "\"id\": \"x\", \"id\""),
        Some(Reason::Json)
    );
    assert_eq!(
        on_time("\"priority\"", "\"importance\""),
        Some(Reason::Json)
    );
    assert_eq!(
        on_time("600", "1000000000"),
        None,
        "not covered, not believed"
    );
    assert_eq!(judge(good, "2026-11-20T07:57:41Z").err(), None);
    assert_eq!(
        judge(good, "2026-11-20T07:57:42Z").err(),
        Some(Reason::Expired)
    );
    assert_eq!(
        judge(good, "2026-11-20T07:40:40Z").err(),
        Some(Reason::Future)
    );
    let large = "x".repeat(limits::TASK_BYTES_MAX + 1);
    assert_eq!(
        judge(&large, "2026-11-20T07:50:00Z").err(),
        Some(Reason::Size)
    );
}

#[test]
fn properly_coded_but_unfit_members_are_refused() {
    let sealed = |change: [(&str, &str); 1]| {
        let made = "2026-11-20T07:42:41+00:00".to_owned();
        let id = "b683e6c0-00e3-43ba-a384-a9d604c2fd5f".to_owned();
        let mut signed = [
            id,
            "devbox".into(),
            "gpubox".into(),
            made,
            "normal".into(),
            "x".into(),
        ];
        for (name, value) in change {
            let index = SIGNED.iter().position(|known| *known == name).unwrap();
            signed[index] = value.to_owned();
        }
        let tag = hex::encode(mac(&key(), &signed).finalize().into_bytes());
        let mut members: serde_json::Map<_, _> = SIGNED
            .into_iter()
            .zip(signed)
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        members.insert("hmac".to_owned(), json!(tag));
        let file = serde_json::to_string(&members).unwrap();
        judge(&file, "2026-11-20T07:50:00Z").err()
    };
    for (name, value, expected) in [
        ("id", "../../etc/passwd", Reason::Id),
        ("id", "b683e6c0|x", Reason::Id),
        ("from", "gpubox", Reason::Lane),
        ("to", "gpubox|2026", Reason::Lane),
        ("created", "1999-01-01T00:00:00+00:00", Reason::Expired),
        ("created", "2026-11-20T07:42:41Z", Reason::Time),
        ("created", "2026-11-20T07:42:41.+00:00", Reason::Time),
        ("created", "2026-11-20T08:42:41+01:00", Reason::Time),
        ("created", "2026-11-20T07:42:41.1|+00:00", Reason::Time),
        ("priority", "high|ls", Reason::Json),
        ("request", "", Reason::Range),
        ("request", "a\u{1b}[2J", Reason::Ctrl),
        ("request", "a\u{202e}b", Reason::Bidi),
    ] {
        assert_eq!(sealed([(name, value)]), Some(expected), "{name}: {value}");
    }
    assert_eq!(sealed([("request", "a|b\n\tc")]), None);
}

#[test]
fn the_key_of_another_pair_or_of_version_3_does_not_do() {
    let mut other = key();
    other.peers = [party("laptop"), party("gpubox")];
    let mut sealing = key();
    sealing.alg = Alg::Hs256;
    for held in [vec![], vec![other], vec![sealing.clone()]] {
        let found = read(
            SAMPLES[3].as_bytes(),
            &Keyring::of(held),
            &place(),
            at("2026-11-20T07:50:00Z"),
            &Rules::at(at("2026-11-20T07:50:00Z")),
        );
        assert_eq!(found.unwrap_err().reason, Reason::Kid);
    }
    let taken = judge(SAMPLES[3], "2026-11-20T07:50:00Z").unwrap();
    assert_eq!(
        write(&taken.task, &sealing),
        Err(Error::WrongKey(Alg::Hs256))
    );
}

#[test]
fn a_promise_that_anybody_could_strip_is_not_made() {
    let taken = judge(SAMPLES[3], "2026-11-20T07:50:00Z").unwrap();
    let with = |change: &dyn Fn(&mut Task)| {
        let mut task = taken.task.clone();
        change(&mut task);
        write(&task, &key()).err()
    };
    assert_eq!(
        with(&|task| task.require_ack = true),
        Some(Error::CannotSay("require_ack"))
    );
    assert_eq!(
        with(&|task| task.idempotent = true),
        Some(Error::CannotSay("idempotent"))
    );
    assert_eq!(with(&|task| task.timeout_s = Some(5)), None);
}
