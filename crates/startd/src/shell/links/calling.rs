//! Calls the schedds that want this machine, where it cannot be called itself: when the negotiator
//! says so, and as long as the machine holds a claim of theirs. Where they are is in `callers`;
//! what is said then is what is said to a schedd that has called.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ScheddName;
use proto::clock;
use proto::joining::{AskPool, PoolSays, ToMachine};
use proto::net::{BackOff, Far, Role, connect_far};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::shell::engine::{Question, ask};
use crate::shell::links::callers::CalledSchedds;
use crate::shell::links::schedds::{ScheddContext, serve_schedd};

/// Attempts in a row to call a schedd of which the machine holds nothing. It says again that it
/// wants the machine, if it does.
const ATTEMPTS: u32 = 5;

/// Calls the schedds that want this machine.
pub(crate) struct Calling {
    called: Arc<CalledSchedds>,
    /// Of the pool.
    negotiator: Far,
    context: Arc<ScheddContext>,
    tasks: BTreeMap<ScheddName, JoinHandle<()>>,
}

impl Calling {
    pub(crate) fn new(
        called: Arc<CalledSchedds>,
        negotiator: Far,
        context: Arc<ScheddContext>,
    ) -> Self {
        Self { called, negotiator, context, tasks: BTreeMap::new() }
    }

    /// Calls those again of which the machine holds something, and does what the negotiator says.
    pub(crate) async fn serve(mut self, mut orders: mpsc::Receiver<ToMachine>) {
        for schedd in self.called.known() {
            self.keep_calling(schedd);
        }
        while let Some(order) = orders.recv().await {
            match order {
                ToMachine::Call { schedd, address } => {
                    let schedd = ScheddName::new(&schedd);
                    if self.called.set(&schedd, &address)
                        && let Some(elsewhere) = self.tasks.remove(&schedd)
                    {
                        elsewhere.abort();
                    }
                    self.keep_calling(schedd);
                }
                // The engine has heard it.
                ToMachine::Drain(_) => {}
                ToMachine::Signed(signed) => match self.called.membership().renew(*signed) {
                    Ok(()) => {
                        tracing::info!("the pool has renewed what it signed of this machine");
                        tokio::spawn(show(self.negotiator.clone()));
                    }
                    Err(error) => tracing::error!(%error, "cannot take what the pool has signed"),
                },
            }
        }
    }

    /// Begins to call a schedd, unless that is being done.
    fn keep_calling(&mut self, schedd: ScheddName) {
        if self.tasks.get(&schedd).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (called, context) = (Arc::clone(&self.called), Arc::clone(&self.context));
        let whom = schedd.clone();
        let task = tokio::spawn(async move { talk_to(&called, &whom, &context).await });
        self.tasks.insert(schedd, task);
    }
}

/// Shows the pool what this machine has now: it sends that again until it has seen it. The
/// connection that there is goes on with what it began with.
async fn show(negotiator: Far) {
    let shown = async {
        let mut connection = connect_far(&negotiator, Role::Newcomer).await?;
        connection.sender.send(&AskPool::AmIThere).await?;
        connection.receiver.recv::<PoolSays>().await
    };
    if let Err(error) = shown.await {
        let error = proto::net::chain(&error);
        tracing::warn!(error, "the pool was not shown what it has signed; it will ask again");
    }
}

async fn talk_to(called: &CalledSchedds, schedd: &ScheddName, context: &Arc<ScheddContext>) {
    // After the first attempts it must be wanted by what the machine holds.
    let (mut back_off, mut left, mut has_complained) = (BackOff::default(), ATTEMPTS, false);
    while let Some(far) = called.far(schedd) {
        if left == 0 {
            let question = |answer| Question::HoldsClaims { schedd: schedd.clone(), answer };
            if !ask(&context.engine, question).await.unwrap_or(false) {
                return;
            }
        }
        left = left.saturating_sub(1);
        match connect_far(&far, Role::Startd(called.machine().to_owned())).await {
            Ok(connection) if connection.peer.role == Role::Schedd(schedd.to_string()) => {
                (left, has_complained) = (0, false);
                let since_ms = clock::now().boot_ms;
                let served = serve_schedd(connection, schedd.clone(), Arc::clone(context));
                // It is waited for when the startd ends.
                let _ = context.schedds.spawn(served).await;
                back_off.ended(since_ms);
            }
            Ok(connection) => {
                let role = connection.peer.role;
                tracing::warn!(%schedd, ?role, "somebody else is called there");
            }
            Err(error) if !has_complained => {
                let error = proto::net::chain(&error);
                tracing::warn!(%schedd, to = far.address, error, "cannot call a schedd");
                has_complained = true;
            }
            Err(_) => {}
        }
        back_off.wait().await;
    }
}
