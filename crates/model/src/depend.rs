//! Jobs that wait for others: what must have come of which job, and how that is written in a job's
//! ad. PBS's kinds and Torque's for arrays are all one: a part of a cluster, and how many of it.

use std::fmt;

use crate::ids::{ClusterId, JobId, ProcId};

/// The attribute that says what a job still waits for, of what is in the queue ([`Waits`]). The
/// schedd takes out what has been.
pub const WAITS_FOR: &str = "WaitsForJobs";

/// The attribute of a submission whose jobs others are to wait for ([`Before`], a comma between
/// two): those wait for something that is still to be submitted (`on`).
pub const LETS_GO: &str = "LetsJobsGo";

/// The attribute of jobs of which only one is to run: the numbers of the other clusters, a comma
/// between two.
pub const RUN_ONE: &str = "RunsInsteadOfJobs";

/// The attribute of a job that its user holds too, beside what it waits for: others, or its time.
/// When that has been, it is held as it would be without.
pub const HELD_BESIDES: &str = "HeldBesides";

/// The attribute of a job that the pool's managers (`s`) or operators (`o`) hold, which its user
/// cannot end.
pub const HELD_BY_MANAGERS: &str = "PbsHeldByManagers";

/// The attribute that a schedd shows of a job for which others wait, as PBS writes it.
pub const WAITED_FOR: &str = "WaitedForByJobs";

/// How the reason begins of a job that was removed because what it waits for can never be.
pub const REASON: &str = "the job's dependency ";

/// Why a job was removed of which and of another one only one is to run.
pub fn runs_instead(runs: JobId) -> String {
    format!("{REASON}runone: job {runs} runs instead")
}

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

    /// As PBS writes it of the job that others wait for.
    pub const fn before(self) -> &'static str {
        match self {
            Self::After => "before",
            Self::AfterOk => "beforeok",
            Self::AfterNotOk => "beforenotok",
            Self::AfterAny => "beforeany",
        }
    }

    /// As it is written of a subjob, beyond OpenPBS, which refuses `afterok:12[4]`.
    pub const fn of_subjob(self) -> &'static str {
        match self {
            Self::After => "aftersubjob",
            Self::AfterOk => "afteroksubjob",
            Self::AfterNotOk => "afternotoksubjob",
            Self::AfterAny => "afteranysubjob",
        }
    }

    /// As Torque writes it of so many of an array.
    pub const fn of_array(self) -> &'static str {
        match self {
            Self::After => "afterstartarray",
            Self::AfterOk => "afterokarray",
            Self::AfterNotOk => "afternotokarray",
            Self::AfterAny => "afteranyarray",
        }
    }
}

/// Which jobs of the other cluster count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `12`: all, as one.
    Whole,
    /// `12[]`: the same, named as an array.
    Array,
    /// Torque's `afterokarray:12[][5]`: so many of them; without a number each of them.
    Many(Option<u32>),
    /// `afteroksubjob:12[4]`: the subjob of this index. Only users say it so: the schedd knows no
    /// indices.
    Index(i64),
    /// `12.4`.
    Proc(ProcId),
    /// `aftercorr:12[]`: to each job its own, whose number is greater by so much.
    Each(i64),
}

/// One job or several, and what must have come of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub kind: DependencyKind,
    pub on: ClusterId,
    pub part: Part,
}

impl Dependency {
    /// How it is called: `aftercorr` is `afterok` to each its own.
    pub const fn name(&self) -> &'static str {
        match self.part {
            Part::Each(_) => "aftercorr",
            Part::Many(_) => self.kind.of_array(),
            Part::Index(_) => self.kind.of_subjob(),
            Part::Whole | Part::Array | Part::Proc(_) => self.kind.name(),
        }
    }

    /// The number of the other job, with what is behind it as users write it.
    pub fn number(&self) -> String {
        let on = self.on;
        match self.part {
            Part::Whole => on.to_string(),
            Part::Array | Part::Many(None) | Part::Each(_) => format!("{on}[]"),
            Part::Many(Some(least)) => format!("{on}[][{least}]"),
            Part::Index(index) => format!("{on}[{index}]"),
            Part::Proc(proc) => format!("{on}.{proc}"),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.number())?;
        match self.part {
            Part::Each(more) if more != 0 => write!(f, "{more:+}"),
            _ => Ok(()),
        }
    }
}

/// All that a job waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// For how many jobs that are still to be submitted, and will say so.
    pub on: u32,
    pub others: Vec<Dependency>,
}

impl Waits {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.on == 0 && self.others.is_empty()
    }

    /// Whether its jobs wait each for another.
    pub fn has_each(&self) -> bool {
        self.others.iter().any(|other| matches!(other.part, Part::Each(_)))
    }
}

impl fmt::Display for Waits {
    /// A comma between two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = (self.on > 0).then(|| format!("on:{}", self.on));
        let others = self.others.iter().map(ToString::to_string);
        f.write_str(&on.into_iter().chain(others).collect::<Vec<_>>().join(","))
    }
}

/// The same read again; `None` if it is not as it is written.
pub fn read(text: &str) -> Option<Waits> {
    let mut waits = Waits::default();
    for word in text.split(',') {
        match word.strip_prefix("on:") {
            Some(count) => waits.on = count.parse().ok()?,
            None => waits.others.push(read_one(word)?),
        }
    }
    Some(waits)
}

fn read_one(word: &str) -> Option<Dependency> {
    let (name, number) = word.split_once(':')?;
    if name == "aftercorr" {
        let (on, more) = number.split_once("[]")?;
        let more = if more.is_empty() { 0 } else { more.parse().ok()? };
        let on = ClusterId(on.parse().ok()?);
        return Some(Dependency { kind: DependencyKind::AfterOk, on, part: Part::Each(more) });
    }
    let mut kinds = DependencyKind::ALL.into_iter();
    if let Some(kind) = kinds.clone().find(|kind| kind.of_array() == name) {
        let (on, least) = number.split_once("[]")?;
        let least = match bracketed(least) {
            None if least.is_empty() => None,
            least => Some(least?.parse().ok()?),
        };
        return Some(Dependency { kind, on: ClusterId(on.parse().ok()?), part: Part::Many(least) });
    }
    // Jobs of before name a subjob without saying so.
    let kind = kinds.find(|kind| kind.name() == name || kind.of_subjob() == name)?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let (on, rest) = number.split_at(end);
    let part = match rest {
        "" => Part::Whole,
        "[]" => Part::Array,
        rest => match rest.strip_prefix('.') {
            Some(proc) => Part::Proc(ProcId(proc.parse().ok()?)),
            None => Part::Index(bracketed(rest)?.parse().ok()?),
        },
    };
    Some(Dependency { kind, on: ClusterId(on.parse().ok()?), part })
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// A job that is to wait for one that is submitted after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// What must have come of the new one.
    pub kind: DependencyKind,
    /// Which is to wait.
    pub job: ClusterId,
    /// Whether it was named as an array.
    pub is_array: bool,
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.is_array { "[]" } else { "" };
        write!(f, "{}:{}{brackets}", self.kind.before(), self.job)
    }
}

/// Several, read from what is written with a comma between two; `None` if they are none.
pub fn read_before(text: &str) -> Option<Vec<Before>> {
    let one = |word: &str| {
        let (name, number) = word.split_once(':')?;
        let kind = DependencyKind::ALL.into_iter().find(|kind| kind.before() == name)?;
        let is_array = number.ends_with("[]");
        let job = ClusterId(number.trim_end_matches("[]").parse().ok()?);
        Some(Before { kind, job, is_array })
    };
    text.split(',').map(one).collect()
}

/// The clusters that a text numbers, a comma between two; `None` if it does not.
pub fn read_numbers(text: &str) -> Option<Vec<ClusterId>> {
    text.split(',').map(|number| number.parse().ok().map(ClusterId)).collect()
}

/// What is known of the other jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many there are.
    pub total: u32,
    /// How many have started, or have ended without.
    pub started: u32,
    /// How many have ended.
    pub ended: u32,
    /// How many of those in another way than well.
    pub bad: u32,
}

impl Progress {
    /// Of what has left unseen nothing good is supposed.
    pub const LOST: Self = Self { total: 1, started: 1, ended: 1, bad: 1 };

    /// Of one job.
    pub const fn of_one(started: bool, ended: Option<bool>) -> Self {
        let (ended, bad) = match ended {
            None => (0, 0),
            Some(well) => (1, if well { 0 } else { 1 }),
        };
        Self { total: 1, started: if started { 1 } else { ended }, ended, bad }
    }
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
    /// How it stands when so much is known of the other jobs.
    pub fn standing(self, progress: Progress) -> Standing {
        let Progress { total, started, ended, bad } = progress;
        let (over, well) = (ended == total, ended - bad);
        let stands = |met: bool, never: bool| match (met, never) {
            (true, _) => Standing::Met,
            (false, true) => Standing::Never,
            (false, false) => Standing::Waits,
        };
        let Part::Many(least) = self.part else {
            return match self.kind {
                DependencyKind::After => stands(started > 0, false),
                DependencyKind::AfterOk => stands(over && bad == 0, bad > 0),
                DependencyKind::AfterNotOk => stands(over && bad > 0, over),
                DependencyKind::AfterAny => stands(over, false),
            };
        };
        let least = least.unwrap_or(total);
        match self.kind {
            DependencyKind::After => stands(started >= least, least > total),
            DependencyKind::AfterOk => stands(well >= least, total - bad < least),
            DependencyKind::AfterNotOk => stands(bad >= least, total - well < least),
            DependencyKind::AfterAny => stands(ended >= least, least > total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "on:2,afterok:12,afterany:13[],after:1,afternotoksubjob:7[4],afterok:7.3,\
                    afterokarray:9[],afternotokarray:9[][5],aftercorr:3[],aftercorr:3[]-2";
        assert_eq!(read(text).unwrap().to_string(), text);
        for wrong in ["", "afterok", "afterok:x", "later:3", "afterok:3[", "aftercorr:3", "on:x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let before = "before:1,beforeok:2[],beforenotok:3,beforeany:4";
        let words: Vec<String> =
            read_before(before).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(words.join(","), before);
    }

    use Standing::{Met, Never, Waits};

    fn check(part: Part, kind: DependencyKind, rows: &[(Progress, Standing)]) {
        for (progress, expected) in rows {
            let one = Dependency { kind, on: ClusterId(1), part };
            assert_eq!(one.standing(*progress), *expected, "{one} {progress:?}");
        }
    }

    const fn of(total: u32, started: u32, ended: u32, bad: u32) -> Progress {
        Progress { total, started, ended, bad }
    }

    #[test]
    fn every_kind_stands_as_the_other_job_does() {
        let (idle, runs) = (Progress::of_one(false, None), Progress::of_one(true, None));
        let (well, badly) =
            (Progress::of_one(true, Some(true)), Progress::of_one(true, Some(false)));
        let removed = Progress::of_one(false, Some(false));
        for (kind, stands) in [
            (DependencyKind::After, [Waits, Met, Met, Met, Met]),
            (DependencyKind::AfterOk, [Waits, Waits, Met, Never, Never]),
            (DependencyKind::AfterNotOk, [Waits, Waits, Never, Met, Met]),
            (DependencyKind::AfterAny, [Waits, Waits, Met, Met, Met]),
        ] {
            let rows = [idle, runs, well, badly, removed].into_iter().zip(stands);
            check(Part::Whole, kind, &rows.collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_array_counts_as_one() {
        let (first_failed, last_failed) = (of(3, 2, 1, 1), of(3, 3, 3, 1));
        check(
            Part::Array,
            DependencyKind::AfterOk,
            &[(first_failed, Never), (of(3, 3, 2, 0), Waits)],
        );
        let rows = [(first_failed, Waits), (last_failed, Met), (of(3, 3, 3, 0), Never)];
        check(Part::Array, DependencyKind::AfterNotOk, &rows);
    }

    #[test]
    fn so_many_of_an_array_are_enough() {
        let (two, each) = (Part::Many(Some(2)), Part::Many(None));
        check(two, DependencyKind::AfterOk, &[(of(3, 3, 3, 1), Met), (of(3, 3, 2, 2), Never)]);
        check(two, DependencyKind::AfterNotOk, &[(of(3, 3, 2, 2), Met), (of(3, 2, 2, 0), Never)]);
        check(two, DependencyKind::AfterAny, &[(of(3, 3, 1, 0), Waits), (of(3, 3, 2, 1), Met)]);
        check(two, DependencyKind::After, &[(of(3, 1, 0, 0), Waits), (of(3, 2, 0, 0), Met)]);
        check(
            each,
            DependencyKind::AfterNotOk,
            &[(of(2, 2, 1, 1), Waits), (of(2, 2, 2, 1), Never)],
        );
        check(Part::Many(Some(9)), DependencyKind::AfterAny, &[(of(3, 0, 0, 0), Never)]);
    }
}
