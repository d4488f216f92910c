//! Executors that end at once and well.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;

use dispatch::attempt;
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
use dispatch::outcome::Layer;
use dispatch::outcome::Status;

/// What an executor was given, and whether it went.
struct Handed {
    plan: Plan,
    request: String,
    went: bool,
}

/// Executors that end at once and well, and remember what they were given.
pub struct Hands {
    clock: Arc<dyn Clock>,
    runs: Mutex<BTreeMap<String, Handed>>,
    given: Mutex<Vec<(TaskId, String)>>,
}

impl Hands {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            runs: Mutex::default(),
            given: Mutex::default(),
        }
    }

    /// The tasks for which an agent was started, in order.
    pub fn starts(&self) -> Vec<TaskId> {
        self.given.lock().unwrap().iter().map(|one| one.0).collect()
    }

    /// The requests agents were given, in order.
    pub fn requests(&self) -> Vec<String> {
        let given = self.given.lock().unwrap();
        given.iter().map(|one| one.1.clone()).collect()
    }

    fn report(&self) -> Report {
        let now = self.clock.wall();
        Report {
            version: 1,
            started: true,
            status: Status::Ok,
            class: None,
            detail: None,
            retry_at: None,
            exit_code: Some(0),
            signal: None,
            began: now,
            ended: now,
            elapsed_ms: 1,
            suspended_ms: 0,
            output_bytes: LOG.len() as u64,
            output_truncated: false,
            log_sha256: Digest::of(LOG),
            log_bytes: LOG.len() as u64,
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
}

/// What every agent prints.
pub const LOG: &[u8] = b"the log\n";

impl Runner for Hands {
    fn start(&self, plan: &Plan, _task: &[u8], request: &str) -> Result<(), attempt::Error> {
        let handed = Handed {
            plan: plan.clone(),
            request: request.to_owned(),
            went: false,
        };
        let mut runs = self.runs.lock().unwrap();
        let before = runs.insert(plan.claim.clone(), handed);
        assert!(before.is_none(), "{} was started twice", plan.claim);
        Ok(())
    }

    fn permit(&self, stem: &str, permit: &Permit) -> Result<(), attempt::Error> {
        assert!(permit.is_good(&*self.clock));
        if let Some(run) = self.runs.lock().unwrap().get_mut(stem)
            && !std::mem::replace(&mut run.went, true)
        {
            let given = (run.plan.task, run.request.clone());
            self.given.lock().unwrap().push(given);
        }
        Ok(())
    }

    fn state(&self, stem: &str) -> Result<RunState, attempt::Error> {
        let runs = self.runs.lock().unwrap();
        Ok(match runs.get(stem) {
            Some(run) if run.went => RunState::Finished(Box::new(self.report())),
            Some(_) => RunState::Ready,
            None => RunState::Absent,
        })
    }

    fn plan(&self, stem: &str) -> Result<Option<Plan>, attempt::Error> {
        let runs = self.runs.lock().unwrap();
        Ok(runs.get(stem).map(|run| run.plan.clone()))
    }

    fn void(&self, stem: &str) -> Result<bool, attempt::Error> {
        let mut runs = self.runs.lock().unwrap();
        let went = runs.get(stem).is_some_and(|run| run.went);
        if !went {
            runs.remove(stem);
        }
        Ok(!went)
    }

    fn stop(&self, _stem: &str, _reason: StopReason) -> Result<(), attempt::Error> {
        Ok(())
    }

    fn extend(&self, _stem: &str, _until: BootTime) -> Result<(), attempt::Error> {
        Ok(())
    }

    fn sweep(&self, _stem: &str) -> Result<u32, attempt::Error> {
        Ok(0)
    }

    fn log(&self, _stem: &str) -> Result<Box<dyn Read>, attempt::Error> {
        Ok(Box::new(LOG))
    }

    fn list(&self) -> Result<Vec<String>, attempt::Error> {
        Ok(self.runs.lock().unwrap().keys().cloned().collect())
    }

    fn discard(&self, stem: &str) -> Result<(), attempt::Error> {
        self.runs.lock().unwrap().remove(stem);
        Ok(())
    }
}
