//! Who may serve a pool, and what: a share that is in doubt, and members that do not agree about what they run.

use dispatch::flow::Fitness;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::ground::Ground;

fn alone() -> Fitness {
    Fitness::Alone("the share is examined again".to_owned())
}

#[test]
fn on_a_share_in_doubt_nothing_of_a_pool_is_claimed_started_or_taken_over() {
    let ground = Ground::new(41, 2);
    let dead = ground.send(&ground.idempotent());
    let mut nodes = vec![ground.node(0)];
    ground.rounds(&mut nodes, 2, |_| {});
    assert_eq!(ground.starts(dead.id), 1);
    drop(nodes);
    let runs = ground.send(&ground.idempotent());
    let mut nodes = vec![ground.node(1)];
    ground.rounds(&mut nodes, 2, |_| {});
    assert_eq!(ground.starts(runs.id), 1, "{}", ground.picture());
    nodes[0].fit(alone());
    let waits = ground.send(&ground.idempotent());
    ground.rounds(&mut nodes, 2 * Ground::a_term(), |_| {});
    assert_eq!(ground.names(Stage::Inbox).len(), 1, "{}", ground.picture());
    assert_eq!((ground.starts(dead.id), ground.starts(waits.id)), (1, 0));
    // What it runs goes on for as long, since its lease is beaten.
    assert_eq!(ground.members[1].shop.running(), 1, "{}", ground.told(1));
    ground.finish_all();
    ground.rounds(&mut nodes, 2, |_| {});
    assert_eq!(ground.status(&runs), Some(Status::Ok));
    nodes[0].fit(Fitness::Pools);
    ground.rounds(&mut nodes, 60, |_| {});
    assert_eq!(ground.starts(dead.id), 1, "by what it saw while in doubt");
    ground.settle(&mut nodes, Ground::finish_all);
    for sent in [&dead, &runs, &waits] {
        ground.check_end(sent, 2, "after the doubt");
    }
}

#[test]
fn a_share_that_is_refused_while_it_is_served_starts_nothing() {
    let ground = Ground::new(42, 1);
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 1, |_| {});
    nodes[0].fit(Fitness::Nothing(
        "check 1, mount: a sync program".to_owned(),
    ));
    let sent = ground.send(&ground.idempotent());
    ground.rounds(&mut nodes, 30, |_| {});
    assert_eq!(ground.starts(sent.id), 0);
    assert_eq!(ground.names(Stage::Inbox).len(), 1, "{}", ground.picture());
    nodes[0].fit(Fitness::Pools);
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "fit again");
}
