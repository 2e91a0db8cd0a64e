//! The next run of a slot, authorised while the last one lives (docs/adr/0035): which claims share
//! a slot, which jobs are promised a run there, when their turn has come, and when they are called
//! back because it does not come.
//!
//! A job waits so behind runs that are short only, and for [`PATIENCE`] at most: what waits for one
//! machine cannot go to another.

use std::time::Duration;

use model::{CheckpointEnd, ClaimId, JobId, MatchId, Now, RunEnd, RunId, Usage};
use proto::claiming::{ClaimStatus, FromStartd, RunStatus};

use crate::core::runs::gates::Gates;
use crate::core::state::classes::Class;
use crate::core::state::core::{Claim, Core};
use crate::core::state::promises::PATIENCE;
use crate::core::words::{ClaimFact, Fact, Input, RoundFact};

/// How long the last run on a slot may have taken, for the next to wait there.
pub(crate) const SHORT: Duration = Duration::from_millis(1000);

/// Promises and claims asked for in one tick.
const PER_TICK: usize = 1_000;

impl Core {
    /// Promised runs whose turn has come: nothing lives in front of them any more.
    pub(crate) fn turns(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        for job in self.promises.news() {
            let Some(claim) = self.promises.claim_of(job) else { continue };
            match self.in_front_of(claim) {
                None => facts.extend(self.called_up(now, job)),
                Some(_) => facts.push(Fact::Round(RoundFact::TurnSeen { job })),
            }
        }
        facts
    }

    /// What is promised on slots whose run takes longer than was thought.
    pub(crate) fn recalls(&self, now: Now) -> Vec<Fact> {
        let due = self.promises.due(now);
        due.map(|claim| Fact::Claim(ClaimFact::CalledBack { claim })).collect()
    }

    /// Asks for a second claim on slots whose runs are short, where a class has more jobs than
    /// claims.
    pub(crate) fn shares(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut number = self.beside.last_match;
        let gates = self.gates();
        for class in self.classes.changed.iter().filter_map(|id| self.classes.by_id.get(id)) {
            if class.brisk.is_empty() || !self.may_promise(class, &gates) {
                continue;
            }
            let wanting = class.brisk.iter().filter_map(|id| self.claims.get(id));
            let wanting = wanting.filter(|claim| self.may_share(now, claim));
            for claim in wanting.take(PER_TICK.saturating_sub(facts.len())) {
                number += 1;
                let matched = MatchId { life: self.config.beside.life, number };
                facts.push(Fact::Claim(ClaimFact::ShareRequested {
                    claim: claim.record.claim,
                    matched,
                }));
            }
        }
        facts
    }

    /// The next jobs of each class on the slots whose runs are short.
    pub(crate) fn ahead(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        let gates = self.gates();
        for class in self.classes.changed.iter().filter_map(|id| self.classes.by_id.get(id)) {
            if class.ahead.is_empty() || !self.may_promise(class, &gates) {
                continue;
            }
            let slow = class.ahead.iter().filter(|id| self.is_slow(now, **id));
            facts.extend(slow.map(|claim| Fact::Claim(ClaimFact::Slow { claim: *claim })));
            let ready = class.ahead.iter().filter(|id| self.takes_ahead(now, **id));
            // None is overtaken by those behind it.
            let jobs = class.idle.iter().take_while(|job| self.may_wait(*job));
            let most = PER_TICK.saturating_sub(facts.len());
            for (claim, job) in ready.zip(jobs).take(most) {
                let Some(held) = self.job(job) else { continue };
                let attempt = model::Attempt(held.record().tally.attempt.0 + 1);
                let run = RunId { job, attempt };
                facts.push(Fact::Claim(ClaimFact::Promised { claim: *claim, run }));
            }
        }
        facts
    }

    /// Whether jobs of a class may wait for one slot: they are alike, nothing but a slot is between
    /// them and their start, and no other claim is on its way.
    fn may_promise(&self, class: &Class, gates: &Gates<'_>) -> bool {
        let plain = !class.universe.is_beside() && !class.paces && !class.may_skip;
        plain
            && class.idle.count() > 0
            && class.claiming == 0
            && !self.is_fenced()
            && !self.is_paused(class)
            && gates.may_follow(self, class)
    }

    fn may_share(&self, now: Now, claim: &Claim) -> bool {
        let record = &claim.record;
        let alone = self.companions(record.claim).next().is_none();
        alone
            && record.can_share
            && !claim.share_asked
            && record.limits.is_empty()
            && self.is_usable(now, &record.claim)
    }

    fn is_slow(&self, now: Now, id: ClaimId) -> bool {
        self.in_front_of(id).is_some_and(|front| lasts(now, front) >= PATIENCE)
    }

    fn takes_ahead(&self, now: Now, id: ClaimId) -> bool {
        let Some(front) = self.in_front_of(id) else { return false };
        let goes_on = front.record.run.and_then(|run| self.job(run.job)).is_some_and(|job| {
            // It would go on where it is, and at once.
            job.has_one(&[CheckpointEnd::EXIT_CODE, CheckpointEnd::BY_SIGNAL])
        });
        front.brisk && lasts(now, front) < PATIENCE && !goes_on && self.is_usable(now, &id)
    }

    fn may_wait(&self, job: JobId) -> bool {
        let alone = self.run_one.contains_key(&job.cluster);
        !alone && !self.timed.contains(&job.cluster) && !self.expanding.contains(&job.cluster)
    }

    /// The promised runs that an input speaks of as of runs: they are called up before it is
    /// looked at.
    pub(crate) fn calls_up(&self, now: Now, input: &Input) -> Vec<Fact> {
        if self.promises.iter().next().is_none() {
            return Vec::new();
        }
        let of_run = |run: &RunId, claim: Option<ClaimId>| {
            let promised = self.promises.claim_of(run.job)?;
            let is_it = self.claims.get(&promised).is_some_and(|c| c.record.run == Some(*run));
            let said = is_it && claim.is_none_or(|claim| claim == promised);
            said.then(|| self.called_up(now, run.job)).flatten()
        };
        match input {
            Input::Chirp { run, .. } => of_run(run, None).into_iter().collect(),
            Input::FromStartd { message, machine } => match message {
                FromStartd::RunStarted { claim, run, .. }
                | FromStartd::RunPaused { claim, run, .. }
                | FromStartd::RunUsage { claim, run, .. } => {
                    of_run(run, Some(*claim)).into_iter().collect()
                }
                FromStartd::RunEnded { claim, run, end, usage } if has_run(end, usage) => {
                    of_run(run, Some(*claim)).into_iter().collect()
                }
                FromStartd::ClaimGone { claim, .. } => {
                    let gone =
                        self.claims.get(claim).filter(|held| held.record.machine == *machine);
                    let run = gone.and_then(|held| held.record.run);
                    run.and_then(|run| of_run(&run, Some(*claim))).into_iter().collect()
                }
                FromStartd::Status { claims, beat, .. } => {
                    let held = self.machines.get(machine).into_iter().flat_map(|m| &m.claims);
                    let held = held.filter_map(|id| self.claims.get(id));
                    let promised = held.filter(|claim| self.is_promised(claim));
                    let meant = promised.filter(|claim| match listed(claims, claim) {
                        Some(status) => speaks_of_run(claim, status),
                        None => *beat > claim.record.granted,
                    });
                    let jobs = meant.filter_map(|claim| claim.record.run);
                    jobs.filter_map(|run| self.called_up(now, run.job)).collect()
                }
                FromStartd::RunEnded { .. }
                | FromStartd::Beat { .. }
                | FromStartd::ClaimGranted(_)
                | FromStartd::ClaimDenied { .. } => Vec::new(),
            },
            Input::Reserve { .. }
            | Input::Submit { .. }
            | Input::Act { .. }
            | Input::ActOn
            | Input::Edit { .. }
            | Input::Arrange { .. }
            | Input::Spool { .. }
            | Input::NegotiatorUp
            | Input::NegotiatorDown
            | Input::FromNegotiator(_)
            | Input::StartdDown { .. }
            | Input::Tick => Vec::new(),
        }
    }

    /// A promised run is over, and never began: the job waits as before.
    pub(crate) fn never_began(&self, claim: &Claim) -> Vec<Fact> {
        let claim = claim.record.claim;
        vec![Fact::Claim(ClaimFact::TakenBack { claim })]
    }
}

fn lasts(now: Now, front: &Claim) -> Duration {
    Duration::from_millis(now.boot_ms.saturating_sub(front.run_since_ms))
}

/// Whether a run that ended so may have begun.
pub(crate) fn has_run(end: &RunEnd, usage: &Usage) -> bool {
    match end {
        RunEnd::Vacated { ended, .. } => ended.is_some() || usage.started.is_some(),
        RunEnd::Program(_)
        | RunEnd::OutputFailed { .. }
        | RunEnd::ScriptFailed { .. }
        | RunEnd::UpToDate
        | RunEnd::StartFailed(_)
        | RunEnd::Lost { .. } => true,
    }
}

fn listed<'a>(claims: &'a [ClaimStatus], claim: &Claim) -> Option<&'a ClaimStatus> {
    claims.iter().find(|status| status.claim == claim.record.claim)
}

/// Whether a status says more of a promised run than that it waits, or has not come.
fn speaks_of_run(claim: &Claim, status: &ClaimStatus) -> bool {
    match &status.run {
        Some((run, RunStatus::Starting)) if claim.record.run == Some(*run) => false,
        Some((run, RunStatus::Ended(end, usage))) if claim.record.run == Some(*run) => {
            has_run(end, usage)
        }
        Some((run, RunStatus::Executing(_) | RunStatus::Stopping))
            if claim.record.run == Some(*run) =>
        {
            true
        }
        Some(_) | None => status.last_ordinal >= claim.record.ordinal,
    }
}
