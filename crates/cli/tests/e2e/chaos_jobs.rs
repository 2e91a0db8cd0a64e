//! Random jobs on a real pool whose processes are killed and stopped at random, while clients die
//! and logs take nothing. Each run of each job notes in files of its own that it begins, that it is
//! the only one, and that it has ended: what is in there at the end must be what the queue says. A
//! few here; `cargo xtask chaos --jobs N --seed S` runs many.
//!
//! Only a keeper that is killed, or a pool that is stopped, takes runs with it: their jobs may run
//! again, one run at a time. All others run once. Full disks and restored queues are not here:
//! `faults` has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::stat::Mode;

use crate::chaos::{Rng, SEED, number};
use crate::faults::follower;
use crate::harness::{Pool, events, eventually, signal, text, updraft};

/// How many pools, one after the other.
const CASES: (&str, u64) = ("UPDRAFT_CHAOS_JOBS", 1);

/// What goes wrong in a case, one thing after the other.
const FAULTS: u64 = 12;

/// Jobs of a cluster.
const JOBS: u32 = 6;

/// How often a daemon is killed in a case at most: its supervisor waits longer each time.
const KILLS: usize = 2;

#[test]
fn random_jobs_whose_pool_is_killed_and_stopped_end_once_and_run_one_run_at_a_time() {
    let (cases, seed) = (number(CASES), number(SEED));
    for seed in seed..seed + cases {
        let mut case = Case::begin(seed);
        for _ in 0..FAULTS {
            case.goes_wrong();
        }
        case.must_be_right();
        println!("the jobs of seed {seed} ended as they must: {}", case.story.join(", "));
    }
}

/// A pool with jobs.
struct Case {
    pool: Pool,
    seed: u64,
    rng: Rng,
    /// Clusters whose submission was acknowledged, by the word that their jobs are called with.
    acknowledged: BTreeMap<String, String>,
    submitted: u64,
    /// Whether runs were lost.
    loses_runs: bool,
    kills: BTreeMap<&'static str, usize>,
    silent: Vec<UnixStream>,
    story: Vec<String>,
}

/// What a job does: with its word, the folder of what is noted, and how long it takes.
const JOB: &str = r#"#!/bin/sh
exec 9>>"$2/locks/$1"
flock -n 9 || echo "$1" >> "$2/twice"
echo "$1" >> "$2/begun"
sleep "$3"
[ -f data ] && { cat data; echo "$1"; } > out
echo "$1" >> "$2/ended"
"#;

impl Case {
    fn begin(seed: u64) -> Self {
        let pool = Pool::start(4);
        let work = pool.work();
        fs::create_dir_all(work.join("locks")).unwrap();
        fs::write(work.join("data"), "data\n").unwrap();
        fs::write(work.join("job.sh"), JOB).unwrap();
        fs::set_permissions(work.join("job.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        nix::unistd::mkfifo(&work.join("fifo.log"), Mode::S_IRWXU).unwrap();
        let mut case = Self {
            pool,
            seed,
            rng: Rng(seed ^ 0x0b5e_55ed),
            acknowledged: BTreeMap::new(),
            submitted: 0,
            loses_runs: false,
            kills: BTreeMap::new(),
            silent: Vec::new(),
            story: Vec::new(),
        };
        for _ in 0..4 {
            case.submit();
        }
        case
    }

    /// Writes another description, and says by which word its jobs are known.
    fn describe(&mut self) -> String {
        self.submitted += 1;
        let word = format!("c{}", self.submitted);
        let dir = self.pool.work();
        let travels = match self.rng.below(2) {
            0 => "should_transfer_files = no\n".to_owned(),
            _ => format!(
                "should_transfer_files = yes\ntransfer_input_files = data\n\
                 transfer_output_files = out\ntransfer_output_remaps = \"out={}/out.{word}-$(Process)\"\n",
                dir.display()
            ),
        };
        let log = if self.rng.below(5) == 0 { "fifo".to_owned() } else { word.clone() };
        let tenths = self.rng.below(8);
        let text = format!(
            "executable = job.sh\narguments = {word}-$(Process) {} 0.{tenths}\n{travels}\
             log = {log}.log\noutput = {word}-$(Process).so\nrequest_disk = 1\nqueue {JOBS}\n",
            dir.display()
        );
        fs::write(dir.join(format!("{word}.sub")), text).unwrap();
        word
    }

    fn client(&self, word: &str) -> Child {
        let file = format!("{word}.sub");
        let mut command = self.pool.command(&updraft(), &["submit", "-terse", &file]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Submits jobs, and waits for the answer, whatever has just been killed.
    fn submit(&mut self) {
        let word = self.describe();
        let out = self.client(&word).wait_with_output().unwrap();
        assert!(out.status.success(), "seed {}: {}", self.seed, text(&out));
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let cluster = said.split('.').next().unwrap().to_owned();
        self.acknowledged.insert(word, cluster);
    }

    fn goes_wrong(&mut self) {
        self.submit();
        sleep(Duration::from_millis(50 + self.rng.below(350)));
        let daemon = ["schedd", "startd", "negotiator", "launcher"][self.rng.up_to(4)];
        match self.rng.below(10) {
            0..=3 => self.kill(daemon),
            4 => self.kill_keeper(),
            5 => self.pause(daemon),
            6 => self.client_dies(),
            7 => {
                self.story.push("a follower reads nothing".to_owned());
                self.silent
                    .extend((self.pool.pid("schedd").is_some()).then(|| follower(&self.pool)));
            }
            8 => self.kill_supervisor(),
            _ => self.restart(),
        }
    }

    fn restart(&mut self) {
        self.story.push("the pool stops and starts".to_owned());
        self.pool.ok(&["pool", "stop"]);
        self.pool.ok(&["pool", "start"]);
        self.kills.clear();
    }

    fn kill(&mut self, daemon: &'static str) {
        let kills = self.kills.entry(daemon).or_insert(0);
        let Some(pid) = self.pool.pid(daemon).filter(|_| *kills < KILLS) else { return };
        *kills += 1;
        self.story.push(format!("the {daemon} is killed"));
        signal(pid, "KILL");
        // The next client may come before it is back, and waits for it.
        if self.rng.below(2) == 0 {
            self.submit();
        }
        eventually(&format!("seed {}: the {daemon} runs again", self.seed), || {
            self.pool.pid(daemon).is_some_and(|new| new != pid)
        });
    }

    /// Kills one of the processes that keep a run each.
    fn kill_keeper(&mut self) {
        let keepers = self.keepers();
        if keepers.is_empty() {
            return;
        }
        let pid = keepers[self.rng.up_to(keepers.len())];
        self.story.push("a keeper is killed".to_owned());
        self.loses_runs = true;
        // It may have ended meanwhile.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }

    fn keepers(&self) -> Vec<nix::unistd::Pid> {
        let Some(launcher) = self.pool.pid("launcher") else { return Vec::new() };
        let home = self.pool.home().display().to_string();
        let numbers = fs::read_dir("/proc").unwrap().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        numbers
            .filter(|pid| i64::from(*pid) != launcher)
            .filter(|pid| {
                let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                words.contains("launcher") && words.contains(&home)
            })
            .map(nix::unistd::Pid::from_raw)
            .collect()
    }

    /// A daemon stands still for less than a lease.
    fn pause(&mut self, daemon: &str) {
        let Some(pid) = self.pool.pid(daemon) else { return };
        self.story.push(format!("the {daemon} stands still"));
        signal(pid, "STOP");
        sleep(Duration::from_millis(300 + self.rng.below(1200)));
        signal(pid, "CONT");
    }

    /// What was submitted by a client that is killed is there whole, or not at all.
    fn client_dies(&mut self) {
        self.story.push("a client is killed".to_owned());
        let word = self.describe();
        let mut client = self.client(&word);
        sleep(Duration::from_millis(self.rng.below(60)));
        client.kill().unwrap();
        client.wait().unwrap();
    }

    fn kill_supervisor(&mut self) {
        let Some(pid) = self.pool.pid("supervisor") else { return };
        self.story.push("the supervisor is killed".to_owned());
        signal(pid, "KILL");
        // What it has started goes on, or is started again with it.
        eventually(&format!("seed {}: the pool starts again", self.seed), || {
            self.pool.updraft(&["pool", "start"]).status.success()
        });
    }

    fn must_be_right(&mut self) {
        let story = format!("seed {}: {}", self.seed, self.story.join(", "));
        eventually(&format!("all jobs end. {story}"), || {
            self.pool.updraft(&["q", "-af", "ClusterId"]).stdout.is_empty()
                && self.pool.updraft(&["q"]).status.success()
        });
        let noted = |name: &str| -> BTreeMap<String, usize> {
            let text = fs::read_to_string(self.pool.work().join(name)).unwrap_or_default();
            let mut counts = BTreeMap::new();
            text.lines().for_each(|line| *counts.entry(line.to_owned()).or_insert(0) += 1);
            counts
        };
        let (begun, ended, twice) = (noted("begun"), noted("ended"), noted("twice"));
        assert!(twice.is_empty(), "{twice:?} ran twice at a time. {story}");
        // In the queue's words: what each job was called with, and its end.
        let said = self.pool.ok(&["history", "-af", "Args", "JobStatus", "ExitCode"]);
        let mut recorded: BTreeSet<&str> = BTreeSet::new();
        for line in said.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [job, .., status, code] = words[..] else { panic!("{line}. {story}") };
            assert_eq!((status, code), ("4", "0"), "{job}. {story}");
            assert!(recorded.insert(job), "{job} ended twice. {story}");
        }
        for number in 1..=self.submitted {
            let word = format!("c{number}");
            let jobs: Vec<String> = (0..JOBS).map(|proc| format!("{word}-{proc}")).collect();
            let there = jobs.iter().filter(|job| recorded.contains(job.as_str())).count();
            let acknowledged = self.acknowledged.contains_key(&word);
            let whole = there == jobs.len() || (there == 0 && !acknowledged);
            assert!(whole, "{there} jobs of {word} are in history. {story}");
            if there == 0 {
                continue;
            }
            for job in &jobs {
                let count = |of: &BTreeMap<String, usize>| of.get(job).copied().unwrap_or(0);
                let (begun, ended) = (count(&begun), count(&ended));
                let told = || format!("{job} began {begun} times and ended {ended} times. {story}");
                assert!(ended >= 1 && begun >= ended, "{}", told());
                assert!(self.loses_runs || (begun, ended) == (1, 1), "{}", told());
                self.files_are_right(&word, job, &story);
            }
            if self.description(&word).contains(&format!("log = {word}.log")) {
                let log = self.pool.work().join(format!("{word}.log"));
                eventually(&format!("{word}.log has all ends. {story}"), || {
                    events(&log, "005") == jobs.len()
                });
            }
        }
    }

    fn description(&self, word: &str) -> String {
        fs::read_to_string(self.pool.work().join(format!("{word}.sub"))).unwrap()
    }

    /// What a job has made is back, whole.
    fn files_are_right(&self, word: &str, job: &str, story: &str) {
        let dir: PathBuf = self.pool.work();
        if self.description(word).contains("should_transfer_files = yes") {
            let out = fs::read_to_string(dir.join(format!("out.{job}"))).unwrap_or_default();
            assert_eq!(out, format!("data\n{job}\n"), "{story}");
        }
        assert!(dir.join(format!("{job}.so")).exists(), "{job} has no output. {story}");
    }
}
