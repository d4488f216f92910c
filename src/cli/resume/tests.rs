//! Halt and resume as a person uses them, on a real folder.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;

use super::*;
use crate::audit;
use crate::audit::chain;
use crate::audit::files::LocalFiles;
use crate::chance::Chance;
use crate::chance::SeededChance;
use crate::cli::halt;
use crate::cli::speech::Heard;
use crate::clock::Clock;
use crate::clock::ManualClock;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::disk;
use crate::id::NodeName;
use crate::policy::PeerPolicy;
use crate::share::FolderShare;

#[derive(Debug, Parser)]
enum Whole {
    Halt(halt::Args),
    Resume(Args),
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(now)),
            chance: Arc::new(SeededChance::new(1)),
        };
        disk::make_dir(&bench.dir.path().join("root"), 0o700).unwrap();
        disk::make_dir(&bench.state(), 0o700).unwrap();
        let identity = bench.dir.path().join("root/dispatch.json");
        disk::create_new(&identity, b"{}", 0o600).unwrap();
        bench
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn run(&self, args: &[&str]) -> (Exit, String, String) {
        self.run_in(&self.dir.path().join("root"), args)
    }

    fn run_in(&self, root: &Path, args: &[&str]) -> (Exit, String, String) {
        let name = |node| NodeName::parse(node).unwrap();
        let accepted = PeerPolicy {
            accept: true,
            ..PeerPolicy::default()
        };
        let config = Config {
            node: Some(name("gpubox")),
            state: Some(self.state()),
            peers: [(name("devbox"), accepted)].into(),
            pools: [(name("gpu"), [name("gpubox"), name("gpu2")].into())].into(),
            ..Config::default()
        };
        let desk = Desk {
            config,
            share: Some(Arc::new(FolderShare::at(root))),
            clock: Arc::clone(&self.clock),
            chance: Arc::clone(&self.chance),
        };
        let mut heard = Heard::default();
        let whole = Whole::try_parse_from([&["dispatch"], args].concat()).unwrap();
        let done = match whole {
            Whole::Halt(args) => halt::halt(&args, &desk, &mut heard),
            Whole::Resume(args) => resume(&args, &desk, &mut heard),
        };
        let exit = done.unwrap_or_else(|failure| {
            heard.note(&format!("error: {failure}"));
            for hint in failure.hints() {
                heard.note(&format!("hint: {hint}"));
            }
            failure.exit()
        });
        (exit, heard.out, heard.aside)
    }

    /// What stands in the root beside the identity.
    fn root(&self) -> Vec<String> {
        let mut names = disk::list(&self.dir.path().join("root")).unwrap();
        names.retain(|name| name != "dispatch.json");
        names
    }

    fn touch(&self, name: &str) {
        let path = self.dir.path().join("root").join(name);
        disk::create_new(&path, b"", 0o600).unwrap();
    }
}

#[test]
fn a_halt_is_made_shown_lifted_and_told() {
    let bench = Bench::new();
    let (exit, out, err) = bench.run(&["halt", "--reason", "new \u{1b}driver"]);
    assert_eq!(exit, Exit::Ok, "{err}");
    let made = bench.root();
    assert_eq!(made.len(), 1);
    assert!(made[0].starts_with("KILLSWITCH-"));
    assert!(out.trim_end().ends_with(&made[0]), "{out}");
    let (exit, out, err) = bench.run(&["resume", "--dry-run"]);
    assert_eq!((exit, out.as_str(), bench.root().len()), (Exit::Ok, "", 1));
    assert!(
        err.contains("stops everything: halt: new \\u{1b}driver"),
        "{err}"
    );
    let (exit, out, _) = bench.run(&["resume"]);
    assert_eq!((exit, out.trim_end()), (Exit::Ok, made[0].as_str()));
    assert_eq!(bench.root(), [""; 0]);
    let log = LocalFiles(bench.state().join(audit::LOG_DIR));
    let node = NodeName::parse("gpubox").unwrap();
    let report = chain::verify(&node, &log, &[]).unwrap();
    assert!(report.is_whole());
    assert_eq!(report.segments[0].records, 2);
}

#[test]
fn several_must_be_named_and_only_the_named_are_lifted() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["halt", "--node", "devbox"]).0, Exit::Ok);
    assert_eq!(
        bench
            .run(&["halt", "--lane", "devbox-to-gpubox", "--kill"])
            .0,
        Exit::Ok
    );
    bench.touch("killswitch.txt");
    let names = bench.root();
    let (exit, out, err) = bench.run(&["resume"]);
    assert_eq!((exit, out.as_str(), bench.root().len()), (Exit::No, "", 3));
    assert!(
        err.contains("stops node devbox") && err.contains("devbox-to-gpubox, kills"),
        "{err}"
    );
    assert_eq!(bench.run(&["resume", "dispatch.json"]).0, Exit::NotFound);
    let (exit, out, err) = bench.run(&["resume", &names[0]]);
    assert_eq!((exit, out.trim_end()), (Exit::Ok, names[0].as_str()));
    assert!(err.contains("still halted by 'killswitch.txt'"), "{err}");
    assert_eq!(bench.run(&["resume", "--all"]).0, Exit::Ok);
    assert_eq!(bench.root(), [""; 0]);
    assert_eq!(bench.run(&["resume"]).0, Exit::No);
}

#[test]
fn what_cannot_be_removed_is_said() {
    let bench = Bench::new();
    disk::make_dir(&bench.dir.path().join("root/KILLSWITCH"), 0o700).unwrap();
    let (exit, out, err) = bench.run(&["resume"]);
    assert_eq!((exit, out.as_str()), (Exit::No, ""));
    assert!(
        err.contains("'KILLSWITCH' stays") && err.contains("rmdir"),
        "{err}"
    );
}

#[test]
fn the_local_halt_needs_no_share() {
    let bench = Bench::new();
    let gone = bench.dir.path().join("gone");
    let (exit, _, err) = bench.run_in(&gone, &["halt"]);
    assert_eq!(exit, Exit::Io);
    assert!(err.contains("hint: 'dispatch halt --local'"), "{err}");
    let empty = bench.dir.path().join("empty");
    disk::make_dir(&empty, 0o700).unwrap();
    let (exit, out, err) = bench.run_in(&empty, &["halt"]);
    assert_eq!((exit, out.as_str()), (Exit::Config, ""), "{err}");
    assert_eq!(disk::list(&empty).unwrap(), [""; 0], "nobody would see it");
    let (exit, out, _) = bench.run_in(&gone, &["halt", "--local"]);
    assert_eq!(exit, Exit::Ok);
    assert!(out.contains("/state/KILLSWITCH-"), "{out}");
    let (exit, _, err) = bench.run(&["resume"]);
    assert_eq!(exit, Exit::No);
    assert!(err.contains("resume --local' lifts it"), "{err}");
    assert_eq!(bench.run_in(&gone, &["resume"]).0, Exit::Io);
    assert_eq!(bench.run_in(&gone, &["resume", "--local"]).0, Exit::Ok);
    assert_eq!(bench.run_in(&gone, &["resume", "--local"]).0, Exit::No);
}

#[test]
fn what_is_not_known_is_not_halted() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["halt", "--node", "laptop"]).0, Exit::NotFound);
    assert_eq!(bench.run(&["halt", "--lane", "a-to-b"]).0, Exit::NotFound);
    assert_eq!(bench.root(), [""; 0]);
    let both = ["dispatch", "halt", "--node", "gpubox", "--local"];
    assert!(Whole::try_parse_from(both).is_err());
}

#[test]
fn the_lanes_and_the_members_of_a_pool_can_be_halted_by_name() {
    for (halt, stops, goes_on) in [
        (
            ["halt", "--lane", "devbox-to-pool.gpu"],
            "lane devbox-to-pool.gpu",
            "no task of devbox starts on any member of pool.gpu",
        ),
        (
            ["halt", "--lane", "pool.gpu"],
            "lane devbox-to-pool.gpu",
            "they wait in its inbox",
        ),
        (
            ["halt", "--node", "gpu2"],
            "node gpu2",
            "the other members of pool.gpu go on",
        ),
    ] {
        let bench = Bench::new();
        let (exit, _, err) = bench.run(&halt);
        assert_eq!(exit, Exit::Ok, "{err}");
        assert!(err.contains(goes_on), "{err}");
        let (_, _, err) = bench.run(&["resume", "--dry-run"]);
        assert!(err.contains(&format!("stops {stops}:")), "{err}");
        assert_eq!(bench.run(&["resume"]).0, Exit::Ok);
        assert_eq!(bench.root(), [""; 0]);
    }
    let bench = Bench::new();
    let (exit, _, err) = bench.run(&["halt", "--lane", "pool.lab"]);
    assert_eq!(exit, Exit::NotFound);
    assert!(err.contains("devbox-to-pool.gpu"), "{err}");
}
