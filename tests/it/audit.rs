//! The audit log and the killswitch through the real programs: several processes at once, a reader that goes away.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests start the programs themselves, and helpers of tests may panic"
)]

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::clock::SystemClock;

/// One node on a folder of its own.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("dispatch.json"), "{}").unwrap();
        let (root, state) = (root.display(), dir.path().join("state"));
        let text = format!(
            "node = \"gpubox\"\nroot = \"{root}\"\nstate = \"{}\"\n[peer.devbox]\n",
            state.display()
        );
        std::fs::write(dir.path().join("dispatch.toml"), text).unwrap();
        Self { dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
        command.env_clear().env("HOME", self.dir.path()).args(args);
        command
            .arg("--config")
            .arg(self.dir.path().join("dispatch.toml"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let done = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    fn entries(&self, below: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join(below)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Waits for a process with a deadline; a test that waits for ever says nothing.
fn ended(child: &mut Child) -> bool {
    let began = SystemClock.boot();
    while SystemClock.boot().since(began) < Duration::from_secs(60) {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        SystemClock.sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    false
}

#[test]
fn processes_that_run_at_once_keep_one_chain() {
    let host = Host::new();
    let start = |_| host.command(&["halt", "--reason", "test"]).spawn().unwrap();
    let mut halts: Vec<Child> = (0..12).map(start).collect();
    for halt in &mut halts {
        assert!(ended(halt));
        assert!(halt.wait().unwrap().success());
    }
    let (status, out, err) = host.run(&["log", "--verify", "--json"]);
    assert_eq!(status, Some(0), "{out}{err}");
    let count = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["records"].as_u64().unwrap()
    };
    assert_eq!(out.lines().map(count).sum::<u64>(), 12);
    assert!(out.lines().count() <= 2, "two where midnight passed: {out}");
    let (status, out, _) = host.run(&["resume", "--all"]);
    assert_eq!((status, out.lines().count()), (Some(0), 12));
    assert_eq!(host.entries("root").len(), 1);
}

#[test]
fn follow_shows_what_is_told_and_ends_with_its_reader() {
    let host = Host::new();
    assert_eq!(host.run(&["halt", "--local"]).0, Some(0));
    let mut follow = host.command(&["log", "--follow"]).spawn().unwrap();
    let mut reader = BufReader::new(follow.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(" gpubox halt "), "{line}");
    assert_eq!(host.run(&["resume", "--local"]).0, Some(0));
    line.clear();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(" gpubox resume "), "{line}");
    drop(reader);
    assert_eq!(host.run(&["halt", "--local"]).0, Some(0));
    assert!(ended(&mut follow));
    assert!(follow.wait().unwrap().success());
}

#[test]
fn what_somebody_changed_is_named() {
    let host = Host::new();
    for _ in 0..3 {
        assert_eq!(host.run(&["halt", "--kill"]).0, Some(0));
    }
    let file = segment(&host.entries("state/audit"));
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&file, [lines[0], lines[2], ""].join("\n")).unwrap();
    let (status, out, _) = host.run(&["log", "--verify"]);
    assert_eq!(status, Some(1));
    assert!(out.contains(":2: records 2 to 2 are missing"), "{out}");
}

fn segment(entries: &[PathBuf]) -> PathBuf {
    let is_segment = |path: &&PathBuf| Path::new(path).extension().is_some_and(|is| is == "jsonl");
    entries.iter().find(is_segment).unwrap().clone()
}
