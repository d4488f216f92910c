//! Where the tests of this directory run their programs: a runner with a directory of its own, at one of two levels.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use dispatch::attempt::Lineage;
use dispatch::attempt::Permit;
use dispatch::attempt::Plan;
use dispatch::attempt::Report;
use dispatch::attempt::RunState;
use dispatch::attempt::Runner;
use dispatch::attempt::local::Launcher;
use dispatch::attempt::local::LocalRunner;
use dispatch::chance::Chance;
use dispatch::chance::OsChance;
use dispatch::clock::Clock;
use dispatch::clock::SystemClock;
use dispatch::entry::ClaimName;
use dispatch::id::NodeName;
use dispatch::id::Party;
use dispatch::id::Priority;
use dispatch::id::ProfileName;
use dispatch::process::family;
use dispatch::profile::AgentKind;
use dispatch::profile::Profile;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the executor is started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// As on this host.
    Full,
    /// Where no PID namespace can be made.
    Basic,
}

/// A runner with a directory of its own.
pub struct Host {
    pub runner: LocalRunner,
    pub dir: tempfile::TempDir,
}

impl Host {
    pub fn new(level: Level) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let exec = PathBuf::from(env!("CARGO_BIN_EXE_dispatch-exec"));
        let program = match level {
            Level::Full => exec,
            Level::Basic => without_namespaces(dir.path(), &exec),
        };
        let environment = BTreeMap::from(
            [
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("HOME", "/nonexistent"),
                ("API_TOKEN", "secret"),
                ("NAMED", "passed"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let runs = dir.path().join("runs");
        let clock = Arc::new(SystemClock);
        let runner = LocalRunner::new(runs, Launcher::Spawn(program), environment, clock).unwrap();
        Self { runner, dir }
    }

    /// Runs an attempt to its end.
    pub fn run(&self, plan: &Plan) -> Report {
        self.start(plan, "the request");
        self.finished(plan)
    }

    /// Runs it once more, under another claim.
    pub fn again(&self, plan: &mut Plan) -> Report {
        plan.claim = fresh_claim().stem();
        self.run(plan)
    }

    /// Starts an attempt and waits until it has written `sign`.
    pub fn begin(&self, plan: &Plan, sign: &str) {
        self.start(plan, "");
        for _ in 0..12_000 {
            if self.log(plan).contains(sign) {
                return;
            }
            SystemClock.sleep(Duration::from_millis(5));
        }
        let state = self.runner.state(&plan.claim).unwrap();
        panic!("no '{sign}' in the log: {state:?}\n{}", self.log(plan));
    }

    /// Starts an attempt, and permits it once it is ready.
    pub fn start(&self, plan: &Plan, request: &str) {
        self.runner.start(plan, b"{}", request).unwrap();
        permit(&self.runner, plan);
    }

    pub fn finished(&self, plan: &Plan) -> Report {
        let mut state = RunState::Absent;
        for _ in 0..12_000 {
            state = self.runner.state(&plan.claim).unwrap();
            if let RunState::Finished(report) = state {
                return *report;
            }
            SystemClock.sleep(Duration::from_millis(5));
        }
        panic!("not finished: {state:?}\n{}", self.log(plan));
    }

    pub fn log(&self, plan: &Plan) -> String {
        let mut bytes = Vec::new();
        match self.runner.log(&plan.claim) {
            Ok(mut log) => std::io::Read::read_to_end(&mut log, &mut bytes).unwrap(),
            Err(error) => return error.to_string(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Permits an attempt whenever it is ready, until it goes or is over.
pub fn permit(runner: &LocalRunner, plan: &Plan) {
    loop {
        match runner.state(&plan.claim).unwrap() {
            RunState::Prepared | RunState::Preparing => {}
            RunState::Ready => {
                let looked = SystemClock.boot();
                runner.permit(&plan.claim, &Permit { looked }).unwrap();
            }
            _ => return,
        }
        SystemClock.sleep(Duration::from_millis(2));
    }
}

/// A program that runs the executor in a user namespace whose administrator allows no PID namespaces
/// and no cgroups.
fn without_namespaces(dir: &Path, exec: &Path) -> PathBuf {
    let path = dir.join("basic-exec");
    let limits = "echo 0 >/proc/sys/user/max_pid_namespaces && mount -t tmpfs none /sys/fs/cgroup";
    let text = format!(
        "#!/bin/sh\nexec unshare --user --map-root-user --mount sh -c \
         '{limits} && exec \"$0\" \"$@\"' {} \"$@\"\n",
        exec.display()
    );
    std::fs::File::create_new(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

pub fn plan(command: &[&str]) -> Plan {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    let name = ProfileName::parse("test").unwrap();
    let mut profile = Profile::of_kind(name, AgentKind::Command, command);
    profile.grace = Duration::from_millis(300);
    profile.read = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/contain")];
    let claim = fresh_claim();
    Plan {
        version: 1,
        task: claim.id,
        claim: claim.stem(),
        attempt: 1,
        from: Party::parse("there").unwrap(),
        lineage: Lineage::default(),
        profile,
        dangerous: false,
        timeout: Duration::from_secs(20),
        stall: None,
        max_output_bytes: 100_000,
        handed: SystemClock.boot(),
        lease: None,
    }
}

fn fresh_claim() -> ClaimName {
    ClaimName {
        id: OsChance.task_id(u64::try_from(SystemClock.wall().unix() * 1000).unwrap()),
        priority: Priority::Normal,
        generation: 1,
        node: NodeName::parse("here").unwrap(),
        nonce: OsChance.nonce(),
        taken: None,
    }
}

pub fn adversary(name: &str) -> Plan {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/contain/adversary.sh");
    let mut plan = plan(&["/bin/sh", script, name]);
    plan.profile.command.push(format!("tag-{}", plan.task));
    plan
}

/// Every process that carries the tag of the attempt on its command line or its mark in the environment.
pub fn survivors(plan: &Plan) -> Vec<i32> {
    let tag = format!("tag-{}", plan.task);
    let mut found = family::marked(&format!("DISPATCH_RUN={}", plan.claim));
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&tag) {
            found.push(pid);
        }
    }
    found
}

/// Says that something is not tested here, past the capture of the test harness.
pub fn skip(what: &str) {
    let line = format!("skipped: {what}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

/// Runs `test` at both levels; says so where the basic one cannot be made here.
pub fn at_both_levels(test: impl Fn(&Host, Level)) {
    test(&Host::new(Level::Full), Level::Full);
    let host = Host::new(Level::Basic);
    let probe = plan(&["true"]);
    host.runner.start(&probe, b"{}", "").unwrap();
    SystemClock.sleep(Duration::from_millis(200));
    let state = host.runner.state(&probe.claim).unwrap();
    match state {
        RunState::Prepared => {
            skip("the basic level: unshare(1) cannot make a user namespace here");
        }
        _ => test(&host, Level::Basic),
    }
}
