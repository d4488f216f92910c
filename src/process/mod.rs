//! Programs: the only code that starts, signals and reaps processes.
//!
//! An agent is started in stages, because between fork(2) and execve(2) a threaded program may do next to
//! nothing (signal-safety(7)): the supervisor starts this same executable again with a stage name ([`stage`]),
//! which puts itself under containment step by step while it is single-threaded, and becomes the agent with a
//! plain execve(2). Orders and findings pass over the socket that is the stage's standard input ([`channel`]),
//! so that neither the request nor the environment is ever on a command line, and the supervisor hears of every
//! layer from the process that has it.
//!
//! Nothing here decides policy, reads a task or touches a share. A crash of the supervisor at any point leaves,
//! with a PID namespace, no process; without one, possibly descendants of the agent, which
//! [`family::end_marked`] finds later.

pub mod cgroup;
pub mod channel;
pub mod family;
pub mod feed;
pub mod filesystem;
pub mod launch;
pub mod namespace;
pub mod stage;

use std::io;
use std::path::PathBuf;

/// What could not be done to or with a process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A call on a path failed.
    #[error("cannot {action} '{}': {source}", path.display())]
    Path {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start '{program}': {source}")]
    Start {
        /// The program.
        program: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel did not do what it was asked, without saying so.
    #[error("cannot {action}: {why}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// What was found instead.
        why: String,
    },
    /// A program that was to be brief was not, and was ended.
    #[error("cannot wait for '{program}': not finished after {seconds} s")]
    TooSlow {
        /// The program.
        program: String,
        /// How long it was given.
        seconds: u64,
    },
}

/// Names the call of an error.
fn to<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::System {
        action,
        source: source.into(),
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Exit {
    /// It exited with this status.
    Code(u8),
    /// A signal of this number ended it.
    Signal(u8),
}
