//! Tells people and programs what happens on this node.
//!
//! It follows the audit log that the watcher and the commands of this host write anyway, so whoever tells an event
//! neither knows of notifications nor waits for them. Each destination is served for itself: what it was told and what
//! waits for it is one file in the node's local state ([`ledger`]), replaced as a whole. A crash between a delivery and
//! that file makes the delivery happen again, with the same id: at least once, and a receiver can tell. Nothing here
//! knows an address that the configuration does not name, and nothing of a task leads anywhere.

pub mod carry;
pub mod command;
pub mod discord;
pub mod follow;
#[cfg(feature = "notifier")]
pub mod http;
pub mod ledger;
pub mod message;
pub mod network;
pub mod ntfy;
pub mod post;
#[cfg(test)]
mod samples;
pub mod secret;
pub mod select;
pub mod slack;
pub mod telegram;
pub mod text;
pub mod webhook;

use std::path::PathBuf;

use crate::audit;
use crate::destination::BadAddress;
use crate::disk;

/// Folder of what waits for destinations, in the local state of a node.
pub const DIR: &str = "notify";

/// What failed before anything could be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The local disk failed.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// A file is not what this version writes.
    #[error("cannot read '{}': {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of a secret cannot be believed.
    #[error("cannot use '{}': {why}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An address is none.
    #[error("cannot use the address of '{name}': {source}")]
    Address {
        /// The destination.
        name: String,
        /// What is wrong with it.
        source: BadAddress,
    },
    /// A setting is not there that the configuration should have demanded.
    #[error("cannot serve '{name}': {key} is not set")]
    Lacking {
        /// The destination.
        name: String,
        /// The setting.
        key: &'static str,
    },
}
