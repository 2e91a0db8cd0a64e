//! A run's scratch folder, and what its process is started with. It knows paths and attributes of
//! the job's ad; when a run starts and ends is not its matter.
//!
//! A job runs in its initial directory, with its files where its ad says; or, where its files are
//! brought to it, in its scratch folder. Beside its schedd it is always the former; then the folder
//! only has its ad, and what a job of the local universe puts there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc as sync_mpsc};
use std::thread;

use classad::{ClassAd, Env, Value};
use launcher::wire::{self, Limits, OsBytes, Resource, Rlimit, Start, Stdio, WriteMode};
use model::cmdline::{CmdlineError, argv_of};
use model::job_ad::{Checkpoint, Stream, Streams, Transfer, goes_on_behind, initial_directory};
use model::{
    CheckpointEnd, RunId, Script, ScriptSuccess, StartFailure, StartStage, Universe, attr,
};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use proto::chirp::{self, ChirpConfig};
use proto::{clock, parts};
use tokio::sync::mpsc;

use crate::core::{RunKey, StartProcess};
use crate::shell::files::copying::TransferError;
use crate::shell::files::disk::Disk;
use crate::shell::files::manifest::{self, Manifest};
use crate::shell::files::plugins::Plugins;
use crate::shell::files::side::SubmitSide;
use crate::shell::files::spool::Spool;
use crate::shell::files::starter_log::RunLog;
use crate::shell::files::transfer::{self, BroughtIn};
use crate::shell::links::translate::wire_key;
use crate::shell::run::environment::{self, JOB_AD, MACHINE_AD, Place};
use crate::shell::run::short_scratches::ShortScratches;
use crate::shell::run::tool;

/// The file mode creation mask of jobs (HTCondor 25.14's).
const UMASK: u32 = 0o022;

/// The permissions of output files, before the mask.
const OUTPUT_MODE: u32 = 0o644;

/// What a job leaves running when its main process ends gets SIGTERM, and SIGKILL after this.
/// (HTCondor kills at once.)
const LEFTOVERS_GRACE_MS: u64 = 500;

/// What the folders of runs begin with; the run's key follows.
const FOLDER_PREFIX: &str = "dir_";

/// How many folders are kept for the next run. Ext4 looks at every inode that was freed in the last
/// seconds before it gives a new one: making and removing three for each short run costs more than
/// the run. Enough for the slots of a large machine.
const SPARES_MAX: usize = 256;

/// Folders that wait to be removed for good. When it is full, who clears away waits.
const REMOVALS: usize = 65_536;

/// What their names begin with; a number follows.
const SPARE_PREFIX: &str = "spare_";

/// What the names of folders begin with that are being removed; a number follows.
const LEFT_PREFIX: &str = "left_";

/// The permissions of a scratch folder: its owner's alone.
const FOLDER_MODE: u32 = 0o700;

/// The permissions of the ads in it.
const AD_MODE: u32 = 0o644;

/// What of a file's mode is permissions.
const PERMISSIONS: u32 = 0o7777;

/// What the nodes of a job of the parallel universe are told: which one it is, and of how many
/// (HTCondor 25.14).
const NODE_NUMBER: &str = "_CONDOR_PROCNO";
const NODES: &str = "_CONDOR_NPROCS";

/// Where runs have their folders, and as whom they run.
#[derive(Clone, Debug)]
pub(crate) struct Sandboxes {
    folder: PathBuf,
    uid: Uid,
    gid: Gid,
    /// The groups that a job may run in; where all is one user's it is the one that there is.
    groups: Option<Vec<Gid>>,
    home: Option<PathBuf>,
    /// Where our programs are.
    bin: PathBuf,
    plugins: Arc<Plugins>,
    short_scratches: ShortScratches,
    /// Where jobs that call their schedd find it.
    schedd: PathBuf,
    /// Where the startd is asked by runs with several parts.
    startd: PathBuf,
    /// Folders of ended runs with nothing in them but what the next run's folder has too.
    spares: Arc<Mutex<Spares>>,
}

#[derive(Debug, Default)]
struct Spares {
    folders: Vec<PathBuf>,
    /// Numbers their names.
    made: u64,
}

/// Where the files of a run are.
struct Layout {
    scratch: PathBuf,
    cwd: PathBuf,
    program: PathBuf,
    stdin: Option<PathBuf>,
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
    /// What comes of what standard output and standard error hold already.
    write: WriteMode,
}

impl Sandboxes {
    /// Folders below `folder`, for runs as the present user with these plug-ins.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub(crate) fn new(folder: &Path, plugins: Arc<Plugins>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let short_scratches = ShortScratches::new(folder);
        Ok(Self { short_scratches, ..Self::of_users(folder, plugins)? })
    }

    /// The same where there is a folder, and runs are its users': scratch folders have their own
    /// names only, because who would make a short one is not who says what a job finds in its
    /// environment.
    ///
    /// # Errors
    ///
    /// If it is not known which program this is.
    pub(crate) fn of_users(folder: &Path, plugins: Arc<Plugins>) -> io::Result<Self> {
        let uid = Uid::effective();
        let user = User::from_uid(uid).ok().flatten();
        let home = user.map(|user| user.dir);
        Ok(Self {
            folder: folder.to_owned(),
            uid,
            gid: Gid::effective(),
            groups: None,
            home,
            bin: std::env::current_exe()?.parent().unwrap_or(Path::new("/")).to_owned(),
            plugins,
            short_scratches: ShortScratches::none(),
            schedd: PathBuf::new(),
            startd: PathBuf::new(),
            spares: Arc::default(),
        })
    }

    /// For jobs that may call the schedd whose socket this is.
    pub(crate) fn calling(self, schedd: &Path) -> Self {
        Self { schedd: schedd.to_owned(), ..self }
    }

    /// For jobs with parts on several machines, which ask at this socket for the others.
    pub(crate) fn asking(self, startd: &Path) -> Self {
        Self { startd: startd.to_owned(), ..self }
    }

    /// For jobs that may run in any of these groups.
    pub(crate) fn in_groups(self, groups: Vec<Gid>) -> Self {
        Self { groups: Some(groups), ..self }
    }

    /// The same for the runs of a user, whose folders are below this one.
    ///
    /// # Errors
    ///
    /// If his groups are not known.
    pub(crate) fn of_owner(&self, user: &User, folder: PathBuf) -> io::Result<Self> {
        let name = CString::new(user.name.as_bytes())?;
        let groups = getgrouplist(&name, user.gid)?;
        let (uid, gid, home) = (user.uid, user.gid, Some(user.dir.clone()));
        Ok(Self { folder, uid, gid, home, ..self.clone() }.in_groups(groups))
    }

    /// The scratch folder of a run.
    pub(crate) fn path(&self, key: RunKey) -> PathBuf {
        folder_of(&self.folder, key)
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
            true => self.process(run, &away(run, &scratch))?,
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
        let layout =
            if run.freight.travels { away(run, &scratch) } else { in_place(run, &scratch) };
        self.process(run, &layout)
    }

    /// Makes the scratch folder with the two ads in it, for a job that runs in its initial
    /// directory.
    fn prepare_in_place(&self, run: &StartProcess) -> Result<Start, StartFailure> {
        let scratch = self.path(run.key);
        let (job, layout) = (&*run.job, in_place(run, &scratch));
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
        let layout = in_place(run, &self.path(run.key));
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
        remove(&scratch);
        self.make_folder(&scratch, run)?;
        run_log.begin(run, &scratch);
        // What cannot be started for other reasons is not worth a transfer.
        let start = self.process(run, &away(run, &scratch))?;
        let brought = transfer::bring_in(disk, &run.job, &scratch, run_log);
        Ok((start, brought.map_err(untransferred)?))
    }

    /// The job's first group: one of its user's. Where everything runs as one user nobody can
    /// change it, and so a job that names another cannot run.
    fn group(&self, job: &ClassAd) -> Result<Gid, StartFailure> {
        let Some(name) = text(job, attr::PRIMARY_UNIX_GROUP) else { return Ok(self.gid) };
        let found = Group::from_name(name)
            .map_err(|errno| errno as i32)
            .and_then(|found| found.ok_or(Errno::ENOENT as i32))
            .and_then(|found| {
                let own = [self.gid];
                let may_be = self.groups.as_deref().unwrap_or(&own).contains(&found.gid);
                may_be.then_some(found.gid).ok_or(Errno::EPERM as i32)
            });
        found.map_err(|errno| StartFailure::at(StartStage::Group, name, errno))
    }

    fn process(&self, run: &StartProcess, layout: &Layout) -> Result<Start, StartFailure> {
        let job = &*run.job;
        let unreadable = |error: CmdlineError| {
            tracing::info!(run = %run.run, %error, "a job's command line cannot be read");
            failure(StartStage::Execute, &layout.program, Errno::EINVAL as i32)
        };
        let place = Place {
            universe: run.universe,
            job: run.run.job,
            scratch: &layout.scratch,
            temporary: &self.short_scratches.of(run.key, &layout.scratch),
            cwd: &layout.cwd,
            bin: &self.bin,
            slot: &run.slot,
            cpus: processors(run),
            home: self.home.as_deref(),
            slot_ad: &run.slot_ad,
            calls: environment::calls_schedd(job),
        };
        let mut env = environment::of(job, place).map_err(unreadable)?;
        if job.get(attr::GANG_PART).is_some() {
            let how = format!("{} {}", run.key, self.startd.display());
            env.insert(parts::VARIABLE.to_owned(), how);
        }
        if Universe::is_parallel(job) {
            let number = |name| job.literal(name).and_then(Value::as_i64);
            let (node, nodes) = (number(attr::GANG_PART), number(attr::MIN_HOSTS));
            for (name, number) in [(NODE_NUMBER, node.unwrap_or(0)), (NODES, nodes.unwrap_or(1))] {
                env.insert(name.to_owned(), number.to_string());
            }
        }
        let script = |script| script_of(script, job, place, layout);
        let (before, after) = (script(Script::Pre)?, script(Script::Post)?);
        let beside = tool::of(job, place, layout.cwd == layout.scratch).map_err(unreadable)?;
        let argv = argv_of(job).map_err(unreadable)?.into_iter().map(OsBytes::from);
        let program = OsBytes::from(layout.program.as_path());
        let stdout = stdio(layout.stdout.as_deref(), layout.write);
        // A file for both is opened once, so that neither overwrites the other.
        let is_one = layout.stdout.is_some() && layout.stderr == layout.stdout;
        Ok(Start {
            run_key: wire_key(run.key),
            argv: [program.clone()].into_iter().chain(argv).collect(),
            program,
            env: pairs(env),
            cwd: OsBytes::from(layout.cwd.as_path()),
            stdin: stdio(layout.stdin.as_deref(), WriteMode::Truncate),
            stdout,
            stderr: match is_one {
                true => Stdio::SameAsStdout,
                false => stdio(layout.stderr.as_deref(), layout.write),
            },
            uid: self.uid.as_raw(),
            gid: self.group(job)?.as_raw(),
            umask: UMASK,
            limits: limits(job),
            kill_grace_ms: LEFTOVERS_GRACE_MS,
            lease_until_boot_ms: run.lease_until_boot_ms,
            before,
            after,
            beside,
            stop_at_exec: tool::stops_at_exec(job, run.universe),
        })
    }

    /// Every scratch folder but those of `kept`: what earlier lives of this startd have left.
    ///
    /// # Errors
    ///
    /// If the folders cannot be listed.
    pub(crate) fn strays(&self, kept: &BTreeSet<RunKey>) -> io::Result<Vec<PathBuf>> {
        self.short_scratches.forget_all_but(kept);
        let mut strays = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_kept = || run_of(&entry.path()).is_some_and(|key| kept.contains(&key));
            let is_stray = name.starts_with(FOLDER_PREFIX) && !is_kept();
            if is_stray || name.starts_with(SPARE_PREFIX) || name.starts_with(LEFT_PREFIX) {
                strays.push(entry.path());
            }
        }
        Ok(strays)
    }

    /// Clears scratch folders away as they come, on a thread of its own. What has to be removed is
    /// on another one: a job may leave millions of files, and the next run wants a folder now.
    pub(crate) fn sweep(&self, mut folders: mpsc::Receiver<Vec<PathBuf>>) {
        thread::scope(|scope| {
            let (left, removing) = sync_mpsc::sync_channel::<PathBuf>(REMOVALS);
            scope.spawn(move || removing.iter().for_each(|folder| remove(&folder)));
            while let Some(folders) = folders.blocking_recv() {
                for folder in folders {
                    if let Some(key) = run_of(&folder) {
                        self.short_scratches.forget(key);
                    }
                    manifest::forget(&folder);
                    if !self.keep_spare(&folder) {
                        // It ends when we do.
                        let _ = left.send(self.put_aside(folder));
                    }
                }
            }
            while let Some(spare) = self.take_spare() {
                let _ = left.send(spare);
            }
        });
        self.short_scratches.close();
    }

    /// The folder under a name that is no run's: where it is now, if that could not be given.
    fn put_aside(&self, folder: PathBuf) -> PathBuf {
        let number = {
            let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
            spares.made += 1;
            spares.made
        };
        let aside = self.folder.join(format!("{LEFT_PREFIX}{number}"));
        if fs::rename(&folder, &aside).is_ok() { aside } else { folder }
    }

    fn keep_spare(&self, folder: &Path) -> bool {
        if !is_as_made(folder).unwrap_or(false) {
            return false;
        }
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.folders.len() >= SPARES_MAX {
            return false;
        }
        spares.made += 1;
        let spare = self.folder.join(format!("{SPARE_PREFIX}{}", spares.made));
        let renamed = fs::rename(folder, &spare).is_ok();
        if renamed {
            spares.folders.push(spare);
        }
        renamed
    }

    fn take_spare(&self) -> Option<PathBuf> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).folders.pop()
    }

    fn make_folder(&self, scratch: &Path, run: &StartProcess) -> Result<(), StartFailure> {
        let renamed = self.take_spare().is_some_and(|spare| fs::rename(spare, scratch).is_ok());
        if !renamed {
            match DirBuilder::new().mode(FOLDER_MODE).create(scratch) {
                // A folder of this name is of this run: it is being prepared again.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(unprepared(scratch, &error));
                }
                Ok(()) | Err(_) => {}
            }
        }
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
        let config = ChirpConfig { schedd: self.schedd.clone(), run };
        let text = serde_json::to_string(&config).map_err(io::Error::from);
        text.and_then(|text| write_over(&path, &text)).map_err(|error| unprepared(&path, &error))
    }
}

/// The scratch folder of a run, below this one.
pub(crate) fn folder_of(folder: &Path, key: RunKey) -> PathBuf {
    folder.join(format!("{FOLDER_PREFIX}{key}"))
}

/// Whose scratch folder this is.
fn run_of(folder: &Path) -> Option<RunKey> {
    folder.file_name()?.to_str()?.strip_prefix(FOLDER_PREFIX)?.parse().ok()
}

fn remove(folder: &Path) {
    let removed = fs::remove_dir_all(folder).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        open_up(folder)?;
        fs::remove_dir_all(folder)
    });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "cannot remove a scratch folder; the next start tries again");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Makes folders removable that a job has closed, as Go does with its module cache.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A link to a folder is none.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder is as it was made: the job has added nothing to it and changed nothing that the
/// next run's ads do not overwrite.
fn is_as_made(folder: &Path) -> io::Result<bool> {
    let is = |found: &Metadata, mode: u32| found.mode() & PERMISSIONS == mode;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || !is(&found, FOLDER_MODE) {
        return Ok(false);
    }
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        let name = entry.file_name();
        let ours = name == JOB_AD || name == MACHINE_AD;
        if !ours || !found.is_file() || found.nlink() != 1 || !is(&found, AD_MODE) {
            return Ok(false);
        }
        files += 1;
    }
    Ok(files == 2)
}

/// Writes a file that may be there already, without emptying it first: ext4 writes a file that was
/// emptied to the disk at once.
fn write_over(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(AD_MODE);
    let mut file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
}

/// How many processors a run is to use. One beside its schedd has no slot: it is taken at its word,
/// as others are at theirs.
fn processors(run: &StartProcess) -> u32 {
    if !run.universe.is_beside() {
        return run.resources.cpus;
    }
    let asked = run.job.literal(attr::REQUEST_CPUS).and_then(Value::as_i64);
    asked.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1).max(1)
}

/// A string attribute that says something.
pub(crate) fn text<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    job.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Where the files are of a job that runs in its initial directory.
fn in_place(run: &StartProcess, scratch: &Path) -> Layout {
    let job = &*run.job;
    let iwd = initial_directory(job).unwrap_or(scratch);
    // HTCondor 25.14's `remote_initialdir`: the folder on this machine that stands in for the
    // initial one.
    let cwd = text(job, attr::REMOTE_IWD).map_or_else(|| iwd.to_owned(), |there| iwd.join(there));
    let Streams { stdin, stdout, stderr } = Streams::of(job);
    let file = |stream: Option<Stream<'_>>| stream.map(|stream| stream.below(&cwd));
    Layout {
        program: cwd.join(text(job, attr::CMD).unwrap_or_default()),
        stdin: file(stdin),
        stdout: file(stdout),
        stderr: file(stderr),
        write: write_mode(Checkpoint::is_gone_on_from(job)),
        cwd,
        scratch: scratch.to_owned(),
    }
}

/// Where the files of a run are that are brought.
fn away(run: &StartProcess, scratch: &Path) -> Layout {
    let job = &*run.job;
    let (stdout, stderr) = transfer::outputs(job, scratch);
    Layout {
        program: transfer::program(&Transfer::of(job), scratch),
        stdin: transfer::stdin(job, scratch),
        stdout,
        stderr,
        write: write_mode(goes_on_behind(job)),
        cwd: scratch.to_owned(),
        scratch: scratch.to_owned(),
    }
}

fn write_mode(goes_on_behind: bool) -> WriteMode {
    if goes_on_behind { WriteMode::Append } else { WriteMode::Truncate }
}

/// What is to run before or after the job's program, if its ad says so. HTCondor 25.14 knows them
/// where it has a starter: not in the scheduler universe. A relative path leads from the folder in
/// which the job runs, which in HTCondor is always the scratch folder.
fn script_of(
    script: Script,
    job: &ClassAd,
    place: Place<'_>,
    layout: &Layout,
) -> Result<Option<Box<wire::Script>>, StartFailure> {
    if place.universe == Universe::Scheduler {
        return Ok(None);
    }
    let wanted = script.of(job).map_err(|error| {
        tracing::info!(job = %place.job, %script, %error, "a script's command line cannot be read");
        let path = Path::new(text(job, script.attribute()).unwrap_or_default());
        failure(StartStage::Execute, path, Errno::EINVAL as i32)
    })?;
    Ok(wanted.map(|wanted| {
        let program = OsBytes::from(layout.cwd.join(wanted.program).as_path());
        // HTCondor 25.14's.
        let name = OsBytes::from(format!("condor_{script}script"));
        Box::new(wire::Script {
            program,
            argv: [name].into_iter().chain(wanted.argv.into_iter().map(OsBytes::from)).collect(),
            env: pairs(environment::around(wanted.environ, place)),
            success: wanted.success.map(|success| match success {
                ScriptSuccess::ExitCode(code) => wire::Success::ExitCode(code),
                ScriptSuccess::Signal(signal) => wire::Success::Signal(signal),
            }),
            // A job that has taken a checkpoint goes on.
            unless: CheckpointEnd::of(job).map(|end| match end {
                CheckpointEnd::Exited(code) => wire::Success::ExitCode(code),
                CheckpointEnd::Signaled(signal) => wire::Success::Signal(signal),
            }),
            when_killed: wanted.at_any_end,
        })
    }))
}

/// Variables as the launcher takes them.
pub(crate) fn pairs(environ: BTreeMap<String, String>) -> Vec<(OsBytes, OsBytes)> {
    environ.into_iter().map(|(name, value)| (OsBytes::from(name), OsBytes::from(value))).collect()
}

fn untransferred(error: TransferError) -> StartFailure {
    let failure = failure(error.stage(), &error.path, error.errno);
    StartFailure { said: error.said, ..failure }
}

fn unprepared(path: &Path, error: &io::Error) -> StartFailure {
    failure(StartStage::Prepare, path, error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

fn failure(stage: StartStage, path: &Path, errno: i32) -> StartFailure {
    StartFailure::at(stage, path.to_string_lossy(), errno)
}

pub(crate) fn stdio(path: Option<&Path>, write: WriteMode) -> Stdio {
    path.map_or(Stdio::Null, |path| Stdio::Path {
        path: OsBytes::from(path),
        write,
        create_mode: OUTPUT_MODE,
    })
}

/// `CoreSize`: submit sets it to the submitter's own limit; without it, no core file.
fn limits(job: &ClassAd) -> Limits {
    let core = job.literal(attr::CORE_SIZE).and_then(Value::as_i64).unwrap_or(0);
    let core = Rlimit { resource: Resource::Core, max: u64::try_from(core).ok() };
    // `StackSize`, in bytes; without it, what the pool was started with.
    let env = Env::at(clock::now().wall.as_secs());
    let stack = job.eval(attr::STACK_SIZE, None, &env).as_i64().and_then(|n| u64::try_from(n).ok());
    let stack = stack.map(|max| Rlimit { resource: Resource::Stack, max: Some(max) });
    Limits { rlimits: [core].into_iter().chain(stack).collect(), ..Limits::default() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What a job may have done to its folder.
    type Spoiler = (&'static str, fn(&Path));

    #[test]
    fn folders_that_a_job_has_closed_are_removed_and_what_links_lead_to_is_left_alone() {
        let both = tempfile::tempdir().unwrap();
        let (folder, other) = (both.path().join("dir_1"), both.path().join("other"));
        for path in [folder.join("pkg/mod/cache"), other.clone()] {
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("file"), "").unwrap();
        }
        symlink(&other, folder.join("pkg/mod/link")).unwrap();
        for name in ["pkg/mod/cache", "pkg/mod", "pkg"] {
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o555)).unwrap();
        }
        fs::set_permissions(&other, Permissions::from_mode(0o555)).unwrap();
        remove(&folder);
        assert!(!folder.exists());
        assert_eq!(fs::metadata(&other).unwrap().mode() & PERMISSIONS, 0o555);
        assert!(other.join("file").exists());
        fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn only_a_folder_as_it_was_made_is_used_again() {
        let spoilers: [Spoiler; 5] = [
            ("a new file", |folder| fs::write(folder.join("core"), "").unwrap()),
            ("a missing ad", |folder| fs::remove_file(folder.join(JOB_AD)).unwrap()),
            ("a link to elsewhere", |folder| {
                fs::remove_file(folder.join(JOB_AD)).unwrap();
                symlink("/etc/passwd", folder.join(JOB_AD)).unwrap();
            }),
            ("a second name", |folder| {
                fs::hard_link(folder.join(JOB_AD), folder.with_extension("kept")).unwrap();
            }),
            ("other permissions", |folder| {
                fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
            }),
        ];
        for (what, spoil) in spoilers {
            let both = tempfile::tempdir().unwrap();
            let folder = both.path().join("dir_1");
            DirBuilder::new().mode(FOLDER_MODE).create(&folder).unwrap();
            write_over(&folder.join(JOB_AD), "a longer text").unwrap();
            write_over(&folder.join(JOB_AD), "a text").unwrap();
            write_over(&folder.join(MACHINE_AD), "another").unwrap();
            assert_eq!(fs::read_to_string(folder.join(JOB_AD)).unwrap(), "a text");
            assert!(is_as_made(&folder).unwrap());
            spoil(&folder);
            assert!(!is_as_made(&folder).unwrap(), "{what}");
        }
    }
}
