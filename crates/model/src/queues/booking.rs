//! How reservations come into the settings of queues, and go: each with a queue of its name.

use super::denied::Denied;
use super::reservations::{Authorized, Reserved, Stage};
use super::settings::{Attributes, QueueSettings};

/// Parts of machines of one reservation; more than anybody asks for, and each is looked at in
/// every pass of the negotiator.
const MOST_PARTS: u64 = 10_000;

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

    /// With this stage of a reservation. Its jobs may start while it runs, and none come when it is
    /// over.
    #[must_use]
    pub fn with_stage(&self, name: &str, stage: Stage) -> Self {
        let mut new = self.clone();
        let (runs, over) = (matches!(stage, Stage::Running(_)), stage == Stage::Over);
        if let Some(reserved) = new.reservations.get_mut(name) {
            reserved.stage = stage;
        }
        if let Some((_, queue)) = new.queues.iter_mut().find(|(known, _)| known == name) {
            let truth = |is: bool| if is { "True" } else { "False" }.to_owned();
            queue.0.insert("started".to_owned(), truth(runs));
            queue.0.insert("enabled".to_owned(), truth(!over));
        }
        new
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
