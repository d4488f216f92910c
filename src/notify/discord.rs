//! A message as Discord takes it (Discord API documentation, Execute Webhook).
//!
//! What people wrote stands in a code block, where neither Markdown nor mentions nor links mean anything, and a block
//! cannot be left because it holds no back-tick. Should something get out all the same, `allowed_mentions` pings
//! nobody, and links show no preview.

use serde_json::json;

use crate::notify::text::Text;

/// Most characters of a message.
const LETTERS_MAX: usize = 2000;
/// Links in the message show no preview (message flag `SUPPRESS_EMBEDS`).
const NO_PREVIEWS: u32 = 4;

/// Writes the body of the request.
#[must_use]
pub fn body(text: &Text) -> Vec<u8> {
    let mut content = format!("**{}**", plain(&text.title));
    let mut block: Vec<String> = Vec::new();
    let facts = text.facts.iter();
    block.extend(facts.map(|(name, value)| format!("{name}: {value}")));
    block.extend(text.quote.clone());
    if !block.is_empty() {
        let block: String = block.join("\n").replace('`', "'");
        content.push_str(&format!("\n```text\n{block}\n```"));
    }
    if let Some(command) = &text.command {
        content.push_str(&format!("\n`{}`", command.replace('`', "'")));
    }
    let content: String = content.chars().take(LETTERS_MAX).collect();
    let body = json!({
        "content": content,
        "allowed_mentions": {"parse": []},
        "flags": NO_PREVIEWS,
    });
    body.to_string().into_bytes()
}

/// Takes from a text outside a block what Discord would read as more than letters.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_punctuation() && !matches!(letter, '.' | ',' | ';' | ':' | '-') {
            shown.push('\\');
        }
        shown.push(letter);
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
        let content = "**gpubox: devbox asks for an approval**\n```text\n\
            task: 0198f1c2-0000-7000-8000-000000000001\nlane: devbox-to-gpubox\nprofile: gpu\n\
            policy: run the tests\n```\n`dispatch-ack 0198f1c2-0000-7000-8000-000000000001`";
        let wanted = json!({
            "content": content,
            "allowed_mentions": {"parse": []},
            "flags": 4,
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn a_request_cannot_leave_its_block_or_ping() {
        for text in samples::poisoned() {
            let body: Value = serde_json::from_slice(&body(&text)).unwrap();
            assert_eq!(body["allowed_mentions"], json!({"parse": []}));
            let content = body["content"].as_str().unwrap();
            assert!(content.chars().count() <= LETTERS_MAX);
            let parts: Vec<&str> = content.split("```").collect();
            assert_eq!(parts.len(), 3, "{content}");
            assert_eq!(parts[2].matches('`').count(), 2, "{content}");
            assert!(
                !parts[0].contains('@') && !parts[2].contains('@'),
                "{content}"
            );
            assert!(!content.contains(['\u{1b}', '\r', '\u{202e}']), "{content}");
        }
        assert_eq!(plain("a_*b*@x: 1"), "a\\_\\*b\\*\\@x: 1");
    }
}
