//! The seal: what is computed over which bytes, and where in a file it stands (`docs/ENVELOPE.md`, sections 3 to 5).
//!
//! Everything here works on slices, from the end of the file. No parser runs, nothing is allocated by what a stranger
//! wrote, and nothing but `kid` is believed before the code matches.

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::document::Context;
use crate::id::KeyId;
use crate::reason::Reason;
use crate::reason::Refusal;

mod signature;

pub use signature::is_fit;
pub use signature::public_of;

/// What is sealed first, so that no other use of the same key can be confused with a document.
const DOMAIN: &[u8] = b"dispatch/v3";
const OPENING: &[u8] = b"{\n";
const BEFORE: &[u8] = b",\n  \"auth\": \"";
const AFTER: &[u8] = b"\"\n}\n";
const TAG_MAX: usize = 64;
const KID_MAX: usize = 32;

/// How a seal is made. It is a property of the key that the seal names; a reader never lets a document choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// HMAC-SHA256 (RFC 2104) under a derived key: who can check it could have made it.
    Hs256,
    /// Ed25519 (RFC 8032): who checks it holds only the public half.
    Ed25519,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hs256, Self::Ed25519];

    /// Returns the word that stands in a seal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "hs256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Returns how many bytes a tag has.
    const fn tag_len(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Ed25519 => 64,
        }
    }
}

/// `PAE(p1..pn) = dec(n) ":" , then for each p: dec(len(p)) ":" p ","`: an encoding of a list of byte strings that is
/// different for different lists.
#[must_use]
pub fn pae(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + parts.iter().map(|part| part.len() + 8).sum::<usize>());
    out.extend_from_slice(format!("{}:", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("{}:", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.push(b',');
    }
    out
}

/// `K = HKDF-SHA256(secret, salt "dispatch/v3", info PAE("key", alg, kid, from, to, kind))`, 32 bytes (RFC 5869).
#[must_use]
pub fn derive(secret: &[u8], kid: &KeyId, context: &Context) -> Zeroizing<[u8; 32]> {
    let info = pae(&[
        b"key",
        Method::Hs256.as_str().as_bytes(),
        kid.as_str().as_bytes(),
        context.from.as_str().as_bytes(),
        context.to.as_str().as_bytes(),
        context.kind.as_str().as_bytes(),
    ]);
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Hkdf::<Sha256>::new(Some(DOMAIN), secret)
        .expand(&info, key.as_mut_slice())
        .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 can give");
    key
}

/// Returns what a seal is computed over: the method, the key, the place and the body, each with its length.
fn covered(method: Method, kid: &KeyId, context: &Context, body: &[u8]) -> Vec<u8> {
    pae(&[
        DOMAIN,
        method.as_str().as_bytes(),
        kid.as_str().as_bytes(),
        context.from.as_str().as_bytes(),
        context.to.as_str().as_bytes(),
        context.kind.as_str().as_bytes(),
        body,
    ])
}

fn mac(secret: &[u8], kid: &KeyId, context: &Context, body: &[u8]) -> Hmac<Sha256> {
    let key = derive(secret, kid, context);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice())
        .expect("HMAC takes a key of any length (RFC 2104 section 2)");
    mac.update(&covered(Method::Hs256, kid, context, body));
    mac
}

/// A file cut into its parts. Nothing in it is true yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Every byte that the seal covers.
    pub body: &'a [u8],
    /// Which key is said to have made it.
    pub kid: KeyId,
    /// How it is said to have been made.
    pub method: Method,
    tag: [u8; TAG_MAX],
}

impl<'a> Frame<'a> {
    /// Cuts a file: `BODY ,\n  "auth": "<method>:<kid>:<hex>"\n}\n`.
    ///
    /// # Errors
    /// [`Reason::Frame`]; [`Reason::V2Off`] for what looks like an envelope of the original.
    pub fn cut(file: &'a [u8]) -> Result<Self, Refusal> {
        Self::try_cut(file).map_err(|what| {
            if looks_like_v2(file) {
                Refusal::new(Reason::V2Off, "")
            } else {
                Refusal::new(Reason::Frame, what)
            }
        })
    }

    fn try_cut(file: &'a [u8]) -> Result<Self, &'static str> {
        if !file.starts_with(OPENING) {
            return Err("it does not begin with '{' and a line feed");
        }
        let rest = file
            .strip_suffix(AFTER)
            .ok_or("it is cut short or its end was changed")?;
        let (rest, digits) = after_colon(rest, 2 * TAG_MAX).ok_or("its seal has no key id")?;
        let (rest, kid) = after_colon(rest, KID_MAX).ok_or("its seal has no key id")?;
        let kid = std::str::from_utf8(kid).ok();
        let kid = kid
            .and_then(|text| KeyId::parse(text).ok())
            .ok_or("its key id is not one")?;
        let (method, body) = Method::ALL
            .into_iter()
            .find_map(|method| {
                let rest = rest.strip_suffix(method.as_str().as_bytes())?;
                Some((method, rest.strip_suffix(BEFORE)?))
            })
            .ok_or("its last line is not a seal")?;
        // The brace and line feed that open the file must not be the bytes that the seal's own line begins with.
        if body.len() < OPENING.len() {
            return Err("it is too short");
        }
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let mut tag = [0; TAG_MAX];
        let room = &mut tag[..method.tag_len()];
        if !digits.iter().all(is_digit) || hex::decode_to_slice(digits, room).is_err() {
            return Err("its seal does not have the lower-case hexadecimal digits of its method");
        }
        Ok(Self {
            body,
            kid,
            method,
            tag,
        })
    }

    /// Returns whether this secret made the seal for this place, by [`Method::Hs256`]. The comparison takes the same
    /// time wherever they differ.
    #[must_use]
    pub fn is_sealed_by(&self, secret: &[u8], context: &Context) -> bool {
        self.method == Method::Hs256
            && mac(secret, &self.kid, context, self.body)
                .verify_slice(&self.tag[..Method::Hs256.tag_len()])
                .is_ok()
    }

    /// Returns whether the holder of the seed of this public half made the seal for this place, by
    /// [`Method::Ed25519`].
    #[must_use]
    pub fn is_signed_by(&self, public: &[u8; 32], context: &Context) -> bool {
        let message = covered(Method::Ed25519, &self.kid, context, self.body);
        self.method == Method::Ed25519 && signature::holds(public, &message, &self.tag)
    }
}

/// Cuts off what stands behind the last colon, where that is at most so long.
fn after_colon(text: &[u8], most: usize) -> Option<(&[u8], &[u8])> {
    let tail = text.len().saturating_sub(most + 1);
    let colon = tail + text[tail..].iter().rposition(|byte| *byte == b':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

/// `"hmac":` is where the original keeps its code; a v3 document never has such a member, framed or not.
fn looks_like_v2(file: &[u8]) -> bool {
    let text = file.trim_ascii();
    text.starts_with(b"{")
        && text.ends_with(b"}")
        && text.windows(7).any(|window| window == b"\"hmac\":")
}

/// Puts a seal under a body, by [`Method::Hs256`].
#[must_use]
pub fn seal(secret: &[u8], kid: &KeyId, context: &Context, body: &[u8]) -> Vec<u8> {
    let tag = mac(secret, kid, context, body).finalize().into_bytes();
    framed(Method::Hs256, kid, body, &tag)
}

/// Puts a seal under a body, by [`Method::Ed25519`].
#[must_use]
pub fn sign(seed: &[u8; 32], kid: &KeyId, context: &Context, body: &[u8]) -> Vec<u8> {
    let tag = signature::make(seed, &covered(Method::Ed25519, kid, context, body));
    framed(Method::Ed25519, kid, body, &tag)
}

fn framed(method: Method, kid: &KeyId, body: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(body.len() + overhead(method, kid));
    file.extend_from_slice(body);
    file.extend_from_slice(BEFORE);
    file.extend_from_slice(method.as_str().as_bytes());
    file.push(b':');
    file.extend_from_slice(kid.as_str().as_bytes());
    file.push(b':');
    file.extend_from_slice(hex::encode(tag).as_bytes());
    file.extend_from_slice(AFTER);
    file
}

/// Returns how many bytes a seal adds to its body.
#[must_use]
pub fn overhead(method: Method, kid: &KeyId) -> usize {
    let (word, kid) = (method.as_str().len(), kid.as_str().len());
    BEFORE.len() + word + kid + 2 + 2 * method.tag_len() + AFTER.len()
}
