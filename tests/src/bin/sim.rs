//! Runs the simulator: one seed, or as many as are wanted. `cargo xtask sim -- ARGS` calls it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use updraft_tests::sim::{DEFAULT_STEPS, Failed, Options, Passed, Plant, run_seed};

/// Simulates a pool under faults, deterministically. Exit code 1 if a seed fails.
#[derive(Parser)]
#[command(name = "sim")]
struct Cli {
    /// Runs this seed only.
    #[arg(long, conflicts_with_all = ["seeds", "seconds"])]
    seed: Option<u64>,
    /// Runs so many seeds.
    #[arg(long, conflicts_with = "seconds")]
    seeds: Option<u64>,
    /// Runs as many seeds as fit into this time.
    #[arg(long)]
    seconds: Option<u64>,
    /// The first of several seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Events with faults, per seed.
    #[arg(long, default_value_t = DEFAULT_STEPS)]
    steps: u64,
    /// Prints everything that happens.
    #[arg(long)]
    trace: bool,
    /// Plants a bug, to see it caught.
    #[arg(long)]
    plant: Option<Plant>,
    /// Runs the directed world of a bug, without the bug.
    #[arg(long, conflicts_with = "plant")]
    directed: Option<Plant>,
    /// Goes on after a failure, up to so many.
    #[arg(long, default_value_t = 1)]
    failures: u64,
}

/// Seeds that are run if nothing is said.
const DEFAULT_SEEDS: u64 = 1000;

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let options =
        Options { steps: cli.steps, plant: cli.plant, directed: cli.directed, trace: cli.trace };
    if let Some(seed) = cli.seed {
        return Ok(one(seed, options));
    }
    if cli.trace {
        bail!("--trace prints one seed: say which with --seed N");
    }
    let seeds = cli.seeds.unwrap_or(if cli.seconds.is_some() { u64::MAX } else { DEFAULT_SEEDS });
    Ok(many(&cli, options, seeds))
}

fn one(seed: u64, options: Options) -> ExitCode {
    match run_seed(seed, options) {
        Ok(passed) => {
            println!("seed {seed} passed: {}", counts(&passed));
            ExitCode::SUCCESS
        }
        Err(failed) => {
            println!("{failed}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it measures how many seeds fit into a time; no seed sees the clock"
)]
fn many(cli: &Cli, options: Options, seeds: u64) -> ExitCode {
    let start = Instant::now();
    let limit = cli.seconds.map(Duration::from_secs);
    let end = cli.from.saturating_add(seeds);
    let next = AtomicU64::new(cli.from);
    let done = Mutex::new(Done::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let late = limit.is_some_and(|limit| start.elapsed() >= limit);
            if seed >= end || late || done.lock().is_ok_and(|done| done.failed >= cli.failures) {
                return;
            }
            let result = run_seed(seed, options);
            if let Ok(mut done) = done.lock() {
                done.add(seed, result);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let done = done.into_inner().unwrap_or_default();
    done.report(start.elapsed())
}

/// What has been run so far.
#[derive(Default)]
struct Done {
    seeds: u64,
    failed: u64,
    first: Option<u64>,
    total: Passed,
}

impl Done {
    fn add(&mut self, seed: u64, result: Result<Passed, Box<Failed>>) {
        self.seeds += 1;
        match result {
            Ok(passed) => add(&mut self.total, &passed),
            Err(failed) => {
                println!("{failed}");
                self.failed += 1;
                self.first = Some(self.first.map_or(seed, |first| first.min(seed)));
            }
        }
    }

    fn report(&self, elapsed: Duration) -> ExitCode {
        let (seeds, seconds) = (self.seeds, elapsed.as_secs_f64());
        let rate = f64::from(u32::try_from(seeds).unwrap_or(u32::MAX)) / seconds;
        println!("{seeds} seeds in {seconds:.1} s ({rate:.0} seeds/s): {}", counts(&self.total));
        let Some(first) = self.first else { return ExitCode::SUCCESS };
        println!("{} failed; the first is seed {first}", self.failed);
        ExitCode::FAILURE
    }
}

fn add(total: &mut Passed, passed: &Passed) {
    total.steps += passed.steps;
    total.finals += passed.finals;
    total.attempts += passed.attempts;
    total.world_s += passed.world_s;
}

fn counts(passed: &Passed) -> String {
    let Passed { steps, finals, attempts, world_s } = passed;
    format!("{steps} steps, {attempts} attempts, {finals} jobs ended, {world_s} s of the world")
}
