//! The end of a watcher that was told to end: nothing new is taken in, and what runs is left, waited for, or ended.
//!
//! Bounded by the operator's word and by a second signal. Whatever is left then goes on under its executor, within its
//! own bounds, and the next watcher adopts it, of whatever version it is.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sd_notify::NotifyState;

use super::Daemon;
use crate::attempt::NEWS;
use crate::attempt::StopReason;
use crate::cli::ear::Pulse;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::config::OnShutdown;
use crate::config::Watch;
use crate::flow::finish;
use crate::wake::Wake;

/// Longest pause between two rounds of a watcher that ends: reports of executors shorten it.
const PAUSE: Duration = Duration::from_millis(500);
/// What the service manager grants at each round, in microseconds.
const MORE_TIME_US: u32 = 30_000_000;

/// How often somebody asked the watcher to end.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicU32);

impl Calls {
    /// Takes another signal. From the moment on at which nothing is waited for any more, the share is given up early.
    pub(super) fn another(&self, setup: &Setup) {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if before > 0 || setup.config.watch.on_shutdown != OnShutdown::Finish {
            setup.patient.hurry();
        }
    }

    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody asked again.
    fn again(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

/// How long a watcher may take for what runs.
pub(super) fn within(watch: &Watch) -> Duration {
    match watch.on_shutdown {
        OnShutdown::Leave => Duration::ZERO,
        OnShutdown::Finish | OnShutdown::Stop => watch.stop_within,
    }
}

impl Daemon {
    /// Does with what runs what the operator said.
    pub(super) fn finish_up(
        &mut self,
        setup: &Setup,
        calls: &Calls,
        pulse: &Pulse,
        wake: &mut Wake,
    ) -> Result<(), Failure> {
        let watch = &setup.config.watch;
        let (began, within) = (setup.clock.boot(), within(watch));
        // What is about to be started by now is not, and what waits goes back to the other members of a pool.
        self.ends = true;
        if watch.on_shutdown == OnShutdown::Stop {
            finish::stop_all(&mut self.node, StopReason::Shutdown)?;
        }
        while !self.node.is_done() && !calls.again() && setup.clock.boot().since(began) < within {
            pulse.beat();
            self.round(setup)?;
            pulse.beat();
            let status = format!("ending: {}", self.status(setup));
            let _ = sd_notify::notify(&[
                NotifyState::Watchdog,
                NotifyState::ExtendTimeoutUsec(MORE_TIME_US),
                NotifyState::Status(&status),
            ]);
            wake.follow(self.run_folders(), NEWS);
            if !self.node.is_done() {
                wake.wait(PAUSE);
            }
        }
        setup.patient.hurry();
        Ok(())
    }
}
