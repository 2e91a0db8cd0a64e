//! Jobs with several parts that run at once: what each part asks for, and where they may be.
//!
//! All parts of a job are one run. It has one claim where one machine gives all parts what they ask
//! for together, else one on each of several (ADR 0043). Nothing here knows of claims.

use std::fmt::Write as _;

use classad::{ClassAd, Value};

use crate::attr;
use crate::resources::Resources;

/// Stands for a node's number in the texts of a job of the parallel universe (HTCondor 25.14), from
/// `$(Node)` in its description.
pub const NODE: &str = "#pArAlLeLnOdE#";

/// The most parts of a job that are looked at.
const MOST_PARTS: u32 = 100_000;

/// On how many machines at least the parts of a job are to be: `MinHosts`, as in HTCondor.
pub fn hosts(job: &ClassAd) -> u32 {
    let said = job.literal(attr::MIN_HOSTS).and_then(Value::as_i64);
    said.map_or(1, |hosts| u32::try_from(hosts.max(1)).unwrap_or(u32::MAX))
}

/// Whether nothing else may be on the machines of a job while it runs (`place=excl`).
pub fn is_exclusive(job: &ClassAd) -> bool {
    job.literal(attr::EXCLUSIVE).is_some_and(Value::is_true)
}

/// Where the parts of a job may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Anywhere; those on one machine are one claim.
    Free,
    /// Each on a machine of its own.
    Scatter,
    /// Anywhere, each with a claim of its own: nodes of the parallel universe.
    Nodes,
}

/// So many parts alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub count: u32,
    /// The machine on which they are to be, if they name one.
    pub machine: Option<String>,
    /// What each asks for, by the names of attributes: what is not named is as in the job's ad.
    pub asks: Vec<(String, u64)>,
}

/// The parts of a job: `GangParts`, written as `scatter 2:RequestCpus=1:RequestMemory=128+1@m:...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gang {
    pub spread: Spread,
    /// In the order in which they are numbered.
    pub parts: Vec<Parts>,
}

impl Gang {
    /// What a job's ad says; nothing if the job is no gang, or what it says makes no sense.
    pub fn of(job: &ClassAd) -> Option<Self> {
        Self::read(job.literal(attr::GANG_PARTS)?.as_str()?)
    }

    /// Reads what [`Self::written`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ')?;
        let spread = match word {
            "free" => Spread::Free,
            "scatter" => Spread::Scatter,
            "nodes" => Spread::Nodes,
            _ => return None,
        };
        let parts = rest.split('+').map(read_parts).collect::<Option<Vec<_>>>()?;
        let gang = Self { spread, parts };
        (2..=MOST_PARTS).contains(&gang.count()).then_some(gang)
    }

    /// As it stands in an ad.
    pub fn written(&self) -> String {
        let word = match self.spread {
            Spread::Free => "free",
            Spread::Scatter => "scatter",
            Spread::Nodes => "nodes",
        };
        let part = |parts: &Parts| {
            let mut text = parts.count.to_string();
            if let Some(machine) = &parts.machine {
                let _ = write!(text, "@{machine}");
            }
            for (name, amount) in &parts.asks {
                // Writing to a String does not fail.
                let _ = write!(text, ":{name}={amount}");
            }
            text
        };
        format!("{word} {}", self.parts.iter().map(part).collect::<Vec<_>>().join("+"))
    }

    /// How many parts there are.
    pub fn count(&self) -> u32 {
        self.parts.iter().fold(0, |sum, parts| sum.saturating_add(parts.count))
    }
}

/// A job's ad as that of one which asks for this and runs there alone: what a machine is asked
/// about that has some of the job's parts.
pub fn asking(job: &ClassAd, resources: &Resources) -> ClassAd {
    let mut ad = alone(job);
    let amounts = [
        (attr::REQUEST_CPUS, u64::from(resources.cpus)),
        (attr::REQUEST_MEMORY, resources.memory_mib),
        (attr::REQUEST_DISK, resources.disk_kib),
    ];
    for (name, amount) in amounts {
        ad.set(name, i64::try_from(amount).unwrap_or(i64::MAX));
    }
    // What its other parts ask for is not asked for here.
    let customs: Vec<String> = job
        .iter_all()
        .filter_map(|(name, _)| {
            let name = name.as_str();
            let head = name.get(..attr::REQUEST_PREFIX.len())?;
            let known = amounts.iter().any(|(known, _)| name.eq_ignore_ascii_case(known));
            let is_request = head.eq_ignore_ascii_case(attr::REQUEST_PREFIX) && !known;
            is_request.then(|| name[head.len()..].to_owned())
        })
        .collect();
    for name in customs {
        let custom = name.to_ascii_lowercase();
        if let Some(amount) = resources.custom.get(&custom) {
            let amount = i64::try_from(*amount).unwrap_or(i64::MAX);
            ad.set(format!("{}{name}", attr::REQUEST_PREFIX).as_str(), amount);
        } else if custom == "gpus" {
            ad.set(attr::REQUEST_GPUS, 0);
        }
    }
    ad
}

/// A job's ad without what tells that it has parts.
pub fn alone(job: &ClassAd) -> ClassAd {
    let tells = [attr::GANG_PARTS, attr::MIN_HOSTS, attr::MAX_HOSTS];
    let mut ad = ClassAd::new();
    // What is removed of an ad that is chained shows through again.
    for (name, expr) in job.iter_all().filter(|(name, _)| tells.iter().all(|tells| *name != tells))
    {
        ad.set(name.as_str(), expr.clone());
    }
    ad
}

fn read_parts(text: &str) -> Option<Parts> {
    let mut words = text.split(':');
    let head = words.next()?;
    let (count, machine) = match head.split_once('@') {
        Some((count, machine)) => (count, Some(machine.to_owned()).filter(|m| !m.is_empty())),
        None => (head, None),
    };
    let count = count.parse().ok().filter(|count| *count > 0)?;
    let ask = |word: &str| {
        let (name, amount) = word.split_once('=')?;
        Some((name.to_owned(), amount.parse().ok()?))
    };
    Some(Parts { count, machine, asks: words.map(ask).collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_needs_one_machine_unless_it_says_more() {
        for (text, expected) in [
            ("", 1),
            ("MinHosts = 1", 1),
            ("MinHosts = 3", 3),
            ("MinHosts = 0", 1),
            ("MinHosts = -7", 1),
            ("MinHosts = \"2\"", 1),
            ("MinHosts = 99999999999", u32::MAX),
        ] {
            assert_eq!(hosts(&ClassAd::parse_old(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn parts_are_read_as_they_were_written_and_nothing_else_is() {
        for text in [
            "free 2:RequestCpus=1",
            "scatter 1:RequestCpus=2:RequestMemory=512+3:RequestCpus=1:RequestGPUs=1",
            "nodes 4",
            "scatter 1@n1:RequestCpus=2+1@n2.site.org:RequestCpus=1",
        ] {
            assert_eq!(Gang::read(text).unwrap().written(), text);
        }
        for text in [
            "",
            "free",
            "free 1",
            "free 0+0",
            "pack 2",
            "free 2:RequestCpus",
            "free 2:RequestCpus=x",
            "free 2+",
            "free 99999999",
        ] {
            assert_eq!(Gang::read(text), None, "{text}");
        }
    }
}
