//! Chaos by hand: the end-to-end tests that kill daemons at random, with many cases in place of the
//! few that CI runs.
//!
//! Each kind is a test that reads from the environment how many cases it runs, and from which seed;
//! another kind is one more constant here.

use anyhow::Result;
use clap::Args;

use crate::run;

/// How much of it.
#[derive(Args)]
pub(crate) struct ChaosArgs {
    /// How many workflows.
    #[arg(long, default_value_t = 20)]
    dags: u64,
    /// How many pools with jobs, one after the other.
    #[arg(long, default_value_t = 20)]
    jobs: u64,
    /// The first one's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The test of workflows, and the word that its variables have.
const DAGS: (&str, &str) = ("random_workflows_whose_daemons_are_killed", "DAGS");

/// The test of jobs.
const JOBS: (&str, &str) = ("random_jobs_whose_pool_is_killed_and_stopped", "JOBS");

/// Runs so many cases of each kind, if any.
///
/// # Errors
/// If a case does not come to what it must.
pub(crate) fn run(args: &ChaosArgs) -> Result<()> {
    let ChaosArgs { dags, jobs, seed } = args;
    let kinds = [("workflows", DAGS, dags), ("pools with jobs", JOBS, jobs)];
    for (what, (test, word), cases) in kinds.into_iter().filter(|(_, _, cases)| **cases > 0) {
        let cases = cases.to_string();
        let variables = [
            (format!("UPDRAFT_CHAOS_{word}"), cases.clone()),
            ("UPDRAFT_CHAOS_SEED".to_owned(), seed.to_string()),
        ];
        let args =
            ["test", "--quiet", "--package", "cli", "--test", "e2e", "--", "--nocapture", test];
        run::timed(&format!("{cases} {what} from seed {seed}"), || {
            run::program_with("cargo", &args, &variables)
        })?;
    }
    Ok(())
}
