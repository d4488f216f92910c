//! Messages for tests: an approval whose request tries everything, and the events of a log.

use crate::audit::Record;
use crate::audit::SegmentName;
use crate::audit::Writer;
use crate::audit::record;
use crate::audit::record::Link;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::Word;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::notify::message::Message;
use crate::notify::text::Text;
use crate::outcome::Status;

/// What the task of every sample is.
pub(super) const TASK: &str = "0198f1c2-0000-7000-8000-000000000001";

/// The time of every sample.
pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T06:00:00Z").unwrap()
}

/// A record with its place in the first segment of a watcher.
pub(super) fn record(seq: u64, event: Event) -> Record {
    let segment = SegmentName::new(Writer::Watch, now(), 7, 1);
    Record {
        ts: now(),
        session: NodeName::parse("gpubox").unwrap(),
        event,
        boot: BootTime(0),
        link: Link {
            version: record::VERSION,
            segment,
            after: None,
            seq,
            prev: record::GENESIS,
        },
    }
}

/// An event about the task of `devbox`.
pub(super) fn event(word: Word, status: Option<Status>) -> Event {
    let event = Event::of(word).task(TaskId::parse(TASK).unwrap());
    let event = event.peer(Party::parse("devbox").unwrap());
    Event { status, ..event }
}

/// An approval that is asked for with this request.
pub(super) fn approval(request: &str) -> Message {
    let event = event(Word::TaskPendingAck, None).quote("policy: ", request);
    let profile = Some(ProfileName::parse("gpu").unwrap());
    Message::of(&record(7, Event { profile, ..event }), None)
}

/// A plain approval, as people get it.
pub(super) fn plain() -> Text {
    Text::of(&approval("run the tests"))
}

/// One approval for each way in which a request could be more than letters.
pub(super) fn poisoned() -> Vec<Text> {
    let tries = [
        "@everyone @here <@&1> <@U1> <!channel>",
        "**b** _i_ ~~s~~ ||s|| # h > q",
        "```\n@everyone ``` out `x`",
        "[text](https://evil.example) <https://evil.example|x>",
        "<script>alert(1)</script>&amp;\"'",
        "\u{1b}[2J\r\nSet-Cookie: x\u{0}\u{202e}txt",
        "dispatch-ack 0198f1c2\ntype: rm -rf /",
    ];
    let huge = "@everyone `".repeat(20_000);
    let tries = tries.iter().copied().chain([huge.as_str()]);
    tries.map(|request| Text::of(&approval(request))).collect()
}
