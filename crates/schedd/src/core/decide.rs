//! Where every input is decided: which file knows what follows.

use model::Now;
use proto::client::{Answer, Refusal};

use crate::core::state::core::Core;
use crate::core::words::{ActFact, Decision, Event, Fact, Input, NegotiatorFact, Rejection};

impl Core {
    /// What follows from an input. Changes nothing.
    ///
    /// # Errors
    ///
    /// If a message is about something that is not so (any more). It is dropped. What a client does
    /// wrong is answered.
    pub fn decide(&self, now: Now, input: &Input) -> Result<Decision, Rejection> {
        let facts = match input {
            Input::Reserve { by, token } => return Ok(answered(now, self.reserve(by, *token))),
            Input::Submit { by, token, cluster, spec } => {
                return Ok(answered(now, self.submit(now, by, *token, *cluster, spec)));
            }
            Input::Act { by, action, select, through } => {
                let by = &self.acting_as(by, *through);
                return Ok(match self.long_act(by, action, select, *through) {
                    Ok(None) => answered(now, self.act(now, by, action, select, *through)),
                    Ok(Some(act)) => {
                        decision(now, vec![Fact::Act(ActFact::Began(Box::new(act)))], None)
                    }
                    Err(refusal) => refused(now, refusal),
                });
            }
            Input::Edit { by, select, changes, dry_run } => {
                return Ok(match self.long_edit(by, select, changes, *dry_run) {
                    Ok(Some(facts)) => decision(now, facts, None),
                    Ok(None) => {
                        let (facts, edited) = self.edit(now, by, select, changes);
                        let facts = if *dry_run { Vec::new() } else { facts };
                        answered(now, (facts, Answer::Edited(edited)))
                    }
                    Err(refusal) => refused(now, refusal),
                });
            }
            Input::Arrange { by, what } => return Ok(answered(now, self.arrange(now, by, what))),
            Input::Chirp { by, run, ask } => {
                return Ok(answered(now, self.chirp(now, by, *run, ask)));
            }
            Input::Spool { by, step } => return Ok(answered(now, self.spool_step(now, by, step))),
            Input::NegotiatorUp => vec![Fact::Negotiator(NegotiatorFact::Came)],
            Input::NegotiatorDown => vec![Fact::Negotiator(NegotiatorFact::Went)],
            Input::FromNegotiator(message) => self.negotiator_said(now, message)?,
            Input::FromStartd { machine, message } => self.startd_said(now, machine, message)?,
            Input::StartdDown { machine } => self.startd_down(machine),
            Input::ActOn => return Ok(self.act_on(now)),
            Input::Tick => self.tick(now),
        };
        Ok(decision(now, facts, None))
    }
}

fn answered(now: Now, (facts, answer): (Vec<Fact>, Answer)) -> Decision {
    decision(now, facts, Some(answer))
}

fn refused(now: Now, refusal: Refusal) -> Decision {
    answered(now, (Vec::new(), Answer::Refused(refusal)))
}

fn decision(now: Now, facts: Vec<Fact>, reply: Option<Answer>) -> Decision {
    let events = facts.into_iter().map(|fact| Event { at: now, fact }).collect();
    Decision { events, reply, acted: None }
}
