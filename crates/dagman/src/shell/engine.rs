//! The loop around the core: what happened goes in, is written down, and what follows is done.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use classad::{ClassAd, Expr, Value};
use client::asynchronous::{Following, Schedd};
use client::{Action, FrontEnd, Query, Select, Selector, SubmitError};
use futures_util::FutureExt;
use futures_util::future::join_all;
use model::{ClusterId, ClusterSpec, Now, Procs, Seq, attr};
use proto::client::{Recorded, Refusal};
use proto::command::AskError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::facts::{self, OWN_JOBS};
use super::journal::{self, Head, Journal, Past};
use super::orders::{self, Answer, Order};
use super::records::Records;
use super::rescues::{self, Start};
use super::scripts::{Scripts, Which};
use super::submit::{Prepared, Submitter, add_parents};
use super::{Setup, ShellError, files, macros, own_entries};
use crate::Workflow;
use crate::core::{Core, Effect, Input, run_batch};
use crate::record::{Stamp, dagman_out, metrics, rescue};
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

/// How often the DAG's own job is told how far it is: people look at it.
const TELL_MS: u64 = 2000;

/// How long a schedd that does not answer is waited for when it is told something: meanwhile
/// nothing else is heard.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// How often it is tried to say so to a schedd that does not answer.
const TELL_OVER_TRIES: u32 = 60;

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
                if let Ok(expr) = format!("{} == {job}", attr::DAGMAN_JOB_ID).parse() {
                    schedd.act(FrontEnd::DagMan, action, Select::Constraint(expr)).await?;
                }
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
    scripts: Scripts,
    schedd: Schedd,
    following: Following,
    /// Up to where the schedd's record was taken.
    next: Seq,
    /// Clusters that an earlier life submitted, by node and attempt.
    known: BTreeMap<(String, u32), (ClusterId, u32)>,
    inputs: Vec<Input>,
    began: Stamp,
    rescue: u32,
    /// The rescue file that the run began from.
    begun_from: Option<String>,
    parent: String,
    told: (u64, u64),
    removal: Signal,
    ending: Signal,
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
        if let (None, Some(from)) = (&past, &from) {
            let dag = setup.names.primary();
            records.say(now.wall, [dagman_out::rescued(number, from, dag)]);
        }
        records.say(now.wall, dagman_out::loaded(&core, &setup.dag_files));
        let first = first_of(&setup, &schedd).await?;
        let fresh = Head {
            job: setup.job.0,
            generation,
            shape: journal::shape(core.workflow()),
            rescue: from.clone(),
            began_ms: now.wall.as_millis(),
        };
        let is_first = past.is_none();
        let (journal, inputs, next, began_ms) = match past {
            Some(past) => {
                let began_ms = past.head.began_ms;
                let (journal, next) = recover(&mut core, &mut records, now, past)?;
                (journal, Vec::new(), next.unwrap_or(first), began_ms)
            }
            None => {
                records.say_internal(now.wall, &format!("DAGMAN_STARTED {}.0", setup.job));
                (Journal::begin(&path, &fresh)?, vec![Input::Begin], first, fresh.began_ms)
            }
        };
        // What is past is looked through only where nothing else is left of an earlier life.
        let with_past = is_first && own.starts > 1;
        let known = known_jobs(&schedd, setup.job, generation, with_past).await?;
        let made = Submitter::new(&setup, generation, own.batch_name, nodes_log, own.inherited);
        let following = schedd.follow(next, Select::All);
        Ok(Self {
            core,
            journal,
            records,
            submitter: made,
            scripts: Scripts::new(),
            schedd,
            following,
            next,
            known,
            inputs,
            began: Stamp::new(model::Timestamp::from_millis(began_ms), zone),
            rescue: number.unwrap_or(0),
            begun_from: from,
            parent: own.parent,
            told: (0, u64::MAX),
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
            let records = &mut self.records;
            let batch = run_batch(&mut self.core, now, &inputs, |core, event| {
                records.note(core, event, now.wall);
            });
            self.journal.append(&batch.events, Some(self.next))?;
            self.records.flush(&self.core, now.wall, !batch.events.is_empty())?;
            self.records.write_status(&self.core, now.wall, now.boot_ms, false)?;
            self.records.draw(&self.core, now.boot_ms, false)?;
            effects.extend(batch.effects);
            if effects.is_empty() && self.inputs.is_empty() && !batch.more {
                self.tell(now).await;
                if let Some(status) = self.wait(now).await? {
                    return Ok(status);
                }
                self.obey(&mut effects)?;
            }
        }
    }

    /// Waits for what comes next. Some status if the process is to end.
    async fn wait(&mut self, now: Now) -> Result<Option<i32>, ShellError> {
        // What was due, and was not done now, waits for something else: a halt that ends.
        let deadline = self.core.next_deadline().filter(|at| *at > now.boot_ms);
        let pause = deadline
            .map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now.boot_ms)).min(LOOK));
        let pause = if self.records.are_waiting() { pause.min(own_entries::PAUSE) } else { pause };
        if self.core.counts().idle_jobs >= PLENTY {
            tokio::time::sleep(GATHER).await;
        }
        tokio::select! {
            biased;
            _ = self.removal.recv() => self.inputs.push(Input::Remove),
            _ = self.ending.recv() => {
                let text = "Received SIGTERM: dagman ends, and goes on from here when its job runs again";
                self.records.say(now.wall, [text.to_owned()]);
                self.records.say(now.wall, [dagman_out::end(std::process::id(), i32::from(RESTART))]);
                self.records.flush(&self.core, now.wall, false)?;
                self.scripts.stop();
                return Ok(Some(i32::from(RESTART)));
            }
            end = self.scripts.next() => self.inputs.extend(end),
            events = self.following.next() => match events {
                Ok(events) => self.take(events),
                // It is asked again for as long as the DAG lives: without a schedd there is nothing
                // else to do.
                Err(AskError::Net(error)) => {
                    self.records.say(now.wall, [format!("The schedd does not answer: {error}")]);
                    self.following = self.schedd.follow(self.next, Select::All);
                }
                Err(error) => return Err(error.into()),
            },
            () = tokio::time::sleep(pause) => {
                let halted = files::is_there(&self.setup.names.halt());
                self.inputs.push(Input::Halt(halted));
            }
        }
        Ok(None)
    }

    /// Takes what the record says, and what more of it has come already.
    fn take(&mut self, mut events: Vec<Recorded>) {
        loop {
            if let Some(last) = events.last() {
                self.next = last.seq.next();
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
    /// answered.
    fn obey(&mut self, effects: &mut VecDeque<Effect>) -> Result<(), ShellError> {
        let folder = self.setup.names.orders();
        if !files::is_there(&folder) {
            return Ok(());
        }
        for (path, order) in orders::waiting(&folder) {
            let mut answer = Answer::default();
            match order {
                Ok(order) => self.follow_order(&order, &mut answer, effects)?,
                Err(why) => answer.errors.push(why),
            }
            orders::reply(&path, &answer)?;
        }
        Ok(())
    }

    fn follow_order(
        &mut self,
        order: &Order,
        answer: &mut Answer,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), ShellError> {
        for (node, input) in orders::inputs(&self.core, order, answer) {
            let now = now();
            let records = &mut self.records;
            let batch = run_batch(&mut self.core, now, &[input], |core, event| {
                records.note(core, event, now.wall);
            });
            self.journal.append(&batch.events, Some(self.next))?;
            effects.extend(batch.effects);
            match batch.rejected.first() {
                Some(rejection) => answer.errors.push(rejection.to_string()),
                None if node.is_empty() => answer.throttles = Some(*self.core.throttles()),
                None => answer.done.push(node),
            }
        }
        Ok(())
    }

    /// Does what is to be done, in order; submissions that stand together are made together. Some
    /// status at the end of all.
    async fn perform(&mut self, effects: &mut VecDeque<Effect>) -> Result<Option<i32>, ShellError> {
        let mut submissions = Vec::new();
        while let Some(effect) = effects.pop_front() {
            if let Effect::Submit { node, retry } = effect {
                submissions.push((node, retry));
                continue;
            }
            self.submit(std::mem::take(&mut submissions)).await;
            match effect {
                Effect::Submit { .. } => {}
                Effect::RunScript { node, retry, script } => {
                    self.run_script(Which { node, retry, script });
                }
                Effect::RemoveCluster { cluster, reason } => {
                    self.remove(Select::Any(vec![Selector::Cluster(cluster)]), reason).await;
                }
                Effect::RemoveAll { reason } => {
                    self.scripts.stop();
                    self.remove_all(reason).await;
                }
                Effect::SavePoint { node } => self.save_point(node)?,
                Effect::Finish { status, rescue } => {
                    self.finish(status, rescue).await?;
                    return Ok(Some(status));
                }
            }
        }
        self.submit(submissions).await;
        Ok(None)
    }

    async fn submit(&mut self, nodes: Vec<(NodeIndex, u32)>) {
        let mut prepared = Vec::new();
        for (node, retry) in nodes {
            let name = self.core.workflow().node(node).name().to_owned();
            if let Some((cluster, jobs)) = self.known.get(&(name, retry)) {
                let (cluster, jobs) = (*cluster, *jobs);
                self.inputs.push(Input::Submitted { node, retry, cluster, jobs });
                continue;
            }
            match self.submitter.prepare(&self.core, node, retry) {
                Ok(one) => prepared.push(one),
                Err(why) => {
                    self.inputs.push(Input::SubmitFailed { node, retry, lasting: true, why });
                }
            }
        }
        let (schedd, core) = (&self.schedd, &self.core);
        let all = prepared.iter().map(|one| submit_one(schedd, core, one));
        let inputs = join_all(all).await;
        self.inputs.extend(inputs);
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

    async fn remove_all(&mut self, reason: String) {
        let constraint = format!("{} == {}", attr::DAGMAN_JOB_ID, self.setup.job);
        match constraint.parse::<Expr>() {
            Ok(expr) => self.remove(Select::Constraint(expr), reason).await,
            Err(error) => self.records.say(now().wall, [format!("ERROR: {constraint}: {error}")]),
        }
    }

    async fn remove(&mut self, select: Select, reason: String) {
        let action = Action::Remove { reason: Some(reason), force: false };
        if let Err(error) = self.schedd.act(FrontEnd::DagMan, action, select).await {
            let text = format!("ERROR: the jobs could not be removed: {error}");
            self.records.say(now().wall, [text]);
        }
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

    /// Tells the DAG's own job how far it is.
    async fn tell(&mut self, now: Now) {
        let counts = self.core.counts();
        let sum = counts.done * 31 + counts.failed * 17 + counts.queued * 7 + counts.ready;
        if self.told.1 == sum || now.boot_ms < self.told.0.saturating_add(TELL_MS) {
            return;
        }
        self.told = (now.boot_ms, sum);
        let whole = |n: u64| Expr::from(i64::try_from(n).unwrap_or(i64::MAX));
        let status = i64::from(self.core.progress().status.number());
        let changes = [
            (attr::DAG_NODES_TOTAL, whole(counts.total)),
            (attr::DAG_NODES_DONE, whole(counts.done)),
            (attr::DAG_NODES_PRERUN, whole(counts.pre)),
            (attr::DAG_NODES_QUEUED, whole(counts.queued)),
            (attr::DAG_NODES_POSTRUN, whole(counts.post)),
            (attr::DAG_NODES_READY, whole(counts.ready)),
            (attr::DAG_NODES_UNREADY, whole(counts.waiting)),
            (attr::DAG_NODES_FAILED, whole(counts.failed)),
            (attr::DAG_NODES_FUTILE, whole(counts.futile)),
            ("DAG_JobsSubmitted", whole(counts.jobs_submitted)),
            ("DAG_JobsIdle", whole(counts.idle_jobs)),
            ("DAG_JobsHeld", whole(counts.held_jobs)),
            ("DAG_JobsCompleted", whole(counts.jobs_ended)),
            ("DAG_Status", Expr::from(status)),
            ("DAG_InRecovery", Expr::from(0i64)),
        ];
        let changes = changes.map(|(name, value)| (name.into(), value)).to_vec();
        let own = Select::Any(vec![Selector::Cluster(self.setup.job)]);
        // Who looks sees it the next time: nothing depends on it.
        let _ = tokio::time::timeout(TELL_WITHIN, self.schedd.edit(own, changes)).await;
    }

    async fn finish(&mut self, status: i32, has_rescue: bool) -> Result<(), ShellError> {
        let now = now();
        let stamp = self.records.stamp(now.wall);
        self.records.say(now.wall, dagman_out::result(&self.core, status, has_rescue));
        if has_rescue {
            self.write_rescue(now, &stamp)?;
        } else if status == 0 {
            self.remove_rerun(now)?;
        }
        self.scripts.stop();
        self.records.say(now.wall, ["Removing any/all submitted HTCondor jobs...".to_owned()]);
        let reason = "DAG Abort: DAG is exiting and writing rescue file.".to_owned();
        let has_jobs = self.core.counts().nodes_in_queue > 0
            || self.core.workflow().services().next().is_some();
        if has_jobs {
            self.remove_all(reason).await;
        }
        self.records.say(now.wall, dagman_out::deferrals(&self.core));
        self.told.0 = 0;
        self.tell(now).await;
        self.write_metrics(now, &stamp, status)?;
        self.records.write_status(&self.core, now.wall, now.boot_ms, true)?;
        self.records.draw(&self.core, now.boot_ms, true)?;
        self.records.say_internal(now.wall, &format!("DAGMAN_FINISHED {status}"));
        self.records.flush(&self.core, now.wall, true)?;
        self.records.finish()?;
        self.records.say(now.wall, [dagman_out::end(std::process::id(), status)]);
        self.records.flush(&self.core, now.wall, false)?;
        self.tell_over(status).await;
        self.end_journal(now, status)?;
        let lock = &self.setup.lock;
        std::fs::remove_file(lock).map_err(ShellError::file("remove", lock))
    }

    fn write_rescue(&mut self, now: Now, stamp: &Stamp) -> Result<(), ShellError> {
        let present = rescues::numbers(&self.setup.names);
        let number = rescue::next_number(present.into_iter(), self.setup.manner.max_rescue);
        let path = self.setup.names.rescue(number);
        let (primary, reset) = (self.setup.names.primary(), self.setup.manner.reset_retries);
        self.records.say(now.wall, [format!("Writing Rescue DAG to {path}...")]);
        files::replace(&path, &rescue::text(&self.core, primary, stamp, reset))
    }

    /// A part of the DAG was run again and went well: another run is to be whole.
    fn remove_rerun(&mut self, now: Now) -> Result<(), ShellError> {
        let Some(path) = &self.begun_from else { return Ok(()) };
        // Who has put it away has done the same.
        if !std::fs::read_to_string(path).is_ok_and(|text| rescue::is_of_rerun(&text)) {
            return Ok(());
        }
        self.records.say(now.wall, [format!("Removing {path}: what it was for is done")]);
        std::fs::remove_file(path).map_err(ShellError::file("remove", path))
    }

    fn write_metrics(&mut self, now: Now, end: &Stamp, status: i32) -> Result<(), ShellError> {
        let id = self.setup.job.to_string();
        let run = metrics::Run {
            start: &self.began,
            end,
            exit: status,
            dagman_id: &id,
            parent_id: &self.parent,
            rescue: self.rescue,
        };
        let path = self.setup.names.metrics();
        files::replace(&path, &metrics::text(&self.core, &run))?;
        self.records.say(now.wall, [format!("Wrote metrics file {path}.")]);
        Ok(())
    }

    /// Everything that a run leaves is there. Told to the schedd before the journal goes, so that a
    /// life which begins because this one was killed before it could exit runs nothing again.
    async fn tell_over(&self, status: i32) {
        if !(0..=2).contains(&status) {
            return;
        }
        let change = vec![(attr::DAG_EXIT_STATUS.into(), Expr::from(i64::from(status)))];
        for _ in 0..TELL_OVER_TRIES {
            let own = Select::Any(vec![Selector::Cluster(self.setup.job)]);
            let told = self.schedd.edit(own, change.clone());
            if let Ok(Ok(_)) = tokio::time::timeout(TELL_WITHIN, told).await {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A job that leaves the queue leaves nothing to go on with; one that is queued again begins
    /// anew, and must know that it does.
    fn end_journal(&self, now: Now, status: i32) -> Result<(), ShellError> {
        let path = self.setup.names.journal();
        if (0..=2).contains(&status) {
            return std::fs::remove_file(&path).map_err(ShellError::file("remove", &path));
        }
        let generation = self.submitter.generation + 1;
        let (job, began_ms) = (self.setup.job.0, now.wall.as_millis());
        let shape = journal::shape(self.core.workflow());
        let head = Head { job, generation, shape, rescue: None, began_ms };
        Journal::begin(&path, &head)?;
        Ok(())
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
/// where the schedd's record was taken.
fn recover(
    core: &mut Core,
    records: &mut Records,
    now: Now,
    past: Past,
) -> Result<(Journal, Option<Seq>), ShellError> {
    records.say(now.wall, ["Running in RECOVERY mode...".to_owned()]);
    records.say_internal(now.wall, "RECOVERY_STARTED");
    let gone_on = past.replay(|event| core.apply(event))?;
    records.say_internal(now.wall, "RECOVERY_FINISHED");
    Ok(gone_on)
}

/// Submits one node, for as long as no schedd answers.
async fn submit_one(schedd: &Schedd, core: &Core, one: &Prepared) -> Input {
    let (node, retry) = (one.node, one.retry);
    loop {
        let mut jobs = 0;
        let mut wrong = None;
        let made = schedd.submit(one.token, |cluster| match one.make(cluster) {
            Ok(mut spec) => {
                add_parents(core, node, &mut spec);
                jobs = spec.count();
                spec
            }
            Err(why) => {
                wrong = Some(why);
                // Refused by the schedd, so that nothing is in the queue.
                ClusterSpec { ad: ClassAd::new(), procs: Procs::Listed(Vec::new()) }
            }
        });
        match (made.await, wrong) {
            (Ok(cluster), _) => return Input::Submitted { node, retry, cluster, jobs },
            (Err(_), Some(why)) => return Input::SubmitFailed { node, retry, lasting: true, why },
            (Err(SubmitError::Unknown(_) | SubmitError::Ask(AskError::Net(_))), None) => {}
            (Err(error), None) => {
                let lasting = matches!(
                    &error,
                    SubmitError::Wrong(_)
                        | SubmitError::Ask(AskError::Refused(Refusal::Invalid(_)))
                );
                return Input::SubmitFailed { node, retry, lasting, why: error.to_string() };
            }
        }
    }
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

/// The clusters of the workflow's nodes that the schedd knows, in the queue and past it.
pub(super) async fn known_jobs(
    schedd: &Schedd,
    job: ClusterId,
    generation: u32,
    with_past: bool,
) -> Result<BTreeMap<(String, u32), (ClusterId, u32)>, ShellError> {
    let mut known: BTreeMap<(String, u32), (ClusterId, u32)> = BTreeMap::new();
    for finished in [false, true] {
        if finished && !with_past {
            continue;
        }
        let constraint = format!("{} == {job}", attr::DAGMAN_JOB_ID).parse::<Expr>().ok();
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
