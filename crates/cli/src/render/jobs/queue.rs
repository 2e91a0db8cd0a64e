//! The views of the queue, as HTCondor 25.14 prints them: batches, jobs, jobs under their DAG,
//! held, running, idle, I/O.

use std::collections::{BTreeMap, BTreeSet};

use classad::AttrName;
use model::{Universe, attr};
use proto::client::{Counts, Totals};

use crate::render::dialect::Dialect;
use crate::render::jobs::autocluster;
use crate::render::jobs::batch;
use crate::render::jobs::gathered;
use crate::render::jobs::totals;
use crate::render::paint::Tone;
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::mask::{Growth, Mask};
use crate::render::values::view::status;
use crate::render::values::view::status_letter;
use crate::render::values::view::{Moment, View};
use crate::render::width;

/// The tables that a queue can be shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A line for each batch.
    Batches,
    /// A line for each job (`-nobatch`).
    Jobs,
    /// A line for each job, those of a DAG below it (`-dag`).
    Dag,
    /// Held jobs with their reasons (`-hold`).
    Held,
    /// Running jobs with their machines (`-run`).
    Running,
    /// Idle jobs with their requests (`-idle`).
    Idle,
    /// What jobs read and wrote (`-io`).
    Io,
    /// How many jobs ask for the same (`-autocluster`).
    Autoclusters,
    /// Factories (`-factory`).
    Factories,
    /// Held jobs by cause (`-hold-codes`).
    HoldCodes,
    /// Counts only (`-totals`).
    Totals,
}

impl Layout {
    /// Whether it counts jobs, so that those that are alike need be told only once.
    pub fn is_of_groups(self) -> bool {
        match self {
            Self::Batches | Self::Totals => true,
            Self::Jobs
            | Self::Dag
            | Self::Held
            | Self::Running
            | Self::Idle
            | Self::Io
            | Self::Autoclusters
            | Self::Factories
            | Self::HoldCodes => false,
        }
    }

    /// The attributes that it is made from.
    pub fn attributes(self) -> Vec<AttrName> {
        let own: &[&str] = match self {
            Self::Batches => &BATCH_ATTRS,
            Self::Totals => &[],
            Self::Jobs => &JOB_ATTRS,
            Self::Dag => &[&JOB_ATTRS[..], &[attr::DAGMAN_JOB_ID, attr::DAG_NODE_NAME]].concat(),
            Self::Held | Self::HoldCodes => &HELD_ATTRS,
            Self::Factories => &gathered::FACTORY_ATTRS,
            Self::Running => &[&TIME_ATTRS[..], &[attr::REMOTE_HOST]].concat(),
            Self::Idle => &IDLE_ATTRS,
            Self::Io => &IO_ATTRS,
            Self::Autoclusters => &autocluster::ATTRS,
        };
        SUMMARY_ATTRS.iter().chain(own).copied().map(AttrName::from).collect()
    }
}

/// What every line of a job and the totals below a table are made from.
pub const SUMMARY_ATTRS: [&str; 6] = [
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::OWNER,
    attr::USER,
    attr::JOB_STATUS,
    attr::JOB_UNIVERSE,
];

const BATCH_ATTRS: [&str; 10] = [
    attr::DAGMAN_JOB_ID,
    attr::DAG_NODE_NAME,
    attr::JOB_BATCH_NAME,
    attr::Q_DATE,
    attr::TOTAL_SUBMIT_PROCS,
    attr::TOTAL_FAILED_PROCS,
    attr::JOB_MATERIALIZE_NEXT_PROC_ID,
    attr::DAG_NODES_TOTAL,
    attr::DAG_NODES_DONE,
    attr::DAG_NODES_FAILED,
];

/// When a job came, and how long it has run.
pub(crate) const TIME_ATTRS: [&str; 5] = [
    attr::Q_DATE,
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::SHADOW_BDAY,
    attr::JOB_CURRENT_START_DATE,
    attr::LAST_REMOTE_WALL_CLOCK_TIME,
];

const TRANSFERRING_OUTPUT: &str = "TransferringOutput";

/// What the column of states is made from.
pub(crate) const STATE_ATTRS: [&str; 4] =
    [attr::JOB_STATUS, attr::TRANSFERRING_INPUT, TRANSFERRING_OUTPUT, attr::TRANSFER_QUEUED];

const JOB_ATTRS: [&str; 17] = [
    TIME_ATTRS[0],
    TIME_ATTRS[1],
    TIME_ATTRS[2],
    TIME_ATTRS[3],
    TIME_ATTRS[4],
    attr::CUMULATIVE_REMOTE_USER_CPU,
    attr::CUMULATIVE_REMOTE_SYS_CPU,
    attr::JOB_PRIO,
    attr::IMAGE_SIZE,
    attr::MEMORY_USAGE,
    attr::CMD,
    attr::ARGS,
    attr::ARGUMENTS,
    attr::JOB_DESCRIPTION,
    STATE_ATTRS[1],
    STATE_ATTRS[2],
    STATE_ATTRS[3],
];

const HELD_ATTRS: [&str; 4] = [
    attr::ENTERED_CURRENT_STATUS,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
];

const IDLE_ATTRS: [&str; 5] = [
    attr::REQUEST_CPUS,
    attr::REQUEST_MEMORY,
    attr::NUM_JOB_STARTS,
    attr::NUM_SHADOW_STARTS,
    attr::LAST_REMOTE_HOST,
];

const IO_ATTRS: [&str; 7] = [
    "FileReadBytes",
    "FileWriteBytes",
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::NUM_JOB_STARTS,
    STATE_ATTRS[1],
    STATE_ATTRS[2],
    STATE_ATTRS[3],
];

/// Where the jobs of a table come from, as its head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A schedd: its name, and its address for people.
    Schedd { name: String, address: String },
    /// A file of ads, or an event log.
    File { what: FileKind, path: String },
}

/// What a file of jobs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Ads (`-jobads`).
    Ads,
    /// An event log (`-userlog`).
    Log,
}

/// Everything that a view of the queue is made from.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    pub source: &'a Source,
    /// When and where.
    pub moment: &'a Moment,
    /// The jobs that were asked for, in order.
    pub jobs: &'a [classad::ClassAd],
    /// The schedd's counts.
    pub totals: &'a Totals,
    /// The user of whom a line of totals is wanted: name and how it is shown (`alice@localhost`).
    pub me: Option<(&'a str, &'a str)>,
    /// The longest line, if the output is a terminal.
    pub width: Option<usize>,
    /// In whose words.
    pub dialect: Dialect,
}

const JOBS_HEADING: &str = " ID      OWNER            SUBMITTED     RUN_TIME ST PRI SIZE CMD";

/// The view as text.
pub fn render(answer: &Answer<'_>, layout: Layout) -> String {
    let mut out = head(answer);
    let jobs: Vec<View<'_>> = answer.jobs.iter().map(|ad| View::new(ad, answer.moment)).collect();
    let lines = match layout {
        Layout::Batches => batch::lines(&jobs, answer.dialect),
        Layout::Jobs => jobs_table(&jobs),
        Layout::Dag => dag_lines(&jobs),
        Layout::Held => {
            table(" ID      OWNER          HELD_SINCE  CODE/SUB HOLD_REASON", &jobs, held_line)
        }
        Layout::Running => {
            let heading = " ID      OWNER            SUBMITTED     RUN_TIME HOST(S)";
            table(heading, &jobs, |job| running_line(job, answer.source))
        }
        Layout::Idle => idle_table(&jobs),
        Layout::Io => {
            table(" ID      OWNER          RUNS ST  INPUT  OUTPUT  RATE      MISC", &jobs, io_line)
        }
        Layout::Autoclusters => plain(autocluster::lines(&jobs)),
        Layout::Factories => plain(gathered::factories(&jobs)),
        Layout::HoldCodes => plain(gathered::hold_codes(&jobs)),
        Layout::Totals => Vec::new(),
    };
    for (tone, line) in &lines {
        out += &answer.moment.paint.text(*tone, cut(line, answer.width));
        out.push('\n');
    }
    match layout {
        Layout::Running | Layout::Idle | Layout::Autoclusters | Layout::Factories => {}
        Layout::Totals => write_totals(answer, &jobs, &mut out),
        Layout::Batches
        | Layout::Jobs
        | Layout::Dag
        | Layout::Held
        | Layout::HoldCodes
        | Layout::Io => {
            out.push('\n');
            write_totals(answer, &jobs, &mut out);
        }
    }
    out
}

/// A table of the user's own, with the same lines before and after it if it wants them.
pub fn render_mask(answer: &Answer<'_>, mask: &Mask) -> String {
    let mut out = if mask.title { head(answer) } else { String::new() };
    out += &mask.render(answer.jobs, answer.moment, Growth::Foreseen);
    if mask.summary {
        out.push('\n');
        let jobs: Vec<View<'_>> =
            answer.jobs.iter().map(|ad| View::new(ad, answer.moment)).collect();
        write_totals(answer, &jobs, &mut out);
    }
    out
}

/// Blanks that HTCondor 25.14 leaves behind the counts where there is no schedd to give its own.
const LEFT_OVER: usize = 51;

/// What HTCondor 25.14 prints for `-group-by`: it neither groups nor counts any job.
pub fn render_group_by(answer: &Answer<'_>) -> String {
    let none = Answer { jobs: &[], ..answer.clone() };
    format!("{}{JOBS_HEADING}\n\n{}", head(&none), totals_alone(&Counts::default()))
}

fn totals_alone(counts: &Counts) -> String {
    format!("{}{}\n\n", totals::line("query", counts), " ".repeat(LEFT_OVER))
}

/// The line that says who answers.
fn head(answer: &Answer<'_>) -> String {
    format!("\n\n-- {} @ {}\n", answer.source.shown(), time::head(answer.moment))
}

impl Source {
    /// Of a schedd name and address; HTCondor leaves the details of an address away.
    pub fn shown(&self) -> String {
        match self {
            Self::Schedd { name, address } => match address.split_once('?') {
                Some((place, _)) => format!("Schedd: {name} : {place}?..."),
                None => format!("Schedd: {name} : {address}"),
            },
            Self::File { what: FileKind::Ads, path } => format!("Jobads: {path}"),
            Self::File { what: FileKind::Log, path } => format!("Userlog: {path}"),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Schedd { name, .. } | Self::File { path: name, .. } => name,
        }
    }
}

/// The beginning of a line that fits into the terminal.
fn cut(line: &str, places: Option<usize>) -> &str {
    places.map_or(line, |places| width::beginning(line, places))
}

fn write_totals(answer: &Answer<'_>, jobs: &[View<'_>], out: &mut String) {
    let counts = totals::count(jobs.iter().copied());
    if let Source::File { .. } = answer.source {
        *out += &totals_alone(&counts);
        return;
    }
    *out += &totals::line("query", &counts);
    *out += " \n";
    if let Some((owner, shown)) = answer.me {
        *out += &totals::line(shown, &totals::of(answer.totals, Some(owner)));
        *out += " \n";
    }
    *out += &totals::line("all users", &totals::of(answer.totals, None));
    *out += "\n\n";
}

/// Lines with their tones: headings first, then a line for each job.
fn table(
    heading: &str,
    jobs: &[View<'_>],
    line: impl Fn(View<'_>) -> String,
) -> Vec<(Tone, String)> {
    let rows = jobs.iter().map(|job| (job.tone(), line(*job)));
    std::iter::once((Tone::Heading, heading.to_owned())).chain(rows).collect()
}

/// Plain lines below their headings.
fn plain(lines: Vec<String>) -> Vec<(Tone, String)> {
    let tone = |i: usize| if i == 0 { Tone::Heading } else { Tone::Plain };
    lines.into_iter().enumerate().map(|(i, line)| (tone(i), line)).collect()
}

/// `  36.0   `: how every line of a job begins.
fn id(job: View<'_>) -> String {
    let cluster = job.int(attr::CLUSTER_ID).unwrap_or(0);
    format!("{cluster:>4}.{:<3}", job.int(attr::PROC_ID).unwrap_or(0))
}

/// A line for each job; priorities and sizes are as wide as the longest.
fn jobs_table(jobs: &[View<'_>]) -> Vec<(Tone, String)> {
    let widths = Widths::of(jobs);
    let Widths { prio, size } = widths;
    let heading = format!(
        " ID      OWNER            SUBMITTED     RUN_TIME ST {:<prio$} {:<size$} CMD",
        "PRI", "SIZE"
    );
    let line =
        |job: View<'_>| format!("{} {:<14.14} {}", id(job), job.owner(), facts(job, &widths));
    table(&heading, jobs, line)
}

/// Of the two columns of numbers that grow.
struct Widths {
    prio: usize,
    size: usize,
}

impl Widths {
    fn of(jobs: &[View<'_>]) -> Self {
        let longest = |least: &str, text: &dyn Fn(View<'_>) -> String| {
            let lengths = jobs.iter().map(|job| text(*job).len());
            lengths.max().unwrap_or(0).max(least.len())
        };
        Self { prio: longest("PRI", &prio), size: longest("SIZE", &size) }
    }
}

fn prio(job: View<'_>) -> String {
    job.int(attr::JOB_PRIO).unwrap_or(0).to_string()
}

fn size(job: View<'_>) -> String {
    format!("{:.1}", size_mib(job))
}

/// What the views of jobs and of DAGs have in common.
fn facts(job: View<'_>, widths: &Widths) -> String {
    let (p, s) = (widths.prio, widths.size);
    format!(
        "{} {:>12} {:<2} {:<p$} {:>s$} {}",
        submitted(job),
        run_time(job),
        state(job),
        prio(job),
        size(job),
        command_line::of_job(job)
    )
}

fn submitted(job: View<'_>) -> String {
    time::date(job.int(attr::Q_DATE).unwrap_or(0), &job.moment.zone)
}

/// Whether a run of it is under way.
pub(crate) fn is_under_way(job: View<'_>) -> bool {
    matches!(job.status(), status::RUNNING | status::TRANSFERRING_OUTPUT | status::SUSPENDED)
}

/// The time of all runs, and of the one under way.
pub(crate) fn run_time(job: View<'_>) -> String {
    let before = job.real(attr::REMOTE_WALL_CLOCK_TIME).unwrap_or(0.0);
    let running = is_under_way(job);
    let since = job.int(attr::SHADOW_BDAY).or_else(|| job.int(attr::JOB_CURRENT_START_DATE));
    let now = match since {
        Some(since) if running => job.moment.now.saturating_sub(since).max(0),
        Some(_) | None => 0,
    };
    time::length(now.saturating_add(time::whole_seconds(before)))
}

/// Two characters: the letter of the state, or the direction in which files travel, and whether
/// they wait for others that do: `R `, `<q`, ` >`.
pub(crate) fn state(job: View<'_>) -> String {
    let says = |name: &str| job.value(name).is_true();
    let queued = if says(attr::TRANSFER_QUEUED) { 'q' } else { ' ' };
    match job.status() {
        status::TRANSFERRING_OUTPUT => format!("{queued}>"),
        _ if says(TRANSFERRING_OUTPUT) => format!("{queued}>"),
        _ if says(attr::TRANSFERRING_INPUT) => format!("<{queued}"),
        number => format!("{} ", status_letter(number)),
    }
}

/// Memory in use, or else the size of the image, MiB.
pub(crate) fn size_mib(job: View<'_>) -> f64 {
    let image = || job.real(attr::IMAGE_SIZE).map(|kib| kib / 1024.0);
    job.real(attr::MEMORY_USAGE).or_else(image).unwrap_or(0.0)
}

fn held_line(job: View<'_>) -> String {
    let since = job.int(attr::ENTERED_CURRENT_STATUS).unwrap_or(0);
    let code = job.int(attr::HOLD_REASON_CODE).unwrap_or(0);
    let sub = job.int(attr::HOLD_REASON_SUB_CODE).map(|sub| format!("/{sub}")).unwrap_or_default();
    let reason = job.text_or_undefined(attr::HOLD_REASON);
    let since = time::date(since, &job.moment.zone);
    format!("{} {:<14.14} {since} {code:>4}{sub:<4} {reason}", id(job), job.owner())
}

fn running_line(job: View<'_>, source: &Source) -> String {
    let universe = job.int(attr::JOB_UNIVERSE).and_then(Universe::from_number);
    let host = match job.text(attr::REMOTE_HOST) {
        // It runs beside the schedd.
        _ if universe.is_some_and(Universe::is_beside) => source.name().to_owned(),
        Some(host) => host,
        None => "[????????????????]".to_owned(),
    };
    format!("{} {:<14.14} {} {:>12} {host}", id(job), job.owner(), submitted(job), run_time(job))
}

/// Its columns of numbers are as wide as their longest.
fn idle_table(jobs: &[View<'_>]) -> Vec<(Tone, String)> {
    let number =
        |job: View<'_>, name: &str| job.int(name).map_or_else(String::new, |n| n.to_string());
    let numbers = |job: View<'_>| {
        let starts = starts(job).to_string();
        [number(job, attr::REQUEST_CPUS), number(job, attr::REQUEST_MEMORY), starts]
    };
    let mut widths = IDLE_HEADINGS.map(str::len);
    for job in jobs {
        for (width, text) in widths.iter_mut().zip(numbers(*job)) {
            *width = text.len().max(*width);
        }
    }
    let [cpus, memory, starts] = widths;
    let [c, m, s] = IDLE_HEADINGS;
    let heading =
        format!(" ID      OWNER          UNIVERSE  {c:<cpus$} {m:<memory$} {s:<starts$} LAST_HOST");
    table(&heading, jobs, |job| {
        let [c, m, s] = numbers(job);
        format!(
            "{} {:<14.14} {:<9} {c:>cpus$} {m:>memory$} {s:>starts$} {}",
            id(job),
            job.owner(),
            universe(job.int(attr::JOB_UNIVERSE).unwrap_or(0)),
            job.text_or_undefined(attr::LAST_REMOTE_HOST)
        )
    })
}

const IDLE_HEADINGS: [&str; 3] = ["CPUS", "MEMORY", "STARTS"];

/// How often somebody set out to run it.
fn starts(job: View<'_>) -> i64 {
    let starts = job.int(attr::NUM_SHADOW_STARTS).or_else(|| job.int(attr::NUM_JOB_STARTS));
    starts.unwrap_or(0)
}

fn io_line(job: View<'_>) -> String {
    let read = job.real("FileReadBytes").unwrap_or(0.0);
    let written = job.real("FileWriteBytes").unwrap_or(0.0);
    let wall = job.real(attr::REMOTE_WALL_CLOCK_TIME).unwrap_or(0.0).max(1.0);
    format!(
        "{} {:<14.14} {:>4} {:<2} {:>6} {:>7} {:>7}/s",
        id(job),
        job.owner(),
        job.int(attr::NUM_JOB_STARTS).unwrap_or(0),
        state(job),
        metric(read),
        metric(written),
        metric((read + written) / wall)
    )
}

/// `12.3 MB`.
fn metric(bytes: f64) -> String {
    let mut value = bytes;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `JobUniverse` by name.
pub(crate) fn universe(number: i64) -> &'static str {
    match number {
        5 => "Vanilla",
        7 => "Scheduler",
        8 => "MPI",
        9 => "Grid",
        10 => "Java",
        11 => "Parallel",
        12 => "Local",
        13 => "VM",
        _ => "Unknown",
    }
}

/// Jobs under the DAG that submitted them, to any depth.
fn dag_lines(jobs: &[View<'_>]) -> Vec<(Tone, String)> {
    let widths = Widths::of(jobs);
    let heading = format!(
        " ID      OWNER/NODENAME      SUBMITTED     RUN_TIME ST {:<p$} {:<s$} CMD",
        "PRI",
        "SIZE",
        p = widths.prio,
        s = widths.size
    );
    let parent = |job: &View<'_>| job.int(attr::DAGMAN_JOB_ID);
    let present: BTreeSet<i64> = jobs.iter().filter_map(|job| job.int(attr::CLUSTER_ID)).collect();
    let mut children: BTreeMap<i64, Vec<View<'_>>> = BTreeMap::new();
    let mut roots = Vec::new();
    for job in jobs {
        match parent(job).filter(|id| present.contains(id)) {
            Some(id) => children.entry(id).or_default().push(*job),
            None => roots.push(*job),
        }
    }
    let mut lines = vec![(Tone::Heading, heading)];
    for root in roots {
        dag_branch(root, &mut children, &widths, &mut lines);
    }
    lines
}

/// One job and what is below it, by a stack of its own: nobody bounds how deep DAGs lie in DAGs. A
/// DAG's children are taken out of the map, so that a cycle in a hostile answer ends.
fn dag_branch<'a>(
    root: View<'a>,
    children: &mut BTreeMap<i64, Vec<View<'a>>>,
    widths: &Widths,
    lines: &mut Vec<(Tone, String)>,
) {
    let mut next = vec![(0, root)];
    while let Some((depth, job)) = next.pop() {
        let name = match job.text(attr::DAG_NODE_NAME) {
            Some(node) if depth > 0 => format!("{}|-{node}", " ".repeat(depth.min(MAX_INDENT))),
            Some(_) | None => job.owner(),
        };
        lines.push((job.tone(), format!("{} {name:<17} {}", id(job), facts(job, widths))));
        let below = job.int(attr::CLUSTER_ID).and_then(|id| children.remove(&id));
        next.extend(below.unwrap_or_default().into_iter().rev().map(|child| (depth + 1, child)));
    }
}

/// What lies deeper is shown so deep.
const MAX_INDENT: usize = 40;

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn dags_in_dags_are_shown_however_deep_and_a_circle_of_them_ends() {
        const DEEP: i64 = 50_000;
        let dag = |cluster: i64, parent: i64| {
            let mut ad = ClassAd::new();
            ad.set(attr::CLUSTER_ID, cluster);
            ad.set(attr::DAGMAN_JOB_ID, parent);
            ad.set(attr::DAG_NODE_NAME, format!("n{cluster}"));
            ad
        };
        let moment = Moment::new(0, TimeZone::UTC);
        let ads: Vec<ClassAd> = (1..=DEEP).map(|cluster| dag(cluster, cluster - 1)).collect();
        let jobs: Vec<View<'_>> = ads.iter().map(|ad| View::new(ad, &moment)).collect();
        let lines = dag_lines(&jobs);
        assert_eq!(lines.len(), ads.len() + 1);
        assert!(lines[3].1.contains("  |-n3 "), "{}", lines[3].1);
        assert!(lines[ads.len()].1.contains(&format!("|-n{DEEP} ")), "{}", lines[ads.len()].1);
        // a child of its own child has nobody above it, and is not shown at all
        let round = [dag(1, 2), dag(2, 1)];
        let jobs: Vec<View<'_>> = round.iter().map(|ad| View::new(ad, &moment)).collect();
        assert_eq!(dag_lines(&jobs).len(), 1);
    }
}
