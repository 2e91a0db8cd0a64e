//! The names of the simulated world: daemons, links, messages, and what can be on the agenda. No
//! logic but which daemon is at which end of a link.

use std::fmt;

use dagman::workflow::{NodeIndex, ScriptKind};
use model::{Pause, RunEnd, Usage};
use proto::claiming::{FromStartd, ToStartd};
use proto::client::Answer;
use proto::draining::Drain;
use proto::matchmaking::{FromMachine, FromSchedd, ToSchedd};
use startd::core::{FromCarrier, FromLauncher, RunKey, StartProcess};

use super::clock::Micros;

/// A process of the system under test, or its stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Daemon {
    /// This one of them.
    Schedd(usize),
    Negotiator,
    /// Of this machine.
    Startd(usize),
    /// Of this machine.
    Launcher(usize),
}

/// A connection that two daemons keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    ScheddNegotiator(usize),
    /// Between this schedd and the startd of this machine.
    ScheddStartd(usize, usize),
    StartdNegotiator(usize),
    StartdLauncher(usize),
}

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Who opens connections.
    Dialer = 0,
    /// Who accepts them.
    Listener = 1,
}

/// One attempt at keeping a link up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// A user's request, by the number under which its answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// What travels over links.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    ToStartd(ToStartd),
    FromStartd(FromStartd),
    FromSchedd(FromSchedd),
    ToSchedd(ToSchedd),
    FromMachine(FromMachine),
    /// From the negotiator: whether the machine is to take no new jobs.
    Drain(Option<Drain>),
    ToLauncher(LauncherOrder),
    FromLauncher(FromLauncher),
}

/// What a startd orders its launcher to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LauncherOrder {
    Start(Box<StartProcess>),
    Stop { key: RunKey, signal: i32, grace_ms: u64 },
    Pause { key: RunKey, pause: Pause },
    ExtendLease { keys: Vec<RunKey>, until_boot_ms: u64 },
    Forget { key: RunKey },
}

/// What one end of a connection sees.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Up,
    Said(Message),
    Down,
}

/// What becomes of a process by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It is executed.
    Execute,
    /// Nothing of it is left.
    End { end: RunEnd, by_itself: bool, usage: Usage },
    /// Its grace is over.
    Kill,
    /// Its lease may be over.
    LeaseEnd,
}

/// What happens to a DAG.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DagEvent {
    /// It begins, or goes on in another life.
    Start,
    /// It looks at the record, at its deadlines, at what it may begin.
    Look { life: u32, turn: u64 },
    /// A script ends.
    Script { life: u32, node: NodeIndex, retry: u32, script: ScriptKind },
    /// A request is made again.
    Again { life: u32, ticket: Ticket },
    /// It is killed.
    Kill,
}

/// An entry of the agenda.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A daemon looks at what waits, or its deadline has come.
    Batch { daemon: Daemon, life: u32 },
    /// A schedd's transaction is done.
    Committed { schedd: usize, life: u32 },
    /// A daemon that died starts again.
    Start(Daemon),
    /// A connection is tried.
    Dial(Link),
    /// Something reaches one end of a connection.
    Arrive { conn: ConnId, to: Side, seen: Seen },
    /// Something becomes of a process, if the machine has not booted since.
    Process { machine: usize, boot: u32, key: RunKey, fate: Fate },
    /// A machine's carrier of files has done something, if its startd lives.
    Carried { machine: usize, life: u32, report: FromCarrier },
    /// A startd measures its machine.
    Measure { machine: usize, life: u32 },
    /// A step of a directed world, after one at that time.
    Play { step: usize, since: Micros },
    /// Users do something.
    Users,
    /// The schedd answers a user, or its connection breaks.
    Answer { ticket: Ticket, answer: Option<Answer> },
    /// A user whose request came to nothing tries again.
    Retry { ticket: Ticket },
    /// Something happens to the DAG.
    Dag(DagEvent),
    /// Something goes wrong.
    Fault,
    /// The second part of what goes wrong: nothing reaches that end for a while.
    Block { link: Link, to: Side, until: Micros },
    /// A machine that was switched off starts again.
    PowerOn { machine: usize },
    /// Once the faults are over: is all done?
    Look,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Dialer, Self::Listener];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

impl Link {
    /// Which daemon is at that end.
    pub(crate) fn end(self, side: Side) -> Daemon {
        match (self, side) {
            (Self::ScheddNegotiator(s) | Self::ScheddStartd(s, _), Side::Dialer) => {
                Daemon::Schedd(s)
            }
            (Self::ScheddNegotiator(_) | Self::StartdNegotiator(_), Side::Listener) => {
                Daemon::Negotiator
            }
            (Self::ScheddStartd(_, m), Side::Listener)
            | (Self::StartdNegotiator(m) | Self::StartdLauncher(m), Side::Dialer) => {
                Daemon::Startd(m)
            }
            (Self::StartdLauncher(m), Side::Listener) => Daemon::Launcher(m),
        }
    }

    /// Whether it stays within one machine: a local socket loses and reorders nothing.
    pub(crate) fn is_local(self) -> bool {
        match self {
            Self::StartdLauncher(_) => true,
            Self::ScheddNegotiator(_) | Self::ScheddStartd(..) | Self::StartdNegotiator(_) => false,
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedd(s) => write!(f, "schedd{s}"),
            Self::Negotiator => f.write_str("negotiator"),
            Self::Startd(m) => write!(f, "startd{m}"),
            Self::Launcher(m) => write!(f, "launcher{m}"),
        }
    }
}
