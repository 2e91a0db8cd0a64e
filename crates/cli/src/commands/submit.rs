//! `updraft submit`, `condor_submit`: a description becomes jobs in the queue.
//!
//! This file has the options and the order of things. What the description means is `jobspec`'s
//! matter; how it sees this machine, and getting it into the queue once and only once, `client`'s;
//! what is printed, `show`.

mod explain;
pub(crate) mod interactive;
mod show;
mod spool;

use std::process::ExitCode;

use anyhow::Result;
use client::site::{self, RealSite};
use client::submit::{SubmitError, Wrong};
use client::{Home, outlook};
use jobspec::Diagnostic;
use jobspec::htcondor::{self, Description, Submission, SubmitOptions};
use model::diagnostic::{About, Severity};
use model::{ClusterId, JobId};

use crate::commands::submit::show::{Manner, Shape};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::place::Where;
use crate::render::dialect::Dialect;

/// Options of `condor_submit` that are not built.
pub const NOT_YET: &[&str] = &["remote", "addr", "capabilities", "allow-crlf-script", "factory"];

/// Submit jobs: what a submit description asks for goes into the queue.
#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    /// `NAME=VALUE` to set before the description is read, and the description's file; `-` or none
    /// is standard input.
    #[arg(value_name = "NAME=VALUE | FILE")]
    words: Vec<String>,
    /// The description's file.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    at: Where,
    /// Print the range of job ids only.
    #[arg(long)]
    terse: bool,
    /// Print every job's ad.
    #[arg(long)]
    verbose: bool,
    /// Read LINE as if it stood before the queue statement. May be given several times.
    #[arg(long, short = 'a', value_name = "LINE")]
    append: Vec<String>,
    /// Queue these, in a description that has no queue statement.
    #[arg(long, value_name = "ARGUMENTS", num_args = 1.., action = clap::ArgAction::Append)]
    queue: Vec<String>,
    /// Call the batch NAME.
    #[arg(long, value_name = "NAME")]
    batch_name: Option<String>,
    /// Copy the jobs' files to the schedd, and keep what they make there until it is fetched
    /// (transfer_data).
    #[arg(long)]
    spool: bool,
    /// Run a shell instead of the executable, and be its terminal. Without a description, with what
    /// a job has by default.
    #[arg(long, short = 'i', conflicts_with = "spool")]
    interactive: bool,
    /// Do not look whether the executable is there.
    #[arg(long)]
    disable: bool,
    /// Write the jobs' attributes to FILE (`-` is standard output) instead of submitting.
    #[arg(long, value_name = "FILE")]
    dry_run: Option<String>,
    /// `full`: whole ads, sorted.
    #[arg(long, value_name = "FORM", hide = true)]
    dry_run_form: Option<String>,
    /// Write the jobs' attributes to FILE instead of submitting.
    #[arg(long, value_name = "FILE")]
    dump: Option<String>,
    /// Submit nothing if there would be more than N jobs.
    #[arg(long, value_name = "N")]
    maxjobs: Option<u32>,
    /// Submit nothing if there would be more than one cluster.
    #[arg(long)]
    single_cluster: bool,
    /// Do not warn of lines that nothing reads.
    #[arg(long)]
    unused: bool,
    /// Lines that nothing reads are errors, and jobs that can never run, and outputs whose folder
    /// is not there.
    #[arg(long)]
    strict: bool,
    /// Say what each job would run and where it could, instead of submitting.
    #[arg(long)]
    explain: bool,
    /// Print what was submitted, or with --explain what would be, as JSON.
    #[arg(long, conflicts_with_all = ["dry_run", "dump", "terse", "verbose", "interactive"])]
    json: bool,
}

/// A description's text, and where it came from.
struct Input {
    text: String,
    name: String,
    is_file: bool,
    /// Whether `-` was given: it implies `-verbose`.
    is_dash: bool,
}

/// Does it.
///
/// # Errors
///
/// If no pool answers or it refuses. What is wrong with the description is told, and gives
/// `Exit::Failed`.
pub fn run(mut args: SubmitArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    let mut options = SubmitOptions {
        queue: (!args.queue.is_empty()).then(|| args.queue.join(" ")),
        max_jobs: args.maxjobs,
        single_cluster: args.single_cluster,
        disable_file_checks: args.disable,
        spool: args.spool,
        warn_unused: !args.unused,
        strict: args.strict,
        appends: std::mem::take(&mut args.append),
        ..SubmitOptions::default()
    };
    take_queue(&mut options);
    if let Some(name) = &args.batch_name {
        options.appends.push(format!("batch_name = {name}"));
    }
    let input = match read_input(&args, &mut options) {
        Ok(input) => input,
        Err(message) => {
            return Ok(Outcome::failed(unreadable(&message, call.dialect)));
        }
    };
    options.is_file = input.is_file;
    let place = args.interactive.then(interactive::Place::new).transpose()?;
    options.interactive = place.as_ref().map(interactive::Place::of_job).transpose()?;
    let manner = Manner { dialect: call.dialect, shape: shape(&args, &input) };
    manner.begin()?;
    let description = match htcondor::parse(&input.text, &input.name) {
        Ok(description) => description,
        Err(diagnostics) => return Ok(refuse(&manner, &diagnostics, &input)),
    };
    let site = RealSite::new()?;
    let is_sent = match &manner.shape {
        Shape::DryRun { .. } | Shape::Dump { .. } | Shape::Explain { .. } => false,
        Shape::Plain | Shape::Interactive | Shape::Terse | Shape::Verbose { .. } | Shape::Json => {
            true
        }
    };
    let outcome = match is_sent {
        false => {
            let first = first_cluster(&args)?;
            expand_only(&description, &site, &options, first).map_err(anyhow::Error::from)
        }
        true => send(&description, &site, &options, call.dialect),
    };
    match outcome {
        Ok(submission) if submission.only_empty_queues => {
            Ok(manner.nothing_queued(&submission, &input.name))
        }
        Ok(submission) => {
            let outcome = manner.submitted(&submission, site.now())?;
            if is_sent && (args.spool || args.interactive) {
                // It takes a while: what is in the queue is told before.
                let exit = outcome.print()?;
                return attend(&args, place, &submission, exit, call.dialect);
            }
            Ok(outcome)
        }
        Err(error) => match error.downcast::<Wrong>() {
            Ok(Wrong(diagnostics)) => Ok(refuse(&manner, &diagnostics, &input)),
            Err(error) => {
                output::put(manner.end_line())?;
                Err(error)
            }
        },
    }
}

fn send(
    description: &Description,
    site: &RealSite,
    options: &SubmitOptions,
    dialect: Dialect,
) -> Result<Submission> {
    let home = Home::from_environment();
    let accept = |submission: &mut Submission| match dialect {
        // HTCondor's command looks at no machine.
        Dialect::HtCondor | Dialect::Pbs => Ok(()),
        Dialect::Updraft => doubt(&home, submission, options, site.now()),
    };
    home.submit_if(description, site, options, accept).map_err(to_error)
}

/// A `queue` statement among appended lines is as if it had been given by `-queue`.
fn take_queue(options: &mut SubmitOptions) {
    let arguments = |line: &str| {
        let line = line.trim();
        let (word, rest) = line.split_at_checked("queue".len())?;
        let is_queue = word.eq_ignore_ascii_case("queue");
        (is_queue && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            .then(|| rest.trim().to_owned())
            .filter(|rest| !rest.starts_with('='))
    };
    let appends = std::mem::take(&mut options.appends);
    for line in appends {
        match arguments(&line) {
            Some(queue) if options.queue.is_none() => options.queue = Some(queue),
            Some(_) | None => options.appends.push(line),
        }
    }
}

/// Says what speaks against a submission; with `--strict` nothing may.
fn doubt(
    home: &Home,
    submission: &mut Submission,
    options: &SubmitOptions,
    now: i64,
) -> Result<(), Vec<Diagnostic>> {
    let mut doubts = outlook::doubts(home, submission, options.spool, now);
    if options.strict && !doubts.is_empty() {
        doubts.iter_mut().for_each(|doubt| doubt.severity = Severity::Error);
        return Err(doubts);
    }
    submission.warnings.extend(doubts);
    Ok(())
}

/// The description cannot be read at all.
fn unreadable(message: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Updraft => format!("updraft submit: {message}\n"),
        Dialect::HtCondor | Dialect::Pbs => format!("\nERROR: {message}\n"),
    }
}

/// Says what is wrong with a text, and if it is of another language, which command takes it.
fn refuse(manner: &Manner, diagnostics: &[Diagnostic], input: &Input) -> Outcome {
    let mut refused = manner.refuse(diagnostics);
    if manner.dialect == Dialect::Updraft {
        let other = show::other_language(&input.text, &input.name);
        refused.said.err += &other.unwrap_or_default();
    }
    refused
}

/// What a submission needs of this command while it is in the queue: its files, or a terminal.
fn attend(
    args: &SubmitArgs,
    place: Option<interactive::Place>,
    submission: &Submission,
    exit: ExitCode,
    dialect: Dialect,
) -> Result<Outcome> {
    if args.spool
        && let Err(error) = spool::send_files(submission)
    {
        let failed = format!("\n{error:#}\nERROR: Failed to spool job files.\n");
        return Ok(Outcome::failed(failed));
    }
    if let (Some(place), Some((cluster, _))) = (place, submission.clusters.first()) {
        let name = JobId::new(cluster.0, 0).to_string();
        interactive::attend(place, *cluster, name, dialect)?;
    }
    Ok(exit.into())
}

/// A description that is wrong is shown in its own way, whoever found that out.
fn to_error(error: SubmitError) -> anyhow::Error {
    match error {
        SubmitError::Wrong(wrong) => wrong.into(),
        SubmitError::Ask(error) => error.into(),
        SubmitError::Unknown(_) => error.into(),
    }
}

/// Makes the jobs, of clusters from this number on, for nobody.
fn expand_only(
    description: &Description,
    site: &RealSite,
    options: &SubmitOptions,
    first_cluster: u32,
) -> Result<Submission, Wrong> {
    let mut clusters = first_cluster..;
    let mut next = || {
        let too_many = || Diagnostic::error("there are too many clusters").about(About::Submission);
        clusters.next().map(ClusterId).ok_or_else(too_many)
    };
    description.expand(site, &mut next, options).map_err(Wrong)
}

/// `-dry-run:cluster=N`.
fn first_cluster(args: &SubmitArgs) -> Result<u32> {
    let form = args.dry_run_form.as_deref().and_then(|form| form.strip_prefix("cluster="));
    match form {
        None => Ok(1),
        Some(number) => number.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
            anyhow::anyhow!("-dry-run:cluster={number}: '{number}' is no number of a cluster")
        }),
    }
}

fn shape(args: &SubmitArgs, input: &Input) -> Shape {
    let full = args.dry_run_form.as_deref() == Some("full");
    match (&args.dry_run, &args.dump) {
        (Some(file), _) => Shape::DryRun { file: file.clone(), full },
        (None, Some(file)) => Shape::Dump { file: file.clone() },
        (None, None) if args.explain => Shape::Explain { json: args.json },
        (None, None) if args.interactive => Shape::Interactive,
        (None, None) if args.json => Shape::Json,
        (None, None) if args.terse => Shape::Terse,
        (None, None) if args.verbose || input.is_dash => {
            Shape::Verbose { announced: !input.is_dash }
        }
        (None, None) => Shape::Plain,
    }
}

/// Sorts the words of the command line, and reads the description.
fn read_input(args: &SubmitArgs, options: &mut SubmitOptions) -> Result<Input, String> {
    let mut file = args.file.clone();
    for word in &args.words {
        match word.split_once('=') {
            Some((name, value)) if is_name(name) => {
                options
                    .assignments
                    .push((name.trim_start_matches('+').to_owned(), value.to_owned()));
                if let Some(attribute) = name.strip_prefix('+')
                    && let Some(last) = options.assignments.last_mut()
                {
                    last.0 = format!("MY.{attribute}");
                }
            }
            _ if file.is_none() => file = Some(word.clone()),
            _ => {
                return Err(format!(
                    "{word} is one file too many: one description can be submitted at a time"
                ));
            }
        }
    }
    let is_dash = file.as_deref() == Some("-");
    match file {
        Some(file) if !is_dash => {
            let text = site::read(&file).map_err(|error| {
                format!("Failed to open command file ({file}) ({})", site::plain(&error))
            })?;
            let text = description_text(text).map_err(|wrong| format!("{file}: {wrong}"))?;
            Ok(Input { text, name: file, is_file: true, is_dash })
        }
        None if options.queue.is_some() || args.interactive => {
            Ok(Input { text: String::new(), name: "<none>".to_owned(), is_file: false, is_dash })
        }
        None if args.dry_run.is_some() || args.dump.is_some() => Err(no_description(args)),
        _ => {
            let failed =
                |why| format!("Failed to read the description from standard input ({why})");
            let text = site::read_stdin().map_err(|error| failed(error.to_string()))?;
            let text = description_text(text).map_err(failed)?;
            Ok(Input { text, name: "<stdin>".to_owned(), is_file: false, is_dash })
        }
    }
}

/// The name that follows `-dry-run` is that of what is written (HTCondor 25.14's words).
fn no_description(args: &SubmitArgs) -> String {
    let file = args.dry_run.as_ref().or(args.dump.as_ref()).map_or("-", String::as_str);
    format!(
        "No submit filename was provided, and '{file}'\n  was given as the output filename for -dump or \
         -dry-run. Was this intended?\n  To to avoid confusing the output file with the submit file when using \
         these\n  commands, an explicit submit filename argument must be given. You can use -\n  as the submit \
         filename argument to read from stdin."
    )
}

/// The text of a description. In a comment any byte may stand: nobody reads it.
fn description_text(bytes: Vec<u8>) -> Result<String, String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::new();
    for (n, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_comment = line.trim_ascii_start().starts_with(b"#");
        match std::str::from_utf8(line) {
            Ok(line) => text += line,
            Err(_) if is_comment => text += &String::from_utf8_lossy(line),
            Err(error) => {
                let (line, column) = (n + 1, error.valid_up_to() + 1);
                return Err(format!("byte {column} of line {line} is no text (UTF-8)"));
            }
        }
    }
    Ok(text)
}

fn is_name(word: &str) -> bool {
    let name = word.strip_prefix('+').unwrap_or(word).trim();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}
