//! The loop around the core: what happened goes in, is written down, and what follows is done. How
//! it ends, [`finish`] says.

mod finish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use classad::{ClassAd, Value};
use client::asynchronous::{Following, Schedd};
use client::{Action, FrontEnd, Query, Select, Selector};
use futures_util::FutureExt;
use model::job_ad::is_of_dag;
use model::{ClusterId, Now, Seq, attr};
use proto::client::Recorded;
use proto::command::AskError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::facts::{self, OWN_JOBS};
use super::journal::{self, Head, Journal, Past};
use super::orders::{self, Answer, Order};
use super::records::Records;
use super::rescues::Start;
use super::scripts::{Scripts, Which};
use super::submit::Submitter;
use super::submitting::Submissions;
use super::telling::Teller;
use super::unchanged::{Unchanged, Verdict};
use super::{Setup, ShellError, files, macros, own_entries, put_back};
use crate::Workflow;
use crate::core::{Core, Effect, Event, Input, run_batch};
use crate::record::{Stamp, dagman_out, rescue};
use crate::workflow::NodeIndex;

/// How often it is looked whether a halt is wished, or a file is to be written anew.
const LOOK: Duration = Duration::from_secs(1);

/// With so many jobs that have not begun, nobody waits for the next: what happens is gathered for a
/// moment, so that the nodes that follow are submitted together. Each batch is synced here and in
/// the schedd.
const PLENTY: u64 = 100;
const GATHER: Duration = Duration::from_millis(50);

/// Inputs of a batch that are gathered from the record.
const AT_ONCE: usize = 10_000;

/// What dagman exits with to be started again where it was.
pub const RESTART: u8 = 3;

/// Runs a workflow to its end, or until its process is to end; gives the exit status.
///
/// # Errors
/// If the files cannot be read or written, or the schedd refuses what it must give. The DAG is
/// where it was.
pub fn run(setup: Setup) -> Result<i32, ShellError> {
    let _lock = lock(&setup.lock)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ShellError::Runtime)?;
    runtime.block_on(async {
        let (schedd, job) = (Schedd::of(&setup.home), setup.job);
        if let Some(status) = over(&schedd, job).await? {
            return Ok(status);
        }
        match Engine::begin(setup).await {
            Ok(mut engine) => engine.run().await,
            Err(error @ (ShellError::Dag(_) | ShellError::Changed)) => {
                // Nobody could tell what becomes of nodes that an earlier life has submitted.
                let reason =
                    "Startup Error: DAGMan failed to parse DAG file. Was likely in recovery mode.";
                let action = Action::Remove { reason: Some(reason.to_owned()), force: false };
                let nodes = Select::Constraint(is_of_dag(job));
                schedd.act(FrontEnd::DagMan, action, nodes).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    })
}

/// Only one dagman runs a DAG. The lock goes with the process, however that ends.
pub(super) fn lock(path: &str) -> Result<nix::fcntl::Flock<File>, ShellError> {
    let file = File::create(path).map_err(ShellError::file("make the lock", path))?;
    match nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(ShellError::Locked { path: path.into() }),
        Err((_, errno)) => {
            Err(ShellError::File { what: "lock", path: path.into(), source: errno.into() })
        }
    }
}

struct Engine {
    setup: Setup,
    core: Core,
    journal: Journal,
    records: Records,
    submitter: Submitter,
    submissions: Submissions,
    scripts: Scripts,
    schedd: Schedd,
    following: Following,
    contact: Contact,
    /// Clusters that are being removed.
    removals: JoinSet<Result<(), AskError>>,
    teller: Teller,
    unchanged: Unchanged,
    place: Place,
    /// Clusters that an earlier life submitted, by node and attempt.
    known: Known,
    /// The last cluster of each node that may be tried again.
    clusters: BTreeMap<NodeIndex, ClusterId>,
    inputs: Vec<Input>,
    began: Stamp,
    rescue: u32,
    /// Whether an earlier life had come to the end, but not past it.
    ends_again: bool,
    /// The rescue file that the run began from.
    begun_from: Option<String>,
    parent: String,
    /// Orders that cannot be taken away.
    passed_over: BTreeSet<String>,
    removal: Signal,
    ending: Signal,
}

/// Where it stands in the schedd's record.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Up to here it was read.
    taken: Seq,
    /// Up to here the core has had what was read: that is what the journal may say. What was read
    /// and waits for its turn is read again by the next life.
    applied: Seq,
}

/// Whether the schedd answers who follows its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    /// As far as is known.
    Kept,
    /// It did not, a moment ago: it is left alone for another.
    Lost,
    /// It did not, and is asked again.
    Sought,
}

impl Engine {
    async fn begin(setup: Setup) -> Result<Self, ShellError> {
        let now = now();
        let removal = signal(SignalKind::user_defined1()).map_err(ShellError::Runtime)?;
        let ending = signal(SignalKind::terminate()).map_err(ShellError::Runtime)?;
        let schedd = Schedd::of(&setup.home);
        let own = own_job(&schedd, &setup).await?;
        let nodes_log = absolute(&setup.names.nodes_log())?;
        let mut out = files::append_to(&setup.out)?;
        let zone = jiff::tz::TimeZone::system();
        let stamp = Stamp::new(now.wall, zone.clone());
        say_banner(&mut out, &setup, &stamp, &own.batch_name, &nodes_log)?;
        let path = setup.names.journal();
        let (past, generation) = earlier_life(&path, setup.job)?;
        let (number, from) = begins_from(&setup.start, past.as_ref());
        let workflow = load(&mut out, &setup, &stamp, from.as_deref(), past.as_ref())?;
        let mut core = Core::new(Arc::new(workflow), setup.options.clone());
        let states = core.workflow().settings().jobstate_log.as_deref();
        let (out, is_new) = (&setup.out, past.is_none());
        let mut records = Records::open(out, &nodes_log, states, &setup.dag_files, is_new)?;
        let rescued = from.as_deref().filter(|_| past.is_none());
        let rescued = rescued.map(|from| dagman_out::rescued(number, from, setup.names.primary()));
        records.say(now.wall, rescued);
        records.say(now.wall, dagman_out::loaded(&core, &setup.dag_files));
        let first = first_of(&setup, &schedd).await?;
        let queue = schedd.generation().await?;
        let fresh = Head { queue, ..head(&core, setup.job, generation, from.clone(), now) };
        // What is past is looked through only where nothing else is left of an earlier life.
        let with_past = past.is_none() && own.starts > 1;
        let (journal, inputs, next, began_ms) = match past {
            Some(past) => {
                let began_ms = past.head.began_ms;
                let run = put_back::Run { schedd: &schedd, job: setup.job, generation, queue };
                let (journal, mark) = recover(&mut core, &mut records, now, past, &run).await?;
                (journal, Vec::new(), mark.next.unwrap_or(first), began_ms)
            }
            None => {
                records.say_internal(now.wall, &format!("DAGMAN_STARTED {}.0", setup.job));
                (Journal::begin(&path, &fresh)?, vec![Input::Begin], first, fresh.began_ms)
            }
        };
        let known = known_jobs(&schedd, setup.job, generation, with_past).await?;
        let following = schedd.follow(next, Select::All);
        Ok(Self {
            ends_again: core.progress().finished.is_some(),
            unchanged: Unchanged::read(setup.names.unchanged(), core.workflow()),
            core,
            journal,
            records,
            submitter: Submitter::new(&setup, generation, own.batch_name, nodes_log, own.inherited),
            submissions: Submissions::with(&schedd),
            teller: Teller::of(&schedd, setup.job),
            scripts: Scripts::new(),
            schedd,
            following,
            contact: Contact::Kept,
            removals: JoinSet::new(),
            place: Place { taken: next, applied: next },
            known,
            clusters: BTreeMap::new(),
            inputs,
            began: Stamp::new(model::Timestamp::from_millis(began_ms), zone),
            rescue: number.unwrap_or(0),
            begun_from: from,
            parent: own.parent,
            passed_over: BTreeSet::new(),
            removal,
            ending,
            setup,
        })
    }

    async fn run(&mut self) -> Result<i32, ShellError> {
        let mut effects: VecDeque<Effect> = self.core.resume().into();
        loop {
            if let Some(status) = self.perform(&mut effects).await? {
                return Ok(status);
            }
            let now = now();
            let inputs = std::mem::take(&mut self.inputs);
            self.note_clusters(&inputs);
            let records = &mut self.records;
            let batch = run_batch(&mut self.core, now, &inputs, |core, event| {
                records.note(core, event, now.wall);
            });
            self.place.applied = self.place.taken;
            self.journal.append(&batch.events, Some(self.place.applied))?;
            if let Err(error) = self.unchanged.note(&batch.events) {
                let line = format!("What nodes were made from is not written down: {error}");
                self.records.say(now.wall, [line]);
            }
            self.records.flush(&self.core, now.wall, !batch.events.is_empty())?;
            self.records.write_status(&self.core, now.wall, now.boot_ms, false)?;
            self.records.draw(&self.core, now.boot_ms, false)?;
            effects.extend(batch.effects);
            if effects.is_empty() && self.inputs.is_empty() {
                if self.teller.is_time(now) {
                    self.teller.tell(now, self.standing());
                }
                if let Some(status) = self.wait(now, batch.more).await? {
                    return Ok(status);
                }
                self.obey(&mut effects)?;
            }
        }
    }

    /// Waits for what comes next; where more follows at once, hears only what has come already.
    /// Some status if the process is to end.
    async fn wait(&mut self, now: Now, more_follows: bool) -> Result<Option<i32>, ShellError> {
        let pause = if more_follows { Duration::ZERO } else { self.pause(now) };
        if self.submissions.may_begin() {
            // First what has happened meanwhile: some may follow on others for a long time.
            if let Some(Ok(events)) = self.following.next().now_or_never() {
                self.take(now, events);
            }
            self.submissions.begin();
            if !self.inputs.is_empty() {
                return Ok(None);
            }
        }
        // Of a cluster whose number is not known yet, nobody could say whose it is.
        let listens = !self.submissions.are_under_way() && self.contact != Contact::Lost;
        if self.contact == Contact::Lost {
            self.contact = Contact::Sought;
        }
        if self.core.counts().idle_jobs >= PLENTY && listens && !more_follows {
            tokio::time::sleep(GATHER).await;
        }
        tokio::select! {
            biased;
            _ = self.removal.recv() => self.inputs.push(Input::Remove),
            _ = self.ending.recv() => return self.end_early(now).map(Some),
            end = self.scripts.next() => self.inputs.extend(end),
            inputs = self.submissions.next() => self.inputs.extend(inputs),
            Some(removed) = self.removals.join_next() => {
                if let Ok(Err(error)) = removed {
                    self.say_not_removed(now, &error);
                }
            }
            events = self.following.next(), if listens => match events {
                Ok(events) => self.take(now, events),
                // It is asked again for as long as the DAG lives: without a schedd there is nothing
                // else to do.
                Err(AskError::Net(error)) => {
                    if self.contact == Contact::Kept {
                        self.records.say(now.wall, [format!("The schedd does not answer: {error}")]);
                    }
                    self.contact = Contact::Lost;
                    self.following = self.schedd.follow(self.place.taken, Select::All);
                }
                Err(error) => return Err(error.into()),
            },
            () = pass(pause) => {
                let halted = files::is_there(&self.setup.names.halt());
                self.inputs.push(Input::Halt(halted));
            }
        }
        Ok(None)
    }

    /// How long it may be waited.
    fn pause(&self, now: Now) -> Duration {
        // What was due, and was not done now, waits for something else: a halt that ends.
        let deadline = self.core.next_deadline().filter(|at| *at > now.boot_ms);
        let pause = deadline
            .map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now.boot_ms)).min(LOOK));
        if self.records.are_waiting() { pause.min(own_entries::PAUSE) } else { pause }
    }

    /// The process is to end, and the DAG to go on from here: gives its exit status.
    fn end_early(&mut self, now: Now) -> Result<i32, ShellError> {
        let text = "Received SIGTERM: dagman ends, and goes on from here when its job runs again";
        let end = dagman_out::end(std::process::id(), i32::from(RESTART));
        self.records.say(now.wall, [text.to_owned(), end]);
        self.records.flush(&self.core, now.wall, false)?;
        self.scripts.stop();
        Ok(i32::from(RESTART))
    }

    /// Takes what the record says, and what more of it has come already.
    fn take(&mut self, now: Now, mut events: Vec<Recorded>) {
        if self.contact != Contact::Kept {
            self.contact = Contact::Kept;
            self.records.say(now.wall, ["The schedd answers again".to_owned()]);
        }
        loop {
            if let Some(last) = events.last() {
                self.place.taken = last.seq.next();
            }
            let facts = events.iter().filter_map(facts::fact);
            let ours = facts.filter(|(job, _)| self.core.node_of(job.cluster).is_some());
            self.inputs.extend(ours.map(|(job, fact)| Input::Job { job, fact }));
            if self.inputs.len() >= AT_ONCE {
                return;
            }
            // What is wrong is found again when it is waited for.
            let Some(Ok(more)) = self.following.next().now_or_never() else { return };
            events = more;
        }
    }

    /// Follows the orders that lie beside the DAG. What they do is written down before they are
    /// answered. An order that cannot be answered, or taken away, is followed once.
    fn obey(&mut self, effects: &mut VecDeque<Effect>) -> Result<(), ShellError> {
        let folder = self.setup.names.orders();
        if !files::is_there(&folder) {
            return Ok(());
        }
        for (path, order) in orders::waiting(&folder, &self.passed_over) {
            let mut answer = Answer::default();
            match order {
                Ok(order) => self.follow_order(&order, &mut answer, effects)?,
                Err(why) => answer.errors.push(why),
            }
            if let Err(error) = orders::reply(&path, &answer) {
                let told = proto::net::chain(&error);
                self.records.say(now().wall, [format!("The order was not answered: {told}")]);
                self.passed_over.insert(path);
            }
        }
        Ok(())
    }

    fn follow_order(
        &mut self,
        order: &Order,
        answer: &mut Answer,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), ShellError> {
        let (mut events, now) = (Vec::new(), now());
        for (node, input) in orders::inputs(&self.core, order, answer) {
            let records = &mut self.records;
            let batch = run_batch(&mut self.core, now, &[input], |core, event| {
                records.note(core, event, now.wall);
            });
            events.extend(batch.events);
            effects.extend(batch.effects);
            match batch.rejected.first() {
                Some(rejection) => answer.errors.push(rejection.to_string()),
                None if node.is_empty() => answer.throttles = Some(*self.core.throttles()),
                None => answer.done.push(node),
            }
        }
        // What was read of the record and waits behind the order is not in the journal yet.
        self.journal.append(&events, Some(self.place.applied))
    }

    /// Does what is to be done, in order. Some status at the end of all, or if the process is to
    /// end.
    async fn perform(&mut self, effects: &mut VecDeque<Effect>) -> Result<Option<i32>, ShellError> {
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Submit { node, retry } => self.submit(node, retry),
                Effect::RunScript { node, retry, script } => {
                    self.run_script(Which { node, retry, script });
                }
                Effect::RemoveCluster { cluster, reason } => {
                    let schedd = self.schedd.clone();
                    let select = Select::Any(vec![Selector::Cluster(cluster)]);
                    self.removals.spawn(async move {
                        loop {
                            match remove(&schedd, select.clone(), reason.clone()).await {
                                Err(AskError::Net(_)) => tokio::time::sleep(LOOK).await,
                                removed => return removed,
                            }
                        }
                    });
                }
                Effect::RemoveAll { reason } => {
                    self.scripts.stop();
                    if self.remove_all(reason).await == Went::ToEnd {
                        return self.end_early(now()).map(Some);
                    }
                }
                Effect::SavePoint { node } => self.save_point(node)?,
                Effect::Finish { status, rescue } => {
                    return self.finish(status, rescue).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    fn note_clusters(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Submitted { node, cluster, .. } = input
                && self.core.workflow().node(*node).retry().is_some()
            {
                self.clusters.insert(*node, *cluster);
            }
        }
    }

    /// Has a node submitted, if an earlier life has not done so.
    fn submit(&mut self, node: NodeIndex, retry: u32) {
        let name = self.core.workflow().node(node).name().to_owned();
        if let Some((cluster, jobs)) = self.known.get(&(name.clone(), retry)) {
            let (cluster, jobs) = (*cluster, *jobs);
            self.inputs.push(Input::Submitted { node, retry, cluster, jobs });
            return;
        }
        // An earlier life may have submitted the attempt before.
        let before = || self.known.get(&(name.clone(), retry.checked_sub(1)?));
        let earlier = || before().map(|(cluster, _)| *cluster);
        let last = self.clusters.get(&node).copied().or_else(earlier);
        match self.submitter.prepare(&self.core, node, retry, last) {
            Ok(one) => match self.unchanged.look(self.core.workflow().node(node), &one) {
                Some(Verdict::Same(why)) => {
                    self.inputs.push(Input::Unchanged { node, retry, why });
                }
                runs => {
                    if let Some(Verdict::Runs(why)) = runs {
                        let line = format!("Node {name} is not skipped: {why}");
                        self.records.say(now().wall, [line]);
                    }
                    self.submissions.put(one);
                }
            },
            Err(why) => {
                self.inputs.push(Input::SubmitFailed { node, retry, lasting: true, why });
            }
        }
    }

    fn run_script(&mut self, which: Which) {
        let Which { node, script: kind, .. } = which;
        let view = self.core.workflow().node(node);
        let Some(script) = view.script(kind) else { return };
        let id = self.setup.job.to_string();
        let strict = self.setup.manner.strict >= 1;
        let words = match macros::expand(&self.core, node, &script, kind, &id, strict) {
            Ok(words) => words,
            Err(error) => {
                self.inputs.push(Input::Fail { why: error.to_string() });
                return;
            }
        };
        let dir = Path::new(view.dir().unwrap_or("."));
        let ended = self.scripts.start(which, &script, &words, dir);
        self.inputs.extend(ended);
    }

    /// Removes what the DAG has in the queue, with what is on the way there.
    async fn remove_all(&mut self, reason: String) -> Went {
        let select = Select::Constraint(is_of_dag(self.setup.job));
        let settled = self.submissions.settle();
        match unless_ended(&mut self.ending, settled).await {
            Some(inputs) => self.inputs.extend(inputs),
            None => return Went::ToEnd,
        }
        let mut is_told = false;
        loop {
            let removed = remove(&self.schedd, select.clone(), reason.clone());
            let error = match unless_ended(&mut self.ending, removed).await {
                Some(Ok(())) => return Went::Well,
                Some(Err(error)) => error,
                None => return Went::ToEnd,
            };
            if !is_told {
                self.say_not_removed(now(), &error);
            }
            // Jobs that go on are nobody's, and their nodes would run again beside them: it is not
            // over before the schedd has heard it.
            if !matches!(error, AskError::Net(_)) {
                return Went::Well;
            }
            is_told = true;
            let flushed = self.records.flush(&self.core, now().wall, false);
            let pause = tokio::time::sleep(LOOK);
            if flushed.is_err() || unless_ended(&mut self.ending, pause).await.is_none() {
                return Went::ToEnd;
            }
        }
    }

    fn say_not_removed(&mut self, now: Now, error: &AskError) {
        self.records.say(now.wall, [format!("ERROR: the jobs could not be removed: {error}")]);
    }

    fn save_point(&mut self, node: NodeIndex) -> Result<(), ShellError> {
        let Some(path) = self.core.workflow().node(node).save_point() else { return Ok(()) };
        if let Some(folder) = Path::new(path).parent() {
            std::fs::create_dir_all(folder).map_err(ShellError::file("make the folder", folder))?;
        }
        if files::is_there(path) {
            let aside = format!("{path}.old");
            std::fs::rename(path, aside).map_err(ShellError::file("rename", path))?;
        }
        let stamp = self.records.stamp(now().wall);
        let name = self.core.workflow().node(node).name();
        files::replace(path, &rescue::save_point(&self.core, name, &stamp))
    }
}

/// With what the DAG's run ended, if an earlier life has told so.
async fn over(schedd: &Schedd, job: ClusterId) -> Result<Option<i32>, ShellError> {
    let own = Select::Any(vec![Selector::Cluster(job)]);
    let ads = schedd.jobs(Query::of(own)).await?;
    let status =
        ads.first().and_then(|ad| ad.literal(attr::DAG_EXIT_STATUS)).and_then(Value::as_i64);
    Ok(status.and_then(|status| i32::try_from(status).ok()))
}

/// What the journal at `path` has of this job's run, and the number of the run. A run in which
/// nothing has happened yet is begun again under its number.
fn earlier_life(path: &str, job: ClusterId) -> Result<(Option<Past>, u32), ShellError> {
    let past = journal::open(path)?.filter(|past| past.head.job == job.0);
    let generation = past.as_ref().map_or(0, |past| past.head.generation);
    Ok((past.filter(Past::is_begun), generation))
}

/// The first line of a journal that begins now.
fn head(core: &Core, job: ClusterId, generation: u32, rescue: Option<String>, now: Now) -> Head {
    let (shape, began_ms) = (journal::shape(core.workflow()), now.wall.as_millis());
    Head { job: job.0, generation, shape, rescue, began_ms, queue: 0 }
}

/// The rescue file that a run begins from, with its number where it has one. A run that goes on has
/// its own.
fn begins_from(start: &Start, past: Option<&Past>) -> (Option<u32>, Option<String>) {
    match (past, start) {
        (Some(past), _) => (None, past.head.rescue.clone()),
        (None, Start::From(number, path)) => (*number, Some(path.clone())),
        (None, Start::Fresh) => (None, None),
    }
}

/// Reads the DAG files; dagman.out has what is odd or wrong about them. A DAG that runs must be
/// what it was.
fn load(
    out: &mut File,
    setup: &Setup,
    stamp: &Stamp,
    rescue: Option<&str>,
    past: Option<&Past>,
) -> Result<Workflow, ShellError> {
    let (workflow, warnings) = (setup.load)(rescue).map_err(|problems| {
        say_problems(out, setup, stamp, &problems);
        ShellError::Dag(problems)
    })?;
    put(out, stamp, &warnings).map_err(ShellError::file("write", &setup.out))?;
    match past {
        Some(past) if past.head.shape != journal::shape(&workflow) => Err(ShellError::Changed),
        Some(_) | None => Ok(workflow),
    }
}

/// Brings the core to where an earlier life left it; gives the journal to go on with, and up to
/// where which record of the schedd's was taken.
async fn recover(
    core: &mut Core,
    records: &mut Records,
    now: Now,
    past: Past,
    run: &put_back::Run<'_>,
) -> Result<(Journal, journal::Mark), ShellError> {
    records.say(now.wall, ["Running in RECOVERY mode...".to_owned()]);
    records.say_internal(now.wall, "RECOVERY_STARTED");
    let (mut journal, mark) = past.replay(|event| core.apply(event))?;
    let note = |core: &Core, event: &Event| records.note(core, event, now.wall);
    run.go_on(mark.queue, (core, &mut journal), note).await?;
    records.say_internal(now.wall, "RECOVERY_FINISHED");
    Ok((journal, mark))
}

/// How something went that needs the schedd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// It is done, as far as it can be.
    Well,
    /// The process is to end before it was done.
    ToEnd,
}

/// Does something, unless the process is to end meanwhile.
async fn unless_ended<T>(ending: &mut Signal, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = ending.recv() => None,
        done = work => Some(done),
    }
}

/// Lets the others have their turn, and so much time.
async fn pass(pause: Duration) {
    if pause.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(pause).await;
    }
}

pub(super) async fn remove(
    schedd: &Schedd,
    select: Select,
    reason: String,
) -> Result<(), AskError> {
    let action = Action::Remove { reason: Some(reason), force: false };
    schedd.act(FrontEnd::DagMan, action, select).await.map(|_| ())
}

/// What the DAG's own job says.
struct OwnJob {
    batch_name: String,
    /// The DAG that it is a sub-DAG of; empty if it is of none.
    parent: String,
    /// How often it was started, with this time.
    starts: i64,
    /// What nodes' jobs take over from it (DAGMAN_INHERIT_ATTRS), under their names for it.
    inherited: ClassAd,
}

async fn own_job(schedd: &Schedd, setup: &Setup) -> Result<OwnJob, ShellError> {
    let select = Select::Any(vec![Selector::Cluster(setup.job)]);
    let ads = schedd.jobs(Query::of(select)).await?;
    let ad = ads.into_iter().next().ok_or(ShellError::NoJob(setup.job))?;
    let number = |name: &str| ad.literal(name).and_then(Value::as_i64);
    let batch_name = ad.literal(attr::JOB_BATCH_NAME).and_then(Value::as_str).map(str::to_owned);
    Ok(OwnJob {
        batch_name: batch_name.unwrap_or_else(|| format!("{}+{}", setup.names.base(), setup.job)),
        parent: number(attr::DAGMAN_JOB_ID).map(|id| id.to_string()).unwrap_or_default(),
        starts: number(attr::NUM_JOB_STARTS).unwrap_or(0),
        inherited: inherited(&ad, setup),
    })
}

fn inherited(ad: &ClassAd, setup: &Setup) -> ClassAd {
    let mut inherited = ClassAd::new();
    for name in &setup.manner.inherit_attrs {
        if let Some(value) = ad.get(name) {
            let name = format!("{}{name}", setup.manner.inherit_prefix);
            inherited.set(name.as_str(), value.clone());
        }
    }
    inherited
}

/// The first entry of the record that can concern the workflow: the one of its own job.
async fn first_of(setup: &Setup, schedd: &Schedd) -> Result<Seq, ShellError> {
    let own = Select::Any(vec![Selector::Cluster(setup.job)]);
    let mut following = schedd.follow(Seq(0), own);
    Ok(following.next().await?.first().map_or(Seq(0), |event| event.seq))
}

/// Clusters of nodes, with the number of their jobs, by node and attempt.
pub(super) type Known = BTreeMap<(String, u32), (ClusterId, u32)>;

/// The clusters of the workflow's nodes that the schedd knows, in the queue and past it.
pub(super) async fn known_jobs(
    schedd: &Schedd,
    job: ClusterId,
    generation: u32,
    with_past: bool,
) -> Result<Known, ShellError> {
    let mut known = Known::new();
    for finished in [false, true] {
        if finished && !with_past {
            continue;
        }
        let constraint = Some(is_of_dag(job));
        let projection = OWN_JOBS.into_iter().map(Into::into).collect();
        let query = Query { constraint, projection, finished, ..Query::of(Select::All) };
        for ad in schedd.jobs(query).await? {
            let Some(own) = facts::own_job(&ad) else { continue };
            if own.generation == generation {
                known.insert((own.node, own.retry), (own.cluster, own.jobs));
            }
        }
    }
    Ok(known)
}

fn say_banner(
    out: &mut File,
    setup: &Setup,
    stamp: &Stamp,
    batch_name: &str,
    nodes_log: &str,
) -> Result<(), ShellError> {
    let job = format!("{}.0", setup.job);
    let banner = dagman_out::Banner {
        program: &setup.manner.dagman.path,
        argv: &setup.argv,
        pid: std::process::id(),
        uid: nix::unistd::Uid::current().as_raw(),
        job: &job,
        batch_name,
        nodes_log,
        lock: &setup.lock,
        dag_files: &setup.dag_files,
    };
    put(out, stamp, &dagman_out::banner(&banner)).map_err(ShellError::file("write", &setup.out))
}

/// What is wrong with the DAG files, where everybody looks for it. The error tells it too.
fn say_problems(out: &mut File, setup: &Setup, stamp: &Stamp, problems: &[String]) {
    let mut lines: Vec<String> =
        problems.iter().flat_map(|text| text.lines().map(str::to_owned)).collect();
    lines.push(format!("Failed to parse {}", setup.names.primary()));
    lines.push(dagman_out::end(std::process::id(), 1));
    // It is told on standard error in any case.
    let _ = put(out, stamp, &lines);
}

fn put(out: &mut File, stamp: &Stamp, lines: &[String]) -> std::io::Result<()> {
    use std::io::Write;
    let stamp = stamp.in_log();
    let text: String = lines.iter().map(|line| format!("{stamp} {line}\n")).collect();
    out.write_all(text.as_bytes())
}

fn absolute(path: &str) -> Result<String, ShellError> {
    let absolute = std::path::absolute(path).map_err(ShellError::file("find", path))?;
    Ok(absolute.to_string_lossy().into_owned())
}

fn now() -> Now {
    proto::clock::now()
}
