//! The one source of chance of a simulation: SplitMix64. The same seed gives the same world on
//! every machine.

/// A small deterministic generator (Steele, Lea and Flood: "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Self { state: seed };
        // Seeds are small numbers that lie together; the first output still resembles them less.
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The bias of the remainder is below 2^-30 for every `n` that is used here.
        self.next().checked_rem(n).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them. There must be one.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// An index below `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let n = self.below(u64::try_from(len).unwrap_or(u64::MAX));
        usize::try_from(n).unwrap_or(0)
    }

    /// Sixteen bytes, for tokens and secrets.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            [rng.next(), rng.below(10), rng.between(5, 7)]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut rng = Rng::new(3);
        for _ in 0..1000 {
            assert!((5..=7).contains(&rng.between(5, 7)));
            assert!(rng.below(3) < 3);
        }
        assert_eq!(rng.below(0), 0);
    }
}
