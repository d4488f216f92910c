//! Cases that are not among the published ones: each is one defect, sealed properly where the defect is behind the
//! seal.

use dispatch::seal::Method;

use super::*;

/// A name, the expected code, and what in the published task is replaced by what before it is sealed again.
type Change = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const TYPES: &[Change] = &[
    ("schema 4", "E_SCHEMA", "\"schema\": 3", "\"schema\": 4"),
    ("schema missing", "E_JSON", "\"schema\": 3,\n  ", ""),
    ("missing expires", "E_JSON", "\"expires\": \"2026-11-20T18:00:00Z\",", ""),
    ("missing request", "E_JSON", "\"request\"", "\"tags\": [], \"ext\""),
    ("second auth", "E_JSON", "\"hop\": 0", "\"auth\": \"x\", \"hop\": 0"),
    ("escaped duplicate", "E_JSON", "\"hop\": 0", "\"hop\": 0, \"ho\\u0070\": 0"),
    ("duplicate inside ext", "E_JSON", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"a\": {\"b\": 1, \"b\": 1}}"),
    ("-1", "E_JSON", "\"hop\": 0", "\"hop\": -1"),
    ("-0", "E_JSON", "\"hop\": 0", "\"hop\": -0"),
    ("0.0", "E_JSON", "\"hop\": 0", "\"hop\": 0.0"),
    ("fraction inside ext", "E_JSON", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"a\": {\"b\": 1.5}}"),
    ("null inside ext", "E_JSON", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"a\": {\"b\": null}}"),
    ("leading zero", "E_JSON", "600", "0600"),
    ("NaN", "E_JSON", "600", "NaN"),
    ("\"false\"", "E_JSON", "ack\": false", "ack\": \"false\""),
    ("0 for false", "E_JSON", "ack\": false", "ack\": 0"),
    ("null profile", "E_JSON", "\"default\"", "null"),
    ("comment", "E_JSON", "\"hop\": 0", "\"hop\": 0 /* */"),
    ("trailing comma", "E_JSON", "\"hop\": 0,", "\"hop\": 0,,"),
    ("two values", "E_JSON", "\"hop\": 0", "\"hop\": 0\n}\n{ \"a\": 0"),
    ("raw line feed", "E_JSON", "Run the", "Run\nthe"),
    ("2^53", "E_RANGE", "2000000", "9007199254740992"),
    ("2^53 - 1", "ok", "2000000", "9007199254740991"),
    ("2^64 - 1", "E_RANGE", "2000000", "18446744073709551615"),
    ("large number in ext", "E_RANGE", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"a\": {\"n\": 9007199254740992}}"),
    ("hop beyond u32", "E_RANGE", "\"hop\": 0", "\"hop\": 4294967296"),
    ("no running time", "E_RANGE", "600", "0"),
];

#[rustfmt::skip]
const TEXTS: &[Change] = &[
    ("bidi", "E_BIDI", "Run the", "Run\u{202e}the"),
    ("escaped bidi", "E_BIDI", "Run the", "Run\\u2066the"),
    ("DEL", "E_CTRL", "Run the", "Run\\u007fthe"),
    ("C1", "E_CTRL", "Run the", "Run\\u0085the"),
    ("CR", "E_CTRL", "Run the", "Run\\rthe"),
    ("tab and line feed", "ok", "Run the", "Run\\t\\nthe"),
    ("zero-width joiner", "ok", "Run the", "Run\u{200d}the"),
    ("line feed in a tag", "E_CTRL", "\"hop\": 0", "\"hop\": 0, \"tags\": [\"a\\nb\"]"),
    ("control in a name of ext", "E_CTRL", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"a\": {\"\\u0007\": 1}}"),
    ("empty tag", "E_RANGE", "\"hop\": 0", "\"hop\": 0, \"tags\": [\"\"]"),
    ("id with a slash", "E_ID", "3f2504e0-4f89", "../04e0-4f89"),
    ("version 1 id", "E_ID", "4f89-41d3", "4f89-11d3"),
    ("parent is no id", "E_ID", "\"hop\": 0", "\"hop\": 0, \"parent\": \"x\""),
];

const CREATED: &str = "\"created\": \"2026-11-20T06:00:00Z\"";
const EXPIRES: &str = "\"expires\": \"2026-11-20T18:00:00Z\"";

#[rustfmt::skip]
const TIMES: &[Change] = &[
    ("future", "E_FUTURE", CREATED, "\"created\": \"2026-11-20T06:12:01Z\""),
    ("as far ahead as is forgiven", "ok", CREATED, "\"created\": \"2026-11-20T06:12:00Z\""),
    ("expires at this second", "ok", EXPIRES, "\"expires\": \"2026-11-20T06:10:00Z\""),
    ("expired a second ago", "E_EXPIRED", EXPIRES, "\"expires\": \"2026-11-20T06:09:59Z\""),
    ("expires < created", "E_TTL", EXPIRES, "\"expires\": \"2026-11-20T05:00:00Z\""),
    ("expires = created", "E_TTL", EXPIRES, "\"expires\": \"2026-11-20T06:00:00Z\""),
    ("seven days", "ok", EXPIRES, "\"expires\": \"2026-11-27T06:00:00Z\""),
    ("seven days and a second", "E_TTL", EXPIRES, "\"expires\": \"2026-11-27T06:00:01Z\""),
    (":60", "E_TIME", CREATED, "\"created\": \"2026-11-20T05:59:60Z\""),
    ("24 o'clock", "E_TIME", CREATED, "\"created\": \"2026-11-20T24:00:00Z\""),
    ("fraction", "E_TIME", CREATED, "\"created\": \"2026-11-20T06:00:00.5Z\""),
    ("lower-case z", "E_TIME", CREATED, "\"created\": \"2026-11-20T06:00:00z\""),
    ("not before too late", "E_TTL", "\"hop\": 0", "\"hop\": 0, \"not_before\": \"2026-11-20T18:00:01Z\""),
];

#[rustfmt::skip]
const POLICY: &[Change] = &[
    ("hop 9", "E_POLICY", "\"hop\": 0", "\"hop\": 9"),
    ("hop 1", "ok", "\"hop\": 0", "\"hop\": 1"),
    ("longest running time", "ok", "600", "86400"),
    ("a second longer", "E_POLICY", "600", "86401"),
    ("profile without a name", "E_POLICY", "\"default\"", "\"\""),
    ("unknown extension", "ok", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"shiny\": {\"x\": [1]}}"),
    ("extension that is no object", "E_JSON", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"shiny\": 1}"),
    ("extension with a bad name", "E_RANGE", "\"hop\": 0", "\"hop\": 0, \"ext\": {\"Shiny!\": {}}"),
    ("critical and unknown", "E_CRIT", "\"hop\": 0", "\"hop\": 0, \"crit\": [\"shiny\"], \"ext\": {\"shiny\": {}}"),
    ("critical and absent", "E_CRIT", "\"hop\": 0", "\"hop\": 0, \"crit\": [\"shiny\"]"),
    ("JSON before schema", "E_JSON", "\"schema\": 3", "\"schema\": 4, \"new\": 1"),
    ("schema before lane", "E_SCHEMA", "3,\n  \"kind\": \"task\",\n", "4, \"kind\": \"ack\",\n"),
];

/// The same for the other kinds, by their index in the suite.
#[rustfmt::skip]
const OTHERS: &[(usize, &str, &str, &str)] = &[
    (1, "E_JSON", "approve\"", "maybe\""),
    (1, "E_JSON", "\"dangerous\"", "\"everything\""),
    (1, "E_EXPIRED", "2026-11-20T07:05:00Z", "2026-11-20T06:09:00Z"),
    (1, "E_FUTURE", "2026-11-20T06:05:00Z", "2026-11-20T06:15:00Z"),
    (1, "E_JSON", "0dfb0f73", "0DFB0F73"),
    (1, "E_LANE", "approver.alice", "approver.mallory"),
    (2, "E_JSON", "\"ok\"", "\"fine\""),
    (2, "E_RANGE", "\"exit_code\": 0", "\"exit_code\": 256"),
    (2, "E_CTRL", "42 passed", "42\\u001b[2J"),
    (2, "ok", "42 passed", "42\\npassed"),
    (2, "ok", "\"attempt\": 1", "\"attempt\": 1, \"class\": \"new_in_v9\""),
    (2, "E_ID", "\"attempt\": 1", "\"attempt\": 1, \"claim\": \"../x\""),
    (2, "E_JSON", "\"attempt\": 1", "\"attempt\": 1, \"audit\": {\"seq\": 1}"),
    (2, "E_TIME", "06:06:00Z", "06:06:61Z"),
    (3, "ok", "2026-11-20T06:06:10Z", "2031-01-01T00:00:00Z"),
    (3, "E_JSON", "\"seq\": 17", "\"seq\": 17, \"tasks\": [{}]"),
    (3, "E_JSON", "\"seq\": 17", "\"seq\": 17, \"state\": \"sleepy\""),
    (4, "E_RANGE", "superseded", ""),
    (4, "E_CTRL", "superseded", "a\\nb"),
    (4, "E_LANE", "gpubox", "devbox"),
    (5, "E_TTL", "2026-11-20T06:08:00Z", "2026-11-20T06:06:00Z"),
    (5, "ok", "2026-11-20T06:06:00Z", "2026-11-20T05:06:00Z"),
    (5, "E_JSON", "\"epoch\": 4", "\"epoch\": \"4\""),
    (6, "ok", "start", "refuse"),
    (6, "ok", "\"start\"", "\"start\", \"reason\": \"another may have started it\""),
    (6, "E_JSON", "start", "perhaps"),
    (6, "E_JSON", "\"decision\": \"start\",", ""),
    (6, "E_JSON", "\"decision\"", "\"new\": 1, \"decision\""),
    (6, "E_JSON", "\"claim\"", "\"other\""),
    (6, "E_ID", ".gpubox-0011", ".gpubix-0011"),
    (6, "E_ID", "3301.normal", "3302.normal"),
    (6, "E_ID", "33445566ff\"", "33445566ff.r0000000000000001\""),
    (6, "E_ID", "33445566ff\"", "33445566ff.json\""),
    (6, "E_ID", ".normal.g1", "/normal.g1"),
    (6, "E_LANE", "\"to\": \"gpubox\"", "\"to\": \"gpubix\""),
    (6, "E_KIND", "\"grant\"", "\"lease\""),
    (6, "E_EXPIRED", "2026-11-20T18:00:00Z", "2026-11-20T06:09:00Z"),
    (6, "E_FUTURE", "2026-11-20T06:06:00Z", "2026-11-20T06:15:00Z"),
    (6, "E_TTL", "2026-11-20T18:00:00Z", "2026-11-28T18:00:00Z"),
    (7, "E_RANGE", "no free slot is left", ""),
    (7, "E_CTRL", "no free slot", "no\\nslot"),
    (7, "E_JSON", "\"reason\": \"no free slot is left\",", ""),
    (7, "E_JSON", "\"reason\"", "\"decision\": \"start\", \"reason\""),
    (7, "E_ID", ".gpubox-0011", ".devbox-0011"),
    (7, "E_ID", "3301.normal", "3302.normal"),
    (7, "E_EXPIRED", "2026-11-20T18:00:00Z", "2026-11-20T06:09:00Z"),
];

/// A published document without its seal.
fn body_of(case: &Value) -> String {
    let file = String::from_utf8(bytes_of(case)).unwrap();
    file.split(",\n  \"auth\"").next().unwrap().to_owned()
}

fn task_body() -> String {
    body_of(&suite()["ok"][0])
}

fn task_place() -> Context {
    place("devbox", "gpubox", "task")
}

fn sealed(body: &[u8], context: &Context) -> Vec<u8> {
    let kid = KeyId::parse("k2026a").unwrap();
    seal::seal(&secret("k2026a"), &kid, context, body)
}

/// The published task with one text replaced by another, sealed again by its own key.
fn changed(from: &str, to: &str) -> Vec<u8> {
    assert!(task_body().contains(from), "{from}");
    sealed(task_body().replacen(from, to, 1).as_bytes(), &task_place())
}

fn check(cases: &[(&str, &str, Vec<u8>)]) {
    for (name, expected, file) in cases {
        assert_eq!(code(judge(file, &task_place())), *expected, "{name}");
    }
}

/// Everything made here that is refused.
pub fn defects() -> Vec<(String, String, Vec<u8>)> {
    let changes = [TYPES, TEXTS, TIMES, POLICY].into_iter().flatten();
    let behind = changes.map(|(name, code, from, to)| (*name, *code, changed(from, to)));
    behind
        .chain(damage())
        .filter(|(_, code, _)| *code != "ok")
        .map(|(name, code, file)| (name.to_owned(), code.to_owned(), file))
        .collect()
}

#[test]
fn one_defect_behind_the_seal_gives_its_code() {
    for (name, expected, from, to) in [TYPES, TEXTS, TIMES, POLICY].into_iter().flatten() {
        let found = code(judge(&changed(from, to), &task_place()));
        assert_eq!(found, *expected, "{name}");
    }
}

#[test]
fn the_other_kinds_are_as_strict() {
    for (index, expected, from, to) in OTHERS {
        let case = &suite()["ok"][*index];
        let (body, context) = (body_of(case), context_of(case));
        assert!(body.contains(from), "{from}");
        let file = sealed(body.replacen(from, to, 1).as_bytes(), &context);
        let found = code(judge(&file, &context));
        assert_eq!(found, *expected, "{}: {from} -> {to}", context.kind);
    }
}

#[test]
fn damage_to_the_frame_and_the_tag() {
    check(&damage());
}

fn damage() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let file = bytes_of(&suite()["ok"][0]);
    let text = String::from_utf8(file.clone()).unwrap();
    let with = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let longer = [&file[..], b"\n"].concat();
    let flipped = with("dangerous\": false", "dangerous\": true ");
    let v2 = b"{\n  \"hmac\": \"0\"\n}\n".to_vec();
    vec![
        ("unchanged", "ok", file.clone()),
        ("newline added", "E_FRAME", longer),
        ("truncated", "E_FRAME", file[..300].to_vec()),
        ("one byte short", "E_FRAME", file[..file.len() - 1].to_vec()),
        ("CRLF", "E_FRAME", text.replace('\n', "\r\n").into_bytes()),
        ("63 digits", "E_FRAME", with("7b\"\n}", "7\"\n}")),
        ("65 digits", "E_FRAME", with("7b\"\n}", "7bb\"\n}")),
        ("alg none", "E_FRAME", with("hs256:k2026a", "none:k2026a")),
        ("no kid", "E_FRAME", with("hs256:k2026a:", "hs256::")),
        ("kid too long", "E_FRAME", with("k2026a", &"k".repeat(33))),
        ("kid with a path", "E_FRAME", with("k2026a", "../k")),
        (
            "two entries",
            "E_FRAME",
            with("\"hs256", "\"hs256:a:b hs256"),
        ),
        ("more spaces", "E_FRAME", with("  \"auth\"", "   \"auth\"")),
        ("flipped flag", "E_MAC", flipped),
        ("300 KiB of anything", "E_SIZE", vec![b'{'; 300 * 1024]),
        ("v2 with a line feed", "E_V2_OFF", v2),
    ]
}

#[test]
fn every_beginning_and_every_end_of_a_task_is_refused() {
    let file = bytes_of(&suite()["ok"][0]);
    for cut in 1..file.len() {
        assert_eq!(code(judge(&file[..cut], &task_place())), "E_FRAME", "{cut}");
        let found = code(judge(&file[cut..], &task_place()));
        assert_eq!(found, "E_FRAME", "from {cut}");
    }
}

#[test]
fn sizes_are_exact() {
    let long = format!("{{\n  \"x\": \"{}", "a".repeat(limits::TASK_BYTES_MAX));
    let room =
        limits::TASK_BYTES_MAX - seal::overhead(Method::Hs256, &KeyId::parse("k2026a").unwrap());
    let body = |bytes: usize| [&long.as_bytes()[..bytes - 1], b"\""].concat();
    let request = "Run the tests | report \\\"numbers\\\".\\nÜnïcode 漢字 😀 done.";
    let largest = "a".repeat(limits::REQUEST_BYTES_MAX);
    check(&[
        ("largest file", "E_JSON", sealed(&body(room), &task_place())),
        ("larger", "E_SIZE", sealed(&body(room + 1), &task_place())),
        ("largest request", "ok", changed(request, &largest)),
        ("larger request", "E_RANGE", changed("Run the", &largest)),
    ]);
}

#[test]
fn bytes_that_are_no_text_and_nesting() {
    let cut = |end: &[u8]| {
        let body = task_body();
        let body = [&body.as_bytes()[..body.len() - 1], end, b"\""].concat();
        sealed(&body, &task_place())
    };
    let deep = |levels: usize| {
        let list = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let ext = format!("\"hop\": 0, \"ext\": {{\"a\": {{\"b\": {list}}}}}");
        changed("\"hop\": 0", &ext)
    };
    check(&[
        ("bad UTF-8", "E_JSON", cut(b"\xff\xfe")),
        ("overlong UTF-8", "E_JSON", cut(b"\xc0\x80")),
        ("surrogate in UTF-8", "E_JSON", cut(b"\xed\xa0\x80")),
        ("8 levels in all", "ok", deep(5)),
        ("9 levels in all", "E_JSON", deep(6)),
        ("5000 levels", "E_JSON", deep(5000)),
    ]);
}

#[test]
fn the_right_bytes_in_the_wrong_place() {
    let file = bytes_of(&suite()["ok"][0]);
    for (from, to, kind, expected) in [
        ("devbox", "gpubox", "result", "E_MAC"),
        ("devbox", "gpubox", "cancel", "E_MAC"),
        ("gpubox", "devbox", "task", "E_MAC"),
        ("laptop", "gpubox", "task", "E_KID"),
        ("devbox", "laptop", "task", "E_KID"),
        ("approver.alice", "gpubox", "task", "E_KID"),
        ("devbox", "gpubox", "ack", "E_KID"),
        ("devbox", "gpubox", "grant", "E_MAC"),
        ("devbox", "pool.gpu", "task", "E_KID"),
    ] {
        let found = code(judge(&file, &place(from, to, kind)));
        assert_eq!(found, expected, "{from} {to} {kind}");
    }
    let result = bytes_of(&suite()["ok"][2]);
    check(&[("a result shown as a task", "E_MAC", result)]);
    // The same secret on the ring of another pair: the names are part of the key.
    let other = Keyring::of(vec![key("k2026a", "laptop", "gpubox")]);
    let refused = Envelope::read(file).verify(&other, &place("laptop", "gpubox", "task"), now());
    assert_eq!(refused.unwrap_err().reason, Reason::Mac);
}

/// The key of a pool seals tasks to it and nothing else: a member cannot be spoken for, nor a grant be made, with it.
#[test]
fn the_key_of_a_pool_seals_tasks_alone() {
    let pool = Keyring::of(vec![key("k2026a", "devbox", "pool.gpu")]);
    for kind in Kind::ALL {
        for (from, to) in [("devbox", "pool.gpu"), ("pool.gpu", "devbox")] {
            let context = place(from, to, kind.as_str());
            let sealed = pool.signing(&context, now()).is_some();
            let served = (from, *kind) == ("devbox", Kind::Task);
            assert_eq!(sealed, served, "{from} {to} {kind}");
        }
    }
}

#[test]
fn a_critical_extension_is_taken_where_it_is_understood_and_there() {
    let known = Rules {
        extensions: &["shiny"],
        ..Rules::at(now())
    };
    let read = |rest: &str| {
        let file = changed("\"hop\": 0", &format!("\"hop\": 0, {rest}"));
        let sealed = Envelope::read(file).verify(&ring(), &task_place(), now());
        sealed.unwrap().task(&known)
    };
    let task = read("\"crit\": [\"shiny\"], \"ext\": {\"shiny\": {}}").unwrap();
    assert!(task.ext.contains_key("shiny"));
    let absent = read("\"crit\": [\"shiny\"]").unwrap_err();
    assert_eq!(absent.reason, Reason::Crit);
}

/// The registered extension, sealed by another program.
#[test]
fn a_task_that_waits_says_for_what() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ext/after.json");
    let sealed = Envelope::read(std::fs::read(path).unwrap());
    let task = sealed.verify(&ring(), &task_place(), now()).unwrap();
    let task = task.task(&Rules::at(now())).unwrap();
    assert!(task.waits());
    let after = task.after();
    assert_eq!(after.len(), 1);
    assert_eq!(
        after[0].id.to_string(),
        "0198f1c2-8a00-7000-8000-0123456789ab"
    );
    for (what, crit) in [
        ("\"crit\": [\"after\"]", "E_CRIT"),
        ("\"ext\": {\"after\": {}}", "E_CRIT"),
        (
            "\"ext\": {\"after\": {\"tasks\": [{\"id\": \"x\", \"when\": \"ok\"}]}}",
            "E_CRIT",
        ),
    ] {
        let file = changed("\"hop\": 0", &format!("\"hop\": 0, {what}"));
        assert_eq!(code(judge(&file, &task_place())), crit, "{what}");
    }
}

#[test]
fn what_a_reader_would_refuse_is_not_sealed() {
    let sealed = Envelope::read(bytes_of(&suite()["ok"][0]));
    let sealed = sealed.verify(&ring(), &task_place(), now()).unwrap();
    let good = sealed.task(&Rules::at(now())).unwrap();
    let with = |change: &dyn Fn(&mut Task)| {
        let mut task = good.clone();
        change(&mut task);
        let sealed = envelope::seal(&signing_ring(), &task.context(), now(), &task.body());
        match sealed {
            Err(envelope::Error::Refused { source, .. }) => source.reason.as_str(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(&|task| task.request = "a\u{1b}[2J".into()), "E_CTRL");
    assert_eq!(with(&|task| task.request = String::new()), "E_RANGE");
    assert_eq!(
        with(&|task| task.request = "\u{1}".repeat(60_000)),
        "E_SIZE"
    );
    assert_eq!(with(&|task| task.expires = task.created), "E_TTL");
    assert_eq!(with(&|task| task.tags = vec!["x".repeat(65)]), "E_RANGE");
    let ack = Ack {
        from: party("devbox"),
        to: party("gpubox"),
        task_id: good.id,
        task_sha256: Digest::of(b""),
        decision: dispatch::document::Decision::Approve,
        grants: Vec::new(),
        reason: None,
        created: good.created,
        expires: good.expires,
    };
    let refused = envelope::seal(&signing_ring(), &ack.context(), now(), &ack.body());
    let no_key = matches!(refused, Err(envelope::Error::NoKey(_)));
    assert!(no_key, "a node cannot approve");
}

#[test]
fn a_beat_has_its_exact_size_whatever_it_says() {
    for index in [3, 5] {
        let case = &suite()["ok"][index];
        let (body, context) = (body_of(case), context_of(case));
        let seal =
            |body: &str| envelope::seal_beat(&signing_ring(), &context, now(), body.as_bytes());
        let beat = seal(&body).unwrap();
        assert_eq!(beat.len(), limits::BEAT_BYTES);
        assert_eq!(judge(&beat, &context), Ok(()));
        let large = body.replacen("\"from\"", &format!("{}\"from\"", " ".repeat(4096)), 1);
        let Err(envelope::Error::Refused { source, .. }) = seal(&large) else {
            panic!("sealed a beat larger than a beat");
        };
        assert_eq!(source.reason, Reason::Size);
    }
}
