//! The startd's own socket: connections from schedds, and from commands that ask who it is. What a
//! schedd says goes to the engine; what it is told comes from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classad::ClassAd;
use model::{ClaimSecret, ScheddName, attr};
use nix::unistd::Uid;
use proto::claiming::{FromStartd, ToStartd};
use proto::client::{Answer, AskStartd, DaemonIdentity, Request, Response};
use proto::net::{Connection, Incoming, Listener, NetError, Receiver, Role, Sender};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::core::{Input, RunKey};
use crate::shell::engine::EngineInput;
use crate::shell::links::parts::{self, Whereabouts, WhoseRun};
use crate::shell::run::tail;

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
    pub(crate) identity: DaemonIdentity,
    /// Numbers the connections, so that the end of an old one is not taken for that of its
    /// successor.
    pub(crate) connections: AtomicU64,
    /// Where the schedds are, for who has something to say to another part of a run.
    pub(crate) whereabouts: Whereabouts,
    /// The connections of schedds: each ends when what it was given to say is said.
    pub(crate) schedds: TaskTracker,
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

/// Accepts connections for ever.
pub(crate) async fn serve(listener: Listener, context: Arc<ScheddContext>) {
    loop {
        let incoming = listener.accept().await;
        tokio::spawn(greet(incoming, Arc::clone(&context)));
    }
}

async fn greet(incoming: Incoming, context: Arc<ScheddContext>) {
    let connection = match incoming.greet().await {
        Ok(connection) => connection,
        Err(error) => return tracing::info!(%error, "refused a connection"),
    };
    match connection.peer.role.clone() {
        Role::Schedd(name) => {
            let served = serve_schedd(connection, ScheddName::new(&name), Arc::clone(&context));
            context.schedds.spawn(served);
        }
        Role::Command => {
            let end = serve_command(connection, &context).await;
            tracing::debug!(?end, "a command's connection closed");
        }
        Role::Task => {
            let whose = |key| whose_run(&context.engine, key);
            let end = parts::relay(connection, &context.whereabouts, whose).await;
            tracing::debug!(?end, "a process of a run has no more to say to other parts");
        }
        role @ (Role::Negotiator
        | Role::Startd(_)
        | Role::Files(_)
        | Role::Part(_)
        | Role::Newcomer) => {
            tracing::info!(?role, "closed a connection: a startd has nothing to say to it");
        }
    }
}

async fn whose_run(engine: &mpsc::Sender<EngineInput>, key: RunKey) -> Option<WhoseRun> {
    let (answer, answered) = oneshot::channel();
    engine.send(EngineInput::WhoseRun { key, answer }).await.ok()?;
    answered.await.ok().flatten()
}

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
        end = listen(receiver, &schedd, near, &context.engine) => end,
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
    engine: &mpsc::Sender<EngineInput>,
) -> Result<(), NetError> {
    while let Some(mut message) = receiver.recv::<ToStartd>().await? {
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
            | ToStartd::ReleaseClaim { .. } => [0; 16],
        };
        let fresh = ClaimSecret::new(secret);
        let input = Input::FromSchedd { schedd: schedd.clone(), message, fresh };
        if engine.send(EngineInput::Core(input)).await.is_err() {
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

async fn serve_command(connection: Connection, context: &ScheddContext) -> Result<(), NetError> {
    let Connection { peer, mut sender, mut receiver } = connection;
    while let Some(Request { id, body }) = receiver.recv().await? {
        let body = match body {
            AskStartd::Identify => Answer::Identity(context.identity.clone()),
            AskStartd::ReadRun { job, file, from, max_bytes } => {
                let wanted = tail::Wanted { job, file, from, max_bytes };
                tail::answer(&context.engine, &peer, wanted).await
            }
        };
        sender.send(&Response { id, last: true, body }).await?;
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
