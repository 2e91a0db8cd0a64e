//! The places beside the schedd: how many are taken and asked for. Who gets one is `runs::beside`'s
//! matter.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{MatchId, Now, Universe};

/// What is waited after the startd of this machine refused a claim, or did not answer: it stops, or
/// is starting.
const CLAIM_AGAIN: Duration = Duration::from_secs(2);

/// How many places beside the schedd are taken, and what became of the last request for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Runs that are authorised.
    pub(crate) running: BTreeMap<Universe, u32>,
    /// Claims that are asked for.
    pub(crate) asked: BTreeMap<Universe, u32>,
    /// The number of the last match that this life of the schedd made.
    pub(crate) last_match: u64,
    /// When a claim may be asked for again, milliseconds of the boot clock; and why the last was
    /// not granted.
    pub(crate) refused: Option<(u64, String)>,
}

impl Places {
    /// A run began, or is over.
    pub(crate) fn note_run(&mut self, universe: Universe, begins: bool) {
        note(&mut self.running, universe, begins);
    }

    /// A claim is asked for.
    pub(crate) fn note_asked(&mut self, matched: MatchId, universe: Universe) {
        if universe.is_beside() {
            note(&mut self.asked, universe, true);
            self.last_match = self.last_match.max(matched.number);
        }
    }

    /// A match of our own for what is not beside the schedd.
    pub(crate) fn note_match(&mut self, matched: MatchId) {
        self.last_match = self.last_match.max(matched.number);
    }

    /// That came to an end; with a reason if there is no claim.
    pub(crate) fn note_answered(&mut self, now: Now, universe: Universe, refused: Option<&str>) {
        if universe.is_beside() {
            note(&mut self.asked, universe, false);
            self.refused = refused.map(|reason| (now.deadline(CLAIM_AGAIN), reason.to_owned()));
        }
    }

    /// What is counted, for the check of the core.
    pub(crate) fn counted(&self) -> [&BTreeMap<Universe, u32>; 2] {
        [&self.running, &self.asked]
    }
}

fn note(counts: &mut BTreeMap<Universe, u32>, universe: Universe, more: bool) {
    if !universe.is_beside() {
        return;
    }
    let count = counts.entry(universe).or_default();
    *count = if more { *count + 1 } else { *count - 1 };
    if *count == 0 {
        counts.remove(&universe);
    }
}
