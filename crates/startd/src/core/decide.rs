//! Where every input is decided: which file knows what follows.

use model::{ClaimId, Now, ScheddName};
use proto::claiming::ToStartd;

use crate::core::runs::claims::gone;
use crate::core::state::core::{Claim, Core};
use crate::core::words::{Decision, Event, Fact, Input, Rejection};

impl Core {
    /// What follows from an input. Changes nothing.
    ///
    /// # Errors
    ///
    /// If the input is about something that is not so (any more). It is dropped.
    pub fn decide(&self, now: Now, input: &Input) -> Result<Decision, Rejection> {
        let facts = match input {
            Input::ScheddUp { schedd, near, generation } => {
                self.schedd_up(schedd, *near, *generation)?
            }
            Input::ScheddDown { schedd } => vec![Fact::ScheddWent { schedd: schedd.clone() }],
            Input::FromSchedd { schedd, .. } if !self.open => {
                return Err(Rejection::NotReady { schedd: schedd.clone() });
            }
            Input::FromSchedd { schedd, message, fresh } => match message {
                ToStartd::Echo { beat } => self.echo(now, schedd, *beat)?,
                ToStartd::RequestClaim(request) => self.request_claim(now, schedd, request, *fresh),
                ToStartd::StartRun(start) => self.start_run(now, schedd, start)?,
                ToStartd::StopRun { claim, secret, run, ordinal, how, aim } => {
                    let Some(held) = self.claim_of(schedd, *claim, Some(secret))? else {
                        return Ok(decision(now, vec![gone(schedd, *claim)]));
                    };
                    self.stop_run(*claim, held, *run, *ordinal, (*how, *aim))?
                }
                ToStartd::PauseRun { claim, secret, run, pause } => {
                    let Some(held) = self.claim_of(schedd, *claim, Some(secret))? else {
                        return Ok(decision(now, vec![gone(schedd, *claim)]));
                    };
                    Self::pause_run(*claim, held, *run, *pause)?
                }
                ToStartd::RunRecorded { claim, run } => {
                    let held = self.claim_of(schedd, *claim, None)?.ok_or(Rejection::Stale)?;
                    self.run_recorded(*claim, held, *run)?
                }
                // Whoever carries the connection has called for it.
                ToStartd::Visit { .. } => return Err(Rejection::Stale),
                ToStartd::ReleaseClaim { claim, secret } => {
                    match self.claim_of(schedd, *claim, Some(secret))? {
                        None => vec![gone(schedd, *claim)],
                        Some(held) => self.release_claim(*claim, held)?,
                    }
                }
            },
            Input::FromLauncher(message) => self.heard_from_launcher(now, message)?,
            Input::LauncherDown => vec![Fact::LauncherWent],
            Input::FromCarrier(message) => self.heard_from_carrier(message)?,
            Input::DiskMeasured { used, took_ms } => {
                vec![Fact::DiskMeasured { used: used.clone(), took_ms: *took_ms }]
            }
            Input::Measured(measured) => vec![Fact::Measured(*measured)],
            Input::Drain(order) => self.drain(order.as_ref())?,
            Input::Shutdown { graceful } => self.shut_down(*graceful),
            Input::Tick => self.tick(now),
        };
        Ok(decision(now, facts))
    }

    /// The claim, if there is one and it is this schedd's.
    fn claim_of(
        &self,
        schedd: &ScheddName,
        id: ClaimId,
        secret: Option<&model::ClaimSecret>,
    ) -> Result<Option<&Claim>, Rejection> {
        let Some(claim) = self.state.claims.get(&id) else { return Ok(None) };
        let right = claim.schedd == *schedd && secret.is_none_or(|s| s.matches(&claim.secret));
        if right {
            Ok(Some(claim))
        } else {
            Err(Rejection::NotYours { schedd: schedd.clone(), claim: id })
        }
    }

    pub(in crate::core) fn claim_with_secret(
        &self,
        schedd: &ScheddName,
        id: ClaimId,
        secret: &model::ClaimSecret,
    ) -> Result<Option<&Claim>, Rejection> {
        self.claim_of(schedd, id, Some(secret))
    }
}

fn decision(now: Now, facts: Vec<Fact>) -> Decision {
    Decision { events: facts.into_iter().map(|fact| Event { at: now, fact }).collect() }
}
