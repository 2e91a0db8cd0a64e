//! The semantics of DAGMan, each as a script of what scripts and jobs do, and what comes of it:
//! submissions, scripts, and the end.

mod limits;
mod nodes;
mod orders;
mod restart;
mod wholes;
mod world;
