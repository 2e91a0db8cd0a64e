//! `updraft dag`: looks at DAGs, and steers those that run. `condor_dag_checker` is in
//! `dag_checker`.

mod steer;

use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use classad::{ClassAd, Env, Expr, Value};
use client::{Home, Query, Schedd, Select, Selector};
use dagman::Workflow;
use dagman::record::Names;
use dagman::shell::Order;
use dagman::workflow;
use model::{ClusterId, JobStatus, Universe, attr};

use crate::commands::workflows::dag_files::{self, CONFIG_FILE, Disk};
use crate::commands::workflows::seeing::{self, PlotArgs, ReportArgs, WatchArgs};
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::render::dag::{Checked, Halted};
use crate::render::jobs::finished;

/// Look at a DAG, or steer one that runs.
#[derive(Debug, clap::Args)]
pub struct DagArgs {
    #[command(subcommand)]
    action: Action,
}

/// How a DAG is named: by the number of its job, or by its first file, whose newest job is meant.
#[derive(Clone, Debug)]
pub(super) struct DagJob(String);

impl FromStr for DagJob {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self(word.to_owned()))
    }
}

impl From<ClusterId> for DagJob {
    fn from(job: ClusterId) -> Self {
        Self(job.to_string())
    }
}

/// Finished jobs beside the schedd that are looked through for the one that ran a DAG file.
const LOOKED_THROUGH: u64 = 1000;

impl DagJob {
    /// The job.
    ///
    /// # Errors
    ///
    /// If the word is neither a number nor a DAG file that a job runs or ran, or no pool answers.
    pub(super) fn cluster(&self) -> Result<ClusterId> {
        let word = &self.0;
        if let Ok(number) = word.parse() {
            return Ok(ClusterId(number));
        }
        if !Path::new(word).is_file() {
            bail!("{word} is neither the number of a DAG's job nor a DAG file: updraft q -dag");
        }
        match in_the_queue(word)? {
            Some(job) => Ok(job),
            None => newest_of(word)?.with_context(|| {
                format!("no job runs {word} or ran it: updraft submit_dag {word}")
            }),
        }
    }
}

impl DagJob {
    /// The DAG file that is named, if no job is known to run it or to have run it.
    pub(super) fn file_that_never_ran(&self) -> Option<&str> {
        let word = &self.0;
        let is_file = word.parse::<u32>().is_err() && Path::new(word).is_file();
        let is_known = || {
            let queued = in_the_queue(word).ok().flatten();
            queued.is_some() || newest_of(word).ok().flatten().is_some()
        };
        (is_file && !is_known()).then_some(word)
    }
}

/// The newest of the jobs that ran a DAG file and are over.
fn newest_of(file: &str) -> Result<Option<ClusterId>> {
    let past = Query { limit: Some(LOOKED_THROUGH), finished: true, ..Query::of(Select::All) };
    let found = dagmans(&mut Home::from_environment().schedd()?, past)?;
    let Ok(file) = std::fs::canonicalize(file) else { return Ok(None) };
    let ran = |ad: &&ClassAd| {
        dag_file(ad).and_then(|path| std::fs::canonicalize(path).ok()).as_ref() == Some(&file)
    };
    Ok(found.iter().filter(ran).filter_map(cluster_of).max())
}

/// What is read of a DAG's job to know which DAG it runs, and whether it does.
const OF_DAGMANS: [&str; 6] = [
    attr::CLUSTER_ID,
    attr::JOB_STATUS,
    attr::IWD,
    attr::ARGUMENTS,
    attr::ARGS,
    attr::DAG_NODES_WAITING,
];

/// Of the jobs that a query finds, those beside the schedd: only they may run DAGs.
fn dagmans(schedd: &mut Schedd, query: Query) -> Result<Vec<ClassAd>> {
    let beside = Expr::attr(attr::JOB_UNIVERSE).equals(Universe::Scheduler.number());
    let projection = OF_DAGMANS.into_iter().map(Into::into).collect();
    Ok(schedd.jobs(Query { constraint: Some(beside), projection, ..query })?)
}

fn cluster_of(ad: &ClassAd) -> Option<ClusterId> {
    u32::try_from(ad.literal(attr::CLUSTER_ID)?.as_i64()?).ok().map(ClusterId)
}

/// A DAG of the queue.
pub(crate) struct InTheQueue {
    pub(crate) job: ClusterId,
    /// Whether it begins nothing new.
    pub(crate) is_halted: bool,
    /// Why nodes wait, each behind its name: the first of them.
    pub(crate) waiting: Vec<String>,
}

/// The DAGs of the queue.
///
/// # Errors
///
/// If no pool answers.
pub(crate) fn all_in_the_queue(schedd: &mut Schedd, select: Select) -> Result<Vec<InTheQueue>> {
    let found = dagmans(schedd, Query::of(select))?;
    let one = |ad: &ClassAd| {
        let file = dag_file(ad)?;
        let is_halted = Path::new(&Names::new(&file, false).halt()).exists();
        Some(InTheQueue { job: cluster_of(ad)?, is_halted, waiting: waiting(ad) })
    };
    Ok(found.iter().filter(|ad| !is_over(ad)).filter_map(one).collect())
}

/// Why nodes of a DAG wait, as its job's ad has it: each behind its name.
pub(super) fn waiting(ad: &ClassAd) -> Vec<String> {
    let value = ad.eval(attr::DAG_NODES_WAITING, None, &Env::at(0));
    let texts = value.as_list().unwrap_or_default().iter();
    texts.filter_map(|text| Some(text.as_literal()?.as_str()?.to_owned())).collect()
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say everything that is wrong or odd about DAG files, without running them.
    Check(CheckArgs),
    /// Say how far a DAG is: its nodes by state, and those that failed.
    Status {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show how far a DAG is until it is over.
    Watch(WatchArgs),
    /// Draw a DAG as SVG: its graph, coloured by state, or its run over time.
    Plot(PlotArgs),
    /// Write a page about a run: over time, its graph, time and memory of each node, retries.
    Report(ReportArgs),
    /// Let the nodes of a DAG that run end, and begin no others.
    Halt {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take that back.
    Resume {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try nodes again that failed, while the DAG runs: what depends on them waits again.
    Retry {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        #[arg(value_name = "NODE", required = true)]
        nodes: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let nodes that are not under way count as done, while the DAG runs.
    Skip {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        #[arg(value_name = "NODE", required = true)]
        nodes: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set limits of a DAG that runs: `maxjobs=10`, `maxidle`, `maxpre`, `maxpost`, `maxhold`; 0
    /// is without limit.
    Set {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        #[arg(value_name = "NAME=NUMBER", required = true)]
        settings: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a DAG that is over once more: the nodes that had not been done.
    Rerun {
        /// The DAG's job: its number, or the DAG file that it runs.
        job: DagJob,
        /// What failed, and what depends on it: so it is without `--from`.
        #[arg(long, conflicts_with = "from")]
        failed: bool,
        /// This node too, with all that depends on it; may be said several times.
        #[arg(long, value_name = "NODE")]
        from: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Say everything that is wrong or odd about DAG files.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The DAG files: one workflow.
    #[arg(value_name = "DAG", required = true)]
    dags: Vec<String>,
    /// What a DAG file names is in the file's own folder.
    #[arg(long)]
    usedagdir: bool,
    /// A file with settings for the DAG.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// As JSON: what was found, and how large the DAG is if it can run.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read, or no pool answers.
pub fn run(args: &DagArgs, call: &Call) -> Result<Outcome> {
    match &args.action {
        Action::Check(args) => check(args, call),
        Action::Status { job, json } => Ok(seeing::status(job.cluster()?, *json)?.into()),
        Action::Watch(args) => Ok(seeing::watch(args)?.into()),
        Action::Plot(args) => Ok(seeing::plot(args)?.into()),
        Action::Report(args) => Ok(seeing::report(args)?.into()),
        Action::Halt { job, json } => {
            Ok(Outcome::of(&halt(job.cluster()?, true)?, *json, call, Exit::Done))
        }
        Action::Resume { job, json } => {
            Ok(Outcome::of(&halt(job.cluster()?, false)?, *json, call, Exit::Done))
        }
        Action::Retry { job, nodes, json } => {
            let order = Order::Retry { nodes: nodes.clone() };
            steer::nodes(job.cluster()?, &order, "is tried again", *json, call)
        }
        Action::Skip { job, nodes, json } => {
            let order = Order::Skip { nodes: nodes.clone() };
            steer::nodes(job.cluster()?, &order, "counts as done", *json, call)
        }
        Action::Set { job, settings, json } => steer::set(job.cluster()?, settings, *json, call),
        Action::Rerun { job, failed: _, from, json } => {
            steer::rerun(job.cluster()?, from, *json, call)
        }
    }
}

/// `updraft dag check`.
///
/// # Errors
///
/// If the pool's configuration cannot be read. What is wrong with the DAG, or with its settings, is
/// told, and gives [`Exit::Failed`].
pub fn check(args: &CheckArgs, call: &Call) -> Result<Outcome> {
    let read = dag_files::read_whole(&args.dags, args.usedagdir, args.config.as_deref())?;
    let (found, workflow) = match read {
        Ok(assembled) => {
            let mut found = assembled.warnings;
            found.extend(workflow::check(&assembled.workflow, &Disk::here()));
            (found, Some(assembled.workflow))
        }
        Err(found) => (found, None),
    };
    let checked = Checked {
        nodes: workflow.as_ref().map(Workflow::len),
        edges: workflow.as_ref().map(Workflow::edge_count),
        files: args.dags.clone(),
        problems: found,
    };
    let exit = if checked.errors() == 0 { Exit::Done } else { Exit::Failed };
    Ok(Outcome::of(&checked, args.json, call, exit))
}

/// The nodes of a DAG by state, as its job's ad has them.
pub(super) const STATES: [(&str, &str); 8] = [
    ("done", attr::DAG_NODES_DONE),
    ("in the queue", attr::DAG_NODES_QUEUED),
    ("in their PRE script", attr::DAG_NODES_PRERUN),
    ("in their POST script", attr::DAG_NODES_POSTRUN),
    ("ready", attr::DAG_NODES_READY),
    ("waiting for parents", attr::DAG_NODES_UNREADY),
    ("failed", attr::DAG_NODES_FAILED),
    ("futile", attr::DAG_NODES_FUTILE),
];

/// The ad of a DAG's job, in the queue or past it.
pub(super) fn dag_ad(job: ClusterId) -> Result<ClassAd> {
    let select = || Select::Any(vec![Selector::Cluster(job)]);
    let mut schedd = Home::from_environment().schedd()?;
    let mut found = schedd.jobs(Query::of(select()))?;
    if found.is_empty() {
        found = schedd.jobs(Query { finished: true, ..Query::of(select()) })?;
    }
    let Some(ad) = found.pop() else {
        bail!(finished::no_such_job(job, &schedd.totals()?.forgotten));
    };
    if ad.get(attr::DAG_NODES_TOTAL).is_none() && dag_file(&ad).is_none() {
        bail!("job {job} is no DAG");
    }
    Ok(ad)
}

/// How a DAG was submitted, by the arguments of its job.
pub(super) struct Submitted {
    /// The folder that its paths are seen from.
    pub(super) folder: String,
    /// Its files; there is one at least.
    pub(super) files: Vec<String>,
    /// The file with settings, if it has one.
    pub(super) config: Option<String>,
    pub(super) use_dag_dir: bool,
    /// The folder of dagman.out, absolute, if it has one of its own.
    pub(super) out_dir: Option<String>,
    /// The option that says where it begins, if that is not with the newest rescue file.
    pub(super) begins_by: Option<String>,
}

impl Submitted {
    /// Of this job; `None` if it names no DAG file, or no folder.
    pub(super) fn of(ad: &ClassAd) -> Option<Self> {
        let words = model::cmdline::argv_of(ad).ok()?;
        let after = |flag: &'static str| {
            let given = words.iter().zip(words.iter().skip(1));
            given.filter(move |(word, _)| word.eq_ignore_ascii_case(flag)).map(|(_, value)| value)
        };
        let files: Vec<String> = after("-dag").cloned().collect();
        let begins_by = ["-DoRescueFrom", "-RescueFile", "-load_save", "-AutoRescue"];
        let begins_by = begins_by.into_iter().find_map(|flag| {
            let value = after(flag).next_back()?;
            let is_newest = match flag {
                "-DoRescueFrom" => value == "0",
                "-AutoRescue" => !["0", "false"].iter().any(|no| value.eq_ignore_ascii_case(no)),
                _ => false,
            };
            (!is_newest).then(|| format!("{flag} {value}"))
        });
        let folder = ad.literal(attr::IWD).and_then(Value::as_str)?;
        let out_dir = after("-outfile_dir").next();
        let out_dir = out_dir.map(|dir| Path::new(folder).join(dir).to_string_lossy().into_owned());
        Some(Self {
            folder: folder.to_owned(),
            out_dir,
            config: after("-config").next().cloned().or_else(|| config_file(ad)),
            use_dag_dir: words.iter().any(|word| word.eq_ignore_ascii_case("-usedagdir")),
            files: Some(files).filter(|files| !files.is_empty())?,
            begins_by,
        })
    }

    /// The first DAG file, absolute.
    pub(super) fn primary(&self) -> String {
        Path::new(&self.folder).join(&self.files[0]).to_string_lossy().into_owned()
    }
}

/// The file with settings that a DAG's job was given.
fn config_file(ad: &ClassAd) -> Option<String> {
    let environment = model::cmdline::environ_of(ad).ok()?;
    environment.get(&format!("_CONDOR_{CONFIG_FILE}")).cloned()
}

/// The first DAG file in a DAG's arguments, absolute.
fn dag_file(ad: &ClassAd) -> Option<String> {
    Submitted::of(ad).map(|submitted| submitted.primary())
}

/// Whether a DAG's job has left the queue, or is about to.
pub(super) fn is_over(ad: &ClassAd) -> bool {
    let status = ad.literal(attr::JOB_STATUS).and_then(Value::as_i64);
    let over = [JobStatus::Completed, JobStatus::Removed];
    over.iter().any(|one| status == Some(one.number()))
}

/// The job in the queue that runs a DAG file, if there is one: two cannot run the same.
pub(super) fn in_the_queue(file: &str) -> Result<Option<ClusterId>> {
    let real = |path: &str| std::fs::canonicalize(path).ok();
    let Some(file) = real(file) else { return Ok(None) };
    let found = dagmans(&mut Home::from_environment().schedd()?, Query::of(Select::All))?;
    let runs = |ad: &&ClassAd| {
        !is_over(ad) && dag_file(ad).and_then(|path| real(&path)).as_ref() == Some(&file)
    };
    Ok(found.iter().find(runs).and_then(cluster_of))
}

/// A halt is a file beside the DAG: whoever may write there may halt it, as with HTCondor's dagman.
fn halt(job: ClusterId, halted: bool) -> Result<Halted> {
    let ad = dag_ad(job)?;
    let file = dag_file(&ad).with_context(|| format!("job {job} names no DAG file"))?;
    if is_over(&ad) {
        bail!("the DAG {job} is over: updraft dag rerun {job} runs it again");
    }
    let path = Names::new(&file, false).halt();
    if halted {
        std::fs::write(&path, "").with_context(|| format!("write {path}"))?;
    } else if Path::new(&path).exists() {
        std::fs::remove_file(&path).with_context(|| format!("remove {path}"))?;
    } else {
        bail!("the DAG {job} is not halted: there is no file {path}");
    }
    Ok(Halted { job, halted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dag_is_named_by_a_number_and_by_nothing_else_that_is_not_there() {
        assert_eq!(DagJob("12".to_owned()).cluster().unwrap(), ClusterId(12));
        let error = DagJob("no.dag".to_owned()).cluster().unwrap_err().to_string();
        assert!(error.starts_with("no.dag is neither the number of a DAG's job nor"), "{error}");
    }

    #[test]
    fn a_dag_that_does_not_begin_with_the_newest_rescue_file_names_the_option() {
        for (options, expected) in [
            ("-AutoRescue 1 -DoRescueFrom 0", None),
            ("-AutoRescue 0", Some("-AutoRescue 0")),
            ("-autorescue false", Some("-AutoRescue false")),
            ("-AutoRescue 1 -DoRescueFrom 2", Some("-DoRescueFrom 2")),
            ("-AutoRescue 1 -RescueFile r", Some("-RescueFile r")),
            ("-AutoRescue 1 -load_save s", Some("-load_save s")),
        ] {
            let mut ad = ClassAd::new();
            ad.set(attr::IWD, "/home/alice");
            ad.set(attr::ARGUMENTS, format!("-f -Dag a.dag {options}"));
            let submitted = Submitted::of(&ad).unwrap();
            assert_eq!(submitted.begins_by.as_deref(), expected, "{options}");
            assert_eq!(submitted.files, ["a.dag"], "{options}");
        }
    }
}
