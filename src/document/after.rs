//! The extension `after`: a task that waits for the end of others (`docs/ENVELOPE.md`, section 10).
//!
//! It is in `crit`, because it changes when a task runs: whoever does not know it refuses the task. It says what is
//! waited for, for everybody who looks; that it has come about is said by its sender alone, in a
//! [`Ready`](super::Ready).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Object;
use super::Task;
use super::strict;
use super::task_id;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;
use crate::outcome::words;
use crate::reason::Reason;
use crate::reason::Refusal;

/// The name of the extension.
pub const AFTER: &str = "after";

words! {
    /// How a task must end for another to follow it.
    Condition {
        /// It succeeded.
        Ok = "ok",
        /// It ended in any other way, or never ran.
        NotOk = "notok",
        /// It is over.
        Any = "any",
    }
}

impl Condition {
    /// Returns whether it holds where a task ended so.
    #[must_use]
    pub fn holds(self, ended: Status) -> bool {
        match self {
            Self::Ok => ended == Status::Ok,
            Self::NotOk => ended != Status::Ok,
            Self::Any => true,
        }
    }
}

/// One task that another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The task.
    pub id: TaskId,
    /// How it must end.
    pub when: Condition,
}

impl Task {
    /// Returns what it waits for; empty where it waits for nothing.
    #[must_use]
    pub fn after(&self) -> Vec<After> {
        let value = self.ext.get(AFTER).cloned();
        value.map_or_else(Vec::new, |value| read(value).unwrap_or_default())
    }

    /// Returns whether it is started only once its sender says so.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.ext.contains_key(AFTER)
    }

    /// Has it wait for these tasks.
    pub fn wait_for(&mut self, after: &[After]) {
        let tasks: Vec<Value> = after
            .iter()
            .map(|one| json!({"id": one.id, "when": one.when}))
            .collect();
        let members = Map::from_iter([("tasks".to_owned(), Value::Array(tasks))]);
        self.ext.insert(AFTER.to_owned(), Value::Object(members));
        if !self.crit.iter().any(|name| name == AFTER) {
            self.crit.push(AFTER.to_owned());
        }
    }
}

/// Reads the extension, strictly.
pub(super) fn read(value: Value) -> Result<Vec<After>, Refusal> {
    let understood = || -> Result<Vec<After>, Refusal> {
        let mut members = Object::inside(AFTER, value)?;
        let tasks = members.required_list("tasks")?;
        members.finish()?;
        if tasks.is_empty() || tasks.len() > limits::AFTER_MAX {
            return Err(strict::wrong(
                "tasks",
                &format!("a list of 1 to {}", limits::AFTER_MAX),
            ));
        }
        tasks.into_iter().map(one).collect()
    };
    understood().map_err(|refusal| {
        let detail = format!("extension '{AFTER}': {refusal}");
        Refusal::new(Reason::Crit, &detail)
    })
}

fn one(value: Value) -> Result<After, Refusal> {
    let mut members = Object::inside("tasks", value)?;
    let (id, when) = (members.text("id")?, members.text("when")?);
    members.finish()?;
    let when =
        Condition::from_word(&when).ok_or_else(|| strict::wrong("when", "ok, notok or any"))?;
    let id = task_id("id", &id)?;
    Ok(After { id, when })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

    #[test]
    fn what_is_not_understood_whole_is_refused_by_name() {
        let good = json!({"tasks": [{"id": ID, "when": "notok"}]});
        assert_eq!(read(good).unwrap()[0].when, Condition::NotOk);
        for bad in [
            json!({}),
            json!([]),
            json!({"tasks": []}),
            json!({"tasks": [{"id": ID}]}),
            json!({"tasks": [{"id": "x", "when": "ok"}]}),
            json!({"tasks": [{"id": ID, "when": "maybe"}]}),
            json!({"tasks": [{"id": ID, "when": "ok", "more": true}]}),
            json!({"tasks": [{"id": ID, "when": "ok"}], "more": 1}),
            json!({"tasks": vec![json!({"id": ID, "when": "ok"}); limits::AFTER_MAX + 1]}),
        ] {
            assert_eq!(read(bad).unwrap_err().reason, Reason::Crit);
        }
    }

    #[test]
    fn a_condition_holds_as_it_says() {
        for status in Status::ALL {
            assert_eq!(Condition::Ok.holds(*status), *status == Status::Ok);
            assert_eq!(Condition::NotOk.holds(*status), *status != Status::Ok);
            assert!(Condition::Any.holds(*status));
        }
    }
}
