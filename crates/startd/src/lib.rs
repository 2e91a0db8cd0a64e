//! One machine: `core` decides, `shell` does.

pub mod core;
pub mod shell;

pub use shell::machine::detect::{detected_cpus, detected_memory_mib};
pub use shell::machine::settings::{Inventory, MachineSettings, NamedResource};
pub use shell::{Bounds, added_variables};
