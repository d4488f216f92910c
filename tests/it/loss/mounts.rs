//! Real mounts: another filesystem over the share, and one whose server never answers. For root on Linux; elsewhere
//! each says that it was not run.

use std::fs::File;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Stdio;
use std::time::Duration;

use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::place::Place;
use dispatch::share::FolderShare;
use dispatch::share::Share;
use nix::mount::MntFlags;
use nix::mount::MsFlags;

use crate::programs::Pair;

/// Something mounted over a folder, until it is dropped.
struct Over {
    at: PathBuf,
    /// The end of a server that never reads.
    _server: Option<File>,
}

impl Drop for Over {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

fn not_run(why: &dyn std::fmt::Display) {
    let why = format!("NOT RUN: cannot mount here: {why}\n");
    // Past the harness, which swallows what a passing test prints.
    let _ = std::io::stderr().write_all(why.as_bytes());
}

fn mount(at: &Path, kind: &str, data: &str) -> Option<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mounted = nix::mount::mount(Some("x"), at, Some(kind), flags, Some(data));
    mounted.map_err(|error| not_run(&error)).ok()
}

/// Another filesystem over a folder.
fn cover(at: &Path) -> Option<Over> {
    mount(at, "tmpfs", "size=1m")?;
    Some(Over {
        at: at.to_owned(),
        _server: None,
    })
}

/// A filesystem whose server never answers: whoever lists it waits in the kernel, and can be killed there, as on a hard
/// NFS mount whose server is gone.
fn dead(at: &Path) -> Option<Over> {
    use std::os::fd::AsRawFd as _;
    let mut how = std::fs::OpenOptions::new();
    let server = how.read(true).write(true).open("/dev/fuse");
    let server = server.map_err(|error| not_run(&error)).ok()?;
    let fd = server.as_raw_fd();
    let data = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
    mount(at, "fuse", &data)?;
    Some(Over {
        at: at.to_owned(),
        _server: Some(server),
    })
}

#[test]
fn no_call_reaches_what_is_mounted_over_the_root_that_was_proved() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dispatch.json"), "ours").unwrap();
    std::fs::create_dir(dir.path().join("heartbeats")).unwrap();
    let share = FolderShare::at(dir.path());
    share.anchor().unwrap();
    share.beat(&Place::Heartbeats, "a.b.json", b"1").unwrap();
    let Some(other) = cover(dir.path()) else {
        return;
    };
    std::fs::create_dir(dir.path().join("heartbeats")).unwrap();
    let failed = [
        share.list(&Place::Root).map(drop),
        share.create(&Place::Heartbeats, "x", b"1"),
        share.beat(&Place::Heartbeats, "a.b.json", b"2"),
        share.read(&Place::Root, "dispatch.json", 9).map(drop),
        share.make_dir(&Place::Logs),
        share.free_bytes().map(drop),
        share.rename((&Place::Heartbeats, "a.b.json"), (&Place::Root, "b")),
    ];
    for result in failed {
        assert!(result.unwrap_err().is_other_ground());
    }
    let made = std::fs::read_dir(dir.path().join("heartbeats")).unwrap();
    assert_eq!(made.count(), 0, "it was written to");
    // Held to what is there now, by one who means it; and back.
    share.anchor().unwrap();
    share.create(&Place::Heartbeats, "x", b"1").unwrap();
    drop(other);
    assert!(share.list(&Place::Root).unwrap_err().is_other_ground());
    share.anchor().unwrap();
    assert_eq!(
        share.read(&Place::Root, "dispatch.json", 9),
        Ok(b"ours".to_vec())
    );
    share.beat(&Place::Heartbeats, "a.b.json", b"3").unwrap();
    assert_eq!(
        share.read(&Place::Heartbeats, "a.b.json", 9),
        Ok(b"3".to_vec())
    );
}

/// A program that is ended with the test.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn begin(pair: &Pair, program: &str, node: &str, arguments: &[&str]) -> Self {
        let mut command = pair.command(program, node, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Waits for its end. Returns its status and what it said.
    pub(super) fn ended(&mut self, at_most: Duration) -> Option<(Option<i32>, String)> {
        let began = SystemClock.boot();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                let mut said = String::new();
                self.0.stdout.take()?.read_to_string(&mut said).unwrap();
                self.0.stderr.take()?.read_to_string(&mut said).unwrap();
                return Some((status.code(), said));
            }
            if SystemClock.boot().since(began) > at_most {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = SystemClock.boot();
    while !is_so() {
        let waited = SystemClock.boot().since(began);
        assert!(waited < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whoever asks the share is told what he asked, of what, and for how long, within seconds.
fn each_ask_is_answered(pair: &Pair, id: &str) {
    let patience = dispatch::limits::SHARE_PATIENCE_COMMAND + Duration::from_secs(10);
    let asks: [(&str, &str, &[&str]); 8] = [
        ("dispatch", "gpubox", &["status"]),
        ("dispatch", "gpubox", &["status", "--json"]),
        ("dispatch", "gpubox", &["why", id]),
        ("dispatch", "devbox", &["show", id]),
        ("dispatch", "devbox", &["cancel", id]),
        ("dispatch", "devbox", &["wait", "--for", "3s", id]),
        (
            "dispatch-send",
            "devbox",
            &["--to", "gpubox", "--request", "x"],
        ),
        ("dispatch-ack", "gpubox", &[]),
    ];
    let asked = asks.map(|(program, node, arguments)| {
        (arguments, Running::begin(pair, program, node, arguments))
    });
    for (arguments, mut program) in asked {
        let Some((status, said)) = program.ended(patience) else {
            panic!("{arguments:?} hangs");
        };
        let is_known_here = arguments.first() == Some(&"why");
        let wanted = if is_known_here { 0 } else { 75 };
        assert_eq!(status, Some(wanted), "{arguments:?}: {said}");
        assert!(said.contains("does not answer"), "{arguments:?}: {said}");
        if arguments == ["status"] {
            assert!(said.contains("by its own journal: 1 running"), "{said}");
        }
    }
}

/// The real programs on a share whose server never answers.
#[test]
fn every_program_answers_when_the_server_does_not() {
    let pair = Pair::new("profiles = [\"default\"]\n");
    let mut watcher = Running::begin(&pair, "dispatch-watch", "gpubox", &[]);
    let send = |request: &str| {
        let said = pair.good(
            "dispatch-send",
            "devbox",
            &["--to", "gpubox", "--request", request],
        );
        said.out.split('\t').next().unwrap().to_owned()
    };
    let runs = pair.path("gpubox").join("state/runs");
    let some_run_has = |file: &str| {
        let runs = std::fs::read_dir(&runs).into_iter().flatten();
        let mut files = runs.map(|run| run.unwrap().path().join(file));
        files.any(|file| file.symlink_metadata().is_ok())
    };
    let id = send("exec sleep 600");
    until("it runs", || some_run_has("running"));
    let Some(server) = dead(&pair.path("share")) else {
        return;
    };

    each_ask_is_answered(&pair, &id);

    // The local halt reaches what runs, and a signal the watcher.
    pair.good("dispatch", "gpubox", &["halt", "--local", "--kill"]);
    until("what runs is ended by a local halt", || {
        some_run_has("report.json")
    });
    watcher.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = watcher.ended(Duration::from_secs(15));
    assert!(ended.is_some(), "the watcher does not end");

    // The next one begins without the share, and goes on by itself when that is back.
    let mut watcher = Running::begin(&pair, "dispatch-watch", "gpubox", &[]);
    pair.good("dispatch", "gpubox", &["resume", "--local", "--all"]);
    std::thread::sleep(Duration::from_secs(1));
    assert!(watcher.0.try_wait().unwrap().is_none(), "it gave up");
    drop(server);
    let said = pair.run("dispatch", "devbox", &["wait", "--for", "60s", &id]);
    if said.status != 1 {
        let why = pair.run("dispatch", "gpubox", &["why", &id]);
        let log = pair.run("dispatch", "gpubox", &["log"]);
        watcher.signal(nix::sys::signal::Signal::SIGTERM);
        let ended = watcher.ended(Duration::from_secs(15));
        panic!("{}{}{ended:?}{}{}", said.err, why.out, why.err, log.out);
    }
    let next = send("echo well");
    let said = pair.run("dispatch", "devbox", &["wait", "--for", "60s", &next]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    watcher.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(watcher.ended(Duration::from_secs(15)).is_some());
}
