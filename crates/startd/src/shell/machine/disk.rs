//! How much scratch space runs use: their folders are walked, away from the engine. When that is
//! done, and what follows, is the core's matter.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use proto::clock;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::core::{DiskUsed, Input, RunKey};
use crate::shell::engine::EngineInput;

/// Entries of one folder that are looked at: one that has more is shown as using what these use.
const MAX_ENTRIES: u64 = 100_000;

/// Bytes in a block, as the kernel counts them.
const BLOCK_BYTES: u64 = 512;

/// Begins to measure the folders of these runs; [`Input::DiskMeasured`] follows.
pub(crate) fn measure(engine: mpsc::Sender<EngineInput>, runs: Vec<(RunKey, PathBuf)>) {
    tokio::spawn(async move {
        let walk = move || {
            let began = clock::now();
            let used = runs.into_iter().map(|(key, path)| (key, used(&path))).collect();
            (used, clock::now().boot_ms.saturating_sub(began.boot_ms))
        };
        let (used, took_ms) = spawn_blocking(walk).await.unwrap_or_default();
        // An engine that has ended does not want to know.
        let _ = engine.send(EngineInput::Core(Input::DiskMeasured { used, took_ms })).await;
    });
}

/// What a folder and all in it take on the disk. What cannot be read, or vanishes meanwhile, counts
/// for nothing; links are not followed.
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
