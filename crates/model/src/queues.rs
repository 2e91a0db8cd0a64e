//! PBS's queues: what a pool says of them, who may submit to which, and how many of their jobs may
//! be there or run. The schedd keeps this with the jobs; `qmgr` and its kin change it, `qsub` reads
//! it to place a job, and the schedd looks once more at what was placed.
//!
//! Knows neither how jobs are kept nor how any of this is printed.

mod admission;
mod booking;
mod custom;
mod denied;
mod limits;
mod reservations;
mod settings;

use crate::attr;

pub use admission::Applicant;
pub use custom::{Custom, CustomKind};
pub use denied::Denied;
pub use limits::{Entity, Limit, Limits, Submitter, Who};
pub use reservations::{
    Authorized, Became, DELETED_BY, Reservations, Reserved, ReservedChunk, ReservedParts,
    ReservedPlace, Spread, Stage, Window,
};
pub use settings::{
    Attributes, Change, Edit, Form, KNOWN, Known, LONGEST_NAME, Object, Of, QueueSettings, form_of,
};

/// The queue that there is from the beginning.
pub const FIRST_QUEUE: &str = "workq";

/// The attribute of a job's ad that names its queue. Jobs without it are under no queue's rules.
pub const QUEUE: &str = "PbsQueue";

/// The attribute of a job that was told to run before all others, whatever its queue's limits are.
pub const RUN_NOW: &str = "PbsRunNow";

/// The attribute that stands for a cluster's number where jobs of equal priority are put in order.
pub const RANK: &str = "QueueRank";

/// The attribute of the jobs of an array of which only so many may run at a time.
pub const MOST_RUNNING: &str = "PbsMaxRunSubjobs";

/// `Resource_List` of a job's ad: words `name=value` of form 2.
pub const RESOURCES: &str = "PbsResources";

/// The attribute of a job whose history was deleted (`qdel -x`): PBS's commands do not know it any
/// more once it is over. Its row stays for the accounting, the record and `history`.
pub const HISTORY_DELETED: &str = "PbsHistoryDeleted";

/// What PBS's sites call the graphics processors of machines: the one resource that managers name
/// and that machines have already.
pub const GPUS: &str = "ngpus";

/// What a machine's ad calls a resource that managers have named, and a limit of the pool: no
/// other resource has a name like that, but for [`GPUS`].
pub fn custom_attribute(name: &str) -> String {
    match name {
        GPUS => attr::GPUS.to_owned(),
        _ => format!("PBS_{}", name.replace('-', "_")),
    }
}

/// The attribute of the group that a job's user submits for.
pub const GROUP: &str = "PbsGroup";

/// The attribute of a job's project.
pub const PROJECT: &str = "PbsProject";

/// The project of a job of which nobody said another (OpenPBS 23.06).
pub const NO_PROJECT: &str = "_pbs_project_default";

/// How much a written amount is: seconds of `HH:MM:SS`, bytes of `2gb` or `1mw`, or a number.
pub fn amount(text: &str) -> Option<u64> {
    if text.contains(':') {
        let seconds = text.split('.').next().unwrap_or_default();
        return seconds
            .split(':')
            .try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let (letter, words) = match unit.strip_suffix('w') {
        Some(letter) => (letter, 8),
        None => (unit.strip_suffix('b').unwrap_or(&unit), 1),
    };
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(1024_u64.checked_pow(power)?)?.checked_mul(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_seconds_bytes_and_numbers() {
        for (text, expected) in [
            ("4", Some(4)),
            ("01:00:00", Some(3600)),
            ("1:30", Some(90)),
            ("2gb", Some(2 << 30)),
            ("5m", Some(5 << 20)),
            ("1kw", Some(8192)),
            ("10b", Some(10)),
            ("", None),
            ("x", None),
            ("1:x", None),
            ("99999999999pb", None),
        ] {
            assert_eq!(amount(text), expected, "{text}");
        }
    }
}
