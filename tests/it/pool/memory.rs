//! What a pool remembers, and for how long: enough that nothing starts twice, and no more; and what it asks of the
//! share while there is nothing to do.

use std::sync::Arc;
use std::time::Duration;

use dispatch::chance::SeededChance;
use dispatch::clock::Clock as _;
use dispatch::flow::Node;
use dispatch::flow::send::Sent;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::pace::Pace;
use dispatch::stage::Stage;

use super::danger::bytes_of;
use super::danger::forged;
use super::danger::plant;
use super::ground::Ground;
use crate::world::life::Life;
use crate::world::meter::Bill;
use crate::world::meter::Meter;

/// How much the journals of member, other member and sender hold on their disks.
fn sizes(ground: &Ground) -> [usize; 3] {
    let hosts = [&ground.members[0], &ground.members[1], &ground.sender];
    hosts.map(|host| host.medium.written().len())
}

/// Every watcher starts anew, which is when journals are written down to what counts.
fn restart(ground: &Ground) -> Vec<Node> {
    ground.restart_sender();
    ground.nodes()
}

/// Runs tasks that may be started once in all, and such that may be repeated; each is claimed, granted and closed.
fn work(ground: &Ground, nodes: &mut [Node], count: usize) -> Vec<Sent> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(ground.send(&ground.task()));
        all.push(ground.send(&ground.idempotent()));
    }
    ground.settle(nodes, Ground::finish_all);
    all
}

#[test]
fn what_a_pool_remembers_does_not_grow_with_what_it_has_done() {
    let ground = Ground::new(100, 2);
    let mut nodes = ground.nodes();
    work(&ground, &mut nodes, 2);
    let over = limits::LIFE_DEFAULT + limits::MEMORY_AFTER_EXPIRY + Duration::from_secs(60);
    let mut seen: Vec<usize> = Vec::new();
    for _ in 0..5 {
        ground.advance(over);
        nodes = restart(&ground);
        ground.rounds(&mut nodes, 2, |_| {});
        seen.push(sizes(&ground).iter().sum());
        work(&ground, &mut nodes, 4);
    }
    // What is forgotten is what was over when the last fact was recorded: one period of work may still be there, and
    // never two.
    let (first, last) = (seen[1], seen[4]);
    assert!(last < first + first / 4, "{seen:?}");
}

#[test]
fn nothing_that_was_forgotten_lets_a_task_start_twice() {
    for after in [
        // It is over, and remembered still; to the second that it is; and forgotten.
        limits::LIFE_DEFAULT - limits::SKEW,
        limits::LIFE_DEFAULT + limits::MEMORY_AFTER_EXPIRY - Duration::from_secs(1),
        limits::LIFE_DEFAULT + limits::MEMORY_AFTER_EXPIRY + Duration::from_secs(30),
        limits::LIFE_DEFAULT + limits::MEMORY_AFTER_EXPIRY * 3,
    ] {
        let ground = Ground::new(101, 2);
        let tasks = [
            ground.send(&ground.task()),
            ground.send(&ground.idempotent()),
        ];
        let bytes = tasks
            .each_ref()
            .map(|sent| bytes_of(&ground, Stage::Inbox, &sent.name));
        let mut nodes = ground.nodes();
        ground.settle(&mut nodes, Ground::finish_all);
        ground.advance(after);
        nodes = restart(&ground);
        for (sent, bytes) in tasks.iter().zip(&bytes) {
            plant(&ground.path(Stage::Inbox, &sent.name), bytes);
        }
        for _ in 0..60 {
            ground.sender_round();
            for node in &mut nodes {
                node.round().unwrap();
            }
            ground.advance(Duration::from_secs(1));
        }
        // As claims, in everybody's name.
        for (sent, bytes) in tasks.iter().zip(&bytes) {
            for member in ["gpu1", "gpu2", "gpu9"] {
                let claim = forged(&ground, &sent.name, member);
                plant(&ground.path(Stage::Processing, &claim.to_string()), bytes);
            }
        }
        for _ in 0..2 * Ground::a_term() {
            ground.sender_round();
            for node in &mut nodes {
                node.round().unwrap();
            }
            ground.advance(Duration::from_secs(1));
        }
        let starts = tasks.each_ref().map(|sent| ground.starts(sent.id));
        assert_eq!(starts[0], 1, "{after:?}: {}", ground.picture());
        // Idempotent, and in its time: each copy is an attempt like any other. Over, it is nothing.
        let most = if after < limits::LIFE_DEFAULT { 3 } else { 1 };
        assert!(starts[1] <= most, "{after:?}: {starts:?}");
    }
}

/// The member that ran it is gone with all it knew, and so is what the sender knew of it: its time is over by then.
#[test]
fn a_member_that_never_heard_of_a_task_does_not_start_what_others_forgot() {
    let ground = Ground::new(102, 2);
    let sent = ground.send(&ground.task());
    let bytes = bytes_of(&ground, Stage::Inbox, &sent.name);
    let mut nodes = vec![ground.node(0)];
    ground.settle(&mut nodes, Ground::finish_all);
    assert_eq!(ground.status(&sent), Some(Status::Ok));
    drop(nodes);
    ground.members[0].medium.wipe();
    plant(&ground.path(Stage::Inbox, &sent.name), &bytes);
    let mut other = ground.node(1);
    for second in 0..200 {
        if second == 100 {
            ground.advance(limits::LIFE_DEFAULT + limits::MEMORY_AFTER_EXPIRY * 2);
            ground.restart_sender();
            plant(
                &ground.path(Stage::Inbox, &sent.name.replace(".g1.", ".g7.")),
                &bytes,
            );
        }
        ground.sender_round();
        other.round().unwrap();
        ground.advance(Duration::from_secs(1));
    }
    assert_eq!(ground.starts(sent.id), 1, "{}", ground.told(1));
}

/// Rounds at the pace of a watcher. Returns what they asked for.
fn live(
    ground: &Ground,
    node: &mut Node,
    clock: &dyn dispatch::clock::Clock,
    meter: &Meter,
    pace: &mut Pace,
) -> Bill {
    let chance = SeededChance::new(12);
    let end = clock.boot().plus(Duration::from_secs(600));
    meter.bill();
    while clock.boot() < end {
        let round = node.round().unwrap();
        let now = clock.boot();
        if round.worked() || round.news {
            pace.stir(now);
        }
        let pause = pace.next(now, node.running() > 0, &chance);
        ground.advance(node.patience().map_or(pause, |most| pause.min(most)));
    }
    meter.bill()
}

#[test]
fn an_idle_member_and_an_idle_sender_of_a_pool_ask_little_of_the_share() {
    let rhythm = dispatch::config::Config::default().rhythm();
    for is_sender in [false, true] {
        let mut ground = Ground::new(103, 2);
        let meter: Arc<Meter> = Meter::over(ground.share.clone());
        ground.share = meter.clone();
        let host = if is_sender {
            &ground.sender
        } else {
            &ground.members[0]
        };
        let clock = host.clock.clone();
        let mut node = if is_sender {
            ground.asker()
        } else {
            ground.start(0, &Life::charmed()).unwrap()
        };
        let mut pace = Pace::new(rhythm, clock.boot());
        let first = live(&ground, &mut node, &*clock, &meter, &mut pace);
        let rest = live(&ground, &mut node, &*clock, &meter, &mut pace);
        let a_minute = |bill: &Bill| bill.remote / 10;
        assert!(a_minute(&first) <= 100, "sender {is_sender}: {first:?}");
        // What is promised of a node with one peer holds with a pool beside it.
        assert!(a_minute(&rest) <= 60, "sender {is_sender}: {rest:?}");
    }
}
