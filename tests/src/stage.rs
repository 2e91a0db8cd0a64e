//! Where a command of the real HTCondor and ours are run on the same files: in a chroot, as its
//! user, with nothing of HTCondor running; or ours alone. Knows nothing of what they are asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The user of the reference's chroot, and the name there.
const USER: u32 = 1000;
const NAME: &str = "alice";

/// How long a command may take, in seconds, and what `timeout` ends with then.
const AT_MOST_SECONDS: &str = "20";
/// The end of a command that did not come to one.
pub const TIMED_OUT: i32 = 124;

/// Where both are asked.
#[derive(Debug)]
pub struct Stage {
    work: PathBuf,
    root: Option<PathBuf>,
    /// Who runs the commands.
    pub user: String,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// HTCondor, which the chroot has.
    Real,
    /// Updraft under HTCondor's names.
    Ours,
}

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Stage {
    /// Lays out files for all, below the folder `d`, which is the current one, and our program
    /// under the names of `commands`. Without a root only ours can be asked.
    ///
    /// # Errors
    /// If something cannot be written, or there is no HTCondor in the root.
    pub fn new(
        work: &Path,
        root: Option<&Path>,
        updraft: &Path,
        commands: &[&str],
        files: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let user = if root.is_some() { NAME.to_owned() } else { own_name()? };
        let stage = Self { work: work.to_owned(), root: root.map(Path::to_owned), user };
        stage.give(work)?;
        for folder in ["d", "d/dir", "bin"] {
            fs::create_dir(work.join(folder)).with_context(|| format!("make {folder}"))?;
            stage.give(&work.join(folder))?;
        }
        for (name, text) in files {
            stage.put(&format!("d/{name}"), text)?;
        }
        let program = work.join("bin/updraft");
        if root.is_none() {
            symlink(updraft, &program)?;
        } else {
            // Without what a debugger wants, each of the thousand starts reads less.
            let stripped = Command::new("strip").arg("-o").arg(&program).arg(updraft).status();
            if !stripped.is_ok_and(|status| status.success()) {
                fs::copy(updraft, &program)
                    .with_context(|| format!("copy {}", updraft.display()))?;
            }
        }
        for command in commands {
            symlink("updraft", work.join("bin").join(command))?;
        }
        Ok(stage)
    }

    /// Where a real HTCondor was set up, which must be there.
    ///
    /// # Errors
    /// If it is not.
    pub fn root_of(reference: &Path) -> anyhow::Result<PathBuf> {
        let root = reference.join("root");
        ensure!(
            root.join("usr/bin/condor_submit").exists(),
            "there is no HTCondor in {}: this needs a real one, set up in a chroot there (as root; CI has none)",
            root.display()
        );
        Ok(root)
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        if self.root.is_some() {
            chown(path, Some(USER), Some(USER))?;
        }
        Ok(())
    }

    /// Makes a folder for one of those who ask at a time.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.work.join(name);
        if !folder.exists() {
            fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
            self.give(&folder)?;
        }
        Ok(folder)
    }

    /// Writes a file that everybody may execute.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.work.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        self.give(&path)
    }

    /// A path of the stage as those see it who are asked.
    pub fn inside(&self, path: &str) -> String {
        let path = self.work.join(path);
        let seen = self.root.as_ref().and_then(|root| path.strip_prefix(root).ok());
        seen.map_or_else(|| path.clone(), |seen| Path::new("/").join(seen)).display().to_string()
    }

    /// Runs a command of HTCondor's.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(&self, who: Who, name: &str, words: &[String]) -> anyhow::Result<Said> {
        let program = match who {
            Who::Real => format!("/usr/bin/{name}"),
            Who::Ours => self.inside(&format!("bin/{name}")),
        };
        let mut command = match &self.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg("--userspec=1000:1000").arg(root).arg("/usr/bin/env");
                command
            }
            None => Command::new("/usr/bin/env"),
        };
        command.args(["-i", "HOME=/home/alice", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"]);
        command.args(["sh", "-c", "cd \"$1\" && shift && exec timeout \"$@\"", "sh"]);
        command.args([&self.inside("d"), AT_MOST_SECONDS, &program]).args(words);
        let output = command.stdin(Stdio::null()).output().context("run a command")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        })
    }
}

fn own_name() -> anyhow::Result<String> {
    let output = Command::new("id").arg("-un").output().context("ask id who we are")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
