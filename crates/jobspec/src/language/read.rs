//! Goes through the statements in order: assigns, decides `if`, follows `include`, stops for
//! `queue`.
//!
//! What to do at a `queue` is its caller's business.

use super::ast::{Description, Include, Queue, Statement, StatementKind, Text};
use super::macros::{MacroError, Macros, Scope};
use super::parse::parse;
use crate::site::Site;
use crate::source::Place;
use model::diagnostic::{About, Diagnostic};

/// Files include files no deeper than this, so that a file that includes itself ends.
pub(crate) const MAX_INCLUDES: usize = 16;

/// The version whose language this is; `if version >= 25.0` compares with it.
pub(crate) const LANGUAGE_VERSION: [u32; 3] = [25, 14, 1];

/// A description being read.
pub(crate) struct Reader<'a> {
    pub(crate) site: &'a dyn Site,
    pub(crate) macros: Macros,
    /// What the user should know, in order.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Called for each `queue` statement.
pub(crate) trait AtQueue {
    /// Makes the jobs of the statement. An error ends the reading.
    fn at_queue(
        &mut self,
        reader: &mut Reader<'_>,
        queue: &Queue,
        place: Place,
    ) -> Result<(), Diagnostic>;

    /// Whether the template of a `use` statement says nothing that does not hold anyway.
    fn at_use(&self, _template: &str) -> bool {
        false
    }

    /// Called at the end of what ends inside of an `if`.
    fn at_open_end(&self, _description: &Description) -> Result<(), Diagnostic> {
        Ok(())
    }
}

/// Where an `if` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    /// This branch is read.
    Taken,
    /// None has been taken yet.
    Waiting,
    /// One has been taken, or all of it stands inside a branch that is not read.
    Over,
}

struct Condition {
    branch: Branch,
    saw_else: bool,
}

impl Reader<'_> {
    /// Reads a whole description.
    pub(crate) fn read(
        &mut self,
        description: &Description,
        at_queue: &mut dyn AtQueue,
    ) -> Result<(), Diagnostic> {
        let is_open = self.read_nested(description, at_queue, 0)?;
        if is_open { at_queue.at_open_end(description) } else { Ok(()) }
    }

    /// Whether it ends inside of an `if`.
    fn read_nested(
        &mut self,
        description: &Description,
        at_queue: &mut dyn AtQueue,
        depth: usize,
    ) -> Result<bool, Diagnostic> {
        let mut conditions = Vec::new();
        for statement in &description.statements {
            let place = description.place(statement.offset);
            if self.condition(&mut conditions, statement, description)? {
                continue;
            }
            if conditions.iter().any(|condition: &Condition| condition.branch != Branch::Taken) {
                continue;
            }
            match &statement.kind {
                StatementKind::Assign { name, value } => {
                    let at = description.place(value.offset);
                    self.macros.assign(name, &value.value, Some(at));
                }
                StatementKind::Include(include) => {
                    self.include(include, &place, at_queue, depth)?;
                }
                StatementKind::Use(text) if at_queue.at_use(&text.value) => {}
                StatementKind::Use(text) => return Err(use_refused(text, place)),
                StatementKind::Warning(text) => {
                    let (line, _) = place.line_column();
                    let message = self.expand(text, &place)?;
                    let name = description.name();
                    let warning = format!("Warning \"{name}\", Line {line}: {message}");
                    self.diagnostics.push(Diagnostic::warning(warning).at(Some(place)));
                }
                StatementKind::Error(text) => {
                    let message = self.expand(text, &place)?;
                    return Err(Diagnostic::reading(place, message).about(About::Raised));
                }
                StatementKind::Queue(queue) => at_queue.at_queue(self, queue, place)?,
                StatementKind::Unknown(line) => return Err(unknown(line, place)),
                StatementKind::If(_)
                | StatementKind::Elif(_)
                | StatementKind::Else
                | StatementKind::EndIf => {}
            }
        }
        Ok(!conditions.is_empty())
    }

    /// Steps the conditions; whether the statement was one.
    fn condition(
        &self,
        conditions: &mut Vec<Condition>,
        statement: &Statement,
        description: &Description,
    ) -> Result<bool, Diagnostic> {
        let error =
            |message: &str| Diagnostic::reading(description.place(statement.offset), message);
        match &statement.kind {
            StatementKind::If(text) => {
                let live = conditions.iter().all(|condition| condition.branch == Branch::Taken);
                let branch = if !live {
                    Branch::Over
                } else if self.holds(text, description)? {
                    Branch::Taken
                } else {
                    Branch::Waiting
                };
                conditions.push(Condition { branch, saw_else: false });
            }
            StatementKind::Elif(text) => {
                let Some(last) = conditions.last_mut() else {
                    return Err(error("elif without matching if"));
                };
                if last.saw_else {
                    return Err(error("elif is not allowed after else"));
                }
                last.branch = match last.branch {
                    Branch::Waiting if self.holds(text, description)? => Branch::Taken,
                    Branch::Waiting => Branch::Waiting,
                    Branch::Taken | Branch::Over => Branch::Over,
                };
            }
            StatementKind::Else => {
                let Some(last) = conditions.last_mut() else {
                    return Err(error("else without matching if"));
                };
                if last.saw_else {
                    return Err(error("else is not allowed after else"));
                }
                last.saw_else = true;
                last.branch = match last.branch {
                    Branch::Waiting => Branch::Taken,
                    Branch::Taken | Branch::Over => Branch::Over,
                };
            }
            StatementKind::EndIf => {
                conditions.pop().ok_or_else(|| error("endif without matching if"))?;
            }
            StatementKind::Assign { .. }
            | StatementKind::Include(_)
            | StatementKind::Use(_)
            | StatementKind::Warning(_)
            | StatementKind::Error(_)
            | StatementKind::Queue(_)
            | StatementKind::Unknown(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a condition holds: `defined NAME`, `version >= 9.0`, a truth value or number, each
    /// after any number of `!`.
    fn holds(&self, text: &Text, description: &Description) -> Result<bool, Diagnostic> {
        let place = description.place(text.offset);
        let scope = Scope::new(&self.macros, self.site);
        let expanded =
            scope.expand(&text.value).map_err(|error| macro_refused(&error, place.clone()))?;
        let bare = expanded.trim_start_matches(['!', ' ', '\t']);
        let negated = expanded[..expanded.len() - bare.len()].matches('!').count() % 2 == 1;
        let bare = bare.trim();
        let truth = self.bare_condition(bare).map_err(|why| {
            let message = format!("{} is not a valid if condition because {why}", text.value.trim());
            Diagnostic::reading(place, message).hint(
                "a condition is 'defined NAME', 'version >= 9.0', true, false, a number, or a macro that is one of these",
            )
        })?;
        Ok(truth != negated)
    }

    fn bare_condition(&self, text: &str) -> Result<bool, &'static str> {
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if word.eq_ignore_ascii_case("defined") && rest.trim().contains([' ', '\t', '|', '&']) {
            return Err("complex conditionals are not supported");
        }
        if word.eq_ignore_ascii_case("defined") {
            return Ok(self.macros.is_defined(rest.trim()));
        }
        if word.eq_ignore_ascii_case("version") {
            return compare_version(rest.trim());
        }
        if text.is_empty() {
            return Ok(false);
        }
        if ["true", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)) {
            return Ok(true);
        }
        if ["false", "no"].iter().any(|no| text.eq_ignore_ascii_case(no)) {
            return Ok(false);
        }
        match text.parse::<f64>() {
            Ok(number) => Ok(number != 0.0),
            Err(_) if text.contains([' ', '\t']) => Err("complex conditionals are not supported"),
            Err(_) => Err("expression is not a conditional"),
        }
    }

    fn expand(&self, text: &Text, place: &Place) -> Result<String, Diagnostic> {
        let scope = Scope::new(&self.macros, self.site);
        scope.expand(&text.value).map_err(|error| macro_refused(&error, place.clone()))
    }

    fn include(
        &mut self,
        include: &Include,
        place: &Place,
        at_queue: &mut dyn AtQueue,
        depth: usize,
    ) -> Result<(), Diagnostic> {
        let what = self.expand(&include.what, place)?;
        if depth >= MAX_INCLUDES {
            let message =
                format!("{what} is not included: files include files {MAX_INCLUDES} deep already");
            return Err(Diagnostic::reading(place.clone(), message));
        }
        let text = match self.included_text(include, &what) {
            Ok(text) => text,
            Err(_) if include.if_exist => return Ok(()),
            Err(message) => {
                let error = Diagnostic::reading(place.clone(), message);
                return Err(error.about(About::Raised));
            }
        };
        let mut problems = match parse(&text, &what) {
            Ok(included) => return self.read_nested(&included, at_queue, depth + 1).map(drop),
            Err(problems) => problems,
        };
        Err(problems.swap_remove(0))
    }

    fn included_text(&self, include: &Include, what: &str) -> Result<String, String> {
        if !include.command {
            return self
                .site
                .read_file(what)
                .map_err(|why| format!("can't open file {what}: {why}"));
        }
        if let Some(cached) =
            include.into.as_ref().and_then(|cache| self.site.read_file(cache).ok())
        {
            return Ok(cached);
        }
        let text = self.site.run_command(what).map_err(|why| match why.to_string() {
            why if why.starts_with(NO_COMMAND) => format!("{what} |: {why}"),
            why => why,
        })?;
        if let Some(cache) = &include.into {
            self.site
                .write_file(cache, &text)
                .map_err(|why| format!("can't write the output of '{what}' into {cache}: {why}"))?;
        }
        Ok(text)
    }
}

fn compare_version(text: &str) -> Result<bool, &'static str> {
    let operator_end = text.find(|c: char| !"<>=!".contains(c)).unwrap_or(text.len());
    let (operator, version) = text.split_at(operator_end);
    let parts: Vec<Option<u32>> = version.trim().split('.').map(|part| part.parse().ok()).collect();
    let numbers: Option<Vec<u32>> = parts.into_iter().collect();
    // HTCondor 25.14: `version < 10` is an error, it needs `10.0`
    let Some(numbers) = numbers.filter(|numbers| (2..=3).contains(&numbers.len())) else {
        return Err("the version literal is invalid");
    };
    let ours = &LANGUAGE_VERSION[..numbers.len()];
    match operator {
        "==" | "=" => Ok(ours == numbers),
        "!=" => Ok(ours != numbers),
        ">=" => Ok(ours >= &numbers[..]),
        "<=" => Ok(ours <= &numbers[..]),
        ">" => Ok(ours > &numbers[..]),
        "<" => Ok(ours < &numbers[..]),
        _ => Err("the version operator is invalid"),
    }
}

pub(crate) fn macro_refused(error: &MacroError, place: Place) -> Diagnostic {
    Diagnostic::reading(place, error.to_string())
        .hint("every $(name) must end in text, not in itself")
}

fn use_refused(text: &Text, place: Place) -> Diagnostic {
    let message = format!("use {} is not supported yet", text.value);
    Diagnostic::reading(place, message).hint("write out the commands that the template stands for")
}

/// How it is said that a command cannot be started.
pub(crate) const NO_COMMAND: &str = "not a valid command";

/// What is said of a line that is no statement.
pub(crate) const NO_STATEMENT: &str = "this is not a submit statement";

fn unknown(line: &str, place: Place) -> Diagnostic {
    let diagnostic = Diagnostic::reading(place, NO_STATEMENT);
    if line.starts_with('+') && line.contains("@=") {
        return diagnostic.hint("a value of several lines needs the spelling MY.Name @=tag");
    }
    if line.contains("@=") {
        return diagnostic.hint(
            "no line below closes this value: it ends with a line that is only @ and the tag",
        );
    }
    match line.split_once([':', '=']) {
        Some((name, _)) => diagnostic
            .hint(format!("'{}' is not a name; assignments are NAME = VALUE", name.trim())),
        None => diagnostic.hint("lines are NAME = VALUE, +Attribute = EXPRESSION, or queue"),
    }
}
