//! Verbs about machines, daemons and users' accounts.

pub mod daemon_ads;
pub mod status;
pub mod userprio;
pub mod who;
