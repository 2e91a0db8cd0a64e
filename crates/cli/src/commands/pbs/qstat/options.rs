//! What the options of `qstat` ask for together. OpenPBS takes them one after the other, so some
//! mean another thing behind others, and looks at what they came to at the end (23.06).

use crate::commands::pbs::words::Line;
use crate::render::pbs::listed::Format;

/// What is shown, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted<'l> {
    pub(super) what: What,
    pub(super) form: Form<'l>,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Jobs,
    /// `-Q`.
    Queues,
    /// `-q`: queues with what their jobs may ask for.
    Limits,
    /// `-B`.
    Server,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'l> {
    /// A line each.
    Plain,
    /// A line each with other columns, or two: what `-a` and its like ask for.
    Alternate,
    /// `-f`: all there is to say; with long lines whole, or not.
    Text { is_whole: bool },
    /// `-f -F dsv`: what separates them.
    Separated(&'l str),
    /// `-f -F json`.
    Json,
}

impl Form<'_> {
    /// Whether it is `-f`, in whatever format.
    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::Text { .. } | Self::Separated(_) | Self::Json)
    }
}

/// Options that ask for other columns, or for more lines.
const ALTERNATE: &str = "aTirHunsqGM1w";

/// Those of them that say which jobs, or that it is queues: one of them at the most.
const WHICH: &str = "airqH";

/// Those that may be letters of `-W`.
const IN_W: &str = "airHnsqGM1";

/// What getopt calls an option that is none.
const NO_OPTION: char = '?';

const CONFLICT: &str = "conflicting options.";

/// The options behind `-W` as options of their own: `-W 'in u alice'` is `-i -n -u alice`.
pub(super) fn expanded(line: Line) -> Line {
    line.map_options(|option, value| {
        let Some(letters) = value.as_deref().filter(|_| option == 'W') else {
            return vec![(option, value)];
        };
        let (letters, users) = match letters.split_once('u') {
            Some((letters, users)) => (letters, Some(users.trim_start_matches(' '))),
            None => (letters, None),
        };
        let own = |letter: char| if IN_W.contains(letter) { letter } else { NO_OPTION };
        let options = letters.chars().filter(|c| *c != ' ').map(|letter| (own(letter), None));
        options.chain(users.map(|users| ('u', Some(users.to_owned())))).collect()
    })
}

/// What has been read so far.
struct Read<'l> {
    what: What,
    alternate: String,
    is_full: bool,
    format: Format,
    separator: &'l str,
    /// What is wrong; with words, or so that only the usage is told.
    wrong: Vec<Option<&'static str>>,
}

/// What the options of a line come to.
///
/// # Errors
/// With what is told before the usage.
pub(super) fn wanted(line: &Line) -> Result<Wanted<'_>, Vec<String>> {
    let mut read = Read {
        what: What::Jobs,
        alternate: String::new(),
        is_full: false,
        format: Format::Default,
        separator: "|",
        wrong: Vec::new(),
    };
    for (option, value) in line.options() {
        read.take(option, value.unwrap_or_default());
    }
    read.look_at_all();
    if !read.wrong.is_empty() {
        return Err(read.wrong.into_iter().flatten().map(str::to_owned).collect());
    }
    Ok(Wanted { what: read.what, form: read.form() })
}

impl<'l> Read<'l> {
    fn has(&self, options: &str) -> bool {
        self.alternate.contains(|option| options.contains(option))
    }

    fn take(&mut self, option: char, value: &'l str) {
        match option {
            'f' => self.is_full = true,
            // Only what stands before it is looked at.
            'Q' | 'B' => {
                let (own, other) = match option {
                    'Q' => (What::Queues, What::Server),
                    _ => (What::Server, What::Queues),
                };
                if self.what == other || (self.has(ALTERNATE) && !self.has("w")) {
                    self.wrong.push(Some(CONFLICT));
                }
                self.what = own;
            }
            'F' => match Format::named(value) {
                Some(format) => self.format = format,
                None => self.wrong.push(None),
            },
            'D' if self.format == Format::Separated => self.separator = value,
            'D' | NO_OPTION => self.wrong.push(None),
            _ if ALTERNATE.contains(option) => {
                self.alternate.push(option);
                match option {
                    'n' | 's' => self.is_full = false,
                    'q' => self.what = What::Limits,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn look_at_all(&mut self) {
        let which = WHICH.chars().filter(|option| self.alternate.contains(*option)).count();
        let has_format = self.format != Format::Default;
        let conflicts = [
            which > 1,
            self.has("M") && self.has("G"),
            has_format && !self.is_full,
            self.has("q") && self.is_full,
            // Torque's way to say that lines of -f are not to be folded is -1.
            self.has("1") && !self.has("ns") && !self.is_full,
        ];
        let conflicts = conflicts.into_iter().filter(|is_one| *is_one);
        self.wrong.extend(conflicts.map(|_| Some(CONFLICT)));
        if self.has("w") && has_format {
            self.wrong.push(Some("option w cannot be used with -F"));
        }
    }

    fn form(&self) -> Form<'l> {
        let is_alternate = self.has("aTirHunsGM");
        match (self.is_full, self.format) {
            (true, Format::Json) => Form::Json,
            (true, Format::Separated) => Form::Separated(self.separator),
            (true, Format::Default) if !is_alternate || self.has("w") => {
                Form::Text { is_whole: self.has("w1") }
            }
            (true, Format::Default) if self.what != What::Jobs => Form::Text { is_whole: false },
            (_, _) if is_alternate => Form::Alternate,
            (_, _) => Form::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::pbs::qstat::OPTIONS;

    fn read(words: &str) -> Line {
        let words: Vec<String> = words.split(' ').map(|word| word.replace('_', " ")).collect();
        expanded(Line::read(&words, OPTIONS).unwrap())
    }

    /// What a line comes to, and in which form.
    fn check(words: &str, what: What, form: Form<'_>) {
        assert_eq!(wanted(&read(words)), Ok(Wanted { what, form }), "qstat {words}");
    }

    #[test]
    fn options_together_come_to_one_form() {
        let (folded, whole) = (Form::Text { is_whole: false }, Form::Text { is_whole: true });
        for (words, what, form) in [
            ("-x", What::Jobs, Form::Plain),
            ("-w", What::Jobs, Form::Plain),
            ("-p -t -J -E", What::Jobs, Form::Plain),
            ("-f", What::Jobs, folded),
            ("-fw", What::Jobs, whole),
            ("-f1", What::Jobs, whole),
            // Other columns win over -f, but not over both -f and -w.
            ("-f -u root", What::Jobs, Form::Alternate),
            ("-fa 1", What::Jobs, Form::Alternate),
            ("-fH", What::Jobs, Form::Alternate),
            ("-nf 1", What::Jobs, Form::Alternate),
            ("-f -w -u root", What::Jobs, whole),
            ("-nfw", What::Jobs, whole),
            ("-fnw", What::Jobs, Form::Alternate),
            ("-f -u root -F json", What::Jobs, Form::Json),
            ("-f -F JSON 1", What::Jobs, Form::Json),
            ("-f -F Dsv -D ^", What::Jobs, Form::Separated("^")),
            ("-F dsv -f", What::Jobs, Form::Separated("|")),
            ("-f -F dsv -F default", What::Jobs, folded),
            ("-n1", What::Jobs, Form::Alternate),
            ("-Qx", What::Queues, Form::Plain),
            ("-xQ", What::Queues, Form::Plain),
            ("-QtJpE", What::Queues, Form::Plain),
            ("-Qf", What::Queues, folded),
            ("-awQ", What::Queues, Form::Alternate),
            ("-q", What::Limits, Form::Plain),
            ("-Qq", What::Limits, Form::Plain),
            ("-qG", What::Limits, Form::Alternate),
            ("-Bf -F json", What::Server, Form::Json),
            ("-W i", What::Jobs, Form::Alternate),
            ("-W n_1_u_root", What::Jobs, Form::Alternate),
            ("-W q", What::Limits, Form::Plain),
        ] {
            check(words, what, form);
        }
        assert_eq!(read("-W n_u__root,bob").value('u'), Some("root,bob"));
    }

    #[test]
    fn options_that_make_no_sense_together_are_told_before_the_usage() {
        const BOTH: &[&str] = &[CONFLICT, CONFLICT];
        for (words, told) in [
            ("-1", &[CONFLICT][..]),
            ("-ar", &[CONFLICT]),
            ("-ai", &[CONFLICT]),
            ("-aq", &[CONFLICT]),
            ("-Hr", &[CONFLICT]),
            ("-W ai", &[CONFLICT]),
            ("-GM", &[CONFLICT]),
            ("-arGM", BOTH),
            ("-qf", &[CONFLICT]),
            ("-aQ", &[CONFLICT]),
            ("-TB", &[CONFLICT]),
            ("-QB", &[CONFLICT]),
            ("-BQ", &[CONFLICT]),
            ("-F json", &[CONFLICT]),
            ("-f -n -F json", &[CONFLICT]),
            ("-fw -F json", &["option w cannot be used with -F"]),
            ("-F bogus -f", &[]),
            ("-D ,", &[]),
            ("-f -D , -F dsv", &[]),
            ("-W x", &[]),
        ] {
            assert_eq!(wanted(&read(words)).unwrap_err(), told, "qstat {words}");
        }
    }
}
