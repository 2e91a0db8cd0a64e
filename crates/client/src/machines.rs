//! The machines that a pool of several hosts consists of: who may join, who is in, who is put out.
//! For who may do everything; the negotiator decides.

use model::MachineName;
use proto::client::{Answer, AskNegotiator, DrainOrder};
use proto::command::AskError;
use proto::joining::{AskTrust, NodeLine};
use proto::trust::NodeRole;

use crate::connect::Negotiator;

/// Who may join by one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What the machines are to be.
    pub role: NodeRole,
    /// For how long, seconds.
    pub ttl_s: u32,
    /// How many machines.
    pub uses: u32,
    /// What they may be called: a pattern with `*` and `?`.
    pub names: String,
}

impl Negotiator {
    /// A token that lets machines join.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or refuses.
    pub fn invite(&mut self, invitation: Invitation) -> Result<String, AskError> {
        let Invitation { role, ttl_s, uses, names } = invitation;
        match self.about_machines(AskTrust::Invite { role, ttl_s, uses, names })? {
            Answer::Token(token) => Ok(token),
            other => Err(AskError::unexpected("a token", &other)),
        }
    }

    /// The machines of the pool.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or refuses.
    pub fn nodes(&mut self) -> Result<Vec<NodeLine>, AskError> {
        match self.about_machines(AskTrust::Nodes)? {
            Answer::Nodes(nodes) => Ok(nodes),
            other => Err(AskError::unexpected("its machines", &other)),
        }
    }

    /// Puts a machine out.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or there is no such machine.
    pub fn revoke(&mut self, name: String) -> Result<(), AskError> {
        self.change_trust(AskTrust::Revoke { name })
    }

    /// Gives a machine no new jobs, or jobs again if there is no order; which machine that is.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or there is no such machine.
    pub fn drain(
        &mut self,
        machine: String,
        order: Option<DrainOrder>,
    ) -> Result<MachineName, AskError> {
        match self.ask(AskNegotiator::Drain { machine, order })? {
            Answer::Machine(machine) => Ok(machine),
            other => Err(AskError::unexpected("a machine", &other)),
        }
    }

    /// Makes a new authority beside the one that there is; or, with `finish`, forgets all but the
    /// newest, with `force` although machines have not heard of that.
    ///
    /// # Errors
    ///
    /// If the negotiator cannot be asked, or refuses.
    pub fn rotate(&mut self, finish: bool, force: bool) -> Result<(), AskError> {
        self.change_trust(AskTrust::Rotate { finish, force })
    }

    fn change_trust(&mut self, ask: AskTrust) -> Result<(), AskError> {
        match self.about_machines(ask)? {
            Answer::Done => Ok(()),
            other => Err(AskError::unexpected("a change", &other)),
        }
    }

    fn about_machines(&mut self, ask: AskTrust) -> Result<Answer, AskError> {
        self.ask(AskNegotiator::Trust(ask))
    }
}
