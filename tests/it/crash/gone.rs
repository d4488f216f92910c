//! What the local disk no longer holds: run directories, their orders and their logs, removed or unreadable at any
//! time.

use std::time::Duration;

use dispatch::document::Answer;
use dispatch::flow::send::Sent;
use dispatch::keyring::Keyring;
use dispatch::outcome::Status;
use nix::errno::Errno;

use crate::world::World;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::runner::Missing;
use crate::world::runner::Script;

fn started() -> (World, Sent, dispatch::flow::Node) {
    let world = World::new(41);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.running(), 1);
    (world, sent, node)
}

#[test]
fn a_run_directory_that_was_removed_while_it_ran_is_no_start_that_did_not_happen() {
    let (world, sent, mut node) = started();
    world.shop.forget_all();
    world.rounds(&mut node, 5);
    world.check_starts(&sent, 1, "removed while it ran");
    assert_eq!(world.status(&sent), Some(Status::Indeterminate));
    world.check_end(&sent, "removed while it ran");
}

#[test]
fn what_still_runs_when_a_node_starts_anew_was_started_whatever_became_of_its_directory() {
    let (world, sent, node) = started();
    drop(node);
    world.shop.forget_all();
    world.shop.leave_behind(1);
    let mut node = world.node();
    world.rounds(&mut node, 5);
    world.check_starts(&sent, 1, "removed before the restart");
    assert_eq!(world.status(&sent), Some(Status::Indeterminate));
}

/// It ended, its outcome could not be sealed, and then its directory is gone: nothing can be said, and the node lives.
#[test]
fn a_run_directory_that_was_removed_after_its_end_does_not_stop_the_node() {
    let (world, sent, mut node) = started();
    world.shop.finish_all(Status::Ok);
    let keys = std::mem::replace(&mut node.keys, Keyring::of(Vec::new()));
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&sent), None, "there is no key");
    world.shop.forget_all();
    world.rounds(&mut node, 2);
    drop(node);
    let mut node = world.node();
    node.keys = keys;
    world.rounds(&mut node, 5);
    world.check_starts(&sent, 1, "removed after its end");
    assert_eq!(world.status(&sent), Some(Status::Indeterminate));
}

#[test]
fn an_outcome_whose_log_was_removed_is_delivered_without_it() {
    let (world, sent, mut node) = started();
    world.shop.finish_all(Status::Ok);
    world.shop.lacks(Missing::Logs);
    world.rounds(&mut node, 3);
    assert_eq!(world.outcome(&sent).map(is_ok), Some(true));
}

fn is_ok(answer: Answer) -> bool {
    answer.status == Status::Ok
}

/// The disk was full while the orders were written: nobody can take them, and nobody needs them to know that.
#[test]
fn a_start_whose_orders_cannot_be_read_is_given_up() {
    let world = World::new(42);
    let sent = world.send(&world.task());
    world.shop.script(Script::Never);
    world.shop.lacks(Missing::Plans);
    let mut node = world.node();
    world.rounds(&mut node, 90);
    assert_eq!(world.status(&sent), Some(Status::Error));
    world.check_starts(&sent, 0, "no orders");
}

/// Each call to the executor's side fails once, executed or not: the node goes on.
#[test]
fn no_failure_around_an_attempt_stops_the_node() {
    for fault in [Errno::EIO, Errno::ENOTEMPTY]
        .map(Fault::Fails)
        .into_iter()
        .chain([Fault::DoneButFails(Errno::EIO)])
    {
        for script in [Script::Prompt, Script::Late] {
            for call in 0.. {
                let world = World::new(43);
                let mut task = world.task();
                (task.idempotent, task.max_attempts) = (true, Some(3));
                let sent = world.send(&task);
                world.shop.script(script);
                let life = Life::with_runner(call, fault);
                let context = || format!("{fault:?}, {script:?}, {:?}", life.fired());
                let mut node = world.start(&life).unwrap();
                for round in 0..60 {
                    let done = node.round();
                    assert!(done.is_ok(), "{}: {done:?}", context());
                    if round == 1 {
                        world.shop.lose_all();
                    }
                    if round > 8 {
                        world.shop.script(Script::Prompt);
                        world.shop.finish_all(Status::Ok);
                    }
                    world.clock.advance(Duration::from_secs(1));
                }
                assert!(world.status(&sent).is_some(), "{}", context());
                drop(node);
                world.rounds(&mut world.node(), 2);
                world.check_end(&sent, &context());
                if life.fired().is_none() {
                    break;
                }
            }
        }
    }
}
