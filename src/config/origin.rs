//! Where each value came from: a flag beats the environment, that beats the file, and the file beats the default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.pad("default"),
            Self::File { path, line } => out.pad(&format!("{}:{line}", path.display())),
            Self::Variable(name) => out.pad(&format!("${name}")),
            Self::Flag(name) => out.pad(name),
        }
    }
}

/// The origins of all values, by dotted key: `poll`, `peer.devbox.rate`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Returns where the value of a key came from.
    #[must_use]
    pub fn of(&self, key: &str) -> &Origin {
        const DEFAULT: &Origin = &Origin::Default;
        self.0.get(key).unwrap_or(DEFAULT)
    }

    /// Records where the value of a key came from, replacing what was recorded before.
    pub(super) fn record(&mut self, key: &str, origin: Origin) {
        self.0.insert(key.to_owned(), origin);
    }
}
