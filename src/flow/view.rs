//! What a node sees of the share in one round: is it ours, is it halted, can anything start.

use std::fmt;

use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::killswitch::State;
use crate::limits;
use crate::share::ShareError;

/// Why nothing new is started on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A killswitch, or a local halt.
    Halted(String),
    /// The share cannot be listed.
    ShareLost(ShareError),
    /// The folder is not a share of ours: no `dispatch.json` (an empty mount point?), or another identity.
    NotOurs(String),
    /// Too little free space.
    DiskLow(u64),
    /// Too little free space on this node's own disk.
    SpoolLow(u64),
    /// The share can be read and not be written: read-only, full, a quota that is spent.
    Unwritable(ShareError),
    /// The wall clock went back: to before this moment, which the journal has seen.
    ClockBack(Timestamp),
    /// The wall clock is so many seconds ahead of the server's; behind where negative.
    ClockOff(i64),
    /// A second node of this name is alive.
    Foreign,
    /// Keys are kept that cannot be read now: one may have been revoked.
    KeysUnread(String),
    /// An examination refused the share.
    Refused(String),
    /// The operator drains this node: why, in words of theirs that may be empty.
    Draining(String),
}

impl Trouble {
    /// Returns the word used in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Halted(_) => "halted",
            Self::ShareLost(_) => "share_lost",
            Self::NotOurs(_) => "not_ours",
            Self::DiskLow(_) => "disk_low",
            Self::SpoolLow(_) => "spool_low",
            Self::Unwritable(_) => "unwritable",
            Self::ClockBack(_) => "clock_back",
            Self::ClockOff(_) => "clock_off",
            Self::Foreign => "foreign",
            Self::KeysUnread(_) => "keys_unread",
            Self::Refused(_) => "share_refused",
            Self::Draining(_) => "draining",
        }
    }

    /// Returns whether this host's clock cannot be judged by.
    #[must_use]
    pub const fn is_of_the_clock(&self) -> bool {
        matches!(self, Self::ClockBack(_) | Self::ClockOff(_))
    }

    /// Returns whether it is the same trouble with other numbers, or about another object: no news.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::DiskLow(_), Self::DiskLow(_))
            | (Self::SpoolLow(_), Self::SpoolLow(_))
            | (Self::ClockBack(_), Self::ClockBack(_))
            | (Self::Draining(_), Self::Draining(_))
            | (Self::KeysUnread(_), Self::KeysUnread(_))
            | (Self::Refused(_), Self::Refused(_))
            | (Self::ClockOff(_), Self::ClockOff(_)) => true,
            (Self::Unwritable(one), Self::Unwritable(other)) => one.errno == other.errno,
            (Self::ShareLost(one), Self::ShareLost(other)) => {
                one.errno == other.errno && one.why == other.why
            }
            _ => self == other,
        }
    }

    /// Returns whether the share itself fails.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::ShareLost(_) | Self::NotOurs(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted(why) => write!(out, "halted: {why}"),
            Self::ShareLost(error) => write!(out, "share lost: {error}"),
            Self::NotOurs(why) => write!(out, "not our share: {why}"),
            Self::DiskLow(free) => write!(out, "share full: {free} bytes free"),
            Self::SpoolLow(free) => write!(out, "local disk full: {free} bytes free"),
            Self::Unwritable(error) => write!(out, "share cannot be written: {}", error.gist()),
            Self::ClockBack(latest) => write!(
                out,
                "the wall clock was set back; starts go on when it is set right, or has passed {latest}"
            ),
            Self::ClockOff(ahead) => write!(
                out,
                "the wall clock is {} s {} the file server's, {} s are forgiven; set both by NTP",
                ahead.unsigned_abs(),
                if *ahead > 0 { "ahead of" } else { "behind" },
                limits::SKEW.as_secs()
            ),
            Self::Foreign => out.write_str("a second node of this name is alive"),
            Self::Refused(why) => write!(out, "the share is refused by {why}"),
            Self::KeysUnread(why) => write!(
                out,
                "keys cannot be read, nothing starts or is refused until they can: {why}"
            ),
            Self::Draining(why) => {
                out.write_str("drained: finishes what runs, takes nothing new")?;
                match why.as_str() {
                    "" => Ok(()),
                    why => write!(out, " ({why})"),
                }
            }
        }
    }
}

/// What may be done on the share, by what an examination of it found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fitness {
    /// Everything.
    #[default]
    Pools,
    /// Nothing of a pool is claimed, started or taken over: several claimants may not be safe there, or that is not
    /// known now. What runs goes on.
    Alone(String),
    /// Nothing is taken in or started.
    Nothing(String),
}

/// What the last look at the share showed.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// When it was taken, before the root was listed.
    pub looked: BootTime,
    /// Why nothing starts, if so.
    pub trouble: Option<Trouble>,
    /// The killswitches that were seen.
    pub switch: Option<State>,
    /// Free bytes, as last asked.
    pub free_bytes: Option<u64>,
    /// When free bytes were last asked.
    pub asked: BootTime,
    /// When the root was last proved to be ours, unless something was wrong with it since.
    pub proved: Option<BootTime>,
    /// The identity of the root that was proved first.
    pub identity: Option<String>,
    /// Since when the share is lost, if it is.
    pub lost_since: Option<BootTime>,
    /// What failed when something was last written, and when it is tried again; `None` once it worked.
    pub unwritable: Option<(ShareError, BootTime)>,
}
