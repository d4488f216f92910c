//! The share, as the folder protocol needs it: a dozen primitive operations with raw errors.
//!
//! This is the seam below everything: the real one is [`FolderShare`]; a simulated one can lose replies, serve stale
//! listings and crash its clients between any two calls. The contract is what NFSv3, NFSv4 and SMB give in common, not
//! what POSIX promises: *an error is not an answer* (the operation may have happened), *only a fresh listing tells*, a
//! name that was ever used is never used again, and no operation replaces an existing file that others read by name.

mod anchor;
mod cache;
mod errand;
mod folder;
mod patient;

use std::fmt;
use std::io::Read;
use std::time::Duration;

pub use cache::Cache;
pub use cache::mounted_as;
pub use folder::FolderShare;
pub use patient::PatientShare;

use crate::clock::Timestamp;
use crate::place::Place;

/// How errors name the root itself.
pub const ROOT: &str = "the root";

/// A failed operation: what was attempted, on what, and the raw error number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareError {
    /// The operation, as a verb.
    pub action: &'static str,
    /// The object, relative to the root, escaped for display.
    pub object: String,
    /// The error number of the call (errno(3)); 0 where the failure is ours ([`ShareError::why`]).
    pub errno: i32,
    /// What is wrong, where no call failed.
    pub why: Option<&'static str>,
}

impl ShareError {
    /// Returns the errno as the operating system names it.
    #[must_use]
    pub fn kind(&self) -> nix::errno::Errno {
        nix::errno::Errno::from_raw(self.errno)
    }

    /// Returns whether the operation can never work here, so that trying again is useless: another filesystem,
    /// a name it refuses, a link where a directory belongs.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        use nix::errno::Errno;
        matches!(
            self.kind(),
            Errno::EXDEV
                | Errno::ENAMETOOLONG
                | Errno::EINVAL
                | Errno::ELOOP
                | Errno::ENOTDIR
                | Errno::EILSEQ
        )
    }

    /// Returns what failed and why, without the object: the same for every object that fails alike.
    #[must_use]
    pub fn gist(&self) -> String {
        format!("{}: {}", self.action, self.reason())
    }

    /// Returns whether the call did not return in time: it may still happen.
    #[must_use]
    pub fn is_hang(&self) -> bool {
        self.kind() == nix::errno::Errno::ETIMEDOUT
    }

    /// Returns whether another filesystem than the anchored one is mounted there ([`Share::anchor`]).
    #[must_use]
    pub fn is_other_ground(&self) -> bool {
        self.kind() == anchor::OTHER_GROUND
    }

    /// Returns whether nothing in this folder will work for now, whatever it is called: there is no room, it is
    /// read-only, or nobody answers.
    #[must_use]
    pub fn is_of_the_folder(&self) -> bool {
        use nix::errno::Errno;
        self.is_hang()
            || self.is_other_ground()
            || matches!(
                self.kind(),
                Errno::EROFS
                    | Errno::ENOSPC
                    | Errno::EDQUOT
                    | Errno::ENOTCONN
                    | Errno::ENODEV
                    | Errno::EHOSTDOWN
            )
    }

    fn reason(&self) -> &'static str {
        match self.why {
            Some(why) => why,
            None if self.is_hang() => "the file server does not answer",
            None if self.is_other_ground() => "another filesystem is mounted there now",
            None => self.kind().desc(),
        }
    }

    /// Returns whether the name was not there. A hint only: a cache may lie (R4).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.kind() == nix::errno::Errno::ENOENT
    }
}

impl fmt::Display for ShareError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, object) = (self.action, &self.object);
        match object == ROOT {
            true => write!(out, "cannot {action} the root of the share: ")?,
            false => write!(out, "cannot {action} '{object}' on the share: ")?,
        }
        out.write_str(self.reason())
    }
}

impl std::error::Error for ShareError {}

/// A call that was given up and has not returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hang {
    /// The operation, as a verb.
    pub action: &'static str,
    /// Its object, as in a [`ShareError`].
    pub object: String,
    /// For how long it has not returned.
    pub lasts: Duration,
}

impl Hang {
    /// Returns what other calls fail with meanwhile: the same as long as the same call hangs.
    #[must_use]
    pub fn error(self) -> ShareError {
        ShareError {
            action: self.action,
            object: self.object,
            errno: nix::errno::Errno::ETIMEDOUT as i32,
            why: None,
        }
    }
}

impl fmt::Display for Hang {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, object, lasts) = (self.action, &self.object, self.lasts.as_secs());
        let quote = if object == ROOT { "" } else { "'" };
        write!(
            out,
            "'{action}' of {quote}{object}{quote} has not returned for {lasts} s"
        )
    }
}

/// What kind of directory entry a listing saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file, or a filesystem that does not say.
    File,
    /// A directory.
    Dir,
    /// A link, FIFO, socket or device: never opened.
    Odd,
}

/// One entry of a fresh listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name, where it is UTF-8; others only as bytes.
    pub name: String,
    /// The name as it is on the share, where that is not UTF-8.
    pub raw: Option<Vec<u8>>,
    /// Its kind, as the listing says.
    pub kind: EntryKind,
}

/// What a directory entry's attributes say. For display and for age, never for a decision about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Size in bytes.
    pub bytes: u64,
    /// Last change of the entry by the server's clock (ctime: cannot be set by a client).
    pub changed: Timestamp,
}

/// Takes a listing for that of a whole folder only if it is.
fn whole(at: &Place, listed: (Vec<Listed>, bool)) -> Result<Vec<Listed>, ShareError> {
    match listed {
        (listing, false) => Ok(listing),
        (_, true) => Err(ShareError {
            action: "list",
            object: at.to_string(),
            errno: 0,
            why: Some("it holds more names than can be listed"),
        }),
    }
}

/// The primitive operations. Names are single components; every error is a [`ShareError`].
pub trait Share: Send + Sync {
    /// Lists a folder afresh: opened anew by path, read to the end. One GETATTR on NFS when nothing changed.
    /// A folder of more than [`crate::limits::LIST_NAMES_MAX`] names is an error: absence from a part proves nothing.
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError>;

    /// Lists a folder afresh as far as `max` names, for whoever can work with any part of it. Returns whether there are
    /// more.
    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        let mut listing = self.list(at)?;
        let is_part = listing.len() > max;
        listing.truncate(max);
        Ok((listing, is_part))
    }

    /// Creates a file that must not exist yet (O_EXCL), writes it, syncs it, closes it; each step checked.
    ///
    /// # Durability
    /// The bytes are on the server's disk when it returns (on an export that is `sync`). The name is, after
    /// [`Share::sync`].
    fn create(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError>;

    /// Like [`Share::create`], from a stream, in constant memory. Returns the bytes written.
    fn create_from(&self, at: &Place, name: &str, from: &mut dyn Read) -> Result<u64, ShareError>;

    /// Renames one file to a name never used before. Once. After an error only a listing tells (R3).
    fn rename(&self, from: (&Place, &str), to: (&Place, &str)) -> Result<(), ShareError>;

    /// Renames an entry whose name is not UTF-8 (junk on its way out).
    fn rename_raw(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError>;

    /// Reads a regular file of at most `max` bytes; never follows a link, never blocks on a FIFO.
    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError>;

    /// Opens a regular file for streaming, on the same conditions.
    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError>;

    /// Reads the first bytes of any entry without following or blocking; for reasons inside a killswitch.
    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError>;

    /// Removes a file; one that is not there is as good.
    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError>;

    /// Makes a folder; one that is there is as good.
    fn make_dir(&self, at: &Place) -> Result<(), ShareError>;

    /// Removes an empty folder.
    fn remove_dir(&self, at: &Place) -> Result<(), ShareError>;

    /// Makes the names in a folder durable. Needed on local disks; free on NFS and SMB.
    fn sync(&self, at: &Place) -> Result<(), ShareError>;

    /// Rewrites a small file of fixed size in place, creating it if needed: one write, one sync, on a descriptor kept
    /// open. One writer per name. Readers may see a torn version and must be able to tell.
    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError>;

    /// Writes at an offset of a file that only grows, creating it if needed, and syncs it. One writer per name.
    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError>;

    /// Returns size and age of an entry, without following it.
    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError>;

    /// Returns the server's time, read from a scratch file made and removed in this folder.
    fn server_time(&self, at: &Place, scratch: &str) -> Result<Timestamp, ShareError>;

    /// Returns free bytes.
    fn free_bytes(&self) -> Result<u64, ShareError>;

    /// Returns the share as a person would name it: its path.
    fn title(&self) -> String;

    /// Takes what is mounted at the root now as the ground to stand on: from then on every call that would reach
    /// anything else fails ([`ShareError::is_other_ground`]), until it is anchored anew. So what is proved of the root
    /// after this holds for every later call. A share that cannot be exchanged under its user need not do anything.
    fn anchor(&self) -> Result<(), ShareError> {
        Ok(())
    }

    /// Returns the call that was given up and has not returned, where calls are given up.
    fn hang(&self) -> Option<Hang> {
        None
    }
}
