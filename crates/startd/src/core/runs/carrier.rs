//! The files of runs: when they are brought, when a run whose files are there may begin, when they
//! are brought back, and what all that makes of the run's end. No copying is done here.

use model::planted::{Bug, planted};
use model::{ClaimId, Now, RunEnd, Script, StartFailure, StartStage, Usage, VacateCode};

use crate::core::records::files::{
    BringBack, Cause, Fetched, FromCarrier, Over, Store, StoreFailure, Stored,
};
use crate::core::records::keys::{RunKey, Stop};
use crate::core::state::core::{Claim, Core, Phase, Run};
use crate::core::words::{Effect, Fact, Rejection};

impl Core {
    pub(in crate::core) fn heard_from_carrier(
        &self,
        message: &FromCarrier,
    ) -> Result<Vec<Fact>, Rejection> {
        match message {
            FromCarrier::BroughtIn { key, result } => {
                let (claim, run) = self.live(*key)?;
                match &run.phase {
                    Phase::Fetching(_) => Ok(self.fetched(*key, claim, run, result)),
                    Phase::Queued
                    | Phase::Waiting(_)
                    | Phase::Starting
                    | Phase::Executing { .. }
                    | Phase::Storing(_)
                    | Phase::Ended { .. } => Err(Rejection::Stale),
                }
            }
            FromCarrier::BroughtBack { key, stored } => {
                let (claim, run) = self.live(*key)?;
                match &run.phase {
                    Phase::Storing(over) => Ok(self.stored(*key, claim, run, over, stored)),
                    Phase::Queued
                    | Phase::Fetching(_)
                    | Phase::Waiting(_)
                    | Phase::Starting
                    | Phase::Executing { .. }
                    | Phase::Ended { .. } => Err(Rejection::Stale),
                }
            }
        }
    }

    fn live(&self, key: RunKey) -> Result<(&Claim, &Run), Rejection> {
        let claim = self.claim_with(key).ok_or(Rejection::Stale)?;
        claim.alive().map(|run| (claim, run)).ok_or(Rejection::Stale)
    }

    fn fetched(&self, key: RunKey, claim: &Claim, run: &Run, result: &Fetched) -> Vec<Fact> {
        let stop = run.stop.filter(|_| !planted(Bug::StopForgotten));
        let end = match (result, stop) {
            (Fetched::UpToDate, _) => RunEnd::UpToDate,
            (Fetched::There | Fetched::Failed(_), Some(stop)) => RunEnd::vacated(stop.code),
            (Fetched::Failed(failure), None) => RunEnd::StartFailed(failure.clone()),
            (Fetched::There, None) => return vec![Fact::RunFetched { claim: key.claim }],
        };
        self.over(key.claim, claim, end, Usage::default())
    }

    /// A program has ended: its files are brought back, if there are any, and its lease is not
    /// over.
    pub(in crate::core) fn program_over(
        &self,
        now: Now,
        id: ClaimId,
        claim: &Claim,
        run: &Run,
        (end, usage): (&RunEnd, Usage),
    ) -> Vec<Fact> {
        let early = planted(Bug::EndBeforeStored) && run.stop.is_none();
        let over = now.boot_ms >= self.lease_end_ms(&claim.schedd, run.lease_s)
            && !planted(Bug::CopyOutlivesLease)
            && !planted(Bug::SlotFreedWhileStoring);
        match run.freight.store {
            Store::Manifest | Store::Files | Store::AsPlanned if over && !early => {
                self.over(id, claim, cut_off(end, run.stop, usage), usage)
            }
            Store::Manifest | Store::Files | Store::AsPlanned if !early => {
                let mut facts = vec![Fact::ProgramOver { claim: id, end: end.clone(), usage }];
                if planted(Bug::SlotFreedWhileStoring) && claim.doomed.is_some() {
                    facts.extend(self.over(id, claim, as_stopped(end, run.stop, usage), usage));
                }
                facts
            }
            Store::Nothing | Store::Manifest | Store::Files | Store::AsPlanned => {
                let end = as_stopped(end, run.stop, usage);
                self.over(id, claim, end, usage)
            }
        }
    }

    fn stored(
        &self,
        key: RunKey,
        claim: &Claim,
        run: &Run,
        over: &Over,
        stored: &Stored,
    ) -> Vec<Fact> {
        let usage = stored.disk.within(Usage {
            received_bytes: stored.received_bytes,
            sent_bytes: stored.sent_bytes,
            ..over.usage
        });
        let expected = over.cause == Cause::ByItself || run.freight.keeps;
        let end = match (&stored.result, &over.end) {
            (Err(_), end) if self.cut.contains(&key) => cut_off(end, over.stop, over.usage),
            // It was stopped meanwhile, and its files did not move.
            (Err(StoreFailure::Lost { .. }), end) if run.stop.is_some() => {
                as_stopped(end, run.stop, over.usage)
            }
            (Err(StoreFailure::Lost { reason }), _) => RunEnd::Lost { reason: reason.clone() },
            (
                Err(StoreFailure::File { path, errno, over_limit, said }),
                RunEnd::Program(program),
            ) if expected => RunEnd::OutputFailed {
                end: *program,
                path: path.clone(),
                errno: *errno,
                over_limit: *over_limit,
                said: said.clone(),
            },
            (Ok(()) | Err(StoreFailure::File { .. }), end) => {
                as_stopped(end, over.stop, over.usage)
            }
        };
        self.over(key.claim, claim, end, usage)
    }

    /// The end of a run, and of its claim if that waits for it.
    pub(in crate::core) fn over(
        &self,
        id: ClaimId,
        claim: &Claim,
        end: RunEnd,
        usage: Usage,
    ) -> Vec<Fact> {
        let usage = self.disk_of(claim.key(id)).within(usage);
        let mut facts = vec![Fact::RunEnded { claim: id, end, usage }];
        if let Some(reason) = &claim.doomed {
            facts.push(Fact::ClaimDropped { claim: id, reason: reason.clone() });
        }
        facts
    }

    /// What follows when a run is to end, and its claim with it if there is a reason for that. One
    /// that waits has nothing to be waited for.
    pub(in crate::core) fn stopped(
        &self,
        id: ClaimId,
        claim: &Claim,
        stop: Option<Stop>,
        doom: Option<&str>,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        facts.extend(stop.map(|stop| Fact::StopOrdered { claim: id, stop }));
        let doom = doom.filter(|_| claim.doomed.is_none()).map(str::to_owned);
        facts.extend(doom.clone().map(|reason| Fact::ClaimDoomed { claim: id, reason }));
        let waits =
            claim.alive().is_some_and(|run| matches!(run.phase, Phase::Queued | Phase::Waiting(_)));
        if let Some(stop) = stop.filter(|_| waits) {
            let end = RunEnd::vacated(stop.code);
            facts.extend(self.over(id, claim, end, Usage::default()));
            facts.extend(doom.map(|reason| Fact::ClaimDropped { claim: id, reason }));
        }
        facts
    }

    /// A run whose files are there begins when its time has come and the launcher is there.
    pub(in crate::core) fn begin(&self, now: Now, id: ClaimId, claim: &Claim) -> Vec<Fact> {
        let Some(Phase::Waiting(order)) = claim.alive().map(|run| &run.phase) else {
            return Vec::new();
        };
        let now_s = now.wall.as_secs();
        match order.window {
            _ if !self.launcher_listed => Vec::new(),
            Some(window) if now_s < window.from_s => Vec::new(),
            Some(window) if now_s > window.until_s => {
                let missed = StartFailure::at(StartStage::Deferral, "", 0);
                self.over(id, claim, RunEnd::StartFailed(missed), Usage::default())
            }
            Some(_) | None => vec![Fact::RunBegun { claim: id }],
        }
    }

    /// When [`Core::begin`] has something to say of a run that waits.
    pub(in crate::core) fn begins_ms(&self, now: Now, claim: &Claim) -> Option<u64> {
        match claim.alive().map(|run| &run.phase)? {
            Phase::Waiting(order) if self.launcher_listed => {
                Some(order.window.map_or(0, |window| window.opens_ms(now)))
            }
            Phase::Queued
            | Phase::Waiting(_)
            | Phase::Fetching(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Storing(_)
            | Phase::Ended { .. } => None,
        }
    }

    /// The work on a run's files that is due in its phase; doing it again does no harm.
    pub(in crate::core) fn carry(&self, now: Now, id: ClaimId) -> Option<Effect> {
        let claim = &self.state.claims[&id];
        let run = claim.alive()?;
        match &run.phase {
            Phase::Fetching(order) => {
                Some(Effect::BringIn(Box::new(self.process(now, id, claim, run, order))))
            }
            Phase::Storing(over) => Some(Effect::BringBack(Box::new(BringBack {
                key: claim.key(id),
                store: run.freight.store,
                end: over.end.clone(),
                cause: over.cause,
                log: run.log.clone(),
            }))),
            Phase::Queued
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Executing { .. }
            | Phase::Ended { .. } => None,
        }
    }
}

impl Run {
    /// What is known of a program that has ended just now.
    pub(in crate::core) fn program_over(&self, end: RunEnd, usage: Usage) -> Over {
        let cause = match (&end, self.stop) {
            // The launcher stopped it, because its lease was over.
            (RunEnd::Vacated { .. }, None) => Cause::Stopped,
            (_, None) => Cause::ByItself,
            (_, Some(stop)) if stop.graceful && self.manner.grace_s > 0 => Cause::Stopped,
            (_, Some(_)) => Cause::Killed,
        };
        let started = match &self.phase {
            Phase::Executing { at, scratch_dir } => Some((*at, scratch_dir.clone())),
            Phase::Queued
            | Phase::Fetching(_)
            | Phase::Waiting(_)
            | Phase::Starting
            | Phase::Storing(_)
            | Phase::Ended { .. } => None,
        };
        Over { started, end, usage, stop: self.stop, cause }
    }
}

/// What came of it is not brought back, because its lease is over.
fn cut_off(end: &RunEnd, stop: Option<Stop>, usage: Usage) -> RunEnd {
    match stop {
        Some(_) => as_stopped(end, stop, usage),
        None => RunEnd::Lost { reason: "its lease was over before its files were back".to_owned() },
    }
}

/// It ended because it was told to, whatever it said in the end. One that was not executed has no
/// end of its own. What the machine itself has stopped runs again, so it does not matter what could
/// not be done after its program.
fn as_stopped(end: &RunEnd, stop: Option<Stop>, usage: Usage) -> RunEnd {
    match (end, stop) {
        (RunEnd::Program(program), Some(stop)) => {
            RunEnd::Vacated { code: stop.code, ended: usage.started.map(|_| *program) }
        }
        (RunEnd::ScriptFailed { script: Script::Post, end, .. }, Some(stop))
            if stop.code != VacateCode::ScheddVacate =>
        {
            RunEnd::Vacated { code: stop.code, ended: *end }
        }
        (end, _) => end.clone(),
    }
}
