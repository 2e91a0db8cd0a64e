//! What is wrong, or odd, about a DAG: the message, where it is, and what would be right.
//!
//! It owns the line that it is about, not the text: files are large, and messages few. Knows
//! nothing of what is diagnosed.

use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, and HTCondor would say nothing.
    Advice,
    /// It runs all the same.
    Warning,
    /// No node of the DAG runs.
    Error,
}

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The command that it is about, as HTCondor spells it: `ABORT_DAG_ON`.
    pub command: Option<&'static str>,
    /// What is wrong; in HTCondor's words where it has any.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 if it is about the file.
    pub line: u32,
    /// The column, in characters from 1.
    pub column: u32,
    /// The text of the line.
    pub text: String,
}

impl Diagnostic {
    /// One about a whole file.
    pub fn about_file(severity: Severity, file: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            command: None,
            message: message.into(),
            hint: None,
            file: file.to_owned(),
            line: 0,
            column: 1,
            text: String::new(),
        }
    }

    /// The same, with what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether nothing may run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For people: the message, the line with a caret below, and the hint.
    ///
    /// ```text
    /// error: Failed to parse RETRY command: References undefined node aling
    ///  --> main.dag:3:7
    ///   |
    /// 3 | RETRY aling 2
    ///   |       ^
    ///   = hint: did you mean align?
    /// ```
    pub fn render(&self) -> String {
        let word = match self.severity {
            Severity::Advice => "advice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let mut text = format!("{word}: {}\n", self.full_message());
        let Self { file, line, column, .. } = self;
        if *line == 0 {
            let _ = writeln!(text, " --> {file}");
        } else if self.text.is_empty() {
            let _ = writeln!(text, " --> {file}:{line}");
        } else {
            let gutter = line.to_string();
            let pad = " ".repeat(gutter.len());
            let before: String = self
                .text
                .chars()
                .take(*column as usize - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let _ = write!(
                text,
                "{pad}--> {file}:{line}:{column}\n{pad} |\n{gutter} | {}\n{pad} | {before}^\n",
                self.text
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  = hint: {hint}");
        }
        text
    }

    /// In a line, as `condor_dag_checker` lists it.
    pub fn condor(&self) -> String {
        format!("{}:{} {}", self.file, self.line, self.full_message())
    }

    fn full_message(&self) -> String {
        match self.command {
            Some(command) => format!("Failed to parse {command} command: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// The one of `names` that is most like `name`, if any is like it at all.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LIKE: f64 = 0.75;
    let lower = name.to_lowercase();
    let scored = names.map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known));
    let best = scored.filter(|(score, _)| *score >= LIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known)
}
