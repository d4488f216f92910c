//! Liveness and capacity of a node, for one peer: rewritten in place, of fixed size.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::AuditHead;
use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Object;
use super::Rules;
use super::at_most;
use super::lease::instance;
use super::maybe_narrow;
use super::maybe_short;
use super::moment;
use super::narrow;
use super::short;
use super::strict;
use super::task_id;
use super::tidy;
use crate::clock::Timestamp;
use crate::id::CapabilityName;
use crate::id::NodeName;
use crate::id::Nonce;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::words;
use crate::reason::Refusal;

const TASKS_MAX: usize = 16;
const NAMES_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 64;
const REASON_BYTES_MAX: usize = 200;
/// The extension that says what a node can do.
const CAPABILITIES: &str = "capabilities";
/// Room for the seal.
const SEAL_BYTES_MAX: usize = 160;

words! {
    /// What a node is willing to do.
    NodeState {
        /// It takes work.
        Ready = "ready",
        /// It works, and has no free slot.
        Busy = "busy",
        /// It finishes what runs and takes nothing.
        Draining = "draining",
        /// It takes nothing, because something is wrong; `reason` says what.
        Degraded = "degraded",
        /// A killswitch is on.
        Halted = "halted",
    }
}

/// One task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    /// The task.
    pub id: TaskId,
    /// Which start it is, from 1.
    pub attempt: u32,
    /// UTC at the start.
    pub started: Timestamp,
}

/// What a node says that it can do: the extension `capabilities` of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Card {
    /// Whose node it is.
    pub owner: Option<NodeName>,
    /// Whether its watcher ended in order, and nothing will be taken until it is started again.
    pub stopped: bool,
    /// What every profile of it can do.
    pub node: BTreeSet<CapabilityName>,
    /// What single profiles can do beside that.
    pub profiles: BTreeMap<ProfileName, BTreeSet<CapabilityName>>,
}

/// A heartbeat, as its node sealed it. Whether the node is alive is decided by whether `seq` advances, never by
/// `created`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The node.
    pub from: Party,
    /// The peer it is written for.
    pub to: Party,
    /// Boot id of the host (random(4)).
    pub boot_id: String,
    /// Grows with every rewrite.
    pub seq: u64,
    /// UTC of the node when it was written.
    pub created: Timestamp,
    /// Schemas the node accepts from this peer.
    pub accepts: Vec<u64>,
    /// Whether the node sees a killswitch.
    pub killswitch: bool,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that wait.
    pub queued: u64,
    /// Tasks that wait for an approval.
    pub pending_ack: u64,
    /// How far the node's clock is from the server's, in milliseconds, without a sign.
    pub clock_skew_ms: u64,
    /// Version of the program.
    pub version: String,
    /// The watcher that writes it; another one in the same file means two nodes of one name.
    pub instance: Option<Nonce>,
    /// Free space on the node's own disk, in bytes.
    pub free_bytes: Option<u64>,
    /// How many tasks it may run at once.
    pub slots: Option<u32>,
    /// Time between two looks at the inbox, in milliseconds.
    pub poll_ms: Option<u64>,
    /// What it is willing to do.
    pub state: Option<NodeState>,
    /// Why it is not ready, for people.
    pub reason: Option<String>,
    /// Tasks that run, at most 16 of them.
    pub tasks: Vec<RunningTask>,
    /// Where the node's audit log stood.
    pub audit: Option<AuditHead>,
    /// Extensions the node understands.
    pub extensions: Vec<String>,
    /// Profiles the peer may name.
    pub profiles: Vec<ProfileName>,
    /// What it can do, and whose it is.
    pub card: Card,
}

impl Heartbeat {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Heartbeat,
        }
    }

    /// Returns the bytes to seal. Lists are cut to what a heartbeat may hold.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        // What runs is told elsewhere, too: of all that may not fit, it is missed least.
        let tries = [TASKS_MAX, TASKS_MAX / 2, TASKS_MAX / 4];
        let mut tries = tries.into_iter().map(|tasks| self.with(tasks));
        let fits = tries.find(|body| body.len() + SEAL_BYTES_MAX <= limits::BEAT_BYTES);
        fits.unwrap_or_else(|| self.with(0))
    }

    fn with(&self, tasks_max: usize) -> Vec<u8> {
        let reason = self
            .reason
            .as_deref()
            .map(|text| text.replace(['\n', '\t'], " "));
        let reason = reason
            .map(|text| tidy(&text, REASON_BYTES_MAX))
            .filter(|text| !text.is_empty());
        let tasks: Vec<Value> = self
            .tasks
            .iter()
            .take(tasks_max)
            .map(RunningTask::value)
            .collect();
        let cut = |most: usize, have: usize| most.min(have);
        Body::of(Kind::Heartbeat)
            .parties(&self.from, &self.to)
            .put("boot_id", self.boot_id.as_str())
            .put("seq", self.seq)
            .show("created", &self.created)
            .put("accepts", self.accepts.clone())
            .put("killswitch", self.killswitch)
            .put("running", self.running)
            .put("queued", self.queued)
            .put("pending_ack", self.pending_ack)
            .put("clock_skew_ms", self.clock_skew_ms)
            .put("version", self.version.as_str())
            .maybe_show("instance", self.instance.as_ref())
            .maybe("free_bytes", self.free_bytes)
            .maybe("slots", self.slots)
            .maybe("poll_ms", self.poll_ms)
            .maybe_show("state", self.state.as_ref())
            .maybe("reason", reason)
            .maybe("tasks", (!tasks.is_empty()).then_some(tasks))
            .maybe("audit", self.audit.as_ref().map(AuditHead::value))
            .some(
                "extensions",
                &self.extensions[..cut(NAMES_MAX, self.extensions.len())],
            )
            .some(
                "profiles",
                &self.profiles[..cut(NAMES_MAX, self.profiles.len())],
            )
            .maybe("ext", self.card.value())
            .bytes()
    }

    /// Reads a verified heartbeat. Its time is not compared with any clock: a node whose clock is wrong is alive, and
    /// this is how its peers learn that it is wrong.
    ///
    /// # Errors
    /// `E_JSON`, `E_SCHEMA`, `E_KIND`, `E_LANE`, `E_ID`, `E_TIME`, `E_RANGE`, `E_CTRL`, `E_BIDI`.
    pub fn read(members: Members<'_>, _rules: &Rules) -> Result<Self, Refusal> {
        let Members {
            mut object,
            deferred,
            context,
        } = members;
        let head = Head::take(&mut object)?;
        let created = object.text("created")?;
        let slots = object.maybe_number("slots")?;
        let tasks: Vec<RawTask> = object
            .list("tasks")?
            .into_iter()
            .map(RawTask::take)
            .collect::<Result<_, _>>()?;
        let state = object.maybe_text("state")?.map(|word| {
            NodeState::from_word(&word).ok_or_else(|| strict::wrong("state", "a state of a node"))
        });
        let profiles = strict::texts("profiles", object.list("profiles")?)?
            .iter()
            .map(|text| ProfileName::parse(text).map_err(|_| strict::wrong("profiles", "names")))
            .collect::<Result<_, _>>()?;
        let mut beat = Self {
            from: context.from.clone(),
            to: context.to.clone(),
            boot_id: object.text("boot_id")?,
            seq: object.number("seq")?,
            // Replaced below, once its turn in the order of checks has come.
            created: Timestamp::from_unix(0),
            accepts: numbers("accepts", &object.required_list("accepts")?)?,
            killswitch: object.flag("killswitch")?,
            running: object.number("running")?,
            queued: object.number("queued")?,
            pending_ack: object.number("pending_ack")?,
            clock_skew_ms: object.number("clock_skew_ms")?,
            version: object.text("version")?,
            instance: object
                .maybe_text("instance")?
                .map(|text| instance(&text))
                .transpose()?,
            free_bytes: object.maybe_number("free_bytes")?,
            slots: None,
            poll_ms: object.maybe_number("poll_ms")?,
            state: state.transpose()?,
            reason: object.maybe_text("reason")?,
            tasks: Vec::new(),
            audit: AuditHead::take(&mut object)?,
            extensions: strict::texts("extensions", object.list("extensions")?)?,
            profiles,
            card: Card::take(&mut object)?,
        };
        object.finish()?;
        head.check(context)?;
        let ids = tasks.iter().map(|task| task_id("tasks.id", &task.id));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        beat.created = moment("created", &created)?;
        for (id, task) in ids.into_iter().zip(&tasks) {
            let started = moment("tasks.started", &task.started)?;
            let attempt = narrow("tasks.attempt", task.attempt)?;
            beat.tasks.push(RunningTask {
                id,
                attempt,
                started,
            });
        }
        deferred.numbers()?;
        beat.slots = maybe_narrow("slots", slots)?;
        beat.check_ranges()?;
        deferred.letters()?;
        Ok(beat)
    }

    fn check_ranges(&self) -> Result<(), Refusal> {
        short("boot_id", &self.boot_id, LABEL_BYTES_MAX)?;
        short("version", &self.version, LABEL_BYTES_MAX)?;
        maybe_short("reason", self.reason.as_deref(), REASON_BYTES_MAX)?;
        at_most("accepts", &self.accepts, NAMES_MAX)?;
        at_most("tasks", &self.tasks, TASKS_MAX)?;
        at_most("extensions", &self.extensions, NAMES_MAX)?;
        at_most("profiles", &self.profiles, NAMES_MAX)?;
        for name in &self.extensions {
            short("extensions", name, LABEL_BYTES_MAX)?;
        }
        self.audit.as_ref().map_or(Ok(()), AuditHead::check_ranges)
    }
}

fn numbers(name: &str, list: &[Value]) -> Result<Vec<u64>, Refusal> {
    let number = |value: &Value| value.as_u64();
    list.iter()
        .map(|value| number(value).ok_or_else(|| strict::wrong(name, "a list of numbers")))
        .collect()
}

impl Card {
    /// The member `ext`; none where there is nothing to say.
    fn value(&self) -> Option<Value> {
        if *self == Self::default() {
            return None;
        }
        let mut inside = serde_json::Map::new();
        if let Some(owner) = &self.owner {
            inside.insert("owner".to_owned(), json!(owner));
        }
        if self.stopped {
            inside.insert("stopped".to_owned(), json!(true));
        }
        if !self.node.is_empty() {
            inside.insert("node".to_owned(), json!(self.node));
        }
        if !self.profiles.is_empty() {
            inside.insert("profiles".to_owned(), json!(self.profiles));
        }
        Some(json!({ CAPABILITIES: inside }))
    }

    /// Takes the extension out of `ext`; others are none of ours. Members of it that are not known are for later
    /// versions.
    fn take(object: &mut Object) -> Result<Self, Refusal> {
        let Some(mut ext) = object.maybe_object("ext")? else {
            return Ok(Self::default());
        };
        let Some(value) = ext.remove(CAPABILITIES) else {
            return Ok(Self::default());
        };
        let mut inside = Object::inside("ext.capabilities", value)?;
        let owner = inside.maybe_text("owner")?;
        let owner = owner.map(|text| NodeName::parse(&text)).transpose();
        let mut card = Self {
            owner: owner.map_err(|_| strict::wrong("owner", "a name"))?,
            stopped: inside.maybe_flag("stopped")?.unwrap_or(false),
            node: capabilities(inside.list("node")?)?,
            profiles: BTreeMap::new(),
        };
        for (name, value) in inside.maybe_object("profiles")?.into_iter().flatten() {
            let name = ProfileName::parse(&name)
                .map_err(|_| strict::wrong("ext.capabilities.profiles", "of profiles"))?;
            let Value::Array(list) = value else {
                return Err(strict::wrong("ext.capabilities.profiles", "lists"));
            };
            card.profiles.insert(name, capabilities(list)?);
        }
        Ok(card)
    }
}

fn capabilities(list: Vec<Value>) -> Result<BTreeSet<CapabilityName>, Refusal> {
    strict::texts("ext.capabilities", list)?
        .iter()
        .map(|text| {
            CapabilityName::parse(text)
                .map_err(|_| strict::wrong("ext.capabilities", "of capabilities"))
        })
        .collect()
}

impl RunningTask {
    fn value(&self) -> Value {
        json!({ "id": self.id, "attempt": self.attempt, "started": self.started })
    }
}

struct RawTask {
    id: String,
    attempt: u64,
    started: String,
}

impl RawTask {
    fn take(value: Value) -> Result<Self, Refusal> {
        let mut inside = Object::inside("tasks", value)?;
        let task = Self {
            id: inside.text("id")?,
            attempt: inside.number("attempt")?,
            started: inside.text("started")?,
        };
        inside.finish()?;
        Ok(task)
    }
}
