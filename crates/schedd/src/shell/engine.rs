//! The one task that owns the core and the store. It takes a batch of waiting inputs, lets the core
//! decide and apply each, commits what changed in one transaction, and only then performs the
//! effects and answers the clients.
//!
//! A commit that fails ends the process: what is in memory is then not true, and a restart loads
//! what is.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use model::queues::QueueSettings;
use model::{ClaimId, Granted, JobId, MachineName, Now, ProcId, RunId, UserName};
use proto::claiming::ToStartd;
use proto::client::{Answer, Query, Refusal, Totals};
use proto::clock;
use proto::files::FilesFor;
use proto::matchmaking::FromSchedd;
use proto::net::Connection;
use proto::net::address::{self, Reach};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::ledger::Ledger;
use super::links::Links;
use super::logtext;
use super::logtext::LogForms;
use super::mail_text::LetterWriter;
use super::recent::Recent;
use super::retention::Order;
use super::rows;
use super::spool::Spool;
use crate::core::run_batch;
use crate::core::{Actor, ClaimRecord, Core, Dirty, Effect, Input, MailEntry, Slice};
use crate::shell::mail::{Letter, Mailer};
use crate::shell::store::{JobRow, Store, StoreError, Tended};
use crate::shell::userlog::{LogBatch, LogText, LogWriter};

/// Inputs that wait while a batch is committed. When it is full, links and clients wait: nothing is
/// lost, memory stays bounded.
pub(crate) const QUEUE: usize = 16_384;

/// The most inputs in a batch: bounds the time that a client waits behind others.
const BATCH: usize = 4096;

/// How many parts of what came of an act may wait for a client that is slow to take them: some
/// thousand results each.
pub(crate) const ACT_PARTS: usize = 64;

/// The longest sleep without an input; only bounds how late a wrong deadline could be.
const IDLE: Duration = Duration::from_secs(60);

/// So long without an input is a pause, in which the store tidies up.
const PAUSE: Duration = Duration::from_secs(1);

/// What reaches the engine.
#[derive(Debug)]
pub(crate) enum EngineInput {
    /// For the core; nobody waits for an answer.
    Core(Input),
    /// For the core; somebody does.
    Ask(Input, oneshot::Sender<Answer>),
    /// An act; what came of it is told in parts.
    Act(Input, mpsc::Sender<ActPart>),
    /// A part of the queue, as it is after the batch.
    Page(Box<PageRequest>, oneshot::Sender<Page>),
    /// The letter of this number was sent, or given up.
    LetterDone(u64),
    /// Much stands in users' logs that the outbox still has.
    LogsDone,
    Totals(oneshot::Sender<Totals>),
    /// What is said of queues, as it is after the batch.
    Queues(oneshot::Sender<Arc<QueueSettings>>),
    /// The schedd's own ad.
    Statistics(oneshot::Sender<ClassAd>),
    /// Something for the negotiator that is not decided about.
    ToNegotiator(FromSchedd),
    /// A machine has called, because it was asked to.
    Called(MachineName, Box<Connection>),
    /// What a machine may read and write for a run; nothing if the run is not its own.
    FilesFor {
        machine: MachineName,
        wanted: FilesFor,
        answer: oneshot::Sender<Option<Lent>>,
    },
    /// Which part of a run a machine has; nothing if the run is not its own, or has no parts.
    PartFor {
        machine: MachineName,
        wanted: FilesFor,
        answer: oneshot::Sender<Option<PartOf>>,
    },
    /// The machine on which a job runs, if it is one that calls; nothing if it is this one.
    PlaceOfRun {
        by: Actor,
        job: JobId,
        answer: oneshot::Sender<Result<Option<MachineName>, Refusal>>,
    },
    /// A machine is to call for a visit of this number.
    Visit {
        machine: MachineName,
        number: u64,
        job: JobId,
    },
    /// Finished jobs of which something else is said from now on. Answered when it is durable.
    Amend(Vec<JobRow>, oneshot::Sender<()>),
    /// A slice of what is kept no longer.
    Tend(Order, oneshot::Sender<Tended>),
    /// End after this batch.
    Stop,
}

/// Which part of a run a claim is.
#[derive(Debug)]
pub(crate) struct PartOf {
    pub(crate) part: u32,
    /// How many there are.
    pub(crate) of: u32,
    /// Closed when the run is over.
    pub(crate) over: watch::Receiver<()>,
}

/// The runs whose parts talk to each other: closed when they are over.
#[derive(Default)]
struct Talks(BTreeMap<ClaimId, (RunId, watch::Sender<()>)>);

impl Talks {
    fn part(&mut self, core: &Core, machine: &MachineName, wanted: &FilesFor) -> Option<PartOf> {
        let (part, of) = core.part_of(machine, wanted)?;
        let known = self.0.get(&wanted.claim).filter(|(run, _)| *run == wanted.run);
        let over = match known {
            Some((_, over)) => over.subscribe(),
            None => {
                let (ours, over) = watch::channel(());
                self.0.insert(wanted.claim, (wanted.run, ours));
                over
            }
        };
        Some(PartOf { part, of, over })
    }

    fn settle(&mut self, core: &Core, changed: &BTreeMap<ClaimId, Option<ClaimRecord>>) {
        for claim in changed.keys() {
            if self.0.get(claim).is_some_and(|(run, _)| core.run_on(*claim) != Some(*run)) {
                self.0.remove(claim);
            }
        }
    }
}

/// What a machine is given of the submitter's files.
#[derive(Debug)]
pub(crate) struct Lent {
    /// Whose files they are.
    pub(crate) owner: UserName,
    /// The number of who submitted the job, where jobs are many users'.
    pub(crate) uid: Option<u32>,
    pub(crate) granted: Granted,
    /// Closed when that is over: the run is, or who carries its files has called anew.
    pub(crate) over: oneshot::Receiver<Infallible>,
}

/// Who has what of submitters' files, by whose run it is for: one each.
#[derive(Default)]
struct Loans(BTreeMap<(MachineName, ClaimId, RunId), (FilesFor, oneshot::Sender<Infallible>)>);

impl Loans {
    /// Lends to who asks now, in place of who asked before for the same run: the one is gone, or
    /// stuck.
    fn lend(
        &mut self,
        core: &Core,
        now: Now,
        machine: MachineName,
        wanted: FilesFor,
    ) -> Option<Lent> {
        let granted = core.files_for(now, &machine, &wanted)?;
        let (owner, uid) = core.owner_of(wanted.run.job)?;
        let owner = owner.clone();
        let (ours, over) = oneshot::channel();
        self.0.insert((machine, wanted.claim, wanted.run), (wanted, ours));
        Some(Lent { owner, uid, granted, over })
    }

    /// Takes back what was lent for runs that are over: of claims that are others than before.
    fn settle(&mut self, core: &Core, changed: &BTreeMap<ClaimId, Option<ClaimRecord>>) {
        if changed.is_empty() {
            return;
        }
        self.0.retain(|(machine, claim, _), (wanted, over)| {
            !changed.contains_key(claim) || (!over.is_closed() && core.is_run_of(machine, wanted))
        });
    }
}

/// Which part of the queue.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// What is asked.
    pub(crate) query: Query,
    /// After which job.
    pub(crate) after: Option<JobId>,
}

/// A part of the queue.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) ads: Vec<ClassAd>,
    /// Where to go on, if there is more.
    pub(crate) next: Option<JobId>,
}

/// What a client is told of its act.
#[derive(Debug)]
pub(crate) struct ActPart {
    pub(crate) answer: Answer,
    pub(crate) is_last: bool,
}

/// Who waits for an answer.
#[derive(Debug)]
enum Client {
    Nobody,
    One(oneshot::Sender<Answer>),
    Actor(mpsc::Sender<ActPart>),
}

impl Client {
    /// A client that has gone does not want its answer.
    fn answer(self, answer: Answer) {
        match self {
            Self::Nobody => {}
            Self::One(client) => drop(client.send(answer)),
            Self::Actor(client) => drop(client.try_send(ActPart { answer, is_last: true })),
        }
    }
}

/// Who waits for what comes of a long act.
#[derive(Debug)]
struct Listener {
    client: Client,
    /// Whether it did not take its parts, and so was not told of all.
    missed: bool,
}

impl Listener {
    /// A part that is not the last. Who takes none is told none, and how it ended.
    fn tell(&mut self, answer: Answer) {
        if let Client::Actor(client) = &self.client {
            // The last place is kept for the end.
            let has_room = !self.missed && client.capacity() > 1;
            let told = has_room && client.try_send(ActPart { answer, is_last: false }).is_ok();
            self.missed = !told;
        }
    }

    fn end(self, answer: Answer) {
        self.client.answer(if self.missed { not_heard() } else { answer });
    }
}

/// The core, its store, and what surrounds them.
pub(crate) struct Engine {
    core: Core,
    store: Store,
    ledger: Ledger,
    links: Links,
    spool: Spool,
    logs: LogWriter,
    mail: OutgoingMail,
    log_forms: LogForms,
    /// Where followers of the record find what is new.
    recent: Arc<Recent>,
    loans: Loans,
    talks: Talks,
    /// Who waits for what comes of a long act, by its number.
    acting: BTreeMap<u64, Listener>,
    dropped: u64,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) links: Links,
    pub(crate) spool: Spool,
    pub(crate) logs: LogWriter,
    pub(crate) mail: OutgoingMail,
    pub(crate) log_forms: LogForms,
    pub(crate) recent: Arc<Recent>,
}

/// A batch as it came in, taken apart.
#[derive(Default)]
struct Taken {
    inputs: Vec<Input>,
    /// For each input, who waits for its answer.
    clients: Vec<Client>,
    reads: Vec<EngineInput>,
    tending: Vec<(Order, oneshot::Sender<Tended>)>,
    amended: Vec<JobRow>,
    amending: Vec<oneshot::Sender<()>>,
    letters_done: Vec<u64>,
    logs_done: bool,
    stop: bool,
}

/// What the engine does with letters; nothing where no way to send mail is known.
pub(crate) struct OutgoingMail {
    pub(crate) writer: LetterWriter,
    pub(crate) mailer: Option<Mailer>,
    /// The last number given to a letter.
    pub(crate) last_letter: u64,
}

impl OutgoingMail {
    /// The letters of a batch, numbered.
    fn letters(&mut self, entries: &[MailEntry]) -> Vec<(u64, Letter)> {
        if self.mailer.is_none() {
            if let Some(entry) = entries.first() {
                tracing::warn!(job = %entry.job, "a job asks for mail, and no way to send any is known");
            }
            return Vec::new();
        }
        let first = self.last_letter + 1;
        let letters = (first..).zip(entries.iter().map(|entry| self.writer.letter(entry)));
        let letters: Vec<_> = letters.collect();
        self.last_letter += letters.len() as u64;
        letters
    }

    fn post(&self, letters: Vec<(u64, Letter)>) {
        if let Some(mailer) = &self.mailer {
            letters.into_iter().for_each(|(id, letter)| mailer.post(id, letter));
        }
    }
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { core, store, ledger, links, spool, logs, mail, log_forms, recent } = parts;
        let loans = Loans::default();
        let acting = BTreeMap::new();
        Self {
            core,
            store,
            ledger,
            links,
            spool,
            logs,
            mail,
            log_forms,
            recent,
            loans,
            talks: Talks::default(),
            acting,
            dropped: 0,
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    ///
    /// If a commit fails.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<EngineInput>,
    ) -> Result<(), StoreError> {
        let effects = self.core.resume();
        self.note_machines(&effects)?;
        self.perform(effects);
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            let patience = self.patience();
            match timeout(patience, inputs.recv_many(&mut waiting, BATCH)).await {
                Ok(0) => break,
                Ok(_) => {}
                // An act that is under way is no pause.
                Err(_) if !self.store.is_rested() && !self.core.has_long_acts() => {
                    self.store.rest().await;
                }
                Err(_) => {}
            }
            if self.batch(&mut waiting).await? {
                break;
            }
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the queue's file is left with its write-ahead log");
        }
        Ok(())
    }

    /// How long to wait for an input before the core wants to be asked again.
    fn patience(&self) -> Duration {
        let until =
            |deadline: u64| Duration::from_millis(deadline.saturating_sub(clock::now().boot_ms));
        let most = if self.store.is_rested() { IDLE } else { PAUSE };
        self.core.next_deadline().map_or(IDLE, until).min(most)
    }

    /// One batch; whether it was the last.
    async fn batch(&mut self, waiting: &mut Vec<EngineInput>) -> Result<bool, StoreError> {
        let mut taken = take_apart(waiting);
        let now = clock::now();
        let batch = run_batch(&mut self.core, now, &taken.inputs);
        let mut log = logtext::of_entries(&batch.log, &self.log_forms, self.logs.written_by());
        self.logs.leave_out(&mut log);
        let texts = self.numbered(log);
        let letters = self.mail.letters(&batch.mail);
        self.commit(&batch.dirty, &texts, &letters, &mut taken).await?;
        for client in taken.amending.drain(..) {
            let _ = client.send(());
        }
        self.note_machines(&batch.effects)?;
        self.make_spools(&batch.effects);
        self.logs.write(texts);
        self.mail.post(letters);
        self.recent.add(batch.dirty.recorded);
        self.loans.settle(&self.core, &batch.dirty.claims);
        self.talks.settle(&self.core, &batch.dirty.claims);
        self.perform(batch.effects);
        self.answer(taken.clients, batch.answers, &batch.begun);
        self.tell_actor(batch.acted);
        for rejection in &batch.rejected {
            self.dropped += 1;
            tracing::debug!(%rejection, dropped = self.dropped, "dropped a message");
        }
        for read in taken.reads {
            self.read(now, read);
        }
        for (order, tender) in taken.tending {
            // Nothing depends on it: a full disk is no reason to end.
            let tended = self.store.tend(order).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what is kept no longer stays for now");
                Tended::default()
            });
            let _ = tender.send(tended);
        }
        Ok(taken.stop)
    }

    fn answer(
        &mut self,
        clients: Vec<Client>,
        answers: Vec<Option<Answer>>,
        begun: &[(usize, u64)],
    ) {
        let mut begun = begun.iter().peekable();
        for (n, (client, answer)) in clients.into_iter().zip(answers).enumerate() {
            match (begun.next_if(|(input, _)| *input == n), client) {
                (Some((_, act)), client) => {
                    self.acting.insert(*act, Listener { client, missed: false });
                }
                (None, client) => client.answer(answer.unwrap_or_else(unanswered)),
            }
        }
    }

    /// What came of a slice of an act. Who does not listen for so long is told no more of it: the
    /// act goes on.
    fn tell_actor(&mut self, acted: Option<Slice>) {
        let Some(Slice { act, answer, is_last }) = acted else { return };
        match (is_last, answer) {
            (true, answer) => {
                if let Some(listener) = self.acting.remove(&act) {
                    listener.end(answer.unwrap_or_else(unanswered));
                }
            }
            (false, Some(answer)) => {
                if let Some(listener) = self.acting.get_mut(&act) {
                    listener.tell(answer);
                }
            }
            (false, None) => {}
        }
    }

    /// The texts, as the outbox has them.
    fn numbered(&self, texts: LogBatch) -> Vec<LogText> {
        let ids = self.logs.last() + 1..;
        let numbered = ids.zip(texts.texts);
        numbered.map(|(id, (path, text))| LogText { id, path, text }).collect()
    }

    async fn commit(
        &mut self,
        dirty: &Dirty,
        texts: &[LogText],
        letters: &[(u64, Letter)],
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let mut batch = rows::to_batch(dirty)?;
        batch.amended = std::mem::take(&mut taken.amended);
        batch.letters = rows::letters_to_rows(letters)?;
        batch.letters_done.clone_from(&taken.letters_done);
        let row = |text: &LogText| (text.id, text.path.to_string(), text.text.clone());
        batch.outbox = texts.iter().map(row).collect();
        if taken.logs_done || !batch.is_empty() {
            // Rides along. If no commit follows, a restart finds these texts in their logs and
            // leaves them.
            batch.outbox_done = self.logs.take_done();
        }
        self.store.commit(&batch).await
    }

    /// The folders that logs of new jobs are in.
    fn make_spools(&self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::MakeSpool { cluster, procs } = effect {
                let jobs = (0..*procs).map(|proc| JobId { cluster: *cluster, proc: ProcId(proc) });
                self.spool.make(jobs);
            }
        }
    }

    /// A machine is in the ledger before it starts anything.
    fn note_machines(&mut self, effects: &[Effect]) -> Result<(), StoreError> {
        self.ledger.note(effects).map_err(StoreError::ledger)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let mut left = Vec::new();
        for effect in effects {
            match effect {
                Effect::ToNegotiator(message) => self.links.tell_negotiator(message),
                Effect::Connect { machine, address } => self.links.connect(machine, address),
                Effect::Disconnect { machine } => self.links.disconnect(&machine),
                // Done already.
                Effect::MakeSpool { .. } => {}
                Effect::RemoveSpool { job } => left.push(job),
                Effect::ToStartd { machine, message } => self.links.tell_startd(&machine, message),
            }
        }
        self.spool.remove(left);
    }

    fn read(&mut self, now: Now, read: EngineInput) {
        match read {
            EngineInput::Page(request, client) => {
                let (ads, next) = self.core.query_page(now, &request.query, request.after);
                let _ = client.send(Page { ads, next });
            }
            EngineInput::Totals(client) => {
                let forgotten = *self.store.forgotten().borrow();
                let _ = client.send(Totals { forgotten, ..self.core.totals() });
            }
            EngineInput::Queues(client) => {
                let _ = client.send(self.core.queue_settings());
            }
            EngineInput::Statistics(client) => {
                let _ = client.send(self.core.statistics(now));
            }
            EngineInput::Called(machine, connection) => self.links.called(&machine, *connection),
            EngineInput::ToNegotiator(message) => self.links.tell_negotiator(message),
            EngineInput::FilesFor { machine, wanted, answer } => {
                let _ = answer.send(self.loans.lend(&self.core, now, machine, wanted));
            }
            EngineInput::PartFor { machine, wanted, answer } => {
                let _ = answer.send(self.talks.part(&self.core, &machine, &wanted));
            }
            EngineInput::PlaceOfRun { by, job, answer } => {
                let found = self.core.place_of_run(&by, job).map(|(machine, address)| {
                    let calls = address::reach(address) == Some(Reach::Calls);
                    calls.then(|| machine.clone())
                });
                let _ = answer.send(found);
            }
            EngineInput::Visit { machine, number, job } => {
                self.links.tell_startd(&machine, ToStartd::Visit { number, job });
            }
            EngineInput::Core(_)
            | EngineInput::Ask(..)
            | EngineInput::Act(..)
            | EngineInput::LetterDone(_)
            | EngineInput::LogsDone
            | EngineInput::Amend(..)
            | EngineInput::Tend(..)
            | EngineInput::Stop => {}
        }
    }
}

fn take_apart(waiting: &mut Vec<EngineInput>) -> Taken {
    let mut taken = Taken::default();
    for input in waiting.drain(..) {
        match input {
            EngineInput::Core(input) => {
                taken.inputs.push(input);
                taken.clients.push(Client::Nobody);
            }
            EngineInput::Ask(input, client) => {
                taken.inputs.push(input);
                taken.clients.push(Client::One(client));
            }
            EngineInput::Act(input, client) => {
                taken.inputs.push(input);
                taken.clients.push(Client::Actor(client));
            }
            read @ (EngineInput::Page(..)
            | EngineInput::Totals(_)
            | EngineInput::Queues(_)
            | EngineInput::Statistics(_)
            | EngineInput::Called(..)
            | EngineInput::ToNegotiator(_)
            | EngineInput::FilesFor { .. }
            | EngineInput::PartFor { .. }
            | EngineInput::PlaceOfRun { .. }
            | EngineInput::Visit { .. }) => {
                taken.reads.push(read);
            }
            EngineInput::LetterDone(id) => taken.letters_done.push(id),
            EngineInput::LogsDone => taken.logs_done = true,
            EngineInput::Amend(rows, client) => {
                taken.amended.extend(rows);
                taken.amending.push(client);
            }
            EngineInput::Tend(order, tender) => taken.tending.push((order, tender)),
            EngineInput::Stop => taken.stop = true,
        }
    }
    taken
}

fn not_heard() -> Answer {
    let what = "tell what came of each job: the answers were not read, and all was done".to_owned();
    Answer::Refused(Refusal::Limit { what, limit: format!("{ACT_PARTS} parts that wait") })
}

fn unanswered() -> Answer {
    Answer::Refused(Refusal::Invalid("the schedd has no answer to that".to_owned()))
}
