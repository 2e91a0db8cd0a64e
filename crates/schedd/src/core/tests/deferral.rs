//! Jobs that start at a time: when they are offered for matching, and what becomes of those that
//! miss it. The trial begins at second 1,000,000, which is 1970-01-12 13:46:40 UTC.

use crate::core::tests::*;

/// Whether the first job waits for a match.
fn is_offered(trial: &Trial) -> bool {
    trial.core.classes.by_id.values().any(|class| class.idle.iter().any(|job| job == JOB))
}

/// After how many seconds the first job is offered for matching.
fn offered_after(trial: &mut Trial) -> Option<u64> {
    (0..20_000).find(|_| {
        let offered = is_offered(trial);
        if !offered {
            trial.now.boot_ms += 1000;
            trial.now.wall = Timestamp::from_millis(trial.now.wall.as_millis() + 1000);
            run_batch(&mut trial.core, trial.now, &[]);
        }
        offered
    })
}

#[test]
fn a_deferred_job_is_offered_from_its_preparation_time_on() {
    for (lines, expected) in [
        ("DeferralTime = 1000600\nDeferralPrepTime = 300", 300),
        ("DeferralTime = QDate + 60\nDeferralPrepTime = 0", 60),
        ("DeferralTime = 1000600\nDeferralPrepTime = 900", 0),
        ("DeferralTime = 5", 0),
        ("DeferralTime = Nowhere", 0),
        // 13:46:40 now; the next full hour, and half past.
        ("CronMinute = \"0\"\nDeferralPrepTime = 60", 740),
        ("CronMinute = \"0,30\"\nCronHour = \"14-15\"\nDeferralPrepTime = 0", 800),
        ("CronMinute = 50", 200),
    ] {
        let mut trial = Trial::with_jobs(1, lines);
        assert_eq!(offered_after(&mut trial), Some(expected), "{lines}");
        let cron = lines.contains("Cron");
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let time = ad.literal("DeferralTime").and_then(classad::Value::as_i64);
        assert!(
            !cron || time.is_some_and(|at| at % 60 == 0 && at > 1_000_000),
            "{lines}: {time:?}"
        );
    }
}

#[test]
fn a_job_that_waits_for_its_time_says_so_and_a_restart_changes_nothing() {
    let mut trial = Trial::with_jobs(2, "DeferralTime = 1000600\nDeferralPrepTime = 100");
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    trial.take(&[Input::NegotiatorUp]);
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let reason = ad.literal("IdleReason").and_then(classad::Value::as_str).map(str::to_owned);
    assert_eq!(reason.as_deref(), Some("it is to start in 600 s"));
    assert_eq!(offered_after(&mut trial), Some(500));
}

#[test]
fn a_crontab_gives_the_next_time_after_each_run_and_each_release() {
    let mut trial = Trial::with_jobs(1, "CronMinute = \"*/10\"\nOnExitRemove = false");
    let time = |trial: &Trial| {
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        ad.literal("DeferralTime").and_then(classad::Value::as_i64).unwrap() - 1_000_000
    };
    assert_eq!(time(&trial), 200);
    assert_eq!(offered_after(&mut trial), Some(200));
    trial.claims(CLAIM, MATCH);
    trial.ends(exited(0));
    assert_eq!((trial.stands(), time(&trial)), ((1, None), 800));
    assert!(!is_offered(&trial));
    trial.acts("alice", hold());
    trial.waits(1000);
    trial.acts("alice", release());
    assert_eq!((trial.stands(), time(&trial)), ((1, None), 1400));
}

#[test]
fn a_cron_job_that_found_no_machine_in_time_waits_for_its_next_time() {
    let mut trial = Trial::with_jobs(1, "CronMinute = \"*/10\"\nDeferralWindow = 30");
    assert_eq!(offered_after(&mut trial), Some(200));
    trial.waits(29);
    assert!(is_offered(&trial));
    trial.waits(8);
    assert!(!is_offered(&trial), "30 s are over");
    assert_eq!(offered_after(&mut trial), Some(563));
}

#[test]
fn a_missed_start_and_a_crontab_without_sense_hold_the_job() {
    let mut trial = Trial::executing("UserLog = \"/log\"");
    let late = StartFailure::at(StartStage::Deferral, "", 0);
    let batch = trial.ends(RunEnd::StartFailed(late));
    assert_eq!(trial.stands(), (5, Some(20)));
    assert_eq!(batch.log.len(), 1, "012 alone: {batch:?}");
    for cron in ["CronMinute = \"61\"", "CronDayOfMonth = \"31\"\nCronMonth = \"2\""] {
        assert_eq!(Trial::with_jobs(1, cron).stands(), (5, Some(25)), "{cron}");
    }
}
