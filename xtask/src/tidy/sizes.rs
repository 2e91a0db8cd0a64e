//! Functions fit a screen, files fit a mind: 70 and 800 lines. What is larger today stands in
//! `xtask/tidy-exceptions.txt` with its size and may only shrink: a file or function that grew, or
//! an entry that is no longer needed, is a violation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::code::without_tests;
use super::source::Source;

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 800;
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

/// Checks every file against the limits and the exceptions.
pub(super) fn check(sources: &[Source], root: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(root.join(EXCEPTIONS)).with_context(|| format!("read {EXCEPTIONS}"))?;
    Ok(compare(&measure(sources), &exceptions(&text)?))
}

/// What is too large, by `path` or `path:function`.
fn measure(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut large = BTreeMap::new();
    for source in sources {
        let code = &without_tests(&source.text);
        let lines = code.lines().count();
        if lines > FILE_LINES {
            large.insert(source.path.clone(), lines);
        }
        for (name, lines) in
            functions(code).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES)
        {
            large.insert(format!("{}:{name}", source.path), lines);
        }
    }
    large
}

/// The functions of a file with their lengths, by indentation: rustfmt closes a function where its
/// `fn` began.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    for (n, line) in code.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match &open {
            Some((name, depth, start))
                if indent == *depth && line.trim_start().starts_with('}') =>
            {
                found.push((name.clone(), n - start + 1));
                open = None;
            }
            Some(_) => {}
            None => open = function_name(line).map(|name| (name, indent, n)),
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let words = line.trim_start();
    if words.starts_with("//") || words.ends_with(';') || words.ends_with('}') {
        return None;
    }
    let (before, after) = words.split_once("fn ")?;
    let is_declaration = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || word.starts_with("in ")
            || ["async", "const", "extern", "\"C\"", "unsafe"].contains(&word)
    });
    is_declaration.then(|| after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

fn exceptions(text: &str) -> Result<BTreeMap<String, usize>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (what, size) = line
                .rsplit_once(' ')
                .with_context(|| format!("{EXCEPTIONS}: '{line}' is not 'what lines'"))?;
            Ok((
                what.trim().to_owned(),
                size.parse().with_context(|| format!("{EXCEPTIONS}: '{size}'"))?,
            ))
        })
        .collect()
}

fn compare(large: &BTreeMap<String, usize>, allowed: &BTreeMap<String, usize>) -> Vec<String> {
    let mut violations = Vec::new();
    for (what, lines) in large {
        match allowed.get(what) {
            None => violations.push(format!(
                "{what}: {lines} lines; a function has at most {FUNCTION_LINES}, a file {FILE_LINES} without its tests: split it"
            )),
            Some(limit) if lines > limit => violations.push(format!("{what}: grew from {limit} to {lines} lines: the exception only shrinks")),
            Some(limit) if lines < limit => violations.push(format!("{what}: {lines} lines now: lower its entry in {EXCEPTIONS}")),
            Some(_) => {}
        }
    }
    for what in allowed.keys().filter(|what| !large.contains_key(*what)) {
        violations.push(format!("{what}: no longer too large: remove its entry from {EXCEPTIONS}"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(function_lines: usize) -> Vec<Source> {
        let body = "    x();\n".repeat(function_lines - 2);
        vec![Source {
            path: "a.rs".to_owned(),
            text: format!(
                "//! H.\n\nimpl A {{\n    pub(crate) async fn long() {{\n{body}    }}\n}}\n"
            ),
        }]
    }

    #[test]
    fn a_function_is_measured_from_its_head_to_its_brace() {
        assert_eq!(measure(&source(70)), BTreeMap::new());
        assert_eq!(measure(&source(71)), [("a.rs:long".to_owned(), 71)].into());
    }

    #[test]
    fn an_exception_may_only_shrink() {
        let at = |n: usize| [("a.rs:long".to_owned(), n)].into();
        assert_eq!(compare(&at(80), &at(80)), Vec::<String>::new());
        assert_eq!(compare(&at(81), &at(80)).len(), 1);
        assert_eq!(compare(&at(79), &at(80)).len(), 1);
        assert_eq!(compare(&BTreeMap::new(), &at(80)).len(), 1);
        assert_eq!(compare(&at(80), &BTreeMap::new()).len(), 1);
    }
}
