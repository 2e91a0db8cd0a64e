//! `cargo xtask hosts`: a pool of several hosts on one machine. Each host is a network namespace
//! with its own host name and an interface on a common switch, which is a namespace too: nothing is
//! added to the machine's own network. From bare hosts to the first job done on the last one, by
//! the commands of the guide's page; then jobs with files, while hosts are cut off (one of them so
//! that it still hears), stand still, are drained and lose all their processes at once, and the
//! pool's own host does too. Each job must be recorded once, with its own output, and no two
//! runs of a job may meet, by a lock and a ledger of which the pool knows nothing. Then a job of
//! PBS's on three hosts, which is deleted in the middle, and one of whose hosts is lost.
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

/// What CI runs: each fault once, on as few hosts as have them all.
const IN_CI: HostsArgs = HostsArgs { hosts: 5, jobs: 24 };

/// The same, where the machine allows it. Where it does not, that is said and nothing is tried.
///
/// # Errors
///
/// If something is not as it must be.
pub(crate) fn run_in_ci() -> Result<()> {
    if let Err(why) = tool("unshare", &["--net", "--uts", "ip", "link", "show"]) {
        println!("this machine allows no network namespaces (it takes root): no hosts ({why:#})");
        return Ok(());
    }
    run(&IN_CI)
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
        let addresses = (1..).zip(&hosts.names);
        let known: String = addresses.map(|(n, name)| format!("{NETWORK}.{n} {name}\n")).collect();
        for (n, name) in hosts.names.iter().enumerate() {
            let own = hosts.namespace(name);
            // Programs on one find the others by their names (MPICH's do).
            fs::create_dir_all(etc(&own))?;
            fs::write(etc(&own).join("hosts"), format!("127.0.0.1 localhost\n{known}"))?;
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
        self.faults(jobs)?;
        if self.names.len() < 4 {
            println!("a job on several hosts is tried with 4 hosts and more");
            return Ok(());
        }
        self.gang()
    }

    /// A job of PBS's on three hosts: it begins on all, is deleted in the middle, and then one of
    /// its hosts is lost.
    fn gang(&self) -> Result<()> {
        // PBS's jobs run where their submitter's files are.
        let shares =
            format!("FileSystemDomain = \"{}\"\nSTARTD_ATTRS = FileSystemDomain\n", self.names[0]);
        for host in &self.names[1..4] {
            fs::write(self.folder.join(host).join("config"), &shares)?;
            self.updraft(host, &["pool", "stop", "--now"])?;
            self.updraft(host, &["pool", "start"])?;
        }
        // What no other process sleeps for.
        let mark = (2_000_000 + std::process::id()).to_string();
        let (program, ledger) = (self.program.display(), self.work().join("gang.ledger"));
        let script = format!(
            "#PBS -N gang\n#PBS -l select=3:ncpus=2,place=scatter\n\
             {program} pbsdsh -- sh -c 'echo $(hostname) >> {}; exec sleep {mark}'\n",
            ledger.display()
        );
        fs::write(self.work().join("gang.sh"), script)?;
        let begun = |n: usize| {
            let text = fs::read_to_string(&ledger).unwrap_or_default();
            (text.lines().count() >= n).then(|| text.lines().map(str::to_owned).collect())
        };
        let sleeps = || asleep(&mark);
        let first = self.head(&["qsub", "gang.sh"])?;
        self.until("a program runs on each of three hosts", || begun(3).is_some())?;
        let mut hosts: Vec<String> = begun(3).unwrap_or_default();
        hosts.sort_unstable();
        hosts.dedup();
        ensure!(hosts.len() == 3, "the job has run on {hosts:?}");
        self.head(&["qdel", first.trim()])?;
        self.until("the deleted job is over", || self.state(first.trim()) == "F")?;
        let left = sleeps();
        ensure!(left == 0, "{left} programs of a job live that the record has as over");
        println!("a job on {} was deleted; nothing of it is left", hosts.join(", "));

        let second = self.head(&["qsub", "gang.sh"])?;
        self.until("the next job runs on three hosts", || begun(6).is_some())?;
        let lost = &hosts[2];
        self.kill_all(lost)?;
        self.updraft(lost, &["pool", "start"])?;
        self.until("the whole has ended, and begun again", || begun(9).is_some())?;
        ensure!(sleeps() == 3, "{} programs of one run live", sleeps());
        self.head(&["qdel", second.trim()])?;
        self.until("the second job is over", || self.state(second.trim()) == "F")?;
        ensure!(sleeps() == 0, "something of the second job is left");
        let number = second.split('.').next().unwrap_or_default();
        let runs = self.head(&["history", number, "-af", "NumShadowStarts"])?;
        ensure!(runs.trim() == "2", "the second job has had {} runs", runs.trim());
        println!("{lost} was lost in the middle: the whole ended once, and ran again");
        self.mpi()
    }

    /// The launchers of MPI, where this machine has them: each starts a program on each host.
    fn mpi(&self) -> Result<()> {
        let root = "--allow-run-as-root";
        for (name, words) in [("mpirun.openmpi", root), ("mpiexec.mpich", "")] {
            if tool("which", &[name]).is_err() {
                println!("no {name} on this machine: not tried");
                continue;
            }
            let (out, n) = (self.work().join(format!("{name}.out")), 3);
            let script = format!(
                "#PBS -N mpi\n#PBS -l select={n}:ncpus=1,place=scatter\n#PBS -j oe\n#PBS -o {}\n\
                 {name} {words} sh -c 'echo rank on $(hostname)'\n",
                out.display()
            );
            fs::write(self.work().join("mpi.sh"), script)?;
            let id = self.head(&["qsub", "mpi.sh"])?;
            self.until(&format!("{name} has ended"), || self.state(id.trim()) == "F")?;
            let said = fs::read_to_string(&out).unwrap_or_default();
            let mut ranks: Vec<&str> =
                said.lines().filter_map(|line| line.strip_prefix("rank on ")).collect();
            ranks.sort_unstable();
            ranks.dedup();
            ensure!(ranks.len() == n, "{name} has started ranks on {ranks:?}:\n{said}");
            println!("{name} starts ranks on {}", ranks.join(", "));
        }
        Ok(())
    }

    /// How a job of PBS's stands.
    fn state(&self, id: &str) -> String {
        let said = self.head(&["qstat", "-x", "-f", id]).unwrap_or_default();
        let line = said.lines().find_map(|line| line.trim().strip_prefix("job_state = "));
        line.unwrap_or_default().to_owned()
    }

    /// From bare hosts to the first job done on the last of them: what the guide's page says, word
    /// for word, with the address and the token in their places, and less of this machine for each.
    fn first_job(&self) -> Result<()> {
        let last = &self.names[self.names.len() - 1];
        let description = format!(
            "executable = /bin/hostname\noutput = first.out\nlog = first.log\n\
             requirements = Machine == \"{last}\"\nqueue\n"
        );
        fs::write(self.work().join("job.sub"), description)?;
        let (address, uses) = (format!("{NETWORK}.1"), (self.names.len() - 1).to_string());
        let (begun, mut commands, mut token) = (now(), 0, String::new());
        for line in commands_of_page()? {
            let said = line.replace("head.example.org", &address).replace("TOKEN", token.trim());
            let words: Vec<&str> = said.split_whitespace().collect();
            let more: &[&str] = match words.as_slice() {
                ["pool", "start", ..] => &["--cpus", "1"],
                ["pool", "invite"] => &["--uses", &uses],
                ["join", ..] => &["--cpus", "4", "--memory", "2048"],
                _ => &[],
            };
            let on = if words[0] == "join" { &self.names[1..] } else { &self.names[..1] };
            for host in on {
                let out = self.updraft(host, &[&words[..], more].concat())?;
                commands += 1;
                if words.ends_with(&["invite"]) {
                    token = out;
                }
            }
        }
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
            "#!/bin/sh\nexec 9>{locks}.$1; flock -n 9 || echo $1 >> {locks}.met\n\
             echo \"begin $1\" >> {locks}.ledger; sleep 2; echo \"$1 $(cat in.$1)\" > made.$1\n\
             echo \"end $1\" >> {locks}.ledger\n",
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
        self.go_wrong()?;
        self.until("all jobs have ended", || self.count("jobs.log", "005") >= jobs)?;
        self.check(jobs)?;
        println!("{jobs} jobs, each recorded once, in {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// All that goes wrong: with few hosts one has several troubles.
    fn go_wrong(&self) -> Result<()> {
        let host = |n: usize| &self.names[1 + n % (self.names.len() - 1)];
        let (cut, paused, deaf, lost) = (host(0), host(1), host(2), host(3));
        self.in_namespace(cut, &["ip", "link", "set", "eth0", "down"])?;
        // What it sends goes to a card that nobody has; what is sent to it arrives.
        let head = format!("{NETWORK}.1");
        let nobody = ["lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"];
        self.in_namespace(deaf, &[&["ip", "neigh", "replace", &head], &nobody[..]].concat())?;
        self.signal_all(paused, "-STOP")?;
        println!(
            "for {} s {cut} is cut off, {deaf} is not heard, {paused} stands still",
            CUT.as_secs()
        );
        println!("{lost} loses all its processes");
        self.kill_all(lost)?;
        for daemon in ["negotiator", "schedd"] {
            println!("the pool's {daemon} is killed");
            self.kill_daemon(daemon)?;
            thread::sleep(Duration::from_secs(2));
        }
        println!("the pool's own host loses all its processes, and comes back");
        self.kill_all(&self.names[0])?;
        self.head(&["pool", "start"])?;
        self.updraft(lost, &["pool", "start"])?;
        self.head(&["pool", "drain", lost])?;
        println!("{lost} is started again, and drained");
        thread::sleep(CUT);
        self.in_namespace(cut, &["ip", "link", "set", "eth0", "up"])?;
        self.in_namespace(deaf, &["ip", "neigh", "del", &head, "dev", "eth0"])?;
        self.signal_all(paused, "-CONT")?;
        self.head(&["pool", "resume", lost])?;
        println!("all are back");
        Ok(())
    }

    fn check(&self, jobs: usize) -> Result<()> {
        let ends = self.count("jobs.log", "005");
        ensure!(ends == jobs, "{jobs} jobs have {ends} ends in their log");
        let met = fs::read_to_string(self.folder.join("lock.met")).unwrap_or_default();
        ensure!(met.is_empty(), "two runs of these jobs have met: {met}");
        let ledger = fs::read_to_string(self.folder.join("lock.ledger"))?;
        let runs = ledger.lines().filter(|line| line.starts_with("begin ")).count();
        for n in 0..jobs {
            let ended = ledger.lines().any(|line| line == format!("end {n}"));
            ensure!(ended, "job {n} is recorded as completed, and no run of it has ended");
            let made = fs::read_to_string(self.work().join(format!("made.{n}")))?;
            ensure!(made == format!("{n} input of {n}\n"), "job {n} has made {made:?}");
        }
        println!("{runs} runs began, of {jobs} jobs; no two of a job at a time");
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
        while self.signal_all(host, "-KILL")? {}
        Ok(())
    }

    /// Sends a signal to every process of a host; says whether there was one.
    fn signal_all(&self, host: &str, signal: &str) -> Result<bool> {
        let own = self.namespace(host);
        let pids = tool("ip", &["netns", "pids", &own])?;
        let pids: Vec<&str> = pids.split_whitespace().collect();
        if !pids.is_empty() {
            // One may have ended by itself.
            let _ = tool("kill", &[&[signal], &pids[..]].concat());
        }
        Ok(!pids.is_empty())
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
            let _ = fs::remove_dir_all(etc(&self.namespace(name)));
        }
        remove(&self.folder);
    }
}

/// The command lines of the guide's page, as far as its first job, without the program's name.
fn commands_of_page() -> Result<Vec<String>> {
    let path = run::root().join("docs/user/cluster.md");
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let until_first_job = page.split("## When it does not work").next().unwrap_or_default();
    let lines = until_first_job.lines().filter_map(|line| line.strip_prefix("updraft "));
    let lines: Vec<String> =
        lines.filter_map(|line| Some(line.split('#').next()?.trim().to_owned())).collect();
    ensure!(lines.len() >= 4, "{} has the commands {lines:?} only", path.display());
    Ok(lines)
}

/// What `ip netns exec` lays over `/etc`.
fn etc(namespace: &str) -> PathBuf {
    Path::new("/etc/netns").join(namespace)
}

/// How many processes of this machine sleep for so long.
fn asleep(mark: &str) -> usize {
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| *line == format!("sleep\0{mark}\0").into_bytes()).count()
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("remove {}: {error}", folder.display());
    }
}

pub(crate) fn tool(program: &str, words: &[&str]) -> Result<String> {
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
