//! What an administrator lays down for every job (`SYSTEM_PERIODIC_HOLD` and its kin). When they
//! are looked at, and in which order with the job's own, is `watch`'s and `periodic`'s matter.

use classad::{ClassAd, Expr};
use model::Now;

use crate::core::job::description::env;
use crate::core::job::policies::subcode;

/// What follows if a policy is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemAct {
    /// The job's run ends, and the job waits for another.
    Vacate,
    /// The job is held.
    Hold,
    /// A job that no user holds is released.
    Release,
    /// The job is removed.
    Remove,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemPolicy {
    pub act: SystemAct,
    /// The setting that says it (`SYSTEM_PERIODIC_HOLD`).
    pub setting: String,
    /// When: asked of the job's ad.
    pub when: Expr,
    /// What the job is told, if it is not HTCondor's sentence: asked of its ad, too.
    pub reason: Option<Expr>,
    /// `HoldReasonSubCode`, or the like: asked of its ad, too.
    pub subcode: Option<Expr>,
}

impl SystemPolicy {
    /// What the job is told (HTCondor 25.14's words, if the administrator has none).
    pub(crate) fn reason(&self, job: &ClassAd, now: Now) -> String {
        let said = self.reason.as_ref().map(|expr| job.eval_expr(expr, None, &env(now)));
        let said = said.as_ref().and_then(|value| value.as_str()).map(str::to_owned);
        said.unwrap_or_else(|| {
            format!(
                "The system macro {} expression '{}' evaluated to TRUE",
                self.setting, self.when
            )
        })
    }

    /// The number that goes with it; 0 if there is none.
    pub(crate) fn subcode(&self, job: &ClassAd, now: Now) -> i32 {
        let value = self.subcode.as_ref().map(|expr| job.eval_expr(expr, None, &env(now)));
        value.map_or(0, |value| subcode(&value))
    }
}
