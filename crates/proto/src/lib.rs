//! What the parts say to each other, how it is framed, and who the peer is.
//!
//! - [`client`]: a user's command and a daemon.
//! - [`matchmaking`]: schedds and startds with the negotiator.
//! - [`claiming`]: a schedd with a startd, and the lease that keeps a job from running twice.
//! - [`files`]: files that travel over a connection, in pieces.
//! - [`frame`]: length-delimited MessagePack with named fields; unknown fields are ignored, so
//!   neighbouring releases work together.
//! - [`net`]: the daemons' sockets; local peers are known by what the kernel says of them.
//!   [`command`]: a command's. [`lock`]: which process is a daemon of this machine.
//!
//! - [`together`]: clusters that are submitted together.
//! - [`chirp`]: the processes of a running job and its schedd.
//! - [`joining`]: a machine and the pool that it joins; [`trust`]: what both keep of that.
//! - [`terminal`]: a user's terminal and the program that a job runs under it. [`visit`]: a command
//!   and the machine of a job that cannot be called.
//! - [`parts`]: the processes of a run on several machines. [`user_helper`]: processes of users
//!   that touch those users' files for a daemon; [`lending`]: those by which files cross.
//! - [`clock`]: reading the clocks, for the shells. [`plain_file`]: opening what a user has named.
//!   [`whole_file`]: replacing files of ours.
//!
//! The message types are plain data without IO: the cores and the simulator use them as they are.

pub mod chirp;
pub mod claiming;
pub mod client;
pub mod clock;
pub mod command;
pub mod draining;
pub mod files;
pub mod frame;
pub mod joining;
pub mod lending;
pub mod lock;
pub mod matchmaking;
pub mod net;
pub mod parts;
pub mod plain_file;
pub mod seats;
pub mod terminal;
pub mod together;
pub mod trust;
pub mod user_helper;
pub mod visit;
pub mod whole_file;
