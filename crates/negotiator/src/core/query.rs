//! Questions of commands: machine ads for `status`, and whether a job could ever run.

use std::sync::Arc;

use classad::{AttrName, ClassAd, Env};
use model::{ClassId, IdleReason, JobId, JobPriority, MachineName, Now, UserName};
use proto::client::Query;
use proto::matchmaking::ClassRequest;

use crate::core::matching::reasons;
use crate::core::requests::demand::Class;
use crate::core::state::core::Core;

/// The largest pool of which it is said before a job is submitted that no machine can run it: the
/// answer costs an evaluation for each, and nobody else is answered meanwhile.
const MOST_LOOKED_AT: usize = 20_000;

/// When the negotiator last heard of the machine, seconds since the epoch.
const LAST_HEARD_FROM: &str = "LastHeardFrom";

impl Core {
    /// The slot ads that a query asks for, by machine, the partitionable slot before its dynamic
    /// ones.
    pub fn machine_ads(&self, query: &Query, now: Now) -> Vec<ClassAd> {
        let env = Env::at(now.wall.as_secs());
        let limit =
            query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut found = Vec::new();
        for (_, row) in self.pool().machines() {
            for slot in &row.state.slots {
                if found.len() >= limit {
                    return found;
                }
                let mut ad = ClassAd::clone(slot);
                ad.set(LAST_HEARD_FROM, row.heard.wall.as_secs());
                let wanted = query.constraint.as_ref();
                if wanted.is_none_or(|wanted| ad.eval_expr(wanted, None, &env).is_true()) {
                    found.push(project(ad, &query.projection));
                }
            }
        }
        found
    }

    /// The machine that somebody means who calls it as it is called, or as its host is without the
    /// domain.
    pub fn known_machine(&self, said: &str) -> Option<MachineName> {
        let known = || self.pool.names().chain(self.drains.keys());
        let is_it = |name: &&MachineName| name.as_str().eq_ignore_ascii_case(said);
        if let Some(name) = known().find(is_it) {
            return Some(name.clone());
        }
        let first = |name: &&MachineName| {
            let host = name.as_str().split('.').next();
            host.is_some_and(|host| host.eq_ignore_ascii_case(said))
        };
        let mut meant = known().filter(first);
        let only = meant.next()?;
        meant.all(|other| other == only).then(|| only.clone())
    }

    /// Why jobs with this ad could never run on the machines that the pool has now, if that is so.
    /// It changes nothing.
    pub fn never(&self, ad: ClassAd, now: Now) -> Option<IdleReason> {
        let snapshot = self.snapshot(now);
        if snapshot.pool.is_empty() || snapshot.pool.len() > MOST_LOOKED_AT {
            return None;
        }
        let request = ClassRequest {
            class: ClassId(0),
            owner: UserName::new(""),
            priority: JobPriority::default(),
            first: JobId::new(0, 0),
            idle: 1,
            ad: Arc::new(ad),
        };
        reasons::never(&snapshot, &Class::alone(request, &snapshot.pool.rows))
    }
}

/// Only these attributes and what they depend on, or all if there are none.
fn project(ad: ClassAd, names: &[AttrName]) -> ClassAd {
    if names.is_empty() { ad } else { ad.projected(names) }
}
