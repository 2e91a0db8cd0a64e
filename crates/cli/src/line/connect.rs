//! The daemons of the pool that the environment chooses, and the words of a command line that say
//! which ads of theirs are wanted.

use anyhow::{Result, bail};
use classad::{AttrName, Expr};
use client::{AskError, Home, Negotiator, Schedd, Startd};
use model::JobId;

/// A connection to the pool's schedd.
///
/// # Errors
///
/// If no schedd answers.
pub fn schedd() -> Result<Schedd> {
    Ok(Home::from_environment().schedd()?)
}

/// A connection to the pool's negotiator.
///
/// # Errors
///
/// If no negotiator answers.
pub fn negotiator() -> Result<Negotiator> {
    Ok(Home::from_environment().negotiator()?)
}

/// A connection to this machine's startd.
///
/// # Errors
///
/// If no startd answers.
pub fn startd() -> Result<Startd> {
    Ok(Home::from_environment().startd()?)
}

/// A connection to the startd of the machine on which a job runs.
///
/// # Errors
///
/// If the job does not run, or its machine cannot be reached.
pub fn startd_of(job: JobId) -> Result<Startd> {
    Ok(Home::from_environment().startd_of(job)?)
}

/// Does something that may be done again with the schedd, as long as only the connection fails: a
/// pool restarts a daemon that died.
///
/// # Errors
///
/// The first that is of another kind, or the last.
pub fn persist<T>(work: impl FnMut(&mut Schedd) -> Result<T>) -> Result<T> {
    Home::from_environment().persist(ask_in, work)
}

/// The failure of a question that is behind an error, if one is.
pub fn ask_in(error: &anyhow::Error) -> Option<&AskError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// A constraint that a user wrote.
///
/// # Errors
///
/// If it is no expression.
pub fn constraint(text: &str) -> Result<Expr> {
    match text.parse() {
        Ok(expr) => Ok(expr),
        Err(error) => bail!("invalid constraint: {error}"),
    }
}

/// What all of these say.
///
/// # Errors
///
/// If one is no expression.
pub fn constraints(texts: &[String]) -> Result<Option<Expr>> {
    texts.iter().try_fold(None, |all, text| Ok(both(all, Some(constraint(text)?))))
}

/// What makes both true.
pub fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.parenthesised().and(b.parenthesised())),
        (one, None) | (None, one) => one,
    }
}

/// The names in `-attributes A,B C`.
pub fn attribute_names(lists: &[String]) -> Vec<AttrName> {
    let words = lists.iter().flat_map(|list| list.split([',', ' ']));
    words.filter(|word| !word.is_empty()).map(AttrName::from).collect()
}
