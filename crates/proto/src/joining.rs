//! A machine and the pool that it joins: what a newcomer asks over a connection of its own, and
//! what the negotiator tells a machine that is in. Who may join is the negotiator's matter.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::draining::Drain;
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
        /// Whether it runs each job as its owner, and not all as one user: as the pool does.
        #[serde(default)]
        many_users: bool,
    },
    /// Whether his machine can be used by now.
    AmIThere,
    /// What the pool's clock says.
    WhatTime,
}

impl std::fmt::Debug for AskPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Join { name, role, .. } => write!(f, "Join({name}, {role})"),
            Self::AmIThere => f.write_str("AmIThere"),
            Self::WhatTime => f.write_str("WhatTime"),
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
    /// The pool's clock.
    Time(Timestamp),
}

/// What a machine is told when it has joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub signed: Signed,
    /// What the pool's clock says: a machine whose own is wrong can be told so.
    pub now: Timestamp,
}

/// What a command asks about the machines of a pool; of the negotiator, who may do everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskTrust {
    /// A token that lets machines join.
    Invite {
        role: NodeRole,
        /// For how long, seconds.
        ttl_s: u32,
        /// For how many machines.
        uses: u32,
        /// What they may be called: a pattern with `*` and `?`.
        names: String,
    },
    /// The machines that are in the pool.
    Nodes,
    /// Puts a machine out.
    Revoke { name: String },
    /// Makes a new authority, beside the one that there is; or forgets all but the newest.
    Rotate {
        finish: bool,
        /// Forget them although machines have not heard of the newest one.
        force: bool,
    },
}

/// A machine of a pool, as `updraft pool nodes` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    pub name: String,
    pub role: NodeRole,
    /// Whether it is connected.
    pub is_here: bool,
    pub is_revoked: bool,
    /// When it joined, seconds since 1970.
    pub joined_s: i64,
    /// When its certificate is old.
    pub until_s: i64,
    /// Whether the authority that signs now has signed it.
    pub is_newest: bool,
    /// If it is to be given no new jobs.
    #[serde(default)]
    pub drain: Option<Drain>,
}

/// From the negotiator to the startd of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMachine {
    /// A schedd wants the machine, which it cannot call: the machine is to call it there.
    Call { schedd: String, address: String },
    /// What the pool has signed now of the machine.
    Signed(Box<Signed>),
    /// Whether it is to take no new jobs. Said at the beginning of each connection, and when that
    /// changes.
    Drain(Option<Drain>),
}
