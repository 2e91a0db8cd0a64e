//! Verbs that show jobs, or wait for them: in the queue, in history, in the record, in event logs.

pub mod events;
pub mod history;
pub mod log_jobs;
pub mod log_wait;
pub mod q;
pub mod show;
pub mod tail;
pub mod wait;
pub mod watch_q;
pub mod watched;
