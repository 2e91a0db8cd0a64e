//! Who is of a pool, for daemons on other machines than the pool's own: the pool's authority, what
//! it says of a key, and the token that a newcomer shows. How it is asked during a handshake is in
//! [`crate::net::tls`]; who may join, and until when, is the negotiator's matter.
//!
//! - [`authority`]: the pool's own authority, and what it signs.
//! - [`founding`]: how a pool begins.
//! - [`certificate`]: what a certificate says: name, role, and its two dates.
//! - [`token`]: what `updraft pool invite` prints.
//! - [`roll`]: the list of the keys that are in the pool, which the pool's own daemons ask.
//! - [`papers`]: what a machine keeps of its membership.

pub mod authority;
pub mod certificate;
pub mod founding;
pub mod papers;
pub mod roll;
pub mod token;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::whole_file;

pub use self::authority::Authority;
pub use self::founding::found_pool;
pub use self::papers::Papers;
pub use self::roll::{Node, Roll};
pub use self::token::Token;

/// What a machine is to its pool. Its certificate says so, and it can be nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// It has the pool's negotiator and a schedd.
    Manager,
    /// It runs jobs.
    Execute,
    /// It has a schedd.
    Submit,
}

impl NodeRole {
    /// Its name in tokens, certificates and lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Execute => "execute",
            Self::Submit => "submit",
        }
    }

    /// The role with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Manager, Self::Execute, Self::Submit].into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The longest name of a machine: what a label of a certificate holds with its role.
const NAME_MAX: usize = 200;

/// Whether a machine may be called so: as hosts are, so that a name is the same in certificates,
/// ads and lists, and a pattern for it needs no quoting.
pub fn is_node_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inside && !label.is_empty() && label.len() <= 63 && !label.starts_with('-')
    };
    name.len() <= NAME_MAX && name.split('.').all(is_label)
}

/// SHA-256 of something public: of a key, or of a secret that is not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to tell two apart in a log.
        f.write_str(&hex(&self.0[..6]))
    }
}

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        from_hex(text).map(Self).ok_or(NoFingerprint)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    if digits.len() != 2 * N || !plain {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Why something of a pool's trust cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("use {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read {}", path.display())]
    Text {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A certificate could not be made.
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
    /// Something that is said to be a certificate or a key.
    #[error("read a certificate: {0}")]
    Certificate(&'static str),
    /// A name that no machine can have.
    #[error(
        "call a machine '{0}': expected a host's name (letters, digits, '-' and '.', at most \
         {NAME_MAX})"
    )]
    Name(String),
}

/// What is in a file, if it is there.
///
/// # Errors
///
/// If it cannot be read or understood.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TrustError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| TrustError::Text { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TrustError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file that is its user's alone, whole or not at all, and on the disk: what was said to a
/// newcomer is true after a power cut.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, what: &impl Serialize) -> Result<(), TrustError> {
    let text = serde_json::to_vec_pretty(what)
        .map_err(|source| TrustError::Text { path: path.to_owned(), source })?;
    let written = whole_file::replace(path, 0o600, &text);
    written.map_err(|source| TrustError::File { path: path.to_owned(), source })
}

/// Makes a folder that is its user's alone, if it is not there.
///
/// # Errors
///
/// If it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), TrustError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| TrustError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_as_hosts_are() {
        for name in ["exec1", "exec1.example.org", "10-0-0-1", "A"] {
            assert!(is_node_name(name), "{name}");
        }
        let long = "a.".repeat(100) + "a";
        for name in ["", ".", "a..b", "a b", "*", "a_b/c", "-a", "a\n", &"x".repeat(64), &long] {
            assert!(!is_node_name(name), "{name}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_back_and_nothing_else_is_one() {
        let print = Fingerprint::of(b"key");
        assert_eq!(print.to_string().parse(), Ok(print));
        for text in ["", "00", &"g".repeat(64), &"+f".repeat(32), &"é".repeat(32)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
    }
}
