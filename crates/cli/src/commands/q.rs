//! `updraft q`, `condor_q`: the jobs in the queue.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::{UserName, attr};
use proto::client::{Query, Select, Selector, Totals};
use proto::command::Client;

use crate::exit::Exit;
use crate::place::Where;
use crate::render::queue::{Answer, Layout, Source};
use crate::render::view::{Moment, View, status};
use crate::render::{advice, finished, queue, totals};
use crate::shape::{Instead, Shape, first};
use crate::verbs::{Call, Voice};
use crate::{ad_file, connect, output, select};

/// Options of HTCondor's `condor_q` that are not built.
pub const NOT_YET: &[&str] = &[
    "addr",
    "global",
    "submitter",
    "schedd-constraint",
    "userlog",
    "factory",
    "jobset",
    "unmatchable",
    "cumulative-time",
    "grid",
    "hold-codes",
    "machine",
    "mconstraint",
    "slotads",
    "userprios",
    "nouserprios",
    "reverse-analyze",
    "group-by",
    "debug",
];

/// List the jobs in the queue: yours, in batches, unless you ask for others.
#[derive(Debug, Args)]
pub struct QArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER. A finished job is answered from history.
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Jobs of all users.
    #[arg(long, help_heading = "Which jobs")]
    allusers: bool,
    /// Jobs for which this expression is true.
    #[arg(
        long,
        short = 'c',
        value_name = "EXPR",
        allow_hyphen_values = true,
        help_heading = "Which jobs"
    )]
    constraint: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", help_heading = "Which jobs")]
    limit: Option<u64>,
    /// Read jobs from a file of ads, as -long prints them, instead of asking.
    #[arg(long, value_name = "FILE", help_heading = "Which jobs")]
    jobads: Option<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    shape: Shape,
}

/// The tables.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tables")]
struct LayoutArgs {
    /// A line for each batch (the default).
    #[arg(long)]
    batch: bool,
    /// A line for each job.
    #[arg(long)]
    nobatch: bool,
    /// Jobs of a DAG below it.
    #[arg(long)]
    dag: bool,
    /// Held jobs with their reasons.
    #[arg(long, visible_alias = "held")]
    hold: bool,
    /// Running jobs with their machines.
    #[arg(long, short = 'r', visible_alias = "running")]
    run: bool,
    /// Idle jobs with their requests.
    #[arg(long)]
    idle: bool,
    /// What jobs read and wrote.
    #[arg(long)]
    io: bool,
    /// How many jobs ask for the same.
    #[arg(long)]
    autocluster: bool,
    /// A line for each job, with the processor time that it has used instead of the time that it has run.
    #[arg(long)]
    cputime: bool,
    /// A line for each job, with the time of the run under way only.
    #[arg(long)]
    currentrun: bool,
    /// Counts only.
    #[arg(long)]
    totals: bool,
    /// Why idle jobs wait, in the schedd's words.
    #[arg(long, visible_alias = "better-analyze")]
    analyze: bool,
    /// Do not cut lines to the width of the terminal.
    #[arg(long, short = 'w')]
    wide: bool,
    /// Accepted: jobs are printed in order anyhow.
    #[arg(long, hide = true)]
    stream_results: bool,
    /// Accepted: messages are short anyhow.
    #[arg(long, hide = true)]
    expert: bool,
}

impl LayoutArgs {
    fn layout(&self) -> Layout {
        let asked = [
            (self.totals, Layout::Totals),
            (self.autocluster, Layout::Autoclusters),
            (self.hold, Layout::Held),
            (self.run, Layout::Running),
            (self.idle, Layout::Idle),
            (self.io, Layout::Io),
            (self.dag, Layout::Dag),
            (self.nobatch || self.cputime || self.currentrun, Layout::Jobs),
        ];
        first(asked, Layout::Batches)
    }
}

/// Makes the time that tables show the one that was asked for.
fn retime(layout: &LayoutArgs, jobs: &mut [ClassAd], moment: &Moment) {
    for ad in jobs {
        if layout.cputime {
            let job = View::new(ad, moment);
            let part = |name| job.real(name).unwrap_or(0.0);
            let used =
                part(attr::CUMULATIVE_REMOTE_USER_CPU) + part(attr::CUMULATIVE_REMOTE_SYS_CPU);
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, used);
            ad.set(attr::JOB_CURRENT_START_DATE, moment.now);
            ad.set("ShadowBday", moment.now);
        } else if layout.currentrun {
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, 0.0);
        }
    }
}

/// What a layout leaves out.
const fn only(layout: Layout) -> Option<&'static str> {
    match layout {
        Layout::Held => Some("JobStatus == 5"),
        Layout::Running => Some("JobStatus == 2 || JobStatus == 6 || JobStatus == 7"),
        Layout::Idle => Some("JobStatus == 1"),
        Layout::Io => Some("FileReadBytes =!= undefined || FileWriteBytes =!= undefined"),
        Layout::Batches | Layout::Jobs | Layout::Dag | Layout::Autoclusters | Layout::Totals => {
            None
        }
    }
}

/// Everything that the answer is made from, wherever it came from.
struct Found {
    source: Source,
    jobs: Vec<ClassAd>,
    totals: Totals,
}

/// Does it.
///
/// # Errors
///
/// If an expression is none, or the schedd cannot be asked.
pub fn run(args: &QArgs, call: &Call) -> Result<ExitCode> {
    if let Err(elsewhere) = args.at.check() {
        // HTCondor 25.14 has begun its table by then.
        output::put(if call.voice == Voice::HtCondor { "\n" } else { "" })?;
        return Err(elsewhere.into());
    }
    if call.voice == Voice::HtCondor
        && args.constraint.as_deref().is_some_and(|text| connect::constraint(text).is_err())
    {
        // There it is the schedd that cannot make sense of it.
        let identity = connect::identity(&mut connect::schedd()?)?;
        let from = format!("{} : {}", identity.address, identity.name);
        eprint!("\n-- Failed to fetch ads from: {from}\n\n\n");
        return Ok(Exit::Failed.into());
    }
    let instead = args.shape.instead()?;
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let query = query(args, instead.as_ref())?;
    let select = query.select.clone();
    let mut client = None;
    let mut found = match &args.jobads {
        Some(path) => from_file(path, &query, &moment)?,
        None => from_schedd(client.insert(connect::schedd()?), query, has_head(instead.as_ref()))?,
    };
    let text = match &instead {
        Some(Instead::Table(table)) => {
            found.show(args, &moment, |answer| queue::render_table(answer, table))
        }
        Some(instead) => instead.render(&found.jobs, &moment, call.voice),
        None if args.layout.analyze => analysis(&found, &moment),
        None => {
            retime(&args.layout, &mut found.jobs, &moment);
            let table =
                found.show(args, &moment, |answer| queue::render(answer, args.layout.layout()));
            let table =
                if args.layout.cputime { table.replacen("RUN_TIME", "CPU_TIME", 1) } else { table };
            match (call.voice, &mut client) {
                (Voice::HtCondor, _) => table,
                (Voice::Updraft, None) => table + &advice::render(&found.jobs, &moment),
                (Voice::Updraft, Some(client)) => {
                    let finished = finished_ones(client, &args.jobs, &found.jobs, &moment)?;
                    table + &advice(args, client, select, &found, &moment)? + &finished
                }
            }
        }
    };
    output::put(&text)?;
    Ok(Exit::Done.into())
}

/// Whether the answer says who gave it, and counts.
fn has_head(instead: Option<&Instead>) -> bool {
    match instead {
        None | Some(Instead::Table(_)) => true,
        Some(Instead::Ads(..) | Instead::Auto(..) | Instead::Printf(_)) => false,
    }
}

/// Whether only the user's own jobs are wanted.
fn is_mine(args: &QArgs) -> bool {
    args.jobs.is_empty() && !args.allusers && args.jobads.is_none()
}

/// What to ask for.
fn query(args: &QArgs, instead: Option<&Instead>) -> Result<Query> {
    let only = match instead {
        None => only(args.layout.layout()).map(connect::constraint).transpose()?,
        Some(instead) => instead.filter().cloned(),
    };
    let wanted = args.constraint.as_deref().map(connect::constraint).transpose()?;
    let select = if is_mine(args) {
        Select::Any(vec![Selector::Owner(UserName::new(&connect::me()))])
    } else {
        select::any_or(&args.jobs, Select::All)
    };
    let layout = args.layout.layout();
    let constraint = connect::both(wanted, only);
    let mut projection = match instead {
        Some(instead) => instead.projection(),
        None if args.layout.analyze => advice::attributes(),
        None => layout.attributes(),
    };
    let grouped = instead.is_none() && !args.layout.analyze && layout.is_of_groups();
    if instead.is_none() && !is_advised_apart(args) {
        projection.extend(advice::attributes());
    }
    Ok(Query { constraint, limit: args.limit, projection, grouped, ..Query::of(select) })
}

/// Whether the advice below the table comes from a question of its own, that tells jobs that are alike once.
fn is_advised_apart(args: &QArgs) -> bool {
    let per_job = !args.layout.layout().is_of_groups();
    per_job && args.constraint.is_none() && args.limit.is_none() && args.jobads.is_none()
}

/// What is said below the table: nothing is repeated of what stands in it.
fn advice(
    args: &QArgs,
    client: &mut Client,
    select: Select,
    found: &Found,
    moment: &Moment,
) -> Result<String> {
    if !is_advised_apart(args) {
        return Ok(advice::render(&found.jobs, moment));
    }
    let query = Query { projection: advice::attributes(), grouped: true, ..Query::of(select) };
    let mut jobs = connect::jobs(client, query)?;
    if let Some(only) = only(args.layout.layout()).map(connect::constraint).transpose()? {
        jobs.retain(|ad| ad.eval_expr(&only, None, moment.env()).is_true());
    }
    Ok(advice::render(&jobs, moment))
}

impl Found {
    /// The answer, handed to a view.
    fn show(
        &self,
        args: &QArgs,
        moment: &Moment,
        view: impl FnOnce(&Answer<'_>) -> String,
    ) -> String {
        let me = connect::me();
        let shown = format!("{me}@{}", domain(self));
        view(&Answer {
            source: &self.source,
            moment,
            jobs: &self.jobs,
            totals: &self.totals,
            me: is_mine(args).then_some((&me, &shown)),
            width: width(args.layout.wide),
        })
    }
}

fn from_schedd(client: &mut Client, query: Query, with_head: bool) -> Result<Found> {
    let mut found = Found {
        source: Source { name: String::new(), address: String::new() },
        jobs: connect::jobs(client, query)?,
        totals: Totals::default(),
    };
    if with_head {
        let identity = connect::identity(client)?;
        found.source = Source { name: identity.name, address: identity.address };
        found.totals = connect::totals(client)?;
    }
    Ok(found)
}

fn from_file(path: &str, query: &Query, moment: &Moment) -> Result<Found> {
    let all = ad_file::read(path, ad_file::Form::Auto)?;
    let chosen = |ad: &ClassAd| {
        let constraint = query.constraint.as_ref();
        constraint.is_none_or(|expr| ad.eval_expr(expr, None, moment.env()).is_true())
            && is_selected(&query.select, View::new(ad, moment))
    };
    let mut jobs: Vec<ClassAd> = all.into_iter().filter(chosen).collect();
    jobs.truncate(query.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    let all = totals::count(jobs.iter().map(|ad| View::new(ad, moment)));
    let source = Source { name: path.to_owned(), address: path.to_owned() };
    Ok(Found { source, jobs, totals: Totals { all, ..Totals::default() } })
}

fn is_selected(select: &Select, job: View<'_>) -> bool {
    match select {
        Select::All => true,
        Select::Any(words) => words.iter().any(|word| finished::names(word, job)),
        Select::Constraint(expr) => job.ad.eval_expr(expr, None, job.moment.env()).is_true(),
    }
}

/// The domain in which users are shown: that of the jobs, or else the schedd's name.
fn domain(found: &Found) -> String {
    let user =
        found.jobs.first().and_then(|ad| ad.literal(attr::USER)?.as_str().map(str::to_owned));
    let domain = user.and_then(|user| user.split_once('@').map(|(_, domain)| domain.to_owned()));
    domain.unwrap_or_else(|| found.source.name.clone())
}

/// The width to which lines are cut; output that no person reads is never cut.
fn width(wide: bool) -> Option<usize> {
    if wide || !output::is_terminal() {
        return None;
    }
    std::env::var("COLUMNS").ok()?.parse().ok()
}

/// Why each idle job waits.
fn analysis(found: &Found, moment: &Moment) -> String {
    let mut out = format!("\n\n-- Schedd: {}\n\n", found.source.shown());
    for ad in &found.jobs {
        let job = View::new(ad, moment);
        let Some(id) = job.job() else { continue };
        let id = format!("{:03}.{:03}", id.cluster.0, id.proc.0);
        let verdict = match job.status() {
            status::IDLE => match (job.text("IdleVerdict"), job.text("IdleReason")) {
                (Some(verdict), Some(reason)) if !reason.starts_with(&verdict) => {
                    format!("Job is idle. {verdict}: {reason}")
                }
                (_, Some(reason)) => format!("Job is idle. {reason}"),
                (_, None) => "Job is idle, and the schedd knows no reason.".to_owned(),
            },
            status::RUNNING => "Job is running.".to_owned(),
            status::HELD => {
                format!("Job is held.\n\nHold reason: {}", job.text_or_undefined(attr::HOLD_REASON))
            }
            status::COMPLETED => "Job is completed.".to_owned(),
            status::REMOVED => "Job is removed.".to_owned(),
            _ => "Job is in no state that can be analyzed.".to_owned(),
        };
        out += &format!("{id}:  {verdict}\n\n");
    }
    out
}

/// What became of jobs that were named and are not in the queue any more.
fn finished_ones(
    client: &mut Client,
    words: &[String],
    found: &[ClassAd],
    moment: &Moment,
) -> Result<String> {
    let named =
        select::selectors(words).into_iter().filter(|word| !matches!(word, Selector::Owner(_)));
    let missing: Vec<Selector> = named
        .filter(|word| !found.iter().any(|ad| finished::names(word, View::new(ad, moment))))
        .collect();
    if missing.is_empty() {
        return Ok(String::new());
    }
    let query = Query { finished: true, ..Query::of(Select::Any(missing.clone())) };
    let history = connect::jobs(client, query)?;
    Ok(finished::render(&missing, &history, moment))
}
