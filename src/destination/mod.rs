//! Where notifications may go, and which: the vocabulary of `[notify.NAME]`. Pure data.
//!
//! A destination is named in the local configuration and nowhere else: no task, no document and no answer of a server
//! can add one. What is secret about it (a token, an address that is one) is never part of this data; it names the
//! file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::event::Word;
use crate::id::DestinationName;
use crate::id::Party;
use crate::id::ProfileName;
use crate::limits;
use crate::outcome::Status;
use crate::outcome::words;
use crate::units::Rate;

mod address;
mod quiet;

pub use address::BadAddress;
pub use address::Scheme;
pub use address::Url;
pub use quiet::BadQuiet;
pub use quiet::Quiet;

/// How many notifications go to one destination, where the configuration says nothing.
const RATE: Rate = Rate {
    count: 30,
    window: Duration::from_secs(3600),
};

words! {
    /// What takes the notifications, and so how they are written.
    Service {
        /// A program of one's own behind HTTP: signed JSON.
        Webhook = "webhook",
        /// A channel of Discord.
        Discord = "discord",
        /// A channel of Slack.
        Slack = "slack",
        /// A chat of Telegram.
        Telegram = "telegram",
        /// A topic of ntfy.
        Ntfy = "ntfy",
        /// A program of this host: JSON on its standard input.
        Command = "command",
    }
}

words! {
    /// Events that people ask for together.
    Topic {
        /// A task waits for an approval.
        Approvals = "approvals",
        /// A task ended: run, denied, expired, cancelled; and, on the node that sent it, its outcome.
        Outcomes = "outcomes",
        /// An attempt began.
        Starts = "starts",
        /// A task or a document was refused.
        Refusals = "refusals",
        /// Somebody may be at work who should not be.
        Alarms = "alarms",
        /// Something does not work, or was stopped.
        Trouble = "trouble",
        /// It works again.
        Recovery = "recovery",
    }
}

impl Topic {
    /// Returns the events of a topic.
    #[must_use]
    pub const fn words(self) -> &'static [Word] {
        match self {
            Self::Approvals => &[Word::TaskPendingAck],
            Self::Outcomes => &[
                Word::TaskExecEnd,
                Word::TaskDeny,
                Word::TaskExpire,
                Word::TaskCancel,
                Word::TaskOutcome,
            ],
            Self::Starts => &[Word::TaskExecStart],
            Self::Refusals => &[Word::TaskReject, Word::DocumentReject, Word::Junk],
            Self::Alarms => &[
                Word::TaskReuse,
                Word::TaskSquat,
                Word::TaskConflict,
                Word::HeartbeatForeign,
                Word::LogAltered,
                Word::KeyRefuse,
                Word::ClockRollback,
            ],
            Self::Trouble => &[
                Word::TaskExecErr,
                Word::ExecSpawnErr,
                Word::WatcherErr,
                Word::ShareLost,
                Word::ShareRefuse,
                Word::DiskLow,
                Word::ProfilePause,
                Word::PeerSilent,
                Word::HaltSeen,
                Word::ClockSkew,
                Word::ConfigErr,
                Word::LogLost,
            ],
            Self::Recovery => &[
                Word::ShareBack,
                Word::PeerBack,
                Word::HaltGone,
                Word::ProfileResume,
            ],
        }
    }
}

/// One entry of `events` or `urgent`: a topic or a single word of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All events of a topic.
    Topic(Topic),
    /// One event.
    Word(Word),
}

/// Why a text is neither a topic nor an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither a topic nor an event")]
pub struct BadChoice(pub String);

impl Choice {
    /// Returns whether an event is among them.
    #[must_use]
    pub fn takes(self, word: Word) -> bool {
        match self {
            Self::Topic(topic) => topic.words().contains(&word),
            Self::Word(one) => one == word,
        }
    }

    /// Returns everything that may be chosen.
    pub fn known() -> impl Iterator<Item = &'static str> {
        let topics = Topic::ALL.iter().map(|topic| topic.as_str());
        topics.chain(Word::ALL.iter().map(|word| word.as_str()))
    }
}

impl FromStr for Choice {
    type Err = BadChoice;
    fn from_str(text: &str) -> Result<Self, BadChoice> {
        let topic = Topic::from_word(text).map(Self::Topic);
        let word = || Word::from_word(text).map(Self::Word);
        topic
            .or_else(word)
            .ok_or_else(|| BadChoice(crate::escape::excerpt(text, 40)))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => topic.fmt(out),
            Self::Word(word) => word.fmt(out),
        }
    }
}

/// Which events a destination is told of. An empty list takes everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Which events.
    pub events: Vec<Choice>,
    /// Lanes, as `devbox-to-gpubox`.
    pub lanes: Vec<String>,
    /// The other side.
    pub peers: Vec<Party>,
    /// Profiles; what is not about a task of one of them is not taken.
    pub profiles: Vec<ProfileName>,
    /// How a task ended; what is not the end of a task passes.
    pub outcomes: Vec<Status>,
}

impl Default for Filter {
    fn default() -> Self {
        let topics = [
            Topic::Approvals,
            Topic::Outcomes,
            Topic::Alarms,
            Topic::Trouble,
        ];
        Self {
            events: topics.map(Choice::Topic).into(),
            lanes: Vec::new(),
            peers: Vec::new(),
            profiles: Vec::new(),
            outcomes: Vec::new(),
        }
    }
}

/// One place that notifications go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// What it is.
    pub service: Service,
    /// Its address, where that is no secret.
    pub url: Option<Url>,
    /// The file that holds its address.
    pub url_file: Option<PathBuf>,
    /// The file that holds the key of the signature.
    pub secret_file: Option<PathBuf>,
    /// The file that holds its token.
    pub token_file: Option<PathBuf>,
    /// Certificates that are trusted instead of those built in.
    pub ca: Option<PathBuf>,
    /// The chat of Telegram.
    pub chat: Option<String>,
    /// Program and arguments of a command.
    pub command: Vec<String>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Whether its address may be one of this host or of a private network.
    pub allow_private: bool,
    /// Which events it is told of.
    pub filter: Filter,
    /// When nothing goes to it, by the local time of this host.
    pub quiet: Option<Quiet>,
    /// What goes to it even then, and is not counted against the rate.
    pub urgent: Vec<Choice>,
    /// How many notifications in a window; the rest is told as a number.
    pub rate: Rate,
    /// How often one notification is tried.
    pub tries: u32,
}

impl Destination {
    /// Makes a destination with every setting at its default.
    #[must_use]
    pub fn of(name: DestinationName, service: Service) -> Self {
        Self {
            name,
            service,
            url: None,
            url_file: None,
            secret_file: None,
            token_file: None,
            ca: None,
            chat: None,
            command: Vec::new(),
            timeout: limits::NOTIFY_TIMEOUT,
            allow_private: false,
            filter: Filter::default(),
            quiet: None,
            urgent: vec![Choice::Topic(Topic::Alarms)],
            rate: RATE,
            tries: limits::NOTIFY_TRIES,
        }
    }

    /// Returns the files that only this node may be able to read.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let named = [
            ("url_file", &self.url_file),
            ("secret_file", &self.secret_file),
            ("token_file", &self.token_file),
        ];
        named
            .into_iter()
            .filter_map(|(key, path)| Some((key, path.as_ref()?)))
    }

    /// Returns settings that are there and mean nothing to its service.
    #[must_use]
    pub fn idle(&self) -> Vec<&'static str> {
        let service = self.service;
        let http = service != Service::Command;
        let token = matches!(service, Service::Telegram | Service::Ntfy);
        let given = [
            ("url", self.url.is_some(), http),
            ("url_file", self.url_file.is_some(), http),
            ("ca", self.ca.is_some(), http),
            ("allow_private", self.allow_private, http),
            (
                "secret_file",
                self.secret_file.is_some(),
                service == Service::Webhook,
            ),
            ("token_file", self.token_file.is_some(), token),
            ("chat", self.chat.is_some(), service == Service::Telegram),
            ("command", !self.command.is_empty(), !http),
        ];
        let idle = given
            .into_iter()
            .filter(|(_, is_there, means)| *is_there && !means);
        idle.map(|(key, ..)| key).collect()
    }

    /// Returns whether quiet hours and rate do not hold an event back.
    #[must_use]
    pub fn is_urgent(&self, word: Word) -> bool {
        self.urgent.iter().any(|choice| choice.takes(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_share_no_event_and_no_name_with_one() {
        let mut seen = Vec::new();
        for topic in Topic::ALL {
            assert!(Word::from_word(topic.as_str()).is_none());
            for word in topic.words() {
                assert!(!seen.contains(word), "{word} is in two topics");
                seen.push(*word);
            }
        }
    }

    #[test]
    fn a_choice_reads_back_and_a_misspelt_one_does_not() {
        for known in Choice::known() {
            assert_eq!(known.parse::<Choice>().unwrap().to_string(), known);
        }
        assert!("aproval".parse::<Choice>().is_err());
        assert!(
            "outcomes"
                .parse::<Choice>()
                .unwrap()
                .takes(Word::TaskExecEnd)
        );
    }
}
