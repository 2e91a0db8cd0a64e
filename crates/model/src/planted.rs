//! Bugs that the simulator plants inside the cores, to show that it finds them. A core asks
//! `planted(Bug::X)` at the place where the mistake would be made.
//!
//! Only with the feature `planted`, which the simulator switches on, can the answer be yes; without
//! it, in the daemons as they are built for users, it is a constant no, and nothing of a bug is
//! compiled.

/// A mistake that a scheduler could well have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The schedd waits for the lease, and not for the kill and the clocks after it.
    NoMargin,
    /// The schedd does not put a job whose run was lost or ended into its class again.
    LostRequeue,
    /// The schedd gives each attempt the number of the one before.
    AttemptNotCounted,
    /// The schedd forgets the tokens of what was submitted.
    TokenForgotten,
    /// A factory leaves out the first job of each step.
    FactorySkips,
    /// A class forgets the jobs that a factory makes after its first.
    ClassForgets,
    /// An end that a startd lists when it connects again is not read.
    EndForgotten,
    /// A stop is said once, and not again on the next connection.
    StopNotRepeated,
    /// The place of a job that ran beside the schedd stays taken.
    PlaceNotFreed,
    /// The startd does not note which numbers its slots have.
    SlotTwice,
    /// The startd reports a run that ended by itself before its files are back.
    EndBeforeStored,
    /// The startd forgets, when a run's files are there, that it was to end.
    StopForgotten,
    /// The startd takes a run whose files are being brought back for over, if its claim waits for
    /// that.
    SlotFreedWhileStoring,
    /// A startd that is started again does not bring back what its predecessor was bringing back.
    StoringForgotten,
    /// The startd lets files travel on when the lease of their run is over.
    CopyOutlivesLease,
    /// The startd counts a lease from when an echo came, not from when its beat was sent.
    LeaseFromReceipt,
    /// The startd does not look at which devices its claims have.
    DeviceTwice,
    /// The startd begins a run while another lives on its slot.
    TurnNotWaited,
    /// The schedd removes a job whose next run waits for its turn as if there were no such run.
    PromiseForgotten,
    /// The schedd promises a job's next run on a claim, and starts the job on another too.
    PromisedTwice,
    /// The negotiator does not count what its matches use of limits.
    LimitNotCounted,
    /// The negotiator counts a match for a minute only that nobody has spoken of.
    OfferForgotten,
    /// The negotiator gives a job that needs several machines one of them.
    GangOnOneMachine,
    /// The negotiator gives a job what is left of a machine, where that is not all that it asks
    /// for.
    GangCutToFit,
    /// The negotiator gives a job that is to be alone on a machine what it asks for of it.
    ExclusiveShared,
    /// The schedd starts a job that needs several claims when it has the first.
    GangHalfStarted,
    /// The schedd starts a job that needs several claims when one of them may begin nothing any
    /// more.
    GangBeginsLate,
    /// The schedd takes a run for over when its first part is, and lets the others live.
    PartLeftRunning,
    /// The negotiator keeps to itself why a class has no machine.
    ReasonForgotten,
    /// The startd lets what runs for a queue that was replaced go on.
    GenerationIgnored,
    /// The schedd starts jobs at once from a queue that was put back.
    FenceNotKept,
    /// The startd does not read the ends that the launcher lists when it connects again.
    ListedEndNotRead,
    /// The schedd takes a dependency for met when anything of it has ended.
    DependencyTooEarly,
    /// The schedd takes what can never be for what has been.
    DependencyFailureReleases,
    /// A schedd that is started again does not know who waits.
    DependencyForgotten,
    /// The schedd does not write down which jobs of a cluster ended badly.
    DependencyEndForgotten,
    /// The schedd lets all of those run of which only one is to.
    RunOneIgnored,
    /// The schedd lets a job name a queue for itself, and looks at its cluster's.
    OwnQueueTaken,
    /// The schedd starts more jobs of a queue than may run.
    QueueLimitIgnored,
    /// The schedd starts more jobs of an array than may run.
    ArrayLimitIgnored,
    /// The schedd starts jobs of a queue that is not started.
    QueueStopIgnored,
    /// The schedd lets a job wait for its queue that was told to run now.
    RunNowIgnored,
    /// The negotiator lets jobs run on a machine that is kept for another, however long they take.
    BackfillTooLong,
    /// The negotiator lets jobs run where a reservation is, however long they take.
    ReservationIgnored,
    /// The negotiator lets a reservation's jobs take what another of the same time has, where their
    /// own does not speak of it.
    ReservationSpills,
    /// The schedd takes what is answered for an earlier window of a reservation for an answer to
    /// the present one.
    ReservationAnswerMistaken,
    /// The schedd lets the jobs of a reservation go on when its time is over.
    ReservationOutlived,
    /// The schedd lets jobs start that are being removed because another runs instead of them.
    RunOneGoesOn,
    /// dagman takes a node for ready when the first of its parents is done.
    DagChildTooEarly,
    /// dagman takes a parent that failed for one that is over.
    DagFailureReleases,
    /// dagman begins a node again under the number of the attempt that failed.
    DagRetryNotCounted,
    /// dagman tries a node once more than it may.
    DagRetriesOnceMore,
    /// dagman takes a node for done whose POST script failed.
    DagPostIgnored,
    /// A dagman that is started again does not submit what its predecessor was submitting.
    DagSubmissionForgotten,
    /// A dagman that is started again does not run the script that its predecessor ran.
    DagScriptForgotten,
    /// dagman counts a job that runs among those that wait for a machine.
    DagIdleNotFreed,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 56] = [
        Self::NoMargin,
        Self::LostRequeue,
        Self::AttemptNotCounted,
        Self::TokenForgotten,
        Self::FactorySkips,
        Self::ClassForgets,
        Self::EndForgotten,
        Self::StopNotRepeated,
        Self::PlaceNotFreed,
        Self::SlotTwice,
        Self::EndBeforeStored,
        Self::StopForgotten,
        Self::SlotFreedWhileStoring,
        Self::StoringForgotten,
        Self::CopyOutlivesLease,
        Self::LeaseFromReceipt,
        Self::DeviceTwice,
        Self::TurnNotWaited,
        Self::PromiseForgotten,
        Self::PromisedTwice,
        Self::LimitNotCounted,
        Self::OfferForgotten,
        Self::GangOnOneMachine,
        Self::GangCutToFit,
        Self::ExclusiveShared,
        Self::GangHalfStarted,
        Self::GangBeginsLate,
        Self::PartLeftRunning,
        Self::ReasonForgotten,
        Self::GenerationIgnored,
        Self::FenceNotKept,
        Self::ListedEndNotRead,
        Self::DependencyTooEarly,
        Self::DependencyFailureReleases,
        Self::DependencyForgotten,
        Self::DependencyEndForgotten,
        Self::RunOneIgnored,
        Self::OwnQueueTaken,
        Self::QueueLimitIgnored,
        Self::ArrayLimitIgnored,
        Self::QueueStopIgnored,
        Self::RunNowIgnored,
        Self::BackfillTooLong,
        Self::ReservationIgnored,
        Self::ReservationSpills,
        Self::ReservationAnswerMistaken,
        Self::ReservationOutlived,
        Self::RunOneGoesOn,
        Self::DagChildTooEarly,
        Self::DagFailureReleases,
        Self::DagRetryNotCounted,
        Self::DagRetriesOnceMore,
        Self::DagPostIgnored,
        Self::DagSubmissionForgotten,
        Self::DagScriptForgotten,
        Self::DagIdleNotFreed,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in every core of this thread, or takes it out again.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted.
#[cfg(feature = "planted")]
pub fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// No bug is.
#[cfg(not(feature = "planted"))]
pub const fn planted(_: Bug) -> bool {
    false
}
