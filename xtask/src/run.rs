//! Starts other programs and says which one failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Runs a program in the root and fails if it does.
pub(crate) fn program(name: &str, args: &[&str]) -> Result<()> {
    run(Command::new(name).args(args), &format!("{name} {}", args.join(" ")))
}

/// The same, with variables of the environment.
pub(crate) fn program_with(
    name: &str,
    args: &[&str],
    variables: &[(String, String)],
) -> Result<()> {
    let variables = variables.iter().map(|(name, value)| (name, value));
    run(Command::new(name).args(args).envs(variables), &format!("{name} {}", args.join(" ")))
}

/// Whether a program can be run so.
pub(crate) fn is_there(name: &str, args: &[&str]) -> bool {
    Command::new(name).args(args).output().is_ok_and(|output| output.status.success())
}

/// Runs one of the tools that live in the `tests` member, optimised.
pub(crate) fn tool(bin: &str, args: &[String]) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--release", "--quiet", "--package", "updraft-tests", "--bin", bin, "--"])
        .args(args);
    run(&mut command, bin)
}

/// The optimised program, where cargo puts it.
pub(crate) fn release_binary() -> String {
    target_dir().join("release/updraft").to_string_lossy().into_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a step and prints how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "a person wants to see how long each step of CI takes"
)]
pub(crate) fn timed(name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let start = std::time::Instant::now();
    let result = step().with_context(|| format!("step '{name}'"));
    println!(
        "== {name}: {} in {:.1?}",
        if result.is_ok() { "ok" } else { "FAILED" },
        rounded(start.elapsed())
    );
    result
}

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis() / 100 * 100).unwrap_or(0))
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.current_dir(root()).status().with_context(|| format!("start {what}"))?;
    if !status.success() {
        bail!("{what}: {status}");
    }
    Ok(())
}
