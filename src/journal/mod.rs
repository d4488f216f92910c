//! The journal: what this node has decided, on its own disk. The share says where to look; the journal says what may
//! happen.
//!
//! One append-only file of facts (`fact`), replayed at start into an index by task id. A fact has no effect before it
//! is recorded; whatever a guarantee rests on is synced first ([`Journal::sync`]): admission and approval before a
//! start, the start before an executor exists, the decision before a result is uploaded. One append and one fdatasync
//! serve any number of facts.
//!
//! A crash leaves a torn last line at most, which is cut off: nothing rested on it, since it was never synced. Damage
//! anywhere else is an error that stops the node, because replay protection and "started at most once" rest on this
//! file.

mod fact;
mod grants;
mod keys;
mod known;
mod tape;

pub use fact::Approval;
pub use fact::Back;
pub use fact::Fact;
pub use fact::Key;
pub use fact::Pause;
pub use fact::Prior;
pub use grants::Granted;
pub use known::Closed;
pub use known::Hold;
pub use known::Known;
pub use known::Outcome;
pub use known::Phase;
pub use tape::FileTape;
pub use tape::Tape;

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::disk;
use crate::id::Nonce;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The local disk failed. The journal takes no more facts until it is opened again.
    #[error("cannot keep the journal: {0}")]
    Disk(#[from] disk::Error),
    /// An earlier write failed; what is on the disk is not known.
    #[error("cannot add to the journal: an earlier write failed")]
    Broken,
    /// A line that is not the last is damaged.
    #[error("cannot read the journal: line {line} is damaged")]
    Damaged {
        /// Its number, from 1.
        line: usize,
    },
    /// A fact that contradicts what the journal holds.
    #[error("cannot record '{fact}' for task {id}: {why}")]
    Contradiction {
        /// The word of the fact.
        fact: &'static str,
        /// The task.
        id: TaskId,
        /// What it contradicts.
        why: &'static str,
    },
}

/// The index over the facts, and the tape they are on.
pub struct Journal {
    tape: Box<dyn Tape>,
    open: BTreeMap<TaskId, Known>,
    closed: BTreeMap<TaskId, Closed>,
    /// Tasks of pools that this node held and holds no more.
    left: BTreeMap<TaskId, Known>,
    grants: grants::Grants,
    keys: keys::Keys,
    /// Profiles under which nothing is started for now.
    paused: BTreeMap<ProfileName, Pause>,
    birth: Timestamp,
    instance: Nonce,
    latest: Timestamp,
    /// Bytes on the tape, and how many there were after the last rewriting.
    bytes: (usize, usize),
    /// Whether anything was recorded since the last sync.
    dirty: bool,
    broken: bool,
}

/// Rewrite the tape when it has grown by this much, and to more than twice its rewritten size.
const GROWTH_BYTES: usize = 4 * 1024 * 1024;

impl Journal {
    /// Replays a tape. An empty one begins a new journal, born `now`: tasks created before are refused, because nobody
    /// can know whether they ran already.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Contradiction`], [`Error::Disk`].
    ///
    /// # Durability
    /// The birth of a new journal is durable when it returns.
    pub fn open(
        tape: Box<dyn Tape>,
        bytes: &[u8],
        now: Timestamp,
        instance: Nonce,
    ) -> Result<Self, Error> {
        let mut journal = Self {
            tape,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            left: BTreeMap::new(),
            grants: grants::Grants::default(),
            keys: keys::Keys::default(),
            paused: BTreeMap::new(),
            birth: now,
            instance,
            latest: Timestamp::from_unix(0),
            bytes: (0, 0),
            dirty: false,
            broken: false,
        };
        let facts = fact::read_all(bytes)?;
        if facts.is_empty() {
            journal.record(Fact::Born { at: now, instance })?;
            journal.sync()?;
            return Ok(journal);
        }
        for fact in facts {
            journal.apply(&fact)?;
        }
        journal.forget(now);
        journal.rewrite()?;
        Ok(journal)
    }

    /// Reads what is on a tape without holding it: another process may own it and go on. Such a journal takes no facts.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Contradiction`].
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut journal = Self {
            tape: Box::new(tape::NoTape),
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            left: BTreeMap::new(),
            grants: grants::Grants::default(),
            keys: keys::Keys::default(),
            paused: BTreeMap::new(),
            birth: Timestamp::from_unix(0),
            instance: Nonce::from_bits(0),
            latest: Timestamp::from_unix(0),
            bytes: (0, 0),
            dirty: false,
            broken: true,
        };
        for fact in fact::read_all(bytes)? {
            journal.apply(&fact)?;
        }
        Ok(journal)
    }

    /// Returns what is known of a task that is not closed.
    #[must_use]
    pub fn known(&self, id: TaskId) -> Option<&Known> {
        self.open.get(&id)
    }

    /// Returns what is remembered of a task that is closed.
    #[must_use]
    pub fn closed(&self, id: TaskId) -> Option<&Closed> {
        self.closed.get(&id)
    }

    /// Returns what is remembered of a task of a pool that this node held and holds no more: it may come again.
    #[must_use]
    pub fn left(&self, id: TaskId) -> Option<&Known> {
        self.left.get(&id)
    }

    /// Returns what this node granted of a task that it sent to a pool.
    #[must_use]
    pub fn granted(&self, id: TaskId) -> Option<&Granted> {
        self.grants.get(id)
    }

    /// Returns the task of which another one with this key would be a second submission: it is open, or it is
    /// remembered and an agent may have run for it. A later submission than that one, by the sender's own count, is
    /// another try.
    #[must_use]
    pub fn submitted(&self, key: &Key) -> Option<TaskId> {
        let stands = |id: &TaskId| {
            let known = self.closed.get(id).and_then(|closed| closed.key);
            let known = known.or_else(|| self.left.get(id).and_then(|left| left.key));
            let is_over = known.is_none_or(|known| known.submission < key.submission);
            self.open.contains_key(id) || !is_over
        };
        self.keys.get(&key.mark).find(stands)
    }

    /// Returns why nothing is started under a profile, and until when.
    #[must_use]
    pub fn paused(&self, profile: &ProfileName) -> Option<&Pause> {
        self.paused.get(profile)
    }

    /// Returns every profile under which nothing is started for now.
    pub fn all_paused(&self) -> impl Iterator<Item = (&ProfileName, &Pause)> {
        self.paused.iter()
    }

    /// Returns every task that is not closed.
    pub fn open_tasks(&self) -> impl Iterator<Item = (TaskId, &Known)> {
        self.open.iter().map(|(id, known)| (*id, known))
    }

    /// Returns how many closed tasks are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.closed.len()
    }

    /// Returns since when this journal knows everything that ran here.
    #[must_use]
    pub const fn birth(&self) -> Timestamp {
        self.birth
    }

    /// Returns the instance of this node: a journal that was copied or restored with its node has the same.
    #[must_use]
    pub const fn instance(&self) -> Nonce {
        self.instance
    }

    /// Returns the latest wall-clock time on record. A clock that reads much earlier has been set back.
    #[must_use]
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Records a fact: it has effect in memory at once and on the disk after [`Journal::sync`].
    ///
    /// # Errors
    /// [`Error::Contradiction`]: nothing changed. [`Error::Disk`], [`Error::Broken`]: the journal takes no more facts.
    pub fn record(&mut self, fact: Fact) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.apply(&fact)?;
        let line = fact.line();
        self.bytes.0 += line.len();
        self.dirty = true;
        self.tape
            .append(line.as_bytes())
            .inspect_err(|_| self.broken = true)?;
        Ok(())
    }

    /// Makes all recorded facts durable.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Broken`]: nothing may rest on facts recorded since the last sync.
    pub fn sync(&mut self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        if !self.dirty {
            return Ok(());
        }
        // A failed fsync may have dropped the pages and will report success next time: never try again on this file.
        self.tape.sync().inspect_err(|_| self.broken = true)?;
        self.dirty = false;
        if self.bytes.0 > self.bytes.1 * 2 + GROWTH_BYTES {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Forgets closed tasks that can no longer be replayed: expired longer ago than any clock difference. A time is
    /// believed only as far as facts were recorded by then: a clock that is ahead for a moment, while a host starts,
    /// would else open the way for a replay once it is right again.
    pub fn forget(&mut self, now: Timestamp) {
        let now = now.min(self.latest);
        self.closed
            .retain(|_, closed| now <= closed.expires.plus(limits::MEMORY_AFTER_EXPIRY));
        self.left
            .retain(|_, left| now <= left.expires.plus(limits::MEMORY_AFTER_EXPIRY));
        self.grants.forget(now);
        let (open, closed, left) = (&self.open, &self.closed, &self.left);
        self.keys
            .retain(|id| open.contains_key(id) || closed.contains_key(id) || left.contains_key(id));
    }

    /// Moves the birth back, so that older tasks are accepted: the operator says that none of them ran.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Broken`].
    pub fn adopt(&mut self) -> Result<(), Error> {
        self.record(Fact::Adopted)?;
        self.sync()
    }

    fn rewrite(&mut self) -> Result<(), Error> {
        let mut lines = Fact::Born {
            at: self.birth,
            instance: self.instance,
        }
        .line();
        lines.push_str(&Fact::Seen { at: self.latest }.line());
        for (id, known) in self.open.iter().chain(&self.left) {
            lines.push_str(
                &Fact::Open {
                    id: *id,
                    known: Box::new(known.clone()),
                }
                .line(),
            );
        }
        for (id, closed) in &self.closed {
            lines.push_str(
                &Fact::Shut {
                    id: *id,
                    closed: closed.clone(),
                }
                .line(),
            );
        }
        for (profile, pause) in &self.paused {
            let (profile, pause) = (profile.clone(), pause.clone());
            lines.push_str(&Fact::Paused { profile, pause }.line());
        }
        lines.push_str(&self.grants.lines());
        self.tape
            .replace(lines.as_bytes())
            .inspect_err(|_| self.broken = true)?;
        self.dirty = false;
        self.bytes = (lines.len(), lines.len());
        Ok(())
    }

    /// A task is over. What never ran may be sent again under its key.
    fn close(&mut self, id: TaskId, status: Status) -> Result<(), Error> {
        let known = self.open.remove(&id);
        let known = known.ok_or_else(|| contradiction("closed", id, "the task is not open"))?;
        let key = known.key.filter(|_| known.starts > 0);
        if key.is_none() {
            self.keys.give_back(id, known.key);
        }
        let closed = Closed {
            key,
            digest: known.digest,
            expires: known.expires,
            status,
            claim: known.claim,
        };
        self.closed.insert(id, closed);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact) -> Result<(), Error> {
        if let Some(at) = fact.at() {
            self.latest = self.latest.max(at);
        }
        match fact {
            Fact::Born { at, instance } => {
                self.birth = *at;
                self.instance = *instance;
            }
            Fact::Adopted => self.birth = Timestamp::from_unix(0),
            Fact::Seen { .. } => {}
            Fact::Paused { profile, pause } => {
                self.paused.insert(profile.clone(), pause.clone());
            }
            Fact::Mended { profile, .. } => {
                self.paused.remove(profile);
            }
            Fact::Open { id, known } => {
                self.keys.note(*id, known.key);
                let home = match known.has_left() {
                    true => &mut self.left,
                    false => &mut self.open,
                };
                home.insert(*id, (**known).clone());
            }
            Fact::Left { id, .. } => {
                let known = self
                    .open
                    .remove(id)
                    .ok_or_else(|| contradiction("left", *id, "the task is not open"))?;
                self.left.insert(*id, known.leave());
            }
            Fact::Granted { id, .. }
            | Fact::Refused { id, .. }
            | Fact::Released { id, .. }
            | Fact::Grants { id, .. } => {
                let applied = self.grants.apply(fact);
                applied.map_err(|why| contradiction(fact.word(), *id, why))?;
            }
            Fact::Shut { id, closed } => {
                self.keys.note(*id, closed.key);
                self.closed.insert(*id, closed.clone());
            }
            Fact::Admitted { id, known, .. } => {
                if self.open.contains_key(id) || self.closed.contains_key(id) {
                    return Err(contradiction("admitted", *id, "the id is known already"));
                }
                self.left.remove(id);
                self.keys.note(*id, known.key);
                self.open.insert(*id, (**known).clone());
            }
            Fact::Closed { id, status, .. } => self.close(*id, *status)?,
            other => self.change(other)?,
        }
        Ok(())
    }

    /// Facts that change one open task.
    fn change(&mut self, fact: &Fact) -> Result<(), Error> {
        let Some(id) = fact.task() else { return Ok(()) };
        let known = self
            .open
            .get_mut(&id)
            .ok_or_else(|| contradiction(fact.word(), id, "the task is not open"))?;
        known
            .apply(fact)
            .map_err(|why| contradiction(fact.word(), id, why))
    }
}

fn contradiction(fact: &'static str, id: TaskId, why: &'static str) -> Error {
    Error::Contradiction { fact, id, why }
}

#[cfg(test)]
mod tests;
