//! Acts on very many jobs, which are done a slice at a time: whose, on which jobs, and how far each
//! has come. A restart goes on with them.
//!
//! What is done to a job is `users::act`'s matter.

use std::sync::Arc;

use model::{ClusterId, JobId, UserName};
use proto::client::{Action, FrontEnd, Select, Selector};
use serde::{Deserialize, Serialize};

/// How many jobs a daemon acts on in one batch: some ten milliseconds, for which nobody else is
/// served.
pub const SLICE: usize = 500;

/// An act that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LongAct {
    /// Its number: unique among those that are under way.
    pub id: u64,
    pub user: UserName,
    /// Whether the user may do everything.
    pub superuser: bool,
    pub action: Action,
    pub through: FrontEnd,
    /// What is named, each word on its own.
    pub targets: Arc<[Target]>,
    /// Jobs of this cluster and of later ones came after it.
    pub until: ClusterId,
    pub reached: Reached,
}

/// What one word of an act names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// Every job that its user may touch.
    All,
    /// Those of them whose ad makes this true.
    Constraint(classad::Expr),
    Named(Selector),
}

/// How far an act has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Which of its words is the next.
    pub target: usize,
    /// The last job of those that the word may name that was looked at.
    pub after: Option<JobId>,
    /// Whether the word has named a job so far.
    pub found: bool,
}

impl Target {
    /// The words of a selection.
    pub(crate) fn of(select: &Select) -> Arc<[Self]> {
        match select {
            Select::All => [Self::All].into(),
            Select::Constraint(expr) => [Self::Constraint(expr.clone())].into(),
            Select::Any(words) => words.iter().cloned().map(Self::Named).collect(),
        }
    }
}
