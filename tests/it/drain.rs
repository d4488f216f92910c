//! A node that is drained, and a watcher that ends in order: what runs is finished, nothing new begins, and another
//! watcher, of whatever version, goes on from there.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Stdio;
use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::event::Word;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::pool::ground::Ground;
use crate::programs::Pair;
use crate::world::World;
use crate::world::tape::Kept;

#[test]
fn a_drained_node_finishes_what_runs_and_takes_nothing_new() {
    let world = World::new(4401);
    let mut node = world.node();
    node.settings.slots = 1;
    let (runs, waits) = (world.send(&world.task()), world.send(&world.task()));
    world.rounds(&mut node, 3);
    assert_eq!((node.running(), node.waiting()), (1, 1));
    node.drain(Some("new disks".to_owned()));
    let late = world.send(&world.task());
    world.rounds(&mut node, 3);
    assert_eq!(world.names(Stage::Inbox).len(), 1, "not taken in");
    world.shop.finish_all(Status::Ok);
    world.rounds(&mut node, 40);
    assert!(node.is_done());
    let ended = [&runs, &waits].map(|sent| world.status(sent));
    assert_eq!(ended.iter().flatten().count(), 1, "what ran is committed");
    assert_eq!(node.waiting(), 1, "what waited is not started");
    assert_eq!(world.told(Word::DrainSeen), 1);
    // Another process of the same node is told by whoever runs it: here, that it is over.
    world.crash(Some(node), Kept::Everything);
    let mut node = world.node();
    node.drain(Some(String::new()));
    world.rounds(&mut node, 3);
    assert_eq!(node.running(), 0, "nor by the next watcher");
    node.drain(None);
    world.settle(&mut node);
    for sent in [&runs, &waits, &late] {
        assert_eq!(world.status(sent), Some(Status::Ok));
        world.check_starts(sent, 1, "drained");
        world.check_end(sent, "drained");
    }
    assert_eq!(world.told(Word::DrainGone), 1);
}

#[test]
fn a_drained_member_gives_back_what_waits_and_others_run_it() {
    let ground = Ground::new(4402, 2);
    ground.let_start(false);
    let sent = ground.send(&ground.task());
    let mut nodes = ground.nodes();
    ground.rounds(&mut nodes, 10, |_| {});
    let held = ground.claims(Stage::Processing).remove(0);
    let is_holder = |node: &&mut dispatch::flow::Node| node.settings.node == held.node;
    let holder = nodes.iter_mut().find(is_holder).unwrap();
    holder.drain(Some("a rest".to_owned()));
    ground.let_start(true);
    ground.settle(&mut nodes, Ground::finish_all);
    ground.check_end(&sent, 1, "drained");
    let ran = ground.outcome(&sent).unwrap().claim.unwrap();
    assert_ne!(ran.node, held.node);
}

/// A watcher of gpubox in a process of its own.
pub struct Watcher(Child);

impl Watcher {
    pub fn start(pair: &Pair, program: &Path) -> Self {
        let program = program.to_str().unwrap();
        let mut command = pair.command(program, "gpubox", &["--poll", "100ms"]);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Tells it to end, and waits until it has.
    pub fn end(mut self) -> Duration {
        let began = SystemClock.boot();
        self.signal(Signal::SIGTERM);
        assert!(self.0.wait().unwrap().success());
        SystemClock.boot().since(began)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn program(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_dispatch")).with_file_name(name)
}

pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = SystemClock.boot();
    while !is_so() {
        let waited = SystemClock.boot().since(began);
        assert!(waited < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two paired hosts whose agents may write into one folder; `more` stands at the end of gpubox's configuration.
fn pair(more: &str) -> Pair {
    let pair = Pair::new("");
    let work = pair.path("work");
    dispatch::disk::make_dir(&work, 0o700).unwrap();
    let config = pair.path("gpubox").join("dispatch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!("{text}write = [\"{}\"]\n{more}", work.display());
    dispatch::disk::replace(&config, text.as_bytes(), 0o600).unwrap();
    pair
}

/// A request that says that it began, and ends when it is told to.
fn patient(pair: &Pair, name: &str) -> (String, PathBuf, PathBuf) {
    let (began, go) = (
        pair.path(&format!("work/{name}.began")),
        pair.path(&format!("work/{name}")),
    );
    let request = format!(
        "echo x >> {}; while [ ! -e {} ]; do sleep 0.05; done; echo {name} done",
        began.display(),
        go.display()
    );
    (request, began, go)
}

fn touch(path: &Path) {
    dispatch::disk::create_new(path, b"", 0o600).unwrap();
}

#[test]
fn drain_is_seen_by_everybody_outlives_the_watcher_and_waits_until_empty() {
    let pair = pair("");
    let (request, began, go) = patient(&pair, "first");
    let (first, _) = pair.send(&request, &[]);
    let watcher = Watcher::start(&pair, &program("dispatch-watch"));
    until("it runs", || began.is_file());
    let said = pair.run("dispatch", "devbox", &["drain", "gpubox"]);
    assert_eq!(said.status, 64, "{}", said.err);
    let words = [
        "drain",
        "--reason",
        "new disks",
        "--until-empty",
        "--for",
        "1s",
    ];
    let said = pair.run("dispatch", "gpubox", &words);
    assert_eq!(said.status, 79, "{}", said.err);
    assert!(
        said.err.contains("the task that runs is finished"),
        "{}",
        said.err
    );
    until("devbox sees it", || {
        let said = pair.run("dispatch", "devbox", &["status"]);
        said.out.contains("drained by its operator: new disks")
    });
    let words = ["--to", "gpubox", "--request", "echo late"];
    let said = pair.good("dispatch-send", "devbox", &words);
    assert!(said.err.contains("takes nothing new now"), "{}", said.err);
    let late = said.out.split('\t').next().unwrap().to_owned();
    let said = pair.run("dispatch", "devbox", &["why", &late]);
    assert!(said.out.contains("takes nothing new"), "{}", said.out);
    touch(&go);
    pair.good(
        "dispatch",
        "gpubox",
        &["drain", "--until-empty", "--for", "30s"],
    );
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &first]).out,
        "first done\n"
    );
    watcher.end();
    let watcher = Watcher::start(&pair, &program("dispatch-watch"));
    pair.good(
        "dispatch",
        "gpubox",
        &["drain", "--until-empty", "--for", "30s"],
    );
    let said = pair.run("dispatch", "gpubox", &["status"]);
    assert!(
        said.out.contains("'dispatch undrain' lifts it"),
        "{}",
        said.out
    );
    let said = pair.run("dispatch", "devbox", &["wait", &late, "--for", "1s"]);
    assert_eq!(said.status, 79, "the next watcher knows it: {}", said.err);
    pair.good("dispatch", "gpubox", &["undrain"]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &late]).out,
        "late\n"
    );
    drop(watcher);
}

#[test]
fn a_watcher_that_is_replaced_by_another_version_leaves_what_runs_alone() {
    let pair = pair("");
    let bin = pair.path("bin");
    dispatch::disk::make_dir(&bin, 0o755).unwrap();
    let install = || {
        for name in ["dispatch", "dispatch-watch", "dispatch-exec"] {
            // As an installer does: a new file takes the place of the old one, which whoever runs it keeps.
            let fresh = bin.join(format!("{name}.new"));
            let from = program(name);
            let said = pair.shell("cp", &[from.to_str().unwrap(), fresh.to_str().unwrap()]);
            assert_eq!(said.status, 0, "{}", said.err);
            let to = bin.join(name);
            pair.shell("mv", &["-f", fresh.to_str().unwrap(), to.to_str().unwrap()]);
        }
    };
    install();
    let (request, began, go) = patient(&pair, "upgraded");
    let (id, _) = pair.send(&request, &[]);
    let watcher = Watcher::start(&pair, &bin.join("dispatch-watch"));
    until("it runs", || began.is_file());
    install();
    watcher.end();
    let said = pair.run("dispatch", "devbox", &["status"]);
    assert!(
        said.out.contains("what runs goes on without it"),
        "{}",
        said.out
    );
    let watcher = Watcher::start(&pair, &bin.join("dispatch-watch"));
    let (next, _) = pair.send("echo by the new one", &[]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &next]).out,
        "by the new one\n"
    );
    touch(&go);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "upgraded done\n"
    );
    let starts = std::fs::read_to_string(&began).unwrap();
    assert_eq!(starts, "x\n", "started once");
    drop(watcher);
}

#[test]
fn a_watcher_that_is_told_to_end_waits_or_ends_what_runs_as_its_operator_said() {
    for (word, status, answer) in [("finish", 0, "patient done\n"), ("stop", 1, "")] {
        let pair = pair(&format!(
            "[watch]\non_shutdown = \"{word}\"\nstop_within = \"30s\"\n"
        ));
        let (request, began, go) = patient(&pair, "patient");
        let (id, _) = pair.send(&request, &[]);
        let watcher = Watcher::start(&pair, &program("dispatch-watch"));
        until("it runs", || began.is_file());
        watcher.signal(Signal::SIGTERM);
        if word == "finish" {
            until("it says so", || {
                let said = pair.run("dispatch", "devbox", &["status"]);
                said.out.contains("its watcher is about to end")
            });
            let (_, _) = pair.send("echo nobody", &[]);
            touch(&go);
        }
        let mut watcher = watcher;
        assert!(watcher.0.wait().unwrap().success(), "{word}");
        let said = pair.run("dispatch", "devbox", &["wait", &id, "--for", "0s"]);
        assert_eq!(
            (said.status, said.out.as_str()),
            (status, answer),
            "{word}: {}",
            said.err
        );
        let waiting = usize::from(word == "finish");
        assert_eq!(
            pair.names("inbox").len(),
            waiting,
            "{word}: nothing new is taken in"
        );
    }
}

#[test]
fn a_second_signal_ends_the_waiting_and_nothing_is_lost() {
    let pair = pair("[watch]\non_shutdown = \"finish\"\nstop_within = \"1h\"\n");
    let (request, began, go) = patient(&pair, "long");
    let (id, _) = pair.send(&request, &[]);
    let watcher = Watcher::start(&pair, &program("dispatch-watch"));
    until("it runs", || began.is_file());
    watcher.signal(Signal::SIGTERM);
    until("it waits", || {
        let said = pair.run("dispatch", "devbox", &["status"]);
        said.out.contains("its watcher is about to end")
    });
    assert!(watcher.end() < Duration::from_secs(15));
    touch(&go);
    pair.good("dispatch-watch", "gpubox", &["--once"]);
    assert_eq!(
        pair.good("dispatch", "devbox", &["wait", &id]).out,
        "long done\n"
    );
}
