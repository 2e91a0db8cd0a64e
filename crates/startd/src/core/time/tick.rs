//! What time alone brings: beats, leases that end, claims that nobody uses.

use std::time::Duration;

use model::{ClaimId, Now, VacateCode};
use proto::claiming::BEAT_EVERY;

use crate::core::records::keys::{RunKey, Stop};
use crate::core::state::core::{Activity, Claim, Core, Phase};
use crate::core::words::Fact;

/// How long a claim may be without a run before it is dropped. A schedd gives a claim back, or uses
/// it, within seconds; this is for the schedd that has forgotten it.
pub(in crate::core) const UNUSED_CLAIM: Duration = Duration::from_secs(60);

/// How often the machine is advertised while nothing changes: a third of the time for which an ad
/// holds, so that two may be lost.
const ADVERTISE_EVERY: Duration = Duration::from_secs(300);

/// How often the launcher is asked what the runs use, and their folders are walked at most.
pub(in crate::core) const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// For how many times as long as it took to walk them, folders are left in peace: one of a hundred
/// thousand files takes most of a second.
pub(in crate::core) const PEACE: u64 = 50;

/// How long jobs get to end when the startd is told to. Shorter than the patience of who stops a
/// pool (20 s), which would otherwise kill the startd before its jobs.
pub(in crate::core) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// And how long SIGKILL may take after that, before the startd ends without having seen its runs
/// gone. Their leases end them.
pub(in crate::core) const SHUTDOWN_KILL: Duration = Duration::from_secs(5);

impl Core {
    pub(in crate::core) fn tick(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        if self.closing.is_some_and(|closing| closing.graceful && now.boot_ms >= closing.until_ms) {
            facts.extend(self.shut_down(false));
            return facts;
        }
        if !self.open && self.launcher_listed && self.strays.is_empty() {
            facts.push(Fact::Opened);
        }
        if !self.open {
            // What the carrier has needs no launcher: its leases end all the same.
            let carried = self.state.claims.iter().filter(|(_, claim)| claim.is_carried());
            let over = carried.filter(|(id, claim)| self.is_due(now, **id, claim));
            facts.extend(over.flat_map(|(id, claim)| self.expire(*id, claim)));
            return facts;
        }
        if self.next_beat_ms().is_some_and(|due| now.boot_ms >= due) {
            facts.push(Fact::Beaten);
        }
        if now.boot_ms >= self.next_ad_ms() {
            facts.push(Fact::AdRefreshed);
        }
        for (id, claim) in &self.state.claims {
            if self.is_due(now, *id, claim) {
                facts.extend(self.expire(*id, claim));
            } else {
                facts.extend(self.forgotten(*id, claim));
                facts.extend(self.begin(now, *id, claim));
            }
        }
        facts.extend(self.turns(now));
        if self.measures_ms().is_some_and(|due| now.boot_ms >= due) {
            facts.push(Fact::RunsMeasured { disk: self.disk_is_due(now) });
        }
        facts
    }

    fn is_due(&self, now: Now, id: ClaimId, claim: &Claim) -> bool {
        self.ends_ms(id, claim).is_some_and(|end| now.boot_ms >= end)
    }

    fn expire(&self, id: ClaimId, claim: &Claim) -> Vec<Fact> {
        let reason = match claim.run() {
            Some(_) => "the schedd was not heard for the time of the job's lease",
            None => "the schedd did not use it",
        };
        let Some(run) = claim.alive() else {
            return vec![Fact::ClaimDropped { claim: id, reason: reason.to_owned() }];
        };
        let code = run.stop.map_or(VacateCode::ReconnectFailed, |stop| stop.code);
        let aim = run.stop.map(|stop| stop.aim).unwrap_or_default();
        let stop = Stop { graceful: false, code, aim };
        let cut = claim.is_carried().then_some(Fact::CutOff { claim: id });
        self.stopped(id, claim, Some(stop), Some(reason)).into_iter().chain(cut).collect()
    }

    /// When it is to be measured what runs use: while some execute and the launcher is there to be
    /// asked.
    fn measures_ms(&self) -> Option<u64> {
        (self.launcher_listed && self.executing().next().is_some()).then_some(self.measure_ms)
    }

    /// Whether folders may be walked. A run that nothing is known of yet may be over before the
    /// next time.
    fn disk_is_due(&self, now: Now) -> bool {
        let news = || self.executing().any(|key| !self.disk.contains_key(&key));
        self.disk_ms.is_some_and(|due| now.boot_ms >= due || news())
    }

    /// The runs whose program executes.
    pub(in crate::core) fn executing(&self) -> impl Iterator<Item = RunKey> {
        let runs = self
            .state
            .claims
            .iter()
            .filter_map(|(id, claim)| claim.alive().map(|run| (claim.key(*id), &run.phase)));
        runs.filter(|(_, phase)| matches!(phase, Phase::Executing { .. })).map(|(key, _)| key)
    }

    /// The moment, on the boot clock, at which the next [`crate::core::Input::Tick`] has something
    /// to decide.
    pub fn next_deadline(&self, now: Now) -> Option<u64> {
        let closing = self.closing.map(|closing| closing.until_ms);
        if !self.open {
            let opens = self.launcher_listed && self.strays.is_empty();
            let carried = self.state.claims.iter().filter(|(_, claim)| claim.is_carried());
            let ends = carried.filter_map(|(id, claim)| self.ends_ms(*id, claim));
            return opens.then_some(0).into_iter().chain(closing).chain(ends).min();
        }
        let ends = self.state.claims.iter().filter_map(|(id, claim)| self.ends_ms(*id, claim));
        let begins = self.state.claims.values().filter_map(|claim| self.begins_ms(now, claim));
        let beats = self.next_beat_ms().into_iter().chain([self.next_ad_ms()]);
        let forgotten = self.state.claims.iter().any(|(id, claim)| self.is_forgotten(*id, claim));
        let turns = (forgotten || self.turn_has_come(now)).then_some(0);
        ends.chain(begins).chain(turns).chain(beats).chain(self.measures_ms()).chain(closing).min()
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

    /// When the claim ends by itself; `None` if that is decided already, and all who have something
    /// of its run know.
    fn ends_ms(&self, id: ClaimId, claim: &Claim) -> Option<u64> {
        match &claim.activity {
            Activity::Idle { since_ms } => {
                Some(since_ms + u64::try_from(UNUSED_CLAIM.as_millis()).unwrap_or(u64::MAX))
            }
            Activity::Run(run) => {
                let killed = claim.doomed.is_some() && run.stop.is_some_and(|stop| !stop.graceful);
                let told = !claim.is_carried() || self.cut.contains(&claim.key(id));
                (!(killed && told)).then(|| self.lease_end_ms(&claim.schedd, run.lease_s))
            }
        }
    }
}
