//! A file beside the queue that only takes room: given up when the disk is so full that the queue
//! cannot be opened, because its write-ahead log cannot be moved into it, and taken again when that
//! is done. So a disk that the pool alone has filled is no disk on which its schedd never starts
//! again. Knows no SQL.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

/// More than the write-ahead log has before it is moved into the main file, bytes.
const MOST_BYTES: u64 = 48 << 20;

/// A page of SQLite's, bytes.
const PAGE_BYTES: u64 = 4096;

/// At most this part of the disk.
const PART_OF_DISK: u64 = 8;

/// A disk with less free room than this is full, bytes.
const FULL_BYTES: u64 = 256 << 10;

/// Whether nothing more can be written where the queue is.
pub(crate) fn is_needed(queue: &Path) -> bool {
    room(queue).is_some_and(|room| room.free_bytes < FULL_BYTES)
}

/// Gives the room back; whether there was any.
pub(crate) fn release(queue: &Path) -> bool {
    fs::remove_file(path_of(queue)).is_ok()
}

/// Takes the room, if it is not taken and the disk has twice as much. Doing without is no failure:
/// it is looked for again at the next start.
pub(crate) fn keep(queue: &Path) {
    let Some(room) = room(queue) else { return };
    let bytes = room.kept_bytes();
    let path = path_of(queue);
    let has = fs::symlink_metadata(&path).map_or(0, |found| found.len());
    if has >= bytes || room.free_bytes < 2 * bytes {
        return;
    }
    if let Err(error) = take(&path, bytes) {
        tracing::info!(path = %path.display(), %error, "no room is kept for a full disk");
        // What has half of it is of no use.
        let _ = fs::remove_file(&path);
    }
}

/// How many pages the write-ahead log may have before it is moved into the main file, `most` where
/// the disk is large: what is kept is enough for them, if each is a new page of the main file, and
/// for the transaction that was the last one before.
pub(crate) fn log_pages(queue: &Path, most: u32) -> u32 {
    let kept = room(queue).map_or(MOST_BYTES, |room| room.kept_bytes());
    u32::try_from(kept / 3 * 2 / PAGE_BYTES).map_or(most, |pages| pages.min(most)).max(1)
}

fn take(path: &Path, bytes: u64) -> io::Result<()> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    fallocate(file.as_fd(), FallocateFlags::empty(), 0, length)?;
    Ok(())
}

fn path_of(queue: &Path) -> PathBuf {
    let mut path = queue.as_os_str().to_owned();
    path.push("-ballast");
    path.into()
}

struct Room {
    all_bytes: u64,
    free_bytes: u64,
}

impl Room {
    fn kept_bytes(&self) -> u64 {
        MOST_BYTES.min(self.all_bytes / PART_OF_DISK)
    }
}

fn room(queue: &Path) -> Option<Room> {
    let found = statvfs(queue.parent()?).ok()?;
    let block = found.fragment_size();
    Some(Room { all_bytes: found.blocks() * block, free_bytes: found.blocks_available() * block })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_enough_for_the_write_ahead_log() {
        let small = Room { all_bytes: 12 << 20, free_bytes: 12 << 20 };
        assert_eq!(small.kept_bytes(), 3 << 19);
        let large = Room { all_bytes: 1 << 40, free_bytes: 0 };
        assert_eq!(large.kept_bytes(), MOST_BYTES);
        let folder = tempfile::tempdir().unwrap();
        let pages = u64::from(log_pages(&folder.path().join("queue.db"), 8000));
        assert!(pages <= 8000 && pages * PAGE_BYTES < MOST_BYTES, "{pages}");
    }

    #[test]
    fn room_is_taken_once_and_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("queue.db");
        assert!(!release(&queue), "there is none yet");
        keep(&queue);
        let kept = fs::metadata(path_of(&queue)).unwrap().len();
        assert!(kept > 0 && kept <= MOST_BYTES, "{kept}");
        keep(&queue);
        assert_eq!(fs::metadata(path_of(&queue)).unwrap().len(), kept);
        assert!(release(&queue) && !path_of(&queue).exists());
    }
}
