//! The machines that are connected: what is told to them, and what newcomers ask. Who may join is
//! the registrar's matter; what machines say of themselves the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::MachineName;
use proto::client::{Answer, Refusal};
use proto::clock;
use proto::draining::{Drain, Drains};
use proto::joining::{AskPool, AskTrust, PoolSays, ToMachine, Welcome};
use proto::net::{Connection, NetError, PeerIdentity, Sender};
use proto::trust::certificate::PublicKey;
use proto::trust::papers::Signed;
use proto::trust::roll::Invitation;
use proto::trust::token::Secret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::engine::ConnectionId;
use super::registrar::{Applicant, Refused, Registrar};

/// What waits to be told to a machine: calls of schedds, which say it again.
const QUEUE: usize = 64;

/// How often it is looked whether what machines have is to be renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How many machines are renewed together; more wait.
const WISHES: usize = 4096;

/// How long a newcomer may take until it asks something.
const ASKS: Duration = Duration::from_secs(10);

/// How long a newcomer may take on one connection: whoever has made a key is one, and the places
/// are for machines. One that still asks whether it is there comes again.
const WELCOME: Duration = Duration::from_secs(60);

/// The machines that are connected, and who may join them.
#[derive(Debug)]
pub(crate) struct Machines {
    here: Mutex<BTreeMap<MachineName, Here>>,
    /// Of a pool that listens.
    registrar: Option<Arc<Registrar>>,
    /// Who asks what it is to have.
    wishes: Option<mpsc::Sender<Wish>>,
    /// Those that are drained.
    drains: watch::Receiver<Drains>,
}

/// A machine that asks what it is to have instead of what it has.
#[derive(Debug)]
struct Wish {
    name: String,
    key: PublicKey,
    answer: oneshot::Sender<Option<Signed>>,
}

/// Answers who asks, all that wait at once: what machines have ends at about the same time if they
/// joined together, and each writing of the roll waits for the disk. Not on the thread that
/// matches.
async fn renew(registrar: Arc<Registrar>, mut wishes: mpsc::Receiver<Wish>) {
    loop {
        let mut waiting = Vec::new();
        if wishes.recv_many(&mut waiting, WISHES).await == 0 {
            return;
        }
        let registrar = Arc::clone(&registrar);
        let now_s = clock::now().wall.as_secs();
        let answered = spawn_blocking(move || {
            let asked: Vec<_> = waiting.iter().map(|wish| (&*wish.name, &wish.key)).collect();
            let renewed = registrar.renewals(&asked, now_s);
            for (wish, signed) in waiting.into_iter().zip(renewed) {
                // One that has gone asks again when it comes back.
                let _ = wish.answer.send(signed);
            }
        });
        if let Err(error) = answered.await {
            tracing::error!(%error, "what machines have was not renewed");
        }
    }
}

#[derive(Debug)]
struct Here {
    connection: ConnectionId,
    queue: mpsc::Sender<ToMachine>,
    /// Whether it has said what it is.
    is_advertised: bool,
}

impl Machines {
    /// To be called where tasks can be started.
    pub(crate) fn new(registrar: Option<Registrar>, drains: watch::Receiver<Drains>) -> Self {
        let registrar = registrar.map(Arc::new);
        let wishes = registrar.clone().map(|registrar| {
            let (wishes, waiting) = mpsc::channel(WISHES);
            tokio::spawn(renew(registrar, waiting));
            wishes
        });
        Self { here: Mutex::default(), registrar, wishes, drains }
    }

    fn here(&self) -> MutexGuard<'_, BTreeMap<MachineName, Here>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine has connected; what it is told comes from there.
    pub(crate) fn up(
        &self,
        machine: &MachineName,
        connection: ConnectionId,
    ) -> mpsc::Receiver<ToMachine> {
        let (queue, told) = mpsc::channel(QUEUE);
        let here = Here { connection, queue, is_advertised: false };
        self.here().insert(machine.clone(), here);
        told
    }

    /// It has said what it is.
    pub(crate) fn advertised(&self, machine: &MachineName) {
        if let Some(here) = self.here().get_mut(machine) {
            here.is_advertised = true;
        }
    }

    /// A connection has ended.
    pub(crate) fn down(&self, machine: &MachineName, connection: ConnectionId) {
        let mut all = self.here();
        if all.get(machine).is_some_and(|here| here.connection == connection) {
            all.remove(machine);
        }
    }

    /// Passes on that a schedd wants to be called. One that is not here will be asked again.
    pub(crate) fn call(&self, machines: &[MachineName], schedd: &str, address: &str) {
        let all = self.here();
        for here in machines.iter().filter_map(|machine| all.get(machine)) {
            let call = ToMachine::Call { schedd: schedd.to_owned(), address: address.to_owned() };
            // One that does not read is asked again too.
            let _ = here.queue.try_send(call);
        }
    }

    /// Those that can be used by now.
    fn all_there(&self) -> BTreeSet<MachineName> {
        let here = self.here();
        let there = here.iter().filter(|(_, here)| here.is_advertised);
        there.map(|(name, _)| name.clone()).collect()
    }

    fn is_there(&self, name: &str) -> bool {
        self.here().get(&MachineName::new(name)).is_some_and(|here| here.is_advertised)
    }

    /// Whether a machine of this name has joined, and was not put out.
    pub(crate) async fn is_member(&self, name: &str) -> bool {
        let Some(registrar) = self.registrar.clone() else { return false };
        let name = name.to_owned();
        on_the_disk(move || {
            let nodes = registrar.nodes(|_| false);
            nodes.iter().any(|node| node.name == name && !node.is_revoked)
        })
        .await
    }

    /// Tells a machine what it is to know, until that fails.
    pub(crate) async fn tell(
        &self,
        sender: &mut Sender,
        machine: &MachineName,
        identity: &PeerIdentity,
        mut told: mpsc::Receiver<ToMachine>,
    ) -> Result<(), NetError> {
        let mut drains = self.drains.clone();
        let mut said: Option<Option<Drain>> = None;
        loop {
            let drain = drains.borrow_and_update().get(machine).cloned();
            if said.as_ref() != Some(&drain) {
                sender.send(&ToMachine::Drain(drain.clone())).await?;
                said = Some(drain);
            }
            if let Some(signed) = self.renewal(identity).await {
                sender.send(&ToMachine::Signed(Box::new(signed))).await?;
            }
            let message = tokio::select! {
                message = told.recv() => message,
                // Who says it is there as long as the negotiator is.
                Ok(()) = drains.changed() => continue,
                () = sleep(RENEW_EVERY) => continue,
            };
            // Its successor has connected.
            let Some(message) = message else { return Ok(()) };
            sender.send(&message).await?;
        }
    }

    async fn renewal(&self, identity: &PeerIdentity) -> Option<Signed> {
        let PeerIdentity::Node { name, key, .. } = identity else { return None };
        let (answer, renewed) = oneshot::channel();
        let wish = Wish { name: name.clone(), key: key.clone(), answer };
        self.wishes.as_ref()?.send(wish).await.ok()?;
        renewed.await.ok()?
    }

    /// Answers a newcomer, or a machine that asks whether it is there, for as long as he may ask.
    pub(crate) async fn welcome(&self, connection: Connection) -> Result<(), NetError> {
        timeout(WELCOME, self.answer_newcomer(connection)).await.unwrap_or(Ok(()))
    }

    async fn answer_newcomer(&self, connection: Connection) -> Result<(), NetError> {
        let Connection { peer, mut sender, mut receiver } = connection;
        let mut ask = timeout(ASKS, receiver.recv::<AskPool>()).await.unwrap_or(Ok(None))?;
        while let Some(asked) = ask {
            let says = match (&peer.identity, asked) {
                (PeerIdentity::Node { name, .. }, AskPool::AmIThere) => {
                    PoolSays::There(self.is_there(name))
                }
                (
                    PeerIdentity::Node { key, .. } | PeerIdentity::Newcomer { key },
                    AskPool::Join { secret, name, role },
                ) => {
                    let secret = Secret::new(secret);
                    self.join(Applicant { key: key.clone(), secret, name, role }).await
                }
                (_, AskPool::AmIThere) => PoolSays::There(false),
                (_, AskPool::WhatTime) => PoolSays::Time(clock::now().wall),
                (PeerIdentity::Local { .. }, AskPool::Join { .. }) => {
                    PoolSays::Refused("the pool's own machine is in it".to_owned())
                }
            };
            sender.send(&says).await?;
            ask = receiver.recv::<AskPool>().await?;
        }
        Ok(())
    }

    async fn join(&self, who: Applicant) -> PoolSays {
        let Some(registrar) = self.registrar.clone() else {
            return PoolSays::Refused("this pool has one machine".to_owned());
        };
        let now = clock::now().wall;
        on_the_disk(move || match registrar.join(&who, now.as_secs()) {
            Ok(signed) => {
                tracing::info!(name = who.name, role = %who.role, "a machine has joined");
                PoolSays::Welcome(Box::new(Welcome { signed, now }))
            }
            Err(refused) => {
                tracing::warn!(name = who.name, %refused, "a machine was not let in");
                PoolSays::Refused(refused.to_string())
            }
        })
        .await
    }

    /// Answers a command of who may do everything.
    pub(crate) async fn answer(&self, ask: AskTrust, secret: [u8; 16]) -> Answer {
        let Some(registrar) = self.registrar.clone() else {
            let why = "the pool has one machine and listens nowhere: start it with 'updraft pool \
                       start --listen ADDRESS'";
            return Answer::Refused(Refusal::Invalid(why.to_owned()));
        };
        let now_s = clock::now().wall.as_secs();
        let known = Known { there: self.all_there(), drains: self.drains.borrow().clone() };
        let done = on_the_disk(move || answered(&registrar, ask, secret, now_s, &known)).await;
        done.unwrap_or_else(|refused: Refused| {
            Answer::Refused(Refusal::Invalid(refused.to_string()))
        })
    }
}

/// Does what waits for the disk, or for somebody who does: not on the thread that matches and
/// answers everybody.
async fn on_the_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What is known of machines beside that they are in.
struct Known {
    there: BTreeSet<MachineName>,
    drains: Drains,
}

fn answered(
    registrar: &Registrar,
    ask: AskTrust,
    secret: [u8; 16],
    now_s: i64,
    known: &Known,
) -> Result<Answer, Refused> {
    match ask {
        AskTrust::Invite { role, ttl_s, uses, names } => {
            let (secret, until_s) = (Secret::new(secret), now_s + i64::from(ttl_s));
            let print = secret.fingerprint();
            let invitation = Invitation { secret: print, role, until_s, uses, names };
            let token = registrar.invite(invitation, secret, now_s);
            token.map(|token| Answer::Token(token.reveal()))
        }
        AskTrust::Nodes => {
            let is_here = |name: &str| known.there.contains(&MachineName::new(name));
            let mut nodes = registrar.nodes(is_here);
            for node in &mut nodes {
                node.drain = known.drains.get(&MachineName::new(&node.name)).cloned();
            }
            Ok(Answer::Nodes(nodes))
        }
        AskTrust::Revoke { name } => registrar.revoke(&name).map(|()| Answer::Done),
        AskTrust::Rotate { finish, force } => {
            registrar.rotate(finish, force, now_s).map(|()| Answer::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as waiting;
    use std::thread;

    use proto::trust::found_pool;

    use super::super::registrar::Listening;
    use super::*;

    #[tokio::test]
    async fn who_waits_for_the_disk_keeps_nobody_else_from_being_served() {
        let folder = tempfile::tempdir().unwrap();
        found_pool(folder.path(), "head", "head", 0).unwrap();
        let listening = Listening {
            at: ([127, 0, 0, 1], 9618).into(),
            address: "head:9618".to_owned(),
            trust: folder.path().to_owned(),
            name: "head".to_owned(),
        };
        let drains = watch::channel(Drains::new()).1;
        let machines = Machines::new(Some(Registrar::open(listening, 0).unwrap()), drains);
        let registrar = machines.registrar.clone().unwrap();
        let asks = || {
            let invite = AskTrust::Invite {
                role: proto::trust::NodeRole::Execute,
                ttl_s: 60,
                uses: 1,
                names: "*".to_owned(),
            };
            let rotate = AskTrust::Rotate { finish: false, force: false };
            [AskTrust::Nodes, invite, AskTrust::Revoke { name: "m".to_owned() }, rotate]
        };
        for ask in asks() {
            let (served, others) = waiting::sync_channel::<()>(1);
            let (writes, written) = waiting::sync_channel::<()>(1);
            let registrar = Arc::clone(&registrar);
            let disk = thread::spawn(move || {
                registrar.hold_still(|| {
                    writes.send(()).unwrap();
                    others.recv_timeout(Duration::from_secs(10)).expect("others are served");
                });
            });
            written.recv().unwrap();
            let asking = machines.answer(ask, [7; 16]);
            tokio::pin!(asking);
            let early = tokio::select! {
                biased;
                early = &mut asking => Some(early),
                () = tokio::task::yield_now() => None,
            };
            assert_eq!(early, None, "answered before the roll could be asked");
            served.send(()).unwrap();
            asking.await;
            disk.join().unwrap();
        }
    }
}
