//! Which jobs of the queue the words of a question name.

use crate::core::tests::*;

/// Clusters 1 to 6 with three jobs each: alice's, and every second bob's.
fn two_users() -> Trial {
    let mut trial = Trial::with_jobs(3, "");
    for n in 2..=6 {
        let by = user(if n % 2 == 0 { "bob" } else { "alice" });
        let token = SubmitToken([n; 16]);
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let (cluster, spec) = (ClusterId(u32::from(n)), Arc::new(spec(3, "")));
        trial.take(&[Input::Submit { by, token, cluster, spec }]);
    }
    trial
}

fn found(trial: &Trial, query: &Query) -> Vec<JobId> {
    let number = |ad: &ClassAd, name| ad.literal(name).and_then(classad::Value::as_i64).unwrap();
    let id = |ad: &ClassAd| {
        let (cluster, proc) = (number(ad, attr::CLUSTER_ID), number(ad, attr::PROC_ID));
        JobId::new(u32::try_from(cluster).unwrap(), u32::try_from(proc).unwrap())
    };
    trial.core.query(trial.now, query).iter().map(id).collect()
}

#[test]
fn words_name_each_of_their_jobs_once_and_in_order() {
    let trial = two_users();
    let (owner, cluster) =
        (|name| Selector::Owner(UserName::new(name)), |n| Selector::Cluster(ClusterId(n)));
    let job = |cluster, proc| Selector::Job(JobId::new(cluster, proc));
    let all = |clusters: &[u32]| -> Vec<JobId> {
        let jobs = |n: &u32| [0, 1, 2].map(|proc| JobId::new(*n, proc));
        clusters.iter().flat_map(jobs).collect()
    };
    for (words, expected) in [
        (vec![], vec![]),
        (vec![cluster(4), cluster(2), cluster(4), cluster(9)], all(&[2, 4])),
        (vec![owner("alice")], all(&[1, 3, 5])),
        (vec![owner("bob"), owner("alice"), owner("eve"), cluster(3)], all(&[1, 2, 3, 4, 5, 6])),
        (vec![cluster(1), owner("bob"), job(2, 1)], all(&[1, 2, 4, 6])),
        (vec![job(5, 2), job(1, 1), job(5, 0), job(5, 7), job(8, 0)], {
            vec![JobId::new(1, 1), JobId::new(5, 0), JobId::new(5, 2)]
        }),
    ] {
        let query = Query::of(Select::Any(words.clone()));
        assert_eq!(found(&trial, &query), expected, "{words:?}");
        let mut grouped = query.clone();
        grouped.grouped = true;
        grouped.projection = vec![attr::CLUSTER_ID.into(), attr::PROC_ID.into()];
        let (ads, _) = trial.core.query_page(trial.now, &grouped, None);
        let is_single = words.iter().any(|word| matches!(word, Selector::Job(_)));
        let count = if is_single { expected.len() } else { expected.len() / 3 };
        assert_eq!(ads.len(), count, "{words:?} in groups");
    }
}

#[test]
fn a_question_goes_on_behind_the_job_that_was_told_last() {
    let trial = two_users();
    let words = vec![Selector::Owner(UserName::new("bob")), Selector::Job(JobId::new(5, 1))];
    let query = Query::of(Select::Any(words));
    let all = found(&trial, &query);
    for (n, after) in all.iter().enumerate() {
        let (ads, next) = trial.core.query_page(trial.now, &query, Some(*after));
        assert_eq!((ads.len(), next), (all.len() - n - 1, None), "behind {after}");
    }
}
