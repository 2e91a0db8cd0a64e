//! One cgroup v2 per run, where there is one to be had: exact killing, memory and process limits,
//! and exact usage.
//!
//! Whether there is one is decided once, at start-up. Everything here is reading and writing small
//! files below one directory, so that tests can give it an ordinary directory.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::ContainmentWish;
use crate::wire::{Containment, Limits, RunKey};

/// The cgroup beside the runs' that the launcher and its keepers live in: a cgroup with controllers
/// for its children may hold no process itself.
const OWN_CGROUP: &str = "launcher";

/// Where runs' cgroups are made, and what can be limited in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups {
    parent: PathBuf,
    pub(crate) memory: bool,
    pub(crate) pids: bool,
    pub(crate) cpu: bool,
}

/// How runs are held together from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    Cgroups(Cgroups),
    Subreaper { why: String },
}

impl Mode {
    /// Carries out the wish of the configuration. Moves this process into its own cgroup if it
    /// makes cgroups.
    pub(crate) fn choose(wish: &ContainmentWish) -> io::Result<Self> {
        match wish {
            ContainmentWish::Subreaper => {
                Ok(Self::Subreaper { why: "the configuration asks for none".to_owned() })
            }
            ContainmentWish::Cgroup { parent } => Cgroups::prepare(parent).map(Self::Cgroups),
            ContainmentWish::Auto => Ok(Self::automatic()),
        }
    }

    fn automatic() -> Self {
        let parent = match offered() {
            Ok(parent) => parent,
            Err(why) => return Self::Subreaper { why },
        };
        match Cgroups::prepare(&parent) {
            Ok(cgroups) => Self::Cgroups(cgroups),
            Err(error) => {
                let why = format!("{} cannot be used: {error}", parent.display());
                Self::Subreaper { why }
            }
        }
    }

    pub(crate) fn cgroups(&self) -> Option<&Cgroups> {
        match self {
            Self::Cgroups(cgroups) => Some(cgroups),
            Self::Subreaper { .. } => None,
        }
    }

    /// What clients are told.
    pub(crate) fn describe(&self) -> Containment {
        match self {
            Self::Cgroups(cgroups) => Containment::Cgroup { parent: cgroups.parent.clone() },
            Self::Subreaper { why } => Containment::Subreaper { why: why.clone() },
        }
    }
}

/// The cgroup in which this process could make one for each run, or why it could not. Nothing is
/// made or written: a launcher that is started here may find more.
///
/// # Errors
///
/// A sentence that says what is missing.
pub fn containment_here() -> Result<PathBuf, String> {
    let parent = offered()?;
    let control = parent.join("cgroup.subtree_control");
    match OpenOptions::new().write(true).open(control) {
        Ok(_) => Ok(parent),
        Err(error) => Err(format!("{} cannot be used: {error}", parent.display())),
    }
}

/// This process's cgroup, if it offers what is needed.
fn offered() -> Result<PathBuf, String> {
    let parent = own_cgroup().ok_or_else(|| "no cgroup v2 hierarchy is mounted".to_owned())?;
    let offered = fs::read_to_string(parent.join("cgroup.controllers")).unwrap_or_default();
    let offers = |wanted| offered.split_ascii_whitespace().any(|name| name == wanted);
    match offers("memory") && offers("pids") {
        true => Ok(parent),
        false => {
            let parent = parent.display();
            Err(format!("{parent} does not offer the memory and pids controllers"))
        }
    }
}

impl Cgroups {
    /// Makes `parent` ready to hold one cgroup per run.
    fn prepare(parent: &Path) -> io::Result<Self> {
        let own = parent.join(OWN_CGROUP);
        make_dir(&own)?;
        write(&own.join("cgroup.procs"), &std::process::id().to_string())?;
        if !own.join("cgroup.kill").exists() {
            return Err(io::Error::other("there is no cgroup.kill, which Linux has since 5.14"));
        }
        let offered = fs::read_to_string(parent.join("cgroup.controllers"))?;
        let enabled = |name: &str| -> io::Result<bool> {
            let offered = offered.split_ascii_whitespace().any(|word| word == name);
            if offered {
                write(&parent.join("cgroup.subtree_control"), &format!("+{name}"))?;
            }
            Ok(offered)
        };
        let (memory, pids) = (enabled("memory")?, enabled("pids")?);
        // Where a process has a real-time priority the kernel does not enable it: a pool goes on
        // without.
        let cpu = enabled("cpu").unwrap_or(false);
        Ok(Self { parent: parent.to_owned(), memory, pids, cpu })
    }

    /// The cgroup of a run, whether or not it exists.
    pub(crate) fn of_run(&self, key: &RunKey) -> RunCgroup {
        RunCgroup { dir: self.parent.join(format!("run-{key}")) }
    }
}

/// The cgroup of one run.
#[derive(Debug)]
pub(crate) struct RunCgroup {
    dir: PathBuf,
}

/// What a cgroup says about its processes. A value is unset where the kernel or the controller does
/// not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CgroupUsage {
    pub(crate) user_us: Option<u64>,
    pub(crate) sys_us: Option<u64>,
    pub(crate) peak_kib: Option<u64>,
}

impl RunCgroup {
    /// Makes the cgroup with its limits, empty.
    pub(crate) fn make(&self, limits: &Limits) -> io::Result<()> {
        make_dir(&self.dir)?;
        if let Some(max) = limits.memory_max_bytes {
            write(&self.dir.join("memory.max"), &max.to_string())?;
            // A run that is out of memory dies as a whole: half a run is of no use, and looks like
            // a failure of the program.
            write(&self.dir.join("memory.oom.group"), "1")?;
            // What does not fit is not to fill the machine's swap space instead. Not every kernel
            // counts that.
            let swap = self.dir.join("memory.swap.max");
            if swap.exists() {
                write(&swap, "0")?;
            }
        }
        if let Some(max) = limits.pids_max {
            write(&self.dir.join("pids.max"), &max.to_string())?;
        }
        if let Some(weight) = limits.cpu_weight {
            write(&self.dir.join("cpu.weight"), &weight.to_string())?;
        }
        Ok(())
    }

    /// The file through which a process joins.
    pub(crate) fn open_procs(&self) -> io::Result<OwnedFd> {
        OpenOptions::new().write(true).open(self.dir.join("cgroup.procs")).map(OwnedFd::from)
    }

    /// Kills every process in it at once, also while they fork.
    pub(crate) fn kill(&self) -> io::Result<()> {
        write(&self.dir.join("cgroup.kill"), "1")
    }

    /// Stops every process in it, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        write(&self.dir.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    /// Whether no process is left in it. A cgroup that does not exist has none.
    pub(crate) fn is_empty(&self) -> bool {
        match fs::read_to_string(self.dir.join("cgroup.events")) {
            Ok(text) => field(&text, "populated") == Some(0),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    pub(crate) fn usage(&self) -> CgroupUsage {
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let cpu = read("cpu.stat");
        let peak_bytes: Option<u64> = read("memory.peak").trim().parse().ok();
        CgroupUsage {
            user_us: field(&cpu, "user_usec"),
            sys_us: field(&cpu, "system_usec"),
            peak_kib: peak_bytes.map(|bytes| bytes / 1024),
        }
    }

    /// Whether something in it was killed because it wanted more memory than its limit: not because
    /// the machine had none, which is no fault of its own.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let text = fs::read_to_string(self.dir.join("memory.events")).unwrap_or_default();
        ["oom", "oom_kill"].into_iter().all(|name| field(&text, name).is_some_and(|n| n > 0))
    }

    /// Removes the empty cgroup, if it is there.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The directory of the cgroup v2 that this process is in; if a launcher was in it before us, the
/// one above.
fn own_cgroup() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(point))
    })?;
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = memberships.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = mount.join(path);
    match own.file_name() {
        Some(name) if name == OWN_CGROUP => own.parent().map(Path::to_owned),
        Some(_) | None => Some(own),
    }
}

/// The value behind `name` in a file of `name value` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(|e| naming(dir, &e))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|e| naming(file, &e))
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a cgroup with these files, all empty but `cgroup.controllers`.
    fn fake(dir: &Path, files: &[&str], controllers: &str) {
        fs::create_dir_all(dir).unwrap();
        for file in files {
            fs::write(dir.join(file), "").unwrap();
        }
        fs::write(dir.join("cgroup.controllers"), controllers).unwrap();
    }

    fn fake_parent(controllers: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fake(root.path(), &["cgroup.subtree_control"], controllers);
        fake(&root.path().join(OWN_CGROUP), &["cgroup.procs", "cgroup.kill"], "");
        root
    }

    #[test]
    fn the_launcher_moves_out_of_the_parent_before_it_enables_controllers() {
        let root = fake_parent("cpu memory pids");
        let mode = Mode::choose(&ContainmentWish::Cgroup { parent: root.path().to_owned() });
        let cgroups = mode.unwrap().cgroups().cloned().unwrap();
        assert!(cgroups.memory && cgroups.pids && cgroups.cpu);
        let procs = fs::read_to_string(root.path().join("launcher/cgroup.procs")).unwrap();
        assert_eq!(procs, std::process::id().to_string());
        let control = fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap();
        assert!(control.starts_with("+cpu"), "{control:?}");
    }

    #[test]
    fn a_hierarchy_without_controllers_kills_but_does_not_limit() {
        let root = fake_parent("");
        let wish = ContainmentWish::Cgroup { parent: root.path().to_owned() };
        let mode = Mode::choose(&wish).unwrap();
        let cgroups = mode.cgroups().unwrap();
        assert!(!cgroups.memory && !cgroups.pids);
    }

    #[test]
    fn a_kernel_without_cgroup_kill_is_refused_by_name() {
        let root = fake_parent("memory pids");
        fs::remove_file(root.path().join("launcher/cgroup.kill")).unwrap();
        let wish = ContainmentWish::Cgroup { parent: root.path().to_owned() };
        let error = Mode::choose(&wish).unwrap_err().to_string();
        assert!(error.contains("cgroup.kill"), "{error}");
    }

    #[test]
    fn limits_killing_and_usage_are_the_kernels_files() {
        let root = fake_parent("memory pids");
        let wish = ContainmentWish::Cgroup { parent: root.path().to_owned() };
        let mode = Mode::choose(&wish).unwrap();
        let run = mode.cgroups().unwrap().of_run(&RunKey::try_from("1.0-1").unwrap());
        let dir = root.path().join("run-1.0-1");
        let files = [
            "memory.max",
            "memory.oom.group",
            "memory.swap.max",
            "pids.max",
            "cpu.weight",
            "cgroup.kill",
            "cgroup.procs",
        ];
        fake(&dir, &files, "");
        fs::write(dir.join("cpu.stat"), "usage_usec 30\nuser_usec 10\nsystem_usec 20\n").unwrap();
        fs::write(dir.join("memory.peak"), "2097152\n").unwrap();
        fs::write(dir.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();

        let limits = Limits {
            memory_max_bytes: Some(1 << 20),
            pids_max: Some(9),
            cpu_weight: Some(400),
            ..Limits::default()
        };
        run.make(&limits).unwrap();
        run.kill().unwrap();
        run.open_procs().unwrap();
        let content = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(content("memory.max"), "1048576");
        assert_eq!(content("memory.oom.group"), "1");
        assert_eq!(content("memory.swap.max"), "0");
        assert_eq!(content("cpu.weight"), "400");
        assert_eq!(content("pids.max"), "9");
        assert_eq!(content("cgroup.kill"), "1");
        let used = CgroupUsage { user_us: Some(10), sys_us: Some(20), peak_kib: Some(2048) };
        assert_eq!(run.usage(), used);
        assert!(!run.is_empty());
        fs::write(dir.join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        assert!(run.is_empty());
        for (events, expected) in [
            ("low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n", false),
            ("max 0\noom 0\noom_kill 3\noom_group_kill 0\n", false),
            ("max 9\noom 1\noom_kill 3\noom_group_kill 1\n", true),
        ] {
            fs::write(dir.join("memory.events"), events).unwrap();
            assert_eq!(run.ran_out_of_memory(), expected, "{events}");
        }
    }
}
