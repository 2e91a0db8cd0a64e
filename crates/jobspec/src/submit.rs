//! The submit language, from text to jobs, in four stages.
//!
//! 1. `parse`: the text, by `grammar/submit.pest`, to statements that know where they stand (`ast`).
//! 2. `read`: the statements in order; `if` and `include` are decided here, assignments go into the table of macros.
//! 3. `queue` and `macros`: at each `queue`, which items there are, and for each job the values, expanded.
//! 4. `job`, a table of keywords (`keywords`) with one module per family that a table cannot say, makes the ad of each job;
//!    `cluster` folds the ads into what is shared and what differs.

mod ast;
mod cluster;
mod evaluate;
mod functions;
mod job;
mod keywords;
mod macros;
mod parse;
mod queue;
mod read;
mod submission;

pub use ast::Description;
pub use keywords::{Family, KEYWORDS, Keyword, Kind, Support};
pub use parse::parse;
pub use submission::{NextCluster, Submission, SubmitOptions, schedd_attributes};
