//! How far a class has come in its search for machines: data, which the pass goes on with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use model::{ClassId, ScheddName};

use crate::core::conditions::clauses::Level;
use crate::core::machines::index::Place;
use crate::core::requests::demand::Class;
use crate::core::values::bits::Bits;
use crate::core::values::ordered::Ordered;

/// A class that looks for machines.
pub(crate) struct Seeker<'a> {
    pub(crate) schedd: &'a ScheddName,
    pub(crate) id: ClassId,
    pub(crate) class: &'a Class,
    /// In which advance reservation its jobs run, if in any.
    pub(crate) own: Option<usize>,
    pub(crate) wants: u32,
    pub(crate) search: Search<'a>,
}

impl<'a> Seeker<'a> {
    pub(crate) fn taker(&self) -> Taker<'a> {
        Taker { class: self.class, own: self.own }
    }
}

/// Who would have a part of a machine: a class, and in which advance reservation its jobs run, if
/// in any.
#[derive(Clone, Copy)]
pub(crate) struct Taker<'a> {
    pub(crate) class: &'a Class,
    pub(crate) own: Option<usize>,
}

/// Where a class stands in its search.
pub(crate) enum Search<'a> {
    Fresh,
    /// By the least left; of machines that differ in Rank, among the best that have not been
    /// exhausted.
    ByPlace {
        among: Among,
        levels: Option<&'a [Level]>,
        from: Option<Place>,
        more: bool,
        taken: Taken,
    },
    /// By a Rank that looks at processors and memory only, and then by the least left.
    ByAmounts(Box<ByAmounts>),
    /// One by one, by any Rank.
    ByRank(BinaryHeap<Ranked>),
}

/// What a class knows of the machines that the pass has taken from.
#[derive(Default)]
pub(crate) struct Taken {
    /// How much of the pass's record it has read.
    pub(crate) read: usize,
    /// Those that suited it when it saw them, by their place then.
    pub(crate) suited: BTreeSet<(Reverse<Ordered>, Place)>,
    /// Whether it saw only the first of those that had been taken from when it began.
    pub(crate) more: bool,
}

/// A search by a Rank that looks at processors and memory only: machines with equally much of both
/// are equal in rank.
pub(crate) struct ByAmounts {
    pub(crate) among: Among,
    pub(crate) ranks: BTreeMap<(u32, u64), Ordered>,
    /// What the machines have left that were there when the search began, the best first.
    pub(crate) groups: Vec<(Ordered, (u32, u64))>,
    pub(crate) group: usize,
    pub(crate) from: Option<Place>,
    pub(crate) taken: Taken,
}

/// The machines that a class looks at.
pub(crate) enum Among {
    /// All that its clauses may admit.
    All(Bits),
    /// Those that improved.
    Improved,
}

impl Among {
    pub(crate) fn admits(&self, row: u32) -> bool {
        match self {
            Self::All(admitted) => admitted.get(row),
            Self::Improved => true,
        }
    }
}

/// A machine by how much it is liked: the machine's own Rank first, as in HTCondor 25.14
/// (`10000000 * My.Rank` in `NEGOTIATOR_PRE_JOB_RANK`), then the job's.
///
/// HTCondor puts the fewest `Cpus` before the job's Rank, so that a Rank only decides between
/// machines with equally much left. Here the job's Rank comes first: with partitionable slots, of
/// which hardly two have equally much left, a user's Rank would otherwise mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ranked {
    pub(crate) machine_rank: Ordered,
    pub(crate) job_rank: Ordered,
    pub(crate) place: Reverse<Place>,
}
