//! Classes of failure from what providers and agents say: HTTP statuses, words, and, where a program gives
//! nothing else, its prose.

use crate::outcome::FailureClass;

/// Returns the class of a provider's HTTP status, where it tells one.
pub(super) const fn of_http(status: u64) -> Option<FailureClass> {
    Some(match status {
        401 | 403 => FailureClass::Auth,
        402 => FailureClass::Billing,
        404 => FailureClass::Model,
        413 => FailureClass::PromptTooLong,
        429 => FailureClass::RateLimit,
        500..=599 => FailureClass::Overloaded,
        _ => return None,
    })
}

/// Returns the HTTP status that prose mentions: three digits after the word `status`, or after `"code":`.
pub(super) fn http_status_in(prose: &str) -> Option<u64> {
    let after = |word: &str| {
        prose.match_indices(word).find_map(|(at, _)| {
            let rest = prose[at + word.len()..].trim_start_matches([':', '=', ' ', '"']);
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().ok()?;
            (digits == 3 && (400..=599).contains(&number)).then_some(number)
        })
    };
    ["status", "statusCode", "status_code", "\"code\""]
        .iter()
        .find_map(|word| after(word))
}

/// Returns the class of an error that is prose alone. Phrases come before the status: a provider says 429 for a spent
/// account too, and 400 for a prompt that is too long.
pub(super) fn of_prose(prose: &str) -> Option<FailureClass> {
    const PHRASES: &[(&str, FailureClass)] = &[
        ("usage limit", FailureClass::UsageLimit),
        ("context window", FailureClass::PromptTooLong),
        ("context length", FailureClass::PromptTooLong),
        ("prompt is too long", FailureClass::PromptTooLong),
        ("credit balance", FailureClass::Billing),
        ("quota exceeded. check your plan", FailureClass::Billing),
        ("insufficient_quota", FailureClass::Billing),
        ("empty response", FailureClass::EmptyResult),
        ("litellm.authenticationerror", FailureClass::Auth),
        ("litellm.permissiondeniederror", FailureClass::Auth),
        ("litellm.notfounderror", FailureClass::Model),
        ("litellm.ratelimiterror", FailureClass::RateLimit),
        ("litellm.internalservererror", FailureClass::Overloaded),
        ("litellm.serviceunavailableerror", FailureClass::Overloaded),
        ("litellm.apiconnectionerror", FailureClass::Overloaded),
        ("litellm.timeout", FailureClass::Overloaded),
        ("at capacity", FailureClass::Overloaded),
    ];
    let lower = prose.to_lowercase();
    let phrase = PHRASES.iter().find(|(phrase, _)| lower.contains(phrase));
    let by_phrase = phrase.map(|(_, class)| *class);
    by_phrase.or_else(|| of_http(http_status_in(prose)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_classed_by_phrase_then_status() {
        for (prose, class) in [
            (
                "unexpected status 401 Unauthorized: x",
                Some(FailureClass::Auth),
            ),
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                Some(FailureClass::RateLimit),
            ),
            (
                "status 429: You've hit your usage limit.",
                Some(FailureClass::UsageLimit),
            ),
            (
                "ran out of room in the model's context window",
                Some(FailureClass::PromptTooLong),
            ),
            (
                r#"[API Error: {"error":{"code":503}}]"#,
                Some(FailureClass::Overloaded),
            ),
            ("status 4011", None),
            ("all is well at 429 Main Street", None),
        ] {
            assert_eq!(of_prose(prose), class, "{prose}");
        }
    }
}
