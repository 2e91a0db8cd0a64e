//! Chosen values of ads in lines: what `-format`, `-autoformat` and `-print-format` put together,
//! in whatever order they stand on the command line. Each adds columns; the last one that says what
//! stands around them counts for all (HTCondor 25.14).

use classad::{ClassAd, Expr, Value};

use crate::render::values::printf::Format;
use crate::render::values::view::{Moment, View};

/// Columns, and what stands around them.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    pub(super) columns: Vec<Column>,
    /// They stand above the first columns, whichever added them (HTCondor 25.14).
    pub(super) headings: Vec<String>,
    pub(super) around: Around,
    /// Whether there is no line of headings, though there are some.
    pub(super) hides_headings: bool,
    /// Whether the line that says who answers is wanted.
    pub title: bool,
    /// Whether the lines of totals are wanted.
    pub summary: bool,
    /// Only ads for which this is true.
    pub filter: Option<Expr>,
}

/// What stands around values and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Before a line.
    pub line: String,
    /// Before a value, but for the first.
    pub before: String,
    /// Behind a value, but for the last.
    pub behind: String,
    /// Behind a line.
    pub end: String,
}

/// A value of each ad, and how it stands in its line.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) expr: Expr,
    /// The expression as it was written.
    pub(super) text: String,
    /// What stands before each value.
    pub(super) label: String,
    pub(super) show: Show,
    pub(super) width: Width,
    /// What stands for a value that cannot be shown.
    pub(super) missing: Option<String>,
    /// Whether what stands before and behind values is left out here.
    pub(super) joined: (bool, bool),
}

/// How a value is shown.
#[derive(Clone, Debug)]
pub(super) enum Show {
    Printf(Format),
    As(Function),
}

/// A way to show the value of an expression, or the ad itself, in words of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The attributes that it looks at beside the expression.
    pub(super) needs: &'static [&'static str],
    /// Whether it stands right.
    pub(super) is_right: bool,
    /// Whether it counts when columns are measured before the first line.
    pub(super) is_foreseen: bool,
    pub(super) show: fn(View<'_>, &Expr) -> Option<String>,
}

/// How wide a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// As each of its values.
    Free,
    /// Just so; negative: it stands left. What is longer is cut.
    Exact(i32),
    /// At least so, and as its longest value.
    Grows(usize),
}

/// When a column that grows does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Before the first line, and again for what cannot be foreseen.
    Foreseen,
    /// The same, where only values of expressions are foreseen; what is undefined is blank in a
    /// column that has a width.
    Values,
    /// With each line: nobody has seen the next ad yet.
    Met,
}

impl Mask {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The expressions that are evaluated, and attributes that are looked at beside them.
    pub fn needs(&self) -> (Vec<&Expr>, Vec<&'static str>) {
        let beside = self.columns.iter().flat_map(|column| match &column.show {
            Show::As(function) => function.needs,
            Show::Printf(_) => &[],
        });
        (self.columns.iter().map(|column| &column.expr).collect(), beside.copied().collect())
    }

    /// Shows the headings or not, whatever a file says.
    pub fn show_headings(&mut self, shows: bool) {
        self.hides_headings = !shows;
    }

    /// Adds a value in a format (`-format`).
    pub fn add_printf(&mut self, format: Format, text: &str, expr: Expr) {
        self.columns.push(Column {
            expr,
            text: text.to_owned(),
            label: String::new(),
            show: Show::Printf(format),
            width: Width::Free,
            missing: None,
            joined: (false, false),
        });
    }

    /// The lines of the ads, below the headings if there are some.
    pub fn render(&self, ads: &[ClassAd], moment: &Moment, growth: Growth) -> String {
        let cells = |ad| {
            let view = View::new(ad, moment);
            self.columns.iter().map(|column| column.cell(view, growth)).collect()
        };
        let rows: Vec<Vec<Cell>> = ads.iter().map(cells).collect();
        let mut widths: Vec<usize> = self.columns.iter().map(Column::least).collect();
        if growth != Growth::Met {
            rows.iter().for_each(|row| self.grow(&mut widths, row, |cell| cell.foreseen));
        }
        let mut out = String::new();
        if !self.headings.is_empty() && !self.hides_headings {
            self.write_headings(&widths, &mut out);
        }
        for row in &rows {
            self.grow(&mut widths, row, Cell::length);
            self.write(row, &widths, &mut out);
        }
        out
    }

    fn grow(&self, widths: &mut [usize], row: &[Cell], length: impl Fn(&Cell) -> usize) {
        for ((width, cell), column) in widths.iter_mut().zip(row).zip(&self.columns) {
            if matches!(column.width, Width::Grows(_)) {
                *width = (*width).max(length(cell));
            }
        }
    }

    /// Headings stand left whatever their column does.
    fn write_headings(&self, widths: &[usize], out: &mut String) {
        let heading = |(i, text): (usize, &String)| {
            let width = match &self.columns[i].show {
                Show::Printf(format) => widths[i].max(format.width()),
                Show::As(_) => widths[i],
            };
            format!("{text:<width$}")
        };
        let shown = self.headings.iter().take(self.columns.len()).enumerate().map(heading);
        self.write_line(&shown.collect::<Vec<_>>(), out);
    }

    fn write(&self, row: &[Cell], widths: &[usize], out: &mut String) {
        let cells = row.iter().zip(&self.columns).zip(widths);
        let texts = cells.map(|((cell, column), width)| column.pad(cell, *width));
        self.write_line(&texts.collect::<Vec<_>>(), out);
    }

    fn write_line(&self, texts: &[String], out: &mut String) {
        let Around { line, before, behind, end } = &self.around;
        *out += line;
        for (i, (text, column)) in texts.iter().zip(&self.columns).enumerate() {
            let (joins_before, joins_behind) = column.joined;
            if i > 0 && !joins_before {
                *out += before;
            }
            *out += text;
            if i + 1 < self.columns.len() && !joins_behind {
                *out += behind;
            }
        }
        *out += end;
    }
}

/// A value as it is shown.
struct Cell {
    text: String,
    /// How long it is seen to be before the first line: of a string without its format, of what is
    /// undefined nothing (HTCondor 25.14).
    foreseen: usize,
    /// How long a string is without its format.
    whole: usize,
    /// Whether it is what stands for a value that cannot be shown.
    is_missing: bool,
}

impl Cell {
    fn length(&self) -> usize {
        self.text.chars().count().max(self.whole)
    }
}

/// How long the long form of a number with a fraction is: that is what is foreseen of it.
fn long_form(x: f64) -> usize {
    if x == 0.0 { 3 } else { format!("{x:.15e}").len().max(21 + usize::from(x < 0.0)) }
}

impl Column {
    fn cell(&self, view: View<'_>, growth: Growth) -> Cell {
        let value = view.eval(&self.expr);
        let (shown, places) = match &self.show {
            Show::As(function) => ((function.show)(view, &self.expr), 0),
            Show::Printf(format) => {
                (format.apply(&value, &self.expr, &self.text, view), format.width())
            }
        };
        let is_blank = growth == Growth::Values
            && matches!(self.width, Width::Exact(_))
            && (value.is_undefined() || value.is_error());
        if let Some(shown) = shown.filter(|_| !is_blank) {
            let text = format!("{}{shown}", self.label);
            let length = text.chars().count();
            let whole = match (&self.show, &value) {
                (Show::Printf(_), Value::String(whole)) => whole.chars().count(),
                _ => 0,
            };
            let foreseen = match (&self.show, &value) {
                (Show::Printf(_), Value::Undefined | Value::Error) => 0,
                (Show::Printf(format), Value::Real(x)) if !format.is_of_numbers() => {
                    length.max(long_form(*x))
                }
                (Show::As(_), _) if growth == Growth::Values => 0,
                (Show::As(function), _) if !function.is_foreseen => 0,
                _ => length.max(whole),
            };
            return Cell { text, foreseen, whole, is_missing: false };
        }
        let blanks = if self.width == Width::Free { places } else { 0 };
        let text = self.missing.clone().unwrap_or_else(|| " ".repeat(blanks));
        Cell { text, foreseen: 0, whole: 0, is_missing: true }
    }

    fn least(&self) -> usize {
        match self.width {
            Width::Free => 0,
            Width::Exact(width) => usize::try_from(width.unsigned_abs()).unwrap_or(0),
            Width::Grows(least) => least,
        }
    }

    fn is_right(&self) -> bool {
        match (&self.show, self.width) {
            (_, Width::Exact(width)) => width >= 0,
            _ if !self.label.is_empty() => true,
            (Show::Printf(format), _) => format.is_of_numbers(),
            (Show::As(function), _) => function.is_right,
        }
    }

    fn pad(&self, cell: &Cell, width: usize) -> String {
        let grows = matches!(self.width, Width::Grows(_));
        // A longer sign fills the column: [????].
        let fills = cell.is_missing && cell.text.chars().nth(1).is_some() && width > 2;
        let text: String = match self.width {
            _ if fills => {
                format!("[{}]", cell.text.chars().take(1).collect::<String>().repeat(width - 2))
            }
            Width::Exact(_) => cell.text.chars().take(width).collect(),
            Width::Free | Width::Grows(_) => cell.text.clone(),
        };
        // Not by `{:>width$}`: a column may be wider than that takes, 65,535 characters.
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        if self.is_right() && !(grows && cell.is_missing) { blanks + &text } else { text + &blanks }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::autoformat::Style;

    const ADS: &str = "ClusterId = 1\nProcId = 0\nOwner = \"alice\"\nJobStatus = 5\n\n\
                       ClusterId = 2\nProcId = 0\nOwner = \"bob\"\nJobStatus = 2\n";

    /// `af:LETTERS A B`, `format F A` and `pr TEXT`, one after the other.
    fn check(options: &[&str], growth: Growth, expected: &str) {
        let mut mask = Mask::default();
        for option in options {
            let (name, rest) = option.split_once(' ').unwrap();
            match name.split_once(':') {
                Some((_, letters)) => {
                    let texts = rest.split(' ').map(|t| (t.to_owned(), t.parse().unwrap()));
                    mask.add_auto(&Style::parse(letters).unwrap(), texts.collect(), false);
                }
                None if name == "pr" => mask.add_table(rest).unwrap(),
                None => {
                    let (format, text) = rest.split_once(' ').unwrap();
                    mask.add_printf(Format::parse(format), text, text.parse().unwrap());
                }
            }
        }
        let ads = ClassAd::parse_old_ads(ADS).unwrap();
        let shown = mask.render(&ads, &Moment::new(0, TimeZone::UTC), growth);
        assert_eq!(shown, expected, "{options:?}");
    }

    /// What condor_q and condor_history (25.14) print for the same options.
    #[test]
    fn options_that_choose_values_add_columns_to_each_other() {
        use Growth::{Foreseen, Met};
        check(&["af: Owner JobStatus", "format %d| JobStatus"], Foreseen, "alice 5 5|\nbob 2 2|\n");
        check(&["format %d| JobStatus", "af: Owner"], Foreseen, "5| alice\n2| bob\n");
        check(&["format %5d|\\n Owner", "format %d\\n Owner"], Foreseen, "          ");
        check(
            &["af:h Owner", "af:,g JobStatus"],
            Foreseen,
            "\nOwner,JobStatus\n\nalice,5        \n\nbob  ,2        \n",
        );
        check(
            &["af:j Owner", "af:jh JobStatus"],
            Foreseen,
            " ID JobStatus\n1.0 alice 1.0 5        \n2.0 bob 2.0 2        \n",
        );
        check(&["af:jl Owner"], Foreseen, "ID = 1.0 Owner = alice\nID = 2.0 Owner = bob\n");
        check(&["af:lh Owner"], Foreseen, "Owner\nalice\nbob  \n");
        check(
            &["af:lrng Owner Foo"],
            Foreseen,
            "\nOwner = \"alice\"\nFoo = undefined\n\nOwner = \"bob\"\nFoo = undefined\n",
        );
        let described =
            "pr SELECT\n ClusterId AS ID WIDTH 6\n Owner AS OWNER WIDTH -10\n Nope OR ?";
        check(
            &[described, "format %d| JobStatus"],
            Met,
            "ID     OWNER      Nope\n     1 alice      undefined 5|\n     2 bob        undefined 2|\n",
        );
        check(
            &["pr SELECT NOHEADER\nNope PRINTF \"%5d\" OR ??\nNope WIDTH 6 PRINTF \"%d\" OR _"],
            Met,
            "[??]      _\n[??]      _\n",
        );
        check(
            &["pr SELECT LABEL SEPARATOR \": \"\n Owner\n ClusterId"],
            Foreseen,
            "Owner: alice ClusterId: 1\n  Owner: bob ClusterId: 2\n",
        );
        check(
            &[
                "pr SELECT FIELDPREFIX \"\" FIELDSUFFIX \"|\"\nClusterId AS ABCDEFGH PRINTF \"%05d\"\nOwner AS A PRINTF \"%.2s\"",
            ],
            Foreseen,
            "ABCDEFGH|A    \n   00001|al   \n   00002|bo   \n",
        );
        // A number with a fraction is measured by its long form.
        let places = "2.500000000000000e+00".len();
        let lines = ["JobStatus/2.0", "2.5", "1.0"].map(|text| format!("{text:<places$}\n"));
        check(&["af:h JobStatus/2.0"], Foreseen, &lines.concat());
        check(&["af:h ProcId Owner+1"], Met, "ProcId Owner+1\n0      error  \n0      error  \n");
    }
}
