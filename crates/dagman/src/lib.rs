//! DAGMan: a workflow is a graph of nodes, each a cluster of jobs with scripts around it.
//!
//! - [`language`] reads DAG files; its grammar is `grammar/dag.pest`.
//! - [`workflow`] is what a DAG file means: nodes, edges and settings, assembled and checked.
//! - [`record`] is what it leaves for people and programs to read.
//! - [`shell`] is the process that runs one.
//! - [`core`] decides what becomes of a workflow that runs.
//!
//! The language and the workflow are pure: files are reached through a trait, so a test needs none.

pub mod core;
pub mod language;
pub mod record;
pub mod shell;
pub mod workflow;

pub use workflow::Workflow;
