//! The processes that lend users' files to runs on other machines, in a pool of many users: each is
//! the user's whose files they are, and calls the schedd for each run anew ([`proto::lending`]).
//! What is said over such a connection, and for which run it is, is not known here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::UserName;
use nix::errno::Errno;
use nix::unistd::User;
use proto::lending::{Lend, LenderSays};
use proto::net::Connection;
use proto::user_helper::{HelperNews, Helpers};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long one may take to say why it calls.
const SAYS_WHY: Duration = Duration::from_secs(10);

/// How long one may take to call: it may have to be started first.
const CALLS: Duration = Duration::from_secs(90);

/// News of helpers that wait until they are taken.
const NEWS: usize = 64;

/// Lenders say nothing where they are told what to lend.
#[derive(Debug, Deserialize)]
enum Nothing {}

/// Why nobody lends a user's files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LendingError {
    #[error("lend files of {0}: there is no such user on this machine")]
    NoUser(UserName),
    #[error("lend files of {owner}: it is not known who that is")]
    Unknown {
        owner: UserName,
        #[source]
        source: Errno,
    },
    #[error("lend files of {owner}: {why}")]
    Busy { owner: UserName, why: String },
    #[error("lend files of {0}: no process of that user came for it")]
    Nobody(UserName),
}

/// The lenders of all users.
pub(crate) struct Lenders {
    helpers: Helpers<Lend, Nothing>,
    calls: Mutex<Calls>,
}

/// Who waits for which call of whose lender.
#[derive(Debug, Default)]
struct Calls {
    last: u64,
    waiting: BTreeMap<u64, (u32, oneshot::Sender<Connection>)>,
}

impl std::fmt::Debug for Lenders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lenders").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Lenders {
    /// Lenders that are started so.
    pub(crate) fn new(
        start: impl Fn(u32) -> Result<(), String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (news, mut heard) = mpsc::channel(NEWS);
        let lenders =
            Arc::new(Self { helpers: Helpers::new(start, news), calls: Mutex::default() });
        let told = Arc::downgrade(&lenders);
        tokio::spawn(async move {
            while let Some((uid, news)) = heard.recv().await {
                let Some(lenders) = told.upgrade() else { return };
                lenders.hear(uid, &news);
            }
        });
        lenders
    }

    /// Talks to a lender that has come, or hands it to who waits for its call.
    pub(crate) async fn serve(&self, mut connection: Connection) {
        let said = timeout(SAYS_WHY, connection.receiver.recv::<LenderSays>()).await;
        match said.unwrap_or(Ok(None)) {
            Ok(Some(LenderSays::Here)) => self.helpers.serve(connection).await,
            Ok(Some(LenderSays::For(number))) => {
                if let Some(waiter) = self.calls().take(number, connection.peer.uid()) {
                    // Who waited may have gone: then it is hung up on.
                    drop(waiter.send(connection));
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a lender says nothing that makes sense"),
        }
    }

    /// A connection to a process of this user that reads and writes that user's files: what is
    /// granted is to be said first. Who that is, the number says of who submitted; of a job from
    /// before it was kept, the name.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub(crate) async fn open(
        &self,
        owner: &UserName,
        uid: Option<u32>,
    ) -> Result<Connection, LendingError> {
        let uid = match uid {
            Some(uid) => uid,
            None => uid_of(owner).await?,
        };
        let (waiter, called) = oneshot::channel();
        let number = self.calls().wait(uid, waiter);
        let busy = |why| LendingError::Busy { owner: owner.clone(), why };
        self.helpers.tell(uid, Lend { number }).map_err(busy)?;
        match timeout(CALLS, called).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) => Err(LendingError::Nobody(owner.clone())),
            Err(_) => {
                self.calls().waiting.remove(&number);
                // It may be stopped: the next one ends it.
                self.helpers.leave(uid);
                Err(LendingError::Nobody(owner.clone()))
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for a lender that is not there.
    fn hear(&self, uid: u32, news: &HelperNews<Nothing>) {
        match news {
            HelperNews::Said(nothing) => match *nothing {},
            HelperNews::NotStarted(why) | HelperNews::Lost(why) => {
                let mut calls = self.calls();
                let before = calls.waiting.len();
                calls.waiting.retain(|_, (whose, _)| *whose != uid);
                if calls.waiting.len() < before {
                    tracing::warn!(uid, why, "what lends a user's files is gone");
                }
            }
        }
    }
}

impl Calls {
    fn wait(&mut self, uid: u32, waiter: oneshot::Sender<Connection>) -> u64 {
        self.last += 1;
        self.waiting.retain(|_, (_, waiter)| !waiter.is_closed());
        self.waiting.insert(self.last, (uid, waiter));
        self.last
    }

    /// Who waits for that call of that user's, which nobody else makes.
    fn take(&mut self, number: u64, uid: u32) -> Option<oneshot::Sender<Connection>> {
        self.waiting.get(&number).filter(|(whose, _)| *whose == uid)?;
        self.waiting.remove(&number).map(|(_, waiter)| waiter)
    }
}

/// The number of the user of that name.
async fn uid_of(owner: &UserName) -> Result<u32, LendingError> {
    let name = owner.clone();
    let found = spawn_blocking(move || User::from_name(name.as_str())).await;
    match found.unwrap_or(Err(Errno::EIO)) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(LendingError::NoUser(owner.clone())),
        Err(source) => Err(LendingError::Unknown { owner: owner.clone(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_its_own_user_s_once_and_who_does_not_wait_any_more_is_forgotten() {
        let mut calls = Calls::default();
        let (waiter, _called) = oneshot::channel();
        let number = calls.wait(1001, waiter);
        assert!(calls.take(number, 1002).is_none(), "it is somebody else's");
        assert!(calls.take(number + 1, 1001).is_none(), "nobody waits for that");
        assert!(calls.take(number, 1001).is_some());
        assert!(calls.take(number, 1001).is_none(), "twice");
        let (gone, called) = oneshot::channel();
        calls.wait(1001, gone);
        drop(called);
        let (waiter, _called) = oneshot::channel();
        calls.wait(1001, waiter);
        assert_eq!(calls.waiting.len(), 1);
    }

    #[tokio::test]
    async fn files_of_nobody_are_not_lent() {
        let lenders = Lenders::new(|_| Err("nothing is started here".to_owned()));
        let nobody = UserName::new("nobody-of-that-name");
        let refused = lenders.open(&nobody, None).await;
        assert!(matches!(refused, Err(LendingError::NoUser(_))), "{refused:?}");
        let root = lenders.open(&UserName::new("root"), Some(0)).await;
        assert!(matches!(root, Err(LendingError::Nobody(_))), "{root:?}");
    }
}
