//! `done/` → the sender: finds the outcome of a task and believes it only if everything fits.
//!
//! A result counts when its seal verifies for this lane, it names the task's digest, and its claim has its task file in
//! `done/` or `rejected/`; under the public name or the claim's. Anything else is reported as it is, never as an
//! outcome.

use std::collections::BTreeMap;
use std::io::Read;

use sha2::Digest as _;

use super::send::Sender;
use crate::clock::Timestamp;
use crate::document::Answer;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::envelope::Envelope;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;

/// Where a task is, as the share shows it to its sender.
#[derive(Debug, Clone)]
pub enum Whereabouts {
    /// It has its outcome.
    Answered(Box<Answered>),
    /// It lies in this stage; the claim says who has it, once somebody does.
    Open(Stage, Option<ClaimName>),
    /// A result lies there that cannot be believed.
    Doubtful(String),
    /// Nothing of it is to be seen.
    Absent,
}

/// A verified outcome.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The outcome.
    pub answer: Answer,
    /// Where the result lies.
    pub place: Place,
    /// Its name there.
    pub name: String,
    /// Digest of the whole sealed result: two outcomes are the same when this is.
    pub digest: Digest,
}

/// What folders held when they were first looked into, for several questions at one time: a folder is listed once
/// however many outcomes are looked for in it (measured on SMB: a listing of 600 names takes a tenth of a second).
#[derive(Debug, Default)]
pub struct Looked(BTreeMap<Place, Vec<String>>);

impl Sender {
    /// Finds a task in one lane. `digest` is that of the sealed task; `None` takes it from the task file, whose own
    /// seal is then verified.
    ///
    /// # Errors
    /// [`ShareError`]: nothing is known now.
    pub fn find(
        &self,
        lane: &Lane,
        id: TaskId,
        digest: Option<Digest>,
    ) -> Result<Whereabouts, ShareError> {
        let mut doubt = None;
        match self.outcome(lane, id, digest)? {
            Some(Ok(answered)) => return Ok(Whereabouts::Answered(answered)),
            Some(Err(why)) => doubt = Some(why),
            None => {}
        }
        for stage in [Stage::Processing, Stage::PendingAck, Stage::Inbox] {
            let listing = self.listing(&Place::Stage(lane.clone(), stage))?;
            let claims = listing
                .iter()
                .filter_map(|entry| ClaimName::parse(&entry.name));
            if let Some(claim) = claims.into_iter().find(|claim| claim.id == id) {
                return Ok(Whereabouts::Open(stage, Some(claim)));
            }
            let queued = |entry: &Listed| {
                QueuedName::parse(&entry.name).is_some_and(|name| name.id == id)
                    || entry::legacy_task(&entry.name) == Some(id)
            };
            if listing.iter().any(queued) {
                return Ok(Whereabouts::Open(stage, None));
            }
        }
        Ok(doubt.map_or(Whereabouts::Absent, Whereabouts::Doubtful))
    }

    /// Looks for the outcome alone: the cheap question of a poll.
    ///
    /// # Errors
    /// [`ShareError`]: nothing is known now.
    pub fn outcome(
        &self,
        lane: &Lane,
        id: TaskId,
        digest: Option<Digest>,
    ) -> Result<Option<Result<Box<Answered>, String>>, ShareError> {
        self.outcome_among(lane, id, digest, &mut Looked::default())
    }

    /// As [`Sender::outcome`]; what was looked into before is not listed again.
    ///
    /// # Errors
    /// [`ShareError`]: nothing is known now.
    pub fn outcome_among(
        &self,
        lane: &Lane,
        id: TaskId,
        digest: Option<Digest>,
        looked: &mut Looked,
    ) -> Result<Option<Result<Box<Answered>, String>>, ShareError> {
        let mut doubt = None;
        for place in self.done_places(lane, id)? {
            let names = self.names(&place, id, looked)?;
            match self.look_in(lane, &place, id, digest, &names) {
                Some(Ok(answered)) => return Ok(Some(Ok(Box::new(answered)))),
                Some(Err(why)) => doubt = Some(why),
                None => {}
            }
        }
        Ok(doubt.map(Err))
    }

    /// `done/` first, then the day of the id. Where the id tells none, all days, newest first.
    pub(crate) fn done_places(&self, lane: &Lane, id: TaskId) -> Result<Vec<Place>, ShareError> {
        let done = Place::Stage(lane.clone(), Stage::Done);
        if let Some(made) = id.made() {
            let day = Place::Day(lane.clone(), Timestamp::from_unix(made).day());
            return Ok(vec![done, day]);
        }
        let mut days: Vec<String> = self
            .listing(&done)?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| is_day(name))
            .collect();
        days.sort_by(|one, other| other.cmp(one));
        let days = days.into_iter().map(|day| Place::Day(lane.clone(), day));
        Ok(std::iter::once(done).chain(days).collect())
    }

    fn listing(&self, place: &Place) -> Result<Vec<Listed>, ShareError> {
        match self.transport.list(place) {
            Err(error) if error.is_absent() => Ok(Vec::new()),
            other => other,
        }
    }

    /// The names of a task in a folder.
    fn names(
        &self,
        place: &Place,
        id: TaskId,
        looked: &mut Looked,
    ) -> Result<Vec<String>, ShareError> {
        if !looked.0.contains_key(place) {
            let listing = self.listing(place)?.into_iter();
            let names = listing.map(|entry| entry.name).collect();
            looked.0.insert(place.clone(), names);
        }
        let prefix = id.to_string();
        let names = looked.0.get(place).into_iter().flatten();
        Ok(names
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect())
    }

    fn look_in(
        &self,
        lane: &Lane,
        place: &Place,
        id: TaskId,
        digest: Option<Digest>,
        names: &[String],
    ) -> Option<Result<Answered, String>> {
        let mut doubt = None;
        // The public name first: anybody can plant others by the thousand, and a bounded number is read.
        let public = entry::public_result(id);
        let mut results: Vec<&String> = names.iter().filter(|name| is_result(name)).collect();
        results.sort_by_key(|name| **name != public);
        for name in results.into_iter().take(limits::PASS_ENTRIES_MAX) {
            match self.believe(lane, place, name, id, digest, names) {
                Ok(Some((answer, digest))) => {
                    let (place, name) = (place.clone(), name.clone());
                    return Some(Ok(Answered {
                        answer,
                        place,
                        name,
                        digest,
                    }));
                }
                Ok(None) => {}
                Err(why) => doubt = Some(format!("{place}{name}: {why}")),
            }
        }
        doubt.map(Err)
    }

    /// Where a file of the task lies while its files move from `done/` to a day, one after the other.
    fn elsewhere(&self, lane: &Lane, place: &Place, id: TaskId, name: &str) -> Option<Place> {
        let places = self.done_places(lane, id).ok()?;
        places
            .into_iter()
            .find(|other| other != place && self.transport.holds(other, name).unwrap_or(false))
    }

    /// Verifies one result. `None`: not readable or not committed now.
    fn believe(
        &self,
        lane: &Lane,
        place: &Place,
        name: &str,
        id: TaskId,
        digest: Option<Digest>,
        names: &[String],
    ) -> Result<Option<(Answer, Digest)>, String> {
        let Ok(bytes) = self.transport.read(place, name, limits::RESULT_BYTES_MAX) else {
            return Ok(None);
        };
        let result = Digest::of(&bytes);
        let answer = self
            .prove(lane, &bytes)
            .map_err(|refusal| refusal.to_string())?;
        if answer.task_id != id {
            return Err(format!("it is about task {}", answer.task_id));
        }
        let Some(claim) = &answer.claim else {
            return Err("it names no claim".to_owned());
        };
        let file = claim.to_string();
        let rejected = Place::Stage(lane.clone(), Stage::Rejected);
        let home = if names.contains(&file) {
            place.clone()
        } else if self.transport.holds(&rejected, &file).unwrap_or(false) {
            rejected
        } else if let Some(other) = self.elsewhere(lane, place, id, &file) {
            other
        } else {
            return Ok(None);
        };
        let expected = match digest {
            Some(digest) => Some(digest),
            None => self.task_digest(lane, &home, &file, id),
        };
        match expected {
            Some(expected) if expected != answer.task_sha256 => {
                Err("it is about other bytes than the task that was sent".to_owned())
            }
            None => Ok(None),
            Some(_) => Ok(Some((answer, result))),
        }
    }

    /// Proves a result: sealed by the node that serves the lane; in a pool by a member of it, about a claim of its own.
    fn prove(&self, lane: &Lane, bytes: &[u8]) -> Result<Answer, Refusal> {
        let mut refused = Refusal::new(Reason::Peer, "no member of the pool is known");
        for speaker in self.speakers(lane) {
            match self.prove_by(lane, speaker.clone(), bytes.to_vec()) {
                Ok(answer) => {
                    let holder = answer.claim.as_ref().map(|claim| Party::from(&claim.node));
                    if lane.pool().is_none() || holder.as_ref() == Some(&speaker) {
                        return Ok(answer);
                    }
                    let why = format!("{speaker} speaks of a claim that is not its own");
                    return Err(Refusal::new(Reason::Peer, &why));
                }
                Err(refusal) if refusal.reason == Reason::Kid => refused = refusal,
                Err(refusal) => {
                    // The seal of one member is no seal of another; what else is wrong is wrong for all.
                    let is_last_word = refusal.reason != Reason::Mac;
                    refused = refusal;
                    if is_last_word {
                        break;
                    }
                }
            }
        }
        Err(refused)
    }

    /// Who may speak for the addressee of a lane.
    fn speakers(&self, lane: &Lane) -> Vec<Party> {
        let Some(pool) = lane.pool() else {
            return vec![lane.to.clone()];
        };
        let members = self.pools.get(&pool).into_iter().flatten();
        let others = members.filter(|member| **member != lane.from);
        others.map(Party::from).collect()
    }

    fn prove_by(&self, lane: &Lane, from: Party, bytes: Vec<u8>) -> Result<Answer, Refusal> {
        let context = Context {
            from,
            to: Party::from(&lane.from),
            kind: Kind::Result,
        };
        Envelope::read(bytes)
            .verify(&self.keys, &context, self.clock.wall())?
            .answer(&Rules::recorded())
    }

    /// The digest of a task file of ours, if its own seal holds and it is the task of this id.
    fn task_digest(&self, lane: &Lane, place: &Place, name: &str, id: TaskId) -> Option<Digest> {
        let bytes = self
            .transport
            .read(place, name, limits::TASK_BYTES_MAX)
            .ok()?;
        let context = Context {
            from: Party::from(&lane.from),
            to: lane.to.clone(),
            kind: Kind::Task,
        };
        let verified = Envelope::read(bytes)
            .verify(&self.keys, &context, self.clock.wall())
            .ok()?;
        (verified.task_id() == Some(id)).then(|| verified.digest())
    }

    /// Copies the log of an outcome to `to`, and says whether it is the one the result names. Nothing is shown before
    /// the digest matches, so it is read twice: once to check, once to show.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn log(&self, answered: &Answered, to: &mut dyn std::io::Write) -> Result<u64, LogError> {
        let id = answered.answer.task_id;
        let Some(wanted) = answered.answer.log_sha256 else {
            return Err(LogError::None);
        };
        // A planted log can claim any size: nothing is read beyond what the result names.
        let size = answered
            .answer
            .log_bytes
            .unwrap_or(limits::OUTPUT_BYTES_MAX);
        let most = size.saturating_add(1);
        let claim = answered.answer.claim.as_ref().map(ClaimName::log);
        for name in std::iter::once(entry::public_log(id)).chain(claim) {
            let aged = match &answered.place {
                Place::Stage(lane, _) => self.elsewhere(lane, &answered.place, id, &name),
                _ => None,
            };
            for place in std::iter::once(&answered.place).chain(&aged) {
                let Ok(from) = self.transport.open(place, &name) else {
                    continue;
                };
                if digest_of(&mut from.take(most), None).ok() != Some(wanted) {
                    continue;
                }
                let from = self.transport.open(place, &name)?;
                let shown = digest_of(&mut from.take(size), Some(to)).map_err(LogError::Write)?;
                // Replaced between the two looks: it is too late to hide it, not too late to say so.
                return if shown == wanted {
                    Ok(size)
                } else {
                    Err(LogError::Differs)
                };
            }
        }
        Err(LogError::Differs)
    }
}

/// Why a log is not shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The outcome has no log: nothing ran.
    #[error("there is no log: nothing ran")]
    None,
    /// What lies there is not what the result names.
    #[error("the log on the share is missing, or is not the one the signed result names")]
    Differs,
    /// The share failed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// It could not be written out.
    #[error("cannot write the log: {0}")]
    Write(std::io::Error),
}

fn digest_of(
    from: &mut dyn Read,
    mut shown: Option<&mut dyn std::io::Write>,
) -> std::io::Result<Digest> {
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            read => {
                hasher.update(&chunk[..read]);
                if let Some(to) = &mut shown {
                    to.write_all(&chunk[..read])?;
                }
            }
        }
    }
}

fn is_result(name: &str) -> bool {
    name.ends_with(".result.json") && !name.contains(".late.")
}

pub(crate) fn is_day(name: &str) -> bool {
    name.len() == 10 && Timestamp::parse(&format!("{name}T00:00:00Z")).is_ok()
}
