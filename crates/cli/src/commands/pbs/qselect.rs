//! `qselect`: the identifiers of the jobs that all options let through.

use std::collections::BTreeSet;

use jobspec::pbs::{Moment, attribute, code, is_hold_list, is_known_resource, is_resource};
use model::queues::amount;
use model::{attr, depend};

use super::found::{self, Asked, Finished};
use super::words::Line;
use crate::line::moments;
use crate::line::output::{self, complain};
use crate::render::pbs::full::{holds, zoned};
use crate::render::pbs::job::{Cluster, NAMES, STANDING};
use crate::render::pbs::queues::COUNTED;
use crate::render::pbs::{Here, Job, RowKind, State};

/// How two values are to stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    AtLeast,
    More,
    AtMost,
    Less,
}

impl Operator {
    const ALL: [(&str, Self); 6] = [
        (".eq.", Self::Equal),
        (".ne.", Self::Unequal),
        (".ge.", Self::AtLeast),
        (".gt.", Self::More),
        (".le.", Self::AtMost),
        (".lt.", Self::Less),
    ];

    /// An operator before a value; equality without one.
    fn before(text: &str) -> (Self, &str) {
        let found = Self::ALL.iter().find_map(|(word, op)| Some((*op, text.strip_prefix(word)?)));
        found.unwrap_or((Self::Equal, text))
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
}

/// One thing that is asked of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Criterion {
    /// A moment of its ad.
    Moment(&'static str, Operator, i64),
    /// A text of its ad, or what stands for none.
    Text(&'static str, &'static str, String),
    Checkpoint(Operator, String),
    Holds(BTreeSet<char>),
    Resource(String, Operator, String),
    Name(String),
    Priority(Operator, i64),
    Queue(String),
    Rerunable(bool),
    States(String),
    Users(Vec<String>),
}

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "a:A:c:h:HJl:N:p:q:r:s:t:Tu:xP:") {
        Ok(line) if line.operands.is_empty() => line,
        other => return super::acting::usage_of(here, other.err()),
    };
    match criteria(here, &line) {
        Ok(criteria) => match select(here, &line, &criteria) {
            Ok(out) => output::put(&out).map_or(code::FAILED, |()| 0),
            Err(exit) => exit,
        },
        Err(Wrong::Value(option, more)) => {
            here.say(format_args!("illegal -{option} value"));
            complain(&format!("{more}{}", here.usage()));
            code::USAGE
        }
        Err(Wrong::Told(exit)) => exit,
    }
}

enum Wrong {
    /// Of this option, with more to say.
    Value(char, String),
    Told(u8),
}

fn criteria(here: &Here, line: &Line) -> Result<Vec<Criterion>, Wrong> {
    let mut all = Vec::new();
    for (option, value) in line.options() {
        let Some(value) = value else { continue };
        let wrong = || Wrong::Value(option, String::new());
        match option {
            'a' => {
                let (op, date) = Operator::before(value);
                let moment = moment(here, date).ok_or_else(wrong)?;
                all.push(Criterion::Moment(attribute::EXECUTION_TIME, op, moment));
            }
            'A' => all.push(Criterion::Text(attribute::ACCOUNT, "", value.to_owned())),
            'P' => {
                let default = model::queues::NO_PROJECT;
                all.push(Criterion::Text(attribute::PROJECT, default, value.to_owned()));
            }
            'c' => {
                let (op, spec) = Operator::before(value);
                all.push(Criterion::Checkpoint(op, spec.to_owned()));
            }
            'h' if is_hold_list(value) => all.push(Criterion::Holds(value.chars().collect())),
            'l' => {
                for part in value.split(',') {
                    let more = || Wrong::Value('l', format!("resource_list: {value}\n"));
                    let criterion = resource(part).ok_or_else(more)?;
                    if !is_here(here, &criterion).map_err(Wrong::Told)? {
                        return Err(more());
                    }
                    all.push(criterion);
                }
            }
            'N' => all.push(Criterion::Name(value.to_owned())),
            'p' => {
                let (op, number) = Operator::before(value);
                all.push(Criterion::Priority(op, number.parse().map_err(|_| wrong())?));
            }
            'q' => all.extend(queue(here, value).map_err(Wrong::Told)?),
            'r' if ["y", "n"].contains(&value) => all.push(Criterion::Rerunable(value == "y")),
            's' if !value.is_empty() && value.chars().all(|c| "BEFHMQRSTUWX".contains(c)) => {
                all.push(Criterion::States(value.to_owned()));
            }
            't' => all.push(time(here, value).ok_or_else(wrong)?),
            'u' if !value.is_empty() => {
                let user = |entry: &str| entry.split('@').next().unwrap_or_default().to_owned();
                all.push(Criterion::Users(value.split(',').map(user).collect()));
            }
            _ => return Err(wrong()),
        }
    }
    Ok(all)
}

fn moment(here: &Here, date: &str) -> Option<i64> {
    moments::next(Moment::read(date)?, &zoned(here.now, &here.zone))
}

/// `ncpus.gt.1`.
fn resource(part: &str) -> Option<Criterion> {
    Operator::ALL.iter().find_map(|(word, op)| {
        let (name, value) = part.split_once(word)?;
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| Criterion::Resource(name.to_owned(), *op, value.to_owned()))
    })
}

/// Whether there is the resource that is asked for: one that everybody has, or the pool.
fn is_here(here: &Here, criterion: &Criterion) -> Result<bool, u8> {
    let Criterion::Resource(name, ..) = criterion else { return Ok(true) };
    if is_known_resource(name) {
        return Ok(true);
    }
    let settings = here.connect()?.queues().map_err(|error| here.cannot_connect(&error))?;
    Ok(is_resource(name, &settings))
}

/// `c.gt.202601010000`: when something was, by its letter.
fn time(here: &Here, value: &str) -> Option<Criterion> {
    let letter = value.chars().next()?;
    let of = match letter {
        'a' => attribute::EXECUTION_TIME,
        'c' | 'e' | 'q' => attr::Q_DATE,
        'm' => attr::ENTERED_CURRENT_STATUS,
        's' => attr::JOB_CURRENT_START_DATE,
        _ => return None,
    };
    let (op, date) = Operator::before(&value[1..]);
    Some(Criterion::Moment(of, op, moment(here, date)?))
}

fn queue(here: &Here, value: &str) -> Result<Option<Criterion>, u8> {
    let (queue, is_here) = here.of_server(value);
    if !is_here {
        return Err(here.no_host());
    }
    if queue.is_empty() {
        return Ok(None);
    }
    let settings = here.connect()?.queues().map_err(|error| here.cannot_connect(&error))?;
    if settings.queue(queue).is_none() {
        here.say("Unknown queue destination");
        return Err(code::UNKNOWN_QUEUE);
    }
    Ok(Some(Criterion::Queue(queue.to_owned())))
}

/// What the criteria look at.
fn asked(here: &Here, line: &Line, criteria: &[Criterion]) -> Asked {
    let mut asked = Asked::of(STANDING.iter().copied().chain(criteria.iter().flat_map(looks_at)));
    for criterion in criteria {
        match criterion {
            Criterion::Queue(queue) => asked = asked.in_queues(std::iter::once(queue.as_str())),
            Criterion::Users(users) => asked = asked.of_users(users.iter().map(String::as_str)),
            _ => {}
        }
    }
    if line.has('T') {
        asked = asked.with_subjobs();
        asked.finished = Finished::OfArrays;
    }
    if line.any("xH") {
        asked.finished = Finished::Since(here.remembered_since());
    }
    asked
}

fn looks_at(criterion: &Criterion) -> Vec<&'static str> {
    match criterion {
        Criterion::Moment(name, ..) => vec![name, attr::JOB_START_DATE],
        Criterion::Text(name, ..) => vec![name],
        Criterion::Checkpoint(..) => vec![attribute::CHECKPOINT],
        Criterion::Holds(_) => {
            vec![attr::HOLD_REASON, depend::HELD_BESIDES, depend::HELD_BY_MANAGERS]
        }
        Criterion::Resource(..) => COUNTED.to_vec(),
        Criterion::Name(_) => NAMES.to_vec(),
        Criterion::Priority(..) => vec![attr::JOB_PRIO],
        Criterion::Rerunable(_) => vec![attribute::RERUNABLE],
        Criterion::Queue(_) | Criterion::States(_) | Criterion::Users(_) => Vec::new(),
    }
}

fn select(here: &Here, line: &Line, criteria: &[Criterion]) -> Result<String, u8> {
    let of = |number: u32, cluster: &Cluster| -> Vec<Job> {
        let whole = cluster.whole(number, here.now);
        let is_array = matches!(whole.kind, RowKind::Array { .. });
        match (line.has('J'), line.has('T'), is_array) {
            (true, false, false) => Vec::new(),
            (_, true, true) => cluster.subjobs(number, here.now),
            (true, true, false) => Vec::new(),
            (true | false, _, _) => vec![whole],
        }
    };
    let is_wanted = |job: &Job| {
        let by_history = match (job.state == State::Finished, line.has('H'), line.has('x')) {
            (is_over, true, _) => is_over,
            (_, false, true) => true,
            (is_over, false, false) => !is_over,
        };
        by_history && criteria.iter().all(|criterion| holds_of(criterion, job))
    };
    let mut out = String::new();
    found::each(here, &asked(here, line, criteria), |number, cluster| {
        for job in of(number, &cluster).iter().filter(|job| is_wanted(job)) {
            out += &job.id(&here.server);
            out.push('\n');
        }
        Ok(())
    })?;
    Ok(out)
}

fn holds_of(criterion: &Criterion, job: &Job) -> bool {
    match criterion {
        Criterion::Moment(name, op, moment) => {
            let began = job.began.filter(|_| *name == attr::JOB_CURRENT_START_DATE);
            let at = began.or_else(|| job.int(name)).filter(|at| *at > 0);
            at.is_some_and(|at| op.holds(&at, moment))
        }
        Criterion::Text(name, otherwise, wanted) => job.text(name).unwrap_or(otherwise) == wanted,
        Criterion::Checkpoint(op, spec) => {
            let own = job.text(attribute::CHECKPOINT).unwrap_or("u");
            op.holds(&own, &spec.as_str())
        }
        Criterion::Holds(kinds) => *kinds == holds(job).chars().collect(),
        Criterion::Resource(name, op, wanted) => {
            let own = job.resource(name).unwrap_or_else(|| "0".to_owned());
            match (amount(&own), amount(wanted)) {
                (Some(own), Some(wanted)) => op.holds(&own, &wanted),
                (_, _) => op.holds(&own, wanted),
            }
        }
        Criterion::Name(name) => job.name() == *name,
        Criterion::Priority(op, priority) => {
            op.holds(&job.int(attr::JOB_PRIO).unwrap_or(0), priority)
        }
        Criterion::Queue(queue) => job.queue() == queue,
        Criterion::Rerunable(wanted) => job.is_rerunable().unwrap_or(true) == *wanted,
        Criterion::States(states) => states.contains(job.state.letter()),
        Criterion::Users(users) => users.contains(&job.owner()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_before_values_and_in_resources() {
        assert_eq!(Operator::before(".ge.5"), (Operator::AtLeast, "5"));
        assert_eq!(Operator::before("5"), (Operator::Equal, "5"));
        let more = Criterion::Resource("ncpus".to_owned(), Operator::More, "1".to_owned());
        assert_eq!(resource("ncpus.gt.1"), Some(more));
        for none in ["ncpus=1", "7.gt.1", ""] {
            assert_eq!(resource(none), None, "{none}");
        }
        assert!(Operator::Unequal.holds(&1, &2) && !Operator::Less.holds(&2, &2));
    }
}
