//! How this node tries again what failed: local, the same for every peer.

use std::time::Duration;

/// The pauses between attempts (`docs/QUEUE.md`, Retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Before the second attempt; it doubles with each.
    pub pause: Duration,
    /// The longest of these.
    pub pause_max: Duration,
    /// Longest wait for a time that a provider named.
    pub wait_max: Duration,
    /// How long nothing of a profile is started after its credential was refused or its account could not pay.
    pub mend: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(30),
            pause_max: Duration::from_secs(15 * 60),
            wait_max: Duration::from_secs(6 * 3600),
            mend: Duration::from_secs(3600),
        }
    }
}

impl Retry {
    /// Returns the pause after so many attempts that count, shortened by up to half of it: `chance` is any number.
    #[must_use]
    pub fn after(&self, attempts: u32, chance: u64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(20));
        shorten(
            self.pause.saturating_mul(doubled).min(self.pause_max),
            chance,
        )
    }

    /// Returns how much later than a time that everybody was told this node comes, so that not all come at once.
    #[must_use]
    pub fn spread(&self, chance: u64) -> Duration {
        shorten(self.pause.min(self.pause_max), chance)
    }
}

/// Takes away up to half.
fn shorten(whole: Duration, chance: u64) -> Duration {
    // 0 to 511 of 1024.
    let part = u32::try_from(chance % 512).unwrap_or(0);
    whole - whole.mul_f64(f64::from(part) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_at_least_half_of_themselves() {
        let retry = Retry::default();
        for (attempts, most) in [
            (0, 30),
            (1, 30),
            (2, 60),
            (3, 120),
            (6, 900),
            (u32::MAX, 900),
        ] {
            let most = Duration::from_secs(most);
            assert_eq!(retry.after(attempts, 0), most, "{attempts}");
            let least = retry.after(attempts, u64::MAX);
            assert!(least >= most / 2 && least < most, "{attempts}");
        }
    }
}
