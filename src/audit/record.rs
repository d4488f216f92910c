//! One line of a log: an event, when and where it was told, and its place in the chain.
//!
//! The order of the members is fixed, and there is one spelling: a line is accepted only if writing it again gives the
//! same bytes. The first five members are those of the original's log. A version above [`VERSION`] is a line of a newer
//! program: its link can be checked, its event cannot be shown.

use serde::Deserialize;
use serde::Serialize;

use crate::audit::segment::Head;
use crate::audit::segment::SegmentName;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::event::Code;
use crate::event::Event;
use crate::event::Summary;
use crate::event::Word;
use crate::id::Digest;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::outcome::FailureClass;
use crate::outcome::Status;

/// Version of the line format.
pub const VERSION: u32 = 1;
/// What the first line of a chain holds as the digest of the line before it.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read a log line: {0}")]
pub struct BadLine(pub String);

/// The place of a line in its chain; the part that every version of the format has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Version of the line format.
    pub version: u32,
    /// The file it was written to.
    pub segment: SegmentName,
    /// The segment before this one: in the first line of a file, except in the first file of a chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<SegmentName>,
    /// Number of the line in the chain, from 1.
    pub seq: u64,
    /// Digest of the line before, its newline included; [`GENESIS`] for the first of a chain.
    pub prev: Digest,
}

impl Link {
    /// Reads the link of a line of any version.
    ///
    /// # Errors
    /// [`BadLine`]
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        serde_json::from_slice(line).map_err(|why| BadLine(why.to_string()))
    }

    /// Returns the place of the line, given the digest of its bytes.
    #[must_use]
    pub fn head(&self, sha256: Digest) -> Head {
        Head {
            segment: self.segment.clone(),
            seq: self.seq,
            sha256,
        }
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// UTC by the writer's clock; not trusted to grow.
    pub ts: Timestamp,
    /// The node that tells, under the original's name for it.
    pub session: NodeName,
    /// What is told.
    pub event: Event,
    /// The writer's time since boot.
    pub boot: BootTime,
    /// Its place in the chain.
    pub link: Link,
}

/// The members of a line in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    ts: Timestamp,
    session: NodeName,
    event: Word,
    summary: String,
    task_id: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Party>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<FailureClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_microusd: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dangerous: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approver: Option<Party>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    version: u32,
    boot_ms: BootTime,
    segment: SegmentName,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<SegmentName>,
    seq: u64,
    prev: Digest,
}

impl Record {
    /// Writes the line, its newline included.
    ///
    /// # Errors
    /// [`BadLine`] where it cannot be written as JSON.
    pub fn to_line(&self) -> Result<Vec<u8>, BadLine> {
        let event = self.event.clone();
        let wire = Wire {
            ts: self.ts,
            session: self.session.clone(),
            event: event.word,
            summary: event.summary.as_str().to_owned(),
            task_id: event.task,
            peer: event.peer,
            code: event.code.map(|code| code.as_str().to_owned()),
            claim: event.claim.map(|claim| claim.stem()),
            attempt: event.attempt,
            status: event.status,
            class: event.class,
            exit_code: event.exit_code,
            elapsed_ms: event.elapsed_ms,
            tokens: event.tokens,
            cost_microusd: event.cost_microusd,
            timeout_s: event.timeout_s,
            profile: event.profile,
            dangerous: event.dangerous,
            approver: event.approver,
            digest: event.digest,
            count: event.count,
            version: self.link.version,
            boot_ms: self.boot,
            segment: self.link.segment.clone(),
            after: self.link.after.clone(),
            seq: self.link.seq,
            prev: self.link.prev,
        };
        let mut line = serde_json::to_vec(&wire).map_err(|why| BadLine(why.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a complete line, with or without its newline.
    ///
    /// # Errors
    /// [`BadLine`] for anything that [`Record::to_line`] would not have written.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let wire: Wire = serde_json::from_slice(line).map_err(|why| BadLine(why.to_string()))?;
        let record = Self::from_wire(wire)?;
        if record.to_line()?.strip_suffix(b"\n") == Some(line) {
            Ok(record)
        } else {
            Err(BadLine("it is not in its one spelling".to_owned()))
        }
    }

    fn from_wire(wire: Wire) -> Result<Self, BadLine> {
        if wire.version != VERSION {
            return Err(BadLine(format!("it has version {}", wire.version)));
        }
        let bad = |why: crate::id::BadName| BadLine(why.to_string());
        let claim = wire.claim.map(|stem| {
            ClaimName::parse_stem(&stem).ok_or_else(|| BadLine("its claim is not a claim".into()))
        });
        let code = wire.code.map(|code| Code::parse(&code).map_err(bad));
        let event = Event {
            word: wire.event,
            summary: Summary::parse(&wire.summary).map_err(bad)?,
            task: wire.task_id,
            peer: wire.peer,
            code: code.transpose()?,
            claim: claim.transpose()?,
            attempt: wire.attempt,
            status: wire.status,
            class: wire.class,
            exit_code: wire.exit_code,
            elapsed_ms: wire.elapsed_ms,
            tokens: wire.tokens,
            cost_microusd: wire.cost_microusd,
            timeout_s: wire.timeout_s,
            profile: wire.profile,
            dangerous: wire.dangerous,
            approver: wire.approver,
            digest: wire.digest,
            count: wire.count,
        };
        Ok(Self {
            ts: wire.ts,
            session: wire.session,
            event,
            boot: wire.boot_ms,
            link: Link {
                version: wire.version,
                segment: wire.segment,
                after: wire.after,
                seq: wire.seq,
                prev: wire.prev,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::segment::Writer;
    use crate::id::Nonce;
    use crate::id::Priority;
    use crate::limits;

    fn widest() -> Record {
        let now = Timestamp::parse("2026-11-20T06:00:00Z").unwrap();
        let node = NodeName::parse(&"n".repeat(32)).unwrap();
        let id = TaskId::parse("0198f1c2-0000-7000-8000-000000000001").unwrap();
        let segment = SegmentName::new(Writer::Watch, now, u32::MAX, u32::MAX);
        let event = Event {
            code: Some(Code::of(&"E".repeat(99))),
            attempt: Some(u32::MAX),
            status: Some(Status::Indeterminate),
            class: Some(FailureClass::PromptTooLong),
            exit_code: Some(u8::MAX),
            elapsed_ms: Some(u64::MAX),
            tokens: Some(u64::MAX),
            cost_microusd: Some(u64::MAX),
            timeout_s: Some(u64::MAX),
            profile: Some(ProfileName::parse(&"p".repeat(32)).unwrap()),
            dangerous: Some(false),
            approver: Some(Party::of_approver(&node)),
            digest: Some(GENESIS),
            count: Some(u64::MAX),
            ..Event::of(Word::HeartbeatForeign)
        }
        .peer(Party::of_approver(&node))
        .say(&"\u{10fffd}".repeat(999))
        .claim(&ClaimName {
            id,
            priority: Priority::Normal,
            generation: u32::MAX,
            node: node.clone(),
            nonce: Nonce::from_bits(1),
            taken: Some(Nonce::from_bits(2)),
        });
        Record {
            ts: now,
            session: node,
            event,
            boot: BootTime(u64::MAX),
            link: Link {
                version: VERSION,
                segment: segment.clone(),
                after: Some(segment),
                seq: u64::MAX,
                prev: GENESIS,
            },
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was_written_and_fits_its_bound() {
        let line = widest().to_line().unwrap();
        assert!(line.len() * 2 < limits::RECORD_BYTES_MAX, "{}", line.len());
        assert_eq!(Record::parse(&line).unwrap(), widest());
        assert_eq!(Link::parse(&line).unwrap(), widest().link);
    }

    #[test]
    fn the_first_members_are_those_of_the_original() {
        let mut record = widest();
        record.event = Event::of(Word::WatcherStart).say("poll=3s max_parallel=2");
        let line = String::from_utf8(record.to_line().unwrap()).unwrap();
        let node = "n".repeat(32);
        let begin = format!(
            "{{\"ts\":\"2026-11-20T06:00:00Z\",\"session\":\"{node}\",\"event\":\"watcher_start\",\
             \"summary\":\"poll=3s max_parallel=2\",\"task_id\":null,\"version\":1,"
        );
        assert!(line.starts_with(&begin), "{line}");
    }

    #[test]
    fn only_the_one_spelling_of_a_line_is_read() {
        let line = String::from_utf8(widest().to_line().unwrap()).unwrap();
        for (from, to) in [
            ("{\"ts\"", "{ \"ts\""),
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1", "\"version\":1,\"extra\":1"),
            ("\"version\":1", "\"version\":1,\"version\":1"),
            ("\"dangerous\":false,", "\"dangerous\":null,"),
            ("heartbeat_foreign", "heartbeat_\\u0066oreign"),
            ("heartbeat_foreign", "no_such_word"),
            ("\"summary\":\"", "\"summary\":\"\\u001b[2J"),
        ] {
            let other = line.replacen(from, to, 1);
            assert_ne!(other, line);
            assert!(Record::parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
