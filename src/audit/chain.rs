//! Verifies the logs of one node: every line against the one before it, every segment against the one before it, and
//! the whole against the heads that the node has sealed.
//!
//! The chain alone shows an edit, a removal, an insertion or a move anywhere but at the very end, and anything done
//! by somebody who does not recompute it. The heads show the rest: whoever rewrites or cuts a log cannot change what
//! others remember of it.

use std::collections::BTreeMap;
use std::io::Read;

use crate::audit::Error;
use crate::audit::files::LogFiles;
use crate::audit::finding::Fault;
use crate::audit::finding::Finding;
use crate::audit::line::Content;
use crate::audit::line::Piece;
use crate::audit::line::Pieces;
use crate::audit::record;
use crate::audit::record::Link;
use crate::audit::record::Record;
use crate::audit::retire::Retired;
use crate::audit::segment::Head;
use crate::audit::segment::SegmentName;
use crate::audit::segment::Writer;
use crate::id::Digest;
use crate::id::NodeName;

/// Most findings listed of one file.
const FINDINGS_MAX: usize = 50;

/// What a verification saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every segment that is there, by writer and number, with what is wrong in it.
    pub segments: Vec<Verified>,
    /// What is wrong with names that are no segment here.
    pub others: Vec<Finding>,
}

impl Report {
    /// Returns everything found, in the order of the files.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let within = self.segments.iter().flat_map(|one| &one.findings);
        within.chain(&self.others)
    }

    /// Returns whether nothing told is missing, changed or added.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.findings().any(|finding| finding.fault.is_break())
    }
}

/// What a verification saw of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The file.
    pub name: SegmentName,
    /// Records in it.
    pub records: u64,
    /// Its last line.
    pub head: Option<Head>,
    /// What is wrong in it.
    pub findings: Vec<Finding>,
    /// The link of its first line.
    first: Option<Link>,
    /// What its records say of segments that are gone.
    retired: Vec<Retired>,
}

/// Verifies the log of `node` against `heads`, the places it has sealed.
///
/// # Errors
/// [`Error`] where the folder cannot be listed; a file that cannot be read is a finding.
pub fn verify(node: &NodeName, files: &dyn LogFiles, heads: &[Head]) -> Result<Report, Error> {
    let mut report = Report {
        segments: Vec::new(),
        others: Vec::new(),
    };
    for name in files.names()? {
        if SegmentName::from_file(&name).is_none() {
            report.others.push(finding(&name, None, Fault::Stray));
        }
    }
    for name in files.segments()? {
        let mut check = Check::new(node, &name, heads);
        match files.open(&name, 0) {
            Ok(from) => check.run(from),
            Err(error) => check.unread(&error.to_string()),
        }
        report.segments.push(check.end());
    }
    let retired: Vec<Retired> = report
        .segments
        .iter_mut()
        .flat_map(|one| std::mem::take(&mut one.retired))
        .collect();
    join(&mut report.segments, &retired);
    for head in heads {
        let is_there = report.segments.iter().any(|one| one.name == head.segment);
        if !is_there && !retired.iter().any(|one| one.covers(&head.segment, None)) {
            let fault = Fault::HeadLost { seq: head.seq };
            report
                .others
                .push(finding(&head.segment.to_string(), None, fault));
        }
    }
    Ok(report)
}

fn finding(file: &str, line: Option<u64>, fault: Fault) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        fault,
    }
}

/// The check of one segment, line by line.
struct Check<'a> {
    node: &'a NodeName,
    heads: Vec<&'a Head>,
    /// Number, where it could be read, and digest of the last line.
    last: Option<(Option<u64>, Digest)>,
    more: u64,
    seen: Verified,
}

impl<'a> Check<'a> {
    fn new(node: &'a NodeName, name: &SegmentName, heads: &'a [Head]) -> Self {
        Self {
            node,
            heads: heads.iter().filter(|head| head.segment == *name).collect(),
            last: None,
            more: 0,
            seen: Verified {
                name: name.clone(),
                records: 0,
                head: None,
                findings: Vec::new(),
                first: None,
                retired: Vec::new(),
            },
        }
    }

    fn note(&mut self, line: Option<u64>, fault: Fault) {
        if self.seen.findings.len() < FINDINGS_MAX {
            let file = self.seen.name.to_string();
            self.seen.findings.push(Finding { file, line, fault });
        } else {
            self.more += 1;
        }
    }

    fn unread(&mut self, why: &str) {
        self.note(
            None,
            Fault::Unread {
                why: why.to_owned(),
            },
        );
    }

    fn run(&mut self, from: impl Read) {
        let mut pieces = Pieces::new(from);
        loop {
            match pieces.next_piece() {
                Ok(Some(piece)) => self.piece(&piece),
                Ok(None) => return,
                Err(error) => return self.unread(&error.to_string()),
            }
        }
    }

    fn piece(&mut self, piece: &Piece) {
        let line = Some(piece.number);
        match &piece.content {
            Content::Torn => return self.note(line, Fault::Torn),
            Content::Endless => return self.note(line, Fault::Endless),
            Content::TooLong => self.note(line, Fault::TooLong),
            Content::Whole(bytes) => match Link::parse(bytes) {
                Err(why) => self.note(line, Fault::NotARecord { why: why.0 }),
                Ok(link) => return self.link(piece, bytes, link),
            },
        }
        // Not a record, yet a line: the next one must know its digest. Its number is taken to be the one due.
        let due = self.last.and_then(|(seq, _)| seq).map(|seq| seq + 1);
        self.last = Some((due, piece.digest));
    }

    fn link(&mut self, piece: &Piece, bytes: &[u8], link: Link) {
        let line = Some(piece.number);
        if link.version > record::VERSION {
            let version = link.version;
            self.note(line, Fault::Newer { version });
        } else {
            match Record::parse(bytes) {
                Err(why) => self.note(line, Fault::NotARecord { why: why.0 }),
                Ok(record) if record.session != *self.node => {
                    let told = record.session.to_string();
                    self.note(line, Fault::OtherNode { told });
                }
                Ok(record) => self.seen.retired.extend(Retired::of(&record.event)),
            }
        }
        if link.segment != self.seen.name {
            let told = link.segment.to_string();
            self.note(line, Fault::OtherSegment { told });
        }
        match self.last {
            None if link.after.is_none() && (link.seq, link.prev) != (1, record::GENESIS) => {
                self.note(line, Fault::NoBeginning);
            }
            None => {}
            Some(_) if link.after.is_some() => self.note(line, Fault::BeginsAgain),
            Some((seq, digest)) => {
                if let Some(fault) = follow(seq, digest, &link) {
                    self.note(line, fault);
                }
            }
        }
        let (here, rest) = self.heads.iter().partition(|head| head.seq == link.seq);
        self.heads = rest;
        let here: Vec<&Head> = here;
        for head in here.iter().filter(|head| head.sha256 != piece.digest) {
            self.note(line, Fault::HeadDiffers { seq: head.seq });
        }
        self.last = Some((Some(link.seq), piece.digest));
        self.seen.head = Some(Head {
            segment: self.seen.name.clone(),
            seq: link.seq,
            sha256: piece.digest,
        });
        self.seen.records += 1;
        self.seen.first.get_or_insert(link);
    }

    fn end(mut self) -> Verified {
        if self.last.is_none() && self.seen.findings.is_empty() {
            self.note(None, Fault::Empty);
        }
        let last = self.seen.head.as_ref().map_or(0, |head| head.seq);
        for head in std::mem::take(&mut self.heads) {
            let seq = head.seq;
            self.note(
                None,
                if seq > last {
                    Fault::HeadBeyond { seq, last }
                } else {
                    Fault::HeadDiffers { seq }
                },
            );
        }
        if self.more > 0 {
            let file = self.seen.name.to_string();
            let fault = Fault::More { count: self.more };
            self.seen.findings.push(finding(&file, None, fault));
        }
        self.seen
    }
}

/// Returns what is wrong where `link` follows the line of this number and digest.
fn follow(seq: Option<u64>, digest: Digest, link: &Link) -> Option<Fault> {
    let due = seq.map_or(link.seq, |seq| seq.saturating_add(1));
    if link.seq > due {
        let last = link.seq - 1;
        return Some(Fault::Missing { first: due, last });
    }
    if link.seq < due {
        let found = link.seq;
        return Some(Fault::OutOfOrder { due, found });
    }
    (link.prev != digest).then_some(Fault::Changed {
        told: link.prev,
        found: digest,
    })
}

/// Checks the segments against each other.
fn join(segments: &mut [Verified], retired: &[Retired]) {
    let heads: BTreeMap<SegmentName, Option<Head>> = segments
        .iter()
        .map(|one| (one.name.clone(), one.head.clone()))
        .collect();
    let mut followed: BTreeMap<SegmentName, SegmentName> = BTreeMap::new();
    let mut begun: Vec<Writer> = Vec::new();
    for one in segments {
        let Some(first) = &one.first else { continue };
        let file = one.name.to_string();
        let mut note = |fault| one.findings.push(finding(&file, Some(1), fault));
        let Some(before) = &first.after else {
            if begun.contains(&one.name.writer) {
                note(Fault::SecondChain);
            }
            begun.push(one.name.writer);
            continue;
        };
        match heads.get(before) {
            None | Some(None) => {
                let is_retired = |one: &Retired| one.covers(before, Some(first.prev));
                let before = before.to_string();
                note(if retired.iter().any(is_retired) {
                    Fault::Retired { last: before }
                } else {
                    Fault::LostSegment { before }
                });
            }
            Some(Some(head)) => {
                if let Some(fault) = follow(Some(head.seq), head.sha256, first) {
                    note(fault);
                }
            }
        }
        if let Some(other) = followed.insert(before.clone(), one.name.clone()) {
            note(Fault::Branch {
                other: other.to_string(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
