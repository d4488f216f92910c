//! An empty file in a task's place, as two requests make that the network repeats late (docs/QUEUE.md, what R1 does not
//! stop): it is torn, and never the task, nor its end.
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

use std::path::Path;
use std::time::Duration;

use dispatch::event::Word;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use crate::world::World;
use crate::world::stage;

/// What the two repeated requests do: the part is created again, and renamed over whatever lies there.
fn repeat_publish(world: &World, name: &str) {
    let part = "0198f1c2-0000-7000-8000-000000000001.0123456789abcdef.part";
    let (tmp, inbox) = (stage(Stage::Tmp), stage(Stage::Inbox));
    world.share.create(&tmp, part, b"").unwrap();
    world.share.rename((&tmp, part), (&inbox, name)).unwrap();
}

fn put(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create_new(path).unwrap(), bytes).unwrap();
}

#[test]
fn an_empty_file_in_the_place_of_a_published_task_is_not_its_end() {
    let world = World::new(61);
    let sent = world.send(&world.task());
    let bytes = std::fs::read(world.path(Stage::Inbox, &sent.name)).unwrap();
    repeat_publish(&world, &sent.name);
    let mut node = world.node();
    world.rounds(&mut node, 30);
    assert_eq!(world.names(Stage::Rejected), [""; 0], "{}", world.picture());
    world.rounds(&mut node, 60);
    assert_eq!(world.told(Word::TaskReject), 1);
    assert!(node.journal.known(sent.id).is_none() && node.journal.closed(sent.id).is_none());
    assert_eq!(world.status(&sent), None);
    assert!(world.shop.starts(sent.id).is_empty());
    // Its sender publishes it again: it is the task, and runs once.
    put(&world.path(Stage::Inbox, &sent.name), &bytes);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_starts(&sent, 1, "published again");
}

#[test]
fn an_empty_file_behind_a_task_that_was_claimed_changes_nothing() {
    let world = World::new(62);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.starts(sent.id), [1]);
    repeat_publish(&world, &sent.name);
    world.rounds(&mut node, 2);
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&sent), Some(Status::Ok), "{}", world.picture());
    world
        .clock
        .advance(limits::JUNK_AGE + Duration::from_secs(1));
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_starts(&sent, 1, "an empty copy");
    world.check_always("an empty copy");
}

#[test]
fn an_empty_file_under_a_claim_starts_and_closes_nothing() {
    let world = World::new(63);
    let sent = world.send(&world.task());
    let mut node = world.node();
    // It may start nothing but another task: this one is admitted, and waits.
    node.settings.only = Some(world.task().id);
    world.rounds(&mut node, 1);
    let claim = world.only(Stage::Processing);
    let file = world.path(Stage::Processing, &claim);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    put(&file, b"");
    node.settings.only = None;
    world.rounds(&mut node, 200);
    assert!(world.shop.starts(sent.id).is_empty());
    assert!(node.journal.known(sent.id).is_some(), "it is open still");
    assert_eq!(world.names(Stage::Rejected), [""; 0], "{}", world.picture());
    std::fs::remove_file(&file).unwrap();
    put(&file, &bytes);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_starts(&sent, 1, "its bytes came back");
}
