//! The roll: which keys are in the pool, by the name of their machines. The pool's negotiator
//! writes it, and its daemons ask it at each handshake and as long as a connection lasts, so a
//! machine that is taken off is out at once, and one that is on it is never out for a date.

use std::collections::BTreeMap;
use std::path::Path;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use serde::{Deserialize, Serialize};

use super::certificate::{PublicKey, is_signed, read as read_certificate};
use super::{Fingerprint, NodeRole, TrustError, authority, read, write};

/// The file's name in the folder of a pool's trust.
pub const FILE: &str = "roll.json";

/// A machine of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub role: NodeRole,
    pub key: Fingerprint,
    /// When it joined first, seconds since 1970.
    pub joined_s: i64,
    /// Until when the certificate is new enough that it has shown last.
    pub until_s: i64,
    /// Which authority has signed that.
    pub authority: Fingerprint,
    /// It was put out, and is kept so that its key stays out.
    #[serde(default)]
    pub is_revoked: bool,
}

/// What a machine has shown in a handshake of what the pool has signed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who has signed it.
    pub authority: Fingerprint,
    /// Until when it is new enough, seconds since 1970.
    pub until_s: i64,
}

/// An authority, as its signatures are checked.
#[derive(Debug)]
pub struct Anchor {
    authority: Fingerprint,
    trusted: TrustAnchor<'static>,
}

/// A machine of the pool that has shown who it is.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub name: &'a str,
    pub node: &'a Node,
    pub shown: Shown,
}

/// Who may join a pool: what is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Of its secret.
    pub secret: Fingerprint,
    pub role: NodeRole,
    /// Until when, seconds since 1970.
    pub until_s: i64,
    /// How many machines may come still.
    pub uses: u32,
    /// What they may be called: a pattern with `*` and `?`.
    pub names: String,
}

/// The machines of a pool, the authorities that are believed, and who is invited. One file, so that
/// a machine that is in has spent its invitation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// As PEM, oldest first.
    pub authorities: Vec<String>,
    pub nodes: BTreeMap<String, Node>,
    #[serde(default)]
    pub invitations: Vec<Invitation>,
}

/// Why a certificate is not of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    #[error("no authority of this pool has signed its certificate")]
    Unsigned,
    #[error("it was revoked")]
    Revoked,
    #[error("its key is not the one that this machine has in the pool: join it again")]
    OtherKey,
    #[error("no machine of that name is in the pool: join it")]
    Unknown,
}

impl Roll {
    /// The one in a folder; an empty one if there is none yet.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn in_folder(folder: &Path) -> Result<Self, TrustError> {
        Ok(read(&folder.join(FILE))?.unwrap_or_default())
    }

    /// Writes it down.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn save(&self, folder: &Path) -> Result<(), TrustError> {
        write(&folder.join(FILE), self)
    }

    /// What signatures are checked with.
    pub fn anchors(&self) -> Vec<Anchor> {
        let anchor = |pem: &String| {
            let authority = PublicKey::of(&authority::der(pem)?)?.fingerprint();
            Ok::<_, TrustError>(Anchor { authority, trusted: authority::anchor(pem)? })
        };
        self.authorities.iter().filter_map(|pem| anchor(pem).ok()).collect()
    }

    /// The machine that has shown this certificate. Its dates do not matter: whether the key is in
    /// the pool is known here, and no clock can be wrong about that. The anchors are its own, made
    /// once ([`Self::anchors`]).
    ///
    /// # Errors
    ///
    /// Why it is none of the pool's.
    pub fn who(
        &self,
        anchors: &[Anchor],
        certificate: &CertificateDer<'_>,
    ) -> Result<Member<'_>, Stranger> {
        let said = read_certificate(certificate).map_err(|_| Stranger::Unsigned)?;
        let has_signed = |by: &&Anchor| is_signed(certificate, std::slice::from_ref(&by.trusted));
        let by = anchors.iter().find(has_signed).ok_or(Stranger::Unsigned)?;
        let shown = Shown { authority: by.authority, until_s: said.dates.until_s };
        let Some((name, node)) = self.nodes.get_key_value(&said.name) else {
            return Err(Stranger::Unknown);
        };
        match self.has(name, node.role, said.key) {
            _ if node.role != said.role => Err(Stranger::OtherKey),
            Ok(()) => Ok(Member { name, node, shown }),
            Err(stranger) => Err(stranger),
        }
    }

    /// Whether a machine is in the pool with this key.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn has(&self, name: &str, role: NodeRole, key: Fingerprint) -> Result<(), Stranger> {
        match self.nodes.get(name) {
            None => Err(Stranger::Unknown),
            Some(node) if node.key != key || node.role != role => Err(Stranger::OtherKey),
            Some(node) if node.is_revoked => Err(Stranger::Revoked),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Authority;
    use super::super::certificate::{Dates, PublicKey};
    use super::*;
    use rcgen::KeyPair;

    fn key() -> PublicKey {
        PublicKey::of_pair(&KeyPair::generate().unwrap())
    }

    fn node(authority: &Authority, key: &PublicKey) -> Node {
        Node {
            role: NodeRole::Execute,
            key: key.fingerprint(),
            joined_s: 0,
            until_s: 0,
            authority: authority.fingerprint().unwrap(),
            is_revoked: false,
        }
    }

    #[test]
    fn a_machine_is_known_by_name_role_and_key_together_and_never_out_for_a_date() {
        let [ours, old, foreign] = [1, 2, 3].map(|at| Authority::found("p", at).unwrap());
        let (mine, other, gone) = (key(), key(), key());
        let mut roll = Roll {
            authorities: [&old, &ours].map(|one| one.certificate().to_owned()).to_vec(),
            ..Roll::default()
        };
        roll.nodes.insert("m".to_owned(), node(&ours, &mine));
        roll.nodes.insert("gone".to_owned(), Node { is_revoked: true, ..node(&ours, &gone) });
        let long_over = Dates { from_s: 0, until_s: 1 };
        let not_begun = Dates { from_s: 5_000_000_000, until_s: 5_000_000_001 };
        for (by, name, role, key, dates, expected) in [
            (&ours, "m", NodeRole::Execute, &mine, long_over, Ok("m")),
            (&ours, "m", NodeRole::Execute, &mine, not_begun, Ok("m")),
            (&old, "m", NodeRole::Execute, &mine, long_over, Ok("m")),
            (&foreign, "m", NodeRole::Execute, &mine, not_begun, Err(Stranger::Unsigned)),
            (&ours, "m", NodeRole::Execute, &other, not_begun, Err(Stranger::OtherKey)),
            (&ours, "m", NodeRole::Submit, &mine, not_begun, Err(Stranger::OtherKey)),
            (&ours, "n", NodeRole::Execute, &mine, not_begun, Err(Stranger::Unknown)),
            (&ours, "gone", NodeRole::Execute, &gone, not_begun, Err(Stranger::Revoked)),
        ] {
            let signed = by.sign(name, role, key, dates).unwrap();
            let who = roll.who(&roll.anchors(), signed.der());
            let shown = Shown { authority: by.fingerprint().unwrap(), until_s: dates.until_s };
            let expected = expected.map(|name| (name, shown));
            assert_eq!(who.map(|who| (who.name, who.shown)), expected, "{by:?} {name} {role}");
        }
    }
}
