//! The edges of a DAG in two flat lists, by parent and by child, so that a million nodes with two
//! million edges take 24 bytes a node.
//!
//! Knows nothing of nodes but their numbers.

use super::node::NodeIndex;

/// The other end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The node at the other end.
    pub node: NodeIndex,
    /// WEAK: the child waits until the parent has ended, well or not.
    pub weak: bool,
}

/// An edge as it is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) parent: NodeIndex,
    pub(super) child: NodeIndex,
    pub(super) weak: bool,
}

/// All edges between nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    children: Adjacency,
    parents: Adjacency,
}

/// For each node a range of `ends`; the top bit of an end says that the edge is weak.
#[derive(Clone, Debug, Default)]
struct Adjacency {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

const WEAK: u32 = 1 << 31;

impl Graph {
    /// Sorts edges by their ends. An edge that is written twice is one; it is weak if every writing
    /// says so.
    pub(super) fn new(node_count: usize, pairs: &[Pair]) -> Self {
        let children =
            Adjacency::new(node_count, pairs.iter().map(|p| (p.parent, p.child, p.weak)));
        let parents = Adjacency::new(node_count, pairs.iter().map(|p| (p.child, p.parent, p.weak)));
        Self { children, parents }
    }

    pub(super) fn edge_count(&self) -> usize {
        self.children.ends.len()
    }

    pub(super) fn children(&self, of: NodeIndex) -> impl ExactSizeIterator<Item = Edge> {
        self.children.edges(of)
    }

    pub(super) fn parents(&self, of: NodeIndex) -> impl ExactSizeIterator<Item = Edge> {
        self.parents.edges(of)
    }
}

impl Adjacency {
    /// A counting sort, stable; then each node's doubles go.
    fn new(
        node_count: usize,
        edges: impl Iterator<Item = (NodeIndex, NodeIndex, bool)> + Clone,
    ) -> Self {
        let mut starts = vec![0_u32; node_count + 1];
        for (from, _, _) in edges.clone() {
            starts[from.position() + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut ends = vec![0_u32; starts[node_count] as usize];
        for (from, to, weak) in edges {
            let place = &mut next[from.position()];
            ends[*place as usize] = to.number() | if weak { WEAK } else { 0 };
            *place += 1;
        }
        drop(next);
        let mut adjacency = Self { starts, ends };
        adjacency.remove_doubles(node_count);
        adjacency
    }

    fn remove_doubles(&mut self, node_count: usize) {
        // where the end was last kept, by node: linear, whatever a node's degree is
        let mut kept_at = vec![u32::MAX; node_count];
        let (mut write, mut read) = (0, 0);
        for from in 0..node_count {
            let first = write;
            let last = self.starts[from + 1] as usize;
            while read < last {
                let end = self.ends[read];
                let place = &mut kept_at[(end & !WEAK) as usize];
                let before = *place as usize;
                if *place != u32::MAX && before >= first && before < write {
                    // strong wins
                    self.ends[before] &= end | !WEAK;
                } else {
                    *place = u32::try_from(write).expect("fewer edges than 2^32");
                    self.ends[write] = end;
                    write += 1;
                }
                read += 1;
            }
            self.starts[from + 1] = u32::try_from(write).expect("fewer edges than 2^32");
        }
        self.ends.truncate(write);
        self.ends.shrink_to_fit();
    }

    fn edges(&self, of: NodeIndex) -> impl ExactSizeIterator<Item = Edge> {
        let range = self.starts[of.position()] as usize..self.starts[of.position() + 1] as usize;
        self.ends[range]
            .iter()
            .map(|end| Edge { node: NodeIndex(end & !WEAK), weak: end & WEAK != 0 })
    }
}
