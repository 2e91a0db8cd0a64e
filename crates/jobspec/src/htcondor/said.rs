//! What `condor_submit` 25.14 prints of a [`Diagnostic`], to the letter.

use model::diagnostic::{About, Diagnostic, Severity, Spot};

use crate::language::read::{NO_COMMAND, NO_STATEMENT};

/// What `condor_submit` writes to its standard error, of all that was found: what macro functions
/// say as it happens, then the last that was found first. A mistake of the text has all before it
/// in its own message.
pub fn said_all(diagnostics: &[Diagnostic]) -> Vec<(&Diagnostic, String)> {
    let (macros, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        diagnostics.iter().partition(|one| one.is_error() && one.about == About::Macro);
    let mut all: Vec<_> = macros.into_iter().map(|one| (one, said(one))).collect();
    match others.split_last() {
        Some((mistake, before)) if is_of_the_text(mistake) => {
            let before = before.iter().rev().filter(|one| one.severity == Severity::Warning);
            let lines: Vec<String> =
                before.map(|one| format!("Submit:0:{}\n", one.message)).collect();
            all.push((mistake, mistake_of_the_text(mistake, &lines.join("|"))));
        }
        _ => all.extend(others.into_iter().rev().map(|one| (one, said(one)))),
    }
    all
}

fn is_of_the_text(diagnostic: &Diagnostic) -> bool {
    let is_about = matches!(diagnostic.about, About::Line | About::Raised);
    diagnostic.is_error() && is_about
}

/// A mistake that ends the reading of a description; `before` are the warnings so far.
fn mistake_of_the_text(diagnostic: &Diagnostic, before: &str) -> String {
    let line = diagnostic.line();
    let name = if line == 0 { "submit file" } else { diagnostic.file() };
    let message = &diagnostic.message;
    let told = |what: String| match before {
        "" => what,
        before => format!("{what}\n|{before}"),
    };
    let message = match (message.as_str(), diagnostic.about) {
        // It says only where, and what cannot be a name.
        (NO_STATEMENT, _) => illegal_identifier(diagnostic),
        (_, About::Raised) => told(raised(name, line, message)),
        _ if before.is_empty() => message.clone(),
        _ => format!("{message}\n{before}"),
    };
    format!(
        "\nERROR: on Line {line} of {name}: {message}\n\nERROR: Failed to parse command file (line {line}).\n"
    )
}

/// What a line brought up: by `error`, or by what it includes, which has a line of its own.
fn raised(name: &str, line: u32, message: &str) -> String {
    let no_command = format!(": {NO_COMMAND}");
    let included = match (message.strip_prefix("can't open file "), message.find(&no_command)) {
        (Some(rest), _) => rest.split_once(": ").map(|(included, _)| (included, message)),
        (None, Some(at)) => Some((&message[..at], &message[at + 2..])),
        (None, None) => None,
    };
    match included {
        Some((included, why)) => {
            format!("\nSubmit:-1:Error \"{included}\", Line 0, Include Depth 1: {why}\n")
        }
        None => format!("\nSubmit:-1:Error \"{name}\", Line {line}: {message}\n"),
    }
}

/// What `condor_submit` writes to its standard error.
pub fn said(diagnostic: &Diagnostic) -> String {
    if is_of_the_text(diagnostic) {
        return mistake_of_the_text(diagnostic, "");
    }
    let (message, line) = (&diagnostic.message, diagnostic.line());
    match (diagnostic.severity, diagnostic.about) {
        (Severity::Advice, _) => String::new(),
        (Severity::Warning, _) => format!("WARNING: {message}\n"),
        (Severity::Error, About::Submission) => format!("\nERROR: {message}\n"),
        (Severity::Error, About::Macro) => {
            let step = diagnostic.hint.as_ref().map(|step| format!("\t {step}\n"));
            let step = step.unwrap_or_default();
            format!("ERROR at Queue statement on Line {line}: {message}\n{step}")
        }
        (Severity::Error, _) => format!("ERROR: {message}\n"),
    }
}

/// What stands before the `=` of a line, in the words for something that is no name.
fn illegal_identifier(diagnostic: &Diagnostic) -> String {
    let Some(Spot::Column { line, text, .. }) = diagnostic.location.as_ref().map(|at| &at.spot)
    else {
        return String::new();
    };
    let file = diagnostic.file();
    if text.find(':').is_some_and(|at| !text[..at].contains('=')) {
        return format!(
            "invalid queue statement.\nSubmit:-1:Error \"{file}\", Line {line}: cannot parse: {}",
            text.trim()
        );
    }
    let Some((name, _)) = text.split_once('=') else { return String::new() };
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if name.contains([' ', '\t']) || (!name.is_empty() && name.chars().all(is_name)) {
        return String::new();
    }
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
