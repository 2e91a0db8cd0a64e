//! What `qstat` prints of jobs, a job at a time: a list of any length is printed as it comes.

use super::sizes;
use crate::commands::pbs::words::Line;
use crate::render::pbs::listed::{self, Document, What};
use crate::render::pbs::table::{self, Extra};
use crate::render::pbs::{Here, Job, full};

/// How much text is kept before it is printed.
const KEPT: usize = 1 << 20;

/// How jobs are shown.
enum Form<'a> {
    /// A line each, or two.
    Table { is_wide: bool, extra: Extra },
    /// `-f`; with long lines whole, or not.
    Text { is_whole: bool },
    /// `-f -F dsv`.
    Separated(&'a str),
    /// `-f -F json`.
    Json(Document),
}

/// The output, as far as it has not been printed.
pub(super) struct Page<'a> {
    here: &'a Here,
    form: Form<'a>,
    /// What comes before the first job.
    head: String,
    text: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(here: &'a Here, line: &'a Line) -> Self {
        let extra = Extra {
            nodes: line.has('n'),
            comment: line.has('s'),
            one_line: line.has('1'),
            wide: line.has('w'),
            percent: line.has('p'),
            start: line.has('T'),
            sizes: sizes(line),
        };
        let form = match (line.has('f'), line.value('F')) {
            (false, _) => Form::Table { is_wide: line.any("ainrsuHGMT"), extra },
            (true, Some("json")) => Form::Json(Document::new(What::JOBS, here)),
            (true, Some("dsv")) => Form::Separated(line.value('D').unwrap_or("|")),
            // Torque's way to say that lines are not to be folded is -1.
            (true, Some(_) | None) => Form::Text { is_whole: line.any("w1") },
        };
        let head = match &form {
            Form::Table { is_wide: true, extra } => table::alternate_head(here, *extra),
            Form::Table { is_wide: false, extra } => table::plain_head(*extra),
            Form::Text { .. } | Form::Separated(_) | Form::Json(_) => String::new(),
        };
        Self { here, form, head, text: String::new() }
    }

    /// The plain form has no head then.
    pub(super) fn without_head(&mut self) {
        if let Form::Table { is_wide: false, .. } = self.form {
            self.head.clear();
        }
    }

    /// One more; the exit code if it cannot be printed.
    pub(super) fn add(&mut self, job: &Job) -> Result<(), u8> {
        self.text += &std::mem::take(&mut self.head);
        let (here, text) = (self.here, &mut self.text);
        match &mut self.form {
            Form::Table { is_wide: true, extra } => table::alternate(text, job, here, *extra),
            Form::Table { is_wide: false, extra } => table::plain(text, job, here, *extra),
            Form::Text { is_whole } => {
                *text += &listed::text(&What::JOBS, &[full::listed(job, here)], *is_whole);
            }
            Form::Separated(separator) => {
                *text += &listed::separated(&What::JOBS, &[full::listed(job, here)], separator);
            }
            Form::Json(document) => {
                document.add(&full::listed(job, here));
                *text += &document.take();
            }
        }
        if self.text.len() < KEPT {
            return Ok(());
        }
        here.print(&std::mem::take(&mut self.text))
    }

    /// What is left; the exit code if it cannot be printed.
    pub(super) fn end(self) -> Result<(), u8> {
        let mut text = self.text;
        if let Form::Json(document) = self.form {
            text += &document.end();
        }
        self.here.print(&text)
    }
}
