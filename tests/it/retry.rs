//! Attempts that fail: what each class of failure leads to, what it costs, and what the sender is told of it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use dispatch::document::Answer;
use dispatch::document::Task;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::flow::send::Sent;
use dispatch::id::ProfileName;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;

use crate::world::World;
use crate::world::tape::Kept;

mod commands;
mod keys;
mod pool;

fn idempotent(world: &World) -> Task {
    let mut task = world.task();
    task.idempotent = true;
    task
}

/// Rounds until an agent runs, for so many seconds at most. Returns how many went by.
fn until_it_runs(world: &World, node: &mut Node, most: u64) -> u64 {
    for seconds in 0..=most {
        node.round().unwrap();
        if world.shop.running() > 0 {
            return seconds;
        }
        world.clock.advance(Duration::from_secs(1));
    }
    panic!("nothing runs after {most} s: {}", world.picture());
}

fn nothing_runs_for(world: &World, node: &mut Node, seconds: usize) {
    world.rounds(node, seconds);
    assert_eq!(world.shop.running(), 0);
}

fn ended(world: &World, node: &mut Node, sent: &Sent) -> Answer {
    world.rounds(node, 3);
    world.check_end(sent, "retry");
    world.outcome(sent).unwrap()
}

/// Three failures of a kind that may pass by themselves.
#[test]
fn three_failures_are_poison_with_growing_pauses_and_their_history() {
    let world = World::new(601);
    let sent = world.send(&idempotent(&world));
    let mut node = world.node();
    assert_eq!(until_it_runs(&world, &mut node, 1), 0);
    world.shop.fail_all(FailureClass::Overloaded, None);
    let first = until_it_runs(&world, &mut node, 40);
    assert!((14..=31).contains(&first), "{first} s");
    world.shop.fail_all(FailureClass::Overloaded, None);
    let second = until_it_runs(&world, &mut node, 80);
    assert!((29..=61).contains(&second), "{second} s");
    world.shop.fail_all(FailureClass::NoResult, None);
    let answer = ended(&world, &mut node, &sent);
    assert_eq!((answer.status, answer.attempt), (Status::Poison, 3));
    assert_eq!(answer.class, Some(FailureClass::NoResult));
    assert_eq!(
        answer.detail.as_deref(),
        Some("given up after 3 attempts; the last one failed: it says so")
    );
    let history = answer.history();
    let told: Vec<_> = history
        .iter()
        .map(|one| (one.attempt, one.class.unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (1, FailureClass::Overloaded),
            (2, FailureClass::Overloaded),
            (3, FailureClass::NoResult)
        ]
    );
    assert!(history[0].at < history[1].at && history.iter().all(|one| !one.free));
    assert_eq!(world.shop.starts(sent.id), [1, 1, 1]);
    assert_eq!(world.told(Word::TaskRetry), 2);
}

#[test]
fn what_succeeds_in_the_end_tells_of_what_failed_before() {
    let world = World::new(602);
    let sent = world.send(&idempotent(&world));
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    world.shop.fail_all(FailureClass::TryAgain, None);
    until_it_runs(&world, &mut node, 40);
    world.shop.finish_all(Status::Ok);
    let answer = ended(&world, &mut node, &sent);
    assert_eq!((answer.status, answer.attempt), (Status::Ok, 2));
    let statuses: Vec<_> = answer.history().iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Status::Error, Status::Ok]);
}

/// Whatever its agent says of itself, it ran: nobody knows what it did before.
#[test]
fn what_is_not_idempotent_is_started_once_whatever_it_failed_of() {
    for (number, class) in FailureClass::ALL.iter().enumerate() {
        let world = World::new(610 + number as u64);
        let sent = world.send(&world.task());
        let mut node = world.node();
        until_it_runs(&world, &mut node, 1);
        world.shop.fail_all(*class, Some(world.clock_in(20)));
        let answer = ended(&world, &mut node, &sent);
        assert_eq!((answer.status, answer.class), (Status::Error, Some(*class)));
        assert!(answer.history().is_empty());
        world.check_starts(&sent, 1, class.as_str());
    }
}

#[test]
fn what_would_only_show_the_same_is_not_tried_again() {
    use FailureClass as Class;
    for class in [
        Class::Model,
        Class::MaxTurns,
        Class::Budget,
        Class::Refused,
        Class::Flood,
        Class::Containment,
    ] {
        let world = World::new(640);
        let sent = world.send(&idempotent(&world));
        let mut node = world.node();
        until_it_runs(&world, &mut node, 1);
        world.shop.fail_all(class, None);
        let answer = ended(&world, &mut node, &sent);
        assert_eq!((answer.status, answer.class), (Status::Error, Some(class)));
        assert_eq!(world.shop.starts(sent.id), [1]);
    }
}

#[test]
fn a_rate_limit_is_waited_for_as_long_as_its_provider_says_and_costs_nothing() {
    let world = World::new(650);
    let mut task = idempotent(&world);
    task.max_attempts = Some(2);
    let sent = world.send(&task);
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    for _ in 0..3 {
        let reset = world.clock_in(300);
        world.shop.fail_all(FailureClass::RateLimit, Some(reset));
        nothing_runs_for(&world, &mut node, 299);
        assert!(until_it_runs(&world, &mut node, 40) <= 32);
    }
    world.shop.fail_all(FailureClass::Overloaded, None);
    until_it_runs(&world, &mut node, 61);
    world.shop.fail_all(FailureClass::Overloaded, None);
    let answer = ended(&world, &mut node, &sent);
    assert_eq!((answer.status, answer.attempt), (Status::Poison, 5));
    let free: Vec<bool> = answer.history().iter().map(|one| one.free).collect();
    assert_eq!(free, [true, true, true, false, false]);
}

#[test]
fn what_costs_nothing_has_an_end_too() {
    let world = World::new(651);
    let sent = world.send(&idempotent(&world));
    let mut node = world.node();
    // Sixteen that cost nothing, then three that do.
    for _ in 0..19 {
        until_it_runs(&world, &mut node, 200);
        let reset = world.clock_in(10);
        world.shop.fail_all(FailureClass::RateLimit, Some(reset));
    }
    let answer = ended(&world, &mut node, &sent);
    assert_eq!((answer.status, answer.attempt), (Status::Poison, 19));
    assert_eq!(answer.history().len(), 16);
}

#[test]
fn a_time_too_far_away_is_told_and_not_waited_for() {
    for (seed, after, why) in [
        (652, 7 * 3600, "further away than this node waits"),
        (653, 5 * 3600, "before its next attempt"),
    ] {
        let world = World::new(seed);
        let mut task = idempotent(&world);
        task.expires = world.clock_in(4 * 3600);
        let sent = world.send(&task);
        let mut node = world.node();
        until_it_runs(&world, &mut node, 1);
        let reset = world.clock_in(after);
        world.shop.fail_all(FailureClass::UsageLimit, Some(reset));
        let answer = ended(&world, &mut node, &sent);
        assert_eq!(answer.status, Status::Error);
        assert_eq!(answer.retry_at, Some(reset));
        assert!(answer.detail.unwrap().contains(why), "{why}");
    }
}

#[test]
fn a_prompt_that_does_not_fit_is_tried_once_more_as_short_as_can_be() {
    let world = World::new(654);
    let sent = world.send(&idempotent(&world));
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    assert!(!world.shop.plan_of(sent.id).unwrap().brief);
    world.shop.fail_all(FailureClass::PromptTooLong, None);
    until_it_runs(&world, &mut node, 31);
    assert!(world.shop.plan_of(sent.id).unwrap().brief);
    world.shop.fail_all(FailureClass::PromptTooLong, None);
    let answer = ended(&world, &mut node, &sent);
    assert_eq!((answer.status, answer.attempt), (Status::Error, 2));
}

#[test]
fn a_refused_credential_pauses_its_profile_and_burns_no_attempt() {
    let world = World::new(655);
    let sent = world.send(&idempotent(&world));
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    world.shop.fail_all(FailureClass::Auth, None);
    world.rounds(&mut node, 2);
    assert_eq!(world.told(Word::ProfilePause), 1);
    // Another one that may be started once in all is not spent on it.
    let other = world.send(&world.task());
    nothing_runs_for(&world, &mut node, 600);
    // Nor does a watcher that begins anew forget it.
    world.crash(Some(node), Kept::Nothing);
    let mut node = world.node();
    nothing_runs_for(&world, &mut node, 600);
    let profile = ProfileName::parse("default").unwrap();
    assert!(node.mend(&profile).unwrap());
    assert!(!node.mend(&profile).unwrap());
    until_it_runs(&world, &mut node, 2);
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!((answer.status, answer.attempt), (Status::Ok, 2));
    assert!(answer.history()[0].free);
    assert_eq!(world.status(&other), Some(Status::Ok));
    assert_eq!(world.told(Word::ProfileResume), 1);
}

#[test]
fn a_paused_profile_is_tried_again_after_a_while() {
    let world = World::new(656);
    let sent = world.send(&world.task());
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    world.shop.fail_all(FailureClass::Billing, None);
    assert_eq!(ended(&world, &mut node, &sent).status, Status::Error);
    world.send(&world.task());
    nothing_runs_for(&world, &mut node, 3590);
    until_it_runs(&world, &mut node, 12);
    assert_eq!(world.told(Word::ProfileResume), 1);
}

/// A power cut at any of these moments: the attempt counts, and none comes too early.
#[test]
fn a_wait_survives_a_power_cut() {
    for kept in [Kept::Nothing, Kept::Everything] {
        let world = World::new(657);
        let mut task = idempotent(&world);
        task.max_attempts = Some(2);
        let sent = world.send(&task);
        let mut node = world.node();
        until_it_runs(&world, &mut node, 1);
        let reset = world.clock_in(600);
        world.shop.fail_all(FailureClass::UsageLimit, Some(reset));
        world.rounds(&mut node, 2);
        world.crash(Some(node), kept);
        let mut node = world.node();
        nothing_runs_for(&world, &mut node, 590);
        until_it_runs(&world, &mut node, 60);
        world.shop.finish_all(Status::Ok);
        let answer = ended(&world, &mut node, &sent);
        assert_eq!((answer.status, answer.attempt), (Status::Ok, 2));
        assert_eq!(answer.history().len(), 2);
    }
}
