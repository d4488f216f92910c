//! Shows untrusted text: nothing that came from a share, an agent or a peer reaches a terminal or a log line raw.
//!
//! A request may hold terminal escapes, right-to-left overrides, zero-width letters or "tag" characters that spell out
//! invisible words for a model. All of them become visible `\u{…}`; ordinary text in any script stays as it is.

/// Returns `text` with every character escaped that could move a cursor, hide, or reorder what a person reads.
/// Line feeds and tabs are kept when `multiline`, else escaped too.
#[must_use]
pub fn escape(text: &str, multiline: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' if multiline => shown.push(letter),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            letter if letter.is_control() || is_invisible(letter) => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// Returns at most `letters` characters of the escaped text on one line, with `…` where it was cut.
#[must_use]
pub fn excerpt(text: &str, letters: usize) -> String {
    let shown = escape(text, false);
    if shown.chars().count() <= letters {
        return shown;
    }
    let mut cut: String = shown.chars().take(letters.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Returns the shown form of bytes that may not be UTF-8, such as a file name from a share.
#[must_use]
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&escape(chunk.valid(), false));
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// Returns whether a character reorders text or hides in it: bidirectional controls (UAX 9) and tag characters.
/// Such a character makes a request unfit to be approved, so documents refuse it (`E_BIDI`).
#[must_use]
pub const fn is_deceptive(letter: char) -> bool {
    matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{E0000}'..='\u{E007F}')
}

/// Zero-width and format characters: harmless in a document, but shown (Unicode category Cf, the common ones).
const fn is_invisible(letter: char) -> bool {
    is_deceptive(letter)
        || matches!(letter, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0080}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_invisible_stays_invisible() {
        assert_eq!(
            escape("a\u{1b}[31mb\u{202e}c\u{200b}", false),
            "a\\u{1b}[31mb\\u{202e}c\\u{200b}"
        );
        assert_eq!(escape("Ünïcode 漢字 😀", false), "Ünïcode 漢字 😀");
        assert_eq!(escape("a\nb", true), "a\nb");
        assert_eq!(escape_bytes(b"x\xff\n"), "x\\xff\\n");
        assert_eq!(excerpt("abcdef", 4), "abc…");
    }
}
