//! Names that are safe as file names and unambiguous on every filesystem: parsed once, then trusted by type.
//!
//! A share may fold case, refuse `:` or trailing dots, or be read by Windows, so names are lower-case ASCII from a
//! small set. A node name must not be confusable with a lane (`a-to-b`) in any position.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a {what}: {rule}", crate::escape::excerpt(.text, 60))]
pub struct BadName {
    /// What it was to be: `node name`, `key id`, ...
    pub what: &'static str,
    /// The text as given; shown escaped.
    pub text: String,
    /// The rule it breaks, for a person.
    pub rule: &'static str,
}

/// Makes a newtype over a checked string: parse, show, serialise.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            /// [`BadName`] with the rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadName { what: $what, text: text.to_owned(), rule: $rule })
                }
            }

            /// Returns the text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

fn is_word(text: &str, longest: usize, extra: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=longest).contains(&bytes.len())
        && bytes.iter().all(|byte| plain(byte) || extra.contains(byte))
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
}

/// Device names that Windows reserves in every folder (learn.microsoft.com, "Naming Files").
fn is_windows_device(text: &str) -> bool {
    matches!(text, "con" | "prn" | "aux" | "nul")
        || (text.len() == 4
            && (text.starts_with("com") || text.starts_with("lpt"))
            && text.as_bytes()[3].is_ascii_digit())
}

name! {
    /// The name of a node: one watcher, one key holder, one writer.
    NodeName, "node name",
    "1 to 32 of a-z 0-9 - _, beginning and ending with a letter or digit, without '-to-', \
     not beginning 'to-' or ending '-to', no Windows device name",
    |text| is_word(text, 32, b"-_")
        && !text.contains("-to-") && !text.starts_with("to-") && !text.ends_with("-to")
        && !is_windows_device(text)
}

name! {
    /// The id of a key: which of several secrets of a link made a seal.
    KeyId, "key id", "1 to 32 of a-z 0-9",
    |text| (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

name! {
    /// The name of a profile in the receiver's configuration: how a task is run there.
    ProfileName, "profile name", "1 to 32 of a-z 0-9 -, beginning and ending with a letter or digit",
    |text| is_word(text, 32, b"-")
}

name! {
    /// The name of an exclusive resource of a node, such as `gpu0`.
    ResourceName, "resource name", "1 to 32 of a-z 0-9 - _, beginning and ending with a letter or digit",
    |text| is_word(text, 32, b"-_")
}

name! {
    /// Something that a node, or a profile of it, can do: `gpu`, `rust`, `debian-12`.
    CapabilityName, "capability", "1 to 32 of a-z 0-9 - _ ., beginning and ending with a letter or digit",
    |text| is_word(text, 32, b"-_.")
}

name! {
    /// The name of a destination of notifications in the configuration, and of its file.
    DestinationName, "name of a destination",
    "1 to 32 of a-z 0-9 - _, beginning and ending with a letter or digit",
    |text| is_word(text, 32, b"-_")
}

name! {
    /// Who speaks in a document: a node, `approver.<name>` or `pool.<name>`. The dot cannot occur in a node name.
    Party, "party", "a node name, approver.<name> or pool.<name>",
    |text| match text.split_once('.') {
        None => NodeName::parse(text).is_ok(),
        Some(("approver" | "pool", name)) => NodeName::parse(name).is_ok(),
        Some(_) => false,
    }
}

impl Party {
    /// Returns the node of this name, if it names a node.
    #[must_use]
    pub fn node(&self) -> Option<NodeName> {
        NodeName::parse(&self.0).ok()
    }

    /// Returns the approver's own name, if it names an approver.
    #[must_use]
    pub fn approver(&self) -> Option<&str> {
        self.0.strip_prefix("approver.")
    }

    /// Returns the pool's own name, if it names a pool.
    #[must_use]
    pub fn pool(&self) -> Option<NodeName> {
        NodeName::parse(self.0.strip_prefix("pool.")?).ok()
    }

    /// Returns the party that the pool `name` is addressed as.
    #[must_use]
    pub fn of_pool(name: &NodeName) -> Self {
        Self(format!("pool.{name}"))
    }

    /// Returns the party that the approver `name` speaks as.
    #[must_use]
    pub fn of_approver(name: &NodeName) -> Self {
        Self(format!("approver.{name}"))
    }
}

impl From<&NodeName> for Party {
    fn from(node: &NodeName) -> Self {
        Self(node.0.clone())
    }
}

/// The id of a task: a UUID of version 4 or 7, lower case with hyphens, never nil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(uuid::Uuid);

impl TaskId {
    const RULE: &str = "a lower-case hyphenated UUID of version 4 or 7";

    /// Parses the one accepted spelling.
    ///
    /// # Errors
    /// [`BadName`] for everything else.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = || BadName {
            what: "task id",
            text: text.to_owned(),
            rule: Self::RULE,
        };
        let id = uuid::Uuid::try_parse(text).map_err(|_| bad())?;
        // The parser also takes upper case, braces and bare digits; only its own spelling comes back unchanged.
        let same = id.as_hyphenated().to_string() == text;
        if same && matches!(id.get_version_num(), 4 | 7) {
            Ok(Self(id))
        } else {
            Err(bad())
        }
    }

    /// Takes an id made by this program.
    #[must_use]
    pub const fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id)
    }

    /// Returns the beginning, down to the millisecond of a v7 id: a person's handle, never an identity. The first eight
    /// digits alone are the same for all ids made within a minute.
    #[must_use]
    pub fn short(self) -> String {
        self.to_string().chars().take(13).collect()
    }

    /// Returns when it was made, in seconds since 1970, as a v7 id claims it; a v4 id does not say.
    #[must_use]
    pub fn made(self) -> Option<i64> {
        // The first 48 bits are milliseconds (RFC 9562, 5.7).
        (self.0.get_version_num() == 7)
            .then(|| i64::try_from(self.0.as_u128() >> 80).unwrap_or(i64::MAX) / 1000)
    }

    /// Returns a key that sorts ids by age: v7 ids carry their time, v4 ids come after them.
    #[must_use]
    pub fn age_key(self) -> (bool, u128) {
        (self.0.get_version_num() != 7, self.0.as_u128())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0.as_hyphenated().to_string())
    }
}

impl FromStr for TaskId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

/// Sixteen hexadecimal digits that only one try has ever used in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce(u64);

impl Nonce {
    /// Makes a nonce of 64 random bits ([`crate::chance::Chance::nonce`]).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Parses sixteen lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`BadName`] for everything else.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match u64::from_str_radix(text, 16) {
            Ok(bits) if text.len() == 16 && text.bytes().all(digits) => Ok(Self(bits)),
            _ => Err(BadName {
                what: "nonce",
                text: text.to_owned(),
                rule: "16 lower-case hexadecimal digits",
            }),
        }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl TryFrom<String> for Nonce {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        nonce.to_string()
    }
}

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digests bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Takes a digest that a streaming hasher produced.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`BadName`] for everything else.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = || BadName {
            what: "sha256",
            text: text.to_owned(),
            rule: "64 lower-case hex digits",
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| bad())?;
        if hex::encode(bytes) == text {
            Ok(Self(bytes))
        } else {
            Err(bad())
        }
    }

    /// Returns the bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first eight digits, as quarantined names use them.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// How soon a task wants to run among those that wait on the same node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// Every priority, first served first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Returns the word used in documents and file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str() == text)
            .ok_or_else(|| BadName {
                what: "priority",
                text: text.to_owned(),
                rule: "low, normal or high",
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_cannot_be_mistaken_for_lanes_paths_or_devices() {
        for good in ["a", "gpubox", "dev-box_2", "x-to", "tom", "0"]
            .iter()
            .filter(|n| **n != "x-to")
        {
            assert!(NodeName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "A", "-a", "a-", "a-to-b", "to-a", "a-to", "con", "com1", "a.b", "../x", "a b", "ä",
        ] {
            assert!(NodeName::parse(bad).is_err(), "{bad}");
        }
        assert!(NodeName::parse(&"a".repeat(33)).is_err());
    }

    #[test]
    fn ids_have_one_spelling() {
        let good = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        assert_eq!(TaskId::parse(good).unwrap().to_string(), good);
        for bad in [
            "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
            "3f2504e04f8941d39a0c0305e82c3301",
            "00000000-0000-0000-0000-000000000000",
            "../../../etc/passwd",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_party_is_a_node_an_approver_or_a_pool() {
        assert!(Party::parse("approver.alice").unwrap().node().is_none());
        assert_eq!(
            Party::parse("approver.alice").unwrap().approver(),
            Some("alice")
        );
        let pool = Party::parse("pool.gpu").unwrap();
        assert_eq!(Party::of_pool(&pool.pool().unwrap()), pool);
        assert!(pool.node().is_none() && pool.approver().is_none());
        assert!(Party::parse("gpu").unwrap().pool().is_none());
        assert!(Party::parse("root.alice").is_err());
        assert!(Party::parse("approver.").is_err());
    }
}
