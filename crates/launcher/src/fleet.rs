//! The keepers: forking them, using them again, finding those of a launcher before us, and noticing
//! when one dies.
//!
//! A keeper that we forked is our child: its end comes as SIGCHLD. One that an earlier launcher
//! forked is not: a pidfd tells, and it is not used again, because what it would leave behind if
//! killed would not become ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::PollFlags;

use crate::keeper::{self, KeeperContext, KeeperOrder, Report};
use crate::link::{FrameStream, LinkError, Reading};
use crate::record::ProcessId;
use crate::sys::{self, Fork};
use crate::tree;
use crate::wire::RunKey;

/// The most keepers that wait for a run. Each costs a process and some 200 KiB; forking one costs
/// about a quarter of a start.
const IDLE_MAX: usize = 64;

/// The most orders that wait for an adopted keeper to find us, which takes it a tenth of a second.
const WAITING_MAX: usize = 1024;

/// Every keeper that is alive, as far as we know, by its pid.
pub(crate) struct Fleet {
    context: KeeperContext,
    keepers: BTreeMap<u32, Keeper>,
    idle: Vec<u32>,
}

struct Keeper {
    id: ProcessId,
    channel: Channel,
    run: Option<RunKey>,
    /// Readable once an adopted keeper has ended.
    adopted: Option<OwnedFd>,
}

enum Channel {
    Open(FrameStream),
    /// Orders for an adopted keeper that has not found us yet.
    Waiting(Vec<KeeperOrder>),
    /// Its end is near: SIGCHLD or the pidfd tells it.
    Closed,
}

/// Something of the fleet to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Channel { pid: u32 },
    Death { pid: u32 },
}

impl Fleet {
    pub(crate) fn new(context: KeeperContext) -> Self {
        Self { context, keepers: BTreeMap::new(), idle: Vec::new() }
    }

    /// A keeper for a run, which it is not told of yet.
    pub(crate) fn engage(&mut self, run_key: &RunKey) -> io::Result<ProcessId> {
        let pid = match self.idle.pop() {
            Some(pid) => pid,
            None => self.fork()?,
        };
        let keeper = self.keepers.get_mut(&pid).expect("an idle keeper is in the fleet");
        keeper.run = Some(run_key.clone());
        Ok(keeper.id)
    }

    fn fork(&mut self) -> io::Result<u32> {
        let (ours, theirs) = UnixStream::pair()?;
        let link = FrameStream::new(ours)?;
        match sys::fork()? {
            Fork::Child => keeper::main(theirs, &self.context),
            Fork::Parent { child_pid: pid } => {
                let started = tree::process(pid)
                    .ok_or_else(|| io::Error::other("a keeper ended as soon as it was forked"))?;
                let (id, channel) = (started.id, Channel::Open(link));
                self.keepers.insert(pid, Keeper { id, channel, run: None, adopted: None });
                Ok(pid)
            }
        }
    }

    /// Takes over a keeper of an earlier launcher, if it is still alive; says whether it is.
    ///
    /// # Errors
    ///
    /// If that cannot be found out. Its run is then as alive as ever: taking it for dead would kill
    /// it.
    pub(crate) fn adopt(&mut self, id: ProcessId, run_key: &RunKey) -> io::Result<bool> {
        let pidfd = match sys::pidfd_open(id.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
            // No process has such a number.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(false),
            Err(error) => return Err(error),
        };
        // Compared after opening: the pidfd and `/proc` then mean the same process.
        if tree::process(id.pid).is_none_or(|process| process.id != id || process.zombie) {
            return Ok(false);
        }
        let keeper = Keeper {
            id,
            channel: Channel::Waiting(Vec::new()),
            run: Some(run_key.clone()),
            adopted: Some(pidfd),
        };
        self.keepers.insert(id.pid, keeper);
        Ok(true)
    }

    /// An adopted keeper has found us. A stranger's stream is dropped.
    pub(crate) fn attach(&mut self, pid: u32, stream: UnixStream) {
        let Some(keeper) = self.keepers.get_mut(&pid) else {
            return;
        };
        let Ok(mut link) = FrameStream::new(stream) else {
            return;
        };
        match &keeper.channel {
            Channel::Open(_) => return,
            Channel::Waiting(orders) if orders.iter().any(|order| link.queue(order).is_err()) => {
                return;
            }
            Channel::Waiting(_) | Channel::Closed => {}
        }
        keeper.channel = Channel::Open(link);
    }

    /// Sends an order with the next [`Fleet::flush`]. An order to a keeper that is about to be
    /// found dead is dropped: its run is lost anyway.
    pub(crate) fn send(&mut self, pid: u32, order: KeeperOrder) -> Result<(), LinkError> {
        match self.keepers.get_mut(&pid).map(|keeper| &mut keeper.channel) {
            Some(Channel::Open(link)) => link.queue(&order),
            Some(Channel::Waiting(orders)) if orders.len() < WAITING_MAX => {
                orders.push(order);
                Ok(())
            }
            Some(Channel::Waiting(orders)) => Err(LinkError::Behind { unsent: orders.len() }),
            Some(Channel::Closed) | None => Ok(()),
        }
    }

    /// Sends what was queued. A broken stream is noticed when it is read.
    pub(crate) fn flush(&mut self) {
        for keeper in self.keepers.values_mut() {
            if let Channel::Open(link) = &mut keeper.channel {
                let _ = link.flush();
            }
        }
    }

    /// What a keeper has reported since the last time.
    pub(crate) fn receive(&mut self, pid: u32) -> Vec<Report> {
        let mut reports = Vec::new();
        if let Some(keeper) = self.keepers.get_mut(&pid)
            && let Channel::Open(link) = &mut keeper.channel
            && !matches!(link.receive(&mut reports), Ok(Reading::Open))
        {
            keeper.channel = Channel::Closed;
        }
        reports
    }

    /// The keeper's run is over: it may have another, or is sent home.
    pub(crate) fn release(&mut self, pid: u32) {
        let Some(keeper) = self.keepers.get_mut(&pid) else {
            return;
        };
        keeper.run = None;
        if keeper.adopted.is_none()
            && matches!(keeper.channel, Channel::Open(_))
            && self.idle.len() < IDLE_MAX
        {
            self.idle.push(pid);
        } else {
            keeper.channel = Channel::Closed;
        }
    }

    /// Ends a keeper that has nothing to keep.
    pub(crate) fn dismiss(&mut self, pid: u32) {
        if let Some(keeper) = self.keepers.get_mut(&pid) {
            keeper.channel = Channel::Closed;
        }
    }

    /// A process has ended; if it was a keeper it is forgotten, and its last reports and the run
    /// that it had are returned.
    pub(crate) fn bury(&mut self, pid: u32) -> (Vec<Report>, Option<RunKey>) {
        let reports = self.receive(pid);
        self.idle.retain(|idle| *idle != pid);
        (reports, self.keepers.remove(&pid).and_then(|keeper| keeper.run))
    }

    /// Everything to poll.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (Watched, BorrowedFd<'_>, PollFlags)> {
        self.keepers.iter().flat_map(|(&pid, keeper)| {
            let channel = match &keeper.channel {
                Channel::Open(link) => {
                    Some((Watched::Channel { pid }, link.as_fd(), link.interest()))
                }
                Channel::Waiting(_) | Channel::Closed => None,
            };
            let death = keeper
                .adopted
                .as_ref()
                .map(|pidfd| (Watched::Death { pid }, pidfd.as_fd(), PollFlags::POLLIN));
            channel.into_iter().chain(death)
        })
    }

    /// Descendants of this process that belong to no keeper: what killed keepers left behind.
    pub(crate) fn orphans(&self) -> Vec<ProcessId> {
        let mut kept: BTreeSet<u32> = self.keepers.keys().copied().collect();
        let mut orphans = Vec::new();
        // Parents come before their children.
        for process in tree::descendants(std::process::id()) {
            if kept.contains(&process.parent_pid) {
                kept.insert(process.id.pid);
            } else if !kept.contains(&process.id.pid) {
                orphans.push(process.id);
            }
        }
        orphans
    }
}
