//! The job queue: `core` decides, `shell` does.

pub mod core;
mod shell;

pub use shell::server::{Config, Error, run};
