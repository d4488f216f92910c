//! What is wrong with a configuration, and exactly where.

use std::fmt;
use std::path::PathBuf;

use crate::config::Origin;
use crate::id::NodeName;

/// One mistake in a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file and line, the variable or the flag.
    pub origin: Origin,
    /// The column, from 1, in characters; only in a file.
    pub column: Option<usize>,
    /// What is wrong, on one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(out, "{}:{column}: {}", self.origin, self.message),
            None => write!(out, "{}: {}", self.origin, self.message),
        }
    }
}

/// Why there is no configuration, or why a setting cannot be had from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file is not one that could be a configuration.
    #[error("cannot use '{}': {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Settings are wrong: all mistakes that could be found in one reading, a line each.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// A setting that is needed was given nowhere.
    #[error("'{key}' is not set")]
    Missing {
        /// The key of the configuration file.
        key: &'static str,
    },
    /// A name that is not a peer of this node.
    #[error("'{name}' is not a peer of this node; known peers: {}", list(known))]
    UnknownPeer {
        /// The name as given.
        name: NodeName,
        /// The known peer it resembles most, if any is close.
        nearest: Option<NodeName>,
        /// Every known peer.
        known: Vec<NodeName>,
    },
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

fn list(names: &[NodeName]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = names.iter().map(NodeName::as_str).collect();
    names.join(", ")
}
