//! What a factory says in its jobs' log: its submission, its pauses, and how far it came.

use classad::Value;
use model::userlog::{Completion, UserLogEvent};
use model::{ClusterId, Timestamp, attr};

use crate::core::state::core::{Cluster, Core};
use crate::core::told::log_files::LogEntry;
use crate::core::users::factory::{is_one, numbers};
use crate::core::words::FactoryStep;

/// `JobMaterializePaused` of a factory that is held (HTCondor 25.14).
const HELD_FACTORY: i32 = 1;

impl Core {
    /// What a factory's step means for the users' logs.
    pub(crate) fn log_factory(
        &self,
        id: ClusterId,
        step: &FactoryStep,
        at: Timestamp,
        log: &mut Vec<LogEntry>,
    ) {
        let Some(cluster) = self.clusters.get(&id) else { return };
        let news = match step {
            FactoryStep::Materialised(pieces) => {
                self.submitted(&cluster.record, &cluster.ad, numbers(pieces), at, log);
                return;
            }
            FactoryStep::Paused { reason, code } => UserLogEvent::FactoryPaused {
                reason: Some(reason.clone()),
                pause_code: HELD_FACTORY,
                hold_code: i32::from(code.number()),
            },
            FactoryStep::Resumed { reason } => {
                UserLogEvent::FactoryResumed { reason: Some(reason.clone()) }
            }
            FactoryStep::Edited(_) => return,
            // Its jobs in the queue are its last: with the last of them it is over.
            FactoryStep::Ended if u64::from(cluster.left) > cluster.later.len() => return,
            FactoryStep::Ended => cluster.removal(cluster.left),
        };
        self.about_cluster(&cluster.record, &cluster.ad, at, news, log);
    }

    /// The last entry of a factory, if this job is the last of it.
    pub(crate) fn log_last_of_factory(
        &self,
        id: ClusterId,
        at: Timestamp,
        log: &mut Vec<LogEntry>,
    ) {
        let Some(cluster) = self.clusters.get(&id).filter(|cluster| cluster.left == 1) else {
            return;
        };
        if is_one(&cluster.record.spec) {
            self.about_cluster(&cluster.record, &cluster.ad, at, cluster.removal(0), log);
        }
    }
}

impl Cluster {
    /// How far it came, if so many more of its jobs will never come.
    fn removal(&self, never: u32) -> UserLogEvent {
        let spec = &self.record.spec;
        let never = self.never + never;
        let jobs = spec.count().saturating_sub(never);
        let number = |name| {
            let said = spec.ad.literal(name).and_then(Value::as_i64);
            said.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
        };
        // A description without items has used none (HTCondor 25.14).
        let each = number(attr::JOB_MATERIALIZE_ITEM_COUNT)
            .and_then(|_| number(attr::JOB_MATERIALIZE_STEP_SIZE));
        let completion = match never {
            0 => Completion::Complete,
            _ if self.paused => Completion::Paused,
            _ => Completion::Incomplete,
        };
        let items = each.map_or(0, |each| jobs.div_ceil(each));
        UserLogEvent::ClusterRemoved { jobs, items, completion, notes: None }
    }
}
