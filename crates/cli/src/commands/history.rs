//! `updraft history`, `condor_history`: jobs that have left the queue.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use classad::{ClassAd, Expr};
use jiff::tz::TimeZone;
use model::JobId;
use proto::client::{Query, Select};

use crate::exit::Exit;
use crate::place::Where;
use crate::render::view::{Moment, View};
use crate::render::{finished, history};
use crate::shape::Shape;
use crate::verbs::Call;
use crate::{connect, output, select};

/// Options of HTCondor's `condor_history` that are not built.
pub const NOT_YET: &[&str] = &[
    "schedd",
    "startd",
    "epochs",
    "transfer-history",
    "type",
    "file",
    "search",
    "dir",
    "userlog",
    "extract",
    "inherit",
    "debug",
];

/// List jobs that have left the queue, the last one first.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Jobs for which this expression is true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    constraint: Option<String>,
    /// At most so many.
    #[arg(long, visible_alias = "match", value_name = "N")]
    limit: Option<u64>,
    /// Look at so many of the last jobs only.
    #[arg(long, value_name = "N")]
    scanlimit: Option<u64>,
    /// Only what came after this job, or after the last one for which this expression is true.
    #[arg(long, value_name = "JOB|EXPR", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only jobs that completed at this time (seconds since the epoch) or later.
    #[arg(long, value_name = "TIME")]
    completedsince: Option<i64>,
    /// The oldest first.
    #[arg(long)]
    forwards: bool,
    /// The newest first (the default).
    #[arg(long, conflicts_with = "forwards")]
    backwards: bool,
    /// Accepted: lines are never cut.
    #[arg(long, short = 'w', hide = true)]
    wide: bool,
    /// Accepted: there is one store, and it is local.
    #[arg(long, hide = true)]
    local: bool,
    /// Accepted: jobs are printed in order anyhow.
    #[arg(long, hide = true)]
    stream_results: bool,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    shape: Shape,
}

/// Does it.
///
/// # Errors
///
/// If an expression is none, or the schedd cannot be asked.
pub fn run(args: &HistoryArgs, call: &Call) -> Result<ExitCode> {
    args.at.check()?;
    let instead = args.shape.instead()?;
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let since = args.since.as_deref().map(Since::parse).transpose()?;
    // A limit counts what comes after `since`, and from the oldest with -forwards: then it cannot be left to the store.
    let limit_here = since.is_some() || args.forwards;
    let query = Query {
        constraint: connect::both(
            constraint(args)?,
            instead.as_ref().and_then(|i| i.filter().cloned()),
        ),
        limit: args.limit.filter(|_| !limit_here),
        // `since` may look at any attribute.
        projection: match (&instead, &since) {
            (Some(instead), None) => instead.projection(),
            (Some(_), Some(_)) | (None, _) => Vec::new(),
        },
        finished: true,
        ..Query::of(select::any_or(&args.jobs, Select::All))
    };
    let mut jobs = match args.scanlimit {
        Some(scan) => scanned(scan, &query, &moment)?,
        None => connect::jobs(&mut connect::schedd()?, query)?,
    };
    if let Some(since) = since {
        let keep = jobs.iter().position(|ad| since.is_met(View::new(ad, &moment)));
        jobs.truncate(keep.unwrap_or(usize::MAX));
    }
    if args.forwards {
        jobs.reverse();
    }
    if limit_here {
        jobs.truncate(args.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    }
    let text = match instead {
        Some(instead) => instead.render(&jobs, &moment, call.voice),
        None => history::render(&jobs, &moment),
    };
    output::put(&text)?;
    Ok(Exit::Done.into())
}

/// What the query asks for among the last `scan` jobs.
fn scanned(scan: u64, query: &Query, moment: &Moment) -> Result<Vec<ClassAd>> {
    let last = Query { limit: Some(scan), finished: true, ..Query::of(Select::All) };
    let mut jobs = connect::jobs(&mut connect::schedd()?, last)?;
    jobs.retain(|ad| {
        let selected = match &query.select {
            Select::Any(words) => {
                words.iter().any(|word| finished::names(word, View::new(ad, moment)))
            }
            Select::All | Select::Constraint(_) => true,
        };
        let holds = |expr: &Expr| ad.eval_expr(expr, None, moment.env()).is_true();
        selected && query.constraint.as_ref().is_none_or(holds)
    });
    jobs.truncate(query.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    Ok(jobs)
}

fn constraint(args: &HistoryArgs) -> Result<Option<Expr>> {
    let wanted = args.constraint.as_deref().map(connect::constraint).transpose()?;
    let completed = args
        .completedsince
        .map(|at| connect::constraint(&format!("CompletionDate >= {at}")))
        .transpose()?;
    Ok(connect::both(wanted, completed))
}

/// Where `-since` stops.
enum Since {
    Job(JobId),
    Expr(Box<Expr>),
}

impl Since {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text.parse() {
            Ok(job) => Self::Job(job),
            Err(_) => match text.parse::<u32>() {
                Ok(cluster) => {
                    Self::Expr(Box::new(connect::constraint(&format!("ClusterId == {cluster}"))?))
                }
                Err(_) => Self::Expr(Box::new(connect::constraint(text)?)),
            },
        })
    }

    fn is_met(&self, job: View<'_>) -> bool {
        match self {
            Self::Job(id) => job.job() == Some(*id),
            Self::Expr(expr) => job.ad.eval_expr(expr, None, job.moment.env()).is_true(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_job_a_cluster_or_an_expression() {
        let jobs =
            ClassAd::parse_old_ads("ClusterId = 3\nProcId = 0\n\nClusterId = 2\nProcId = 1\n")
                .unwrap();
        let moment = Moment::new(0, TimeZone::UTC);
        for (since, met) in [("2.1", 1), ("2", 1), ("ProcId == 0", 0), ("9.9", 2)] {
            let since = Since::parse(since).unwrap();
            let at = jobs
                .iter()
                .position(|ad| since.is_met(View::new(ad, &moment)))
                .unwrap_or(jobs.len());
            assert_eq!(at, met);
        }
    }
}
