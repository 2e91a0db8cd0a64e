//! Jobs that wait for their files (`submit -spool`), and stay until what they have made was
//! fetched.

use std::collections::BTreeSet;

use model::ProcId;

use crate::core::SpoolStep;
use crate::core::tests::*;

const SPOOLED: &str = "JobStatus = 5\nHoldReasonCode = 16\nCmd = \"/bin/prog\"\nIwd = \"/home\"\nOut = \"out\"\n\
                       PeriodicRelease = true\nLeaveJobInQueue = JobStatus == 4 && StageOutFinish =?= undefined";

impl Trial {
    fn spools(&mut self, by: &str, step: SpoolStep) -> Answer {
        self.take(&[Input::Spool { by: user(by), step }]).answers.remove(0).unwrap()
    }

    fn released(&mut self, by: &str, procs: &[u32]) -> Answer {
        let jobs = procs.iter().copied().map(ProcId).collect::<BTreeSet<_>>();
        self.spools(by, SpoolStep::Whole { cluster: ClusterId(1), jobs })
    }

    fn said(&self, name: &str) -> Option<String> {
        Some(self.core.job_ad(self.now, JOB)?.get(name)?.to_string())
    }
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_))
}

#[test]
fn a_spooled_job_waits_in_its_folder_for_all_files_of_all_jobs_of_its_cluster() {
    let mut trial = Trial::with_jobs(2, SPOOLED);
    assert_eq!(trial.stands(), (5, Some(16)));
    assert_eq!(trial.said("Iwd").as_deref(), Some("\"/pool/spool/1.0/files\""));
    assert_eq!(trial.said("SUBMIT_Iwd").as_deref(), Some("\"/home\""));
    assert_eq!(trial.acts("alice", Action::Release { reason: None }), ActResult::BadStatus);
    trial.waits(100);
    assert_eq!(trial.stands(), (5, Some(16)), "periodic_release is not asked");

    let begun = SpoolStep::Begun(JOB);
    assert!(is_refused(&trial.spools("bob", begun.clone())), "it is not his");
    assert!(is_refused(&trial.spools("alice", SpoolStep::Begun(JobId::new(9, 0)))));
    assert_eq!(trial.spools("alice", begun.clone()), Answer::Wanted(true));
    let began = trial.said("StageInStart");
    trial.waits(10);
    assert_eq!(trial.spools("alice", begun.clone()), Answer::Wanted(true), "an answer was lost");
    assert_eq!(trial.said("StageInStart"), began);
    assert!(is_refused(&trial.released("alice", &[0])), "the second job lacks files");
    assert!(is_refused(&trial.released("bob", &[0, 1])));
    assert_eq!(trial.stands(), (5, Some(16)));
    for step in [SpoolStep::Fetching(JOB), SpoolStep::Fetched(JOB)] {
        assert!(is_refused(&trial.spools("alice", step)), "there is nothing to fetch");
    }
    for _ in 0..2 {
        assert_eq!(trial.released("alice", &[0, 1]), Answer::Done);
        assert_eq!(trial.stands(), (1, None));
    }
    assert_eq!(trial.said("ReleaseReason").as_deref(), Some("\"Data files spooled\""));
    assert_eq!(trial.spools("alice", begun), Answer::Wanted(false));
}

#[test]
fn a_spooled_job_that_is_over_stays_until_it_was_fetched_and_its_folder_goes_with_it() {
    let mut trial = Trial::with_jobs(1, SPOOLED);
    trial.released("alice", &[0]);
    trial.matched();
    trial.hears(granted(&trial));
    trial.ends(exited(0));
    assert_eq!(trial.stands().0, 4);
    assert!(is_refused(&trial.spools("bob", SpoolStep::Fetching(JOB))));
    assert!(is_refused(&trial.spools("bob", SpoolStep::Fetched(JOB))));
    assert_eq!(trial.spools("alice", SpoolStep::Fetching(JOB)), Answer::Done);
    trial.waits(100);
    assert_eq!(trial.stands().0, 4, "it was not said that it arrived");
    assert_eq!(trial.spools("alice", SpoolStep::Fetched(JOB)), Answer::Done);
    let batch = trial.waits(100);
    assert_eq!(trial.stands().0, 0);
    assert!(batch.effects.contains(&Effect::RemoveSpool { job: JOB }));
}

#[test]
fn a_job_that_waits_for_its_files_is_removed_with_its_folder_and_what_cannot_be_spooled_is_refused()
{
    let mut trial = Trial::with_jobs(1, SPOOLED);
    let select = Select::Any(vec![Selector::Job(JOB)]);
    let action = Action::Remove { reason: None, force: false };
    let batch = trial.take(&[Input::Act {
        by: user("alice"),
        action,
        select,
        through: FrontEnd::HtCondor,
    }]);
    assert!(batch.effects.contains(&Effect::RemoveSpool { job: JOB }));
    assert_eq!(trial.stands().0, 0);

    let factory = format!("{SPOOLED}\nJobMaterializeLimit = 2");
    assert!(is_refused(&trial.submit(SubmitToken([2; 16]), spec(9, &factory))));
    assert!(is_refused(&trial.submit(SubmitToken([3; 16]), spec(10_001, SPOOLED))));
    // Of a job that was not spooled there are no files.
    trial.submit(SubmitToken([4; 16]), spec(1, "Iwd = \"/home\"\nSUBMIT_Iwd = \"/home\""));
    let plain = JobId::new(4, 0);
    for step in [SpoolStep::Begun(plain), SpoolStep::Fetching(plain), SpoolStep::Fetched(plain)] {
        assert!(is_refused(&trial.spools("alice", step)));
    }
}
