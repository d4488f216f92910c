//! Somebody else writes to the share: it costs at most the outcome of the task it was done to, never a start.

use std::time::Duration;

use dispatch::event::Word;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::claim_in;
use crate::world::World;

#[test]
fn a_squatter_under_the_public_name_is_set_aside() {
    for before_the_start in [true, false] {
        let world = World::new(41);
        let sent = world.send(&world.task());
        let mut node = world.node();
        let public = world.path(Stage::Done, &format!("{}.result.json", sent.id));
        if before_the_start {
            std::fs::write(&public, "lies").unwrap();
        }
        world.rounds(&mut node, 1);
        if !before_the_start {
            std::fs::create_dir(&public).unwrap();
        }
        world.settle(&mut node);
        assert_eq!(world.status(&sent), Some(Status::Ok));
        assert!(world.told(Word::TaskSquat) >= 1);
        world.check_end(&sent, "squatter");
    }
}

#[test]
fn what_is_planted_under_the_names_of_a_claim_is_set_aside() {
    for as_folder in [false, true] {
        let world = World::new(42);
        let sent = world.send(&world.task());
        let mut node = world.node();
        world.rounds(&mut node, 1);
        let claim = claim_in(&world, Stage::Processing);
        for name in [claim.result(), claim.log()] {
            let path = world.path(Stage::Done, &name);
            if as_folder {
                std::fs::create_dir(path).unwrap();
            } else {
                std::fs::write(path, "lies").unwrap();
            }
        }
        world.settle(&mut node);
        assert_eq!(world.status(&sent), Some(Status::Ok), "{}", world.picture());
        world.check_end(&sent, "planted");
    }
}

#[test]
fn bytes_that_were_swapped_after_the_approval_are_not_run() {
    let world = World::new(43);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut other = task.clone();
    other.request = "something else".to_owned();
    let mut node = world.node();
    world.rounds(&mut node, 1);
    let parked = world.path(Stage::PendingAck, &world.only(Stage::PendingAck));
    let honest = std::fs::read(&parked).unwrap();
    // Sealed by the very sender, and still not what was approved.
    let swapped = world.send(&other);
    let inbox = world.path(Stage::Inbox, &swapped.name);
    std::fs::rename(&inbox, &parked).unwrap();
    world.approve(&sent);
    world.rounds(&mut node, 5);
    assert!(world.shop.starts(sent.id).is_empty());
    assert_eq!(world.told(Word::TaskReuse), 1);
    let held = world.path(
        Stage::Processing,
        &claim_in(&world, Stage::Processing).to_string(),
    );
    std::fs::write(held, honest).unwrap();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_file_that_was_moved_about_is_found_again() {
    let moves = [
        (Stage::PendingAck, Stage::Processing),
        (Stage::PendingAck, Stage::Inbox),
    ];
    for (from, to) in moves {
        let world = World::new(44);
        let mut task = world.task();
        task.require_ack = true;
        let sent = world.send(&task);
        let mut node = world.node();
        world.rounds(&mut node, 1);
        let name = world.only(from);
        let there = match to {
            Stage::Inbox => format!("{}.normal.g9.json", sent.id),
            _ => name.clone(),
        };
        std::fs::rename(world.path(from, &name), world.path(to, &there)).unwrap();
        world.rounds(&mut node, 2);
        assert!(world.shop.starts(sent.id).is_empty(), "the gate holds");
        world.approve(&sent);
        world.settle(&mut node);
        assert_eq!(world.status(&sent), Some(Status::Ok));
        world.check_end(&sent, "moved about");
    }
}

#[test]
fn a_running_task_whose_file_was_renamed_is_committed() {
    for to in [Stage::Inbox, Stage::PendingAck, Stage::Processing] {
        let world = World::new(45);
        let sent = world.send(&world.task());
        let mut node = world.node();
        world.rounds(&mut node, 1);
        let claim = claim_in(&world, Stage::Processing);
        let there = match to {
            Stage::Inbox => format!("{}.normal.g9.json", sent.id),
            Stage::PendingAck => claim.to_string(),
            _ => claim
                .again_by(&claim.node, dispatch::id::Nonce::from_bits(5))
                .to_string(),
        };
        let from = world.path(Stage::Processing, &claim.to_string());
        std::fs::rename(from, world.path(to, &there)).unwrap();
        world.settle(&mut node);
        assert_eq!(world.status(&sent), Some(Status::Ok), "{to}");
        world.check_starts(&sent, 1, "renamed");
        world.check_end(&sent, "renamed");
    }
}

#[test]
fn a_claim_that_was_planted_goes_through_the_gate() {
    let world = World::new(46);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let planted = format!("{}.normal.g1.gpubox-00000000000000aa.json", sent.id);
    let from = world.path(Stage::Inbox, &sent.name);
    std::fs::rename(from, world.path(Stage::Processing, &planted)).unwrap();
    let mut node = world.node();
    world.rounds(&mut node, 3);
    assert_eq!(world.names(Stage::PendingAck).len(), 1);
    assert!(world.shop.starts(sent.id).is_empty());
}

#[test]
fn markers_that_vanish_or_are_planted_change_nothing() {
    let world = World::new(47);
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 1);
    let claim = claim_in(&world, Stage::Processing);
    std::fs::remove_file(world.path(Stage::Processing, &claim.marker())).unwrap();
    let other = claim.again_by(&claim.node, dispatch::id::Nonce::from_bits(5));
    std::fs::write(world.path(Stage::Processing, &other.marker()), "").unwrap();
    world.crash(Some(node), crate::world::tape::Kept::Nothing);
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    world.check_starts(&sent, 1, "markers");
    world.check_end(&sent, "markers");
}

#[test]
fn thousands_of_planted_decisions_neither_pass_nor_bury_the_real_one() {
    let world = World::new(48);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    for number in 0..1500 {
        let name = format!("{}.ack.alice.{number:016x}.json", sent.id);
        std::fs::write(world.path(Stage::Control, &name), "{}").unwrap();
    }
    world.rounds(&mut node, 1);
    assert!(world.shop.starts(sent.id).is_empty());
    world.approve(&sent);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    assert!(
        world.told(Word::DocumentReject) <= 64,
        "a flood of names is no flood of lines"
    );
}

#[test]
fn an_inbox_full_of_garbage_does_not_keep_a_task_waiting_for_long() {
    let world = World::new(49);
    for _ in 0..600 {
        let name = format!("{}.normal.g1.json", world.task().id);
        std::fs::write(world.path(Stage::Inbox, &name), "{\"garbage\":1}\n").unwrap();
    }
    let mut urgent = world.task();
    urgent.priority = "high".parse().unwrap();
    let sent = world.send(&urgent);
    let mut node = world.node();
    world.rounds(&mut node, 1);
    assert_eq!(world.shop.starts(sent.id), [1], "the urgent one is first");
    let refused = || {
        let names = world.names(Stage::Rejected).into_iter();
        names.filter(|name| name.ends_with(".json")).count()
    };
    assert!(refused() > 200, "what is refused takes up no room");
    world.settle(&mut node);
    assert_eq!(refused(), 600);
}

#[test]
fn half_written_files_are_remembered_and_set_aside_after_a_minute() {
    let world = World::new(50);
    for number in 0..300 {
        let id = world.task().id;
        let name = format!("{id}.normal.g1.gpubox-{number:016x}.json");
        let path = world.path(Stage::Processing, &name);
        std::fs::write(&path, "{\n  \"schema\": 3,\n").unwrap();
    }
    let sent = world.send(&world.task());
    let mut node = world.node();
    world.rounds(&mut node, 2);
    assert_eq!(world.shop.starts(sent.id), [1]);
    world.clock.advance(Duration::from_secs(61));
    world.rounds(&mut node, 4);
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
    let rejected = world.names(Stage::Rejected);
    assert_eq!(
        rejected
            .iter()
            .filter(|name| name.ends_with(".json"))
            .count(),
        300
    );
}

#[test]
fn a_server_that_rolled_back_gets_the_same_outcome_again() {
    for everything in [false, true] {
        let world = World::new(51);
        let sent = world.send(&world.task());
        let mut node = world.node();
        world.rounds(&mut node, 1);
        let claim = claim_in(&world, Stage::Processing);
        let held = world.path(Stage::Processing, &claim.to_string());
        let bytes = std::fs::read(&held).unwrap();
        world.settle(&mut node);
        // The last moves are undone: the task is in inbox/ again, the result under its claim's name.
        let done = |name: &str| world.path(Stage::Done, name);
        std::fs::remove_file(done(&claim.to_string())).unwrap();
        std::fs::write(world.path(Stage::Inbox, &sent.name), &bytes).unwrap();
        if everything {
            let public = done(&format!("{}.result.json", sent.id));
            std::fs::rename(public, done(&claim.result())).unwrap();
        }
        assert_eq!(world.status(&sent), None);
        world.settle(&mut node);
        assert_eq!(world.status(&sent), Some(Status::Ok), "{}", world.picture());
        world.check_starts(&sent, 1, "rolled back");
    }
}

#[test]
fn results_planted_by_the_thousand_do_not_hide_the_one() {
    let world = World::new(52);
    let sent = world.send(&world.task());
    for number in 0..1000 {
        let name = format!("{}.normal.g1.gpubox-{number:016x}.result.json", sent.id);
        std::fs::write(world.path(Stage::Done, &name), "lies").unwrap();
    }
    let mut node = world.node();
    world.settle(&mut node);
    assert_eq!(world.status(&sent), Some(Status::Ok));
}
