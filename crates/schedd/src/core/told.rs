//! What users are told of events: their logs, their mail, how far their files are.

pub(crate) mod log_files;
pub(crate) mod log_view;
pub(crate) mod mail_view;
pub(crate) mod transfer_view;
