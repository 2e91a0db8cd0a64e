//! What a job asks for and a slot has: processors, memory, disk, and whatever else a machine
//! counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which ones of each custom resource, by the name that its administrator gave it (`GPUs`): their
/// ids, or none where they have none.
pub type Devices = BTreeMap<String, Vec<String>>;

/// An amount of each thing that a machine shares out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resources {
    /// Processors (`Cpus`).
    pub cpus: u32,
    /// Memory (`Memory`), MiB.
    pub memory_mib: u64,
    /// Scratch space (`Disk`), KiB.
    pub disk_kib: u64,
    /// Resources that an administrator named (`MACHINE_RESOURCE_<name>`, GPUs), by lower-case name.
    #[serde(default)]
    pub custom: BTreeMap<String, u64>,
}

impl Resources {
    /// Whether `request` can be carved out of this.
    pub fn covers(&self, request: &Self) -> bool {
        self.shortage(request).is_none()
    }

    /// The first resource that `request` wants more of than there is, by its attribute name; a
    /// custom one by its lower-case name.
    pub fn shortage<'r>(&self, request: &'r Self) -> Option<&'r str> {
        if request.cpus > self.cpus {
            Some("Cpus")
        } else if request.memory_mib > self.memory_mib {
            Some("Memory")
        } else if request.disk_kib > self.disk_kib {
            Some("Disk")
        } else {
            let have = |name: &String| self.custom.get(name).copied().unwrap_or(0);
            let short = request.custom.iter().find(|(name, n)| have(name) < **n);
            short.map(|(name, _)| name.as_str())
        }
    }

    /// What is left after `part` is carved out, or `None` if it does not fit.
    #[must_use]
    pub fn minus(&self, part: &Self) -> Option<Self> {
        let mut custom = self.custom.clone();
        for (name, n) in &part.custom {
            let have = custom.get_mut(name).filter(|have| **have >= *n);
            match (have, n) {
                (Some(have), _) => *have -= n,
                (None, 0) => {}
                (None, _) => return None,
            }
        }
        Some(Self {
            cpus: self.cpus.checked_sub(part.cpus)?,
            memory_mib: self.memory_mib.checked_sub(part.memory_mib)?,
            disk_kib: self.disk_kib.checked_sub(part.disk_kib)?,
            custom,
        })
    }

    /// What is left when so much of it is used; nothing of what is used up.
    #[must_use]
    pub fn less(&self, used: &Self) -> Self {
        let custom = self.custom.iter().map(|(name, have)| {
            let used = used.custom.get(name).copied().unwrap_or_default();
            (name.clone(), have.saturating_sub(used))
        });
        Self {
            cpus: self.cpus.saturating_sub(used.cpus),
            memory_mib: self.memory_mib.saturating_sub(used.memory_mib),
            disk_kib: self.disk_kib.saturating_sub(used.disk_kib),
            custom: custom.collect(),
        }
    }

    /// Of each thing the larger amount.
    #[must_use]
    pub fn or_more(&self, other: &Self) -> Self {
        self.plus(&other.less(self))
    }

    /// This and `part` together: what a slot is again after `part` came back.
    #[must_use]
    pub fn plus(&self, part: &Self) -> Self {
        let mut custom = self.custom.clone();
        for (name, n) in &part.custom {
            *custom.entry(name.clone()).or_insert(0) += n;
        }
        Self {
            cpus: self.cpus + part.cpus,
            memory_mib: self.memory_mib + part.memory_mib,
            disk_kib: self.disk_kib + part.disk_kib,
            custom,
        }
    }

    /// The same, with a processor at least.
    #[must_use]
    pub fn at_least_one_cpu(&self) -> Self {
        Self { cpus: self.cpus.max(1), ..self.clone() }
    }

    /// Rounded up to the steps in which HTCondor's startd carves (`MODIFY_REQUEST_EXPR_*`: 1 cpu,
    /// 128 MiB, 1024 KiB).
    #[must_use]
    pub fn quantized(&self) -> Self {
        Self {
            cpus: self.cpus.max(1),
            memory_mib: self.memory_mib.max(1).next_multiple_of(128),
            disk_kib: self.disk_kib.max(1).next_multiple_of(1024),
            custom: self.custom.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(cpus: u32, memory_mib: u64, gpus: u64) -> Resources {
        Resources { cpus, memory_mib, disk_kib: 4096, custom: [("gpus".to_owned(), gpus)].into() }
    }

    #[test]
    fn carving_and_giving_back_is_the_identity() {
        let whole = some(4, 1024, 2);
        let part = Resources { disk_kib: 1024, ..some(1, 128, 1) };
        assert_eq!(whole.minus(&part).map(|rest| rest.plus(&part)), Some(whole));
    }

    #[test]
    fn what_is_used_up_is_nothing_and_of_two_amounts_one_is_larger() {
        let none = Resources { disk_kib: 0, ..some(0, 0, 0) };
        assert_eq!(some(4, 1, 2).less(&some(1, 100, 3)), Resources { cpus: 3, ..none.clone() });
        assert_eq!(Resources::default().less(&some(1, 1, 1)), Resources::default());
        assert_eq!(Resources::default().or_more(&some(1, 2, 3)), some(1, 2, 3));
        assert_eq!(some(4, 1, 2).or_more(&some(1, 100, 3)), some(4, 100, 3));
    }

    #[test]
    fn what_does_not_fit_is_named_and_not_carved() {
        for (request, short) in
            [(some(5, 1, 0), "Cpus"), (some(1, 9999, 0), "Memory"), (some(1, 1, 3), "gpus")]
        {
            assert_eq!(some(4, 1024, 2).shortage(&request), Some(short));
            assert_eq!(some(4, 1024, 2).minus(&request), None);
        }
    }
}
