//! What is old: days of `done/`, what a lost claim left, what was never published; by command and by the watcher.

use std::sync::Arc;

use dispatch::clock::Clock;
use dispatch::clock::ManualClock;
use dispatch::clock::Timestamp;
use dispatch::document::Task;
use dispatch::flow::gc;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::transport::Publish;

use super::later;
use super::pair::Pair;
use super::pair::lane;
use super::pair::names;
use super::pair::party;

#[test]
fn old_outcomes_move_to_their_day_and_are_still_found() {
    let pair = Pair::new("never");
    let sender = pair.sender("devbox");
    let now = sender.clock.wall();
    let made = now.minus(std::time::Duration::from_secs(3 * 86_400));
    let millis = u64::try_from(made.unix()).unwrap() * 1000;
    let stamp = uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid();
    let id = TaskId::from_uuid(stamp);
    let task = Task::new(
        id,
        party("devbox"),
        party("gpubox"),
        now,
        "echo old".to_owned(),
    );
    let sent = sender.send(&lane(), &task).unwrap();
    assert_eq!(sent.publish, Publish::Published);
    let fresh = pair.send("echo fresh");
    pair.serve();
    let before = names(&pair.in_lane("done"));
    assert_eq!(before.len(), 6, "{before:?}");

    let gc = pair.dispatch("gpubox", &["gc", "--dry-run", "--keep", "1d"]);
    assert_eq!(gc.code, 0, "{}", gc.err);
    assert_eq!(gc.out.lines().count(), 3, "{}", gc.out);
    assert_eq!(
        names(&pair.in_lane("done")),
        before,
        "a dry run changes nothing"
    );

    let gc = pair.dispatch("devbox", &["gc"]);
    assert_eq!(
        names(&pair.in_lane("done")),
        before,
        "not its lane: {}",
        gc.err
    );

    let gc = pair.dispatch("gpubox", &["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.err);
    let left = names(&pair.in_lane("done"));
    assert!(left.contains(&format!("{fresh}.result.json")), "{left:?}");
    assert!(left.contains(&made.day()) && left.len() == 4, "{left:?}");
    assert_eq!(
        names(&pair.in_lane(&format!("done/{}", made.day()))).len(),
        3
    );
    let show = pair.dispatch("devbox", &["show", &id.to_string(), "--log"]);
    assert!(show.out.contains("\nold\n"), "{}{}", show.out, show.err);

    // As a crash between its renames leaves it: the result is the last to move.
    let (day, result) = (made.day(), format!("{id}.result.json"));
    let aged = pair.in_lane(&format!("done/{day}/{result}"));
    std::fs::rename(aged, pair.in_lane(&format!("done/{result}"))).unwrap();
    let show = pair.dispatch("devbox", &["show", &id.to_string(), "--log"]);
    assert!(show.out.contains("\nold\n"), "{}{}", show.out, show.err);
    assert!(
        pair.dispatch("gpubox", &["gc"])
            .err
            .starts_with("1 files moved")
    );

    let gc = pair.dispatch("gpubox", &["gc", "--keep", "1d"]);
    assert_eq!(gc.code, 0, "{}", gc.err);
    assert!(!names(&pair.in_lane("done")).contains(&made.day()));
    assert_eq!(pair.dispatch("devbox", &["show", &id.to_string()]).code, 66);
    assert_eq!(pair.dispatch("devbox", &["show", &fresh]).code, 0);
}

#[test]
fn what_a_lost_claim_left_is_marked_late_and_what_is_open_stays() {
    let pair = Pair::new("never");
    let id = pair.send("echo one");
    pair.serve();
    let zombie = format!("{id}.normal.g1.gpubox-00112233445566ff");
    std::fs::write(pair.in_lane(&format!("done/{zombie}.result.json")), "{}").unwrap();
    let open = pair.send("echo two");
    let marker = format!("processing/{zombie}.start");
    std::fs::write(pair.in_lane(&marker), "").unwrap();
    let kept = format!("processing/{open}.normal.g1.gpubox-00112233445566ff.start");
    std::fs::write(pair.in_lane(&kept), "").unwrap();
    let gc = pair.dispatch("gpubox", &["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.err);
    let done = names(&pair.in_lane("done"));
    assert!(
        done.contains(&format!("{zombie}.late.result.json")),
        "{done:?}"
    );
    let left = names(&pair.in_lane("processing"));
    assert_eq!(left, [kept.trim_start_matches("processing/")]);
    assert_eq!(
        pair.dispatch("devbox", &["show", &id]).code,
        0,
        "its own outcome stays"
    );
}

#[test]
fn what_was_never_published_is_cleared_once_nobody_can_be_writing_it() {
    let pair = Pair::new("never");
    let part = "0198f1c2-0000-7000-8000-000000000001.00112233445566ff.part";
    std::fs::write(pair.in_lane(&format!("tmp/{part}")), "{").unwrap();
    let rules = gc::Rules {
        keep: None,
        keep_bytes: None,
        dry_run: false,
        entries_max: 10,
    };
    for (hours, left) in [(35, 1), (37, 0)] {
        let transport = later::transport(&pair.share(), hours);
        let swept = gc::sent(&transport, &lane(), rules).unwrap();
        assert_eq!(swept.count("part"), 1 - left, "{hours} h later");
        assert_eq!(names(&pair.in_lane("tmp")).len(), left);
    }
}

#[test]
fn a_watcher_moves_old_outcomes_by_itself() {
    let pair = Pair::new("never");
    let old = "0198f1c2-0000-7000-8000-000000000001";
    for end in [
        "log",
        "result.json",
        "normal.g1.gpubox-00112233445566ff.json",
    ] {
        std::fs::write(pair.in_lane(&format!("done/{old}.{end}")), "{}").unwrap();
    }
    let clock = Arc::new(ManualClock::at(pair.sender("gpubox").clock.wall()));
    let mut node = pair.node(Arc::clone(&clock) as Arc<dyn Clock>);
    node.begin("boot").unwrap();
    node.round().unwrap();
    assert_eq!(
        names(&pair.in_lane("done")).len(),
        3,
        "not in its first minute"
    );
    clock.advance(limits::SWEEP_SOON);
    node.round().unwrap();
    let day = Timestamp::from_unix(TaskId::parse(old).unwrap().made().unwrap()).day();
    assert_eq!(names(&pair.in_lane("done")), [day.as_str()]);
    assert_eq!(names(&pair.in_lane(&format!("done/{day}"))).len(), 3);
}
