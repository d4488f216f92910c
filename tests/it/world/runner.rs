//! Executors as a script tells them to be. Their run directories survive the node; every start is counted, and
//! everything that a start rests on is checked at the moment of the start.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;

use dispatch::attempt::Error;
use dispatch::attempt::Permit;
use dispatch::attempt::Plan;
use dispatch::attempt::Report;
use dispatch::attempt::RunState;
use dispatch::attempt::Runner;
use dispatch::attempt::StopReason;
use dispatch::clock::BootTime;
use dispatch::clock::Clock;
use dispatch::id::Digest;
use dispatch::id::TaskId;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Layer;
use dispatch::outcome::Status;

use super::life::Callee;
use super::life::Life;
use super::life::Way;
use super::tape::Medium;

/// What executors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Script {
    /// They are ready at once and run from their permit until told to finish.
    #[default]
    Prompt,
    /// They see their permit when it is worthless, and give up.
    Late,
    /// They never come.
    Never,
    /// They cannot be started.
    Broken,
}

/// What of the run directories cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Logs.
    Logs,
    /// Orders.
    Plans,
}

#[derive(Debug, Clone)]
struct Run {
    plan: Plan,
    state: RunState,
    log: Vec<u8>,
}

#[derive(Debug, Default)]
struct Host {
    runs: BTreeMap<String, Run>,
    starts: BTreeMap<(TaskId, u32), u32>,
    faults: Vec<String>,
    script: Script,
    missing: Option<Missing>,
    left: u32,
    full: bool,
}

/// The host on which executors run: it survives every watcher.
#[derive(Clone)]
pub struct Workshop {
    host: Arc<Mutex<Host>>,
    clock: Arc<dyn Clock>,
    medium: Medium,
}

impl Workshop {
    pub fn new(clock: Arc<dyn Clock>, medium: Medium) -> Self {
        Self {
            host: Arc::default(),
            clock,
            medium,
        }
    }

    fn host(&self) -> std::sync::MutexGuard<'_, Host> {
        self.host.lock().unwrap()
    }

    /// Whether the disk of this host is full from now on.
    pub fn fill(&self, full: bool) {
        self.host().full = full;
    }

    /// What executors do from now on.
    pub fn script(&self, script: Script) {
        self.host().script = script;
    }

    /// How often agents were started for a task, by attempt.
    pub fn starts(&self, id: TaskId) -> Vec<u32> {
        let host = self.host();
        let mine = host.starts.iter().filter(|((task, _), _)| *task == id);
        mine.map(|(_, count)| *count).collect()
    }

    /// Everything that should not have happened.
    pub fn faults(&self) -> Vec<String> {
        self.host().faults.clone()
    }

    /// The run directories there are.
    pub fn stems(&self) -> Vec<String> {
        self.host().runs.keys().cloned().collect()
    }

    /// How many agents run.
    pub fn running(&self) -> usize {
        let host = self.host();
        let runs = host.runs.values();
        runs.filter(|run| run.state == RunState::Running).count()
    }

    /// The plan of the latest run directory of a task.
    pub fn plan_of(&self, id: TaskId) -> Option<Plan> {
        let host = self.host();
        let mut plans = host.runs.values().map(|run| run.plan.clone());
        plans.rfind(|plan| plan.task == id)
    }

    /// Every running agent ends.
    pub fn finish_all(&self, status: Status) {
        let now = self.clock.wall();
        for run in self.host().runs.values_mut() {
            if run.state == RunState::Running {
                run.state = RunState::Finished(Box::new(report(now, status, &run.log)));
            }
        }
    }

    /// One agent ends.
    pub fn finish_one(&self, stem: &str, status: Status) {
        let now = self.clock.wall();
        if let Some(run) = self.host().runs.get_mut(stem) {
            run.state = RunState::Finished(Box::new(report(now, status, &run.log)));
        }
    }

    /// Every running agent fails of this; its provider names a time, or does not.
    pub fn fail_all(&self, class: FailureClass, retry_at: Option<dispatch::clock::Timestamp>) {
        let now = self.clock.wall();
        for run in self.host().runs.values_mut() {
            if run.state == RunState::Running {
                let mut failed = report(now, Status::Error, &run.log);
                failed.class = Some(class);
                failed.retry_at = retry_at;
                failed.detail = Some("it says so".to_owned());
                run.state = RunState::Finished(Box::new(failed));
            }
        }
    }

    /// Every agent whose own term is over is ended by its executor: nothing but the clock of this host is asked.
    pub fn end_overdue(&self) {
        let (now, wall) = (self.clock.boot(), self.clock.wall());
        for run in self.host().runs.values_mut() {
            let is_over = run.plan.lease.is_some_and(|until| now >= until);
            if run.state == RunState::Running && is_over {
                let mut killed = report(wall, Status::Killed, &run.log);
                killed.class = Some(FailureClass::LeaseLost);
                run.state = RunState::Finished(Box::new(killed));
            }
        }
    }

    /// Every running executor vanishes.
    pub fn lose_all(&self) {
        for run in self.host().runs.values_mut() {
            if run.state == RunState::Running {
                run.state = RunState::Lost;
            }
        }
    }

    /// Every run directory is removed by a stranger.
    pub fn forget_all(&self) {
        self.host().runs.clear();
    }

    /// So many processes are found by the next sweep.
    pub fn leave_behind(&self, count: u32) {
        self.host().left = count;
    }

    /// This can no longer be read.
    pub fn lacks(&self, missing: Missing) {
        self.host().missing = Some(missing);
    }

    fn come(&self, stem: &str) {
        if let Some(run) = self.host().runs.get_mut(stem)
            && run.state == RunState::Prepared
        {
            run.state = RunState::Ready;
        }
    }

    fn take(&self, stem: &str, permit: &Permit) {
        let durable = String::from_utf8_lossy(&self.medium.durable()).into_owned();
        let (now, clock) = (self.clock.wall(), Arc::clone(&self.clock));
        let mut host = self.host();
        let Some(run) = host.runs.get_mut(stem) else {
            return;
        };
        if run.state != RunState::Ready {
            return;
        }
        if !permit.is_good(&*clock) {
            let mut missed = report(now, Status::Error, b"");
            missed.started = false;
            missed.detail = Some("the permit had expired".to_owned());
            run.state = RunState::Finished(Box::new(missed));
            return;
        }
        run.state = RunState::Running;
        let key = (run.plan.task, run.plan.attempt);
        // In the journal as it would be found after a power cut at this very moment.
        let is_on_record = durable.lines().any(|line| {
            line.contains(stem)
                && (line.contains("\"started\""))
                && line.contains(&key.0.to_string())
        });
        if !is_on_record {
            host.faults
                .push(format!("{stem} was started and is not on record"));
        }
        *host.starts.entry(key).or_default() += 1;
    }

    /// What one watcher sees of it.
    pub fn seen_by(&self, life: Arc<Life>) -> Arc<dyn Runner> {
        Arc::new(Seen {
            shop: self.clone(),
            life,
        })
    }
}

fn report(now: dispatch::clock::Timestamp, status: Status, log: &[u8]) -> Report {
    Report {
        version: 1,
        started: true,
        status,
        class: None,
        detail: None,
        retry_at: None,
        exit_code: (status == Status::Ok).then_some(0),
        signal: None,
        began: now,
        ended: now,
        elapsed_ms: 10,
        suspended_ms: 0,
        output_bytes: log.len() as u64,
        output_truncated: false,
        log_sha256: Digest::of(log),
        log_bytes: log.len() as u64,
        final_text: "done".to_owned(),
        containment: vec![Layer::Session],
        leftovers: 0,
        model: None,
        turns: None,
        tokens: None,
        cost_microusd: None,
        session: None,
        denials: None,
    }
}

fn absent<T>(action: &'static str) -> Result<T, Error> {
    Err(Error::Disk {
        action,
        path: "runs".into(),
        source: std::io::ErrorKind::NotFound.into(),
    })
}

struct Seen {
    shop: Workshop,
    life: Arc<Life>,
}

fn failed<T>(action: &'static str) -> Result<T, Error> {
    Err(Error::Disk {
        action,
        path: "runs".into(),
        source: std::io::ErrorKind::BrokenPipe.into(),
    })
}

impl Seen {
    fn call<T>(
        &self,
        what: &'static str,
        act: impl FnOnce(&Workshop) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.life.step(Callee::Runner, what) {
            Way::Well | Way::Stale => act(&self.shop),
            Way::DieAfter | Way::DoAndFail(_) => {
                let _ = act(&self.shop);
                failed(what)
            }
            Way::Dead | Way::Fail(_) => failed(what),
        }
    }
}

impl Runner for Seen {
    fn free_bytes(&self) -> u64 {
        if self.shop.host().full { 0 } else { u64::MAX }
    }

    fn start(&self, plan: &Plan, _task: &[u8], request: &str) -> Result<(), Error> {
        self.call("start", |shop| {
            let script = shop.host().script;
            if shop.host().runs.contains_key(&plan.claim) {
                shop.host()
                    .faults
                    .push(format!("{} has a run directory already", plan.claim));
                return failed("prepare");
            }
            let run = Run {
                plan: plan.clone(),
                state: RunState::Prepared,
                log: format!("log of {request}\n").into_bytes(),
            };
            shop.host().runs.insert(plan.claim.clone(), run);
            match script {
                Script::Prompt | Script::Late => shop.come(&plan.claim),
                Script::Never => {}
                Script::Broken => return failed("spawn"),
            }
            Ok(())
        })
    }

    fn permit(&self, stem: &str, permit: &Permit) -> Result<(), Error> {
        self.call("permit", |shop| {
            if shop.host().script == Script::Late {
                shop.clock.sleep(std::time::Duration::from_secs(1));
            }
            shop.take(stem, permit);
            Ok(())
        })
    }

    fn state(&self, stem: &str) -> Result<RunState, Error> {
        self.call("state", |shop| {
            let host = shop.host();
            let run = host.runs.get(stem);
            Ok(run.map_or(RunState::Absent, |run| run.state.clone()))
        })
    }

    fn plan(&self, stem: &str) -> Result<Option<Plan>, Error> {
        self.call("plan", |shop| {
            let host = shop.host();
            if host.missing == Some(Missing::Plans) {
                return absent("read");
            }
            Ok(host.runs.get(stem).map(|run| run.plan.clone()))
        })
    }

    fn void(&self, stem: &str) -> Result<bool, Error> {
        self.call("void", |shop| {
            let mut host = shop.host();
            let Some(run) = host.runs.get_mut(stem) else {
                return Ok(true);
            };
            let is_free = matches!(
                run.state,
                RunState::Prepared | RunState::Ready | RunState::Void
            );
            if is_free {
                run.state = RunState::Void;
            }
            Ok(is_free)
        })
    }

    fn stop(&self, stem: &str, reason: StopReason) -> Result<(), Error> {
        self.call("stop", |shop| {
            let now = shop.clock.wall();
            let status = match reason {
                StopReason::Cancel => Status::Cancelled,
                _ => Status::Killed,
            };
            if let Some(run) = shop.host().runs.get_mut(stem)
                && matches!(run.state, RunState::Running | RunState::Ready)
            {
                let mut ended = report(now, status, &run.log);
                ended.started = run.state == RunState::Running;
                ended.class = reason.is_claim_lost().then_some(FailureClass::LeaseLost);
                run.state = RunState::Finished(Box::new(ended));
            }
            Ok(())
        })
    }

    fn extend(&self, stem: &str, until: BootTime) -> Result<(), Error> {
        self.call("extend", |shop| {
            if let Some(run) = shop.host().runs.get_mut(stem) {
                run.plan.lease = Some(until);
            }
            Ok(())
        })
    }

    fn sweep(&self, _stem: &str) -> Result<u32, Error> {
        self.call("sweep", |shop| Ok(std::mem::take(&mut shop.host().left)))
    }

    fn log(&self, stem: &str) -> Result<Box<dyn Read>, Error> {
        self.call("log", |shop| match shop.host() {
            host if host.missing == Some(Missing::Logs) => absent("open"),
            host => match host.runs.get(stem) {
                Some(run) => Ok(Box::new(std::io::Cursor::new(run.log.clone())) as Box<dyn Read>),
                None => failed("open"),
            },
        })
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        self.call("list", |shop| Ok(shop.stems()))
    }

    fn discard(&self, stem: &str) -> Result<(), Error> {
        self.call("discard", |shop| {
            shop.host().runs.remove(stem);
            Ok(())
        })
    }
}
