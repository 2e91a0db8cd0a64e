//! What is measured with real processes: a pool of its own, DAGs that `submit_dag` gives it, and a
//! dagman that is killed.

use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cli::pool::{self, Settings};
use client::progress::Progress;
use client::{AskError, HOME_VARIABLE, Home};
use model::{ClusterId, Seq};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::client::{Select, Selector};
use updraft_tests::measure::now;

use super::memory::{NODES, dag};
use super::say;

/// Processors that the pool offers: more than there are, so that starting is the limit and not
/// waiting.
const SLOTS: u32 = 32;

/// Nodes of the DAG whose nodes need nothing.
const NOOPS: u32 = 200_000;

/// Nodes of the chain.
const CHAIN: u32 = 1000;

/// Nodes that are independent of each other.
const WIDE: u32 = 10_000;

/// Between two looks at a file that another process writes.
const LOOK: Duration = Duration::from_millis(5);

/// A pool of its own, and the folder that DAGs are submitted from.
pub(super) struct Bench {
    program: PathBuf,
    home: Home,
    work: PathBuf,
}

/// Starts a pool, measures, and stops it.
pub(super) fn with(program: &Path, measure: impl FnOnce(&Bench) -> Result<()>) -> Result<()> {
    let dir = tempfile::tempdir().context("make a folder for the pool")?;
    let bench = Bench {
        program: program.to_owned(),
        home: Home::at(&dir.path().join("pool")),
        work: dir.path().to_owned(),
    };
    let settings =
        Settings { cpus: Some(SLOTS), memory_mib: Some(16 * 1024), ..Settings::default() };
    pool::start(&bench.home, &settings, program)?;
    fs::write(bench.work.join("n.sub"), "executable = /bin/true\nqueue\n")?;
    let result = measure(&bench);
    pool::stop(&bench.home)?;
    result
}

impl Bench {
    /// Nodes that need nothing, by the real dagman, with all its records.
    pub(super) fn noop(&self, _: f64) -> Result<()> {
        let took = self.run("noop", &dag(NOOPS, " NOOP"))?.as_secs_f64();
        let rate = f64::from(NOOPS) / took;
        say(
            &format!("{NOOPS} no-op nodes, from submit_dag to the end"),
            &format!("{took:.2} s, {rate:.0} nodes/s"),
        );
        Ok(())
    }

    /// Nodes that wait for each other: what one costs.
    pub(super) fn chain(&self, s: f64) -> Result<()> {
        let mut text: String = (0..CHAIN).map(|n| format!("JOB N{n} n.sub\n")).collect();
        for n in 1..CHAIN {
            text += &format!("PARENT N{} CHILD N{n}\n", n - 1);
        }
        let each = self.run("chain", &text)?.as_secs_f64() / f64::from(CHAIN);
        say(
            &format!("a chain of {CHAIN} /bin/true"),
            &format!("{:.1} ms a node, {:.1} starts of S", each * 1000.0, each * s),
        );
        Ok(())
    }

    /// Nodes that wait for nothing.
    pub(super) fn wide(&self, s: f64) -> Result<()> {
        let text: String = (0..WIDE).map(|n| format!("JOB N{n} n.sub\n")).collect();
        let rate = f64::from(WIDE) / self.run("wide", &text)?.as_secs_f64();
        say(
            &format!("{WIDE} independent /bin/true"),
            &format!("{rate:.0} nodes/s, {:.2} S", rate / s),
        );
        Ok(())
    }

    /// dagman is killed in the middle of a million nodes that need nothing: from then on to when
    /// the next one begins a node.
    pub(super) fn restart(&self, _: f64) -> Result<()> {
        self.submit("restart", &dag(NODES, " NOOP"))?;
        let journal = self.work.join("restart.dag.journal");
        let size = || fs::metadata(&journal).map_or(0, |file| file.len());
        // two events a node, of some 30 bytes each
        let half = u64::from(NODES) * 32;
        wait(|| Ok((size() >= half).then_some(())))?;
        let first = self.dagman("restart")?.context("dagman has said its PID")?;
        let begun = now();
        kill(Pid::from_raw(first), Signal::SIGKILL).context("kill dagman")?;
        wait(|| Ok(self.dagman("restart")?.filter(|pid| *pid != first)))?;
        let started = begun.elapsed().as_secs_f64();
        let before = size();
        wait(|| Ok((size() > before).then_some(())))?;
        let took = begun.elapsed().as_secs_f64() - started;
        say(
            &format!("killed in {NODES} no-op nodes, journal of {} MiB", before / (1 << 20)),
            &format!("{started:.2} s to its start, {took:.2} s from there to the next node"),
        );
        self.updraft(&["rm", "-all"]).map(|_| ())
    }

    /// From the acknowledged submission of a DAG to its end.
    fn run(&self, name: &str, text: &str) -> Result<Duration> {
        let job = self.submit(name, text)?;
        let begun = now();
        let mut progress = Progress::of(1);
        self.home.follow(Seq(1), Select::Any(vec![Selector::Cluster(job)]), |events| {
            events.iter().for_each(|event| progress.note(event));
            let over = progress.is_settled();
            Ok::<_, AskError>(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !progress.all_succeeded() {
            bail!("the DAG {name} failed: {}", progress.summary().join("; "));
        }
        Ok(begun.elapsed())
    }

    fn submit(&self, name: &str, text: &str) -> Result<ClusterId> {
        let file = format!("{name}.dag");
        fs::write(self.work.join(&file), text)?;
        let said = self.updraft(&["submit_dag", "-terse", "-maxidle", "0", &file])?;
        let number =
            said.lines().last().and_then(|line| line.split(['.', ' ']).next()?.parse().ok());
        number.map(ClusterId).with_context(|| format!("submit_dag said no number: {said}"))
    }

    /// The dagman that started last, by what it says of itself.
    fn dagman(&self, name: &str) -> Result<Option<i32>> {
        let out = fs::read_to_string(self.work.join(format!("{name}.dag.dagman.out")))?;
        let pid = out.rsplit("** PID = ").next().filter(|rest| rest.len() < out.len());
        Ok(pid.and_then(|rest| rest.split_whitespace().next()?.parse().ok()))
    }

    fn updraft(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(words)
            .env(HOME_VARIABLE, self.home.dir())
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("updraft {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Waits until there is something; a machine that hangs is seen after some minutes.
fn wait<T>(look: impl Fn() -> Result<Option<T>>) -> Result<T> {
    let begun = now();
    while begun.elapsed() < Duration::from_secs(600) {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(LOOK);
    }
    bail!("nothing came in ten minutes, in {}", env::current_dir()?.display())
}
