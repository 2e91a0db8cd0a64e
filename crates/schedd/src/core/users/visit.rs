//! Whether a user may visit the machine on which a job of his runs, and which one that is. How he
//! gets there is a shell's matter.

use model::{JobId, MachineName};
use proto::client::Refusal;

use crate::core::state::core::Core;
use crate::core::words::Actor;

impl Core {
    /// The machine on which a job runs, and where that is reached.
    ///
    /// # Errors
    ///
    /// If it does not run, or is somebody else's.
    pub fn place_of_run(&self, by: &Actor, job: JobId) -> Result<(&MachineName, &str), Refusal> {
        let said = |why: &str| format!("visit job {job}: {why}");
        let refused = |why: &str| Refusal::Invalid(said(why));
        let found = self.job(job).ok_or_else(|| refused("it is not in the queue"))?;
        if !by.superuser && *found.cluster.owner() != by.user {
            return Err(refused("it is somebody else's"));
        }
        let claim = found.state().running().map(|running| running.claim);
        let claim = claim.and_then(|claim| self.claims.get(&claim));
        let claim = claim.ok_or_else(|| Refusal::NotRunning(said("it does not run")))?;
        Ok((&claim.record.machine, &claim.record.address))
    }
}
