//! The share itself: there, ours, with room, not halted. Decides nothing: a node looks for itself before every start.

use nix::errno::Errno;
use serde::Serialize;

use super::Scene;
use super::Wrong;
use crate::clock::Timestamp;
use crate::flow::root;
use crate::id::Party;
use crate::killswitch::Origin;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::ShareError;
use crate::units;

/// Clock difference to the server that is worth telling, in seconds.
pub(super) const SKEW_TOLD_S: i64 = 30;

/// What such a difference means.
pub(super) const SKEW_MEANS: &str =
    "; with more than 120 s a watcher starts nothing, and documents are refused";
/// Errors of a share that is read-only, full, or of which too much is used.
const CANNOT_WRITE: [Errno; 3] = [Errno::EROFS, Errno::ENOSPC, Errno::EDQUOT];

const _: () = assert!(limits::SKEW.as_secs() == 120);

/// What the share itself looks like.
#[derive(Debug, Clone, Serialize)]
pub struct Ground {
    /// Where it is, as this host knows it.
    pub title: String,
    /// Why it cannot be used, if so.
    pub trouble: Option<String>,
    /// Whether the trouble is one that passes by itself.
    pub passing: bool,
    /// Free bytes.
    pub free_bytes: Option<u64>,
    /// Killswitches that are on, with their reasons.
    pub halts: Vec<String>,
    /// The server's time, where it could be asked.
    pub server_time: Option<Timestamp>,
    /// How far this host's clock is ahead of the server's, in seconds.
    pub clock_ahead_s: Option<i64>,
    /// This host's time at the look.
    #[serde(skip)]
    wall: Timestamp,
}

impl Ground {
    pub(super) fn unknown(title: String, trouble: Option<String>) -> Self {
        Self {
            title,
            passing: trouble.is_some(),
            trouble,
            free_bytes: None,
            halts: Vec::new(),
            server_time: None,
            clock_ahead_s: None,
            wall: Timestamp::from_unix(0),
        }
    }

    /// Returns whether anything could be seen.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.trouble.is_none()
    }

    /// The best clock there is: the server's, else this host's.
    pub(super) fn now(&self) -> Timestamp {
        self.server_time.unwrap_or(self.wall)
    }
}

/// Looks at the root.
pub(super) fn look(scene: &Scene, wrong: &mut Vec<Wrong>) -> Ground {
    let transport = &*scene.sender.transport;
    let mut ground = Ground::unknown(transport.title(), None);
    ground.wall = scene.sender.clock.wall();
    let found = root::identity(transport);
    let trouble = match (&found, &scene.root_id) {
        (Err(root::Error::Share(error)), _) => {
            let passes = [
                Errno::ESTALE,
                Errno::ENOTCONN,
                Errno::EHOSTDOWN,
                Errno::ETIMEDOUT,
            ];
            ground.passing = passes.contains(&error.kind()) || error.is_other_ground();
            let waited = transport.hang().map(|hang| format!(" ({hang})"));
            let text = format!("{error}{}", waited.unwrap_or_default());
            Some(("share_lost", text))
        }
        (Err(error @ root::Error::Absent(_)), _) => Some(("not_ours", error.to_string())),
        (Err(error), _) => Some(("not_ours", error.to_string())),
        (Ok(found), Some(wanted)) if *wanted != found.uuid => Some((
            "not_ours",
            format!("its identity is {}, configured is {wanted}", found.uuid),
        )),
        (Ok(_), _) => None,
    };
    if let Some((code, text)) = trouble {
        wrong.push(Wrong::new(code, "the share", text.clone()));
        ground.trouble = Some(text);
        return ground;
    }
    halts(scene, &mut ground, wrong);
    space(scene, &mut ground, wrong);
    clock(scene, &mut ground, wrong);
    ground
}

fn halts(scene: &Scene, ground: &mut Ground, wrong: &mut Vec<Wrong>) {
    let transport = &*scene.sender.transport;
    let listing = transport.list(&Place::Root);
    let peek = |name: &str| transport.peek(&Place::Root, name, limits::KILLSWITCH_BYTES_MAX);
    let state = scene.killswitch.judge(listing.as_deref(), &peek);
    // A sender without a state directory is not halted; what fails on the share is told as such.
    for halt in state
        .halts()
        .iter()
        .filter(|halt| halt.origin != Origin::Unknown)
    {
        let kills = if halt.kill {
            ", what runs is ended"
        } else {
            ""
        };
        let text = format!("halted by {halt} ({}{kills})", halt.scope);
        ground.halts.push(text.clone());
        wrong.push(Wrong::new("halted", &halt.scope, text));
    }
}

fn space(scene: &Scene, ground: &mut Ground, wrong: &mut Vec<Wrong>) {
    ground.free_bytes = scene.sender.transport.free_bytes().ok();
    if let Some(free) = ground
        .free_bytes
        .filter(|free| *free < scene.free_bytes_min)
    {
        let text = format!(
            "{} free, nothing is claimed below {}",
            units::show_size(free),
            units::show_size(scene.free_bytes_min)
        );
        wrong.push(Wrong::new("disk_low", "the share", text));
    }
}

fn clock(scene: &Scene, ground: &mut Ground, wrong: &mut Vec<Wrong>) {
    let mut unwritable: Option<ShareError> = None;
    let mut lanes = scene
        .peers
        .keys()
        .map(|peer| Lane::new(scene.node.clone(), Party::from(peer)));
    ground.server_time = lanes.find_map(|lane| {
        let asked = scene.sender.transport.server_time(&lane);
        // It is read from a file that is made for it.
        unwritable = asked.as_ref().err().cloned().or(unwritable.take());
        asked.ok()
    });
    if ground.server_time.is_none()
        && let Some(error) = unwritable.filter(|error| CANNOT_WRITE.contains(&error.kind()))
    {
        let text = format!("it cannot be written: {}", error.gist());
        wrong.push(Wrong::new("unwritable", "the share", text));
    }
    let Some(server) = ground.server_time else {
        return;
    };
    let wall = scene.sender.clock.wall();
    ground.wall = wall;
    let ahead = wall.unix().saturating_sub(server.unix());
    ground.clock_ahead_s = Some(ahead);
    if ahead.abs() > SKEW_TOLD_S {
        let text = format!("its clock is {} the file server's{SKEW_MEANS}", off(ahead));
        wrong.push(Wrong::new("clock_skew", &scene.node, text));
    }
}

/// Says how far a clock is off.
pub(super) fn off(ahead_s: i64) -> String {
    let way = if ahead_s > 0 { "ahead of" } else { "behind" };
    format!("{} s {way}", ahead_s.unsigned_abs())
}
