//! Jobs that wait for others: what must have come of which job, and how that is written in a job's
//! ad.

use std::fmt;

use crate::ids::ClusterId;

/// The attribute that says what a job still waits for, of what is in the queue. The schedd takes
/// out what has been.
pub const WAITS_FOR: &str = "WaitsForJobs";

/// How a schedd's refusal begins of a submission that names a job which is not in the queue.
pub const HAS_LEFT: &str = "wait for a job that has left the queue";

/// How the reason begins of a job that was removed because what it waits for can never be.
pub const REASON: &str = "the job's dependency ";

/// What must have come of the other job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// It has started.
    After,
    /// It has ended well, with 0.
    AfterOk,
    /// It has ended in any other way.
    AfterNotOk,
    /// It has ended.
    AfterAny,
}

impl DependencyKind {
    pub const ALL: [Self; 4] = [Self::After, Self::AfterOk, Self::AfterNotOk, Self::AfterAny];

    /// As PBS writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::After => "after",
            Self::AfterOk => "afterok",
            Self::AfterNotOk => "afternotok",
            Self::AfterAny => "afterany",
        }
    }
}

/// One other job, or all of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// What must have come of it.
    pub kind: DependencyKind,
    pub on: ClusterId,
    /// Whether it was named as an array.
    pub is_array: bool,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.is_array { "[]" } else { "" };
        write!(f, "{}:{}{brackets}", self.kind.name(), self.on)
    }
}

/// Several, a comma between two.
pub fn written(all: &[Dependency]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The same read again; `None` if it is not as [`written`] writes it.
pub fn read(text: &str) -> Option<Vec<Dependency>> {
    let one = |word: &str| {
        let (name, number) = word.split_once(':')?;
        let kind = DependencyKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let is_array = number.ends_with("[]");
        let on = ClusterId(number.trim_end_matches("[]").parse().ok()?);
        Some(Dependency { kind, on, is_array })
    };
    text.split(',').map(one).collect()
}

/// What is known of the other job, or of all jobs of the array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has started: of an array, any.
    pub started: bool,
    /// Whether it ended in another way than well: of an array, any.
    pub failed: bool,
    /// Whether nothing of it is left.
    pub over: bool,
}

/// How a dependency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What is waited for may still come.
    Waits,
    /// It has been.
    Met,
    /// It can never be.
    Never,
}

impl Dependency {
    /// How it stands when so much is known of the other job.
    pub const fn standing(self, progress: Progress) -> Standing {
        let Progress { started, failed, over } = progress;
        match (self.kind, failed) {
            (DependencyKind::After, _) if started || over => Standing::Met,
            (DependencyKind::AfterAny, _) | (DependencyKind::AfterOk, false) if over => {
                Standing::Met
            }
            (DependencyKind::AfterOk, true) => Standing::Never,
            (DependencyKind::AfterNotOk, true) => Standing::Met,
            (DependencyKind::AfterNotOk, false) if over => Standing::Never,
            (
                DependencyKind::After
                | DependencyKind::AfterAny
                | DependencyKind::AfterOk
                | DependencyKind::AfterNotOk,
                _,
            ) => Standing::Waits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "afterok:12,afterany:13[],after:1,afternotok:7";
        let all = read(text).unwrap();
        assert_eq!(written(&all), text);
        for wrong in ["", "afterok", "afterok:x", "later:3"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_kind_stands_as_the_other_job_does() {
        let table = |kind| {
            let at = |started, failed, over| {
                let one = Dependency { kind, on: ClusterId(1), is_array: false };
                one.standing(Progress { started, failed, over })
            };
            [
                at(false, false, false),
                at(true, false, false),
                at(true, true, false),
                at(true, false, true),
                at(true, true, true),
                at(false, true, true),
            ]
        };
        use Standing::{Met, Never, Waits};
        assert_eq!(table(DependencyKind::After), [Waits, Met, Met, Met, Met, Met]);
        assert_eq!(table(DependencyKind::AfterOk), [Waits, Waits, Never, Met, Never, Never]);
        assert_eq!(table(DependencyKind::AfterNotOk), [Waits, Waits, Met, Never, Met, Met]);
        assert_eq!(table(DependencyKind::AfterAny), [Waits, Waits, Waits, Met, Met, Met]);
    }
}
