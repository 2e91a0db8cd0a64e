//! How much scratch space runs use: their folders are walked now and then, away from the engine. Knows nothing of limits.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::engine::EngineInput;
use crate::core::RunKey;

/// How often folders are walked: a folder of a hundred thousand files takes most of a second.
const EVERY_MS: u64 = 30_000;

/// Entries of one folder that are looked at: one that has more is shown as using what these use.
const MAX_ENTRIES: usize = 100_000;

/// Bytes in a block, as the kernel counts them.
const BLOCK_BYTES: u64 = 512;

/// What the runs are known to use.
#[derive(Debug)]
pub(crate) struct DiskUse {
    engine: mpsc::Sender<EngineInput>,
    known_kib: BTreeMap<RunKey, u64>,
    /// When folders may be walked again; none while they are.
    next_ms: Option<u64>,
}

impl DiskUse {
    pub(crate) fn new(engine: mpsc::Sender<EngineInput>) -> Self {
        Self { engine, known_kib: BTreeMap::new(), next_ms: Some(0) }
    }

    /// Begins to measure the folders of these runs, if it is time; [`EngineInput::DiskMeasured`] follows.
    pub(crate) fn measure(&mut self, now_ms: u64, runs: Vec<(RunKey, PathBuf)>) {
        // A run that nothing is known of yet may be over before the next time.
        let news = runs.iter().any(|(key, _)| !self.known_kib.contains_key(key));
        if self.next_ms.is_none_or(|next| now_ms < next && !news) {
            return;
        }
        self.next_ms = None;
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let walk = move || runs.into_iter().map(|(key, path)| (key, used_kib(&path))).collect();
            let measured = spawn_blocking(walk).await.unwrap_or_default();
            // An engine that has ended does not want to know.
            let _ = engine.send(EngineInput::DiskMeasured(measured)).await;
        });
    }

    /// Takes what was measured.
    pub(crate) fn take(&mut self, now_ms: u64, measured: Vec<(RunKey, u64)>) {
        self.next_ms = Some(now_ms + EVERY_MS);
        for (key, kib) in measured {
            let known = self.known_kib.entry(key).or_default();
            *known = kib.max(*known);
        }
    }

    /// The most that a run was seen to use, KiB.
    pub(crate) fn of(&self, key: RunKey) -> u64 {
        self.known_kib.get(&key).copied().unwrap_or(0)
    }

    /// Forgets a run that is over.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.known_kib.remove(&key);
    }
}

/// What a folder and all in it take on the disk, KiB. What cannot be read, or vanishes meanwhile, counts for nothing; links are not
/// followed.
fn used_kib(folder: &Path) -> u64 {
    let (mut blocks, mut left) = (0, MAX_ENTRIES);
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            if left == 0 {
                return blocks * BLOCK_BYTES / 1024;
            }
            left -= 1;
            let Ok(found) = entry.metadata() else { continue };
            blocks += found.blocks();
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    blocks * BLOCK_BYTES / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_uses_what_all_in_it_uses_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let empty = used_kib(folder.path());
        fs::write(folder.path().join("a/b/file"), vec![7; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        let used = used_kib(folder.path());
        assert!((1024..1024 + 256).contains(&(used - empty)), "{empty}, {used}");
        assert_eq!(used_kib(&folder.path().join("nowhere")), 0);
    }
}
