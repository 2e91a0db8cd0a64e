//! The job queue: `core` decides, `shell` does.

pub mod core;
pub mod shell;

pub use shell::backup::{BackupError, backup, check as check_backup, nothing_runs, restore};
pub use shell::mail::{MailRoute, MailRouteError};
pub use shell::retention::{Bytes, Retention};
pub use shell::server::{Config, Error, Listening, ManyUsers, run};
pub use shell::userlog::write_for_schedd;
