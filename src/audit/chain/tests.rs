//! What somebody can do to a log, and that it is found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::audit::LocalLog;
use crate::chance::SeededChance;
use crate::clock::ManualClock;
use crate::clock::Timestamp;
use crate::disk;
use crate::event::Event;
use crate::event::Sink;
use crate::event::Word;

/// Log files in memory.
#[derive(Clone)]
struct Held(BTreeMap<String, Vec<u8>>);

impl LogFiles for Held {
    fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, name: &SegmentName, _: u64) -> Result<Box<dyn Read + Send>, Error> {
        Ok(Box::new(std::io::Cursor::new(
            self.0[&name.to_string()].clone(),
        )))
    }

    fn size(&self, name: &SegmentName) -> Result<u64, Error> {
        Ok(self.0[&name.to_string()].len() as u64)
    }
}

impl Held {
    fn lines(&self, file: &str) -> Vec<Vec<u8>> {
        let lines = self.0[file].split_inclusive(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    }

    fn with(&self, file: &str, lines: &[Vec<u8>]) -> Self {
        let mut other = self.clone();
        other.0.insert(file.to_owned(), lines.concat());
        other
    }

    fn in_order(&self) -> Vec<String> {
        let names = self.segments().unwrap();
        names.iter().map(ToString::to_string).collect()
    }

    fn report(&self, heads: &[Head]) -> Report {
        verify(&node(), self, heads).unwrap()
    }
}

fn node() -> NodeName {
    NodeName::parse("gpubox").unwrap()
}

/// Three segments of four records, and the head of the last.
fn chain() -> &'static (Held, Head) {
    static CHAIN: OnceLock<(Held, Head)> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let mut head = None;
        for seed in 1..=3 {
            let chance = Arc::new(SeededChance::new(seed));
            let log = LocalLog::new(dir.path(), &node(), Writer::Watch, clock.clone(), chance);
            for word in [
                Word::WatcherStart,
                Word::TaskAdmit,
                Word::TaskExecStart,
                Word::TaskExecEnd,
            ] {
                clock.advance(Duration::from_secs(1));
                log.tell(&Event::of(word).say("run the tests"));
            }
            head = log.head();
        }
        let read = |name: String| {
            let bytes = disk::read_bounded(&dir.path().join(&name), 1 << 20).unwrap();
            (name, bytes)
        };
        let names = disk::list(dir.path()).unwrap();
        (Held(names.into_iter().map(read).collect()), head.unwrap())
    })
}

#[test]
fn an_untouched_chain_is_whole() {
    let (held, head) = chain();
    let report = held.report(std::slice::from_ref(head));
    assert_eq!(report.findings().next(), None);
    assert_eq!(report.segments.len(), 3);
    assert_eq!(report.segments[2].head.as_ref(), Some(head));
    let first = Head {
        segment: report.segments[0].name.clone(),
        ..report.segments[0].head.clone().unwrap()
    };
    assert!(held.report(&[first, head.clone()]).is_whole());
}

#[test]
fn every_removal_swap_repetition_and_move_of_lines_is_found() {
    let (held, head) = chain();
    for file in held.0.keys() {
        let lines = held.lines(file);
        let mut variants = Vec::new();
        for at in 0..lines.len() {
            for to in 0..lines.len() {
                let mut moved = lines.clone();
                let line = moved.remove(at);
                variants.push(moved.clone());
                moved.insert(to, line);
                variants.push(moved);
                let mut swapped = lines.clone();
                swapped.swap(at, to);
                variants.push(swapped);
                let mut repeated = lines.clone();
                repeated.insert(to, lines[at].clone());
                variants.push(repeated);
            }
        }
        for other in held.0.keys().filter(|other| *other != file) {
            let mut strange = lines.clone();
            strange.insert(2, held.lines(other)[2].clone());
            variants.push(strange);
            variants.push(held.lines(other));
        }
        for variant in variants.iter().filter(|variant| **variant != lines) {
            let report = held.with(file, variant).report(std::slice::from_ref(head));
            assert!(!report.is_whole(), "{file} {variant:?}");
        }
    }
}

#[test]
fn what_was_done_is_named() {
    let (held, _) = chain();
    let file = &held.in_order()[0];
    let lines = held.lines(file);
    let faults = |held: &Held| -> Vec<(Option<u64>, Fault)> {
        let report = held.report(&[]);
        report
            .findings()
            .map(|one| (one.line, one.fault.clone()))
            .collect()
    };
    let without = [&lines[..1], &lines[3..]].concat();
    let missing = Fault::Missing { first: 2, last: 3 };
    assert_eq!(faults(&held.with(file, &without)), [(Some(2), missing)]);
    let twice = [&lines[..2], &lines[1..]].concat();
    let again = Fault::OutOfOrder { due: 3, found: 2 };
    assert_eq!(faults(&held.with(file, &twice)), [(Some(3), again)]);
    assert_eq!(
        faults(&held.with(file, &lines[1..])),
        [(Some(1), Fault::NoBeginning)]
    );
    let day = Timestamp::parse("2026-11-21T06:00:00Z").unwrap();
    let other = SegmentName::new(Writer::Watch, day, 7, 4).to_string();
    let told = Fault::OtherSegment { told: file.clone() };
    let found = faults(&held.with(&other, &lines));
    assert_eq!(
        found[..4],
        (1..=4)
            .map(|line| (Some(line), told.clone()))
            .collect::<Vec<_>>()
    );
    assert_eq!(found[4..], [(Some(1), Fault::SecondChain)]);
    let peer = NodeName::parse("devbox").unwrap();
    let report = verify(&peer, held, &[]).unwrap();
    let told = "gpubox".to_owned();
    assert_eq!(
        report.findings().next().unwrap().fault,
        Fault::OtherNode { told }
    );
}

#[test]
fn a_missing_emptied_copied_or_strange_file_is_found() {
    let (held, head) = chain();
    for file in held.0.keys() {
        let mut without = held.clone();
        let bytes = without.0.remove(file).unwrap();
        assert!(
            !without.report(std::slice::from_ref(head)).is_whole(),
            "{file}"
        );
        assert!(
            !held
                .with(file, &[])
                .report(std::slice::from_ref(head))
                .is_whole()
        );
        let copy = SegmentName::new(
            Writer::Watch,
            Timestamp::parse("2026-11-21T06:00:00Z").unwrap(),
            7,
            4,
        );
        let with_copy = held.with(&copy.to_string(), &[bytes]);
        assert!(!with_copy.report(std::slice::from_ref(head)).is_whole());
    }
    let strange = held.with("session-log.jsonl", &[]);
    let report = strange.report(&[]);
    assert_eq!(report.others[0].fault, Fault::Stray);
}

#[test]
fn a_cut_is_found_by_the_head_and_named() {
    let (held, head) = chain();
    let file = head.segment.to_string();
    let lines = held.lines(&file);
    let cut = held.with(&file, &lines[..3]);
    assert!(cut.report(&[]).is_whole(), "nothing but the head can tell");
    let report = cut.report(std::slice::from_ref(head));
    let found: Vec<String> = report.findings().map(ToString::to_string).collect();
    let due = format!("{file}: cut: ends at record 11, though its node had sealed its record 12");
    assert_eq!(found, [due]);
}

#[test]
fn a_chain_that_was_written_anew_is_found_by_the_head() {
    let (held, head) = chain();
    let mut forged = Held(BTreeMap::new());
    let mut before = record::GENESIS;
    for file in held.in_order() {
        let mut bytes = Vec::new();
        for line in held.lines(&file) {
            let mut record = Record::parse(&line).unwrap();
            record.link.prev = before;
            if record.event.word == Word::TaskExecEnd {
                record.event = record.event.say("nothing to see");
            }
            let line = record.to_line().unwrap();
            before = Digest::of(&line);
            bytes.extend(line);
        }
        forged.0.insert(file, bytes);
    }
    assert!(forged.report(&[]).is_whole(), "it is a good chain");
    let report = forged.report(std::slice::from_ref(head));
    let faults: Vec<&Fault> = report.findings().map(|finding| &finding.fault).collect();
    assert_eq!(faults, [&Fault::HeadDiffers { seq: 12 }]);
}

#[test]
fn what_a_crash_leaves_is_told_and_is_no_break() {
    let (held, head) = chain();
    let file = held.0.keys().next().unwrap();
    let mut torn = held.lines(file);
    torn.push(b"{\"ts\":\"2026\0\0\0".to_vec());
    let report = held.with(file, &torn).report(std::slice::from_ref(head));
    assert!(report.is_whole());
    assert_eq!(report.findings().count(), 1);
    assert_eq!(report.findings().next().unwrap().line, Some(5));
}

#[test]
fn garbage_is_named_with_its_line_and_does_not_end_the_check() {
    let (held, head) = chain();
    let file = &held.in_order()[1];
    let mut lines = held.lines(file);
    lines.insert(1, b"\0\0\0\0\x1b[2J\n".to_vec());
    lines.push(vec![b'\n'; 500]);
    let report = held.with(file, &lines).report(std::slice::from_ref(head));
    assert_eq!(report.segments[1].records, 4);
    assert!(report.segments[1].findings.len() <= FINDINGS_MAX + 2);
    let shown = report.findings().next().unwrap().to_string();
    assert!(
        shown.starts_with(&format!("{file}:2: not a record")),
        "{shown}"
    );
    assert!(
        !report
            .findings()
            .any(|one| one.to_string().contains('\x1b'))
    );
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(file in 0..3_usize, at: prop::sample::Index, flip in 1..=255_u8) {
        let (held, head) = chain();
        let mut other = held.clone();
        let bytes = other.0.values_mut().nth(file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(!other.report(std::slice::from_ref(head)).is_whole());
    }

    #[test]
    fn any_cut_and_any_hole_is_found(file in 0..3_usize, from: prop::sample::Index, to: prop::sample::Index) {
        let (held, head) = chain();
        let mut other = held.clone();
        let bytes = other.0.values_mut().nth(file).unwrap();
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()) + 1);
        prop_assume!(from < to);
        bytes.drain(from..to);
        prop_assert!(!other.report(std::slice::from_ref(head)).is_whole());
    }

    #[test]
    fn no_bytes_can_upset_the_check(bytes: Vec<u8>) {
        let (held, head) = chain();
        let file = &held.in_order()[1];
        for finding in held.with(file, &[bytes]).report(std::slice::from_ref(head)).findings() {
            prop_assert!(!finding.to_string().contains(char::is_control));
        }
    }
}
