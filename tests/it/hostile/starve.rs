//! What one of several writers may do so that the work of the others stops: files without end, tasks that wait for
//! ever, outcomes that cannot be delivered.
#![expect(clippy::disallowed_methods, reason = "plays a hostile writer")]

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Rules;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::flow::collect::LogError;
use dispatch::id::Nonce;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::bench;
use super::bench::Bench;
use super::bench::within_a_minute;
use super::inbox::sparse;

/// Eight tebibytes of nothing.
const ENDLESS: u64 = 8 << 40;

#[test]
fn a_log_without_end_under_a_name_that_can_be_guessed_holds_nobody_up() {
    within_a_minute(|| {
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = bench.send();
        let public = bench.path(Stage::Done, &format!("{}.log", sent.id));
        sparse(&public).set_len(ENDLESS).unwrap();
        bench.serves_this(&mut node, &sent, "a log without end");
        assert_eq!(std::fs::read(&public).unwrap(), super::hands::LOG);
    });
}

#[test]
fn a_log_without_end_does_not_keep_the_sender_reading() {
    within_a_minute(|| {
        let bench = Bench::new();
        let mut node = bench.node();
        let sent = bench.send();
        bench.serves_this(&mut node, &sent, "a task");
        let public = bench.path(Stage::Done, &format!("{}.log", sent.id));
        sparse(&public).set_len(ENDLESS).unwrap();
        let sender = bench.sender();
        let found = sender.outcome(&sent.lane, sent.id, Some(sent.digest));
        let answered = found.unwrap().unwrap().unwrap();
        let shown = sender.log(&answered, &mut std::io::sink());
        assert!(matches!(shown, Err(LogError::Differs)), "{shown:?}");
    });
}

/// The moment is in the sealed body alone: by their names these tasks are due.
#[test]
fn tasks_of_one_peer_that_wait_leave_room_for_those_of_another() {
    let bench = Bench::new();
    let mut node = bench.node();
    for _ in 0..80 {
        let mut task = bench.task_from("devbox", "later");
        task.not_before = Some(task.created.plus(Duration::from_secs(20 * 3600)));
        let sent = bench.send_task(&task);
        let plain = format!("{}.normal.g1.json", sent.id);
        std::fs::rename(
            bench.path(Stage::Inbox, &sent.name),
            bench.path(Stage::Inbox, &plain),
        )
        .unwrap();
    }
    bench.rounds(&mut node, 2);
    let good = bench.send_task(&bench.task_from("laptop", "good"));
    bench.serves_this(&mut node, &good, "behind a full window");
}

#[test]
fn outcomes_that_cannot_be_delivered_hold_up_nobody_else_and_do_not_pile_up() {
    let mut bench = Bench::new();
    let devbox = bench.settings.peers.get_mut(&bench::name("devbox"));
    devbox.unwrap().accept = false;
    let mut node = bench.node();
    for _ in 0..600 {
        bench.send_task(&bench.task_from("devbox", "refused"));
    }
    std::fs::remove_dir(bench.path(Stage::Done, "")).unwrap();
    bench.rounds(&mut node, 3);
    assert!(
        bench.names(Stage::Inbox).len() >= 80,
        "more is taken in than can be answered"
    );
    let good = bench.send_task(&bench.task_from("laptop", "good"));
    bench.serves_this(&mut node, &good, "behind a broken lane");
}

/// Whoever shares a secret with this node can make what this node says to it.
#[test]
fn a_peer_that_plays_a_second_node_of_our_name_stops_its_own_tasks_alone() {
    let bench = Bench::new();
    let mut node = bench.node();
    bench.rounds(&mut node, 1);
    let file = bench.root().join("heartbeats/gpubox.devbox.json");
    let context = Context {
        from: bench::party("gpubox"),
        to: bench::party("devbox"),
        kind: Kind::Heartbeat,
    };
    for seq in 100..104 {
        let now = bench.clock_now();
        let own = Envelope::read(std::fs::read(&file).unwrap());
        let own = own.verify(&bench.keys, &context, now).unwrap();
        let mut card = own.heartbeat(&Rules::recorded()).unwrap();
        card.instance = Some(Nonce::from_bits(99));
        card.seq = seq;
        let sealed = envelope::seal_beat(&bench.keys, &context, now, &card.body()).unwrap();
        super::plant::write(&file, sealed);
        bench.clock.advance(Duration::from_secs(16));
        bench.rounds(&mut node, 1);
    }
    let own = bench.send();
    let other = bench.send_task(&bench.task_from("laptop", "good"));
    bench.serves_this(&mut node, &other, "a peer that plays us");
    assert!(!bench.ran(own.id), "it may be served by another node");
    let answers = [&own, &other].map(|sent| (sent.id, bench.answer(sent).map(|a| a.status)));
    let answers = BTreeMap::from(answers);
    assert_eq!(answers[&other.id], Some(Status::Ok));
}
