//! What commands ask of a machine: on its own socket, or as visitors whom a schedd has joined with
//! a connection that the machine made for them. Who may ask is `entry`'s matter.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{JobId, ScheddName};
use nix::sys::signal::Signal;
use proto::client::{Answer, AskStartd, DaemonIdentity, Refusal, Request, Response};
use proto::net::{Connection, NetError, Role, Sender, connect_far, join_process};
use proto::seats::Seats;
use proto::visit::Visited;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::core::RunKey;
use crate::shell::engine::{EngineInput, Question, ask};
use crate::shell::links::callers::CalledSchedds;
use crate::shell::links::schedds::VisitAsked;
use crate::shell::run::beside::{self, Beside};
use crate::shell::run::entry::{Asker, RunPlace, place_for};
use crate::shell::run::shown::Wanted;
use crate::shell::run::tail;

/// Visitors at a time: each is somebody at a terminal, or a command that ends soon.
pub(crate) const VISITS: usize = 64;

/// How often it is looked whether a run is over beside which somebody has a program.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a program that was hung up on may take to end.
const ENDS: Duration = Duration::from_secs(8);

/// What commands need.
#[derive(Debug)]
pub(crate) struct CommandContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    pub(crate) identity: DaemonIdentity,
    /// Where schedds of other machines are called, if this one cannot be.
    pub(crate) callers: Option<Arc<CalledSchedds>>,
    /// Runs at whose end it is looked for what was started beside them.
    pub(crate) looked_after: Seats<RunKey>,
}

/// Calls schedds for those who visit a job, and serves them. With too many visitors it does not,
/// and one is told that it did not.
pub(crate) async fn keep_visiting(
    context: Arc<CommandContext>,
    mut asked: mpsc::Receiver<VisitAsked>,
) {
    let rooms = Arc::new(Semaphore::new(VISITS));
    while let Some(VisitAsked { schedd, number, job }) = asked.recv().await {
        let Ok(room) = Arc::clone(&rooms).try_acquire_owned() else {
            tracing::warn!(%schedd, %job, "too many visitors: this one is not called for");
            continue;
        };
        let context = Arc::clone(&context);
        tokio::spawn(async move {
            if let Err(error) = visit(&context, &schedd, number, job).await {
                let error = proto::net::chain(&error);
                tracing::info!(%schedd, %job, error, "a visit ended");
            }
            drop(room);
        });
    }
}

async fn visit(
    context: &CommandContext,
    schedd: &ScheddName,
    number: u64,
    job: JobId,
) -> Result<(), NetError> {
    let Some(callers) = &context.callers else { return Ok(()) };
    let Some(far) = callers.far(schedd) else { return Ok(()) };
    let mut connection = connect_far(&far, Role::Visited(callers.machine().to_owned())).await?;
    if connection.peer.role != Role::Schedd(schedd.to_string()) {
        return Err(NetError::SomebodyElse { role: connection.peer.role });
    }
    connection.sender.send(&Visited { number }).await?;
    serve(connection, &Asker::Visitor(job), context).await
}

/// Answers what is asked over a connection until it ends.
///
/// # Errors
///
/// If it breaks.
pub(crate) async fn serve(
    mut connection: Connection,
    asker: &Asker,
    context: &CommandContext,
) -> Result<(), NetError> {
    while let Some(Request { id, body }) = connection.receiver.recv().await? {
        let body = match body {
            AskStartd::Identify => Answer::Identity(context.identity.clone()),
            AskStartd::ReadRun { job, file, from, max_bytes } => {
                let wanted = Wanted { job, file, from, max_bytes };
                tail::answer(&context.engine, asker, wanted).await
            }
            AskStartd::Shell { job, program, is_plain } => {
                match place_for(&context.engine, asker, job).await {
                    // What is started here would be the pool's, and not the job's owner.
                    Ok(place) if place.is_owners => {
                        let why = "in a pool of many users nobody is let beside a job yet";
                        Answer::Refused(Refusal::Invalid(format!("visit job {job}: {why}")))
                    }
                    Ok(place) => {
                        let wanted = beside::Wanted { job, program, is_plain };
                        return be_beside(connection, id, wanted, place, context).await;
                    }
                    Err(refusal) => Answer::Refused(refusal),
                }
            }
        };
        say(&mut connection.sender, id, body).await?;
    }
    Ok(())
}

async fn say(sender: &mut Sender, id: u64, body: Answer) -> Result<(), NetError> {
    sender.send(&Response { id, last: true, body }).await
}

/// Waits until the machine has a run no more; no if the startd stops before, which ends no run.
async fn is_gone(engine: &mpsc::Sender<EngineInput>, key: RunKey) -> bool {
    loop {
        sleep(LOOK_EVERY).await;
        match ask(engine, |answer| Question::WhoseRun { key, answer }).await {
            Some(Some(_)) => {}
            Some(None) => return true,
            None => return false,
        }
    }
}

/// Ends what was started beside a run that is over, also what has detached itself.
async fn end_left(scratch: PathBuf) {
    let signal = |signal| {
        let scratch = scratch.clone();
        spawn_blocking(move || beside::signal_left(&scratch, signal))
    };
    if signal(Signal::SIGTERM).await.unwrap_or(false) {
        sleep(ENDS).await;
        let _ = signal(Signal::SIGKILL).await;
    }
}

/// Starts a program beside a job, and passes on what is said to it and what it says, until either
/// ends or the run does.
async fn be_beside(
    mut connection: Connection,
    id: u64,
    wanted: beside::Wanted,
    place: RunPlace,
    context: &CommandContext,
) -> Result<(), NetError> {
    let (job, key, scratch) = (wanted.job, place.key, place.scratch.clone());
    let started = spawn_blocking(move || beside::start(&wanted, &place.scratch)).await;
    let Beside { mut child, line, pids } = match started {
        Ok(Ok(beside)) => beside,
        Ok(Err(error)) => {
            let why = format!("run a program beside job {job}: {error}");
            let refused = Answer::Refused(Refusal::Invalid(why));
            return say(&mut connection.sender, id, refused).await;
        }
        Err(_) => return Ok(()),
    };
    tracing::info!(%job, ?pids, "somebody runs a program beside a job");
    // Whatever becomes of this connection, what was started here ends with the run.
    if let Some(looked_after) = context.looked_after.take(&key, 1) {
        let (engine, scratch) = (context.engine.clone(), scratch.clone());
        tokio::spawn(async move {
            if is_gone(&engine, key).await {
                end_left(scratch).await;
            }
            drop(looked_after);
        });
    }
    say(&mut connection.sender, id, Answer::Shell { pids }).await?;
    let over = async {
        loop {
            sleep(LOOK_EVERY).await;
            let now = place_for(&context.engine, &Asker::Visitor(job), job).await;
            if now.is_ok_and(|now| now.scratch == scratch) {
                continue;
            }
            return;
        }
    };
    let ended = tokio::select! {
        ended = join_process(connection, line) => ended,
        () = over => Ok(()),
    };
    // Its line is closed, which hangs up on all that it has started.
    if timeout(ENDS, child.wait()).await.is_err() {
        child.start_kill()?;
    }
    ended
}
