//! A lane that several nodes serve: what differs from a lane that one node serves alone (`docs/QUEUE.md`, Pools).
//!
//! | file | arrow |
//! |---|---|
//! | `candidate` | is this task in `inbox/` one for us, now? |
//! | `claim` | `inbox/` → `processing/`, into a free slot, behind a lease |
//! | `lease` | what says that a claim is alive, and until when its owner may go on |
//! | `permit` | what a start needs in a pool: a lease, an attempt that is left, a grant |
//! | `look` | at the claims of others and at one's own |
//! | `reap` | a claim that nobody beats → `inbox/`, or an outcome |
//! | `release` | a claim of our own that will not be started → `inbox/` |
//! | `fence` | a claim of our own that another has → kept as late |
//!
//! Everything here is reached from the arrows of the life of a task, and only for lanes of pools. What is in memory may
//! be lost: leases are resumed from the journal, and what was observed of others is observed anew.

mod candidate;
mod claim;
pub(crate) mod fence;
pub(crate) mod lease;
mod look;
pub(crate) mod permit;
mod reap;
pub(crate) mod release;
mod sender;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use super::Error;
use super::Node;
use super::cancel;
use super::hold;
use super::park;
use super::start;
use crate::clock::BootTime;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::journal::Known;
use crate::journal::Phase;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::slots;
use crate::stage::Stage;

/// What a node remembers of the pools it is a member of.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// The claims it holds.
    held: BTreeMap<TaskId, lease::Held>,
    /// The claims of others, as last seen.
    sights: BTreeMap<look::Key, look::Sight>,
    /// The first of them that the last look did not come to.
    looked_to: HashMap<Lane, look::Key>,
    /// Leases of others beside which no claim lies, with when they were first seen so.
    lone: BTreeMap<(Lane, String), BootTime>,
    /// When each lane was last looked at, and whether anything was there to look at again soon.
    looks: HashMap<Lane, look::Last>,
    /// Entries of inboxes that were read and are left where they are for now.
    passed_over: HashMap<(Lane, String), candidate::Left>,
    /// Claims that wait for the word of the sender's node.
    grants: HashMap<TaskId, permit::Asked>,
    /// Tasks about which such a word lies in `control/`, as last listed.
    said: HashMap<Lane, BTreeSet<TaskId>>,
    /// What was last seen of the nodes of senders.
    senders: HashMap<NodeName, sender::Sign>,
}

impl Pool {
    /// Forgets what was observed of others: it was seen on ground that is in doubt.
    pub(super) fn doubt(&mut self) {
        self.sights.clear();
        self.lone.clear();
        self.looks.clear();
    }
}

/// Serves one lane of a pool for one round. Returns how many tasks were claimed.
pub(super) fn serve(node: &mut Node, lane: &Lane) -> Result<usize, Error> {
    if node.may_pool() {
        look::pass(node, lane)?;
    }
    node.retry_strays(lane)?;
    let is_ours = !node.now.beats.is_foreign_to(&lane.from);
    let mut queued = if is_ours && node.may_pool() && node.now.view.trouble.is_none() {
        claim::candidates(node, lane)?
    } else {
        Vec::new()
    };
    let control = if node.expects_control(lane) || !queued.is_empty() {
        node.controls(lane)?
    } else {
        let control = Place::Stage(lane.clone(), Stage::Control);
        node.now.fresh.leave(&control);
        Vec::new()
    };
    hold::leave_closed(node, lane, &mut queued, &control);
    let taken = claim::pass(node, lane, queued, &control)?;
    cancel::pass(node, lane, &control)?;
    hold::pass(node, lane, &control)?;
    if node.may_judge() {
        park::decisions(node, lane, &control)?;
    }
    park::unpark_approved(node, lane)?;
    permit::note(node, lane, &control);
    Ok(taken)
}

/// Whether a task came by the lane of a pool.
pub(super) fn is_pooled(known: &Known) -> bool {
    known.to.pool().is_some()
}

/// Whether the own term of a claim of a pool is over: no start rests on it any more.
pub(super) fn is_over(node: &Node, id: TaskId) -> bool {
    let is_pooled = node.journal.known(id).is_some_and(is_pooled);
    is_pooled && lease::until(node, id).is_none_or(|until| node.clock.boot() >= until)
}

/// How many starts of a task a listing of `processing/` shows, but for those under this claim: markers.
fn starts_in(listing: &[Listed], id: TaskId, but: Option<&ClaimName>) -> u32 {
    let others: BTreeSet<ClaimName> = listing
        .iter()
        .filter_map(|entry| ClaimName::of_marker(&entry.name))
        .map(|claim| claim.untaken())
        .filter(|claim| claim.id == id && but != Some(claim))
        .collect();
    u32::try_from(others.len()).unwrap_or(u32::MAX)
}

/// The attempts that hold a slot, or will as soon as they are started: what runs, and what is claimed for a slot.
fn slots_in_use(node: &Node) -> Vec<slots::Running> {
    let mut used: Vec<slots::Running> = node.now.running.values().cloned().collect();
    let claimed = node.now.pool.held.iter().filter(|(id, _)| {
        let phase = node.journal.known(**id).map(|known| known.phase);
        phase.is_none_or(|phase| phase == Phase::Admitted) && !node.now.running.contains_key(id)
    });
    used.extend(claimed.filter_map(|(_, held)| held.wants.clone()));
    used
}

/// How many more tasks may be claimed: slots that are free, and that no task here waits for.
fn free_slots(node: &Node) -> usize {
    let free = slots::free(node.settings.slots, &slots_in_use(node));
    let waiting = node.now.waiting.iter().filter(|(_, _, id)| {
        let alone = node
            .journal
            .known(*id)
            .is_some_and(|known| !is_pooled(known));
        alone && start::is_due(node, *id)
    });
    free.saturating_sub(waiting.count())
}

/// The tasks that the sender wants this member to end, by the names of the documents.
fn unwanted(node: &Node, control: &[ControlName]) -> BTreeMap<TaskId, ControlName> {
    let me = ControlKind::Cancel(Some(node.settings.node.clone()));
    let mine = control.iter().filter(|name| name.kind == me);
    mine.map(|name| (name.id, name.clone())).collect()
}

/// What this node knows of a task that it held before, or that others started: it counts for a fresh claim of it.
///
/// # Errors
/// [`Error::Share`]: nothing is known of other starts; nothing may be recorded.
pub(super) fn inherit(node: &Node, claim: &ClaimName, known: &mut Known) -> Result<(), Error> {
    if !is_pooled(known) {
        return Ok(());
    }
    let processing = Place::Stage(known.lane(), Stage::Processing);
    // After the claim: this client changed that folder, so the listing is of now (R5).
    let listing = node.transport.list(&processing)?;
    known.starts = starts_in(&listing, claim.id, Some(claim));
    if let Some(left) = node.journal.left(claim.id) {
        known.starts = known.starts.max(left.starts);
        known.misses = left.misses;
        known.spared = left.spared;
        known.tried.clone_from(&left.tried);
        known.approval.clone_from(&left.approval);
    }
    Ok(())
}

/// Every marker of these tasks, with its task: whoever commits one removes them all.
///
/// # Errors
/// [`Error::Share`]: they are removed when that is tried again.
pub(super) fn markers(
    node: &Node,
    lane: &Lane,
    ids: &[TaskId],
) -> Result<Vec<(TaskId, String)>, Error> {
    if lane.pool().is_none() {
        return Ok(Vec::new());
    }
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let listing = node.transport.list(&processing)?;
    let of = |name: &str| Some(ClaimName::of_marker(name)?.id).filter(|id| ids.contains(id));
    let found = listing
        .into_iter()
        .filter_map(|entry| Some((of(&entry.name)?, entry.name)));
    Ok(found.collect())
}

/// How long a round may be put off at most, where claims are held or looked at.
#[must_use]
pub(super) fn patience(node: &Node) -> Option<std::time::Duration> {
    let busy = !node.now.pool.held.is_empty() || node.now.pool.looks.values().any(|last| last.busy);
    busy.then_some(limits::LEASE_BEAT / 2)
}
