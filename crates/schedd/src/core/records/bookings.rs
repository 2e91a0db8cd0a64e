//! What the settings of queues say of advance reservations, as the negotiator is told it, and how
//! they are numbered. How they come and go is `users::booking`'s matter.

use model::ClusterId;
use model::queues::{QueueSettings, Stage};
use proto::matchmaking::Booking;

/// The name of a reservation, and of its queue.
pub(crate) fn name_of(number: ClusterId) -> String {
    format!("R{number}")
}

/// The number of the reservation of this name.
pub(crate) fn number_of(name: &str) -> Option<ClusterId> {
    name.strip_prefix('R')?.parse().ok().map(ClusterId)
}

/// The first number behind those of all reservations.
pub(crate) fn first_free(settings: &QueueSettings) -> ClusterId {
    let last = settings.reservations.keys().filter_map(|name| number_of(name)).max();
    ClusterId(last.map_or(0, |last| last.0.saturating_add(1)))
}

/// The reservations of these settings that places are to be kept for.
pub(crate) fn bookings_of(settings: &QueueSettings) -> Vec<Booking> {
    let all = settings.reservations.iter();
    let wanted = all.filter(|(_, reserved)| reserved.stage != Stage::Over);
    wanted
        .map(|(queue, reserved)| Booking {
            queue: queue.clone(),
            window: reserved.window,
            parts: reserved.parts.clone(),
            places: reserved.places().to_vec(),
            is_settled: matches!(reserved.stage, Stage::Confirmed(_) | Stage::Running(_)),
            question: reserved.question,
        })
        .collect()
}
