//! Idempotency keys: one key, one run; and what gives a key back.

use dispatch::document::Decision;
use dispatch::document::Task;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;

use super::ended;
use super::until_it_runs;
use crate::world::World;
use crate::world::tape::Kept;

fn keyed(world: &World) -> Task {
    let mut task = world.task();
    task.idempotency_key = Some("nightly 2026-11-20".to_owned());
    task
}

fn is_refused_for(answer: &dispatch::document::Answer, first: dispatch::id::TaskId) {
    assert_eq!((answer.status, answer.attempt), (Status::Rejected, 0));
    assert_eq!(answer.reason.as_deref(), Some("E_DUPLICATE"));
    assert!(answer.detail.as_ref().unwrap().contains(&first.to_string()));
    assert_eq!(answer.ext["duplicate"]["of"], first.to_string());
}

#[test]
fn a_second_task_of_one_key_is_not_run_while_the_first_is_open_or_remembered() {
    let world = World::new(681);
    let first = world.send(&keyed(&world));
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    let second = world.send(&keyed(&world));
    world.rounds(&mut node, 3);
    is_refused_for(&world.outcome(&second).unwrap(), first.id);
    world.shop.finish_all(Status::Ok);
    ended(&world, &mut node, &first);
    // Nor after it, nor by a watcher that begins anew, whatever its host lost that was not synced.
    for kept in [Kept::Nothing, Kept::Everything] {
        let third = world.send(&keyed(&world));
        world.rounds(&mut node, 3);
        is_refused_for(&world.outcome(&third).unwrap(), first.id);
        world.crash(Some(node), kept);
        node = world.node();
    }
    assert_eq!(world.shop.starts(first.id), [1]);
    world.check_end(&second, "duplicate");
    // Another key is other work.
    let mut other = keyed(&world);
    other.idempotency_key = Some("nightly 2026-11-21".to_owned());
    let other = world.send(&other);
    world.settle(&mut node);
    assert_eq!(world.status(&other), Some(Status::Ok));
}

#[test]
fn what_ended_without_a_start_gives_its_key_back() {
    let world = World::new(682);
    let mut waits = keyed(&world);
    waits.require_ack = true;
    let waits = world.send(&waits);
    let mut node = world.node();
    world.rounds(&mut node, 2);
    let second = world.send(&keyed(&world));
    world.rounds(&mut node, 3);
    is_refused_for(&world.outcome(&second).unwrap(), waits.id);
    world.cancel(&waits);
    world.rounds(&mut node, 3);
    assert_eq!(world.status(&waits), Some(Status::Cancelled));
    let third = world.send(&keyed(&world));
    world.settle(&mut node);
    assert_eq!(world.status(&third), Some(Status::Ok));
}

/// A later submission that never ran does not take the key from the one that did.
#[test]
fn a_later_submission_that_never_started_leaves_the_key_with_the_first() {
    let world = World::new(73);
    let first = world.send(&keyed(&world));
    let mut node = world.node();
    world.settle(&mut node);
    let mut second = keyed(&world);
    second.attempt = 2;
    second.require_ack = true;
    let second = world.send(&second);
    world.rounds(&mut node, 3);
    world.decide("alice", second.id, second.digest, Decision::Deny, &[]);
    world.settle(&mut node);
    assert_eq!(world.status(&second), Some(Status::Denied));
    let third = world.send(&keyed(&world));
    world.settle(&mut node);
    is_refused_for(&world.outcome(&third).unwrap(), first.id);
    assert!(world.shop.starts(third.id).is_empty());
}

#[test]
fn a_later_submission_is_another_try_once_the_first_is_over() {
    let world = World::new(683);
    let first = world.send(&keyed(&world));
    let mut node = world.node();
    until_it_runs(&world, &mut node, 1);
    let again = || {
        let mut task = keyed(&world);
        task.attempt = 2;
        task
    };
    // Not while the first runs.
    let early = world.send(&again());
    world.rounds(&mut node, 3);
    is_refused_for(&world.outcome(&early).unwrap(), first.id);
    world.shop.fail_all(FailureClass::Refused, None);
    ended(&world, &mut node, &first);
    let second = world.send(&again());
    until_it_runs(&world, &mut node, 2);
    // And only once.
    let twice = world.send(&again());
    world.rounds(&mut node, 3);
    is_refused_for(&world.outcome(&twice).unwrap(), second.id);
    world.settle(&mut node);
    assert_eq!(world.status(&second), Some(Status::Ok));
}
