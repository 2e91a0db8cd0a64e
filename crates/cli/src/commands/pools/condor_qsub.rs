//! `condor_qsub`: SGE's and PBS's `qsub` as HTCondor emulates it: options, and lines of the script
//! that hold some, become a submit description. A job that waits for others (`-hold_jid`) waits in
//! the schedd; there is no job that watches them. `qsub` itself, with all of OpenPBS, is
//! `commands::pbs`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use classad::Value;
use client::{AskError, Home, Query, RealSite, Select, Selector, SubmitError};
use jiff::Zoned;
use jiff::tz::TimeZone;
use jobspec::htcondor::{self, SubmitOptions};
use jobspec::pbs::Moment;
use model::{ClusterId, attr, cmdline, depend};
use proto::client::Refusal;
use proto::clock;

use crate::line::call::Call;
use crate::line::moments;
use crate::line::outcome::Outcome;
use crate::render::pbs::full::zoned;
use crate::render::said::Said;
use crate::render::values::view::status;

/// Submit a script, or a command, with the options of SGE's or PBS's qsub.
#[derive(Debug, Args)]
#[command(
    override_usage = "sge_qsub [OPTION]... [SCRIPT | COMMAND] [ARGUMENT]...",
    disable_help_flag = true
)]
pub struct QsubArgs {
    /// Print help (`-h` holds the job)
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Options and the script with its arguments.
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Which indices an array has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tasks {
    first: u32,
    last: u32,
    step: u32,
}

/// What the words and the script's lines say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    name: Option<String>,
    stdout: Option<String>,
    stderr: Option<String>,
    stdin: Option<String>,
    joins_streams: bool,
    folder: Option<String>,
    shell: Option<String>,
    is_command: bool,
    gets_environment: bool,
    variables: Vec<String>,
    account: Option<String>,
    mail_to: Option<String>,
    notification: Option<&'static str>,
    priority: i64,
    is_held: bool,
    runs_once: bool,
    begins: Option<i64>,
    waits_for: Vec<u32>,
    tasks: Option<Tasks>,
    requests: Vec<(&'static str, String)>,
    requirements: Vec<String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    is_printed: bool,
    is_tested: bool,
    is_silent: bool,
    says_version: bool,
    /// The script or command, and its arguments.
    words: Vec<String>,
}

/// Options of one letter; a colon follows those that have a value (as HTCondor 25.14's getopt).
const LETTERS: &str = "A:a:b:c:d:e:f:hi:Ij:l:m:M:N:o:p:q:r:S:t:v:VW:z";

/// Options with a name, and whether they have a value. One dash is as good as two, and so is the
/// beginning of a name that is the only one to begin so.
const NAMES: [(&str, bool); 10] = [
    ("condor-keep-files", false),
    ("cwd", false),
    ("help", false),
    ("hold_jid", true),
    ("print", false),
    ("shell", true),
    ("test", false),
    ("verbose", false),
    ("version", false),
    ("wd", true),
];

const COMMAND: &str = "condor_qsub";

/// The exit code of a job that tells those behind it not to run (SGE's).
const NOT_TO_GO_ON: i64 = 100;

/// How often it is submitted while jobs that it is to wait for end.
const ATTEMPTS: u32 = 10;

/// Does it.
///
/// # Errors
///
/// If the words make no sense, the script cannot be read, or the job cannot be submitted.
pub fn run(args: &QsubArgs, call: &Call) -> Result<Outcome> {
    let mut asked = Asked::default();
    asked.take(&args.words)?;
    if asked.says_version {
        return Ok(Outcome::done(format!("{COMMAND} {} (Updraft)\n", model::version::FOLLOWS)));
    }
    let cwd = std::env::current_dir()?.to_string_lossy().into_owned();
    let mut of_stdin = None;
    if asked.words.is_empty() {
        of_stdin = Some(asked.keep_stdin(&cwd)?);
    }
    let first = asked.words.first().cloned().unwrap_or_default();
    if !asked.is_command {
        let script = fs::read_to_string(&first).with_context(|| format!("read {first}"))?;
        // What the command line says goes before what the script says.
        let mut of_script = Asked::default();
        of_script.take_script(&script)?;
        of_script.take(&args.words)?;
        if of_stdin.is_some() {
            of_script.words.clone_from(&asked.words);
            of_script.name = of_script.name.or_else(|| Some(STDIN_NAME.to_owned()));
        }
        asked = of_script;
    }
    let said = asked.submit(&cwd, call);
    // A job that was not submitted needs no script.
    if let (Some(script), true) = (&of_stdin, asked.is_tested || said.is_err()) {
        let _ = fs::remove_file(script);
    }
    said
}

/// What a job is called whose script came from standard input.
const STDIN_NAME: &str = "STDIN";

/// How a job stands that is to be over before.
enum Before {
    Waits,
    Over,
    /// It can never be; what is said of it, and with which exit code the command ends.
    Never(String, u8),
}

fn stand(home: &Home, number: u32) -> Result<Before> {
    let mut schedd = home.schedd()?;
    let projection = [attr::CLUSTER_ID, attr::JOB_STATUS, attr::EXIT_CODE].map(Into::into);
    let select = Select::Any(vec![Selector::Cluster(ClusterId(number))]);
    let all = Query { projection: projection.to_vec(), ..Query::of(select) };
    if !schedd.jobs(Query { limit: Some(1), ..all.clone() })?.is_empty() {
        return Ok(Before::Waits);
    }
    let past = schedd.jobs(Query { finished: true, ..all })?;
    let has = |name: &str, value: i64| {
        past.iter().any(|ad| ad.literal(name).and_then(Value::as_i64) == Some(value))
    };
    let why = if past.is_empty() {
        ("doesn't exist", 1)
    } else if has(attr::JOB_STATUS, status::REMOVED) {
        ("has been removed from the queue", 1)
    } else if has(attr::EXIT_CODE, NOT_TO_GO_ON) {
        ("completed but exited with code 100.", 100)
    } else {
        return Ok(Before::Over);
    };
    Ok(Before::Never(format!("Error: Job dependency {number} {}\n", why.0), why.1))
}

impl Asked {
    /// Submits the job, or says what it would be.
    fn submit(&mut self, cwd: &str, call: &Call) -> Result<Outcome> {
        let home = Home::from_environment();
        let name = self.name();
        let wanted = self.waits_for.clone();
        let mut attempts = ATTEMPTS;
        let submitted = loop {
            attempts -= 1;
            self.waits_for.clear();
            for number in &wanted {
                match stand(&home, *number)? {
                    Before::Waits => self.waits_for.push(*number),
                    Before::Over => {}
                    Before::Never(said, code) => {
                        return Ok(Outcome {
                            said: Said { out: said, ..Said::default() },
                            exit: code.into(),
                        });
                    }
                }
            }
            let text = self.description(cwd);
            if self.is_tested {
                let printed = if self.is_printed { text } else { String::new() };
                let said = format!("{printed}Your job 0 (\"{name}\") has been submitted\n");
                return Ok(Outcome::done(said));
            }
            let description = htcondor::parse(&text, &call.name).map_err(client::submit::Wrong)?;
            let submitted = home.submit(&description, &RealSite::new()?, &SubmitOptions::default());
            match submitted {
                Ok(submitted) => break submitted,
                // One that it is to wait for has ended since it was looked at.
                Err(SubmitError::Ask(AskError::Refused(Refusal::HasLeft(_)))) if attempts > 0 => {}
                Err(error) => return Err(error.into()),
            }
        };
        let Some((cluster, _)) = submitted.clusters.first() else {
            return Ok(Outcome::failed("Job submission failed.\n".to_owned()));
        };
        let said = format!("Your job {cluster} (\"{name}\") has been submitted\n");
        let mut outcome = Outcome::done(if self.is_silent { String::new() } else { said });
        outcome.said.err =
            format!("To monitor your job(s), run: condor_watch_q -clusters {cluster}\n");
        Ok(outcome)
    }

    /// Keeps what standard input has as a script in the folder: it must be there as long as the job
    /// is.
    fn keep_stdin(&mut self, cwd: &str) -> Result<PathBuf> {
        let name = self.name.clone().unwrap_or_else(|| STDIN_NAME.to_owned());
        let own = format!("{}_qsub.{}", name.replace('/', "_"), std::process::id());
        let path = Path::new(cwd).join(own);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
        let mut file = made.with_context(|| format!("keep the script in {}", path.display()))?;
        io::copy(&mut io::stdin().lock(), &mut file)
            .context("read the script from standard input")?;
        self.words = vec![path.to_string_lossy().into_owned()];
        Ok(path)
    }

    /// Options wherever they stand, and the other words: as getopt takes them apart.
    fn take(&mut self, words: &[String]) -> Result<()> {
        let mut rest = words.iter();
        let mut others = Vec::new();
        while let Some(word) = rest.next() {
            if word == "--" {
                others.extend(rest.cloned());
                break;
            }
            match word.strip_prefix('-').filter(|option| !option.is_empty()) {
                None => others.push(word.clone()),
                Some(option) => self.take_option(word, option, &mut rest)?,
            }
        }
        if !others.is_empty() {
            self.words = others;
        }
        Ok(())
    }

    fn take_option<'a>(
        &mut self,
        word: &str,
        option: &'a str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<()> {
        let letter = |one: char| LETTERS.find(one).filter(|_| one != ':');
        let is_letter =
            option.chars().count() == 1 && option.starts_with(|one| letter(one).is_some());
        let (name, given) = option
            .trim_start_matches('-')
            .split_once('=')
            .map_or((option.trim_start_matches('-'), None), |(name, value)| (name, Some(value)));
        if !is_letter && let Some((name, has_value)) = named(name) {
            let value = match (has_value, given) {
                (false, _) => "",
                (true, Some(value)) => value,
                (true, None) => rest.next().with_context(|| {
                    format!("{COMMAND}: option '--{name}' requires an argument")
                })?,
            };
            return self.option(name, value);
        }
        if option.starts_with('-') || !option.starts_with(|one| letter(one).is_some()) {
            bail!("{COMMAND}: unrecognized option '{word}'");
        }
        for (at, one) in option.char_indices() {
            let known =
                letter(one).with_context(|| format!("{COMMAND}: invalid option -- '{one}'"))?;
            let has_value = LETTERS[known + 1..].starts_with(':');
            let behind = &option[at + one.len_utf8()..];
            let name = &option[at..at + one.len_utf8()];
            if !has_value {
                self.option(name, "")?;
                continue;
            }
            let value = match behind {
                "" => rest.next().map(String::as_str),
                value => Some(value),
            };
            let wanted = || format!("{COMMAND}: option requires an argument -- '{one}'");
            return self.option(name, value.with_context(wanted)?);
        }
        Ok(())
    }

    fn option(&mut self, option: &str, value: &str) -> Result<()> {
        let owned = || Some(value.to_owned());
        match option {
            "cwd" => self.folder = Some(".".to_owned()),
            "V" => self.gets_environment = true,
            "h" => self.is_held = true,
            "z" => self.is_silent = true,
            "print" => self.is_printed = true,
            "test" => self.is_tested = true,
            "version" => self.says_version = true,
            "N" => self.name = owned(),
            "i" => self.stdin = owned(),
            "o" => self.stdout = owned(),
            "e" => self.stderr = owned(),
            "j" => {
                let both = value.contains('e') && value.contains('o');
                self.joins_streams = both || value.starts_with(['y', 'Y']);
            }
            "d" | "wd" => self.folder = owned(),
            "S" => self.shell = owned(),
            "b" => self.is_command = value == "y" || value == "yes",
            "v" => self.variables.extend(value.split(',').map(variable)),
            "A" => self.account = owned(),
            "M" => self.mail_to = owned(),
            "m" => self.notification = Some(notification(value)),
            "p" => {
                self.priority =
                    value.parse().with_context(|| format!("-p {value} is no number"))?;
            }
            "r" => self.runs_once = value.starts_with(['n', 'N']),
            "a" => self.begins = Some(moment(value, &now())?),
            "hold_jid" => {
                for job in value.split(',') {
                    let number = job.split('.').next().and_then(|number| number.parse().ok());
                    let number = number.with_context(|| format!("-hold_jid {job} is no job"))?;
                    self.waits_for.push(number);
                }
            }
            "t" => self.tasks = Some(Tasks::read(value)?),
            "l" => value.split(',').try_for_each(|one| self.resource(one))?,
            "W" => self.files(value)?,
            // The script, whose lines are read in any case.
            "f" => self.words = vec![value.to_owned()],
            "I" => bail!(
                "{COMMAND} -I: a job at a terminal is started by `condor_submit -interactive`"
            ),
            // There is one queue, nothing is checkpointed by somebody else, and a script is always
            // run by a shell.
            "q" | "c" | "shell" | "verbose" | "condor-keep-files" => {}
            _ => {
                bail!("{COMMAND}: unrecognized option '--{option}': condor_qsub --help lists them")
            }
        }
        Ok(())
    }

    /// Lines of a script that begin with `#PBS` or `#$`.
    fn take_script(&mut self, script: &str) -> Result<()> {
        for line in script.lines() {
            let options = ["#PBS ", "#$ "].iter().find_map(|start| line.strip_prefix(start));
            if let Some(options) = options {
                let words = cmdline::parse_v1(options);
                self.take(&words).with_context(|| line.to_owned())?;
                self.words.clear();
            }
        }
        Ok(())
    }

    fn resource(&mut self, one: &str) -> Result<()> {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        match name {
            "mem" | "pmem" | "vmem" | "h_vmem" => {
                self.requests.push(("request_memory", size(value)));
            }
            "file" => self.requests.push(("request_disk", size(value))),
            "procs" | "ncpus" => self.requests.push(("request_cpus", value.to_owned())),
            "nodes" => {
                ensure!(
                    !value.contains('+'),
                    "-l {one}: a job has one kind of node here; updraft qsub takes jobs of several"
                );
                let mut parts = value.split(':');
                let count = parts.next().map_or(Some(1), |count| count.parse::<u32>().ok());
                let mut cpus = count.unwrap_or(1);
                for part in parts {
                    match part.split_once('=') {
                        Some(("ppn", ppn)) => {
                            let ppn: u32 = ppn
                                .parse()
                                .with_context(|| format!("-l {one}: ppn is a number"))?;
                            cpus = cpus.saturating_mul(ppn);
                        }
                        Some(("gpus", gpus)) => {
                            self.requests.push(("request_gpus", gpus.to_owned()));
                        }
                        Some(_) | None => {
                            self.requirements.push(format!("Machine == {}", quoted(part)));
                        }
                    }
                }
                if count.is_none() {
                    let name = value.split(':').next().unwrap_or_default();
                    self.requirements.push(format!("Machine == {}", quoted(name)));
                }
                self.requests.push(("request_cpus", cpus.to_string()));
            }
            "arch" => self.requirements.push(format!("Arch == {}", quoted(value))),
            "opsys" => self.requirements.push(format!("OpSys == {}", quoted(value))),
            "host" => self.requirements.push(format!("Machine == {}", quoted(value))),
            // Times and what else a site has defined are not looked at, as in HTCondor's.
            _ => {}
        }
        Ok(())
    }

    /// `stagein=LOCAL@HOST:REMOTE,...`, or stageout: files are on the submitter's machine.
    fn files(&mut self, text: &str) -> Result<()> {
        let (name, list) = text.split_once('=').unwrap_or((text, ""));
        let files = match name {
            "stagein" => &mut self.inputs,
            "stageout" => &mut self.outputs,
            _ => bail!("-W {text}: only stagein and stageout are taken here"),
        };
        let list = list.replace('\'', "");
        let remote =
            |file: &str| file.split_once(':').map_or(file, |(_, remote)| remote).to_owned();
        files.extend(list.split(',').map(remote));
        Ok(())
    }

    /// What the job is called: as it was said, or as its script or command.
    fn name(&self) -> String {
        let first = self.words.first().map_or("", String::as_str);
        let last = first.rsplit('/').next().unwrap_or(first);
        self.name.clone().unwrap_or_else(|| last.to_owned())
    }

    /// Where a stream goes: a folder takes it under its usual name, and each task has its own.
    fn stream(&self, said: Option<&String>, letter: char, task: Option<u32>) -> String {
        let of_task = task.map(|task| format!(".{task}")).unwrap_or_default();
        let usual = format!("{}.{letter}$(Cluster)", self.name());
        let path = match said {
            Some(path) if path.ends_with('/') || fs::metadata(path).is_ok_and(|at| at.is_dir()) => {
                format!("{}/{usual}", path.trim_end_matches('/'))
            }
            Some(path) => path.clone(),
            None => usual,
        };
        path + &of_task
    }

    /// The submit description.
    fn description(&self, cwd: &str) -> String {
        let own = std::env::var("SHELL").ok().filter(|shell| shell.starts_with('/'));
        let shell = self.shell.as_deref().or(own.as_deref()).unwrap_or("/bin/sh");
        let words = self.words.iter().map(String::as_str);
        let arguments = match self.is_command {
            true => cmdline::print_v2(["-c", &words.collect::<Vec<_>>().join(" ")]),
            false => cmdline::print_v2(words),
        };
        let mut lines = vec![
            "universe = vanilla".to_owned(),
            "should_transfer_files = IF_NEEDED".to_owned(),
            format!("executable = {shell}"),
            "transfer_executable = false".to_owned(),
            format!("arguments = \"{}\"", arguments.replace('"', "\"\"")),
            format!("notification = {}", self.notification.unwrap_or("Never")),
            format!("priority = {}", self.priority),
        ];
        let mut add = |name: &str, value: Option<&str>| {
            lines.extend(value.map(|value| format!("{name} = {value}")));
        };
        let folder = self.folder.as_deref().map(|folder| if folder == "." { cwd } else { folder });
        add("batch_name", self.name.as_deref());
        add("initialdir", folder);
        add("input", self.stdin.as_deref());
        add("notify_user", self.mail_to.as_deref());
        add("getenv", self.gets_environment.then_some("True"));
        add("+AccountingGroup", self.account.as_deref().map(quoted).as_deref());
        self.requests.iter().for_each(|(name, value)| add(name, Some(value)));
        let mut requirements = self.requirements.clone();
        if self.runs_once {
            requirements.push("NumJobStarts == 0".to_owned());
            add("periodic_remove", Some("JobStatus == 1 && NumJobStarts > 0"));
        }
        let requirements = Some(requirements.join(" && ")).filter(|all| !all.is_empty());
        add("requirements", requirements.as_deref());
        // Where files travel, the script does too.
        let script = self.words.first().filter(|path| !self.is_command && !path.contains('/'));
        let inputs: Vec<&str> =
            script.into_iter().chain(&self.inputs).map(String::as_str).collect();
        let inputs = Some(inputs.join(",")).filter(|all| !all.is_empty());
        add("transfer_input_files", inputs.as_deref());
        let outputs = Some(self.outputs.join(",")).filter(|all| !all.is_empty());
        add("when_to_transfer_output", outputs.as_ref().map(|_| "ON_EXIT"));
        add("transfer_output_files", outputs.as_deref());
        let begins = self.begins.map(|begins| begins.to_string());
        add("deferral_time", begins.as_deref());
        add("deferral_window", begins.as_ref().map(|_| "3153600000"));
        add("deferral_prep_time", begins.as_ref().map(|_| "0"));
        let waits: Vec<String> =
            self.waits_for.iter().map(|job| format!("afterany:{job}")).collect();
        add("hold", (self.is_held || !waits.is_empty()).then_some("True"));
        if !waits.is_empty() {
            add(&format!("+{}", depend::WAITS_FOR), Some(&quoted(&waits.join(","))));
            let besides = format!("+{}", depend::HELD_BESIDES);
            add(&besides, self.is_held.then_some("true"));
        }
        let tasks = self.tasks.map_or_else(|| vec![None], |tasks| tasks.all().map(Some).collect());
        for task in tasks {
            lines.extend(self.queued(task));
        }
        lines.join("\n") + "\n"
    }

    /// The lines of one job.
    fn queued(&self, task: Option<u32>) -> Vec<String> {
        let stdout = self.stream(self.stdout.as_ref(), 'o', task);
        let stderr = match self.joins_streams {
            true => stdout.clone(),
            false => self.stream(self.stderr.as_ref(), 'e', task),
        };
        let mut environment = self.variables.clone();
        if let (Some(task), Some(Tasks { first, last, step })) = (task, self.tasks) {
            environment.extend([
                format!("SGE_TASK_ID={task}"),
                format!("SGE_TASK_FIRST={first}"),
                format!("SGE_TASK_STEPSIZE={step}"),
                format!("SGE_TASK_LAST={last}"),
            ]);
        }
        let mut lines = vec![format!("output = {stdout}"), format!("error = {stderr}")];
        if !environment.is_empty() {
            let words = cmdline::print_v2(environment.iter().map(String::as_str));
            lines.push(format!("environment = \"{}\"", words.replace('"', "\"\"")));
        }
        lines.push("queue".to_owned());
        lines
    }
}

impl Tasks {
    /// `1-10:2`.
    fn read(text: &str) -> Result<Self> {
        let wrong = || format!("-t {text} is no range of tasks: FIRST-LAST:STEP");
        let (range, step) = text.split_once(':').unwrap_or((text, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |part: &str| part.parse::<u32>().with_context(wrong);
        let tasks = Self { first: number(first)?, last: number(last)?, step: number(step)? };
        ensure!(tasks.step > 0 && tasks.first <= tasks.last, "{}", wrong());
        Ok(tasks)
    }

    fn all(self) -> impl Iterator<Item = u32> {
        (self.first..=self.last).step_by(usize::try_from(self.step).unwrap_or(usize::MAX))
    }
}

/// A variable without a value is `True`, as HTCondor's makes it.
fn variable(one: &str) -> String {
    if one.contains('=') { one.to_owned() } else { format!("{one}=True") }
}

/// SGE's letters: of the end, of an error, of none.
fn notification(letters: &str) -> &'static str {
    match letters {
        all if all.contains('n') => "Never",
        all if all.contains('e') => "Complete",
        all if all.contains('a') => "Error",
        _ => "Never",
    }
}

/// `2gb` as submit descriptions have it.
fn size(text: &str) -> String {
    text.to_ascii_uppercase()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_new()
}

/// The option that a word names, and whether it has a value.
fn named(word: &str) -> Option<(&'static str, bool)> {
    if let Some(exact) = NAMES.iter().find(|(name, _)| *name == word) {
        return Some(*exact);
    }
    let mut begin = NAMES.iter().filter(|(name, _)| !word.is_empty() && name.starts_with(word));
    match (begin.next(), begin.next()) {
        (Some(one), None) => Some(*one),
        (Some(_) | None, _) => None,
    }
}

fn now() -> Zoned {
    zoned(clock::now().wall.as_secs(), &TimeZone::system())
}

/// The next such moment in the user's time. Of one whose month is said it is this year's, also
/// where that is over.
fn moment(text: &str, now: &Zoned) -> Result<i64> {
    let wrong = || format!("-a {text} is no time: [[[[CC]YY]MM]DD]hhmm[.SS]");
    let said = Moment::read(text).with_context(wrong)?;
    let year = said.year.or(said.month.map(|_| now.year()));
    moments::next(Moment { year, ..said }, now).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(words: &str) -> Vec<String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let mut asked = Asked::default();
        asked.take(&words).unwrap();
        asked.description("/here").lines().map(str::to_owned).collect()
    }

    #[test]
    fn options_become_the_commands_of_a_description() {
        for (words, expected) in [
            ("j.sh a b", &["arguments = \"j.sh a b\"", "queue"][..]),
            ("j.sh", &["output = j.sh.o$(Cluster)", "error = j.sh.e$(Cluster)"]),
            ("-N name -p 5 j.sh", &["priority = 5", "output = name.o$(Cluster)"]),
            ("-l mem=2gb,nodes=1:ppn=2 j.sh", &["request_memory = 2GB", "request_cpus = 2"]),
            ("-l arch=x,host=h j.sh", &["requirements = Arch == \"x\" && Machine == \"h\""]),
            ("-b y echo hi", &["arguments = \"-c echo' 'hi\""]),
            ("-v A=1,B j.sh", &["environment = \"A=1 B=True\""]),
            ("-cwd -V j.sh", &["initialdir = /here", "getenv = True"]),
            ("--cw -V j.sh a", &["initialdir = /here", "getenv = True", "arguments = \"j.sh a\""]),
            ("j.sh a -N late b", &["output = late.o$(Cluster)", "arguments = \"j.sh a b\""]),
            ("-Nshort -hV j.sh", &["error = short.e$(Cluster)", "hold = True", "getenv = True"]),
            ("-i in j.sh -- -N x", &["input = in", "arguments = \"j.sh -N x\""]),
            ("-l nodes=2:ppn=3:gpus=1 j.sh", &["request_cpus = 6", "request_gpus = 1"]),
            (
                "-W stageout=a@h:b,c@h:d j.sh",
                &["transfer_output_files = b,d", "when_to_transfer_output = ON_EXIT"],
            ),
            ("-j oe -e x j.sh", &["output = j.sh.o$(Cluster)", "error = j.sh.o$(Cluster)"]),
            ("-hold_jid 7,8 j.sh", &["hold = True", "+WaitsForJobs = \"afterany:7,afterany:8\""]),
            ("-j y -o o.txt j.sh", &["output = o.txt", "error = o.txt"]),
            ("-S /bin/ksh j.sh", &["executable = /bin/ksh"]),
            ("-r n j.sh", &["periodic_remove = JobStatus == 1 && NumJobStarts > 0"]),
            ("-W stagein=a@h:b j.sh", &["transfer_input_files = j.sh,b"]),
            ("-m ae -M x@y j.sh", &["notification = Complete", "notify_user = x@y"]),
        ] {
            let lines = lines(words);
            for line in expected {
                assert!(lines.iter().any(|has| has == line), "{words}: no {line} in {lines:#?}");
            }
        }
    }

    #[test]
    fn an_array_is_a_job_for_each_task() {
        let lines = lines("-t 1-5:2 j.sh");
        assert_eq!(lines.iter().filter(|line| *line == "queue").count(), 3);
        let expected =
            "environment = \"SGE_TASK_ID=3 SGE_TASK_FIRST=1 SGE_TASK_STEPSIZE=2 SGE_TASK_LAST=5\"";
        assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
        assert!(lines.iter().any(|line| line == "output = j.sh.o$(Cluster).5"), "{lines:#?}");
        let own = self::lines("-t 1-2 -o out j.sh");
        assert!(own.iter().any(|line| line == "output = out.2"), "{own:#?}");
    }

    #[test]
    fn a_script_says_options_too_and_what_makes_no_sense_is_said() {
        let mut asked = Asked::default();
        asked.take_script("#!/bin/sh\n#$ -N sgename\n#PBS -l mem=1gb\necho\n").unwrap();
        assert_eq!(asked.name.as_deref(), Some("sgename"));
        assert_eq!(asked.requests, [("request_memory", "1GB".to_owned())]);
        for (words, expected) in [
            (&["-Z", "j.sh"][..], "condor_qsub: unrecognized option '-Z'"),
            (&["-t", "5-1", "j.sh"], "-t 5-1 is no range of tasks: FIRST-LAST:STEP"),
            (&["-Zx", "j.sh"], "condor_qsub: unrecognized option '-Zx'"),
            (&["-hZ", "j.sh"], "condor_qsub: invalid option -- 'Z'"),
            (&["-N"], "condor_qsub: option requires an argument -- 'N'"),
            (&["--hold_jid"], "condor_qsub: option '--hold_jid' requires an argument"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let error = Asked::default().take(&words).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_moment_that_is_past_is_the_next_such_one_where_its_month_is_not_said() {
        let now: Zoned = "2026-11-30T12:00:00[UTC]".parse().unwrap();
        for (text, expected) in [
            ("1300", "2026-11-30T13:00:00[UTC]"),
            ("1100", "2026-12-01T11:00:00[UTC]"),
            ("291100.30", "2026-12-29T11:00:30[UTC]"),
            ("11291100", "2026-11-29T11:00:00[UTC]"),
            ("2712010001", "2027-12-01T00:01:00[UTC]"),
            ("202712010001", "2027-12-01T00:01:00[UTC]"),
        ] {
            let expected: Zoned = expected.parse().unwrap();
            assert_eq!(moment(text, &now).unwrap(), expected.timestamp().as_second(), "{text}");
        }
        for wrong in ["x", "12", "123", "1260", "99991300"] {
            assert!(moment(wrong, &now).is_err(), "{wrong}");
        }
    }
}
