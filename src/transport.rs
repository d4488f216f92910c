//! The verbs of a queue over a share: publish, list, read, advance, mark. Nothing here knows a path.
//!
//! The heart is [`Transport::advance`]: one task file, renamed once, to a name that only this try could have made. A
//! reply can be lost, repeated or late, so the return code of the rename is not believed; the destination's fresh
//! listing is (`docs/QUEUE.md`, rules R1 to R4; rename(2), BUGS: "you can not assume that if the operation failed, the
//! file was not renamed").

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::entry;
use crate::id::TaskId;
use crate::place::Lane;
use crate::place::Place;
use crate::planted;
use crate::planted::Bug;
use crate::share::Attributes;
use crate::share::EntryKind;
use crate::share::Hang;
use crate::share::Listed;
use crate::share::Share;
use crate::share::ShareError;
use crate::stage::Stage;

/// What became of one attempt to move one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Advance {
    /// The file is under the new name, and this try put it there.
    Moved,
    /// Somebody else moved it; this try did not and will be found as an orphan if it comes late.
    NotMine,
    /// Not known now. Decide nothing; look again later.
    Unknown(ShareError),
    /// It can never work here ([`ShareError::is_hopeless`]).
    Hopeless(ShareError),
}

/// What became of publishing a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Publish {
    /// It is there, durable, under its name.
    Published,
    /// Nothing was published; nothing will appear.
    Failed(ShareError),
    /// It may or may not be there. The temporary file tells later: gone means published.
    Unknown {
        /// The temporary file in `tmp/`.
        part: String,
        /// What failed last.
        error: ShareError,
    },
}

/// Pauses between tries while another client, a scanner or a deferred close holds the file (SMB sharing violations;
/// the schedule git uses on Windows), then while a server recovers.
const PAUSES_MS: [u64; 9] = [0, 1, 10, 20, 40, 100, 200, 400, 800];

/// The verbs of a queue. Another engine (a message store with compare-and-set) fits behind the same contract; `flow`
/// would not notice. Every error is a [`ShareError`], and none of them is an answer.
pub trait Transport: Send + Sync {
    /// Lists a folder afresh. An error means that nothing is known; it is not the same as empty (R10).
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError>;

    /// Lists a folder afresh as far as `max` names. Returns whether there are more. Absence from a part proves nothing.
    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        let mut listing = self.list(at)?;
        let is_part = listing.len() > max;
        listing.truncate(max);
        Ok((listing, is_part))
    }

    /// Returns whether a fresh listing holds the name.
    fn holds(&self, at: &Place, name: &str) -> Result<bool, ShareError> {
        Ok(self
            .list(at)?
            .iter()
            .any(|entry| entry.name == name && entry.raw.is_none()))
    }

    /// Moves a file to a name that only this try could have made.
    ///
    /// # Durability
    /// On NFS and SMB durable when it returns `Moved`; on a local disk after [`Transport::sync`] of the destination.
    fn advance(&self, from: (&Place, &str), to: (&Place, &str)) -> Advance;

    /// Writes a document and moves it into place: temporary file, sync, close, rename, sync of the folder.
    ///
    /// # Durability
    /// When it returns `Published`, bytes and name are on the server's disk.
    fn publish(&self, lane: &Lane, id: TaskId, to: (&Place, &str), bytes: &[u8]) -> Publish;

    /// Like [`Transport::publish`], from a stream, in constant memory.
    fn upload(&self, lane: &Lane, id: TaskId, to: (&Place, &str), from: &mut dyn Read) -> Publish;

    /// Finishes a publication whose outcome was unknown: the same temporary file, the same target.
    fn resume(&self, lane: &Lane, part: &str, to: (&Place, &str)) -> Publish;

    /// Reads a document of at most `max` bytes. Absence is a hint, not a fact (R4).
    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError>;

    /// Opens a document for streaming.
    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError>;

    /// Reads the first bytes of any entry, following nothing, blocking on nothing.
    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError>;

    /// Creates an empty marker and sees it in a fresh listing, so that this look at the folder is truly fresh (R5).
    /// Returns that listing. After an error the marker may exist.
    fn mark(&self, at: &Place, name: &str) -> Result<Vec<Listed>, ShareError>;

    /// Creates a document in place, without a temporary file, so that it may be seen half-written: for the identity of
    /// a root that is being laid out, and for reasons that only people read. One that is there is as good.
    fn found(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError>;

    /// Moves junk out of the way under a name that only this try could have made; its own name may be any bytes.
    fn expel(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError>;

    /// Removes a marker or a document of control; one that is not there is as good.
    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError>;

    /// Makes a folder; one that is there is as good.
    fn make_dir(&self, at: &Place) -> Result<(), ShareError>;

    /// Removes an empty folder.
    fn remove_dir(&self, at: &Place) -> Result<(), ShareError>;

    /// Makes the names of a folder durable.
    fn sync(&self, at: &Place) -> Result<(), ShareError>;

    /// Rewrites a document of fixed size in place; one writer per name; readers may see it torn.
    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError>;

    /// Adds to a document that only grows; one writer per name.
    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError>;

    /// Returns size and age of an entry.
    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError>;

    /// Returns the time of whoever stamps the entries of this lane.
    fn server_time(&self, lane: &Lane) -> Result<Timestamp, ShareError>;

    /// Returns free bytes.
    fn free_bytes(&self) -> Result<u64, ShareError>;

    /// Returns where this is, for a person.
    fn title(&self) -> String;

    /// Holds every later call to what is there now; see [`Share::anchor`].
    fn anchor(&self) -> Result<(), ShareError> {
        Ok(())
    }

    /// Returns the call that was given up and has not returned, if there is one.
    fn hang(&self) -> Option<Hang> {
        None
    }
}

/// The queue over a shared folder.
#[derive(Clone)]
pub struct FolderTransport {
    share: Arc<dyn Share>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
}

impl FolderTransport {
    /// Puts the verbs over a share.
    #[must_use]
    pub fn over(share: Arc<dyn Share>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            share,
            clock,
            chance,
        }
    }

    /// Returns what a fresh listing says of a name.
    fn kind(&self, at: (&Place, &str)) -> Result<Option<EntryKind>, ShareError> {
        let listing = self.list(at.0)?;
        let mut found = listing
            .iter()
            .filter(|entry| entry.name == at.1 && entry.raw.is_none());
        Ok(found.next().map(|entry| entry.kind))
    }

    /// Moves a finished temporary file into place.
    fn place(&self, tmp: &Place, part: String, to: (&Place, &str)) -> Publish {
        match self.advance((tmp, &part), to) {
            Advance::Moved if planted::is(Bug::FolderUnsynced) => Publish::Published,
            Advance::Moved => match self.share.sync(to.0) {
                Ok(()) => Publish::Published,
                Err(error) => Publish::Unknown { part, error },
            },
            Advance::Hopeless(error) => {
                let _ = self.share.remove(tmp, &part);
                Publish::Failed(error)
            }
            Advance::Unknown(error) if planted::is(Bug::UnknownIsFailed) => Publish::Failed(error),
            Advance::Unknown(error) => Publish::Unknown { part, error },
            // Gone from tmp/ and not at its target: a reply was lost and the reader was quick, or somebody emptied
            // tmp/. Saying that nothing was published would make the sender publish it twice.
            Advance::NotMine => {
                let error = ShareError {
                    action: "publish",
                    object: part.clone(),
                    errno: 0,
                    why: Some("its temporary file is gone, and it is not at its target"),
                };
                Publish::Unknown { part, error }
            }
        }
    }
}

impl Transport for FolderTransport {
    fn list(&self, at: &Place) -> Result<Vec<Listed>, ShareError> {
        self.share.list(at)
    }

    fn list_part(&self, at: &Place, max: usize) -> Result<(Vec<Listed>, bool), ShareError> {
        self.share.list_part(at, max)
    }

    fn advance(&self, from: (&Place, &str), to: (&Place, &str)) -> Advance {
        let mut last = None;
        for pause in PAUSES_MS {
            if pause > 0 {
                self.clock.sleep(Duration::from_millis(pause));
            }
            let error = match self.share.rename(from, to) {
                Ok(()) => return Advance::Moved,
                Err(error) if error.is_hopeless() => return Advance::Hopeless(error),
                Err(error) if error.is_absent() && planted::is(Bug::AbsentIsAnswer) => {
                    return Advance::NotMine;
                }
                Err(error) => error,
            };
            // The source first: once the name is gone from there, whatever this node asked for has happened, so a
            // target looked at afterwards tells. The other way round a request that was given up, and comes between the
            // two looks, would make the own move look like that of somebody else.
            let held = self.holds(from.0, from.1);
            let there = self.kind(to);
            match (&there, held) {
                // A document was moved, so a folder is not what this try put there.
                (Ok(Some(EntryKind::Dir)), Ok(true)) => return Advance::Unknown(error),
                (Ok(Some(_)), _) => return Advance::Moved,
                // The folder it should go to is gone: waiting a second does not bring it back.
                (Err(missing), _) if missing.is_absent() => return Advance::Unknown(error),
                (Ok(None), Ok(false)) => return Advance::NotMine,
                // Still at its source, or nothing can be seen: the same rename may be tried again, since its target is
                // ours.
                (Ok(None), Ok(true)) | (Err(_), _) | (_, Err(_)) => last = Some(error),
            }
            if last.as_ref().is_some_and(|error| !is_worth_waiting(error)) {
                break;
            }
        }
        // The loop ran at least once and left its error behind.
        last.map_or(Advance::NotMine, Advance::Unknown)
    }

    fn publish(&self, lane: &Lane, id: TaskId, to: (&Place, &str), bytes: &[u8]) -> Publish {
        self.upload(lane, id, to, &mut &*bytes)
    }

    fn upload(&self, lane: &Lane, id: TaskId, to: (&Place, &str), from: &mut dyn Read) -> Publish {
        let tmp = Place::Stage(lane.clone(), Stage::Tmp);
        let part = entry::part(id, self.chance.nonce());
        if let Err(error) = self.share.create_from(&tmp, &part, from) {
            // Best effort: what stays in tmp/ is nobody's task and is collected by age.
            let _ = self.share.remove(&tmp, &part);
            return Publish::Failed(error);
        }
        self.place(&tmp, part, to)
    }

    fn resume(&self, lane: &Lane, part: &str, to: (&Place, &str)) -> Publish {
        self.place(&Place::Stage(lane.clone(), Stage::Tmp), part.to_owned(), to)
    }

    fn read(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        // ESTALE: the handle went away between lookup and open; a fresh lookup finds the file (nfs(5)).
        for _ in 0..3 {
            match self.share.read(at, name, max) {
                Err(error) if error.kind() == Errno::ESTALE => {}
                other => return other,
            }
        }
        self.share.read(at, name, max)
    }

    fn open(&self, at: &Place, name: &str) -> Result<Box<dyn Read + Send>, ShareError> {
        self.share.open(at, name)
    }

    fn peek(&self, at: &Place, name: &str, max: usize) -> Result<Vec<u8>, ShareError> {
        self.share.peek(at, name, max)
    }

    fn mark(&self, at: &Place, name: &str) -> Result<Vec<Listed>, ShareError> {
        let made = self.share.create(at, name, b"");
        let seen = self.share.list(at)?;
        match made {
            Ok(()) if seen.iter().any(|entry| entry.name == name) => Ok(seen),
            // It was made and the reply was lost, before the folder was synced: on a disk of this host a power cut
            // would take the marker and leave the run directory of its claim.
            Err(_) if seen.iter().any(|entry| entry.name == name) => {
                self.share.sync(at)?;
                Ok(seen)
            }
            Err(error) => Err(error),
            Ok(()) => Err(ShareError {
                action: "see",
                object: name.to_owned(),
                errno: 0,
                why: Some("it was created and is not in the listing"),
            }),
        }
    }

    fn found(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        match self.share.create(at, name, bytes) {
            // The other host laid it out at the same moment.
            Err(error) if error.kind() == Errno::EEXIST => Ok(()),
            other => other,
        }
    }

    fn expel(&self, from: (&Place, &[u8]), to: (&Place, &str)) -> Result<(), ShareError> {
        self.share.rename_raw(from, to)
    }

    fn remove(&self, at: &Place, name: &str) -> Result<(), ShareError> {
        self.share.remove(at, name)
    }

    fn make_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.share.make_dir(at)
    }

    fn remove_dir(&self, at: &Place) -> Result<(), ShareError> {
        self.share.remove_dir(at)
    }

    fn sync(&self, at: &Place) -> Result<(), ShareError> {
        self.share.sync(at)
    }

    fn beat(&self, at: &Place, name: &str, bytes: &[u8]) -> Result<(), ShareError> {
        self.share.beat(at, name, bytes)
    }

    fn extend(&self, at: &Place, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        self.share.extend(at, name, offset, bytes)
    }

    fn attributes(&self, at: &Place, name: &str) -> Result<Attributes, ShareError> {
        self.share.attributes(at, name)
    }

    fn server_time(&self, lane: &Lane) -> Result<Timestamp, ShareError> {
        let tmp = Place::Stage(lane.clone(), Stage::Tmp);
        self.share
            .server_time(&tmp, &format!("now.{}.part", self.chance.nonce()))
    }

    fn free_bytes(&self) -> Result<u64, ShareError> {
        self.share.free_bytes()
    }

    fn title(&self) -> String {
        self.share.title()
    }

    fn anchor(&self) -> Result<(), ShareError> {
        self.share.anchor()
    }

    fn hang(&self) -> Option<Hang> {
        self.share.hang()
    }
}

/// Errors that pass: sharing violations, deletes that are pending, a server that restarts.
fn is_worth_waiting(error: &ShareError) -> bool {
    !error.is_hang()
        && !error.is_other_ground()
        && !matches!(
            error.kind(),
            Errno::EROFS | Errno::ENOSPC | Errno::EDQUOT | Errno::ENOTCONN | Errno::ENODEV
        )
}
