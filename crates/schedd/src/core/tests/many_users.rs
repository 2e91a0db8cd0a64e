//! Jobs of many users, which run as their owners.

use classad::Value;

use crate::core::tests::*;

fn number(ad: &ClassAd, name: &str) -> Option<i64> {
    ad.literal(name).and_then(Value::as_i64)
}

#[test]
fn a_job_says_its_owner_s_number_as_the_kernel_does_whatever_its_description_says() {
    let mut trial = Trial::new();
    let (token, by) = (SubmitToken([1; 16]), Actor { uid: Some(1001), ..user("alice") });
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let lies =
        ClassAd::parse_old("Owner = \"bob\"\nOwnerUid = 1002\nUser = \"bob@here\"\n").unwrap();
    let procs = Procs::Listed(vec![lies.clone(), ClassAd::new()]);
    let spec = Arc::new(ClusterSpec { ad: lies, procs });
    trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
    for proc in [0, 1] {
        let ad = trial.core.job_ad(trial.now, JobId::new(1, proc)).unwrap();
        assert_eq!(number(&ad, attr::OWNER_UID), Some(1001), "{proc}");
        for (name, expected) in [(attr::OWNER, "alice"), (attr::USER, "alice@here")] {
            assert_eq!(ad.literal(name).and_then(Value::as_str), Some(expected), "{proc}");
        }
    }
    assert_eq!(trial.core.owner_of(JOB), Some((&UserName::new("alice"), Some(1001))));
    let edited = edit(&mut trial, "alice", Select::All, &[("OwnerUid", "0")]);
    assert_eq!(edited, Edited::Immutable("OwnerUid".into()));
}

#[test]
fn jobs_of_two_people_of_one_name_are_not_matched_as_one_whatever_they_say_of_themselves() {
    let mut trial = Trial::new();
    let lies = ClassAd::parse_old("OwnerUid = 1005\n").unwrap();
    let described = [ClassAd::new(), lies];
    let submissions =
        [1001, 1001, 1005].into_iter().flat_map(|uid| described.iter().map(move |ad| (uid, ad)));
    for (n, (uid, own)) in (1..).zip(submissions) {
        let (token, by) = (SubmitToken([n; 16]), Actor { uid: Some(uid), ..user("alice") });
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let procs = Procs::Listed(vec![own.clone()]);
        let spec = Arc::new(ClusterSpec { ad: ClassAd::new(), procs });
        trial.take(&[Input::Submit { by, token, cluster: ClusterId(n.into()), spec }]);
    }
    let classes = trial.core.classes.by_id.values().map(|class| class.idle.count());
    assert_eq!(classes.collect::<Vec<_>>(), [4, 2], "by the kernel's word alone");
}

#[test]
fn where_nothing_is_kept_no_edit_makes_a_run_keep_something() {
    let keeps = ("WhenToTransferOutput", "\"ON_EXIT_OR_EVICT\"");
    let takes = ("SuccessCheckpointExitCode", "85");
    for (keeps_nothing, change, expected) in [
        (false, keeps, Edited::Done(1)),
        (true, keeps, Edited::KeepsFiles(keeps.0.into())),
        (true, takes, Edited::KeepsFiles(takes.0.into())),
        (true, ("WhenToTransferOutput", "\"ON_EXIT\""), Edited::Done(1)),
    ] {
        let mut trial = Trial::with_jobs(1, "");
        let config = CoreConfig { keeps_nothing, ..config() };
        trial.core = Core::load(config, trial.core.rows(), trial.now);
        let edited = edit(&mut trial, "alice", Select::All, &[change]);
        assert_eq!(edited, expected, "{change:?}");
    }
    // What came by another way is not kept either.
    let mut trial = Trial::with_jobs(1, "WhenToTransferOutput = \"ON_EXIT_OR_EVICT\"");
    let config = CoreConfig { keeps_nothing: true, ..config() };
    trial.core = Core::load(config, trial.core.rows(), trial.now);
    trial.take(&[Input::NegotiatorUp]);
    trial.matched();
    let batch = trial.hears(granted(&trial));
    let started = batch.effects.iter().find_map(|effect| match effect {
        Effect::ToStartd { message: ToStartd::StartRun(start), .. } => Some(start.clone()),
        Effect::ToStartd { .. }
        | Effect::ToNegotiator(_)
        | Effect::Connect { .. }
        | Effect::Disconnect { .. }
        | Effect::MakeSpool { .. }
        | Effect::RemoveSpool { .. } => None,
    });
    let started = started.unwrap_or_else(|| panic!("{batch:?}"));
    assert_eq!(started.spool, None);
    let when = started.ad.literal(attr::WHEN_TO_TRANSFER_OUTPUT);
    assert_eq!(when.and_then(Value::as_str), Some("ON_EXIT"));
}
