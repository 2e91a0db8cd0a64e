//! Takes away from a description what a difference does not need, and sees whether what is left is
//! only which of two mistakes is told first.

use super::answer::Answer;
use super::compare::{difference, unmeant};
use super::generate::Case;

/// What came of a description that both were asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the real one said.
    pub real: Answer,
    /// What ours said.
    pub ours: Answer,
}

impl Outcome {
    /// Where they differ and should not.
    pub fn findings(&self) -> Vec<String> {
        unmeant(difference(&self.real, &self.ours))
    }
}

/// Why a difference is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A description has two mistakes, each of which both tell in the same words when it is alone,
    /// and each tells another one first.
    TwoMistakes,
    /// Anything else: the smallest description that shows it, and what it shows.
    Real(Case, Vec<String>),
}

/// Finds the cause of a difference.
///
/// # Errors
/// If one of them cannot be asked.
pub fn cause<E>(
    case: &Case,
    outcome: Outcome,
    ask: &mut impl FnMut(&Case) -> Result<Outcome, E>,
) -> Result<Cause, E> {
    let (mut case, mut outcome) = (case.clone(), outcome);
    for at in (0..case.parts.len()).rev() {
        let Some(smaller) = case.without(at) else { continue };
        let smaller_outcome = ask(&smaller)?;
        if !smaller_outcome.findings().is_empty() {
            (case, outcome) = (smaller, smaller_outcome);
        }
    }
    if is_two_mistakes(&case, &outcome, ask)? {
        return Ok(Cause::TwoMistakes);
    }
    let findings = outcome.findings();
    Ok(Cause::Real(case, findings))
}

/// Whether each says without one part what the other says with it.
fn is_two_mistakes<E>(
    case: &Case,
    outcome: &Outcome,
    ask: &mut impl FnMut(&Case) -> Result<Outcome, E>,
) -> Result<bool, E> {
    let Outcome { real, ours } = outcome;
    if real.code == 0 || ours.code == 0 {
        return Ok(false);
    }
    let (mut ours_is_known, mut real_is_known) = (false, false);
    for at in 0..case.parts.len() {
        let Some(smaller) = case.without(at) else { continue };
        let less = ask(&smaller)?;
        ours_is_known |= difference(&less.real, ours).is_empty();
        real_is_known |= difference(real, &less.ours).is_empty();
    }
    Ok(ours_is_known && real_is_known)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn answer(err: Option<&str>) -> Answer {
        Answer {
            code: i32::from(err.is_some()),
            err: err.unwrap_or_default().to_owned(),
            ..Answer::default()
        }
    }

    /// Two who know the mistakes `a` and `b`; the real one looks for them in this order and ours in
    /// the other, and ours takes `c` for one too.
    fn ask(case: &Case) -> Result<Outcome, Infallible> {
        let first = |order: &[&'static str]| {
            let has = |mistake: &&&'static str| case.parts.iter().any(|part| part == **mistake);
            answer(order.iter().find(has).copied())
        };
        Ok(Outcome { real: first(&["a", "b"]), ours: first(&["b", "a", "c"]) })
    }

    fn check(parts: &[&str], expected: &Cause) {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        let case = Case { parts };
        let Ok(outcome) = ask(&case);
        assert_eq!(cause(&case, outcome, &mut ask), Ok(expected.clone()));
    }

    #[test]
    fn the_smallest_description_with_the_difference_is_told() {
        let parts = ["#", "c", "queue"].map(str::to_owned).to_vec();
        let smallest = Case { parts };
        let findings = ["- exit code: 0", "+ exit code: 1", "+ err: c"].map(str::to_owned);
        check(&["x", "c", "queue 2"], &Cause::Real(smallest, findings.to_vec()));
    }

    #[test]
    fn which_of_two_mistakes_is_told_first_is_a_cause_of_its_own() {
        check(&["x", "a", "b", "queue"], &Cause::TwoMistakes);
    }
}
