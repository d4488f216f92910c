//! A task file carries its seal wherever somebody copies it. Copies cost looks and attempts; they end no watcher, start
//! nothing that may not start, and take no answer away.

use std::time::Duration;

use dispatch::chance::Chance as _;
use dispatch::entry;
use dispatch::entry::QueuedName;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::flow::send::Sent;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::danger::bytes_of;
use super::danger::forged;
use super::danger::plant;
use super::ground::Ground;
use super::ground::lane;

/// Rounds of the sender and of these members. That a task lies twice is what a stranger made of it.
fn rounds(ground: &Ground, nodes: &mut [Node], count: usize) {
    for _ in 0..count {
        ground.sender_round();
        for node in nodes.iter_mut() {
            node.round().unwrap();
        }
        ground.advance(Duration::from_secs(1));
    }
}

/// Puts copies of a task where claims lie: of every member and of none, taken and not, and back into the line.
fn plant_copies(ground: &Ground, sent: &Sent, bytes: &[u8]) {
    for member in ["gpu1", "gpu2", "gpu9"] {
        for at in [Stage::Processing, Stage::PendingAck] {
            for _ in 0..2 {
                let claim = forged(ground, &sent.name, member);
                plant(&ground.path(at, &claim.to_string()), bytes);
            }
        }
        let taken = forged(ground, &sent.name, member).taken_by(ground.chance().nonce());
        plant(&ground.path(Stage::Processing, &taken.to_string()), bytes);
        let marked = forged(ground, &sent.name, member);
        plant(&ground.path(Stage::Processing, &marked.to_string()), bytes);
        plant(&ground.path(Stage::Processing, &marked.marker()), b"");
    }
    let claim = forged(ground, &sent.name, "gpu1");
    plant(
        &ground.path(Stage::Inbox, &claim.returned(None).to_string()),
        bytes,
    );
}

#[test]
fn copies_of_a_task_under_other_names_end_no_watcher_and_start_nothing_twice() {
    for (seed, runs_first) in [(50, false), (51, true)] {
        let ground = Ground::new(seed, 2);
        let sent = ground.send(&ground.task());
        let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
        let mut nodes = ground.nodes();
        if runs_first {
            rounds(&ground, &mut nodes, 40);
            assert_eq!(ground.starts(sent.id), 1);
        }
        plant_copies(&ground, &sent, &bytes);
        rounds(&ground, &mut nodes, 2 * Ground::a_term());
        ground.finish_all();
        rounds(&ground, &mut nodes, Ground::a_term());
        assert!(ground.starts(sent.id) <= 1, "{}", ground.picture());
        // Behind them all a good task is served as ever.
        let good = ground.send(&ground.idempotent());
        for _ in 0..60 {
            ground.finish_all();
            rounds(&ground, &mut nodes, 2);
        }
        assert_eq!(
            ground.status(&good),
            Some(Status::Ok),
            "{}",
            ground.picture()
        );
    }
}

/// Two copies of a task that is idempotent run at two members, and one answers first.
#[test]
fn the_answer_that_came_first_stays_and_the_other_lies_beside_it() {
    let ground = Ground::new(52, 2);
    let sent = ground.send(&ground.idempotent());
    let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
    let mut nodes = vec![ground.node(0)];
    rounds(&ground, &mut nodes, 2);
    let again = QueuedName::parse(&sent.name).unwrap();
    let again = again.claimed_by(&ground.members[0].name, ground.chance().nonce());
    plant(
        &ground.path(Stage::Inbox, &again.returned(None).to_string()),
        &bytes,
    );
    nodes.push(ground.node(1));
    rounds(&ground, &mut nodes, 3);
    assert_eq!(ground.running(), 2, "{}", ground.picture());
    ground.members[1].shop.finish_all(Status::Ok);
    rounds(&ground, &mut nodes, 2);
    let public = entry::public_result(sent.id);
    let first = bytes_of(&ground, Stage::Done, &public);
    let shop = &ground.members[0].shop;
    shop.fail_all(FailureClass::Refused, None);
    rounds(&ground, &mut nodes, 3);
    assert_eq!(
        bytes_of(&ground, Stage::Done, &public),
        first,
        "it was thrown away"
    );
    let squats: usize = ground
        .members
        .iter()
        .map(|member| member.sink.count(Word::TaskSquat))
        .sum();
    assert_eq!(squats, 0);
    let committed = ground.claims(Stage::Done);
    assert_eq!(committed.len(), 2, "{}", ground.picture());
    let own = committed
        .iter()
        .find(|claim| claim.node == ground.members[0].name)
        .unwrap();
    let done = ground.names(Stage::Done);
    assert!(
        done.contains(&own.result()) && done.contains(&own.log()),
        "{done:?}"
    );
    assert!(nodes.iter().all(Node::is_quiet));
}

/// A writer puts something under the public name, and a file that looks like another claim beside it: the member leaves
/// that alone, and the sender finds what was sealed.
#[test]
fn a_planted_answer_beside_a_planted_claim_hides_the_true_one_from_nobody() {
    let ground = Ground::new(53, 1);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    rounds(&ground, &mut nodes, 2);
    let other = forged(&ground, &sent.name, "gpu1");
    plant(&ground.path(Stage::Done, &other.to_string()), b"{}");
    plant(
        &ground.path(Stage::Done, &entry::public_result(sent.id)),
        b"{}",
    );
    ground.finish_all();
    rounds(&ground, &mut nodes, 5);
    let found = ground.sender().outcome(&lane(), sent.id, Some(sent.digest));
    let found = found.unwrap().unwrap().unwrap();
    assert_eq!(found.answer.status, Status::Ok);
    assert!(nodes[0].is_quiet() && ground.names(Stage::Processing).is_empty());
}
