//! What is on record of a batch: from which its ids follow, and how far it came.

use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::graph::Graph;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::clock::Timestamp;
use crate::disk;
use crate::exit::Exit;
use crate::id::Digest;
use crate::id::Nonce;
use crate::id::TaskId;

/// Folder of the records below the state directory.
const FOLDER: &str = "batches";
/// Largest record, in bytes.
const BYTES_MAX: usize = 4096;

/// A batch that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    /// Of the whole file.
    sha256: Digest,
    /// What ids are made of.
    seed: [Nonce; 2],
    unix_ms: u64,
    /// When it was begun: the time of each of its tasks.
    pub created: Timestamp,
    /// How many tasks it has.
    tasks: usize,
    /// How many were sent at least.
    pub sent: usize,
}

impl Record {
    /// A batch that begins now.
    pub(super) fn fresh(setup: &Setup, graph: &Graph) -> Self {
        Self {
            version: 1,
            sha256: graph.digest,
            seed: [setup.chance.nonce(), setup.chance.nonce()],
            unix_ms: setup.clock.unix_ms(),
            created: setup.clock.wall(),
            tasks: graph.len(),
            sent: 0,
        }
    }

    /// The batch of this very file that was begun and not finished, if there is one.
    ///
    /// # Errors
    /// [`Failure`]: it cannot be read.
    pub(super) fn open(setup: &Setup, graph: &Graph) -> Result<Option<Self>, Failure> {
        let path = path(setup, graph.digest)?;
        let bytes = match disk::read_bounded(&path, BYTES_MAX) {
            Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(None),
            other => other?,
        };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let why = format!("cannot read '{}': {error}", path.display());
            Failure::new(Exit::Io, why)
        })?;
        let is_ours = record.version == 1 && record.sha256 == graph.digest;
        Ok(Some(record).filter(|_| is_ours))
    }

    /// Why a file that was sent in part is not begun anew.
    pub(super) fn refuse(&self, setup: &Setup, graph: &Graph) -> Failure {
        let why = format!(
            "this file was begun at {} and cut after {} of {} tasks",
            self.created, self.sent, self.tasks
        );
        let path = path(setup, graph.digest).unwrap_or_default();
        Failure::new(Exit::TryAgain, why).hint(format!(
            "--resume goes on there; to send all of it again, remove '{}'",
            path.display()
        ))
    }

    /// Returns the id of a line. Ids of later lines are younger.
    pub(super) fn id(&self, number: usize) -> TaskId {
        /// What the 12 bits behind the time count to.
        const COUNT: usize = 1 << 12;
        let text = format!("{}{}{number}", self.seed[0], self.seed[1]);
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..10]);
        let count = u16::try_from(number % COUNT).unwrap_or(0).to_be_bytes();
        bytes[..2].copy_from_slice(&count);
        let ms = self.unix_ms + u64::try_from(number / COUNT).unwrap_or(0);
        TaskId::from_uuid(uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid())
    }

    /// Puts it on record, durably.
    ///
    /// # Errors
    /// [`Failure`]
    pub(super) fn write(&self, setup: &Setup) -> Result<(), Failure> {
        disk::make_dir(&setup.config.state()?.join(FOLDER), 0o700)?;
        Ok(disk::replace(
            &path(setup, self.sha256)?,
            &self.text(),
            0o600,
        )?)
    }

    /// Notes how many were sent. Durable: without this file the ids are not known any more.
    ///
    /// # Errors
    /// [`Failure`]
    pub(super) fn advance(&mut self, setup: &Setup, sent: usize) -> Result<(), Failure> {
        self.sent = sent;
        Ok(disk::replace(
            &path(setup, self.sha256)?,
            &self.text(),
            0o600,
        )?)
    }

    /// All of it is sent: the same file may be sent again.
    ///
    /// # Errors
    /// [`Failure`]
    pub(super) fn finish(&self, setup: &Setup) -> Result<(), Failure> {
        Ok(disk::remove(&path(setup, self.sha256)?)?)
    }

    fn text(&self) -> Vec<u8> {
        // Plain words, digits and a time.
        serde_json::to_vec(self).expect("a record is plain data")
    }
}

fn path(setup: &Setup, digest: Digest) -> Result<PathBuf, Failure> {
    Ok(setup.config.state()?.join(FOLDER).join(digest.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_record_and_are_in_the_order_of_the_lines() {
        let record = Record {
            version: 1,
            sha256: Digest::of(b""),
            seed: [Nonce::from_bits(1), Nonce::from_bits(2)],
            unix_ms: 1_795_000_000_000,
            created: Timestamp::from_unix(1_795_000_000),
            tasks: 20_000,
            sent: 0,
        };
        let ids: Vec<TaskId> = (0..20_000).map(|number| record.id(number)).collect();
        assert!(ids.is_sorted_by_key(|id| id.age_key()));
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(ids[7], record.clone().id(7));
    }
}
