//! Jobs that ask for more memory or disk after a run that used more than it was given, and jobs
//! that are ended for what their runs use.

use classad::Value;

use crate::core::LogTo;
use crate::core::tests::*;

const WHEN: &str =
    "REQUIREMENTS (VacateReasonCode==21 || VacateReasonCode == 34) && VacateReasonSubCode == 102";

/// A run whose slot has 1024 MB of memory and 4096 KB of disk, of a job that asks for so much.
fn running(lines: &str) -> Trial {
    let mut trial = Trial::with_jobs(1, lines);
    trial.matched();
    let FromStartd::ClaimGranted(mut granted) = granted(&trial) else { unreachable!() };
    (granted.resources.memory_mib, granted.resources.disk_kib) = (1024, 4096);
    trial.hears(FromStartd::ClaimGranted(granted));
    let (run, at, scratch_dir) = (RAN, trial.now.wall, "/scratch".to_owned());
    trial.hears(FromStartd::RunStarted { claim: CLAIM, run, at, scratch_dir });
    trial
}

fn uses(trial: &mut Trial, mib: u64) -> Batch {
    let usage = Usage { peak_rss_kib: mib << 10, ..Usage::default() };
    trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage })
}

#[test]
fn a_run_that_uses_more_than_its_slot_has_is_tried_again_with_more_until_there_is_no_more() {
    let list = "RetryRequestMemory = { 2048, 4096 }\n";
    let steps = "EVALSET RequestMemory RetryRequestMemory[RetryRequestMemoryIndex?:0]\u{1e}EVALSET RetryRequestMemoryIndex MIN({size(RetryRequestMemory)-1, (RetryRequestMemoryIndex?:0)+1})";
    let double = "NextRequestMemory = RequestMemory * 2\nMaxRequestMemory = 3000\n";
    let max = "EVALSET RequestMemory MIN({NextRequestMemory, MaxRequestMemory})";
    for (lines, body, request, used, expected) in [
        ("", "SET RequestMemory 2048", 1024, 1025, (1, Some(2048))),
        ("", "SET RequestMemory 2048", 1024, 1024, (2, Some(1024))),
        ("", "SET RequestMemory 2048", 2048, 1025, (5, Some(2048))),
        ("", "EVALSET RequestMemory RequestMemory * 3", 1024, 2000, (1, Some(3072))),
        (double, max, 1024, 2000, (1, Some(2048))),
        (double, max, 2048, 2000, (1, Some(3000))),
        (double, max, 3000, 4000, (5, Some(3000))),
        (list, steps, 1024, 2000, (1, Some(2048))),
        (
            "RetryRequestMemoryIndex = 1\nRetryRequestMemory = { 2048, 4096 }\n",
            steps,
            2048,
            4000,
            (1, Some(4096)),
        ),
        (
            "RetryRequestMemoryIndex = 1\nRetryRequestMemory = { 2048, 4096 }\n",
            steps,
            4096,
            9000,
            (5, Some(4096)),
        ),
        // A step that gives no more than the slot has already is left out.
        ("", "EVALSET RequestMemory RequestMemory + 200", 600, 2000, (1, Some(1200))),
        ("", "SET RequestMemory 900", 600, 2000, (5, Some(600))),
        ("", "NONSENSE", 1024, 2000, (5, Some(1024))),
    ] {
        let mut trial = running(&format!(
            "{lines}RequestMemory = {request}\nTransformOnEvict = \"RequestMemory\"\n\
             TransformBody_RequestMemory = \"{WHEN}\u{1e}{body}\""
        ));
        uses(&mut trial, used);
        if trial.core.job(JOB).is_some_and(|job| job.is_stopping()) {
            trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
        }
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let now = ad.eval("RequestMemory", None, &classad::Env::at(0)).as_i64();
        assert_eq!((trial.stands().0, now), expected, "{body}, {request}, {used}");
        let code = (expected.0 == 5).then_some(34);
        assert_eq!(trial.stands().1, code, "{body}, {request}, {used}");
    }
}

#[test]
fn a_run_that_the_machine_killed_for_want_of_memory_holds_its_job_or_is_tried_again_with_more() {
    let code = VacateCode::JobOutOfResources;
    let end =
        RunEnd::Vacated { code, ended: Some(ProgramEnd::Signaled { signal: 9, core: false }) };
    let grows = "TransformOnEvict = \"RequestMemory\"\nTransformBody_RequestMemory = ";
    for (lines, stands, memory) in [
        ("RequestMemory = 1000".to_owned(), (5, Some(34)), 1000),
        (format!("RequestMemory = 1000\n{grows}\"SET RequestMemory 2048\""), (1, None), 2048),
        (format!("RequestMemory = 2048\n{grows}\"SET RequestMemory 2048\""), (5, Some(34)), 2048),
        // As in PBS: its program has ended by that signal.
        ("RequestMemory = 1000\nPbsJobName = \"sim\"".to_owned(), (4, None), 1000),
    ] {
        let mut trial = running(&lines);
        let usage = Usage { peak_rss_kib: 1024 << 10, ..Usage::default() };
        trial.hears(FromStartd::RunEnded { claim: CLAIM, run: RAN, end: end.clone(), usage });
        let Some(ad) = trial.core.job_ad(trial.now, JOB) else {
            assert_eq!(stands.0, 4, "{lines}: it has left the queue");
            continue;
        };
        assert_eq!(trial.stands(), stands, "{lines}");
        let now = ad.eval("RequestMemory", None, &classad::Env::at(0)).as_i64();
        assert_eq!(now, Some(memory), "{lines}");
        let said = ad.literal(attr::HOLD_REASON).and_then(Value::as_str).unwrap_or_default();
        let expected =
            "cgroup memory limit of 1024 megabytes. Last measured usage: 1024 megabytes.";
        assert_eq!(said.contains(expected), stands.0 == 5, "{said}");
        let subcode = ad.literal("HoldReasonSubCode").and_then(Value::as_i64);
        assert_eq!(subcode, (stands.0 == 5).then_some(102), "{lines}");
    }
}

#[test]
fn a_job_that_asks_for_no_retry_may_use_more_than_its_request() {
    let mut trial = running("RequestMemory = 20");
    uses(&mut trial, 9000);
    assert_eq!(trial.stands(), (2, None));
}

#[test]
fn a_run_that_uses_too_much_disk_is_tried_again_with_more_disk_and_only_if_it_asks_for_that() {
    let body = "REQUIREMENTS VacateReasonCode == 34 && VacateReasonSubCode == 104\u{1e}SET RequestDisk 9000";
    for (on_evict, request, used_kib, expected) in [
        ("RequestMemory RequestDisk", 4096, 4097, (1, Some(9000), None)),
        ("RequestMemory RequestDisk", 4096, 4096, (2, Some(4096), None)),
        ("RequestDisk", 9000, 9999, (5, Some(9000), Some(104))),
        // It is asked to grow in memory only.
        ("RequestMemory", 4096, 9999, (2, Some(4096), None)),
    ] {
        let mut trial = running(&format!(
            "RequestDisk = {request}\nTransformOnEvict = \"{on_evict}\"\n\
             TransformBody_RequestMemory = \"{WHEN}\u{1e}SET RequestMemory 2048\"\n\
             TransformBody_RequestDisk = \"{body}\""
        ));
        let usage = Usage { disk_kib: used_kib, scratch_files: 3, ..Usage::default() };
        trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage });
        if trial.core.job(JOB).is_some_and(|job| job.is_stopping()) {
            trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
        }
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let number = |name| ad.eval(name, None, &classad::Env::at(0)).as_i64();
        let stands = (trial.stands().0, number("RequestDisk"), number("HoldReasonSubCode"));
        assert_eq!(stands, expected, "{on_evict}, {request}, {used_kib}");
    }
}

/// What is said of a job with these limits whose run uses so much, and what it finds behind its
/// output.
fn check(lines: &str, usage: Usage, expected: Option<&str>) {
    let mut trial = Trial::with_jobs(1, &format!("Err = \"/home/job.e1\"\n{lines}"));
    trial.matched();
    trial.hears(granted(&trial));
    let (run, at, scratch_dir) = (RAN, trial.now.wall, "/scratch".to_owned());
    trial.hears(FromStartd::RunStarted { claim: CLAIM, run, at, scratch_dir });
    let batch = trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage });
    let lines_told: Vec<_> = batch.log.iter().filter(|entry| entry.to == LogTo::Stream).collect();
    let Some(reason) = expected else {
        assert_eq!((trial.stands(), lines_told.len()), ((2, None), 0), "{lines}");
        return;
    };
    let [told] = lines_told[..] else { panic!("{lines}: {lines_told:?}") };
    let text = format!("=>> {reason}\n");
    assert_eq!((&*told.path, &told.event), ("/home/job.e1", &UserLogEvent::Generic { text }));
    // Another measurement says nothing new.
    let more = Usage { user_us: usage.user_us + 1, ..usage };
    let batch = trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage: more });
    assert!(batch.log.iter().all(|entry| entry.to != LogTo::Stream), "{lines}");
    let batch = trial.ends(RunEnd::vacated(VacateCode::JobRemoved));
    let said = |event: &UserLogEvent| matches!(event, UserLogEvent::Aborted { reason: Some(why) } if why == reason);
    assert!(batch.log.is_empty() || batch.log.iter().any(|entry| said(&entry.event)), "{lines}");
    assert!(trial.core.job(JOB).is_none(), "{lines}: it is over");
}

#[test]
fn a_run_that_uses_more_than_its_job_may_ends_it_with_a_line_behind_its_output() {
    let usage = Usage {
        user_us: 61_000_000,
        peak_rss_kib: 4096,
        peak_vmem_kib: 9000,
        peak_process_kib: 3000,
        ..Usage::default()
    };
    check("PbsMemLimit = 4095", usage, Some("PBS: job killed: mem 4096kb exceeded limit 4095kb"));
    check("PbsCpuLimit = 60", usage, Some("PBS: job killed: cput 61 exceeded limit 60"));
    check("PbsVmemLimit = 8000", usage, Some("PBS: job killed: vmem 9000kb exceeded limit 8000kb"));
    check("PbsPmemLimit = 1", usage, Some("PBS: job killed: pmem 3000kb exceeded limit 1kb"));
    check("PbsMemLimit = 4096\nPbsCpuLimit = 61", usage, None);
    check("", usage, None);
}
