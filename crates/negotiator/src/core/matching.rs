//! One matching pass: who gets what, and why a class waits.

pub(crate) mod booked;
pub(crate) mod gang;
pub(crate) mod left;
pub(crate) mod marks;
pub(crate) mod pass;
pub(crate) mod plan;
pub(crate) mod reasons;
pub(crate) mod reserve;
pub(crate) mod search;
pub(crate) mod settling;
pub(crate) mod snapshot;
pub(crate) mod users;
