//! The root of a share: laid out once, looked at before every start.

use serde::Deserialize;
use serde::Serialize;

use super::Node;
use super::Trouble;
use crate::event::Event;
use crate::event::Word;
use crate::killswitch::IDENTITY;
use crate::killswitch::State;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::share::ShareError;
use crate::transport::Transport;

/// Version of the layout.
const LAYOUT: u32 = 1;

/// The identity of a root: an unmounted share, or another one at its place, is recognised by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the layout: 1. A newer one is refused.
    pub layout: u32,
    /// The share.
    pub uuid: String,
}

/// Why a folder is not a share of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The share failed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// There is no identity in it.
    #[error("no '{IDENTITY}' in '{0}'")]
    Absent(String),
    /// The identity cannot be read.
    #[error("cannot understand '{IDENTITY}' in '{0}'")]
    Damaged(String),
    /// It is laid out by a newer version.
    #[error("'{0}' has layout {1}, this program knows {LAYOUT}")]
    Newer(String, u32),
}

/// Reads the identity of a root.
///
/// # Errors
/// [`Error`]
pub fn identity(transport: &dyn Transport) -> Result<Identity, Error> {
    // Whatever is proved of it here holds for the calls that follow.
    transport.anchor()?;
    if !transport.holds(&Place::Root, IDENTITY)? {
        return Err(Error::Absent(transport.title()));
    }
    identity_there(transport)
}

/// Reads the identity of a root that was just seen to have one.
fn identity_there(transport: &dyn Transport) -> Result<Identity, Error> {
    let title = transport.title();
    let bytes = transport.read(&Place::Root, IDENTITY, 4096)?;
    let identity: Identity =
        serde_json::from_slice(&bytes).map_err(|_| Error::Damaged(title.clone()))?;
    if identity.layout > LAYOUT {
        return Err(Error::Newer(title, identity.layout));
    }
    Ok(identity)
}

/// Lays out a root: its identity if it has none, the common folders, and the folders of these lanes. May be repeated.
///
/// # Errors
/// [`Error`]; what was made stays.
pub fn lay_out(transport: &dyn Transport, lanes: &[Lane], uuid: &str) -> Result<Identity, Error> {
    let identity = match identity(transport) {
        Err(Error::Absent(_)) => {
            let fresh = Identity {
                layout: LAYOUT,
                uuid: uuid.to_owned(),
            };
            // A plain struct of a number and a string.
            let text = serde_json::to_string(&fresh).expect("an identity is plain data");
            transport.found(&Place::Root, IDENTITY, format!("{text}\n").as_bytes())?;
            self::identity(transport)?
        }
        other => other?,
    };
    transport.make_dir(&Place::Heartbeats)?;
    transport.make_dir(&Place::Logs)?;
    for place in lanes.iter().flat_map(Place::of_lane) {
        transport.make_dir(&place)?;
    }
    transport.sync(&Place::Root)?;
    Ok(identity)
}

/// Takes the look that a start rests on: the boot clock first, then a fresh listing of the root. The view of the node
/// holds what came of it. Any error means that nothing starts.
pub(super) fn look(node: &mut Node) {
    let looked = node.clock.boot();
    let before = node.now.view.trouble.clone();
    node.now.view.looked = looked;
    let listing = node.transport.list(&Place::Root);
    if let Ok(listing) = &listing {
        node.saw(&Place::Root, listing);
    }
    let peek = |name: &str| {
        node.transport
            .peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX)
    };
    let switch = node.killswitch.judge(listing.as_deref(), &peek);
    let trouble = match &listing {
        Err(error) => Some(Trouble::ShareLost(error.clone())),
        Ok(listing) => judge(node, listing, &switch),
    };
    node.now.view.switch = Some(switch);
    node.now.view.trouble = trouble.or_else(|| local_trouble(node));
    let after = node.now.view.trouble.clone();
    let is_same = match (&before, &after) {
        // The number alone is no news.
        (Some(Trouble::DiskLow(_)), Some(Trouble::DiskLow(_)))
        | (Some(Trouble::SpoolLow(_)), Some(Trouble::SpoolLow(_))) => true,
        (before, after) => before == after,
    };
    if !is_same {
        tell(node, before.as_ref(), after.as_ref());
    }
}

fn judge(node: &mut Node, listing: &[Listed], switch: &State) -> Option<Trouble> {
    if !listing.iter().any(|entry| entry.name == IDENTITY) {
        let title = node.transport.title();
        return Some(Trouble::NotOurs(format!(
            "no '{IDENTITY}' in '{title}' (not mounted?)"
        )));
    }
    if let Some(halt) = switch.stops_node() {
        return Some(Trouble::Halted(halt.to_string()));
    }
    slow_checks(node)
}

/// Identity and free space: asked once a minute, since they cost calls and change slowly.
fn slow_checks(node: &mut Node) -> Option<Trouble> {
    let now = node.clock.boot();
    let view = &node.now.view;
    let fresh = view.free_bytes.is_some() && now.since(view.asked) < limits::SLOW_LOOK;
    if !fresh {
        match identity_there(&*node.transport) {
            Ok(found) => {
                if let Some(wanted) = &node.settings.root_id
                    && *wanted != found.uuid
                {
                    let why = format!("its identity is {}, configured is {wanted}", found.uuid);
                    return Some(Trouble::NotOurs(why));
                }
            }
            Err(Error::Share(error)) => return Some(Trouble::ShareLost(error)),
            Err(other) => return Some(Trouble::NotOurs(other.to_string())),
        }
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

/// What stops starts without any share.
fn local_trouble(node: &Node) -> Option<Trouble> {
    // A clock set back would open the windows of expired tasks again, and with them a replay that was forgotten.
    if node.clock.wall().plus(limits::SKEW) < node.journal.latest() {
        return Some(Trouble::ClockBack);
    }
    if node.now.beats.is_foreign() {
        return Some(Trouble::Foreign);
    }
    // An attempt that cannot keep its output, or a journal that cannot grow, helps nobody.
    let free = node.runner.free_bytes();
    if free < limits::FREE_BYTES_MIN {
        return Some(Trouble::SpoolLow(free));
    }
    node.now.drain.then_some(Trouble::Draining)
}

fn tell(node: &Node, before: Option<&Trouble>, after: Option<&Trouble>) {
    let word = match (before, after) {
        (_, Some(Trouble::Halted(_))) => Word::HaltSeen,
        (_, Some(Trouble::ShareLost(_) | Trouble::NotOurs(_))) => Word::ShareLost,
        (_, Some(Trouble::DiskLow(_) | Trouble::SpoolLow(_))) => Word::DiskLow,
        (_, Some(Trouble::ClockBack)) => Word::ClockRollback,
        (_, Some(Trouble::Foreign)) => Word::HeartbeatForeign,
        (Some(Trouble::Halted(_)), None) => Word::HaltGone,
        _ => Word::ShareBack,
    };
    let text = after.map_or_else(
        || "starts are allowed again".to_owned(),
        ToString::to_string,
    );
    node.tell(&Event::of(word).say(&text));
}
