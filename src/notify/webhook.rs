//! A message as JSON with a version, for programs; and the signature by which a receiver knows who sent it, and when.
//!
//! `Dispatch-Signature: t=<seconds since 1970>,v1=<64 hex>`, the HMAC-SHA256 (RFC 2104) of the digits of `t`, a dot and
//! the body. The time is that of the try, so a receiver that refuses what is older than some minutes refuses a replay
//! and no retry. `docs/NOTIFY.md` is the contract.

use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;

use crate::clock::Timestamp;
use crate::destination::Topic;
use crate::event::Event;
use crate::notify::message::Content;
use crate::notify::message::Message;
use crate::notify::select;
use crate::notify::text::Text;

/// Version of the body; it may grow and never changes.
pub const VERSION: u32 = 1;
/// The header with the signature.
pub const SIGNATURE: &str = "Dispatch-Signature";
/// The header with the id of the message.
pub const ID: &str = "Dispatch-Id";

/// Writes the body of the request.
#[must_use]
pub fn body(message: &Message) -> Vec<u8> {
    let text = Text::of(message);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            body.insert(name.to_owned(), value);
        }
    };
    put("version", json!(VERSION));
    put("id", json!(message.id));
    put("node", json!(message.node));
    put("at", json!(message.at));
    put("title", json!(text.title));
    put("text", json!(text.lines().join("\n")));
    put("command", json!(text.command));
    match &message.content {
        Content::Event(event, profile) => {
            put("kind", json!("event"));
            put("profile", json!(profile));
            put("lane", json!(select::lane(&message.node, event)));
            of_event(event, &mut put);
        }
        Content::More(more) => {
            put("kind", json!("more"));
            put("count", json!(more.count()));
            put("counts", json!(more.counts));
            put("since", json!(more.since));
            put("until", json!(more.until));
        }
        Content::Test => put("kind", json!("test")),
    }
    Value::Object(body).to_string().into_bytes()
}

fn of_event(event: &Event, put: &mut dyn FnMut(&str, Value)) {
    let topics = Topic::ALL.iter();
    let topic = topics
        .copied()
        .find(|topic| topic.words().contains(&event.word));
    put("event", json!(event.word));
    put("topic", json!(topic));
    put("summary", json!(event.summary.as_str()));
    put("task_id", json!(event.task));
    put("peer", json!(event.peer));
    put("outcome", json!(event.status));
    put("class", json!(event.class));
    put("code", json!(event.code.as_ref().map(|code| code.as_str())));
    put("attempt", json!(event.attempt));
    put("exit_code", json!(event.exit_code));
    put("elapsed_ms", json!(event.elapsed_ms));
    put("dangerous", json!(event.dangerous));
    put("approver", json!(event.approver));
    put("count", json!(event.count));
}

/// Returns the value of [`SIGNATURE`] for a body that is sent at `now`.
#[must_use]
pub fn signature(secret: &[u8], now: Timestamp, body: &[u8]) -> String {
    let time = now.unix().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let tag = hex::encode(mac.finalize().into_bytes());
    format!("t={time},v1={tag}")
}
