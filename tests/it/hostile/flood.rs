//! F34 and its like: so many that a pass must be bounded, memory must not grow with them, and a good task is not
//! starved.
//!
//! 20 000 files here; `DISPATCH_TEST_FLOOD` says another number (100 000 takes a minute without optimisation).

use std::time::Duration;

use dispatch::document::Task;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::limits;
use dispatch::stage::Stage;

use super::bench::Bench;
use super::plant::write;

/// What this process may hold more than before, in KiB, for each file of a flood: an entry of a listing, with room.
const KIB_PER_FILE: f64 = 0.6;

#[expect(
    clippy::disallowed_methods,
    reason = "a longer run is asked for by hand"
)]
fn count() -> usize {
    let asked = std::env::var("DISPATCH_TEST_FLOOD").ok();
    asked.map_or(20_000, |number| number.parse().unwrap())
}

/// Resident memory of this process, in KiB (proc(5)).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many entries a folder lost or won in one round.
fn moved(bench: &Bench, node: &mut Node, stage: Stage) -> usize {
    let before = bench.names(stage).len();
    node.round().unwrap();
    before.abs_diff(bench.names(stage).len())
}

#[test]
fn a_flood_of_junk_is_cleared_little_by_little() {
    let bench = Bench::new();
    let mut node = bench.node();
    bench.rounds(&mut node, 1);
    let before = resident();
    for number in 0..count() {
        write(
            &bench.path(Stage::Inbox, &format!("junk {number}\u{202e}")),
            "",
        );
    }
    bench.serves(&mut node, "in a flood that is young");
    bench
        .clock
        .advance(limits::JUNK_AGE + Duration::from_secs(1));
    assert!(moved(&bench, &mut node, Stage::Inbox) <= limits::JUNK_PER_PASS_MAX);
    bench.serves(&mut node, "in a flood that is old");
    let told = bench.told(Word::Junk);
    assert!(told <= 5 * 6, "{told} lines");
    let grown = resident() - before;
    // Other tests run in this process: a loose bound, and far below what one copy of each file would need.
    let most = 64.0 * 1024.0 + KIB_PER_FILE * count() as f64;
    assert!(grown < most, "{grown} KiB more");
}

/// Files that are named like urgent tasks, older than every good one, and prove nothing.
#[test]
fn a_flood_of_forged_tasks_is_taken_in_bounded_passes() {
    let bench = Bench::new();
    let mut node = bench.node();
    let forged = count() / 20;
    for number in 0..forged {
        let id = format!("00000000-{:04x}-7000-8000-{number:012x}", number % 0xffff);
        write(
            &bench.path(Stage::Inbox, &format!("{id}.normal.g1.json")),
            "{}",
        );
    }
    let urgent = bench.send_task(&Task {
        priority: dispatch::id::Priority::High,
        ..bench.task_from("devbox", "urgent")
    });
    let other = bench.send_task(&bench.task_from("laptop", "of the other lane"));
    assert!(moved(&bench, &mut node, Stage::Inbox) <= limits::PASS_ENTRIES_MAX + 1);
    bench.rounds(&mut node, 1);
    assert!(bench.ran(urgent.id), "a higher priority is not behind them");
    assert!(bench.ran(other.id), "another lane is not behind them");
    let good = bench.send();
    let rounds = forged / limits::PASS_ENTRIES_MAX + 3;
    bench.rounds(&mut node, rounds);
    assert!(
        bench.ran(good.id),
        "{} are left after {rounds} rounds",
        bench.names(Stage::Inbox).len()
    );
}

#[test]
fn a_flood_of_control_documents_decides_nothing_and_hides_nothing() {
    let bench = Bench::new();
    let mut node = bench.node();
    let parked = bench.send_task(&Task {
        require_ack: true,
        ..bench.task_from("devbox", "asks first")
    });
    bench.rounds(&mut node, 1);
    for number in 0..count() / 2 {
        let kind = ["ack.alice", "ack.nobody", "cancel"][number % 3];
        let file = format!("{}.{kind}.{number:016x}.json", parked.id);
        write(&bench.path(Stage::Control, &file), "{}");
    }
    bench.serves(&mut node, "in a flood of decisions");
    assert!(!bench.ran(parked.id));
    assert_eq!(bench.names(Stage::PendingAck).len(), 1);
    let told = bench.told(Word::DocumentReject);
    assert!(told <= 64, "{told} lines");
}

/// Every entry of the root that stops is a halt; only so many of them are read.
#[test]
fn a_flood_of_killswitches_halts() {
    let bench = Bench::new();
    let mut node = bench.node();
    for number in 0..count() / 4 {
        write(&bench.root().join(format!("KILLSWITCH-{number}")), "kill");
    }
    let sent = bench.send();
    bench.rounds(&mut node, 3);
    assert!(!bench.ran(sent.id));
    assert_eq!(bench.told(Word::HaltSeen), 1);
    bench.is_quiet(&mut node, "killswitches");
}
