//! The texts of a workflow in one buffer, and the table that finds a node by its name.
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

/// All texts, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    buffer: String,
    /// What was added last: submit files and folders repeat from line to line.
    last: Option<Text>,
}

impl Texts {
    /// # Panics
    /// If all texts together are longer than 4 GiB: what is read is limited to less.
    pub(super) fn add(&mut self, text: &str) -> Text {
        if let Some(last) = self.last
            && self.get(last) == text
        {
            return last;
        }
        let added = Text { start: small(self.buffer.len()), length: small(text.len()) };
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
        let start = text.start as usize;
        &self.buffer[start..start + text.length as usize]
    }

    pub(super) fn shrink(&mut self) {
        self.buffer.shrink_to_fit();
    }
}

fn small(length: usize) -> u32 {
    u32::try_from(length).expect("the texts of a workflow are shorter than 4 GiB")
}

/// Finds nodes by name. The names themselves are the nodes'; of their hashes a half is kept, so
/// that growing the table, and passing a node by, touch no name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    table: HashTable<Named>,
}

#[derive(Clone, Copy, Debug)]
struct Named {
    hash: u32,
    node: NodeIndex,
}

impl Names {
    pub(super) fn find<'n>(
        &self,
        name: &str,
        name_of: impl Fn(NodeIndex) -> &'n str,
    ) -> Option<NodeIndex> {
        let hash = hash(name);
        let is = |named: &Named| named.hash == hash && name_of(named.node) == name;
        self.table.find(spread(hash), is).map(|named| named.node)
    }

    /// Adds a node, unless one has its name already: then that is the error.
    pub(super) fn add<'n>(
        &mut self,
        name: &str,
        node: NodeIndex,
        name_of: impl Fn(NodeIndex) -> &'n str,
    ) -> Result<(), NodeIndex> {
        let hash = hash(name);
        let is = |named: &Named| named.hash == hash && name_of(named.node) == name;
        match self.table.entry(spread(hash), is, |named| spread(named.hash)) {
            Entry::Occupied(taken) => Err(taken.get().node),
            Entry::Vacant(free) => {
                free.insert(Named { hash, node });
                Ok(())
            }
        }
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
