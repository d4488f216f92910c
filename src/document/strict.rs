//! The strict reading of a document's JSON (RFC 8259, narrowed): one meaning for every reader, or none.
//!
//! It only ever sees bytes whose seal was verified. It never recurses deeper than [`limits::JSON_DEPTH_MAX`], never
//! takes a duplicate member, a fraction, a negative number or a null. What is wrong with numbers and letters is found
//! here but told later ([`Deferred`]), because the order of the checks is part of the format.

use std::fmt;

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Map;
use serde_json::Value;

use crate::escape::excerpt;
use crate::escape::is_deceptive;
use crate::limits;
use crate::reason::Reason;
use crate::reason::Refusal;

/// Members in which a line feed and a tab are text: what people and agents write, and extensions.
const PROSE: &[&str] = &["request", "final_text", "detail", "ext", "prior"];

/// One JSON object, from which its reader takes the members it knows.
#[derive(Debug)]
pub struct Object(Map<String, Value>);

/// What is wrong with the values of a document, found while reading, told when its turn comes.
#[derive(Debug, Default)]
pub struct Deferred {
    range: Option<String>,
    ctrl: Option<String>,
    bidi: Option<String>,
}

/// Reads one whole sealed file as strict JSON.
///
/// # Errors
/// [`Reason::Json`]
pub fn read(file: &[u8]) -> Result<(Object, Deferred), Refusal> {
    let mut from = serde_json::Deserializer::from_slice(file);
    let depth = Depth(limits::JSON_DEPTH_MAX);
    let value = depth
        .deserialize(&mut from)
        .and_then(|value| from.end().map(|()| value))
        .map_err(|error| Refusal::new(Reason::Json, &error.to_string()))?;
    let Value::Object(members) = value else {
        return Err(Refusal::new(Reason::Json, "not an object"));
    };
    let mut deferred = Deferred::default();
    for (name, value) in &members {
        deferred.look(name, value, PROSE.contains(&name.as_str()));
    }
    Ok((Object(members), deferred))
}

/// How many levels of nesting may still open.
struct Depth(usize);

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl Depth {
    fn inner<E: serde::de::Error>(&self) -> Result<usize, E> {
        self.0
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("true, false, a whole number, a text, a list or an object")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    // There is no visit_i64, visit_f64 or visit_unit: a negative number, a fraction, an exponent, `-0`, a number beyond
    // u64 (serde_json hands all of them over as i64 or f64) and null are type errors.

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let left = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Depth(left))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let left = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Depth(left))?;
            if members.contains_key(&name) {
                let shown = excerpt(&name, 60);
                return Err(A::Error::custom(format!("member '{shown}' twice")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

impl Deferred {
    fn look(&mut self, name: &str, value: &Value, prose: bool) {
        match value {
            Value::Number(number) => {
                if number.as_u64().is_none_or(|n| n > limits::INTEGER_MAX) {
                    self.range
                        .get_or_insert_with(|| format!("'{name}' is {number}"));
                }
            }
            Value::String(text) => self.look_at_text(name, text, prose),
            Value::Array(list) => list.iter().for_each(|one| self.look(name, one, prose)),
            Value::Object(members) => {
                for (inner, value) in members {
                    self.look_at_text(name, inner, false);
                    self.look(inner, value, prose);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn look_at_text(&mut self, name: &str, text: &str, prose: bool) {
        for letter in text.chars() {
            if letter.is_control() && !(prose && matches!(letter, '\n' | '\t')) {
                self.ctrl
                    .get_or_insert_with(|| format!("U+{:04X} in '{name}'", u32::from(letter)));
            } else if is_deceptive(letter) {
                self.bidi
                    .get_or_insert_with(|| format!("U+{:04X} in '{name}'", u32::from(letter)));
            }
        }
    }

    /// Tells of a number beyond what every JSON reader keeps exactly.
    ///
    /// # Errors
    /// [`Reason::Range`]
    pub fn numbers(&self) -> Result<(), Refusal> {
        tell(Reason::Range, self.range.as_deref())
    }

    /// Tells of a letter that no document may hold.
    ///
    /// # Errors
    /// [`Reason::Ctrl`], then [`Reason::Bidi`]
    pub fn letters(&self) -> Result<(), Refusal> {
        tell(Reason::Ctrl, self.ctrl.as_deref())?;
        tell(Reason::Bidi, self.bidi.as_deref())
    }
}

/// Checks one text that stands for itself: line feeds and tabs are text.
///
/// # Errors
/// [`Reason::Ctrl`], then [`Reason::Bidi`]
pub fn letters(name: &str, text: &str) -> Result<(), Refusal> {
    let mut deferred = Deferred::default();
    deferred.look_at_text(name, text, true);
    deferred.letters()
}

fn tell(reason: Reason, found: Option<&str>) -> Result<(), Refusal> {
    found.map_or(Ok(()), |detail| Err(Refusal::new(reason, detail)))
}

/// Makes a type error of a member.
#[must_use]
pub fn wrong(name: &str, wanted: &str) -> Refusal {
    Refusal::new(Reason::Json, &format!("'{name}' is not {wanted}"))
}

impl Object {
    /// Takes an object apart that was a member of another.
    ///
    /// # Errors
    /// [`Reason::Json`] where the value is not an object.
    pub fn inside(name: &str, value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(wrong(name, "an object")),
        }
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    /// [`Reason::Json`]
    pub fn text(&mut self, name: &str) -> Result<String, Refusal> {
        self.maybe_text(name)?.ok_or_else(|| missing(name))
    }

    /// Takes a text that may be there.
    ///
    /// # Errors
    /// [`Reason::Json`] where it is something else.
    pub fn maybe_text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a text")),
        }
    }

    /// Takes a number that must be there.
    ///
    /// # Errors
    /// [`Reason::Json`]
    pub fn number(&mut self, name: &str) -> Result<u64, Refusal> {
        self.maybe_number(name)?.ok_or_else(|| missing(name))
    }

    /// Takes a number that may be there.
    ///
    /// # Errors
    /// [`Reason::Json`] where it is something else.
    pub fn maybe_number(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        let whole = |value: Value| value.as_u64().ok_or_else(|| wrong(name, "a whole number"));
        self.0.remove(name).map(whole).transpose()
    }

    /// Takes a boolean that must be there.
    ///
    /// # Errors
    /// [`Reason::Json`]
    pub fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        self.maybe_flag(name)?.ok_or_else(|| missing(name))
    }

    /// Takes a boolean that may be there.
    ///
    /// # Errors
    /// [`Reason::Json`] where it is something else.
    pub fn maybe_flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        let flag = |value: Value| value.as_bool().ok_or_else(|| wrong(name, "true or false"));
        self.0.remove(name).map(flag).transpose()
    }

    /// Takes a list that may be there; absent and empty are the same.
    ///
    /// # Errors
    /// [`Reason::Json`] where it is something else.
    pub fn list(&mut self, name: &str) -> Result<Vec<Value>, Refusal> {
        match self.0.remove(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    /// Takes a list that must be there.
    ///
    /// # Errors
    /// [`Reason::Json`]
    pub fn required_list(&mut self, name: &str) -> Result<Vec<Value>, Refusal> {
        if self.0.contains_key(name) {
            self.list(name)
        } else {
            Err(missing(name))
        }
    }

    /// Takes an object that may be there.
    ///
    /// # Errors
    /// [`Reason::Json`] where it is something else.
    pub fn maybe_object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Refusal> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// Takes a member of any type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Returns the names of the members that are left.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Ends the reading: every member must have been taken.
    ///
    /// # Errors
    /// [`Reason::Json`] naming a member that is not known.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::new(
                Reason::Json,
                &format!("unknown member '{}'", excerpt(name, 60)),
            )),
        }
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::new(Reason::Json, &format!("'{name}' is missing"))
}

/// Returns the texts of a list.
///
/// # Errors
/// [`Reason::Json`] where one is something else.
pub fn texts(name: &str, list: Vec<Value>) -> Result<Vec<String>, Refusal> {
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(name, "a list of texts")),
    };
    list.into_iter().map(text).collect()
}
