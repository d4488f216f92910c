//! What belongs to one kind of loss alone.

use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::document::Context;
use dispatch::document::Heartbeat;
use dispatch::document::Kind;
use dispatch::document::NodeState;
use dispatch::document::Rules;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::event::Word;
use dispatch::id::Party;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;
use dispatch::share::Share as _;
use dispatch::stage::Stage;

use super::share::Mood;
use super::table::Bench;
use super::table::LONG;
use crate::world;
use crate::world::World;

/// What the receiver last told the sender of itself.
fn heartbeat(world: &World) -> Heartbeat {
    let bytes = std::fs::read(world.root().join("heartbeats/gpubox.devbox.json")).unwrap();
    let context = Context {
        from: Party::from(&world::name("gpubox")),
        to: Party::from(&world::name("devbox")),
        kind: Kind::Heartbeat,
    };
    let verified = Envelope::read(bytes).verify(&world::keys(), &context, world.clock.wall());
    verified.unwrap().heartbeat(&Rules::recorded()).unwrap()
}

fn step(world: &World, seconds: i64) {
    let wall = world.clock.wall().unix();
    let to = dispatch::clock::Timestamp::from_unix(wall + seconds);
    world.clock.step_wall(to);
}

/// The call that hangs costs its patience once; while it hangs, a round costs nothing, and nothing else is stuck.
#[test]
fn a_hung_share_costs_one_wait() {
    let mut bench = Bench::new(301);
    bench.rounds(1);
    bench.hang();
    bench.rounds(1);
    let hang = bench.patient.hang().unwrap();
    let returned = bench.patient.returned();
    // Were each of these waited for, the test would never end.
    bench.patient.wait_at_most(LONG);
    bench.rounds(100);
    assert_eq!(bench.patient.returned(), returned, "no other call is made");
    let now = bench.patient.hang().unwrap();
    assert_eq!((now.action, now.object), (hang.action, hang.object));
    assert_eq!(bench.world.told(Word::ShareLost), 1);
    bench.resume();
    bench.rounds(1);
    assert_eq!(bench.trouble(), None);
    assert_eq!(bench.world.told(Word::ShareBack), 1);
}

#[test]
fn what_runs_is_ended_when_the_share_is_lost_for_longer_than_allowed() {
    let mut bench = Bench::new(302);
    bench.node.settings.lost_max = Some(Duration::from_secs(60));
    let sent = bench.world.send(&bench.world.task());
    bench.rounds(1);
    bench.hang();
    bench.rounds(59);
    assert_eq!(bench.world.shop.running(), 1);
    bench.rounds(3);
    assert_eq!(bench.world.shop.running(), 0);
    assert_eq!(bench.world.told(Word::TaskExecStop), 1, "asked once");
    bench.resume();
    bench.world.settle(&mut bench.node);
    assert_eq!(bench.world.status(&sent), Some(Status::Killed));
    bench.world.check_end(&sent, "cut off");
}

#[test]
fn without_a_configured_identity_the_first_one_found_is_ours() {
    let mut bench = Bench::new(303);
    bench.node.settings.root_id = None;
    bench.rounds(1);
    bench.world.rename_identity(world::OTHER_ID);
    let sent = bench.world.send(&bench.world.task());
    bench.rounds(2);
    // Renamed in place, on the same mount. The start proves the identity by itself.
    assert!(bench.world.shop.starts(sent.id).is_empty());
    assert_eq!(bench.trouble(), Some("not_ours"));
    bench.world.rename_identity(world::ROOT_ID);
    bench.world.settle(&mut bench.node);
    assert_eq!(bench.world.status(&sent), Some(Status::Ok));
}

#[test]
fn a_node_tells_how_far_its_clock_is_off() {
    let mut bench = Bench::new(304);
    bench.rounds(1);
    assert_eq!(heartbeat(&bench.world).clock_skew_ms, 0);
    step(&bench.world, -40);
    bench.world.clock.advance(Duration::from_secs(15));
    bench.rounds(1);
    assert_eq!(heartbeat(&bench.world).clock_skew_ms, 40_000);
    assert_eq!(bench.trouble(), None, "less than is forgiven");
    assert_eq!(bench.world.told(Word::ClockSkew), 1);
    bench.rounds(200);
    assert_eq!(bench.world.told(Word::ClockSkew), 1, "told once");
}

/// Where a peer agrees with this host, it is the server's clock that is wrong, and work goes on.
#[test]
fn a_server_whose_clock_is_wrong_stops_nobody() {
    for peer_agrees in [true, false] {
        let mut bench = Bench::new(305);
        bench.rounds(1);
        step(&bench.world, 1000);
        if peer_agrees {
            plant_heartbeat_of_devbox(&bench.world);
        }
        bench.rounds(2);
        let expected = if peer_agrees { None } else { Some("clock_off") };
        assert_eq!(bench.trouble(), expected);
    }
}

fn plant_heartbeat_of_devbox(world: &World) {
    let now = world.clock.wall();
    let mut beat = heartbeat(world);
    std::mem::swap(&mut beat.from, &mut beat.to);
    beat.created = now;
    let sealed = envelope::seal_beat(&world::keys(), &beat.context(), now, &beat.body()).unwrap();
    let file = world.root().join("heartbeats/devbox.gpubox.json");
    std::fs::write(file, sealed).unwrap();
}

#[test]
fn a_watcher_that_ends_says_so() {
    let mut bench = Bench::new(306);
    bench.rounds(1);
    assert_eq!(heartbeat(&bench.world).state, Some(NodeState::Ready));
    bench.node.leave();
    let last = heartbeat(&bench.world);
    assert_eq!(last.state, Some(NodeState::Draining));
    assert_eq!(last.reason.as_deref(), Some("its watcher was stopped"));
    let next = bench.world.node().round();
    next.unwrap();
    assert_eq!(heartbeat(&bench.world).state, Some(NodeState::Ready));
}

#[test]
fn what_a_drained_node_says_of_itself_is_sealed() {
    let mut bench = Bench::new(308);
    bench.node.drain(Some("new disks".to_owned()));
    bench.rounds(1);
    let beat = heartbeat(&bench.world);
    assert_eq!(beat.state, Some(NodeState::Draining));
    let why = "drained by its operator: new disks";
    assert_eq!(beat.reason.as_deref(), Some(why));
}

#[test]
fn a_decided_task_whose_file_never_comes_back_is_closed_when_its_time_is_over() {
    let mut bench = Bench::new(307);
    let sent = bench.world.send(&bench.world.task());
    bench.rounds(1);
    let file = bench.world.names(Stage::Processing);
    let file = file.iter().find(|name| name.ends_with(".json")).unwrap();
    std::fs::remove_file(bench.world.path(Stage::Processing, file)).unwrap();
    bench.world.shop.finish_all(Status::Ok);
    bench.rounds(200);
    assert!(
        bench.node.journal.known(sent.id).is_some(),
        "a server may roll back"
    );
    bench.world.clock.advance(Duration::from_secs(25 * 3600));
    bench.rounds(130);
    assert!(bench.node.journal.known(sent.id).is_none(), "open for ever");
    let closed = bench.node.journal.closed(sent.id).unwrap();
    assert_eq!(closed.status, Status::Ok);
    assert!(bench.world.shop.stems().is_empty());
    assert!(bench.node.is_quiet());
    bench.world.check_starts(&sent, 1, "gone");
}

/// A folder that takes nothing is worth a wait now and then, not in every round.
#[test]
fn a_done_folder_with_wrong_rights_does_not_eat_the_rounds() {
    let mut bench = Bench::new(308);
    let sent = [(); 2].map(|()| bench.world.send(&bench.world.task()));
    bench.rounds(1);
    bench.world.shop.finish_all(Status::Ok);
    bench.share.turn(Mood::Refuses(nix::errno::Errno::EACCES));
    let before = bench.world.clock.boot();
    bench.rounds(60);
    let slept = bench.world.clock.boot().since(before) - Duration::from_secs(60);
    assert!(slept < Duration::from_secs(60), "{slept:?}");
    bench.share.turn(Mood::Well);
    bench.world.clock.advance(Duration::from_secs(60));
    bench.world.settle(&mut bench.node);
    for one in &sent {
        assert_eq!(bench.world.status(one), Some(Status::Ok));
    }
}

#[test]
fn a_run_whose_report_was_damaged_gives_its_slot_back() {
    let mut bench = Bench::new(309);
    let sent = bench.world.send(&bench.world.task());
    bench.rounds(1);
    // What a run directory says whose report cannot be read and whose executor is gone.
    bench.world.shop.lose_all();
    bench.rounds(1);
    assert_eq!(bench.node.running(), 0);
    bench.world.settle(&mut bench.node);
    let answer = bench.world.outcome(&sent).unwrap();
    assert_eq!(
        (answer.status, answer.class),
        (Status::Indeterminate, Some(FailureClass::ExecutorLost))
    );
}
