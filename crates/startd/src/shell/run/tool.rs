//! The program that a job wants beside its own, a debugger for example (`tool_daemon_cmd`): where
//! it and its files are, and what it is started with. HTCondor 25.14 calls it a tool daemon.

use std::path::{Path, PathBuf};

use classad::{ClassAd, Value};
use launcher::wire::{Companion, OsBytes, Stdio, WriteMode};
use model::cmdline::CmdlineError;
use model::job_ad::Tool;
use model::{Universe, attr};

use crate::shell::run::environment::{self, Place};
use crate::shell::run::process::{pairs, stdio};

/// The variable with the number of the job's main process, and the one that says that it is in a
/// variable (HTCondor 25.14's).
const PID_VARIABLE: &str = "TDP_AP_PID";
const WHERE_IT_IS: (&str, &str) = ("TDP_LASS_ADDRESS", "ENV");

/// The program in the scratch folder, where a job's files are brought; none if it wants none.
pub(crate) fn brought(job: &ClassAd, scratch: &Path) -> Option<PathBuf> {
    Tool::of(job).map(|tool| place_of(tool.program, scratch, true))
}

/// Its outputs that come back: the name in the scratch folder, and where they go.
pub(crate) fn outputs(tool: Option<Tool<'_>>) -> Vec<(String, String)> {
    let outputs = tool.into_iter().flat_map(|tool| [tool.stdout, tool.stderr]).flatten();
    let name = |path: &str| Path::new(path).file_name()?.to_str().map(str::to_owned);
    outputs.filter_map(|path| Some((name(path)?, path.to_owned()))).collect()
}

/// Whether the job's program is to stand still before its first instruction.
pub(crate) fn stops_at_exec(job: &ClassAd, universe: Universe) -> bool {
    universe != Universe::Scheduler
        && job.literal(attr::SUSPEND_JOB_AT_EXEC).is_some_and(Value::is_true)
}

/// What is to be started beside the job's program. `away`: its files are brought.
///
/// # Errors
///
/// If its arguments or the job's environment cannot be read.
pub(crate) fn of(
    job: &ClassAd,
    place: Place<'_>,
    away: bool,
) -> Result<Option<Box<Companion>>, CmdlineError> {
    let Some(tool) = Tool::of(job).filter(|_| place.universe != Universe::Scheduler) else {
        return Ok(None);
    };
    let program = OsBytes::from(place_of(tool.program, place.cwd, away).as_path());
    let argv = tool.argv()?;
    let mut environ = environment::of(job, place)?;
    environ.insert(WHERE_IT_IS.0.to_owned(), WHERE_IT_IS.1.to_owned());
    let file = |path: Option<&str>| path.map(|path| place_of(path, place.cwd, away));
    let (stdout, stderr) = (file(tool.stdout), file(tool.stderr));
    // A file for both is opened once, so that neither overwrites the other.
    let is_one = stdout.is_some() && stdout == stderr;
    Ok(Some(Box::new(Companion {
        argv: [program.clone()].into_iter().chain(argv.into_iter().map(OsBytes::from)).collect(),
        program,
        env: pairs(environ),
        pid_variable: OsBytes::from(PID_VARIABLE),
        stdin: stdio(file(tool.stdin).as_deref(), WriteMode::Truncate),
        stdout: stdio(stdout.as_deref(), WriteMode::Truncate),
        stderr: match is_one {
            true => Stdio::SameAsStdout,
            false => stdio(stderr.as_deref(), WriteMode::Truncate),
        },
    })))
}

fn place_of(path: &str, folder: &Path, away: bool) -> PathBuf {
    match Path::new(path).file_name() {
        Some(name) if away => folder.join(name),
        Some(_) | None => folder.join(path),
    }
}
