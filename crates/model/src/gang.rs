//! Jobs with several parts that run at once: on how many machines.
//!
//! All parts of a job are one run. As yet a run has one claim, on one machine, which gives all
//! parts what they ask for together; so whoever needs several machines is not matched (ADR 0034).

use classad::{ClassAd, Value};

use crate::attr;

/// On how many machines at least the parts of a job are to be: `MinHosts`, as in HTCondor.
pub fn hosts(job: &ClassAd) -> u32 {
    let said = job.literal(attr::MIN_HOSTS).and_then(Value::as_i64);
    said.map_or(1, |hosts| u32::try_from(hosts.max(1)).unwrap_or(u32::MAX))
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
}
