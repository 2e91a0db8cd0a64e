//! `updraft history`, `condor_history`: jobs that have left the queue.

mod epochs;
mod files;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::{ClassAd, Expr};
use jiff::tz::TimeZone;
use model::{JobId, attr};
use proto::client::{Query, Select, Selector};

use crate::commands::watching::log_jobs;
use crate::commands::watching::q::Absent;
use crate::line::call::Call;
use crate::line::connect;
use crate::line::outcome::Outcome;
use crate::line::output::Colour;
use crate::line::place::Where;
use crate::line::select;
use crate::line::shape::{Instead, Shape, Shown};
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::jobs::history;
use crate::render::values::ads::Form;
use crate::render::values::view::{Moment, View};

/// Options of HTCondor's `condor_history` that are not built.
pub const NOT_YET: &[&str] = &["transfer-history", "inherit", "daemon", "diagnostic"];

/// List jobs that have left the queue, the last one first.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Jobs for which this expression is true; if repeated, all of them.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    constraint: Vec<String>,
    /// At most so many; 0 is no limit.
    #[arg(long, visible_alias = "match", value_name = "N")]
    limit: Option<u64>,
    /// Look at so many of the last jobs only, or with -forwards of the first.
    #[arg(long, value_name = "N")]
    scanlimit: Option<u64>,
    /// Only what came after this job, or after the last one for which this expression is true.
    #[arg(long, value_name = "JOB|EXPR", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only what came after the last job that completed at this time (seconds since the epoch, or
    /// an expression) or before.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "since")]
    completedsince: Option<String>,
    /// The oldest first.
    #[arg(long)]
    forwards: bool,
    /// The newest first (the default).
    #[arg(long, conflicts_with = "forwards")]
    backwards: bool,
    /// Every run of each job, also of jobs in the queue.
    #[arg(long, help_heading = "Which history")]
    epochs: bool,
    #[arg(long, hide = true, value_name = "FORM")]
    epochs_form: Option<String>,
    /// What ran on this machine: every run, as with -epochs.
    #[arg(long, help_heading = "Which history")]
    startd: bool,
    /// Which kind: job (the default) or epoch.
    #[arg(long = "type", value_name = "KIND", help_heading = "Which history")]
    kind: Option<String>,
    /// Read history from this file instead of asking: HTCondor's own, or ads in any form.
    #[arg(long, value_name = "FILE", help_heading = "Which history")]
    file: Option<String>,
    /// Read history from this file and those that it was rotated to (FILE.*).
    #[arg(long, value_name = "FILE", help_heading = "Which history", conflicts_with = "file")]
    search: Option<String>,
    /// With -search: it is a folder, and every file in it is read.
    #[arg(long, visible_alias = "directory", help_heading = "Which history", requires = "search")]
    dir: bool,
    /// Read history from an event log.
    #[arg(long, value_name = "LOG", help_heading = "Which history", conflicts_with_all = ["file", "search"])]
    userlog: Option<String>,
    /// Write the ads into this file, as HTCondor keeps them, instead of showing them.
    #[arg(long, value_name = "FILE")]
    extract: Option<PathBuf>,
    /// Accepted: lines are not cut, unless a width is given: -wide:80.
    #[arg(long, short = 'w', hide = true)]
    wide: bool,
    #[arg(long, hide = true, value_name = "COLUMNS")]
    wide_form: Option<usize>,
    /// Accepted: there is one store, and it is the schedd's.
    #[arg(long, hide = true)]
    schedd: bool,
    /// Accepted: there is one store, and it is local.
    #[arg(long, hide = true)]
    local: bool,
    /// Accepted: jobs are printed in order anyhow.
    #[arg(long, hide = true)]
    stream_results: bool,
    /// Accepted: nobody keeps an index beside the store.
    #[arg(long, hide = true)]
    no_librarian: bool,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    colour: Colour,
    #[command(flatten)]
    shape: Shape,
}

/// Does it.
///
/// # Errors
///
/// If an expression is none, a file cannot be read, or the schedd cannot be asked.
pub fn run(args: &HistoryArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    if call.dialect == Dialect::HtCondor {
        // In its words: clients look for them.
        let wrong = args.constraint.iter().find(|text| connect::constraint(text).is_err());
        if let Some(text) = wrong {
            bail!(" could not parse constraint ( ({text}) )");
        }
    }
    let instead = args.shape.instead(call.dialect, Shown::History)?;
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system())
        .with_paint(args.colour.paint(call));
    if args.forwards && args.since.is_some() && call.dialect == Dialect::HtCondor {
        bail!("Argument -forwards cannot be combined with -since.");
    }
    let since = since(args)?.filter(|_| heeds_since(args, call.dialect));
    let query = query(args, instead.as_ref(), since.as_ref())?;
    let mut absent = Absent::default();
    let mut jobs = match elsewhere(args, &query, &moment)? {
        Some(jobs) => chosen(jobs, args, &query, since.as_ref(), &moment),
        None => {
            let mut schedd = connect::schedd()?;
            let jobs = schedd.jobs(query.clone())?;
            if jobs.is_empty() && call.dialect == Dialect::Updraft {
                absent = Absent::of(&mut schedd, &args.jobs)?;
            }
            jobs
        }
    };
    if args.forwards && !query.oldest_first {
        jobs.reverse();
    }
    jobs.truncate(size(some(args.limit)));
    if let Some(path) = &args.extract {
        let newest_first: Vec<ClassAd> =
            if args.forwards { jobs.into_iter().rev().collect() } else { jobs };
        return extract(path, &newest_first, &moment, call);
    }
    let text = match instead {
        // Here it is an array of none (HTCondor 25.14).
        Some(Instead::Ads(Form::Json, _)) if jobs.is_empty() => "[\n]\n".to_owned(),
        Some(instead) => instead.render(&jobs, &moment, call.dialect),
        None => history::render(&jobs, &moment, call.dialect, args.wide_form),
    };
    Ok(absent.after(text, &args.jobs))
}

/// A limit of 0 is none (HTCondor 25.14).
fn some(limit: Option<u64>) -> Option<u64> {
    limit.filter(|n| *n > 0)
}

/// Where jobs are named by their numbers `condor_history` looks only them up, whenever they ended
/// (HTCondor 25.14).
fn heeds_since(args: &HistoryArgs, dialect: Dialect) -> bool {
    let is_number = |one: &Selector| !matches!(one, Selector::Owner(_));
    dialect != Dialect::HtCondor || !select::selectors(&args.jobs).iter().any(is_number)
}

fn size(limit: Option<u64>) -> usize {
    limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
}

/// What to ask for.
fn query(args: &HistoryArgs, instead: Option<&Instead>, since: Option<&Expr>) -> Result<Query> {
    let wanted = connect::constraints(&args.constraint)?;
    // What comes after a job, the oldest first, is known when all of it is there.
    let limit_here = since.is_some() && args.forwards;
    let is_stored = !is_elsewhere(args);
    Ok(Query {
        until: since.cloned(),
        oldest_first: args.forwards && since.is_none(),
        constraint: connect::both(wanted, instead.and_then(|i| i.filter().cloned())),
        limit: some(args.limit).filter(|_| !limit_here),
        // What is chosen here may look at any attribute, and an extract has all.
        projection: match (instead, &args.extract) {
            (Some(instead), None) if is_stored => instead.projection(),
            (None, None) if is_stored => history::attributes(),
            _ => Vec::new(),
        },
        finished: true,
        ..Query::of(select::any_or(&args.jobs, Select::All))
    })
}

/// Whether they do not come from the store as they are.
fn is_elsewhere(args: &HistoryArgs) -> bool {
    let is_of_runs = args.epochs || args.startd || args.kind.is_some();
    let is_file = args.file.is_some() || args.search.is_some() || args.userlog.is_some();
    is_of_runs || is_file || some(args.scanlimit).is_some()
}

/// Jobs that do not come from the store as they are, the newest first: from files, every run, or
/// only the last ones.
fn elsewhere(args: &HistoryArgs, query: &Query, moment: &Moment) -> Result<Option<Vec<ClassAd>>> {
    let runs = match args.kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("job" | "history" | "all") => args.epochs || args.startd,
        Some("epoch") => true,
        Some(other) => bail!("-type {other}: not supported yet; the kinds are job and epoch"),
    };
    if args.epochs_form.as_deref().is_some_and(|form| !form.is_empty()) {
        bail!("-epochs:d: the record of runs is not deleted");
    }
    let files = match (&args.file, &args.search) {
        (Some(file), _) => vec![PathBuf::from(file)],
        (None, Some(path)) => files::search(path, args.dir)?,
        (None, None) => Vec::new(),
    };
    let mut oldest_first = Vec::new();
    for file in &files {
        oldest_first.extend(files::read(file)?);
    }
    if let Some(log) = &args.userlog {
        oldest_first = log_jobs::read(log, moment)?;
        oldest_first.retain(|ad| log_jobs::has_left(ad, moment));
        oldest_first.sort_by_key(|ad| View::new(ad, moment).int(attr::ENTERED_CURRENT_STATUS));
    }
    if !files.is_empty() || args.userlog.is_some() {
        oldest_first.reverse();
        return Ok(Some(oldest_first));
    }
    if runs {
        return Ok(Some(epochs::read(&mut connect::schedd()?, &query.select, moment)?));
    }
    let Some(scan) = some(args.scanlimit) else { return Ok(None) };
    let oldest_first = query.oldest_first;
    let looked_at =
        Query { limit: Some(scan), finished: true, oldest_first, ..Query::of(Select::All) };
    let mut jobs = connect::schedd()?.jobs(looked_at)?;
    if oldest_first {
        jobs.reverse();
    }
    Ok(Some(jobs))
}

/// What the query asks for among these.
fn chosen(
    mut jobs: Vec<ClassAd>,
    args: &HistoryArgs,
    query: &Query,
    since: Option<&Expr>,
    moment: &Moment,
) -> Vec<ClassAd> {
    if query.oldest_first {
        jobs.reverse();
    }
    jobs.truncate(size(some(args.scanlimit)));
    // Whether or not it is chosen itself.
    if let Some(since) = since {
        let keep = jobs.iter().position(|ad| is_met(since, ad, moment));
        jobs.truncate(keep.unwrap_or(usize::MAX));
    }
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
    jobs.truncate(size(query.limit));
    jobs
}

fn extract(path: &Path, newest_first: &[ClassAd], moment: &Moment, call: &Call) -> Result<Outcome> {
    fs::write(path, files::kept(newest_first, moment))
        .with_context(|| format!("write history into {}", path.display()))?;
    Ok(match call.dialect {
        Dialect::HtCondor => Outcome::default(),
        Dialect::Updraft | Dialect::Pbs => {
            Outcome::done(format!("{} ads in {}\n", newest_first.len(), path.display()))
        }
    })
}

/// What ends the list: the first job, whichever it is, of which this is true.
fn since(args: &HistoryArgs) -> Result<Option<Expr>> {
    if let Some(time) = &args.completedsince {
        // A job that was removed has not completed.
        let stop = format!("CompletionDate > 0 && CompletionDate <= ({time})");
        return connect::constraint(&stop).map(Some);
    }
    args.since.as_deref().map(stop_of).transpose()
}

fn stop_of(text: &str) -> Result<Expr> {
    let is_of = |cluster: u32| Expr::attr(attr::CLUSTER_ID).equals(i64::from(cluster));
    match (text.parse::<JobId>(), text.parse::<u32>()) {
        (Ok(JobId { cluster, proc }), _) => {
            Ok(is_of(cluster.0).and(Expr::attr(attr::PROC_ID).equals(i64::from(proc.0))))
        }
        (Err(_), Ok(cluster)) => Ok(is_of(cluster)),
        (Err(_), Err(_)) => connect::constraint(text),
    }
}

fn is_met(stop: &Expr, ad: &ClassAd, moment: &Moment) -> bool {
    ad.eval_expr(stop, None, moment.env()).is_true()
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
            let stop = stop_of(since).unwrap();
            let at = jobs.iter().position(|ad| is_met(&stop, ad, &moment)).unwrap_or(jobs.len());
            assert_eq!(at, met);
        }
    }

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: HistoryArgs,
    }

    /// Eight jobs, the last of which is 8: what HTCondor 25.14 shows of them for the same words.
    #[test]
    fn what_is_asked_of_a_file_is_what_condor_history_shows_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history").display().to_string();
        let ad = |n: u32| {
            let at = 1_795_363_100 + n;
            format!(
                "ClusterId = {n}\nProcId = 0\nOwner = \"alice\"\nJobStatus = 4\nExitCode = {}\n\
                 CompletionDate = {at}\n*** Offset = 0\n",
                n % 2
            )
        };
        fs::write(&path, (1..=8).map(ad).collect::<String>()).unwrap();
        let call = Call { name: "condor_history".to_owned(), dialect: Dialect::HtCondor };
        for (words, expected) in [
            ("", "8 7 6 5 4 3 2 1"),
            ("--limit 3", "8 7 6"),
            ("--limit 0 --scanlimit 0", "8 7 6 5 4 3 2 1"),
            ("--since 5", "8 7 6"),
            ("--since 5 --constraint ExitCode==0", "8 6"),
            ("--since ClusterId==5 --limit 2", "8 7"),
            ("--since ClusterId==5 --constraint ExitCode==1 --limit 1", "7"),
            ("--since 5 alice", "8 7 6"),
            ("--since 5 3 7", "7 3"),
            ("--since 3 --scanlimit 2", "8 7"),
            ("--completedsince 1795363104", "8 7 6 5"),
            ("--forwards --limit 3", "1 2 3"),
            ("--forwards --scanlimit 3", "1 2 3"),
            ("--scanlimit 3 --constraint ExitCode==0", "8 6"),
            ("7 2 --limit 1", "7"),
            ("--forwards 7 2", "2 7"),
        ] {
            let words = ["history", "--file", &path].into_iter().chain(words.split_whitespace());
            let words = words.chain(["--autoformat", "ClusterId"]);
            let args = <Line as clap::Parser>::parse_from(words).args;
            let shown = run(&args, &call).unwrap().said.out;
            assert_eq!(shown.lines().collect::<Vec<_>>().join(" "), expected, "{args:?}");
        }
        let words = ["history", "--file", &path, "--forwards", "--since", "5"];
        let refused = run(&<Line as clap::Parser>::parse_from(words).args, &call).unwrap_err();
        assert!(refused.to_string().contains("cannot be combined with -since"), "{refused}");
    }
}
