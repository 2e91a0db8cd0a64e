//! A copy of the queue in one file, made while the schedd works or not, and put back while it does
//! not. What stands beside the queue (the files of spooled jobs) is not in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proto::whole_file;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::server::QUEUE_FILE;
use crate::shell::ledger;
use crate::shell::mark::{self, Mark, Unfit};
use crate::shell::store::{GENERATION, READ_LAST_EVENT, READ_NUMBER, WRITE_NUMBER};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already where the backup is to be.
    #[error("{} is there already: name a file that is not", path.display())]
    Exists { path: PathBuf },
    /// A file cannot be used.
    #[error("{doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The database cannot be read or written. An error of the database says what it is of in its
    /// own text, so that it is no source besides.
    #[error("{doing} {}: {said}", path.display())]
    Queue { doing: &'static str, path: PathBuf, said: String },
    /// What is to be restored is damaged.
    #[error("restore {}: it is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    /// The mark beside the queue.
    #[error(transparent)]
    Mark(#[from] Unfit),
}

fn file<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |source| BackupError::File { doing, path: path.to_owned(), source }
}

fn queue<'a>(doing: &'static str, path: &'a Path) -> impl Fn(sqlx::Error) -> BackupError + 'a {
    move |error| {
        let said = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        BackupError::Queue { doing, path: path.to_owned(), said }
    }
}

async fn open(path: &Path, writes: bool) -> Result<SqliteConnection, BackupError> {
    let options = SqliteConnectOptions::from_str("sqlite://").map_err(queue("open", path))?;
    let options = options.filename(path).read_only(!writes);
    let options = if writes { options.journal_mode(SqliteJournalMode::Delete) } else { options };
    options.connect().await.map_err(queue("open", path))
}

/// Copies the queue in `state_dir`, as it is at one moment, to `to`, which must not exist. The
/// schedd may run.
///
/// # Errors
///
/// If the queue cannot be read or the copy cannot be written: then there is none.
pub async fn backup(state_dir: &Path, to: &Path) -> Result<Mark, BackupError> {
    let from = state_dir.join(QUEUE_FILE);
    if to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let mut partial = to.as_os_str().to_owned();
    // Two who write to one place do not write into one file.
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let _ = fs::remove_file(&partial);
    let mut db = open(&from, false).await?;
    let name = partial.to_string_lossy().into_owned();
    sqlx::query("vacuum into ?").bind(name).execute(&mut db).await.map_err(queue("copy", &from))?;
    db.close().await.map_err(queue("copy", &from))?;
    let copied = content(&partial).await?;
    let keep = || {
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, to)?;
        whole_file::sync_folder_of(to)
    };
    keep().map_err(file("write the backup", to))?;
    Ok(copied)
}

/// What is in a queue file, which is looked through whole.
async fn content(path: &Path) -> Result<Mark, BackupError> {
    let mut db = open(path, false).await?;
    let read = |source| queue("read", path)(source);
    let said: String =
        sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut db).await.map_err(read)?;
    if said != "ok" {
        return Err(BackupError::Damaged { path: path.to_owned(), what: said });
    }
    let last: i64 = sqlx::query_scalar(READ_LAST_EVENT).fetch_one(&mut db).await.map_err(read)?;
    let generation: Option<String> = sqlx::query_scalar(READ_NUMBER)
        .bind(GENERATION)
        .fetch_optional(&mut db)
        .await
        .map_err(read)?;
    db.close().await.map_err(read)?;
    let generation = generation.and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Mark { generation, last_event: last.unsigned_abs() })
}

/// Says whether a file is a whole backup, as [`restore`] will find it. Nothing is changed.
///
/// # Errors
///
/// If it cannot be read, is no queue, or is damaged.
pub async fn check(from: &Path) -> Result<Mark, BackupError> {
    let open = || match fs::metadata(from)?.is_file() {
        true => File::open(from).map(drop),
        false => Err(io::Error::other("it is no regular file")),
    };
    open().map_err(file("read the backup", from))?;
    content(from).await
}

/// Puts a backup in the place of the queue in `state_dir`, as a generation of its own. The caller
/// holds the schedd's lock. The queue that was there is kept beside it.
///
/// # Errors
///
/// If the backup is damaged, or a file cannot be written. If it fails half-way the schedd refuses
/// to start until a restore is complete.
pub async fn restore(state_dir: &Path, from: &Path) -> Result<Mark, BackupError> {
    let place = state_dir.join(QUEUE_FILE);
    let found = check(from).await?;
    // Whatever was there, damaged or not, what is restored is newer.
    let before = mark::read(&place).ok().flatten().unwrap_or_default();
    let there = content(&place).await.map_or(0, |there| there.generation);
    let generation = before.generation.max(found.generation).max(there) + 1;
    let restored = Mark { generation, ..found };
    let new = state_dir.join(format!("{QUEUE_FILE}.new"));
    fs::copy(from, &new).map_err(file("copy the backup to", &new))?;
    let mut db = open(&new, true).await?;
    sqlx::query(WRITE_NUMBER)
        .bind(GENERATION)
        .bind(generation.to_string())
        .execute(&mut db)
        .await
        .map_err(queue("write", &new))?;
    db.close().await.map_err(queue("write", &new))?;
    File::open(&new).and_then(|new| new.sync_all()).map_err(file("write", &new))?;
    // From here on the old queue is of an older generation, and refused.
    mark::write(&place, restored, true)?;
    for end in ["-shm", "-wal", ""] {
        let old = state_dir.join(format!("{QUEUE_FILE}{end}"));
        let aside = state_dir.join(format!("{QUEUE_FILE}.replaced{end}"));
        match fs::rename(&old, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file("put aside", &old)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(&new, &place).map_err(file("put the backup in the place of", &place))?;
    File::open(state_dir).and_then(|dir| dir.sync_all()).map_err(file("sync", state_dir))?;
    Ok(restored)
}

/// Says of the queue in `state_dir` that nothing of it runs anywhere: a copy that is put in its
/// place need not wait for what the lost one may have started.
///
/// # Errors
///
/// If that cannot be written down.
pub fn nothing_runs(state_dir: &Path) -> Result<(), BackupError> {
    let place = state_dir.join(QUEUE_FILE);
    ledger::clear(&place).map_err(file("write down that nothing runs, beside", &place))
}
