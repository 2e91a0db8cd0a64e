//! Commands that visit machines which cannot be called: each waits until the machine has called,
//! then their connections are joined. Whether a command may, the core says; what is said is not
//! known here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{MachineName, UserName};
use proto::client::Refusal;
use proto::net::{Connection, NetError, join};
use proto::seats::Seats;
use proto::visit::{VisitAnswer, VisitJob};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::engine::EngineInput;
use crate::core::Actor;

/// How long a command may take to say whom it visits.
const SAYS_WHOM: Duration = Duration::from_secs(10);

/// How long a machine may take to call. One that is cut off does not.
const CALLS: Duration = Duration::from_secs(15);

/// How many visits to one machine may be one user's at a time: a quarter of those that it takes.
const OF_A_USER: usize = 16;

/// The visits for which a machine is to call.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    waiting: Mutex<Waiting>,
    users: Seats<(UserName, MachineName)>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the last one.
    last: u64,
    visits: BTreeMap<u64, (MachineName, oneshot::Sender<Connection>)>,
}

/// A visit that waits; forgotten when this is dropped.
#[derive(Debug)]
struct Awaited<'a> {
    visits: &'a Visits,
    number: u64,
    called: oneshot::Receiver<Connection>,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.visits.waiting().visits.remove(&self.number);
    }
}

impl Visits {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a machine.
    fn expect(&self, machine: MachineName) -> Awaited<'_> {
        let (sender, called) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.last += 1;
        let number = waiting.last;
        waiting.visits.insert(number, (machine, sender));
        drop(waiting);
        Awaited { visits: self, number, called }
    }

    /// A machine has called. One that was not asked to is closed.
    pub(crate) fn called(&self, machine: &MachineName, number: u64, connection: Connection) {
        match self.visitor_of(machine, number) {
            Some(visitor) => drop(visitor.send(connection)),
            None => tracing::info!(%machine, number, "a machine calls for a visit that is over"),
        }
    }

    /// Who waits for this machine by this number.
    fn visitor_of(
        &self,
        machine: &MachineName,
        number: u64,
    ) -> Option<oneshot::Sender<Connection>> {
        let mut waiting = self.waiting();
        waiting.visits.get(&number).filter(|(of, _)| of == machine)?;
        waiting.visits.remove(&number).map(|(_, visitor)| visitor)
    }

    /// Serves a command that visits, until either end goes.
    ///
    /// # Errors
    ///
    /// If a connection breaks.
    pub(crate) async fn serve(
        &self,
        mut visitor: Connection,
        by: Actor,
        engine: &mpsc::Sender<EngineInput>,
    ) -> Result<(), NetError> {
        let said = timeout(SAYS_WHOM, visitor.receiver.recv::<VisitJob>());
        let Some(VisitJob { job }) = said.await.unwrap_or(Ok(None))? else { return Ok(()) };
        let user = by.user.clone();
        let machine = match ask(engine, |answer| EngineInput::PlaceOfRun { by, job, answer }).await
        {
            Ok(Some(machine)) => machine,
            Ok(None) => return visitor.sender.send(&VisitAnswer::Here).await,
            Err(refusal) => return visitor.sender.send(&VisitAnswer::Refused(refusal)).await,
        };
        let Some(_seat) = self.users.take(&(user, machine.clone()), OF_A_USER) else {
            let why = format!("visit job {job}: {OF_A_USER} visits of yours to {machine} are open");
            return visitor.sender.send(&VisitAnswer::Refused(Refusal::Busy(why))).await;
        };
        let mut awaited = self.expect(machine.clone());
        let number = awaited.number;
        let call = EngineInput::Visit { machine: machine.clone(), number, job };
        if engine.send(call).await.is_err() {
            return Ok(());
        }
        let called = tokio::select! {
            called = timeout(CALLS, &mut awaited.called) => called.ok().and_then(Result::ok),
            // It says nothing until it is answered, but that it goes.
            _ = visitor.receiver.next_frame() => return Ok(()),
        };
        drop(awaited);
        let Some(visited) = called else {
            let why = format!(
                "visit job {job}: machine {machine} did not call within {} s; is it cut off?",
                CALLS.as_secs()
            );
            return visitor.sender.send(&VisitAnswer::Refused(Refusal::Busy(why))).await;
        };
        visitor.sender.send(&VisitAnswer::There).await?;
        join(visitor, visited).await
    }
}

async fn ask<T>(
    engine: &mpsc::Sender<EngineInput>,
    question: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> EngineInput,
) -> Result<T, Refusal> {
    let stopping = || Refusal::Busy("the schedd is stopping".to_owned());
    let (sender, answer) = oneshot::channel();
    engine.send(question(sender)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_calls_for_its_own_visits_only_and_each_is_one_call() {
        let visits = Visits::default();
        let [one, other] = ["one", "other"].map(MachineName::new);
        let (first, second) = (visits.expect(one.clone()), visits.expect(one.clone()));
        assert!(visits.visitor_of(&other, first.number).is_none(), "it is somebody else's");
        assert!(visits.visitor_of(&one, first.number).is_some());
        assert!(visits.visitor_of(&one, first.number).is_none(), "twice");
        let number = second.number;
        drop(second);
        assert!(visits.visitor_of(&one, number).is_none(), "its visitor has gone");
        assert!(visits.waiting().visits.is_empty());
    }
}
