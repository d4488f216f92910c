//! A message as Slack takes it (Slack API documentation, Sending messages using incoming webhooks).
//!
//! All of it is `plain_text`, in which no markup, mention or link is read; and the three characters that begin one are
//! written as Slack wants them escaped.

use serde_json::json;

use crate::notify::text::Text;

/// Most characters of a `plain_text` object, with room for what escaping adds.
const LETTERS_MAX: usize = 2900;

/// Writes the body of the request.
#[must_use]
pub fn body(text: &Text) -> Vec<u8> {
    let whole = escaped(&text.lines().join("\n"), LETTERS_MAX);
    let section = json!({
        "type": "section",
        "text": {"type": "plain_text", "text": whole, "emoji": false},
    });
    let body = json!({
        "text": escaped(&text.title, LETTERS_MAX),
        "blocks": [section],
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    body.to_string().into_bytes()
}

/// Escapes a text, and cuts it between characters, never within an escape.
fn escaped(text: &str, most: usize) -> String {
    let (mut shown, mut length) = (String::new(), 0);
    for letter in text.chars() {
        let piece = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        length += piece.len().max(1);
        if length > most {
            break;
        }
        match piece {
            "" => shown.push(letter),
            piece => shown.push_str(piece),
        }
    }
    shown
}
