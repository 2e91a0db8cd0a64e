//! `cargo xtask hosts`: a pool of several hosts on one machine. Each host is a network namespace
//! with its own host name and an interface on a common switch, which is a namespace too: nothing is
//! added to the machine's own network. From bare hosts to the first job done on the last one; then
//! jobs with files, while a host is cut off, another one loses all its processes at once, and the
//! pool's own daemons are killed. Each job must be recorded once, with its own output, and no two
//! runs of a job may meet, by a lock of which the pool knows nothing.
//!
//! It needs root and `ip`, `unshare` and `flock`, and says so where the machine forbids it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::run;

/// What the namespaces' names begin with; the number of this process follows, so that two at a time
/// do not meet.
const PREFIX: &str = "updraft";

/// The network of the hosts: in namespaces only.
const NETWORK: &str = "10.177.0";

/// How long something may take that must come.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a host is cut off: several beats of a startd.
const CUT: Duration = Duration::from_secs(20);

/// What is set up, and what runs there.
#[derive(Debug, Args)]
pub(crate) struct HostsArgs {
    /// How many hosts.
    #[arg(long, default_value_t = 5)]
    hosts: usize,
    /// How many jobs.
    #[arg(long, default_value_t = 60)]
    jobs: usize,
}

/// Hosts, taken away when this is dropped.
struct Hosts {
    names: Vec<String>,
    prefix: String,
    folder: PathBuf,
    program: PathBuf,
}

/// Sets up so many hosts, runs so many jobs on them, and takes everything away again.
///
/// # Errors
///
/// If the machine forbids it, or something is not as it must be.
pub(crate) fn run(args: &HostsArgs) -> Result<()> {
    let HostsArgs { hosts, jobs } = *args;
    ensure!((2..=50).contains(&hosts), "run {hosts} hosts: expected 2 to 50");
    let hosts = Hosts::set_up(hosts)?;
    let done = hosts.show(jobs);
    if done.is_err() {
        hosts.say_logs();
    }
    done
}

impl Hosts {
    fn set_up(count: usize) -> Result<Self> {
        let program = run::target_dir().join("debug/updraft");
        ensure!(program.exists(), "find {}: cargo build", program.display());
        let prefix = format!("{PREFIX}{}", std::process::id());
        let folder = env::temp_dir().join(format!("{prefix}-hosts"));
        fs::create_dir_all(folder.join("work"))?;
        let names = (1..=count).map(|n| format!("host{n}")).collect();
        let hosts = Self { names, prefix, folder, program };
        let switch = hosts.namespace("switch");
        tool("ip", &["netns", "add", &switch]).context(
            "make a network namespace: this machine forbids it (it takes root, CAP_SYS_ADMIN and \
             iproute2); nothing was tried",
        )?;
        hosts.in_namespace("switch", &["ip", "link", "add", "br0", "type", "bridge"])?;
        hosts.in_namespace("switch", &["ip", "link", "set", "br0", "up"])?;
        for (n, name) in hosts.names.iter().enumerate() {
            let own = hosts.namespace(name);
            tool("ip", &["netns", "add", &own])?;
            let peer = ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns"];
            hosts.in_namespace(name, &[&peer[..], &[&switch]].concat())?;
            hosts.in_namespace("switch", &["ip", "link", "set", name, "master", "br0", "up"])?;
            let address = format!("{NETWORK}.{}/24", n + 1);
            hosts.in_namespace(name, &["ip", "address", "add", &address, "dev", "eth0"])?;
            hosts.in_namespace(name, &["ip", "link", "set", "eth0", "up"])?;
            hosts.in_namespace(name, &["ip", "link", "set", "lo", "up"])?;
        }
        Ok(hosts)
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn in_namespace(&self, name: &str, words: &[&str]) -> Result<String> {
        let own = self.namespace(name);
        tool("ip", &[&["netns", "exec", &own], words].concat())
    }

    /// Runs `updraft WORDS` on a host.
    fn updraft(&self, host: &str, words: &[&str]) -> Result<String> {
        let enter = format!("hostname {host} && exec \"$0\" \"$@\"");
        let own = self.namespace(host);
        let out = Command::new("ip")
            .args(["netns", "exec", &own, "unshare", "--uts", "sh", "-c", &enter])
            .arg(&self.program)
            .args(words)
            .env("UPDRAFT_HOME", self.folder.join(host))
            .env("UPDRAFT_MAIL", "none")
            .current_dir(self.folder.join("work"))
            .stdin(Stdio::null())
            .output()?;
        said(&format!("updraft {} on {host}", words.join(" ")), &out)
    }

    /// Runs it on the pool's own host.
    fn head(&self, words: &[&str]) -> Result<String> {
        self.updraft(&self.names[0], words)
    }

    fn show(&self, jobs: usize) -> Result<()> {
        self.first_job()?;
        self.faults(jobs)
    }

    /// From bare hosts to the first job done on the last of them.
    fn first_job(&self) -> Result<()> {
        let begun = now();
        let mut commands = 2;
        self.head(&["pool", "start", "--listen", &format!("{NETWORK}.1"), "--cpus", "1"])?;
        let uses = (self.names.len() - 1).to_string();
        let token = self.head(&["pool", "invite", "--uses", &uses])?;
        for host in &self.names[1..] {
            let limits = ["--cpus", "4", "--memory", "2048"];
            self.updraft(host, &[&["join", token.trim()], &limits[..]].concat())?;
            commands += 1;
        }
        let last = &self.names[self.names.len() - 1];
        let description = format!(
            "executable = /bin/hostname\noutput = first.out\nlog = first.log\n\
             requirements = Machine == \"{last}\"\nqueue\n"
        );
        fs::write(self.work().join("first.sub"), description)?;
        self.head(&["submit", "first.sub"])?;
        commands += 1;
        self.until("the first job is done", || self.count("first.log", "005") == 1)?;
        let said = fs::read_to_string(self.work().join("first.out"))?;
        ensure!(said.trim() == last, "the first job ran on {said:?}, not on {last}");
        let took = begun.elapsed().as_secs_f64();
        println!(
            "{} bare hosts to the first job done on the last: {commands} commands, {took:.2} s",
            self.names.len()
        );
        Ok(())
    }

    /// Jobs with files, while hosts and daemons fail.
    fn faults(&self, jobs: usize) -> Result<()> {
        let work = self.work();
        let program = format!(
            "#!/bin/sh\ncd_job=$1; exec 9>{locks}.$1; flock -n 9 || echo $1 >> {locks}.met\n\
             sleep 2; echo \"$1 $(cat in.$1)\" > made.$1\n",
            locks = self.folder.join("lock").display()
        );
        fs::write(work.join("job.sh"), program)?;
        for n in 0..jobs {
            fs::write(work.join(format!("in.{n}")), format!("input of {n}\n"))?;
        }
        let description = format!(
            "executable = job.sh\narguments = $(Process)\nlog = jobs.log\n\
             transfer_input_files = in.$(Process)\ntransfer_output_files = made.$(Process)\n\
             requirements = Machine != \"{}\"\nrequest_memory = 64\nqueue {jobs}\n",
            self.names[0]
        );
        fs::write(work.join("jobs.sub"), description)?;
        let begun = now();
        self.head(&["submit", "jobs.sub"])?;
        self.until("jobs run", || self.count("jobs.log", "001") > 4)?;
        let (cut, lost) = (&self.names[1], &self.names[self.names.len() - 1]);
        self.in_namespace(cut, &["ip", "link", "set", "eth0", "down"])?;
        println!("{cut} is cut off for {} s", CUT.as_secs());
        if lost != cut {
            println!("{lost} loses all its processes");
            self.kill_all(lost)?;
        }
        for daemon in ["negotiator", "schedd"] {
            println!("the pool's {daemon} is killed");
            self.kill_daemon(daemon)?;
            thread::sleep(Duration::from_secs(2));
        }
        if lost != cut {
            self.updraft(lost, &["pool", "start"])?;
            println!("{lost} is started again");
        }
        thread::sleep(CUT);
        self.in_namespace(cut, &["ip", "link", "set", "eth0", "up"])?;
        println!("{cut} is back");
        self.until("all jobs have ended", || self.count("jobs.log", "005") >= jobs)?;
        self.check(jobs)?;
        println!("{jobs} jobs, each recorded once, in {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    fn check(&self, jobs: usize) -> Result<()> {
        let ends = self.count("jobs.log", "005");
        ensure!(ends == jobs, "{jobs} jobs have {ends} ends in their log");
        let met = fs::read_to_string(self.folder.join("lock.met")).unwrap_or_default();
        ensure!(met.is_empty(), "two runs of these jobs have met: {met}");
        for n in 0..jobs {
            let made = fs::read_to_string(self.work().join(format!("made.{n}")))?;
            ensure!(made == format!("{n} input of {n}\n"), "job {n} has made {made:?}");
        }
        let history = self.head(&["history", "-af", "ClusterId", "ProcId", "JobStatus"])?;
        let of_jobs = |line: &&str| line.starts_with("2 ");
        let (records, done) = (
            history.lines().filter(of_jobs).count(),
            history.lines().filter(of_jobs).filter(|line| line.ends_with(" 4")).count(),
        );
        ensure!(records == jobs && done == jobs, "{records} records, {done} of them completed");
        Ok(())
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// How many entries of a kind a log has.
    fn count(&self, log: &str, event: &str) -> usize {
        let text = fs::read_to_string(self.work().join(log)).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(&format!("{event} ("))).count()
    }

    fn kill_daemon(&self, daemon: &str) -> Result<()> {
        let status = self.head(&["pool", "status"])?;
        let line = status.lines().find(|line| line.trim_start().starts_with(daemon));
        let pid = line.and_then(|line| line.split_whitespace().last());
        tool("kill", &["-KILL", pid.with_context(|| format!("find the {daemon} in {status}"))?])?;
        Ok(())
    }

    /// Ends every process of a host at once, as a power cut does.
    fn kill_all(&self, host: &str) -> Result<()> {
        loop {
            let own = self.namespace(host);
            let pids = tool("ip", &["netns", "pids", &own])?;
            let pids: Vec<&str> = pids.split_whitespace().collect();
            if pids.is_empty() {
                return Ok(());
            }
            // One may have ended by itself.
            let _ = tool("kill", &[&["-KILL"], &pids[..]].concat());
        }
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) -> Result<()> {
        let begun = now();
        while !holds() {
            if begun.elapsed() > LIMIT {
                bail!(
                    "after {LIMIT:?} it is not so that {what}\n{}",
                    self.head(&["q", "-nobatch"])?
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The ends of the daemons' logs, for who looks for what went wrong.
    fn say_logs(&self) {
        let mut all = String::new();
        for host in &self.names {
            for daemon in ["negotiator", "schedd", "startd"] {
                let path = self.folder.join(host).join(format!("log/{daemon}.log"));
                let text = fs::read_to_string(&path).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                // Into a text, this cannot fail.
                let _ = writeln!(all, "== {}\n{}", path.display(), last.join("\n"));
            }
        }
        eprintln!("{all}");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in &self.names {
            let _ = self.kill_all(host);
        }
        for name in self.names.iter().map(String::as_str).chain(["switch"]) {
            let _ = tool("ip", &["netns", "del", &self.namespace(name)]);
        }
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("remove {}: {error}", folder.display());
    }
}

fn tool(program: &str, words: &[&str]) -> Result<String> {
    let out = Command::new(program).args(words).stdin(Stdio::null()).output();
    let out = out.with_context(|| format!("run {program}"))?;
    said(&format!("{program} {}", words.join(" ")), &out)
}

fn said(what: &str, out: &Output) -> Result<String> {
    let err = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{what}: {}: {}", out.status, err.trim());
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "somebody waits for this, and wants to know how long"
)]
fn now() -> Instant {
    Instant::now()
}
