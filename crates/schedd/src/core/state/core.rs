//! What the core keeps: the rows, and the indexes that are made from them or learnt again after a
//! restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use classad::{AttrName, ClassAd};
use model::queues::QueueSettings;
use model::{
    Beat, CheckpointEnd, ClaimId, ClassId, ClusterId, JobId, JobPriority, JobState, MachineName,
    MatchId, ProcId, Seq, SubmitToken, Timestamp, Universe, Usage, UserName, attr, keeps_files,
    planted::{Bug, planted},
    spooling,
};
use proto::client::Counts;
use proto::matchmaking::{GangShare, Match};

use crate::core::job::description::described;
use crate::core::job::watch::Watch;
use crate::core::records::acts::{LongAct, Target};
use crate::core::records::ranges::Ranges;
use crate::core::records::rows::{ClaimRecord, ClusterBody, ClusterRecord, JobRecord, Meta};
use crate::core::state::classes::{Classes, Sorting};
use crate::core::state::config::CoreConfig;
use crate::core::state::dependencies::Dependencies;
use crate::core::state::event_log::LOG_NAMES;
use crate::core::state::fence::Fence;
use crate::core::state::gangs::Gangs;
use crate::core::state::limits::RunLimits;
use crate::core::state::places::Places;
use crate::core::state::promises::Promises;
use crate::core::state::queued::Queued;
use crate::core::state::reserved::Reserved;
use crate::core::state::round::Round;
use crate::core::state::waiting::{ReasonKind, Untold};
use crate::core::state::whose::Whose;

/// The queue: clusters, jobs, claims, and what follows from what is heard of them.
///
/// The functions are in the files of their concern: `decide` (with `submit`, `act`, `matching`,
/// `claims`, `runs`, `tick`), `apply` (with `index`), `react`, and for reading `ads`, `query`,
/// `log_view`.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) meta: Meta,
    /// What is said of server, queues and nodes.
    pub(crate) settings: Arc<QueueSettings>,
    pub(crate) last_seq: Seq,
    pub(crate) clusters: BTreeMap<ClusterId, Cluster>,
    pub(crate) claims: BTreeMap<ClaimId, Claim>,
    /// Acts that are under way, in the order in which they were asked for.
    pub(crate) acts: BTreeMap<u64, LongAct>,
    /// Whose act had the last turn, and whether it followed from something else.
    pub(crate) act_served: Option<(UserName, bool)>,
    /// Every submission known, live or over.
    pub(crate) submissions: BTreeMap<SubmitToken, (ClusterId, u32)>,

    /// The machines that the negotiator says are drained.
    pub(crate) drained: BTreeSet<MachineName>,

    // Made from the above.
    pub(crate) classes: Classes,
    pub(crate) counts: BTreeMap<(UserName, Universe), Counts>,
    pub(crate) all: Counts,
    /// Jobs by queue of PBS's.
    pub(crate) queued: Queued,
    pub(crate) by_universe: BTreeMap<Universe, Counts>,
    /// Which clusters are whose.
    pub(crate) whose: Whose,
    /// Clusters that put jobs into the queue as others leave, and are not paused.
    pub(crate) factories: BTreeSet<ClusterId>,
    /// Finished jobs that stay in the queue because they want to.
    pub(crate) staying: BTreeSet<JobId>,
    /// Held jobs that are tried again by themselves, and when.
    pub(crate) retrying: BTreeSet<(Timestamp, JobId)>,
    /// Clusters with jobs that take something from the machine that they are matched with.
    pub(crate) expanding: BTreeSet<ClusterId>,
    /// Clusters with jobs that start at a time.
    pub(crate) timed: BTreeSet<ClusterId>,
    /// Clusters whose jobs have policies that time can make true.
    pub(crate) watched: BTreeSet<ClusterId>,
    /// Jobs that wait for others.
    pub(crate) dependencies: Dependencies,
    /// Clusters of which only one is to run, each with the others.
    pub(crate) run_one: BTreeMap<ClusterId, BTreeSet<ClusterId>>,
    /// Idle jobs whose next run waits for its turn.
    pub(crate) promises: Promises,
    /// Claims that are for one run together.
    pub(crate) gangs: Gangs,

    // Learnt again after a restart.
    /// What was recorded in this life, counted.
    pub(crate) happened: crate::core::state::statistics::Happened,
    /// When the finished jobs that stay were looked at last.
    pub(crate) kept_checked_ms: u64,
    /// When the next reservation moves on, milliseconds of the boot clock.
    pub(crate) booking_edge_ms: Option<u64>,
    /// When the policies were looked at last, and how far.
    pub(crate) round: Round,
    pub(crate) reserved: Reserved,
    /// The next number to give: above `meta`'s by what is reserved and not submitted.
    pub(crate) next_reserved: ClusterId,
    pub(crate) machines: BTreeMap<MachineName, Machine>,
    pub(crate) claiming: BTreeMap<MatchId, Claiming>,
    /// Claims for jobs that run beside the schedd, and those that are asked for.
    pub(crate) beside: Places,
    pub(crate) negotiator: Option<Negotiator>,
    /// Before anything starts of a queue that was put back.
    pub(crate) fence: Option<Fence>,
    /// Idle jobs that wait until a moment of the boot clock before they are tried again.
    pub(crate) backing_off: BTreeMap<JobId, u64>,
    pub(crate) backoff_ends: BTreeSet<(u64, JobId)>,
    /// Until when jobs run that have asked for no longer.
    pub(crate) run_limits: RunLimits,
    /// Who began to wait for a moment and was not told of yet.
    pub(crate) untold: Untold,
    /// Owners none of whose jobs start until a moment of the boot clock.
    pub(crate) pauses: BTreeMap<UserName, u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) record: Arc<ClusterRecord>,
    /// What its jobs' ads are chained to.
    pub(crate) ad: Arc<ClassAd>,
    pub(crate) sorting: Sorting,
    /// The attributes that any of its jobs was given since it was submitted.
    pub(crate) edited: BTreeSet<AttrName>,
    /// What its jobs are asked again and again, if anything.
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) untouched: Ranges,
    /// Not in the queue yet.
    pub(crate) later: Ranges,
    pub(crate) paused: bool,
    /// How many of its jobs never come.
    pub(crate) never: u32,
    /// Its jobs that ended in another way than well, also those that have left.
    pub(crate) bad: Ranges,
    /// How many of those were removed.
    pub(crate) removed: u32,
    /// What was set since for its jobs that are still to come.
    pub(crate) later_edits: Option<Arc<ClassAd>>,
    /// The kinds of reasons for waiting that are in the record.
    pub(crate) told_reasons: Vec<ReasonKind>,
    /// How many of its jobs in the queue are idle or held.
    pub(crate) waiting: u64,
    pub(crate) jobs: BTreeMap<ProcId, JobRecord>,
    /// How many jobs are in the queue or come later.
    pub(crate) left: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) record: ClaimRecord,
    /// No new run after this moment of the boot clock.
    pub(crate) work_until_ms: u64,
    /// Since when it has no run.
    pub(crate) free_since_ms: u64,
    /// How long its last job wants it to be kept without one (`KeepClaimIdle`), if that said so.
    pub(crate) keep: Option<Duration>,
    /// Since when its run is its job's, milliseconds of the boot clock.
    pub(crate) run_since_ms: u64,
    /// Whether the last run on its slot was short.
    pub(crate) brisk: bool,
    /// Whether another claim was asked for on its slot.
    pub(crate) share_asked: bool,
    /// Of a run with several claims: what it is known to have used on this one.
    pub(crate) used: Usage,
    /// The slot's ad, if it was granted in this life while some job needed it.
    pub(crate) slot_ad: Option<Arc<ClassAd>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Claiming {
    pub(crate) matched: Match,
    pub(crate) class_key: Arc<str>,
    pub(crate) owner: UserName,
    pub(crate) universe: Universe,
    pub(crate) since_ms: u64,
    /// The claim whose slot it is to share.
    pub(crate) shares: Option<ClaimId>,
}

impl Claiming {
    /// Whether it is one of those for which a class's jobs wait: a share has its claim's, and
    /// however many claims a job needs, it is one job that has them.
    pub(crate) fn counts(&self) -> bool {
        self.shares.is_none() && self.matched.gang.as_ref().is_none_or(GangShare::is_first)
    }
}

impl Machine {
    pub(crate) fn add_lease(&mut self, lease_s: u32) {
        *self.leases.entry(lease_s).or_default() += 1;
    }

    pub(crate) fn remove_lease(&mut self, lease_s: u32) {
        if let Some(count) = self.leases.get_mut(&lease_s) {
            *count -= 1;
            if *count == 0 {
                self.leases.remove(&lease_s);
            }
        }
    }
}

/// A machine that holds a claim of ours, or is asked for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) address: String,
    pub(crate) up: bool,
    /// When a beat was seen last, or this life of the schedd began.
    pub(crate) heard_ms: u64,
    pub(crate) beat: Option<Beat>,
    pub(crate) claims: BTreeSet<ClaimId>,
    /// How many of its claims have each lease, seconds: the first ends first.
    pub(crate) leases: BTreeMap<u32, u32>,
    /// The claims of each slot.
    pub(crate) slots: BTreeMap<Arc<str>, BTreeSet<ClaimId>>,
    pub(crate) claiming: BTreeSet<MatchId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiator {
    /// Whether it was told anything on this connection.
    pub(crate) introduced: bool,
    /// What it was told last of each class.
    pub(crate) told: BTreeMap<ClassId, Told>,
    /// When it was told everything last, milliseconds of the boot clock.
    pub(crate) told_all_ms: u64,
    /// The last match that it sent.
    pub(crate) seen: Option<MatchId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) priority: JobPriority,
    pub(crate) first: JobId,
    pub(crate) idle: u32,
}

impl Core {
    /// Whether something like that is being done a slice at a time, because it follows from what
    /// happened. What users have asked for is not looked at: that may name very many jobs.
    pub(crate) fn follows_already(&self, is_it: impl Fn(&Target) -> bool) -> bool {
        let acts = self.acts.values().filter(|act| act.follows());
        acts.flat_map(|act| act.targets.iter()).any(is_it)
    }

    pub(crate) fn job(&self, job: JobId) -> Option<JobRef<'_>> {
        let cluster = self.clusters.get(&job.cluster)?;
        match cluster.jobs.get(&job.proc) {
            Some(record) => Some(JobRef { cluster, job, record: Some(record) }),
            None if cluster.untouched.contains(job.proc) => {
                Some(JobRef { cluster, job, record: None })
            }
            None => None,
        }
    }

    /// Whether a job is in the queue.
    pub fn is_queued(&self, job: JobId) -> bool {
        self.job(job).is_some()
    }

    /// The folder in which a job keeps what it has when it is evicted.
    pub(crate) fn spool_of(&self, job: JobId) -> String {
        format!("{}/{job}", self.config.spool)
    }

    /// The changing part of a cluster's row; `None` if no job of it is left.
    pub fn cluster_body(&self, cluster: ClusterId) -> Option<ClusterBody> {
        self.clusters.get(&cluster).map(Cluster::body)
    }
}

impl Cluster {
    pub(crate) fn owner(&self) -> &UserName {
        &self.record.body.owner
    }

    pub(crate) fn body(&self) -> ClusterBody {
        ClusterBody {
            owner: self.record.body.owner.clone(),
            owner_uid: self.record.body.owner_uid,
            submitted: self.record.body.submitted,
            untouched: self.untouched.clone(),
            later: self.later.clone(),
            paused: self.paused,
            later_edits: self.later_edits.clone(),
            never: self.never,
            bad: match planted(Bug::DependencyEndForgotten) {
                true => Ranges::default(),
                false => self.bad.clone(),
            },
            removed: self.removed,
            left: self.left,
        }
    }

    /// How many of its jobs ended by themselves, and not well, also of those that have left.
    pub(crate) fn failed(&self) -> u64 {
        self.bad.len().saturating_sub(u64::from(self.removed))
    }

    /// Its jobs in order, touched or not.
    pub(crate) fn procs(&self) -> impl Iterator<Item = JobRef<'_>> {
        self.procs_from(ProcId(0))
    }

    /// Its jobs in the queue from a number on, in order.
    pub(crate) fn procs_from(&self, first: ProcId) -> impl Iterator<Item = JobRef<'_>> {
        let id = self.record.cluster;
        let mut untouched = self.untouched.iter_from(first).peekable();
        let mut touched = self.jobs.range(first..).peekable();
        std::iter::from_fn(move || {
            let next_touched = touched.peek().map(|(proc, _)| **proc);
            match (untouched.peek().copied(), next_touched) {
                (Some(proc), other) if other.is_none_or(|other| proc < other) => {
                    untouched.next();
                    let job = JobId { cluster: id, proc };
                    Some(JobRef { cluster: self, job, record: None })
                }
                _ => touched.next().map(|(proc, record)| {
                    let job = JobId { cluster: id, proc: *proc };
                    JobRef { cluster: self, job, record: Some(record) }
                }),
            }
        })
    }
}

/// A job of the queue, whether it has a row or not.
#[derive(Clone, Copy)]
pub(crate) struct JobRef<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) job: JobId,
    record: Option<&'a JobRecord>,
}

impl JobRef<'_> {
    /// Its row, or the row that it would have.
    pub(crate) fn record(&self) -> JobRecord {
        self.record.cloned().unwrap_or_else(|| JobRecord {
            job: self.job,
            state: JobState::Idle { since: self.cluster.record.body.submitted },
            finished: None,
            tally: crate::core::records::rows::Tally::default(),
            edits: None,
        })
    }

    /// The attributes that were set since it was submitted.
    pub(crate) fn edits(&self) -> Option<&ClassAd> {
        self.record.and_then(|record| record.edits.as_deref())
    }

    /// Whether the job itself, and not its cluster, has this attribute.
    pub(crate) fn delta_has(&self, name: &str) -> bool {
        self.delta_has_one(&[name])
    }

    fn delta_has_one(&self, names: &[&str]) -> bool {
        let has = |ad: &ClassAd| names.iter().any(|name| ad.get_own(name).is_some());
        let spec = &self.cluster.record.spec;
        self.edits().is_some_and(has) || spec.delta(self.job.proc).as_ref().is_some_and(has)
    }

    /// Whether something of it is kept from one run to the next.
    pub(crate) fn keeps_files(&self) -> bool {
        // Nearly no cluster keeps anything: only where one does, or a job says more, are the job's
        // own words looked at.
        const SAYS: [&str; 3] =
            [attr::WHEN_TO_TRANSFER_OUTPUT, CheckpointEnd::EXIT_CODE, CheckpointEnd::BY_SIGNAL];
        (keeps_files(&self.cluster.ad) || self.delta_has_one(&SAYS))
            && keeps_files(&self.described())
    }

    /// Whether its files were copied here, or are to be.
    pub(crate) fn was_spooled(&self) -> bool {
        spooling::is_spooled(&self.cluster.record.spec)
    }

    /// Whether the job or its cluster has this attribute of what users have said.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.has_one(&[name])
    }

    /// The same for any of some.
    pub(crate) fn has_one(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.cluster.ad.get(name).is_some()) || self.delta_has_one(names)
    }

    /// What users have said of it: when it was submitted, and since.
    pub(crate) fn described(&self) -> ClassAd {
        let cluster = self.cluster;
        described(&cluster.record, &cluster.ad, self.job.proc, self.edits())
    }

    /// Whether it may have a log: most jobs of a large submission have none, and nothing is
    /// computed for them.
    pub(crate) fn may_log(&self) -> bool {
        self.has_one(&LOG_NAMES)
    }

    /// Whether a run of it was authorised, now or before.
    pub(crate) fn has_run(&self) -> bool {
        self.record.is_some_and(|record| record.tally.runs() > 0)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.record.is_some_and(|record| matches!(record.state, JobState::Stopping { .. }))
    }

    pub(crate) fn state(&self) -> JobState {
        match self.record {
            Some(record) => record.state.clone(),
            None => JobState::Idle { since: self.cluster.record.body.submitted },
        }
    }
}
