//! How reservations come into the settings of queues, and go: each with a queue of its name.

use std::collections::BTreeMap;

use super::denied::Denied;
use super::reservations::{Authorized, Reserved, ReservedChunk, Stage};
use super::settings::{Attributes, QueueSettings};
use crate::Resources;

/// Parts of machines of one reservation; more than anybody asks for, and each is looked at in
/// every pass of the negotiator.
const MOST_PARTS: u64 = 10_000;

/// Parts of all reservations of a schedd: the negotiator is told of all at once, with the names of
/// their machines, in a message that has to fit a frame.
const MOST_PARTS_IN_ALL: u64 = 20_000;

/// Reservations of one user, so that one does not take all.
const MOST_OF_USER: usize = 50;

/// Reservations of a schedd: each has a queue, and a change of one writes all.
const MOST_IN_ALL: usize = 1000;

impl QueueSettings {
    /// With another reservation, and its queue.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn with_reservation(
        &self,
        name: &str,
        reserved: Reserved,
        who: &Authorized,
    ) -> Result<Self, Denied> {
        let parts = reserved.parts.count();
        if parts == 0 || parts > MOST_PARTS {
            return Err(Denied::BadValue);
        }
        let asks = |chunk: &ReservedChunk| !Resources::default().covers(&chunk.part);
        if !reserved.parts.chunks.iter().all(asks) {
            return Err(Denied::BadValue);
        }
        self.check_room(&reserved)?;
        let mut new = self.clone();
        new.create(name)?;
        let mut queue = Attributes::default();
        for (name, value) in
            [("queue_type", "Execution"), ("enabled", "True"), ("started", "False")]
        {
            queue.0.insert(name.to_owned(), value.to_owned());
        }
        queue.0.extend(who.attributes());
        new.put_queue(name, queue);
        new.reservations.insert(name.to_owned(), reserved);
        Ok(new)
    }

    /// Whether there may be one more, of this user and with so many parts.
    fn check_room(&self, reserved: &Reserved) -> Result<(), Denied> {
        let all = self.reservations.values();
        let parts: u64 = all.clone().map(|one| one.parts.count()).sum();
        let own = all.filter(|one| one.owner == reserved.owner).count();
        let most = if own >= MOST_OF_USER {
            format!("{MOST_OF_USER} reservations of one user")
        } else if self.reservations.len() >= MOST_IN_ALL {
            format!("{MOST_IN_ALL} reservations")
        } else if parts + reserved.parts.count() > MOST_PARTS_IN_ALL {
            format!("{MOST_PARTS_IN_ALL} parts of machines in all reservations")
        } else {
            return Ok(());
        };
        Err(Denied::TooMany(format!("{most} are the most")))
    }

    /// With this stage of a reservation. Its jobs may start while it runs, and none come when it is
    /// over.
    #[must_use]
    pub fn with_stage(&self, name: &str, stage: Stage) -> Self {
        let mut new = self.clone();
        new.set_stage(name, stage);
        new
    }

    /// The same in place: of many at once no copy of all is made for each.
    pub fn set_stage(&mut self, name: &str, stage: Stage) {
        let (runs, over) = (matches!(stage, Stage::Running(_)), stage == Stage::Over);
        if let Some(reserved) = self.reservations.get_mut(name) {
            reserved.stage = stage;
        }
        if let Some((_, queue)) = self.queues.iter_mut().find(|(known, _)| known == name) {
            let truth = |is: bool| if is { "True" } else { "False" }.to_owned();
            queue.0.insert("started".to_owned(), truth(runs));
            queue.0.insert("enabled".to_owned(), truth(!over));
        }
    }

    /// With this said of a reservation, and its queue for these users.
    #[must_use]
    pub fn with_said(
        mut self,
        name: &str,
        shown: &BTreeMap<String, String>,
        users: Option<&str>,
    ) -> Self {
        if let Some(reserved) = self.reservations.get_mut(name) {
            reserved.shown.extend(shown.clone());
        }
        let queue = self.queues.iter_mut().find(|(known, _)| known == name);
        if let Some(((_, queue), users)) = queue.zip(users) {
            let who = Authorized { users: Some(users.to_owned()), hosts: None };
            queue.0.extend(who.attributes());
        }
        self
    }

    /// Without the reservation and its queue.
    #[must_use]
    pub fn without_reservation(&self, name: &str) -> Self {
        let mut new = self.clone();
        new.reservations.remove(name);
        new.queues.retain(|(known, _)| known != name);
        new
    }
}
