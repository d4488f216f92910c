//! Members that were away, and come back to a world that went on.

use std::time::Duration;

use dispatch::document::Ack;
use dispatch::document::Decision;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::flow::ack;
use dispatch::id::Party;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::ground::Ground;
use super::ground::lane;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::name;

/// Rounds of these members by their numbers; the others stand still.
fn without(ground: &Ground, nodes: &mut [Node], away: usize, count: usize) {
    for _ in 0..count {
        ground.sender_round();
        for (number, node) in nodes.iter_mut().enumerate() {
            if number != away {
                node.round().unwrap();
            }
        }
        ground.check_always();
        ground.advance(Duration::from_secs(1));
    }
}

/// Which member runs the only agent.
fn runner(ground: &Ground) -> usize {
    let running = ground
        .members
        .iter()
        .position(|member| member.shop.running() > 0);
    running.unwrap_or_else(|| panic!("nothing runs: {}", ground.picture()))
}

#[test]
fn a_suspended_member_wakes_is_fenced_and_its_output_is_kept_as_late() {
    for seed in 0..4 {
        let ground = Ground::new(20 + seed, 2);
        let sent = ground.send(&ground.idempotent());
        let mut nodes = ground.nodes();
        ground.rounds(&mut nodes, 5, |_| {});
        let zombie = runner(&ground);
        without(&ground, &mut nodes, zombie, Ground::a_term() + 60);
        let other = 1 - zombie;
        assert_eq!(
            ground.members[other].shop.running(),
            1,
            "{}",
            ground.picture()
        );
        // Its watcher slept; its executor did not, and ended the agent when the claim's own term was over.
        assert_eq!(ground.members[zombie].shop.running(), 0);
        ground.rounds(&mut nodes, 3, |_| {});
        assert_eq!(ground.starts(sent.id), 2);
        ground.settle(&mut nodes, Ground::finish_all);
        ground.check_end(&sent, 2, "woken");
        assert_eq!(ground.status(&sent), Some(Status::Ok));
        let done = ground.names(Stage::Done);
        let late = done.iter().filter(|file| file.contains(".late."));
        assert_eq!(late.count(), 2, "{}", ground.picture());
        assert!(ground.members[zombie].sink.count(Word::TaskLate) > 0);
    }
}

/// An agent that outlives its claim because nobody tells it: what it says afterwards does not count.
#[test]
fn an_outcome_of_a_claim_that_was_taken_is_never_the_outcome() {
    let ground = Ground::new(30, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 5, |_| {});
    let zombie = runner(&ground);
    // Well within its own term; the watcher only never comes to say so.
    ground.members[zombie].shop.finish_all(Status::Error);
    without(&ground, &mut nodes, zombie, Ground::a_term() + 60);
    assert_eq!(ground.members[1 - zombie].shop.running(), 1);
    ground.rounds(&mut nodes, 5, |_| {});
    assert!(ground.status(&sent).is_none(), "{}", ground.picture());
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 2, "late outcome");
    assert_eq!(ground.status(&sent), Some(Status::Ok));
}

/// The member lives, the share does not answer it: its executor ends the agent by itself before anybody else may start.
#[test]
fn a_member_that_is_cut_off_runs_no_longer_than_its_own_term() {
    let ground = Ground::new(31, 2);
    let sent = ground.send(&ground.idempotent());
    let life = Life::charmed();
    let mut first = ground.start(0, &life).unwrap();
    let mut cut_at = 0;
    let mut other = ground.node(1);
    for second in 0..420 {
        ground.sender_round();
        if second == 5 {
            assert_eq!(ground.members[0].shop.running(), 1);
            life.loses_the_share(true);
            cut_at = second;
        }
        first.round().unwrap();
        if second > 5 {
            other.round().unwrap();
        }
        assert!(ground.running() <= 1, "two at once, {second} s");
        if cut_at > 0 && second > cut_at + 60 {
            assert_eq!(ground.members[0].shop.running(), 0, "{second} s");
        }
        ground.advance(Duration::from_secs(1));
    }
    assert_eq!(ground.members[1].shop.running(), 1, "{}", ground.picture());
    life.loses_the_share(false);
    let mut nodes = vec![first, other];
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 2, "cut off");
}

/// Back in time: nobody took the claim, so it is given back for another attempt, and nothing is said to be late.
#[test]
fn a_member_that_is_back_before_others_look_gives_its_claim_back() {
    let ground = Ground::new(32, 1);
    let sent = ground.send(&ground.idempotent());
    let life = Life::charmed();
    let mut nodes = vec![ground.start(0, &life).unwrap()];
    ground.rounds(&mut nodes, 5, |_| {});
    life.loses_the_share(true);
    ground.rounds(&mut nodes, 70, |_| {});
    assert_eq!(ground.running(), 0);
    life.loses_the_share(false);
    ground.rounds(&mut nodes, 3, |_| {});
    let inbox = ground.names(Stage::Inbox);
    assert!(
        inbox.len() == 1 && inbox[0].contains(".g2.n"),
        "{}",
        ground.picture()
    );
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 2, "back in time");
    assert_eq!(ground.outcome(&sent).unwrap().attempt, 2);
}

#[test]
fn what_is_not_idempotent_and_was_cut_off_is_said_to_be_killed() {
    let ground = Ground::new(33, 1);
    let sent = ground.send(&ground.task());
    let life = Life::charmed();
    let mut nodes = vec![ground.start(0, &life).unwrap()];
    ground.rounds(&mut nodes, 40, |_| {});
    assert_eq!(ground.running(), 1, "{}", ground.picture());
    life.loses_the_share(true);
    ground.rounds(&mut nodes, 70, |_| {});
    life.loses_the_share(false);
    ground.settle(&mut nodes, |_| {});
    ground.check_end(&sent, 1, "cut off");
    let answer = ground.outcome(&sent).unwrap();
    assert_eq!(answer.status, Status::Killed);
    assert_eq!(answer.class, Some(FailureClass::LeaseLost));
}

#[test]
fn whoever_dies_after_a_take_leaves_it_to_the_next_who_looks_for_himself() {
    // The second in which it takes the claim: the first time round nothing goes wrong.
    let (mut takes, mut taken_in) = (0, usize::MAX);
    for step in 0..60 {
        let ground = Ground::new(34, 3);
        let sent = ground.send(&ground.task());
        let mut first = vec![ground.node(0)];
        ground.rounds(&mut first, 40, |_| {});
        assert_eq!(ground.running(), 1);
        drop(first);
        ground.members[0].shop.lose_all();
        // The second dies somewhere while it reaps.
        let life = Life::charmed();
        let mut second = ground.start(1, &life).unwrap();
        for tick in 0..Ground::a_term() {
            if tick == taken_in {
                life.goes_wrong_in(step, Fault::CrashAfter);
            }
            ground.sender_round();
            if second.round().is_err() || life.is_dead() {
                break;
            }
            if step == 0 && ground.members[1].sink.count(Word::TaskTake) > 0 {
                taken_in = taken_in.min(tick);
            }
            ground.advance(Duration::from_secs(1));
        }
        let fired = life.fired();
        takes += usize::from(
            ground
                .claims(Stage::Processing)
                .iter()
                .any(|c| c.taken.is_some()),
        );
        drop(second);
        // What the second had committed and not cleared away is its own to clear.
        let mut third = vec![ground.node(2)];
        for _ in 0..10 {
            if ground.status(&sent).is_none() {
                ground.rounds(&mut third, 60, |_| {});
            }
        }
        assert_eq!(ground.starts(sent.id), 1, "{fired:?}");
        assert_eq!(
            ground.status(&sent),
            Some(Status::Indeterminate),
            "{fired:?}"
        );
        if step > 0 && fired.is_none() {
            break;
        }
    }
    assert!(takes > 1, "no reaper died between take and look");
}

#[test]
fn a_task_that_kills_whoever_runs_it_is_poison() {
    let ground = Ground::new(35, 1);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    ground.settle(&mut nodes, |ground| ground.members[0].shop.lose_all());
    ground.check_end(&sent, 3, "poison");
    assert_eq!(ground.status(&sent), Some(Status::Poison));
    assert_eq!(ground.starts(sent.id), 3);
}

/// By three members, each of which dies with it: the markers count, not the journals.
#[test]
fn a_task_that_kills_its_members_one_after_another_is_poison() {
    let ground = Ground::new(36, 4);
    let sent = ground.send(&ground.idempotent());
    for member in 0..3 {
        let mut nodes = vec![ground.node(member)];
        for _ in 0..600 {
            ground.rounds(&mut nodes, 1, |_| {});
            if ground.members[member].shop.running() > 0 {
                break;
            }
        }
        assert_eq!(
            ground.members[member].shop.running(),
            1,
            "{}",
            ground.picture()
        );
    }
    let mut last = vec![ground.node(3)];
    ground.settle(&mut last, |_| {});
    assert_eq!(ground.status(&sent), Some(Status::Poison));
    assert_eq!(ground.starts(sent.id), 3);
}

#[test]
fn a_member_that_drains_gives_back_what_it_has_not_started() {
    let ground = Ground::new(37, 2);
    ground.let_start(false);
    let sent = ground.send(&ground.task());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 10, |_| {});
    let held = ground.claims(Stage::Processing).remove(0);
    let holder = nodes
        .iter()
        .position(|node| node.settings.node == held.node)
        .unwrap();
    nodes[holder].give_back("its member stops").unwrap();
    drop(nodes.remove(holder));
    assert!(
        ground.names(Stage::Processing).is_empty(),
        "{}",
        ground.picture()
    );
    ground.let_start(true);
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "drained");
    assert_ne!(
        ground.outcome(&sent).unwrap().claim.unwrap().node,
        held.node
    );
}

pub(super) fn approve(ground: &Ground, sent: &dispatch::flow::send::Sent, member: &str) {
    let sender = ground.sender();
    let now = sender.clock.wall();
    let decision = Ack {
        from: Party::of_approver(&name("alice")),
        to: Party::parse(member).unwrap(),
        task_id: sent.id,
        task_sha256: sent.digest,
        decision: Decision::Approve,
        grants: Vec::new(),
        reason: None,
        created: now,
        expires: ack::default_expiry(now),
    };
    let made = ack::decide(&sender, ground.chance(), &lane(), &name("alice"), &decision).unwrap();
    assert_eq!(made, dispatch::transport::Publish::Published);
}

#[test]
fn a_task_that_waits_for_an_approval_at_a_dead_member_is_taken_and_asked_about_again() {
    let ground = Ground::new(38, 2);
    let mut task = ground.idempotent();
    task.require_ack = true;
    let sent = ground.send(&task);
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 3, |_| {});
    assert_eq!(ground.claims(Stage::PendingAck)[0].node, name("gpu1"));
    drop(first);
    let mut second = vec![ground.node(1)];
    ground.rounds(&mut second, Ground::a_term(), |_| {});
    let parked = ground.claims(Stage::PendingAck);
    assert_eq!(parked[0].node, name("gpu2"), "{}", ground.picture());
    assert_eq!(ground.starts(sent.id), 0);
    // To the one who asked first, and is gone.
    approve(&ground, &sent, "gpu1");
    ground.rounds(&mut second, 5, |_| {});
    assert_eq!(ground.starts(sent.id), 0);
    approve(&ground, &sent, "gpu2");
    ground.settle(&mut second, Ground::finish_all);
    ground.check_end(&sent, 1, "approved by the second");
}

#[test]
fn a_member_that_only_restarts_keeps_what_it_holds() {
    let ground = Ground::new(39, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 5, |_| {});
    let holder = runner(&ground);
    for _ in 0..6 {
        nodes[holder] = ground.node(holder);
        ground.rounds(&mut nodes, 40, |_| {});
    }
    assert_eq!(ground.starts(sent.id), 1);
    assert_eq!(
        ground.members[holder].shop.running(),
        1,
        "{}",
        ground.picture()
    );
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "restarted");
}
