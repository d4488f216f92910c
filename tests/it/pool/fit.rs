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

/// Claims a task with the first member, which waits for its grant, and has it started no more.
fn claimed(ground: &Ground) -> (dispatch::flow::send::Sent, dispatch::flow::Node) {
    ground.let_start(false);
    let sent = ground.send(&ground.task());
    let mut nodes = vec![ground.node(0)];
    ground.rounds(&mut nodes, 2, |_| {});
    assert_eq!(ground.claims(Stage::Processing).len(), 1);
    ground.let_start(true);
    (sent, nodes.remove(0))
}

#[test]
fn a_member_without_the_profile_at_the_start_gives_the_task_back_to_the_others() {
    let ground = Ground::new(43, 2);
    let (sent, mut first) = claimed(&ground);
    first.settings.profiles.clear();
    let mut nodes = vec![first, ground.node(1)];
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "given back");
    assert_eq!(ground.status(&sent), Some(Status::Ok), "{}", ground.told(0));
    assert_eq!(ground.members[1].shop.starts(sent.id).len(), 1);
}

#[test]
fn a_member_that_denies_what_it_had_admitted_gives_it_back_and_what_all_deny_is_refused() {
    for all in [false, true] {
        let ground = Ground::new(44, 2);
        let (sent, first) = claimed(&ground);
        let mut nodes = vec![first, ground.node(1)];
        for node in &mut nodes[..if all { 2 } else { 1 }] {
            for peer in node.settings.peers.values_mut() {
                peer.profiles.clear();
            }
        }
        ground.settle(&mut nodes, Ground::finish_all);
        ground.check_end(&sent, 1, "denied");
        let wanted = if all { Status::Rejected } else { Status::Ok };
        assert_eq!(ground.status(&sent), Some(wanted), "{}", ground.told(0));
        let shown = ground.told(0);
        assert!(shown.contains("task_return"), "{shown}");
    }
}
