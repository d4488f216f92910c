//! `dispatch retry`, `dispatch-send --idempotency-key` and `dispatch resume --profile`, as a person uses them.

use crate::programs::Pair;

fn id_of(line: &str) -> String {
    line.split('\t').next().unwrap().to_owned()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_task_that_is_over_is_sent_again_and_says_of_what() {
    let pair = Pair::new("attempts_max = 1\n");
    let sent = ["--to", "gpubox", "--request", "exit 3", "--tag", "night"];
    let id = id_of(&pair.good("dispatch-send", "devbox", &sent).out);
    let early = pair.run("dispatch", "devbox", &["retry", &id]);
    assert_eq!(early.status, 1, "{}", early.err);
    assert!(early.err.contains("is not over yet"), "{}", early.err);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let again = [
        "retry",
        &id,
        "--timeout",
        "90s",
        "--priority",
        "high",
        "--json",
    ];
    let said = json(&pair.good("dispatch", "devbox", &again).out);
    assert_eq!(
        (said["attempt"].as_u64(), said["parent"].as_str()),
        (Some(2), Some(id.as_str()))
    );
    let second = said["id"].as_str().unwrap().to_owned();
    assert_ne!(second, id);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let shown = json(
        &pair
            .good("dispatch", "devbox", &["show", &second, "--json"])
            .out,
    );
    let task = &shown["task"];
    assert_eq!(task["request"], "exit 3");
    assert_eq!(task["priority"], "high");
    assert_eq!(task["timeout_s"], 90);
    assert_eq!(task["tags"][0], "night");
    assert_eq!(shown["result"]["status"], "error");
    assert_eq!(shown["result"]["history"], serde_json::json!([]));
    let third = json(
        &pair
            .good("dispatch", "devbox", &["retry", &second, "--json"])
            .out,
    );
    assert_eq!(third["attempt"], 3);
    let unknown = pair.run(
        "dispatch",
        "devbox",
        &["retry", "0198f1c2-8a00-7000-8000-0123456789ab"],
    );
    assert_ne!(unknown.status, 0);
}

#[test]
fn the_same_key_sends_once_and_prints_the_first_id() {
    let pair = Pair::new("");
    let send = |key: &str| {
        let arguments = [
            "--to",
            "gpubox",
            "--request",
            "echo hi",
            "--idempotency-key",
            key,
        ];
        pair.good("dispatch-send", "devbox", &arguments)
    };
    let first = id_of(&send("build 7").out);
    let again = send("build 7");
    assert_eq!(id_of(&again.out), first);
    assert!(
        again.err.contains("was sent under this key before"),
        "{}",
        again.err
    );
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(id_of(&send("build 7").out), first);
    let wait = [
        "--to",
        "gpubox",
        "--request",
        "echo hi",
        "--idempotency-key",
        "build 7",
        "--wait=30s",
    ];
    assert_eq!(pair.good("dispatch-send", "devbox", &wait).out, "hi\n");
    assert_ne!(id_of(&send("build 8").out), first);
    // A sender that forgot is told by the receiver.
    let records = pair.path("devbox").join("state/submissions");
    pair.aside(&records, &pair.path("aside"));
    let second = id_of(&send("build 7").out);
    assert_ne!(second, first);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    let told = pair.run("dispatch", "devbox", &["wait", &second]);
    assert_eq!(told.status, 77, "{}", told.err);
    assert!(told.err.contains(&first), "{}", told.err);
    for bad in ["", "a\nb"] {
        let arguments = ["--to", "gpubox", "--request", "x", "--idempotency-key", bad];
        let said = pair.run("dispatch-send", "devbox", &arguments);
        assert_eq!(said.status, 64, "{}", said.err);
        assert!(said.err.contains("1 to 128 bytes"), "{}", said.err);
    }
}

#[test]
fn a_profile_that_is_not_paused_cannot_be_resumed() {
    let pair = Pair::new("");
    let said = pair.run("dispatch", "gpubox", &["resume", "--profile", "default"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("is not paused"), "{}", said.err);
}
