//! Executors: they have neither key nor share, outlive every watcher, and die with their host. What they do is decided
//! by the seed; at the moment an agent starts, the oracle looks at everything that start must rest on.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use dispatch::attempt::Error;
use dispatch::attempt::Permit;
use dispatch::attempt::Plan;
use dispatch::attempt::Report;
use dispatch::attempt::RunState;
use dispatch::attempt::Runner;
use dispatch::attempt::StopReason;
use dispatch::clock::BootTime;
use dispatch::clock::Clock;
use dispatch::clock::Timestamp;
use dispatch::id::Digest;
use dispatch::limits;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Layer;
use dispatch::outcome::Status;

use crate::duel::Step;
use crate::plan::MS;
use crate::world::Item;
use crate::world::State;
use crate::world::World;

/// A run directory.
#[derive(Debug, Clone)]
pub struct Run {
    pub plan: Plan,
    pub state: RunState,
    pub task: Digest,
    pub log: Vec<u8>,
    /// What its executor was permitted last.
    pub permit: Option<Permit>,
}

/// The run directories of a host. Their names are durable before anything else happens.
#[derive(Debug, Default)]
pub struct Runs(pub BTreeMap<String, Run>);

impl Runs {
    /// The host is gone, and with it what ran.
    pub fn power_cut(&mut self) {
        for run in self.0.values_mut() {
            match run.state {
                RunState::Running => run.state = RunState::Lost,
                // Its lock is gone, and nobody else takes what was ready once.
                RunState::Ready => run.state = RunState::Prepared,
                _ => {}
            }
        }
    }
}

/// The executors of a host, as its watcher sees them.
pub struct SimRunner {
    pub world: Arc<World>,
    pub host: usize,
}

fn failed(action: &'static str) -> Error {
    Error::Disk {
        action,
        path: "runs".into(),
        source: std::io::ErrorKind::BrokenPipe.into(),
    }
}

fn report(now: Timestamp, status: Status, log: &[u8]) -> Report {
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

/// What agents fail of.
const FAILURES: &[FailureClass] = &[
    FailureClass::Agent,
    FailureClass::Overloaded,
    FailureClass::RateLimit,
    FailureClass::PromptTooLong,
    FailureClass::Refused,
    FailureClass::NoResult,
    FailureClass::RateLimit,
    FailureClass::Auth,
];

impl State {
    /// An executor has its agent ready, if nobody made the run directory void.
    pub fn comes(&mut self, host: usize, stem: &str) {
        let Some(run) = self.hosts[host].runs.0.get_mut(stem) else {
            return;
        };
        if run.state == RunState::Prepared {
            run.state = RunState::Ready;
            let patience = u64::try_from(limits::PERMIT_PATIENCE.as_micros()).unwrap_or(0);
            self.at(self.now + patience, Item::Tire(host, stem.to_owned()));
        }
    }

    /// An executor has waited long enough.
    pub fn tires(&mut self, host: usize, stem: &str) {
        let now = self.wall(host);
        let Some(run) = self.hosts[host].runs.0.get_mut(stem) else {
            return;
        };
        if run.state == RunState::Ready {
            let mut missed = report(now, Status::Error, &run.log);
            missed.started = false;
            missed.detail = Some("no permit came".to_owned());
            run.state = RunState::Finished(Box::new(missed));
            self.cover("no permit came", || stem.to_owned());
        }
    }

    /// An executor sees its permit: it takes its run directory, if nobody was quicker, and starts the agent, if its
    /// permit and its own term are good then; else it waits for another.
    pub fn takes(&mut self, host: usize, stem: &str) {
        let now = self.wall(host);
        let boot = self.boot(host);
        let Some(run) = self.hosts[host].runs.0.get(stem) else {
            return;
        };
        if run.state != RunState::Ready {
            return;
        }
        let permit = run.permit.clone();
        let is_good = permit.is_some_and(|permit| permit.is_good(&Still(now, boot)));
        if !is_good {
            return self.cover("permit expired", || stem.to_owned());
        }
        let is_held = run.plan.lease.is_none_or(|until| boot < until);
        let (run, log) = (run.clone(), run.log.clone());
        let next = if is_held {
            self.starts(host, &run);
            let works = self.dice.spread(MS, self.plan.work.works);
            self.at(self.now + works, Item::End(host, stem.to_owned()));
            if let Some(until) = run.plan.lease {
                let left = until.0.saturating_sub(boot.0) * MS;
                self.at(self.now + left, Item::Lease(host, stem.to_owned()));
            }
            RunState::Running
        } else {
            let mut missed = report(now, Status::Error, &log);
            missed.started = false;
            missed.detail = Some("the permit had expired".to_owned());
            RunState::Finished(Box::new(missed))
        };
        if let Some(run) = self.hosts[host].runs.0.get_mut(stem) {
            run.state = next;
        }
    }

    /// An agent ends, or its executor vanishes.
    pub fn ends(&mut self, host: usize, stem: &str) {
        let now = self.wall(host);
        let work = self.plan.work.clone();
        let (vanishes, fails) = (
            !self.is_quiet && self.dice.once_in(work.vanishes),
            self.dice.once_in(work.fails),
        );
        let Some(run) = self.hosts[host].runs.0.get_mut(stem) else {
            return;
        };
        if run.state != RunState::Running {
            return;
        }
        if vanishes {
            run.state = RunState::Lost;
            self.cover("executor lost", || stem.to_owned());
            return;
        }
        let status = if fails { Status::Error } else { Status::Ok };
        let mut ended = report(now, status, &run.log);
        let id = run.plan.task;
        if fails {
            // Of the name, not of the dice: what else a seed means stays as it is.
            let number = usize::from(Digest::of(stem.as_bytes()).as_bytes()[0]);
            ended.class = Some(FAILURES[number % FAILURES.len()]);
            let is_limit = ended.class == Some(FailureClass::RateLimit);
            ended.retry_at = is_limit.then(|| now.plus(std::time::Duration::from_secs(20)));
        }
        let (class, reset) = (ended.class, ended.retry_at);
        run.state = RunState::Finished(Box::new(ended));
        if let Some(story) = self.oracle.stories.get_mut(&id) {
            let is_free = matches!(class, Some(FailureClass::RateLimit | FailureClass::Auth));
            story.spared += u32::from(is_free);
            story.reset = reset.map(|at| at.unix());
        }
        self.note(|| format!("agent of {stem} ends: {status}"));
    }
}

/// The clocks of a host at one moment, for the executor's own check of its permit.
struct Still(Timestamp, BootTime);

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        self.0
    }

    fn boot(&self) -> BootTime {
        self.1
    }

    fn monotonic(&self) -> BootTime {
        self.1
    }

    fn sleep(&self, _: std::time::Duration) {}
}

impl State {
    /// The lease of an attempt ran out, or was extended meanwhile.
    pub fn lease_ends(&mut self, host: usize, stem: &str) {
        let (now, wall, boot) = (self.now, self.wall(host), self.boot(host));
        let Some(run) = self.hosts[host].runs.0.get_mut(stem) else {
            return;
        };
        let Some(until) = run.plan.lease.filter(|_| run.state == RunState::Running) else {
            return;
        };
        if until > boot {
            let again = now + (until.0 - boot.0) * MS;
            return self.at(again, Item::Lease(host, stem.to_owned()));
        }
        let mut killed = report(wall, Status::Killed, &run.log);
        killed.class = Some(FailureClass::LeaseLost);
        run.state = RunState::Finished(Box::new(killed));
        self.cover("lease lost", || stem.to_owned());
    }
}

impl SimRunner {
    fn call<T>(
        &self,
        what: &'static str,
        stem: &str,
        act: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let step = (what == "start").then_some(Step::Start);
        self.world.ambush(step, false);
        self.world.call(|| format!("runner {what} {stem}"));
        let mut state = self.world.state();
        let rate = state.plan.rates.runner_fails;
        if state.goes_wrong(rate) {
            state.cover("runner fails", || what.to_owned());
            if state.dice.once_in(2) {
                // It happened all the same.
                let _ = act(&mut state);
            }
            return Err(failed(what));
        }
        let done = act(&mut state);
        drop(state);
        self.world.called();
        self.world.ambush(step, true);
        done
    }
}

impl Runner for SimRunner {
    fn start(&self, plan: &Plan, task: &[u8], request: &str) -> Result<(), Error> {
        let host = self.host;
        self.call("start", &plan.claim, |state| {
            if state.hosts[host].runs.0.contains_key(&plan.claim) {
                // Where the server forgets markers, the member of a pool may come to its own claim a second time, and
                // finds that it was there.
                if !state.oracle.rolled_back {
                    state.fail(format!("{} has a run directory already", plan.claim));
                }
                return Err(failed("prepare"));
            }
            let run = Run {
                plan: plan.clone(),
                state: RunState::Prepared,
                task: Digest::of(task),
                permit: None,
                log: format!("log of {request}\n").into_bytes(),
            };
            let claim = plan.claim.clone();
            state.hosts[host].runs.0.insert(claim.clone(), run);
            let work = state.plan.work.clone();
            if !state.is_quiet && state.dice.once_in(work.broken) {
                state.cover("executor cannot be started", || claim);
                return Err(failed("spawn"));
            }
            if !state.is_quiet && state.dice.once_in(work.never) {
                state.cover("executor never comes", || claim);
                return Ok(());
            }
            let most = if state.is_quiet { 100 * MS } else { work.takes };
            let delay = state.dice.within(0, most);
            state.at(state.now + delay, Item::Come(host, claim));
            Ok(())
        })
    }

    fn permit(&self, stem: &str, permit: &Permit) -> Result<(), Error> {
        let host = self.host;
        self.call("permit", stem, |state| {
            let most = if state.is_quiet {
                5 * MS
            } else {
                state.plan.work.takes
            };
            let delay = state.dice.within(0, most);
            if let Some(run) = state.hosts[host].runs.0.get_mut(stem) {
                run.permit = Some(permit.clone());
                state.at(state.now + delay, Item::Take(host, stem.to_owned()));
            }
            Ok(())
        })
    }

    fn state(&self, stem: &str) -> Result<RunState, Error> {
        let host = self.host;
        self.call("state", stem, |state| {
            let run = state.hosts[host].runs.0.get(stem);
            Ok(run.map_or(RunState::Absent, |run| run.state.clone()))
        })
    }

    fn plan(&self, stem: &str) -> Result<Option<Plan>, Error> {
        let host = self.host;
        self.call("plan", stem, |state| {
            let run = state.hosts[host].runs.0.get(stem);
            Ok(run.map(|run| run.plan.clone()))
        })
    }

    fn void(&self, stem: &str) -> Result<bool, Error> {
        let host = self.host;
        self.call("void", stem, |state| {
            let Some(run) = state.hosts[host].runs.0.get_mut(stem) else {
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
        let host = self.host;
        self.call("stop", stem, |state| {
            let now = state.wall(host);
            let status = match reason {
                StopReason::Cancel => Status::Cancelled,
                _ => Status::Killed,
            };
            if let Some(run) = state.hosts[host].runs.0.get_mut(stem)
                && matches!(run.state, RunState::Running | RunState::Ready)
            {
                let mut ended = report(now, status, &run.log);
                ended.started = run.state == RunState::Running;
                run.state = RunState::Finished(Box::new(ended));
            }
            Ok(())
        })
    }

    fn extend(&self, stem: &str, until: BootTime) -> Result<(), Error> {
        let host = self.host;
        self.call("extend", stem, |state| {
            if let Some(run) = state.hosts[host].runs.0.get_mut(stem) {
                run.plan.lease = Some(until);
            }
            Ok(())
        })
    }

    fn sweep(&self, stem: &str) -> Result<u32, Error> {
        self.call("sweep", stem, |_| Ok(0))
    }

    fn log(&self, stem: &str) -> Result<Box<dyn Read>, Error> {
        let host = self.host;
        self.call("log", stem, |state| {
            match state.hosts[host].runs.0.get(stem) {
                Some(run) => Ok(Box::new(std::io::Cursor::new(run.log.clone())) as Box<dyn Read>),
                None => Err(failed("open")),
            }
        })
    }

    fn list(&self) -> Result<Vec<String>, Error> {
        let host = self.host;
        self.call("list", "", |state| {
            Ok(state.hosts[host].runs.0.keys().cloned().collect())
        })
    }

    fn discard(&self, stem: &str) -> Result<(), Error> {
        let host = self.host;
        self.call("discard", stem, |state| {
            state.hosts[host].runs.0.remove(stem);
            Ok(())
        })
    }
}
