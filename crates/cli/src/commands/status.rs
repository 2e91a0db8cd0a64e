//! `updraft status`, `condor_status`: the machines of the pool and their slots.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::{ClassAd, Expr};
use jiff::tz::TimeZone;
use model::attr;
use proto::client::{Query, Select};

use crate::exit::Exit;
use crate::place::Where;
use crate::render::daemons;
use crate::render::machines::{self, Layout};
use crate::render::view::{Moment, View};
use crate::shape::{Instead, Shape, first};
use crate::verbs::{Call, Voice};
use crate::{connect, output};

/// Options of HTCondor's `condor_status` that are not built.
pub const NOT_YET: &[&str] = &[
    "master",
    "collector",
    "negotiator",
    "grid",
    "defrag",
    "direct",
    "statistics",
    "absent",
    "offline",
    "annex-name",
    "annex-slots",
    "merge",
    "target",
    "subsystem",
    "vm",
    "java",
    "cod",
    "storage",
    "license",
    "generic",
    "broken",
    "healthy",
    "aaf",
    "run",
    "ckptsrvr",
    "data",
    "diagnose",
    "debug",
];

/// List the machines of the pool and their slots.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Machines or slots, by name.
    #[arg(value_name = "NAMES")]
    names: Vec<String>,
    /// Slots for which this expression is true.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true, help_heading = "Which slots")]
    constraint: Option<String>,
    /// Slots that are free.
    #[arg(long, help_heading = "Which slots")]
    avail: bool,
    /// At most so many.
    #[arg(long, value_name = "N", help_heading = "Which slots")]
    limit: Option<u64>,
    /// Read ads from a file, as -long prints them, instead of asking.
    #[arg(long, value_name = "FILE", help_heading = "Which slots")]
    ads: Option<String>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    layout: LayoutArgs,
    /// In the order of this expression's values; may be repeated.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    sort: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

/// The tables.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tables")]
struct LayoutArgs {
    /// Claimed slots with their users.
    #[arg(long)]
    claimed: bool,
    /// How long slots have been in their states.
    #[arg(long)]
    state: bool,
    /// What machines have.
    #[arg(long)]
    server: bool,
    /// A line for each machine.
    #[arg(long)]
    compact: bool,
    /// Counts only.
    #[arg(long, visible_alias = "total")]
    totals: bool,
    /// The schedds with their counts of jobs, instead of slots.
    #[arg(long)]
    schedd: bool,
    /// Who has submitted jobs, instead of slots.
    #[arg(long)]
    submitters: bool,
    /// Everything that there is an ad of.
    #[arg(long)]
    any: bool,
    /// Only slots with GPUs.
    #[arg(long)]
    gpus: bool,
    /// Accepted: slots are what is listed.
    #[arg(long, hide = true, visible_alias = "slots")]
    startd: bool,
    /// Accepted: lines are never cut.
    #[arg(long, short = 'w', hide = true)]
    wide: bool,
    /// Accepted: messages are short anyhow.
    #[arg(long, hide = true)]
    expert: bool,
    /// Accepted: names are always in natural order.
    #[arg(long, hide = true)]
    natural: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Slots,
    Schedds,
    Submitters,
    Any,
}

impl LayoutArgs {
    fn listed(&self) -> Listed {
        let asked = [
            (self.any, Listed::Any),
            (self.schedd, Listed::Schedds),
            (self.submitters, Listed::Submitters),
        ];
        first(asked, Listed::Slots)
    }

    fn layout(&self) -> Layout {
        let asked = [
            (self.totals, Layout::Totals),
            (self.claimed, Layout::Claimed),
            (self.state, Layout::States),
            (self.server, Layout::Servers),
            (self.compact, Layout::Machines),
        ];
        first(asked, Layout::Slots)
    }
}

/// Does it.
///
/// # Errors
///
/// If an expression is none, a name is no machine, or the negotiator cannot be asked.
pub fn run(args: &StatusArgs, call: &Call) -> Result<ExitCode> {
    args.at.check()?;
    let instead = args.shape.instead()?.map(Instead::of_status);
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let constraint =
        connect::both(constraint(args)?, instead.as_ref().and_then(|i| i.filter().cloned()));
    let sort: Vec<Expr> =
        args.sort.iter().map(|text| connect::constraint(text)).collect::<Result<_>>()?;
    let mut ads = match &args.ads {
        Some(path) => from_file(path, constraint.as_ref(), &moment)?,
        None => ask(args.layout.listed(), constraint, &moment)?,
    };
    if let Err(NoSuchHost(word)) = named(&args.names, &mut ads, &moment) {
        eprintln!("{}: unknown host {word}", call.name);
        return Ok(Exit::Failed.into());
    }
    if args.layout.listed() != Listed::Any {
        order(&mut ads, &sort, &moment);
    }
    ads.truncate(args.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    let text = match instead {
        Some(instead) => instead.render(&ads, &moment, call.voice),
        None => match args.layout.listed() {
            Listed::Slots => machines::render(&ads, args.layout.layout(), &moment),
            Listed::Schedds => daemons::schedds(&ads, &moment),
            Listed::Submitters => daemons::submitter_table(&ads, &moment),
            Listed::Any => daemons::any(&ads, &moment),
        },
    };
    output::put(&text)?;
    if ads.is_empty() && call.voice == Voice::Updraft && !text.starts_with('[') {
        eprintln!("No slots to show.");
    }
    Ok(Exit::Done.into())
}

fn ask(listed: Listed, constraint: Option<Expr>, moment: &Moment) -> Result<Vec<ClassAd>> {
    let holds = |ad: &ClassAd| {
        constraint.as_ref().is_none_or(|expr| ad.eval_expr(expr, None, moment.env()).is_true())
    };
    if listed == Listed::Slots {
        let query = Query { constraint, ..Query::of(Select::All) };
        return connect::machines(&mut connect::negotiator()?, query);
    }
    let mut schedd = connect::schedd()?;
    let (identity, totals) = (connect::identity(&mut schedd)?, connect::totals(&mut schedd)?);
    let mut ads = match listed {
        Listed::Schedds => vec![daemons::scheduler(&identity, &totals)],
        Listed::Submitters => daemons::submitters(&identity, &totals),
        Listed::Any | Listed::Slots => {
            let mut negotiator = connect::negotiator()?;
            let mut ads = daemons::submitters(&identity, &totals);
            ads.push(daemons::scheduler(&identity, &totals));
            ads.push(daemons::daemon("Negotiator", &connect::identity(&mut negotiator)?));
            ads.extend(connect::machines(&mut negotiator, Query::of(Select::All))?);
            ads
        }
    };
    ads.retain(holds);
    Ok(ads)
}

fn constraint(args: &StatusArgs) -> Result<Option<Expr>> {
    let mut clauses = Vec::new();
    if let Some(text) = &args.constraint {
        // In HTCondor's words: clients look for them.
        let Ok(expr) = text.parse::<Expr>() else { bail!("invalid constraint\n") };
        clauses.push(expr.parenthesised());
    }
    if args.avail {
        clauses.push(connect::constraint("(State == \"Unclaimed\" && Cpus > 0)")?);
    }
    if args.layout.gpus {
        clauses.push(connect::constraint("(TotalGPUs > 0)")?);
    }
    if args.layout.claimed {
        clauses.push(connect::constraint("(State == \"Claimed\")")?);
    }
    Ok(clauses.into_iter().reduce(Expr::and))
}

fn from_file(path: &str, constraint: Option<&Expr>, moment: &Moment) -> Result<Vec<ClassAd>> {
    let text = fs::read_to_string(path).with_context(|| format!("read ads from {path}"))?;
    let Ok(mut ads) = ClassAd::parse_old_ads(&text) else {
        bail!("read ads from {path}: it holds no ads as -long prints them");
    };
    ads.retain(|ad| constraint.is_none_or(|expr| ad.eval_expr(expr, None, moment.env()).is_true()));
    Ok(ads)
}

/// A word that names no machine.
struct NoSuchHost(String);

/// Keeps what the words name: a slot, or all slots of a machine.
fn named(words: &[String], ads: &mut Vec<ClassAd>, moment: &Moment) -> Result<(), NoSuchHost> {
    let is = |ad: &ClassAd, word: &str| {
        let view = View::new(ad, moment);
        [attr::NAME, attr::MACHINE]
            .iter()
            .any(|name| view.text(name).is_some_and(|text| text.eq_ignore_ascii_case(word)))
    };
    for word in words {
        if !ads.iter().any(|ad| is(ad, word)) {
            return Err(NoSuchHost(word.clone()));
        }
    }
    if !words.is_empty() {
        ads.retain(|ad| words.iter().any(|word| is(ad, word)));
    }
    Ok(())
}

fn order(ads: &mut [ClassAd], sort: &[Expr], moment: &Moment) {
    let natural =
        |ad: &ClassAd| machines::natural_key(&View::new(ad, moment).text_or_undefined(attr::NAME));
    ads.sort_by_cached_key(natural);
    // The last key is the least: stable sorts from behind give the order of all of them.
    for expr in sort.iter().rev() {
        let value = |ad: &ClassAd| ad.eval_expr(expr, None, moment.env());
        ads.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            match (a.as_f64(), b.as_f64()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => a.to_string().cmp(&b.to_string()),
            }
        });
    }
}
