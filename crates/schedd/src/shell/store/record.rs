//! Reads the schedd's record beside the writer: from a position on, of all jobs or of some.

use serde_json::json;

use super::{EventRow, HISTORY_PAGE, RECORD_WINDOW, Reader, StoreError, event_row, failed};

impl Reader {
    /// Events from a position on, at most a page.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn events(&self, since: u64) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query(
            "select seq, at_ms, cluster, proc, body from event where seq >= ? order by seq limit ?",
        )
        .bind(i64::try_from(since).unwrap_or(i64::MAX))
        .bind(HISTORY_PAGE)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read the record"))?;
        rows.iter().map(event_row).collect::<Result<_, _>>().map_err(failed("read the record"))
    }

    /// Events of these clusters from a position on, as many as a part of the record up to `last`
    /// holds, at most a page; and where to go on. The record has no index by cluster, because every
    /// event would pay for it: it is looked through. Where a queue was put back from a copy there
    /// is a gap, which is stepped over.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub async fn events_of(
        &self,
        since: u64,
        last: u64,
        clusters: &[u32],
    ) -> Result<(Vec<EventRow>, u64), StoreError> {
        let end = since.saturating_add(RECORD_WINDOW).min(last.saturating_add(1)).max(since);
        let position = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "select seq, at_ms, cluster, proc, body from event where seq >= ? and seq < ? \
             and cluster in (select value from json_each(?)) order by seq limit ?",
        )
        .bind(position(since))
        .bind(position(end))
        .bind(json!(clusters).to_string())
        .bind(HISTORY_PAGE)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read the record"))?;
        let rows: Vec<EventRow> = rows
            .iter()
            .map(event_row)
            .collect::<Result<_, _>>()
            .map_err(failed("read the record"))?;
        let is_full = rows.len() == usize::from(HISTORY_PAGE);
        let next = match rows.last().filter(|_| is_full) {
            Some(row) => row.seq + 1,
            None => self.first_event(end).await?.unwrap_or(last.saturating_add(1)).max(end),
        };
        Ok((rows, next))
    }

    /// The first event from a position on.
    async fn first_event(&self, since: u64) -> Result<Option<u64>, StoreError> {
        let first: Option<i64> = sqlx::query_scalar("select min(seq) from event where seq >= ?")
            .bind(i64::try_from(since).unwrap_or(i64::MAX))
            .fetch_one(&self.0)
            .await
            .map_err(failed("read the record"))?;
        Ok(first.map(i64::unsigned_abs))
    }
}
