//! Why a job waits, as the `comment` of PBS's jobs says it: in OpenPBS 23.06's words where it has
//! some, which portals and scripts look for, and else in ours behind its head.

use super::{Cause, IdleReason, LimitOf, Verdict};
use crate::{attr, queues};

/// How a machine calls what managers have named.
const CUSTOM: &str = "PBS_";

impl IdleReason {
    /// `Can Never Run: Insufficient amount of resource: ncpus (R: 100 A: 64 T: 64)`.
    pub fn comment(&self) -> String {
        let head = match self.verdict {
            Verdict::Never => "Can Never Run",
            Verdict::NotYet => "Not Running",
        };
        format!("{head}: {}", self.cause.in_pbs_words().unwrap_or_else(|| self.cause.to_string()))
    }
}

impl Cause {
    /// What OpenPBS says of it, if it knows such a thing.
    fn in_pbs_words(&self) -> Option<String> {
        match self {
            Self::TooLarge { resource, requested, largest } => {
                Some(insufficient(resource, *requested, *largest, *largest))
            }
            Self::Busy { short, asked, free, total, .. } if *total > 0 => {
                Some(insufficient(short, *asked, *free, *total))
            }
            Self::ManyMachines { needed, pool } if needed > pool => {
                Some("Not enough total nodes available".to_owned())
            }
            Self::QueueStopped { queue: Some(_) } => Some("Queue not started.".to_owned()),
            Self::QueueLimit { queue, of, .. } => {
                let place =
                    queue.as_ref().map_or("server".to_owned(), |name| format!("queue {name}"));
                let whole =
                    queue.as_ref().map_or("Server".to_owned(), |name| format!("Queue {name}"));
                Some(match of {
                    LimitOf::All => format!("{whole} job limit has been reached."),
                    LimitOf::Owner => format!("User has reached {place} running job limit."),
                    LimitOf::Group(_) => format!("Group has reached {place} running limit."),
                    LimitOf::Project(_) => format!("Project has reached {place} running limit."),
                })
            }
            Self::ArrayLimit { .. } => {
                Some("Number of concurrent running subjobs limit reached".to_owned())
            }
            Self::Booked { .. } => {
                Some("Job would conflict with reservation or top job".to_owned())
            }
            Self::Busy { .. }
            | Self::ManyMachines { .. }
            | Self::QueueStopped { queue: None }
            | Self::NotConsidered
            | Self::QueuePutBack { .. }
            | Self::NoNegotiator
            | Self::NoMachines
            | Self::ClauseFails { .. }
            | Self::ClausesConflict { .. }
            | Self::MachinesRefuse { .. }
            | Self::Drained { .. }
            | Self::Declined { .. }
            | Self::FairShare { .. }
            | Self::Limit { .. }
            | Self::NoPlace { .. }
            | Self::NotHere { .. }
            | Self::Reserved { .. }
            | Self::Kept { .. }
            | Self::Claiming
            | Self::Turn { .. }
            | Self::Deferred { .. }
            | Self::StartsPaused { .. }
            | Self::BackingOff { .. } => None,
        }
    }
}

/// Requested, available, in total.
fn insufficient(resource: &str, requested: u64, available: u64, total: u64) -> String {
    let (name, kib) = match resource {
        "Cpus" => ("ncpus".to_owned(), None),
        "Memory" => ("mem".to_owned(), Some(1024)),
        "Disk" => ("file".to_owned(), Some(1)),
        attr::GPUS => (queues::GPUS.to_owned(), None),
        other => match other.strip_prefix(CUSTOM) {
            Some(name) => (name.to_owned(), None),
            None => (other.to_ascii_lowercase(), None),
        },
    };
    let shown = |amount: u64| match kib {
        None => amount.to_string(),
        Some(kib) => format!("{}kb", amount.saturating_mul(kib)),
    };
    let [requested, available, total] = [requested, available, total].map(shown);
    format!("Insufficient amount of resource: {name} (R: {requested} A: {available} T: {total})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verdict: Verdict, cause: Cause, expected: &str) {
        assert_eq!(IdleReason { verdict, cause }.comment(), expected);
    }

    #[test]
    fn comments_are_in_pbs_words_where_it_has_some() {
        use Verdict::{Never, NotYet};
        let (resource, queue) = ("Cpus".to_owned(), Some("small".to_owned()));
        check(
            Never,
            Cause::TooLarge { resource: resource.clone(), requested: 100, largest: 64 },
            "Can Never Run: Insufficient amount of resource: ncpus (R: 100 A: 64 T: 64)",
        );
        check(
            NotYet,
            Cause::Busy { could_run: 1, short: resource, asked: 60, free: 1, total: 64 },
            "Not Running: Insufficient amount of resource: ncpus (R: 60 A: 1 T: 64)",
        );
        let short = queues::custom_attribute("lic");
        check(
            NotYet,
            Cause::Busy { could_run: 1, short, asked: 2, free: 1, total: 3 },
            "Not Running: Insufficient amount of resource: lic (R: 2 A: 1 T: 3)",
        );
        check(
            NotYet,
            Cause::Busy {
                could_run: 2,
                short: "Memory".to_owned(),
                asked: 512,
                free: 0,
                total: 1024,
            },
            "Not Running: Insufficient amount of resource: mem (R: 524288kb A: 0kb T: 1048576kb)",
        );
        check(
            Never,
            Cause::ManyMachines { needed: 2, pool: 1 },
            "Can Never Run: Not enough total nodes available",
        );
        check(
            Never,
            Cause::ManyMachines { needed: 2, pool: 3 },
            "Can Never Run: it needs 2 machines at once, and not so many of the pool's 3 have room \
             for its parts",
        );
        check(
            NotYet,
            Cause::QueueStopped { queue: queue.clone() },
            "Not Running: Queue not started.",
        );
        check(
            NotYet,
            Cause::QueueLimit { queue: queue.clone(), most: 1, of: LimitOf::Owner },
            "Not Running: User has reached queue small running job limit.",
        );
        let of = LimitOf::Group("staff".to_owned());
        check(
            NotYet,
            Cause::QueueLimit { queue, most: 1, of },
            "Not Running: Group has reached queue small running limit.",
        );
        check(
            NotYet,
            Cause::QueueLimit { queue: None, most: 1, of: LimitOf::All },
            "Not Running: Server job limit has been reached.",
        );
        check(NotYet, Cause::NoMachines, "Not Running: the pool has no machines");
    }
}
