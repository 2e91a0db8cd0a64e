//! One keeper: a fork of the launcher that starts one run at a time and is its processes'
//! subreaper.
//!
//! ```text
//!   idle --Run--> running -----last ended--------> leftovers --none left--> idle
//!                    |  `--Kill--> asked --ended--^   |                      ^
//!                    |               |                |                      |
//!                    `--lease over---'----grace over--'--> killing ----------'
//! ```
//!
//! A run may have a script before its program and one after it (`steps.rs`): each is *the current
//! process* in its turn, and all of this holds for it. What the script before leaves running stays
//! while the program runs; the script after begins when nothing is left, and if it says so also
//! where the run was asked to end: then it runs as if nobody had asked, however often, up to a
//! limit of its own. Between two of them a suspended run waits, without a process, until it may go
//! on.
//!
//! A keeper trusts the launcher's orders; who may give them was checked there. It outlives the
//! launcher: without one it goes on reaping and enforcing lease and grace, writes the end into the
//! run's file, and looks for a new launcher at `state_dir/keepers.sock`. An idle keeper without a
//! launcher ends.

mod run;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::setsid;
use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroups, RunCgroup};
use crate::child::{ProcessPlan, path_of_stage};
use crate::config::RunAs;
use crate::keeper::run::{Current, Due, Phase, Run, Sampled};
use crate::link::{FrameStream, LinkError, Reading};
use crate::record::{RecordEntry, Records};
use crate::steps::Steps;
use crate::sys::{self, ChildStack, Reaped, Rusage, SpawnError};
use crate::tree;
use crate::wire::{End, Outcome, RunKey, Stage, Start, Step, Usage};

/// The socket in the state directory where keepers find a new launcher.
pub(crate) const KEEPERS_SOCKET: &str = "keepers.sock";

/// How often a keeper whose launcher died looks for another: often enough that a restart is not
/// felt, and a few hundred keepers cost about a percent of a processor meanwhile.
const RECONNECT_MS: u16 = 100;

/// The farthest moment the timer is set to, some thirty years after boot: what means "never" must
/// not overflow a `timespec`.
const TIMER_MAX_MS: u64 = 1_000_000_000_000;

/// What the launcher tells a keeper. Orders about another run than the present one are late, and
/// dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum KeeperOrder {
    Run(Box<Start>),
    Signal { run_key: RunKey, signal: i32, whole_tree: bool },
    Kill { run_key: RunKey, signal: i32, grace_ms: u64 },
    Suspend { run_key: RunKey },
    Continue { run_key: RunKey },
    ExtendLease { run_key: RunKey, until_boot_ms: u64 },
    Usage { run_key: RunKey, token: u64 },
}

/// What a keeper tells the launcher. `Started` is repeated to a new launcher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Report {
    Started { run_key: RunKey, pid: u32, started_ms: u64, started_boot_ms: u64 },
    Ended { run_key: RunKey, end: End },
    Usage { token: u64, usage: Usage },
}

/// What a keeper knows of the launcher that forked it.
#[derive(Debug, Clone)]
pub(crate) struct KeeperContext {
    pub(crate) state_dir: PathBuf,
    pub(crate) records: Records,
    pub(crate) identity: RunAs,
    pub(crate) users_dir: Option<PathBuf>,
    pub(crate) cgroups: Option<Cgroups>,
    /// The limit that the launcher found, and its jobs have.
    pub(crate) descriptors: Descriptors,
}

/// How many files a process may have open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptors {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// Turns this freshly forked process into a keeper, until there is nothing to keep.
pub(crate) fn main(channel: UnixStream, context: &KeeperContext) -> ! {
    let kept = match Keeper::set_up(channel, context) {
        Ok(mut keeper) => keeper.keep(),
        Err(error) => Err(error),
    };
    // There is nobody to tell: our standard error is /dev/null. The launcher sees us end, and the
    // run as lost.
    sys::exit_now(i32::from(kept.is_err()))
}

struct Keeper {
    context: KeeperContext,
    link: Option<FrameStream>,
    state_dir: File,
    signals: SignalFd,
    timer: TimerFd,
    timer_at: Option<u64>,
    stack: ChildStack,
    /// What is read and not yet carried out.
    orders: VecDeque<KeeperOrder>,
    run: Option<Run>,
}

impl Keeper {
    fn set_up(channel: UnixStream, context: &KeeperContext) -> io::Result<Self> {
        let channel = OwnedFd::from(channel);
        sys::keep_only(&channel)?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
        sys::reset_signal_dispositions();
        setsid()?;
        prctl::set_child_subreaper(true)?;
        prctl::set_name(c"updraft-keeper")?;
        std::env::set_current_dir("/")?;
        let Descriptors { soft, hard } = context.descriptors;
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self {
            context: context.clone(),
            link: Some(FrameStream::new(UnixStream::from(channel))?),
            state_dir: File::open(&context.state_dir)?,
            signals: SignalFd::with_flags(
                &children,
                SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
            )?,
            timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?,
            timer_at: None,
            stack: ChildStack::map()?,
            orders: VecDeque::new(),
            run: None,
        })
    }

    fn keep(&mut self) -> io::Result<()> {
        while self.link.is_some() || self.run.is_some() {
            self.set_timer()?;
            let [link, children, time] = self.wait()?;
            if link {
                self.carry_out_orders();
            }
            if self.link.is_none() && self.run.is_some() {
                self.look_for_launcher();
            }
            if children {
                while self.signals.read_signal()?.is_some() {}
                self.reap();
            }
            if time {
                self.enforce_times(sys::boot_clock_ms());
            }
        }
        Ok(())
    }

    /// Waits until the launcher says something, a child ends or the timer fires: which of them.
    fn wait(&mut self) -> io::Result<[bool; 3]> {
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.link.as_ref().map(|link| PollFd::new(link.as_fd(), link.interest())));
        let alone = self.link.is_none();
        let timeout = if alone { PollTimeout::from(RECONNECT_MS) } else { PollTimeout::NONE };
        poll(&mut fds, timeout).or_else(unless(Errno::EINTR, 0))?;
        let ready = |index: usize| fds.get(index).is_some_and(|fd| fd.any().unwrap_or(true));
        let [children, time, link] = [ready(0), ready(1), ready(2)];
        if time {
            // Only empties it: the clock decides what is due.
            self.timer.wait().or_else(unless(Errno::EAGAIN, ()))?;
            self.timer_at = None;
        }
        Ok([link, children, time])
    }

    fn carry_out_orders(&mut self) {
        let mut new = Vec::new();
        let read = |link: &mut FrameStream| link.flush().and_then(|()| link.receive(&mut new));
        let reading = self.link.as_mut().map(read);
        self.orders.extend(new);
        // One by one: an order to start may have to know those behind it.
        while let Some(order) = self.orders.pop_front() {
            self.carry_out(order);
        }
        if !matches!(reading, Some(Ok(Reading::Open))) {
            self.link = None;
        }
    }

    fn carry_out(&mut self, order: KeeperOrder) {
        if let KeeperOrder::Run(start) = order {
            return self.start(start);
        }
        let Some(run) = &mut self.run else {
            return;
        };
        match order {
            KeeperOrder::Signal { run_key, signal, whole_tree } if run_key == run.key => {
                run.signal(signal, whole_tree);
            }
            KeeperOrder::Kill { run_key, signal, grace_ms } if run_key == run.key => {
                run.ask_to_end(signal, grace_ms, sys::boot_clock_ms());
                self.go_on_if_waiting();
            }
            KeeperOrder::Suspend { run_key } if run_key == run.key => run.suspend(),
            KeeperOrder::Continue { run_key } if run_key == run.key => {
                run.wake(sys::boot_clock_ms());
                self.go_on_if_waiting();
            }
            KeeperOrder::ExtendLease { run_key, until_boot_ms } if run_key == run.key => {
                run.lease_until_boot_ms = until_boot_ms;
            }
            KeeperOrder::Usage { run_key, token } if run_key == run.key => {
                let usage = run.usage_now(sys::boot_clock_ms());
                self.report(&Report::Usage { token, usage });
            }
            KeeperOrder::Run(_)
            | KeeperOrder::Signal { .. }
            | KeeperOrder::Kill { .. }
            | KeeperOrder::Suspend { .. }
            | KeeperOrder::Continue { .. }
            | KeeperOrder::ExtendLease { .. }
            | KeeperOrder::Usage { .. } => {}
        }
    }

    /// Starts the run; one that cannot be started ends at once.
    fn start(&mut self, start: Box<Start>) {
        let Ok(file) = self.context.records.open_run(&start.run_key) else {
            // Without its file the run's end could not outlive us: leave, so that the launcher
            // counts it as lost.
            sys::exit_now(1);
        };
        let cgroup = self.context.cgroups.as_ref().map(|cgroups| cgroups.of_run(&start.run_key));
        let run = Run {
            key: start.run_key.clone(),
            file,
            cgroup,
            kill_grace_ms: start.kill_grace_ms,
            lease_until_boot_ms: start.lease_until_boot_ms,
            steps: Steps::new(start),
            current: Current::Gone,
            suspended: false,
            phase: Phase::Running,
            killed_by: None,
            at_once: false,
            main: None,
            started_boot_ms: 0,
            main_ended_ms: None,
            reaped: Rusage { user_us: 0, sys_us: 0, max_rss_kib: 0 },
            sampled: Sampled::default(),
        };
        self.take_turn(run);
    }

    /// Starts the program whose turn it is.
    fn take_turn(&mut self, mut run: Run) {
        let before_boot_ms = sys::boot_clock_ms();
        if before_boot_ms >= run.lease_until_boot_ms {
            // An order that is read late, or a script that ended while the machine slept: somebody
            // else may have the job by now.
            run.lease_is_over();
            self.run = Some(run);
            self.reap();
            return;
        }
        let step = run.steps.current();
        if matches!(step, Step::Main) || run.started_boot_ms == 0 {
            run.started_boot_ms = before_boot_ms;
        }
        run.phase = run.phase_of_turn(before_boot_ms);
        match self.spawn_current(&run) {
            Ok(pid) if !tree::has_executed(|| tree::process(pid)) => {
                run.current = Current::Alive { pid };
                self.run = Some(run);
                self.killed_before_it_executed();
            }
            Ok(pid) => {
                run.current = Current::Alive { pid };
                let entry = run.entry(pid, before_boot_ms);
                // Should the disk be full, the end is still told while a launcher listens.
                let _ = run.file.append(&entry);
                if matches!(step, Step::Main) {
                    self.start_companion(&mut run, pid);
                }
                self.run = Some(run);
                if matches!(step, Step::Main) {
                    self.report_started();
                }
            }
            Err(outcome) => {
                run.steps.ended(outcome, run.killed_by);
                self.run = Some(run);
                self.reap();
            }
        }
    }

    /// The process whose turn it is was killed before it was the program. An order to end the run
    /// says why, if there is one: it was written before the kill, so it is here, and waits only
    /// because the start held us up. Otherwise a stranger did it, and the start has failed.
    fn killed_before_it_executed(&mut self) {
        self.carry_out_orders();
        self.enforce_times(sys::boot_clock_ms());
        let Some(run) = &mut self.run else {
            return;
        };
        if run.killed_by.is_none() {
            run.start_killed();
        }
        self.reap();
    }

    fn spawn_current(&mut self, run: &Run) -> Result<u32, Outcome> {
        self.execute(&run.steps.process(), run.cgroup.as_ref())
    }

    /// Starts what is to run beside the main process. Without it the run is not what was asked for.
    fn start_companion(&mut self, run: &mut Run, main_pid: u32) {
        let Some(companion) = run.steps.companion(main_pid) else {
            return;
        };
        let started_boot_ms = sys::boot_clock_ms();
        match self.execute(&companion, run.cgroup.as_ref()) {
            Ok(pid) => {
                let _ = run.file.append(&RecordEntry::Script { pid, started_boot_ms });
            }
            Err(outcome) => {
                run.steps.companion_failed(outcome);
                run.kill_all(sys::boot_clock_ms());
            }
        }
    }

    fn execute(&mut self, process: &Start, cgroup: Option<&RunCgroup>) -> Result<u32, Outcome> {
        self.spawn(process, cgroup).map_err(|SpawnError { stage, errno }| {
            let path = path_of_stage(process, stage);
            Outcome::StartFailed { stage, path, errno }
        })
    }

    /// A run between two programs has no process whose end would wake us.
    fn go_on_if_waiting(&mut self) {
        if self.run.as_ref().is_some_and(|run| matches!(run.current, Current::Gone)) {
            self.reap();
        }
    }

    fn spawn(&mut self, start: &Start, cgroup: Option<&RunCgroup>) -> Result<u32, SpawnError> {
        let procs = cgroup
            .map(|cgroup| cgroup.make(&start.limits).and_then(|()| cgroup.open_procs()))
            .transpose()
            .map_err(|error| SpawnError::at(Stage::Cgroup, &error))?;
        let plan = ProcessPlan::new(start, self.context.identity, procs)?;
        plan.user.iter().try_for_each(|user| user.has_a_directory(&self.context.users_dir))?;
        sys::spawn(&plan, &mut self.stack)
    }

    /// Collects what has ended. The next program gets its turn, or, if there is none and nothing is
    /// left, the run is over.
    fn reap(&mut self) {
        let nothing_left = loop {
            match sys::reap() {
                Reaped::Child { pid, status, rusage } => {
                    if let Some(run) = &mut self.run {
                        run.count(pid, status, rusage);
                    }
                }
                Reaped::NoneEnded => break false,
                Reaped::NoChildren => break true,
            }
        };
        let now = sys::boot_clock_ms();
        let Some(run) = &mut self.run else {
            return;
        };
        match run.next() {
            Some(Step::Before | Step::Main | Step::Beside) if run.suspended => {}
            Some(Step::After) if nothing_left && run.suspended => {}
            Some(step @ (Step::Before | Step::Main | Step::Beside)) => self.turn_to(step),
            Some(step @ Step::After) if nothing_left => self.turn_to(step),
            None if nothing_left => self.finish(),
            Some(Step::After) | None => match run.phase {
                Phase::Running | Phase::Finishing { .. } | Phase::Asked { .. } => {
                    run.ask_leftovers_to_end(now);
                }
                Phase::Leftovers { .. } => {}
                Phase::Killing { .. } => run.kill_all(now),
            },
        }
    }

    fn turn_to(&mut self, step: Step) {
        if let Some(mut run) = self.run.take() {
            run.steps.turn_to(step);
            self.take_turn(run);
        }
    }

    fn finish(&mut self) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        let end = run.end(sys::boot_clock_ms());
        if let Some(cgroup) = &run.cgroup {
            // What somebody has started beside the job is no descendant of this process, and must
            // not outlive the run: its slot is the next one's.
            if !cgroup.is_empty() {
                let _ = cgroup.kill();
            }
            // An empty cgroup that stays behind harms nobody.
            let _ = cgroup.remove();
        }
        let _ = run.file.append(&RecordEntry::Ended(end.clone()));
        self.report(&Report::Ended { run_key: run.key, end });
    }

    fn enforce_times(&mut self, now: u64) {
        let Some(run) = &mut self.run else {
            return;
        };
        if run.deadline() > now {
            return;
        }
        let is_over = matches!(run.current, Current::Gone) && run.next().is_none();
        if run.lease_until_boot_ms <= now {
            if !is_over {
                run.lease_is_over();
            }
            run.kill_all(now);
        } else if let Phase::Finishing { limit: Some(Due { grace_ms, .. }) } = run.phase {
            run.asked(libc::SIGTERM, grace_ms, now);
        } else {
            run.kill_all(now);
        }
        self.go_on_if_waiting();
    }

    /// Sets the timer to the run's next deadline. A timer that is set too early is left: firing for
    /// nothing once a lease costs less than setting it for every run.
    fn set_timer(&mut self) -> io::Result<()> {
        let Some(deadline) = self.run.as_ref().map(Run::deadline) else {
            return Ok(());
        };
        if self.timer_at.is_none_or(|at| deadline < at) {
            // Zero would switch the timer off.
            let at = i64::try_from(deadline.clamp(1, TIMER_MAX_MS)).unwrap_or(i64::MAX);
            let at = TimeSpec::milliseconds(at);
            self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            self.timer_at = Some(deadline);
        }
        Ok(())
    }

    fn report_started(&mut self) {
        let Some(Run { key, main: Some(main), started_boot_ms, .. }) = &self.run else {
            return;
        };
        let report = Report::Started {
            run_key: key.clone(),
            pid: main.pid,
            started_ms: main.started_ms,
            started_boot_ms: *started_boot_ms,
        };
        self.report(&report);
    }

    /// Tells the launcher, if there is one.
    fn report(&mut self, report: &Report) {
        if let Some(link) = &mut self.link
            && link.queue(report).and_then(|()| link.flush()).is_err()
        {
            self.link = None;
        }
    }

    /// Connects to a new launcher without ever waiting for it.
    fn look_for_launcher(&mut self) {
        if let Ok(link) = connect(&self.state_dir) {
            self.link = Some(link);
            self.report_started();
        }
    }
}

/// Turns one error into a success.
fn unless<T>(harmless: Errno, value: T) -> impl FnOnce(Errno) -> Result<T, Errno> {
    move |error| if error == harmless { Ok(value) } else { Err(error) }
}

fn connect(state_dir: &File) -> Result<FrameStream, LinkError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(io::Error::from)?;
    // Through the open directory: a socket's path may be 107 bytes at most, a state directory's is
    // the user's choice.
    let path = format!("/proc/self/fd/{}/{KEEPERS_SOCKET}", state_dir.as_raw_fd());
    let address = UnixAddr::new(path.as_str()).map_err(io::Error::from)?;
    socket::connect(stream.as_raw_fd(), &address).map_err(io::Error::from)?;
    Ok(FrameStream::new(UnixStream::from(stream))?)
}
