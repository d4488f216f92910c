//! Outcomes: a committed task has a result, a result has its task, and what people look for can be believed.

use super::Code;
use super::Finding;
use super::Snapshot;
use super::Survey;
use crate::document::Answer;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::entry;
use crate::entry::ClaimName;
use crate::envelope::Envelope;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;

/// Judges `done/` of a lane.
pub(super) fn check(survey: &Survey, snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    let done = snapshot.place(Stage::Done);
    for claim in snapshot.claims(Stage::Done) {
        let has_result = snapshot.holds(Stage::Done, &claim.result())
            || snapshot.holds(Stage::Done, &entry::public_result(claim.id));
        if !has_result {
            let why = "it is committed and there is no result";
            found.push(Finding::at(
                Code::TaskWithoutResult,
                &done,
                &claim.to_string(),
                why,
            ));
        }
    }
    for name in snapshot.names(Stage::Done) {
        let Some(stem) = name.strip_suffix(".result.json") else {
            continue;
        };
        if let Some(claim) = ClaimName::parse_stem(stem) {
            found.extend(task_of(snapshot, name, &claim));
        } else if let Ok(id) = TaskId::parse(stem) {
            found.extend(public(survey, snapshot, name, id));
        }
    }
    found
}

/// The task file of a result is committed, or about to be.
fn task_of(snapshot: &Snapshot, name: &str, claim: &ClaimName) -> Option<Finding> {
    let file = claim.to_string();
    let homes = [
        Stage::Done,
        Stage::Rejected,
        Stage::Processing,
        Stage::PendingAck,
    ];
    let is_there =
        homes.iter().any(|stage| snapshot.holds(*stage, &file)) || snapshot.days.contains(&file);
    // A task that was moved about, or that a server showed again, is committed under the claim of its outcome.
    let is_on_its_way = [Stage::Inbox, Stage::Processing, Stage::PendingAck]
        .iter()
        .any(|stage| {
            snapshot
                .names(*stage)
                .any(|open| open.starts_with(&claim.id.to_string()))
        });
    let why = format!("'{file}' is in neither done/ nor rejected/");
    (!is_there && !is_on_its_way).then(|| {
        Finding::at(
            Code::ResultWithoutTask,
            &snapshot.place(Stage::Done),
            name,
            why,
        )
    })
}

/// What lies under the name people look for.
fn public(survey: &Survey, snapshot: &Snapshot, name: &str, id: TaskId) -> Option<Finding> {
    let done = snapshot.place(Stage::Done);
    let places = speakers(snapshot, id).into_iter().map(|from| Context {
        from,
        to: Party::from(&snapshot.lane.from),
        kind: Kind::Result,
    });
    let has_key = |place: &Context| survey.keys.keys().iter().any(|key| key.serves(place));
    let places: Vec<Context> = places.filter(has_key).collect();
    // Another pair's: only they can tell.
    places.first()?;
    let bytes = match survey.transport.read(&done, name, limits::RESULT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return None,
        Err(error) => {
            return Some(Finding::at(
                Code::Unreadable,
                &done,
                name,
                error.to_string(),
            ));
        }
    };
    let bad = |why: String| Some(Finding::at(Code::BadSeal, &done, name, why));
    match prove(survey, &places, &bytes) {
        // The outcome of a task of the original carries no seal.
        Err(refusal) if refusal.reason == Reason::V2Off => None,
        // After a rotation and a revocation the old results can no longer be proved, and nobody did wrong.
        Err(refusal) if refusal.reason == Reason::Kid => {
            let why = refusal.to_string();
            Some(Finding::at(Code::KeyGone, &done, name, why))
        }
        Err(refusal) => bad(refusal.to_string()),
        Ok(answer) if answer.task_id != id => bad(format!("it is about task {}", answer.task_id)),
        Ok(answer) => match &answer.claim {
            None => bad("it names no claim".to_owned()),
            Some(claim) => task_of(snapshot, name, claim),
        },
    }
}

/// Who may speak in a lane about a task: who serves it; in a pool, the members that hold or held it, by name.
fn speakers(snapshot: &Snapshot, id: TaskId) -> Vec<Party> {
    if snapshot.lane.pool().is_none() {
        return vec![snapshot.lane.to.clone()];
    }
    let claims = [Stage::Done, Stage::Rejected].map(|stage| snapshot.claims(stage));
    let claims = claims.into_iter().flatten();
    let mut nodes: Vec<Party> = claims
        .filter(|claim| claim.id == id)
        .map(|claim| Party::from(&claim.node))
        .collect();
    nodes.dedup();
    nodes
}

fn prove(survey: &Survey, places: &[Context], bytes: &[u8]) -> Result<Answer, Refusal> {
    let mut refused = Refusal::new(Reason::Peer, "nobody of that name is known");
    for place in places {
        let verified =
            Envelope::read(bytes.to_vec()).verify(survey.keys, place, survey.clock.wall());
        match verified.and_then(|verified| verified.answer(&Rules::recorded())) {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refused = refusal,
        }
    }
    Err(refused)
}
