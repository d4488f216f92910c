//! The thread of a watcher that never touches the share: it hears signals, keeps the local halt alive, and ends the
//! process when the rounds hang with a file server and do not come back.

use std::sync::Arc;
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
use crate::clock::Clock;
use crate::exit::Exit;
use crate::killswitch::Killswitch;
use crate::limits;
use crate::share::PatientShare;

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

/// Where the rounds are, as far as somebody who must not ask them can see.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64);

impl Pulse {
    /// A round begins or ends: odd while one is under way.
    pub(super) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
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
}

impl Ear {
    /// Listens until the rounds are over. When a signal came and they do not end, the share hangs; executors go on by
    /// themselves, and the process ends.
    pub(super) fn listen(&self, voice: &Voice, heard: &Receiver<Heard>) {
        let (mut asked, mut before, mut returned) = (None, None, self.share.returned());
        loop {
            match heard.recv_timeout(limits::HALT_LOOK) {
                Ok(Heard::Over) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Heard::Signal) => asked = asked.or(Some(self.clock.boot())),
                Err(RecvTimeoutError::Timeout) => {}
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
            if asked.is_some_and(|asked| self.clock.boot().since(asked) >= END_PATIENCE) {
                voice.warn("the share does not answer; ending without it, what runs goes on");
                super::leave(Exit::TryAgain);
            }
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
