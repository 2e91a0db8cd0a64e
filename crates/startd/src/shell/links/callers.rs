//! Where the schedds of other machines are called, which this machine cannot be called by, and as
//! whom. It is kept in a file, so that a startd that is started again finds them without the
//! negotiator. Who calls, and when, is not known here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ScheddName;
use proto::net::{Believed, Far, Membership};
use proto::trust::{self, TrustError};

/// The file of addresses in the state folder.
const FILE: &str = "called.json";

/// The schedds that this machine calls.
#[derive(Debug)]
pub(crate) struct CalledSchedds {
    machine: String,
    membership: Arc<Membership>,
    file: PathBuf,
    addresses: Mutex<BTreeMap<String, String>>,
}

impl CalledSchedds {
    /// Those of the machine of that name, with its file in the state folder.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn open(
        machine: &str,
        membership: Arc<Membership>,
        state_dir: &Path,
    ) -> Result<Self, TrustError> {
        let file = state_dir.join(FILE);
        let addresses = Mutex::new(trust::read(&file)?.unwrap_or_default());
        Ok(Self { machine: machine.to_owned(), membership, file, addresses })
    }

    fn addresses(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this machine has of its membership.
    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The name under which it calls.
    pub(crate) fn machine(&self) -> &str {
        &self.machine
    }

    /// The schedds that were called before.
    pub(crate) fn known(&self) -> Vec<ScheddName> {
        self.addresses().keys().map(|name| ScheddName::new(name)).collect()
    }

    /// How a schedd is called.
    pub(crate) fn far(&self, schedd: &ScheddName) -> Option<Far> {
        let address = self.addresses().get(schedd.as_str())?.clone();
        let membership = Arc::clone(&self.membership);
        Some(Far { address, membership, believed: Believed::Authorities })
    }

    /// Takes note of where a schedd is called; whether that is news.
    pub(crate) fn set(&self, schedd: &ScheddName, address: &str) -> bool {
        let mut all = self.addresses();
        if all.get(schedd.as_str()).is_some_and(|known| known == address) {
            return false;
        }
        all.insert(schedd.to_string(), address.to_owned());
        if let Err(error) = trust::write(&self.file, &*all) {
            tracing::error!(%error, "a restart will not know where to call");
        }
        true
    }
}
