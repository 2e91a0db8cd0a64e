//! How much scratch space runs use: their folders are walked now and then, away from the engine. Knows nothing of limits.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Now, Usage};
use proto::clock;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::core::RunKey;
use crate::shell::engine::EngineInput;

/// How often folders are walked at most.
const EVERY_MS: u64 = 5_000;

/// And for how many times as long as it took, they are left in peace: a folder of a hundred thousand files takes most of a second.
const PEACE: u32 = 50;

/// Entries of one folder that are looked at: one that has more is shown as using what these use.
const MAX_ENTRIES: u64 = 100_000;

/// Bytes in a block, as the kernel counts them.
const BLOCK_BYTES: u64 = 512;

/// What a scratch folder takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskUsed {
    /// On the disk, KiB.
    pub(crate) kib: u64,
    /// Files and folders in it.
    pub(crate) files: u64,
}

impl DiskUsed {
    /// The same usage, with this in it.
    pub(crate) fn within(self, usage: Usage) -> Usage {
        Usage { disk_kib: self.kib, scratch_files: self.files, ..usage }
    }

    /// The most of both: what a run uses comes and goes.
    pub(crate) fn or_more(self, other: Self) -> Self {
        Self { kib: self.kib.max(other.kib), files: self.files.max(other.files) }
    }
}

/// What folders were measured to take, and how long that took.
#[derive(Debug, Default)]
pub(crate) struct DiskMeasured {
    used: Vec<(RunKey, DiskUsed)>,
    took: Duration,
}

/// What the runs are known to use.
#[derive(Debug)]
pub(crate) struct DiskUse {
    engine: mpsc::Sender<EngineInput>,
    known: BTreeMap<RunKey, DiskUsed>,
    /// When folders may be walked again; none while they are.
    next_ms: Option<u64>,
}

impl DiskUse {
    pub(crate) fn new(engine: mpsc::Sender<EngineInput>) -> Self {
        Self { engine, known: BTreeMap::new(), next_ms: Some(0) }
    }

    /// Begins to measure the folders of these runs, if it is time; [`EngineInput::DiskMeasured`] follows.
    pub(crate) fn measure(&mut self, now_ms: u64, runs: Vec<(RunKey, PathBuf)>) {
        // A run that nothing is known of yet may be over before the next time.
        let news = runs.iter().any(|(key, _)| !self.known.contains_key(key));
        if self.next_ms.is_none_or(|next| now_ms < next && !news) {
            return;
        }
        self.next_ms = None;
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let walk = move || {
                let began = clock::now();
                let used = runs.into_iter().map(|(key, path)| (key, used(&path))).collect();
                let took_ms = clock::now().boot_ms.saturating_sub(began.boot_ms);
                DiskMeasured { used, took: Duration::from_millis(took_ms) }
            };
            let measured = spawn_blocking(walk).await.unwrap_or_default();
            // An engine that has ended does not want to know.
            let _ = engine.send(EngineInput::DiskMeasured(measured)).await;
        });
    }

    /// Takes what was measured.
    pub(crate) fn take(&mut self, now: Now, measured: DiskMeasured) {
        let peace = measured.took * PEACE;
        self.next_ms = Some(now.deadline(peace.max(Duration::from_millis(EVERY_MS))));
        for (key, used) in measured.used {
            let known = self.known.entry(key).or_default();
            *known = known.or_more(used);
        }
    }

    /// The most that a run was seen to use.
    pub(crate) fn of(&self, key: RunKey) -> DiskUsed {
        self.known.get(&key).copied().unwrap_or_default()
    }

    /// Forgets a run that is over.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.known.remove(&key);
    }
}

/// What a folder and all in it take on the disk. What cannot be read, or vanishes meanwhile, counts for nothing; links are not
/// followed.
pub(crate) fn used(folder: &Path) -> DiskUsed {
    let (mut blocks, mut files) = (0, 0);
    let mut open = vec![folder.to_owned()];
    'folders: while let Some(path) = open.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            if files == MAX_ENTRIES {
                break 'folders;
            }
            files += 1;
            let Ok(found) = entry.metadata() else { continue };
            blocks += found.blocks();
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    DiskUsed { kib: blocks * BLOCK_BYTES / 1024, files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_uses_what_all_in_it_uses_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let empty = used(folder.path());
        fs::write(folder.path().join("a/b/file"), vec![7; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let full = used(folder.path());
        assert!((1024..1024 + 256).contains(&(full.kib - empty.kib)), "{empty:?}, {full:?}");
        assert_eq!((empty.files, full.files), (2, 4));
        assert_eq!(used(&folder.path().join("nowhere")), DiskUsed::default());
    }
}
