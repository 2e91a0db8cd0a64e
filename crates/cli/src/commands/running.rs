//! Verbs that a running job calls, or that are called for it or beside it.

pub mod chirp;
pub mod curl_plugin;
pub mod ssh_to_job;
pub mod terminal;
