//! `<dag>.dagman.out`: what happened, a line each. The shapes are what pegasus-monitord and
//! people's own scripts match; HTCondor 25.14's, to the letter.

use model::{ClusterId, JobId};

use super::Stamp;
use super::jobstate::script_name;
use super::story::{FAILED_FOR_GOOD, REOPENED, SKIPPED, UNCHANGED};
use crate::core::{
    Core, Ending, Event, Failure, JobEnd, JobFact, JobsEnd, NOOP_PROC, NodeState, ScriptEnd,
};
use crate::workflow::{Description, Node, NodeIndex, NodeKind, ScriptKind};

/// What dagman says of itself when it begins.
#[derive(Clone, Debug)]
pub struct Banner<'b> {
    pub program: &'b str,
    /// Its command line, with its name.
    pub argv: &'b [String],
    pub pid: u32,
    pub uid: u32,
    /// Its own job.
    pub job: &'b str,
    /// The batch name of its job.
    pub batch_name: &'b str,
    /// The nodes' log.
    pub nodes_log: &'b str,
    pub lock: &'b str,
    /// The DAG files.
    pub dag_files: &'b [String],
}

/// What is said first, before the DAG files are read.
pub fn banner(banner: &Banner<'_>) -> Vec<String> {
    let stars = "*".repeat(54);
    let mut lines = vec![
        stars.clone(),
        "** condor_dagman (CONDOR_DAGMAN) STARTING UP".to_owned(),
        // pegasus-monitord takes the DAG's own id from this one
        format!("** condor_scheduniv_exec.{} (CONDOR_DAGMAN) STARTING UP", banner.job),
        format!("** {}", banner.program),
        format!("** {}", model::version::CONDOR_VERSION),
        format!("** PID = {} RealUID = {}", banner.pid, banner.uid),
        stars,
    ];
    let argv = banner.argv.iter().enumerate();
    lines.extend(argv.map(|(at, word)| format!("argv[{at}] == \"{word}\"")));
    lines.push(format!("Workflow batch-id: <{}>", banner.job));
    lines.push(format!("Workflow batch-name: <{}>", banner.batch_name));
    lines.push(format!("Default node log file is: <{}>", banner.nodes_log));
    lines.push(format!("DAG Lockfile will be written to {}", banner.lock));
    lines.extend(banner.dag_files.iter().map(|file| format!("DAG Input file is {file}")));
    lines
}

/// The limits, and what was read.
pub fn loaded(core: &Core, dag_files: &[String]) -> Vec<String> {
    let throttles = core.throttles();
    let mut lines = vec!["Setting DAGMan throttles:".to_owned()];
    for (name, value) in [
        ("Maximum Idle Jobs-------------", throttles.idle),
        ("Maximum Pre Scripts-----------", throttles.pre),
        ("Maximum Hold Scripts----------", throttles.hold),
        ("Maximum Post Scripts----------", throttles.post),
        ("Maximum Submitted Nodes-------", throttles.jobs),
    ] {
        lines.push(format!("\t{name}: {value}"));
    }
    lines.extend(parsing(dag_files));
    lines.push("Adjusting edges".to_owned());
    lines.push(format!("Dag contains {} total nodes", core.counts().total));
    lines.push("Bootstrapping...".to_owned());
    let done = core.workflow().nodes().filter(Node::is_done).count();
    lines.push(format!("Number of pre-completed nodes: {done}"));
    lines
}

/// What is read, whether it can be read or not.
pub fn parsing(dag_files: &[String]) -> Vec<String> {
    let each = dag_files.iter().map(|file| format!("Parsing {file} ..."));
    std::iter::once(format!("Parsing {} dagfiles", dag_files.len())).chain(each).collect()
}

/// The lines of an event, which has not been applied yet.
pub fn lines(core: &Core, event: &Event, now: &Stamp) -> Vec<String> {
    let name = |node: &NodeIndex| core.workflow().node(*node).name();
    match event {
        Event::ScriptStarted { node, script } => {
            vec![format!("Running {} script of Node {}...", script_name(*script), name(node))]
        }
        Event::ScriptEnded { node, script, end } => script_ended(core, *node, *script, end, now),
        Event::ScriptDeferred { node, script, .. } => {
            let (script, name) = (script_name(*script), name(node));
            vec![format!(
                "Deferring {script} script of node {name} for some time, as it asked (DEFER)"
            )]
        }
        Event::PreSkipped { node } => pre_skipped(core, *node, now),
        Event::SubmitPostponed { node, why, .. } => {
            let mut lines = submitting(core, *node);
            lines.push(format!("ERROR: submit attempt failed, {why}"));
            lines
        }
        Event::Submitted { node, cluster, jobs } => submitted(core, *node, *cluster, *jobs, now),
        Event::Unchanged { node, why } => vec![format!("Node {}{UNCHANGED}{why}", name(node))],
        Event::JobsLost { node } => vec![format!(
            "The queue was put back from a copy that does not know the jobs of node {}: they are submitted again",
            name(node)
        )],
        Event::SubmitFailed { node, tries, why } => submit_failed(core, *node, *tries, why, now),
        Event::NothingToSubmit { node } => without_jobs(core, *node, now),
        Event::Job { node, job, fact } => job_lines(core, *node, *job, fact, now),
        Event::RestRemoved { node, why } => {
            vec![format!("Removing the other job proc(s) of node {}: {why}", name(node))]
        }
        Event::Retried { node, until_ms, .. } => retried(core, *node, until_ms.is_some()),
        Event::Reopened { node } => {
            vec![format!("Node {}{REOPENED}", name(node))]
        }
        Event::Skipped { node } => {
            vec![format!("Node {}{SKIPPED}", name(node))]
        }
        Event::Failed { node, failure } => failed(core, *node, failure),
        Event::Aborted { node, .. } => aborted(core, *node),
        Event::Removed => vec!["Received SIGUSR1".to_owned(), "Aborting DAG...".to_owned()],
        Event::CycleFound => cycle(core),
        Event::Broke { why } => vec![format!("ERROR: {why}")],
        Event::Halted(true) => {
            vec!["DAG is halted because a halt was asked for; jobs that run go on".to_owned()]
        }
        Event::Halted(false) => vec!["DAG is resumed".to_owned()],
        Event::Provided => vec!["The PROVISIONER is ready: nodes may begin".to_owned()],
        Event::FinalBegan => final_begins(core),
        Event::Throttled(_) => vec!["Throttles were changed".to_owned()],
        Event::Began
        | Event::Rested { .. }
        | Event::SaveBegan { .. }
        | Event::SubmitBegan { .. }
        | Event::PostReady { .. }
        | Event::Done { .. }
        | Event::Finished { .. } => Vec::new(),
    }
}

fn retried(core: &Core, node: NodeIndex, rests: bool) -> Vec<String> {
    let next = core.retries(node) + 1;
    let node = core.workflow().node(node);
    let (name, retry) = (node.name(), node.retry().unwrap_or_default());
    let pause = retry.pause.filter(|_| rests).map(|pause| pause.before(next));
    let rest =
        pause.map(|seconds| format!("Node {name} waits {seconds} s before it is tried again"));
    let line = format!("Retrying node {name} (retry #{next} of {})...", retry.max);
    [line].into_iter().chain(rest).collect()
}

fn failed(core: &Core, node: NodeIndex, failure: &Failure) -> Vec<String> {
    let (name, Failure { code, text }) = (core.workflow().node(node).name(), failure);
    // A workflow that is to end tries nothing again in any case.
    let is_cut_short = core.progress().ending.is_none() && core.is_cut_short(node, *code);
    let cut_short = is_cut_short
        .then(|| format!("Aborting further retries of node {name} (last attempt returned {code})"));
    cut_short.into_iter().chain([format!("Node {name}{FAILED_FOR_GOOD}{text}")]).collect()
}

/// Readers know the first of the two lines.
fn aborted(core: &Core, node: NodeIndex) -> Vec<String> {
    let (part, name) = (part(core, node), core.workflow().node(node).name());
    vec![
        format!("Aborting DAG because we got the ABORT exit value from a {part}"),
        format!("The node {name} ended as its ABORT-DAG-ON says"),
    ]
}

fn final_begins(core: &Core) -> Vec<String> {
    let ending = core.progress().ending.as_ref();
    let mut lines = if ending.is_some() { Vec::new() } else { failures(core, "Node(s)") };
    // After a removal it has been said.
    if core.counts().done + 1 < core.counts().total && ending != Some(&Ending::Removed) {
        lines.push("Aborting DAG...".to_owned());
    }
    lines.push("Starting final node...".to_owned());
    lines
}

/// The part of a node that is over now.
fn part(core: &Core, node: NodeIndex) -> &'static str {
    match core.state(node) {
        NodeState::Pre(_) => "PRE script",
        NodeState::Post(..) => "POST script",
        NodeState::Waiting { .. }
        | NodeState::Resting { .. }
        | NodeState::Ready { .. }
        | NodeState::Submitting { .. }
        | NodeState::Queued(_)
        | NodeState::Done
        | NodeState::Failed(_)
        | NodeState::Futile => "job",
    }
}

/// What is said before what came of a submission: readers take the two together.
fn submitting(core: &Core, node: NodeIndex) -> Vec<String> {
    let node = core.workflow().node(node);
    let name = node.name();
    vec![
        format!("Submitting HTCondor Node {name} job(s)..."),
        format!("Submitting node {name} from file {} using direct job submission", file(&node)),
    ]
}

fn submitted(
    core: &Core,
    node: NodeIndex,
    cluster: ClusterId,
    jobs: u32,
    now: &Stamp,
) -> Vec<String> {
    let name = core.workflow().node(node).name();
    let mut lines = submitting(core, node);
    lines.push(format!("\tassigned HTCondor ID ({cluster}.0.0)"));
    let ids = (0..jobs).map(|proc| format!("{cluster}.{proc}.0"));
    lines.extend(ids.map(|id| ulog("ULOG_SUBMIT", name, &id, now)));
    // The node itself counted as one while its jobs were on their way.
    let at_once = core.workflow().node(node).map().and_then(|map| map.at_once);
    let there = u64::from(jobs.min(at_once.unwrap_or(u32::MAX)));
    let idle = core.counts().idle_jobs.saturating_sub(1) + there;
    lines.push(format!("Number of idle job procs: {idle}"));
    lines
}

fn submit_failed(core: &Core, node: NodeIndex, tries: u32, why: &str, now: &Stamp) -> Vec<String> {
    let name = core.workflow().node(node).name();
    let times = if tries == 1 { "try" } else { "tries" };
    let failure = ulog("ULOG_SUBMIT_FAILURE", name, "-1.-1.-1", now);
    // Of a sub-DAG that cannot be described, HTCondor's submits nothing.
    let is_subdag = core.workflow().node(node).kind() == NodeKind::Subdag;
    let mut lines = if is_subdag { Vec::new() } else { submitting(core, node) };
    lines.push(format!("ERROR: submit attempt failed, {why}"));
    lines.push(format!("{failure} {why}"));
    lines.push(format!("Node submit failed after {tries} {times}."));
    lines.push(format!("Shortcutting node {name} retries because of submit failure(s)"));
    lines
}

/// What readers expect of every node: one whose jobs are none has one of a number that no job has.
fn without_jobs(core: &Core, node: NodeIndex, now: &Stamp) -> Vec<String> {
    let name = core.workflow().node(node).name();
    let id = format!("0.{NOOP_PROC}.{}", core.next_noop());
    let idle = core.counts().idle_jobs;
    let is_empty = matches!(core.state(node), NodeState::Submitting { .. });
    let why = is_empty.then(|| format!("The list of node {name} has no items: it has no jobs"));
    let lines = [
        format!("Submitting HTCondor Node {name} job(s)..."),
        format!("\tassigned HTCondor ID ({id})"),
        ulog("ULOG_SUBMIT", name, &id, now),
        format!("Number of idle job procs: {}", idle + 1),
        ulog("ULOG_JOB_TERMINATED", name, &id, now),
        format!("Number of idle job procs: {idle}"),
        format!("Node {name} job proc ({id}) completed successfully."),
        format!("Node {name} job(s) have exited the queue"),
    ];
    why.into_iter().chain(lines).collect()
}

fn pre_skipped(core: &Core, node: NodeIndex, now: &Stamp) -> Vec<String> {
    let node = core.workflow().node(node);
    let (name, code) = (node.name(), node.pre_skip().unwrap_or_default());
    let id = format!("0.{NOOP_PROC}.{}", core.next_noop());
    vec![
        format!(
            "PRE_SKIP return value {code} indicates we are done (successfully) with node {name}"
        ),
        ulog("ULOG_PRESKIP", name, &id, now),
    ]
}

fn cycle(core: &Core) -> Vec<String> {
    let nodes = core.cycle();
    let names: Vec<&str> = nodes.iter().map(|node| core.workflow().node(*node).name()).collect();
    vec![
        "... ERROR: a cycle exists in the dag, please check input".to_owned(),
        format!("Cycle: {} -> {}", names.join(" -> "), names.first().unwrap_or(&"")),
    ]
}

/// The table of states, after a batch that changed something.
pub fn table(core: &Core) -> Vec<String> {
    let counts = core.counts();
    let status = core.progress().status;
    vec![
        format!("DAG status: {} ({})", status.number(), status.name()),
        format!("Of {} nodes total:", counts.total),
        " Done     Pre   Queued    Post   Ready   Un-Ready   Failed   Futile".to_owned(),
        "  ===     ===      ===     ===     ===        ===      ===      ===".to_owned(),
        format!(
            "{:>5} {:>7} {:>8} {:>7} {:>7} {:>10} {:>8} {:>8}",
            counts.done,
            counts.pre,
            counts.queued,
            counts.post,
            counts.ready,
            counts.waiting,
            counts.failed,
            counts.futile
        ),
        format!("{} job proc(s) currently held", counts.held_jobs),
    ]
}

/// The nodes that failed, without those that run beside the others (HTCondor 25.14).
fn failures(core: &Core, what: &str) -> Vec<String> {
    let counted = core.workflow().nodes().filter(|node| core.is_counted(node.index()));
    let failed = counted.filter_map(|node| Some((node, core.state(node.index()).failure()?)));
    let mut lines = Vec::new();
    for (node, failure) in failed {
        if lines.is_empty() {
            lines.push(format!("ERROR: the following {what} failed:"));
        }
        let names = |edges: &mut dyn Iterator<Item = crate::workflow::Edge>| {
            let names = edges.map(|edge| core.workflow().node(edge.node).name());
            names.collect::<Vec<_>>().join(", ")
        };
        lines.push("---------------------- Node ----------------------".to_owned());
        lines.push(format!("      Node Name: {}", node.name()));
        lines.push(format!("           Noop: {}", node.is_noop()));
        lines.push(format!("         NodeID: {}", node.index().position()));
        lines.push("    Node Status: STATUS_ERROR    ".to_owned());
        lines.push(format!("Node return val: {}", failure.code));
        lines.push(format!("          Error: {}", failure.text));
        lines.push(format!("Job Submit File: {}", file(&node)));
        let retries = core.retries(node.index());
        if retries > 0 {
            lines.push(format!("          Retry: {retries}"));
        }
        lines.push(format!(
            "PARENTS: {} WAITING: 0 CHILDREN: {}",
            names(&mut node.parents()),
            names(&mut node.children())
        ));
    }
    if !lines.is_empty() {
        lines.push("---------------------------------------\t<END>".to_owned());
    }
    lines
}

/// How it all came out, when everything is over.
pub fn result(core: &Core, status: i32, has_rescue: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !has_rescue && status == 0 && core.progress().ending.is_none() {
        lines.push("All jobs Completed!".to_owned());
        return lines;
    }
    let last = core.workflow().final_node();
    if last.is_some_and(|node| core.state(node).failure().is_some()) {
        lines.extend(failures(core, "job(s)"));
        lines.push("Aborting DAG...".to_owned());
    }
    if last.is_some() {
        // What else failed was told before it began.
        return lines;
    }
    match &core.progress().ending {
        // The rest was told when it was removed.
        Some(Ending::Removed) => {}
        Some(Ending::Aborted(_) | Ending::Cycle | Ending::Broken(_)) => {
            lines.push("Aborting DAG...".to_owned());
        }
        None => {
            lines.extend(failures(core, "job(s)"));
            lines.push("Aborting DAG...".to_owned());
        }
    }
    lines
}

/// From which rescue file a run begins.
pub fn rescued(number: Option<u32>, from: &str, dag: &str) -> String {
    let number = number.map(|number| format!(" number {number}")).unwrap_or_default();
    format!("Found rescue DAG{number}; running {from} in combination with normal DAG file {dag}")
}

/// How often nodes had to wait because of a limit.
pub fn deferrals(core: &Core) -> [String; 6] {
    let (counts, throttles) = (core.counts(), core.throttles());
    let note =
        |count: u64, cause: &str| format!("Note: {count} total node deferrals because of {cause}");
    let scripts = |count: u64, kind: &str, flag: &str, limit: u32| {
        format!(
            "Note: {count} total {kind} script deferrals because of {flag} limit ({limit}) or DEFER"
        )
    };
    [
        note(counts.deferred_for_jobs, &format!("-MaxJobs limit ({})", throttles.jobs)),
        note(counts.deferred_for_idle, &format!("-MaxIdle limit ({})", throttles.idle)),
        note(counts.deferred_for_category, "node category throttles"),
        scripts(counts.deferred_pre, "PRE", "-MaxPre", throttles.pre),
        scripts(counts.deferred_post, "POST", "-MaxPost", throttles.post),
        scripts(counts.deferred_hold, "HOLD", "-MaxHold", throttles.hold),
    ]
}

/// The last line of all.
pub fn end(pid: u32, status: i32) -> String {
    format!("**** condor_dagman (condor_DAGMAN) pid {pid} EXITING WITH STATUS {status}")
}

fn script_ended(
    core: &Core,
    node: NodeIndex,
    script: ScriptKind,
    end: &ScriptEnd,
    now: &Stamp,
) -> Vec<String> {
    let name = core.workflow().node(node).name();
    let which = script_name(script);
    let how = match end {
        ScriptEnd::Exited(0) => "completed successfully.".to_owned(),
        ScriptEnd::Exited(code) => format!("failed with status {code}"),
        ScriptEnd::Signaled(signal) => format!("died on signal {signal}"),
        ScriptEnd::NotStarted(why) => format!("could not be started: {why}"),
    };
    let mut lines = Vec::new();
    if let (ScriptKind::Post, NodeState::Post(_, jobs)) = (script, core.state(node)) {
        let jobs: &JobsEnd = jobs;
        let JobsEnd { cluster, .. } = jobs;
        let id = match cluster {
            Some(_) if jobs.is_noop() => format!("0.{NOOP_PROC}.{}", jobs.noop),
            Some(cluster) => format!("{cluster}.{}.0", jobs.last_proc()),
            None => "-1.-1.-1".to_owned(),
        };
        lines.push(ulog("ULOG_POST_SCRIPT_TERMINATED", name, &id, now));
    }
    // HTCondor writes the word so in this case only.
    let node = if script == ScriptKind::Pre && end.code() != 0 { "Node" } else { "node" };
    lines.push(format!("{which} Script of {node} {name} {how}"));
    lines
}

fn job_lines(core: &Core, node: NodeIndex, job: JobId, fact: &JobFact, now: &Stamp) -> Vec<String> {
    let name = core.workflow().node(node).name();
    let id = format!("{job}.0");
    let mut lines = Vec::new();
    let Some(cluster) = core.state(node).queued() else { return lines };
    let was_idle = cluster.job(job.proc) == Some(crate::core::JobStanding::Idle);
    let idle = core.counts().idle_jobs.saturating_sub(u64::from(was_idle));
    match fact {
        JobFact::Executing => {
            lines.push(ulog("ULOG_EXECUTE", name, &id, now));
            lines.push(format!("Number of idle job procs: {idle}"));
        }
        JobFact::Evicted => {
            lines.push(ulog("ULOG_JOB_EVICTED", name, &id, now));
            lines.push(format!("Number of idle job procs: {}", idle + 1));
        }
        JobFact::Held { reason, code, subcode } => {
            lines.push(ulog("ULOG_JOB_HELD", name, &id, now));
            lines.push(format!("  Hold reason: {reason} (code {code}, subcode {subcode})"));
        }
        JobFact::Released => lines.push(ulog("ULOG_JOB_RELEASED", name, &id, now)),
        JobFact::Provides => {}
        JobFact::Over(end) => {
            let (event, how) = match end {
                JobEnd::Exited(0) => {
                    ("ULOG_JOB_TERMINATED", Some("completed successfully.".to_owned()))
                }
                JobEnd::Exited(code) => {
                    ("ULOG_JOB_TERMINATED", Some(format!("failed with status {code}.")))
                }
                JobEnd::Signaled(signal) => {
                    ("ULOG_JOB_TERMINATED", Some(format!("failed with signal {signal}.")))
                }
                JobEnd::Removed => ("ULOG_JOB_ABORTED", None),
            };
            lines.push(ulog(event, name, &id, now));
            lines.push(format!("Number of idle job procs: {idle}"));
            lines.extend(how.map(|how| format!("Node {name} job proc ({id}) {how}")));
            if cluster.left == 1 {
                lines.push(format!("Node {name} job(s) have exited the queue"));
            }
        }
    }
    lines
}

fn ulog(event: &str, node: &str, id: &str, now: &Stamp) -> String {
    format!("Event: {event} for HTCondor Node {node} ({id}) {{{}}}", now.in_log())
}

fn file<'w>(node: &Node<'w>) -> &'w str {
    match node.description() {
        Description::Nothing => "",
        Description::File(file) => file,
        Description::Inline(_) => "<inline>",
        Description::Named { name, .. } => name,
    }
}
