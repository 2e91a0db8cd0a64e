//! Doing something to jobs: the request that all such verbs make, and what they say of each answer,
//! in HTCondor's words.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use classad::Expr;
use proto::client::{ActResult, Acted, Action, Select, Selector};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::place::Where;
use crate::line::select;
use crate::line::usage::Mistake;
use crate::render::dialect::Dialect;

/// Which jobs: what all these verbs have in common.
#[derive(Debug, Args)]
pub struct Target {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "JOBS")]
    pub jobs: Vec<String>,
    /// Jobs for which this expression is true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    pub constraint: Option<String>,
    /// All jobs that you may touch.
    #[arg(long, short = 'a')]
    pub all: bool,
    /// Only those that are held.
    #[arg(long)]
    pub held: bool,
    /// Also how many jobs it came to what for.
    #[arg(long)]
    pub totals: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Of which schedd.
    #[command(flatten)]
    pub at: Where,
}

/// The words that a verb uses.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// `remove`: the plain verb.
    pub act: &'static str,
    /// `find/remove`: how a selector without jobs is reported.
    pub find: &'static str,
    /// `marked for removal`: what became of one job.
    pub done: &'static str,
    /// `marked for removal`, `held`: what became of many (`have been ...`).
    pub all_done: &'static str,
    /// What is said of a job that is already so: `Job 1.0 already held`.
    pub already: &'static str,
    /// What is said of a job in another state: `Job 1.0 not held to be released`.
    pub bad_status: &'static str,
}

/// A part of a request: one word, or everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What one word names.
    One(Selector),
    /// The jobs for which an expression is true, as it was written and read.
    Constraint(String, Expr),
    All,
}

impl Part {
    /// The jobs that are meant.
    pub fn select(&self) -> Select {
        match self {
            Self::One(selector) => Select::Any(vec![selector.clone()]),
            Self::Constraint(_, expr) => Select::Constraint(expr.clone()),
            Self::All => Select::All,
        }
    }
}

/// What must be true of jobs with `-held`.
const HELD: &str = "JobStatus == 5";

/// Does `action` to the target's jobs and says what came of it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(target: &Target, action: &Action, words: &Words, call: &Call) -> Result<ExitCode> {
    target.at.check()?;
    let also = target.held.then_some(HELD);
    let parts = parts(&target.jobs, target.constraint.as_ref(), target.all)?;
    let mut client = connect::schedd()?;
    let mut report = Report::default();
    let mut answers = Vec::new();
    let (mut single, mut counted) = (Vec::new(), String::new());
    for part in parts {
        let acted = client.act(action.clone(), selected(&part, also)?)?;
        report.add(&part, &acted, words);
        match part {
            _ if !target.totals => {}
            // Single jobs are counted together.
            Part::One(Selector::Job(_)) if acted.is_empty() => single.push(ActResult::NotFound),
            Part::One(Selector::Job(_)) => single.extend(acted.iter().map(|acted| acted.result)),
            Part::One(_) | Part::Constraint(..) | Part::All => {
                counted += &totals(acted.iter().map(|acted| acted.result));
            }
        }
        answers.extend(acted);
    }
    if !single.is_empty() {
        counted.insert_str(0, &totals(single.into_iter()));
    }
    report.out.insert_str(0, &counted);
    if target.json && call.dialect == Dialect::Updraft {
        output::put(&json(&answers))?;
    } else {
        output::put(&report.out)?;
        if !report.err.is_empty() {
            // HTCondor puts an empty line before what it could not do.
            eprint!("\n{}", report.err);
        }
    }
    Ok(if report.err.is_empty() { Exit::Done } else { Exit::Failed }.into())
}

/// HTCondor's line of counts.
fn totals(results: impl Iterator<Item = ActResult>) -> String {
    let results: Vec<ActResult> = results.collect();
    let count = |wanted: ActResult| results.iter().filter(|result| **result == wanted).count();
    format!(
        "{} Succeeded, 0 Failed, {} Not Found, {} Bad Status, {} Already Done, {} Permission Denied\n",
        count(ActResult::Done),
        count(ActResult::NotFound),
        count(ActResult::BadStatus),
        count(ActResult::AlreadyDone),
        count(ActResult::PermissionDenied)
    )
}

/// The parts of a request: words that name jobs, a constraint, or everything.
///
/// # Errors
///
/// If no jobs are named, everything and something else is, or the constraint is no expression.
pub fn parts(jobs: &[String], constraint: Option<&String>, all: bool) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = select::selectors(jobs).into_iter().map(Part::One).collect();
    if let Some(text) = constraint {
        parts.push(Part::Constraint(text.clone(), connect::constraint(text)?));
    }
    if all {
        if !parts.is_empty() {
            bail!("-all cannot be used with other constraints");
        }
        parts.push(Part::All);
    }
    if parts.is_empty() {
        return Err(Mistake("You did not specify any jobs").into());
    }
    Ok(parts)
}

fn selected(part: &Part, also: Option<&str>) -> Result<Select> {
    let Some(also) = also else { return Ok(part.select()) };
    let part = match part {
        Part::One(Selector::Cluster(cluster)) => format!("ClusterId == {cluster}"),
        Part::One(Selector::Job(job)) => {
            format!("ClusterId == {} && ProcId == {}", job.cluster, job.proc)
        }
        Part::One(Selector::Owner(name)) => {
            format!("Owner == {}", Expr::from(classad::Value::from(name.as_str())))
        }
        Part::Constraint(_, expr) => expr.to_string(),
        Part::All => "true".to_owned(),
    };
    Ok(Select::Constraint(connect::constraint(&format!("({part}) && ({also})"))?))
}

/// What is said on each of the two outputs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    out: String,
    err: String,
}

impl Report {
    /// A single job has a sentence of its own; of many, only whether any was done.
    fn add(&mut self, part: &Part, acted: &[Acted], words: &Words) {
        if let Part::One(Selector::Job(job)) = part {
            let result =
                acted.iter().map(|acted| acted.result).next().unwrap_or(ActResult::NotFound);
            match result {
                ActResult::Done => self.out += &format!("Job {job} {}\n", words.done),
                ActResult::NotFound => self.err += &format!("Job {job} not found\n"),
                ActResult::PermissionDenied => {
                    self.err += &format!("Permission denied to {} job {job}\n", words.act);
                }
                ActResult::AlreadyDone => {
                    self.err += &format!("Job {job} already {}\n", words.already);
                }
                ActResult::BadStatus => self.err += &format!("Job {job} {}\n", words.bad_status),
            }
            return;
        }
        let whose = match part {
            Part::One(Selector::Cluster(cluster)) => format!(" in cluster {cluster}"),
            Part::One(Selector::Owner(name)) => format!(" of user \"{name}\""),
            Part::One(Selector::Job(_)) | Part::All => String::new(),
            Part::Constraint(text, _) => format!(" matching constraint ({text})"),
        };
        if acted.iter().any(|acted| acted.result == ActResult::Done) {
            self.out += &format!("All jobs{whose} have been {}\n", words.all_done);
        } else {
            self.err += &format!("Couldn't {} all jobs{whose}\n", words.find);
        }
    }
}

/// What came of it, job by job, as JSON.
pub fn json(acted: &[Acted]) -> String {
    let rows: Vec<serde_json::Value> = acted
        .iter()
        .map(|acted| {
            serde_json::json!({
                "job": acted.job.map(|job| job.to_string()),
                "result": match acted.result {
                    ActResult::Done => "done",
                    ActResult::NotFound => "not found",
                    ActResult::PermissionDenied => "permission denied",
                    ActResult::AlreadyDone => "already done",
                    ActResult::BadStatus => "bad status",
                },
            })
        })
        .collect();
    output::json(&serde_json::Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use model::JobId;

    use super::*;
    use crate::commands::acting::continue_job;
    use crate::commands::acting::hold;
    use crate::commands::acting::release;
    use crate::commands::acting::rm;
    use crate::commands::acting::suspend;
    use crate::commands::acting::vacate_job;

    fn check(words: &Words, word: &str, results: &[ActResult], out: &str, err: &str) {
        let part = match word {
            "-all" => Part::All,
            text if text.contains("==") => Part::Constraint(text.to_owned(), text.parse().unwrap()),
            text => Part::One(select::selector(text)),
        };
        let acted: Vec<Acted> = results
            .iter()
            .map(|result| Acted { selector: None, job: Some(JobId::new(1, 0)), result: *result })
            .collect();
        let mut report = Report::default();
        report.add(&part, &acted, words);
        assert_eq!((report.out.as_str(), report.err.as_str()), (out, err), "{word}");
    }

    /// Each line is a golden output of HTCondor 25.14.
    #[test]
    fn answers_are_said_in_htcondors_words() {
        use ActResult::{AlreadyDone, BadStatus, Done, NotFound, PermissionDenied};
        let (rm, hold, release) = (&rm::WORDS, &hold::WORDS, &release::WORDS);
        check(rm, "40.2", &[Done], "Job 40.2 marked for removal\n", "");
        check(
            rm,
            "bob",
            &[Done, Done],
            "All jobs of user \"bob\" have been marked for removal\n",
            "",
        );
        check(rm, "40", &[], "", "Couldn't find/remove all jobs in cluster 40\n");
        check(rm, "-all", &[], "", "Couldn't find/remove all jobs\n");
        check(rm, "1.2.3", &[], "", "Couldn't find/remove all jobs of user \"1.2.3\"\n");
        check(
            rm,
            "ClusterId==1",
            &[],
            "",
            "Couldn't find/remove all jobs matching constraint (ClusterId==1)\n",
        );
        check(rm, "99999.0", &[NotFound], "", "Job 99999.0 not found\n");
        check(rm, "41.0", &[PermissionDenied], "", "Permission denied to remove job 41.0\n");
        check(hold, "36.1", &[AlreadyDone], "", "Job 36.1 already held\n");
        check(hold, "36.1", &[Done], "Job 36.1 held\n", "");
        check(hold, "37", &[Done, AlreadyDone], "All jobs in cluster 37 have been held\n", "");
        check(
            hold,
            "ProcId==3",
            &[Done],
            "All jobs matching constraint (ProcId==3) have been held\n",
            "",
        );
        check(hold, "39.0", &[PermissionDenied], "", "Permission denied to hold job 39.0\n");
        check(release, "36.1", &[BadStatus], "", "Job 36.1 not held to be released\n");
        check(release, "36.1", &[Done], "Job 36.1 released\n", "");
        check(release, "-all", &[Done], "All jobs have been released\n", "");
        let (pause, go_on) = (&suspend::WORDS, &continue_job::WORDS);
        check(pause, "40.0", &[Done], "Job 40.0 suspended\n", "");
        check(pause, "36", &[BadStatus], "", "Couldn't find/suspend all jobs in cluster 36\n");
        check(go_on, "40", &[Done], "All jobs in cluster 40 have been continued\n", "");
        check(&vacate_job::WORDS, "40.0", &[Done], "Job 40.0 vacated\n", "");
        check(&vacate_job::FAST_WORDS, "40.1", &[Done], "Job 40.1 fast-vacated\n", "");
    }
}
