//! What a member of a pool hears from the sender about its claim, and how it gives a claim back.
//!
//! A grant is about one claim of this node, and good for these bytes; everything else that lies there is told once and
//! ignored. A release is written only after the journal says that the claim never started and never will: whoever
//! calls [`release`] has recorded that.

use super::Error;
use super::Node;
use crate::document::Context;
use crate::document::Grant;
use crate::document::Kind;
use crate::document::Permission;
use crate::document::Release;
use crate::document::Rules;
use crate::entry::ClaimName;
use crate::entry::ControlKind;
use crate::entry::ControlName;
use crate::envelope;
use crate::envelope::Envelope;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::id::Party;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::stage::Stage;
use crate::transport::Publish;

/// What the sender says about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It may be started, once.
    Start,
    /// It must not be started, for this reason: another claim of the task may have been.
    Refused(String),
    /// Nothing yet.
    Nothing,
}

/// Returns what the sender says about a claim of this node on the task with this digest, from the names in a fresh
/// listing of `control/`. A refusal counts more than a leave to start.
pub fn said(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    control: &[ControlName],
) -> Said {
    let mine = ControlKind::Grant(node.settings.node.clone());
    let about = control
        .iter()
        .filter(|name| name.id == claim.id && name.kind == mine);
    let mut said = Said::Nothing;
    for name in about.take(limits::PASS_ENTRIES_MAX) {
        let file = name.to_string();
        if node.is_wanting(lane, &file) {
            continue;
        }
        match read(node, lane, name, digest) {
            // About an earlier claim of this node: true, and of no use.
            Ok(Some(grant)) if grant.claim != *claim => {}
            Ok(Some(grant)) if grant.decision == Permission::Refuse => {
                let why = grant
                    .reason
                    .unwrap_or_else(|| "it gives no reason".to_owned());
                return Said::Refused(why);
            }
            Ok(Some(_)) => said = Said::Start,
            Ok(None) => {}
            Err(refusal) => {
                let event = Event::of(Word::DocumentReject)
                    .task(name.id)
                    .peer(&lane.from)
                    .code(refusal.reason.as_str())
                    .say(&refusal.to_string());
                node.find_wanting(lane, file, &event);
            }
        }
    }
    said
}

/// Reads and proves one grant. `None`: not readable now.
fn read(
    node: &Node,
    lane: &Lane,
    name: &ControlName,
    digest: Digest,
) -> Result<Option<Grant>, Refusal> {
    let control = Place::Stage(lane.clone(), Stage::Control);
    let most = limits::CONTROL_BYTES_MAX;
    let bytes = match node.transport.read(&control, &name.to_string(), most) {
        Ok(bytes) => bytes,
        Err(error) if error.why.is_some() => {
            return Err(Refusal::new(Reason::Type, &error.to_string()));
        }
        Err(_) => return Ok(None),
    };
    let context = Context {
        from: Party::from(&lane.from),
        to: node.party(),
        kind: Kind::Grant,
    };
    let now = node.clock.wall();
    let grant = Envelope::read(bytes)
        .verify(&node.keys, &context, now)?
        .grant(&Rules::at(now))?;
    if grant.task_id != name.id || grant.task_sha256 != digest {
        let why = "the grant is about another task or other bytes";
        return Err(Refusal::new(Reason::Digest, why));
    }
    Ok(Some(grant))
}

/// Tells the sender that a claim of this node never started and never will. Where that cannot be written now, nothing
/// else may be done with the claim: without it the sender refuses every later one.
///
/// # Errors
/// [`Error::Share`], [`Error::Seal`]: it may or may not be there; to be tried again, a second one does no harm.
pub fn release(
    node: &Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    reason: &str,
) -> Result<(), Error> {
    let now = node.clock.wall();
    let release = Release {
        from: node.party(),
        to: Party::from(&lane.from),
        task_id: claim.id,
        task_sha256: digest,
        claim: claim.clone(),
        reason: reason.to_owned(),
        created: now,
        expires: now.plus(limits::LIFE_MAX),
    };
    let sealed = envelope::seal(&node.keys, &release.context(), now, &release.body())?;
    let name = ControlName {
        id: claim.id,
        kind: ControlKind::Release(node.settings.node.clone()),
        nonce: node.chance.nonce(),
    };
    let control = Place::Stage(lane.clone(), Stage::Control);
    let to = (&control, &*name.to_string());
    match node.transport.publish(lane, claim.id, to, &sealed) {
        Publish::Published => Ok(()),
        Publish::Failed(error) | Publish::Unknown { error, .. } => Err(error.into()),
    }
}
