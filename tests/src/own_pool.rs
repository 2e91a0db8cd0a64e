//! A pool that a benchmark starts for itself, and a folder to work in. Knows nothing of what is
//! measured.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cli::pool::{self, PoolSettings};
use client::progress::Progress;
use client::{AskError, HOME_VARIABLE, Home};
use model::{ClusterId, Seq};
use proto::client::{Select, Selector};

/// Processors that the pool offers: more than there are, so that starting is the limit and not
/// waiting.
pub const SLOTS: u32 = 32;

/// A pool that lives as long as a measurement.
#[derive(Debug)]
pub struct OwnPool {
    program: PathBuf,
    home: Home,
    work: PathBuf,
}

impl OwnPool {
    /// Starts a pool of this `updraft`, does something with it, and stops it.
    ///
    /// # Errors
    ///
    /// If it cannot be started or stopped, or what is done fails.
    pub fn with(program: &Path, act: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        Self::with_slots(program, SLOTS, act)
    }

    /// The same with so many processors to offer.
    ///
    /// # Errors
    ///
    /// If it cannot be started or stopped, or what is done fails.
    pub fn with_slots(
        program: &Path,
        slots: u32,
        act: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        let dir = tempfile::tempdir().context("make a folder for the pool")?;
        let own = Self {
            program: program.to_owned(),
            home: Home::at(&dir.path().join("pool")),
            work: dir.path().to_owned(),
        };
        let settings = PoolSettings {
            cpus: Some(slots),
            memory_mib: Some(16 * 1024),
            ..PoolSettings::default()
        };
        pool::start(&own.home, &settings, program)?;
        let result = act(&own);
        pool::stop(&own.home, pool::Runs::End)?;
        result
    }

    /// Where commands are called, and files may be made.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Calls a command, and gives what it says.
    ///
    /// # Errors
    ///
    /// If it fails: with what it says of that.
    pub fn updraft(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(words)
            .env(HOME_VARIABLE, self.home.dir())
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("updraft {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a script of the shell that calls commands.
    ///
    /// # Errors
    ///
    /// If it fails: with what it says of that.
    pub fn shell(&self, script: &str) -> Result<()> {
        let output = Command::new("/bin/sh")
            .args(["-ec", script])
            .env(HOME_VARIABLE, self.home.dir())
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("{script}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Waits for the end of a cluster's jobs by the event stream, as `wait` does.
    ///
    /// # Errors
    ///
    /// If one fails, or nobody can be asked.
    pub fn wait_for(&self, cluster: ClusterId, jobs: u64) -> Result<()> {
        let mut progress = Progress::of(jobs);
        let select = Select::Any(vec![Selector::Cluster(cluster)]);
        self.home.follow(Seq(1), select, |events| {
            events.iter().for_each(|event| progress.note(event));
            let is_over = progress.is_settled();
            Ok::<_, AskError>(if is_over {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if !progress.all_succeeded() {
            bail!("jobs failed: {}", progress.summary().join("; "));
        }
        Ok(())
    }
}
