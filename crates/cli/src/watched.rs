//! The jobs that `watch_q` shows: where each stands, kept up to date from the event stream, and the table of them. Pure.

use std::collections::BTreeMap;

use model::{ClusterId, JobId};
use proto::client::{Happening, Recorded};

use crate::progress::{Standing, standing_after};

/// How many places a bar has.
const BAR: usize = 30;

/// Jobs by batch.
#[derive(Debug, Default)]
pub struct Watched {
    jobs: BTreeMap<JobId, Standing>,
    /// The batch of each cluster.
    batches: BTreeMap<ClusterId, String>,
}

/// How many jobs of a batch, or of all, stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Waiting.
    pub idle: u64,
    /// Running.
    pub running: u64,
    /// Suspended.
    pub suspended: u64,
    /// Held.
    pub held: u64,
    /// Ended by themselves.
    pub done: u64,
    /// Removed.
    pub removed: u64,
}

/// What ends a watch: `-exit GROUPER,STATUS[,CODE]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitWhen {
    grouper: Grouper,
    status: Status,
    /// The exit code.
    pub code: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grouper {
    All,
    Any,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Not ended.
    Active,
    Done,
    Idle,
    Running,
    Held,
}

/// What is wrong with an `-exit`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "-exit {0}: write GROUPER,STATUS[,CODE], with all, any or none, and active, done, idle, running or held"
)]
pub struct BadExit(String);

impl std::str::FromStr for ExitWhen {
    type Err = BadExit;

    fn from_str(text: &str) -> Result<Self, BadExit> {
        let wrong = || BadExit(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let mut parts = lower.split(',').map(str::trim);
        let grouper = match parts.next() {
            Some("all") => Grouper::All,
            Some("any") => Grouper::Any,
            Some("none") => Grouper::None,
            Some(_) | None => return Err(wrong()),
        };
        let status = match parts.next() {
            Some("active") => Status::Active,
            Some("done") => Status::Done,
            Some("idle") => Status::Idle,
            Some("running") => Status::Running,
            Some("held") => Status::Held,
            Some(_) | None => return Err(wrong()),
        };
        let code = parts.next().map_or(Ok(0), str::parse).map_err(|_| wrong())?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { grouper, status, code })
    }
}

impl Watched {
    /// A job that is there at the beginning, or belongs to a cluster that came.
    pub fn add(&mut self, job: JobId, batch: &str, standing: Standing) {
        self.batches.entry(job.cluster).or_insert_with(|| batch.to_owned());
        self.jobs.insert(job, standing);
    }

    /// Whether jobs of this cluster are watched.
    pub fn knows(&self, cluster: ClusterId) -> bool {
        self.batches.contains_key(&cluster)
    }

    /// Takes an event. Of a job that is not watched it says nothing.
    pub fn note(&mut self, recorded: &Recorded) {
        let Happening::Job { job, event } = &recorded.what else { return };
        if let Some(standing) = standing_after(event)
            && self.knows(job.cluster)
        {
            // It may be one that a factory has made since.
            self.jobs.insert(*job, standing);
        }
    }

    /// Whether the watch is over.
    pub fn is_over(&self, when: ExitWhen) -> bool {
        let is = |standing: &Standing| match (when.status, standing) {
            (Status::Active, Standing::Ended(_) | Standing::Removed) => false,
            (Status::Active, _) => true,
            (Status::Done, Standing::Ended(_) | Standing::Removed) => true,
            (Status::Idle, Standing::Idle) => true,
            (Status::Running, Standing::Running) => true,
            (Status::Held, Standing::Held(_)) => true,
            (Status::Done | Status::Idle | Status::Running | Status::Held, _) => false,
        };
        match when.grouper {
            Grouper::All => !self.jobs.is_empty() && self.jobs.values().all(is),
            Grouper::Any => self.jobs.values().any(is),
            Grouper::None => !self.jobs.values().any(is),
        }
    }

    /// All jobs.
    pub fn tally(&self) -> Tally {
        tally(self.jobs.values())
    }

    /// One line.
    pub fn line(&self) -> String {
        let Tally { idle, running, suspended, held, done, removed } = self.tally();
        format!(
            "Total: {} jobs; {done} completed, {removed} removed, {idle} idle, {running} running, {held} held, {suspended} suspended",
            self.jobs.len()
        )
    }

    /// A line for each batch, and one for all.
    pub fn table(&self) -> Vec<String> {
        let mut batches: BTreeMap<&str, Vec<(&JobId, &Standing)>> = BTreeMap::new();
        for (job, standing) in &self.jobs {
            let batch = self.batches.get(&job.cluster).map_or("", String::as_str);
            batches.entry(batch).or_default().push((job, standing));
        }
        let mut rows: Vec<(JobId, String)> = Vec::new();
        let width = batches.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        for (name, jobs) in batches {
            let Some((first, _)) = jobs.first() else { continue };
            let Some((last, _)) = jobs.last() else { continue };
            let counts = tally(jobs.iter().map(|(_, standing)| *standing));
            let ids = if first == last { first.to_string() } else { format!("{first} ... {last}") };
            rows.push((
                **first,
                format!("{name:<width$} {} {} {ids}", numbers(&counts), bar(&counts)),
            ));
        }
        rows.sort();
        let head = format!(
            "{:<width$} {:>6} {:>6} {:>6} {:>6} {:>6} {:bar$} JOB_IDS",
            "BATCH",
            "IDLE",
            "RUN",
            "HOLD",
            "DONE",
            "TOTAL",
            "",
            bar = BAR + 2
        );
        let rows = rows.into_iter().map(|(_, line)| line);
        std::iter::once(head).chain(rows).chain([String::new(), self.line()]).collect()
    }
}

fn tally<'a>(standings: impl Iterator<Item = &'a Standing>) -> Tally {
    let mut tally = Tally::default();
    for standing in standings {
        *match standing {
            Standing::Idle => &mut tally.idle,
            Standing::Running => &mut tally.running,
            Standing::Suspended => &mut tally.suspended,
            Standing::Held(_) => &mut tally.held,
            Standing::Ended(_) => &mut tally.done,
            Standing::Removed => &mut tally.removed,
        } += 1;
    }
    tally
}

impl Tally {
    const fn total(self) -> u64 {
        self.idle + self.running + self.suspended + self.held + self.done + self.removed
    }
}

fn numbers(tally: &Tally) -> String {
    let shown = |n: u64| if n == 0 { "-".to_owned() } else { n.to_string() };
    let Tally { idle, running, suspended, held, done, removed } = *tally;
    let all = [idle, running + suspended, held, done + removed, tally.total()];
    all.map(|n| format!("{:>6}", shown(n))).join(" ")
}

/// `[#####===---!]`: ended, running, idle, held.
fn bar(tally: &Tally) -> String {
    let total = tally.total().max(1);
    let part = |n: u64| usize::try_from(n * BAR as u64 / total).unwrap_or(BAR);
    let done = part(tally.done + tally.removed);
    let (running, held) = (part(tally.running + tally.suspended), part(tally.held));
    let idle = BAR.saturating_sub(done + running + held);
    let pieces = [("#", done), ("=", running), ("-", idle), ("!", held)];
    let bar: String = pieces.into_iter().map(|(c, n)| c.repeat(n)).collect();
    format!("[{bar}]")
}

#[cfg(test)]
mod tests {
    use model::{AfterRun, Attempt, ClaimId, JobEvent, RunEnd, Seq, Timestamp, Usage};

    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1);

    fn event(proc: u32, event: JobEvent) -> Recorded {
        Recorded { seq: Seq(1), at: AT, what: Happening::Job { job: JobId::new(7, proc), event } }
    }

    fn watched() -> Watched {
        let mut watched = Watched::default();
        for proc in 0..3 {
            watched.add(JobId::new(7, proc), "sweep", Standing::Idle);
        }
        let claim = ClaimId { journal: 1, number: 1 };
        let attempt = Attempt(1);
        watched.note(&event(0, JobEvent::RunAuthorised { attempt, claim, at: AT }));
        watched.note(&event(1, JobEvent::RunAuthorised { attempt, claim, at: AT }));
        let (end, usage) = (RunEnd::Exited { code: 0 }, Usage::default());
        let next = AfterRun::Complete;
        watched.note(&event(1, JobEvent::RunOver { attempt, end, usage, next, at: AT }));
        // Nobody watches it.
        let other = JobId::new(9, 0);
        let what = Happening::Job {
            job: other,
            event: JobEvent::RunAuthorised { attempt, claim, at: AT },
        };
        watched.note(&Recorded { seq: Seq(1), at: AT, what });
        watched
    }

    #[test]
    fn the_table_says_where_the_jobs_of_a_batch_stand() {
        expect_test::expect![[r#"
            BATCH   IDLE    RUN   HOLD   DONE  TOTAL                                  JOB_IDS
            sweep      1      1      -      1      3 [##########==========----------] 7.0 ... 7.2

            Total: 3 jobs; 1 completed, 0 removed, 1 idle, 1 running, 0 held, 0 suspended"#]]
        .assert_eq(&watched().table().join("\n"));
    }

    #[test]
    fn a_watch_ends_when_it_was_told_to() {
        for (when, over) in [
            ("all,done", false),
            ("any,done", true),
            ("any,held", false),
            ("none,held", true),
            ("none,active", false),
            ("all,active", false),
            ("any,running,3", true),
        ] {
            assert_eq!(watched().is_over(when.parse().unwrap()), over, "{when}");
        }
        for wrong in ["all", "some,done", "all,gone", "all,done,x", "all,done,1,2"] {
            assert!(wrong.parse::<ExitWhen>().is_err(), "{wrong}");
        }
    }
}
