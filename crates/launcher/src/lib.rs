//! Starts processes as a user, keeps them, and reports their end. The only code that may run as
//! root.
//!
//! ```text
//!   startd --unix socket--> launcher --socketpair--> keeper --vfork+exec--> the job, and all it forks
//!                              |                        |
//!                              `--- state_dir/runs/KEY -'    one small file per run, written by both
//! ```
//!
//! The **launcher** ([`run`]) is a small, single-threaded process that listens on one Unix socket
//! and speaks the fixed messages of [`wire`]. It never starts a job itself. For each run it takes a
//! **keeper**: a fork of itself, used again run after run, that is a child subreaper and therefore
//! the parent of everything the job leaves behind. A run is over only when the keeper has no child
//! left.
//!
//! A keeper and its job outlive both the launcher and its client. What happened to a run is
//! appended to its file in `state_dir/runs` before it is reported, so a restarted launcher knows
//! every run it was ever given and every end that was not yet forgotten. A run whose lease passes
//! is killed by its keeper, whoever else is dead.
//!
//! What this crate does not know: jobs, slots, claims, ClassAds, the network, configuration files.
//! It depends on no other crate of the workspace.
//!
//! The code map:
//!
//! | file | responsible for |
//! |---|---|
//! | `wire.rs` | the messages and their framing; all that a client needs |
//! | `server.rs` | the launcher's loop: clients, keepers, signals |
//! | `runs.rs` | which runs exist and in which state; what a client may ask of them |
//! | `fleet.rs` | the keepers: forking, reusing, adopting after a restart, noticing their death |
//! | `keeper.rs` | one keeper: carries out orders, reaps, enforces lease and grace; `keeper/run.rs`: the run it keeps |
//! | `steps.rs` | which of a run's programs has its turn |
//! | `child.rs` | turns a start request into what the new process needs, laid out for `execve` |
//! | `record.rs` | the run files |
//! | `folders.rs` | the directories that only root may write to, and each user's own in one of them |
//! | `tree.rs` | process trees as `/proc` shows them |
//! | `cgroup.rs` | one cgroup v2 per run, where there is one to be had |
//! | `link.rs` | a framed, buffered, non-blocking stream |
//! | `client.rs` | a client that asks for one process; not executed by the launcher |
//! | `sys.rs` | every `unsafe` line |

mod cgroup;
mod child;
pub mod client;
mod config;
mod fleet;
mod folders;
mod keeper;
mod link;
mod record;
mod runs;
mod server;
mod steps;
mod sys;
mod tree;
pub mod wire;

pub use cgroup::containment_here;
pub use config::{Config, ContainmentWish, RunAs, is_of_system};
pub use server::{Error, run};
pub use sys::{boot_clock_ms, join_session_keyring, private_here, set_window_size, window_size};
