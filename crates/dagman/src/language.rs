//! The DAG language: text becomes commands, one after the other, or what is wrong with a line and
//! what would be right.
//!
//! The grammar is `grammar/dag.pest`. [`Lines`] finds where a command begins and ends,
//! [`mod@parse`] takes it apart. Nothing is kept of a command that was dealt with, so that a file
//! of millions of lines takes no more than its text.
//!
//! Knows nothing of what commands mean to each other: whether a node exists is found out by
//! `workflow::assemble`.

mod command;
mod diagnostic;
mod explain;
mod fast;
mod lines;
mod parse;

pub use command::{
    Command, ItemsCommand, Keyword, MapCommand, NodeCommand, OptionalOnOff, Pair, PinSide,
    ScriptCommand, Word, Work,
};
pub use diagnostic::listed;
pub(crate) use diagnostic::nearest;
pub use lines::{Line, Lines};
pub use model::diagnostic::{Diagnostic, Severity};
pub use parse::{Refusal, by_grammar, parse};

/// A DAG file longer than this is none. Ten million nodes with their edges fit.
pub const MAX_TEXT_BYTES: usize = 2 << 30;
