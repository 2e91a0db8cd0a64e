//! The run that a keeper keeps: what of it is alive, how far its end has come, and what is done to
//! its processes. Starts nothing, and knows nothing of the launcher.

use std::mem;

use nix::unistd::{SysconfVar, sysconf};

use crate::cgroup::RunCgroup;
use crate::child::path_of_stage;
use crate::record::{RecordEntry, RunFile};
use crate::steps::{Ending, Steps};
use crate::sys::{self, Rusage, Status};
use crate::tree;
use crate::wire::{End, KilledBy, Outcome, RunKey, Stage, Step, TimeLimit, Usage};

/// How often SIGKILL is repeated while processes are left: for those forked between the look at
/// `/proc` and the kill.
const KILL_AGAIN_MS: u64 = 50;

/// How often the tree is looked at in one go while killing; a process that cannot die must not keep
/// the keeper here.
const KILL_PASSES: usize = 16;

/// The run being kept.
pub(super) struct Run {
    pub(super) key: RunKey,
    pub(super) file: RunFile,
    pub(super) cgroup: Option<RunCgroup>,
    pub(super) steps: Steps,
    pub(super) current: Current,
    pub(super) suspended: bool,
    pub(super) phase: Phase,
    pub(super) killed_by: Option<KilledBy>,
    /// It was killed without a grace, or its lease is over: nothing of it begins any more.
    pub(super) at_once: bool,
    pub(super) kill_grace_ms: u64,
    pub(super) lease_until_boot_ms: u64,
    /// The main process, and when it began to execute, if it has.
    pub(super) main: Option<Main>,
    pub(super) started_boot_ms: u64,
    /// When the main process ended, if it has, in milliseconds of Unix time.
    pub(super) main_ended_ms: Option<u64>,
    /// Of everything reaped so far.
    pub(super) reaped: Rusage,
    pub(super) sampled: Sampled,
}

/// The most that was seen of living processes, KiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Sampled {
    pub(super) rss_kib: u64,
    pub(super) process_kib: u64,
    pub(super) vmem_kib: u64,
}

/// The process of the program whose turn it is. Its number is its own until we reap it.
#[derive(Clone, Copy)]
pub(super) enum Current {
    Alive { pid: u32 },
    Gone,
}

#[derive(Clone, Copy)]
pub(super) struct Main {
    pub(super) pid: u32,
    pub(super) started_ms: u64,
}

/// How far the run's end has come. Times are on the boot clock.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    Running,
    /// The script has its turn that has it whatever ends the run. Whoever asks is not heard.
    Finishing {
        limit: Option<Due>,
    },
    /// The current process was asked to end.
    Asked {
        kill_at: u64,
    },
    /// The current process has ended; the others were asked to.
    Leftovers {
        kill_at: u64,
    },
    Killing {
        again_at: u64,
    },
}

/// When a program has taken too long, and the grace that it has then.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) at: u64,
    pub(super) grace_ms: u64,
}

impl Run {
    /// When something must be done although nothing happens.
    pub(super) fn deadline(&self) -> u64 {
        match self.phase {
            Phase::Running => self.lease_until_boot_ms,
            // What stands still is not late.
            Phase::Finishing { .. } if self.suspended => self.lease_until_boot_ms,
            Phase::Finishing { limit } => {
                limit.map_or(u64::MAX, |due| due.at).min(self.lease_until_boot_ms)
            }
            Phase::Asked { kill_at } | Phase::Leftovers { kill_at } => {
                kill_at.min(self.lease_until_boot_ms)
            }
            Phase::Killing { again_at } => again_at,
        }
    }

    /// The phase of a run whose current program begins, or goes on, now.
    pub(super) fn phase_of_turn(&self, now: u64) -> Phase {
        match self.steps.finishing() {
            Some(script) => {
                let due = |TimeLimit { after_ms, grace_ms }| Due {
                    at: now.saturating_add(after_ms),
                    grace_ms,
                };
                Phase::Finishing { limit: script.limit.map(due) }
            }
            None => Phase::Running,
        }
    }

    pub(super) fn count(&mut self, pid: u32, status: Status, rusage: Rusage) {
        self.reaped.user_us += rusage.user_us;
        self.reaped.sys_us += rusage.sys_us;
        self.reaped.max_rss_kib = self.reaped.max_rss_kib.max(rusage.max_rss_kib);
        if matches!(self.current, Current::Alive { pid: current } if current == pid) {
            self.current = Current::Gone;
            if matches!(self.steps.current(), Step::Main) {
                self.main_ended_ms = Some(sys::wall_clock_ms());
            }
            let outcome = match status {
                Status::Exited { code } => Outcome::Exited { code },
                Status::Signaled { signal, core } => Outcome::Signaled { signal, core },
            };
            self.steps.ended(outcome, self.killed_by);
        }
    }

    /// The process whose turn it is never became its program, and nobody had asked for that.
    pub(super) fn start_killed(&mut self) {
        let (stage, errno) = (Stage::Exec, libc::EINTR);
        let path = path_of_stage(&self.steps.process(), stage);
        self.current = Current::Gone;
        self.steps.ended(Outcome::StartFailed { stage, path, errno }, None);
    }

    /// Whose turn is next; none while a program runs.
    pub(super) fn next(&self) -> Option<Step> {
        match self.current {
            Current::Alive { .. } => None,
            Current::Gone => self.steps.next(self.ending()),
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self.killed_by {
            _ if self.at_once => Ending::AtOnce,
            Some(_) => Ending::Asked,
            None => Ending::No,
        }
    }

    pub(super) fn lease_is_over(&mut self) {
        self.killed_by.get_or_insert(KilledBy::Lease);
        self.at_once = true;
    }

    /// The program whose turn it is executes: what is written down of it.
    pub(super) fn entry(&mut self, pid: u32, started_boot_ms: u64) -> RecordEntry {
        match self.steps.current() {
            Step::Before | Step::Beside | Step::After => {
                RecordEntry::Script { pid, started_boot_ms }
            }
            Step::Main => {
                let started_ms = sys::wall_clock_ms();
                self.main = Some(Main { pid, started_ms });
                RecordEntry::Started { pid, started_ms, started_boot_ms }
            }
        }
    }

    pub(super) fn signal(&self, signal: i32, whole_tree: bool) {
        if whole_tree {
            self.signal_tree(signal);
        } else if let Current::Alive { pid } = self.current {
            // A process that has ended meanwhile is not reaped yet, so the number is still its own.
            let _ = sys::kill(pid, signal);
        }
    }

    pub(super) fn signal_tree(&self, signal: i32) {
        for process in tree::descendants(std::process::id()) {
            tree::signal(process.id, signal);
        }
    }

    pub(super) fn ask_to_end(&mut self, signal: i32, grace_ms: u64, now: u64) {
        if grace_ms > 0 && matches!(self.phase, Phase::Finishing { .. }) {
            return self.wake(now);
        }
        self.killed_by.get_or_insert(KilledBy::Request);
        self.at_once |= grace_ms == 0;
        self.asked(signal, grace_ms, now);
    }

    /// The current process gets a signal, and its grace from now on, if it has one.
    pub(super) fn asked(&mut self, signal: i32, grace_ms: u64, now: u64) {
        let soonest = now.saturating_add(grace_ms);
        match &mut self.phase {
            Phase::Killing { .. } => return,
            _ if grace_ms == 0 => return self.kill_all(now),
            Phase::Running | Phase::Finishing { .. } => {
                self.phase = Phase::Asked { kill_at: soonest };
            }
            Phase::Asked { kill_at } | Phase::Leftovers { kill_at } => {
                *kill_at = soonest.min(*kill_at);
            }
        }
        self.signal(signal, false);
        self.wake(now);
    }

    /// If the current process has ended, it left others behind.
    pub(super) fn ask_leftovers_to_end(&mut self, now: u64) {
        if let Current::Alive { .. } = self.current {
            return;
        }
        if self.kill_grace_ms == 0 {
            return self.kill_all(now);
        }
        let grace_over = now.saturating_add(self.kill_grace_ms);
        let kill_at = match self.phase {
            Phase::Asked { kill_at } => kill_at.min(grace_over),
            Phase::Running
            | Phase::Finishing { .. }
            | Phase::Leftovers { .. }
            | Phase::Killing { .. } => grace_over,
        };
        self.phase = Phase::Leftovers { kill_at };
        self.signal_tree(libc::SIGTERM);
        self.wake(now);
    }

    pub(super) fn suspend(&mut self) {
        self.suspended = true;
        if self.cgroup.as_ref().is_none_or(|cgroup| cgroup.freeze(true).is_err()) {
            self.signal_tree(libc::SIGSTOP);
        }
    }

    pub(super) fn wake(&mut self, now: u64) {
        if mem::take(&mut self.suspended) && matches!(self.phase, Phase::Finishing { .. }) {
            self.phase = self.phase_of_turn(now);
        }
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.freeze(false);
        }
        self.signal_tree(libc::SIGCONT);
    }

    /// Kills whatever there is, and looks again soon. The run's processes are exactly our
    /// descendants.
    pub(super) fn kill_all(&mut self, now: u64) {
        self.phase = Phase::Killing { again_at: now.saturating_add(KILL_AGAIN_MS) };
        if let Some(cgroup) = &self.cgroup {
            // What cannot be killed by cgroup is killed one by one below.
            let _ = cgroup.kill();
        }
        if let Current::Alive { pid } = self.current {
            // The whole process group at once, which no fork of its members escapes.
            let _ = sys::kill_group(pid, libc::SIGKILL);
        }
        for _ in 0..KILL_PASSES {
            let left = tree::descendants(std::process::id());
            if left.is_empty() {
                break;
            }
            for process in left {
                tree::signal(process.id, libc::SIGKILL);
            }
        }
    }

    pub(super) fn usage_now(&mut self, now: u64) -> Usage {
        let living = tree::descendants(std::process::id());
        self.sample(&living);
        let tick_us = 1_000_000 / system_value(SysconfVar::CLK_TCK, 100);
        let user_ticks: u64 = living.iter().map(|process| process.user_ticks).sum();
        let sys_ticks: u64 = living.iter().map(|process| process.sys_ticks).sum();
        self.usage(Usage {
            user_us: self.reaped.user_us + user_ticks * tick_us,
            sys_us: self.reaped.sys_us + sys_ticks * tick_us,
            wall_ms: now.saturating_sub(self.started_boot_ms),
            processes: u32::try_from(living.len()).unwrap_or(u32::MAX),
            program_ended_ms: self.main_ended_ms,
            ..Usage::default()
        })
    }

    pub(super) fn sample(&mut self, living: &[tree::Process]) {
        let page_kib = system_value(SysconfVar::PAGE_SIZE, 4096) / 1024;
        let pages = || living.iter().map(|process| process.rss_pages);
        let vmem: u64 = living.iter().map(|process| process.virtual_bytes / 1024).sum();
        let Sampled { rss_kib, process_kib, vmem_kib } = &mut self.sampled;
        *rss_kib = (*rss_kib).max(pages().sum::<u64>() * page_kib);
        *process_kib = (*process_kib).max(pages().max().unwrap_or(0) * page_kib);
        *vmem_kib = (*vmem_kib).max(vmem);
    }

    /// Completes what we counted; where there is a cgroup it knows better.
    pub(super) fn usage(&self, counted: Usage) -> Usage {
        let exact = self.cgroup.as_ref().map(RunCgroup::usage).unwrap_or_default();
        let peak = || self.reaped.max_rss_kib.max(self.sampled.rss_kib);
        Usage {
            user_us: exact.user_us.unwrap_or(counted.user_us),
            sys_us: exact.sys_us.unwrap_or(counted.sys_us),
            peak_rss_kib: exact.peak_kib.unwrap_or_else(peak),
            peak_process_kib: self.reaped.max_rss_kib.max(self.sampled.process_kib),
            peak_vmem_kib: self.sampled.vmem_kib,
            ..counted
        }
    }

    pub(super) fn end(&self, now: u64) -> End {
        let usage = self.usage(Usage {
            user_us: self.reaped.user_us,
            sys_us: self.reaped.sys_us,
            wall_ms: if self.main.is_some() { now.saturating_sub(self.started_boot_ms) } else { 0 },
            ..Usage::default()
        });
        self.steps.end(&End {
            outcome: Outcome::NotExecuted,
            failed: None,
            killed_by: self.killed_by,
            usage,
            started_ms: self.main.map(|main| main.started_ms),
            ended_ms: sys::wall_clock_ms(),
            out_of_memory: self.cgroup.as_ref().is_some_and(RunCgroup::ran_out_of_memory),
        })
    }
}

fn system_value(variable: SysconfVar, usual: u64) -> u64 {
    sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(usual)
}
