//! The jobs that a command line names: what each word means, and what is known of them. A question
//! names what is to be told of each job, and is answered a cluster at a time: of a queue of any
//! length no more is kept than what is shown.

use std::collections::{BTreeMap, BTreeSet};

use classad::{AttrName, Expr, Value};
use client::{AskError, Query, Schedd, Select, Selector};
use jobspec::pbs::{JobWord, Subjobs, code};
use model::queues::{FIRST_QUEUE, QUEUE};
use model::{ClusterId, JobStatus, UserName, attr};

use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::job::{self, Cluster, Clusters};

/// A word that names a job of this server.
pub(super) fn read(here: &Here, text: &str) -> Result<JobWord, u8> {
    let word = match JobWord::read(text) {
        Ok(word) if word.server.as_ref().is_none_or(|name| here.is_server(name)) => word,
        Ok(_) | Err(_) => {
            here.say(format_args!("illegally formed job identifier: {text}"));
            return Err(code::FAILED);
        }
    };
    if word.at.as_ref().is_some_and(|at| !here.is_server(at)) {
        if here.command != "qdel" {
            return Err(here.no_host());
        }
        complain(&format!(
            "Unknown Host.\nCouldn't connect to cluster: {}\n",
            word.at.unwrap_or_default()
        ));
        return Err(code::BAD_HOST);
    }
    Ok(word)
}

/// The identifier that messages call it by.
pub(super) fn full(here: &Here, word: &JobWord) -> String {
    let server = &here.server;
    match word.subjobs {
        Subjobs::None => format!("{}.{server}", word.number),
        Subjobs::Whole => format!("{}[].{server}", word.number),
        Subjobs::Some { start, end, .. } if start == end => {
            format!("{}[{start}].{server}", word.number)
        }
        Subjobs::Some { start, end, step: 1 } => format!("{}[{start}-{end}].{server}", word.number),
        Subjobs::Some { start, end, step } => {
            format!("{}[{start}-{end}:{step}].{server}", word.number)
        }
    }
}

/// Which jobs are asked for, and what of them.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    select: Select,
    /// What is true of the clusters that are meant, in the queue or over.
    of_clusters: Option<Expr>,
    /// What is true of those in the queue that are no arrays.
    of_singles: Option<Expr>,
    /// All, if it is empty.
    projection: Vec<AttrName>,
    /// Whether subjobs that are alike may be told as one.
    grouped: bool,
    pub(super) finished: Finished,
}

/// Which jobs that are over are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    None,
    /// Those of arrays of which others are in the queue.
    OfArrays,
    /// That ended since this moment.
    Since(i64),
    /// All that are named.
    All,
}

impl Asked {
    /// All jobs in the queue, arrays each as one: what these attributes say.
    pub(super) fn of(attributes: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            select: Select::All,
            of_clusters: None,
            of_singles: None,
            projection: attributes.into_iter().map(AttrName::from).collect(),
            grouped: true,
            finished: Finished::None,
        }
    }

    /// All that there is to say of the jobs with these numbers.
    pub(super) fn numbered(numbers: &BTreeSet<u32>, finished: Finished) -> Self {
        let selectors = numbers.iter().map(|n| Selector::Cluster(ClusterId(*n))).collect();
        let select = Select::Any(selectors);
        Self { select, grouped: false, finished, ..Self::of([]) }
    }

    /// Each subjob as one.
    pub(super) fn with_subjobs(mut self) -> Self {
        self.grouped = false;
        self.projection.extend(job::OF_SUBJOBS.iter().copied().map(AttrName::from));
        self
    }

    /// Asks for all attributes, of each subjob.
    pub(super) fn with_everything(mut self) -> Self {
        self.grouped = false;
        self.projection = Vec::new();
        self
    }

    /// Only those of these users.
    pub(super) fn of_users<'u>(mut self, users: impl Iterator<Item = &'u str>) -> Self {
        self.select = Select::Any(users.map(|user| Selector::Owner(UserName::new(user))).collect());
        self
    }

    /// Only those in one of these queues.
    pub(super) fn in_queues<'q>(mut self, queues: impl Iterator<Item = &'q str>) -> Self {
        // A job that says none is in the first.
        let is_it = |queue: &str| match Expr::attr(QUEUE).is(queue) {
            is if queue == FIRST_QUEUE => is.or(Expr::attr(QUEUE).is(Value::Undefined)),
            is => is,
        };
        self.of_clusters = Some(Expr::any(queues.map(is_it)));
        self
    }

    /// Of jobs that are no arrays, only those that stand so.
    pub(super) fn in_states(mut self, statuses: &[JobStatus]) -> Self {
        let stands =
            statuses.iter().map(|status| Expr::attr(attr::JOB_STATUS).equals(status.number()));
        let has_many = Expr::attr(attr::TOTAL_SUBMIT_PROCS).exceeds(1);
        let is_array = Expr::attr(attr::PBS_ARRAY_INDICES).is_not(Value::Undefined);
        self.of_singles = Some(Expr::any([has_many, is_array].into_iter().chain(stands)));
        self
    }

    fn queued(&self) -> Query {
        let conditions = [&self.of_clusters, &self.of_singles].into_iter().flatten().cloned();
        let both = |a: Expr, b: Expr| a.parenthesised().and(b.parenthesised());
        Query {
            projection: self.projection.clone(),
            constraint: conditions.reduce(both),
            grouped: self.grouped,
            ..Query::of(self.select.clone())
        }
    }

    fn finished(&self) -> Query {
        let constraint = self.of_clusters.clone();
        let mut projection = self.projection.clone();
        if !projection.is_empty() {
            projection.extend(job::OF_ENDS.iter().copied().map(AttrName::from));
        }
        let select = self.select.clone();
        Query { finished: true, constraint, projection, ..Query::of(select) }
    }
}

/// Why no more is listened to.
enum Halt {
    Asked(AskError),
    Told(u8),
    /// What comes now is of no interest.
    Enough,
}

impl From<AskError> for Halt {
    fn from(error: AskError) -> Self {
        Self::Asked(error)
    }
}

/// Shows each cluster that is asked for, by number, as they come; what `show` fails with ends it.
pub(super) fn each(
    here: &Here,
    asked: &Asked,
    mut show: impl FnMut(u32, Cluster) -> Result<(), u8>,
) -> Result<(), u8> {
    let told = |halt| match halt {
        Halt::Asked(error) => here.cannot_connect(&error),
        Halt::Told(exit) => exit,
        Halt::Enough => 0,
    };
    let mut schedd = here.connect()?;
    if let Finished::Since(_) | Finished::All = asked.finished {
        let all = look_up(&mut schedd, asked).map_err(|error| here.cannot_connect(&error))?;
        return all.into_iter().try_for_each(|(number, cluster)| show(number, cluster));
    }
    let mut other = match asked.finished {
        Finished::OfArrays => Some(here.connect()?),
        Finished::None | Finished::Since(_) | Finished::All => None,
    };
    let mut whole = |(number, mut cluster): (u32, Cluster)| {
        if let Some(schedd) = other.as_mut().filter(|_| cluster.has_begun_array()) {
            let of_it = Asked::numbered(&BTreeSet::from([number]), Finished::All);
            let of_it = Asked { projection: asked.projection.clone(), ..of_it };
            schedd.each_job(of_it.finished(), |ad| {
                cluster.add_finished(ad);
                Ok::<_, AskError>(())
            })?;
        }
        show(number, cluster).map_err(Halt::Told)
    };
    let mut clusters = Clusters::default();
    let streamed = schedd.each_job(asked.queued(), |ad| match clusters.add(ad) {
        Some(complete) => whole(complete),
        None => Ok(()),
    });
    streamed.map_err(told)?;
    clusters.last().map_or(Ok(()), whole).map_err(told)
}

/// All clusters that are asked for.
pub(super) fn look_up(
    schedd: &mut Schedd,
    asked: &Asked,
) -> Result<BTreeMap<u32, Cluster>, AskError> {
    let mut all: BTreeMap<u32, Cluster> = BTreeMap::new();
    // The queue first: a job that ends in between is in both rather than in neither.
    schedd.each_job(asked.queued(), |ad| {
        all.entry(job::number(&ad)).or_default().add_queued(ad);
        Ok::<_, AskError>(())
    })?;
    let since = match asked.finished {
        Finished::None | Finished::OfArrays => return Ok(all),
        Finished::Since(moment) => moment,
        Finished::All => i64::MIN,
    };
    // Last ended first: from the first that is too old on, all are.
    let read = schedd.each_job(asked.finished(), |ad| {
        if job::int(&ad, attr::ENTERED_CURRENT_STATUS).is_some_and(|ended| ended < since) {
            return Err(Halt::Enough);
        }
        all.entry(job::number(&ad)).or_default().add_finished(ad);
        Ok(())
    });
    all.retain(|_, cluster| !cluster.is_deleted());
    match read {
        Ok(()) | Err(Halt::Enough | Halt::Told(_)) => Ok(all),
        Err(Halt::Asked(error)) => Err(error),
    }
}
