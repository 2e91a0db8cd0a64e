//! Looks now and then whether something in the queue's file is kept no longer, and has the engine
//! take it out, a slice at a time: between two of them everybody is served. What is to go is
//! `retention`'s matter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use proto::clock;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::engine::EngineInput;
use super::retention::{self, Measured, Order, Positions, Retention, Sizes, Upto};
use super::store::{Reader, Store, StoreError, Tended};

/// How often it is looked: what comes in that time at the highest rate is small against the bounds.
const LOOK: Duration = Duration::from_secs(5);

/// How long the parts of the file that take time to count are believed.
const MEASURED: Duration = Duration::from_secs(60);

/// After a slice it pauses for so many times as long as that took.
const PAUSES: u32 = 3;

/// Looks for one store, for as long as its engine lives.
pub(crate) struct Tender {
    reader: Reader,
    engine: mpsc::Sender<EngineInput>,
    retention: Retention,
    /// The folder whose disk it is about.
    folder: PathBuf,
    measured: Option<(Instant, Measured)>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the schedd stops")]
    Stopping,
}

impl Tender {
    pub(crate) fn new(
        store: &Store,
        engine: mpsc::Sender<EngineInput>,
        retention: Retention,
    ) -> Self {
        let folder = store.path().parent().map(Path::to_owned).unwrap_or_default();
        Self { reader: store.reader(), engine, retention, folder, measured: None }
    }

    /// Goes on for as long as there is an engine.
    pub(crate) async fn run(mut self) {
        loop {
            match self.round().await {
                Ok(Tended { jobs: 0, events: 0, .. }) => {}
                Ok(Tended { jobs, events, .. }) => {
                    tracing::info!(
                        jobs,
                        events,
                        "took out of the queue's file what is kept no longer"
                    );
                }
                Err(Ended::Stopping) => return,
                Err(error) => tracing::warn!(%error, "the history is not looked through"),
            }
            sleep(LOOK).await;
        }
    }

    /// Takes out all that is to go now.
    async fn round(&mut self) -> Result<Tended, Ended> {
        let mut all = Tended::default();
        let upto = self.positions().await?.upto();
        let mut has_more = upto != Upto::default();
        while has_more {
            let tended = self.order(Order::Forget(upto)).await?;
            add(&mut all, tended);
            has_more = tended.has_more;
        }
        while let Some(order) = self.next_by_bytes().await? {
            let tended = self.order(order).await?;
            if let Some((_, measured)) = &mut self.measured {
                measured.said_bytes = measured.said_bytes.saturating_sub(tended.said_bytes);
            }
            add(&mut all, tended);
            let is_nothing = tended.jobs == 0 && tended.events == 0 && !tended.has_more;
            if is_nothing {
                break;
            }
        }
        Ok(all)
    }

    async fn positions(&self) -> Result<Positions, StoreError> {
        let Retention { jobs, age, .. } = self.retention;
        if jobs.is_none() && age.is_none() {
            return Ok(Positions::default());
        }
        let now_ms = clock::now().wall.as_millis();
        let surplus = match jobs {
            Some(jobs) => self.reader.end_of_surplus(jobs).await?,
            None => None,
        };
        let young = match self.retention.oldest_ms(now_ms) {
            Some(oldest) => Some(self.reader.position_at(oldest).await?),
            None => None,
        };
        let followed = self.reader.position_at(Retention::followed_ms(now_ms)).await?;
        Ok(Positions { surplus, young, followed })
    }

    async fn next_by_bytes(&mut self) -> Result<Option<Order>, StoreError> {
        let disk_bytes = statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.blocks().saturating_mul(disk.fragment_size()));
        let most_bytes = self.retention.most_bytes(disk_bytes);
        let sizes = self.reader.sizes().await?;
        let measured = self.measured(most_bytes, sizes).await?;
        let first_slice = match retention::is_over(most_bytes, sizes, measured) {
            true => self.reader.behind_first_events().await?,
            false => None,
        };
        Ok(retention::by_bytes(most_bytes, sizes, measured, first_slice))
    }

    /// The parts of the file, counted anew where that is long ago.
    async fn measured(&mut self, most_bytes: u64, sizes: Sizes) -> Result<Measured, StoreError> {
        if !retention::may_be_over(most_bytes, sizes) {
            return Ok(Measured::default());
        }
        if let Some((at, measured)) = self.measured
            && at.elapsed() < MEASURED
        {
            return Ok(measured);
        }
        let measured = Measured {
            live_bytes: self.reader.live_bytes().await?,
            said_bytes: self.reader.said_bytes().await?,
        };
        self.measured = Some((Instant::now(), measured));
        Ok(measured)
    }

    async fn order(&self, order: Order) -> Result<Tended, Ended> {
        let (answer, done) = oneshot::channel();
        let began = Instant::now();
        let asked = self.engine.send(EngineInput::Tend(order, answer)).await;
        asked.map_err(|_| Ended::Stopping)?;
        let tended = done.await.map_err(|_| Ended::Stopping)?;
        sleep(began.elapsed() * PAUSES).await;
        Ok(tended)
    }
}

fn add(all: &mut Tended, tended: Tended) {
    all.jobs += tended.jobs;
    all.events += tended.events;
}
