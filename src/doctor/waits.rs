//! Checks 15 and 16: whether a process that waits for the share can be ended, and whether the kernel tells of changes.

use std::ffi::OsStr;
use std::time::Duration;

use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Trouble;
use crate::clock::SystemClock;
use crate::process::launch;
use crate::process::launch::Trial;
use crate::wake::Wake;

/// The hidden option under which this program reads a folder until it is killed.
pub const BUSY: &str = "--busy-in";
/// How long the busy process is left alone.
const ALONE: Duration = Duration::from_millis(300);

/// Check 15: the watchdog of this very doctor, shown on a process that never ends.
pub(super) fn killable(bench: &Bench) -> Result<Finding, Trouble> {
    let words = [
        OsStr::new("doctor"),
        OsStr::new(BUSY),
        bench.dir.as_os_str(),
    ];
    let ended = launch::trial(&bench.orders.program, &words, ALONE, &SystemClock);
    Ok(match ended {
        Ok(Trial::Killed) => {
            Finding::pass("a process that reads here without end was killed, and is gone")
        }
        Ok(Trial::Stuck) => Finding::warn(
            "a process that reads here cannot be killed: it waits inside the kernel",
            "the server does not answer; processes that touch the share stay until it does",
        ),
        Ok(Trial::Finished(_)) => {
            Finding::unknown("the process that was to be killed ended by itself")
        }
        Err(error) => Finding::unknown(error.to_string()),
    })
}

/// Lists a folder for ever. For the process that is to be killed.
pub fn busy(dir: &std::path::Path) -> ! {
    loop {
        let _ = bench::list(dir);
    }
}

/// Check 16.
pub(super) fn notices(bench: &Bench) -> Result<Finding, Trouble> {
    let mut wake = Wake::new();
    wake.on(&bench.dir);
    bench.lay(&bench.path("made"), b"")?;
    let told = wake.wait(Duration::from_millis(500));
    let said = if told {
        "changes of this host are reported at once; those of others are found by looking"
    } else {
        "changes are not reported, not even this host's: everything is found by looking"
    };
    Ok(Finding::info(said).fact("reported", told))
}
