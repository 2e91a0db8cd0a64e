//! Connections to schedds, whoever has called. What a schedd says goes to the engine; what it is
//! told comes from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classad::ClassAd;
use model::{ClaimSecret, JobId, ScheddName, attr};
use nix::unistd::Uid;
use proto::claiming::{FromStartd, ToStartd};
use proto::net::{Connection, NetError, Receiver, Sender};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::core::Input;
use crate::shell::engine::EngineInput;

/// Messages that wait for a schedd that reads slowly: more than a pass of ends on a large machine.
/// When it is full the connection is closed, and the greeting of the next one makes good what was
/// not said.
const QUEUE: usize = 8192;

/// How many queued messages are written before the buffer is flushed.
const BURST: usize = 256;

/// What connections need.
#[derive(Debug)]
pub(crate) struct ScheddContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    /// Numbers the connections, so that the end of an old one is not taken for that of its
    /// successor.
    connections: AtomicU64,
    /// The connections of schedds: each ends when what it was given to say is said.
    pub(crate) schedds: TaskTracker,
    visits: mpsc::Sender<VisitAsked>,
}

/// A schedd's connection, as the engine holds it. It is closed by dropping it.
#[derive(Debug)]
pub(crate) struct ScheddLink {
    pub(crate) connection: u64,
    /// Unset once something could not be said: nothing may follow that.
    queue: Option<mpsc::Sender<FromStartd>>,
}

impl ScheddLink {
    /// Says something; false if the schedd reads too slowly or is gone. Then the connection is
    /// closed.
    pub(crate) fn tell(&mut self, message: FromStartd) -> bool {
        let said = self.queue.as_ref().is_some_and(|queue| queue.try_send(message).is_ok());
        if !said {
            self.queue = None;
        }
        said
    }
}

/// A schedd has somebody who visits a job here: it is to be called for that.
#[derive(Debug)]
pub(crate) struct VisitAsked {
    pub(crate) schedd: ScheddName,
    pub(crate) number: u64,
    pub(crate) job: JobId,
}

impl ScheddContext {
    /// For connections that tell this engine; who visits is told there.
    pub(crate) fn new(
        engine: mpsc::Sender<EngineInput>,
        visits: mpsc::Sender<VisitAsked>,
    ) -> Arc<Self> {
        let (connections, schedds) = (AtomicU64::new(0), TaskTracker::new());
        Arc::new(Self { engine, connections, schedds, visits })
    }
}

/// Talks to a schedd until the connection ends.
pub(crate) async fn serve_schedd(
    connection: Connection,
    schedd: ScheddName,
    context: Arc<ScheddContext>,
) {
    let Connection { peer, sender, receiver } = connection;
    let near = peer.identity.is_local(Uid::effective().as_raw());
    let (queue, outgoing) = mpsc::channel(QUEUE);
    let number = context.connections.fetch_add(1, Ordering::Relaxed);
    let up = EngineInput::ScheddUp {
        schedd: schedd.clone(),
        near,
        generation: peer.generation,
        link: ScheddLink { connection: number, queue: Some(queue) },
    };
    if context.engine.send(up).await.is_err() {
        return;
    }
    // Both directions make progress whatever the other waits for: two ends that only wrote would
    // wait for ever.
    let end = tokio::select! {
        end = listen(receiver, &schedd, near, &context) => end,
        end = speak(sender, outgoing) => end,
    };
    tracing::info!(%schedd, ?end, "a schedd's connection closed");
    // An engine that has ended does not want to know.
    let _ = context.engine.send(EngineInput::ScheddDown { schedd, connection: number }).await;
}

async fn listen(
    mut receiver: Receiver,
    schedd: &ScheddName,
    near: bool,
    context: &Arc<ScheddContext>,
) -> Result<(), NetError> {
    while let Some(mut message) = receiver.recv::<ToStartd>().await? {
        if let ToStartd::Visit { number, job } = message {
            // With too many that are not called for yet, its visitor is told that nobody called.
            let _ = context.visits.try_send(VisitAsked { schedd: schedd.clone(), number, job });
            continue;
        }
        if let ToStartd::StartRun(run) = &mut message
            && !near
        {
            without_what_is_near(Arc::make_mut(&mut run.ad));
        }
        // Only a claim needs a secret: nothing is drawn for the many starts.
        let secret = match &message {
            ToStartd::RequestClaim(_) => draw(),
            ToStartd::Echo { .. }
            | ToStartd::StartRun(_)
            | ToStartd::StopRun { .. }
            | ToStartd::PauseRun { .. }
            | ToStartd::RunRecorded { .. }
            | ToStartd::ReleaseClaim { .. }
            | ToStartd::Visit { .. } => [0; 16],
        };
        let fresh = ClaimSecret::new(secret);
        let input = Input::FromSchedd { schedd: schedd.clone(), message, fresh };
        if context.engine.send(EngineInput::Core(input)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What a run cannot have on a machine that does not see its submitter's disk, though it can run:
/// streams are brought like other files.
fn without_what_is_near(job: &mut ClassAd) {
    for stream in [attr::STREAM_IN, attr::STREAM_OUT, attr::STREAM_ERR] {
        if job.get(stream).is_some() {
            job.set(stream, false);
        }
    }
}

async fn speak(
    mut sender: Sender,
    mut outgoing: mpsc::Receiver<FromStartd>,
) -> Result<(), NetError> {
    let mut burst = Vec::with_capacity(BURST);
    while outgoing.recv_many(&mut burst, BURST).await > 0 {
        for message in burst.drain(..) {
            sender.feed(&message).await?;
        }
        sender.flush().await?;
    }
    Ok(())
}

/// Bytes that nobody can guess.
///
/// # Panics
///
/// If the kernel has none, which it always has once it has booted.
#[expect(clippy::disallowed_methods, reason = "the one place of the startd that draws")]
pub(crate) fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap_or_else(|error| panic!("draw {N} random bytes: {error}"));
    bytes
}
