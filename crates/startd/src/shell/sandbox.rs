//! A run's scratch folder, and what its process is started with. It knows paths and attributes of the job's ad; when a run
//! starts and ends is not its matter.
//!
//! This is the way without file transfer: the job runs in its initial directory, and its files are where its ad says.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use classad::{ClassAd, Value};
use launcher::wire::{Limits, OsBytes, Resource, Rlimit, Start, Stdio, WriteMode};
use model::cmdline::argv_of;
use model::{StartFailure, StartStage, attr};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User};
use tokio::sync::mpsc;

use super::environment::{self, JOB_AD, MACHINE_AD, Place};
use super::translate::wire_key;
use crate::core::{RunKey, StartProcess};

/// The file mode creation mask of jobs (HTCondor 25.14's).
const UMASK: u32 = 0o022;

/// The permissions of output files, before the mask.
const OUTPUT_MODE: u32 = 0o644;

/// What a job leaves running when its main process ends gets SIGTERM, and SIGKILL after this. (HTCondor kills at once.)
const LEFTOVERS_GRACE_MS: u64 = 500;

/// What the folders of runs begin with; the run's key follows.
const FOLDER_PREFIX: &str = "dir_";

/// The file that stands for "no file" in a job's ad.
const NULL: &str = "/dev/null";

/// Where runs have their folders, and as whom they run.
#[derive(Clone, Debug)]
pub(crate) struct Sandboxes {
    folder: PathBuf,
    uid: Uid,
    gid: Gid,
    home: Option<PathBuf>,
}

impl Sandboxes {
    /// Folders below `folder`, for runs as the present user.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let uid = Uid::effective();
        let user = User::from_uid(uid).ok().flatten();
        let home = user.map(|user| user.dir);
        Ok(Self { folder: folder.to_owned(), uid, gid: Gid::effective(), home })
    }

    /// The scratch folder of a run.
    pub(crate) fn path(&self, key: RunKey) -> PathBuf {
        self.folder.join(format!("{FOLDER_PREFIX}{key}"))
    }

    /// Makes a run's scratch folder with the two ads in it, and says how its process is to be started.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn prepare(&self, run: &StartProcess) -> Result<Start, StartFailure> {
        let scratch = self.path(run.key);
        let job = &*run.job;
        let cwd = text(job, attr::IWD).map_or_else(|| scratch.clone(), PathBuf::from);
        let program = cwd.join(text(job, attr::CMD).unwrap_or_default());
        let start = self.process(run, &scratch, &cwd, &program)?;
        make_folder(&scratch, run)?;
        Ok(start)
    }

    fn process(
        &self,
        run: &StartProcess,
        scratch: &Path,
        cwd: &Path,
        program: &Path,
    ) -> Result<Start, StartFailure> {
        let job = &*run.job;
        let unreadable = |error: model::cmdline::CmdlineError| {
            tracing::info!(run = %run.run, %error, "a job's command line cannot be read");
            failure(StartStage::Execute, program, Errno::EINVAL as i32)
        };
        let place = Place {
            scratch,
            cwd,
            slot: &run.slot,
            cpus: run.resources.cpus,
            home: self.home.as_deref(),
        };
        let env = environment::of(job, place).map_err(unreadable)?;
        let argv = argv_of(job).map_err(unreadable)?.into_iter().map(OsBytes::from);
        let program = OsBytes::from(program);
        let (stdout, stderr) = outputs(job, cwd);
        Ok(Start {
            run_key: wire_key(run.key),
            argv: [program.clone()].into_iter().chain(argv).collect(),
            program,
            env: env.into_iter().map(|(k, v)| (OsBytes::from(k), OsBytes::from(v))).collect(),
            cwd: OsBytes::from(cwd),
            stdin: stdio(job, attr::IN, cwd),
            stdout,
            stderr,
            uid: self.uid.as_raw(),
            gid: self.gid.as_raw(),
            umask: UMASK,
            limits: limits(job),
            kill_grace_ms: LEFTOVERS_GRACE_MS,
            lease_until_boot_ms: run.lease_until_boot_ms,
        })
    }

    /// Every scratch folder but those of `kept`: what earlier lives of this startd have left.
    ///
    /// # Errors
    ///
    /// If the folders cannot be listed.
    pub(crate) fn strays(&self, kept: &BTreeSet<RunKey>) -> io::Result<Vec<PathBuf>> {
        let mut strays = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let key = name.to_str().and_then(|name| name.strip_prefix(FOLDER_PREFIX));
            let is_kept = |key: &str| key.parse().is_ok_and(|key: RunKey| kept.contains(&key));
            if key.is_some_and(|key| !is_kept(key)) {
                strays.push(entry.path());
            }
        }
        Ok(strays)
    }
}

/// Removes scratch folders as they come: a thread of its own, because a job may leave millions of files.
pub(crate) fn sweep(mut folders: mpsc::Receiver<Vec<PathBuf>>) {
    while let Some(folders) = folders.blocking_recv() {
        for folder in folders {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let folder = folder.display();
                    tracing::warn!(%folder, %error, "cannot remove a scratch folder; the next start tries again");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// A string attribute that says something.
fn text<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    job.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn make_folder(scratch: &Path, run: &StartProcess) -> Result<(), StartFailure> {
    let failed = |path: &Path, error: &io::Error| {
        failure(StartStage::Prepare, path, error.raw_os_error().unwrap_or(Errno::EIO as i32))
    };
    match DirBuilder::new().mode(0o700).create(scratch) {
        // A folder of this name is of this run: it is being prepared again.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(scratch, &error));
        }
        Ok(()) | Err(_) => {}
    }
    for (name, ad) in [(JOB_AD, &run.job), (MACHINE_AD, &run.slot_ad)] {
        let path = scratch.join(name);
        fs::write(&path, ad.to_old()).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn failure(stage: StartStage, path: &Path, errno: i32) -> StartFailure {
    StartFailure { stage, path: path.to_string_lossy().into_owned(), errno }
}

/// Standard output and error; where both lead to one file it is opened once, so that neither overwrites the other.
fn outputs(job: &ClassAd, cwd: &Path) -> (Stdio, Stdio) {
    let stdout = stdio(job, attr::OUT, cwd);
    let stderr = stdio(job, attr::ERR, cwd);
    if stderr == stdout && stderr != Stdio::Null {
        (stdout, Stdio::SameAsStdout)
    } else {
        (stdout, stderr)
    }
}

fn stdio(job: &ClassAd, name: &str, cwd: &Path) -> Stdio {
    match text(job, name) {
        None | Some(NULL) => Stdio::Null,
        Some(path) => Stdio::Path {
            path: OsBytes::from(cwd.join(path).as_path()),
            write: WriteMode::Truncate,
            create_mode: OUTPUT_MODE,
        },
    }
}

/// `CoreSize`: submit sets it to the submitter's own limit; without it, no core file.
fn limits(job: &ClassAd) -> Limits {
    let core = job.literal("CoreSize").and_then(Value::as_i64).unwrap_or(0);
    let core = Rlimit { resource: Resource::Core, max: u64::try_from(core).ok() };
    Limits { rlimits: vec![core], ..Limits::default() }
}
