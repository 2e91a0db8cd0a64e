//! Random workflows on a real pool whose dagmans and schedd are killed at random: each part of each
//! node appends its name and attempt to a file, and what is in there at the end must be what the
//! semantics demand. A few here; `cargo xtask chaos --dags N --seed S` runs many.
//!
//! What must be there is computed from the plan alone ([`Expected`]). Jobs run exactly once an
//! attempt. A script that ran when its dagman was killed runs again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Pool, eventually, text, updraft};

/// How many workflows, and from which seed: of the environment, where `cargo xtask chaos` says it.
const DAGS: (&str, u64) = ("UPDRAFT_CHAOS_DAGS", 3);
pub(crate) const SEED: (&str, u64) = ("UPDRAFT_CHAOS_SEED", 1);

/// Workflows at a time.
const AT_A_TIME: u64 = 6;

/// Kills while a group of them runs. The schedd is killed in one of four: its supervisor waits
/// longer each time.
const KILLS: u64 = 10;

#[test]
fn random_workflows_whose_daemons_are_killed_run_each_node_as_the_semantics_demand() {
    let (dags, seed) = (number(DAGS), number(SEED));
    let mut done = 0;
    while done < dags {
        let group: Vec<u64> = (seed + done..seed + dags.min(done + AT_A_TIME)).collect();
        done += group.len() as u64;
        run(&group);
        println!(
            "{done} of {dags} workflows ran as they must, the last of seed {}",
            seed + done - 1
        );
    }
}

/// A number of the environment, or what it is otherwise.
pub(crate) fn number((name, default): (&str, u64)) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
    })
}

/// Runs a workflow for each seed, all at once, on a pool of their own.
fn run(seeds: &[u64]) {
    let pool = Pool::start(8);
    let mut running: Vec<Running> = seeds.iter().map(|seed| Running::begin(&pool, *seed)).collect();
    let mut rng = Rng(seeds[0] ^ 0xc4a0_5000);
    for kill in 0..KILLS {
        sleep(Duration::from_millis(50 + rng.below(400)));
        if kill % 4 == 3 {
            pool.kill_and_see_it_return("schedd");
        } else {
            let at = rng.below(running.len() as u64);
            running[usize::try_from(at).unwrap()].kill_dagman();
        }
    }
    for one in &mut running {
        one.must_be_right(&pool);
    }
}

/// A workflow that runs.
struct Running {
    seed: u64,
    plan: Workflow,
    dir: PathBuf,
    job: String,
}

impl Running {
    fn begin(pool: &Pool, seed: u64) -> Self {
        let plan = Workflow::draw(&mut Rng(seed));
        let dir = pool.work().join(format!("dag{seed}"));
        plan.write(&dir);
        let words = ["submit_dag", "-terse", "main.dag"];
        let out = pool.command(&updraft(), &words).current_dir(&dir).output().unwrap();
        assert!(out.status.success(), "seed {seed}: {}", text(&out));
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let job = said.lines().last().unwrap().split(['.', ' ']).next().unwrap().to_owned();
        Self { seed, plan, dir, job }
    }

    /// Kills the dagman that said last that it is one, if it still lives.
    fn kill_dagman(&self) {
        let out = fs::read_to_string(self.dir.join("main.dag.dagman.out")).unwrap_or_default();
        let pid = out.rsplit("** PID = ").next().and_then(|rest| rest.split_whitespace().next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<i64>().ok()) else { return };
        // The number may be another process's meanwhile.
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if command.contains("dagman") && command.contains("main.dag") {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            // It may have ended since.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }

    fn must_be_right(&self, pool: &Pool) {
        let Self { seed, .. } = self;
        let out = || fs::read_to_string(self.dir.join("main.dag.dagman.out")).unwrap_or_default();
        eventually(&format!("the workflow of seed {seed} ends"), || {
            let status = pool.attribute(&self.job, "JobStatus");
            status == ["4"] || status == ["3"]
        });
        let runs = fs::read_to_string(self.dir.join("runs")).unwrap_or_default();
        let expected = self.plan.expected();
        let told = || format!("seed {seed}: {:#?}\nruns:\n{runs}\n{}", self.plan, out());
        let exit = pool.attribute(&self.job, "ExitCode").join(" ");
        assert_eq!(exit, i32::from(!expected.well).to_string(), "{}", told());
        if let Err(wrong) = expected.compare(&runs) {
            panic!("{wrong}\n{}", told());
        }
    }
}

/// A workflow: nodes with what their parts end with.
#[derive(Debug)]
struct Workflow {
    nodes: Vec<Node>,
    /// By place: the parent is the one with the smaller number.
    edges: Vec<(usize, usize)>,
}

#[derive(Clone, Debug)]
struct Node {
    kind: NodeKind,
    retries: u32,
    /// What each attempt of each part ends with; the last holds for all further.
    pre: Option<Vec<u8>>,
    job: Vec<u8>,
    post: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeKind {
    Job,
    /// Two nodes of another file, one behind the other.
    Splice,
    /// The same, as a DAG of its own.
    Subdag,
}

/// What a node, or the inner ones of a splice and a sub-DAG, are called.
const INNER: [&str; 2] = ["X", "Y"];

impl Workflow {
    fn draw(rng: &mut Rng) -> Self {
        let codes =
            |rng: &mut Rng| (0..3).map(|_| [0, 0, 0, 1, 2][rng.up_to(5)]).collect::<Vec<u8>>();
        let mut plan = Self { nodes: Vec::new(), edges: Vec::new() };
        for at in 0..3 + rng.up_to(5) {
            let kind = [
                NodeKind::Job,
                NodeKind::Job,
                NodeKind::Job,
                NodeKind::Job,
                NodeKind::Splice,
                NodeKind::Subdag,
            ][rng.up_to(6)];
            let plain = kind == NodeKind::Job;
            let part = |rng: &mut Rng, percent: usize| {
                let codes = codes(rng);
                (rng.up_to(100) < percent && plain).then_some(codes)
            };
            let retries = u32::try_from(rng.up_to(3)).unwrap();
            let (pre, post) = (part(rng, 40), part(rng, 40));
            // a sub-DAG that is tried again goes on from its rescue file: another matter
            let retries = if plain { retries } else { 0 };
            plan.nodes.push(Node { kind, retries, pre, job: codes(rng), post });
            for parent in 0..at {
                if rng.up_to(100) < 30 {
                    plan.edges.push((parent, at));
                }
            }
        }
        plan
    }

    /// Writes the files of the workflow.
    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir.join("codes")).unwrap();
        let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        put("part.sh", PART);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.join("part.sh"), executable).unwrap();
        put(
            "node.sub",
            &format!(
                "executable = {}\narguments = JOB $(JOB) $(RETRY)\nqueue\n",
                dir.join("part.sh").display()
            ),
        );
        let inner = "JOB X node.sub\nJOB Y node.sub\nPARENT X CHILD Y\n";
        put("splice.dag", inner);
        let mut text = String::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let name = format!("N{at}");
            let codes = |part: &str, name: &str, codes: &[u8]| {
                let lines: String = codes.iter().map(|code| format!("{code}\n")).collect();
                put(&format!("codes/{name}.{part}"), &lines);
            };
            match node.kind {
                NodeKind::Job => {
                    let _ = writeln!(text, "JOB {name} node.sub");
                    codes("JOB", &name, &node.job);
                }
                NodeKind::Splice => {
                    let _ = writeln!(text, "SPLICE {name} splice.dag");
                    INNER.iter().for_each(|i| codes("JOB", &format!("{name}+{i}"), &node.job));
                }
                NodeKind::Subdag => {
                    let _ = writeln!(text, "SUBDAG EXTERNAL {name} {name}.dag");
                    put(
                        &format!("{name}.dag"),
                        &inner.replace('X', &format!("{name}X")).replace('Y', &format!("{name}Y")),
                    );
                    INNER.iter().for_each(|i| codes("JOB", &format!("{name}{i}"), &node.job));
                }
            }
            if node.kind == NodeKind::Job {
                let _ = writeln!(text, "RETRY {name} {}", node.retries);
            }
            for (part, given) in [("PRE", &node.pre), ("POST", &node.post)] {
                if let Some(given) = given {
                    let _ = writeln!(text, "SCRIPT {part} {name} part.sh {part} {name} $RETRY");
                    codes(part, &name, given);
                }
            }
        }
        for (parent, child) in &self.edges {
            let _ = writeln!(text, "PARENT N{parent} CHILD N{child}");
        }
        put("main.dag", &text);
    }

    /// What must come of it.
    fn expected(&self) -> Expected {
        let mut expected = Expected { well: true, ..Expected::default() };
        let mut well: Vec<bool> = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let name = format!("N{at}");
            let parents: Vec<usize> =
                self.edges.iter().filter(|(_, child)| *child == at).map(|(p, _)| *p).collect();
            let runs = parents.iter().all(|parent| well[*parent]);
            well.push(runs && expected.add(node, &name));
            if runs {
                expected.behind.extend(parents.iter().map(|p| (format!("N{p}"), name.clone())));
            }
        }
        expected.well = well.iter().all(|well| *well);
        expected
    }
}

/// One part of a node: waits a little, and ends as the file says for this attempt.
const PART: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 99
echo "$1 $2 $3" >> runs
sleep 0.0$(( ($$ % 9) + 1 ))
line=$(( $3 + 1 )); [ $line -gt 3 ] && line=3
exit "$(sed -n ${line}p "codes/$2.$1")"
"#;

/// What must be in the file, and in which order.
#[derive(Debug, Default)]
struct Expected {
    /// Lines that are there: jobs once, scripts at least once.
    lines: BTreeSet<String>,
    /// Whose lines all stand before whose.
    behind: Vec<(String, String)>,
    well: bool,
}

impl Expected {
    /// Adds what a node does; says whether it is done well.
    fn add(&mut self, node: &Node, name: &str) -> bool {
        let code = |codes: &[u8], attempt: u32| codes[attempt.min(2) as usize];
        if node.kind != NodeKind::Job {
            let plus = if node.kind == NodeKind::Splice { "+" } else { "" };
            let well = code(&node.job, 0) == 0;
            self.lines.insert(format!("JOB {name}{plus}X 0"));
            if well {
                self.lines.insert(format!("JOB {name}{plus}Y 0"));
            }
            return well;
        }
        for attempt in 0..=node.retries {
            let mut put = |part: &str| self.lines.insert(format!("{part} {name} {attempt}"));
            if let Some(pre) = &node.pre {
                put("PRE");
                if code(pre, attempt) != 0 {
                    continue;
                }
            }
            put("JOB");
            let mut end = code(&node.job, attempt);
            if let Some(post) = &node.post {
                put("POST");
                end = code(post, attempt);
            }
            if end == 0 {
                return true;
            }
        }
        false
    }

    fn compare(&self, runs: &str) -> Result<(), String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        runs.lines().for_each(|line| *counts.entry(line).or_insert(0) += 1);
        for line in &self.lines {
            if !counts.contains_key(line.as_str()) {
                return Err(format!("'{line}' did not run"));
            }
        }
        for (line, count) in &counts {
            if !self.lines.contains(*line) {
                return Err(format!("'{line}' ran, and must not"));
            }
            if line.starts_with("JOB ") && *count > 1 {
                return Err(format!("'{line}' ran {count} times"));
            }
        }
        // whose line it is: N1 of N1, N1+X and N1X
        let of = |line: &str| {
            let name = line.split(' ').nth(1).unwrap_or_default();
            name.trim_end_matches(['X', 'Y', '+']).to_owned()
        };
        let places: Vec<String> = runs.lines().map(of).collect();
        for (before, after) in &self.behind {
            let last = places.iter().rposition(|name| name == before);
            let first = places.iter().position(|name| name == after);
            if last > first {
                return Err(format!("{after} began before {before} was over"));
            }
        }
        Ok(())
    }
}

/// A small deterministic generator (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub(crate) fn up_to(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }
}
