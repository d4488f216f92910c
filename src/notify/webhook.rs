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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Word;
    use crate::notify::message::More;
    use crate::notify::samples;

    #[test]
    fn an_approval_reads_like_this() {
        let body: Value = serde_json::from_slice(&body(&samples::approval("run"))).unwrap();
        let text = "gpubox: devbox asks for an approval\ntask: 0198f1c2-0000-7000-8000-000000000001\n\
            lane: devbox-to-gpubox\nprofile: gpu\npolicy: run\n\
            type: dispatch-ack 0198f1c2-0000-7000-8000-000000000001";
        let wanted = json!({
            "version": 1,
            "id": "gpubox.watch-20261120-00000007-1.7",
            "kind": "event",
            "node": "gpubox",
            "at": "2026-11-20T06:00:00Z",
            "event": "task_pending_ack",
            "topic": "approvals",
            "title": "gpubox: devbox asks for an approval",
            "text": text,
            "command": "dispatch-ack 0198f1c2-0000-7000-8000-000000000001",
            "summary": "policy: run",
            "task_id": samples::TASK,
            "lane": "devbox-to-gpubox",
            "peer": "devbox",
            "profile": "gpu",
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn several_read_like_this() {
        let mut more = None;
        for (seq, word) in [(1, Word::TaskExecEnd), (2, Word::Junk), (3, Word::Junk)] {
            More::add(&mut more, &samples::record(seq, samples::event(word, None)));
        }
        let node = samples::record(1, samples::event(Word::Junk, None)).session;
        let message = Message::of_more(&node, more.unwrap());
        let body: Value = serde_json::from_slice(&body(&message)).unwrap();
        assert_eq!(body["id"], "gpubox.watch-20261120-00000007-1.3+");
        assert_eq!(body["title"], "gpubox: and 3 more");
        assert_eq!(body["counts"], json!({"task_exec_end": 1, "junk": 2}));
        assert_eq!(body["command"], "dispatch log");
    }

    /// `printf '1795154400.{}' | openssl dgst -sha256 -hmac 0123456789abcdef` says so.
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let signature = signature(b"0123456789abcdef", samples::now(), b"{}");
        let tag = "2ceb78e7620e51a0c5053ffa44c2caa531a842743431838a148c9f1a4662d767";
        assert_eq!(signature, format!("t=1795154400,v1={tag}"));
    }
}
