//! How many may be connected at a time, and how many of one user; and of those how many may stay to
//! follow the record, so that short commands always find a place. It knows users by number, and
//! nothing of what they ask, but how much of it a user has here that is not submitted yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use proto::client::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time, if the process may have the descriptors: commands are short; a user's
/// loop of a thousand `q` waits its turn.
const CONNECTIONS: usize = 4096;

/// How much later news come for each follower that there is: with hundreds of them, each looks at
/// several events at a time instead of waking for every one.
const PAUSE_PER_FOLLOWER: Duration = Duration::from_micros(100);

const PAUSE_MOST: Duration = Duration::from_millis(100);

/// Bytes of jobs that a user may have staged, over all of his connections.
const STAGED_BYTES: usize = 1 << 30;

/// So few are told at once.
const FEW_FOLLOWERS: usize = 16;

/// The places of a schedd.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    limits: Limits,
    taken: Mutex<Taken>,
}

/// How many of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    connections: usize,
    of_a_user: usize,
    followers: usize,
    followers_of_a_user: usize,
}

impl Limits {
    /// A quarter of the places is never one user's, and half of them never followers'.
    fn of(connections: usize) -> Self {
        Self {
            connections,
            of_a_user: connections * 3 / 4,
            followers: connections / 2,
            followers_of_a_user: connections * 3 / 8,
        }
    }
}

#[derive(Debug, Default)]
struct Taken {
    users: BTreeMap<u32, Count>,
    followers: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    connections: usize,
    followers: usize,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    uid: u32,
    _permit: OwnedSemaphorePermit,
}

/// A follower's place, of a connection that has one.
#[derive(Debug)]
pub(crate) struct Following {
    places: Arc<Places>,
    uid: u32,
}

impl Places {
    /// As many as the limit of descriptors allows: files need some too.
    pub(crate) fn new() -> Arc<Self> {
        let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft / 2);
        Self::with(usize::try_from(most).unwrap_or(usize::MAX).min(CONNECTIONS))
    }

    fn with(connections: usize) -> Arc<Self> {
        let limits = Limits::of(connections);
        let all = Arc::new(Semaphore::new(limits.connections));
        Arc::new(Self { all, limits, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more connection, whoever it is; waits for it.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// A place for this user, in that room.
    pub(crate) fn take(
        self: &Arc<Self>,
        uid: u32,
        room: OwnedSemaphorePermit,
    ) -> Result<Place, Refusal> {
        let most = self.limits.of_a_user;
        let mut taken = self.taken();
        let count = taken.users.entry(uid).or_default();
        if count.connections >= most {
            return Err(Refusal::Busy(format!("{most} connections of yours are open")));
        }
        count.connections += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), uid, _permit: room })
    }
}

impl Place {
    /// Room to follow the record.
    pub(crate) fn follow(&self) -> Result<Following, Refusal> {
        let Limits { followers, followers_of_a_user, .. } = self.places.limits;
        let mut taken = self.places.taken();
        if taken.followers >= followers {
            return Err(Refusal::Busy(format!("{followers} commands follow the record")));
        }
        let count = taken.users.entry(self.uid).or_default();
        if count.followers >= followers_of_a_user {
            let why = format!("{followers_of_a_user} commands of yours follow the record");
            return Err(Refusal::Busy(why));
        }
        count.followers += 1;
        taken.followers += 1;
        Ok(Following { places: Arc::clone(&self.places), uid: self.uid })
    }
}

impl Following {
    /// How long to leave out news, after some were told.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let followers = self.places.taken().followers;
        let pause = PAUSE_PER_FOLLOWER * u32::try_from(followers).unwrap_or(u32::MAX);
        (followers > FEW_FOLLOWERS).then(|| pause.min(PAUSE_MOST))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.users.get_mut(&self.uid) {
            count.connections -= 1;
            if count.connections == 0 {
                taken.users.remove(&self.uid);
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.followers -= 1;
        if let Some(count) = taken.users.get_mut(&self.uid) {
            count.followers -= 1;
        }
    }
}

/// What is staged, by whose it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staging(Arc<Mutex<BTreeMap<u32, usize>>>);

/// What a connection has staged; given back when dropped.
#[derive(Debug)]
pub(crate) struct Staged {
    all: Staging,
    uid: u32,
    bytes: usize,
}

impl Staging {
    pub(crate) fn of(&self, uid: u32) -> Staged {
        Staged { all: self.clone(), uid, bytes: 0 }
    }

    fn change(&self, uid: u32, change: impl FnOnce(usize) -> usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = change(all.get(&uid).copied().unwrap_or(0));
        match bytes {
            0 => drop(all.remove(&uid)),
            bytes => drop(all.insert(uid, bytes)),
        }
    }
}

impl Staged {
    /// Takes note of so many more; no if the user has too many.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let mut has_room = false;
        self.all.change(self.uid, |before| {
            let after = before.saturating_add(bytes);
            has_room = after <= STAGED_BYTES;
            if has_room { after } else { before }
        });
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }

    /// Nothing is staged any more.
    pub(crate) fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.all.change(self.uid, |before| before.saturating_sub(bytes));
    }

    /// The most that a user may have.
    pub(crate) const MOST: usize = STAGED_BYTES;
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_has_staged_is_bounded_over_all_connections_and_nobody_else_s() {
        let staging = Staging::default();
        let (mut one, mut two, mut other) = (staging.of(7), staging.of(7), staging.of(8));
        assert!(one.add(STAGED_BYTES - 1) && two.add(1));
        assert!(!two.add(1) && !one.add(1));
        assert!(other.add(STAGED_BYTES), "another has his own");
        one.clear();
        assert!(two.add(STAGED_BYTES - 1) && !one.add(1));
        drop((one, two, other));
        assert!(staging.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_user_and_no_followers_take_every_place() {
        let places = Places::with(16);
        let mut held = Vec::new();
        while let Ok(place) = places.take(7, places.room().await.unwrap()) {
            held.push(place);
        }
        assert_eq!(held.len(), 12);
        let other = places.take(8, places.room().await.unwrap()).unwrap();
        let following: Vec<_> = held.iter().map_while(|place| place.follow().ok()).collect();
        assert_eq!(following.len(), 6);
        let more: Vec<_> = (0..9).map_while(|_| other.follow().ok()).collect();
        assert_eq!(more.len(), 2, "half of all places");
        drop((following, more, held));
        assert!(places.take(7, places.room().await.unwrap()).unwrap().follow().is_ok());
        assert!(places.taken().users.keys().eq([&8]));
    }
}
