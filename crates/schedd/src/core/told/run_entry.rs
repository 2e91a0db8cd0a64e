//! What the entries about a run that is over tell: how it ended, and what it asked for, got and
//! used. Knows nothing of which entries are written, nor where.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::userlog::{
    Amount, CpuTimes, Ending, Evicted, EvictedHow, ResourceUsage, Terminated, UserLogEvent,
};
use model::{Devices, Now, ProgramEnd, Resources, RunEnd, Timestamp, Universe, Usage, attr};

use crate::core::job::description::env;
use crate::core::records::eviction::Eviction;
use crate::core::state::core::JobRef;

/// A run that is over, as a log entry tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndedRun {
    /// How it ended.
    pub(crate) end: RunEnd,
    /// What it used.
    pub(crate) usage: Usage,
    /// Processor time of all runs in user mode, microseconds.
    pub(crate) total_user_us: u64,
    /// Processor time of all runs in the kernel, microseconds.
    pub(crate) total_sys_us: u64,
    /// What all runs sent with their files, bytes.
    pub(crate) total_sent_bytes: u64,
    /// What all runs received with their files, bytes.
    pub(crate) total_received_bytes: u64,
    /// When the machine was given to it.
    pub(crate) since: Option<Timestamp>,
    /// What the job asked for.
    pub(crate) request: Resources,
    /// Where it ran.
    pub(crate) slot: Option<Arc<str>>,
    /// What it got.
    pub(crate) allocated: Option<Resources>,
    /// Where it ran: of a run beside the schedd no use of a slot is told.
    pub(crate) universe: Universe,
    /// Which ones of the custom resources.
    pub(crate) devices: Devices,
}

impl EndedRun {
    /// The run of this job that ends so.
    pub(crate) fn of(job: JobRef<'_>, ad: &ClassAd, end: &RunEnd, usage: Usage, now: Now) -> Self {
        let tally = job.record().tally;
        let env = env(now);
        let amount = |name: &str| {
            // `int()` truncates, as HTCondor's log does with a request that is a real number.
            let whole =
                Expr::parse(&format!("int({name})")).map(|whole| ad.eval_expr(&whole, None, &env));
            u64::try_from(whole.ok().and_then(|whole| whole.as_i64()).unwrap_or(0)).unwrap_or(0)
        };
        Self {
            end: end.clone(),
            usage,
            total_user_us: tally.user_us.saturating_add(usage.user_us),
            total_sys_us: tally.sys_us.saturating_add(usage.sys_us),
            total_sent_bytes: tally.sent_bytes.saturating_add(usage.sent_bytes),
            total_received_bytes: tally.received_bytes.saturating_add(usage.received_bytes),
            since: tally.last_start,
            request: Resources {
                cpus: u32::try_from(amount(attr::REQUEST_CPUS)).unwrap_or(u32::MAX),
                memory_mib: amount(attr::REQUEST_MEMORY),
                disk_kib: amount(attr::REQUEST_DISK),
                custom: tally
                    .slot_devices
                    .keys()
                    .map(|tag| (tag.to_ascii_lowercase(), amount(&format!("Request{tag}"))))
                    .collect(),
            },
            slot: tally.slot,
            allocated: tally.slot_resources,
            universe: Universe::of(ad),
            devices: tally.slot_devices,
        }
    }

    /// 005: the run ended by itself, and the job with it.
    pub(crate) fn terminated(&self) -> UserLogEvent {
        UserLogEvent::Terminated(Box::new(Terminated {
            ending: self.ending().unwrap_or(Ending::Exited { code: 0 }),
            run_remote: cpu(self.usage.user_us, self.usage.sys_us),
            run_local: CpuTimes::default(),
            total_remote: cpu(self.total_user_us, self.total_sys_us),
            total_local: CpuTimes::default(),
            sent_bytes: self.usage.sent_bytes,
            received_bytes: self.usage.received_bytes,
            total_sent_bytes: self.total_sent_bytes,
            total_received_bytes: self.total_received_bytes,
            resources: self.table(),
        }))
    }

    /// 003: the job took a checkpoint, and goes on from it.
    pub(crate) fn checkpointed(&self) -> UserLogEvent {
        UserLogEvent::Checkpointed {
            run_remote: cpu(self.usage.user_us, self.usage.sys_us),
            run_local: CpuTimes::default(),
            sent_bytes: self.usage.sent_bytes,
        }
    }

    /// 004: the run was ended, and the job was not; or it ended and is to run again.
    pub(crate) fn evicted(&self, eviction: &Eviction) -> UserLogEvent {
        let how = self.ending().map_or(EvictedHow::Stopped, EvictedHow::Requeued);
        // HTCondor 25.14 writes neither code nor table where the program ended by itself and runs
        // again.
        let stopped = matches!(how, EvictedHow::Stopped);
        UserLogEvent::Evicted(Box::new(Evicted {
            code: stopped.then_some((i32::from(eviction.code), eviction.subcode)),
            how,
            run_remote: cpu(self.usage.user_us, self.usage.sys_us),
            run_local: CpuTimes::default(),
            sent_bytes: self.usage.sent_bytes,
            received_bytes: self.usage.received_bytes,
            reason: Some(eviction.reason.clone()),
            resources: if stopped { self.table() } else { Vec::new() },
        }))
    }

    /// How the program ended, if it ended by itself.
    fn ending(&self) -> Option<Ending> {
        match &self.end {
            RunEnd::Program(ProgramEnd::Exited { code }) => Some(Ending::Exited { code: *code }),
            RunEnd::UpToDate => Some(Ending::Exited { code: 0 }),
            RunEnd::Program(ProgramEnd::Signaled { signal, .. }) => {
                Some(Ending::Signaled { signal: *signal, core_file: None })
            }
            RunEnd::OutputFailed { .. }
            | RunEnd::ScriptFailed { .. }
            | RunEnd::StartFailed(_)
            | RunEnd::Vacated { .. }
            | RunEnd::Lost { .. } => None,
        }
    }

    /// What the run used of its slot; nothing where there was none.
    fn table(&self) -> Vec<ResourceUsage> {
        if self.universe.is_beside() {
            return Vec::new();
        }
        let wall_s = self.usage.wall_ms() / 1000;
        let busy_s = match (self.since, self.usage.ended) {
            (Some(since), Some(ended)) => ended.since(since).as_secs(),
            (None, _) | (_, None) => wall_s,
        };
        let cpu_us = self.usage.user_us + self.usage.sys_us;
        let allocated =
            |pick: fn(&Resources) -> u64| self.allocated.as_ref().map(|slot| whole(pick(slot)));
        let row = |name: &str, used: Option<Amount>, requested: u64, allocated: Option<Amount>| {
            ResourceUsage {
                name: name.to_owned(),
                used,
                requested: Some(whole(requested)),
                allocated,
                assigned: None,
            }
        };
        let time = |name: &str, seconds: u64| ResourceUsage {
            name: name.to_owned(),
            used: Some(whole(seconds)),
            ..ResourceUsage::default()
        };
        let custom = self.devices.iter().map(|(tag, ids)| {
            let name = tag.to_ascii_lowercase();
            let of = |amounts: &Resources| amounts.custom.get(&name).copied().unwrap_or(0);
            ResourceUsage {
                name: tag.clone(),
                used: None,
                requested: Some(whole(of(&self.request))),
                allocated: self.allocated.as_ref().map(|slot| whole(of(slot))),
                assigned: (!ids.is_empty()).then(|| Expr::from(ids.join(",").as_str()).to_string()),
            }
        });
        let mut rows = vec![
            row(
                "Cpus",
                cpus_used(cpu_us, self.usage.wall_ms()),
                u64::from(self.request.cpus),
                allocated(|r| u64::from(r.cpus)),
            ),
            row(
                "Disk",
                Some(whole(self.usage.disk_kib)),
                self.request.disk_kib,
                allocated(|r| r.disk_kib),
            ),
            row(
                "Memory",
                Some(whole(self.usage.peak_rss_kib.div_ceil(1024))),
                self.request.memory_mib,
                allocated(|r| r.memory_mib),
            ),
            time(attr::TIME_EXECUTE, wall_s),
            time(attr::TIME_SLOT_BUSY, busy_s),
        ];
        rows.extend(custom);
        rows
    }
}

/// Processors used on average; nothing for a run too short to tell, as HTCondor leaves it empty
/// then.
fn cpus_used(cpu_us: u64, wall_ms: u64) -> Option<Amount> {
    let hundredths = (cpu_us / 10).checked_div(wall_ms).filter(|_| wall_ms >= 1000)?;
    Some(Amount::from(f64::from(u32::try_from(hundredths).ok()?) / 100.0))
}

fn cpu(user_us: u64, sys_us: u64) -> CpuTimes {
    CpuTimes { user_s: user_us / 1_000_000, sys_s: sys_us / 1_000_000 }
}

fn whole(n: u64) -> Amount {
    Amount::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}
