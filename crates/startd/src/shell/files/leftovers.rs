//! What is left of files that were being written when a machine or a program died: nobody knows
//! their names, so they are looked for where something is written next, each folder once a day.
//! They are known by the end of their names and by their age. What is written there is not known.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use proto::clock;
use proto::files::PARTIAL;

/// So long after its last byte nobody writes a file any more.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// How many folders are remembered as looked through.
const FOLDERS_MAX: usize = 4096;

/// When a folder (its device and inode) was looked through, on the clock of this boot.
static LOOKED: Mutex<BTreeMap<(u64, u64), u64>> = Mutex::new(BTreeMap::new());

/// Whether somebody else looks through folders, and this process through none.
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// From now on this process looks through no folder: it lives for one run, so that every run of a
/// cluster would look through the same one.
pub(crate) fn leave_to_others() {
    IS_LEFT.store(true, Ordering::Relaxed);
}

/// Removes what is left in a folder, if nobody has looked there today. What cannot be looked at or
/// removed stays.
pub(crate) fn remove(folder: &Path) {
    if IS_LEFT.load(Ordering::Relaxed) {
        return;
    }
    // A file server that does not answer holds up who writes there, and nobody else.
    let Ok(found) = fs::metadata(folder) else { return };
    let mut looked = LOOKED.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_due(&mut looked, (found.dev(), found.ino()), clock::now().boot_ms) {
        return;
    }
    drop(looked);
    if let Err(error) = remove_all(folder, now()) {
        tracing::debug!(folder = %folder.display(), %error, "cannot look for what is left of files");
    }
}

/// What the clock on the wall says, to compare with what files say.
fn now() -> SystemTime {
    let since = u64::try_from(clock::now().wall.as_millis()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(since)
}

fn is_due(looked: &mut BTreeMap<(u64, u64), u64>, id: (u64, u64), now_ms: u64) -> bool {
    let again_ms = looked.get(&id).map_or(0, |at_ms| at_ms + OLD.as_secs() * 1000);
    if looked.len() >= FOLDERS_MAX {
        looked.clear();
    }
    let is_due = now_ms >= again_ms;
    if is_due {
        looked.insert(id, now_ms);
    }
    is_due
}

fn remove_all(folder: &Path, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().ends_with(PARTIAL.as_bytes()) {
            continue;
        }
        // Of a link, when it was made; what it leads to is not ours.
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified().ok().and_then(|at| now.duration_since(at).ok());
        if !found.is_dir() && age.is_some_and(|age| age >= OLD) {
            let removed = fs::remove_file(entry.path());
            tracing::info!(file = %entry.path().display(), ?removed, "what was left of a file");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_file_goes_when_it_is_old_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let (partial, file) = (format!("r.csv.x1{PARTIAL}"), "r.csv".to_owned());
        for name in [&partial, &file] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        let left = || fs::read_dir(folder.path()).unwrap().count();
        let written = fs::metadata(folder.path().join(&partial)).unwrap().modified().unwrap();
        remove_all(folder.path(), written + OLD - Duration::from_nanos(1)).unwrap();
        assert_eq!(left(), 2, "somebody may be writing it");
        remove_all(folder.path(), written + OLD).unwrap();
        assert_eq!(left(), 1);
        assert!(folder.path().join(file).exists());
        let mut looked = BTreeMap::new();
        let day_ms = OLD.as_secs() * 1000;
        for (id, now_ms, expected) in [
            ((1, 7), 5, true),
            ((1, 7), 5 + day_ms - 1, false),
            ((1, 8), 6, true),
            ((2, 7), 6, true),
            ((1, 7), 5 + day_ms, true),
        ] {
            assert_eq!(is_due(&mut looked, id, now_ms), expected, "{id:?} at {now_ms}");
        }
    }
}
