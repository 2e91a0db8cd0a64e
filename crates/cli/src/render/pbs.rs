//! Jobs as PBS shows them: what they are in its words (`job`), and `qstat`'s tables and lists of
//! them.

pub mod full;
pub mod here;
pub mod job;
pub mod table;

pub use here::Here;
pub use job::{Job, RowKind, State};
