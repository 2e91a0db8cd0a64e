//! Bugs that are planted to see whether the simulator finds them. They live here, between the cores and the world, and
//! nowhere in the program.

use super::world::Trouble;

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

impl Plant {
    /// The trouble in which the bug shows soon: some need a coincidence that chance alone brings once in thousands of seeds.
    pub(super) fn brought_out_by(self, trouble: Trouble) -> Trouble {
        match self {
            Self::LeaseFromReceipt => Trouble { stall: 15, ..Trouble::default() },
            Self::AnswerBeforeCommit | Self::SpeakBeforeCommit => {
                Trouble { crash_at_commit: 150, ..trouble }
            }
            Self::BelieveGone | Self::LoseSubmit | Self::NeverFree => trouble,
        }
    }
}
