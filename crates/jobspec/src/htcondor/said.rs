//! What `condor_submit` 25.14 prints of a [`Diagnostic`], to the letter.

use model::diagnostic::{About, Diagnostic, Severity};

use crate::language::read::NO_STATEMENT;

/// What `condor_submit` writes to its standard error.
pub fn said(diagnostic: &Diagnostic) -> String {
    let message = match diagnostic.message.as_str() {
        // It says only where.
        NO_STATEMENT => "",
        message => message,
    };
    let line = diagnostic.line();
    match (diagnostic.severity, diagnostic.about) {
        (Severity::Advice, _) => String::new(),
        (Severity::Warning, _) => format!("WARNING: {message}\n"),
        (Severity::Error, About::Line) => {
            let name = if line == 0 { "submit file" } else { diagnostic.file() };
            format!(
                "\nERROR: on Line {line} of {name}: {message}\n\nERROR: Failed to parse command file (line {line}).\n"
            )
        }
        (Severity::Error, About::Job | About::Command(_)) => format!("ERROR: {message}\n"),
        (Severity::Error, About::Submission) => format!("\nERROR: {message}\n"),
        (Severity::Error, About::Macro) => {
            format!("\nERROR at Queue statement on Line {line}: {message}\n")
        }
    }
}
