//! `-af[:jlhVrTY,tng] A B C`: values of expressions, one ad a line, without a format.

use classad::{ClassAd, Expr};
use model::attr;

use crate::render::values::printf;
use crate::render::values::view::{Moment, View};

/// What the letters after `-af:` ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `j`: the job's id first.
    pub job_id: bool,
    /// `l`: `Name = ` before each value.
    pub labels: bool,
    /// `h`: a line of names first, and columns that stand in line.
    pub headings: bool,
    /// How values are shown.
    pub value: ValueStyle,
    /// What stands between values.
    pub between: Between,
    /// `g`: an empty line between ads, and nothing before values.
    pub grouped: bool,
}

/// How values are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueStyle {
    /// Strings as they are.
    #[default]
    Plain,
    /// `V`: strings in quotes.
    Quoted,
    /// `r`: the expression itself.
    Raw,
    /// `T`: as a length of time.
    Elapsed,
    /// `Y`: as a moment.
    Date,
}

/// What stands between values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Between {
    #[default]
    Blank,
    /// `,`: a comma and a blank.
    Comma,
    /// `t`: a tab.
    Tab,
    /// `n`: the end of the line.
    Line,
}

/// A letter after `-af:` that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("-af:{letters}: '{letter}' is none of j l h v V r T Y , t n g")]
pub struct UnknownLetter {
    letters: String,
    letter: char,
}

impl Style {
    /// From the letters after `-af:`.
    ///
    /// # Errors
    ///
    /// If one of them means nothing.
    pub fn parse(letters: &str) -> Result<Self, UnknownLetter> {
        let mut style = Self::default();
        for letter in letters.chars() {
            match letter {
                // It changes nothing (HTCondor 25.14).
                'v' => {}
                'j' => style.job_id = true,
                'l' => style.labels = true,
                'h' => style.headings = true,
                'V' => style.value = ValueStyle::Quoted,
                'r' | 'o' => style.value = ValueStyle::Raw,
                'T' => style.value = ValueStyle::Elapsed,
                'Y' => style.value = ValueStyle::Date,
                ',' => style.between = Between::Comma,
                't' => style.between = Between::Tab,
                'n' => style.between = Between::Line,
                'g' => style.grouped = true,
                letter => return Err(UnknownLetter { letters: letters.to_owned(), letter }),
            }
        }
        Ok(style)
    }
}

/// The values of `columns` for each ad.
pub fn render(
    ads: &[ClassAd],
    columns: &[(String, Expr)],
    style: Style,
    moment: &Moment,
) -> String {
    let rows: Vec<Vec<String>> =
        ads.iter().map(|ad| row(View::new(ad, moment), columns, style)).collect();
    let mut out = String::new();
    if !style.headings {
        rows.iter().for_each(|row| write_row(row, &[], style, &mut out));
        return out;
    }
    let id = style.job_id.then(|| " ID".to_owned());
    let headings: Vec<String> =
        id.into_iter().chain(columns.iter().map(|(name, _)| name.clone())).collect();
    let mut widths = widths(&headings, &rows);
    // Also where there are none (HTCondor 25.14).
    write_row(&headings, &widths[..widths.len() - 1], style, &mut out);
    for row in &rows {
        // HTCondor leaves undefined values out when it measures, and widens the column when it
        // meets one.
        widen(&mut widths, row);
        write_row(row, &widths, style, &mut out);
    }
    out
}

fn widths(headings: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headings.iter().map(String::len).collect();
    for row in rows {
        for (width, text) in
            widths.iter_mut().zip(row).filter(|(_, text)| *text != "undefined" && *text != "error")
        {
            *width = text.chars().count().max(*width);
        }
    }
    widths
}

fn widen(widths: &mut [usize], row: &[String]) {
    for (width, text) in widths.iter_mut().zip(row) {
        *width = text.chars().count().max(*width);
    }
}

fn row(view: View<'_>, columns: &[(String, Expr)], style: Style) -> Vec<String> {
    let id = style.job_id.then(|| {
        let number = |name| view.int(name).unwrap_or(0);
        format!("{}.{}", number(attr::CLUSTER_ID), number(attr::PROC_ID))
    });
    let values = columns.iter().map(|(name, expr)| {
        let shown = value(view, name, expr, style.value);
        if style.labels { format!("{name} = {shown}") } else { shown }
    });
    id.into_iter().chain(values).collect()
}

fn value(view: View<'_>, name: &str, expr: &Expr, style: ValueStyle) -> String {
    let evaluated = || view.eval(expr);
    match style {
        ValueStyle::Plain => printf::plain(&evaluated()),
        ValueStyle::Quoted => evaluated().to_string(),
        // An attribute's own expression; any other text as it was given.
        ValueStyle::Raw => match view.ad.get(name) {
            Some(expr) => expr.to_string(),
            None if expr.references().len() == 1 => "undefined".to_owned(),
            None => expr.to_string(),
        },
        ValueStyle::Elapsed => printf::elapsed(&evaluated()),
        ValueStyle::Date => printf::moment(&evaluated(), view),
    }
}

fn write_row(row: &[String], widths: &[usize], style: Style, out: &mut String) {
    if style.grouped {
        out.push('\n');
    }
    for (i, text) in row.iter().enumerate() {
        if i > 0 {
            *out += match style.between {
                Between::Tab => "\t",
                Between::Line if style.grouped => "\n",
                Between::Line => "\n ",
                Between::Comma if style.grouped => ",",
                Between::Comma => ", ",
                Between::Blank if style.grouped => "",
                Between::Blank => " ",
            };
        }
        let width = widths.get(i).copied().unwrap_or(0);
        *out += &format!("{text:<width$}");
    }
    out.push('\n');
}
