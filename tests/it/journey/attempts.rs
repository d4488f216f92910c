//! Attempts that vanish, are missed, are taken up again: each counts as what it was.

use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;

use crate::world::World;
use crate::world::runner::Script;
use crate::world::tape::Kept;

#[test]
fn an_idempotent_task_is_tried_again_and_then_given_up() {
    let world = World::new(13);
    let mut task = world.task();
    task.idempotent = true;
    task.max_attempts = Some(2);
    let sent = world.send(&task);
    let mut node = world.node();
    for _ in 0..2 {
        world.rounds(&mut node, 1);
        assert_eq!(world.shop.running(), 1);
        world.shop.lose_all();
    }
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!((answer.status, answer.attempt), (Status::Poison, 2));
    assert_eq!(world.shop.starts(sent.id), [1, 1]);
    world.check_end(&sent, "poison");
}

#[test]
fn an_idempotent_task_is_tried_again_also_when_the_share_was_away_as_its_executor_vanished() {
    let world = World::new(14);
    let mut task = world.task();
    task.idempotent = true;
    task.max_attempts = Some(2);
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    let away = world.root().with_file_name("away");
    std::fs::rename(world.root(), &away).unwrap();
    world.shop.lose_all();
    world.rounds(&mut node, 3);
    std::fs::rename(&away, world.root()).unwrap();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    assert_eq!(world.shop.starts(sent.id), [1, 1]);
}

#[test]
fn what_is_not_idempotent_is_reported_as_unknown_and_never_run_again() {
    let world = World::new(15);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.shop.lose_all();
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!(answer.status, Status::Indeterminate);
    assert_eq!(answer.class, Some(FailureClass::ExecutorLost));
    world.check_starts(&sent, 1, "indeterminate");
    world.check_end(&sent, "indeterminate");
}

#[test]
fn a_start_that_did_not_happen_costs_no_attempt_and_is_given_up_after_a_few() {
    let world = World::new(16);
    world.shop.script(Script::Late);
    let sent = world.send(&world.task());
    let mut node = world.node();
    // A host that is too busy for longer than any number of tries is no fault of the task.
    world.rounds(&mut node, 100);
    assert!(world.shop.starts(sent.id).is_empty());
    assert!(world.outcome(&sent).is_none());
    world.shop.script(Script::Prompt);
    world.settle(&mut node);
    let answer = world.outcome(&sent).unwrap();
    assert_eq!((answer.status, answer.attempt), (Status::Ok, 1));
    world.check_end(&sent, "late for long");

    for script in [Script::Never, Script::Broken] {
        world.shop.script(script);
        let sent = world.send(&world.task());
        world.settle(&mut node);
        let answer = world.outcome(&sent).unwrap();
        assert_eq!(answer.status, Status::Error, "{script:?}");
        assert_eq!(answer.class, Some(FailureClass::Spawn), "{script:?}");
        world.check_starts(&sent, 0, "never");
        world.check_end(&sent, "never");
    }
}

#[test]
fn a_restarted_watcher_waits_for_what_runs() {
    let world = World::new(17);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    world.crash(Some(node), Kept::Nothing);
    let mut node = world.node();
    world.rounds(&mut node, 3);
    assert_eq!((node.running(), world.shop.running()), (1, 1));
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_starts(&sent, 1, "adopted");
}
