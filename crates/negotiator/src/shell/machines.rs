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
use proto::trust::roll::{Invitation, Shown};
use proto::trust::token::Secret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::engine::ConnectionId;
use super::registrar::{Applicant, Book, Refused, Registrar};

/// What waits to be told to a machine: calls of schedds, which say it again.
const QUEUE: usize = 64;

/// How often it is looked whether what machines have is to be renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How many are let in, noted or renewed together; more wait.
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
    /// What may change the roll goes there.
    wishes: Option<mpsc::Sender<Wish>>,
    /// Those that are drained.
    drains: watch::Receiver<Drains>,
}

/// What may change the roll, and waits for others that do: each writing of it waits for the disk.
#[derive(Debug)]
enum Wish {
    /// A newcomer wants to be in the pool.
    Join { who: Applicant, answer: oneshot::Sender<Result<Signed, Refused>> },
    /// A machine of the pool has come.
    Shown { name: String, key: PublicKey, shown: Shown },
    /// What a machine is to have instead of what it has.
    Renewal { name: String, key: PublicKey, answer: oneshot::Sender<Option<Signed>> },
}

/// What is answered when the roll is written.
enum Granted {
    Joined(oneshot::Sender<Result<Signed, Refused>>, Result<Signed, Refused>),
    Renewed(oneshot::Sender<Option<Signed>>, Option<Signed>),
    Noted,
}

impl Wish {
    fn granted(self, book: &mut Book<'_>, now_s: i64) -> Granted {
        match self {
            Self::Join { who, answer } => Granted::Joined(answer, book.join(&who, now_s)),
            Self::Shown { name, key, shown } => {
                book.has_shown(&name, &key, shown);
                Granted::Noted
            }
            Self::Renewal { name, key, answer } => {
                Granted::Renewed(answer, book.renewal(&name, &key, now_s))
            }
        }
    }
}

impl Granted {
    /// One that has gone asks again when it comes back.
    fn say(self) {
        match self {
            Self::Joined(answer, joined) => drop(answer.send(joined)),
            Self::Renewed(answer, signed) => drop(answer.send(signed)),
            Self::Noted => {}
        }
    }
}

/// Does what may change the roll, all that waits at once: machines that start together join
/// together, what they have ends at about the same time, and after a rotation all are due. Not on
/// the thread that matches.
async fn keep_roll(registrar: Arc<Registrar>, mut wishes: mpsc::Receiver<Wish>) {
    loop {
        let mut waiting = Vec::new();
        if wishes.recv_many(&mut waiting, WISHES).await == 0 {
            return;
        }
        let registrar = Arc::clone(&registrar);
        let now_s = clock::now().wall.as_secs();
        let done = spawn_blocking(move || {
            let mut granted = Vec::with_capacity(waiting.len());
            let written = registrar.together(|book| {
                granted.extend(waiting.into_iter().map(|wish| wish.granted(book, now_s)));
            });
            if let Err(error) = &written {
                tracing::error!(error = proto::net::chain(error), "the roll is as it was");
            }
            for granted in granted {
                match (&written, granted) {
                    (Err(error), Granted::Joined(answer, Ok(_))) => {
                        let refused = Err(Refused::Unwritten(proto::net::chain(error)));
                        Granted::Joined(answer, refused).say();
                    }
                    (Ok(()) | Err(_), granted) => granted.say(),
                }
            }
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "who is in the pool was not written down");
        }
    }
}

/// What a machine was sent to have, and has not shown yet: it is sent again, less and less often.
#[derive(Debug, Default)]
struct Offers {
    /// How many in a row.
    times: u32,
    /// When the next may be, on the boot clock.
    next_ms: u64,
}

/// How long after the first one the next one is sent, milliseconds; twice as long each time.
const OFFER_AGAIN_MS: u64 = 10_000;

/// The longest of these times, milliseconds.
const OFFER_AGAIN_MOST_MS: u64 = 600_000;

impl Offers {
    fn is_time(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ms
    }

    /// Whether there was something to send.
    fn sent(&mut self, something: bool, now_ms: u64) {
        if !something {
            *self = Self::default();
            return;
        }
        let pause_ms = OFFER_AGAIN_MS.saturating_mul(1 << self.times.min(16));
        self.times += 1;
        self.next_ms = now_ms + pause_ms.min(OFFER_AGAIN_MOST_MS);
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
            tokio::spawn(keep_roll(registrar, waiting));
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
        let mut offers = Offers::default();
        self.has_shown(identity).await;
        loop {
            let drain = drains.borrow_and_update().get(machine).cloned();
            if said.as_ref() != Some(&drain) {
                sender.send(&ToMachine::Drain(drain.clone())).await?;
                said = Some(drain);
            }
            let now_ms = clock::now().boot_ms;
            if offers.is_time(now_ms) {
                let signed = self.renewal(identity).await;
                offers.sent(signed.is_some(), now_ms);
                if let Some(signed) = signed {
                    sender.send(&ToMachine::Signed(Box::new(signed))).await?;
                }
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

    /// A machine has shaken hands: what it has shown is in its hands.
    async fn has_shown(&self, identity: &PeerIdentity) {
        let PeerIdentity::Node { name, key, shown: Some(shown), .. } = identity else { return };
        let wish = Wish::Shown { name: name.clone(), key: key.clone(), shown: *shown };
        self.wish(wish).await;
    }

    async fn renewal(&self, identity: &PeerIdentity) -> Option<Signed> {
        let PeerIdentity::Node { name, key, .. } = identity else { return None };
        let (answer, renewed) = oneshot::channel();
        self.wish(Wish::Renewal { name: name.clone(), key: key.clone(), answer }).await;
        renewed.await.ok()?
    }

    /// Of a pool that does not listen, or a negotiator that ends, there is no roll to change: who
    /// waits for the answer hears that there is none.
    async fn wish(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            let _ = wishes.send(wish).await;
        }
    }

    /// Answers a newcomer, or a machine that asks whether it is there, for as long as he may ask.
    pub(crate) async fn welcome(&self, connection: Connection) -> Result<(), NetError> {
        timeout(WELCOME, self.answer_newcomer(connection)).await.unwrap_or(Ok(()))
    }

    async fn answer_newcomer(&self, connection: Connection) -> Result<(), NetError> {
        let Connection { peer, mut sender, mut receiver } = connection;
        self.has_shown(&peer.identity).await;
        let mut ask = timeout(ASKS, receiver.recv::<AskPool>()).await.unwrap_or(Ok(None))?;
        while let Some(asked) = ask {
            let says = match (&peer.identity, asked) {
                (PeerIdentity::Node { name, .. }, AskPool::AmIThere) => {
                    PoolSays::There(self.is_there(name))
                }
                (
                    PeerIdentity::Node { key, .. } | PeerIdentity::Newcomer { key },
                    AskPool::Join { secret, name, role, many_users },
                ) => {
                    let secret = Secret::new(secret);
                    self.join(Applicant { key: key.clone(), secret, name, role, many_users }).await
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
        if self.registrar.is_none() {
            return PoolSays::Refused("this pool has one machine".to_owned());
        }
        let (name, role) = (who.name.clone(), who.role);
        let (answer, joined) = oneshot::channel();
        self.wish(Wish::Join { who, answer }).await;
        match joined.await {
            Ok(Ok(signed)) => {
                tracing::info!(name, %role, "a machine has joined");
                PoolSays::Welcome(Box::new(Welcome { signed, now: clock::now().wall }))
            }
            Ok(Err(refused)) => {
                tracing::warn!(name, %refused, "a machine was not let in");
                PoolSays::Refused(refused.to_string())
            }
            Err(_) => PoolSays::Refused("the pool is being stopped; try again".to_owned()),
        }
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

    #[test]
    fn what_is_not_shown_is_sent_again_and_less_and_less_often() {
        let mut offers = Offers::default();
        let mut sent = Vec::new();
        for now_ms in (0..2_000_000).step_by(5_000) {
            if offers.is_time(now_ms) {
                offers.sent(true, now_ms);
                sent.push(now_ms / 1000);
            }
        }
        assert_eq!(sent, [0, 10, 30, 70, 150, 310, 630, 1230, 1830]);
        assert!(!offers.is_time(2_000_000));
        // It was shown: the next rotation is told at once.
        offers.sent(false, 2_500_000);
        assert!(offers.is_time(2_500_000));
    }

    #[tokio::test]
    async fn who_waits_for_the_disk_keeps_nobody_else_from_being_served() {
        let folder = tempfile::tempdir().unwrap();
        found_pool(folder.path(), "head", "head", 0).unwrap();
        let listening = Listening {
            at: ([127, 0, 0, 1], 9618).into(),
            address: "head:9618".to_owned(),
            trust: folder.path().to_owned(),
            name: "head".to_owned(),
            many_users: false,
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
                    others.recv_timeout(Duration::from_secs(120)).expect("others are served");
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
