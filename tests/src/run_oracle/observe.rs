//! What is there when the jobs of a case are over: the files in its folder, the events of its log,
//! and of each job's ad what both sides must agree on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::userlog::{Entries, UserLogEvent};
use model::{ProcId, attr};

/// What is of each ad, where it has it.
const COMPARED: [&str; 21] = [
    attr::JOB_STATUS,
    attr::EXIT_CODE,
    attr::EXIT_BY_SIGNAL,
    attr::EXIT_SIGNAL,
    attr::EXIT_STATUS,
    attr::NUM_JOB_STARTS,
    attr::NUM_JOB_COMPLETIONS,
    attr::NUM_SHADOW_STARTS,
    attr::NUM_RESTARTS,
    attr::JOB_RUN_COUNT,
    attr::NUM_HOLDS,
    attr::TOTAL_SUSPENSIONS,
    attr::COMPLETION_DATE,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
    attr::LAST_HOLD_REASON,
    attr::LAST_HOLD_REASON_CODE,
    attr::REMOVE_REASON,
    "Own",
    "Other",
];

/// What was seen of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// How submission ended.
    pub submitted: String,
    /// Files, with what is in them.
    pub files: BTreeMap<String, String>,
    /// The events of each job.
    pub events: BTreeMap<u32, Vec<String>>,
    /// Of each job, by attribute.
    pub ads: BTreeMap<u32, BTreeMap<String, String>>,
}

/// Names what differs from side to side by what it is: the folder, the cluster.
#[derive(Clone, Debug)]
pub struct Masks {
    /// The folder as the jobs see it.
    pub folder: String,
    pub cluster: String,
}

impl Masks {
    fn put_on(&self, text: &str) -> String {
        let text = text.replace(&self.folder, "FOLDER");
        // Which slot it is is chance.
        let masked = |line: &str| match line.split_once("_CONDOR_SLOT=") {
            Some(("", _)) => "_CONDOR_SLOT=SLOT".to_owned(),
            _ => line.to_owned(),
        };
        let text = text.split('\n').map(masked).collect::<Vec<_>>().join("\n");
        match self.cluster.as_str() {
            "" => text,
            cluster => text.replace(&format!("so.{cluster}x"), "so.CLUSTERx"),
        }
    }
}

/// The files in a folder.
///
/// # Errors
/// If one cannot be read.
pub fn files(folder: &Path, masks: &Masks) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).with_context(|| format!("read {}", path.display()))? {
            let path = entry?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if path.is_dir() {
                waiting.push(path);
            } else if name != "log" {
                let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                let text = masks.put_on(&String::from_utf8_lossy(&bytes));
                found.insert(masks.put_on(&name), text);
            }
        }
    }
    Ok(found)
}

/// The events of each job, but for those that come by the clock.
pub fn events(log: &str) -> BTreeMap<u32, Vec<String>> {
    let mut all: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for entry in Entries::new(log, &TimeZone::UTC, 2026).flatten() {
        let proc = entry.id.proc.map_or(u32::MAX, |ProcId(proc)| proc);
        let told = match &entry.event {
            // How often, and when, hangs on the machine.
            UserLogEvent::ImageSize { .. } | UserLogEvent::FileTransfer { .. } => continue,
            UserLogEvent::Terminated(end) => format!("005 {:?}", end.ending),
            UserLogEvent::Held { code, subcode, .. } => format!("012 {code} {subcode}"),
            UserLogEvent::Evicted(evicted) => format!("004 {:?}", evicted.how),
            event => format!("{:03}", event.number()),
        };
        all.entry(proc).or_default().push(told);
    }
    all
}

/// Of each ad what is compared.
pub fn ads(ads: &[ClassAd], masks: &Masks) -> BTreeMap<u32, BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for ad in ads {
        let proc = ad.literal(attr::PROC_ID).and_then(classad::Value::as_i64);
        let Some(proc) = proc.and_then(|proc| u32::try_from(proc).ok()) else { continue };
        let value = |name: &&str| {
            let text = masks.put_on(&ad.get(name)?.to_string());
            // A moment is one or none.
            let is_moment = *name == attr::COMPLETION_DATE && text != "0";
            Some(((*name).to_owned(), if is_moment { "a moment".to_owned() } else { text }))
        };
        all.insert(proc, COMPARED.iter().filter_map(value).collect());
    }
    all
}
