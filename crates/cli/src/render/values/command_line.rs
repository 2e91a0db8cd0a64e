//! A job's command as the CMD column shows it: how the job is described (`description`), if it is;
//! else the name of the program and its arguments, quoted only where it must be.

use model::attr;

use crate::render::values::view::View;

/// The command of a job.
pub(crate) fn of_job(job: View<'_>) -> String {
    if let Some(description) = job.text(attr::JOB_DESCRIPTION).filter(|text| !text.is_empty()) {
        return format!("({description})");
    }
    let program = job.text(attr::CMD).unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments = match job.text(attr::ARGUMENTS) {
        Some(new_style) => join(&split(&new_style)),
        None => job.text(attr::ARGS).map(|old| old.trim().to_owned()).unwrap_or_default(),
    };
    if arguments.is_empty() { name } else { format!("{name} {arguments}") }
}

/// The words of an `Arguments` attribute: blanks separate, single quotes keep, two of them in
/// quotes are one.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    if c == '\'' && chars.next_if_eq(&'\'').is_none() {
                        break;
                    }
                    word.push(c);
                }
            }
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// HTCondor quotes each special character by itself, and joins quotes that meet: `echo' 'a` is one
/// word.
fn join(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        if word.is_empty() {
            out += "''";
        }
        for c in word.chars() {
            if !c.is_whitespace() && c != '\'' {
                out.push(c);
                continue;
            }
            if out.pop_if_quote().is_none() {
                out.push('\'');
            }
            if c == '\'' {
                out.push('\'');
            }
            out.push(c);
            out.push('\'');
        }
    }
    out
}

trait PopQuote {
    /// Takes a quote off the end, if there is one.
    fn pop_if_quote(&mut self) -> Option<char>;
}

impl PopQuote for String {
    fn pop_if_quote(&mut self) -> Option<char> {
        if self.ends_with('\'') { self.pop() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    #[test]
    fn a_description_stands_in_place_of_the_command() {
        let moment = Moment::new(0, TimeZone::UTC);
        for (more, shown) in [
            ("", "run -v"),
            ("JobDescription = \"\"", "run -v"),
            ("JobDescription = \"my fit\"", "(my fit)"),
        ] {
            let text = format!("[ Cmd = \"/bin/run\"; Arguments = \"-v\"; {more} ]");
            let ad = ClassAd::parse_new(&text).unwrap();
            assert_eq!(of_job(View::new(&ad, &moment)), shown, "{more}");
        }
    }

    #[test]
    fn arguments_are_shown_as_htcondor_quotes_them() {
        for (attribute, shown) in [
            ("600", "600"),
            ("-c 'echo started; date'", "-c echo' 'started;' 'date"),
            ("a1 'a 2' a3", "a1 a' '2 a3"),
            ("'' b", "'' b"),
            ("'it''s'", "it''''s"),
            ("'two  blanks'", "two'  'blanks"),
        ] {
            assert_eq!(join(&split(attribute)), shown, "{attribute}");
        }
    }

    #[test]
    fn what_is_shown_is_the_same_words_when_read_again() {
        for words in [vec!["a b", "", "c'd", "''"], vec!["'"], vec!["x", "  "]] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(split(&join(&words)), words);
        }
    }
}
