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
