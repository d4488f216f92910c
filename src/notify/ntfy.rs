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
