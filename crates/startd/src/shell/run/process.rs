//! What a run's process is started with: its words, surroundings and streams, by its job's ad and
//! by where its files are. Nothing is made or read here but the system's list of groups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use classad::{ClassAd, Env, Value};
use launcher::wire::{self, Limits, OsBytes, Resource, Rlimit, Start, Stdio, TimeLimit, WriteMode};
use model::cmdline::{CmdlineError, argv_of};
use model::job_ad::{Checkpoint, Stream, Streams, Transfer, goes_on_behind, initial_directory};
use model::{CheckpointEnd, Script, ScriptSuccess, StartFailure, StartStage, Universe, attr};
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid};
use proto::{clock, parts};

use crate::core::StartProcess;
use crate::shell::files::transfer;
use crate::shell::links::translate::wire_key;
use crate::shell::run::environment::{self, Place};
use crate::shell::run::tool;

/// The file mode creation mask of jobs (HTCondor 25.14's).
const UMASK: u32 = 0o022;

/// The permissions of output files, before the mask.
const OUTPUT_MODE: u32 = 0o644;

/// What a job leaves running when its main process ends gets SIGTERM, and SIGKILL after this.
/// (HTCondor kills at once.)
const LEFTOVERS_GRACE_MS: u64 = 500;

/// How long what a job says is to run at any end of it may take, if the machine's administrator
/// does not say it (`STAGE_OUT_TIMEOUT`): an hour is long for copying, and short for having a
/// machine to no use.
const STAGE_OUT_TIMEOUT_MS: u64 = 3_600_000;

/// How long it has when it is told that this is over, to put aside what it has not delivered.
const STAGE_OUT_GRACE_MS: u64 = 30_000;

/// What the nodes of a job of the parallel universe are told: which one it is, and of how many
/// (HTCondor 25.14).
const NODE_NUMBER: &str = "_CONDOR_PROCNO";
const NODES: &str = "_CONDOR_NPROCS";

/// As whom runs are started, and what they are told of the pool.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// The groups that a job may run in.
    pub(crate) groups: Vec<Gid>,
    pub(crate) home: Option<PathBuf>,
    /// Where our programs are.
    pub(crate) bin: PathBuf,
    /// Where jobs that call their schedd find it.
    pub(crate) schedd: PathBuf,
    /// Where the startd is asked by runs with several parts.
    pub(crate) startd: PathBuf,
}

/// Where the files of a run are.
pub(crate) struct Layout {
    pub(crate) scratch: PathBuf,
    pub(crate) cwd: PathBuf,
    program: PathBuf,
    stdin: Option<PathBuf>,
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
    /// What comes of what standard output and standard error hold already.
    write: WriteMode,
}

impl Layout {
    /// Where the files are of a job that runs in its initial directory.
    pub(crate) fn in_place(run: &StartProcess, scratch: &Path) -> Self {
        let job = &*run.job;
        let iwd = initial_directory(job).unwrap_or(scratch);
        // HTCondor 25.14's `remote_initialdir`: the folder on this machine that stands in for the
        // initial one.
        let cwd =
            text(job, attr::REMOTE_IWD).map_or_else(|| iwd.to_owned(), |there| iwd.join(there));
        let Streams { stdin, stdout, stderr } = Streams::of(job);
        let file = |stream: Option<Stream<'_>>| stream.map(|stream| stream.below(&cwd));
        Self {
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
    pub(crate) fn away(run: &StartProcess, scratch: &Path) -> Self {
        let job = &*run.job;
        let (stdout, stderr) = transfer::outputs(job, scratch);
        Self {
            program: transfer::program(&Transfer::of(job), scratch),
            stdin: transfer::stdin(job, scratch),
            stdout,
            stderr,
            write: write_mode(goes_on_behind(job)),
            cwd: scratch.to_owned(),
            scratch: scratch.to_owned(),
        }
    }
}

impl Surroundings {
    /// The job's first group: one of its user's. Where everything runs as one user nobody can
    /// change it, and so a job that names another cannot run.
    fn group(&self, job: &ClassAd) -> Result<Gid, StartFailure> {
        let Some(name) = text(job, attr::PRIMARY_UNIX_GROUP) else { return Ok(self.gid) };
        let found = Group::from_name(name)
            .map_err(|errno| errno as i32)
            .and_then(|found| found.ok_or(Errno::ENOENT as i32))
            .and_then(|found| {
                let may_be = self.groups.contains(&found.gid);
                may_be.then_some(found.gid).ok_or(Errno::EPERM as i32)
            });
        found.map_err(|errno| StartFailure::at(StartStage::Group, name, errno))
    }

    /// How a run is started whose files are there; `temporary` is where it may put its own.
    ///
    /// # Errors
    ///
    /// What the run's end is, if it cannot begin.
    pub(crate) fn process(
        &self,
        run: &StartProcess,
        layout: &Layout,
        temporary: &Path,
    ) -> Result<Start, StartFailure> {
        let job = &*run.job;
        let unreadable = |error: CmdlineError| {
            tracing::info!(run = %run.run, %error, "a job's command line cannot be read");
            failure(StartStage::Execute, &layout.program, Errno::EINVAL as i32)
        };
        let place = Place {
            universe: run.universe,
            job: run.run.job,
            scratch: &layout.scratch,
            temporary,
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
            // What it may have of the machine is `bounds`'s.
            private: Vec::new(),
        })
    }
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
fn text<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    job.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
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
            limit: wanted.at_any_end.then(|| limit_at_any_end(place.slot_ad)),
        })
    }))
}

/// How long what brings a run to its end may take here: what hangs would have the machine for ever.
fn limit_at_any_end(machine: &ClassAd) -> TimeLimit {
    let said = machine.literal(attr::STAGE_OUT_TIMEOUT).and_then(Value::as_i64);
    let seconds = said.and_then(|seconds| u64::try_from(seconds).ok());
    let after_ms = seconds.map_or(STAGE_OUT_TIMEOUT_MS, |seconds| seconds.saturating_mul(1000));
    TimeLimit { after_ms, grace_ms: STAGE_OUT_GRACE_MS }
}

/// Variables as the launcher takes them.
pub(crate) fn pairs(environ: BTreeMap<String, String>) -> Vec<(OsBytes, OsBytes)> {
    environ.into_iter().map(|(name, value)| (OsBytes::from(name), OsBytes::from(value))).collect()
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

/// A step that failed on a path.
pub(crate) fn failure(stage: StartStage, path: &Path, errno: i32) -> StartFailure {
    StartFailure::at(stage, path.to_string_lossy(), errno)
}
