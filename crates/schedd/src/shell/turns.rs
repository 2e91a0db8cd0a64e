//! Whose files cross now: so many runs at a time, and of those no more than a few of one machine,
//! and of one user where there are many, so that one that is sick, or wants it, keeps nobody else
//! out. However many keep all turns, each user has one of his own beside them. What crosses is not
//! known here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::{MachineName, UserName};
use proto::seats::{Seat, Seats};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many runs' files cross at a time: more would only share the same wire and disk.
const AT_A_TIME: usize = 16;

/// How many of them may be one machine's: as many as a startd copies at a time.
const OF_ONE: usize = 4;

/// How many connections for files one machine may have, with those that wait or stand still. Where
/// jobs are many users', so many that have not said for which run.
const PLACES_OF_ONE: usize = 32;

/// How many one user's runs may have on a machine, where there are many: as many as its startd
/// makes for one.
const PLACES_OF_USER: usize = 16;

/// How many turns may be one user's, where jobs are many users': of all, and of one machine's.
const OF_USER: usize = 12;
const OF_USER_AT_ONE: usize = 3;

/// The turn that each user has whatever others keep.
const OWN: usize = 1;

/// The turns of all machines.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    machines: Mutex<BTreeMap<MachineName, Weak<OfMachine>>>,
    users: Mutex<OfUsers>,
    seats: Seats<(MachineName, UserName)>,
}

/// What is counted of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    All,
    At(MachineName),
    Own,
}

/// The turns of each user.
type OfUsers = BTreeMap<(UserName, Counted), Weak<Semaphore>>;

/// What a user may have of the turns: of one machine's, and of all; and his own.
#[derive(Debug)]
pub(crate) struct Share {
    most: [Arc<Semaphore>; 2],
    own: Arc<Semaphore>,
}

#[derive(Debug)]
struct OfMachine {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A right to wait for a turn.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Semaphore>,
    machine: Arc<OfMachine>,
    _taken: Taken,
}

/// What a place is counted as.
#[derive(Debug)]
enum Taken {
    Machines { _place: OwnedSemaphorePermit },
    Users { _seat: Seat<(MachineName, UserName)> },
}

/// A turn; others have it when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _users: Vec<OwnedSemaphorePermit>,
    _of: [Option<OwnedSemaphorePermit>; 2],
}

impl Turns {
    pub(crate) fn new() -> Self {
        let (machines, users, seats) = Default::default();
        Self { all: Arc::new(Semaphore::new(AT_A_TIME)), machines, users, seats }
    }

    /// What a user may have of the turns of a machine.
    pub(crate) fn share(&self, machine: &MachineName, user: &UserName) -> Share {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, turns| turns.strong_count() > 0);
        let mut of = |what: Counted, most| {
            let key = (user.clone(), what);
            let known = users.get(&key).and_then(Weak::upgrade);
            let turns = known.unwrap_or_else(|| Arc::new(Semaphore::new(most)));
            users.insert(key, Arc::downgrade(&turns));
            turns
        };
        let at = of(Counted::At(machine.clone()), OF_USER_AT_ONE);
        Share { most: [at, of(Counted::All, OF_USER)], own: of(Counted::Own, OWN) }
    }

    /// A place for one more connection of a machine, if it has not too many.
    pub(crate) fn place(&self, name: &MachineName) -> Option<Place> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = machines.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let [places, turns] = [PLACES_OF_ONE, OF_ONE].map(|n| Arc::new(Semaphore::new(n)));
            Arc::new(OfMachine { places, turns })
        });
        let place = Arc::clone(&machine.places).try_acquire_owned().ok()?;
        machines.retain(|_, machine| machine.strong_count() > 0);
        machines.insert(name.clone(), Arc::downgrade(&machine));
        let taken = Taken::Machines { _place: place };
        Some(Place { all: Arc::clone(&self.all), machine, _taken: taken })
    }

    /// The same place as one of a user's on that machine, if he has not too many: those that the
    /// machine has are others' again.
    pub(crate) fn place_of(
        &self,
        Place { all, machine, .. }: Place,
        name: &MachineName,
        user: &UserName,
    ) -> Option<Place> {
        let seat = self.seats.take(&(name.clone(), user.clone()), PLACES_OF_USER)?;
        Some(Place { all, machine, _taken: Taken::Users { _seat: seat } })
    }
}

impl Place {
    /// Waits for a turn: first among its user's, then among the machine's and among all; a user
    /// waits for others' no longer than for his own. Safe to cancel; who asks again is behind the
    /// others.
    pub(crate) async fn turn(&self, share: Option<&Share>) -> Turn {
        // Nobody closes them.
        let acquired = async |turns: &Arc<Semaphore>| Arc::clone(turns).acquire_owned().await.ok();
        let mut users = Vec::new();
        for turns in share.iter().flat_map(|share| &share.most) {
            users.extend(acquired(turns).await);
        }
        let common = async { [acquired(&self.machine.turns).await, acquired(&self.all).await] };
        let of = match share {
            None => common.await,
            Some(share) => tokio::select! {
                biased;
                own = acquired(&share.own) => [own, None],
                common = common => common,
            },
        };
        Turn { _users: users, _of: of }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    /// A turn, if one is to be had at once.
    fn now(place: &Place) -> Option<Turn> {
        place.turn(None).now_or_never()
    }

    #[test]
    fn a_machine_that_keeps_its_turns_leaves_those_of_others() {
        let turns = Turns::new();
        let places_of = |name: &str| -> Vec<_> {
            (0..PLACES_OF_ONE).map(|_| turns.place(&MachineName::new(name)).unwrap()).collect()
        };
        let sick = places_of("sick");
        assert!(
            turns.place(&MachineName::new("sick")).is_none(),
            "so many connections it may have"
        );
        let held: Vec<_> = sick.iter().filter_map(now).collect();
        assert_eq!(held.len(), OF_ONE);
        let well = places_of("well");
        assert!(now(&well[0]).is_some());
        // All turns together are as many as there are.
        let others: Vec<_> = (0..8).map(|n| places_of(&format!("m{n}"))).collect();
        let more: Vec<_> = others.iter().flatten().filter_map(now).collect();
        assert_eq!(held.len() + more.len(), AT_A_TIME);
        drop(held);
        assert!(now(&sick[0]).is_some());
        drop((sick, well, others));
        let _one = turns.place(&MachineName::new("new"));
        assert_eq!(turns.machines.lock().unwrap().len(), 1, "who has none is forgotten");
    }

    #[test]
    fn users_who_keep_all_turns_and_places_that_they_can_keep_nobody_out() {
        let turns = Turns::new();
        let user = |name: &str| UserName::new(name);
        let machines = ["m0", "m1", "m2", "m3", "m4"].map(MachineName::new);
        let place_of = |machine: &MachineName, name: &UserName| {
            turns.place_of(turns.place(machine).expect("one that is not known"), machine, name)
        };
        let mut kept = Vec::new();
        for name in ["mallory", "eve", "oscar"].map(user) {
            let mut held = 0;
            for machine in &machines {
                while let Some(place) = place_of(machine, &name) {
                    let share = turns.share(machine, &name);
                    let turn = place.turn(Some(&share)).now_or_never();
                    held += usize::from(turn.is_some());
                    kept.push((place, share, turn));
                }
            }
            assert!((OWN..=OF_USER).contains(&held), "{name}: {held}");
        }
        assert_eq!(kept.len(), 3 * machines.len() * PLACES_OF_USER);
        assert_eq!(turns.all.available_permits(), 0, "all that there are");
        for machine in &machines {
            let (place, share) =
                (place_of(machine, &user("ann")), turns.share(machine, &user("ann")));
            assert!(place.unwrap().turn(Some(&share)).now_or_never().is_some(), "{machine}");
        }
        drop(kept);
        turns.share(&machines[0], &user("bob"));
        assert_eq!(turns.users.lock().unwrap().len(), 3, "who has none is forgotten");
        assert!(turns.seats.is_empty());
    }

    #[tokio::test]
    async fn who_waits_has_the_turn_that_another_leaves() {
        let turns = Turns::new();
        let place = || turns.place(&MachineName::new("m")).unwrap();
        let places: Vec<_> = (0..=OF_ONE).map(|_| place()).collect();
        let mut held: Vec<_> = places[..OF_ONE].iter().filter_map(now).collect();
        let leave = async { drop(held.pop()) };
        let waits = timeout(Duration::from_secs(60), places[OF_ONE].turn(None));
        let (turn, _) = tokio::join!(waits, leave);
        turn.unwrap();
    }
}
