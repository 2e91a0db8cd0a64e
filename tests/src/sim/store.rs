//! What survives the schedd: rows as the real store keeps them, written and read back through
//! serde, in memory. Stands in for SQLite, so a commit is all or nothing; knows no rules about jobs
//! but that a row is in one place.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::queues::QueueSettings;
use model::{ClaimId, ClusterId, ClusterSpec, JobId, Seq, SubmitToken};
use schedd::core::{
    ClaimRecord, ClusterBody, ClusterRecord, Dirty, JobRecord, Meta, Ranges, Rows, with_reached,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::queues;

#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    clusters: BTreeMap<ClusterId, StoredCluster>,
    jobs: BTreeMap<JobId, String>,
    history: BTreeMap<JobId, String>,
    claims: BTreeMap<ClaimId, String>,
    meta: Option<String>,
    acts: Option<String>,
    settings: Option<String>,
    reached: Option<String>,
    last_seq: Seq,
}

#[derive(Clone, Debug)]
struct StoredCluster {
    token: SubmitToken,
    spec: Vec<u8>,
    procs: u32,
    /// `None`: no job of it is left.
    body: Option<String>,
}

/// Where the jobs of a cluster are: in its row as untouched or to come later, in rows of the queue,
/// in rows of the history.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) untouched: u32,
    pub(crate) queued: u32,
    pub(crate) over: u32,
    pub(crate) later: Ranges,
    pub(crate) paused: bool,
}

impl Store {
    /// An empty one of a schedd that numbers its clusters from here.
    pub(crate) fn from_cluster(next_cluster: ClusterId) -> Self {
        let meta = json(&Meta { next_cluster, ..Meta::default() }).ok();
        Self { meta, settings: json(&queues::settings()).ok(), ..Self::default() }
    }

    /// Writes what a batch changed.
    ///
    /// # Errors
    ///
    /// If the change cannot be that of a sound core: the sentence says why.
    pub(crate) fn commit(&mut self, dirty: &Dirty) -> Result<(), String> {
        for (id, record) in &dirty.new_clusters {
            self.insert_cluster(*id, record)?;
        }
        for (id, body) in &dirty.clusters {
            let stored = self.clusters.get_mut(id);
            let stored = stored.ok_or_else(|| format!("cluster {id} is updated and has no row"))?;
            stored.body = body.as_ref().map(json).transpose()?;
        }
        for (id, record) in &dirty.jobs {
            if self.history.contains_key(id) {
                return Err(format!("job {id} is written after it left the queue"));
            }
            if record.finished.is_some() {
                self.jobs.remove(id);
                self.history.insert(*id, json(record)?);
            } else {
                self.jobs.insert(*id, json(record)?);
            }
        }
        for (id, record) in &dirty.claims {
            match record {
                Some(record) => self.claims.insert(*id, json(record)?),
                None => self.claims.remove(id),
            };
        }
        if let Some(meta) = &dirty.meta {
            self.meta = Some(json(meta)?);
        }
        if let Some(acts) = &dirty.acts {
            self.acts = Some(json(acts)?);
        }
        if let Some(settings) = &dirty.settings {
            self.settings = Some(json(&**settings)?);
        }
        if let Some(reached) = &dirty.reached {
            self.reached = Some(json(reached)?);
        }
        for recorded in &dirty.recorded {
            if recorded.seq <= self.last_seq {
                return Err(format!("event {} is written after {}", recorded.seq, self.last_seq));
            }
            self.last_seq = recorded.seq;
        }
        Ok(())
    }

    /// What a restart finds.
    ///
    /// # Errors
    ///
    /// If a row cannot be read.
    pub(crate) fn load(&self) -> Result<Rows, String> {
        let mut rows = Rows { last_seq: self.last_seq, ..Rows::default() };
        for (id, stored) in &self.clusters {
            match &stored.body {
                None => rows.past_submissions.push((stored.token, *id, stored.procs)),
                Some(body) => rows.clusters.push(ClusterRecord {
                    cluster: *id,
                    token: stored.token,
                    spec: Arc::new(spec(&stored.spec)?),
                    body: parse::<ClusterBody>(body)?,
                }),
            }
        }
        let acts = self.acts.as_ref().map(|row| parse(row)).transpose()?.unwrap_or_default();
        let reached = self.reached.as_ref().map(|row| parse(row)).transpose()?.unwrap_or_default();
        rows.acts = with_reached(acts, &reached);
        rows.jobs = self.jobs.values().map(|row| parse(row)).collect::<Result<_, _>>()?;
        rows.claims = self.claims.values().map(|row| parse(row)).collect::<Result<_, _>>()?;
        rows.meta = self.meta.as_deref().map(parse::<Meta>).transpose()?.unwrap_or_default();
        let settings = self.settings.as_deref().map(parse::<QueueSettings>).transpose()?;
        rows.settings = settings.map(Arc::new);
        Ok(rows)
    }

    pub(crate) fn has_cluster(&self, id: ClusterId) -> bool {
        self.clusters.contains_key(&id)
    }

    /// The claims that the schedd believes to hold.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &ClaimId> {
        self.claims.keys()
    }

    /// The job's row, in the queue or in the history, and whether it is in the history.
    ///
    /// # Errors
    ///
    /// If the row cannot be read.
    pub(crate) fn job(&self, id: JobId) -> Result<Option<(JobRecord, bool)>, String> {
        let row = self.jobs.get(&id).map(|row| (row, false));
        let row = row.or_else(|| self.history.get(&id).map(|row| (row, true)));
        row.map(|(row, over)| Ok((parse(row)?, over))).transpose()
    }

    /// Where the jobs of a cluster are.
    ///
    /// # Errors
    ///
    /// If the cluster's row is not there or cannot be read.
    pub(crate) fn census(&self, id: ClusterId) -> Result<Census, String> {
        let stored = self.clusters.get(&id).ok_or_else(|| format!("cluster {id} has no row"))?;
        let body: Option<ClusterBody> = stored.body.as_deref().map(parse).transpose()?;
        let of_cluster = |rows: &BTreeMap<JobId, String>| {
            let range = JobId::new(id.0, 0)..=JobId::new(id.0, u32::MAX);
            number(rows.range(range).count())
        };
        let untouched = body.as_ref().map_or(0, |body| body.untouched.iter().count());
        Ok(Census {
            untouched: number(untouched),
            queued: of_cluster(&self.jobs),
            over: of_cluster(&self.history),
            paused: body.as_ref().is_some_and(|body| body.paused),
            later: body.map(|body| body.later).unwrap_or_default(),
        })
    }

    fn insert_cluster(&mut self, id: ClusterId, record: &ClusterRecord) -> Result<(), String> {
        let spec = rmp_serde::to_vec_named(&*record.spec).map_err(|error| error.to_string())?;
        let stored = StoredCluster {
            token: record.token,
            spec,
            procs: record.spec.count(),
            body: Some(json(&record.body)?),
        };
        if self.clusters.values().any(|other| other.token == record.token) {
            return Err(format!("cluster {id} is inserted and its token is another cluster's"));
        }
        match self.clusters.insert(id, stored) {
            None => Ok(()),
            Some(_) => Err(format!("cluster {id} is inserted twice")),
        }
    }
}

fn spec(bytes: &[u8]) -> Result<ClusterSpec, String> {
    rmp_serde::from_slice(bytes).map_err(|error| format!("a cluster's spec: {error}"))
}

fn json<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("write a row: {error}"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("read the row {text}: {error}"))
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Store {
    /// The claims' rows, for what a check wants to know of them.
    ///
    /// # Errors
    ///
    /// If a row cannot be read.
    pub(crate) fn claim_records(&self) -> Result<Vec<ClaimRecord>, String> {
        self.claims.values().map(|row| parse(row)).collect()
    }
}
