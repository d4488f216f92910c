//! Whoever can write to the share can cost time and attempts. He cannot make anything run that was not asked for, nor
//! what may run once run twice.
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

use std::path::Path;

use dispatch::chance::Chance;
use dispatch::entry::ClaimName;
use dispatch::entry::QueuedName;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::ground::Ground;
use crate::world::name;

pub(super) fn plant(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create_new(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

pub(super) fn bytes_of(ground: &Ground, at: Stage, file: &str) -> Vec<u8> {
    std::fs::read(ground.path(at, file)).unwrap()
}

/// A claim of a task by a member that never made it.
pub(super) fn forged(ground: &Ground, file: &str, member: &str) -> ClaimName {
    let queued = QueuedName::parse(file).unwrap();
    queued.claimed_by(&name(member), ground.chance().nonce())
}

#[test]
fn a_claim_planted_in_the_name_of_a_member_is_taken_back_and_runs_once() {
    for member in ["gpu1", "gpu2", "gpu9"] {
        let ground = Ground::new(40, 2);
        let sent = ground.send(&ground.task());
        let claim = forged(&ground, &sent.name, member);
        let to = ground.path(Stage::Processing, &claim.to_string());
        std::fs::rename(ground.path(Stage::Inbox, &sent.name), to).unwrap();
        let mut nodes = ground.nodes();
        ground.settle(&mut nodes, Ground::finish_all);
        ground.check_end(&sent, 1, member);
        assert_eq!(ground.status(&sent), Some(Status::Ok), "{member}");
    }
}

#[test]
fn a_copy_of_a_task_that_is_not_idempotent_never_starts_a_second_time() {
    let ground = Ground::new(41, 2);
    let sent = ground.send(&ground.task());
    let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 40, |_| {});
    assert_eq!(ground.starts(sent.id), 1);
    let holder = ground.claims(Stage::Processing)[0].node.clone();
    ground.finish_all();
    for _ in 0..5 {
        for node in &mut nodes {
            node.round().unwrap();
        }
    }
    assert_eq!(ground.status(&sent), Some(Status::Ok));
    // Only the other is there to find it, and has never heard of it.
    nodes.retain(|node| node.settings.node != holder);
    plant(&ground.path(Stage::Inbox, &sent.name), &bytes);
    let nothing = |_: &Ground| {};
    for _ in 0..200 {
        ground.sender_round();
        for node in &mut nodes {
            node.round().unwrap();
        }
        nothing(&ground);
        ground.advance(std::time::Duration::from_secs(1));
    }
    assert_eq!(ground.starts(sent.id), 1, "{}", ground.picture());
}

#[test]
fn a_lease_that_others_keep_changing_costs_time_and_nothing_else() {
    let ground = Ground::new(42, 2);
    let sent = ground.send(&ground.idempotent());
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 3, |_| {});
    drop(first);
    let claim = ground.claims(Stage::Processing).remove(0);
    let lease = ground.path(Stage::Processing, &claim.lease());
    let mut second = vec![ground.node(1)];
    let number = std::cell::Cell::new(0_u32);
    ground.rounds(&mut second, Ground::a_term() * 2, |_| {
        number.set(number.get() + 1);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&lease)
            .unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &number.get().to_be_bytes(), 0).unwrap();
    });
    assert_eq!(ground.starts(sent.id), 1);
    ground.settle(&mut second, Ground::finish_all);
    assert_eq!(ground.status(&sent), Some(Status::Ok));
    assert_eq!(ground.starts(sent.id), 2);
}

#[test]
fn planted_markers_cost_attempts_and_are_never_taken_for_leave() {
    let ground = Ground::new(43, 1);
    let (once, often) = (
        ground.send(&ground.task()),
        ground.send(&ground.idempotent()),
    );
    for sent in [&once, &often] {
        for _ in 0..3 {
            let claim = forged(&ground, &sent.name, "gpu2");
            plant(&ground.path(Stage::Processing, &claim.marker()), b"");
        }
    }
    let mut nodes = ground.nodes();
    ground.settle(&mut nodes, Ground::finish_all);
    assert_eq!(ground.status(&once), Some(Status::Indeterminate));
    assert_eq!(ground.status(&often), Some(Status::Poison));
    assert_eq!(ground.starts(once.id) + ground.starts(often.id), 0);
}

/// Somebody removes the marker of a start; the journal of the member that started it still counts.
#[test]
fn removed_markers_never_let_one_member_start_more_often_than_it_may() {
    let ground = Ground::new(44, 1);
    let (once, often) = (
        ground.send(&ground.task()),
        ground.send(&ground.idempotent()),
    );
    let mut nodes = ground.nodes();
    ground.settle(&mut nodes, |ground| {
        for file in ground.names(Stage::Processing) {
            if file.ends_with(".start") {
                std::fs::remove_file(ground.path(Stage::Processing, &file)).unwrap();
            }
        }
        ground.members[0].shop.lose_all();
    });
    assert_eq!(ground.status(&once), Some(Status::Indeterminate));
    assert_eq!(ground.status(&often), Some(Status::Poison));
    assert_eq!((ground.starts(once.id), ground.starts(often.id)), (1, 3));
}

/// The member that started it is dead, its marker is gone, and the next finds a claim that looks untouched: what may be
/// started once in all needs the word of the sender's node, which gives it once.
#[test]
fn a_removed_marker_lets_nothing_start_twice_that_may_start_once() {
    let ground = Ground::new(45, 2);
    let sent = ground.send(&ground.task());
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 40, |_| {});
    assert_eq!(ground.starts(sent.id), 1, "{}", ground.picture());
    drop(first);
    for file in ground.names(Stage::Processing) {
        if file.ends_with(".start") {
            std::fs::remove_file(ground.path(Stage::Processing, &file)).unwrap();
        }
    }
    let mut second = vec![ground.node(1)];
    ground.settle(&mut second, Ground::finish_all);
    assert_eq!(ground.starts(sent.id), 1);
    assert_eq!(
        ground.status(&sent),
        Some(Status::Indeterminate),
        "{}",
        ground.told(1)
    );
}

/// A word of the sender's node about one claim says nothing about another.
#[test]
fn a_grant_that_is_shown_again_starts_nothing() {
    let ground = Ground::new(46, 1);
    let sent = ground.send(&ground.task());
    let mut nodes = ground.nodes();
    let grant = std::cell::RefCell::new(None);
    ground.rounds(&mut nodes, 40, |ground| {
        let control = ground.names(Stage::Control);
        if let Some(file) = control.iter().find(|file| file.contains(".grant.")) {
            *grant.borrow_mut() = Some(bytes_of(ground, Stage::Control, file));
        }
    });
    assert_eq!(ground.starts(sent.id), 1);
    let grant = grant.into_inner().unwrap();
    // The member dies before its record; somebody moves the task back and shows the old grant.
    drop(nodes);
    ground.members[0].shop.lose_all();
    ground.members[0].medium.wipe();
    let claim = ground.claims(Stage::Processing).remove(0);
    for file in ground.names(Stage::Processing) {
        if file != claim.to_string() {
            std::fs::remove_file(ground.path(Stage::Processing, &file)).unwrap();
        }
    }
    let back = claim.returned(None).to_string();
    let from = ground.path(Stage::Processing, &claim.to_string());
    std::fs::rename(from, ground.path(Stage::Inbox, &back)).unwrap();
    let nonce = ground.chance().nonce();
    let file = format!("{}.grant.gpu1.{nonce}.json", sent.id);
    plant(&ground.path(Stage::Control, &file), &grant);
    let mut node = ground.node(0);
    // As if it had kept its memory of nothing but its birth.
    node.journal.adopt().unwrap();
    let mut nodes = vec![node];
    ground.settle(&mut nodes, Ground::finish_all);
    assert_eq!(ground.starts(sent.id), 1, "{}", ground.told(0));
    assert_eq!(ground.status(&sent), Some(Status::Indeterminate));
}
