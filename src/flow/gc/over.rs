//! What belongs to tasks that are over: start markers, control documents, and, if told to, what was kept long enough.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Broom;
use super::task_of;
use crate::entry::ClaimName;
use crate::entry::ControlName;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::limits;
use crate::share::EntryKind;
use crate::share::ShareError;
use crate::stage::Stage;

impl Broom<'_> {
    /// Start markers whose task is over.
    pub(super) fn markers(&mut self, journal: &Journal) -> Result<(), ShareError> {
        let processing = self.place(Stage::Processing);
        for entry in self.transport.list(&processing)? {
            if self.is_full() {
                break;
            }
            let stem = entry.name.strip_suffix(".start");
            let Some(claim) = stem.and_then(ClaimName::parse_stem) else {
                continue;
            };
            let over = journal.known(claim.id).is_none()
                && (journal.closed(claim.id).is_some()
                    || self.is_older(&processing, &entry.name, limits::LIFE_MAX));
            if over && !self.is_open(claim.id)? {
                self.remove("marker", &processing, &entry.name)?;
            }
        }
        Ok(())
    }

    /// Leases of a pool beside which no claim lies. A member removes them by what it sees; this goes by their age.
    pub(super) fn leases(&mut self) -> Result<(), ShareError> {
        if self.lane.pool().is_none() {
            return Ok(());
        }
        let processing = self.place(Stage::Processing);
        let listing = self.transport.list(&processing)?;
        let parked = self.transport.list(&self.place(Stage::PendingAck))?;
        let claims = listing.iter().chain(&parked);
        let held: BTreeSet<String> = claims
            .filter_map(|entry| Some(ClaimName::parse(&entry.name)?.lease()))
            .collect();
        for entry in &listing {
            if self.is_full() {
                break;
            }
            let is_lone = ClaimName::of_lease(&entry.name).is_some() && !held.contains(&entry.name);
            if is_lone && self.is_older(&processing, &entry.name, limits::LEASE_TERM * 4) {
                self.remove("lease", &processing, &entry.name)?;
            }
        }
        Ok(())
    }

    /// Decisions and wishes about tasks that are over, once they could not be shown again.
    pub(super) fn controls(&mut self, journal: &Journal) -> Result<(), ShareError> {
        let control = self.place(Stage::Control);
        for entry in self.transport.list(&control)? {
            if self.is_full() {
                break;
            }
            let Some(name) = ControlName::parse(&entry.name) else {
                continue;
            };
            let over = match journal.closed(name.id) {
                _ if journal.known(name.id).is_some() => false,
                Some(closed) => self.now > closed.expires,
                None => self.is_older(
                    &control,
                    &entry.name,
                    limits::LIFE_MAX.saturating_add(limits::SKEW),
                ),
            };
            if over && !self.is_open(name.id)? {
                self.remove("control", &control, &entry.name)?;
            }
        }
        Ok(())
    }

    /// Whether a file of the task lies where somebody still has to act.
    fn is_open(&mut self, id: TaskId) -> Result<bool, ShareError> {
        if let Some(open) = &self.open {
            return Ok(open.contains(&id));
        }
        let mut open = BTreeSet::new();
        for stage in [Stage::Inbox, Stage::Processing, Stage::PendingAck] {
            let listing = self.transport.list(&self.place(stage))?;
            let files = listing.iter().filter(|entry| entry.name.ends_with(".json"));
            open.extend(files.filter_map(task_of));
        }
        Ok(self.open.insert(open).contains(&id))
    }

    /// What was refused longer ago than what is kept.
    pub(super) fn rejected(&mut self, journal: &Journal, keep: Duration) -> Result<(), ShareError> {
        let rejected = self.place(Stage::Rejected);
        for entry in self.transport.list(&rejected)? {
            if self.is_full() {
                break;
            }
            let ours = [".json", ".why", ".junk"]
                .iter()
                .any(|end| entry.name.ends_with(end));
            let open = task_of(&entry).is_some_and(|id| journal.known(id).is_some());
            if ours
                && !open
                && entry.kind == EntryKind::File
                && self.is_older(&rejected, &entry.name, keep)
            {
                self.remove("remove", &rejected, &entry.name)?;
            }
        }
        Ok(())
    }
}
