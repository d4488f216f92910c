//! A look at the claims of a pool: those of others, which are taken when nobody beats them, and our own, which another
//! may have taken.
//!
//! A claim is dead when its lease did not change for a term of this node's own CLOCK_BOOTTIME, over some looks that all
//! succeeded. What was seen is only in memory: a node that starts anew waits a whole term.

use std::collections::BTreeSet;

use super::Error;
use super::Node;
use super::fence;
use super::lease;
use super::reap;
use crate::clock::BootTime;
use crate::entry::ClaimName;
use crate::id::Digest;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::stage::Stage;

/// A claim of another, where it lies.
pub(crate) type Key = (Lane, Stage, ClaimName);

/// A claim that is to be taken, and why.
pub(super) type Dead = (Stage, ClaimName, &'static str);

/// What was last seen of a claim of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The bytes of its lease, where it has one.
    print: Option<Digest>,
    /// Since when they are the same.
    since: BootTime,
    /// How many looks saw them.
    looks: u32,
}

/// The last look at a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    at: BootTime,
    /// Whether there was anything that makes it worth looking again soon.
    pub(super) busy: bool,
}

impl Sight {
    const fn first(print: Option<Digest>, now: BootTime) -> Self {
        Self {
            print,
            since: now,
            looks: 1,
        }
    }

    /// What is known after one more successful look.
    fn after(self, print: Option<Digest>, now: BootTime) -> Self {
        if self.print == print {
            let looks = self.looks.saturating_add(1);
            return Self { looks, ..self };
        }
        Self::first(print, now)
    }

    /// Whether a lease lay beside the claim when it was last seen.
    pub(super) const fn had_lease(&self) -> bool {
        self.print.is_some()
    }

    fn is_expired(&self, now: BootTime) -> bool {
        self.looks >= limits::LEASE_LOOKS_MIN && now.since(self.since) >= limits::LEASE_TERM
    }
}

/// Looks where it is time, or where something may lie that the journal does not expect.
pub(super) fn pass(node: &mut Node, lane: &Lane) -> Result<(), Error> {
    let now = node.clock.boot();
    let is_due = node.now.pool.looks.get(lane).is_none_or(|last| {
        let pace = if last.busy {
            limits::REAP_LOOK
        } else {
            limits::SLOW_LOOK
        };
        now.since(last.at) >= pace
    });
    if !is_due && node.now.searched.contains(lane) {
        return Ok(());
    }
    // Before looking: what happens while it is looked through asks for another look.
    node.now.searched.insert(lane.clone());
    let looked = once(node, lane, now);
    let busy = match &looked {
        Ok(busy) => *busy,
        Err(_) => {
            // A look that failed says nothing, and neither does what was seen before it.
            node.now
                .pool
                .sights
                .retain(|(place, _, _), _| place != lane);
            true
        }
    };
    let busy = busy || lease::is_held_in(node, lane);
    let last = Last { at: now, busy };
    node.now.pool.looks.insert(lane.clone(), last);
    looked.map(drop)
}

/// One look. Returns whether others hold anything there.
fn once(node: &mut Node, lane: &Lane, now: BootTime) -> Result<bool, Error> {
    let stages = [Stage::Processing, Stage::PendingAck];
    let mut listings = Vec::new();
    for stage in stages {
        match node.transport.list(&Place::Stage(lane.clone(), stage)) {
            // A lane of a peer that never sent anything is not laid out yet.
            Err(error) if error.is_absent() => return Ok(false),
            other => listings.push(other?),
        }
    }
    let names: BTreeSet<&str> = listings
        .iter()
        .flatten()
        .map(|entry| entry.name.as_str())
        .collect();
    find_lost(node, lane, &names)?;
    let (mut foreign, mut orphans) = (Vec::new(), Vec::new());
    for (stage, listing) in stages.iter().zip(&listings) {
        for claim in listing
            .iter()
            .filter_map(|entry| ClaimName::parse(&entry.name))
        {
            match whose(node, lane, &claim) {
                Whose::Ours => {}
                Whose::Orphan => orphans.push((*stage, claim, "this node does not know of it")),
                Whose::Theirs => foreign.push((lane.clone(), *stage, claim)),
            }
        }
    }
    let is_foreign = !foreign.is_empty();
    let here: BTreeSet<&Key> = foreign.iter().collect();
    node.now
        .pool
        .sights
        .retain(|key, _| key.0 != *lane || here.contains(key));
    drop(here);
    let (mut dead, is_part) = observe_all(node, lane, foreign, &names, now);
    clear_leases(node, lane, &names, now);
    dead.extend(orphans);
    let is_more = reap::all(node, lane, dead, now)?;
    if is_part || is_more {
        node.search_again(lane);
    }
    Ok(is_foreign)
}

/// Looks at the leases of others' claims. Anybody can plant claims by the thousand: a bounded number of leases is read
/// at a look, and the next look, in the next round, begins where this one ended. A claim that was not looked at is only
/// seen later; what is concluded rests on what was seen. Returns what is dead, and whether leases are left to be read.
fn observe_all(
    node: &mut Node,
    lane: &Lane,
    mut claims: Vec<Key>,
    names: &BTreeSet<&str>,
    now: BootTime,
) -> (Vec<Dead>, bool) {
    claims.sort();
    if let Some(next) = node.now.pool.looked_to.remove(lane) {
        let begin = claims.partition_point(|key| *key < next);
        claims.rotate_left(begin);
    }
    let (mut dead, mut reads) = (Vec::new(), 0);
    for key in claims {
        let has_lease = key.2.taken.is_none() && names.contains(key.2.lease().as_str());
        if has_lease {
            if reads == limits::STRAYS_MAX || node.clock.boot().since(now) >= limits::HALT_LOOK {
                node.now.pool.looked_to.insert(lane.clone(), key);
                return (dead, true);
            }
            reads += 1;
        }
        if observe(node, lane, &key.2, names, &key, now) {
            dead.push((key.1, key.2, "nobody beat it for a term"));
        }
    }
    (dead, false)
}

enum Whose {
    /// Ours, and on record; or about a task of which this node holds another claim, and therefore left alone.
    Ours,
    /// In our name, and not on record: a crash came between the claim and the record, the claim was executed late, or
    /// somebody planted it.
    Orphan,
    /// Another member's, or taken.
    Theirs,
}

fn whose(node: &Node, lane: &Lane, claim: &ClaimName) -> Whose {
    let is_stray = || node.now.strays.contains_key(&(lane.clone(), claim.clone()));
    if node.journal.known(claim.id).is_some() || is_stray() {
        return Whose::Ours;
    }
    if claim.node == node.settings.node && claim.taken.is_none() {
        return Whose::Orphan;
    }
    Whose::Theirs
}

/// Looks at the lease of a claim. Returns whether it is expired.
fn observe(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    names: &BTreeSet<&str>,
    key: &(Lane, Stage, ClaimName),
    now: BootTime,
) -> bool {
    let is_by_wall = planted::is(Bug::LeaseByWallClock);
    let by_wall = |node: &Node| BootTime(node.clock.wall().unix().unsigned_abs() * 1000);
    let asked = if is_by_wall { by_wall(node) } else { now };
    let print = match print(node, lane, claim, names) {
        Ok(print) => print,
        Err(()) => {
            node.now.pool.sights.remove(key);
            return false;
        }
    };
    // Bytes that are new may have been written until the answer came; those that are the same were so when it was asked
    // for them at the latest. A call can take half a minute, and an owner that beat meanwhile would be taken too early
    // by as much.
    let answered = match is_by_wall {
        true => by_wall(node),
        false => node.clock.boot(),
    };
    let sight = match node.now.pool.sights.remove(key) {
        Some(before) => before.after(print, answered),
        None => Sight::first(print, answered),
    };
    let expired = sight.is_expired(asked);
    node.now.pool.sights.insert(key.clone(), sight);
    expired
}

/// The bytes of a lease, where there is one. A claim that was taken has none. An error says nothing.
fn print(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    names: &BTreeSet<&str>,
) -> Result<Option<Digest>, ()> {
    let name = claim.lease();
    if claim.taken.is_some() || !names.contains(name.as_str()) {
        return Ok(None);
    }
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    match node
        .transport
        .read(&processing, &name, limits::CONTROL_BYTES_MAX)
    {
        Ok(bytes) => Ok(Some(Digest::of(&bytes))),
        // Not a file, or too large for a lease: it never is one.
        Err(error) if error.why.is_some() || error.kind() == nix::errno::Errno::ELOOP => Ok(None),
        Err(_) => Err(()),
    }
}

/// Claims that the journal holds and that are not where it says: seen once more after an own change, then lost.
fn find_lost(node: &mut Node, lane: &Lane, names: &BTreeSet<&str>) -> Result<(), Error> {
    let missing: Vec<TaskId> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| known.lane() == *lane && known.phase != Phase::Decided)
        .filter(|(_, known)| {
            let file = known.file.as_ref().unwrap_or(&known.claim);
            !names.contains(format!("{file}.json").as_str())
        })
        .map(|(id, _)| id)
        .collect();
    for id in missing {
        if fence::is_gone(node, lane, id)? {
            fence::lost(node, id)?;
        }
    }
    Ok(())
}

/// Removes leases beside which no claim lies: our own at once, those of others after a term.
fn clear_leases(node: &mut Node, lane: &Lane, names: &BTreeSet<&str>, now: BootTime) {
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let lone: Vec<ClaimName> = names
        .iter()
        .filter_map(|name| ClaimName::of_lease(name))
        .filter(|claim| !names.contains(claim.to_string().as_str()))
        .collect();
    let mut seen = BTreeSet::new();
    for claim in lone {
        let name = claim.lease();
        if claim.node == node.settings.node && lease::held(node, claim.id) != Some(&claim) {
            let _ = node.transport.remove(&processing, &name);
            continue;
        }
        let key = (lane.clone(), name);
        let listed = node.clock.boot();
        let first = *node.now.pool.lone.entry(key.clone()).or_insert(listed);
        if now.since(first) >= limits::LEASE_TERM {
            // What stays is removed by the next look.
            let _ = node.transport.remove(&processing, &key.1);
        } else {
            seen.insert(key);
        }
    }
    node.now
        .pool
        .lone
        .retain(|key, _| key.0 != *lane || seen.contains(key));
}
