//! The statements of a description, each with its place in the text. Nothing is expanded or decided
//! yet.

use std::sync::Arc;

use crate::source::{Place, Source};

/// A description that has been parsed.
#[derive(Clone, Debug)]
pub struct Description {
    pub(crate) source: Arc<Source>,
    pub(crate) statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Where it begins, in bytes.
    pub(crate) offset: usize,
    pub(crate) kind: StatementKind,
}

#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `name = value`; `+Attr = value` has the name `MY.Attr`.
    Assign {
        name: String,
        value: Text,
    },
    /// `if` and `elif` carry their condition.
    If(Text),
    Elif(Text),
    Else,
    EndIf,
    Include(Include),
    /// `use CATEGORY:template`.
    Use(Text),
    Warning(Text),
    Error(Text),
    Queue(Queue),
    /// A line that is no statement.
    Unknown(String),
}

/// What stands right of a keyword, continuation lines joined and white space at both ends dropped.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) value: String,
    /// Where it begins, in bytes.
    pub(crate) offset: usize,
}

/// `include [ifexist] [command] [into CACHE] : WHAT`.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    pub(crate) if_exist: bool,
    pub(crate) command: bool,
    pub(crate) into: Option<String>,
    pub(crate) what: Text,
}

/// `queue ARGUMENTS`.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) arguments: Text,
    /// The items, where they stand on lines of their own.
    pub(crate) rows: Option<Vec<String>>,
}

impl Queue {
    /// Whether it is `queue` alone, or `queue 1`.
    pub(crate) fn is_for_one_job(&self) -> bool {
        self.rows.is_none() && matches!(self.arguments.value.trim(), "" | "1")
    }
}

impl Description {
    /// How many `queue` statements there are, whether they are reached or not.
    pub fn queues(&self) -> usize {
        let is_queue = |one: &&Statement| matches!(one.kind, StatementKind::Queue(_));
        self.statements.iter().filter(is_queue).count()
    }

    /// The name that messages call this description by.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        Place { source: Arc::clone(&self.source), offset }
    }
}
