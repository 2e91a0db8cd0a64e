//! `-W depend=afterok:12:13,afterany:14`: what other jobs must have come to before this one may
//! run.

use model::ClusterId;
use model::depend::{Dependency, DependencyKind};

use super::identifiers::{JobWord, Subjobs};
use super::refusal::Refusal;
use super::text::{Rule, read};

/// Kinds of OpenPBS that this program does not have.
const NOT_BUILT: [&str; 6] = ["before", "beforeok", "beforenotok", "beforeany", "on", "runone"];

/// Kinds that OpenPBS knows by name and refuses at the server.
const REFUSED: [&str; 2] = ["synccount", "syncwith"];

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
            all.push(Dependency { kind, on: ClusterId(word.number), is_array });
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

/// As `qstat -f` shows them: those of a kind together, each with its server.
pub fn shown(all: &[Dependency], server: &str) -> String {
    let mut text = String::new();
    let mut before = None;
    for Dependency { kind, on, is_array } in all {
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
