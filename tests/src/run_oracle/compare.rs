//! Where two that ran the same jobs differ, and which differences are meant.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::observe::Observation;

/// A difference that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Meant {
    /// What a finding has in it.
    pub has: &'static str,
    pub why: &'static str,
}

/// What is meant to differ.
pub const MEANT: &[Meant] = &[
    Meant {
        has: " \"HoldReason\":",
        why: "a reason names what was tried in our own words; the codes are compared",
    },
    Meant {
        has: " \"ExitStatus\":",
        why: "it is the exit code; HTCondor leaves it at 0 in all universes but the scheduler's",
    },
    Meant { has: " \"LastHoldReason\":", why: "the same, of the hold before" },
];

/// Where they differ, a line each.
pub fn findings(real: &Observation, ours: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    if real.submitted != ours.submitted {
        found.push(format!("submitted: real {} / ours {}", real.submitted, ours.submitted));
        return found;
    }
    differ("file", &real.files, &ours.files, &mut found);
    differ("events of job", &real.events, &ours.events, &mut found);
    let none = BTreeMap::new();
    for (proc, theirs) in &real.ads {
        let own = ours.ads.get(proc).unwrap_or(&none);
        differ(&format!("job {proc}"), theirs, own, &mut found);
    }
    if real.ads.len() != ours.ads.len() {
        found.push(format!("ads: real {} / ours {}", real.ads.len(), ours.ads.len()));
    }
    found.retain(|finding| MEANT.iter().all(|meant| !finding.contains(meant.has)));
    found
}

fn differ<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    real: &BTreeMap<K, V>,
    ours: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    let mut keys: Vec<&K> = real.keys().chain(ours.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        if real.get(key) != ours.get(key) {
            let told = |side: &BTreeMap<K, V>| match side.get(key) {
                Some(value) => format!("{value:?}"),
                None => "none".to_owned(),
            };
            found.push(format!("{what} {key:?}: real {} / ours {}", told(real), told(ours)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_name_and_what_is_meant_is_not() {
        let with = |files: &[(&str, &str)], reason: &str| Observation {
            files: files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
            ads: [(0, [("HoldReason".to_owned(), reason.to_owned())].into())].into(),
            ..Observation::default()
        };
        let real = with(&[("a", "x"), ("b", "y")], "one");
        assert!(findings(&real, &real).is_empty());
        let ours = with(&[("a", "z")], "another");
        let expected =
            ["file \"a\": real \"x\" / ours \"z\"", "file \"b\": real \"y\" / ours none"];
        assert_eq!(findings(&real, &ours), expected);
    }
}
