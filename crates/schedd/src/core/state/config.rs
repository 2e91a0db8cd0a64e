//! What a core is told about its daemon. Read by the shell from the pool's configuration; nothing
//! here changes while the daemon lives.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{MachineName, ScheddName};
use serde::{Deserialize, Serialize};

use crate::core::job::system::SystemPolicy;
use crate::core::state::event_log::EventLog;

/// What a core is told about its daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreConfig {
    /// The schedd's name (`localhost`): the first part of `GlobalJobId`.
    pub name: ScheddName,
    /// What follows the `@` in `User`.
    pub uid_domain: String,
    /// The address for people to see (`<127.0.0.1:9618?...>`), for the users' logs.
    pub address: String,
    /// The folder in which jobs keep what they have when they are evicted. Made when it is needed.
    pub spool: String,
    /// Whose clocks crontabs mean.
    pub zone: jiff::tz::TimeZone,
    /// Where and when jobs run beside the schedd.
    pub beside: Beside,
    /// A log of all jobs, if the administrator wants one.
    pub event_log: Option<EventLog>,
    /// What the administrator lays down for every job, in order.
    pub system: Vec<SystemPolicy>,
    /// How many jobs a user may have in the queue, if that is bounded (`MAX_JOBS_PER_OWNER`).
    pub jobs_of_a_user: Option<u64>,
    /// Whether nothing is kept for jobs from one run to the next: not yet where they are many
    /// users', for the schedd would have to touch it.
    pub keeps_nothing: bool,
    /// How many jobs are acted on in one batch.
    pub slice: usize,
    /// Which of the queues that were put in this place it is, from 1.
    pub generation: u64,
    /// Where runs of the queues in this place may be, if that is known: it is not where no schedd
    /// has worked before.
    pub ran_on: Option<Vec<RanOn>>,
}

/// A machine on which runs were started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanOn {
    pub machine: MachineName,
    /// Where its startd listened.
    pub address: String,
    /// The longest lease of a run there, seconds.
    pub lease_s: u32,
}

/// Where and when jobs run beside the schedd.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// This machine, as its startd is named.
    pub machine: MachineName,
    /// Where that startd listens.
    pub address: String,
    /// What this machine is (`Arch`, `Memory`, `HasFileTransfer`): the schedd's ad begins with it.
    pub found: Arc<ClassAd>,
    /// Whether one more may start.
    pub starts: Starts,
    /// Drawn at random for this life of the schedd: names the matches that it makes itself, so that
    /// none is like one of the negotiator's or of another life.
    pub life: u64,
}

/// Whether one more job may start beside the schedd: asked of the schedd's ad, with the job as its
/// target.
#[derive(Clone, Debug, PartialEq)]
pub struct Starts {
    /// `START_LOCAL_UNIVERSE`.
    pub local: Expr,
    /// `START_SCHEDULER_UNIVERSE`.
    pub scheduler: Expr,
}

impl Starts {
    /// HTCondor 25.14's default of `START_LOCAL_UNIVERSE`.
    pub const LOCAL: &str = "TotalLocalJobsRunning < 200";

    /// HTCondor 25.14's default of `START_SCHEDULER_UNIVERSE`.
    pub const SCHEDULER: &str = "TotalSchedulerJobsRunning < 500";
}

impl Default for Starts {
    fn default() -> Self {
        let expr = |text: &str| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        Self { local: expr(Self::LOCAL), scheduler: expr(Self::SCHEDULER) }
    }
}
