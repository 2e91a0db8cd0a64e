//! What `condor_submit` 25.14 prints of a [`Diagnostic`], to the letter.

use model::diagnostic::{About, Diagnostic, Severity, Spot};

use crate::language::read::NO_STATEMENT;

/// What `condor_submit` writes to its standard error.
pub fn said(diagnostic: &Diagnostic) -> String {
    let illegal;
    let message = match diagnostic.message.as_str() {
        // It says only where, and what cannot be a name.
        NO_STATEMENT => {
            illegal = illegal_identifier(diagnostic);
            illegal.as_str()
        }
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

/// What stands before the `=` of a line, in the words for something that is no name.
fn illegal_identifier(diagnostic: &Diagnostic) -> String {
    let Some(Spot::Column { line, text, .. }) = diagnostic.location.as_ref().map(|at| &at.spot)
    else {
        return String::new();
    };
    let Some((name, _)) = text.split_once('=') else { return String::new() };
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if name.contains([' ', '\t']) || (!name.is_empty() && name.chars().all(is_name)) {
        return String::new();
    }
    let file = diagnostic.file();
    format!("\nSubmit:-1:Error \"{file}\", Line {line}: Illegal Identifier: <{name}>")
}

#[cfg(test)]
mod tests {
    use model::diagnostic::Location;

    use super::*;

    #[test]
    fn what_cannot_be_a_name_is_named() {
        for (line, named) in [
            ("a-b = 4", Some("a-b")),
            ("é = 4", Some("é")),
            ("= 3", Some("")),
            ("\"a\" = 3", Some("\"a\"")),
            ("a$b=3", Some("a$b")),
            ("a b = 3", None),
            ("hello world", None),
        ] {
            let spot = Spot::Column { line: 2, column: 1, text: line.to_owned() };
            let at = Location { file: "t.sub".to_owned(), spot };
            let message = said(&Diagnostic::reading(at, NO_STATEMENT));
            let named = named.map_or_else(String::new, |name| {
                format!("\nSubmit:-1:Error \"t.sub\", Line 2: Illegal Identifier: <{name}>")
            });
            let expected = format!(
                "\nERROR: on Line 2 of t.sub: {named}\n\nERROR: Failed to parse command file (line 2).\n"
            );
            assert_eq!(message, expected, "{line}");
        }
    }
}
