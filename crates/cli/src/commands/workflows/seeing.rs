//! How a DAG is looked at: its standing in bars, once or again and again; its run as pictures and
//! as a page. What they look like, `render::workflow` knows.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use classad::{ClassAd, Env, Expr, Value};
use client::{Home, Query, Select};
use dagman::record::Names;
use dagman::record::story::Story;
use dagman::shell::Knobs;
use model::job_ad::{Streams, initial_directory, is_of_dag};
use model::{ClusterId, JobStatus, Universe, attr};
use proto::plain_file;

use super::dag::{DagJob, STATES, Submitted, dag_ad, waiting};
use super::dag_files::{self, Reading};
use super::standing::of_story;
use super::telling::Telling;
use crate::line::exit::Exit;
use crate::line::output;
use crate::render::said;
use crate::render::workflow::bars::{self, Driver, FailedNode, Inner, Standing};
use crate::render::workflow::{View, gantt, graph, report};

/// Draw a DAG as SVG: its graph, coloured by state, or its run over time.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// The DAG's job: its number, or the DAG file that it runs.
    job: DagJob,
    /// The run over time, with the slowest chain, in place of the graph.
    #[arg(long)]
    gantt: bool,
    /// Where the picture goes; without it, to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is drawn, as JSON.
    #[arg(long)]
    json: bool,
}

/// Write a page about a run: over time, its graph, time and memory of each node, retries.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The DAG's job: its number, or the DAG file that it runs.
    job: DagJob,
    /// Where the page goes; without it, beside the DAG file, as DAG.report.html.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is in it, as JSON on standard output, and no page.
    #[arg(long)]
    json: bool,
}

/// Show how far a DAG is until it is over.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// The DAG's job: its number, or the DAG file that it runs.
    job: DagJob,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// A line of JSON for each change.
    #[arg(long)]
    json: bool,
}

impl WatchArgs {
    /// To watch a DAG that was just submitted.
    pub fn new(job: ClusterId, json: bool) -> Self {
        Self { job: job.into(), interval: 1, json }
    }
}

/// Lines of a job's standard error that are shown, and what they may be at most.
const LAST_LINES: usize = 3;
const LAST_BYTES: u64 = 4096;

/// Nodes whose standard error is looked for.
const MAX_STDERR: usize = 20;

/// `updraft dag status`.
///
/// # Errors
///
/// If there is no such DAG, or no pool answers.
pub fn status(job: ClusterId, json: bool) -> Result<ExitCode> {
    let standing = Looking::at(job).look()?;
    let text = match json {
        true => said::json(&bars::json(&standing)),
        false => bars::text(&standing, output::automatic()),
    };
    output::put(&text)?;
    Ok(Exit::Done.into())
}

/// `updraft dag watch`: until the DAG is over. The exit status says whether it was done well.
///
/// # Errors
///
/// If there is no such DAG, or no pool answers.
pub fn watch(args: &WatchArgs) -> Result<ExitCode> {
    let (mut last, mut lines) = (String::new(), 0);
    let in_place = output::is_terminal() && !args.json;
    let mut looking = Looking::at(args.job.cluster()?);
    loop {
        let standing = looking.look()?;
        let text = match args.json {
            true => format!("{}\n", bars::json(&standing)),
            false => bars::text(&standing, output::automatic()),
        };
        // The time goes on though nothing happens: only a terminal is told that.
        let news = if in_place { text.clone() } else { without_time(&standing) };
        if news != last {
            let back =
                if in_place && lines > 0 { format!("\x1b[{lines}A\x1b[J") } else { String::new() };
            output::put_as_it_is(&format!("{back}{text}"))?;
            (last, lines) = (news, text.lines().count());
        }
        match standing.exit {
            Some(0) => return Ok(Exit::Done.into()),
            Some(_) => return Ok(Exit::Failed.into()),
            None => std::thread::sleep(Duration::from_secs(args.interval)),
        }
    }
}

fn without_time(standing: &Standing) -> String {
    bars::json(&Standing { elapsed_s: 0, eta_s: None, ..standing.clone() }).to_string()
}

/// `updraft dag plot`.
///
/// # Errors
///
/// If there is no such DAG, its files cannot be read, or the picture cannot be written.
pub fn plot(args: &PlotArgs) -> Result<ExitCode> {
    let place = args.output.as_deref().map(std::path::absolute).transpose()?;
    let unrun = args.job.file_that_never_ran().filter(|_| !args.gantt);
    let view = match unrun {
        Some(file) => view_of_file(file)?,
        None => view(args.job.cluster()?)?.0,
    };
    let text = match (args.json, args.gantt) {
        (true, _) => said::json(&view.json()),
        (false, true) => gantt::svg(&view),
        (false, false) => graph::svg(&view),
    };
    match place {
        Some(path) => {
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        }
        None => output::put(&text)?,
    }
    Ok(Exit::Done.into())
}

/// `updraft dag report`.
///
/// # Errors
///
/// If there is no such DAG, its files cannot be read, or the page cannot be written.
pub fn report(args: &ReportArgs) -> Result<ExitCode> {
    let place = args.output.as_deref().map(std::path::absolute).transpose()?;
    let (view, primary) = view(args.job.cluster()?)?;
    if args.json {
        output::put(&said::json(&view.json()))?;
        return Ok(Exit::Done.into());
    }
    let path = place.unwrap_or_else(|| PathBuf::from(format!("{primary}.report.html")));
    let page = report::html(&view);
    std::fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    output::put(&format!("{}\n", path.display()))?;
    Ok(Exit::Done.into())
}

fn number(ad: &ClassAd, name: &str) -> Option<i64> {
    ad.eval(name, None, &Env::at(now())).as_i64()
}

fn text_of(ad: &ClassAd, name: &str) -> Option<String> {
    ad.literal(name).and_then(Value::as_str).map(str::to_owned)
}

fn now() -> i64 {
    proto::clock::now().wall.as_secs()
}

/// The files of a DAG.
fn names_of(submitted: &Submitted) -> Names {
    Names::new(&submitted.primary(), false).with_out_dir(submitted.out_dir.clone())
}

/// With what a DAG that is over ended. One that was removed while no dagman ran for it has the
/// exit code of a life that had not been the last.
fn exit_of(ad: &ClassAd) -> i64 {
    let removed = JobStatus::Removed.number();
    number(ad, attr::DAG_EXIT_STATUS).unwrap_or_else(|| match number(ad, attr::JOB_STATUS) {
        Some(status) if status == removed => REMOVED,
        _ => number(ad, attr::EXIT_CODE).unwrap_or(1),
    })
}

/// What dagman exits with when its job is removed.
const REMOVED: i64 = 2;

/// The states of nodes that something is done about.
const UNDER_WAY: [&str; 3] = ["in the queue", "in their PRE script", "in their POST script"];

/// What a DAG's own job does.
fn driver(ad: &ClassAd) -> Driver {
    let is = |status: JobStatus| number(ad, attr::JOB_STATUS) == Some(status.number());
    if is(JobStatus::Held) {
        Driver::Held(text_of(ad, attr::HOLD_REASON).unwrap_or_default())
    } else if is(JobStatus::Idle) {
        Driver::Waits
    } else {
        Driver::Runs
    }
}

/// A DAG that is looked at, once or again and again.
struct Looking {
    job: ClusterId,
    telling: Option<Telling>,
    /// The nodes that failed when it was looked last: what they said stays.
    failed: Vec<FailedNode>,
}

impl Looking {
    fn at(job: ClusterId) -> Self {
        Self { job, telling: None, failed: Vec::new() }
    }

    fn look(&mut self) -> Result<Standing> {
        let ad = dag_ad(self.job)?;
        let count = |name: &str| number(&ad, name).unwrap_or(0);
        let total = count(attr::DAG_NODES_TOTAL);
        let mut states = STATES.map(|(name, attribute)| (name, count(attribute))).to_vec();
        let over = [attr::DAG_NODES_DONE, attr::DAG_NODES_FAILED, attr::DAG_NODES_FUTILE];
        let over: i64 = over.into_iter().map(count).sum();
        // 3 and 4: removed and completed
        let is_over = matches!(number(&ad, attr::JOB_STATUS), Some(3 | 4));
        let began = number(&ad, attr::JOB_START_DATE).or_else(|| number(&ad, attr::Q_DATE));
        let until = number(&ad, attr::COMPLETION_DATE).filter(|at| is_over && *at > 0);
        let elapsed_s = began.map_or(0, |began| until.unwrap_or_else(now) - began).max(0);
        if is_over {
            // What was under way when it was removed is not any more.
            let cut_off = states.iter_mut().filter(|(name, _)| UNDER_WAY.contains(name));
            let cut_off = cut_off.map(|(_, count)| std::mem::take(count)).sum();
            states.push(("removed", cut_off));
        }
        self.look_for_failed(&ad)?;
        Ok(Standing {
            job: self.job.0,
            total,
            states,
            failed: self.failed.clone(),
            elapsed_s,
            eta_s: bars::eta(total, over, elapsed_s).filter(|_| !is_over),
            exit: is_over.then(|| exit_of(&ad)),
            is_halted: !is_over
                && Submitted::of(&ad)
                    .is_some_and(|submitted| Path::new(&names_of(&submitted).halt()).exists()),
            driver: driver(&ad),
            waiting: if is_over { Vec::new() } else { waiting(&ad) },
        })
    }

    /// The nodes that failed, with what their jobs said last: looked up when there are others than
    /// before.
    fn look_for_failed(&mut self, ad: &ClassAd) -> Result<()> {
        if self.telling.is_none() {
            self.telling = Submitted::of(ad)
                .map(|submitted| Telling::of(names_of(&submitted).dagman_out(), self.job));
        }
        // A DAG whose dagman has not begun has told nothing.
        let story = self.telling.as_mut().and_then(|telling| telling.now().ok());
        let failed: Vec<(&str, &str)> =
            story.map(|story| story.failed().collect()).unwrap_or_default();
        let known = self.failed.iter().map(|one| (one.node.as_str(), one.why.as_str()));
        if known.eq(failed.iter().copied()) {
            return Ok(());
        }
        let one = |(node, why): &(&str, &str)| FailedNode {
            node: (*node).to_owned(),
            why: (*why).to_owned(),
            ..FailedNode::default()
        };
        self.failed = failed.iter().map(one).collect();
        add_stderr(self.job, &mut self.failed, DEEPEST)
    }
}

/// The ads of a DAG's jobs, in the queue and past it: of all its nodes, or only some.
fn jobs_of(job: ClusterId, nodes: Option<&[&str]>, wanted: &[&str]) -> Result<Vec<ClassAd>> {
    let mut schedd = Home::from_environment().schedd()?;
    let mut constraint = is_of_dag(job);
    if let Some(nodes) = nodes {
        let names = Expr::list(nodes.iter().map(|node| Expr::from(*node)));
        let is_one = Expr::call("member", [Expr::attr(attr::DAG_NODE_NAME), names]);
        constraint = constraint.and(is_one);
    }
    let projection = wanted.iter().map(|name| (*name).into()).collect();
    let query = Query { constraint: Some(constraint), projection, ..Query::of(Select::All) };
    let mut ads = schedd.jobs(Query { finished: true, ..query.clone() })?;
    ads.extend(schedd.jobs(query)?);
    Ok(ads)
}

/// So deep it is looked into DAGs in DAGs.
const DEEPEST: u32 = 4;

/// What the jobs of nodes that failed said last on their standard error; of those that are DAGs,
/// what failed in them.
fn add_stderr(job: ClusterId, failed: &mut [FailedNode], deepest: u32) -> Result<()> {
    if failed.is_empty() || deepest == 0 {
        return Ok(());
    }
    let told = failed.len().min(MAX_STDERR);
    let names: Vec<&str> = failed[..told].iter().map(|one| one.node.as_str()).collect();
    let wanted = [attr::DAG_NODE_NAME, attr::ERR, attr::IWD, attr::CLUSTER_ID, attr::JOB_UNIVERSE];
    let ads = jobs_of(job, Some(&names), &wanted)?;
    for one in &mut failed[..told] {
        let of_node =
            |ad: &&ClassAd| text_of(ad, attr::DAG_NODE_NAME).as_deref() == Some(&one.node);
        let last = ads.iter().filter(of_node).max_by_key(|ad| number(ad, attr::CLUSTER_ID));
        let path = last.and_then(|ad| Some(Streams::of(ad).stderr?.below(initial_directory(ad)?)));
        one.stderr = path.map(|path| last_lines(&path)).unwrap_or_default();
        let is_dag =
            |ad: &&&ClassAd| number(ad, attr::JOB_UNIVERSE) == Some(Universe::Scheduler.number());
        let inner = last.as_ref().filter(is_dag).and_then(|ad| number(ad, attr::CLUSTER_ID));
        if let Some(inner) = inner.and_then(|id| u32::try_from(id).ok()) {
            one.inner =
                Some(Inner { job: inner, failed: inner_failed(ClusterId(inner), deepest)? });
        }
    }
    Ok(())
}

/// What failed in a DAG that is a node of another; nothing, if it has told nothing.
fn inner_failed(job: ClusterId, deepest: u32) -> Result<Vec<FailedNode>> {
    let Ok(ad) = dag_ad(job) else { return Ok(Vec::new()) };
    let telling = Submitted::of(&ad).map(|of| Telling::of(names_of(&of).dagman_out(), job));
    let Some(mut telling) = telling else { return Ok(Vec::new()) };
    let Ok(story) = telling.now() else { return Ok(Vec::new()) };
    let one = |(node, why): (&str, &str)| FailedNode {
        node: node.to_owned(),
        why: why.to_owned(),
        ..FailedNode::default()
    };
    let mut failed: Vec<FailedNode> = story.failed().map(one).collect();
    add_stderr(job, &mut failed, deepest - 1)?;
    Ok(failed)
}

/// The last lines of a file; none if it cannot be read: who looks at a DAG wants the rest anyway.
fn last_lines(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<String> {
        let mut file = plain_file::read(path)?;
        let from = file.metadata()?.len().saturating_sub(LAST_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let clean = |line: &str| -> String { line.chars().filter(|c| !c.is_control()).collect() };
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(clean).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
}

/// A DAG that never ran: its graph.
fn view_of_file(file: &str) -> Result<View> {
    let read = dag_files::read_whole(&[file.to_owned()], false, None)?;
    let read = read.map_err(|found| {
        anyhow!("{}", found.iter().map(dagman::language::Diagnostic::render).collect::<String>())
    })?;
    let mut view = of_story(&read.workflow, &Story::default(), now());
    view.title = file.to_owned();
    Ok(view)
}

/// A run, and the path of its first DAG file.
fn view(job: ClusterId) -> Result<(View, String)> {
    let ad = dag_ad(job)?;
    let submitted = Submitted::of(&ad);
    let submitted =
        submitted.with_context(|| format!("job {job} names no DAG file: it is no DAG"))?;
    let primary = submitted.primary();
    let Submitted { folder, files, config, use_dag_dir, out_dir, begins_by: _ } = submitted;
    // What DAG files name is seen from there.
    std::env::set_current_dir(&folder).with_context(|| format!("go to {folder}"))?;
    let mut knobs = Knobs::default();
    dag_files::configure(&Home::from_environment(), &mut knobs, config.as_deref())?;
    let title = files[0].clone();
    let out = Names::new(&title, files.len() > 1).with_out_dir(out_dir).dagman_out();
    let mut telling = Telling::of(&out, job);
    let story = telling.now().with_context(|| format!("read {folder}/{out}"))?;
    if story.job.is_none() {
        bail!("{folder}/{out} says nothing of the job {job}: its dagman has not begun");
    }
    let reading = Reading { files, use_dag_dir, knobs };
    let assembled = reading.assemble(story.rescue.as_deref());
    let workflow = assembled
        .map_err(|found| {
            let first = found.into_iter().find(dagman::language::Diagnostic::is_error);
            anyhow!("{}", first.map(|one| one.message).unwrap_or_default())
        })
        .with_context(|| format!("read {primary} as it is now"))?
        .workflow;
    let mut view = of_story(&workflow, story, now());
    (view.title, view.job) = (title, job.0);
    add_memory(&mut view, job)?;
    Ok((view, primary))
}

fn add_memory(view: &mut View, job: ClusterId) -> Result<()> {
    let mut memory: BTreeMap<String, (Option<i64>, Option<i64>)> = BTreeMap::new();
    let wanted = [attr::DAG_NODE_NAME, attr::MEMORY_USAGE, attr::REQUEST_MEMORY];
    for ad in jobs_of(job, None, &wanted)? {
        let Some(name) = text_of(&ad, attr::DAG_NODE_NAME) else { continue };
        let known = memory.entry(name).or_default();
        known.0 = known.0.max(number(&ad, attr::MEMORY_USAGE));
        known.1 = known.1.max(number(&ad, attr::REQUEST_MEMORY));
    }
    for node in &mut view.nodes {
        (node.memory_mib, node.request_mib) = memory.get(&node.name).copied().unwrap_or_default();
    }
    Ok(())
}
