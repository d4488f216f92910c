//! Work asked for.

use serde_json::Map;
use serde_json::Value;

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Object;
use super::Rules;
use super::Span;
use super::after;
use super::at_most;
use super::maybe_narrow;
use super::maybe_short;
use super::moment;
use super::narrow;
use super::positive;
use super::range;
use super::short;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::id::Party;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::limits;
use crate::reason::Reason;
use crate::reason::Refusal;

const TAGS_MAX: usize = 16;
const TAG_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 128;
const EXTENSIONS_MAX: usize = 16;

/// A task, as its sender sealed it. It asks; the receiver's policy decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The task.
    pub id: TaskId,
    /// Who asks.
    pub from: Party,
    /// Who is asked: a node or a pool.
    pub to: Party,
    /// When it was made.
    pub created: Timestamp,
    /// Not to be started after this.
    pub expires: Timestamp,
    /// How soon among others.
    pub priority: Priority,
    /// How it is to be run; the receiver's default where absent.
    pub profile: Option<ProfileName>,
    /// The sender wants a human of the receiver asked first.
    pub require_ack: bool,
    /// The sender asks for the profile's dangerous mode.
    pub require_dangerous: bool,
    /// Running time asked for, in seconds.
    pub timeout_s: Option<u64>,
    /// Output to be kept, in bytes.
    pub max_output_bytes: Option<u64>,
    /// Which submission of the same work this is by the sender's own count, from 1. The receiver counts starts itself.
    pub attempt: u32,
    /// How many tasks this one was made on behalf of.
    pub hop: u32,
    /// Running it twice does no harm.
    pub idempotent: bool,
    /// How often it may be started, where it is idempotent.
    pub max_attempts: Option<u32>,
    /// Not to be started before this.
    pub not_before: Option<Timestamp>,
    /// The task that this one was made on behalf of.
    pub parent: Option<TaskId>,
    /// The first task of that line.
    pub root: Option<TaskId>,
    /// The sender's own label for a conversation.
    pub correlation: Option<String>,
    /// The sender's own label for the piece of work.
    pub idempotency_key: Option<String>,
    /// Labels to find it by.
    pub tags: Vec<String>,
    /// Silence allowed before it counts as stalled, in seconds.
    pub stall_s: Option<u64>,
    /// Extensions whose meaning the receiver must know.
    pub crit: Vec<String>,
    /// Extensions by name, each an object.
    pub ext: Map<String, Value>,
    /// What is asked.
    pub request: String,
}

impl Task {
    /// Returns a task with every other member at its default.
    #[must_use]
    pub fn new(id: TaskId, from: Party, to: Party, created: Timestamp, request: String) -> Self {
        Self {
            id,
            from,
            to,
            created,
            expires: created.plus(limits::LIFE_DEFAULT),
            priority: Priority::Normal,
            profile: None,
            require_ack: false,
            require_dangerous: false,
            timeout_s: None,
            max_output_bytes: None,
            attempt: 1,
            hop: 0,
            idempotent: false,
            max_attempts: None,
            not_before: None,
            parent: None,
            root: None,
            correlation: None,
            idempotency_key: None,
            tags: Vec::new(),
            stall_s: None,
            crit: Vec::new(),
            ext: Map::new(),
            request,
        }
    }

    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Task,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let extensions = (!self.ext.is_empty()).then(|| Value::Object(self.ext.clone()));
        Body::of(Kind::Task)
            .show("id", &self.id)
            .parties(&self.from, &self.to)
            .show("created", &self.created)
            .show("expires", &self.expires)
            .show("priority", &self.priority)
            .maybe_show("profile", self.profile.as_ref())
            .put("require_ack", self.require_ack)
            .put("require_dangerous", self.require_dangerous)
            .maybe("timeout_s", self.timeout_s)
            .maybe("max_output_bytes", self.max_output_bytes)
            .put("attempt", self.attempt)
            .put("hop", self.hop)
            .maybe("idempotent", self.idempotent.then_some(true))
            .maybe("max_attempts", self.max_attempts)
            .maybe_show("not_before", self.not_before.as_ref())
            .maybe_show("parent", self.parent.as_ref())
            .maybe_show("root", self.root.as_ref())
            .maybe("correlation", self.correlation.clone())
            .maybe("idempotency_key", self.idempotency_key.clone())
            .some("tags", &self.tags)
            .maybe("stall_s", self.stall_s)
            .some("crit", &self.crit)
            .maybe("ext", extensions)
            .put("request", self.request.clone())
            .bytes()
    }

    /// Reads a verified task. The checks are in the order the format fixes.
    ///
    /// # Errors
    /// The first of `E_JSON`, `E_SCHEMA`, `E_KIND`, `E_LANE`, `E_ID`, `E_TIME`, `E_TTL`, `E_FUTURE`, `E_EXPIRED`,
    /// `E_RANGE`, `E_CTRL`, `E_BIDI`, `E_CRIT`, `E_POLICY`.
    pub fn read(members: Members<'_>, rules: &Rules) -> Result<Self, Refusal> {
        let Members {
            mut object,
            deferred,
            context,
        } = members;
        let raw = Raw::take(&mut object)?;
        object.finish()?;
        raw.head.check(context)?;
        let id = task_id("id", &raw.id)?;
        let maybe_id = |name, text: &Option<String>| {
            text.as_deref().map(|text| task_id(name, text)).transpose()
        };
        let (parent, root) = (
            maybe_id("parent", &raw.parent)?,
            maybe_id("root", &raw.root)?,
        );
        let span = Span::parse(&raw.created, &raw.expires)?;
        let not_before = raw.not_before.as_deref();
        let not_before = not_before
            .map(|text| moment("not_before", text))
            .transpose()?;
        span.check(rules)?;
        if not_before.is_some_and(|moment| moment > span.expires) {
            return Err(Refusal::new(Reason::Ttl, "'not_before' is after 'expires'"));
        }
        deferred.numbers()?;
        raw.check_ranges()?;
        let (attempt, hop) = (narrow("attempt", raw.attempt)?, narrow("hop", raw.hop)?);
        let max_attempts = maybe_narrow("max_attempts", raw.max_attempts)?;
        deferred.letters()?;
        raw.check_crit(rules)?;
        let profile = raw.check_policy(rules, hop)?;
        Ok(Self {
            id,
            from: context.from.clone(),
            to: context.to.clone(),
            created: span.created,
            expires: span.expires,
            priority: raw.priority,
            profile,
            require_ack: raw.require_ack,
            require_dangerous: raw.require_dangerous,
            timeout_s: raw.timeout_s,
            max_output_bytes: raw.max_output_bytes,
            attempt,
            hop,
            idempotent: raw.idempotent,
            max_attempts,
            not_before,
            parent,
            root,
            correlation: raw.correlation,
            idempotency_key: raw.idempotency_key,
            tags: raw.tags,
            stall_s: raw.stall_s,
            crit: raw.crit,
            ext: raw.ext,
            request: raw.request,
        })
    }
}

/// The members with their JSON types, before anything is known about their values.
struct Raw {
    head: Head,
    id: String,
    created: String,
    expires: String,
    priority: Priority,
    profile: Option<String>,
    require_ack: bool,
    require_dangerous: bool,
    timeout_s: Option<u64>,
    max_output_bytes: Option<u64>,
    attempt: u64,
    hop: u64,
    idempotent: bool,
    max_attempts: Option<u64>,
    not_before: Option<String>,
    parent: Option<String>,
    root: Option<String>,
    correlation: Option<String>,
    idempotency_key: Option<String>,
    tags: Vec<String>,
    stall_s: Option<u64>,
    crit: Vec<String>,
    ext: Map<String, Value>,
    request: String,
}

impl Raw {
    fn take(object: &mut Object) -> Result<Self, Refusal> {
        let priority = object.text("priority")?;
        let ext = object.maybe_object("ext")?.unwrap_or_default();
        if let Some((name, _)) = ext.iter().find(|(_, value)| !value.is_object()) {
            return Err(strict::wrong(&format!("ext.{name}"), "an object"));
        }
        Ok(Self {
            head: Head::take(object)?,
            id: object.text("id")?,
            created: object.text("created")?,
            expires: object.text("expires")?,
            priority: priority
                .parse()
                .map_err(|_| strict::wrong("priority", "low, normal or high"))?,
            profile: object.maybe_text("profile")?,
            require_ack: object.maybe_flag("require_ack")?.unwrap_or(false),
            require_dangerous: object.maybe_flag("require_dangerous")?.unwrap_or(false),
            timeout_s: object.maybe_number("timeout_s")?,
            max_output_bytes: object.maybe_number("max_output_bytes")?,
            attempt: object.maybe_number("attempt")?.unwrap_or(1),
            hop: object.maybe_number("hop")?.unwrap_or(0),
            idempotent: object.maybe_flag("idempotent")?.unwrap_or(false),
            max_attempts: object.maybe_number("max_attempts")?,
            not_before: object.maybe_text("not_before")?,
            parent: object.maybe_text("parent")?,
            root: object.maybe_text("root")?,
            correlation: object.maybe_text("correlation")?,
            idempotency_key: object.maybe_text("idempotency_key")?,
            tags: strict::texts("tags", object.list("tags")?)?,
            stall_s: object.maybe_number("stall_s")?,
            crit: strict::texts("crit", object.list("crit")?)?,
            ext,
            request: object.text("request")?,
        })
    }

    fn check_ranges(&self) -> Result<(), Refusal> {
        positive("timeout_s", self.timeout_s)?;
        positive("max_output_bytes", self.max_output_bytes)?;
        positive("attempt", Some(self.attempt))?;
        positive("max_attempts", self.max_attempts)?;
        positive("stall_s", self.stall_s)?;
        short("request", &self.request, limits::REQUEST_BYTES_MAX)?;
        maybe_short("correlation", self.correlation.as_deref(), LABEL_BYTES_MAX)?;
        maybe_short(
            "idempotency_key",
            self.idempotency_key.as_deref(),
            LABEL_BYTES_MAX,
        )?;
        at_most("tags", &self.tags, TAGS_MAX)?;
        for tag in &self.tags {
            short("tags", tag, TAG_BYTES_MAX)?;
        }
        at_most("crit", &self.crit, EXTENSIONS_MAX)?;
        if self.ext.len() > EXTENSIONS_MAX {
            return Err(range(
                "ext",
                &format!("at most {EXTENSIONS_MAX} extensions"),
            ));
        }
        for name in self.ext.keys().chain(&self.crit) {
            ProfileName::parse(name).map_err(|_| range("ext", "names of 1 to 32 of a-z 0-9 -"))?;
        }
        Ok(())
    }

    /// What `crit` names must be there, and understood.
    fn check_crit(&self, rules: &Rules) -> Result<(), Refusal> {
        for name in &self.crit {
            if !rules.extensions.contains(&name.as_str()) || !self.ext.contains_key(name) {
                return Err(Refusal::new(Reason::Crit, &format!("extension '{name}'")));
            }
        }
        let after = self.ext.get(after::AFTER).cloned();
        after.map_or(Ok(()), |value| after::read(value).map(drop))
    }

    fn check_policy(&self, rules: &Rules, hop: u32) -> Result<Option<ProfileName>, Refusal> {
        let refuse = |detail: &str| Refusal::new(Reason::Policy, detail);
        let profile = self.profile.as_deref().map(ProfileName::parse).transpose();
        let profile = profile.map_err(|_| refuse("'profile' is not the name of a profile"))?;
        if self
            .timeout_s
            .is_some_and(|s| s > rules.timeout_max.as_secs())
        {
            return Err(refuse("'timeout_s' is above the longest running time"));
        }
        if hop > rules.hop_max {
            return Err(refuse("'hop': it was handed on too often"));
        }
        Ok(profile)
    }
}
