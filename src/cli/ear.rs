//! The thread of a watcher that never touches the share: it hears signals, keeps the local halt alive, and ends the
//! process when the rounds hang with a file server and do not come back.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::voice::Voice;
use crate::attempt::RunState;
use crate::attempt::Runner;
use crate::attempt::StopReason;
use crate::attempt::local::LocalRunner;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::flow::Trouble;
use crate::killswitch::Killswitch;
use crate::limits;
use crate::share::PatientShare;
use crate::units;

/// How long the rounds may take to end after a signal before the process ends without them.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// What the other threads tell this one.
pub(super) enum Heard {
    /// Somebody asks the watcher to end.
    Signal,
    /// The rounds are over.
    Over,
}

/// Tells when it is dropped that the rounds are over, however they ended.
pub(super) struct Over(pub(super) Sender<Heard>);

impl Drop for Over {
    fn drop(&mut self) {
        // Nobody listens any more where the process is about to end anyway.
        let _ = self.0.send(Heard::Over);
    }
}

/// Least time between two lines about the share coming and going: what went and came meanwhile is not told.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// Where the rounds are, as far as somebody who must not ask them can see, and how they found the share.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64, Mutex<Option<String>>);

impl Pulse {
    /// A round begins or ends: odd while one is under way.
    pub(super) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A round found the share lost, or there.
    pub(super) fn see(&self, lost: Option<&Trouble>) {
        *self.lost() = lost.map(ToString::to_string);
    }

    fn lost(&self) -> MutexGuard<'_, Option<String>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the round that is under way, if one is.
    fn under_way(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| count % 2 == 1)
    }
}

/// The thread that never touches the share.
pub(super) struct Ear {
    pub(super) share: PatientShare,
    pub(super) pulse: Arc<Pulse>,
    pub(super) runner: Arc<LocalRunner>,
    pub(super) killswitch: Killswitch,
    pub(super) clock: Arc<dyn Clock>,
    /// How long a watcher that ends may take for what runs.
    pub(super) within: Duration,
}

impl Ear {
    /// Listens until the rounds are over. When a signal came and they do not end, the share hangs; executors go on by
    /// themselves, and the process ends.
    pub(super) fn listen(&self, voice: &Voice, heard: &Receiver<Heard>) {
        let (mut until, mut before, mut returned) = (None, None, self.share.returned());
        let mut word = LastWord::default();
        loop {
            match heard.recv_timeout(limits::HALT_LOOK) {
                Ok(Heard::Over) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Heard::Signal) => until = Some(self.until(until)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let lost = self.pulse.lost().clone();
            let is_lost = lost.is_some();
            match word.next(lost, self.clock.boot()) {
                Some(line) if is_lost => voice.warn(&line),
                Some(line) => voice.note(&line),
                None => {}
            }
            let now = self.pulse.under_way();
            if now.is_some() && now == before {
                // The same round for two looks: it hangs, so this is the only one left to see a local halt.
                self.local_halt();
            }
            before = now;
            // A share that is slow makes a round long; it is not a watcher that hangs.
            let calls = self.share.returned();
            if calls != returned {
                returned = calls;
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
            if until.is_some_and(|until| self.clock.boot() >= until) {
                voice.warn("the share does not answer; ending without it, what runs goes on");
                super::leave(Exit::TryAgain);
            }
        }
    }

    /// Until when the rounds may take after this signal. Who asks again means at once.
    fn until(&self, before: Option<BootTime>) -> BootTime {
        let soon = self.clock.boot().plus(END_PATIENCE);
        match before {
            Some(before) => before.min(soon),
            None => soon.plus(self.within),
        }
    }

    fn local_halt(&self) {
        if !self
            .killswitch
            .look_local()
            .halts()
            .iter()
            .any(|halt| halt.kill)
        {
            return;
        }
        for stem in self.runner.list().unwrap_or_default() {
            let state = self.runner.state(&stem);
            if matches!(
                state,
                Ok(RunState::Running | RunState::Ready | RunState::Preparing)
            ) {
                let _ = self.runner.stop(&stem, StopReason::Kill);
            }
        }
    }
}

/// What was last said of the share.
#[derive(Debug, Default)]
struct LastWord {
    /// When, and since when it was lost then.
    said: Option<(BootTime, Option<BootTime>)>,
}

impl LastWord {
    /// Returns the line to say now, if there is one: the share is lost, or is back.
    fn next(&mut self, lost: Option<String>, now: BootTime) -> Option<String> {
        let (at, since) = self.said.unzip();
        let since = since.flatten();
        let is_soon = at.is_some_and(|at| now.since(at) < LINE_PAUSE);
        if lost.is_some() == since.is_some() || is_soon {
            return None;
        }
        self.said = Some((now, lost.is_some().then_some(now)));
        Some(match (lost, since) {
            (Some(why), _) => format!("{why}; nothing starts until it is back, what runs goes on"),
            (None, since) => {
                let lasted = since.map_or(Duration::ZERO, |since| now.since(since));
                let lasted = units::about_duration(lasted);
                format!("the share is back after {lasted}: work goes on")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_comes_and_goes_is_told_once_each_and_never_in_a_flood() {
        let mut word = LastWord::default();
        let at = |seconds: u64| BootTime(seconds * 1000);
        let lost = || Some("share lost: x".to_owned());
        assert_eq!(word.next(None, at(1)), None, "all is well");
        let line = word.next(lost(), at(10)).unwrap();
        assert!(line.starts_with("share lost: x; nothing starts"), "{line}");
        assert_eq!(word.next(lost(), at(100)), None, "once");
        let line = word.next(None, at(130)).unwrap();
        assert!(line.contains("back after 2 min"), "{line}");
        let lines = (131..=160).filter_map(|second| {
            let state = if second % 2 == 0 { lost() } else { None };
            word.next(state, at(second))
        });
        assert!(lines.count() <= 6, "it flickers");
    }
}
