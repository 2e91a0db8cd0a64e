//! `condor_qsub`: SGE's and PBS's `qsub` as HTCondor emulates it: options, and lines of the script
//! that hold some, become a submit description. A job that waits for others (`-hold_jid`) waits in
//! the schedd; there is no job that watches them. `qsub` itself, with all of OpenPBS, is
//! `commands::pbs`.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use client::{AskError, Home, Query, RealSite, Select, Selector, SubmitError};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jobspec::htcondor::{self, SubmitOptions};
use model::{ClusterId, attr, cmdline, depend};
use proto::client::Refusal;

use crate::line::call::Call;
use crate::line::outcome::Outcome;

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
    is_printed: bool,
    is_tested: bool,
    words: Vec<String>,
}

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
    let cwd = std::env::current_dir()?.to_string_lossy().into_owned();
    let Some(first) = asked.words.first().cloned() else {
        bail!("{}: there is no script: give its name", call.name);
    };
    if !asked.is_command {
        let script = fs::read_to_string(&first).with_context(|| format!("read {first}"))?;
        // What the command line says goes before what the script says.
        let mut of_script = Asked::default();
        of_script.take_script(&script)?;
        of_script.take(&args.words)?;
        asked = of_script;
    }
    let home = Home::from_environment();
    let name = asked.name();
    let wanted = asked.waits_for.clone();
    let mut attempts = ATTEMPTS;
    let (printed, submitted) = loop {
        attempts -= 1;
        asked.waits_for = still_there(&home, &wanted)?;
        let text = asked.description(&cwd);
        let printed = if asked.is_printed { text.clone() } else { String::new() };
        if asked.is_tested {
            let said = format!("{printed}Your job 0 (\"{name}\") has been submitted\n");
            return Ok(Outcome::done(said));
        }
        let description = htcondor::parse(&text, &call.name).map_err(client::submit::Wrong)?;
        let submitted = home.submit(&description, &RealSite::new()?, &SubmitOptions::default());
        match submitted {
            Ok(submitted) => break (printed, submitted),
            // One that it is to wait for has ended since it was looked at.
            Err(SubmitError::Ask(AskError::Refused(Refusal::HasLeft(_)))) if attempts > 0 => {}
            Err(error) => return Err(error.into()),
        }
    };
    let Some((cluster, _)) = submitted.clusters.first() else {
        return Ok(Outcome::failed(String::new()));
    };
    let mut outcome =
        Outcome::done(format!("{printed}Your job {cluster} (\"{name}\") has been submitted\n"));
    outcome.said.err = format!("To monitor your job(s), run: condor_watch_q -clusters {cluster}\n");
    Ok(outcome)
}

/// Of the jobs that are to be over before, those that are not.
fn still_there(home: &Home, jobs: &[u32]) -> Result<Vec<u32>> {
    let mut waiting = Vec::new();
    if jobs.is_empty() {
        return Ok(waiting);
    }
    let mut schedd = home.schedd()?;
    for number in jobs {
        let select = Select::Any(vec![Selector::Cluster(ClusterId(*number))]);
        let one = Query {
            limit: Some(1),
            projection: vec![attr::CLUSTER_ID.into()],
            ..Query::of(select)
        };
        if !schedd.jobs(one.clone())?.is_empty() {
            waiting.push(*number);
            continue;
        }
        let past = Query { finished: true, ..one };
        ensure!(!schedd.jobs(past)?.is_empty(), "Error: Job dependency {number} doesn't exist");
    }
    Ok(waiting)
}

impl Asked {
    /// Options up to the first word that is none.
    fn take(&mut self, words: &[String]) -> Result<()> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') || word == "-" {
                self.words = [word].into_iter().chain(rest).cloned().collect();
                return Ok(());
            }
            match word.as_str() {
                "-cwd" => self.folder = Some(".".to_owned()),
                "-V" => self.gets_environment = true,
                "-h" => self.is_held = true,
                "--print" => self.is_printed = true,
                "--test" => self.is_tested = true,
                "--condor-keep-files" => {}
                option => {
                    let value =
                        rest.next().with_context(|| format!("{option} needs a value behind it"))?;
                    self.option(option, value)?;
                }
            }
        }
        Ok(())
    }

    fn option(&mut self, option: &str, value: &str) -> Result<()> {
        let owned = || Some(value.to_owned());
        let yes = || ["y", "yes"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
        match option {
            "-N" => self.name = owned(),
            "-o" => self.stdout = owned(),
            "-e" => self.stderr = owned(),
            "-j" => self.joins_streams = yes() || value == "oe",
            "-d" | "-wd" => self.folder = owned(),
            "-S" => self.shell = owned(),
            "-b" => self.is_command = yes(),
            "-v" => self.variables.extend(value.split(',').map(variable)),
            "-A" => self.account = owned(),
            "-M" => self.mail_to = owned(),
            "-m" => self.notification = Some(notification(value)),
            "-p" => {
                self.priority =
                    value.parse().with_context(|| format!("-p {value} is no number"))?;
            }
            "-r" => self.runs_once = !yes(),
            "-a" => self.begins = Some(moment(value)?),
            "-hold_jid" => {
                for job in value.split(',') {
                    let number = job.split('.').next().and_then(|number| number.parse().ok());
                    let number = number.with_context(|| format!("-hold_jid {job} is no job"))?;
                    self.waits_for.push(number);
                }
            }
            "-t" => self.tasks = Some(Tasks::read(value)?),
            "-l" => value.split(',').try_for_each(|one| self.resource(one))?,
            "-W" => self.attributes(value)?,
            // There is one queue, nothing is checkpointed by somebody else, and a script is always
            // run by a shell.
            "-q" | "-c" | "-shell" => {}
            "-f" => self.words = vec![value.to_owned()],
            _ => bail!("condor_qsub: unrecognized option '{option}'"),
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
                let mut parts = value.split(':');
                ensure!(
                    parts.next().is_none_or(|count| count == "1" || count.parse::<u32>().is_err()),
                    "-l {one}: a job has one machine here; updraft qsub takes jobs of several"
                );
                let ppn = parts.find_map(|part| part.strip_prefix("ppn="));
                self.requests.extend(ppn.map(|ppn| ("request_cpus", ppn.to_owned())));
            }
            "arch" => self.requirements.push(format!("Arch == {}", quoted(value))),
            "opsys" => self.requirements.push(format!("OpSys == {}", quoted(value))),
            "host" => self.requirements.push(format!("Machine == {}", quoted(value))),
            // Times and what else a site has defined are not looked at, as in HTCondor's.
            _ => {}
        }
        Ok(())
    }

    fn attributes(&mut self, text: &str) -> Result<()> {
        for one in text.split(',') {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            match name {
                "stagein" | "stageout" => {
                    let remote = value.rsplit(':').next().unwrap_or(value);
                    self.inputs.push(remote.to_owned());
                }
                _ => bail!("-W {one}: only stagein and stageout are taken here"),
            }
        }
        Ok(())
    }

    /// What the job is called: as it was said, or as its script or command.
    fn name(&self) -> String {
        let first = self.words.first().map_or("", String::as_str);
        let last = first.rsplit('/').next().unwrap_or(first);
        self.name.clone().unwrap_or_else(|| last.to_owned())
    }

    /// Where a stream goes: a folder takes it under its usual name.
    fn stream(&self, said: Option<&String>, letter: char, task: Option<u32>) -> String {
        let of_task = task.map(|task| format!(".{task}")).unwrap_or_default();
        let usual = format!("{}.{letter}$(Cluster){of_task}", self.name());
        match said {
            Some(path) if path.ends_with('/') || fs::metadata(path).is_ok_and(|at| at.is_dir()) => {
                format!("{}/{usual}", path.trim_end_matches('/'))
            }
            Some(path) => path.clone(),
            None => usual,
        }
    }

    /// The submit description.
    fn description(&self, cwd: &str) -> String {
        let shell = self.shell.as_deref().unwrap_or("/bin/sh");
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
            format!("batch_name = {}", self.name()),
            format!("notification = {}", self.notification.unwrap_or("Never")),
            format!("priority = {}", self.priority),
        ];
        let mut add = |name: &str, value: Option<&str>| {
            lines.extend(value.map(|value| format!("{name} = {value}")));
        };
        let folder = self.folder.as_deref().map(|folder| if folder == "." { cwd } else { folder });
        add("initialdir", folder);
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
        let begins = self.begins.map(|begins| begins.to_string());
        add("deferral_time", begins.as_deref());
        add("deferral_window", begins.as_ref().map(|_| "3153600000"));
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
    classad::Value::from(text).to_new()
}

/// `[[[[CC]YY]MM]DD]hhmm[.SS]`, in the user's time.
fn moment(text: &str) -> Result<i64> {
    let wrong = || format!("-a {text} is no time: [[[[CC]YY]MM]DD]hhmm[.SS]");
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    ensure!(digits.bytes().all(|c| c.is_ascii_digit()), "{}", wrong());
    let now = proto::clock::now().wall.as_secs();
    let here = jiff::Timestamp::from_second(now)?.to_zoned(TimeZone::system());
    let full = format!("{:04}{:02}{:02}", here.year(), here.month(), here.day());
    let missing = 12_usize.checked_sub(digits.len()).with_context(wrong)?;
    let all = format!("{}{digits}", full.get(..missing).with_context(wrong)?);
    let part = |from: usize, to: usize| all[from..to].parse::<i8>().with_context(wrong);
    let year = all[..4].parse::<i16>().with_context(wrong)?;
    let seconds = seconds.parse::<i8>().with_context(wrong)?;
    let at = DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, seconds, 0);
    Ok(at.with_context(wrong)?.to_zoned(TimeZone::system())?.timestamp().as_second())
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
            ("j.sh a b", &["executable = /bin/sh", "arguments = \"j.sh a b\"", "queue"][..]),
            ("j.sh", &["output = j.sh.o$(Cluster)", "error = j.sh.e$(Cluster)"]),
            ("-N name -p 5 j.sh", &["priority = 5", "output = name.o$(Cluster)"]),
            ("-l mem=2gb,nodes=1:ppn=2 j.sh", &["request_memory = 2GB", "request_cpus = 2"]),
            ("-l arch=x,host=h j.sh", &["requirements = Arch == \"x\" && Machine == \"h\""]),
            ("-b y echo hi", &["arguments = \"-c echo' 'hi\""]),
            ("-v A=1,B j.sh", &["environment = \"A=1 B=True\""]),
            ("-cwd -V j.sh", &["initialdir = /here", "getenv = True"]),
            ("-hold_jid 7,8 j.sh", &["hold = True", "+WaitsForJobs = \"afterany:7,afterany:8\""]),
            ("-j y -o o.txt j.sh", &["output = o.txt", "error = o.txt"]),
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
            (&["-N"], "-N needs a value behind it"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let error = Asked::default().take(&words).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert!(moment("12312359").unwrap() % 60 == 0 && moment("x").is_err());
    }
}
