//! The batch view: one line for the jobs that belong together, by their batch name or else their
//! cluster.

use std::collections::BTreeMap;

use model::attr;

use crate::render::paint::Tone;
use crate::render::time;
use crate::render::values::view::status;
use crate::render::values::view::{Span, View};

/// The narrowest column of owners; names shorter than the heading make it wider (HTCondor 25.14:
/// `bob` gives 8, `alice` 5).
const OWNER_WIDTH: usize = 5;
const SHORT_OWNER_WIDTH: usize = 8;

/// The column of names is one wider than the longest, and this wide without jobs.
const EMPTY_NAME_WIDTH: usize = 13;
const NAME_HEADING: &str = "BATCH_NAME";

/// The view, heading first.
pub(crate) fn lines(jobs: &[View<'_>]) -> Vec<(Tone, String)> {
    let batches = gather(jobs);
    let columns = Columns::of(&batches);
    let heading = columns.line(
        "OWNER",
        NAME_HEADING,
        "  SUBMITTED",
        ["  DONE", "  RUN ", "  IDLE", "  HOLD", " TOTAL"].map(str::to_owned),
        "JOB_IDS",
    );
    let rows = batches.iter().map(|batch| {
        let tone = if batch.held > 0 { Tone::Bad } else { Tone::Plain };
        let ids = batch.ids();
        (tone, columns.line(&batch.owner, &batch.name, &batch.submitted(), batch.counts(), &ids))
    });
    std::iter::once((Tone::Heading, heading)).chain(rows).collect()
}

/// Widths, and whether there is a column of held jobs: there is none if no job is held.
struct Columns {
    owner: usize,
    name: usize,
    held: bool,
}

impl Columns {
    fn of(batches: &[Batch<'_>]) -> Self {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let owner = match longest(&mut batches.iter().map(|batch| batch.owner.chars().count())) {
            0 => OWNER_WIDTH,
            short if short < OWNER_WIDTH => SHORT_OWNER_WIDTH,
            long => long,
        };
        let name = match longest(&mut batches.iter().map(|batch| batch.name.chars().count())) {
            0 => EMPTY_NAME_WIDTH,
            long => long.max(NAME_HEADING.len()) + 1,
        };
        Self { owner, name, held: batches.is_empty() || batches.iter().any(|batch| batch.held > 0) }
    }

    fn line(
        &self,
        owner: &str,
        name: &str,
        submitted: &str,
        counts: [String; 5],
        ids: &str,
    ) -> String {
        let [done, run, idle, hold, total] = counts;
        let hold = if self.held { format!(" {hold:>6}") } else { String::new() };
        format!(
            "{owner:<o$} {name:<n$} {submitted} {done:>6} {run:>6} {idle:>6}{hold} {total:>6} {ids}",
            o = self.owner,
            n = self.name
        )
    }
}

struct Batch<'a> {
    owner: String,
    name: String,
    /// The job that is looked at first: the DAG itself, if there is one.
    first: View<'a>,
    /// The job that runs the DAG; it is not counted.
    dag: Option<View<'a>>,
    /// Jobs but for that one.
    jobs: Option<Span>,
    /// How many each cluster was submitted with, as far as they have come into the queue.
    submitted: BTreeMap<u32, u64>,
    /// How many of each cluster are still to come.
    later: BTreeMap<u32, u64>,
    running: u64,
    held: u64,
    done: u64,
}

fn gather<'a>(jobs: &[View<'a>]) -> Vec<Batch<'a>> {
    let mut batches: Vec<Batch<'a>> = Vec::new();
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    for job in jobs {
        let name = job.text(attr::JOB_BATCH_NAME);
        let name =
            name.unwrap_or_else(|| format!("ID: {}", job.int(attr::CLUSTER_ID).unwrap_or(0)));
        let key = (job.owner(), name);
        let place = *places.entry(key).or_insert_with_key(|(owner, name)| {
            batches.push(Batch::new(owner.clone(), name.clone(), *job));
            batches.len() - 1
        });
        batches[place].add(*job);
    }
    batches.sort_by_key(|batch| batch.dag.unwrap_or(batch.first).job());
    batches
}

impl<'a> Batch<'a> {
    fn new(owner: String, name: String, first: View<'a>) -> Self {
        let (submitted, later) = (BTreeMap::new(), BTreeMap::new());
        let (running, held, done) = (0, 0, 0);
        Self { owner, name, first, dag: None, jobs: None, submitted, later, running, held, done }
    }

    fn add(&mut self, job: View<'a>) {
        if job.int(attr::DAG_NODES_TOTAL).is_some() {
            self.dag = Some(job);
            return;
        }
        let Some(span) = job.span() else { return };
        self.jobs = Some(self.jobs.map_or(span, |jobs| jobs.and(span)));
        let submitted =
            job.int(attr::TOTAL_SUBMIT_PROCS).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        // Of a factory those that are still to come are not gone.
        let come = job.int(attr::JOB_MATERIALIZE_NEXT_PROC_ID).and_then(|n| u64::try_from(n).ok());
        self.submitted.insert(span.first.cluster.0, come.unwrap_or(submitted));
        self.later
            .insert(span.first.cluster.0, submitted - come.unwrap_or(submitted).min(submitted));
        match job.status() {
            status::RUNNING | status::TRANSFERRING_OUTPUT => self.running += span.count,
            status::HELD => self.held += span.count,
            status::COMPLETED | status::REMOVED => self.done += span.count,
            _ => {}
        }
    }

    fn submitted(&self) -> String {
        let first = self.dag.unwrap_or(self.first);
        time::date(first.int(attr::Q_DATE).unwrap_or(0), &first.moment.zone)
    }

    /// Done, running, idle, held and all. A suspended job counts as idle (HTCondor 25.14).
    fn counts(&self) -> [String; 5] {
        let here = self.jobs.map_or(0, |jobs| jobs.count);
        let idle = here - self.running - self.held - self.done;
        let number = |name| self.dag.and_then(|dag| u64::try_from(dag.int(name)?).ok());
        let gone = self.submitted.values().sum::<u64>().saturating_sub(here);
        let done = number(attr::DAG_NODES_DONE).unwrap_or(gone + self.done);
        let later: u64 = self.later.values().sum();
        let total = number(attr::DAG_NODES_TOTAL).unwrap_or(gone + here + later);
        [done, self.running, idle, self.held, total]
            .map(|n| if n == 0 { "_".to_owned() } else { n.to_string() })
    }

    fn ids(&self) -> String {
        self.jobs.map(|jobs| jobs.to_string()).unwrap_or_default()
    }
}
