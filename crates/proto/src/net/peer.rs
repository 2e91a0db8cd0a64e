//! Who is at the other end of a connection, what it says it is, and whether it may be that; and the
//! greeting in which it says so. How that is found out is the transports' matter.

use model::UserName;
use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

use crate::trust::NodeRole;
use crate::trust::certificate::PublicKey;
use crate::trust::roll::Shown;

/// The version of the messages. A peer with another first number is refused; see docs/adr/0004 for
/// what may change within one.
pub const PROTOCOL: u32 = 1;

/// The first frame on every connection, both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Its program version, for people.
    pub version: String,
    /// What it is.
    pub role: Role,
    /// Of a schedd: which of the queues that were put in its place it works with. A restore makes a
    /// new one, and what runs for an older one is to end.
    #[serde(default)]
    pub generation: u64,
}

/// What one end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// A user's command.
    Command,
    /// A user's command that visits the machine of a job ([`crate::visit`]).
    Visitor,
    /// A schedd, by name.
    Schedd(String),
    Negotiator,
    /// The startd of a machine, by the machine's name.
    Startd(String),
    /// What carries files for the startd of that machine.
    Files(String),
    /// A process of a run, which has something to say to the run's other parts.
    Task,
    /// What passes that on for the startd of that machine.
    Part(String),
    /// The startd of that machine, for a command that visits it.
    Visited(String),
    /// Somebody who wants to join the pool, or asks whether he has.
    Newcomer,
    /// A process of a user that does for a daemon what is to be done with that user's files
    /// ([`crate::user_helper`]).
    Helper,
    /// A process of a user that lends that user's files to runs on other machines, as a schedd says
    /// ([`crate::lending`]).
    Lender,
    /// A process of a user that carries files for that user's runs here, and has the startd call
    /// the schedd for that ([`crate::lending`]).
    Carrier,
}

impl Role {
    /// Whether it is a daemon, or speaks for one: not what anybody of this machine may be.
    pub(super) const fn is_a_daemon(&self) -> bool {
        match self {
            Self::Schedd(_)
            | Self::Negotiator
            | Self::Startd(_)
            | Self::Files(_)
            | Self::Part(_)
            | Self::Visited(_)
            | Self::Newcomer => true,
            Self::Command
            | Self::Visitor
            | Self::Task
            | Self::Helper
            | Self::Lender
            | Self::Carrier => false,
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who that is, as the transport says.
    pub identity: PeerIdentity,
    /// What it says it is, which it may be: decides which messages follow.
    pub role: Role,
    /// Of a schedd: the generation of its queue ([`Hello::generation`]).
    pub generation: u64,
}

/// Who somebody is, as a transport says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// A process of this machine, as the kernel says.
    Local {
        /// Its user's number.
        uid: u32,
        /// Its user, as the system names them.
        user: UserName,
    },
    /// A machine of the pool, as its certificate and the pool's roll say.
    Node {
        name: String,
        role: NodeRole,
        key: PublicKey,
        /// What it has shown for that, where the roll was asked.
        shown: Option<Shown>,
    },
    /// Somebody who has shown that he has a key, and nothing else.
    Newcomer { key: PublicKey },
}

impl PeerIdentity {
    pub(super) fn of(uid: u32) -> Self {
        Self::Local { uid, user: user_name(uid) }
    }

    /// Whether this is a process of this machine that has this user's number.
    pub fn is_local(&self, of: u32) -> bool {
        matches!(self, Self::Local { uid, .. } if *uid == of)
    }

    /// Whether such a peer may be what it says it is, in a pool of this user. Of this machine
    /// anybody who is admitted may ask as a command or help with his own files, and a daemon is a
    /// process of the pool's own user, or of root. A machine elsewhere is what its certificate
    /// says, under its own name.
    pub fn may_be(&self, role: &Role, pool_uid: u32) -> bool {
        match (self, role) {
            (Self::Local { .. }, Role::Command | Role::Visitor | Role::Task) => true,
            // It is its user's, whose files it touches. The pool's own user has none.
            (Self::Local { .. }, Role::Helper | Role::Lender | Role::Carrier) => {
                !self.is_local(pool_uid) && !self.is_local(0)
            }
            (
                Self::Local { .. },
                Role::Schedd(_) | Role::Negotiator | Role::Startd(_) | Role::Part(_),
            ) => self.is_local(pool_uid) || self.is_local(0),
            (
                Self::Node { name, role: NodeRole::Execute, .. },
                Role::Startd(of) | Role::Files(of) | Role::Part(of) | Role::Visited(of),
            )
            | (Self::Node { name, role: NodeRole::Submit, .. }, Role::Schedd(of)) => name == of,
            (Self::Node { role: NodeRole::Manager, .. }, Role::Negotiator | Role::Schedd(_))
            | (Self::Node { .. } | Self::Newcomer { .. }, Role::Newcomer) => true,
            _ => false,
        }
    }
}

impl Peer {
    /// The number of its user on this machine; of nobody, if it is not from here.
    pub fn uid(&self) -> u32 {
        match &self.identity {
            PeerIdentity::Local { uid, .. } => *uid,
            PeerIdentity::Node { .. } | PeerIdentity::Newcomer { .. } => NOBODY,
        }
    }

    pub fn user(&self) -> UserName {
        match &self.identity {
            PeerIdentity::Local { user, .. } => user.clone(),
            PeerIdentity::Node { .. } | PeerIdentity::Newcomer { .. } => user_name(NOBODY),
        }
    }
}

/// The user who may do nothing (`nobody`).
const NOBODY: u32 = 65_534;

/// The user with that number, by name if the system has one.
pub fn user_name(uid: u32) -> UserName {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => UserName::new(&user.name),
        Ok(None) | Err(_) => named_by_number(uid),
    }
}

/// What a user is called whom the system has no name for.
pub fn named_by_number(uid: u32) -> UserName {
    UserName::new(&format!("uid{uid}"))
}

/// What this program says first.
pub(crate) fn hello(role: Role) -> Hello {
    Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), role, generation: 0 }
}
