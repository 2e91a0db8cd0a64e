//! What the queue file must at least contain, kept in a small file beside it: so that a queue that
//! was removed, emptied, cut off or put back from long ago is refused, and not taken for a new or
//! the present one. Knows no SQL.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The first bytes of every SQLite file.
const HEADER: &[u8] = b"SQLite format 3\0";

/// How the queue was when it was looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which of the queues that were put in this place it is: each restore makes a new one.
    pub generation: u64,
    /// The last position of the record.
    pub last_event: u64,
}

/// Why a queue file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// There was one.
    #[error("{} {what}, and {} tells of a queue with {} events. {}", path.display(), mark_path.display(), mark.last_event, WHAT_TO_DO)]
    Gone { path: PathBuf, what: &'static str, mark_path: PathBuf, mark: Mark },
    /// It is no queue file, or damaged.
    #[error("{} is damaged. {}", path.display(), WHAT_TO_DO)]
    Damaged {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something is missing at its end.
    #[error(
        "{} ends with event {found}, and {} tells of {}: its end was lost (the file beside it, {}-wal, belongs to it), or it is an older copy. {}",
        path.display(), mark_path.display(), mark.last_event, path.display(), WHAT_TO_DO
    )]
    Behind { path: PathBuf, found: u64, mark_path: PathBuf, mark: Mark },
    /// It was replaced.
    #[error(
        "{} is of generation {found}, and {} tells of {}: it is an older copy that nobody restored. {}",
        path.display(), mark_path.display(), mark.generation, WHAT_TO_DO
    )]
    Older { path: PathBuf, found: u64, mark_path: PathBuf, mark: Mark },
    /// It is not the file any more that was opened.
    #[error("{} was removed or replaced while it was in use", path.display())]
    Replaced { path: PathBuf },
    /// The mark cannot be read or written.
    #[error("use {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What a person can do about it.
const WHAT_TO_DO: &str = "Put back a backup with `updraft pool restore FILE`; or, to go on with what is there and without what \
                          is missing, remove that file of the mark (queue.mark)";

/// The mark's file, beside the queue's.
fn path_of(queue: &Path) -> PathBuf {
    queue.with_extension("mark")
}

/// The mark, if there is one.
///
/// # Errors
///
/// If it cannot be read. A torn or foreign one is an error too: it was written whole.
pub(super) fn read(queue: &Path) -> Result<Option<Mark>, Unfit> {
    let path = path_of(queue);
    let file = |source| Unfit::File { path: path.clone(), source };
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| file(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(error)),
    }
}

/// Writes it: whole, or as it was.
///
/// # Errors
///
/// If it cannot be written.
pub(super) fn write(queue: &Path, mark: Mark, durably: bool) -> Result<(), Unfit> {
    let path = path_of(queue);
    let new = queue.with_extension("mark.new");
    let put = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        serde_json::to_writer(&mut file, &mark)?;
        file.flush()?;
        if durably {
            file.sync_all()?;
        }
        fs::rename(&new, &path)
    };
    put().map_err(|source| Unfit::File { path: path.clone(), source })
}

/// Looks at the queue file before it is opened: opening would make a new one where it is gone.
///
/// # Errors
///
/// If it is not what the mark tells of.
pub(super) fn check_file(queue: &Path, mark: Option<Mark>) -> Result<(), Unfit> {
    let gone = |what| match mark {
        // Nothing was in it.
        None | Some(Mark { last_event: 0, generation: 0 }) => Ok(()),
        Some(mark) => {
            Err(Unfit::Gone { path: queue.to_owned(), what, mark_path: path_of(queue), mark })
        }
    };
    let mut begin = [0; HEADER.len()];
    let mut file = match fs::File::open(queue) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return gone("is missing"),
        Err(source) => return Err(Unfit::File { path: queue.to_owned(), source }),
    };
    match io::Read::read_exact(&mut file, &mut begin) {
        Ok(()) if begin == *HEADER => Ok(()),
        Err(error)
            if error.kind() == io::ErrorKind::UnexpectedEof && begin == [0; HEADER.len()] =>
        {
            gone("is empty")
        }
        Ok(()) | Err(_) => Err(damaged(queue, "it does not begin as a queue file does")),
    }
}

pub(super) fn damaged(
    queue: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Unfit {
    Unfit::Damaged { path: queue.to_owned(), source: source.into() }
}

/// Compares what is in the queue with the mark.
///
/// # Errors
///
/// If it is less.
pub(super) fn check_content(queue: &Path, found: Mark, mark: Option<Mark>) -> Result<(), Unfit> {
    let Some(mark) = mark else { return Ok(()) };
    let (path, mark_path) = (queue.to_owned(), path_of(queue));
    if found.generation < mark.generation {
        return Err(Unfit::Older { path, found: found.generation, mark_path, mark });
    }
    if found.generation == mark.generation && found.last_event < mark.last_event {
        return Err(Unfit::Behind { path, found: found.last_event, mark_path, mark });
    }
    Ok(())
}

/// Which file is at a path: its device and number.
pub(super) type FileId = (u64, u64);

pub(super) fn id_of(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { generation: 2, last_event: 9 };

    #[test]
    fn a_queue_file_is_refused_unless_it_is_what_the_mark_tells_of() {
        let check = |content: Option<&[u8]>, mark: Option<Mark>, expected: Result<(), &str>| {
            let dir = tempfile::tempdir().unwrap();
            let queue = dir.path().join("queue.db");
            if let Some(content) = content {
                fs::write(&queue, content).unwrap();
            }
            let found = check_file(&queue, mark).map_err(|unfit| unfit.to_string());
            match (&found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (found, expected) => panic!("{content:?} {mark:?}: {found:?}, not {expected:?}"),
            }
        };
        check(None, None, Ok(()));
        check(Some(b""), None, Ok(()));
        check(None, Some(Mark::default()), Ok(()));
        check(None, Some(MARK), Err("is missing"));
        check(Some(b""), Some(MARK), Err("is empty"));
        check(Some(&[0; 4096]), None, Err("is damaged"));
        check(Some(b"hello"), Some(MARK), Err("is damaged"));
        check(Some(&[HEADER, &[1; 99]].concat()), Some(MARK), Ok(()));
    }

    #[test]
    fn what_is_in_a_queue_is_not_less_than_the_mark_tells() {
        let check = |generation, last_event, fits: bool| {
            let found = Mark { generation, last_event };
            assert_eq!(check_content(Path::new("q"), found, Some(MARK)).is_ok(), fits, "{found:?}");
        };
        check(2, 9, true);
        check(2, 10, true);
        check(2, 8, false);
        check(1, 10, false);
        // Restored, and the mark of before not yet replaced.
        check(3, 1, true);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().join("queue.db");
        assert_eq!(read(&queue).unwrap(), None);
        write(&queue, MARK, true).unwrap();
        assert_eq!(read(&queue).unwrap(), Some(MARK));
        fs::write(path_of(&queue), "{").unwrap();
        assert!(read(&queue).is_err());
    }
}
