//! Connections: one task each. What a peer is decides what it may say here; who it is, the socket
//! has checked.

use std::sync::Arc;

use model::{MachineName, ScheddName};
use proto::client::{
    Answer, AskNegotiator, DaemonIdentity, DrainOrder, Refusal, Request, Response,
};
use proto::clock;
use proto::draining::Drain;
use proto::matchmaking::{FromMachine, FromSchedd};
use proto::net::address::{self, Reach};
use proto::net::{Connection, Incoming, NetError, PeerIdentity, Receiver, Role, Sender};
use tokio::sync::{mpsc, oneshot};

use super::engine::{ConnectionId, EngineInput, OUTBOX};
use super::machines::Machines;
use super::server::draw;

/// How many jobs may be asked about at once whether they could ever run: each looks at every
/// machine.
const NEVER_MOST: usize = 16;

/// Ads in one answer. A machine ad has about 5 kB, so that an answer stays far below the longest
/// frame.
const ADS_PER_ANSWER: usize = 500;

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct PeerContext {
    /// Where the engine listens.
    pub(crate) engine: mpsc::Sender<EngineInput>,
    pub(crate) identity: DaemonIdentity,
    /// The user that the pool runs as, who may do everything.
    pub(crate) pool_uid: u32,
    pub(crate) machines: Machines,
}

/// Why a connection ended before its peer closed it.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("talk to startd {startd}: it speaks of another machine, {machine}")]
    OtherMachine { startd: String, machine: MachineName },
    #[error("talk to a machine: it cannot be reached at {address} but calls")]
    Address { address: String },
    #[error("talk to {role:?}: a negotiator has nothing to say to it")]
    WrongRole { role: Role },
    #[error("talk to the engine: the negotiator is stopping")]
    Stopping,
    #[error("draw the secret of a token")]
    Random(#[source] getrandom::Error),
    #[error("talk to schedd {schedd}: it does not read, or has connected again")]
    Replaced { schedd: ScheddName },
}

/// Serves one connection until it ends.
pub(crate) async fn serve(incoming: Incoming, id: ConnectionId, context: Arc<PeerContext>) {
    let ended = match incoming.greet().await {
        Ok(connection) => talk(connection, id, &context).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = ended {
        tracing::info!(
            connection = id.0,
            error = &error as &dyn std::error::Error,
            "closed a connection"
        );
    }
}

async fn talk(
    connection: Connection,
    id: ConnectionId,
    context: &PeerContext,
) -> Result<(), Closed> {
    let Connection { peer, mut sender, receiver } = connection;
    match peer.role.clone() {
        Role::Command => {
            let superuser = peer.uid() == 0 || peer.uid() == context.pool_uid;
            answer_command(sender, receiver, superuser, context).await
        }
        Role::Schedd(name) => {
            let schedd = ScheddName::new(&name);
            let ended = talk_to_schedd(sender, receiver, &schedd, id, context).await;
            say(context, EngineInput::ScheddDown { schedd, connection: id }).await?;
            ended
        }
        Role::Startd(name) => {
            let machine = MachineName::new(&name);
            say(context, EngineInput::MachineUp { machine: machine.clone(), connection: id })
                .await?;
            let told = context.machines.up(&machine, id);
            let ended = tokio::select! {
                ended = hear_startd(receiver, &machine, &peer.identity, id, context) => ended,
                ended = context.machines.tell(&mut sender, &machine, &peer.identity, told) => {
                    Ok(ended?)
                }
            };
            context.machines.down(&machine, id);
            say(context, EngineInput::MachineDown { machine, connection: id }).await?;
            ended
        }
        Role::Newcomer => {
            let connection = Connection { peer, sender, receiver };
            Ok(context.machines.welcome(connection).await?)
        }
        role @ (Role::Negotiator
        | Role::Files(_)
        | Role::Task
        | Role::Part(_)
        | Role::Visitor
        | Role::Visited(_)
        | Role::Helper
        | Role::Lender
        | Role::Carrier) => Err(Closed::WrongRole { role }),
    }
}

async fn talk_to_schedd(
    mut sender: Sender,
    mut receiver: Receiver,
    schedd: &ScheddName,
    id: ConnectionId,
    context: &PeerContext,
) -> Result<(), Closed> {
    let (outbox, mut waiting) = mpsc::channel(OUTBOX);
    say(context, EngineInput::ScheddUp { schedd: schedd.clone(), connection: id, outbox }).await?;
    let hear = async {
        while let Some(message) = receiver.recv().await? {
            if let FromSchedd::Call { machines, address } = &message {
                context.machines.call(machines, schedd.as_str(), address);
                continue;
            }
            let schedd = schedd.clone();
            say(context, EngineInput::ScheddSaid { schedd, connection: id, message }).await?;
        }
        Ok(())
    };
    let tell = async {
        while let Some(message) = waiting.recv().await {
            sender.feed_what_fits(message).await?;
            while let Ok(message) = waiting.try_recv() {
                sender.feed_what_fits(message).await?;
            }
            sender.flush().await?;
        }
        Err(Closed::Replaced { schedd: schedd.clone() })
    };
    // Whichever ends first ends the connection. Both may be cancelled: nothing that is cut off is
    // needed any more.
    tokio::select! {
        ended = hear => ended,
        ended = tell => ended,
    }
}

async fn hear_startd(
    mut receiver: Receiver,
    machine: &MachineName,
    identity: &PeerIdentity,
    id: ConnectionId,
    context: &PeerContext,
) -> Result<(), Closed> {
    while let Some(message) = receiver.recv::<FromMachine>().await? {
        let about = match &message {
            FromMachine::Advertise(state) => &state.machine,
            FromMachine::Withdraw { machine } => machine,
        };
        if about != machine {
            let (startd, machine) = (machine.to_string(), about.clone());
            return Err(Closed::OtherMachine { startd, machine });
        }
        let is_ad = matches!(message, FromMachine::Advertise(_));
        if let FromMachine::Advertise(state) = &message {
            check_address(identity, &state.address)?;
        }
        let named = machine.clone();
        say(context, EngineInput::MachineSaid { machine: named, connection: id, message }).await?;
        if is_ad {
            context.machines.advertised(machine);
        }
    }
    Ok(())
}

/// A machine elsewhere calls who wants it. An address of its choice would be where our schedds go.
fn check_address(identity: &PeerIdentity, address: &str) -> Result<(), Closed> {
    match identity {
        PeerIdentity::Local { .. } => Ok(()),
        PeerIdentity::Node { .. } | PeerIdentity::Newcomer { .. } => {
            let calls = address::reach(address) == Some(Reach::Calls);
            calls.then_some(()).ok_or_else(|| Closed::Address { address: address.to_owned() })
        }
    }
}

async fn answer_command(
    mut sender: Sender,
    mut receiver: Receiver,
    superuser: bool,
    context: &PeerContext,
) -> Result<(), Closed> {
    while let Some(Request { id, body }) = receiver.recv().await? {
        let answers = answer(body, superuser, context).await?;
        let count = answers.len();
        for (index, body) in answers.into_iter().enumerate() {
            let response = Response { id, last: index + 1 == count, body };
            sender.feed_in_parts(response).await?;
        }
        sender.flush().await?;
    }
    Ok(())
}

/// The parts of the answer, at least one.
async fn answer(
    ask: AskNegotiator,
    superuser: bool,
    context: &PeerContext,
) -> Result<Vec<Answer>, Closed> {
    match ask {
        AskNegotiator::Identify => Ok(vec![Answer::Identity(context.identity.clone())]),
        AskNegotiator::QueryMachines(query) => {
            let (answer, ads) = oneshot::channel();
            say(context, EngineInput::QueryMachines { query: Box::new(query), answer }).await?;
            let mut ads = ads.await.map_err(|_| Closed::Stopping)?.into_iter().peekable();
            let mut parts = Vec::new();
            while parts.is_empty() || ads.peek().is_some() {
                parts.push(Answer::Ads(ads.by_ref().take(ADS_PER_ANSWER).collect()));
            }
            Ok(parts)
        }
        AskNegotiator::Never(mut ads) => {
            ads.truncate(NEVER_MOST);
            let (answer, reasons) = oneshot::channel();
            say(context, EngineInput::Never { ads, answer }).await?;
            Ok(vec![Answer::Never(reasons.await.map_err(|_| Closed::Stopping)?)])
        }
        AskNegotiator::Accounts => {
            let (answer, report) = oneshot::channel();
            say(context, EngineInput::Accounts { answer }).await?;
            Ok(vec![Answer::Accounts(report.await.map_err(|_| Closed::Stopping)?)])
        }
        AskNegotiator::Statistics => {
            let (answer, ad) = oneshot::channel();
            say(context, EngineInput::Statistics { answer }).await?;
            Ok(vec![Answer::Ads(vec![ad.await.map_err(|_| Closed::Stopping)?])])
        }
        AskNegotiator::Trust(_) if !superuser => {
            let refusal = "only root and the pool's own user may say who is in the pool".to_owned();
            Ok(vec![Answer::Refused(Refusal::Invalid(refusal))])
        }
        AskNegotiator::Trust(ask) => {
            let secret = draw().map_err(Closed::Random)?;
            Ok(vec![context.machines.answer(ask, secret).await])
        }
        AskNegotiator::Drain { .. } if !superuser => {
            let refusal = "only root and the pool's own user may drain machines".to_owned();
            Ok(vec![Answer::Refused(Refusal::Invalid(refusal))])
        }
        AskNegotiator::Drain { machine, order } => {
            let since = clock::now().wall;
            let drain = order.map(|DrainOrder { how, reason }| Drain { how, reason, since });
            Ok(vec![drained(machine, drain, context).await?])
        }
        AskNegotiator::EditAccounts { .. } if !superuser => {
            let refusal = "only root and the pool's own user may change accounts".to_owned();
            Ok(vec![Answer::Refused(Refusal::Invalid(refusal))])
        }
        AskNegotiator::EditAccounts { user, edit } => {
            let (answer, done) = oneshot::channel();
            say(context, EngineInput::EditAccounts { user, edit, answer }).await?;
            done.await.map_err(|_| Closed::Stopping)?;
            Ok(vec![Answer::Done])
        }
    }
}

async fn drained(
    machine: String,
    drain: Option<Drain>,
    context: &PeerContext,
) -> Result<Answer, Closed> {
    let is_member = context.machines.is_member(&machine).await;
    let (answer, done) = oneshot::channel();
    let unknown = format!("no machine is called {machine}, or several are");
    say(context, EngineInput::Drain { machine, is_member, drain, answer }).await?;
    let meant = done.await.map_err(|_| Closed::Stopping)?;
    Ok(meant.map_or(Answer::Refused(Refusal::Invalid(unknown)), Answer::Machine))
}

async fn say(context: &PeerContext, input: EngineInput) -> Result<(), Closed> {
    context.engine.send(input).await.map_err(|_| Closed::Stopping)
}
