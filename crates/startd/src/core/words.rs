//! What goes into the core and what comes out of it. No logic.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::ClassAd;
use model::{
    Beat, ClaimId, ClaimSecret, Devices, LimitUse, MachineName, MatchId, Now, Pause, Resources,
    RunEnd, RunId, ScheddName, Timestamp, Universe, Usage, UserName,
};
use proto::claiming::{FromStartd, ToStartd};
use proto::draining::Drain;
use serde::{Deserialize, Serialize};

use crate::core::records::files::{
    BringBack, DiskUsed, Freight, FromCarrier, StartOrder, StarterLog,
};
use crate::core::records::keys::{Manner, RunKey, Stop};

/// A machine as it was found when the startd started: what does not change in its life.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its name (`Machine`).
    pub name: MachineName,
    /// Where schedds connect to.
    pub address: String,
    /// What it shares out.
    pub total: Resources,
    /// The resources that an administrator named, and GPUs. How many there are is in `total`, under
    /// their lower-case names.
    pub customs: Vec<Custom>,
    /// What was found out about it: `Arch`, `OpSys`, `KFlops`, `CpuFamily`, `FileSystemDomain` and
    /// the like, and the administrator's own attributes and expressions (`Start`, `Rank`). The core
    /// adds what it knows itself.
    pub found: Arc<ClassAd>,
    /// When the startd started (`DaemonStartTime`).
    pub started: Timestamp,
    /// Numbers this machine's journal (see [`model::Beat`]): greater than that of any earlier
    /// journal of the machine.
    pub life: u64,
    /// Drawn at random for this journal (see [`ClaimId`]).
    pub journal: u64,
}

/// A resource that an administrator named.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// Its name, as it is spelt in ads: `GPUs`.
    pub tag: String,
    /// Each one that there is, if they have ids.
    pub devices: Vec<Device>,
}

/// One of a custom resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// What a job is told: `GPU-1f2a3b4c`.
    pub id: String,
    /// The attribute of the machine's ad that has its properties: `GPUs_GPU_1f2a3b4c`.
    pub attribute: String,
    /// Its properties, which `require_gpus` looks at.
    pub ad: Arc<ClassAd>,
}

/// What reaches the core.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A schedd connected. Before the launcher's first listing it is not answered.
    ScheddUp {
        schedd: ScheddName,
        /// Whether it is a process of this machine and of the startd's own user, as the kernel
        /// says: only such a schedd may run jobs beside itself here.
        near: bool,
        /// Which of the queues that were put in its place it works with, as it says.
        generation: u64,
    },
    /// A schedd's connection closed.
    ScheddDown { schedd: ScheddName },
    /// A schedd says something.
    FromSchedd {
        schedd: ScheddName,
        message: ToStartd,
        /// 16 random bytes, for the claim that this may grant.
        fresh: ClaimSecret,
    },
    /// The launcher says something. Its first message on a connection is `Listed`.
    FromLauncher(FromLauncher),
    /// The connection to the launcher closed.
    LauncherDown,
    /// The carrier of files says something.
    FromCarrier(FromCarrier),
    /// Scratch folders were measured: what they take, and how long the measuring took.
    DiskMeasured { used: Vec<(RunKey, DiskUsed)>, took_ms: u64 },
    /// The machine was measured.
    Measured(Measured),
    /// The negotiator says whether the machine is to take no new jobs.
    Drain(Option<Drain>),
    /// The startd is to end: nothing new is taken, and what runs is stopped. It may end when
    /// [`super::Core::may_end`].
    Shutdown {
        /// Whether the jobs get their signal and their grace.
        graceful: bool,
    },
    /// Said at the end of every batch, and when the moment of `Core::next_deadline` has come.
    Tick,
}

/// What the launcher reports.
#[derive(Clone, Debug, PartialEq)]
pub enum FromLauncher {
    /// Every run that it keeps. What changes afterwards comes as the other messages.
    Listed(Vec<LauncherRun>),
    /// A program was executed.
    Started {
        /// Of which run.
        key: RunKey,
        at: Timestamp,
        /// The scratch folder that the shell made for it.
        scratch_dir: String,
    },
    /// An order to suspend a run, or to let it go on, is carried out.
    Paused {
        key: RunKey,
        pause: Pause,
        /// How many processes it was about.
        processes: u32,
    },
    /// What a run has used so far.
    Used { key: RunKey, usage: Usage },
    /// Nothing of a run is left. Also said by the shell for a run that the launcher refused to
    /// take.
    Ended {
        key: RunKey,
        end: RunEnd,
        /// What it used.
        usage: Usage,
    },
}

/// A run in the launcher's list.
#[derive(Clone, Debug, PartialEq)]
pub struct LauncherRun {
    pub key: RunKey,
    /// How it stands.
    pub state: LauncherState,
}

/// How a run stands with the launcher.
#[derive(Clone, Debug, PartialEq)]
pub enum LauncherState {
    /// Accepted, not executed yet; or being cleared away.
    Starting,
    /// Its program runs.
    Executing {
        at: Timestamp,
        /// Its scratch folder.
        scratch_dir: String,
    },
    /// Nothing of it is left.
    Ended(RunEnd, Usage),
}

/// What the shell measures from time to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `LoadAvg`.
    pub load_avg: f64,
    /// Free space where scratch folders are made, KiB.
    pub free_disk_kib: u64,
    /// `KeyboardIdle`, `ConsoleIdle`, seconds.
    pub keyboard_idle_s: u64,
    /// How fast it is (`Mips`, `KFlops`), once that has been measured.
    pub speed: Option<Speed>,
}

/// How fast a machine is, by two small programs of ours: good for comparing machines of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speed {
    /// `Mips`: a loop of integers and branches, in millions of its steps a second.
    pub mips: u64,
    /// `KFlops`: solving linear equations, in thousands of floating-point operations a second.
    pub kflops: u64,
}

/// What follows from an input: facts to apply, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub events: Vec<Event>,
}

/// A fact, and when it became one. The journal is a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Now,
    pub fact: Fact,
}

impl Event {
    /// Whether it must be in the journal before its effects are performed. Others need not be in it
    /// at all.
    pub fn is_durable(&self) -> bool {
        match &self.fact {
            Fact::ClaimGranted { .. }
            | Fact::ClaimDropped { .. }
            | Fact::Echoed { .. }
            | Fact::RunAccepted(_)
            | Fact::RunRefused { .. }
            | Fact::TurnCame { .. }
            | Fact::RunFetched { .. }
            | Fact::RunBegun { .. }
            | Fact::RunStarted { .. }
            | Fact::ProgramOver { .. }
            | Fact::StopOrdered { .. }
            | Fact::PauseOrdered { .. }
            | Fact::ClaimDoomed { .. }
            | Fact::DrainOrdered { .. }
            | Fact::RunEnded { .. }
            | Fact::RunRecorded { .. }
            | Fact::GenerationSeen { .. } => true,
            Fact::RunUsed { .. }
            | Fact::RunPaused { .. }
            | Fact::CutOff { .. }
            | Fact::ScheddCame { .. }
            | Fact::ScheddWent { .. }
            | Fact::LauncherListed { .. }
            | Fact::LauncherWent
            | Fact::Opened
            | Fact::Measured(_)
            | Fact::RunsMeasured { .. }
            | Fact::DiskMeasured { .. }
            | Fact::Closed { .. }
            | Fact::Beaten
            | Fact::AdRefreshed
            | Fact::Answered { .. }
            | Fact::StrayRun { .. } => false,
        }
    }
}

/// What happened to the machine: the only thing that `apply` takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// A part of the machine was carved out for a schedd.
    ClaimGranted {
        claim: ClaimId,
        /// The right to use it.
        secret: ClaimSecret,
        schedd: ScheddName,
        matched: MatchId,
        owner: UserName,
        /// In whose name they run; their owner's if it is not said.
        #[serde(default)]
        submitter: Option<UserName>,
        /// What was carved; nothing for jobs that run beside the schedd.
        resources: Resources,
        /// What its runs use of concurrency limits.
        #[serde(default)]
        limits: Vec<LimitUse>,
        /// When it is over at the latest, in milliseconds of the boot clock, if that can be told.
        #[serde(default)]
        ends_ms: Option<u64>,
        /// Which ones of the custom resources.
        #[serde(default)]
        devices: Devices,
        /// The number of the dynamic slot, or of the claim beside the schedd.
        slot: u32,
        /// Where the jobs run.
        #[serde(default)]
        universe: Universe,
        /// Whether the slot was another claim's before, and is both's now.
        #[serde(default)]
        shares: bool,
    },
    /// A claim without a live run is over: its slot is free.
    ClaimDropped {
        claim: ClaimId,
        /// Why, as a sentence.
        reason: String,
    },
    /// A schedd works with a queue that was put in the place of the one that was known. What runs
    /// for older ones is to end before the schedd is answered.
    GenerationSeen { schedd: ScheddName, generation: u64 },
    /// A schedd echoed a beat.
    Echoed { schedd: ScheddName, beat: Beat },
    /// A run was accepted: its files are brought, or it waits, or it is given to the launcher.
    RunAccepted(Box<Accepted>),
    /// A run was accepted and is over at once: it was stopped before it came, or came after its
    /// lease.
    RunRefused {
        /// On which claim.
        claim: ClaimId,
        run: RunId,
        ordinal: u32,
        /// How that counts.
        end: RunEnd,
    },
    /// Nothing lives any more on the slot of a run that waited for its turn.
    TurnCame {
        /// On which claim.
        claim: ClaimId,
        /// Where something is to be done or waited for first: what is kept for that.
        order: Option<Box<StartOrder>>,
    },
    /// The run's files are there. It begins when its time has come.
    RunFetched {
        /// On which claim.
        claim: ClaimId,
    },
    /// The run was given to the launcher, after its files had come or its time.
    RunBegun {
        /// On which claim.
        claim: ClaimId,
    },
    /// The program runs.
    RunStarted {
        /// On which claim.
        claim: ClaimId,
        /// When it was executed.
        at: Timestamp,
        /// The scratch folder.
        scratch_dir: String,
    },
    /// Nothing of the program is left; its files are brought back.
    ProgramOver {
        /// On which claim.
        claim: ClaimId,
        /// How it ended.
        end: RunEnd,
        /// What it used.
        usage: Usage,
    },
    /// A run has used so much by now.
    RunUsed {
        /// On which claim.
        claim: ClaimId,
        usage: Usage,
    },
    /// The run is to end.
    StopOrdered {
        /// On which claim.
        claim: ClaimId,
        /// How and why.
        stop: Stop,
    },
    /// The run is to be suspended, or to go on.
    PauseOrdered {
        /// On which claim.
        claim: ClaimId,
        pause: Pause,
    },
    /// The order to suspend the run, or to let it go on, is carried out.
    RunPaused {
        /// On which claim.
        claim: ClaimId,
        pause: Pause,
        /// How many processes it was about.
        processes: u32,
    },
    /// The lease of a run is over while its files travel: that is to end.
    CutOff {
        /// On which claim.
        claim: ClaimId,
    },
    /// The machine is to take no new jobs, or takes some again.
    DrainOrdered { drain: Option<Drain> },
    /// The claim is to end as soon as its run has.
    ClaimDoomed {
        claim: ClaimId,
        /// Why, as a sentence.
        reason: String,
    },
    /// Nothing of the run is left.
    RunEnded {
        /// On which claim.
        claim: ClaimId,
        /// How it ended.
        end: RunEnd,
        /// What it used.
        usage: Usage,
    },
    /// The schedd has the end in its record.
    RunRecorded {
        /// On which claim.
        claim: ClaimId,
    },

    /// A schedd connected.
    ScheddCame {
        schedd: ScheddName,
        /// Whether it may run jobs beside itself here.
        near: bool,
    },
    /// A schedd's connection closed.
    ScheddWent { schedd: ScheddName },
    /// The launcher listed its runs.
    LauncherListed {
        /// Runs that nothing is known of, or that have ended.
        strays: Vec<(RunKey, Stray)>,
    },
    /// The connection to the launcher closed.
    LauncherWent,
    /// No stray run is left: from now on schedds are answered.
    Opened,
    /// The machine was measured.
    Measured(Measured),
    /// It is being measured what the runs use.
    RunsMeasured {
        /// And what their scratch folders take.
        disk: bool,
    },
    /// Scratch folders were measured.
    DiskMeasured { used: Vec<(RunKey, DiskUsed)>, took_ms: u64 },
    /// The startd is to end: no claim is granted and no run is started any more.
    Closed {
        /// Whether the runs get their grace.
        graceful: bool,
    },
    /// Beats were sent to every schedd that has a claim here.
    Beaten,
    /// The machine's ad would soon be taken for dead: it is sent again.
    AdRefreshed,
    /// A schedd must be told something that changes nothing.
    Answered { schedd: ScheddName, message: Box<FromStartd> },
    /// The launcher reported a run that is not one of ours any more.
    StrayRun {
        key: RunKey,
        /// How it stands.
        stray: Stray,
    },
}

/// A run that the launcher has and the core does not, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stray {
    /// It may be alive: it is killed.
    Alive,
    /// It is over: it is forgotten.
    Ended,
}

/// A run that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// On which claim.
    pub claim: ClaimId,
    pub run: RunId,
    pub ordinal: u32,
    /// How long it may live without an echo, seconds.
    pub lease_s: u32,
    /// The last beat that the schedd had seen.
    pub beat: Beat,
    /// How it is stopped gracefully.
    pub manner: Manner,
    /// For the slot's ad.
    pub global_job_id: String,
    /// What there is to do for its files.
    #[serde(default = "Freight::of_earlier")]
    pub freight: Freight,
    /// The log of it that its owner wants.
    #[serde(default)]
    pub log: Option<StarterLog>,
    /// Where something is to be done or waited for before its process can start: what is kept for
    /// that.
    #[serde(default)]
    pub order: Option<Box<StartOrder>>,
    /// Whether it waits for its turn: another run lives on its slot.
    #[serde(default)]
    pub queued: bool,
    /// What is kept for its start until then. Not in the journal: a run whose turn had not come
    /// when the startd dies is never started.
    #[serde(skip)]
    pub held_back: Option<Box<StartOrder>>,
    /// The job's whole ad. Not in the journal: a run that is given to the launcher at once, and has
    /// not reached it when the startd dies, is never started.
    #[serde(skip)]
    pub ad: Arc<ClassAd>,
}

/// What `apply` changed that somebody must learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The machine's ad is another one now.
    pub ad: bool,
    /// A claim that was dropped: whose it was, and the key of a run on it that was not recorded.
    pub dropped: Option<(ScheddName, Option<RunKey>)>,
    /// With it went the last of its schedd's older queues.
    pub fenced: bool,
    /// A run that begins, or whose turn has come: what was kept for that.
    pub begun: Option<Box<StartOrder>>,
    /// A run that was recorded, so that what is left of it in the launcher can go. (Its claim may
    /// have a new run already.)
    pub recorded: Option<RunKey>,
}

/// What the shell must do, once the events are in the journal. Doing it twice does no harm.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell a schedd, if it is connected; otherwise forget it.
    ToSchedd { schedd: ScheddName, message: FromStartd },
    /// Tell the negotiator `Core::machine_state`, soon. Many of these may become one.
    Advertise,
    /// Bring a run's files, or look whether it need be; [`FromCarrier::BroughtIn`] follows.
    BringIn(Box<StartProcess>),
    /// Bring back what came of a run; [`FromCarrier::BroughtBack`] follows.
    BringBack(Box<BringBack>),
    /// End the carrier's work for a run, now, even if it stands still; what came of it by then is
    /// reported as always. Nothing of it may touch the submit side when the margin of the lease is
    /// over.
    CutOff { key: RunKey },
    /// The same, but only if the work stands still: a file server may be dead, and nobody wants
    /// the run any more.
    LetGo { key: RunKey },
    /// Give a run to the launcher. Its files are there.
    StartProcess(Box<StartProcess>),
    /// End a run: `signal` to the job, SIGKILL to what is left after `grace_ms` (0: at once).
    StopProcess {
        key: RunKey,
        /// The first signal.
        signal: i32,
        /// Milliseconds.
        grace_ms: u64,
    },
    /// Suspend every process of a run, or let them go on, and say so with [`FromLauncher::Paused`].
    PauseProcess { key: RunKey, pause: Pause },
    /// Move the moment at which the launcher kills these runs by itself.
    ExtendLease {
        keys: Vec<RunKey>,
        /// Milliseconds of `CLOCK_BOOTTIME`.
        until_boot_ms: u64,
    },
    /// Ask the launcher what these runs use.
    MeasureRuns {
        keys: Vec<RunKey>,
        /// Find out what their scratch folders take too; [`Input::DiskMeasured`] follows.
        disk: bool,
    },
    /// Complete the log of a run that is over, and bring it to where its job wants it.
    CloseLog(Box<ClosedLog>),
    /// Remove the scratch folder of an ended run and all that is kept of it, and let the launcher
    /// forget it.
    CleanUp { key: RunKey },
    /// Remove what is left of all runs but these: what earlier lives of this startd did not get to.
    Sweep { kept: BTreeSet<RunKey> },
}

/// The log of a run that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedLog {
    pub key: RunKey,
    /// What its owner wants.
    pub log: StarterLog,
    /// How the run ended.
    pub end: RunEnd,
    pub usage: Usage,
}

/// All that is needed to start a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartProcess {
    /// Its name for the launcher.
    pub key: RunKey,
    pub run: RunId,
    pub owner: UserName,
    /// The slot, for example `slot1_2@host`.
    pub slot: String,
    /// What it may use; nothing is said of that for a job that runs beside its schedd.
    pub resources: Resources,
    /// Where it runs.
    pub universe: Universe,
    /// The job's ad.
    pub job: Arc<ClassAd>,
    /// Where the job keeps what it has when it is evicted, if it keeps anything.
    pub spool: Option<Arc<str>>,
    /// The slot's ad.
    pub slot_ad: Arc<ClassAd>,
    /// How it is stopped gracefully.
    pub manner: Manner,
    /// What there is to do for its files.
    pub freight: Freight,
    /// When the launcher kills it by itself, milliseconds of `CLOCK_BOOTTIME`.
    pub lease_until_boot_ms: u64,
}

/// Why an input is dropped. It changes nothing; the driver counts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The launcher has not listed its runs: nothing can be promised yet.
    #[error("take a message of schedd {schedd}: the launcher has not listed its runs yet")]
    NotReady { schedd: ScheddName },
    /// The secret is wrong, or the claim is another schedd's.
    #[error("take a message about claim {claim} of schedd {schedd}: it has no right to that claim")]
    NotYours {
        /// Who said it.
        schedd: ScheddName,
        /// About which claim.
        claim: ClaimId,
    },
    /// A queue that is not in its place any more.
    #[error(
        "take the connection of schedd {schedd}: its queue is of generation {generation}, and one \
         of {known} was put in its place"
    )]
    OlderQueue { schedd: ScheddName, generation: u64, known: u64 },
    /// A start while another run is on the claim.
    #[error("start run {run} on claim {claim}: it is busy with run {busy}")]
    ClaimBusy {
        /// The run that was to start.
        run: RunId,
        claim: ClaimId,
        busy: RunId,
    },
    /// A beat that this life of the machine did not send.
    #[error("take an echo of schedd {schedd}: that beat was not sent")]
    UnknownBeat { schedd: ScheddName },
    /// It says nothing new.
    #[error("take a message that says nothing new")]
    Stale,
}
