//! The simulator: all cores in one thread, from one seed, in a world that fails.
//!
//! ```text
//! world    the queue of what happens next, and true time          users    submit, hold, release, remove; try again
//! net      connections that delay, lose, repeat, reorder, break    launcher what really runs on a machine
//! daemons  the three cores, each behind its own clock, with what   oracle   knows what really happened, and objects
//!          it wrote before it crashed
//! ```
//!
//! After every batch the cores' own `check` runs and what was written equals what is in memory; the oracle watches every
//! execution and every entry of the record; and once the faults stop, every job must end and every slot be free.
//! A failure is a sentence and a seed; the same seed fails again in the same way.

mod clock;
mod daemons;
mod disk;
mod launcher;
mod net;
mod oracle;
mod plant;
mod rng;
mod users;
mod world;

pub use plant::Plant;
pub use world::{Failure, Report, Scenario, run};

#[cfg(test)]
mod tests;
