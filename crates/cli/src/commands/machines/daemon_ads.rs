//! The ads of the pool's daemons and of who submits, under HTCondor's names: made from what each
//! says of itself, and from nothing else. What HTCondor counts and ours does not is not in them.

use std::fs;
use std::time::UNIX_EPOCH;

use classad::ClassAd;
use model::{Universe, UserName, attr};
use proto::client::{Counts, DaemonIdentity, Totals};

use crate::line::release;
use crate::pool::ProcessStatus;
use client::home::Home;

/// A schedd's ad, from what it says of itself and what it counts.
pub fn scheduler(identity: &DaemonIdentity, totals: &Totals, statistics: &ClassAd) -> ClassAd {
    let mut ad = daemon("Scheduler", identity);
    counts(&mut ad, "Total", &of_machines(totals, &totals.all, None));
    ad.set(attr::TOTAL_HELD_JOBS, whole(totals.all.held));
    ad.set(attr::NUM_USERS, whole(totals.by_owner.len() as u64));
    ad.update(statistics);
    ad
}

/// An ad for each user with jobs.
pub fn submitters(identity: &DaemonIdentity, totals: &Totals) -> Vec<ClassAd> {
    let ad = |(user, of): &(UserName, Counts)| {
        let mut ad = daemon("Submitter", identity);
        ad.set(attr::NAME, format!("{user}@{}", identity.name));
        ad.set("ScheddName", identity.name.as_str());
        ad.set("ScheddIpAddr", identity.address.as_str());
        counts(&mut ad, "", &of_machines(totals, of, Some(user.as_str())));
        ad
    };
    totals.by_owner.iter().map(ad).collect()
}

/// An ad of a daemon that says of itself no more than who it is.
pub fn daemon(my_type: &str, identity: &DaemonIdentity) -> ClassAd {
    let mut ad = ClassAd::new();
    ad.set(attr::MY_TYPE, my_type);
    ad.set(attr::NAME, identity.name.as_str());
    ad.set(attr::MACHINE, identity.name.as_str());
    ad.set(attr::MY_ADDRESS, identity.address.as_str());
    ad.set(attr::DAEMON_START_TIME, identity.since.as_secs());
    ad.set(attr::CONDOR_VERSION, release::condor_version());
    ad.set(attr::CONDOR_PLATFORM, release::condor_platform());
    ad.set("UpdraftVersion", identity.version.as_str());
    ad
}

/// Without the jobs that run beside the schedd: HTCondor 25.14 counts those apart.
fn of_machines(totals: &Totals, all: &Counts, user: Option<&str>) -> Counts {
    let beside = [Universe::Local, Universe::Scheduler];
    beside.into_iter().fold(*all, |left, universe| left - totals.of_universe(universe, user))
}

fn counts(ad: &mut ClassAd, prefix: &str, of: &Counts) {
    // A submitter's ad has the old names (HTCondor 25.14).
    let running = if prefix.is_empty() { attr::RUNNING_JOBS } else { attr::TOTAL_RUNNING_JOBS };
    ad.set(running, whole(of.running));
    ad.set(format!("{prefix}IdleJobs").as_str(), whole(of.idle));
    ad.set(format!("{prefix}HeldJobs").as_str(), whole(of.held));
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The ad of who holds the ads: the negotiator, in a pool of ours. `machines` are all slots.
pub fn collector(negotiator: &DaemonIdentity, totals: &Totals, machines: &[ClassAd]) -> ClassAd {
    let mut ad = daemon("Collector", negotiator);
    ad.set(attr::NAME, format!("My Pool - {0}@{0}", negotiator.name));
    ad.set("CollectorIpAddr", negotiator.address.as_str());
    ad.set(attr::RUNNING_JOBS, whole(totals.all.running));
    ad.set(attr::IDLE_JOBS, whole(totals.all.idle));
    ad.set("SubmitterAds", whole(totals.by_owner.len() as u64));
    let state = |wanted: &str| {
        let is = |slot: &&ClassAd| {
            slot.literal(attr::STATE).and_then(classad::Value::as_str) == Some(wanted)
        };
        whole(machines.iter().filter(is).count() as u64)
    };
    ad.set(attr::HOSTS_TOTAL, whole(machines.len() as u64));
    for name in ["Owner", "Unclaimed", "Claimed"] {
        ad.set(format!("Hosts{name}").as_str(), state(name));
    }
    ad
}

/// The ad of who starts the other daemons and starts them again; `None` if nobody does.
pub fn master(
    home: &Home,
    processes: &[ProcessStatus],
    machines: &[ClassAd],
    schedd: &DaemonIdentity,
    now: i64,
) -> Option<ClassAd> {
    let supervisor = processes.iter().find(|process| process.name == "supervisor")?;
    let pid = supervisor.pid?;
    let mut ad = daemon("DaemonMaster", schedd);
    ad.remove(attr::MY_ADDRESS);
    // It took its lock when it began.
    let since = fs::metadata(home.lock(supervisor.name)).and_then(|lock| lock.modified()).ok()?;
    let since = since.duration_since(UNIX_EPOCH).ok()?.as_secs();
    ad.set(attr::DAEMON_START_TIME, whole(since));
    ad.set("MasterPid", i64::from(pid));
    ad.set(attr::MY_CURRENT_TIME, now);
    let of_machine = |name: &str| machines.first().and_then(|slot| slot.get(name)).cloned();
    let detected =
        [(attr::DETECTED_CPUS, attr::TOTAL_CPUS), (attr::DETECTED_MEMORY, attr::TOTAL_MEMORY)];
    for (name, of) in detected {
        if let Some(amount) = of_machine(name).or_else(|| of_machine(of)) {
            ad.set(name, amount);
        }
    }
    for process in processes {
        if let Some(identity) = &process.identity {
            let name = format!("{}_StartTime", process.name.to_ascii_uppercase());
            ad.set(name.as_str(), identity.since.as_secs());
        }
    }
    Some(ad)
}
