//! What there is to say of a DAG's files and of halting one. How far it is, is
//! `render::workflow`'s. Knows nothing of how a DAG is read or run.

use dagman::language::listed;
use model::ClusterId;
use model::diagnostic::Diagnostic;
use serde::{Serialize, Serializer};

use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// A DAG that was looked at.
#[derive(Debug, Serialize)]
pub struct Checked {
    pub files: Vec<String>,
    #[serde(serialize_with = "as_problems")]
    pub problems: Vec<Diagnostic>,
    /// How many, if it could be read.
    pub nodes: Option<usize>,
    pub edges: Option<usize>,
}

/// A diagnostic as JSON.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    pub error: bool,
    pub message: &'a str,
    pub hint: Option<&'a str>,
    pub file: &'a str,
    pub line: u32,
    pub column: u32,
}

impl<'a> Problem<'a> {
    pub fn of(one: &'a Diagnostic) -> Self {
        Self {
            error: one.is_error(),
            message: &one.message,
            hint: one.hint.as_deref(),
            file: one.file(),
            line: one.line(),
            column: one.column(),
        }
    }
}

fn as_problems<S: Serializer>(all: &[Diagnostic], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(Problem::of))
}

impl Checked {
    /// How many mistakes keep it from running.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|one| one.is_error()).count()
    }
}

impl Tell for Checked {
    fn tell(&self, dialect: Dialect) -> Said {
        let one = |one: &Diagnostic| match dialect {
            Dialect::Updraft | Dialect::Pbs => one.render(),
            Dialect::HtCondor => format!("{}\n", listed(one)),
        };
        let files = self.files.join(" ");
        let end = match (self.nodes, self.edges, self.errors()) {
            (Some(nodes), Some(edges), 0) => {
                format!("{files}: {nodes} nodes, {edges} edges; it can run\n")
            }
            (_, _, errors) => format!("{files}: {errors} errors\n"),
        };
        Said::out(self.problems.iter().map(one).collect::<String>() + &end)
    }
}

/// A DAG that was halted, or goes on.
#[derive(Debug, Serialize)]
pub struct Halted {
    pub job: ClusterId,
    pub halted: bool,
}

impl Tell for Halted {
    fn tell(&self, _: Dialect) -> Said {
        let job = self.job;
        Said::out(match self.halted {
            true => {
                format!(
                    "The DAG {job} begins nothing new. Take it back:  updraft dag resume {job}\n"
                )
            }
            false => format!("The DAG {job} goes on.\n"),
        })
    }
}
