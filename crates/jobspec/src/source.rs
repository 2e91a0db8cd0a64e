//! Texts that are read, and places in them. A place is cheap to keep, for every word of a text; a
//! message about one has a [`Location`], which owns the line.

use std::sync::Arc;

use model::diagnostic::{Location, Spot};

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

impl Place {
    /// The line that closes the list that this line opens; this line if it opens none.
    pub fn closing(&self) -> Self {
        let text = &self.source.text[self.clamped()..];
        let first = text.lines().next().unwrap_or_default();
        let mut place = self.clone();
        if !first.trim_end().ends_with('(') {
            return place;
        }
        let mut lines = text.split_inclusive('\n');
        place.offset += lines.next().map_or(0, str::len);
        for line in lines {
            if line.trim_start().starts_with(')') {
                return place;
            }
            place.offset += line.len();
        }
        self.clone()
    }

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

impl From<Place> for Location {
    fn from(place: Place) -> Self {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (line, column) = place.line_column();
        let text = place.line_text().to_owned();
        let spot = Spot::Column { line: short(line), column: short(column), text };
        Self { file: place.source.name.clone(), spot }
    }
}
