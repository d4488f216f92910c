//! F28 to F32: copies, reused ids, tasks where no record put them, and decisions that decide nothing.

use std::time::Duration;

use dispatch::document::Ack;
use dispatch::document::Decision;
use dispatch::document::Task;
use dispatch::entry::QueuedName;
use dispatch::event::Word;
use dispatch::flow::ack;
use dispatch::flow::send::Sent;
use dispatch::id::Digest;
use dispatch::id::Party;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::bench::Bench;
use super::bench::lane;
use super::bench::name;
use super::bench::party;
use super::plant::ODD;
use super::plant::write;

/// A second name for a task.
fn renamed(sent: &Sent, generation: u32) -> String {
    let name = QueuedName::parse(&sent.name).unwrap();
    QueuedName { generation, ..name }.to_string()
}

/// F28: one run, and the copies are set aside without an alarm.
#[test]
fn the_same_task_three_times_runs_once() {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = bench.send();
    let bytes = std::fs::read(bench.path(Stage::Inbox, &sent.name)).unwrap();
    write(&bench.path(Stage::Inbox, &renamed(&sent, 2)), &bytes);
    bench.serves_this(&mut node, &sent, "two at once");
    write(&bench.path(Stage::Inbox, &renamed(&sent, 3)), &bytes);
    bench.serves(&mut node, "a third, later");
    let mine = bench.hands.starts().into_iter().filter(|id| *id == sent.id);
    assert_eq!(mine.count(), 1);
    assert_eq!(bench.told(Word::TaskDuplicate), 2);
    assert_eq!(bench.told(Word::TaskReuse), 0);
    let why =
        std::fs::read_to_string(bench.path(Stage::Rejected, &bench.only(Stage::Rejected, ".why")));
    assert!(why.unwrap().contains("E_REPLAY"));
    bench.is_quiet(&mut node, "copies");
}

/// The same after the watcher was started anew: its memory is on its disk.
#[test]
fn a_copy_is_known_after_a_restart() {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = bench.send();
    let bytes = std::fs::read(bench.path(Stage::Inbox, &sent.name)).unwrap();
    bench.serves_this(&mut node, &sent, "first");
    drop(node);
    let mut node = bench.node();
    for place in [Stage::Inbox, Stage::Processing, Stage::PendingAck] {
        let file = match place {
            Stage::Inbox => renamed(&sent, 9),
            _ => claim_of(&sent),
        };
        write(&bench.path(place, &file), &bytes);
    }
    bench.serves(&mut node, "after a restart");
    assert_eq!(bench.hands.starts().len(), 2);
    assert_eq!(bench.told(Word::TaskReuse), 0);
}

/// F29: other bytes under a known id are an alarm, whether the first is waiting or over; the first goes on.
#[test]
fn other_bytes_under_a_known_id_are_an_alarm() {
    let bench = Bench::new();
    let mut node = bench.node();
    let task = bench.task_from("devbox", "the first");
    let first = bench.send_task(&Task {
        require_ack: true,
        ..task.clone()
    });
    bench.rounds(&mut node, 1);
    let other = Task {
        request: "another".to_owned(),
        ..task
    };
    let second = bench.send_task(&other);
    assert_ne!(first.digest, second.digest);
    bench.serves(&mut node, "while the first waits");
    assert_eq!(bench.told(Word::TaskReuse), 1);
    decide(
        &bench,
        "alice",
        &first,
        first.digest,
        Decision::Approve,
        Duration::from_secs(600),
    );
    bench.rounds(&mut node, 4);
    assert_eq!(bench.answer(&first).map(|it| it.status), Some(Status::Ok));
    bench.send_task(&Task {
        request: "a third".to_owned(),
        ..other
    });
    bench.serves(&mut node, "when it is over");
    assert_eq!(bench.told(Word::TaskReuse), 2);
    assert!(
        !bench
            .hands
            .requests()
            .iter()
            .any(|it| it == "another" || it == "a third")
    );
    bench.is_quiet(&mut node, "reuse");
}

/// A name that only this node would give.
fn claim_of(sent: &Sent) -> String {
    let name = QueuedName::parse(&sent.name).unwrap();
    name.claimed_by(&name_of_node(), dispatch::id::Nonce::from_bits(99))
        .to_string()
}

fn name_of_node() -> dispatch::id::NodeName {
    name("gpubox")
}

/// F30: a place grants nothing. What lies in processing/ or pending-ack/ without a record goes through the gate.
#[test]
fn a_task_dropped_behind_the_gate_goes_through_it() {
    for stage in [Stage::Processing, Stage::PendingAck] {
        for require_ack in [true, false] {
            let bench = Bench::new();
            let mut node = bench.node();
            bench.rounds(&mut node, 1);
            let task = bench.task_from("devbox", "dropped");
            let sent = bench.send_task(&Task {
                require_ack,
                ..task
            });
            let file = bench.path(Stage::Inbox, &sent.name);
            let bytes = std::fs::read(&file).unwrap();
            bench.share.clear(&file);
            write(&bench.path(stage, &claim_of(&sent)), bytes);
            bench.serves(&mut node, "dropped while it serves");
            assert!(!bench.ran(sent.id), "{stage}: a place is no order");
            drop(node);
            let mut node = bench.node();
            bench.rounds(&mut node, 3);
            assert_eq!(bench.ran(sent.id), !require_ack, "{stage}");
            assert_eq!(
                bench.told(Word::TaskPendingAck),
                usize::from(require_ack),
                "{stage}"
            );
            if require_ack {
                decide(
                    &bench,
                    "alice",
                    &sent,
                    sent.digest,
                    Decision::Approve,
                    Duration::from_secs(60),
                );
                bench.rounds(&mut node, 4);
                assert!(bench.ran(sent.id), "{stage}: approved");
            }
        }
    }
}

/// F30, without a seal, with a foreign claim, and with markers of starts that never were.
#[test]
fn anything_else_dropped_behind_the_gate_is_refused_or_ignored() {
    for stage in [Stage::Processing, Stage::PendingAck] {
        let bench = Bench::new();
        let sent = bench.send();
        let (claim, other) = (
            claim_of(&sent),
            claim_of(&sent).replace("gpubox", "evilbox"),
        );
        write(&bench.path(stage, &claim), "{\"request\": \"rm -rf /\"}");
        write(&bench.path(stage, &other), "{\"request\": \"rm -rf /\"}");
        write(&bench.path(stage, "x.json"), "{\"request\": \"rm -rf /\"}");
        write(&bench.path(stage, &claim.replace(".json", ".start")), "");
        for (index, (_, _, put)) in ODD.iter().enumerate() {
            let file = claim.replace("0000000000000063", &format!("{index:016x}"));
            put(&bench, &bench.path(stage, &file));
        }
        let mut node = bench.node();
        bench.serves_this(&mut node, &sent, "dropped");
        assert_eq!(bench.hands.starts().len(), 1);
        bench.rounds(&mut node, 14);
        let mut left = bench.names(stage);
        left.retain(|name| !name.ends_with(".start"));
        assert_eq!(
            left,
            ["x.json"],
            "{stage}: only what nobody calls a claim stays"
        );
        bench.is_quiet(&mut node, "dropped");
    }
}

/// The name of a dropped file is a stranger's choice: it does not lead onto what was set aside before.
#[test]
fn what_was_set_aside_is_never_overwritten() {
    let bench = Bench::new();
    let sent = bench.send();
    let claim = claim_of(&sent);
    write(&bench.path(Stage::Rejected, &claim), "evidence");
    write(&bench.path(Stage::Processing, &claim), "{}");
    let mut node = bench.node();
    bench.serves_this(&mut node, &sent, "dropped");
    let kept = std::fs::read_to_string(bench.path(Stage::Rejected, &claim));
    assert_eq!(kept.unwrap(), "evidence");
    let id = sent.id.to_string();
    let mine = bench.names(Stage::Rejected);
    let mine = mine.iter().filter(|name| name.starts_with(&id));
    assert_eq!(mine.count(), 2);
}

/// Publishes a decision.
pub fn decide(
    bench: &Bench,
    who: &str,
    sent: &Sent,
    digest: Digest,
    decision: Decision,
    life: Duration,
) {
    use dispatch::clock::Clock as _;
    let now = bench.clock.wall();
    let ack = Ack {
        from: Party::of_approver(&name(who)),
        to: party("gpubox"),
        task_id: sent.id,
        task_sha256: digest,
        decision,
        grants: Vec::new(),
        reason: None,
        created: now,
        expires: now.plus(life),
    };
    let made = ack::decide(&bench.sender(), &*bench.chance, &lane(), &name(who), &ack).unwrap();
    assert_eq!(made, dispatch::transport::Publish::Published);
}

fn parked(bench: &Bench, node: &mut dispatch::flow::Node) -> Sent {
    let task = bench.task_from("devbox", "asks first");
    let sent = bench.send_task(&Task {
        require_ack: true,
        ..task
    });
    bench.rounds(node, 1);
    assert_eq!(bench.told(Word::TaskPendingAck), 1);
    sent
}

/// F31, and everything else that is no decision: the task stays where it is, and a real decision still counts.
#[test]
fn what_is_no_decision_decides_nothing() {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = parked(&bench, &mut node);
    let control = |file: &str| bench.path(Stage::Control, file);
    let named = |who: &str, nonce: usize| format!("{}.ack.{who}.{nonce:016x}.json", sent.id);
    write(&control(&format!("{}.ack", sent.id)), "");
    write(
        &bench.path(Stage::PendingAck, &format!("{}.ack", sent.id)),
        "",
    );
    write(&control(&named("alice", 1)), "");
    write(&control(&named("alice", 2)), "{\"decision\": \"approve\"}");
    write(&control(&named("nobody", 3)), "{}");
    write(&control(&named("alice", 4)), "x".repeat(1 << 20));
    write(&control(&named("..", 5)), "{}");
    for (index, (_, _, put)) in ODD.iter().enumerate() {
        put(&bench, &control(&named("alice", 16 + index)));
    }
    // A sealed task is no decision, whatever it is called.
    let (_, task) = bench.sealed();
    write(&control(&named("alice", 6)), task);
    bench.serves(&mut node, "no decisions");
    assert!(!bench.ran(sent.id));
    assert_eq!(bench.names(Stage::PendingAck).len(), 2);
    bench.is_quiet(&mut node, "no decisions");
    decide(
        &bench,
        "alice",
        &sent,
        sent.digest,
        Decision::Approve,
        Duration::from_secs(60),
    );
    bench.rounds(&mut node, 4);
    assert_eq!(bench.answer(&sent).map(|it| it.status), Some(Status::Ok));
}

/// The codes of the documents that were not accepted.
fn codes(bench: &Bench) -> Vec<String> {
    let events = bench.sink.events();
    let refused = events
        .iter()
        .filter(|event| event.word == Word::DocumentReject);
    let code = |event: &dispatch::event::Event| event.code.clone().unwrap().as_str().to_owned();
    refused.map(code).collect()
}

/// F32.
#[test]
fn a_decision_about_other_bytes_too_late_or_by_a_stranger_decides_nothing() {
    let bench = Bench::new();
    let mut node = bench.node();
    let sent = parked(&bench, &mut node);
    let minute = Duration::from_secs(60);
    decide(
        &bench,
        "alice",
        &sent,
        Digest::of(b"other"),
        Decision::Approve,
        minute,
    );
    decide(
        &bench,
        "mallory",
        &sent,
        sent.digest,
        Decision::Approve,
        minute,
    );
    let other = bench.send();
    let about = Sent {
        id: sent.id,
        ..other.clone()
    };
    decide(
        &bench,
        "alice",
        &about,
        other.digest,
        Decision::Deny,
        minute,
    );
    bench.serves_this(&mut node, &other, "decisions");
    assert!(!bench.ran(sent.id));
    assert_eq!(bench.told(Word::DocumentReject), 3);
    // Valid when it was written, read when its time was over.
    bench.share.fail(
        "read",
        &format!("{}/control", lane()),
        nix::errno::Errno::EIO,
    );
    decide(
        &bench,
        "alice",
        &sent,
        sent.digest,
        Decision::Approve,
        minute,
    );
    bench.rounds(&mut node, 2);
    bench.clock.advance(minute * 5);
    bench.share.mend();
    bench.rounds(&mut node, 2);
    assert!(!bench.ran(sent.id));
    assert_eq!(bench.told(Word::DocumentReject), 4);
    let codes = codes(&bench);
    assert_eq!(
        codes.iter().filter(|code| *code == "E_DIGEST").count(),
        2,
        "{codes:?}"
    );
    assert!(codes.iter().any(|code| code == "E_PEER"), "{codes:?}");
    assert_eq!(codes.last().unwrap(), "E_EXPIRED");
    bench.is_quiet(&mut node, "decisions");
}

/// F32: the first terminal decision wins.
#[test]
fn a_second_decision_changes_nothing() {
    for first in [Decision::Approve, Decision::Deny] {
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = parked(&bench, &mut node);
        let minute = Duration::from_secs(60);
        let second = match first {
            Decision::Approve => Decision::Deny,
            Decision::Deny => Decision::Approve,
        };
        decide(&bench, "alice", &sent, sent.digest, first, minute);
        bench.rounds(&mut node, 1);
        decide(&bench, "alice", &sent, sent.digest, second, minute);
        bench.serves(&mut node, "behind both");
        bench.rounds(&mut node, 3);
        let (status, ran) = match first {
            Decision::Approve => (Status::Ok, true),
            Decision::Deny => (Status::Denied, false),
        };
        assert_eq!(bench.answer(&sent).map(|it| it.status), Some(status));
        assert_eq!(bench.ran(sent.id), ran);
    }
}
