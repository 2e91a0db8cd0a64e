//! What the core keeps: the rows, and the indexes that are made from them or learnt again after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use classad::{AttrName, ClassAd};
use model::{
    Beat, CheckpointEnd, ClaimId, ClassId, ClusterId, JobId, JobPriority, JobState, MachineName,
    MatchId, ProcId, ScheddName, Seq, SubmitToken, Timestamp, Universe, UserName, keeps_files,
    spooling,
};
use proto::client::Counts;
use proto::matchmaking::Match;

use super::ads;
use super::beside::{Beside, Places};
use super::classes::{Classes, Sorting};
use super::log_files::{EventLog, LOG_NAMES};
use super::ranges::Ranges;
use super::rows::{ClaimRecord, ClusterBody, ClusterRecord, JobRecord, Meta};
use super::system_policy::SystemPolicy;
use super::waiting::{Kind, Untold};
use super::watch::{Round, Watch};

/// What a core is told about its daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The schedd's name (`localhost`): the first part of `GlobalJobId`.
    pub name: ScheddName,
    /// What follows the `@` in `User`.
    pub uid_domain: String,
    /// The address for people to see (`<127.0.0.1:9618?...>`), for the users' logs.
    pub address: String,
    /// The folder in which jobs keep what they have when they are evicted. Made when it is needed.
    pub spool: String,
    /// Whose clocks crontabs mean.
    pub zone: jiff::tz::TimeZone,
    /// Where and when jobs run beside the schedd.
    pub beside: Beside,
    /// A log of all jobs, if the administrator wants one.
    pub event_log: Option<EventLog>,
    /// What the administrator lays down for every job, in order.
    pub system: Vec<SystemPolicy>,
}

/// The queue: clusters, jobs, claims, and what follows from what is heard of them.
///
/// The functions are in the files of their concern: `decide` (with `submit`, `act`, `matching`, `claims`, `runs`, `tick`),
/// `apply` (with `index`), `react`, and for reading `ads`, `query`, `log_view`.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) config: Config,
    pub(super) meta: Meta,
    pub(super) last_seq: Seq,
    pub(super) clusters: BTreeMap<ClusterId, Cluster>,
    pub(super) claims: BTreeMap<ClaimId, Claim>,
    /// Every submission known, live or over.
    pub(super) submissions: BTreeMap<SubmitToken, (ClusterId, u32)>,

    // Made from the above.
    pub(super) classes: Classes,
    pub(super) counts: BTreeMap<(UserName, Universe), Counts>,
    pub(super) all: Counts,
    pub(super) by_universe: BTreeMap<Universe, Counts>,
    /// Clusters that put jobs into the queue as others leave, and are not paused.
    pub(super) factories: BTreeSet<ClusterId>,
    /// Finished jobs that stay in the queue because they want to.
    pub(super) staying: BTreeSet<JobId>,
    /// Held jobs that are tried again by themselves, and when.
    pub(super) retrying: BTreeSet<(Timestamp, JobId)>,
    /// Clusters with jobs that take something from the machine that they are matched with.
    pub(super) expanding: BTreeSet<ClusterId>,
    /// Clusters with jobs that start at a time.
    pub(super) timed: BTreeSet<ClusterId>,
    /// Clusters whose jobs have policies that time can make true.
    pub(super) watched: BTreeSet<ClusterId>,

    // Learnt again after a restart.
    /// What was recorded in this life, counted.
    pub(super) happened: super::statistics::Happened,
    /// When the finished jobs that stay were looked at last.
    pub(super) kept_checked_ms: u64,
    /// When the policies were looked at last, and how far.
    pub(super) round: Round,
    pub(super) reserved: BTreeMap<ClusterId, SubmitToken>,
    /// The next number to give: above `meta`'s by what is reserved and not submitted.
    pub(super) next_reserved: ClusterId,
    pub(super) machines: BTreeMap<MachineName, Machine>,
    pub(super) claiming: BTreeMap<MatchId, Claiming>,
    /// Claims for jobs that run beside the schedd, and those that are asked for.
    pub(super) beside: Places,
    pub(super) negotiator: Option<Negotiator>,
    /// Idle jobs that wait until a moment of the boot clock before they are tried again.
    pub(super) backing_off: BTreeMap<JobId, u64>,
    pub(super) backoff_ends: BTreeSet<(u64, JobId)>,
    /// Who began to wait for a moment and was not told of yet.
    pub(super) untold: Untold,
    /// Owners none of whose jobs start until a moment of the boot clock.
    pub(super) pauses: BTreeMap<UserName, u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) record: Arc<ClusterRecord>,
    /// What its jobs' ads are chained to.
    pub(super) ad: Arc<ClassAd>,
    pub(super) sorting: Sorting,
    /// The attributes that any of its jobs was given since it was submitted.
    pub(super) edited: BTreeSet<AttrName>,
    /// What its jobs are asked again and again, if anything.
    pub(super) watch: Option<Arc<Watch>>,
    pub(super) untouched: Ranges,
    /// Not in the queue yet.
    pub(super) later: Ranges,
    pub(super) paused: bool,
    /// How many of its jobs never come.
    pub(super) never: u32,
    /// What was set since for its jobs that are still to come.
    pub(super) later_edits: Option<Arc<ClassAd>>,
    /// The kinds of reasons for waiting that are in the record.
    pub(super) told_reasons: Vec<Kind>,
    /// How many of its jobs in the queue are idle or held.
    pub(super) waiting: u64,
    pub(super) jobs: BTreeMap<ProcId, JobRecord>,
    /// How many jobs are in the queue or come later.
    pub(super) left: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) record: ClaimRecord,
    /// No new run after this moment of the boot clock.
    pub(super) work_until_ms: u64,
    /// Since when it has no run.
    pub(super) free_since_ms: u64,
    /// How long its last job wants it to be kept without one (`KeepClaimIdle`), if that said so.
    pub(super) keep: Option<Duration>,
    /// The slot's ad, if it was granted in this life while some job needed it.
    pub(super) slot_ad: Option<Arc<ClassAd>>,
}

#[derive(Clone, Debug)]
pub(super) struct Claiming {
    pub(super) matched: Match,
    pub(super) class_key: Arc<str>,
    pub(super) owner: UserName,
    pub(super) universe: Universe,
    pub(super) since_ms: u64,
}

/// A machine that holds a claim of ours, or is asked for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    pub(super) address: String,
    pub(super) up: bool,
    /// When a beat was seen last, or this life of the schedd began.
    pub(super) heard_ms: u64,
    pub(super) beat: Option<Beat>,
    pub(super) claims: BTreeSet<ClaimId>,
    pub(super) claiming: BTreeSet<MatchId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Negotiator {
    /// Whether it was told anything on this connection.
    pub(super) introduced: bool,
    /// What it was told last of each class.
    pub(super) told: BTreeMap<ClassId, Told>,
    /// When it was told everything last, milliseconds of the boot clock.
    pub(super) told_all_ms: u64,
    /// The last match that it sent.
    pub(super) seen: Option<MatchId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) priority: JobPriority,
    pub(super) first: JobId,
    pub(super) idle: u32,
}

impl Core {
    pub(super) fn job(&self, job: JobId) -> Option<JobRef<'_>> {
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
    pub(super) fn spool_of(&self, job: JobId) -> String {
        format!("{}/{job}", self.config.spool)
    }

    /// The changing part of a cluster's row; `None` if no job of it is left.
    pub fn cluster_body(&self, cluster: ClusterId) -> Option<ClusterBody> {
        self.clusters.get(&cluster).map(Cluster::body)
    }
}

impl Cluster {
    pub(super) fn owner(&self) -> &UserName {
        &self.record.body.owner
    }

    pub(super) fn body(&self) -> ClusterBody {
        ClusterBody {
            owner: self.record.body.owner.clone(),
            submitted: self.record.body.submitted,
            untouched: self.untouched.clone(),
            later: self.later.clone(),
            paused: self.paused,
            later_edits: self.later_edits.clone(),
            never: self.never,
            left: self.left,
        }
    }

    /// Its jobs in order, touched or not.
    pub(super) fn procs(&self) -> impl Iterator<Item = JobRef<'_>> {
        self.procs_from(ProcId(0))
    }

    /// Its jobs in the queue from a number on, in order.
    pub(super) fn procs_from(&self, first: ProcId) -> impl Iterator<Item = JobRef<'_>> {
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
pub(super) struct JobRef<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) job: JobId,
    record: Option<&'a JobRecord>,
}

impl JobRef<'_> {
    /// Its row, or the row that it would have.
    pub(super) fn record(&self) -> JobRecord {
        self.record.cloned().unwrap_or_else(|| JobRecord {
            job: self.job,
            state: JobState::Idle { since: self.cluster.record.body.submitted },
            finished: None,
            tally: super::rows::Tally::default(),
            edits: None,
        })
    }

    /// The attributes that were set since it was submitted.
    pub(super) fn edits(&self) -> Option<&ClassAd> {
        self.record.and_then(|record| record.edits.as_deref())
    }

    /// Whether the job itself, and not its cluster, has this attribute.
    pub(super) fn delta_has(&self, name: &str) -> bool {
        self.delta_has_one(&[name])
    }

    fn delta_has_one(&self, names: &[&str]) -> bool {
        let has = |ad: &ClassAd| names.iter().any(|name| ad.get_own(name).is_some());
        let spec = &self.cluster.record.spec;
        self.edits().is_some_and(has) || spec.delta(self.job.proc).as_ref().is_some_and(has)
    }

    /// Whether something of it is kept from one run to the next.
    pub(super) fn keeps_files(&self) -> bool {
        // Nearly no cluster keeps anything: only where one does, or a job says more, are the job's own words looked at.
        const SAYS: [&str; 3] =
            ["WhenToTransferOutput", CheckpointEnd::EXIT_CODE, CheckpointEnd::BY_SIGNAL];
        (keeps_files(&self.cluster.ad) || self.delta_has_one(&SAYS))
            && keeps_files(&self.described())
    }

    /// Whether its files were copied here, or are to be.
    pub(super) fn was_spooled(&self) -> bool {
        spooling::is_spooled(&self.cluster.record.spec)
    }

    /// Whether the job or its cluster has this attribute of what users have said.
    pub(super) fn has(&self, name: &str) -> bool {
        self.has_one(&[name])
    }

    /// The same for any of some.
    pub(super) fn has_one(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.cluster.ad.get(name).is_some()) || self.delta_has_one(names)
    }

    /// What users have said of it: when it was submitted, and since.
    pub(super) fn described(&self) -> ClassAd {
        let cluster = self.cluster;
        ads::described(&cluster.record, &cluster.ad, self.job.proc, self.edits())
    }

    /// Whether it may have a log: most jobs of a large submission have none, and nothing is computed for them.
    pub(super) fn may_log(&self) -> bool {
        self.has_one(&LOG_NAMES)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.record.is_some_and(|record| matches!(record.state, JobState::Stopping { .. }))
    }

    pub(super) fn state(&self) -> JobState {
        match self.record {
            Some(record) => record.state.clone(),
            None => JobState::Idle { since: self.cluster.record.body.submitted },
        }
    }
}
