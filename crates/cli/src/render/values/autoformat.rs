//! `-af[:jlhVrTY,tng] A B C`: values of expressions, one ad a line, without a format.

use classad::Expr;
use model::attr;

use crate::render::values::mask::{Around, Column, Function, Mask, Show, Width};
use crate::render::values::printf::Format;

/// What the letters after `-af:` ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `j`: the job's id first.
    pub job_id: bool,
    /// `l`: `Name = ` before each value.
    pub labels: bool,
    /// `h`: a line of names first, and columns that stand in line.
    pub headings: bool,
    /// How values are shown: the letter of a conversion.
    pub value: Option<char>,
    /// What stands around values.
    pub around: Around,
}

/// A letter after `-af:` that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("-af:{letters}: '{letter}' is none of j l h v V r T Y , t n g")]
pub struct UnknownLetter {
    letters: String,
    letter: char,
}

/// The job's id, before the values.
const JOB_ID: Function = Function {
    name: "",
    needs: &[attr::CLUSTER_ID, attr::PROC_ID],
    is_right: false,
    is_foreseen: true,
    show: |view, _| view.job().map(|id| id.to_string()),
};

/// The same of what runs on a machine.
const JOB_THERE: Function =
    Function { needs: &[attr::JOB_ID], show: |view, _| view.text(attr::JOB_ID), ..JOB_ID };

impl Style {
    /// From the letters after `-af:`.
    ///
    /// # Errors
    ///
    /// If one of them means nothing.
    pub fn parse(letters: &str) -> Result<Self, UnknownLetter> {
        let mut style = Self::default();
        let around = &mut style.around;
        (around.before, around.end) = (" ".to_owned(), "\n".to_owned());
        for letter in letters.chars() {
            match letter {
                // It changes nothing (HTCondor 25.14).
                'v' => {}
                'j' => style.job_id = true,
                'l' => style.labels = true,
                'h' => style.headings = true,
                'V' | 'T' | 'Y' => style.value = Some(letter),
                'r' | 'o' => style.value = Some('r'),
                ',' => around.behind = ",".to_owned(),
                't' => around.before = "\t".to_owned(),
                'n' => around.behind = "\n".to_owned(),
                'g' => (around.line, around.before) = ("\n".to_owned(), String::new()),
                letter => return Err(UnknownLetter { letters: letters.to_owned(), letter }),
            }
        }
        Ok(style)
    }
}

impl Mask {
    /// Adds values without a format (`-autoformat`): a text and its expression each. A job's id is
    /// that of the ad, or of machines that of the job there.
    pub fn add_auto(&mut self, style: &Style, columns: Vec<(String, Expr)>, of_machines: bool) {
        self.around = style.around.clone();
        if style.job_id {
            if style.headings {
                self.headings.push(" ID".to_owned());
            }
            self.columns.push(Column {
                expr: Expr::attr(attr::CLUSTER_ID),
                text: String::new(),
                label: if style.labels { "ID = ".to_owned() } else { String::new() },
                show: Show::As(if of_machines { JOB_THERE } else { JOB_ID }),
                width: if style.headings { Width::Grows(0) } else { Width::Free },
                missing: None,
                joined: (false, false),
            });
        }
        for (text, expr) in columns {
            // Whoever asked for them, and labels are none then (HTCondor 25.14).
            let has_headings = style.headings || !self.headings.is_empty();
            let label =
                if style.labels && !has_headings { format!("{text} = ") } else { String::new() };
            let width = if has_headings { Width::Grows(text.chars().count()) } else { Width::Free };
            if has_headings {
                self.headings.push(text.clone());
            }
            let show = Show::Printf(Format::of(style.value.unwrap_or('v')));
            let joined = (false, false);
            self.columns.push(Column { expr, text, label, show, width, missing: None, joined });
        }
    }
}
