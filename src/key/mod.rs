//! A key: what one party of a link proves itself to the other by, with what it may be used for.
//!
//! Either a secret that both share, or a pair of halves: one party signs with the seed, the other holds the public half
//! and can only check. This file owns what a key *is* and its text form. Where keys lie and who else could read them is
//! [`mod@file`]. A secret is wiped from memory when dropped, and is never shown: people compare [`Key::fingerprint`]s.

mod error;
pub mod file;
mod place;

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::document::Context;
use crate::document::Kind;
use crate::id::Digest;
use crate::id::KeyId;
use crate::id::Party;
use crate::outcome::words;
use crate::seal;
use crate::seal::Frame;
use crate::seal::Method;
use crate::seal::pae;

pub use error::Error;
pub use file::Guard;
pub use file::Storage;
pub use place::synced;

/// Shortest secret, in bytes: as long as the output of the hash (RFC 2104 section 3).
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;
/// Bytes of a seed and of a public half (RFC 8032 section 5.1.5).
pub const HALF_BYTES: usize = 32;
/// Largest key file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 * 1024;
/// Version of the text form.
const FORMAT: u32 = 1;

words! {
    /// What a key computes.
    Alg {
        /// Seals of version 3.
        Hs256 = "hs256",
        /// Signatures of version 3: one of the two parties makes them, the other only checks.
        Ed25519 = "ed25519",
        /// The code of the original's envelope; the secret is a text.
        V2 = "v2",
    }
}

words! {
    /// What a key may be used for. A key that only verifies is the overlap of a rotation.
    Use {
        /// To make seals.
        Sign = "sign",
        /// To check them.
        Verify = "verify",
    }
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKey {
    /// Not the text form of a key.
    #[error("not a key file: {0}")]
    Form(String),
    /// A version this program does not know.
    #[error("not a version 1 key file: schema {0}")]
    Version(u32),
    /// Both parties are the same, or neither is a node.
    #[error("not the two parties of a link: '{0}' and '{1}'")]
    Peers(Party, Party),
    /// Shorter than [`SECRET_BYTES_MIN`].
    #[error("secret has {0} bytes, fewer than {SECRET_BYTES_MIN}")]
    Short(usize),
    /// Longer than [`SECRET_BYTES_MAX`].
    #[error("secret has {0} bytes, more than {SECRET_BYTES_MAX}")]
    Long(usize),
    /// The same byte throughout: a disk of zeros, not a secret.
    #[error("secret is one byte repeated")]
    Constant,
    /// Members of a secret and of halves together, or too few of them.
    #[error("not the members of {0} key")]
    Members(&'static str),
    /// The public half is not that of the seed.
    #[error("public half is not that of the secret one")]
    Halves,
    /// No honest signer has such a public half.
    #[error("public half is not the encoding of a point of the prime-order group")]
    Point,
    /// It would never be good.
    #[error("not_after is not later than not_before")]
    Window,
    /// It may be used for nothing.
    #[error("use is empty")]
    Unused,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name among the keys of the same two parties.
    pub kid: KeyId,
    /// What it computes.
    pub alg: Alg,
    /// Who shares it: two nodes, an approver and a node, or a node and a pool.
    pub peers: [Party; 2],
    /// When it was made.
    pub created: Timestamp,
    /// Not good before this.
    pub not_before: Option<Timestamp>,
    /// Not good after this.
    pub not_after: Option<Timestamp>,
    /// What it may be used for.
    pub uses: Vec<Use>,
    /// The shared secret, or the seed; empty where only the public half is held.
    secret: Zeroizing<Vec<u8>>,
    /// Who signs, and the public half, where it is a pair of halves.
    halves: Option<(Party, [u8; HALF_BYTES])>,
}

/// The text form: one JSON object.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    schema: u32,
    kid: KeyId,
    alg: Alg,
    peers: [Party; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Zeroizing<String>>,
    created: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    #[serde(rename = "use")]
    uses: Vec<Use>,
}

impl Key {
    /// Makes a key for signing and verifying, without an end. Of an [`Alg::Ed25519`] key the first of the two parties
    /// signs, and the secret is its seed.
    ///
    /// # Errors
    /// [`BadKey`] where the parties or the secret are not fit.
    pub fn new(
        kid: KeyId,
        alg: Alg,
        peers: [Party; 2],
        created: Timestamp,
        secret: Vec<u8>,
    ) -> Result<Self, BadKey> {
        let secret = Zeroizing::new(secret);
        let halves = match alg {
            Alg::Ed25519 => Some((peers[0].clone(), seal::public_of(seed(&secret)?))),
            Alg::Hs256 | Alg::V2 => None,
        };
        Self {
            kid,
            alg,
            peers,
            created,
            not_before: None,
            not_after: None,
            uses: vec![Use::Sign, Use::Verify],
            secret,
            halves,
        }
        .checked()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn parse(text: &[u8]) -> Result<Self, BadKey> {
        // The parser's message quotes what it does not understand, and that may be the secret: only the place is told.
        let form: Form = serde_json::from_slice(text).map_err(|error| {
            BadKey::Form(format!("line {} column {}", error.line(), error.column()))
        })?;
        if form.schema != FORMAT {
            return Err(BadKey::Version(form.schema));
        }
        let (secret, halves) = form.material()?;
        Self {
            kid: form.kid,
            alg: form.alg,
            peers: form.peers,
            created: form.created,
            not_before: form.not_before,
            not_after: form.not_after,
            uses: form.uses,
            secret,
            halves,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, BadKey> {
        let [one, other] = &self.peers;
        let nodes = [one, other]
            .iter()
            .filter(|peer| peer.node().is_some())
            .count();
        if one == other || nodes == 0 {
            return Err(BadKey::Peers(one.clone(), other.clone()));
        }
        match &self.halves {
            Some((signer, public)) => {
                if !self.peers.contains(signer) {
                    return Err(BadKey::Peers(one.clone(), other.clone()));
                }
                if !seal::is_fit(public) {
                    return Err(BadKey::Point);
                }
                // A public half signs nothing.
                if self.secret.is_empty() && self.uses.contains(&Use::Sign) {
                    return Err(BadKey::Members("a signing"));
                }
            }
            None => check_length(&self.secret)?,
        }
        if !self.secret.is_empty() && self.secret.iter().all(|byte| *byte == self.secret[0]) {
            return Err(BadKey::Constant);
        }
        if let (Some(from), Some(until)) = (self.not_before, self.not_after)
            && until <= from
        {
            return Err(BadKey::Window);
        }
        if self.uses.is_empty() {
            return Err(BadKey::Unused);
        }
        Ok(self)
    }

    /// Returns the text form, secret included. It belongs in a key file or in a pipe to one, nowhere else.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let secret = match self.alg {
            Alg::V2 => Some(String::from_utf8_lossy(&self.secret).into_owned()),
            Alg::Hs256 => Some(hex::encode(self.secret.as_slice())),
            Alg::Ed25519 => self.can_sign().then(|| hex::encode(self.secret.as_slice())),
        };
        let (signer, public) = self.halves.clone().unzip();
        let form = Form {
            schema: FORMAT,
            kid: self.kid.clone(),
            alg: self.alg,
            peers: self.peers.clone(),
            signer,
            public: public.map(hex::encode),
            secret: secret.map(Zeroizing::new),
            created: self.created,
            not_before: self.not_before,
            not_after: self.not_after,
            uses: self.uses.clone(),
        };
        // Set aside at once: a buffer that grows leaves copies of the secret behind.
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX));
        let written = serde_json::to_writer_pretty(&mut *text, &form);
        written.expect("a form of texts and lists is JSON, and a vector takes it");
        text.push(b'\n');
        Zeroizing::new(String::from_utf8_lossy(&text).into_owned())
    }

    /// Returns the secret, for the functions that compute with it.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Returns who signs with it, where it is a pair of halves.
    #[must_use]
    pub fn signer(&self) -> Option<&Party> {
        self.halves.as_ref().map(|(signer, _)| signer)
    }

    /// Returns whether a secret is here to make seals with: not where only the public half is held.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        !self.secret.is_empty()
    }

    /// Returns the same key without its seed, for whoever is only to check; `None` where there are no halves.
    #[must_use]
    pub fn public_half(&self) -> Option<Self> {
        self.halves.as_ref()?;
        Some(Self {
            uses: vec![Use::Verify],
            secret: Zeroizing::default(),
            ..self.clone()
        })
    }

    /// Returns by which method it seals; `None` for a key of the original, which seals nothing.
    #[must_use]
    pub const fn method(&self) -> Option<Method> {
        match self.alg {
            Alg::Hs256 => Some(Method::Hs256),
            Alg::Ed25519 => Some(Method::Ed25519),
            Alg::V2 => None,
        }
    }

    /// Returns whether this key made the seal of a file for this place.
    #[must_use]
    pub fn made(&self, frame: &Frame<'_>, context: &Context) -> bool {
        match (self.alg, &self.halves) {
            (Alg::Hs256, None) => frame.is_sealed_by(&self.secret, context),
            (Alg::Ed25519, Some((_, public))) => frame.is_signed_by(public, context),
            _ => false,
        }
    }

    /// Puts a seal under a body; `None` where this key makes none.
    #[must_use]
    pub fn seal(&self, context: &Context, body: &[u8]) -> Option<Vec<u8>> {
        match self.alg {
            Alg::Hs256 => Some(seal::seal(&self.secret, &self.kid, context, body)),
            Alg::Ed25519 => {
                let seed = seed(&self.secret).ok()?;
                Some(seal::sign(seed, &self.kid, context, body))
            }
            Alg::V2 => None,
        }
    }

    /// Returns sixteen digits by which two people can tell that they hold the same key, or halves of the same pair.
    /// Nobody can guess a secret by it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        if let Some((signer, public)) = &self.halves {
            let [one, other] = &self.peers;
            let reader = if signer == one { other } else { one };
            return fingerprint(&pae(&[
                b"dispatch/v3 fingerprint",
                self.alg.as_str().as_bytes(),
                self.kid.as_str().as_bytes(),
                signer.as_str().as_bytes(),
                reader.as_str().as_bytes(),
                public,
            ]));
        }
        let peers = self.sorted_peers();
        fingerprint(&pae(&[
            b"dispatch/v3 fingerprint",
            self.alg.as_str().as_bytes(),
            self.kid.as_str().as_bytes(),
            peers[0].as_str().as_bytes(),
            peers[1].as_str().as_bytes(),
            &self.secret,
        ]))
    }

    /// Returns the two parties in one order, whatever the order in the file.
    #[must_use]
    pub fn sorted_peers(&self) -> [&Party; 2] {
        let [one, other] = &self.peers;
        if one <= other {
            [one, other]
        } else {
            [other, one]
        }
    }

    /// Returns the same key for other uses.
    #[must_use]
    pub fn with_uses(&self, uses: Vec<Use>) -> Self {
        Self {
            uses,
            ..self.clone()
        }
    }

    /// Returns whether a key of these parties may speak in this place: an approver's key only for acks of that
    /// approver, a pool's key only for tasks to it, a link's key for everything else; and where it signs, only for what
    /// its signer says.
    #[must_use]
    pub fn serves(&self, context: &Context) -> bool {
        let Context { from, to, kind } = context;
        let both = |one: &Party, other: &Party| one == from && other == to;
        let [one, other] = &self.peers;
        if !both(one, other) && !both(other, one) {
            return false;
        }
        if self.signer().is_some_and(|signer| signer != from) {
            return false;
        }
        match (from.node(), to.node()) {
            (Some(_), Some(_)) => *kind != Kind::Ack,
            (None, Some(_)) => from.approver().is_some() && *kind == Kind::Ack,
            (Some(_), None) => to.approver().is_none() && *kind == Kind::Task,
            (None, None) => false,
        }
    }

    /// Returns whether the key is good at a moment, for a use.
    #[must_use]
    pub fn is_good(&self, at: Timestamp, for_use: Use) -> bool {
        self.uses.contains(&for_use)
            && (for_use == Use::Verify || self.can_sign())
            && self.not_before.is_none_or(|from| from <= at)
            && self.not_after.is_none_or(|until| at <= until)
    }
}

impl Form {
    /// Reads what the key computes with: the secret, and who signs with which halves.
    #[expect(clippy::type_complexity, reason = "the two private members of a key")]
    fn material(&self) -> Result<(Zeroizing<Vec<u8>>, Option<(Party, [u8; HALF_BYTES])>), BadKey> {
        let secret = match (&self.secret, self.alg) {
            (Some(text), Alg::V2) => Zeroizing::new(text.trim().as_bytes().to_vec()),
            (Some(text), Alg::Hs256 | Alg::Ed25519) => Zeroizing::new(
                hex::decode(text.as_bytes())
                    .map_err(|_| BadKey::Form("the secret is not hexadecimal".to_owned()))?,
            ),
            (None, _) => Zeroizing::default(),
        };
        let (signer, public) = match (&self.signer, &self.public, self.alg) {
            (Some(signer), Some(public), Alg::Ed25519) => (signer, public),
            (None, None, Alg::Hs256 | Alg::V2) => return Ok((secret, None)),
            (_, _, Alg::Ed25519) => return Err(BadKey::Members("a signing")),
            (_, _, Alg::Hs256 | Alg::V2) => return Err(BadKey::Members("a secret")),
        };
        let mut half = [0; HALF_BYTES];
        hex::decode_to_slice(public, &mut half)
            .map_err(|_| BadKey::Form("the public half is not 64 digits".to_owned()))?;
        if !secret.is_empty() && seal::public_of(seed(&secret)?) != half {
            return Err(BadKey::Halves);
        }
        Ok((secret, Some((signer.clone(), half))))
    }
}

fn check_length(secret: &[u8]) -> Result<(), BadKey> {
    match secret.len() {
        short if short < SECRET_BYTES_MIN => Err(BadKey::Short(short)),
        long if long > SECRET_BYTES_MAX => Err(BadKey::Long(long)),
        _ => Ok(()),
    }
}

fn seed(secret: &[u8]) -> Result<&[u8; HALF_BYTES], BadKey> {
    secret.try_into().map_err(|_| match secret.len() {
        short if short < HALF_BYTES => BadKey::Short(short),
        long => BadKey::Long(long),
    })
}

fn fingerprint(text: &[u8]) -> String {
    Digest::of(text).to_string().chars().take(16).collect()
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.peers;
        write!(
            out,
            "Key({} {} {one} {other} {})",
            self.alg,
            self.kid,
            self.fingerprint()
        )
    }
}
