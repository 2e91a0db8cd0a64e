//! How many jobs there are, by queue and together: what `qstat -Q`, `-q` and `-B` show, and `qmgr`
//! lists. Nothing is kept of the jobs themselves.

use std::collections::BTreeMap;

use model::queues::QueueSettings;

use super::found::{self, Asked};
use crate::render::pbs::Here;
use crate::render::pbs::job::STANDING;
use crate::render::pbs::queues::{COUNTED, Load};

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Loads {
    by_queue: BTreeMap<String, Load>,
    pub(super) all: Load,
}

impl Loads {
    /// Counts the jobs in the queue as they are now.
    pub(super) fn count(here: &Here, settings: &QueueSettings) -> Result<Self, u8> {
        let is_counted =
            |name: &&String| settings.custom(name).is_some_and(|custom| custom.is_consumed);
        let counted: Vec<String> = settings.resources.keys().filter(is_counted).cloned().collect();
        let asked = Asked::of(STANDING.iter().chain(COUNTED).copied());
        let mut loads = Self::default();
        found::each(here, &asked, |number, cluster| {
            let job = cluster.whole(number, here.now);
            loads.all.add(&job, &counted);
            match loads.by_queue.get_mut(job.queue()) {
                Some(load) => load.add(&job, &counted),
                None => {
                    let load = loads.by_queue.entry(job.queue().to_owned()).or_default();
                    load.add(&job, &counted);
                }
            }
            Ok(())
        })?;
        Ok(loads)
    }

    /// Those of a queue.
    pub(super) fn of(&self, queue: &str) -> Load {
        self.by_queue.get(queue).cloned().unwrap_or_default()
    }
}
