//! The documents that travel: their kinds, their members, and how each is written and read (`docs/ENVELOPE.md`).
//!
//! Nothing here seals, opens or touches a file. A reader is only reached through [`crate::envelope`], with bytes whose
//! seal was verified; it makes the checks that come after the seal, in the order the format fixes.

pub mod ack;
pub mod after;
pub mod answer;
pub mod cancel;
pub mod grant;
pub mod heartbeat;
pub mod lease;
pub mod ready;
pub mod receipt;
pub mod release;
pub mod strict;
pub mod task;
mod write;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::id::Digest;
use crate::id::Party;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::words;
use crate::reason::Reason;
use crate::reason::Refusal;

pub use ack::Ack;
pub use ack::Allowance;
pub use ack::Decision;
pub use after::AFTER;
pub use after::After;
pub use after::Condition;
pub use answer::Answer;
pub use answer::AuditHead;
pub use cancel::Cancel;
pub use grant::Grant;
pub use grant::Permission;
pub use heartbeat::Card;
pub use heartbeat::Heartbeat;
pub use heartbeat::NodeState;
pub use heartbeat::RunningTask;
pub use lease::Lease;
pub use ready::Prior;
pub use ready::Ready;
pub use receipt::Receipt;
pub use receipt::Step;
pub use release::Release;
pub use strict::Deferred;
pub use strict::Object;
pub use task::Task;
pub use write::Body;
pub use write::tidy;

/// The version of the format.
pub const SCHEMA: u64 = 3;

words! {
    /// What a document is. Part of the key and of what is sealed, so that one can never pass for another.
    Kind {
        /// Work asked for.
        Task = "task",
        /// An approver's decision about a task.
        Ack = "ack",
        /// The outcome of a task.
        Result = "result",
        /// Liveness and capacity of a node.
        Heartbeat = "heartbeat",
        /// The sender wants a task ended.
        Cancel = "cancel",
        /// A claim is alive.
        Lease = "lease",
        /// The sender lets one claim of a pool start, or not.
        Grant = "grant",
        /// A claim of a pool that never started and never will.
        Release = "release",
        /// What a task waited for has come about.
        Ready = "ready",
        /// A receiver confirms how far a task has come.
        Receipt = "receipt",
        /// Reserved: a piece of live output.
        Progress = "progress",
        /// Reserved: a member takes an expired claim.
        Reap = "reap",
    }
}

impl Kind {
    /// Returns the largest sealed document of this kind, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Task | Self::Progress | Self::Ready => limits::TASK_BYTES_MAX,
            Self::Result => limits::RESULT_BYTES_MAX,
            _ => limits::CONTROL_BYTES_MAX,
        }
    }
}

/// Where a document is: what the verifier knows before it reads a byte. Never taken from the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who speaks, by the lane and the folder.
    pub from: Party,
    /// Who is spoken to.
    pub to: Party,
    /// As what.
    pub kind: Kind,
}

/// What the receiver allows, as far as the document's own reader checks it. The rest is policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The moment that times are compared with; `None` for a document that was admitted before, and is on record.
    pub now: Option<Timestamp>,
    /// Clock difference that is forgiven.
    pub skew: Duration,
    /// Longest life of a task, an ack, a cancel, a grant, a release or a ready.
    pub life_max: Duration,
    /// Longest running time a task may ask for.
    pub timeout_max: Duration,
    /// How many times a task may have been handed on.
    pub hop_max: u32,
    /// Extensions that are understood here; `crit` may name no other.
    pub extensions: &'static [&'static str],
}

impl Rules {
    /// Returns the default rules at a moment.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now: Some(now),
            ..Self::recorded()
        }
    }

    /// Returns the rules for a document that was admitted before: its bytes and bounds are checked, its times are not
    /// compared with any clock.
    #[must_use]
    pub const fn recorded() -> Self {
        Self {
            now: None,
            skew: limits::SKEW,
            life_max: limits::LIFE_MAX,
            timeout_max: limits::TIMEOUT_MAX,
            hop_max: limits::HOP_MAX,
            extensions: &[AFTER],
        }
    }
}

/// The members of a verified document, not yet understood. Only an envelope whose seal was verified makes one.
#[derive(Debug)]
pub struct Members<'a> {
    object: Object,
    deferred: Deferred,
    context: &'a Context,
}

impl<'a> Members<'a> {
    /// Reads the verified bytes of a whole file as strict JSON. The seal's own member is dropped.
    pub(crate) fn of_verified(file: &[u8], context: &'a Context) -> Result<Self, Refusal> {
        let (mut object, deferred) = strict::read(file)?;
        object.text("auth")?;
        Ok(Self {
            object,
            deferred,
            context,
        })
    }
}

/// The members every document has, and the check that they agree with its place.
struct Head {
    schema: u64,
    kind: String,
    from: String,
    to: String,
}

impl Head {
    fn take(object: &mut Object) -> Result<Self, Refusal> {
        Ok(Self {
            schema: object.number("schema")?,
            kind: object.text("kind")?,
            from: object.text("from")?,
            to: object.text("to")?,
        })
    }

    fn check(&self, context: &Context) -> Result<(), Refusal> {
        let refuse = |reason, detail: String| Err(Refusal::new(reason, &detail));
        if self.schema != SCHEMA {
            return refuse(Reason::Schema, format!("schema {}", self.schema));
        }
        if self.kind != context.kind.as_str() {
            return refuse(Reason::Kind, format!("it says '{}'", self.kind));
        }
        if self.from != context.from.as_str() {
            return refuse(Reason::Lane, format!("it says from '{}'", self.from));
        }
        if self.to != context.to.as_str() {
            return refuse(Reason::Lane, format!("it says to '{}'", self.to));
        }
        Ok(())
    }
}

/// From when to when a document is good.
#[derive(Debug, Clone, Copy)]
struct Span {
    created: Timestamp,
    expires: Timestamp,
}

impl Span {
    fn parse(created: &str, expires: &str) -> Result<Self, Refusal> {
        Ok(Self {
            created: moment("created", created)?,
            expires: moment("expires", expires)?,
        })
    }

    /// Order, length, and against the clock, in that order.
    fn check(self, rules: &Rules) -> Result<(), Refusal> {
        self.check_order()?;
        if self.expires.since(self.created) > rules.life_max {
            let days = self.expires.since(self.created).as_secs() / 86_400;
            return Err(Refusal::new(Reason::Ttl, &format!("a life of {days} days")));
        }
        let Some(now) = rules.now else { return Ok(()) };
        if self.created > now.plus(rules.skew) {
            let detail = format!("made {}, now it is {now}", self.created);
            return Err(Refusal::new(Reason::Future, &detail));
        }
        if now > self.expires {
            let detail = format!("until {}, now it is {now}", self.expires);
            return Err(Refusal::new(Reason::Expired, &detail));
        }
        Ok(())
    }

    fn check_order(self) -> Result<(), Refusal> {
        if self.expires > self.created {
            return Ok(());
        }
        let detail = format!("from {} until {}", self.created, self.expires);
        Err(Refusal::new(Reason::Ttl, &detail))
    }
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    Timestamp::parse(text).map_err(|_| Refusal::new(Reason::Time, &format!("'{name}': '{text}'")))
}

fn task_id(name: &str, text: &str) -> Result<TaskId, Refusal> {
    TaskId::parse(text).map_err(|_| Refusal::new(Reason::Id, &format!("'{name}': '{text}'")))
}

/// Reads the claim of a pool that a grant or a release is about: a claim of this task, by the member whose place it is
/// in, under the name that the member itself gave it.
fn claim_of(member: &Party, id: TaskId, text: &str) -> Result<ClaimName, Refusal> {
    let claim = lease::stem(text)?;
    let own = claim.id == id && Party::from(&claim.node) == *member && claim.taken.is_none();
    if own {
        return Ok(claim);
    }
    let detail = format!("'claim': '{text}' is no claim of '{member}' on '{id}'");
    Err(Refusal::new(Reason::Id, &detail))
}

fn digest(name: &str, text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|_| strict::wrong(name, "64 lower-case hexadecimal digits"))
}

fn range(name: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::Range, &format!("'{name}' is not {rule}"))
}

/// Narrows a number to what its member can hold.
fn narrow<T: TryFrom<u64>>(name: &str, number: u64) -> Result<T, Refusal> {
    T::try_from(number).map_err(|_| range(name, "within its bounds"))
}

fn maybe_narrow<T: TryFrom<u64>>(name: &str, number: Option<u64>) -> Result<Option<T>, Refusal> {
    number.map(|number| narrow(name, number)).transpose()
}

/// A member that counts something there must be at least one of.
fn positive(name: &str, number: Option<u64>) -> Result<(), Refusal> {
    match number {
        Some(0) => Err(range(name, "at least 1")),
        _ => Ok(()),
    }
}

/// A short text: bounded, and not empty.
fn short(name: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if (1..=bytes_max).contains(&text.len()) {
        Ok(())
    } else {
        Err(range(name, &format!("1 to {bytes_max} bytes of text")))
    }
}

fn maybe_short(name: &str, text: Option<&str>, bytes_max: usize) -> Result<(), Refusal> {
    text.map_or(Ok(()), |text| short(name, text, bytes_max))
}

fn at_most<T>(name: &str, list: &[T], most: usize) -> Result<(), Refusal> {
    if list.len() <= most {
        Ok(())
    } else {
        Err(range(name, &format!("a list of at most {most}")))
    }
}
