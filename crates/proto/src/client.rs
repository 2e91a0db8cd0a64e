//! A user's command and a daemon. Each request has a number; its answers carry it, and the last one
//! says so. Requests are pipelined; answers to different requests may interleave.
//!
//! No message names its sender: who the user is, the kernel says.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Sub};

use classad::{AttrName, ClassAd, Expr};
use model::queues::{Authorized, Denied, Edit, QueueSettings, ReservedParts, Window};
use model::{
    ClusterId, ClusterSpec, HoldCode, IdleReason, JobId, MachineName, RunId, Seq, SubmitToken,
    Timestamp, Universe, UserName,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chirp::{ChirpAnswer, ChirpAsk};
use crate::files::Piece;
use crate::frame::{Divide, halves};
use crate::joining::{AskTrust, NodeLine};
use crate::together::Together;

pub mod bounds;
mod forgotten;
pub mod named;
mod record;

pub use crate::draining::DrainOrder;
pub use forgotten::Forgotten;
pub use record::{Happening, Recorded};

/// A numbered request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request<A> {
    /// Chosen by the client; answers carry it.
    pub id: u64,
    /// What is asked.
    pub body: A,
}

/// A part of the answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The request's number.
    pub id: u64,
    /// Whether nothing more follows.
    pub last: bool,
    /// What is answered.
    pub body: Answer,
}

/// What may be asked of one kind of daemon. A question to another kind does not compile.
pub trait Question: Serialize + DeserializeOwned {
    /// Who the daemon is: every kind answers that. Answered by [`Answer::Identity`].
    const IDENTIFY: Self;
}

impl Question for AskSchedd {
    const IDENTIFY: Self = Self::Identify;
}

impl Question for AskNegotiator {
    const IDENTIFY: Self = Self::Identify;
}

impl Question for AskStartd {
    const IDENTIFY: Self = Self::Identify;
}

/// What a client may ask a schedd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AskSchedd {
    /// A cluster number for a submission that will carry the same token. The number is not durable:
    /// only `Submit` is.
    ReserveCluster {
        /// The submission's token.
        token: SubmitToken,
    },
    /// A part of the listed jobs of a submission that is too long for one frame. Kept by the
    /// connection until `Submit`.
    StageProcs {
        /// The submission's token.
        token: SubmitToken,
        /// The next jobs, in order.
        procs: Vec<ClassAd>,
    },
    /// Submits a cluster: all of it or nothing, answered when it is durable. The same token again
    /// gets the same answer.
    Submit {
        /// The submission's token.
        token: SubmitToken,
        /// The number that was reserved.
        cluster: ClusterId,
        /// The cluster; staged jobs come before its listed ones.
        spec: Box<ClusterSpec>,
    },
    /// As [`AskSchedd::ReserveCluster`], for each of these. Answered by [`Answer::Numbers`].
    ReserveClusters {
        /// At most [`MAX_TOGETHER`](crate::together::MAX_TOGETHER).
        tokens: Vec<SubmitToken>,
    },
    /// As [`AskSchedd::Submit`], for each of these: each is taken or refused by itself, and those
    /// that are taken become durable together. Answered by [`Answer::Numbers`].
    SubmitClusters(Together),
    /// Does something to jobs.
    Act {
        action: Action,
        select: Select,
        #[serde(default)]
        through: FrontEnd,
    },
    /// Sets attributes of jobs: in all of them or in none.
    Edit {
        select: Select,
        /// Names and new values; the last of a name counts.
        changes: Vec<(AttrName, Expr)>,
        /// Whether only to say what would come of it.
        dry_run: bool,
    },
    /// Job ads, from the queue, or from history.
    QueryJobs(Query),
    /// Counts only: answered from counters, whatever the length of the queue.
    Totals,
    /// What is said of the server, of PBS's queues and of nodes. Answered by [`Answer::Queues`].
    Queues,
    /// Changes queues, or which of them a job is in and where it stands. Answered when it is
    /// durable.
    Arrange(Arrange),
    /// The record, from a position on.
    Events {
        /// The first position wanted.
        since: Seq,
        /// Whether to go on as events happen.
        follow: bool,
        /// Of which jobs.
        select: Select,
    },
    /// Who it is.
    Identify,
    /// What it counts of itself, as one ad.
    Statistics,
    /// Files of a job that was submitted with `-spool`, in or out.
    Files(FilesAsk),
    /// A job that runs speaks for itself. Answered by [`Answer::Chirped`].
    Chirp {
        /// As which run of which job.
        run: RunId,
        /// What it wants.
        ask: ChirpAsk,
    },
}

/// What a client may ask a negotiator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AskNegotiator {
    QueryMachines(Query),
    /// Whether jobs with these ads could ever run on the machines that there are. Answered by
    /// [`Answer::Never`], of the first few.
    Never(Vec<ClassAd>),
    Accounts,
    /// Changes accounts, for who may do everything.
    EditAccounts {
        /// Whose; everybody's if not given.
        user: Option<UserName>,
        edit: AccountEdit,
    },
    /// Who it is.
    Identify,
    /// What it counts of itself, as one ad.
    Statistics,
    /// Something about the machines of the pool, for who may do everything.
    Trust(AskTrust),
    /// Gives a machine no new jobs, or jobs again; for who may do everything. Answered by
    /// [`Answer::Machine`].
    Drain {
        /// As it is called, or as its host is without the domain.
        machine: String,
        /// None: it gets jobs again.
        order: Option<DrainOrder>,
    },
}

/// What a client may ask a startd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AskStartd {
    /// A part of a file of a job that runs.
    ReadRun {
        job: JobId,
        file: RunFile,
        from: ReadFrom,
        /// At most so many bytes.
        max_bytes: u32,
    },
    /// A shell, or another program, in the surroundings of a job that runs. Answered by
    /// [`Answer::Shell`]; what is said from then on is said to that program's end
    /// ([`crate::terminal`]).
    Shell {
        job: JobId,
        /// The program and its arguments; the shell of the job's user if there is none.
        program: Vec<String>,
        /// Whether nobody is at a terminal: what is printed is to come as it is.
        is_plain: bool,
    },
    /// Who it is.
    Identify,
}

/// A change of queues, of jobs' places in them, or of jobs as PBS's users change them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Arrange {
    /// All of these, or none.
    Settings(Vec<Edit>),
    /// All jobs of the cluster go to another queue, none of which may run.
    Move { cluster: ClusterId, queue: String },
    /// Each stands where the other stood.
    Exchange(ClusterId, ClusterId),
    /// These jobs are the next of their owner's to run, whatever their queues' limits are.
    RunNow(Vec<Selector>),
    /// Holds of these kinds (`u`, `o`, `s`, `p`) are set in all of these jobs, or ended.
    Hold { jobs: Vec<Selector>, kinds: String, is_set: bool },
    /// PBS's commands are not to know these jobs any more, once they are over (`qdel -x`). Those
    /// that are over already are found in the history.
    Forget { jobs: Vec<Selector> },
    /// All of this, or nothing.
    Alter(Box<Alteration>),
    /// An advance reservation, under a number that was reserved before.
    Book(Box<BookAsk>),
    /// Another window for a reservation, and what else is said of it from now on.
    Rebook {
        queue: String,
        window: Window,
        /// What is only shown of it.
        #[serde(default)]
        shown: BTreeMap<String, String>,
        /// Who may submit to its queue, if that is to be somebody else.
        #[serde(default)]
        users: Option<String>,
    },
    /// A reservation is deleted, and its jobs with it.
    Unbook { queue: String },
    /// A machine is to be given no new jobs, or is again: for those to whom the negotiator does not
    /// listen and who manage queues. It is passed on to the negotiator.
    Drain { machine: MachineName, order: Option<DrainOrder> },
}

/// An advance reservation that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookAsk {
    pub number: ClusterId,
    pub token: SubmitToken,
    pub window: Window,
    pub parts: ReservedParts,
    pub who: Authorized,
    /// What is only shown of it.
    pub shown: BTreeMap<String, String>,
}

/// What `qalter` changes of a job, or of an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alteration {
    pub cluster: ClusterId,
    /// What is set in all of its jobs, and in each of its own.
    pub changes: ClusterSpec,
    /// Whether any of them runs, as far as the command knows: what may be changed hangs on that.
    /// If it is not so any more, the answer is [`Denied::BadState`].
    pub runs: bool,
    /// Whether those that run stay as they are.
    pub spares_running: bool,
    /// Whether their user holds them; as before if not given.
    pub user_hold: Option<bool>,
}

/// What is asked about the files of jobs that were submitted with `-spool`. The order of the first
/// four brings their input in; that of the last two brings their output out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilesAsk {
    /// The input files of this job follow, and nothing else on this connection until its end.
    /// Answered by [`Answer::Wanted`]. What came before of a job that is not whole yet is
    /// forgotten.
    Begin(JobId),
    /// A part of a file of the job that was begun.
    Piece(Piece),
    /// All files of the job that was begun are there. Answered when they are on the disk.
    End,
    /// All files of all jobs of the cluster are there: its jobs may run. Answered when that is
    /// durable.
    Release(ClusterId),
    /// What this job has made so far, and what it said. Answered by [`Answer::Piece`]s.
    Fetch(JobId),
    /// That was received and is on the client's disk.
    Fetched(JobId),
}

/// A file of a job that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunFile {
    /// What it wrote to its standard output.
    Stdout,
    /// What it wrote to its standard error.
    Stderr,
    /// A file in the folder in which it runs: a relative name that does not lead out of it.
    Named(String),
}

/// From where a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadFrom {
    /// So that the last byte is its end.
    End,
    /// From this byte on.
    Offset(u64),
}

/// A change of an account.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum AccountEdit {
    /// The real priority.
    SetPriority(f64),
    /// What the real priority is multiplied with.
    SetFactor(f64),
    /// All that was ever used, weight times seconds.
    SetUsed(f64),
    /// As if nothing had been used. The factor stays.
    Reset,
    /// As if the user had never been here.
    Delete,
}

/// What may be done to jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// `condor_rm`.
    Remove {
        /// What the user wrote, if anything.
        reason: Option<String>,
        /// `-forcex`: forget a removed job whose run cannot be confirmed over. It may still be
        /// running.
        force: bool,
    },
    /// `condor_hold`.
    Hold {
        /// What the user wrote, if anything.
        reason: Option<String>,
        code: HoldCode,
        /// `-subcode`.
        subcode: i32,
    },
    /// `condor_release`.
    Release {
        /// What the user wrote, if anything.
        reason: Option<String>,
    },
    /// `condor_vacate_job`.
    Vacate {
        /// `-fast`.
        fast: bool,
    },
    /// `condor_suspend`.
    Suspend,
    /// `condor_continue`.
    Continue,
    /// `condor_prio`.
    Prioritise(Priority),
}

impl Action {
    /// Whether doing it twice is as good as once: whoever lost the answer may ask again.
    pub const fn is_repeatable(&self) -> bool {
        match self {
            Self::Remove { .. }
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::Suspend
            | Self::Continue
            | Self::Prioritise(Priority::Set(_)) => true,
            Self::Vacate { .. } | Self::Prioritise(Priority::Change(_)) => false,
        }
    }

    /// The command that does this to jobs, as users of this front end know it.
    pub fn command(&self, through: FrontEnd) -> &'static str {
        let [updraft, htcondor, pbs] = match self {
            Self::Remove { .. } => ["updraft rm", "condor_rm", "qdel"],
            Self::Hold { .. } => ["updraft hold", "condor_hold", "qhold"],
            Self::Release { .. } => ["updraft release", "condor_release", "qrls"],
            Self::Vacate { .. } => ["updraft vacate_job", "condor_vacate_job", "qrerun"],
            Self::Suspend => ["updraft suspend", "condor_suspend", "qsig -s suspend"],
            Self::Continue => ["updraft continue", "condor_continue", "qsig -s resume"],
            Self::Prioritise(_) => ["updraft prio", "condor_prio", "qalter"],
        };
        match through {
            FrontEnd::Updraft => updraft,
            FrontEnd::HtCondor => htcondor,
            FrontEnd::Pbs => pbs,
            FrontEnd::DagMan => "DAGMan",
        }
    }
}

/// Through what somebody acts on jobs: reasons are told in its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrontEnd {
    Updraft,
    /// HTCondor's commands, and programs of a release that does not say.
    #[default]
    HtCondor,
    Pbs,
    /// A workflow's own process.
    DagMan,
}

/// A new `JobPrio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Priority {
    Set(i32),
    /// So much more than it has, or less.
    Change(i32),
}

/// Which jobs of the queue a request is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Select {
    /// Every job that the user may touch or see.
    All,
    /// Those that any of these name.
    Any(Vec<Selector>),
    /// Those whose ad makes this true.
    Constraint(Expr),
}

/// One word of a command line that names jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// `12`.
    Cluster(ClusterId),
    /// `12.3`.
    Job(JobId),
    /// `alice`.
    Owner(UserName),
}

/// Which ads, and what of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Which jobs; ignored for machines.
    pub select: Select,
    /// Also this must be true.
    pub constraint: Option<Expr>,
    /// Only these attributes; all if empty.
    pub projection: Vec<AttrName>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Finished jobs, newest first, or those in the queue, in order.
    pub finished: bool,
    /// Jobs of a cluster that agree in the projection, in status and in reason may be told once: as
    /// the ad of the first, with `GroupLastProcId` and `GroupCount`. Asked for what differs from
    /// job to job, the answer is one of them.
    #[serde(default)]
    pub grouped: bool,
    /// Finished jobs as users have described them, and not what became of them: what it takes to
    /// submit them again.
    #[serde(default)]
    pub as_described: bool,
    /// Of finished jobs only those before the first, in the order in which they are read, that
    /// makes this true, whichever are selected.
    #[serde(default)]
    pub until: Option<Expr>,
    /// Finished jobs, the oldest first.
    #[serde(default)]
    pub oldest_first: bool,
}

impl Query {
    /// Everything of all in the queue that `select` names.
    pub fn of(select: Select) -> Self {
        Self {
            select,
            constraint: None,
            projection: Vec::new(),
            limit: None,
            finished: false,
            grouped: false,
            as_described: false,
            until: None,
            oldest_first: false,
        }
    }
}

/// What a daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A number was reserved.
    Reserved(ClusterId),
    /// The cluster is durable. Also the answer to a token that was submitted before.
    Submitted {
        cluster: ClusterId,
        /// How many jobs it has.
        procs: u32,
    },
    /// The number of each cluster that was asked for, or why it has none.
    Numbers(Vec<Result<ClusterId, Refusal>>),
    /// What came of an action.
    Acted(Vec<Acted>),
    /// What came of an edit.
    Edited(Edited),
    /// What a job that spoke for itself is told.
    Chirped(ChirpAnswer),
    Ads(Vec<ClassAd>),
    Totals(Totals),
    /// What is said of server, queues and nodes.
    Queues(Box<QueueSettings>),
    Events(Vec<Recorded>),
    /// A part of a file.
    FilePart {
        /// From which byte on.
        offset: u64,
        /// The bytes; none at the end of the file.
        bytes: Vec<u8>,
    },
    /// What follows comes from a program beside the job; these are processes of the job.
    Shell {
        pids: Vec<u32>,
    },
    /// Whether the job's input files are still wanted; otherwise they are all there already.
    Wanted(bool),
    /// A part of what a job has made.
    Piece(Piece),
    /// Accounts, best priority first.
    Accounts(Vec<AccountLine>),
    Identity(DaemonIdentity),
    /// Of each job that was asked about why it could never run, if that is so.
    Never(Vec<Option<IdleReason>>),
    /// What lets a machine join.
    Token(String),
    /// The machines of the pool, by name.
    Nodes(Vec<NodeLine>),
    /// The machine that was meant.
    Machine(MachineName),
    /// Received; nothing to say.
    Done,
    Refused(Refusal),
}

impl Divide for Response {
    fn divide(self) -> Option<(Self, Self)> {
        let Self { id, last, body } = self;
        let (first, second) = match body {
            Answer::Ads(all) => halves(all).map(|(a, b)| (Answer::Ads(a), Answer::Ads(b))),
            Answer::Acted(all) => halves(all).map(|(a, b)| (Answer::Acted(a), Answer::Acted(b))),
            Answer::Events(all) => halves(all).map(|(a, b)| (Answer::Events(a), Answer::Events(b))),
            // The others have one part, as those who ask expect.
            _ => None,
        }?;
        Some((Self { id, last: false, body: first }, Self { id, last, body: second }))
    }
}

/// What came of an action on one job, or on one selector that names none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// The word of the command line that it answers, where there was one.
    pub selector: Option<Selector>,
    /// The job, if there is one.
    pub job: Option<JobId>,
    /// What came of it.
    pub result: ActResult,
}

/// What came of an action on one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActResult {
    /// Done, or under way.
    Done,
    /// There is no such job.
    NotFound,
    /// It is somebody else's.
    PermissionDenied,
    /// It is already so (held twice, removed twice).
    AlreadyDone,
    /// It is not in a state for that (releasing a job that is not held).
    BadStatus,
}

/// What came of an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edited {
    /// The attributes were set in so many jobs.
    Done(u64),
    /// No job is selected.
    NoJobs,
    /// This one is not there, or somebody else's: nothing was set.
    NotThisJob(JobId),
    /// The schedd keeps this attribute itself: nothing was set.
    Immutable(AttrName),
    /// A job would keep files by it, which those of many users do not yet: nothing was set.
    KeepsFiles(AttrName),
    /// This attribute orders its owner's jobs, and such a value cannot: nothing was set.
    NoPriority(AttrName),
    /// The value of this attribute is longer than so many bytes: nothing was set.
    TooLong { name: AttrName, limit: usize },
    /// More than so many bytes of a job, at once or in all. Of very many, others may have been set.
    TooMuch { job: Option<JobId>, limit: usize },
}

/// Counts of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub all: Counts,
    /// Of each user with jobs in the queue.
    pub by_owner: Vec<(UserName, Counts)>,
    /// How many of them run beside the schedd, by universe and user.
    #[serde(default)]
    pub beside: Vec<(Universe, UserName, Counts)>,
    /// The last position of the record: what is counted here has happened up to it.
    #[serde(default)]
    pub seq: Seq,
    /// What is kept no longer of what is over.
    #[serde(default)]
    pub forgotten: Forgotten,
}

/// Jobs by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub idle: u64,
    pub running: u64,
    pub held: u64,
    /// Completed, still in the queue.
    pub completed: u64,
    /// Removed, still in the queue.
    pub removed: u64,
    pub suspended: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { idle, running, held, completed, removed, suspended } = other;
        self.idle += idle;
        self.running += running;
        self.held += held;
        self.completed += completed;
        self.removed += removed;
        self.suspended += suspended;
    }
}

impl Sub for Counts {
    type Output = Self;

    /// Those of a part taken from those of the whole.
    fn sub(self, part: Self) -> Self {
        Self {
            idle: self.idle.saturating_sub(part.idle),
            running: self.running.saturating_sub(part.running),
            held: self.held.saturating_sub(part.held),
            completed: self.completed.saturating_sub(part.completed),
            removed: self.removed.saturating_sub(part.removed),
            suspended: self.suspended.saturating_sub(part.suspended),
        }
    }
}

impl Totals {
    /// The jobs of a universe: everybody's, or those of one user.
    pub fn of_universe(&self, universe: Universe, user: Option<&str>) -> Counts {
        let mut sum = Counts::default();
        for (_, _, counts) in self.beside.iter().filter(|(known, owner, _)| {
            *known == universe && user.is_none_or(|user| owner.as_str() == user)
        }) {
            sum += *counts;
        }
        sum
    }
}

/// One line of the report on the accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountLine {
    pub user: UserName,
    /// Real priority times factor: lower is better.
    pub effective_priority: f64,
    /// The decayed usage.
    pub real_priority: f64,
    pub factor: f64,
    /// What the user holds now, by slot weight.
    pub held: f64,
    /// All that the user ever used, weight times seconds.
    pub used_weight_seconds: f64,
    /// Since when the account counts.
    pub begun: Option<Timestamp>,
    /// When something was held last.
    pub last_used: Option<Timestamp>,
}

/// A daemon, as it names itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonIdentity {
    /// Its role and name, for example `schedd` and `localhost`.
    pub role: String,
    pub name: String,
    /// Its program version.
    pub version: String,
    /// The address for people to see (`<127.0.0.1:9618?...`).
    pub address: String,
    pub pid: u32,
    pub since: Timestamp,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The number was not reserved by this token (the schedd restarted): reserve again with the
    /// same token.
    #[error("submit cluster {0}: that number is not reserved for this submission; reserve again")]
    NotReserved(ClusterId),
    #[error("{what}: {limit} is the limit")]
    Limit {
        /// What was tried.
        what: String,
        /// How much is allowed.
        limit: String,
    },
    /// The request makes no sense to this daemon.
    #[error("{0}")]
    Invalid(String),
    /// It is about a run, and the job has none now.
    #[error("{0}")]
    NotRunning(String),
    /// It names a job that has left the queue, where one that may still change is meant.
    #[error("{0}")]
    HasLeft(String),
    /// The daemon could not do its part: its disk or its file failed. Its log says more.
    #[error("{0}")]
    Failed(String),
    /// A queue, or what is said of it, does not allow it.
    #[error("{0}")]
    Denied(Denied),
    /// What was asked for was kept long enough.
    #[error(
        "read the record from event {since}: it begins with event {first} now, what was before has been removed (MAX_HISTORY_LOG \
         and its kin in the pool's configuration say how much is kept)"
    )]
    Gone {
        since: Seq,
        /// The first that is still there.
        first: Seq,
    },
    /// The daemon is too busy, or stopping: try again.
    #[error("{0}; try again")]
    Busy(String),
}
