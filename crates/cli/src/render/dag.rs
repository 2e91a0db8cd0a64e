//! What there is to say of a DAG's files and of steering one. How far it is, is
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
                let (nodes, edges) = (counted(nodes, "node"), counted(edges, "edge"));
                format!("{files}: {nodes}, {edges}; it can run\n")
            }
            (_, _, errors) => format!("{files}: {}\n", counted(errors, "error")),
        };
        Said::out(self.problems.iter().map(one).collect::<String>() + &end)
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
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
                    "The DAG {job} begins nothing new, and ends when nothing of it runs any more. Take it back before that:  updraft dag resume {job}\n"
                )
            }
            false => format!("The DAG {job} goes on.\n"),
        })
    }
}

/// An order about nodes, which dagman has answered.
#[derive(Debug, Serialize)]
pub struct Obeyed {
    pub job: ClusterId,
    /// The nodes for which it was followed.
    pub done: Vec<String>,
    /// Why it was not, for each of the others.
    pub errors: Vec<String>,
    /// What became of a node for which it was followed.
    #[serde(skip)]
    pub did: &'static str,
}

impl Tell for Obeyed {
    fn tell(&self, _: Dialect) -> Said {
        Said {
            out: self.done.iter().map(|node| format!("{node} {}.\n", self.did)).collect(),
            err: self.errors.iter().map(|error| format!("updraft dag: {error}\n")).collect(),
        }
    }
}

/// The limits that hold for a DAG; 0 is none.
#[derive(Debug, Serialize)]
pub struct Limits {
    pub job: ClusterId,
    pub maxjobs: u32,
    pub maxidle: u32,
    pub maxpre: u32,
    pub maxpost: u32,
    pub maxhold: u32,
}

impl Tell for Limits {
    fn tell(&self, _: Dialect) -> Said {
        let Self { job, maxjobs, maxidle, maxpre, maxpost, maxhold } = self;
        Said::out(format!(
            "The limits of the DAG {job} are: maxjobs {maxjobs}, maxidle {maxidle}, maxpre {maxpre}, maxpost {maxpost}, maxhold {maxhold} (0: none).\n"
        ))
    }
}

/// A DAG that was over, and runs again.
#[derive(Debug, Serialize)]
pub struct Rerun {
    pub job: ClusterId,
    /// The job that it was before.
    pub reruns: ClusterId,
    /// The nodes that were asked for.
    pub from: Vec<String>,
}

impl Tell for Rerun {
    fn tell(&self, _: Dialect) -> Said {
        Said::out(format!("The DAG {} runs again as job {}.\n", self.reruns, self.job))
    }
}
