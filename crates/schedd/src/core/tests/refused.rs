//! Submissions that are not taken.

use crate::core::tests::*;

#[test]
fn what_nobody_would_do_is_refused_and_not_ignored() {
    let check = |lines: &str, what: Option<&str>| {
        let mut trial = Trial::new();
        let answer = trial.submit(SubmitToken([1; 16]), spec(1, lines));
        let refused = what
            .map(|what| Answer::Refused(Refusal::Invalid(format!("{what} is not supported yet"))));
        let expected = refused.unwrap_or(Answer::Submitted { cluster: ClusterId(1), procs: 1 });
        assert_eq!(answer, expected, "{lines}");
    };
    check("JobUniverse = 5", None);
    check("JobUniverse = 7", None);
    check("JobUniverse = 12", None);
    check("JobUniverse = 9", Some("JobUniverse = 9"));
    check("JobUniverse = 5 + 2", Some("JobUniverse = 5 + 2"));
    check("ConcurrencyLimits = \"db\"", None);
}
