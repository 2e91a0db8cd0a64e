//! What a running job may do for itself (`condor_chirp`). Decides who may speak for a job: the
//! job's owner, as the run that the job has now, if the job said that it wants to. What a set
//! attribute moves is `edit`'s matter.

use std::sync::Arc;

use classad::{AttrName, Expr};
use model::{Now, RunId};
use proto::chirp::{self, ChirpAnswer, ChirpAsk, ChirpRefusal};
use proto::client::{Answer, Edited, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::core::{Core, JobRef};
use crate::core::users::edit::VALUE_BYTES_MAX;
use crate::core::words::{Actor, Fact, JobFact};

/// How the names of attributes begin that may be set late (HTCondor 25.14:
/// `CHIRP_DELAYED_UPDATE_PREFIX`).
const DELAYED_PREFIX: &str = "Chirp";

/// How many of these a job may have (HTCondor 25.14: `CHIRP_DELAYED_UPDATE_MAX_ATTRS`).
const DELAYED_MAX: usize = 100;

/// How many attributes may differ from what was submitted before a job may add no more: its row is
/// written again with each change.
const CHANGED_MAX: usize = 1000;

/// How long a line may be that a job logs.
const LINE_BYTES_MAX: usize = 8 * 1024;

impl Core {
    /// What follows from what a job says of itself.
    pub(crate) fn chirp(
        &self,
        now: Now,
        by: &Actor,
        run: RunId,
        ask: &ChirpAsk,
    ) -> (Vec<Fact>, Answer) {
        let done = self.speaker(now, by, run).and_then(|job| match ask {
            ChirpAsk::Get { name, is_delayed } => {
                check_delayed(name, *is_delayed)?;
                let value = ads::job_ad(job, now, self).get(name.as_str()).cloned();
                Ok((Vec::new(), ChirpAnswer::Value(value)))
            }
            ChirpAsk::Set { name, value, is_delayed } => {
                check_delayed(name, *is_delayed)?;
                check_size(job, name, value, *is_delayed)?;
                let facts = self.set_by_job(now, by, run, name, value)?;
                Ok((facts, ChirpAnswer::Done))
            }
            ChirpAsk::Log(text) => {
                check_line(text)?;
                let said = Fact::Job {
                    job: run.job,
                    fact: JobFact::Said { text: Arc::from(text.as_str()) },
                };
                Ok((vec![said], ChirpAnswer::Done))
            }
        });
        let (facts, answer) =
            done.unwrap_or_else(|refusal| (Vec::new(), ChirpAnswer::Refused(refusal)));
        (facts, Answer::Chirped(answer))
    }

    /// The job, if it is the caller's, has this run, and said that it calls.
    fn speaker(&self, now: Now, by: &Actor, run: RunId) -> Result<JobRef<'_>, ChirpRefusal> {
        // Who may do everything to a job is not the job.
        let own = self.job(run.job).filter(|job| *job.cluster.owner() == by.user);
        let job = own.ok_or(ChirpRefusal::NotYours(run.job))?;
        if job.state().running().is_none_or(|running| running.attempt != run.attempt) {
            return Err(ChirpRefusal::RunOver(run));
        }
        let wants = job.has(chirp::WANTED)
            && job.described().eval(chirp::WANTED, None, &env(now)).is_true();
        if wants { Ok(job) } else { Err(ChirpRefusal::NotWanted(run.job)) }
    }

    /// As an edit by its owner.
    fn set_by_job(
        &self,
        now: Now,
        by: &Actor,
        run: RunId,
        name: &AttrName,
        value: &Expr,
    ) -> Result<Vec<Fact>, ChirpRefusal> {
        let select = Select::Any(vec![Selector::Job(run.job)]);
        let (facts, edited) = self.edit(now, by, &select, &[(name.clone(), value.clone())]);
        match edited {
            Edited::Done(_) => Ok(facts),
            Edited::Immutable(name) | Edited::KeepsFiles(name) => {
                Err(ChirpRefusal::Immutable(name))
            }
            Edited::NoPriority(name) => Err(ChirpRefusal::NoPriority(name)),
            Edited::TooLong { name, limit } => {
                Err(ChirpRefusal::Limit { what: format!("set {name}"), limit })
            }
            Edited::TooMuch { limit, .. } => {
                Err(ChirpRefusal::Limit { what: format!("set {name} beside all others"), limit })
            }
            Edited::NoJobs | Edited::NotThisJob(_) => Err(ChirpRefusal::NotYours(run.job)),
        }
    }
}

fn is_delayed_name(name: &AttrName) -> bool {
    let head = name.as_str().get(..DELAYED_PREFIX.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(DELAYED_PREFIX))
}

fn check_delayed(name: &AttrName, is_delayed: bool) -> Result<(), ChirpRefusal> {
    if is_delayed && !is_delayed_name(name) {
        let prefix = DELAYED_PREFIX.to_owned();
        return Err(ChirpRefusal::NotDelayed { name: name.clone(), prefix });
    }
    Ok(())
}

/// A job cannot make its row longer and longer.
fn check_size(
    job: JobRef<'_>,
    name: &AttrName,
    value: &Expr,
    is_delayed: bool,
) -> Result<(), ChirpRefusal> {
    let exceeds = |what: String, limit| Err(ChirpRefusal::Limit { what, limit });
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES_MAX {
        return exceeds(format!("set {name} to a value of {bytes} bytes"), VALUE_BYTES_MAX);
    }
    let Some(edits) = job.edits().filter(|edits| edits.get(name.as_str()).is_none()) else {
        return Ok(());
    };
    let delayed = edits.iter().filter(|(name, _)| is_delayed_name(name)).count();
    if is_delayed && delayed >= DELAYED_MAX {
        let what = format!("set {name} beside {delayed} others that begin with {DELAYED_PREFIX}");
        return exceeds(what, DELAYED_MAX);
    }
    let changed = edits.iter().count();
    if changed >= CHANGED_MAX {
        return exceeds(format!("set {name} beside {changed} others"), CHANGED_MAX);
    }
    Ok(())
}

fn check_line(text: &str) -> Result<(), ChirpRefusal> {
    if text.len() > LINE_BYTES_MAX {
        let what = format!("log a text of {} bytes", text.len());
        return Err(ChirpRefusal::Limit { what, limit: LINE_BYTES_MAX });
    }
    if text.contains(['\n', '\r']) { Err(ChirpRefusal::SeveralLines) } else { Ok(()) }
}
