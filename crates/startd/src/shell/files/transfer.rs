//! File transfer between a job's initial directory and its scratch folder: which files go. It
//! blocks; who calls it, and when, is `carrier`'s matter.
//!
//! The submitter's disk is one that is handed in: this machine's, or one behind a connection. Both
//! directions are copies between it and this machine's (`copying`). What an evicted job keeps goes
//! to its `spool`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use classad::{ClassAd, Env};
use model::job_ad::{self, FileLimits, Input, Stream, Streams, Tool, Transfer, initial_directory};
pub(crate) use model::spooling::{STDERR, STDOUT};
use model::{CheckpointEnd, OnEvict, RunEnd, on_evict, url_scheme};
use nix::errno::Errno;
use proto::{chirp, clock};
use serde::{Deserialize, Serialize};

use crate::core::Cause;
use crate::shell::files::copying::{DEEPEST, Route, TransferError, failed};
use crate::shell::files::disk::{Disk, EntryKind, Links, SameDisk};
use crate::shell::files::manifest::Manifest;
use crate::shell::files::plugins::{Plugins, UrlTransfer, Way};
use crate::shell::files::spool::Spool;
use crate::shell::files::starter_log::{RUN_LOG, RunLog};
use crate::shell::run::environment::{JOB_AD, MACHINE_AD};
use crate::shell::run::tool;

/// The permissions of an executable that was brought (HTCondor 25.14 makes it executable whatever
/// it was).
const EXECUTABLE_MODE: u32 = 0o755;

/// What a user's proxy becomes: nobody else reads it.
const PROXY_MODE: u32 = 0o600;

/// What is to be brought back at the end of a run. Kept in a file while the run lasts, outside the
/// job's reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputPlan {
    /// The initial directory.
    iwd: PathBuf,
    /// Where standard output goes, if anywhere.
    stdout: Option<PathBuf>,
    /// Where standard error goes, if it does not go into standard output.
    stderr: Option<PathBuf>,
    files: Wanted,
    /// New names, by name in the scratch folder.
    remaps: BTreeMap<String, String>,
    preserve_relative_paths: bool,
    /// The URL below which all files go, instead of coming back (`output_destination`).
    #[serde(default)]
    destination: Option<String>,
    /// Files come back only if the job exits with this (`when_to_transfer_output = ON_SUCCESS`).
    only_after_exit_code: Option<i32>,
    /// Together, what comes back may be no larger.
    #[serde(default)]
    most_bytes: Option<u64>,
    /// What was brought in, bytes.
    #[serde(default)]
    received_bytes: u64,
    /// What comes of the files if the run is stopped.
    #[serde(default)]
    when_evicted: WhenEvicted,
    /// What comes of the files when the job has taken a checkpoint.
    #[serde(default)]
    checkpoint: Option<Checkpoint>,
    /// The program that was brought: whatever has become of it, it is no output.
    #[serde(default)]
    program: Option<OsString>,
    /// Nor are the user's proxy and the plug-ins that were brought.
    #[serde(default)]
    helpers: Vec<OsString>,
    /// The plug-ins that were brought: their protocols, and their names in the scratch folder.
    #[serde(default)]
    plugins: Vec<(Vec<String>, PathBuf)>,
    /// More files that come back if they are there.
    #[serde(default)]
    more: Vec<String>,
    /// What is told of the scratch folder, in a folder that comes back with the files.
    #[serde(default)]
    manifest: Option<Manifest>,
}

/// The checkpoints of a job that takes them itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    /// The end of a run that says so.
    end: CheckpointEnd,
    /// What is one; otherwise what would come back.
    files: Option<Vec<String>>,
    /// Where it is kept.
    spool: Spool,
}

/// What comes of a run's files if it is stopped before it has ended by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum WhenEvicted {
    /// They go with the scratch folder.
    #[default]
    Lost,
    /// They come back as if it had ended.
    Back,
    /// The job's next run finds them.
    Kept(Spool),
}

/// Which files are brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wanted {
    /// Those at the top of the scratch folder that are new, or not as they were.
    Changed(BTreeSet<Stamp>),
    Listed(Vec<String>),
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Stamp {
    name: OsString,
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

/// The program of a job whose files are brought.
pub(crate) fn program(transfer: &Transfer<'_>, scratch: &Path) -> PathBuf {
    let cmd = Path::new(transfer.program.unwrap_or_default());
    match cmd.file_name() {
        Some(name) if transfer.brings_program => scratch.join(name),
        Some(_) | None => scratch.join(cmd),
    }
}

/// Standard input of a job whose files are brought.
pub(crate) fn stdin(job: &ClassAd, scratch: &Path) -> Option<PathBuf> {
    let stdin = Streams::of(job).stdin?;
    if stdin.in_place {
        return Some(stdin.below(iwd(job, scratch)));
    }
    Some(scratch.join(Path::new(stdin.path).file_name()?))
}

/// Standard output and standard error of a job whose files are brought, while it runs. A file for
/// both is one.
pub(crate) fn outputs(job: &ClassAd, scratch: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
    let streams = Streams::of(job);
    let place = |stream: Stream<'_>, own| match stream.in_place {
        true => stream.below(iwd(job, scratch)),
        false => scratch.join(own),
    };
    let stdout = streams.stdout.map(|stream| place(stream, STDOUT));
    let stderr = match streams.are_one() {
        true => stdout.clone(),
        false => streams.stderr.map(|stream| place(stream, STDERR)),
    };
    (stdout, stderr)
}

/// The initial directory of a job.
fn iwd<'a>(job: &'a ClassAd, scratch: &'a Path) -> &'a Path {
    initial_directory(job).unwrap_or(scratch)
}

/// What was brought from the submitter's disk, and what is still to be fetched.
#[derive(Debug)]
pub(crate) struct BroughtIn {
    bytes: u64,
    transfers: Vec<UrlTransfer>,
}

/// Brings executable, standard input and the listed files into the scratch folder, from the
/// submitter's disk.
///
/// # Errors
///
/// The first file that cannot be brought.
pub(crate) fn bring_in(
    side: &dyn Disk,
    job: &ClassAd,
    scratch: &Path,
    run_log: &RunLog,
) -> Result<BroughtIn, TransferError> {
    if let Some(most) = limits(job).input_bytes {
        check_input_size(side, job, scratch, most)?;
    }
    bring_inputs(side, job, scratch, run_log)
}

/// Fetches what has a URL, for which that disk is not wanted: it may take long. Puts back what an
/// earlier run has kept in `spool`, and says what is to come back.
///
/// # Errors
///
/// The first file that cannot be had.
pub(crate) fn plan(
    brought: BroughtIn,
    job: &ClassAd,
    scratch: &Path,
    spool: Option<&Spool>,
    plugins: &Plugins,
    run_log: &RunLog,
) -> Result<OutputPlan, TransferError> {
    let (transfer, limits) = (Transfer::of(job), limits(job));
    let BroughtIn { bytes, transfers } = brought;
    let own = own_plugins(&transfer);
    let plugins = plugins.with(&own, scratch);
    let received_bytes = bytes + by_plugins(&plugins, Way::Fetch, scratch, &transfers, run_log)?;
    let listed = |names: &Vec<&str>| names.iter().copied().map(str::to_owned).collect();
    let files = match &transfer.outputs {
        Some(names) => Wanted::Listed(listed(names)),
        None => Wanted::Changed(top_level(scratch)?),
    };
    // After the files were listed: what was kept is an output, whether this run touches it or not.
    if let Some(spool) = spool {
        spool.restore(scratch)?;
        run_log.say(|| "What earlier runs have kept is there".to_owned());
    }
    let when_evicted = match (on_evict(job), spool) {
        (OnEvict::Nothing, _) => WhenEvicted::Lost,
        (OnEvict::Keep, Some(spool)) => WhenEvicted::Kept(spool.clone()),
        (OnEvict::Keep, None) | (OnEvict::BringBack, _) => WhenEvicted::Back,
    };
    let checkpoint = job_ad::Checkpoint::of(job).zip(spool).map(|(taken, spool)| Checkpoint {
        end: taken.end,
        files: taken.files,
        spool: spool.clone(),
    });
    let remaps = all_remaps(&transfer, Tool::of(job));
    let (stdout, stderr) = targets(&Streams::of(job), iwd(job, scratch), &remaps);
    let brought = transfer.brings_program.then(|| program(&transfer, scratch));
    Ok(OutputPlan {
        stdout,
        stderr,
        most_bytes: limits.output_bytes,
        iwd: iwd(job, scratch).to_owned(),
        files,
        remaps,
        program: brought.and_then(|path| path.file_name().map(OsStr::to_owned)),
        helpers: helpers(&transfer).filter_map(last_name).map(OsStr::to_owned).collect(),
        plugins: own,
        preserve_relative_paths: transfer.preserve_relative_paths,
        destination: transfer.destination.map(str::to_owned),
        only_after_exit_code: transfer.only_after_exit_code,
        received_bytes,
        when_evicted,
        checkpoint,
        more: tool::outputs(Tool::of(job)).into_iter().map(|(name, _)| name).collect(),
        manifest: Manifest::of(job, scratch),
    })
}

/// Where standard output and standard error go when they are brought back: streams are outputs like
/// the others, and may have other names at home. A file for both is brought back once.
fn targets(
    streams: &Streams<'_>,
    iwd: &Path,
    remaps: &BTreeMap<String, String>,
) -> (Option<PathBuf>, Option<PathBuf>) {
    let target = |stream: Option<Stream<'_>>| {
        let stream = stream.filter(|stream| !stream.in_place)?;
        let new = remaps.get(stream.path).filter(|new| url_scheme(new).is_none());
        Some(new.map_or_else(|| stream.below(iwd), |new| iwd.join(new)))
    };
    let stderr = streams.stderr.filter(|_| !streams.are_one());
    (target(streams.stdout), target(stderr))
}

/// New names for outputs: what the job says, and where those of its tool go.
fn all_remaps(transfer: &Transfer<'_>, tool: Option<Tool<'_>>) -> BTreeMap<String, String> {
    let mut all = transfer.remaps.clone();
    for (name, path) in tool::outputs(tool).into_iter().filter(|(name, path)| name != path) {
        all.entry(name).or_insert(path);
    }
    all
}

/// Whatever it was where it came from, a program that was brought can be executed.
pub(crate) fn make_executable(program: &Path) -> io::Result<()> {
    fs::set_permissions(program, fs::Permissions::from_mode(EXECUTABLE_MODE))
}

fn bring_inputs(
    side: &dyn Disk,
    job: &ClassAd,
    scratch: &Path,
    run_log: &RunLog,
) -> Result<BroughtIn, TransferError> {
    let (transfer, iwd) = (Transfer::of(job), iwd(job, scratch));
    let preserve = transfer.preserve_relative_paths;
    let route = Route { from: side, to: &SameDisk };
    let mut received_bytes = 0;
    let mut transfers = Vec::new();
    for input in &transfer.inputs {
        let path = match input {
            Input::Path(path) => path,
            Input::Url(url) => match fetched(url) {
                Some(name) => {
                    let local = scratch.join(name);
                    transfers.push(UrlTransfer { url: (*url).to_owned(), local });
                    continue;
                }
                // It names no file: it is not there.
                None => url,
            },
        };
        let copy = || route.item(iwd, path, scratch, preserve);
        received_bytes += run_log.moving(|| format!("Input {path}"), copy)?;
    }
    received_bytes += bring_helpers(route, &transfer, iwd, scratch, run_log)?;
    let stdin_path = Streams::of(job).stdin.map(|stdin| stdin.below(iwd));
    if let (Some(path), Some(target)) = (stdin_path, stdin(job, scratch))
        && path != target
    {
        let copy = || route.file(&path, &target);
        received_bytes += run_log.moving(|| "Standard input".to_owned(), copy)?;
    }
    if transfer.brings_program {
        let target = program(&transfer, scratch);
        let copy = || route.file(&iwd.join(transfer.program.unwrap_or_default()), &target);
        received_bytes += run_log.moving(|| "Executable".to_owned(), copy)?;
        make_executable(&target).map_err(|error| failed(&target, &error))?;
    }
    Ok(BroughtIn { bytes: received_bytes, transfers })
}

/// The user's proxy and the plug-ins that the job brings along, each under its last name.
fn bring_helpers(
    route: Route<'_>,
    transfer: &Transfer<'_>,
    iwd: &Path,
    scratch: &Path,
    run_log: &RunLog,
) -> Result<u64, TransferError> {
    let mut bytes = 0;
    if let Some((proxy, target)) = transfer.proxy.zip(proxy_in(transfer, scratch)) {
        let copy = || route.file(&iwd.join(proxy), &target);
        bytes += run_log.moving(|| format!("Proxy {proxy}"), copy)?;
        // Whoever reads it is who it says, and its readers refuse one that others may read.
        let private = fs::Permissions::from_mode(PROXY_MODE);
        fs::set_permissions(&target, private).map_err(|error| failed(&target, &error))?;
    }
    for plugin in &transfer.plugins {
        let Some(target) = last_name(plugin.path).map(|name| scratch.join(name)) else { continue };
        let copy = || route.file(&iwd.join(plugin.path), &target);
        bytes += run_log.moving(|| format!("Plug-in {}", plugin.path), copy)?;
        make_executable(&target).map_err(|error| failed(&target, &error))?;
    }
    Ok(bytes)
}

/// Where a run whose files travel has its user's proxy.
pub(crate) fn proxy_in(transfer: &Transfer<'_>, scratch: &Path) -> Option<PathBuf> {
    transfer.proxy.and_then(last_name).map(|name| scratch.join(name))
}

fn last_name(path: &str) -> Option<&OsStr> {
    Path::new(path).file_name()
}

fn helpers<'a>(transfer: &Transfer<'a>) -> impl Iterator<Item = &'a str> {
    transfer.proxy.into_iter().chain(transfer.plugins.iter().map(|plugin| plugin.path))
}

/// The plug-ins that the job brings along: their protocols, and their names in the scratch folder.
fn own_plugins(transfer: &Transfer<'_>) -> Vec<(Vec<String>, PathBuf)> {
    let own = transfer.plugins.iter().filter_map(|plugin| {
        let methods = plugin.methods.iter().map(|method| method.to_ascii_lowercase()).collect();
        Some((methods, PathBuf::from(last_name(plugin.path)?)))
    });
    own.collect()
}

/// What came back to the submitter's disk, and what is still to be stored elsewhere.
#[derive(Debug)]
pub(crate) struct BroughtBack {
    bytes: u64,
    /// The first file that could not be brought.
    first: Option<TransferError>,
    transfers: Vec<UrlTransfer>,
    /// The plug-ins that the job has brought along.
    plugins: Vec<(Vec<String>, PathBuf)>,
}

impl BroughtBack {
    fn note(&mut self, result: Result<u64, TransferError>) {
        match result {
            Ok(bytes) => self.bytes += bytes,
            Err(error) => {
                self.first.get_or_insert(error);
            }
        }
    }

    /// Stores what has a URL, for which that disk is not wanted: it may take long. Says how many
    /// bytes went in all, and which was the first file that could not be brought, if any.
    pub(crate) fn store(
        mut self,
        scratch: &Path,
        plugins: &Plugins,
        run_log: &RunLog,
    ) -> (u64, Result<(), TransferError>) {
        let plugins = plugins.with(&self.plugins, scratch);
        let stored = by_plugins(&plugins, Way::Store, scratch, &self.transfers, run_log);
        self.note(stored);
        (self.bytes, self.first.map_or(Ok(()), Err))
    }
}

/// Brings back what came of a run: of one that was stopped only what it said, unless its job wants
/// more. Every file that can be brought is, whatever happens to others; doing it again does no
/// harm.
pub(crate) fn bring_back(
    side: &dyn Disk,
    plan: &OutputPlan,
    scratch: &Path,
    end: &RunEnd,
    cause: Cause,
    run_log: &RunLog,
) -> BroughtBack {
    let route = Route { from: &SameDisk, to: side };
    let plugins = plan.plugins.clone();
    let mut back = BroughtBack { bytes: 0, first: None, transfers: Vec::new(), plugins };
    for (name, target) in [(STDOUT, &plan.stdout), (STDERR, &plan.stderr)] {
        let source = scratch.join(name);
        if let Some(target) = target.as_ref().filter(|_| source.exists()) {
            let copy = || route.make_parent(target).and_then(|()| route.file(&source, target));
            back.note(run_log.moving(|| format!("Output {name} to {}", target.display()), copy));
        }
    }
    let checkpoint = plan.checkpoint.as_ref();
    let is_checkpoint =
        |taken: CheckpointEnd| matches!(end, RunEnd::Program(program) if taken.is(*program));
    if let Some(taken) = checkpoint.filter(|t| cause != Cause::Killed && is_checkpoint(t.end)) {
        back.note(run_log.moving(|| "Checkpoint".to_owned(), || taken.keep(plan, scratch)));
        return back;
    }
    let began = match end {
        RunEnd::Program(_) => true,
        // The lease was over.
        RunEnd::Vacated { .. } => cause == Cause::Stopped,
        RunEnd::StartFailed(_)
        | RunEnd::ScriptFailed { .. }
        | RunEnd::OutputFailed { .. }
        | RunEnd::UpToDate
        | RunEnd::Lost { .. } => false,
    };
    match (cause, &plan.when_evicted) {
        (Cause::ByItself, kept) if began => {
            let kept = match kept {
                WhenEvicted::Kept(spool) => Some(spool),
                WhenEvicted::Lost | WhenEvicted::Back => checkpoint.map(|taken| &taken.spool),
            };
            if let Some(spool) = kept {
                spool.forget();
            }
            if plan.only_after_exit_code.is_none_or(|code| *end == RunEnd::exited(code)) {
                bring_files_back(route, plan, scratch, run_log, &mut back);
            }
        }
        (Cause::Stopped, WhenEvicted::Back) if began => {
            bring_files_back(route, plan, scratch, run_log, &mut back);
        }
        (Cause::Stopped, WhenEvicted::Kept(spool)) if began => {
            let keep = |files: Vec<PathBuf>| {
                let streams = [STDOUT, STDERR].map(PathBuf::from);
                // What is kept has not been sent to anybody.
                spool.keep(scratch, streams.into_iter().chain(files)).map(|()| 0)
            };
            back.note(plan.files(scratch).and_then(keep));
            run_log.say(|| "What the job has is kept for its next run".to_owned());
        }
        (Cause::ByItself | Cause::Stopped | Cause::Killed, _) => {}
    }
    back
}

impl Checkpoint {
    /// Keeps it for the job's next run, with what the job has said so far, and says how many bytes
    /// it has. A file that is not there makes it none.
    fn keep(&self, plan: &OutputPlan, scratch: &Path) -> Result<u64, TransferError> {
        let files = match &self.files {
            Some(names) => names.iter().map(PathBuf::from).collect(),
            None => plan.files(scratch)?,
        };
        for name in &files {
            let path = scratch.join(name);
            fs::symlink_metadata(&path).map_err(|error| failed(&path, &error))?;
        }
        let bytes = files.iter().map(|name| bytes_below(&SameDisk, &scratch.join(name))).sum();
        let streams = [STDOUT, STDERR].map(PathBuf::from);
        self.spool.keep(scratch, streams.into_iter().chain(files)).map(|()| bytes)
    }
}

fn bring_files_back(
    route: Route<'_>,
    plan: &OutputPlan,
    scratch: &Path,
    run_log: &RunLog,
    back: &mut BroughtBack,
) {
    if let Err(error) = check_output_size(plan, scratch) {
        back.note(Err(error));
        return;
    }
    let files = match plan.files(scratch) {
        Ok(files) => files,
        Err(error) => return back.note(Err(error)),
    };
    for name in files {
        match plan.renamed_inside(scratch, &name) {
            Ok(renamed) => {
                bring_output(route, plan, scratch, &name, &renamed, run_log, back);
                for inner in renamed.iter().map(|inner| name.join(inner)) {
                    bring_output(route, plan, scratch, &inner, &[], run_log, back);
                }
            }
            Err(error) => back.note(Err(error)),
        }
    }
}

/// Brings one output back, or says where it is to be stored; of a folder not what goes elsewhere.
fn bring_output(
    route: Route<'_>,
    plan: &OutputPlan,
    scratch: &Path,
    name: &Path,
    elsewhere: &[OsString],
    run_log: &RunLog,
    back: &mut BroughtBack,
) {
    match plan.stored(name) {
        Some(url) => match transfers_below(scratch, name, &url) {
            Ok(more) => back.transfers.extend(more),
            Err(error) => back.note(Err(error)),
        },
        None => {
            let copy = || plan.bring_back(route, scratch, name, elsewhere);
            back.note(run_log.moving(|| format!("Output {}", name.display()), copy));
        }
    }
}

/// Moves what has a URL.
fn by_plugins(
    plugins: &Plugins,
    way: Way,
    scratch: &Path,
    transfers: &[UrlTransfer],
    run_log: &RunLog,
) -> Result<u64, TransferError> {
    if transfers.is_empty() {
        return Ok(0);
    }
    let urls = || transfers.iter().map(|transfer| &*transfer.url).collect::<Vec<_>>().join(", ");
    run_log.moving(|| format!("By plug-ins: {}", urls()), || plugins.run(way, scratch, transfers))
}

/// A file, or every file of a folder, to be stored at a URL, or below it. What is in a folder and
/// is neither, and links to folders, which may lead to where they lie, stay.
fn transfers_below(
    scratch: &Path,
    name: &Path,
    url: &str,
) -> Result<Vec<UrlTransfer>, TransferError> {
    let local = scratch.join(name);
    let found = fs::metadata(&local).map_err(|error| failed(&local, &error))?;
    if !found.is_dir() {
        return Ok(vec![UrlTransfer { url: url.to_owned(), local }]);
    }
    let mut transfers = Vec::new();
    for entry in fs::read_dir(&local).map_err(|error| failed(&local, &error))? {
        let entry = entry.map_err(|error| failed(&local, &error))?;
        let (inner, path) = (entry.file_name(), entry.path());
        let found = fs::metadata(&path).map_err(|error| failed(&path, &error))?;
        if !found.is_file() && (!found.is_dir() || path.is_symlink()) {
            continue;
        }
        let below = format!("{url}/{}", inner.to_string_lossy());
        transfers.extend(transfers_below(scratch, &name.join(inner), &below)?);
    }
    Ok(transfers)
}

fn limits(job: &ClassAd) -> FileLimits {
    FileLimits::of(job, &Env::at(clock::now().wall.as_secs()))
}

/// HTCondor 25.14's hold 32. Checked before anything is copied; what cannot be read is found when
/// it is copied.
fn check_input_size(
    side: &dyn Disk,
    job: &ClassAd,
    scratch: &Path,
    most: u64,
) -> Result<(), TransferError> {
    let (transfer, iwd) = (Transfer::of(job), iwd(job, scratch));
    let stdin = Streams::of(job).stdin.filter(|stdin| !stdin.in_place);
    let program = transfer.program.filter(|_| transfer.brings_program);
    let all = transfer.brought_paths().map(|path| iwd.join(path));
    let all = all.chain(stdin.map(|stdin| stdin.below(iwd)));
    let all = all.chain(program.map(|program| iwd.join(program)));
    check_sizes(all.map(|path| (bytes_below(side, &path), path)), most)
}

/// HTCondor 25.14's hold 33. Standard output and standard error count, and come back all the same.
fn check_output_size(plan: &OutputPlan, scratch: &Path) -> Result<(), TransferError> {
    let Some(most) = plan.most_bytes else { return Ok(()) };
    let streams = [(STDOUT, &plan.stdout), (STDERR, &plan.stderr)];
    let streams = streams.into_iter().filter(|(_, target)| target.is_some());
    let streams = streams.map(|(name, _)| scratch.join(name));
    let files = plan.files(scratch)?.into_iter().map(|name| scratch.join(name));
    check_sizes(streams.chain(files).map(|path| (bytes_below(&SameDisk, &path), path)), most)
}

/// The first path with which the sum is more than allowed is the error.
fn check_sizes(
    paths: impl Iterator<Item = (u64, PathBuf)>,
    most: u64,
) -> Result<(), TransferError> {
    let mut sum: u64 = 0;
    for (bytes, path) in paths {
        sum = sum.saturating_add(bytes);
        if sum > most {
            return Err(TransferError {
                path,
                errno: Errno::EFBIG as i32,
                over_limit: true,
                said: None,
            });
        }
    }
    Ok(())
}

/// What a file, or a folder with all that is below it, takes. What cannot be read counts nothing
/// here.
fn bytes_below(disk: &dyn Disk, path: &Path) -> u64 {
    bytes_at(disk, path, 0)
}

fn bytes_at(disk: &dyn Disk, path: &Path, depth: usize) -> u64 {
    let Ok(found) = disk.look(path, Links::Followed) else { return 0 };
    if found.kind != EntryKind::Folder {
        return found.bytes;
    }
    if depth > DEEPEST {
        return 0;
    }
    let names = disk.list(path).unwrap_or_default();
    let below = names.into_iter().map(|name| path.join(name)).filter(|path| {
        // A link to a folder is copied as a link.
        let is = |links, kind| disk.look(path, links).is_ok_and(|found| found.kind == kind);
        !(is(Links::Seen, EntryKind::Link) && is(Links::Followed, EntryKind::Folder))
    });
    below.map(|path| bytes_at(disk, &path, depth + 1)).fold(0, u64::saturating_add)
}

impl OutputPlan {
    /// How many bytes were brought in.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// What comes back besides the streams, by its path in the scratch folder.
    fn files(&self, scratch: &Path) -> Result<Vec<PathBuf>, TransferError> {
        let mut files: Vec<PathBuf> = match &self.files {
            Wanted::Listed(names) => names.iter().map(PathBuf::from).collect(),
            Wanted::Changed(before) => {
                let after = top_level(scratch)?;
                let new = after.difference(before).map(|stamp| &stamp.name);
                let is_ours = |name: &&OsString| {
                    self.program.as_ref() == Some(*name) || self.helpers.contains(name)
                };
                new.filter(|name| !is_ours(name)).map(PathBuf::from).collect()
            }
        };
        let manifest = self.manifest.as_ref().map(Manifest::name);
        for name in self.more.iter().map(String::as_str).chain(manifest).map(PathBuf::from) {
            // One that was not written is no failure of the job's.
            if !files.contains(&name) && scratch.join(&name).exists() {
                files.push(name);
            }
        }
        Ok(files)
    }

    /// What is told of the scratch folder.
    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The URL that an output is stored at, if it does not come back.
    fn stored(&self, name: &Path) -> Option<String> {
        let remapped = self.remapped(name);
        if let Some(url) = remapped.filter(|new| url_scheme(new).is_some()) {
            return Some(url.clone());
        }
        let below = self.destination.as_ref()?;
        Some(format!("{}/{}", below.trim_end_matches('/'), name.display()))
    }

    /// The new name of an output: it is known by its last name, or by its path where paths are kept
    /// (HTCondor 25.14).
    fn remapped(&self, name: &Path) -> Option<&String> {
        let known_by = match self.preserve_relative_paths {
            true => name.to_str(),
            false => name.file_name().and_then(OsStr::to_str),
        };
        known_by.and_then(|known_by| self.remaps.get(known_by))
    }

    /// Brings one output back; of a folder whose contents are meant not what goes elsewhere.
    fn bring_back(
        &self,
        route: Route<'_>,
        scratch: &Path,
        name: &Path,
        elsewhere: &[OsString],
    ) -> Result<u64, TransferError> {
        let Some(item) = name.to_str() else {
            // Such a name cannot stand in a list.
            let target = self.iwd.join(name);
            return route.file(&scratch.join(name), &target);
        };
        if let Some(new) = self.remapped(name) {
            let (source, target) = (scratch.join(item), self.iwd.join(new));
            route.make_parent(&target)?;
            return match source.is_dir() {
                true => route.folder(&source, &target),
                false => route.file(&source, &target),
            };
        }
        if elsewhere.is_empty() {
            return route.item(scratch, item, &self.iwd, self.preserve_relative_paths);
        }
        let target = match self.preserve_relative_paths {
            true => self.iwd.join(item),
            false => self.iwd.clone(),
        };
        route.to.make_folder(&target)?;
        let is_elsewhere = |name: &OsStr| elsewhere.iter().any(|other| other == name);
        route.contents_but(&scratch.join(item), &target, &is_elsewhere)
    }

    /// What has a new name of its own in a folder whose contents are meant: it is known as any
    /// output is (HTCondor 25.14).
    fn renamed_inside(&self, scratch: &Path, name: &Path) -> Result<Vec<OsString>, TransferError> {
        let folder = scratch.join(name);
        let is_contents = name.as_os_str().as_encoded_bytes().ends_with(b"/");
        if !is_contents || !folder.is_dir() || self.remapped(name).is_some() {
            return Ok(Vec::new());
        }
        let mut names = SameDisk.list(&folder)?;
        names.retain(|inner| self.remapped(&name.join(inner)).is_some());
        Ok(names)
    }
}

/// The name in the scratch folder of an input that a plug-in fetches; `None` for one that is on the
/// submitter's disk.
fn fetched(item: &str) -> Option<&str> {
    let name = item.trim_end_matches('/').rsplit('/').next();
    name.filter(|name| !name.is_empty() && *name != "..")
}

/// The job's files at the top of its scratch folder. Our own are not among them.
fn top_level(scratch: &Path) -> Result<BTreeSet<Stamp>, TransferError> {
    let ours = [STDOUT, STDERR, JOB_AD, MACHINE_AD, RUN_LOG, chirp::CONFIG_FILE];
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(scratch).map_err(|error| failed(scratch, &error))? {
        let entry = entry.map_err(|error| failed(scratch, &error))?;
        let name = entry.file_name();
        let found = fs::metadata(entry.path()).ok().filter(Metadata::is_file);
        if let Some(found) = found.filter(|_| ours.iter().all(|own| name != *own)) {
            let (modified_s, modified_ns) = (found.mtime(), found.mtime_nsec());
            files.insert(Stamp { name, bytes: found.len(), modified_s, modified_ns });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
