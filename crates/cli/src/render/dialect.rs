//! The dialects in which commands answer. A dialect has its own commands, its own words for what is
//! wrong and its own exit codes; what it has no words for is said in ours.

use client::FrontEnd;

/// Whose command was called, and so in whose words it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ours: reasons and advice are added.
    Updraft,
    /// HTCondor's: its output to the letter, and nothing else.
    HtCondor,
    /// OpenPBS's, to the letter too. It has no verb in common with the others.
    Pbs,
}

impl Dialect {
    /// What who speaks it acts through.
    pub fn front_end(self) -> FrontEnd {
        match self {
            Self::Updraft => FrontEnd::Updraft,
            Self::HtCondor => FrontEnd::HtCondor,
            Self::Pbs => FrontEnd::Pbs,
        }
    }
}
