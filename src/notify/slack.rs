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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples;
    use serde_json::Value;

    #[test]
    fn an_approval_reads_like_this() {
        let body: Value = serde_json::from_slice(&body(&samples::plain())).unwrap();
        let whole = "gpubox: devbox asks for an approval\n\
            task: 0198f1c2-0000-7000-8000-000000000001\nlane: devbox-to-gpubox\nprofile: gpu\n\
            policy: run the tests\ntype: dispatch-ack 0198f1c2-0000-7000-8000-000000000001";
        let wanted = json!({
            "text": "gpubox: devbox asks for an approval",
            "blocks": [{
                "type": "section",
                "text": {"type": "plain_text", "text": whole, "emoji": false},
            }],
            "parse": "none",
            "link_names": false,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn nothing_in_a_request_begins_a_mention_or_a_link() {
        for text in samples::poisoned() {
            let body: Value = serde_json::from_slice(&body(&text)).unwrap();
            let section = &body["blocks"][0]["text"];
            assert_eq!(section["type"], "plain_text");
            for shown in [&section["text"], &body["text"]] {
                let shown = shown.as_str().unwrap();
                assert!(
                    !shown.contains(['<', '>', '\u{1b}', '\r', '\u{202e}']),
                    "{shown}"
                );
            }
        }
        assert_eq!(escaped("a<&", 6), "a&lt;");
        assert_eq!(escaped("\u{e4}\u{f6}", 1), "\u{e4}");
    }
}
