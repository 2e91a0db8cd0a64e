//! What users have said of a job, as an ad, and what is so until something happens. What the schedd
//! knows of its life is `ads`'s matter.

use std::sync::Arc;

use classad::{ClassAd, Env};
use model::{Now, ProcId, attr};

use crate::core::records::rows::ClusterRecord;

/// Where expressions of job ads are evaluated.
pub(crate) fn env(now: Now) -> Env {
    Env::at(now.wall.as_secs())
}

/// The ad that the jobs of a cluster are chained to: what submit gave them all, and what is so
/// until something happens.
pub(crate) fn cluster_ad(record: &ClusterRecord, uid_domain: &str) -> ClassAd {
    let submitted = record.body.submitted.as_secs();
    let mut ad = ClassAd::new();
    let zero = [
        attr::NUM_JOB_STARTS,
        attr::NUM_JOB_COMPLETIONS,
        attr::CURRENT_HOSTS,
        attr::NUM_RESTARTS,
        attr::NUM_SYSTEM_HOLDS,
        attr::NUM_CKPTS,
        attr::TOTAL_SUSPENSIONS,
        attr::COMMITTED_TIME,
        attr::COMMITTED_SLOT_TIME,
        attr::COMMITTED_SUSPENSION_TIME,
        attr::CUMULATIVE_SLOT_TIME,
        attr::CUMULATIVE_SUSPENSION_TIME,
        attr::LAST_SUSPENSION_TIME,
        attr::EXIT_STATUS,
    ];
    for name in zero {
        ad.set(name, 0);
    }
    let none = [
        attr::REMOTE_WALL_CLOCK_TIME,
        attr::REMOTE_USER_CPU,
        attr::REMOTE_SYS_CPU,
        attr::CUMULATIVE_REMOTE_USER_CPU,
        attr::CUMULATIVE_REMOTE_SYS_CPU,
    ];
    for name in none {
        ad.set(name, 0.0);
    }
    ad.set(attr::EXIT_BY_SIGNAL, false);
    ad.update(&record.spec.ad);
    forget_submitted_hold(&mut ad);
    ad.set(attr::MY_TYPE, "Job");
    ad.set(attr::TARGET_TYPE, "Machine");
    ad.set(attr::CLUSTER_ID, i64::from(record.cluster.0));
    ad.set(attr::OWNER, record.body.owner.as_str());
    ad.set(attr::USER, user(record, uid_domain));
    ad.set(attr::Q_DATE, submitted);
    ad.set(attr::ENTERED_CURRENT_STATUS, submitted);
    ad.set(attr::JOB_STATUS, model::JobStatus::Idle.number());
    ad.set(attr::TOTAL_SUBMIT_PROCS, i64::from(record.spec.count()));
    ad
}

/// `alice@domain`.
fn user(record: &ClusterRecord, uid_domain: &str) -> String {
    format!("{}@{}", record.body.owner, uid_domain)
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
    if let Some(edits) = edits {
        ad.update(edits);
    }
    ad.set_parent(Arc::clone(shared));
    ad
}
