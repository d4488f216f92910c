//! Answers cut to what a result carries, always valid UTF-8. The whole output is in the log; a cut says so.

use crate::limits::FINAL_TEXT_BYTES_MAX;

/// What an answer that was cut says at its cut.
const CUT: &str = "[... cut here; the log has all of it ...]";

/// Returns the nearest boundary of a character at or before `index`.
fn floor(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// Returns the nearest boundary of a character at or after `index`.
fn ceil(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index += 1;
    }
    index
}

/// Returns the beginning of a text that is too long: an agent states its answer first.
pub(super) fn head(text: &str) -> String {
    let mut answer = String::new();
    append(&mut answer, text);
    answer
}

/// Makes an answer longer, until it is cut; what comes after the cut is dropped.
pub(super) fn append(answer: &mut String, more: &str) {
    if answer.ends_with(CUT) {
        return;
    }
    answer.push_str(more);
    if answer.len() > FINAL_TEXT_BYTES_MAX {
        answer.truncate(floor(answer, FINAL_TEXT_BYTES_MAX - CUT.len() - 1));
        answer.push('\n');
        answer.push_str(CUT);
    }
}

/// Returns the end of an output that is too long, without trailing line feeds: a program states its outcome
/// last. Bytes that are not UTF-8 are replaced.
pub(super) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.len() <= FINAL_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let room = FINAL_TEXT_BYTES_MAX - CUT.len() - 1;
    format!("{CUT}\n{}", &text[ceil(text, text.len() - room)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_is_bounded_and_valid() {
        let long = "ä漢".repeat(FINAL_TEXT_BYTES_MAX);
        for cut in [
            head(&long),
            tail(long.as_bytes()),
            tail(&vec![0xff; 3 * FINAL_TEXT_BYTES_MAX]),
        ] {
            assert!(cut.len() <= FINAL_TEXT_BYTES_MAX && cut.len() > FINAL_TEXT_BYTES_MAX - 8);
            assert!(cut.contains(CUT));
        }
        assert!(head(&long).starts_with('ä') && tail(long.as_bytes()).ends_with('漢'));
        let mut cut = head(&long);
        append(&mut cut, "more");
        assert_eq!(
            cut,
            head(&long),
            "what comes after a cut would seem to follow what was cut"
        );
        assert_eq!(tail(b"as it is\r\n\n"), "as it is");
    }
}
