//! What is said of a claim whose member gives no sign of life. Pure.
//!
//! Who looks cannot tell a moment of silence from a member that is gone before the term of its lease is over, and
//! neither can the other members: so it is said what is known, and what comes of it.

use super::Because;
use crate::id::NodeName;
use crate::limits;
use crate::status::node::since;

/// A member that beats its lease no later than this is well: three times the pause between two beats.
pub(super) const QUIET_S: u64 = 3 * limits::LEASE_BEAT.as_secs();

/// What is known of a silent claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    /// Whether it was started, or was about to be.
    pub is_started: bool,
    /// Whether it may be started only once; `None` where it cannot be proved here.
    pub once: Option<bool>,
    /// How long ago its lease last changed, in seconds; `None` where it has none.
    pub beaten: Option<u64>,
    /// Whether no other member is alive, as far as is known.
    pub is_last: bool,
}

impl Silence {
    pub(super) fn told(self, member: &NodeName) -> Because {
        let then = match (self.is_started, self.once) {
            (true, Some(true)) => {
                "it ends as indeterminate, because it may have run and may be started only once"
            }
            (true, Some(false)) => "another member takes it over and starts it again",
            _ => "another member takes it over",
        };
        let who = match self.is_last {
            true => " (no other member is alive now)",
            false => "",
        };
        let had = match self.is_started {
            true => format!("it was started on {member}"),
            false => format!("held by {member}, not started"),
        };
        let (term, beat) = (limits::LEASE_TERM.as_secs(), limits::LEASE_BEAT.as_secs());
        match self.beaten {
            Some(ago) if ago <= term => {
                let text = format!(
                    "{had}; its last sign of life was {ago} s ago, one is due every {beat} s: \
                     if it stays silent, {then} after {} s more or a little later{who}",
                    term - ago
                );
                Because::new("quiet", text)
            }
            beaten => {
                let last = beaten.map_or_else(
                    || "of which there is no sign of life".to_owned(),
                    |ago| format!("whose last sign of life was {}", since(ago)),
                );
                Because::new("expired_claim", format!("{had}, {last}: {then}{who}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_died_is_not_said_to_run_it() {
        let member = NodeName::parse("gpu1").unwrap();
        let silence = Silence {
            is_started: true,
            once: Some(false),
            beaten: Some(45),
            is_last: false,
        };
        let told = |silence: Silence| silence.told(&member).text;
        let text = told(silence);
        assert!(text.starts_with("it was started on gpu1; its last sign of life was 45 s ago"));
        assert!(
            text.ends_with("takes it over and starts it again after 75 s more or a little later")
        );
        let once = Silence {
            once: Some(true),
            ..silence
        };
        assert!(told(once).contains("it ends as indeterminate"));
        let gone = Silence {
            beaten: Some(300),
            is_last: true,
            ..silence
        };
        let text = told(gone);
        assert!(
            text.contains("whose last sign of life was 5 min ago: another member"),
            "{text}"
        );
        assert!(text.ends_with("(no other member is alive now)"));
        let held = Silence {
            is_started: false,
            beaten: None,
            ..silence
        };
        assert_eq!(
            told(held),
            "held by gpu1, not started, of which there is no sign of life: another member takes it over"
        );
    }
}
