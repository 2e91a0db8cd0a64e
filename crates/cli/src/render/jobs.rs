//! Tables and sums of jobs, in the queue and after it.

pub(crate) mod autocluster;
pub(crate) mod batch;
pub mod finished;
pub mod gathered;
pub mod history;
pub mod one;
pub mod queue;
pub mod totals;
