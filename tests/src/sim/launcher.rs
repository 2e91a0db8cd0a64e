//! What really runs on a machine: programs that exit, die, fail to start, or will not stop. It outlives the startd, as the
//! real launcher does, and dies with the machine.

use std::collections::BTreeMap;

use model::{Resources, RunEnd, RunId, StartFailure, StartStage, Timestamp, Usage};
use startd::core::{LauncherRun, LauncherState, RunKey};

use super::oracle::Reality;

#[derive(Clone, Debug, Default)]
pub(super) struct Launcher {
    pub(super) runs: BTreeMap<RunKey, Process>,
}

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) run: RunId,
    pub(super) uses: Resources,
    pub(super) lease_until_boot_ms: u64,
    /// Raised when its next moment is decided anew: older appointments are void.
    pub(super) appointment: u64,
    /// When it is to be killed, in true time: a later order can only make it sooner.
    pub(super) dies_ms: Option<u64>,
    pub(super) plan: Plan,
    pub(super) state: ProcessState,
}

/// What a program will do if it is left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) start_ms: u64,
    pub(super) run_ms: u64,
    pub(super) end: PlannedEnd,
    /// How it takes its kill signal.
    pub(super) obeys: Obeys,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PlannedEnd {
    NoStart(StartStage, i32),
    Exit(i32),
    Signal(i32),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Obeys {
    Dies,
    Exits(i32),
    Ignores,
}

#[derive(Clone, Debug)]
pub(super) enum ProcessState {
    Starting,
    Executing { at: Timestamp },
    Ended(RunEnd, Usage),
}

impl Process {
    pub(super) fn is_over(&self) -> bool {
        match self.state {
            ProcessState::Ended(..) => true,
            ProcessState::Starting | ProcessState::Executing { .. } => false,
        }
    }

    /// Ends it; what the launcher will report, and what really happened.
    pub(super) fn end(&mut self, how: Reality, now: Timestamp) -> (RunEnd, Usage) {
        let end = match how {
            Reality::Exited(code) => RunEnd::Exited { code },
            Reality::Signaled(signal) => RunEnd::Signaled { signal, core: false },
        };
        let started = match self.state {
            ProcessState::Executing { at } => Some(at),
            ProcessState::Starting | ProcessState::Ended(..) => None,
        };
        let usage = Usage { user_us: 1000, started, ended: Some(now), ..Usage::default() };
        self.appointment += 1;
        self.state = ProcessState::Ended(end.clone(), usage);
        (end, usage)
    }

    /// It could not be started.
    pub(super) fn fail(&mut self, stage: StartStage, errno: i32) -> (RunEnd, Usage) {
        let failure = StartFailure { stage, path: "/bin/x".to_owned(), errno };
        let end = RunEnd::StartFailed(failure);
        self.appointment += 1;
        self.state = ProcessState::Ended(end.clone(), Usage::default());
        (end, Usage::default())
    }
}

impl Launcher {
    pub(super) fn list(&self) -> Vec<LauncherRun> {
        let state = |process: &Process| match &process.state {
            ProcessState::Starting => LauncherState::Starting,
            ProcessState::Executing { at } => {
                LauncherState::Executing { at: *at, scratch_dir: "/scratch".to_owned() }
            }
            ProcessState::Ended(end, usage) => LauncherState::Ended(end.clone(), *usage),
        };
        self.runs.iter().map(|(key, p)| LauncherRun { key: *key, state: state(p) }).collect()
    }
}
