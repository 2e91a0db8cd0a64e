//! The resources of machines by name: as jobs ask for them, and as machines tell of them.

use classad::AttrName;
use model::attr;

/// A resource, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    Cpus,
    Memory,
    Disk,
    Custom(String),
}

impl Wanted {
    /// The resource that an attribute of a job asks for.
    pub(crate) fn by_request(name: &AttrName) -> Option<Self> {
        let (prefix, resource) = name.as_str().split_at_checked(attr::REQUEST_PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(attr::REQUEST_PREFIX) {
            return None;
        }
        match resource.to_ascii_lowercase().as_str() {
            // RequestedChroot and its like are no requests.
            "" => None,
            other if other.starts_with("ed") => None,
            "cpus" => Some(Self::Cpus),
            "memory" => Some(Self::Memory),
            "disk" => Some(Self::Disk),
            custom => Some(Self::Custom(custom.to_owned())),
        }
    }

    /// The resource of which an attribute of a slot tells how much is left. Of the custom ones only
    /// GPUs, which every pool that has them calls so.
    pub(crate) fn by_amount(name: &AttrName) -> Option<Self> {
        match name.as_str().to_ascii_lowercase().as_str() {
            "cpus" => Some(Self::Cpus),
            "memory" => Some(Self::Memory),
            "disk" => Some(Self::Disk),
            "gpus" => Some(Self::Custom("gpus".to_owned())),
            _ => None,
        }
    }
}
