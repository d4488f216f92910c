//! Chance of a schedule: one sequence from one seed (SplitMix64, Steele, Lea and Flood 2014).

/// A sequence that repeats.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Begins the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        dice.bits();
        dice
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    /// A number from `low` to `high` whose order of magnitude is as likely as any other.
    pub fn spread(&mut self, low: u64, high: u64) -> u64 {
        let (least, most) = (low.max(1).ilog2(), high.max(1).ilog2());
        let shift = self.within(u64::from(least), u64::from(most));
        let top = 1_u64 << shift;
        self.within(top, 2 * top - 1).clamp(low, high)
    }

    /// Once in so many times; never where that is 0.
    pub fn once_in(&mut self, times: u64) -> bool {
        times != 0 && self.bits().is_multiple_of(times)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.within(0, from.len() as u64 - 1);
        from[usize::try_from(at).expect("an index")]
    }
}
