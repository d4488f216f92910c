//! The hops of one task as they happen, read from a node's own audit log.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use super::failure::Failure;
use super::voice::Style;
use super::voice::Voice;
use crate::clock::BootTime;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::disk;
use crate::escape;

/// Largest part of a log that is read: a demo writes a few lines.
const LOG_BYTES_MAX: usize = 1024 * 1024;

/// One hop.
pub struct Hop {
    /// What happened, in one word.
    pub word: &'static str,
    /// What exactly.
    pub text: String,
}

/// Follows a log.
pub struct Hops {
    folder: PathBuf,
    began: BootTime,
    seen: usize,
    told: bool,
}

impl Hops {
    /// Begins to follow the log in this folder, and to count time.
    #[must_use]
    pub fn begin(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            began: SystemClock.boot(),
            seen: 0,
            told: false,
        }
    }

    /// Returns what was written since the last call.
    pub fn fresh(&mut self) -> Vec<Hop> {
        let names = disk::list(&self.folder).unwrap_or_default();
        let lines: Vec<String> = names
            .iter()
            .filter(|name| name.ends_with(".jsonl"))
            .filter_map(|name| disk::read_bounded(&self.folder.join(name), LOG_BYTES_MAX).ok())
            .flat_map(|bytes| {
                String::from_utf8_lossy(&bytes)
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();
        let fresh: Vec<Hop> = lines
            .iter()
            .skip(self.seen)
            .filter_map(|line| hop(line))
            .collect();
        self.seen = self.seen.max(lines.len());
        self.told |= fresh.iter().any(|hop| hop.word == "answered");
        fresh
    }

    /// Returns whether the last hop was among them.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// Shows a hop with the time since the beginning.
    ///
    /// # Errors
    /// [`Failure`] where stdout cannot be written.
    pub fn show(&self, voice: &Voice, word: &str, text: &str) -> Result<(), Failure> {
        let ms = SystemClock.boot().since(self.began).as_millis();
        let word = voice.styled(Style::Green, &format!("{word:<10}"));
        voice.answer(&format!("{ms:>6} ms  {word} {text}"))
    }
}

fn hop(line: &str) -> Option<Hop> {
    let record: Value = serde_json::from_str(line).ok()?;
    let summary = escape::excerpt(record["summary"].as_str().unwrap_or_default(), 80);
    let text = |lead: &str| {
        if summary.is_empty() {
            lead.to_owned()
        } else {
            format!("{lead}: {summary}")
        }
    };
    let (word, text) = match record["event"].as_str()? {
        "task_admit" => (
            "admitted",
            "seal, window, memory: proved; the file is now gpubox's claim".to_owned(),
        ),
        "task_auto" => (
            "claimed",
            "policy lets it pass; it waits for a slot".to_owned(),
        ),
        "task_pending_ack" => ("parked", text("waits for an approval")),
        "task_ack" => ("approved", summary),
        "task_exec_start" => (
            "started",
            "journal synced, no killswitch: dispatch-exec has it".to_owned(),
        ),
        "task_exec_end" => ("finished", text("the agent is dead, its output is kept")),
        "task_commit" => ("committed", "one rename made it the outcome".to_owned()),
        "task_reveal" => ("answered", "the sealed result lies in done/".to_owned()),
        _ => return None,
    };
    Some(Hop { word, text })
}
