//! A task that waits for others is started when its sender says so: never before, whatever lies on the share, and
//! through a crash at any moment.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::clock::Clock;
use dispatch::clock::Timestamp;
use dispatch::document::After;
use dispatch::document::Condition;
use dispatch::document::Prior;
use dispatch::document::Task;
use dispatch::flow::resolve;
use dispatch::flow::resolve::Dependent;
use dispatch::flow::send::Sender;
use dispatch::flow::send::Sent;
use dispatch::id::Digest;
use dispatch::id::KeyId;
use dispatch::id::Party;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use dispatch::transport::Publish;

use crate::pool::ground;
use crate::pool::ground::Ground;
use crate::world;
use crate::world::World;
use crate::world::lane;
use crate::world::life::Life;
use crate::world::tape::Kept;

fn waiting(task: &mut Task, world: &World) {
    let id = world.chance.task_id(0);
    let when = Condition::Ok;
    task.wait_for(&[After { id, when }]);
}

fn dependent(sent: &Sent, task: &Task) -> Dependent {
    Dependent {
        id: sent.id,
        lane: sent.lane.clone(),
        digest: sent.digest,
        expires: task.expires,
    }
}

fn let_go(world: &World, task: &Dependent) {
    let sender = world.sender(&Life::charmed());
    let prior = Prior {
        id: task.id,
        status: Status::Ok,
        text: "an answer\n".to_owned(),
        is_cut: false,
    };
    let said = resolve::let_go(&sender, &*world.chance, task, &[prior]).unwrap();
    assert_eq!(said, Publish::Published);
}

#[test]
fn it_waits_closed_in_the_inbox_and_starts_with_the_word_of_its_sender() {
    let world = World::new(1);
    let mut task = world.task();
    waiting(&mut task, &world);
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 5);
    assert_eq!(world.names(Stage::Inbox).len(), 1, "{}", world.picture());
    assert!(world.names(Stage::Processing).is_empty());
    let_go(&world, &dependent(&sent, &task));
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_end(&sent, "let go");
    assert!(
        world.names(Stage::Control).is_empty(),
        "{}",
        world.picture()
    );
}

/// A word under the secret of the link is one that the receiver could have made itself.
#[test]
fn where_signatures_are_required_a_word_without_one_starts_nothing() {
    let mut world = World::new(9);
    let peers = world.settings.peers.values_mut();
    peers.for_each(|peer| peer.require_signature = true);
    let (kid, made) = (KeyId::parse("s1").unwrap(), Timestamp::from_unix(0));
    let ends = ["devbox", "gpubox"].map(|name| Party::parse(name).unwrap());
    let seed = Key::new(kid, Alg::Ed25519, ends, made, (1..=32).collect()).unwrap();
    let ring = |key: Key| Keyring::of([world::keys().keys(), &[key]].concat());
    let signs = Sender {
        keys: ring(seed.clone()),
        ..world.sender(&Life::charmed())
    };
    let mut task = world.task();
    waiting(&mut task, &world);
    let sent = signs.send(&lane(), &task).unwrap();
    let mut node = world.node();
    node.keys = ring(seed.public_half().unwrap());
    // By the shared secret alone.
    let_go(&world, &dependent(&sent, &task));
    world.rounds(&mut node, 5);
    assert!(world.shop.starts(sent.id).is_empty(), "{}", world.picture());
    assert_eq!(world.status(&sent), None);
    let task = dependent(&sent, &task);
    let said = resolve::let_go(&signs, &*world.chance, &task, &[]).unwrap();
    assert_eq!(said, Publish::Published);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

/// A word by a clock that is ahead is good a little later, and is not said twice.
#[test]
fn a_word_from_the_future_is_looked_at_again() {
    let world = World::new(10);
    let mut task = world.task();
    waiting(&mut task, &world);
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 2);
    let ahead = limits::SKEW + Duration::from_secs(60);
    let now = world.clock.wall();
    world.clock.step_wall(now.plus(ahead));
    let_go(&world, &dependent(&sent, &task));
    world.clock.step_wall(now);
    world.rounds(&mut node, 2);
    assert!(world.shop.starts(sent.id).is_empty(), "{}", world.picture());
    world.clock.advance(ahead);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn one_that_is_opened_too_early_waits_in_no_line_through_a_crash() {
    let world = World::new(2);
    let mut task = world.task();
    waiting(&mut task, &world);
    let sent = world.send(&task);
    // Somebody gives it a name that may be opened.
    let held = world.only(Stage::Inbox);
    let plain = held.replace(&format!(".n{}", task.expires.unix()), "");
    assert_ne!(held, plain);
    let at = |name: &str| world.path(Stage::Inbox, name);
    std::fs::copy(at(&held), at(&plain)).unwrap();
    dispatch::disk::remove(&at(&held)).unwrap();
    let mut node = world.node();
    world.rounds(&mut node, 5);
    assert_eq!(
        world.names(Stage::Processing).len(),
        1,
        "{}",
        world.picture()
    );
    assert_eq!((node.waiting(), node.running()), (0, 0));
    assert!(node.is_quiet());
    // A word about other bytes is none.
    let other = Dependent {
        digest: Digest::of(b"other"),
        ..dependent(&sent, &task)
    };
    let_go(&world, &other);
    world.rounds(&mut node, 5);
    world.crash(Some(node), Kept::Nothing);
    let mut node = world.node();
    world.rounds(&mut node, 5);
    assert_eq!((node.waiting(), node.running()), (0, 0));
    let_go(&world, &dependent(&sent, &task));
    node.round().unwrap();
    world.crash(Some(node), Kept::Nothing);
    // On record: the document is not needed any more.
    for name in world.names(Stage::Control) {
        dispatch::disk::remove(&world.path(Stage::Control, &name)).unwrap();
    }
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn it_expires_and_is_cancelled_while_it_waits() {
    let world = World::new(3);
    let mut node = world.node();
    let mut task = world.task();
    waiting(&mut task, &world);
    task.expires = task.created.plus(Duration::from_secs(60));
    let late = world.send(&task);
    let mut other = world.task();
    waiting(&mut other, &world);
    let ended = world.send(&other);
    let sender = world.sender(&Life::charmed());
    let why = resolve::reason(late.id, Status::Error);
    let said = resolve::end(&sender, &*world.chance, &dependent(&ended, &other), &why);
    assert_eq!(said.unwrap(), Publish::Published);
    world.rounds(&mut node, 3);
    assert_eq!(world.status(&ended), Some(Status::Cancelled));
    let told = world.outcome(&ended).unwrap().detail.unwrap();
    assert!(told.contains(&late.id.to_string()), "{told}");
    assert_eq!(world.status(&late), None);
    world.settle(&mut node);
    assert_eq!(world.status(&late), Some(Status::Expired));
    assert_eq!(lane(), late.lane);
}

#[test]
fn no_member_of_a_pool_claims_what_it_was_not_told_may_start() {
    let ground = Ground::new(4, 2);
    let mut task = ground.idempotent();
    let id = ground.chance().task_id(0);
    task.wait_for(&[After {
        id,
        when: Condition::Any,
    }]);
    let sent = ground.send(&task);
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 10, |_| {});
    assert_eq!(ground.names(Stage::Inbox).len(), 1, "{}", ground.picture());
    let said = resolve::let_go(
        &ground.sender(),
        ground.chance(),
        &Dependent {
            lane: ground::lane(),
            ..dependent(&sent, &task)
        },
        &[],
    );
    assert_eq!(said.unwrap(), Publish::Published);
    ground.settle(&mut nodes, Ground::finish_all);
    assert_eq!(ground.status(&sent), Some(Status::Ok));
    assert_eq!(ground.starts(sent.id), 1);
}
