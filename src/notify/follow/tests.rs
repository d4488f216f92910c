//! A log that grows, turns over, loses files and holds what is no record, while it is followed.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::audit::LocalLog;
use crate::audit::files::LocalFiles;
use crate::chance::SeededChance;
use crate::clock::ManualClock;
use crate::clock::Timestamp;
use crate::disk;
use crate::event::Event;
use crate::event::Sink as _;
use crate::event::Word;

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    chance: Arc<SeededChance>,
    node: NodeName,
    cursor: Cursor,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(now)),
            chance: Arc::new(SeededChance::new(7)),
            node: NodeName::parse("gpubox").unwrap(),
            cursor: Cursor::new(),
        }
    }

    fn writer(&self, writer: Writer) -> LocalLog {
        let (clock, chance) = (Arc::clone(&self.clock), Arc::clone(&self.chance));
        LocalLog::new(self.dir.path(), &self.node, writer, clock, chance)
    }

    fn files(&self) -> LocalFiles {
        LocalFiles(self.dir.path().to_owned())
    }

    /// Reads on; returns the summaries of what is new.
    fn news(&mut self, most: usize) -> Vec<String> {
        let mut news = Vec::new();
        let (files, node) = (self.files(), self.node.clone());
        read(&files, &node, &mut self.cursor, most, |record| {
            news.push(record.event.summary.as_str().to_owned());
        })
        .unwrap();
        news
    }

    fn newest(&self) -> std::path::PathBuf {
        let segments = self.files().segments().unwrap();
        self.dir.path().join(segments.last().unwrap().to_string())
    }
}

fn tell(log: &LocalLog, text: &str) {
    log.tell(&Event::of(Word::Gc).say(text));
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn it_reads_on_over_the_ends_of_files_and_of_days() {
    let mut bench = Bench::new();
    let log = bench.writer(Writer::Watch);
    tell(&log, "a");
    assert_eq!(bench.news(100), ["a"]);
    assert_eq!(bench.news(100), Vec::<String>::new());
    tell(&log, "b");
    // Another day, then another run: two more files.
    bench
        .clock
        .advance(std::time::Duration::from_secs(24 * 3600));
    tell(&log, "c");
    let again = bench.writer(Writer::Watch);
    tell(&again, "d");
    tell(&bench.writer(Writer::Cli), "e");
    assert_eq!(bench.files().segments().unwrap().len(), 4);
    assert_eq!(bench.news(2), ["b", "c"], "a pass is bounded");
    assert_eq!(bench.news(100), ["d", "e"]);
}

#[test]
fn the_end_is_after_what_was_told_and_before_what_is_being_written() {
    let mut bench = Bench::new();
    let log = bench.writer(Writer::Watch);
    assert_eq!(end(&bench.files()).unwrap(), Cursor::new());
    tell(&log, "old");
    append(&bench.newest(), b"{\"ts\":\"20");
    bench.cursor = end(&bench.files()).unwrap();
    assert_eq!(bench.news(100), Vec::<String>::new());
    // A torn line with a successor is what a crash left.
    tell(&bench.writer(Writer::Watch), "new");
    assert_eq!(bench.news(100), ["new"]);
}

#[test]
fn a_half_written_line_is_read_when_it_is_whole() {
    let mut bench = Bench::new();
    tell(&bench.writer(Writer::Watch), "a");
    let path = bench.newest();
    let line = disk::read_bounded(&path, 1 << 20).unwrap();
    let (first, rest) = line.split_at(40);
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    append(&path, first);
    assert_eq!(bench.news(100), Vec::<String>::new());
    append(&path, rest);
    assert_eq!(bench.news(100), ["a"]);
}

#[test]
fn files_that_are_gone_are_gone_on_over() {
    let mut bench = Bench::new();
    tell(&bench.writer(Writer::Watch), "a");
    assert_eq!(bench.news(100), ["a"]);
    for text in ["b", "c"] {
        tell(&bench.writer(Writer::Watch), text);
    }
    let segments = bench.files().segments().unwrap();
    for gone in &segments[..2] {
        disk::remove(&bench.dir.path().join(gone.to_string())).unwrap();
    }
    assert_eq!(bench.news(100), ["c"]);
    // The state was lost, and the log begins anew, with the numbers it had before.
    disk::remove(&bench.dir.path().join(segments[2].to_string())).unwrap();
    assert_eq!(bench.news(100), Vec::<String>::new());
    tell(&bench.writer(Writer::Watch), "anew");
    assert_eq!(bench.news(100), ["anew"]);
    assert_eq!(bench.news(100), Vec::<String>::new());
}

#[test]
fn what_is_no_record_of_this_node_is_passed_over() {
    let mut bench = Bench::new();
    let log = bench.writer(Writer::Watch);
    tell(&log, "a");
    let path = bench.newest();
    let line = String::from_utf8(disk::read_bounded(&path, 1 << 20).unwrap()).unwrap();
    append(&path, line.replace("gpubox", "devbox").as_bytes());
    append(&path, b"nonsense\n\0\0\0\n");
    append(&path, &[b"x".repeat(9000), b"\n".to_vec()].concat());
    tell(&log, "b");
    assert_eq!(bench.news(100), ["a", "b"]);
}
