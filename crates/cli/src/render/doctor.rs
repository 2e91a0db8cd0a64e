//! What `updraft doctor` found: each thing that was looked at, and what to do about the first that
//! is wrong. How it is looked at is not known here.

use serde::Serialize;

use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// What is looked at, in this order: each needs those before it, but for the last two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Whether the pool's address has a name that leads somewhere.
    Name,
    Route,
    Port,
    Clock,
    /// Whether the pool's authority is the one that is believed.
    Hash,
    /// Whether the machine is what it is to be.
    Role,
    Disk,
    Cgroups,
    /// Whether runs have a `/tmp` of their own.
    Tmp,
}

impl Check {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Route,
        Self::Port,
        Self::Clock,
        Self::Hash,
        Self::Role,
        Self::Disk,
        Self::Cgroups,
        Self::Tmp,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Route => "route",
            Self::Port => "port",
            Self::Clock => "clock",
            Self::Hash => "hash",
            Self::Role => "role",
            Self::Disk => "disk",
            Self::Cgroups => "cgroups",
            Self::Tmp => "tmp",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, and could be better.
    Advice,
    Wrong,
    /// Something before it is wrong.
    Untried,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    pub state: State,
    pub said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn ok(check: Check, said: impl Into<String>) -> Self {
        Self { check, state: State::Ok, said: said.into(), remedy: None }
    }

    pub fn wrong(check: Check, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, state: State::Wrong, said: said.into(), remedy: Some(remedy.into()) }
    }

    pub fn advice(check: Check, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Advice, ..Self::wrong(check, said, remedy) }
    }

    pub fn untried(check: Check, because: Check) -> Self {
        let said = format!("not looked at, because of the {}", because.name());
        Self { check, state: State::Untried, said, remedy: None }
    }
}

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// The folder that was looked at.
    pub dir: String,
    /// What it is: a pool of one machine, one that listens, a machine of one, or nothing.
    pub what: &'static str,
    /// The first that is wrong.
    pub failing: Option<Check>,
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// In order, and with what could not be looked at.
    pub fn of(dir: String, what: &'static str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.check);
        let failing = findings.iter().find(|finding| finding.state == State::Wrong);
        let failing = failing.map(|finding| finding.check);
        if let Some(because) = failing {
            let missing = |check: &Check| !findings.iter().any(|found| found.check == *check);
            let untried: Vec<_> = Check::ALL.into_iter().filter(missing).collect();
            findings.extend(untried.into_iter().map(|check| Finding::untried(check, because)));
            findings.sort_by_key(|finding| finding.check);
        }
        Self { dir, what, failing, findings }
    }
}

impl Tell for Diagnosis {
    fn tell(&self, _: Dialect) -> Said {
        let mut out = format!("{}: {}\n", self.dir, self.what);
        for Finding { check, state, said, .. } in &self.findings {
            let mark = match state {
                State::Ok => "ok",
                State::Advice => "could be",
                State::Wrong => "WRONG",
                State::Untried => "-",
            };
            out += &format!("{mark:<9}{:<8} {said}\n", check.name());
        }
        let wanted = |state| move |finding: &&Finding| finding.state == state;
        let first = self.findings.iter().find(wanted(State::Wrong));
        let advice = self.findings.iter().filter(wanted(State::Advice));
        for finding in first.into_iter().chain(advice) {
            let remedy = finding.remedy.as_deref().unwrap_or_default();
            out += &format!("What to do about the {}:  {remedy}\n", finding.check.name());
        }
        Said::out(out)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_first_that_is_wrong_has_its_remedy_and_what_needs_it_was_not_tried() {
        let findings = vec![
            Finding::advice(Check::Cgroups, "there are none", "start it in a scope of its own"),
            Finding::wrong(Check::Port, "10.0.0.1:9618 is closed", "start the pool"),
            Finding::ok(Check::Name, "head is 10.0.0.1"),
            Finding::wrong(Check::Disk, "it is full", "remove something"),
            Finding::ok(Check::Route, "from 10.0.0.2"),
            Finding::ok(Check::Tmp, "each job has one of its own"),
        ];
        let diagnosis = Diagnosis::of("/pool".to_owned(), "a machine of a pool", findings);
        assert_eq!(diagnosis.failing, Some(Check::Port));
        expect![[r#"
            /pool: a machine of a pool
            ok       name     head is 10.0.0.1
            ok       route    from 10.0.0.2
            WRONG    port     10.0.0.1:9618 is closed
            -        clock    not looked at, because of the port
            -        hash     not looked at, because of the port
            -        role     not looked at, because of the port
            WRONG    disk     it is full
            could be cgroups  there are none
            ok       tmp      each job has one of its own
            What to do about the port:  start the pool
            What to do about the cgroups:  start it in a scope of its own
        "#]]
        .assert_eq(&diagnosis.tell(Dialect::Updraft).out);
    }
}
