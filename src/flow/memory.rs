//! What a node remembers between two rounds and may forget.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Fitness;
use super::Ticket;
use super::View;
use super::Vigil;
use super::beat;
use super::commit;
use super::fresh;
use super::gc;
use super::grant;
use super::pool;
use super::receipt;
use super::skew;
use super::slots;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Card;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::outcome::Status;
use crate::place::Lane;

/// The part of a node that a crash may lose.
#[derive(Debug, Default)]
pub struct Memory {
    /// Admitted tasks that wait for a slot, first served first.
    pub(crate) waiting: BTreeSet<Ticket>,
    /// The profiles of tasks that were proved and then lacked what these need.
    pub(crate) profiles: HashMap<TaskId, ProfileName>,
    /// Tasks that are not tried again before this: not-before, or after a start that did not happen.
    pub(crate) not_before: HashMap<TaskId, BootTime>,
    /// How often a task could not be started, by no lack of time.
    pub(crate) misses: HashMap<TaskId, u32>,
    /// Attempts that run, with what they hold.
    pub(crate) running: BTreeMap<TaskId, slots::Running>,
    /// Those of them whose run directory this process made or saw.
    pub(crate) handed: HashSet<TaskId>,
    /// Those of them that somebody wants ended, and why, in that person's words: an executor knows only that.
    pub(crate) stops: HashMap<TaskId, (Status, String)>,
    /// Those that were not yet seen to have started, with what is told when they are permitted to.
    pub(crate) starting: BTreeMap<TaskId, Option<Event>>,
    /// Tasks whose outcome is decided and not yet closed.
    pub(crate) decided: BTreeSet<TaskId>,
    /// Decided tasks whose file is nowhere on the share, with when to look for it again.
    pub(crate) orphans: BTreeMap<TaskId, BootTime>,
    /// Those of them that were looked for in vain before, by this process.
    pub(crate) gone: HashSet<TaskId>,
    /// Lanes that were looked through for strays, and in which nothing happened since that could have left one.
    pub(crate) searched: BTreeSet<Lane>,
    /// When all of them are looked through in any case: a rename that was given up may be executed long after.
    pub(crate) search: Option<BootTime>,
    /// Lanes whose `control/` held something when last listed.
    pub(crate) controls: BTreeSet<Lane>,
    /// Files in `processing/` of this node that could not be read or judged yet, with when they were first seen.
    pub(crate) strays: BTreeMap<(Lane, ClaimName), BootTime>,
    /// When those of a lane were last tried again.
    pub(crate) strays_tried: HashMap<Lane, BootTime>,
    /// Tasks whose start may have been interrupted before this process began: their claim gets a fresh name first.
    pub(crate) suspects: HashSet<TaskId>,
    /// When tasks of a peer were admitted, for its quota.
    pub(crate) admissions: HashMap<NodeName, Vec<Timestamp>>,
    /// The folders that are listened to, as last seen.
    pub(crate) fresh: fresh::Fresh,
    /// Whether one of them held other names in this round than before.
    pub(crate) news: bool,
    /// Control documents that lie in a lane, already judged and found wanting.
    pub(crate) wanting: HashMap<Lane, HashSet<String>>,
    /// Tasks whose start waits for a cancel that cannot be read, with since when.
    pub(crate) unread: HashMap<TaskId, BootTime>,
    /// Junk seen in an inbox, with when it was first seen.
    pub(crate) junk: HashMap<(Lane, String), BootTime>,
    /// When old files are looked for next.
    pub(crate) sweep: Option<BootTime>,
    /// Whether more outcomes lie in `done/` of some lane than should.
    pub(crate) crowded: bool,
    /// How long outcomes are kept; for ever, where `None`.
    pub(crate) keep: Option<Duration>,
    /// How many bytes of them are kept in each lane; any number, where `None`.
    pub(crate) keep_bytes: Option<u64>,
    /// How much the days of `done/` hold.
    pub(crate) weights: gc::Weights,
    /// Lanes in which something could not be set aside, with when that is tried again.
    pub(crate) refuse_again: HashMap<Lane, BootTime>,
    /// What is known of the pools it is a member of.
    pub(crate) pool: pool::Pool,
    /// Tasks whose senders want to be told how far they are.
    pub(crate) receipts: BTreeMap<TaskId, receipt::Told>,
    /// Who beats beside the rounds, where anybody does.
    pub(crate) vigil: Option<Arc<Vigil>>,
    /// What may be done on the share.
    pub(crate) fitness: Fitness,
    /// Why the operator drains this node, if so.
    pub(crate) drain: Option<String>,
    /// What it says that it can do.
    pub(crate) card: Card,
    /// Whether this watcher is about to end.
    pub(crate) leaving: bool,
    /// How far this host's clock is from the server's.
    pub(crate) skew: skew::Skew,
    /// Names of decided outcomes that may not be read, with since when, and how often that was seen.
    pub(crate) barred: BTreeMap<(TaskId, String), (BootTime, u32)>,
    /// Lanes in which nothing could be committed.
    pub(crate) commit_again: BTreeMap<Lane, commit::Pause>,
    /// What the last round saw of the share.
    pub(crate) view: View,
    /// Why tasks wait, as last found; for `dispatch why`.
    pub(crate) beats: beat::Beats,
    /// What this node saw of the claims of pools that it asks.
    pub(crate) looks: grant::Looks,
    /// Events that were told once and not again until they change.
    pub(crate) told: HashMap<&'static str, HashSet<String>>,
}
