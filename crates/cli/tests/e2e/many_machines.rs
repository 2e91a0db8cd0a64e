//! A pool of many users on several machines. All are on this one here; they share no folder that
//! either is told of, and talk over the loopback.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::unistd::User;

use crate::harness::{eventually, free_address, mark, signal, text};
use crate::many_users::{ANN, BOB, Shared, has_users, kill_helpers, owner, processes, user};

/// A machine that has joined such a pool, which is stopped when this is dropped.
struct Machine<'a> {
    shared: &'a Shared,
    name: &'static str,
}

impl<'a> Machine<'a> {
    fn joined(shared: &'a Shared, name: &'static str) -> Self {
        let machine = Self { shared, name };
        let out = machine.join(&invitation(shared));
        assert!(out.status.success(), "{}", text(&out));
        machine
    }

    fn home(&self) -> PathBuf {
        self.shared.dir.path().join(self.name)
    }

    fn join(&self, token: &str) -> Output {
        let home = self.home();
        let offers = ["--cpus", "2", "--memory", "1024", "--name", self.name];
        let words = ["join", "--system", token, "--dir", home.to_str().unwrap()];
        self.shared.as_root(&[&words[..], &offers].concat())
    }

    /// What a job says that is to run there.
    fn wanted(&self) -> String {
        format!("requirements = Machine == \"{}\"", self.name)
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        let home = self.home();
        self.shared.as_root(&["pool", "stop", "--now", "--dir", home.to_str().unwrap()]);
        if std::thread::panicking() {
            for log in ["log/startd.log", "root/launcher.log"] {
                let said = fs::read_to_string(home.join(log)).unwrap_or_default();
                eprintln!("== {} of {}\n{said}", log, self.name);
            }
        }
    }
}

/// A pool of many users that others may join.
fn listening(config: &str) -> Shared {
    let shared = Shared::start(config);
    let out = shared.as_root(&["pool", "start", "--system", "--listen", &free_address()]);
    assert!(out.status.success(), "{}", text(&out));
    shared
}

fn invitation(shared: &Shared) -> String {
    let out = shared.as_root(&["pool", "invite"]);
    assert!(out.status.success(), "{}", text(&out));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn jobs_of_many_users_run_on_a_machine_that_joined_as_their_owners_and_their_files_cross() {
    if !has_users() {
        return;
    }
    let shared = listening("");
    who_may_join(&shared);
    let machine = Machine::joined(&shared, "exec1");
    files_that_cross(&shared, &machine);
    files_of_others_that_do_not(&shared, &machine);
    who_speaks_for_others(&shared, &machine);
    what_dies_while_they_cross(&shared, &machine);
}

/// Root, as what the pool is, and by nobody's word but root's.
fn who_may_join(shared: &Shared) {
    let refused = text(&shared.says(ANN, &["pool", "invite"]));
    assert!(refused.contains("only root and the pool's own user"), "{refused}");
    let token = invitation(shared);
    let alone = shared.work(ANN).join("node");
    let words = ["join", &token, "--name", "annes", "--dir", alone.to_str().unwrap()];
    let refused = text(&shared.says(ANN, &words));
    assert!(refused.contains("updraft join --system TOKEN"), "{refused}");
    let refused = text(&shared.says(ANN, &[&words[..], &["--system"]].concat()));
    assert!(refused.contains("only root can"), "{refused}");
    // What is the pool's own can be read by its user alone.
    let trust = fs::metadata(shared.home().join("trust")).unwrap();
    assert_eq!((trust.uid(), trust.mode() & 0o777), (user("updraft").uid.as_raw(), 0o700));
}

fn files_that_cross(shared: &Shared, machine: &Machine<'_>) {
    let ann = user(ANN);
    shared.write(ANN, "in.txt", "given\n");
    let results = shared.work(ANN).join("results");
    fs::create_dir(&results).unwrap();
    chown(&results, Some(ann.uid.as_raw()), Some(ann.gid.as_raw())).unwrap();
    let travels = "transfer_input_files = in.txt\ntransfer_output_files = made.txt\n\
                   transfer_output_remaps = \"made.txt = results/made.txt\"\n\
                   output = out\nerror = err\nlog = log\nstarter_log = starter.log";
    let script = "PATH=/usr/bin:/bin\nid -un; id -G; pwd; stat -c '%U %a' .; cat in.txt >made.txt; echo more >>made.txt";
    let job = shared.submit(ANN, script, &format!("{travels}\n{}", machine.wanted()));
    shared.done(&job);
    let (out, err) = (shared.read(ANN, "out"), shared.read(ANN, "err"));
    let groups = String::from_utf8(shared.as_user(ANN, &["id", "-G"]).stdout).unwrap();
    let folder = machine.home().join("execute").join(ann.uid.to_string());
    assert!(out.starts_with(&format!("{ANN}\n{groups}{}", folder.display())), "{out} {err}");
    assert!(out.ends_with(&format!("{ANN} 700\n")), "{out}");
    assert_eq!(shared.read(ANN, "results/made.txt"), "given\nmore\n");
    // Both come behind the end of the run.
    for late in ["log", "starter.log"] {
        eventually("it is there", || shared.work(ANN).join(late).exists());
    }
    for file in ["out", "err", "log", "results/made.txt", "starter.log"] {
        assert_eq!(owner(&shared.work(ANN).join(file)), ann.uid.as_raw(), "{file}");
    }
    assert!(shared.attribute(&job, "LastRemoteHost").ends_with("@exec1"));
    assert_eq!(shared.attribute(&job, "OwnerUid"), ann.uid.to_string());
    eventually("its folder is removed", || {
        let left = fs::read_dir(&folder).unwrap().flatten();
        left.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with("dir_"))
    });
    let edited = shared.says(ANN, &["qedit", &job, "OwnerUid", "0"]);
    assert!(!edited.status.success(), "{}", text(&edited));
}

/// Neither read nor written, whoever asks for it.
fn files_of_others_that_do_not(shared: &Shared, machine: &Machine<'_>) {
    let secret = shared.write(ANN, "secret", "ann's alone\n");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let there = machine.wanted();
    let taken = format!("transfer_input_files = {}\n{there}", secret.display());
    let job = shared.submit(BOB, "cat secret", &taken);
    shared.until(&job, "JobStatus", "5");
    let inside = shared.work(ANN).join("bob.was.here");
    let job = shared.submit(BOB, "echo bob", &format!("output = {}\n{there}", inside.display()));
    shared.until(&job, "JobStatus", "5");
    assert!(!inside.exists());
    // A link of his own to it, which is followed as him.
    symlink(&secret, shared.work(BOB).join("link")).unwrap();
    for more in ["transfer_input_files = link", "output = link"] {
        let job = shared.submit(BOB, "echo bob", &format!("{more}\n{there}"));
        shared.until(&job, "JobStatus", "5");
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "ann's alone\n");
    shared.ok(BOB, &["rm", "-all"]);
}

/// Says something to a daemon's socket, as what it likes, and prints what comes back. Messages are
/// MessagePack with the length before them.
const SPEAKS: &str = r#"
import socket, struct, sys
def pack(x):
    if isinstance(x, int): return b"\xce" + struct.pack(">I", x)
    if isinstance(x, str): return b"\xd9" + bytes([len(x)]) + x.encode()
    return bytes([0x80 | len(x)]) + b"".join(pack(k) + pack(v) for k, v in x.items())
path, role, message = sys.argv[1], sys.argv[2], eval(sys.argv[3])
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(path)
for m in [{"protocol": 1, "version": "0", "role": role}, message]:
    m = pack(m); s.sendall(struct.pack(">I", len(m)) + m)
back = b""
while b"Ask" not in back and b"NotYours" not in back:
    try: more = s.recv(65536)
    except OSError: break
    if not more: break
    back += more
print(back)
"#;

/// A process that carries, or lends, is its user's: it gets nothing for a run of another's.
fn who_speaks_for_others(shared: &Shared, machine: &Machine<'_>) {
    if !Path::new("/usr/bin/python3").exists() {
        return eprintln!("not shown: there is no python3 to speak with");
    }
    let job = shared.submit(ANN, "exec sleep 1006", &machine.wanted());
    shared.until(&job, "JobStatus", "2");
    let folder = machine.home().join("execute").join(user(ANN).uid.to_string());
    let key = || {
        let found = fs::read_dir(&folder).unwrap().flatten();
        found
            .into_iter()
            .find_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("dir_")?.to_owned()))
    };
    eventually("her run has a folder", || key().is_some());
    let ask = format!("{{'key': '{}'}}", key().unwrap());
    let say = |name: &str, socket: PathBuf, role: &str, message: &str| {
        let words = ["/usr/bin/python3", "-c", SPEAKS, socket.to_str().unwrap(), role, message];
        let out = shared.as_user(name, &words);
        assert!(out.status.success(), "{}", text(&out));
        text(&out)
    };
    let startd = || machine.home().join("run/startd.sock");
    let said = say(BOB, startd(), "Carrier", &ask);
    assert!(!said.contains("Ask"), "{said}");
    let said = say(ANN, startd(), "Carrier", &ask);
    assert!(said.contains("Ask") && !said.contains("NotYours"), "it is hers: {said}");
    let schedd = || shared.home().join("run/schedd.sock");
    for number in 1..20 {
        let said = say(BOB, schedd(), "Lender", &format!("{{'For': {number}}}"));
        assert!(!said.contains("job"), "{said}");
    }
    let said = say(BOB, startd(), "Lender", "'Here'");
    assert!(!said.contains("Lend"), "{said}");
    shared.ok(ANN, &["rm", &job]);
}

/// It is done again, by who it is, and the job has run once; others see it and do not touch it.
fn what_dies_while_they_cross(shared: &Shared, machine: &Machine<'_>) {
    let (ann, folder) = (user(ANN).uid.as_raw(), machine.home());
    let go = shared.work(ANN).join("go");
    let wait = format!("until /usr/bin/test -e {}; do /bin/sleep 0.02; done", go.display());
    let script = format!("echo begun; {wait}; echo over >made.over");
    let away = format!("transfer_output_files = made.over\noutput = far\n{}", machine.wanted());
    let job = shared.submit(ANN, &script, &away);
    shared.until(&job, "JobStatus", "2");
    let is_begun = || shared.says(ANN, &["tail", &job]).stdout == b"begun\n";
    eventually("it has said something", is_begun);
    let refused = shared.says(BOB, &["tail", &job]);
    assert!(!refused.status.success(), "{}", text(&refused));
    let refused = shared.says(BOB, &["rm", &job]);
    assert!(!refused.status.success(), "{}", text(&refused));
    for daemon in ["startd", "launcher"] {
        let pid = shared.pid_in(&folder, daemon).unwrap();
        signal(pid, "KILL");
        eventually("it runs again", || {
            shared.pid_in(&folder, daemon).is_some_and(|new| new != pid)
        });
    }
    for daemon in ["schedd", "negotiator"] {
        shared.kill_and_see_it_return(daemon);
    }
    for place in [&folder, &shared.home()] {
        kill_helpers(ann, place);
    }
    shared.write(ANN, "go", "");
    shared.done(&job);
    assert_eq!(shared.read(ANN, "far"), "begun\n");
    assert_eq!(shared.read(ANN, "made.over"), "over\n");
    assert_eq!(shared.attribute(&job, "NumJobStarts"), "1");
    let mark = mark(1000);
    let job = shared.submit(ANN, &format!("exec sleep {mark}"), &machine.wanted());
    shared.until(&job, "JobStatus", "2");
    shared.ok(ANN, &["rm", &job]);
    eventually("nothing of it is left", || processes(ann, &["sleep", &mark]).is_empty());
}

#[test]
fn a_machine_does_not_run_jobs_of_who_is_somebody_else_there() {
    if !has_users() {
        return;
    }
    let shared = listening("");
    // Another list of users, for the machine alone.
    let users = shared.dir.path().join("passwd");
    let (ann, bob) = (user(ANN), user(BOB));
    let known = fs::read_to_string("/etc/passwd").unwrap();
    let line = |user: &User| format!("{}:x:{}:", user.name, user.uid);
    let other = format!("{ANN}:x:{}:", ann.uid.as_raw() + 7000);
    let changed = known.lines().filter(|known| !known.starts_with(&line(&bob)));
    let changed: Vec<String> = changed.map(|known| known.replace(&line(&ann), &other)).collect();
    fs::write(&users, changed.join("\n") + "\n").unwrap();
    let machine = Machine { shared: &shared, name: "exec1" };
    let (program, home) = (shared.program(), machine.home());
    let join = format!(
        "mount --bind {} /etc/passwd && exec {} join --system {} --name exec1 --cpus 2 --memory 1024 --dir {}",
        users.display(),
        program.display(),
        invitation(&shared),
        home.display()
    );
    let out = Command::new("unshare").args(["-m", "sh", "-c", &join]).output().unwrap();
    if !out.status.success() && text(&out).contains("mount") {
        return eprintln!("not shown: no mounts can be made here: {}", text(&out));
    }
    assert!(out.status.success(), "{}", text(&out));
    for (name, why) in [(ANN, "has number"), (BOB, "there is no user")] {
        let job = shared.submit(name, "exec true", &machine.wanted());
        eventually("it is said why it waits", || {
            shared.attribute(&job, "IdleReason").contains(why)
        });
        assert_eq!(shared.attribute(&job, "JobStatus"), "1");
        shared.ok(name, &["rm", &job]);
    }
    // Elsewhere they run.
    shared.done(&shared.submit(ANN, "exec true", ""));
}
