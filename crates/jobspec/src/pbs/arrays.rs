//! Arrays: `-J 0-99:2%10`. Beyond PBS, one index (`-J 5`) and lists (`-J 1,5,9-20:2`) are arrays
//! too.

use std::fmt;

use super::refusal::{Refusal, code};
use super::text::{Rule, number, read};

/// The most subjobs of an array, whatever queues allow.
const MOST_SUBJOBS: u64 = 1_000_000;

/// The greatest index of OpenPBS.
const GREATEST: i64 = 2_147_483_647;

/// The indices of an array, as they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    /// Ascending steps, in the order in which they were written.
    ranges: Vec<Range>,
    /// Without the limit.
    text: String,
}

/// `start-end:step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: i64,
    end: i64,
    step: i64,
}

impl Range {
    fn count(self) -> u64 {
        u64::try_from((self.end - self.start) / self.step + 1).unwrap_or(0)
    }
}

impl Indices {
    /// The indices, and how many of them may run at once.
    ///
    /// # Errors
    /// If the text is none, or there are too many.
    pub(super) fn read(text: &str) -> Result<(Self, Option<u32>), Refusal> {
        let illegal = || Refusal::illegal('J');
        let mut ranges = Vec::new();
        let mut most = None;
        for part in read(Rule::array, text).ok_or_else(illegal)? {
            let is_limit = part.as_rule() == Rule::limit;
            let numbers: Option<Vec<i64>> = part.into_inner().map(|n| number(&n)).collect();
            let numbers = numbers.ok_or_else(illegal)?;
            if is_limit {
                let limit = numbers.first().and_then(|limit| u32::try_from(*limit).ok());
                most = Some(limit.ok_or_else(|| Refusal::bad_value(""))?);
                continue;
            }
            let (start, end, step) = match numbers[..] {
                [start] => (start, start, 1),
                [start, end] => (start, end, 1),
                [start, end, step] => (start, end, step),
                _ => return Err(illegal()),
            };
            if end > GREATEST {
                return Err(Refusal::bad_value(""));
            }
            if start > end || step < 1 {
                return Err(illegal());
            }
            ranges.push(Range { start, end, step });
        }
        let text = text.split('%').next().unwrap_or_default().to_owned();
        let indices = Self { ranges, text };
        if indices.ranges.iter().map(|range| range.count()).sum::<u64>() > MOST_SUBJOBS {
            let message = "Array job exceeds server or queue size limit";
            return Err(Refusal::new(code::ARRAY_SIZE, message));
        }
        if indices.ranges.len() == 1 {
            return Ok((indices, most.filter(|most| *most > 0)));
        }
        let all: Vec<i64> = indices.iter().collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        // Two subjobs of one index would write the same files.
        if different.len() != all.len() {
            return Err(illegal());
        }
        // OpenPBS takes 0 for no limit.
        Ok((indices, most.filter(|most| *most > 0)))
    }

    /// The same from what [`fmt::Display`] has written.
    pub fn written(text: &str) -> Option<Self> {
        Self::read(text).ok().map(|(indices, _)| indices)
    }

    /// Start, step and count, if one range is all.
    pub(super) fn one_range(&self) -> Option<(i64, i64, u32)> {
        let [range] = self.ranges[..] else { return None };
        Some((range.start, range.step, u32::try_from(range.count()).ok()?))
    }

    /// All of them, in the order in which they were written: the index of job N of the cluster is
    /// the N-th.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.ranges.iter().flat_map(|range| {
            (range.start..=range.end).step_by(usize::try_from(range.step).unwrap_or(usize::MAX))
        })
    }

    /// Which job of the cluster has this index.
    pub fn position(&self, index: i64) -> Option<u32> {
        let mut before = 0;
        for range in &self.ranges {
            let is_in = (range.start..=range.end).contains(&index);
            if is_in && (index - range.start) % range.step == 0 {
                let within = u64::try_from((index - range.start) / range.step).ok()?;
                return u32::try_from(before + within).ok();
            }
            before += range.count();
        }
        None
    }
}

impl fmt::Display for Indices {
    /// As they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[i64]) {
        let (indices, _) = Indices::read(text).unwrap();
        assert_eq!(indices.iter().collect::<Vec<_>>(), expected, "{text}");
        for index in 0..30 {
            let nth = expected.iter().position(|known| *known == index);
            assert_eq!(indices.position(index).map(|nth| nth as usize), nth, "{text}: {index}");
        }
        assert_eq!(Indices::written(&indices.to_string()), Some(indices), "{text}");
    }

    #[test]
    fn arrays_are_ranges_steps_and_lists() {
        check("1-3", &[1, 2, 3]);
        check("0-7:3", &[0, 3, 6]);
        check("1-3:5", &[1]);
        check("5", &[5]);
        check("9,1-3,20-24:2%1", &[9, 1, 2, 3, 20, 22, 24]);
        check("01-03", &[1, 2, 3]);
    }

    #[test]
    fn an_index_stands_once() {
        assert_eq!(Indices::read("1-3,2").unwrap_err().exit, code::USAGE);
    }

    #[test]
    fn no_limit_is_zero() {
        assert_eq!(Indices::read("1-3%0").unwrap().1, None);
        assert_eq!(Indices::read("1-3%2").unwrap().1, Some(2));
        assert_eq!(Indices::read("1-3%").unwrap_err().exit, code::BAD_VALUE);
    }
}
