//! Users' commands: one task a connection, which takes requests and writes answers. What changes
//! the queue goes through the engine; history and the record are read beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use classad::{ClassAd, Value};
use model::queues::{self, Denied};
use model::{ClusterId, ClusterSpec, JobId, MachineName, Procs, Seq, SubmitToken};
use proto::client::{
    Acted, Answer, Arrange, AskSchedd, DaemonIdentity, FilesAsk, Forgotten, Query, Refusal,
    Request, Response, Select, Selector,
};
use proto::frame::{self, FrameError, MAX_FRAME_BYTES};
use proto::net::{
    Connection, Incoming, Listener, NetError, Peer, Receiver, Role, Sender, chain, named_by_number,
};
use proto::together::{MAX_BYTES_TOGETHER, MAX_TOGETHER, NewCluster, Together};
use proto::visit::VisitAnswer;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::history::History;
use super::parts::{self, PartsError, Switchboard};
use super::recent::Recent;
use super::spool::Spool;
use super::store::StoreError;
use crate::core::{Actor, Input, SpoolStep, not_as_owner_yet};
use crate::shell::engine::{ACT_PARTS, ActPart, EngineInput, PageRequest};
use crate::shell::files::{self, Arriving, Leaving, TravelError};
use crate::shell::groups;
use crate::shell::lending::Lenders;
use crate::shell::places::{Place, Places, Staged, Staging};
use crate::shell::userlog::LogHelpers;
use crate::shell::visits::Visits;

/// Requests that may wait while one is answered: commands ask one thing after the other.
const PIPELINED: usize = 2;

/// How long a peer may take to read a part of an answer: the time that somebody takes over a page
/// of `q | less`, and not the rest of the schedd's life.
pub(crate) const READING: Duration = Duration::from_secs(600);

/// Jobs of one submission that may be staged on a connection: what a user may submit at once, as
/// separate jobs.
const STAGED_PROCS: usize = 5_000_000;

/// Who asks for events from here on asks for all that there are.
const BEGINNING: Seq = Seq(1);

/// Ads in one answer: mostly well below the limit of a frame, and little to hold.
const ADS_PER_ANSWER: usize = 500;

/// Results of an action in one answer, likewise.
const ACTED_PER_ANSWER: usize = 20_000;

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct ClientContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    pub(crate) history: History,
    pub(crate) spool: Spool,
    /// The latest of the record.
    pub(crate) recent: Arc<Recent>,
    /// What was taken out of record and history.
    pub(crate) forgotten: watch::Receiver<Forgotten>,
    /// How long a peer may take to read ([`READING`]).
    pub(crate) patience: Duration,
    pub(crate) identity: DaemonIdentity,
    /// Who waits on other machines of a run.
    pub(crate) board: Arc<Switchboard>,
    pub(crate) pool_uid: u32,
    pub(crate) visits: Arc<Visits>,
    /// In a pool of many users: who may act on everybody's jobs, beside root.
    pub(crate) superusers: Option<BTreeSet<String>>,
    /// The smallest number of a user whose jobs are run, in such a pool.
    pub(crate) uid_min: u32,
    /// What writes users' logs as these users, in such a pool.
    pub(crate) log_helpers: Option<Arc<LogHelpers>>,
    /// What lends users' files to other machines, in such a pool.
    pub(crate) lenders: Option<Arc<Lenders>>,
    /// What users have staged.
    pub(crate) staging: Staging,
}

impl ClientContext {
    /// Who somebody is, and whether everything is his to do.
    fn actor(&self, peer: &Peer) -> Actor {
        let (uid, user) = (peer.uid(), peer.user());
        let named = self.superusers.as_ref().is_some_and(|all| all.contains(user.as_str()));
        let superuser = uid == 0 || uid == self.pool_uid || named;
        Actor { user, superuser, uid: self.superusers.as_ref().map(|_| uid) }
    }

    /// Jobs are their users' by name: who has none could be taken for who is called like his
    /// number.
    fn check_name(&self, peer: &Peer) -> Result<(), Refusal> {
        let (uid, user) = (peer.uid(), peer.user());
        if self.superusers.is_none() || named_by_number(uid) != user {
            return Ok(());
        }
        Err(Refusal::Invalid(format!("serve user {uid}: this machine has no name for that user")))
    }

    /// Why somebody may not have jobs in this queue, if he may not: what runs as root, or as the
    /// pool, would be more than a job.
    fn no_jobs_of(&self, peer: &Peer) -> Option<String> {
        let why = match peer.uid() {
            _ if self.superusers.is_none() => return None,
            0 => "root's jobs are not run in a pool of many users",
            uid if uid == self.pool_uid => "it is the user of the pool's own processes",
            uid if launcher::is_of_system(uid, self.uid_min) => "it is a user of the system's",
            _ => return None,
        };
        Some(format!("submit jobs of {}: {why}; submit them as a user of your own", peer.user()))
    }
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Parts(#[from] PartsError),
    #[error("the schedd stops")]
    Stopping,
    #[error("the peer has gone")]
    Gone,
    #[error("the peer did not read its answer within {0:?}")]
    Deaf(Duration),
    #[error("an item of {0} bytes is longer than a message may be")]
    TooLong(usize),
    #[error("the peer asks without waiting for answers")]
    Impatient,
}

/// Takes connections for ever.
pub(crate) async fn serve(listener: Listener, context: Arc<ClientContext>) {
    let places = Places::new();
    loop {
        let Some(room) = places.room().await else { return };
        let incoming = listener.accept().await;
        let (context, places) = (Arc::clone(&context), Arc::clone(&places));
        tokio::spawn(async move {
            if let Err(error) = attend(incoming, &context, &places, room).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

async fn attend(
    incoming: Incoming,
    context: &ClientContext,
    places: &Arc<Places>,
    room: OwnedSemaphorePermit,
) -> Result<(), Broken> {
    let connection = incoming.greet().await?;
    if let Role::Part(name) = &connection.peer.role {
        let machine = MachineName::new(name);
        drop(room);
        let served = parts::attend(connection, machine, (&context.engine, &context.board));
        return Ok(served.await?);
    }
    if let (Role::Helper, Some(helpers)) = (&connection.peer.role, &context.log_helpers) {
        drop(room);
        helpers.serve(connection).await;
        return Ok(());
    }
    if let (Role::Lender, Some(lenders)) = (&connection.peer.role, &context.lenders) {
        drop(room);
        lenders.serve(connection).await;
        return Ok(());
    }
    let uid = connection.peer.uid();
    let place = context.check_name(&connection.peer).and_then(|()| places.take(uid, room));
    let by = context.actor(&connection.peer);
    let no_jobs = context.no_jobs_of(&connection.peer);
    if connection.peer.role == Role::Visitor {
        return visit(connection, by, place, context).await;
    }
    let Connection { sender, receiver, .. } = connection;
    let (left, gone) = watch::channel(false);
    let (asks, mut asked) = mpsc::channel(PIPELINED);
    let mut client = ClientConnection {
        context,
        by,
        no_jobs,
        sender,
        place,
        gone,
        groups: None,
        staged: BTreeMap::new(),
        staged_bytes: context.staging.of(uid),
        arriving: Arriving::default(),
    };
    let answering = async {
        while let Some(Request { id, body }) = asked.recv().await {
            client.answer(id, body).await?;
        }
        Ok(())
    };
    tokio::try_join!(hear(receiver, asks, left), answering).map(|_| ())
}

/// A command that visits a job's machine has its place as others do, for as long as it is there.
async fn visit(
    mut visitor: Connection,
    by: Actor,
    place: Result<Place, Refusal>,
    context: &ClientContext,
) -> Result<(), Broken> {
    match place {
        Ok(_place) => Ok(context.visits.serve(visitor, by, &context.engine).await?),
        Err(refusal) => Ok(visitor.sender.send(&VisitAnswer::Refused(refusal)).await?),
    }
}

/// Takes requests, also while one is answered: only who listens notices that the peer has gone.
/// What it asked before is done.
async fn hear(
    mut receiver: Receiver,
    asks: mpsc::Sender<Request<AskSchedd>>,
    left: watch::Sender<bool>,
) -> Result<(), Broken> {
    loop {
        match receiver.recv().await {
            Ok(Some(request)) => asks.try_send(request).map_err(|_| Broken::Impatient)?,
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                break;
            }
        }
    }
    left.send_replace(true);
    Ok(())
}

/// The number in an answer, or why there is none.
fn number(answer: Answer) -> Result<ClusterId, Refusal> {
    match answer {
        Answer::Reserved(cluster) | Answer::Submitted { cluster, .. } => Ok(cluster),
        Answer::Refused(refusal) => Err(refusal),
        other => Err(Refusal::Invalid(format!("the schedd has no number, but {other:?}"))),
    }
}

struct ClientConnection<'a> {
    context: &'a ClientContext,
    by: Actor,
    /// Why it may not submit anything, if it may not.
    no_jobs: Option<String>,
    sender: Sender,
    /// Why it has none, if it has none.
    place: Result<Place, Refusal>,
    /// Whether the peer has closed its end.
    gone: watch::Receiver<bool>,
    /// The peer's groups, once they were asked for.
    groups: Option<BTreeSet<String>>,
    staged: BTreeMap<SubmitToken, Vec<ClassAd>>,
    /// Bytes of what was staged since nothing was.
    staged_bytes: Staged,
    /// The files that come with a spooled job.
    arriving: Arriving,
}

impl ClientConnection<'_> {
    async fn answer(&mut self, id: u64, ask: AskSchedd) -> Result<(), Broken> {
        if let Err(refusal) = &self.place {
            let refusal = refusal.clone();
            return self.say(id, Answer::Refused(refusal)).await;
        }
        if let Err(refusal) = ask.check_length() {
            return self.say(id, Answer::Refused(refusal)).await;
        }
        let by = self.by.clone();
        match ask {
            AskSchedd::ReserveCluster { token } => {
                self.through_core(id, Input::Reserve { by, token }).await
            }
            AskSchedd::StageProcs { token, procs } => {
                let answer = self.stage(token, procs);
                self.say(id, answer).await
            }
            AskSchedd::Submit { token, cluster, spec } => match self.checked(token, *spec).await {
                Ok(spec) => {
                    self.through_core(
                        id,
                        Input::Submit { by, token, cluster, spec: Arc::new(spec) },
                    )
                    .await
                }
                Err(refusal) => self.say(id, Answer::Refused(refusal)).await,
            },
            AskSchedd::ReserveClusters { tokens } => {
                let reserve = |token| Ok(Input::Reserve { by: by.clone(), token });
                self.several(id, tokens.len(), tokens.into_iter().map(reserve)).await
            }
            AskSchedd::SubmitClusters(together) => self.submit_together(id, together).await,
            AskSchedd::Act { action, select, through } => {
                self.act(id, Input::Act { by, action, select, through }).await
            }
            AskSchedd::Edit { select, changes, dry_run } => {
                self.through_core(id, Input::Edit { by, select, changes, dry_run }).await
            }
            AskSchedd::Arrange(what) => self.arrange(id, what).await,
            AskSchedd::Queues => {
                let settings = self.ask_engine(EngineInput::Queues).await?;
                self.say(id, Answer::Queues(Box::new((*settings).clone()))).await
            }
            AskSchedd::Chirp { run, ask } => {
                self.through_core(id, Input::Chirp { by, run, ask }).await
            }
            AskSchedd::QueryJobs(query) if query.finished => self.finished(id, &query).await,
            AskSchedd::QueryJobs(query) => self.queued(id, query).await,
            AskSchedd::Files(ask) => self.files(id, ask).await,
            AskSchedd::Totals => {
                let totals = self.ask_engine(EngineInput::Totals).await?;
                self.say(id, Answer::Totals(totals)).await
            }
            AskSchedd::Statistics => {
                let ad = self.ask_engine(EngineInput::Statistics).await?;
                self.say(id, Answer::Ads(vec![ad])).await
            }
            AskSchedd::Events { since, follow, select } => {
                self.events(id, since, follow, &select).await
            }
            AskSchedd::Identify => {
                let identity = self.context.identity.clone();
                self.say(id, Answer::Identity(identity)).await
            }
        }
    }

    async fn arrange(&mut self, id: u64, what: Arrange) -> Result<(), Broken> {
        if let Arrange::Alter(alteration) = &what
            && let Err(refusal) = self.check_group(&alteration.changes.ad).await
        {
            return self.say(id, Answer::Refused(refusal)).await;
        }
        let by = self.by.clone();
        let jobs = match &what {
            Arrange::Forget { jobs } => Some(jobs.clone()),
            _ => None,
        };
        let input = Input::Arrange { by, what };
        let answer = self.ask_engine(|client| EngineInput::Ask(input, client)).await?;
        match jobs {
            Some(jobs) if answer == Answer::Done => self.forget_finished(id, &jobs).await,
            Some(_) | None => self.say(id, answer).await,
        }
    }

    /// Deletes the history of those of these jobs that are over, a page at a time.
    async fn forget_finished(&mut self, id: u64, jobs: &[Selector]) -> Result<(), Broken> {
        let settings = self.ask_engine(EngineInput::Queues).await?;
        let is_all = self.by.superuser || settings.is_operator(self.by.user.as_str());
        let user = self.by.user.clone();
        let mut deleting =
            self.context.history.deleting(jobs, move |owner| is_all || *owner == user);
        loop {
            match deleting.page().await {
                Ok(Some(Ok(rows))) => {
                    self.ask_engine(|client| EngineInput::Amend(rows, client)).await?;
                }
                Ok(Some(Err(denied))) => {
                    return self.say(id, Answer::Refused(Refusal::Denied(denied))).await;
                }
                Ok(None) => return self.say(id, Answer::Done).await,
                Err(error) => return self.say(id, cannot_read(&error)).await,
            }
        }
    }

    /// An act, and what comes of it, which may be told in parts.
    async fn act(&mut self, id: u64, input: Input) -> Result<(), Broken> {
        let (client, mut parts) = mpsc::channel(ACT_PARTS);
        let asked = self.context.engine.send(EngineInput::Act(input, client)).await;
        asked.map_err(|_| Broken::Stopping)?;
        loop {
            let ActPart { answer, is_last } = parts.recv().await.ok_or(Broken::Stopping)?;
            match answer {
                Answer::Acted(results) if is_last => return self.say_acted(id, results).await,
                Answer::Acted(results) => self.say_part(id, Answer::Acted(results)).await?,
                other => return self.say(id, other).await,
            }
        }
    }

    async fn through_core(&mut self, id: u64, input: Input) -> Result<(), Broken> {
        let answer = self.ask_engine(|client| EngineInput::Ask(input, client)).await?;
        self.say(id, answer).await
    }

    /// Whether these jobs are to be taken in this pool.
    fn check_may_run(&self, spec: &ClusterSpec) -> Result<(), Refusal> {
        if let Some(why) = &self.no_jobs {
            return Err(Refusal::Invalid(why.clone()));
        }
        match self.context.superusers {
            Some(_) => not_as_owner_yet(spec).map_or(Ok(()), |why| Err(Refusal::Invalid(why))),
            None => Ok(()),
        }
    }

    async fn submit_together(&mut self, id: u64, together: Together) -> Result<(), Broken> {
        if together.bytes() > MAX_BYTES_TOGETHER {
            let what = format!("submit clusters of {} bytes at once", together.bytes());
            let limit = MAX_BYTES_TOGETHER.to_string();
            return self.say(id, Answer::Refused(Refusal::Limit { what, limit })).await;
        }
        let clusters: Vec<NewCluster> = together.into_clusters().collect();
        if let Some(refusal) = clusters.iter().find_map(|new| self.check_may_run(&new.spec).err()) {
            return self.say(id, Answer::Refused(refusal)).await;
        }
        let (by, many) = (self.by.clone(), clusters.len());
        let mut inputs = Vec::with_capacity(many);
        for NewCluster { token, cluster, spec } in clusters {
            let checked = self.check_group(&spec.ad).await;
            let (by, spec) = (by.clone(), Arc::new(spec));
            inputs.push(checked.map(|()| Input::Submit { by, token, cluster, spec }));
        }
        self.several(id, many, inputs.into_iter()).await
    }

    /// Inputs that each get a number, but for those that are refused already. They reach the engine
    /// one behind the other, and so become durable together.
    async fn several(
        &mut self,
        id: u64,
        many: usize,
        inputs: impl Iterator<Item = Result<Input, Refusal>>,
    ) -> Result<(), Broken> {
        if many > MAX_TOGETHER {
            let what = format!("ask for {many} clusters at once");
            let refusal = Refusal::Limit { what, limit: MAX_TOGETHER.to_string() };
            return self.say(id, Answer::Refused(refusal)).await;
        }
        let mut answers = Vec::new();
        for input in inputs {
            let input = match input {
                Ok(input) => input,
                Err(refusal) => {
                    answers.push(Err(refusal));
                    continue;
                }
            };
            let (client, answer) = oneshot::channel();
            let asked = self.context.engine.send(EngineInput::Ask(input, client)).await;
            asked.map_err(|_| Broken::Stopping)?;
            answers.push(Ok(answer));
        }
        let mut numbers = Vec::new();
        for answer in answers {
            numbers.push(match answer {
                Ok(answer) => number(answer.await.map_err(|_| Broken::Stopping)?),
                Err(refusal) => Err(refusal),
            });
        }
        self.say(id, Answer::Numbers(numbers)).await
    }

    /// The whole of a submission, whose group is one of the peer's.
    async fn checked(
        &mut self,
        token: SubmitToken,
        spec: ClusterSpec,
    ) -> Result<ClusterSpec, Refusal> {
        let spec = self.with_staged(token, spec)?;
        self.check_may_run(&spec)?;
        self.check_group(&spec.ad).await?;
        Ok(spec)
    }

    /// Whether the group that a job is for is one of the peer's. The system is asked for these
    /// once, and only where a job names one: it may take its time.
    async fn check_group(&mut self, ad: &ClassAd) -> Result<(), Refusal> {
        let group = ad.literal(queues::GROUP).and_then(Value::as_str).unwrap_or_default();
        if group.is_empty() || self.by.superuser {
            return Ok(());
        }
        if self.groups.is_none() {
            let user = self.by.user.clone();
            let found = tokio::task::spawn_blocking(move || groups::of(user.as_str())).await;
            self.groups = Some(found.unwrap_or_default());
        }
        let is_own = self.groups.as_ref().is_some_and(|own| own.contains(group));
        if is_own { Ok(()) } else { Err(Refusal::Denied(Denied::BadGroup)) }
    }

    /// Puts a question to the engine and waits for what it says.
    async fn ask_engine<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> EngineInput,
    ) -> Result<T, Broken> {
        let (client, answer) = oneshot::channel();
        self.context.engine.send(question(client)).await.map_err(|_| Broken::Stopping)?;
        answer.await.map_err(|_| Broken::Stopping)
    }

    fn stage(&mut self, token: SubmitToken, procs: Vec<ClassAd>) -> Answer {
        let all: usize = self.staged.values().map(Vec::len).sum();
        let has_room = self.staged_bytes.add(frame::size(&procs).unwrap_or(0));
        if all + procs.len() > STAGED_PROCS || !has_room {
            self.staged.clear();
            self.staged_bytes.clear();
            return Answer::Refused(too_many());
        }
        self.staged.entry(token).or_default().extend(procs);
        Answer::Done
    }

    fn with_staged(
        &mut self,
        token: SubmitToken,
        mut spec: ClusterSpec,
    ) -> Result<ClusterSpec, Refusal> {
        let Some(mut staged) = self.staged.remove(&token) else { return Ok(spec) };
        if self.staged.is_empty() {
            self.staged_bytes.clear();
        }
        match &mut spec.procs {
            Procs::Listed(rest) if staged.len() + rest.len() <= STAGED_PROCS => {
                staged.append(rest);
                spec.procs = Procs::Listed(staged);
                Ok(spec)
            }
            Procs::Listed(_) => Err(too_many()),
            Procs::Counted { .. } => Err(Refusal::Invalid(
                "submit: jobs were staged, but the submission does not list its jobs".to_owned(),
            )),
        }
    }

    /// The files of spooled jobs.
    async fn files(&mut self, id: u64, ask: FilesAsk) -> Result<(), Broken> {
        let done = |result: Result<(), TravelError>| match result {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Refused(error.into()),
        };
        let answer = match ask {
            FilesAsk::Begin(job) => match self.spool_step(SpoolStep::Begun(job)).await? {
                Answer::Wanted(true) => match self.arriving.begin(&self.context.spool, job).await {
                    Ok(wanted) => Answer::Wanted(wanted),
                    Err(error) => Answer::Refused(error.into()),
                },
                other => other,
            },
            FilesAsk::Piece(piece) => done(self.arriving.take(piece).await),
            FilesAsk::End => done(self.arriving.end(&self.context.spool).await),
            FilesAsk::Release(cluster) => match files::whole(&self.context.spool, cluster).await {
                Ok(jobs) => self.spool_step(SpoolStep::Whole { cluster, jobs }).await?,
                Err(error) => Answer::Refused(error.into()),
            },
            FilesAsk::Fetch(job) => return self.fetch(id, job).await,
            FilesAsk::Fetched(job) => self.spool_step(SpoolStep::Fetched(job)).await?,
        };
        self.say(id, answer).await
    }

    async fn fetch(&mut self, id: u64, job: JobId) -> Result<(), Broken> {
        let permitted = self.spool_step(SpoolStep::Fetching(job)).await?;
        if permitted != Answer::Done {
            return self.say(id, permitted).await;
        }
        let mut leaving = match Leaving::of(&self.context.spool, job).await {
            Ok(leaving) => leaving,
            Err(error) => return self.say(id, Answer::Refused(error.into())).await,
        };
        loop {
            match leaving.next().await {
                Ok(Some((piece, rest))) => {
                    self.say_part(id, Answer::Piece(piece)).await?;
                    leaving = rest;
                }
                Ok(None) => return self.say(id, Answer::Done).await,
                Err(error) => return self.say(id, Answer::Refused(error.into())).await,
            }
        }
    }

    async fn spool_step(&self, step: SpoolStep) -> Result<Answer, Broken> {
        let input = Input::Spool { by: self.by.clone(), step };
        self.ask_engine(|client| EngineInput::Ask(input, client)).await
    }

    /// The queue, a page at a time, so that a long answer does not keep others waiting.
    async fn queued(&mut self, id: u64, mut query: Query) -> Result<(), Broken> {
        let mut after = None;
        loop {
            self.is_awaited()?;
            let request = Box::new(PageRequest { query: query.clone(), after });
            let page = self.ask_engine(|client| EngineInput::Page(request, client)).await?;
            if let Some(limit) = &mut query.limit {
                *limit = limit.saturating_sub(page.ads.len() as u64);
            }
            self.say_ads(id, page.ads).await?;
            after = page.next;
            if after.is_none() || query.limit == Some(0) {
                return self.say(id, Answer::Done).await;
            }
        }
    }

    /// A question that nobody waits for any more ends, also while it finds nothing.
    fn is_awaited(&self) -> Result<(), Broken> {
        if *self.gone.borrow() { Err(Broken::Gone) } else { Ok(()) }
    }

    /// The history, a page at a time.
    async fn finished(&mut self, id: u64, query: &Query) -> Result<(), Broken> {
        let mut reading = self.context.history.finished(query);
        let mut left = query.limit.unwrap_or(u64::MAX);
        loop {
            self.is_awaited()?;
            match reading.page().await {
                Ok(Some(mut ads)) => {
                    ads.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    left -= ads.len() as u64;
                    self.say_ads(id, ads).await?;
                    if left == 0 {
                        return self.say(id, Answer::Done).await;
                    }
                }
                Ok(None) => return self.say(id, Answer::Done).await,
                Err(error) => return self.say(id, cannot_read(&error)).await,
            }
        }
    }

    async fn events(
        &mut self,
        id: u64,
        since: Seq,
        follow: bool,
        select: &Select,
    ) -> Result<(), Broken> {
        let following = match (follow, &self.place) {
            (true, Ok(place)) => match place.follow() {
                Ok(following) => Some(following),
                Err(refusal) => return self.say(id, Answer::Refused(refusal)).await,
            },
            (false, _) | (true, Err(_)) => None,
        };
        let mut grown = self.context.recent.grown();
        let mut finding = self.context.history.finding(select);
        let first = self.first_event();
        // Who asks from the beginning wants what there is.
        let mut from_start = since <= BEGINNING;
        let mut next = if from_start { since.max(first) } else { since };
        loop {
            let grown_to = *grown.borrow_and_update();
            while next.0 <= grown_to {
                self.is_awaited()?;
                let (found, first) = match self.context.recent.since(next) {
                    Some(page) => (finding.among(&page, next).await, next),
                    None => {
                        let found = finding.stored(next, Seq(grown_to)).await;
                        // Told before it is done: what is missing in what was read is known now.
                        (found, self.first_event())
                    }
                };
                match found {
                    // Whoever wants what there is has heard nothing yet.
                    Ok(_) if next < first && from_start => next = first,
                    Ok(_) if next < first => {
                        let gone = Refusal::Gone { since: next, first };
                        return self.say(id, Answer::Refused(gone)).await;
                    }
                    Ok((events, after)) => {
                        if !events.is_empty() {
                            from_start = false;
                            self.say_part(id, Answer::Events(events)).await?;
                        }
                        next = after;
                    }
                    Err(error) => return self.say(id, cannot_read(&error)).await,
                }
            }
            let Some(following) = &following else { return self.say(id, Answer::Done).await };
            tokio::select! {
                ended = self.gone.wait_for(|gone| *gone) => {
                    return Err(ended.map_or(Broken::Stopping, |_| Broken::Gone));
                }
                news = async {
                    if let Some(pause) = following.pause() {
                        sleep(pause).await;
                    }
                    grown.changed().await
                } => news.map_err(|_| Broken::Stopping)?,
            }
        }
    }

    /// The first event that is still there.
    fn first_event(&self) -> Seq {
        self.context.forgotten.borrow().first_event
    }

    async fn say_ads(&mut self, id: u64, ads: Vec<ClassAd>) -> Result<(), Broken> {
        let mut ads = ads.into_iter().peekable();
        while ads.peek().is_some() {
            let part = ads.by_ref().take(ADS_PER_ANSWER).collect();
            self.say_part(id, Answer::Ads(part)).await?;
        }
        Ok(())
    }

    /// What came of an action on very many jobs, in parts.
    async fn say_acted(&mut self, id: u64, mut results: Vec<Acted>) -> Result<(), Broken> {
        while results.len() > ACTED_PER_ANSWER {
            let rest = results.split_off(ACTED_PER_ANSWER);
            let part = std::mem::replace(&mut results, rest);
            self.say_part(id, Answer::Acted(part)).await?;
        }
        self.say(id, Answer::Acted(results)).await
    }

    async fn say(&mut self, id: u64, body: Answer) -> Result<(), Broken> {
        self.send(Response { id, last: true, body }).await
    }

    async fn say_part(&mut self, id: u64, body: Answer) -> Result<(), Broken> {
        self.send(Response { id, last: false, body }).await
    }

    /// Sends an answer, in parts if it is longer than a frame. One thing that is too long by itself
    /// is refused in words, and nothing follows: a client that asked again from where it is would
    /// meet it again.
    async fn send(&mut self, response: Response) -> Result<(), Broken> {
        let (patience, id) = (self.context.patience, response.id);
        let sending = async {
            match self.sender.feed_in_parts(response).await {
                Err(NetError::Frame(FrameError::TooLong(bytes))) => {
                    let what = format!("answer with one item of {bytes} bytes");
                    let refusal = Refusal::Limit { what, limit: MAX_FRAME_BYTES.to_string() };
                    let body = Answer::Refused(refusal);
                    self.sender.send(&Response { id, last: true, body }).await?;
                    Err(Broken::TooLong(bytes))
                }
                fed => {
                    fed?;
                    Ok(self.sender.flush().await?)
                }
            }
        };
        timeout(patience, sending).await.unwrap_or(Err(Broken::Deaf(patience)))
    }
}

fn too_many() -> Refusal {
    Refusal::Limit {
        what: "submit a cluster of separately described jobs".to_owned(),
        limit: format!("{STAGED_PROCS} jobs, {} bytes of a user's at a time", Staged::MOST),
    }
}

fn cannot_read(error: &StoreError) -> Answer {
    let why = chain(error);
    tracing::error!(%why, "a question is not answered");
    Answer::Refused(Refusal::Failed(why))
}
