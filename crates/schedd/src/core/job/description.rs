//! What users have said of a job, as an ad, and what is so until something happens. What the schedd
//! knows of its life is `ads`'s matter.

use std::sync::Arc;

use classad::{ClassAd, Env};
use model::{Now, ProcId, attr};

use crate::core::job::own::{Own, Written};
use crate::core::records::rows::ClusterRecord;

/// Where expressions of job ads are evaluated.
pub(crate) fn env(now: Now) -> Env {
    Env::at(now.wall.as_secs())
}

/// The ad that the jobs of a cluster are chained to: what submit gave them all, and what is so
/// until something happens.
pub(crate) fn cluster_ad(record: &ClusterRecord, uid_domain: &str) -> ClassAd {
    let submitted = record.body.submitted.as_secs();
    let mut ad = Written::onto(ClassAd::new());
    let zero = [
        Own::NUM_JOB_STARTS,
        Own::NUM_JOB_COMPLETIONS,
        Own::CURRENT_HOSTS,
        Own::NUM_RESTARTS,
        Own::NUM_SYSTEM_HOLDS,
        Own::NUM_CKPTS,
        Own::TOTAL_SUSPENSIONS,
        Own::COMMITTED_TIME,
        Own::COMMITTED_SLOT_TIME,
        Own::COMMITTED_SUSPENSION_TIME,
        Own::CUMULATIVE_SLOT_TIME,
        Own::CUMULATIVE_SUSPENSION_TIME,
        Own::LAST_SUSPENSION_TIME,
        Own::EXIT_STATUS,
    ];
    for name in zero {
        ad.set(name, 0);
    }
    let none = [
        Own::REMOTE_WALL_CLOCK_TIME,
        Own::REMOTE_USER_CPU,
        Own::REMOTE_SYS_CPU,
        Own::CUMULATIVE_REMOTE_USER_CPU,
        Own::CUMULATIVE_REMOTE_SYS_CPU,
    ];
    for name in none {
        ad.set(name, 0.0);
    }
    ad.set(Own::EXIT_BY_SIGNAL, false);
    let mut ad = ad.into_ad();
    ad.update(&record.spec.ad);
    forget_submitted_hold(&mut ad);
    let mut ad = Written::onto(ad);
    ad.set(Own::MY_TYPE, "Job");
    ad.set(Own::TARGET_TYPE, "Machine");
    ad.set(Own::CLUSTER_ID, i64::from(record.cluster.0));
    ad.set(Own::OWNER, record.body.owner.as_str());
    if let Some(uid) = record.body.owner_uid {
        ad.set(Own::OWNER_UID, i64::from(uid));
    }
    ad.set(Own::USER, user(record, uid_domain));
    ad.set(Own::Q_DATE, submitted);
    ad.set(Own::ENTERED_CURRENT_STATUS, submitted);
    ad.set(Own::JOB_STATUS, model::JobStatus::Idle.number());
    ad.set(Own::TOTAL_SUBMIT_PROCS, i64::from(record.spec.count()));
    ad.into_ad()
}

/// `alice@domain`.
fn user(record: &ClusterRecord, uid_domain: &str) -> String {
    format!("{}@{}", record.body.owner, uid_domain)
}

/// Whose a job is, is so of its cluster, whatever the description says of one of its jobs.
pub(crate) fn forget_whose(ad: &mut ClassAd) {
    for name in [Own::OWNER, Own::OWNER_UID, Own::USER] {
        ad.remove(name.name());
    }
}

/// A description says that its jobs are held at first; what is said of a hold that is, is
/// `ads`'s.
pub(crate) fn forget_submitted_hold(ad: &mut ClassAd) {
    for name in [attr::HOLD_REASON, attr::HOLD_REASON_CODE] {
        ad.remove(name);
    }
}

/// What users have said of a job: when it was submitted, and since.
pub(crate) fn described(
    record: &ClusterRecord,
    shared: &Arc<ClassAd>,
    proc: ProcId,
    edits: Option<&ClassAd>,
) -> ClassAd {
    let mut ad = record.spec.delta(proc).unwrap_or_default();
    forget_whose(&mut ad);
    if let Some(edits) = edits {
        ad.update(edits);
    }
    ad.set_parent(Arc::clone(shared));
    ad
}
