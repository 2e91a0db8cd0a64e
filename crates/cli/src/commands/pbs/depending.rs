//! What has become already of the jobs that a new one depends on. Of those that are in the queue
//! the schedd will see to it; of the others history knows.

use std::collections::BTreeSet;

use classad::ClassAd;
use jobspec::pbs::Refusal;
use model::attr;
use model::depend::{self, Dependency, DependencyKind};

use super::found;
use crate::render::pbs::Here;

/// How the dependencies stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What is to come.
    waits: Vec<Dependency>,
    /// Why it can never be.
    never: Option<String>,
}

/// Looks them up.
pub(super) fn look_up(here: &Here, all: &[Dependency]) -> Result<Standing, Refusal> {
    let mut standing = Standing::default();
    if all.is_empty() {
        return Ok(standing);
    }
    let mut schedd = here.connect().map_err(Refusal::told)?;
    let numbers: BTreeSet<u32> = all.iter().map(|dependency| dependency.on.0).collect();
    let known = found::look_up(&mut schedd, Some(&numbers), true)
        .map_err(|error| Refusal::told(here.cannot_connect(&error)))?;
    for dependency in all {
        let Some(cluster) = known.get(&dependency.on.0) else {
            standing.never = Some(format!("{dependency} can never be: there is no such job"));
            continue;
        };
        if !cluster.is_over() {
            standing.waits.push(*dependency);
            continue;
        }
        let status = cluster.whole(dependency.on.0, here.now).exit_status;
        let is_met = match dependency.kind {
            DependencyKind::After | DependencyKind::AfterAny => true,
            DependencyKind::AfterOk => status == Some(0),
            DependencyKind::AfterNotOk => status != Some(0),
        };
        if !is_met {
            let how = status.map_or("was deleted".to_owned(), |status| {
                format!("ended with exit status {status}")
            });
            standing.never =
                Some(format!("{dependency} can never be: job {} {how}", dependency.on));
        }
    }
    Ok(standing)
}

impl Standing {
    /// Writes it into the ad of the new job.
    pub(super) fn note(&self, ad: &mut ClassAd) {
        if let Some(never) = &self.never {
            ad.set(attr::PERIODIC_REMOVE, true);
            ad.set("PeriodicRemoveReason", format!("{}{never}", depend::REASON));
            return;
        }
        if !self.waits.is_empty() {
            ad.set(depend::WAITS_FOR, depend::written(&self.waits));
        } else if ad.get(jobspec::pbs::attribute::DEPEND).is_some() {
            // All that it waits for has been.
            for name in [attr::JOB_STATUS, attr::HOLD_REASON, attr::HOLD_REASON_CODE] {
                ad.remove(name);
            }
        }
    }
}
