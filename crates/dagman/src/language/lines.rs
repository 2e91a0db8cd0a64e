//! Where commands begin and end: continued lines are joined, comments and empty lines skipped, and
//! a description between `{` and `}` belongs to the command in front of it.
//!
//! Knows the keywords that may have a description, and nothing else of commands.

use std::borrow::Cow;

use super::command::Keyword;
use model::diagnostic::{About, Diagnostic, Location, Severity, Spot};

/// A command's text: one line, but for a description in it.
#[derive(Clone, Debug)]
pub struct Line<'s> {
    /// The text; continued lines are joined by one blank.
    pub text: Cow<'s, str>,
    /// The keyword, if the first word is one.
    pub keyword: Option<Keyword>,
    /// The number of its first line, from 1.
    pub number: u32,
    /// Where the pieces of a joined text begin: there, and in the source. Empty if nothing was
    /// joined.
    pieces: Vec<(usize, usize)>,
    /// Where it begins in the source.
    start: usize,
    /// How an unfinished description should have ended.
    pub(super) unclosed: Option<String>,
}

impl<'s> Line<'s> {
    /// The first word.
    pub fn first_word(&self) -> &str {
        self.text.split_ascii_whitespace().next().unwrap_or_default()
    }

    /// Where a byte of the text is in the source.
    fn source_offset(&self, at: usize) -> usize {
        let piece = self.pieces.iter().rev().find(|(there, _)| *there <= at);
        piece.map_or(self.start + at, |(there, source)| source + (at - there))
    }

    /// A message about a place in it. `source` is the text that it was read from.
    pub fn diagnose(
        &self,
        severity: Severity,
        (file, source): (&str, &str),
        at: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let mut offset = self.source_offset(at).min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line_start = source[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[offset..].find('\n').map_or(source.len(), |n| offset + n);
        let skipped = source[self.start.min(offset)..offset].matches('\n').count();
        let column = source[line_start..offset].chars().count() + 1;
        let text = source[line_start..line_end].trim_end();
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = self.number.saturating_add(short(skipped));
        let spot = match shortened(text) {
            "" => Spot::Line(line),
            text => Spot::Column { line, column: short(column), text: text.to_owned() },
        };
        let about = self.keyword.map_or(About::Line, |keyword| About::Command(keyword.label()));
        let location = Location { file: file.to_owned(), spot };
        Diagnostic::new(severity, about, message).at(Some(location))
    }
}

/// Whether a line is empty or a comment. Such lines are nothing between two that are continued, and
/// in a description, too.
pub(super) fn says_nothing(line: &str) -> bool {
    let text = line.trim_ascii_start();
    text.is_empty() || text.starts_with('#') || text.starts_with("//")
}

/// A line as messages show it: the start of it, if somebody wrote a megabyte into one.
fn shortened(text: &str) -> &str {
    const LIMIT: usize = 400;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The commands of a text.
#[derive(Clone, Debug)]
pub struct Lines<'s> {
    source: &'s str,
    at: usize,
    number: u32,
}

impl<'s> Lines<'s> {
    /// All commands of a text.
    pub fn new(source: &'s str) -> Self {
        Self { source, at: 0, number: 0 }
    }

    /// The next physical line and where it begins, without its end.
    fn physical(&mut self) -> Option<(usize, &'s str)> {
        let start = self.at;
        let rest = &self.source[start..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').unwrap_or(rest.len());
        self.at = (start + length + 1).min(self.source.len());
        self.number += 1;
        let line = &rest[..length];
        Some((start, line.strip_suffix('\r').unwrap_or(line)))
    }

    /// Takes the lines up to the one that closes a description; `None` and nothing taken if there
    /// is none.
    fn closing(&mut self, closes: impl Fn(&str) -> bool) -> Option<usize> {
        let mut ahead = self.clone();
        while let Some((start, line)) = ahead.physical() {
            if closes(line.trim_ascii_start()) {
                *self = ahead;
                return Some(start + line.len());
            }
        }
        None
    }

    /// Adds a description that begins in the line.
    fn with_inline(&mut self, mut line: Line<'s>) -> Line<'s> {
        let Some(opener) = opener(&line) else { return line };
        let tag = opener.strip_prefix("@=").map(|tag| format!("@{tag}"));
        let end = match &tag {
            Some(tag) => self.closing(|line| line.split([' ', '\t']).next() == Some(tag)),
            None => self.closing(|line| line.starts_with('}')),
        };
        match end {
            Some(end) if line.pieces.is_empty() => {
                line.text = Cow::Borrowed(self.source[line.start..end].trim_ascii_end());
            }
            Some(end) => {
                let (there, source) = line.pieces[line.pieces.len() - 1];
                let first_end = source + line.text.len() - there;
                line.text.to_mut().push_str(self.source[first_end..end].trim_ascii_end());
            }
            None => {
                line.unclosed = Some(tag.unwrap_or_else(|| "}".to_owned()));
                // all that follows may be meant to be in it: nothing sensible can be said of it
                self.at = self.source.len();
            }
        }
        line
    }
}

/// `{` or `@=TAG`, if that is what stands where a command has its description.
fn opener<'l>(line: &'l Line<'_>) -> Option<&'l str> {
    if !line.keyword.is_some_and(Keyword::has_inline) {
        return None;
    }
    let word = line.text.split([' ', '\t']).filter(|word| !word.is_empty()).nth(2)?;
    (word.starts_with('{') || (word.starts_with("@=") && word.len() > 2)).then_some(word)
}

impl<'s> Iterator for Lines<'s> {
    type Item = Line<'s>;

    fn next(&mut self) -> Option<Line<'s>> {
        let (start, first) = loop {
            let (start, line) = self.physical()?;
            let trimmed = line.trim_ascii();
            if !says_nothing(trimmed) {
                break (start + (line.len() - line.trim_ascii_start().len()), trimmed);
            }
        };
        let word_end = first.find([' ', '\t']).unwrap_or(first.len());
        let mut line = Line {
            text: Cow::Borrowed(first),
            keyword: Keyword::read(&first[..word_end]),
            number: self.number,
            pieces: Vec::new(),
            start,
            unclosed: None,
        };
        while let Some(continued) = line.text.strip_suffix('\\') {
            let length = continued.len();
            let next = loop {
                match self.physical() {
                    None => break None,
                    Some((start, line)) => {
                        let trimmed = line.trim_ascii();
                        if !says_nothing(trimmed) {
                            break Some((
                                start + line.len() - line.trim_ascii_start().len(),
                                trimmed,
                            ));
                        }
                    }
                }
            };
            let text = line.text.to_mut();
            text.truncate(length);
            let Some((start, next)) = next else { break };
            if line.pieces.is_empty() {
                line.pieces.push((0, line.start));
            }
            text.push(' ');
            line.pieces.push((text.len(), start));
            text.push_str(next);
        }
        Some(self.with_inline(line))
    }
}
