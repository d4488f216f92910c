//! Everything worth telling, as one closed type: an [`Event`] is a word, a subject and typed details.
//!
//! The flow tells each fact once, to a [`Sink`]; the audit log, the journal of the service manager and a webhook are
//! renderings of it. There is no free field, so neither a key nor a whole request can get in: the only text is the
//! [`Summary`], which is escaped, short, and quotes at most the beginning of a request. The words of the original's log
//! keep their spelling.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::document::AuditHead;
use crate::entry::ClaimName;
use crate::escape;
use crate::id::BadName;
use crate::id::Digest;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::outcome::words;

words! {
    /// What happened. The words of the original keep their spelling; the others follow its style.
    Word {
        /// A sender published a task.
        TaskSend = "task_send",
        /// A receiver took a task out of `inbox/` and verified it.
        TaskAdmit = "task_admit",
        /// A task was refused by its receiver, with a code.
        TaskReject = "task_reject",
        /// A verified task waits for an approval.
        TaskPendingAck = "task_pending_ack",
        /// Policy let a task pass without an approval.
        TaskAuto = "task_auto",
        /// An approver approved a task.
        TaskAck = "task_ack",
        /// An approver denied a task.
        TaskDeny = "task_deny",
        /// A task was cancelled by its sender.
        TaskCancel = "task_cancel",
        /// A task was not started within its life.
        TaskExpire = "task_expire",
        /// A copy of a task that is already known arrived and was set aside.
        TaskDuplicate = "task_duplicate",
        /// A known id arrived with other bytes: an alarm.
        TaskReuse = "task_reuse",
        /// An attempt was handed to an executor.
        TaskExecStart = "task_exec_start",
        /// An executor failed around an attempt, not in it.
        TaskExecErr = "task_exec_err",
        /// An attempt ended.
        TaskExecEnd = "task_exec_end",
        /// An attempt failed, and its task waits for the next one.
        TaskRetry = "task_retry",
        /// An attempt is being ended from outside, with the reason as its code.
        TaskExecStop = "task_exec_stop",
        /// Processes that a lost attempt left behind were ended.
        TaskExecSweep = "task_exec_sweep",
        /// The executor could not be started.
        ExecSpawnErr = "exec_spawn_err",
        /// A start was refused because of a killswitch.
        ExecKillswitch = "exec_killswitch",
        /// The outcome of a task is decided.
        TaskCommit = "task_commit",
        /// The outcome is visible under the name people look for.
        TaskReveal = "task_reveal",
        /// Somebody else's bytes lay under the public name and were moved aside: an alarm.
        TaskSquat = "task_squat",
        /// A task went back to `inbox/` with the next generation.
        TaskReturn = "task_return",
        /// An orphan was taken over.
        TaskTake = "task_take",
        /// A claim that was taken over is now one of this node, which decides its outcome.
        TaskAdopt = "task_adopt",
        /// A claim waits until its sender's node lets it start.
        TaskGrantWait = "task_grant_wait",
        /// The sender of a task says that what it waited for has come about.
        TaskReady = "task_ready",
        /// A claim was lost to another; what it produced is kept as late.
        TaskLate = "task_late",
        /// The sender let a claim of a pool be started.
        TaskGrant = "task_grant",
        /// The sender refused a start to a claim of a pool: another one may have been started.
        TaskWithhold = "task_withhold",
        /// A member of a pool gave back a claim that was granted and never started.
        TaskRelease = "task_release",
        /// The sender's node recorded the first verified outcome.
        TaskOutcome = "task_outcome",
        /// Another verified outcome than the recorded one appeared: an alarm.
        TaskConflict = "task_conflict",
        /// A document beside the tasks (ack, cancel, heartbeat, result) was not accepted.
        DocumentReject = "document_reject",
        /// An entry that nobody understands was moved out of `inbox/`.
        Junk = "junk",
        /// A watcher began.
        WatcherStart = "watcher_start",
        /// A watcher ended in order.
        WatcherStop = "watcher_stop",
        /// A pass of a watcher failed.
        WatcherErr = "watcher_err",
        /// Nothing is started under a profile for now: its credential was refused, its account is spent or cannot pay.
        ProfilePause = "profile_pause",
        /// A profile may be used again.
        ProfileResume = "profile_resume",
        /// A person halted a node, a lane or everything.
        Halt = "halt",
        /// A person lifted a halt.
        Resume = "resume",
        /// A watcher sees a killswitch and starts nothing more.
        HaltSeen = "halt_seen",
        /// A watcher sees the killswitch gone.
        HaltGone = "halt_gone",
        /// A person drains a node: it finishes what runs and takes nothing new.
        Drain = "drain",
        /// A person lifted the drain of a node.
        Undrain = "undrain",
        /// A watcher sees that its node is drained.
        DrainSeen = "drain_seen",
        /// A watcher sees that its node is no longer drained.
        DrainGone = "drain_gone",
        /// The share cannot be used; nothing starts.
        ShareLost = "share_lost",
        /// A share that the doctor refuses is served all the same, because the operator said so.
        ShareRefuse = "share_refuse",
        /// The share can be used again.
        ShareBack = "share_back",
        /// Too little space is left to claim anything.
        DiskLow = "disk_low",
        /// The wall clock went back by more than is forgiven.
        ClockRollback = "clock_rollback",
        /// A peer's clock differs by more than is forgiven.
        ClockSkew = "clock_skew",
        /// A second node uses this node's name.
        HeartbeatForeign = "heartbeat_foreign",
        /// A peer's heartbeat stopped.
        PeerSilent = "peer_silent",
        /// A peer's heartbeat is back.
        PeerBack = "peer_back",
        /// A key was made.
        KeyCreate = "key_create",
        /// A key was taken in from a file.
        KeyImport = "key_import",
        /// A link changed to a new key.
        KeyRotate = "key_rotate",
        /// A key is no longer accepted.
        KeyRevoke = "key_revoke",
        /// A key file was refused: its place, its owner or its mode.
        KeyRefuse = "key_refuse",
        /// A configuration was loaded; the digest is of its file.
        ConfigLoad = "config_load",
        /// A configuration was refused.
        ConfigErr = "config_err",
        /// Old files were moved or removed by rule.
        Gc = "gc",
        /// A repair of the queue.
        Fsck = "fsck",
        /// Events could not be recorded; `count` says how many.
        LogLost = "log_lost",
        /// Old segments of the log are removed by rule; `code` names the last of them, `digest` is of its last line.
        LogRetire = "log_retire",
        /// The copy of the log on the share differs from what was written.
        LogAltered = "log_altered",
    }
}

/// One line for a person: escaped, at most [`limits::SUMMARY_LETTERS_MAX`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary(String);

impl Summary {
    /// Escapes and cuts a text of this program's own making.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(escape::excerpt(text, limits::SUMMARY_LETTERS_MAX))
    }

    /// Puts the beginning of a request after `lead`: at most [`limits::QUOTE_LETTERS_MAX`] characters of it.
    #[must_use]
    pub fn quoting(lead: &str, request: &str) -> Self {
        // Escaping never shortens, so one character more than fits is enough to see that it was cut.
        let start: String = request
            .chars()
            .take(limits::QUOTE_LETTERS_MAX + 1)
            .collect();
        let room = limits::SUMMARY_LETTERS_MAX - limits::QUOTE_LETTERS_MAX;
        let lead = escape::excerpt(lead, room);
        Self(lead + &escape::excerpt(&start, limits::QUOTE_LETTERS_MAX))
    }

    /// Takes a summary back from a record; only what [`Summary::of`] could have made.
    ///
    /// # Errors
    /// [`BadName`] where it is too long or not escaped.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let made = Self::of(text);
        if made.0 == text {
            return Ok(made);
        }
        Err(BadName {
            what: "summary",
            text: text.to_owned(),
            rule: "at most 140 characters, escaped",
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why something was refused or failed, as a word for programs: `E_MAC`, `rate_limit`, `EIO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    const LONGEST: usize = 40;

    /// Takes a word of this program; whatever is not a letter, digit, `-` or `_` becomes `_`.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        Self(
            word.chars()
                .take(Self::LONGEST)
                .map(|letter| if plain(letter) { letter } else { '_' })
                .collect(),
        )
    }

    /// Takes a code back from a record.
    ///
    /// # Errors
    /// [`BadName`] where [`Code::of`] could not have made it.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let made = Self::of(text);
        if made.0 == text && !text.is_empty() {
            return Ok(made);
        }
        Err(BadName {
            what: "code",
            text: text.to_owned(),
            rule: "1 to 40 of A-Z a-z 0-9 - _",
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One fact. Made with [`Event::of`]; the details are set where they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub word: Word,
    /// One line for a person.
    pub summary: Summary,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The other side: who asked, or who is asked.
    pub peer: Option<Party>,
    /// Why, as a word for programs.
    pub code: Option<Code>,
    /// The claim it is about.
    pub claim: Option<ClaimName>,
    /// The attempt, from 1.
    pub attempt: Option<u32>,
    /// How a task or an attempt ended.
    pub status: Option<Status>,
    /// Why an attempt did not succeed.
    pub class: Option<FailureClass>,
    /// Exit status of the agent.
    pub exit_code: Option<u8>,
    /// Running time in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// Tokens that the agent reports.
    pub tokens: Option<u64>,
    /// What it cost, in millionths of a US dollar, as the agent reports it.
    pub cost_microusd: Option<u64>,
    /// Running time allowed, in seconds.
    pub timeout_s: Option<u64>,
    /// The receiver's profile.
    pub profile: Option<ProfileName>,
    /// Whether the dangerous mode was on.
    pub dangerous: Option<bool>,
    /// Who decided.
    pub approver: Option<Party>,
    /// Digest of the document or file it is about.
    pub digest: Option<Digest>,
    /// How many.
    pub count: Option<u64>,
}

impl Event {
    /// Makes an event without details.
    #[must_use]
    pub fn of(word: Word) -> Self {
        Self {
            word,
            summary: Summary::default(),
            task: None,
            peer: None,
            code: None,
            claim: None,
            attempt: None,
            status: None,
            class: None,
            exit_code: None,
            elapsed_ms: None,
            tokens: None,
            cost_microusd: None,
            timeout_s: None,
            profile: None,
            dangerous: None,
            approver: None,
            digest: None,
            count: None,
        }
    }

    /// Sets the task.
    #[must_use]
    pub fn task(self, id: TaskId) -> Self {
        let task = Some(id);
        Self { task, ..self }
    }

    /// Sets the other side.
    #[must_use]
    pub fn peer(self, party: impl Into<Party>) -> Self {
        let peer = Some(party.into());
        Self { peer, ..self }
    }

    /// Sets the code.
    #[must_use]
    pub fn code(self, word: &str) -> Self {
        let code = Some(Code::of(word));
        Self { code, ..self }
    }

    /// Sets the claim, and the task it belongs to.
    #[must_use]
    pub fn claim(self, claim: &ClaimName) -> Self {
        Self {
            task: Some(claim.id),
            claim: Some(claim.clone()),
            ..self
        }
    }

    /// Sets the summary from a text of this program's own making.
    #[must_use]
    pub fn say(self, text: &str) -> Self {
        let summary = Summary::of(text);
        Self { summary, ..self }
    }

    /// Sets the summary to `lead` and the beginning of a request.
    #[must_use]
    pub fn quote(self, lead: &str, request: &str) -> Self {
        let summary = Summary::quoting(lead, request);
        Self { summary, ..self }
    }
}

/// Where events go. Telling never fails and never waits for the share: a log that cannot be written is no reason to
/// fail a task; the sink counts what it lost.
pub trait Sink: Send + Sync {
    /// Takes one fact.
    fn tell(&self, event: &Event);

    /// Returns where the log of these facts stands, for sealed documents to carry; `None` where there is no chain.
    fn head(&self) -> Option<AuditHead> {
        None
    }
}

/// Keeps events in memory: for tests and simulation.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Event>>);

impl Memory {
    /// Returns everything told so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns how often a word was told.
    #[must_use]
    pub fn count(&self, word: Word) -> usize {
        let events = self.events();
        events.iter().filter(|event| event.word == word).count()
    }
}

impl Sink for Memory {
    fn tell(&self, event: &Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_original_are_kept() {
        for word in [
            "task_send",
            "task_reject",
            "task_pending_ack",
            "task_auto",
            "exec_spawn_err",
            "watcher_start",
            "watcher_err",
            "exec_killswitch",
            "task_exec_start",
            "task_exec_err",
            "task_exec_end",
        ] {
            assert!(Word::from_word(word).is_some(), "{word}");
        }
    }

    #[test]
    fn a_summary_quotes_only_the_beginning_and_hides_nothing() {
        let request = format!("{}MARKER{}", "a".repeat(78), "b".repeat(200_000));
        let shown = Summary::quoting("-> gpubox: ", &request);
        assert!(!shown.as_str().contains("MARKER"), "{}", shown.as_str());
        assert!(shown.as_str().starts_with("-> gpubox: aaa"));
        assert!(shown.as_str().chars().count() <= limits::SUMMARY_LETTERS_MAX);

        let odd = Summary::quoting(&"\u{202e}".repeat(500), &"\u{1b}\n".repeat(500));
        assert!(odd.as_str().chars().count() <= limits::SUMMARY_LETTERS_MAX);
        assert!(Summary::parse(odd.as_str()).is_ok());
        assert!(Summary::parse("a\nb").is_err());
        assert!(Summary::parse(&"a".repeat(141)).is_err());
    }

    #[test]
    fn a_code_is_always_a_plain_word() {
        assert_eq!(Code::of("E_MAC").as_str(), "E_MAC");
        assert_eq!(Code::of("a\n\u{1b}b").as_str(), "a__b");
        assert_eq!(Code::of(&"x".repeat(99)).as_str().len(), 40);
        assert!(Code::parse("").is_err());
        assert!(Code::parse("a b").is_err());
    }
}
