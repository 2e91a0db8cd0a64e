//! Text to statements, by `grammar/submit.pest`. Says what is wrong with lines that are no
//! statement.

use std::sync::Arc;

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{Description, Include, Queue, Statement, StatementKind, Text};
use crate::source::Source;
use model::diagnostic::Diagnostic;

/// The parser that pest makes of the grammar. Its rules stay inside this module and `queue`.
#[derive(pest_derive::Parser)]
#[grammar = "../../grammar/submit.pest"]
pub(crate) struct SubmitParser;

/// A description longer than this is no description. A million item rows of 40 bytes fit.
pub(crate) const MAX_TEXT_BYTES: usize = 64 << 20;

/// Reads a description. `name` is what messages call it by.
///
/// # Errors
/// Only if the text is too long, or is none: lines that are no statements are told by `expand`,
/// because one behind a false `if` does no harm.
pub fn parse(text: &str, name: &str) -> Result<Description, Vec<Diagnostic>> {
    if text.len() > MAX_TEXT_BYTES {
        let length = text.len();
        let message = format!("{name} is {length} bytes long, {MAX_TEXT_BYTES} are the limit");
        return Err(vec![
            Diagnostic::error(message).hint("put the items into a file, and queue ... from it"),
        ]);
    }
    if let Some(at) = text.find('\0') {
        let line = text[..at].matches('\n').count() + 1;
        let message = format!("line {line} of {name} has a NUL in it, which no text has");
        return Err(vec![Diagnostic::error(message)]);
    }
    // Editors of other systems begin a file with a mark that is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let pairs = SubmitParser::parse(Rule::file, text)
        .map_err(|error| vec![Diagnostic::error(format!("{name}: {}", error.variant.message()))])?;
    let lines = pairs.into_iter().flat_map(Pair::into_inner);
    let statements = lines.filter_map(statement).collect();
    Ok(Description { source, statements })
}

/// The statement that a line's pair stands for; `None` for comments.
fn statement(pair: Pair<'_, Rule>) -> Option<Statement> {
    let offset = pair.as_span().start();
    let kind = match pair.as_rule() {
        Rule::assignment => {
            let (name, value) = name_and_text(pair);
            StatementKind::Assign { name, value }
        }
        Rule::attribute => {
            let (name, value) = name_and_text(pair);
            StatementKind::Assign { name: format!("MY.{name}"), value }
        }
        Rule::block => block(pair),
        Rule::condition => condition(pair),
        Rule::include => StatementKind::Include(include(pair)),
        Rule::r#use => StatementKind::Use(only_text(pair)),
        Rule::message => message(pair),
        Rule::queue => StatementKind::Queue(Queue { arguments: only_text(pair), rows: None }),
        Rule::queue_rows => StatementKind::Queue(queue_rows(pair)),
        Rule::unknown => StatementKind::Unknown(pair.as_str().trim().to_owned()),
        // comments and the end of input; every other rule is only ever inside a statement
        _ => return None,
    };
    Some(Statement { offset, kind })
}

fn name_and_text(pair: Pair<'_, Rule>) -> (String, Text) {
    let mut inner = pair.into_inner();
    let name = inner.next().map(|name| name.as_str().to_owned()).unwrap_or_default();
    (name, inner.next().map_or_else(Text::empty, text))
}

fn only_text(pair: Pair<'_, Rule>) -> Text {
    pair.into_inner().find(|inner| inner.as_rule() == Rule::text).map_or_else(Text::empty, text)
}

/// White space around a value is that of ASCII: a no-break space belongs to the value.
fn text(pair: Pair<'_, Rule>) -> Text {
    let offset = pair.as_span().start();
    let pieces = pair.into_inner().filter(|inner| inner.as_rule() == Rule::piece);
    let joined: String = pieces.map(|piece| piece.as_str()).collect();
    let leading = joined.len() - joined.trim_ascii_start().len();
    Text { value: joined.trim_ascii().to_owned(), offset: offset + leading }
}

fn block(pair: Pair<'_, Rule>) -> StatementKind {
    let offset = pair.as_span().start();
    let mut name = String::new();
    let mut lines = Vec::new();
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::name => name = inner.as_str().to_owned(),
            Rule::block_line => lines.push(inner.into_inner().as_str().trim_ascii_end()),
            _ => {}
        }
    }
    lines.retain(|line| !line.starts_with('#'));
    StatementKind::Assign { name, value: Text { value: join_continued(lines).join("\n"), offset } }
}

fn condition(pair: Pair<'_, Rule>) -> StatementKind {
    let word = pair.clone().into_inner().next().map(|word| word.as_rule());
    let text = only_text(pair);
    match word {
        Some(Rule::if_word) => StatementKind::If(text),
        Some(Rule::elif_word) => StatementKind::Elif(text),
        Some(Rule::else_word) => StatementKind::Else,
        _ => StatementKind::EndIf,
    }
}

fn include(pair: Pair<'_, Rule>) -> Include {
    let mut include = Include { if_exist: false, command: false, into: None, what: Text::empty() };
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::ifexist_word => include.if_exist = true,
            Rule::command_word => include.command = true,
            Rule::into => {
                include.into = inner.into_inner().next().map(|file| file.as_str().to_owned());
            }
            Rule::text => include.what = text(inner),
            _ => {}
        }
    }
    if let Some(command) = include.what.value.strip_suffix('|') {
        include.what.value = command.trim_end().to_owned();
        include.command = true;
    }
    include
}

fn message(pair: Pair<'_, Rule>) -> StatementKind {
    let word = pair.clone().into_inner().next().map(|word| word.as_rule());
    let text = only_text(pair);
    if word == Some(Rule::warning_word) {
        StatementKind::Warning(text)
    } else {
        StatementKind::Error(text)
    }
}

fn queue_rows(pair: Pair<'_, Rule>) -> Queue {
    let mut arguments = Text::empty();
    let mut rows = Vec::new();
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::opening => {
                let offset = inner.as_span().start();
                arguments = Text { value: inner.as_str().trim_ascii().to_owned(), offset };
            }
            // What follows the parenthesis on its line is a row only if anything does.
            Rule::first_row => {
                let row = inner.as_str().trim_ascii();
                rows.extend((!row.is_empty()).then(|| row.to_owned()));
            }
            Rule::row => rows.push(inner.as_str().trim_ascii().to_owned()),
            _ => {}
        }
    }
    rows.retain(|row| !row.starts_with('#'));
    let rows = join_continued(rows.iter().map(String::as_str));
    Queue { arguments, rows: Some(rows) }
}

/// Lines of a value or a list; one that ends with `\` goes on in the next, whose leading white
/// space is dropped (HTCondor 25.14).
pub(crate) fn join_continued<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let (line, continued) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match joined.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(line.trim_ascii_start()),
            None => joined.push(line.to_owned()),
        }
        goes_on = continued;
    }
    joined
}

impl Text {
    fn empty() -> Self {
        Self { value: String::new(), offset: 0 }
    }
}
