//! A destination over hours of a clock that is moved by hand: rates, quiet hours, failures, crashes, a full disk.

use std::sync::Arc;
use std::sync::Mutex;

use super::*;
use crate::audit::LocalLog;
use crate::audit::Writer;
use crate::audit::files::LocalFiles;
use crate::chance::SeededChance;
use crate::clock::ManualClock;
use crate::clock::Timestamp;
use crate::destination::Service;
use crate::destination::Topic;
use crate::destination::Url;
use crate::event::Event;
use crate::event::Sink as _;
use crate::id::DestinationName;
use crate::id::ProfileName;
use crate::notify::carry::Poster;
use crate::notify::carry::Request;
use crate::notify::samples;
use crate::outcome::Status;

/// A server that takes everything, unless it is told what to answer.
#[derive(Default)]
struct Server {
    answers: Mutex<Vec<Refused>>,
    got: Mutex<Vec<serde_json::Value>>,
}

impl Poster for Server {
    fn post(&self, _to: &Destination, request: &Request) -> Result<(), Refused> {
        let body = serde_json::from_slice(&request.body).unwrap();
        self.got.lock().unwrap().push(body);
        match self.answers.lock().unwrap().pop() {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    chance: Arc<SeededChance>,
    server: Server,
    node: NodeName,
    log: LocalLog,
    to: Destination,
    said: Vec<Told>,
}

impl Bench {
    fn new(change: impl Fn(&mut Destination)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let noon = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let (clock, chance) = (
            Arc::new(ManualClock::at(noon)),
            Arc::new(SeededChance::new(7)),
        );
        let node = NodeName::parse("gpubox").unwrap();
        let secret = dir.path().join("secret");
        crate::disk::replace(&secret, b"0123456789abcdef", 0o600).unwrap();
        let mut to = Destination::of(DestinationName::parse("ops").unwrap(), Service::Webhook);
        to.url = Some(Url::parse("https://x/").unwrap());
        to.secret_file = Some(secret);
        change(&mut to);
        let log = LocalLog::new(
            &dir.path().join("audit"),
            &node,
            Writer::Watch,
            Arc::clone(&clock) as Arc<dyn crate::clock::Clock>,
            Arc::clone(&chance) as Arc<dyn Chance>,
        );
        let mut bench = Self {
            dir,
            clock,
            chance,
            server: Server::default(),
            node,
            log,
            to,
            said: Vec::new(),
        };
        // Begins before anything is told.
        bench.pass();
        bench
    }

    fn ends(&self, status: Status) {
        self.log
            .tell(&samples::event(Word::TaskExecEnd, Some(status)));
    }

    /// A process that starts, does this and ends, however it does.
    fn process<T>(&mut self, act: impl FnOnce(&mut Post<'_>, &mut dyn FnMut(Told)) -> T) -> T {
        let carrier = Carrier {
            poster: &self.server,
            clock: &*self.clock,
            chance: &*self.chance,
            handed: None,
            path: "/usr/bin:/bin",
        };
        let log = LocalFiles(self.dir.path().join("audit"));
        let file = self.dir.path().join("state/ops.json");
        crate::disk::make_dir(&self.dir.path().join("state"), 0o700).unwrap();
        let mut post = Post::open(&self.to, &self.node, &log, &carrier, file).unwrap();
        act(&mut post, &mut |told| self.said.push(told))
    }

    fn pass(&mut self) -> Option<Duration> {
        self.process(|post, tell| post.pass(tell))
    }

    /// Returns the titles that arrived since the last call.
    fn titles(&self) -> Vec<String> {
        let mut got = self.server.got.lock().unwrap();
        let title = |body: serde_json::Value| body["title"].as_str().unwrap().to_owned();
        got.drain(..).map(title).collect()
    }

    fn answer(&self, refused: Refused) {
        self.server.answers.lock().unwrap().push(refused);
    }

    fn hours(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
    }
}

const DONE: &str = "gpubox: a task of devbox is done";

#[test]
fn what_was_told_before_the_first_start_stays_untold() {
    let mut bench = Bench::new(|_| {});
    crate::disk::remove_tree(&bench.dir.path().join("state")).unwrap();
    bench.ends(Status::Ok);
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new());
    bench.ends(Status::Error);
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: a task of devbox ended: error"]);
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new(), "once is enough");
}

#[test]
fn what_is_above_the_rate_is_one_message_when_there_is_room() {
    let mut bench = Bench::new(|to| to.rate = "3/h".parse().unwrap());
    for _ in 0..10 {
        bench.ends(Status::Ok);
    }
    bench.log.tell(&samples::event(Word::TaskReuse, None));
    bench.pass();
    let alarm = "gpubox: ALARM: a known id came with other bytes";
    assert_eq!(
        bench.titles(),
        [DONE, DONE, DONE, alarm],
        "alarms are not counted"
    );
    bench.clock.advance(Duration::from_secs(3599));
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new());
    bench.clock.advance(Duration::from_secs(2));
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: and 7 more"]);
    // The summary is a message too.
    for _ in 0..3 {
        bench.ends(Status::Ok);
    }
    bench.pass();
    assert_eq!(bench.titles(), [DONE, DONE]);
}

#[test]
fn quiet_hours_are_one_message_afterwards() {
    let mut bench = Bench::new(|to| {
        to.quiet = Some("22:00-07:00".parse().unwrap());
        to.urgent = vec![crate::destination::Choice::Topic(Topic::Approvals)];
    });
    bench.hours(9);
    // Before, and not delivered before the night begins.
    bench.ends(Status::Ok);
    bench.answer(Refused::for_now("down"));
    bench.pass();
    assert_eq!(bench.titles(), [DONE]);
    bench.hours(2);
    bench.ends(Status::Error);
    bench.log.tell(&samples::event(Word::TaskPendingAck, None));
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: devbox asks for an approval"]);
    bench.hours(7);
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new());
    bench.hours(1);
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: and 2 more"]);
}

#[test]
fn a_summary_that_meets_the_night_waits_in_the_next_one() {
    let mut bench = Bench::new(|to| {
        to.quiet = Some("22:00-07:00".parse().unwrap());
        to.rate = "1/h".parse().unwrap();
    });
    for _ in 0..3 {
        bench.ends(Status::Ok);
    }
    bench.pass();
    assert_eq!(bench.titles(), [DONE]);
    bench.hours(2);
    bench.answer(Refused::for_now("down"));
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: and 2 more"]);
    bench.hours(9);
    bench.ends(Status::Ok);
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new());
    bench.hours(9);
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: and 3 more"]);
}

#[test]
fn a_try_that_failed_waits_longer_each_time_and_keeps_the_order() {
    let mut bench = Bench::new(|_| {});
    for _ in 0..3 {
        bench.answer(Refused::for_now("down"));
    }
    bench.ends(Status::Ok);
    bench.ends(Status::Error);
    let clock = Arc::clone(&bench.clock);
    let waits = bench.process(|post, tell| {
        let mut waits = Vec::new();
        while let Some(wait) = post.pass(tell) {
            assert!(post.pass(tell).is_some(), "not before its time");
            waits.push(wait);
            clock.advance(wait);
        }
        waits
    });
    assert_eq!(waits.len(), 3);
    for (wait, most) in waits.iter().zip([2, 4, 8]) {
        let most = Duration::from_secs(most);
        assert!(*wait <= most && *wait * 2 >= most, "{wait:?} {most:?}");
    }
    let titles = bench.titles();
    assert_eq!(titles[..4], [DONE, DONE, DONE, DONE]);
    assert_eq!(titles[4], "gpubox: a task of devbox ended: error");
    let wanted = [Told::Failing("down".to_owned()), Told::Delivering];
    assert_eq!(bench.said, wanted, "said once, not for each try");
}

#[test]
fn a_server_that_asks_for_patience_gets_it_and_not_more_than_is_meant() {
    let chance = SeededChance::new(7);
    let asked = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(pause(1, asked(30), &chance), Duration::from_secs(30));
    assert_eq!(
        pause(1, asked(1_000_000), &chance),
        limits::NOTIFY_PAUSE_MAX
    );
    for failures in 0..200 {
        let drawn = pause(failures, None, &chance);
        assert!(drawn >= limits::NOTIFY_PAUSE / 2 && drawn <= limits::NOTIFY_PAUSE_MAX);
    }
}

#[test]
fn what_is_never_taken_is_given_up_and_told() {
    let mut bench = Bench::new(|to| to.tries = 2);
    bench.answer(Refused::for_good("it answered with status 400"));
    bench.ends(Status::Ok);
    bench.ends(Status::Error);
    bench.pass();
    assert_eq!(bench.titles().len(), 2, "the next one is not kept waiting");
    let Some(Told::GivenUp(dead)) = bench.said.pop() else {
        panic!("it is told");
    };
    assert!(dead.id.starts_with("gpubox.watch-") && dead.why.contains("400"));
    // And by count, where it is only never there.
    bench.ends(Status::Ok);
    for _ in 0..2 {
        bench.answer(Refused::for_now("down"));
        bench.pass();
        bench.hours(1);
    }
    let dead = bench.process(|post, _| (post.ledger().dead, post.ledger().queue.len()));
    assert_eq!(dead, (2, 0));
}

#[test]
fn a_crash_between_delivery_and_note_repeats_the_same_id() {
    let mut bench = Bench::new(|_| {});
    bench.ends(Status::Ok);
    let state = bench.dir.path().join("state");
    let before = bench.dir.path().join("before");
    // What was on disk when the message left: the event is taken in, its delivery not noted.
    bench.answer(Refused::for_now("down"));
    bench.pass();
    let file = state.join("ops.json");
    std::fs::copy(&file, &before).unwrap();
    bench.pass();
    std::fs::copy(&before, &file).unwrap();
    bench.pass();
    bench.pass();
    let got = bench.server.got.lock().unwrap();
    let ids: Vec<&str> = got
        .iter()
        .map(|body| body["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids.len(),
        3,
        "once in vain, once, and once more after the crash"
    );
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_disk_that_takes_nothing_stops_no_message_and_is_told_once() {
    let mut bench = Bench::new(|_| {});
    let state = bench.dir.path().join("state");
    let aside = bench.dir.path().join("aside");
    for _ in 0..2 {
        bench.log.tell(&Event::of(Word::DiskLow));
    }
    let low = samples::event(Word::DiskLow, None);
    let dir = bench.dir.path().to_owned();
    bench.process(|post, tell| {
        crate::disk::remove_tree(&aside).unwrap();
        // Where the folder is gone, nothing can be created in it: as a full disk says no to every write.
        crate::disk::remove_tree(&state).unwrap();
        post.pass(tell);
        post.pass(tell);
        crate::disk::make_dir(&dir.join("state"), 0o700).unwrap();
        post.close(tell);
    });
    assert_eq!(bench.titles().len(), 2);
    assert!(
        matches!(bench.said[..], [Told::Unsaved(_)]),
        "{:?}",
        bench.said
    );
    bench.log.tell(&low);
    bench.pass();
    assert_eq!(
        bench.titles().len(),
        1,
        "what could be noted later is not repeated"
    );
}

#[test]
fn the_queue_is_bounded_and_what_is_over_is_counted() {
    let mut bench = Bench::new(|to| {
        to.rate = "100000/d".parse().unwrap();
        to.tries = 100;
    });
    bench.answer(Refused::for_now("down"));
    for _ in 0..limits::NOTIFY_QUEUE_MAX + 50 {
        bench.ends(Status::Ok);
    }
    bench.process(|post, tell| {
        post.pass(tell);
        let more = post.ledger().more.as_ref().unwrap();
        assert_eq!(post.ledger().queue.len(), limits::NOTIFY_QUEUE_MAX);
        assert_eq!(more.count(), 50);
    });
    bench.hours(1);
    bench.pass();
    bench.pass();
    let titles = bench.titles();
    assert_eq!(titles.last().unwrap(), "gpubox: and 50 more");
    let file = bench.dir.path().join("state/ops.json");
    assert!(std::fs::metadata(file).unwrap().len() < limits::NOTIFY_STATE_BYTES_MAX as u64);
}

#[test]
fn the_end_of_a_task_is_told_by_the_profile_it_was_started_with() {
    let gpu = ProfileName::parse("gpu").unwrap();
    let mut bench = Bench::new(|to| to.filter.profiles = vec![ProfileName::parse("gpu").unwrap()]);
    bench.ends(Status::Ok);
    bench.pass();
    assert_eq!(bench.titles(), Vec::<String>::new());
    let start = samples::event(Word::TaskExecStart, None);
    bench.log.tell(&Event {
        profile: Some(gpu),
        ..start
    });
    bench.pass();
    bench.ends(Status::Error);
    bench.pass();
    assert_eq!(bench.titles(), ["gpubox: a task of devbox ended: error"]);
}

#[test]
fn a_file_of_another_version_is_refused_by_name() {
    let mut bench = Bench::new(|_| {});
    bench.pass();
    let file = bench.dir.path().join("state/ops.json");
    let text = std::fs::read_to_string(&file).unwrap();
    crate::disk::replace(
        &file,
        text.replace("\"version\":1", "\"version\":2").as_bytes(),
        0o600,
    )
    .unwrap();
    let said = Ledger::load(&file).unwrap_err().to_string();
    assert!(said.contains("version 2 is not known"), "{said}");
}
