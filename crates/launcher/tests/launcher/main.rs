//! The launcher as a process of its own, with real jobs. The process is
//! `examples/launcher_host.rs`, which a plain `cargo test` builds.

mod companions;
mod host;
mod processes;
mod scripts;
mod survival;
