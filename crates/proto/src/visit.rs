//! A command that visits the machine on which a job runs, where that cannot be called: the schedd
//! asks the machine to call, joins the two connections, and then passes on what it does not read.
//! The command and the machine's startd talk over it as they do on one machine. What they say is
//! [`crate::client::AskStartd`]'s matter.

use model::JobId;
use serde::{Deserialize, Serialize};

use crate::client::Refusal;

/// What the command says first, to its schedd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitJob {
    pub job: JobId,
}

/// What it hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VisitAnswer {
    /// What follows is heard by the startd of the job's machine.
    There,
    /// The job runs on this machine, whose startd is asked itself.
    Here,
    Refused(Refusal),
}

/// What the machine says first when it calls: for which visit, of those that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visited {
    pub number: u64,
}
