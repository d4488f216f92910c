//! Days of `done/` that are no longer kept, and what tries to read a folder left in it.
//!
//! A day is first given a name that nobody looks for, by one rename; its files are removed a day later. Who had opened
//! a file goes on reading it, who comes later finds nothing, and nobody finds half of it. A crash leaves the new name,
//! and the next pass goes on from it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Broom;
use crate::clock::Timestamp;
use crate::entry;
use crate::flow::collect;
use crate::limits;
use crate::place::Lane;
use crate::place::Place;
use crate::share::EntryKind;
use crate::share::ShareError;
use crate::stage::Stage;

/// Begins the name of a day that is no longer kept.
const TRASH: &str = "trash";

/// Returns the name under which a day waits to be removed.
fn trash(day: &str, now: Timestamp) -> String {
    format!("{TRASH}.{day}.{}", now.unix())
}

/// Returns since when a day waits to be removed; `None` where this is no such name.
pub(in crate::flow) fn trashed(name: &str) -> Option<Timestamp> {
    let (day, moment) = name
        .strip_prefix(TRASH)?
        .strip_prefix('.')?
        .split_once('.')?;
    let moment = moment.parse().ok().map(Timestamp::from_unix)?;
    collect::is_day(day).then_some(moment)
}

/// How much each day of a lane holds, as far as it was counted: a day that is over changes no more.
#[derive(Debug, Default)]
pub struct Weights(BTreeMap<(Lane, String), Weight>);

#[derive(Debug, Default)]
struct Weight {
    bytes: u64,
    /// The last name that was counted.
    upto: String,
    whole: bool,
}

impl Broom<'_> {
    /// Takes the oldest days away while the others hold more than this. A pass counts a bounded number of files; before
    /// all are counted, nothing goes.
    pub(super) fn weigh(&mut self, most: u64, weights: &mut Weights) -> Result<(), ShareError> {
        let over = self.now.minus(2 * limits::DONE_AGE).day();
        let done = self.place(Stage::Done);
        let names = self
            .transport
            .list(&done)?
            .into_iter()
            .map(|entry| entry.name);
        let mut days: Vec<String> = names
            .filter(|name| collect::is_day(name) && *name < over)
            .collect();
        days.sort_unstable_by(|one, other| other.cmp(one));
        let mut total = 0_u64;
        for day in days {
            let key = (self.lane.clone(), day.clone());
            let weight = weights.0.entry(key.clone()).or_default();
            if !weight.whole && !self.count(&day, weight)? {
                self.swept.more = true;
                return Ok(());
            }
            total = total.saturating_add(weight.bytes);
            if total > most {
                self.expire(&done, &day);
                weights.0.remove(&key);
            }
        }
        Ok(())
    }

    /// Counts a day further. Returns whether all of it is counted.
    fn count(&mut self, day: &str, weight: &mut Weight) -> Result<bool, ShareError> {
        let at = Place::Day(self.lane.clone(), day.to_owned());
        let names = self
            .transport
            .list(&at)?
            .into_iter()
            .map(|entry| entry.name);
        let mut left: Vec<String> = names.filter(|name| *name > weight.upto).collect();
        left.sort_unstable();
        for name in left {
            if !self.may_ask() {
                return Ok(false);
            }
            let bytes = self
                .transport
                .attributes(&at, &name)
                .map_or(0, |seen| seen.bytes);
            weight.bytes = weight.bytes.saturating_add(bytes);
            weight.upto = name;
        }
        weight.whole = true;
        Ok(true)
    }

    fn expire(&mut self, done: &Place, day: &str) {
        let aside = trash(day, self.now);
        // Refused while a file in it is open, on SMB (measured): the next pass tries again.
        let _ = self.rename("expire", (done, day), (done, &aside));
    }

    /// Takes days away that are older than what is kept, and removes what was taken away long enough ago.
    pub(super) fn days(&mut self, keep: Option<Duration>) -> Result<(), ShareError> {
        let last = keep.map(|keep| self.now.minus(keep).day());
        let done = self.place(Stage::Done);
        for entry in self.transport.list(&done)? {
            if self.is_full() {
                break;
            }
            let name = entry.name;
            if collect::is_day(&name) && last.as_ref().is_some_and(|last| name < *last) {
                self.expire(&done, &name);
            } else if let Some(since) = trashed(&name)
                && self.now.since(since) > limits::TRASH_AGE
            {
                self.empty(name)?;
            }
        }
        Ok(())
    }

    fn empty(&mut self, trash: String) -> Result<(), ShareError> {
        let at = Place::Day(self.lane.clone(), trash);
        for entry in self.transport.list(&at)? {
            if self.is_full() {
                return Ok(());
            }
            if entry.kind == EntryKind::File && entry.raw.is_none() {
                self.remove("remove", &at, &entry.name)?;
            }
        }
        if !self.rules.dry_run {
            // Something else may lie in it: then it stays.
            let _ = self.transport.remove_dir(&at);
        }
        Ok(())
    }

    /// Scratch names that a crash left in a folder somebody listens to.
    pub(super) fn scratch(&mut self) -> Result<(), ShareError> {
        let stages = [Stage::Inbox, Stage::Control, Stage::Done];
        let places = stages.map(|stage| self.place(stage));
        for at in places.into_iter().chain([Place::Root]) {
            let (listing, _) = self.transport.list_part(&at, limits::INBOX_NAMES_MAX)?;
            for entry in listing {
                if self.is_full() {
                    return Ok(());
                }
                let is_left = entry.kind == EntryKind::File && entry::is_scratch(&entry.name);
                if is_left && self.is_older(&at, &entry.name, limits::SCRATCH_AGE) {
                    // In the root this node may have nothing to say.
                    let _ = self.remove("scratch", &at, &entry.name);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_was_taken_away_says_since_when() {
        let now = Timestamp::from_unix(1_795_161_219);
        assert_eq!(trashed(&trash("2026-11-20", now)), Some(now));
        for other in [
            "2026-11-20",
            "trash",
            "trash.2026-11-20",
            "trash.x.7",
            "trash.2026-11-20.x",
        ] {
            assert_eq!(trashed(other), None, "{other}");
        }
    }
}
