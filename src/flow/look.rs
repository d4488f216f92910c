//! The look at the root: is the share there, ours, not halted; may anything start. Taken once a round, and again before
//! every start. It changes nothing on the share but a probe where something could not be written.

use nix::errno::Errno;

use super::Fitness;
use super::Node;
use super::Trouble;
use super::fresh;
use super::root;
use crate::event::Event;
use crate::event::Word;
use crate::keyring::Standing;
use crate::killswitch::State;
use crate::limits;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;

/// Size of the file that shows whether the share can be written: more than some servers keep beside the name.
const PROBE_BYTES: usize = 8192;

/// Takes the look of a round: is the share there, ours, not halted. The view of the node holds what came of it. Any
/// error means that nothing starts.
pub(super) fn take(node: &mut Node) {
    let now = node.clock.boot();
    let proved = node.now.view.proved;
    take_as(
        node,
        proved.is_none_or(|proved| now.since(proved) >= limits::SLOW_LOOK),
    );
}

/// Takes the look that a start rests on: the boot clock first, then the identity and a fresh listing of the root.
pub(super) fn to_start(node: &mut Node) {
    // A client that knows a folder by the time of its last change may take an old listing for a new one, and with it
    // a root without the killswitch that was made in the same tick (R5).
    fresh::stir_stamped(node, &Place::Root);
    take_as(node, true);
}

fn take_as(node: &mut Node, prove: bool) {
    let looked = node.clock.boot();
    let before = node.now.view.trouble.clone();
    node.now.view.looked = looked;
    let mut seen = sight(node, prove);
    if seen.as_ref().is_err_and(ShareError::is_other_ground) {
        // Mounted anew since it was proved: whatever is there now is proved, or refused.
        seen = sight(node, true);
    }
    let listing = seen.as_ref().map(|(listing, _)| listing.as_slice());
    let peek = |name: &str| {
        node.transport
            .peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX)
    };
    let switch = node.killswitch.judge(listing, &peek);
    let trouble = match seen {
        Err(error) => Some(Trouble::ShareLost(error)),
        Ok((_, Some(trouble))) => Some(trouble),
        Ok((listing, None)) => {
            node.saw(&Place::Root, &listing);
            judge(node, &switch)
        }
    };
    node.now.view.switch = Some(switch);
    let trouble = trouble.or_else(|| local_trouble(node));
    let is_lost = trouble.as_ref().is_some_and(Trouble::is_lost);
    if is_lost {
        // It is proved anew, and the clocks are compared again, when it is back.
        node.now.view.proved = None;
        node.now.skew.forget();
    }
    let since = node.now.view.lost_since.unwrap_or(looked);
    node.now.view.lost_since = is_lost.then_some(since);
    let was_of_the_clock = before.as_ref().is_some_and(Trouble::is_of_the_clock);
    if was_of_the_clock && !trouble.as_ref().is_some_and(Trouble::is_of_the_clock) {
        // What was found wanting was judged by a clock that was wrong.
        node.now.wanting.clear();
    }
    let is_same = match (&before, &trouble) {
        (Some(before), Some(after)) => before.is_like(after),
        (before, after) => before == after,
    };
    node.now.view.trouble.clone_from(&trouble);
    if !is_same {
        tell(node, before.as_ref(), trouble.as_ref());
    }
}

/// Lists the root. With `prove` it is first held to what is mounted there now ([`Transport::anchor`]), and then its
/// identity read: all that is done by later calls is done to the root that was proved, or fails.
fn sight(node: &mut Node, prove: bool) -> Result<(Vec<Listed>, Option<Trouble>), ShareError> {
    if prove {
        node.now.view.proved = None;
        node.transport.anchor()?;
    }
    let is_overlooked = planted::is(Bug::KillswitchByStat)
        && node
            .transport
            .attributes(&Place::Root, "KILLSWITCH")
            .is_err();
    let mut listing = node.transport.list(&Place::Root)?;
    if is_overlooked {
        listing.retain(|entry| entry.name != "KILLSWITCH");
    }
    if !prove && root::is_laid_out(&listing) {
        return Ok((listing, None));
    }
    let found = match root::identity_in(&*node.transport, &listing) {
        Ok(found) => found.uuid,
        Err(root::Error::Share(error)) => return Err(error),
        Err(error) => return Ok((listing, Some(Trouble::NotOurs(error.to_string())))),
    };
    let view = &mut node.now.view;
    let (wanted, whose) = match (&node.settings.root_id, &view.identity) {
        (Some(wanted), _) => (wanted, "configured"),
        // Not configured: the first that was found is ours for as long as this watcher lives.
        (None, Some(first)) => (first, "until now it"),
        (None, None) => (&found, ""),
    };
    if *wanted != found {
        let why = format!("its identity is {found}, {whose} is {wanted}");
        return Ok((listing, Some(Trouble::NotOurs(why))));
    }
    view.identity = Some(found);
    view.proved = Some(view.looked);
    Ok((listing, None))
}

fn judge(node: &mut Node, switch: &State) -> Option<Trouble> {
    if let Some(halt) = switch.stops_node() {
        return Some(Trouble::Halted(halt.to_string()));
    }
    room(node).or_else(|| unwritable(node))
}

/// Free space: asked once a minute, since it costs a call and changes slowly.
fn room(node: &mut Node) -> Option<Trouble> {
    let now = node.clock.boot();
    let view = &node.now.view;
    let fresh = view.free_bytes.is_some() && now.since(view.asked) < limits::SLOW_LOOK;
    if !fresh {
        match node.transport.free_bytes() {
            Ok(free) => node.now.view.free_bytes = Some(free),
            Err(error) => return Some(Trouble::ShareLost(error)),
        }
        node.now.view.asked = now;
    }
    node.now
        .view
        .free_bytes
        .filter(|free| *free < node.settings.free_bytes_min)
        .map(Trouble::DiskLow)
}

/// Notes what a failed pass says of the share as a whole: it cannot be written.
pub(super) fn note(node: &mut Node, error: &ShareError) {
    if matches!(error.kind(), Errno::EROFS | Errno::ENOSPC | Errno::EDQUOT) {
        let again = node.clock.boot().plus(limits::WRITE_LOOK);
        node.now.view.unwritable = Some((error.clone(), again));
    }
}

/// Once something could not be written, nothing starts until a file of some size could be.
fn unwritable(node: &mut Node) -> Option<Trouble> {
    let (error, again) = node.now.view.unwritable.clone()?;
    let now = node.clock.boot();
    let lane = node.lanes().into_iter().next();
    let Some(lane) = lane.filter(|_| again <= now) else {
        return Some(Trouble::Unwritable(error));
    };
    let tmp = Place::Stage(lane, Stage::Tmp);
    let name = format!("now.{}.part", node.chance.nonce());
    let tried = node.transport.found(&tmp, &name, &[b' '; PROBE_BYTES]);
    // What stays is collected by its age, like everything half-written.
    let _ = node.transport.remove(&tmp, &name);
    match tried {
        Ok(()) => {
            node.now.view.unwritable = None;
            node.now.commit_again.clear();
            None
        }
        Err(error) => {
            node.now.view.unwritable = Some((error.clone(), now.plus(limits::WRITE_LOOK)));
            Some(Trouble::Unwritable(error))
        }
    }
}

/// What stops starts without any share.
fn local_trouble(node: &Node) -> Option<Trouble> {
    // A clock set back would open the windows of expired tasks again, and with them a replay that was forgotten.
    let latest = node.journal.latest();
    let wall = node.clock.wall();
    // Where the server agrees with the clock as it is now, it was ahead before and is right again. What the journal
    // forgot meanwhile was over for so long that its window cannot be open.
    let is_right_again =
        node.now.skew.vouches() && latest.since(wall) < limits::MEMORY_AFTER_EXPIRY;
    if wall.plus(limits::SKEW) < latest && !is_right_again {
        return Some(Trouble::ClockBack(latest.minus(limits::SKEW)));
    }
    if let Some(ahead) = node.now.skew.stops() {
        return Some(Trouble::ClockOff(ahead));
    }
    if node.now.beats.is_foreign() {
        return Some(Trouble::Foreign);
    }
    if let Fitness::Nothing(why) = &node.now.fitness {
        return Some(Trouble::Refused(why.clone()));
    }
    if let Standing::Kept(why) = node.keys.standing() {
        return Some(Trouble::KeysUnread(why.clone()));
    }
    // An attempt that cannot keep its output, or a journal that cannot grow, helps nobody.
    let free = node.runner.free_bytes();
    if free < limits::FREE_BYTES_MIN {
        return Some(Trouble::SpoolLow(free));
    }
    node.now.drain.clone().map(Trouble::Draining)
}

fn tell(node: &Node, before: Option<&Trouble>, after: Option<&Trouble>) {
    let word = match (before, after) {
        (_, Some(Trouble::Halted(_))) => Word::HaltSeen,
        (_, Some(Trouble::ShareLost(_) | Trouble::NotOurs(_))) => Word::ShareLost,
        (_, Some(Trouble::DiskLow(_) | Trouble::SpoolLow(_))) => Word::DiskLow,
        (_, Some(Trouble::Unwritable(_))) => Word::DiskLow,
        (_, Some(Trouble::ClockBack(_))) => Word::ClockRollback,
        (_, Some(Trouble::ClockOff(_))) => Word::ClockSkew,
        (_, Some(Trouble::Foreign)) => Word::HeartbeatForeign,
        (_, Some(Trouble::Refused(_))) => Word::ShareRefuse,
        (_, Some(Trouble::KeysUnread(_))) => Word::KeyRefuse,
        (_, Some(Trouble::Draining(_))) => Word::DrainSeen,
        (Some(Trouble::Halted(_)), None) => Word::HaltGone,
        (Some(Trouble::Draining(_)), None) => Word::DrainGone,
        _ => Word::ShareBack,
    };
    let text = after.map_or_else(
        || "starts are allowed again".to_owned(),
        ToString::to_string,
    );
    node.tell(&Event::of(word).say(&text));
}
