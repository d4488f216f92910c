//! A message as ntfy takes it (ntfy documentation, Publish as JSON): plain text, Markdown off.
//!
//! Title and text are in the body, not in headers, so that nothing in them can begin a header.

use serde_json::json;

use crate::destination::Url;
use crate::notify::text::Text;
use crate::notify::text::Tone;

/// Most bytes of the text; a longer one would become an attachment (4096).
const BYTES_MAX: usize = 3800;

/// Writes the body of the request for a topic.
#[must_use]
pub fn body(text: &Text, topic: &str) -> Vec<u8> {
    let lines = text.lines();
    let rest = lines.get(1..).unwrap_or_default().join("\n");
    let (priority, tag) = match text.tone {
        Tone::Ask => (4, "raised_hand"),
        Tone::Alarm => (5, "rotating_light"),
        Tone::Bad => (4, "warning"),
        Tone::Good => (3, "white_check_mark"),
        Tone::Plain => (3, "information_source"),
    };
    let body = json!({
        "topic": topic,
        "title": text.title,
        "message": cut(&rest),
        "priority": priority,
        "tags": [tag],
        "markdown": false,
    });
    body.to_string().into_bytes()
}

/// Parts an address into that of the server and the topic; `None` where it has none.
#[must_use]
pub fn server_and_topic(url: &Url) -> Option<(Url, String)> {
    let (server, topic) = url.as_str().rsplit_once('/')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_topic = (1..=64).contains(&topic.len()) && topic.bytes().all(plain);
    let server = Url::parse(&format!("{server}/")).ok()?;
    is_topic.then(|| (server, topic.to_owned()))
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples;
    use serde_json::Value;

    #[test]
    fn an_approval_reads_like_this() {
        let body: Value = serde_json::from_slice(&body(&samples::plain(), "ops")).unwrap();
        let message = "task: 0198f1c2-0000-7000-8000-000000000001\nlane: devbox-to-gpubox\n\
            profile: gpu\npolicy: run the tests\n\
            type: dispatch-ack 0198f1c2-0000-7000-8000-000000000001";
        let wanted = json!({
            "topic": "ops",
            "title": "gpubox: devbox asks for an approval",
            "message": message,
            "priority": 4,
            "tags": ["raised_hand"],
            "markdown": false,
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn a_request_stays_text() {
        for text in samples::poisoned() {
            let body: Value = serde_json::from_slice(&body(&text, "ops")).unwrap();
            assert_eq!(body["markdown"], false);
            let message = body["message"].as_str().unwrap();
            assert!(message.len() <= BYTES_MAX);
            assert!(!message.contains(['\u{1b}', '\r', '\u{202e}']), "{message}");
            assert_eq!(message.lines().count(), 5, "{message}");
        }
        assert_eq!(cut(&"\u{e4}".repeat(BYTES_MAX)).len(), BYTES_MAX);
    }

    #[test]
    fn the_last_part_of_the_address_is_the_topic() {
        let parts = |text: &str| server_and_topic(&Url::parse(text).unwrap());
        let (server, topic) = parts("https://ntfy.example/sub/ops-1").unwrap();
        assert_eq!(
            (server.as_str(), topic.as_str()),
            ("https://ntfy.example/sub/", "ops-1")
        );
        for bad in [
            "https://ntfy.example",
            "https://ntfy.example/a/",
            "https://ntfy.example/a?b=c",
        ] {
            assert!(parts(bad).is_none(), "{bad}");
        }
    }
}
