//! Runs that have several claims: all begin together, and when one part is over, so is the whole.
//!
//! The first claim's run is the job's: its end is the run's end. It is recorded when nothing of the
//! other parts is left, each proved like the end of any run: its startd said so, or its lease is
//! over. So no part of an attempt lives when the next begins.

use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr, Value};
use model::{
    ClaimId, Hold, HoldCode, JobEvent, JobId, JobState, MatchId, NODE, Now, RunEnd, Script,
    StartStage, StopCause, Universe, Usage, VacateCode, attr,
    planted::{Bug, planted},
};
use proto::claiming::StopHow;

use crate::core::records::rows::{ClaimRecord, GangClaim, Lost};
use crate::core::runs::over::hold_for_start;
use crate::core::state::core::{Claim, Core, JobRef};
use crate::core::state::gangs::Members;
use crate::core::words::{ClaimFact, Fact, JobFact};

impl Core {
    /// The run on a claim is over, in this way.
    pub(crate) fn run_ended(
        &self,
        now: Now,
        claim: &Claim,
        end: &RunEnd,
        usage: Usage,
    ) -> Vec<Fact> {
        let Some(run) = claim.record.run else { return Vec::new() };
        let (id, end) = (claim.record.claim, Box::new(end.clone()));
        match &claim.record.gang {
            None => self.run_over(now, run.job, &end, usage),
            Some(gang) if !gang.share.is_first() => {
                vec![Fact::Claim(ClaimFact::PartOver { claim: id, end, usage })]
            }
            // It was heard before.
            Some(gang) if gang.ended.is_some() => Vec::new(),
            Some(_) => vec![Fact::Claim(ClaimFact::FirstOver { claim: id, end, usage })],
        }
    }

    /// What follows for gangs from what became of their parts.
    pub(crate) fn gangs(&self, now: Now) -> Vec<Fact> {
        self.gangs.iter().flat_map(|members| self.of_gang(now, members)).collect()
    }

    fn of_gang(&self, now: Now, members: &Members) -> Vec<Fact> {
        let first = members.first().and_then(|id| self.claims.get(&id));
        let running = first.and_then(|first| Some((&first.record, first.record.run?)));
        let Some((record, run)) = running else { return self.given_up(members) };
        let Some(gang) = &record.gang else { return Vec::new() };
        let alone = members.others().next().is_none() || planted(Bug::PartLeftRunning);
        match (&gang.ended, &gang.lost) {
            (Some((end, usage)), lost) if alone => {
                // Who waits for all has not ended well when one of them was lost; and a machine
                // that could not prepare its part is given time, as for a job of one.
                let counts =
                    |lost: &&Lost| self.waits_for_all(run.job) || lost.could_not_prepare(end);
                let lost = lost.as_ref().filter(counts);
                let end = lost.map_or(end, |lost| &lost.end);
                let mut facts = self.run_over(now, run.job, end, usage.and(&gang.used));
                let claim = record.claim;
                facts.push(Fact::Claim(ClaimFact::Dropped { claim, release: true }));
                facts
            }
            (ended, Some(lost)) if ended.is_none() || self.waits_for_all(run.job) => {
                self.stopped_for(now, run.job, lost)
            }
            (Some(_), _) | (None, _) => Vec::new(),
        }
    }

    /// Whether the whole goes on although a part has ended so: a node of the parallel universe may
    /// end by itself, but not without its output.
    pub(crate) fn goes_on_without(&self, job: JobId, end: &RunEnd) -> bool {
        let is_parallel = self.job(job).is_some_and(|job| Universe::is_parallel(&job.described()));
        is_parallel && matches!(end, RunEnd::Program(_))
    }

    /// Whether the other parts are to end with the first: not those of a run that waits for all and
    /// is left alone.
    pub(crate) fn ends_with_first(&self, job: JobId) -> bool {
        let Some(job) = self.job(job) else { return true };
        job.is_stopping() || !waits_for_all(job)
    }

    /// Whether the job is over with the last of its nodes.
    pub(crate) fn waits_for_all(&self, job: JobId) -> bool {
        self.job(job).is_some_and(waits_for_all)
    }

    /// A part is over, and so the whole is to be.
    fn stopped_for(&self, now: Now, job: JobId, lost: &Lost) -> Vec<Fact> {
        let state = self.job(job).map(|job| job.state());
        let goes_on = matches!(state, Some(JobState::Running(_) | JobState::Suspended { .. }));
        if !goes_on {
            return Vec::new();
        }
        let cause = lost.cause(now);
        let event = JobEvent::StopRequested { cause, at: now.wall };
        vec![Fact::Job { job, fact: JobFact::Happened(event) }]
    }

    /// A gang that cannot begin any more gives back all that it has: a part was refused, or is on a
    /// machine that is to get no jobs.
    fn given_up(&self, members: &Members) -> Vec<Fact> {
        let held = || members.held.values().filter_map(|id| self.claims.get(id));
        if !members.is_broken() && !held().any(|claim| self.is_offline(claim)) {
            return Vec::new();
        }
        let dropped = members.held.values();
        let dropped =
            dropped.map(|claim| Fact::Claim(ClaimFact::Dropped { claim: *claim, release: true }));
        let failed = members.asked.iter().map(|matched| {
            let reason = "another part of the job has no place".to_owned();
            Fact::Claim(ClaimFact::Failed { matched: *matched, reason, blameless: true })
        });
        dropped.chain(failed).collect()
    }

    /// Whether all parts of a gang are there and can be told to begin: none has waited for the
    /// others until it was too late.
    pub(crate) fn is_gang_ready(&self, now: Now, gang: &GangClaim) -> bool {
        let Some(members) = self.gangs.get(gang.share.gang) else { return false };
        let held = members.held.values().filter_map(|id| self.claims.get(id));
        let mut up = held.map(|claim| {
            let machine = self.machines.get(&claim.record.machine);
            let is_late = now.boot_ms >= claim.work_until_ms && !planted(Bug::GangBeginsLate);
            machine.is_some_and(|machine| machine.up) && !self.is_offline(claim) && !is_late
        });
        (members.is_whole() || planted(Bug::GangHalfStarted)) && up.all(|up| up)
    }

    /// What the job's ad says from now on of where its parts are: the machine of each, in order.
    /// Nothing where it has said and says nothing of it.
    pub(crate) fn places_of_parts(&self, job: JobId, claim: &ClaimRecord) -> Option<Fact> {
        let mut changes = ClassAd::new();
        match &claim.gang {
            Some(gang) => {
                let parts = self.gangs.get(gang.share.gang)?.held.values();
                let mut hosts: Vec<(u32, &str)> = parts
                    .filter_map(|id| self.claims.get(id))
                    .flat_map(|claim| {
                        let record = &claim.record;
                        let holds = record.gang.iter().flat_map(|gang| &gang.share.holds);
                        holds.map(|part| (*part, record.machine.as_str()))
                    })
                    .collect();
                hosts.sort_unstable();
                let hosts: Vec<&str> = hosts.into_iter().map(|(_, host)| host).collect();
                changes.set(attr::GANG_HOSTS, hosts.join(","));
            }
            // It was a gang the last time.
            None if self.job(job)?.has(attr::GANG_HOSTS) => changes.set(attr::GANG_HOSTS, ""),
            None => return None,
        }
        let changes = Arc::new(changes);
        Some(Fact::Job { job, fact: JobFact::Matched { changes } })
    }

    /// How the run on a claim of a gang is to be stopped now, if it is: the others go when the
    /// first is over.
    pub(crate) fn stop_of_part(&self, gang: &GangClaim) -> Option<StopHow> {
        let members = self.gangs.get(gang.share.gang)?;
        let first = members.first().and_then(|id| self.claims.get(&id))?;
        let is_over = first.record.gang.as_ref().is_some_and(|first| first.ended.is_some());
        let run = first.record.run.filter(|_| is_over)?;
        self.ends_with_first(run.job).then_some(StopHow::Fast)
    }

    /// The claims of the other parts of a run, by its first.
    pub(crate) fn others_on(&self, first: ClaimId) -> Vec<ClaimId> {
        let gang = self.claims.get(&first).and_then(|claim| claim.record.gang.as_ref());
        let members = gang.and_then(|gang| self.gangs.get(gang.share.gang));
        members.into_iter().flat_map(Members::others).collect()
    }

    /// What a run has used on all of its claims, those that are over too, when this one of them
    /// has used so much.
    pub(crate) fn used_together(&self, gang: &GangClaim, claim: ClaimId, own: Usage) -> Usage {
        let members = self.gangs.get(gang.share.gang);
        let held = members.into_iter().flat_map(|members| members.held.values());
        let of = |id: &ClaimId| {
            let held = self.claims.get(id)?;
            let ended = held.record.gang.as_ref().and_then(|gang| gang.ended.as_ref());
            let known = ended.map_or(held.used, |(_, usage)| *usage);
            Some(if *id == claim { own } else { known })
        };
        let mut parts = held.filter_map(of);
        let first = parts.next().unwrap_or(own);
        let all = parts.fold(first, |all, part| all.and(&part));
        let first = members.and_then(Members::first).and_then(|id| self.claims.get(&id));
        let over = first.and_then(|first| Some(first.record.gang.as_ref()?.used));
        over.map_or(all, |over| all.and(&over))
    }

    /// The processors of a run's other parts, by its first claim.
    pub(crate) fn cpus_of_others(&self, first: ClaimId) -> u32 {
        let others = self.others_on(first).into_iter();
        let cpus = others.filter_map(|id| Some(self.claims.get(&id)?.record.resources.cpus));
        cpus.fold(0, u32::saturating_add)
    }

    /// The other parts of the gang whose first claim this is.
    pub(crate) fn others_of(&self, gang: MatchId) -> Vec<&Claim> {
        let members = self.gangs.get(gang);
        let others = members.into_iter().flat_map(Members::others);
        others.filter_map(|id| self.claims.get(&id)).collect()
    }
}

impl Lost {
    /// Why the whole ends: what nobody has done puts the job back into the queue, what would be so
    /// again holds it.
    fn cause(&self, now: Now) -> StopCause {
        let Self { machine, end } = self;
        let vacate = |reason: String| StopCause::Vacate {
            code: VacateCode::ScheddVacate,
            subcode: 0,
            reason,
        };
        match end {
            RunEnd::StartFailed(failure) => {
                let told =
                    |why: String| format!("a part of it could not begin on {machine}: {why}");
                match hold_for_start(failure, now) {
                    Ok(hold) => StopCause::Hold(Hold { reason: told(hold.reason), ..hold }),
                    Err(why) => vacate(told(why)),
                }
            }
            RunEnd::OutputFailed { path, errno, .. } => {
                let code = HoldCode::TransferOutputError;
                let reason = format!(
                    "the output of a part of it cannot be brought back from {machine}: {path}: errno {errno}"
                );
                StopCause::Hold(Hold { code, subcode: *errno, reason, since: now.wall })
            }
            RunEnd::Program(_) | RunEnd::ScriptFailed { .. } | RunEnd::UpToDate => {
                let reason = format!("the part of it on {machine} ended before the whole");
                let code = HoldCode::Unspecified;
                StopCause::Hold(Hold { code, subcode: 0, reason, since: now.wall })
            }
            RunEnd::Vacated { .. } | RunEnd::Lost { .. } => {
                vacate(format!("the part of it on {machine} was lost"))
            }
        }
    }

    /// Whether the first part ended only because a machine could not prepare this one.
    fn could_not_prepare(&self, first: &RunEnd) -> bool {
        let RunEnd::StartFailed(failure) = &self.end else { return false };
        failure.stage == StartStage::Prepare && matches!(first, RunEnd::Vacated { .. })
    }
}

/// What is told to the part of a run: which one it is, and what only the first does for all. A node
/// of the parallel universe does all itself, under its number.
pub(crate) fn as_part(ad: &mut ClassAd, part: u32) {
    ad.set(attr::GANG_PART, i64::from(part));
    if Universe::is_parallel(ad) {
        with_node(ad, part);
    } else if part > 0 {
        for name in [attr::IN, attr::OUT, attr::ERR] {
            ad.set(name, "/dev/null");
        }
        for script in [Script::Pre, Script::Post] {
            ad.set(script.attribute(), "");
        }
    }
}

/// A job of the parallel universe as one of its nodes has it.
pub(crate) fn with_node(ad: &mut ClassAd, node: u32) {
    let named = |expr: &Expr| {
        let text = expr.as_literal().and_then(Value::as_str)?;
        text.contains(NODE).then(|| text.replace(NODE, &node.to_string()))
    };
    let named: Vec<(AttrName, String)> =
        ad.iter_all().filter_map(|(name, expr)| Some((name.clone(), named(expr)?))).collect();
    for (name, text) in named {
        ad.set(name.as_str(), text);
    }
}

/// Whether a run of the parallel universe goes on until all its nodes have ended, and not only the
/// first (HTCondor 25.14).
fn waits_for_all(job: JobRef<'_>) -> bool {
    let said = job.has(attr::PARALLEL_SHUTDOWN_POLICY).then(|| job.described());
    said.is_some_and(|ad| {
        let policy = ad.literal(attr::PARALLEL_SHUTDOWN_POLICY).and_then(Value::as_str);
        policy.is_some_and(|policy| policy.eq_ignore_ascii_case("WAIT_FOR_ALL"))
    })
}
