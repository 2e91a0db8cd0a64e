//! PBS's queues in a world, and what must be true of them, seen from outside: no job of a queue
//! starts while as many run as may, none of an array beyond what the array says itself, and none of
//! a queue that is not started, unless an operator told it to run. Asks no core: which queue a job
//! is in is read from what was submitted and from the record.

use std::collections::{BTreeMap, BTreeSet};

use classad::Value;
use model::queues::{Change, Edit, MOST_RUNNING, Object, QUEUE, QueueSettings, RUN_NOW};
use model::{ClusterId, ClusterSpec, JobId, Piece, Procs, Universe, attr};
use schedd::core::ClusterRecord;

use super::rng::Rng;

/// A queue of whose jobs three may run, and two of one user.
pub(crate) const SMALL: &str = "small";
const SMALL_RUNS: usize = 3;
const SMALL_RUNS_OF_USER: usize = 2;

/// A queue whose jobs do not start.
pub(crate) const SHUT: &str = "shut";

/// What is said of queues in every world.
pub(crate) fn settings() -> QueueSettings {
    let queue = |name: &str, change| Edit { object: Object::Queue(name.to_owned()), change };
    let set = |name: &str, value: String| Change::Set { name: name.to_owned(), value };
    let mut edits = Vec::new();
    for name in [SMALL, SHUT] {
        edits.push(queue(name, Change::Create));
        edits.push(queue(name, set("queue_type", "Execution".to_owned())));
        edits.push(queue(name, set("enabled", "True".to_owned())));
    }
    edits.push(queue(SMALL, set("started", "True".to_owned())));
    let limits = format!("[o:PBS_ALL={SMALL_RUNS}],[u:PBS_GENERIC={SMALL_RUNS_OF_USER}]");
    edits.push(queue(SMALL, set("max_run", limits)));
    let settings = QueueSettings::default().changed(&edits);
    settings.unwrap_or_else(|denied| panic!("the queues of a world: {denied}"))
}

/// Puts a submission into a queue, and may let only so many of its jobs run at a time.
pub(crate) fn draw(rng: &mut Rng, spec: &mut ClusterSpec) {
    if Universe::of(&spec.ad).is_beside() {
        return;
    }
    spec.ad.set(QUEUE, if rng.percent(60) { SMALL } else { model::queues::FIRST_QUEUE });
    if rng.percent(60) {
        spec.ad.set(attr::PBS_WALLTIME, rng.pick(&[20, 120, 600]));
    }
    if matches!(spec.procs, Procs::Counted { .. }) && rng.percent(40) {
        spec.ad.set(MOST_RUNNING, rng.pick(&[1, 2]));
    }
}

/// Lets a job say for itself what only its cluster may.
pub(crate) fn sneak(spec: &mut ClusterSpec, name: &str) {
    match &mut spec.procs {
        Procs::Listed(ads) => ads.iter_mut().take(1).for_each(|ad| ad.set(name, true)),
        Procs::Counted { template, .. } => {
            template.0.push((name.into(), vec![Piece::Text(SHUT.to_owned())]));
        }
    }
}

/// Whether it does.
pub(crate) fn sneaks(spec: &ClusterSpec) -> bool {
    spec.procs.any_own(|name| *name == *QUEUE || *name == *RUN_NOW)
}

/// What submissions and users have said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    queue: BTreeMap<ClusterId, String>,
    most: BTreeMap<ClusterId, usize>,
    told_to_run: BTreeSet<JobId>,
}

/// A job of which a run is authorised and not over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) job: JobId,
    pub(crate) owner: &'a str,
    /// Where: the next run of a slot is authorised while its last one lives, and waits for it
    /// there.
    pub(crate) slot: &'a str,
}

impl Queues {
    pub(crate) fn submitted(&mut self, record: &ClusterRecord) {
        let ad = &record.spec.ad;
        if let Some(queue) = ad.literal(QUEUE).and_then(Value::as_str) {
            self.queue.insert(record.cluster, queue.to_owned());
        }
        let most = ad.literal(MOST_RUNNING).and_then(Value::as_i64);
        if let Some(most) = most.and_then(|most| usize::try_from(most).ok()) {
            self.most.insert(record.cluster, most);
        }
    }

    /// Somebody has set attributes of a job. All jobs of a cluster are in one queue.
    pub(crate) fn edited(&mut self, job: JobId, changes: &BTreeMap<String, String>) {
        for (name, value) in changes {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is(QUEUE) {
                self.queue.insert(job.cluster, value.trim_matches('"').to_owned());
            } else if is(MOST_RUNNING) {
                match value.parse() {
                    Ok(most) => self.most.insert(job.cluster, most),
                    Err(_) => self.most.remove(&job.cluster),
                };
            } else if is(RUN_NOW) {
                self.told_to_run.insert(job);
            }
        }
    }

    /// A run of a job is authorised. `running` has it and all others of its schedd that are matched
    /// to machines.
    pub(crate) fn may_run(&self, job: JobId, running: &[Running<'_>]) -> Result<(), String> {
        let Some(queue) = self.queue.get(&job.cluster) else { return Ok(()) };
        if self.told_to_run.contains(&job) {
            return Ok(());
        }
        if queue == SHUT {
            return Err(format!("job {job} runs, and its queue is not started"));
        }
        let of = |known: &dyn Fn(&Running<'_>) -> bool| {
            let slots = running.iter().filter(|one| known(one)).map(|one| one.slot);
            slots.collect::<BTreeSet<_>>().len()
        };
        let array = of(&|one| one.job.cluster == job.cluster);
        if let Some(most) = self.most.get(&job.cluster).filter(|most| array > **most) {
            return Err(format!("{array} jobs of an array run, of which {most} may; one is {job}"));
        }
        if queue != SMALL {
            return Ok(());
        }
        let owner = running.iter().find(|one| one.job == job).map(|one| one.owner);
        let in_queue =
            |one: &Running<'_>| self.queue.get(&one.job.cluster).is_some_and(|q| q == SMALL);
        let all = of(&in_queue);
        let own = of(&|one| in_queue(one) && Some(one.owner) == owner);
        if all <= SMALL_RUNS && own <= SMALL_RUNS_OF_USER {
            return Ok(());
        }
        Err(format!(
            "{all} jobs of a queue run, {own} of one user, beyond its limits; one is {job}"
        ))
    }
}

/// What a user changes of a job's limit: as many as this may run.
pub(crate) fn most(most: i64, count: u32) -> ClusterSpec {
    let mut ad = classad::ClassAd::new();
    ad.set(MOST_RUNNING, most);
    ad.set(attr::JOB_PRIO, most);
    let template = model::ProcTemplate(Vec::new());
    ClusterSpec { ad, procs: Procs::Counted { count, template } }
}
