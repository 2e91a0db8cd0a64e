//! What is measured with real processes: a pool of its own, DAGs that `submit_dag` gives it, and a
//! dagman that is killed.

use std::env;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::ClusterId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use updraft_tests::measure::now;
use updraft_tests::own_pool::OwnPool;

use super::memory::{NODES, dag};
use super::say;

/// Nodes of the DAG whose nodes need nothing.
const NOOPS: u32 = 200_000;

/// Nodes of the chain.
const CHAIN: u32 = 1000;

/// Nodes that are independent of each other.
const WIDE: u32 = 10_000;

/// So many bytes of dagman's log are looked through for its PID: what it wrote last before it was
/// killed, and what the next one writes first.
const MOST_READ: u64 = 64 << 20;

/// Between two looks at a file that another process writes.
const LOOK: Duration = Duration::from_millis(5);

/// Starts a pool, measures, and stops it.
pub(super) fn with(program: &Path, measure: impl FnOnce(&OwnPool) -> Result<()>) -> Result<()> {
    OwnPool::with(program, |pool| {
        fs::write(pool.work().join("n.sub"), "executable = /bin/true\nqueue\n")?;
        measure(pool)
    })
}

/// Nodes that need nothing, by the real dagman, with all its records.
pub(super) fn noop(pool: &OwnPool, _: f64) -> Result<()> {
    let took = run(pool, "noop", &dag(NOOPS, " NOOP"))?.as_secs_f64();
    let rate = f64::from(NOOPS) / took;
    say(
        &format!("{NOOPS} no-op nodes, from submit_dag to the end"),
        &format!("{took:.2} s, {rate:.0} nodes/s"),
    );
    Ok(())
}

/// Nodes that wait for each other: what one costs.
pub(super) fn chain(pool: &OwnPool, s: f64) -> Result<()> {
    let mut text: String = (0..CHAIN).map(|n| format!("JOB N{n} n.sub\n")).collect();
    for n in 1..CHAIN {
        text += &format!("PARENT N{} CHILD N{n}\n", n - 1);
    }
    let each = run(pool, "chain", &text)?.as_secs_f64() / f64::from(CHAIN);
    say(
        &format!("a chain of {CHAIN} /bin/true"),
        &format!("{:.1} ms a node, {:.1} starts of S", each * 1000.0, each * s),
    );
    Ok(())
}

/// Nodes that wait for nothing.
pub(super) fn wide(pool: &OwnPool, s: f64) -> Result<()> {
    let text: String = (0..WIDE).map(|n| format!("JOB N{n} n.sub\n")).collect();
    let rate = f64::from(WIDE) / run(pool, "wide", &text)?.as_secs_f64();
    say(&format!("{WIDE} independent /bin/true"), &format!("{rate:.0} nodes/s, {:.2} S", rate / s));
    Ok(())
}

/// dagman is killed in the middle of a million nodes that need nothing: from then on to when
/// the next one begins a node.
pub(super) fn restart(pool: &OwnPool, _: f64) -> Result<()> {
    submit(pool, "restart", &dag(NODES, " NOOP"))?;
    let journal = pool.work().join("restart.dag.journal");
    let size = || fs::metadata(&journal).map_or(0, |file| file.len());
    // two events a node, of some 30 bytes each
    let half = u64::from(NODES) * 32;
    wait(|| Ok((size() >= half).then_some(())))?;
    let out = pool.work().join("restart.dag.dagman.out");
    let first = dagman(&out, 0)?.context("dagman has said its PID")?;
    let told = fs::metadata(&out)?.len();
    let begun = now();
    kill(Pid::from_raw(first), Signal::SIGKILL).context("kill dagman")?;
    wait(|| Ok(dagman(&out, told)?.filter(|pid| *pid != first)))?;
    let started = begun.elapsed().as_secs_f64();
    let before = size();
    wait(|| Ok((size() > before).then_some(())))?;
    let took = begun.elapsed().as_secs_f64() - started;
    say(
        &format!("killed in {NODES} no-op nodes, journal of {} MiB", before / (1 << 20)),
        &format!("{started:.2} s to its start, {took:.2} s from there to the next node"),
    );
    pool.updraft(&["rm", "-all"]).map(|_| ())
}

/// From the acknowledged submission of a DAG to its end.
fn run(pool: &OwnPool, name: &str, text: &str) -> Result<Duration> {
    let job = submit(pool, name, text)?;
    let begun = now();
    pool.wait_for(job, 1).with_context(|| format!("run the DAG {name}"))?;
    Ok(begun.elapsed())
}

fn submit(pool: &OwnPool, name: &str, text: &str) -> Result<ClusterId> {
    let file = format!("{name}.dag");
    fs::write(pool.work().join(&file), text)?;
    let said = pool.updraft(&["submit_dag", "-terse", "-maxidle", "0", &file])?;
    let number = said.lines().last().and_then(|line| line.split(['.', ' ']).next()?.parse().ok());
    number.map(ClusterId).with_context(|| format!("submit_dag said no number: {said}"))
}

/// The dagman that started first behind a place of its log, by what it says of itself. Little is
/// read: to look must not take long.
fn dagman(out: &Path, from: u64) -> Result<Option<i32>> {
    let mut file = fs::File::open(out)?;
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(MOST_READ).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let pid = text.split_once("** PID = ");
    Ok(pid.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()))
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
