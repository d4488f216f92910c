//! The outcome of a task, bound to the task's exact bytes: the kind `result`.

use serde_json::Map;
use serde_json::Value;

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Object;
use super::Rules;
use super::ack::REASON_BYTES_MAX;
use super::at_most;
use super::digest;
use super::lease::stem;
use super::maybe_narrow;
use super::maybe_short;
use super::moment;
use super::narrow;
use super::range;
use super::short;
use super::strict;
use super::task_id;
use super::tidy;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::history;
use crate::history::Tried;
use crate::id::Digest;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::reason::Refusal;

const CONTAINMENT_MAX: usize = 16;
/// The extension that tells of attempts.
const HISTORY: &str = "history";
const EXTENSIONS_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 128;

/// Where a node's audit log stood: whoever kept this can tell later that history was rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// Name of the segment.
    pub segment: String,
    /// Number of the last record.
    pub seq: u64,
    /// Digest of the last record.
    pub sha256: Digest,
}

/// A result, as the node that ran or refused the task sealed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The node that decided the outcome.
    pub from: Party,
    /// The sender of the task.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// Which start it was, from 1; 0 where it was never started.
    pub attempt: u32,
    /// How it ended.
    pub status: Status,
    /// Exit status of the agent, where it exited.
    pub exit_code: Option<u8>,
    /// Signal that ended the agent, where one did.
    pub signal: Option<u8>,
    /// UTC at the start, where it was started.
    pub started: Option<Timestamp>,
    /// UTC at the end, where it was started.
    pub finished: Option<Timestamp>,
    /// Running time by the monotonic clock, in milliseconds.
    pub elapsed_ms: u64,
    /// Time the host was suspended meanwhile, in milliseconds.
    pub suspended_ms: Option<u64>,
    /// Bytes the agent wrote, kept or not.
    pub output_bytes: u64,
    /// Whether the log holds less than that.
    pub output_truncated: bool,
    /// Digest of the log, where there is one.
    pub log_sha256: Option<Digest>,
    /// Size of the log in bytes, where there is one.
    pub log_bytes: Option<u64>,
    /// The answer. Data of a stranger: shown escaped, never obeyed.
    pub final_text: String,
    /// Layers of containment that were in force, in words of the node that applied them.
    pub containment: Vec<String>,
    /// The claim that ran it.
    pub claim: Option<ClaimName>,
    /// Why it did not succeed.
    pub class: Option<FailureClass>,
    /// What happened, for people.
    pub detail: Option<String>,
    /// The code of a refusal, or the reason of a denial or cancel.
    pub reason: Option<String>,
    /// When it may be worth trying again.
    pub retry_at: Option<Timestamp>,
    /// Model that answered, as the agent reports it.
    pub model: Option<String>,
    /// Turns the agent took.
    pub turns: Option<u64>,
    /// Tokens in and out together.
    pub tokens: Option<u64>,
    /// Cost in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// Session id of the agent, for a follow-up.
    pub session: Option<String>,
    /// Tool calls that were denied.
    pub denials: Option<u64>,
    /// Descendants that had to be ended after the agent itself had ended.
    pub leftovers: Option<u64>,
    /// Who approved or denied it.
    pub approver: Option<Party>,
    /// When the outcome was decided.
    pub created: Option<Timestamp>,
    /// Where the node's audit log stood.
    pub audit: Option<AuditHead>,
    /// Extensions by name, each an object.
    pub ext: Map<String, Value>,
}

impl Answer {
    /// Returns an outcome without a run: everything else is at its default.
    #[must_use]
    pub fn new(from: Party, to: Party, task: (TaskId, Digest), status: Status) -> Self {
        Self {
            from,
            to,
            task_id: task.0,
            task_sha256: task.1,
            attempt: 0,
            status,
            exit_code: None,
            signal: None,
            started: None,
            finished: None,
            elapsed_ms: 0,
            suspended_ms: None,
            output_bytes: 0,
            output_truncated: false,
            log_sha256: None,
            log_bytes: None,
            final_text: String::new(),
            containment: Vec::new(),
            claim: None,
            class: None,
            detail: None,
            reason: None,
            retry_at: None,
            model: None,
            turns: None,
            tokens: None,
            cost_microusd: None,
            session: None,
            denials: None,
            leftovers: None,
            approver: None,
            created: None,
            audit: None,
            ext: Map::new(),
        }
    }

    /// Returns what came of the attempts of the task, where there were several.
    #[must_use]
    pub fn history(&self) -> Vec<Tried> {
        let told = self.ext.get(HISTORY).and_then(Value::as_object);
        told.map_or_else(Vec::new, history::of_extension)
    }

    /// Tells what came of the attempts of the task.
    pub fn tell_history(&mut self, attempts: &[Tried]) {
        let told = history::to_extension(attempts);
        self.ext.insert(HISTORY.to_owned(), told);
    }

    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Result,
        }
    }

    /// Returns the bytes to seal. Texts of the agent are made fit for a document ([`tidy`]), so that no output whatever
    /// makes a result that its reader would refuse.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let label = |text: &Option<String>| {
            let line = text.as_deref()?.replace(['\n', '\t'], " ");
            Some(tidy(&line, LABEL_BYTES_MAX)).filter(|text| !text.is_empty())
        };
        let prose = |text: &Option<String>| {
            Some(tidy(text.as_deref()?, REASON_BYTES_MAX)).filter(|text| !text.is_empty())
        };
        let extensions = (!self.ext.is_empty()).then(|| Value::Object(self.ext.clone()));
        let reason = prose(&self.reason).map(|text| text.replace(['\n', '\t'], " "));
        Body::of(Kind::Result)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .put("attempt", self.attempt)
            .show("status", &self.status)
            .maybe("exit_code", self.exit_code)
            .maybe("signal", self.signal)
            .maybe_show("started", self.started.as_ref())
            .maybe_show("finished", self.finished.as_ref())
            .put("elapsed_ms", self.elapsed_ms)
            .maybe("suspended_ms", self.suspended_ms)
            .put("output_bytes", self.output_bytes)
            .put("output_truncated", self.output_truncated)
            .maybe_show("log_sha256", self.log_sha256.as_ref())
            .maybe("log_bytes", self.log_bytes)
            .put(
                "final_text",
                tidy(&self.final_text, limits::FINAL_TEXT_BYTES_MAX),
            )
            .list("containment", &self.containment)
            .maybe("claim", self.claim.as_ref().map(ClaimName::stem))
            .maybe_show("class", self.class.as_ref())
            .maybe("detail", prose(&self.detail))
            .maybe("reason", reason)
            .maybe_show("retry_at", self.retry_at.as_ref())
            .maybe("model", label(&self.model))
            .maybe("turns", self.turns)
            .maybe("tokens", self.tokens)
            .maybe("cost_microusd", self.cost_microusd)
            .maybe("session", label(&self.session))
            .maybe("denials", self.denials)
            .maybe("leftovers", self.leftovers)
            .maybe_show("approver", self.approver.as_ref())
            .maybe_show("created", self.created.as_ref())
            .maybe("audit", self.audit.as_ref().map(AuditHead::value))
            .maybe("ext", extensions)
            .bytes()
    }

    /// Reads a verified result. A result does not expire: its times are not compared with any clock.
    ///
    /// # Errors
    /// `E_JSON`, `E_SCHEMA`, `E_KIND`, `E_LANE`, `E_ID`, `E_TIME`, `E_RANGE`, `E_CTRL`, `E_BIDI`.
    pub fn read(members: Members<'_>, _rules: &Rules) -> Result<Self, Refusal> {
        let Members {
            mut object,
            deferred,
            context,
        } = members;
        let from = &mut object;
        let head = Head::take(from)?;
        let id = from.text("task_id")?;
        let mut answer = Self::new(
            context.from.clone(),
            context.to.clone(),
            // Replaced below, once its turn in the order of checks has come.
            (
                TaskId::from_uuid(uuid::Uuid::nil()),
                digest("task_sha256", &from.text("task_sha256")?)?,
            ),
            Status::from_word(&from.text("status")?)
                .ok_or_else(|| strict::wrong("status", "a status"))?,
        );
        let raw = Raw::take(from, &mut answer)?;
        object.finish()?;
        head.check(context)?;
        answer.task_id = task_id("task_id", &id)?;
        answer.claim = raw.claim.as_deref().map(stem).transpose()?;
        raw.times(&mut answer)?;
        deferred.numbers()?;
        answer.attempt = narrow("attempt", raw.attempt)?;
        answer.exit_code = maybe_narrow("exit_code", raw.exit_code)?;
        answer.signal = maybe_narrow("signal", raw.signal)?;
        answer.check_ranges()?;
        deferred.letters()?;
        Ok(answer)
    }

    fn check_ranges(&self) -> Result<(), Refusal> {
        if self.final_text.len() > limits::FINAL_TEXT_BYTES_MAX {
            let most = limits::FINAL_TEXT_BYTES_MAX;
            return Err(range("final_text", &format!("at most {most} bytes")));
        }
        at_most("containment", &self.containment, CONTAINMENT_MAX)?;
        for layer in &self.containment {
            short("containment", layer, LABEL_BYTES_MAX)?;
        }
        maybe_short("detail", self.detail.as_deref(), REASON_BYTES_MAX)?;
        maybe_short("reason", self.reason.as_deref(), REASON_BYTES_MAX)?;
        maybe_short("model", self.model.as_deref(), LABEL_BYTES_MAX)?;
        maybe_short("session", self.session.as_deref(), LABEL_BYTES_MAX)?;
        if self.ext.len() > EXTENSIONS_MAX {
            let most = EXTENSIONS_MAX;
            return Err(range("ext", &format!("at most {most} extensions")));
        }
        for name in self.ext.keys() {
            ProfileName::parse(name).map_err(|_| range("ext", "names of 1 to 32 of a-z 0-9 -"))?;
        }
        self.audit.as_ref().map_or(Ok(()), AuditHead::check_ranges)
    }
}

/// What is read before the types of its values are known to be good.
struct Raw {
    attempt: u64,
    exit_code: Option<u64>,
    signal: Option<u64>,
    claim: Option<String>,
    started: Option<String>,
    finished: Option<String>,
    retry_at: Option<String>,
    created: Option<String>,
}

impl Raw {
    fn take(from: &mut Object, answer: &mut Answer) -> Result<Self, Refusal> {
        answer.elapsed_ms = from.number("elapsed_ms")?;
        answer.suspended_ms = from.maybe_number("suspended_ms")?;
        answer.output_bytes = from.number("output_bytes")?;
        answer.output_truncated = from.flag("output_truncated")?;
        let log_sha256 = from.maybe_text("log_sha256")?;
        answer.log_sha256 = log_sha256
            .map(|text| digest("log_sha256", &text))
            .transpose()?;
        answer.log_bytes = from.maybe_number("log_bytes")?;
        answer.final_text = from.text("final_text")?;
        answer.containment = strict::texts("containment", from.required_list("containment")?)?;
        // A later version may know more ways to fail; here they are failures of the agent.
        let class = from.maybe_text("class")?;
        answer.class =
            class.map(|word| FailureClass::from_word(&word).unwrap_or(FailureClass::Agent));
        answer.detail = from.maybe_text("detail")?;
        answer.reason = from.maybe_text("reason")?;
        answer.model = from.maybe_text("model")?;
        answer.turns = from.maybe_number("turns")?;
        answer.tokens = from.maybe_number("tokens")?;
        answer.cost_microusd = from.maybe_number("cost_microusd")?;
        answer.session = from.maybe_text("session")?;
        answer.denials = from.maybe_number("denials")?;
        answer.leftovers = from.maybe_number("leftovers")?;
        let approver = from.maybe_text("approver")?.map(|text| Party::parse(&text));
        answer.approver = approver
            .transpose()
            .map_err(|_| strict::wrong("approver", "a party"))?;
        answer.audit = AuditHead::take(from)?;
        answer.ext = from.maybe_object("ext")?.unwrap_or_default();
        if let Some((name, _)) = answer.ext.iter().find(|(_, value)| !value.is_object()) {
            return Err(strict::wrong(&format!("ext.{name}"), "an object"));
        }
        Ok(Self {
            attempt: from.number("attempt")?,
            exit_code: from.maybe_number("exit_code")?,
            signal: from.maybe_number("signal")?,
            claim: from.maybe_text("claim")?,
            started: from.maybe_text("started")?,
            finished: from.maybe_text("finished")?,
            retry_at: from.maybe_text("retry_at")?,
            created: from.maybe_text("created")?,
        })
    }

    fn times(&self, answer: &mut Answer) -> Result<(), Refusal> {
        let read = |name, text: &Option<String>| {
            text.as_deref().map(|text| moment(name, text)).transpose()
        };
        answer.started = read("started", &self.started)?;
        answer.finished = read("finished", &self.finished)?;
        answer.retry_at = read("retry_at", &self.retry_at)?;
        answer.created = read("created", &self.created)?;
        Ok(())
    }
}

impl AuditHead {
    pub(super) fn value(&self) -> serde_json::Value {
        serde_json::json!({
            "segment": self.segment,
            "seq": self.seq.min(limits::INTEGER_MAX),
            "sha256": self.sha256,
        })
    }

    pub(super) fn take(from: &mut Object) -> Result<Option<Self>, Refusal> {
        let Some(members) = from.maybe_object("audit")? else {
            return Ok(None);
        };
        let mut inside = Object::inside("audit", serde_json::Value::Object(members))?;
        let head = Self {
            segment: inside.text("segment")?,
            seq: inside.number("seq")?,
            sha256: digest("audit.sha256", &inside.text("sha256")?)?,
        };
        inside.finish()?;
        Ok(Some(head))
    }

    pub(super) fn check_ranges(&self) -> Result<(), Refusal> {
        short("audit.segment", &self.segment, limits::NAME_BYTES_MAX)
    }
}
