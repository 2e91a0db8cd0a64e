//! Advance reservations (`pbs_rsub`): parts of machines that are kept for a window of time, and a
//! queue of their own whose jobs alone run there. What is kept where the negotiator decides; the
//! schedd stores it with the queues.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{MachineName, Resources, Timestamp};

/// From when and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Window {
    /// How far ahead places are kept, at most, seconds: ten years. Moments behind it are mistakes,
    /// and what reckons with them need not fear their size.
    pub const AHEAD_S: i64 = 10 * 366 * 24 * 3600;

    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    pub fn seconds(self) -> i64 {
        self.end.as_secs() - self.start.as_secs()
    }
}

/// So many parts of machines alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedChunk {
    pub count: u32,
    pub part: Resources,
    /// The machine that it must be on.
    pub machine: Option<String>,
}

/// How the chunks are spread over machines (`place`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    #[default]
    Free,
    /// All on one.
    Pack,
    /// Each on another.
    Scatter,
}

/// What is to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedParts {
    pub chunks: Vec<ReservedChunk>,
    pub spread: Spread,
    /// Whether a machine is kept as a whole.
    pub is_exclusive: bool,
}

impl ReservedParts {
    /// How many parts of machines these are.
    pub fn count(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.count)).sum()
    }
}

/// A part of a machine that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedPlace {
    pub machine: MachineName,
    pub part: Resources,
}

/// How far a reservation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nobody has said yet where it could be.
    Unconfirmed,
    /// It has places, and its window has not begun, or is open.
    Confirmed(Vec<ReservedPlace>),
    /// The same, and its window is to be another; which it was before.
    Altering { places: Vec<ReservedPlace>, before: Window },
    /// Its jobs may run.
    Running(Vec<ReservedPlace>),
    /// Its time is over, or somebody has deleted it: its jobs are being removed.
    Over,
}

/// A reservation. Its queue has its name: `R12`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    pub owner: String,
    pub window: Window,
    pub parts: ReservedParts,
    pub stage: Stage,
    pub created: Timestamp,
    pub changed: Timestamp,
    /// How often another window was asked for: what is answered to an earlier question says nothing
    /// of this window.
    #[serde(default)]
    pub question: u32,
    /// What is only shown of it: `Reserve_Name`, `Resource_List.ncpus`, and so on.
    pub shown: BTreeMap<String, String>,
}

impl Reserved {
    /// The parts of machines that are its.
    pub fn places(&self) -> &[ReservedPlace] {
        match &self.stage {
            Stage::Unconfirmed | Stage::Over => &[],
            Stage::Confirmed(places) | Stage::Altering { places, .. } | Stage::Running(places) => {
                places
            }
        }
    }

    /// When something becomes of it by time alone.
    pub fn next_moment(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Confirmed(_) => Some(self.window.start),
            Stage::Unconfirmed | Stage::Running(_) => Some(self.window.end),
            Stage::Altering { before, .. } => Some(before.end),
            Stage::Over => None,
        }
    }
}

/// What is shown of a reservation that somebody has deleted: who that was.
pub const DELETED_BY: &str = "Deleted_By";

/// What has become of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Became {
    Requested,
    /// It has places, for the first time or for another window.
    Confirmed,
    Began,
    /// Its time is over.
    Finished,
    /// It has no places, or lost them.
    Denied,
    Deleted {
        by: String,
    },
}

impl Became {
    /// What became of it between these two, if anything did.
    pub fn between(before: Option<&Reserved>, after: &Reserved, at: Timestamp) -> Option<Self> {
        let Some(before) = before else { return Some(Self::Requested) };
        let is_moved = before.window == after.window;
        let deleted = after.shown.get(DELETED_BY).map(|by| Self::Deleted { by: by.clone() });
        match (&before.stage, &after.stage) {
            (Stage::Over, _) => None,
            (_, Stage::Over) if deleted.is_some() => deleted,
            (_, Stage::Over) if at >= before.window.end => Some(Self::Finished),
            (_, Stage::Over) => Some(Self::Denied),
            (Stage::Unconfirmed, Stage::Confirmed(_)) => Some(Self::Confirmed),
            (Stage::Altering { .. }, Stage::Confirmed(_)) if is_moved => Some(Self::Confirmed),
            (Stage::Confirmed(_), Stage::Running(_)) => Some(Self::Began),
            (
                Stage::Unconfirmed
                | Stage::Confirmed(_)
                | Stage::Altering { .. }
                | Stage::Running(_),
                Stage::Unconfirmed
                | Stage::Confirmed(_)
                | Stage::Altering { .. }
                | Stage::Running(_),
            ) => None,
        }
    }
}

/// Who may submit to a reservation's queue: lists of names, as `pbs_rsub` is told them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorized {
    pub users: Option<String>,
    pub hosts: Option<String>,
}

impl Authorized {
    pub(super) fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let one = |kind: &str, list: &Option<String>| {
            let list = list.clone()?;
            let enabled = (format!("acl_{kind}_enable"), "True".to_owned());
            Some([enabled, (format!("acl_{kind}s"), list)])
        };
        let all = [one("user", &self.users), one("host", &self.hosts)];
        all.into_iter().flatten().flatten()
    }
}

/// All reservations, by the names of their queues.
pub type Reservations = BTreeMap<String, Reserved>;
