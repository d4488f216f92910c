//! What a node sees of the share in one round: is it ours, is it halted, can anything start.

use std::fmt;

use crate::clock::BootTime;
use crate::killswitch::State;
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
    /// The wall clock went back.
    ClockBack,
    /// A second node of this name is alive.
    Foreign,
    /// The operator drains this node.
    Draining,
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
            Self::ClockBack => "clock_back",
            Self::Foreign => "foreign",
            Self::Draining => "draining",
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
            Self::ClockBack => out.write_str("the wall clock was set back"),
            Self::Foreign => out.write_str("a second node of this name is alive"),
            Self::Draining => out.write_str("draining: finishes what runs, takes nothing new"),
        }
    }
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
    /// When free bytes and identity were last asked.
    pub asked: BootTime,
}
