//! The schedd: its core, its store, and what its shell does: one batch at a time, first the
//! transaction, then effects and answers. It dies anywhere in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use classad::ClassAd;
use model::{ClusterId, MachineName, SubmitToken, Universe, attr};
use proto::claiming::{FromStartd, ToStartd};
use proto::client::{Acted, Answer, AskSchedd, Recorded, Refusal};
use proto::matchmaking::FromSchedd;
use schedd::core::{
    Actor, Batch, Beside, ClaimRecord, Core, CoreConfig, Effect, Input, RanOn, Rows, Slice, Starts,
    SystemAct, SystemPolicy, run_batch,
};

use super::clock::{HostClock, MILLISECOND, Micros};
use super::event::{Daemon, Event, Link, Message, Side, Ticket};
use super::life::CrashPoint;
use super::links::{home, name_of};
use super::plant::Plant;
use super::store::Store;
use super::world::World;

/// How long a transaction takes: on a good disk, and now and then on a slow one.
const COMMIT: (Micros, Micros) = (200, 4 * MILLISECOND);
const SLOW_COMMIT: Micros = 2000 * MILLISECOND;

/// A user's request reaches the schedd, or its answer the user, in this time.
const CLIENT_DELAY: Micros = MILLISECOND;

/// How many jobs are acted on in one batch: few, so that many acts take several.
const SLICE: usize = 3;

/// One of so many batches is followed by the core's own check.
const CHECKED: u64 = 8;

/// One of so many batches is compared with what a restart would find.
const COMPARED: u64 = 8;

pub(crate) struct ScheddHost {
    pub(crate) clock: HostClock,
    pub(crate) core: Option<Core>,
    pub(crate) store: Store,
    /// Which of the queues that were put in its place the store is.
    pub(crate) generation: u64,
    /// Where runs of them may be: it outlives them.
    ledger: BTreeMap<MachineName, RanOn>,
    inbox: Vec<Waiting>,
    /// Decided, and being written.
    pending: Option<Pending>,
    /// Users that wait for an answer.
    waiting: BTreeSet<Ticket>,
    /// Acts that are done a slice at a time, by their numbers.
    acting: BTreeMap<u64, Acting>,
}

/// An act that is under way: who waits for it, what it is, and what came of it so far.
struct Acting {
    ticket: Ticket,
    input: Input,
    results: Vec<Acted>,
}

/// What reached the schedd and is not decided yet.
#[derive(Debug)]
struct Waiting {
    input: Option<Input>,
    /// Who waits for the answer, and what was asked.
    user: Option<(Ticket, AskSchedd)>,
}

#[derive(Debug)]
struct Pending {
    inputs: Vec<Input>,
    /// For each input, who waits for its answer.
    users: Vec<Option<Ticket>>,
    reads: Vec<(Ticket, AskSchedd)>,
    batch: Batch,
}

impl ScheddHost {
    pub(crate) fn new(s: usize, clock: HostClock) -> Self {
        Self {
            clock,
            core: None,
            store: Store::from_cluster(first_cluster(s)),
            generation: 1,
            ledger: BTreeMap::new(),
            inbox: Vec::new(),
            pending: None,
            acting: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// A machine is in the ledger before it starts anything.
    fn note(&mut self, machine: &MachineName, message: &ToStartd) {
        let ToStartd::StartRun(start) = message else { return };
        let address = format!("/run/{machine}");
        let first = RanOn { machine: machine.clone(), address, lease_s: start.lease_s };
        let ran = self.ledger.entry(machine.clone()).or_insert(first);
        ran.lease_s = ran.lease_s.max(start.lease_s);
    }
}

/// Each schedd numbers its clusters from here, so that a cluster says whose it is.
pub(crate) fn first_cluster(s: usize) -> ClusterId {
    ClusterId(u32::try_from(s).unwrap_or(0) * CLUSTERS_EACH + 1)
}

/// Whose cluster that is.
pub(crate) fn schedd_of(cluster: ClusterId) -> usize {
    usize::try_from((cluster.0 - 1) / CLUSTERS_EACH).unwrap_or(0)
}

/// More than any world's users submit.
const CLUSTERS_EACH: u32 = 10_000;

/// Small enough that a world reaches them.
pub(crate) const LOCAL_MOST: usize = 2;
pub(crate) const SCHEDULER_MOST: usize = 3;

/// What the machine of the schedd has for jobs that run beside it.
fn found() -> ClassAd {
    let mut found = ClassAd::new();
    found.set(attr::ARCH, "X86_64");
    found.set(attr::OP_SYS, "LINUX");
    found.set(attr::CPUS, 4);
    found.set(attr::MEMORY, 4096);
    found
}

fn beside(machine: &MachineName, life: u64) -> Beside {
    let expr = |name: &str, most: usize| {
        let text = format!("Total{name}JobsRunning < {most}");
        text.parse().unwrap_or_else(|error| panic!("read {text}: {error}"))
    };
    let local = expr("Local", LOCAL_MOST);
    let scheduler = expr("Scheduler", SCHEDULER_MOST);
    Beside {
        machine: machine.clone(),
        address: format!("/run/{machine}"),
        found: Arc::new(found()),
        starts: Starts { local, scheduler },
        life,
    }
}

fn config(s: usize, beside: Beside) -> CoreConfig {
    CoreConfig {
        name: name_of(s),
        uid_domain: "example.org".to_owned(),
        address: "<127.0.0.1:9618>".to_owned(),
        spool: "/pool/spool".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        beside,
        event_log: None,
        system: vec![gives_up()],
        jobs_of_a_user: None,
        keeps_nothing: false,
        slice: SLICE,
        generation: 1,
        ran_on: None,
    }
}

/// No job is tried for ever.
fn gives_up() -> SystemPolicy {
    let when = "NumHolds >= 4 || NumJobStarts > 30";
    SystemPolicy {
        act: SystemAct::Remove,
        setting: "SYSTEM_PERIODIC_REMOVE".to_owned(),
        when: when.parse().unwrap_or_else(|error| panic!("{when}: {error}")),
        reason: None,
        subcode: None,
    }
}

impl World {
    pub(crate) fn schedd_starts(&mut self, s: usize) {
        let now = self.schedds[s].clock.now(self.now);
        let life = self.rng.next();
        let here = home(s, self.machines.len());
        let host = &self.schedds[s];
        let config = CoreConfig {
            generation: host.generation,
            ran_on: Some(host.ledger.values().cloned().collect()),
            ..config(s, beside(&self.machines[here].kind.name, life))
        };
        let core = match self.schedds[s].store.load() {
            Ok(rows) => Core::load(config, rows, now),
            Err(what) => return self.fail(what),
        };
        self.require(core.check().map_err(|what| format!("schedd{s}, loaded: {what}")));
        let effects = core.resume();
        let deadline = core.next_deadline();
        self.schedds[s].core = Some(core);
        for m in 0..self.machines.len() {
            // The links of an earlier life are gone with it.
            self.net.link(Link::ScheddStartd(s, m)).wanted = false;
        }
        self.want(Link::ScheddNegotiator(s));
        self.schedd_performs(s, effects, None);
        self.wake_by_clock(Daemon::Schedd(s), deadline);
    }

    /// The process is gone: a transaction that was under way is written or not, and every user
    /// loses the connection.
    pub(crate) fn schedd_died(&mut self, s: usize) {
        if let Some(pending) = self.schedds[s].pending.take()
            && self.rng.percent(50)
        {
            self.note(|| "  its transaction was written".to_owned());
            self.write(s, &pending);
        }
        self.schedds[s].core = None;
        self.schedds[s].inbox.clear();
        self.schedds[s].acting.clear();
        for ticket in std::mem::take(&mut self.schedds[s].waiting) {
            let at = self.now + self.rng.below(CLIENT_DELAY);
            self.agenda.put(at, Event::Answer { ticket, answer: None });
        }
    }

    pub(crate) fn schedd_hears(&mut self, s: usize, input: Input) {
        if self.plant == Some(Plant::TwoRuns) {
            self.take_closed_for_over(s, &input);
        }
        self.schedds[s].inbox.push(Waiting { input: Some(input), user: None });
        self.wake_soon(Daemon::Schedd(s));
    }

    /// A user asks the schedd; if it does not run, nobody answers.
    pub(crate) fn ask(&mut self, s: usize, ticket: Ticket, by: Actor, ask: AskSchedd) {
        if !self.is_alive(Daemon::Schedd(s)) {
            self.agenda.put(self.now + CLIENT_DELAY, Event::Answer { ticket, answer: None });
            return;
        }
        self.note(|| format!("{} asks {ask:?}", by.user));
        let input = match &ask {
            AskSchedd::ReserveCluster { token } => Some(Input::Reserve { by, token: *token }),
            AskSchedd::Submit { token, cluster, spec } => Some(Input::Submit {
                by,
                token: *token,
                cluster: *cluster,
                spec: Arc::new((**spec).clone()),
            }),
            AskSchedd::Act { action, select, through } => Some(Input::Act {
                by,
                action: action.clone(),
                select: select.clone(),
                through: *through,
            }),
            AskSchedd::Edit { select, changes, dry_run } => Some(Input::Edit {
                by,
                select: select.clone(),
                changes: changes.clone(),
                dry_run: *dry_run,
            }),
            AskSchedd::Arrange(what) => Some(Input::Arrange { by, what: what.clone() }),
            AskSchedd::Chirp { run, ask } => Some(Input::Chirp { by, run: *run, ask: ask.clone() }),
            AskSchedd::StageProcs { .. }
            | AskSchedd::ReserveClusters { .. }
            | AskSchedd::SubmitClusters(_)
            | AskSchedd::QueryJobs(_)
            | AskSchedd::Totals
            | AskSchedd::Queues
            | AskSchedd::Events { .. }
            | AskSchedd::Files(_)
            | AskSchedd::Statistics
            | AskSchedd::Identify => None,
        };
        self.schedds[s].waiting.insert(ticket);
        self.schedds[s].inbox.push(Waiting { input, user: Some((ticket, ask)) });
        self.wake_soon(Daemon::Schedd(s));
    }

    pub(crate) fn schedd_batch(&mut self, s: usize) {
        if self.schedds[s].pending.is_some() {
            return;
        }
        let now = self.schedds[s].clock.now(self.now);
        let (mut inputs, mut users, mut reads) = (Vec::new(), Vec::new(), Vec::new());
        for waiting in std::mem::take(&mut self.schedds[s].inbox) {
            match (waiting.input, waiting.user) {
                (Some(input), user) => {
                    inputs.push(input);
                    users.push(user.map(|(ticket, _)| ticket));
                }
                (None, Some(read)) => reads.push(read),
                (None, None) => {}
            }
        }
        let Some(core) = &mut self.schedds[s].core else { return };
        let batch = run_batch(core, now, &inputs);
        // It makes everything anew, which would take most of the time if it were done each time.
        let checked = self.rng.below(CHECKED) == 0;
        let sound = if checked { core.check() } else { Ok(()) };
        self.require(sound.map_err(|what| format!("schedd{s}: {what}")));
        for rejection in &batch.rejected {
            self.note(|| format!("  schedd{s} drops an input: {rejection}"));
        }
        let nothing = batch.dirty.is_empty();
        let mut pending = Pending { inputs, users, reads, batch };
        if self.plant == Some(Plant::AnswerBeforeCommit) {
            self.give_answers(s, &mut pending);
        }
        self.schedds[s].pending = Some(pending);
        if nothing {
            self.schedd_committed(s, self.life_of(Daemon::Schedd(s)));
        } else {
            let (low, high) = if self.rng.percent(3) { (0, SLOW_COMMIT) } else { COMMIT };
            let at = self.now + self.rng.between(low, high);
            self.agenda
                .put(at, Event::Committed { schedd: s, life: self.life_of(Daemon::Schedd(s)) });
        }
    }

    pub(crate) fn schedd_committed(&mut self, s: usize, life: u32) {
        if !self.is_life(Daemon::Schedd(s), life) {
            return;
        }
        let Some(mut pending) = self.schedds[s].pending.take() else { return };
        let idle = pending.batch.dirty.is_empty() && pending.batch.effects.is_empty();
        let doom = if idle { None } else { self.take_doom(Daemon::Schedd(s)) };
        if doom == Some(CrashPoint::InCommit) {
            self.note(|| "  its transaction is lost".to_owned());
            self.crash(Daemon::Schedd(s));
            return;
        }
        self.write(s, &pending);
        self.compare_rows(s);
        let effects = std::mem::take(&mut pending.batch.effects);
        self.schedd_performs(s, effects, doom);
        if doom.is_some() {
            self.crash(Daemon::Schedd(s));
            return;
        }
        self.give_answers(s, &mut pending);
        self.give_reads(s, &pending.reads);
        let deadline = self.schedds[s].core.as_ref().and_then(Core::next_deadline);
        if !self.schedds[s].inbox.is_empty() {
            self.wake_soon(Daemon::Schedd(s));
        }
        self.wake_by_clock(Daemon::Schedd(s), deadline);
    }

    /// The transaction. The oracle reads the record that it makes durable.
    fn write(&mut self, s: usize, pending: &Pending) {
        let mut dirty = pending.batch.dirty.clone();
        match self.plant {
            Some(Plant::LostSubmit) if dirty.new_clusters.len() > 1 => {
                if let Some((lost, _)) = dirty.new_clusters.pop_last() {
                    dirty.clusters.remove(&lost);
                }
            }
            Some(Plant::FinalTwice) => dirty.jobs.retain(|_, job| job.finished.is_none()),
            _ => {}
        }
        for recorded in &dirty.recorded {
            self.note(|| format!("RECORDED {} {:?}", recorded.seq, recorded.what));
        }
        self.oracle.submitted_as(&dirty.new_clusters);
        let written = self.schedds[s].store.commit(&dirty);
        self.require(written);
        let forced = pending.inputs.iter().any(is_forced_removal);
        let read = self.oracle.read_record(s, &dirty.recorded, forced);
        self.require(read);
        self.dag_hears(s, &dirty.recorded);
        let agrees = self.oracle.compare_rows(self.now, &dirty, &self.schedds[s].store);
        self.require(agrees);
        self.check_bookings();
    }

    /// What a restart would find is what is live.
    fn compare_rows(&mut self, s: usize) {
        if self.rng.below(COMPARED) != 0 {
            return;
        }
        let Some(core) = &self.schedds[s].core else { return };
        let stored = self.schedds[s].store.load();
        let result = stored.and_then(|stored| compare(stored, core.rows()));
        let result = result.and_then(|()| self.oracle.compare_totals(s, &core.totals()));
        self.require(result);
    }

    fn schedd_performs(&mut self, s: usize, effects: Vec<Effect>, doom: Option<CrashPoint>) {
        let count = effects.len();
        let done = if doom.is_some() { self.rng.index(count + 1) } else { count };
        for effect in effects.into_iter().take(done) {
            match effect {
                Effect::ToNegotiator(message) => {
                    self.require(concerns_machines(&message));
                    self.say(Link::ScheddNegotiator(s), Side::Dialer, Message::FromSchedd(message));
                }
                Effect::Connect { machine, address: _ } => {
                    if let Some(m) = self.machine_named(&machine) {
                        self.want(Link::ScheddStartd(s, m));
                    }
                }
                Effect::Disconnect { machine } => {
                    if let Some(m) = self.machine_named(&machine) {
                        self.unwant(Link::ScheddStartd(s, m));
                    }
                }
                // No simulated machine writes files.
                Effect::MakeSpool { .. } | Effect::RemoveSpool { .. } => {}
                Effect::ToStartd { machine, message } => {
                    self.schedds[s].note(&machine, &message);
                    if let Some(m) = self.machine_named(&machine) {
                        self.say(
                            Link::ScheddStartd(s, m),
                            Side::Dialer,
                            Message::ToStartd(message),
                        );
                    }
                }
            }
        }
    }

    fn machine_named(&mut self, name: &MachineName) -> Option<usize> {
        let found = self.machines.iter().position(|machine| machine.kind.name == *name);
        if found.is_none() {
            self.fail(format!("the schedd speaks to {name}, which does not exist"));
        }
        found
    }

    fn give_answers(&mut self, s: usize, pending: &mut Pending) {
        let answers = std::mem::take(&mut pending.batch.answers);
        let begun: BTreeMap<usize, u64> = pending.batch.begun.iter().copied().collect();
        let asked = pending.users.iter().zip(&pending.inputs).zip(answers);
        for (n, ((user, input), answer)) in asked.enumerate() {
            let Some(ticket) = user else { continue };
            if let Some(act) = begun.get(&n) {
                let (input, results) = (input.clone(), Vec::new());
                self.schedds[s].acting.insert(*act, Acting { ticket: *ticket, input, results });
                continue;
            }
            let answer = answer.unwrap_or_else(|| {
                Answer::Refused(Refusal::Invalid("the schedd has no answer".to_owned()))
            });
            let durable = self.oracle.answer_is_durable(
                s,
                input,
                &answer,
                &pending.batch.dirty.recorded,
                &self.schedds[s].store,
            );
            self.require(durable);
            self.give(s, *ticket, answer);
        }
        if let Some(acted) = pending.batch.acted.take() {
            self.tell_actor(s, acted, &pending.batch.dirty.recorded);
        }
    }

    /// A slice of an act is done: what is told of it must be durable. Its user hears of all at the
    /// end.
    fn tell_actor(&mut self, s: usize, acted: Slice, recorded: &[Recorded]) {
        let Slice { act, answer, is_last } = acted;
        // After a restart nobody waits for it.
        let Some(acting) = self.schedds[s].acting.get_mut(&act) else { return };
        if let Some(Answer::Acted(results)) = &answer {
            acting.results.extend(results.iter().cloned());
        }
        let (ticket, all, input) = (acting.ticket, acting.results.clone(), acting.input.clone());
        let store = &self.schedds[s].store;
        if let Some(answer) = &answer {
            let durable = self.oracle.answer_is_durable(s, &input, answer, recorded, store);
            self.require(durable);
        }
        if is_last {
            self.schedds[s].acting.remove(&act);
            match answer {
                Some(Answer::Acted(_)) => self.give(s, ticket, Answer::Acted(all)),
                Some(answer) => self.give(s, ticket, answer),
                None => self.fail(format!("act {act} of {input:?} ends without an answer")),
            }
        }
    }

    fn give_reads(&mut self, s: usize, reads: &[(Ticket, AskSchedd)]) {
        let now = self.schedds[s].clock.now(self.now);
        for (ticket, ask) in reads {
            let Some(core) = &self.schedds[s].core else { return };
            let answer = match ask {
                AskSchedd::Totals => Answer::Totals(core.totals()),
                AskSchedd::QueryJobs(query) => Answer::Ads(core.query(now, query)),
                AskSchedd::Queues => Answer::Queues(Box::new((*core.queue_settings()).clone())),
                AskSchedd::ReserveCluster { .. }
                | AskSchedd::ReserveClusters { .. }
                | AskSchedd::StageProcs { .. }
                | AskSchedd::Submit { .. }
                | AskSchedd::SubmitClusters(_)
                | AskSchedd::Act { .. }
                | AskSchedd::Arrange(_)
                | AskSchedd::Edit { .. }
                | AskSchedd::Chirp { .. }
                | AskSchedd::Events { .. }
                | AskSchedd::Files(_)
                | AskSchedd::Statistics
                | AskSchedd::Identify => Answer::Done,
            };
            if let Answer::Totals(totals) = &answer {
                let right = self.oracle.compare_totals(s, totals);
                self.require(right);
            }
            self.give(s, *ticket, answer);
        }
    }

    fn give(&mut self, s: usize, ticket: Ticket, answer: Answer) {
        self.schedds[s].waiting.remove(&ticket);
        let at = self.now + self.rng.below(CLIENT_DELAY);
        self.agenda.put(at, Event::Answer { ticket, answer: Some(answer) });
    }

    /// The planted bug: a connection that closed means that the runs behind it are over.
    fn take_closed_for_over(&mut self, s: usize, input: &Input) {
        let Input::StartdDown { machine } = input else { return };
        let claims = self.schedds[s].store.claim_records().unwrap_or_default();
        for record in claims.into_iter().filter(|record| record.machine == *machine) {
            let reason = "its machine is not connected".to_owned();
            let message = FromStartd::ClaimGone { claim: record.claim, reason };
            let input = Input::FromStartd { machine: machine.clone(), message };
            self.schedds[s].inbox.push(Waiting { input: Some(input), user: None });
        }
    }
}

/// The negotiator is told of no job that runs beside the schedd.
fn concerns_machines(message: &FromSchedd) -> Result<(), String> {
    let FromSchedd::Requests { changed, .. } = message else { return Ok(()) };
    match changed.iter().find(|request| Universe::of(&request.ad).is_beside()) {
        Some(request) => Err(format!("the negotiator is told of job {}", request.first)),
        None => Ok(()),
    }
}

fn is_forced_removal(input: &Input) -> bool {
    match input {
        Input::Act { action: proto::client::Action::Remove { force, .. }, .. } => *force,
        _ => false,
    }
}

/// Whether a restart would find what is live. The next number may be ahead of what is stored, by
/// numbers that were only reserved; and the class of a claim is a hint, made again when the
/// negotiator names other attributes.
fn compare(stored: Rows, live: Rows) -> Result<(), String> {
    let class_free = |mut claim: ClaimRecord| {
        claim.class_key = "".into();
        claim
    };
    let claims = |rows: Vec<ClaimRecord>| rows.into_iter().map(class_free).collect::<Vec<_>>();
    let past = |rows: Vec<(SubmitToken, ClusterId, u32)>| {
        rows.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    same(&stored.clusters, &live.clusters)?;
    same(&stored.jobs, &live.jobs)?;
    same(&claims(stored.claims), &claims(live.claims))?;
    same(&past(stored.past_submissions), &past(live.past_submissions))?;
    same(&stored.acts, &live.acts)?;
    same(&[stored.last_seq], &[live.last_seq])
}

/// Says where two lists differ first.
fn same<T: PartialEq + Debug>(stored: &[T], live: &[T]) -> Result<(), String> {
    let (n, m) = (stored.len(), live.len());
    let mut pairs = stored.iter().zip(live);
    match pairs.find(|(stored, live)| stored != live) {
        Some((stored, live)) => Err(format!("a restart would find {stored:?}, live is {live:?}")),
        None if n == m => Ok(()),
        None => Err(format!("a restart would find {stored:?}, live is {live:?}")),
    }
}
