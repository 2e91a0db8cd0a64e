//! The startd's own socket: who comes there is a schedd, a command of this machine, or a process of
//! a run that has something to say to the run's other parts. What they say is not known here.

use std::sync::Arc;

use model::ScheddName;
use proto::net::{Incoming, Listener, Role};
use tokio::sync::mpsc;

use crate::core::RunKey;
use crate::shell::engine::{EngineInput, OwnersInput, Question, ask};
use crate::shell::links::carrying;
use crate::shell::links::commands::{self, CommandContext};
use crate::shell::links::parts::{self, Whereabouts, WhoseRun};
use crate::shell::links::schedds::{ScheddContext, serve_schedd};
use crate::shell::run::entry::Asker;

/// What those need who come.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    pub(crate) schedds: Arc<ScheddContext>,
    pub(crate) commands: Arc<CommandContext>,
    /// Where the schedds are, for who has something to say to another part of a run.
    pub(crate) whereabouts: Arc<Whereabouts>,
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: Listener, contexts: Contexts) {
    loop {
        let incoming = listener.accept().await;
        tokio::spawn(greet(incoming, contexts.clone()));
    }
}

async fn greet(incoming: Incoming, contexts: Contexts) {
    let connection = match incoming.greet().await {
        Ok(connection) => connection,
        Err(error) => return tracing::info!(%error, "refused a connection"),
    };
    let Contexts { schedds, commands, whereabouts } = contexts;
    match connection.peer.role.clone() {
        Role::Schedd(name) => {
            let served = serve_schedd(connection, ScheddName::new(&name), Arc::clone(&schedds));
            schedds.schedds.spawn(served);
        }
        Role::Command => {
            let asker = Asker::of(&connection.peer);
            let end = commands::serve(connection, &asker, &commands).await;
            tracing::debug!(?end, "a command's connection closed");
        }
        Role::Task => {
            let whose = |key| whose_run(&schedds.engine, key);
            let end = parts::relay(connection, &whereabouts, whose).await;
            tracing::debug!(?end, "a process of a run has no more to say to other parts");
        }
        Role::Carrier => {
            let whose = |key| whose_run(&schedds.engine, key);
            let end = carrying::relay(connection, &whereabouts, whose).await;
            tracing::debug!(?end, "a process of a run's owner carries no more files");
        }
        Role::Helper => {
            // An engine that has ended wants no help.
            let up = EngineInput::Owners(Box::new(OwnersInput::HelperUp(Box::new(connection))));
            let _ = schedds.engine.send(up).await;
        }
        role @ (Role::Negotiator
        | Role::Startd(_)
        | Role::Files(_)
        | Role::Part(_)
        | Role::Visitor
        | Role::Visited(_)
        | Role::Lender
        | Role::Newcomer) => {
            tracing::info!(?role, "closed a connection: a startd has nothing to say to it");
        }
    }
}

async fn whose_run(engine: &mpsc::Sender<EngineInput>, key: RunKey) -> Option<WhoseRun> {
    ask(engine, |answer| Question::WhoseRun { key, answer }).await.flatten()
}
