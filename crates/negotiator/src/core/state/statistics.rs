//! What the negotiator counts of its last pass, as the ad that `status -negotiator` shows. A pass
//! is what HTCondor calls a negotiation cycle; here one is made when something has changed, and not
//! every so often.

use std::collections::BTreeSet;

use classad::ClassAd;
use model::{Now, attr};

use crate::core::machines::pool::Pool;
use crate::core::matching::plan::MatchPlan;
use crate::core::requests::demand::Demand;
use crate::core::state::core::Core;

/// The last pass, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastPass {
    at: Now,
    /// Since the pass before it, seconds; 0 for the first.
    period: i64,
    slots: usize,
    submitters: usize,
    schedds: usize,
    jobs: u64,
    matches: usize,
    rejections: usize,
}

impl LastPass {
    /// Counts a plan as it is carried out, before it has changed anything.
    pub(crate) fn of(
        at: Now,
        plan: &MatchPlan,
        demand: &Demand,
        pool: &Pool,
        before: Option<&Self>,
    ) -> Self {
        let classes = || demand.schedds.values().flat_map(std::collections::BTreeMap::values);
        let owners: BTreeSet<_> = classes().map(|class| &class.request.owner).collect();
        Self {
            at,
            period: before.map_or(0, |before| at.wall.as_secs() - before.at.wall.as_secs()),
            slots: pool.machines().map(|(_, row)| row.state.slots.len()).sum(),
            submitters: owners.len(),
            schedds: demand.schedds.len(),
            jobs: classes().map(|class| u64::from(class.request.idle)).sum(),
            matches: plan.matches.len(),
            rejections: plan.reasons.iter().filter(|(_, _, reason)| reason.is_some()).count(),
        }
    }
}

impl Core {
    /// The negotiator's own counts, under HTCondor's names; without those of a pass before the
    /// first.
    pub fn statistics(&self) -> ClassAd {
        let mut ad = ClassAd::new();
        let Some(pass) = self.last_pass() else { return ad };
        let end = pass.at.wall.as_secs();
        ad.set("LastNegotiationCycleTime0", end);
        ad.set("LastNegotiationCycleEnd0", end);
        ad.set("LastNegotiationCyclePeriod0", pass.period);
        let mut set = |name: &str, n: u64| {
            let name = format!("LastNegotiationCycle{name}0");
            ad.set(name.as_str(), i64::try_from(n).unwrap_or(i64::MAX));
        };
        set(attr::TOTAL_SLOTS, pass.slots as u64);
        set(attr::CANDIDATE_SLOTS, pass.slots as u64);
        set(attr::ACTIVE_SUBMITTER_COUNT, pass.submitters as u64);
        set(attr::NUM_SCHEDULERS, pass.schedds as u64);
        set("NumIdleJobs", pass.jobs);
        set(attr::NUM_JOBS_CONSIDERED, pass.jobs);
        set(attr::MATCHES, pass.matches as u64);
        set(attr::REJECTIONS, pass.rejections as u64);
        ad
    }
}
