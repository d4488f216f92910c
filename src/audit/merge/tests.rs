//! Several logs as one story, read once and read on.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::audit::LocalLog;
use crate::audit::files::LocalFiles;
use crate::chance::SeededChance;
use crate::clock::Clock;
use crate::clock::ManualClock;
use crate::disk::AppendFile;
use crate::event::Event;
use crate::event::Sink;
use crate::id::TaskId;

const ID: &str = "0198f1c2-0000-7000-8000-000000000001";

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T23:59:50Z").unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(now)),
        }
    }

    fn log(&self, node: &str, writer: Writer, seed: u64) -> LocalLog {
        let chance = Arc::new(SeededChance::new(seed));
        let dir = self.dir.path().join(node);
        LocalLog::new(&dir, &name(node), writer, self.clock.clone(), chance)
    }

    fn files(&self, node: &str) -> LocalFiles {
        LocalFiles(self.dir.path().join(node))
    }

    fn tick(&self) {
        self.clock.advance(Duration::from_secs(5));
    }
}

fn name(node: &str) -> NodeName {
    NodeName::parse(node).unwrap()
}

fn drain(merge: &mut Merge<'_>) -> Vec<String> {
    std::iter::from_fn(|| merge.next_record())
        .map(|told| format!("{} {}", told.node, told.record.event.word))
        .collect()
}

/// A task from devbox to gpubox, over midnight, with a watcher that restarts.
fn story(bench: &Bench) -> (LocalFiles, LocalFiles) {
    let id = TaskId::parse(ID).unwrap();
    let told = |word| Event::of(word).task(id).peer(&name("devbox"));
    let first = bench.log("gpubox", Writer::Watch, 1);
    first.tell(&Event::of(Word::WatcherStart));
    bench.tick();
    first.tell(&told(Word::TaskAdmit));
    bench
        .log("devbox", Writer::Cli, 2)
        .tell(&told(Word::TaskSend));
    bench.tick();
    let second = bench.log("gpubox", Writer::Watch, 3);
    second.tell(&Event::of(Word::WatcherStart));
    second.tell(&told(Word::TaskExecStart));
    bench.tick();
    bench
        .log("gpubox", Writer::Cli, 4)
        .tell(&told(Word::TaskAck));
    second.tell(&told(Word::TaskExecEnd));
    (bench.files("gpubox"), bench.files("devbox"))
}

#[test]
fn several_logs_read_as_one_story() {
    let bench = Bench::new();
    let (gpubox, devbox) = story(&bench);
    let logs: [(NodeName, &dyn LogFiles); 2] =
        [(name("gpubox"), &gpubox), (name("devbox"), &devbox)];
    let merge = |filter| Merge::new(&logs, filter, Positions::new());
    let mut all = merge(Filter::default());
    assert_eq!(
        drain(&mut all),
        [
            "gpubox watcher_start",
            "devbox task_send",
            "gpubox task_admit",
            "gpubox watcher_start",
            "gpubox task_exec_start",
            "gpubox task_exec_end",
            "gpubox task_ack",
        ]
    );
    assert_eq!((all.passed_over(), all.unread()), (0, &[][..]));
    let mut one = merge(Filter {
        task: Some(ID[..8].to_owned()),
        words: vec![Word::TaskAck, Word::TaskSend],
        peer: Some(Party::from(&name("devbox"))),
        ..Filter::default()
    });
    assert_eq!(drain(&mut one), ["devbox task_send", "gpubox task_ack"]);
    let mut late = merge(Filter {
        since: Some(bench.clock.wall()),
        ..Filter::default()
    });
    assert_eq!(drain(&mut late).len(), 2);
    let mut early = merge(Filter {
        until: Some(bench.clock.wall()),
        ..Filter::default()
    });
    assert_eq!(drain(&mut early).len(), 5);
}

#[test]
fn the_next_look_goes_on_where_the_last_one_ended() {
    let bench = Bench::new();
    let log = bench.log("gpubox", Writer::Watch, 1);
    log.tell(&Event::of(Word::WatcherStart));
    let files = bench.files("gpubox");
    let logs: [(NodeName, &dyn LogFiles); 1] = [(name("gpubox"), &files)];
    let mut merge = Merge::new(&logs, Filter::default(), Positions::new());
    assert_eq!(drain(&mut merge).len(), 1);
    let positions = merge.positions();
    let path = bench
        .dir
        .path()
        .join("gpubox")
        .join(log.head().unwrap().segment.to_string());
    append(&path, b"{\"ts\":\"to");
    let mut merge = Merge::new(&logs, Filter::default(), positions);
    assert_eq!(
        drain(&mut merge).len(),
        0,
        "a line that is being written is not shown"
    );
    let positions = merge.positions();
    append(&path, b"rn\n\n");
    bench.tick();
    bench.tick();
    log.tell(&Event::of(Word::WatcherStop));
    let mut merge = Merge::new(&logs, Filter::default(), positions);
    assert_eq!(drain(&mut merge), ["gpubox watcher_stop"]);
    assert_eq!(merge.passed_over(), 2);
}

fn append(path: &Path, bytes: &[u8]) {
    AppendFile::open(path).unwrap().append(bytes).unwrap();
}

#[test]
fn a_log_that_cannot_be_read_does_not_hide_the_others() {
    let bench = Bench::new();
    let (gpubox, devbox) = story(&bench);
    let day = bench.clock.wall();
    let dir = SegmentName::new(Writer::Watch, day, 5, 99).to_string();
    crate::disk::make_dir(&bench.dir.path().join("gpubox").join(dir), 0o700).unwrap();
    let logs: [(NodeName, &dyn LogFiles); 2] =
        [(name("gpubox"), &gpubox), (name("devbox"), &devbox)];
    let mut merge = Merge::new(&logs, Filter::default(), Positions::new());
    assert_eq!(drain(&mut merge).len(), 7);
    assert_eq!(merge.unread().len(), 1);
}
