//! How a set of jobs gets on, from the event stream to a line of text. Pure: what is printed where
//! is the caller's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use model::{AfterRun, JobEvent, JobId, RunEnd};
use proto::client::{Happening, Recorded};

/// How many bars a full progress line has.
const BAR: usize = 24;

/// Where the jobs of some clusters stand.
#[derive(Debug, Default)]
pub struct Progress {
    total: u64,
    jobs: BTreeMap<JobId, Standing>,
}

/// Where one job stands. A job that nothing has happened to yet is idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Idle,
    Running,
    Suspended,
    /// Held, with the reason.
    Held(String),
    /// Ended by itself.
    Ended(RunEnd),
    Removed,
}

impl Progress {
    /// Of so many jobs.
    pub fn of(total: u64) -> Self {
        Self { total, jobs: BTreeMap::new() }
    }

    /// Takes an event of one of the jobs.
    pub fn note(&mut self, recorded: &Recorded) {
        match &recorded.what {
            Happening::Job { job, event } => {
                if let Some(standing) = standing_after(event) {
                    self.jobs.insert(*job, standing);
                }
            }
            Happening::FactoryEnded { never, .. } => self.total -= u64::from(*never),
            Happening::ClusterSubmitted { .. }
            | Happening::JobEdited { .. }
            | Happening::JobSaid { .. }
            | Happening::Reservation { .. }
            | Happening::JobsWait { .. } => {}
        }
    }

    /// Whether no job can get any further by itself: each has ended, was removed, or is held.
    pub fn is_settled(&self) -> bool {
        self.count(|s| !matches!(s, Standing::Idle | Standing::Running | Standing::Suspended))
            == self.total
    }

    /// Whether each job ended with exit code 0.
    pub fn all_succeeded(&self) -> bool {
        self.count(Standing::is_good) == self.total
    }

    /// One line: a bar and counts.
    pub fn line(&self) -> String {
        let done = self.count(|s| matches!(s, Standing::Ended(_) | Standing::Removed));
        let running = self.count(|s| *s == Standing::Running);
        let held = self.count(|s| matches!(s, Standing::Held(_)));
        let failed = done - self.count(Standing::is_good);
        let filled = usize::try_from(done * BAR as u64 / self.total.max(1)).unwrap_or(BAR);
        let mut line = format!(
            "[{}{}] {done}/{} done",
            "#".repeat(filled),
            "-".repeat(BAR - filled),
            self.total
        );
        for (n, what) in [(running, "running"), (failed, "failed"), (held, "held")] {
            if n > 0 {
                let _ = write!(line, ", {n} {what}");
            }
        }
        line
    }

    /// How the jobs ended: one line for each way, with the jobs it was for.
    pub fn summary(&self) -> Vec<String> {
        self.ways().into_iter().map(|(jobs, way)| format!("{jobs}: {way}")).collect()
    }

    /// The same in two parts: the jobs, and how they ended.
    pub fn ways(&self) -> Vec<(String, String)> {
        let mut ways = Ways::default();
        self.jobs.iter().for_each(|(job, standing)| ways.note(*job, standing));
        ways.told()
    }

    fn count(&self, which: impl Fn(&Standing) -> bool) -> u64 {
        self.jobs.values().filter(|s| which(s)).count() as u64
    }
}

/// Jobs by how they ended: what is said at the end of a wait or a run.
#[derive(Clone, Debug, Default)]
pub struct Ways(BTreeMap<String, BTreeSet<JobId>>);

impl Ways {
    /// A job ended in this way.
    pub fn note(&mut self, job: JobId, way: impl fmt::Display) {
        self.0.entry(way.to_string()).or_default().insert(job);
    }

    /// Each way, after the jobs that went it (`7.0-12, 7.14`).
    pub fn told(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(way, jobs)| (ranges(jobs), way.clone())).collect()
    }

    /// The same as lines.
    pub fn summary(&self) -> Vec<String> {
        self.told().into_iter().map(|(jobs, way)| format!("{jobs}: {way}")).collect()
    }
}

impl Standing {
    /// Whether the job has done what it was to do.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Ended(end) if end.is_success())
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Running => f.write_str("running"),
            Self::Suspended => f.write_str("suspended"),
            Self::Held(reason) => write!(f, "held: {reason}"),
            Self::Ended(end) => end.fmt(f),
            Self::Removed => f.write_str("removed"),
        }
    }
}

/// Where a job stands after an event, if that is another place.
pub fn standing_after(event: &JobEvent) -> Option<Standing> {
    Some(match event {
        JobEvent::RunAuthorised { .. } => Standing::Running,
        JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::StopRequested { .. } => return None,
        JobEvent::Suspended { .. } => Standing::Suspended,
        JobEvent::Continued { .. } => Standing::Running,
        JobEvent::RunOver { next: AfterRun::Complete, end, .. } | JobEvent::Skipped { end, .. } => {
            Standing::Ended(end.clone())
        }
        JobEvent::RunOver { next: AfterRun::Hold(hold), .. } | JobEvent::Held(hold) => {
            Standing::Held(hold.reason.clone())
        }
        JobEvent::RunOver { next: AfterRun::Remove { .. }, .. } | JobEvent::Removed { .. } => {
            Standing::Removed
        }
        JobEvent::RunOver { next: AfterRun::Requeue { .. }, .. } | JobEvent::Released { .. } => {
            Standing::Idle
        }
    })
}

/// `7.0-12, 7.14`: jobs of a list as ranges.
fn ranges(jobs: &BTreeSet<JobId>) -> String {
    let mut parts: Vec<(JobId, JobId)> = Vec::new();
    for job in jobs {
        match parts.last_mut() {
            Some((_, last)) if last.cluster == job.cluster && last.proc.next() == job.proc => {
                *last = *job;
            }
            Some(_) | None => parts.push((*job, *job)),
        }
    }
    let text = parts.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{}", last.proc) }
    });
    text.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Attempt, Seq, Timestamp, Usage};

    fn ended(proc: u32, code: i32) -> Recorded {
        let at = Timestamp::from_secs(1);
        let end = RunEnd::exited(code);
        let event = JobEvent::RunOver {
            attempt: Attempt(1),
            end,
            usage: Usage::default(),
            next: AfterRun::Complete,
            at,
        };
        Recorded { seq: Seq(1), at, what: Happening::Job { job: JobId::new(7, proc), event } }
    }

    #[test]
    fn jobs_that_ended_alike_are_one_line_of_the_summary() {
        let mut progress = Progress::of(6);
        for proc in [0, 1, 2, 4, 5] {
            progress.note(&ended(proc, 0));
        }
        assert!(!progress.is_settled());
        progress.note(&ended(3, 13));
        assert!(progress.is_settled() && !progress.all_succeeded());
        assert_eq!(
            progress.summary(),
            ["7.0-2, 7.4-5: ended with exit code 0", "7.3: ended with exit code 13"]
        );
        assert_eq!(progress.line(), "[########################] 6/6 done, 1 failed");
    }
}
