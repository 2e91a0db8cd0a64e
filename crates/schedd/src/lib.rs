//! The job queue: `core` decides, `shell` does.

pub mod core;
