//! The envelope of the original (version 2), for peers that policy lets speak it: reading and writing
//! (`docs/ENVELOPE.md`, annex A).
//!
//! Its code covers six members and nothing else, so nothing else in it is believed: whether to ask a human, how
//! dangerous it may be and how long it may run are the receiver's policy. Unlike everything else here it must be parsed
//! before its code can be checked; the parser is the strict one, and bounded.

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::json;
use sha2::Sha256;

use crate::clock::Timestamp;
use crate::document::Answer;
use crate::document::Context;
use crate::document::Kind;
use crate::document::Object;
use crate::document::Rules;
use crate::document::Task;
use crate::document::strict;
use crate::escape::excerpt;
use crate::id::Digest;
use crate::id::Priority;
use crate::id::TaskId;
use crate::key::Alg;
use crate::key::Key;
use crate::key::Use;
use crate::keyring::Keyring;
use crate::limits;
use crate::outcome::Status;
use crate::reason::Reason;
use crate::reason::Refusal;

/// The version that the original writes into its envelopes.
const SCHEMA: u64 = 2;
/// The members its code covers, joined by `|` in this order.
const SIGNED: [&str; 6] = ["id", "from", "to", "created", "priority", "request"];

/// A task of the original, with only what its code covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The task. It asks for no ack, for no danger and for no bounds: policy decides them.
    pub task: Task,
    /// What makes it the same task: its code. The digest of the file would not do, since anybody can change the rest.
    pub identity: Digest,
    /// Members that were there and are not believed, by name.
    pub ignored: Vec<String>,
}

/// Why a task cannot be written for the original.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has no place, or no protected place, for what the sender asked.
    #[error("cannot write '{0}' in a version 2 envelope")]
    CannotSay(&'static str),
    /// The key is not one of the original.
    #[error("cannot sign a version 2 envelope with a key for {0}")]
    WrongKey(Alg),
}

fn mac(key: &Key, signed: &[String; 6]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret())
        .expect("HMAC takes a key of any length (RFC 2104 section 2)");
    mac.update(signed.join("|").as_bytes());
    mac
}

/// Reads a task of the original. The caller has asked policy whether this peer may send one at all. It is compared with
/// the moment of the rules, as long as it was not admitted before; `now` only chooses among keys.
///
/// # Errors
/// The first of `E_SIZE`, `E_KIND`, `E_FRAME` (no `hmac`), `E_JSON`, `E_KID` (no key of the original for these two),
/// `E_MAC`, `E_SCHEMA`, `E_LANE`, `E_ID`, `E_TIME`, `E_FUTURE`, `E_EXPIRED`, `E_RANGE`, `E_CTRL`, `E_BIDI`.
pub fn read(
    file: &[u8],
    keys: &Keyring,
    context: &Context,
    now: Timestamp,
    rules: &Rules,
) -> Result<Taken, Refusal> {
    if file.len() > limits::TASK_BYTES_MAX {
        return Err(Refusal::new(Reason::Size, &format!("{} bytes", file.len())));
    }
    if context.kind != Kind::Task {
        return Err(Refusal::new(Reason::Kind, "version 2 seals only tasks"));
    }
    let (mut object, _) = strict::read(file)?;
    let tag = object
        .maybe_text("hmac")?
        .ok_or_else(|| Refusal::new(Reason::Frame, "no 'hmac'"))?;
    let schema = object.maybe_number("schema")?;
    let mut signed: [String; 6] = Default::default();
    for (value, name) in signed.iter_mut().zip(SIGNED) {
        *value = object.text(name)?;
    }
    let identity = verify(&tag, &signed, keys, context, now)?;
    if schema.is_some_and(|number| number != SCHEMA) {
        return Err(Refusal::new(Reason::Schema, "not 2"));
    }
    let task = understand(&signed, context, rules)?;
    Ok(Taken {
        task,
        identity,
        ignored: names(&object),
    })
}

fn names(object: &Object) -> Vec<String> {
    let shown = |name: &String| excerpt(name, 40);
    object.names().map(shown).collect()
}

fn verify(
    tag: &str,
    signed: &[String; 6],
    keys: &Keyring,
    context: &Context,
    now: Timestamp,
) -> Result<Digest, Refusal> {
    let mut any = false;
    let tag = Digest::parse(tag).ok();
    for key in keys.legacy(&context.from, &context.to, now, Use::Verify) {
        any = true;
        let Some(tag) = tag else { break };
        if mac(key, signed).verify_slice(tag.as_bytes()).is_ok() {
            return Ok(tag);
        }
    }
    let reason = if any { Reason::Mac } else { Reason::Kid };
    Err(Refusal::new(reason, "version 2"))
}

/// Checks the six members against grammars that hold no `|`, except for the request, which is last: so the joined text
/// that was signed can be cut in only one way.
fn understand(signed: &[String; 6], context: &Context, rules: &Rules) -> Result<Task, Refusal> {
    let [id, from, to, created, priority, request] = signed;
    if from != context.from.as_str() || to != context.to.as_str() {
        let detail = format!("it says '{from}' to '{to}'");
        return Err(Refusal::new(Reason::Lane, &detail));
    }
    let id = TaskId::parse(id).map_err(|_| Refusal::new(Reason::Id, id))?;
    let created = moment(created).ok_or_else(|| Refusal::new(Reason::Time, created))?;
    if let Some(now) = rules.now {
        if created > now.plus(rules.skew) {
            return Err(Refusal::new(Reason::Future, &format!("made {created}")));
        }
        if created.plus(limits::LEGACY_WINDOW) < now {
            return Err(Refusal::new(Reason::Expired, &format!("made {created}")));
        }
    }
    let priority: Priority = priority
        .parse()
        .map_err(|_| strict::wrong("priority", "low, normal or high"))?;
    if !(1..=limits::REQUEST_BYTES_MAX).contains(&request.len()) {
        return Err(Refusal::new(Reason::Range, "'request'"));
    }
    strict::letters("request", request)?;
    let (from, to) = (context.from.clone(), context.to.clone());
    let mut task = Task::new(id, from, to, created, request.clone());
    task.priority = priority;
    Ok(task)
}

/// Reads `datetime.isoformat()` of Python in UTC: `2026-11-20T07:42:41[.486964]+00:00`. The fraction is dropped.
fn moment(text: &str) -> Option<Timestamp> {
    let rest = text.strip_suffix("+00:00")?;
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    Timestamp::parse(&format!("{whole}Z"))
        .ok()
        .filter(|_| digits)
}

/// Writes a task as the original does, byte for byte: indented by two, ASCII only, without a last line feed.
///
/// # Errors
/// [`Error::CannotSay`] for what its code would not protect or its reader would not see; [`Error::WrongKey`].
pub fn write(task: &Task, key: &Key) -> Result<Vec<u8>, Error> {
    if key.alg != Alg::V2 {
        return Err(Error::WrongKey(key.alg));
    }
    for (set, name) in [
        // An envelope whose reader finds these unprotected makes a promise that anybody can strip.
        (task.require_ack, "require_ack"),
        (task.require_dangerous, "require_dangerous"),
        (task.profile.is_some(), "profile"),
        (task.not_before.is_some(), "not_before"),
        (task.idempotent, "idempotent"),
        (task.max_attempts.is_some(), "max_attempts"),
        (task.stall_s.is_some(), "stall_s"),
        (!task.crit.is_empty(), "crit"),
        (!task.ext.is_empty(), "ext"),
    ] {
        if set {
            return Err(Error::CannotSay(name));
        }
    }
    let created = task.created.to_string().replace('Z', "+00:00");
    let signed = [
        task.id.to_string(),
        task.from.to_string(),
        task.to.to_string(),
        created,
        task.priority.to_string(),
        task.request.clone(),
    ];
    let tag = hex::encode(mac(key, &signed).finalize().into_bytes());
    let mut members: Vec<(&str, serde_json::Value)> = SIGNED
        .into_iter()
        .zip(signed)
        .map(|(name, value)| (name, json!(value)))
        .collect();
    members.extend([
        ("callback", json!("file")),
        ("require_ack", json!(false)),
        ("require_dangerous", json!(false)),
        ("timeout_s", json!(task.timeout_s.unwrap_or(600))),
        (
            "max_output_bytes",
            json!(task.max_output_bytes.unwrap_or(2_000_000)),
        ),
        ("schema", json!(SCHEMA)),
        ("hmac", json!(tag)),
    ]);
    let lines: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("  \"{name}\": {}", ascii(&value.to_string())))
        .collect();
    Ok(format!("{{\n{}\n}}", lines.join(",\n")).into_bytes())
}

/// Writes an outcome as the original does: unsigned, so its reader can only take it for what a folder says.
#[must_use]
pub fn outcome(answer: &Answer, answered_at: Timestamp) -> Vec<u8> {
    let at = answered_at.to_string().replace('Z', "+00:00");
    let status = match answer.status {
        Status::Ok => "ok",
        Status::Timeout | Status::Stalled => "timeout",
        _ => "error",
    };
    // The original tells a timeout by 124 and what never ran by 127.
    let code = match answer.status {
        Status::Timeout | Status::Stalled => 124,
        _ if answer.attempt == 0 => 127,
        _ => answer.exit_code.map_or(1, i32::from),
    };
    let text = if answer.final_text.is_empty() {
        answer.detail.clone().unwrap_or_default()
    } else {
        answer.final_text.clone()
    };
    let members = json!({
        "id": answer.task_id,
        "answered_by": answer.from,
        "answered_at": at,
        "status": status,
        "exit_code": code,
        "elapsed_s": answer.elapsed_ms as f64 / 1000.0,
        "log_path": format!("{}.log", answer.task_id),
        "final_text": text,
        "output_tail": "",
        "output_bytes": answer.output_bytes,
    });
    serde_json::to_vec_pretty(&members).expect("an outcome is plain data")
}

/// Escapes what is not ASCII as Python does, in UTF-16 (RFC 8259 section 7).
fn ascii(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            plain.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                plain.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests;
