//! What our own `q` says of jobs that have left the queue: how each ended, with exit code or
//! reason.

use std::fmt::Display;

use classad::ClassAd;
use jiff::tz::TimeZone;
use model::{JobId, attr};
use proto::client::{Forgotten, Selector};

use crate::render::jobs::history::Ended;
use crate::render::time;
use crate::render::values::view::{Moment, View};

/// Jobs of one selector that are told one by one; of more, only how many ended how.
const MOST_LINES: usize = 10;

/// A line for each finished job that the selectors name; and one for each selector that names none.
pub fn render(selectors: &[Selector], history: &[ClassAd], moment: &Moment) -> String {
    let mut out = String::new();
    for selector in selectors {
        let mut jobs: Vec<View<'_>> = history
            .iter()
            .map(|ad| View::new(ad, moment))
            .filter(|job| names(selector, *job))
            .collect();
        jobs.sort_by_key(|job| job.job());
        if jobs.is_empty() {
            out += &format!("{}\n", nothing_of(selector, &Forgotten::default()));
        }
        for job in jobs.iter().take(MOST_LINES) {
            out += &line(*job);
        }
        if jobs.len() > MOST_LINES {
            let more = jobs.len() - MOST_LINES;
            let word = word(selector);
            out += &format!("... and {more} more: updraft history {word}\n");
            out += &format!("{word}: {}\n", sum(&jobs));
        }
    }
    out
}

/// `200 have left the queue: 150 done, 48 failed, 2 removed`.
fn sum(jobs: &[View<'_>]) -> String {
    let ended: Vec<Ended> = jobs.iter().map(|job| Ended::of(*job)).collect();
    let failed = ended.iter().filter(|ended| ended.is_bad()).count();
    let removed = ended.iter().filter(|ended| **ended == Ended::Removed).count();
    let done = ended.len() - failed - removed;
    let parts = [(done, "done"), (failed, "failed"), (removed, "removed")];
    let told = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    format!("{} have left the queue: {}", ended.len(), told.collect::<Vec<_>>().join(", "))
}

/// Whether the word names the job.
pub fn names(selector: &Selector, job: View<'_>) -> bool {
    match selector {
        Selector::Cluster(cluster) => job.job().is_some_and(|id| id.cluster == *cluster),
        Selector::Job(id) => job.job() == Some(*id),
        Selector::Owner(owner) => job.owner() == owner.as_str(),
    }
}

/// The word that names what a selector selects.
pub fn word(selector: &Selector) -> String {
    match selector {
        Selector::Cluster(cluster) => cluster.to_string(),
        Selector::Job(job) => job.to_string(),
        Selector::Owner(owner) => owner.to_string(),
    }
}

/// How a job ended, in a line.
pub fn line(job: View<'_>) -> String {
    let id = job.job().map(|id| id.to_string()).unwrap_or_default();
    let at = job
        .int(attr::COMPLETION_DATE)
        .filter(|at| *at > 0)
        .or_else(|| job.int(attr::ENTERED_CURRENT_STATUS));
    let at =
        at.map(|at| format!(" at {}", time::date(at, &job.moment.zone).trim())).unwrap_or_default();
    let how = match Ended::of(job) {
        Ended::Removed => {
            format!("was removed{at}: {}", job.text(attr::REMOVE_REASON).unwrap_or_default())
        }
        Ended::Exited(code) => format!("finished{at} with exit code {code}"),
        Ended::Killed(signal) => format!("was ended{at} by signal {signal}"),
        Ended::Unknown => format!("finished{at}"),
    };
    format!("{id} {}\n", how.trim_end_matches(": "))
}

/// What is said of jobs that nobody knows: whether there were any is not known either, once
/// something has left the history.
pub fn no_such_job(what: impl Display, forgotten: &Forgotten) -> String {
    match forgotten.jobs_until {
        None => format!("{what}: there is no such job, and there was none"),
        Some(until) => format!(
            "{what}: there is no such job; what ended until {} is no longer in the history",
            time::plain(until, &TimeZone::system())
        ),
    }
}

/// What is said of a word that names nothing, by what it looks like.
pub fn nothing_of(selector: &Selector, forgotten: &Forgotten) -> String {
    let name = match selector {
        Selector::Cluster(cluster) => return no_such_job(cluster, forgotten),
        Selector::Job(job) => return no_such_job(job, forgotten),
        Selector::Owner(name) => name.as_str(),
    };
    let numbers: Vec<&str> = name.split([',', '-']).collect();
    let are_jobs = numbers.len() > 1
        && numbers.iter().all(|part| part.parse::<u32>().is_ok() || part.parse::<JobId>().is_ok());
    match (are_jobs, name.contains('-')) {
        (true, true) => format!(
            "{name}: no job, cluster or user; a range is: -constraint 'ClusterId >= {} && ClusterId <= {}'",
            numbers[0],
            numbers[numbers.len() - 1]
        ),
        (true, false) => {
            format!("{name}: no job, cluster or user; several are: {}", numbers.join(" "))
        }
        (false, _) => format!("{name}: no job, cluster or user"),
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, UserName};

    use super::*;

    #[test]
    fn what_the_history_has_forgotten_is_not_said_never_to_have_been() {
        let until = Some(model::Timestamp::from_secs(1_795_363_577));
        let forgotten = Forgotten { jobs_until: until, ..Forgotten::default() };
        let told = nothing_of(&Selector::Cluster(ClusterId(7)), &forgotten);
        assert!(
            told.starts_with("7: there is no such job; what ended until 2026-11-22 "),
            "{told}"
        );
        assert!(told.ends_with(" is no longer in the history"), "{told}");
    }

    #[test]
    fn a_word_that_names_nothing_is_told_with_what_may_have_been_meant() {
        let user = |name: &str| Selector::Owner(UserName::new(name));
        for (selector, expected) in [
            (Selector::Cluster(ClusterId(7)), "7: there is no such job, and there was none"),
            (Selector::Job(JobId::new(7, 1)), "7.1: there is no such job, and there was none"),
            (user("abc"), "abc: no job, cluster or user"),
            (user("my-name"), "my-name: no job, cluster or user"),
            (user("1,2.0"), "1,2.0: no job, cluster or user; several are: 1 2.0"),
            (
                user("1-5"),
                "1-5: no job, cluster or user; a range is: -constraint 'ClusterId >= 1 && ClusterId <= 5'",
            ),
        ] {
            assert_eq!(nothing_of(&selector, &Forgotten::default()), expected);
        }
    }
}
