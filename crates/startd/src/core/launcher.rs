//! What the launcher reports of the runs. A slot is free only when the launcher has said that nothing of its run is left.

use std::collections::BTreeMap;

use model::{RunEnd, Usage};

use crate::core::state::{Claim, Core, Phase};
use crate::core::words::{
    Fact, FromLauncher, LauncherRun, LauncherState, Rejection, RunKey, Stray,
};

impl Core {
    pub(super) fn heard_from_launcher(
        &self,
        message: &FromLauncher,
    ) -> Result<Vec<Fact>, Rejection> {
        match message {
            FromLauncher::Listed(runs) => Ok(self.listed(runs)),
            FromLauncher::Started { key, at, scratch_dir } => match self.alive_with(*key) {
                Some((claim, Phase::Starting)) => Ok(vec![Fact::RunStarted {
                    claim: claim.0,
                    at: *at,
                    scratch_dir: scratch_dir.clone(),
                }]),
                Some((_, Phase::Executing { .. } | Phase::Ended { .. })) => Err(Rejection::Stale),
                None => Ok(vec![Fact::StrayRun { key: *key, stray: Stray::Alive }]),
            },
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
                let ((claim, _), _) = self.alive_with(*key).ok_or(Rejection::Stale)?;
                Ok(vec![Fact::RunUsed { claim, usage: *usage }])
            }
            FromLauncher::Ended { key, end, usage } => match self.claim_with(*key) {
                Some(claim) if claim.alive().is_some() => Ok(ended(*key, claim, end, *usage)),
                Some(claim) if claim.run().is_some() => Err(Rejection::Stale),
                Some(_) | None => Ok(vec![Fact::StrayRun { key: *key, stray: Stray::Ended }]),
            },
        }
    }

    /// Brings what is known in line with what the launcher has. A run that it does not have never reached it, or is lost with an
    /// earlier launcher; either way nothing of it is alive, and it must not be started now.
    fn listed(&self, runs: &[LauncherRun]) -> Vec<Fact> {
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
            let Some(run) = claim.alive() else { continue };
            let key = claim.key(*id);
            match listed.get(&key) {
                None => {
                    let reason = "the machine's launcher does not have it any more".to_owned();
                    facts.extend(ended(key, claim, &RunEnd::Lost { reason }, Usage::default()));
                }
                Some(LauncherState::Ended(end, usage)) => {
                    facts.extend(ended(key, claim, end, *usage));
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

    fn claim_with(&self, key: RunKey) -> Option<&Claim> {
        self.state.claims.get(&key.claim).filter(|claim| claim.last_ordinal == key.ordinal)
    }

    fn alive_with(&self, key: RunKey) -> Option<((model::ClaimId, &Claim), &Phase)> {
        let claim = self.claim_with(key)?;
        claim.run().map(|run| ((key.claim, claim), &run.phase))
    }
}

/// The end of a run, and of its claim if that waits for it.
fn ended(key: RunKey, claim: &Claim, end: &RunEnd, usage: Usage) -> Vec<Fact> {
    let stop = claim.run().and_then(|run| run.stop);
    let end = match (end, stop) {
        // It ended because it was told to, whatever it said in the end. One that was not executed has no end of its own.
        (RunEnd::Program(program), Some(stop)) => {
            RunEnd::Vacated { code: stop.code, ended: usage.started.map(|_| *program) }
        }
        (end, _) => end.clone(),
    };
    let mut facts = vec![Fact::RunEnded { claim: key.claim, end, usage }];
    if let Some(reason) = &claim.doomed {
        facts.push(Fact::ClaimDropped { claim: key.claim, reason: reason.clone() });
    }
    facts
}

fn stray_of(state: &LauncherState) -> Stray {
    match state {
        LauncherState::Starting | LauncherState::Executing { .. } => Stray::Alive,
        LauncherState::Ended(..) => Stray::Ended,
    }
}
