//! How a server and its clients behave: one value, changed by a test while everything is mounted.

use std::time::Duration;

/// What a rename does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rename {
    /// One step at the server.
    Atomic,
    /// A copy, this pause, and the removal of the source whoever removed it meanwhile: two can win.
    Copies(Duration),
}

/// What "rename unless the target exists" does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReplace {
    /// What it says.
    Kept,
    /// EINVAL, as on NFS.
    Unsupported,
    /// It replaces the target and reports success, as on SMB.
    Ignored,
}

/// What an exclusive create does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusive {
    /// What it says.
    Kept,
    /// The second creator is told that it created, too.
    Ignored,
    /// ENOTSUP.
    Unsupported,
}

/// How names are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Byte for byte.
    Exact,
    /// Kept as given, found in any case.
    Folded,
    /// Cut after so many bytes: two names become one, and a rename to the second overwrites the first.
    Cut(usize),
}

/// Where a client takes its listings from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// From the server, each time.
    Fresh,
    /// From the kernel's cache, until the folder's times change (as NFSv3: nothing is seen within one tick).
    Kernel,
    /// From the client's own cache for so long; its own changes are put into it, others' are not.
    Cached(Duration),
    /// As `Cached`, for ever.
    Frozen,
    /// As `Cached`, and its own changes are not put into it either.
    Blind(Duration),
}

/// Replies that get lost: of the calls that change something, each `every`th is executed and this error returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    pub every: u64,
    pub errno: i32,
}

/// Calls that fail in bursts: of the opens (or of the renames and unlinks of open files), each `every`th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    pub every: u64,
    pub errno: i32,
}

/// The behaviour of a server and its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    pub rename: Rename,
    pub no_replace: NoReplace,
    pub exclusive: Exclusive,
    pub names: Names,
    pub listing: Listing,
    /// How long a client believes in a name that it saw.
    pub name_ttl: Duration,
    /// How long a client believes that a name is absent.
    pub absent_ttl: Duration,
    /// How long a client believes in a file's attributes.
    pub attr_ttl: Duration,
    /// The smallest step of the server's file times.
    pub tick: Duration,
    /// How far the server's clock is ahead, in seconds.
    pub ahead_s: i64,
    /// Replies that get lost.
    pub lost: Option<Lost>,
    /// The error of close(2) after a write, and nowhere before.
    pub close_errno: Option<i32>,
    /// A file that somebody has open cannot be renamed or removed: each so-maniest try fails thus.
    pub busy: Option<Burst>,
    /// Opens fail with ESTALE or the like now and then.
    pub stale: Option<Burst>,
    /// Every change fails with EROFS.
    pub read_only: bool,
    /// Nothing can be written: ENOSPC.
    pub full: bool,
    /// The middle of a file that was written a moment ago reads as NULs.
    pub torn: bool,
    /// Modes are kept as set.
    pub modes: bool,
    /// A file made under this name can be opened by the client alone that made it, as where two hosts have two users.
    pub closed: Option<&'static str>,
    /// How long a client believes in what it read of a large file.
    pub data_ttl: Duration,
}

impl Manner {
    /// A server that does everything right, and clients that remember nothing.
    pub fn honest() -> Self {
        Self {
            rename: Rename::Atomic,
            no_replace: NoReplace::Kept,
            exclusive: Exclusive::Kept,
            names: Names::Exact,
            listing: Listing::Fresh,
            name_ttl: Duration::ZERO,
            absent_ttl: Duration::ZERO,
            attr_ttl: Duration::ZERO,
            tick: Duration::from_nanos(1),
            ahead_s: 0,
            lost: None,
            close_errno: None,
            busy: None,
            stale: None,
            read_only: false,
            full: false,
            torn: false,
            modes: true,
            closed: None,
            data_ttl: Duration::ZERO,
        }
    }

    /// As a Linux NFSv3 client and a server with a coarse clock: absent names are remembered, listings are cached.
    pub fn like_nfs3() -> Self {
        Self {
            no_replace: NoReplace::Unsupported,
            listing: Listing::Kernel,
            absent_ttl: Duration::from_secs(30),
            attr_ttl: Duration::from_secs(3),
            tick: Duration::from_millis(10),
            ..Self::honest()
        }
    }
}
