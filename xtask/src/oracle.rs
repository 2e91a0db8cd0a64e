//! Which comparison with a live HTCondor is which program, and what it is given.

use anyhow::{Result, bail};

use crate::run;

/// Runs the comparison that the first word names.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "dag" => {
            run::program("cargo", &["build", "--release", "--quiet", "--package", "cli"])?;
            let ours = ["--updraft".to_owned(), run::release_binary()];
            run::tool("oracle-dag", &[&ours, rest].concat())
        }
        Some((what, _)) => bail!("there is no oracle of {what}: use `cargo xtask oracle dag`"),
        None => bail!("use `cargo xtask oracle dag --seed N --cases M --reference DIR`"),
    }
}
