//! What a certificate of a pool says: which machine it is, what that machine is to the pool, which
//! key it has, and the two dates between which it is new enough. Reading one that anybody has made
//! must do no harm.
//!
//! Whether an authority of the pool has signed it is asked here without a clock: what the dates
//! mean is for who asks ([ADR 0029](../../../../docs/adr/0029-a-pool-is-its-own-authority.md)).

use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{Fingerprint, NodeRole, TrustError, is_node_name};

/// What the names in certificates end with, behind the role: they are no names that DNS knows.
const ZONE: &str = "updraft";

/// The longest certificate that is looked at, bytes. Ours have about 500.
pub const MAX_BYTES: usize = 4096;

/// Such keys only: P-256.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The point itself, uncompressed.
const POINT_BYTES: usize = 65;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub name: String,
    pub role: NodeRole,
    pub key: Fingerprint,
    pub dates: Dates,
}

/// From when to when a certificate is new enough, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    pub from_s: i64,
    pub until_s: i64,
}

impl Dates {
    /// Whether more than half of its life is over, or it has not begun: by this clock another one
    /// is due.
    pub fn is_due(self, now_s: i64) -> bool {
        let half = self.from_s.saturating_add(self.until_s.saturating_sub(self.from_s) / 2);
        now_s >= half || now_s < self.from_s
    }
}

/// A public key, as a newcomer has shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key that a certificate is about, whoever signed it; that its owner has the other half is
    /// for TLS to find out.
    ///
    /// # Errors
    ///
    /// If it is no certificate, or of another kind of key.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, TrustError> {
        let parsed = parse(certificate)?;
        let spki = parsed.subject_public_key_info();
        let point = spki.strip_prefix(&SPKI_P256[..]).filter(|point| point.len() == POINT_BYTES);
        point
            .map(|point| Self(point.to_vec()))
            .ok_or(TrustError::Certificate("its key is none of P-256"))
    }

    /// Of a pair.
    pub(super) fn of_pair(pair: &KeyPair) -> Self {
        Self(pair.der_bytes().to_vec())
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.subject_public_key_info())
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<EndEntityCert<'a>, TrustError> {
    if certificate.len() > MAX_BYTES {
        return Err(TrustError::Certificate("it is too long"));
    }
    EndEntityCert::try_from(certificate).map_err(|_| TrustError::Certificate("it is none"))
}

/// What a certificate says of itself, whoever signed it.
///
/// # Errors
///
/// If it is none of a machine of a pool.
pub fn read(certificate: &CertificateDer<'_>) -> Result<Said, TrustError> {
    let key = PublicKey::of(certificate)?.fingerprint();
    let parsed = parse(certificate)?;
    let mut names = parsed.valid_dns_names();
    let (Some(full), None) = (names.next(), names.next()) else {
        return Err(TrustError::Certificate("it does not have one name"));
    };
    let parts = full.strip_suffix(ZONE).and_then(|rest| rest.strip_suffix('.'));
    let (name, role) = parts
        .and_then(|parts| parts.rsplit_once('.'))
        .and_then(|(name, role)| Some((name, NodeRole::from_name(role)?)))
        .filter(|(name, _)| is_node_name(name))
        .ok_or(TrustError::Certificate("its name is none of a machine of a pool"))?;
    let dates = dates(certificate).ok_or(TrustError::Certificate("its dates cannot be read"))?;
    Ok(Said { name: name.to_owned(), role, key, dates })
}

/// Whether one of these authorities has signed a certificate, whatever its dates are.
pub fn is_signed(certificate: &CertificateDer<'_>, by: &[TrustAnchor<'_>]) -> bool {
    let algorithms = &[webpki::ring::ECDSA_P256_SHA256];
    let (Ok(parsed), Some(dates)) = (parse(certificate), dates(certificate)) else { return false };
    let Ok(from_s) = u64::try_from(dates.from_s) else { return false };
    // A moment at which it is surely good by its dates.
    let then = UnixTime::since_unix_epoch(Duration::from_secs(from_s));
    // Each is good for both ends: who is a client of whom is no matter of trust.
    let usage = KeyUsage::client_auth();
    parsed.verify_for_usage(algorithms, by, &[], then, usage, None, None).is_ok()
}

/// The parameters of a certificate that says this.
///
/// # Errors
///
/// If no machine can be called so.
pub(super) fn params(
    name: &str,
    role: NodeRole,
    dates: Dates,
) -> Result<CertificateParams, TrustError> {
    if !is_node_name(name) {
        return Err(TrustError::Name(name.to_owned()));
    }
    let mut params = CertificateParams::new(vec![format!("{name}.{role}.{ZONE}")])?;
    params.distinguished_name = distinguished(name);
    set_dates(&mut params, dates);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

pub(super) fn distinguished(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// The largest date that is written: the last day of 9999, less one.
const LAST_S: i64 = 253_402_214_400;

/// Writes the dates down; what does not fit there is the nearest that does.
pub(super) fn set_dates(params: &mut CertificateParams, dates: Dates) {
    let seconds = |at: i64| Duration::from_secs(at.clamp(0, LAST_S).unsigned_abs());
    let begin = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = begin + seconds(dates.from_s);
    params.not_after = begin + seconds(dates.until_s);
}

/// The tags of DER that lead to the dates.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The dates in a certificate: `webpki` asks for them, and does not tell them.
fn dates(certificate: &[u8]) -> Option<Dates> {
    let (tag, certificate, _) = element(certificate)?;
    let (inner, mut rest, _) = element(certificate)?;
    if (tag, inner) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    // The version, if it is said; number, algorithm, issuer.
    let skipped = if *rest.first()? == VERSION { 4 } else { 3 };
    for _ in 0..skipped {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (from, until, rest) = element(validity)?;
    let (to, end, _) = element(rest)?;
    Some(Dates { from_s: seconds(from, until)?, until_s: seconds(to, end)? })
}

/// The first element: its tag, what is in it, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = der.split_first_chunk()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        // Longer than any that is looked at.
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((tag, inside, rest))
}

/// A date (`YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`) as seconds since 1970.
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit))?;
    let number = |part: &[u8]| part.iter().fold(0, |n, digit| 10 * n + i64::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(&digits[..2]);
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let part = |index: usize| number(&rest[2 * index..2 * index + 2]);
    let [month, day, hour, minute, second] = [0, 1, 2, 3, 4].map(part);
    if !(1..=12).contains(&month) {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970-01-01 of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the day that is sometimes there is its last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::Authority;
    use super::*;

    const DAY_S: i64 = 86_400;

    #[test]
    fn a_certificate_says_what_was_signed_and_its_authority_is_known_by_it() {
        let authority = Authority::found("pool", 1_700_000_000).unwrap();
        let other = Authority::found("pool", 1_700_000_000).unwrap();
        let pair = KeyPair::generate().unwrap();
        let key = PublicKey::of_pair(&pair);
        for (name, role, from_s) in [
            ("exec1", NodeRole::Execute, 1_700_000_000),
            ("login.example.org", NodeRole::Submit, 0),
            ("head", NodeRole::Manager, 4_000_000_000),
        ] {
            let dates = Dates { from_s, until_s: from_s + 30 * DAY_S };
            let signed = authority.sign(name, role, &key, dates).unwrap();
            let signed = signed.der();
            let said = read(signed).unwrap();
            let name = name.to_owned();
            assert_eq!(said, Said { name, role, key: key.fingerprint(), dates });
            assert!(is_signed(signed, &[authority.anchor().unwrap()]));
            assert!(!is_signed(signed, &[other.anchor().unwrap()]));
            assert!(!is_signed(signed, &[]));
        }
    }

    #[test]
    fn garbage_and_foreign_certificates_say_nothing() {
        let pair = KeyPair::generate().unwrap();
        let foreign = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            CertificateParams::new(names).unwrap().self_signed(&pair).unwrap().der().clone()
        };
        let ours = foreign(&["m.execute.updraft"]);
        assert!(read(&ours).is_ok());
        for end in 0..ours.len() {
            assert!(read(&ours[..end].to_vec().into()).is_err(), "{end}");
        }
        for at in 0..ours.len() {
            let mut changed = ours.to_vec();
            changed[at] ^= 0xff;
            // Whatever it says then, it is not signed.
            let _ = read(&changed.into());
        }
        for names in [
            &[][..],
            &["example.org"],
            &["m.execute.updraft.example.org"],
            &["m.updraft"],
            &["execute.updraft"],
            &["m.root.updraft"],
            &["*.execute.updraft"],
            &["m.execute.updraft", "n.execute.updraft"],
        ] {
            assert!(read(&foreign(names)).is_err(), "{names:?}");
        }
        assert!(read(&vec![0x30; MAX_BYTES + 1].into()).is_err());
    }

    #[test]
    fn another_certificate_is_due_from_half_of_its_life_and_to_a_clock_that_is_behind() {
        let dates = Dates { from_s: 1000, until_s: 2000 };
        for (now_s, due) in [(999, true), (1000, false), (1499, false), (1500, true), (9999, true)]
        {
            assert_eq!(dates.is_due(now_s), due, "{now_s}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231000000Z", Some(253_402_214_400)),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000aZ", None),
            (UTC_TIME, "", None),
            (SEQUENCE, "700101000000Z", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), expected, "{text}");
        }
    }
}
