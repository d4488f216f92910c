//! What one host can see: status, why, show, cancel, gc and the record of outcomes, with the real programs.
#![expect(
    clippy::disallowed_methods,
    reason = "starts the programs, and does to the share what others may do to it"
)]

mod after;
mod away;
mod batch;
mod later;
mod old;
mod pair;

use dispatch::clock::Timestamp;
use dispatch::document::Card;
use dispatch::document::Context;
use dispatch::document::Heartbeat;
use dispatch::document::Kind;
use dispatch::document::NodeState;
use dispatch::envelope;
use dispatch::id::Nonce;
use dispatch::place::Place;
use pair::Pair;
use pair::party;

/// Replaces what differs from run to run.
fn plain(text: &str, pair: &Pair, id: &str) -> String {
    let share = pair.share().display().to_string();
    let text = text.replace(&share, "SHARE").replace(id, "ID");
    let lines = text.lines().map(|line| match line.split_once(", ") {
        Some((head, _)) if head.ends_with("SHARE") => head.to_owned(),
        _ => line.split_whitespace().collect::<Vec<&str>>().join(" "),
    });
    lines.collect::<Vec<String>>().join("\n")
}

#[test]
fn a_task_is_explained_from_its_sending_to_its_answer() {
    let pair = Pair::new("never");
    let id = pair.send("echo forty-two; echo aside >&2");

    let why = pair.dispatch("devbox", &["why", &id]);
    assert_eq!(why.code, 0, "{}", why.err);
    assert_eq!(
        why.out,
        "not yet taken: gpubox has never been heard of: does 'dispatch-watch' run there?\n"
    );
    let status = pair.dispatch("devbox", &["status"]);
    assert_eq!(status.code, 1);
    assert_eq!(
        plain(&status.out, &pair, &id),
        "devbox sees SHARE\n\
         \n\
         NODE IS HEARD RUNS WAIT ACK POLL VERSION AUDIT\n\
         devbox (this) never - - - - - - -\n\
         gpubox never - - - - - - -\n\
         \n\
         LANE QUEUED ACK IN WORK DONE TODAY REJECTED\n\
         devbox-to-gpubox 1 0 0 0 0\n\
         gpubox-to-devbox 0 0 0 0 0\n\
         \n\
         wrong devbox-to-gpubox: 1 task waits in its inbox, and nobody serves it: \
         gpubox has never been heard of"
    );

    pair.serve();
    let why = pair.dispatch("devbox", &["why", &id[..13]]);
    assert!(why.out.starts_with("answered by gpubox at "), "{}", why.out);
    let status = pair.dispatch("devbox", &["status"]);
    assert_eq!(status.code, 0, "{}{}", status.out, status.err);
    assert!(status.out.ends_with("\nall is well\n"), "{}", status.out);
    assert!(!status.out.contains("RUNNING"), "{}", status.out);
    let status = pair.dispatch("gpubox", &["status", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(
        report["wrong"][0]["code"], "silent",
        "its watcher has ended"
    );
    assert_eq!(report["lanes"][0]["done_today"], 1);

    let show = pair.dispatch("devbox", &["show", &id]);
    assert_eq!(show.code, 0, "{}", show.err);
    for line in [
        "request      echo forty-two",
        "outcome      ok on gpubox",
        "  | forty-two",
    ] {
        assert!(show.out.contains(line), "{line}: {}", show.out);
    }
    let log = pair.dispatch("devbox", &["show", &id, "--log"]);
    assert_eq!(log.code, 0, "{}", log.err);
    assert!(log.out.contains("\nforty-two\n"), "{}", log.out);
    let request = pair.dispatch("gpubox", &["show", &id, "--request"]);
    assert_eq!(request.out, "echo forty-two; echo aside >&2\n");
    let cancel = pair.dispatch("devbox", &["cancel", &id]);
    assert_eq!(cancel.code, 1);
    assert!(cancel.err.contains("already answered"), "{}", cancel.err);

    std::fs::write(pair.in_lane(&format!("done/{id}.log")), "other words").unwrap();
    let log = pair.dispatch("devbox", &["show", &id, "--log"]);
    assert_eq!(
        (log.code, log.out.as_str()),
        (77, ""),
        "a forged log is not shown"
    );
}

#[test]
fn what_waits_for_an_approval_says_so_and_can_be_cancelled() {
    let pair = Pair::new("always");
    let id = pair.send("echo never");
    pair.serve();
    let why = pair.dispatch("gpubox", &["why", &id]);
    assert!(
        why.out
            .starts_with("it waits for an approval of alice, until "),
        "{}",
        why.out
    );
    assert_eq!(why.err, format!("try: dispatch-ack {id}\n"));
    let why = pair.dispatch("devbox", &["why", &id]);
    assert_eq!(why.out, "it waits on gpubox for an approval\n");

    let cancel = pair.dispatch("devbox", &["cancel", &id, "--reason", "wrong branch"]);
    assert_eq!(cancel.code, 0, "{}", cancel.err);
    let why = pair.dispatch("devbox", &["why", &id]);
    assert!(why.out.contains("a cancel lies there"), "{}", why.out);
    pair.serve();
    let waited = pair.dispatch("devbox", &["wait", &id, "--for", "60s"]);
    assert_eq!(waited.code, 1, "{}", waited.err);
    let why = pair.dispatch("devbox", &["why", &id]);
    assert!(why.out.starts_with("it was cancelled at "), "{}", why.out);
    assert!(
        why.out.ends_with(": cancelled by devbox: wrong branch\n"),
        "{}",
        why.out
    );
}

#[test]
fn a_second_outcome_is_a_conflict() {
    let pair = Pair::new("never");
    let id = pair.send("echo one");
    pair.serve();
    assert_eq!(
        pair.dispatch("devbox", &["wait", &id, "--for", "60s"]).code,
        0
    );
    let record = pair.home("devbox").join("state/outcomes").join(&id);
    let text = std::fs::read_to_string(&record).unwrap();
    let first = serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let digest = first["sha256"].as_str().unwrap();
    assert_eq!(
        pair.dispatch("devbox", &["wait", &id, "--for", "60s"])
            .err
            .lines()
            .count(),
        1
    );
    std::fs::write(&record, text.replace(digest, &"ab".repeat(32))).unwrap();
    let waited = pair.dispatch("devbox", &["wait", &id, "--for", "60s"]);
    assert!(
        waited.err.contains("warning: conflict about"),
        "{}",
        waited.err
    );
    let show = pair.dispatch("devbox", &["show", &id, "--color", "never"]);
    assert!(show.out.contains("CONFLICT"), "{}", show.out);
    let log = pair.dispatch("devbox", &["log", "--task", &id]);
    assert!(log.out.contains("task_conflict"), "{}{}", log.out, log.err);
}

#[test]
fn without_the_share_the_own_journal_still_speaks() {
    let pair = Pair::new("always");
    let id = pair.send("echo never");
    pair.serve();
    std::fs::rename(pair.share(), pair.dir.path().join("away")).unwrap();
    let status = pair.dispatch("gpubox", &["status"]);
    assert_eq!(status.code, 74, "{}", status.err);
    assert!(
        status.out.contains("0 waiting, 1 for an approval"),
        "{}",
        status.out
    );
    assert!(status.out.contains("wrong  the share: "), "{}", status.out);
    let why = pair.dispatch("gpubox", &["why", &id]);
    assert_eq!(why.code, 0, "{}", why.err);
    assert!(why.out.contains("the share does not answer"), "{}", why.out);
    std::fs::create_dir(pair.share()).unwrap();
    let status = pair.dispatch("devbox", &["status"]);
    assert_eq!(status.code, 74);
    assert!(status.out.contains("not mounted?"), "{}", status.out);
}

#[test]
fn a_halt_is_named_with_its_reason() {
    let pair = Pair::new("never");
    let id = pair.send("echo never");
    std::fs::write(pair.share().join("KILLSWITCH"), "halt: new driver\n").unwrap();
    pair.serve();
    let status = pair.dispatch("devbox", &["status", "gpubox"]);
    assert_eq!(status.code, 1);
    assert!(
        status
            .out
            .contains("wrong  everything: halted by KILLSWITCH: "),
        "{}",
        status.out
    );
    assert!(status.out.contains("new driver"), "{}", status.out);
    let why = pair.dispatch("devbox", &["why", &id]);
    assert!(
        why.out.starts_with("not yet taken: halted by KILLSWITCH"),
        "{}",
        why.out
    );
}

#[test]
fn what_was_never_published_or_never_was_is_told_apart() {
    let pair = Pair::new("never");
    let id = "0198f1c2-0000-7000-8000-000000000001";
    let why = pair.dispatch("devbox", &["why", id]);
    assert_eq!(why.code, 66, "{}{}", why.out, why.err);
    let part = format!("tmp/{id}.00112233445566ff.part");
    std::fs::write(pair.in_lane(&part), "{").unwrap();
    let why = pair.dispatch("devbox", &["why", id]);
    assert_eq!(why.code, 0, "{}", why.err);
    assert!(why.out.starts_with("only half published: "), "{}", why.out);
    assert_eq!(pair.dispatch("devbox", &["cancel", id]).code, 66);
}

/// Seals a heartbeat of gpubox for devbox.
fn beat(pair: &Pair, seq: u64, created: Timestamp, state: NodeState) {
    let heartbeat = Heartbeat {
        from: party("gpubox"),
        to: party("devbox"),
        boot_id: "b".to_owned(),
        seq,
        created,
        accepts: vec![3],
        killswitch: false,
        running: 0,
        queued: 0,
        pending_ack: 0,
        clock_skew_ms: 0,
        version: "0".to_owned(),
        instance: Some(Nonce::from_bits(7)),
        free_bytes: None,
        slots: Some(2),
        poll_ms: Some(1000),
        state: Some(state),
        reason: (state != NodeState::Ready).then(|| "disk full".to_owned()),
        tasks: Vec::new(),
        audit: None,
        extensions: Vec::new(),
        profiles: Vec::new(),
        card: Card::default(),
    };
    let sender = pair.sender("gpubox");
    let context = Context {
        from: party("gpubox"),
        to: party("devbox"),
        kind: Kind::Heartbeat,
    };
    let sealed = envelope::seal_beat(
        &sender.keys,
        &context,
        sender.clock.wall(),
        &heartbeat.body(),
    );
    let transport = &sender.transport;
    let name = "gpubox.devbox.json";
    transport
        .beat(
            &Place::Heartbeats,
            name,
            &sealed.expect("a sealed heartbeat"),
        )
        .expect("a heartbeat on the share");
}

#[test]
fn a_heartbeat_tells_of_a_wrong_clock_of_silence_and_of_trouble() {
    let pair = Pair::new("never");
    let now = pair.sender("devbox").clock.wall();
    let wrong = || pair.dispatch("devbox", &["status", "gpubox"]);
    beat(&pair, 1, now, NodeState::Ready);
    assert_eq!(wrong().code, 0, "{}", wrong().out);

    beat(
        &pair,
        2,
        now.plus(std::time::Duration::from_secs(3600)),
        NodeState::Ready,
    );
    let skewed = wrong();
    assert_eq!(skewed.code, 1);
    assert!(
        // A second may pass between the two looks at the clock.
        (3599..=3600).any(|seconds| {
            let told = format!("gpubox: its clock is {seconds} s ahead of");
            skewed.out.contains(&told)
        }),
        "{}",
        skewed.out
    );

    beat(&pair, 3, now, NodeState::Degraded);
    assert!(
        wrong().out.contains("gpubox: takes nothing: disk full"),
        "{}",
        wrong().out
    );

    // As if the same number had been seen since this host was booted.
    beat(&pair, 4, now, NodeState::Ready);
    assert_eq!(wrong().code, 0);
    let memory = pair.home("devbox").join("state/heard.json");
    let text = std::fs::read_to_string(&memory).unwrap();
    let mut seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    seen["nodes"]["gpubox"]["first"] = 0.into();
    seen["nodes"]["gpubox"]["before"] = serde_json::Value::Null;
    std::fs::write(&memory, seen.to_string()).unwrap();
    assert!(
        wrong().out.contains("gpubox: its heartbeat stands still"),
        "{}",
        wrong().out
    );

    let file = pair.share().join("heartbeats/gpubox.devbox.json");
    std::fs::write(&file, "torn").unwrap();
    let torn = wrong();
    assert!(
        torn.out
            .contains("gpubox: its heartbeat cannot be believed"),
        "{}",
        torn.out
    );
    assert!(!torn.out.contains("silent"), "{}", torn.out);
}

#[test]
fn what_runs_and_what_waits_for_it_are_told_apart() {
    let pair = Pair::new("never");
    let config = pair.home("gpubox").join("dispatch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("slots = 1\n{text}")).unwrap();
    // The agent ends only when it is told to; before that it has said that it runs.
    let runs = pair.send("for i in $(seq 600); do sleep 0.1; done");
    let waits = pair.send("echo done");
    let mut watcher = pair.serve_aside();
    let settled = |node: &str, id: &str, start: &str| {
        for _ in 0..200 {
            let why = pair.dispatch(node, &["why", id]);
            if why.out.starts_with(start) {
                return why.out;
            }
        }
        panic!("{}", pair.dispatch(node, &["why", id]).out);
    };
    let why = settled("gpubox", &runs, "it runs here since ");
    assert!(why.ends_with("(attempt 1)\n"), "{why}");
    let why = pair.dispatch("gpubox", &["why", &waits]).out;
    assert_eq!(
        why,
        "it waits for a slot: 1 of 1 are in use; it is the next\n"
    );
    settled("devbox", &runs, "it runs on gpubox since ");
    let why = settled(
        "devbox",
        &waits,
        "taken in by gpubox, waits for a slot: 1 of 1",
    );
    assert!(why.ends_with("1 task waits\n"), "{why}");
    let status = pair.dispatch("devbox", &["status"]);
    assert_eq!(status.code, 0, "{}", status.out);
    assert!(
        status.out.contains(&format!("{runs}  gpubox  devbox  1  ")),
        "{}",
        status.out
    );
    assert!(!status.out.contains(&waits), "{}", status.out);

    let cancel = pair.dispatch("devbox", &["cancel", &runs, "--wait"]);
    assert_eq!(cancel.code, 1, "{}", cancel.err);
    assert!(cancel.err.contains("cancelled on gpubox"), "{}", cancel.err);
    assert!(watcher.wait().unwrap().success());
    assert_eq!(
        pair.dispatch("devbox", &["wait", &waits, "--for", "60s"])
            .code,
        0
    );
}

#[test]
fn a_refusal_is_explained() {
    let pair = Pair::new("never");
    let request = [
        "send",
        "--to",
        "gpubox",
        "--profile",
        "other",
        "--request",
        "echo no",
    ];
    let sent = pair.dispatch("devbox", &request);
    let id = sent.out.split('\t').next().unwrap().to_owned();
    pair.serve();
    let why = pair.dispatch("devbox", &["why", &id]);
    assert!(
        why.out.starts_with("refused by the policy of gpubox at "),
        "{}",
        why.out
    );
    assert!(why.out.contains("other"), "{}", why.out);
    let show = pair.dispatch("devbox", &["show", &id]);
    assert!(
        show.out.contains("outcome      rejected on gpubox"),
        "{}",
        show.out
    );
    assert_eq!(pair.dispatch("devbox", &["show", &id, "--log"]).code, 66);
}
