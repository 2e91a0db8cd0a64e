//! The schedd's file: a few functions over SQLite, and the only place with SQL. It moves rows; what
//! they mean is the core's matter. A second implementation (PostgreSQL) would replace this struct
//! and nothing else.
//!
//! Every write goes through [`Store::commit`]: one transaction, one statement a table, whatever the
//! batch's length, because sqlx costs 20 to 30 us a statement (docs/adr/0003). `synchronous=FULL`:
//! what was committed survives a loss of power.

mod record;
mod retention;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use futures_util::TryStreamExt;
use proto::client::Forgotten;
use proto::clock;
use serde_json::{Value as Json, json};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Acquire, Row, SqliteConnection, SqlitePool};
use tokio::sync::watch;

use crate::shell::ballast;
use crate::shell::mark::{self, FileId, Mark, Unfit};

pub use self::retention::Tended;

/// Pages in the write-ahead log before SQLite moves them to the main file: large, because moving
/// them stalls the commit that happens to trigger it.
const CHECKPOINT_PAGES: u32 = 8000;

/// What the write-ahead log keeps of the disk after much was written at once, bytes.
const WAL_BYTES: u64 = 64 << 20;

/// How long the rows of one statement may be, bytes, but for the last of them.
const STATEMENT_BYTES: usize = 4 << 20;

/// How often the mark is written while there is no pause, milliseconds: what was lost without a
/// trace is at most that long ago.
const MARK_EVERY_MS: u64 = 1000;

const CHECKPOINT_ALL: &str = "pragma wal_checkpoint(truncate)";
const CHECKPOINT_SOME: &str = "pragma wal_checkpoint(passive)";

/// The name of the generation among the numbers.
pub(super) const GENERATION: &str = "generation";
pub(super) const READ_NUMBER: &str = "select body from meta where key = ?";
pub(super) const WRITE_NUMBER: &str = "\
    insert into meta (key, body) values (?, ?) on conflict do update set body = excluded.body";
pub(super) const READ_LAST_EVENT: &str = "select coalesce(max(seq), 0) from event";

/// How many past submissions are remembered by token in memory: a client that missed its answer
/// asks again within minutes.
const PAST_SUBMISSIONS: i64 = 10_000;

/// How many rows a history query reads at a time: enough to amortise the statement, little enough
/// to hold.
pub(super) const HISTORY_PAGE: u16 = 1000;

/// Positions of the record that are looked through at once for the events of some clusters: tens of
/// milliseconds.
const RECORD_WINDOW: u64 = 100_000;

// One statement a table: its argument is a JSON array of rows.
const UPDATE_CLUSTERS: &str = "\
    update cluster set live = (v.value ->> 1) is not null, body = coalesce(v.value ->> 1, body) \
    from json_each(?) v where cluster = v.value ->> 0";
const WRITE_JOBS: &str = "\
    insert into job (cluster, proc, finished, body) \
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(?) where true \
    on conflict do update set finished = excluded.finished, body = excluded.body";
const AMEND_JOBS: &str = "\
    update job set body = v.value ->> 2 from json_each(?) v \
    where cluster = v.value ->> 0 and proc = v.value ->> 1 and finished is not null";
const WRITE_CLAIMS: &str = "\
    insert into claim (claim, body) select value ->> 0, value ->> 1 from json_each(?) where true \
    on conflict do update set body = excluded.body";
const DROP_CLAIMS: &str = "delete from claim where claim in (select value from json_each(?))";
const WRITE_EVENTS: &str = "\
    insert into event (seq, at_ms, cluster, proc, body) \
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each(?)";
const WRITE_META: &str = "\
    insert into meta (key, body) select value ->> 0, value ->> 1 from json_each(?) where true \
    on conflict do update set body = excluded.body";
const WRITE_OUTBOX: &str = "\
    insert into outbox (id, path, text) select value ->> 0, value ->> 1, value ->> 2 from json_each(?)";
const DROP_OUTBOX: &str = "delete from outbox where id in (select value from json_each(?))";

const WRITE_LETTERS: &str = "\
    insert into letter (id, body) select value ->> 0, value ->> 1 from json_each(?)";
const DROP_LETTERS: &str = "delete from letter where id in (select value from json_each(?))";

/// The file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{doing} in the queue file")]
pub struct StoreError {
    doing: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// A row that is not what it should be.
    pub(crate) fn damaged(
        doing: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> Self {
        Self { doing, source }
    }

    /// The list of machines beside the queue cannot be written.
    pub(crate) fn ledger(source: std::io::Error) -> Self {
        Self { doing: "note where runs may be (queue.machines)", source: Box::new(source) }
    }
}

impl From<Unfit> for StoreError {
    fn from(unfit: Unfit) -> Self {
        Self { doing: "find all that must be", source: unfit.into() }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError { doing, source: source.into() }
}

/// The schedd's file.
#[derive(Debug)]
pub struct Store {
    writer: SqliteConnection,
    readers: SqlitePool,
    path: PathBuf,
    /// Which files were opened: the queue's, and its write-ahead log.
    opened: [Option<FileId>; 2],
    /// What was committed last.
    now: Mark,
    marked: Mark,
    marked_ms: u64,
    /// Whether the mark could not be written the last time.
    mark_fails: bool,
    /// Whether everything is in the main file.
    rested: bool,
    /// What was taken out of it, because it was kept long enough.
    forgotten: watch::Sender<Forgotten>,
}

/// What one batch changes.
#[derive(Debug, Default)]
pub struct Batch {
    pub new_clusters: Vec<NewCluster>,
    /// Submissions whose changing part changed.
    pub clusters: Vec<ClusterRow>,
    /// New and changed jobs.
    pub jobs: Vec<JobRow>,
    /// Finished jobs of which something else is said. Those that are kept no longer stay away.
    pub amended: Vec<JobRow>,
    /// New, changed (`Some`) and dropped (`None`) claims.
    pub claims: Vec<(String, Option<String>)>,
    pub events: Vec<EventRow>,
    /// Numbers and the like.
    pub meta: Vec<(&'static str, String)>,
    /// Texts for users' logs: number, file, text. Written after the commit, forgotten in a later
    /// one.
    pub outbox: Vec<(u64, String, String)>,
    /// The numbers of the texts that stand in the users' logs by now, or were given up.
    pub outbox_done: Vec<u64>,
    /// Letters that are to be sent: number and JSON. Sent after the commit, forgotten in a later
    /// one.
    pub letters: Vec<(u64, String)>,
    /// Letters that are done with.
    pub letters_done: Vec<u64>,
}

/// A submission, when it is new.
#[derive(Debug)]
pub struct NewCluster {
    pub cluster: u32,
    /// The client's token.
    pub token: [u8; 16],
    /// How many jobs it has.
    pub procs: u32,
    /// What was submitted.
    pub spec: Vec<u8>,
    pub body: String,
}

/// What changes of a submission.
#[derive(Debug, Clone)]
pub struct ClusterRow {
    pub cluster: u32,
    /// As JSON; none if no job of it is in the queue any more.
    pub body: Option<String>,
}

/// A job as its row holds it.
#[derive(Debug, Clone)]
pub struct JobRow {
    pub cluster: u32,
    pub proc: u32,
    /// The event that made it final.
    pub finished: Option<u64>,
    /// As JSON.
    pub body: String,
}

/// An entry of the record.
#[derive(Debug, Clone)]
pub struct EventRow {
    pub seq: u64,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Of which cluster.
    pub cluster: u32,
    /// Of which job, if of one.
    pub proc: Option<u32>,
    /// As JSON.
    pub body: String,
}

/// All that a schedd needs to go on after a restart.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Submissions with jobs that are not final: number, token, spec, body.
    pub clusters: Vec<NewCluster>,
    /// Jobs that are not final, in order.
    pub jobs: Vec<JobRow>,
    pub claims: Vec<String>,
    /// Numbers and the like.
    pub meta: Vec<(String, String)>,
    /// Submissions without jobs in the queue: token, number, count of jobs.
    pub past: Vec<([u8; 16], u32, u32)>,
    /// The last position of the record.
    pub last_seq: u64,
    /// The users' logs that have texts in the outbox, which may not have been written.
    pub outbox_logs: Vec<String>,
    /// The last number there.
    pub outbox_last: u64,
    /// Letters that may not have been sent: number and JSON, in order.
    pub letters: Vec<(u64, String)>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.new_clusters.is_empty()
            && self.clusters.is_empty()
            && self.jobs.is_empty()
            && self.amended.is_empty()
            && self.claims.is_empty()
            && self.events.is_empty()
            && self.meta.is_empty()
            && self.outbox.is_empty()
            && self.outbox_done.is_empty()
            && self.letters.is_empty()
            && self.letters_done.is_empty()
    }
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings its tables to this release's form.
    /// On a full disk it takes the room that was kept for that.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or a newer release wrote it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = match Self::open_as_it_is(path).await {
            Err(error) if ballast::is_needed(path) && ballast::release(path) => {
                tracing::warn!(%error, "the disk is full: the room kept for that is used");
                Self::open_as_it_is(path).await
            }
            opened => opened,
        };
        if opened.is_ok() {
            ballast::keep(path);
        }
        opened
    }

    async fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        let mark = mark::read(path)?;
        mark::check_file(path, mark)?;
        let options = SqliteConnectOptions::from_str("sqlite://")
            .map_err(failed("set options"))?
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", ballast::log_pages(path, CHECKPOINT_PAGES).to_string())
            .pragma("journal_size_limit", WAL_BYTES.to_string())
            .pragma("cache_size", "-65536");
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .min_connections(0)
            .connect_lazy_with(options.clone().create_if_missing(false).read_only(true));
        let damaged = |source: sqlx::Error| mark::damaged(path, source);
        // Of a new file; of another see `make_anew`.
        let options = options.auto_vacuum(SqliteAutoVacuum::Incremental);
        let mut writer = sqlx::ConnectOptions::connect(&options).await.map_err(damaged)?;
        sqlx::migrate!()
            .run(&mut writer)
            .await
            .map_err(|e| failed("bring the tables up to date")(e.into()))?;
        let now = content(&mut writer, path, mark).await?;
        let forgotten = watch::Sender::new(retention::read_told(&mut writer).await?);
        let mut store = Self {
            writer,
            readers,
            path: path.to_owned(),
            opened: [None; 2],
            now,
            marked: Mark::default(),
            marked_ms: 0,
            mark_fails: false,
            rested: false,
            forgotten,
        };
        // It only could not shrink otherwise.
        if let Err(error) = store.make_anew().await {
            tracing::warn!(%error, "the queue's file stays as an earlier release made it");
        }
        // Everything is in the main file, so that what is copied by hand is worth something.
        store.checkpoint(CHECKPOINT_ALL).await?;
        store.mark();
        store.opened = store.files();
        Ok(store)
    }

    /// The queue's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which of the queues that were put in this place it is: each restore makes a new one.
    pub fn generation(&self) -> u64 {
        self.now.generation
    }

    /// The queue's file and its write-ahead log, as they are in their folder now.
    fn files(&self) -> [Option<FileId>; 2] {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        [mark::id_of(&self.path), mark::id_of(Path::new(&log))]
    }

    async fn checkpoint(&mut self, how: &'static str) -> Result<(), StoreError> {
        sqlx::query(how).execute(&mut self.writer).await.map_err(failed("make a checkpoint"))?;
        self.rested = true;
        Ok(())
    }

    /// Notes beside the file what it has. That this fails (the disk is full) is no reason to stop:
    /// an earlier mark is true too.
    fn mark(&mut self) {
        self.marked_ms = clock::now().boot_ms;
        match mark::write(&self.path, self.now, true) {
            Ok(()) => {
                self.marked = self.now;
                self.mark_fails = false;
            }
            Err(error) if !self.mark_fails => {
                tracing::warn!(%error, "the mark beside the queue stays as it was");
                self.mark_fails = true;
            }
            // Said once.
            Err(_) => {}
        }
    }

    /// Whether the mark is to be written: where that has failed, not again at once, because it
    /// would be tried every second for as long as the disk is full.
    fn wants_mark(&self, now_ms: u64) -> bool {
        self.marked != self.now && (!self.mark_fails || now_ms >= self.marked_ms + MARK_EVERY_MS)
    }

    /// Whether there is nothing to do in a pause.
    pub fn is_rested(&self) -> bool {
        self.rested && !self.wants_mark(clock::now().boot_ms)
    }

    /// In a pause: everything into the main file, and the mark as it is.
    pub async fn rest(&mut self) {
        if !self.rested
            && let Err(error) = self.checkpoint(CHECKPOINT_SOME).await
        {
            tracing::warn!(%error, "the write-ahead log stays as it is");
            // Not again until something has changed.
            self.rested = true;
        }
        if self.wants_mark(clock::now().boot_ms) {
            self.mark();
        }
    }

    /// At the end.
    ///
    /// # Errors
    ///
    /// If the file cannot be written. Nothing is lost by that.
    pub async fn close(mut self) -> Result<(), StoreError> {
        self.checkpoint(CHECKPOINT_ALL).await?;
        self.mark();
        Ok(())
    }

    /// What was taken out of the file so far, as it grows: told before it is done.
    pub fn forgotten(&self) -> watch::Receiver<Forgotten> {
        self.forgotten.subscribe()
    }

    /// A handle for reading beside the writer: never waits for it, never makes it wait.
    pub fn reader(&self) -> Reader {
        Reader(self.readers.clone())
    }

    /// Writes a batch: all of it or nothing, durable when this returns.
    ///
    /// # Errors
    ///
    /// If the disk is full or fails. The caller must not go on with a state that was not written.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.files() != self.opened {
            // What would be written now would be gone with the file.
            return Err(Unfit::Replaced { path: self.path.clone() }.into());
        }
        let mut tx = self.writer.begin().await.map_err(failed("begin a transaction"))?;
        for new in &batch.new_clusters {
            sqlx::query("insert into cluster (cluster, token, procs, live, spec, body) values (?, ?, ?, 1, ?, ?)")
                .bind(new.cluster)
                .bind(&new.token[..])
                .bind(new.procs)
                .bind(&new.spec)
                .bind(&new.body)
                .execute(&mut *tx)
                .await
                .map_err(failed("add a cluster"))?;
        }
        let last = batch.events.last().map_or(self.now.last_event, |event| event.seq);
        write_rows(&mut tx, batch, last).await?;
        tx.commit().await.map_err(failed("commit a transaction"))?;
        self.rested = false;
        if let Some(last) = batch.events.last() {
            self.now.last_event = last.seq;
        }
        if clock::now().boot_ms >= self.marked_ms + MARK_EVERY_MS && self.marked != self.now {
            self.mark();
        }
        Ok(())
    }

    /// Reads what is in the queue.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn load(&mut self) -> Result<Loaded, StoreError> {
        let db = &mut self.writer;
        let clusters = sqlx::query(
            "select cluster, token, procs, spec, body from cluster where live = 1 order by cluster",
        )
        .fetch_all(&mut *db)
        .await
        .map_err(failed("read the clusters"))?;
        let jobs = sqlx::query("select cluster, proc, finished, body from job where finished is null order by cluster, proc")
            .fetch_all(&mut *db)
            .await
            .map_err(failed("read the jobs"))?;
        let claims: Vec<String> = sqlx::query_scalar("select body from claim")
            .fetch_all(&mut *db)
            .await
            .map_err(failed("read the claims"))?;
        let meta: Vec<(String, String)> = sqlx::query_as("select key, body from meta")
            .fetch_all(&mut *db)
            .await
            .map_err(failed("read the numbers"))?;
        let past: Vec<(Vec<u8>, u32, u32)> = sqlx::query_as(
            "select * from (select token, cluster, procs from cluster where live = 0 \
             order by cluster desc limit ?) union all select token, cluster, procs from past",
        )
        .bind(PAST_SUBMISSIONS)
        .fetch_all(&mut *db)
        .await
        .map_err(failed("read the past clusters"))?;
        let last_seq: i64 = sqlx::query_scalar(READ_LAST_EVENT)
            .fetch_one(&mut *db)
            .await
            .map_err(failed("read the last event"))?;
        let outbox_logs: Vec<String> = sqlx::query_scalar("select distinct path from outbox")
            .fetch_all(&mut *db)
            .await
            .map_err(failed("read which users' logs have texts"))?;
        let outbox_last: i64 = sqlx::query_scalar("select coalesce(max(id), 0) from outbox")
            .fetch_one(&mut *db)
            .await
            .map_err(failed("read which users' logs have texts"))?;
        let letters: Vec<(i64, String)> = sqlx::query_as("select id, body from letter order by id")
            .fetch_all(&mut *db)
            .await
            .map_err(failed("read letters"))?;
        Ok(Loaded {
            letters: letters.into_iter().map(|(id, body)| (id.unsigned_abs(), body)).collect(),
            outbox_logs,
            outbox_last: outbox_last.unsigned_abs(),
            clusters: clusters
                .iter()
                .map(new_cluster)
                .collect::<Result<_, _>>()
                .map_err(failed("read a cluster"))?,
            jobs: jobs
                .iter()
                .map(job_row)
                .collect::<Result<_, _>>()
                .map_err(failed("read a job"))?,
            claims,
            meta,
            past: past
                .into_iter()
                .filter_map(|(token, cluster, procs)| {
                    Some((token.try_into().ok()?, cluster, procs))
                })
                .collect(),
            last_seq: last_seq.unsigned_abs(),
        })
    }
}

/// Reads history and record beside the writer.
#[derive(Debug, Clone)]
pub struct Reader(SqlitePool);

impl Reader {
    /// Finished jobs before the event `before` (exclusive), newest first, at most a page. Give the
    /// last one's `finished` to go on.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn finished(&self, before: Option<u64>) -> Result<Vec<JobRow>, StoreError> {
        let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "select cluster, proc, finished, body from job where finished is not null and finished < ? \
             order by finished desc limit ?",
        )
        .bind(before)
        .bind(HISTORY_PAGE)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read history"))?;
        rows.iter().map(job_row).collect::<Result<_, _>>().map_err(failed("read history"))
    }

    /// Finished jobs after the event `after` (exclusive), the oldest first, at most a page.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn finished_after(&self, after: u64) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query(
            "select cluster, proc, finished, body from job where finished is not null and finished > ? \
             order by finished limit ?",
        )
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(HISTORY_PAGE)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read history"))?;
        rows.iter().map(job_row).collect::<Result<_, _>>().map_err(failed("read history"))
    }

    /// The numbers of the finished jobs of a cluster, last finished first.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn finished_in(&self, cluster: u32) -> Result<Vec<u32>, StoreError> {
        sqlx::query_scalar(
            "select proc from job where cluster = ? and finished is not null order by finished desc",
        )
        .bind(cluster)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read history"))
    }

    /// Those of these jobs of a cluster that have finished, last finished first. At most a page is
    /// to be asked for.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn finished_of(
        &self,
        cluster: u32,
        procs: &[u32],
    ) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query(
            "select cluster, proc, finished, body from job where cluster = ? \
             and proc in (select value from json_each(?)) and finished is not null \
             order by finished desc",
        )
        .bind(cluster)
        .bind(json!(procs).to_string())
        .fetch_all(&self.0)
        .await
        .map_err(failed("read history"))?;
        rows.iter().map(job_row).collect::<Result<_, _>>().map_err(failed("read history"))
    }

    /// A cluster, live or not.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn cluster(&self, cluster: u32) -> Result<Option<NewCluster>, StoreError> {
        let row =
            sqlx::query("select cluster, token, procs, spec, body from cluster where cluster = ?")
                .bind(cluster)
                .fetch_optional(&self.0)
                .await
                .map_err(failed("read a cluster"))?;
        row.as_ref().map(new_cluster).transpose().map_err(failed("read a cluster"))
    }

    /// Texts for users' logs after a number, in order, at most so many bytes of them but one at
    /// least.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn outbox(
        &self,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<(u64, String, String)>, StoreError> {
        let mut rows = sqlx::query_as("select id, path, text from outbox where id > ? order by id")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .fetch(&self.0);
        let (mut page, mut read): (Vec<(u64, String, String)>, usize) = (Vec::new(), 0);
        while read < bytes || page.is_empty() {
            let next: Option<(i64, String, String)> =
                rows.try_next().await.map_err(failed("read texts for users' logs"))?;
            let Some((id, path, text)) = next else { break };
            read += text.len();
            page.push((id.unsigned_abs(), path, text));
        }
        Ok(page)
    }
}

/// What the file has, compared with what the mark tells of. A new file begins the first generation.
async fn content(
    db: &mut SqliteConnection,
    path: &Path,
    mark: Option<Mark>,
) -> Result<Mark, StoreError> {
    let damaged = |source: sqlx::Error| mark::damaged(path, source);
    let generation: Option<String> = sqlx::query_scalar(READ_NUMBER)
        .bind(GENERATION)
        .fetch_optional(&mut *db)
        .await
        .map_err(damaged)?;
    let last: i64 =
        sqlx::query_scalar(READ_LAST_EVENT).fetch_one(&mut *db).await.map_err(damaged)?;
    let known = generation.and_then(|text| text.parse().ok());
    // A file of an earlier release has none.
    let generation = known.unwrap_or(1);
    let found = Mark { generation, last_event: last.unsigned_abs() };
    mark::check_content(path, found, mark)?;
    if known.is_none() {
        sqlx::query(WRITE_NUMBER)
            .bind(GENERATION)
            .bind(generation.to_string())
            .execute(db)
            .await
            .map_err(failed("write the generation"))?;
    }
    Ok(found)
}

async fn write_rows(
    tx: &mut SqliteConnection,
    batch: &Batch,
    last_event: u64,
) -> Result<(), StoreError> {
    let clusters = batch.clusters.iter().map(|row| json!([row.cluster, row.body]));
    each(tx, clusters, "update the clusters", UPDATE_CLUSTERS).await?;
    retention::note(tx, batch, last_event).await?;
    let jobs = batch.jobs.iter().map(|row| json!([row.cluster, row.proc, row.finished, row.body]));
    each(tx, jobs, "write the jobs", WRITE_JOBS).await?;
    let amended = batch.amended.iter().map(|row| json!([row.cluster, row.proc, row.body]));
    each(tx, amended, "amend finished jobs", AMEND_JOBS).await?;
    let (kept, dropped): (Vec<_>, Vec<_>) =
        batch.claims.iter().partition(|(_, body)| body.is_some());
    let kept = kept.iter().map(|(claim, body)| json!([claim, body]));
    each(tx, kept, "write the claims", WRITE_CLAIMS).await?;
    let dropped = dropped.iter().map(|(claim, _)| json!(claim));
    each(tx, dropped, "drop the claims", DROP_CLAIMS).await?;
    let events =
        batch.events.iter().map(|row| json!([row.seq, row.at_ms, row.cluster, row.proc, row.body]));
    each(tx, events, "write the record", WRITE_EVENTS).await?;
    let meta = batch.meta.iter().map(|(key, body)| json!([key, body]));
    each(tx, meta, "write the numbers", WRITE_META).await?;
    write_outbox(tx, batch).await
}

async fn write_outbox(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let done = batch.outbox_done.iter().map(|id| json!(id));
    each(tx, done, "forget what stands in users' logs", DROP_OUTBOX).await?;
    let texts = batch.outbox.iter().map(|(id, path, text)| json!([id, path, text]));
    each(tx, texts, "keep texts for users' logs", WRITE_OUTBOX).await?;
    let done = batch.letters_done.iter().map(|id| json!(id));
    each(tx, done, "forget letters that are done with", DROP_LETTERS).await?;
    let letters = batch.letters.iter().map(|(id, body)| json!([id, body]));
    each(tx, letters, "keep letters", WRITE_LETTERS).await
}

/// A statement for all rows of a table, or a few if they are very long together: SQLite takes a
/// gigabyte at most, and each byte of it is in memory several times.
async fn each(
    tx: &mut SqliteConnection,
    rows: impl Iterator<Item = Json>,
    doing: &'static str,
    sql: &'static str,
) -> Result<(), StoreError> {
    for rows in Arrays::of(rows, STATEMENT_BYTES) {
        sqlx::query(sql).bind(rows).execute(&mut *tx).await.map_err(failed(doing))?;
    }
    Ok(())
}

/// JSON arrays of rows, none of which is longer than it must be.
struct Arrays<I> {
    rows: I,
    most_bytes: usize,
}

impl<I: Iterator<Item = Json>> Arrays<I> {
    fn of(rows: I, most_bytes: usize) -> Self {
        Self { rows, most_bytes }
    }
}

impl<I: Iterator<Item = Json>> Iterator for Arrays<I> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut array = format!("[{}", self.rows.next()?);
        while array.len() < self.most_bytes
            && let Some(row) = self.rows.next()
        {
            array.push(',');
            array.push_str(&row.to_string());
        }
        array.push(']');
        Some(array)
    }
}

type SqliteRow = sqlx::sqlite::SqliteRow;

fn new_cluster(row: &SqliteRow) -> Result<NewCluster, sqlx::Error> {
    let token: Vec<u8> = row.try_get("token")?;
    let token = token.try_into().map_err(|_| sqlx::Error::Decode("a token is 16 bytes".into()))?;
    Ok(NewCluster {
        cluster: row.try_get("cluster")?,
        token,
        procs: row.try_get("procs")?,
        spec: row.try_get("spec")?,
        body: row.try_get("body")?,
    })
}

fn job_row(row: &SqliteRow) -> Result<JobRow, sqlx::Error> {
    let finished: Option<i64> = row.try_get("finished")?;
    Ok(JobRow {
        cluster: row.try_get("cluster")?,
        proc: row.try_get("proc")?,
        finished: finished.map(i64::unsigned_abs),
        body: row.try_get("body")?,
    })
}

fn event_row(row: &SqliteRow) -> Result<EventRow, sqlx::Error> {
    let seq: i64 = row.try_get("seq")?;
    Ok(EventRow {
        seq: seq.unsigned_abs(),
        at_ms: row.try_get("at_ms")?,
        cluster: row.try_get("cluster")?,
        proc: row.try_get("proc")?,
        body: row.try_get("body")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch {
            new_clusters: vec![NewCluster {
                cluster: 7,
                token: [1; 16],
                procs: 3,
                spec: vec![9],
                body: "{}".to_owned(),
            }],
            jobs: (0..3)
                .map(|proc| JobRow {
                    cluster: 7,
                    proc,
                    finished: None,
                    body: format!(r#"{{"n":"a'\"{proc}"}}"#),
                })
                .collect(),
            claims: vec![("c".to_owned(), Some("{}".to_owned()))],
            events: vec![EventRow {
                seq: 1,
                at_ms: 5,
                cluster: 7,
                proc: None,
                body: "{}".to_owned(),
            }],
            meta: vec![("next", "8".to_owned())],
            ..Batch::default()
        }
    }

    async fn fresh() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("queue.db")).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart() {
        let (dir, mut store) = fresh().await;
        store.commit(&batch()).await.unwrap();
        drop(store);
        let mut again = Store::open(&dir.path().join("queue.db")).await.unwrap();
        let loaded = again.load().await.unwrap();
        assert_eq!(loaded.clusters.len(), 1);
        assert_eq!(loaded.jobs[2].body, r#"{"n":"a'\"2"}"#);
        assert_eq!((loaded.claims.len(), loaded.last_seq), (1, 1));
        assert!(loaded.meta.contains(&("next".to_owned(), "8".to_owned())), "{:?}", loaded.meta);
    }

    #[tokio::test]
    async fn the_events_of_a_cluster_are_found_part_by_part() {
        let (_dir, mut store) = fresh().await;
        let count = RECORD_WINDOW + 10;
        let event = |seq: u64| EventRow {
            seq,
            at_ms: 5,
            // Every hundredth is of cluster 8, and the last.
            cluster: if seq.is_multiple_of(100) || seq == count { 8 } else { 7 },
            proc: Some(0),
            body: "{}".to_owned(),
        };
        store.commit(&Batch { events: (1..=count).map(event).collect(), ..batch() }).await.unwrap();
        let reader = store.reader();
        let (mut found, mut next) = (Vec::new(), 0);
        while next <= count {
            let (rows, after) = reader.events_of(next, count, &[8]).await.unwrap();
            assert!(after > next, "it goes on from {next}");
            found.extend(rows.into_iter().map(|row| row.seq));
            next = after;
        }
        let expected: Vec<u64> = (1..=count).filter(|seq| event(*seq).cluster == 8).collect();
        assert_eq!(found, expected);
        assert_eq!(next, count + 1, "nothing that is still to come is passed over");
        assert!(reader.events_of(0, count, &[9]).await.unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn the_gap_behind_a_copy_is_stepped_over_at_once() {
        let (_dir, mut store) = fresh().await;
        let far = model::Seq::before_generation(2).0 + 1;
        let event =
            |seq: u64| EventRow { seq, at_ms: 5, cluster: 8, proc: Some(0), body: "{}".to_owned() };
        store.commit(&Batch { events: vec![event(2), event(far)], ..batch() }).await.unwrap();
        let reader = store.reader();
        let (first, after) = reader.events_of(0, far, &[8]).await.unwrap();
        assert_eq!((first.len(), after), (1, far));
        let (second, after) = reader.events_of(after, far, &[8]).await.unwrap();
        assert_eq!((second.len(), after), (1, far + 1));
    }

    #[tokio::test]
    async fn a_finished_job_is_in_history_and_not_in_the_queue() {
        let (_dir, mut store) = fresh().await;
        store.commit(&batch()).await.unwrap();
        let done = JobRow { cluster: 7, proc: 1, finished: Some(2), body: "{}".to_owned() };
        store.commit(&Batch { jobs: vec![done], ..Batch::default() }).await.unwrap();
        assert_eq!(
            store.load().await.unwrap().jobs.iter().map(|j| j.proc).collect::<Vec<_>>(),
            [0, 2]
        );
        let history = store.reader().finished(None).await.unwrap();
        assert_eq!(
            history.iter().map(|j| (j.proc, j.finished)).collect::<Vec<_>>(),
            [(1, Some(2))]
        );
        assert_eq!(store.reader().finished_of(7, &[1]).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_batch_that_fails_leaves_nothing() {
        let (_dir, mut store) = fresh().await;
        store.commit(&batch()).await.unwrap();
        let mut again = batch();
        again.new_clusters[0].cluster = 8; // the token is taken
        again.jobs[0].cluster = 8;
        assert!(store.commit(&again).await.is_err());
        assert!(store.load().await.unwrap().jobs.iter().all(|j| j.cluster == 7));
        assert_eq!(store.reader().cluster(7).await.unwrap().unwrap().token, [1; 16]);
        assert!(store.reader().cluster(8).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_queue_that_lost_its_end_or_was_replaced_is_not_taken_for_the_present_one() {
        let (dir, mut store) = fresh().await;
        let path = dir.path().join("queue.db");
        let old = std::fs::read(&path).unwrap();
        store.commit(&batch()).await.unwrap();
        store.rest().await;
        // What is copied by hand in a pause has everything.
        let copy = dir.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(Store::open(&copy).await.unwrap().load().await.unwrap().last_seq, 1);
        store.close().await.unwrap();
        let why = |result: Result<Store, StoreError>| {
            let error = result.expect_err("it is refused");
            std::error::Error::source(&error).unwrap().to_string()
        };
        std::fs::write(&path, &old).unwrap();
        assert!(why(Store::open(&path).await).contains("ends with event 0"));
        std::fs::write(&path, b"").unwrap();
        assert!(why(Store::open(&path).await).contains("is empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(why(Store::open(&path).await).contains("is missing"));
    }

    #[test]
    fn rows_that_are_long_together_are_written_in_parts_and_each_once() {
        let arrays =
            |most| -> Vec<String> { Arrays::of((0..5).map(|n| json!([n])), most).collect() };
        assert_eq!(arrays(1), ["[[0]]", "[[1]]", "[[2]]", "[[3]]", "[[4]]"]);
        assert_eq!(arrays(8), ["[[0],[1]]", "[[2],[3]]", "[[4]]"]);
        assert_eq!(arrays(1000), ["[[0],[1],[2],[3],[4]]"]);
        assert!(Arrays::of(std::iter::empty(), 8).next().is_none());
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_when_the_file_is_gone() {
        for name in ["queue.db", "queue.db-wal"] {
            let (dir, mut store) = fresh().await;
            store.commit(&batch()).await.unwrap();
            std::fs::remove_file(dir.path().join(name)).unwrap();
            let meta = vec![("next", "9".to_owned())];
            assert!(store.commit(&Batch { meta, ..Batch::default() }).await.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_backup_is_restored_as_a_generation_of_its_own() {
        use crate::shell::backup::backup;
        use crate::shell::backup::restore;
        let (dir, mut store) = fresh().await;
        let saved = dir.path().join("saved");
        store.commit(&batch()).await.unwrap();
        // While the schedd works, from the write-ahead log.
        backup(dir.path(), &saved).await.unwrap();
        assert!(backup(dir.path(), &saved).await.is_err(), "nothing is overwritten");
        let event = EventRow { seq: 2, at_ms: 6, cluster: 7, proc: None, body: "{}".to_owned() };
        store.commit(&Batch { events: vec![event], ..Batch::default() }).await.unwrap();
        store.close().await.unwrap();
        restore(dir.path(), &saved).await.unwrap();
        let path = dir.path().join("queue.db");
        let mut store = Store::open(&path).await.unwrap();
        assert_eq!(store.generation(), 2);
        assert_eq!(store.load().await.unwrap().last_seq, 1);
        store.close().await.unwrap();
        // The queue of before is not the present one.
        std::fs::rename(dir.path().join("queue.db.replaced"), &path).unwrap();
        assert!(Store::open(&path).await.is_err());
        restore(dir.path(), &saved).await.unwrap();
        assert_eq!(Store::open(&path).await.unwrap().generation(), 3);
        std::fs::write(&saved, b"SQLite format 3\0 and not").unwrap();
        assert!(restore(dir.path(), &saved).await.is_err());
        assert_eq!(Store::open(&path).await.unwrap().generation(), 3, "nothing has changed");
    }

    #[tokio::test]
    async fn a_dropped_claim_is_gone() {
        let (_dir, mut store) = fresh().await;
        store.commit(&batch()).await.unwrap();
        store
            .commit(&Batch { claims: vec![("c".to_owned(), None)], ..Batch::default() })
            .await
            .unwrap();
        assert!(store.load().await.unwrap().claims.is_empty());
    }
}
