//! Sets of machines, by row number: one bit each, so that a condition over 100,000 machines is 12
//! kB and two are joined in microseconds.

/// A set of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Whether `row` is in the set.
    pub(crate) fn get(&self, row: u32) -> bool {
        let (word, mask) = place(row);
        self.words.get(word).is_some_and(|bits| bits & mask != 0)
    }

    /// Puts `row` in the set or takes it out.
    pub(crate) fn put(&mut self, row: u32, value: bool) {
        let (word, mask) = place(row);
        if word >= self.words.len() {
            if !value {
                return;
            }
            self.words.resize(word + 1, 0);
        }
        if value {
            self.words[word] |= mask;
        } else {
            self.words[word] &= !mask;
        }
    }

    /// Keeps what is in `other` too.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Adds what is in `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// How many rows are in the set.
    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether no row is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The rows in the set, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).step_by(64).zip(&self.words).flat_map(|(base, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some(base + bit)
            })
        })
    }
}

fn place(row: u32) -> (usize, u64) {
    (row as usize / 64, 1 << (row % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_what_was_put_in_and_not_taken_out() {
        let mut set = Bits::default();
        for row in [0, 63, 64, 200] {
            set.put(row, true);
        }
        set.put(64, false);
        set.put(9999, false);
        assert_eq!(set.rows().collect::<Vec<_>>(), [0, 63, 200]);
        assert_eq!((set.count(), set.get(63), set.get(64), set.get(9999)), (3, true, false, false));
    }

    #[test]
    fn keeping_what_a_shorter_set_has_drops_the_rest() {
        let (mut long, mut short) = (Bits::default(), Bits::default());
        for row in [1, 2, 300] {
            long.put(row, true);
        }
        short.put(2, true);
        long.keep(&short);
        assert_eq!(long.rows().collect::<Vec<_>>(), [2]);
        long.keep(&Bits::default());
        assert!(long.is_empty());
        long.add(&short);
        assert_eq!(long, short);
    }
}
