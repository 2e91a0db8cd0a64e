//! What is said of a run's files: what there is to be seen to, what the carrier is told to do, and
//! what came of it. Read from the job's ad once, when the run is accepted. Which files they are,
//! and how they are moved, is the carrier's matter.

use std::sync::Arc;

use classad::{ClassAd, Env, Value};
pub use model::job_ad::StarterLog;
use model::job_ad::{Deferral, manifest_folder, skips_if_up_to_date};
use model::{Now, OnEvict, RunEnd, StartFailure, Usage, attr, files_travel, on_evict};
use serde::{Deserialize, Serialize};

use crate::core::records::keys::{RunKey, Stop};

/// What a machine has to do for a run's files, before its program begins and after it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freight {
    /// The files are brought to the run's scratch folder, and what came of it is brought back.
    pub travels: bool,
    /// It is looked first whether the run need be: its outputs may be newer than its inputs
    /// (`skip_if_dataflow`).
    pub looks: bool,
    /// What there is to do when the program has ended.
    pub store: Store,
    /// More than what the job has said is expected of a run that is stopped
    /// (`when_to_transfer_output = ON_EXIT_OR_EVICT`).
    pub keeps: bool,
    /// Its scratch folder is its owner's, and is made by a process of his, as files are brought: in
    /// a pool of many users.
    #[serde(default)]
    pub is_owners: bool,
    /// The owner's number then, which is that of who submitted it. It is in the journal: after a
    /// restart nobody is asked whose the run is.
    #[serde(default)]
    pub owner_uid: Option<u32>,
}

/// What there is to do when a run's program has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Store {
    /// Nothing: the files are where they belong.
    #[default]
    Nothing,
    /// The manifest of the folder in which the job ran is completed.
    Manifest,
    /// Files are brought back.
    Files,
    /// The run was accepted by a version that did not write this down: the carrier knows.
    AsPlanned,
}

impl Freight {
    /// What a job wants on a machine of this `FileSystemDomain`, where runs are their owners' or
    /// all one user's.
    pub(in crate::core) fn of(job: &ClassAd, file_system_domain: &str, is_owners: bool) -> Self {
        let travels = files_travel(job, file_system_domain);
        Self {
            travels,
            looks: skips_if_up_to_date(job),
            store: match (travels, manifest_folder(job).is_some()) {
                (true, _) => Store::Files,
                (false, true) => Store::Manifest,
                (false, false) => Store::Nothing,
            },
            keeps: on_evict(job) != OnEvict::Nothing,
            is_owners,
            owner_uid: job
                .literal(attr::OWNER_UID)
                .and_then(Value::as_i64)
                .and_then(|uid| u32::try_from(uid).ok())
                .filter(|_| is_owners),
        }
    }

    /// Of a run in a journal that does not say.
    pub(in crate::core) fn of_earlier() -> Self {
        Self { store: Store::AsPlanned, ..Self::default() }
    }

    /// Whether something is to be done before the process can be started.
    pub(in crate::core) fn is_fetched(self) -> bool {
        self.travels || self.looks || self.store == Store::Manifest || self.is_owners
    }
}

/// When a job may start, seconds since 1970 by the machine's own clock (`DeferralTime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from_s: i64,
    pub until_s: i64,
}

impl Window {
    /// What a job says of that.
    pub(in crate::core) fn of(job: &ClassAd, now: Now) -> Option<Self> {
        let deferral = Deferral::of(job, &Env::at(now.wall.as_secs()))?;
        // A time that is no number has never come, and never will.
        let from_s = deferral.at_s.unwrap_or(i64::MIN);
        Some(Self { from_s, until_s: from_s.saturating_add(deferral.window_s) })
    }

    /// The moment on the boot clock at which it opens.
    pub(in crate::core) fn opens_ms(self, now: Now) -> u64 {
        let left_ms = self.from_s.saturating_mul(1000).saturating_sub(now.wall.as_millis());
        now.boot_ms.saturating_add(u64::try_from(left_ms).unwrap_or(0))
    }
}

/// What is kept of the order to start a run until its process starts. It is in the journal: a
/// startd that is restarted goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartOrder {
    /// The job's whole ad.
    pub job: Arc<ClassAd>,
    /// Where the job keeps what it has when it is evicted.
    pub spool: Option<Arc<str>>,
    /// When it may start, if its job says.
    pub window: Option<Window>,
}

/// How it came that a program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Nobody had asked for it.
    ByItself,
    /// It was stopped.
    Stopped,
    /// It was killed at once: nothing is waited for (HTCondor 25.14: `condor_vacate_job -fast`).
    Killed,
}

/// A program that has ended, and whose files are not back yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::core) struct Over {
    /// Since when it executed, and where, if it did.
    pub(in crate::core) started: Option<(model::Timestamp, String)>,
    pub(in crate::core) end: RunEnd,
    pub(in crate::core) usage: Usage,
    /// The order to end it that had been given by then. One that comes later changes nothing.
    pub(in crate::core) stop: Option<Stop>,
    pub(in crate::core) cause: Cause,
}

/// Bring back what came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BringBack {
    /// Of which run.
    pub key: RunKey,
    /// What there is to do.
    pub store: Store,
    /// How its program ended.
    pub end: RunEnd,
    pub cause: Cause,
    /// What its owner is told.
    pub log: Option<StarterLog>,
}

/// What the carrier of files reports. It holds nothing but the work in hand: what it does not
/// report is ordered again by the next startd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromCarrier {
    /// Its work before a program begins is done.
    BroughtIn {
        /// For which run.
        key: RunKey,
        /// What came of it.
        result: Box<Fetched>,
    },
    /// Its work after a program has ended is done.
    BroughtBack {
        /// For which run.
        key: RunKey,
        /// What came of it.
        stored: Box<Stored>,
    },
}

impl FromCarrier {
    /// Which run it is about.
    pub fn key(&self) -> &RunKey {
        match self {
            Self::BroughtIn { key, .. } | Self::BroughtBack { key, .. } => key,
        }
    }
}

/// What came of bringing a run's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fetched {
    /// They are there.
    There,
    /// The run need not be.
    UpToDate,
    /// They cannot be brought.
    Failed(StartFailure),
}

/// What came of bringing back a run's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// What was brought in before it began, bytes.
    pub received_bytes: u64,
    /// What was brought back.
    pub sent_bytes: u64,
    /// What its scratch folder took when its program had ended.
    pub disk: DiskUsed,
    /// Whether all is back.
    pub result: Result<(), StoreFailure>,
}

/// Why not everything is back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StoreFailure {
    /// A file could not be brought; the others are.
    File {
        /// The first one that could not be.
        path: String,
        /// The kernel's error number.
        errno: i32,
        /// Whether nothing failed but that the files are more than `MaxTransferOutputMB` allows.
        over_limit: bool,
        /// What a plug-in said of it: then the path is a URL.
        said: Option<String>,
    },
    /// Nobody knows any more what was to be brought back.
    Lost {
        /// What is known.
        reason: String,
    },
}

/// What a scratch folder takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUsed {
    /// On the disk, KiB.
    pub kib: u64,
    /// Files and folders in it.
    pub files: u64,
}

impl DiskUsed {
    /// The most of both: what a run uses comes and goes.
    pub fn or_more(self, other: Self) -> Self {
        Self { kib: self.kib.max(other.kib), files: self.files.max(other.files) }
    }

    /// The same usage, with at least this in it.
    pub(in crate::core) fn within(self, usage: Usage) -> Usage {
        let most = self.or_more(Self { kib: usage.disk_kib, files: usage.scratch_files });
        Usage { disk_kib: most.kib, scratch_files: most.files, ..usage }
    }
}
