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

/// The one algorithm of a seal here: HMAC-SHA256 (RFC 2104) under a derived key.
pub const ALG: &str = "hs256";
/// What is sealed first, so that no other use of the same key can be confused with a document.
const DOMAIN: &[u8] = b"dispatch/v3";
const OPENING: &[u8] = b"{\n";
const BEFORE: &[u8] = b",\n  \"auth\": \"hs256:";
const AFTER: &[u8] = b"\"\n}\n";
const HEX: usize = 64;
const KID_MAX: usize = 32;

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
        ALG.as_bytes(),
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

fn mac(secret: &[u8], kid: &KeyId, context: &Context, body: &[u8]) -> Hmac<Sha256> {
    let key = derive(secret, kid, context);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice())
        .expect("HMAC takes a key of any length (RFC 2104 section 2)");
    mac.update(&pae(&[
        DOMAIN,
        ALG.as_bytes(),
        kid.as_str().as_bytes(),
        context.from.as_str().as_bytes(),
        context.to.as_str().as_bytes(),
        context.kind.as_str().as_bytes(),
        body,
    ]));
    mac
}

/// A file cut into its parts. Nothing in it is true yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Every byte that the seal covers.
    pub body: &'a [u8],
    /// Which key is said to have made it.
    pub kid: KeyId,
    tag: [u8; 32],
}

impl<'a> Frame<'a> {
    /// Cuts a file: `BODY ,\n  "auth": "hs256:<kid>:<64 hex>"\n}\n`.
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
        let split = rest.len().checked_sub(HEX).ok_or("it is too short")?;
        let (rest, digits) = rest.split_at(split);
        if !digits
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err("its seal is not 64 lower-case hexadecimal digits");
        }
        let mut tag = [0; 32];
        hex::decode_to_slice(digits, &mut tag).map_err(|_| "its seal is not hexadecimal")?;
        let rest = rest.strip_suffix(b":").ok_or("its seal has no key id")?;
        let tail = &rest[rest.len().saturating_sub(KID_MAX + 1)..];
        let start = tail
            .iter()
            .rposition(|byte| *byte == b':')
            .ok_or("its seal has no key id")?;
        let kid = std::str::from_utf8(&tail[start + 1..]).ok();
        let kid = kid
            .and_then(|text| KeyId::parse(text).ok())
            .ok_or("its key id is not one")?;
        let rest = &rest[..rest.len() - kid.as_str().len()];
        let body = rest
            .strip_suffix(BEFORE)
            .ok_or("its last line is not an hs256 seal")?;
        // The brace and line feed that open the file must not be the bytes that the seal's own line begins with.
        if body.len() < OPENING.len() {
            return Err("it is too short");
        }
        Ok(Self { body, kid, tag })
    }

    /// Returns whether this secret made the seal for this place. The comparison takes the same time wherever they
    /// differ.
    #[must_use]
    pub fn is_sealed_by(&self, secret: &[u8], context: &Context) -> bool {
        mac(secret, &self.kid, context, self.body)
            .verify_slice(&self.tag)
            .is_ok()
    }
}

/// `"hmac":` is where the original keeps its code; a v3 document never has such a member, framed or not.
fn looks_like_v2(file: &[u8]) -> bool {
    let text = file.trim_ascii();
    text.starts_with(b"{")
        && text.ends_with(b"}")
        && text.windows(7).any(|window| window == b"\"hmac\":")
}

/// Puts a seal under a body.
#[must_use]
pub fn seal(secret: &[u8], kid: &KeyId, context: &Context, body: &[u8]) -> Vec<u8> {
    let tag = mac(secret, kid, context, body).finalize().into_bytes();
    let mut file = Vec::with_capacity(body.len() + overhead(kid));
    file.extend_from_slice(body);
    file.extend_from_slice(BEFORE);
    file.extend_from_slice(kid.as_str().as_bytes());
    file.push(b':');
    file.extend_from_slice(hex::encode(tag).as_bytes());
    file.extend_from_slice(AFTER);
    file
}

/// Returns how many bytes a seal adds to its body.
#[must_use]
pub fn overhead(kid: &KeyId) -> usize {
    BEFORE.len() + kid.as_str().len() + 1 + HEX + AFTER.len()
}
