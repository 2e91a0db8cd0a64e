//! Which comparison with HTCondor is which program, and what it is given: live, or with what a live
//! one did.

use anyhow::{Result, bail, ensure};

use crate::run;

/// What is compared, and with what options.
#[derive(clap::Args)]
pub(crate) struct OracleArgs {
    /// What, and its own arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

/// Runs the comparison that the first word names.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if ["dag", "submit", "commands", "run"].contains(&what.as_str()) => {
            run::program("cargo", &["build", "--release", "--quiet", "--package", "cli"])?;
            let ours = ["--updraft".to_owned(), run::release_binary()];
            run::tool(&format!("oracle-{what}"), &[&ours, rest].concat())
        }
        Some((what, [])) if what == "recorded" => recorded(),
        Some((what, _)) => {
            bail!(
                "there is no oracle of {what}: use `cargo xtask oracle dag`, `submit`, `commands`, `run` or `recorded`"
            )
        }
        None => bail!("use `cargo xtask oracle dag --seed N --cases M --reference DIR`"),
    }
}

/// Builds the programs, and asks ours alone about what the real HTCondor did with.
fn recorded() -> Result<()> {
    run::program("cargo", &["build", "--quiet", "--package", "cli"])?;
    let tool = ["--package", "updraft-tests", "--bin", "oracle-dag", "--bin", "oracle-submit"];
    run::program("cargo", &[&["build", "--quiet"][..], &tool].concat())?;
    replay()
}

/// The same with the programs that the tests have just built: the comparisons mostly wait, so that
/// optimised ones, which take minutes to build, would be no quicker.
///
/// # Errors
/// If one comes to something else.
pub(crate) fn replay() -> Result<()> {
    for (what, more) in [("submit", &[][..]), ("dag", &["--at-once", "16"])] {
        let built = |name: &str| run::target_dir().join("debug").join(name);
        let tool = built(&format!("oracle-{what}"));
        ensure!(
            tool.exists(),
            "there is no {}: cargo xtask oracle recorded builds it",
            tool.display()
        );
        let updraft = built("updraft").to_string_lossy().into_owned();
        let folder = run::root().join("tests/recorded").join(what).to_string_lossy().into_owned();
        let words = ["--updraft", &updraft, "--replay", &folder];
        run::program(&tool.to_string_lossy(), &[&words, more].concat())?;
    }
    Ok(())
}
