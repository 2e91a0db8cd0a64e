//! Runs from their order to their end, through restarts and stops.

use std::fs;

use model::{ProgramEnd, RunEnd, StartFailure, StartStage, VacateCode};
use proto::claiming::{FromStartd, RunStatus, StopAim, StopHow, ToStartd};
use proto::matchmaking::FromMachine;

use crate::host::{Host, Schedd, advertised, told, until};

async fn ended(schedd: &mut Schedd) -> RunEnd {
    loop {
        match schedd.hear().await {
            FromStartd::RunEnded { end, .. } => return end,
            FromStartd::RunStarted { .. } => {}
            other => panic!("not the end of a run: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_run_finds_its_place_and_leaves_its_output_and_nothing_else() {
    let host = Host::new();
    let (mut schedd, claims) = host.schedd().await;
    assert_eq!(claims, []);
    let job = host.job(
        "echo cwd `pwd`; grep -c ^Cmd $_CONDOR_JOB_AD; grep ^Name $_CONDOR_MACHINE_AD; \
         echo $_CONDOR_SLOT $OMP_NUM_THREADS; ls -a $_CONDOR_SCRATCH_DIR; echo oops >&2; exit 13",
    );
    let claim = schedd.claim(1, &job).await;
    assert_eq!(claim.slot, "slot1_1@testhost");
    let run = schedd.start(&claim, 1, job).await;
    let scratch = match schedd.hear().await {
        FromStartd::RunStarted { run: started, scratch_dir, .. } if started == run => scratch_dir,
        other => panic!("not the start of the run: {other:?}"),
    };
    match schedd.hear().await {
        FromStartd::RunEnded { run: over, end, usage, .. } => {
            assert_eq!((over, end), (run, RunEnd::exited(13)));
            assert!(usage.started <= usage.ended && usage.ended.is_some(), "{usage:?}");
        }
        other => panic!("not the end of the run: {other:?}"),
    }
    let cwd = host.path("").canonicalize().unwrap();
    let expected = format!(
        "cwd {}\n1\nName = \"slot1_1@testhost\"\nslot1_1 1\n.\n..\n.job.ad\n.machine.ad\n",
        cwd.display()
    );
    assert_eq!(host.read("out"), expected);
    assert_eq!(host.read("err"), "oops\n");
    assert!(fs::exists(&scratch).unwrap(), "a scratch folder stays until the end is recorded");
    schedd.say(ToStartd::RunRecorded { claim: claim.claim, run }).await;
    until("the scratch folder is gone", async || (!fs::exists(&scratch).unwrap()).then_some(()))
        .await;
    // It serves the next run, under that run's name and with its ads.
    let mut again = host.job("ls -a $_CONDOR_SCRATCH_DIR; grep ^Cl $_CONDOR_JOB_AD");
    again.set("ClusterId", 2);
    schedd.start(&claim, 2, again).await;
    assert_eq!(ended(&mut schedd).await, RunEnd::exited(0));
    assert_eq!(host.read("out"), ".\n..\n.job.ad\n.machine.ad\nClusterId = 2\n");
}

#[tokio::test]
async fn one_file_for_both_outputs_has_both() {
    let host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let mut job = host.job("echo first; echo second >&2; echo third");
    job.set("Err", "out");
    let claim = schedd.claim(1, &job).await;
    schedd.start(&claim, 1, job).await;
    assert_eq!(ended(&mut schedd).await, RunEnd::exited(0));
    assert_eq!(host.read("out"), "first\nsecond\nthird\n");
}

#[tokio::test]
async fn a_job_may_name_the_group_that_it_has_and_no_other() {
    let host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let claim = schedd.claim(1, &host.job("true")).await;
    let own = nix::unistd::Group::from_gid(nix::unistd::Gid::effective()).unwrap().unwrap().name;
    let other = if own == "daemon" { "bin" } else { "daemon" };
    let failed = |name: &str, errno| {
        RunEnd::StartFailed(StartFailure::at(StartStage::Group, name.to_owned(), errno))
    };
    let cases = [
        (own.as_str(), RunEnd::exited(0)),
        (other, failed(other, 1)),
        ("no such group", failed("no such group", 2)),
    ];
    for (ordinal, (name, expected)) in (1..).zip(cases) {
        let mut job = host.job("true");
        job.set("PrimaryUnixGroup", name);
        schedd.start(&claim, ordinal, job).await;
        assert_eq!(ended(&mut schedd).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_users_mistake_is_named_with_its_path() {
    let host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let claim = schedd.claim(1, &host.job("true")).await;
    let cases = [
        ("Out", "missing/out", StartStage::Output),
        ("Err", "missing/err", StartStage::Error),
        ("In", "missing", StartStage::Input),
        ("Cmd", "missing.sh", StartStage::Execute),
        ("Iwd", "/missing", StartStage::Directory),
    ];
    for (ordinal, (attribute, value, stage)) in (1..).zip(cases) {
        let mut job = host.job("true");
        job.set(attribute, value);
        schedd.start(&claim, ordinal, job).await;
        match ended(&mut schedd).await {
            RunEnd::StartFailed(failure) => {
                assert_eq!((failure.stage, failure.errno), (stage, 2), "{attribute}");
                let path = host.path(value).to_str().unwrap().to_owned();
                assert_eq!(failure.path, path, "{attribute}");
            }
            other => panic!("{attribute}: not a failed start: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_job_whose_files_travel_finds_them_in_its_scratch_folder_and_gets_them_back() {
    let mut host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    fs::create_dir(host.path("work")).unwrap();
    fs::write(
        host.path("work/script"),
        "#!/bin/sh\ncat input > result; pwd; until test -e $1; do sleep 0.01; done; exit 7\n",
    )
    .unwrap();
    fs::write(host.path("work/input"), "data").unwrap();
    let mut job = host.job("");
    let go = host.path("go");
    for (name, value) in [
        ("Cmd", "script"),
        ("Arguments", go.to_str().unwrap()),
        ("Iwd", host.path("work").to_str().unwrap()),
        ("Out", "made/out"),
        ("TransferInput", "input"),
        ("ShouldTransferFiles", "YES"),
    ] {
        job.set(name, value);
    }
    let claim = schedd.claim(1, &job).await;
    schedd.start(&claim, 1, job.clone()).await;
    let FromStartd::RunStarted { scratch_dir, .. } = schedd.hear().await else {
        panic!("no start")
    };
    // What is to come back is known to the next startd too.
    host.kill_startd();
    host.restart_startd();
    let (mut schedd, _) = host.schedd().await;
    fs::write(&go, "").unwrap();
    assert_eq!(ended(&mut schedd).await, RunEnd::exited(7));
    let scratch = fs::canonicalize(scratch_dir).unwrap();
    assert_eq!(host.read("work/made/out"), format!("{}\n", scratch.display()));
    assert_eq!(host.read("work/result"), "data");

    job.set("TransferOutput", "result,missing");
    schedd.start(&claim, 2, job.clone()).await;
    match ended(&mut schedd).await {
        RunEnd::OutputFailed { end, path, errno, over_limit: false, said: None } => {
            assert_eq!((end, errno), (ProgramEnd::Exited { code: 7 }, 2));
            assert!(path.ends_with("/missing"), "{path}");
        }
        other => panic!("not failed output: {other:?}"),
    }
    job.set("TransferInput", "input,missing");
    schedd.start(&claim, 3, job).await;
    match ended(&mut schedd).await {
        RunEnd::StartFailed(failure) => {
            assert_eq!((failure.stage, failure.errno), (StartStage::TransferInput, 2));
            assert_eq!(failure.path, host.path("work/missing").to_str().unwrap());
        }
        other => panic!("not failed input: {other:?}"),
    }
    assert_eq!(fs::read_dir(host.path("transfers")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_run_outlives_its_startd_and_ends_once() {
    let mut host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let job = host.job("echo begun; until test -e go; do sleep 0.01; done; echo went on; exit 3");
    let claim = schedd.claim(1, &job).await;
    let run = schedd.start(&claim, 1, job).await;
    assert!(matches!(schedd.hear().await, FromStartd::RunStarted { .. }));
    host.kill_startd();
    host.restart_startd();

    let (mut schedd, claims) = host.schedd().await;
    let [status] = &claims[..] else { panic!("not one claim: {claims:?}") };
    assert_eq!((status.claim, status.last_ordinal), (claim.claim, 1));
    assert!(matches!(status.run, Some((r, RunStatus::Executing(_))) if r == run), "{status:?}");
    fs::write(host.path("go"), "").unwrap();
    assert_eq!(ended(&mut schedd).await, RunEnd::exited(3));
    assert_eq!(host.read("out"), "begun\nwent on\n");

    // An end that is not recorded is known to the next startd too; one that is, is not.
    host.kill_startd();
    host.restart_startd();
    let (mut schedd, claims) = host.schedd().await;
    let end = claims.first().and_then(|status| status.run.clone());
    assert!(
        matches!(&end, Some((r, RunStatus::Ended(RunEnd::Program(ProgramEnd::Exited { code: 3 }), _))) if *r == run),
        "{end:?}"
    );
    schedd.say(ToStartd::RunRecorded { claim: claim.claim, run }).await;
    schedd.say(ToStartd::ReleaseClaim { claim: claim.claim, secret: claim.secret }).await;
    assert!(matches!(schedd.hear().await, FromStartd::ClaimGone { .. }));
    host.kill_startd();
    host.restart_startd();
    let (_, claims) = host.schedd().await;
    assert_eq!(claims, []);
}

#[tokio::test]
async fn a_run_that_ends_while_there_is_no_startd_is_reported_by_the_next() {
    let mut host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let job = host.job("until test -e go; do sleep 0.01; done; touch over; exit 4");
    let claim = schedd.claim(1, &job).await;
    let run = schedd.start(&claim, 1, job).await;
    assert!(matches!(schedd.hear().await, FromStartd::RunStarted { .. }));
    host.kill_startd();
    fs::write(host.path("go"), "").unwrap();
    until("the job is over", async || host.path("over").exists().then_some(())).await;
    host.restart_startd();
    let (mut schedd, claims) = host.schedd().await;
    match claims.first().and_then(|status| status.run.clone()) {
        Some((r, RunStatus::Ended(end, _))) => {
            assert_eq!((r, end), (run, RunEnd::exited(4)));
        }
        // Its shell may still have been on its way out.
        Some((r, RunStatus::Executing(_))) => {
            assert_eq!((r, ended(&mut schedd).await), (run, RunEnd::exited(4)));
        }
        other => panic!("the run is forgotten: {other:?}"),
    }
}

#[tokio::test]
async fn a_stopped_run_is_vacated_with_all_its_processes() {
    let host = Host::new();
    let (mut schedd, _) = host.schedd().await;
    let job = host.job("sleep 1000 & echo $! > child; wait; sleep 1000");
    let claim = schedd.claim(1, &job).await;
    let run = schedd.start(&claim, 1, job).await;
    let child = until("the job has a child", async || {
        host.read("child").strip_suffix('\n').map(str::to_owned)
    })
    .await;
    let (ordinal, how, aim) = (1, StopHow::Graceful, StopAim::Vacate);
    let (secret, claim) = (claim.secret, claim.claim);
    schedd.say(ToStartd::StopRun { claim, secret, run, ordinal, how, aim }).await;
    assert!(matches!(ended(&mut schedd).await, RunEnd::Vacated { .. }));
    assert!(!fs::exists(format!("/proc/{child}")).unwrap(), "process {child} is left");
}

#[tokio::test]
async fn the_negotiator_knows_what_is_free_and_when_the_machine_leaves() {
    let mut host = Host::new();
    let listener = host.negotiator();
    let mut negotiator = listener.accept().await.greet().await.unwrap();
    let first = advertised(&mut negotiator, |_| true).await;
    assert_eq!((first.machine.as_str(), first.free.cpus, first.slots.len()), ("testhost", 4, 1));
    assert_eq!(first.address, "<127.0.0.1:0>");

    let (mut schedd, _) = host.schedd().await;
    let job = host.job("sleep 1000");
    let claim = schedd.claim(1, &job).await;
    let carved = advertised(&mut negotiator, |state| state.free.cpus == 3).await;
    assert!(carved.sequence > first.sequence && carved.claims.len() == 1);
    let busy = schedd.start(&claim, 1, job).await;
    assert!(matches!(schedd.hear().await, FromStartd::RunStarted { .. }));
    let is_busy = |state: &proto::matchmaking::MachineState| {
        let activity = state.slots.get(1).and_then(|slot| slot.literal("Activity").cloned());
        activity.is_some_and(|activity| activity.as_str() == Some("Busy"))
    };
    advertised(&mut negotiator, is_busy).await;

    host.terminate_startd();
    match schedd.hear().await {
        FromStartd::RunEnded { run, end, .. } => {
            let code = VacateCode::StartdShutdown;
            let ended = Some(ProgramEnd::Signaled { signal: 15, core: false });
            assert_eq!((run, end), (busy, RunEnd::Vacated { code, ended }));
        }
        other => panic!("not the end of the run: {other:?}"),
    }
    assert!(matches!(schedd.hear().await, FromStartd::ClaimGone { .. }));
    while !matches!(told(&mut negotiator).await, FromMachine::Withdraw { .. }) {}
    assert!(host.startd.wait().unwrap().success());
    assert_eq!(fs::read_dir(host.path("execute")).unwrap().count(), 0);
}
