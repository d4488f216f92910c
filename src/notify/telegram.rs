//! A message as Telegram takes it (Telegram Bot API, sendMessage).
//!
//! There is no `parse_mode`, so no letter of the text is markup. What is bold or code is said beside it by offsets, and
//! in `pre` Telegram makes no mention, link or bot command of what people wrote.

use serde_json::Value;
use serde_json::json;

use crate::notify::text::Text;

/// Most characters of a message, in UTF-16 units as the service counts them.
const UNITS_MAX: usize = 4096;

/// Writes the body of the request.
#[must_use]
pub fn body(text: &Text, chat: &str) -> Vec<u8> {
    let mut page = Page::default();
    page.put("bold", &text.title);
    let facts = text.facts.iter();
    let mut block: Vec<String> = facts
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    block.extend(text.quote.clone());
    if !block.is_empty() {
        page.put("pre", &block.join("\n"));
    }
    if let Some(command) = &text.command {
        page.put("code", command);
    }
    let body = json!({
        "chat_id": chat,
        "text": page.text,
        "entities": page.entities,
        "link_preview_options": {"is_disabled": true},
    });
    body.to_string().into_bytes()
}

/// A text, and what its parts are.
#[derive(Default)]
struct Page {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

impl Page {
    /// Adds a part on lines of its own, as far as there is room.
    fn put(&mut self, kind: &str, part: &str) {
        if self.units > 0 {
            self.text.push('\n');
            self.units += 1;
        }
        let offset = self.units;
        for letter in part.chars() {
            if self.units + letter.len_utf16() > UNITS_MAX {
                break;
            }
            self.text.push(letter);
            self.units += letter.len_utf16();
        }
        let length = self.units - offset;
        if length > 0 {
            let entity = json!({"type": kind, "offset": offset, "length": length});
            self.entities.push(entity);
        }
    }
}
