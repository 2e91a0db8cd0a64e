//! What `submit` prints: HTCondor's words on standard output, and, in our own words, where a
//! description is wrong and what would be right.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use classad::ClassAd;
use jobspec::htcondor::{self, Submission, schedd_attributes};
use jobspec::{Diagnostic, pbs};
use model::{ClusterSpec, JobId, ProcId, attr};

use super::explain;
use super::to_the_letter;
use crate::line::exit::Exit;
use crate::line::output;
use crate::render::dialect::Dialect;

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
    pub(super) fn end_line(&self) -> Result<()> {
        let open = matches!(
            self.shape,
            Shape::Plain
                | Shape::Interactive
                | Shape::Verbose { announced: true }
                | Shape::DryRun { .. }
                | Shape::Dump { .. }
        );
        if open && !to_the_letter(self.dialect) {
            output::put("\n")?;
        }
        Ok(())
    }

    /// Says what is wrong.
    pub(super) fn refuse(&self, diagnostics: &[Diagnostic]) -> Result<ExitCode> {
        self.end_line()?;
        eprint!("{}", self.messages(diagnostics));
        Ok(Exit::Failed.into())
    }

    /// The description has only `queue` statements without items.
    pub(super) fn nothing_queued(&self, submission: &Submission, name: &str) -> Result<ExitCode> {
        output::put(if matches!(self.shape, Shape::Terse | Shape::Json) { "" } else { "\n" })?;
        eprint!("{}", self.messages(&submission.warnings));
        eprintln!("\nWARNING: \"{name}\" has only empty \"queue\" commands -- no jobs queued");
        Ok(Exit::Done.into())
    }

    /// What became of it.
    pub(super) fn submitted(&self, submission: &Submission, now: i64) -> Result<ExitCode> {
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
            Shape::Json => (json(submission), false),
        };
        output::put(&text)?;
        if watch {
            eprintln!("To monitor your job(s), run: {}", self.watch_command(submission));
        }
        eprint!("{}", self.messages(&submission.warnings));
        Ok(Exit::Done.into())
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

fn json(submission: &Submission) -> String {
    let clusters: Vec<_> = submission
        .clusters
        .iter()
        .map(|(cluster, spec)| serde_json::json!({ "cluster": cluster.0, "jobs": spec.count() }))
        .collect();
    let warnings: Vec<_> = submission
        .warnings
        .iter()
        .map(|warning| {
            let place = warning.location.as_ref().map(|_| {
                let (line, column) = (warning.line(), warning.column());
                serde_json::json!({ "file": warning.file(), "line": line, "column": column })
            });
            serde_json::json!({ "message": warning.message, "hint": warning.hint, "at": place })
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "clusters": clusters, "warnings": warnings }))
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
