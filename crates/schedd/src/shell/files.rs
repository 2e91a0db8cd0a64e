//! The files of spooled jobs on their way in and out, over one command's connection. A piece is in
//! memory at a time; the disk is touched outside of the tasks that others wait for. Whose files
//! they are, and whether the job waits for them, the core says first.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use model::{ClusterId, JobId, ProcId};
use proto::client::Refusal;
use proto::files::{FilesError, Found, Inbox, Piece, Pieces, Root};
use proto::net::chain;
use tokio::task::spawn_blocking;

use crate::shell::spool::{Spool, Turn};

/// The input files of the job that a connection has begun with.
#[derive(Debug, Default)]
pub(super) struct Arriving(Option<Coming>);

#[derive(Debug)]
struct Coming {
    job: JobId,
    inbox: Inbox,
    /// Given back when the connection ends.
    _turn: Turn,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TravelError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("make the folder of job {job}")]
    Folder {
        job: JobId,
        #[source]
        source: io::Error,
    },
    #[error("list the folders of spooled jobs")]
    List(#[source] io::Error),
    #[error("take the files of job {0}: another connection brings them")]
    Taken(JobId),
    #[error("take a file: it is not said of which job")]
    NotBegun,
    #[error("move files: the schedd stops")]
    Stopping,
}

impl From<TravelError> for Refusal {
    fn from(error: TravelError) -> Self {
        let text = chain(&error);
        match error {
            TravelError::Taken(_) => Self::Busy(text),
            TravelError::Files(_)
            | TravelError::Folder { .. }
            | TravelError::List(_)
            | TravelError::NotBegun
            | TravelError::Stopping => Self::Invalid(text),
        }
    }
}

/// Does something with the disk, beside the tasks of the daemon.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TravelError> + Send + 'static,
) -> Result<T, TravelError> {
    spawn_blocking(work).await.map_err(|_| TravelError::Stopping)?
}

impl Arriving {
    /// Begins with a job: false if its files are there already.
    pub(super) async fn begin(&mut self, spool: &Spool, job: JobId) -> Result<bool, TravelError> {
        self.0 = None;
        let turn = spool.turn(job).ok_or(TravelError::Taken(job))?;
        let spool = spool.clone();
        let coming = beside(move || {
            if !spool.begin(job).map_err(|source| TravelError::Folder { job, source })? {
                return Ok(None);
            }
            let inbox = Inbox::open(&spool.files(job))?;
            Ok(Some(Coming { job, inbox, _turn: turn }))
        });
        self.0 = coming.await?;
        Ok(self.0.is_some())
    }

    /// Takes the next piece. After one that cannot be taken the job has to be begun again.
    pub(super) async fn take(&mut self, piece: Piece) -> Result<(), TravelError> {
        let mut coming = self.0.take().ok_or(TravelError::NotBegun)?;
        let coming = beside(move || {
            coming.inbox.take(piece)?;
            Ok(coming)
        });
        self.0 = Some(coming.await?);
        Ok(())
    }

    /// All are there.
    pub(super) async fn end(&mut self, spool: &Spool) -> Result<(), TravelError> {
        let mut coming = self.0.take().ok_or(TravelError::NotBegun)?;
        let spool = spool.clone();
        beside(move || {
            coming.inbox.settle()?;
            Ok(spool.finish(coming.job)?)
        })
        .await
    }
}

/// The jobs of a cluster whose files are all there.
pub(super) async fn whole(
    spool: &Spool,
    cluster: ClusterId,
) -> Result<BTreeSet<ProcId>, TravelError> {
    let spool = spool.clone();
    beside(move || spool.whole(cluster).map_err(TravelError::List)).await
}

/// What a job has made, on its way out.
#[derive(Debug)]
pub(super) struct Leaving {
    root: Root,
    found: VecDeque<Found>,
    open: Option<Pieces>,
}

impl Leaving {
    /// Of this job.
    pub(super) async fn of(spool: &Spool, job: JobId) -> Result<Self, TravelError> {
        let spool = spool.clone();
        beside(move || {
            let (root, found) = spool.made(job)?;
            Ok(Self { root, found: found.into(), open: None })
        })
        .await
    }

    /// The next piece, and itself for the one after it; `None` at the end.
    pub(super) async fn next(mut self) -> Result<Option<(Piece, Self)>, TravelError> {
        beside(move || {
            loop {
                if let Some(piece) = self.open.as_mut().and_then(Iterator::next) {
                    return Ok(Some((piece?, self)));
                }
                let Some(found) = self.found.pop_front() else { return Ok(None) };
                self.open = Some(self.root.pieces(&found)?);
            }
        })
        .await
    }
}
