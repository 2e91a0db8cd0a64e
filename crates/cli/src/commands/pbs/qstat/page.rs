//! What `qstat` prints of jobs, a job at a time: a list of any length is printed as it comes.

use super::{options, sizes};
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
    /// In this form, with what managers say of the server above tables.
    pub(super) fn new(
        here: &'a Here,
        line: &'a Line,
        form: options::Form<'a>,
        comment: Option<&str>,
    ) -> Self {
        let extra = Extra {
            nodes: line.has('n'),
            comment: line.has('s'),
            one_line: line.has('1'),
            wide: line.has('w'),
            percent: line.has('p'),
            start: line.has('T'),
            sizes: sizes(line),
        };
        let (form, head) = match form {
            options::Form::Plain => {
                (Form::Table { is_wide: false, extra }, table::plain_head(extra, comment))
            }
            options::Form::Alternate => {
                (Form::Table { is_wide: true, extra }, table::alternate_head(here, extra, comment))
            }
            options::Form::Json => (Form::Json(Document::new(What::JOBS, here)), String::new()),
            options::Form::Separated(separator) => (Form::Separated(separator), String::new()),
            options::Form::Text { is_whole } => (Form::Text { is_whole }, String::new()),
        };
        Self { here, form, head, text: String::new() }
    }

    /// Leaves out what comes before the first job.
    pub(super) fn without_head(&mut self) {
        self.head.clear();
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
