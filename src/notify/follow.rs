//! Follows the log of this node: from where it was left, over the ends of files, to the last complete line.
//!
//! Files are only read. A torn line at the end of the newest one is a write in progress and is read again; at the end
//! of an older one it is what a crash left. Where the files that were to be read are gone, reading goes on with the
//! oldest that is there. A line that is no record of this node is passed over: `dispatch log --verify` judges it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::audit;
use crate::audit::Record;
use crate::audit::SegmentName;
use crate::audit::Writer;
use crate::audit::files::LogFiles;
use crate::audit::line::Content;
use crate::audit::line::Pieces;
use crate::id::NodeName;

/// How far one writer's log was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The file.
    pub segment: SegmentName,
    /// The byte after the last line that was read.
    pub offset: u64,
}

/// How far the log was read.
pub type Cursor = BTreeMap<Writer, Mark>;

/// Returns the end of the log as it is now: what was told before is not told again.
///
/// # Errors
/// [`audit::Error`]
pub fn end(log: &dyn LogFiles) -> Result<Cursor, audit::Error> {
    let mut cursor = Cursor::new();
    // Sorted by writer and number, so the last of each stays.
    for segment in log.segments()? {
        let offset = whole_lines(log, &segment)?;
        cursor.insert(segment.writer, Mark { segment, offset });
    }
    Ok(cursor)
}

fn whole_lines(log: &dyn LogFiles, segment: &SegmentName) -> Result<u64, audit::Error> {
    let mut end = 0;
    read_from(log, segment, 0, |piece, _| {
        end = piece;
        true
    })?;
    Ok(end)
}

/// Reads on, at most `most` lines, and hands each record to `take`. Returns whether there may be more.
///
/// # Errors
/// [`audit::Error`]; the cursor is where reading stopped.
pub fn read(
    log: &dyn LogFiles,
    node: &NodeName,
    cursor: &mut Cursor,
    most: usize,
    mut take: impl FnMut(&Record),
) -> Result<bool, audit::Error> {
    let mut left = most;
    // Before any file is read: one that has a successor in this listing is complete.
    let segments = log.segments()?;
    for writer in Writer::ALL {
        let of_writer = segments.iter().filter(|name| name.writer == *writer);
        let of_writer: Vec<&SegmentName> = of_writer.collect();
        for segment in ahead(&of_writer, cursor.get(writer)) {
            let begun = cursor.get(writer).filter(|mark| mark.segment == *segment);
            let mut mark = Mark {
                segment: segment.clone(),
                offset: begun.map_or(0, |mark| mark.offset),
            };
            let from = mark.offset;
            let whole = read_from(log, segment, from, |end, record| {
                if left == 0 {
                    return false;
                }
                left -= 1;
                mark.offset = end;
                if let Some(record) = record.filter(|one| one.session == *node) {
                    take(&record);
                }
                true
            });
            cursor.insert(*writer, mark);
            if !whole? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns the segments of one writer that are still to be read, oldest first.
fn ahead<'a>(segments: &[&'a SegmentName], mark: Option<&Mark>) -> Vec<&'a SegmentName> {
    let Some(mark) = mark else {
        return segments.to_vec();
    };
    let here = segments.iter().position(|name| **name == mark.segment);
    let next = || {
        let newer = |name: &&SegmentName| name.number > mark.segment.number;
        segments.iter().position(newer)
    };
    // Neither it nor a later one: the local state was lost, and this is another chain.
    let at = here.or_else(next).unwrap_or(0);
    segments.get(at..).unwrap_or_default().to_vec()
}

/// Reads complete lines of one file from an offset. `take` gets the offset behind each, and the record if it is one;
/// it returns whether to go on. Returns whether the end was reached.
fn read_from(
    log: &dyn LogFiles,
    segment: &SegmentName,
    offset: u64,
    mut take: impl FnMut(u64, Option<Record>) -> bool,
) -> Result<bool, audit::Error> {
    let failed = |source| audit::Error::Read {
        path: segment.to_string().into(),
        source,
    };
    let mut pieces = Pieces::from_offset(log.open(segment, offset)?, offset);
    while let Some(piece) = pieces.next_piece().map_err(failed)? {
        let record = match piece.content {
            Content::Whole(line) => Record::parse(&line).ok(),
            Content::TooLong => None,
            Content::Torn | Content::Endless => break,
        };
        let record = record.filter(|record| record.link.segment == *segment);
        if !take(piece.end, record) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
