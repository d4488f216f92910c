//! What `dispatch log` prints and how it exits, over two nodes and one folder.

use std::sync::Arc;

use clap::Parser;

use super::*;
use crate::audit::LocalLog;
use crate::audit::Shipper;
use crate::audit::Writer;
use crate::audit::ship::ShareShelf;
use crate::chance::SeededChance;
use crate::cli::speech::Heard;
use crate::clock::ManualClock;
use crate::disk;
use crate::event::Event;
use crate::event::Sink;
use crate::id::TaskId;
use crate::policy::PeerPolicy;
use crate::share::FolderShare;

#[derive(Debug, Parser)]
struct Whole {
    #[command(flatten)]
    args: Args,
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    share: FolderShare,
}

const ID: &str = "0198f1c2-0000-7000-8000-000000000001";

fn name(node: &str) -> NodeName {
    NodeName::parse(node).unwrap()
}

impl Bench {
    /// devbox, whose commands sent a task, and gpubox, whose watcher ran it and copied its log.
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        disk::make_dir(&root, 0o700).unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let bench = Self {
            share: FolderShare::at(&root),
            dir,
            clock,
        };
        let id = TaskId::parse(ID).unwrap();
        let told = |word, peer| Event::of(word).task(id).peer(&name(peer));
        let devbox = bench.log("devbox", Writer::Cli);
        devbox
            .tell(&told(Word::TaskSend, "gpubox").quote("-> gpubox: ", "run \u{1b}[31mthe tests"));
        bench.clock.advance(Duration::from_secs(60));
        let gpubox = bench.log("gpubox", Writer::Watch);
        gpubox.tell(&told(Word::TaskReject, "devbox").code("E_POLICY"));
        let shelf = ShareShelf::new(&bench.share, &name("gpubox"));
        shelf.prepare().unwrap();
        let mut shipper = Shipper::new(&bench.state("gpubox").join(audit::LOG_DIR));
        shipper.pass(&shelf, u64::MAX).unwrap();
        let mut heads = HeadsSeen::default();
        for head in shipper.heads() {
            heads.note(&name("gpubox"), head);
        }
        heads
            .save(&bench.state("devbox").join(audit::HEADS_FILE))
            .unwrap();
        bench
    }

    fn state(&self, node: &str) -> std::path::PathBuf {
        self.dir.path().join(node)
    }

    fn log(&self, node: &str, writer: Writer) -> LocalLog {
        let dir = self.state(node).join(audit::LOG_DIR);
        let chance = Arc::new(SeededChance::new(1));
        LocalLog::new(&dir, &name(node), writer, self.clock.clone(), chance)
    }

    /// Runs the command on devbox.
    fn run(&self, args: &[&str]) -> (Exit, String, String) {
        let config = Config {
            node: Some(name("devbox")),
            state: Some(self.state("devbox")),
            peers: [(name("gpubox"), PeerPolicy::default())].into(),
            ..Config::default()
        };
        let args = Whole::try_parse_from([&["log"], args].concat())
            .unwrap()
            .args;
        let mut heard = Heard::default();
        let done = read(&args, &config, &self.share, &*self.clock, &mut heard);
        let exit = done.unwrap_or_else(|failure| failure.exit());
        (exit, heard.out, heard.aside)
    }

    /// The copy of gpubox's log on the share.
    fn copy(&self) -> std::path::PathBuf {
        let dir = self.dir.path().join("root/log/gpubox");
        dir.join(&disk::list(&dir).unwrap()[0])
    }
}

#[test]
fn both_sides_read_as_one_story() {
    let bench = Bench::new();
    let (exit, out, err) = bench.run(&[]);
    assert_eq!(
        out,
        "2026-11-20T06:00:00Z devbox task_send        0198f1c2-0000 -> gpubox: run \\u{1b}[31mthe tests \
         peer=gpubox\n\
         2026-11-20T06:01:00Z gpubox task_reject      0198f1c2-0000 code=E_POLICY peer=devbox\n"
    );
    assert_eq!((exit, err.as_str()), (Exit::Ok, ""));
    let lines = |args: &[&str]| bench.run(args).1.lines().count();
    assert_eq!(lines(&["--task", "0198F1C2-0000-7"]), 2);
    assert_eq!(lines(&["--task", "0198f1c3"]), 0);
    assert_eq!(lines(&["--node", "gpubox"]), 1);
    assert_eq!(lines(&["--node", "devbox"]), 1);
    assert_eq!(
        lines(&["--event", "task_send", "--event", "task_reject"]),
        2
    );
    assert_eq!(lines(&["--peer", "devbox"]), 1);
    assert_eq!(lines(&["--since", "30s"]), 1);
    assert_eq!(lines(&["--until", "2026-11-20T06:01:00Z"]), 1);
    assert_eq!(lines(&["--since", "2026-11-21"]), 0);
    assert_eq!(bench.run(&["--node", "laptop"]).0, Exit::NotFound);
}

#[test]
fn json_is_the_record_as_it_was_written() {
    let bench = Bench::new();
    let (_, out, _) = bench.run(&["--json", "--node", "gpubox"]);
    let bytes = disk::read_bounded(&bench.copy(), 10_000).unwrap();
    assert_eq!(out.as_bytes(), bytes);
    assert!(out.contains("\"version\":1"));
}

#[test]
fn what_is_no_record_is_counted_and_named_by_verify() {
    let bench = Bench::new();
    let (exit, out, _) = bench.run(&["--verify"]);
    assert_eq!(exit, Exit::Ok, "{out}");
    assert!(
        out.lines().all(|line| line.ends_with("1 records ok")),
        "{out}"
    );
    disk::AppendFile::open(&bench.copy())
        .unwrap()
        .append(b"\x1b[2J\n")
        .unwrap();
    let (exit, out, err) = bench.run(&[]);
    assert_eq!((exit, out.lines().count()), (Exit::Ok, 2));
    assert!(
        err.contains("1 line passed over that no record could be read from"),
        "{err}"
    );
    let (exit, out, _) = bench.run(&["--verify"]);
    assert_eq!(exit, Exit::No);
    assert!(out.contains(":2: not a record"), "{out}");
    assert!(!out.contains('\x1b'));
}

#[test]
fn a_cut_copy_is_found_by_the_remembered_head() {
    let bench = Bench::new();
    disk::AppendFile::open(&bench.copy())
        .unwrap()
        .cut(0)
        .unwrap();
    let (exit, out, _) = bench.run(&["--verify", "--json"]);
    assert_eq!(exit, Exit::No);
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["version"], &last["ok"]), (&1.into(), &false.into()));
    assert!(out.contains("its node had sealed its record 1"), "{out}");
}

#[test]
fn a_peer_that_cannot_be_read_hides_nothing_else() {
    let bench = Bench::new();
    let log = bench.dir.path().join("root/log");
    disk::remove_tree(&log).unwrap();
    disk::create_new(&log, b"", 0o600).unwrap();
    let (exit, out, err) = bench.run(&[]);
    assert_eq!((exit, out.lines().count()), (Exit::Io, 1));
    assert!(
        err.starts_with("warning: cannot read the log of gpubox: "),
        "{err}"
    );
    assert_eq!(bench.run(&["--verify"]).0, Exit::Io);
}

#[test]
fn arguments_are_checked() {
    for bad in [
        &["--task", "x'y"][..],
        &["--task", "abc"],
        &["--event", "nonsense"],
        &["--since", "yesterday"],
        &["--node", "../x"],
        &["--follow", "--verify"],
    ] {
        assert!(
            Whole::try_parse_from([&["log"], bad].concat()).is_err(),
            "{bad:?}"
        );
    }
}
