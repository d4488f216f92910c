//! Sealed documents, with trust as a type: only an `Envelope<Verified>` can be read, and only [`Envelope::verify`]
//! makes one.
//!
//! ```compile_fail,E0308
//! # use dispatch::envelope::{Envelope, Unverified, Verified};
//! fn run(task: Envelope<Verified>) {}
//! run(Envelope::read(Vec::new())); // an Envelope<Unverified>
//! ```
//!
//! The checks, in the order the format fixes: `E_SIZE`, `E_FRAME` or `E_V2_OFF`, `E_KID`, `E_MAC` here; then those of
//! [`crate::document`]. Nothing here touches a file.

use std::marker::PhantomData;

use crate::clock::Timestamp;
use crate::document::Ack;
use crate::document::Answer;
use crate::document::Cancel;
use crate::document::Grant;
use crate::document::Heartbeat;
use crate::document::Kind;
use crate::document::Lease;
use crate::document::Members;
use crate::document::Receipt;
use crate::document::Release;
use crate::document::Task;
use crate::id::Digest;
use crate::id::KeyId;
use crate::id::TaskId;
use crate::keyring::Keyring;
use crate::limits;
use crate::reason::Reason;
use crate::seal;

pub use crate::document::Context;
pub use crate::document::Rules;
pub use crate::reason::Refusal;

/// Bytes from a stranger.
#[derive(Debug, Clone, Copy)]
pub enum Unverified {}

/// Bytes that the party of the context sealed for this place.
#[derive(Debug, Clone, Copy)]
pub enum Verified {}

/// The bytes of one file, trusted or not.
#[derive(Debug, Clone)]
pub struct Envelope<Trust> {
    bytes: Vec<u8>,
    proof: Option<(KeyId, Context)>,
    trust: PhantomData<Trust>,
}

/// Why nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No key may sign there now.
    #[error("cannot seal a {} from '{}' to '{}': no key may sign it", .0.kind, .0.from, .0.to)]
    NoKey(Context),
    /// A reader would refuse it, so it is not made.
    #[error("cannot seal a {}: {source}", .context.kind)]
    Refused {
        /// Where it was to go.
        context: Context,
        /// What a reader would say.
        source: Refusal,
    },
}

impl Envelope<Unverified> {
    /// Takes bytes as they were read.
    #[must_use]
    pub const fn read(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            proof: None,
            trust: PhantomData,
        }
    }

    /// Checks size, frame, key and seal for the place the bytes were found in. No parser runs.
    ///
    /// # Errors
    /// The first of [`Reason::Size`], [`Reason::Frame`] or [`Reason::V2Off`], [`Reason::Kid`], [`Reason::Mac`].
    pub fn verify(
        self,
        keys: &Keyring,
        context: &Context,
        now: Timestamp,
    ) -> Result<Envelope<Verified>, Refusal> {
        let most = context.kind.bytes_max();
        if self.bytes.len() > most {
            let detail = format!("{} bytes, at most {most}", self.bytes.len());
            return Err(Refusal::new(Reason::Size, &detail));
        }
        let frame = seal::Frame::cut(&self.bytes)?;
        let Some(key) = keys.verifying(&frame.kid, context, now) else {
            return Err(Refusal::new(
                Reason::Kid,
                &format!("key id '{}'", frame.kid),
            ));
        };
        if !frame.is_sealed_by(key.secret(), context) {
            return Err(Refusal::new(
                Reason::Mac,
                &format!("key id '{}'", frame.kid),
            ));
        }
        let proof = Some((frame.kid, context.clone()));
        Ok(Envelope {
            bytes: self.bytes,
            proof,
            trust: PhantomData,
        })
    }
}

impl<Trust> Envelope<Trust> {
    /// Returns the bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the whole file: the identity of these bytes, verified or not.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

impl Envelope<Verified> {
    fn proof(&self) -> &(KeyId, Context) {
        self.proof
            .as_ref()
            .expect("verify, which alone makes this type, puts it there")
    }

    /// Returns the id of the key that made the seal.
    #[must_use]
    pub fn kid(&self) -> &KeyId {
        &self.proof().0
    }

    /// Returns the place that the seal was proved for.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.proof().1
    }

    /// Returns the bytes, for a copy that is executed or kept.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn members(&self, kind: Kind) -> Result<Members<'_>, Refusal> {
        if self.context().kind != kind {
            let detail = format!("sealed as a {}, read as a {kind}", self.context().kind);
            return Err(Refusal::new(Reason::Kind, &detail));
        }
        Members::of_verified(&self.bytes, self.context())
    }

    /// Reads it as a task.
    ///
    /// # Errors
    /// As [`Task::read`].
    pub fn task(&self, rules: &Rules) -> Result<Task, Refusal> {
        Task::read(self.members(Kind::Task)?, rules)
    }

    /// Returns the id that a task says it has, also where it asks for what no receiver gives. A name proves none.
    #[must_use]
    pub fn task_id(&self) -> Option<TaskId> {
        #[derive(serde::Deserialize)]
        struct Named {
            id: String,
        }
        let named: Named = serde_json::from_slice(&self.bytes).ok()?;
        TaskId::parse(&named.id).ok()
    }

    /// Reads it as an ack.
    ///
    /// # Errors
    /// As [`Ack::read`].
    pub fn ack(&self, rules: &Rules) -> Result<Ack, Refusal> {
        Ack::read(self.members(Kind::Ack)?, rules)
    }

    /// Reads it as a result.
    ///
    /// # Errors
    /// As [`Answer::read`].
    pub fn answer(&self, rules: &Rules) -> Result<Answer, Refusal> {
        Answer::read(self.members(Kind::Result)?, rules)
    }

    /// Reads it as a heartbeat.
    ///
    /// # Errors
    /// As [`Heartbeat::read`].
    pub fn heartbeat(&self, rules: &Rules) -> Result<Heartbeat, Refusal> {
        Heartbeat::read(self.members(Kind::Heartbeat)?, rules)
    }

    /// Reads it as a cancel.
    ///
    /// # Errors
    /// As [`Cancel::read`].
    pub fn cancel(&self, rules: &Rules) -> Result<Cancel, Refusal> {
        Cancel::read(self.members(Kind::Cancel)?, rules)
    }

    /// Reads it as a lease.
    ///
    /// # Errors
    /// As [`Lease::read`].
    pub fn lease(&self, rules: &Rules) -> Result<Lease, Refusal> {
        Lease::read(self.members(Kind::Lease)?, rules)
    }

    /// Reads it as a grant.
    ///
    /// # Errors
    /// As [`Grant::read`].
    pub fn grant(&self, rules: &Rules) -> Result<Grant, Refusal> {
        Grant::read(self.members(Kind::Grant)?, rules)
    }

    /// Reads it as a release.
    ///
    /// # Errors
    /// As [`Release::read`].
    pub fn release(&self, rules: &Rules) -> Result<Release, Refusal> {
        Release::read(self.members(Kind::Release)?, rules)
    }

    /// Reads it as a receipt.
    ///
    /// # Errors
    /// As [`Receipt::read`].
    pub fn receipt(&self, rules: &Rules) -> Result<Receipt, Refusal> {
        Receipt::read(self.members(Kind::Receipt)?, rules)
    }

    /// Reads it as whatever kind it was sealed as, and says only whether a reader takes it.
    ///
    /// # Errors
    /// As the reader of its kind; [`Reason::Kind`] for the reserved kinds, which have no reader.
    pub fn check(&self, rules: &Rules) -> Result<(), Refusal> {
        match self.context().kind {
            Kind::Task => self.task(rules).map(drop),
            Kind::Ack => self.ack(rules).map(drop),
            Kind::Result => self.answer(rules).map(drop),
            Kind::Heartbeat => self.heartbeat(rules).map(drop),
            Kind::Cancel => self.cancel(rules).map(drop),
            Kind::Lease => self.lease(rules).map(drop),
            Kind::Grant => self.grant(rules).map(drop),
            Kind::Release => self.release(rules).map(drop),
            Kind::Receipt => self.receipt(rules).map(drop),
            kind => Err(Refusal::new(Reason::Kind, &format!("{kind} is reserved"))),
        }
    }
}

/// Seals a body with the newest key that may sign in this place. What a reader with the default rules would refuse is
/// not sealed; times are not compared with the clock.
///
/// # Errors
/// [`Error::NoKey`], [`Error::Refused`]
pub fn seal(
    keys: &Keyring,
    context: &Context,
    now: Timestamp,
    body: &[u8],
) -> Result<Vec<u8>, Error> {
    seal_padded(keys, context, now, body, 0)
}

/// Seals a heartbeat or a lease to exactly [`limits::BEAT_BYTES`], with spaces before the seal, so that it can be
/// rewritten in place.
///
/// # Errors
/// As [`seal()`]; [`Reason::Size`] where the body does not fit.
pub fn seal_beat(
    keys: &Keyring,
    context: &Context,
    now: Timestamp,
    body: &[u8],
) -> Result<Vec<u8>, Error> {
    let file = seal_padded(keys, context, now, body, limits::BEAT_BYTES)?;
    if file.len() == limits::BEAT_BYTES {
        return Ok(file);
    }
    let detail = format!("{} bytes, at most {}", file.len(), limits::BEAT_BYTES);
    Err(Error::Refused {
        context: context.clone(),
        source: Refusal::new(Reason::Size, &detail),
    })
}

fn seal_padded(
    keys: &Keyring,
    context: &Context,
    now: Timestamp,
    body: &[u8],
    length: usize,
) -> Result<Vec<u8>, Error> {
    let key = keys
        .signing(context, now)
        .ok_or_else(|| Error::NoKey(context.clone()))?;
    let mut body = body.to_vec();
    let padded = length.saturating_sub(seal::overhead(&key.kid));
    body.resize(body.len().max(padded), b' ');
    let file = seal::seal(key.secret(), &key.kid, context, &body);
    let refused = |source| Error::Refused {
        context: context.clone(),
        source,
    };
    let most = context.kind.bytes_max();
    if file.len() > most {
        let detail = format!("{} bytes, at most {most}", file.len());
        return Err(refused(Refusal::new(Reason::Size, &detail)));
    }
    let frame = seal::Frame::cut(&file).map_err(refused)?;
    let sealed = Envelope::<Verified> {
        proof: Some((frame.kid, context.clone())),
        bytes: file,
        trust: PhantomData,
    };
    sealed.check(&Rules::recorded()).map_err(refused)?;
    Ok(sealed.bytes)
}
