//! Many tasks from one file, with the real programs: checked as a whole, sent once, waiting for each other by name.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::pair::Out;
use super::pair::Pair;
use super::pair::names;

fn batch(pair: &Pair, text: &str, more: &[&str]) -> Out {
    let file = pair.dir.path().join("tasks.jsonl");
    dispatch::disk::replace(&file, text.as_bytes(), 0o600).unwrap();
    let file = file.display().to_string();
    let mut args = vec!["send", "--batch", &file];
    args.extend(more);
    pair.dispatch("devbox", &args)
}

fn ids(out: &Out) -> Vec<String> {
    let id = |line: &str| line.split('\t').next().unwrap().to_owned();
    out.out.lines().map(id).collect()
}

#[test]
fn the_lines_of_a_file_are_sent_and_wait_for_each_other() {
    let pair = Pair::new("never");
    let text = concat!(
        "{\"name\": \"report\", \"request\": \"cat $DISPATCH_PRIOR\", \"after\": [\"left\", \"any:right\"]}\n",
        "\n",
        "{\"name\": \"left\", \"request\": \"echo L\", \"idempotent\": true, \"tags\": [\"a\", \"b\"], \"max_output\": \"2KB\"}\n",
        "{\"name\": \"right\", \"to\": \"gpubox\", \"request\": \"exit 4\", \"timeout\": \"2m\"}\n",
    );
    let sent = batch(&pair, text, &["--to", "gpubox"]);
    assert_eq!(sent.code, 0, "{}", sent.err);
    let ids = ids(&sent);
    assert_eq!(ids.len(), 3);
    assert!(
        sent.out.starts_with(&format!("{}\treport\n", ids[0])),
        "{}",
        sent.out
    );
    let tree = pair.dispatch("devbox", &["deps", "report"]).out;
    assert_eq!(tree.lines().count(), 4, "{tree}");
    pair.serve();
    for id in [&ids[1], &ids[2]] {
        pair.dispatch("devbox", &["wait", "--for", "1s", id]);
    }
    pair.serve();
    let done = pair.dispatch("devbox", &["wait", "--for", "1s", &ids[0]]);
    assert_eq!(done.code, 0, "{}", done.err);
    let handed: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(handed["prior"][0]["text"], "L");
    assert_eq!(handed["prior"][1]["status"], "error");
    // The same file again is another batch.
    let again = batch(&pair, text, &["--to", "gpubox"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_ne!(self::ids(&again), ids);
}

#[test]
fn nothing_is_sent_unless_every_line_is_right() {
    let pair = Pair::new("never");
    let good = "{\"name\": \"a\", \"request\": \"true\"}\n";
    for (bad, told) in [
        (
            "{\"request\": \"true\", \"reqest\": \"x\"}",
            "line 2 of 'FILE': unknown member 'reqest'",
        ),
        ("{\"request\": \"true\"", "line 2 of 'FILE': E_JSON"),
        ("{\"request\": \"true\", \"request\": \"false\"}", "twice"),
        ("[]", "not an object"),
        ("{\"name\": \"b\"}", "line 2"),
        (
            "{\"name\": \"a\", \"request\": \"true\"}",
            "another line is named 'a' too",
        ),
        ("{\"request\": \"true\", \"to\": \"nobody\"}", "nobody"),
        ("{\"request\": \"true\", \"timeout\": \"soon\"}", "soon"),
        (
            "{\"request\": \"true\", \"idempotent\": 1}",
            "'idempotent' is not true or false",
        ),
        (
            "{\"request\": \"true\", \"batch\": \"x\"}",
            "unknown member 'batch'",
        ),
        (
            "{\"request\": \"true\", \"after\": [\"ok:\"]}",
            "there is no task in it",
        ),
        (
            "{\"request\": \"true\", \"after\": [\"a\", \"any:a\"]}",
            "named twice",
        ),
        ("{\"request\": \"-\"}", "standard input"),
        ("{\"request\": \" \"}", "nothing in the request"),
        ("{\"request\": \"a\\u0007b\"}", "E_CTRL"),
    ] {
        let sent = batch(&pair, &format!("{good}{bad}\n"), &["--to", "gpubox"]);
        let file = pair.dir.path().join("tasks.jsonl").display().to_string();
        let err = sent.err.replace(&file, "FILE");
        assert!(err.contains(told), "{bad}: {err}");
        assert!(
            sent.code == 65 || sent.code == 66,
            "{bad}: {} {err}",
            sent.code
        );
        assert!(sent.out.is_empty());
        assert!(names(&pair.in_lane("inbox")).is_empty(), "{bad}");
    }
    let circle = "{\"name\": \"a\", \"request\": \"x\", \"after\": \"c\"}\n\
                  {\"name\": \"b\", \"request\": \"x\", \"after\": \"a\"}\n\
                  {\"name\": \"c\", \"request\": \"x\", \"after\": \"notok:b\"}\n";
    let sent = batch(&pair, circle, &["--to", "gpubox"]);
    assert_eq!(sent.code, 65);
    assert!(
        sent.err.contains("in a circle: a -> c -> b -> a"),
        "{}",
        sent.err
    );
    assert!(names(&pair.in_lane("inbox")).is_empty());
}

#[test]
fn a_batch_that_was_cut_goes_on_and_sends_nothing_twice() {
    let pair = Pair::new("never");
    let line =
        |number: usize| format!("{{\"name\": \"t{number}\", \"request\": \"echo {number}\"}}\n");
    let text: String = (0..20).map(line).collect();
    // Nothing can be put into the inbox for a while: it is cut at the first task.
    let inbox = pair.in_lane("inbox");
    let aside = pair.in_lane("aside");
    std::fs::rename(&inbox, &aside).unwrap();
    let cut = batch(&pair, &text, &["--to", "gpubox"]);
    assert_ne!(cut.code, 0);
    assert!(cut.err.contains("--resume"), "{}", cut.err);
    std::fs::rename(&aside, &inbox).unwrap();
    let refused = batch(&pair, &text, &["--to", "gpubox"]);
    assert_eq!(refused.code, 75, "{}", refused.err);
    let resumed = batch(&pair, &text, &["--to", "gpubox", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(names(&inbox).len(), 20);
    assert_eq!(ids(&resumed).len(), 20);
}

#[test]
fn what_is_there_already_is_not_sent_again_though_the_record_says_less() {
    let pair = Pair::new("never");
    let text = "{\"request\": \"echo 1\"}\n{\"request\": \"echo 2\"}\n";
    let inbox = pair.in_lane("inbox");
    let aside = pair.in_lane("aside");
    std::fs::rename(&inbox, &aside).unwrap();
    assert_ne!(batch(&pair, text, &["--to", "gpubox"]).code, 0);
    std::fs::rename(&aside, &inbox).unwrap();
    let records = pair.home("devbox").join("state/batches");
    let record = records.join(&names(&records)[0]);
    let before = std::fs::read(&record).unwrap();
    assert_eq!(batch(&pair, text, &["--to", "gpubox", "--resume"]).code, 0);
    pair.serve();
    // The power went before the record was on the disk.
    dispatch::disk::replace(&record, &before, 0o600).unwrap();
    let again = batch(&pair, text, &["--to", "gpubox", "--resume", "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(
        again.out.matches("\"state\":\"already\"").count(),
        2,
        "{}",
        again.out
    );
    assert!(names(&inbox).is_empty());
}
