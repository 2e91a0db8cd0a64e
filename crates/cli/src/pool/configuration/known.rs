//! Which settings there are: who reads each, and what holds where none is set. Names and defaults
//! are HTCondor 25.14's.

use jobspec::Site;
use jobspec::config::Configuration;
use schedd::core::Starts;

use crate::line::release;
use client::home::{DaemonRole, Home};
use client::site::RealSite;

/// A setting that a daemon reads.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub name: &'static str,
    /// What holds where it is not set; empty if nothing does.
    pub default: &'static str,
    /// Who reads it.
    pub reader: DaemonRole,
}

const fn known(name: &'static str, default: &'static str, reader: DaemonRole) -> Known {
    Known { name, default, reader }
}

/// The settings with fixed names.
pub const KNOWN: &[Known] = &[
    known("ACCOUNTING_RECORDS", "False", DaemonRole::Schedd),
    known("CGROUP_MEMORY_LIMIT_POLICY", "", DaemonRole::Startd),
    known("CONCURRENCY_LIMIT_DEFAULT", "2308032", DaemonRole::Negotiator),
    known("DEFAULT_PRIO_FACTOR", "1000.0", DaemonRole::Negotiator),
    known("DEFAULT_USERLOG_FORMAT_OPTIONS", "ISO_DATE", DaemonRole::Schedd),
    known("ENABLE_HISTORY_ROTATION", "true", DaemonRole::Schedd),
    known("ENABLE_URL_TRANSFERS", "True", DaemonRole::Startd),
    known("EVENT_LOG", "", DaemonRole::Schedd),
    known("EVENT_LOG_FORMAT_OPTIONS", "ISO_DATE", DaemonRole::Schedd),
    known("EVENT_LOG_INFORMATION_ATTRS", "", DaemonRole::Schedd),
    known("EVENT_LOG_JOB_AD_INFORMATION_ATTRS", "", DaemonRole::Schedd),
    known("EVENT_LOG_MAX_ROTATIONS", "1", DaemonRole::Schedd),
    known("EVENT_LOG_MAX_SIZE", "1000000", DaemonRole::Schedd),
    known("EVENT_LOG_USE_XML", "False", DaemonRole::Schedd),
    known("FILETRANSFER_PLUGINS", "", DaemonRole::Startd),
    known("MAX_HISTORY_DAYS", "", DaemonRole::Schedd),
    known("MAX_HISTORY_JOBS", "", DaemonRole::Schedd),
    known("MAX_HISTORY_LOG", "", DaemonRole::Schedd),
    known("MAX_HISTORY_ROTATIONS", "", DaemonRole::Schedd),
    known("MAX_JOBS_PER_OWNER", "100000", DaemonRole::Schedd),
    known("MAX_PROCESSES_PER_JOB", "", DaemonRole::Startd),
    known("MEMORY", "$(DETECTED_MEMORY) - $(RESERVED_MEMORY)", DaemonRole::Startd),
    known("MOUNT_UNDER_SCRATCH", "", DaemonRole::Startd),
    known("NICE_USER_PRIO_FACTOR", "10000000000.0", DaemonRole::Negotiator),
    known("NUM_CPUS", "$(DETECTED_CPUS)", DaemonRole::Startd),
    known("PRIORITY_HALFLIFE", "86400.0", DaemonRole::Negotiator),
    known("QUEUE_SUPER_USERS", "root", DaemonRole::Schedd),
    known("RESERVED_MEMORY", "0", DaemonRole::Startd),
    known("ROTATE_HISTORY_DAILY", "", DaemonRole::Schedd),
    known("ROTATE_HISTORY_MONTHLY", "", DaemonRole::Schedd),
    known("STAGE_OUT_TIMEOUT", "3600", DaemonRole::Startd),
    known("START", "True", DaemonRole::Startd),
    known("STARTD_ATTRS", "", DaemonRole::Startd),
    known("START_LOCAL_UNIVERSE", Starts::LOCAL, DaemonRole::Schedd),
    known("START_SCHEDULER_UNIVERSE", Starts::SCHEDULER, DaemonRole::Schedd),
    known("SYSTEM_PERIODIC_HOLD", "", DaemonRole::Schedd),
    known("SYSTEM_PERIODIC_RELEASE", "", DaemonRole::Schedd),
    known("SYSTEM_PERIODIC_REMOVE", "", DaemonRole::Schedd),
    known("SYSTEM_PERIODIC_VACATE", "", DaemonRole::Schedd),
];

/// Settings whose names have the user's own part in them: how they begin, how they end, who
/// reads them.
const FAMILIES: [(&str, &str, DaemonRole); 7] = [
    ("CONCURRENCY_LIMIT_DEFAULT_", "", DaemonRole::Negotiator),
    ("", "_LIMIT", DaemonRole::Negotiator),
    // with MACHINE_RESOURCE_INVENTORY_
    ("MACHINE_RESOURCE_", "", DaemonRole::Startd),
    // with ..._NAMES, ..._REASON, ..._SUBCODE
    ("SYSTEM_PERIODIC_HOLD_", "", DaemonRole::Schedd),
    ("SYSTEM_PERIODIC_RELEASE_", "", DaemonRole::Schedd),
    ("SYSTEM_PERIODIC_REMOVE_", "", DaemonRole::Schedd),
    ("SYSTEM_PERIODIC_VACATE_", "", DaemonRole::Schedd),
];

/// What a configuration may look at and, in a pool of one's own, cannot change.
const PREDEFINED: [&str; 28] = [
    "ARCH",
    "COLLECTOR_HOST",
    "CONDORVERSION",
    "CONDOR_HOST",
    "CONDOR_PLATFORM",
    "CONDOR_VERSION",
    "DAEMON_LIST",
    "DETECTED_CPUS",
    "DETECTED_MEMORY",
    "DOLLAR",
    "EXECUTE",
    "FILESYSTEM_DOMAIN",
    "FULL_HOSTNAME",
    "HOSTNAME",
    "LOCAL_DIR",
    "LOCK",
    "LOG",
    "NEGOTIATOR_HOST",
    "NEGOTIATOR_LOG",
    "OPSYS",
    "RUN",
    "SCHEDD_HOST",
    "SCHEDD_LOG",
    "SCHEDD_NAME",
    "SPOOL",
    "STARTD_LOG",
    "UID_DOMAIN",
    "USERNAME",
];

/// Who reads a setting.
pub fn reader(name: &str) -> Option<DaemonRole> {
    let name = name.to_ascii_uppercase();
    let fixed = KNOWN.iter().find(|known| known.name == name).map(|known| known.reader);
    fixed.or_else(|| {
        let family = FAMILIES.iter().find(|(begin, end, _)| {
            name.len() > begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
        });
        family.map(|(_, _, reader)| *reader)
    })
}

/// Whether a name, in upper case, is there before any file is read, and is not read by a daemon.
pub fn is_predefined(name: &str) -> bool {
    PREDEFINED.contains(&name)
}

/// Puts in what is there before any file is read.
pub fn predefine(configuration: &mut Configuration, home: &Home, site: &RealSite) {
    for known in KNOWN.iter().filter(|known| !known.default.is_empty()) {
        configuration.predefine(known.name, known.default);
    }
    for name in PREDEFINED {
        configuration.predefine(name, predefined(name, home, site));
    }
}

/// The names of what is there before any file is read, in order.
pub fn names() -> Vec<&'static str> {
    let with_default = KNOWN.iter().filter(|known| !known.default.is_empty());
    let mut names: Vec<_> = with_default.map(|known| known.name).chain(PREDEFINED).collect();
    names.retain(|name| *name != "DOLLAR");
    names.sort_unstable();
    names
}

fn predefined(name: &str, home: &Home, site: &RealSite) -> String {
    let folder = |path: &std::path::Path| path.display().to_string();
    let log = |role: DaemonRole| home.log(role.name()).display().to_string();
    let host = site.host();
    let full = &host.filesystem_domain;
    match name {
        "ARCH" => host.arch.clone(),
        "CONDOR_VERSION" => {
            model::version::FOLLOWS.split(' ').next().unwrap_or_default().to_owned()
        }
        "CONDORVERSION" => release::condor_version(),
        "CONDOR_PLATFORM" => release::condor_platform(),
        "DAEMON_LIST" => "MASTER, COLLECTOR, NEGOTIATOR, SCHEDD, STARTD".to_owned(),
        "DETECTED_CPUS" => startd::detected_cpus().to_string(),
        "DETECTED_MEMORY" => startd::detected_memory_mib().to_string(),
        "DOLLAR" => "$".to_owned(),
        "EXECUTE" => folder(&home.execute_dir()),
        "HOSTNAME" => full.split('.').next().unwrap_or(full).to_owned(),
        "LOCAL_DIR" => folder(home.dir()),
        "LOCK" | "RUN" => folder(&home.run_dir()),
        "LOG" => folder(&home.log_dir()),
        "NEGOTIATOR_LOG" => log(DaemonRole::Negotiator),
        "OPSYS" => host.opsys.clone(),
        "SCHEDD_LOG" => log(DaemonRole::Schedd),
        "SPOOL" => folder(&home.state_dir(DaemonRole::Schedd)),
        "STARTD_LOG" => log(DaemonRole::Startd),
        "USERNAME" => host.user.clone(),
        // every host of a personal pool is this one
        _ => full.clone(),
    }
}
