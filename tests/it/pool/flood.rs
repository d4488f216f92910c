//! Thousands of files that somebody planted where claims lie: a member that died is replaced all the same, and no round
//! costs more than a bounded number of calls.

use std::time::Duration;

use dispatch::entry::ClaimName;
use dispatch::flow::Node;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::danger::bytes_of;
use super::danger::plant;
use super::ground::Ground;
use crate::world::life::Life;
use crate::world::name;

/// Claims of other tasks, in the name of members and strangers, of which each proves nothing.
fn plant_claims(ground: &Ground, like: &ClaimName, count: usize) {
    for number in 0..count {
        let id = ground.task().id;
        let member = ["gpu1", "gpu2", "gpu9"][number % 3];
        let claim = ClaimName {
            id,
            ..like.again_by(&name(member), dispatch::id::Nonce::from_bits(number as u64))
        };
        let file = ground.path(Stage::Processing, &claim.to_string());
        plant(&file, b"{}");
        // With the leases, ten thousand files.
        if number % 2 == 0 {
            plant(&ground.path(Stage::Processing, &claim.lease()), b"{}");
        }
    }
}

/// What one round of a node costs: listings, and reads.
fn cost(ground: &Ground, member: usize, node: &mut Node) -> (usize, usize) {
    let life = Life::noting();
    node.transport = ground.transport(&ground.members[member], &life);
    node.round().unwrap();
    (life.count("list devbox-to-pool.gpu/"), life.count("read "))
}

#[test]
fn ten_thousand_planted_claims_do_not_keep_a_dead_member_from_being_replaced() {
    let ground = Ground::new(80, 2);
    let sent = ground.send(&ground.idempotent());
    let mut first = vec![ground.node(0)];
    ground.rounds(&mut first, 3, |_| {});
    let held = ground.claims(Stage::Processing).remove(0);
    drop(first);
    plant_claims(&ground, &held, 6_700);
    let mut node = ground.node(1);
    let (mut most, mut seconds) = ((0, 0), 0);
    while ground.members[1].shop.running() == 0 {
        let (lists, reads) = cost(&ground, 1, &mut node);
        most = (most.0.max(lists), most.1.max(reads));
        ground.advance(Duration::from_secs(5));
        seconds += 5;
        assert!(seconds < 400, "never taken over");
    }
    // Beside the handful that a round takes anyway; and of the planted ones a bounded number.
    assert!(most.0 <= 24, "{} listings in a round", most.0);
    let bound = limits::STRAYS_MAX + 4 * limits::PASS_ENTRIES_MAX;
    assert!(most.1 <= bound, "{} reads in a round", most.1);
    let term = limits::LEASE_TERM + limits::SLOW_LOOK;
    assert!(
        seconds <= usize::try_from(term.as_secs()).unwrap(),
        "after {seconds} s"
    );
    ground.members[1].shop.finish_all(Status::Ok);
    cost(&ground, 1, &mut node);
    cost(&ground, 1, &mut node);
    assert_eq!(ground.status(&sent), Some(Status::Ok));
}

/// Copies of one task that is over, each with its good seal.
#[test]
fn copies_of_what_is_closed_are_set_aside_at_a_bounded_cost() {
    let ground = Ground::new(81, 1);
    let sent = ground.send(&ground.idempotent());
    let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
    let mut nodes = ground.nodes();
    ground.settle(&mut nodes, Ground::finish_all);
    let held = ground.claims(Stage::Done).remove(0);
    for number in 0..600 {
        let claim = held.again_by(&held.node, dispatch::id::Nonce::from_bits(number));
        plant(&ground.path(Stage::Processing, &claim.to_string()), &bytes);
    }
    let mut node = nodes.remove(0);
    for _ in 0..180 {
        let (lists, reads) = cost(&ground, 0, &mut node);
        assert!(
            lists <= 40 && reads <= limits::PASS_ENTRIES_MAX,
            "{lists} listings, {reads} reads"
        );
        ground.advance(Duration::from_secs(1));
    }
    assert_eq!(ground.starts(sent.id), 1);
    assert_eq!(ground.names(Stage::Processing).len(), 0);
    let good = ground.send(&ground.idempotent());
    for _ in 0..10 {
        node.round().unwrap();
        ground.finish_all();
        ground.advance(Duration::from_secs(1));
    }
    assert_eq!(ground.status(&good), Some(Status::Ok));
}
