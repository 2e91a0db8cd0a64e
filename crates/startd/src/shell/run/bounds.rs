//! What a run may have of its machine, as the launcher has the kernel see to it, and which folders
//! are its own there. Pure: what can be had where, the launcher says; how it is done is its matter.

use std::path::{Path, PathBuf};

use launcher::wire::{OsBytes, Private, Start, Stdio, Welcome};
use model::{Resources, Universe};

/// What an administrator says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Whether a run that wants more memory than its slot has is killed by the kernel
    /// (`CGROUP_MEMORY_LIMIT_POLICY = hard`).
    pub memory: bool,
    /// How many processes and threads a run may have (`MAX_PROCESSES_PER_JOB`).
    pub processes: Option<u64>,
    /// In the place of which folders a run has its own (`MOUNT_UNDER_SCRATCH`).
    pub private: Vec<PathBuf>,
}

/// What can be had on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Can {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
    pub(crate) cpus: bool,
    pub(crate) private: bool,
}

impl Can {
    pub(crate) fn of(welcome: &Welcome) -> Self {
        Self {
            memory: welcome.memory_max,
            processes: welcome.pids_max,
            cpus: welcome.cpu_weight,
            private: welcome.private,
        }
    }
}

/// The weight of one processor, which is the kernel's for whoever has none, and the largest.
const WEIGHT_OF_ONE: u32 = 100;
const WEIGHT_MAX: u32 = 10_000;

impl Bounds {
    /// What is wanted and cannot be had, as a sentence; nothing if all can.
    pub(crate) fn missing(&self, can: Can) -> Option<String> {
        let wanted = [
            (self.memory && !can.memory, "memory"),
            (self.processes.is_some() && !can.processes, "numbers of processes"),
            (self.memory && !can.cpus, "processors by weight"),
            (
                !self.private.is_empty() && !can.private,
                "folders of a run's own (MOUNT_UNDER_SCRATCH)",
            ),
        ];
        let missing: Vec<&str> =
            wanted.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| what).collect();
        (!missing.is_empty())
            .then(|| format!("not seen to on this machine: {}", missing.join(", ")))
    }

    /// Adds to how a run is started what it may have.
    pub(crate) fn set(
        &self,
        start: &mut Start,
        (universe, resources): (Universe, &Resources),
        scratch: &Path,
        can: Can,
    ) {
        if can.processes {
            start.limits.pids_max = self.processes;
        }
        // Beside its schedd a job has no slot, and no part of the machine; and it works on files
        // with what is outside, as a workflow with its nodes: HTCondor gives it no folders either.
        if universe.is_beside() {
            return;
        }
        if can.private {
            start.private = self.private(start, scratch);
        }
        if can.memory && self.memory {
            let bytes = resources.memory_mib.saturating_mul(1 << 20);
            start.limits.memory_max_bytes = Some(bytes).filter(|bytes| *bytes > 0);
        }
        if can.cpus {
            let weight = resources.cpus.max(1).saturating_mul(WEIGHT_OF_ONE);
            start.limits.cpu_weight = Some(weight.min(WEIGHT_MAX));
        }
    }

    /// The folders that are its own. One in which it has something of its own, its program or the
    /// files that it begins with, stays as it is: it would not find them.
    fn private(&self, start: &Start, scratch: &Path) -> Vec<Private> {
        let cwd = start.cwd.as_path();
        let file = |stdio: &Stdio| match stdio {
            Stdio::Path { path, .. } => Some(cwd.join(path.as_path())),
            Stdio::Null | Stdio::SameAsStdout => None,
        };
        let files = [&start.stdin, &start.stdout, &start.stderr].into_iter().filter_map(file);
        let own = [scratch.to_owned(), cwd.to_owned(), cwd.join(start.program.as_path())];
        let own: Vec<PathBuf> = own.into_iter().chain(files).collect();
        let is_free = |folder: &&PathBuf| !own.iter().any(|path| path.starts_with(folder));
        let folders = self.private.iter().filter(is_free);
        folders
            .map(|folder| Private {
                folder: OsBytes::from(scratch.join(name_of(folder)).as_path()),
                instead_of: OsBytes::from(folder.as_path()),
            })
            .collect()
    }
}

/// What such a folder is called in the scratch folder: `.own_tmp`, `.own_var_tmp`, which no job
/// brings along.
fn name_of(folder: &Path) -> String {
    format!(".own_{}", folder.to_string_lossy().trim_matches('/').replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use launcher::wire::{Limits, RunKey, WriteMode};

    use super::*;

    const ALL: Can = Can { memory: true, processes: true, cpus: true, private: true };

    fn start(cwd: &str, stdout: &str) -> Start {
        let (path, write) = (OsBytes::from(stdout), WriteMode::Truncate);
        Start {
            run_key: RunKey::try_from("1.0-1").unwrap(),
            program: OsBytes::from("/bin/true"),
            argv: Vec::new(),
            env: Vec::new(),
            cwd: OsBytes::from(cwd),
            stdin: Stdio::Null,
            stdout: Stdio::Path { path, write, create_mode: 0o644 },
            stderr: Stdio::SameAsStdout,
            uid: 1001,
            gid: 1001,
            umask: 0o022,
            limits: Limits::default(),
            kill_grace_ms: 0,
            lease_until_boot_ms: 0,
            before: None,
            after: None,
            beside: None,
            stop_at_exec: false,
            private: Vec::new(),
        }
    }

    fn bounds() -> Bounds {
        let private = ["/tmp", "/var/tmp"].map(PathBuf::from).to_vec();
        Bounds { memory: true, processes: Some(4096), private }
    }

    #[test]
    fn a_run_has_what_its_slot_has_as_far_as_the_machine_can_see_to_it() {
        let resources = Resources { cpus: 4, memory_mib: 64, ..Resources::default() };
        let vanilla = Universe::default();
        let (memory, processes, weight) = (Some(64 << 20), Some(4096), Some(400));
        let nothing = (None, None, None);
        let without = Can { memory: false, ..ALL };
        for (universe, bounds, can, expected) in [
            (vanilla, bounds(), ALL, (memory, processes, weight)),
            (vanilla, bounds(), without, (None, processes, weight)),
            (vanilla, bounds(), Can::default(), nothing),
            (vanilla, Bounds::default(), ALL, (None, None, weight)),
            (Universe::Local, bounds(), ALL, (None, processes, None)),
        ] {
            let mut start = start("/scratch", "out");
            bounds.set(&mut start, (universe, &resources), Path::new("/scratch"), can);
            let Limits { memory_max_bytes, pids_max, cpu_weight, .. } = start.limits;
            assert_eq!((memory_max_bytes, pids_max, cpu_weight), expected, "{universe:?} {can:?}");
            let has_own = can.private && !bounds.private.is_empty() && !universe.is_beside();
            assert_eq!(!start.private.is_empty(), has_own, "{universe:?} {can:?}");
        }
    }

    #[test]
    fn a_run_has_folders_of_its_own_but_where_its_own_files_are() {
        let check = |scratch: &str, cwd: &str, stdout: &str, expected: &[(&str, &str)]| {
            let mut start = start(cwd, stdout);
            let slot = (Universe::default(), &Resources::default());
            bounds().set(&mut start, slot, Path::new(scratch), ALL);
            let found = start.private.iter().map(|Private { folder, instead_of }| {
                (folder.as_path().to_str().unwrap(), instead_of.as_path().to_str().unwrap())
            });
            assert!(found.eq(expected.iter().copied()), "{scratch} {cwd} {stdout}");
        };
        let both = [("/e/dir/.own_tmp", "/tmp"), ("/e/dir/.own_var_tmp", "/var/tmp")];
        check("/e/dir", "/e/dir", "out", &both);
        check("/e/dir", "/home/ann", "/tmpfiles/out", &both);
        check("/e/dir", "/home/ann", "/tmp/out", &both[1..]);
        check("/e/dir", "/tmp/work", "/dev/null", &both[1..]);
        check("/var/tmp/e", "/home/ann", "out", &[("/var/tmp/e/.own_tmp", "/tmp")]);
    }

    #[test]
    fn what_is_wanted_and_cannot_be_had_is_said() {
        assert_eq!(bounds().missing(ALL), None);
        assert_eq!(Bounds::default().missing(Can::default()), None);
        let said = bounds().missing(Can { private: false, memory: false, ..ALL }).unwrap();
        assert!(said.contains("memory, folders of a run's own"), "{said}");
    }
}
