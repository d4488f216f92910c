//! A claim is alive: rewritten in place, of fixed size.

use super::Body;
use super::Context;
use super::Head;
use super::Kind;
use super::Members;
use super::Rules;
use super::Span;
use super::digest;
use super::narrow;
use super::strict;
use super::task_id;
use crate::clock::Timestamp;
use crate::entry::ClaimName;
use crate::id::Digest;
use crate::id::Nonce;
use crate::id::Party;
use crate::id::TaskId;
use crate::reason::Reason;
use crate::reason::Refusal;

/// A lease, as its holder sealed it. Its times are for people: whether it is alive is decided by whether `seq`
/// advances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub from: Party,
    /// The sender of the task.
    pub to: Party,
    /// The task.
    pub task_id: TaskId,
    /// Digest of the whole sealed task file.
    pub task_sha256: Digest,
    /// Which attempt holds it.
    pub attempt: u32,
    /// Fencing token: grows with every take.
    pub epoch: u64,
    /// The claim it belongs to.
    pub claim: Option<ClaimName>,
    /// The watcher that writes it; another one in the same file means two nodes of one name.
    pub instance: Option<Nonce>,
    /// Grows with every rewrite.
    pub seq: Option<u64>,
    /// When it was written.
    pub created: Timestamp,
    /// When the writer means to have rewritten it.
    pub expires: Timestamp,
}

impl Lease {
    /// Returns where it belongs.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            from: self.from.clone(),
            to: self.to.clone(),
            kind: Kind::Lease,
        }
    }

    /// Returns the bytes to seal.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        Body::of(Kind::Lease)
            .parties(&self.from, &self.to)
            .show("task_id", &self.task_id)
            .show("task_sha256", &self.task_sha256)
            .put("attempt", self.attempt)
            .put("epoch", self.epoch)
            .maybe("claim", self.claim.as_ref().map(ClaimName::stem))
            .maybe_show("instance", self.instance.as_ref())
            .maybe("seq", self.seq)
            .show("created", &self.created)
            .show("expires", &self.expires)
            .bytes()
    }

    /// Reads a verified lease. Its times are not compared with any clock.
    ///
    /// # Errors
    /// `E_JSON`, `E_SCHEMA`, `E_KIND`, `E_LANE`, `E_ID`, `E_TIME`, `E_TTL`, `E_RANGE`, `E_CTRL`, `E_BIDI`.
    pub fn read(members: Members<'_>, _rules: &Rules) -> Result<Self, Refusal> {
        let Members {
            mut object,
            deferred,
            context,
        } = members;
        let head = Head::take(&mut object)?;
        let id = object.text("task_id")?;
        let task_sha256 = digest("task_sha256", &object.text("task_sha256")?)?;
        let (attempt, epoch) = (object.number("attempt")?, object.number("epoch")?);
        let claim = object.maybe_text("claim")?;
        let instance = object.maybe_text("instance")?.map(|text| instance(&text));
        let instance = instance.transpose()?;
        let seq = object.maybe_number("seq")?;
        let (created, expires) = (object.text("created")?, object.text("expires")?);
        object.finish()?;
        head.check(context)?;
        let task_id = task_id("task_id", &id)?;
        let claim = claim.map(|text| stem(&text)).transpose()?;
        let span = Span::parse(&created, &expires)?;
        span.check_order()?;
        deferred.numbers()?;
        let attempt = narrow("attempt", attempt)?;
        deferred.letters()?;
        Ok(Self {
            from: context.from.clone(),
            to: context.to.clone(),
            task_id,
            task_sha256,
            attempt,
            epoch,
            claim,
            instance,
            seq,
            created: span.created,
            expires: span.expires,
        })
    }
}

/// Reads the instance of a watcher.
pub(super) fn instance(text: &str) -> Result<Nonce, Refusal> {
    Nonce::parse(text).map_err(|_| strict::wrong("instance", "16 lower-case hexadecimal digits"))
}

/// Reads the name of a claim without `.json`.
pub(super) fn stem(text: &str) -> Result<ClaimName, Refusal> {
    ClaimName::parse_stem(text)
        .ok_or_else(|| Refusal::new(Reason::Id, &format!("'claim': '{text}'")))
}
