//! What goes into the core and what comes out of it. No logic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use model::queues::QueueSettings;
use model::{
    ClaimId, ClassId, ClusterId, ClusterSpec, HoldCode, IdleReason, JobEvent, JobId, MachineName,
    MatchId, Now, ProcId, ProgramEnd, RunEnd, RunId, SubmitToken, Usage, UserName,
};
use proto::chirp::ChirpAsk;
use proto::claiming::{FromStartd, StopHow, ToStartd};
use proto::client::{Action, Answer, Arrange, FrontEnd, Recorded, Select};
use proto::draining::Drain;
use proto::matchmaking::{FromSchedd, Match, ToSchedd};

use crate::core::records::acts::{LongAct, Reached, Target};
use crate::core::records::rows::{ClaimRecord, ClusterRecord, JobRecord, Meta};

/// What reaches the core.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client wants a cluster number.
    Reserve {
        /// Who, as the kernel says.
        by: Actor,
        /// For which submission.
        token: SubmitToken,
    },
    /// A client submits.
    Submit {
        /// Who, as the kernel says.
        by: Actor,
        /// Of which submission.
        token: SubmitToken,
        /// The number that was reserved.
        cluster: ClusterId,
        spec: Arc<ClusterSpec>,
    },
    /// A client does something to jobs.
    Act {
        /// Who, as the kernel says.
        by: Actor,
        action: Action,
        select: Select,
        /// In whose words its reasons are told.
        through: FrontEnd,
    },
    /// A client sets attributes of jobs.
    Edit {
        /// Who, as the kernel says.
        by: Actor,
        select: Select,
        /// Names and new values.
        changes: Vec<(AttrName, Expr)>,
        /// Whether only to say what would come of it.
        dry_run: bool,
    },
    /// The next slice of a long act is to be done.
    ActOn,
    /// A client changes queues, or jobs' places in them.
    Arrange {
        /// Who, as the kernel says.
        by: Actor,
        what: Arrange,
    },
    /// A job that runs speaks for itself.
    Chirp {
        /// Who, as the kernel says.
        by: Actor,
        /// As which run.
        run: RunId,
        /// What it wants.
        ask: ChirpAsk,
    },
    /// Files of a job that was submitted with `-spool` travel, or have.
    Spool {
        /// Who, as the kernel says.
        by: Actor,
        step: SpoolStep,
    },
    /// The connection to the negotiator is open.
    NegotiatorUp,
    /// The connection to the negotiator is closed.
    NegotiatorDown,
    /// The negotiator says something.
    FromNegotiator(ToSchedd),
    /// A startd says something. Its first message on a connection is `Status`.
    FromStartd { machine: MachineName, message: FromStartd },
    /// The connection to a startd is closed. The shell goes on trying until [`Effect::Disconnect`].
    StartdDown { machine: MachineName },
    /// Said at the end of every batch, and when the moment of `Core::next_deadline` has come.
    /// Everything that may be done for many inputs at once is decided here: jobs for free claims,
    /// what the negotiator is told, leases, back-off.
    Tick,
}

/// How far the files of a spooled job are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolStep {
    /// Its input is to come.
    Begun(JobId),
    /// The input of the cluster's jobs is all said to be there.
    Whole {
        cluster: ClusterId,
        /// Of which of its jobs everything is on the disk.
        jobs: BTreeSet<ProcId>,
    },
    /// What it has made is to be fetched.
    Fetching(JobId),
    /// That was received.
    Fetched(JobId),
}

/// Who asks, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub user: UserName,
    /// Whether it is root or the user that the pool runs as, who may do everything.
    pub superuser: bool,
    /// The user's number here, where jobs run as their owners: on other machines the owner must
    /// have it too.
    pub uid: Option<u32>,
}

impl Actor {
    /// Whether this user's jobs are its to change.
    pub(crate) fn may_touch(&self, owner: &UserName) -> bool {
        self.superuser || *owner == self.user
    }
}

/// What follows from an input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The facts, to apply in order.
    pub events: Vec<Event>,
    /// What a client is answered, once the batch is committed.
    pub reply: Option<Answer>,
    /// What came of a part of a long act: its client is told, once the batch is committed.
    pub acted: Option<Slice>,
}

/// What came of a part of a long act.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Of which act.
    pub act: u64,
    /// What its client is told of it, if anything.
    pub answer: Option<Answer>,
    /// Whether it was the last.
    pub is_last: bool,
}

/// A fact, and when it became one.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Now,
    pub fact: Fact,
}

/// What happened, by what it happened to.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// To a cluster, or to a number that is reserved for one.
    Cluster(ClusterFact),
    /// To a job.
    Job { job: JobId, fact: JobFact },
    /// To a run, while it lasts.
    Run { run: RunId, fact: RunFact },
    /// To a claim, or to a match that is to become one.
    Claim(ClaimFact),
    /// To a machine and the connection to it. No row changes.
    Machine { machine: MachineName, fact: MachineFact },
    /// Between us and the negotiator. No row changes, but for classes' keys in claims.
    Negotiator(NegotiatorFact),
    /// What is looked at again and again was looked at. No row changes.
    Round(RoundFact),
    /// An act on very many jobs begins, has come so far, or is done.
    Act(ActFact),
    /// This is said of server, queues and nodes from now on.
    Settings(Arc<QueueSettings>),
}

/// What becomes of an act that is done a slice at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum ActFact {
    Began(Box<LongAct>),
    /// So many jobs of a user are to go with another that they go a slice at a time.
    Follows {
        user: UserName,
        target: Target,
    },
    Reached {
        act: u64,
        reached: Reached,
    },
    Over {
        act: u64,
    },
}

/// What happens to a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterFact {
    /// A number was given to a submission that is to come. No row changes.
    Reserved { token: SubmitToken, by: UserName, cluster: ClusterId },
    /// A number was given long ago and is not waited for any more. No row changes.
    ReservationForgotten { cluster: ClusterId },
    /// It came into the queue.
    Submitted(Arc<ClusterRecord>),
    /// A factory went a step further.
    Factory {
        cluster: ClusterId,
        /// What it did.
        step: FactoryStep,
    },
    /// Idle jobs wait for a reason of a kind that their cluster has not been told yet.
    JobsWait { cluster: ClusterId, jobs: u64, reason: IdleReason },
}

/// What happens to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobFact {
    /// Something that changes its state. `RunAuthorised` and `RunOver` change its claim as well.
    Happened(JobEvent),
    /// Attributes were set.
    Edited {
        /// Their new values.
        changes: Arc<ClassAd>,
    },
    /// It runs, and had something to say of itself.
    Said {
        /// What: one line.
        text: Arc<str>,
    },
    /// It took something from the machine that it is to run on.
    Matched {
        /// The attributes that it keeps.
        changes: Arc<ClassAd>,
    },
    /// It is spooled, and files of it travel, or have.
    Spooled {
        /// The attributes that tell when.
        changes: Arc<ClassAd>,
    },
    /// It starts at a time, and waits for it; one with a crontab, for its next.
    Timed,
    /// It waited long enough since its last failure. No row changes.
    BackoffOver,
    /// It is finished, and left the queue for the history.
    Left,
}

/// What becomes known of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunFact {
    /// Where its scratch folder is.
    Placed { scratch_dir: Arc<str> },
    /// It has used so much by now.
    UsageSeen { usage: Usage },
    /// Its machine cannot be heard. The run may go on there.
    Disconnected,
    /// Its machine has said that it has the run still.
    Reconnected,
    /// What was to run whatever ends it ([`model::AT_ANY_END`]) did not end well, but so.
    Unfinished { ended: ProgramEnd },
}

/// What becomes of a match, and of the claim that it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimFact {
    /// A match is being claimed. No row changes.
    Requested(Match),
    /// A second claim on the slot of one is being asked for, by a match of our own. No row changes.
    ShareRequested { claim: ClaimId, matched: MatchId },
    /// A match came to nothing; through no fault of its machine, if it is blameless. No row
    /// changes.
    Failed { matched: MatchId, reason: String, blameless: bool },
    /// What the run on one of its claims is known to have used. No row changes.
    PartUsed { claim: ClaimId, usage: Usage },
    /// A startd granted it.
    Granted(Box<ClaimRecord>),
    /// A startd said what its slot is like. No row changes.
    SlotSeen {
        claim: ClaimId,
        /// The slot's ad.
        ad: Arc<ClassAd>,
    },
    /// A job's next run is authorised on it, and waits there until nothing lives any more on its
    /// slot. The job is idle until then.
    Promised { claim: ClaimId, run: RunId },
    /// The promised run on it shall not come any more. No row changes.
    CalledBack { claim: ClaimId },
    /// The run on its slot takes longer than was thought: nothing is promised behind it. No row
    /// changes.
    Slow { claim: ClaimId },
    /// The promised run on it never began, and never will.
    TakenBack { claim: ClaimId },
    /// The run on it is over, which was a part of one on several claims: it is no more ours.
    PartOver { claim: ClaimId, end: Box<RunEnd>, usage: Usage },
    /// The run on it is over, which is its job's: that is recorded when the other parts are over
    /// too.
    FirstOver { claim: ClaimId, end: Box<RunEnd>, usage: Usage },
    /// It is no more ours. A run on it was recorded before.
    Dropped {
        claim: ClaimId,
        /// Whether the startd must be told.
        release: bool,
    },
}

/// What happens on the connection to a startd.
#[derive(Clone, Debug, PartialEq)]
pub enum MachineFact {
    /// It said something new on a new connection.
    Came,
    /// The connection closed.
    Went,
    /// A beat was seen, and will be echoed.
    BeatSeen { beat: model::Beat },
    /// A message must be said that follows from what is known already: an answer, or a repetition.
    Repeated { what: Repeat },
    /// Nothing is wanted of it any more.
    Forgotten,
}

/// What passes between us and the negotiator.
#[derive(Clone, Debug, PartialEq)]
pub enum NegotiatorFact {
    /// The connection opened: it knows nothing of us.
    Came,
    /// The connection closed.
    Went,
    /// It was told what the idle jobs need.
    Told(FromSchedd),
    /// It is told that a machine is to be given no new jobs, or is again.
    Drains { machine: MachineName, drain: Option<Drain> },
    /// It named attributes that tell classes apart.
    SignificantHeard(Vec<AttrName>),
    /// It said which machines are drained.
    DrainsHeard(BTreeSet<MachineName>),
    /// It said why classes wait.
    ReasonsHeard(Vec<(ClassId, Option<IdleReason>)>),
    /// Its matches up to this one are known.
    MatchSeen { matched: MatchId },
    /// A match is not taken up.
    MatchDeclined {
        matched: MatchId,
        /// For which class: the negotiator is told anew how it stands.
        class: ClassId,
        reason: String,
    },
}

/// What was looked at, and how far.
#[derive(Clone, Debug, PartialEq)]
pub enum RoundFact {
    /// What had become known of jobs that others wait for was looked at.
    DependenciesSeen,
    /// Something ended on the slot on which this job's run waits, and it is not its turn yet.
    TurnSeen { job: JobId },
    /// Finished jobs that stayed in the queue were asked whether they still want to.
    KeptChecked,
    /// Jobs were asked for the policies that time can make true.
    PoliciesChecked {
        /// When this round began, milliseconds of the boot clock.
        began_ms: u64,
        /// The job to go on with, if the round is not over.
        next: Option<JobId>,
    },
    /// It was looked at whether a reservation begins or ends.
    BookingsSeen,
    /// A queue that was put back has waited for what older ones may have started.
    FenceLifted,
    /// Running jobs were asked whose time is over.
    RunLimitsAsked,
    /// It was told why jobs wait that began to.
    WaitsTold,
    /// Jobs that run beside the schedd may not start now.
    ClassAside {
        /// Of which class.
        class: ClassId,
        reason: IdleReason,
        /// When they are looked at again, milliseconds of the boot clock.
        until_ms: u64,
        /// Whether they only wait for others of their universe: then sooner, when one of these has
        /// ended.
        for_others: bool,
    },
    /// No job of an owner starts for a while, because one did that asks for that; or they may
    /// again.
    StartsPaused {
        owner: UserName,
        /// Until this moment of the boot clock, milliseconds; unset when it is over.
        until_ms: Option<u64>,
    },
}

/// What a factory does.
#[derive(Clone, Debug, PartialEq)]
pub enum FactoryStep {
    /// These jobs came into the queue: pieces from the first number to the one behind the last.
    Materialised(Vec<(u32, u32)>),
    /// It makes no more jobs until it is resumed.
    Paused {
        /// Why, as for a hold of its jobs.
        reason: String,
        /// `HoldReasonCode` of its jobs.
        code: HoldCode,
    },
    /// It goes on.
    Resumed {
        /// Why, as for the release of its jobs.
        reason: String,
    },
    /// It was removed: the rest of its jobs never come.
    Ended,
    /// The jobs that are still to come have these attributes.
    Edited(Arc<ClassAd>),
}

/// What is said to a startd again.
#[derive(Clone, Debug, PartialEq)]
pub enum Repeat {
    /// That the run on this claim shall start.
    StartRun(ClaimId),
    /// That the run on this claim shall stop.
    StopRun(ClaimId, StopHow),
    /// That the run on this claim shall be suspended, or go on.
    PauseRun(ClaimId),
    /// That this match is claimed.
    RequestClaim(MatchId),
    /// Anything that carries all it needs.
    Message(Box<ToStartd>),
}

/// What `apply` changed that somebody else must keep or learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// A new cluster: its whole row.
    pub new_cluster: Option<Arc<ClusterRecord>>,
    /// A cluster whose changing part (`Core::cluster_body`) changed.
    pub cluster: Option<ClusterId>,
    /// A job's row. A job with `finished` is in it for the last time.
    pub job: Option<JobRecord>,
    /// A claim's row, or that it is gone.
    pub claim: Option<(ClaimId, Option<ClaimRecord>)>,
    /// More claims' rows: all whose class has another key now.
    pub claims: Vec<ClaimRecord>,
    pub meta: Option<Meta>,
    /// What is said of queues, if that changed.
    pub settings: Option<Arc<QueueSettings>>,
    /// Whether other acts are under way than before.
    pub acts: bool,
    /// How far each of them has come, if that changed.
    pub reached: Option<BTreeMap<u64, Reached>>,
    /// The entry of the record.
    pub recorded: Option<Recorded>,
    /// Those of reservations, of which several may change at once.
    pub booked: Vec<Recorded>,
    /// The claim that was dropped: what its startd is told.
    pub dropped: Option<Box<ClaimRecord>>,
    /// The run that was authorised had been promised: its startd has it already.
    pub called_up: bool,
    /// The run that was taken back: its startd may forget it.
    pub taken_back: Option<RunId>,
    /// The job that left may have kept something when it was evicted, or was spooled.
    pub kept: bool,
}

/// What the shell must do, once the batch is committed. Doing it twice does no harm; not doing it
/// is made good by the next connection, or by `Core::resume`.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell the negotiator, if it is connected.
    ToNegotiator(FromSchedd),
    /// Keep a connection to this startd, from now until `Disconnect`; a new address replaces the
    /// old one.
    Connect {
        machine: MachineName,
        /// Where it listens.
        address: String,
    },
    /// The connection is not needed any more.
    Disconnect { machine: MachineName },
    /// Make folders for these jobs, whose files are to come. To be done before anything is written
    /// to their logs: these are in there.
    MakeSpool {
        /// Of which cluster.
        cluster: ClusterId,
        /// How many jobs, from the first on.
        procs: u32,
    },
    /// Remove what a job kept when it was evicted, and the files that were sent with it.
    RemoveSpool { job: JobId },
    /// Tell a startd, if it is connected; otherwise forget it.
    ToStartd { machine: MachineName, message: ToStartd },
}

/// Why a message is dropped. It changes nothing; the driver counts it. (What a client does wrong is
/// answered, not rejected.)
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The run is not the one that the claim has.
    #[error("take a message about run {run} on claim {claim}: it is not that claim's run")]
    OtherRun {
        /// Said to be run.
        run: RunId,
        /// Said to be on.
        claim: ClaimId,
    },
    /// The match is not being claimed.
    #[error("take an answer about match {number}: it is not being claimed")]
    NotClaiming {
        /// The match's number.
        number: u64,
    },
    /// Nothing is known of the machine.
    #[error("take a message of machine {machine}: nothing was asked of it")]
    UnknownMachine { machine: MachineName },
    /// The claim is not one of ours on that machine.
    #[error("take a message about claim {claim} of machine {machine}: it is not ours there")]
    UnknownClaim {
        claim: ClaimId,
        /// Of which machine.
        machine: MachineName,
    },
    /// It says nothing new.
    #[error("take a message that says nothing new")]
    Stale,
}
