//! What the log tells of files that travel.

use crate::core::tests::*;

#[test]
fn files_that_travel_are_told_of_before_001_and_005() {
    let check = |should: &str, end: RunEnd, expected: [&[&str]; 3]| {
        let lines = format!("UserLog = \"/log\"\nShouldTransferFiles = \"{should}\"");
        let mut trial = Trial::with_jobs(1, &lines);
        trial.matched();
        let placed = entries(&trial.hears(granted(&trial)));
        let started = trial.hears(FromStartd::RunStarted {
            claim: CLAIM,
            run: RAN,
            at: trial.now.wall,
            scratch_dir: "/scratch".to_owned(),
        });
        let told = [placed, entries(&started), entries(&trial.ends(end))];
        assert_eq!(told, expected.map(<[&str]>::to_vec), "{should}");
    };
    let exited = RunEnd::exited(0);
    check(
        "YES",
        exited.clone(),
        [
            &["040 input started"],
            &["040 input finished", "001"],
            &["040 output started", "040 output finished", "005"],
        ],
    );
    check("NO", exited, [&[], &["001"], &["005"]]);
    let lost = RunEnd::vacated(VacateCode::StartdShutdown);
    // It runs again, on the same claim.
    let again: &[&str] = &["004", "040 input started"];
    check("YES", lost, [&["040 input started"], &["040 input finished", "001"], again]);
}
