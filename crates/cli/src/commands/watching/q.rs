//! `updraft q`, `condor_q`: the jobs in the queue.

mod args;
mod found;

use anyhow::{Result, bail};
use classad::{ClassAd, Value};
use client::Schedd;
use jiff::tz::TimeZone;
use model::{Universe, attr};
use proto::client::{Query, Select};

pub use crate::commands::watching::q::args::QArgs;
use crate::commands::watching::q::args::{Analysis, LayoutArgs};
pub(crate) use crate::commands::watching::q::found::Absent;
use crate::commands::watching::q::found::Found;
use crate::commands::workflows::dag;
use crate::line::call::Call;
use crate::line::connect;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::shape::{self, Instead, Shown};
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::jobs::gathered;
use crate::render::jobs::queue;
use crate::render::reasons::advice;
use crate::render::reasons::analysis;
use crate::render::values::view::{Moment, View};
use crate::render::workflow::bars;

/// Options of HTCondor's `condor_q` that are not built.
pub const NOT_YET: &[&str] =
    &["addr", "schedd-constraint", "jobset", "grid", "userprios", "aaf", "profile"];

/// Does it.
///
/// # Errors
///
/// If an expression is none, or the schedd cannot be asked.
pub fn run(args: &QArgs, call: &Call) -> Result<Outcome> {
    if let Err(elsewhere) = args.at.check() {
        // HTCondor 25.14 has begun its table by then.
        output::put(if call.dialect == Dialect::HtCondor { "\n" } else { "" })?;
        return Err(elsewhere.into());
    }
    if call.dialect == Dialect::HtCondor
        && let Some(refused) = refused(args)?
    {
        return Ok(refused);
    }
    let instead = args.shape.instead(call.dialect, Shown::Queue)?;
    let wanted = args.analysis.wanted()?;
    let mut moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system())
        .with_paint(args.colour.paint(call));
    check_views(args, instead.as_ref(), wanted, call)?;
    // For programs `-totals` is one ad of counts.
    let is_summary = instead.is_some() && args.layout.layout() == queue::Layout::Totals;
    let query = found::query(args, instead.as_ref().filter(|_| !is_summary), wanted)?;
    let asked = query.clone();
    let mut client = None;
    let mut found = match found::elsewhere(args, &query, &moment)? {
        Some(found) => found,
        None => {
            let with_head = is_summary || found::has_head(instead.as_ref());
            found::from_schedd(client.insert(connect::schedd()?), query, with_head)?
        }
    };
    if let Some(then) = found.server_time(args) {
        moment = moment.at(then);
    }
    let absent = match &mut client {
        Some(client) if call.dialect == Dialect::Updraft => Absent::of(client, &args.jobs)?,
        _ => Absent::default(),
    };
    if let (Some(client), Some(_)) = (&mut client, &instead) {
        found.jobs.extend(absent.history(client, asked.clone())?);
    }
    let mut text = match (&instead, wanted) {
        (Some(instead), _) if is_summary => {
            instead.render(&[found.summary(args, &moment)], &moment, call.dialect)
        }
        (Some(Instead::Values(mask, _)), _) => {
            found.show(args, &moment, call.dialect, |answer| queue::render_mask(answer, mask))
        }
        (Some(instead), _) => instead.render(&found.jobs, &moment, call.dialect),
        (None, Some(wanted)) => {
            let told = analysed(args, wanted, &found, &moment)?;
            match (&mut client, call.dialect) {
                (Some(client), Dialect::Updraft) => {
                    told + &of_dags(client, asked.select.clone(), &found, true)?
                }
                _ => told,
            }
        }
        (None, None) => match &args.layout.group_by {
            Some(names) => by_values(args, names, &found, &moment, call)?,
            None => table(args, found, &mut client, asked.select, &moment, call)?,
        },
    };
    if let (Some(client), None) = (&mut client, &instead) {
        let ended = absent.history(client, Query::of(Select::All))?;
        text += &finished::render(&absent.left, &ended, &moment);
    }
    Ok(absent.after(text, &args.jobs))
}

/// That the options ask for one view.
fn check_views(
    args: &QArgs,
    instead: Option<&Instead>,
    wanted: Option<Analysis>,
    call: &Call,
) -> Result<()> {
    let is_of_values = matches!(instead, Some(Instead::Values(..)));
    match call.dialect {
        Dialect::HtCondor if args.layout.batch && is_of_values => {
            bail!("-batch conflicts with -format and -af")
        }
        Dialect::Updraft => args.check_views(instead, wanted),
        Dialect::HtCondor | Dialect::Pbs => Ok(()),
    }
}

/// What HTCondor's command says and does not do; `None` if it does it.
fn refused(args: &QArgs) -> Result<Option<Outcome>> {
    let wrong = args.constraint.iter().any(|text| connect::constraint(text).is_err());
    if wrong && args.jobads.is_some() {
        let all: Vec<String> = args.constraint.iter().map(|text| format!("({text})")).collect();
        bail!("Invalid constraint: ( {} )", all.join(" && "));
    }
    if wrong {
        // There it is the schedd that cannot make sense of it.
        let identity = connect::schedd()?.identity()?;
        let from = format!("{} : {}", identity.address, identity.name);
        return Ok(Some(Outcome::failed(format!("\n-- Failed to fetch ads from: {from}\n\n\n"))));
    }
    if args.limit == Some(0) {
        bail!("0 is not a valid for -limit.");
    }
    Ok(None)
}

/// One of the tables; under our own name with what is said below it.
fn table(
    args: &QArgs,
    mut found: Found,
    client: &mut Option<Schedd>,
    select: Select,
    moment: &Moment,
    call: &Call,
) -> Result<String> {
    retime(&args.layout, &mut found.jobs, moment, call.dialect);
    let mut table = found
        .show(args, moment, call.dialect, |answer| queue::render(answer, args.layout.layout()));
    if args.layout.cputime {
        table = table.replacen("RUN_TIME", "CPU_TIME", 1);
    }
    Ok(match (call.dialect, client) {
        (Dialect::HtCondor, _) => table,
        (Dialect::Updraft | Dialect::Pbs, None) => {
            advice::render(&found.jobs, moment).around(&table)
        }
        (Dialect::Updraft | Dialect::Pbs, Some(client)) => {
            let advice = found::advice(args, client, select.clone(), &found, moment)?;
            let is_dag = args.layout.layout() == queue::Layout::Dag;
            advice.around(&(table + &of_dags(client, select, &found, is_dag)?))
        }
    })
}

/// Nodes of a DAG of which it is said why they wait.
const WAITING_TOLD: usize = 10;

/// Which of the DAGs begin nothing new, and why nodes that are not in the queue wait, if that is
/// asked for.
fn of_dags(
    client: &mut Schedd,
    select: Select,
    found: &Found,
    tells_nodes: bool,
) -> Result<String> {
    let scheduler = Universe::Scheduler.number();
    let is_dag =
        |ad: &ClassAd| ad.literal(attr::JOB_UNIVERSE).and_then(Value::as_i64) == Some(scheduler);
    if !found.jobs.iter().any(is_dag) {
        return Ok(String::new());
    }
    let mut text = String::new();
    for dag in dag::all_in_the_queue(client, select)? {
        let job = dag.job;
        if dag.is_halted {
            text += &format!("The DAG {job} is halted; to go on:  updraft dag resume {job}\n");
        }
        if tells_nodes && !dag.waiting.is_empty() {
            text += &format!("Nodes of the DAG {job} that are not in the queue yet:\n");
            let lines = bars::waiting(&dag.waiting);
            text.extend(lines.iter().take(WAITING_TOLD).map(|why| format!("  {why}\n")));
            if lines.len() > WAITING_TOLD {
                text += &format!("  and others:  updraft dag status {job}\n");
            }
        }
    }
    Ok(text)
}

/// How many jobs have the same values. HTCondor's own command shows none.
fn by_values(
    args: &QArgs,
    names: &str,
    found: &Found,
    moment: &Moment,
    call: &Call,
) -> Result<String> {
    let columns = shape::columns(names.split(',').map(str::trim).filter(|name| !name.is_empty()))?;
    Ok(match call.dialect {
        Dialect::HtCondor => found.show(args, moment, call.dialect, queue::render_group_by),
        Dialect::Updraft | Dialect::Pbs => {
            let jobs: Vec<View<'_>> = found.jobs.iter().map(|ad| View::new(ad, moment)).collect();
            gathered::by_values(&jobs, &columns)
        }
    })
}

/// Why jobs do not run.
fn analysed(args: &QArgs, wanted: Analysis, found: &Found, moment: &Moment) -> Result<String> {
    let head = format!("\n\n-- {}\n", found.source.shown());
    let (jobs, verbose) = (&found.jobs, args.analysis.verbose);
    Ok(head
        + &match wanted {
            Analysis::Reasons => "\n".to_owned() + &analysis::reasons(jobs, None, verbose, moment),
            Analysis::Conditions => {
                analysis::reasons(jobs, Some(&args.analysis.slots(moment)?), verbose, moment)
            }
            Analysis::Summary => analysis::summary(jobs, &args.analysis.slots(moment)?, moment),
            Analysis::Reverse => analysis::reverse(jobs, &args.analysis.slots(moment)?, moment),
        })
}

/// Makes the time that tables show the one that was asked for.
fn retime(layout: &LayoutArgs, jobs: &mut [ClassAd], moment: &Moment, dialect: Dialect) {
    // Others compute with it.
    let shows_it = [queue::Layout::Jobs, queue::Layout::Dag, queue::Layout::Running]
        .contains(&layout.layout());
    for ad in jobs {
        if layout.cputime {
            let job = View::new(ad, moment);
            let part = |name| job.real(name).unwrap_or(0.0);
            let used =
                part(attr::CUMULATIVE_REMOTE_USER_CPU) + part(attr::CUMULATIVE_REMOTE_SYS_CPU);
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, used);
            ad.set(attr::JOB_CURRENT_START_DATE, moment.now);
            ad.set(attr::SHADOW_BDAY, moment.now);
        } else if layout.currentrun {
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, 0.0);
        } else if shows_it && dialect == Dialect::HtCondor {
            // There it is the time of the run under way, or else of the last one.
            let job = View::new(ad, moment);
            let last = job.real(attr::LAST_REMOTE_WALL_CLOCK_TIME).unwrap_or(0.0);
            let shown = if queue::is_under_way(job) { 0.0 } else { last };
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, shown);
        }
    }
}
