//! `-v A=1,B,LIST=1\,2` and `-V`: which variables of the submitter's environment go with the job,
//! and which are set. Values are kept byte for byte: newlines, quotes, backslashes and the shell's
//! functions.

use std::collections::BTreeMap;

use super::refusal::{Refusal, code};
use super::text::{Rule, plain, read};

/// Variables that describe the submitting process only.
const OF_THE_SUBMITTER: [&str; 1] = ["_"];

/// What tells of the submission begins like this, and is `qsub`'s to say: what is set of it is of
/// the job that calls it.
const OF_THE_SUBMISSION: &str = "PBS_O_";

/// The variables that the options name, in the order in which they were named.
///
/// # Errors
/// If the text is none, or a variable without a value is not set here.
pub(super) fn named(
    text: &str,
    environ: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, Refusal> {
    let cannot = || Refusal::new(code::FAILED, "cannot send environment with the job");
    let mut all: Vec<(String, String)> = Vec::new();
    for variable in read(Rule::variables, text).ok_or_else(cannot)? {
        let mut inner = variable.into_inner();
        let name = inner.next().ok_or_else(cannot)?.as_str().trim_ascii().to_owned();
        let value = match inner.nth(1) {
            Some(value) => plain(value),
            None => environ.get(&name).cloned().ok_or_else(cannot)?,
        };
        all.retain(|(known, _)| *known != name);
        if !name.starts_with(OF_THE_SUBMISSION) {
            all.push((name, value));
        }
    }
    Ok(all)
}

/// Everything, for `-V`.
pub(super) fn all(environ: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let travels =
        |name: &str| !OF_THE_SUBMITTER.contains(&name) && !name.starts_with(OF_THE_SUBMISSION);
    let taken = environ.iter().filter(|(name, _)| travels(name));
    taken.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value as `Variable_List` and `-v` write it.
pub(super) fn quoted(value: &str) -> String {
    value.replace(',', "\\,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(&str, &str)]>) {
        let environ = BTreeMap::from([("HOME".to_owned(), "/home/a".to_owned())]);
        let read = named(text, &environ).ok();
        let read = read.as_ref().map(|all| {
            all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>()
        });
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn values_keep_what_quotes_and_backslashes_protect() {
        check("A=1,B=2", Some(&[("A", "1"), ("B", "2")]));
        check(r"A=a\,b,HOME", Some(&[("A", "a,b"), ("HOME", "/home/a")]));
        check("A='x,y',B=\"it's\"", Some(&[("A", "x,y"), ("B", "it's")]));
        check(r"A=C:\dir\n", Some(&[("A", r"C:\dir\n")]));
        check("A=it's", Some(&[("A", "it's")]));
        check("A=a\nb\tc\u{3}", Some(&[("A", "a\nb\tc\u{3}")]));
        check("A=x=y", Some(&[("A", "x=y")]));
        check("A=1,A=2", Some(&[("A", "2")]));
        check("A=", Some(&[("A", "")]));
        check("A=1,", Some(&[("A", "1")]));
        check("", Some(&[]));
    }

    #[test]
    fn what_tells_of_another_submission_stays_behind() {
        let set = [("A", "1"), ("PBS_JOBID", "7.s"), ("PBS_O_WORKDIR", "/outer"), ("_", "/bin/x")];
        let environ = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let names: Vec<String> = all(&environ).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "PBS_JOBID"]);
        check("PBS_O_WORKDIR=/outer,PBS_O_X=1,A=1", Some(&[("A", "1")]));
    }

    #[test]
    fn a_variable_that_is_not_set_cannot_be_sent() {
        for text in ["NOSUCH", "=1", "A=1,,B=2", "A=1,,"] {
            check(text, None);
        }
    }
}
