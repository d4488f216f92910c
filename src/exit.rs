//! The exit statuses of every program here, as one table (sysexits.h where a number exists there).
//!
//! The table is printed in `dispatch(7)` and in the README. A *child's* status is never ours: it is reported in
//! the outcome. `dispatch-send --wait` and `dispatch wait` exit by the outcome: 0 or 1, or the rows below.

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; with `--wait`: the task succeeded.
    Ok = 0,
    /// The answer is no: the task failed, nothing matched, something is unhealthy.
    No = 1,
    /// The command line is wrong (EX_USAGE).
    Usage = 64,
    /// A document or an input is malformed (EX_DATAERR).
    Data = 65,
    /// No such task, peer or file (EX_NOINPUT).
    NotFound = 66,
    /// Halted by a killswitch.
    Halted = 69,
    /// Our own bug (EX_SOFTWARE).
    Bug = 70,
    /// Something could not be created (EX_CANTCREAT).
    CantCreate = 73,
    /// Input or output failed (EX_IOERR).
    Io = 74,
    /// Not known yet, or busy: try again (EX_TEMPFAIL).
    TryAgain = 75,
    /// Refused by policy, or the signer is not trusted (EX_NOPERM).
    Refused = 77,
    /// The configuration is wrong (EX_CONFIG).
    Config = 78,
    /// `wait --for` ended first: the task is still queued or running.
    StillRunning = 79,
    /// `send --until`: the receiver did not confirm it in time.
    Unconfirmed = 80,
}

impl Exit {
    /// Every status with its meaning, in the order of the table.
    pub const TABLE: &'static [(Exit, &'static str)] = &[
        (Exit::Ok, "done; with --wait: the task succeeded"),
        (
            Exit::No,
            "the answer is no: the task failed, nothing matched, something is unhealthy",
        ),
        (Exit::Usage, "the command line is wrong"),
        (Exit::Data, "a document or an input is malformed"),
        (Exit::NotFound, "no such task, peer or file"),
        (Exit::Halted, "halted by a killswitch"),
        (Exit::Bug, "a bug of this program: please report it"),
        (Exit::CantCreate, "something could not be created"),
        (Exit::Io, "input or output failed"),
        (
            Exit::TryAgain,
            "not known yet, or busy: try again (dispatch wait resolves a send)",
        ),
        (
            Exit::Refused,
            "refused by policy, or the signer is not trusted",
        ),
        (Exit::Config, "the configuration is wrong"),
        (
            Exit::StillRunning,
            "wait --for ended first: the task is still queued or running",
        ),
        (
            Exit::Unconfirmed,
            "send --until: the receiver did not confirm it in time",
        ),
    ];

    /// Returns the number the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        assert_eq!(codes.len(), 14, "a new status needs its row in the table");
    }
}
