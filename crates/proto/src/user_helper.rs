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

use crate::clock;
use crate::net::{Connection, NetError, chain};

/// What waits for a helper that reads slowly, or is not there yet. More is not taken.
const QUEUE: usize = 16_384;

/// How long a helper may take to connect: it is a process that starts.
const COMES: Duration = Duration::from_secs(60);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long is waited before the second, third, ... start in a row of a helper that cannot be
/// started, or goes as soon as it is there. The last goes on.
const PAUSES_S: [u64; 7] = [1, 2, 4, 8, 16, 32, 60];

/// One that was there for so long has not gone as soon as it came, milliseconds.
const STAYS_MS: u64 = 10_000;

/// What happened to somebody's helper.
#[derive(Debug)]
pub enum HelperNews<S> {
    /// It said something.
    Said(S),
    /// It cannot be started, which is tried again: what it was told waits.
    NotStarted(String),
    /// It is gone. What it was told and has not answered may be done, or not.
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
    /// How often in a row a user's helper went as soon as it was there.
    short_lives: Mutex<BTreeMap<u32, usize>>,
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
        let (users, short_lives) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { start: Box::new(start), news, users, short_lives }) }
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

    /// The same if there is a helper, or one is coming: none is started for that.
    pub fn tell_if_there(&self, uid: u32, ask: A) {
        if self.shared.users().contains_key(&uid) {
            // What is only to be said to one that is there is not missed if it has too much to do.
            let _ = self.tell(uid, ask);
        }
    }

    /// Leaves a user's helper, whatever it has in hand: its connection is closed, and the next
    /// thing that there is to say is said to another one. What the first says meanwhile is not
    /// heard.
    pub fn leave(&self, uid: u32) {
        self.shared.users().remove(&uid);
    }

    /// Talks to a helper that has connected, until it goes. One that nobody asked for is closed.
    pub async fn serve(&self, connection: Connection) {
        let uid = connection.peer.uid();
        let Some((number, queue)) = self.shared.arrived(uid) else {
            return tracing::info!(uid, "a helper came that nobody had asked for");
        };
        let came_ms = clock::now().boot_ms;
        let ended = self.talk(connection, uid, queue).await;
        self.shared.note_life(uid, clock::now().boot_ms.saturating_sub(came_ms));
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

    /// Has a helper started, and sees that it comes; again and again, until it does or is not
    /// wanted any more.
    fn bring(&self, uid: u32, number: u64) {
        let mut failures = self.short_lives().get(&uid).copied().unwrap_or(0);
        loop {
            self.pause(uid, number, pause_before(failures));
            if !self.is_coming(uid, number) {
                return;
            }
            let why = match (self.start)(uid) {
                Ok(()) => {
                    self.pause(uid, number, COMES);
                    format!("it did not come within {} s", COMES.as_secs())
                }
                Err(why) => why,
            };
            if !self.is_coming(uid, number) {
                return;
            }
            failures += 1;
            if self.news.blocking_send((uid, HelperNews::NotStarted(why))).is_err() {
                return;
            }
        }
    }

    /// Waits so long, or until a helper has come or is not wanted any more.
    fn pause(&self, uid: u32, number: u64, so_long: Duration) {
        let mut waited = Duration::ZERO;
        while waited < so_long && self.is_coming(uid, number) {
            thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    fn short_lives(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.short_lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_life(&self, uid: u32, lived_ms: u64) {
        let mut short_lives = self.short_lives();
        if lived_ms >= STAYS_MS {
            short_lives.remove(&uid);
        } else {
            *short_lives.entry(uid).or_default() += 1;
        }
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

/// How long to wait before a start that comes after so many failures in a row.
fn pause_before(failures: usize) -> Duration {
    let Some(last) = failures.checked_sub(1) else { return Duration::ZERO };
    Duration::from_secs(PAUSES_S[last.min(PAUSES_S.len() - 1)])
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
    async fn one_that_cannot_be_started_is_told_and_one_that_nobody_asked_for_is_closed() {
        let why = "uids below 1000 are the system's";
        let Daemon { helpers, mut news, listener, address, _folder } =
            daemon(move |_| Err(why.to_owned()));
        helpers.tell(7, 1).unwrap();
        let lost = news.recv().await;
        assert!(
            matches!(&lost, Some((7, HelperNews::NotStarted(said))) if said == why),
            "{lost:?}"
        );
        let came = async { listener.accept().await.greet().await.unwrap() };
        let (ours, theirs) = tokio::join!(connect(&address, Role::Command), came);
        helpers.serve(theirs).await;
        assert!(ours.unwrap().receiver.recv::<u32>().await.unwrap().is_none());
    }

    #[test]
    fn who_goes_as_soon_as_he_is_there_is_waited_for_longer_and_longer() {
        let (sender, _news) = mpsc::channel(8);
        let helpers: Helpers<u32, String> = Helpers::new(|_| Ok(()), sender);
        let pause = || {
            let failures = helpers.shared.short_lives().get(&7).copied().unwrap_or(0);
            pause_before(failures).as_secs()
        };
        assert_eq!(pause(), 0);
        let pauses: Vec<u64> = (0..8)
            .map(|_| {
                helpers.shared.note_life(7, STAYS_MS - 1);
                pause()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        helpers.shared.note_life(7, STAYS_MS);
        assert_eq!(pause(), 0);
    }
}
