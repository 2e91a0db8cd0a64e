//! One machine: `core` decides, `shell` does.

pub mod core;
