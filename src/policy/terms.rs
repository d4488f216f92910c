//! The terms of one task: each bound is the smallest of what was asked, what the profile has and what the peer may.
//!
//! Whatever was cut is noted with the setting that cut it, so that a sender who asked for two hours learns why the
//! attempt ended after ten minutes.

use std::time::Duration;

use crate::id::NodeName;
use crate::id::Priority;
use crate::policy::PeerPolicy;
use crate::policy::Terms;
use crate::policy::Wish;
use crate::profile::Profile;
use crate::units;

/// A ceiling and the setting it comes from.
struct Ceiling<T> {
    most: T,
    setting: String,
}

impl<T: PartialOrd> Ceiling<T> {
    /// Takes the lower of two ceilings; the first where they are equal.
    fn lower(self, other: Option<T>, setting: String) -> Self {
        match other {
            Some(most) if most < self.most => Self { most, setting },
            _ => self,
        }
    }

    /// Returns what is granted of a wish, and writes down what was cut.
    fn cut(
        self,
        what: &str,
        asked: Option<T>,
        show: fn(&T) -> String,
        notes: &mut Vec<String>,
    ) -> T {
        match asked {
            Some(asked) if asked > self.most => {
                let (asked, most) = (show(&asked), show(&self.most));
                notes.push(format!(
                    "{what} {asked} was cut to {most}: {}",
                    self.setting
                ));
                self.most
            }
            Some(asked) => asked,
            None => self.most,
        }
    }
}

/// Narrows local policy by a wish. `dangerous` is decided already.
pub(super) fn narrow(
    node: &NodeName,
    sender: &NodeName,
    wish: &Wish,
    peer: &PeerPolicy,
    profile: &Profile,
    dangerous: bool,
) -> Terms {
    let of_peer = |key: &str| format!("peer.{sender}.{key} on {node}");
    let of_profile = |key: &str| format!("profile.{}.{key} on {node}", profile.name);
    let time = |time: &Duration| units::show_duration(*time);
    let mut notes = Vec::new();

    let timeout = Ceiling {
        most: profile.timeout,
        setting: of_profile("timeout"),
    }
    .lower(peer.timeout_max, of_peer("timeout_max"))
    .cut(
        "timeout",
        wish.timeout_s.map(Duration::from_secs),
        time,
        &mut notes,
    );

    let max_output_bytes = Ceiling {
        most: profile.max_output_bytes,
        setting: of_profile("max_output"),
    }
    .lower(peer.output_bytes_max, of_peer("output_max"))
    .cut(
        "output",
        wish.max_output_bytes,
        |bytes| units::show_size(*bytes),
        &mut notes,
    );

    let asked = wish.stall_s.map(Duration::from_secs);
    let stall = match profile.stall {
        Some(most) => Some(
            Ceiling {
                most,
                setting: of_profile("stall"),
            }
            .cut("stall", asked, time, &mut notes),
        ),
        None => asked,
    };

    let attempts = Ceiling {
        most: peer.attempts_max,
        setting: of_peer("attempts_max"),
    };
    let max_attempts = if wish.idempotent {
        attempts
            .cut("attempts", wish.max_attempts, u32::to_string, &mut notes)
            .max(1)
    } else {
        1
    };

    Terms {
        profile: profile.name.clone(),
        timeout,
        stall,
        max_output_bytes,
        dangerous,
        priority: served_at(
            wish.priority,
            peer.priority_max,
            of_peer("priority_max"),
            &mut notes,
        ),
        max_attempts,
        notes,
    }
}

/// Returns the less urgent of two priorities; `High` sorts first.
fn served_at(
    asked: Priority,
    most: Priority,
    setting: String,
    notes: &mut Vec<String>,
) -> Priority {
    if most > asked {
        notes.push(format!("priority {asked} was cut to {most}: {setting}"));
    }
    asked.max(most)
}
