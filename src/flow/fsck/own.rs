//! The share against what the receiving node itself has on record.

use super::Code;
use super::Finding;
use super::Own;
use super::Snapshot;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Known;
use crate::journal::Phase;
use crate::stage::Stage;

/// Compares one lane with the journal.
pub(super) fn lane(own: &Own, snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.lane.pool().is_some() {
        return pooled(own, snapshot);
    }
    if snapshot.lane.to != Party::from(own.node) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (id, known) in own.journal.open_tasks() {
        if known.lane() == snapshot.lane && !is_there(snapshot, id, known) {
            found.push(missing(snapshot, known));
        }
    }
    for stage in [Stage::Processing, Stage::PendingAck] {
        for claim in snapshot.claims(stage) {
            let (place, name) = (snapshot.place(stage), claim.to_string());
            if claim.node != *own.node {
                let why = format!("this lane is served by '{}' alone", own.node);
                found.push(Finding::at(Code::ForeignClaim, &place, &name, why));
            }
            if own.journal.known(claim.id).is_none() {
                let why = "the journal knows no open task of this id";
                found.push(Finding::at(Code::Stray, &place, &name, why));
            }
        }
    }
    found
}

fn missing(snapshot: &Snapshot, known: &Known) -> Finding {
    let file = known.file.as_ref().unwrap_or(&known.claim);
    let place = snapshot.place(home(known.phase));
    let why = format!("the journal says that it is {:?}", known.phase).to_lowercase();
    Finding::at(Code::MissingFile, &place, &format!("{file}.json"), why)
}

/// Compares the lane of a pool with the journal of one member. What is not under the claim of this member may be under
/// that of another, who took it; and the claims of others are theirs.
fn pooled(own: &Own, snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, known) in own.journal.open_tasks() {
        if known.lane() != snapshot.lane || is_there(snapshot, id, known) {
            continue;
        }
        let is_elsewhere = snapshot.holds_open(id)
            || [Stage::Done, Stage::Rejected]
                .iter()
                .any(|stage| snapshot.claims(*stage).any(|claim| claim.id == id))
            || snapshot
                .days
                .iter()
                .any(|name| ClaimName::parse(name).is_some_and(|claim| claim.id == id));
        if !is_elsewhere {
            found.push(missing(snapshot, known));
        }
    }
    for stage in [Stage::Processing, Stage::PendingAck] {
        for claim in snapshot.claims(stage) {
            let is_own = claim.node == *own.node && claim.taken.is_none();
            let known = own.journal.known(claim.id);
            let stem = claim.stem();
            let is_known = known
                .is_some_and(|known| known.claim == stem || known.file.as_ref() == Some(&stem));
            if is_own && !is_known {
                let why = match known {
                    Some(_) => "the journal holds this task under another claim",
                    None => "the journal knows no open task of this id",
                };
                let (place, name) = (snapshot.place(stage), claim.to_string());
                found.push(Finding::at(Code::Stray, &place, &name, why));
            }
        }
    }
    found
}

const fn home(phase: Phase) -> Stage {
    match phase {
        Phase::Parked => Stage::PendingAck,
        Phase::Returned => Stage::Inbox,
        _ => Stage::Processing,
    }
}

fn is_there(snapshot: &Snapshot, id: TaskId, known: &Known) -> bool {
    let file = known.file.as_ref().unwrap_or(&known.claim);
    let file = format!("{file}.json");
    match known.phase {
        Phase::Returned => snapshot
            .names(Stage::Inbox)
            .filter_map(QueuedName::parse)
            .any(|queued| queued.id == id),
        // Between its decision and its commit, or just after.
        Phase::Decided => {
            let committed = format!("{}.json", known.claim);
            [Stage::Processing, Stage::PendingAck]
                .iter()
                .any(|stage| snapshot.holds(*stage, &file))
                || [Stage::Done, Stage::Rejected]
                    .iter()
                    .any(|stage| snapshot.holds(*stage, &committed))
        }
        phase => snapshot.holds(home(phase), &file),
    }
}

/// Compares the run directories with the journal.
pub(super) fn runs(own: &Own) -> Vec<Finding> {
    let mut found = Vec::new();
    for stem in own.runs {
        let claim = ClaimName::parse_stem(stem);
        let known = claim.as_ref().and_then(|claim| own.journal.known(claim.id));
        let is_needed = known.is_some_and(|known| {
            known.claim == *stem && !matches!(known.phase, Phase::Parked | Phase::Returned)
        });
        if !is_needed {
            let why = "no open task runs or ran in it".to_owned();
            found.push(Finding::local(
                Code::LoneRun,
                format!("run directory {stem}"),
                why,
            ));
        }
    }
    found
}
