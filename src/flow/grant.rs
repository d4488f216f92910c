//! The sender's leave to start: which claim of a pool may start a task that is not idempotent, one claim at a time.
//!
//! The sender's node looks at the claims in `processing/` of the lanes in which it asks a pool. A claim counts when its
//! lease verifies with the key of the member that it names, and the file under it is a task of this node's own sealing.
//! What is decided is in the journal, synced, before it is published: a crash in between publishes the same decision
//! again. Nothing on the share can undo or repeat a decision, and whoever can write there can at most make the answer
//! a refusal. A task that is idempotent needs none of this.

mod proof;

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use self::proof::Wish;
use super::Asked;
use super::Error;
use super::Node;
use super::Trouble;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Grant;
use crate::document::Permission;
use crate::entry;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::Party;
use crate::journal::Fact;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::reason::Reason;
use crate::share::Listed;
use crate::stage::Stage;
use crate::transport::Publish;

/// Why a claim is refused while another one of its task may be started.
const OTHER_CLAIM: &str = "another claim of this task may have started it";

/// What a sender remembers between two looks; a crash may lose it.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// What it remembers of each lane.
    lanes: HashMap<Lane, Looked>,
    /// Until when every round looks.
    eager: Option<BootTime>,
}

#[derive(Debug, Default)]
struct Looked {
    /// When it is looked at next.
    next: Option<BootTime>,
    /// Claims that have their answer, or need none.
    settled: HashSet<ClaimName>,
    /// How often a claim was looked at in vain.
    doubts: HashMap<ClaimName, u32>,
}

impl Looked {
    /// Keeps what is about these claims, and returns those of them that have no answer yet: what was looked at in vain
    /// before comes last, so that nobody can plant so much that the rest is never seen.
    fn open(&mut self, mut claims: Vec<ClaimName>) -> Vec<ClaimName> {
        let here: HashSet<&ClaimName> = claims.iter().collect();
        self.settled.retain(|claim| here.contains(claim));
        self.doubts.retain(|claim, _| here.contains(claim));
        claims.retain(|claim| !self.settled.contains(claim));
        claims.sort_by_key(|claim| (self.doubts.get(claim).copied(), claim.clone()));
        claims
    }

    /// Notes a claim that proves nothing. Returns whether it is worth another look soon.
    fn doubt(&mut self, claim: ClaimName) -> bool {
        let doubts = self.doubts.entry(claim).or_default();
        *doubts = doubts.saturating_add(1);
        *doubts <= limits::GRANT_DOUBTS_MAX
    }
}

impl Node {
    /// Notes that a task was just sent to a pool: for a while every round looks whether it waits for this node's word.
    pub fn expect_claims(&mut self) {
        self.now.looks.eager = Some(self.clock.boot().plus(limits::GRANT_EAGER));
    }

    /// Returns whether claims of a pool may be waiting for this node's word, so that the next round should come soon.
    #[must_use]
    pub fn expects_claims(&self) -> bool {
        let now = self.clock.boot();
        let looks = &self.now.looks;
        let is_due = |looked: &Looked| looked.next.is_some_and(|next| next <= now);
        looks.eager.is_some_and(|until| now < until) || looks.lanes.values().any(is_due)
    }
}

/// Looks at the claims of every pool that this node asks, and decides about those that wait for it. Returns about how
/// many it decided.
pub(super) fn pass(node: &mut Node) -> Result<usize, Error> {
    if !may_decide(node) {
        return Ok(0);
    }
    let now = node.clock.boot();
    let eager = node.now.looks.eager.is_some_and(|until| now < until);
    let (mut decided, mut failed) = (0, None);
    for asked in node.settings.asked_pools() {
        let looked = node.now.looks.lanes.get(&asked.lane);
        let is_due = looked.is_none_or(|looked| looked.next.is_none_or(|next| next <= now));
        if !eager && !is_due {
            continue;
        }
        match look(node, &asked) {
            Ok(count) => decided += count,
            Err(error) if error.is_fatal() => return Err(error),
            // One pool in disorder must not keep the others waiting.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(decided), Err)
}

/// How long a round may be put off at most, where this node asks a pool: a member that waits for its word gives up
/// after a while.
pub(super) fn patience(node: &Node) -> Option<Duration> {
    if node.expects_claims() {
        return Some(limits::GRANT_BUSY);
    }
    let asks = !node.settings.asked_pools().is_empty();
    asks.then_some(limits::GRANT_LOOK)
}

/// Stop means stop, and a second node of this name would decide a second time. A share that is nearly full, and a node
/// that is being drained, still let others work.
fn may_decide(node: &Node) -> bool {
    let is_held = match node.now.view.trouble {
        None | Some(Trouble::DiskLow(_) | Trouble::Draining(_)) => false,
        Some(_) => true,
    };
    !is_held && !node.now.beats.is_foreign()
}

fn look(node: &mut Node, asked: &Asked) -> Result<usize, Error> {
    let lane = &asked.lane;
    let switch = node.now.view.switch.as_ref();
    if switch.is_some_and(|switch| switch.stops(lane).is_some()) {
        return Ok(0);
    }
    let now = node.clock.boot();
    // Should the look fail, the next one comes at its usual time.
    look_again(node, lane, now.plus(limits::GRANT_LOOK));
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let listing = node.transport.list(&processing)?;
    node.saw(&processing, &listing);
    let claims = claims(asked, &listing);
    let looked = node.now.looks.lanes.entry(lane.clone()).or_default();
    let open = looked.open(claims);
    if open.is_empty() {
        return Ok(0);
    }
    let control = Place::Stage(lane.clone(), Stage::Control);
    let mut control = control_names(&node.transport.list(&control)?);
    let hopeful = looked_in_vain_less(node, lane, &open);
    let (mut decided, mut again) = (0, hopeful > limits::PASS_ENTRIES_MAX);
    // Those that were looked at in vain often come in turn, a few at a look.
    let most = hopeful + limits::CANDIDATES_MAX;
    for claim in open.into_iter().take(limits::PASS_ENTRIES_MAX.min(most)) {
        let before = node.journal.granted(claim.id).cloned();
        let settled = match judge(node, asked, &claim, &mut control) {
            Ok(settled) => settled,
            Err(error) => {
                look_again(node, lane, now);
                return Err(error);
            }
        };
        decided += usize::from(node.journal.granted(claim.id) != before.as_ref());
        let looked = node.now.looks.lanes.entry(lane.clone()).or_default();
        if settled {
            looked.settled.insert(claim);
        } else {
            again |= looked.doubt(claim);
        }
    }
    if again {
        look_again(node, lane, now);
    }
    Ok(decided)
}

/// How many of these claims are still worth a look soon.
fn looked_in_vain_less(node: &Node, lane: &Lane, open: &[ClaimName]) -> usize {
    let looked = node.now.looks.lanes.get(lane);
    let doubts = |claim| looked.and_then(|looked| looked.doubts.get(claim)).copied();
    open.iter()
        .filter(|claim| doubts(claim).unwrap_or(0) < limits::GRANT_DOUBTS_MAX)
        .count()
}

fn look_again(node: &mut Node, lane: &Lane, at: BootTime) {
    node.now.looks.lanes.entry(lane.clone()).or_default().next = Some(at);
}

/// The claims in a listing that may wait for a word: of a member, under the name that it gave them, with a lease.
fn claims(asked: &Asked, listing: &[Listed]) -> Vec<ClaimName> {
    let plain = || listing.iter().filter(|entry| entry.raw.is_none());
    let names: HashSet<&str> = plain().map(|entry| entry.name.as_str()).collect();
    let claims = plain().filter_map(|entry| ClaimName::parse(&entry.name));
    claims
        .filter(|claim| claim.taken.is_none() && asked.members.contains(&claim.node))
        .filter(|claim| names.contains(claim.lease().as_str()))
        .collect()
}

fn control_names(listing: &[Listed]) -> Vec<ControlName> {
    let plain = listing.iter().filter(|entry| entry.raw.is_none());
    plain
        .filter_map(|entry| ControlName::parse(&entry.name))
        .collect()
}

/// Looks at one claim and decides what is to be decided. Returns whether it has its answer, or needs none.
fn judge(
    node: &mut Node,
    asked: &Asked,
    claim: &ClaimName,
    control: &mut Vec<ControlName>,
) -> Result<bool, Error> {
    let stem = claim.stem();
    if let Some(known) = node.journal.granted(claim.id).cloned() {
        let decision = if known.claim.as_ref() == Some(&stem) {
            Some(Permission::Start)
        } else {
            known.is_spent(&stem).then_some(Permission::Refuse)
        };
        if let Some(decision) = decision {
            // Decided before, perhaps by an earlier life of this node: the same again, unless it is there already.
            if !proof::is_said(node, &asked.lane, claim, decision, control) {
                let about = (known.digest, known.expires);
                publish(node, &asked.lane, claim, about, decision, OTHER_CLAIM)?;
            }
            return Ok(true);
        }
    }
    let wish = match proof::wish(node, asked, claim) {
        Ok(Some(wish)) => wish,
        Ok(None) => return Ok(false),
        Err(refusal) => {
            let event = Event::of(Word::DocumentReject)
                .claim(claim)
                .peer(&claim.node)
                .code(refusal.reason.as_str())
                .say(&refusal.to_string());
            node.tell_once("claims", &stem, &event);
            return Ok(false);
        }
    };
    // One that is over is the member's to end; one that was given back waits for nothing.
    let is_over = node.clock.wall() > wish.expires;
    if wish.idempotent
        || is_over
        || proof::is_released(node, &asked.lane, claim, wish.digest, control)
    {
        return Ok(true);
    }
    decide(node, &asked.lane, claim, &wish, control)?;
    Ok(true)
}

/// Decides about a claim of which nothing was decided yet: records it, makes that durable, publishes it.
fn decide(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    wish: &Wish,
    control: &mut Vec<ControlName>,
) -> Result<(), Error> {
    let known = node.journal.granted(claim.id).cloned();
    // First of all: what is on record of an id is about one task, and says nothing of another.
    if let Some(known) = &known
        && known.digest != wish.digest
    {
        let why = "another task of this id was granted";
        node.tell(&Event::of(Word::TaskReuse).claim(claim).say(why));
        let about = (wish.digest, wish.expires);
        return publish(node, lane, claim, about, Permission::Refuse, why);
    }
    if wish.created.plus(limits::SKEW) < node.journal.birth() {
        let why = "the sender's record begins after this task was made";
        return refuse(node, lane, claim, wish, (Reason::Cold, why));
    }
    if let Some(other) = known.and_then(|known| known.claim) {
        if !planted::is(Bug::TwoGrants)
            && !was_given_back(node, lane, &other, wish.digest, control)?
        {
            return refuse(node, lane, claim, wish, (Reason::Replay, OTHER_CLAIM));
        }
        let (id, at) = (claim.id, node.clock.wall());
        node.journal.record(Fact::Released {
            id,
            claim: other.clone(),
            at,
        })?;
        let event = Event::of(Word::TaskRelease).task(id);
        node.tell(&event.say(&format!("{other} never started")));
    }
    let (id, digest, expires) = (claim.id, wish.digest, wish.expires);
    let at = node.clock.wall();
    node.journal.record(Fact::Granted {
        id,
        digest,
        expires,
        claim: claim.stem(),
        at,
    })?;
    node.journal.sync()?;
    let event = Event::of(Word::TaskGrant).claim(claim).peer(&claim.node);
    node.tell(&event.say(&format!("{} may start it", claim.node)));
    publish(node, lane, claim, (digest, expires), Permission::Start, "")
}

/// Whether the claim that was granted is known to have been given back. That it was not is concluded only from a
/// listing that is truly fresh: a member gives its claim back before anybody else can claim the task (R5).
fn was_given_back(
    node: &Node,
    lane: &Lane,
    stem: &str,
    digest: Digest,
    control: &mut Vec<ControlName>,
) -> Result<bool, Error> {
    let Some(other) = ClaimName::parse_stem(stem) else {
        return Ok(false);
    };
    if proof::is_released(node, lane, &other, digest, control) {
        return Ok(true);
    }
    let place = Place::Stage(lane.clone(), Stage::Control);
    let name = entry::scratch(node.chance.nonce());
    let seen = node.transport.mark(&place, &name)?;
    // What stays is ignored by everybody, and collected by its age.
    let _ = node.transport.remove(&place, &name);
    *control = control_names(&seen);
    Ok(proof::is_released(node, lane, &other, digest, control))
}

fn refuse(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    wish: &Wish,
    (code, why): (Reason, &str),
) -> Result<(), Error> {
    let (id, digest, expires) = (claim.id, wish.digest, wish.expires);
    let at = node.clock.wall();
    node.journal.record(Fact::Refused {
        id,
        digest,
        expires,
        claim: claim.stem(),
        at,
    })?;
    node.journal.sync()?;
    let event = Event::of(Word::TaskWithhold).claim(claim).peer(&claim.node);
    node.tell(&event.code(code.as_str()).say(why));
    publish(
        node,
        lane,
        claim,
        (digest, expires),
        Permission::Refuse,
        why,
    )
}

/// Publishes a decision that is on record. After an error it may or may not be there, and the next look finds out.
fn publish(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    (digest, expires): (Digest, Timestamp),
    decision: Permission,
    reason: &str,
) -> Result<(), Error> {
    let now = node.clock.wall();
    if expires <= now {
        return Ok(());
    }
    let grant = Grant {
        from: node.party(),
        to: Party::from(&claim.node),
        task_id: claim.id,
        task_sha256: digest,
        claim: claim.clone(),
        decision,
        reason: (decision == Permission::Refuse).then(|| reason.to_owned()),
        created: now,
        expires: expires.min(now.plus(limits::LIFE_MAX)),
    };
    let sealed = envelope::seal(&node.keys, &grant.context(), now, &grant.body())?;
    let name = ControlName {
        id: claim.id,
        kind: ControlKind::Grant(claim.node.clone()),
        nonce: node.chance.nonce(),
    };
    let control = Place::Stage(lane.clone(), Stage::Control);
    let to = (&control, &*name.to_string());
    match node.transport.publish(lane, claim.id, to, &sealed) {
        Publish::Published => Ok(()),
        Publish::Failed(error) | Publish::Unknown { error, .. } => Err(error.into()),
    }
}
