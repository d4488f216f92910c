//! What an executor is told: everything is decided by the watcher, nothing by the task alone.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::clock::BootTime;
use crate::clock::Clock;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::planted;
use crate::planted::Bug;
use crate::profile::Profile;

/// The right to start one agent, for half a second from the last look at the killswitch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// When the root was last listed without a killswitch: taken before that listing was asked for.
    pub looked: BootTime,
}

impl Permit {
    /// Returns whether the permit is still good.
    #[must_use]
    pub fn is_good(&self, clock: &dyn Clock) -> bool {
        let now = clock.boot();
        if planted::is(Bug::PermitIgnored) {
            return true;
        }
        now >= self.looked && now.since(self.looked) <= limits::PERMIT_LIFE
    }
}

/// Where a task stands among those that were made on behalf of one another. What it sends itself goes on from there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// How many tasks it was made on behalf of.
    pub hop: u32,
    /// The first task of the line, where it is not this one.
    pub root: Option<TaskId>,
    /// The sender's own label for a conversation.
    pub correlation: Option<String>,
}

/// The orders for one attempt; `plan.json` of its run directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this format: 1.
    pub version: u32,
    /// The task.
    pub task: TaskId,
    /// The claim without `.json`; names the run directory and fences the result.
    pub claim: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Who asked, as proved by the seal.
    pub from: Party,
    /// What it was made on behalf of.
    #[serde(default)]
    pub lineage: Lineage,
    /// How it is run: the receiver's profile.
    pub profile: Profile,
    /// Whether the dangerous mode of the agent is on: asked for, allowed by policy, and approved where that is
    /// required.
    pub dangerous: bool,
    /// Running time allowed: the narrower of task and profile.
    pub timeout: Duration,
    /// Silence allowed: the narrower of task and profile.
    pub stall: Option<Duration>,
    /// Output kept, in bytes: the narrower of task and profile.
    pub max_output_bytes: u64,
    /// When it was handed over, on CLOCK_BOOTTIME.
    pub handed: BootTime,
    /// Until when it may run unless that is extended ([`super::Runner::extend`]), on CLOCK_BOOTTIME; without a bound of
    /// this kind where a node serves its lane alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<BootTime>,
}
