//! `cargo xtask clients [NAME ...]`: real programs that drive a batch system through HTCondor's or
//! PBS's commands, against a pool of ours.
//!
//! Each client is two files in `tests/clients`: `NAME.py`, a driver that ends with an error where
//! the client did not get what it needs, and `NAME.requirements.txt`, the client and all that it
//! brings, in pinned versions. This installs them (PyPI; kept in the target folder), starts a pool
//! that only this run sees, and runs the driver with those commands first in its PATH. What a
//! client is asked to do is the driver's matter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{self, root, target_dir};

/// The client that CI runs: the one that is installed and done soonest.
const IN_CI: &str = "law_condor";

/// How long a driver may take, seconds. Each takes some seconds; a driver that waits has shorter
/// deadlines of its own.
const DRIVER_LIMIT_S: &str = "240";

const REQUIREMENTS: &str = ".requirements.txt";

/// Builds the program and runs the clients of these names, all if there is none; stops at the first
/// that fails.
pub(crate) fn run(names: &[String]) -> Result<()> {
    let known = clients()?;
    let names = if names.is_empty() { &known } else { names };
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("there is no client '{unknown}' in tests/clients; there are {}", known.join(", "));
    }
    run::program("cargo", &["build", "--quiet", "--package", "cli"])?;
    names.iter().try_for_each(|name| run::timed(&format!("client {name}"), || one(name)))
}

/// Runs one client with the program that the end-to-end tests have just built: building it alone
/// would choose other features of its libraries, and build them all again.
pub(crate) fn run_in_ci() -> Result<()> {
    one(IN_CI)
}

fn folder() -> PathBuf {
    root().join("tests/clients")
}

fn clients() -> Result<Vec<String>> {
    let files = fs::read_dir(folder()).context("list tests/clients")?;
    let names: Result<Vec<String>> = files
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .filter_map(|name| match name {
            Ok(name) => name.strip_suffix(REQUIREMENTS).map(|client| Ok(client.to_owned())),
            Err(error) => Some(Err(error)),
        })
        .collect();
    let mut names = names?;
    names.sort();
    Ok(names)
}

fn one(name: &str) -> Result<()> {
    let python = install(name, &target_dir().join("clients").join(name))?;
    // Jobs' scratch folders are below, and clients make sockets there: the path has to be short.
    let work = tempfile::Builder::new().prefix("client-").tempdir().context("make a folder")?;
    let driven = drive(name, &python, work.path());
    if driven.is_err() {
        eprintln!("the client's files are in {}", work.keep().display());
    }
    driven
}

fn drive(name: &str, python: &Path, work: &Path) -> Result<()> {
    let (here, home) = (work.join("work"), work.join("home"));
    fs::create_dir_all(&here)?;
    fs::create_dir_all(&home)?;
    let pool = Pool::start(work)?;
    let driven = Command::new("timeout")
        .arg(DRIVER_LIMIT_S)
        .arg(python)
        .arg("-B")
        .arg(folder().join(format!("{name}.py")))
        .current_dir(here)
        .env("UPDRAFT_HOME", &pool.home)
        .env("HOME", home)
        .env("PATH", search_path(&[&pool.commands, python.parent().unwrap_or(work)])?)
        .status()
        .with_context(|| format!("run the driver of {name}"))?;
    ensure!(driven.success(), "tests/clients/{name}.py: {driven}");
    Ok(())
}

/// A virtual environment with exactly what the client's list says; made anew when the list has
/// changed.
fn install(name: &str, venv: &Path) -> Result<PathBuf> {
    let list = folder().join(format!("{name}{REQUIREMENTS}"));
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let (python, done) = (venv.join("bin/python"), venv.join("installed.txt"));
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv).status();
    let made =
        made.context("the clients are Python programs: python3 is needed, and is not in PATH")?;
    ensure!(
        made.success(),
        "python3 cannot make a virtual environment (on Debian: apt install python3-venv)"
    );
    let got = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
        .arg(&list)
        .status()
        .context("run pip")?;
    ensure!(
        got.success(),
        "pip cannot install {name}: the network is needed to reach PyPI, for the versions in {}",
        list.display()
    );
    fs::write(&done, wanted)?;
    Ok(python)
}

fn search_path(first: &[&Path]) -> Result<std::ffi::OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let dirs = first.iter().map(|dir| (*dir).to_owned()).chain(std::env::split_paths(&old));
    std::env::join_paths(dirs).context("put a folder into PATH")
}

/// A pool that ends with this value.
struct Pool {
    home: PathBuf,
    commands: PathBuf,
}

impl Pool {
    fn start(work: &Path) -> Result<Self> {
        let pool = Self { home: work.join("pool"), commands: work.join("bin") };
        pool.updraft(&["pool", "start", "--cpus", "4", "--memory", "4096"])?;
        pool.updraft(&["links", "install", &pool.commands.to_string_lossy()])?;
        Ok(pool)
    }

    fn updraft(&self, words: &[&str]) -> Result<()> {
        let out = Command::new(target_dir().join("debug/updraft"))
            .args(words)
            .env("UPDRAFT_HOME", &self.home)
            .output()
            .context("run updraft")?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "updraft {}: {}\n{said}", words.join(" "), out.status);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Err(error) = self.updraft(&["pool", "stop", "--now"]) {
            eprintln!("the client's pool did not stop: {error:#}");
        }
    }
}
