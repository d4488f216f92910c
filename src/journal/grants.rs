//! What this node granted, as the sender of tasks to pools: of each task at most one claim that may start.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::Fact;
use crate::clock::Timestamp;
use crate::id::Digest;
use crate::id::TaskId;
use crate::limits;

/// What was decided about the claims of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Digest of the whole task file.
    pub digest: Digest,
    /// No start after this.
    pub expires: Timestamp,
    /// The claim that may be started, without `.json`; `None` where none may now.
    pub claim: Option<String>,
    /// Claims that may not, because they were refused or given back. A bounded number; beyond it all are refused.
    pub spent: Vec<String>,
}

impl Granted {
    fn new(digest: Digest, expires: Timestamp) -> Self {
        Self {
            digest,
            expires,
            claim: None,
            spent: Vec::new(),
        }
    }

    /// Returns whether a claim may never be started, whatever comes.
    #[must_use]
    pub fn is_spent(&self, claim: &str) -> bool {
        self.spent.iter().any(|spent| spent == claim)
            || (self.spent.len() >= limits::CLAIMS_MAX && self.claim.as_deref() != Some(claim))
    }

    fn spend(&mut self, claim: &str) {
        if !self.is_spent(claim) {
            self.spent.push(claim.to_owned());
        }
    }
}

/// Every task about which something was decided.
#[derive(Debug, Default)]
pub(super) struct Grants(BTreeMap<TaskId, Granted>);

impl Grants {
    pub(super) fn get(&self, id: TaskId) -> Option<&Granted> {
        self.0.get(&id)
    }

    /// Forgets tasks that can no longer be started by anybody.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.0
            .retain(|_, granted| now <= granted.expires.plus(limits::MEMORY_AFTER_EXPIRY));
    }

    /// Returns the lines that a rewritten journal keeps of it.
    pub(super) fn lines(&self) -> String {
        let fact = |(id, granted): (&TaskId, &Granted)| Fact::Grants {
            id: *id,
            granted: Box::new(granted.clone()),
        };
        self.0.iter().map(|entry| fact(entry).line()).collect()
    }

    /// Applies a fact. The rule of grants is kept here: never two claims at once, and none again that was given back.
    pub(super) fn apply(&mut self, fact: &Fact) -> Result<(), &'static str> {
        match fact {
            Fact::Granted {
                id,
                digest,
                expires,
                claim,
                ..
            } => {
                let granted = self.of(*id, *digest, *expires)?;
                if granted.is_spent(claim) {
                    return Err("the claim was refused or given back");
                }
                if granted.claim.as_ref().is_some_and(|other| other != claim) {
                    return Err("another claim may have been started");
                }
                granted.claim = Some(claim.clone());
            }
            Fact::Refused {
                id,
                digest,
                expires,
                claim,
                ..
            } => {
                let granted = self.of(*id, *digest, *expires)?;
                if granted.claim.as_ref() == Some(claim) {
                    return Err("the claim may have been started");
                }
                granted.spend(claim);
            }
            Fact::Released { id, claim, .. } => {
                let granted = self.0.get_mut(id).ok_or("nothing of it was granted")?;
                if granted.claim.as_ref() != Some(claim) {
                    return Err("another claim was granted");
                }
                granted.claim = None;
                granted.spent.push(claim.clone());
            }
            Fact::Grants { id, granted } => {
                self.0.insert(*id, (**granted).clone());
            }
            _ => return Err("it is about no grant"),
        }
        Ok(())
    }

    fn of(
        &mut self,
        id: TaskId,
        digest: Digest,
        expires: Timestamp,
    ) -> Result<&mut Granted, &'static str> {
        let granted = self
            .0
            .entry(id)
            .or_insert_with(|| Granted::new(digest, expires));
        if granted.digest == digest {
            Ok(granted)
        } else {
            Err("it is about other bytes")
        }
    }
}
