//! Between the core's records and the store's rows: what is JSON, what is MessagePack, and under
//! which names. Knows no SQL.

use std::sync::Arc;

use model::queues::HISTORY_DELETED;
use model::{ClusterId, ClusterSpec, JobId, Seq, SubmitToken, Timestamp};
use proto::client::{Happening, Recorded};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::mail::Letter;
use crate::core::{ClusterBody, ClusterRecord, Dirty, JobRecord, Rows, with_reached};
use crate::shell::store::{Batch, ClusterRow, EventRow, JobRow, Loaded, NewCluster, StoreError};

/// The name under which the core's numbers are kept.
const NUMBERS: &str = "numbers";

/// The name under which it is kept what is said of queues.
const QUEUES: &str = "queues";

/// The name under which acts are kept that are under way.
const ACTS: &str = "acts";

/// And that under which it is kept how far each has come.
const REACHED: &str = "reached";

/// What a batch changes, as rows.
///
/// # Errors
///
/// If something of ours cannot be written down, which is a defect.
pub(crate) fn to_batch(dirty: &Dirty) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    for record in dirty.new_clusters.values() {
        batch.new_clusters.push(new_cluster(record)?);
    }
    for (cluster, body) in &dirty.clusters {
        let body = body.as_ref().map(json).transpose()?;
        batch.clusters.push(ClusterRow { cluster: cluster.0, body });
    }
    for record in dirty.jobs.values() {
        batch.jobs.push(JobRow {
            cluster: record.job.cluster.0,
            proc: record.job.proc.0,
            finished: record.finished.map(|seq| seq.0),
            body: json(record)?,
        });
    }
    for (claim, record) in &dirty.claims {
        batch.claims.push((claim.to_string(), record.as_ref().map(json).transpose()?));
    }
    if let Some(meta) = &dirty.meta {
        batch.meta.push((NUMBERS, json(meta)?));
    }
    if let Some(settings) = &dirty.settings {
        batch.meta.push((QUEUES, json(&**settings)?));
    }
    if let Some(acts) = &dirty.acts {
        batch.meta.push((ACTS, json(acts)?));
    }
    if let Some(reached) = &dirty.reached {
        batch.meta.push((REACHED, json(reached)?));
    }
    for recorded in &dirty.recorded {
        batch.events.push(event_row(recorded)?);
    }
    Ok(batch)
}

/// Letters as they wait in the file.
pub(crate) fn letters_to_rows(letters: &[(u64, Letter)]) -> Result<Vec<(u64, String)>, StoreError> {
    letters.iter().map(|(id, letter)| Ok((*id, json(letter)?))).collect()
}

pub(crate) fn letters_from_rows(rows: &[(u64, String)]) -> Result<Vec<(u64, Letter)>, StoreError> {
    rows.iter().map(|(id, body)| Ok((*id, parse(body)?))).collect()
}

/// What the store loaded, as the core wants it.
///
/// # Errors
///
/// If a row is not one of ours.
pub(crate) fn from_loaded(loaded: &Loaded) -> Result<Rows, StoreError> {
    let number =
        |key: &str| loaded.meta.iter().find(|(k, _)| k == key).map(|(_, body)| body.as_str());
    Ok(Rows {
        clusters: loaded.clusters.iter().map(cluster_record).collect::<Result<_, _>>()?,
        jobs: loaded.jobs.iter().map(job_record).collect::<Result<_, _>>()?,
        claims: loaded.claims.iter().map(|body| parse(body)).collect::<Result<_, _>>()?,
        meta: number(NUMBERS).map(parse).transpose()?.unwrap_or_default(),
        settings: number(QUEUES).map(parse).transpose()?.map(Arc::new),
        acts: with_reached(
            number(ACTS).map(parse).transpose()?.unwrap_or_default(),
            &number(REACHED).map(parse).transpose()?.unwrap_or_default(),
        ),
        last_seq: Seq(loaded.last_seq),
        past_submissions: loaded
            .past
            .iter()
            .map(|(token, cluster, procs)| (SubmitToken(*token), ClusterId(*cluster), *procs))
            .collect(),
    })
}

/// A cluster's row as the core's record.
///
/// # Errors
///
/// If it is not one of ours.
pub(crate) fn cluster_record(row: &NewCluster) -> Result<ClusterRecord, StoreError> {
    let spec: ClusterSpec = rmp_serde::from_slice(&row.spec)
        .map_err(|e| StoreError::damaged("read what was submitted", e.into()))?;
    let body: ClusterBody = parse(&row.body)?;
    Ok(ClusterRecord {
        cluster: ClusterId(row.cluster),
        token: SubmitToken(row.token),
        spec: Arc::new(spec),
        body,
    })
}

/// A job's row as the core's record.
///
/// # Errors
///
/// If it is not one of ours.
pub(crate) fn job_record(row: &JobRow) -> Result<JobRecord, StoreError> {
    parse(&row.body)
}

/// A finished job's row, with its history deleted.
///
/// # Errors
///
/// If it is not one of ours.
pub(crate) fn with_history_deleted(row: &JobRow) -> Result<JobRow, StoreError> {
    let mut record = job_record(row)?;
    let mut edits = record.edits.take().map(Arc::unwrap_or_clone).unwrap_or_default();
    edits.set(HISTORY_DELETED, true);
    record.edits = Some(Arc::new(edits));
    Ok(JobRow { body: json(&record)?, ..row.clone() })
}

/// An event's row as clients see it.
///
/// # Errors
///
/// If it is not one of ours.
pub(crate) fn recorded(row: &EventRow) -> Result<Recorded, StoreError> {
    Ok(Recorded {
        seq: Seq(row.seq),
        at: Timestamp::from_millis(row.at_ms),
        what: parse(&row.body)?,
    })
}

fn new_cluster(record: &ClusterRecord) -> Result<NewCluster, StoreError> {
    let spec = rmp_serde::to_vec_named(&*record.spec)
        .map_err(|e| StoreError::damaged("write down what was submitted", e.into()))?;
    Ok(NewCluster {
        cluster: record.cluster.0,
        token: record.token.0,
        procs: record.spec.count(),
        spec,
        body: json(&record.body)?,
    })
}

fn event_row(recorded: &Recorded) -> Result<EventRow, StoreError> {
    let (cluster, proc) = match &recorded.what {
        Happening::ClusterSubmitted { cluster, .. }
        | Happening::FactoryEnded { cluster, .. }
        | Happening::Reservation { number: cluster, .. }
        | Happening::JobsWait { cluster, .. } => (cluster.0, None),
        Happening::Job { job: JobId { cluster, proc }, .. }
        | Happening::JobEdited { job: JobId { cluster, proc }, .. }
        | Happening::JobSaid { job: JobId { cluster, proc }, .. } => (cluster.0, Some(proc.0)),
    };
    Ok(EventRow {
        seq: recorded.seq.0,
        at_ms: recorded.at.as_millis(),
        cluster,
        proc,
        body: json(&recorded.what)?,
    })
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::damaged("write down a record", e.into()))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::damaged("read a record", e.into()))
}
