//! Verbs that a running job calls, or that are called for it.

pub mod chirp;
pub mod curl_plugin;
pub mod terminal;
