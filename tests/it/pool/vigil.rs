//! A round that takes long does not cost a member its claims, as long as it comes back.

use std::sync::Arc;
use std::time::Duration;

use dispatch::flow::Vigil;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::ground::Ground;
use crate::world::life::Life;

/// One member is in the middle of a round for so many seconds; the vigil is kept beside it, and another member looks
/// on.
fn long_round(ground: &Ground, vigil: &Vigil, other: &mut dispatch::flow::Node, seconds: u64) {
    let member = &ground.members[0];
    for second in 0..seconds {
        ground.sender_round();
        other.round().unwrap();
        if second % 2 == 0 {
            // A handle of its own, and no descriptor from before.
            let transport = ground.transport(member, &Life::charmed());
            let runner = member.shop.seen_by(Life::charmed());
            vigil.keep(&*transport, &*member.clock, &*runner);
        }
        ground.advance(Duration::from_secs(1));
    }
}

fn running(ground: &Ground) -> [usize; 2] {
    [0, 1].map(|member| ground.members[member].shop.running())
}

#[test]
fn what_a_long_round_is_late_with_is_beaten_beside_it() {
    let ground = Ground::new(70, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = vec![ground.node(0)];
    let vigil = nodes[0].vigil();
    ground.rounds(&mut nodes, 3, |_| {});
    assert_eq!(running(&ground), [1, 0]);
    let mut other = ground.node(1);
    long_round(&ground, &vigil, &mut other, 420);
    // Neither ended by its own term, nor taken over.
    assert_eq!(running(&ground), [1, 0], "{}", ground.told(1));
    assert_eq!(ground.claims(Stage::Processing)[0].taken, None);
    // The round comes back, and goes on from what was beaten meanwhile.
    nodes.push(other);
    ground.rounds(&mut nodes, 30, |_| {});
    assert_eq!(running(&ground), [1, 0], "{}", ground.told(0));
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "a long round");
    assert_eq!(ground.status(&sent), Some(Status::Ok));
}

#[test]
fn a_member_whose_rounds_never_come_back_loses_its_claims() {
    let ground = Ground::new(71, 2);
    let sent = ground.send(&ground.idempotent());
    let mut nodes = vec![ground.node(0)];
    let vigil = nodes[0].vigil();
    ground.rounds(&mut nodes, 3, |_| {});
    let mut other = ground.node(1);
    let long = limits::VIGIL_MAX + limits::LEASE_TERM * 2;
    long_round(&ground, &vigil, &mut other, long.as_secs());
    assert_eq!(running(&ground), [0, 1], "{}", ground.told(1));
    assert_eq!(ground.starts(sent.id), 2);
}

#[test]
fn the_vigil_beats_nothing_that_was_given_away_or_is_over() {
    let ground = Ground::new(72, 2);
    ground.send(&ground.idempotent());
    let mut nodes = vec![ground.node(0)];
    let vigil: Arc<Vigil> = nodes[0].vigil();
    ground.rounds(&mut nodes, 3, |_| {});
    let member = &ground.members[0];
    let keep = || {
        let transport = ground.transport(member, &Life::charmed());
        let runner = member.shop.seen_by(Life::charmed());
        vigil.keep(&*transport, &*member.clock, &*runner)
    };
    assert_eq!(keep(), 0, "the rounds are not late");
    ground.advance(limits::LEASE_BEAT * 2);
    assert_eq!(keep(), 1);
    assert_eq!(keep(), 0, "just beaten");
    // Another has the file.
    let claim = ground.claims(Stage::Processing).remove(0);
    let taken = claim.taken_by(dispatch::id::Nonce::from_bits(7));
    let at = |file: &str| ground.path(Stage::Processing, file);
    dispatch::share::Share::rename(
        &dispatch::share::FolderShare::at(&ground.root()),
        (&super::ground::stage(Stage::Processing), &claim.to_string()),
        (&super::ground::stage(Stage::Processing), &taken.to_string()),
    )
    .unwrap();
    ground.advance(limits::LEASE_BEAT * 2);
    assert_eq!(keep(), 0, "{:?}", at(""));
    // Over: only a round may go on with it.
    ground.advance(limits::LEASE_SELF);
    assert_eq!(keep(), 0);
}
