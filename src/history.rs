//! What came of the attempts of one task before its outcome: kept in the journal, told in the sealed result. Pure data.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::clock::Timestamp;
use crate::outcome::FailureClass;
use crate::outcome::Status;

/// Most attempts that a history tells of; the earliest are left out beyond.
pub const HISTORY_MAX: usize = 16;

/// One attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Which start it was, from 1.
    pub attempt: u32,
    /// When it was started.
    pub at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// Running time, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether it cost nothing: it does not count against the most attempts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free: bool,
}

/// Adds an attempt, and keeps the history within its bound.
pub fn add(history: &mut Vec<Tried>, tried: Tried) {
    history.push(tried);
    if history.len() > HISTORY_MAX {
        history.drain(..history.len() - HISTORY_MAX);
    }
}

/// Returns a history as the extension `history` of a result.
#[must_use]
pub fn to_extension(history: &[Tried]) -> Value {
    let from = history.len().saturating_sub(HISTORY_MAX);
    let attempts = history.iter().skip(from).map(|tried| {
        let mut one = json!({
            "attempt": tried.attempt, "at": tried.at, "status": tried.status,
            "elapsed_ms": tried.elapsed_ms.min(crate::limits::INTEGER_MAX),
        });
        if let (Some(class), Value::Object(members)) = (tried.class, &mut one) {
            members.insert("class".to_owned(), json!(class));
        }
        if let (true, Value::Object(members)) = (tried.free, &mut one) {
            members.insert("free".to_owned(), json!(true));
        }
        one
    });
    json!({ "attempts": attempts.collect::<Vec<_>>() })
}

/// Reads the extension `history` of a verified result. What it does not understand it leaves out: a later version may
/// tell more.
#[must_use]
pub fn of_extension(extension: &Map<String, Value>) -> Vec<Tried> {
    let attempts = extension.get("attempts").and_then(Value::as_array);
    let all = attempts.into_iter().flatten().take(HISTORY_MAX);
    all.filter_map(one).collect()
}

fn one(value: &Value) -> Option<Tried> {
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    Some(Tried {
        attempt: u32::try_from(number("attempt")?).ok()?,
        at: Timestamp::parse(word("at")?).ok()?,
        status: Status::from_word(word("status")?)?,
        class: word("class")
            .map(|word| FailureClass::from_word(word).unwrap_or(FailureClass::Agent)),
        elapsed_ms: number("elapsed_ms")?,
        free: value.get("free") == Some(&Value::Bool(true)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(attempt: u32) -> Tried {
        Tried {
            attempt,
            at: Timestamp::from_unix(1_000_000),
            status: Status::Error,
            class: attempt
                .is_multiple_of(2)
                .then_some(FailureClass::Overloaded),
            elapsed_ms: 7,
            free: attempt == 3,
        }
    }

    #[test]
    fn a_history_comes_back_as_it_was_and_keeps_its_bound() {
        let mut history = Vec::new();
        for attempt in 1..=HISTORY_MAX as u32 + 4 {
            add(&mut history, tried(attempt));
        }
        assert_eq!(history.len(), HISTORY_MAX);
        assert_eq!(history[0].attempt, 5);
        let told = to_extension(&history);
        assert_eq!(of_extension(told.as_object().unwrap()), history);
        let short: Vec<Tried> = (1..=3).map(tried).collect();
        let told = to_extension(&short);
        assert_eq!(of_extension(told.as_object().unwrap()), short);
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_nothing_more() {
        let odd = json!({"attempts": [7, {"attempt": 1}, {"attempt": 2, "at": "2026-11-20T06:00:00Z",
            "status": "error", "class": "of_tomorrow", "elapsed_ms": 1, "more": true}]});
        let read = of_extension(odd.as_object().unwrap());
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].class, Some(FailureClass::Agent));
        assert!(of_extension(&Map::new()).is_empty());
    }
}
