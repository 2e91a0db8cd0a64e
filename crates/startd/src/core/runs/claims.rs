//! What schedds ask for: claims, runs on them, and the echoes that keep both alive.

use std::time::Duration;

use classad::Value;
use model::{
    Beat, ClaimId, ClaimSecret, Now, Pause, Resources, RunEnd, RunId, ScheddName, VacateCode, attr,
    planted::{Bug, planted},
};
use proto::claiming::{FromStartd, RequestClaim, StartRun, StopAim, StopHow};

use crate::core::records::files::{Freight, StartOrder, StarterLog, Window};
use crate::core::records::keys::Stop;
use crate::core::state::core::lease_ms;
use crate::core::state::core::{Activity, Claim, Core, Phase};
use crate::core::told::ads;
use crate::core::words::{Accepted, Fact, Rejection};

impl Core {
    pub(in crate::core) fn echo(
        &self,
        now: Now,
        schedd: &ScheddName,
        beat: Beat,
    ) -> Result<Vec<Fact>, Rejection> {
        if beat.life != self.machine.life || beat.sent_ms > now.boot_ms {
            return Err(Rejection::UnknownBeat { schedd: schedd.clone() });
        }
        // Without a claim there is nothing that could be leased.
        if !self.state.claims.values().any(|claim| claim.schedd == *schedd) {
            return Err(Rejection::Stale);
        }
        let sent_ms = if planted(Bug::LeaseFromReceipt) { now.boot_ms } else { beat.sent_ms };
        let beat = Beat { sent_ms, ..beat };
        self.newer_beat(schedd, beat).map(|fact| vec![fact]).ok_or(Rejection::Stale)
    }

    fn newer_beat(&self, schedd: &ScheddName, beat: Beat) -> Option<Fact> {
        let known = self.state.leased_from_ms.get(schedd);
        let newer = beat.life == self.machine.life && known.is_none_or(|ms| beat.sent_ms > *ms);
        newer.then(|| Fact::Echoed { schedd: schedd.clone(), beat })
    }

    /// Grants a part of the machine, or says why not. A repeated request gets the same answer.
    pub(in crate::core) fn request_claim(
        &self,
        now: Now,
        schedd: &ScheddName,
        request: &RequestClaim,
        fresh: ClaimSecret,
    ) -> Vec<Fact> {
        let denied = |reason: String| {
            let matched = request.matched;
            let message = Box::new(FromStartd::ClaimDenied { matched, reason });
            vec![Fact::Answered { schedd: schedd.clone(), message }]
        };
        if let Some(id) = self.by_match.get(&request.matched) {
            let claim = &self.state.claims[id];
            if claim.schedd != *schedd {
                return denied("the match is another schedd's".to_owned());
            }
            let message = FromStartd::ClaimGranted(Box::new(self.granted(now, *id, claim)));
            return vec![Fact::Answered { schedd: schedd.clone(), message: Box::new(message) }];
        }
        if self.closing.is_some() {
            return denied("the startd is stopping".to_owned());
        }
        if let Some(reason) = self.drained(request.universe) {
            return denied(reason);
        }
        if let Some(shared) = request.shares {
            let granted = self.share(schedd, request, shared, fresh);
            return granted.map_or_else(denied, |fact| vec![fact]);
        }
        let part = match self.part(now, schedd, request) {
            Ok(part) => part,
            Err(reason) => return denied(reason),
        };
        let devices = match self.choose_devices(&request.ad, &part, now) {
            Ok(devices) => devices,
            Err(reason) => return denied(reason),
        };
        vec![Fact::ClaimGranted {
            claim: ClaimId { journal: self.machine.journal, number: self.state.last_claim + 1 },
            secret: fresh,
            schedd: schedd.clone(),
            matched: request.matched,
            owner: request.owner.clone(),
            submitter: Some(model::submitter(&request.ad, &request.owner))
                .filter(|submitter| *submitter != request.owner),
            resources: part,
            limits: request.limits.clone(),
            ends_ms: request.term.map(|term| now.deadline(Duration::from_secs(term.ends_s.into()))),
            devices,
            slot: self.lowest_free_slot(request.universe),
            universe: request.universe,
            shares: false,
        }]
    }

    /// What a request gets of the machine. Jobs that run beside their schedd take nothing, and the
    /// schedd has asked its own ad whether they may run.
    fn part(
        &self,
        now: Now,
        schedd: &ScheddName,
        request: &RequestClaim,
    ) -> Result<Resources, String> {
        if request.universe.is_beside() {
            let near = self.connected.get(schedd).copied().unwrap_or(false);
            let refused = "only a schedd of this machine and of this user runs jobs beside itself";
            return if near { Ok(Resources::default()) } else { Err(refused.to_owned()) };
        }
        // In steps, where there is room for the last of them: a machine's memory is no multiple.
        let steps = request.request.quantized();
        let part = match self.free.shortage(&steps) {
            None => steps,
            Some(_) => request.request.at_least_one_cpu(),
        };
        if let Some(short) = self.free.shortage(&part) {
            let short = self.spelt(short);
            return Err(format!("the slot has not enough {short} left"));
        }
        ads::suits(&self.slot_ad(now), &request.ad, now)?;
        Ok(part)
    }

    /// Accepts a run, once for each ordinal.
    pub(in crate::core) fn start_run(
        &self,
        now: Now,
        schedd: &ScheddName,
        start: &StartRun,
    ) -> Result<Vec<Fact>, Rejection> {
        let Some(claim) = self.claim_with_secret(schedd, start.claim, &start.secret)? else {
            return Ok(vec![gone(schedd, start.claim)]);
        };
        if start.ordinal <= claim.last_ordinal || claim.doomed.is_some() {
            return self.say_again(schedd, start.claim, claim, start.ordinal);
        }
        let mut facts = recorded_by_successor(start.claim, claim, start.run)?;
        facts.extend(self.newer_beat(schedd, start.beat));
        if let Some(reason) = self.cannot_start(now, schedd, start) {
            facts.push(Fact::RunRefused {
                claim: start.claim,
                run: start.run,
                ordinal: start.ordinal,
                end: RunEnd::Lost { reason },
            });
            return Ok(facts);
        }
        if let Some(end) = self.refused_by_drain(claim.universe) {
            let (run, ordinal) = (start.run, start.ordinal);
            facts.push(Fact::RunRefused { claim: start.claim, run, ordinal, end });
            return Ok(facts);
        }
        let freight = Freight::of(&start.ad, self.file_system_domain(), self.runs_are_owners());
        let window = Window::of(&start.ad, now);
        let queued = self.must_wait(start.claim, claim);
        let order = (queued || freight.is_fetched() || window.is_some()).then(|| {
            Box::new(StartOrder { job: start.ad.clone(), spool: start.spool.clone(), window })
        });
        let (held_back, order) = if queued { (order, None) } else { (None, order) };
        facts.push(Fact::RunAccepted(Box::new(Accepted {
            claim: start.claim,
            run: start.run,
            ordinal: start.ordinal,
            lease_s: start.lease_s,
            beat: start.beat,
            manner: ads::manner(&start.ad, claim.universe, now),
            global_job_id: ads::global_job_id(&start.ad),
            freight,
            log: StarterLog::of(&start.ad),
            order,
            queued,
            held_back,
            ad: start.ad.clone(),
        })));
        Ok(facts)
    }

    /// The machines with which files are shared.
    fn file_system_domain(&self) -> &str {
        let said = self.machine.found.literal(attr::FILE_SYSTEM_DOMAIN);
        said.and_then(|value| value.as_str()).unwrap_or_else(|| self.machine.name.as_str())
    }

    /// Whether each run is its owner's, and not all are the startd's own user's.
    fn runs_are_owners(&self) -> bool {
        self.machine.found.literal(attr::RUNS_AS_OWNERS).is_some_and(Value::is_true)
    }

    fn cannot_start(&self, now: Now, schedd: &ScheddName, start: &StartRun) -> Option<String> {
        let known = self.state.leased_from_ms.get(schedd).copied();
        let said = (start.beat.life == self.machine.life).then_some(start.beat.sent_ms);
        let lease_over =
            known.max(said).is_none_or(|from| now.boot_ms >= from + lease_ms(start.lease_s));
        if lease_over {
            Some("the order to start it came after its lease was over".to_owned())
        } else if self.closing.is_some() {
            Some("the startd is stopping".to_owned())
        } else if !self.launcher_listed {
            Some("the machine's launcher cannot be reached".to_owned())
        } else {
            None
        }
    }

    /// Answers a repeated order with what came of the first.
    fn say_again(
        &self,
        schedd: &ScheddName,
        id: ClaimId,
        claim: &Claim,
        ordinal: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let current = claim.run().filter(|_| ordinal == claim.last_ordinal);
        let message = current.and_then(|run| run.news(id));
        let message = Box::new(message.ok_or(Rejection::Stale)?);
        Ok(vec![Fact::Answered { schedd: schedd.clone(), message }])
    }

    /// Ends a run. An order that overtook its start makes the start void.
    pub(in crate::core) fn stop_run(
        &self,
        id: ClaimId,
        claim: &Claim,
        run: RunId,
        ordinal: u32,
        (how, aim): (StopHow, StopAim),
    ) -> Result<Vec<Fact>, Rejection> {
        let code = VacateCode::ScheddVacate;
        if ordinal > claim.last_ordinal {
            let mut facts = recorded_by_successor(id, claim, run)?;
            let end = RunEnd::vacated(code);
            facts.push(Fact::RunRefused { claim: id, run, ordinal, end });
            return Ok(facts);
        }
        let alive = claim.alive().filter(|_| ordinal == claim.last_ordinal);
        if how == StopHow::IfQueued && alive.is_none_or(|run| run.phase != Phase::Queued) {
            return Err(Rejection::Stale);
        }
        let stop = Stop { graceful: how != StopHow::Fast, code, aim };
        let signals_again = |before: Stop| {
            let signal = |aim| alive.map(|run| run.manner.signal_for(aim));
            aim > before.aim && signal(aim) != signal(before.aim)
        };
        match alive.map(|run| run.stop) {
            Some(None) => Ok(self.stopped(id, claim, Some(stop), None)),
            // In earnest now, or for something that may have a signal of its own.
            Some(Some(before)) if before.graceful && (!stop.graceful || signals_again(before)) => {
                Ok(vec![Fact::StopOrdered { claim: id, stop: Stop { code: before.code, ..stop } }])
            }
            Some(Some(_)) | None => Err(Rejection::Stale),
        }
    }

    /// Suspends a run, or lets it go on. An order that overtook its start is dropped; it is said
    /// again.
    pub(in crate::core) fn pause_run(
        id: ClaimId,
        claim: &Claim,
        run: RunId,
        pause: Pause,
    ) -> Result<Vec<Fact>, Rejection> {
        let alive = claim.alive().filter(|held| held.id == run && held.stop.is_none());
        match alive.map(|run| run.pause) {
            // The same order again: its answer may be lost.
            Some(before) if pause.number >= before.number => {
                Ok(vec![Fact::PauseOrdered { claim: id, pause }])
            }
            Some(_) | None => Err(Rejection::Stale),
        }
    }

    pub(in crate::core) fn run_recorded(
        &self,
        id: ClaimId,
        claim: &Claim,
        run: RunId,
    ) -> Result<Vec<Fact>, Rejection> {
        let over = claim.run().is_some_and(|held| held.id == run && held.is_over());
        if !over {
            return Err(Rejection::Stale);
        }
        let recorded = Fact::RunRecorded { claim: id };
        Ok([recorded].into_iter().chain(self.dropped_if_drained(id, claim)).collect())
    }

    /// Ends every claim, as soon as its run has ended. Said again without grace it is in earnest.
    pub(in crate::core) fn shut_down(&self, graceful: bool) -> Vec<Fact> {
        let reason = "the startd is stopping".to_owned();
        let stop = Stop { graceful, code: VacateCode::StartdShutdown, aim: StopAim::default() };
        let mut facts = vec![Fact::Closed { graceful }];
        for (id, claim) in &self.state.claims {
            let Some(run) = claim.alive() else {
                facts.push(Fact::ClaimDropped { claim: *id, reason: reason.clone() });
                continue;
            };
            let again = run.stop.is_none_or(|before| before.graceful && !graceful);
            let code = run.stop.map_or(stop.code, |before| before.code);
            let aim = run.stop.map_or(stop.aim, |before| before.aim);
            let stop = again.then_some(Stop { code, aim, ..stop });
            facts.extend(self.stopped(*id, claim, stop, Some(&reason)));
        }
        facts
    }

    pub(in crate::core) fn release_claim(
        &self,
        id: ClaimId,
        claim: &Claim,
    ) -> Result<Vec<Fact>, Rejection> {
        let reason = "the schedd gave it back".to_owned();
        match claim.alive() {
            None => Ok(vec![Fact::ClaimDropped { claim: id, reason }]),
            Some(_) if claim.doomed.is_some() => Err(Rejection::Stale),
            Some(run) => {
                let stop = |graceful, aim| Stop { graceful, code: VacateCode::ScheddVacate, aim };
                let stop = match run.stop {
                    None => Some(stop(true, StopAim::default())),
                    // It has been asked, and nobody waits for it any more: what follows its program
                    // may take an hour.
                    Some(before) if before.graceful => Some(stop(false, before.aim)),
                    Some(_) => None,
                };
                Ok(self.stopped(id, claim, stop, Some(&reason)))
            }
        }
    }
}

/// A schedd has one run at a time on a claim: a word about a later one says that it has recorded
/// the one before.
fn recorded_by_successor(
    id: ClaimId,
    claim: &Claim,
    successor: RunId,
) -> Result<Vec<Fact>, Rejection> {
    match &claim.activity {
        Activity::Idle { .. } => Ok(Vec::new()),
        Activity::Run(run) if run.is_over() => Ok(vec![Fact::RunRecorded { claim: id }]),
        Activity::Run(run) => Err(Rejection::ClaimBusy { run: successor, claim: id, busy: run.id }),
    }
}

/// The answer to a message about a claim that is not held.
pub(in crate::core) fn gone(schedd: &ScheddName, claim: ClaimId) -> Fact {
    let reason = "the startd does not hold this claim".to_owned();
    let message = Box::new(FromStartd::ClaimGone { claim, reason });
    Fact::Answered { schedd: schedd.clone(), message }
}
