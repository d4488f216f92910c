//! A share that goes away under somebody who asks, sends or waits: it is told as that, and waited for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::PathBuf;

use super::pair::Pair;

fn elsewhere(pair: &Pair) -> PathBuf {
    pair.dir.path().join("elsewhere")
}

fn leave(pair: &Pair) {
    std::fs::rename(pair.share(), elsewhere(pair)).unwrap();
}

fn come_back(pair: &Pair) {
    std::fs::rename(elsewhere(pair), pair.share()).unwrap();
}

#[test]
fn a_share_that_is_away_is_no_fault_of_the_configuration() {
    for as_empty_folder in [false, true] {
        let pair = Pair::new("never");
        let id = pair.send("echo later");
        leave(&pair);
        let said = if as_empty_folder {
            std::fs::create_dir(pair.share()).unwrap();
            "it is not mounted there"
        } else {
            "it is not there"
        };
        for args in [
            vec!["send", "--to", "gpubox", "--request", "x"],
            vec!["why", &id],
            vec!["wait", "--for", "1s", &id],
            vec!["wait", "--for", "1s", "--all"],
            vec!["cancel", &id],
            vec!["halt"],
            vec!["watch", "--check"],
        ] {
            let told = pair.dispatch("devbox", &args);
            assert_eq!(told.code, 75, "{args:?}: {}{}", told.out, told.err);
            let all = told.out + &told.err;
            assert!(all.contains(said), "{args:?}: {all}");
            assert!(all.contains("config root"), "{args:?}: {all}");
            assert!(!all.contains("dispatch init"), "{args:?}: {all}");
        }
    }
}

#[test]
fn a_wait_outlasts_a_share_that_goes_away_and_says_so_once_each_time() {
    let pair = Pair::new("never");
    let id = pair.send("echo back again");
    leave(&pair);
    let mut wait = pair.start("devbox", &["wait", "--for", "5m", &id]);
    let mut lines = BufReader::new(wait.stderr.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    for time in 0..2 {
        let line = next();
        assert!(line.contains("waiting until it is back"), "{line}");
        come_back(&pair);
        let line = next();
        assert!(line.contains("the share is back"), "{line}");
        if time == 0 {
            leave(&pair);
        }
    }
    pair.serve();
    let mut out = String::new();
    let mut answer = wait.stdout.take().unwrap();
    answer.read_to_string(&mut out).unwrap();
    assert_eq!(out, "back again\n");
    assert!(wait.wait().unwrap().success());
    assert!(lines.all(|line| !line.unwrap().contains("back")));
}

#[test]
fn a_wait_that_ends_while_the_share_is_away_does_not_say_that_the_task_is_open() {
    let pair = Pair::new("never");
    let id = pair.send("echo later");
    leave(&pair);
    let mut wait = pair.start("devbox", &["wait", "--for", "4s", &id]);
    let mut lines = BufReader::new(wait.stderr.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    come_back(&pair);
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("the share is back"), "{line}");
    leave(&pair);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let rest = rest.join("\n");
    assert!(rest.contains("not known: the share is away"), "{rest}");
    assert_eq!(wait.wait().unwrap().code(), Some(75));
}

#[test]
fn whoever_waits_has_the_answer_or_the_id() {
    let pair = Pair::new("never");
    let send = [
        "send",
        "-q",
        "--to",
        "gpubox",
        "--wait=1s",
        "--request",
        "echo hello",
    ];
    let told = pair.dispatch("devbox", &send);
    assert_eq!(told.code, 79, "{}", told.err);
    let (id, path) = told.out.trim_end().split_once('\t').unwrap();
    assert!(std::fs::metadata(path).is_ok(), "{path}");
    // And on the other stream when nobody lets it come to its end.
    let sends = ["send", "--to", "gpubox", "--wait", "--request", "x"];
    let mut waits = pair.start("devbox", &sends);
    let mut lines = BufReader::new(waits.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let line = lines.find(|line| line.contains('\t'));
    waits.kill().unwrap();
    waits.wait().unwrap();
    assert!(!line.unwrap().contains(id));
    let json = pair.dispatch("devbox", &[&send[..], &["--json"]].concat());
    let line: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(line["state"], "open");
    assert!(line["id"].is_string());
}

#[test]
fn a_verdict_of_the_doctor_that_is_remembered_is_told_as_that() {
    let pair = Pair::new("never");
    let check = || {
        let told = pair.watch("gpubox", &["--check"]);
        let row = told.out.lines().find(|line| line.contains("doctor"));
        row.unwrap().to_owned()
    };
    let row = check();
    assert!(
        row.starts_with("ok   doctor") && !row.contains("ago"),
        "{row}"
    );
    // As if it was found an hour ago.
    let file = pair.home("gpubox").join("state/doctor.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    kept["at"] = (kept["at"].as_i64().unwrap() - 3700 * 2).into();
    std::fs::write(&file, kept.to_string()).unwrap();
    let row = check();
    assert!(row.contains("MULTI, as it was found 2 h ago"), "{row}");
    leave(&pair);
    let row = check();
    assert!(row.starts_with("note doctor"), "{row}");
    assert!(
        row.contains(
            "not asked: the share is not there; when it was last examined, 2 h ago, it was MULTI"
        ),
        "{row}"
    );
}

#[test]
fn a_watcher_says_that_the_share_went_away_and_that_it_is_back() {
    let pair = Pair::new("never");
    let mut watch = pair.start("gpubox", &["watch", "--poll", "200ms"]);
    let mut lines = BufReader::new(watch.stderr.take().unwrap()).lines();
    let mut until = |wanted: &str| {
        let line = lines.find(|line| line.as_ref().unwrap().contains(wanted));
        line.unwrap().unwrap()
    };
    until("gpubox serves 1 peer");
    leave(&pair);
    let line = until("nothing starts until it is back");
    assert!(line.contains("warning: share lost: "), "{line}");
    come_back(&pair);
    until("the share is back after ");
    watch.kill().unwrap();
    watch.wait().unwrap();
}
