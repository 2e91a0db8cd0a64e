//! Measures PBS's commands against a personal pool: `cargo xtask bench pbs`. Each figure stands
//! beside one of the same run: S, the number of `/bin/true` a second that two small processes start
//! and wait for, or a command of ours that does nothing. It measures and judges nothing.

use std::env;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::ClusterId;
use updraft_tests::measure::{SPAWN_LOOP, now, raw_spawn_rate, spawn_loop};
use updraft_tests::own_pool::OwnPool;

/// Subjobs of an array.
const SUBJOBS: u32 = 10_000;

/// Arrays of the queue that is looked at.
const ARRAYS: u32 = 10;

/// Jobs that a shell loop submits.
const LOOP: u32 = 1000;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [SPAWN_LOOP] => spawn_loop(),
        ["--updraft", program] => {
            OwnPool::with(Path::new(program), |pool| Bench { pool, program }.all())
        }
        _ => bail!("usage: bench-pbs --updraft PROGRAM (cargo xtask bench pbs gives it)"),
    }
}

struct Bench<'a> {
    pool: &'a OwnPool,
    program: &'a str,
}

impl Bench<'_> {
    fn all(&self) -> Result<()> {
        let s = raw_spawn_rate()?;
        println!("{:<58} {s:>10.0} /s", "S: /bin/true, two processes starting and waiting");
        let start = self.time(&["version"])?;
        told("a command that does nothing (`updraft version`)", start, None);
        self.array(s)?;
        self.shell_loop()?;
        self.queue(start)
    }

    /// An array: how long `qsub` takes, and its subjobs from there to the last recorded end.
    fn array(&self, s: f64) -> Result<()> {
        self.pool.updraft(&["qsub", "-z", "--", "/bin/true"])?;
        self.pool.wait_for(ClusterId(1), 1)?;
        let begun = now();
        let last = (SUBJOBS - 1).to_string();
        let id = self.pool.updraft(&["qsub", "-J", &format!("0-{last}"), "--", "/bin/true"])?;
        let submitted = begun.elapsed();
        self.pool.wait_for(number(&id)?, u64::from(SUBJOBS))?;
        let rate = f64::from(SUBJOBS) / begun.elapsed().as_secs_f64();
        told(&format!("qsub -J 0-{last}"), submitted, None);
        println!(
            "{:<58} {rate:>10.0} /s   {:.2} S",
            format!("end to end: its {SUBJOBS} subjobs of /bin/true"),
            rate / s
        );
        Ok(())
    }

    /// Jobs that wait for each other, submitted one by one by a shell, and what the loop alone
    /// takes.
    fn shell_loop(&self) -> Result<()> {
        let each =
            |command: &str| format!("i=0; while [ $i -lt {LOOP} ]; do {command}; i=$((i+1)); done");
        let program = self.program;
        let alone = self.shell(&each(&format!("p=$({program} version)")))?;
        let submit = format!("p=$({program} qsub -h -W depend=afterany:$p -- /bin/true)");
        let first = format!("p=$({program} qsub -h -- /bin/true); ");
        let took = self.shell(&(first + &each(&submit)))?;
        told(&format!("a shell loop of {LOOP} x `updraft version`"), alone, None);
        told(
            &format!("a shell loop of {LOOP} x qsub, each waits for the last"),
            took,
            Some((alone, "the loop")),
        );
        let all = self.time(&["qstat"])?;
        told(&format!("qstat of these {LOOP} jobs"), all, None);
        self.pool.updraft(&["rm", "-all"]).map(drop)
    }

    /// A queue of very many jobs.
    fn queue(&self, start: Duration) -> Result<()> {
        let last = (SUBJOBS - 1).to_string();
        for _ in 0..ARRAYS {
            let range = format!("0-{last}");
            self.pool.updraft(&["qsub", "-z", "-h", "-J", &range, "--", "/bin/true"])?;
        }
        let jobs = ARRAYS * SUBJOBS;
        for (what, words) in [
            ("qstat", &["qstat"][..]),
            ("qstat -t", &["qstat", "-t"][..]),
            ("qstat -f", &["qstat", "-f"][..]),
            ("qselect", &["qselect"][..]),
        ] {
            let took = self.time(words)?;
            told(
                &format!("{what} with {jobs} jobs queued, in {ARRAYS} arrays"),
                took,
                Some((start, "a command")),
            );
        }
        Ok(())
    }

    fn time(&self, words: &[&str]) -> Result<Duration> {
        let begun = now();
        self.pool.updraft(words)?;
        Ok(begun.elapsed())
    }

    fn shell(&self, script: &str) -> Result<Duration> {
        let begun = now();
        self.pool.shell(script)?;
        Ok(begun.elapsed())
    }
}

fn number(id: &str) -> Result<ClusterId> {
    let digits = id.split(['.', '[']).next().unwrap_or_default();
    Ok(ClusterId(digits.parse().with_context(|| format!("read the identifier {id}"))?))
}

/// A time, and how often another one it is.
fn told(what: &str, took: Duration, beside: Option<(Duration, &str)>) {
    let times = beside.map(|(other, name)| {
        format!("   {:.1} x {name}", took.as_secs_f64() / other.as_secs_f64())
    });
    println!("{what:<58} {:>10.1} ms{}", took.as_secs_f64() * 1000.0, times.unwrap_or_default());
}
