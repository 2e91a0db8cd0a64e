//! The lines that count jobs: `Total for query: 7 jobs; 0 completed, ...`.

use proto::client::Counts;

use super::view::{View, status};

/// Counts the jobs of an answer.
pub fn count<'a>(jobs: impl Iterator<Item = View<'a>>) -> Counts {
    let mut counts = Counts::default();
    for job in jobs {
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
