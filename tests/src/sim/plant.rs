//! Bugs that are planted to see whether the simulator finds them. They live here, between the cores and the world, and
//! nowhere in the program.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// The schedd takes a closed connection for the end of the runs behind it: two runs of one job.
    BelieveGone,
    /// The schedd's disk loses a cluster that was acknowledged.
    LoseSubmit,
    /// Clients are answered even if the commit did not happen.
    AnswerBeforeCommit,
    /// The startd does not hear that a run has ended: its slot is never free.
    NeverFree,
    /// The startd counts leases from when an echo came, and not from when its beat was sent.
    LeaseFromReceipt,
    /// The schedd performs effects before the commit that justifies them.
    SpeakBeforeCommit,
}
