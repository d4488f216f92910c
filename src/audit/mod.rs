//! The audit log: what happened, who asked and who decided, in files that show whether somebody changed them.
//!
//! Each writer (the watcher of a node, or the commands run there) appends to a file of its own on the *local* disk,
//! one line per event; every line holds the digest of the line before it. The lines are copied to `log/<node>/` on
//! the share afterwards, so a hung share delays nothing and loses nothing. Sealed heartbeats and results carry the
//! [`Head`] of the chain; a reader that remembers it sees even a log that was rewritten or cut from the end.
//!
//! A log that cannot be written never fails a task: what was lost is counted and told. A crash leaves at most one torn
//! line at the end of a segment; it is never repaired, the next segment goes on from the last complete line.

pub mod chain;
pub mod files;
pub mod finding;
pub mod head;
pub mod line;
pub mod local;
pub mod merge;
pub mod record;
pub mod retire;
pub mod segment;
pub mod ship;

use std::io;
use std::path::PathBuf;

pub use head::HeadsSeen;
pub use local::LocalLog;
pub use record::Record;
pub use segment::Head;
pub use segment::SegmentName;
pub use segment::Writer;
pub use ship::Shipper;

use crate::disk;
use crate::share::ShareError;

/// Folder of the log in the local state of a node.
pub const LOG_DIR: &str = "audit";
/// File of the remembered heads in the local state of a node.
pub const HEADS_FILE: &str = "heads.json";

/// What failed around a log. What is *wrong in* a log is not an error but a finding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The local disk failed.
    #[error(transparent)]
    Disk(#[from] disk::Error),
    /// The share failed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A read failed.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what this version writes.
    #[error("cannot read '{}': {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A record cannot be written as a line.
    #[error("cannot write the record of '{word}' as a line: {why}")]
    Record {
        /// The event's word.
        word: &'static str,
        /// What is wrong.
        why: String,
    },
}
