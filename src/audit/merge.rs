//! Reads many logs as one: each writer's records in the order of its chain, writers against each other by time.
//!
//! Memory is bounded by the number of writers: one line of each is held. Clocks of hosts differ and step, so the order
//! across writers is for reading, not for proof; a `task_send` goes before anything else told in the same second. Lines
//! that are no records are counted and passed over; `chain` names them.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use crate::audit::Error;
use crate::audit::files::LogFiles;
use crate::audit::line::Content;
use crate::audit::line::Pieces;
use crate::audit::record::Record;
use crate::audit::segment::SegmentName;
use crate::audit::segment::Writer;
use crate::clock::Timestamp;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::Party;

/// Which records are wanted; an empty filter takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The beginning of a task id.
    pub task: Option<String>,
    /// The words; none means all.
    pub words: Vec<Word>,
    /// The other side.
    pub peer: Option<Party>,
    /// Told at this moment or later.
    pub since: Option<Timestamp>,
    /// Told before this moment.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Returns whether a record is wanted.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        let event = &record.event;
        let task = |wanted: &String| {
            event
                .task
                .is_some_and(|id| id.to_string().starts_with(wanted))
        };
        self.task.as_ref().is_none_or(task)
            && (self.words.is_empty() || self.words.contains(&event.word))
            && (self.peer.is_none() || self.peer == event.peer)
            && self.since.is_none_or(|since| record.ts >= since)
            && self.until.is_none_or(|until| record.ts < until)
    }

    /// Returns whether a segment may hold something wanted. A segment is of one day; a second day is for clocks that
    /// stepped.
    fn may_hold(&self, name: &SegmentName) -> bool {
        let day = |since: Timestamp| {
            since
                .minus(Duration::from_secs(24 * 3600))
                .day()
                .replace('-', "")
        };
        self.since
            .is_none_or(|since| name.day() >= day(since).as_str())
    }
}

/// How far each segment was read, in bytes: where the next look goes on.
pub type Positions = BTreeMap<(NodeName, SegmentName), u64>;

/// One record, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The node whose log it lies in.
    pub node: NodeName,
    /// The record.
    pub record: Record,
    /// Its line, the newline included.
    pub line: Vec<u8>,
}

/// Many logs as one.
pub struct Merge<'a> {
    filter: Filter,
    streams: Vec<Stream<'a>>,
    positions: Positions,
    passed_over: u64,
    unread: Vec<String>,
}

impl<'a> Merge<'a> {
    /// Makes a merge of the logs of several nodes, from `positions` on. Opens no file yet; a folder that cannot be
    /// listed is told by [`Merge::unread`].
    #[must_use]
    pub fn new(
        logs: &[(NodeName, &'a dyn LogFiles)],
        filter: Filter,
        positions: Positions,
    ) -> Self {
        let (mut streams, mut unread) = (Vec::new(), Vec::new());
        for (node, files) in logs {
            let segments = files.segments().unwrap_or_else(|error| {
                unread.push(format!("{node}: {error}"));
                Vec::new()
            });
            for writer in Writer::ALL {
                let wanted = |name: &&SegmentName| name.writer == *writer && filter.may_hold(name);
                let mut waiting: Vec<_> = segments.iter().filter(wanted).cloned().collect();
                waiting.reverse();
                streams.push(Stream {
                    node: node.clone(),
                    files: *files,
                    waiting,
                    open: None,
                    next: None,
                });
            }
        }
        Self {
            filter,
            streams,
            positions,
            passed_over: 0,
            unread,
        }
    }

    /// Returns the next record in order, or `None` at the end.
    pub fn next_record(&mut self) -> Option<Told> {
        for stream in &mut self.streams {
            while stream.next.is_none() && stream.advance(&mut self.positions, &mut self.unread) {
                let wanted = match stream.parse() {
                    Some(told) => self.filter.takes(&told.record).then_some(told),
                    None => {
                        self.passed_over += 1;
                        None
                    }
                };
                stream.next = wanted;
            }
        }
        let heads = self
            .streams
            .iter_mut()
            .filter(|stream| stream.next.is_some());
        heads.min_by(|a, b| a.key().cmp(&b.key()))?.next.take()
    }

    /// Returns how far everything was read.
    #[must_use]
    pub fn positions(self) -> Positions {
        self.positions
    }

    /// Returns how many lines were no records.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Returns what could not be read, for a person.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.unread
    }
}

/// The log of one writer.
struct Stream<'a> {
    node: NodeName,
    files: &'a dyn LogFiles,
    /// Segments not opened yet, the next at the end.
    waiting: Vec<SegmentName>,
    open: Option<Open>,
    next: Option<Told>,
}

struct Open {
    pieces: Pieces<Box<dyn Read + Send>>,
    name: SegmentName,
    line: Vec<u8>,
}

impl Stream<'_> {
    /// Reads one more complete line into `open.line`; empty where it is too long. Returns whether there was one.
    fn advance(&mut self, positions: &mut Positions, unread: &mut Vec<String>) -> bool {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let Some(name) = self.waiting.pop() else {
                        return false;
                    };
                    match self.begin(&name, positions) {
                        Ok(Some(open)) => self.open.insert(open),
                        Ok(None) => continue,
                        Err(error) => {
                            unread.push(format!("{}: {error}", self.node));
                            continue;
                        }
                    }
                }
            };
            let place = (self.node.clone(), open.name.clone());
            match open.pieces.next_piece() {
                Ok(Some(piece)) => match piece.content {
                    Content::Whole(line) => {
                        positions.insert(place, piece.end);
                        open.line = line;
                        return true;
                    }
                    Content::TooLong => {
                        positions.insert(place, piece.end);
                        open.line.clear();
                        return true;
                    }
                    Content::Torn | Content::Endless => self.open = None,
                },
                Ok(None) => self.open = None,
                Err(error) => {
                    unread.push(format!(
                        "{}: cannot read '{}': {error}",
                        self.node, open.name
                    ));
                    self.open = None;
                }
            }
        }
    }

    fn begin(&self, name: &SegmentName, positions: &Positions) -> Result<Option<Open>, Error> {
        let place = (self.node.clone(), name.clone());
        let offset = positions.get(&place).copied().unwrap_or(0);
        if offset > 0 && self.files.size(name)? <= offset {
            return Ok(None);
        }
        Ok(Some(Open {
            pieces: Pieces::from_offset(self.files.open(name, offset)?, offset),
            name: name.clone(),
            line: Vec::new(),
        }))
    }

    fn parse(&self) -> Option<Told> {
        let open = self.open.as_ref()?;
        let record = Record::parse(&open.line).ok()?;
        // A record of another log does not belong here, however well it is formed.
        let is_ours = record.session == self.node && record.link.segment == open.name;
        is_ours.then(|| Told {
            node: self.node.clone(),
            record,
            line: open.line.clone(),
        })
    }

    /// What the heads of two streams are compared by.
    fn key(&self) -> Option<(Timestamp, bool, &NodeName, u64)> {
        let told = self.next.as_ref()?;
        let record = &told.record;
        let is_send = record.event.word == Word::TaskSend;
        Some((record.ts, !is_send, &told.node, record.boot.0))
    }
}

#[cfg(test)]
mod tests;
