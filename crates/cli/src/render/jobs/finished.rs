//! What our own `q` says of jobs that have left the queue: how each ended, with exit code or
//! reason.

use classad::ClassAd;
use model::attr;
use proto::client::Selector;

use crate::render::time;
use crate::render::values::view::status;
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
            out += &format!("{}: there is no such job, and there was none\n", word(selector));
        }
        for job in jobs.iter().take(MOST_LINES) {
            out += &line(*job);
        }
        if let Some(more) = jobs.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            out += &format!(
                "... and {more} more of {}: updraft history {}\n",
                word(selector),
                word(selector)
            );
        }
    }
    out
}

/// Whether the word names the job.
pub fn names(selector: &Selector, job: View<'_>) -> bool {
    match selector {
        Selector::Cluster(cluster) => job.job().is_some_and(|id| id.cluster == *cluster),
        Selector::Job(id) => job.job() == Some(*id),
        Selector::Owner(owner) => job.owner() == owner.as_str(),
    }
}

fn word(selector: &Selector) -> String {
    match selector {
        Selector::Cluster(cluster) => cluster.to_string(),
        Selector::Job(job) => job.to_string(),
        Selector::Owner(owner) => owner.to_string(),
    }
}

fn line(job: View<'_>) -> String {
    let id = job.job().map(|id| id.to_string()).unwrap_or_default();
    let at = job
        .int(attr::COMPLETION_DATE)
        .filter(|at| *at > 0)
        .or_else(|| job.int(attr::ENTERED_CURRENT_STATUS));
    let at =
        at.map(|at| format!(" at {}", time::date(at, &job.moment.zone).trim())).unwrap_or_default();
    let how = match job.status() {
        status::REMOVED => {
            format!("was removed{at}: {}", job.text(attr::REMOVE_REASON).unwrap_or_default())
        }
        _ => match (job.int(attr::EXIT_CODE), job.int(attr::EXIT_SIGNAL)) {
            (Some(code), _) if !job.value(attr::EXIT_BY_SIGNAL).is_true() => {
                format!("finished{at} with exit code {code}")
            }
            (_, Some(signal)) => format!("was ended{at} by signal {signal}"),
            (_, None) => format!("finished{at}"),
        },
    };
    format!("{id} {}\n", how.trim_end_matches(": "))
}
