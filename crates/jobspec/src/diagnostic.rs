//! What is wrong, or odd, about a description: the message, where it is, and what would be right.
//!
//! One diagnostic prints two ways: [`Diagnostic::render`] with the line and a caret, and
//! [`Diagnostic::condor`] word for word as `condor_submit` 25.14 writes it to its standard error.
//! Knows nothing of what is being diagnosed.

use std::fmt::Write as _;
use std::sync::Arc;

/// A text that was read, with the name that messages call it by.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// `job.sub`, `<stdin>`, `-append`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place in a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub source: Arc<Source>,
    /// Byte offset of the first character concerned.
    pub offset: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The jobs are submitted, and `condor_submit` would say nothing.
    Advice,
    /// The jobs are submitted all the same.
    Warning,
    /// Nothing is submitted.
    Error,
}

/// How `condor_submit` words a message of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Found while reading: `ERROR: on Line 2 of job.sub: ...`, and that the file failed to parse.
    Reading,
    /// Found while a job was made: `ERROR: ...`.
    Job,
    /// Printed at once, with a blank line in front.
    Spaced,
    /// A macro function's complaint, `ERROR at Queue statement on Line 3: ...`; the jobs are made
    /// all the same.
    Function,
}

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// How `condor_submit` would word it.
    pub form: Form,
    /// What is wrong, in `condor_submit`'s words where it has any.
    pub message: String,
    pub place: Option<Place>,
    /// What would be right.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error found while a job was made.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Form::Job, message.into())
    }

    /// An error found while reading a line.
    pub fn reading(place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, Form::Reading, message.into()).at(Some(place))
    }

    /// Something that may be meant otherwise than it is written; the submission goes on.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Form::Job, message.into())
    }

    /// Something that `condor_submit` would not mention.
    pub fn advice(message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, Form::Job, message.into())
    }

    fn new(severity: Severity, form: Form, message: String) -> Self {
        Self { severity, form, message, place: None, hint: None }
    }

    /// The same, placed.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// The same, with what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, in another form.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Whether nothing may be submitted.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For people: the message, the line it is about with a caret below, and the hint.
    ///
    /// ```text
    /// error: 'priority=high' is not an integer
    ///  --> job.sub:2:12
    ///   |
    /// 2 | priority = high
    ///   |            ^
    ///   = hint: ...
    /// ```
    pub fn render(&self) -> String {
        let word = match self.severity {
            Severity::Advice => "advice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let message = self.message.trim_end();
        let message = if message.is_empty() { "this is not a submit statement" } else { message };
        let mut text = format!("{word}: {message}\n");
        if let Some(place) = &self.place {
            let (line, column) = place.line_column();
            let gutter = line.to_string();
            let pad = " ".repeat(gutter.len());
            let source_line = place.line_text();
            let before: String = source_line
                .chars()
                .take(column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let name = &place.source.name;
            let _ = write!(
                text,
                "{pad}--> {name}:{line}:{column}\n{pad} |\n{gutter} | {source_line}\n{pad} | {before}^\n"
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  = hint: {hint}");
        }
        text
    }

    /// Word for word what `condor_submit` 25.14 prints.
    pub fn condor(&self) -> String {
        let message = &self.message;
        match (self.severity, self.form) {
            (Severity::Advice, _) => String::new(),
            (Severity::Warning, _) => format!("WARNING: {message}\n"),
            (Severity::Error, Form::Reading) => {
                let (line, name) = match &self.place {
                    Some(place) => (place.line_column().0, place.source.name.as_str()),
                    None => (0, "submit file"),
                };
                format!(
                    "\nERROR: on Line {line} of {name}: {message}\n\nERROR: Failed to parse command file (line {line}).\n"
                )
            }
            (Severity::Error, Form::Job) => format!("ERROR: {message}\n"),
            (Severity::Error, Form::Spaced) => format!("\nERROR: {message}\n"),
            (Severity::Error, Form::Function) => {
                let line = self.place.as_ref().map_or(0, |place| place.line_column().0);
                format!("\nERROR at Queue statement on Line {line}: {message}\n")
            }
        }
    }
}

impl Place {
    /// Line and column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text[..self.clamped()];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text of the line.
    pub fn line_text(&self) -> &str {
        let text = &self.source.text;
        let at = self.clamped();
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        text[start..end].trim_end_matches('\r')
    }

    /// The offset, moved to a character boundary inside the text.
    fn clamped(&self) -> usize {
        let text = &self.source.text;
        (0..=self.offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }
}
