//! `condor_run`: a command of the shell runs as a job, as if it ran here: its output comes to ours,
//! and its exit code is ours.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use client::{AskError, Home, RealSite};
use jobspec::htcondor::{self, SubmitOptions};
use model::{ClusterId, JobId, attr};
use proto::client::{Action, Query, Select, Selector};

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output::complain;
use crate::line::usage::Mistake;

/// Run a shell command as a job, wait for it, and print what it printed.
#[derive(Debug, Args)]
#[command(override_usage = "run_command [-getenv] [-u UNIVERSE] [-a LINE]... \"COMMAND\"")]
pub struct RunCommandArgs {
    /// The command, as one would type it.
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

/// What the words say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    universe: Option<String>,
    appended: Vec<String>,
    with_environment: bool,
    command: String,
}

/// Does it.
///
/// # Errors
///
/// If there is no command, or it cannot be submitted.
pub fn run(args: &RunCommandArgs, _: &Call) -> Result<ExitCode> {
    let asked = Asked::of(&args.words).ok_or(Mistake("condor_run: there is no command to run"))?;
    let files = Files::make(&asked, Path::new("."))?;
    let home = Home::from_environment();
    let description =
        htcondor::parse(&files.description(&asked), "condor_run").map_err(client::submit::Wrong)?;
    let submitted = home.submit(&description, &RealSite::new()?, &SubmitOptions::default())?;
    let Some((cluster, _)) = submitted.clusters.first() else { return Ok(Exit::Failed.into()) };
    remove_when_interrupted(*cluster, files.names());
    match wait(&home, *cluster) {
        Ok(exit) => {
            files.print()?;
            Ok(exit)
        }
        Err(error) => {
            // The job needs them: it may wait, or run, without this command.
            let (out, err) = files.keep();
            Err(error.context(format!(
                "what becomes of job {cluster}.0 is not known; its output goes to {out} and {err}"
            )))
        }
    }
}

impl Asked {
    fn of(words: &[String]) -> Option<Self> {
        let (mut asked, mut command) = (Self::default(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-getenv" => asked.with_environment = true,
                "-u" => asked.universe = Some(words.next()?.clone()),
                "-a" | "-append" => asked.appended.push(words.next()?.clone()),
                _ => command.push(word.clone()),
            }
        }
        asked.command = command.join(" ");
        (!asked.command.is_empty()).then_some(asked)
    }
}

/// The files of one such command, in the current folder: there the job finds what the command
/// names. Each is made and was not there: another command's, on another host too, is not taken, and
/// no link is followed.
#[derive(Debug)]
struct Files {
    script: String,
    out: String,
    err: String,
    is_kept: bool,
}

/// Names that are tried before there is something wrong with the folder.
const MOST_NAMES: u32 = 1000;

impl Files {
    fn make(asked: &Asked, folder: &Path) -> Result<Self> {
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
        let script = format!("#!{shell}\n{}\n", asked.command);
        let pid = process::id();
        for n in 0..MOST_NAMES {
            let suffix = if n == 0 { pid.to_string() } else { format!("{pid}.{n}") };
            let name = |what: &str| {
                folder.join(format!(".condor_{what}.{suffix}")).to_string_lossy().into_owned()
            };
            let (run, out, err) = (name("run"), name("out"), name("error"));
            let mut made = Self { script: run, out, err, is_kept: true };
            match made.fill(&script) {
                Ok(()) => {
                    made.is_kept = false;
                    return Ok(made);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let context = format!("write {} into the current folder", made.script);
                    return Err(error).context(context);
                }
            }
        }
        anyhow::bail!("the current folder has {MOST_NAMES} files .condor_run.{pid}.*: remove them")
    }

    /// Makes the files, which are the names' from then on; what was made is removed if another is
    /// there already.
    fn fill(&self, script: &str) -> io::Result<()> {
        let make = |path: &str, mode| {
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
        };
        let mut made: Vec<&str> = Vec::new();
        let mut fill = || {
            let mut run = make(&self.script, 0o700)?;
            made.push(&self.script);
            run.write_all(script.as_bytes())?;
            for path in [&self.out, &self.err] {
                make(path, 0o600)?;
                made.push(path);
            }
            Ok(())
        };
        let filled = fill();
        if filled.is_err() {
            made.into_iter().for_each(remove_file);
        }
        filled
    }

    fn names(&self) -> [String; 3] {
        [&self.script, &self.out, &self.err].map(Clone::clone)
    }

    /// Leaves them to the job; gives back where its output goes.
    fn keep(mut self) -> (String, String) {
        self.is_kept = true;
        (self.out.clone(), self.err.clone())
    }

    fn description(&self, asked: &Asked) -> String {
        let Self { script, out, err, is_kept: _ } = self;
        let universe = asked.universe.as_deref().unwrap_or("vanilla");
        let mut text = format!(
            "universe = {universe}\nexecutable = {script}\noutput = {out}\nerror = {err}\nnotification = never\n"
        );
        if asked.with_environment {
            text += "getenv = true\n";
        }
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let clauses = [
            var("CONDOR_REQUIREMENTS"),
            var("CONDOR_ARCH").map(|arch| format!("Arch == \"{arch}\"")),
            var("CONDOR_OPSYS").map(|system| format!("OpSys == \"{system}\"")),
        ];
        let clauses: Vec<String> = clauses.into_iter().flatten().collect();
        if !clauses.is_empty() {
            text += &format!("requirements = {}\n", clauses.join(" && "));
        }
        asked.appended.iter().for_each(|line| text += &format!("{line}\n"));
        text + "queue\n"
    }

    fn print(&self) -> io::Result<()> {
        io::stdout().write_all(&fs::read(&self.out).unwrap_or_default())?;
        io::stderr().write_all(&fs::read(&self.err).unwrap_or_default())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if !self.is_kept {
            self.names().iter().for_each(|name| remove_file(name));
        }
    }
}

fn remove_file(path: &str) {
    // One that is gone already is gone.
    let _ = fs::remove_file(path);
}

/// Waits until the job is over, and gives its exit code. What is held is told: it may be released.
fn wait(home: &Home, cluster: ClusterId) -> Result<ExitCode> {
    let select = Select::Any(vec![Selector::Cluster(cluster)]);
    let mut held = false;
    home.wait(&select, |_, end| {
        if let client::End::Held(reason) = end {
            complain(&format!("The job {cluster}.0 is held: {reason}\n"));
            held = true;
        }
        Ok::<_, AskError>(ControlFlow::Break(()))
    })?;
    let past = Query { finished: true, ..Query::of(select.clone()) };
    let Some(ad) = home.schedd()?.jobs(past)?.pop() else {
        anyhow::ensure!(held, "job {cluster}.0 has left no trace");
        // Its files go with this command, so it could not run later.
        remove(cluster, "condor_run does not wait for a held job");
        return Ok(Exit::Failed.into());
    };
    let number = |name: &str| ad.literal(name).and_then(classad::Value::as_i64);
    if let Some(signal) = number(attr::EXIT_SIGNAL) {
        complain(&format!("Condor job killed by signal {signal}.\n"));
        return Ok(Exit::Done.into());
    }
    let Some(code) = number(attr::EXIT_CODE) else {
        complain("The job was aborted\n");
        return Ok(Exit::Done.into());
    };
    Ok(u8::try_from(code).unwrap_or(u8::MAX).into())
}

fn remove(cluster: ClusterId, reason: &str) {
    let job = Select::Any(vec![Selector::Job(JobId::new(cluster.0, 0))]);
    let action = Action::Remove { reason: Some(reason.to_owned()), force: false };
    // There is nobody to tell that it could not be.
    let _ = Home::from_environment().schedd().and_then(|mut schedd| schedd.act(action, job));
}

/// The job goes with the command that waits for it.
fn remove_when_interrupted(cluster: ClusterId, files: [String; 3]) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(Ok(())) = runtime.map(|runtime| runtime.block_on(tokio::signal::ctrl_c())) {
            remove(cluster, "condor_run was interrupted");
            files.iter().for_each(|file| remove_file(file));
            process::exit(130);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_command_are_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Asked { command: "true".to_owned(), ..Asked::default() };
        let first = folder.path().join(format!(".condor_run.{}", process::id()));
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, &first).unwrap();
        let files = Files::make(&asked, folder.path()).unwrap();
        assert!(!elsewhere.exists(), "no link is followed");
        let others = Files::make(&asked, folder.path()).unwrap();
        assert_ne!(files.script, others.script);
        let (script, kept) = (files.script.clone(), others.script.clone());
        let (out, _) = others.keep();
        drop(files);
        assert!(!Path::new(&script).exists(), "they go with the command");
        assert!(Path::new(&kept).exists() && Path::new(&out).exists(), "the job still needs them");
    }

    #[test]
    fn options_come_before_or_among_the_words_of_the_command() {
        let words = ["-u", "local", "-a", "request_memory = 1GB", "-getenv", "ls", "-l | wc"];
        let asked = Asked::of(&words.map(str::to_owned)).unwrap();
        let expected = Asked {
            universe: Some("local".to_owned()),
            appended: vec!["request_memory = 1GB".to_owned()],
            with_environment: true,
            command: "ls -l | wc".to_owned(),
        };
        assert_eq!(asked, expected);
        assert_eq!(Asked::of(&["-getenv".to_owned()]), None);
    }
}
