//! Two changes of a folder within one tick of the server's clock, with a listing between them: the second is hidden
//! from that client. With the rule it is found within two seconds and a look; the twin of each test shows that without
//! the rule it is not found at all.

use std::sync::Arc;
use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::flow::Node;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::place::Place;
use dispatch::share::Cache;
use dispatch::share::Share;
use dispatch::stage::Stage;

use crate::world::World;
use crate::world::coarse::Server;

/// As long as nobody would wait.
const FOR_EVER: Duration = Duration::from_secs(400);
/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// A host each for sender and receiver, with caches of their own, long after their start.
fn two_hosts(cache: Cache) -> (World, Node, Arc<dyn Share>) {
    let mut world = World::new(1);
    let server = Server::over(world.share.clone(), world.clock.clone() as Arc<dyn Clock>);
    world.share = server.client();
    let mut node = world.node();
    node.see_through(cache);
    let theirs = server.client();
    world.share = theirs.clone();
    world.rounds(&mut node, 20);
    (world, node, theirs)
}

/// Rounds until this is so; returns how long that took.
fn until(world: &World, node: &mut Node, is_so: impl Fn(&Node) -> bool) -> Option<Duration> {
    let start = world.clock.boot();
    loop {
        node.round().unwrap();
        let took = world.clock.boot().since(start);
        if is_so(node) {
            return Some(took);
        }
        if took >= FOR_EVER {
            return None;
        }
        world.clock.advance(POLL);
    }
}

fn took_in(node: &Node, id: TaskId) -> bool {
    node.journal.known(id).is_some()
}

/// One task that stays in the inbox, a look, and another within the same tick.
fn hidden_task(cache: Cache) -> Option<Duration> {
    let (world, mut node, _) = two_hosts(cache);
    let mut stays = world.task();
    stays.not_before = Some(world.clock_in(3600));
    world.send(&stays);
    node.round().unwrap();
    let hidden = world.send(&world.task());
    until(&world, &mut node, |node| took_in(node, hidden.id))
}

#[test]
fn a_task_published_in_the_tick_of_another_is_found_within_the_tick_and_a_look() {
    let took = hidden_task(Cache::Stamped).unwrap();
    assert!(took > POLL, "it was not hidden at all");
    assert!(took <= limits::TICK_MAX + POLL * 2, "{took:?}");
}

#[test]
fn without_the_rule_it_is_never_found() {
    assert_eq!(hidden_task(Cache::None), None);
}

#[test]
fn where_changes_are_counted_the_net_is_wide_but_there_is_one() {
    // As it would be behind a server that does not count although it should.
    let took = hidden_task(Cache::Counted).unwrap();
    assert!(took <= limits::STIR_IDLE + POLL * 2, "{took:?}");
}

#[test]
fn what_this_node_moved_away_itself_hides_nothing() {
    let (world, mut node, _) = two_hosts(Cache::Stamped);
    world.send(&world.task());
    node.round().unwrap();
    let next = world.send(&world.task());
    let took = until(&world, &mut node, |node| took_in(node, next.id)).unwrap();
    assert!(took <= POLL, "{took:?}");
}

fn hidden_killswitch(cache: Cache) -> Option<Duration> {
    let (world, mut node, theirs) = two_hosts(cache);
    theirs.create(&Place::Root, "notes", b"").unwrap();
    node.round().unwrap();
    theirs.create(&Place::Root, "KILLSWITCH", b"").unwrap();
    until(&world, &mut node, |node| node.view().trouble.is_some())
}

#[test]
fn a_killswitch_made_in_the_tick_of_another_change_is_found_too() {
    let took = hidden_killswitch(Cache::Stamped).unwrap();
    assert!(
        took > POLL && took <= limits::TICK_MAX + POLL * 2,
        "{took:?}"
    );
    assert_eq!(hidden_killswitch(Cache::None), None);
}

fn hidden_cancel(cache: Cache) -> Option<Duration> {
    let (world, mut node, theirs) = two_hosts(cache);
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    world.rounds(&mut node, 20);
    let control = crate::world::stage(Stage::Control);
    theirs.create(&control, "notes", b"").unwrap();
    node.round().unwrap();
    world.cancel(&sent);
    until(&world, &mut node, |node| {
        node.journal.closed(sent.id).is_some()
    })
}

#[test]
fn a_cancel_made_in_the_tick_of_another_change_is_found_too() {
    let took = hidden_cancel(Cache::Stamped).unwrap();
    assert!(
        took > POLL && took <= limits::TICK_MAX + POLL * 2,
        "{took:?}"
    );
    assert_eq!(hidden_cancel(Cache::None), None);
}

#[test]
fn nobody_takes_a_scratch_name_for_anything() {
    let (world, mut node, theirs) = two_hosts(Cache::Stamped);
    let left = ".poke-00112233445566ff";
    let stages = Stage::ALL.iter().map(|at| crate::world::stage(*at));
    for place in stages.chain([Place::Root]) {
        theirs.create(&place, left, b"").unwrap();
    }
    assert!(!node.round().unwrap().news, "it is no news");
    world.rounds(&mut node, 200);
    assert_eq!(world.survey(), []);
    assert!(
        world.names(Stage::Inbox).contains(&left.to_owned()),
        "nor junk"
    );
}
