//! Questions that are answered in groups of jobs.

use crate::core::tests::*;

/// Status, first, last, and how many.
type Group = (i64, i64, i64, i64);

#[test]
fn jobs_that_a_question_cannot_tell_apart_are_told_once() {
    let check = |what: &str, select: Select, only: Option<&str>, groups: &[Group]| {
        let mut trial = Trial::with_jobs(1000, "");
        trial.matched();
        trial.hears(granted(&trial));
        for proc in [7, 8] {
            let select = Select::Any(vec![Selector::Job(JobId::new(1, proc))]);
            let action = Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 };
            trial.take(&[act("alice", action, select)]);
        }
        let names = [attr::PROC_ID, attr::JOB_STATUS, attr::HOLD_REASON];
        let query = Query {
            projection: names.map(Into::into).to_vec(),
            grouped: true,
            constraint: only.map(|text| text.parse().unwrap()),
            ..Query::of(select)
        };
        let (ads, next) = trial.core.query_page(trial.now, &query, None);
        assert_eq!(next, None, "{what}");
        let number = |ad: &ClassAd, name| ad.literal(name).and_then(classad::Value::as_i64);
        let told = |ad: &ClassAd| {
            let [status, first, last, count] =
                [attr::JOB_STATUS, attr::PROC_ID, attr::GROUP_LAST_PROC, attr::GROUP_COUNT]
                    .map(|name| number(ad, name).unwrap_or(-1));
            (status, first, last, count)
        };
        assert_eq!(ads.iter().map(told).collect::<Vec<_>>(), groups, "{what}");
    };
    let by_status = [(1, 1, 999, 997), (2, 0, 0, 1), (5, 7, 8, 2)];
    check("all", Select::All, None, &by_status);
    check("a cluster", Select::Any(vec![Selector::Cluster(ClusterId(1))]), None, &by_status);
    check("one job", Select::Any(vec![Selector::Job(JobId::new(1, 7))]), None, &[(5, 7, -1, -1)]);
    check("another's", Select::Any(vec![Selector::Owner(UserName::new("bob"))]), None, &[]);
    check("those of a status", Select::All, Some("JobStatus != 1"), &by_status[1..]);
    let of_each = Some("JobStatus == 5 && ProcId < 8");
    check("by what each has of its own", Select::All, of_each, &[(5, 7, -1, -1)]);
}
