//! The keys a node holds, and which of them speaks in which place.
//!
//! Key ids are only unique between two parties: the place decides first, then the id in the seal selects one key, so
//! one code is computed per file and nothing is ever tried out. What cannot be read now is not known, which is not the
//! same as absent: [`Standing`] tells the two apart.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use crate::clock::Timestamp;
use crate::disk;
use crate::document::Context;
use crate::id::KeyId;
use crate::id::Party;
use crate::key;
use crate::key::Alg;
use crate::key::Guard;
use crate::key::Key;
use crate::key::Use;
use crate::key::file::SUFFIX;
use crate::limits;

/// How far a ring tells all there is to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Everything was read.
    #[default]
    Whole,
    /// A key may be missing: something that looks like one could not be read, and never was. An id that is not on the
    /// ring says nothing.
    Part(String),
    /// Keys are kept from before, because what holds them cannot be read now: one may have been revoked meanwhile, and
    /// one may be missing.
    Kept(String),
}

/// Keys, in memory.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<Key>,
    standing: Standing,
}

impl Keyring {
    /// Holds these keys.
    #[must_use]
    pub fn of(keys: Vec<Key>) -> Self {
        let standing = Standing::Whole;
        Self { keys, standing }
    }

    /// Holds the same keys, of which this much is known.
    #[must_use]
    pub fn standing_as(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// Returns how far it tells all there is to tell.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Returns whether an id that is not on the ring is the id of no key. Else nothing is known of it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.standing == Standing::Whole
    }

    /// Returns whether keys are kept that cannot be read now, of which one may have been revoked.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(self.standing, Standing::Kept(_))
    }

    /// Returns every key, in the order they were given.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Returns the key that may have made a seal in this place, by the id the seal names.
    #[must_use]
    pub fn verifying(&self, kid: &KeyId, context: &Context, now: Timestamp) -> Option<&Key> {
        self.serving(context)
            .find(|key| key.kid == *kid && key.is_good(now, Use::Verify))
    }

    /// Returns whether any key could have made a seal in this place.
    #[must_use]
    pub fn knows(&self, context: &Context, now: Timestamp) -> bool {
        self.serving(context)
            .any(|key| key.is_good(now, Use::Verify))
    }

    /// Returns the key to seal with in this place: the newest that may sign now, and one that signs before one that
    /// both sides share, so that changing a shared secret never takes the signatures away.
    #[must_use]
    pub fn signing(&self, context: &Context, now: Timestamp) -> Option<&Key> {
        self.serving(context)
            .filter(|key| key.is_good(now, Use::Sign))
            .max_by(|one, other| {
                let rank = |key: &Key| (key.method(), key.created, key.kid.clone());
                rank(one).cmp(&rank(other))
            })
    }

    /// Returns the keys of the original's envelope that two parties share and that are good now for a use.
    pub fn legacy<'a>(
        &'a self,
        one: &'a Party,
        other: &'a Party,
        now: Timestamp,
        for_use: Use,
    ) -> impl Iterator<Item = &'a Key> {
        self.keys.iter().filter(move |key| {
            key.alg == Alg::V2
                && key.peers.contains(one)
                && key.peers.contains(other)
                && one != other
                && key.is_good(now, for_use)
        })
    }

    fn serving<'a, 'c>(
        &'a self,
        context: &'c Context,
    ) -> impl Iterator<Item = &'a Key> + use<'a, 'c> {
        self.keys
            .iter()
            .filter(move |key| key.method().is_some() && key.serves(context))
    }
}

/// What a directory of keys holds.
#[derive(Debug, Default)]
pub struct Drawer {
    /// Keys in force, by file.
    pub keys: Vec<(PathBuf, Key)>,
    /// Files that are named as keys and are not used, and why.
    pub problems: Vec<key::Error>,
    /// Those of them of which nothing is known, because they cannot be read now.
    pub unread: BTreeSet<PathBuf>,
}

impl Drawer {
    /// Reads every `*.key` of a directory. A file that is not fit is a problem to be told, never a reason to do without
    /// the others: a key that is missing only means that its peer is not trusted.
    ///
    /// # Errors
    /// [`disk::Error`] where the directory cannot be listed.
    pub fn read(directory: &Path, guard: &Guard) -> Result<Self, disk::Error> {
        let mut drawer = Self::default();
        let names = disk::list(directory)?;
        let keys = names.iter().filter(|name| name.ends_with(SUFFIX));
        for name in keys.take(limits::PASS_ENTRIES_MAX) {
            let path = directory.join(name);
            match guard.read(&path) {
                Ok(key) => drawer.add(path, key),
                Err(problem) => {
                    if problem.is_passing() {
                        drawer.unread.insert(path);
                    }
                    drawer.problems.push(problem);
                }
            }
        }
        Ok(drawer)
    }

    fn add(&mut self, path: PathBuf, key: Key) {
        let same = |held: &&(PathBuf, Key)| {
            held.1.kid == key.kid && held.1.sorted_peers() == key.sorted_peers()
        };
        match self.keys.iter().find(same) {
            None => self.keys.push((path, key)),
            Some((other, _)) => {
                let other = other.clone();
                self.problems.push(key::Error::Twice { path, other });
            }
        }
    }

    /// Returns the keys alone.
    #[must_use]
    pub fn ring(&self) -> Keyring {
        let keys = self.keys.iter().map(|(_, key)| key.clone()).collect();
        Keyring::of(keys).standing_as(match self.problems.iter().find(|one| one.is_passing()) {
            Some(problem) => Standing::Part(problem.to_string()),
            None => Standing::Whole,
        })
    }
}

mod cabinet;

pub use cabinet::Cabinet;

#[cfg(test)]
mod tests;
