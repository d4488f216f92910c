//! One attempt to run one task: what is to be run ([`plan`]), what came of it ([`report`]), and the contract between
//! the watcher, which never runs anything itself, and whoever does ([`Runner`]).
//!
//! The watcher prepares a *run directory* on the local disk and starts an executor on it; the executor has no key and
//! no share. It outlives the watcher: a restarted watcher finds it again through the run directory.

#[cfg(target_os = "linux")]
mod contain;
#[cfg(target_os = "linux")]
pub mod folder;
#[cfg(target_os = "linux")]
pub mod layers;
#[cfg(target_os = "linux")]
pub mod local;
#[cfg(target_os = "linux")]
mod output;
pub mod plan;
pub mod report;
#[cfg(target_os = "linux")]
mod summary;
#[cfg(target_os = "linux")]
pub mod supervise;
#[cfg(target_os = "linux")]
mod surroundings;
#[cfg(target_os = "linux")]
mod watch;
#[cfg(target_os = "linux")]
mod workspace;

use std::io::Read;

use crate::clock::BootTime;
use crate::outcome::words;
pub use plan::Lineage;
pub use plan::Permit;
pub use plan::Plan;
pub use report::Report;

words! {
    /// Why an attempt is being ended from outside.
    StopReason {
        /// Its sender cancelled it.
        Cancel = "cancel",
        /// A killswitch that kills, or the operator of this node.
        Kill = "kill",
        /// The watcher shuts down and policy says to end what runs.
        Shutdown = "shutdown",
        /// The share has been out of reach for longer than policy allows.
        ShareLost = "share_lost",
        /// In a pool: the claim was not beaten for its own term, so that others may take it soon.
        Lease = "lease",
        /// In a pool: another member has taken the claim.
        Fenced = "fenced",
    }
}

impl StopReason {
    /// Returns whether it is ended because others may run it now: then its grace is bounded.
    #[must_use]
    pub const fn is_claim_lost(self) -> bool {
        matches!(self, Self::Lease | Self::Fenced)
    }
}

/// What is known of an attempt from its run directory alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// No such run directory.
    Absent,
    /// Prepared; no executor has come for it.
    Prepared,
    /// An executor has come and puts the agent under containment. Nothing of the agent runs.
    Preparing,
    /// The agent is contained and goes as soon as its executor is permitted to start it ([`Runner::permit`]).
    Ready,
    /// Voided before any executor took it: provably never started.
    Void,
    /// An executor has it and is alive.
    Running,
    /// It is finished; the report is durable.
    Finished(Box<Report>),
    /// An executor took it and is gone without a report: what the agent did is not known.
    Lost,
}

/// What went wrong around an attempt (not in it: that is in the [`Report`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The local disk failed.
    #[error("cannot {action} '{}'", path.display())]
    Disk {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: std::path::PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file of the run directory is not what this version writes.
    #[error("cannot read '{}': {why}", path.display())]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The executor could not be started.
    #[error("cannot start the executor '{program}'")]
    Spawn {
        /// The program.
        program: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// The names in a run directory whose appearance is news for the watcher: that the agent can go, and how it ended.
pub const NEWS: &[&str] = &["ready", "report.json"];

/// Runs attempts on this host. Names are claim stems ([`crate::entry::ClaimName::stem`]), never reused.
pub trait Runner: Send + Sync {
    /// Makes the run directory and starts an executor on it. The executor puts the agent under containment, which may
    /// take a while, and starts it when it is permitted to; without a permit it starts nothing.
    ///
    /// # Durability
    /// The name of the run directory is durable before the executor starts.
    ///
    /// # Errors
    /// [`Error`]; then nothing was started, or [`Runner::state`] tells.
    fn start(&self, plan: &Plan, task: &[u8], request: &str) -> Result<(), Error>;

    /// Permits the executor to start the agent. It checks that the permit is still good at that moment; where it is
    /// not, it waits for another.
    ///
    /// # Errors
    /// [`Error::Disk`]: it may have been given or not.
    fn permit(&self, stem: &str, permit: &Permit) -> Result<(), Error>;

    /// Returns what is known of the attempt.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]: not known now, which is not the same as lost.
    fn state(&self, stem: &str) -> Result<RunState, Error>;

    /// Returns the orders of a run directory, where they can be read.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]
    fn plan(&self, stem: &str) -> Result<Option<Plan>, Error>;

    /// Makes sure that no executor can take the run directory any more, as it must before it starts the agent. Returns
    /// `true` where none had: then nothing was or will be started under this name. Decided by one exclusive create on
    /// the local disk.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn void(&self, stem: &str) -> Result<bool, Error>;

    /// Asks the executor to end its attempt. It reports as usual.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn stop(&self, stem: &str, reason: StopReason) -> Result<(), Error>;

    /// Extends the lease of an attempt: until then it may run. The executor asks only when the time it knows of is
    /// over, so that nothing but the local disk is between it and its deadline.
    ///
    /// # Errors
    /// [`Error::Disk`]: then the earlier deadline stands.
    fn extend(&self, stem: &str, until: BootTime) -> Result<(), Error>;

    /// Ends every process a lost attempt left behind, until none is found. Returns how many were ended.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn sweep(&self, stem: &str) -> Result<u32, Error>;

    /// Opens the finished log.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn log(&self, stem: &str) -> Result<Box<dyn Read>, Error>;

    /// Returns free bytes where run directories are made; nothing to worry about where that is not known.
    fn free_bytes(&self) -> u64 {
        u64::MAX
    }

    /// Returns the stems of all run directories.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn list(&self) -> Result<Vec<String>, Error>;

    /// Removes a run directory whose outcome is committed.
    ///
    /// # Errors
    /// [`Error::Disk`]
    fn discard(&self, stem: &str) -> Result<(), Error>;
}
