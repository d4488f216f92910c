//! What one destination was told and what waits for it: one small file, replaced as a whole.
//!
//! The place in the log and the queue are in the same file, so a crash leaves both of one moment: an event is either
//! behind the place and in the queue (or delivered), or ahead of it and read again.

use std::collections::VecDeque;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::audit::Record;
use crate::clock::Timestamp;
use crate::disk;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::notify::Error;
use crate::notify::follow::Cursor;
use crate::notify::message::Message;
use crate::notify::message::More;

/// Version of the file.
const VERSION: u32 = 1;

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A line of the log, and the profile of its task.
    Line(String, Option<ProfileName>),
    /// Several events as numbers.
    More(More),
}

/// One message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// What it tells.
    pub what: What,
    /// How often it was tried.
    pub tries: u32,
}

impl Waiting {
    /// Makes the one of a record; `None` where its line cannot be written, which no record that was read can be.
    #[must_use]
    pub fn of(record: &Record, profile: Option<ProfileName>) -> Option<Self> {
        let line = String::from_utf8(record.to_line().ok()?).ok()?;
        let what = What::Line(line, profile);
        Some(Self { what, tries: 0 })
    }

    /// Returns its record; `None` where it tells of several events.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        match &self.what {
            What::Line(line, _) => Record::parse(line.as_bytes()).ok(),
            What::More(_) => None,
        }
    }

    /// Returns its message.
    #[must_use]
    pub fn message(&self, node: &NodeName) -> Option<Message> {
        match &self.what {
            What::Line(_, profile) => Some(Message::of(&self.record()?, profile.clone())),
            What::More(more) => Some(Message::of_more(node, more.clone())),
        }
    }
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    /// Its id.
    pub id: String,
    /// When it was given up.
    pub at: Timestamp,
    /// Why, for a person.
    pub why: String,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    version: u32,
    /// How far the log was read.
    pub cursor: Cursor,
    /// What waits, oldest first.
    pub queue: VecDeque<Waiting>,
    /// What is told as a number when there is room for it.
    pub more: Option<More>,
    /// When messages went out, in seconds since 1970; only what the rate still asks for.
    pub sent: VecDeque<i64>,
    /// Profiles of tasks, so that their end can be told by it.
    pub profiles: VecDeque<(TaskId, ProfileName)>,
    /// Tries that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed.
    pub trouble: Option<String>,
    /// Messages delivered since the file was begun.
    pub delivered: u64,
    /// Messages given up since the file was begun.
    pub dead: u64,
    /// The last of them.
    pub last_dead: Option<Dead>,
}

impl Ledger {
    /// Begins one: everything told so far counts as told.
    #[must_use]
    pub fn begin(cursor: Cursor) -> Self {
        Self {
            version: VERSION,
            cursor,
            queue: VecDeque::new(),
            more: None,
            sent: VecDeque::new(),
            profiles: VecDeque::new(),
            failures: 0,
            trouble: None,
            delivered: 0,
            dead: 0,
            last_dead: None,
        }
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = match disk::read_bounded(path, limits::NOTIFY_STATE_BYTES_MAX) {
            Err(error) if error.is(std::io::ErrorKind::NotFound) => return Ok(None),
            other => other?,
        };
        let bad = |why: String| Error::Format {
            path: path.to_owned(),
            why,
        };
        let ledger: Self = serde_json::from_slice(&bytes).map_err(|why| bad(why.to_string()))?;
        if ledger.version != VERSION {
            return Err(bad(format!("version {} is not known", ledger.version)));
        }
        Ok(Some(ledger))
    }

    /// Writes the file.
    ///
    /// # Durability
    /// On disk, as a whole, when it returns.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::Format`]; then the old file is there.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|why| Error::Format {
            path: path.to_owned(),
            why: why.to_string(),
        })?;
        Ok(disk::replace(path, &bytes, 0o600)?)
    }

    /// Remembers the profile of a task.
    pub fn note_profile(&mut self, record: &Record) {
        let (Some(task), Some(profile)) = (record.event.task, &record.event.profile) else {
            return;
        };
        if self.profile_of(task) == Some(profile) {
            return;
        }
        self.profiles.retain(|(known, _)| *known != task);
        if self.profiles.len() >= limits::NOTIFY_PROFILES_MAX {
            self.profiles.pop_front();
        }
        self.profiles.push_back((task, profile.clone()));
    }

    /// Returns the profile of a task, where it was told.
    #[must_use]
    pub fn profile_of(&self, task: TaskId) -> Option<&ProfileName> {
        let mut known = self.profiles.iter();
        known.find(|(id, _)| *id == task).map(|(_, name)| name)
    }
}
