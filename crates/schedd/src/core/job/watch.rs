//! Which policies of a cluster time can make true: each expression is reduced once for each way a
//! job can stand. A cluster whose policies are constant has nothing to watch. When jobs are looked
//! at is `time::watch`'s matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr, RefScope};
use model::{JobStatus, attr};

use crate::core::job::policies::{Policy, may_be_true};
use crate::core::job::system::SystemPolicy;
use crate::core::records::rows::ClusterRecord;

/// Every way a queued job can stand in which a policy concerns it.
const STATUSES: [JobStatus; 5] = [
    JobStatus::Idle,
    JobStatus::Running,
    JobStatus::Suspended,
    JobStatus::Held,
    JobStatus::Completed,
];

/// What the jobs of one cluster are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// For each of [`STATUSES`], the policies that may be true.
    asked: [Vec<Policy>; STATUSES.len()],
    /// Whether jobs to which nothing has happened may have different answers.
    pub(crate) told_apart: bool,
}

impl Watch {
    /// `None` if no policy of the cluster can ever be true. `ad` is what its jobs share, `edited`
    /// what any of them was given since it was submitted.
    pub(crate) fn new(
        record: &ClusterRecord,
        ad: &ClassAd,
        edited: &BTreeSet<AttrName>,
        system: &[SystemPolicy],
    ) -> Option<Arc<Self>> {
        let own: BTreeSet<AttrName> = record.spec.procs.own_names().cloned().collect();
        let has = |policy: &Policy| {
            let name = policy.attr().map(AttrName::from);
            name.is_some_and(|name| own.contains(&name) || edited.contains(&name))
        };
        let live: Vec<Policy> = Policy::in_order(system)
            .into_iter()
            .filter(|policy| has(policy) || policy.expr(ad, system).is_some())
            .collect();
        if live.is_empty() {
            return None;
        }
        let asked = STATUSES.map(|status| {
            let concerned = live.iter().copied().filter(|policy| policy.concerns(status));
            concerned
                .filter(|policy| {
                    let expr = policy.expr(ad, system);
                    has(policy) || expr.is_some_and(|expr| may_fire(*policy, expr, status))
                })
                .collect::<Vec<_>>()
        });
        if asked.iter().all(Vec::is_empty) {
            return None;
        }
        let told_apart = live
            .iter()
            .any(|policy| has(policy) || asks_for_own(ad, policy.expr(ad, system), &own));
        Some(Arc::new(Self { asked, told_apart }))
    }

    /// What a job that stands like this is asked.
    pub(crate) fn asked(&self, status: JobStatus) -> &[Policy] {
        let nth = STATUSES.iter().position(|known| *known == status);
        nth.map_or(&[], |nth| &self.asked[nth])
    }
}

/// Whether the policy may be true for a job that stands like this: reduces the expression by that
/// alone.
fn may_fire(policy: Policy, expr: &Expr, status: JobStatus) -> bool {
    let mut ad = ClassAd::new();
    ad.set(attr::JOB_STATUS, status.number());
    // The moment does not matter: what depends on it is not reduced.
    let reduced = expr.flatten(&ad, &Env::at(0));
    reduced.as_literal().is_none_or(|constant| may_be_true(policy, constant))
}

/// Whether the value of an expression leads to something that tells jobs apart.
fn asks_for_own(ad: &ClassAd, expr: Option<&Expr>, own: &BTreeSet<AttrName>) -> bool {
    let mut seen: BTreeSet<AttrName> = BTreeSet::new();
    let mut open: Vec<&Expr> = expr.into_iter().collect();
    while let Some(expr) = open.pop() {
        // What a text names when it is evaluated cannot be seen here.
        if expr.to_string().to_ascii_lowercase().contains("eval") {
            return true;
        }
        for (scope, reference) in expr.references() {
            let tells = |known: &str| reference.as_str().eq_ignore_ascii_case(known);
            if tells(attr::PROC_ID) || tells(attr::GLOBAL_JOB_ID) || own.contains(&reference) {
                return true;
            }
            if scope != RefScope::Target && seen.insert(reference.clone()) {
                open.extend(ad.lookup(&reference));
            }
        }
    }
    false
}
