//! Which files of the submitter's a machine may have for a run: whether the run is its own, and
//! what its job names. How they are read and written is a shell's matter.

use model::{ClaimId, Granted, JobId, MachineName, Now, RunId, UserName};
use proto::files::FilesFor;

use crate::core::state::core::Core;

impl Core {
    /// What a machine may read and write for a run; `None` if it is not the run that the claim of
    /// that machine has now.
    pub fn files_for(&self, now: Now, machine: &MachineName, wanted: &FilesFor) -> Option<Granted> {
        if !self.is_run_of(machine, wanted) {
            return None;
        }
        Some(Granted::of(&self.run_ad(now, &self.claims.get(&wanted.claim)?.record)?))
    }

    /// Whose job that is, whose files are read and written for its runs, and the number of who
    /// submitted it, where jobs are many users'.
    pub fn owner_of(&self, job: JobId) -> Option<(&UserName, Option<u32>)> {
        let cluster = self.clusters.get(&job.cluster)?;
        Some((cluster.owner(), cluster.record.body.owner_uid))
    }

    /// Which part of its run that is, and how many there are; `None` if it is not the run that the
    /// claim of that machine has now, or has no parts.
    pub fn part_of(&self, machine: &MachineName, wanted: &FilesFor) -> Option<(u32, u32)> {
        let claim = self.claims.get(&wanted.claim).filter(|_| self.is_run_of(machine, wanted))?;
        let gang = claim.record.gang.as_ref().filter(|gang| gang.ended.is_none())?;
        Some((gang.share.part, gang.share.of))
    }

    /// The run that a claim has and that is not over.
    pub fn run_on(&self, claim: ClaimId) -> Option<RunId> {
        let record = &self.claims.get(&claim)?.record;
        record.run.filter(|_| !record.has_ended())
    }

    /// Whether it is the run that the claim of that machine has now.
    pub fn is_run_of(&self, machine: &MachineName, wanted: &FilesFor) -> bool {
        self.claims.get(&wanted.claim).is_some_and(|claim| {
            let record = &claim.record;
            record.machine == *machine
                && record.secret.matches(&wanted.secret)
                && record.run == Some(wanted.run)
        })
    }
}
