//! What is wrong, or odd, about something that a user wrote: the message, where it is, and what
//! would be right. Submit descriptions, PBS scripts, DAG files and configurations have it in
//! common.
//!
//! It owns the line that it is about, not the text: files are large, and messages few. Here is how
//! it looks in our own words ([`Diagnostic::render`]); how a dialect's own program would put it is
//! that dialect's matter (`jobspec::htcondor::said`, `jobspec::pbs::said`,
//! `dagman::language::listed`). Knows nothing of what is diagnosed.

use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It goes on, and the program whose language it is would say nothing.
    Advice,
    /// It goes on all the same.
    Warning,
    /// Nothing is submitted, no node runs, no pool starts.
    Error,
}

/// What it is about, and so when it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A line, as it was read.
    Line,
    /// What a line brought up itself: a statement that is an error, or what it includes.
    Raised,
    /// A job, as it was made.
    Job,
    /// All that is submitted: its files, its limits.
    Submission,
    /// A macro's argument; what comes of it is used all the same.
    Macro,
    /// A command of a DAG file, as its language spells it: `ABORT_DAG_ON`.
    Command(&'static str),
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The text, as messages call it: `job.sub`, `<stdin>`, `-append`.
    pub file: String,
    pub spot: Spot,
}

/// Where in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    Whole,
    /// The number of a line, from 1.
    Line(u32),
    /// A character of a line; both numbers from 1.
    Column {
        line: u32,
        column: u32,
        /// What stands on the line.
        text: String,
    },
}

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub about: About,
    /// What is wrong, in the words of the program whose language it is, where it has any.
    pub message: String,
    pub location: Option<Box<Location>>,
    /// What would be right.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error found while a job was made.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, About::Job, message)
    }

    /// An error found while reading a line.
    pub fn reading(location: impl Into<Location>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, About::Line, message).at(Some(location))
    }

    /// Something that may be meant otherwise than it is written; it goes on.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, About::Job, message)
    }

    /// Something that the program whose language it is would not mention.
    pub fn advice(message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, About::Job, message)
    }

    /// One about a whole file.
    pub fn about_file(severity: Severity, file: &str, message: impl Into<String>) -> Self {
        let location = Location { file: file.to_owned(), spot: Spot::Whole };
        Self::new(severity, About::Submission, message).at(Some(location))
    }

    /// One about a line of a file; line 0 is the whole file.
    pub fn about_line(
        severity: Severity,
        file: &str,
        line: u32,
        message: impl Into<String>,
    ) -> Self {
        let spot = if line == 0 { Spot::Whole } else { Spot::Line(line) };
        let location = Location { file: file.to_owned(), spot };
        Self::new(severity, About::Line, message).at(Some(location))
    }

    /// One without a place.
    pub fn new(severity: Severity, about: About, message: impl Into<String>) -> Self {
        Self { severity, about, message: message.into(), location: None, hint: None }
    }

    /// The same, placed.
    #[must_use]
    pub fn at(mut self, location: Option<impl Into<Location>>) -> Self {
        self.location = location.map(|location| Box::new(location.into()));
        self
    }

    /// The same, with what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, about something else.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// Whether nothing comes of what was written.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The file that it is about, if it is about one.
    pub fn file(&self) -> &str {
        self.location.as_ref().map_or("", |location| &location.file)
    }

    /// The line, from 1; 0 if it is about no line.
    pub fn line(&self) -> u32 {
        self.location.as_ref().map_or(0, |location| match location.spot {
            Spot::Whole => 0,
            Spot::Line(line) | Spot::Column { line, .. } => line,
        })
    }

    /// The column, in characters from 1.
    pub fn column(&self) -> u32 {
        self.location.as_ref().map_or(1, |location| match location.spot {
            Spot::Whole | Spot::Line(_) => 1,
            Spot::Column { column, .. } => column,
        })
    }

    /// The message, with the command that it is about.
    pub fn full_message(&self) -> String {
        match self.about {
            About::Command(command) if self.is_error() => {
                format!("Failed to parse {command} command: {}", self.message)
            }
            About::Command(command) => format!("{command}: {}", self.message),
            About::Line | About::Raised | About::Job | About::Submission | About::Macro => {
                self.message.clone()
            }
        }
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
        let mut text = format!("{word}: {}\n", self.full_message().trim_end());
        if let Some(location) = &self.location {
            text += &location.render();
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  = hint: {hint}");
        }
        text
    }
}

impl Location {
    fn render(&self) -> String {
        let Self { file, spot } = self;
        match spot {
            Spot::Whole => format!(" --> {file}\n"),
            Spot::Line(line) => format!(" --> {file}:{line}\n"),
            Spot::Column { line, column, text } => {
                let gutter = line.to_string();
                let pad = " ".repeat(gutter.len());
                let taken = text.chars().take((*column as usize).saturating_sub(1));
                let before: String = taken.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
                format!(
                    "{pad}--> {file}:{line}:{column}\n{pad} |\n{gutter} | {text}\n{pad} | {before}^\n"
                )
            }
        }
    }
}
