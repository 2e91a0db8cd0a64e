//! What policies of jobs and of the administrator say about a job. Knows neither claims nor users'
//! commands.

pub(crate) mod along;
pub(crate) mod at_end;
pub(crate) mod dependencies;
pub(crate) mod holds;
pub(crate) mod periodic;
pub(crate) mod run_one;
