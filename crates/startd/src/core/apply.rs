//! The only place where the core's state changes. Live and on replay alike.

use std::time::Duration;

use model::{ClaimId, Now, Pause, Usage};

use crate::core::records::files::{DiskUsed, Freight, StartOrder};
use crate::core::records::keys::RunKey;
use crate::core::state::core::{Activity, Claim, Closing, Core, Phase, Run};
use crate::core::time::tick::{MEASURE_EVERY, PEACE, SHUTDOWN_GRACE, SHUTDOWN_KILL};
use crate::core::words::{Accepted, Change, Event, Fact, Stray};

impl Core {
    /// Makes an event true.
    ///
    /// # Panics
    ///
    /// If the event cannot follow from the state: then the journal is not this core's, or the core
    /// is wrong.
    pub fn apply(&mut self, event: &Event) -> Change {
        let at = event.at;
        let ad = self.changes_ad(&event.fact);
        let mut change = Change { ad, ..Change::default() };
        match &event.fact {
            Fact::ClaimGranted { claim, .. } => self.grant(at, *claim, &event.fact),
            Fact::ClaimDropped { claim, .. } => self.drop_claim(*claim, &mut change),
            Fact::GenerationSeen { schedd, generation } => self.saw_queue(schedd, *generation),
            Fact::Echoed { schedd, beat } => {
                self.state.leased_from_ms.insert(schedd.clone(), beat.sent_ms);
            }
            Fact::RunAccepted(accepted) => self.accept(at, accepted),
            Fact::TurnCame { claim, order } => {
                change.begun = self.give_turn(*claim, order.as_deref());
            }
            Fact::RunFetched { claim } => self.files_are_there(*claim),
            Fact::RunBegun { claim } => change.begun = Some(self.take_order(*claim)),
            Fact::ProgramOver { claim, end, usage } => self.program_ended(*claim, end, *usage),
            Fact::RunRefused { claim, run, ordinal, end } => {
                let phase = Phase::Ended { end: end.clone(), usage: Usage::default() };
                self.refuse(*claim, *ordinal, Run::refused(*run, at, phase));
            }
            Fact::RunStarted { claim, at, scratch_dir } => {
                let scratch_dir = scratch_dir.clone();
                self.run_mut(*claim).phase = Phase::Executing { at: *at, scratch_dir };
            }
            Fact::StopOrdered { claim, stop } => self.run_mut(*claim).stop = Some(*stop),
            Fact::CutOff { claim } => self.cut_off(*claim),
            Fact::PauseOrdered { claim, pause } => self.run_mut(*claim).pause = *pause,
            Fact::ClaimDoomed { claim, reason } => {
                self.claim_mut(*claim).doomed = Some(reason.clone());
            }
            Fact::DrainOrdered { drain } => self.state.drain.clone_from(drain),
            Fact::RunEnded { claim, end, usage } => self.run_ended(*claim, end, *usage),
            Fact::RunRecorded { claim } => change.recorded = Some(self.recorded(at, *claim)),
            Fact::ScheddCame { schedd, near } => {
                self.connected.insert(schedd.clone(), *near);
            }
            Fact::ScheddWent { schedd } => {
                self.connected.remove(schedd);
            }
            Fact::LauncherListed { strays } => {
                self.launcher_listed = true;
                self.strays = strays.iter().filter(alive).map(|(key, _)| *key).collect();
            }
            Fact::LauncherWent => self.launcher_listed = false,
            Fact::StrayRun { key, stray: Stray::Ended } => {
                self.strays.remove(key);
            }
            Fact::Opened => self.open = true,
            Fact::Measured(measured) => self.measured = *measured,
            Fact::RunsMeasured { disk } => {
                self.measure_ms = at.deadline(MEASURE_EVERY);
                self.disk_ms = self.disk_ms.filter(|_| !disk);
            }
            Fact::DiskMeasured { used, took_ms } => self.take_measures(at, used, *took_ms),
            Fact::Closed { graceful } => self.close(at, *graceful),
            Fact::Beaten => self.beaten_ms = Some(at.boot_ms),
            Fact::AdRefreshed
            | Fact::RunUsed { .. }
            | Fact::RunPaused { .. }
            | Fact::Answered { .. }
            | Fact::StrayRun { stray: Stray::Alive, .. } => {}
        }
        if change.ad {
            self.ad_changes += 1;
            self.advertised_ms = at.boot_ms;
        }
        change
    }

    fn program_ended(&mut self, claim: ClaimId, end: &model::RunEnd, usage: Usage) {
        let run = self.run_mut(claim);
        run.phase = Phase::Storing(Box::new(run.program_over(end.clone(), usage)));
    }

    /// Its start order, if it is given to the launcher at once.
    fn give_turn(&mut self, id: ClaimId, order: Option<&StartOrder>) -> Option<Box<StartOrder>> {
        let key = self.claim_mut(id).key(id);
        let held_back = self.held_back.remove(&key);
        let run = self.run_mut(id);
        assert!(run.phase == Phase::Queued, "the turn of run {} comes again", run.id);
        run.phase = phase_of(run.freight, order);
        held_back.map(|held| held.order).filter(|_| run.phase == Phase::Starting)
    }

    fn files_are_there(&mut self, id: ClaimId) {
        let run = self.run_mut(id);
        let Phase::Fetching(order) = std::mem::replace(&mut run.phase, Phase::Starting) else {
            panic!("the files of run {} are there, and it was not fetching any", run.id);
        };
        run.phase = Phase::Waiting(order);
    }

    fn take_order(&mut self, id: ClaimId) -> Box<StartOrder> {
        let run = self.run_mut(id);
        let Phase::Waiting(order) = std::mem::replace(&mut run.phase, Phase::Starting) else {
            panic!("run {} begins, and it was not waiting", run.id);
        };
        order
    }

    fn refuse(&mut self, id: ClaimId, ordinal: u32, run: Run) {
        let held = self.claim_mut(id);
        held.last_ordinal = ordinal;
        held.activity = Activity::Run(Box::new(run));
    }

    fn cut_off(&mut self, claim: ClaimId) {
        let key = self.claim_mut(claim).key(claim);
        self.cut.insert(key);
    }

    fn run_ended(&mut self, claim: ClaimId, end: &model::RunEnd, usage: Usage) {
        let key = self.claim_mut(claim).key(claim);
        self.cut.remove(&key);
        self.held_back.remove(&key);
        self.run_mut(claim).phase = Phase::Ended { end: end.clone(), usage };
    }

    /// Gives the claim back to idleness; the key of the run that was on it.
    fn recorded(&mut self, at: Now, id: ClaimId) -> RunKey {
        let held = self.claim_mut(id);
        let key = held.key(id);
        held.activity = Activity::Idle { since_ms: at.boot_ms };
        self.disk.remove(&key);
        key
    }

    fn close(&mut self, at: Now, graceful: bool) {
        let patience = if graceful { SHUTDOWN_GRACE } else { SHUTDOWN_KILL };
        self.closing = Some(Closing { graceful, until_ms: at.deadline(patience) });
    }

    fn grant(&mut self, at: Now, id: ClaimId, fact: &Fact) {
        let Fact::ClaimGranted {
            secret,
            schedd,
            matched,
            owner,
            submitter,
            resources,
            limits,
            ends_ms,
            devices,
            slot,
            universe,
            shares,
            ..
        } = fact
        else {
            return;
        };
        self.state.last_claim = id.number;
        let claim = Claim {
            secret: *secret,
            schedd: schedd.clone(),
            generation: self.state.generations.get(schedd).copied().unwrap_or(0),
            matched: *matched,
            owner: owner.clone(),
            submitter: submitter.clone(),
            resources: resources.clone(),
            limits: limits.clone(),
            ends_ms: *ends_ms,
            devices: devices.clone(),
            slot: *slot,
            universe: *universe,
            shares: *shares,
            since: at.wall,
            last_ordinal: 0,
            activity: Activity::Idle { since_ms: at.boot_ms },
            doomed: None,
        };
        self.index_claim(id, &claim);
        self.state.claims.insert(id, claim);
    }

    fn saw_queue(&mut self, schedd: &model::ScheddName, generation: u64) {
        self.state.generations.insert(schedd.clone(), generation);
        if self.has_older(schedd) {
            self.fencing.insert(schedd.clone());
        }
    }

    fn drop_claim(&mut self, id: ClaimId, change: &mut Change) {
        let claim = self.state.claims.remove(&id);
        let claim = claim.unwrap_or_else(|| panic!("claim {id} is dropped and is not held"));
        assert!(claim.alive().is_none(), "claim {id} is dropped while its run may be alive");
        self.unindex_claim(id, &claim);
        let others = self.state.claims.values().any(|other| other.schedd == claim.schedd);
        if !others {
            self.state.leased_from_ms.remove(&claim.schedd);
        }
        let key = claim.run().map(|_| claim.key(id));
        if let Some(key) = &key {
            self.disk.remove(key);
        }
        change.fenced = self.fencing.contains(&claim.schedd) && !self.has_older(&claim.schedd);
        if change.fenced {
            self.fencing.remove(&claim.schedd);
        }
        change.dropped = Some((claim.schedd, key));
    }

    fn take_measures(&mut self, at: Now, used: &[(RunKey, DiskUsed)], took_ms: u64) {
        let peace = Duration::from_millis(took_ms.saturating_mul(PEACE));
        self.disk_ms = Some(at.deadline(peace.max(MEASURE_EVERY)));
        for (key, used) in used {
            if self.claim_with(*key).is_some_and(|claim| claim.alive().is_some()) {
                let known = self.disk.entry(*key).or_default();
                *known = known.or_more(*used);
            }
        }
    }

    fn accept(&mut self, at: Now, accepted: &Accepted) {
        let claim = self.claim_mut(accepted.claim);
        assert!(
            claim.run().is_none() && accepted.ordinal > claim.last_ordinal,
            "run {} is accepted on claim {} in state {:?}",
            accepted.run,
            accepted.claim,
            claim.activity
        );
        claim.last_ordinal = accepted.ordinal;
        claim.activity = Activity::Run(Box::new(Run {
            id: accepted.run,
            lease_s: accepted.lease_s,
            manner: accepted.manner,
            global_job_id: accepted.global_job_id.clone(),
            since: at.wall,
            phase: match accepted.queued {
                true => Phase::Queued,
                false => phase_of(accepted.freight, accepted.order.as_deref()),
            },
            stop: None,
            pause: Pause::default(),
            freight: accepted.freight,
            log: accepted.log.clone(),
        }));
        if let Some(order) = &accepted.held_back {
            let key = RunKey { claim: accepted.claim, ordinal: accepted.ordinal };
            self.hold_back(key, order);
        }
    }

    fn claim_mut(&mut self, id: ClaimId) -> &mut Claim {
        let claim = self.state.claims.get_mut(&id);
        claim.unwrap_or_else(|| panic!("an event is about claim {id}, which is not held"))
    }

    fn run_mut(&mut self, id: ClaimId) -> &mut Run {
        match &mut self.claim_mut(id).activity {
            Activity::Run(run) if !run.is_over() => run,
            Activity::Run(_) | Activity::Idle { .. } => {
                panic!("an event is about a live run on claim {id}, which has none")
            }
        }
    }
}

/// Where a run begins on whose slot no other lives.
fn phase_of(freight: Freight, order: Option<&StartOrder>) -> Phase {
    match order {
        Some(order) if freight.is_fetched() => Phase::Fetching(Box::new(order.clone())),
        Some(order) => Phase::Waiting(Box::new(order.clone())),
        None => Phase::Starting,
    }
}

fn alive((_, stray): &&(RunKey, Stray)) -> bool {
    *stray == Stray::Alive
}

impl Core {
    /// Whether the machine is to be advertised again: not for what runs beside a schedd.
    fn changes_ad(&self, fact: &Fact) -> bool {
        let is_carved =
            |id| self.state.claims.get(id).is_some_and(|claim| !claim.universe.is_beside());
        match fact {
            Fact::ClaimGranted { universe, .. } => !universe.is_beside(),
            Fact::ClaimDropped { claim, .. }
            | Fact::RunStarted { claim, .. }
            | Fact::PauseOrdered { claim, .. }
            | Fact::RunEnded { claim, .. } => is_carved(claim),
            Fact::Measured(_) | Fact::AdRefreshed | Fact::Opened | Fact::DrainOrdered { .. } => {
                true
            }
            Fact::Echoed { .. }
            | Fact::GenerationSeen { .. }
            | Fact::RunAccepted(_)
            | Fact::RunRefused { .. }
            | Fact::TurnCame { .. }
            | Fact::RunFetched { .. }
            | Fact::RunBegun { .. }
            | Fact::ProgramOver { .. }
            | Fact::RunsMeasured { .. }
            | Fact::DiskMeasured { .. }
            | Fact::StopOrdered { .. }
            | Fact::CutOff { .. }
            | Fact::ClaimDoomed { .. }
            | Fact::RunRecorded { .. }
            | Fact::RunUsed { .. }
            | Fact::RunPaused { .. }
            | Fact::ScheddCame { .. }
            | Fact::ScheddWent { .. }
            | Fact::LauncherListed { .. }
            | Fact::LauncherWent
            | Fact::Closed { .. }
            | Fact::Beaten
            | Fact::Answered { .. }
            | Fact::StrayRun { .. } => false,
        }
    }
}
