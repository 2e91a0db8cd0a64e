//! What users are told of events: their logs, their mail, how far their files are.

pub(crate) mod factory_view;
pub(crate) mod log_files;
pub(crate) mod log_view;
pub(crate) mod mail_pbs;
pub(crate) mod mail_view;
pub(crate) mod run_entry;
pub(crate) mod submit_entry;
pub(crate) mod told_of;
pub(crate) mod transfer_view;
