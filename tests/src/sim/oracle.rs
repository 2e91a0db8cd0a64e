//! Stands outside, sees what really happens, and objects. It shares no code with the cores.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Attempt, ClusterId, JobEvent, JobId, JobState, ProcId, Resources, RunEnd, RunId, SubmitToken,
};
use proto::client::{Happening, Recorded};
use startd::core::RunKey;

use super::disk::Disk;

/// How an execution really ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reality {
    Exited(i32),
    Signaled(i32),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    live: BTreeMap<(usize, RunKey), (RunId, Resources)>,
    ended: BTreeMap<RunId, Reality>,
    executed: BTreeSet<RunId>,
    authorised: BTreeSet<RunId>,
    over: BTreeSet<RunId>,
    /// Removed by force: the record may say that a run is over while it is not.
    pub(super) forced: BTreeSet<JobId>,
    accepted: BTreeMap<SubmitToken, (ClusterId, u32)>,
    finals: BTreeMap<JobId, u64>,
}

impl Oracle {
    /// A program is executed.
    pub(super) fn started(
        &mut self,
        machine: usize,
        key: RunKey,
        run: RunId,
        uses: &Resources,
        total: &Resources,
    ) -> Result<(), String> {
        if let Some((other, _)) = self.live.values().find(|(other, _)| other.job == run.job) {
            return Err(format!("run {run} is executed while run {other} is alive"));
        }
        if !self.executed.insert(run) {
            return Err(format!("run {run} is executed twice"));
        }
        if !self.authorised.contains(&run) {
            return Err(format!("run {run} is executed, and no record authorises it"));
        }
        self.live.insert((machine, key), (run, uses.clone()));
        let here = self.live.iter().filter(|((m, _), _)| *m == machine);
        let mut left = Some(total.clone());
        for (_, (_, uses)) in here {
            left = left.and_then(|left| left.minus(uses));
        }
        match left {
            Some(_) => Ok(()),
            None => Err(format!("machine {machine} runs more than it has")),
        }
    }

    /// Nothing of a run is left.
    pub(super) fn ended(&mut self, machine: usize, key: RunKey, how: Reality) {
        if let Some((run, _)) = self.live.remove(&(machine, key)) {
            self.ended.insert(run, how);
        }
    }

    /// A client was told that its cluster is safe.
    pub(super) fn accepted(
        &mut self,
        token: SubmitToken,
        cluster: ClusterId,
        procs: u32,
    ) -> Result<(), String> {
        let others = self.accepted.iter().any(|(t, (c, _))| *t != token && *c == cluster);
        if others {
            return Err(format!("cluster {cluster} was promised to two submissions"));
        }
        match self.accepted.insert(token, (cluster, procs)) {
            Some(before) if before != (cluster, procs) => {
                Err(format!("one submission became clusters {} and {cluster}", before.0))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// An entry of the record was committed.
    pub(super) fn recorded(&mut self, entry: &Recorded) -> Result<(), String> {
        match &entry.what {
            Happening::ClusterSubmitted { .. } => Ok(()),
            Happening::Job { job, event } => self.job_recorded(*job, event),
        }
    }

    fn job_recorded(&mut self, job: JobId, event: &JobEvent) -> Result<(), String> {
        if self.finals.contains_key(&job) {
            return Err(format!("job {job} has {event:?} after its final record"));
        }
        match event {
            JobEvent::RunAuthorised { attempt, .. } => self.run_authorised(job, *attempt),
            JobEvent::RunOver { attempt, end, next, .. } => {
                let run = RunId { job, attempt: *attempt };
                self.run_over(run, end)?;
                match next {
                    model::AfterRun::Complete | model::AfterRun::Remove { .. } => self.finish(job),
                    model::AfterRun::Hold(_) | model::AfterRun::Requeue { .. } => Ok(()),
                }
            }
            JobEvent::Removed { .. } => self.finish(job),
            JobEvent::RunStarted { attempt, .. } => {
                let run = RunId { job, attempt: *attempt };
                if self.executed.contains(&run) {
                    Ok(())
                } else {
                    Err(format!("run {run} is recorded as started, and was not"))
                }
            }
            JobEvent::StopRequested { .. } | JobEvent::Held(_) | JobEvent::Released { .. } => Ok(()),
        }
    }

    fn run_authorised(&mut self, job: JobId, attempt: Attempt) -> Result<(), String> {
        let run = RunId { job, attempt };
        let open = self.authorised.iter().any(|r| r.job == job && !self.over.contains(r));
        if open || !self.authorised.insert(run) {
            return Err(format!("run {run} is authorised while another is"));
        }
        Ok(())
    }

    fn run_over(&mut self, run: RunId, end: &RunEnd) -> Result<(), String> {
        if !self.authorised.contains(&run) || !self.over.insert(run) {
            return Err(format!("run {run} is recorded as over, and was not authorised or is over"));
        }
        let alive = self.live.values().any(|(live, _)| *live == run);
        if alive && !self.forced.contains(&run.job) {
            return Err(format!("run {run} is recorded as {end:?}, and is alive"));
        }
        let real = self.ended.get(&run);
        let true_end = match end {
            RunEnd::Exited { code } => real == Some(&Reality::Exited(*code)),
            RunEnd::Signaled { signal, .. } => real == Some(&Reality::Signaled(*signal)),
            RunEnd::StartFailed(_) => !self.executed.contains(&run),
            RunEnd::Vacated { .. } | RunEnd::Lost { .. } => true,
        };
        if true_end {
            Ok(())
        } else {
            Err(format!("run {run} is recorded as {end:?}; in truth it was {real:?}"))
        }
    }

    fn finish(&mut self, job: JobId) -> Result<(), String> {
        match self.finals.insert(job, 1) {
            None => Ok(()),
            Some(_) => Err(format!("job {job} has two final records")),
        }
    }

    /// Every job that was promised is in the queue or in the history.
    pub(super) fn nothing_lost(&self, disk: &Disk) -> Result<(), String> {
        let lost = self.promised().find(|job| !disk.knows(*job));
        lost.map_or(Ok(()), |job| Err(format!("job {job} was accepted and is lost")))
    }

    /// Jobs that were promised and have no final record.
    pub(super) fn unfinished(&self) -> Vec<JobId> {
        self.promised().filter(|job| !self.finals.contains_key(job)).collect()
    }

    /// How many jobs were promised.
    pub(super) fn promises(&self) -> usize {
        self.promised().count()
    }

    /// How many programs were executed.
    pub(super) fn executions(&self) -> usize {
        self.executed.len()
    }

    /// What the history says at the end is what the record says.
    pub(super) fn history_is_true(&self, disk: &Disk) -> Result<(), String> {
        for job in self.promised() {
            let entry = disk.history.get(&job).ok_or(format!("job {job} is not in the history"))?;
            if !entry.state.is_final() {
                return Err(format!("job {job} is in the history and {:?}", entry.state));
            }
            if let JobState::Completed { end: RunEnd::Exited { code }, .. } = &entry.state {
                let run = RunId { job, attempt: entry.tally.attempt };
                if self.ended.get(&run) != Some(&Reality::Exited(*code)) {
                    return Err(format!("the history has exit {code} for run {run}, in error"));
                }
            }
        }
        Ok(())
    }

    fn promised(&self) -> impl Iterator<Item = JobId> {
        let clusters = self.accepted.values();
        clusters.flat_map(|(cluster, procs)| {
            (0..*procs).map(|proc| JobId { cluster: *cluster, proc: ProcId(proc) })
        })
    }
}
