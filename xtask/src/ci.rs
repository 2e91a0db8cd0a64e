//! All that CI runs, in the order in which a mistake is found cheapest. `.ci/run` only calls this.

use anyhow::Result;

use crate::{clients, hosts, oracle, run, tidy};

/// The test command that the README gives. One place, so that the two cannot differ: tidy compares.
pub(crate) const TEST_COMMAND: &str = "cargo test --workspace";

/// Runs every step; stops at the first that fails.
pub(crate) fn run(sim_seconds: u32) -> Result<()> {
    run::timed("format", || run::program("cargo", &["fmt", "--all", "--check"]))?;
    run::timed("tidy", tidy::run)?;
    run::timed("what may be linked", || {
        // Tidy has checked the same rules; building cargo-deny for a second opinion takes minutes
        // (ADR 0020).
        if run::is_there("cargo", &["deny", "--version"]) {
            return run::program("cargo", &["deny", "check", "bans", "licenses", "sources"]);
        }
        println!(
            "cargo-deny is not installed: tidy has checked the same rules; advisories are not checked"
        );
        Ok(())
    })?;
    run::timed("lints", || {
        run::program(
            "cargo",
            &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
        )
    })?;
    run::timed("tests", || {
        let words: Vec<&str> = TEST_COMMAND.split(' ').collect();
        run::program(words[0], &words[1..])
    })?;
    run::timed("a real client", clients::run_in_ci)?;
    run::timed("a pool of five hosts", hosts::run_in_ci)?;
    run::timed("what the real HTCondor made of workflows and descriptions", oracle::replay)?;
    run::timed("documentation", || {
        run::program(
            "cargo",
            &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
        )
    })?;
    run::timed("the simulator is built, optimised", || {
        let sim = ["--package", "updraft-tests", "--bin", "sim"];
        run::program("cargo", &[&["build", "--release", "--quiet"][..], &sim].concat())
    })?;
    run::timed("simulation", || {
        run::tool("sim", &["--seconds".to_owned(), sim_seconds.to_string()])
    })
}
