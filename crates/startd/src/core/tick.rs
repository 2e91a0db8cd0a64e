//! What time alone brings: beats, leases that end, claims that nobody uses.

use std::time::Duration;

use model::{ClaimId, Now, VacateCode};
use proto::claiming::BEAT_EVERY;

use crate::core::state::{Activity, Claim, Core};
use crate::core::words::{Fact, Stop};

/// How long a claim may be without a run before it is dropped. A schedd gives a claim back, or uses it, within seconds; this
/// is for the schedd that has forgotten it.
pub(super) const UNUSED_CLAIM: Duration = Duration::from_secs(60);

/// How often the machine is advertised while nothing changes: a third of the time for which an ad holds, so that two may be lost.
const ADVERTISE_EVERY: Duration = Duration::from_secs(300);

impl Core {
    pub(super) fn tick(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        if !self.open && self.launcher_listed && self.strays.is_empty() {
            facts.push(Fact::Opened);
        }
        if !self.open {
            return facts;
        }
        if self.next_beat_ms().is_some_and(|due| now.boot_ms >= due) {
            facts.push(Fact::Beaten);
        }
        if now.boot_ms >= self.next_ad_ms() {
            facts.push(Fact::AdRefreshed);
        }
        for (id, claim) in &self.state.claims {
            if self.ends_ms(claim).is_some_and(|end| now.boot_ms >= end) {
                facts.extend(expire(*id, claim));
            }
        }
        facts
    }

    /// The moment, on the boot clock, at which the next [`super::Input::Tick`] has something to decide.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.open {
            return (self.launcher_listed && self.strays.is_empty()).then_some(0);
        }
        let ends = self.state.claims.values().filter_map(|claim| self.ends_ms(claim));
        ends.chain(self.next_beat_ms()).chain([self.next_ad_ms()]).min()
    }

    fn next_ad_ms(&self) -> u64 {
        let every = u64::try_from(ADVERTISE_EVERY.as_millis()).unwrap_or(u64::MAX);
        self.advertised_ms.saturating_add(every)
    }

    fn next_beat_ms(&self) -> Option<u64> {
        let mut owners = self.state.claims.values().map(|claim| &claim.schedd);
        let wanted = owners.any(|schedd| self.connected.contains_key(schedd));
        let every = u64::try_from(BEAT_EVERY.as_millis()).unwrap_or(u64::MAX);
        wanted.then(|| self.beaten_ms.map_or(0, |last| last.saturating_add(every)))
    }

    /// When the claim ends by itself; `None` if that is decided already.
    fn ends_ms(&self, claim: &Claim) -> Option<u64> {
        match &claim.activity {
            Activity::Idle { since_ms } => {
                Some(since_ms + u64::try_from(UNUSED_CLAIM.as_millis()).unwrap_or(u64::MAX))
            }
            Activity::Run(run) => {
                let killed = claim.doomed.is_some() && run.stop.is_some_and(|stop| !stop.graceful);
                (!killed).then(|| self.lease_end_ms(&claim.schedd, run.lease_s))
            }
        }
    }
}

fn expire(id: ClaimId, claim: &Claim) -> Vec<Fact> {
    let reason = match claim.run() {
        Some(_) => "the schedd was not heard for the time of the job's lease",
        None => "the schedd did not use it",
    };
    let reason = reason.to_owned();
    match claim.alive() {
        None => vec![Fact::ClaimDropped { claim: id, reason }],
        Some(run) => {
            let code = run.stop.map_or(VacateCode::ReconnectFailed, |stop| stop.code);
            let aim = run.stop.map(|stop| stop.aim).unwrap_or_default();
            let stop = Stop { graceful: false, code, aim };
            let mut facts = vec![Fact::StopOrdered { claim: id, stop }];
            if claim.doomed.is_none() {
                facts.push(Fact::ClaimDoomed { claim: id, reason });
            }
            facts
        }
    }
}
