//! Sets of rows, as bitmaps.

/// A set of rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    pub(crate) fn none(rows: usize) -> RowSet {
        RowSet { words: vec![0; rows.div_ceil(64)] }
    }

    /// Sets the rows for which `holds` is true, 64 at a time.
    pub(crate) fn from_fn(rows: usize, mut holds: impl FnMut(usize) -> bool) -> RowSet {
        let mut set = RowSet::none(rows);
        for (index, word) in set.words.iter_mut().enumerate() {
            let start = index * 64;
            let mut bits = 0;
            for offset in 0..64.min(rows - start) {
                bits |= u64::from(holds(start + offset)) << offset;
            }
            *word = bits;
        }
        set
    }

    /// Whether the row is in the set.
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// How many rows are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let offset = usize::try_from(rest.trailing_zeros()).unwrap_or(0);
                rest &= rest - 1;
                Some(index * 64 + offset)
            })
        })
    }

    /// Keeps the rows that are also in the other set.
    pub fn intersect(&mut self, other: &RowSet) {
        self.combine(other, |left, right| left & right);
    }

    pub(crate) fn combine(&mut self, other: &RowSet, combine: fn(u64, u64) -> u64) {
        for (index, word) in self.words.iter_mut().enumerate() {
            *word = combine(*word, other.words.get(index).copied().unwrap_or(0));
        }
    }

    pub(crate) fn combined(mut self, other: &RowSet, combine: fn(u64, u64) -> u64) -> RowSet {
        RowSet::combine(&mut self, other, combine);
        self
    }
}
