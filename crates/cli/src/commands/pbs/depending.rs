//! What has become already of the jobs that a new one depends on. Of those that are in the queue
//! the schedd will see to it; of the others history knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use classad::{ClassAd, Expr, Value};
use jobspec::pbs::{Depend, Indices, Refusal, attribute, code};
use model::depend::{self, Before, Dependency, Part, Progress, Waits};
use model::{ClusterId, HoldCode, JobStatus, ProcId, attr};

use proto::client::Forgotten;

use super::found::{self, Asked, Finished};
use crate::render::jobs::finished;
use crate::render::pbs::job::{Cluster, State};
use crate::render::pbs::{Here, RowKind};

/// How the dependencies stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What is to come.
    waits: Waits,
    /// Who waits for the new job.
    before: Vec<Before>,
    /// With whom only one is to run.
    run_one: BTreeSet<ClusterId>,
    /// Why it can never be.
    never: Option<String>,
}

/// Looks them up. `array` has the indices of the new job, if it is an array.
pub(super) fn look_up(
    here: &Here,
    depend: &Depend,
    array: Option<&Indices>,
) -> Result<Standing, Refusal> {
    let mut standing = Standing::default();
    standing.waits.on = depend.waits.on;
    standing.never = depend
        .elsewhere
        .as_ref()
        .map(|one| format!("{one} can never be: there is no other server here"));
    let waits = depend.waits.others.iter().map(|one| one.on.0);
    let before = depend.before.iter().map(|one| one.job.0);
    let run_one = depend.run_one.iter().map(|(job, _)| job.0);
    let numbers: BTreeSet<u32> = waits.chain(before).chain(run_one).collect();
    if numbers.is_empty() {
        return Ok(standing);
    }
    let mut schedd = here.connect().map_err(Refusal::told)?;
    let known = found::look_up(&mut schedd, &Asked::numbered(&numbers, Finished::All))
        .map_err(|error| Refusal::told(here.cannot_connect(&error)))?;
    let forgotten = match numbers.iter().all(|number| known.contains_key(number)) {
        true => Forgotten::default(),
        false => {
            let told = schedd.totals();
            told.map_err(|error| Refusal::told(here.cannot_connect(&error)))?.forgotten
        }
    };
    let look = LookUp { known: &known, now: here.now, array, forgotten };
    for one in &depend.waits.others {
        look.waits(one, &mut standing)?;
    }
    for one in &depend.before {
        look.before(*one, &mut standing);
    }
    for (job, _) in &depend.run_one {
        look.run_one(*job, &mut standing);
    }
    Ok(standing)
}

struct LookUp<'a> {
    known: &'a BTreeMap<u32, Cluster>,
    now: i64,
    array: Option<&'a Indices>,
    /// What the history has no more, where something was not found.
    forgotten: Forgotten,
}

impl LookUp<'_> {
    fn unknown(&self, one: &dyn Display, job: ClusterId) -> String {
        format!("{one} can never be: {}", finished::no_such_job(job, &self.forgotten))
    }

    fn waits(&self, one: &Dependency, standing: &mut Standing) -> Result<(), Refusal> {
        let Some(cluster) = self.known.get(&one.on.0) else {
            standing.never = Some(self.unknown(one, one.on));
            return Ok(());
        };
        let part = match one.part {
            Part::Index(index) => {
                let proc = cluster.indices().and_then(|indices| indices.position(index));
                let Some(proc) = proc else {
                    standing.never = Some(format!("{one} can never be: there is no such subjob"));
                    return Ok(());
                };
                Part::Proc(ProcId(proc))
            }
            Part::Each(_) => Part::Each(self.offset(one, cluster)?),
            part @ (Part::Whole | Part::Array | Part::Many(_) | Part::Proc(_)) => part,
        };
        let resolved = Dependency { part, ..*one };
        if !cluster.is_over() {
            standing.waits.others.push(resolved);
            return Ok(());
        }
        match resolved.standing(self.progress(cluster, part)) {
            depend::Standing::Met => {}
            depend::Standing::Never | depend::Standing::Waits => {
                let whole = cluster.whole(one.on.0, self.now);
                let how = match (&whole.kind, whole.exit_status) {
                    (RowKind::Array { bad: true, .. }, _) => "has subjobs that failed".to_owned(),
                    (_, Some(status)) => format!("ended with exit status {status}"),
                    (_, None) => "was deleted".to_owned(),
                };
                standing.never = Some(format!("{one} can never be: job {} {how}", one.on));
            }
        }
        Ok(())
    }

    /// By how much the numbers of an array's jobs are greater than those of ours with the same
    /// indices.
    fn offset(&self, one: &Dependency, cluster: &Cluster) -> Result<i64, Refusal> {
        let refused = |why: &str| {
            let message = format!("aftercorr:{} needs {why}", one.number());
            Err(Refusal::new(code::FAILED, message))
        };
        let (Some(ours), Some(theirs)) = (self.array, cluster.indices()) else {
            return refused("two arrays: this job waits as one with afterok");
        };
        let mut offset = None;
        for (nth, index) in (0_i64..).zip(ours.iter()) {
            let Some(proc) = theirs.position(index) else {
                return refused(&format!("a subjob {index} of job {}", one.on));
            };
            let more = i64::from(proc) - nth;
            if *offset.get_or_insert(more) != more {
                return refused("the same indices in the same steps");
            }
        }
        Ok(offset.unwrap_or(0))
    }

    /// What has come of a part of a cluster of which nothing is left in the queue.
    fn progress(&self, cluster: &Cluster, part: Part) -> Progress {
        let whole = cluster.subjobs(0, self.now);
        let status = |job: &crate::render::pbs::Job| job.exit_status == Some(0);
        match part {
            Part::Proc(ProcId(proc)) => {
                let job = usize::try_from(proc).ok().and_then(|nth| whole.get(nth));
                Progress::of_one(true, Some(job.is_some_and(status)))
            }
            Part::Whole | Part::Array | Part::Many(_) | Part::Index(_) | Part::Each(_) => {
                if whole.is_empty() {
                    let well = cluster.whole(0, self.now).exit_status == Some(0);
                    return Progress::of_one(true, Some(well));
                }
                let count = |jobs: usize| u32::try_from(jobs).unwrap_or(u32::MAX);
                let total = count(whole.len());
                let bad = count(whole.iter().filter(|job| !status(job)).count());
                Progress { total, started: total, ended: total, bad }
            }
        }
    }

    fn before(&self, one: Before, standing: &mut Standing) {
        match self.known.get(&one.job.0) {
            None => {
                standing.never = Some(self.unknown(&one, one.job));
            }
            // Nobody waits any more (OpenPBS 23.06 takes it so too).
            Some(cluster) if cluster.is_over() => {}
            Some(cluster) => {
                let job = cluster.whole(one.job.0, self.now);
                let waits = job.text(depend::WAITS_FOR).and_then(depend::read);
                if waits.is_some_and(|waits| waits.on > 0) && job.state == State::Held {
                    standing.before.push(one);
                } else {
                    let why = format!("job {} does not wait for others (on)", one.job);
                    standing.never = Some(format!("{one} can never be: {why}"));
                }
            }
        }
    }

    fn run_one(&self, id: ClusterId, standing: &mut Standing) {
        let Some(cluster) = self.known.get(&id.0) else { return };
        let job = cluster.whole(id.0, self.now);
        if cluster.is_over() && job.exit_status.is_none() {
            return;
        }
        if cluster.is_over() || job.has_begun() {
            standing.never = Some(format!("runone: job {id} runs instead, or has"));
            return;
        }
        standing.run_one.insert(id);
        let others = job.text(depend::RUN_ONE).and_then(depend::read_numbers);
        standing.run_one.extend(others.into_iter().flatten());
    }
}

impl Standing {
    /// Writes it into what is changed of a job, which waits for this and nothing else from now on.
    pub(super) fn alter(&self, changes: &mut ClassAd) {
        changes.set(depend::WAITS_FOR, Expr::from(Value::Undefined));
        self.note(changes);
    }

    /// Writes it into the ad of the new job. One that can never run does not begin meanwhile.
    pub(super) fn note_new(&self, ad: &mut ClassAd) {
        self.note(ad);
        if let Some(never) = &self.never {
            ad.set(attr::JOB_STATUS, JobStatus::Held.number());
            ad.set(attr::HOLD_REASON, format!("{}{never}", depend::REASON));
            ad.set(attr::HOLD_REASON_CODE, i64::from(HoldCode::SubmittedOnHold.number()));
        }
    }

    fn note(&self, ad: &mut ClassAd) {
        if let Some(never) = &self.never {
            ad.set(attr::PERIODIC_REMOVE, true);
            ad.set("PeriodicRemoveReason", format!("{}{never}", depend::REASON));
            return;
        }
        let list = |words: Vec<String>| Some(words.join(",")).filter(|list| !list.is_empty());
        let before = list(self.before.iter().map(ToString::to_string).collect());
        let run_one = list(self.run_one.iter().map(ToString::to_string).collect());
        for (name, text) in [(depend::LETS_GO, before), (depend::RUN_ONE, run_one)] {
            if let Some(text) = text {
                ad.set(name, text);
            }
        }
        if !self.waits.is_empty() {
            ad.set(depend::WAITS_FOR, self.waits.to_string());
        } else if has_waited(ad) {
            // All that it waits for has been.
            for name in [attr::JOB_STATUS, attr::HOLD_REASON, attr::HOLD_REASON_CODE] {
                ad.remove(name);
            }
        }
    }
}

/// Whether an ad is of a job that is held for nothing but others.
fn has_waited(ad: &ClassAd) -> bool {
    let said = ad.literal(attribute::DEPEND).and_then(Value::as_str);
    let waits = said.and_then(Depend::read).is_some_and(|depend| !depend.waits.is_empty());
    let besides = [depend::HELD_BESIDES, attribute::EXECUTION_TIME];
    waits && besides.iter().all(|name| ad.get(name).is_none())
}
