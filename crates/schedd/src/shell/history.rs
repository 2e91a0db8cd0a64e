//! Reading what is over, beside the engine: finished jobs as ads, newest first, and the record of
//! events. It sees what was committed, and never delays a commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use classad::{ClassAd, Env};
use model::queues::Denied;
use model::{ClusterId, JobId, Seq, UserName, attr};
use proto::client::named::Named as Words;
use proto::client::{Happening, Query, Recorded, Select, Selector};
use proto::clock;

use super::rows;
use crate::core::project;
use crate::core::{ClusterRecord, CoreConfig, HistoryAds};
use crate::shell::store::{HISTORY_PAGE, JobRow, Reader, StoreError};

/// Clusters kept while a history is read: jobs of one stand together, so a few are enough.
const CLUSTERS_KEPT: usize = 64;

/// Reads history and record.
#[derive(Debug, Clone)]
pub(crate) struct History {
    reader: Reader,
    config: CoreConfig,
}

impl History {
    pub(crate) fn new(reader: Reader, config: CoreConfig) -> Self {
        Self { reader, config }
    }

    /// Starts to read finished jobs.
    pub(crate) fn finished<'a>(&'a self, query: &'a Query) -> Reading<'a> {
        let by_id = match &query.select {
            Select::Any(selectors) => by_id(selectors),
            Select::All | Select::Constraint(_) => None,
        };
        let next = match by_id {
            // What ends the reading may be any job.
            Some(ids) if query.until.is_none() && !query.oldest_first => {
                Next::Named(ids.into_iter().map(Named::from).collect())
            }
            _ if query.oldest_first => Next::After(0),
            _ => Next::Before(None),
        };
        Reading {
            history: self,
            query,
            named: named(&query.select),
            next,
            clusters: BTreeMap::new(),
            env: Env::at(clock::now().wall.as_secs()),
        }
    }

    /// Starts to delete the history of these jobs, if it may be done to those of their owners.
    pub(crate) fn deleting<'a, F: Fn(&UserName) -> bool>(
        &'a self,
        jobs: &'a [Selector],
        may: F,
    ) -> Deleting<'a, F> {
        Deleting { history: self, jobs: jobs.iter(), may, left: None }
    }

    /// Starts to look for events that concern the selected jobs.
    pub(crate) fn finding<'a>(&'a self, select: &'a Select) -> Finding<'a> {
        Finding { history: self, select, named: named(select), owners: BTreeMap::new() }
    }
}

/// Finished jobs whose history is being deleted, a page at a time.
pub(crate) struct Deleting<'a, F> {
    history: &'a History,
    jobs: std::slice::Iter<'a, Selector>,
    /// Whether it may be done to jobs of this owner.
    may: F,
    /// What is left of the cluster that was begun.
    left: Option<(ClusterId, VecDeque<u32>)>,
}

impl<F: Fn(&UserName) -> bool> Deleting<'_, F> {
    /// The next rows, as they are to be; or why they may not be.
    pub(crate) async fn page(&mut self) -> Result<Option<Result<Vec<JobRow>, Denied>>, StoreError> {
        let reader = &self.history.reader;
        loop {
            if let Some((cluster, procs)) = self.left.as_mut().filter(|(_, left)| !left.is_empty())
            {
                let count = procs.len().min(usize::from(HISTORY_PAGE));
                let some: Vec<u32> = procs.drain(..count).collect();
                let rows = reader.finished_of(cluster.0, &some).await?;
                let rows: Result<_, _> = rows.iter().map(rows::with_history_deleted).collect();
                return Ok(Some(Ok(rows?)));
            }
            let (cluster, procs) = match self.jobs.next() {
                None => return Ok(None),
                Some(Selector::Cluster(cluster)) => {
                    (*cluster, reader.finished_in(cluster.0).await?)
                }
                Some(Selector::Job(job)) => (job.cluster, vec![job.proc.0]),
                Some(Selector::Owner(_)) => return Ok(Some(Err(Denied::InvalidRequest))),
            };
            let Some(row) = reader.cluster(cluster.0).await? else { continue };
            if !(self.may)(&rows::cluster_record(&row)?.body.owner) {
                return Ok(Some(Err(Denied::NotPermitted)));
            }
            self.left = Some((cluster, procs.into()));
        }
    }
}

/// Events that concern some jobs.
pub(crate) struct Finding<'a> {
    history: &'a History,
    select: &'a Select,
    /// What its words name, if it has words.
    named: Words,
    /// Whose some clusters are.
    owners: BTreeMap<ClusterId, Option<UserName>>,
}

impl Finding<'_> {
    /// Those of the store, from `since` to at most `last`, and where to go on.
    pub(crate) async fn stored(
        &mut self,
        since: Seq,
        last: Seq,
    ) -> Result<(Vec<Recorded>, Seq), StoreError> {
        let reader = &self.history.reader;
        let (page, after) = match clusters_of(self.select) {
            Some(clusters) => {
                let (page, after) = reader.events_of(since.0, last.0, &clusters).await?;
                (page, Seq(after))
            }
            None => {
                let page = reader.events(since.0).await?;
                let after = page.last().map_or(since.next(), |row| Seq(row.seq).next());
                (page, after)
            }
        };
        let mut chosen = Vec::new();
        for row in &page {
            let recorded = rows::recorded(row)?;
            if self.concerns(&recorded).await? {
                chosen.push(recorded);
            }
        }
        Ok((chosen, after))
    }

    /// Those among these, which begin at `since`, and where to go on.
    pub(crate) async fn among(
        &mut self,
        page: &[Arc<Recorded>],
        since: Seq,
    ) -> Result<(Vec<Recorded>, Seq), StoreError> {
        let mut chosen = Vec::new();
        for recorded in page {
            if self.concerns(recorded).await? {
                chosen.push((**recorded).clone());
            }
        }
        Ok((chosen, page.last().map_or(since.next(), |last| last.seq.next())))
    }

    async fn concerns(&mut self, recorded: &Recorded) -> Result<bool, StoreError> {
        let (cluster, job, owner) = match &recorded.what {
            Happening::ClusterSubmitted { cluster, owner, .. } => (*cluster, None, Some(owner)),
            Happening::FactoryEnded { cluster, .. }
            | Happening::JobsWait { cluster, .. }
            | Happening::Reservation { number: cluster, .. } => (*cluster, None, None),
            Happening::Job { job, .. }
            | Happening::JobEdited { job, .. }
            | Happening::JobSaid { job, .. } => (job.cluster, Some(*job), None),
        };
        // A constraint needs the ad as it was at the event, which is not kept: everything is given.
        let Select::Any(_) = self.select else { return Ok(true) };
        let by_number = self.named.clusters.contains(&cluster)
            || match job {
                Some(job) => self.named.jobs.contains(&job),
                None => self.named.jobs_from(JobId::new(cluster.0, 0)).next().is_some(),
            };
        if by_number || self.named.owners.is_empty() {
            return Ok(by_number);
        }
        let owner = match owner {
            Some(owner) => Some(owner.clone()),
            None => self.owner(cluster).await?.cloned(),
        };
        Ok(owner.is_some_and(|owner| self.named.owners.contains(&owner)))
    }

    async fn owner(&mut self, cluster: ClusterId) -> Result<Option<&UserName>, StoreError> {
        if !self.owners.contains_key(&cluster) {
            let row = self.history.reader.cluster(cluster.0).await?;
            let record = row.as_ref().map(rows::cluster_record).transpose()?;
            if self.owners.len() >= CLUSTERS_KEPT {
                self.owners.clear();
            }
            self.owners.insert(cluster, record.map(|record| record.body.owner));
        }
        Ok(self.owners.get(&cluster).and_then(Option::as_ref))
    }
}

/// Finished jobs, a page at a time.
pub(crate) struct Reading<'a> {
    history: &'a History,
    query: &'a Query,
    /// What its words name, if it has words.
    named: Words,
    next: Next,
    clusters: BTreeMap<ClusterId, Arc<ClusterRecord>>,
    env: Env,
}

/// What is read next.
enum Next {
    /// By time, before this event.
    Before(Option<u64>),
    /// By time, the oldest first, after this event.
    After(u64),
    /// What ids name, the last first.
    Named(Vec<Named>),
    Done,
}

/// Jobs that an id names.
enum Named {
    /// All of a cluster that have finished.
    Cluster(ClusterId),
    /// These of a cluster, in this order.
    Jobs(ClusterId, VecDeque<u32>),
}

impl From<(ClusterId, Option<JobId>)> for Named {
    fn from((cluster, job): (ClusterId, Option<JobId>)) -> Self {
        match job {
            Some(job) => Self::Jobs(cluster, VecDeque::from([job.proc.0])),
            None => Self::Cluster(cluster),
        }
    }
}

impl Reading<'_> {
    /// The next ads; `None` when there are no more. A page may be empty.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<ClassAd>>, StoreError> {
        let page = match &mut self.next {
            Next::Done => return Ok(None),
            Next::Before(before) => {
                let page = self.history.reader.finished(*before).await?;
                self.next = page.last().map_or(Next::Done, |row| Next::Before(row.finished));
                page
            }
            Next::After(after) => {
                let page = self.history.reader.finished_after(*after).await?;
                let last = page.last().and_then(|row| row.finished);
                self.next = last.map_or(Next::Done, Next::After);
                page
            }
            Next::Named(named) => match named.pop() {
                None => return Ok(None),
                Some(Named::Cluster(cluster)) => {
                    let procs = self.history.reader.finished_in(cluster.0).await?;
                    named.push(Named::Jobs(cluster, procs.into()));
                    Vec::new()
                }
                Some(Named::Jobs(cluster, mut procs)) => {
                    let count = procs.len().min(usize::from(HISTORY_PAGE));
                    let some: Vec<u32> = procs.drain(..count).collect();
                    if !procs.is_empty() {
                        named.push(Named::Jobs(cluster, procs));
                    }
                    self.history.reader.finished_of(cluster.0, &some).await?
                }
            },
        };
        self.ads(&page).await.map(Some)
    }

    async fn ads(&mut self, page: &[JobRow]) -> Result<Vec<ClassAd>, StoreError> {
        let mut ads = Vec::new();
        let mut at = 0;
        // Neighbours are mostly of one cluster: its shared ad is made once for them.
        while at < page.len() {
            let cluster = page[at].cluster;
            let run = page[at..].iter().take_while(|row| row.cluster == cluster).count();
            if let Some(record) = self.cluster(ClusterId(cluster)).await? {
                let maker = HistoryAds::new(&record, &self.history.config);
                for row in &page[at..at + run] {
                    let is_named = self.is_named(&record, row);
                    if !is_named && self.query.until.is_none() {
                        continue;
                    }
                    let job = rows::job_record(row)?;
                    let ad = maker.ad(&job);
                    if self.ends(&ad) {
                        self.next = Next::Done;
                        return Ok(ads);
                    }
                    if is_named && self.holds(&ad) {
                        ads.push(match self.query.as_described {
                            true => with_id(maker.described(&job), job.job),
                            false => project(&ad, &self.query.projection),
                        });
                    }
                }
            }
            at += run;
        }
        Ok(ads)
    }

    /// Whether a job is among those that are asked for by name: of the others no ad is made.
    fn is_named(&self, cluster: &ClusterRecord, row: &JobRow) -> bool {
        match &self.query.select {
            Select::All | Select::Constraint(_) => true,
            Select::Any(_) => {
                self.named.has(JobId::new(row.cluster, row.proc), &cluster.body.owner)
            }
        }
    }

    /// Whether nothing is read from this job on.
    fn ends(&self, ad: &ClassAd) -> bool {
        let until = self.query.until.as_ref();
        until.is_some_and(|expr| ad.eval_expr(expr, None, &self.env).is_true())
    }

    /// Whether what is asked of each job is so.
    fn holds(&self, ad: &ClassAd) -> bool {
        let holds = |expr: &classad::Expr| ad.eval_expr(expr, None, &self.env).is_true();
        let selected = match &self.query.select {
            Select::Constraint(expr) => holds(expr),
            Select::All | Select::Any(_) => true,
        };
        selected && self.query.constraint.as_ref().is_none_or(holds)
    }

    async fn cluster(
        &mut self,
        cluster: ClusterId,
    ) -> Result<Option<Arc<ClusterRecord>>, StoreError> {
        if let Some(known) = self.clusters.get(&cluster) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(row) = self.history.reader.cluster(cluster.0).await? else { return Ok(None) };
        let record = Arc::new(rows::cluster_record(&row)?);
        if self.clusters.len() >= CLUSTERS_KEPT {
            self.clusters.clear();
        }
        self.clusters.insert(cluster, Arc::clone(&record));
        Ok(Some(record))
    }
}

fn named(select: &Select) -> Words {
    match select {
        Select::Any(words) => Words::of(words),
        Select::All | Select::Constraint(_) => Words::default(),
    }
}

/// A description says of no job which one it is.
fn with_id(mut ad: ClassAd, job: JobId) -> ClassAd {
    ad.set(attr::CLUSTER_ID, i64::from(job.cluster.0));
    ad.set(attr::PROC_ID, i64::from(job.proc.0));
    ad
}

/// The clusters that the selection names, if it names nothing else.
fn clusters_of(select: &Select) -> Option<Vec<u32>> {
    let Select::Any(selectors) = select else { return None };
    by_id(selectors).map(|ids| ids.into_iter().map(|(cluster, _)| cluster.0).collect())
}

/// If every selector is an id, the ids, so that a job is found without reading the whole history.
/// Last asked is read first.
fn by_id(selectors: &[Selector]) -> Option<Vec<(ClusterId, Option<JobId>)>> {
    let id = |selector: &Selector| match selector {
        Selector::Cluster(cluster) => Some((*cluster, None)),
        Selector::Job(job) => Some((job.cluster, Some(*job))),
        Selector::Owner(_) => None,
    };
    selectors.iter().rev().map(id).collect()
}
