//! Where things are on a share: lanes and folders, composed from checked names, never parsed from the disk.

use std::fmt;

use crate::id::NodeName;
use crate::id::Party;
use crate::stage::Stage;

/// The folder pair of one sender and one addressee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Who publishes tasks here.
    pub from: NodeName,
    /// Who serves them: a node or a pool.
    pub to: Party,
}

impl Lane {
    /// Returns the lane from one node to another party.
    #[must_use]
    pub const fn new(from: NodeName, to: Party) -> Self {
        Self { from, to }
    }

    /// Returns the name of the pool that serves this lane; `None` where a node serves it alone.
    #[must_use]
    pub fn pool(&self) -> Option<NodeName> {
        self.to.pool()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&format!("{}-to-{}", self.from, self.to))
    }
}

/// A folder of a share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The root itself: identity and killswitches.
    Root,
    /// `heartbeats/`
    Heartbeats,
    /// `log/`
    Logs,
    /// `log/<node>/`
    Log(NodeName),
    /// `<lane>/`
    Lane(Lane),
    /// `<lane>/<stage>/`
    Stage(Lane, Stage),
    /// `<lane>/done/<YYYY-MM-DD>/`
    Day(Lane, String),
}

impl Place {
    /// Returns the path below the root; empty for the root itself.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Heartbeats => "heartbeats".to_owned(),
            Self::Logs => "log".to_owned(),
            Self::Log(node) => format!("log/{node}"),
            Self::Lane(lane) => lane.to_string(),
            Self::Stage(lane, stage) => format!("{lane}/{stage}"),
            Self::Day(lane, day) => format!("{lane}/done/{day}"),
        }
    }

    /// Returns the folders that must be there for a lane, outermost first.
    #[must_use]
    pub fn of_lane(lane: &Lane) -> Vec<Self> {
        let mut places = vec![Self::Lane(lane.clone())];
        places.extend(
            Stage::ALL
                .iter()
                .map(|stage| Self::Stage(lane.clone(), *stage)),
        );
        places
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => out.write_str("the root"),
            place => write!(out, "{}/", place.path()),
        }
    }
}
