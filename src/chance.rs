//! Where randomness comes from: the system's, or a seed's.
//!
//! A nonce makes a name that only one try could have made (`docs/QUEUE.md`, R1), so the code that makes names is handed
//! its randomness, and a simulation can replay it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::id::Nonce;
use crate::id::TaskId;

/// A source of randomness.
pub trait Chance: Send + Sync {
    /// Returns 64 random bits.
    fn bits(&self) -> u64;

    /// Returns a fresh nonce: good for one name, once.
    fn nonce(&self) -> Nonce {
        Nonce::from_bits(self.bits())
    }

    /// Returns a fresh task id (UUID version 7, RFC 9562 section 5.7) for the moment `unix_ms`.
    fn task_id(&self, unix_ms: u64) -> TaskId {
        let mut bytes = [0_u8; 10];
        let (high, low) = (self.bits().to_be_bytes(), self.bits().to_be_bytes());
        bytes[..8].copy_from_slice(&high);
        bytes[8..].copy_from_slice(&low[..2]);
        TaskId::from_uuid(uuid::Builder::from_unix_timestamp_millis(unix_ms, &bytes).into_uuid())
    }
}

/// The kernel's randomness, getrandom(2).
#[derive(Debug, Clone, Copy, Default)]
pub struct OsChance;

impl Chance for OsChance {
    fn bits(&self) -> u64 {
        // getrandom(2) without flags fails only before the pool was ever filled, at boot. A nonce must be fresh, not
        // secret: a v4 UUID of the uuid crate panics in that case, and so may this.
        getrandom::u64().expect("the kernel has randomness after boot")
    }
}

/// Randomness that repeats: xorshift64* from a seed (Vigna 2016). For tests and simulation only.
#[derive(Debug)]
pub struct SeededChance(AtomicU64);

impl SeededChance {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))
    }
}

impl Chance for SeededChance {
    fn bits(&self) -> u64 {
        let step = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^ (x >> 27)
        };
        let before = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |x| Some(step(x)))
            .unwrap_or_else(|x| x);
        step(before).wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
