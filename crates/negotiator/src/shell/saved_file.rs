//! What a negotiator keeps for its next life, the accounts, what is in use of concurrency limits,
//! which machines are drained and which reservations hold: files that are read once, and then
//! replaced as a whole, so that a crash leaves the old one or the new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::whole_file::{self, OURS_ALONE};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where one thing is kept between two lives.
#[derive(Clone, Debug)]
pub(crate) struct SavedFile {
    path: PathBuf,
    /// What it is, as messages call it.
    what: &'static str,
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file is there and cannot be read.
    #[error("read {what} in {path}")]
    Read {
        /// What is in it.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file makes no sense. Starting without it would forget what everybody used.
    #[error("read {what} in {path}: remove the file to begin without")]
    Damaged {
        /// What should be in it.
        what: &'static str,
        path: PathBuf,
        /// Where it makes no sense.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("save {what} in {path}")]
    Write {
        /// What should be in it.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl SavedFile {
    /// The accounts, in this folder, which must exist.
    pub(crate) fn accounts(state_dir: &Path) -> Self {
        Self { path: state_dir.join("accounts.json"), what: "the accounts" }
    }

    /// What is in use of concurrency limits.
    pub(crate) fn limits(state_dir: &Path) -> Self {
        Self { path: state_dir.join("limits.json"), what: "the use of limits" }
    }

    /// Which machines are drained.
    pub(crate) fn drains(state_dir: &Path) -> Self {
        Self { path: state_dir.join("drains.json"), what: "the machines that are drained" }
    }

    /// Which reservations hold.
    pub(crate) fn bookings(state_dir: &Path) -> Self {
        Self { path: state_dir.join("bookings.json"), what: "the reservations" }
    }

    /// What was saved last; the default if nothing was.
    pub(crate) fn load<T: DeserializeOwned + Default>(&self) -> Result<T, SavedError> {
        let (what, path) = (self.what, self.path.clone());
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| SavedError::Damaged {
                what,
                path,
                source,
            }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(T::default()),
            Err(source) => Err(SavedError::Read { what, path, source }),
        }
    }

    /// Replaces the file. Blocks until it is on the disk.
    pub(crate) fn save<T: Serialize>(&self, value: &T) -> Result<(), SavedError> {
        let replaced = serde_json::to_vec(value)
            .map_err(io::Error::from)
            .and_then(|text| whole_file::replace(&self.path, OURS_ALONE, &text));
        let (what, path) = (self.what, self.path.clone());
        replaced.map_err(|source| SavedError::Write { what, path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Accounts;

    #[test]
    fn accounts_are_read_as_they_were_saved_and_begin_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = SavedFile::accounts(folder.path());
        assert_eq!(file.load::<Accounts>().unwrap(), Accounts::default());
        let text = r#"{"saved_at":5,"users":{"ann":{"real_priority":3.5,"used_weight_seconds":9.0,"factor":null}}}"#;
        let accounts: Accounts = serde_json::from_str(text).unwrap();
        file.save(&accounts).unwrap();
        assert_eq!(file.load::<Accounts>().unwrap(), accounts);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("accounts.json"), "{").unwrap();
        let error = SavedFile::accounts(folder.path()).load::<Accounts>().unwrap_err();
        assert!(matches!(error, SavedError::Damaged { .. }), "{error}");
    }
}
