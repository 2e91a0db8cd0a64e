//! Event logs for `condor_wait`, and what it may be told, from a seed.

use super::generate::{Ad, Case};
use crate::sim::Rng;

/// What may stand on the command line; `ads` is the log.
const OPTIONS: &[&str] = &[
    "-status",
    "-stat",
    "-echo",
    "-echo:ISO_DATE",
    "-echo:UTC",
    "-echo:JSON",
    "-echo:XML",
    "-echo:ISO_DATE,UTC",
    "-num 1",
    "-num 2",
    "-num 9",
    "-num 0",
    "-num x",
    "-num -1",
    "-num",
    "-wait",
    "-wait x",
    "-all -num 1",
    "-allevents -num 2",
    "-bogus",
    "-help",
    "-debug",
    "--status",
    "-e",
];

/// Jobs, right and wrong.
const JOBS: &[&str] = &["1", "1.0", "1.1", "2", "1.0.0", "9", "1.9", "x", "1.x", "-1", "1.0.0.0"];

const TERMINATED: &str = "\
\t\tUsr 0 00:00:01, Sys 0 00:00:00  -  Run Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
\t\tUsr 0 00:00:01, Sys 0 00:00:00  -  Total Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage
\t0  -  Run Bytes Sent By Job
\t17  -  Run Bytes Received By Job
\t0  -  Total Bytes Sent By Job
\t17  -  Total Bytes Received By Job
\tPartitionable Resources :    Usage  Request Allocated 
\t   Cpus                 :     0.25        1         1 
\t   Disk (KB)            :    15           1    203574 
\t   Memory (MB)          :     1         128       128 ";

const EVICTED: &str = "\
\t(0) CPU times
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
\t0  -  Run Bytes Sent By Job
\t0  -  Run Bytes Received By Job";

const MEMORY: &str = "\t1  -  MemoryUsage of job (MB)\n\t536  -  ResidentSetSize of job (KB)";

/// The case of a seed.
pub fn case(seed: u64, index: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(0x0001_0001).wrapping_add(index));
    let jobs = rng.between(1, 3);
    let mut clock = 0;
    let mut ads = Vec::new();
    let mut open: Vec<(u64, u64)> = Vec::new();
    for job in 0..jobs {
        let id = (1 + job / 2, job % 2);
        ads.push(event(0, id, &mut clock, "Job submitted from host: <192.0.2.2:9901>", ""));
        open.push(id);
    }
    for _ in 0..rng.below(9) {
        if open.is_empty() {
            break;
        }
        let at = rng.index(open.len());
        let (is_over, ad) = step(&mut rng, open[at], &mut clock);
        ads.push(ad);
        if is_over {
            open.remove(at);
        }
    }
    // Whoever waits for what never comes waits for a second.
    let mut words = vec!["-wait".to_owned(), "1".to_owned()];
    for _ in 0..rng.below(3) {
        words.extend(rng.pick(OPTIONS).split(' ').map(str::to_owned));
    }
    if rng.percent(95) {
        words.push(rng.pick(&["ads", "ads", "ads", "ads", "ads", "nofile"]).to_owned());
    }
    if rng.percent(40) {
        words.push(rng.pick(JOBS).to_owned());
    }
    if rng.percent(4) {
        words.push("2".to_owned());
    }
    Case { command: "condor_wait", words, ads }
}

/// What happens to a job next, and whether it is over then.
fn step(rng: &mut Rng, id: (u64, u64), clock: &mut u64) -> (bool, Ad) {
    let by = "(by user alice)";
    match rng.below(10) {
        0..3 => (false, event(1, id, clock, "Job executing on host: <192.0.2.2:9901>", "")),
        3 => (false, event(6, id, clock, "Image size of job updated: 35", MEMORY)),
        4 => {
            let why = format!("\tvia condor_hold {by}\n\tCode 1 Subcode 0");
            (false, event(12, id, clock, "Job was held.", &why))
        }
        5 => {
            let why = format!("\tvia condor_release {by}");
            (false, event(13, id, clock, "Job was released.", &why))
        }
        6 => (false, event(4, id, clock, "Job was evicted.", EVICTED)),
        7 => {
            let why = format!("\tvia condor_rm {by}");
            (true, event(9, id, clock, "Job was aborted.", &why))
        }
        _ => {
            let how = rng.pick(&[
                "\t(1) Normal termination (return value 0)",
                "\t(1) Normal termination (return value 7)",
                "\t(0) Abnormal termination (signal 9)\n\t(0) No core file",
            ]);
            (true, event(5, id, clock, "Job terminated.", &format!("{how}\n{TERMINATED}")))
        }
    }
}

/// An event: it begins as all do.
fn event(number: u32, (cluster, proc): (u64, u64), clock: &mut u64, what: &str, more: &str) -> Ad {
    *clock += 1;
    let head =
        format!("{number:03} ({cluster:03}.{proc:03}.000) 2026-11-30 16:00:{clock:02} {what}");
    let mut core = vec![head];
    core.extend((!more.is_empty()).then(|| more.to_owned()));
    Ad { core, more: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_again_and_its_log_is_one() {
        assert_eq!(case(3, 4), case(3, 4));
        let text = (0..40).map(|n| case(3, n).text()).find(|text| text.contains("005 (")).unwrap();
        let ended = text.split("...\n").filter(|event| event.starts_with("005 (")).count();
        assert!(ended > 0 && text.ends_with("...\n"), "{text}");
    }
}
