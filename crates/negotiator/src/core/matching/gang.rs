//! Where the parts of a job are put that needs several machines: all of them in one pass, or none.
//! Nothing is kept for a gang from one pass to the next, so two of them never hold half each ([ADR
//! 0043](../../../../../../docs/adr/0043-a-gang-over-machines-is-one-run-with-several-claims.md)).
//!
//! What fits where is asked of whoever calls.

use std::collections::BTreeMap;

use model::{Resources, Spread};

use crate::core::requests::demand::{Asked, Class};
use crate::core::requests::gang::{GangClass, Kind};

/// What a machine gives to a gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) row: u32,
    pub(crate) part: Resources,
    /// The numbers of the job's parts that are there, rising.
    pub(crate) holds: Vec<u32>,
}

/// A place for each part of a gang, that of its first part first; nothing if one finds none. `rows`
/// are the machines that may be asked, with what each has left; `fits` says what a part gets of a
/// machine with so much left.
pub(crate) fn places(
    gang: &GangClass,
    rows: Vec<(u32, Resources)>,
    fits: impl Fn(&Class, u32, &Resources) -> Option<Resources>,
) -> Option<Vec<Given>> {
    let used = vec![false; rows.len()];
    let mut search = Search { spread: gang.spread, rows, used, given: Vec::new() };
    // Machines of which the least is left come first, so that the large ones are there for large
    // parts; parts that may be together fill the emptiest first, so that they are on few.
    search.rows.sort_by_key(|(row, left)| (left.cpus, left.memory_mib, *row));
    if gang.spread == Spread::Free {
        search.rows.reverse();
    }
    let mut kinds: Vec<&Kind> = gang.kinds.iter().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(size(&kind.class)));
    kinds.into_iter().all(|kind| search.put(kind, &fits)).then(|| search.end())
}

fn size(class: &Class) -> (usize, u32, u64) {
    match &class.asked {
        Asked::Fixed(asked) => (asked.custom.len(), asked.cpus, asked.memory_mib),
        Asked::PerMachine(_) => (0, 1, 0),
    }
}

struct Search {
    spread: Spread,
    /// By the order in which they are tried.
    rows: Vec<(u32, Resources)>,
    /// Whether each has a part.
    used: Vec<bool>,
    given: Vec<Given>,
}

impl Search {
    /// Puts all parts of a kind somewhere; false if they do not all find a place.
    fn put(
        &mut self,
        kind: &Kind,
        fits: &impl Fn(&Class, u32, &Resources) -> Option<Resources>,
    ) -> bool {
        let mut parts = kind.parts.iter().copied().peekable();
        // Those that have a part already, and then the others.
        let (used, fresh): (Vec<usize>, Vec<usize>) =
            (0..self.rows.len()).partition(|at| self.used[*at]);
        let again = if self.spread == Spread::Scatter { Vec::new() } else { used };
        for at in again.into_iter().chain(fresh) {
            while let Some(part) = parts.peek() {
                let (row, left) = &self.rows[at];
                let found = fits(&kind.class, *row, left);
                let Some((given, rest)) = found.and_then(|given| {
                    let rest = left.minus(&given)?;
                    Some((given, rest))
                }) else {
                    break;
                };
                self.given.push(Given { row: *row, part: given, holds: vec![*part] });
                self.rows[at].1 = rest;
                self.used[at] = true;
                parts.next();
                if self.spread == Spread::Scatter {
                    break;
                }
            }
            if parts.peek().is_none() {
                return true;
            }
        }
        false
    }

    /// What each machine gives, the first part's first.
    fn end(self) -> Vec<Given> {
        let mut all = if self.spread == Spread::Free {
            let mut by_row: BTreeMap<u32, Given> = BTreeMap::new();
            for Given { row, part, holds } in self.given {
                match by_row.get_mut(&row) {
                    Some(known) => {
                        known.part = known.part.plus(&part);
                        known.holds.extend(holds);
                    }
                    None => drop(by_row.insert(row, Given { row, part, holds })),
                }
            }
            by_row.into_values().collect()
        } else {
            self.given
        };
        all.iter_mut().for_each(|given| given.holds.sort_unstable());
        all.sort_by_key(|given| given.holds.first().copied());
        all
    }
}
