//! The users: they submit, hold, release, remove, vacate, look, lose answers, ask again, and give
//! up. Each submission is theirs until its answer came: then the oracle holds the schedd to it.

use std::collections::BTreeMap;

use model::queues::{
    Authorized, Denied, FIRST_QUEUE, ReservedChunk, ReservedParts, Spread, Window,
};
use model::{
    Attempt, ClusterId, ClusterSpec, HoldCode, JobId, JobState, Resources, RunId, SubmitToken,
    Timestamp, UserName, attr,
};
use proto::chirp::ChirpAsk;
use proto::client::{
    ActResult, Acted, Action, Alteration, Answer, Arrange, AskSchedd, BookAsk, FrontEnd, Priority,
    Query, Refusal, Select, Selector,
};
use schedd::core::Actor;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{Event, Ticket};
use super::jobs::job;
use super::queues;
use super::rng::Rng;
use super::schedd::schedd_of;
use super::workload;
use super::world::World;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// The most submissions of a world: what its machines can work off in the time that is given for
/// it.
const MAX_SUBMISSIONS: usize = 30;

/// Percent of the answers that their users do not see, because the command was interrupted.
const LOST_ANSWER_PERCENT: u64 = 4;

#[derive(Debug)]
pub(crate) struct Users {
    submissions: Vec<Submission>,
    asks: BTreeMap<Ticket, Purpose>,
    last_ticket: u64,
    /// The mean time between two of their doings.
    pace: Micros,
}

#[derive(Debug)]
struct Submission {
    schedd: usize,
    token: SubmitToken,
    by: UserName,
    spec: ClusterSpec,
    /// What the answer said.
    acknowledged: Option<(ClusterId, u32)>,
    abandoned: bool,
}

/// What a request is for.
#[derive(Clone, Debug)]
enum Purpose {
    Reserve(usize),
    Submit(usize),
    Act {
        by: Actor,
        action: Action,
        selected: Select,
    },
    Arrange,
    /// The number of a reservation that is to be.
    Number {
        schedd: usize,
        by: Actor,
        token: SubmitToken,
        wanted: Wanted,
    },
    /// A reservation, by the queue that it is to have.
    Book {
        schedd: usize,
        queue: String,
    },
    Look,
}

/// A reservation that somebody wants: in so many seconds, for so many, so many processors, and so
/// much memory if it speaks of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) in_s: i64,
    pub(crate) for_s: i64,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u64,
}

impl Users {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let pace = rng.pick(&[200 * MILLISECOND, SECOND, 3 * SECOND]);
        Self { submissions: Vec::new(), asks: BTreeMap::new(), last_ticket: 0, pace }
    }

    /// Whether a submission waits for its answer.
    pub(crate) fn are_waiting(&self) -> bool {
        self.submissions.iter().any(|one| one.acknowledged.is_none() && !one.abandoned)
    }

    fn ticket(&mut self, purpose: Purpose) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.asks.insert(ticket, purpose);
        ticket
    }

    fn known_cluster(&self, rng: &mut Rng) -> Option<(ClusterId, u32)> {
        let known: Vec<_> = self.submissions.iter().filter_map(|one| one.acknowledged).collect();
        (!known.is_empty()).then(|| rng.pick(&known))
    }
}

impl World {
    pub(crate) fn users_act(&mut self) {
        if self.calm_since.is_some() {
            return;
        }
        let burst = if self.rng.percent(15) { 3 } else { 1 };
        for _ in 0..burst {
            match self.rng.below(100) {
                0..=44 => self.submit_new(),
                45..=54 => self.submit_again(),
                55..=57 => self.edit_some(),
                58..=59 => self.arrange_some(),
                60 if self.rng.percent(50) => self.book_some(),
                60..=64 => self.job_calls(),
                65..=89 => self.act_on_some(),
                _ => self.look_at_queue(),
            }
        }
        let pause = self.rng.between(1, 2 * self.users.pace);
        self.agenda.put(self.now + pause, Event::Users);
    }

    fn submit_new(&mut self) {
        if self.users.submissions.len() >= MAX_SUBMISSIONS {
            return;
        }
        let mut spec = workload::cluster(&mut self.rng);
        let known = self.users.known_cluster(&mut self.rng).filter(|_| self.rng.percent(20));
        let schedd = known.map(|(other, procs)| {
            workload::depend(&mut self.rng, &mut spec, other, procs);
            schedd_of(other)
        });
        let schedd = schedd.unwrap_or_else(|| self.rng.index(self.schedds.len()));
        self.submit_to(schedd, spec);
    }

    pub(crate) fn submit_this(&mut self, spec: ClusterSpec) {
        let schedd = self.rng.index(self.schedds.len());
        self.submit_to(schedd, spec);
    }

    fn submit_to(&mut self, schedd: usize, spec: ClusterSpec) {
        let submission = Submission {
            schedd,
            token: SubmitToken(self.rng.bytes()),
            by: UserName::new(self.rng.pick(&NAMES)),
            spec,
            acknowledged: None,
            abandoned: false,
        };
        self.users.submissions.push(submission);
        self.reserve(self.users.submissions.len() - 1);
    }

    /// The same token twice: a command that is run again, or an answer that was not believed.
    pub(crate) fn submit_again(&mut self) {
        if !self.users.submissions.is_empty() {
            let nth = self.rng.index(self.users.submissions.len());
            self.reserve(nth);
        }
    }

    fn reserve(&mut self, nth: usize) {
        let (token, by) = (self.users.submissions[nth].token, self.actor_of(nth));
        let ticket = self.users.ticket(Purpose::Reserve(nth));
        let s = self.users.submissions[nth].schedd;
        self.ask(s, ticket, by, AskSchedd::ReserveCluster { token });
    }

    fn submit(&mut self, nth: usize, cluster: ClusterId) {
        let submission = &self.users.submissions[nth];
        let spec = Box::new(submission.spec.clone());
        let (s, token, by) = (submission.schedd, submission.token, self.actor_of(nth));
        let ticket = self.users.ticket(Purpose::Submit(nth));
        self.ask(s, ticket, by, AskSchedd::Submit { token, cluster, spec });
    }

    fn actor_of(&self, nth: usize) -> Actor {
        Actor { user: self.users.submissions[nth].by.clone(), superuser: false, uid: None }
    }

    fn act_on_some(&mut self) {
        let by = match self.rng.below(6) {
            0 => Actor { user: UserName::new("root"), superuser: true, uid: None },
            n => Actor {
                user: UserName::new(NAMES[usize::try_from(n).unwrap_or(0) % NAMES.len()]),
                superuser: false,
                uid: None,
            },
        };
        let action = self.action();
        let (s, selected) = self.selection();
        let purpose =
            Purpose::Act { by: by.clone(), action: action.clone(), selected: selected.clone() };
        let ticket = self.users.ticket(purpose);
        self.ask(
            s,
            ticket,
            by,
            AskSchedd::Act { action, select: selected, through: FrontEnd::default() },
        );
    }

    /// The administrator of the first schedd does something to every job.
    pub(crate) fn act_on_all(&mut self, action: Action) {
        let by = Actor { user: UserName::new("root"), superuser: true, uid: None };
        let selected = Select::All;
        let purpose =
            Purpose::Act { by: by.clone(), action: action.clone(), selected: selected.clone() };
        let ticket = self.users.ticket(purpose);
        self.ask(
            0,
            ticket,
            by,
            AskSchedd::Act { action, select: selected, through: FrontEnd::default() },
        );
    }

    /// Somebody asks for more or less than before, or for what no machine has.
    fn edit_some(&mut self) {
        let by = Actor { user: UserName::new(self.rng.pick(&NAMES)), superuser: false, uid: None };
        let (s, select) = self.selection();
        let (name, value) = self.rng.pick(&[
            (attr::REQUEST_CPUS, "1"),
            (attr::REQUEST_CPUS, "2"),
            (attr::REQUEST_MEMORY, "64"),
            ("Rank", "Memory"),
            (attr::JOB_PRIO, "7"),
            (attr::PRE_JOB_PRIO1, "1"),
            (attr::POST_JOB_PRIO2, "-1"),
            ("Comment", "\"x\""),
        ]);
        let value = value.parse().unwrap_or_else(|error| panic!("read {value}: {error}"));
        let changes = vec![(name.into(), value)];
        let ticket = self.users.ticket(Purpose::Look);
        self.ask(
            s,
            ticket,
            by,
            AskSchedd::Edit { select, changes, dry_run: self.now.is_multiple_of(7) },
        );
    }

    /// Somebody moves jobs to another queue, lets more or fewer of an array run, or changes the
    /// order; an operator says what runs now.
    fn arrange_some(&mut self) {
        let Some((cluster, procs)) = self.users.known_cluster(&mut self.rng) else { return };
        let other = self.users.known_cluster(&mut self.rng).map_or(cluster, |(other, _)| other);
        let user = UserName::new(self.rng.pick(&NAMES));
        let root = Actor { user: UserName::new("root"), superuser: true, uid: None };
        let own = Actor { user, superuser: false, uid: None };
        let (by, what) = match self.rng.below(4) {
            0 => {
                let queue = self.rng.pick(&[queues::SMALL, FIRST_QUEUE]).to_owned();
                (own, Arrange::Move { cluster, queue })
            }
            1 => (root, Arrange::RunNow(vec![Selector::Cluster(cluster)])),
            2 => (root, Arrange::Exchange(cluster, other)),
            _ => {
                let changes = queues::most(self.rng.pick(&[1, 2, 3]), procs);
                let runs = self.rng.percent(50);
                let alteration =
                    Alteration { cluster, changes, runs, spares_running: false, user_hold: None };
                (root, Arrange::Alter(Box::new(alteration)))
            }
        };
        self.arrange(schedd_of(cluster), by, what);
    }

    /// Somebody wants a part of a machine for a while, moves its window, or gives it up.
    fn book_some(&mut self) {
        let schedd = self.rng.index(self.schedds.len());
        let by = Actor { user: UserName::new(self.rng.pick(&NAMES)), superuser: false, uid: None };
        let core = self.schedds[schedd].core.as_ref();
        let known: Vec<String> = core
            .map(|core| core.queue_settings().reservations.keys().cloned().collect())
            .unwrap_or_default();
        if !known.is_empty() && self.rng.percent(30) {
            let queue = known[self.rng.index(known.len())].clone();
            let root = Actor { user: UserName::new("root"), superuser: true, uid: None };
            let what = match self.rng.below(3) {
                0 => Arrange::Unbook { queue },
                _ => {
                    let for_s = self.rng.pick(&[30, 90, 300]);
                    let window = self.window(schedd, 40, for_s);
                    Arrange::Rebook { queue, window, shown: BTreeMap::default(), users: None }
                }
            };
            return self.arrange(schedd, root, what);
        }
        let wanted = Wanted {
            in_s: self.rng.pick(&[0, 5, 20, 60]),
            for_s: self.rng.pick(&[20, 60, 200]),
            cpus: self.rng.pick(&[1, 1, 2]),
            memory_mib: self.rng.pick(&[0, 0, 640]),
        };
        self.book(schedd, by, wanted);
    }

    pub(crate) fn book(&mut self, schedd: usize, by: Actor, wanted: Wanted) {
        let token = SubmitToken(self.rng.bytes());
        let purpose = Purpose::Number { schedd, by: by.clone(), token, wanted };
        let ticket = self.users.ticket(purpose);
        self.ask(schedd, ticket, by, AskSchedd::ReserveCluster { token });
    }

    /// Another window is asked for, for a reservation of this schedd's.
    pub(crate) fn rebook(&mut self, schedd: usize, queue: String, wanted: Wanted) {
        let window = self.window(schedd, wanted.in_s, wanted.for_s);
        let root = Actor { user: UserName::new("root"), superuser: true, uid: None };
        let shown = BTreeMap::new();
        let what = Arrange::Rebook { queue, window, shown, users: None };
        self.arrange(schedd, root, what);
    }

    fn window(&self, schedd: usize, in_s: i64, for_s: i64) -> Window {
        let now = self.schedds[schedd].clock.now(self.now).wall.as_secs();
        let moment = |s: i64| Timestamp::from_secs(now + s);
        Window { start: moment(in_s), end: moment(in_s + for_s) }
    }

    fn book_numbered(
        &mut self,
        (schedd, by, token): (usize, Actor, SubmitToken),
        number: ClusterId,
        wanted: Wanted,
    ) {
        let Wanted { in_s, for_s, cpus, memory_mib } = wanted;
        let part = Resources { cpus, memory_mib, ..Resources::default() };
        let chunks = vec![ReservedChunk { count: 1, part, machine: None }];
        let spread = self.rng.pick(&[Spread::Free, Spread::Pack, Spread::Scatter]);
        let ask = BookAsk {
            number,
            token,
            window: self.window(schedd, in_s, for_s),
            parts: ReservedParts { chunks, spread, is_exclusive: false },
            who: Authorized::default(),
            shown: BTreeMap::new(),
        };
        let ticket = self.users.ticket(Purpose::Book { schedd, queue: format!("R{number}") });
        self.ask(schedd, ticket, by, AskSchedd::Arrange(Arrange::Book(Box::new(ask))));
    }

    fn is_for_reservation(&self, nth: usize) -> bool {
        let queue = self.users.submissions[nth].spec.ad.literal(model::queues::QUEUE);
        let queue = queue.and_then(classad::Value::as_str);
        queue.is_some_and(|queue| queue.starts_with('R'))
    }

    /// There is a reservation now: somebody has jobs for it.
    fn booked(&mut self, schedd: usize, queue: &str) {
        if self.calm_since.is_some() || self.users.submissions.len() >= MAX_SUBMISSIONS {
            return;
        }
        let ms = self.rng.pick(&[1000, 10_000, 100_000]);
        let mut work = job(ms).with(model::queues::QUEUE, queue);
        if self.rng.percent(50) {
            work = work.with(attr::PBS_WALLTIME, self.rng.pick(&[10, 30, 120]));
        }
        if self.rng.percent(30) {
            work = work.with(attr::REQUEST_MEMORY, self.rng.pick(&[256, 512, 640]));
        }
        let count = self.rng.pick(&[1, 2, 3]);
        self.submit_to(schedd, work.procs(count).spec());
    }

    fn arrange(&mut self, s: usize, by: Actor, what: Arrange) {
        let ticket = self.users.ticket(Purpose::Arrange);
        self.ask(s, ticket, by, AskSchedd::Arrange(what));
    }

    /// An operator of the first schedd tells all jobs of a cluster to run now.
    pub(crate) fn run_now(&mut self, cluster: ClusterId) {
        let root = Actor { user: UserName::new("root"), superuser: true, uid: None };
        self.arrange(0, root, Arrange::RunNow(vec![Selector::Cluster(cluster)]));
    }

    /// A process of some run says something of its job: of the present run, or of one that it has
    /// outlived.
    fn job_calls(&mut self) {
        let present = |(job, state): (JobId, &JobState)| Some((job, state.running()?.attempt));
        let runs: Vec<_> = self.oracle.jobs().filter_map(present).collect();
        if runs.is_empty() {
            return;
        }
        let (job, present) = self.rng.pick(&runs);
        let late = self.rng.percent(30);
        let attempt = if late { Attempt(present.0.saturating_sub(1)) } else { present };
        let run = RunId { job, attempt };
        let Some(user) = self.oracle.owner_of(job).cloned() else { return };
        let by = Actor { user, superuser: false, uid: None };
        let ticket = self.users.ticket(Purpose::Look);
        // The oracle reads from it who said it, and that it did so once.
        let ask = ChirpAsk::Log(format!("{run} {}", ticket.0));
        self.ask(schedd_of(job.cluster), ticket, by, AskSchedd::Chirp { run, ask });
    }

    /// After the faults: what is suspended would be so for ever.
    pub(crate) fn continue_all(&mut self) {
        for s in 0..self.schedds.len() {
            self.continue_all_of(s);
        }
    }

    fn continue_all_of(&mut self, s: usize) {
        let by = Actor { user: UserName::new("root"), superuser: true, uid: None };
        let suspended = self.oracle.jobs().filter(|(job, state)| {
            schedd_of(job.cluster) == s
                && matches!(state, JobState::Running(_) | JobState::Suspended { .. })
                && state.running().is_some_and(|running| running.pause.suspend)
        });
        let jobs: Vec<Selector> = suspended.map(|(job, _)| Selector::Job(job)).collect();
        if jobs.is_empty() {
            return;
        }
        let (action, select) = (Action::Continue, Select::Any(jobs));
        let purpose =
            Purpose::Act { by: by.clone(), action: action.clone(), selected: select.clone() };
        let ticket = self.users.ticket(purpose);
        self.ask(s, ticket, by, AskSchedd::Act { action, select, through: FrontEnd::default() });
    }

    fn action(&mut self) -> Action {
        match self.rng.below(15) {
            10..=11 => Action::Suspend,
            12..=13 => Action::Continue,
            14 => Action::Prioritise(match self.rng.below(2) {
                0 => Priority::Set(5),
                _ => Priority::Change(-1),
            }),
            0..=2 => Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 },
            3..=5 => Action::Release { reason: None },
            6..=7 => Action::Vacate { fast: self.rng.percent(50) },
            8 => Action::Remove { reason: Some("not needed".to_owned()), force: false },
            _ => Action::Remove { reason: None, force: self.rng.percent(40) },
        }
    }

    /// Some jobs, and the schedd that has them.
    fn selection(&mut self) -> (usize, Select) {
        let known = self.users.known_cluster(&mut self.rng);
        let (cluster, procs) = known.unwrap_or((ClusterId(1), 1));
        let proc = u32::try_from(self.rng.below(u64::from(procs))).unwrap_or(0);
        let select = match self.rng.below(20) {
            0 => Select::All,
            1 => Select::Constraint(
                "JobStatus == 2".parse().unwrap_or_else(|error| panic!("a constraint: {error}")),
            ),
            2 => Select::Any(vec![Selector::Owner(UserName::new(self.rng.pick(&NAMES)))]),
            3..=7 => Select::Any(vec![Selector::Cluster(cluster)]),
            8 => Select::Any(vec![
                Selector::Job(JobId::new(cluster.0, proc)),
                Selector::Cluster(cluster),
                Selector::Cluster(ClusterId(9999)),
            ]),
            _ => Select::Any(vec![Selector::Job(JobId::new(cluster.0, proc))]),
        };
        (schedd_of(cluster), select)
    }

    fn look_at_queue(&mut self) {
        let by = Actor { user: UserName::new("alice"), superuser: false, uid: None };
        let ask = if self.rng.percent(50) {
            AskSchedd::Totals
        } else {
            AskSchedd::QueryJobs(Query::of(Select::All))
        };
        let ticket = self.users.ticket(Purpose::Look);
        let s = self.rng.index(self.schedds.len());
        self.ask(s, ticket, by, ask);
    }

    /// An answer reaches its user, or the connection broke.
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Option<Answer>) {
        let Some(purpose) = self.users.asks.get(&ticket).cloned() else { return };
        let lost = answer.is_none() || self.rng.percent(LOST_ANSWER_PERCENT);
        let Some(answer) = answer.filter(|_| !lost) else {
            return self.unanswered(ticket, &purpose);
        };
        self.users.asks.remove(&ticket);
        match (purpose, answer) {
            (Purpose::Reserve(nth), Answer::Reserved(cluster)) => self.submit(nth, cluster),
            (Purpose::Submit(nth), Answer::Refused(Refusal::NotReserved(_))) => self.reserve(nth),
            (Purpose::Submit(nth), answer) if queues::sneaks(&self.users.submissions[nth].spec) => {
                self.users.submissions[nth].abandoned = true;
                let denied = Refusal::Denied(Denied::InvalidRequest);
                if answer != Answer::Refused(denied) {
                    self.fail(format!("a job that names its own queue was answered {answer:?}"));
                }
            }
            (Purpose::Submit(nth), Answer::Submitted { cluster, procs }) => {
                self.acknowledged(nth, cluster, procs);
            }
            // Its reservation was denied, is over, or was given up.
            (
                Purpose::Submit(nth),
                Answer::Refused(Refusal::Denied(Denied::UnknownQueue | Denied::NotEnabled)),
            ) if self.is_for_reservation(nth) => {
                self.users.submissions[nth].abandoned = true;
            }
            // What it depends on has left: its user would look into the history.
            (Purpose::Submit(nth), Answer::Refused(Refusal::HasLeft(_))) => {
                self.users.submissions[nth].abandoned = true;
            }
            (Purpose::Act { by, action, selected }, Answer::Acted(results)) => {
                let sound = self.check_acted(&by, &results);
                self.note(|| format!("{} did {action:?} to {selected:?}: {results:?}", by.user));
                self.require(sound);
            }
            // Too many of its user's acts are under way.
            (Purpose::Act { .. } | Purpose::Look, Answer::Refused(Refusal::Busy(_))) => {}
            (
                Purpose::Look,
                Answer::Ads(_) | Answer::Totals(_) | Answer::Edited(_) | Answer::Chirped(_),
            ) => {}
            (Purpose::Number { schedd, by, token, wanted }, Answer::Reserved(number)) => {
                self.book_numbered((schedd, by, token), number, wanted);
            }
            (Purpose::Book { schedd, queue }, Answer::Done) => self.booked(schedd, &queue),
            (
                Purpose::Arrange | Purpose::Book { .. },
                Answer::Done | Answer::Refused(Refusal::Denied(_)),
            ) => {}
            (purpose, answer) => self.fail(format!("{purpose:?} was answered {answer:?}")),
        }
    }

    fn unanswered(&mut self, ticket: Ticket, purpose: &Purpose) {
        let again = match purpose {
            Purpose::Reserve(nth) | Purpose::Submit(nth) => {
                let submission = &mut self.users.submissions[*nth];
                let gives_up = submission.acknowledged.is_none() && self.rng.percent(10);
                submission.abandoned |= gives_up;
                !gives_up
            }
            Purpose::Act { .. }
            | Purpose::Arrange
            | Purpose::Number { .. }
            | Purpose::Book { .. }
            | Purpose::Look => false,
        };
        if again {
            let pause = self.rng.between(100 * MILLISECOND, 3 * SECOND);
            self.agenda.put(self.now + pause, Event::Retry { ticket });
        } else {
            self.users.asks.remove(&ticket);
        }
    }

    pub(crate) fn retry(&mut self, ticket: Ticket) {
        match self.users.asks.remove(&ticket) {
            Some(Purpose::Reserve(nth) | Purpose::Submit(nth)) => self.reserve(nth),
            Some(
                Purpose::Act { .. }
                | Purpose::Arrange
                | Purpose::Number { .. }
                | Purpose::Book { .. }
                | Purpose::Look,
            )
            | None => {}
        }
    }

    fn acknowledged(&mut self, nth: usize, cluster: ClusterId, procs: u32) {
        let submission = &self.users.submissions[nth];
        let wanted = submission.spec.count();
        let before = submission.acknowledged;
        if procs != wanted {
            self.fail(format!("a submission of {wanted} jobs was acknowledged as {procs}"));
        }
        if before.is_some_and(|before| before != (cluster, procs)) {
            self.fail(format!("one token was given the clusters {before:?} and {cluster}"));
        }
        let mut others = self.users.submissions.iter().enumerate();
        let other = others.any(|(other, one)| {
            other != nth && one.acknowledged.is_some_and(|(known, _)| known == cluster)
        });
        if other {
            self.fail(format!("two tokens were given cluster {cluster}"));
        }
        self.users.submissions[nth].acknowledged = Some((cluster, procs));
        let owner = self.users.submissions[nth].by.clone();
        let kept = self.oracle.acknowledged(cluster, procs, &owner);
        self.require(kept);
    }

    fn check_acted(&self, by: &Actor, results: &[Acted]) -> Result<(), String> {
        for acted in results {
            let Some(job) = acted.job.filter(|_| acted.result == ActResult::Done) else { continue };
            let owner = self.oracle.owner_of(job);
            if !by.superuser && owner != Some(&by.user) {
                return Err(format!(
                    "{} did something to job {job}, which is {owner:?}'s",
                    by.user
                ));
            }
        }
        Ok(())
    }
}
