//! The deterministic simulator: all three cores in one thread, from one seed, in a world that loses
//! messages, breaks connections, kills daemons in the middle of a commit, and switches machines
//! off.
//!
//! ```text
//!  users ---- schedd ---- negotiator          the real cores, driven by what their shells do (schedd, startd, negotiator)
//!    |          |    \        |
//!    |        store   `---- startd ---- launcher's world      what survives (store, journal), what really runs (launcher)
//!    |          |             |              |
//!    `------------- oracle: rules that no core is asked about -----'
//! ```
//!
//! | file | responsible for |
//! |---|---|
//! | `run` | one seed from beginning to end |
//! | `world`, `agenda`, `event` | what exists, what happens next |
//! | `clock`, `rng` | time and chance |
//! | `net`, `links`, `life` | connections and processes, and how they end |
//! | `schedd`, `store`, `startd`, `negotiator` | what the daemons' shells do, and what survives them |
//! | `launcher`, `machine` | what really executes |
//! | `carrier` | what really becomes of the files that travel, and what goes wrong with them |
//! | `users`, `workload`, `jobs` | who wants what |
//! | `dag` | a DAG with the real core of dagman, and what must come of it |
//! | `faults`, `plant` | what goes wrong, and bugs planted to see that it is noticed |
//! | `scenario` | worlds that are directed step by step, for the bugs inside the cores |
//! | `depending` | what is true of jobs that wait for others |
//! | `gangs` | what is true of jobs with several parts |
//! | `oracle`, `settle` | safety and liveness, seen from outside |
//!
//! Not simulated: sockets, SQLite, what is in files, several schedds.

mod agenda;
mod carrier;
mod clock;
mod dag;
mod depending;
mod event;
mod faults;
mod gangs;
mod jobs;
mod launcher;
mod life;
mod links;
mod machine;
mod negotiator;
mod net;
mod oracle;
mod plant;
mod queues;
mod reservations;
mod rng;
mod run;
mod scenario;
mod schedd;
mod settle;
mod startd;
mod store;
mod users;
mod workload;
mod world;

pub use plant::Plant;
pub(crate) use rng::Rng;
pub use run::{DEFAULT_STEPS, Failed, Options, Passed, run_seed};
