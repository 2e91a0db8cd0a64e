//! The matchmaker, with the ads of the machines.
