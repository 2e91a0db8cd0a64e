//! Submission: a number first, then everything at once, once.

use std::sync::Arc;

use classad::{ClassAd, Expr, Value};
use model::depend::LETS_GO;
use model::job_ad::keeps_files;
use model::{
    ClusterId, ClusterSpec, Hold, HoldCode, JobEvent, JobId, JobStatus, Now, ProcId, Procs,
    SubmitToken, Universe, attr, spooling,
};
use proto::client::{Answer, Refusal};

use crate::core::policy::dependencies::FirstHold;
use crate::core::policy::holds::SUBMITTED_ON_HOLD;
use crate::core::records::ranges::Ranges;
use crate::core::records::rows::{ClusterBody, ClusterRecord};
use crate::core::state::core::{Cluster, Core};
use crate::core::users::factory;
use crate::core::words::{Actor, ClusterFact, Fact, JobFact};

/// Jobs of one submission. Beyond it a factory's numbers and counters would still work; nobody
/// could wait for its end.
const MAX_PROCS: u32 = 10_000_000;

/// Numbers that are given and not used yet. A client uses its number within seconds; one that never
/// does costs a few bytes until it is pushed out.
const MAX_RESERVED: usize = 10_000;

/// Those of one user: who takes more, and uses none, pushes out its own.
const MAX_RESERVED_OF_USER: usize = 2_500;

impl Core {
    pub(crate) fn reserve(&self, by: &Actor, token: SubmitToken) -> (Vec<Fact>, Answer) {
        if let Some((cluster, _)) = self.submissions.get(&token) {
            return (Vec::new(), Answer::Reserved(*cluster));
        }
        if let Some(cluster) = self.reserved.number_of(token) {
            return (Vec::new(), Answer::Reserved(cluster));
        }
        let cluster = self.next_reserved;
        let mut facts = Vec::new();
        let (own, own_oldest) = self.reserved.of(&by.user);
        let oldest = match own >= MAX_RESERVED_OF_USER {
            true => own_oldest,
            false => self.reserved.oldest().filter(|_| self.reserved.len() >= MAX_RESERVED),
        };
        facts.extend(
            oldest.map(|cluster| Fact::Cluster(ClusterFact::ReservationForgotten { cluster })),
        );
        facts.push(Fact::Cluster(ClusterFact::Reserved { token, by: by.user.clone(), cluster }));
        (facts, Answer::Reserved(cluster))
    }

    pub(crate) fn submit(
        &self,
        now: Now,
        by: &Actor,
        token: SubmitToken,
        cluster: ClusterId,
        spec: &Arc<ClusterSpec>,
    ) -> (Vec<Fact>, Answer) {
        if let Some((cluster, procs)) = self.submissions.get(&token) {
            return (Vec::new(), Answer::Submitted { cluster: *cluster, procs: *procs });
        }
        if self.reserved.number_of(token) != Some(cluster) {
            return (Vec::new(), Answer::Refused(Refusal::NotReserved(cluster)));
        }
        let procs = spec.count();
        if procs == 0 {
            let refusal = Refusal::Invalid("submit a cluster: it has no jobs".to_owned());
            return (Vec::new(), Answer::Refused(refusal));
        }
        if procs > MAX_PROCS {
            let what = format!("submit {procs} jobs at once");
            let refusal = Refusal::Limit { what, limit: MAX_PROCS.to_string() };
            return (Vec::new(), Answer::Refused(refusal));
        }
        if let Some(refusal) = self.too_many_of(by, procs) {
            return (Vec::new(), Answer::Refused(refusal));
        }
        if let Some(what) = not_built(spec) {
            let refusal = Refusal::Invalid(format!("{what} is not supported yet"));
            return (Vec::new(), Answer::Refused(refusal));
        }
        if let Err(denied) = self.check_queue(by, spec) {
            return (Vec::new(), Answer::Refused(Refusal::Denied(denied)));
        }
        let others = spec.ad.literal(LETS_GO).and_then(Value::as_str);
        let lets_go = self.lets_go(cluster, &by.user, others, procs);
        let checked = factory::check(spec).and_then(|()| self.check_waits(spec));
        let checked = checked.and_then(|()| self.check_run_one(by, spec));
        if let Err(refusal) = checked.and(lets_go.as_ref().map(|_| ()).map_err(Clone::clone)) {
            return (Vec::new(), Answer::Refused(refusal));
        }
        let spec = &match self.with_spool(cluster, spec) {
            Ok(spec) => spec,
            Err(refusal) => return (Vec::new(), Answer::Refused(refusal)),
        };
        let (untouched, later) = factory::split(spec);
        let body = ClusterBody {
            owner: by.user.clone(),
            owner_uid: by.uid,
            submitted: now.wall,
            untouched,
            later,
            paused: false,
            later_edits: None,
            never: 0,
            bad: Ranges::default(),
            removed: 0,
            left: procs,
        };
        let record = ClusterRecord { cluster, token, spec: Arc::clone(spec), body };
        let record = Arc::new(record);
        let jobs = || record.body.untouched.iter();
        let mut facts = vec![Fact::Cluster(ClusterFact::Submitted(Arc::clone(&record)))];
        facts.extend(held_from_the_start(now, cluster, spec, None, jobs()));
        if facts.len() == 1 {
            facts.extend(self.deferred_from_the_start(now, cluster, spec, jobs()));
        }
        facts.extend(lets_go.unwrap_or_default());
        (facts, Answer::Submitted { cluster, procs })
    }
}

impl Core {
    /// Whether so many jobs more are too many of one user's.
    fn too_many_of(&self, by: &Actor, procs: u32) -> Option<Refusal> {
        let most = self.config.jobs_of_a_user?;
        let own = self.counts.iter().filter(|((owner, _), _)| *owner == by.user);
        let own: u64 = own
            .map(|(_, counts)| counts.idle + counts.running + counts.held + counts.suspended)
            .sum();
        (own + u64::from(procs) > most).then(|| {
            let what = format!("submit {procs} jobs beside {own} of yours in the queue");
            Refusal::Limit { what, limit: most.to_string() }
        })
    }
}

/// What the submission asks for that nobody here would do. Refused, so that it is not silently
/// ignored.
fn not_built(spec: &ClusterSpec) -> Option<String> {
    let mut ads: Vec<&ClassAd> = vec![&spec.ad];
    match &spec.procs {
        Procs::Listed(own) => ads.extend(own),
        Procs::Counted { template, .. } => {
            // What a template gives are texts.
            if template.0.iter().any(|(name, _)| *name == *attr::JOB_UNIVERSE) {
                return Some("JobUniverse from the number of a job".to_owned());
            }
        }
    }
    ads.into_iter().find_map(|ad| {
        // Where a job runs must be known from its number alone, and stay so.
        let universe = ad.get_own(attr::JOB_UNIVERSE);
        let known = universe.and_then(Expr::as_literal).and_then(Value::as_i64);
        let unknown = universe.filter(|_| known.and_then(Universe::from_number).is_none());
        unknown.map(|expr| format!("JobUniverse = {expr}"))
    })
}

/// What the submission asks for that is not done yet where jobs run as their owners: the schedd
/// keeps files for them, which it would have to touch itself. Refused, so that nobody's file is
/// touched as the wrong user.
pub(crate) fn not_as_owner_yet(spec: &ClusterSpec) -> Option<String> {
    let own: &[ClassAd] = match &spec.procs {
        Procs::Listed(own) => own,
        Procs::Counted { .. } => &[],
    };
    let keeps = || own.iter().chain([&spec.ad]).any(keeps_files);
    let what = if spooling::is_spooled(spec) {
        "its files cannot be spooled (-spool)"
    } else if keeps() {
        "what a job has when it is evicted, or its checkpoints, cannot be kept \
         (ON_EXIT_OR_EVICT, checkpoint_exit_code)"
    } else {
        return None;
    };
    Some(format!("submit a job to a pool of many users: {what} yet"))
}

/// `hold = true` in the submit file, or `-spool`: the ad says that the job is held, the cluster's
/// or its own.
pub(crate) fn held_from_the_start(
    now: Now,
    cluster: ClusterId,
    spec: &ClusterSpec,
    edits: Option<&ClassAd>,
    procs: impl Iterator<Item = ProcId>,
) -> impl Iterator<Item = Fact> {
    let status = |ad: &ClassAd| ad.literal(attr::JOB_STATUS).and_then(Value::as_i64);
    let shared = status(&spec.ad);
    let held = move |proc: &ProcId| {
        let own = match &spec.procs {
            Procs::Listed(deltas) => deltas.get(proc.0 as usize).and_then(status),
            Procs::Counted { .. } => None,
        };
        own.or(shared) == Some(JobStatus::Held.number())
    };
    let why = Cluster::waits_from_the_start(spec, edits);
    let held_at_all = !matches!(why, FirstHold::None);
    let (code, reason) = match (spooling::is_spooled(spec), why) {
        (true, _) => (HoldCode::SpoolingInput, spooling::HOLD_REASON.to_owned()),
        (false, FirstHold::Waits(reason)) => (HoldCode::WaitsForJobs, reason),
        (false, FirstHold::Besides) => (HoldCode::UserRequest, SUBMITTED_ON_HOLD.to_owned()),
        (false, FirstHold::Asked | FirstHold::None) => {
            (HoldCode::SubmittedOnHold, SUBMITTED_ON_HOLD.to_owned())
        }
    };
    let hold = Hold { code, subcode: 0, reason, since: now.wall };
    procs.filter(move |proc| held_at_all && held(proc)).map(move |proc| Fact::Job {
        job: JobId { cluster, proc },
        fact: JobFact::Happened(JobEvent::Held(hold.clone())),
    })
}
