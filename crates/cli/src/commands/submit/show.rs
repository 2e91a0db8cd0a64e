//! What `submit` prints: HTCondor's words on standard output, and, in our own words, where a
//! description is wrong and what would be right.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use classad::ClassAd;
use jobspec::htcondor::{self, Submission, schedd_attributes};
use jobspec::{Diagnostic, pbs};
use model::{ClusterSpec, JobId, ProcId, attr};
use serde::Serialize;

use super::explain;
use super::to_the_letter;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::render::dialect::Dialect;
use crate::render::said::{self, Said};

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
    /// `--explain`.
    Explain,
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
            Shape::Verbose { announced: false } | Shape::Terse | Shape::Explain | Shape::Json => "",
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
        if open && !to_the_letter(self.dialect) { "\n" } else { "" }
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
                format!("\n{}{}", as_set(submission, now, "."), counts(submission, "dry-run")),
                false,
            ),
            Shape::DryRun { file, full: false } => {
                to_file(file, &format!("\n{}", as_set(submission, now, "")))?;
                (format!("{}\n{}", dots(submission), counts(submission, "dry-run")), false)
            }
            Shape::Dump { file } => {
                to_file(file, &format!("\n{}", as_set(submission, now, "")))?;
                (format!("{}\n{}", dots(submission), counts(submission, "submitted")), true)
            }
            Shape::Explain => (explain::explain(submission)?, false),
            Shape::Json => (said::json(&Submitted::of(submission)), false),
        };
        let mut outcome = Outcome::done(text);
        if watch {
            let command = self.watch_command(submission);
            outcome.said.err = format!("To monitor your job(s), run: {command}\n");
        }
        outcome.said.err += &self.messages(&submission.warnings);
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
        let mut text = String::new();
        for diagnostic in diagnostics.iter().rev() {
            match self.dialect {
                Dialect::Updraft => text += &diagnostic.render(),
                Dialect::Pbs => text += &pbs::said("qsub", diagnostic),
                Dialect::HtCondor => {
                    text += &htcondor::said(diagnostic);
                    // not HTCondor's, and worth a line under any name: which keyword was meant
                    if !diagnostic.is_error()
                        && let Some(hint) =
                            diagnostic.hint.as_ref().filter(|hint| hint.starts_with("did you mean"))
                    {
                        text += &format!("         {hint}\n");
                    }
                }
            }
        }
        text
    }
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
/// differs; each name by its length and then by its letters, a job's number and state last.
fn as_set(submission: &Submission, now: i64, after_each: &str) -> String {
    let mut text = String::new();
    for (cluster, spec) in &submission.clusters {
        for proc in (0..spec.count()).map(ProcId) {
            let job = JobId { cluster: *cluster, proc };
            let mut ad = if proc.0 == 0 { whole_ad(job, &spec.ad, now) } else { ClassAd::new() };
            ad.update(&spec.delta(proc).unwrap_or_default());
            let state = ad.get(attr::JOB_STATUS).or_else(|| spec.ad.get(attr::JOB_STATUS)).cloned();
            let mut names: Vec<_> =
                ad.iter().filter(|(name, _)| !is_set_last(name.as_str())).collect();
            names.sort_by_key(|(name, _)| {
                let name = name.as_str();
                (name != attr::CLUSTER_ID, name.len(), name.to_owned())
            });
            for (name, expr) in names {
                let _ = writeln!(text, "{name}={expr}");
            }
            let state = state.map_or_else(|| "1".to_owned(), |state| state.to_string());
            let _ = writeln!(text, "{}={proc}\n{}={state}", attr::PROC_ID, attr::JOB_STATUS);
            text += after_each;
        }
    }
    if !after_each.is_empty() {
        text.push('\n');
    }
    text
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
