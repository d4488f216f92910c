//! Is this task in `inbox/` one for this member, now? A hint that saves useless claims: whatever counts is judged from
//! the claimed bytes.

use super::Node;
use super::lease;
use super::sender;
use super::slots_in_use;
use crate::clock::BootTime;
use crate::entry::ControlName;
use crate::flow::hold;
use crate::flow::receive;
use crate::flow::receive::Proved;
use crate::flow::receive::Reading;
use crate::id::Digest;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::policy::Verdict;
use crate::reason::Reason;
use crate::slots;
use crate::stage::Stage;

/// What to do about an entry of `inbox/`.
pub(super) enum Choice {
    /// It is claimed; with what it will hold once it runs, where it is claimed for a slot.
    Claim(Digest, Option<slots::Running>),
    /// It is left to others, or for later.
    Leave(Left),
    /// Nothing is known of it now.
    Skip,
}

/// Why an entry is left where it is.
#[derive(Debug, Clone)]
pub(crate) enum Left {
    /// Until it is looked at again.
    Until(BootTime),
    /// Until this profile has a slot and its resources.
    Busy(ProfileName),
    /// It looks half-written, since then.
    Torn(BootTime),
}

/// Whether an entry that was left is to be left still, without reading it again.
pub(super) fn is_left(node: &Node, left: &Left) -> bool {
    let now = node.clock.boot();
    match left {
        Left::Until(again) => now < *again,
        Left::Busy(profile) => node
            .settings
            .profiles
            .get(profile)
            .is_some_and(|profile| is_busy(node, profile)),
        Left::Torn(first) => now.since(*first) < limits::JUNK_AGE,
    }
}

fn is_busy(node: &Node, profile: &crate::profile::Profile) -> bool {
    slots::wait(node.settings.slots, profile, &slots_in_use(node)).is_some()
}

/// Reads an entry and judges it.
pub(super) fn judge(
    node: &mut Node,
    lane: &Lane,
    (file, id): (&str, TaskId),
    control: &[ControlName],
) -> Choice {
    let inbox = Place::Stage(lane.clone(), Stage::Inbox);
    let now = node.clock.boot();
    match receive::read(node, lane, &inbox, file) {
        Reading::Unknown => Choice::Skip,
        Reading::Torn(digest, _) => {
            let key = (lane.clone(), file.to_owned());
            match node.now.pool.passed_over.get(&key) {
                Some(Left::Torn(first)) if now.since(*first) >= limits::JUNK_AGE => {
                    refuse(digest, file)
                }
                Some(Left::Torn(first)) => Choice::Leave(Left::Torn(*first)),
                _ => Choice::Leave(Left::Torn(now)),
            }
        }
        Reading::Nothing(digest, _) => refuse(digest, file),
        Reading::Asks(digest, ..) => refuse(Some(digest), file),
        Reading::Proved(proved) if proved.task.id != id => refuse(Some(proved.digest), file),
        Reading::Proved(proved) => proved_one(node, lane, &proved, control),
    }
}

/// It is claimed to be refused, which needs no slot.
fn refuse(digest: Option<Digest>, file: &str) -> Choice {
    let digest = digest.unwrap_or_else(|| Digest::of(file.as_bytes()));
    Choice::Claim(digest, None)
}

fn proved_one(node: &mut Node, lane: &Lane, proved: &Proved, control: &[ControlName]) -> Choice {
    let task = &proved.task;
    let refuse = Choice::Claim(proved.digest, None);
    let later = Choice::Leave(Left::Until(node.clock.boot().plus(limits::REAP_LOOK)));
    // A copy of what this node has closed, or other bytes under an id it knows: set aside.
    let left = node.journal.left(task.id).map(|left| left.digest);
    if node.journal.closed(task.id).is_some() || left.is_some_and(|left| left != proved.digest) {
        return refuse;
    }
    match receive::window(node, task, proved.legacy) {
        Ok(()) => {}
        // Another member's journal is older, another's clock is right.
        Err(refusal) if matches!(refusal.reason, Reason::Cold | Reason::Future) => return later,
        Err(_) => return refuse,
    }
    if task
        .not_before
        .is_some_and(|moment| node.clock.wall() < moment)
    {
        return later;
    }
    if task.waits() && !hold::is_ready(node, lane, task.id, proved.digest, control) {
        return later;
    }
    let terms = match receive::judged(node, &lane.from, proved) {
        Verdict::Reject(denial) if denial.code == Reason::Quota => return later,
        Verdict::Reject(_) if !has_profile(node, lane, proved) => return later,
        Verdict::Reject(_) => return refuse,
        Verdict::NeedsAck(..) if parked(node, lane) >= limits::PARKED_MAX => return later,
        Verdict::NeedsAck(..) => return refuse,
        Verdict::Admit(terms) => terms,
    };
    let Some(profile) = node.settings.profiles.get(&terms.profile).cloned() else {
        return later;
    };
    if node.journal.paused(&profile.name).is_some() {
        return later;
    }
    if is_busy(node, &profile) {
        return Choice::Leave(Left::Busy(profile.name));
    }
    if !task.idempotent && !sender::is_alive(node, &lane.from) {
        return later;
    }
    let running = slots::Running {
        task: task.id,
        profile: profile.name,
        resources: profile.resources,
    };
    Choice::Claim(proved.digest, Some(running))
}

/// Whether this node could run it at all. What it has no profile for is left to the others.
pub(super) fn has_profile(node: &Node, lane: &Lane, proved: &Proved) -> bool {
    let Some(peer) = node.settings.peers.get(&lane.from) else {
        return false;
    };
    let wanted = proved.task.profile.as_ref();
    let name = wanted.unwrap_or(&peer.default_profile);
    node.settings.profiles.contains_key(name)
}

/// How many tasks of this lane wait for an approval here.
fn parked(node: &Node, lane: &Lane) -> usize {
    let open = node.journal.open_tasks();
    open.filter(|(id, known)| {
        known.phase == Phase::Parked && known.lane() == *lane && lease::held(node, *id).is_some()
    })
    .count()
}
