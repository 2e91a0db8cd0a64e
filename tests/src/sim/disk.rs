//! The schedd's file: rows, written in whole transactions. What it holds is what a restart finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ClaimId, ClusterId, JobId, Seq};
use proto::client::Recorded;
use schedd::core::{ClaimRecord, ClusterRecord, Dirty, JobRecord, Meta, Rows};

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    clusters: BTreeMap<ClusterId, ClusterRecord>,
    past: Vec<(model::SubmitToken, ClusterId, u32)>,
    jobs: BTreeMap<JobId, JobRecord>,
    claims: BTreeMap<ClaimId, ClaimRecord>,
    meta: Meta,
    last_seq: Seq,
    /// Finished jobs.
    pub(super) history: BTreeMap<JobId, JobRecord>,
}

impl Disk {
    /// Writes a batch. What is wrong with it is said: the real store's constraints.
    pub(super) fn commit(&mut self, dirty: &Dirty) -> Result<(), String> {
        for (id, record) in &dirty.new_clusters {
            let taken = self.clusters.values().any(|known| known.token == record.token)
                || self.past.iter().any(|(token, _, _)| *token == record.token);
            if self.clusters.contains_key(id) || taken {
                return Err(format!("cluster {id} is submitted a second time"));
            }
            self.clusters.insert(*id, ClusterRecord::clone(record));
        }
        for (id, body) in &dirty.clusters {
            match body {
                Some(body) => {
                    let cluster = self.clusters.get_mut(id);
                    cluster.ok_or(format!("cluster {id} has no row"))?.body = body.clone();
                }
                None => {
                    let cluster =
                        self.clusters.remove(id).ok_or(format!("cluster {id} has no row"))?;
                    self.past.push((cluster.token, *id, cluster.spec.count()));
                }
            }
        }
        for (id, job) in &dirty.jobs {
            if self.history.contains_key(id) {
                return Err(format!("job {id} is written after its final record"));
            }
            if job.finished.is_some() {
                self.jobs.remove(id);
                self.history.insert(*id, job.clone());
            } else {
                self.jobs.insert(*id, job.clone());
            }
        }
        for (id, claim) in &dirty.claims {
            match claim {
                Some(claim) => self.claims.insert(*id, claim.clone()),
                None => self.claims.remove(id),
            };
        }
        self.meta = dirty.meta.unwrap_or(self.meta);
        for Recorded { seq, .. } in &dirty.recorded {
            if *seq != self.last_seq.next() {
                return Err(format!("event {seq} follows event {}", self.last_seq));
            }
            self.last_seq = *seq;
        }
        Ok(())
    }

    /// Loses the cluster that was written last. Only a planted bug does that.
    pub(super) fn lose_last_cluster(&mut self) {
        if let Some((id, _)) = self.clusters.pop_last() {
            self.jobs.retain(|job, _| job.cluster != id);
        }
    }

    /// What a restart reads.
    pub(super) fn rows(&self) -> Rows {
        let mut past = self.past.clone();
        past.sort_unstable();
        Rows {
            clusters: self.clusters.values().cloned().collect(),
            jobs: self.jobs.values().cloned().collect(),
            claims: self.claims.values().cloned().collect(),
            meta: self.meta,
            last_seq: self.last_seq,
            past_submissions: past,
        }
    }

    /// As [`Disk::rows`], through the stored form and back.
    pub(super) fn reread(&self) -> Result<Rows, String> {
        fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<T, String> {
            let text = serde_json::to_string(value).map_err(|e| e.to_string())?;
            serde_json::from_str(&text).map_err(|e| e.to_string())
        }
        let mut rows = self.rows();
        for cluster in &mut rows.clusters {
            cluster.body = again(&cluster.body)?;
            cluster.spec = Arc::new(again(&*cluster.spec)?);
        }
        rows.jobs = rows.jobs.iter().map(again).collect::<Result<_, _>>()?;
        rows.claims = rows.claims.iter().map(again).collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Whether a job is in the queue or in the history.
    pub(super) fn knows(&self, job: JobId) -> bool {
        let queued = self.jobs.contains_key(&job)
            || self
                .clusters
                .get(&job.cluster)
                .is_some_and(|cluster| cluster.body.untouched.contains(job.proc));
        queued || self.history.contains_key(&job)
    }
}
