//! What `submit` prints: HTCondor's words on standard output, and, in our own words, where a
//! description is wrong and what would be right.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use classad::ClassAd;
use jobspec::htcondor::{self, Submission, schedd_attributes};
use jobspec::{Diagnostic, pbs};
use model::diagnostic::Severity;
use model::{ClusterSpec, JobId, ProcId, attr};
use serde::Serialize;

use super::explain::Explained;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::render::dialect::Dialect;
use crate::render::said::{self, Said, Tell};

/// How to print, and to whom.
pub(super) struct Manner {
    pub(super) dialect: Dialect,
    pub(super) shape: Shape,
}

/// What is wanted.
pub(super) enum Shape {
    /// How many jobs went where.
    Plain,
    /// `-interactive`: the same, and that the job is waited for.
    Interactive,
    /// `-terse`: ranges of job ids.
    Terse,
    /// `-verbose`: every ad.
    Verbose {
        /// Whether a line says what is going on; not for `-`.
        announced: bool,
    },
    /// `-dry-run`: attributes as they would be set, nothing submitted.
    DryRun {
        /// Where to; `-` is standard output.
        file: String,
        /// `:full`: whole ads.
        full: bool,
    },
    /// `-dump`: the same, always to a file.
    Dump { file: String },
    /// `--explain`, in words or as JSON.
    Explain { json: bool },
    /// `--json`.
    Json,
}

/// In our own words, a submission prints no more dots than this.
const MOST_DOTS: usize = 60;

impl Manner {
    /// Says what is going on, before anything can go wrong. The line is not ended.
    pub(super) fn begin(&self) -> Result<()> {
        output::put(match &self.shape {
            Shape::Plain | Shape::Interactive | Shape::Verbose { announced: true } => {
                "Submitting job(s)"
            }
            Shape::DryRun { .. } => "Dry-Run job(s)",
            Shape::Dump { .. } => "Storing job ClassAd(s)",
            Shape::Verbose { announced: false }
            | Shape::Terse
            | Shape::Explain { .. }
            | Shape::Json => "",
        })?;
        Ok(())
    }

    /// Ends the line that [`Self::begin`] began, in our own words; HTCondor's command leaves it
    /// open before an error.
    pub(super) fn end_line(&self) -> &'static str {
        let open = matches!(
            self.shape,
            Shape::Plain
                | Shape::Interactive
                | Shape::Verbose { announced: true }
                | Shape::DryRun { .. }
                | Shape::Dump { .. }
        );
        if open && self.dialect != Dialect::HtCondor { "\n" } else { "" }
    }

    /// Says what is wrong.
    pub(super) fn refuse(&self, diagnostics: &[Diagnostic]) -> Outcome {
        let out = self.end_line().to_owned();
        let said = Said { out, err: self.messages(diagnostics) };
        Outcome { said, exit: Exit::Failed.into() }
    }

    /// The description has only `queue` statements without items.
    pub(super) fn nothing_queued(&self, submission: &Submission, name: &str) -> Outcome {
        let out = if matches!(self.shape, Shape::Terse | Shape::Json) { "" } else { "\n" };
        let mut outcome = Outcome::done(out);
        outcome.said.err = self.messages(&submission.warnings);
        outcome.said.err +=
            &format!("\nWARNING: \"{name}\" has only empty \"queue\" commands -- no jobs queued\n");
        outcome
    }

    /// What became of it.
    pub(super) fn submitted(&self, submission: &Submission, now: i64) -> Result<Outcome> {
        let (text, watch) = match &self.shape {
            Shape::Plain => {
                (format!("{}\n{}", self.dots(submission), counts(submission, "submitted")), true)
            }
            Shape::Interactive => {
                let counts = counts(submission, "submitted");
                let text =
                    format!("{}\n{counts}Waiting for job to start...\n", self.dots(submission));
                (text, false)
            }
            Shape::Terse => (ranges(submission), false),
            Shape::Verbose { announced } => (verbose(submission, now, *announced), false),
            Shape::DryRun { file, full: true } => {
                let head = format!("{}\n{}", dots(submission), counts(submission, "dry-run"));
                (head + &to_file(file, &full_ads(submission, now))?, false)
            }
            Shape::DryRun { file, full: false } if file == "-" => (
                format!("\n{}{}", as_set(submission, now, ".\n"), counts(submission, "dry-run")),
                false,
            ),
            Shape::DryRun { file, full: false } => {
                to_file(file, &format!("\n{}", as_set(submission, now, "\n")))?;
                (format!("{}\n{}", dots(submission), counts(submission, "dry-run")), false)
            }
            Shape::Dump { file } => {
                to_file(file, &format!("\n{}", as_set(submission, now, "\n")))?;
                (format!("{}\n{}", dots(submission), counts(submission, "submitted")), true)
            }
            Shape::Explain { json } => {
                let explained = Explained::of(submission)?;
                let text = match json {
                    true => said::json(&explained),
                    false => explained.tell(self.dialect).out,
                };
                (text, false)
            }
            Shape::Json => (said::json(&Submitted::of(submission)), false),
        };
        let mut outcome = Outcome::done(text);
        if watch {
            let command = self.watch_command(submission);
            outcome.said.err = format!("To monitor your job(s), run: {command}\n");
        }
        outcome.said.err += &match self.dialect {
            Dialect::Updraft => self.messages(&went_on(&submission.warnings)),
            Dialect::HtCondor | Dialect::Pbs => self.messages(&submission.warnings),
        };
        Ok(outcome)
    }

    fn watch_command(&self, submission: &Submission) -> String {
        let clusters: Vec<String> =
            submission.clusters.iter().map(|(cluster, _)| cluster.to_string()).collect();
        let clusters = clusters.join(" ");
        match self.dialect {
            Dialect::HtCondor => format!("condor_watch_q -clusters {clusters}"),
            Dialect::Updraft | Dialect::Pbs => format!("updraft q {clusters}"),
        }
    }

    fn dots(&self, submission: &Submission) -> String {
        let dots = dots(submission);
        match self.dialect {
            Dialect::HtCondor => dots,
            Dialect::Updraft | Dialect::Pbs => dots[..dots.len().min(MOST_DOTS)].to_owned(),
        }
    }

    /// Messages, in HTCondor's order: the last that was found comes first.
    fn messages(&self, diagnostics: &[Diagnostic]) -> String {
        let latest = diagnostics.iter().rev();
        match self.dialect {
            Dialect::Updraft => latest.filter_map(in_own_words).map(|own| own.render()).collect(),
            Dialect::Pbs => latest.map(|one| pbs::said("qsub", one)).collect(),
            Dialect::HtCondor => htcondor::said_all(diagnostics)
                .into_iter()
                .map(|(one, said)| said + &which_was_meant(one))
                .collect(),
        }
    }
}

/// Not HTCondor's, and worth a line under any name: which keyword was meant.
fn which_was_meant(diagnostic: &Diagnostic) -> String {
    let hint = diagnostic.hint.as_ref().filter(|hint| hint.starts_with("did you mean"));
    hint.filter(|_| !diagnostic.is_error())
        .map_or_else(String::new, |hint| format!("         {hint}\n"))
}

/// What was found in a description that was submitted all the same, as it is told under our own
/// name: HTCondor calls a macro's argument that is of no use an error, and submits.
fn went_on(found: &[Diagnostic]) -> Vec<Diagnostic> {
    let one = |one: &Diagnostic| Diagnostic {
        severity: one.severity.min(Severity::Warning),
        ..one.clone()
    };
    found.iter().map(one).collect()
}

/// The same without the words that only HTCondor's own command says of itself; none if the rest of
/// what is told says it too.
fn in_own_words(diagnostic: &Diagnostic) -> Option<Diagnostic> {
    let mut own = diagnostic.clone();
    // The line that was not read is told as well, with the same hint.
    if own.message.contains("is not a valid submit keyword, did you mean") {
        return None;
    }
    own.message = own
        .message
        .replace(
            " was unused by condor_submit. Is it a typo?",
            " is read by nothing: is it a typo?",
        )
        .replace("you want Condor to transfer", "to be transferred");
    if let Some(rest) = own.message.strip_prefix("ERROR: ") {
        own.message = rest.to_owned();
    }
    Some(own)
}

/// What a text that is no submit description is instead, and what takes it: `file` is how it was
/// named.
pub(super) fn other_language(text: &str, file: &str) -> Option<String> {
    const OF_DAGS: [&str; 7] =
        ["JOB", "PARENT", "SUBDAG", "SPLICE", "FINAL", "SERVICE", "SUBMIT-DESCRIPTION"];
    if text.lines().any(|line| line.starts_with("#PBS ")) {
        return Some(format!("{file} is a PBS script: updraft qsub {file}\n"));
    }
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let words: Vec<&str> = first.split_whitespace().collect();
    let is_dag = words.len() > 2
        && OF_DAGS.iter().any(|of_dags| words[0].eq_ignore_ascii_case(of_dags))
        && !words[1].starts_with(['=', ':']);
    is_dag.then(|| format!("{file} is a DAG: updraft submit_dag {file}\n"))
}

fn dots(submission: &Submission) -> String {
    let jobs: usize = submission.clusters.iter().map(|(_, spec)| spec.count() as usize).sum();
    ".".repeat(jobs)
}

fn counts(submission: &Submission, done: &str) -> String {
    let line = |(cluster, spec): &(model::ClusterId, ClusterSpec)| {
        format!("{} job(s) {done} to cluster {cluster}.\n", spec.count())
    };
    submission.clusters.iter().map(line).collect()
}

/// `4.0 - 4.9`, a line for each cluster.
fn ranges(submission: &Submission) -> String {
    let mut text = String::new();
    for (cluster, spec) in &submission.clusters {
        if let Some(last) = spec.last(*cluster) {
            let first = JobId { cluster: *cluster, proc: ProcId(0) };
            let _ = writeln!(text, "{first} - {last}");
        }
    }
    text
}

/// What was submitted, and what may be meant otherwise than it is written.
#[derive(Serialize)]
struct Submitted<'a> {
    clusters: Vec<Cluster>,
    warnings: Vec<Warning<'a>>,
}

#[derive(Serialize)]
struct Cluster {
    cluster: u32,
    jobs: u32,
}

#[derive(Serialize)]
struct Warning<'a> {
    message: &'a str,
    hint: Option<&'a str>,
    at: Option<At<'a>>,
}

#[derive(Serialize)]
struct At<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Submitted<'a> {
    fn of(submission: &'a Submission) -> Self {
        let cluster = |(cluster, spec): &(model::ClusterId, ClusterSpec)| Cluster {
            cluster: cluster.0,
            jobs: spec.count(),
        };
        let warning = |warning: &'a Diagnostic| Warning {
            message: &warning.message,
            hint: warning.hint.as_deref(),
            at: warning.location.as_ref().map(|_| At {
                file: warning.file(),
                line: warning.line(),
                column: warning.column(),
            }),
        };
        Self {
            clusters: submission.clusters.iter().map(cluster).collect(),
            warnings: submission.warnings.iter().map(warning).collect(),
        }
    }
}

/// The ad of a job with what the schedd adds to it.
fn whole_ad(job: JobId, ad: &ClassAd, now: i64) -> ClassAd {
    let mut whole = schedd_attributes(job, now);
    whole.update(ad);
    whole
}

fn sorted(ad: &ClassAd) -> String {
    let mut lines: Vec<String> =
        ad.iter().map(|(name, expr)| format!("{name} = {expr}\n")).collect();
    lines.sort_by_key(|line| line.split(' ').next().unwrap_or_default().to_ascii_lowercase());
    lines.concat()
}

fn verbose(submission: &Submission, now: i64, announced: bool) -> String {
    let mut text = String::new();
    for (job, ad) in submission.jobs() {
        let _ = write!(text, "\n** Proc {job}:\n{}\n", sorted(&whole_ad(job, &ad, now)));
    }
    if announced { text + "\n" } else { text }
}

fn full_ads(submission: &Submission, now: i64) -> String {
    submission.jobs().map(|(job, ad)| format!("\n{}", sorted(&whole_ad(job, &ad, now)))).collect()
}

/// Attributes as HTCondor 25.14 sets them: those of the cluster with its first job, then what
/// differs; each name by its length and then by its letters. A job's number and state are last of
/// the first job, and first of the others.
fn as_set(submission: &Submission, now: i64, after_each: &str) -> String {
    let mut text = String::new();
    for (cluster, spec) in &submission.clusters {
        let is_factory = FACTORY.iter().any(|name| spec.ad.get(name).is_some());
        if is_factory {
            // Of jobs that are made later there is the cluster alone.
            let job = JobId { cluster: *cluster, proc: ProcId(0) };
            let mut ad = whole_ad(job, &spec.ad, now);
            ad.update(&spec.delta(ProcId(0)).unwrap_or_default());
            let is_of_factory = |name: &str| name.starts_with("JobMaterialize");
            text += &set_lines(&ad, |name| !is_set_last(name) && !is_of_factory(name));
            text.push('\n');
            continue;
        }
        for proc in (0..spec.count()).map(ProcId) {
            let job = JobId { cluster: *cluster, proc };
            let mut ad = if proc.0 == 0 { whole_ad(job, &spec.ad, now) } else { ClassAd::new() };
            ad.update(&spec.delta(proc).unwrap_or_default());
            let state = ad.get(attr::JOB_STATUS).or_else(|| spec.ad.get(attr::JOB_STATUS)).cloned();
            let state = state.map_or_else(|| "1".to_owned(), |state| state.to_string());
            let which = format!("{}={proc}\n{}={state}\n", attr::PROC_ID, attr::JOB_STATUS);
            if proc.0 > 0 {
                text += &which;
            }
            text += &set_lines(&ad, |name| !is_set_last(name));
            if proc.0 == 0 {
                text += &which;
            }
            text += after_each;
        }
    }
    text
}

/// What says that jobs are made later.
const FACTORY: [&str; 2] = [attr::JOB_MATERIALIZE_LIMIT, attr::JOB_MATERIALIZE_MAX_IDLE];

fn set_lines(ad: &ClassAd, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut names: Vec<_> = ad.iter().filter(|(name, _)| is_wanted(name.as_str())).collect();
    names.sort_by_key(|(name, _)| {
        let name = name.as_str();
        (name != attr::CLUSTER_ID, name.len(), name.to_owned())
    });
    names.into_iter().map(|(name, expr)| format!("{name}={expr}\n")).collect()
}

fn is_set_last(name: &str) -> bool {
    name == attr::PROC_ID || name == attr::JOB_STATUS
}

/// Writes a file; gives back what belongs on standard output instead.
fn to_file(file: &str, text: &str) -> Result<String> {
    if file == "-" {
        return Ok(text.to_owned());
    }
    fs::write(file, text).with_context(|| format!("write {file}"))?;
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_language_is_told_with_what_takes_it() {
        let qsub = Some("x is a PBS script: updraft qsub x\n");
        let dag = Some("x is a DAG: updraft submit_dag x\n");
        for (text, expected) in [
            ("#!/bin/sh\n#PBS -l ncpus=1\necho a\n", qsub),
            ("# a diamond\nJOB A a.sub\nPARENT A CHILD B\n", dag),
            ("executable = a\nqueue\n", None),
            ("job = 3\nqueue\n", None),
            ("job = a b c\nqueue\n", None),
            ("", None),
        ] {
            assert_eq!(other_language(text, "x").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn our_own_name_speaks_of_no_other_command() {
        let told =
            |message: &str| in_own_words(&Diagnostic::warning(message)).map(|one| one.message);
        assert_eq!(
            told("the line 'a = b' was unused by condor_submit. Is it a typo?").as_deref(),
            Some("the line 'a = b' is read by nothing: is it a typo?")
        );
        assert_eq!(told("ERROR: Missing '='").as_deref(), Some("Missing '='"));
        assert_eq!(
            told("request_cpu is not a valid submit keyword, did you mean request_cpus?"),
            None
        );
        let error = Diagnostic::error("$INT() macro: x does not evaluate to an integer!");
        assert_eq!(went_on(&[error])[0].severity, Severity::Warning, "it was submitted");
    }
}
