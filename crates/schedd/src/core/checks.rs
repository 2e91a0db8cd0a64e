//! Recomputes from scratch what `apply` keeps in step. Tests and the simulator call it after every
//! event.

use std::collections::BTreeMap;

use model::{JobId, JobState, Now, Universe};
use proto::client::Counts;

use crate::core::state::core::{Claim, Claiming, Cluster, Core};
use crate::core::state::gangs::Members;

impl Core {
    /// Says what is inconsistent, if anything is.
    ///
    /// # Errors
    ///
    /// A sentence for the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.check_clusters()?;
        self.check_runs()?;
        self.check_machines()?;
        self.check_against_fresh()
    }

    fn check_clusters(&self) -> Result<(), String> {
        for (id, cluster) in &self.clusters {
            let queued = cluster.untouched.len() + cluster.jobs.len() as u64;
            let all = queued + cluster.later.len();
            if all != u64::from(cluster.left) || all == 0 {
                return Err(format!("cluster {id} has {all} jobs, and counts {}", cluster.left));
            }
            let waiting = cluster.procs().filter(|job| waits(&job.state())).count() as u64;
            if waiting != cluster.waiting {
                return Err(format!(
                    "in cluster {id} {waiting} jobs wait, and it counts {}",
                    cluster.waiting
                ));
            }
            let grows = cluster.is_factory() && !cluster.paused;
            if grows != self.factories.contains(id) {
                return Err(format!("cluster {id} and the list of factories differ"));
            }
            if let Some(both) = cluster.jobs.keys().find(|proc| cluster.untouched.contains(**proc))
            {
                return Err(format!("job {id}.{both} has a record and is untouched"));
            }
            if *id >= self.meta.next_cluster {
                return Err(format!(
                    "cluster {id} is not below the next, {}",
                    self.meta.next_cluster
                ));
            }
        }
        Ok(())
    }

    /// A claim has a run exactly if a job has that run on that claim.
    fn check_runs(&self) -> Result<(), String> {
        let mut on_claims = BTreeMap::new();
        for job in self.clusters.values().flat_map(|cluster| cluster.jobs.values()) {
            if let Some(running) = job.state.running() {
                let run = model::RunId { job: job.job, attempt: running.attempt };
                if job.tally.attempt != running.attempt {
                    return Err(format!("run {run} is not the job's last attempt"));
                }
                if let Some(other) = on_claims.insert(running.claim, run) {
                    return Err(format!("runs {other} and {run} are on one claim"));
                }
            }
        }
        for (id, claim) in &self.claims {
            if claim.record.run.is_some() && self.is_promised(claim) {
                continue;
            }
            if claim.record.is_other_part() {
                self.check_part(claim)?;
                continue;
            }
            if claim.record.run != on_claims.remove(id) {
                return Err(format!("claim {id} has run {:?}, no job says so", claim.record.run));
            }
        }
        self.check_promises()?;
        self.check_ahead()?;
        match on_claims.first_key_value() {
            Some((claim, run)) => Err(format!("run {run} is on claim {claim}, which is not ours")),
            None => Ok(()),
        }
    }

    /// A part of a run has that run exactly if its first claim has.
    fn check_part(&self, claim: &Claim) -> Result<(), String> {
        let record = &claim.record;
        let gang = record.gang.as_ref().and_then(|gang| self.gangs.get(gang.share.gang));
        let first = gang.and_then(Members::first).and_then(|first| self.claims.get(&first));
        let run = first.and_then(|first| first.record.run);
        if record.run == run {
            return Ok(());
        }
        Err(format!("claim {} has run {:?}, and its first has {run:?}", record.claim, record.run))
    }

    /// The next run can be promised on each claim without one on a slot with one, if the last there
    /// was short.
    fn check_ahead(&self) -> Result<(), String> {
        for (id, claim) in &self.claims {
            let busy = self.companions(*id).any(|(_, other)| other.record.run.is_some());
            let ready = claim.record.run.is_none() && busy && claim.brisk;
            let class = self.classes.with_key(&claim.record.class_key);
            if class.is_some_and(|class| class.ahead.contains(id)) != ready {
                return Err(format!("claim {id} is ready for the next run of its slot: {ready}"));
            }
        }
        Ok(())
    }

    /// A promise is a run on a claim whose job is idle and waits for nothing else.
    fn check_promises(&self) -> Result<(), String> {
        for (job, claim) in self.promises.iter() {
            let run = self.claims.get(&claim).and_then(|claim| claim.record.run);
            let is_next = self.job(job).zip(run).is_some_and(|(held, run)| {
                let after = held.record().tally.attempt.0 < run.attempt.0;
                run.job == job && after && matches!(held.state(), JobState::Idle { .. })
            });
            if !is_next || self.backing_off.contains_key(&job) {
                return Err(format!("job {job} is promised {run:?} on claim {claim}"));
            }
        }
        for (job, claim) in self.promises.early() {
            let state = self.job(job).map(|job| job.state());
            let waits = matches!(&state, Some(JobState::Running(running))
                if running.claim == claim && running.executing.is_none());
            if !waits {
                return Err(format!(
                    "the run of job {job} waits on claim {claim}, and it is {state:?}"
                ));
            }
        }
        Ok(())
    }

    fn check_machines(&self) -> Result<(), String> {
        let mut claims = 0;
        let mut claiming = 0;
        for (name, machine) in &self.machines {
            claims += machine.claims.len();
            claiming += machine.claiming.len();
            let theirs = |id| self.claims.get(id).is_some_and(|c| c.record.machine == *name);
            if !machine.claims.iter().all(theirs) {
                return Err(format!("machine {name} is said to hold a claim that it does not"));
            }
            let mut leases: BTreeMap<u32, u32> = BTreeMap::new();
            for claim in machine.claims.iter().filter_map(|id| self.claims.get(id)) {
                *leases.entry(claim.record.lease_s).or_default() += 1;
            }
            if machine.leases != leases {
                return Err(format!("{name} has the leases {leases:?}, not {:?}", machine.leases));
            }
        }
        if (claims, claiming) != (self.claims.len(), self.claiming.len()) {
            return Err("the machines do not hold the claims".to_owned());
        }
        self.check_beside()
    }

    /// What is counted of jobs that run beside the schedd.
    fn check_beside(&self) -> Result<(), String> {
        let count = |universes: &mut dyn Iterator<Item = Universe>| {
            let mut counts: BTreeMap<Universe, u32> = BTreeMap::new();
            universes.filter(|u| u.is_beside()).for_each(|u| *counts.entry(u).or_default() += 1);
            counts
        };
        let busy = self.claims.values().filter(|claim| claim.record.run.is_some());
        let running = count(&mut busy.map(|claim| claim.record.universe));
        let asked = count(&mut self.claiming.values().map(|claiming| claiming.universe));
        if self.beside.counted() != [&running, &asked] {
            return Err(format!("{:?} are counted, {running:?} and {asked:?} are", self.beside));
        }
        let waiting = self
            .classes
            .by_id
            .iter()
            .filter(|(_, class)| class.universe.is_beside() && class.idle.count() > 0);
        if !waiting.map(|(id, _)| id).eq(&self.classes.beside) {
            return Err("the classes that wait for a place beside the schedd are others".to_owned());
        }
        Ok(())
    }

    /// Everything that is made from the rows is what the rows make.
    fn check_against_fresh(&self) -> Result<(), String> {
        let mut fresh = Self::new(self.config.clone());
        fresh.classes.significant.clone_from(&self.classes.significant);
        let rows = self.rows();
        for record in rows.clusters {
            fresh.index_cluster(&std::sync::Arc::new(record));
        }
        for record in rows.jobs {
            let backoff = self.backing_off.get(&record.job).copied();
            let (job, state) = (record.job, record.state.clone());
            if let Some(cluster) = fresh.clusters.get_mut(&job.cluster) {
                cluster.jobs.insert(job.proc, record);
            }
            fresh.sort_edited(job);
            fresh.enter(job, &state, backoff);
        }
        for claim in rows.claims {
            fresh.index_claim(claim, Now::default());
        }
        if (&fresh.counts, fresh.all) != (&self.counts, self.all)
            || !same_counts(&fresh.by_universe, &self.by_universe)
        {
            return Err(format!("counts are {:?}, the jobs make {:?}", self.counts, fresh.counts));
        }
        if fresh.gangs.held() != self.gangs.held() {
            return Err("the claims that belong together are not those listed".to_owned());
        }
        if fresh.queued != self.queued {
            let (kept, made) = (&self.queued, &fresh.queued);
            return Err(format!("the queues are counted as {kept:?}, the rows make {made:?}"));
        }
        if fresh.expanding != self.expanding {
            return Err(
                "the clusters that take something from their machines are not those listed"
                    .to_owned(),
            );
        }
        if !self.whose.covers(&fresh.whose) {
            return Err("what is known of whose the clusters are is not what they say".to_owned());
        }
        if fresh.timed != self.timed {
            return Err(
                "the clusters with jobs that start at a time are not those listed".to_owned()
            );
        }
        if fresh.retrying != self.retrying {
            return Err("the held jobs that are tried again are not those listed".to_owned());
        }
        // One too many does no harm: the job with the policy may have left.
        if !fresh.watched.is_subset(&self.watched) {
            return Err("the clusters with policies are not those listed".to_owned());
        }
        if fresh.staying != self.staying {
            return Err("the finished jobs that stay are not those listed".to_owned());
        }
        let ends: std::collections::BTreeSet<(u64, JobId)> =
            self.backing_off.iter().map(|(job, ms)| (*ms, *job)).collect();
        if ends != self.backoff_ends {
            return Err("the two indexes of back-off differ".to_owned());
        }
        if let Some(job) = self.backing_off.keys().find(|job| !self.is_idle(**job)) {
            return Err(format!("job {job} backs off and is not idle"));
        }
        self.check_classes(&fresh)
    }

    fn check_classes(&self, fresh: &Self) -> Result<(), String> {
        if self.classes.runs != fresh.classes.runs {
            let (kept, made) = (&self.classes.runs, &fresh.classes.runs);
            return Err(format!("the runs are counted as {kept:?}, the rows make {made:?}"));
        }
        for class in self.classes.by_id.values() {
            let counts = |c: &&Claiming| c.counts() && c.class_key == class.key;
            let claiming = self.claiming.values().filter(counts).count();
            if u64::from(class.claiming) != claiming as u64 {
                return Err(format!("a class counts {} claimings of {claiming}", class.claiming));
            }
            let made = fresh.classes.with_key(&class.key);
            let same = match made {
                Some(made) => {
                    (&made.idle, &made.free, &made.busy, made.claims)
                        == (&class.idle, &class.free, &class.busy, class.claims)
                }
                None => class.idle.count() == 0 && class.claims == 0,
            };
            if !same {
                return Err(format!("class {} is {class:?}, the rows make {made:?}", class.key));
            }
        }
        let missing =
            fresh.classes.by_id.values().find(|c| self.classes.with_key(&c.key).is_none());
        match missing {
            Some(class) => Err(format!("class {} is missing", class.key)),
            None => Ok(()),
        }
    }

    fn is_idle(&self, job: JobId) -> bool {
        let cluster: Option<&Cluster> = self.clusters.get(&job.cluster);
        let record = cluster.and_then(|cluster| cluster.jobs.get(&job.proc));
        record.is_some_and(|record| matches!(record.state, JobState::Idle { .. }))
    }
}

/// A universe whose jobs have all gone may be counted as none.
fn same_counts(one: &BTreeMap<Universe, Counts>, other: &BTreeMap<Universe, Counts>) -> bool {
    let some = |counts: &BTreeMap<Universe, Counts>| -> Vec<(Universe, Counts)> {
        let counts = counts.iter().map(|(universe, counts)| (*universe, *counts));
        counts.filter(|(_, counts)| *counts != Counts::default()).collect()
    };
    some(one) == some(other)
}

fn waits(state: &JobState) -> bool {
    matches!(state.status(), model::JobStatus::Idle | model::JobStatus::Held)
}
