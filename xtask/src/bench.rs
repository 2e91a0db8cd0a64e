//! Which benchmark is which program, and what it is given.

use anyhow::Result;

use crate::run;

/// Runs the benchmark that the first word names; that of a pool if none does.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if ["dag", "pbs"].contains(&what.as_str()) => {
            run::program("cargo", &["build", "--release", "--quiet", "--package", "cli"])?;
            let given = ["--updraft".to_owned(), run::release_binary()];
            run::tool(&format!("bench-{what}"), &[&given, rest].concat())
        }
        Some((what, rest)) if !what.starts_with('-') => run::tool(&format!("bench-{what}"), rest),
        Some(_) | None => {
            run::program("cargo", &["build", "--release", "--quiet", "--package", "cli"])?;
            run::tool("bench-pool", &["--updraft".to_owned(), run::release_binary()])
        }
    }
}
