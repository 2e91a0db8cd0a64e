//! What the DAG's own job is told of how far it is: people look at it. Told beside the loop, which
//! waits for nobody.
//!
//! Does not know what is told.

use std::time::Duration;

use classad::{AttrName, Expr};
use client::asynchronous::Schedd;
use client::{Select, Selector};
use futures_util::FutureExt;
use model::{ClusterId, Now};
use tokio::task::JoinHandle;

/// How often it is told.
const TELL_MS: u64 = 2000;

/// How long a schedd that does not answer is waited for.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// Between two attempts to tell the last word.
const AGAIN: Duration = Duration::from_secs(1);

/// Attributes of a job, and their values.
pub(super) type Changes = Vec<(AttrName, Expr)>;

/// Tells the DAG's own job.
pub(super) struct Teller {
    schedd: Schedd,
    job: ClusterId,
    /// What the schedd has heard last.
    told: Changes,
    /// When it was begun last, milliseconds of the boot clock.
    begun_ms: Option<u64>,
    /// What is being told: whether it was heard.
    under_way: Option<(Changes, JoinHandle<bool>)>,
}

impl Teller {
    pub(super) fn of(schedd: &Schedd, job: ClusterId) -> Self {
        let (schedd, told) = (schedd.clone(), Changes::new());
        Self { schedd, job, told, begun_ms: None, under_way: None }
    }

    /// Whether it is time to tell something again.
    pub(super) fn is_time(&mut self, now: Now) -> bool {
        if let Some((changes, mut heard)) = self.under_way.take() {
            match (&mut heard).now_or_never() {
                Some(Ok(true)) => self.told = changes,
                // What was not heard is told again.
                Some(Ok(false) | Err(_)) => {}
                None => {
                    self.under_way = Some((changes, heard));
                    return false;
                }
            }
        }
        self.begun_ms.is_none_or(|begun| now.boot_ms >= begun.saturating_add(TELL_MS))
    }

    /// Tells this, unless it was told last.
    pub(super) fn tell(&mut self, now: Now, changes: Changes) {
        if self.told == changes || self.under_way.is_some() {
            return;
        }
        self.begun_ms = Some(now.boot_ms);
        let (schedd, job, what) = (self.schedd.clone(), self.job, changes.clone());
        let telling = tokio::spawn(async move { tell(&schedd, job, what).await });
        self.under_way = Some((changes, telling));
    }

    /// Tells the last word, after what is being told; gives up after so many attempts.
    pub(super) async fn tell_last(&mut self, changes: Changes, tries: u32) {
        if let Some((_, telling)) = self.under_way.take() {
            // Heard or not: this says more.
            let _ = telling.await;
        }
        for left in (0..tries).rev() {
            if tell(&self.schedd, self.job, changes.clone()).await || left == 0 {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Tells it once. Whether the schedd has heard it.
async fn tell(schedd: &Schedd, job: ClusterId, changes: Changes) -> bool {
    let own = Select::Any(vec![Selector::Cluster(job)]);
    let told = tokio::time::timeout(TELL_WITHIN, schedd.edit(own, changes));
    matches!(told.await, Ok(Ok(_)))
}
