//! What a message says to people: a title, some facts, a quotation, and what to type. Plain text; how it is written for
//! a service is in the file of that service.
//!
//! Only the quotation holds anything that a peer wrote: the summary of the event, which is escaped and at most
//! [`crate::limits::SUMMARY_LETTERS_MAX`] characters long.

use crate::event::Event;
use crate::event::Word;
use crate::notify::message::Content;
use crate::notify::message::Message;
use crate::notify::message::More;
use crate::notify::select;
use crate::outcome::Status;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Somebody is waited for.
    Ask,
    /// As it should be.
    Good,
    /// Something failed.
    Bad,
    /// Somebody may be at work who should not be.
    Alarm,
    /// Neither.
    Plain,
}

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line that says what happened where.
    pub title: String,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    /// What somebody else wrote, on one line.
    pub quote: Option<String>,
    /// What to type, on the node that tells.
    pub command: Option<String>,
    /// How much it matters.
    pub tone: Tone,
}

impl Text {
    /// Puts a message into words.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match &message.content {
            Content::Event(event, profile) => {
                let mut text = of_event(message, event);
                if let Some(profile) = profile {
                    text.facts.push(("profile", profile.to_string()));
                }
                text
            }
            Content::More(more) => of_more(message, more),
            Content::Test => Self {
                title: format!("{}: a test of dispatch-notify", message.node),
                facts: Vec::new(),
                quote: None,
                command: None,
                tone: Tone::Plain,
            },
        }
    }

    /// Returns all of it as plain lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let facts = self.facts.iter();
        let mut lines: Vec<String> = vec![self.title.clone()];
        lines.extend(facts.map(|(name, value)| format!("{name}: {value}")));
        lines.extend(self.quote.clone());
        lines.extend(
            self.command
                .as_ref()
                .map(|command| format!("type: {command}")),
        );
        lines
    }
}

fn of_event(message: &Message, event: &Event) -> Text {
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, value: Option<String>| {
        facts.extend(value.map(|value| (name, value)));
    };
    fact("task", event.task.map(|id| id.to_string()));
    fact("lane", select::lane(&message.node, event));
    if event.task.is_none() {
        fact("about", event.peer.as_ref().map(ToString::to_string));
    }
    fact("outcome", event.status.map(|status| status.to_string()));
    fact("class", event.class.map(|class| class.to_string()));
    fact(
        "code",
        event.code.as_ref().map(|code| code.as_str().to_owned()),
    );
    fact("approver", event.approver.as_ref().map(ToString::to_string));
    fact("count", event.count.map(|count| count.to_string()));
    let asks = event.word == Word::TaskPendingAck;
    if asks && event.dangerous == Some(true) {
        fact("dangerous", Some("yes".to_owned()));
    }
    let (title, tone) = title(event);
    let summary = event.summary.as_str();
    // Where nothing else was known, the summary is the outcome again.
    let says_more = !summary.is_empty() && event.status.is_none_or(|one| one.as_str() != summary);
    Text {
        title: format!("{}: {title}", message.node),
        facts,
        quote: says_more.then(|| summary.to_owned()),
        command: event
            .task
            .filter(|_| asks)
            .map(|id| format!("dispatch-ack {id}")),
        tone,
    }
}

/// Returns what happened, in a few words.
fn title(event: &Event) -> (String, Tone) {
    let peer = event.peer.as_ref().map_or("somebody", |peer| peer.as_str());
    match event.word {
        Word::TaskPendingAck => (format!("{peer} asks for an approval"), Tone::Ask),
        Word::TaskExecStart => (format!("a task of {peer} was started"), Tone::Plain),
        Word::TaskExecEnd => ended(event, &format!("a task of {peer}")),
        Word::TaskOutcome => ended(event, &format!("the task for {peer}")),
        Word::TaskDeny => (format!("a task of {peer} was denied"), Tone::Plain),
        Word::TaskExpire => (format!("a task of {peer} expired, not started"), Tone::Bad),
        Word::TaskCancel => (format!("a task of {peer} was cancelled"), Tone::Plain),
        Word::TaskReject => (format!("a task of {peer} was refused"), Tone::Bad),
        Word::DocumentReject => (format!("a document of {peer} was refused"), Tone::Bad),
        Word::TaskReuse => (
            "ALARM: a known id came with other bytes".to_owned(),
            Tone::Alarm,
        ),
        Word::TaskSquat => (
            "ALARM: foreign bytes under a result's name".to_owned(),
            Tone::Alarm,
        ),
        Word::TaskConflict => ("ALARM: a second, other outcome".to_owned(), Tone::Alarm),
        Word::HeartbeatForeign => ("ALARM: a second node of this name".to_owned(), Tone::Alarm),
        Word::LogAltered => ("ALARM: a log was altered".to_owned(), Tone::Alarm),
        Word::KeyRefuse => ("ALARM: a key was refused".to_owned(), Tone::Alarm),
        Word::ClockRollback => ("ALARM: the clock went back".to_owned(), Tone::Alarm),
        Word::TaskExecErr => ("an executor failed".to_owned(), Tone::Bad),
        Word::ExecSpawnErr => ("an executor could not be started".to_owned(), Tone::Bad),
        Word::WatcherErr => ("the watcher has trouble".to_owned(), Tone::Bad),
        Word::ShareLost => ("the share is lost; nothing starts".to_owned(), Tone::Bad),
        Word::ShareRefuse => (
            "served on a share that the doctor refuses".to_owned(),
            Tone::Bad,
        ),
        Word::ShareBack => ("the share is back".to_owned(), Tone::Good),
        Word::DiskLow => ("too little space; nothing is claimed".to_owned(), Tone::Bad),
        Word::ProfilePause => (
            "a profile is paused: nothing starts under it".to_owned(),
            Tone::Bad,
        ),
        Word::ProfileResume => ("a profile is used again".to_owned(), Tone::Good),
        Word::PeerSilent => (format!("{peer} is silent"), Tone::Bad),
        Word::PeerBack => (format!("{peer} is back"), Tone::Good),
        Word::HaltSeen => ("halted; nothing starts".to_owned(), Tone::Bad),
        Word::HaltGone => ("no longer halted".to_owned(), Tone::Good),
        Word::DrainSeen => (
            "drained; finishes what runs, takes nothing new".to_owned(),
            Tone::Plain,
        ),
        Word::DrainGone => ("no longer drained".to_owned(), Tone::Good),
        Word::ClockSkew => (format!("the clock of {peer} differs"), Tone::Bad),
        Word::LogLost => ("events could not be recorded".to_owned(), Tone::Bad),
        other => (other.as_str().replace('_', " "), Tone::Plain),
    }
}

fn ended(event: &Event, what: &str) -> (String, Tone) {
    match event.status {
        Some(Status::Ok) => (format!("{what} is done"), Tone::Good),
        Some(status) => (format!("{what} ended: {status}"), Tone::Bad),
        None => (format!("{what} ended"), Tone::Plain),
    }
}

fn of_more(message: &Message, more: &More) -> Text {
    let counts = more.counts.iter();
    let facts = counts.map(|(word, count)| (word.as_str(), count.to_string()));
    let asks = more.counts.contains_key(&Word::TaskPendingAck);
    let range = format!("{} to {}", more.since, more.until);
    Text {
        title: format!("{}: and {} more", message.node, more.count()),
        facts: std::iter::once(("from", range)).chain(facts).collect(),
        quote: None,
        command: Some(if asks { "dispatch-ack" } else { "dispatch log" }.to_owned()),
        tone: if asks { Tone::Ask } else { Tone::Plain },
    }
}
