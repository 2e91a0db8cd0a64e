//! One of two pools that are given the same to do: a real HTCondor in a chroot, which somebody set
//! up and started, or one of ours. Knows nothing of what they are given.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

/// The user of the reference's chroot.
const USER: u32 = 1000;

/// One of the two.
#[derive(Debug)]
pub enum Side {
    Real { root: PathBuf, work: PathBuf, run: String },
    Ours { updraft: PathBuf, home: PathBuf, work: PathBuf },
}

impl Side {
    /// The real one below this folder, with a folder of its user's home to work in.
    ///
    /// # Errors
    /// If there is none.
    pub fn real(reference: &Path, run: &str) -> anyhow::Result<Self> {
        let root = reference.join("root");
        if !root.join("usr/bin/condor_submit_dag").exists() {
            bail!(
                "there is no HTCondor in {}: this needs a real one, set up in a chroot there and started (as root; CI has none)",
                root.display()
            );
        }
        let work = root.join("home/alice").join(run);
        Ok(Self::Real { root, work, run: run.to_owned() })
    }

    /// Ours, in this folder.
    pub fn ours(updraft: PathBuf, folder: &Path) -> Self {
        Self::Ours { updraft, home: folder.join("pool"), work: folder.join("work") }
    }

    /// Where it works.
    pub fn work(&self) -> &Path {
        match self {
            Self::Real { work, .. } | Self::Ours { work, .. } => work,
        }
    }

    /// Starts or stops our pool.
    ///
    /// # Errors
    /// If that fails.
    pub fn pool(&self, verb: &str) -> anyhow::Result<()> {
        let mut words = vec!["pool", verb];
        if verb == "start" {
            words.extend(["--cpus", "8", "--memory", "16384"]);
        }
        if verb == "stop" {
            words.push("--now");
        }
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        fs::create_dir_all(self.work())?;
        let out = self.call(".", &words)?;
        if !out.status.success() {
            bail!("pool {verb}: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(())
    }

    /// Runs a command in a folder of where it works.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn call(&self, folder: &str, words: &[String]) -> anyhow::Result<Output> {
        let mut command = match self {
            Self::Real { root, run, .. } => {
                let mut command = Command::new("chroot");
                command.args(["--userspec=1000:1000".as_ref(), root.as_os_str()]);
                command.args([
                    "/usr/bin/env",
                    "-i",
                    "HOME=/home/alice",
                    "USER=alice",
                    "LOGNAME=alice",
                ]);
                command.args(["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "sh", "-c"]);
                command.arg(format!("cd ~/{run}/{folder} && exec \"$@\"")).arg("sh").args(words);
                command
            }
            Self::Ours { updraft, home, work } => {
                let mut command = Command::new(updraft);
                command.args(words).current_dir(work.join(folder));
                command.env("UPDRAFT_HOME", home).env("UPDRAFT_MAIL", "none").env("TZ", "UTC");
                command
            }
        };
        command.stdin(Stdio::null()).output().with_context(|| format!("run {}", words.join(" ")))
    }

    /// Makes a folder, and those around it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self, path: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        self.give(path)
    }

    /// Writes a file that may be executed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Real { .. } => Ok(chown(path, Some(USER), Some(USER))?),
            Self::Ours { .. } => Ok(()),
        }
    }
}
