//! Copies the local segments to `log/<node>/` on the share, a piece at a time, behind the work.
//!
//! The local file is the truth; the copy is a prefix of it, in whole lines. Nothing waits for it, and after an error
//! the length of the copy is asked for anew, because a failed write may have happened. Bytes are made durable here
//! before they leave, or a power cut could leave the copy ahead of its original. A crash leaves a shorter copy; the
//! next pass writes its end once more, over the same bytes, and goes on.

use std::collections::BTreeMap;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;

use crate::audit::Error;
use crate::audit::local::segments_of;
use crate::audit::record::Link;
use crate::audit::segment::Head;
use crate::audit::segment::SegmentName;
use crate::audit::segment::Writer;
use crate::disk;
use crate::disk::AppendFile;
use crate::id::Digest;
use crate::id::NodeName;
use crate::place::Place;
use crate::share::Share;
use crate::share::ShareError;

/// Most bytes copied by one write, and how much of the end is written again after a restart.
const CHUNK: usize = 64 * 1024;
/// Segments looked at in one pass; after a restart all of them must be looked at once.
const SEGMENTS_PER_PASS: usize = 64;

/// Where the copy of a node's log goes.
pub trait Shelf {
    /// Writes at an offset of a file that only grows, creating it if needed, durably.
    ///
    /// # Errors
    /// [`ShareError`]: it may have happened.
    fn append(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError>;

    /// Returns the size of the file in bytes; `None` where it is not there.
    ///
    /// # Errors
    /// [`ShareError`]
    fn length(&self, name: &str) -> Result<Option<u64>, ShareError>;
}

/// The folder `log/<node>/` of a share.
pub struct ShareShelf<'a> {
    share: &'a dyn Share,
    at: Place,
}

impl<'a> ShareShelf<'a> {
    /// Names the folder; it is made when the first bytes come.
    #[must_use]
    pub fn new(share: &'a dyn Share, node: &NodeName) -> Self {
        let at = Place::Log(node.clone());
        Self { share, at }
    }

    /// Makes the folder; one that is there is as good. Costs two calls to the server, so it is for an error, not for
    /// every round.
    ///
    /// # Errors
    /// [`ShareError`]
    pub fn prepare(&self) -> Result<(), ShareError> {
        self.share.make_dir(&Place::Logs)?;
        self.share.make_dir(&self.at)
    }
}

impl Shelf for ShareShelf<'_> {
    fn append(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), ShareError> {
        match self.share.extend(&self.at, name, offset, bytes) {
            Err(error) if error.is_absent() => {
                self.prepare()?;
                self.share.extend(&self.at, name, offset, bytes)
            }
            other => other,
        }
    }

    fn length(&self, name: &str) -> Result<Option<u64>, ShareError> {
        match self.share.attributes(&self.at, name) {
            Ok(seen) => Ok(Some(seen.bytes)),
            // Where a cache lies about this, the same bytes are written over the same bytes.
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How far a segment is copied.
#[derive(Debug, Clone, Copy, Default)]
struct Pointer {
    /// Bytes known to be on the share; `None` until its length was asked for.
    copied: Option<u64>,
    /// Nothing will ever be added to it, and all of it is copied.
    done: bool,
    /// It was told once that the copy is not what was written.
    altered: bool,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes copied.
    pub bytes: u64,
    /// Whether everything is copied.
    pub complete: bool,
    /// Segments whose copy somebody made longer or shorter; each is named once.
    pub altered: Vec<SegmentName>,
}

/// Copies the log of this node.
#[derive(Debug)]
pub struct Shipper {
    dir: PathBuf,
    pointers: BTreeMap<SegmentName, Pointer>,
    heads: BTreeMap<Writer, Head>,
}

impl Shipper {
    /// Makes a shipper of the log in `dir`; touches nothing.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            pointers: BTreeMap::new(),
            heads: BTreeMap::new(),
        }
    }

    /// Returns the last copied record of each writer: the heads to seal, because others can check them.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.heads.values()
    }

    /// Copies at most about `budget` bytes.
    ///
    /// # Errors
    /// [`Error::Share`], [`Error::Disk`], [`Error::Read`]; the next pass begins where this one ended.
    pub fn pass(&mut self, shelf: &dyn Shelf, budget: u64) -> Result<Passed, Error> {
        let mut passed = Passed::default();
        let mut looks = 0;
        let segments = segments_of(&self.dir)?;
        for (at, name) in segments.iter().enumerate() {
            let pointer = self.pointers.get(name).copied().unwrap_or_default();
            if pointer.done {
                continue;
            }
            looks += 1;
            if passed.bytes >= budget || looks > SEGMENTS_PER_PASS {
                return Ok(passed);
            }
            let next = segments.get(at + 1);
            let closed = next.is_some_and(|next| next.writer == name.writer);
            let left = budget.saturating_sub(passed.bytes);
            match self.segment(shelf, name, pointer, left, &mut passed) {
                Ok((pointer, all)) => {
                    let done = closed && all;
                    self.pointers
                        .insert(name.clone(), Pointer { done, ..pointer });
                    if !all {
                        return Ok(passed);
                    }
                }
                Err(error) => {
                    let copied = None;
                    self.pointers
                        .insert(name.clone(), Pointer { copied, ..pointer });
                    return Err(error);
                }
            }
        }
        passed.complete = true;
        Ok(passed)
    }

    /// Copies one segment. Returns where it stands and whether all of it is copied.
    fn segment(
        &mut self,
        shelf: &dyn Shelf,
        name: &SegmentName,
        mut pointer: Pointer,
        budget: u64,
        passed: &mut Passed,
    ) -> Result<(Pointer, bool), Error> {
        let file_name = name.to_string();
        let path = self.dir.join(&file_name);
        let length = disk::open(&path)?.metadata().map_err(read_at(&path))?.len();
        if pointer.copied.is_some_and(|copied| copied >= length) {
            return Ok((pointer, true));
        }
        // What another command appends from now on is not durable yet, and is left for the next pass.
        AppendFile::open(&path)?.sync()?;
        let there = shelf.length(&file_name)?.unwrap_or(0);
        let shorter = pointer.copied.is_some_and(|copied| there < copied);
        if (shorter || there > length) && !pointer.altered {
            pointer.altered = true;
            passed.altered.push(name.clone());
        }
        let again = there.min(length).saturating_sub(CHUNK as u64);
        let mut at = pointer.copied.filter(|_| !shorter).unwrap_or(again);
        let mut spent = 0;
        loop {
            let chunk = chunk_of(&path, at, length)?;
            if chunk.is_empty() {
                break;
            }
            if spent >= budget {
                return Ok((pointer, false));
            }
            shelf.append(&file_name, at, &chunk)?;
            at += chunk.len() as u64;
            spent += chunk.len() as u64;
            passed.bytes += chunk.len() as u64;
            pointer.copied = Some(at);
            self.note_head(name, &chunk);
        }
        pointer.copied = Some(at);
        Ok((pointer, true))
    }

    fn note_head(&mut self, name: &SegmentName, chunk: &[u8]) {
        let mut lines = chunk.split_inclusive(|byte| *byte == b'\n').rev();
        let head = lines.find_map(|line| {
            let link = Link::parse(line).ok().filter(|link| link.segment == *name);
            link.map(|link| link.head(Digest::of(line)))
        });
        if let Some(head) = head {
            self.heads.insert(name.writer, head);
        }
    }
}

fn read_at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::Read {
        path: path.to_owned(),
        source,
    }
}

/// Reads whole lines between two offsets, at most [`CHUNK`] bytes; empty where there is no further whole line.
fn chunk_of(path: &Path, at: u64, to: u64) -> Result<Vec<u8>, Error> {
    let mut file = disk::open(path)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).map_err(read_at(path))?;
    file.take(to.saturating_sub(at).min(CHUNK as u64))
        .read_to_end(&mut bytes)
        .map_err(read_at(path))?;
    // A full chunk without an end of line is not ours; it is copied as it is, so that the copy shows what is here.
    if bytes.len() < CHUNK || bytes.contains(&b'\n') {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |at| at + 1));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
