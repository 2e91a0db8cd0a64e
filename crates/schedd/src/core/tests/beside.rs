//! Jobs that run beside the schedd: who is asked for claims, how many run at a time, and why the
//! others wait.

use crate::core::tests::*;

const SCHEDULER: &str = "JobUniverse = 7\nRequirements = true\n";
const LOCAL: &str = "JobUniverse = 12\nRequirements = true\n";

/// A trial whose schedd allows so many of each universe, with a cluster of so many jobs. The startd
/// of its machine is connected.
fn trial(most: u32, count: u32, lines: &str) -> (Trial, Batch) {
    let mut config = config();
    let start = |name: &str| format!("Total{name}JobsRunning < {most}").parse::<Expr>().unwrap();
    config.beside.starts = Starts { local: start("Local"), scheduler: start("Scheduler") };
    let mut trial = Trial::new();
    trial.core = Core::new(config);
    let batch = trial.submits(1, count, lines);
    (trial, batch)
}

impl Trial {
    fn submits(&mut self, nth: u8, count: u32, lines: &str) -> Batch {
        let (by, token) = (user("alice"), SubmitToken([nth; 16]));
        let cluster = ClusterId(u32::from(nth));
        self.take(&[Input::Reserve { by: by.clone(), token }]);
        let spec = Arc::new(spec(count, lines));
        self.take(&[Input::Submit { by, token, cluster, spec }])
    }

    /// The startd grants what it was asked for in the batch: the runs that start then.
    fn grants(&mut self, batch: &Batch) -> Vec<RunId> {
        let claims = asked(batch);
        let before = self.core.claims.len() as u64;
        let inputs = claims.iter().zip(before + 1..).map(|(matched, number)| {
            let FromStartd::ClaimGranted(mut granted) = granted(self) else { unreachable!() };
            (granted.matched, granted.claim) = (*matched, ClaimId { journal: 7, number });
            granted.slot = format!("beside{number}@m");
            granted.resources = Resources::default();
            Input::FromStartd { machine: machine(), message: FromStartd::ClaimGranted(granted) }
        });
        let inputs: Vec<Input> = inputs.collect();
        starts(&self.take(&inputs))
    }

    fn idle_reason(&self, proc: u32) -> String {
        let ad = self.core.job_ad(self.now, JobId::new(1, proc)).unwrap();
        let text = ad.literal(attr::LAST_REJ_MATCH_REASON).and_then(classad::Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    fn run_ends(&mut self, number: u64, run: RunId) -> Batch {
        let claim = ClaimId { journal: 7, number };
        let (end, usage) = (exited(0), Usage::default());
        self.hears(FromStartd::RunEnded { claim, run, end, usage })
    }
}

#[test]
fn a_run_beside_the_schedd_that_its_policy_holds_is_told_to_be_evicted_first() {
    let (mut trial, batch) =
        trial(1, 1, &format!("{LOCAL}UserLog = \"/log\"\nOnExitHold = true\n"));
    trial.hears(status(&trial, vec![]));
    let run = trial.grants(&batch)[0];
    assert_eq!(entries(&trial.run_ends(1, run)), ["004", "012"]);
}

/// What the startd is told.
fn said(batch: &Batch) -> impl Iterator<Item = &ToStartd> {
    batch.effects.iter().filter_map(|effect| {
        let Effect::ToStartd { message, .. } = effect else { return None };
        Some(message)
    })
}

/// The matches that it is asked to grant claims for.
fn asked(batch: &Batch) -> Vec<MatchId> {
    let requests = said(batch).filter_map(|message| {
        let ToStartd::RequestClaim(request) = message else { return None };
        Some(request.matched)
    });
    requests.collect()
}

#[test]
fn a_job_beside_the_schedd_is_claimed_for_at_once_and_no_negotiator_hears_of_it() {
    for lines in [SCHEDULER, LOCAL] {
        let mut trial = Trial::new();
        trial.take(&[Input::NegotiatorUp]);
        let batch = trial.submits(1, 1, lines);
        let ids = asked(&batch);
        assert_eq!(ids, [MatchId { life: 77, number: 1 }]);
        assert_eq!(told(&batch), Vec::<&FromSchedd>::new());
        trial.hears(status(&trial, vec![]));
        assert_eq!(trial.grants(&batch), [RAN]);
    }
}

#[test]
fn no_more_start_than_the_schedd_allows_and_the_next_when_one_has_ended() {
    let (mut trial, batch) = trial(3, 10_000, SCHEDULER);
    assert_eq!(asked(&batch).len(), 3);
    trial.hears(status(&trial, vec![]));
    let runs = trial.grants(&batch);
    assert_eq!(runs.len(), 3);
    assert_eq!(trial.idle_reason(3), "not yet: the limit START_SCHEDULER_UNIVERSE is reached");
    // A job of the other universe has places of its own.
    assert_eq!(asked(&trial.submits(2, 1, LOCAL)).len(), 1);
    // One more of the same has not, whatever class it is in.
    assert_eq!(asked(&trial.submits(3, 1, &format!("{SCHEDULER}RequestMemory = 7"))).len(), 0);
    let batch = trial.run_ends(1, runs[0]);
    assert_eq!(starts(&batch), [RunId { job: JobId::new(1, 3), ..RAN }], "on the same claim");
    assert_eq!(asked(&batch), []);
}

#[test]
fn what_the_schedds_ad_does_not_meet_never_runs_and_says_why() {
    let check = |requirements: &str, reason: &str| {
        let lines =
            format!("JobUniverse = 12\nRequestMemory = 2048\nRequirements = {requirements}");
        let (trial, batch) = trial(1, 1, &lines);
        assert_eq!(asked(&batch), []);
        assert_eq!(trial.idle_reason(0), reason, "{requirements}");
    };
    let memory = "TARGET.Arch == \"X86_64\" && (TARGET.Memory >= RequestMemory)";
    check(memory, "never: TARGET.Memory >= 2048 is not true of the submit machine");
    check(
        "TARGET.HasDocker",
        "never: TARGET.HasDocker is not true of the submit machine (HasDocker is not defined there)",
    );
}

#[test]
fn requirements_are_asked_again_after_a_while() {
    let (mut trial, batch) = trial(1, 1, "JobUniverse = 7\nRequirements = time() >= 1000009\n");
    assert_eq!(asked(&batch), []);
    assert_eq!(asked(&trial.waits(5)), []);
    assert_eq!(asked(&trial.waits(5)).len(), 1);
}

#[test]
fn a_startd_that_refuses_is_not_asked_again_at_once() {
    let (mut trial, batch) = trial(1, 1, LOCAL);
    trial.hears(status(&trial, vec![]));
    let (matched, reason) = (asked(&batch)[0], "the startd is stopping".to_owned());
    let batch = trial.hears(FromStartd::ClaimDenied { matched, reason });
    assert_eq!((asked(&batch), told(&batch)), (vec![], vec![]));
    let reason = "not yet: next try in 2 s; the last one failed: the startd is stopping";
    assert_eq!(trial.idle_reason(0), reason);
    assert_eq!(asked(&trial.waits(1)), []);
    assert_eq!(asked(&trial.waits(1)), [MatchId { life: 77, number: 2 }]);
}

#[test]
fn a_run_that_was_lost_waits_as_others_do() {
    let (mut trial, batch) = trial(1, 1, SCHEDULER);
    trial.hears(status(&trial, vec![]));
    let run = trial.grants(&batch)[0];
    let (end, usage) = (RunEnd::Lost { reason: "its keeper died".to_owned() }, Usage::default());
    let batch = trial.hears(FromStartd::RunEnded { claim: CLAIM, run, end, usage });
    assert_eq!(starts(&batch), []);
    assert_eq!(
        trial.idle_reason(0),
        "not yet: next try in 1 s; the last one failed: its keeper died"
    );
    let again = RunId { attempt: run.attempt.next(), ..run };
    assert_eq!(starts(&trial.waits(1)), [again]);
}

#[test]
fn a_restart_counts_what_runs() {
    let (mut trial, batch) = trial(2, 5, SCHEDULER);
    trial.hears(status(&trial, vec![]));
    assert_eq!(trial.grants(&batch).len(), 2);
    let config = trial.core.config.clone();
    trial.core = Core::load(config, trial.core.rows(), trial.now);
    assert_eq!(asked(&trial.take(&[])), []);
}

#[test]
fn a_job_beside_the_schedd_shows_no_slot_and_counts_no_completions() {
    for lines in [SCHEDULER, LOCAL] {
        let more =
            "UserLog = \"/log\"\nLeaveJobInQueue = true\nOnExitRemove = NumJobCompletions > 1\n";
        let (mut trial, batch) = trial(1, 1, &format!("{lines}{more}"));
        trial.hears(status(&trial, vec![]));
        let run = trial.grants(&batch)[0];
        let (at, scratch_dir) = (trial.now.wall, "/scratch".to_owned());
        let batch = trial.hears(FromStartd::RunStarted { claim: CLAIM, run, at, scratch_dir });
        let address = "<127.0.0.1:9618>".to_owned();
        let executing =
            UserLogEvent::Executing { host: address, slot_name: None, properties: Vec::new() };
        assert_eq!(batch.log[0].event, executing);
        let usage = Usage { peak_rss_kib: 4096, ..Usage::default() };
        let batch = trial.hears(FromStartd::RunEnded { claim: CLAIM, run, end: exited(1), usage });
        // It counts all the same, so that retries come to an end.
        assert_eq!((entries(&batch), starts(&batch).len()), (vec!["004"], 0));
        assert_eq!(
            trial.idle_reason(0),
            "not yet: next try in 5 s; the last one failed: its policy asks for another run"
        );
        // Its claim does not wait so long: the next run has another.
        trial.waits(4);
        let batch = trial.waits(1);
        trial.hears(status(&trial, vec![]));
        let again = RunId { attempt: run.attempt.next(), ..run };
        assert_eq!(trial.grants(&batch), [again]);
        let end = exited(1);
        let batch = trial.hears(FromStartd::RunEnded { claim: CLAIM, run: again, end, usage });
        assert_eq!(entries(&batch), ["005"]);
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        for (name, value) in [
            (attr::NUM_JOB_COMPLETIONS, Some(0)),
            (attr::JOB_RUN_COUNT, Some(2)),
            (attr::JOB_STATUS, Some(4)),
            (attr::NUM_JOB_MATCHES, None),
            ("CpusProvisioned", None),
        ] {
            let is = ad.literal(name).and_then(classad::Value::as_i64);
            assert_eq!(is, value, "{name}");
        }
        assert!(ad.get(attr::LAST_REMOTE_HOST).is_none());
    }
}

#[test]
fn what_had_run_for_a_while_and_asks_for_another_run_begins_at_once() {
    let more = "OnExitRemove = NumJobCompletions > 1\n";
    let (mut trial, batch) = trial(1, 1, &format!("{SCHEDULER}{more}"));
    trial.hears(status(&trial, vec![]));
    let run = trial.grants(&batch)[0];
    trial.waits(5);
    let (end, usage) = (exited(1), Usage::default());
    let batch = trial.hears(FromStartd::RunEnded { claim: CLAIM, run, end, usage });
    assert_eq!(starts(&batch), [RunId { attempt: run.attempt.next(), ..run }]);
}

#[test]
fn a_stop_says_what_it_is_for() {
    use proto::claiming::StopAim;
    let vacate = Action::Vacate { fast: false };
    for (action, aim) in
        [(vacate, StopAim::Vacate), (hold(), StopAim::Hold), (remove(false), StopAim::Remove)]
    {
        let (mut trial, batch) = trial(1, 1, SCHEDULER);
        trial.hears(status(&trial, vec![]));
        trial.grants(&batch);
        let select = Select::Any(vec![Selector::Job(JOB)]);
        let batch = trial.take(&[Input::Act {
            by: user("alice"),
            action,
            select,
            through: FrontEnd::HtCondor,
        }]);
        let stop = said(&batch).find_map(|message| {
            let ToStartd::StopRun { aim, .. } = message else { return None };
            Some(*aim)
        });
        assert_eq!(stop, Some(aim));
    }
}

#[test]
fn the_totals_tell_what_runs_beside_the_schedd() {
    let (mut trial, batch) = trial(1, 3, SCHEDULER);
    trial.submits(2, 4, "");
    trial.hears(status(&trial, vec![]));
    trial.grants(&batch);
    let totals = trial.core.totals();
    let of = |universe| {
        let counts = totals.of_universe(universe, Some("alice"));
        (counts.running, counts.idle)
    };
    assert_eq!((totals.all.running, totals.all.idle), (1, 6));
    assert_eq!((of(model::Universe::Scheduler), of(model::Universe::Local)), ((1, 2), (0, 0)));
}
