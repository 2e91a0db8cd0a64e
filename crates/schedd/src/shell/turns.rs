//! Whose files cross now: so many runs at a time, and of those no more than a few of one machine,
//! so that one that is sick, or wants it, keeps nobody else out. What crosses is not known here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::MachineName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many runs' files cross at a time: more would only share the same wire and disk.
const AT_A_TIME: usize = 16;

/// How many of them may be one machine's: as many as a startd copies at a time.
const OF_ONE: usize = 4;

/// How many connections for files one machine may have, with those that wait or stand still.
const PLACES_OF_ONE: usize = 32;

/// The turns of all machines.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    machines: Mutex<BTreeMap<MachineName, Weak<OfMachine>>>,
}

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
    _own: Option<OwnedSemaphorePermit>,
    _common: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_A_TIME)), machines: Mutex::default() }
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
    /// Waits for a turn: first among the machine's own, then among all. Safe to cancel; who asks
    /// again is behind the others.
    pub(crate) async fn turn(&self) -> Turn {
        // Nobody closes them.
        let own = Arc::clone(&self.machine.turns).acquire_owned().await.ok();
        let common = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn { _own: own, _common: common }
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
        place.turn().now_or_never()
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

    #[tokio::test]
    async fn who_waits_has_the_turn_that_another_leaves() {
        let turns = Turns::new();
        let place = || turns.place(&MachineName::new("m")).unwrap();
        let places: Vec<_> = (0..=OF_ONE).map(|_| place()).collect();
        let mut held: Vec<_> = places[..OF_ONE].iter().filter_map(now).collect();
        let leave = async { drop(held.pop()) };
        let waits = timeout(Duration::from_secs(60), places[OF_ONE].turn());
        let (turn, _) = tokio::join!(waits, leave);
        turn.unwrap();
    }
}
