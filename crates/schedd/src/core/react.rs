//! What the world must be told of an event. Changes nothing; saying it twice does no harm.

use std::sync::Arc;

use classad::ClassAd;
use model::{
    ClaimId, JobEvent, JobId, JobState, MachineName, MatchId, Now, RunId, StopCause, Universe,
    attr, job_ad::keep_nothing, keeps_files, spooling,
};
use proto::claiming::{RequestClaim, StartRun, StopAim, StopHow, ToStartd};
use proto::matchmaking::{FromSchedd, Match};

use super::ads;
use crate::core::records::rows::ClaimRecord;
use crate::core::runs::expand::with_expansions;
use crate::core::runs::gangs::{as_part, with_node};
use crate::core::runs::over::how_to_stop;
use crate::core::state::core::Core;
use crate::core::words::{
    Change, ClaimFact, ClusterFact, Effect, Event, Fact, JobFact, MachineFact, NegotiatorFact,
    Repeat,
};

impl Core {
    /// The effects of an event that was just applied and gave this change.
    pub fn react(&self, change: &Change, event: &Event) -> Vec<Effect> {
        let now = event.at;
        match &event.fact {
            Fact::Cluster(fact) => of_cluster(fact).into_iter().collect(),
            Fact::Job { job, fact } => self.of_job(now, *job, fact, change),
            Fact::Claim(fact) => self.of_claim(now, fact, change),
            Fact::Machine { machine, fact } => {
                self.of_machine(now, machine, fact).into_iter().collect()
            }
            Fact::Negotiator(fact) => of_negotiator(fact).into_iter().collect(),
            Fact::Run { .. } | Fact::Round(_) | Fact::Act(_) | Fact::Settings(_) => Vec::new(),
        }
    }

    fn of_job(&self, now: Now, job: JobId, fact: &JobFact, change: &Change) -> Vec<Effect> {
        match fact {
            JobFact::Happened(event) => {
                let first = self.of_job_event(now, job, event, change);
                first.into_iter().chain(self.of_parts(now, job, event)).collect()
            }
            JobFact::Left => {
                change.kept.then_some(Effect::RemoveSpool { job }).into_iter().collect()
            }
            JobFact::Edited { .. }
            | JobFact::Said { .. }
            | JobFact::Matched { .. }
            | JobFact::Spooled { .. }
            | JobFact::Timed
            | JobFact::BackoffOver => Vec::new(),
        }
    }

    /// What the other parts of a job's run are told, where it has several.
    fn of_parts(&self, now: Now, job: JobId, event: &JobEvent) -> Vec<Effect> {
        type Order<'a> = &'a dyn Fn(ClaimId) -> Option<ToStartd>;
        let state = || self.job(job).map(|job| job.state());
        let (claim, order): (Option<ClaimId>, Order<'_>) = match event {
            JobEvent::RunAuthorised { claim, .. } => (Some(*claim), &|id| self.start_run(now, id)),
            JobEvent::PauseRequested { .. } => {
                let running = state().and_then(|state| Some(state.running()?.claim));
                (running, &|id| self.pause_run(id))
            }
            // They end when the first has. That may have been before.
            JobEvent::StopRequested { .. } => {
                let running = state().and_then(|state| Some(state.running()?.claim));
                let first = running.and_then(|claim| self.claims.get(&claim));
                let is_over = first.is_some_and(|first| first.record.has_ended());
                return running
                    .filter(|_| is_over)
                    .map_or_else(Vec::new, |id| self.ends_others(id));
            }
            JobEvent::RunOver { .. }
            | JobEvent::RunStarted { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. }
            | JobEvent::Removed { .. } => return Vec::new(),
        };
        let first = claim.and_then(|claim| self.claims.get(&claim));
        let Some(gang) = first.and_then(|first| first.record.gang.as_ref()) else {
            return Vec::new();
        };
        let others = self.others_of(gang.share.gang).into_iter();
        let told = others.filter_map(|part| {
            let claim = part.record.claim;
            self.told_on(claim, order(claim))
        });
        told.collect()
    }

    /// The run of a gang's first claim is over: so are the others.
    fn ends_others(&self, first: ClaimId) -> Vec<Effect> {
        let record = self.claims.get(&first).map(|first| &first.record);
        let Some((record, gang)) = record.and_then(|r| Some((r, r.gang.as_ref()?))) else {
            return Vec::new();
        };
        let heard = record.run.map(|run| ToStartd::RunRecorded { claim: first, run });
        let heard = heard.map(|message| tell(&record.machine, message));
        let ends = record.run.is_none_or(|run| self.ends_with_first(run.job));
        let others = self.others_of(gang.share.gang).into_iter().filter(|_| ends);
        let stops = others.filter_map(|part| {
            let claim = part.record.claim;
            self.told_on(claim, self.stop_run(claim, StopHow::Fast))
        });
        heard.into_iter().chain(stops).collect()
    }

    fn of_claim(&self, now: Now, fact: &ClaimFact, change: &Change) -> Vec<Effect> {
        match fact {
            ClaimFact::Requested(matched) => self.claim_effects(matched),
            ClaimFact::ShareRequested { claim, matched } => {
                let machine = self.claims.get(claim).map(|held| held.record.machine.clone());
                let request = self.request_claim(*matched);
                machine.zip(request).map(|(m, message)| tell(&m, message)).into_iter().collect()
            }
            ClaimFact::Promised { claim, .. } => {
                self.told_on(*claim, self.start_run(now, *claim)).into_iter().collect()
            }
            ClaimFact::CalledBack { claim } => {
                let stop = self.stop_run(*claim, StopHow::IfQueued);
                self.told_on(*claim, stop).into_iter().collect()
            }
            ClaimFact::TakenBack { claim } => {
                let recorded = |run| ToStartd::RunRecorded { claim: *claim, run };
                self.told_on(*claim, change.taken_back.map(recorded)).into_iter().collect()
            }
            ClaimFact::Slow { .. } => Vec::new(),
            ClaimFact::PartOver { .. } => release_effect(change, true),
            ClaimFact::FirstOver { claim, .. } => self.ends_others(*claim),
            // The negotiator knows nothing of a match that was made here.
            ClaimFact::Failed { matched, .. } if matched.life == self.config.beside.life => {
                Vec::new()
            }
            ClaimFact::Failed { matched, reason, blameless } => {
                let refused = !blameless;
                let (matched, reason, blameless) = (*matched, reason.clone(), *blameless);
                let told = FromSchedd::Declined { matched, reason, blameless, refused };
                vec![Effect::ToNegotiator(told)]
            }
            ClaimFact::Dropped { release, .. } => {
                let told = limits_freed(change);
                release_effect(change, *release).into_iter().chain(told).collect()
            }
            ClaimFact::Granted(_) | ClaimFact::SlotSeen { .. } | ClaimFact::PartUsed { .. } => {
                Vec::new()
            }
        }
    }

    fn of_machine(&self, now: Now, machine: &MachineName, fact: &MachineFact) -> Option<Effect> {
        match fact {
            MachineFact::BeatSeen { beat } => Some(tell(machine, ToStartd::Echo { beat: *beat })),
            MachineFact::Repeated { what } => {
                self.repeat(now, what).map(|message| tell(machine, message))
            }
            MachineFact::Forgotten => Some(Effect::Disconnect { machine: machine.clone() }),
            MachineFact::Came | MachineFact::Went => None,
        }
    }

    /// What is due after a restart: connections to the startds that hold something of ours. They
    /// say the rest.
    pub fn resume(&self) -> Vec<Effect> {
        let connect = |(name, machine): (&MachineName, &crate::core::state::core::Machine)| {
            Effect::Connect { machine: name.clone(), address: machine.address.clone() }
        };
        self.machines.iter().map(connect).collect()
    }

    fn of_job_event(
        &self,
        now: Now,
        job: JobId,
        event: &JobEvent,
        change: &Change,
    ) -> Option<Effect> {
        match event {
            // Its startd has it already.
            JobEvent::RunAuthorised { .. } if change.called_up => None,
            JobEvent::RunAuthorised { claim, .. } => {
                let machine = &self.claims.get(claim)?.record.machine;
                self.start_run(now, *claim).map(|message| tell(machine, message))
            }
            JobEvent::StopRequested { .. } => {
                let state = self.job(job)?.state();
                let claim = state.running()?.claim;
                let machine = &self.claims.get(&claim)?.record.machine;
                let how = how_to_stop(self.job(job)?, now);
                self.stop_run(claim, how).map(|message| tell(machine, message))
            }
            JobEvent::RunOver { attempt, .. } => {
                let (claim, record) = change.claim.as_ref()?;
                let machine = &record.as_ref()?.machine;
                let run = RunId { job, attempt: *attempt };
                Some(tell(machine, ToStartd::RunRecorded { claim: *claim, run }))
            }
            JobEvent::PauseRequested { .. } => {
                let claim = self.job(job)?.state().running()?.claim;
                let machine = &self.claims.get(&claim)?.record.machine;
                self.pause_run(claim).map(|message| tell(machine, message))
            }
            JobEvent::RunStarted { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. }
            | JobEvent::Removed { .. } => None,
        }
    }

    fn repeat(&self, now: Now, what: &Repeat) -> Option<ToStartd> {
        match what {
            Repeat::StartRun(claim) => self.start_run(now, *claim),
            Repeat::StopRun(claim, how) => self.stop_run(*claim, *how),
            Repeat::PauseRun(claim) => self.pause_run(*claim),
            Repeat::RequestClaim(matched) => self.request_claim(*matched),
            Repeat::Message(message) => Some((**message).clone()),
        }
    }

    /// The ad that the run on a claim has.
    pub(crate) fn run_ad(&self, now: Now, held: &ClaimRecord) -> Option<ClassAd> {
        let run = held.run?;
        let mut ad = self.ad_of_run(run, held, now)?;
        match &held.gang {
            Some(gang) => as_part(&mut ad, gang.share.part),
            None if Universe::is_parallel(&ad) => with_node(&mut ad, 0),
            None => {}
        }
        if self.expanding.contains(&run.job.cluster) {
            with_expansions(&mut ad);
        }
        if self.config.keeps_nothing {
            keep_nothing(&mut ad);
        }
        Some(ad)
    }

    fn start_run(&self, now: Now, id: ClaimId) -> Option<ToStartd> {
        let record = &self.claims.get(&id)?.record;
        let run = record.run?;
        let beat = self.machines.get(&record.machine)?.beat?;
        let ad = self.run_ad(now, record)?;
        let spool = keeps_files(&ad).then(|| self.spool_of(run.job).into());
        let ad = Arc::new(ad);
        Some(ToStartd::StartRun(Box::new(StartRun {
            claim: id,
            secret: record.secret,
            ordinal: record.ordinal,
            beat,
            run,
            lease_s: record.lease_s,
            ad,
            spool,
        })))
    }

    /// A message about a claim, to its machine.
    fn told_on(&self, id: ClaimId, message: Option<ToStartd>) -> Option<Effect> {
        Some(tell(&self.claims.get(&id)?.record.machine, message?))
    }

    /// The job as its run is to see it: as one that runs, also while it is only promised.
    fn ad_of_run(&self, run: RunId, held: &ClaimRecord, now: Now) -> Option<ClassAd> {
        let job = self.job(run.job)?;
        let state = job.state();
        if state.running().is_some() {
            return Some(ads::job_ad(job, now, self));
        }
        let (claim, slot) = (held.claim, Some(held.slot.clone()));
        let event = JobEvent::RunAuthorised { attempt: run.attempt, claim, slot, at: now.wall };
        let mut record = job.record();
        record.tally.note(&state, &event, Some(held));
        record.state = state.next(&event).ok()?;
        let mut ad = ads::record_ad(job.cluster, &record, &self.config);
        ad.set(attr::SERVER_TIME, now.wall.as_secs());
        Some(ad)
    }

    fn stop_run(&self, id: ClaimId, how: StopHow) -> Option<ToStartd> {
        let record = &self.claims.get(&id)?.record;
        let (secret, ordinal, run) = (record.secret, record.ordinal, record.run?);
        let aim = self.job(run.job).map(|job| aim_of(&job.state())).unwrap_or_default();
        Some(ToStartd::StopRun { claim: id, secret, run, ordinal, how, aim })
    }

    fn pause_run(&self, id: ClaimId) -> Option<ToStartd> {
        let record = &self.claims.get(&id)?.record;
        let run = record.run?;
        let pause = self.job(run.job)?.state().running()?.pause;
        Some(ToStartd::PauseRun { claim: id, secret: record.secret, run, pause })
    }

    fn claim_effects(&self, matched: &Match) -> Vec<Effect> {
        let (machine, address) = (matched.machine.clone(), matched.address.clone());
        let message = self.request_claim(matched.id);
        // On a connection that is open already the request can go out at once; on a new one the
        // startd's `Status` asks for it.
        let request = message.map(|message| tell(&machine, message));
        [Effect::Connect { machine: machine.clone(), address }].into_iter().chain(request).collect()
    }

    fn request_claim(&self, matched: MatchId) -> Option<ToStartd> {
        let claiming = self.claiming.get(&matched)?;
        if claiming.shares.is_some() {
            return Some(ToStartd::RequestClaim(Box::new(RequestClaim {
                matched,
                owner: claiming.owner.clone(),
                request: claiming.matched.resources.clone(),
                limits: Vec::new(),
                term: None,
                universe: claiming.universe,
                ad: Arc::default(),
                shares: claiming.shares,
            })));
        }
        let (_, first) = self.classes.with_key(&claiming.class_key)?.idle.first()?;
        Some(ToStartd::RequestClaim(Box::new(RequestClaim {
            matched,
            owner: claiming.owner.clone(),
            request: claiming.matched.resources.clone(),
            limits: claiming.matched.limits.clone(),
            term: claiming.matched.term,
            universe: claiming.universe,
            ad: match claiming.matched.gang {
                // A machine is asked about what is to be there.
                Some(_) => {
                    let ad = ads::matching_ad(self.job(first)?, self);
                    Arc::new(model::asking(&ad, &claiming.matched.resources))
                }
                None => ads::matching_ad(self.job(first)?, self),
            },
            shares: None,
        })))
    }
}

fn of_cluster(fact: &ClusterFact) -> Option<Effect> {
    match fact {
        ClusterFact::Submitted(record) => {
            let (cluster, procs) = (record.cluster, record.spec.count());
            spooling::is_spooled(&record.spec).then_some(Effect::MakeSpool { cluster, procs })
        }
        ClusterFact::Reserved { .. }
        | ClusterFact::ReservationForgotten { .. }
        | ClusterFact::Factory { .. }
        | ClusterFact::JobsWait { .. } => None,
    }
}

fn of_negotiator(fact: &NegotiatorFact) -> Option<Effect> {
    match fact {
        NegotiatorFact::Told(message) => Some(Effect::ToNegotiator(message.clone())),
        NegotiatorFact::Drains { machine, drain } => {
            let (machine, drain) = (machine.clone(), drain.clone());
            Some(Effect::ToNegotiator(FromSchedd::Drain { machine, drain }))
        }
        NegotiatorFact::MatchDeclined { matched, reason, .. } => {
            Some(declined(*matched, reason, false))
        }
        NegotiatorFact::Came
        | NegotiatorFact::Went
        | NegotiatorFact::SignificantHeard(_)
        | NegotiatorFact::DrainsHeard(_)
        | NegotiatorFact::ReasonsHeard(_)
        | NegotiatorFact::MatchSeen { .. } => None,
    }
}

/// What a job's run is stopped for.
fn aim_of(state: &JobState) -> StopAim {
    let JobState::Stopping { cause, .. } = state else { return StopAim::default() };
    match cause {
        StopCause::Vacate { .. } => StopAim::Vacate,
        StopCause::Hold(_) => StopAim::Hold,
        StopCause::Remove { .. } => StopAim::Remove,
    }
}

fn release_effect(change: &Change, release: bool) -> Vec<Effect> {
    let record = change.dropped.iter().filter(|_| release);
    record
        .map(|record| {
            let (claim, secret) = (record.claim, record.secret);
            tell(&record.machine, ToStartd::ReleaseClaim { claim, secret })
        })
        .collect()
}

/// The negotiator is told that a claim is over that counted against limits, lest it waits for an ad
/// of the machine that shows it: one that came and went between two ads is never shown.
fn limits_freed(change: &Change) -> Option<Effect> {
    let record = change.dropped.as_ref()?;
    (!record.limits.is_empty()).then(|| declined(record.matched, "its claim is over", true))
}

fn declined(matched: MatchId, reason: &str, blameless: bool) -> Effect {
    let reason = reason.to_owned();
    Effect::ToNegotiator(FromSchedd::Declined { matched, reason, blameless, refused: false })
}

fn tell(machine: &MachineName, message: ToStartd) -> Effect {
    Effect::ToStartd { machine: machine.clone(), message }
}
