//! A machine and the pool that it joins: what a newcomer asks over a connection of its own, and
//! what the negotiator tells a machine that is in. Who may join is the negotiator's matter.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::trust::NodeRole;
use crate::trust::papers::Signed;

/// From a newcomer. His key he has shown already: TLS has asked for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskPool {
    /// He wants to be in the pool.
    Join {
        /// The secret of his token.
        secret: [u8; 16],
        /// What his machine is called.
        name: String,
        /// What it is to be.
        role: NodeRole,
    },
    /// Whether his machine can be used by now.
    AmIThere,
}

impl std::fmt::Debug for AskPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Join { name, role, .. } => write!(f, "Join({name}, {role})"),
            Self::AmIThere => f.write_str("AmIThere"),
        }
    }
}

/// What the pool answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolSays {
    /// He is in.
    Welcome(Box<Welcome>),
    /// Whether the negotiator knows his machine.
    There(bool),
    /// He is not, and why, as a sentence.
    Refused(String),
}

/// What a machine is told when it has joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub signed: Signed,
    /// What the pool's clock says: a machine whose own is wrong can be told so.
    pub now: Timestamp,
}

/// From the negotiator to the startd of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMachine {
    /// A schedd wants the machine, which it cannot call: the machine is to call it there.
    Call { schedd: String, address: String },
    /// What the pool has signed now of the machine.
    Signed(Box<Signed>),
}
