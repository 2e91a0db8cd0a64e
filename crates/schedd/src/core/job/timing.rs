//! When a job says that it starts: `DeferralTime`, given or made from a crontab. Who waits for it
//! is `time::deferral`'s matter.

use classad::ClassAd;
use model::job_ad::{Deferral, is_deferred};
use model::{ClusterSpec, Now, Timestamp, attr};

use crate::core::job::cron::{CronError, Crontab, FIELDS};
use crate::core::job::description::env;

/// Whether jobs of a cluster start at a time.
pub(crate) fn has_timed_jobs(spec: &ClusterSpec, shared: &ClassAd) -> bool {
    spec.procs.any_own(|name| is_timing(name.as_str())) || is_timed(shared)
}

/// The change that gives a job its next start.
pub(crate) fn starts_at(at: Timestamp) -> ClassAd {
    let mut changes = ClassAd::new();
    changes.set(attr::DEFERRAL_TIME, at.as_secs());
    changes
}

/// When a job is to start, if it is deferred.
pub(crate) fn start_of(ad: &ClassAd, now: Now) -> Option<Timestamp> {
    let at_s = Deferral::of(ad, &env(now))?.at_s?;
    Some(Timestamp::from_millis(at_s.saturating_mul(1000)))
}

fn is_timed(ad: &ClassAd) -> bool {
    is_deferred(ad) || FIELDS.iter().any(|(name, ..)| ad.get(name).is_some())
}

fn is_timing(name: &str) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    is(attr::DEFERRAL_TIME) || FIELDS.iter().any(|(known, ..)| is(known))
}

/// The crontab in a job's ad, if it has one; an error if that makes no sense.
pub(crate) fn crontab(ad: &ClassAd, now: Now) -> Option<Result<Crontab, CronError>> {
    let text = |name: &str| {
        let value = ad.get(name).map(|_| ad.eval(name, None, &env(now)))?;
        Some(value.as_str().map_or_else(|| value.to_new(), str::to_owned))
    };
    let texts = FIELDS.map(|(name, ..)| text(name));
    texts.iter().any(Option::is_some).then(|| Crontab::new(texts))
}
