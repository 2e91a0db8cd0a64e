//! Numbers of `condor_submit_dag`'s options, as it reads them: the digits that a word begins with.

use std::str::FromStr;

/// A number that an option was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: i32,
    /// Whether nothing stands behind its digits.
    pub(super) is_whole: bool,
}

impl Number {
    /// It, unless it is below 0.
    pub(super) fn not_negative(self) -> Option<u32> {
        u32::try_from(self.value).ok()
    }
}

impl FromStr for Number {
    /// Told in HTCondor's words behind the option's name; see `line::usage::no_number`.
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_start();
        let is_sign = |at: usize, c: char| at == 0 && matches!(c, '+' | '-');
        let is_of_it = |(at, c): &(usize, char)| c.is_ascii_digit() || is_sign(*at, *c);
        let length = text.char_indices().take_while(is_of_it).count();
        Ok(Self { value: text[..length].parse()?, is_whole: length == text.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_digits_that_a_word_begins_with() {
        for (text, expected) in [
            ("3", Some((3, true))),
            (" +5", Some((5, true))),
            ("-3", Some((-3, true))),
            ("007", Some((7, true))),
            ("3x", Some((3, false))),
            ("0x10", Some((0, false))),
            ("3.5", Some((3, false))),
            ("2147483647", Some((i32::MAX, true))),
            ("2147483648", None),
            ("x", None),
            ("", None),
        ] {
            let number = text.parse::<Number>().ok();
            assert_eq!(number.map(|n| (n.value, n.is_whole)), expected, "{text}");
        }
    }
}
