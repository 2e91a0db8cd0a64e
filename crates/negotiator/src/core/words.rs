//! What goes into the core and what comes out of it. No logic.

use classad::AttrName;
use model::{ClassId, IdleReason, MachineName, MatchId, Now, ScheddName, UserName};
use proto::client::AccountEdit;
use proto::draining::{Drain, Drains};
use proto::matchmaking::{
    Booking, ClassRequest, FromMachine, FromSchedd, HeldMatch, MachineState, ToSchedd,
};

use crate::core::matching::plan::MatchPlan;
use crate::core::requests::bookings::SavedBooking;
use crate::core::shares::limits::SavedUse;

/// What reaches the core.
///
/// Matching is not done in the `decide` of the input that makes it possible, so that a hundred
/// inputs that wait together cost one pass: such an input makes
/// [`crate::core::Core::next_deadline`] return a moment that has passed, and the driver then says
/// [`Input::Tick`] at once. No clock is waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A schedd says something. Its first message on a connection must be a full list of requests.
    FromSchedd { schedd: ScheddName, message: FromSchedd },
    /// A schedd's connection is closed: its requests are gone. What it was offered stays offered
    /// until that expires.
    ScheddDown { schedd: ScheddName },
    /// A startd says something.
    FromMachine(FromMachine),
    /// A startd's connection is closed: nothing is matched to the machine until it comes back.
    MachineDown { machine: MachineName },
    /// Somebody who may drains a machine, or gives it jobs again.
    Drain {
        /// As he calls it.
        machine: MachineName,
        /// Whether a machine of exactly this name is in the pool, be it away.
        is_member: bool,
        drain: Option<Drain>,
    },
    /// Somebody who may changes accounts.
    EditAccounts {
        /// Whose; everybody's if not given.
        user: Option<UserName>,
        edit: AccountEdit,
    },
    /// The moment of [`crate::core::Core::next_deadline`] has come. One that comes early does
    /// nothing.
    Tick,
}

/// What follows from an input: facts to apply, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    pub events: Vec<Event>,
}

/// A fact, and when it became one.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Now,
    pub fact: Fact,
}

/// What happened to the negotiator: the only thing that `apply` takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A schedd's requests changed.
    RequestsChanged {
        schedd: ScheddName,
        /// Whether classes not named are gone.
        full: bool,
        /// New and changed classes.
        changed: Vec<ClassRequest>,
        /// Classes without idle jobs.
        gone: Vec<ClassId>,
        /// The last match that the schedd knew of.
        seen: Option<MatchId>,
        /// With a full list: the matches that it holds and that count against limits.
        held: Vec<HeldMatch>,
        /// With a full list: all reservations.
        bookings: Vec<Booking>,
    },
    /// A schedd left.
    ScheddLeft { schedd: ScheddName },
    /// A match came to nothing.
    MatchDeclined { matched: MatchId, reason: String, blame: Blame },
    /// A machine advertised itself.
    MachineAdvertised(Box<MachineState>),
    /// A machine left, or was not heard of for the lifetime of its ad.
    MachineLeft { machine: MachineName },
    /// A machine is to be given no new jobs, or jobs again.
    MachineDrained { machine: MachineName, drain: Option<Drain> },
    /// Matches that count no longer against concurrency limits, because nothing was heard of them.
    LimitsExpired(Vec<MatchId>),
    /// Matches that nobody took up in time, by number.
    MatchesExpired(Vec<u64>),
    /// A matching pass was made.
    Planned(MatchPlan),
    /// Accounts were changed by hand.
    AccountsEdited {
        /// Whose; everybody's if not given.
        user: Option<UserName>,
        edit: AccountEdit,
    },
    /// The accounts were handed out to be saved.
    AccountsSaved,
}

/// What a declined match says of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Nothing,
    /// It was not what was wanted just then.
    Once,
    /// It has refused.
    Refused,
}

/// Why an input is refused. It changes nothing; the driver counts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A changed list came before a full one.
    #[error("take requests of schedd {schedd}: its first message must list all of them")]
    NotIntroduced { schedd: ScheddName },
    /// An advertisement was overtaken by a later one.
    #[error("take ad {sequence} of machine {machine}: ad {known} is known already")]
    OldAd {
        machine: MachineName,
        sequence: u64,
        /// The number of the one that is known.
        known: u64,
    },
    /// An advertisement without a slot ad says nothing that could be matched.
    #[error("take ad of machine {machine}: it has no slot ad")]
    NoSlot { machine: MachineName },
    /// Nobody of that name was ever heard of.
    #[error("drain machine {machine}: no machine is called so")]
    UnknownMachine { machine: MachineName },
    /// The match is unknown: it expired, was taken up, or is of another life of the negotiator.
    #[error("take back match {number}: it is not outstanding")]
    UnknownMatch { number: u64 },
    /// What is only passed on to machines is nothing to decide about.
    #[error("take a call of schedd {schedd}: it is passed on, and not decided about")]
    PassedOn { schedd: ScheddName },
    /// The pool is as large as it may be.
    #[error("take ad of machine {machine}: the pool has {limit} machines, which is the limit")]
    PoolFull {
        machine: MachineName,
        /// How many there may be.
        limit: usize,
    },
}

/// Reasons of classes of one schedd; `None` for a class that got all it asked for.
pub type Reasons = Vec<(ClassId, Option<IdleReason>)>;

/// What `apply` changed, as far as somebody must be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Reasons that are new, per schedd.
    pub reasons: Vec<(ScheddName, Reasons)>,
    /// Job attributes that the machines' expressions refer to, and who must be told.
    pub significant: Option<(Vec<ScheddName>, Vec<AttrName>)>,
    /// Who must be told which machines are drained.
    pub drained: Vec<ScheddName>,
    /// Whether other reservations hold than before.
    pub bookings: bool,
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell a schedd.
    ToSchedd { schedd: ScheddName, message: ToSchedd },
    /// Save this where the next life finds it, before anything else is done: what is in use of
    /// concurrency limits.
    SaveLimits(Vec<SavedUse>),
    /// Save this where the next life finds it, before anything else is done, and tell the machines:
    /// which of them are drained.
    SaveDrains(Drains),
    /// Save this where the next life finds it, before anything else is done: which reservations
    /// hold.
    SaveBookings(Vec<SavedBooking>),
    /// Save [`crate::core::Core::accounts`] where the next life finds them.
    SaveAccounts,
}
