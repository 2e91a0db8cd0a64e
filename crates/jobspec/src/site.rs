//! What a description can see of the world outside its own text.
//!
//! The command line implements it with the real files, processes and environment; tests with a
//! made-up site.

use std::collections::BTreeMap;

/// The world as a description sees it. Relative paths mean the folder that the user submits from.
pub trait Site {
    /// The machine and the user.
    fn host(&self) -> &Host;
    /// The text of a file.
    ///
    /// # Errors
    /// If it cannot be read as text.
    fn read_file(&self, path: &str) -> Result<String, SiteError>;
    /// What comes on standard input, for `queue ... from -`.
    ///
    /// # Errors
    /// If it cannot be read as text, or is not for that.
    fn read_stdin(&self) -> Result<String, SiteError> {
        Err(SiteError("No such file or directory".to_owned()))
    }
    /// Writes a file, for `include command into FILE`.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write_file(&self, path: &str, text: &str) -> Result<(), SiteError>;
    /// What is at a path.
    ///
    /// # Errors
    /// If there is nothing, or it may not be looked at.
    fn file_kind(&self, path: &str) -> Result<FileKind, SiteError>;
    /// How long all files below a folder are, together; what cannot be looked at counts nothing.
    fn folder_bytes(&self, _path: &str) -> u64 {
        0
    }
    /// The first bytes of a plain file, as many as the first line of a script may have; nothing if
    /// they cannot be read.
    fn beginning(&self, _path: &str) -> Vec<u8> {
        Vec::new()
    }
    /// What matches a pattern (`*`, `?`, `[...]`), sorted by name. No match is no error.
    ///
    /// # Errors
    /// If the pattern is no pattern.
    fn glob(&self, pattern: &str) -> Result<Vec<Found>, SiteError>;
    /// The standard output of a command line.
    ///
    /// # Errors
    /// If it cannot be started or its exit code is not 0.
    fn run_command(&self, command: &str) -> Result<String, SiteError>;
    /// The environment of the submitting process.
    fn environ(&self) -> &BTreeMap<String, String>;
    /// Where the user's proxy is if nobody says where (`X509_USER_PROXY`, or by the user's number
    /// in `/tmp`).
    fn users_proxy(&self) -> String {
        match self.environ().get("X509_USER_PROXY") {
            Some(path) => path.clone(),
            None => format!("/tmp/x509up_u{}", self.host().user_number),
        }
    }
    /// A random number from 0 up to, and without, `bound`; 0 if `bound` is 0.
    fn random_below(&self, bound: u64) -> u64;
}

/// The submitting machine and user, as jobs record them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The working directory, absolute.
    pub cwd: String,
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub user_number: u32,
    /// `X86_64`.
    pub arch: String,
    /// `LINUX`.
    pub opsys: String,
    /// `1200`.
    pub opsys_version: String,
    /// `Debian12`.
    pub opsys_and_version: String,
    /// `12`.
    pub opsys_major_version: String,
    /// Machines with the same value see the same files.
    pub filesystem_domain: String,
    /// Users with the same name and domain are the same user.
    pub uid_domain: String,
    /// What `CondorVersion` and `SubmitVersion` say.
    pub version: String,
    /// What `CondorPlatform` says.
    pub platform: String,
    /// Seconds since the epoch.
    pub now: i64,
    /// Year, month, day of `now` in the user's time zone.
    pub today: (i16, i8, i8),
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File {
        /// How long it is.
        size_bytes: u64,
        /// Whether the user may execute it.
        executable: bool,
    },
    Directory,
    /// A device, a FIFO or a socket: it may never end, or never begin.
    Other,
}

/// A match of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path, as the pattern wrote it.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Why the world did not answer; the text is the operating system's, as in `No such file or
/// directory`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SiteError(pub String);
