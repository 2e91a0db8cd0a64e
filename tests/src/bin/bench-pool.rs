//! Measures a personal pool end to end, and S, what this machine can do at all, in the same run:
//! `cargo xtask bench`.
//!
//! S is the number of `/bin/true` a second that two small processes start and wait for. Every rate
//! of ours is printed as a part of S, because the machines that this runs on differ and are shared.
//! It measures and judges nothing.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use model::ClusterId;
use updraft_tests::measure::{SPAWN_LOOP, now, raw_spawn_rate, spawn_loop, spawn_rate};
use updraft_tests::own_pool::{OwnPool, SLOTS};

/// Jobs of the end-to-end measurement.
const JOBS: u32 = 2000;

/// Jobs of the queue measurements.
const QUEUED: u32 = 10_000;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [SPAWN_LOOP] => spawn_loop(),
        ["--updraft", program] => measure(Path::new(program)),
        _ => bail!("usage: bench-pool --updraft PROGRAM (cargo xtask bench gives it)"),
    }
}

fn measure(program: &Path) -> Result<()> {
    OwnPool::with(program, |pool| Bench { pool }.all())?;
    for slots in [1, 2] {
        OwnPool::with_slots(program, slots, |pool| Bench { pool }.few_slots(slots))?;
    }
    Ok(())
}

struct Bench<'a> {
    pool: &'a OwnPool,
}

impl Bench<'_> {
    fn all(&self) -> Result<()> {
        let s = raw_spawn_rate()?;
        println!("{:<58} {s:>10.0} /s", "S: /bin/true, two processes starting and waiting");
        let (rate, latency) = self.end_to_end()?;
        println!(
            "{:<58} {rate:>10.0} /s   {:.2} S",
            format!("end to end: {JOBS} durable /bin/true jobs"),
            rate / s
        );
        println!(
            "{:<58} {:>10.1} ms",
            "one job on a free slot: submit command to recorded end",
            millis(latency)
        );
        let start = millis(self.time(&["version"])?);
        println!("{:<58} {start:>10.1} ms", "a command that does nothing (`updraft version`)");
        let counted = millis(self.submit_waiting("counted", "arguments = $(Process)")?);
        println!(
            "{:<58} {counted:>10.1} ms",
            format!("submit {QUEUED} jobs that differ by their number")
        );
        let listed = millis(self.submit_waiting("listed", "arguments = $INT(Process,%06d)")?);
        println!("{:<58} {listed:>10.1} ms", format!("submit {QUEUED} jobs described one by one"));
        for (what, words) in [
            ("totals", &["q", "-totals"][..]),
            ("batches", &["q"][..]),
            ("every job", &["q", "-nobatch"][..]),
        ] {
            let took = millis(self.time(words)?);
            println!(
                "{:<58} {took:>10.1} ms",
                format!("q with {} jobs queued: {what}", 2 * QUEUED)
            );
        }
        Ok(())
    }

    /// As many slots as somebody has: what lies between two jobs of one is seen.
    fn few_slots(&self, slots: u32) -> Result<()> {
        let raw = spawn_rate(slots)?;
        self.submit("warm", &format!("executable = /bin/true\nqueue {}\n", 4 * slots))?;
        self.pool.wait_for(ClusterId(1), u64::from(4 * slots))?;
        let begun = now();
        self.submit("true", &format!("executable = /bin/true\nqueue {JOBS}\n"))?;
        self.pool.wait_for(ClusterId(2), u64::from(JOBS))?;
        let rate = f64::from(JOBS) / begun.elapsed().as_secs_f64();
        println!(
            "{:<58} {rate:>10.0} /s   {:.2} of {raw:.0}/s, as many processes",
            format!("end to end with {slots} slot(s)"),
            rate / raw
        );
        Ok(())
    }

    /// Jobs a second from the submission's acknowledgement to the last recorded end, and the time
    /// of a single one.
    fn end_to_end(&self) -> Result<(f64, Duration)> {
        self.submit("warm", &format!("executable = /bin/true\nqueue {SLOTS}\n"))?;
        self.pool.wait_for(ClusterId(1), u64::from(SLOTS))?;
        let begun = now();
        self.submit("true", &format!("executable = /bin/true\nqueue {JOBS}\n"))?;
        self.pool.wait_for(ClusterId(2), u64::from(JOBS))?;
        let took = begun.elapsed();
        let begun = now();
        self.submit("one", "executable = /bin/true\nqueue\n")?;
        self.pool.wait_for(ClusterId(3), 1)?;
        Ok((f64::from(JOBS) / took.as_secs_f64(), begun.elapsed()))
    }

    fn submit_waiting(&self, name: &str, line: &str) -> Result<Duration> {
        let begun = now();
        self.submit(
            name,
            &format!("executable = /bin/true\nrequirements = false\n{line}\nqueue {QUEUED}\n"),
        )?;
        Ok(begun.elapsed())
    }

    fn submit(&self, name: &str, text: &str) -> Result<()> {
        let file = self.pool.work().join(format!("{name}.sub"));
        fs::write(&file, text)?;
        let file = file.to_string_lossy().into_owned();
        self.time(&["submit", &file]).map(|_| ())
    }

    fn time(&self, words: &[&str]) -> Result<Duration> {
        let begun = now();
        self.pool.updraft(words)?;
        Ok(begun.elapsed())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
