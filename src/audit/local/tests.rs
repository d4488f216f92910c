//! What a chain on the local disk survives, and what it shows.

use std::time::Duration;

use super::*;
use crate::chance::SeededChance;
use crate::clock::ManualClock;

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T23:00:00Z").unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(now)),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn log(&self, seed: u64) -> LocalLog {
        self.log_of(&self.path(), Writer::Watch, seed)
    }

    fn log_of(&self, dir: &Path, writer: Writer, seed: u64) -> LocalLog {
        let node = NodeName::parse("gpubox").unwrap();
        let chance = Arc::new(SeededChance::new(seed));
        LocalLog::new(dir, &node, writer, self.clock.clone(), chance)
    }

    fn lines(&self) -> Vec<(SegmentName, Vec<Record>)> {
        let read = |name: SegmentName| {
            let bytes = std::fs::read(self.path().join(name.to_string())).unwrap();
            let whole = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .filter(|line| line.ends_with(b"\n"));
            let records = whole.map(|line| Record::parse(line).unwrap()).collect();
            (name, records)
        };
        segments_of(&self.path())
            .unwrap()
            .into_iter()
            .map(read)
            .collect()
    }
}

fn event() -> Event {
    Event::of(Word::WatcherStart).say("poll=3s")
}

#[test]
fn the_chain_goes_on_over_restarts_and_days() {
    let bench = Bench::new();
    let first = bench.log(1);
    first.tell(&event());
    first.tell(&event());
    bench.clock.advance(Duration::from_secs(3600));
    first.tell(&event());
    let second = bench.log(2);
    second.tell(&event());
    let files = bench.lines();
    let shape: Vec<_> = files
        .iter()
        .map(|(name, records)| (name.day(), name.number, records.len()))
        .collect();
    assert_eq!(
        shape,
        [("20261120", 1, 2), ("20261121", 2, 1), ("20261121", 3, 1)]
    );
    let records: Vec<&Record> = files.iter().flat_map(|(_, records)| records).collect();
    let mut before = record::GENESIS;
    for (seq, record) in (1..).zip(&records) {
        assert_eq!((record.link.seq, record.link.prev), (seq, before));
        before = Digest::of(&record.to_line().unwrap());
    }
    assert_eq!(records[2].link.after.as_ref(), Some(&files[0].0));
    assert_eq!(records[3].link.after.as_ref(), Some(&files[1].0));
    assert_eq!(second.head().unwrap().sha256, before);
    assert_eq!(second.losses(), Losses::default());
    second.sync().unwrap();
}

#[test]
fn a_torn_tail_is_left_alone_and_the_chain_goes_on_from_the_last_whole_line() {
    let bench = Bench::new();
    let first = bench.log(1);
    first.tell(&event());
    let head = first.head().unwrap();
    let path = bench.path().join(head.segment.to_string());
    let mut file = AppendFile::open(&path).unwrap();
    file.append(b"{\"ts\":\"2026-11-2\0\0\0").unwrap();
    let before = std::fs::read(&path).unwrap();
    let second = bench.log(2);
    second.tell(&event());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let files = bench.lines();
    assert_eq!(files[1].1[0].link.prev, head.sha256);
    assert_eq!(files[1].1[0].link.seq, 2);
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let bench = Bench::new();
    let log = bench.log(1);
    log.tell(&event());
    log.lock().open.as_mut().unwrap().bytes = limits::SEGMENT_BYTES_MAX;
    log.tell(&event());
    assert_eq!(bench.lines().len(), 2);
}

/// Writing to it fails with ENOSPC (full(4)).
fn full_disk() -> AppendFile {
    AppendFile::open(Path::new("/dev/full")).unwrap()
}

#[test]
fn a_failed_write_is_counted_and_told_and_begins_another_segment() {
    let bench = Bench::new();
    let log = bench.log(1);
    log.tell(&event());
    log.lock().open.as_mut().unwrap().file = full_disk();
    log.tell(&event());
    assert_eq!(log.losses().events, 1);
    assert!(log.losses().last.unwrap().contains("/dev/full"));
    log.tell(&event());
    let files = bench.lines();
    assert_eq!(files.len(), 2);
    assert_eq!(files[1].1[0].event.word, Word::LogLost);
    assert_eq!(files[1].1[0].event.count, Some(1));
    assert_eq!(files[1].1[0].link.seq, 2);
    assert_eq!(files[1].1[1].event, event());
}

#[test]
fn a_full_disk_gets_no_more_than_one_empty_file() {
    let bench = Bench::new();
    let log = bench.log(1);
    log.tell(&event());
    log.lock().open = None;
    for _ in 0..5 {
        let mut state = log.lock();
        let mut open = match state.open.take() {
            Some(open) => open,
            None => log.begin(&mut state, bench.clock.wall()).unwrap(),
        };
        open.file = full_disk();
        state.open = Some(open);
        drop(state);
        log.tell(&event());
    }
    assert_eq!(segments_of(&bench.path()).unwrap().len(), 2);
    assert_eq!(log.losses().events, 5);
}

#[test]
fn a_directory_that_cannot_be_made_costs_events_not_the_caller() {
    let bench = Bench::new();
    let file = bench.dir.path().join("file");
    disk::create_new(&file, b"", 0o600).unwrap();
    for writer in Writer::ALL {
        let log = bench.log_of(&file.join("x"), *writer, 1);
        log.tell(&event());
        log.tell(&event());
        assert_eq!(log.losses().events, 2);
        assert_eq!(log.head(), None);
        log.sync().unwrap();
    }
}

#[test]
fn commands_that_run_at_once_keep_one_chain() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for seed in 1..9 {
            let bench = &bench;
            scope.spawn(move || {
                for turn in 0..10 {
                    // A new log each time, as a command makes one; the system's clock, so that waiting takes real time.
                    let log = LocalLog::new(
                        &bench.path(),
                        &NodeName::parse("devbox").unwrap(),
                        Writer::Cli,
                        Arc::new(crate::clock::SystemClock),
                        Arc::new(SeededChance::new(seed * 100 + turn)),
                    );
                    log.tell(&event());
                    assert_eq!(log.losses(), Losses::default());
                }
            });
        }
    });
    let files = bench.lines();
    assert!(files.len() <= 2, "two where midnight passed");
    let records: Vec<&Record> = files.iter().flat_map(|(_, records)| records).collect();
    assert_eq!(records.len(), 80);
    let mut before = record::GENESIS;
    for (seq, record) in (1..).zip(&records) {
        assert_eq!((record.link.seq, record.link.prev), (seq, before));
        before = Digest::of(&record.to_line().unwrap());
    }
}

#[test]
fn a_command_does_not_wait_for_ever_for_a_stopped_one() {
    let bench = Bench::new();
    let log = bench.log_of(&bench.path(), Writer::Cli, 1);
    log.tell(&event());
    let held = LockFile::try_take(&bench.path().join(TURN)).unwrap();
    log.tell(&event());
    assert_eq!(log.losses().events, 1);
    drop(held);
    log.tell(&event());
    let files = bench.lines();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].1.len(), 3, "the second tells of the loss");
}

#[test]
fn a_command_does_not_append_to_a_torn_segment() {
    let bench = Bench::new();
    let log = bench.log_of(&bench.path(), Writer::Cli, 1);
    log.tell(&event());
    let head = log.head().unwrap();
    let path = bench.path().join(head.segment.to_string());
    AppendFile::open(&path).unwrap().append(b"{").unwrap();
    log.tell(&event());
    let files = bench.lines();
    assert_eq!(files.len(), 2);
    assert_eq!(files[1].1[0].link.after, Some(head.segment));
}

#[test]
fn neither_a_secret_nor_a_whole_request_reaches_the_file() {
    let bench = Bench::new();
    let log = bench.log(1);
    let request = format!("{} MARKER-7f3a {}", "please ".repeat(12), "x".repeat(5000));
    for word in Word::ALL {
        log.tell(&Event::of(*word).quote("-> gpubox: ", &request));
    }
    let mut size = 0;
    for name in segments_of(&bench.path()).unwrap() {
        let bytes = std::fs::read(bench.path().join(name.to_string())).unwrap();
        size += bytes.len();
        assert!(!String::from_utf8_lossy(&bytes).contains("MARKER"));
    }
    assert!(size > 1000);
}

#[test]
fn a_file_that_a_crash_left_empty_is_not_begun_again() {
    let bench = Bench::new();
    for writer in Writer::ALL {
        let log = bench.log_of(&bench.path(), *writer, 1);
        log.tell(&event());
        let head = log.head().unwrap();
        let name = SegmentName::new(*writer, bench.clock.wall(), 7, 2);
        drop(AppendFile::create(&bench.path().join(name.to_string())).unwrap());
        let next = bench.log_of(&bench.path(), *writer, 2);
        next.tell(&event());
        let files = bench.lines();
        let (last, records) = files
            .iter()
            .rfind(|(name, _)| name.writer == *writer)
            .unwrap();
        assert_eq!((last.number, records.len()), (3, 1));
        assert_eq!(records[0].link.after, Some(head.segment));
    }
}
