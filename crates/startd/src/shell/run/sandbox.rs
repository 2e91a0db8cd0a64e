//! What a run needs before its process can start: its scratch folder (`scratch`) with its ads and
//! its files in it, and the order to the launcher (`process`). When a run starts and ends is not
//! its matter.
//!
//! A job runs in its initial directory, with its files where its ad says; or, where its files are
//! brought to it, in its scratch folder. Beside its schedd it is always the former; then the folder
//! only has its ad, and what a job of the local universe puts there.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use launcher::wire::Start;
use model::{RunId, StartFailure, StartStage};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User};
use proto::chirp::{self, ChirpConfig};
use tokio::sync::mpsc;

use crate::core::{RunKey, StartProcess};
use crate::shell::files::copying::TransferError;
use crate::shell::files::disk::Disk;
use crate::shell::files::manifest::Manifest;
use crate::shell::files::plugins::Plugins;
use crate::shell::files::side::SubmitSide;
use crate::shell::files::spool::Spool;
use crate::shell::files::starter_log::RunLog;
use crate::shell::files::transfer::{self, BroughtIn};
use crate::shell::owners::people::Person;
use crate::shell::run::environment::{self, JOB_AD, MACHINE_AD};
use crate::shell::run::process::{Layout, Surroundings, failure};
use crate::shell::run::scratch::{self, Scratches, write_over};
use crate::shell::run::short_scratches::ShortScratches;
use crate::shell::run::tool;

/// Where runs have their folders, and as whom they run.
#[derive(Clone, Debug)]
pub(crate) struct Sandboxes {
    scratches: Scratches,
    surroundings: Surroundings,
    plugins: Arc<Plugins>,
}

impl Sandboxes {
    /// Folders below `folder`, for runs as the present user with these plug-ins.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub(crate) fn new(folder: &Path, plugins: Arc<Plugins>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let scratches = Scratches::new(folder, ShortScratches::new(folder));
        Ok(Self { scratches, ..Self::of_users(folder, plugins)? })
    }

    /// The same where there is a folder, and runs are its users': scratch folders have their own
    /// names only, because who would make a short one is not who says what a job finds in its
    /// environment.
    ///
    /// # Errors
    ///
    /// If it is not known which program this is.
    pub(crate) fn of_users(folder: &Path, plugins: Arc<Plugins>) -> io::Result<Self> {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let user = User::from_uid(uid).ok().flatten();
        let surroundings = Surroundings {
            uid,
            gid,
            groups: vec![gid],
            home: user.map(|user| user.dir),
            bin: std::env::current_exe()?.parent().unwrap_or(Path::new("/")).to_owned(),
            schedd: PathBuf::new(),
            startd: PathBuf::new(),
        };
        let scratches = Scratches::new(folder, ShortScratches::none());
        Ok(Self { scratches, surroundings, plugins })
    }

    /// For jobs that may call the schedd whose socket this is.
    pub(crate) fn calling(mut self, schedd: &Path) -> Self {
        schedd.clone_into(&mut self.surroundings.schedd);
        self
    }

    /// For jobs with parts on several machines, which ask at this socket for the others.
    pub(crate) fn asking(mut self, startd: &Path) -> Self {
        startd.clone_into(&mut self.surroundings.startd);
        self
    }

    /// For jobs that may run in any of these groups.
    pub(crate) fn in_groups(mut self, groups: Vec<Gid>) -> Self {
        self.surroundings.groups = groups;
        self
    }

    /// The same for the runs of a user, whose folders are below this one.
    pub(crate) fn of_owner(&self, Person { user, groups }: &Person, folder: PathBuf) -> Self {
        let (uid, gid, home) = (user.uid, user.gid, Some(user.dir.clone()));
        let groups = groups.clone();
        let surroundings = Surroundings { uid, gid, groups, home, ..self.surroundings.clone() };
        let scratches = self.scratches.below(folder);
        Self { scratches, surroundings, plugins: self.plugins() }
    }

    /// The scratch folder of a run.
    pub(crate) fn path(&self, key: RunKey) -> PathBuf {
        self.scratches.path(key)
    }

    /// Every scratch folder but those of `kept`: what earlier lives of this startd have left.
    ///
    /// # Errors
    ///
    /// If the folders cannot be listed.
    pub(crate) fn strays(&self, kept: &BTreeSet<RunKey>) -> io::Result<Vec<PathBuf>> {
        self.scratches.strays(kept)
    }

    /// Clears scratch folders away as they come.
    pub(crate) fn sweep(&self, folders: mpsc::Receiver<Vec<PathBuf>>) {
        self.scratches.sweep(folders);
    }

    /// What fetches and stores files by URL.
    pub(crate) fn plugins(&self) -> Arc<Plugins> {
        Arc::clone(&self.plugins)
    }

    /// Says how a run's process is to be started, and makes what that needs and is not there yet.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn prepare(&self, run: &StartProcess) -> Result<Start, StartFailure> {
        let scratch = self.path(run.key);
        let start = match run.freight.travels {
            true => self.process(run, &Layout::away(run, &scratch))?,
            false => self.prepare_in_place(run)?,
        };
        RunLog::of(&run.job, &scratch).prepared(&start);
        Ok(start)
    }

    /// Says how a run's process is to be started whose folder is there already, without touching
    /// it.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn process_of(&self, run: &StartProcess) -> Result<Start, StartFailure> {
        let scratch = self.path(run.key);
        let layout = match run.freight.travels {
            true => Layout::away(run, &scratch),
            false => Layout::in_place(run, &scratch),
        };
        self.process(run, &layout)
    }

    /// Makes the scratch folder with the two ads in it, for a job that runs in its initial
    /// directory.
    fn prepare_in_place(&self, run: &StartProcess) -> Result<Start, StartFailure> {
        let scratch = self.path(run.key);
        let (job, layout) = (&*run.job, Layout::in_place(run, &scratch));
        self.make_folder(&scratch, run)?;
        RunLog::of(job, &scratch).begin(run, &scratch);
        if let Some(manifest) = Manifest::of(job, &layout.cwd) {
            manifest.mark(&scratch);
        }
        self.process(run, &layout)
    }

    /// Lists what is in the folder of a job that runs in its initial directory, if it wants that.
    /// The folder is its user's: looking into it may take long.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn list_in_place(&self, run: &StartProcess) -> Result<(), StartFailure> {
        let layout = Layout::in_place(run, &self.path(run.key));
        if let Some(manifest) = Manifest::of(&run.job, &layout.cwd) {
            manifest.write_in(&self.process(run, &layout)?);
        }
        Ok(())
    }

    /// Makes the scratch folder of a job that runs in it, and brings its files; what is to be
    /// brought back is written to `plan`. It may take long. What an earlier startd has begun is
    /// done anew.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn fill(
        &self,
        run: &StartProcess,
        plan: &Path,
        side: &SubmitSide,
    ) -> Result<(), StartFailure> {
        let scratch = self.path(run.key);
        let job = &*run.job;
        let run_log = RunLog::of(job, &scratch);
        let (start, brought) =
            side.with(|disk| self.begin(run, disk, &run_log)).unwrap_or_else(|said| {
                let failure = failure(StartStage::TransferInput, &scratch, Errno::EIO as i32);
                Err(StartFailure { said: Some(said), ..failure })
            })?;
        let spool = run
            .spool
            .as_ref()
            .map(|folder| Spool { folder: PathBuf::from(&**folder), attempt: run.run.attempt.0 });
        let expected =
            transfer::plan(brought, job, &scratch, spool.as_ref(), &self.plugins, &run_log)
                .map_err(untransferred)?;
        if let Some(tool) = tool::brought(job, &scratch) {
            transfer::make_executable(&tool).map_err(|error| unprepared(&tool, &error))?;
        }
        let written = serde_json::to_vec(&expected).map_err(io::Error::from);
        written
            .and_then(|bytes| fs::write(plan, bytes))
            .map_err(|error| unprepared(plan, &error))?;
        if let Some(manifest) = expected.manifest() {
            manifest.write_in(&start);
        }
        Ok(())
    }

    /// Makes the scratch folder and brings what is on the submitter's disk.
    fn begin(
        &self,
        run: &StartProcess,
        disk: &dyn Disk,
        run_log: &RunLog,
    ) -> Result<(Start, BroughtIn), StartFailure> {
        let scratch = self.path(run.key);
        scratch::remove(&scratch);
        self.make_folder(&scratch, run)?;
        run_log.begin(run, &scratch);
        // What cannot be started for other reasons is not worth a transfer.
        let start = self.process(run, &Layout::away(run, &scratch))?;
        let brought = transfer::bring_in(disk, &run.job, &scratch, run_log);
        Ok((start, brought.map_err(untransferred)?))
    }

    fn process(&self, run: &StartProcess, layout: &Layout) -> Result<Start, StartFailure> {
        let temporary = self.scratches.temporary(run.key, &layout.scratch);
        self.surroundings.process(run, layout, &temporary)
    }

    /// Makes the scratch folder with the run's ads in it.
    fn make_folder(&self, scratch: &Path, run: &StartProcess) -> Result<(), StartFailure> {
        self.scratches.make(scratch).map_err(|error| unprepared(scratch, &error))?;
        for (name, ad) in [(JOB_AD, &run.job), (MACHINE_AD, &run.slot_ad)] {
            let path = scratch.join(name);
            write_over(&path, &ad.to_old()).map_err(|error| unprepared(&path, &error))?;
        }
        if environment::calls_schedd(&run.job) {
            self.tell_schedd(scratch, run.run)?;
        }
        Ok(())
    }

    /// Writes down for the run's processes how they call their schedd.
    fn tell_schedd(&self, scratch: &Path, run: RunId) -> Result<(), StartFailure> {
        let path = scratch.join(chirp::CONFIG_FILE);
        let config = ChirpConfig { schedd: self.surroundings.schedd.clone(), run };
        let text = serde_json::to_string(&config).map_err(io::Error::from);
        text.and_then(|text| write_over(&path, &text)).map_err(|error| unprepared(&path, &error))
    }
}

fn untransferred(error: TransferError) -> StartFailure {
    let failure = failure(error.stage(), &error.path, error.errno);
    StartFailure { said: error.said, ..failure }
}

fn unprepared(path: &Path, error: &io::Error) -> StartFailure {
    failure(StartStage::Prepare, path, error.raw_os_error().unwrap_or(Errno::EIO as i32))
}
