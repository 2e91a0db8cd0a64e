//! `-print-format FILE`: a table that the user describes, in HTCondor's print-format language.
//!
//! ```text
//! SELECT [BARE] [NOTITLE] [NOHEADER] [NOSUMMARY] [LABEL [SEPARATOR s]]
//!        [FIELDPREFIX s] [FIELDSUFFIX s] [RECORDPREFIX s] [RECORDSUFFIX s]
//!    expression [AS heading] [WIDTH n | WIDTH AUTO] [PRINTF format | PRINTAS name] [OR c]
//!        [NOPREFIX] [NOSUFFIX]
//! WHERE expression
//! SUMMARY [STANDARD | NONE]
//! ```
//!
//! What is not understood is an error with its line, never passed over.

use classad::Expr;
use model::attr;

use crate::render::jobs::queue;
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::mask::{Around, Column, Function, Mask, Show, Width};
use crate::render::values::printf::{self, Format};
use crate::render::values::view::{View, status_letter};

/// What a file adds to a line.
struct Table<'m> {
    mask: &'m mut Mask,
    /// What stands between a heading and a value where each value has its own.
    label: Option<String>,
}

/// A line that is not in the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("print format, line {line}: {what}")]
pub struct FormatError {
    line: usize,
    what: String,
}

/// The words that end an expression or a heading.
const KEYWORDS: [&str; 13] = [
    "AS", "WIDTH", "PRINTF", "PRINTAS", "OR", "TRUNCATE", "NOPREFIX", "NOSUFFIX", "LEFT", "RIGHT",
    "FIT", "AUTO", "ALWAYS",
];

const fn of_value(name: &'static str, show: fn(View<'_>, &Expr) -> Option<String>) -> Function {
    Function { name, needs: &[], is_right: false, is_foreseen: true, show }
}

/// It is written only when its line is.
const fn of_size(name: &'static str, show: fn(View<'_>, &Expr) -> Option<String>) -> Function {
    Function { name, needs: &[], is_right: false, is_foreseen: false, show }
}

const fn of_ad(
    name: &'static str,
    needs: &'static [&'static str],
    show: fn(View<'_>, &Expr) -> Option<String>,
) -> Function {
    Function { name, needs, is_right: false, is_foreseen: true, show }
}

/// What `PRINTAS` knows.
const FUNCTIONS: [Function; 15] = [
    of_value("QDATE", |view, expr| printf::moment(&view.eval(expr), view)),
    of_value("DATE", |view, expr| printf::moment(&view.eval(expr), view)),
    of_value("ELAPSED_TIME", |view, expr| {
        let since = view.eval(expr).as_i64()?;
        Some(time::length(view.moment.now.saturating_sub(since)))
    }),
    of_ad("CPU_TIME", &queue::TIME_ATTRS, |view, _| Some(queue::run_time(view))),
    of_value("RUNTIME", |view, expr| printf::elapsed(&view.eval(expr))),
    of_ad("JOB_STATUS", &queue::STATE_ATTRS, |view, _| {
        view.int(attr::JOB_STATUS).map(|_| queue::state(view))
    }),
    of_value("JOB_STATUS_RAW", |view, expr| {
        view.eval(expr).as_i64().map(|n| status_letter(n).to_string())
    }),
    of_ad("MEMORY_USAGE", &[attr::MEMORY_USAGE, attr::IMAGE_SIZE], |view, _| {
        Some(format!("{:.1}", queue::size_mib(view)))
    }),
    of_ad(
        "JOB_DESCRIPTION",
        &[attr::CMD, attr::ARGS, attr::ARGUMENTS, attr::JOB_DESCRIPTION],
        |view, _| Some(command_line::of_job(view)),
    ),
    of_ad("JOB_ID", &[attr::CLUSTER_ID, attr::PROC_ID], |view, _| {
        view.job().map(|id| id.to_string())
    }),
    of_value("JOB_UNIVERSE", |view, expr| {
        view.eval(expr).as_i64().map(|number| queue::universe(number).to_owned())
    }),
    of_ad("OWNER", &[attr::OWNER], |view, _| view.text(attr::OWNER)),
    of_size("READABLE_BYTES", |view, expr| readable(view, expr, 1.0)),
    of_size("READABLE_KB", |view, expr| readable(view, expr, KIB)),
    of_size("READABLE_MB", |view, expr| readable(view, expr, KIB * KIB)),
];

const KIB: f64 = 1024.0;

/// A size, for people; eight blanks if it is no number (HTCondor 25.14).
fn readable(view: View<'_>, expr: &Expr, unit: f64) -> Option<String> {
    let size = view.eval(expr).as_f64();
    Some(size.map_or_else(|| " ".repeat(8), |size| time::readable(size * unit)))
}

impl Mask {
    /// Adds what a file describes.
    ///
    /// # Errors
    ///
    /// The first line that is not in the language.
    pub fn add_table(&mut self, text: &str) -> Result<(), FormatError> {
        let before = self.columns.len();
        self.around = Around { before: " ".to_owned(), end: "\n".to_owned(), ..Around::default() };
        (self.title, self.summary, self.hides_headings) = (true, false, false);
        let mut table = Table { mask: self, label: None };
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            table.line(line).map_err(|what| FormatError { line: i + 1, what })?;
        }
        if self.columns.len() == before {
            return Err(FormatError {
                line: text.lines().count(),
                what: "no column is selected".to_owned(),
            });
        }
        Ok(())
    }
}

impl Table<'_> {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match first.to_ascii_uppercase().as_str() {
            "SELECT" => self.select(rest),
            "WHERE" | "AND" => {
                let clause: Expr =
                    rest.parse().map_err(|e| format!("'{rest}' is no expression: {e}"))?;
                let clause = clause.parenthesised();
                self.mask.filter = Some(match self.mask.filter.take() {
                    Some(before) => before.and(clause),
                    None => clause,
                });
                Ok(())
            }
            "SUMMARY" => match rest.trim().to_ascii_uppercase().as_str() {
                "STANDARD" | "" => {
                    self.mask.summary = true;
                    Ok(())
                }
                "NONE" => {
                    self.mask.summary = false;
                    Ok(())
                }
                other => Err(format!("SUMMARY {other}: expected STANDARD or NONE")),
            },
            "GROUP" | "JOIN" | "FROM" | "UNIQUE" => Err(format!("{first}: not supported yet")),
            _ => self.column(line),
        }
    }

    fn select(&mut self, options: &str) -> Result<(), String> {
        let words = words(options);
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mask = &mut *self.mask;
            let mut value = || {
                let value = rest.next().ok_or_else(|| format!("{} needs a text", word.raw))?;
                Ok::<String, String>(printf::unescape(&value.text))
            };
            match word.raw.to_ascii_uppercase().as_str() {
                "BARE" => (mask.title, mask.hides_headings, mask.summary) = (false, true, false),
                "NOTITLE" => mask.title = false,
                "NOHEADER" => mask.hides_headings = true,
                "NOSUMMARY" => mask.summary = false,
                "LABEL" => self.label = Some(" = ".to_owned()),
                "SEPARATOR" if self.label.is_some() => self.label = Some(value()?),
                "FIELDPREFIX" => mask.around.before = value()?,
                "FIELDSUFFIX" => mask.around.behind = value()?,
                "RECORDPREFIX" => mask.around.line = value()?,
                "RECORDSUFFIX" => mask.around.end = value()?,
                "FROM" | "JOBS" => {}
                other => return Err(format!("SELECT {other}: not supported yet")),
            }
        }
        Ok(())
    }

    /// Adds one column from its line.
    fn column(&mut self, line: &str) -> Result<(), String> {
        let words = words(line);
        let end = words.iter().position(Word::is_keyword).unwrap_or(words.len());
        let text = words[..end].iter().map(|word| word.raw.as_str()).collect::<Vec<_>>().join(" ");
        let expr: Expr = text.parse().map_err(|e| format!("'{text}' is no expression: {e}"))?;
        let (mut heading, mut exact) = (text.clone(), None);
        let show = Show::Printf(Format::of('v'));
        let (label, joined) = (String::new(), (false, false));
        let mut column =
            Column { expr, text, label, show, width: Width::Free, missing: None, joined };
        let mut rest = words[end..].iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{} needs a value", word.raw));
            match word.raw.to_ascii_uppercase().as_str() {
                "AS" => heading.clone_from(&value()?.text),
                "WIDTH" => exact = width(&value()?.text)?,
                "PRINTF" => column.show = Show::Printf(Format::parse(&value()?.text)),
                "PRINTAS" => column.show = function(&value()?.text)?,
                "OR" => column.missing = Some(value()?.text.clone()),
                "NOPREFIX" => column.joined.0 = true,
                "NOSUFFIX" => column.joined.1 = true,
                // They change nothing (HTCondor 25.14): what has a width is cut, and stands where
                // its sign says.
                "TRUNCATE" | "LEFT" | "RIGHT" | "FIT" | "AUTO" | "ALWAYS" => {}
                other => return Err(format!("'{other}' is no keyword of a column")),
            }
        }
        let least = if self.label.is_some() { 0 } else { heading.chars().count() };
        column.width = exact.map_or(Width::Grows(least), Width::Exact);
        match &self.label {
            Some(between) => column.label = format!("{heading}{between}"),
            None => self.mask.headings.push(heading),
        }
        self.mask.columns.push(column);
        Ok(())
    }
}

/// No cell is padded further.
const MAX_WIDTH: i32 = 4096;

fn width(text: &str) -> Result<Option<i32>, String> {
    if text.eq_ignore_ascii_case("AUTO") {
        return Ok(None);
    }
    let width = text.parse::<i32>();
    let width = width.map(|width| Some(width.clamp(-MAX_WIDTH, MAX_WIDTH)));
    width.map_err(|_| format!("WIDTH {text}: expected a number or AUTO"))
}

fn function(name: &str) -> Result<Show, String> {
    let known = FUNCTIONS.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    known.map(|function| Show::As(*function)).ok_or_else(|| {
        let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        format!("PRINTAS {name}: not supported yet; known are {}", names.join(", "))
    })
}

/// A word as it stands, and without its quotes.
struct Word {
    raw: String,
    text: String,
}

impl Word {
    fn is_keyword(&self) -> bool {
        self.raw == self.text
            && KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(&self.raw))
    }
}

fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut raw = String::new();
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                words.extend(word(&mut raw));
                continue;
            }
            Some(_) | None => {}
        }
        raw.push(c);
    }
    words.extend(word(&mut raw));
    words
}

fn word(raw: &mut String) -> Option<Word> {
    let raw = std::mem::take(raw);
    let bare = raw.trim_matches(['"', '\'']);
    let quoted = raw.len() >= 2 && raw.starts_with(['"', '\'']) && raw.ends_with(['"', '\'']);
    let text = if quoted { bare.to_owned() } else { raw.clone() };
    (!raw.is_empty()).then_some(Word { raw, text })
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::mask::Growth;
    use crate::render::values::view::Moment;

    #[test]
    fn a_described_table_is_printed_as_described() {
        let ads = ClassAd::parse_old_ads(
            "ClusterId = 3\nProcId = 0\nOwner = \"alice\"\nJobStatus = 1\nQDate = 0\nJobPrio = 2\n\n\
             ClusterId = 12\nProcId = 1\nOwner = \"bob\"\nJobStatus = 2\nQDate = 60\n",
        )
        .unwrap();
        let mut table = Mask::default();
        let described = "SELECT NOSUMMARY\n\
             # a comment\n\
             ClusterId AS \" ID\" NOSUFFIX WIDTH 4\n\
             ProcId AS \" \" NOPREFIX PRINTF \".%-3d\"\n\
             Owner AS OWNER WIDTH -6 PRINTAS OWNER\n\
             JobStatus AS ST PRINTAS JOB_STATUS\n\
             JobPrio + 1 AS PRI WIDTH 3 PRINTF \"%d\" OR _\n\
             QDate AS SUBMITTED PRINTAS QDATE\n\
             WHERE JobStatus < 3\n\
             SUMMARY NONE\n";
        table.add_table(described).unwrap();
        let text = table.render(&ads, &Moment::new(0, TimeZone::UTC), Growth::Foreseen);
        let expected = [
            " ID      OWNER  ST PRI SUBMITTED  ",
            "   3.0   alice  I    3  1/1  00:00",
            "  12.1   bob    R    _  1/1  00:01",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
        assert!(!table.summary && table.title);
        assert_eq!(table.filter.map(|expr| expr.to_string()).as_deref(), Some("(JobStatus < 3)"));
    }

    #[test]
    fn what_is_not_in_the_language_is_said_with_its_line() {
        for (text, error) in [
            (
                "SELECT\nOwner PRINTAS NOSUCH\n",
                "print format, line 2: PRINTAS NOSUCH: not supported yet; known are",
            ),
            ("SELECT\n(Owner AS X\n", "print format, line 2: '(Owner' is no expression"),
            (
                "SELECT\nOwner WIDTH many\n",
                "print format, line 2: WIDTH many: expected a number or AUTO",
            ),
            ("SELECT\nOwner AS\n", "print format, line 2: AS needs a value"),
            ("SELECT\nOwner\nGROUP BY Owner\n", "print format, line 3: GROUP: not supported yet"),
            ("SELECT\n", "print format, line 1: no column is selected"),
        ] {
            let said = Mask::default().add_table(text).unwrap_err().to_string();
            assert!(said.starts_with(error), "{said}");
        }
    }
}
