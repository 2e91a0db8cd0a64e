//! What a job is by its description alone: its ad, its policies, its times, what it takes from its
//! machine. Knows no queue.

pub(crate) mod cron;
pub(crate) mod description;
pub(crate) mod expansion;
pub(crate) mod own;
pub(crate) mod policies;
pub(crate) mod system;
pub(crate) mod timing;
pub(crate) mod watch;
