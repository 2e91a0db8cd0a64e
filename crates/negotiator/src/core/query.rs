//! Machine ads for `status`.

use classad::{AttrName, ClassAd, Env};
use model::Now;
use proto::client::Query;

use crate::core::state::core::Core;

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
}

/// Only these attributes and what they depend on, or all if there are none.
fn project(ad: ClassAd, names: &[AttrName]) -> ClassAd {
    if names.is_empty() { ad } else { ad.projected(names) }
}
