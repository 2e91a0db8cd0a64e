//! What the schedds want: classes of idle jobs, and what is known of each.

pub(crate) mod bookings;
pub(crate) mod demand;
pub(crate) mod gang;
pub(crate) mod standing;
