//! Why a job waits: data first, one sentence second. The negotiator fills it, and every command
//! shows the same words.

mod pbs;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::limits::LimitAmount;

/// Machines say in whole seconds when something is over, and messages take their time: moments that
/// differ by so little are one.
const SAME_MOMENT_S: u64 = 10;

/// Why the idle jobs of a class are not running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleReason {
    /// Whether waiting helps.
    pub verdict: Verdict,
    /// What stands in the way.
    pub cause: Cause,
}

impl IdleReason {
    /// Whether it says more than the other did. How much of what is short is free at the moment
    /// changes all the time, and tells nobody anything new.
    pub fn is_news_after(&self, other: &Self) -> bool {
        let moment = |reason: &Self| match &reason.cause {
            Cause::Reserved { at, .. } | Cause::Kept { at, .. } => at.as_secs(),
            _ => 0,
        };
        if moment(self).abs_diff(moment(other)) > SAME_MOMENT_S {
            return true;
        }
        let timeless = |reason: &Self| {
            let mut reason = reason.clone();
            match &mut reason.cause {
                Cause::Busy { free, .. } => *free = 0,
                Cause::Reserved { at, .. } | Cause::Kept { at, .. } => *at = Timestamp::default(),
                _ => {}
            }
            reason
        };
        self != other && timeless(self) != timeless(other)
    }
}

/// Whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// With the machines that the pool has today, the job can never run.
    Never,
    /// It will run when something changes that changes by itself.
    NotYet,
}

/// Of whose jobs only so many may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitOf {
    All,
    Owner,
    Group(String),
    Project(String),
}

/// What stands in the way of a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The matchmaker has not looked at it yet.
    NotConsidered,
    /// The queue was put back from a copy, and what the lost one has started may still run.
    QueuePutBack {
        /// The machines that have not said yet that nothing does; none where nobody knows which
        /// had runs.
        machines: Vec<String>,
        /// How long at most.
        seconds: u64,
    },
    /// The schedd has no connection to a negotiator.
    NoNegotiator,
    /// The pool has no machines at all.
    NoMachines,
    /// A clause of the job's Requirements is not true on any machine that passes the clauses before
    /// it.
    ClauseFails {
        /// The clause, as the user would write it.
        clause: String,
        /// On how many machines it is not true.
        failing: u32,
        /// Of how many machines.
        of: u32,
        /// References in it that are undefined everywhere.
        undefined: Vec<String>,
        /// The slot that comes nearest: it meets as many of the other clauses as any.
        nearest: Option<Box<Nearest>>,
    },
    /// Several clauses are each true somewhere, but never all on one machine.
    ClausesConflict {
        /// The clauses with the number of machines on which each fails.
        clauses: Vec<(String, u32)>,
        /// Of how many machines.
        of: u32,
    },
    /// Its parts are to be on several machines, and all begin together.
    ManyMachines {
        /// On how many at least.
        needed: u32,
        /// How many the pool has.
        pool: u32,
    },
    /// Machines suit the job, but none is as large as the request even when empty.
    TooLarge {
        /// The resource that is short (`Cpus`, `Memory`, `Disk`).
        resource: String,
        /// What the job asks for, in the resource's own unit.
        requested: u64,
        /// The most that a suitable machine has.
        largest: u64,
    },
    /// The machines that suit the job refuse it (their Requirements, `START`).
    MachinesRefuse {
        /// How many suit the job and refuse it.
        refusing: u32,
        /// The expression that is not true.
        expression: String,
    },
    /// The machines that suit the job are to be given no new jobs.
    Drained {
        /// How many suit the job and are drained.
        machines: u32,
        /// Why, as it is said of the first.
        reason: String,
    },
    /// Machines have room for it, and do not take it: not from this user, or not just now.
    Declined {
        /// How many do so.
        machines: u32,
        /// One of them.
        machine: String,
        /// Why, as it says.
        reason: String,
    },
    /// The machines that could run it are full.
    Busy {
        /// How many machines could run it when they are free.
        could_run: u32,
        /// The resource that is short on the nearest of them.
        short: String,
        /// How much of it the job asks for, in the resource's own unit.
        #[serde(default)]
        asked: u64,
        /// How much of it is free there.
        #[serde(default)]
        free: u64,
        /// How much of it there is; 0 if that is not known.
        #[serde(default)]
        total: u64,
    },
    /// Other users' jobs come first.
    FairShare {
        /// This user's place, from 1.
        place: u32,
        /// Users with idle jobs.
        of: u32,
    },
    /// A pool-wide limit is reached.
    Limit {
        name: String,
        /// How much of it is in use.
        #[serde(default)]
        used: LimitAmount,
        /// How much of it the job uses.
        #[serde(default)]
        asked: LimitAmount,
        /// How much of it there is.
        #[serde(default)]
        limit: LimitAmount,
    },
    /// A job that is to run beside the schedd, where no more may now.
    NoPlace {
        /// The setting that says so.
        setting: String,
    },
    /// A job that is to run beside the schedd, and a clause of its Requirements is not true of the
    /// submit machine.
    NotHere {
        /// The clause, as the user would write it.
        clause: String,
        /// References in it that are undefined there.
        undefined: Vec<String>,
    },
    /// The queue that it is in, or the whole server, starts no jobs now.
    QueueStopped {
        /// Which queue; the server if not given.
        queue: Option<String>,
    },
    /// As many jobs of its queue, or of the server, run as may.
    QueueLimit {
        /// Which queue; the server if not given.
        queue: Option<String>,
        /// How many may run.
        most: u64,
        of: LimitOf,
    },
    /// As many jobs of its array run as may.
    ArrayLimit {
        /// How many may run.
        most: u64,
    },
    /// The first of these jobs has a place: what runs there is over by then, by its walltime, and
    /// nothing is started that takes longer.
    Reserved {
        machine: String,
        /// When it starts at the latest.
        at: Timestamp,
    },
    /// A machine has room, which is kept for a job that comes first: this one would not be over by
    /// then.
    Kept {
        machine: String,
        /// From when it is kept.
        at: Timestamp,
        /// What the job asks for, seconds; nothing if it may take as long as it likes.
        walltime_s: Option<u32>,
    },
    /// A machine has room, of which a part is reserved: this job would not be over by then.
    Booked {
        machine: String,
        /// Whose jobs it is for.
        queue: String,
        /// From when and until when.
        from: Timestamp,
        until: Timestamp,
        /// What the job asks for, seconds; nothing if it may take as long as it likes.
        walltime_s: Option<u32>,
    },
    /// It was matched, and the machine has not answered yet.
    Claiming,
    /// Its run waits on a slot for the end of the one in front.
    Turn { slot: String },
    /// It is to start at a time that is not near yet.
    Deferred {
        /// Seconds until then, when this was written.
        seconds: u64,
    },
    /// Another job of its owner started, and asks for a pause before the next.
    StartsPaused {
        /// Seconds until its end, when this was written.
        seconds: u64,
    },
    /// The last attempts failed, and the next is tried later.
    BackingOff {
        /// Seconds until then, when this was written.
        seconds: u64,
        /// How the last one failed.
        last: String,
    },
}

/// A slot that nearly suits a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    pub slot: String,
    /// What it has of that which the failing clause looks at: attributes and their values.
    pub has: Vec<(String, String)>,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.slot)?;
        for (n, (name, value)) in self.has.iter().enumerate() {
            write!(f, "{}{name} = {value}", if n == 0 { ", which has " } else { " and " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::NotYet => "not yet",
        })
    }
}

impl fmt::Display for IdleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict, self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConsidered => f.write_str("the matchmaker has not looked at it yet"),
            Self::NoNegotiator => f.write_str("the schedd cannot reach the negotiator"),
            Self::QueuePutBack { machines, seconds } => put_back(f, machines, *seconds),
            Self::NoMachines => f.write_str("the pool has no machines"),
            Self::ClauseFails { clause, failing, of, undefined, nearest } => {
                let missing = missing(undefined, "defined nowhere");
                write!(f, "{clause} is not true on {failing} of {}{missing}", plural(*of, "slot"))?;
                match nearest {
                    Some(nearest) => write!(f, "; nearest is {nearest}"),
                    None => Ok(()),
                }
            }
            Self::ClausesConflict { clauses, of } => {
                let (each, slots) = (failures(clauses), plural(*of, "slot"));
                write!(f, "no slot meets all clauses of Requirements: {each} of {slots}")
            }
            Self::ManyMachines { needed, pool } => f.write_str(&many_machines(*needed, *pool)),
            Self::TooLarge { resource, requested, largest } => {
                f.write_str(&too_large(resource, *requested, *largest))
            }
            Self::MachinesRefuse { refusing, expression } => {
                write!(
                    f,
                    "{} would suit it and refuse it: {expression} is not true",
                    plural(*refusing, "slot")
                )
            }
            Self::Drained { machines, reason } => f.write_str(&drained(*machines, reason)),
            Self::Declined { machines, machine, reason } => {
                write!(f, "{} refused it: {machine} says: {reason}", plural(*machines, "machine"))
            }
            Self::Busy { could_run, short, .. } => {
                write!(
                    f,
                    "{} could run it; all are busy (short of {short})",
                    plural(*could_run, "machine")
                )
            }
            Self::FairShare { place, of } => {
                write!(f, "other users come first: place {place} of {of} in the fair share")
            }
            Self::NotHere { clause, undefined } => {
                let missing = missing(undefined, "not defined there");
                write!(f, "{clause} is not true of the submit machine{missing}")
            }
            Self::NoPlace { setting } => write!(f, "the limit {setting} is reached"),
            Self::Limit { name, asked, limit, .. } if asked > limit => {
                write!(f, "it uses {asked} of the limit {name}, of which the pool has {limit}")
            }
            Self::Limit { name, used, asked, limit } => {
                let more = and_asks(*asked);
                write!(f, "the limit {name} is reached: {used} of {limit} in use{more}")
            }
            Self::QueueStopped { queue } => f.write_str(&stopped(queue.as_deref())),
            Self::QueueLimit { queue, most, of } => f.write_str(&full(queue.as_deref(), *most, of)),
            Self::ArrayLimit { most } => f.write_str(&full_array(*most)),
            Self::Reserved { machine, at } => f.write_str(&reserved(machine, *at)),
            Self::Kept { machine, at, walltime_s } => f.write_str(&kept(machine, *at, *walltime_s)),
            Self::Booked { .. } => f.write_str(&self.booked()),
            Self::Claiming => f.write_str("matched; the machine is being claimed"),
            Self::Turn { slot } => write!(f, "it is next on {slot}, behind a job that is short"),
            Self::Deferred { seconds } => write!(f, "it is to start in {}", span(*seconds)),
            Self::StartsPaused { seconds } => f.write_str(&paused(*seconds)),
            Self::BackingOff { seconds, last } => {
                write!(f, "next try in {seconds} s; the last one failed: {last}")
            }
        }
    }
}

fn drained(machines: u32, reason: &str) -> String {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let could = plural(machines, "machine");
    let take = if machines == 1 { "takes no new jobs" } else { "take no new jobs" };
    format!("{could} would suit it and {take}: drained{why}")
}

fn and_asks(asked: LimitAmount) -> String {
    let more = (asked != LimitAmount::ONE).then(|| format!(", and the job uses {asked}"));
    more.unwrap_or_default()
}

fn many_machines(needed: u32, pool: u32) -> String {
    if needed > pool {
        return format!("it needs {needed} machines at once, and the pool has {pool}");
    }
    format!(
        "it needs {needed} machines at once, and not so many of the pool's {pool} have room for its parts"
    )
}

fn full_array(most: u64) -> String {
    format!("{most} subjobs of its array run, and no more may (max_run_subjobs)")
}

fn reserved(machine: &str, at: Timestamp) -> String {
    format!(
        "the first of these jobs starts on {machine} by {}, when what runs there is over",
        utc(at)
    )
}

fn kept(machine: &str, at: Timestamp, walltime_s: Option<u32>) -> String {
    let from = format!("{machine} is kept from {} for a job that comes first", utc(at));
    from + &over_by_then(walltime_s)
}

impl Cause {
    fn booked(&self) -> String {
        let Self::Booked { machine, queue, from, until, walltime_s } = self else {
            return String::new();
        };
        let (from, until) = (utc(*from), utc(*until));
        let why = over_by_then(*walltime_s);
        format!("{machine} is reserved ({queue}) from {from} until {until}{why}")
    }
}

fn over_by_then(walltime_s: Option<u32>) -> String {
    match walltime_s {
        Some(seconds) => {
            let walltime = span(seconds.into());
            format!("; with a walltime of {walltime} it may not be over by then")
        }
        None => "; it asks for no walltime, so nobody can tell when it is over".to_owned(),
    }
}

/// Whoever reads it may be anywhere.
fn utc(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_secs()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn paused(seconds: u64) -> String {
    format!(
        "the job that started last asks for a pause (next_job_start_delay): next start in {seconds} s"
    )
}

fn too_large(resource: &str, requested: u64, largest: u64) -> String {
    let amount = |n: u64| match amount(resource, n) {
        Some(size) => format!("{n} ({size})"),
        None => n.to_string(),
    };
    let slot = format!("the largest suitable slot has {}", amount(largest));
    format!("it asks for {resource} = {}, and {slot}", amount(requested))
}

/// An amount in a unit that people read, if it is a large one of memory (MiB) or disk (KiB).
fn amount(resource: &str, n: u64) -> Option<String> {
    let kib = match resource {
        _ if resource.eq_ignore_ascii_case("Memory") => n.checked_mul(1024)?,
        _ if resource.eq_ignore_ascii_case("Disk") => n,
        _ => return None,
    };
    let gib = kib / (1024 * 1024);
    let tenths = kib % (1024 * 1024) * 10 / (1024 * 1024);
    match gib {
        0 => None,
        1..10 if tenths > 0 => Some(format!("{gib}.{tenths} GB")),
        _ => Some(format!("{gib} GB")),
    }
}

/// A time for people: nobody counts 44747 seconds.
fn span(seconds: u64) -> String {
    match seconds {
        0..=600 => format!("{seconds} s"),
        601..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn stopped(queue: Option<&str>) -> String {
    queue.map_or_else(
        || "scheduling is switched off".to_owned(),
        |queue| format!("the queue {queue} is not started"),
    )
}

fn full(queue: Option<&str>, most: u64, of: &LimitOf) -> String {
    let place = queue.map_or("the server".to_owned(), |queue| format!("the queue {queue}"));
    let whom = match of {
        LimitOf::All => String::new(),
        LimitOf::Owner => " of its owner".to_owned(),
        LimitOf::Group(group) => format!(" of the group {group}"),
        LimitOf::Project(project) => format!(" of the project {project}"),
    };
    format!("{most} of the jobs{whom} in {place} run, and no more may (max_run)")
}

fn failures(clauses: &[(String, u32)]) -> String {
    let each = clauses.iter().map(|(clause, n)| format!("{clause} fails on {n}"));
    each.collect::<Vec<_>>().join(", ")
}

/// Why jobs of a queue that was put back wait.
fn put_back(f: &mut fmt::Formatter<'_>, machines: &[String], seconds: u64) -> fmt::Result {
    let heard = match machines {
        [] => String::new(),
        [only] => format!("when {only} has answered, or "),
        [first, others @ ..] => {
            format!(
                "when {first} and {} have answered, or ",
                plural(u32::try_from(others.len()).unwrap_or(u32::MAX), "other")
            )
        }
    };
    write!(
        f,
        "the queue was put back from a copy, and runs that it does not know may be alive: it may \
         start {heard}in {seconds} s"
    )
}

/// What is undefined in a clause, if anything is.
fn missing(undefined: &[String], how: &str) -> String {
    if undefined.is_empty() {
        return String::new();
    }
    format!(" ({} is {how})", undefined.join(", "))
}

fn plural(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_told_in_units_that_people_read() {
        let too_large =
            |resource: &str, requested, largest| too_large(resource, requested, largest);
        assert_eq!(
            too_large("Disk", 107_374_182_400, 49_271_284),
            "it asks for Disk = 107374182400 (102400 GB), and the largest suitable slot has 49271284 (46 GB)"
        );
        assert_eq!(
            too_large("Memory", 3000, 1000),
            "it asks for Memory = 3000 (2.9 GB), and the largest suitable slot has 1000"
        );
        assert_eq!(
            too_large("GPUs", 3000, 2),
            "it asks for GPUs = 3000, and the largest suitable slot has 2"
        );
        let times = [60, 600, 3700, 44_747, 200_000].map(span);
        assert_eq!(times, ["60 s", "600 s", "61 min", "12 h 25 min", "2 days"]);
    }
}
