//! The loop around the core: what happened goes in, is written down, and what follows is done. How
//! it begins, [`mod@begin`] says, and how it ends, [`finish`].

mod begin;
mod finish;
mod halting;
pub(super) mod stock;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use classad::Value;
use client::asynchronous::{Following, Schedd};
use client::{Action, FrontEnd, Query, Select, Selector};
use futures_util::FutureExt;
use model::job_ad::{is_of_dag, is_of_dag_and_ends_with_it};
use model::{ClusterId, Now, Seq, attr};
use proto::client::{Recorded, Refusal};
use proto::command::AskError;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;

use self::halting::HaltFile;
use super::facts::{self, OWN_JOBS};
use super::journal::Journal;
use super::orders::{self, Answer, Order};
use super::records::Records;
use super::scripts::{Scripts, Which};
use super::submit::{Prepared, Submitter};
use super::submitting::Submissions;
use super::telling::Teller;
use super::unchanged::{Unchanged, Verdict};
use super::{Setup, ShellError, files, macros, own_entries};
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
        let (out, lock) = (setup.out.clone(), setup.lock.clone());
        let ran = match Engine::begin(setup).await {
            Ok(mut engine) => engine.run().await,
            Err(error @ (ShellError::Dag(_) | ShellError::Changed)) => {
                // Nobody could tell what becomes of nodes that an earlier life has submitted.
                let reason =
                    "Startup Error: DAGMan failed to parse DAG file. Was likely in recovery mode.";
                let action = Action::Remove { reason: Some(reason.to_owned()), force: false };
                let nodes = Select::Constraint(is_of_dag(job));
                schedd.act(FrontEnd::DagMan, action, nodes).await?;
                std::fs::remove_file(&lock).map_err(ShellError::file("remove", &lock))?;
                Err(error)
            }
            Err(error) => Err(error),
        };
        // What is wrong with the files is told there already.
        if let Err(error) = &ran
            && !matches!(error, ShellError::Dag(_))
        {
            begin::say_error(&out, error);
        }
        ran
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
    halt: HaltFile,
    place: Place,
    /// Clusters that an earlier life submitted, by node and attempt.
    known: Known,
    /// The last cluster of each node that may be tried again.
    clusters: BTreeMap<NodeIndex, ClusterId>,
    inputs: Vec<Input>,
    began: Stamp,
    rescue: u32,
    /// Whether the record may begin behind the ends of jobs of an earlier life, of which nothing
    /// else is left.
    is_record_cut: bool,
    /// Whether it is to be asked what became of jobs that nobody tells of any more.
    is_stock_due: bool,
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
    async fn run(&mut self) -> Result<i32, ShellError> {
        let mut effects: VecDeque<Effect> = self.core.resume().into();
        // Before anything happens, the records say that a run began.
        self.records.flush(&self.core, now().wall, false);
        loop {
            if let Some(status) = self.perform(&mut effects).await? {
                return Ok(status);
            }
            let now = now();
            let mut inputs = std::mem::take(&mut self.inputs);
            inputs.extend(self.halt.look(now.boot_ms).map(Input::Halt));
            self.note_clusters(&inputs);
            let records = &mut self.records;
            let batch = run_batch(&mut self.core, now, &inputs, |core, event| {
                records.note(core, event, now.wall);
            });
            self.place.applied = self.place.taken;
            if self.write_down(&batch.events).await? == Went::ToEnd {
                return Ok(self.end_early(now));
            }
            if let Err(error) = self.unchanged.note(&batch.events) {
                let line = format!("What nodes were made from is not written down: {error}");
                self.records.say(now.wall, [line]);
            }
            self.records.flush(&self.core, now.wall, !batch.events.is_empty());
            self.records.write_status(&self.core, now.wall, now.boot_ms, false);
            self.records.draw(&self.core, now.wall, now.boot_ms, false);
            effects.extend(batch.effects);
            if effects.is_empty() && self.inputs.is_empty() {
                if std::mem::take(&mut self.is_stock_due) {
                    self.ask_for_stock().await?;
                    continue;
                }
                if self.teller.is_time(now) {
                    self.teller.tell(now, self.standing());
                }
                if let Some(status) = self.wait(now, batch.more).await? {
                    return Ok(status);
                }
                if self.obey(&mut effects).await? == Went::ToEnd {
                    return Ok(self.end_early(now));
                }
            }
        }
    }

    /// Writes into the journal what happened: nothing is done because of what is not written. What
    /// was read of the record and waits behind this is not in it yet.
    async fn write_down(&mut self, events: &[Event]) -> Result<Went, ShellError> {
        if events.is_empty() {
            return Ok(Went::Well);
        }
        let told = self.records.take_told();
        self.with_room(|this| this.journal.append(events, Some(this.place.applied), told)).await
    }

    /// Writes something that the run depends on, for as long as there is no room for it.
    async fn with_room(
        &mut self,
        mut write: impl FnMut(&mut Self) -> Result<(), ShellError>,
    ) -> Result<Went, ShellError> {
        let mut is_told = false;
        loop {
            let error = match write(self) {
                Err(error) if error.is_for_want_of_room() => error,
                written => return written.map(|()| Went::Well),
            };
            let now = now();
            if !std::mem::replace(&mut is_told, true) {
                let error = proto::net::chain(&error);
                self.records.say(now.wall, [format!("ERROR: {error}: the DAG waits for room")]);
            }
            self.records.flush(&self.core, now.wall, false);
            let pause = tokio::time::sleep(LOOK);
            if unless_ended(&mut self.ending, pause).await.is_none() {
                return Ok(Went::ToEnd);
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
            self.unchanged.look_anew();
            let next = self.submissions.take_next();
            let ready = next.into_iter().filter_map(|(node, retry)| self.prepare(node, retry));
            let ready = ready.collect();
            self.submissions.begin(ready);
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
            _ = self.ending.recv() => return Ok(Some(self.end_early(now))),
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
                Err(AskError::Refused(Refusal::Gone { .. })) => match self.take_stock().await {
                    // It is told so again, in a moment.
                    Err(AskError::Net(_)) => self.contact = Contact::Lost,
                    taken => taken?,
                },
                Err(error) => return Err(error.into()),
            },
            () = pass(pause) => {}
        }
        Ok(None)
    }

    /// How long it may be waited.
    fn pause(&self, now: Now) -> Duration {
        // What was due, and was not done now, waits for something else: a halt that ends.
        let deadline = self.core.next_deadline().filter(|at| *at > now.boot_ms);
        let look = self.halt.left(now.boot_ms);
        let pause = deadline
            .map_or(look, |at| Duration::from_millis(at.saturating_sub(now.boot_ms)).min(look));
        if self.records.are_waiting() { pause.min(own_entries::PAUSE) } else { pause }
    }

    /// Asks what became of jobs; again in a moment, if no schedd answers.
    async fn ask_for_stock(&mut self) -> Result<(), ShellError> {
        match self.take_stock().await {
            Err(AskError::Net(_)) => {
                self.is_stock_due = true;
                tokio::time::sleep(LOOK).await;
                Ok(())
            }
            taken => Ok(taken?),
        }
    }

    /// The process is to end, and the DAG to go on from here: gives its exit status.
    fn end_early(&mut self, now: Now) -> i32 {
        let text = "Received SIGTERM: dagman ends, and goes on from here when its job runs again";
        let end = dagman_out::end(std::process::id(), i32::from(RESTART));
        self.records.say(now.wall, [text.to_owned(), end]);
        self.records.flush(&self.core, now.wall, false);
        self.scripts.stop();
        i32::from(RESTART)
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
            let core = &self.core;
            self.inputs.extend(events.iter().flat_map(|event| facts::inputs(core, event)));
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
    async fn obey(&mut self, effects: &mut VecDeque<Effect>) -> Result<Went, ShellError> {
        let folder = self.setup.names.orders();
        if !files::is_there(&folder) {
            return Ok(Went::Well);
        }
        for (path, order) in orders::waiting(&folder, &self.passed_over) {
            let mut answer = Answer::default();
            match order {
                Ok(order) => {
                    if self.follow_order(&order, &mut answer, effects).await? == Went::ToEnd {
                        return Ok(Went::ToEnd);
                    }
                }
                Err(why) => answer.errors.push(why),
            }
            if let Err(error) = orders::reply(&path, &answer) {
                let told = proto::net::chain(&error);
                self.records.say(now().wall, [format!("The order was not answered: {told}")]);
                self.passed_over.insert(path);
            }
        }
        Ok(Went::Well)
    }

    async fn follow_order(
        &mut self,
        order: &Order,
        answer: &mut Answer,
        effects: &mut VecDeque<Effect>,
    ) -> Result<Went, ShellError> {
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
        self.write_down(&events).await
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
                    self.removals.spawn(async move {
                        loop {
                            match remove_clusters(&schedd, &[cluster], &reason).await {
                                Err(AskError::Net(_)) => tokio::time::sleep(LOOK).await,
                                removed => return removed,
                            }
                        }
                    });
                }
                Effect::RemoveAll { reason, but_services } => {
                    self.scripts.stop();
                    if self.remove_all(reason, but_services).await == Went::ToEnd {
                        return Ok(Some(self.end_early(now())));
                    }
                }
                Effect::SavePoint { node } => self.save_point(node),
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
            self.is_stock_due |= self.is_record_cut;
        } else {
            self.submissions.put(node, retry);
        }
    }

    /// What a node's cluster is made from, if one is to be made; what came of it otherwise is among
    /// the inputs.
    fn prepare(&mut self, node: NodeIndex, retry: u32) -> Option<Prepared> {
        let name = self.core.workflow().node(node).name().to_owned();
        // An earlier life may have submitted the attempt before.
        let before = || self.known.get(&(name.clone(), retry.checked_sub(1)?));
        let earlier = || before().map(|(cluster, _)| *cluster);
        let last = self.clusters.get(&node).copied().or_else(earlier);
        let one = match self.submitter.prepare(&self.core, node, retry, last) {
            Ok(one) => one,
            Err(why) => {
                self.inputs.push(Input::SubmitFailed { node, retry, lasting: true, why });
                return None;
            }
        };
        if let Some(warning) = &one.warning {
            self.records.say(now().wall, [warning.clone()]);
        }
        match self.unchanged.look(self.core.workflow().node(node), &one) {
            Some(Verdict::Same(why)) => {
                self.inputs.push(Input::Unchanged { node, retry, why });
                return None;
            }
            Some(Verdict::Runs(why)) => {
                self.records.say(now().wall, [format!("Node {name} is not skipped: {why}")]);
            }
            None => {}
        }
        Some(one)
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
        let ended = self.scripts.start(which, view.name(), &script, &words, dir);
        self.inputs.extend(ended);
    }

    /// Removes what the DAG has in the queue, with what is on the way there.
    async fn remove_all(&mut self, reason: String, but_services: bool) -> Went {
        let job = self.setup.job;
        let select = if but_services { is_of_dag_and_ends_with_it(job) } else { is_of_dag(job) };
        let select = Select::Constraint(select);
        // No more of their jobs come then, which no condition on jobs could be true of.
        let clusters: Vec<ClusterId> = self.core.clusters_of_many(but_services).collect();
        let settled = self.submissions.settle();
        match unless_ended(&mut self.ending, settled).await {
            Some(inputs) => self.inputs.extend(inputs),
            None => return Went::ToEnd,
        }
        let mut is_told = false;
        loop {
            let removed = remove_both(&self.schedd, &clusters, select.clone(), reason.clone());
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
            self.records.flush(&self.core, now().wall, false);
            let pause = tokio::time::sleep(LOOK);
            if unless_ended(&mut self.ending, pause).await.is_none() {
                return Went::ToEnd;
            }
        }
    }

    fn say_not_removed(&mut self, now: Now, error: &AskError) {
        self.records.say(now.wall, [format!("ERROR: the jobs could not be removed: {error}")]);
    }

    fn save_point(&mut self, node: NodeIndex) {
        let workflow = Arc::clone(self.core.workflow());
        let Some(path) = workflow.node(node).save_point() else { return };
        let written = self.write_save_point(node, path);
        self.records.settle(now().wall, path, written);
    }

    fn write_save_point(&self, node: NodeIndex, path: &str) -> Result<(), ShellError> {
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

/// Clusters that are named in one question, or in one act.
const NAMED_AT_ONCE: usize = 10_000;

/// Selections that together name these clusters, none of them too many.
fn all_of(clusters: &[ClusterId]) -> impl Iterator<Item = Select> {
    let named = |some: &[ClusterId]| some.iter().copied().map(Selector::Cluster).collect();
    clusters.chunks(NAMED_AT_ONCE).map(move |some| Select::Any(named(some)))
}

/// Removes clusters, and then what else is selected.
async fn remove_both(
    schedd: &Schedd,
    clusters: &[ClusterId],
    select: Select,
    reason: String,
) -> Result<(), AskError> {
    remove_clusters(schedd, clusters, &reason).await?;
    remove(schedd, select, reason).await
}

pub(super) async fn remove_clusters(
    schedd: &Schedd,
    clusters: &[ClusterId],
    reason: &str,
) -> Result<(), AskError> {
    for select in all_of(clusters) {
        remove(schedd, select, reason.to_owned()).await?;
    }
    Ok(())
}

async fn remove(schedd: &Schedd, select: Select, reason: String) -> Result<(), AskError> {
    let action = Action::Remove { reason: Some(reason), force: false };
    schedd.act(FrontEnd::DagMan, action, select).await.map(|_| ())
}

/// Clusters of nodes, with the number of their jobs, by node and attempt.
pub(super) type Known = BTreeMap<(String, u32), (ClusterId, u32)>;

/// The clusters of the workflow's nodes that the schedd knows, in the queue, or past it too.
pub(super) async fn known_jobs(
    schedd: &Schedd,
    job: ClusterId,
    generation: u32,
    with_past: bool,
) -> Result<Known, ShellError> {
    let mut known = known_in(schedd, job, generation, false).await?;
    if with_past {
        known.extend(known_in(schedd, job, generation, true).await?);
    }
    Ok(known)
}

/// Those in the queue, or those past it.
pub(super) async fn known_in(
    schedd: &Schedd,
    job: ClusterId,
    generation: u32,
    finished: bool,
) -> Result<Known, ShellError> {
    let constraint = Some(is_of_dag(job));
    let projection = OWN_JOBS.into_iter().map(Into::into).collect();
    let query = Query { constraint, projection, finished, ..Query::of(Select::All) };
    let jobs = schedd.jobs(query).await?;
    let own = jobs.iter().filter_map(facts::own_job).filter(|own| own.generation == generation);
    Ok(own.map(|own| ((own.node, own.retry), (own.cluster, own.jobs))).collect())
}

fn now() -> Now {
    proto::clock::now()
}
