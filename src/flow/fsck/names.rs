//! What may lie in which folder, by name alone.

use super::Code;
use super::Finding;
use super::Mend;
use super::Snapshot;
use super::Survey;
use crate::clock::Timestamp;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::ControlName;
use crate::entry::QueuedName;
use crate::flow::gc::trashed;
use crate::id::Nonce;
use crate::id::TaskId;
use crate::limits;
use crate::share::EntryKind;
use crate::share::Listed;
use crate::stage::Stage;

/// Judges every name of a lane.
pub(super) fn check(survey: &Survey, snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (stage, listed) in &snapshot.stages {
        for entry in listed {
            found.extend(judge(survey, snapshot, *stage, entry));
        }
    }
    found.extend(markers(survey, snapshot));
    found.extend(leases(survey, snapshot));
    found
}

/// A lease says that a claim is alive: in a pool, where a member died between the two, another removes it after a term.
fn leases(survey: &Survey, snapshot: &Snapshot) -> Vec<Finding> {
    let place = snapshot.place(Stage::Processing);
    let claims = || {
        snapshot
            .claims(Stage::Processing)
            .chain(snapshot.claims(Stage::PendingAck))
    };
    let lone = snapshot.names(Stage::Processing).filter(|name| {
        let is_held = |lease: ClaimName| claims().any(|claim| claim.untaken() == lease);
        let age = limits::LEASE_TERM * 2;
        ClaimName::of_lease(name).is_some_and(|lease| !is_held(lease))
            && is_older(survey, snapshot, Stage::Processing, name, age)
    });
    let found = lone.map(|name| {
        let why = "no claim lies beside it, and nobody has beaten it for long";
        Finding::at(Code::LoneLease, &place, name, why)
    });
    found.collect()
}

fn judge(survey: &Survey, snapshot: &Snapshot, stage: Stage, entry: &Listed) -> Option<Finding> {
    let place = snapshot.place(stage);
    let name = &entry.name;
    if entry.raw.is_none() && entry::is_litter(name) {
        return None;
    }
    let belongs = entry.raw.is_none()
        && match entry.kind {
            EntryKind::Odd if is_junk(name) && stage == Stage::Rejected => true,
            EntryKind::Odd => {
                let why = "it is a link or a special file";
                return Some(Finding::at(Code::Link, &place, name, why));
            }
            EntryKind::Dir => match stage {
                Stage::Done => is_day(name) || trashed(name).is_some(),
                Stage::Rejected => is_junk(name),
                _ => false,
            },
            EntryKind::File => is_known(stage, name),
        };
    if !belongs {
        // What was put into inbox/ just now has a minute.
        let is_young =
            stage == Stage::Inbox && !is_older(survey, snapshot, stage, name, limits::JUNK_AGE);
        let why = format!("no entry of {stage}/ has such a name or kind");
        return (!is_young).then(|| Finding::at(Code::UnknownName, &place, name, why));
    }
    if stage == Stage::Tmp
        && is_older(
            survey,
            snapshot,
            stage,
            name,
            limits::TMP_AGE + limits::SKEW,
        )
    {
        let mend = Mend::RemovePart(snapshot.lane.clone(), name.clone());
        let why = "nobody has written to it for 36 hours";
        return Some(Finding::at(Code::OldPart, &place, name, why).mended_by(mend));
    }
    None
}

fn is_known(stage: Stage, name: &str) -> bool {
    let is_claim = |stem: &str| ClaimName::parse_stem(stem).is_some();
    let is_id = |stem: &str| TaskId::parse(stem).is_ok();
    let of =
        |suffix: &str, fits: &dyn Fn(&str) -> bool| name.strip_suffix(suffix).is_some_and(fits);
    match stage {
        Stage::Tmp => of(".part", &|stem| {
            stem.rsplit_once('.').is_some_and(|(what, nonce)| {
                (what == "now" || is_id(what)) && Nonce::parse(nonce).is_ok()
            })
        }),
        Stage::Inbox => {
            QueuedName::parse(name).is_some()
                || entry::legacy_task(name).is_some()
                || of(".json.tmp", &is_id)
        }
        Stage::PendingAck => of(".json", &is_claim),
        Stage::Processing => {
            of(".json", &is_claim) || of(".start", &is_claim) || ClaimName::of_lease(name).is_some()
        }
        Stage::Done => {
            let either = |stem: &str| is_claim(stem) || is_id(stem);
            of(".json", &is_claim)
                || of(".result.json", &either)
                || of(".log", &either)
                || of(".late.result.json", &is_claim)
                || of(".late.log", &is_claim)
        }
        Stage::Rejected => of(".json", &is_claim) || is_junk(name) || name.ends_with(".why"),
        Stage::Control => ControlName::parse(name).is_some(),
    }
}

fn is_junk(name: &str) -> bool {
    name.ends_with(".junk")
}

pub(super) fn is_day(name: &str) -> bool {
    name.len() == 10 && Timestamp::parse(&format!("{name}T00:00:00Z")).is_ok()
}

/// Whether an entry has not changed for this long. Not known: no.
fn is_older(
    survey: &Survey,
    snapshot: &Snapshot,
    stage: Stage,
    name: &str,
    age: std::time::Duration,
) -> bool {
    let seen = survey.transport.attributes(&snapshot.place(stage), name);
    seen.is_ok_and(|seen| survey.clock.wall().since(seen.changed) >= age)
}

/// A marker says that somebody was about to start the claim beside it.
fn markers(survey: &Survey, snapshot: &Snapshot) -> Vec<Finding> {
    let place = snapshot.place(Stage::Processing);
    let is_mine = survey
        .own
        .as_ref()
        .is_some_and(|own| snapshot.lane.to == crate::id::Party::from(own.node));
    // In a pool the starts of a task are remembered until it is committed, by whomever.
    let is_open =
        |claim: &ClaimName| snapshot.lane.pool().is_some() && snapshot.holds_open(claim.id);
    let lone = snapshot.names(Stage::Processing).filter(|name| {
        ClaimName::of_marker(name).is_some_and(|claim| {
            !snapshot.holds(Stage::Processing, &claim.to_string()) && !is_open(&claim)
        })
    });
    lone.map(|name| {
        let why = "its claim is not beside it";
        let found = Finding::at(Code::LoneMarker, &place, name, why);
        if is_mine {
            found.mended_by(Mend::RemoveMarker(snapshot.lane.clone(), name.to_owned()))
        } else {
            found
        }
    })
    .collect()
}
