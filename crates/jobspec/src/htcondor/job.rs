//! One job's ad, from the values that the macros have for it.
//!
//! The order matters in places: resources before requirements, which look at them, and `+Attr`
//! last, because what the user writes as an attribute beats what a keyword made of it.

mod alike;
mod command;
mod debugging;
mod files;
mod growing;
mod identity;
mod policy;
mod priority;
mod requirements;
mod resources;
mod scripts;
mod timing;
mod transfer;

use std::cell::RefCell;
use std::collections::BTreeSet;

use classad::{ClassAd, Expr};
use model::{Universe, attr};

pub(super) use self::alike::{Common, make_first};
use self::transfer::Transfer;
use super::keywords::{self, Family, KEYWORDS, Keyword, KeywordKind, Support};
use super::submission::Interactive;
use crate::language::evaluate;
use crate::language::macros::{MARK, Scope};
use crate::source::Place;
use model::diagnostic::Diagnostic;

/// A spooled job that has completed waits ten days for whoever fetches what it has made (HTCondor
/// 25.14).
const STAYS_TO_BE_FETCHED: &str = "JobStatus == 4 && (CompletionDate =?= UNDEFINED || CompletionDate == 0 || ((time() - CompletionDate) < 864000))";

/// A job being made.
pub(super) struct Job<'a> {
    scope: &'a Scope<'a>,
    /// What has been said so far.
    ad: ClassAd,
    universe: Universe,
    /// The initial directory, absolute.
    iwd: String,
    transfer: Transfer,
    disable_file_checks: bool,
    /// Whether its files are copied to the schedd first.
    spool: bool,
    /// What it runs instead of its executable.
    interactive: Option<Interactive>,
    warnings: Vec<Diagnostic>,
    /// Keywords of which macro functions have complained: they say it once of a job.
    complained: RefCell<BTreeSet<String>>,
}

/// A job that has been made.
pub(super) struct Made {
    pub(super) ad: ClassAd,
    pub(super) warnings: Vec<Diagnostic>,
}

/// What a job is made with, besides its macros.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// The name of the description's file; none for standard input.
    pub(super) file: Option<&'a str>,
    /// `-disable`.
    pub(super) disable_file_checks: bool,
    /// `-spool`.
    pub(super) spool: bool,
    /// `-interactive`.
    pub(super) interactive: Option<&'a Interactive>,
}

/// Makes the ad of a job.
pub(super) fn make(scope: &Scope<'_>, setting: Setting<'_>) -> Result<Made, Box<Refused>> {
    make_first(scope, setting).map(|(made, _)| made)
}

/// A job that could not be made.
pub(super) struct Refused {
    pub(super) error: Diagnostic,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'a> Job<'a> {
    fn new(scope: &'a Scope<'a>, setting: Setting<'_>) -> Self {
        Self {
            scope,
            ad: ClassAd::new(),
            universe: Universe::Vanilla,
            iwd: scope.site.host().cwd.clone(),
            transfer: Transfer::IfNeeded,
            disable_file_checks: setting.disable_file_checks,
            spool: setting.spool,
            interactive: setting.interactive.cloned(),
            warnings: Vec::new(),
            complained: RefCell::default(),
        }
    }
}

impl Job<'_> {
    /// A keyword that this version knows by name only, with a value.
    fn refuse_what_is_not_built(&self) -> Result<(), Diagnostic> {
        for (name, entry) in self.scope.macros.entries() {
            let Some(keyword) = keywords::find(name) else { continue };
            let Support::Later(family) = keyword.support else { continue };
            entry.set_used();
            let value = self.expand(&entry.value, entry.place.clone())?;
            // Whoever says that they do not want it has it.
            if !value.is_empty()
                && evaluate::constant(&value) != Some(classad::Value::Boolean(false))
            {
                return Err(not_built(&entry.name, entry.place.clone(), family));
            }
        }
        Ok(())
    }

    fn set_base(&mut self, file: Option<&str>) -> Result<(), Diagnostic> {
        let host = self.scope.site.host();
        self.ad.set(attr::MY_TYPE, "Job");
        self.ad.set(attr::TARGET_TYPE, "Machine");
        self.ad.set(attr::CONDOR_VERSION, host.version.as_str());
        self.ad.set(attr::CONDOR_PLATFORM, host.platform.as_str());
        self.ad.set(attr::SUBMIT_VERSION, host.version.as_str());
        self.ad.set("JobSubmitMethod", 0);
        self.ad.set(attr::MIN_HOSTS, 1);
        self.ad.set(attr::MAX_HOSTS, 1);
        if let Some(file) = file {
            self.ad.set("JobSubmitFile", file);
        }
        Ok(())
    }

    /// What the table alone says how to make.
    fn set_simple(&mut self) -> Result<(), Diagnostic> {
        for keyword in KEYWORDS.iter().filter(|keyword| keyword.kind != KeywordKind::Made) {
            let Some(text) = self.text_of(keyword)? else { continue };
            match keyword.kind {
                KeywordKind::Text => self.ad.set(keyword.attr, text),
                // No remaps at all are none (HTCondor 25.14).
                KeywordKind::Unquoted
                    if keyword.attr == attr::TRANSFER_OUTPUT_REMAPS
                        && unquoted(&text).is_empty() => {}
                KeywordKind::Unquoted => self.ad.set(keyword.attr, unquoted(&text)),
                KeywordKind::List => {
                    self.ad.set(keyword.attr, words(&text).collect::<Vec<_>>().join(","));
                }
                KeywordKind::Path => {
                    self.ad.set(keyword.attr, without_double_slashes(self.absolute(&text)));
                }
                KeywordKind::Truth => self.set_truth(keyword.name, keyword.attr)?,
                KeywordKind::Integer => {
                    if let Some(number) = self.integer(keyword.name)? {
                        self.check_bounds(keyword.name, number)?;
                        self.ad.set(keyword.attr, number);
                    }
                }
                KeywordKind::LeadingInteger => {
                    self.ad.set(keyword.attr, evaluate::leading_integer(&text));
                }
                KeywordKind::Expression => {
                    self.set_expression(keyword.name, keyword.attr, &text)?;
                }
                KeywordKind::Made => {}
            }
        }
        self.advise_of_what_has_no_effect()?;
        self.set_default(attr::JOB_PRIO, 0);
        if self.spool && self.ad.get(attr::LEAVE_JOB_IN_QUEUE).is_none() {
            self.set_expression("leave_in_queue", attr::LEAVE_JOB_IN_QUEUE, STAYS_TO_BE_FETCHED)?;
        }
        self.set_default(attr::LEAVE_JOB_IN_QUEUE, false);
        Ok(())
    }

    /// The numbers of these whose bounds HTCondor 25.14 looks at.
    fn check_bounds(&self, name: &str, number: i64) -> Result<(), Diagnostic> {
        const MOST: i64 = i32::MAX as i64;
        if ["max_idle", "max_materialize"].contains(&name) && i32::try_from(number).is_err() {
            let message = format!("{name}={number} is invalid, must eval to an integer.");
            return Err(Diagnostic::error(message).at(self.place(name)));
        }
        if name == "dagman_job_id" && number < 0 {
            let message =
                format!("{name}={number} is invalid, must eval to a non-negative integer.");
            return Err(Diagnostic::error(message).at(self.place(name)));
        }
        if name != "job_machine_attrs_history_length" || (0..=MOST).contains(&number) {
            return Ok(());
        }
        let message = format!("{name}={number} is out of bounds 0 to {MOST}");
        Err(Diagnostic::error(message).at(self.place(name)))
    }

    fn advise_of_what_has_no_effect(&mut self) -> Result<(), Diagnostic> {
        for name in keywords::WITHOUT_EFFECT {
            if self.text(name)?.is_some() {
                let message = format!("{name} stands in the job's ad and has no effect");
                self.warnings.push(Diagnostic::advice(message).at(self.place(name)));
            }
        }
        Ok(())
    }

    /// `+Attr = expression`, which beats whatever a keyword has made of the same attribute.
    fn set_forced(&mut self) -> Result<(), Diagnostic> {
        for (key, entry) in self.scope.macros.entries() {
            if !key.starts_with("my.") {
                continue;
            }
            entry.set_used();
            let name = &entry.name[3..];
            let text = self.expand(&entry.value, entry.place.clone())?;
            let text = text.trim_ascii();
            if name.is_empty() {
                let message = format!("Unable to insert expression:  = {text}");
                return Err(Diagnostic::error(message)
                    .at(entry.place.clone())
                    .hint("+ needs a name"));
            }
            let expr = if text.is_empty() { "undefined" } else { text };
            let expr = self.parsed(name, expr, entry.place.clone())?;
            self.ad.set(name, expr);
        }
        // `queue MY.Name in (...)` sets the attribute of each job.
        for (name, value) in self.scope.macros.loop_variables_from("my.") {
            let expr = if value.is_empty() { "undefined" } else { value };
            let expr = self.parsed(&name[3..], expr, None)?;
            self.ad.set(&name[3..], expr);
        }
        self.check_scripts()?;
        self.check_priorities()
    }

    // ---- values of keywords

    /// The value of a keyword, expanded; `None` if it has none or an empty one.
    fn text(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        match keywords::find(name) {
            Some(keyword) => self.text_of(keyword),
            None => self.text_by(std::iter::once(name)),
        }
    }

    fn text_of(&self, keyword: &Keyword) -> Result<Option<String>, Diagnostic> {
        self.text_by(keyword.spellings())
    }

    /// The first of these names that has a value, expanded.
    fn text_by<'n>(
        &self,
        spellings: impl Iterator<Item = &'n str>,
    ) -> Result<Option<String>, Diagnostic> {
        for spelling in spellings {
            let said = self.scope.complaints();
            let value = self.scope.value(spelling);
            if self.scope.complaints() > said
                && !self.complained.borrow_mut().insert(spelling.to_owned())
            {
                // It was read, and told of, before.
                self.scope.keep_complaints(said);
            }
            let value = value.map_err(|error| {
                Diagnostic::error(error.to_string())
                    .at(self.place(spelling))
                    .hint("every $(name) must end in text, not in itself")
            })?;
            if let Some(value) = value {
                let value = value.trim_ascii();
                if !value.is_empty() {
                    return Ok(Some(value.to_owned()));
                }
            }
        }
        Ok(None)
    }

    /// The value of a keyword whose meaning depends on what it says, so that no template may be
    /// made of it.
    fn word(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        let text = self.text(name)?;
        if let Some(text) = &text {
            self.scope.check_mark(text);
        }
        Ok(text)
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, Diagnostic> {
        let Some(text) = self.word(name)? else { return Ok(None) };
        evaluate::truth_at(&text, self.scope.site.host().now).map(Some).ok_or_else(|| {
            let message = format!("{name}={text} is invalid, must eval to a boolean.");
            Diagnostic::error(message).at(self.place(name)).hint("true or false")
        })
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Diagnostic> {
        let Some(text) = self.word(name)? else { return Ok(None) };
        evaluate::integer_at(&text, self.scope.site.host().now).map(Some).ok_or_else(|| {
            // The one name of two that HTCondor 25.14 repeats as it was written.
            let is_short = name == "priority" && self.scope.macros.entry(name).is_none();
            let said = if is_short { "prio" } else { name };
            let message = format!("{said}={text} is invalid, must eval to an integer.");
            Diagnostic::error(message).at(self.place(name))
        })
    }

    fn set_truth(&mut self, name: &str, attr: &str) -> Result<(), Diagnostic> {
        if let Some(truth) = self.truth(name)? {
            self.ad.set(attr, truth);
        }
        Ok(())
    }

    fn set_expression(&mut self, name: &str, attr: &str, text: &str) -> Result<(), Diagnostic> {
        let expr = self.parsed(attr, text, self.place(name))?;
        self.ad.set(attr, expr);
        Ok(())
    }

    fn set_default(&mut self, attr: &str, value: impl Into<Expr>) {
        if self.ad.get(attr).is_none() {
            self.ad.set(attr, value);
        }
    }

    /// An expression for an attribute. The caret points into it where that is the user's own text.
    fn parsed(&self, attr: &str, text: &str, place: Option<Place>) -> Result<Expr, Diagnostic> {
        Expr::parse(text).map_err(|error| {
            let message = format!("Parse error in expression: \n\t{attr} = {text}\n\t");
            let literal = place.map(|mut place| {
                if place.source.text[place.offset..].starts_with(text) {
                    let column = error.column.saturating_sub(1);
                    place.offset += text.chars().take(column).map(char::len_utf8).sum::<usize>();
                }
                place
            });
            Diagnostic::error(message)
                .at(literal)
                .hint(format!("{}; expected {}", error.message, error.expected))
        })
    }

    fn expand(&self, text: &str, place: Option<Place>) -> Result<String, Diagnostic> {
        self.scope.expand(text).map_err(|error| {
            Diagnostic::error(error.to_string())
                .at(place)
                .hint("every $(name) must end in text, not in itself")
        })
    }

    /// Where the value of a keyword was written.
    fn place(&self, name: &str) -> Option<Place> {
        let entry = |spelling: &str| {
            self.scope.macros.entry(spelling).and_then(|entry| entry.place.clone())
        };
        match keywords::find(name) {
            Some(keyword) => keyword.spellings().find_map(entry),
            None => entry(name),
        }
    }

    fn warn(&mut self, name: &str, message: impl Into<String>) {
        let warning = Diagnostic::warning(message).at(self.place(name));
        self.warnings.push(warning);
    }

    /// A path of the job, from its initial directory.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with(MARK) {
            self.scope.depends_on_number();
        }
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.iwd) }
    }
}

impl Keyword {
    /// Every name that its value may be given by, the most important first.
    fn spellings(&self) -> impl Iterator<Item = &'static str> + use<> {
        let attr = (!self.attr.is_empty()).then_some(self.attr);
        std::iter::once(self.name).chain(self.aliases.iter().copied()).chain(attr)
    }
}

/// HTCondor 25.14 writes no slash twice in the paths of logs and of the initial directory, and
/// takes a backslash behind a slash for one.
fn without_double_slashes(mut path: String) -> String {
    for double in ["//", "/\\"] {
        while path.contains(double) {
            path = path.replace(double, "/");
        }
    }
    path
}

/// Something that is known by name only.
fn not_built(name: &str, place: Option<Place>, family: Family) -> Diagnostic {
    let hint = format!("{} are not built; remove the line to submit without", family.describe());
    Diagnostic::error(format!("{name} is not supported yet")).at(place).hint(hint)
}

/// A text without the double quotes around it.
fn unquoted(text: &str) -> &str {
    if text == "\"" {
        // HTCondor 25.14: it begins with one, and ends with one.
        return "";
    }
    text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text)
}

/// Words separated by commas or blanks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

/// Items separated by commas only.
fn comma_items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim_ascii).filter(|item| !item.is_empty())
}
