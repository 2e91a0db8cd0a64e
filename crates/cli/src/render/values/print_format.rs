//! `-print-format FILE`: a table that the user describes, in HTCondor's print-format language.
//!
//! ```text
//! SELECT [BARE] [NOTITLE] [NOHEADER] [NOSUMMARY]
//!    expression [AS heading] [WIDTH n | WIDTH AUTO] [PRINTF format | PRINTAS name] [OR c] [TRUNCATE] [NOPREFIX] [NOSUFFIX]
//! WHERE expression
//! SUMMARY [STANDARD | NONE]
//! ```
//!
//! What is not understood is an error with its line, never passed over.

use classad::{ClassAd, Expr};
use model::attr;

use crate::render::jobs::queue;
use crate::render::time;
use crate::render::values::command_line;
use crate::render::values::printf::{self, Format};
use crate::render::values::view::status_letter;
use crate::render::values::view::{Moment, View};

/// A table that a user described.
#[derive(Clone, Debug)]
pub struct Table {
    /// Whether the line that says who answers is wanted.
    pub title: bool,
    /// Whether the lines of totals are wanted.
    pub summary: bool,
    /// Only ads for which this is true.
    pub filter: Option<Expr>,
    headings: bool,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    expr: Expr,
    heading: String,
    /// Negative widths stand left; none is as wide as the widest.
    width: Option<i32>,
    show: Show,
    /// What stands for a value that is missing.
    missing: Option<char>,
    truncate: bool,
    prefix: bool,
    suffix: bool,
}

#[derive(Clone, Debug)]
enum Show {
    Plain,
    Printf(Format),
    As(Function),
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

/// A way to show the value of an expression, or the ad itself, in words of its own.
#[derive(Clone, Copy, Debug)]
struct Function {
    name: &'static str,
    /// The attributes that it looks at beside the expression.
    needs: &'static [&'static str],
    show: fn(View<'_>, &Expr) -> String,
}

const fn of_value(name: &'static str, show: fn(View<'_>, &Expr) -> String) -> Function {
    Function { name, needs: &[], show }
}

const fn of_ad(
    name: &'static str,
    needs: &'static [&'static str],
    show: fn(View<'_>, &Expr) -> String,
) -> Function {
    Function { name, needs, show }
}

/// What `PRINTAS` knows.
const FUNCTIONS: [Function; 12] = [
    of_value("QDATE", |view, expr| printf::moment(&eval(view, expr), view)),
    of_value("DATE", |view, expr| printf::moment(&eval(view, expr), view)),
    of_value("ELAPSED_TIME", |view, expr| {
        eval(view, expr)
            .as_i64()
            .map_or_else(String::new, |t| time::length(view.moment.now.saturating_sub(t)))
    }),
    of_ad("CPU_TIME", &queue::TIME_ATTRS, |view, _| queue::run_time(view)),
    of_value("RUNTIME", |view, expr| printf::elapsed(&eval(view, expr))),
    of_ad("JOB_STATUS", &[attr::JOB_STATUS], |view, _| status_letter(view.status()).to_string()),
    of_value("JOB_STATUS_RAW", |view, expr| {
        status_letter(eval(view, expr).as_i64().unwrap_or(0)).to_string()
    }),
    of_ad("MEMORY_USAGE", &[attr::MEMORY_USAGE, attr::IMAGE_SIZE], |view, _| {
        format!("{:.1}", queue::size_mib(view))
    }),
    of_ad(
        "JOB_DESCRIPTION",
        &[attr::CMD, attr::ARGS, attr::ARGUMENTS, attr::JOB_DESCRIPTION],
        |view, _| command_line::of_job(view),
    ),
    of_ad("JOB_ID", &[attr::CLUSTER_ID, attr::PROC_ID], |view, _| {
        view.job().map(|id| id.to_string()).unwrap_or_default()
    }),
    of_value("JOB_UNIVERSE", |view, expr| {
        queue::universe(eval(view, expr).as_i64().unwrap_or(0)).to_owned()
    }),
    of_ad("OWNER", &[attr::OWNER], |view, _| view.owner()),
];

fn eval(view: View<'_>, expr: &Expr) -> classad::Value {
    view.eval(expr)
}

impl Table {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// The first line that is not in the language.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut table =
            Self { title: true, summary: true, filter: None, headings: true, columns: Vec::new() };
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            table.line(line).map_err(|what| FormatError { line: i + 1, what })?;
        }
        if table.columns.is_empty() {
            return Err(FormatError {
                line: text.lines().count(),
                what: "no column is selected".to_owned(),
            });
        }
        Ok(table)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match first.to_ascii_uppercase().as_str() {
            "SELECT" => self.select(rest),
            "WHERE" | "AND" => {
                let clause: Expr =
                    rest.parse().map_err(|e| format!("'{rest}' is no expression: {e}"))?;
                let clause = clause.parenthesised();
                self.filter = Some(match self.filter.take() {
                    Some(before) => before.and(clause),
                    None => clause,
                });
                Ok(())
            }
            "SUMMARY" => match rest.trim().to_ascii_uppercase().as_str() {
                "STANDARD" | "" => {
                    self.summary = true;
                    Ok(())
                }
                "NONE" => {
                    self.summary = false;
                    Ok(())
                }
                other => Err(format!("SUMMARY {other}: expected STANDARD or NONE")),
            },
            "GROUP" | "JOIN" | "FROM" | "UNIQUE" => Err(format!("{first}: not supported yet")),
            _ => {
                self.columns.push(column(line)?);
                Ok(())
            }
        }
    }

    fn select(&mut self, options: &str) -> Result<(), String> {
        for word in options.split_whitespace() {
            match word.to_ascii_uppercase().as_str() {
                "BARE" => (self.title, self.headings, self.summary) = (false, false, false),
                "NOTITLE" => self.title = false,
                "NOHEADER" => self.headings = false,
                "NOSUMMARY" => self.summary = false,
                "FROM" | "JOBS" => {}
                other => return Err(format!("SELECT {other}: not supported yet")),
            }
        }
        Ok(())
    }

    /// The expressions that are evaluated, and attributes that are looked at beside them.
    pub fn needs(&self) -> (Vec<&Expr>, Vec<&'static str>) {
        let beside = self.columns.iter().flat_map(|column| match &column.show {
            Show::As(function) => function.needs,
            Show::Plain | Show::Printf(_) => &[],
        });
        (self.columns.iter().map(|column| &column.expr).collect(), beside.copied().collect())
    }

    /// The headings and the rows.
    pub fn render(&self, ads: &[ClassAd], moment: &Moment) -> String {
        let rows: Vec<Vec<String>> = ads.iter().map(|ad| self.row(View::new(ad, moment))).collect();
        let widths: Vec<i32> = (0..self.columns.len()).map(|i| self.width(i, &rows)).collect();
        let mut out = String::new();
        if self.headings {
            // Headings stand left whatever their column does (HTCondor 25.14).
            let left: Vec<i32> = widths.iter().map(|width| -width.abs()).collect();
            let headings: Vec<String> =
                self.columns.iter().map(|column| column.heading.clone()).collect();
            self.write(&headings, &left, &mut out);
        }
        rows.iter().for_each(|row| self.write(row, &widths, &mut out));
        out
    }

    fn row(&self, view: View<'_>) -> Vec<String> {
        self.columns.iter().map(|column| column.cell(view)).collect()
    }

    fn width(&self, i: usize, rows: &[Vec<String>]) -> i32 {
        let column = &self.columns[i];
        column.width.unwrap_or_else(|| {
            let cells = rows.iter().map(|row| row[i].chars().count());
            let widest = cells.chain([column.heading.chars().count()]).max().unwrap_or(0);
            -i32::try_from(widest).unwrap_or(i32::MAX)
        })
    }

    fn write(&self, cells: &[String], widths: &[i32], out: &mut String) {
        let mut line = String::new();
        for (i, (column, text)) in self.columns.iter().zip(cells).enumerate() {
            let joined = i == 0 || !column.prefix || !self.columns[i - 1].suffix;
            if !joined {
                line.push(' ');
            }
            let width = usize::try_from(widths[i].unsigned_abs()).unwrap_or(usize::MAX);
            let text: String =
                if column.truncate { text.chars().take(width).collect() } else { text.clone() };
            line +=
                &if widths[i] < 0 { format!("{text:<width$}") } else { format!("{text:>width$}") };
        }
        *out += line.trim_end();
        out.push('\n');
    }
}

impl Column {
    fn cell(&self, view: View<'_>) -> String {
        let text = match &self.show {
            Show::As(function) => (function.show)(view, &self.expr),
            Show::Printf(format) => format.apply(&self.expr, view),
            Show::Plain => printf::plain(&eval(view, &self.expr)),
        };
        let value = eval(view, &self.expr);
        match self.missing {
            Some(c) if value.is_undefined() || value.is_error() => c.to_string(),
            Some(_) | None => text,
        }
    }
}

/// One column from its line.
fn column(line: &str) -> Result<Column, String> {
    let words = words(line);
    let end = words.iter().position(Word::is_keyword).unwrap_or(words.len());
    let text = words[..end].iter().map(|word| word.raw.as_str()).collect::<Vec<_>>().join(" ");
    let expr: Expr = text.parse().map_err(|e| format!("'{text}' is no expression: {e}"))?;
    let mut column = Column {
        expr,
        heading: text,
        width: None,
        show: Show::Plain,
        missing: None,
        truncate: false,
        prefix: true,
        suffix: true,
    };
    let mut rest = words[end..].iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{} needs a value", word.raw));
        match word.raw.to_ascii_uppercase().as_str() {
            "AS" => column.heading = value()?.text.clone(),
            "WIDTH" => column.width = width(&value()?.text)?,
            "PRINTF" => column.show = Show::Printf(Format::parse(&value()?.text)),
            "PRINTAS" => column.show = function(&value()?.text)?,
            "OR" => column.missing = value()?.text.chars().next(),
            "TRUNCATE" => column.truncate = true,
            "NOPREFIX" => column.prefix = false,
            "NOSUFFIX" => column.suffix = false,
            "LEFT" => column.width = column.width.map(|n| -n.abs()),
            "RIGHT" => column.width = column.width.map(i32::abs),
            "FIT" | "AUTO" => column.width = None,
            "ALWAYS" => {}
            other => return Err(format!("'{other}' is no keyword of a column")),
        }
    }
    Ok(column)
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
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn a_described_table_is_printed_as_described() {
        let ads = ClassAd::parse_old_ads(
            "ClusterId = 3\nProcId = 0\nOwner = \"alice\"\nJobStatus = 1\nQDate = 0\nJobPrio = 2\n\n\
             ClusterId = 12\nProcId = 1\nOwner = \"bob\"\nJobStatus = 2\nQDate = 60\n",
        )
        .unwrap();
        let table = Table::parse(
            "SELECT NOSUMMARY\n\
             # a comment\n\
             ClusterId AS \" ID\" NOSUFFIX WIDTH 4\n\
             ProcId AS \" \" NOPREFIX PRINTF \".%-3d\"\n\
             Owner AS OWNER WIDTH -6 PRINTAS OWNER\n\
             JobStatus AS ST PRINTAS JOB_STATUS\n\
             JobPrio + 1 AS PRI WIDTH 3 OR _\n\
             QDate AS SUBMITTED PRINTAS QDATE\n\
             WHERE JobStatus < 3\n\
             SUMMARY NONE\n",
        )
        .unwrap();
        let text = table.render(&ads, &Moment::new(0, TimeZone::UTC));
        let expected = [
            " ID      OWNER  ST PRI SUBMITTED",
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
            let said = Table::parse(text).unwrap_err().to_string();
            assert!(said.starts_with(error), "{said}");
        }
    }
}
