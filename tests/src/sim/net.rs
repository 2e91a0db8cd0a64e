//! Connections between daemons: they delay, lose, repeat and reorder messages, and break. A lost message breaks its
//! connection, as on TCP; each end learns of that in its own time.

use proto::claiming::{FromStartd, ToStartd};
use proto::matchmaking::{FromMachine, FromSchedd, ToSchedd};

/// Where a daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Schedd,
    Negotiator,
    Startd(usize),
}

/// A pair of daemons that talk. The first named one connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LinkId {
    /// Schedd to negotiator.
    Match,
    /// Startd to negotiator.
    Ad(usize),
    /// Schedd to startd.
    Claim(usize),
}

impl LinkId {
    pub(super) fn caller(self) -> Node {
        match self {
            Self::Match | Self::Claim(_) => Node::Schedd,
            Self::Ad(machine) => Node::Startd(machine),
        }
    }

    pub(super) fn listener(self) -> Node {
        match self {
            Self::Match | Self::Ad(_) => Node::Negotiator,
            Self::Claim(machine) => Node::Startd(machine),
        }
    }
}

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    ToStartd(ToStartd),
    FromStartd(FromStartd),
    ToSchedd(ToSchedd),
    FromSchedd(FromSchedd),
    FromMachine(FromMachine),
}

/// One end's view of a link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    /// The connection that it believes in.
    pub(super) epoch: Option<u64>,
    /// When the last message to it is to arrive: later ones come later, unless the network reorders.
    pub(super) last_arrival_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) caller: End,
    pub(super) listener: End,
    /// The number of the last connection.
    pub(super) epoch: u64,
    /// Whether that connection carries nothing any more.
    pub(super) broken: bool,
    /// Nothing passes, and nobody can connect.
    pub(super) partitioned: bool,
    /// Whether the caller wants a connection.
    pub(super) wanted: bool,
}

impl Link {
    pub(super) fn end(&mut self, id: LinkId, node: Node) -> &mut End {
        if id.caller() == node { &mut self.caller } else { &mut self.listener }
    }
}
