//! The word somebody meant: the closest of the known ones, if one is close enough to be worth a hint.

/// Returns the known word that is nearest to `word` by Damerau-Levenshtein distance: at most a third of its letters
/// away, and at most three.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let furthest = (word.chars().count() / 3).clamp(1, 3);
    known
        .map(|other| (strsim::osa_distance(word, other), other))
        .filter(|(distance, _)| *distance <= furthest)
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = ["timeout", "timeout_max", "stall", "slots"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("timeot"), Some("timeout"));
        assert_eq!(near("tiemout_max"), Some("timeout_max"));
        assert_eq!(near("slot"), Some("slots"));
        assert_eq!(near("workspace"), None);
        assert_eq!(near(""), None);
    }
}
