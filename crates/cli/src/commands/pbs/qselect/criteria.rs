//! What the options of `qselect` ask of a job. OpenPBS 23.06 looks first at how they are written,
//! and tells all that is wrong with that; then at their values, the last first, and tells one.

use std::collections::BTreeSet;

use jobspec::pbs::{
    Moment, Refusal, attribute, code, is_checkpoint, is_hold_list, is_known_resource, is_name,
    resource_value, shown,
};
use model::queues::{QueueSettings, amount};
use model::{attr, depend};

use crate::commands::pbs::words::Line;
use crate::line::moments;
use crate::render::pbs::full::{holds, zoned};
use crate::render::pbs::job::NAMES;
use crate::render::pbs::queues::COUNTED;
use crate::render::pbs::{Here, Job};

/// How two values are to stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    AtLeast,
    More,
    AtMost,
    Less,
}

impl Operator {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Equal,
            "ne" => Self::Unequal,
            "ge" => Self::AtLeast,
            "gt" => Self::More,
            "le" => Self::AtMost,
            "lt" => Self::Less,
            _ => return None,
        })
    }

    /// An operator before a value (`.ge.5`); equality without one, and of one that is none.
    fn before(text: &str) -> (Self, &str) {
        if !text.starts_with('.') {
            return (Self::Equal, text);
        }
        let operator = text.get(1..3).and_then(Self::named);
        (operator.unwrap_or(Self::Equal), text.get(4..).unwrap_or_default())
    }

    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::AtLeast => left >= right,
            Self::More => left > right,
            Self::AtMost => left <= right,
            Self::Less => left < right,
        }
    }

    /// Of what has no order.
    const fn holds_if(self, is_same: bool) -> bool {
        match self {
            Self::Equal | Self::AtLeast | Self::AtMost => is_same,
            Self::Unequal | Self::More | Self::Less => !is_same,
        }
    }
}

/// One thing that is asked of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    /// A moment of its ad.
    Moment(&'static str, Operator, i64),
    /// A text of its ad, or what stands for none.
    Text(&'static str, &'static str, String),
    Checkpoint(Operator, String),
    Holds(Operator, BTreeSet<char>),
    Resource(String, Operator, String),
    Name(String),
    Priority(Operator, i64),
    /// As a destination is written, which may name the server alone.
    Queue(String),
    Rerunable(bool),
    States(Operator, String),
    Users(Vec<String>),
}

/// Why a value is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Of this option: the usage is told, too.
    Illegal(char),
    Refused(Refusal),
}

/// What the options ask for.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What is wrong with how they are written.
    pub(super) messages: Vec<String>,
    /// By option, in their order.
    pub(super) values: Vec<Result<Criterion, Wrong>>,
}

impl Reading {
    /// Reads all options of a line.
    pub(super) fn of(here: &Here, line: &Line) -> Self {
        let mut reading = Self::default();
        for (option, value) in line.options() {
            let Some(value) = value else { continue };
            match option {
                'l' => reading.resources(value),
                'a' | 't' => match moment(here, option, value) {
                    Some(criterion) => reading.values.push(Ok(criterion)),
                    None => reading.is_ill_written(option),
                },
                'c' if Operator::before(value).1.trim_start().is_empty() => {
                    reading.is_ill_written(option);
                }
                'r' if !value.trim_start().starts_with(['y', 'n']) => {
                    reading.is_ill_written(option);
                }
                _ => reading.values.push(criterion(option, value)),
            }
        }
        reading
    }

    fn is_ill_written(&mut self, option: char) {
        self.messages.push(format!("illegal -{option} value"));
    }

    /// `ncpus.gt.1,mem.le.2gb`.
    fn resources(&mut self, list: &str) {
        let mut rest = list;
        while !rest.is_empty() {
            let (part, others) = match rest.split_once(',') {
                Some((part, others)) => (part, Some(others)),
                None => (rest, None),
            };
            match resource(part).filter(|_| others != Some("")) {
                Some((name, op, value)) => self.values.push(resource_is(name, op, value)),
                None => {
                    self.messages.push(format!("illegal -l value\nresource_list: {rest}"));
                    return;
                }
            }
            rest = others.unwrap_or_default();
        }
    }
}

/// `ncpus.gt.1`, which names any resource.
fn resource(part: &str) -> Option<(&str, Operator, &str)> {
    let (name, rest) = part.split_once('.')?;
    let op = Operator::named(rest.get(..2)?)?;
    let value = rest.get(3..).filter(|value| !value.is_empty())?;
    Some((name, op, value))
}

/// What everybody's resources can be is known without the pool.
fn resource_is(name: &str, op: Operator, value: &str) -> Result<Criterion, Wrong> {
    if is_known_resource(name)
        && let Err(refusal) = resource_value(name, value, &QueueSettings::default())
        && refusal.exit == code::BAD_VALUE
    {
        return Err(Wrong::Refused(refusal));
    }
    Ok(Criterion::Resource(name.to_owned(), op, value.to_owned()))
}

/// `-a .gt.202601010000`, and `-t c.gt.202601010000`: when something was, by its letter.
fn moment(here: &Here, option: char, value: &str) -> Option<Criterion> {
    let (letter, rest) = match option {
        't' => (value.chars().next()?, value.get(1..)?),
        _ => ('a', value),
    };
    let of = match letter {
        'a' => attribute::EXECUTION_TIME,
        'c' | 'e' | 'q' => attr::Q_DATE,
        // Nobody counts it here, and so no job has any.
        'g' => shown::ELIGIBLE_TIME,
        'm' => attr::ENTERED_CURRENT_STATUS,
        's' => attr::JOB_CURRENT_START_DATE,
        't' => attr::ESTIMATED_START,
        _ => return None,
    };
    let (op, date) = Operator::before(rest);
    let moment = moments::next(Moment::read(date)?, &zoned(here.now, &here.zone))?;
    Some(Criterion::Moment(of, op, moment))
}

/// The states of OpenPBS's jobs.
const STATES: &str = "BEFHMQRSTUWX";

/// What an option asks for that is written as it should be.
fn criterion(option: char, value: &str) -> Result<Criterion, Wrong> {
    let (op, text) = Operator::before(value);
    let illegal = Err(Wrong::Illegal(option));
    Ok(match option {
        'A' => Criterion::Text(attribute::ACCOUNT, "", value.to_owned()),
        'P' => Criterion::Text(attribute::PROJECT, model::queues::NO_PROJECT, value.to_owned()),
        'c' if text == "u" && [Operator::Equal, Operator::Unequal].contains(&op) => {
            Criterion::Checkpoint(op, text.to_owned())
        }
        'c' if is_checkpoint(text) => Criterion::Checkpoint(op, text.to_owned()),
        'h' if is_hold_list(text) => Criterion::Holds(op, text.chars().collect()),
        'N' if value.is_empty() || is_name(value) => Criterion::Name(value.to_owned()),
        'p' => match text.parse() {
            Ok(priority) => Criterion::Priority(op, priority),
            Err(_) => return Err(Wrong::Refused(Refusal::bad_value(""))),
        },
        'q' => Criterion::Queue(value.to_owned()),
        'r' => match value.trim_start() {
            "y" => Criterion::Rerunable(true),
            "n" => Criterion::Rerunable(false),
            _ => return illegal,
        },
        's' if !text.is_empty() && text.chars().all(|letter| STATES.contains(letter)) => {
            Criterion::States(op, text.to_owned())
        }
        'u' => {
            let users: Vec<&str> =
                value.split(',').filter_map(|entry| entry.split('@').next()).collect();
            if users.iter().any(|user| user.is_empty()) {
                return illegal;
            }
            Criterion::Users(users.into_iter().map(str::to_owned).collect())
        }
        _ => return illegal,
    })
}

impl Criterion {
    /// Whether it lets a job through.
    pub(super) fn holds_of(&self, job: &Job) -> bool {
        match self {
            Self::Moment(name, op, moment) => {
                let began = job.began.filter(|_| *name == attr::JOB_CURRENT_START_DATE);
                let at = began.or_else(|| job.int(name)).filter(|at| *at > 0);
                at.is_some_and(|at| op.holds(&at, moment))
            }
            Self::Text(name, otherwise, wanted) => job.text(name).unwrap_or(otherwise) == wanted,
            Self::Checkpoint(op, spec) => {
                let own = job.text(attribute::CHECKPOINT).unwrap_or("u");
                op.holds(&own, &spec.as_str())
            }
            Self::Holds(op, kinds) => op.holds_if(*kinds == holds(job).chars().collect()),
            Self::Resource(name, op, wanted) => {
                let own = job.resource(name).unwrap_or_else(|| "0".to_owned());
                match (amount(&own), amount(wanted)) {
                    (Some(own), Some(wanted)) => op.holds(&own, &wanted),
                    (_, _) => op.holds(&own, wanted),
                }
            }
            Self::Name(name) => job.name() == *name,
            Self::Priority(op, priority) => {
                op.holds(&job.int(attr::JOB_PRIO).unwrap_or(0), priority)
            }
            Self::Queue(queue) => queue.is_empty() || job.queue() == queue,
            Self::Rerunable(wanted) => job.is_rerunable().unwrap_or(true) == *wanted,
            Self::States(op, states) => op.holds_if(states.contains(job.state.letter())),
            Self::Users(users) => users.contains(&job.owner()),
        }
    }

    /// What it looks at, beside how a job stands.
    pub(super) fn looks_at(&self) -> Vec<&'static str> {
        match self {
            Self::Moment(name, ..) => vec![name, attr::JOB_START_DATE],
            Self::Text(name, ..) => vec![name],
            Self::Checkpoint(..) => vec![attribute::CHECKPOINT],
            Self::Holds(..) => {
                vec![attr::HOLD_REASON, depend::HELD_BESIDES, depend::HELD_BY_MANAGERS]
            }
            Self::Resource(..) => COUNTED.to_vec(),
            Self::Name(_) => NAMES.to_vec(),
            Self::Priority(..) => vec![attr::JOB_PRIO],
            Self::Rerunable(_) => vec![attribute::RERUNABLE],
            Self::Queue(_) | Self::States(..) | Self::Users(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_before_values_and_in_resources() {
        assert_eq!(Operator::before(".ge.5"), (Operator::AtLeast, "5"));
        assert_eq!(Operator::before("5"), (Operator::Equal, "5"));
        assert_eq!(Operator::before(".xx.5"), (Operator::Equal, "5"));
        assert_eq!(Operator::before(".g"), (Operator::Equal, ""));
        assert_eq!(resource("ncpus.gt.1"), Some(("ncpus", Operator::More, "1")));
        for none in ["ncpus=1", "ncpus.xx.1", "ncpus.gt.", "ncpus.gt", ""] {
            assert_eq!(resource(none), None, "{none}");
        }
        assert!(Operator::Unequal.holds(&1, &2) && !Operator::Less.holds(&2, &2));
    }

    #[test]
    fn values_are_looked_at_by_option() {
        for (option, value) in [
            ('s', ".ne.R"),
            ('s', ".eq.QR"),
            ('h', ".eq.u"),
            ('h', "uos"),
            ('c', "c=5"),
            ('c', ".ne.u"),
            ('p', ".gt.-5"),
            ('p', "5000"),
            ('r', " y"),
            ('u', "alice,bob@host"),
            ('N', "1job"),
        ] {
            assert!(criterion(option, value).is_ok(), "-{option} {value}");
        }
        for (option, value) in [
            ('s', "Z"),
            ('s', ".ne."),
            ('h', "x"),
            ('h', "nu"),
            ('c', "x"),
            ('c', ".gt.u"),
            ('r', "yes"),
            ('u', "alice,"),
            ('u', ""),
            ('N', "a b"),
        ] {
            let illegal = Err(Wrong::Illegal(option));
            assert_eq!(criterion(option, value), illegal, "-{option} {value}");
        }
        for value in ["abc", "", ".gt.x"] {
            let Err(Wrong::Refused(refusal)) = criterion('p', value) else { panic!("-p {value}") };
            assert_eq!(refusal.exit, code::BAD_VALUE, "-p {value}");
        }
    }
}
