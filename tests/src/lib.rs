//! Simulator, scenarios and end-to-end tests: the one member that links every core.

pub mod sim;
