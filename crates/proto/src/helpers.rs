//! Processes of users that do for a daemon what is to be done with those users' files. A daemon of
//! a pool of many users touches no user's file: it says what is to be done to a *helper*, a process
//! with that user's uid, gid and groups, which the launcher starts and which connects to the
//! daemon's socket. What is to be done, and how a helper is started, is not known here.
//!
//! Who a helper is, the kernel says: it is its user's and nothing more. A user who connects with a
//! program of his own in its place can lie about his own files only, which he could change anyway;
//! so what a helper says must be taken for what its user says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::net::{Connection, NetError, chain};

/// What waits for a helper that reads slowly, or is not there yet. Who has more is told that his
/// helper is lost.
const QUEUE: usize = 16_384;

/// How long a helper may take to connect: it is a process that starts.
const COMES: Duration = Duration::from_secs(60);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What happened to somebody's helper.
#[derive(Debug)]
pub enum HelperNews<S> {
    /// It said something.
    Said(S),
    /// It did not come, or is gone. What it was told and has not answered may be done, or not.
    Lost(String),
}

/// How a user's helper is started; says why it cannot be. It may block.
type Start = dyn Fn(u32) -> Result<(), String> + Send + Sync;

/// The helpers of a daemon, which are told an `A` and say an `S`.
pub struct Helpers<A, S> {
    shared: Arc<Shared<A, S>>,
}

impl<A, S> Clone for Helpers<A, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<A, S> {
    start: Box<Start>,
    news: mpsc::Sender<(u32, HelperNews<S>)>,
    users: Mutex<BTreeMap<u32, Line<A>>>,
}

/// The way to a user's helper.
enum Line<A> {
    /// It was asked to come. The number tells one that was asked for from the next.
    Coming {
        number: u64,
        queue: VecDeque<A>,
    },
    There {
        number: u64,
        queue: mpsc::Sender<A>,
    },
}

impl<A, S> std::fmt::Debug for Helpers<A, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Helpers").finish_non_exhaustive()
    }
}

impl<A: Serialize + Send + 'static, S: DeserializeOwned + Send + 'static> Helpers<A, S> {
    /// Helpers that are started so, and whose news go there, with their users' numbers.
    pub fn new(
        start: impl Fn(u32) -> Result<(), String> + Send + Sync + 'static,
        news: mpsc::Sender<(u32, HelperNews<S>)>,
    ) -> Self {
        let users = Mutex::default();
        Self { shared: Arc::new(Shared { start: Box::new(start), news, users }) }
    }

    /// Tells a user's helper something, and starts it if there is none. It never waits.
    ///
    /// # Errors
    ///
    /// If it has too much to do, as a sentence.
    pub fn tell(&self, uid: u32, ask: A) -> Result<(), String> {
        let mut users = self.shared.users();
        let ask = match users.get_mut(&uid) {
            Some(Line::Coming { queue, .. }) if queue.len() < QUEUE => {
                queue.push_back(ask);
                return Ok(());
            }
            Some(Line::Coming { .. }) => return Err(too_much()),
            Some(Line::There { queue, .. }) => match queue.try_send(ask) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(too_much()),
                // It has just ended.
                Err(mpsc::error::TrySendError::Closed(ask)) => ask,
            },
            None => ask,
        };
        let number = number();
        users.insert(uid, Line::Coming { number, queue: VecDeque::from([ask]) });
        drop(users);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || shared.bring(uid, number));
        Ok(())
    }

    /// Talks to a helper that has connected, until it goes. One that nobody asked for is closed.
    pub async fn serve(&self, connection: Connection) {
        let uid = connection.peer.uid();
        let Some((number, queue)) = self.shared.arrived(uid) else {
            return tracing::info!(uid, "a helper came that nobody had asked for");
        };
        let ended = self.talk(connection, uid, queue).await;
        let why = match ended {
            Ok(()) => "it has ended".to_owned(),
            Err(error) => chain(&error),
        };
        self.shared.forget(uid, number);
        // A daemon that ends does not want to know.
        let _ = self.shared.news.send((uid, HelperNews::Lost(why))).await;
    }

    async fn talk(
        &self,
        connection: Connection,
        uid: u32,
        mut queue: mpsc::Receiver<A>,
    ) -> Result<(), NetError> {
        let Connection { mut sender, mut receiver, .. } = connection;
        loop {
            tokio::select! {
                ask = queue.recv() => match ask {
                    Some(ask) => sender.send(&ask).await?,
                    None => return Ok(()),
                },
                said = receiver.recv::<S>() => match said? {
                    Some(said) => {
                        if self.shared.news.send((uid, HelperNews::Said(said))).await.is_err() {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }
}

impl<A, S> Shared<A, S> {
    fn users(&self) -> MutexGuard<'_, BTreeMap<u32, Line<A>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a helper started, and sees that it comes.
    fn bring(&self, uid: u32, number: u64) {
        let mut why = (self.start)(uid).err();
        let mut waited = Duration::ZERO;
        while why.is_none() && self.is_coming(uid, number) {
            thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
            if waited >= COMES {
                why = Some(format!("it did not come within {} s", COMES.as_secs()));
            }
        }
        let Some(why) = why.filter(|_| self.is_coming(uid, number)) else { return };
        self.forget(uid, number);
        let _ = self.news.blocking_send((uid, HelperNews::Lost(why)));
    }

    fn is_coming(&self, uid: u32, wanted: u64) -> bool {
        matches!(self.users().get(&uid), Some(Line::Coming { number, .. }) if *number == wanted)
    }

    /// A helper is there: what waits for it.
    fn arrived(&self, uid: u32) -> Option<(u64, mpsc::Receiver<A>)> {
        let mut users = self.users();
        match users.remove(&uid) {
            Some(Line::Coming { number, queue: waiting }) => {
                let (queue, asks) = mpsc::channel(QUEUE);
                for ask in waiting {
                    // There is room for all that could wait.
                    let _ = queue.try_send(ask);
                }
                users.insert(uid, Line::There { number, queue });
                Some((number, asks))
            }
            there @ Some(Line::There { .. }) => {
                users.extend(there.map(|line| (uid, line)));
                None
            }
            None => None,
        }
    }

    /// The way to this helper is closed; one to its successor stays.
    fn forget(&self, uid: u32, wanted: u64) {
        let mut users = self.users();
        let (Some(Line::Coming { number, .. }) | Some(Line::There { number, .. })) =
            users.get(&uid)
        else {
            return;
        };
        if *number == wanted {
            users.remove(&uid);
        }
    }
}

fn too_much() -> String {
    format!("a user's helper has {QUEUE} things to do already")
}

/// Tells helpers apart.
fn number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Address, Admission, Listener, Role, connect};

    /// A daemon's helpers, its news, and its socket. The test's own process is everybody's helper:
    /// who may be one is `peer`'s matter.
    struct Daemon {
        helpers: Helpers<u32, String>,
        news: mpsc::Receiver<(u32, HelperNews<String>)>,
        listener: Listener,
        address: Address,
        _folder: tempfile::TempDir,
    }

    fn daemon(start: impl Fn(u32) -> Result<(), String> + Send + Sync + 'static) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("d.sock"));
        let admission = Admission::OnlyUid(us());
        let listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
        let (sender, news) = mpsc::channel(8);
        Daemon { helpers: Helpers::new(start, sender), news, listener, address, _folder: folder }
    }

    fn us() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    #[tokio::test]
    async fn what_is_told_before_a_helper_is_there_reaches_it_in_order_and_its_end_is_told() {
        let Daemon { helpers, mut news, listener, address, _folder } = daemon(|_| Ok(()));
        for number in [1, 2, 3] {
            helpers.tell(us(), number).unwrap();
        }
        let came = async { listener.accept().await.greet().await.unwrap() };
        let (ours, theirs) = tokio::join!(connect(&address, Role::Command), came);
        let mut ours = ours.unwrap();
        let serving = tokio::spawn(async move { helpers.serve(theirs).await });
        for number in [1_u32, 2, 3] {
            assert_eq!(ours.receiver.recv::<u32>().await.unwrap(), Some(number));
        }
        ours.sender.send(&"done").await.unwrap();
        let said = news.recv().await;
        assert!(matches!(&said, Some((_, HelperNews::Said(word))) if word == "done"), "{said:?}");
        drop(ours);
        assert!(matches!(news.recv().await, Some((uid, HelperNews::Lost(_))) if uid == us()));
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_cannot_be_started_is_lost_and_one_that_nobody_asked_for_is_closed() {
        let why = "uids below 1000 are the system's";
        let Daemon { helpers, mut news, listener, address, _folder } =
            daemon(move |_| Err(why.to_owned()));
        helpers.tell(7, 1).unwrap();
        let lost = news.recv().await;
        assert!(matches!(&lost, Some((7, HelperNews::Lost(said))) if said == why), "{lost:?}");
        let came = async { listener.accept().await.greet().await.unwrap() };
        let (ours, theirs) = tokio::join!(connect(&address, Role::Command), came);
        helpers.serve(theirs).await;
        assert!(ours.unwrap().receiver.recv::<u32>().await.unwrap().is_none());
    }
}
