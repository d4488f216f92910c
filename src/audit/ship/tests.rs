//! What a share can do to the copy of a log, and that it becomes the original.

use std::cell::Cell;
use std::cell::RefCell;
use std::sync::Arc;

use super::*;
use crate::audit::LocalLog;
use crate::audit::chain;
use crate::audit::files::ShareFiles;
use crate::chance::SeededChance;
use crate::clock::ManualClock;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::share::FolderShare;

/// A shelf in memory on which every call can fail, having done nothing, a part, or all.
#[derive(Default)]
struct Flaky {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    calls: Cell<usize>,
    /// The call that fails, and how much of it happens, in quarters.
    fails: Cell<Option<(usize, usize)>>,
}

impl Flaky {
    fn hurt(&self) -> Option<usize> {
        let call = self.calls.replace(self.calls.get() + 1);
        let (at, quarters) = self.fails.get()?;
        (at == call).then_some(quarters)
    }
}

fn broken() -> ShareError {
    ShareError {
        action: "write",
        object: "log".to_owned(),
        errno: nix::errno::Errno::EIO as i32,
        why: None,
    }
}

impl Shelf for Flaky {
    fn append(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        let hurt = self.hurt();
        let part = hurt.map_or(bytes.len(), |quarters| bytes.len() * quarters / 4);
        let mut files = self.files.borrow_mut();
        let file = files.entry(name.to_owned()).or_default();
        let (from, to) = (offset as usize, offset as usize + part);
        file.resize(file.len().max(to), 0);
        file[from..to].copy_from_slice(&bytes[..part]);
        hurt.map_or(Ok(()), |_| Err(broken()))
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ShareError> {
        match self.hurt() {
            Some(_) => Err(broken()),
            None => Ok(self.files.borrow().get(name).map(|file| file.len() as u64)),
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(now)),
        }
    }

    fn node() -> NodeName {
        NodeName::parse("gpubox").unwrap()
    }

    fn log(&self, writer: Writer, seed: u64) -> LocalLog {
        let chance = Arc::new(SeededChance::new(seed));
        LocalLog::new(
            self.dir.path(),
            &Self::node(),
            writer,
            self.clock.clone(),
            chance,
        )
    }

    fn held(&self) -> BTreeMap<String, Vec<u8>> {
        let read = |name: SegmentName| {
            let path = self.dir.path().join(name.to_string());
            (
                name.to_string(),
                disk::read_bounded(&path, 1 << 24).unwrap(),
            )
        };
        segments_of(self.dir.path())
            .unwrap()
            .into_iter()
            .map(read)
            .collect()
    }
}

fn tell(log: &LocalLog, times: usize) {
    for _ in 0..times {
        log.tell(&Event::of(Word::TaskAdmit).say("run the test suite and report numbers"));
    }
}

#[test]
fn whatever_call_fails_the_copy_becomes_the_original() {
    for quarters in 0..=4 {
        for call in 0..12 {
            let bench = Bench::new();
            let shelf = Flaky::default();
            shelf.fails.set(Some((call, quarters)));
            let (first, cli) = (bench.log(Writer::Watch, 1), bench.log(Writer::Cli, 9));
            let mut shipper = Shipper::new(bench.dir.path());
            tell(&first, 3);
            tell(&cli, 1);
            let _ = shipper.pass(&shelf, u64::MAX);
            tell(&first, 2);
            let second = bench.log(Writer::Watch, 2);
            tell(&second, 2);
            let _ = shipper.pass(&shelf, u64::MAX);
            // The watcher restarts, and with it the shipper.
            shipper = Shipper::new(bench.dir.path());
            let _ = shipper.pass(&shelf, u64::MAX);
            tell(&second, 1);
            shelf.fails.set(None);
            let passed = shipper.pass(&shelf, u64::MAX).unwrap();
            assert!(
                passed.complete && passed.altered.is_empty(),
                "{call} {quarters}"
            );
            assert_eq!(*shelf.files.borrow(), bench.held(), "{call} {quarters}");
            let heads: Vec<Head> = shipper.heads().cloned().collect();
            assert_eq!(heads, [second.head().unwrap(), cli.head().unwrap()]);
        }
    }
}

#[test]
fn a_pass_keeps_to_its_budget_and_the_head_to_what_is_copied() {
    let bench = Bench::new();
    let shelf = Flaky::default();
    let log = bench.log(Writer::Watch, 1);
    tell(&log, 600);
    let mut shipper = Shipper::new(bench.dir.path());
    let passed = shipper.pass(&shelf, 1).unwrap();
    assert!(!passed.complete && passed.bytes <= CHUNK as u64);
    let head = shipper.heads().next().unwrap().clone();
    assert_eq!(
        Sink::head(&log),
        None,
        "nothing is sealed that nobody can look up"
    );
    log.note_copied(head.clone());
    assert_eq!(Sink::head(&log), Some(head.to_sealed()));
    assert!(head.seq < 600 && head.seq > 10);
    let copied = shelf.files.borrow()[&head.segment.to_string()].clone();
    let line = copied.split_inclusive(|byte| *byte == b'\n').next_back();
    assert_eq!(Digest::of(line.unwrap()), head.sha256);
    while !shipper.pass(&shelf, 1).unwrap().complete {}
    assert_eq!(*shelf.files.borrow(), bench.held());
    let calls = shelf.calls.get();
    shipper.pass(&shelf, u64::MAX).unwrap();
    assert_eq!(shelf.calls.get(), calls, "nothing new costs no call");
}

#[test]
fn a_copy_that_somebody_changed_in_length_is_told_once_and_healed_where_it_was_cut() {
    let bench = Bench::new();
    let shelf = Flaky::default();
    let log = bench.log(Writer::Watch, 1);
    tell(&log, 3);
    let mut shipper = Shipper::new(bench.dir.path());
    shipper.pass(&shelf, u64::MAX).unwrap();
    let name = log.head().unwrap().segment;
    shelf
        .files
        .borrow_mut()
        .get_mut(&name.to_string())
        .unwrap()
        .truncate(10);
    tell(&log, 1);
    assert_eq!(
        shipper.pass(&shelf, u64::MAX).unwrap().altered,
        std::slice::from_ref(&name)
    );
    assert_eq!(*shelf.files.borrow(), bench.held());
    let long = vec![b'x'; 9999];
    shelf
        .files
        .borrow_mut()
        .get_mut(&name.to_string())
        .unwrap()
        .extend(long);
    tell(&log, 1);
    assert_eq!(shipper.pass(&shelf, u64::MAX).unwrap().altered, []);
    let fresh = Shipper::new(bench.dir.path())
        .pass(&shelf, u64::MAX)
        .unwrap();
    assert_eq!(fresh.altered, [name]);
}

#[test]
fn the_copy_on_a_real_folder_verifies_against_the_shipped_heads() {
    let bench = Bench::new();
    let root = tempfile::tempdir().unwrap();
    let share = FolderShare::at(root.path());
    let shelf = ShareShelf::new(&share, &Bench::node());
    let log = bench.log(Writer::Watch, 1);
    let mut shipper = Shipper::new(bench.dir.path());
    for seed in 2..5 {
        tell(&log, 2);
        tell(&bench.log(Writer::Cli, seed), 1);
        shipper.pass(&shelf, u64::MAX).unwrap();
    }
    let heads: Vec<Head> = shipper.heads().cloned().collect();
    let node = Bench::node();
    let files = ShareFiles {
        share: &share,
        node: node.clone(),
    };
    let report = chain::verify(&node, &files, &heads).unwrap();
    assert!(report.is_whole());
    let records: u64 = report.segments.iter().map(|one| one.records).sum();
    assert_eq!((records, heads.len()), (9, 2));
}

/// A shelf during whose calls another command writes to the log.
struct Busy<'a> {
    shelf: Flaky,
    log: &'a LocalLog,
}

impl Shelf for Busy<'_> {
    fn append(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.shelf.append(name, offset, bytes)
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ShareError> {
        tell(self.log, 1);
        self.shelf.length(name)
    }
}

#[test]
fn what_is_written_after_the_sync_is_not_copied_before_the_next() {
    let bench = Bench::new();
    let log = bench.log(Writer::Cli, 1);
    tell(&log, 3);
    let shelf = Flaky::default();
    let busy = Busy { shelf, log: &log };
    let mut shipper = Shipper::new(bench.dir.path());
    for records in [3, 4] {
        shipper.pass(&busy, u64::MAX).unwrap();
        let files = busy.shelf.files.borrow();
        let copy = files.values().next().unwrap();
        let lines = copy.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines, records, "a power cut would leave the copy ahead");
    }
}
