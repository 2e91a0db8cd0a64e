//! The file of accounts: read once, then replaced as a whole, so that a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::core::Accounts;

/// Its name in the state folder.
const ACCOUNTS_FILE: &str = "accounts.json";

/// Where accounts are kept between two lives.
#[derive(Clone, Debug)]
pub(crate) struct AccountsFile {
    path: PathBuf,
}

/// Why the accounts were not read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file is there and cannot be read.
    #[error("read the accounts in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no file of accounts. Starting without it would forget what everybody used.
    #[error("read the accounts in {path}: remove the file to begin with empty accounts")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it makes no sense.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("save the accounts in {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl AccountsFile {
    /// The file in this folder, which must exist.
    pub(crate) fn in_folder(state_dir: &Path) -> Self {
        Self { path: state_dir.join(ACCOUNTS_FILE) }
    }

    /// What was saved last; empty accounts if nothing was.
    pub(crate) fn load(&self) -> Result<Accounts, AccountsError> {
        let path = self.path.clone();
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| AccountsError::Damaged { path, source }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Accounts::default()),
            Err(source) => Err(AccountsError::Read { path, source }),
        }
    }

    /// Replaces the file. Blocks until it is on the disk.
    pub(crate) fn save(&self, accounts: &Accounts) -> Result<(), AccountsError> {
        let replace = || {
            let new = self.path.with_extension("json.new");
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(accounts)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        };
        replace().map_err(|source| AccountsError::Write { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_as_they_were_saved_and_begin_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountsFile::in_folder(folder.path());
        assert_eq!(file.load().unwrap(), Accounts::default());
        let text = r#"{"saved_at":5,"users":{"ann":{"real_priority":3.5,"used_weight_seconds":9.0,"factor":null}}}"#;
        let accounts: Accounts = serde_json::from_str(text).unwrap();
        file.save(&accounts).unwrap();
        assert_eq!(file.load().unwrap(), accounts);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ACCOUNTS_FILE), "{").unwrap();
        let error = AccountsFile::in_folder(folder.path()).load().unwrap_err();
        assert!(matches!(error, AccountsError::Damaged { .. }), "{error}");
    }
}
