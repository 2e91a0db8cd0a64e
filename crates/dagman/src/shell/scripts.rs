//! Runs scripts beside the loop, and says how each ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::core::{Input, ScriptEnd};
use crate::record::jobstate::script_name;
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

    /// Starts a script of a node of this name in the node's folder; says at once if it cannot be
    /// started.
    pub(super) fn start(
        &mut self,
        which: Which,
        node: &str,
        script: &Script<'_>,
        words: &[String],
        dir: &Path,
    ) -> Option<Input> {
        let ended = move |end| {
            let Which { node, retry, script } = which;
            Input::ScriptEnded { node, retry, script, end }
        };
        let (mut child, output) = match spawn(script, words, dir) {
            Ok(spawned) => spawned,
            Err(error) => return Some(ended(ScriptEnd::NotStarted(error.to_string()))),
        };
        let tell = self.tell.clone();
        self.running.retain(|(_, task)| !task.is_finished());
        let pid = child.id().unwrap_or_default();
        let (node, kind) = (node.to_owned(), script_name(which.script));
        let command = words.join(" ");
        let task = tokio::spawn(async move {
            let end = match child.wait().await {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => ScriptEnd::Exited(code),
                    (None, signal) => ScriptEnd::Signaled(signal.unwrap_or_default()),
                },
                Err(error) => ScriptEnd::NotStarted(error.to_string()),
            };
            if let Some(output) = output {
                let code = end.code();
                let at = proto::clock::now().wall.as_secs();
                let head = format!(
                    "*** Node={node} Type={kind} ExitCode={code} Completion={at} Cmd='{command}'\n"
                );
                // It is for people: the node does not depend on it.
                let _ = output.tell(&head);
            }
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

/// What a script says, to be written where DEBUG says when it is over: of several that run at the
/// same time, each stands behind its own head.
#[derive(Debug)]
struct Output {
    log: PathBuf,
    /// Without a name: it goes with the process.
    said: File,
}

impl Output {
    fn of(log: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // Who may not write there is told so now.
        options.create(true).append(true).open(&log)?;
        let own = |number: u32| {
            let mut name = log.clone().into_os_string();
            name.push(format!(".{}.{number}.said", std::process::id()));
            PathBuf::from(name)
        };
        let path = (0..).map(own).find(|path| !path.exists()).unwrap_or_default();
        let said = options.create(false).create_new(true).read(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { log, said })
    }

    fn tell(mut self, head: &str) -> io::Result<()> {
        let mut log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        log.write_all(head.as_bytes())?;
        self.said.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.said, &mut log).map(drop)
    }
}

fn spawn(script: &Script<'_>, words: &[String], dir: &Path) -> io::Result<(Child, Option<Output>)> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
    // A script is a file as seen from the node's folder; what is none there may be a command.
    // Absolute, because the program is looked for after the folder was changed.
    let here = std::path::absolute(dir.join(program))?;
    let program = if here.exists() { here.as_os_str() } else { program.as_ref() };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let output = script.debug.map(|debug| Output::of(dir.join(debug.file))).transpose()?;
    if let (Some(debug), Some(output)) = (script.debug, &output) {
        if matches!(debug.stream, ScriptStream::Stdout | ScriptStream::All) {
            command.stdout(output.said.try_clone()?);
        }
        if matches!(debug.stream, ScriptStream::Stderr | ScriptStream::All) {
            command.stderr(output.said.try_clone()?);
        }
    }
    Ok((command.spawn()?, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Input;
    use crate::workflow::ScriptDebug;

    #[tokio::test(flavor = "current_thread")]
    async fn what_scripts_say_stands_behind_the_name_of_their_node() {
        let dir = tempfile::tempdir().unwrap();
        let debug = Some(ScriptDebug { file: "log", stream: ScriptStream::All });
        let script = Script { command_line: "", defer: None, debug };
        let mut scripts = Scripts::new();
        for (number, (node, code)) in [("A", 0), ("B", 3)].into_iter().enumerate() {
            let which = Which { node: NodeIndex::new(number), retry: 0, script: ScriptKind::Pre };
            let text = format!("echo of {node}; echo err >&2; exit {code}");
            let words = ["sh", "-c", &text].map(str::to_owned);
            assert_eq!(scripts.start(which, node, &script, &words, dir.path()), None);
        }
        for _ in 0..2 {
            let ended = scripts.next().await;
            assert!(matches!(ended, Some(Input::ScriptEnded { .. })), "{ended:?}");
        }
        let text = std::fs::read_to_string(dir.path().join("log")).unwrap();
        let mut blocks: Vec<&str> = text.split("*** ").skip(1).collect();
        blocks.sort_unstable();
        for (block, (node, code)) in blocks.iter().zip([("A", 0), ("B", 3)]) {
            let (head, said) = block.split_once('\n').unwrap();
            let begin = format!("Node={node} Type=PRE ExitCode={code} Completion=");
            assert!(head.starts_with(&begin), "{head}");
            assert!(
                head.ends_with(&format!("Cmd='sh -c echo of {node}; echo err >&2; exit {code}'"))
            );
            assert_eq!(said, format!("of {node}\nerr\n"));
        }
        let files = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!((blocks.len(), files), (2, 1));
    }
}
