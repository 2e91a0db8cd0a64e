//! `-W depend=afterok:12:13,afterany:14`: what other jobs must have come to before this one may run.

use std::fmt;

use super::identifiers::{JobWord, Subjobs};
use super::refusal::Refusal;
use super::text::{Rule, read};

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
    const ALL: [Self; 4] = [Self::After, Self::AfterOk, Self::AfterNotOk, Self::AfterAny];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::After => "after",
            Self::AfterOk => "afterok",
            Self::AfterNotOk => "afternotok",
            Self::AfterAny => "afterany",
        }
    }
}

/// Kinds of OpenPBS that this program does not have.
const NOT_BUILT: [&str; 6] = ["before", "beforeok", "beforenotok", "beforeany", "on", "runone"];

/// Kinds that OpenPBS knows by name and refuses at the server.
const REFUSED: [&str; 2] = ["synccount", "syncwith"];

/// One other job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// What must have come of it.
    pub kind: DependencyKind,
    /// Its number.
    pub on: u32,
    /// Whether it is an array.
    pub is_array: bool,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.is_array { "[]" } else { "" };
        write!(f, "{}:{}{brackets}", self.kind.name(), self.on)
    }
}

/// What `depend=` says.
///
/// # Errors
/// If the text is none, or asks for what is not built.
pub(super) fn parse(text: &str) -> Result<Vec<Dependency>, Refusal> {
    let illegal = || Refusal::illegal('W');
    let mut all = Vec::new();
    for clause in read(Rule::depend, text).ok_or_else(illegal)? {
        let mut inner = clause.into_inner();
        let name = inner.next().ok_or_else(illegal)?.as_str().to_owned();
        let targets: Vec<&str> = inner.map(|target| target.as_str()).collect();
        let known = DependencyKind::ALL.into_iter().find(|kind| kind.name() == name);
        let Some(kind) = known else { return Err(without_kind(&name, &targets)) };
        for target in targets {
            let word = JobWord::read(target).map_err(|_| illegal())?;
            let is_array = match word.subjobs {
                Subjobs::None => false,
                Subjobs::Whole => true,
                Subjobs::Some { .. } => return Err(illegal()),
            };
            all.push(Dependency { kind, on: word.number, is_array });
        }
    }
    Ok(all)
}

fn without_kind(name: &str, targets: &[&str]) -> Refusal {
    if name == "on" {
        let counts = |target: &&str| target.parse::<u32>().is_ok_and(|count| count > 0);
        if !targets.iter().all(counts) {
            return Refusal::bad_value("depend");
        }
    }
    if NOT_BUILT.contains(&name) {
        let why = "a job waits for others with after, afterok, afternotok and afterany";
        return Refusal::not_built(format!("-W depend={name}"), why);
    }
    if REFUSED.contains(&name) {
        return Refusal::bad_value("depend");
    }
    Refusal::illegal('W')
}

impl Dependency {
    /// The same from what [`fmt::Display`] has written, a comma between two.
    pub fn written(text: &str) -> Option<Vec<Self>> {
        parse(text).ok()
    }

    /// As `qstat -f` shows them: those of a kind together, each with its server.
    pub fn shown(all: &[Self], server: &str) -> String {
        let mut text = String::new();
        let mut before = None;
        for Self { kind, on, is_array } in all {
            if before != Some(*kind) {
                text += if before.is_some() { "," } else { "" };
                text += kind.name();
            }
            before = Some(*kind);
            let brackets = if *is_array { "[]" } else { "" };
            text += &format!(":{on}{brackets}.{server}@{server}");
        }
        text
    }
}
