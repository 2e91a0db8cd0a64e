//! A pretended schedd and pretended scripts: submissions are answered at once, everything else is
//! told by the test's script. It knows no rule of DAGMan's.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ClusterId, JobId, Now, ProcId, Timestamp};

use super::super::*;
use crate::language::{Command, Lines, parse};
use crate::workflow::{
    Abort, Builder, Defer, Description, Items, Map, NewNode, NodeIndex, NodeKind, Script,
    ScriptKind, Tolerance, ToleranceLimit, WhenExceeded,
};

/// A workflow whose script is played.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) journal: Vec<Event>,
    now: Now,
    next: u32,
    clusters: BTreeMap<NodeIndex, ClusterId>,
    jobs: BTreeMap<String, u32>,
    /// Nodes that cannot be submitted; whether for good.
    refused: BTreeMap<String, bool>,
    /// Nodes of which nothing changed.
    same: Vec<String>,
    said: Vec<String>,
}

/// Plays a script on a DAG, and compares what is begun and what ends with what is expected.
pub(super) fn check(dag: &str, script: &str, expected: &expect_test::Expect) {
    check_with(Options::default(), dag, script, expected);
}

/// The same with options.
pub(super) fn check_with(
    options: Options,
    dag: &str,
    script: &str,
    expected: &expect_test::Expect,
) {
    let mut world = World::new(dag, options);
    world.play(script);
    expected.assert_eq(&world.said());
}

impl World {
    pub(super) fn new(dag: &str, options: Options) -> Self {
        Self {
            core: Core::new(Arc::new(read(dag)), options),
            journal: Vec::new(),
            now: Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000_000 },
            next: 1,
            clusters: BTreeMap::new(),
            jobs: BTreeMap::new(),
            refused: BTreeMap::new(),
            same: Vec::new(),
            said: Vec::new(),
        }
    }

    pub(super) fn said(&self) -> String {
        self.said.iter().map(|line| format!("{line}\n")).collect()
    }

    /// `jobs A 3` (0: its list has no items), `refuse A [lasting]`, `accept A`, `same A` (nothing
    /// changed), `begin`, `exit A[.proc] CODE`, `signal A N`, `gone A` (removed), `hold A`,
    /// `memory A` (held for it), `run A`, `ready A` (provides), `pre A CODE`, `post A CODE`,
    /// `holdscript A CODE`, `lost A` (with the queue), `remove`, `halt`, `resume`, `retry A`,
    /// `skip A`, `later SECONDS`.
    pub(super) fn play(&mut self, script: &str) {
        for line in script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            self.said.push(format!("> {line}"));
            let words: Vec<&str> = line.split_whitespace().collect();
            self.step(&words);
            self.core.check();
        }
    }

    fn step(&mut self, words: &[&str]) {
        let number = |at: usize| words.get(at).and_then(|n| n.parse::<i32>().ok()).unwrap_or(0);
        let input = match words {
            ["jobs", node, count] => {
                self.jobs.insert((*node).to_owned(), count.parse().unwrap());
                return;
            }
            ["refuse", node, rest @ ..] => {
                self.refused.insert((*node).to_owned(), !rest.is_empty());
                return;
            }
            ["accept", node] => {
                self.refused.remove(*node);
                return;
            }
            ["same", node] => {
                self.same.push((*node).to_owned());
                return;
            }
            ["begin"] => Input::Begin,
            ["later", seconds] => {
                self.now.boot_ms += seconds.parse::<u64>().unwrap() * 1000;
                Input::Tick
            }
            ["exit", job, _] => self.fact(job, JobFact::Over(JobEnd::Exited(number(2)))),
            ["signal", job, _] => self.fact(job, JobFact::Over(JobEnd::Signaled(number(2)))),
            ["gone", job] => self.fact(job, JobFact::Over(JobEnd::Removed)),
            ["run", job] => self.fact(job, JobFact::Executing),
            ["ready", job] => self.fact(job, JobFact::Provides),
            ["hold", job] => {
                let reason = "test".to_owned();
                self.fact(job, JobFact::Held { reason, code: 1, subcode: 0 })
            }
            ["memory", job] => {
                let reason = "test".to_owned();
                self.fact(job, JobFact::Held { reason, code: 34, subcode: 102 })
            }
            ["pre", node, _] => self.script(node, ScriptKind::Pre, number(2)),
            ["post", node, _] => self.script(node, ScriptKind::Post, number(2)),
            ["holdscript", node, _] => self.script(node, ScriptKind::Hold, number(2)),
            ["lost", node] => {
                let node = self.find(node);
                Input::JobsLost { node, cluster: self.clusters[&node] }
            }
            ["remove"] => Input::Remove,
            ["halt"] => Input::Halt(true),
            ["resume"] => Input::Halt(false),
            ["retry", node] => Input::Retry { node: self.find(node) },
            ["skip", node] => Input::Skip { node: self.find(node) },
            ["maxjobs", _] => {
                let jobs = u32::try_from(number(1)).unwrap();
                Input::Throttle(Throttles { jobs, ..*self.core.throttles() })
            }
            other => panic!("no such step: {other:?}"),
        };
        self.take(vec![input]);
    }

    fn fact(&self, job: &str, fact: JobFact) -> Input {
        let (node, proc) = job.split_once('.').unwrap_or((job, "0"));
        let cluster = self.clusters[&self.find(node)];
        Input::Job { job: JobId { cluster, proc: ProcId(proc.parse().unwrap()) }, fact }
    }

    fn script(&self, node: &str, script: ScriptKind, code: i32) -> Input {
        let node = self.find(node);
        let retry = self.core.retries(node);
        Input::ScriptEnded { node, retry, script, end: ScriptEnd::Exited(code) }
    }

    fn find(&self, node: &str) -> NodeIndex {
        self.core.workflow().find(node).unwrap_or_else(|| panic!("there is no node {node}"))
    }

    /// Runs batches until nothing more follows.
    pub(super) fn take(&mut self, mut inputs: Vec<Input>) {
        loop {
            let batch =
                run_batch(&mut self.core, self.now, &std::mem::take(&mut inputs), |_, _| {});
            for rejection in &batch.rejected {
                self.said.push(format!("rejected: {rejection}"));
            }
            for event in &batch.events {
                self.say_event(event);
            }
            self.journal.extend(batch.events);
            for effect in batch.effects {
                inputs.extend(self.perform(&effect));
            }
            if inputs.is_empty() && !batch.more {
                return;
            }
        }
    }

    fn say_event(&mut self, event: &Event) {
        let name = |node: &NodeIndex| self.core.workflow().node(*node).name().to_owned();
        let line = match event {
            Event::Done { node } => format!("{} done", name(node)),
            Event::Failed { node, failure } => {
                format!("{} failed ({}): {}", name(node), failure.code, failure.text)
            }
            Event::Retried { node, .. } => {
                format!("{} again, retry {}", name(node), self.core.retries(*node))
            }
            Event::Rested { node } => format!("{} has rested", name(node)),
            Event::PreSkipped { node } => format!("{} skipped", name(node)),
            Event::Aborted { node, status } => format!("aborted by {} with {status}", name(node)),
            Event::SubmitPostponed { node, .. } => format!("{} is submitted later", name(node)),
            Event::PostReady { node, jobs_return } => {
                format!("{} comes to POST with {jobs_return}", name(node))
            }
            Event::CycleFound => {
                format!(
                    "cycle: {}",
                    self.core.cycle().iter().map(name).collect::<Vec<_>>().join(" ")
                )
            }
            Event::Broke { why } => format!("broke: {why}"),
            Event::Provided => "provided".to_owned(),
            Event::Finished { .. } => {
                let counts = self.core.counts();
                let status = self.core.progress().status;
                format!(
                    "finished: status {}, {} done, {} failed, {} futile",
                    status.number(),
                    counts.done,
                    counts.failed,
                    counts.futile
                )
            }
            Event::Reopened { node } => format!("{} begins anew", name(node)),
            Event::Unchanged { node, why } => format!("{} skipped: {why}", name(node)),
            Event::JobsLost { node } => format!("{} is submitted again", name(node)),
            Event::Skipped { node } => format!("{} counts as done", name(node)),
            Event::Began
            | Event::SaveBegan { .. }
            | Event::ScriptStarted { .. }
            | Event::ScriptEnded { .. }
            | Event::ScriptDeferred { .. }
            | Event::SubmitBegan { .. }
            | Event::Submitted { .. }
            | Event::SubmitFailed { .. }
            | Event::NothingToSubmit { .. }
            | Event::Job { .. }
            | Event::RestRemoved { .. }
            | Event::Removed
            | Event::Halted(_)
            | Event::Throttled(_)
            | Event::FinalBegan => return,
        };
        self.said.push(line);
    }

    fn perform(&mut self, effect: &Effect) -> Option<Input> {
        let name = |node: &NodeIndex| self.core.workflow().node(*node).name().to_owned();
        match effect {
            Effect::Submit { node, retry } => {
                let called = name(node);
                if let Some(lasting) = self.refused.get(&called) {
                    let why = "refused".to_owned();
                    self.said.push(format!("submit {called}: refused"));
                    let (node, retry, lasting) = (*node, *retry, *lasting);
                    return Some(Input::SubmitFailed { node, retry, lasting, why });
                }
                if self.same.contains(&called) {
                    let why = "nothing changed".to_owned();
                    return Some(Input::Unchanged { node: *node, retry: *retry, why });
                }
                let jobs = self.jobs.get(&called).copied().unwrap_or(1);
                if jobs == 0 {
                    return Some(Input::NoItems { node: *node, retry: *retry });
                }
                let cluster = ClusterId(self.next);
                self.next += 1;
                self.clusters.insert(*node, cluster);
                self.said.push(format!("submit {called}"));
                Some(Input::Submitted { node: *node, retry: *retry, cluster, jobs })
            }
            Effect::RunScript { node, script, .. } => {
                self.said.push(format!("run {script:?} of {}", name(node)));
                None
            }
            Effect::RemoveCluster { cluster, .. } => {
                let node = self.core.node_of(*cluster).map(|node| name(&node));
                self.said.push(format!("remove the jobs of {}", node.unwrap_or_default()));
                None
            }
            Effect::RemoveAll { but_services, .. } => {
                let but = if *but_services { " but services" } else { "" };
                self.said.push(format!("remove everything{but}"));
                None
            }
            Effect::SavePoint { node } => {
                self.said.push(format!("save point of {}", name(node)));
                None
            }
            Effect::Finish { status, rescue } => {
                let rescue = if *rescue { " with a rescue file" } else { "" };
                self.said.push(format!("exit {status}{rescue}"));
                None
            }
        }
    }
}

/// A few lines of the language, enough for these tests: what the language is, its own tests say.
pub(super) fn read(text: &str) -> crate::Workflow {
    let mut builder = Builder::new(vec!["test.dag".to_owned()]);
    for line in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, name, rest @ ..] = words.as_slice() else { continue };
        let kind = match *kind {
            "JOB" => NodeKind::Job,
            "FINAL" => NodeKind::Final,
            "SERVICE" => NodeKind::Service,
            "JOIN" => NodeKind::Join,
            "PROVISIONER" => NodeKind::Provisioner,
            _ => continue,
        };
        let description =
            if kind == NodeKind::Join { Description::Nothing } else { Description::File("n.sub") };
        let (noop, done) = (rest.contains(&"NOOP"), rest.contains(&"DONE"));
        let new = NewNode { kind, description, noop, done, ..NewNode::job(name, "") };
        builder.add_node(&new).unwrap();
    }
    for line in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        say(&mut builder, &words);
    }
    builder.finish()
}

fn say(builder: &mut Builder, words: &[&str]) {
    let find = |builder: &Builder, name: &str| builder.so_far().find(name).unwrap();
    let int = |text: &&str| text.parse::<i32>().unwrap();
    match words {
        [kind @ ("PARENT" | "WEAK"), rest @ ..] => {
            let at = rest.iter().position(|word| *word == "CHILD").unwrap();
            for parent in &rest[..at] {
                for child in &rest[at + 1..] {
                    let (parent, child) = (find(builder, parent), find(builder, child));
                    builder.add_edge(parent, child, *kind == "WEAK");
                }
            }
        }
        ["RETRY", node, ..] => {
            let node = find(builder, node);
            let line = words.join(" ");
            let line = Lines::new(&line).next().unwrap();
            let Ok(Command::Retry { retry, .. }) = parse(&line) else { panic!("{words:?}") };
            builder.set_retry(node, retry);
        }
        ["SCRIPT", "DEFER", status, seconds, kind, node] => {
            let defer = Defer { status: int(status), seconds: seconds.parse().unwrap() };
            script(builder, kind, node, Some(defer));
        }
        ["SCRIPT", kind, node] => script(builder, kind, node, None),
        ["PRIORITY", node, priority] => {
            let node = find(builder, node);
            builder.set_priority(node, int(priority));
        }
        ["CATEGORY", node, category] => {
            let node = find(builder, node);
            builder.set_category(node, category);
        }
        ["MAXJOBS", category, max] => builder.set_max_jobs(category, max.parse().unwrap()),
        ["PRE_SKIP", node, code] => {
            let node = find(builder, node);
            builder.set_pre_skip(node, int(code));
        }
        ["ABORT", node, exit, rest @ ..] => {
            let node = find(builder, node);
            builder.set_abort(node, Abort { exit: int(exit), return_code: rest.last().map(int) });
        }
        ["TOLERANCE", node, limit, rest @ ..] => {
            let node = find(builder, node);
            let limit = match limit.strip_suffix('%') {
                Some(percent) => ToleranceLimit::Percent(percent.parse().unwrap()),
                None => ToleranceLimit::Jobs(limit.parse().unwrap()),
            };
            let when_exceeded = match rest {
                ["WAIT"] => WhenExceeded::Wait,
                ["FAIL-FAST"] => WhenExceeded::FailFast,
                _ => WhenExceeded::Default,
            };
            builder.set_tolerance(node, Tolerance { limit, when_exceeded });
        }
        ["AT-ONCE", node, jobs] => {
            let node = find(builder, node);
            let (over, at_once) = (Items::List("a b"), jobs.parse().ok());
            builder.set_map(node, &Map { over, names: Vec::new(), at_once });
        }
        ["SAVE", node] => {
            let node = find(builder, node);
            builder.set_save_point(node, "a.save");
        }
        _ => {}
    }
}

fn script(builder: &mut Builder, kind: &str, node: &str, defer: Option<Defer>) {
    let kind = match kind {
        "PRE" => ScriptKind::Pre,
        "POST" => ScriptKind::Post,
        _ => ScriptKind::Hold,
    };
    let node = builder.so_far().find(node).unwrap();
    builder.set_script(node, kind, Script { command_line: "x.sh", defer, debug: None });
}
