//! Fuzzes every reader of what others have written: `cargo xtask fuzz [TARGET] --seconds N` calls
//! it.
//!
//! An input that a target panics on, or that takes too long, is printed with the seed and case that
//! make it again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use updraft_tests::fuzz::{Named, TARGETS};

/// Far less stack than any thread of a daemon has.
const STACK_BYTES: usize = 256 << 10;

/// What one input may take: the limits of the language bound it, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Throws changed texts of the corpus at each target. Exit code 1 if one of them fails.
#[derive(Parser)]
#[command(name = "fuzz")]
struct Cli {
    /// Only this target; all of them otherwise.
    target: Option<String>,
    /// How long each target is fuzzed.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The same seed gives the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs this input only.
    #[arg(long)]
    case: Option<u64>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let chosen: Vec<Named> = TARGETS
        .iter()
        .filter(|(name, ..)| cli.target.as_deref().is_none_or(|wanted| wanted == *name))
        .copied()
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
        bail!("there is no such target; there are {}", names.join(", "));
    }
    let small = std::thread::Builder::new().stack_size(STACK_BYTES);
    let fuzzing = small.spawn(move || run(&cli, &chosen)).context("start the thread")?;
    let failures = fuzzing.join().map_err(|_| anyhow::anyhow!("the fuzzer itself panicked"))?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::disallowed_methods, reason = "a fuzzer runs for a time and finds what is slow")]
fn run(cli: &Cli, chosen: &[Named]) -> u64 {
    let mut failures = 0;
    for (name, target, corpus) in chosen {
        let corpus = corpus();
        let start = Instant::now();
        let (mut cases, mut slowest) = (0, Duration::ZERO);
        let mut failed = 0;
        while cli.case.is_none_or(|_| cases == 0) && start.elapsed().as_secs() < cli.seconds {
            let case = cli.case.unwrap_or(cases);
            let input = corpus.input(cli.seed, case);
            let began = Instant::now();
            let held = catch_unwind(AssertUnwindSafe(|| target(&input))).is_ok();
            slowest = slowest.max(began.elapsed());
            if !held || began.elapsed() > PATIENCE {
                failed += 1;
                println!("{name} --seed {} --case {case}: {}", cli.seed, input.escape_ascii());
            }
            cases += 1;
        }
        println!(
            "{name:<20} {cases:>9} inputs, {failed} failures, slowest {:.1} ms",
            slowest.as_secs_f64() * 1e3
        );
        failures += failed;
    }
    failures
}
