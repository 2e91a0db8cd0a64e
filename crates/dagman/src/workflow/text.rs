//! The texts of a workflow in one buffer, and the table that finds a node, a description or a
//! category by its name.
//!
//! A million names would else be a million allocations. Knows nothing of what the texts mean.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::node::NodeIndex;

/// A text in [`Texts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    start: u32,
    length: u32,
}

/// Texts of this length are looked for among those that are there: the descriptions of a splice
/// that is unfolded often, scripts, long values. Of shorter ones the look would cost more than they
/// do.
const SHARED: usize = 48;

/// All texts, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    buffer: String,
    /// What was added last: submit files and folders repeat from line to line.
    last: Option<Text>,
    /// The long ones; only while texts are added.
    long: Names<Text>,
    /// So many bytes there may be.
    limit: usize,
    is_full: bool,
}

impl Default for Texts {
    fn default() -> Self {
        Self::of_at_most(u32::MAX as usize)
    }
}

impl Texts {
    /// At most so many bytes.
    pub(super) fn of_at_most(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self { buffer: String::new(), last: None, long: Names::default(), limit, is_full: false }
    }

    /// Adds a text. One that finds no room is empty, and [`Texts::are_full`] says so.
    pub(super) fn add(&mut self, text: &str) -> Text {
        if let Some(last) = self.last
            && self.get(last) == text
        {
            return last;
        }
        let (start, length) = (self.buffer.len(), text.len());
        if length > self.limit - start {
            self.is_full = true;
            return Text { start: 0, length: 0 };
        }
        let added = Text { start: small(start), length: small(length) };
        if length >= SHARED {
            let buffer = &self.buffer;
            if let Err(known) = self.long.add(text, added, |text| slice(buffer, text)) {
                return known;
            }
        }
        self.buffer.push_str(text);
        added
    }

    /// The same for a text that is likely to come again at once.
    pub(super) fn add_repeated(&mut self, text: &str) -> Text {
        let added = self.add(text);
        self.last = Some(added);
        added
    }

    pub(super) fn get(&self, text: Text) -> &str {
        slice(&self.buffer, text)
    }

    /// Whether a text found no room.
    pub(super) fn are_full(&self) -> bool {
        self.is_full
    }

    /// All are there.
    pub(super) fn shrink(&mut self) {
        self.long = Names::default();
        self.buffer.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buffer.len()
    }
}

fn slice(buffer: &str, text: Text) -> &str {
    let start = text.start as usize;
    &buffer[start..start + text.length as usize]
}

fn small(length: usize) -> u32 {
    u32::try_from(length).expect("the limit of texts is below 4 GiB")
}

/// Finds things by name. The names themselves are the things'; of their hashes a half is kept, so
/// that growing the table, and passing one by, touch no name.
#[derive(Clone, Debug)]
pub(super) struct Names<T = NodeIndex> {
    table: HashTable<Named<T>>,
    /// How many names were compared.
    #[cfg(test)]
    compared: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
struct Named<T> {
    hash: u32,
    thing: T,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            #[cfg(test)]
            compared: std::sync::Arc::default(),
        }
    }
}

impl<T: Copy> Names<T> {
    pub(super) fn find<'n>(&self, name: &str, name_of: impl Fn(T) -> &'n str) -> Option<T> {
        let hash = hash(name);
        let is = |named: &Named<T>| {
            #[cfg(test)]
            self.compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            named.hash == hash && name_of(named.thing) == name
        };
        self.table.find(spread(hash), is).map(|named| named.thing)
    }

    /// Adds a thing, unless one has its name already: then that is the error.
    pub(super) fn add<'n>(
        &mut self,
        name: &str,
        thing: T,
        name_of: impl Fn(T) -> &'n str,
    ) -> Result<(), T> {
        let hash = hash(name);
        #[cfg(test)]
        let compared = &self.compared;
        let is = |named: &Named<T>| {
            #[cfg(test)]
            compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            named.hash == hash && name_of(named.thing) == name
        };
        match self.table.entry(spread(hash), is, |named| spread(named.hash)) {
            Entry::Occupied(taken) => Err(taken.get().thing),
            Entry::Vacant(free) => {
                free.insert(Named { hash, thing });
                Ok(())
            }
        }
    }

    #[cfg(test)]
    pub(super) fn compared(&self) -> u64 {
        self.compared.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// The table looks at the top bits and at the bottom ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(FACTOR)
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A fixed hash (no seed): the same DAG is stored the same way each time. Who writes a DAG to
/// collide slows only his own.
fn hash(text: &str) -> u32 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(text.len() as u64, |hash, w| mix(hash, u64::from_le_bytes(*w)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let [a, b, c, d, ..] = mix(hash, rest).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
