//! Watches a running agent and enforces every bound: its time, its silence, its flood, a request to stop, a
//! result without an end, a pipe without an end, and at last that nothing of it is left.

use std::time::Duration;

use super::StopReason;
use super::contain::Agent;
use super::contain::Event;
use super::output::Stream;
use super::supervise::Attempt;
use crate::clock::BootTime;
use crate::limits;
use crate::process::Exit;
use crate::process::channel::Word;
use crate::process::family;

/// The shortest wait for an agent whose pipes have ended and that is therefore about to end.
const SHORT_LOOK: Duration = Duration::from_millis(1);

/// How long threads may take to see the end of pipes that nobody holds any more.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// Why we ended an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its time was over.
    Timeout,
    /// It was silent.
    Stalled,
    /// It wrote too much.
    Flood,
    /// It had given its result and stayed.
    Lingers,
    /// Somebody asked.
    Stop(StopReason),
}

/// What was seen of an agent that is gone.
#[derive(Debug)]
pub(super) struct Seen {
    /// How it ended.
    pub exit: Option<Exit>,
    /// Why we ended it, if we did.
    pub cause: Option<Cause>,
    /// It could not be executed, and why.
    pub never_began: Option<String>,
    /// From the word to go to its end.
    pub elapsed: Duration,
    /// Descendants that were ended after it.
    pub leftovers: u32,
    /// Processes that could not be ended.
    pub remaining: u32,
}

/// The one that watches.
pub(super) struct Watch<'a> {
    attempt: &'a Attempt<'a>,
    agent: Agent,
    began: BootTime,
    /// Why and when it was asked to end.
    asked: Option<(Cause, BootTime)>,
    ended: Option<(Option<Exit>, BootTime)>,
    never_began: Option<String>,
    drained: u32,
    silent: bool,
    looks_when_drained: u32,
    /// Until when it may run, on the clock that counts through a suspend.
    lease: Option<BootTime>,
}

impl<'a> Watch<'a> {
    /// Begins when the agent was let go.
    pub fn new(attempt: &'a Attempt<'a>, mut agent: Agent) -> Self {
        if let Some((stdout, stderr)) = agent.pipes.take() {
            let (output, done) = (attempt.output.clone(), agent.sender.clone());
            std::thread::spawn(move || {
                output.drain(Stream::Out, stdout);
                let _ = done.send(Event::Drained);
            });
            let (output, done) = (attempt.output.clone(), agent.sender.clone());
            std::thread::spawn(move || {
                output.drain(Stream::Err, stderr);
                let _ = done.send(Event::Drained);
            });
        }
        Self {
            attempt,
            agent,
            began: attempt.executor.clock.monotonic(),
            asked: None,
            ended: None,
            never_began: None,
            drained: 0,
            silent: false,
            looks_when_drained: 0,
            lease: attempt.plan.lease,
        }
    }

    fn now(&self) -> BootTime {
        self.attempt.executor.clock.monotonic()
    }

    /// Returns when the agent and everything it started is gone, or cannot be ended.
    pub fn run(mut self) -> Seen {
        while !self.is_over() {
            if self.ended.is_none() && self.asked.is_none() {
                self.ask_if_due();
            }
            self.wait(self.look());
            self.reap();
        }
        self.sweep()
    }

    /// Whether the agent has ended by itself, or its grace has, and its pipes too.
    fn is_over(&self) -> bool {
        let now = self.now();
        let no_grace = match self.asked {
            // Whoever floods is not given time to write more.
            Some((Cause::Flood, _)) => true,
            Some((cause, at)) => now.since(at) >= self.grace(cause),
            None => false,
        };
        let no_pipe = self
            .ended
            .is_some_and(|(_, at)| self.drained >= 2 || now.since(at) >= limits::PIPE_LINGER);
        no_grace || no_pipe
    }

    /// How long an agent has to end by itself. Others wait for the end of one whose claim is lost.
    fn grace(&self, cause: Cause) -> Duration {
        let grace = self.attempt.plan.profile.grace;
        match cause {
            Cause::Stop(reason) if reason.is_claim_lost() => grace.min(limits::LEASE_GRACE),
            _ => grace,
        }
    }

    /// Whether the time until which it may run is over, and was not extended meanwhile.
    fn lease_is_over(&mut self) -> bool {
        let now = self.attempt.executor.clock.boot();
        let Some(until) = self.lease.filter(|until| now >= *until) else {
            return false;
        };
        self.lease = Some(self.attempt.folder.lease().unwrap_or(until));
        self.lease.is_some_and(|until| now >= until)
    }

    fn ask_if_due(&mut self) {
        if let Some(cause) = self.due() {
            family::ask(self.agent.pid);
            self.asked = Some((cause, self.now()));
        }
    }

    fn due(&mut self) -> Option<Cause> {
        if let Some(reason) = self.attempt.stop_reason() {
            return Some(Cause::Stop(reason));
        }
        if self.lease_is_over() {
            return Some(Cause::Stop(StopReason::Lease));
        }
        let (last_sign, bytes, has_result) = self.attempt.output.signs();
        let plan = self.attempt.plan;
        let silent = self.now().since(last_sign);
        if bytes / limits::FLOOD_FACTOR > plan.max_output_bytes {
            return Some(Cause::Flood);
        }
        // Who has given the final result is not late any more.
        if has_result {
            let late = self.now().since(self.began) >= plan.timeout;
            return (late || silent >= limits::RESULT_LINGER).then_some(Cause::Lingers);
        }
        if self.now().since(self.began) >= plan.timeout {
            return Some(Cause::Timeout);
        }
        (plan.stall.is_some_and(|stall| silent >= stall)).then_some(Cause::Stalled)
    }

    /// Returns how long to wait for an event: until the next deadline at most.
    fn look(&self) -> Duration {
        let now = self.now();
        let left = |from: BootTime, time: Duration| time.saturating_sub(now.since(from));
        let mut look = limits::STOP_LOOK;
        if let Some((_, at)) = self.ended {
            look = look.min(left(at, limits::PIPE_LINGER));
        }
        match (self.ended, self.asked) {
            (_, Some((cause, at))) => look = look.min(left(at, self.grace(cause))),
            (Some(_), None) => {}
            (None, None) => {
                look = look.min(left(self.began, self.attempt.plan.timeout));
                if let Some(stall) = self.attempt.plan.stall {
                    look = look.min(left(self.attempt.output.signs().0, stall));
                }
            }
        }
        if self.drained >= 2 {
            look = look.min(SHORT_LOOK * 2_u32.saturating_pow(self.looks_when_drained.min(8)));
        }
        look.max(SHORT_LOOK)
    }

    fn wait(&mut self, patience: Duration) {
        if self.drained >= 2 {
            self.looks_when_drained += 1;
        }
        match self.agent.events.recv_timeout(patience) {
            Ok(Event::Drained) => self.drained += 1,
            Ok(Event::Silent) => self.silent = true,
            Ok(Event::Word(Word::Ended(exit))) => self.note_end(Some(exit)),
            Ok(Event::Word(Word::Failed { why, .. })) => self.never_began = Some(why),
            Ok(Event::Word(_)) | Err(_) => {}
        }
    }

    fn note_end(&mut self, exit: Option<Exit>) {
        if self.ended.is_none() {
            self.ended = Some((exit, self.now()));
        }
    }

    /// Reaps children and orphans, and notes the end of the agent.
    fn reap(&mut self) {
        let Some(exit) = family::reap(self.agent.pid) else {
            return;
        };
        if !self.agent.namespaced {
            self.note_end(Some(exit));
        } else if self.ended.is_none() {
            // The namespace is gone. If its first process could still say how the agent ended, that word is on
            // its way.
            let began = self.now();
            while !self.silent && self.ended.is_none() && self.now().since(began) < DRAIN_PATIENCE {
                self.wait(limits::STOP_LOOK);
            }
            // Otherwise it was killed with everything in it.
            self.note_end(Some(Exit::Signal(9)));
        }
    }

    fn sweep(mut self) -> Seen {
        let clock = &*self.attempt.executor.clock;
        let ourselves = std::process::id().cast_signed();
        let ended_by_itself = self.ended.is_some();
        let mut others = family::descendants(ourselves);
        others.retain(|row| {
            row.pid != self.agent.pid && !(self.agent.namespaced && row.parent == self.agent.pid)
        });
        if self.agent.namespaced {
            // With its first process the kernel ends all of a namespace at once, and that one ends with its starter.
            family::kill(self.agent.pid);
        }
        if let Some(cgroup) = &self.agent.cgroup {
            // Where it fails, the sweep below finds them one by one.
            let _ = cgroup.kill();
        }
        let pid = self.agent.pid;
        let mut last = None;
        let swept = family::end_all(limits::SWEEP_PATIENCE, clock, &mut || {
            last = family::reap(pid).or(last);
        });
        if self.agent.namespaced {
            self.note_end(Some(Exit::Signal(9)));
        } else {
            self.note_end(last);
        }
        let mut all: std::collections::BTreeSet<i32> = others.iter().map(|row| row.pid).collect();
        all.extend(
            swept
                .ended
                .iter()
                .filter(|found| **found != pid && !self.agent.namespaced),
        );
        // The agent itself is no leftover; inside a namespace its number is not known here.
        let agent = u32::from(self.agent.namespaced && !ended_by_itself);
        let leftovers = u32::try_from(all.len()).unwrap_or(u32::MAX);
        self.drain_rest();
        let (exit, at) = self.ended.unwrap_or((None, self.now()));
        Seen {
            exit,
            cause: self.asked.map(|(cause, _)| cause),
            never_began: self.never_began,
            elapsed: at.since(self.began),
            leftovers: leftovers.saturating_sub(agent),
            remaining: swept.remaining,
        }
    }

    /// Nobody holds the pipes and the socket any more; lets the threads read what is in them.
    fn drain_rest(&mut self) {
        let began = self.now();
        while !(self.drained >= 2 && self.silent) && self.now().since(began) < DRAIN_PATIENCE {
            self.wait(limits::STOP_LOOK);
        }
    }
}
