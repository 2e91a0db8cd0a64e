//! A pool of many users, with real users and an attacker among them. Only root can have one: where
//! the tests are somebody else's they say so, and show nothing.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::unistd::{Group, User, geteuid};

use crate::harness::{eventually, mark, signal, text, updraft};

/// The users of these tests, which are made if they are missing; `ANN` is in `LAB` too.
pub(crate) const ANN: &str = "updraft-test1";
pub(crate) const BOB: &str = "updraft-test2";
const LAB: &str = "updraft-testlab";

pub(crate) fn user(name: &str) -> User {
    User::from_name(name).unwrap().unwrap_or_else(|| panic!("there is no user {name}"))
}

fn run(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).status().is_ok_and(|status| status.success())
}

/// Whether this machine has the users; why these tests show nothing is said.
pub(crate) fn has_users() -> bool {
    static MADE: OnceLock<bool> = OnceLock::new();
    if !geteuid().is_root() {
        eprintln!("not shown: only root can start a pool of many users");
        return false;
    }
    let made = *MADE.get_or_init(|| {
        let is_there = |name: &str| User::from_name(name).unwrap().is_some();
        let group = Group::from_name(LAB).unwrap().is_some() || run("groupadd", &[LAB]);
        let daemons = is_there("updraft")
            || run("useradd", &["--system", "--shell", "/usr/sbin/nologin", "updraft"]);
        let users =
            [ANN, BOB].into_iter().all(|name| is_there(name) || run("useradd", &["-m", name]));
        group && daemons && users && run("usermod", &["-aG", LAB, ANN])
    });
    if !made {
        eprintln!("not shown: this machine's users cannot be made (useradd, groupadd)");
    }
    made
}

/// A job whose files travel, whatever machine it runs on.
const AWAY: &str = "should_transfer_files = YES\nwhen_to_transfer_output = ON_EXIT";

/// A pool of many users that is stopped when this is dropped; each user has a folder beside it.
pub(crate) struct Shared {
    pub(crate) dir: tempfile::TempDir,
}

impl Shared {
    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(&std::env::temp_dir(), config)
    }

    /// The same, with all of its folders in this one.
    fn start_in(folder: &Path, config: &str) -> Self {
        let shared = Self { dir: tempfile::tempdir_in(folder).unwrap() };
        fs::set_permissions(shared.dir.path(), Permissions::from_mode(0o755)).unwrap();
        // Where the program was built is perhaps no place for others.
        copy(&updraft(), &shared.program());
        fs::create_dir(shared.home()).unwrap();
        fs::write(shared.home().join("config"), config).unwrap();
        for name in [ANN, BOB] {
            let folder = shared.work(name);
            fs::create_dir(&folder).unwrap();
            let user = user(name);
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let words = ["pool", "start", "--system", "--cpus", "4", "--memory", "4096"];
        let out = shared.as_root(&words);
        assert!(out.status.success(), "pool start --system: {}", text(&out));
        shared
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("pool")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("updraft")
    }

    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn as_root(&self, words: &[&str]) -> Output {
        Command::new(self.program())
            .args(words)
            .env("UPDRAFT_HOME", self.home())
            .env("UPDRAFT_MAIL", "none")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A program as a user, as after a login, in the user's folder.
    pub(crate) fn as_user(&self, name: &str, words: &[&str]) -> Output {
        let user = user(name);
        let work = self.work(name);
        let folder = if work.exists() { work } else { "/".into() };
        Command::new("setpriv")
            .args(["--reuid", name, "--regid", &user.gid.to_string(), "--init-groups", "env", "-i"])
            .arg(format!("HOME={}", user.dir.display()))
            .arg(format!("UPDRAFT_HOME={}", self.home().display()))
            .args(["PATH=/usr/bin:/bin", &format!("USER={name}")])
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `updraft WORDS` as a user.
    pub(crate) fn says(&self, name: &str, words: &[&str]) -> Output {
        let program = self.program();
        self.as_user(name, &[&[program.to_str().unwrap()], words].concat())
    }

    pub(crate) fn ok(&self, name: &str, words: &[&str]) -> String {
        let out = self.says(name, words);
        assert!(out.status.success(), "{name}: updraft {}: {}", words.join(" "), text(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    /// A file of a user's.
    pub(crate) fn write(&self, name: &str, file: &str, content: &str) -> PathBuf {
        let path = self.work(name).join(file);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let user = user(name);
        chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.work(name).join(file)).unwrap_or_default()
    }

    /// Submits a shell script as a user's job, and gives its number.
    pub(crate) fn submit(&self, name: &str, script: &str, more: &str) -> String {
        static LAST: Mutex<u32> = Mutex::new(0);
        let number = {
            let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            *last += 1;
            *last
        };
        let (script_file, job) = (format!("job{number}.sh"), format!("job{number}.sub"));
        self.write(name, &script_file, &format!("#!/bin/sh\n{script}\n"));
        self.write(name, &job, &format!("executable = {script_file}\n{more}\nqueue\n"));
        let said = self.ok(name, &["submit", &job]);
        said.trim().trim_end_matches('.').rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) fn attribute(&self, job: &str, name: &str) -> String {
        let of = |verb: &str| self.as_root(&[verb, job, "-af", name]).stdout;
        let queued = of("q");
        let found = if queued.is_empty() { of("history") } else { queued };
        String::from_utf8(found).unwrap().trim().to_owned()
    }

    pub(crate) fn until(&self, job: &str, name: &str, value: &str) {
        eventually(&format!("{name} of job {job} is {value}"), || {
            self.attribute(job, name) == value
        });
    }

    pub(crate) fn done(&self, job: &str) {
        self.until(job, "JobStatus", "4");
    }

    pub(crate) fn pid(&self, daemon: &str) -> Option<i64> {
        self.pid_in(&self.home(), daemon)
    }

    pub(crate) fn pid_in(&self, home: &Path, daemon: &str) -> Option<i64> {
        let home = home.to_str().unwrap();
        let out = self.as_root(&["pool", "status", "--json", "--dir", home]);
        let status: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        let processes = status["processes"].as_array()?;
        processes.iter().find(|p| p["process"] == daemon)?["pid"].as_i64()
    }

    pub(crate) fn kill_and_see_it_return(&self, daemon: &str) {
        let pid = self.pid(daemon).unwrap_or_else(|| panic!("the {daemon} does not run"));
        signal(pid, "KILL");
        eventually(&format!("the {daemon} runs again"), || {
            self.pid(daemon).is_some_and(|new| new != pid)
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let stopped = self.as_root(&["pool", "stop", "--now"]);
        if std::thread::panicking() {
            eprintln!("pool stop: {}", text(&stopped));
            for folder in ["log", "root"] {
                for log in fs::read_dir(self.home().join(folder)).into_iter().flatten().flatten() {
                    if log.path().extension().is_some_and(|end| end == "log") {
                        let said = fs::read_to_string(log.path()).unwrap_or_default();
                        eprintln!("== {}\n{said}", log.path().display());
                    }
                }
            }
        } else {
            assert!(stopped.status.success(), "pool stop: {}", text(&stopped));
        }
    }
}

/// Copies a program, by another: one that we had open to write could not be executed while a child
/// of another test has that descriptor too.
fn copy(from: &Path, to: &Path) {
    assert!(run("cp", &[from.to_str().unwrap(), to.to_str().unwrap()]));
}

/// Whose a file is.
pub(crate) fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

/// The processes of a user whose command line has these words. Other tests have some of his too.
pub(crate) fn processes(uid: u32, words: &[&str]) -> Vec<i64> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i64>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_users = fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == uid);
        is_users && words.iter().all(|word| line.contains(word))
    })
    .collect()
}

/// Kills what does a daemon's work for a user.
pub(crate) fn kill_helpers(uid: u32, home: &Path) {
    for pid in processes(uid, &["daemon", home.to_str().unwrap()]) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        // It may have ended since.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
}

#[test]
fn jobs_of_many_users_run_as_their_owners_and_so_do_all_who_touch_their_files() {
    if !has_users() {
        return;
    }
    let shared = Shared::start("");
    a_job_in_its_own_folder(&shared);
    a_job_whose_files_travel(&shared);
    a_job_of_pbs(&shared);
    jobs_beside_the_schedd(&shared);
    what_ends_while_the_startd_is_away(&shared);
    let mark = mark(1000);
    let job = a_job_that_others_see(&shared, &mark);
    what_dies_meanwhile(&shared, &job, &mark);
}

/// It is its owner from its number to its umask.
fn a_job_in_its_own_folder(shared: &Shared) {
    let ann = user(ANN);
    let who = "id -un; id -G; echo $HOME; umask; grep NoNewPrivs /proc/self/status | tr '\\t' ' '; touch made";
    let streams = "output = out\nerror = err\nlog = log";
    let job = shared.submit(ANN, &format!("PATH=/usr/bin:/bin\n{who}"), streams);
    shared.done(&job);
    let groups = shared.as_user(ANN, &["id", "-G"]);
    let groups = String::from_utf8(groups.stdout).unwrap();
    assert!(groups.trim().contains(' '), "the user is in several groups: {groups}");
    let expected = format!("{ANN}\n{groups}{}\n0022\nNoNewPrivs: 1\n", ann.dir.display());
    assert_eq!(shared.read(ANN, "out"), expected, "{}", shared.read(ANN, "err"));
    eventually("the log is complete", || shared.read(ANN, "log").contains("005 ("));
    for file in ["out", "err", "log", "made"] {
        assert_eq!(owner(&shared.work(ANN).join(file)), ann.uid.as_raw(), "{file}");
    }
}

/// It is its owner too, and so is the folder that they travel to.
fn a_job_whose_files_travel(shared: &Shared) {
    let bob = user(BOB);
    shared.write(BOB, "in.txt", "given\n");
    fs::create_dir(shared.work(BOB).join("results")).unwrap();
    chown(shared.work(BOB).join("results"), Some(bob.uid.as_raw()), None).unwrap();
    let travels = "should_transfer_files = YES\nwhen_to_transfer_output = ON_EXIT\n\
                   transfer_input_files = in.txt\ntransfer_output_files = made.txt\n\
                   transfer_output_remaps = \"made.txt = results/made.txt\"\noutput = out\nlog = log";
    let script =
        "PATH=/usr/bin:/bin\npwd; stat -c '%U %a' .; cat in.txt >made.txt; echo more >>made.txt";
    let job = shared.submit(BOB, script, travels);
    shared.done(&job);
    let out = shared.read(BOB, "out");
    let execute = shared.home().join("execute").join(bob.uid.to_string());
    assert!(out.starts_with(execute.to_str().unwrap()), "{out}");
    assert!(out.ends_with(&format!("{BOB} 700\n")), "{out}");
    assert_eq!(shared.read(BOB, "results/made.txt"), "given\nmore\n");
    assert_eq!(owner(&shared.work(BOB).join("results/made.txt")), bob.uid.as_raw());
    assert_eq!(
        (owner(&execute), fs::metadata(&execute).unwrap().mode() & 0o777),
        (bob.uid.as_raw(), 0o700)
    );
    eventually("its folder is removed", || {
        fs::read_dir(&execute)
            .unwrap()
            .flatten()
            .all(|entry| !entry.file_name().to_str().unwrap().starts_with("dir_"))
    });
}

fn a_job_of_pbs(shared: &Shared) {
    let bob = user(BOB);
    shared.write(
        BOB,
        "script.pbs",
        "#PBS -N named\n#PBS -j oe\nid -un; echo $PBS_O_LOGNAME; pwd\n",
    );
    let program = shared.dir.path().join("qsub");
    symlink(shared.program(), &program).unwrap();
    let submitted = shared.as_user(BOB, &[program.to_str().unwrap(), "script.pbs"]);
    assert!(submitted.status.success(), "{}", text(&submitted));
    let number = String::from_utf8(submitted.stdout).unwrap();
    let number = number.split('.').next().unwrap().trim().to_owned();
    let output = format!("named.o{number}");
    eventually("what the PBS job said is there", || shared.read(BOB, &output).lines().count() == 3);
    let said = shared.read(BOB, &output);
    assert_eq!(said, format!("{BOB}\n{BOB}\n{}\n", bob.dir.display()));
    assert_eq!(owner(&shared.work(BOB).join(&output)), bob.uid.as_raw());
}

/// Of the local universe; and a workflow, whose driver is one of the scheduler universe.
fn jobs_beside_the_schedd(shared: &Shared) {
    let bob = user(BOB);
    let job = shared.submit(BOB, "/usr/bin/id -un", "universe = local\noutput = beside");
    shared.done(&job);
    assert_eq!(shared.read(BOB, "beside"), format!("{BOB}\n"));
    shared.write(BOB, "who.sh", "#!/bin/sh\n/usr/bin/id -un\n");
    shared.write(BOB, "node.sub", "executable = who.sh\noutput = node.out\nqueue\n");
    shared.write(BOB, "after.sh", "#!/bin/sh\n/usr/bin/id -un >after.out\n");
    shared.write(BOB, "two.dag", "JOB A node.sub\nSCRIPT POST A after.sh\n");
    shared.ok(BOB, &["submit_dag", "two.dag"]);
    eventually("the workflow has ended", || {
        shared.read(BOB, "two.dag.dagman.out").contains("EXITING")
    });
    for file in ["node.out", "after.out"] {
        assert_eq!(shared.read(BOB, file), format!("{BOB}\n"), "{file}");
    }
    for file in ["two.dag.dagman.out", "two.dag.nodes.log", "two.dag.metrics", "node.out"] {
        assert_eq!(owner(&shared.work(BOB).join(file)), bob.uid.as_raw(), "{file}");
    }
}

/// What ended meanwhile is brought back, and not run again; what goes on keeps its folder.
fn what_ends_while_the_startd_is_away(shared: &Shared) {
    let gate = |name: &str| shared.work(ANN).join(name);
    let script = |name: &str| {
        let path = gate(name);
        let wait = format!("until /usr/bin/test -e {}; do /bin/sleep 0.02; done", path.display());
        format!("echo {name} >made.{name}; {wait}; /usr/bin/test -e made.{name} && echo {name}")
    };
    let streams =
        |name: &str| format!("{AWAY}\noutput = {name}.out\ntransfer_output_files = made.{name}");
    let [ends, goes_on] =
        ["ends", "goeson"].map(|name| shared.submit(ANN, &script(name), &streams(name)));
    for job in [&ends, &goes_on] {
        shared.until(job, "JobStatus", "2");
    }
    let startd = shared.pid("startd").unwrap();
    signal(startd, "KILL");
    shared.write(ANN, "ends", "");
    eventually("the startd runs again", || shared.pid("startd").is_some_and(|pid| pid != startd));
    shared.done(&ends);
    // A helper of another life has been told what to keep by now.
    shared.done(&shared.submit(ANN, "true", AWAY));
    shared.write(ANN, "goeson", "");
    shared.done(&goes_on);
    for (job, name) in [(ends, "ends"), (goes_on, "goeson")] {
        assert_eq!(shared.read(ANN, &format!("{name}.out")), format!("{name}\n"), "{name}");
        assert_eq!(shared.read(ANN, &format!("made.{name}")), format!("{name}\n"), "{name}");
        assert_eq!(shared.attribute(&job, "NumJobStarts"), "1", "{name}");
    }
}

/// Everybody sees everybody's jobs, and acts on his own.
fn a_job_that_others_see(shared: &Shared, mark: &str) -> String {
    let streams = format!("{AWAY}\noutput = long.out\nlog = long.log");
    let job = shared.submit(ANN, &format!("echo begun; exec sleep {mark}"), &streams);
    shared.until(&job, "JobStatus", "2");
    let is_begun = || shared.says(ANN, &["tail", &job]).stdout == b"begun\n";
    eventually("it has said something", is_begun);
    let seen = shared.ok(BOB, &["q", "-allusers", "-af", "Owner", "JobStatus"]);
    assert_eq!(seen.trim(), format!("{ANN} 2"));
    for verb in ["rm", "hold", "suspend", "vacate_job"] {
        let refused = shared.says(BOB, &[verb, &job]);
        assert!(!refused.status.success(), "{verb}: {}", text(&refused));
    }
    let refused = shared.says(BOB, &["qedit", &job, "JobPrio", "7"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    for verb in ["tail", "ssh_to_job"] {
        let refused = text(&shared.says(BOB, &[verb, &job]));
        assert!(refused.contains("somebody else's") || refused.contains("ermission"), "{refused}");
    }
    let refused = text(&shared.says(ANN, &["ssh_to_job", &job]));
    assert!(refused.contains("nobody is let beside a job yet"), "{refused}");
    assert_eq!(shared.ok(ANN, &["tail", &job]), "begun\n");
    job
}

/// Whatever of the daemons dies, the job goes on as who it is, and its log is written once.
fn what_dies_meanwhile(shared: &Shared, job: &str, mark: &str) {
    let ann = user(ANN);
    for daemon in ["startd", "schedd", "launcher", "negotiator"] {
        shared.kill_and_see_it_return(daemon);
    }
    eventually("the machine is there again", || {
        !shared.as_root(&["status", "-af", "Name"]).stdout.is_empty()
    });
    assert_eq!(processes(ann.uid.as_raw(), &["sleep", mark]).len(), 1);
    kill_helpers(ann.uid.as_raw(), &shared.home());
    shared.ok(ANN, &["rm", job]);
    eventually("the job's end is in its log", || shared.read(ANN, "long.log").contains("009 ("));
    assert_eq!(shared.read(ANN, "long.log").matches("001 (").count(), 1);
    eventually("nothing of it is left", || {
        processes(ann.uid.as_raw(), &["sleep", mark]).is_empty()
    });

    // A user without files in the way of others ends with what he has started.
    let job = shared.submit(ANN, "echo again", "output = again\nlog = long.log");
    shared.done(&job);
    assert_eq!(shared.read(ANN, "again"), "again\n");
}

#[test]
fn each_job_has_a_tmp_of_its_own_and_nothing_of_it_is_left() {
    if !has_users() {
        return;
    }
    if let Err(why) = launcher::private_here() {
        return eprintln!("not shown: {why}");
    }
    // Where a job's own folder is below `/tmp`, that stays.
    let shared = Shared::start_in(Path::new("/var/lib"), "");
    let mark = format!("updraft-left-by-{}", std::process::id());
    let script = format!(
        "PATH=/usr/bin:/bin\nls -A /tmp /var/tmp; stat -c '%U %a' /tmp; echo mine | tee /tmp/{mark} /var/tmp/{mark}"
    );
    for round in ["away", "in place"] {
        let how = if round == "away" { AWAY } else { "should_transfer_files = NO" };
        let job = shared.submit(ANN, &script, &format!("{how}\noutput = out\nerror = err"));
        shared.done(&job);
        let expected = format!("/tmp:\n\n/var/tmp:\n{ANN} 700\nmine\n");
        assert_eq!(shared.read(ANN, "out"), expected, "{round}: {}", shared.read(ANN, "err"));
        for folder in ["/tmp", "/var/tmp"] {
            assert!(!Path::new(folder).join(&mark).exists(), "{round}: {folder}");
        }
    }
    let said = String::from_utf8(shared.as_root(&["doctor"]).stdout).unwrap();
    let line = said.lines().find(|line| line.contains(" tmp ")).unwrap_or_default();
    assert!(line.contains("each run has its own"), "{said}");
}

#[test]
fn who_may_not_have_jobs_and_what_is_not_carried_yet_is_refused_by_name() {
    if !has_users() {
        return;
    }
    let config = format!("QUEUE_SUPER_USERS = root, {BOB}\nMAX_JOBS_PER_OWNER = 3\n");
    let shared = Shared::start(&config);
    fs::write(shared.dir.path().join("root.sub"), "executable = /bin/true\nqueue\n").unwrap();
    let refused = text(&shared.as_root(&["submit", "root.sub"]));
    assert!(refused.contains("root's jobs are not run"), "{refused}");
    shared.write(ANN, "job.sub", "executable = /bin/true\nqueue\n");
    let spooled = text(&shared.says(ANN, &["submit", "-spool", "job.sub"]));
    assert!(spooled.contains("cannot be spooled (-spool) yet"), "{spooled}");
    let kept = "executable = /bin/true\nshould_transfer_files = YES\n\
                when_to_transfer_output = ON_EXIT_OR_EVICT\nqueue\n";
    shared.write(ANN, "kept.sub", kept);
    let kept = text(&shared.says(ANN, &["submit", "kept.sub"]));
    assert!(kept.contains("cannot be kept"), "{kept}");

    shared.write(ANN, "many.sub", "executable = /bin/true\nhold = true\nqueue 2\n");
    shared.ok(ANN, &["submit", "many.sub"]);
    let many = text(&shared.says(ANN, &["submit", "many.sub"]));
    assert!(many.contains("submit 2 jobs beside 2 of yours"), "{many}");
    shared.ok(ANN, &["rm", "-all"]);

    // Somebody whom the system has no name for could be called like anybody.
    let program = shared.program();
    let nameless = Command::new("setpriv")
        .args(["--reuid", "54321", "--regid", "54321", "--clear-groups"])
        .arg(&program)
        .arg("q")
        .env("UPDRAFT_HOME", shared.home())
        .current_dir("/")
        .output()
        .unwrap();
    assert!(text(&nameless).contains("has no name for that user"), "{}", text(&nameless));

    // Nobody but root starts or stops it; a superuser acts on everybody's jobs.
    for verb in ["stop", "start"] {
        let home = shared.home();
        let refused = shared.says(BOB, &["pool", verb, "--dir", home.to_str().unwrap()]);
        assert!(text(&refused).contains("only root can"), "{}", text(&refused));
    }
    let status = shared.ok(ANN, &["pool", "status"]);
    assert!(status.contains("schedd") && !status.contains("not running"), "{status}");
    let job = shared.submit(ANN, "exec sleep 1000", "");
    shared.until(&job, "JobStatus", "2");
    shared.ok(BOB, &["rm", &job]);
    shared.until(&job, "JobStatus", "3");
}

#[test]
fn an_attacker_with_a_shell_reads_stops_forges_and_becomes_nothing_of_anothers() {
    if !has_users() {
        return;
    }
    let shared = Shared::start("");
    files_of_others(&shared);
    let job = a_run_of_anothers(&shared);
    forging(&shared);
    becoming(&shared);
    crowding(&shared);
    // And ann's job has noticed nothing.
    assert_eq!(shared.attribute(&job, "JobStatus"), "2");
    assert_eq!(shared.attribute(&job, "NumJobStarts"), "1");
    shared.ok(ANN, &["rm", "-all"]);
}

/// Paths to others' files: as log, output, input; by name and by a link.
fn files_of_others(shared: &Shared) {
    let secret = shared.write(ANN, "secret", "ann's alone\n");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let shown = shared.write(ANN, "shown", "everybody reads it\n");
    let victim = shared.dir.path().join("root's");
    fs::write(&victim, "root's\n").unwrap();

    symlink(&victim, shared.work(BOB).join("link")).unwrap();
    symlink(&shown, shared.work(BOB).join("link.log")).unwrap();
    for (what, target) in [("log", shown.to_str().unwrap()), ("log", "link.log"), ("log", "link")] {
        let job = shared.submit(BOB, "true", &format!("{what} = {target}"));
        shared.done(&job);
    }
    for target in [shown.to_str().unwrap(), "link", "link.log"] {
        let job = shared.submit(BOB, "echo bob", &format!("output = {target}"));
        shared.until(&job, "JobStatus", "5");
    }
    let inside = shared.work(ANN).join("new");
    let away = AWAY;
    let job = shared.submit(BOB, "echo bob", &format!("{away}\noutput = {}", inside.display()));
    shared.until(&job, "JobStatus", "5");
    assert!(!inside.exists());
    // What is brought to a job, and back, by a link that it makes itself.
    let taken = format!("{away}\ntransfer_input_files = {}", secret.display());
    let job = shared.submit(BOB, "cat secret", &taken);
    shared.until(&job, "JobStatus", "5");
    let back = format!("{away}\noutput = got\ntransfer_output_files = leak");
    let job = shared.submit(BOB, &format!("/bin/ln -s {} leak", secret.display()), &back);
    eventually("the leak is refused", || {
        ["4", "5"].contains(&&*shared.attribute(&job, "JobStatus"))
    });
    assert!(!shared.read(BOB, "leak").contains("ann"));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "ann's alone\n");
    assert_eq!(fs::read_to_string(&shown).unwrap(), "everybody reads it\n");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "root's\n");
}

/// Its processes, its helper, its keeper and the daemons; its folder and its variables; what is the
/// pool's.
fn a_run_of_anothers(shared: &Shared) -> String {
    let ann = user(ANN);
    let travels = format!("{AWAY}\nenvironment = \"KEY=ann\"");
    let mark = mark(1000);
    let job = shared.submit(ANN, &format!("echo $KEY >made; exec sleep {mark}"), &travels);
    shared.until(&job, "JobStatus", "2");
    let asleep = || processes(ann.uid.as_raw(), &["sleep", &mark]);
    eventually("it sleeps", || !asleep().is_empty());
    let sleeper = asleep()[0];
    let helpers = processes(ann.uid.as_raw(), &["daemon helper", shared.home().to_str().unwrap()]);
    assert!(!helpers.is_empty(), "her helper is hers");
    let stat = fs::read_to_string(format!("/proc/{sleeper}/status")).unwrap();
    let keeper = stat.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    let keeper: i64 = keeper.trim().parse().unwrap();
    assert_eq!(fs::metadata(format!("/proc/{keeper}")).unwrap().uid(), 0);
    let daemons =
        ["schedd", "startd", "launcher", "negotiator"].map(|name| shared.pid(name).unwrap());
    for pid in [sleeper, helpers[0], keeper].into_iter().chain(daemons) {
        let killed = shared.as_user(BOB, &["sh", "-c", &format!("kill -9 {pid}")]);
        assert!(!killed.status.success(), "process {pid}");
    }
    let folder = shared.home().join("execute").join(ann.uid.to_string());
    let cwd = format!("/proc/{sleeper}/cwd");
    let environ = format!("/proc/{sleeper}/environ");
    let home = shared.home();
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    for (program, path) in [
        ("ls", folder.to_str().unwrap().to_owned()),
        ("ls", cwd),
        ("cat", environ),
        ("ls", at("root")),
        ("ls", at("launcher")),
        ("ls", at("schedd")),
        ("ls", at("startd")),
        ("cat", at("run/schedd.lock")),
        ("touch", at("run/new")),
        ("touch", at("execute/new")),
        ("touch", at("pool.json")),
    ] {
        let tried = shared.as_user(BOB, &[program, &path]);
        assert!(!tried.status.success(), "{program} {path}: {}", text(&tried));
    }
    job
}

/// An owner in the description; a daemon; a helper that nobody has asked for.
fn forging(shared: &Shared) {
    let (bob, home) = (user(BOB), shared.home());
    let forged =
        format!("output = whose\n+Owner = \"{ANN}\"\n+User = \"{ANN}@x\"\n+OsUser = \"{ANN}\"");
    shared.write(BOB, "forged.sub", &format!("executable = /usr/bin/id\n{forged}\nqueue\n"));
    let said = shared.says(BOB, &["submit", "forged.sub"]);
    if said.status.success() {
        eventually("it has run as who submitted it", || {
            shared.read(BOB, "whose").contains(&format!("uid={}", bob.uid))
        });
    } else {
        assert!(text(&said).contains("Owner"), "{}", text(&said));
    }
    for role in ["schedd", "startd", "launcher", "supervisor"] {
        let tried = shared.says(BOB, &["daemon", role, "--home", home.to_str().unwrap()]);
        assert!(!tried.status.success(), "{role}: {}", text(&tried));
    }
    shared.says(BOB, &["daemon", "helper", "--home", home.to_str().unwrap()]);
    let refused = shared.says(BOB, &["userprio", "-setfactor", BOB, "1"]);
    assert!(!refused.status.success(), "{}", text(&refused));
}

/// A set-uid program of root's gives a job nothing.
fn becoming(shared: &Shared) {
    let bob = user(BOB);
    let set_uid = shared.dir.path().join("id");
    copy(Path::new("/usr/bin/id"), &set_uid);
    fs::set_permissions(&set_uid, Permissions::from_mode(0o4755)).unwrap();
    let job = shared.submit(BOB, &format!("exec {} -u", set_uid.display()), "output = became");
    shared.done(&job);
    assert_eq!(shared.read(BOB, "became").trim(), bob.uid.to_string());
    assert_eq!(shared.attribute(&job, "Owner"), BOB);
}

/// Who opens all the connections that he can, and says nothing or something that is none, keeps
/// nobody out.
fn crowding(shared: &Shared) {
    let sockets = ["schedd", "negotiator", "startd"].map(|name| {
        let socket = shared.home().join(format!("run/{name}.sock"));
        let open = || UnixStream::connect(&socket).ok();
        let silent: Vec<UnixStream> = std::iter::from_fn(open).take(300).collect();
        for mut loud in silent.iter().take(100) {
            // It is hung up on, sooner or later.
            let _ = loud.write_all(&[0xff; 64]);
        }
        silent
    });
    shared.ok(ANN, &["q"]);
    shared.ok(ANN, &["status"]);
    drop(sockets);
}
