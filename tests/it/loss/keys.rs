//! The keys cannot be read for a while: nothing is refused for want of one, nothing starts on one that may have been
//! revoked, it is told, and all goes on by itself.

use std::time::Duration;

use dispatch::event::Word;
use dispatch::flow::Trouble;
use dispatch::keyring::Keyring;
use dispatch::keyring::Standing;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::mounts::Running;
use super::mounts::until;
use crate::programs::Pair;
use crate::world;
use crate::world::World;

#[test]
fn a_task_under_a_key_that_could_not_be_read_waits_for_it() {
    let world = World::new(31);
    let sent = world.send(&world.task());
    let mut node = world.node();
    let part = Standing::Part("cannot open 'new.key': too many open files".to_owned());
    node.renew_keys(Keyring::default().standing_as(part));
    world.rounds(&mut node, 70);
    assert_eq!(world.names(Stage::Rejected), [""; 0], "{}", world.picture());
    assert_eq!(world.names(Stage::Processing).len(), 1);
    assert_eq!(world.told(Word::TaskReject), 0);
    node.renew_keys(world::keys());
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    // Once everything was read, a stranger's key is a stranger's.
    let stranger = world.send(&world.task());
    node.renew_keys(Keyring::default());
    world.rounds(&mut node, 2);
    assert_eq!(world.told(Word::TaskReject), 1, "{}", world.picture());
    assert_eq!(world.status(&stranger), None);
}

#[test]
fn an_approval_and_a_cancel_under_such_a_key_are_judged_again() {
    let world = World::new(32);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let other = world.send(&task_that_waits(&world));
    let mut node = world.node();
    world.rounds(&mut node, 2);
    let part = Standing::Part("cannot read".to_owned());
    node.renew_keys(Keyring::default().standing_as(part));
    world.approve(&sent);
    world.cancel(&other);
    world.rounds(&mut node, 5);
    assert_eq!(world.told(Word::DocumentReject), 0);
    node.renew_keys(world::keys());
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    assert_eq!(world.status(&other), Some(Status::Cancelled));
}

fn task_that_waits(world: &World) -> dispatch::document::Task {
    let mut task = world.task();
    task.require_ack = true;
    task
}

#[test]
fn nothing_starts_and_nothing_is_approved_on_keys_that_may_have_been_revoked() {
    let world = World::new(33);
    let runs = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    let mut parked = world.task();
    parked.require_ack = true;
    let parked = world.send(&parked);
    world.rounds(&mut node, 1);
    let kept = Standing::Kept("cannot list 'keys'".to_owned());
    node.renew_keys(world::keys().standing_as(kept));
    let waits = world.send(&world.task());
    world.approve(&parked);
    world.rounds(&mut node, 5);
    let trouble = node.view().trouble.clone();
    assert!(
        matches!(trouble, Some(Trouble::KeysUnread(_))),
        "{trouble:?}"
    );
    assert!(world.shop.starts(waits.id).is_empty() && world.shop.starts(parked.id).is_empty());
    assert_eq!(world.names(Stage::PendingAck).len(), 1);
    // What ran before ends as ever.
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&runs), Some(Status::Ok));
    node.renew_keys(world::keys());
    world.settle(&mut node);
    for sent in [&waits, &parked] {
        assert_eq!(world.status(sent), Some(Status::Ok));
    }
    world.clock.advance(Duration::from_secs(1));
}

/// The real program: its folder of keys is away, and another thing in its place, while a task comes.
#[test]
fn a_watcher_whose_folder_of_keys_cannot_be_read_refuses_nobody() {
    let pair = Pair::new("");
    let _watcher = Running::begin(&pair, "dispatch-watch", "gpubox", &[]);
    let (first, _) = pair.send("echo one", &[]);
    pair.good("dispatch", "devbox", &["wait", &first]);
    let (keys, aside) = (pair.path("gpubox").join("keys"), pair.path("aside"));
    std::fs::rename(&keys, &aside).unwrap();
    std::fs::write(&keys, "").unwrap();
    let (id, _) = pair.send("echo two", &[]);
    until("it is told", || {
        let said = pair.run("dispatch", "gpubox", &["log", "--event", "key_refuse"]);
        said.out.contains("keys cannot be read")
    });
    assert_eq!(pair.names("rejected"), [""; 0]);
    std::fs::remove_file(&keys).unwrap();
    std::fs::rename(&aside, &keys).unwrap();
    let said = pair.good("dispatch", "devbox", &["wait", &id]);
    assert_eq!(said.out, "two\n");
}
