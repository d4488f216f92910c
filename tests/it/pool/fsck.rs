//! What `dispatch fsck` says of the lane of a pool, from the journal of one member.
#![expect(clippy::disallowed_methods, reason = "what a stranger does to a share")]

use dispatch::flow::fsck;
use dispatch::flow::fsck::Code;
use dispatch::flow::fsck::Own;
use dispatch::flow::fsck::Survey;
use dispatch::journal::Journal;
use dispatch::stage::Stage;

use super::danger::bytes_of;
use super::danger::forged;
use super::danger::plant;
use super::ground::Ground;
use super::ground::lane;
use crate::world::life::Life;

/// What a member finds: codes and objects, but for what the clock of this machine says.
fn found(ground: &Ground, member: usize) -> Vec<(Code, String)> {
    let host = &ground.members[member];
    let journal = Journal::read(&host.medium.written()).unwrap();
    let findings = fsck::survey(&Survey {
        transport: &*ground.transport(host, &Life::charmed()),
        keys: &ground.keys(),
        clock: &*host.clock,
        lanes: &[lane()],
        own: Some(Own {
            node: &host.name,
            journal: &journal,
            runs: &host.shop.stems(),
        }),
    });
    let told = findings.into_iter().map(|one| (one.code, one.object));
    told.filter(|(code, _)| *code != Code::OldPart).collect()
}

#[test]
fn a_pool_at_work_has_nothing_that_should_not_be() {
    let ground = Ground::new(90, 2);
    let mut parked = ground.idempotent();
    parked.require_ack = true;
    ground.send(&parked);
    for _ in 0..3 {
        ground.send(&ground.idempotent());
        ground.send(&ground.task());
    }
    let mut nodes = ground.nodes();
    for second in 0..60 {
        if second % 7 == 0 {
            ground.finish_all();
        }
        ground.rounds(&mut nodes, 1, |_| {});
        for member in 0..2 {
            assert_eq!(found(&ground, member), [], "{second}: {}", ground.picture());
        }
    }
}

#[test]
fn what_a_member_holds_and_what_lies_there_are_compared() {
    let ground = Ground::new(91, 2);
    let sent = ground.send(&ground.idempotent());
    let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
    let mut nodes = vec![ground.node(0)];
    ground.rounds(&mut nodes, 2, |_| {});
    let held = ground.claims(Stage::Processing).remove(0);
    // Claims of another are his, taken ones are nobody's.
    let other = forged(&ground, &ground.send(&ground.idempotent()).name, "gpu2");
    plant(&ground.path(Stage::Processing, &other.to_string()), b"{}");
    let is_stray = |found: &[(Code, String)]| found.iter().any(|(code, _)| *code == Code::Stray);
    assert!(!is_stray(&found(&ground, 0)), "{:?}", found(&ground, 0));
    let stray = forged(&ground, &ground.send(&ground.idempotent()).name, "gpu1");
    plant(&ground.path(Stage::Processing, &stray.to_string()), b"{}");
    let lane = lane().to_string();
    let at = |file: &str| format!("{lane}/processing/{file}");
    let strays = found(&ground, 0);
    assert!(
        strays.contains(&(Code::Stray, at(&stray.to_string()))),
        "{strays:?}"
    );
    // Another member took it: that is no fault, and the next look of its holder ends it.
    let file = ground.path(Stage::Processing, &held.to_string());
    let taken = held.taken_by(dispatch::id::Nonce::from_bits(1)).to_string();
    std::fs::remove_file(&file).unwrap();
    plant(&ground.path(Stage::Processing, &taken), &bytes);
    let is_missing =
        |found: &[(Code, String)]| found.iter().any(|(code, _)| *code == Code::MissingFile);
    assert!(!is_missing(&found(&ground, 0)), "{:?}", found(&ground, 0));
    // Nowhere at all: it is.
    std::fs::remove_file(ground.path(Stage::Processing, &taken)).unwrap();
    let all = found(&ground, 0);
    assert!(
        all.contains(&(Code::MissingFile, at(&held.to_string()))),
        "{all:?}"
    );
    assert!(!is_missing(&found(&ground, 1)), "the other never had it");
}
