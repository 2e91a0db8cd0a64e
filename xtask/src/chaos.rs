//! Chaos by hand: the end-to-end tests that kill daemons at random, with many cases in place of the
//! few that CI runs.
//!
//! Each kind is a test that reads from the environment how many cases it runs, and from which seed;
//! another kind is one more constant here.

use anyhow::Result;

use crate::run;

/// The test of workflows, and the word that its variables have.
pub(crate) const DAGS: (&str, &str) = ("random_workflows_whose_daemons_are_killed", "DAGS");

/// Runs so many cases of each kind. What a kind is called in its messages stands first.
///
/// # Errors
/// If a case does not come to what it must.
pub(crate) fn run(kinds: &[(&str, (&str, &str), u64)], seed: u64) -> Result<()> {
    for (what, (test, word), cases) in kinds {
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
