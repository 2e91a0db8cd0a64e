//! Acts on very many jobs, which are done a slice at a time: whose, on which jobs, and how far each
//! has come. A restart goes on with them.
//!
//! What is done to a job is `users::act`'s and `users::edit`'s matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{ClusterId, JobId, ProcId, UserName};
use proto::client::bounds::WORDS_MAX;
use proto::client::{Action, FrontEnd, Select, Selector};
use serde::{Deserialize, Serialize};

/// How many jobs a daemon acts on in one batch: some ten milliseconds where what is set is short,
/// for which nobody else is served.
pub const SLICE: usize = 500;

/// How many bytes of what users set one slice may write into rows, and again into the record.
pub(crate) const SLICE_BYTES: usize = 4 << 20;

/// Acts of one user that may be under way: who asks for more waits, and everybody's acts have their
/// turn meanwhile.
pub(crate) const ACTS_OF_USER: usize = 8;

/// Acts that may be under way in all.
pub(crate) const ACTS: usize = 64;

/// Words of one user's acts that are under way: as many as one act may have.
pub(crate) const ACTS_WORDS_OF_USER: usize = WORDS_MAX;

/// Words of all acts that are under way: they are written when one begins or is over.
pub(crate) const ACTS_WORDS: usize = 8 * ACTS_WORDS_OF_USER;

/// An act that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LongAct {
    /// Its number: unique among those that are under way.
    pub id: u64,
    pub user: UserName,
    /// Whether the user may do everything.
    pub superuser: bool,
    pub deed: Deed,
    /// What is named, each word on its own.
    pub targets: Arc<Vec<Target>>,
    /// Jobs of this cluster and of later ones came after it.
    pub until: ClusterId,
    /// The same of factories: the first of each one's jobs that came after it, where that matters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<ClusterId, ProcId>,
    /// How far it has come. Written with each slice, and alone: what is written with the rest is
    /// older.
    #[serde(skip)]
    pub reached: Reached,
}

/// What is done to each of the jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Deed {
    /// What a user does.
    Act { action: Action, through: FrontEnd },
    /// Attributes are set.
    Edit {
        changes: Arc<ClassAd>,
        /// Whether the jobs are only counted.
        dry_run: bool,
    },
    /// They are removed because of another job, as each word says.
    Follow,
}

/// What one word of an act names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// Every job that its user may touch.
    All,
    /// Those of them whose ad makes this true.
    Constraint(Expr),
    Named(Selector),
    /// Those of its user that go with a job that was removed.
    Along {
        driver: JobId,
        others: Expr,
    },
    /// Those of a cluster, instead of which this job runs.
    Instead {
        cluster: ClusterId,
        runs: JobId,
    },
    /// Those of a cluster that wait for others: what they wait for can never be.
    Vain {
        cluster: ClusterId,
        never: String,
    },
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
    /// To how many jobs it was done, as far as they are counted.
    #[serde(default)]
    pub done: u64,
    /// Whether it was done to jobs that are still to come.
    #[serde(default)]
    pub has_factories: bool,
    /// The first job to which it could not be done.
    #[serde(default)]
    pub refused: Option<JobId>,
}

/// Acts as they were written, with how far each has come.
pub fn with_reached(acts: Vec<LongAct>, reached: &BTreeMap<u64, Reached>) -> Vec<LongAct> {
    let come = |act: LongAct| LongAct {
        reached: reached.get(&act.id).copied().unwrap_or_default(),
        ..act
    };
    acts.into_iter().map(come).collect()
}

impl LongAct {
    /// Whether it follows from something else than a user's order.
    pub(crate) fn follows(&self) -> bool {
        self.deed == Deed::Follow
    }
}

impl Target {
    /// The words of a selection.
    pub(crate) fn of(select: &Select) -> Vec<Self> {
        match select {
            Select::All => vec![Self::All],
            Select::Constraint(expr) => vec![Self::Constraint(expr.clone())],
            Select::Any(words) => words.iter().cloned().map(Self::Named).collect(),
        }
    }
}
