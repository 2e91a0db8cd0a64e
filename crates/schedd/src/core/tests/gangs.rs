//! Runs with several claims: begun together, ended together, recorded once.

use proto::claiming::{ClaimStatus, RunStatus};
use proto::matchmaking::{GangShare, Term};

use super::*;

const LINES: &str = "MinHosts = 2\nGangParts = \"scatter 2:RequestCpus=1\"\nLeaveJobInQueue = true";

const SECOND: ClaimId = ClaimId { journal: 8, number: 1 };
const SECOND_MATCH: MatchId = MatchId { life: 9, number: 2 };

fn other() -> MachineName {
    MachineName::new("n")
}

/// Two claims on two machines are asked for.
fn asked() -> Trial {
    asked_with(LINES)
}

fn asked_with(lines: &str) -> Trial {
    asked_on(lines, [machine(), other()], [None, None])
}

/// The two claims on these machines, in this order, each with its term.
fn asked_on(lines: &str, machines: [MachineName; 2], terms: [Option<Term>; 2]) -> Trial {
    let mut trial = Trial::with_jobs(1, lines);
    let class = trial.core.classes.by_id.keys().next().copied().unwrap();
    let offer = |(part, (machine, term)): (u32, (MachineName, Option<Term>))| Match {
        id: MatchId { life: 9, number: 1 + u64::from(part) },
        class,
        machine,
        address: "<10.0.0.1:9618>".to_owned(),
        resources: Resources { cpus: 1, ..Resources::default() },
        limits: Vec::new(),
        term,
        gang: Some(GangShare { gang: MATCH, part, of: 2, holds: vec![part] }),
    };
    let both = (0..).zip(machines.into_iter().zip(terms)).map(offer).collect();
    trial.take(&[Input::FromNegotiator(ToSchedd::Matches(both))]);
    trial.hears(status(&trial, vec![]));
    said(&mut trial, |trial| FromStartd::Status {
        machine: other(),
        claims: vec![],
        beat: beat(trial),
    });
    trial
}

/// The other machine says something.
fn said(trial: &mut Trial, message: impl Fn(&Trial) -> FromStartd) -> Batch {
    let message = message(trial);
    trial.take(&[Input::FromStartd { machine: other(), message }])
}

fn second_granted(trial: &Trial) -> FromStartd {
    let FromStartd::ClaimGranted(granted) = granted(trial) else { unreachable!() };
    FromStartd::ClaimGranted(Box::new(ClaimGranted {
        matched: SECOND_MATCH,
        claim: SECOND,
        slot: "slot1_1@n".to_owned(),
        ..*granted
    }))
}

/// Both claims are there, and the run begins on both.
fn running() -> Trial {
    running_with(LINES)
}

fn running_with(lines: &str) -> Trial {
    let mut trial = asked_with(lines);
    trial.hears(granted(&trial));
    said(&mut trial, second_granted);
    trial
}

fn second_ended(trial: &mut Trial, end: &RunEnd) -> Batch {
    said(trial, |_| FromStartd::RunEnded {
        claim: SECOND,
        run: RAN,
        end: end.clone(),
        usage: Usage { user_us: 5, ..Usage::default() },
    })
}

/// What the startds are told, in short.
fn orders(batch: &Batch) -> Vec<String> {
    let order = |effect: &Effect| {
        let Effect::ToStartd { machine, message } = effect else { return None };
        let word = match message {
            ToStartd::StartRun(_) => "start",
            ToStartd::StopRun { how: StopHow::Fast, .. } => "kill",
            ToStartd::StopRun { .. } => "stop",
            ToStartd::PauseRun { .. } => "pause",
            ToStartd::RunRecorded { .. } => "recorded",
            ToStartd::ReleaseClaim { .. } => "release",
            ToStartd::RequestClaim(_) => "claim",
            ToStartd::Echo { .. } | ToStartd::Visit { .. } => return None,
        };
        Some(format!("{word} {machine}"))
    };
    batch.effects.iter().filter_map(order).collect()
}

/// How often the record says that a run is over.
fn ends(batch: &Batch) -> usize {
    let over = |recorded: &&proto::client::Recorded| {
        matches!(&recorded.what, Happening::Job { event: model::JobEvent::RunOver { .. }, .. })
    };
    batch.dirty.recorded.iter().filter(over).count()
}

#[test]
fn nothing_begins_before_all_is_there_and_then_all_does() {
    let mut trial = asked();
    assert_eq!(orders(&trial.hears(granted(&trial))), Vec::<String>::new());
    assert_eq!(trial.stands(), (1, None));
    let batch = said(&mut trial, second_granted);
    assert_eq!(orders(&batch), ["start m", "start n"]);
    let runs: Vec<_> = batch.dirty.claims.values().flatten().map(|claim| claim.run).collect();
    assert_eq!(runs, [Some(RAN), Some(RAN)], "one transaction writes both");
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    assert_eq!(ad.literal("GangHosts").and_then(classad::Value::as_str), Some("m,n"));
}

#[test]
fn a_gang_of_which_a_part_is_refused_gives_all_back() {
    let mut trial = asked();
    trial.hears(granted(&trial));
    let denied = FromStartd::ClaimDenied { matched: SECOND_MATCH, reason: "full".to_owned() };
    let batch = said(&mut trial, |_| denied.clone());
    assert_eq!(orders(&batch), ["release m"]);
    assert_eq!(trial.stands(), (1, None));
    let mut trial = asked();
    let batch = said(&mut trial, |_| denied.clone());
    let declined = |message: &&&FromSchedd| matches!(message, FromSchedd::Declined { .. });
    assert_eq!(told(&batch).iter().filter(declined).count(), 2, "the negotiator hears of both");
    let blameless = |message: &&FromSchedd| match message {
        FromSchedd::Declined { matched, blameless, .. } => Some((*matched, *blameless)),
        FromSchedd::Requests { .. } | FromSchedd::Call { .. } | FromSchedd::Drain { .. } => None,
    };
    let blameless: Vec<_> = told(&batch).iter().filter_map(blameless).collect();
    assert_eq!(blameless, [(SECOND_MATCH, false), (MATCH, true)], "and which one is to blame");
}

#[test]
fn the_end_is_recorded_when_nothing_of_the_others_is_left() {
    let mut trial = running();
    let batch = trial.ends(exited(0));
    assert_eq!(orders(&batch), ["recorded m", "kill n"]);
    assert_eq!((ends(&batch), trial.stands()), (0, (2, None)));
    // What a copy of this queue would have to wait for is what is still there.
    let leases = trial.core.machines_with_claims().into_iter().map(|ran| ran.lease_s);
    assert_eq!(leases.collect::<Vec<_>>(), [0, 2400]);
    // It is said again, and changes nothing.
    assert_eq!(orders(&trial.ends(exited(0))), ["recorded m"]);
    let batch = second_ended(&mut trial, &RunEnd::killed(9));
    assert_eq!((ends(&batch), trial.stands()), (1, (4, None)));
    assert_eq!(orders(&batch), ["release n", "recorded m", "release m"]);
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    assert_eq!(ad.literal("ExitCode").and_then(classad::Value::as_i64), Some(0));
}

#[test]
fn a_slot_that_a_machine_gave_anew_is_no_part_of_a_gang_that_is_not_over() {
    let mut trial = running();
    let gone = FromStartd::ClaimGone { claim: SECOND, reason: "unused".to_owned() };
    said(&mut trial, |_| gone.clone());
    trial.submit(SubmitToken([7; 16]), spec(1, "RequestCpus = 1"));
    let classes = trial.core.classes.by_id.iter();
    let (class, key) = classes.map(|(id, class)| (*id, class.key.clone())).next_back().unwrap();
    let matched = MatchId { life: 9, number: 3 };
    let offer = Match {
        id: matched,
        class,
        machine: other(),
        address: "<10.0.0.1:9618>".to_owned(),
        resources: Resources { cpus: 1, ..Resources::default() },
        limits: Vec::new(),
        term: None,
        gang: None,
    };
    trial.take(&[Input::FromNegotiator(ToSchedd::Matches(vec![offer]))]);
    let third = ClaimId { journal: 8, number: 2 };
    said(&mut trial, |trial| {
        let FromStartd::ClaimGranted(granted) = second_granted(trial) else { unreachable!() };
        FromStartd::ClaimGranted(Box::new(ClaimGranted { matched, claim: third, ..*granted }))
    });
    let record = &trial.core.claims[&third].record;
    assert_eq!(record.class_key, key);
    assert_eq!(record.run.map(|run| run.job), Some(JobId::new(2, 0)));
}

#[test]
fn a_part_that_is_lost_ends_the_whole_and_one_that_cannot_begin_holds_the_job() {
    let lost = RunEnd::Lost { reason: "gone".to_owned() };
    for (end, expected) in [
        (lost, (1, None)),
        (not_started(StartStage::Execute), (5, Some(6))),
        (not_started(StartStage::TransferInput), (5, Some(13))),
        (not_started(StartStage::Prepare), (1, None)),
        (exited(1), (5, Some(0))),
    ] {
        let mut trial = running();
        let batch = second_ended(&mut trial, &end);
        assert_eq!(orders(&batch), ["release n", "stop m"], "{end:?}");
        let batch = trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
        assert_eq!((ends(&batch), trial.stands()), (1, expected), "{end:?}");
        let is_tried_at_once = trial.core.backing_off.is_empty();
        assert_eq!(is_tried_at_once, end != not_started(StartStage::Prepare), "{end:?}");
    }
}

#[test]
fn a_part_that_finds_its_disk_full_holds_the_job_for_a_while_only() {
    let mut trial = running();
    let full = StartFailure::at(StartStage::TransferInput, "/x", 28);
    second_ended(&mut trial, &RunEnd::StartFailed(full));
    trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
    assert_eq!(trial.stands(), (5, Some(13)));
    trial.waits(24 * 3600);
    assert_eq!(trial.stands(), (1, None));
}

#[test]
fn no_part_begins_when_one_has_waited_for_the_others_for_too_long() {
    let term = |starts_s| Some(Term { starts_s, ends_s: 1000 });
    for (terms, waited_s, expected) in [
        ([term(100), term(10)], 9, vec!["start m", "start n"]),
        ([term(100), term(10)], 11, vec![]),
        ([term(10), term(100)], 11, vec!["start m", "start n"]),
    ] {
        let mut trial = asked_on(LINES, [machine(), other()], terms);
        said(&mut trial, second_granted);
        trial.waits(waited_s);
        let batch = trial.hears(granted(&trial));
        assert_eq!(orders(&batch), expected, "{terms:?} after {waited_s} s");
    }
}

/// A claim's run has used so much processor time.
fn used(seconds: u64) -> Usage {
    Usage { user_us: seconds * 1_000_000, ..Usage::default() }
}

fn first_used(trial: &mut Trial, seconds: u64) -> Batch {
    trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage: used(seconds) })
}

fn second_used(trial: &mut Trial, seconds: u64) -> Batch {
    said(trial, |_| FromStartd::RunUsage { claim: SECOND, run: RAN, usage: used(seconds) })
}

#[test]
fn what_a_run_may_use_all_of_its_parts_use_together() {
    let mut trial = running_with(&format!("{LINES}\nPbsCpuLimit = 10"));
    assert_eq!(orders(&first_used(&mut trial, 6)), Vec::<String>::new());
    assert_eq!(orders(&second_used(&mut trial, 3)), Vec::<String>::new());
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    assert_eq!(ad.literal("RemoteUserCpu").and_then(classad::Value::as_f64), Some(9.0));
    assert_eq!(orders(&second_used(&mut trial, 5)), ["stop m"]);
}

#[test]
fn a_part_that_is_lost_has_used_what_it_has_said_and_nothing_twice() {
    let mut trial = running();
    first_used(&mut trial, 100);
    second_used(&mut trial, 7);
    let gone = FromStartd::ClaimGone { claim: SECOND, reason: "unused".to_owned() };
    said(&mut trial, |_| gone.clone());
    let (claim, run, end) = (CLAIM, RAN, RunEnd::vacated(VacateCode::ScheddVacate));
    trial.hears(FromStartd::RunEnded { claim, run, end, usage: used(101) });
    assert_eq!(trial.stands(), (1, None));
    assert_eq!(trial.core.job(JOB).unwrap().record().tally.last_usage.user_us, 108_000_000);
}

#[test]
fn the_time_of_slots_is_that_of_all_parts() {
    let mut trial = running();
    trial.waits(50);
    trial.ends(exited(0));
    second_ended(&mut trial, &RunEnd::killed(9));
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let time = |name| ad.literal(name).and_then(classad::Value::as_f64);
    assert_eq!(time("RemoteWallClockTime"), Some(50.0));
    assert_eq!(time("CumulativeSlotTime"), Some(100.0));
    assert_eq!(time("CommittedSlotTime"), Some(100.0));
}

/// The first part's program is executed.
fn executes(trial: &mut Trial) {
    let (claim, run, at) = (CLAIM, RAN, trial.now.wall);
    trial.hears(FromStartd::RunStarted { claim, run, at, scratch_dir: "/scratch".into() });
}

fn executing(trial: &Trial, claim: ClaimId, matched: MatchId) -> ClaimStatus {
    ClaimStatus {
        claim,
        secret: ClaimSecret::new([3; 16]),
        matched,
        last_ordinal: 1,
        run: Some((RAN, RunStatus::Executing(trial.now.wall))),
    }
}

#[test]
fn a_run_is_cut_off_once_and_is_back_when_all_of_its_machines_are() {
    let logged = format!("{LINES}\nUserLog = \"/log\"");
    let mut trial = running_with(&logged);
    executes(&mut trial);
    assert_eq!(entries(&trial.take(&[Input::StartdDown { machine: other() }])), ["022"]);
    assert!(entries(&trial.take(&[Input::StartdDown { machine: machine() }])).is_empty());
    let first = executing(&trial, CLAIM, MATCH);
    assert!(entries(&trial.hears(status(&trial, vec![first]))).is_empty(), "n is away still");
    let back = said(&mut trial, |trial| FromStartd::Status {
        machine: other(),
        claims: vec![executing(trial, SECOND, SECOND_MATCH)],
        beat: beat(trial),
    });
    assert_eq!(entries(&back), ["023"]);
    // The same where both parts are on one machine.
    let mut trial = asked_on(&logged, [machine(), machine()], [None, None]);
    trial.hears(granted(&trial));
    trial.hears(second_granted(&trial));
    executes(&mut trial);
    assert_eq!(entries(&trial.take(&[Input::StartdDown { machine: machine() }])), ["022"]);
    let both = vec![executing(&trial, CLAIM, MATCH), executing(&trial, SECOND, SECOND_MATCH)];
    assert_eq!(entries(&trial.hears(status(&trial, both))), ["023"]);
}

const PARALLEL: &str = "JobUniverse = 11\nMinHosts = 2\nGangParts = \"nodes 2\"\n\
                        Out = \"out.#pArAlLeLnOdE#\"\nLeaveJobInQueue = true";

/// The standard output of each node, as its startd is told.
fn outputs(batch: &Batch) -> Vec<String> {
    let output = |effect: &Effect| {
        let Effect::ToStartd { message: ToStartd::StartRun(start), .. } = effect else {
            return None;
        };
        start.ad.literal("Out").and_then(classad::Value::as_str).map(str::to_owned)
    };
    batch.effects.iter().filter_map(output).collect()
}

#[test]
fn a_node_of_a_parallel_job_is_told_its_number_and_may_end_before_the_first() {
    let mut trial = asked_with(PARALLEL);
    trial.hears(granted(&trial));
    assert_eq!(outputs(&said(&mut trial, second_granted)), ["out.0", "out.1"]);
    assert_eq!(orders(&second_ended(&mut trial, &exited(1))), ["release n"]);
    assert_eq!(trial.stands(), (2, None));
    assert_eq!((ends(&trial.ends(exited(0))), trial.stands()), (1, (4, None)));
    // The first ends the job, whatever the others do.
    let mut trial = running_with(PARALLEL);
    assert_eq!(orders(&trial.ends(exited(0))), ["recorded m", "kill n"]);
    // What nobody has done is a loss.
    let mut trial = running_with(PARALLEL);
    let lost = RunEnd::Lost { reason: "gone".to_owned() };
    assert_eq!(orders(&second_ended(&mut trial, &lost)), ["release n", "stop m"]);
}

#[test]
fn a_parallel_job_that_waits_for_all_ends_with_the_last_of_its_nodes_or_when_it_is_removed() {
    let lines = format!("{PARALLEL}\nParallelShutdownPolicy = \"WAIT_FOR_ALL\"");
    let mut trial = running_with(&lines);
    assert_eq!(orders(&trial.ends(exited(0))), ["recorded m"]);
    assert_eq!(trial.stands(), (2, None));
    assert_eq!((ends(&second_ended(&mut trial, &exited(7))), trial.stands()), (1, (4, None)));
    // A node that is lost when the first has ended is not forgotten, nor is one that was vacated.
    for end in
        [RunEnd::Lost { reason: "gone".to_owned() }, RunEnd::vacated(VacateCode::ScheddVacate)]
    {
        let mut trial = running_with(&lines);
        trial.ends(exited(0));
        if matches!(end, RunEnd::Vacated { .. }) {
            trial.acts("alice", Action::Vacate { fast: false });
        }
        let batch = second_ended(&mut trial, &end);
        assert_eq!((ends(&batch), trial.stands()), (1, (1, None)), "{end:?}");
    }
    let mut trial = running_with(&lines);
    trial.ends(exited(0));
    let removed = act("alice", remove(false), Select::Any(vec![Selector::Job(JOB)]));
    let batch = trial.take(&[removed]);
    assert!(orders(&batch).contains(&"kill n".to_owned()), "{:?}", orders(&batch));
    assert_eq!(ends(&second_ended(&mut trial, &RunEnd::killed(9))), 1);
}

#[test]
fn a_machine_that_is_silent_is_waited_for_as_long_as_something_may_live_there() {
    let mut trial = running();
    trial.ends(exited(3));
    said_down(&mut trial);
    trial.waits(2000);
    assert_eq!(trial.stands(), (2, None), "its lease is not over");
    // It comes back with the run: it is told again.
    let batch = said(&mut trial, |trial| FromStartd::Status {
        machine: other(),
        claims: vec![ClaimStatus {
            claim: SECOND,
            secret: ClaimSecret::new([3; 16]),
            matched: SECOND_MATCH,
            last_ordinal: 1,
            run: Some((RAN, RunStatus::Executing(trial.now.wall))),
        }],
        beat: beat(trial),
    });
    assert_eq!(orders(&batch), ["kill n"]);
    said_down(&mut trial);
    let batch = trial.waits(2400 + 10 + 48 + 1);
    assert_eq!((ends(&batch), trial.stands()), (1, (4, None)), "nothing can live there any more");
}

fn said_down(trial: &mut Trial) {
    trial.take(&[Input::StartdDown { machine: other() }]);
}
