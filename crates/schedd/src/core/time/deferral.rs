//! Jobs that start at a time: `DeferralTime`, given or made from a crontab. Such a job is offered
//! for matching from its preparation time on; the machine that it was given waits for the time
//! itself (`startd`).

use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use model::job_ad::Deferral;
use model::{
    ClusterId, ClusterSpec, Hold, HoldCode, JobEvent, JobId, JobState, Now, ProcId, Timestamp,
};

use crate::core::ads;
use crate::core::job::cron::{CronError, Crontab};
use crate::core::job::description::env;
use crate::core::job::timing::{crontab, has_timed_jobs};
use crate::core::state::core::{Core, JobRef};
use crate::core::words::{Fact, JobFact};

impl Core {
    /// What follows when jobs come into the queue that start at a time: they wait for it, each by
    /// itself.
    pub(crate) fn deferred_from_the_start(
        &self,
        now: Now,
        cluster: ClusterId,
        spec: &ClusterSpec,
        jobs: impl Iterator<Item = ProcId>,
    ) -> Vec<Fact> {
        if !has_timed_jobs(spec, &spec.ad) {
            return Vec::new();
        }
        let shared = Arc::new(spec.ad.clone());
        let fact = |proc| {
            let mut ad = spec.delta(proc).unwrap_or_default();
            ad.set_parent(Arc::clone(&shared));
            let job = JobId { cluster, proc };
            match crontab(&ad, now).map(|tab| tab.and_then(|tab| self.next_time(&tab, now))) {
                Some(Err(error)) => {
                    Fact::Job { job, fact: JobFact::Happened(JobEvent::Held(invalid(&error, now))) }
                }
                Some(Ok(_)) | None => Fact::Job { job, fact: JobFact::Timed },
            }
        };
        jobs.map(fact).collect()
    }

    /// The next start that a job's crontab names; `None` if it has none, or one that makes no
    /// sense.
    pub(crate) fn cron_time(&self, job: JobRef<'_>, now: Now) -> Option<Timestamp> {
        if !self.is_timed(job) {
            return None;
        }
        let tab = crontab(&self.ad_of(job), now)?.ok()?;
        self.next_time(&tab, now).ok()
    }

    fn next_time(&self, tab: &Crontab, now: Now) -> Result<Timestamp, CronError> {
        tab.next(now.wall, &self.config.zone)
    }

    /// How long an idle job waits before it is offered for matching, if it does.
    pub(crate) fn time_to_wait(&self, job: JobId, now: Now) -> Option<Duration> {
        let job = self.job(job).filter(|job| self.is_timed(*job))?;
        let ad = self.ad_of(job);
        let from_s = Deferral::of(&ad, &env(now))?.prepared_from_s()?;
        let from = Timestamp::from_millis(from_s.saturating_mul(1000));
        (from > now.wall).then(|| from.since(now.wall))
    }

    /// Idle jobs with a crontab whose time passed before a machine was free: they wait for their
    /// next time.
    pub(crate) fn cron_times_missed(&self, now: Now) -> Vec<Fact> {
        let timed = self.timed.iter().filter_map(|id| self.clusters.get(id));
        let jobs = timed.flat_map(|cluster| cluster.jobs.values());
        let idle = jobs.filter(|record| matches!(record.state, JobState::Idle { .. }));
        let missed = idle.filter(|record| {
            let Some(job) = self.job(record.job) else { return false };
            let ad = self.ad_of(job);
            let last_s = Deferral::of(&ad, &env(now)).and_then(|deferral| deferral.last_s());
            last_s.is_some_and(|last_s| last_s < now.wall.as_secs())
                && self.cron_time(job, now).is_some()
        });
        missed.map(|record| Fact::Job { job: record.job, fact: JobFact::Timed }).collect()
    }

    fn is_timed(&self, job: JobRef<'_>) -> bool {
        self.timed.contains(&job.job.cluster)
    }

    fn ad_of(&self, job: JobRef<'_>) -> ClassAd {
        ads::record_ad(job.cluster, &job.record(), &self.config)
    }
}

fn invalid(error: &CronError, now: Now) -> Hold {
    Hold {
        code: HoldCode::InvalidCronSettings,
        subcode: 0,
        reason: format!("invalid cron settings: {error}"),
        since: now.wall,
    }
}
