//! Takes out of the file what is kept no longer, a slice at a time, and says how large everything
//! is. What is to go, `retention` decides.

use model::{Seq, Timestamp};
use proto::client::Forgotten;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::{
    Batch, EventRow, PAST_SUBMISSIONS, READ_NUMBER, Reader, Store, StoreError, WRITE_NUMBER, each,
    failed,
};
use crate::shell::retention::{Order, Sizes, Upto};

/// Jobs, events and submissions, each, that go in one transaction: some milliseconds.
const SLICE: u32 = 200;

/// How long they may be together, but for the first of them, bytes.
const SLICE_BYTES: u64 = 4 << 20;

/// How the bodies of events begin that tell what was set in a job, and what one said.
const SAID: [&str; 2] = ["{\"JobEdited\"", "{\"JobSaid\""];

/// Pages that are given back to the disk in one transaction.
const PAGES: u32 = 256;

/// A file of an earlier release that is not larger is made anew at once, so that what is free in it
/// can be given back: a second's work, bytes.
const MADE_ANEW_BYTES: u64 = 64 << 20;

/// The name among the numbers of what was taken out.
pub(super) const FORGOTTEN: &str = "forgotten";

const NOTE_ENDED: &str = "\
    insert or replace into ended (cluster, seq) \
    select value ->> 0, value ->> 1 from json_each(?) where true";
const NOTE_SAID: &str =
    "insert into said (seq, bytes) select value ->> 0, value ->> 1 from json_each(?) where true";

// What is next to go, with its length.
const NEXT_SAID: &str = "select seq, bytes from said where seq < ? order by seq limit ?";
const NEXT_JOBS: &str = "\
    select finished, octet_length(body) from job \
    where finished is not null and finished < ? order by finished limit ?";
const NEXT_EVENTS: &str =
    "select seq, octet_length(body) from event where seq < ? order by seq limit ?";
const NEXT_CLUSTERS: &str = "\
    select ended.cluster, octet_length(spec) from ended join cluster using (cluster) \
    where seq < ? order by seq limit ?";

const DROP_SAID_EVENTS: &str =
    "delete from event where seq in (select seq from said where seq <= ?)";
const DROP_SAID: &str = "delete from said where seq <= ?";
const DROP_JOBS: &str = "delete from job where finished is not null and finished <= ?";
const READ_FIRST_JOB: &str = "select min(finished) from job where finished is not null";
const READ_TIME: &str = "select at_ms from event where seq = ?";
const DROP_EVENTS: &str = "delete from event where seq <= ?";
// A token may come a second time, months later.
const KEEP_TOKENS: &str = "\
    insert or replace into past (cluster, token, procs) select cluster, token, procs from cluster \
    where cluster in (select value from json_each(?))";
const DROP_CLUSTERS: &str = "delete from cluster where cluster in (select value from json_each(?))";
const DROP_ENDED: &str = "delete from ended where cluster in (select value from json_each(?))";
const DROP_TOKENS: &str = "\
    delete from past where cluster <= (select cluster from past order by cluster desc limit 1 offset ?)";

/// What one slice came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Jobs that went.
    pub jobs: u64,
    /// Events that went.
    pub events: u64,
    /// Bytes of what was said and set, if that was asked for.
    pub said_bytes: u64,
    /// Whether there may be more of the same.
    pub has_more: bool,
}

impl Store {
    /// Makes a small file of an earlier release anew, so that it can shrink.
    pub(super) async fn make_anew(&mut self) -> Result<(), StoreError> {
        // Asked by who writes: who reads would go on with what it was.
        let sizes = sizes(&mut self.writer).await?;
        if sizes.gives_back || sizes.used_bytes > MADE_ANEW_BYTES {
            return Ok(());
        }
        sqlx::query("vacuum").execute(&mut self.writer).await.map_err(failed("make it anew"))?;
        Ok(())
    }

    /// Takes a slice out. Readers are told of it before it is done: who finds that something is
    /// missing, finds why.
    ///
    /// # Errors
    ///
    /// If it cannot be written. Nothing depends on that it is.
    pub async fn tend(&mut self, order: Order) -> Result<Tended, StoreError> {
        let tended = match order {
            Order::Forget(upto) => self.forget(upto).await?,
            Order::ForgetSaid => self.forget_said().await?,
            Order::GiveBack => self.give_back().await?,
        };
        self.rested &= tended == Tended::default();
        Ok(tended)
    }

    async fn forget(&mut self, upto: Upto) -> Result<Tended, StoreError> {
        let last = self.now.last_event;
        let mut told = *self.forgotten.borrow();
        let mut tx = self.writer.begin().await.map_err(failed("begin a transaction"))?;
        let jobs = next(&mut tx, NEXT_JOBS, upto.jobs.min(last)).await?;
        if let Some(to) = jobs.last() {
            told.first_job = Seq(to).next();
            told.jobs_until = time_of(&mut tx, to).await?.or(told.jobs_until);
            told.jobs += jobs.many();
            run(&mut tx, DROP_JOBS, to).await?;
        }
        let first_job: Option<i64> = sqlx::query_scalar(READ_FIRST_JOB)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed("find what is kept no longer"))?;
        // A job's end is told for as long as the job is there, and the record never ends before the
        // last event, by which it is known from its copies.
        let most = first_job.map_or(last, |first| last.min(first.unsigned_abs()));
        let events = next(&mut tx, NEXT_EVENTS, upto.events.min(most)).await?;
        if let Some(to) = events.last() {
            told.first_event = Seq(to).next();
            told.events_until = time_of(&mut tx, to).await?.or(told.events_until);
            run(&mut tx, DROP_EVENTS, to).await?;
            run(&mut tx, DROP_SAID, to).await?;
        }
        let clusters = next(&mut tx, NEXT_CLUSTERS, told.first_event.0).await?;
        drop_clusters(&mut tx, &clusters).await?;
        let has_more = jobs.has_more || events.has_more || clusters.has_more;
        let tended = Tended { jobs: jobs.many(), events: events.many(), said_bytes: 0, has_more };
        if tended != Tended::default() || clusters.many() > 0 {
            self.forgotten.send_replace(told);
            keep_told(&mut tx, &told).await?;
            tx.commit().await.map_err(failed("commit a transaction"))?;
        }
        Ok(tended)
    }

    async fn forget_said(&mut self) -> Result<Tended, StoreError> {
        let mut told = *self.forgotten.borrow();
        let mut tx = self.writer.begin().await.map_err(failed("begin a transaction"))?;
        let said = next(&mut tx, NEXT_SAID, self.now.last_event).await?;
        let Some(to) = said.last() else { return Ok(Tended::default()) };
        told.first_said = told.first_said.max(Seq(to).next());
        self.forgotten.send_replace(told);
        run(&mut tx, DROP_SAID_EVENTS, to).await?;
        run(&mut tx, DROP_SAID, to).await?;
        keep_told(&mut tx, &told).await?;
        tx.commit().await.map_err(failed("commit a transaction"))?;
        let (events, has_more) = (said.many(), said.has_more);
        Ok(Tended { jobs: 0, events, said_bytes: said.bytes, has_more })
    }

    async fn give_back(&mut self) -> Result<Tended, StoreError> {
        let sql = format!("pragma incremental_vacuum({PAGES})");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut self.writer)
            .await
            .map_err(failed("give room back"))?;
        Ok(Tended { has_more: true, ..Tended::default() })
    }
}

impl Reader {
    /// How large everything is now. It counts, but looks at no row.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn sizes(&self) -> Result<Sizes, StoreError> {
        let mut db = self.0.acquire().await.map_err(failed("read how large it is"))?;
        sizes(&mut db).await
    }

    /// How many bytes are of jobs that are in the queue: these are not history.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn live_bytes(&self) -> Result<u64, StoreError> {
        let sql = "select \
            (select coalesce(sum(octet_length(body)), 0) from job where finished is null) + \
            (select coalesce(sum(octet_length(spec) + octet_length(body)), 0) from cluster where live = 1) + \
            (select coalesce(sum(octet_length(text)), 0) from outbox)";
        self.number(sql).await
    }

    /// How many bytes of the record users set in jobs, and jobs said.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn said_bytes(&self) -> Result<u64, StoreError> {
        self.number("select coalesce(sum(bytes), 0) from said").await
    }

    async fn number(&self, sql: &'static str) -> Result<u64, StoreError> {
        let found: i64 = sqlx::query_scalar(sql)
            .fetch_one(&self.0)
            .await
            .map_err(failed("read how much there is"))?;
        Ok(found.unsigned_abs())
    }

    /// The event that ended the last job that is one too many, if only so many are to stay.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn end_of_surplus(&self, jobs: u64) -> Result<Option<u64>, StoreError> {
        let sql = "select finished from job where finished is not null \
                   order by finished desc limit 1 offset ?";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(number(jobs))
            .fetch_optional(&self.0)
            .await
            .map_err(failed("count the history"))?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// The position that stands behind so many of the first events.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn behind_first_events(&self) -> Result<Option<u64>, StoreError> {
        let sql = "select seq from event order by seq limit 1 offset ?";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(SLICE)
            .fetch_optional(&self.0)
            .await
            .map_err(failed("read the record"))?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// The position from which on everything was recorded at this moment (milliseconds since 1970)
    /// or later. Found by halves: the record is in the order of time, but for a clock that was set
    /// back.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn position_at(&self, at_ms: i64) -> Result<u64, StoreError> {
        let sql = "select coalesce(min(seq), 0), coalesce(max(seq) + 1, 0) from event";
        let ends: (i64, i64) =
            sqlx::query_as(sql).fetch_one(&self.0).await.map_err(failed("read the record"))?;
        let (mut low, mut high) = ends;
        while low < high {
            let middle = low + (high - low) / 2;
            let sql = "select seq, at_ms from event where seq >= ? order by seq limit 1";
            let found: Option<(i64, i64)> = sqlx::query_as(sql)
                .bind(middle)
                .fetch_optional(&self.0)
                .await
                .map_err(failed("read the record"))?;
            match found {
                Some((seq, at)) if at < at_ms => low = seq + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low.unsigned_abs())
    }
}

/// How large everything is.
pub(super) async fn sizes(db: &mut SqliteConnection) -> Result<Sizes, StoreError> {
    let mut numbers = [0; 4];
    let asked =
        ["pragma page_size", "pragma page_count", "pragma freelist_count", "pragma auto_vacuum"];
    for (number, sql) in numbers.iter_mut().zip(asked) {
        let found: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *db)
            .await
            .map_err(failed("read how large it is"))?;
        *number = found.unsigned_abs();
    }
    let [page, all, free, vacuum] = numbers;
    let used_bytes = all.saturating_sub(free) * page;
    Ok(Sizes { used_bytes, free_bytes: free * page, gives_back: vacuum == INCREMENTAL })
}

/// SQLite's number of `auto_vacuum = incremental`.
const INCREMENTAL: u64 = 2;

/// What was taken out of the file before.
pub(super) async fn read_told(db: &mut SqliteConnection) -> Result<Forgotten, StoreError> {
    let text: Option<String> = sqlx::query_scalar(READ_NUMBER)
        .bind(FORGOTTEN)
        .fetch_optional(db)
        .await
        .map_err(failed("read what was taken out"))?;
    let told = text.map(|text| serde_json::from_str(&text)).transpose();
    told.map(Option::unwrap_or_default)
        .map_err(|error| StoreError::damaged("read what was taken out", error.into()))
}

async fn keep_told(tx: &mut SqliteConnection, told: &Forgotten) -> Result<(), StoreError> {
    let text = serde_json::to_string(told)
        .map_err(|error| StoreError::damaged("note what was taken out", error.into()))?;
    sqlx::query(WRITE_NUMBER)
        .bind(FORGOTTEN)
        .bind(text)
        .execute(tx)
        .await
        .map_err(failed("note what was taken out"))?;
    Ok(())
}

/// Rows that go in one transaction, each by its key.
struct Slice {
    keys: Vec<u64>,
    bytes: u64,
    has_more: bool,
}

impl Slice {
    /// Of these rows so many that they are not too long together, but one at least.
    fn of(rows: &[(i64, i64)]) -> Self {
        let mut slice = Self { keys: Vec::new(), bytes: 0, has_more: false };
        for (key, bytes) in rows {
            if !slice.keys.is_empty() && slice.bytes + bytes.unsigned_abs() > SLICE_BYTES {
                break;
            }
            slice.keys.push(key.unsigned_abs());
            slice.bytes += bytes.unsigned_abs();
        }
        slice.has_more = slice.keys.len() < rows.len() || rows.len() == SLICE as usize;
        slice
    }

    fn last(&self) -> Option<u64> {
        self.keys.last().copied()
    }

    fn many(&self) -> u64 {
        self.keys.len() as u64
    }
}

/// What is next to go, before `before`.
async fn next(
    tx: &mut SqliteConnection,
    sql: &'static str,
    before: u64,
) -> Result<Slice, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(sql)
        .bind(number(before))
        .bind(SLICE)
        .fetch_all(tx)
        .await
        .map_err(failed("find what is kept no longer"))?;
    Ok(Slice::of(&rows))
}

async fn run(tx: &mut SqliteConnection, sql: &'static str, to: u64) -> Result<(), StoreError> {
    let done = sqlx::query(sql).bind(number(to)).execute(tx).await;
    done.map(|_| ()).map_err(failed("take out what is kept no longer"))
}

/// Notes what will be asked of a batch when it is to go: which submissions are over, and which
/// events tell what was set in jobs and said by them.
pub(super) async fn note(
    tx: &mut SqliteConnection,
    batch: &Batch,
    last_event: u64,
) -> Result<(), StoreError> {
    let over = batch.clusters.iter().filter(|row| row.body.is_none());
    let over = over.map(|row| json!([row.cluster, last_event]));
    each(tx, over, "note which submissions are over", NOTE_ENDED).await?;
    let is_said = |row: &&EventRow| SAID.iter().any(|begins| row.body.starts_with(begins));
    let said = batch.events.iter().filter(is_said);
    let said = said.map(|row| json!([row.seq, row.body.len()]));
    each(tx, said, "note what was said and set", NOTE_SAID).await
}

/// When an event was recorded.
async fn time_of(db: &mut SqliteConnection, seq: u64) -> Result<Option<Timestamp>, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(READ_TIME)
        .bind(number(seq))
        .fetch_optional(db)
        .await
        .map_err(failed("read the record"))?;
    Ok(found.map(Timestamp::from_millis))
}

/// Drops submissions of which neither a job nor an event is left, but for their tokens.
async fn drop_clusters(tx: &mut SqliteConnection, clusters: &Slice) -> Result<(), StoreError> {
    if clusters.keys.is_empty() {
        return Ok(());
    }
    let doing = "take out submissions";
    let named = json!(clusters.keys).to_string();
    for sql in [KEEP_TOKENS, DROP_CLUSTERS, DROP_ENDED] {
        sqlx::query(sql).bind(&named).execute(&mut *tx).await.map_err(failed(doing))?;
    }
    let most = sqlx::query(DROP_TOKENS).bind(PAST_SUBMISSIONS);
    most.execute(tx).await.map_err(failed(doing))?;
    Ok(())
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::shell::store::{ClusterRow, JobRow, NewCluster};

    fn cluster(number: u32) -> NewCluster {
        let token = [u8::try_from(number).unwrap(); 16];
        NewCluster { cluster: number, token, procs: 2, spec: vec![9], body: "{}".to_owned() }
    }

    fn event(seq: u64, cluster: u32, body: &str) -> EventRow {
        let at_ms = i64::try_from(seq * 1000).unwrap();
        EventRow { seq, at_ms, cluster, proc: Some(0), body: body.to_owned() }
    }

    fn job(cluster: u32, proc: u32, finished: Option<u64>) -> JobRow {
        JobRow { cluster, proc, finished, body: "{}".to_owned() }
    }

    /// Two jobs of cluster 1, which end with events 3 and 4; two of cluster 2, of which one ends
    /// with event 6; one of cluster 3 in the queue. The last event is 9.
    async fn worked() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("queue.db")).await.unwrap();
        let what = |seq: u64| match seq % 3 {
            0 => "{\"JobEdited\":{}}",
            1 => "{\"Job\":{}}",
            _ => "{\"JobSaid\":{}}",
        };
        let of = |seq: u64| [1, 1, 1, 1, 2, 2, 3, 3, 3][usize::try_from(seq).unwrap() - 1];
        let first = Batch {
            new_clusters: [1, 2, 3].map(cluster).into(),
            jobs: vec![job(1, 0, Some(3)), job(1, 1, Some(4)), job(2, 0, Some(6)), job(2, 1, None)],
            events: (1..=4).map(|n| event(n, of(n), what(n))).collect(),
            clusters: vec![ClusterRow { cluster: 1, body: None }],
            ..Batch::default()
        };
        store.commit(&first).await.unwrap();
        let rest = (5..=9).map(|n| event(n, of(n), what(n))).collect();
        store.commit(&Batch { events: rest, ..Batch::default() }).await.unwrap();
        (dir, store)
    }

    async fn seqs(store: &Store) -> Vec<u64> {
        store.reader().events(0).await.unwrap().iter().map(|row| row.seq).collect()
    }

    async fn ended(store: &Store) -> Vec<(u32, u32)> {
        let rows = store.reader().finished_after(0).await.unwrap();
        rows.iter().map(|row| (row.cluster, row.proc)).collect()
    }

    #[tokio::test]
    async fn jobs_events_and_submissions_go_together_and_readers_are_told() {
        let (dir, mut store) = worked().await;
        let tended = store.tend(Order::Forget(Upto { jobs: 4, events: 4 })).await.unwrap();
        assert_eq!((tended.jobs, tended.events, tended.has_more), (1, 3, false));
        assert_eq!(ended(&store).await, [(1, 1), (2, 0)]);
        assert_eq!(seqs(&store).await, [4, 5, 6, 7, 8, 9]);
        assert!(store.reader().cluster(1).await.unwrap().is_some(), "a job of it is there");
        // The end of a job that stays is told, whatever was asked for.
        store.tend(Order::Forget(Upto { jobs: 5, events: 9 })).await.unwrap();
        assert_eq!(ended(&store).await, [(2, 0)]);
        assert_eq!(seqs(&store).await, [6, 7, 8, 9]);
        assert!(store.reader().cluster(1).await.unwrap().is_none());
        assert!(store.reader().cluster(2).await.unwrap().is_some(), "a job of it is in the queue");
        let told = *store.forgotten().borrow();
        let secs = |s: i64| Some(Timestamp::from_millis(s * 1000));
        assert_eq!((told.first_event, told.events_until), (Seq(6), secs(5)));
        assert_eq!((told.first_job, told.jobs_until, told.jobs), (Seq(5), secs(4), 2));
        // The last event is what a queue is known by.
        store.tend(Order::Forget(Upto { jobs: 100, events: 100 })).await.unwrap();
        assert_eq!(seqs(&store).await, [9]);
        store.close().await.unwrap();
        let mut store = Store::open(&dir.path().join("queue.db")).await.unwrap();
        assert_eq!(store.forgotten().borrow().jobs, 3);
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.last_seq, 9);
        assert_eq!(loaded.past, [([1; 16], 1, 2)], "who asks again gets its number");
        assert_eq!(loaded.jobs.len(), 1, "what is in the queue stays");
    }

    #[tokio::test]
    async fn what_was_set_and_said_goes_without_the_rest() {
        let (_dir, mut store) = worked().await;
        let tended = store.tend(Order::ForgetSaid).await.unwrap();
        assert_eq!((tended.events, tended.has_more), (5, false));
        assert_eq!(tended.said_bytes, 3 * 14 + 2 * 16);
        assert_eq!(seqs(&store).await, [1, 4, 7, 9], "the last stays");
        assert_eq!(store.forgotten().borrow().first_said, Seq(9));
        assert_eq!(store.forgotten().borrow().first_event, Seq(0), "the record is there");
        assert_eq!(store.reader().said_bytes().await.unwrap(), 16);
    }

    #[tokio::test]
    async fn more_than_a_slice_takes_several() {
        let (_dir, mut store) = worked().await;
        let events = (10..=509).map(|n| event(n, 3, "{}")).collect();
        store.commit(&Batch { events, ..Batch::default() }).await.unwrap();
        let order = Order::Forget(Upto { jobs: 500, events: 500 });
        let mut slices = Vec::new();
        loop {
            let tended = store.tend(order).await.unwrap();
            slices.push(tended.events);
            if !tended.has_more {
                break;
            }
        }
        assert_eq!(slices, [200, 200, 99]);
        assert_eq!(store.reader().behind_first_events().await.unwrap(), None, "no slice is left");
    }

    #[tokio::test]
    async fn positions_are_found_by_number_and_by_time() {
        let (_dir, store) = worked().await;
        let reader = store.reader();
        for (jobs, last) in [(0, Some(6)), (1, Some(4)), (2, Some(3)), (3, None)] {
            assert_eq!(reader.end_of_surplus(jobs).await.unwrap(), last, "{jobs}");
        }
        for (at_ms, position) in [(0, 1), (1000, 1), (1001, 2), (9000, 9), (9001, 10)] {
            assert_eq!(reader.position_at(at_ms).await.unwrap(), position, "{at_ms}");
        }
    }

    #[tokio::test]
    async fn a_token_that_comes_again_when_its_cluster_is_forgotten_ends_nothing() {
        let (dir, mut store) = worked().await;
        store.tend(Order::Forget(Upto { jobs: 5, events: 5 })).await.unwrap();
        assert!(store.reader().cluster(1).await.unwrap().is_none());
        // Who asks again long after is given another, with the same token.
        let again = NewCluster { token: [1; 16], ..cluster(4) };
        let new = Batch { new_clusters: vec![again], ..Batch::default() };
        store.commit(&new).await.unwrap();
        let over = Batch {
            clusters: vec![ClusterRow { cluster: 4, body: None }],
            events: vec![event(10, 4, "{}")],
            ..Batch::default()
        };
        store.commit(&over).await.unwrap();
        let later = Batch { events: vec![event(11, 3, "{}")], ..Batch::default() };
        store.commit(&later).await.unwrap();
        store.tend(Order::Forget(Upto { jobs: 11, events: 11 })).await.unwrap();
        assert!(store.reader().cluster(4).await.unwrap().is_none());
        store.close().await.unwrap();
        let mut store = Store::open(&dir.path().join("queue.db")).await.unwrap();
        assert_eq!(store.load().await.unwrap().past, [([1; 16], 4, 2)]);
    }

    #[tokio::test]
    async fn tokens_that_are_kept_are_known_however_long_the_history_is() {
        let (_dir, mut store) = worked().await;
        store.tend(Order::Forget(Upto { jobs: 5, events: 5 })).await.unwrap();
        let token = |n: u32| {
            let mut token = [9; 16];
            token[..4].copy_from_slice(&n.to_le_bytes());
            token
        };
        let new = |n: u32| NewCluster { token: token(n), cluster: n, ..cluster(1) };
        let over = |n: u32| ClusterRow { cluster: n, body: None };
        let batch = Batch { new_clusters: (10..10_100).map(new).collect(), ..Batch::default() };
        store.commit(&batch).await.unwrap();
        let batch = Batch { clusters: (10..10_100).map(over).collect(), ..Batch::default() };
        store.commit(&batch).await.unwrap();
        let past = store.load().await.unwrap().past;
        assert_eq!(past.len(), 10_001);
        assert!(past.contains(&([1; 16], 1, 2)), "the one whose rows are gone");
    }

    #[test]
    fn a_slice_is_bounded_by_bytes_and_has_one_row_at_least() {
        let taken = |bytes: &[i64]| {
            let rows: Vec<(i64, i64)> = (1..).zip(bytes.iter().copied()).collect();
            let slice = Slice::of(&rows);
            (slice.many(), slice.last(), slice.has_more)
        };
        let mib = 1 << 20;
        assert_eq!(taken(&[]), (0, None, false));
        assert_eq!(taken(&[mib; 3]), (3, Some(3), false));
        assert_eq!(taken(&[mib; 9]), (4, Some(4), true));
        assert_eq!(taken(&[100 * mib, 1]), (1, Some(1), true));
        assert_eq!(taken(&[1; SLICE as usize]), (200, Some(200), true));
    }

    #[tokio::test]
    async fn what_has_nothing_to_do_writes_nothing() {
        let (_dir, mut store) = worked().await;
        store.rest().await;
        assert_eq!(store.tend(Order::Forget(Upto::default())).await.unwrap(), Tended::default());
        assert!(store.is_rested(), "it goes on resting");
        assert_eq!(*store.forgotten().borrow(), Forgotten::default());
    }

    async fn fill(store: &mut Store, from: u64) {
        let body = format!("{{\"x\":\"{}\"}}", "y".repeat(100_000));
        let events = (from..from + 300).map(|n| event(n, 3, &body)).collect();
        store.commit(&Batch { events, ..Batch::default() }).await.unwrap();
    }

    fn length(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    #[tokio::test]
    async fn room_that_is_free_is_used_again_and_given_back() {
        let (dir, mut store) = worked().await;
        let path = dir.path().join("queue.db");
        fill(&mut store, 10).await;
        store.rest().await;
        let full = length(&path);
        assert!(full > 30_000_000, "{full}");
        let order = Order::Forget(Upto { jobs: 300, events: 300 });
        while store.tend(order).await.unwrap().has_more {}
        fill(&mut store, 400).await;
        store.rest().await;
        assert!(length(&path) < full + full / 10, "it is used again");
        let order = Order::Forget(Upto { jobs: 690, events: 690 });
        while store.tend(order).await.unwrap().has_more {}
        let reader = store.reader();
        while reader.sizes().await.unwrap().free_bytes > 1 << 20 {
            store.tend(Order::GiveBack).await.unwrap();
        }
        store.rest().await;
        assert!(length(&path) < full / 10, "{}", length(&path));
    }

    #[tokio::test]
    async fn a_small_file_of_an_earlier_release_is_made_anew() {
        let (dir, store) = worked().await;
        store.close().await.unwrap();
        let path = dir.path().join("queue.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut db = sqlx::ConnectOptions::connect(&options).await.unwrap();
        for sql in ["pragma journal_mode = delete", "pragma auto_vacuum = 0", "vacuum"] {
            sqlx::query(sql).execute(&mut db).await.unwrap();
        }
        Connection::close(db).await.unwrap();
        let store = Store::open(&path).await.unwrap();
        assert!(store.reader().sizes().await.unwrap().gives_back);
        assert_eq!(seqs(&store).await.len(), 9);
    }
}
