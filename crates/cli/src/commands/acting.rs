//! Verbs that do something to jobs in the queue.

pub mod act;
pub mod continue_job;
pub mod hold;
pub mod prio;
pub mod qedit;
pub mod release;
pub mod retry;
pub mod rm;
pub mod suspend;
pub mod transfer_data;
pub mod vacate_job;
