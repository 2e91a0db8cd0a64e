//! Runs scripts beside the loop, and says how each ended.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::core::{Input, ScriptEnd};
use crate::workflow::{NodeIndex, Script, ScriptKind, ScriptStream};

/// Ends of scripts that wait to be heard. The throttles allow fewer to run.
const ENDS: usize = 1024;

/// The scripts that run.
#[derive(Debug)]
pub(super) struct Scripts {
    ends: mpsc::Receiver<Input>,
    tell: mpsc::Sender<Input>,
    running: Vec<(u32, tokio::task::JoinHandle<()>)>,
}

/// Which script a process is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    pub(super) node: NodeIndex,
    pub(super) retry: u32,
    pub(super) script: ScriptKind,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let (tell, ends) = mpsc::channel(ENDS);
        Self { ends, tell, running: Vec::new() }
    }

    /// Starts a script in its node's folder; says at once if it cannot be started.
    pub(super) fn start(
        &mut self,
        which: Which,
        script: &Script<'_>,
        words: &[String],
        dir: &Path,
    ) -> Option<Input> {
        let ended = move |end| {
            let Which { node, retry, script } = which;
            Input::ScriptEnded { node, retry, script, end }
        };
        let mut child = match spawn(script, words, dir) {
            Ok(child) => child,
            Err(error) => return Some(ended(ScriptEnd::NotStarted(error.to_string()))),
        };
        let tell = self.tell.clone();
        self.running.retain(|(_, task)| !task.is_finished());
        let pid = child.id().unwrap_or_default();
        let task = tokio::spawn(async move {
            let end = match child.wait().await {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => ScriptEnd::Exited(code),
                    (None, signal) => ScriptEnd::Signaled(signal.unwrap_or_default()),
                },
                Err(error) => ScriptEnd::NotStarted(error.to_string()),
            };
            // The loop that would hear it may be over.
            let _ = tell.send(ended(end)).await;
        });
        self.running.push((pid, task));
        None
    }

    /// The next end of a script.
    pub(super) async fn next(&mut self) -> Option<Input> {
        self.ends.recv().await
    }

    /// Ends all that run, with what they started: each is a process group.
    pub(super) fn stop(&mut self) {
        for (pid, _) in self.running.iter().filter(|(_, task)| !task.is_finished()) {
            if let Ok(pid) = i32::try_from(*pid) {
                // It may have ended meanwhile.
                let _ = nix::sys::signal::killpg(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
    }
}

fn spawn(script: &Script<'_>, words: &[String], dir: &Path) -> std::io::Result<Child> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program"))?;
    // A script is a file as seen from the node's folder; what is none there may be a command.
    // Absolute, because the program is looked for after the folder was changed.
    let here = std::path::absolute(dir.join(program))?;
    let program = if here.exists() { here.as_os_str() } else { program.as_ref() };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(debug) = script.debug {
        let log = || -> std::io::Result<std::fs::File> {
            std::fs::OpenOptions::new().create(true).append(true).open(dir.join(debug.file))
        };
        if matches!(debug.stream, ScriptStream::Stdout | ScriptStream::All) {
            command.stdout(log()?);
        }
        if matches!(debug.stream, ScriptStream::Stderr | ScriptStream::All) {
            command.stderr(log()?);
        }
    }
    command.spawn()
}
