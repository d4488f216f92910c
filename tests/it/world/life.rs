//! One incarnation of a process: every call it makes to share, journal and executor is a step; at a chosen step it
//! dies, or the step goes wrong. After its death every call fails and has no effect.

use std::sync::Mutex;

use nix::errno::Errno;

/// What goes wrong at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call.
    CrashBefore,
    /// The process dies after the call was executed: the reply is lost.
    CrashAfter,
    /// The call is not executed and fails.
    Fails(Errno),
    /// The call is executed and fails: the reply is lost, the process lives.
    DoneButFails(Errno),
    /// A listing shows what this process saw there before, unless it changed the folder since.
    Stale,
}

/// Whom a step is a call to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee {
    Share,
    Tape,
    Runner,
}

#[derive(Debug, Default)]
struct Steps {
    taken: usize,
    counted: usize,
    fault: Option<(usize, Fault)>,
    /// Count only calls to this one when the fault is placed.
    only: Option<Callee>,
    is_dead: bool,
    /// Whether every call to the share fails.
    is_cut_off: bool,
    fired: Option<String>,
    /// Every step, where somebody wants to know.
    noted: Option<Vec<String>>,
    /// What happens while a call that says so is on its way.
    meanwhile: Option<(String, Meanwhile)>,
}

/// Something that happens once.
struct Meanwhile(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("something")
    }
}

/// The life of one process.
#[derive(Debug, Default)]
pub struct Life(Mutex<Steps>);

/// How a step is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Well,
    Dead,
    DieAfter,
    Fail(Errno),
    DoAndFail(Errno),
    Stale,
}

impl Life {
    /// A life in which nothing goes wrong.
    pub fn charmed() -> std::sync::Arc<Self> {
        std::sync::Arc::default()
    }

    /// A charmed life that notes what it does.
    pub fn noting() -> std::sync::Arc<Self> {
        let life = Self::default();
        life.steps().noted = Some(Vec::new());
        life.into()
    }

    /// How many steps noted so far are about this.
    pub fn count(&self, what: &str) -> usize {
        let steps = self.steps();
        let noted = steps.noted.iter().flatten();
        noted.filter(|step| step.contains(what)).count()
    }

    /// A life in which the `n`-th step of any kind goes wrong.
    pub fn with(n: usize, fault: Fault) -> std::sync::Arc<Self> {
        let life = Self::default();
        life.steps().fault = Some((n, fault));
        life.into()
    }

    /// A life in which the `n`-th call to the share goes wrong.
    pub fn with_share(n: usize, fault: Fault) -> std::sync::Arc<Self> {
        let life = Self::default();
        life.steps().fault = Some((n, fault));
        life.steps().only = Some(Callee::Share);
        life.into()
    }

    /// A life in which the `n`-th call to the side of the executor goes wrong.
    pub fn with_runner(n: usize, fault: Fault) -> std::sync::Arc<Self> {
        let life = Self::default();
        life.steps().fault = Some((n, fault));
        life.steps().only = Some(Callee::Runner);
        life.into()
    }

    fn steps(&self) -> std::sync::MutexGuard<'_, Steps> {
        self.0.lock().unwrap()
    }

    /// Whether the process is dead.
    pub fn is_dead(&self) -> bool {
        self.steps().is_dead
    }

    /// The step that went wrong, if it came so far.
    pub fn fired(&self) -> Option<String> {
        self.steps().fired.clone()
    }

    /// Makes a step of any kind go wrong, so many steps from now.
    pub fn goes_wrong_in(&self, count: usize, fault: Fault) {
        let mut steps = self.steps();
        steps.fault = Some((steps.taken + count, fault));
    }

    /// While the next call about this is on its way, that happens.
    pub fn is_held_up(&self, what: &str, act: impl FnOnce() + Send + 'static) {
        self.steps().meanwhile = Some((what.to_owned(), Meanwhile(Box::new(act))));
    }

    /// The process goes on, and no call to the share comes through.
    pub fn loses_the_share(&self, lost: bool) {
        self.steps().is_cut_off = lost;
    }

    /// Takes a step: says how it is to be done.
    pub fn step(&self, callee: Callee, what: &str) -> Way {
        let mut steps = self.steps();
        let is_held_up = |held: &mut (String, Meanwhile)| what.contains(held.0.as_str());
        if let Some((_, act)) = steps.meanwhile.take_if(is_held_up) {
            drop(steps);
            act.0();
            steps = self.steps();
        }
        if steps.is_dead {
            return Way::Dead;
        }
        if steps.is_cut_off && callee == Callee::Share {
            return Way::Fail(Errno::EIO);
        }
        if let Some(noted) = &mut steps.noted {
            noted.push(what.to_owned());
        }
        let number = match steps.only {
            Some(_) => steps.counted,
            None => steps.taken,
        };
        let counts = steps.only.is_none_or(|only| only == callee);
        steps.taken += 1;
        steps.counted += usize::from(counts);
        let fault = steps.fault.filter(|(at, _)| counts && *at == number);
        let Some((_, fault)) = fault else {
            return Way::Well;
        };
        steps.fired = Some(format!("step {number}: {what}: {fault:?}"));
        match fault {
            Fault::CrashBefore => {
                steps.is_dead = true;
                Way::Dead
            }
            Fault::CrashAfter => {
                steps.is_dead = true;
                Way::DieAfter
            }
            Fault::Fails(errno) => Way::Fail(errno),
            Fault::DoneButFails(errno) => Way::DoAndFail(errno),
            Fault::Stale => Way::Stale,
        }
    }
}
