//! What became of a workflow's jobs, by their ads: for a run that stood where the schedd's record
//! begins no more, because it was kept only for so long. What has left the history as well nobody
//! can tell: such a job counts as removed, and dagman.out says so.

use std::collections::BTreeMap;

use classad::{ClassAd, Value};
use client::asynchronous::Schedd;
use client::{Query, Select};
use model::{ClusterId, JobId, ProcId, Seq, attr};
use proto::command::AskError;

use super::{Engine, all_of};
use crate::core::{Core, Input, JobEnd, JobFact, JobStanding};
use crate::shell::facts::{PROVIDES, PROVISIONER_STATE};

/// What is to be known of a job.
const WANTED: [&str; 11] = [
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::JOB_STATUS,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
    attr::EXIT_CODE,
    attr::EXIT_SIGNAL,
    attr::JOB_MATERIALIZE_NEXT_PROC_ID,
    attr::TOTAL_SUBMIT_PROCS,
    PROVISIONER_STATE,
];

/// HTCondor's numbers in `JobStatus`.
const IDLE: i64 = 1;
const REMOVED: i64 = 3;
const COMPLETED: i64 = 4;
const HELD: i64 = 5;

impl Engine {
    /// Takes the state of all jobs that nodes wait for, and follows the record from there.
    pub(super) async fn take_stock(&mut self) -> Result<(), AskError> {
        // What happens while it is asked is in the record, after this number.
        let seen = self.schedd.totals().await?.seq;
        let Stock { inputs, unknown } = look_up(&self.schedd, &self.core).await?;
        let mut lines = vec![
            "The schedd's record begins later than where this run stood: what became of its jobs is looked up".to_owned(),
        ];
        lines.extend(unknown.iter().map(|job| {
            format!("How job {job} ended is no longer in the history: it counts as removed")
        }));
        self.records.say(super::now().wall, lines);
        self.inputs.extend(inputs);
        self.follow_from(seen.next());
        Ok(())
    }

    fn follow_from(&mut self, next: Seq) {
        self.place.taken = next;
        self.following = self.schedd.follow(next, Select::All);
    }
}

/// What ads say.
#[derive(Debug, Default, PartialEq)]
pub(in crate::shell) struct Stock {
    pub(in crate::shell) inputs: Vec<Input>,
    /// Jobs that are in none.
    unknown: Vec<JobId>,
}

/// What the queue and the history say of the jobs that a workflow's nodes wait for.
pub(in crate::shell) async fn look_up(schedd: &Schedd, core: &Core) -> Result<Stock, AskError> {
    let clusters: Vec<ClusterId> = awaited(core).map(|(_, cluster)| cluster).collect();
    let [mut queued, mut over] = [Vec::new(), Vec::new()];
    for select in all_of(&clusters) {
        for (finished, ads) in [(false, &mut queued), (true, &mut over)] {
            let projection = WANTED.into_iter().map(Into::into).collect();
            let query = Query { finished, projection, ..Query::of(select.clone()) };
            ads.extend(schedd.jobs(query).await?);
        }
    }
    Ok(stock(core, &queued, &over))
}

/// Clusters of which jobs are waited for, with where these stood.
fn awaited(core: &Core) -> impl Iterator<Item = (&[JobStanding], ClusterId)> {
    let queued = core.workflow().nodes().filter_map(|node| core.state(node.index()).queued());
    queued.map(|cluster| (cluster.jobs.as_slice(), cluster.id))
}

/// A job that has ended in between is in both; which of a factory are still to come, only its jobs
/// in the queue say.
fn stock(core: &Core, queued: &[ClassAd], over: &[ClassAd]) -> Stock {
    let mut to_come: BTreeMap<ClusterId, u32> = BTreeMap::new();
    for ad in queued {
        if let Some(job) = client::wait::id(ad)
            && let Some(next) = number(ad, attr::JOB_MATERIALIZE_NEXT_PROC_ID)
        {
            to_come.insert(job.cluster, u32::try_from(next).unwrap_or(u32::MAX));
        }
    }
    let ads = queued.iter().chain(over);
    let known: BTreeMap<JobId, &ClassAd> =
        ads.filter_map(|ad| Some((client::wait::id(ad)?, ad))).collect();
    let mut stock = Stock::default();
    for (jobs, cluster) in awaited(core) {
        let to_come = to_come.get(&cluster).copied().unwrap_or(u32::MAX);
        for (proc, standing) in (0..to_come).zip(jobs) {
            if let JobStanding::Over(_) = standing {
                continue;
            }
            let job = JobId { cluster, proc: ProcId(proc) };
            if known.get(&job).is_some_and(|ad| provides(ad)) {
                stock.inputs.push(Input::Job { job, fact: JobFact::Provides });
            }
            let fact = match known.get(&job) {
                Some(ad) => fact(ad, *standing),
                None => {
                    stock.unknown.push(job);
                    Some(JobFact::Over(JobEnd::Removed))
                }
            };
            stock.inputs.extend(fact.map(|fact| Input::Job { job, fact }));
        }
    }
    stock
}

/// Whether a PROVISIONER's job says that what it provides is there.
fn provides(ad: &ClassAd) -> bool {
    number(ad, PROVISIONER_STATE).is_some_and(|state| state.to_string() == PROVIDES)
}

/// What an ad says of a job that stood there.
fn fact(ad: &ClassAd, standing: JobStanding) -> Option<JobFact> {
    let short = |name| number(ad, name).and_then(|n| i32::try_from(n).ok());
    let text = |name: &str| ad.literal(name).and_then(Value::as_str).unwrap_or_default();
    match number(ad, attr::JOB_STATUS)? {
        COMPLETED => Some(JobFact::Over(match short(attr::EXIT_SIGNAL) {
            Some(signal) => JobEnd::Signaled(signal),
            None => JobEnd::Exited(short(attr::EXIT_CODE).unwrap_or(1)),
        })),
        REMOVED => Some(JobFact::Over(JobEnd::Removed)),
        HELD if standing == JobStanding::Held => None,
        HELD => Some(JobFact::Held {
            reason: text(attr::HOLD_REASON).to_owned(),
            code: short(attr::HOLD_REASON_CODE).unwrap_or(0),
            subcode: short(attr::HOLD_REASON_SUB_CODE).unwrap_or(0),
        }),
        IDLE => match standing {
            JobStanding::Held => Some(JobFact::Released),
            JobStanding::Running => Some(JobFact::Evicted),
            JobStanding::Idle | JobStanding::Over(_) => None,
        },
        _ if standing == JobStanding::Running => None,
        // It runs, or brings its files back.
        _ => Some(JobFact::Executing),
    }
}

fn number(ad: &ClassAd, name: &str) -> Option<i64> {
    ad.literal(name)?.as_i64()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::{Event, Options};
    use crate::workflow::{Builder, NewNode};

    #[test]
    fn what_ads_say_of_jobs_is_taken_and_what_nobody_knows_counts_as_removed() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let node = builder.add_node(&NewNode::job("n", "n.sub")).unwrap();
        let mut core = Core::new(Arc::new(builder.finish()), Options::default());
        core.apply(&Event::Began);
        core.apply(&Event::SubmitBegan { node });
        core.apply(&Event::Submitted { node, cluster: ClusterId(5), jobs: 9 });
        let id = |proc| JobId::new(5, proc);
        let held = JobFact::Held { reason: "r".to_owned(), code: 1, subcode: 0 };
        for (proc, fact) in [(0, JobFact::Over(JobEnd::Exited(0))), (4, held.clone())] {
            core.apply(&Event::Job { node, job: id(proc), fact });
        }
        let ads = [
            "ProcId = 1; JobStatus = 4; ExitCode = 3",
            "ProcId = 2; JobStatus = 4; ExitSignal = 9",
            "ProcId = 3; JobStatus = 5; HoldReason = \"r\"; HoldReasonCode = 1",
            "ProcId = 4; JobStatus = 1",
            "ProcId = 5; JobStatus = 2; JobMaterializeNextProcId = 8",
            "ProcId = 6; JobStatus = 1; ProvisionerState = 2",
        ];
        let ads = ads.map(|ad| ClassAd::parse_new(&format!("[ ClusterId = 5; {ad} ]")).unwrap());
        // It has ended since the queue was asked, and the next is still to come.
        let over = ClassAd::parse_new("[ ClusterId = 5; ProcId = 5; JobStatus = 3 ]").unwrap();
        let stock = stock(&core, &ads, &[over]);
        let facts = [
            (1, JobFact::Over(JobEnd::Exited(3))),
            (2, JobFact::Over(JobEnd::Signaled(9))),
            (3, held),
            (4, JobFact::Released),
            (5, JobFact::Over(JobEnd::Removed)),
            (6, JobFact::Provides),
            (7, JobFact::Over(JobEnd::Removed)),
        ];
        let inputs = facts.map(|(proc, fact)| Input::Job { job: id(proc), fact });
        assert_eq!(stock, Stock { inputs: inputs.into(), unknown: vec![id(7)] });
    }
}
