//! Runs the simulator: `sim [--seed N] [--seeds K] [--steps M] [--seconds S]`. Prints progress, and the first seed that fails.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use updraft_tests::sim::{Failure, Scenario, run};

/// Seeds between two lines of progress.
const PROGRESS_EVERY: u64 = 2_000;

struct Options {
    seed: u64,
    seeds: u64,
    steps: u64,
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    match options() {
        Ok(options) => simulate(&options),
        Err(message) => {
            eprintln!("sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 0, seeds: 0, steps: 300, seconds: None };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().and_then(|text| text.parse::<u64>().ok());
        let value = value.ok_or(format!("{name} needs a number"))?;
        match name.as_str() {
            "--seed" => options.seed = value,
            "--seeds" => options.seeds = value,
            "--steps" => options.steps = value,
            "--seconds" => options.seconds = Some(value),
            other => return Err(format!("{other}: use --seed, --seeds, --steps, --seconds")),
        }
    }
    if options.seeds == 0 {
        options.seeds = if options.seconds.is_some() { u64::MAX - options.seed } else { 1 };
    }
    Ok(options)
}

#[expect(clippy::disallowed_methods, reason = "it says how fast it was; the simulated world has its own time")]
fn simulate(options: &Options) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(options.seed);
    let stop = AtomicBool::new(false);
    let (events, crashes, executions) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Option<Failure>> = Mutex::new(None);
    let limit = options.seconds.map(Duration::from_secs);
    let work = || {
        while !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| began.elapsed() < limit) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - options.seed >= options.seeds {
                break;
            }
            match run(Scenario { seed, steps: options.steps, plant: None }) {
                Ok(report) => {
                    events.fetch_add(report.events, Ordering::Relaxed);
                    crashes.fetch_add(report.crashes, Ordering::Relaxed);
                    executions.fetch_add(report.executions, Ordering::Relaxed);
                }
                Err(failure) => {
                    stop.store(true, Ordering::Relaxed);
                    if let Ok(mut first) = failed.lock() {
                        first.get_or_insert(failure);
                    }
                }
            }
            let done = seed + 1 - options.seed;
            if done.is_multiple_of(PROGRESS_EVERY) {
                println!("{done} seeds, {:.1} s", began.elapsed().as_secs_f64());
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if let Ok(Some(failure)) = failed.into_inner() {
        println!("FAILED: {failure}");
        println!("replay: cargo xtask sim -- --seed {} --steps {}", failure.seed, options.steps);
        return ExitCode::FAILURE;
    }
    let seeds = next.load(Ordering::Relaxed).min(options.seed.saturating_add(options.seeds)) - options.seed;
    println!(
        "{seeds} seeds passed in {:.1} s: {} events, {} crashes, {} executions",
        began.elapsed().as_secs_f64(),
        events.into_inner(),
        crashes.into_inner(),
        executions.into_inner()
    );
    ExitCode::SUCCESS
}
