//! How a command was called: by which name, and so in whose voice it answers. It knows no verb.

/// How a verb was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name that the user typed: `updraft q` or `condor_q`.
    pub name: String,
    /// In whose voice to answer.
    pub voice: Voice,
}

/// In whose voice a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Ours: reasons and advice are added, JSON is always JSON.
    Updraft,
    /// HTCondor's: its output to the letter, and nothing else.
    HtCondor,
}
