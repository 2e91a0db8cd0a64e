//! What the launcher reports of the runs. A slot is free only when the launcher has said that
//! nothing of its run is left.

use std::collections::BTreeMap;

use model::{
    Now, RunEnd, Usage,
    planted::{Bug, planted},
};

use crate::core::records::keys::RunKey;
use crate::core::state::core::{Claim, Core, Phase};
use crate::core::words::{Fact, FromLauncher, LauncherRun, LauncherState, Rejection, Stray};

impl Core {
    pub(in crate::core) fn heard_from_launcher(
        &self,
        now: Now,
        message: &FromLauncher,
    ) -> Result<Vec<Fact>, Rejection> {
        match message {
            FromLauncher::Listed(runs) => Ok(self.listed(now, runs)),
            FromLauncher::Started { key, at, scratch_dir } => {
                let Some(run) = self.claim_with(*key).and_then(Claim::run) else {
                    return Ok(vec![Fact::StrayRun { key: *key, stray: Stray::Alive }]);
                };
                match run.phase {
                    Phase::Starting => Ok(vec![Fact::RunStarted {
                        claim: key.claim,
                        at: *at,
                        scratch_dir: scratch_dir.clone(),
                    }]),
                    Phase::Queued
                    | Phase::Fetching(_)
                    | Phase::Waiting(_)
                    | Phase::Executing { .. }
                    | Phase::Storing(_)
                    | Phase::Ended { .. } => Err(Rejection::Stale),
                }
            }
            FromLauncher::Paused { key, pause, processes } => {
                let claim = self.claim_with(*key).ok_or(Rejection::Stale)?;
                match claim.alive() {
                    Some(run) if run.pause == *pause && run.stop.is_none() => {
                        let (pause, processes) = (*pause, *processes);
                        Ok(vec![Fact::RunPaused { claim: key.claim, pause, processes }])
                    }
                    Some(_) | None => Err(Rejection::Stale),
                }
            }
            FromLauncher::Used { key, usage } => {
                let claim = self.claim_with(*key).ok_or(Rejection::Stale)?;
                claim.alive().ok_or(Rejection::Stale)?;
                let usage = self.disk_of(*key).within(*usage);
                Ok(vec![Fact::RunUsed { claim: key.claim, usage }])
            }
            FromLauncher::Ended { key, end, usage } => {
                let claim = self.claim_with(*key).filter(|claim| claim.run().is_some());
                let Some(claim) = claim else {
                    return Ok(vec![Fact::StrayRun { key: *key, stray: Stray::Ended }]);
                };
                match claim.alive().filter(|run| run.is_with_launcher()) {
                    Some(run) => Ok(self.program_over(now, key.claim, claim, run, (end, *usage))),
                    None => Err(Rejection::Stale),
                }
            }
        }
    }

    /// Brings what is known in line with what the launcher has. A run that it does not have never
    /// reached it, or is lost with an earlier launcher; either way nothing of it is alive, and it
    /// must not be started now.
    fn listed(&self, now: Now, runs: &[LauncherRun]) -> Vec<Fact> {
        let listed: BTreeMap<RunKey, &LauncherState> =
            runs.iter().map(|run| (run.key, &run.state)).collect();
        let mut facts = Vec::new();
        let mut strays = Vec::new();
        for (key, state) in &listed {
            if self.claim_with(*key).is_none_or(|claim| claim.run().is_none()) {
                strays.push((*key, stray_of(state)));
            }
        }
        for (id, claim) in &self.state.claims {
            // The launcher knows nothing yet of one whose files are brought, and nothing more of
            // one whose files are brought back.
            let Some(run) = claim.alive().filter(|run| run.is_with_launcher()) else { continue };
            match listed.get(&claim.key(*id)) {
                None => {
                    let reason = "the machine's launcher does not have it any more".to_owned();
                    facts.extend(self.over(*id, claim, RunEnd::Lost { reason }, Usage::default()));
                }
                Some(LauncherState::Ended(..)) if planted(Bug::ListedEndNotRead) => {}
                Some(LauncherState::Ended(end, usage)) => {
                    facts.extend(self.program_over(now, *id, claim, run, (end, *usage)));
                }
                Some(LauncherState::Executing { at, scratch_dir }) => {
                    if run.phase == Phase::Starting {
                        let (at, scratch_dir) = (*at, scratch_dir.clone());
                        facts.push(Fact::RunStarted { claim: *id, at, scratch_dir });
                    }
                }
                Some(LauncherState::Starting) => {}
            }
        }
        facts.push(Fact::LauncherListed { strays });
        facts
    }
}

fn stray_of(state: &LauncherState) -> Stray {
    match state {
        LauncherState::Starting | LauncherState::Executing { .. } => Stray::Alive,
        LauncherState::Ended(..) => Stray::Ended,
    }
}
