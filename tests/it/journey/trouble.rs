//! What stops a node from starting anything, and that it goes on afterwards as if nothing had been.

use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Rules;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::flow::Trouble;
use dispatch::flow::root;
use dispatch::id::Nonce;
use dispatch::id::Party;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::trouble;
use crate::world;
use crate::world::OTHER_ID;
use crate::world::ROOT_ID;
use crate::world::World;
use crate::world::life::Life;

/// Stops a node by `cause`, sees that nothing starts, lifts it and sees that everything goes on.
fn stops(cause: impl Fn(&World), is_it: fn(&Trouble) -> bool, lift: impl Fn(&World)) {
    let world = World::new(31);
    let sent = world.send(&world.task());
    let mut node = world.node();
    cause(&world);
    world.rounds(&mut node, 3);
    assert!(trouble(&node).is_some_and(is_it), "{:?}", trouble(&node));
    assert!(world.shop.starts(sent.id).is_empty());
    lift(&world);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_end(&sent, "after the trouble");
}

#[test]
fn a_killswitch_of_any_name_type_and_place_stops_starts() {
    for name in ["KILLSWITCH", "killswitch.txt", "KILLSWITCH.gpubox"] {
        let file = |world: &World| world.root().join(name);
        stops(
            |world| std::fs::write(file(world), "").unwrap(),
            |trouble| matches!(trouble, Trouble::Halted(_)),
            |world| std::fs::remove_file(file(world)).unwrap(),
        );
        stops(
            |world| std::fs::create_dir(file(world)).unwrap(),
            |trouble| matches!(trouble, Trouble::Halted(_)),
            |world| std::fs::remove_dir(file(world)).unwrap(),
        );
    }
    let local = |world: &World| world.state().join("KILLSWITCH");
    stops(
        |world| std::fs::write(local(world), "").unwrap(),
        |trouble| matches!(trouble, Trouble::Halted(_)),
        |world| std::fs::remove_file(local(world)).unwrap(),
    );
}

#[test]
fn a_halt_of_one_lane_stops_that_lane() {
    let world = World::new(32);
    let sent = world.send(&world.task());
    let file = world.root().join("KILLSWITCH.devbox-to-gpubox");
    std::fs::write(&file, "").unwrap();
    let mut node = world.node();
    world.rounds(&mut node, 3);
    assert!(trouble(&node).is_none());
    assert!(world.shop.starts(sent.id).is_empty());
    std::fs::remove_file(&file).unwrap();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_killswitch_that_kills_ends_what_runs() {
    let world = World::new(33);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.running(), 1);
    std::fs::write(world.root().join("KILLSWITCH"), "kill: fire in rack 7").unwrap();
    world.rounds(&mut node, 2);
    assert_eq!(world.shop.running(), 0);
    assert_eq!(world.status(&sent), Some(Status::Killed));
    let told = world.outcome(&sent).unwrap().detail.unwrap();
    assert_eq!(told, "ended by KILLSWITCH: kill: fire in rack 7");
}

#[test]
fn a_share_that_is_lost_stops_starts_and_loses_nothing() {
    let away = |world: &World| world.root().with_file_name("away");
    stops(
        |world| std::fs::rename(world.root(), away(world)).unwrap(),
        |trouble| matches!(trouble, Trouble::ShareLost(_)),
        |world| std::fs::rename(away(world), world.root()).unwrap(),
    );
    // In the middle of a run: the outcome is decided without the share, and comes when it is back.
    let world = World::new(34);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    std::fs::rename(world.root(), away(&world)).unwrap();
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 3);
    assert_eq!(node.running(), 0, "the slot is free");
    std::fs::rename(away(&world), world.root()).unwrap();
    world.rounds(&mut node, 2);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_end(&sent, "share lost while it ran");
}

#[test]
fn an_empty_mount_point_or_another_share_is_not_ours() {
    let identity = |world: &World| world.root().join("dispatch.json");
    let aside = |world: &World| world.root().join("aside.json");
    stops(
        |world| std::fs::rename(identity(world), aside(world)).unwrap(),
        |trouble| matches!(trouble, Trouble::NotOurs(_)),
        |world| std::fs::rename(aside(world), identity(world)).unwrap(),
    );
    stops(
        |world| world.rename_identity(OTHER_ID),
        |trouble| matches!(trouble, Trouble::NotOurs(_)),
        |world| world.rename_identity(ROOT_ID),
    );
}

#[test]
fn a_root_without_a_name_or_with_two_is_told_by_its_file() {
    for names in [&[][..], &[OTHER_ID, ROOT_ID]] {
        let file = |world: &World, text: &str| {
            world.rename_identity(ROOT_ID);
            std::fs::remove_file(world.name_of_identity(ROOT_ID)).unwrap();
            for name in names {
                std::fs::write(world.name_of_identity(name), "").unwrap();
            }
            std::fs::write(world.root().join("dispatch.json"), text).unwrap();
        };
        let text = |uuid| format!(r#"{{"layout":1,"uuid":"{uuid}"}}"#);
        stops(
            |world| file(world, &text(OTHER_ID)),
            |trouble| matches!(trouble, Trouble::NotOurs(_)),
            |world| std::fs::write(world.root().join("dispatch.json"), text(ROOT_ID)).unwrap(),
        );
    }
}

/// A name is made of what the file says: nothing but a UUID is one, and no path.
#[test]
fn an_identity_that_is_no_uuid_makes_nothing_and_starts_nothing() {
    let world = World::new(36);
    let outside = world.root().with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, world.root().join("dispatch.1.x")).unwrap();
    std::fs::remove_file(world.name_of_identity(ROOT_ID)).unwrap();
    let text = r#"{"layout":1,"uuid":"x/nologin"}"#;
    std::fs::write(world.root().join("dispatch.json"), text).unwrap();
    let transport = world.transport(&Life::charmed());
    let laid = root::lay_out(&*transport, &[], OTHER_ID);
    assert!(matches!(laid, Err(root::Error::Damaged(_))), "{laid:?}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 2);
    assert!(matches!(trouble(&node), Some(Trouble::NotOurs(_))));
    assert!(world.shop.starts(sent.id).is_empty());
}

#[test]
fn too_little_space_stops_starts() {
    let mut world = World::new(35);
    world.settings.free_bytes_min = u64::MAX;
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 2);
    assert!(matches!(trouble(&node), Some(Trouble::DiskLow(_))));
    assert_eq!(world.names(Stage::Inbox).len(), 1);
    node.settings.free_bytes_min = 0;
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_full_local_disk_stops_starts() {
    let world = World::new(37);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.shop.fill(true);
    world.rounds(&mut node, 2);
    assert!(matches!(trouble(&node), Some(Trouble::SpoolLow(0))));
    assert_eq!(world.names(Stage::Inbox).len(), 1);
    world.shop.fill(false);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_clock_that_was_set_back_stops_starts() {
    let world = World::new(36);
    let mut node = world.node();
    let first = world.send(&world.task());
    world.settle(&mut node);
    assert_eq!(world.status(&first), Some(Status::Ok));
    let now = world.clock.wall();
    let sent = world.send(&world.task());
    world.clock.step_wall(now.minus(Duration::from_secs(600)));
    world.rounds(&mut node, 2);
    assert!(matches!(trouble(&node), Some(Trouble::ClockBack(_))));
    assert!(world.shop.starts(sent.id).is_empty());
    world.clock.step_wall(now);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_second_node_of_our_name_stops_starts() {
    let world = World::new(37);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    let file = world.root().join("heartbeats/gpubox.devbox.json");
    let context = Context {
        from: Party::from(&world::name("gpubox")),
        to: Party::from(&world::name("devbox")),
        kind: Kind::Heartbeat,
    };
    // Beats of another instance that advance, as a clone of this host would write them.
    let beat = |seq: u64| {
        let bytes = std::fs::read(&file).unwrap();
        let now = world.clock.wall();
        let own = Envelope::read(bytes)
            .verify(&world::keys(), &context, now)
            .unwrap();
        let mut card = own.heartbeat(&Rules::recorded()).unwrap();
        card.instance = Some(Nonce::from_bits(99));
        card.seq = seq;
        let sealed = envelope::seal_beat(&world::keys(), &context, now, &card.body()).unwrap();
        std::fs::write(&file, sealed).unwrap();
    };
    for seq in 100..104 {
        beat(seq);
        world.clock.advance(Duration::from_secs(16));
        world.rounds(&mut node, 1);
    }
    let sent = world.send(&world.task());
    world.rounds(&mut node, 2);
    assert_eq!(trouble(&node), Some(&Trouble::Foreign));
    assert!(world.shop.starts(sent.id).is_empty());
    // It falls silent: this node serves again.
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(16));
        world.rounds(&mut node, 1);
    }
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}
