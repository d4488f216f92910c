//! Old segments go, and the log says so itself: the chain goes on from a line that names the last of them and its
//! digest.
//!
//! The oldest of a writer go first, and never its newest. First a record tells the last segment that goes and the
//! digest of its last line, and is made durable; then the files are removed, those on the share before those here. A
//! crash leaves some of them, which the next pass tells of anew. Whoever verifies finds that the oldest segment left
//! goes on from exactly the line that was told; a segment that is missing and of which no line tells is a break.

use std::path::Path;

use crate::audit::Error;
use crate::audit::local::LocalLog;
use crate::audit::local::segments_of;
use crate::audit::local::tail_of;
use crate::audit::segment::SegmentName;
use crate::audit::segment::Writer;
use crate::clock::Timestamp;
use crate::disk;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::place::Place;
use crate::share::Share;

/// What a record says of segments that are gone: the last of them, and the digest of its last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The last segment that is gone; so are all of its writer with a lower number.
    pub last: SegmentName,
    /// Digest of its last line.
    pub sha256: Digest,
}

impl Retired {
    /// Takes it from an event; `None` where that tells of something else.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        if event.word != Word::LogRetire {
            return None;
        }
        let last = SegmentName::from_file(&format!("{}.jsonl", event.code.as_ref()?.as_str()))?;
        let sha256 = event.digest?;
        Some(Self { last, sha256 })
    }

    fn event(&self, count: usize) -> Event {
        let name = self.last.to_string();
        let event = Event::of(Word::LogRetire).code(name.trim_end_matches(".jsonl"));
        Event {
            digest: Some(self.sha256),
            count: Some(count as u64),
            ..event.say("segments up to this one are removed by rule")
        }
    }

    /// Returns whether a segment is among those that are gone, and, where its last line is what another segment says it
    /// goes on from, whether that is the line that was told.
    #[must_use]
    pub fn covers(&self, name: &SegmentName, last_line: Option<Digest>) -> bool {
        let is_last = *name == self.last;
        name.writer == self.last.writer
            && (name.number < self.last.number
                || (is_last && last_line.is_none_or(|digest| digest == self.sha256)))
    }
}

/// Removes the segments begun before this day, here and on the share. Returns how many went.
///
/// # Errors
/// [`Error`]; what is left is removed by the next pass.
pub fn retire(
    dir: &Path,
    log: &LocalLog,
    share: (&dyn Share, &NodeName),
    before: Timestamp,
) -> Result<usize, Error> {
    let (mut gone, day) = (0, before.day().replace('-', ""));
    for writer in Writer::ALL {
        let mut segments = segments_of(dir)?;
        segments.retain(|name| name.writer == *writer);
        // The newest stays, whatever its age: the chain goes on from it.
        segments.pop();
        let old = segments.iter().take_while(|name| name.day() < day.as_str());
        let old: Vec<&SegmentName> = old.collect();
        // The line that the next segment goes on from; one that holds none is gone on over.
        let mut last = None;
        for name in old.iter().rev() {
            if let Some(head) = tail_of(&dir.join(name.to_string()), name)?.head {
                last = Some(head);
                break;
            }
        }
        let Some(head) = last else { continue };
        let retired = Retired {
            last: head.segment,
            sha256: head.sha256,
        };
        log.tell(&retired.event(old.len()));
        log.sync()?;
        let at = Place::Log(share.1.clone());
        for name in old {
            let file = name.to_string();
            share.0.remove(&at, &file)?;
            disk::remove(&dir.join(file))?;
            gone += 1;
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests;
