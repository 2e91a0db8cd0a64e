//! What is kept: slots, claims, runs, devices.

pub(crate) mod core;
pub(crate) mod devices;
pub(crate) mod held_back;
