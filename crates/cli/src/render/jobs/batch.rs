//! The batch view: one line for the jobs that belong together, by their batch name or else their
//! cluster.

use std::collections::BTreeMap;

use model::attr;

use crate::render::dialect::Dialect;
use crate::render::paint::Tone;
use crate::render::time;
use crate::render::values::view::status;
use crate::render::values::view::{Span, View};
use crate::render::width::{padded, width};

/// The narrowest column of owners; names shorter than the heading make it wider (HTCondor 25.14:
/// `bob` gives 8, `alice` 5).
const OWNER_WIDTH: usize = 5;
const SHORT_OWNER_WIDTH: usize = 8;

/// The column of names is one wider than the longest, and this wide without jobs.
const EMPTY_NAME_WIDTH: usize = 13;
const NAME_HEADING: &str = "BATCH_NAME";

/// The view, heading first. In our own dialect jobs that failed are counted apart, and `DONE` are
/// those that did not; HTCondor counts whatever has left as done.
pub(crate) fn lines(jobs: &[View<'_>], dialect: Dialect) -> Vec<(Tone, String)> {
    let batches = gather(jobs, dialect);
    let columns = Columns::of(&batches);
    let heading = columns.line(
        "OWNER",
        NAME_HEADING,
        "  SUBMITTED",
        ["  DONE", "FAILED", "  RUN ", "  IDLE", "  HOLD", " TOTAL"].map(str::to_owned),
        "JOB_IDS",
    );
    let rows = batches.iter().map(|batch| {
        let tone = if batch.held + batch.failed() > 0 { Tone::Bad } else { Tone::Plain };
        let ids = batch.ids();
        (tone, columns.line(&batch.owner, &batch.name, &batch.submitted(), batch.counts(), &ids))
    });
    std::iter::once((Tone::Heading, heading)).chain(rows).collect()
}

/// Widths, and whether there are columns of held and of failed jobs: there is none if no job is.
struct Columns {
    owner: usize,
    name: usize,
    failed: bool,
    held: bool,
}

impl Columns {
    fn of(batches: &[Batch<'_>]) -> Self {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let owner = match longest(&mut batches.iter().map(|batch| width(&batch.owner))) {
            0 => OWNER_WIDTH,
            short if short < OWNER_WIDTH => SHORT_OWNER_WIDTH,
            long => long,
        };
        let name = match longest(&mut batches.iter().map(|batch| width(&batch.name))) {
            0 => EMPTY_NAME_WIDTH,
            long => long.max(NAME_HEADING.len()) + 1,
        };
        let failed = batches.iter().any(|batch| batch.failed() > 0);
        let held = batches.is_empty() || batches.iter().any(|batch| batch.held > 0);
        Self { owner, name, failed, held }
    }

    fn line(
        &self,
        owner: &str,
        name: &str,
        submitted: &str,
        counts: [String; 6],
        ids: &str,
    ) -> String {
        let [done, failed, run, idle, hold, total] = counts;
        let hold = if self.held { format!(" {hold:>6}") } else { String::new() };
        let failed = if self.failed { format!(" {failed:>6}") } else { String::new() };
        format!(
            "{} {} {submitted} {done:>6}{failed} {run:>6} {idle:>6}{hold} {total:>6} {ids}",
            padded(owner, self.owner),
            padded(name, self.name)
        )
    }
}

struct Batch<'a> {
    dialect: Dialect,
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
    /// How many of each cluster failed.
    failed: BTreeMap<u32, u64>,
    /// Clusters that a DAG submitted, and how many jobs of them there are: HTCondor counts those
    /// that have left by the DAG.
    submitted_by_dags: BTreeMap<u32, u64>,
    running: u64,
    held: u64,
    done: u64,
    /// [`OF_DAGS`] of the batch's DAG and of those inside it, together.
    of_dags: [u64; 3],
}

/// What a DAG's job has of its nodes: all, those that are done, those that failed.
const OF_DAGS: [&str; 3] = [attr::DAG_NODES_TOTAL, attr::DAG_NODES_DONE, attr::DAG_NODES_FAILED];

fn gather<'a>(jobs: &[View<'a>], dialect: Dialect) -> Vec<Batch<'a>> {
    let mut batches: Vec<Batch<'a>> = Vec::new();
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut nameless: BTreeMap<i64, (String, String)> = BTreeMap::new();
    for job in jobs {
        let cluster = job.int(attr::CLUSTER_ID).unwrap_or(0);
        let named = |job: &View<'_>| (job.owner(), name(*job, cluster, dialect));
        // What has no name is called after the first job of its cluster.
        let key = match job.text(attr::JOB_BATCH_NAME) {
            Some(_) => named(job),
            None => nameless.entry(cluster).or_insert_with(|| named(job)).clone(),
        };
        let place = *places.entry(key).or_insert_with_key(|(owner, name)| {
            batches.push(Batch::new(dialect, owner.clone(), name.clone(), *job));
            batches.len() - 1
        });
        batches[place].add(*job);
    }
    batches.sort_by_key(|batch| batch.dag.unwrap_or(batch.first).job());
    batches
}

/// What the batch of a job is called. To HTCondor a job of a DAG that has no name is its node.
fn name(job: View<'_>, cluster: i64, dialect: Dialect) -> String {
    let node = || {
        let is_node = dialect == Dialect::HtCondor && is_of_dag(job);
        job.text(attr::DAG_NODE_NAME).filter(|_| is_node).map(|node| format!("NODE: {node}"))
    };
    let name = job.text(attr::JOB_BATCH_NAME).or_else(node);
    name.unwrap_or_else(|| format!("ID: {cluster}"))
}

fn is_of_dag(job: View<'_>) -> bool {
    job.int(attr::DAGMAN_JOB_ID).is_some()
}

impl<'a> Batch<'a> {
    fn new(dialect: Dialect, owner: String, name: String, first: View<'a>) -> Self {
        Self {
            dialect,
            owner,
            name,
            first,
            dag: None,
            jobs: None,
            submitted: BTreeMap::new(),
            later: BTreeMap::new(),
            failed: BTreeMap::new(),
            submitted_by_dags: BTreeMap::new(),
            running: 0,
            held: 0,
            done: 0,
            of_dags: [0; 3],
        }
    }

    fn add(&mut self, job: View<'a>) {
        if job.int(attr::DAG_NODES_TOTAL).is_some() {
            // The first is the outermost.
            self.dag.get_or_insert(job);
            for (sum, name) in self.of_dags.iter_mut().zip(OF_DAGS) {
                *sum += job.int(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            }
            return;
        }
        let Some(span) = job.span() else { return };
        self.jobs = Some(self.jobs.map_or(span, |jobs| jobs.and(span)));
        let number = |name| job.int(name).and_then(|n| u64::try_from(n).ok());
        let cluster = span.first.cluster.0;
        let submitted = number(attr::TOTAL_SUBMIT_PROCS).unwrap_or(0);
        // Of a factory those that are still to come are not gone.
        let come = number(attr::JOB_MATERIALIZE_NEXT_PROC_ID).unwrap_or(submitted);
        // Where each job has a batch of its own, those that have left were of other batches.
        let is_whole = !job.value(attr::OWN_BATCH_NAME).is_true();
        let is_known = self.submitted.contains_key(&cluster);
        if self.dialect == Dialect::HtCondor {
            // The first job of a cluster speaks for all.
            let is_of_dags = self.submitted_by_dags.contains_key(&cluster);
            if is_of_dags || (is_of_dag(job) && !is_known) {
                *self.submitted_by_dags.entry(cluster).or_default() += span.count;
            } else if !is_known {
                self.submitted.insert(cluster, come);
                self.later.insert(cluster, submitted - come.min(submitted));
            }
        } else if is_whole {
            self.submitted.insert(cluster, come);
            self.later.insert(cluster, submitted - come.min(submitted));
            self.failed.insert(cluster, number(attr::TOTAL_FAILED_PROCS).unwrap_or(0));
        }
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

    /// How many jobs ended and did not end well; none as HTCondor counts.
    fn failed(&self) -> u64 {
        match self.dialect {
            Dialect::HtCondor => 0,
            Dialect::Updraft | Dialect::Pbs => {
                let [_, _, failed] = self.of_dags;
                self.dag.map_or_else(|| self.failed.values().sum(), |_| failed)
            }
        }
    }

    /// Done, failed, running, idle, held and all. A suspended job counts as idle (HTCondor 25.14).
    fn counts(&self) -> [String; 6] {
        let here = self.jobs.map_or(0, |jobs| jobs.count);
        let idle = here - self.running - self.held - self.done;
        let counted = here - self.submitted_by_dags.values().sum::<u64>();
        let gone = self.submitted.values().sum::<u64>().saturating_sub(counted);
        let still_here = if self.dialect == Dialect::HtCondor { 0 } else { self.done };
        let ended = (gone + still_here).saturating_sub(self.failed());
        let later: u64 = self.later.values().sum();
        let (done, total) = match (self.dag, self.of_dags) {
            (Some(_), [total, done, _]) => (done, total),
            (None, _) => (ended, gone + counted + later),
        };
        [done, self.failed(), self.running, idle, self.held, total]
            .map(|n| if n == 0 { "_".to_owned() } else { n.to_string() })
    }

    fn ids(&self) -> String {
        self.jobs.map(|jobs| jobs.to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    fn check(ads: &str, dialect: Dialect, expected: &expect_test::Expect) {
        let ads = ClassAd::parse_old_ads(ads).unwrap();
        let moment = Moment::new(1_795_363_700, TimeZone::UTC);
        let jobs: Vec<View<'_>> = ads.iter().map(|ad| View::new(ad, &moment)).collect();
        let lines: Vec<String> = lines(&jobs, dialect).into_iter().map(|(_, line)| line).collect();
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }

    fn job(cluster: u32, proc: u32, more: &str) -> String {
        format!(
            "ClusterId = {cluster}\nProcId = {proc}\nOwner = \"alice\"\nQDate = 1795363560\nJobStatus = 2\n\
             TotalSubmitProcs = 10\n{more}\n\n"
        )
    }

    #[test]
    fn jobs_that_failed_are_counted_apart_by_us_and_as_done_by_htcondor() {
        let ads = job(7, 8, "TotalFailedProcs = 3") + &job(7, 9, "TotalFailedProcs = 3");
        check(
            &ads,
            Dialect::Updraft,
            &expect_test::expect![[r#"
            OWNER BATCH_NAME    SUBMITTED   DONE FAILED   RUN    IDLE  TOTAL JOB_IDS
            alice ID: 7       11/22 16:06      5      3      2      _     10 7.8-9
        "#]],
        );
        check(
            &ads,
            Dialect::HtCondor,
            &expect_test::expect![[r#"
            OWNER BATCH_NAME    SUBMITTED   DONE   RUN    IDLE  TOTAL JOB_IDS
            alice ID: 7       11/22 16:06      8      2      _     10 7.8-9
        "#]],
        );
    }

    #[test]
    fn the_nodes_of_a_dag_and_of_those_inside_it_are_counted_together() {
        let dag = |cluster, nodes: [u32; 3]| {
            let [total, done, failed] = nodes;
            let nodes = format!(
                "JobBatchName = \"b\"\nDAG_NodesTotal = {total}\nDAG_NodesDone = {done}\nDAG_NodesFailed = {failed}"
            );
            job(cluster, 0, &nodes)
        };
        let ads = dag(7, [30, 4, 2]) + &job(8, 0, "JobBatchName = \"b\"") + &dag(9, [5, 1, 0]);
        check(
            &ads,
            Dialect::Updraft,
            &expect_test::expect![[r#"
            OWNER BATCH_NAME    SUBMITTED   DONE FAILED   RUN    IDLE  TOTAL JOB_IDS
            alice b           11/22 16:06      5      2      1      _     35 8.0
        "#]],
        );
    }

    #[test]
    fn where_each_job_has_a_batch_of_its_own_only_jobs_of_the_batch_are_counted() {
        let named = |name: &str| format!("JobBatchName = \"{name}\"\nHasOwnBatchName = true");
        let ads = job(7, 8, &named("b-8")) + &job(7, 9, &named("b-9"));
        check(
            &ads,
            Dialect::Updraft,
            &expect_test::expect![[r#"
            OWNER BATCH_NAME    SUBMITTED   DONE   RUN    IDLE  TOTAL JOB_IDS
            alice b-8         11/22 16:06      _      1      _      1 7.8
            alice b-9         11/22 16:06      _      1      _      1 7.9
        "#]],
        );
    }
}
