//! What the schedd keeps: the queue, classes, places and indexes. Decides nothing; imports only
//! what is stored (`records`), the core's `words`, and what jobs are by themselves (`job`).

pub(crate) mod classes;
pub(crate) mod config;
pub(crate) mod core;
pub(crate) mod dependencies;
pub(crate) mod dirty;
pub(crate) mod event_log;
pub(crate) mod fence;
pub(crate) mod gangs;
pub(crate) mod index;
pub(crate) mod limits;
pub(crate) mod parties;
pub(crate) mod places;
pub(crate) mod promises;
pub(crate) mod queued;
pub(crate) mod reserved;
pub(crate) mod round;
pub(crate) mod run_counts;
pub(crate) mod statistics;
pub(crate) mod waiting;
pub(crate) mod whose;
