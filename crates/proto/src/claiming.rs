//! Schedd and startd: claims, runs, and the lease under which a run may live.
//!
//! # The lease
//!
//! A startd sends [`FromStartd::Beat`], which says when it was sent; the schedd answers with
//! [`ToStartd::Echo`] of the beat it saw. The startd counts a run's lease from the moment at which
//! it **sent** the beat that was echoed last. The schedd saw that beat no earlier than it was sent,
//! so by the schedd's own clock the run is surely over `lease` after it last **saw** a beat that it
//! went on to echo, however long messages were under way; it waits [`lease_margin`] more, for
//! clocks that drift and for the kill itself. [`StartRun`] carries the last beat that the schedd
//! saw, so a start that was delayed beyond its lease is refused. Both sides count on
//! `CLOCK_BOOTTIME`.
//!
//! # Repetition
//!
//! Every message may be lost with its connection, and is then said again after
//! [`FromStartd::Status`] opens the next one; a network that reorders and duplicates is survived
//! too (the simulator does both). `StartRun` has an ordinal that rises within its claim, and a
//! startd starts an ordinal once. `RunEnded` is repeated until [`ToStartd::RunRecorded`] comes
//! back; the start of a higher ordinal says the same. `StopRun` carries the ordinal too: where it
//! overtakes its start, the start is not done any more. A `Status` that is older than a claim's
//! grant ([`ClaimGranted::beat`]) says nothing about that claim.
//!
//! # Turns
//!
//! A schedd may ask for a second claim on a slot that it has ([`RequestClaim::shares`]). The runs
//! of claims on one slot take turns: a startd accepts the start of a run while another lives there,
//! and begins it when nothing of that is left. So the next run can be authorised while the last one
//! executes, and nothing that the schedd still has to do lies between the two. In all else such
//! claims are claims: each has its own ordinals, and its run its own lease. A run that waits for
//! its turn is alive, and is stopped like any other; then it never begins. It may be called back
//! too ([`StopHow::IfQueued`]): then it goes on if its turn has come meanwhile.
//!
//! # Claims beside the schedd
//!
//! Jobs of the local and scheduler universes run on claims that take nothing from the machine
//! ([`RequestClaim::universe`]). Their match is the schedd's own, and a startd grants them only to
//! a schedd that the kernel says to be of its machine and its user. In all else they are claims.

use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use model::{
    Beat, ClaimId, ClaimSecret, Devices, JobId, LimitUse, MachineName, MatchId, Pause, Resources,
    RunEnd, RunId, Timestamp, Universe, Usage, UserName,
};
use serde::{Deserialize, Serialize};

use crate::frame::Divide;
use crate::matchmaking::Term;

/// What the killing of a run may take after its lease is over: SIGKILL to its whole tree, on a
/// machine that is busy.
const KILL_TIME: Duration = Duration::from_secs(10);

/// How much longer than the lease a schedd waits before it takes a run for over: the time for the
/// kill, and two clocks that differ by one part in fifty.
pub fn lease_margin(lease: Duration) -> Duration {
    KILL_TIME + lease / 50
}

/// The shortest lease that is granted, whatever the job says: a few beats must fit into it.
pub const MIN_LEASE: Duration = Duration::from_secs(30);

/// How often a startd beats while it holds a claim of a schedd.
pub const BEAT_EVERY: Duration = Duration::from_secs(8);

/// `JobLeaseDuration` where the job does not say (HTCondor 25.14's default).
pub const DEFAULT_LEASE: Duration = Duration::from_secs(2400);

impl Divide for ToStartd {
    /// Each is about one claim or one run.
    fn divide(self) -> Option<(Self, Self)> {
        None
    }
}

/// From a schedd to a startd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToStartd {
    /// Answers a beat. Until the next, leases count from when that beat was sent.
    Echo {
        /// The beat seen.
        beat: Beat,
    },
    /// Asks for a part of the machine, on the strength of a match.
    RequestClaim(Box<RequestClaim>),
    /// Starts a run on a claim.
    StartRun(Box<StartRun>),
    /// Ends a run. Its end is reported as usual, with [`RunEnd::Vacated`] if the stop was its
    /// cause.
    StopRun {
        claim: ClaimId,
        /// Proof that the claim is this schedd's.
        secret: ClaimSecret,
        run: RunId,
        /// Its ordinal on the claim.
        ordinal: u32,
        how: StopHow,
        /// For what: the job may have a signal of its own for it.
        #[serde(default)]
        aim: StopAim,
    },
    /// Suspends a run, or lets it go on; answered with [`FromStartd::RunPaused`]. A number that is
    /// not higher than the last of the run is only answered.
    PauseRun {
        claim: ClaimId,
        /// Proof that the claim is this schedd's.
        secret: ClaimSecret,
        run: RunId,
        pause: Pause,
    },
    /// The end of the run is in the schedd's record: the startd may forget it and clean up.
    RunRecorded {
        /// The claim that it ran on.
        claim: ClaimId,
        run: RunId,
    },
    /// Gives a claim back. A run on it is stopped.
    ReleaseClaim {
        claim: ClaimId,
        /// Proof that it is this schedd's.
        secret: ClaimSecret,
    },
    /// The user of a job visits the machine: it is to call for that ([`crate::visit`]), with this
    /// number. Only a machine that calls is told so.
    Visit { number: u64, job: JobId },
}

/// A request for a part of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestClaim {
    /// The match that it rests on. The same match asked for twice is one claim.
    pub matched: MatchId,
    /// Whose jobs will run.
    pub owner: UserName,
    pub request: Resources,
    /// What its runs use of concurrency limits, as the match says.
    #[serde(default)]
    pub limits: Vec<LimitUse>,
    /// How long it lasts, as the match says.
    #[serde(default)]
    pub term: Option<Term>,
    /// A job of the class, for the machine's own Requirements.
    pub ad: Arc<ClassAd>,
    /// Where the jobs run: on a part of the machine, or, if they run beside the schedd, on a claim
    /// that takes nothing from the machine. Such a claim needs no match by the negotiator; it is
    /// granted only to a schedd that is here too.
    #[serde(default)]
    pub universe: Universe,
    /// The claim whose slot it is to be, instead of a new part of the machine. Only where that was
    /// granted by a startd that knows of turns ([`ClaimGranted::can_share`]).
    #[serde(default)]
    pub shares: Option<ClaimId>,
}

/// The order to start one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartRun {
    /// On which claim.
    pub claim: ClaimId,
    /// Proof that it is this schedd's.
    pub secret: ClaimSecret,
    /// Rises by one with each run on this claim, from 1. A startd starts an ordinal once and
    /// refuses a lower one.
    pub ordinal: u32,
    /// The last beat of this startd that the schedd saw.
    pub beat: Beat,
    pub run: RunId,
    /// How long the run may live without an echo, seconds (`JobLeaseDuration`).
    pub lease_s: u32,
    /// The whole job ad.
    pub ad: Arc<ClassAd>,
    /// The schedd's folder for what the job keeps when it is evicted, if it keeps anything. It need
    /// not be there yet.
    #[serde(default)]
    pub spool: Option<Arc<str>>,
}

/// How a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopHow {
    /// The job's kill signal, its grace, then SIGKILL to the whole tree.
    Graceful,
    /// SIGKILL to the whole tree at once.
    Fast,
    /// Only if it waits for its turn yet: a run that has begun goes on. Understood where
    /// [`ClaimGranted::can_share`].
    IfQueued,
}

/// What a run is stopped for. The last word counts, and a later one is stronger: a run that is
/// stopped to be held may still be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopAim {
    /// The job goes back to the queue (`KillSig`).
    #[default]
    Vacate,
    /// The job is held (`HoldKillSig`).
    Hold,
    /// The job is removed (`RemoveKillSig`).
    Remove,
}

/// From a startd to a schedd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromStartd {
    /// The first message on every connection: all that the startd holds for this schedd. A claim
    /// that is not listed is gone, and nothing of its runs is alive.
    Status {
        machine: MachineName,
        /// This schedd's claims.
        claims: Vec<ClaimStatus>,
        /// A fresh beat.
        beat: Beat,
    },
    /// A heartbeat, to be echoed.
    Beat { beat: Beat },
    /// A claim was granted (also answers a repeated request).
    ClaimGranted(Box<ClaimGranted>),
    /// A claim was refused.
    ClaimDenied {
        /// The match that was asked for.
        matched: MatchId,
        /// Why, as a sentence.
        reason: String,
    },
    /// A run's program was executed.
    RunStarted {
        claim: ClaimId,
        run: RunId,
        at: Timestamp,
        /// The scratch folder (`CondorScratchDir` in the event log).
        scratch_dir: String,
    },
    /// A run is suspended, or goes on: the order with this number is carried out.
    RunPaused {
        claim: ClaimId,
        run: RunId,
        pause: Pause,
        /// How many processes it is about.
        processes: u32,
    },
    /// What a run has used so far.
    RunUsage { claim: ClaimId, run: RunId, usage: Usage },
    /// A run is over and nothing of it is left. Repeated until it is recorded.
    RunEnded {
        claim: ClaimId,
        run: RunId,
        /// How it ended.
        end: RunEnd,
        /// What it used.
        usage: Usage,
    },
    /// The claim is no more: the answer to any message about a claim that the startd does not hold,
    /// or its own decision. Nothing of its runs is alive; a run whose end was not reported did not
    /// end by itself.
    ClaimGone {
        claim: ClaimId,
        /// Why, as a sentence.
        reason: String,
    },
}

/// One claim in a [`FromStartd::Status`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimStatus {
    pub claim: ClaimId,
    /// The right to use it: a schedd that has forgotten the claim can give it back.
    pub secret: ClaimSecret,
    /// The match that it was made for.
    pub matched: MatchId,
    /// The ordinal of the last run that it accepted, 0 if none.
    pub last_ordinal: u32,
    /// What it holds now.
    pub run: Option<(RunId, RunStatus)>,
}

/// Where a run stands on its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunStatus {
    /// Accepted; the program does not run yet.
    Starting,
    /// The program runs since then.
    Executing(Timestamp),
    Stopping,
    /// Over; waiting to be recorded.
    Ended(RunEnd, Usage),
}

/// A granted claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimGranted {
    /// The match that was asked for.
    pub matched: MatchId,
    pub claim: ClaimId,
    /// The right to use it.
    pub secret: ClaimSecret,
    /// The slot that was carved, for example `slot1_2@host`.
    pub slot: String,
    /// What it has.
    pub resources: Resources,
    /// Which ones of the custom resources.
    #[serde(default)]
    pub devices: Devices,
    /// The slot's ad, for `$$()` and the event log.
    pub ad: Arc<ClassAd>,
    /// A fresh beat.
    pub beat: Beat,
    /// Whether another claim may be asked for on the same slot.
    #[serde(default)]
    pub can_share: bool,
}
