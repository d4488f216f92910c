//! A claimed file becomes a known task, or is refused: seal, document, window, memory, policy, in this order.
//!
//! Bytes are read once, from the claimed name, and nothing else of the share is believed.

use super::Error;
use super::Node;
use super::decide;
use super::park;
use super::pool;
use super::receipt;
use super::refuse;
use super::replay;
use super::submission;
use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Rules;
use crate::document::Step;
use crate::document::Task;
use crate::entry::ClaimName;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::TaskId;
use crate::journal::Fact;
use crate::journal::Hold;
use crate::journal::Known;
use crate::journal::Phase;
use crate::legacy;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::policy::Receiver;
use crate::policy::Terms;
use crate::policy::Usage;
use crate::policy::Verdict;
use crate::policy::Wish;
use crate::policy::judge;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;

/// A task that was proved: who asked is certain, what it may do is not.
pub(super) struct Proved {
    pub task: Task,
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub legacy: bool,
    pub signed: bool,
}

/// What reading a claimed file came to.
pub(super) enum Reading {
    /// It is a task of this lane.
    Proved(Box<Proved>),
    /// The seal holds and the sender is known, but the document asks for what no receiver gives.
    Asks(Digest, Option<TaskId>, Refusal),
    /// It proves nothing.
    Nothing(Option<Digest>, Refusal),
    /// It looks half-written, or may not be read: perhaps not yet. What is to be said of it if that stays so.
    Torn(Option<Digest>, Refusal),
    /// It could not be read now: nothing is known (R10).
    Unknown,
}

/// Reads and proves the file of a claim.
pub(super) fn read(node: &Node, lane: &Lane, at: &Place, name: &str) -> Reading {
    let bytes = match node.transport.read(at, name, limits::TASK_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == nix::errno::Errno::EFBIG => {
            return Reading::Nothing(None, Refusal::new(Reason::Size, &error.to_string()));
        }
        Err(error) if error.why.is_some() || error.kind() == nix::errno::Errno::ELOOP => {
            return Reading::Nothing(None, Refusal::new(Reason::Type, &error.to_string()));
        }
        Err(error) if error.kind() == nix::errno::Errno::EACCES => {
            return Reading::Torn(None, Refusal::new(Reason::Access, "for a minute"));
        }
        Err(_) => return Reading::Unknown,
    };
    let digest = Digest::of(&bytes);
    let context = Context {
        from: Party::from(&lane.from),
        to: lane.to.clone(),
        kind: Kind::Task,
    };
    let now = node.clock.wall();
    let verified = match Envelope::read(bytes.clone()).verify(&node.keys, &context, now) {
        Ok(verified) => verified,
        Err(refusal) if refusal.reason == Reason::V2Off && accepts_v2(node, lane) => {
            return match legacy::read(&bytes, &node.keys, &context, now, &Rules::recorded()) {
                Ok(taken) => Reading::Proved(Box::new(Proved {
                    task: taken.task,
                    bytes,
                    digest: taken.identity,
                    legacy: true,
                    signed: false,
                })),
                // Without an id in the envelope, a code that no key made is for want of a key too.
                Err(refusal)
                    if !node.keys.is_whole()
                        && matches!(refusal.reason, Reason::Kid | Reason::Mac) =>
                {
                    Reading::Unknown
                }
                Err(refusal) => Reading::Nothing(Some(digest), refusal),
            };
        }
        // Perhaps its key only cannot be read now: that says nothing of the document (R10).
        Err(refusal) if !node.keys.is_whole() && refusal.reason == Reason::Kid => {
            return Reading::Unknown;
        }
        // A file whose end is missing may still be on its way through somebody's cache.
        Err(refusal) if refusal.reason == Reason::Frame && !bytes.ends_with(b"\"\n}\n") => {
            return if looks_complete(&bytes) {
                Reading::Nothing(Some(digest), refusal)
            } else {
                Reading::Torn(Some(digest), refusal)
            };
        }
        Err(refusal) => return Reading::Nothing(Some(digest), refusal),
    };
    match verified.task(&Rules::recorded()) {
        Ok(task) => Reading::Proved(Box::new(Proved {
            task,
            bytes,
            digest,
            legacy: false,
            signed: verified.is_signed(),
        })),
        Err(refusal) if matches!(refusal.reason, Reason::Policy | Reason::Crit | Reason::Ttl) => {
            Reading::Asks(digest, verified.task_id(), refusal)
        }
        Err(refusal) => Reading::Nothing(Some(digest), refusal),
    }
}

/// A pool takes nothing in the envelope of the original: its outcomes are not sealed.
pub(super) fn accepts_v2(node: &Node, lane: &Lane) -> bool {
    let peer = node.settings.peers.get(&lane.from);
    lane.pool().is_none() && peer.is_some_and(|peer| peer.v2)
}

/// Whether a file without our ending is at least somebody's whole document, so that waiting for the rest is pointless.
fn looks_complete(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.starts_with(b"{\n  \"schema\"")
}

/// Receives the file of a fresh claim in `processing/`.
pub(super) fn task(node: &mut Node, lane: &Lane, claim: &ClaimName) -> Result<(), Error> {
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let stray = (lane.clone(), claim.clone());
    let proved = match read(node, lane, &processing, &claim.to_string()) {
        Reading::Proved(proved) => *proved,
        Reading::Asks(digest, id, refusal) => {
            node.now.strays.remove(&stray);
            // Under the name of another it would answer for that one, which then is the copy.
            if id != Some(claim.id) {
                return misnamed(node, lane, claim, digest, id);
            }
            let known = fresh(node, lane, claim, digest, None);
            return refused(node, claim, known, &refusal);
        }
        Reading::Nothing(digest, refusal) => {
            node.now.strays.remove(&stray);
            return refuse::unproved(node, lane, claim, digest, &refusal);
        }
        Reading::Unknown => {
            if node.transport.holds(&processing, &claim.to_string())? {
                note_stray(node, lane, claim);
            } else {
                node.now.strays.remove(&stray);
            }
            return Ok(());
        }
        Reading::Torn(digest, refusal) => {
            note_stray(node, lane, claim);
            let first = node.now.strays.get(&stray).copied();
            if first.is_none_or(|first| node.clock.boot().since(first) < limits::JUNK_AGE) {
                return Ok(());
            }
            node.now.strays.remove(&stray);
            return refuse::unproved(node, lane, claim, digest, &refusal);
        }
    };
    node.now.strays.remove(&stray);
    if proved.task.id != claim.id {
        return misnamed(node, lane, claim, proved.digest, Some(proved.task.id));
    }
    if !planted::is(Bug::IdUnchecked) && replay::is_known(node, lane, claim, &proved)? {
        return Ok(());
    }
    admit(node, lane, claim, &proved)
}

/// A sealed task under a name that is not its own.
fn misnamed(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    id: Option<TaskId>,
) -> Result<(), Error> {
    let said = id.map_or_else(|| "it says none".to_owned(), |id| format!("it says {id}"));
    let refusal = Refusal::new(Reason::NameId, &said);
    refuse::unproved(node, lane, claim, Some(digest), &refusal)
}

/// Remembers a file that could not be dealt with yet: a bounded number, the rest is found again by looking.
pub(super) fn note_stray(node: &mut Node, lane: &Lane, claim: &ClaimName) {
    let now = node.clock.boot();
    let stray = (lane.clone(), claim.clone());
    if node.now.strays.len() >= limits::STRAYS_MAX && !node.now.strays.contains_key(&stray) {
        node.search_again(lane);
        return;
    }
    node.now.strays.entry(stray).or_insert(now);
}

pub(super) fn fresh(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    task: Option<&Task>,
) -> Known {
    let now = node.clock.wall();
    Known {
        digest,
        from: lane.from.clone(),
        to: lane.to.clone(),
        priority: task.map_or(claim.priority, |task| task.priority),
        admitted: now,
        expires: task.map_or_else(|| now.plus(limits::LIFE_MAX), |task| task.expires),
        not_before: task.and_then(|task| task.not_before),
        legacy: false,
        claim: claim.stem(),
        phase: Phase::Admitted,
        started: now,
        starts: 0,
        misses: 0,
        attempts_max: 1,
        approval: None,
        outcome: None,
        file: None,
        hold: match task {
            Some(task) if task.waits() => Hold::Waits,
            _ => Hold::None,
        },
        back: None,
        tried: Vec::new(),
        spared: 0,
        key: task.and_then(|task| submission::key(lane, task)),
    }
}

/// Admits a task that is new here, and does what policy says about it.
fn admit(node: &mut Node, lane: &Lane, claim: &ClaimName, proved: &Proved) -> Result<(), Error> {
    let task = &proved.task;
    let mut known = fresh(node, lane, claim, proved.digest, Some(task));
    known.legacy = proved.legacy;
    pool::inherit(node, claim, &mut known)?;
    if let Err(refusal) = window(node, task, proved.legacy) {
        return refused(node, claim, known, &refusal);
    }
    if proved.legacy && task.created.plus(limits::LEGACY_WINDOW) < known.admitted {
        let refusal = Refusal::new(Reason::Expired, &format!("made {}", task.created));
        return refused(node, claim, known, &refusal);
    }
    if let Some(first) = submission::first(node, claim.id, &known) {
        known.key = None;
        record(node, claim, known)?;
        return submission::refuse(node, claim.id, first);
    }
    let verdict = judged(node, &lane.from, proved);
    let event = Event::of(Word::TaskAdmit)
        .claim(claim)
        .peer(&lane.from)
        .quote("", &task.request);
    node.tell(&Event {
        digest: Some(proved.digest),
        ..event
    });
    let admissions = node.now.admissions.entry(lane.from.clone()).or_default();
    admissions.push(known.admitted);
    match verdict {
        Verdict::Admit(terms) => {
            known.priority = terms.priority;
            known.attempts_max = terms.max_attempts;
            record(node, claim, known)?;
            receipt::note(node, lane, task, proved.digest, Step::Accepted);
            node.tell(&Event::of(Word::TaskAuto).claim(claim).peer(&lane.from));
            Ok(())
        }
        Verdict::NeedsAck(terms, why) => {
            known.priority = terms.priority;
            known.attempts_max = terms.max_attempts;
            // In a pool it may have been approved here before, and have come back.
            let approved = park::is_approved(node, &known, &terms);
            record(node, claim, known)?;
            if approved {
                receipt::note(node, lane, task, proved.digest, Step::Accepted);
                return Ok(());
            }
            receipt::note(node, lane, task, proved.digest, Step::Waiting);
            let asks = park::Asks {
                why: &why,
                terms: &terms,
                request: &task.request,
            };
            park::park(node, task.id, &asks)
        }
        Verdict::Reject(denial) => {
            record(node, claim, known)?;
            let code = denial.code.as_str();
            decide::without_run(
                node,
                task.id,
                Status::Rejected,
                Some(code),
                &denial.sentence,
            )
        }
    }
}

/// Records that a task is admitted. It is in line from now on: whatever fails after this, the start tries again.
fn record(node: &mut Node, claim: &ClaimName, known: Known) -> Result<(), Error> {
    let at = known.admitted;
    node.journal.record(Fact::Admitted {
        id: claim.id,
        at,
        known: Box::new(known),
    })?;
    node.line_up(claim.id);
    Ok(())
}

/// A verified task that this node does not take: an outcome says so.
fn refused(
    node: &mut Node,
    claim: &ClaimName,
    known: Known,
    refusal: &Refusal,
) -> Result<(), Error> {
    if node.journal.known(claim.id).is_some() || node.journal.closed(claim.id).is_some() {
        let (lane, digest) = (known.lane(), known.digest);
        return refuse::copy(node, &lane, claim, digest, false);
    }
    record(node, claim, known)?;
    let status = if refusal.reason == Reason::Expired {
        Status::Expired
    } else {
        Status::Rejected
    };
    let code = refusal.reason.as_str();
    decide::without_run(node, claim.id, status, Some(code), &refusal.to_string())
}

/// The time window, and the memory of this node.
pub(super) fn window(node: &Node, task: &Task, legacy: bool) -> Result<(), Refusal> {
    let now = node.clock.wall();
    if task.created > now.plus(limits::SKEW) {
        return Err(Refusal::new(
            Reason::Future,
            &format!("created {}", task.created),
        ));
    }
    if now > task.expires {
        return Err(Refusal::new(
            Reason::Expired,
            &format!("expired {}", task.expires),
        ));
    }
    if !legacy && task.expires.since(task.created) > limits::LIFE_MAX {
        return Err(Refusal::new(Reason::Ttl, "it lives too long"));
    }
    if task.created.plus(limits::SKEW) < node.journal.birth() {
        return Err(Refusal::new(
            Reason::Cold,
            &format!("created {}", task.created),
        ));
    }
    Ok(())
}

/// What local policy says about a task now.
pub(super) fn judged(node: &Node, from: &NodeName, proved: &Proved) -> Verdict {
    let receiver = Receiver {
        node: &node.settings.node,
        peers: &node.settings.peers,
        profiles: &node.settings.profiles,
    };
    judge(
        &receiver,
        from,
        &wish(proved),
        &usage(node, from, proved),
        node.clock.wall(),
    )
}

/// The terms of a task that was admitted before: quotas were counted then.
pub(super) fn terms(node: &Node, from: &NodeName, proved: &Proved) -> Verdict {
    let receiver = Receiver {
        node: &node.settings.node,
        peers: &node.settings.peers,
        profiles: &node.settings.profiles,
    };
    judge(
        &receiver,
        from,
        &wish(proved),
        &Usage::default(),
        node.clock.wall(),
    )
}

fn wish(proved: &Proved) -> Wish {
    let task = &proved.task;
    Wish {
        profile: task.profile.clone(),
        timeout_s: task.timeout_s,
        max_output_bytes: task.max_output_bytes,
        stall_s: task.stall_s,
        require_ack: task.require_ack,
        require_dangerous: task.require_dangerous,
        hop: task.hop,
        priority: task.priority,
        request_bytes: task.request.len() as u64,
        life: (!proved.legacy).then(|| task.expires.since(task.created)),
        idempotent: task.idempotent,
        max_attempts: task.max_attempts,
        v2: proved.legacy,
        signed: proved.signed,
    }
}

fn usage(node: &Node, from: &NodeName, proved: &Proved) -> Usage {
    let queued = node
        .journal
        .open_tasks()
        .filter(|(id, known)| known.from == *from && *id != proved.task.id && !known.waits())
        .count();
    Usage {
        queued: u32::try_from(queued).unwrap_or(u32::MAX),
        admitted: node.now.admissions.get(from).cloned().unwrap_or_default(),
    }
}

/// Returns the terms of a verdict, whether it still waits for an approval or not.
pub(super) fn terms_of(verdict: Verdict) -> Option<(Terms, bool)> {
    match verdict {
        Verdict::Admit(terms) => Some((terms, false)),
        Verdict::NeedsAck(terms, _) => Some((terms, true)),
        Verdict::Reject(_) => None,
    }
}

/// Drops admissions that no longer count against any quota.
pub(super) fn forget_admissions(node: &mut Node, now: Timestamp) {
    for times in node.now.admissions.values_mut() {
        times.retain(|at| now.since(*at) < limits::LIFE_DEFAULT);
    }
}
