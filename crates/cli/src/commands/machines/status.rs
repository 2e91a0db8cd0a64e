//! `updraft status`, `condor_status`: the machines of the pool and their slots.

use anyhow::{Result, bail};
use clap::Args;
use classad::{ClassAd, Expr};
use jiff::tz::TimeZone;
use model::attr;
use proto::client::{Query, Select};

use crate::commands::machines::daemon_ads;
use crate::line::ad_file;
use crate::line::call::Call;
use crate::line::connect;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::output::Colour;
use crate::line::place::Where;
use crate::line::shape::first;
use crate::line::shape::{Shape, Shown};
use crate::pool;
use crate::render::dialect::Dialect;
use crate::render::pool::accounts;
use crate::render::pool::daemons;
use crate::render::pool::machines::{self, Layout};
use crate::render::values::view::{Moment, View};
use client::home::Home;

/// Options of HTCondor's `condor_status` that are not built.
pub const NOT_YET: &[&str] =
    &["merge", "cod", "healthy", "lvm", "snapshot", "aaf", "data", "diagnose"];

/// List the machines of the pool and their slots.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Machines or slots, by name.
    #[arg(value_name = "NAMES")]
    names: Vec<String>,
    /// Slots for which this expression is true.
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true, help_heading = "Which slots")]
    constraint: Vec<String>,
    /// Slots that are free.
    #[arg(long, help_heading = "Which slots")]
    avail: bool,
    /// At most so many.
    #[arg(long, value_name = "N", help_heading = "Which slots")]
    limit: Option<u64>,
    /// Read ads from a file, as -long prints them, instead of asking.
    #[arg(long, value_name = "FILE", help_heading = "Which slots")]
    ads: Option<String>,
    /// Machines that are known and away (here a machine that is away is not known).
    #[arg(long, help_heading = "Which slots")]
    absent: bool,
    /// Machines of which a kind of job is kept away.
    #[arg(long, help_heading = "Which slots")]
    offline: bool,
    /// Machines that can run Java's programs.
    #[arg(long, help_heading = "Which slots")]
    java: bool,
    /// Machines that can run virtual machines.
    #[arg(long, help_heading = "Which slots")]
    vm: bool,
    /// Machines with broken resources.
    #[arg(long, help_heading = "Which slots")]
    broken: bool,
    /// Machines of this annex.
    #[arg(long, value_name = "NAME", help_heading = "Which slots")]
    annex_name: Option<String>,
    /// Machines of any annex.
    #[arg(long, help_heading = "Which slots")]
    annex_slots: bool,
    #[command(flatten)]
    at: Where,
    /// Ask the daemons of this machine (only one's own: they are always asked themselves).
    #[arg(long, value_name = "HOST", hide = true)]
    direct: Option<String>,
    /// Accepted: ads have all that a daemon counts.
    #[arg(long, value_name = "SET:N", hide = true)]
    statistics: Option<String>,
    /// With -af and -format: the ad in this file is the TARGET of the expressions.
    #[arg(long, value_name = "FILE")]
    target: Option<String>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    colour: Colour,
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
    /// What the schedds do, instead of slots.
    #[arg(long, short = 'r')]
    run: bool,
    /// Who starts the daemons, instead of slots.
    #[arg(long)]
    master: bool,
    /// Who holds the ads, instead of slots.
    #[arg(long)]
    collector: bool,
    /// Who matches jobs and machines, with its last pass, instead of slots.
    #[arg(long)]
    negotiator: bool,
    /// Ads of this type: a daemon's name, or none of ours.
    #[arg(long, value_name = "TYPE")]
    subsystem: Option<String>,
    /// Resources of a grid: there are none.
    #[arg(long)]
    grid: bool,
    /// Who defragments machines: nobody.
    #[arg(long)]
    defrag: bool,
    /// Storage on the network: there is none.
    #[arg(long)]
    storage: bool,
    /// Licences: there are none.
    #[arg(long)]
    license: bool,
    /// Ads of no type of their own: there are none.
    #[arg(long)]
    generic: bool,
    /// Servers of checkpoints: there are none.
    #[arg(long, hide = true)]
    ckptsrvr: bool,
    /// Only slots with GPUs.
    #[arg(long)]
    gpus: bool,
    /// Accepted: slots are what is listed.
    #[arg(long, hide = true, visible_alias = "slots")]
    startd: bool,
    /// Accepted: lines are never cut.
    #[arg(long, short = 'w', hide = true)]
    wide: bool,
    /// Accepted: a line for each slot is what there is without -compact.
    #[arg(long, hide = true)]
    nocompact: bool,
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
    /// Schedds, by what they do.
    Running,
    Submitters,
    Masters,
    Collectors,
    Negotiators,
    Startds,
    Accounts,
    Any,
    /// Ads that a pool of ours never has: HTCondor prints nothing at all where there are none.
    Nothing,
}

impl LayoutArgs {
    fn listed(&self) -> Listed {
        let never =
            [self.grid, self.defrag, self.storage, self.license, self.generic, self.ckptsrvr];
        let asked = [
            (self.any, Listed::Any),
            (self.schedd, Listed::Schedds),
            (self.run, Listed::Running),
            (self.submitters, Listed::Submitters),
            (self.master, Listed::Masters),
            (self.collector, Listed::Collectors),
            (self.negotiator, Listed::Negotiators),
            (never.contains(&true), Listed::Nothing),
        ];
        let subsystem = self.subsystem.as_deref().map(str::to_ascii_lowercase);
        let of_subsystem = match subsystem.as_deref() {
            None | Some("machine" | "slot" | "startd_ad") => Listed::Slots,
            Some("schedd" | "scheduler") => Listed::Schedds,
            Some("submitter" | "submitters") => Listed::Submitters,
            Some("master" | "daemonmaster") => Listed::Masters,
            Some("collector") => Listed::Collectors,
            Some("negotiator") => Listed::Negotiators,
            Some("startd" | "startdaemon") => Listed::Startds,
            Some("accounting") => Listed::Accounts,
            Some("any") => Listed::Any,
            Some(_) => Listed::Nothing,
        };
        first(asked, of_subsystem)
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
/// If an expression is none, a name is no machine, or a daemon cannot be asked.
pub fn run(args: &StatusArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    args.at.also(args.direct.as_deref()).check()?;
    let instead = args.shape.instead(call.dialect, Shown::Machines)?;
    let moment = moment(args)?.with_paint(args.colour.paint(call));
    let constraint = connect::both(
        constraint(args, call.dialect)?,
        instead.as_ref().and_then(|i| i.filter().cloned()),
    );
    let sort: Vec<Expr> =
        args.sort.iter().map(|text| connect::constraint(text)).collect::<Result<_>>()?;
    let listed = args.layout.listed();
    let mut ads = match &args.ads {
        Some(path) => ad_file::read(path, ad_file::Form::Auto)?,
        None if listed == Listed::Slots => {
            let query = Query { constraint: constraint.clone(), ..Query::of(Select::All) };
            connect::negotiator()?.machines(query)?
        }
        None => daemons_listed(listed, &moment)?,
    };
    if args.ads.is_some() || listed != Listed::Slots {
        ads.retain(|ad| {
            constraint.as_ref().is_none_or(|expr| ad.eval_expr(expr, None, moment.env()).is_true())
        });
    }
    if let Err(NoSuchHost(word)) = named(&args.names, &mut ads, &moment, call.dialect) {
        return Ok(Outcome::failed(format!("{}: unknown host {word}\n", call.name)));
    }
    if listed != Listed::Any {
        order(&mut ads, &sort, &moment);
    }
    ads.truncate(args.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    let text = match instead {
        Some(instead) => instead.render(&ads, &moment, call.dialect),
        None if ads.is_empty() && args.ads.is_some() && call.dialect == Dialect::HtCondor => {
            String::new()
        }
        None => {
            // HTCondor's command cuts nothing.
            let of_htcondor = call.dialect == Dialect::HtCondor;
            let terminal = output::terminal_width().filter(|_| !of_htcondor);
            table(listed, &ads, args.layout.layout(), &moment, terminal)
        }
    };
    let nothing = ads.is_empty() && call.dialect == Dialect::Updraft && text.is_empty();
    let mut outcome = Outcome::done(text);
    if nothing {
        outcome.said.err = "There is nothing to show.\n".to_owned();
    }
    Ok(outcome)
}

/// The present, with the other ad of expressions if one is given.
fn moment(args: &StatusArgs) -> Result<Moment> {
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let Some(path) = &args.target else { return Ok(moment) };
    match ad_file::read(path, ad_file::Form::Auto)?.into_iter().next() {
        Some(target) => Ok(moment.with_target(target)),
        None => bail!("read the target ad from {path}: there is none in it"),
    }
}

fn table(
    listed: Listed,
    ads: &[ClassAd],
    layout: Layout,
    moment: &Moment,
    terminal: Option<usize>,
) -> String {
    match listed {
        Listed::Slots => machines::render(ads, layout, moment, terminal),
        Listed::Schedds => daemons::schedds(ads, moment),
        Listed::Running => daemons::running(ads, moment),
        Listed::Submitters => daemons::submitter_table(ads, moment),
        Listed::Masters => daemons::masters(ads, moment),
        Listed::Collectors => daemons::collectors(ads, moment),
        Listed::Negotiators => daemons::negotiators(ads, moment),
        Listed::Startds | Listed::Accounts | Listed::Any => daemons::any(ads, moment),
        Listed::Nothing => String::new(),
    }
}

/// The ads of the daemons, of who submits, and of what users have used.
fn daemons_listed(listed: Listed, moment: &Moment) -> Result<Vec<ClassAd>> {
    if listed == Listed::Nothing {
        return Ok(Vec::new());
    }
    let mut schedd = connect::schedd()?;
    let (identity, totals) = (schedd.identity()?, schedd.totals()?);
    let mut negotiator = connect::negotiator()?;
    let matchmaker = negotiator.identity()?;
    let wants = |one: Listed| listed == one || listed == Listed::Any;
    let needs_machines = wants(Listed::Collectors) || wants(Listed::Masters);
    let machines = match needs_machines {
        true => negotiator.machines(Query::of(Select::All))?,
        false => Vec::new(),
    };
    let mut ads = Vec::new();
    if wants(Listed::Collectors) {
        ads.push(daemon_ads::collector(&matchmaker, &totals, &machines));
    }
    if wants(Listed::Submitters) {
        ads.extend(daemon_ads::submitters(&identity, &totals));
    }
    if wants(Listed::Startds) {
        let startd = connect::startd()?.identity()?;
        ads.push(daemon_ads::daemon("StartD", &startd));
    }
    if wants(Listed::Schedds) || listed == Listed::Running {
        let counts = schedd.statistics()?;
        ads.push(daemon_ads::scheduler(&identity, &totals, &counts));
    }
    if wants(Listed::Masters) {
        let home = Home::from_environment();
        let processes = pool::status(&home)?;
        ads.extend(daemon_ads::master(&home, &processes, &machines, &identity, moment.now));
    }
    if wants(Listed::Negotiators) {
        let mut ad = daemon_ads::daemon("Negotiator", &matchmaker);
        ad.update(&negotiator.statistics()?);
        ads.push(ad);
    }
    if listed == Listed::Any {
        ads.extend(machines);
    }
    if wants(Listed::Accounts) {
        let lines = negotiator.accounts()?;
        let name = &matchmaker.name;
        ads.extend(lines.iter().map(|line| accounts::ad(line, name, name, moment.now)));
    }
    Ok(ads)
}

fn constraint(args: &StatusArgs, dialect: Dialect) -> Result<Option<Expr>> {
    let mut clauses = Vec::new();
    for text in &args.constraint {
        let expr = match (text.parse::<Expr>(), dialect) {
            (Ok(expr), _) => expr,
            // In HTCondor's words: clients look for them.
            (Err(_), Dialect::HtCondor) => bail!("invalid constraint\n"),
            (Err(error), Dialect::Updraft | Dialect::Pbs) => bail!("invalid constraint: {error}"),
        };
        clauses.push(expr.parenthesised());
    }
    if args.avail {
        clauses.push(connect::constraint("(State == \"Unclaimed\" && Cpus > 0)")?);
    }
    if args.layout.gpus {
        clauses.push(connect::constraint("(TotalGPUs > 0)")?);
    }
    for (given, clause) in [
        (args.absent, "Absent =?= true"),
        (args.offline, "size(OfflineUniverses) != 0"),
        (args.java, "HasJava == true"),
        (args.vm, "HasVM == true"),
        (args.broken, "size(BrokenReasons) > 0"),
        (args.annex_slots, "AnnexName isnt undefined"),
    ] {
        if given {
            clauses.push(connect::constraint(clause)?.parenthesised());
        }
    }
    if let Some(annex) = &args.annex_name {
        let name = Expr::from(classad::Value::from(annex.as_str()));
        clauses.push(connect::constraint(&format!("(AnnexName =?= {name})"))?);
    }
    if args.layout.claimed {
        clauses.push(connect::constraint("(State == \"Claimed\")")?);
    }
    Ok(clauses.into_iter().reduce(Expr::and))
}

/// A word that names no machine.
struct NoSuchHost(String);

/// Keeps what the words name: a slot, or all slots of a machine.
fn named(
    words: &[String],
    ads: &mut Vec<ClassAd>,
    moment: &Moment,
    dialect: Dialect,
) -> Result<(), NoSuchHost> {
    // There a word with an @ names a slot, which may not be there, and so does an address.
    let may_be_absent = |word: &str| {
        let is_address = word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
        dialect == Dialect::HtCondor && (word.contains('@') || is_address)
    };
    let is = |ad: &ClassAd, word: &str| {
        let view = View::new(ad, moment);
        [attr::NAME, attr::MACHINE]
            .iter()
            .any(|name| view.text(name).is_some_and(|text| text.eq_ignore_ascii_case(word)))
    };
    for word in words {
        if !ads.iter().any(|ad| is(ad, word)) && !may_be_absent(word) {
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
