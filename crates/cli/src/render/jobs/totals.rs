//! The lines that count jobs: `Total for query: 7 jobs; 0 completed, ...`.

use model::{Universe, attr};
use proto::client::{Counts, Totals};

use crate::render::values::view::View;
use crate::render::values::view::status;

/// Counts the jobs of an answer. HTCondor 25.14 leaves out those of the scheduler universe: they
/// manage the others.
pub fn count<'a>(jobs: impl Iterator<Item = View<'a>>) -> Counts {
    let mut counts = Counts::default();
    let scheduler = Some(Universe::Scheduler.number());
    for job in jobs.filter(|job| job.int(attr::JOB_UNIVERSE) != scheduler) {
        let counter = match job.status() {
            status::IDLE => &mut counts.idle,
            status::RUNNING | status::TRANSFERRING_OUTPUT => &mut counts.running,
            status::REMOVED => &mut counts.removed,
            status::COMPLETED => &mut counts.completed,
            status::HELD => &mut counts.held,
            status::SUSPENDED => &mut counts.suspended,
            _ => continue,
        };
        *counter += job.span().map_or(1, |span| span.count);
    }
    counts
}

/// The schedd's counts of everybody's jobs, or of one user's; without those of the scheduler
/// universe.
pub fn of(totals: &Totals, user: Option<&str>) -> Counts {
    let owner = |user: &str| totals.by_owner.iter().find(|(name, _)| name.as_str() == user);
    let all = match user {
        Some(user) => owner(user).map(|(_, counts)| *counts).unwrap_or_default(),
        None => totals.all,
    };
    all - totals.of_universe(Universe::Scheduler, user)
}

/// All jobs together.
pub fn sum(counts: &Counts) -> u64 {
    let Counts { idle, running, held, completed, removed, suspended } = counts;
    idle + running + held + completed + removed + suspended
}

/// What follows `Total for` on a line.
pub fn line(whom: &str, counts: &Counts) -> String {
    let Counts { idle, running, held, completed, removed, suspended } = counts;
    let jobs = sum(counts);
    format!(
        "Total for {whom}: {jobs} jobs; {completed} completed, {removed} removed, {idle} idle, {running} running, \
         {held} held, {suspended} suspended"
    )
}
