//! The ads of the machine: what every user sees of it with `status`, and what jobs' Requirements
//! look at. Knows which attributes HTCondor 25.14's startd advertises; what was found out about the
//! machine itself is given to it.

use std::sync::Arc;

use classad::{ClassAd, Env, Expr, requirements_hold};
use model::{Now, Resources, Universe, UserName, attr};
use proto::matchmaking::{ClaimedPart, MachineState};

use crate::core::records::keys::Manner;
use crate::core::state::core::{Claim, Core};
use crate::core::state::devices::set_available;

/// For how long an advertisement holds without another.
const LIFETIME_S: u32 = 900;

/// SIGTERM: HTCondor's default `KillSig`.
const SIGTERM: i32 = 15;

/// From the kill signal to SIGKILL where the job does not say (HTCondor 25.14: `KILLING_TIMEOUT`).
const DEFAULT_GRACE_S: u32 = 30;

/// The longest grace that a job may ask for: HTCondor's `MachineMaxVacateTime`.
const MAX_GRACE_S: u32 = 600;

/// What the slot's own Requirements say beside `Start` (HTCondor 25.14: `WithinResourceLimits`).
const WITHIN_LIMITS: &str = "MY.Cpus > 0 && TARGET.RequestCpus <= MY.Cpus && MY.Memory > 0 && \
     TARGET.RequestMemory <= MY.Memory && MY.Disk > 0 && TARGET.RequestDisk <= MY.Disk";

impl Core {
    /// The machine as it is to be advertised.
    pub fn machine_state(&self, now: Now) -> MachineState {
        let dynamic = self.carved().map(|claim| self.dynamic_slot_ad(now, claim));
        let slots = [Arc::new(self.slot_ad(now))].into_iter().chain(dynamic).collect();
        let claims = self.matched().map(|claim| ClaimedPart {
            matched: claim.matched,
            owner: claim.charged().clone(),
            resources: claim.resources.clone(),
            limits: claim.limits.clone(),
            ends_in_s: claim.ends_ms.map(|ends_ms| {
                let seconds = ends_ms.saturating_sub(now.boot_ms).div_ceil(1000);
                u32::try_from(seconds).unwrap_or(u32::MAX)
            }),
        });
        let life_ms = u64::try_from(self.machine.started.as_millis()).unwrap_or(0);
        MachineState {
            machine: self.machine.name.clone(),
            address: self.machine.address.clone(),
            sequence: life_ms.saturating_add(self.ad_changes),
            lifetime_s: LIFETIME_S,
            free: self.free.clone(),
            total: self.machine.total.clone(),
            slots,
            claims: claims.collect(),
        }
    }

    /// The partitionable slot, with what is left of it.
    pub(in crate::core) fn slot_ad(&self, now: Now) -> ClassAd {
        let mut ad = self.any_slot_ad(now, "slot1", &self.free);
        ad.set(attr::SLOT_TYPE, "Partitionable");
        ad.set(attr::PARTITIONABLE_SLOT, true);
        ad.set(attr::STATE, "Unclaimed");
        ad.set(attr::ACTIVITY, "Idle");
        ad.set(attr::ENTERED_CURRENT_STATE, self.machine.started.as_secs());
        ad.set(attr::ENTERED_CURRENT_ACTIVITY, self.machine.started.as_secs());
        ad.set("NumDynamicSlots", number(self.slots.len()));
        let claims = || self.carved();
        ad.set("ChildCpus", list(claims().map(|c| Expr::from(i64::from(c.resources.cpus)))));
        ad.set("ChildMemory", list(claims().map(|c| Expr::from(whole(c.resources.memory_mib)))));
        ad.set("ChildDisk", list(claims().map(|c| Expr::from(whole(c.resources.disk_kib)))));
        for custom in &self.machine.customs {
            let name = custom.tag.to_ascii_lowercase();
            let of = |claim: &Claim| claim.resources.custom.get(&name).copied().unwrap_or(0);
            let counts = list(claims().map(|claim| Expr::from(whole(of(claim)))));
            ad.set(format!("Child{}", custom.tag), counts);
            set_available(&mut ad, custom, |id| self.is_free(&custom.tag, id));
        }
        ad.set("ChildName", list(claims().map(|c| Expr::from(self.slot_name(c)))));
        ad.set("ChildState", list(claims().map(|_| Expr::from("Claimed"))));
        ad.set("ChildActivity", list(claims().map(|c| Expr::from(activity(c)))));
        ad.set("ChildRemoteOwner", list(claims().map(|c| Expr::from(self.user(&c.owner)))));
        ad
    }

    /// What a claim has: a slot that was carved out; or, for a job that runs beside its schedd, the
    /// whole machine.
    pub(in crate::core) fn dynamic_slot_ad(&self, now: Now, claim: &Claim) -> Arc<ClassAd> {
        let beside = claim.universe.is_beside();
        let has = if beside { &self.machine.total } else { &claim.resources };
        let mut ad = self.any_slot_ad(now, &claim.slot_word(), has);
        if beside {
            ad.set(attr::SLOT_TYPE, "Beside");
        } else {
            ad.set(attr::SLOT_TYPE, "Dynamic");
            ad.set(attr::DYNAMIC_SLOT, true);
            ad.set("DSlotId", i64::from(claim.slot));
        }
        ad.set(attr::STATE, "Claimed");
        ad.set(attr::ACTIVITY, activity(claim));
        ad.set(attr::ENTERED_CURRENT_STATE, claim.since.as_secs());
        let busy_since = claim.alive().map_or(claim.since, |run| run.since);
        ad.set(attr::ENTERED_CURRENT_ACTIVITY, busy_since.as_secs());
        ad.set(attr::REMOTE_OWNER, self.user(&claim.owner));
        ad.set(attr::REMOTE_USER, self.user(claim.charged()));
        ad.set(attr::CLIENT_MACHINE, claim.schedd.as_str());
        if let Some(submitter) = &claim.submitter {
            ad.set(attr::ACCOUNTING_GROUP, self.user(submitter));
        }
        for custom in &self.machine.customs {
            let ids = claim.devices.get(&custom.tag).map_or(&[][..], Vec::as_slice);
            set_available(&mut ad, custom, |id| ids.iter().any(|own| own == id));
            if !ids.is_empty() {
                ad.set(format!("Assigned{}", custom.tag), ids.join(","));
            }
        }
        if !claim.limits.is_empty() {
            let uses: Vec<_> = claim.limits.iter().map(ToString::to_string).collect();
            ad.set(attr::CONCURRENCY_LIMITS, uses.join(","));
        }
        if let Some(run) = claim.alive() {
            ad.set(attr::JOB_ID, run.id.job.to_string());
            ad.set(attr::GLOBAL_JOB_ID, run.global_job_id.as_str());
            ad.set("JobStart", run.since.as_secs());
            if let Some((_, scratch_dir)) = run.started() {
                ad.set(attr::CONDOR_SCRATCH_DIR, scratch_dir.as_str());
            }
        }
        Arc::new(ad)
    }

    fn any_slot_ad(&self, now: Now, slot: &str, has: &Resources) -> ClassAd {
        let mut ad = ClassAd::new();
        ad.set_parent(Arc::clone(&self.machine.found));
        let (total, machine) = (&self.machine.total, self.machine.name.as_str());
        ad.set(attr::MY_TYPE, "Machine");
        ad.set(attr::TARGET_TYPE, "Job");
        ad.set(attr::MACHINE, machine);
        ad.set(attr::NAME, format!("{slot}@{machine}"));
        ad.set(attr::SLOT_ID, 1);
        ad.set("SlotTypeID", 1);
        ad.set(attr::CPUS, i64::from(has.cpus));
        ad.set(attr::MEMORY, whole(has.memory_mib));
        ad.set(attr::DISK, whole(has.disk_kib));
        ad.set("TotalSlotCpus", i64::from(total.cpus));
        ad.set("TotalSlotMemory", whole(total.memory_mib));
        ad.set("TotalSlotDisk", whole(total.disk_kib));
        ad.set(attr::TOTAL_CPUS, i64::from(total.cpus));
        ad.set(attr::TOTAL_MEMORY, whole(total.memory_mib));
        ad.set(attr::TOTAL_DISK, whole(total.disk_kib));
        for custom in &self.machine.customs {
            let (tag, name) = (&custom.tag, custom.tag.to_ascii_lowercase());
            let of = |amounts: &Resources| whole(amounts.custom.get(&name).copied().unwrap_or(0));
            ad.set(tag.as_str(), of(has));
            ad.set(format!("TotalSlot{tag}"), of(total));
            ad.set(format!("Total{tag}"), of(total));
        }
        ad.set(attr::TOTAL_SLOTS, number(self.slots.len() + 1));
        ad.set(attr::MY_CURRENT_TIME, now.wall.as_secs());
        ad.set(attr::DAEMON_START_TIME, self.machine.started.as_secs());
        ad.set(attr::LOAD_AVG, self.measured.load_avg);
        ad.set(attr::TOTAL_LOAD_AVG, self.measured.load_avg);
        ad.set(attr::KEYBOARD_IDLE, whole(self.measured.keyboard_idle_s));
        ad.set(attr::CONSOLE_IDLE, whole(self.measured.keyboard_idle_s));
        if let Some(speed) = self.measured.speed {
            ad.set(attr::MIPS, whole(speed.mips));
            ad.set(attr::KFLOPS, whole(speed.kflops));
        }
        self.set_policy(&mut ad);
        ad
    }

    fn set_policy(&self, ad: &mut ClassAd) {
        let found = &self.machine.found;
        ad.set("WithinResourceLimits", within_limits());
        ad.set(attr::REQUIREMENTS, Expr::attr(attr::START).and(Expr::attr("WithinResourceLimits")));
        if found.get(attr::START).is_none() {
            ad.set(attr::START, true);
        }
        if found.get(attr::RANK).is_none() {
            ad.set(attr::RANK, 0.0);
        }
        ad.set("CurrentRank", 0.0);
        ad.set(attr::SLOT_WEIGHT, Expr::attr(attr::CPUS));
    }

    /// `alice@uid.domain`.
    fn user(&self, name: &UserName) -> String {
        match self.machine.found.literal(attr::UID_DOMAIN).and_then(|value| value.as_str()) {
            Some(domain) => format!("{name}@{domain}"),
            None => name.to_string(),
        }
    }
}

/// Whether slot and job suit each other; if not, who refuses.
pub(in crate::core) fn suits(slot: &ClassAd, job: &ClassAd, now: Now) -> Result<(), String> {
    let env = Env::at(now.wall.as_secs());
    if !requirements_hold(slot, job, &env) {
        Err("the machine's Requirements refuse the job".to_owned())
    } else if !requirements_hold(job, slot, &env) {
        Err("the job's Requirements refuse the machine".to_owned())
    } else {
        Ok(())
    }
}

/// How the job wants to be stopped. One of the scheduler universe has all the time that it needs,
/// unless it says otherwise: it manages other jobs, and clears up behind them (HTCondor 25.14 never
/// kills one that was asked to end).
pub(in crate::core) fn manner(job: &ClassAd, universe: Universe, now: Now) -> Manner {
    let env = Env::at(now.wall.as_secs());
    let signal = |name| {
        let signal = job.eval(name, None, &env);
        let signal = match signal.as_str() {
            Some(name) => signal_number(name),
            None => signal.as_i64().and_then(|n| i32::try_from(n).ok()),
        };
        signal.filter(|n| (1..=64).contains(n))
    };
    let grace = |name| {
        let seconds = job.eval(name, None, &env).as_i64();
        seconds.and_then(|s| u32::try_from(s).ok()).map(|grace| grace.min(MAX_GRACE_S))
    };
    // The former is the newer name (HTCondor 25.14).
    let grace = grace(attr::JOB_MAX_VACATE_TIME).or_else(|| grace(attr::KILL_SIG_TIMEOUT));
    let otherwise = match universe {
        Universe::Scheduler => u32::MAX,
        Universe::Vanilla | Universe::Local => DEFAULT_GRACE_S,
    };
    Manner {
        signal: signal(attr::KILL_SIG).unwrap_or(SIGTERM),
        grace_s: grace.unwrap_or(otherwise),
        hold_signal: signal(attr::HOLD_KILL_SIG),
        remove_signal: signal(attr::REMOVE_KILL_SIG),
    }
}

pub(in crate::core) fn global_job_id(job: &ClassAd) -> String {
    let id = job.literal(attr::GLOBAL_JOB_ID).and_then(|value| value.as_str());
    id.unwrap_or_default().to_owned()
}

/// Signals that a submit file may name; the numbers are those of Linux on x86-64 and AArch64.
const SIGNALS: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("USR2", 12),
    ("ALRM", 14),
    ("TERM", 15),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
];

fn signal_number(name: &str) -> Option<i32> {
    let name = name.trim();
    let bare =
        name.get(..3).filter(|head| head.eq_ignore_ascii_case("SIG")).map_or(name, |_| &name[3..]);
    let known = SIGNALS.iter().find(|(known, _)| known.eq_ignore_ascii_case(bare));
    known.map(|(_, n)| *n).or_else(|| name.parse().ok())
}

fn within_limits() -> Expr {
    thread_local! {
        static PARSED: Expr = WITHIN_LIMITS.parse().unwrap_or_else(|e| panic!("{WITHIN_LIMITS}: {e}"));
    }
    PARSED.with(Expr::clone)
}

fn activity(claim: &Claim) -> &'static str {
    match claim.alive() {
        Some(run) if run.pause.suspend && run.stop.is_none() => "Suspended",
        Some(_) => "Busy",
        None => "Idle",
    }
}

fn list(items: impl Iterator<Item = Expr>) -> Expr {
    Expr::list(items)
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_signal_is_named_as_in_a_submit_file() {
        for (name, number) in [
            ("SIGTERM", Some(15)),
            ("usr1", Some(10)),
            ("SigInt", Some(2)),
            ("9", Some(9)),
            ("x", None),
        ] {
            assert_eq!(signal_number(name), number, "{name}");
        }
    }
}
