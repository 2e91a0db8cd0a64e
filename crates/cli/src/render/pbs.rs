//! Jobs, queues, servers and nodes as PBS shows them: what they are in its words (`job`, `queues`,
//! `nodes`), and tables and lists of them.

pub mod accounting;
pub mod full;
pub mod here;
pub mod job;
pub mod listed;
pub mod nodes;
pub mod queues;
pub mod reservations;
pub mod table;

pub use here::Here;
pub use job::{Job, RowKind, State};
