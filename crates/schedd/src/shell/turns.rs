//! Whose files cross now: so many runs at a time, and of those no more than a few of one machine,
//! and of one user where there are many, so that one that is sick, or wants it, keeps nobody else
//! out. What crosses is not known here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::{MachineName, UserName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many runs' files cross at a time: more would only share the same wire and disk.
const AT_A_TIME: usize = 16;

/// How many of them may be one machine's: as many as a startd copies at a time.
const OF_ONE: usize = 4;

/// How many connections for files one machine may have, with those that wait or stand still.
const PLACES_OF_ONE: usize = 32;

/// How many turns may be one user's, where jobs are many users': of all, and of one machine's. One
/// is always left to others.
const OF_USER: usize = 12;
const OF_USER_AT_ONE: usize = 3;

/// The turns of all machines.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    machines: Mutex<BTreeMap<MachineName, Weak<OfMachine>>>,
    users: Mutex<OfUsers>,
}

/// The turns of each user: at one machine, and at all.
type OfUsers = BTreeMap<(UserName, Option<MachineName>), Weak<Semaphore>>;

/// What a user may have of the turns: of one machine's, and of all.
#[derive(Debug)]
pub(crate) struct Share([Arc<Semaphore>; 2]);

#[derive(Debug)]
struct OfMachine {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A machine's right to wait for a turn.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Semaphore>,
    machine: Arc<OfMachine>,
    _place: OwnedSemaphorePermit,
}

/// A turn; others have it when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _users: Vec<OwnedSemaphorePermit>,
    _own: Option<OwnedSemaphorePermit>,
    _common: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let (machines, users) = (Mutex::default(), Mutex::default());
        Self { all: Arc::new(Semaphore::new(AT_A_TIME)), machines, users }
    }

    /// What a user may have of the turns of a machine.
    pub(crate) fn share(&self, machine: &MachineName, user: &UserName) -> Share {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, turns| turns.strong_count() > 0);
        let mut of = |machine: Option<&MachineName>, most| {
            let key = (user.clone(), machine.cloned());
            let known = users.get(&key).and_then(Weak::upgrade);
            let turns = known.unwrap_or_else(|| Arc::new(Semaphore::new(most)));
            users.insert(key, Arc::downgrade(&turns));
            turns
        };
        Share([of(Some(machine), OF_USER_AT_ONE), of(None, OF_USER)])
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
        Some(Place { all: Arc::clone(&self.all), machine, _place: place })
    }
}

impl Place {
    /// Waits for a turn: first among its user's own, then among the machine's, then among all.
    /// Safe to cancel; who asks again is behind the others.
    pub(crate) async fn turn(&self, share: Option<&Share>) -> Turn {
        // Nobody closes them.
        let mut users = Vec::new();
        for turns in share.iter().flat_map(|share| &share.0) {
            users.extend(Arc::clone(turns).acquire_owned().await.ok());
        }
        let own = Arc::clone(&self.machine.turns).acquire_owned().await.ok();
        let common = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn { _users: users, _own: own, _common: common }
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
    fn a_user_who_keeps_all_turns_that_he_can_leaves_some_to_others_on_each_machine() {
        let turns = Turns::new();
        let user = |name: &str| UserName::new(name);
        let (machines, mut held) = (["m0", "m1", "m2", "m3", "m4"].map(MachineName::new), 0);
        let mut kept = Vec::new();
        for machine in &machines {
            for _ in 0..PLACES_OF_ONE {
                let place = turns.place(machine).unwrap();
                let share = turns.share(machine, &user("mallory"));
                let turn = place.turn(Some(&share)).now_or_never();
                held += usize::from(turn.is_some());
                kept.push((place, share, turn));
            }
            assert!(held <= OF_USER);
        }
        assert_eq!(held, OF_USER);
        let other = &turns.share(&machines[0], &user("ann"));
        drop(kept.split_off(PLACES_OF_ONE / 2));
        let place = turns.place(&machines[0]).unwrap();
        assert!(place.turn(Some(other)).now_or_never().is_some());
        drop(kept);
        turns.share(&machines[0], &user("bob"));
        assert_eq!(turns.users.lock().unwrap().len(), 4, "who has none is forgotten");
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
