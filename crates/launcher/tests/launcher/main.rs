//! The launcher as a process of its own, with real jobs.

mod host;
mod processes;
mod survival;
