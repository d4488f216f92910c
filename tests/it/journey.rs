//! Every path through the life of a task, from the sender's document to the outcome that the sender finds; and each
//! invariant of `docs/QUEUE.md`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests, and what somebody else does to a share"
)]

use std::time::Duration;

use dispatch::document::Allowance;
use dispatch::document::Decision;
use dispatch::entry::ClaimName;
use dispatch::event::Word;
use dispatch::flow::Trouble;
use dispatch::id::Digest;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use crate::world::World;
use crate::world::lane;
use crate::world::life::Life;
use crate::world::runner::Script;
use crate::world::tape::Kept;

mod attempts;
mod danger;
mod trouble;

/// The claim of the one task file in a folder.
fn claim_in(world: &World, at: Stage) -> ClaimName {
    let names = world.names(at);
    let mut claims = names.iter().filter_map(|name| ClaimName::parse(name));
    claims.next().unwrap()
}

#[test]
fn a_task_runs_and_its_outcome_is_found() {
    let world = World::new(1);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!((answer.status, answer.attempt), (Status::Ok, 1));
    assert_eq!(answer.final_text, "done");
    world.check_end(&sent, "plain");
    world.check_starts(&sent, 1, "plain");

    let sender = world.sender(&Life::charmed());
    let found = sender
        .outcome(&lane(), sent.id, Some(sent.digest))
        .unwrap()
        .unwrap()
        .unwrap();
    let mut log = Vec::new();
    sender.log(&found, &mut log).unwrap();
    assert_eq!(log, b"log of run the tests\n");
}

#[test]
fn tasks_start_in_order_of_priority_and_age() {
    let mut world = World::new(2);
    world.settings.slots = 1;
    let mut sent = Vec::new();
    for priority in ["low", "normal", "high"] {
        let mut task = world.task();
        task.priority = priority.parse().unwrap();
        sent.push(world.send(&task));
        world.clock.advance(Duration::from_secs(1));
    }
    let mut node = world.node();
    for expected in sent.iter().rev() {
        world.rounds(&mut node, 1);
        assert_eq!(world.shop.running(), 1);
        assert_eq!(world.shop.starts(expected.id), [1]);
        world.shop.finish_all(Status::Ok);
    }
}

#[test]
fn nothing_runs_before_its_approval() {
    let world = World::new(3);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 5);
    assert_eq!(world.names(Stage::PendingAck).len(), 1);
    assert!(world.shop.starts(sent.id).is_empty());
    world.approve(&sent);
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!(answer.status, Status::Ok);
    assert_eq!(answer.approver.unwrap().to_string(), "approver.alice");
    assert!(world.names(Stage::Control).is_empty());
    world.check_end(&sent, "approved");
}

#[test]
fn a_denied_task_never_runs_and_no_later_approval_helps() {
    let world = World::new(4);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.decide("alice", sent.id, sent.digest, Decision::Deny, &[]);
    world.rounds(&mut node, 1);
    world.approve(&sent);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Denied));
    world.check_starts(&sent, 0, "denied");
    world.check_end(&sent, "denied");
}

#[test]
fn the_first_valid_decision_is_final() {
    let world = World::new(5);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.approve(&sent);
    world.rounds(&mut node, 1);
    world.decide("alice", sent.id, sent.digest, Decision::Deny, &[]);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_decision_counts_only_from_a_known_approver_about_these_bytes_in_time() {
    let world = World::new(6);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    // Her key is good and nobody here made her an approver.
    world.decide("mallory", sent.id, sent.digest, Decision::Approve, &[]);
    let other = Digest::of(b"other bytes");
    world.decide("alice", sent.id, other, Decision::Approve, &[]);
    world.rounds(&mut node, 3);
    assert_eq!(world.names(Stage::PendingAck).len(), 1);
    assert_eq!(world.told(Word::DocumentReject), 2, "each is told of once");
    // This one is good for an hour, and the watcher sleeps for two.
    world.approve(&sent);
    world.clock.advance(Duration::from_secs(7200));
    world.rounds(&mut node, 3);
    assert!(world.shop.starts(sent.id).is_empty());
    world.approve(&sent);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn an_approval_is_not_asked_for_again_after_a_restart_or_a_lost_attempt() {
    let world = World::new(7);
    let mut task = world.task();
    task.require_ack = true;
    task.idempotent = true;
    task.max_attempts = Some(2);
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.approve(&sent);
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.running(), 1);
    world.crash(Some(node), Kept::Nothing);
    world.shop.lose_all();
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    assert_eq!(world.shop.starts(sent.id), [1, 1]);
}

#[test]
fn a_cancel_is_honoured_at_every_stage() {
    // In inbox/, before anybody looked.
    let world = World::new(8);
    let sent = world.send(&world.task());
    world.cancel(&sent);
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Cancelled));
    world.check_starts(&sent, 0, "in inbox/");
    world.check_end(&sent, "in inbox/");

    // While it waits for an approval.
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    world.rounds(&mut node, 1);
    world.cancel(&sent);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Cancelled));
    world.check_starts(&sent, 0, "parked");
    world.check_end(&sent, "parked");

    // While it waits for a slot.
    world.shop.script(Script::Prompt);
    let first = [world.send(&world.task()), world.send(&world.task())];
    world.rounds(&mut node, 1);
    let waits = world.send(&world.task());
    world.rounds(&mut node, 1);
    world.cancel(&waits);
    world.rounds(&mut node, 1);
    assert_eq!(world.status(&waits), Some(Status::Cancelled));
    world.check_starts(&waits, 0, "waiting");

    // While it runs.
    world.cancel(&first[0]);
    world.settle(&mut node);
    assert_eq!(world.status(&first[0]), Some(Status::Cancelled));
    let told = world.outcome(&first[0]).unwrap().detail;
    assert_eq!(told.as_deref(), Some("cancelled by devbox: not needed"));
    assert_eq!(world.status(&first[1]), Some(Status::Ok));
    world.check_end(&first[0], "running");

    // After its end: the outcome stands.
    world.cancel(&first[1]);
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&first[1]), Some(Status::Ok));
}

#[test]
fn a_task_expires_wherever_it_waits_and_never_while_it_runs() {
    let day = Duration::from_secs(24 * 3600 + 1);
    // In inbox/, while nobody served.
    let world = World::new(9);
    let sent = world.send(&world.task());
    world.clock.advance(day);
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Expired));

    // While it waits for an approval.
    let mut task = world.task();
    task.require_ack = true;
    let parked = world.send(&task);
    // While it runs.
    let runs = world.send(&world.task());
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.running(), 1);
    world.clock.advance(day);
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&parked), Some(Status::Expired));
    assert_eq!(world.shop.running(), 1);
    world.settle(&mut node);
    assert_eq!(world.status(&runs), Some(Status::Ok));
    world.check_end(&parked, "parked");
    world.check_end(&runs, "running");
}

#[test]
fn what_policy_refuses_has_an_outcome_that_says_so() {
    let mut world = World::new(10);
    world
        .settings
        .peers
        .get_mut(&lane().from)
        .unwrap()
        .request_bytes_max = 3;
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!(answer.status, Status::Rejected);
    assert!(answer.reason.is_some() && answer.detail.is_some());
    world.check_end(&sent, "refused");
    world.check_starts(&sent, 0, "refused");
}

#[test]
fn a_copy_is_set_aside_quietly_and_other_bytes_under_a_known_id_are_an_alarm() {
    let world = World::new(11);
    let task = world.task();
    let sent = world.send(&task);
    let bytes = std::fs::read(world.path(Stage::Inbox, &sent.name)).unwrap();
    let mut node = world.node();
    world.rounds(&mut node, 1);
    for generation in 2..5 {
        let copy = format!("{}.high.g{generation}.json", sent.id);
        std::fs::write(world.path(Stage::Inbox, &copy), &bytes).unwrap();
    }
    world.settle(&mut node);
    assert_eq!(world.told(Word::TaskDuplicate), 3);
    assert_eq!(world.told(Word::TaskReuse), 0);
    // After its end, too, and after a restart.
    world.crash(Some(node), Kept::Nothing);
    let mut node = world.node();
    std::fs::write(world.path(Stage::Inbox, &sent.name), &bytes).unwrap();
    world.settle(&mut node);
    assert_eq!(world.told(Word::TaskDuplicate), 4);

    let mut other = task.clone();
    other.request = "something else".to_owned();
    let again = world.send(&other);
    world.settle(&mut node);
    assert_eq!(world.told(Word::TaskReuse), 1);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    assert!(
        world
            .sender(&Life::charmed())
            .outcome(&lane(), sent.id, Some(again.digest))
            .unwrap()
            .unwrap()
            .is_err()
    );
    world.check_starts(&sent, 1, "copies");
    world.check_end(&sent, "copies");
}

#[test]
fn without_its_journal_a_node_runs_nothing_older_unless_it_is_told_that_none_ran() {
    let world = World::new(12);
    let (old, kept) = (world.send(&world.task()), world.task());
    world.clock.advance(Duration::from_secs(600));
    world.medium.wipe();
    let mut node = world.node();
    world.settle(&mut node);
    let answer = world.outcome(&old).unwrap();
    assert_eq!(answer.status, Status::Rejected);
    assert_eq!(answer.reason.as_deref(), Some("E_COLD"));
    world.check_starts(&old, 0, "cold");

    node.journal.adopt().unwrap();
    let adopted = world.send(&kept);
    world.settle(&mut node);
    assert_eq!(world.status(&adopted), Some(Status::Ok));
}

#[test]
fn a_task_of_the_original_is_run_where_policy_allows_it() {
    let mut world = World::new(18);
    let task = world.task();
    let sender = world.sender(&Life::charmed());
    let sent = sender.send_legacy(&lane(), &task).unwrap();
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.shop.starts(sent.id), [1]);
    assert!(
        world
            .names(Stage::Done)
            .contains(&format!("{}.result.json", sent.id))
    );

    // Where it does not, the name is nobody's.
    world.settings.peers.get_mut(&lane().from).unwrap().v2 = false;
    let mut node = world.node();
    let sent = sender.send_legacy(&lane(), &world.task()).unwrap();
    world.rounds(&mut node, 3);
    assert!(world.shop.starts(sent.id).is_empty());
    assert_eq!(world.names(Stage::Inbox).len(), 1);
}

#[test]
fn a_not_before_is_waited_for() {
    let world = World::new(19);
    let mut task = world.task();
    task.not_before = Some(world.clock_in(100));
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 50);
    assert_eq!(world.names(Stage::Inbox).len(), 1);
    world.clock.advance(Duration::from_secs(60));
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn the_dangerous_mode_needs_a_grant_that_says_so() {
    let world = World::new(20);
    let mut task = world.task();
    task.require_dangerous = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.approve(&sent);
    world.rounds(&mut node, 3);
    assert_eq!(
        world.names(Stage::PendingAck).len(),
        1,
        "{}",
        world.picture()
    );
    world.decide(
        "alice",
        sent.id,
        sent.digest,
        Decision::Approve,
        &[Allowance::Dangerous],
    );
    world.rounds(&mut node, 1);
    assert!(world.shop.plan_of(sent.id).unwrap().dangerous);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn an_approval_of_somebody_who_is_no_approver_any_more_is_asked_for_again() {
    let mut world = World::new(21);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    std::fs::write(world.root().join("KILLSWITCH"), "").unwrap();
    world.approve(&sent);
    world.rounds(&mut node, 1);
    assert_eq!(
        world.names(Stage::Processing).len(),
        1,
        "{}",
        world.picture()
    );
    world.crash(Some(node), Kept::Nothing);
    std::fs::remove_file(world.root().join("KILLSWITCH")).unwrap();
    let alice = world
        .settings
        .approvers
        .remove(&crate::world::name("alice"))
        .unwrap();
    let mut node = world.node();
    world.rounds(&mut node, 5);
    assert_eq!(
        world.names(Stage::PendingAck).len(),
        1,
        "{}",
        world.picture()
    );
    assert!(world.shop.starts(sent.id).is_empty());
    world
        .settings
        .approvers
        .insert(crate::world::name("alice"), alice);
    let mut node = world.node();
    world.approve(&sent);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

/// What the last look of a node says.
fn trouble(node: &dispatch::flow::Node) -> Option<&Trouble> {
    node.view().trouble.as_ref()
}
