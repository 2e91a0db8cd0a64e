//! The lines that count jobs: `Total for query: 7 jobs; 0 completed, ...`.

use classad::ClassAd;
use model::{Universe, attr};
use proto::client::{Counts, Totals};

use crate::render::values::view::View;
use crate::render::values::view::status;

/// Counts the jobs of an answer. HTCondor 25.14 leaves out those of the scheduler universe: they
/// manage the others.
pub fn count<'a>(jobs: impl Iterator<Item = View<'a>>) -> Counts {
    all(jobs.filter(|job| !manages(*job)))
}

fn manages(job: View<'_>) -> bool {
    job.int(attr::JOB_UNIVERSE) == Some(Universe::Scheduler.number())
}

/// The counts as an ad: what `-totals` is for programs (HTCondor 25.14).
pub fn summary(jobs: &[View<'_>], totals: &Totals, me: Option<(&str, &str)>, now: i64) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::MY_TYPE, "Summary");
    ad.set(attr::SERVER_TIME, now);
    ad.set("ErrorCode", 0);
    let managing = all(jobs.iter().copied().filter(|job| manages(*job)));
    put(&mut ad, "", &count(jobs.iter().copied()), &managing);
    put(&mut ad, "Allusers", &of(totals, None), &totals.of_universe(Universe::Scheduler, None));
    if let Some((owner, shown)) = me {
        ad.set("MyName", shown);
        let managing = totals.of_universe(Universe::Scheduler, Some(owner));
        put(&mut ad, "My", &of(totals, Some(owner)), &managing);
    }
    ad
}

/// Counts under names with a prefix; those of jobs that manage others apart.
fn put(ad: &mut ClassAd, prefix: &str, counts: &Counts, managing: &Counts) {
    for (whose, counts) in [("", counts), ("Scheduler", managing)] {
        let Counts { idle, running, held, completed, removed, suspended } = *counts;
        let jobs = sum(counts);
        let mut numbers = vec![
            ("Jobs", jobs),
            ("Idle", idle),
            ("Running", running),
            ("Held", held),
            ("Completed", completed),
            ("Removed", removed),
        ];
        numbers.extend(whose.is_empty().then_some(("Suspended", suspended)));
        for (name, number) in numbers {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            ad.set(format!("{prefix}{whose}{name}"), number);
        }
    }
}

fn all<'a>(jobs: impl Iterator<Item = View<'a>>) -> Counts {
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
