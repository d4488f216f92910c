//! What a node asks of the share: how much when there is nothing to do, how soon it sees what there is, and that
//! neither depends on what was done before.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests, and what somebody else does to a share"
)]

mod growth;
mod hidden;

use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::SeededChance;
use dispatch::clock::Clock as _;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::pace::Pace;
use dispatch::pace::Rhythm;
use dispatch::share::Cache;
use dispatch::stage::Stage;

use crate::world::World;
use crate::world::meter::Bill;
use crate::world::meter::Meter;

/// The defaults of the configuration.
fn rhythm() -> Rhythm {
    dispatch::config::Config::default().rhythm()
}

fn metered(seed: u64, cache: Cache) -> (World, Arc<Meter>, Node) {
    let mut world = World::new(seed);
    let meter = Meter::over(world.share.clone());
    world.share = meter.clone();
    let mut node = world.node();
    node.see_through(cache);
    (world, meter, node)
}

/// Rounds at the pace of a watcher for this long. Returns what they asked for.
fn live(world: &World, node: &mut Node, meter: &Meter, pace: &mut Pace, time: Duration) -> Bill {
    let chance = SeededChance::new(11);
    let end = world.clock.boot().plus(time);
    meter.bill();
    while world.clock.boot() < end {
        let round = node.round().unwrap();
        let now = world.clock.boot();
        if round.worked() || round.news {
            pace.stir(now);
        }
        world
            .clock
            .advance(pace.next(now, node.running() > 0, &chance));
    }
    meter.bill()
}

#[test]
fn an_idle_node_asks_little_of_the_share_and_less_after_ten_minutes() {
    const TEN_MINUTES: Duration = Duration::from_secs(600);
    for cache in [Cache::None, Cache::Counted, Cache::Stamped] {
        let (world, meter, mut node) = metered(1, cache);
        let mut pace = Pace::new(rhythm(), world.clock.boot());
        let first = live(&world, &mut node, &meter, &mut pace, TEN_MINUTES);
        let rest = live(&world, &mut node, &meter, &mut pace, TEN_MINUTES);
        let a_minute = |bill: &Bill| bill.remote / 10;
        // The figure that is promised is 60 after ten minutes; what the client itself asks for its leases and for the
        // folders on the way comes on top.
        assert!(a_minute(&first) <= 60, "{cache:?}: {first:?}");
        assert!(a_minute(&rest) <= 30, "{cache:?}: {rest:?}");
    }
}

#[test]
fn a_round_with_nothing_to_do_lists_the_root_and_the_inbox_and_no_more() {
    let (world, meter, mut node) = metered(2, Cache::Stamped);
    // Past its start, its first looks for what may be hidden, and a beat.
    for _ in 0..40 {
        node.round().unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let mut least = usize::MAX;
    for _ in 0..5 {
        meter.bill();
        node.round().unwrap();
        world.clock.advance(Duration::from_millis(500));
        let bill = meter.bill();
        if bill.all() < least {
            least = bill.all();
            assert!(bill.of("list") == bill.all(), "{bill:?}");
        }
    }
    assert_eq!(least, 2);
}

#[test]
fn a_task_that_waits_for_what_another_holds_costs_nothing() {
    let (world, meter, mut node) = metered(3, Cache::Counted);
    let profile = node.settings.profiles.values_mut().next().unwrap();
    profile.slots = 1;
    let first = world.send(&world.task());
    world.rounds(&mut node, 1);
    assert_eq!(node.running(), 1);
    let second = world.send(&world.task());
    world.rounds(&mut node, 4);
    assert_eq!((node.running(), node.waiting()), (1, 1));
    meter.bill();
    world.rounds(&mut node, 3);
    assert_eq!(meter.bill().of("read"), 0, "its bytes are not read again");
    world.shop.finish_all(Status::Ok);
    world.settle(&mut node);
    for sent in [&first, &second] {
        world.check_end(sent, "both ran");
    }
}

#[test]
fn whatever_is_waited_for_is_seen_by_the_very_next_round() {
    let (world, _, mut node) = metered(4, Cache::Stamped);
    world.rounds(&mut node, 3);
    // A task.
    let sent = world.send(&world.task());
    node.round().unwrap();
    assert_eq!(node.running(), 1);
    // A cancel, while it runs; its result by the round after the executor's report.
    world.cancel(&sent);
    node.round().unwrap();
    assert_eq!(world.told(Word::TaskExecStop), 1);
    node.round().unwrap();
    assert_eq!(world.status(&sent), Some(Status::Cancelled));
    // A decision.
    let mut task = world.task();
    task.require_ack = true;
    let sent = world.send(&task);
    node.round().unwrap();
    assert_eq!(world.names(Stage::PendingAck).len(), 1);
    world.clock.advance(Duration::from_secs(3600));
    node.round().unwrap();
    world.approve(&sent);
    node.round().unwrap();
    assert_eq!(node.running(), 1);
    // A killswitch.
    std::fs::write(world.root().join("KILLSWITCH"), "kill").unwrap();
    node.round().unwrap();
    assert!(node.view().trouble.is_some());
    assert_eq!(world.told(Word::TaskExecStop), 2, "in the same round");
    // While anything runs a round comes at least that often.
    let mut pace = Pace::new(rhythm(), world.clock.boot());
    world.clock.advance(Duration::from_secs(3600));
    pace.lose(false, world.clock.boot());
    assert!(pace.bound(world.clock.boot(), true) <= limits::HALT_LOOK);
}
