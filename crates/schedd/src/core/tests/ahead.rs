//! Runs that are promised while another lives on their slot.

use model::queues::{self, Change, Edit, Object};
use model::{Attempt, HoldCode};
use proto::claiming::ToStartd;
use proto::client::Arrange;

use crate::core::tests::*;

const SECOND: ClaimId = ClaimId { journal: 7, number: 2 };

const fn run(proc: u32, attempt: u32) -> RunId {
    RunId { job: JobId::new(1, proc), attempt: Attempt(attempt) }
}

/// A slot with two claims, on which the first job has run for a moment: the second runs, the third
/// is promised.
fn promised() -> Trial {
    promised_of("")
}

fn promised_of(lines: &str) -> Trial {
    let mut trial = Trial::with_jobs(6, lines);
    trial.matched();
    trial.hears(granted(&trial));
    let batch = trial.ends(RunEnd::exited(0));
    let asked = batch.effects.iter().find_map(|effect| {
        let Effect::ToStartd { message, .. } = effect else { return None };
        if let ToStartd::RequestClaim(request) = message { Some(request) } else { None }
    });
    let asked = asked.unwrap();
    assert_eq!(asked.shares, Some(CLAIM));
    assert_eq!(starts(&batch), [run(1, 1)]);
    let FromStartd::ClaimGranted(mut other) = granted(&trial) else { unreachable!() };
    (other.claim, other.matched) = (SECOND, asked.matched);
    let batch = trial.hears(FromStartd::ClaimGranted(other));
    assert_eq!(starts(&batch), [run(2, 1)]);
    trial
}

fn status_of(trial: &Trial, proc: u32) -> i64 {
    let ad = trial.core.job_ad(trial.now, JobId::new(1, proc));
    let status = ad.as_ref().and_then(|ad| ad.literal(attr::JOB_STATUS));
    status.and_then(classad::Value::as_i64).unwrap_or(0)
}

fn ended(claim: ClaimId, run: RunId, end: RunEnd) -> FromStartd {
    FromStartd::RunEnded { claim, run, end, usage: Usage::default() }
}

fn stops(batch: &Batch) -> Vec<RunId> {
    let stopped = batch.effects.iter().filter_map(|effect| {
        let Effect::ToStartd { message, .. } = effect else { return None };
        if let ToStartd::StopRun { run, .. } = message { Some(*run) } else { None }
    });
    stopped.collect()
}

fn on_third(trial: &mut Trial, action: Action) -> Batch {
    let select = Select::Any(vec![Selector::Job(JobId::new(1, 2))]);
    trial.take(&[Input::Act { by: user("alice"), action, select, through: FrontEnd::HtCondor }])
}

#[test]
fn a_job_whose_run_waits_is_idle_until_its_turn_and_then_nothing_is_sent_again() {
    let mut trial = promised();
    assert_eq!((status_of(&trial, 1), status_of(&trial, 2)), (2, 1));
    let batch = trial.hears(ended(CLAIM, run(1, 1), RunEnd::exited(0)));
    assert_eq!((status_of(&trial, 2), status_of(&trial, 3)), (2, 1));
    // The next is promised on the claim that is without a run now; the third was started before.
    assert_eq!(starts(&batch), [run(3, 1)]);
}

#[test]
fn a_word_of_a_promised_run_calls_it_up_before_the_run_in_front_is_known_to_be_over() {
    let mut trial = promised();
    trial.hears(FromStartd::RunStarted {
        claim: SECOND,
        run: run(2, 1),
        at: trial.now.wall,
        scratch_dir: "/scratch".to_owned(),
    });
    assert_eq!((status_of(&trial, 1), status_of(&trial, 2)), (2, 2));
}

#[test]
fn a_promised_job_that_is_held_or_removed_has_its_run_stopped_first() {
    let hold = Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 };
    for (action, then, at_last) in
        [(hold, 5, 5), (Action::Remove { reason: None, force: false }, 3, 0)]
    {
        let mut trial = promised();
        let batch = on_third(&mut trial, action.clone());
        assert_eq!((stops(&batch), status_of(&trial, 2)), (vec![run(2, 1)], then), "{action:?}");
        let end = RunEnd::vacated(VacateCode::ScheddVacate);
        trial.hears(ended(SECOND, run(2, 1), end));
        assert_eq!(status_of(&trial, 2), at_last, "{action:?}");
    }
}

#[test]
fn a_promised_job_that_a_manager_holds_is_held_when_it_would_run_again() {
    let mut trial = promised();
    let jobs = vec![Selector::Cluster(ClusterId(1))];
    let what = Arrange::Hold { jobs, kinds: "o".to_owned(), is_set: true };
    let by = user("root");
    let answers = trial.take(&[Input::Arrange { by, what }]).answers;
    assert_eq!(answers, [Some(Answer::Done)], "though one of its jobs is over");
    assert_eq!([1, 2, 3].map(|proc| status_of(&trial, proc)), [2, 2, 5]);
    trial.hears(ended(SECOND, run(2, 1), RunEnd::vacated(VacateCode::ScheddVacate)));
    assert_eq!(status_of(&trial, 2), 5);
}

#[test]
fn what_waits_behind_a_run_that_lasts_is_called_back_and_waits_as_before() {
    let mut trial = promised();
    let batch = trial.waits(2);
    assert_eq!((stops(&batch), status_of(&trial, 2)), (vec![run(2, 1)], 1));
    let end = RunEnd::vacated(VacateCode::ScheddVacate);
    let batch = trial.hears(ended(SECOND, run(2, 1), end));
    assert_eq!((starts(&batch), status_of(&trial, 2)), (vec![], 1));
    assert_eq!(batch.dirty.recorded, []);
    // Its next run has another number.
    let batch = trial.hears(ended(CLAIM, run(1, 1), RunEnd::exited(0)));
    assert_eq!(starts(&batch), [run(2, 2)]);
}

#[test]
fn a_promise_outlives_the_schedd_and_its_claim_does_not_outlive_its_machine() {
    let trial = promised();
    let again = Core::load(config(), trial.core.rows(), trial.now);
    assert_eq!(again.check(), Ok(()));
    let mut trial = Trial { core: again, now: trial.now };
    let reason = "the machine was switched off".to_owned();
    trial.hears(FromStartd::ClaimGone { claim: SECOND, reason });
    assert_eq!(status_of(&trial, 2), 1);
    trial.waits(1);
    assert_eq!(status_of(&trial, 1), 2);
}

fn edit(trial: &mut Trial, proc: u32) -> Batch {
    let select = Select::Any(vec![Selector::Job(JobId::new(1, proc))]);
    let changes = vec![("Args".into(), Expr::from("new"))];
    trial.take(&[Input::Edit { by: user("alice"), select, changes, dry_run: false }])
}

#[test]
fn an_edit_comes_too_late_for_a_promised_run_which_waits_for_no_longer_than_others() {
    let mut trial = promised();
    let batch = edit(&mut trial, 2);
    assert_eq!((stops(&batch), status_of(&trial, 2)), (vec![], 2));
    assert_eq!(stops(&trial.waits(1)), []);
    assert_eq!(stops(&trial.waits(1)), [run(2, 1)]);
    // The startd answers that it never began; what the user's log would tell is nothing.
    let end = RunEnd::vacated(VacateCode::ScheddVacate);
    trial.hears(ended(SECOND, run(2, 1), end));
    let ad = trial.core.job_ad(trial.now, JobId::new(1, 2)).unwrap();
    assert_eq!((status_of(&trial, 2), ad.literal("VacateReason")), (1, None));
}

#[test]
fn a_promised_run_that_was_edited_goes_on_when_its_turn_comes() {
    let mut trial = promised();
    edit(&mut trial, 2);
    trial.hears(FromStartd::RunStarted {
        claim: SECOND,
        run: run(2, 1),
        at: trial.now.wall,
        scratch_dir: "/scratch".to_owned(),
    });
    assert_eq!(stops(&trial.waits(60)), []);
}

#[test]
fn a_priority_changes_nothing_for_a_run_that_is_promised() {
    let mut trial = promised();
    on_third(&mut trial, Action::Prioritise(Priority::Set(-7)));
    assert_eq!(status_of(&trial, 2), 1);
    trial.hears(ended(CLAIM, run(1, 1), RunEnd::exited(0)));
    assert_eq!(status_of(&trial, 2), 2);
}

#[test]
fn the_log_of_a_job_that_is_held_while_its_run_waits_tells_of_no_run() {
    let mut trial = promised();
    on_third(&mut trial, Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 });
    let end = RunEnd::vacated(VacateCode::ScheddVacate);
    trial.hears(ended(SECOND, run(2, 1), end));
    let ad = trial.core.job_ad(trial.now, JobId::new(1, 2)).unwrap();
    assert_eq!((status_of(&trial, 2), ad.literal("VacateReason")), (5, None));
}

#[test]
fn a_job_that_was_called_back_has_not_run() {
    let mut trial = promised();
    trial.waits(2);
    let end = RunEnd::vacated(VacateCode::ScheddVacate);
    trial.hears(ended(SECOND, run(2, 1), end));
    let ad = trial.core.job_ad(trial.now, JobId::new(1, 2)).unwrap();
    for name in ["NumShadowStarts", "JobRunCount", "NumJobMatches", "NumJobStarts"] {
        let value = ad.literal(name).and_then(classad::Value::as_i64);
        assert_eq!(value.unwrap_or(0), 0, "{name}");
    }
}

fn settings(trial: &mut Trial, name: &str, value: &str) -> Batch {
    let object = Object::Queue("workq".to_owned());
    let change = Change::Set { name: name.to_owned(), value: value.to_owned() };
    let what = Arrange::Settings(vec![Edit { object, change }]);
    let batch = trial.take(&[Input::Arrange { by: user("root"), what }]);
    assert_eq!(batch.answers[0], Some(Answer::Done));
    batch
}

#[test]
fn a_promise_takes_no_place_of_its_queue_and_goes_with_what_the_queue_may() {
    let mut trial = promised_of(&format!("{} = \"workq\"", queues::QUEUE));
    // One runs, and one follows it: that is one.
    let batch = settings(&mut trial, "max_run", "[o:PBS_ALL=1]");
    assert_eq!(stops(&batch), [run(2, 1)], "it is promised anew by the new rules");
    trial.hears(ended(SECOND, run(2, 1), RunEnd::vacated(VacateCode::ScheddVacate)));
    let batch = trial.hears(ended(CLAIM, run(1, 1), RunEnd::exited(0)));
    assert_eq!(starts(&batch), [run(2, 2), run(3, 1)]);
    let batch = settings(&mut trial, "started", "False");
    assert_eq!(stops(&batch), [run(3, 1)]);
    let other = if status_of(&trial, 2) == 2 { CLAIM } else { SECOND };
    trial.hears(ended(other, run(2, 2), RunEnd::exited(0)));
    assert_eq!(status_of(&trial, 3), 2, "its turn came first");
}

#[test]
fn a_job_that_is_the_next_to_run_is_not_moved() {
    let mut trial = promised_of(&format!("{} = \"workq\"", queues::QUEUE));
    trial.submit(SubmitToken([2; 16]), spec(1, &format!("{} = \"workq\"", queues::QUEUE)));
    let exchange = Arrange::Exchange(ClusterId(1), ClusterId(2));
    let batch = trial.take(&[Input::Arrange { by: user("alice"), what: exchange }]);
    let denied = Answer::Refused(Refusal::Denied(queues::Denied::BadState));
    assert_eq!(batch.answers[0], Some(denied));
}

#[test]
fn a_job_that_is_the_next_to_run_is_altered_as_one_that_runs() {
    let mut trial = promised();
    let procs = Procs::Counted { count: 1, template: ProcTemplate::default() };
    let changes = ClusterSpec { ad: ClassAd::parse_old("Foo = 1").unwrap(), procs };
    let alteration = proto::client::Alteration {
        cluster: ClusterId(1),
        changes,
        runs: true,
        spares_running: false,
        user_hold: Some(true),
    };
    let what = Arrange::Alter(Box::new(alteration));
    let batch = trial.take(&[Input::Arrange { by: user("alice"), what }]);
    assert_eq!(batch.answers[0], Some(Answer::Done));
    assert_eq!([1, 2, 3].map(|proc| status_of(&trial, proc)), [2, 2, 5]);
}

#[test]
fn nothing_is_promised_of_a_queue_that_was_put_back() {
    let trial = promised();
    let config = CoreConfig { generation: 2, ran_on: None, ..config() };
    let core = Core::load(config, trial.core.rows(), trial.now);
    let mut trial = Trial { core, now: trial.now };
    trial.now.boot_ms += 1;
    // The machine has ended what the lost queue had there.
    let batch = trial.hears(status(&trial, vec![]));
    assert_eq!((starts(&batch), status_of(&trial, 1), status_of(&trial, 2)), (vec![], 1, 1));
}

#[test]
fn a_claim_on_a_drained_machine_gets_no_further_job_and_is_given_back() {
    let mut trial = promised();
    let drained = |machines: Vec<MachineName>| Input::FromNegotiator(ToSchedd::Drained(machines));
    trial.take(&[drained(vec![machine()])]);
    // The machine has let go of the one that waited.
    let end = RunEnd::vacated(VacateCode::StartdDraining);
    let batch = trial.hears(ended(SECOND, run(2, 1), end));
    assert_eq!((starts(&batch), status_of(&trial, 2)), (vec![], 1));
    assert_eq!(batch.dirty.recorded, [], "nobody has seen it run");
    let mut batches = vec![trial.hears(ended(CLAIM, run(1, 1), RunEnd::exited(0)))];
    batches.push(trial.waits(1));
    assert!(batches.iter().all(|batch| starts(batch).is_empty()));
    let gives_back = |effect: &Effect| {
        let Effect::ToStartd { message, .. } = effect else { return false };
        matches!(message, ToStartd::ReleaseClaim { .. })
    };
    batches.push(trial.waits(60));
    let given_back = batches.iter().flat_map(|batch| &batch.effects).filter(|e| gives_back(e));
    assert_eq!(given_back.count(), 2);
    // A negotiator that is started again says it again, and until then none is.
    trial.take(&[Input::NegotiatorDown, Input::NegotiatorUp]);
    assert!(trial.core.drained.is_empty());
}
