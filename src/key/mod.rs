//! A key: one secret that two parties share, with what it may be used for.
//!
//! This file owns what a key *is* and its text form. Where keys lie and who else could read them is
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
use crate::seal::pae;

pub use error::Error;
pub use file::Guard;
pub use file::Storage;
pub use place::synced;

/// Shortest secret, in bytes: as long as the output of the hash (RFC 2104 section 3).
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;
/// Largest key file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 * 1024;
/// Version of the text form.
const FORMAT: u32 = 1;

words! {
    /// What a key computes.
    Alg {
        /// Seals of version 3.
        Hs256 = "hs256",
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
    secret: Zeroizing<Vec<u8>>,
}

/// The text form: one JSON object.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    schema: u32,
    kid: KeyId,
    alg: Alg,
    peers: [Party; 2],
    secret: Zeroizing<String>,
    created: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    #[serde(rename = "use")]
    uses: Vec<Use>,
}

impl Key {
    /// Makes a key for signing and verifying, without an end.
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
        Self {
            kid,
            alg,
            peers,
            created,
            not_before: None,
            not_after: None,
            uses: vec![Use::Sign, Use::Verify],
            secret: Zeroizing::new(secret),
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
        let secret = match form.alg {
            Alg::V2 => form.secret.trim().as_bytes().to_vec(),
            Alg::Hs256 => hex::decode(form.secret.as_bytes())
                .map_err(|_| BadKey::Form("the secret is not hexadecimal".to_owned()))?,
        };
        Self {
            kid: form.kid,
            alg: form.alg,
            peers: form.peers,
            created: form.created,
            not_before: form.not_before,
            not_after: form.not_after,
            uses: form.uses,
            secret: Zeroizing::new(secret),
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
        match self.secret.len() {
            short if short < SECRET_BYTES_MIN => return Err(BadKey::Short(short)),
            long if long > SECRET_BYTES_MAX => return Err(BadKey::Long(long)),
            _ => {}
        }
        if self.secret.iter().all(|byte| *byte == self.secret[0]) {
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
            Alg::V2 => String::from_utf8_lossy(&self.secret).into_owned(),
            Alg::Hs256 => hex::encode(self.secret.as_slice()),
        };
        let form = Form {
            schema: FORMAT,
            kid: self.kid.clone(),
            alg: self.alg,
            peers: self.peers.clone(),
            secret: Zeroizing::new(secret),
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

    /// Returns sixteen digits by which two people can tell that they hold the same key, and nobody can guess it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let peers = self.sorted_peers();
        let digest = Digest::of(&pae(&[
            b"dispatch/v3 fingerprint",
            self.alg.as_str().as_bytes(),
            self.kid.as_str().as_bytes(),
            peers[0].as_str().as_bytes(),
            peers[1].as_str().as_bytes(),
            &self.secret,
        ]));
        digest.to_string().chars().take(16).collect()
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
    /// approver, a pool's key only for tasks to it, a link's key for everything else.
    #[must_use]
    pub fn serves(&self, context: &Context) -> bool {
        let Context { from, to, kind } = context;
        let both = |one: &Party, other: &Party| one == from && other == to;
        let [one, other] = &self.peers;
        if !both(one, other) && !both(other, one) {
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
            && self.not_before.is_none_or(|from| from <= at)
            && self.not_after.is_none_or(|until| at <= until)
    }
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
