//! `-W depend=afterok:12:13,afterany:14`: what other jobs must have come to before this one may
//! run, and what this one is to others. Beyond OpenPBS: subjobs (`afteroksubjob:12[4]`), Torque's
//! kinds for arrays (`afterokarray:12[][5]`), and index to index (`aftercorr:12[]`).

use std::fmt;

use model::ClusterId;
use model::depend::{Before, Dependency, DependencyKind, Part, Waits};

use super::identifiers::{JobWord, Subjobs};
use super::refusal::Refusal;
use super::text::{Rule, read};

/// Kinds that OpenPBS knows by name and refuses at the server.
const REFUSED: [&str; 2] = ["synccount", "syncwith"];

/// All that `depend=` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depend {
    /// What this job waits for.
    pub waits: Waits,
    /// Who waits for it.
    pub before: Vec<Before>,
    /// Of which jobs with it only one is to run; whether each was named as an array.
    pub run_one: Vec<(ClusterId, bool)>,
    /// A job of another server that it names: of that nothing is ever heard here.
    pub elsewhere: Option<String>,
}

impl Depend {
    /// What was written ([`std::fmt::Display`]), read again.
    pub fn read(text: &str) -> Option<Self> {
        parse(text, &|_| true).ok()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty() && self.before.is_empty() && self.run_one.is_empty()
    }
}

/// What `depend=` says, where these are the names of the server.
///
/// # Errors
/// If the text is none.
pub(super) fn parse(text: &str, is_server: &dyn Fn(&str) -> bool) -> Result<Depend, Refusal> {
    let illegal = || Refusal::illegal('W');
    let mut depend = Depend::default();
    for clause in read(Rule::depend, text).ok_or_else(illegal)? {
        let mut inner = clause.into_inner();
        let name = inner.next().ok_or_else(illegal)?.as_str().to_owned();
        let mut targets: Vec<&str> = inner.map(|target| target.as_str()).collect();
        if name != "on" && !REFUSED.contains(&&*name) {
            for target in &targets {
                if is_elsewhere(target, is_server)? {
                    depend.elsewhere = Some(format!("{name}:{target}"));
                }
            }
            targets.retain(|target| is_elsewhere(target, is_server) == Ok(false));
        }
        match &*name {
            "on" => depend.waits.on = count(&targets)?,
            "runone" => {
                for target in targets {
                    depend.run_one.push(whole(target)?);
                }
            }
            _ if REFUSED.contains(&&*name) => return Err(Refusal::bad_value("depend")),
            _ => take_clause(&mut depend, &name, &targets)?,
        }
    }
    Ok(depend)
}

/// Whether it is a job of this server that another is to be asked of.
///
/// # Errors
/// If it is a job of another server, and nobody is named who could be asked.
fn is_elsewhere(target: &str, is_server: &dyn Fn(&str) -> bool) -> Result<bool, Refusal> {
    // What is no job is told by who needs one.
    let Ok(word) = JobWord::read(target) else { return Ok(false) };
    let is_other = |name: &Option<String>| name.as_ref().is_some_and(|name| !is_server(name));
    match (is_other(&word.at), is_other(&word.server)) {
        (true, _) => Ok(true),
        (false, true) => Err(Refusal::illegal('W')),
        (false, false) => Ok(false),
    }
}

/// How many jobs `on` waits for.
fn count(targets: &[&str]) -> Result<u32, Refusal> {
    let [count] = targets else { return Err(Refusal::illegal('W')) };
    let count = count.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| Refusal::bad_value("depend"))
}

fn take_clause(depend: &mut Depend, name: &str, targets: &[&str]) -> Result<(), Refusal> {
    let kinds = DependencyKind::ALL.into_iter();
    let by = |named: fn(DependencyKind) -> &'static str| kinds.clone().find(|k| named(*k) == name);
    for target in targets {
        if let Some(kind) = by(DependencyKind::before) {
            let (job, is_array) = whole(target)?;
            depend.before.push(Before { kind, job, is_array });
            continue;
        }
        let others = &mut depend.waits.others;
        if let Some(kind) = by(DependencyKind::name) {
            let (on, is_array) = whole(target)?;
            let part = if is_array { Part::Array } else { Part::Whole };
            others.push(Dependency { kind, on, part });
        } else if let Some(kind) = by(DependencyKind::of_subjob) {
            let word = JobWord::read(target).map_err(|_| Refusal::illegal('W'))?;
            let Subjobs::Some { start, end, .. } = word.subjobs else {
                return Err(Refusal::illegal('W'));
            };
            if start != end {
                return Err(Refusal::illegal('W'));
            }
            let (on, part) = (ClusterId(word.number), Part::Index(start));
            others.push(Dependency { kind, on, part });
        } else if let Some(kind) = by(DependencyKind::of_array) {
            let (target, least) = counted(target);
            let (on, _) = whole(&target)?;
            others.push(Dependency { kind, on, part: Part::Many(least) });
        } else if name == "aftercorr" {
            let (on, _) = whole(target)?;
            others.push(Dependency { kind: DependencyKind::AfterOk, on, part: Part::Each(0) });
        } else {
            return Err(Refusal::illegal('W'));
        }
    }
    Ok(())
}

/// A job or an array as one, and whether it was named as an array.
fn whole(target: &str) -> Result<(ClusterId, bool), Refusal> {
    let word = JobWord::read(target).map_err(|_| Refusal::illegal('W'))?;
    match word.subjobs {
        Subjobs::None => Ok((ClusterId(word.number), false)),
        Subjobs::Whole => Ok((ClusterId(word.number), true)),
        Subjobs::Some { .. } => Err(Refusal::illegal('W')),
    }
}

/// Torque's `12[].host[5]`, `12[][5]` and `12[5]`: the array, and how many of it.
fn counted(target: &str) -> (String, Option<u32>) {
    let last = target.rfind('[').filter(|open| target[open + 1..].contains(']'));
    let parts = last.map(|open| (&target[..open], &target[open + 1..]));
    let Some((before, (least, behind))) =
        parts.and_then(|(before, rest)| Some((before, rest.split_once(']')?)))
    else {
        return (target.to_owned(), None);
    };
    match least.parse() {
        Ok(least) => (format!("{before}{behind}"), Some(least)),
        Err(_) => (target.to_owned(), None),
    }
}

impl fmt::Display for Depend {
    /// A comma between two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = Some(self.waits.to_string()).filter(|waits| !waits.is_empty());
        let before = self.before.iter().map(ToString::to_string);
        let run_one = self
            .run_one
            .iter()
            .map(|(job, is_array)| format!("runone:{job}{}", if *is_array { "[]" } else { "" }));
        let words: Vec<String> = waits.into_iter().chain(before).chain(run_one).collect();
        f.write_str(&words.join(","))
    }
}

impl Depend {
    /// As `qstat -f` shows it: what is of a kind together, each with its server.
    pub fn shown(&self, server: &str) -> String {
        let mut words: Vec<(&str, String)> = Vec::new();
        if self.waits.on > 0 {
            words.push(("on", self.waits.on.to_string()));
        }
        let at = |number: &str| format!("{number}.{server}@{server}");
        for one in &self.waits.others {
            let number = match one.part {
                // The server's name is behind the array's brackets.
                Part::Many(Some(least)) => format!("{}[{least}]", at(&format!("{}[]", one.on))),
                Part::Whole
                | Part::Array
                | Part::Many(None)
                | Part::Index(_)
                | Part::Proc(_)
                | Part::Each(_) => at(&one.number()),
            };
            words.push((one.name(), number));
        }
        let number =
            |job: ClusterId, is_array| at(&format!("{job}{}", if is_array { "[]" } else { "" }));
        let before = self.before.iter();
        words.extend(before.map(|one| (one.kind.before(), number(one.job, one.is_array))));
        words
            .extend(self.run_one.iter().map(|(job, is_array)| ("runone", number(*job, *is_array))));
        let mut text = String::new();
        let mut last = None;
        for (name, number) in words {
            if last != Some(name) {
                text += if last.is_some() { "," } else { "" };
                text += name;
            }
            last = Some(name);
            text += &format!(":{number}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(server: &str) -> bool {
        server == "h"
    }

    fn check(text: &str, expected: &str) {
        let depend = parse(text, &is_ours).unwrap();
        assert_eq!(depend.shown("h"), expected, "{text}");
        assert_eq!(Depend::read(&depend.to_string()), Some(depend), "{text}");
    }

    #[test]
    fn what_is_said_is_shown_with_its_server() {
        check("afterok:1:2.h,after:3[]", "afterok:1.h@h:2.h@h,after:3[].h@h");
        check("on:2,afternotoksubjob:4[7]", "on:2,afternotoksubjob:4[7].h@h");
        check(
            "afterokarray:4[][5],afteranyarray:4[].h",
            "afterokarray:4[].h@h[5],afteranyarray:4[].h@h",
        );
        check("afterstartarray:4[3]", "afterstartarray:4[].h@h[3]");
        check("aftercorr:9[]", "aftercorr:9[].h@h");
        check("beforeok:5:6,runone:7", "beforeok:5.h@h:6.h@h,runone:7.h@h");
    }

    #[test]
    fn blanks_may_stand_around_what_is_said() {
        check("afterok:1, afterany: 2 ,on:1", "on:1,afterok:1.h@h,afterany:2.h@h");
    }

    #[test]
    fn what_another_server_has_never_comes() {
        let elsewhere = |text| parse(text, &is_ours).unwrap().elsewhere;
        assert_eq!(elsewhere("afterok:1.h@other:2"), Some("afterok:1.h@other".to_owned()));
        assert_eq!(elsewhere("afterok:1.h@h:2"), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in ["on:0", "on:x", "synccount:2"] {
            assert_eq!(parse(text, &is_ours).unwrap_err(), Refusal::bad_value("depend"), "{text}");
        }
        for text in [
            "on",
            "later:1",
            "runone:4[1]",
            "before:4[1]",
            "aftercorr:4[1]",
            "afterok:4[1]",
            "afteroksubjob:4[1-3]",
            "afterok:1.other",
        ] {
            assert_eq!(parse(text, &is_ours).unwrap_err(), Refusal::illegal('W'), "{text}");
        }
    }
}
