//! The pool's own authority: a key that signs what its machines are. Nobody else's is believed in
//! the pool, and it is believed nowhere else. Whom to sign for is the negotiator's matter.

use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use serde::{Deserialize, Serialize};

use super::certificate::{Dates, PublicKey, distinguished, params, set_dates};
use super::{Fingerprint, NodeRole, TrustError, make_folder, read, write};

/// How long what it signs is new enough: a machine gets another one after half of that.
pub const LIFE_S: i64 = 30 * 86_400;

/// How far two clocks may differ before the one takes a certificate for one of the future.
const LEEWAY_S: i64 = 3600;

/// An authority, with its secret key.
#[derive(Serialize, Deserialize)]
pub struct Authority {
    /// What the pool is called, for people who look at its certificates.
    pool: String,
    made_s: i64,
    /// What machines know of it, as PEM.
    certificate: String,
    /// What they do not, as PEM.
    key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({}, made {})", self.pool, self.made_s)
    }
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// If no key can be drawn.
    pub fn found(pool: &str, now_s: i64) -> Result<Self, TrustError> {
        let pair = KeyPair::generate()?;
        let certificate = Self::own_params(pool, now_s).self_signed(&pair)?.pem();
        let key = pair.serialize_pem();
        Ok(Self { pool: pool.to_owned(), made_s: now_s, certificate, key })
    }

    fn own_params(pool: &str, made_s: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished(&format!("Updraft pool {pool} {made_s}"));
        // It ends when `pool rotate` says so, and not in the middle of a night.
        set_dates(&mut params, Dates { from_s: made_s - LEEWAY_S, until_s: i64::MAX });
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// The dates of what it signs now.
    pub fn dates(now_s: i64) -> Dates {
        Dates { from_s: now_s - LEEWAY_S, until_s: now_s + LIFE_S }
    }

    /// Signs that a machine is called so, is that to the pool, and has this key.
    ///
    /// # Errors
    ///
    /// If no machine can be called so.
    pub fn sign(
        &self,
        name: &str,
        role: NodeRole,
        key: &PublicKey,
        dates: Dates,
    ) -> Result<Certificate, TrustError> {
        let own = Self::own_params(&self.pool, self.made_s);
        let issuer = Issuer::from_params(&own, KeyPair::from_pem(&self.key)?);
        Ok(params(name, role, dates)?.signed_by(key, &issuer)?)
    }

    /// What machines know of it, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What a signature is checked with.
    ///
    /// # Errors
    ///
    /// If its file was changed by hand.
    pub fn anchor(&self) -> Result<TrustAnchor<'static>, TrustError> {
        anchor(&self.certificate)
    }

    /// What a token says of it.
    ///
    /// # Errors
    ///
    /// If its file was changed by hand.
    pub fn fingerprint(&self) -> Result<Fingerprint, TrustError> {
        Ok(PublicKey::of(&der(&self.certificate)?)?.fingerprint())
    }
}

/// A certificate in PEM.
///
/// # Errors
///
/// If it is none.
pub fn der(pem: &str) -> Result<CertificateDer<'static>, TrustError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| TrustError::Certificate("no PEM"))
}

/// What an authority's certificate is asked with.
///
/// # Errors
///
/// If it is none.
pub fn anchor(pem: &str) -> Result<TrustAnchor<'static>, TrustError> {
    let der = der(pem)?;
    let anchor = webpki::anchor_from_trusted_cert(&der);
    let anchor = anchor.map_err(|_| TrustError::Certificate("it is none of an authority"))?;
    Ok(anchor.to_owned())
}

/// The authorities of a pool: the one that signs, and before it those that are believed still.
#[derive(Debug, Serialize, Deserialize)]
pub struct Authorities(Vec<Authority>);

impl Authorities {
    /// Those in a folder; the first one is made there if there is none.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used.
    pub fn in_folder(folder: &Path, pool: &str, now_s: i64) -> Result<Self, TrustError> {
        let path = folder.join("authorities.json");
        make_folder(folder)?;
        if let Some(all) = read::<Self>(&path)?.filter(|all| !all.0.is_empty()) {
            return Ok(all);
        }
        let all = Self(vec![Authority::found(pool, now_s)?]);
        write(&path, &all)?;
        Ok(all)
    }

    /// Adds one that signs from now on; the others are believed still.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or not be written down.
    pub fn rotate(&mut self, folder: &Path, pool: &str, now_s: i64) -> Result<(), TrustError> {
        self.0.push(Authority::found(pool, now_s)?);
        // One that is not on the disk signs nothing: nobody would know it after a restart.
        self.save(folder).inspect_err(|_| drop(self.0.pop()))
    }

    /// Forgets all but the one that signs.
    ///
    /// # Errors
    ///
    /// If that cannot be written down.
    pub fn finish(&mut self, folder: &Path) -> Result<(), TrustError> {
        let newest = self.0.pop();
        let old = std::mem::replace(&mut self.0, newest.into_iter().collect());
        self.save(folder).inspect_err(|_| drop(self.0.splice(..0, old)))
    }

    fn save(&self, folder: &Path) -> Result<(), TrustError> {
        write(&folder.join("authorities.json"), self)
    }

    /// The one that signs.
    ///
    /// # Panics
    ///
    /// Never: there is always one.
    pub fn signing(&self) -> &Authority {
        &self.0[self.0.len() - 1]
    }

    /// The one that all machines know: the oldest.
    pub fn oldest(&self) -> &Authority {
        &self.0[0]
    }

    /// What machines know of them, as PEM, oldest first.
    pub fn certificates(&self) -> Vec<String> {
        self.0.iter().map(|one| one.certificate.clone()).collect()
    }
}
