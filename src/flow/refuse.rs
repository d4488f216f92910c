//! What proved nothing → `rejected/`: kept, never deleted, explained beside it; never a document under the task's id.

use serde_json::json;

use super::Error;
use super::Node;
use super::receive;
use crate::entry::ClaimName;
use crate::event::Event;
use crate::event::Word;
use crate::id::Digest;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::reason::Reason;
use crate::reason::Refusal;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Advance;

/// Sets aside a claimed file that proved nothing.
pub(super) fn unproved(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Option<Digest>,
    refusal: &Refusal,
) -> Result<(), Error> {
    let why = refusal.to_string();
    if set_aside(node, lane, claim, digest, refusal.reason, &why)? {
        let event = Event::of(Word::TaskReject).claim(claim).peer(&lane.from);
        let event = event.code(refusal.reason.as_str()).say(&why);
        node.tell(&Event { digest, ..event });
    }
    Ok(())
}

/// Sets aside a copy of a task this node knows: quietly where the bytes are the same, with an alarm where they are not.
pub(super) fn copy(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Digest,
    same: bool,
) -> Result<(), Error> {
    let (word, reason) = if same {
        (Word::TaskDuplicate, Reason::Replay)
    } else {
        (Word::TaskReuse, Reason::IdReuse)
    };
    let event = Event::of(word)
        .claim(claim)
        .peer(&lane.from)
        .code(reason.as_str());
    if set_aside(node, lane, claim, Some(digest), reason, reason.sentence())? {
        node.tell(&Event {
            digest: Some(digest),
            ..event.say(reason.sentence())
        });
    }
    Ok(())
}

/// Moves it away. Returns whether it is gone from `processing/`: it is told of then, and not at every try.
fn set_aside(
    node: &mut Node,
    lane: &Lane,
    claim: &ClaimName,
    digest: Option<Digest>,
    reason: Reason,
    why: &str,
) -> Result<bool, Error> {
    let now = node.clock.boot();
    if node
        .now
        .refuse_again
        .get(lane)
        .is_some_and(|again| now < *again)
    {
        receive::note_stray(node, lane, claim);
        return Ok(false);
    }
    let processing = Place::Stage(lane.clone(), Stage::Processing);
    let rejected = Place::Stage(lane.clone(), Stage::Rejected);
    let name = claim.to_string();
    // Under a fresh name: the claim of a file that was dropped behind the gate is a stranger's choice, and must not
    // lead onto what was set aside before.
    let aside = claim
        .again_by(&node.settings.node, node.chance.nonce())
        .to_string();
    // The reason is a courtesy for whoever looks; it is best effort, and one per digest.
    let digest = digest.unwrap_or_else(|| Digest::of(name.as_bytes()));
    let why = json!({"file": aside, "code": reason.as_str(), "why": why,
        "by": node.settings.node, "at": node.clock.wall()});
    // In place, and without looking first: a listing of rejected/ for each file of a flood would cost the square of it.
    let _ = node.transport.found(
        &rejected,
        &format!("{digest}.why"),
        format!("{why}\n").as_bytes(),
    );
    match node
        .transport
        .advance((&processing, &name), (&rejected, &aside))
    {
        Advance::Moved | Advance::NotMine => {
            node.now.refuse_again.remove(lane);
            node.is_over("refuse", &format!("{lane} "));
            Ok(true)
        }
        Advance::Unknown(error) | Advance::Hopeless(error) => {
            later(node, lane, claim, &error);
            Ok(false)
        }
    }
}

/// It could not be moved (a full or read-only `rejected/`): it stays where it is, tried again without haste, told once.
/// Each such try may wait for a server, so the others of this lane do not even begin one.
fn later(node: &mut Node, lane: &Lane, claim: &ClaimName, error: &ShareError) {
    receive::note_stray(node, lane, claim);
    let again = node.clock.boot().plus(limits::REFUSE_PAUSE);
    node.now.refuse_again.insert(lane.clone(), again);
    let event = Event::of(Word::WatcherErr)
        .claim(claim)
        .say(&error.to_string());
    node.tell_once("refuse", &format!("{lane} {}", error.gist()), &event);
}
