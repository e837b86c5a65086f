//! Dice: numbers that look random and are the same for the same seed, on every machine and for ever.
//!
//! Ours and not a crate's, because golden files depend on every number of it (`SplitMix64`).

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where `n` is 0.
    pub(super) const fn below(&mut self, n: u64) -> u64 {
        match self.next().checked_rem(n) {
            Some(rest) => rest,
            None => 0,
        }
    }

    /// Whether something of that many percent happens.
    pub(super) const fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T], otherwise: T) -> T {
        let n = self.below(u64::try_from(all.len()).unwrap_or(0));
        usize::try_from(n).ok().and_then(|n| all.get(n).copied()).unwrap_or(otherwise)
    }

    /// Half of a number, for ids.
    pub(super) const fn half(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }
}
