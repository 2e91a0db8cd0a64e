//! One machine: `core` decides, `shell` does.

pub mod core;
pub mod shell;

pub use shell::detect::{detected_cpus, detected_memory_mib};
pub use shell::settings::{Inventory, NamedResource, Settings};
