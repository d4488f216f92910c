//! What the sender's node believes of what lies in a pool's lane: a lease, its own task, a release, its own word.
//! Nothing here changes anything.

use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Permission;
use crate::document::Rules;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope::Envelope;
use crate::envelope::Verified;
use crate::flow::Asked;
use crate::flow::Node;
use crate::flow::receive;
use crate::flow::receive::Reading;
use crate::id::Digest;
use crate::id::Party;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;

/// What a claim asks for: that this task may be started.
pub(super) struct Wish {
    /// Digest of the whole task file.
    pub(super) digest: Digest,
    /// When the task was made.
    pub(super) created: Timestamp,
    /// No start after this.
    pub(super) expires: Timestamp,
    /// Whether it may be started by anybody, any time.
    pub(super) idempotent: bool,
}

/// Proves a claim: its member says, in the lease, that it holds this task, and the file under it is a task of this
/// node's own sealing. `None`: not readable now.
pub(super) fn wish(node: &Node, asked: &Asked, claim: &ClaimName) -> Result<Option<Wish>, Refusal> {
    let processing = Place::Stage(asked.lane.clone(), Stage::Processing);
    let read = node
        .transport
        .read(&processing, &claim.lease(), limits::CONTROL_BYTES_MAX);
    let Ok(bytes) = read else {
        return Ok(None);
    };
    let context = Context {
        from: Party::from(&claim.node),
        to: node.party(),
        kind: Kind::Lease,
    };
    // A seal that is wrong may also be a lease that is being rewritten: it is looked at again.
    let lease = Envelope::read(bytes)
        .verify(&node.keys, &context, node.clock.wall())?
        .lease(&Rules::recorded())?;
    if lease.task_id != claim.id || lease.claim.as_ref() != Some(claim) {
        let why = "the lease is of another claim";
        return Err(Refusal::new(Reason::Digest, why));
    }
    match receive::read(node, &asked.lane, &processing, &claim.to_string()) {
        Reading::Proved(proved) => {
            if proved.task.id != claim.id || proved.digest != lease.task_sha256 {
                let why = "the lease is about another task";
                return Err(Refusal::new(Reason::Digest, why));
            }
            Ok(Some(Wish {
                digest: proved.digest,
                created: proved.task.created,
                expires: proved.task.expires,
                idempotent: proved.task.idempotent,
            }))
        }
        Reading::Nothing(_, refusal) | Reading::Asks(_, _, refusal) => Err(refusal),
        Reading::Torn(..) | Reading::Unknown => Ok(None),
    }
}

/// Returns whether the member of a claim says that it never started it and never will. What cannot be read or proved
/// says nothing.
pub(super) fn is_released(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    control: &[ControlName],
) -> bool {
    let context = Context {
        from: Party::from(&claim.node),
        to: node.party(),
        kind: Kind::Release,
    };
    let kind = ControlKind::Release(claim.node.clone());
    documents(node, lane, (claim, &kind), &context, control).any(|verified| {
        let release = verified.release(&Rules::recorded());
        release.is_ok_and(|it| it.claim == *claim && it.task_sha256 == digest)
    })
}

/// Returns whether this node's own word about a claim lies there.
pub(super) fn is_said(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    decision: Permission,
    control: &[ControlName],
) -> bool {
    let context = Context {
        from: node.party(),
        to: Party::from(&claim.node),
        kind: Kind::Grant,
    };
    let kind = ControlKind::Grant(claim.node.clone());
    documents(node, lane, (claim, &kind), &context, control).any(|verified| {
        let grant = verified.grant(&Rules::recorded());
        grant.is_ok_and(|it| it.claim == *claim && it.decision == decision)
    })
}

/// The documents of one kind about the task of a claim whose seal holds. A bounded number is read, beginning anywhere:
/// nobody can plant so much that the rest is never read.
fn documents<'a>(
    node: &'a Node,
    lane: &Lane,
    (claim, kind): (&ClaimName, &ControlKind),
    context: &'a Context,
    control: &[ControlName],
) -> impl Iterator<Item = Envelope<Verified>> + use<'a> {
    let place = Place::Stage(lane.clone(), Stage::Control);
    let about = control
        .iter()
        .filter(|name| name.id == claim.id && name.kind == *kind);
    let mut files: Vec<String> = about.map(ToString::to_string).collect();
    if files.len() > limits::PASS_ENTRIES_MAX {
        let start = node.chance.bits() % files.len() as u64;
        files.rotate_left(usize::try_from(start).unwrap_or(0));
        files.truncate(limits::PASS_ENTRIES_MAX);
    }
    files.into_iter().filter_map(move |file| {
        let most = limits::CONTROL_BYTES_MAX;
        let bytes = node.transport.read(&place, &file, most).ok()?;
        let now = node.clock.wall();
        Envelope::read(bytes).verify(&node.keys, context, now).ok()
    })
}
