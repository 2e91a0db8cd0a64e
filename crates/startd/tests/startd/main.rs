//! A startd and a launcher as real processes; the test plays the schedd and the negotiator.

mod host;
mod runs;
