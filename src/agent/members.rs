//! The top level of one line of JSON: the members asked for, everything else skipped unread.
//!
//! Agents' lines grow members from version to version and change their order, so nothing else is looked at,
//! and a member of an unexpected type is a member that is not there. What is kept is bounded by the number of
//! names asked for.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::DeserializeSeed;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::limits;

/// Longest name of a model, session or error class that is kept, in bytes.
const WORD_BYTES_MAX: usize = 200;
/// Texts of a list that are read; the rest is skipped.
const LIST_TEXTS_MAX: usize = 4;
/// Seconds since 1970 beyond which a number must be milliseconds: the year 5138.
const SECONDS_MAX: u64 = 100_000_000_000;

/// The wanted members of one object, unread.
#[derive(Debug)]
pub(super) struct Members<'a> {
    found: Vec<(&'static str, &'a RawValue)>,
}

impl<'a> Members<'a> {
    /// Returns the members of `wanted` that the object has; `None` where the text is not one JSON object. Of
    /// two members of one name the later counts, as in every JavaScript reader.
    pub(super) fn of(text: &'a str, wanted: &'static [&'static str]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let found = Wanted(wanted).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(Self { found })
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        let found = self.found.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.get())
    }

    /// Returns a member that is a string. Half a surrogate pair, which JavaScript writes where it cuts a
    /// text, is replaced.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let mut reader = serde_json::Deserializer::from_str(self.raw(name)?);
        reader.deserialize_bytes(LossyText).ok()
    }

    /// Returns a member that is a short string without control characters: a name, a word.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        let fits = |text: &String| {
            (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        self.text(name).filter(fits)
    }

    /// Returns a member that is a count, at most [`limits::INTEGER_MAX`].
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let number: u64 = serde_json::from_str(self.raw(name)?).ok()?;
        Some(number.min(limits::INTEGER_MAX))
    }

    /// Returns the sum of those of `names` that are counts.
    pub(super) fn sum(&self, names: &[&str]) -> u64 {
        let counts = names.iter().filter_map(|name| self.number(name));
        counts.fold(0, u64::saturating_add).min(limits::INTEGER_MAX)
    }

    /// Returns a member that is an amount, in millionths, rounded to the nearest.
    pub(super) fn millionths(&self, name: &str) -> Option<u64> {
        let amount: f64 = serde_json::from_str(self.raw(name)?).ok()?;
        let most = limits::INTEGER_MAX as f64; // 2^53 - 1 is exact in a double
        (amount >= 0.0).then(|| (amount * 1e6).round().min(most) as u64)
    }

    /// Returns a member that is a moment in seconds (or milliseconds) since 1970.
    pub(super) fn moment(&self, name: &str) -> Option<Timestamp> {
        let number = self.number(name).filter(|number| *number > 0)?;
        let seconds = if number > SECONDS_MAX {
            number / 1000
        } else {
            number
        };
        i64::try_from(seconds).ok().map(Timestamp::from_unix)
    }

    /// Returns a member that is true or false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// Returns whether the member is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw != "null")
    }

    /// Returns the wanted members of a member that is an object.
    pub(super) fn object(&self, name: &str, wanted: &'static [&'static str]) -> Option<Self> {
        Members::of(self.raw(name)?, wanted)
    }

    /// Returns how many elements a member has that is a list.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let elements: Vec<IgnoredAny> = serde_json::from_str(self.raw(name)?).ok()?;
        u64::try_from(elements.len()).ok()
    }

    /// Returns the first texts of a member that is a list.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.raw(name).unwrap_or("[]");
        let mut reader = serde_json::Deserializer::from_str(list);
        reader.deserialize_seq(FirstTexts).unwrap_or_default()
    }

    /// Returns the JSON text of a member that is an object or a list.
    pub(super) fn structure(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|raw| raw.starts_with(['{', '[']))
    }
}

struct Wanted(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Vec<(&'static str, &'de RawValue)>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Vec<(&'static str, &'de RawValue)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Self::Value = Vec::with_capacity(self.0.len());
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if let Some(wanted) = self.0.iter().find(|wanted| **wanted == name) {
                let value = map.next_value()?;
                found.retain(|(known, _)| known != wanted);
                found.push((wanted, value));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A string read as bytes: serde_json then hands half a surrogate pair through instead of failing.
struct LossyText;

impl Visitor<'_> for LossyText {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

struct FirstTexts;

impl<'de> Visitor<'de> for FirstTexts {
    type Value = Vec<String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < LIST_TEXTS_MAX {
            match list.next_element::<String>()? {
                Some(text) => texts.push(text),
                None => return Ok(texts),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &[&str] = &["a", "b", "c"];

    #[test]
    fn only_what_is_asked_for_is_read_and_types_must_fit() {
        let text = r#"{"x":[[["deep"]]],"a":1,"b":"t","a":2,"c":{"a":null}}"#;
        let members = Members::of(text, WANTED).unwrap();
        assert_eq!((members.number("a"), members.text("a")), (Some(2), None));
        assert_eq!(
            (members.word("b").unwrap(), members.number("b")),
            ("t".to_owned(), None)
        );
        assert!(!members.object("c", WANTED).unwrap().has("a"));
        for bad in ["", "null", "3", "[]", "{", r#"{"a":1} x"#, r#"{"a":tru}"#] {
            assert!(Members::of(bad, WANTED).is_none(), "{bad}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_and_odd_separators_do_not_lose_a_text() {
        let text = "{\"a\":\"x\\ud83d\",\"b\":\"y\u{2028}z\"}";
        let members = Members::of(text, WANTED).unwrap();
        assert!(members.text("a").unwrap().starts_with("x\u{fffd}"));
        assert_eq!(members.text("b").unwrap(), "y\u{2028}z");
    }

    #[test]
    fn amounts_are_rounded_to_the_nearest_millionth() {
        for (text, want) in [
            ("0.0005639999999999999", Some(564)),
            ("1.2600000000000002", Some(1_260_000)),
            ("0", Some(0)),
            ("1e300", Some(limits::INTEGER_MAX)),
            ("-1", None),
            ("\"1\"", None),
        ] {
            let line = format!("{{\"a\":{text}}}");
            assert_eq!(
                Members::of(&line, WANTED).unwrap().millionths("a"),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn moments_are_seconds_or_milliseconds() {
        let line = r#"{"a":1795161219,"b":1795161219000,"c":0}"#;
        let members = Members::of(line, WANTED).unwrap();
        assert_eq!(
            members.moment("a"),
            Some(Timestamp::from_unix(1_795_161_219))
        );
        assert_eq!(members.moment("a"), members.moment("b"));
        assert_eq!(members.moment("c"), None);
    }
}
