//! What `q` asks, of whom, and what comes of it.

use anyhow::Result;
use classad::{ClassAd, Value};
use client::Schedd;
use client::site::me;
use model::{UserName, attr};
use proto::client::{Forgotten, Query, Select, Selector, Totals};

use crate::commands::watching::log_jobs;
use crate::commands::watching::q::args::only;
use crate::commands::watching::q::args::{Analysis, LayoutArgs, QArgs};
use crate::line::ad_file;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output;
use crate::line::select;
use crate::line::shape;
use crate::line::shape::Instead;
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::jobs::queue::{Answer, FileKind, Source};
use crate::render::jobs::totals;
use crate::render::reasons::advice::{self, Advice};
use crate::render::said::Said;
use crate::render::values::view::{Moment, View};

/// Everything that the answer is made from, wherever it came from.
pub(crate) struct Found {
    pub(crate) source: Source,
    pub(crate) jobs: Vec<ClassAd>,
    pub(crate) totals: Totals,
}

/// Whether the answer says who gave it, and counts.
pub(crate) fn has_head(instead: Option<&Instead>) -> bool {
    match instead {
        None => true,
        Some(Instead::Values(mask, _)) => mask.title || mask.summary,
        Some(Instead::Ads(..)) => false,
    }
}

/// Whether only the user's own jobs are wanted.
pub(crate) fn is_mine(args: &QArgs) -> bool {
    let anybodys = args.allusers || args.submitter.is_some();
    args.jobs.is_empty() && !anybodys && args.jobads.is_none() && args.userlog.is_none()
}

/// What to ask for.
pub(crate) fn query(
    args: &QArgs,
    instead: Option<&Instead>,
    analysis: Option<Analysis>,
) -> Result<Query> {
    // `-run -af X` shows X of running jobs: which jobs, and how they are shown, are two things.
    let of_layout = only(args.layout.layout()).map(connect::constraint).transpose()?;
    let only = connect::both(of_layout, instead.and_then(Instead::filter).cloned());
    let wanted = connect::constraints(&args.constraint)?;
    let select = if is_mine(args) {
        Select::Any(vec![Selector::Owner(UserName::new(&me()))])
    } else {
        let words = args.jobs.iter().chain(&args.submitter).cloned().collect::<Vec<_>>();
        select::any_or(&words, Select::All)
    };
    let layout = args.layout.layout();
    let never = args.unmatchable.then(|| connect::constraint("IdleVerdict == \"never\""));
    let constraint = connect::both(connect::both(wanted, only), never.transpose()?);
    let is_table = instead.is_none() && analysis.is_none();
    let mut projection = match (instead, analysis) {
        (Some(instead), _) => instead.projection(),
        (None, Some(Analysis::Reasons)) => advice::attributes(),
        // Requirements of slots may look at any attribute.
        (None, Some(Analysis::Conditions | Analysis::Summary | Analysis::Reverse)) => Vec::new(),
        (None, None) => layout.attributes(),
    };
    if let Some(names) = args.layout.group_by.as_deref().filter(|_| is_table) {
        let columns = shape::columns(names.split(','))?;
        let named = columns.iter().flat_map(|(_, expr)| expr.references());
        projection.extend(named.map(|(_, name)| name));
    }
    let grouped = is_table && layout.is_of_groups();
    if is_table && !is_advised_apart(args) {
        projection.extend(advice::attributes());
    }
    Ok(Query { constraint, limit: args.limit, projection, grouped, ..Query::of(select) })
}

/// Whether the advice below the table comes from a question of its own, that tells jobs that are
/// alike once.
fn is_advised_apart(args: &QArgs) -> bool {
    let per_job = !args.layout.layout().is_of_groups();
    let all = args.constraint.is_empty() && args.limit.is_none() && !args.unmatchable;
    per_job && all && args.jobads.is_none() && args.userlog.is_none()
}

/// What is said around the table: nothing is repeated of what stands in it.
pub(crate) fn advice(
    args: &QArgs,
    client: &mut Schedd,
    select: Select,
    found: &Found,
    moment: &Moment,
) -> Result<Advice> {
    if !is_advised_apart(args) {
        return Ok(advice::render(&found.jobs, moment));
    }
    let query = Query { projection: advice::attributes(), grouped: true, ..Query::of(select) };
    let mut jobs = client.jobs(query)?;
    if let Some(only) = only(args.layout.layout()).map(connect::constraint).transpose()? {
        jobs.retain(|ad| ad.eval_expr(&only, None, moment.env()).is_true());
    }
    Ok(advice::render(&jobs, moment))
}

impl Found {
    /// When the schedd said it, if a file of its ads says so.
    pub(crate) fn server_time(&self, args: &QArgs) -> Option<i64> {
        args.jobads.as_ref()?;
        self.jobs.first()?.literal(attr::SERVER_TIME).and_then(Value::as_i64)
    }

    /// What is counted, as one ad.
    pub(crate) fn summary(&self, args: &QArgs, moment: &Moment) -> ClassAd {
        let me = me();
        let shown = format!("{me}@{}", domain(self));
        let jobs: Vec<View<'_>> = self.jobs.iter().map(|ad| View::new(ad, moment)).collect();
        let whose = is_mine(args).then_some((me.as_str(), shown.as_str()));
        totals::summary(&jobs, &self.totals, whose, moment.now)
    }

    /// The answer, handed to a view.
    pub(crate) fn show(
        &self,
        args: &QArgs,
        moment: &Moment,
        dialect: Dialect,
        view: impl FnOnce(&Answer<'_>) -> String,
    ) -> String {
        let me = me();
        let shown = format!("{me}@{}", domain(self));
        view(&Answer {
            source: &self.source,
            moment,
            jobs: &self.jobs,
            totals: &self.totals,
            me: is_mine(args).then_some((&me, &shown)),
            width: width(&args.layout),
            dialect,
        })
    }
}

pub(crate) fn from_schedd(client: &mut Schedd, query: Query, with_head: bool) -> Result<Found> {
    let mut found = Found {
        source: Source::Schedd { name: String::new(), address: String::new() },
        jobs: client.jobs(query)?,
        totals: Totals::default(),
    };
    if with_head {
        let identity = client.identity()?;
        found.source = Source::Schedd { name: identity.name, address: identity.address };
        found.totals = client.totals()?;
    }
    Ok(found)
}

/// Jobs that are read from a file, if they are: of ads, or an event log.
pub(crate) fn elsewhere(args: &QArgs, query: &Query, moment: &Moment) -> Result<Option<Found>> {
    let (what, path, all) = match (&args.jobads, &args.userlog) {
        (Some(path), _) => {
            let form = ad_file::Form::named(args.jobads_form.as_deref())?;
            (FileKind::Ads, path, ad_file::read(path, form)?)
        }
        (None, Some(path)) => {
            let mut jobs = log_jobs::read(path, moment)?;
            jobs.retain(|ad| !log_jobs::has_left(ad, moment));
            (FileKind::Log, path, jobs)
        }
        (None, None) => return Ok(None),
    };
    let source = Source::File { what, path: path.clone() };
    Ok(Some(of_ads(source, all, query, moment)))
}

fn of_ads(source: Source, all: Vec<ClassAd>, query: &Query, moment: &Moment) -> Found {
    let chosen = |ad: &ClassAd| {
        let constraint = query.constraint.as_ref();
        constraint.is_none_or(|expr| ad.eval_expr(expr, None, moment.env()).is_true())
            && is_selected(&query.select, View::new(ad, moment))
    };
    let mut jobs: Vec<ClassAd> = all.into_iter().filter(chosen).collect();
    jobs.truncate(query.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX));
    let all = totals::count(jobs.iter().map(|ad| View::new(ad, moment)));
    Found { source, jobs, totals: Totals { all, ..Totals::default() } }
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
    domain.unwrap_or_else(|| found.source.name().to_owned())
}

/// The width to which lines are cut: the one that was asked for (`-wide:120`); else output that no
/// person reads is never cut.
fn width(layout: &LayoutArgs) -> Option<usize> {
    if layout.wide_form.is_some() || layout.wide {
        return layout.wide_form;
    }
    output::terminal_width()
}

/// Of the words that name jobs, those that name none in the queue.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    /// Jobs that have left it.
    pub(crate) left: Vec<Selector>,
    /// Nothing, and nobody who is known here.
    pub(crate) nowhere: Vec<Selector>,
    /// What the history has no more, if there are such.
    forgotten: Forgotten,
}

impl Absent {
    /// Of these words. A user without jobs is not absent.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub(crate) fn of(client: &mut Schedd, words: &[String]) -> Result<Self> {
        let mut absent = Self::default();
        for selector in select::selectors(words) {
            let projection = vec![attr::CLUSTER_ID.into()];
            let select = Select::Any(vec![selector.clone()]);
            let one = Query { limit: Some(1), projection, ..Query::of(select) };
            if !client.jobs(one.clone())?.is_empty() {
                continue;
            }
            let user = match &selector {
                Selector::Owner(name) => Some(name),
                Selector::Cluster(_) | Selector::Job(_) => None,
            };
            if user.is_some_and(|name| select::is_user_here(name.as_str())) {
                continue;
            }
            let was_there = !client.jobs(Query { finished: true, ..one })?.is_empty();
            match (was_there, user) {
                (true, None) => absent.left.push(selector),
                (true, Some(_)) => {}
                (false, _) => absent.nowhere.push(selector),
            }
        }
        if !absent.nowhere.is_empty() {
            absent.forgotten = client.totals()?.forgotten;
        }
        Ok(absent)
    }

    /// The ads of those that have left, as the query wants them.
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub(crate) fn history(&self, client: &mut Schedd, query: Query) -> Result<Vec<ClassAd>> {
        if self.left.is_empty() {
            return Ok(Vec::new());
        }
        let select = Select::Any(self.left.clone());
        let mut ads = client.jobs(Query { finished: true, grouped: false, select, ..query })?;
        // The last that has left comes first there.
        ads.reverse();
        Ok(ads)
    }

    /// What was found, with a line for each word that names nothing; a failure if none names
    /// anything.
    pub(crate) fn after(&self, text: String, words: &[String]) -> Outcome {
        let line = |one| finished::nothing_of(one, &self.forgotten) + "\n";
        let err = self.nowhere.iter().map(line).collect();
        let names_nothing = !words.is_empty() && self.nowhere.len() == words.len();
        let exit = if names_nothing { Exit::Failed } else { Exit::Done };
        Outcome { said: Said { out: text, err }, exit: exit.into() }
    }
}
