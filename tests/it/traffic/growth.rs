//! What was done before costs nothing: not a look, not a task; and what piles up is moved and removed.

use std::time::Duration;

use dispatch::chance::Chance as _;
use dispatch::chance::SeededChance;
use dispatch::clock::Clock as _;
use dispatch::clock::Timestamp;
use dispatch::entry;
use dispatch::event::Word;
use dispatch::flow::Node;
use dispatch::flow::collect::Whereabouts;
use dispatch::flow::gc;
use dispatch::flow::gc::Weights;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::place::Place;
use dispatch::share::Cache;
use dispatch::share::FolderShare;
use dispatch::share::Share as _;
use dispatch::stage::Stage;

use super::metered;
use crate::world::World;
use crate::world::lane;
use crate::world::life::Life;
use crate::world::meter::Bill;
use crate::world::meter::Meter;
use crate::world::stage;

/// A day that is not today.
const DAY: u64 = 86_400;

/// Puts the files of finished tasks into a folder, by name only.
fn plant(world: &World, at: &Place, made: Timestamp, count: usize, files: usize) -> Vec<TaskId> {
    let (chance, folder) = (
        SeededChance::new(made.unix().unsigned_abs()),
        world.root().join(at.path()),
    );
    std::fs::create_dir_all(&folder).unwrap();
    let ids = (0..count).map(|at| {
        let millis = u64::try_from(made.unix()).unwrap() * 1000 + at as u64 % 1000;
        let id = chance.task_id(millis);
        // Many of them by their results alone: a listing costs what it costs by its names.
        let claim = format!("{id}.normal.g1.gpubox-{}", chance.nonce());
        let names = [
            entry::public_result(id),
            entry::public_log(id),
            format!("{claim}.json"),
        ];
        for name in names.iter().take(files) {
            std::fs::File::create(folder.join(name)).unwrap();
        }
        id
    });
    ids.collect()
}

/// The names in `done/` itself, not in its days.
fn in_done(world: &World) -> Vec<String> {
    let listing = world.share.list(&stage(Stage::Done)).unwrap();
    let mut names: Vec<String> = listing.into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

/// Lets time pass at the server and at the host alike.
fn later(world: &World, meter: &Meter, by: Duration) {
    meter.age(by);
    world.clock.step_wall(world.clock.wall().plus(by));
}

/// What an idle look costs, and what one task does from its publication to its end.
fn costs(world: &World, node: &mut Node, meter: &Meter) -> (Bill, Bill) {
    world.rounds(node, 8);
    meter.bill();
    node.round().unwrap();
    let idle = meter.bill();
    let sent = world.send(&world.task());
    meter.bill();
    node.round().unwrap();
    world.shop.finish_all(Status::Ok);
    node.round().unwrap();
    let task = meter.bill();
    assert_eq!(world.status(&sent), Some(Status::Ok));
    (idle, task)
}

#[test]
fn a_hundred_thousand_finished_tasks_change_neither_a_look_nor_a_task() {
    let (world, meter, mut node) = metered(1, Cache::Counted);
    let (idle, task) = costs(&world, &mut node, &meter);
    let (world, meter, mut node) = metered(1, Cache::Counted);
    let now = world.clock_in(0);
    for day in 1..=20 {
        let made = now.minus(Duration::from_secs(DAY * day));
        plant(&world, &Place::Day(lane(), made.day()), made, 5_000, 1);
    }
    let grown = costs(&world, &mut node, &meter);
    assert_eq!(grown.0, idle, "a look");
    assert_eq!(grown.1.calls, task.calls, "a task");
    // The names of the days themselves, in the listings of done/ that a commit makes.
    let lists = task.calls.get("list devbox-to-gpubox/done").unwrap();
    assert_eq!(grown.1.names, task.names + 20 * lists);
}

#[test]
fn a_crowd_moves_to_its_day_oldest_first_and_is_still_found() {
    let (world, meter, mut node) = metered(2, Cache::None);
    let now = world.clock_in(0);
    let made = now.minus(Duration::from_secs(30 * 60));
    let crowd = limits::DONE_CROWD + 200;
    let ids = plant(&world, &stage(Stage::Done), made, crowd, 3);
    let old = world.send(&world.task());
    let names = |world: &World| in_done(world).len();
    let before = names(&world);
    node.round().unwrap();
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 120);
    assert!(
        names(&world) >= before,
        "they were revealed less than ten minutes ago"
    );
    later(&world, &meter, limits::DONE_YOUNG + Duration::from_secs(60));
    let sent = world.send(&world.task());
    node.round().unwrap();
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 240);
    let left = in_done(&world);
    let results = left
        .iter()
        .filter(|name| name.ends_with(".result.json"))
        .count();
    assert!(results <= limits::DONE_CROWD, "{results} are left");
    assert!(
        results >= limits::DONE_CROWD / 2,
        "only as many went as had to"
    );
    // Oldest first.
    let kept = ids
        .iter()
        .filter(|id| left.contains(&entry::public_result(**id)));
    let oldest_kept = kept.min().copied().unwrap();
    let gone = ids
        .iter()
        .filter(|id| !left.contains(&entry::public_result(**id)));
    assert!(gone.max().copied().unwrap() < oldest_kept);
    for sent in [old, sent] {
        let found = world
            .sender(&Life::charmed())
            .find(&lane(), sent.id, None)
            .unwrap();
        assert!(matches!(found, Whereabouts::Answered(_)), "{found:?}");
    }
    assert!(world.told(Word::Gc) > 0);
}

#[test]
fn a_refused_task_goes_to_its_day_with_its_outcome() {
    let (mut world, _, _) = metered(3, Cache::None);
    world
        .settings
        .peers
        .values_mut()
        .for_each(|peer| peer.accept = false);
    let mut node = world.node();
    let sent = world.send(&world.task());
    world.settle(&mut node);
    assert_eq!(world.names(Stage::Rejected).len(), 1);
    let meter = Meter::over(world.share.clone());
    meter.age(Duration::from_secs(3 * DAY));
    world.share = meter;
    let rules = gc::Rules {
        keep: None,
        keep_bytes: None,
        dry_run: false,
        entries_max: 100,
    };
    let transport = world.transport(&Life::charmed());
    gc::served(
        &*transport,
        &lane(),
        &node.journal,
        rules,
        &mut Weights::default(),
    )
    .unwrap();
    assert_eq!(world.names(Stage::Rejected), [""; 0]);
    assert_eq!(world.status(&sent), Some(Status::Rejected));
    assert_eq!(world.survey(), []);
}

#[test]
fn a_day_that_is_not_kept_is_taken_away_at_once_and_removed_a_day_later() {
    let (world, meter, mut node) = metered(4, Cache::None);
    let sent = world.send(&world.task());
    world.settle(&mut node);
    meter.age(Duration::from_secs(40 * DAY));
    let transport = world.transport(&Life::charmed());
    let sweep = || {
        let rules = gc::Rules {
            keep: Some(Duration::from_secs(30 * DAY)),
            keep_bytes: None,
            dry_run: false,
            entries_max: 100,
        };
        gc::served(
            &*transport,
            &lane(),
            &node.journal,
            rules,
            &mut Weights::default(),
        )
        .unwrap()
    };
    let swept = sweep();
    assert_eq!((swept.count("age"), swept.count("expire")), (3, 1));
    // A reader that comes too late finds nothing, and no fault; one that had opened a file goes on.
    let found = world
        .sender(&Life::charmed())
        .find(&lane(), sent.id, None)
        .unwrap();
    assert!(matches!(found, Whereabouts::Absent), "{found:?}");
    let trash = in_done(&world)[0].clone();
    assert!(trash.starts_with("trash."), "{trash}");
    assert_eq!(world.survey(), [], "no fault");
    assert_eq!(sweep().steps, [], "not before a day has passed");
    meter.age(limits::TRASH_AGE + Duration::from_secs(60));
    assert_eq!(sweep().count("remove"), 3);
    assert_eq!(in_done(&world), [""; 0]);
}

#[test]
fn the_oldest_days_go_until_the_rest_is_small_enough() {
    let (world, _, node) = metered(9, Cache::None);
    let now = world.clock_in(0);
    let day = |ago: u64| now.minus(Duration::from_secs(DAY * ago)).day();
    for ago in [1, 3, 4, 5, 6] {
        let folder = world.root().join(Place::Day(lane(), day(ago)).path());
        std::fs::create_dir(&folder).unwrap();
        for name in 0..5 {
            std::fs::write(folder.join(format!("{name}.log")), vec![b'x'; 200]).unwrap();
        }
    }
    let transport = world.transport(&Life::charmed());
    let mut weights = Weights::default();
    let mut sweep = |keep_bytes| {
        let rules = gc::Rules {
            keep: None,
            keep_bytes,
            dry_run: false,
            entries_max: 100,
        };
        gc::served(&*transport, &lane(), &node.journal, rules, &mut weights).unwrap()
    };
    assert_eq!(sweep(None).count("expire"), 0);
    assert_eq!(sweep(Some(4_000)).count("expire"), 0);
    // Yesterday neither counts nor goes.
    assert_eq!(sweep(Some(2_500)).count("expire"), 2);
    let left = in_done(&world);
    let days: Vec<&String> = left.iter().filter(|name| name.starts_with("20")).collect();
    assert_eq!(days, [&day(4), &day(3), &day(1)]);
}

#[test]
fn a_flooded_inbox_is_served_in_parts_and_told_of_once() {
    let (world, meter, mut node) = metered(7, Cache::None);
    meter.narrow(10);
    for junk in 0..40 {
        std::fs::write(world.path(Stage::Inbox, &format!("junk {junk}")), "").unwrap();
    }
    let sent: Vec<_> = (0..40).map(|_| world.send(&world.task())).collect();
    later(&world, &meter, limits::JUNK_AGE + Duration::from_secs(60));
    world.settle(&mut node);
    for sent in &sent {
        assert_eq!(world.status(sent), Some(Status::Ok));
    }
    assert_eq!(world.told(Word::WatcherErr), 1);
}

#[test]
fn a_folder_of_too_many_names_is_not_taken_for_a_small_one() {
    let (world, _, _) = metered(8, Cache::None);
    for name in 0..5 {
        std::fs::write(world.path(Stage::Inbox, &name.to_string()), "").unwrap();
    }
    let share = FolderShare::at(&world.root());
    for (max, part) in [(4, true), (5, false), (6, false)] {
        let (listing, is_part) = share.list_part(&stage(Stage::Inbox), max).unwrap();
        assert_eq!((listing.len(), is_part), (max.min(5), part));
    }
}

#[test]
fn a_watcher_that_never_ends_does_not_remember_for_ever() {
    let (world, _, mut node) = metered(6, Cache::None);
    world.send(&world.task());
    world.settle(&mut node);
    assert_eq!(node.journal.remembered(), 1);
    world.clock.advance(Duration::from_secs(20 * DAY));
    let sent = world.send(&world.task());
    world.settle(&mut node);
    world.clock.advance(limits::SWEEP_PAUSE);
    world.rounds(&mut node, 2);
    assert_eq!(
        node.journal.remembered(),
        1,
        "the first can never run again"
    );
    assert!(node.journal.closed(sent.id).is_some());
}

#[test]
fn a_scratch_name_that_a_crash_left_is_removed_in_the_end() {
    let (world, meter, node) = metered(5, Cache::None);
    let left = entry::scratch(SeededChance::new(3).nonce());
    let places = [
        stage(Stage::Inbox),
        stage(Stage::Control),
        stage(Stage::Done),
        Place::Root,
    ];
    for at in &places {
        world.share.create(at, &left, b"").unwrap();
    }
    let transport = world.transport(&Life::charmed());
    let rules = gc::Rules {
        keep: None,
        keep_bytes: None,
        dry_run: false,
        entries_max: 100,
    };
    let sweep = || {
        gc::served(
            &*transport,
            &lane(),
            &node.journal,
            rules,
            &mut Weights::default(),
        )
        .unwrap()
    };
    assert_eq!(sweep().count("scratch"), 0);
    meter.age(limits::SCRATCH_AGE + Duration::from_secs(60));
    assert_eq!(sweep().count("scratch"), places.len());
}
