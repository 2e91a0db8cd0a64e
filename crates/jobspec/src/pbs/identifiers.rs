//! How commands name jobs: `12`, `12.host`, `12[].host`, `12[4]`, `12[1-9:2]`, each also with
//! `@host`.

use super::text::{Rule, number, read};

/// What a word names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWord {
    /// The job's number.
    pub number: u32,
    /// Which of its subjobs.
    pub subjobs: Subjobs,
    /// `.host`: the server that gave the number.
    pub server: Option<String>,
    /// `@host`: the server that is asked.
    pub at: Option<String>,
}

/// Which subjobs a word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subjobs {
    /// `12`: no brackets.
    None,
    /// `12[]`: the array as one.
    Whole,
    /// `12[4]`, `12[1-9:2]`.
    Some {
        /// The first index.
        start: i64,
        end: i64,
        /// From one to the next.
        step: i64,
    },
}

impl Subjobs {
    /// Whether the subjob of this index is one of them.
    pub fn has(self, index: i64) -> bool {
        match self {
            Self::None | Self::Whole => true,
            Self::Some { start, end, step } => {
                self.is_range() && (start..=end).contains(&index) && (index - start) % step == 0
            }
        }
    }

    /// Whether it can name anything: `12[9-1]` is a word, and no range.
    pub fn is_range(self) -> bool {
        match self {
            Self::None | Self::Whole => true,
            Self::Some { start, end, step } => start <= end && step >= 1,
        }
    }
}

/// A word that names no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegally formed job identifier: {0}")]
pub struct NoJobWord(pub String);

impl JobWord {
    /// Reads a word.
    ///
    /// # Errors
    /// If it names no job.
    pub fn read(text: &str) -> Result<Self, NoJobWord> {
        Self::parse(text.trim_ascii()).ok_or_else(|| NoJobWord(text.to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut word = Self { number: 0, subjobs: Subjobs::None, server: None, at: None };
        let mut rest = text;
        if let Some((front, at)) = text.split_once('@') {
            word.at = Some(at.to_owned());
            rest = front;
        }
        for part in read(Rule::job_id, rest)? {
            match part.as_rule() {
                Rule::number => word.number = number(&part)?,
                Rule::open => word.subjobs = Subjobs::Whole,
                Rule::subjobs => {
                    let numbers: Option<Vec<i64>> = part.into_inner().map(|n| number(&n)).collect();
                    let (start, end, step) = match numbers?[..] {
                        [one] => (one, one, 1),
                        [start, end] => (start, end, 1),
                        [start, end, step] => (start, end, step),
                        _ => return None,
                    };
                    word.subjobs = Subjobs::Some { start, end, step };
                }
                Rule::server => word.server = Some(part.as_str().to_owned()),
                _ => return None,
            }
        }
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, number: u32, subjobs: Subjobs, server: Option<&str>, at: Option<&str>) {
        let (server, at) = (server.map(str::to_owned), at.map(str::to_owned));
        assert_eq!(JobWord::read(text), Ok(JobWord { number, subjobs, server, at }), "{text}");
    }

    #[test]
    fn jobs_arrays_subjobs_and_ranges_have_names() {
        check("12", 12, Subjobs::None, None, None);
        check("12.host.domain@other", 12, Subjobs::None, Some("host.domain"), Some("other"));
        check("12[].host", 12, Subjobs::Whole, Some("host"), None);
        check("12[4]", 12, Subjobs::Some { start: 4, end: 4, step: 1 }, None, None);
        check("12[1-9:4].h", 12, Subjobs::Some { start: 1, end: 9, step: 4 }, Some("h"), None);
    }

    #[test]
    fn a_word_that_is_no_range_names_no_subjob() {
        for text in ["12[9-1]", "12[1-9:0]"] {
            let subjobs = JobWord::read(text).unwrap().subjobs;
            assert!(!subjobs.is_range() && !(0..10).any(|index| subjobs.has(index)), "{text}");
        }
    }

    #[test]
    fn what_names_no_job_is_said() {
        for text in ["abc", "12x", "12[", "12[1,2]", "[]", "all", "", "99999999999"] {
            let told = JobWord::read(text).unwrap_err().to_string();
            assert_eq!(told, format!("illegally formed job identifier: {text}"));
        }
    }
}
