//! Lists of attributes in their three forms: text, JSON, and values with a separator; of jobs,
//! queues, servers and nodes. JSON is valid whatever the values are. Knows nothing of what the
//! attributes mean.

use std::fmt::Write;

use jobspec::pbs::{VERSION, shown};
use serde_json::Value as Json;

use crate::render::pbs::Here;
use crate::render::visible::visible;

/// In which form a list is written (`-F`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Default,
    /// `dsv`.
    Separated,
    Json,
}

impl Format {
    /// The form of this name, however its letters are written.
    pub fn named(name: &str) -> Option<Self> {
        let all = [("default", Self::Default), ("dsv", Self::Separated), ("json", Self::Json)];
        let found = all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, format)| format)
    }
}

/// An attribute as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub name: String,
    pub value: Value,
}

/// What an attribute says: one thing or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    One(String),
    /// Values with names: `Resource_List.mem`.
    Parts(Vec<(String, String)>),
    /// Words that are each a thing of its own.
    Words(Vec<String>),
    /// `NAME=value` pairs in one value.
    Pairs(Vec<String>),
}

/// Something with attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub attributes: Vec<Shown>,
}

/// What the lists are of.
#[derive(Clone, Copy, Debug)]
pub struct What {
    /// `Job Id`, before a name.
    head: &'static str,
    /// What stands between the head and the name in lines of values.
    in_lines: &'static str,
    /// The member of JSON that has all of them.
    member: &'static str,
}

impl What {
    pub const JOBS: Self = Self { head: "Job Id", in_lines: ": ", member: "Jobs" };
    pub const QUEUES: Self = Self { head: "Queue", in_lines: ": ", member: "Queue" };
    pub const SERVERS: Self = Self { head: "Server", in_lines: ": ", member: "Server" };
    /// As `qmgr` lists them.
    pub const MANAGED_SERVER: Self = Self { head: "Server", in_lines: " ", member: "Server" };
    pub const MANAGED_QUEUE: Self = Self { head: "Queue", in_lines: " ", member: "Queue" };
    pub const MANAGED_NODE: Self = Self { head: "Node", in_lines: " ", member: "nodes" };
    pub const MANAGED_RESOURCE: Self =
        Self { head: "Resource", in_lines: " ", member: "resources" };
    pub const MANAGED_SCHEDULER: Self = Self { head: "Sched", in_lines: " ", member: "Sched" };
    pub const NODES: Self = Self { head: "Name", in_lines: "=", member: "nodes" };
}

impl Shown {
    pub fn one(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Value::One(value.into()) }
    }

    /// Nothing without parts.
    pub fn parts(name: &str, parts: Vec<(String, String)>) -> Option<Self> {
        (!parts.is_empty()).then(|| Self { name: name.to_owned(), value: Value::Parts(parts) })
    }
}

/// The columns of a line of text.
const COLUMNS: usize = 79;

/// As text; `wide` lines are not folded.
pub fn text(what: &What, all: &[Listed], wide: bool) -> String {
    let mut out = String::new();
    for one in all {
        let between = if what.in_lines == " " { " " } else { ": " };
        let _ = writeln!(out, "{}{between}{}", what.head, one.name);
        for Shown { name, value } in &one.attributes {
            match value {
                Value::One(value) => fold(&mut out, name, &visible(value), wide, false),
                Value::Pairs(pairs) => fold(&mut out, name, &visible(&pairs.join(",")), wide, true),
                Value::Words(words) => fold(&mut out, name, &words.join(", "), wide, true),
                Value::Parts(parts) => {
                    for (part, value) in parts {
                        fold(&mut out, &format!("{name}.{part}"), &visible(value), wide, false);
                    }
                }
            }
        }
        out.push('\n');
    }
    out
}

/// A line, and those that go on with it, which begin with a tab. Lists are broken behind commas.
fn fold(out: &mut String, name: &str, value: &str, wide: bool, is_list: bool) {
    let head = format!("    {name} = ");
    if wide {
        let _ = writeln!(out, "{head}{value}");
        return;
    }
    let mut column = head.chars().count();
    out.push_str(&head);
    let pieces: Vec<&str> = if is_list || value.contains(',') {
        value.split_inclusive(',').collect()
    } else {
        vec![value]
    };
    for (nth, piece) in pieces.into_iter().enumerate() {
        let length = piece.chars().count();
        if nth > 0 && column + length > COLUMNS {
            out.push_str("\n\t");
            column = 1;
        }
        for c in piece.chars() {
            // A word of a list stays whole; anything else is cut where the line ends.
            if column >= COLUMNS && !is_list {
                out.push_str("\n\t");
                column = 1;
            }
            out.push(c);
            column += 1;
        }
    }
    out.push('\n');
}

/// One line for each job.
pub fn separated(what: &What, all: &[Listed], separator: &str) -> String {
    let mut out = String::new();
    let escaped = |value: &str| value.replace(separator, &format!("\\{separator}"));
    for one in all {
        let _ = write!(out, "{}{}{}", what.head, what.in_lines, one.name);
        for Shown { name, value } in &one.attributes {
            let pairs = match value {
                Value::One(value) => vec![(name.clone(), value.clone())],
                Value::Pairs(pairs) => vec![(name.clone(), pairs.join(","))],
                Value::Words(words) => vec![(name.clone(), words.join(","))],
                Value::Parts(parts) => parts
                    .iter()
                    .map(|(part, value)| (format!("{name}.{part}"), value.clone()))
                    .collect(),
            };
            for (name, value) in pairs {
                let _ = write!(out, "{separator}{name}={}", escaped(&visible(&value)));
            }
        }
        out.push('\n');
    }
    out
}

/// Attributes whose values stay text even where they look like numbers.
const ALWAYS_TEXT: [&str; 4] =
    [shown::JOB_NAME, shown::ACCOUNT_NAME, "Submit_arguments", "project"];

/// JSON that grows. Without any things there is no member for them.
#[derive(Debug)]
pub struct Document {
    text: String,
    what: What,
    is_empty: bool,
}

impl Document {
    /// What stands before all of them.
    pub fn new(what: What, here: &Here) -> Self {
        let text = format!(
            "{{\n\t\"timestamp\":\t{},\n\t\"pbs_version\":\t{},\n\t\"pbs_server\":\t{}",
            here.now,
            string(VERSION),
            string(&here.server)
        );
        Self { text, what, is_empty: true }
    }

    /// Goes on with a job, a queue or what else the document is of.
    pub fn add(&mut self, one: &Listed) {
        if self.is_empty {
            let _ = write!(self.text, ",\n\t{}:\t{{\n", string(self.what.member));
        } else {
            self.text += ",\n";
        }
        self.is_empty = false;
        let attributes: Vec<String> = one.attributes.iter().map(member).collect();
        let name = string(&one.name);
        let _ = write!(self.text, "\t\t{name}:\t{{\n{}\n\t\t}}", attributes.join(",\n"));
    }

    /// What has grown since it was taken last.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// What has grown since then, with the end of the document.
    pub fn end(mut self) -> String {
        if !self.is_empty {
            self.text += "\n\t}";
        }
        self.text += "\n}\n";
        self.text
    }
}

/// As JSON.
pub fn json(what: &What, all: &[Listed], here: &Here) -> String {
    let mut document = Document::new(*what, here);
    all.iter().for_each(|one| document.add(one));
    document.end()
}

fn member(Shown { name, value }: &Shown) -> String {
    let object = |parts: &mut dyn Iterator<Item = (&str, String)>| {
        let parts: Vec<String> = parts
            .map(|(part, value)| format!("\t\t\t\t{}:\t{}", string(part), literal(&value)))
            .collect();
        format!("{{\n{}\n\t\t\t}}", parts.join(",\n"))
    };
    let value = match value {
        Value::One(value) if ALWAYS_TEXT.contains(&name.as_str()) => string(value),
        Value::One(value) => literal(value),
        Value::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| string(word)).collect();
            format!("[{}]", words.join(", "))
        }
        Value::Parts(parts) => {
            object(&mut parts.iter().map(|(part, value)| (part.as_str(), value.clone())))
        }
        Value::Pairs(pairs) => {
            let pair = |pair: &'_ String| {
                pair.split_once('=').map(|(n, v)| (n.to_owned(), v.replace("\\,", ",")))
            };
            let all: Vec<(String, String)> = pairs
                .iter()
                .map(|text| pair(text).unwrap_or_else(|| (text.clone(), String::new())))
                .collect();
            object(&mut all.iter().map(|(name, value)| (name.as_str(), value.clone())))
        }
    };
    format!("\t\t\t{}:\t{value}", string(name))
}

fn string(text: &str) -> String {
    Json::from(text).to_string()
}

/// The longest number that every reader of JSON takes as it is.
const MOST_DIGITS: usize = 15;

/// What looks like a number or a truth is one (OpenPBS 23.06); what would lose digits stays text.
fn literal(value: &str) -> String {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer
        && digits.len() <= MOST_DIGITS
        && let Ok(number) = value.parse::<i64>()
    {
        return number.to_string();
    }
    if ["true", "false"].contains(&value) {
        return value.to_owned();
    }
    let is_short = value.len() <= MOST_DIGITS && value.starts_with(|c: char| c.is_ascii_digit());
    match serde_json::from_str::<Json>(value) {
        Ok(number @ Json::Number(_)) if is_short => number.to_string(),
        Ok(_) | Err(_) => string(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_number_is_one_as_far_as_it_keeps_its_digits() {
        for (value, expected) in [
            ("1", "1"),
            ("007", "7"),
            ("-29", "-29"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("True", "\"True\""),
            ("00:10:00", "\"00:10:00\""),
            ("12345678901234567890123456789012345", "\"12345678901234567890123456789012345\""),
            ("a\n\"b\"\u{3}", "\"a\\n\\\"b\\\"\\u0003\""),
            ("", "\"\""),
            ("-", "\"-\""),
        ] {
            assert_eq!(literal(value), expected, "{value:?}");
            serde_json::from_str::<Json>(&literal(value)).unwrap();
        }
    }

    #[test]
    fn long_lines_go_on_behind_a_tab() {
        let mut out = String::new();
        let value = "PBS_O_HOME=/home/alice,PBS_O_LANG=C.UTF-8,PBS_O_LOGNAME=alice";
        fold(&mut out, "Variable_List", value, false, true);
        let first = "    Variable_List = PBS_O_HOME=/home/alice,PBS_O_LANG=C.UTF-8,";
        assert_eq!(out, format!("{first}\n\tPBS_O_LOGNAME=alice\n"));
        out.clear();
        fold(&mut out, "Submit_arguments", &"x".repeat(100), false, false);
        assert_eq!(out.lines().next().unwrap().len(), 79);
    }
}
