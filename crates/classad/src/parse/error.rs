//! What a person is told when a text is not in the language.

use std::fmt;

/// Why a text could not be read, and where.
///
/// ```
/// let error = classad::Expr::parse("Memory >= 10K").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "line 1, column 11: `10K` is not a number: numbers have no unit; expected `10 * 1024`"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// The line, counting from 1.
    pub line: usize,
    /// The column in characters, counting from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right there.
    pub expected: String,
}

impl ParseError {
    /// An error at a byte of the text.
    pub(crate) fn new(text: &str, byte: usize, message: String, expected: String) -> ParseError {
        let before = &text[..floor_char_boundary(text, byte)];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() + 1;
        ParseError { line, column, message, expected }
    }

    /// The same error, for a text that begins `lines` lines further down in a larger one.
    pub(crate) fn moved_down(mut self, lines: usize) -> ParseError {
        self.line += lines;
        self
    }

    /// The same error, for a text whose first line begins `columns` characters into its line.
    pub(crate) fn moved_right(mut self, columns: usize) -> ParseError {
        if self.line == 1 {
            self.column += columns;
        }
        self
    }
}

fn floor_char_boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        if self.expected.is_empty() { Ok(()) } else { write!(f, "; expected {}", self.expected) }
    }
}
