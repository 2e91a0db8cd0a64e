//! What the world must be told of an event. Changes nothing; saying it twice does no harm.

use std::collections::BTreeMap;

use model::{ClaimId, Now, Pause, ScheddName};
use proto::claiming::{ClaimGranted, FromStartd};

use super::state::lease_ms;
use crate::core::state::{Claim, Core, Phase, Run};
use crate::core::words::{Accepted, Change, Effect, Event, Fact, RunKey, StartProcess, Stray};

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
            Fact::ClaimDropped { claim, reason } => dropped(change, *claim, reason),
            Fact::Echoed { schedd, .. } => self.extend_leases(schedd),
            Fact::RunAccepted(accepted) => vec![self.start_process(now, accepted)],
            Fact::RunStarted { claim, .. } => {
                // It may have been suspended before there was anything to suspend.
                let pause = self.pause_process(*claim);
                self.said_of_run(*claim).into_iter().chain(pause).collect()
            }
            Fact::PauseOrdered { claim, .. } => self.pause_process(*claim).into_iter().collect(),
            Fact::RunPaused { claim, pause, processes } => self.paused(*claim, *pause, *processes),
            Fact::RunRefused { claim, .. } | Fact::RunEnded { claim, .. } => {
                self.said_of_run(*claim)
            }
            Fact::StopOrdered { claim, .. } => self.stop_process(*claim).into_iter().collect(),
            Fact::RunRecorded { .. } => {
                change.recorded.iter().map(|key| Effect::CleanUp { key: *key }).collect()
            }
            Fact::RunUsed { claim, usage } => self.used(*claim, usage),
            Fact::ScheddCame { schedd, .. } if self.open => vec![self.status(now, schedd)],
            Fact::Opened => self.connected.keys().map(|s| self.status(now, s)).collect(),
            Fact::LauncherListed { strays } => self.after_listing(strays),
            Fact::StrayRun { key, stray } => vec![clear(*key, *stray)],
            Fact::Beaten => self.beats(now),
            Fact::Answered { schedd, message } => vec![tell(schedd, (**message).clone())],
            Fact::ScheddCame { .. }
            | Fact::ScheddWent { .. }
            | Fact::ClaimDoomed { .. }
            | Fact::LauncherWent
            | Fact::Closed
            | Fact::AdRefreshed
            | Fact::Measured(_) => Vec::new(),
        };
        if !self.open {
            // The first that a schedd hears is its status, and that has all this in it.
            effects.retain(|effect| !matches!(effect, Effect::ToSchedd { .. }));
        }
        if change.ad {
            effects.push(Effect::Advertise);
        }
        effects
    }

    /// What is due after a restart, once the journal is applied: nothing before the launcher has listed its runs.
    pub fn resume(&self) -> Vec<Effect> {
        Vec::new()
    }

    fn status(&self, now: Now, schedd: &ScheddName) -> Effect {
        let held = self.state.claims.iter().filter(|(_, claim)| claim.schedd == *schedd);
        let claims = held.map(|(id, claim)| claim.status(*id)).collect();
        let machine = self.machine.name.clone();
        tell(schedd, FromStartd::Status { machine, claims, beat: self.beat(now) })
    }

    pub(super) fn granted(&self, now: Now, id: ClaimId, claim: &Claim) -> ClaimGranted {
        ClaimGranted {
            matched: claim.matched,
            claim: id,
            secret: claim.secret,
            slot: self.slot_name(claim),
            resources: claim.resources.clone(),
            devices: claim.devices.clone(),
            ad: self.dynamic_slot_ad(now, claim),
            beat: self.beat(now),
        }
    }

    fn start_process(&self, now: Now, accepted: &Accepted) -> Effect {
        let claim = &self.state.claims[&accepted.claim];
        Effect::StartProcess(Box::new(StartProcess {
            key: claim.key(accepted.claim),
            run: accepted.run,
            owner: claim.owner.clone(),
            slot: self.slot_name(claim),
            resources: claim.resources.clone(),
            universe: claim.universe,
            job: accepted.ad.clone(),
            spool: accepted.spool.clone(),
            slot_ad: self.dynamic_slot_ad(now, claim),
            manner: accepted.manner,
            lease_until_boot_ms: self.lease_end_ms(&claim.schedd, accepted.lease_s),
        }))
    }

    /// Tells the schedd how the run of a claim stands, if that is news.
    fn said_of_run(&self, id: ClaimId) -> Vec<Effect> {
        let claim = &self.state.claims[&id];
        let Some(run) = claim.run() else { return Vec::new() };
        let message = match &run.phase {
            Phase::Starting => return Vec::new(),
            Phase::Executing { at, scratch_dir } => FromStartd::RunStarted {
                claim: id,
                run: run.id,
                at: *at,
                scratch_dir: scratch_dir.clone(),
            },
            Phase::Ended { end, usage } => {
                FromStartd::RunEnded { claim: id, run: run.id, end: end.clone(), usage: *usage }
            }
        };
        vec![tell(&claim.schedd, message)]
    }

    fn used(&self, id: ClaimId, usage: &model::Usage) -> Vec<Effect> {
        let claim = &self.state.claims[&id];
        let message =
            claim.alive().map(|run| FromStartd::RunUsage { claim: id, run: run.id, usage: *usage });
        message.into_iter().map(|message| tell(&claim.schedd, message)).collect()
    }

    fn stop_process(&self, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let run = claim.alive()?;
        let stop = run.stop?;
        let key = claim.key(id);
        Some(if stop.graceful {
            let grace_ms = u64::from(run.manner.grace_s) * 1000;
            Effect::StopProcess { key, signal: run.manner.signal_for(stop.aim), grace_ms }
        } else {
            kill(key)
        })
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
            if let Some(run) = claim.alive() {
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
    pub(super) fn refused(id: model::RunId, at: Now, phase: Phase) -> Self {
        Self {
            id,
            lease_s: 0,
            manner: super::words::Manner {
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
        }
    }
}

fn dropped(change: &Change, claim: ClaimId, reason: &str) -> Vec<Effect> {
    let Some((schedd, key)) = &change.dropped else { return Vec::new() };
    let gone = FromStartd::ClaimGone { claim, reason: reason.to_owned() };
    let clean_up = key.map(|key| Effect::CleanUp { key });
    clean_up.into_iter().chain([tell(schedd, gone)]).collect()
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
