//! Nothing → `tmp/` → `inbox/`: a task is sealed and becomes real.
//!
//! A crash before the rename leaves a temporary file that nobody will ever run; after it, a task.

use std::sync::Arc;

use super::Pools;
use crate::clock::Clock;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Task;
use crate::entry::QueuedName;
use crate::envelope;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::key::Use;
use crate::keyring::Keyring;
use crate::legacy;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::transport::Publish;
use crate::transport::Transport;

/// A task that was sealed, and where it went.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The task.
    pub id: TaskId,
    /// Digest of the sealed file: what the result must name.
    pub digest: Digest,
    /// Its lane.
    pub lane: Lane,
    /// Its name in `inbox/`.
    pub name: String,
    /// Whether it is published.
    pub publish: Publish,
}

/// A task that is sealed and not yet published.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The task.
    pub id: TaskId,
    /// Its lane.
    pub lane: Lane,
    /// Its name in `inbox/`.
    pub name: String,
    /// Digest of the sealed file.
    pub digest: Digest,
    bytes: Vec<u8>,
}

/// What a sender needs: a share, a clock and keys. No journal, no daemon.
pub struct Sender {
    /// The share.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Its keys.
    pub keys: Keyring,
    /// The pools it knows, with the members that may answer for them.
    pub pools: Pools,
}

/// Why a task was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be sealed; nothing was written.
    #[error(transparent)]
    Seal(#[from] envelope::Error),
    /// It cannot be said in the envelope of the original; nothing was written.
    #[error(transparent)]
    Legacy(#[from] legacy::Error),
    /// There is no key of the original for this link; nothing was written.
    #[error("cannot sign for {0} in the envelope of the original: there is no key of it")]
    NoLegacyKey(Party),
}

impl Sender {
    /// Signs a task as the original does and publishes it under the original's name, for a watcher of the original. Its
    /// result will be unsigned.
    ///
    /// # Errors
    /// [`Error`]
    ///
    /// # Durability
    /// As [`Sender::send`].
    pub fn send_legacy(&self, lane: &Lane, task: &Task) -> Result<Sent, Error> {
        let (from, now) = (Party::from(&lane.from), self.clock.wall());
        let key = self
            .keys
            .legacy(&from, &lane.to, now, Use::Sign)
            .next()
            .ok_or_else(|| Error::NoLegacyKey(lane.to.clone()))?;
        let bytes = legacy::write(task, key)?;
        Ok(self.publish(lane, task.id, format!("{}.json", task.id), &bytes))
    }

    /// Seals a task and publishes it.
    ///
    /// # Errors
    /// [`Error::Seal`]: there is no key, or the task is one that its reader would refuse; nothing was written.
    ///
    /// # Durability
    /// As [`Transport::publish`] says in [`Sent::publish`].
    pub fn send(&self, lane: &Lane, task: &Task) -> Result<Sent, Error> {
        Ok(self.put(self.prepare(lane, task)?))
    }

    /// Seals a task, for a caller that has to write down its digest before it is published.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn prepare(&self, lane: &Lane, task: &Task) -> Result<Prepared, Error> {
        let context = Context {
            from: Party::from(&lane.from),
            to: lane.to.clone(),
            kind: Kind::Task,
        };
        let sealed = envelope::seal(&self.keys, &context, self.clock.wall(), &task.body())?;
        let queued = QueuedName {
            id: task.id,
            priority: task.priority,
            generation: 1,
            // What waits for others is opened when its sender says so, and else only to say that it expired.
            not_before: task.waits().then_some(task.expires).or(task.not_before),
        };
        Ok(Prepared {
            id: task.id,
            lane: lane.clone(),
            name: queued.to_string(),
            digest: Digest::of(&sealed),
            bytes: sealed,
        })
    }

    /// Publishes what was sealed.
    ///
    /// # Durability
    /// As [`Transport::publish`] says in [`Sent::publish`].
    #[must_use]
    pub fn put(&self, sealed: Prepared) -> Sent {
        self.publish(&sealed.lane, sealed.id, sealed.name, &sealed.bytes)
    }

    fn publish(&self, lane: &Lane, id: TaskId, name: String, bytes: &[u8]) -> Sent {
        let inbox = Place::Stage(lane.clone(), Stage::Inbox);
        let publish = self.transport.publish(lane, id, (&inbox, &name), bytes);
        Sent {
            id,
            digest: Digest::of(bytes),
            lane: lane.clone(),
            name,
            publish,
        }
    }
}
