//! Tasks that wait for others, with the real programs: who lets them go, what they are given, what they are told.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::pair::Pair;

fn sent(pair: &Pair, args: &[&str]) -> String {
    let mut all = vec!["send", "--to", "gpubox"];
    all.extend(args);
    let sent = pair.dispatch("devbox", &all);
    assert_eq!(sent.code, 0, "{}", sent.err);
    sent.out.split('\t').next().unwrap().to_owned()
}

fn outcome(pair: &Pair, id: &str) -> serde_json::Value {
    let waited = pair.dispatch("devbox", &["wait", "--for", "1s", "--json", id]);
    serde_json::from_str(&waited.out).unwrap_or_else(|_| panic!("{}{}", waited.out, waited.err))
}

#[test]
fn a_task_starts_after_another_and_is_given_its_answer() {
    let pair = Pair::new("never");
    let first = pair.send("echo forty-two");
    let second = sent(
        &pair,
        &["--after", &first, "--request", "cat \"$DISPATCH_PRIOR\""],
    );
    let third = sent(
        &pair,
        &["--after", &format!("ok:{second}"), "--request", "echo last"],
    );
    let why = pair.dispatch("devbox", &["why", &second]);
    assert_eq!(
        why.out,
        format!("it waits for {first} (ok), which is not over\n")
    );
    let tree = pair.dispatch("devbox", &["deps"]);
    assert_eq!(
        tree.out,
        format!(
            "{first} on gpubox: unserved (not yet taken: gpubox has never been heard of: does 'dispatch-watch' run there?)\n\
             \x20 after ok: {second} on gpubox: waits\n\
             \x20   after ok: {third} on gpubox: waits\n"
        )
    );
    // It runs what waits for nothing, and opens nothing else.
    pair.serve();
    assert_eq!(super::pair::names(&pair.in_lane("inbox")).len(), 2);
    assert_eq!(outcome(&pair, &first)["final_text"], "forty-two");
    // Whoever waits for an outcome gives the word for what follows.
    pair.serve();
    let handed: serde_json::Value =
        serde_json::from_str(outcome(&pair, &second)["final_text"].as_str().unwrap()).unwrap();
    assert_eq!(handed["version"], 1);
    assert_eq!(handed["prior"][0]["id"], first.as_str());
    assert_eq!(handed["prior"][0]["status"], "ok");
    assert_eq!(handed["prior"][0]["text"], "forty-two");
    pair.serve();
    assert_eq!(outcome(&pair, &third)["final_text"], "last");
    let graph = pair.dispatch("devbox", &["deps", "--json", &third]);
    let graph: serde_json::Value = serde_json::from_str(&graph.out).unwrap();
    let states: Vec<&str> = graph["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["ok", "ok", "ok"]);
    assert_eq!(pair.dispatch("gpubox", &["fsck"]).code, 0);
    assert!(
        pair.dispatch("devbox", &["deps"]).out.is_empty(),
        "all is over"
    );
}

#[test]
fn what_can_never_start_is_ended_with_the_reason_and_so_is_what_waits_for_it() {
    let pair = Pair::new("never");
    let first = pair.send("exit 3");
    let next = sent(&pair, &["--after", &first, "--request", "touch never"]);
    let last = sent(&pair, &["--after", &next, "--request", "touch never"]);
    let other = sent(
        &pair,
        &[
            "--after",
            &format!("notok:{first}"),
            "--request",
            "echo repaired",
        ],
    );
    let any = sent(
        &pair,
        &[
            "--after",
            &format!("any:{first},any:{next}"),
            "--request",
            "echo swept",
        ],
    );
    pair.serve();
    assert_eq!(outcome(&pair, &first)["status"], "error");
    pair.serve();
    let ended = outcome(&pair, &next);
    assert_eq!(ended["status"], "cancelled");
    let why = format!("cancelled by devbox: it waited for {first}, which ended as error");
    assert_eq!(ended["detail"], why.as_str());
    let ended = outcome(&pair, &last);
    assert_eq!(ended["status"], "cancelled");
    let told = ended["detail"].as_str().unwrap();
    assert!(told.contains(&next) && told.contains(&first), "{told}");
    assert_eq!(outcome(&pair, &other)["final_text"], "repaired");
    assert_eq!(outcome(&pair, &any)["final_text"], "swept");
}

#[test]
fn what_is_not_known_here_is_not_waited_for_and_nothing_is_sent() {
    let pair = Pair::new("never");
    let stranger = "0198f1c2-8a00-7000-8000-0123456789ab";
    let first = pair.send("true");
    let twice = format!("{first},any:{first}");
    for (after, code) in [(stranger, 66), (twice.as_str(), 64), ("maybe:x", 64)] {
        let args = [
            "send",
            "--to",
            "gpubox",
            "--after",
            after,
            "--request",
            "true",
        ];
        let sent = pair.dispatch("devbox", &args);
        // With one lane an id that was never seen could still come to be there.
        let is_lone = after == stranger && sent.code == 0;
        assert!(
            sent.code == code || is_lone,
            "{after}: {} {}",
            sent.code,
            sent.err
        );
    }
    let old = [
        "send",
        "--to",
        "gpubox",
        "--after",
        &first,
        "--schema",
        "2",
        "--request",
        "x",
    ];
    assert_eq!(pair.dispatch("devbox", &old).code, 64);
}

#[test]
fn a_cancel_ends_what_waits_at_the_next_look() {
    let pair = Pair::new("never");
    let first = sent(&pair, &["--not-before", "2h", "--request", "true"]);
    let second = sent(&pair, &["--after", &first, "--request", "true"]);
    for id in [&second, &first] {
        assert_eq!(pair.dispatch("devbox", &["cancel", id]).code, 0);
    }
    pair.serve();
    for id in [&first, &second] {
        assert_eq!(outcome(&pair, id)["status"], "cancelled");
    }
}
