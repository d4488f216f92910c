//! Writing a document's members in a fixed order, as the lines that a seal is put under.

use serde::ser::SerializeMap as _;
use serde_json::Value;

use super::Kind;
use super::SCHEMA;
use crate::escape::is_deceptive;
use crate::id::Party;
use crate::limits;

/// The members of a document in the order they are written. Absent members are left out, never written as null.
pub struct Body(Vec<(&'static str, Value)>);

impl Body {
    /// Begins a document.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self(Vec::with_capacity(24))
            .put("schema", SCHEMA)
            .put("kind", kind.as_str())
    }

    /// Adds who speaks to whom.
    #[must_use]
    pub fn parties(self, from: &Party, to: &Party) -> Self {
        self.put("from", from.as_str()).put("to", to.as_str())
    }

    /// Adds a member. A number beyond what JSON readers keep exactly is written as the largest they do.
    #[must_use]
    pub fn put(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::Number(number) => {
                let capped = number.as_u64().map(|n| n.min(limits::INTEGER_MAX));
                capped.map_or(Value::Number(number), Value::from)
            }
            other => other,
        };
        self.0.push((name, value));
        self
    }

    /// Adds a member if it is there.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// Adds a member as its text.
    #[must_use]
    pub fn show(self, name: &'static str, value: &impl ToString) -> Self {
        self.put(name, value.to_string())
    }

    /// Adds a member as its text if it is there.
    #[must_use]
    pub fn maybe_show(self, name: &'static str, value: Option<&impl ToString>) -> Self {
        self.maybe(name, value.map(ToString::to_string))
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn list(self, name: &'static str, values: impl IntoIterator<Item: ToString>) -> Self {
        let texts = values.into_iter().map(|one| Value::from(one.to_string()));
        self.put(name, texts.collect::<Vec<_>>())
    }

    /// Adds a list of texts unless it is empty.
    #[must_use]
    pub fn some(self, name: &'static str, values: &[impl ToString]) -> Self {
        if values.is_empty() {
            self
        } else {
            self.list(name, values.iter().map(ToString::to_string))
        }
    }

    /// Returns the bytes that are sealed: indented by two, without the closing line.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        let closing = b"\n}".len();
        bytes.truncate(bytes.len().saturating_sub(closing));
        bytes
    }
}

impl serde::Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Makes text of an agent fit for a document: line ends become LF, letters that no document may hold become visible,
/// and what exceeds `bytes_max` is cut at a character.
#[must_use]
pub fn tidy(text: &str, bytes_max: usize) -> String {
    let mut fit = String::with_capacity(text.len().min(bytes_max));
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let before = fit.len();
        match letter {
            '\r' if letters.peek() == Some(&'\n') => continue,
            '\n' | '\t' => fit.push(letter),
            letter if letter.is_control() || is_deceptive(letter) => {
                fit.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
            }
            letter => fit.push(letter),
        }
        if fit.len() > bytes_max {
            fit.truncate(before);
            break;
        }
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_agent_is_made_fit_and_cut_at_a_character() {
        assert_eq!(
            tidy("a\r\nb\u{1b}[1m\u{202e}", 100),
            "a\nb\\u{1b}[1m\\u{202e}"
        );
        assert_eq!(tidy("aéé", 4), "aé");
        assert_eq!(tidy("a\u{0}", 3), "a");
    }
}
