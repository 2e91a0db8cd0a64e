//! A pool's configuration: files in the language of submit descriptions, without `queue`, and after
//! them the environment.
//!
//! HTCondor 25.14, "Introduction to Configuration": names are case-insensitive, values are bound
//! late, a reference of a value to itself is filled in at once, the last assignment wins,
//! `SUBSYS.NAME` is for one daemon only. What the names mean is the caller's business: this keeps
//! texts, where each comes from, and which of them nobody has asked for.

use model::diagnostic::{Diagnostic, Location, Spot};

use crate::language::ast::Queue;
use crate::language::evaluate;
use crate::language::macros::{MacroEntry, MacroError, Macros, Scope};
use crate::language::parse::parse;
use crate::language::read::{AtQueue, NO_STATEMENT, Reader};
use crate::site::Site;
use crate::source::Place;

/// What a configuration assigns.
#[derive(Debug, Default)]
pub struct Configuration {
    macros: Macros,
}

/// A setting of a configuration, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name, as it was spelt.
    pub name: String,
    /// The value, unexpanded.
    pub raw: String,
    /// Which file, or [`ENVIRONMENT`].
    pub source: String,
    /// On which line, from 1; none for the environment.
    pub line: Option<usize>,
}

/// What [`Assignment::source`] says of a variable of the environment, as `condor_config_val
/// -verbose` 25.14 does.
pub const ENVIRONMENT: &str = "<Environment>";

/// A value cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expand the setting {name}: {why}")]
pub struct ExpandError {
    /// Which setting, or the text that was to be expanded.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

impl Configuration {
    /// A value that is there before any file is read, and after all files do not name it.
    pub fn predefine(&mut self, name: &'static str, value: impl Into<String>) {
        self.macros.predefine(name, value);
    }

    /// Reads a file's text. `name` is what messages call the file by. Answers what `warning :`
    /// lines said.
    ///
    /// # Errors
    /// The first line that is no statement, asks for what is not supported, or names a file that
    /// cannot be read.
    pub fn read(
        &mut self,
        text: &str,
        name: &str,
        site: &dyn Site,
    ) -> Result<Vec<Diagnostic>, Diagnostic> {
        let description = parse(text, name).map_err(|mut problems| problems.swap_remove(0))?;
        let macros = std::mem::take(&mut self.macros);
        let mut reader = Reader { site, macros, diagnostics: Vec::new() };
        let result = reader.read(&description, &mut NoQueue);
        self.macros = reader.macros;
        result.map(|()| reader.diagnostics).map_err(of_a_configuration)
    }

    /// `_CONDOR_NAME=value` in the environment of the process that starts the pool.
    pub fn set_from_environment(&mut self, name: &str, value: &str) {
        self.macros.assign_from_outside(name, value);
    }

    /// The value of a setting for a daemon (`STARTD`), expanded: that of `STARTD.NAME`, if there is
    /// one, else that of `NAME`. Marks it as asked for.
    ///
    /// # Errors
    /// If macros refer to each other in a circle, or too deep.
    pub fn value(
        &self,
        subsystem: Option<&str>,
        name: &str,
        site: &dyn Site,
    ) -> Result<Option<String>, ExpandError> {
        let key = self.key(subsystem, name);
        let scope = Scope::new(&self.macros, site);
        scope.value(&key).map_err(|error| refused(&key, &error))
    }

    /// A text with the macros in it expanded.
    ///
    /// # Errors
    /// If macros refer to each other in a circle, or too deep.
    pub fn expand(&self, text: &str, site: &dyn Site) -> Result<String, ExpandError> {
        Scope::new(&self.macros, site).expand(text).map_err(|error| refused(text, &error))
    }

    /// The assignment that the value of a setting comes from, if it comes from one.
    pub fn assignment(&self, subsystem: Option<&str>, name: &str) -> Option<Assignment> {
        self.macros.entry(&self.key(subsystem, name)).map(Assignment::of)
    }

    /// The text that a name stands for without any assignment.
    pub fn predefined(&self, name: &str) -> Option<&str> {
        self.macros.predefined(name)
    }

    /// Every assignment that counts, in the order in which they were made.
    pub fn assignments(&self) -> Vec<Assignment> {
        self.macros.in_order().into_iter().map(Assignment::of).collect()
    }

    /// The assignments that nobody has asked for: neither by [`Self::value`], nor as a macro in the
    /// value of another, whether that is asked for or not.
    pub fn unused(&self, site: &dyn Site) -> Vec<Assignment> {
        let scope = Scope::new(&self.macros, site);
        for entry in self.macros.in_order() {
            // what cannot be expanded is told when somebody asks for it
            let _ = scope.expand(&entry.value);
        }
        let unused = self.macros.in_order().into_iter().filter(|entry| !entry.is_used());
        unused.map(Assignment::of).collect()
    }

    fn key(&self, subsystem: Option<&str>, name: &str) -> String {
        let own = subsystem.map(|subsystem| format!("{subsystem}.{name}"));
        own.filter(|own| self.macros.entry(own).is_some()).unwrap_or_else(|| name.to_owned())
    }
}

/// The name of `known` that a mistyped one most likely means.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    crate::language::nearest(name, known)
}

impl Assignment {
    fn of(entry: &MacroEntry) -> Self {
        let (source, line) = match &entry.place {
            Some(place) => (place.source.name.clone(), Some(place.line_column().0)),
            None => (ENVIRONMENT.to_owned(), None),
        };
        Self { name: entry.name.clone(), raw: entry.value.clone(), source, line }
    }

    /// Where it is, for a [`Diagnostic`].
    pub fn location(&self) -> Location {
        let line = self.line.and_then(|line| u32::try_from(line).ok()).unwrap_or(1);
        let text = format!("{} = {}", self.name, self.raw);
        Location { file: self.source.clone(), spot: Spot::Column { line, column: 1, text } }
    }
}

/// A configuration queues nothing.
struct NoQueue;

impl AtQueue for NoQueue {
    fn at_queue(
        &mut self,
        _reader: &mut Reader<'_>,
        _queue: &Queue,
        place: Place,
    ) -> Result<(), Diagnostic> {
        let hint = "a configuration has lines NAME = VALUE, if, include, error and warning";
        Err(Diagnostic::reading(place, "queue is for submit descriptions").hint(hint))
    }

    /// GPUs are looked for on every machine.
    fn at_use(&self, template: &str) -> bool {
        let words: String = template.split_whitespace().collect();
        words.eq_ignore_ascii_case("FEATURE:GPUs")
    }
}

/// What the language says of a line that is none is said of submit descriptions.
fn of_a_configuration(error: Diagnostic) -> Diagnostic {
    if error.message != NO_STATEMENT {
        return error;
    }
    Diagnostic { message: "this line is no setting".to_owned(), ..error }
        .hint("lines are NAME = VALUE")
}

fn refused(name: &str, error: &MacroError) -> ExpandError {
    ExpandError { name: name.to_owned(), why: error.to_string() }
}

/// A value that is a whole number, or a constant expression that is one.
pub fn integer(text: &str) -> Option<i64> {
    evaluate::integer(text)
}

/// A value that is a truth value, or a constant expression that is one; numbers count.
pub fn truth(text: &str) -> Option<bool> {
    evaluate::truth(text)
}

/// A value that is a number, or a constant expression that is one.
pub fn real(text: &str) -> Option<f64> {
    evaluate::real(text)
}
