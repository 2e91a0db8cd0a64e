//! HTCondor's dialect: the submit language, from text to jobs. The text is read and its macros are
//! expanded by `crate::language`; then:
//!
//! 1. `queue`: at each `queue`, which items there are.
//! 2. `job`, a table of keywords (`keywords`) with one module per family that a table cannot say,
//!    makes the ad of each job; `cluster` folds the ads into what is shared and what differs.

mod cluster;
mod job;
mod keywords;
mod queue;
mod said;
mod submission;

pub use crate::language::ast::Description;
pub use crate::language::parse::parse;
pub use keywords::{Family, KEYWORDS, Keyword, KeywordKind, Support};
pub use said::{said, said_all};
pub use submission::{Interactive, NextCluster, Submission, SubmitOptions, schedd_attributes};
