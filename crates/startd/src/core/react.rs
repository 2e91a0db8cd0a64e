//! What the world must be told of an event. Changes nothing; saying it twice does no harm.

use std::collections::BTreeMap;

use model::planted::{Bug, planted};
use model::{ClaimId, Now, Pause, ScheddName};
use proto::claiming::{ClaimGranted, FromStartd};

use crate::core::records::files::{Freight, StartOrder};
use crate::core::records::keys::RunKey;
use crate::core::state::core::lease_ms;
use crate::core::state::core::{Claim, Core, Phase, Run};
use crate::core::words::{Accepted, Change, ClosedLog, Effect, Event, Fact, StartProcess, Stray};

/// SIGKILL, for runs that get no grace.
const SIGKILL: i32 = 9;

impl Core {
    /// The effects of an event that was just applied and gave this change.
    pub fn react(&self, change: &Change, event: &Event) -> Vec<Effect> {
        let now = event.at;
        let mut effects = match &event.fact {
            Fact::ClaimGranted { claim, schedd, .. } => {
                let granted = self.granted(now, *claim, &self.state.claims[claim]);
                vec![tell(schedd, FromStartd::ClaimGranted(Box::new(granted)))]
            }
            Fact::ClaimDropped { claim, reason } => self.dropped(now, change, *claim, reason),
            Fact::Echoed { schedd, .. } => self.extend_leases(schedd),
            Fact::RunAccepted(accepted) => self.accepted(now, accepted).into_iter().collect(),
            Fact::ProgramOver { claim, .. } => self.carry(now, *claim).into_iter().collect(),
            Fact::TurnCame { claim, .. } => match change.begun {
                Some(_) => self.begun(now, change, *claim).into_iter().collect(),
                None => self.carry(now, *claim).into_iter().collect(),
            },
            Fact::RunBegun { claim } => self.begun(now, change, *claim).into_iter().collect(),
            Fact::RunStarted { claim, .. } => {
                // It may have been suspended before there was anything to suspend.
                let pause = self.pause_process(*claim);
                self.said_of_run(*claim).into_iter().chain(pause).collect()
            }
            Fact::PauseOrdered { claim, .. } => self.pause_process(*claim).into_iter().collect(),
            Fact::RunPaused { claim, pause, processes } => self.paused(*claim, *pause, *processes),
            Fact::RunRefused { claim, .. } => self.said_of_run(*claim),
            Fact::RunEnded { claim, .. } => {
                self.said_of_run(*claim).into_iter().chain(self.close_log(*claim)).collect()
            }
            Fact::StopOrdered { claim, .. } => {
                self.stop_process(*claim).into_iter().chain(self.stop_carrying(*claim)).collect()
            }
            Fact::CutOff { .. } if planted(Bug::CopyOutlivesLease) => Vec::new(),
            Fact::CutOff { claim } => {
                vec![Effect::CutOff { key: self.state.claims[claim].key(*claim) }]
            }
            Fact::RunRecorded { .. } => {
                change.recorded.iter().map(|key| Effect::CleanUp { key: *key }).collect()
            }
            Fact::RunUsed { claim, usage } => self.used(*claim, usage),
            Fact::ScheddCame { schedd, .. } => vec![self.status(now, schedd)],
            Fact::Opened => self.opened(now),
            Fact::LauncherListed { strays } => self.after_listing(strays),
            Fact::StrayRun { key, stray } => vec![clear(*key, *stray)],
            Fact::Beaten => self.beats(now),
            Fact::RunsMeasured { disk } => {
                vec![Effect::MeasureRuns { keys: self.executing().collect(), disk: *disk }]
            }
            Fact::Answered { schedd, message } => vec![tell(schedd, (**message).clone())],
            Fact::ScheddWent { .. }
            | Fact::GenerationSeen { .. }
            | Fact::ClaimDoomed { .. }
            | Fact::DrainOrdered { .. }
            | Fact::RunFetched { .. }
            | Fact::LauncherWent
            | Fact::DiskMeasured { .. }
            | Fact::Closed { .. }
            | Fact::AdRefreshed
            | Fact::Measured(_) => Vec::new(),
        };
        // The first that a schedd hears is its status, and that has all this in it.
        let early = |schedd: &ScheddName| !self.open || self.fencing.contains(schedd);
        effects
            .retain(|effect| !matches!(effect, Effect::ToSchedd { schedd, .. } if early(schedd)));
        if change.ad {
            effects.push(Effect::Advertise);
        }
        effects
    }

    /// What is due after a restart, once the journal is applied: files that were under way are
    /// carried again, and logs closed. Nothing is said, and nothing of the launcher's concern done,
    /// before it has listed its runs.
    pub fn resume(&self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        for id in self.state.claims.keys() {
            let forgotten = |effect: &Effect| {
                planted(Bug::StoringForgotten) && matches!(effect, Effect::BringBack(_))
            };
            effects.extend(self.carry(now, *id).filter(|effect| !forgotten(effect)));
            effects.extend(self.stop_carrying(*id));
            effects.extend(self.close_log(*id));
        }
        effects
    }

    /// Every schedd is told how things stand. What is left of runs that nobody knows any more has
    /// gone by now, but for files.
    fn opened(&self, now: Now) -> Vec<Effect> {
        let claims = self.state.claims.iter();
        let kept = claims.filter(|(_, claim)| claim.run().is_some());
        let sweep = Effect::Sweep { kept: kept.map(|(id, claim)| claim.key(*id)).collect() };
        let told = self.connected.keys().map(|schedd| self.status(now, schedd));
        told.chain([sweep]).collect()
    }

    fn dropped(&self, now: Now, change: &Change, claim: ClaimId, reason: &str) -> Vec<Effect> {
        let Some((schedd, key)) = &change.dropped else { return Vec::new() };
        let told = if change.fenced {
            // Nothing of its older queues is left: now it may hear how things stand.
            self.connected.contains_key(schedd).then(|| self.status(now, schedd))
        } else {
            Some(tell(schedd, FromStartd::ClaimGone { claim, reason: reason.to_owned() }))
        };
        key.map(|key| Effect::CleanUp { key }).into_iter().chain(told).collect()
    }

    fn close_log(&self, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let run = claim.run()?;
        let Phase::Ended { end, usage } = &run.phase else { return None };
        Some(Effect::CloseLog(Box::new(ClosedLog {
            key: claim.key(id),
            log: run.log.clone()?,
            end: end.clone(),
            usage: *usage,
        })))
    }

    fn status(&self, now: Now, schedd: &ScheddName) -> Effect {
        let held = self.state.claims.iter().filter(|(_, claim)| claim.schedd == *schedd);
        let claims = held.map(|(id, claim)| claim.status(*id)).collect();
        let machine = self.machine.name.clone();
        tell(schedd, FromStartd::Status { machine, claims, beat: self.beat(now) })
    }

    pub(in crate::core) fn granted(&self, now: Now, id: ClaimId, claim: &Claim) -> ClaimGranted {
        ClaimGranted {
            matched: claim.matched,
            claim: id,
            secret: claim.secret,
            slot: self.slot_name(claim),
            resources: claim.resources.clone(),
            devices: claim.devices.clone(),
            ad: self.dynamic_slot_ad(now, claim),
            beat: self.beat(now),
            can_share: !claim.universe.is_beside(),
        }
    }

    /// A run whose files are to be brought is the carrier's first; one that waits is nobody's.
    fn accepted(&self, now: Now, accepted: &Accepted) -> Option<Effect> {
        let claim = &self.state.claims[&accepted.claim];
        let run = claim.alive()?;
        if run.phase != Phase::Starting {
            return self.carry(now, accepted.claim);
        }
        let order = StartOrder { job: accepted.ad.clone(), spool: None, window: None };
        let start = self.process(now, accepted.claim, claim, run, &order);
        Some(Effect::StartProcess(Box::new(start)))
    }

    fn begun(&self, now: Now, change: &Change, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let start = self.process(now, id, claim, claim.alive()?, change.begun.as_ref()?);
        Some(Effect::StartProcess(Box::new(start)))
    }

    /// What carrier and launcher are told of a run.
    pub(in crate::core) fn process(
        &self,
        now: Now,
        id: ClaimId,
        claim: &Claim,
        run: &Run,
        order: &StartOrder,
    ) -> StartProcess {
        StartProcess {
            key: claim.key(id),
            run: run.id,
            owner: claim.owner.clone(),
            slot: self.slot_name(claim),
            resources: claim.resources.clone(),
            universe: claim.universe,
            job: order.job.clone(),
            spool: order.spool.clone(),
            slot_ad: self.dynamic_slot_ad(now, claim),
            manner: run.manner,
            freight: run.freight,
            lease_until_boot_ms: self.lease_end_ms(&claim.schedd, run.lease_s),
        }
    }

    /// Tells the schedd how the run of a claim stands, if that is news.
    fn said_of_run(&self, id: ClaimId) -> Vec<Effect> {
        let claim = &self.state.claims[&id];
        let Some(run) = claim.run() else { return Vec::new() };
        run.news(id).map(|message| tell(&claim.schedd, message)).into_iter().collect()
    }

    fn used(&self, id: ClaimId, usage: &model::Usage) -> Vec<Effect> {
        let claim = &self.state.claims[&id];
        let message =
            claim.alive().map(|run| FromStartd::RunUsage { claim: id, run: run.id, usage: *usage });
        message.into_iter().map(|message| tell(&claim.schedd, message)).collect()
    }

    fn stop_process(&self, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        // In its other phases the launcher has nothing of it.
        let run = claim.alive().filter(|run| run.is_with_launcher())?;
        let stop = run.stop?;
        let key = claim.key(id);
        Some(if stop.graceful {
            let grace_ms = u64::from(run.manner.grace_s) * 1000;
            Effect::StopProcess { key, signal: run.manner.signal_for(stop.aim), grace_ms }
        } else {
            kill(key)
        })
    }

    /// A run that is to end waits for no file. What came of one that has ended by itself is brought
    /// back all the same, as long as that goes on.
    fn stop_carrying(&self, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let run = claim.alive().filter(|run| run.stop.is_some())?;
        let key = claim.key(id);
        match run.phase {
            // As where the word comes too late for the carrier.
            Phase::Fetching(_)
                if planted(Bug::StopForgotten) || planted(Bug::CopyOutlivesLease) =>
            {
                None
            }
            Phase::Fetching(_) => Some(Effect::CutOff { key }),
            Phase::Storing(_) => Some(Effect::LetGo { key }),
            Phase::Queued
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Ended { .. } => None,
        }
    }

    /// Nothing for a run whose program is not executed yet: that is made good when it is.
    fn pause_process(&self, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let run = claim.alive()?;
        let executes = matches!(run.phase, Phase::Executing { .. });
        let ordered = executes && run.stop.is_none() && run.pause.number > 0;
        ordered.then(|| Effect::PauseProcess { key: claim.key(id), pause: run.pause })
    }

    fn paused(&self, id: ClaimId, pause: Pause, processes: u32) -> Vec<Effect> {
        let claim = &self.state.claims[&id];
        let message = claim.alive().map(|run| FromStartd::RunPaused {
            claim: id,
            run: run.id,
            pause,
            processes,
        });
        message.into_iter().map(|message| tell(&claim.schedd, message)).collect()
    }

    /// The launcher may have missed orders, and may have runs that are none of ours.
    fn after_listing(&self, strays: &[(RunKey, Stray)]) -> Vec<Effect> {
        let stops = self.state.claims.keys().filter_map(|id| self.stop_process(*id));
        let pauses = self.state.claims.keys().filter_map(|id| self.pause_process(*id));
        strays.iter().map(|(key, stray)| clear(*key, *stray)).chain(stops).chain(pauses).collect()
    }

    fn extend_leases(&self, schedd: &ScheddName) -> Vec<Effect> {
        let mut keys: BTreeMap<u64, Vec<RunKey>> = BTreeMap::new();
        let held = self.state.claims.iter().filter(|(_, claim)| claim.schedd == *schedd);
        for (id, claim) in held {
            if let Some(run) = claim.alive().filter(|run| run.is_with_launcher()) {
                keys.entry(lease_ms(run.lease_s)).or_default().push(claim.key(*id));
            }
        }
        let from = self.state.leased_from_ms.get(schedd).copied().unwrap_or(0);
        let effects = keys.into_iter().map(|(lease_ms, keys)| Effect::ExtendLease {
            keys,
            until_boot_ms: from.saturating_add(lease_ms),
        });
        effects.collect()
    }

    fn beats(&self, now: Now) -> Vec<Effect> {
        let mut schedds: Vec<&ScheddName> =
            self.state.claims.values().map(|claim| &claim.schedd).collect();
        schedds.sort_unstable();
        schedds.dedup();
        let beat = FromStartd::Beat { beat: self.beat(now) };
        let up = schedds.into_iter().filter(|schedd| self.connected.contains_key(*schedd));
        up.map(|schedd| tell(schedd, beat.clone())).collect()
    }
}

impl Run {
    /// A run that is over before it began.
    pub(in crate::core) fn refused(id: model::RunId, at: Now, phase: Phase) -> Self {
        Self {
            id,
            lease_s: 0,
            manner: crate::core::records::keys::Manner {
                signal: SIGKILL,
                grace_s: 0,
                hold_signal: None,
                remove_signal: None,
            },
            global_job_id: String::new(),
            since: at.wall,
            phase,
            stop: None,
            pause: Pause::default(),
            freight: Freight::default(),
            log: None,
        }
    }

    /// What its schedd is told of it, if there is anything to be told.
    pub(in crate::core) fn news(&self, claim: ClaimId) -> Option<FromStartd> {
        let run = self.id;
        match &self.phase {
            Phase::Ended { end, usage } => {
                Some(FromStartd::RunEnded { claim, run, end: end.clone(), usage: *usage })
            }
            Phase::Queued
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Storing(_) => self.started().map(|(at, scratch_dir)| FromStartd::RunStarted {
                claim,
                run,
                at,
                scratch_dir: scratch_dir.clone(),
            }),
        }
    }
}

fn clear(key: RunKey, stray: Stray) -> Effect {
    match stray {
        Stray::Alive => kill(key),
        Stray::Ended => Effect::CleanUp { key },
    }
}

fn kill(key: RunKey) -> Effect {
    Effect::StopProcess { key, signal: SIGKILL, grace_ms: 0 }
}

fn tell(schedd: &ScheddName, message: FromStartd) -> Effect {
    Effect::ToSchedd { schedd: schedd.clone(), message }
}
