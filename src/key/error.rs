//! What can be wrong with a key file: one variant for each thing, so that a message names exactly that.

use std::io;
use std::path::PathBuf;

use super::BadKey;
use super::FILE_BYTES_MAX;
use crate::disk;

/// Why a key file is not used or not made. Each says what could be wrong about one thing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be opened or asked about.
    #[error("cannot {action} '{}': {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It is a symbolic link.
    #[error("cannot use key '{}': it is a symbolic link", .0.display())]
    Link(PathBuf),
    /// It is a directory, a FIFO, a socket or a device.
    #[error("cannot use key '{}': it is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It has other names.
    #[error("cannot use key '{}': it has {links} names (hard links)", path.display())]
    Linked {
        /// The key file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// Somebody else owns it.
    #[error("cannot use key '{}': it belongs to user {owner}", path.display())]
    Owner {
        /// The key file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Group or others may do something with it.
    #[error("cannot use key '{}': its mode is {mode:04o}, not 0600 or 0400", path.display())]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else owns a directory above it.
    #[error("cannot use key '{}': directory '{}' belongs to user {owner}", path.display(), directory.display())]
    DirectoryOwner {
        /// The key file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Group or others may change a directory above it.
    #[error(
        "cannot use key '{}': others can write to directory '{}' (mode {mode:04o})",
        path.display(),
        directory.display()
    )]
    DirectoryMode {
        /// The key file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It lies on the share it is to protect.
    #[error("cannot use key '{}': it lies on the share '{}'", path.display(), root.display())]
    OnShare {
        /// The key file.
        path: PathBuf,
        /// The root of the share.
        root: PathBuf,
    },
    /// Other machines can read it.
    #[error("cannot use key '{}': it lies on {kind}, not on a local disk", path.display())]
    Remote {
        /// The key file.
        path: PathBuf,
        /// The filesystem.
        kind: &'static str,
    },
    /// A sync program copies it to other machines.
    #[error("cannot use key '{}': {program} copies '{}' elsewhere", path.display(), directory.display())]
    Synced {
        /// The key file.
        path: PathBuf,
        /// The folder that is copied.
        directory: PathBuf,
        /// What copies it.
        program: &'static str,
    },
    /// It is larger than any key.
    #[error("cannot use key '{}': more than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// What is in it is not a key.
    #[error("cannot use key '{}': {source}", path.display())]
    Content {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        source: BadKey,
    },
    /// Two files hold keys of one id between the same parties.
    #[error("cannot use key '{}': '{}' has the same id between the same parties", path.display(), other.display())]
    Twice {
        /// The key file that is not used.
        path: PathBuf,
        /// The one that is.
        other: PathBuf,
    },
    /// The local disk failed.
    #[error(transparent)]
    Disk(#[from] disk::Error),
}

impl Error {
    /// Returns whether it says nothing of the key, because a call failed that may succeed later: a file that is closed
    /// or cannot be read now, a process without descriptors. What is gone is no such thing.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() != io::ErrorKind::NotFound,
            Self::Disk(disk::Error::Io { source, .. }) => source.kind() != io::ErrorKind::NotFound,
            _ => false,
        }
    }
}
