//! The life of a run directory: who may start it, who lost it, what is left when an executor dies.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use dispatch::attempt::Permit;
use dispatch::attempt::RunState;
use dispatch::attempt::Runner;
use dispatch::attempt::StopReason;
use dispatch::attempt::folder::Audience;
use dispatch::attempt::folder::Folder;
use dispatch::attempt::local::Launcher;
use dispatch::attempt::local::LocalRunner;
use dispatch::clock::BootTime;
use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::limits;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Layer;
use dispatch::outcome::Status;
use dispatch::process::launch;
use nix::sys::signal::Signal;

use super::host::Host;
use super::host::Level;
use super::host::adversary;
use super::host::at_both_levels;
use super::host::plan;
use super::host::survivors;

/// Returns the executor of a running attempt, from what it wrote about itself.
fn executor_of(host: &Host, claim: &str) -> i32 {
    let running = host.runner.folder(claim).unwrap().member("running");
    let identity: serde_json::Value =
        serde_json::from_slice(&std::fs::read(running).unwrap()).unwrap();
    i32::try_from(identity["pid"].as_i64().unwrap()).unwrap()
}

fn send(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

#[test]
fn a_permit_that_is_over_starts_nothing() {
    let host = Host::new(Level::Full);
    let mut plan = plan(&["sh", "-c", "echo began"]);
    for looked in [
        BootTime(0),
        SystemClock.boot().plus(Duration::from_secs(60)),
    ] {
        plan.claim = super::host::plan(&[]).claim;
        host.runner.start(&plan, b"{}", "").unwrap();
        while host.runner.state(&plan.claim).unwrap() != RunState::Ready {
            SystemClock.sleep(Duration::from_millis(1));
        }
        let (worthless, looked) = (Permit { looked }, SystemClock.boot());
        host.runner.permit(&plan.claim, &worthless).unwrap();
        // It has looked many times by then.
        SystemClock.sleep(limits::PERMIT_LOOK * 20);
        assert_eq!(host.runner.state(&plan.claim).unwrap(), RunState::Ready);
        assert!(!host.log(&plan).contains("began\n"));
        // The next one counts.
        let good = Permit { looked };
        assert!(good.is_good(&SystemClock));
        host.runner.permit(&plan.claim, &good).unwrap();
        super::host::permit(&host.runner, &plan);
        assert!(host.finished(&plan).started);
        assert!(host.log(&plan).contains("began\n"));
    }
}

#[test]
fn a_stop_that_came_first_starts_nothing() {
    let host = Host::new(Level::Full);
    let plan = plan(&["sh", "-c", "echo began"]);
    let folder = host.runner.folder(&plan.claim).unwrap();
    folder.prepare(&plan, b"{}", "", Audience::Owner).unwrap();
    host.runner.stop(&plan.claim, StopReason::Cancel).unwrap();
    let status = run_executor(&folder);
    assert_eq!(status, Some(1));
    let report = host.finished(&plan);
    assert!(!report.started, "{report:?}");
    assert_eq!(report.status, Status::Cancelled);
    assert_eq!(report.class, Some(FailureClass::Stopped));
}

/// Runs an executor on a directory, as a service manager would, and returns its exit status.
fn run_executor(folder: &Folder) -> Option<i32> {
    executor(folder).wait().unwrap().code()
}

fn executor(folder: &Folder) -> std::process::Child {
    let args = [std::ffi::OsStr::new("--run"), folder.path().as_os_str()];
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_dispatch-exec"));
    launch::detached(program, &args, [("PATH", "/usr/bin:/bin")], None).unwrap()
}

#[test]
fn what_is_void_is_never_taken_and_what_is_taken_is_never_void() {
    let host = Host::new(Level::Full);
    let voided = plan(&["sh", "-c", "echo began"]);
    assert_eq!(host.runner.state(&voided.claim).unwrap(), RunState::Absent);
    let folder = host.runner.folder(&voided.claim).unwrap();
    folder.prepare(&voided, b"{}", "", Audience::Owner).unwrap();
    assert_eq!(
        host.runner.state(&voided.claim).unwrap(),
        RunState::Prepared
    );
    assert!(host.runner.void(&voided.claim).unwrap());
    assert!(host.runner.void(&voided.claim).unwrap(), "it stays void");
    assert_eq!(run_executor(&folder), Some(75), "it starts nothing");
    assert_eq!(host.runner.state(&voided.claim).unwrap(), RunState::Void);

    let taken = adversary("silent");
    host.start(&taken, "");
    assert!(!host.runner.void(&taken.claim).unwrap());
    assert_eq!(host.runner.state(&taken.claim).unwrap(), RunState::Running);
    host.runner.stop(&taken.claim, StopReason::Kill).unwrap();
    let report = host.finished(&taken);
    assert_eq!(report.status, Status::Killed, "{report:?}");
    assert!(!host.runner.void(&taken.claim).unwrap());
}

#[test]
fn of_many_executors_one_runs_it() {
    let host = Host::new(Level::Full);
    for _ in 0..5 {
        let plan = plan(&["sh", "-c", "echo began; sleep 0.3"]);
        let folder = host.runner.folder(&plan.claim).unwrap();
        folder.prepare(&plan, b"{}", "", Audience::Owner).unwrap();
        let mut statuses: Vec<Option<i32>> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| run_executor(&folder)))
                .collect();
            super::host::permit(&host.runner, &plan);
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses[1..], [Some(75); 3], "all but one did nothing");
        assert!(host.finished(&plan).started);
        assert_eq!(statuses[0], Some(0));
        assert_eq!(host.log(&plan).matches("began\n").count(), 1);
    }
}

/// What is ready and then made void starts nothing; nor does what is told to stop, and says so.
#[test]
fn what_is_ready_can_be_held_back() {
    let host = Host::new(Level::Full);
    let ready = |word: &str| {
        let plan = plan(&["sh", "-c", word]);
        host.runner.start(&plan, b"{}", "").unwrap();
        while host.runner.state(&plan.claim).unwrap() != RunState::Ready {
            SystemClock.sleep(Duration::from_millis(1));
        }
        plan
    };
    let voided = ready("echo began");
    assert!(host.runner.void(&voided.claim).unwrap());
    let looked = SystemClock.boot();
    host.runner
        .permit(&voided.claim, &Permit { looked })
        .unwrap();
    assert_eq!(host.runner.state(&voided.claim).unwrap(), RunState::Void);
    let stopped = ready("echo began");
    host.runner
        .stop(&stopped.claim, StopReason::Cancel)
        .unwrap();
    let report = host.finished(&stopped);
    assert_eq!((report.started, report.status), (false, Status::Cancelled));
    // One whose executor is killed was not started, and can be made void.
    let killed = plan(&["sh", "-c", "echo began"]);
    let folder = host.runner.folder(&killed.claim).unwrap();
    folder.prepare(&killed, b"{}", "", Audience::Owner).unwrap();
    let mut executor = executor(&folder);
    while host.runner.state(&killed.claim).unwrap() != RunState::Ready {
        SystemClock.sleep(Duration::from_millis(1));
    }
    executor.kill().unwrap();
    executor.wait().unwrap();
    assert_eq!(
        host.runner.state(&killed.claim).unwrap(),
        RunState::Prepared
    );
    assert!(host.runner.void(&killed.claim).unwrap());
    for plan in [&voided, &stopped, &killed] {
        assert!(!host.log(plan).contains("began\n"));
    }
}

#[test]
fn an_executor_that_is_killed_is_lost_and_what_it_left_can_be_swept() {
    at_both_levels(|host, level| {
        let plan = adversary("orphans");
        host.begin(&plan, "orphaned");
        assert!(survivors(&plan).len() >= 100);
        send(executor_of(host, &plan.claim), Signal::SIGKILL);
        while host.runner.state(&plan.claim).unwrap() == RunState::Running {
            SystemClock.sleep(Duration::from_millis(1));
        }
        assert_eq!(host.runner.state(&plan.claim).unwrap(), RunState::Lost);
        if level == Level::Full {
            // The kernel does it; it only takes a moment.
            for _ in 0..1000 {
                if survivors(&plan).is_empty() {
                    break;
                }
                SystemClock.sleep(Duration::from_millis(5));
            }
        } else {
            assert!(host.runner.sweep(&plan.claim).unwrap() >= 100);
        }
        assert_eq!(survivors(&plan), [0; 0], "{level:?}");
        assert_eq!(host.runner.sweep(&plan.claim).unwrap(), 0);
    });
}

#[test]
fn an_executor_that_is_asked_to_end_ends_its_agent_and_reports() {
    let host = Host::new(Level::Full);
    let plan = adversary("ignore-term");
    host.begin(&plan, "ignoring");
    send(executor_of(&host, &plan.claim), Signal::SIGTERM);
    let report = host.finished(&plan);
    assert_eq!(report.status, Status::Killed, "{report:?}");
    assert!(report.detail.unwrap().contains("shutdown"));
    assert_eq!(survivors(&plan), [0; 0]);
}

#[test]
fn a_program_that_is_not_there_is_not_a_start() {
    let host = Host::new(Level::Full);
    let report = host.run(&plan(&["no-such-program"]));
    assert!(!report.started, "{report:?}");
    assert_eq!(report.class, Some(FailureClass::Spawn));
    assert!(report.detail.unwrap().contains("no-such-program"));
    // There, executable, and yet not: a script whose interpreter is missing.
    let script = host.dir.path().join("script");
    std::fs::File::create_new(&script)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"#!/no/such/interpreter\n"))
        .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&script, mode).unwrap();
    let report = host.run(&plan(&[script.to_str().unwrap()]));
    assert!(!report.started, "{report:?}");
    assert_eq!(report.class, Some(FailureClass::Spawn));
}

#[test]
fn names_that_are_not_ours_lead_nowhere() {
    let host = Host::new(Level::Full);
    for stem in ["", "..", "../x", "a/b", "running"] {
        assert!(host.runner.state(stem).is_err(), "{stem}");
        assert!(host.runner.discard(stem).is_err(), "{stem}");
    }
}

/// Serves a socket as a service manager does with `Accept=yes`: one executor per connection, its standard input; here
/// as another user where we are root.
fn serve(
    socket: &std::path::Path,
    runs: &std::path::Path,
    other: bool,
) -> std::thread::JoinHandle<Option<i32>> {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let runs = runs.to_owned();
    std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        let mut command = command(env!("CARGO_BIN_EXE_dispatch-exec"));
        command.arg("--socket").arg("--runs").arg(runs);
        if other {
            use std::os::unix::process::CommandExt;
            command.uid(65534).gid(65534);
        }
        let status = command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(std::os::fd::OwnedFd::from(connection))
            .status();
        status.unwrap().code()
    })
}

#[expect(clippy::disallowed_methods, reason = "plays the service manager")]
fn command(program: &str) -> std::process::Command {
    std::process::Command::new(program)
}

#[test]
fn a_service_manager_may_start_it_as_another_user() {
    let other = nix::unistd::geteuid().is_root();
    let dir = tempfile::tempdir().unwrap();
    let (socket, runs) = (dir.path().join("socket"), dir.path().join("runs"));
    std::fs::create_dir(&runs).unwrap();
    if other {
        let group = Some(nix::unistd::Gid::from_raw(65534));
        nix::unistd::chown(&runs, None, group).unwrap();
        nix::unistd::chown(dir.path(), None, group).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
        std::fs::set_permissions(dir.path(), mode).unwrap();
    }
    let clock = std::sync::Arc::new(SystemClock);
    let launcher = Launcher::Socket(socket.clone());
    let runner = LocalRunner::new(
        runs.clone(),
        launcher,
        std::collections::BTreeMap::new(),
        clock,
    )
    .unwrap();
    let mut plan = plan(&["sh", "-c", "mkdir -p a/b; chmod 500 a; cat; id -u"]);
    if other {
        plan.profile.require_layers = vec![Layer::OtherUser];
    }
    let server = serve(&socket, &runs, other);
    runner.start(&plan, b"{}", "hello ").unwrap();
    super::host::permit(&runner, &plan);
    server.join().unwrap();
    let RunState::Finished(report) = runner.state(&plan.claim).unwrap() else {
        panic!("no report");
    };
    assert_eq!(report.status, Status::Ok, "{report:?}");
    let us = nix::unistd::geteuid().as_raw();
    let them = if other { 65534 } else { us };
    assert_eq!(report.final_text, format!("hello {them}"));
    runner.log(&plan.claim).unwrap();
    runner.discard(&plan.claim).unwrap();
    assert_eq!(runner.list().unwrap(), Vec::<String>::new());
}

/// In a pool an attempt has a lease, which the executor holds by itself: it asks the run directory only when it is
/// over.
#[test]
fn an_attempt_ends_with_its_lease_unless_that_was_extended() {
    at_both_levels(|host, level| {
        let mut short = plan(&["sh", "-c", "echo began; exec sleep 600"]);
        short.lease = Some(SystemClock.boot().plus(Duration::from_millis(700)));
        let report = host.run(&short);
        assert!(report.started, "{level:?}: {report:?}");
        assert_eq!(report.status, Status::Killed, "{report:?}");
        assert_eq!(report.class, Some(FailureClass::LeaseLost), "{report:?}");
        assert!(survivors(&short).is_empty());

        let mut longer = plan(&["sh", "-c", "echo began; sleep 2; echo ended"]);
        let now = SystemClock.boot();
        longer.lease = Some(now.plus(Duration::from_millis(700)));
        host.begin(&longer, "began");
        let until = now.plus(Duration::from_secs(60));
        host.runner.extend(&longer.claim, until).unwrap();
        let report = host.finished(&longer);
        assert_eq!(report.status, Status::Ok, "{level:?}: {report:?}");
    });
}
