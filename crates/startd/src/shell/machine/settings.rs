//! What a startd is told about its machine: what an administrator wants otherwise than it is found.

use std::path::PathBuf;

use classad::ClassAd;

use crate::shell::run::bounds::Bounds;

/// The settings of one machine.
#[derive(Clone, Debug, Default)]
pub struct MachineSettings {
    /// Processors to offer, instead of those found (HTCondor 25.14: `NUM_CPUS`).
    pub cpus: Option<u32>,
    /// Memory to offer, MiB, instead of that found (`MEMORY`).
    pub memory_mib: Option<u64>,
    /// Memory that is not offered of that found, MiB (`RESERVED_MEMORY`).
    pub reserved_memory_mib: u64,
    /// Programs that fetch and store files by URL, each with its first arguments; the first that
    /// speaks a protocol is used for it (`FILETRANSFER_PLUGINS`).
    pub plugins: Vec<Vec<PathBuf>>,
    /// Resources that an administrator named (`MACHINE_RESOURCE_<name>`).
    pub resources: Vec<NamedResource>,
    /// Attributes of the machine's ad: `Start`, and those that `STARTD_ATTRS` lists.
    pub attributes: ClassAd,
    /// What a run may have of the machine.
    pub bounds: Bounds,
}

/// A resource that an administrator named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedResource {
    /// Its name, as it is spelt in ads.
    pub tag: String,
    /// What there is of it.
    pub inventory: Inventory,
}

/// What there is of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inventory {
    /// So many, without names.
    Amount(u64),
    Ids(Vec<String>),
    /// What this command line prints (`MACHINE_RESOURCE_INVENTORY_<name>`).
    Script(String),
}
