//! A library for programs that use a pool: find it, submit, act on jobs, ask about them, follow
//! what happens to them.
//!
//! It is what Updraft's own commands stand on. Everything goes over the pool's Unix sockets; who
//! you are, the kernel says, so there is nothing to log in to. It prints nothing and reads no
//! command line.
//!
//! # A first program
//!
//! A pool must run (`updraft pool start`). This submits ten jobs, waits for them, and says how each
//! ended:
//!
//! ```no_run
//! use client::jobspec::htcondor::SubmitOptions;
//! use client::{Home, RealSite, Select, Selector};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Home::from_environment();
//! let text = "executable = /bin/true\nqueue 10\n";
//! let description = client::parse(text, "ten.sub")?;
//! let submitted = pool.submit(&description, &RealSite::new()?, &SubmitOptions::default())?;
//! let clusters = submitted.clusters.iter().map(|(cluster, _)| Selector::Cluster(*cluster));
//! pool.wait(&Select::Any(clusters.collect()), |job, end| {
//!     println!("{job}: {end}");
//!     Ok::<_, client::AskError>(std::ops::ControlFlow::Continue(()))
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # What you can rely on
//!
//! - **A submission is in the queue once or not at all.** It carries a token. If the schedd dies
//!   before it has answered, the same token is asked about again until it answers. Only if it does
//!   not come back in time is the outcome unknown, and the error says so
//!   ([`SubmitError::Unknown`]).
//! - **Following misses nothing and tells nothing twice.** Every event has a number ([`Seq`]). When
//!   the schedd is started again, following goes on with the number after the last one
//!   ([`Home::follow`]). Keep the number, and your program can do the same after its own restart.
//! - **A daemon that is being started again is waited for**: a pool does that within a second. A
//!   pool that does not run is an error at once ([`is_not_running`]).
//!
//! # Asking and acting
//!
//! ```no_run
//! use client::model::{ClusterId, attr};
//! use client::{Action, Home, Query, Select, Selector};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut schedd = Home::from_environment().schedd()?;
//! let only = Query { constraint: Some("JobStatus == 5".parse()?), ..Query::of(Select::All) };
//! for ad in schedd.jobs(only)? {
//!     println!("held: {:?}", ad.get(attr::HOLD_REASON));
//! }
//! let action = Action::Remove { reason: Some("no longer needed".to_owned()), force: false };
//! schedd.act(action, Select::Any(vec![Selector::Cluster(ClusterId(7))]))?;
//! # Ok(())
//! # }
//! ```
//!
//! # In a program with tokio
//!
//! [`asynchronous::Schedd`] does the same without blocking. It can be cloned; clones share a few
//! connections, over which many submissions are under way at once, so that they share the schedd's
//! commits.
//!
//! ```no_run
//! use client::model::{ClusterSpec, Seq};
//! use client::{Home, Select, asynchronous::Schedd};
//!
//! # async fn example(spec: ClusterSpec) -> Result<(), Box<dyn std::error::Error>> {
//! let schedd = Schedd::of(&Home::from_environment());
//! let token = client::new_token()?; // keep it: after your own restart it tells whether that submission was made
//! let cluster = schedd.submit(token, |_cluster| spec.clone()).await?;
//! let mut record = schedd.follow(Seq(0), Select::All);
//! loop {
//!     for event in record.next().await? {
//!         println!("{} {:?}", event.seq, event.what);
//!     }
//! }
//! # }
//! ```
//!
//! # Whole programs
//!
//! `examples/` has four that do something useful: `sweep` submits a parameter sweep and prints a
//! table of results, `follow` writes the record as JSON and goes on where it ended, `janitor`
//! releases jobs that are held for a passing reason, `service` takes work from many tasks at once
//! with tokio. `cargo run -p client --example sweep` tries one.
//!
//! # Where things are
//!
//! - [`home`]: the folder of a pool, and how it is found. [`lock`]: which of its processes live.
//! - [`connect`]: connections to its daemons, and what can be asked over each.
//! - [`submit`]: descriptions and clusters into the queue. [`site`]: this machine, as a description
//!   sees it.
//! - [`files`]: files of spooled jobs, and of those that run. [`machines`]: which hosts a pool of
//!   several consists of.
//! - [`outlook`]: what speaks against a submission before it is made.
//! - [`retry`]: finished jobs again.
//! - [`follow`]: the record, by number. [`wait`]: until jobs have ended. [`progress`]: how a set of
//!   jobs gets on.
//! - [`patience`]: which failures pass, and how long to wait for that.
//! - [`asynchronous`]: the form for programs with tokio.
//!
//! The words of the questions and answers are in [`proto::client`] and [`model`]; the most used are
//! here too. This crate is all that a program depends on: [`model`], [`classad`], [`jobspec`] and
//! [`proto`] come with it.

pub mod asynchronous;
pub mod connect;
pub mod files;
pub mod follow;
pub mod home;
pub mod machines;
pub mod outlook;
pub mod patience;
pub mod progress;
pub mod retry;
pub mod site;
pub mod submit;
pub mod wait;

pub use connect::{Negotiator, Schedd, Startd, is_not_running};
pub use home::{DaemonRole, HOME_VARIABLE, Home};
pub use model::Seq;
pub use proto::client::{Action, Arrange, FrontEnd, Query, Recorded, Select, Selector};
pub use proto::command::AskError;
pub use proto::lock;
pub use site::RealSite;
pub use submit::{SubmitError, cluster_of, new_token, parse};
pub use wait::End;
pub use {classad, jobspec, model, proto};
