//! Which claims belong together: those of jobs that need several machines at once. Made from the
//! claims and from the matches that are being claimed; what follows from it is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClaimId, MatchId};
use proto::matchmaking::GangShare;

/// The gangs that have a claim, or are being claimed, by the match of their first part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gangs(BTreeMap<MatchId, Members>);

/// What there is of a gang.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// How many parts it has.
    pub(crate) of: u32,
    /// The matches that are being claimed.
    pub(crate) asked: BTreeSet<MatchId>,
    /// Its claims, by their part.
    pub(crate) held: BTreeMap<u32, ClaimId>,
}

impl Members {
    /// The claim of the part on which the job's script runs.
    pub(crate) fn first(&self) -> Option<ClaimId> {
        self.held.get(&0).copied()
    }

    /// The claims of the other parts.
    pub(crate) fn others(&self) -> impl Iterator<Item = ClaimId> {
        self.held.range(1..).map(|(_, claim)| *claim)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.held.len() == usize::try_from(self.of).unwrap_or(usize::MAX)
    }

    /// Whether some part is neither there nor asked for.
    pub(crate) fn is_broken(&self) -> bool {
        let there = self.held.len() + self.asked.len();
        there < usize::try_from(self.of).unwrap_or(usize::MAX)
    }
}

impl Gangs {
    pub(crate) fn get(&self, gang: MatchId) -> Option<&Members> {
        self.0.get(&gang)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Members> {
        self.0.values()
    }

    /// Each gang's parts that are held.
    pub(crate) fn held(&self) -> BTreeMap<MatchId, BTreeMap<u32, ClaimId>> {
        let held = self.0.iter().filter(|(_, members)| !members.held.is_empty());
        held.map(|(gang, members)| (*gang, members.held.clone())).collect()
    }

    pub(crate) fn note_asked(&mut self, share: &GangShare, matched: MatchId, is_asked: bool) {
        self.change(share, |members| match is_asked {
            true => drop(members.asked.insert(matched)),
            false => drop(members.asked.remove(&matched)),
        });
    }

    pub(crate) fn note_held(&mut self, share: &GangShare, claim: ClaimId, is_held: bool) {
        self.change(share, |members| match is_held {
            true => drop(members.held.insert(share.part, claim)),
            false => drop(members.held.remove(&share.part)),
        });
    }

    fn change(&mut self, share: &GangShare, change: impl FnOnce(&mut Members)) {
        let members = self.0.entry(share.gang).or_default();
        members.of = share.of;
        change(members);
        if members.asked.is_empty() && members.held.is_empty() {
            self.0.remove(&share.gang);
        }
    }
}
