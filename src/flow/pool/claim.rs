//! `inbox/` → `processing/` in a pool: into a free slot, behind a lease.
//!
//! A crash before the rename leaves a lease without a claim, which goes after a term; a crash after it leaves a claim
//! that the journal of its owner does not know, which its owner takes at once, and others after a term.

use std::collections::HashSet;

use super::Error;
use super::Node;
use super::candidate;
use super::candidate::Choice;
use super::free_slots;
use super::lease;
use super::unwanted;
use crate::entry::ControlName;
use crate::flow::admit;
use crate::flow::admit::Queued;
use crate::flow::cancel;
use crate::flow::junk;
use crate::flow::receive;
use crate::id::Digest;
use crate::id::Priority;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::slots;
use crate::stage::Stage;
use crate::transport::Advance;

/// Lists what waits in `inbox/`, in the order in which this member tries it.
pub(super) fn candidates(node: &mut Node, lane: &Lane) -> Result<Vec<Queued>, Error> {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let (listing, is_part) = match node.transport.list_part(&inbox, limits::INBOX_NAMES_MAX) {
        // A lane of a peer that never sent anything is not laid out yet.
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        other => other?,
    };
    admit::note_flood(node, lane, is_part);
    node.saw(&inbox, &listing);
    let here: HashSet<&str> = listing.iter().map(|entry| entry.name.as_str()).collect();
    node.now
        .pool
        .passed_over
        .retain(|(place, name), _| place != lane || here.contains(name.as_str()));
    let (mut queued, unknown) = admit::sort(node, lane, listing);
    junk::pass(node, lane, unknown)?;
    if admit::backlog(node, lane) >= limits::PASS_ENTRIES_MAX {
        return Ok(Vec::new());
    }
    spread(node, lane, &mut queued);
    Ok(queued)
}

/// Members that look at the same moment must not all try the same task: each begins at any of the first few, as many
/// as there are members, of the most urgent priority.
fn spread(node: &Node, lane: &Lane, queued: &mut [Queued]) {
    let members = lane
        .pool()
        .and_then(|pool| Some(node.settings.pools.get(&pool)?.len()))
        .unwrap_or(1);
    let first: Option<Priority> = queued.first().map(|entry| entry.name.priority);
    let alike = queued
        .iter()
        .take_while(|entry| Some(entry.name.priority) == first)
        .count();
    let front = &mut queued[..alike.min(members)];
    if front.len() > 1 {
        let start = node.chance.bits() % front.len() as u64;
        front.rotate_left(usize::try_from(start).unwrap_or(0));
    }
}

/// Claims what is for this member, now. Returns how many were claimed.
pub(super) fn pass(
    node: &mut Node,
    lane: &Lane,
    queued: Vec<Queued>,
    control: &[ControlName],
) -> Result<usize, Error> {
    let unwanted = unwanted(node, control);
    let (mut taken, mut reads) = (0, 0);
    for entry in queued {
        let id = entry.name.id;
        if reads == limits::CANDIDATES_MAX || taken == limits::PASS_ENTRIES_MAX {
            break;
        }
        // What this member still holds, or still runs although another has it, is not claimed a second time.
        if node.journal.known(id).is_some() || lease::held(node, id).is_some() {
            continue;
        }
        let cancel = unwanted.get(&id);
        let key = (lane.clone(), entry.file.clone());
        let left = node.now.pool.passed_over.get(&key);
        if cancel.is_none()
            && (free_slots(node) == 0 || left.is_some_and(|left| candidate::is_left(node, left)))
        {
            continue;
        }
        reads += 1;
        if let Some(name) = cancel
            && let Some(digest) = is_cancelled(node, lane, &entry, name)
        {
            taken += usize::from(take(node, lane, &entry, digest, None)?);
            continue;
        }
        if free_slots(node) == 0 {
            continue;
        }
        match candidate::judge(node, lane, (&entry.file, id), control) {
            Choice::Claim(digest, wants) => {
                node.now.pool.passed_over.remove(&key);
                taken += usize::from(take(node, lane, &entry, digest, wants)?);
            }
            Choice::Leave(left) => {
                node.now.pool.passed_over.insert(key, left);
            }
            Choice::Skip => {}
        }
    }
    Ok(taken)
}

/// Whether a wish of the sender is about this very entry. Returns the digest of its bytes.
fn is_cancelled(
    node: &mut Node,
    lane: &Lane,
    entry: &Queued,
    name: &ControlName,
) -> Option<Digest> {
    if node.is_wanting(lane, &name.to_string()) {
        return None;
    }
    let cancel = cancel::proved(node, lane, name)?;
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let receive::Reading::Proved(proved) = receive::read(node, lane, &inbox, &entry.file) else {
        return None;
    };
    let other = cancel
        .task_sha256
        .is_some_and(|digest| digest != proved.digest);
    (!other && proved.task.id == entry.name.id).then_some(proved.digest)
}

/// Makes the lease, then the claim; what is claimed is received like everything else.
fn take(
    node: &mut Node,
    lane: &Lane,
    entry: &Queued,
    digest: Digest,
    wants: Option<slots::Running>,
) -> Result<bool, Error> {
    let id = entry.name.id;
    let claim = entry
        .name
        .claimed_by(&node.settings.node, node.chance.nonce());
    let held = lease::make(node, lane, &claim, digest)?;
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let moved = node
        .transport
        .advance((&inbox, &entry.file), (&processing, &claim.to_string()));
    match moved {
        Advance::Moved => {
            let now = node.clock.boot();
            node.now.fresh.took(&inbox, &entry.file, now);
            lease::hold(node, held);
            lease::wants(node, id, wants);
            receive::task(node, lane, &claim)?;
            // On record before the sender can have let it start: a claim that is granted and not known here would be
            // taken for one that may have been started.
            node.journal.sync()?;
            // Refused as a copy, or as proving nothing: there is no claim any more.
            let is_stray = node.now.strays.contains_key(&(lane.clone(), claim));
            if node.journal.known(id).is_none() && !is_stray {
                lease::let_go(node, id);
            }
            Ok(true)
        }
        // Another member was faster. Should this try come late, its claim has no lease and no place in the journal.
        Advance::NotMine => {
            lease::remove(node, lane, &claim);
            Ok(false)
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => {
            node.search_again(lane);
            Err(error.into())
        }
    }
}
