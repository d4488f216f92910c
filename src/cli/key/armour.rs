//! The text in which a key travels through a pipe or a terminal: two marked lines around the key file's own text.
//!
//! What stands around the marks is ignored, so that the greeting of a login shell does no harm. The last line repeats
//! the fingerprint: a text that was cut or retyped wrongly is noticed.

use zeroize::Zeroizing;

use crate::key::BadKey;
use crate::key::FILE_BYTES_MAX;
use crate::key::Key;

const BEGIN: &str = "-----BEGIN DISPATCH KEY-----";
const END: &str = "-----END DISPATCH KEY ";
const TAIL: &str = "-----";
/// Most text that is read for keys, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 16 * FILE_BYTES_MAX;

/// Why a text holds no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadArmour {
    /// There is no marked line.
    #[error("no line '{BEGIN}'")]
    NoBegin,
    /// There is a beginning without an end.
    #[error("no line '{END}...' after the beginning: the text was cut")]
    NoEnd,
    /// What is inside is not a key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The key is not the one that was sent.
    #[error("the fingerprint in the last line is not that of the key: the text was changed")]
    Fingerprint,
}

/// Returns the text of a key, for one reader.
pub(super) fn wrap(key: &Key) -> Zeroizing<String> {
    let mut armour = Zeroizing::new(String::with_capacity(2 * FILE_BYTES_MAX));
    let (text, fingerprint) = (key.text(), key.fingerprint());
    for part in [
        BEGIN,
        "\n",
        text.as_str(),
        END,
        fingerprint.as_str(),
        TAIL,
        "\n",
    ] {
        armour.push_str(part);
    }
    armour
}

/// Returns every key of a text.
pub(super) fn unwrap(text: &str) -> Result<Vec<Key>, BadArmour> {
    let mut keys = Vec::new();
    let mut inside: Option<Zeroizing<String>> = None;
    for line in text.lines() {
        let line = line.trim_end();
        if line == BEGIN {
            inside = Some(Zeroizing::new(String::with_capacity(FILE_BYTES_MAX)));
        } else if let Some(rest) = line.strip_prefix(END) {
            let body = inside.take().ok_or(BadArmour::NoBegin)?;
            let key = Key::parse(body.as_bytes())?;
            if rest.strip_suffix(TAIL) != Some(key.fingerprint().as_str()) {
                return Err(BadArmour::Fingerprint);
            }
            keys.push(key);
        } else if let Some(body) = &mut inside {
            // A text without an end must not grow beyond what was set aside for it: that would leave a copy behind.
            if body.len() + line.len() + 1 > FILE_BYTES_MAX {
                return Err(BadArmour::NoEnd);
            }
            body.push_str(line);
            body.push('\n');
        }
    }
    if inside.is_some() {
        return Err(BadArmour::NoEnd);
    }
    if keys.is_empty() {
        Err(BadArmour::NoBegin)
    } else {
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::KeyId;
    use crate::id::Party;
    use crate::key::Alg;

    fn key(kid: &str) -> Key {
        let peers = ["devbox", "gpubox"].map(|name| Party::parse(name).unwrap());
        let kid = KeyId::parse(kid).unwrap();
        Key::new(
            kid,
            Alg::Hs256,
            peers,
            Timestamp::from_unix(0),
            (0..32).collect(),
        )
        .unwrap()
    }

    #[test]
    fn keys_survive_a_talkative_pipe_and_nothing_else() {
        let (one, other) = (key("a"), key("b"));
        let text =
            format!("Welcome!\n{}\nbye\r\n{}", *wrap(&one), *wrap(&other)).replace('\n', "\r\n");
        assert_eq!(unwrap(&text), Ok(vec![one.clone(), other]));
        let text = wrap(&one).to_string();
        assert_eq!(unwrap(""), Err(BadArmour::NoBegin));
        assert_eq!(unwrap(&text[..text.len() - 40]), Err(BadArmour::NoEnd));
        assert_eq!(
            unwrap(&text.replacen("0001", "0002", 1)),
            Err(BadArmour::Fingerprint)
        );
        assert_eq!(
            unwrap(&text.replacen("gpubox", "laptop", 1)),
            Err(BadArmour::Fingerprint)
        );
        assert_eq!(
            unwrap(&format!("{BEGIN}\n{}", "x".repeat(FILE_BYTES_MAX))),
            Err(BadArmour::NoEnd)
        );
        assert!(matches!(
            unwrap(&text.replacen("hs256", "none", 1)),
            Err(BadArmour::Key(_))
        ));
    }
}
