//! How a DAG is looked at: its standing in bars, once or again and again; its run as pictures and
//! as a page. What they look like, `render::workflow` knows.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use classad::{ClassAd, Env, Value};
use client::{Home, Query, Select};
use dagman::Workflow;
use dagman::record::Names;
use dagman::record::story::{self, NodeStory, Story};
use dagman::shell::Knobs;
use dagman::workflow::{Node, ScriptKind};
use jiff::tz::TimeZone;
use model::{ClusterId, attr};

use super::dag::{STATES, dag_ad, failed_nodes};
use super::dag_files::{self, Reading};
use crate::line::exit::Exit;
use crate::line::output;
use crate::render::said;
use crate::render::workflow::bars::{self, FailedNode, Standing};
use crate::render::workflow::{NodeView, Part, Span, State, View, gantt, graph, report};

/// Draw a DAG as SVG: its graph, coloured by state, or its run over time.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// The DAG's job.
    job: u32,
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
    /// The DAG's job.
    job: u32,
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
    /// The DAG's job.
    job: u32,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// A line of JSON for each change.
    #[arg(long)]
    json: bool,
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
    let standing = standing(job)?;
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
    loop {
        let standing = standing(ClusterId(args.job))?;
        let text = match args.json {
            true => format!("{}\n", bars::json(&standing)),
            false => bars::text(&standing, output::automatic()),
        };
        // The time goes on though nothing happens: only a terminal is told that.
        let news = if in_place { text.clone() } else { without_time(&standing) };
        if news != last {
            let back =
                if in_place && lines > 0 { format!("\x1b[{lines}A\x1b[J") } else { String::new() };
            output::put(&format!("{back}{text}"))?;
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
    let (view, _) = view(ClusterId(args.job))?;
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
    let (view, primary) = view(ClusterId(args.job))?;
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

fn standing(job: ClusterId) -> Result<Standing> {
    let ad = dag_ad(job)?;
    let count = |name: &str| number(&ad, name).unwrap_or(0);
    let total = count(attr::DAG_NODES_TOTAL);
    let states = STATES.map(|(name, attribute)| (name, count(attribute))).to_vec();
    let over = [attr::DAG_NODES_DONE, attr::DAG_NODES_FAILED, attr::DAG_NODES_FUTILE];
    let over: i64 = over.into_iter().map(count).sum();
    // 3 and 4: removed and completed
    let is_over = matches!(number(&ad, attr::JOB_STATUS), Some(3 | 4));
    let began = number(&ad, attr::JOB_START_DATE).or_else(|| number(&ad, attr::Q_DATE));
    let until = number(&ad, attr::COMPLETION_DATE).filter(|at| is_over && *at > 0);
    let elapsed_s = began.map_or(0, |began| until.unwrap_or_else(now) - began).max(0);
    let mut failed: Vec<FailedNode> = failed_nodes(&ad)?
        .into_iter()
        .map(|(node, why)| FailedNode { node, why, stderr: Vec::new() })
        .collect();
    if !failed.is_empty() {
        add_stderr(job, &mut failed)?;
    }
    Ok(Standing {
        job: job.0,
        total,
        states,
        failed,
        elapsed_s,
        eta_s: bars::eta(total, over, elapsed_s).filter(|_| !is_over),
        exit: is_over.then(|| number(&ad, attr::EXIT_CODE).unwrap_or(1)),
    })
}

/// The ads of a DAG's jobs, in the queue and past it.
fn jobs_of(job: ClusterId, wanted: &[&str]) -> Result<Vec<ClassAd>> {
    let mut schedd = Home::from_environment().schedd()?;
    let constraint = format!("{} == {job}", attr::DAGMAN_JOB_ID);
    let constraint = constraint.parse().map_err(|error| anyhow!("{constraint}: {error}"))?;
    let projection = wanted.iter().map(|name| (*name).into()).collect();
    let query = Query { constraint: Some(constraint), projection, ..Query::of(Select::All) };
    let mut ads = schedd.jobs(Query { finished: true, ..query.clone() })?;
    ads.extend(schedd.jobs(query)?);
    Ok(ads)
}

/// What the jobs of nodes that failed said last on their standard error.
fn add_stderr(job: ClusterId, failed: &mut [FailedNode]) -> Result<()> {
    let ads = jobs_of(job, &[attr::DAG_NODE_NAME, attr::ERR, attr::IWD, attr::CLUSTER_ID])?;
    for one in failed.iter_mut().take(MAX_STDERR) {
        let of_node =
            |ad: &&ClassAd| text_of(ad, attr::DAG_NODE_NAME).as_deref() == Some(&one.node);
        let last = ads.iter().filter(of_node).max_by_key(|ad| number(ad, attr::CLUSTER_ID));
        let path = last.and_then(|ad| {
            let name = text_of(ad, attr::ERR)?;
            Some(Path::new(&text_of(ad, attr::IWD)?).join(name))
        });
        one.stderr = path.map(|path| last_lines(&path)).unwrap_or_default();
    }
    Ok(())
}

/// The last lines of a file; none if it cannot be read: who looks at a DAG wants the rest anyway.
fn last_lines(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(String::new());
        }
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

/// A run, and the path of its first DAG file.
fn view(job: ClusterId) -> Result<(View, String)> {
    let ad = dag_ad(job)?;
    let words = model::cmdline::argv_of(&ad).unwrap_or_default();
    let after = |flag: &str| {
        let flags = words.iter().zip(words.iter().skip(1));
        let given = flags.filter(move |(word, _)| word.eq_ignore_ascii_case(flag));
        given.map(|(_, value)| value.clone()).collect::<Vec<String>>()
    };
    let files = after("-dag");
    let Some(primary) = files.first().cloned() else {
        return Err(anyhow!("job {job} names no DAG file: it is no DAG"));
    };
    let folder = text_of(&ad, attr::IWD).with_context(|| format!("job {job} has no folder"))?;
    // What DAG files name is seen from there.
    std::env::set_current_dir(&folder).with_context(|| format!("go to {folder}"))?;
    let mut knobs = Knobs::default();
    let config = after("-config");
    dag_files::configure(
        &Home::from_environment(),
        &mut knobs,
        config.first().map(String::as_str),
    )?;
    let use_dag_dir = words.iter().any(|word| word.eq_ignore_ascii_case("-usedagdir"));
    let names = Names::new(&primary, files.len() > 1);
    let out = names.dagman_out();
    let text = std::fs::read_to_string(&out).with_context(|| format!("read {folder}/{out}"))?;
    let story = story::read(&text, &TimeZone::system());
    let reading = Reading { files, use_dag_dir, knobs };
    let assembled = reading.assemble(story.rescue.as_deref());
    let workflow = assembled
        .map_err(|found| {
            let first = found.into_iter().find(dagman::language::Diagnostic::is_error);
            anyhow!("{}", first.map(|one| one.message).unwrap_or_default())
        })
        .with_context(|| format!("read {folder}/{primary} as it is now"))?
        .workflow;
    let mut view = of_story(&workflow, &story, now());
    (view.title, view.job) = (primary.clone(), job.0);
    add_memory(&mut view, job)?;
    Ok((view, format!("{folder}/{primary}")))
}

fn add_memory(view: &mut View, job: ClusterId) -> Result<()> {
    let mut memory: BTreeMap<String, (Option<i64>, Option<i64>)> = BTreeMap::new();
    for ad in jobs_of(job, &[attr::DAG_NODE_NAME, attr::MEMORY_USAGE, attr::REQUEST_MEMORY])? {
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

/// What a DAG's graph and its story come to.
fn of_story(workflow: &Workflow, story: &Story, now: i64) -> View {
    let until = if story.exit.is_some() { story.last } else { now };
    let none = NodeStory::default();
    let told = |node: &Node<'_>| story.nodes.get(node.name()).unwrap_or(&none);
    let nodes = workflow.nodes().map(|node| {
        let told = told(&node);
        NodeView {
            name: node.name().to_owned(),
            state: state_of(&node, told).unwrap_or(State::Waiting),
            attempts: told.attempts.len(),
            spans: told.attempts.iter().flat_map(|attempt| spans(attempt, until)).collect(),
            failure: told.error.clone().or_else(|| failure_of(told)),
            memory_mib: None,
            request_mib: None,
        }
    });
    let edges = workflow.nodes().flat_map(|node| {
        let from = node.index().position();
        node.children().map(move |edge| (from, edge.node.position())).collect::<Vec<_>>()
    });
    let mut view = View {
        began: story.began,
        now: until,
        exit: story.exit,
        nodes: nodes.collect(),
        edges: edges.collect(),
        ..View::default()
    };
    for node in in_order(workflow) {
        let at = node.index().position();
        if state_of(&node, told(&node)).is_none() {
            view.nodes[at].state = waiting_state(&node, &view);
        } else if story.exit.is_some() && !is_over(view.nodes[at].state) {
            // dagman took it with it
            view.nodes[at].state = State::Futile;
        }
    }
    view
}

fn is_over(state: State) -> bool {
    matches!(state, State::Done | State::Failed | State::Futile)
}

/// All nodes, each behind its parents.
fn in_order(workflow: &Workflow) -> Vec<Node<'_>> {
    let mut waits: Vec<usize> = workflow.nodes().map(|node| node.parents().len()).collect();
    let mut order: Vec<Node<'_>> =
        workflow.nodes().filter(|node| node.parents().len() == 0).collect();
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for edge in node.children() {
            let left = &mut waits[edge.node.position()];
            *left -= 1;
            if *left == 0 {
                order.push(workflow.node(edge.node));
            }
        }
    }
    order
}

/// Where a node stands that has not begun.
fn waiting_state(node: &Node<'_>, view: &View) -> State {
    let parents = || node.parents().map(|edge| (edge.weak, view.nodes[edge.node.position()].state));
    let lost =
        |(weak, state): (bool, State)| !weak && matches!(state, State::Failed | State::Futile);
    if parents().any(lost) {
        State::Futile
    } else if parents().all(|(_, state)| is_over(state)) && view.exit.is_none() {
        State::Ready
    } else {
        State::Waiting
    }
}

/// What was said of a node; none if it has not begun.
fn state_of(node: &Node<'_>, told: &NodeStory) -> Option<State> {
    if told.error.is_some() {
        return Some(State::Failed);
    }
    if node.is_done() || told.skipped {
        return Some(State::Done);
    }
    let has_post = node.script(ScriptKind::Post).is_some();
    let last = told.last();
    if let Some(post) = last.and_then(|attempt| attempt.post.as_ref()) {
        return Some(match (post.ended, &post.failure) {
            (None, _) => State::Script,
            (Some(_), None) => State::Done,
            (Some(_), Some(_)) => State::Failed,
        });
    }
    let by_jobs = |failed: bool| match (has_post, failed) {
        (true, _) => State::Script,
        (false, true) => State::Failed,
        (false, false) => State::Done,
    };
    if told.noop {
        return Some(by_jobs(false));
    }
    let attempt = last?;
    let pre = attempt.pre.as_ref();
    Some(if attempt.ended.is_some() {
        by_jobs(attempt.failure.is_some() && node.tolerance().is_none())
    } else if attempt.held {
        State::Held
    } else if attempt.started.is_some() {
        State::Running
    } else if attempt.submitted.is_some() {
        State::Queued
    } else if pre.is_some_and(|pre| pre.ended.is_none()) {
        State::Script
    } else if pre.is_some_and(|pre| pre.failure.is_some()) {
        State::Failed
    } else {
        State::Ready
    })
}

/// How the last attempt that failed did.
fn failure_of(told: &NodeStory) -> Option<String> {
    told.attempts.iter().rev().find_map(|attempt| {
        let script = |script: &Option<story::Script>, name: &str| {
            let failure = script.as_ref()?.failure.as_ref()?;
            Some(format!("{name} script {failure}"))
        };
        script(&attempt.post, "POST")
            .or_else(|| attempt.failure.clone())
            .or_else(|| script(&attempt.pre, "PRE"))
    })
}

fn spans(attempt: &story::Attempt, until: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut put = |part, from: Option<i64>, to: Option<i64>, failed| {
        if let Some(from) = from {
            spans.push(Span { part, from, to: to.unwrap_or(until).max(from), failed });
        }
    };
    if let Some(pre) = &attempt.pre {
        put(Part::Pre, Some(pre.began), pre.ended, pre.failure.is_some());
    }
    put(Part::Wait, attempt.submitted, attempt.started.or(attempt.ended), false);
    put(Part::Run, attempt.started, attempt.ended, attempt.failure.is_some());
    if let Some(post) = &attempt.post {
        put(Part::Post, Some(post.began), post.ended, post.failure.is_some());
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use dagman::workflow::{FileError, Files, Options, assemble};

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &str) -> Result<String, FileError> {
            Ok(self.0.to_owned())
        }

        fn exists(&self, _: &str) -> bool {
            true
        }
    }

    /// The states of a DAG's nodes after these lines of dagman.out, a second apart.
    fn check(dag: &'static str, lines: &[&str], expected: &str) {
        let assembled = assemble(&Options::new(vec!["a.dag".to_owned()]), &One(dag));
        let workflow = assembled.expect("the DAG is sound").workflow;
        let up = ["** condor_scheduniv_exec.1.0 (CONDOR_DAGMAN) STARTING UP"];
        let lines = up.iter().chain(lines).enumerate();
        let text: String =
            lines.map(|(n, line)| format!("01/01/70 00:00:{n:02} {line}\n")).collect();
        let view = of_story(&workflow, &story::read(&text, &TimeZone::UTC), 100);
        let states: Vec<String> =
            view.nodes.iter().map(|node| format!("{} {}", node.name, node.state.name())).collect();
        assert_eq!(states.join(", "), expected, "{text}");
    }

    #[test]
    fn each_node_stands_where_dagman_said_last_or_where_its_parents_leave_it() {
        let dag = "JOB A a\nJOB B a\nJOB C a NOOP\nJOB D a\nPARENT A B CHILD C\n\
                   PARENT A B CHILD D\nSCRIPT POST B x\n";
        let submit = |n: &str| format!("Event: ULOG_SUBMIT for HTCondor Node {n} (2.0.0) {{x}}");
        let run = |n: &str| format!("Event: ULOG_EXECUTE for HTCondor Node {n} (2.0.0) {{x}}");
        let over = |n: &str| format!("Node {n} job(s) have exited the queue");
        check(dag, &[], "A ready, B ready, C waiting, D waiting");
        check(dag, &[&submit("A"), &run("B")], "A queued, B running, C waiting, D waiting");
        let both = [run("A"), over("A"), over("B")];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        check(dag, &both, "A done, B script, C waiting, D waiting");
        let post =
            ["Running POST script of Node B...", "POST Script of node B completed successfully."];
        let noop = ["Node C has no jobs to submit (NOOP)"];
        check(dag, &[&both[..], &post, &noop].concat(), "A done, B done, C done, D ready");
        let failed = ["Node A job proc (2.0.0) failed with status 1."];
        let ended = ["**** condor_dagman (condor_DAGMAN) pid 7 EXITING WITH STATUS 1"];
        check(dag, &[&failed[..], &both].concat(), "A failed, B script, C futile, D futile");
        check(
            dag,
            &[&failed[..], &both, &ended].concat(),
            "A failed, B futile, C futile, D futile",
        );
    }
}
