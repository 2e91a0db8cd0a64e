//! What a job of `qsub`'s runs, and what copies its files around that (`staging`): finds the
//! script in the job's ad, writes it and the file of nodes
//! into the scratch folder, and becomes the shell that runs it, or the command. Everything is said
//! by the ad, so that a run is the same wherever and whenever it is.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use classad::{ClassAd, words};
use jobspec::pbs::{Chunks, STAGING_IN, STAGING_OUT, attribute, unfolded};
use model::attr;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, umask};
use nix::unistd::{Pid, Uid, User};

use super::parts::Machines;
use super::staging;
use crate::line::output::complain;
use crate::render::pbs::job::{index, int, pairs, text};

/// Where the startd says that the job's ad is, and its scratch folder.
const JOB_AD: &str = "_CONDOR_JOB_AD";
const SCRATCH: &str = "_CONDOR_SCRATCH_DIR";

/// What PBS's jobs find if they do not say otherwise.
const UMASK: i64 = 77;
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/// Exit code of a command that cannot be executed (OpenPBS 23.06).
const NOT_EXECUTED: u8 = 254;

/// Shells that take `-l -c LINE NAME`.
const LOGIN_SHELLS: [&str; 6] = ["bash", "sh", "dash", "ksh", "zsh", "ash"];

/// What is called with this, behind its own words, starts what it is told to: what a job runs on
/// each of its machines but the first.
const PLACE: &str = "place";

/// Copies files, or becomes the job's own program: then it returns only if it cannot.
pub(super) fn run() -> u8 {
    match env::args().nth(2).as_deref() {
        Some(STAGING_IN) => return around(|found| staged(found).bring_in()),
        Some(STAGING_OUT) => {
            return around(|found| staged(found).bring_out(nodes_in(&found.scratch).exists()));
        }
        Some(PLACE) => {
            let Err(error) = super::parts::serve() else { return NOT_EXECUTED };
            complain(&format!("pbs: cannot wait for programs: {}\n", client::site::plain(&error)));
            return NOT_EXECUTED;
        }
        Some(_) | None => {}
    }
    match prepare() {
        Ok((mut command, then)) => {
            let error = if then.is_nothing() {
                command.exec()
            } else {
                match run_and(&mut command, &then) {
                    Ok(exit) => return exit,
                    Err(error) => error,
                }
            };
            let program = command.get_program().to_string_lossy().into_owned();
            let told = client::site::plain(&error);
            complain(&format!("pbs: exec of {program} failed with error: {told}\n"));
        }
        Err(Cannot { what, error }) => {
            complain(&format!("pbs: cannot {what}: {}\n", client::site::plain(&error)));
        }
    }
    NOT_EXECUTED
}

/// What could not be prepared.
struct Cannot {
    what: String,
    error: io::Error,
}

fn cannot(what: impl Into<String>) -> impl FnOnce(io::Error) -> Cannot {
    let what = what.into();
    move |error| Cannot { what, error }
}

/// Does something beside the job's own program. Only the first chunk's machine has something to do
/// (OpenPBS 23.06).
fn around(does: impl FnOnce(&Job) -> u8) -> u8 {
    match find() {
        Ok(found) if Machines::of(&found.ad).is_some_and(|machines| machines.is_other()) => 0,
        Ok(found) => {
            set_umask(&found.ad);
            does(&found)
        }
        Err(Cannot { what, error }) => {
            complain(&format!("pbs: cannot {what}: {}\n", client::site::plain(&error)));
            NOT_EXECUTED
        }
    }
}

fn staged(job: &Job) -> staging::For<'_> {
    staging::For { ad: &job.ad, id: &job.id, cwd: &job.cwd }
}

/// The file of nodes, which is there as soon as the job's own program begins.
fn nodes_in(scratch: &Path) -> PathBuf {
    scratch.join("pbs.nodes")
}

/// The job that this process is of.
struct Job {
    ad: ClassAd,
    id: String,
    scratch: PathBuf,
    /// Where it runs.
    cwd: PathBuf,
}

fn find() -> Result<Job, Cannot> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(missing);
    let path = folder(JOB_AD).map_err(cannot("find the job's ad"))?;
    let scratch = folder(SCRATCH).map_err(cannot("find the scratch folder"))?;
    let ad = own_attributes(&fs::read(&path).map_err(cannot("read the job's ad"))?);
    let home = || text(&ad, attr::IWD).map(PathBuf::from);
    let cwd = match text(&ad, attribute::SANDBOX) {
        Some("O_WORKDIR") => text(&ad, attribute::SUBMIT_DIR).map(PathBuf::from),
        Some("PRIVATE") => Some(scratch.clone()),
        Some(_) | None => home(),
    };
    let cwd = cwd.unwrap_or_else(|| "/".into());
    Ok(Job { id: identifier(&ad), ad, scratch, cwd })
}

/// What is done with what a job has printed, once its program is over.
#[derive(Default)]
struct Then {
    /// What is removed if it ends well (`-R`).
    removed: Vec<PathBuf>,
    /// Of what is written elsewhere first: the job.
    brought: Option<Job>,
}

impl Then {
    fn is_nothing(&self) -> bool {
        self.removed.is_empty() && self.brought.is_none()
    }
}

/// Runs a program, does what is to be done then, and ends as the program did.
fn run_and(command: &mut Command, then: &Then) -> io::Result<u8> {
    let mut child = command.spawn()?;
    // What ends the job ends its program; this process only waits. A program inherits what is
    // blocked: so it is started first.
    SigSet::all().thread_block()?;
    let status = child.wait()?;
    let removed = then.removed.iter().filter(|_| status.success());
    for path in removed.filter(|path| *path != Path::new("/dev/null")) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let (path, why) = (path.display(), client::site::plain(&error));
                complain(&format!("pbs: cannot remove {path}: {why}\n"));
            }
            Ok(()) | Err(_) => {}
        }
    }
    if let Some(job) = &then.brought {
        staged(job).bring_streams();
    }
    if let Some(signal) = status.signal().and_then(|signal| Signal::try_from(signal).ok()) {
        SigSet::all().thread_unblock()?;
        kill(Pid::this(), signal)?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_EXECUTED))
}

/// What of a job's streams is removed when it ends well.
fn removed(ad: &ClassAd) -> Vec<PathBuf> {
    let letters = text(ad, attribute::REMOVE).unwrap_or_default();
    let folder = Path::new(text(ad, attr::IWD).unwrap_or("/"));
    let streams = [('o', attr::OUT), ('e', attr::ERR)].into_iter();
    let wanted = streams.filter(|(letter, _)| letters.contains(*letter));
    wanted.filter_map(|(_, name)| Some(folder.join(text(ad, name)?))).collect()
}

fn prepare() -> Result<(Command, Then), Cannot> {
    let Job { ad, id, scratch, cwd } = find()?;
    let nodes = nodes_in(&scratch);
    let machines = Machines::of(&ad);
    let lines = match &machines {
        Some(machines) => {
            let hosts: Vec<&str> = machines.of_chunks.iter().map(String::as_str).collect();
            chunks(&ad).node_lines(&hosts)
        }
        None => chunks(&ad).node_lines(&[&super::server::server_name()]),
    };
    write(&nodes, lines.as_bytes(), 0o644).map_err(cannot("write the file of nodes"))?;
    let is_other = machines.as_ref().is_some_and(Machines::is_other);
    let script = match (text(&ad, attribute::COMMAND), script(&ad)) {
        _ if is_other => None,
        (Some(_), _) => None,
        (None, bytes) => {
            let path = scratch.join(format!("{id}.SC"));
            write(&path, &bytes, 0o700).map_err(cannot("write the script"))?;
            Some(path)
        }
    };
    let mut command = match &script {
        _ if is_other => {
            let own = env::current_exe().map_err(cannot("find this program"))?;
            let mut command = Command::new(own);
            command.args(env::args().nth(1)).arg(PLACE);
            command
        }
        _ if is_interactive(&ad) => terminal(&ad, &cwd).map_err(cannot("find this program"))?,
        Some(script) => shell(&ad, script),
        None => {
            let all = unfolded(text(&ad, attribute::COMMAND).unwrap_or_default());
            let all = words::split_v2(&all);
            let mut all = all.unwrap_or_default().into_iter();
            let mut command = Command::new(all.next().unwrap_or_default());
            command.args(all);
            command
        }
    };
    if let Some(by) = niceness(&ad) {
        command = niced(&command, by);
    }
    environment(&mut command, &ad, &id, &cwd.to_string_lossy(), &nodes);
    if let Some(machines) = &machines {
        command.env("PBS_NODENUM", machines.here().to_string());
        for_mpi(&mut command, &lines, &scratch).map_err(cannot("write what MPI is told"))?;
    }
    command.current_dir(&cwd);
    limit(&ad).map_err(cannot("set the job's limits"))?;
    append_only();
    set_umask(&ad);
    hide_new_streams(&ad);
    if is_interactive(&ad) || is_other {
        return Ok((command, Then::default()));
    }
    let removed = removed(&ad);
    let is_late =
        [attribute::LATE_OUTPUT, attribute::LATE_ERROR].iter().any(|name| ad.get(name).is_some());
    let brought = is_late.then_some(Job { ad, id, scratch, cwd });
    Ok((command, Then { removed, brought }))
}

/// What Open MPI and MPICH are told, so that `mpirun ./prog` and `mpiexec ./prog` start their ranks
/// on the job's machines: by our `pbs_tmrsh` in the place of `ssh`. A machine that is named once in
/// a list counts as all its processors (Open MPI 4.1): so it is said how many are the job's.
fn for_mpi(command: &mut Command, nodes: &str, scratch: &Path) -> io::Result<()> {
    let agent = scratch.join("pbs_tmrsh");
    match std::os::unix::fs::symlink(env::current_exe()?, &agent) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut slots: Vec<(&str, u32)> = Vec::new();
    for node in nodes.lines() {
        match slots.iter_mut().find(|(known, _)| *known == node) {
            Some((_, count)) => *count += 1,
            None => slots.push((node, 1)),
        }
    }
    let lines: String = slots.iter().map(|(node, n)| format!("{node} slots={n}\n")).collect();
    let hosts = scratch.join("pbs.slots");
    write(&hosts, lines.as_bytes(), 0o644)?;
    let lines: String = slots.iter().map(|(node, n)| format!("{node}:{n}\n")).collect();
    let hydra = scratch.join("pbs.hydra");
    write(&hydra, lines.as_bytes(), 0o644)?;
    command.env("OMPI_MCA_plm_rsh_agent", &agent).env("OMPI_MCA_orte_default_hostfile", hosts);
    command.env("HYDRA_LAUNCHER", "ssh").env("HYDRA_LAUNCHER_EXEC", &agent);
    command.env("HYDRA_HOST_FILE", hydra);
    Ok(())
}

/// Who may read what a job prints its umask says, as of files of its own: the machine has made its
/// streams by another.
fn hide_new_streams(ad: &ClassAd) {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    for stream in [stdout.as_fd(), stderr.as_fd()] {
        let Ok(found) = fstat(stream) else { continue };
        let is_file = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        if is_file && found.st_size == 0 && found.st_uid == Uid::current().as_raw() {
            // Else they stay as they are, as a file of somebody else's would.
            let _ = fchmod(stream, Mode::from_bits_truncate(0o666) & !mask_of(ad));
        }
    }
}

fn mask_of(ad: &ClassAd) -> Mode {
    let mask = int(ad, attribute::UMASK).unwrap_or(UMASK);
    Mode::from_bits_truncate(u32::from_str_radix(&mask.to_string(), 8).unwrap_or(0o77))
}

fn set_umask(ad: &ClassAd) {
    umask(mask_of(ad));
}

/// What is asked of the job's ad here. It has a line for each attribute; values of other attributes
/// may be longer than one, and nobody says where they end.
fn own_attributes(text: &[u8]) -> ClassAd {
    let mut own = ClassAd::new();
    for line in String::from_utf8_lossy(text).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let is_own = name.starts_with("Pbs")
            || [attr::CLUSTER_ID, attr::PROC_ID, attr::IWD, attr::OUT, attr::ERR].contains(&name)
            || [attr::GANG_HOSTS, attr::GANG_PART].contains(&name);
        if is_own && let Ok(ad) = ClassAd::parse_old(line) {
            own.update(&ad);
        }
    }
    own
}

/// `12.host`, `12[4].host`.
fn identifier(ad: &ClassAd) -> String {
    let server = text(ad, attribute::SERVER).unwrap_or_default();
    let cluster = int(ad, attr::CLUSTER_ID).unwrap_or(0);
    match index(ad).filter(|_| is_array(ad)) {
        Some(index) => format!("{cluster}[{index}].{server}"),
        None => format!("{cluster}.{server}"),
    }
}

pub(super) fn is_array(ad: &ClassAd) -> bool {
    text(ad, attribute::INDICES).is_some()
}

/// The script's bytes.
fn script(ad: &ClassAd) -> Vec<u8> {
    if let Some(digits) = text(ad, attribute::SCRIPT_BYTES) {
        let pairs = digits.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        return pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    }
    unfolded(text(ad, attribute::SCRIPT).unwrap_or_default()).into_bytes()
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(bytes)
}

/// What each chunk of the job has.
fn chunks(ad: &ClassAd) -> Chunks {
    let said = text(ad, attribute::CHUNKS).map(unfolded);
    // Jobs of earlier versions do not say it apart.
    let listed = || {
        let all = text(ad, attribute::RESOURCES).map(pairs).unwrap_or_default();
        all.into_iter().find(|(name, _)| name == "select").map(|(_, select)| select)
    };
    said.or_else(listed).and_then(|text| Chunks::read(&text)).unwrap_or_default()
}

fn is_interactive(ad: &ClassAd) -> bool {
    text(ad, attribute::INTERACTIVE).is_some()
}

/// The user's shell at the terminal where `qsub -I` waits, or the command behind `--`.
fn terminal(ad: &ClassAd, cwd: &Path) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("terminal").arg("--to").arg(text(ad, attribute::INTERACTIVE).unwrap_or_default());
    command.arg("--folder").arg(cwd).arg("--");
    let words = text(ad, attribute::COMMAND).map(unfolded);
    match words.and_then(|words| words::split_v2(&words).ok()) {
        Some(words) => command.args(words),
        None => {
            let shell = shell_path(ad);
            let name = shell.rsplit('/').next().unwrap_or_default();
            let is_login = LOGIN_SHELLS.contains(&name);
            command.arg(&shell).args(is_login.then_some("-l"))
        }
    };
    Ok(command)
}

/// The shell that runs the script: a login shell, which starts what the script's first line names,
/// or reads it itself.
fn shell(ad: &ClassAd, script: &Path) -> Command {
    let shell = shell_path(ad);
    let name = shell.rsplit('/').next().unwrap_or_default();
    let mut command = Command::new(&shell);
    if LOGIN_SHELLS.contains(&name) {
        command.args(["-l", "-c", "\"$0\""]);
    }
    command.arg(script);
    command
}

/// The shell that the job names, or its user's.
fn shell_path(ad: &ClassAd) -> String {
    let given = text(ad, attribute::SHELLS).and_then(shell_here);
    let own = || {
        let user = User::from_uid(Uid::current()).ok().flatten();
        user.map(|user| user.shell.to_string_lossy().into_owned())
    };
    let shell = given.map(str::to_owned).or_else(own).filter(|shell| !shell.is_empty());
    shell.unwrap_or_else(|| "/bin/sh".to_owned())
}

/// Of `PATH@HOST,PATH`, that of this host, or else the one of no host.
fn shell_here(list: &str) -> Option<&str> {
    let here = super::server::server_name();
    let is_here = |host: &str| host.split('.').next() == Some(here.as_str());
    let all = || list.split(',').map(|entry| entry.split_once('@').unwrap_or((entry, "")));
    let own = all().find(|(_, host)| !host.is_empty() && is_here(host));
    own.or_else(|| all().find(|(_, host)| host.is_empty())).map(|(path, _)| path)
}

fn environment(command: &mut Command, ad: &ClassAd, id: &str, cwd: &str, nodes: &Path) {
    let user = User::from_uid(Uid::current()).ok().flatten();
    let given: Vec<(String, String)> =
        text(ad, attribute::VARIABLES).map(pairs).unwrap_or_default();
    let mut unless_given = |name: &str, value: &str| {
        if !given.iter().any(|(known, _)| known == name) {
            command.env(name, value);
        }
    };
    unless_given("PATH", PATH);
    let number = |name, otherwise: i64| int(ad, name).unwrap_or(otherwise).to_string();
    unless_given("NCPUS", &number(attribute::CPUS, 1));
    unless_given("OMP_NUM_THREADS", &number(attribute::THREADS, 1));
    if let Some(user) = &user {
        let shell = user.shell.to_string_lossy();
        command.env("HOME", user.dir.as_os_str()).env("LOGNAME", &user.name);
        command.env("USER", &user.name).env("SHELL", &*shell);
    }
    // With `-V` the submitter's own came along.
    if given.iter().any(|(name, _)| name == "TMPDIR")
        && let Some(scratch) = env::var_os(SCRATCH)
    {
        command.env("TMPDIR", scratch);
    }
    let queue = text(ad, attribute::QUEUE).unwrap_or_default();
    for (name, value) in [
        ("ENVIRONMENT", "BATCH"),
        ("PBS_ENVIRONMENT", if is_interactive(ad) { "PBS_INTERACTIVE" } else { "PBS_BATCH" }),
        ("PBS_JOBID", id),
        ("PBS_JOBNAME", text(ad, attribute::NAME).unwrap_or_default()),
        ("PBS_JOBDIR", cwd),
        ("PBS_QUEUE", queue),
        ("PBS_NODENUM", "0"),
        ("PBS_TASKNUM", "1"),
        // What speaks to OpenPBS's execution daemon would ask here; nobody listens.
        ("PBS_MOMPORT", "0"),
    ] {
        command.env(name, value);
    }
    if let Some(cookie) = cookie() {
        command.env("PBS_JOBCOOKIE", cookie);
    }
    command.env("PBS_NODEFILE", nodes);
    // Torque's names, for who asked in Torque's form: OpenPBS 23.06 sets none of them.
    if let Some(per_node) = int(ad, attribute::PER_NODE) {
        let chunks = chunks(ad);
        let ranks: u64 = chunks.each().map(|chunk| u64::from(chunk.ranks())).sum();
        command.env("PBS_NUM_NODES", chunks.each().count().to_string());
        command.env("PBS_NUM_PPN", per_node.to_string());
        command.env("PBS_NP", ranks.to_string());
    }
    if let Some(account) = text(ad, attribute::ACCOUNT) {
        command.env("PBS_ACCOUNT", account);
    }
    if let Some(index) = index(ad).filter(|_| is_array(ad)) {
        let server = text(ad, attribute::SERVER).unwrap_or_default();
        let cluster = int(ad, attr::CLUSTER_ID).unwrap_or(0);
        command.env("PBS_ARRAY_INDEX", index.to_string());
        // Torque's name for it.
        command.env("PBS_ARRAYID", index.to_string());
        command.env("PBS_ARRAY_ID", format!("{cluster}[].{server}"));
    }
}

/// What others write to the job's files stays: OpenPBS's are only ever written behind their end.
fn append_only() {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    for stream in [stdout.as_fd(), stderr.as_fd()] {
        let Ok(flags) = fcntl(stream, FcntlArg::F_GETFL) else { continue };
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_APPEND;
        // A pipe or a terminal has no end, and does not mind.
        let _ = fcntl(stream, FcntlArg::F_SETFL(flags));
    }
}

/// 32 digits that no other run has.
fn cookie() -> Option<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").ok()?;
    Some(uuid.trim_end().replace('-', "").to_ascii_uppercase())
}

/// How much others' processes go before the job's (`-l nice`). Nobody gets more than others.
fn niceness(ad: &ClassAd) -> Option<i64> {
    let all = text(ad, attribute::RESOURCES).map(pairs).unwrap_or_default();
    let (_, by) = all.into_iter().find(|(name, _)| name == "nice")?;
    by.parse().ok().filter(|by| *by > 0)
}

/// The same program, as nice as that.
fn niced(command: &Command, by: i64) -> Command {
    let mut niced = Command::new("/usr/bin/nice");
    niced.arg("-n").arg(by.to_string()).arg(command.get_program()).args(command.get_args());
    niced
}

/// Limits of each process: what is asked for, or less where less is allowed. What is a limit of all
/// processes together is one of each, too (OpenPBS 23.06).
fn limit(ad: &ClassAd) -> io::Result<()> {
    for (name, value) in text(ad, attribute::RESOURCES).map(pairs).unwrap_or_default() {
        let resource = match name.as_str() {
            "pcput" | "cput" => Resource::RLIMIT_CPU,
            "pmem" | "mem" => Resource::RLIMIT_RSS,
            "pvmem" => Resource::RLIMIT_AS,
            "file" => Resource::RLIMIT_FSIZE,
            _ => continue,
        };
        let Some(wanted) = model::queues::amount(&value) else { continue };
        let (_, most) = getrlimit(resource)?;
        let limit = wanted.min(most);
        setrlimit(resource, limit, limit)?;
    }
    Ok(())
}
