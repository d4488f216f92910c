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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples;

    #[test]
    fn an_approval_reads_like_this() {
        let body: Value = serde_json::from_slice(&body(&samples::plain(), "-100")).unwrap();
        let text = "gpubox: devbox asks for an approval\n\
            task: 0198f1c2-0000-7000-8000-000000000001\nlane: devbox-to-gpubox\nprofile: gpu\n\
            policy: run the tests\ndispatch-ack 0198f1c2-0000-7000-8000-000000000001";
        let wanted = json!({
            "chat_id": "-100",
            "text": text,
            "entities": [
                {"type": "bold", "offset": 0, "length": 35},
                {"type": "pre", "offset": 36, "length": 100},
                {"type": "code", "offset": 137, "length": 49},
            ],
            "link_preview_options": {"is_disabled": true},
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn every_letter_of_a_request_is_within_its_block() {
        for text in samples::poisoned() {
            let body: Value = serde_json::from_slice(&body(&text, "1")).unwrap();
            assert!(body.get("parse_mode").is_none());
            let units: Vec<u16> = body["text"].as_str().unwrap().encode_utf16().collect();
            assert!(units.len() <= UNITS_MAX);
            let at = |key: &str| {
                let number = body["entities"][1][key].as_u64().unwrap();
                usize::try_from(number).unwrap()
            };
            let (offset, length) = (at("offset"), at("length"));
            assert_eq!(body["entities"][1]["type"], "pre");
            let block = String::from_utf16(&units[offset..offset + length]).unwrap();
            assert!(block.contains(text.quote.as_ref().unwrap()), "{block}");
        }
    }

    #[test]
    fn offsets_are_counted_as_the_service_does() {
        let mut page = Page::default();
        page.put("bold", "a\u{1f600}");
        page.put("code", "b");
        assert_eq!(
            page.entities[1],
            json!({"type": "code", "offset": 4, "length": 1})
        );
    }
}
