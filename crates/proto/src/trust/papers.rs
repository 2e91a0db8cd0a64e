//! What a machine keeps of its membership: its key, what the pool's authority has signed of it, and
//! the authorities that it believes. Nobody but its user can read it; the key never leaves it.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use serde::{Deserialize, Serialize};

use super::certificate::{PublicKey, Said, read as read_certificate};
use super::{Fingerprint, TrustError, authority, read, write};

/// The file's name in the folder of a machine's trust.
pub const FILE: &str = "papers.json";

/// What the pool tells a machine of its membership, when it joins and whenever that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The machine's certificate, as PEM.
    pub certificate: String,
    /// The authorities that are believed, as PEM, oldest first.
    pub authorities: Vec<String>,
}

/// A machine's key, with what was signed of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Papers {
    /// As PEM.
    key: String,
    #[serde(flatten)]
    signed: Signed,
}

impl std::fmt::Debug for Papers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Papers({:?})", self.said().map(|said| (said.name, said.role)))
    }
}

impl Papers {
    /// A new key, of which nobody has signed anything: what a newcomer shows.
    ///
    /// # Errors
    ///
    /// If no key can be drawn.
    pub fn of_newcomer() -> Result<Self, TrustError> {
        let pair = KeyPair::generate()?;
        let own =
            CertificateParams::new(vec!["newcomer.updraft".to_owned()])?.self_signed(&pair)?;
        let signed = Signed { certificate: own.pem(), authorities: Vec::new() };
        Ok(Self { key: pair.serialize_pem(), signed })
    }

    /// Those in a folder, if there are any.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, TrustError> {
        read(&folder.join(FILE))
    }

    /// Writes them down.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn save(&self, folder: &Path) -> Result<(), TrustError> {
        write(&folder.join(FILE), self)
    }

    /// The same key with what somebody says is signed of it now.
    ///
    /// # Errors
    ///
    /// As for [`Self::signed_here`], or if no authority that was believed before comes with it: who
    /// is new is vouched for by who was there.
    pub fn with(&self, signed: Signed) -> Result<Self, TrustError> {
        let (known, now) = (&self.signed.authorities, &signed.authorities);
        if !known.is_empty() && !known.iter().any(|authority| now.contains(authority)) {
            return Err(TrustError::Certificate("none of its authorities was believed before"));
        }
        self.signed_here(signed)
    }

    /// The same key with what a pool has signed of it that a token vouches for: whatever was
    /// believed before, it is that pool's now.
    ///
    /// # Errors
    ///
    /// As for [`Self::signed_here`], or if the token's authority does not come with it.
    pub fn vouched(&self, signed: Signed, by: Fingerprint) -> Result<Self, TrustError> {
        let new = self.signed_here(signed)?;
        match new.authorities().contains(&by) {
            true => Ok(new),
            false => Err(TrustError::Certificate("the token's authority does not come with it")),
        }
    }

    /// The same key with what the pool's own machine has signed of it now: its authorities are what
    /// they are, also when all that it believed before were forgotten.
    ///
    /// # Errors
    ///
    /// If that is about another key, or no authority that comes with it has signed it.
    pub(super) fn signed_here(&self, signed: Signed) -> Result<Self, TrustError> {
        let new = Self { key: self.key.clone(), signed };
        let certificate = authority::der(&new.signed.certificate)?;
        if PublicKey::of(&certificate)? != new.public()? {
            return Err(TrustError::Certificate("it is about another key"));
        }
        if !super::certificate::is_signed(&certificate, &new.anchors()?) {
            return Err(TrustError::Certificate("none of its authorities has signed it"));
        }
        Ok(new)
    }

    /// The key's public half.
    ///
    /// # Errors
    ///
    /// If the file was changed by hand.
    pub fn public(&self) -> Result<PublicKey, TrustError> {
        Ok(PublicKey::of_pair(&KeyPair::from_pem(&self.key)?))
    }

    /// What its certificate says.
    ///
    /// # Errors
    ///
    /// If it is a newcomer's.
    pub fn said(&self) -> Result<Said, TrustError> {
        read_certificate(&authority::der(&self.signed.certificate)?)
    }

    /// What was signed of the key.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// What signatures are checked with.
    ///
    /// # Errors
    ///
    /// If the file was changed by hand.
    pub fn anchors(&self) -> Result<Vec<TrustAnchor<'static>>, TrustError> {
        self.signed.authorities.iter().map(|pem| authority::anchor(pem)).collect()
    }

    /// The authorities that are believed, by their keys; none of a newcomer's.
    pub fn authorities(&self) -> Vec<Fingerprint> {
        let all = self.signed.authorities.iter().filter_map(|pem| authority::der(pem).ok());
        all.filter_map(|der| PublicKey::of(&der).ok()).map(|key| key.fingerprint()).collect()
    }

    /// What is shown in a handshake: the certificate, and behind it the authorities.
    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TrustError> {
        let all = std::iter::once(&self.signed.certificate).chain(&self.signed.authorities);
        all.map(|pem| authority::der(pem)).collect()
    }

    pub(crate) fn private(&self) -> Result<PrivateKeyDer<'static>, TrustError> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        key.map_err(|_| TrustError::Certificate("its key cannot be read"))
    }
}
