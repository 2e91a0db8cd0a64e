//! Directed worlds: for each planted bug, what has to happen for its rule to be broken, step by
//! step. Chance still draws how long messages, commits and kills take, so that a scenario is a
//! family of worlds; what users and faults do is written here and does not depend on the workload
//! of the day.

use std::sync::Arc;

use classad::ClassAd;
use model::planted::Bug;
use model::{ClusterSpec, HoldCode, MachineName, Resources, Universe, UserName, attr};
use proto::client::Action;
use schedd::core::Actor;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::dag::host::DagDoom;
use super::dag::plan::{DagPlan, NodePlan};
use super::event::{Daemon, Event, Link, Side};
use super::jobs::{Job, SIM_END, SIM_FILES_MS, SIM_RUN_MS, job};
use super::life::Death;
use super::machine::MachineKind;
use super::plant::Plant;
use super::queues;
use super::schedd::first_cluster;
use super::users::Wanted;
use super::workload::SIM_IGNORES_TERM;
use super::world::World;

/// How often a step looks whether its time has come.
const LOOK_EVERY: Micros = 20 * MILLISECOND;

/// How long a step waits for it: what has not come then was stopped by the bug, and the end of the
/// world says by what.
const PATIENCE: Micros = 300 * SECOND;

/// Longer than any world lasts.
const FOR_EVER_MS: i64 = 1_000_000_000;

const MINUTE: Micros = 60 * SECOND;

/// What is done, and when: each step waits for the one before it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) machines: Vec<MachineKind>,
    steps: Vec<(When, Deed)>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// So long after the step before.
    After(Micros),
    /// When so many programs execute.
    Live(usize),
    /// When so many jobs are final.
    Final(u64),
    /// When files of a run are being brought.
    Fetching,
    /// When files of a run are being brought back.
    Storing,
}

#[derive(Clone, Debug)]
enum Deed {
    Submit(Box<ClusterSpec>),
    /// The same token again.
    SubmitAgain,
    Act(Action),
    Crash(Daemon),
    /// Somebody copies the queue of the first schedd.
    Keep,
    /// He puts the copy in the place of the queue, and the schedd starts on it.
    PutBack,
    /// An operator tells the jobs of the first submission to run now.
    RunNow,
    /// Somebody wants a reservation of the first schedd.
    Book(Wanted),
    /// He wants another window for the first one.
    Rebook(Wanted),
    /// The first machine is paused for so long.
    Pause(Micros),
    /// The first machine is off for some seconds.
    Reboot,
    /// Nothing reaches these ends of the first machine's link to the schedd for so long; the
    /// connection survives.
    Block(&'static [Side], Micros),
    /// The same, and the connection does not.
    Cut(Micros),
    /// The first schedd hears nothing for so long of the machine where something runs, nor it of
    /// the schedd.
    CutBusy(Micros),
    /// The first machine's startd and its launcher hear nothing of each other for so long.
    CutLauncher(Micros),
    /// What the negotiator says to the first schedd arrives after so long; the connection survives.
    HoldMatches(Micros),
    /// A DAG begins.
    Dag(Box<DagPlan>),
    /// dagman dies in its next batch.
    DoomDag(DagDoom),
}

use Deed::{
    Act, Block, Book, Crash, Cut, CutBusy, CutLauncher, Dag, DoomDag, HoldMatches, Keep, Pause,
    PutBack, Rebook, Reboot, RunNow, Submit, SubmitAgain,
};
use When::{After, Fetching, Final, Live, Storing};

impl Scenario {
    /// The world that shows this bug. Those around the cores show in any world.
    pub(crate) fn of(plant: Plant) -> Option<Self> {
        let machines = match plant {
            // Where the run is, and where a second one may be.
            Plant::Inside(Bug::FenceNotKept | Bug::GangHalfStarted | Bug::PartLeftRunning) => {
                vec![machine(0, 1), machine(1, 1)]
            }
            Plant::Inside(Bug::GangBeginsLate) => vec![machine(0, 1), machine(1, 2)],
            _ => vec![machine(0, 4)],
        };
        let steps = match plant {
            Plant::Inside(bug) => steps_for(bug),
            Plant::PausedGuest => vec![
                submit(job(FOR_EVER_MS)),
                (Live(1), Pause(2 * MINUTE)),
                (After(4 * MINUTE), Act(remove())),
            ],
            Plant::TwoRuns
            | Plant::LostSubmit
            | Plant::SlotNeverFreed
            | Plant::AnswerBeforeCommit
            | Plant::FinalTwice => return None,
        };
        Some(Self { machines, steps })
    }
}

/// Files are under way when nobody hears of their machine for longer than the lease.
fn a_long_copy_and_a_cut() -> Vec<(When, Deed)> {
    vec![
        submit(job(FOR_EVER_MS).travels().with(SIM_FILES_MS, 200_000)),
        (Fetching, Cut(2 * MINUTE)),
        (After(3 * MINUTE), Act(remove())),
    ]
}

fn a_job_that_wants_too_much() -> Vec<(When, Deed)> {
    let wants_too_much = job(500).with(attr::REQUEST_MEMORY, 999_999);
    vec![submit(wants_too_much), submit(job(100)), (Final(1), submit(job(1)).1)]
}

fn two_of_one_limit() -> Vec<(When, Deed)> {
    let limited = || job(20_000).with(attr::CONCURRENCY_LIMITS, "db:2");
    vec![submit(limited()), (Live(1), submit(limited()).1)]
}

fn jobs_beside() -> Vec<(When, Deed)> {
    let beside = job(500).with(attr::JOB_UNIVERSE, Universe::Local.number());
    vec![submit(beside.procs(5))]
}

/// What the negotiator says is long under way, and no connection breaks.
fn a_match_long_under_way() -> Vec<(When, Deed)> {
    vec![
        (After(SECOND), HoldMatches(100 * SECOND)),
        submit(job(5000).with(attr::CONCURRENCY_LIMITS, "db:2").procs(2)),
    ]
}

/// A copy is made while a job waits; it runs, and then the copy is put in the place of the queue.
fn a_copy_is_put_back(job: Job, between: Option<(When, Deed)>) -> Vec<(When, Deed)> {
    let mut steps =
        vec![(After(SECOND), HoldMatches(5 * SECOND)), submit(job), (After(3 * SECOND), Keep)];
    steps.extend(between);
    steps.extend([(Live(1), PutBack), (After(6 * MINUTE), Act(remove()))]);
    steps
}

fn steps_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::NoMargin | Bug::LeaseFromReceipt => steps_of_leases_for(bug),
        Bug::LostRequeue => vec![submit(job(5000)), (Live(1), Act(Action::Vacate { fast: true }))],
        Bug::AttemptNotCounted => vec![submit(job(5000)), (Live(1), Reboot)],
        Bug::TokenForgotten => vec![
            submit(job(100)),
            (Live(1), Crash(Daemon::Schedd(0))),
            (After(4 * SECOND), SubmitAgain),
        ],
        Bug::FactorySkips | Bug::ClassForgets => {
            vec![submit(job(500).with(attr::JOB_MATERIALIZE_LIMIT, 2).procs(5))]
        }
        Bug::EndForgotten => vec![submit(job(5000)), (Live(1), Cut(12 * SECOND))],
        Bug::StopNotRepeated => vec![
            submit(job(FOR_EVER_MS)),
            (Live(1), Cut(12 * SECOND)),
            (After(SECOND), Act(hold())),
        ],
        Bug::PlaceNotFreed => jobs_beside(),
        Bug::SlotTwice => vec![submit(job(20_000).procs(2))],
        Bug::EndBeforeStored
        | Bug::StopForgotten
        | Bug::SlotFreedWhileStoring
        | Bug::StoringForgotten
        | Bug::CopyOutlivesLease => steps_of_files_for(bug),
        Bug::GenerationIgnored | Bug::FenceNotKept => steps_of_copy_for(bug),
        Bug::ListedEndNotRead => vec![submit(job(5000)), (Live(1), CutLauncher(12 * SECOND))],
        Bug::DeviceTwice => vec![submit(job(20_000).with("RequestArm", 1).procs(2))],
        Bug::TurnNotWaited | Bug::PromisedTwice => vec![submit(job(400).procs(40))],
        Bug::PromiseForgotten => vec![submit(job(700).procs(60)), (Final(20), Act(remove()))],
        Bug::LimitNotCounted => two_of_one_limit(),
        Bug::GangOnOneMachine
        | Bug::GangCutToFit
        | Bug::ExclusiveShared
        | Bug::GangHalfStarted
        | Bug::GangBeginsLate
        | Bug::PartLeftRunning => steps_of_parts_for(bug),
        Bug::OfferForgotten => a_match_long_under_way(),
        Bug::ReasonForgotten => a_job_that_wants_too_much(),
        Bug::DependencyTooEarly
        | Bug::DependencyFailureReleases
        | Bug::DependencyForgotten
        | Bug::DependencyEndForgotten
        | Bug::RunOneIgnored
        | Bug::RunOneGoesOn => steps_of_waits_for(bug),
        Bug::QueueLimitIgnored
        | Bug::OwnQueueTaken
        | Bug::ArrayLimitIgnored
        | Bug::QueueStopIgnored
        | Bug::RunNowIgnored
        | Bug::BackfillTooLong => steps_of_queues_for(bug),
        Bug::ReservationIgnored
        | Bug::ReservationSpills
        | Bug::ReservationAnswerMistaken
        | Bug::ReservationOutlived => steps_of_reservations_for(bug),
        Bug::DagChildTooEarly
        | Bug::DagFailureReleases
        | Bug::DagRetryNotCounted
        | Bug::DagRetriesOnceMore
        | Bug::DagPostIgnored
        | Bug::DagSubmissionForgotten
        | Bug::DagScriptForgotten
        | Bug::DagIdleNotFreed => steps_of_dag_for(bug),
    }
}

fn steps_of_leases_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::NoMargin => vec![
            submit(job(FOR_EVER_MS).with(SIM_IGNORES_TERM, true).procs(4)),
            (Live(4), Cut(2 * MINUTE)),
            (After(3 * MINUTE), Act(remove())),
        ],
        Bug::LeaseFromReceipt => vec![
            submit(job(FOR_EVER_MS).with(attr::JOB_LEASE_DURATION, 60)),
            // The schedd echoes a beat; the echo is long under way, and no beat after it arrives.
            (Live(1), Block(&[Side::Listener], 35 * SECOND)),
            (After(9 * SECOND), Block(&[Side::Dialer], 3 * MINUTE)),
            (After(4 * MINUTE), Act(remove())),
        ],
        other => panic!("{other:?} is no bug about leases"),
    }
}

fn steps_of_files_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::EndBeforeStored => vec![submit(job(500).travels())],
        Bug::StopForgotten => {
            vec![submit(job(FOR_EVER_MS).travels()), (Fetching, Act(hold()))]
        }
        Bug::SlotFreedWhileStoring => vec![
            submit(job(FOR_EVER_MS).travels()),
            (Live(1), Cut(2 * MINUTE)),
            (After(3 * MINUTE), Act(remove())),
        ],
        Bug::StoringForgotten => {
            vec![submit(job(500).travels()), (Storing, Crash(Daemon::Startd(0)))]
        }
        Bug::CopyOutlivesLease => a_long_copy_and_a_cut(),
        other => panic!("{other:?} is no bug about the files of runs"),
    }
}

fn steps_of_parts_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::GangOnOneMachine => vec![submit(job(500).parts(2, 2)), submit(job(500))],
        Bug::GangHalfStarted | Bug::PartLeftRunning => vec![submit(job(500).parts(2, 2))],
        Bug::GangBeginsLate => {
            // The larger machine is reserved, and so nothing may begin there after some seconds.
            // The other one is not heard for longer.
            let book = Book(Wanted { in_s: 120, for_s: 60, cpus: 2, ..Wanted::default() });
            let two = job(500).parts(2, 2).with(model::queues::QUEUE, model::queues::FIRST_QUEUE);
            let two = submit(two.with(attr::PBS_WALLTIME, 31));
            let block = Block(&[Side::Listener, Side::Dialer], 18 * SECOND);
            vec![(After(SECOND), book), (After(4 * SECOND), block), (After(0), two.1)]
        }
        Bug::GangCutToFit => {
            vec![submit(job(20_000).parts(2, 1)), (Live(1), submit(job(500).parts(4, 1)).1)]
        }
        Bug::ExclusiveShared => {
            let alone = submit(job(20_000).with(attr::EXCLUSIVE, true));
            vec![alone, (Live(1), submit(job(500)).1)]
        }
        other => panic!("{other:?} is no bug about jobs with several parts, or machines to itself"),
    }
}

fn steps_of_waits_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::DependencyTooEarly => {
            vec![submit(job(5000).procs(6)), waits("afterany:1[]", 1)]
        }
        Bug::DependencyFailureReleases => {
            vec![submit(job(5000).with(SIM_END, "exit 1")), waits("afterok:1", 1)]
        }
        Bug::DependencyForgotten => vec![
            submit(job(20_000)),
            waits("afterok:1", 2),
            (After(3 * SECOND), Crash(Daemon::Schedd(0))),
        ],
        Bug::DependencyEndForgotten => {
            let text = |text: &str| text.parse::<classad::Expr>().unwrap_or_else(|_| 0.into());
            let first_fails = job(0)
                .with(SIM_RUN_MS, text("ProcId == 0 ? 500 : 20000"))
                .with(SIM_END, text("ProcId == 0 ? \"exit 1\" : \"exit 0\""));
            vec![
                submit(first_fails.procs(2)),
                waits("afternotok:1[]", 1),
                (Final(1), Crash(Daemon::Schedd(0))),
            ]
        }
        Bug::RunOneIgnored => {
            let instead = job(5000).with(model::depend::RUN_ONE, "1");
            vec![
                submit(job(5000).with(attr::JOB_STATUS, model::JobStatus::Held.number())),
                submit(instead),
                (Live(1), Act(Action::Release { reason: None })),
            ]
        }
        Bug::RunOneGoesOn => {
            let held = || job(5000).with(attr::JOB_STATUS, model::JobStatus::Held.number());
            vec![
                submit(held()),
                submit(held().procs(8).with(model::depend::RUN_ONE, "1")),
                (After(2 * SECOND), Act(Action::Release { reason: None })),
            ]
        }
        other => panic!("{other:?} is no bug about jobs that wait for others"),
    }
}

fn steps_of_queues_for(bug: Bug) -> Vec<(When, Deed)> {
    let queued = |run_ms, queue: &str| job(run_ms).with(model::queues::QUEUE, queue);
    match bug {
        Bug::QueueLimitIgnored => vec![submit(queued(20_000, queues::SMALL).procs(4))],
        Bug::OwnQueueTaken => {
            let mut spec = job(500).procs(2).spec();
            queues::sneak(&mut spec, model::queues::QUEUE);
            vec![(After(SECOND), Submit(Box::new(spec)))]
        }
        Bug::ArrayLimitIgnored => {
            let array = queued(20_000, model::queues::FIRST_QUEUE).procs(4);
            vec![submit(array.with(model::queues::MOST_RUNNING, 1))]
        }
        Bug::BackfillTooLong => {
            let first = |ms, cpus, walltime: i64| {
                let job = queued(ms, model::queues::FIRST_QUEUE).with(attr::REQUEST_CPUS, cpus);
                submit(job.with(attr::PBS_WALLTIME, walltime))
            };
            let behind = first(2000, 1, 3600);
            vec![first(40_000, 3, 60), (Live(1), first(2000, 4, 60).1), (After(SECOND), behind.1)]
        }
        Bug::QueueStopIgnored | Bug::RunNowIgnored => {
            vec![submit(queued(500, queues::SHUT)), (After(MINUTE), RunNow)]
        }
        other => panic!("{other:?} is no bug about queues"),
    }
}

fn steps_of_reservations_for(bug: Bug) -> Vec<(When, Deed)> {
    let name = format!("R{}", first_cluster(0));
    match bug {
        Bug::ReservationSpills => {
            let one = Wanted { in_s: 10, for_s: 60, cpus: 1, ..Wanted::default() };
            let other = Book(Wanted { memory_mib: 3000, ..one });
            let large = job(5000).with(attr::REQUEST_MEMORY, 2000);
            let large = submit(large.with(model::queues::QUEUE, name.as_str()));
            vec![(After(SECOND), Book(one)), (After(SECOND), other), (After(SECOND), large.1)]
        }
        Bug::ReservationAnswerMistaken => {
            // The first learns late that it can be; by then it is to be where the second is.
            let early = Wanted { in_s: 60, for_s: 30, cpus: 4, ..Wanted::default() };
            let late = Wanted { in_s: 120, ..early };
            vec![
                (After(SECOND), HoldMatches(20 * SECOND)),
                (After(SECOND), Book(early)),
                (After(4 * SECOND), Book(late)),
                (After(4 * SECOND), Rebook(late)),
                (After(20 * SECOND), submit(job(100)).1),
            ]
        }
        Bug::ReservationIgnored => {
            let book = Book(Wanted { in_s: 30, for_s: 60, cpus: 2, ..Wanted::default() });
            let whole = submit(job(5000).with(attr::REQUEST_CPUS, 4));
            vec![(After(SECOND), book), (After(3 * SECOND), whole.1)]
        }
        Bug::ReservationOutlived => {
            let book = Book(Wanted { in_s: 5, for_s: 30, cpus: 1, ..Wanted::default() });
            vec![
                (After(SECOND), book),
                (After(3 * SECOND), submit(job(1000).with(model::queues::QUEUE, name.as_str())).1),
                (After(3 * MINUTE), submit(job(100)).1),
            ]
        }
        other => panic!("{other:?} is no bug about reservations"),
    }
}

fn steps_of_copy_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::GenerationIgnored => {
            a_copy_is_put_back(job(FOR_EVER_MS).with(SIM_IGNORES_TERM, true), None)
        }
        Bug::FenceNotKept => {
            let here = job(FOR_EVER_MS).with(attr::JOB_LEASE_DURATION, 60);
            a_copy_is_put_back(here, Some((Live(1), CutBusy(3 * MINUTE))))
        }
        other => panic!("{other:?} is no bug about copies of a queue"),
    }
}

fn steps_of_dag_for(bug: Bug) -> Vec<(When, Deed)> {
    match bug {
        Bug::DagChildTooEarly => {
            let parents = [node(&[0]), NodePlan { run_ms: 60_000, ..node(&[0]) }];
            vec![dag(&[&parents[..], &[node(&[0])]].concat(), &[(0, 2), (1, 2)])]
        }
        Bug::DagFailureReleases => vec![dag(&[node(&[1]), node(&[0])], &[(0, 1)])],
        Bug::DagRetryNotCounted => vec![dag(&[NodePlan { retries: 2, ..node(&[1, 0]) }], &[])],
        Bug::DagRetriesOnceMore => vec![dag(&[NodePlan { retries: 1, ..node(&[1]) }], &[])],
        Bug::DagPostIgnored => vec![dag(&[NodePlan { post: Some(vec![3]), ..node(&[0]) }], &[])],
        Bug::DagSubmissionForgotten => vec![
            dag(&[node(&[0]), node(&[0])], &[(0, 1)]),
            (After(MILLISECOND), DoomDag(DagDoom::BeforeEffects)),
        ],
        Bug::DagScriptForgotten => vec![
            dag(&[NodePlan { pre: Some(vec![0]), post: Some(vec![0]), ..node(&[0]) }], &[]),
            (After(MILLISECOND), DoomDag(DagDoom::BeforeEffects)),
        ],
        Bug::DagIdleNotFreed => {
            let nodes = vec![node(&[0]), node(&[0])];
            vec![(After(0), Dag(Box::new(DagPlan { nodes, max_idle: 1, ..DagPlan::default() })))]
        }
        other => panic!("{other:?} is no bug of dagman's core"),
    }
}

/// A node whose attempts end so.
fn node(ends: &[i32]) -> NodePlan {
    NodePlan { ends: ends.to_vec(), ..NodePlan::default() }
}

fn dag(nodes: &[NodePlan], edges: &[(usize, usize)]) -> (When, Deed) {
    let plan = DagPlan { nodes: nodes.to_vec(), edges: edges.to_vec(), max_idle: 0 };
    (After(0), Dag(Box::new(plan)))
}

fn submit(job: Job) -> (When, Deed) {
    (After(SECOND), Submit(Box::new(job.spec())))
}

/// Jobs that wait for others.
fn waits(text: &str, procs: u32) -> (When, Deed) {
    let held = model::JobStatus::Held.number();
    let waiting = job(500).with(model::depend::WAITS_FOR, text).with(attr::JOB_STATUS, held);
    submit(waiting.procs(procs))
}

fn remove() -> Action {
    Action::Remove { reason: None, force: false }
}

fn hold() -> Action {
    Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 }
}

fn machine(n: usize, cpus: u32) -> MachineKind {
    let mut found = ClassAd::new();
    found.set(attr::ARCH, "X86_64");
    found.set(attr::OP_SYS, "LINUX");
    found.set(attr::KFLOPS, 1000);
    let custom = [("arm".to_owned(), 2)].into();
    let total = Resources { cpus, memory_mib: 4096, disk_kib: 1 << 20, custom };
    MachineKind { name: MachineName::new(&format!("machine{n}")), total, found: Arc::new(found) }
}

impl World {
    /// The next step of the scenario, if its time has come; after the last, the calm.
    pub(crate) fn play(&mut self, step: usize, since: Micros) {
        let Some(scenario) = &self.scenario else { return };
        let Some((when, deed)) = scenario.steps.get(step).cloned() else {
            self.calm();
            return;
        };
        let come = match when {
            After(pause) => self.now >= since + pause,
            Live(n) => self.oracle.live_runs().len() >= n,
            Final(n) => self.oracle.finals >= n,
            Fetching => self.oracle.files.travelling().0 > 0,
            Storing => self.oracle.files.travelling().1 > 0,
        };
        if !come && self.now < since + PATIENCE {
            self.agenda.put(self.now + LOOK_EVERY, Event::Play { step, since });
            return;
        }
        self.note(|| format!("STEP {deed:?}"));
        self.do_deed(deed);
        let since = self.now;
        self.agenda.put(self.now + LOOK_EVERY, Event::Play { step: step + 1, since });
    }

    fn do_deed(&mut self, deed: Deed) {
        let link = Link::ScheddStartd(0, 0);
        match deed {
            Submit(spec) => self.submit_this(*spec),
            SubmitAgain => self.submit_again(),
            Act(action) => self.act_on_all(action),
            RunNow => self.run_now(first_cluster(0)),
            Book(wanted) => {
                let by = Actor { user: UserName::new("alice"), superuser: false, uid: None };
                self.book(0, by, wanted);
            }
            Rebook(wanted) => self.rebook(0, format!("R{}", first_cluster(0)), wanted),
            Dag(plan) => self.begin_dag(*plan, None),
            DoomDag(doom) => self.doom_dag(doom),
            Crash(daemon) => self.crash(daemon),
            Keep => self.kept = Some((self.schedds[0].store.clone(), self.oracle.clone())),
            PutBack => self.put_back(),
            Pause(time) => self.pause(0, time),
            Reboot => {
                self.power_off(0);
                self.agenda.put(self.now + 5 * SECOND, Event::PowerOn { machine: 0 });
            }
            Block(ends, time) => {
                for side in ends {
                    self.block_until(link, *side, self.now + time);
                }
            }
            HoldMatches(time) => {
                self.block_until(Link::ScheddNegotiator(0), Side::Dialer, self.now + time);
            }
            Cut(time) => self.cut_for(link, time),
            CutBusy(time) => {
                let busy = self.oracle.busy_machine().unwrap_or(0);
                self.cut_for(Link::ScheddStartd(0, busy), time);
            }
            CutLauncher(time) => self.cut_for(Link::StartdLauncher(0), time),
        }
    }

    fn cut_for(&mut self, link: Link, time: Micros) {
        for side in Side::BOTH {
            self.block_until(link, side, self.now + time);
        }
        self.break_link(link);
    }

    /// The queue is what it was, and so is the record; what executes is what executes.
    fn put_back(&mut self) {
        let Some((store, oracle)) = self.kept.take() else { return };
        self.kill(Daemon::Schedd(0), Death::Process);
        self.schedds[0].store = store;
        self.schedds[0].generation += 1;
        self.oracle.forget_back_to(oracle);
        self.agenda.put(self.now + SECOND, Event::Start(Daemon::Schedd(0)));
    }
}
