//! Schedds and startds with the negotiator: ads in, matches and reasons out.
//!
//! A match is an offer: the startd has the last word when the schedd claims, and the negotiator
//! learns what came of it from the machine's next ad (or from [`FromSchedd::Declined`]). Until then
//! it counts the matched part as taken.

use std::sync::Arc;

use classad::{AttrName, ClassAd};
use model::queues::{ReservedParts, ReservedPlace, Window};
use model::{
    ClassId, IdleReason, JobId, JobPriority, LimitUse, MachineName, MatchId, Resources, UserName,
};
use serde::{Deserialize, Serialize};

use crate::draining::Drain;
use crate::frame::{Divide, halves};

/// From a schedd to the negotiator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromSchedd {
    /// What the schedd's idle jobs need. The first on a connection has all classes; later ones what
    /// changed.
    Requests {
        /// Whether this is everything: classes not named are gone.
        full: bool,
        /// New and changed classes.
        changed: Vec<ClassRequest>,
        /// Classes without idle jobs.
        gone: Vec<ClassId>,
        /// The last match that the schedd had received when it counted. The counts do not know of
        /// later ones, so the negotiator subtracts those itself; without this every submission that
        /// crosses a match is matched twice.
        seen: Option<MatchId>,
        /// With a full list, all that count against limits of the matches that the schedd holds: it
        /// asks for their claims, or has them. Of the others that it has received, nothing runs.
        #[serde(default)]
        held: Vec<HeldMatch>,
        /// With a full list: all reservations.
        #[serde(default)]
        bookings: Vec<Booking>,
    },
    /// A match is not used: its jobs are gone, or the startd refused. Also said of a match that
    /// counted against limits when its claim is over: nothing of it runs any more.
    Declined {
        matched: MatchId,
        /// Why: for the reason that the user sees.
        reason: String,
        /// Whether nothing speaks against the machine: its claim is over, or another part of the
        /// same job found no place.
        #[serde(default)]
        blameless: bool,
        /// Whether the machine has refused: it may do so for as long as it is asked.
        #[serde(default)]
        refused: bool,
    },
    /// These machines cannot be called and are to call the schedd there
    /// ([`crate::net::address::Reach::Calls`]). Passed on; nothing is decided about it.
    Call { machines: Vec<MachineName>, address: String },
    /// Who manages its queues says whether a machine is to be given no new jobs. The schedd knows
    /// who that is.
    Drain { machine: MachineName, drain: Option<Drain> },
}

impl Divide for FromSchedd {
    fn divide(self) -> Option<(Self, Self)> {
        match self {
            Self::Requests { full, changed, gone, seen, held, bookings } => {
                let (changed, rest) = halves(changed)?;
                let first = Self::Requests { full, changed, gone, seen, held, bookings };
                let later = Self::Requests {
                    full: false,
                    changed: rest,
                    gone: Vec::new(),
                    seen,
                    held: Vec::new(),
                    bookings: Vec::new(),
                };
                Some((first, later))
            }
            Self::Call { machines, address } => {
                let (machines, rest) = halves(machines)?;
                let call = |machines| Self::Call { machines, address: address.clone() };
                Some((call(machines), call(rest)))
            }
            Self::Declined { .. } | Self::Drain { .. } => None,
        }
    }
}

impl Divide for ToSchedd {
    fn divide(self) -> Option<(Self, Self)> {
        match self {
            Self::Matches(all) => halves(all).map(|(a, b)| (Self::Matches(a), Self::Matches(b))),
            Self::Reasons(all) => halves(all).map(|(a, b)| (Self::Reasons(a), Self::Reasons(b))),
            // It says which they all are.
            Self::Significant(_) | Self::Drained(_) | Self::Booked(_) => None,
        }
    }
}

/// The idle jobs of one class: one request, however many jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRequest {
    /// The class, by the schedd's own numbering.
    pub class: ClassId,
    /// In whose name: the jobs' submitter.
    pub owner: UserName,
    /// That of its best job: orders the owner's own classes, higher first.
    #[serde(default)]
    pub priority: JobPriority,
    /// Its first job: orders classes of the same priority, lower first.
    pub first: JobId,
    /// Jobs that could start now, less those for which a match is being claimed.
    pub idle: u32,
    /// The ad of a job of the class.
    pub ad: Arc<ClassAd>,
}

/// A match that a schedd holds, and what its runs use of concurrency limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMatch {
    pub matched: MatchId,
    /// On which machine.
    pub machine: MachineName,
    pub limits: Vec<LimitUse>,
}

/// From the negotiator to a schedd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToSchedd {
    /// Parts of machines for its jobs.
    Matches(Vec<Match>),
    /// Why classes wait. Sent when it changes; a class that got all it asked for has none.
    Reasons(Vec<(ClassId, Option<IdleReason>)>),
    /// Attributes of jobs that some machine's expressions refer to: they tell classes apart,
    /// whatever the jobs themselves say.
    Significant(Vec<AttrName>),
    /// All machines that are drained: claims there are to get no new jobs. On a new connection
    /// there are none until this is said.
    Drained(Vec<MachineName>),
    /// What came of reservations that were not settled.
    Booked(Vec<BookingAnswer>),
}

/// An advance reservation, as its schedd wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// The queue whose jobs it is for.
    pub queue: String,
    pub window: Window,
    pub parts: ReservedParts,
    /// Where it is; if it is not settled, where it is to stay.
    pub places: Vec<ReservedPlace>,
    /// Whether it is as the negotiator has said. If not, that is asked for.
    pub is_settled: bool,
    /// Which question that is: another with each window that is asked for. It comes back with the
    /// answer.
    #[serde(default)]
    pub question: u32,
}

/// What came of a reservation that was not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingAnswer {
    pub queue: String,
    /// To which question: the schedd may have asked another since.
    pub question: u32,
    /// The parts that are kept; nothing if there are none for it.
    pub places: Option<Vec<ReservedPlace>>,
}

/// How long a claim lasts whose jobs end by themselves, because they asked for a walltime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// For so many seconds after it was granted runs may begin on it.
    pub starts_s: u32,
    /// So many seconds after it was granted it is over, if its last run takes no longer than it
    /// may.
    pub ends_s: u32,
}

/// A match, or a claim, that is one of several for one job: all of them, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GangShare {
    /// The match of its first part, by which they are told to belong together.
    pub gang: MatchId,
    /// Which one it is, from 0: the first is that of the machine on which the job's script runs.
    pub part: u32,
    /// How many there are.
    pub of: u32,
    /// The numbers of the job's parts that are there, rising.
    pub holds: Vec<u32>,
}

impl GangShare {
    /// Whether the job's own program runs there.
    pub const fn is_first(&self) -> bool {
        self.part == 0
    }
}

/// One part of one machine for one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    pub id: MatchId,
    /// For which class.
    pub class: ClassId,
    /// On which machine.
    pub machine: MachineName,
    /// Where its startd listens.
    pub address: String,
    /// How much, rounded to the machine's steps.
    pub resources: Resources,
    /// What its runs use of concurrency limits.
    #[serde(default)]
    pub limits: Vec<LimitUse>,
    /// How long its claim lasts, if that can be told.
    #[serde(default)]
    pub term: Option<Term>,
    /// Set where a job needs several matches.
    #[serde(default)]
    pub gang: Option<GangShare>,
}

/// From a startd to the negotiator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromMachine {
    /// All that is known of the machine now. Replaces what was said before.
    Advertise(Box<MachineState>),
    /// The machine leaves.
    Withdraw { machine: MachineName },
}

/// A machine as it advertises itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineState {
    pub machine: MachineName,
    /// Where its startd listens for schedds.
    pub address: String,
    /// Rises with each advertisement, over restarts of the startd too (it starts from the wall
    /// clock in milliseconds): an older one that comes late is dropped.
    pub sequence: u64,
    /// For how long this holds without another, seconds.
    pub lifetime_s: u32,
    /// What the partitionable slot has left.
    pub free: Resources,
    /// What it has when nothing is claimed.
    pub total: Resources,
    /// The partitionable slot's ad first, then those of the dynamic slots (for `status`).
    pub slots: Vec<Arc<ClassAd>>,
    /// The claims: whose, how much, and the match each was made for.
    pub claims: Vec<ClaimedPart>,
}

/// A claimed part of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedPart {
    /// The match that it was made for.
    pub matched: MatchId,
    /// In whose name jobs run there: usage is charged to that submitter.
    pub owner: UserName,
    pub resources: Resources,
    /// What its runs use of concurrency limits.
    #[serde(default)]
    pub limits: Vec<LimitUse>,
    /// In how many seconds it is over at the latest ([`Term`]), as of this advertisement; nothing
    /// if nobody can tell.
    #[serde(default)]
    pub ends_in_s: Option<u32>,
}
