//! What daemons make of their settings: texts become numbers, expressions and lists. The only place
//! that knows what a value means.

use model::attr;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use classad::{AttrName, ClassAd, Expr};
use jiff::tz::TimeZone;
use jobspec::config::{integer, real};
use model::userlog::{AdForm, LogForm};
use negotiator::core::Policy;
use schedd::core::{EventLog, Starts, SystemAct, SystemPolicy};
use schedd::shell::server::{LogForms, PoolLog};
use schedd::{Bytes, Retention};
use startd::{Inventory, NamedResource};

use crate::pool::configuration::Effective;

/// How settings begin that name a resource of the machine.
pub const RESOURCE: &str = "MACHINE_RESOURCE_";

/// What follows where it is a program that tells how much there is.
pub const INVENTORY: &str = "INVENTORY_";

/// The list of machine attributes that the configuration defines.
pub const STARTD_ATTRS: &str = "STARTD_ATTRS";

/// A value that is not of its setting's kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("set {name} to '{value}': expected {expected}")]
pub struct SettingError {
    pub name: String,
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

/// Whether every daemon can take its settings.
///
/// # Errors
///
/// The first that one cannot take.
pub fn check(all: &Effective) -> Result<(), SettingError> {
    policy(all)?;
    machine(all, false)?;
    starts(all)?;
    system_policies(all)?;
    event_log(all)?;
    log_forms(all)?;
    jobs_of_a_user(all)?;
    retention(all)?;
    Ok(())
}

/// The negotiator's.
///
/// # Errors
///
/// If a value is not of its setting's kind.
pub fn policy(all: &Effective) -> Result<Policy, SettingError> {
    let mut policy = Policy::default();
    if let Some(seconds) = positive(all, "PRIORITY_HALFLIFE")? {
        policy.half_life = Duration::from_secs_f64(seconds);
    }
    if let Some(factor) = positive(all, "DEFAULT_PRIO_FACTOR")? {
        policy.prio_factor = factor.max(1.0);
    }
    if let Some(factor) = positive(all, "NICE_USER_PRIO_FACTOR")? {
        policy.nice_prio_factor = factor.max(1.0);
    }
    for name in all.0.keys() {
        let amount = || amount(all, name);
        if name == "CONCURRENCY_LIMIT_DEFAULT" {
            policy.limits.set_default(amount()?);
        } else if let Some(set) = name.strip_prefix("CONCURRENCY_LIMIT_DEFAULT_") {
            policy.limits.set_default_of(set, amount()?);
        } else if let Some(limit) = name.strip_suffix("_LIMIT") {
            policy.limits.set(limit, amount()?);
        }
    }
    Ok(policy)
}

/// The startd's.
///
/// # Errors
///
/// If a value is not of its setting's kind.
pub fn machine(all: &Effective, many_users: bool) -> Result<startd::MachineSettings, SettingError> {
    let cpus = whole(all, "NUM_CPUS", 1)?.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let memory_mib = whole(all, "MEMORY", 1)?;
    let reserved_memory_mib = whole(all, "RESERVED_MEMORY", 0)?.unwrap_or(0);
    let mut attributes = ClassAd::new();
    if let Some(start) = all.get("START") {
        attributes.set(attr::START, expression(start, "START", "an expression")?);
    }
    if let Some(seconds) = whole(all, "STAGE_OUT_TIMEOUT", 1)? {
        attributes.set(attr::STAGE_OUT_TIMEOUT, i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    for name in all.get(STARTD_ATTRS).into_iter().flat_map(words) {
        // a name that is listed and not set is not advertised (HTCondor 25.14)
        let Some(text) = all.get(&name.to_ascii_uppercase()) else { continue };
        let expected = "an expression, because STARTD_ATTRS lists it: a string needs double quotes";
        attributes.set(AttrName::from(name.to_owned()), expression(text, name, expected)?);
    }
    let plugins = plugins(all)?;
    let resources = resources(all)?;
    Ok(startd::MachineSettings {
        plugins,
        cpus,
        memory_mib,
        reserved_memory_mib,
        resources,
        attributes,
        bounds: bounds(all, many_users)?,
    })
}

/// How many processes and threads a run may have where jobs are many users': far more than programs
/// have, and far less than a machine.
const PROCESSES_OF_A_RUN: u64 = 4096;

/// What a run may have of the machine. Where jobs are many users' they are kept apart.
fn bounds(all: &Effective, many_users: bool) -> Result<startd::Bounds, SettingError> {
    const POLICY: &str = "CGROUP_MEMORY_LIMIT_POLICY";
    const PRIVATE: &str = "MOUNT_UNDER_SCRATCH";
    let policy = all.get(POLICY).unwrap_or_default();
    let memory = match policy.to_ascii_lowercase().as_str() {
        "" => many_users,
        "hard" => true,
        "none" => false,
        _ => return Err(refused(POLICY, policy, "hard or none")),
    };
    let processes = match whole(all, "MAX_PROCESSES_PER_JOB", 0)? {
        None => many_users.then_some(PROCESSES_OF_A_RUN),
        Some(most) => Some(most).filter(|most| *most > 0),
    };
    let usual = if many_users { "/tmp,/var/tmp" } else { "" };
    let listed = all.get(PRIVATE).unwrap_or(usual).trim_matches('"');
    let private: Vec<PathBuf> = words(listed).map(PathBuf::from).collect();
    if !private.iter().all(|folder| folder.is_absolute() && folder.parent().is_some()) {
        return Err(refused(PRIVATE, listed, "a list of folders whose paths begin with /"));
    }
    Ok(startd::Bounds { memory, processes, private })
}

/// The programs that are listed, and behind them our own, which asks `curl` to do it.
fn plugins(all: &Effective) -> Result<Vec<Vec<PathBuf>>, SettingError> {
    const ENABLE: &str = "ENABLE_URL_TRANSFERS";
    if !truth(all, ENABLE, true)? {
        return Ok(Vec::new());
    }
    let listed = all.get("FILETRANSFER_PLUGINS").unwrap_or_default();
    let listed = words(listed).map(|program| vec![PathBuf::from(program)]);
    let own = std::env::current_exe().ok().map(|own| vec![own, PathBuf::from("curl_plugin")]);
    Ok(listed.chain(own).collect())
}

/// The schedd's: whether one more job may start beside it.
///
/// # Errors
///
/// If a value is no expression.
pub fn starts(all: &Effective) -> Result<Starts, SettingError> {
    let mut starts = Starts::default();
    for (name, start) in [
        ("START_LOCAL_UNIVERSE", &mut starts.local),
        ("START_SCHEDULER_UNIVERSE", &mut starts.scheduler),
    ] {
        if let Some(text) = all.get(name) {
            *start = expression(text, name, "an expression")?;
        }
    }
    Ok(starts)
}

/// The schedd's: the log of all jobs, if there is to be one.
///
/// # Errors
///
/// If its path is not absolute, or a number is none.
pub fn event_log(all: &Effective) -> Result<Option<PoolLog>, SettingError> {
    let Some(path) = all.get("EVENT_LOG").filter(|path| !path.is_empty()) else { return Ok(None) };
    if !path.starts_with('/') {
        return Err(refused("EVENT_LOG", path, "an absolute path, for example $(LOG)/EventLog"));
    }
    let names = ["EVENT_LOG_INFORMATION_ATTRS", "EVENT_LOG_JOB_AD_INFORMATION_ATTRS"];
    let attributes = names.iter().filter_map(|name| all.get(name)).flat_map(words);
    let attributes = attributes.map(str::to_owned).collect();
    let most_bytes = whole(all, "EVENT_LOG_MAX_SIZE", 0)?.unwrap_or(1_000_000);
    let most_bytes = Some(most_bytes).filter(|bytes| *bytes > 0);
    let kept = whole(all, "EVENT_LOG_MAX_ROTATIONS", 0)?.unwrap_or(1);
    let kept = u32::try_from(kept).unwrap_or(u32::MAX).min(MOST_OLD_LOGS);
    Ok(Some(PoolLog { log: EventLog { path: path.into(), attributes }, most_bytes, kept }))
}

/// Old logs that are kept at most: each is renamed whenever a new one begins.
const MOST_OLD_LOGS: u32 = 1000;

/// The schedd's: the forms of logs.
///
/// # Errors
///
/// If an option is not known.
pub fn log_forms(all: &Effective) -> Result<LogForms, SettingError> {
    let zone = TimeZone::system();
    let form = |name: &str| {
        let options = all.get(name).unwrap_or_default();
        LogForm::of_options(options, &zone).map_err(|option| {
            refused(name, &option, "words of ISO_DATE, LEGACY, UTC, SUB_SECOND, XML, JSON")
        })
    };
    let mut pool = form("EVENT_LOG_FORMAT_OPTIONS")?;
    if truth(all, "EVENT_LOG_USE_XML", false)? {
        pool.ads = Some(AdForm::Xml);
    }
    Ok(LogForms { users: form("DEFAULT_USERLOG_FORMAT_OPTIONS")?, pool })
}

/// The schedd's: how much is kept of what is over. HTCondor 25.14 begins a new file when one has
/// `MAX_HISTORY_LOG` bytes, or with a new day or month, and keeps `MAX_HISTORY_ROTATIONS` old ones:
/// so much, and so long, is kept here at most.
///
/// # Errors
///
/// If a value is not of its setting's kind.
pub fn retention(all: &Effective) -> Result<Retention, SettingError> {
    let files = whole(all, "MAX_HISTORY_ROTATIONS", 1)?.unwrap_or(2).saturating_add(1);
    let bytes = whole(all, "MAX_HISTORY_LOG", 1)?;
    let bytes = bytes.map_or(Bytes::Usual, |bytes| Bytes::AtMost(bytes.saturating_mul(files)));
    let days = whole(all, "MAX_HISTORY_DAYS", 1)?;
    let daily = truth(all, "ROTATE_HISTORY_DAILY", false)?.then_some(files);
    let monthly = truth(all, "ROTATE_HISTORY_MONTHLY", false)?;
    let monthly = monthly.then(|| files.saturating_mul(DAYS_OF_MONTH));
    let jobs = whole(all, "MAX_HISTORY_JOBS", 0)?;
    if !truth(all, "ENABLE_HISTORY_ROTATION", true)? {
        return Ok(Retention { jobs: None, age: None, bytes: Bytes::Any });
    }
    let days = [days, daily, monthly].into_iter().flatten().min();
    let age = days.map(|days| Duration::from_secs(days.saturating_mul(DAY_S)));
    Ok(Retention { jobs, age, bytes })
}

const DAY_S: u64 = 86_400;

/// The longest there are.
const DAYS_OF_MONTH: u64 = 31;

/// The schedd's: whether PBS's accounting records are written as things happen.
///
/// # Errors
///
/// If it is neither true nor false.
pub fn accounting_records(all: &Effective) -> Result<bool, SettingError> {
    truth(all, "ACCOUNTING_RECORDS", false)
}

/// The schedd's, where jobs are many users': who may act on everybody's, beside root. A name may
/// have a domain behind it, which is this machine's.
pub fn superusers(all: &Effective) -> BTreeSet<String> {
    let listed = all.get("QUEUE_SUPER_USERS").unwrap_or_default();
    words(listed).filter_map(|name| name.split('@').next()).map(str::to_owned).collect()
}

/// The schedd's, where jobs are many users': how many one of them may have in the queue.
///
/// # Errors
///
/// If it is no number.
pub fn jobs_of_a_user(all: &Effective) -> Result<u64, SettingError> {
    const NAME: &str = "MAX_JOBS_PER_OWNER";
    Ok(whole(all, NAME, 1)?.unwrap_or(100_000))
}

fn truth(all: &Effective, name: &str, unset: bool) -> Result<bool, SettingError> {
    let Some(text) = all.get(name) else { return Ok(unset) };
    let wanted = Expr::parse(text).ok().and_then(|expr| expr.as_literal()?.as_bool());
    wanted.ok_or_else(|| refused(name, text, "True or False"))
}

/// The schedd's: what is laid down for every job. Those with names of their own
/// (`SYSTEM_PERIODIC_HOLD_NAMES`) come before the one without (HTCondor 25.14).
///
/// # Errors
///
/// If a value is no expression, or a name that is listed is not set.
pub fn system_policies(all: &Effective) -> Result<Vec<SystemPolicy>, SettingError> {
    let mut policies = Vec::new();
    for (act, setting) in SYSTEM_POLICIES {
        let list = format!("{setting}_NAMES");
        for name in all.get(&list).into_iter().flat_map(words) {
            let setting = format!("{setting}_{}", name.to_ascii_uppercase());
            let policy = system_policy(all, act, &setting)?;
            policies.push(policy.ok_or_else(|| {
                refused(
                    &list,
                    name,
                    "names, each of which is set with the name of the setting before it",
                )
            })?);
        }
        policies.extend(system_policy(all, act, setting)?);
    }
    Ok(policies)
}

/// What the administrator may lay down, and how the settings begin.
const SYSTEM_POLICIES: [(SystemAct, &str); 4] = [
    (SystemAct::Vacate, "SYSTEM_PERIODIC_VACATE"),
    (SystemAct::Hold, "SYSTEM_PERIODIC_HOLD"),
    (SystemAct::Release, "SYSTEM_PERIODIC_RELEASE"),
    (SystemAct::Remove, "SYSTEM_PERIODIC_REMOVE"),
];

fn system_policy(
    all: &Effective,
    act: SystemAct,
    setting: &str,
) -> Result<Option<SystemPolicy>, SettingError> {
    let expr = |name: &str| {
        let text = all.get(name);
        text.map(|text| expression(text, name, "an expression")).transpose()
    };
    let Some(when) = expr(setting)? else { return Ok(None) };
    let [reason, subcode] =
        [expr(&format!("{setting}_REASON"))?, expr(&format!("{setting}_SUBCODE"))?];
    Ok(Some(SystemPolicy { act, setting: setting.to_owned(), when, reason, subcode }))
}

/// The resources that `MACHINE_RESOURCE_<name>` and `MACHINE_RESOURCE_INVENTORY_<name>` name. The
/// former is believed.
fn resources(all: &Effective) -> Result<Vec<NamedResource>, SettingError> {
    let mut found: Vec<NamedResource> = Vec::new();
    let settings =
        || all.0.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(RESOURCE)?, value)));
    let plain = settings().filter(|(_, tag, _)| !tag.starts_with(INVENTORY));
    let scripts = settings().filter(|(_, tag, _)| tag.starts_with(INVENTORY));
    for (key, tag, value) in plain.chain(scripts) {
        let script = tag.strip_prefix(INVENTORY);
        let tag = script.unwrap_or(tag);
        let known = ["cpus", "memory", "disk"].iter().any(|known| tag.eq_ignore_ascii_case(known));
        if known || tag.is_empty() {
            return Err(refused(key, value, "another name than Cpus, Memory or Disk"));
        }
        if found.iter().any(|one| one.tag.eq_ignore_ascii_case(tag)) {
            continue;
        }
        // the one whose spelling everybody knows
        let tag = if tag.eq_ignore_ascii_case("gpus") { "GPUs" } else { tag };
        let inventory = match script {
            Some(_) => Inventory::Script(value.clone()),
            None => inventory(key, value)?,
        };
        found.push(NamedResource { tag: tag.to_owned(), inventory });
    }
    Ok(found)
}

fn inventory(key: &str, value: &str) -> Result<Inventory, SettingError> {
    if let Some(amount) = integer(value) {
        let amount = u64::try_from(amount);
        let amount = amount.map_err(|_| refused(key, value, "a number that is not below 0"))?;
        return Ok(Inventory::Amount(amount));
    }
    let ids: Vec<String> = words(value).map(str::to_owned).collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    if distinct.len() < ids.len() {
        return Err(refused(key, value, "a number, or ids that are all different"));
    }
    Ok(Inventory::Ids(ids))
}

/// The words of a list: between commas and blanks.
pub fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty())
}

fn expression(text: &str, name: &str, expected: &'static str) -> Result<Expr, SettingError> {
    Expr::parse(text).map_err(|_| refused(name, text, expected))
}

/// A number of at least `least`, or an expression that is one.
fn whole(all: &Effective, name: &str, least: u64) -> Result<Option<u64>, SettingError> {
    let Some(text) = all.get(name) else { return Ok(None) };
    let number = integer(text).and_then(|n| u64::try_from(n).ok()).filter(|n| *n >= least);
    let expected = if least == 0 { "a whole number" } else { "a whole number above 0" };
    number.map(Some).ok_or_else(|| refused(name, text, expected))
}

fn positive(all: &Effective, name: &str) -> Result<Option<f64>, SettingError> {
    let Some(text) = all.get(name) else { return Ok(None) };
    let number = real(text).filter(|n| n.is_finite() && *n > 0.0);
    number.map(Some).ok_or_else(|| refused(name, text, "a number above 0"))
}

/// A number of at least 0.
fn amount(all: &Effective, name: &str) -> Result<f64, SettingError> {
    let text = all.get(name).unwrap_or_default();
    let number = real(text).filter(|n| n.is_finite() && *n >= 0.0);
    number.ok_or_else(|| refused(name, text, "a number that is not below 0"))
}

fn refused(name: &str, value: &str, expected: &'static str) -> SettingError {
    SettingError { name: name.to_owned(), value: value.to_owned(), expected }
}
