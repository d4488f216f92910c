//! Writes a chain to files of its own on the local disk.
//!
//! One append per record to a file of one writer; a new segment after a restart of the watcher, after any failed
//! write or sync, on a new day, and at [`limits::SEGMENT_BYTES_MAX`]. Nothing written is ever changed, cut or
//! repaired. Durability is a step of its own, [`LocalLog::sync`], because only the caller knows which events must
//! outlive a power cut. A crash leaves at most one torn line at the end of a segment.
//!
//! The commands of a host share one chain: each takes an exclusive lock on a file beside it, reads the end of the last
//! segment, and goes on from there.

use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use crate::audit::Error;
use crate::audit::record;
use crate::audit::record::Link;
use crate::audit::record::Record;
use crate::audit::segment::Head;
use crate::audit::segment::SegmentName;
use crate::audit::segment::Writer;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::disk;
use crate::disk::AppendFile;
use crate::disk::LockFile;
use crate::document::AuditHead;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::limits;

/// Name of the lock by which commands take turns.
pub(super) const TURN: &str = "cli.lock";
/// How long a command waits for its turn; a turn is one append, so a longer wait means a stopped process.
const TURN_WAIT: Duration = Duration::from_secs(2);
/// Between two looks at the lock.
const TURN_LOOK: Duration = Duration::from_millis(5);

/// The log of one writer of this node.
pub struct LocalLog {
    dir: PathBuf,
    node: NodeName,
    writer: Writer,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    state: Mutex<State>,
}

/// What a log could not do since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events that are in no file.
    pub events: u64,
    /// The last failure, for a person.
    pub last: Option<String>,
}

#[derive(Default)]
struct State {
    /// Whether the files of earlier runs were looked at.
    looked: bool,
    open: Option<Open>,
    head: Option<Head>,
    /// Highest number any segment of this writer has.
    number: u32,
    losses: Losses,
    /// Losses that no record tells of yet.
    untold: u64,
    /// The last record that is on the share too.
    copied: Option<Head>,
}

struct Open {
    file: AppendFile,
    name: SegmentName,
    bytes: u64,
    /// Whether it holds no record yet.
    fresh: bool,
}

impl LocalLog {
    /// Makes a log over `dir`, which is made when the first event comes. Touches no file. The caller of
    /// [`Writer::Watch`] makes sure that it is the only watcher of its node.
    #[must_use]
    pub fn new(
        dir: &Path,
        node: &NodeName,
        writer: Writer,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            node: node.clone(),
            writer,
            clock,
            chance,
            state: Mutex::new(State::default()),
        }
    }

    /// Returns the place of the last record written here, if there is one.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.lock().head.clone()
    }

    /// Notes the last record that is on the share too ([`crate::audit::Shipper::heads`]).
    pub fn note_copied(&self, head: Head) {
        self.lock().copied = Some(head);
    }

    /// Returns the head for sealed documents to carry: the last record that is on the share too, because whoever
    /// remembers a head looks for it there.
    #[must_use]
    pub fn copied(&self) -> Option<Head> {
        self.lock().copied.clone()
    }

    /// Returns what could not be recorded.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.lock().losses.clone()
    }

    /// Makes everything told so far durable.
    ///
    /// # Durability
    /// The records and the name of their file are on disk when it returns.
    ///
    /// # Errors
    /// [`Error::Disk`]; what was told may be lost, and the next event goes to a new segment.
    pub fn sync(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let result = state.open.as_ref().map_or(Ok(()), |open| open.file.sync());
        if let Err(error) = &result {
            state.losses.last = Some(error.to_string());
            state.open = None;
        }
        Ok(result?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, event: &Event) -> Result<(), Error> {
        let now = self.clock.wall();
        let _turn = match self.writer {
            Writer::Watch if state.looked => None,
            Writer::Watch => {
                self.look(state)?;
                None
            }
            Writer::Cli => {
                disk::make_dir(&self.dir, 0o700)?;
                let turn = self.turn()?;
                let last = self.look(state)?;
                state.open = last.filter(|open| open.name.is_of_day(now));
                Some(turn)
            }
        };
        if let Some(open) = &state.open
            && (open.bytes >= limits::SEGMENT_BYTES_MAX || !open.name.is_of_day(now))
        {
            // What may not be durable in the old file becomes so while its descriptor is still here.
            open.file.sync()?;
            state.open = None;
        }
        let mut open = match state.open.take() {
            Some(open) => open,
            None => self.begin(state, now)?,
        };
        let record = self.record(state.head.as_ref(), &open, event, now);
        let line = line_of(&record)?;
        if let Err(error) = open.file.append(&line) {
            // What of the line arrived is not known, so this file ends here; unless it holds nothing at all, or a full
            // disk would be filled with empty files too.
            if open.fresh && self.is_empty(&open.name) {
                state.open = Some(open);
            }
            return Err(error.into());
        }
        open.bytes += line.len() as u64;
        open.fresh = false;
        state.open = Some(open);
        state.head = Some(record.link.head(Digest::of(&line)));
        Ok(())
    }

    /// Waits for the turn of this command.
    fn turn(&self) -> Result<LockFile, Error> {
        let path = self.dir.join(TURN);
        let began = self.clock.boot();
        loop {
            match LockFile::try_take_at_once(&path) {
                Err(disk::Error::Locked { .. }) if self.clock.boot().since(began) < TURN_WAIT => {
                    self.clock.sleep(TURN_LOOK);
                }
                other => return Ok(other?),
            }
        }
    }

    /// Finds the last record of earlier runs. Returns the last segment where more can be appended to it.
    fn look(&self, state: &mut State) -> Result<Option<Open>, Error> {
        disk::make_dir(&self.dir, 0o700)?;
        let mut segments = segments_of(&self.dir)?;
        segments.retain(|name| name.writer == self.writer);
        (state.head, state.number) = (None, segments.last().map_or(0, |name| name.number));
        let mut last = None;
        for name in segments.iter().rev() {
            let path = self.dir.join(name.to_string());
            let tail = tail_of(&path, name)?;
            if tail.clean && Some(name) == segments.last() && self.writer == Writer::Cli {
                last = Some(Open {
                    file: AppendFile::open(&path)?,
                    name: name.clone(),
                    bytes: tail.bytes,
                    fresh: false,
                });
            }
            if tail.head.is_some() {
                state.head = tail.head;
                break;
            }
        }
        state.looked = true;
        Ok(last)
    }

    fn begin(&self, state: &mut State, now: Timestamp) -> Result<Open, Error> {
        disk::make_dir(&self.dir, 0o700)?;
        state.number = state.number.saturating_add(1);
        let instance = (self.chance.bits() >> 32) as u32;
        let name = SegmentName::new(self.writer, now, instance, state.number);
        Ok(Open {
            file: AppendFile::create(&self.dir.join(name.to_string()))?,
            name,
            bytes: 0,
            fresh: true,
        })
    }

    fn record(&self, head: Option<&Head>, open: &Open, event: &Event, ts: Timestamp) -> Record {
        let after = head.filter(|_| open.fresh);
        Record {
            ts,
            session: self.node.clone(),
            event: event.clone(),
            boot: self.clock.boot(),
            link: Link {
                version: record::VERSION,
                segment: open.name.clone(),
                after: after.map(|head| head.segment.clone()),
                seq: head.map_or(1, |head| head.seq.saturating_add(1)),
                prev: head.map_or(record::GENESIS, |head| head.sha256),
            },
        }
    }

    fn is_empty(&self, name: &SegmentName) -> bool {
        let file = disk::open(&self.dir.join(name.to_string()));
        file.is_ok_and(|file| file.metadata().is_ok_and(|meta| meta.len() == 0))
    }
}

impl Sink for LocalLog {
    fn tell(&self, event: &Event) {
        let mut state = self.lock();
        if state.untold > 0 {
            let lost = Event {
                count: Some(state.untold),
                ..Event::of(Word::LogLost).say("events could not be recorded")
            };
            if self.append(&mut state, &lost).is_ok() {
                state.untold = 0;
            }
        }
        if let Err(error) = self.append(&mut state, event) {
            state.untold += 1;
            state.losses.events += 1;
            state.losses.last = Some(error.to_string());
        }
    }

    fn head(&self) -> Option<AuditHead> {
        self.copied().map(|head| head.to_sealed())
    }
}

fn line_of(record: &Record) -> Result<Vec<u8>, Error> {
    let bad = |why: String| Error::Record {
        word: record.event.word.as_str(),
        why,
    };
    let line = record.to_line().map_err(|why| bad(why.to_string()))?;
    if line.len() > limits::RECORD_BYTES_MAX {
        return Err(bad("it is too long".to_owned()));
    }
    Ok(line)
}

/// Returns the segments of a local directory, by writer and number; other entries are not ours to judge here.
///
/// # Errors
/// [`Error::Disk`]
pub fn segments_of(dir: &Path) -> Result<Vec<SegmentName>, Error> {
    let names = disk::list(dir)?;
    let mut found: Vec<_> = names
        .iter()
        .filter_map(|name| SegmentName::from_file(name))
        .collect();
    found.sort();
    Ok(found)
}

/// The end of a segment.
pub(super) struct Tail {
    /// Its last readable record.
    pub(super) head: Option<Head>,
    /// Size of the file in bytes.
    bytes: u64,
    /// Whether the file ends with that record and nothing else.
    clean: bool,
}

/// Reads the end of a segment: as much as holds two of the longest lines.
pub(super) fn tail_of(path: &Path, name: &SegmentName) -> Result<Tail, Error> {
    const WINDOW: u64 = 2 * limits::RECORD_BYTES_MAX as u64;
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = disk::open(path)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(bytes.saturating_sub(WINDOW)))
        .map_err(failed)?;
    file.take(WINDOW).read_to_end(&mut end).map_err(failed)?;
    let mut clean = true;
    let mut lines = end.split_inclusive(|byte| *byte == b'\n').rev();
    let head = lines.find_map(|line| {
        let whole = Link::parse(line).ok().filter(|_| line.ends_with(b"\n"));
        let link = whole.filter(|link| link.segment == *name);
        clean &= link.is_some();
        link.map(|link| link.head(Digest::of(line)))
    });
    clean &= head.is_some();
    Ok(Tail { head, bytes, clean })
}

#[cfg(test)]
mod tests;
