//! Runs the simulator: one seed, or as many as are wanted. `cargo xtask sim -- ARGS` calls it.

use std::process::ExitCode;
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
    /// Goes on after a failure, up to so many.
    #[arg(long, default_value_t = 1)]
    failures: u64,
}

/// Seeds that are run if nothing is said.
const DEFAULT_SEEDS: u64 = 1000;

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let options = Options { steps: cli.steps, plant: cli.plant, trace: cli.trace };
    if let Some(seed) = cli.seed {
        return Ok(one(seed, options));
    }
    if cli.trace {
        bail!("--trace prints one seed: say which with --seed N");
    }
    let seeds = cli.seeds.unwrap_or(if cli.seconds.is_some() { u64::MAX } else { DEFAULT_SEEDS });
    many(&cli, options, seeds)
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
fn many(cli: &Cli, options: Options, seeds: u64) -> Result<ExitCode> {
    let start = Instant::now();
    let limit = cli.seconds.map(Duration::from_secs);
    let (mut total, mut run, mut failures) = (Passed::default(), 0, Vec::<Failed>::new());
    for seed in (cli.from..).take(usize::try_from(seeds).unwrap_or(usize::MAX)) {
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            break;
        }
        run += 1;
        match run_seed(seed, options) {
            Ok(passed) => add(&mut total, &passed),
            Err(failed) => {
                println!("{failed}");
                failures.push(*failed);
                if failures.len() as u64 >= cli.failures {
                    break;
                }
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(run).unwrap_or(u32::MAX)) / seconds;
    println!("{run} seeds in {seconds:.1} s ({rate:.0} seeds/s): {}", counts(&total));
    match failures.first() {
        None => Ok(ExitCode::SUCCESS),
        Some(first) => {
            println!("{} failed; the first is seed {}", failures.len(), first.seed);
            Ok(ExitCode::FAILURE)
        }
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
