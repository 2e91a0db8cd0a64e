//! The table of macros, and expansion of `$(name)`.
//!
//! Values are bound late: the table keeps texts, and a text is expanded each time it is asked for.
//! Only a reference of a macro to itself (`path = $(path):/opt`) is filled in at once. Functions
//! such as `$INT()` live in `functions`.
//!
//! A job's number may be given as [`MARK`] instead of digits: what comes out is then a template of
//! the value for every job. Whoever looks closer at a text with the mark in it says so with
//! [`Scope::depends_on_number`].

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::functions;
use crate::site::Site;
use crate::source::Place;
use model::diagnostic::{About, Diagnostic};

/// Stands for the job's number in a template. A private-use character that no description may
/// contain.
pub(crate) const MARK: char = '\u{F0B5}';

/// How deep macros may refer to macros. Every level is a call on the stack; HTCondor's own files
/// stay below ten.
pub(crate) const MAX_DEPTH: usize = 64;

/// How long a value may become. Doubling macros (`b = $(a)$(a)`) would otherwise fill the memory.
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 20;

/// How many calls of functions one value may make. What a function gives is looked at again, so
/// that `$ENV(X)` of a variable that says `$ENV(X)` would go on for ever.
pub(crate) const MAX_CALLS: usize = 10_000;

/// A value cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MacroError {
    #[error("the macros {} refer to each other in a circle, so none of them has a value", .0.join(" -> "))]
    Cycle(Vec<String>),
    #[error("macros refer to macros more than {MAX_DEPTH} levels deep, at $({0})")]
    TooDeep(String),
    #[error("a value calls macro functions more than {MAX_CALLS} times: does one call itself?")]
    Endless,
    #[error("the value of $({0}) is longer than {MAX_VALUE_BYTES} bytes")]
    TooLong(String),
}

/// What the description has assigned, and what is there before it.
#[derive(Debug, Default)]
pub(crate) struct Macros {
    entries: BTreeMap<String, MacroEntry>,
    predefined: BTreeMap<String, String>,
    /// Set by `queue` for each item, in front of everything else.
    loop_variables: Vec<LoopVariable>,
    /// `cluster`, `process`, ... of the job being made.
    numbers: Vec<(&'static str, String)>,
    assigned: usize,
    /// Whether anything was looked at that changes from job to job.
    varied: Cell<bool>,
}

/// Of the numbers, those that are the same for all jobs of a `queue` statement.
const SAME_FOR_ALL: [&str; 4] = ["cluster", "clusterid", "joblistid", "node"];

#[derive(Debug)]
pub(crate) struct MacroEntry {
    /// As the user spelt it.
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where the value stands; none for the command line.
    pub(crate) place: Option<Place>,
    used: Cell<bool>,
    /// Counts assignments, so that warnings come in the order of the text.
    order: usize,
    /// Set before the description is read; not the user's line, so never a typo in it.
    from_outside: bool,
}

#[derive(Debug)]
struct LoopVariable {
    key: String,
    name: String,
    value: String,
    used: Cell<bool>,
}

impl Macros {
    pub(crate) fn predefine(&mut self, name: &'static str, value: impl Into<String>) {
        self.predefined.insert(name.to_ascii_lowercase(), value.into());
    }

    /// `name = value`, from the description.
    pub(crate) fn assign(&mut self, name: &str, value: &str, place: Option<Place>) {
        self.insert(name, value, place, false);
    }

    /// `name=value`, from the command line.
    pub(crate) fn assign_from_outside(&mut self, name: &str, value: &str) {
        self.insert(name, value, None, true);
    }

    fn insert(&mut self, name: &str, value: &str, place: Option<Place>, from_outside: bool) {
        let key = name.to_ascii_lowercase();
        let before = || self.predefined(&key).unwrap_or_default();
        let old = self.entries.get(&key).map_or_else(before, |entry| entry.value.as_str());
        let value = fill_self_references(value, &key, old);
        let used = Cell::new(self.entries.get(&key).is_some_and(|entry| entry.used.get()));
        let order = self.assigned;
        self.assigned += 1;
        // As it was spelt first (HTCondor 25.14).
        let first = self.entries.get(&key).map(|entry| entry.name.clone());
        let name = first.unwrap_or_else(|| name.to_owned());
        self.entries.insert(key, MacroEntry { name, value, place, used, order, from_outside });
    }

    /// Names the loop variables of a `queue` statement; their values follow with
    /// [`Self::set_item`].
    pub(crate) fn set_loop_variables(&mut self, names: &[String]) {
        self.loop_variables = names
            .iter()
            .map(|name| LoopVariable {
                key: name.to_ascii_lowercase(),
                name: name.clone(),
                value: String::new(),
                used: Cell::new(false),
            })
            .collect();
    }

    /// Ends the statement, and gives its variables that nothing has read. As in HTCondor 25.14 a
    /// variable takes the place of what was assigned to its name before, and leaves it empty: its
    /// line is then what was read or not.
    pub(crate) fn end_loop(&mut self) -> Vec<String> {
        let mut unused = Vec::new();
        let variables = std::mem::take(&mut self.loop_variables);
        let used: BTreeSet<String> =
            variables.iter().filter(|one| one.used.get()).map(|one| one.key.clone()).collect();
        for variable in variables {
            match self.entries.get_mut(&variable.key) {
                Some(entry) => {
                    entry.value.clear();
                    entry.used.set(entry.used.get() || variable.used.get());
                }
                // Of two of one name one is read.
                None if used.contains(&variable.key) || unused.contains(&variable.name) => {}
                None => unused.push(variable.name),
            }
        }
        unused
    }

    /// The values of the loop variables for the next jobs. Variables without a value are empty.
    pub(crate) fn set_item<'v>(&mut self, values: impl IntoIterator<Item = &'v str>) {
        let mut values = values.into_iter();
        for variable in &mut self.loop_variables {
            variable.value = values.next().unwrap_or_default().to_owned();
        }
    }

    /// `cluster`, `process` and their like, for the next job.
    pub(crate) fn set_numbers(&mut self, cluster: &str, proc: &str, step: &str, item: &str) {
        // Which node it is, the machine puts in.
        let universe = self.entries.get("universe").map(|entry| entry.value.trim());
        let is_parallel = universe.is_some_and(|universe| {
            ["parallel", "mpi", "8", "11"].iter().any(|name| universe.eq_ignore_ascii_case(name))
        });
        let node = if is_parallel { model::NODE.to_owned() } else { String::new() };
        self.numbers = vec![
            ("cluster", cluster.to_owned()),
            ("clusterid", cluster.to_owned()),
            ("joblistid", cluster.to_owned()),
            ("process", proc.to_owned()),
            ("procid", proc.to_owned()),
            ("jobid", format!("{cluster}.{proc}")),
            ("step", step.to_owned()),
            ("itemindex", item.to_owned()),
            ("row", item.to_owned()),
            ("node", node),
        ];
    }

    /// The text of a macro, unexpanded. Marks it as used.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        let key = &*lower_case(name);
        if let Some(variable) = self.loop_variables.iter().rfind(|variable| variable.key == key) {
            variable.used.set(true);
            // A line that gives the name a value before is no typo either.
            if let Some(entry) = self.entries.get(key) {
                entry.used.set(true);
            }
            self.vary();
            return Some(&variable.value);
        }
        if let Some(entry) = self.entries.get(key) {
            entry.used.set(true);
            return Some(&entry.value);
        }
        if let Some((known, number)) = self.numbers.iter().find(|(known, _)| *known == key) {
            if !SAME_FOR_ALL.contains(known) {
                self.vary();
            }
            return Some(number);
        }
        self.predefined(key)
    }

    /// Notes that something was looked at, or said, that is not the same for every job of a
    /// statement.
    pub(crate) fn vary(&self) {
        self.varied.set(true);
    }

    /// Whether that was noted since it was forgotten.
    pub(crate) fn has_varied(&self) -> bool {
        self.varied.get()
    }

    pub(crate) fn forget_varying(&self) {
        self.varied.set(false);
    }

    /// Whether the name has a value, and one that is not empty, as `if defined` asks.
    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| !value.is_empty())
    }

    /// The assignment of a name, if the description or the command line made one.
    pub(crate) fn entry(&self, name: &str) -> Option<&MacroEntry> {
        self.entries.get(&*lower_case(name))
    }

    /// The assignments, by name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &MacroEntry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// The loop variables of this item whose names begin so, in lower case: their names as they
    /// were written, and their values. Marks them as used.
    pub(crate) fn loop_variables_from(&self, start: &str) -> Vec<(&str, &str)> {
        let fits = |variable: &&LoopVariable| variable.key.starts_with(start);
        let found: Vec<&LoopVariable> = self.loop_variables.iter().filter(fits).collect();
        if !found.is_empty() {
            self.vary();
        }
        found.iter().for_each(|variable| variable.used.set(true));
        found
            .into_iter()
            .map(|variable| (variable.name.as_str(), variable.value.as_str()))
            .collect()
    }

    /// Assignments that nothing has read, in the order they were made.
    pub(crate) fn unused(&self) -> Vec<&MacroEntry> {
        // A name with a dot in it is somebody else's (HTCondor 25.14).
        let of_the_text = |entry: &&MacroEntry| {
            !entry.used.get() && !entry.from_outside && !entry.name.contains('.')
        };
        self.in_order().into_iter().filter(of_the_text).collect()
    }

    /// The assignments that count, in the order they were made.
    pub(crate) fn in_order(&self) -> Vec<&MacroEntry> {
        let mut all: Vec<_> = self.entries.values().collect();
        all.sort_by_key(|entry| entry.order);
        all
    }

    /// What a name stands for without any assignment.
    pub(crate) fn predefined(&self, name: &str) -> Option<&str> {
        self.predefined.get(&*lower_case(name)).map(String::as_str)
    }

    /// Whether any text holds the template's mark, so that no template can be made.
    pub(crate) fn mention_mark(&self) -> bool {
        self.entries.values().any(|entry| entry.value.contains(MARK))
    }
}

impl MacroEntry {
    pub(crate) fn is_used(&self) -> bool {
        self.used.get()
    }

    pub(crate) fn set_used(&self) {
        self.used.set(true);
    }
}

/// A name as the tables have it. Most are asked for as they stand there.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Replaces `$(name)` and `$(name:default)` by the value that the name had so far.
fn fill_self_references(value: &str, key: &str, old: &str) -> String {
    let mut filled = String::new();
    let mut rest = value;
    while let Some(at) = rest.find("$(") {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let doubled = before.ends_with('$');
        match balanced_body(&from[1..]) {
            Some(body)
                if !doubled
                    && split_name(body).is_some_and(|(n, _)| n.eq_ignore_ascii_case(key)) =>
            {
                let default = split_name(body).and_then(|(_, default)| default).unwrap_or_default();
                filled.push_str(if old.is_empty() { default } else { old });
                rest = &from[body.len() + 3..];
            }
            _ => {
                filled.push_str("$(");
                rest = &from[2..];
            }
        }
    }
    filled + rest
}

/// Everything that the expansion of a value may look at.
pub(crate) struct Scope<'a> {
    pub(crate) macros: &'a Macros,
    pub(crate) site: &'a dyn Site,
    complaints: RefCell<Vec<Diagnostic>>,
    number_dependent: Cell<bool>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(macros: &'a Macros, site: &'a dyn Site) -> Self {
        Self { macros, site, complaints: RefCell::default(), number_dependent: Cell::new(false) }
    }

    /// A random number below `limit`: another one for each job.
    pub(crate) fn random_below(&self, limit: u64) -> u64 {
        self.macros.vary();
        self.site.random_below(limit)
    }

    /// A text with every macro in it expanded. `$$(attr)` stays, for the time of the match.
    pub(crate) fn expand(&self, text: &str) -> Result<String, MacroError> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        Expansion { scope: self, open: Vec::new(), calls: 0 }.expand(text)
    }

    /// The value of a macro, expanded.
    pub(crate) fn value(&self, name: &str) -> Result<Option<String>, MacroError> {
        Expansion { scope: self, open: Vec::new(), calls: 0 }.value(name)
    }

    /// A complaint of a macro function. HTCondor 25.14 prints it and submits all the same.
    pub(crate) fn complain(&self, message: String) {
        self.macros.vary();
        self.complaints.borrow_mut().push(Diagnostic::error(message).about(About::Macro));
    }

    /// How many complaints were made so far.
    pub(crate) fn complaints(&self) -> usize {
        self.complaints.borrow().len()
    }

    /// Drops the complaints made after so many.
    pub(crate) fn keep_complaints(&self, many: usize) {
        self.complaints.borrow_mut().truncate(many);
    }

    /// Takes the complaints made so far.
    pub(crate) fn take_complaints(&self) -> Vec<Diagnostic> {
        self.complaints.take()
    }

    /// Notes that a value depends on the job's number in a way that a template cannot say, if it
    /// has the mark in it.
    pub(crate) fn check_mark(&self, text: &str) {
        if text.contains(MARK) {
            self.depends_on_number();
        }
    }

    /// Notes that something depends on the job's number in a way that a template cannot say.
    pub(crate) fn depends_on_number(&self) {
        self.number_dependent.set(true);
    }

    /// Whether that was noted.
    pub(crate) fn is_number_dependent(&self) -> bool {
        self.number_dependent.get()
    }
}

/// One value on its way, with the macros that are open around it.
pub(crate) struct Expansion<'s, 'a> {
    pub(crate) scope: &'s Scope<'a>,
    open: Vec<String>,
    calls: usize,
}

impl Expansion<'_, '_> {
    /// The value of a macro, expanded; `None` if there is none.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>, MacroError> {
        self.scope.check_mark(name);
        let Some(raw) = self.scope.macros.raw(name) else { return Ok(None) };
        if !raw.contains('$') {
            return Ok(Some(raw.to_owned()));
        }
        if name.eq_ignore_ascii_case("DOLLAR") {
            return Ok(Some(raw.to_owned()));
        }
        let key = name.to_ascii_lowercase();
        if let Some(at) = self.open.iter().position(|open| *open == key) {
            let mut circle = self.open[at..].to_vec();
            circle.push(key);
            return Err(MacroError::Cycle(circle));
        }
        self.open.push(key);
        let value = self.expand(raw)?;
        self.open.pop();
        Ok(Some(value))
    }

    /// Whether the value of a name is just being worked out.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|open| open == name)
    }

    pub(crate) fn expand(&mut self, text: &str) -> Result<String, MacroError> {
        let here = || self.open.last().cloned().unwrap_or_default();
        if self.open.len() > MAX_DEPTH {
            return Err(MacroError::TooDeep(here()));
        }
        let mut done = String::new();
        let mut rest = text.to_owned();
        while let Some(at) = rest.find('$') {
            done.push_str(&rest[..at]);
            let from = rest.split_off(at);
            rest = self.one(&from, &mut done)?;
            if done.len() + rest.len() > MAX_VALUE_BYTES {
                return Err(MacroError::TooLong(self.open.last().cloned().unwrap_or_default()));
            }
        }
        done.push_str(&rest);
        Ok(done)
    }

    /// Handles what begins with the `$` that `from` begins with; gives back what is left to look
    /// at.
    fn one(&mut self, from: &str, done: &mut String) -> Result<String, MacroError> {
        if let Some(rest) = from.strip_prefix("$$") {
            done.push_str("$$");
            let inside = rest.strip_prefix('(');
            if inside.is_some() {
                done.push('(');
            }
            return Ok(inside.unwrap_or(rest).to_owned());
        }
        if from.starts_with("$(") {
            return self.reference(from, done);
        }
        if let Some((function, body, rest)) = functions::split_call(from) {
            self.scope.check_mark(body);
            self.calls += 1;
            if self.calls > MAX_CALLS {
                return Err(MacroError::Endless);
            }
            let value = functions::call(self, function, body)?;
            // HTCondor 25.14: the result and what follows it are looked at again together
            return Ok(value + rest);
        }
        done.push('$');
        Ok(from[1..].to_owned())
    }

    /// `$(name)` or `$(name:default)`.
    fn reference(&mut self, from: &str, done: &mut String) -> Result<String, MacroError> {
        let literally = |done: &mut String| {
            done.push_str("$(");
            from[2..].to_owned()
        };
        let Some(body) = balanced_body(&from[1..]) else { return Ok(literally(done)) };
        let rest = &from[body.len() + 3..];
        let nested = if body.contains('$') && split_name(body).is_none() {
            self.open.push(String::new());
            let nested = self.expand(body)?;
            self.open.pop();
            nested
        } else {
            body.to_owned()
        };
        let Some((name, default)) = split_name(&nested) else { return Ok(literally(done)) };
        // What is made of other macros, all of them empty, is empty, and no reason for the default.
        let is_set = self.scope.macros.raw(name).is_some_and(|raw| !raw.is_empty());
        match self.value(name)?.filter(|_| is_set) {
            Some(value) => done.push_str(&value),
            None => {
                if let Some(default) = default {
                    self.open.push(String::new());
                    done.push_str(&self.expand(default)?);
                    self.open.pop();
                }
            }
        }
        Ok(rest.to_owned())
    }
}

/// What stands between the parenthesis that the text begins with and the one that closes it.
pub(crate) fn balanced_body(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(&text[1..at]);
                }
            }
            _ => {}
        }
    }
    None
}

/// `name` or `name:default`, where the name is one.
fn split_name(body: &str) -> Option<(&str, Option<&str>)> {
    let (name, default) = match body.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | MARK));
    is_name.then_some((name, default))
}
