//! Startds: what they say, and what follows for claims and for the runs on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{
    Beat, ClaimId, MachineName, Now, RunEnd, RunId, Usage,
    planted::{Bug, planted},
};
use proto::claiming::{ClaimGranted, ClaimStatus, FromStartd, RunStatus, StopHow, ToStartd};

use crate::core::records::rows::{ClaimRecord, GangClaim};
use crate::core::runs::over::how_to_stop;
use crate::core::state::core::{Claim, Claiming, Core, JobRef, Machine};
use crate::core::words::{ClaimFact, Fact, MachineFact, Rejection, Repeat, RunFact};

impl Core {
    pub(crate) fn startd_said(
        &self,
        now: Now,
        name: &MachineName,
        message: &FromStartd,
    ) -> Result<Vec<Fact>, Rejection> {
        let unknown = || Rejection::UnknownMachine { machine: name.clone() };
        let machine = self.machines.get(name).ok_or_else(unknown)?;
        match message {
            FromStartd::Status { claims, beat, .. } => {
                Ok(self.status(now, name, machine, claims, *beat))
            }
            FromStartd::Beat { beat } => Ok(vec![seen(name, *beat)]),
            FromStartd::ClaimGranted(granted) => Ok(self.granted(name, granted)),
            FromStartd::ClaimDenied { matched, reason } => {
                if !self.claiming.contains_key(matched) {
                    return Err(Rejection::NotClaiming { number: matched.number });
                }
                Ok(vec![Fact::Claim(ClaimFact::Failed {
                    matched: *matched,
                    reason: reason.clone(),
                    blameless: false,
                })])
            }
            FromStartd::RunStarted { claim, run, at, scratch_dir } => {
                self.first(name, *claim, *run)?;
                self.run_started(*run, *at, scratch_dir)
            }
            FromStartd::RunPaused { claim, run, pause, processes } => {
                self.first(name, *claim, *run)?;
                if self.has_other_order_since(*run, *pause) {
                    // It may have heard the later one before it had the run, and dropped it.
                    return Ok(vec![repeated(name, Repeat::PauseRun(*claim))]);
                }
                self.run_paused(now, *run, *pause, *processes)
            }
            FromStartd::RunUsage { claim, run, usage } => {
                let held = self.current(name, *claim, *run)?;
                self.usage_seen(now, held, *usage)
            }
            FromStartd::RunEnded { claim, run, end, usage } => {
                match self.current(name, *claim, *run) {
                    Ok(held) if self.is_promised(held) => Ok(self.never_began(held)),
                    // So that it is not said for ever.
                    Ok(held) if held.record.has_ended() => {
                        Ok(vec![self.recorded(name, *claim, *run)])
                    }
                    Ok(held) => Ok(self.run_ended(now, held, end, *usage)),
                    // It is in the record, or was given up: either way the startd need not keep it.
                    Err(_) => Ok(vec![self.recorded(name, *claim, *run)]),
                }
            }
            FromStartd::ClaimGone { claim, reason } => {
                let held = self.claims.get(claim).filter(|held| held.record.machine == *name);
                let unknown = || Rejection::UnknownClaim { claim: *claim, machine: name.clone() };
                Ok(self.gone(now, held.ok_or_else(unknown)?, reason))
            }
        }
    }

    /// The connection to a startd is closed. Nothing follows for its runs before their leases are
    /// over; their owners are told.
    pub(crate) fn startd_down(&self, name: &MachineName) -> Vec<Fact> {
        let machine = self.machines.get(name).filter(|machine| machine.up);
        let claims = machine.into_iter().flat_map(|machine| &machine.claims);
        let runs = claims.filter_map(|claim| self.claims.get(claim)?.record.run);
        let executes = |run: &RunId| {
            let job = self.job(run.job);
            // It may have a part on another machine that was not heard before.
            let is_told = job.is_some_and(|job| job.record().tally.disconnected.is_some());
            let state = job.map(|job| job.state());
            let running = state.as_ref().and_then(|state| state.running());
            !is_told && running.is_some_and(|running| running.executing.is_some())
        };
        // Of two parts on the machine one is enough to say it.
        let runs: BTreeSet<RunId> = runs.filter(executes).collect();
        let cut_off = runs.into_iter().map(|run| Fact::Run { run, fact: RunFact::Disconnected });
        [Fact::Machine { machine: name.clone(), fact: MachineFact::Went }]
            .into_iter()
            .chain(cut_off)
            .collect()
    }

    /// Brings both sides in line: what the startd holds for us, against what we believe.
    fn status(
        &self,
        now: Now,
        name: &MachineName,
        machine: &Machine,
        listed: &[ClaimStatus],
        beat: Beat,
    ) -> Vec<Fact> {
        let mut facts = vec![
            Fact::Machine { machine: name.clone(), fact: MachineFact::Came },
            seen(name, beat),
        ];
        let listed: BTreeMap<ClaimId, &ClaimStatus> =
            listed.iter().map(|status| (status.claim, status)).collect();
        for id in &machine.claims {
            let claim = &self.claims[id];
            match listed.get(id) {
                Some(status) => facts.extend(self.reconcile(now, name, claim, status)),
                // A status that was sent before the claim was granted cannot know it.
                None if beat <= claim.record.granted => {
                    facts.extend(self.say_again(now, name, claim));
                }
                None => {
                    let reason = "the startd does not hold the claim any more";
                    facts.extend(self.gone(now, claim, reason));
                }
            }
        }
        for (id, status) in &listed {
            if !self.claims.contains_key(id) && !self.claiming.contains_key(&status.matched) {
                facts.push(release(name, *id, status.secret));
            }
        }
        for matched in &machine.claiming {
            let what = Repeat::RequestClaim(*matched);
            facts.push(Fact::Machine {
                machine: name.clone(),
                fact: MachineFact::Repeated { what },
            });
        }
        facts
    }

    fn reconcile(
        &self,
        now: Now,
        name: &MachineName,
        claim: &Claim,
        status: &ClaimStatus,
    ) -> Vec<Fact> {
        let record = &claim.record;
        let Some(run) = record.run else {
            return match &status.run {
                Some((run, RunStatus::Ended(..))) => vec![self.recorded(name, status.claim, *run)],
                Some((_, RunStatus::Starting | RunStatus::Executing(_) | RunStatus::Stopping))
                | None => Vec::new(),
            };
        };
        if record.has_ended() {
            return vec![self.recorded(name, status.claim, run)];
        }
        match &status.run {
            Some((_, RunStatus::Ended(..))) if planted(Bug::EndForgotten) => Vec::new(),
            Some((theirs, RunStatus::Ended(..))) if *theirs == run && self.is_promised(claim) => {
                self.never_began(claim)
            }
            Some((theirs, RunStatus::Ended(end, usage))) if *theirs == run => {
                self.run_ended(now, claim, end, *usage)
            }
            Some((theirs, RunStatus::Starting | RunStatus::Executing(_) | RunStatus::Stopping))
                if *theirs == run =>
            {
                let job = self.job(run.job);
                let was_cut_off = job.is_some_and(|job| job.record().tally.disconnected.is_some());
                let is_back = was_cut_off && self.is_heard_again(name, claim);
                let back = is_back.then_some(Fact::Run { run, fact: RunFact::Reconnected });
                back.into_iter().chain(self.say_again(now, name, claim)).collect()
            }
            Some(_) | None if status.last_ordinal < record.ordinal => {
                self.say_again(now, name, claim)
            }
            // It accepted the run and does not have it any more.
            Some(_) | None => {
                let reason = "the startd has no record of the run".to_owned();
                let end = RunEnd::Lost { reason };
                self.run_ended(now, claim, &end, self.usage_of(claim))
            }
        }
    }

    /// Whether a run is heard again with this claim of it, of a machine that says what it holds:
    /// all other parts are on machines that are heard, and those on this one say it once.
    fn is_heard_again(&self, name: &MachineName, claim: &Claim) -> bool {
        let Some(gang) = claim.record.gang.as_ref() else { return true };
        let members = self.gangs.get(gang.share.gang);
        let held = members.into_iter().flat_map(|members| &members.held);
        let mut others = held.filter_map(|(part, id)| Some((*part, self.claims.get(id)?)));
        others.all(|(part, other)| {
            let machine = &other.record.machine;
            other.record.has_ended()
                || (machine == name && part >= gang.share.part)
                || (machine != name && self.machines.get(machine).is_some_and(|one| one.up))
        })
    }

    /// Says again what the claim's run shall do. The startd does an ordinal once, and answers with
    /// what came of it.
    fn say_again(&self, now: Now, name: &MachineName, claim: &Claim) -> Vec<Fact> {
        let Some(run) = claim.record.run else { return Vec::new() };
        let id = claim.record.claim;
        let job = self.job(run.job);
        if job.as_ref().is_some_and(JobRef::is_stopping) && planted(Bug::StopNotRepeated) {
            return Vec::new();
        }
        if self.promises.is_called_back(run.job) {
            return vec![repeated(name, Repeat::StopRun(id, StopHow::IfQueued))];
        }
        if let Some(gang) = claim.record.gang.as_ref().filter(|gang| !gang.share.is_first()) {
            if let Some(how) = self.stop_of_part(gang) {
                return vec![repeated(name, Repeat::StopRun(id, how))];
            }
        } else if let Some(job) = job.filter(JobRef::is_stopping) {
            return vec![repeated(name, Repeat::StopRun(id, how_to_stop(job, now)))];
        }
        let pause = job.and_then(|job| job.state().running().map(|running| running.pause));
        let paused = pause.filter(|pause| pause.number > 0).map(|_| Repeat::PauseRun(id));
        let orders = [Repeat::StartRun(id)].into_iter().chain(paused);
        orders.map(|what| repeated(name, what)).collect()
    }

    fn granted(&self, name: &MachineName, granted: &ClaimGranted) -> Vec<Fact> {
        let mut facts = vec![seen(name, granted.beat)];
        if self.claims.contains_key(&granted.claim) {
            return facts;
        }
        let Some(claiming) = self.claiming.get(&granted.matched) else {
            facts.push(release(name, granted.claim, granted.secret));
            return facts;
        };
        facts.push(Fact::Claim(ClaimFact::Granted(Box::new(ClaimRecord {
            claim: granted.claim,
            secret: granted.secret,
            matched: granted.matched,
            machine: name.clone(),
            address: claiming.matched.address.clone(),
            slot: granted.slot.as_str().into(),
            resources: granted.resources.clone(),
            devices: granted.devices.clone(),
            limits: claiming.matched.limits.clone(),
            term: claiming.matched.term,
            owner: claiming.owner.clone(),
            class_key: self.key_for(name, granted, claiming).clone(),
            universe: claiming.universe,
            granted: granted.beat,
            ordinal: 0,
            run: None,
            lease_s: 0,
            can_share: granted.can_share && claiming.matched.gang.is_none(),
            gang: claiming.matched.gang.clone().map(|share| {
                Box::new(GangClaim { share, ended: None, used: Usage::default(), lost: None })
            }),
        }))));
        if !self.expanding.is_empty() {
            let (claim, ad) = (granted.claim, Arc::clone(&granted.ad));
            facts.push(Fact::Claim(ClaimFact::SlotSeen { claim, ad }));
        }
        facts
    }

    /// A claim that shares a slot is of the class of the one that had it before.
    fn key_for<'s>(
        &'s self,
        name: &MachineName,
        granted: &ClaimGranted,
        claiming: &'s Claiming,
    ) -> &'s Arc<str> {
        let first = || self.machines.get(name)?.slots.get(&*granted.slot)?.first();
        let shared = || Some(&self.claims.get(first()?)?.record.class_key);
        let alone = &claiming.class_key;
        if claiming.matched.gang.is_some() { alone } else { shared().unwrap_or(alone) }
    }

    /// The claim is no more, and nothing of a run on it is alive.
    pub(crate) fn gone(&self, now: Now, claim: &Claim, reason: &str) -> Vec<Fact> {
        let mut facts = Vec::new();
        if claim.record.run.is_some() {
            let end = RunEnd::Lost { reason: reason.to_owned() };
            facts.extend(self.run_ended(now, claim, &end, self.usage_of(claim)));
            if claim.record.gang.is_some() {
                return facts;
            }
        }
        facts.push(Fact::Claim(ClaimFact::Dropped { claim: claim.record.claim, release: false }));
        facts
    }

    /// The claim, if this run is on it and is not a part of one that has its own first claim: only
    /// of that is told what becomes of the job.
    fn first(&self, name: &MachineName, claim: ClaimId, run: RunId) -> Result<(), Rejection> {
        let held = self.current(name, claim, run)?;
        let speaks = !held.record.is_other_part() && !held.record.has_ended();
        if speaks { Ok(()) } else { Err(Rejection::Stale) }
    }

    /// What the run is known to have used on a claim.
    pub(crate) fn usage_of(&self, claim: &Claim) -> Usage {
        if claim.record.gang.is_some() {
            return claim.used;
        }
        let job = claim.record.run.and_then(|run| self.job(run.job));
        job.map_or_else(Usage::default, |job| job.record().tally.last_usage)
    }

    /// The claim, if this run is on it.
    fn current(&self, name: &MachineName, claim: ClaimId, run: RunId) -> Result<&Claim, Rejection> {
        let held = self.claims.get(&claim).filter(|held| held.record.machine == *name);
        held.filter(|held| held.record.run == Some(run)).ok_or(Rejection::OtherRun { run, claim })
    }

    fn recorded(&self, name: &MachineName, claim: ClaimId, run: RunId) -> Fact {
        repeated(name, Repeat::Message(Box::new(ToStartd::RunRecorded { claim, run })))
    }
}

/// A machine is told again.
fn repeated(name: &MachineName, what: Repeat) -> Fact {
    Fact::Machine { machine: name.clone(), fact: MachineFact::Repeated { what } }
}

fn seen(name: &MachineName, beat: Beat) -> Fact {
    Fact::Machine { machine: name.clone(), fact: MachineFact::BeatSeen { beat } }
}

fn release(name: &MachineName, claim: ClaimId, secret: model::ClaimSecret) -> Fact {
    let what = Repeat::Message(Box::new(ToStartd::ReleaseClaim { claim, secret }));
    Fact::Machine { machine: name.clone(), fact: MachineFact::Repeated { what } }
}
