//! The negotiator's tasks: [`engine`] owns the core, one task per connection talks to it, and
//! [`server`] puts them together.
//!
//! Every queue between them is bounded. Whoever sends faster than the engine decides has to wait; a
//! schedd that does not read what it is told is disconnected, and is told everything when it comes
//! back.

mod engine;
mod machines;
mod peers;
mod registrar;
mod saved_file;
mod server;

pub use registrar::Listening;
pub use saved_file::SavedError;
pub use server::{Config, Error, run};

#[cfg(test)]
mod tests;
