//! What a `queue` statement asks for: how many jobs for each item, which loop variables, which
//! items.

use pest::Parser;
use pest::iterators::Pair;

use crate::language::ast::Queue;
use crate::language::evaluate;
use crate::language::macros::{MacroError, Scope};
use crate::language::parse::{Rule, SubmitParser, join_continued};

/// No statement queues more jobs. A cluster's procs are numbered by a `u32`, and a slip of the
/// keyboard (`queue 1000000000000`) should not get near its end.
pub(super) const MAX_PROCS: u32 = 100_000_000;

/// Parentheses in a count expression nest no deeper: the grammar recurses there.
const MAX_NESTING: usize = 64;

/// What is separated by commas and blanks.
const SEPARATORS: [char; 3] = [',', ' ', '\t'];

/// The jobs of one statement.
#[derive(Debug)]
pub(super) struct QueuePlan {
    /// Jobs for each item.
    pub(super) count: u32,
    /// The loop variables.
    pub(super) variables: Vec<String>,
    /// The items; none if the statement has only a count.
    pub(super) items: Option<Items>,
}

#[derive(Debug)]
pub(super) struct Items {
    rows: Vec<String>,
    /// The rows that the slice selects.
    selected: Vec<usize>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    #[error("Invalid Queue count expression")]
    Count { text: String },
    #[error("Queue count out of range")]
    OutOfRange { count: i64 },
    #[error("can't open file {path}: {source}")]
    File { path: String, source: crate::SiteError },
    #[error("{0}")]
    Command(crate::SiteError),
    #[error("the pattern {pattern} cannot be matched: {source}")]
    Pattern { pattern: String, source: crate::SiteError },
    #[error("the step of the slice {0} is not a positive number")]
    Step(String),
    /// HTCondor 25.14's words.
    #[error("Invalid [::] statement")]
    Slice { text: String },
    /// HTCondor's words too, but for the line, which is told before.
    #[error("Reached end of file without finding closing brace ')' for Queue command")]
    Open { text: String },
    #[error("{0}")]
    Macro(#[from] MacroError),
}

impl QueueError {
    /// What would be right.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Count { text } if text.is_empty() => Some("the items are missing".to_owned()),
            Self::Count { text } => Some(format!(
                "'{text}' is neither a number nor a list: queue N, or queue NAME in (a b c), or queue NAME from FILE; a slice stands before the list: queue NAME from [1:] FILE"
            )),
            Self::OutOfRange { count } => Some(format!("{count} is not between 0 and {MAX_PROCS}")),
            Self::Step(_) => Some("for example [0:10:2]".to_owned()),
            Self::Slice { text } => {
                Some(format!("{text} is not [first:end:step] of whole numbers"))
            }
            Self::Open { text } => Some(match text.rfind(')') {
                Some(at) => format!(
                    "nothing may follow the closing parenthesis: '{}'",
                    text[at + 1..].trim()
                ),
                None => "a list that is opened by '(' is closed by ')'".to_owned(),
            }),
            Self::File { .. } | Self::Command(_) | Self::Pattern { .. } | Self::Macro(_) => None,
        }
    }
}

/// What the statement asks for.
pub(super) fn plan(scope: &Scope<'_>, queue: &Queue) -> Result<QueuePlan, QueueError> {
    let mut text = scope.expand(&queue.arguments.value)?;
    if queue.rows.is_some() {
        // the opening parenthesis is the last character; the rows stand for what is inside
        text.push(')');
    }
    let text = text.trim();
    if deepest_nesting(text) > MAX_NESTING {
        return Err(QueueError::Count { text: text.to_owned() });
    }
    let pairs = SubmitParser::parse(Rule::queue_arguments, text);
    let foreach = pairs
        .ok()
        .into_iter()
        .flatten()
        .flat_map(Pair::into_inner)
        .find_map(|pair| (pair.as_rule() == Rule::foreach).then_some(pair));
    match foreach {
        Some(foreach) => plan_foreach(scope, foreach, queue.rows.as_deref()),
        None => Ok(QueuePlan { count: count(text)?, variables: Vec::new(), items: None }),
    }
}

fn deepest_nesting(text: &str) -> usize {
    let depths = text.chars().scan(0_usize, |depth, c| {
        match c {
            '(' => *depth += 1,
            ')' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    depths.max().unwrap_or(0)
}

/// HTCondor 25.14: no count and 0 are 1; a real is cut off.
fn count(text: &str) -> Result<u32, QueueError> {
    if text.trim().is_empty() {
        return Ok(1);
    }
    let number = evaluate::constant(text)
        .filter(|value| value.as_f64().is_some())
        .and_then(|_| evaluate::integer(text))
        .ok_or_else(|| QueueError::Count { text: text.to_owned() })?;
    match u32::try_from(number) {
        Ok(count) if count <= MAX_PROCS => Ok(count.max(1)),
        _ => Err(QueueError::OutOfRange { count: number }),
    }
}

/// Where the items come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemSource {
    In,
    From,
    Matching { files: bool, dirs: bool },
}

fn plan_foreach(
    scope: &Scope<'_>,
    foreach: Pair<'_, Rule>,
    rows: Option<&[String]>,
) -> Result<QueuePlan, QueueError> {
    let mut per_item = 1;
    let mut variables = Vec::new();
    let mut kind = ItemSource::In;
    let mut slice = None;
    let mut items = "";
    for pair in foreach.into_inner() {
        match pair.as_rule() {
            Rule::count => per_item = count(pair.as_str())?,
            Rule::variables => {
                variables = pair.into_inner().map(|v| v.as_str().to_owned()).collect();
            }
            Rule::foreach_kind => kind = kind_of(pair),
            Rule::slice => slice = Some(pair),
            Rule::items => items = pair.as_str().trim(),
            _ => {}
        }
    }
    let mut rows = match rows {
        Some(rows) if kind == ItemSource::From => rows.to_vec(),
        Some(rows) => load(scope, kind, &rows.join(" "))?,
        None => load(scope, kind, items)?,
    };
    if kind == ItemSource::From {
        repeat_for_blanks(&mut rows);
    }
    let selected = match slice {
        Some(slice) => Slice::parse(slice)?.select(rows.len()),
        None => (0..rows.len()).collect(),
    };
    if variables.is_empty() {
        variables.push("Item".to_owned());
    }
    Ok(QueuePlan { count: per_item, variables, items: Some(Items { rows, selected }) })
}

/// A blank row is an item with the values of the one before (HTCondor 25.14), in a list and in a
/// file.
fn repeat_for_blanks(rows: &mut [String]) {
    for at in 1..rows.len() {
        if rows[at].is_empty() {
            rows[at] = rows[at - 1].clone();
        }
    }
}

fn kind_of(pair: Pair<'_, Rule>) -> ItemSource {
    let Some(word) = pair.into_inner().next() else { return ItemSource::In };
    match word.as_rule() {
        Rule::from_word => ItemSource::From,
        Rule::matching_word => match word.into_inner().next().map(|which| which.as_rule()) {
            Some(Rule::files_word) => ItemSource::Matching { files: true, dirs: false },
            Some(Rule::dirs_word) => ItemSource::Matching { files: false, dirs: true },
            _ => ItemSource::Matching { files: true, dirs: true },
        },
        _ => ItemSource::In,
    }
}

fn load(scope: &Scope<'_>, kind: ItemSource, items: &str) -> Result<Vec<String>, QueueError> {
    if let Some((slice, _)) = items.split_once(']').filter(|_| items.starts_with('[')) {
        return Err(QueueError::Slice { text: format!("{slice}]") });
    }
    let inner = match items.strip_prefix('(') {
        Some(inner) => Some(
            inner.strip_suffix(')').ok_or_else(|| QueueError::Open { text: items.to_owned() })?,
        ),
        None => None,
    };
    let words = inner.unwrap_or(items).split(SEPARATORS).filter(|word| !word.is_empty());
    match kind {
        ItemSource::In => Ok(words.map(str::to_owned).collect()),
        ItemSource::Matching { files, dirs } => {
            let mut rows = Vec::new();
            for pattern in words {
                let found = scope.site.glob(pattern).map_err(|source| QueueError::Pattern {
                    pattern: pattern.to_owned(),
                    source,
                })?;
                let wanted = found.into_iter().filter(|f| if f.is_dir { dirs } else { files });
                let mut paths: Vec<_> =
                    wanted.map(|f| if f.is_dir { f.path + "/" } else { f.path }).collect();
                paths.sort();
                rows.append(&mut paths);
            }
            Ok(rows)
        }
        ItemSource::From => {
            let text = match (inner, items.strip_suffix('|')) {
                (Some(inner), _) => return Ok(vec![inner.trim_ascii().to_owned()]),
                (None, Some(command)) => {
                    scope.site.run_command(command.trim()).map_err(QueueError::Command)?
                }
                (None, None) if items == "-" => scope.site.read_stdin().map_err(|source| {
                    QueueError::File { path: "standard input".to_owned(), source }
                })?,
                (None, None) => scope
                    .site
                    .read_file(items)
                    .map_err(|source| QueueError::File { path: items.to_owned(), source })?,
            };
            Ok(join_continued(text.lines().map(str::trim_ascii)))
        }
    }
}

impl Items {
    /// The rows that are selected, with their positions in the whole list.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.selected.iter().map(|at| (*at, self.rows[*at].as_str()))
    }
}

/// Between the values of a row that programs have written (HTCondor 25.14): where it stands,
/// nothing else separates.
const UNIT_SEPARATOR: char = '\u{1f}';

/// Splits a row at commas and blanks; the last of `columns` takes the rest.
pub(super) fn split_row(row: &str, columns: usize) -> Vec<&str> {
    if row.contains(UNIT_SEPARATOR) {
        return row.splitn(columns, UNIT_SEPARATOR).map(str::trim_ascii).collect();
    }
    let mut values = Vec::with_capacity(columns);
    let mut rest = row.trim_ascii();
    while values.len() + 1 < columns && !rest.is_empty() {
        let (value, tail) = rest.split_once(SEPARATORS).unwrap_or((rest, ""));
        values.push(value);
        rest = tail.trim_ascii_start();
    }
    values.push(rest);
    values
}

/// `[start:stop:step]`, as in Python.
struct Slice {
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
}

impl Slice {
    fn parse(pair: Pair<'_, Rule>) -> Result<Self, QueueError> {
        let text = pair.as_str().to_owned();
        let mut slice = Self { start: None, stop: None, step: 1 };
        for part in pair.into_inner() {
            let number = |part: &Pair<'_, Rule>| part.as_str().trim().parse().ok();
            match part.as_rule() {
                Rule::position => slice.start = number(&part),
                Rule::stop => slice.stop = number(&part),
                Rule::step => slice.step = number(&part).unwrap_or(1),
                _ => {}
            }
        }
        if slice.step <= 0 { Err(QueueError::Step(text)) } else { Ok(slice) }
    }

    fn select(&self, length: usize) -> Vec<usize> {
        let count = i64::try_from(length).unwrap_or(i64::MAX);
        let from_start = |position: i64| {
            let position = if position < 0 { position + count } else { position };
            usize::try_from(position.clamp(0, count)).unwrap_or(0)
        };
        let start = self.start.map_or(0, from_start);
        let stop = self.stop.map_or(length, from_start);
        let step = usize::try_from(self.step).unwrap_or(usize::MAX);
        (start..stop.max(start)).step_by(step).collect()
    }
}
