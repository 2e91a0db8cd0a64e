//! Which runs exist and in which state, and what a client may ask of them.
//!
//! Every run that was accepted and is not forgotten is here and in the run files; the two agree
//! whenever a client is answered.

use std::collections::BTreeMap;
use std::io;

use crate::cgroup::Cgroups;
use crate::config::{RunAs, is_of_system};
use crate::keeper::Report;
use crate::record::{ProcessId, RecordEntry, Records};
use crate::sys;
use crate::tree::Mark;
use crate::wire::{
    End, Event, Limits, Outcome, Refusal, RunInfo, RunKey, RunState, Start, Stdio, Usage,
};

/// The most runs that may be known, ended ones included: their list must fit a frame, at less than
/// 500 bytes each. Reached only by a client that does not forget.
const KNOWN_MAX: usize = 16_384;

/// The largest signal number.
const SIGNAL_MAX: i32 = 64;

/// Every run that is not forgotten.
pub(crate) struct Runs {
    records: Records,
    boot_id: String,
    alive_max: usize,
    alive: usize,
    runs: BTreeMap<RunKey, Run>,
}

struct Run {
    uid: u32,
    /// Its keeper, while that is alive.
    keeper_pid: Option<u32>,
    /// Those of its programs that were started.
    sessions: Vec<ProcessId>,
    state: RunState,
}

/// What the run files say about a run's keeper, after a restart.
pub(crate) struct Orphaned {
    pub(crate) run_key: RunKey,
    pub(crate) keeper: ProcessId,
}

impl Runs {
    pub(crate) fn new(records: Records, boot_id: String, alive_max: usize) -> Self {
        Self { records, boot_id, alive_max, alive: 0, runs: BTreeMap::new() }
    }

    /// Reads the run files. Returned are the runs whose keeper may still be alive: each must be
    /// followed by [`Runs::adopted`] or [`Runs::keeper_died`].
    pub(crate) fn load(&mut self) -> io::Result<Vec<Orphaned>> {
        let mut orphaned = Vec::new();
        for run_key in self.records.keys()? {
            let entries = self.records.load(&run_key)?;
            let mut run =
                Run { uid: 0, keeper_pid: None, sessions: Vec::new(), state: RunState::Starting };
            let mut keeper_now = None;
            for entry in entries {
                match entry {
                    RecordEntry::Assigned { keeper, boot_id, uid } => {
                        run.uid = uid;
                        keeper_now = (boot_id == self.boot_id).then_some(keeper);
                    }
                    RecordEntry::Script { pid, started_boot_ms } => run.leads(pid, started_boot_ms),
                    RecordEntry::Started { pid, started_ms, started_boot_ms } => {
                        run.started(pid, started_ms, started_boot_ms);
                    }
                    RecordEntry::Ended(end) => run.state = RunState::Ended(end),
                }
            }
            let over = matches!(run.state, RunState::Ended(_));
            self.alive += 1;
            self.runs.insert(run_key.clone(), run);
            match keeper_now {
                _ if over => self.alive -= 1,
                Some(keeper) => orphaned.push(Orphaned { run_key, keeper }),
                None => self.lose_of_another_boot(&run_key),
            }
        }
        Ok(orphaned)
    }

    /// Of another boot, or of a file that was never written, nothing can be left. Where that cannot
    /// be written down (a full disk) it is tried again with the runs that are cleared away: no
    /// other run has to wait for it.
    fn lose_of_another_boot(&mut self, run_key: &RunKey) {
        if self.lose(run_key).is_err()
            && let Some(run) = self.runs.get_mut(run_key)
        {
            // Their numbers belong to others by now.
            run.sessions.clear();
            run.state = RunState::Clearing;
        }
    }

    pub(crate) fn adopted(&mut self, run_key: &RunKey, keeper_pid: u32) {
        if let Some(run) = self.runs.get_mut(run_key) {
            run.keeper_pid = Some(keeper_pid);
        }
    }

    /// Whether a run may be started; nothing is changed.
    pub(crate) fn check(
        &self,
        start: &Start,
        identity: RunAs,
        cgroups: Option<&Cgroups>,
        may_be_private: bool,
    ) -> Result<(), Refusal> {
        if self.runs.contains_key(&start.run_key) {
            return Err(Refusal::Duplicate(start.run_key.clone()));
        }
        if self.alive >= self.alive_max {
            return Err(Refusal::TooManyRuns(self.alive));
        }
        if self.runs.len() >= KNOWN_MAX {
            return Err(Refusal::Failed {
                attempt: "remember another run".to_owned(),
                why: format!("{KNOWN_MAX} are known: forget those whose end is recorded"),
            });
        }
        check_identity(start, identity)?;
        check_values(start, cgroups, may_be_private)
    }

    /// Writes down that this keeper is to have the run: after this it can be told.
    pub(crate) fn assign(&mut self, start: &Start, keeper: ProcessId) -> io::Result<()> {
        let boot_id = self.boot_id.clone();
        let entry = RecordEntry::Assigned { keeper, boot_id, uid: start.uid };
        self.records.create(&start.run_key, &entry)?;
        let run = Run {
            uid: start.uid,
            keeper_pid: Some(keeper.pid),
            sessions: Vec::new(),
            state: RunState::Starting,
        };
        self.runs.insert(start.run_key.clone(), run);
        self.alive += 1;
        Ok(())
    }

    /// The keeper of a run that is alive.
    pub(crate) fn keeper_of(&self, run_key: &RunKey) -> Result<u32, Refusal> {
        let run = self.get(run_key)?;
        match (&run.state, run.keeper_pid) {
            (RunState::Starting | RunState::Running { .. }, Some(pid)) => Ok(pid),
            (RunState::Starting | RunState::Running { .. }, None)
            | (RunState::Clearing | RunState::Ended(_), _) => Err(Refusal::Ended(run_key.clone())),
        }
    }

    /// Whether the program is not known to execute yet.
    pub(crate) fn is_starting(&self, run_key: &RunKey) -> bool {
        matches!(self.get(run_key), Ok(Run { state: RunState::Starting, .. }))
    }

    /// The keys of all runs that have a keeper.
    pub(crate) fn alive(&self) -> Vec<RunKey> {
        let keys = self.runs.keys();
        keys.filter(|run_key| self.keeper_of(run_key).is_ok()).cloned().collect()
    }

    /// What an ended run used.
    pub(crate) fn final_usage(&self, run_key: &RunKey) -> Result<Option<Usage>, Refusal> {
        Ok(match &self.get(run_key)?.state {
            RunState::Ended(end) => Some(end.usage),
            RunState::Starting | RunState::Running { .. } | RunState::Clearing => None,
        })
    }

    /// Takes a keeper's report; what clients must be told of it. A repeated report changes nothing.
    pub(crate) fn report(&mut self, report: Report) -> Option<Event> {
        match report {
            Report::Started { run_key, pid, started_ms, started_boot_ms } => {
                let run = self.runs.get_mut(&run_key)?;
                if !matches!(run.state, RunState::Starting) {
                    return None;
                }
                run.started(pid, started_ms, started_boot_ms);
                Some(Event::Started { run_key, pid, started_ms })
            }
            Report::Ended { run_key, end } => self.end(&run_key, end),
            Report::Usage { .. } => None,
        }
    }

    /// The keeper of a run is gone. If it wrote the end down before, that is the end; otherwise
    /// what is left must be killed.
    pub(crate) fn keeper_died(&mut self, run_key: &RunKey) -> io::Result<Option<Event>> {
        for entry in self.records.load(run_key)? {
            match entry {
                RecordEntry::Ended(end) => return Ok(self.end(run_key, end)),
                RecordEntry::Started { pid, started_ms, started_boot_ms } => {
                    if let Some(run) = self.runs.get_mut(run_key) {
                        run.started(pid, started_ms, started_boot_ms);
                    }
                }
                RecordEntry::Script { pid, started_boot_ms } => {
                    if let Some(run) = self.runs.get_mut(run_key) {
                        run.leads(pid, started_boot_ms);
                    }
                }
                RecordEntry::Assigned { .. } => {}
            }
        }
        if let Some(run) = self.runs.get_mut(run_key)
            && !matches!(run.state, RunState::Ended(_))
        {
            run.keeper_pid = None;
            run.state = RunState::Clearing;
        }
        Ok(None)
    }

    /// The runs of which something may be left without a keeper, and how to recognise it.
    pub(crate) fn clearing(&self) -> Vec<Mark<'_>> {
        let runs = self.runs.iter();
        runs.filter(|(_, run)| matches!(run.state, RunState::Clearing))
            .map(|(key, run)| Mark { key, uid: run.uid, sessions: &run.sessions })
            .collect()
    }

    /// Nothing is left of a run whose end is not known.
    pub(crate) fn lose(&mut self, run_key: &RunKey) -> io::Result<Option<Event>> {
        let end = End {
            outcome: Outcome::Lost,
            failed: None,
            killed_by: None,
            usage: Usage::default(),
            started_ms: None,
            ended_ms: sys::wall_clock_ms(),
            out_of_memory: false,
        };
        self.records.open_run(run_key)?.append(&RecordEntry::Ended(end.clone()))?;
        Ok(self.end(run_key, end))
    }

    fn end(&mut self, run_key: &RunKey, end: End) -> Option<Event> {
        let run = self.runs.get_mut(run_key)?;
        if let RunState::Ended(_) = run.state {
            return None;
        }
        run.keeper_pid = None;
        run.state = RunState::Ended(end.clone());
        self.alive -= 1;
        Some(Event::Ended { run_key: run_key.clone(), end })
    }

    /// Removes ended runs. None is removed if one of them is alive.
    pub(crate) fn forget(&mut self, run_keys: &[RunKey]) -> Result<(), Refusal> {
        for run_key in run_keys {
            match self.runs.get(run_key).map(|run| &run.state) {
                Some(RunState::Ended(_)) | None => {}
                Some(RunState::Starting | RunState::Running { .. } | RunState::Clearing) => {
                    return Err(Refusal::Alive(run_key.clone()));
                }
            }
        }
        for run_key in run_keys {
            self.records.remove(run_key).map_err(|error| Refusal::Failed {
                attempt: format!("remove the file of run {run_key}"),
                why: error.to_string(),
            })?;
            self.runs.remove(run_key);
        }
        Ok(())
    }

    pub(crate) fn list(&self) -> Vec<RunInfo> {
        self.runs
            .iter()
            .map(|(key, run)| RunInfo { run_key: key.clone(), state: run.state.clone() })
            .collect()
    }

    fn get(&self, run_key: &RunKey) -> Result<&Run, Refusal> {
        self.runs.get(run_key).ok_or_else(|| Refusal::NoSuchRun(run_key.clone()))
    }
}

impl Run {
    fn started(&mut self, pid: u32, started_ms: u64, started_boot_ms: u64) {
        self.leads(pid, started_boot_ms);
        self.state = RunState::Running { pid, started_ms };
    }

    /// One of its programs is started, as the leader of a session.
    fn leads(&mut self, pid: u32, started_boot_ms: u64) {
        // The kernel counts in hundredths of a second for every reader; one less for rounding.
        let start_ticks = (started_boot_ms / 10).saturating_sub(1);
        let leader = ProcessId { pid, start_ticks };
        if !self.sessions.contains(&leader) {
            self.sessions.push(leader);
        }
    }
}

fn check_identity(start: &Start, identity: RunAs) -> Result<(), Refusal> {
    let (uid, gid) = (start.uid, start.gid);
    let refuse = |why: &str| Err(Refusal::Identity { uid, gid, why: why.to_owned() });
    match identity {
        RunAs::Own => {
            let own = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
            if (uid, gid) != own {
                return refuse("a personal pool runs everything as the user who started it");
            }
        }
        RunAs::Users { .. } if uid == 0 || gid == 0 => {
            return refuse("a shared pool never runs a job as root or in root's group");
        }
        RunAs::Users { client_uid, .. } if uid == client_uid => {
            return refuse("it is the pool's own user, whose processes speak for the pool");
        }
        RunAs::Users { uid_min, .. } if is_of_system(uid, uid_min) => {
            return refuse(&format!("uids below {uid_min} and those of services are the system's"));
        }
        RunAs::Users { .. } => {}
    }
    Ok(())
}

fn check_values(
    start: &Start,
    cgroups: Option<&Cgroups>,
    may_be_private: bool,
) -> Result<(), Refusal> {
    let Limits { rlimits: _, nice, memory_max_bytes, pids_max, cpu_weight } = &start.limits;
    let no_cgroup = "this machine offers no cgroup v2 with that controller to the launcher";
    let scripts = start.before.iter().chain(&start.after);
    let wrong = if start.argv.is_empty() {
        Some(("argv", "it must begin with the program's name"))
    } else if scripts.into_iter().any(|script| script.argv.is_empty()) {
        Some(("argv of a script", "it must begin with the program's name"))
    } else if start.beside.as_ref().is_some_and(|beside| beside.argv.is_empty()) {
        Some(("argv of a companion", "it must begin with the program's name"))
    } else if start.stdin == Stdio::SameAsStdout || start.stdout == Stdio::SameAsStdout {
        Some(("stdio", "only descriptor 2 can be the same as descriptor 1"))
    } else if start.umask > 0o777 {
        Some(("umask", "it has nine permission bits"))
    } else if nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
        Some(("nice", "it is -20 to 19"))
    } else if memory_max_bytes.is_some() && !cgroups.is_some_and(|cgroups| cgroups.memory) {
        Some(("memory_max_bytes", no_cgroup))
    } else if pids_max.is_some() && !cgroups.is_some_and(|cgroups| cgroups.pids) {
        Some(("pids_max", no_cgroup))
    } else if cpu_weight.is_some() && !cgroups.is_some_and(|cgroups| cgroups.cpu) {
        Some(("cpu_weight", no_cgroup))
    } else if cpu_weight.is_some_and(|weight| !(1..=10_000).contains(&weight)) {
        Some(("cpu_weight", "it is 1 to 10000"))
    } else if !start.private.is_empty() && !may_be_private {
        Some(("private", "this launcher can put nothing in the place of a folder"))
    } else if start.private.iter().any(|private| !private.is_absolute()) {
        Some(("private", "both paths begin with /"))
    } else {
        None
    };
    wrong.map_or(Ok(()), |(field, why)| {
        let run_key = start.run_key.clone();
        Err(Refusal::Invalid { run_key, field: field.to_owned(), why: why.to_owned() })
    })
}

/// Whether a number is a signal's.
pub(crate) fn check_signal(run_key: &RunKey, signal: i32) -> Result<(), Refusal> {
    if (1..=SIGNAL_MAX).contains(&signal) {
        return Ok(());
    }
    Err(Refusal::Invalid {
        run_key: run_key.clone(),
        field: "signal".to_owned(),
        why: format!("{signal} is not a signal's number, which is 1 to {SIGNAL_MAX}"),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_loss_that_cannot_be_written_down_keeps_no_launcher_from_starting() {
        let state = tempfile::tempdir().unwrap();
        let records = Records::open(state.path()).unwrap();
        // A file that can be neither read nor written, as on a full disk.
        symlink("/nowhere/at/all", state.path().join("runs/1.0-1")).unwrap();
        let mut runs = Runs::new(records, "now".to_owned(), 8);
        assert_eq!(runs.load().unwrap().len(), 0, "nobody is asked about it");
        let waiting: Vec<_> = runs.clearing().iter().map(|mark| mark.key.to_string()).collect();
        assert_eq!(waiting, ["1.0-1"], "it is tried again");

        std::fs::remove_file(state.path().join("runs/1.0-1")).unwrap();
        std::fs::write(state.path().join("runs/1.0-1"), []).unwrap();
        let run = RunKey::try_from("1.0-1").unwrap();
        assert!(runs.lose(&run).unwrap().is_some(), "when there is room it is told");
        assert_eq!(runs.clearing().len(), 0);
    }
}
