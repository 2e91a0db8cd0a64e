//! The jobs that `watch_q` shows: where each stands, kept up to date from the event stream or from
//! event logs, and what is shown of them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::userlog::{Ending, LogEntry, UserLogEvent};
use model::{ClusterId, JobId, RunEnd};
use proto::client::{Happening, Recorded};

use crate::render::paint::{Paint, Tone};
use crate::render::visible::visible;
use crate::render::width;
use client::progress::{Standing, standing_after};

/// How many places a bar has.
const BAR: usize = 30;

/// Jobs by where they are told of: in the schedd's record (no name), or in a log.
#[derive(Debug, Default)]
pub struct Watched {
    jobs: BTreeMap<(Option<Arc<str>>, JobId), Standing>,
    /// What is known of each cluster of the record.
    clusters: BTreeMap<ClusterId, Cluster>,
    /// Whether failed jobs are told apart from others that ended: HTCondor's do not.
    tells_failed: bool,
}

/// A cluster, as rows are made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub batch: String,
    /// The log that its jobs write; none if they write none.
    pub log: Option<String>,
}

/// What makes a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupBy {
    /// Jobs of one batch.
    Batch,
    /// Jobs that write one log.
    Log,
    /// Jobs of one cluster.
    Cluster,
}

/// What the line below the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Summary {
    /// How many jobs stand where.
    Totals,
    /// How many of a hundred.
    Percentages,
}

/// What is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The table.
    pub table: bool,
    /// A bar in each row of it.
    pub row_progress: bool,
    /// A bar for all jobs.
    pub progress: bool,
    /// The line of sums, if any.
    pub summary: Option<Summary>,
    /// The line that says when.
    pub updated_at: Option<String>,
    /// Paths by as few characters as tell them apart.
    pub abbreviate: bool,
    /// What makes a row.
    pub group_by: GroupBy,
    /// Only rows with more jobs than this.
    pub larger_than: u64,
    /// Whether there is colour.
    pub paint: Paint,
}

/// How many jobs of a batch, or of all, stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    pub idle: u64,
    pub running: u64,
    pub suspended: u64,
    pub held: u64,
    /// Ended by themselves, well or not.
    pub done: u64,
    /// How many of those did not end well.
    pub failed: u64,
    pub removed: u64,
}

/// Jobs of one row.
#[derive(Debug)]
struct Row {
    name: String,
    tally: Tally,
    first: JobId,
    last: JobId,
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
    /// Nothing yet.
    pub fn new(tells_failed: bool) -> Self {
        Self { tells_failed, ..Self::default() }
    }

    /// A job that is there at the beginning, or belongs to a cluster that came.
    pub fn add(&mut self, job: JobId, cluster: Cluster, standing: Standing) {
        self.clusters.entry(job.cluster).or_insert(cluster);
        self.jobs.insert((None, job), standing);
    }

    /// The clusters of the record that are watched.
    pub fn clusters(&self) -> impl Iterator<Item = ClusterId> {
        self.clusters.keys().copied()
    }

    /// Whether jobs of this cluster are watched.
    pub fn knows(&self, cluster: ClusterId) -> bool {
        self.clusters.contains_key(&cluster)
    }

    /// Whether there is any job.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes an event of the record. Of a job that is not watched it says nothing.
    pub fn note(&mut self, recorded: &Recorded) {
        let Happening::Job { job, event } = &recorded.what else { return };
        if let Some(standing) = standing_after(event)
            && self.knows(job.cluster)
        {
            // It may be one that a factory has made since.
            self.jobs.insert((None, *job), standing);
        }
    }

    /// Takes an event of a log.
    pub fn note_entry(&mut self, log: &Arc<str>, entry: &LogEntry) {
        let Some(job) = entry.id.job() else { return };
        if let Some(standing) = standing_in_log(&entry.event) {
            self.jobs.insert((Some(Arc::clone(log)), job), standing);
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

    pub fn tally(&self) -> Tally {
        tally(self.jobs.values())
    }

    pub fn line(&self, summary: Summary) -> String {
        let all = self.tally();
        let Tally { idle, running, suspended, held, done, failed, removed } = all;
        let total = all.total();
        let shown = |n: u64| match summary {
            Summary::Totals => n.to_string(),
            Summary::Percentages => format!("{}%", n * 100 / total.max(1)),
        };
        // HTCondor's line has no word for it.
        let failed = match self.tells_failed && failed > 0 {
            true => format!(" ({} failed)", shown(failed)),
            false => String::new(),
        };
        let [idle, running, suspended, held, done, removed] =
            [idle, running, suspended, held, done, removed].map(shown);
        format!(
            "Total: {total} jobs; {done} completed{failed}, {removed} removed, {idle} idle, {running} running, {held} held, {suspended} suspended"
        )
    }

    /// What is shown, line by line.
    pub fn display(&self, shown: &Shown) -> Vec<String> {
        let mut parts: Vec<Vec<String>> = Vec::new();
        if shown.table {
            parts.push(self.table(shown));
        }
        if shown.progress {
            parts.push(vec![bar(&self.tally())]);
        }
        parts.extend(shown.summary.map(|summary| vec![self.line(summary)]));
        parts.extend(
            shown
                .updated_at
                .iter()
                .map(|at| vec![shown.paint.text(Tone::Faint, &format!("Updated at {at}"))]),
        );
        parts.join(&String::new())
    }

    /// All of it as data.
    pub fn json(&self, group_by: GroupBy) -> serde_json::Value {
        let row = |row: Row| {
            serde_json::json!({
                "name": row.name,
                "first": row.first.to_string(),
                "last": row.last.to_string(),
                "jobs": row.tally,
            })
        };
        let rows: Vec<serde_json::Value> = self.rows(group_by).into_iter().map(row).collect();
        serde_json::json!({ "total": self.tally(), "rows": rows })
    }

    fn rows(&self, group_by: GroupBy) -> Vec<Row> {
        let mut groups: BTreeMap<String, Vec<(JobId, &Standing)>> = BTreeMap::new();
        for ((log, job), standing) in &self.jobs {
            let cluster = self.clusters.get(&job.cluster).filter(|_| log.is_none());
            let id = || format!("ID: {}", job.cluster);
            let name = match group_by {
                GroupBy::Batch => cluster.map_or_else(id, |cluster| cluster.batch.clone()),
                GroupBy::Cluster => job.cluster.to_string(),
                GroupBy::Log => match (log, cluster.and_then(|cluster| cluster.log.clone())) {
                    (Some(log), _) => log.to_string(),
                    (None, Some(log)) => log,
                    (None, None) => "-".to_owned(),
                },
            };
            // A batch's name is anybody's, and this display goes to the terminal as it is.
            groups.entry(visible(&name)).or_default().push((*job, standing));
        }
        let row = |(name, jobs): (String, Vec<(JobId, &Standing)>)| {
            let tally = tally(jobs.iter().map(|(_, standing)| *standing));
            let first = jobs.iter().map(|(job, _)| *job).min()?;
            let last = jobs.iter().map(|(job, _)| *job).max()?;
            Some(Row { name, tally, first, last })
        };
        let mut rows: Vec<Row> = groups.into_iter().filter_map(row).collect();
        rows.sort_by_key(|row| row.first);
        rows
    }

    /// A line for each row, heading first.
    fn table(&self, shown: &Shown) -> Vec<String> {
        let mut rows = self.rows(shown.group_by);
        rows.retain(|row| row.tally.total() > shown.larger_than);
        if shown.abbreviate {
            abbreviate(&mut rows);
        }
        let heading = match shown.group_by {
            GroupBy::Batch => "BATCH",
            GroupBy::Log => "LOG",
            GroupBy::Cluster => "CLUSTER",
        };
        let longest = rows.iter().map(|row| width::width(&row.name)).max().unwrap_or(0);
        let places = longest.max(heading.len());
        let bar_heading = if shown.row_progress { " ".repeat(BAR + 3) } else { String::new() };
        let with_failed = self.tells_failed && self.tally().failed > 0;
        let failed = if with_failed { " FAILED" } else { "" };
        let head = format!(
            "{heading:<places$} {:>6} {:>6} {:>6} {:>6}{failed} {:>6}{bar_heading} JOB_IDS",
            "IDLE", "RUN", "HOLD", "DONE", "TOTAL"
        );
        let line = |row: &Row| {
            let Row { name, tally, first, last } = row;
            let bar = if shown.row_progress { format!(" {}", bar(tally)) } else { String::new() };
            let ids = if first == last { first.to_string() } else { format!("{first} ... {last}") };
            let name = width::padded(name, places);
            let line = format!("{name} {}{bar} {ids}", numbers(tally, with_failed));
            shown.paint.text(tally.tone(self.tells_failed), &line)
        };
        let head = shown.paint.text(Tone::Heading, &head);
        std::iter::once(head).chain(rows.iter().map(line)).collect()
    }
}

/// Where a job stands after an event of its log, if that is another place.
fn standing_in_log(event: &UserLogEvent) -> Option<Standing> {
    Some(match event {
        UserLogEvent::Submitted { .. }
        | UserLogEvent::Evicted(_)
        | UserLogEvent::ShadowException { .. }
        | UserLogEvent::ReconnectFailed { .. }
        | UserLogEvent::Released { .. } => Standing::Idle,
        UserLogEvent::Executing { .. } | UserLogEvent::Unsuspended => Standing::Running,
        UserLogEvent::Suspended { .. } => Standing::Suspended,
        UserLogEvent::Held { reason, .. } => Standing::Held(reason.clone().unwrap_or_default()),
        UserLogEvent::Terminated(terminated) => Standing::Ended(match &terminated.ending {
            Ending::Exited { code } => RunEnd::exited(*code),
            Ending::Signaled { signal, .. } => RunEnd::killed(*signal),
        }),
        UserLogEvent::Aborted { .. } => Standing::Removed,
        _ => return None,
    })
}

/// Shortens each part of a path but its last to the fewest characters that no other path has in
/// that place.
fn abbreviate(rows: &mut [Row]) {
    let parts = |name: &str| name.split('/').map(str::to_owned).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = rows.iter().map(|row| parts(&row.name)).collect();
    for (row, own) in rows.iter_mut().zip(&all) {
        let last = own.len() - 1;
        let short = own.iter().enumerate().map(|(i, part)| {
            let others: BTreeSet<&String> =
                all.iter().filter_map(|path| path.get(i)).filter(|other| *other != part).collect();
            let tells = |n: &usize| {
                let start: String = part.chars().take(*n).collect();
                !others.iter().any(|other| other.starts_with(&start))
            };
            let length = part.chars().count();
            let enough = (1..length).find(tells).unwrap_or(length);
            if i == last { part.clone() } else { part.chars().take(enough).collect() }
        });
        row.name = short.collect::<Vec<_>>().join("/");
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
        tally.failed += u64::from(matches!(standing, Standing::Ended(end) if !end.is_success()));
    }
    tally
}

impl Tally {
    const fn total(self) -> u64 {
        self.idle + self.running + self.suspended + self.held + self.done + self.removed
    }

    /// How a row is painted: by what needs somebody's eye first.
    const fn tone(self, tells_failed: bool) -> Tone {
        if self.held > 0 || tells_failed && self.failed > 0 {
            Tone::Bad
        } else if self.running > 0 {
            Tone::Good
        } else if self.idle + self.suspended > 0 {
            Tone::Waiting
        } else {
            Tone::Faint
        }
    }
}

/// With a column of failed jobs, `DONE` are the others that ended.
fn numbers(tally: &Tally, with_failed: bool) -> String {
    let shown = |n: u64| if n == 0 { "-".to_owned() } else { n.to_string() };
    let Tally { idle, running, suspended, held, done, failed, removed } = *tally;
    let ended = done + removed;
    let ended = if with_failed { vec![ended - failed, failed] } else { vec![ended] };
    let all = [vec![idle, running + suspended, held], ended, vec![tally.total()]].concat();
    all.into_iter().map(|n| format!("{:>6}", shown(n))).collect::<Vec<_>>().join(" ")
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
    use jiff::tz::TimeZone;
    use model::userlog::Entries;
    use model::{AfterRun, Attempt, ClaimId, JobEvent, Seq, Timestamp, Usage};

    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1);

    fn event(proc: u32, event: JobEvent) -> Recorded {
        Recorded { seq: Seq(1), at: AT, what: Happening::Job { job: JobId::new(7, proc), event } }
    }

    fn watched() -> Watched {
        let mut watched = Watched::default();
        for proc in 0..3 {
            let cluster =
                Cluster { batch: "sweep".to_owned(), log: Some("/home/al/a.log".to_owned()) };
            watched.add(JobId::new(7, proc), cluster, Standing::Idle);
        }
        let claim = ClaimId { journal: 1, number: 1 };
        let attempt = Attempt(1);
        watched.note(&event(0, JobEvent::RunAuthorised { attempt, claim, slot: None, at: AT }));
        watched.note(&event(1, JobEvent::RunAuthorised { attempt, claim, slot: None, at: AT }));
        let (end, usage) = (RunEnd::exited(0), Usage::default());
        let next = AfterRun::Complete;
        watched.note(&event(1, JobEvent::RunOver { attempt, end, usage, next, at: AT }));
        // Nobody watches it.
        let other = JobId::new(9, 0);
        let what = Happening::Job {
            job: other,
            event: JobEvent::RunAuthorised { attempt, claim, slot: None, at: AT },
        };
        watched.note(&Recorded { seq: Seq(1), at: AT, what });
        watched
    }

    fn shown() -> Shown {
        Shown {
            table: true,
            row_progress: true,
            progress: false,
            summary: Some(Summary::Totals),
            updated_at: None,
            abbreviate: false,
            group_by: GroupBy::Batch,
            larger_than: 0,
            paint: Paint::Off,
        }
    }

    #[test]
    fn the_table_says_where_the_jobs_of_a_batch_stand() {
        expect_test::expect![[r#"
            BATCH   IDLE    RUN   HOLD   DONE  TOTAL                                  JOB_IDS
            sweep      1      1      -      1      3 [##########==========----------] 7.0 ... 7.2

            Total: 3 jobs; 1 completed, 0 removed, 1 idle, 1 running, 0 held, 0 suspended"#]]
        .assert_eq(&watched().display(&shown()).join("\n"));
    }

    #[test]
    fn jobs_that_failed_are_told_apart_unless_htcondor_would_not() {
        let (attempt, usage) = (Attempt(1), Usage::default());
        let mut both = [watched(), Watched { tells_failed: true, ..watched() }];
        for watched in &mut both {
            let (end, next) = (RunEnd::exited(3), AfterRun::Complete);
            watched.note(&event(0, JobEvent::RunOver { attempt, end, usage, next, at: AT }));
        }
        let plain = Shown { row_progress: false, ..shown() };
        let all = both.map(|watched| watched.display(&plain).join("\n"));
        expect_test::expect![[r#"
            BATCH   IDLE    RUN   HOLD   DONE  TOTAL JOB_IDS
            sweep      1      -      -      2      3 7.0 ... 7.2

            Total: 3 jobs; 2 completed, 0 removed, 1 idle, 0 running, 0 held, 0 suspended
            ---
            BATCH   IDLE    RUN   HOLD   DONE FAILED  TOTAL JOB_IDS
            sweep      1      -      -      1      1      3 7.0 ... 7.2

            Total: 3 jobs; 2 completed (1 failed), 0 removed, 1 idle, 0 running, 0 held, 0 suspended"#]].assert_eq(&all.join("\n---\n"));
    }

    #[test]
    fn each_part_is_shown_or_not_and_rows_are_what_was_asked_for() {
        let mut watched = watched();
        let log: Arc<str> = "/home/anna/b.log".into();
        let text = "000 (007.000.000) 2026-11-22 16:24:28 Job submitted from host: <h>\n...\n\
                    012 (007.000.000) 2026-11-22 16:24:29 Job was held.\n\tno luck\n\tCode 1 Subcode 0\n...\n";
        for entry in Entries::new(text, &TimeZone::UTC, 2026).flatten() {
            watched.note_entry(&log, &entry);
        }
        let by_log = Shown {
            row_progress: false,
            progress: true,
            summary: Some(Summary::Percentages),
            updated_at: Some("noon".to_owned()),
            abbreviate: true,
            group_by: GroupBy::Log,
            ..shown()
        };
        let large = Shown { larger_than: 1, summary: None, group_by: GroupBy::Cluster, ..shown() };
        let nothing = Shown { table: false, summary: None, ..shown() };
        let all = [by_log, large, nothing].map(|shown| watched.display(&shown).join("\n"));
        expect_test::expect![[r#"
            LOG           IDLE    RUN   HOLD   DONE  TOTAL JOB_IDS
            /h/al/a.log      1      1      -      1      3 7.0 ... 7.2
            /h/an/b.log      -      -      1      -      1 7.0

            [#######=======---------!!!!!!!]

            Total: 4 jobs; 25% completed, 0% removed, 25% idle, 25% running, 25% held, 0% suspended

            Updated at noon
            ---
            CLUSTER   IDLE    RUN   HOLD   DONE  TOTAL                                  JOB_IDS
            7            1      1      1      1      4 [#######=======---------!!!!!!!] 7.0 ... 7.2
            ---
        "#]]
        .assert_eq(&all.join("\n---\n"));
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
