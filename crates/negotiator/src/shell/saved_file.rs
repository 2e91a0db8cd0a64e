//! What a negotiator keeps for its next life, the accounts, what is in use of concurrency limits,
//! which machines are drained and which reservations hold: files that are read once, and then
//! replaced as a whole, so that a crash leaves the old one or the new one.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use proto::draining::Drains;
use proto::whole_file::{self, OURS_ALONE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::core::{Accounts, SavedBooking, SavedUse};

/// Where everything is kept between two lives.
#[derive(Debug)]
pub(crate) struct SavedFiles {
    pub(crate) accounts: SavedFile<Accounts>,
    /// What is in use of concurrency limits.
    pub(crate) limits: SavedFile<Vec<SavedUse>>,
    /// Which machines are drained.
    pub(crate) drains: SavedFile<Drains>,
    /// Which reservations hold.
    pub(crate) bookings: SavedFile<Vec<SavedBooking>>,
}

impl SavedFiles {
    /// In this folder, which must exist.
    pub(crate) fn below(state_dir: &Path) -> Self {
        Self {
            accounts: SavedFile::new(state_dir, "accounts.json", "the accounts"),
            limits: SavedFile::new(state_dir, "limits.json", "the use of limits"),
            drains: SavedFile::new(state_dir, "drains.json", "the machines that are drained"),
            bookings: SavedFile::new(state_dir, "bookings.json", "the reservations"),
        }
    }
}

/// Where one thing is kept between two lives.
#[derive(Debug)]
pub(crate) struct SavedFile<T> {
    path: PathBuf,
    /// What it is, as messages call it.
    what: &'static str,
    holds: PhantomData<fn(T) -> T>,
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

impl<T: DeserializeOwned + Serialize + Default + Send + 'static> SavedFile<T> {
    fn new(folder: &Path, name: &str, what: &'static str) -> Self {
        Self { path: folder.join(name), what, holds: PhantomData }
    }

    /// What was saved last; the default if nothing was.
    pub(crate) fn load(&self) -> Result<T, SavedError> {
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

    /// Replaces the file, beside whoever asks: it takes until everything is on the disk.
    pub(crate) fn save(&self, value: T) -> Saving {
        let (what, path) = (self.what, self.path.clone());
        Saving(spawn_blocking(move || {
            let replaced = serde_json::to_vec(&value)
                .map_err(io::Error::from)
                .and_then(|text| whole_file::replace(&path, OURS_ALONE, &text));
            replaced.map_err(|source| SavedError::Write { what, path, source })
        }))
    }
}

/// A file that is being replaced.
#[derive(Debug)]
pub(crate) struct Saving(JoinHandle<Result<(), SavedError>>);

impl Saving {
    /// Waits until it is, or cannot be.
    pub(crate) async fn done(self) -> Result<(), SavedError> {
        self.0.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accounts_are_read_as_they_were_saved_and_begin_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = SavedFiles::below(folder.path()).accounts;
        assert_eq!(file.load().unwrap(), Accounts::default());
        let text = r#"{"saved_at":5,"users":{"ann":{"real_priority":3.5,"used_weight_seconds":9.0,"factor":null}}}"#;
        let accounts: Accounts = serde_json::from_str(text).unwrap();
        file.save(accounts.clone()).done().await.unwrap();
        assert_eq!(file.load().unwrap(), accounts);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("accounts.json"), "{").unwrap();
        let error = SavedFiles::below(folder.path()).accounts.load().unwrap_err();
        assert!(matches!(error, SavedError::Damaged { .. }), "{error}");
    }
}
