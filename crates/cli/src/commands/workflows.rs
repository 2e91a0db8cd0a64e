//! Workflows: a DAG becomes a job that runs it.

pub mod dag;
pub mod dag_checker;
mod dag_files;
pub mod dagman;
pub mod seeing;
mod standing;
pub mod submit_dag;
mod telling;
