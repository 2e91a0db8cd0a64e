//! The resources that a job may ask for with `-l`: their names, what values they take, and how
//! values are written; those that everybody has, and those that a pool's managers have named.

use model::queues::{Custom, CustomKind, QueueSettings};

use super::refusal::{Refusal, code};
use super::text::{Rule, number, read};

/// What values a resource takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceKind {
    /// A number from 0.
    Count,
    Integer,
    Size,
    Duration,
    Text,
    Truth,
    /// A number with a fraction.
    Real,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is seen to.
    Built,
    /// OpenPBS has it, and we do not; with what there is to say.
    NotBuilt(&'static str),
    /// Nobody but the server sets it.
    ReadOnly,
}

/// A resource of OpenPBS 23.06, whether we have it or not, or of the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    pub(super) kind: ResourceKind,
    /// Whether a chunk has it; otherwise the whole job.
    pub(super) in_chunks: bool,
    pub(super) standing: Standing,
}

const fn known(
    name: &'static str,
    kind: ResourceKind,
    in_chunks: bool,
    standing: Standing,
) -> Known<'static> {
    Known { name, kind, in_chunks, standing }
}

const NO_SUCH_PART: Standing = Standing::NotBuilt("machines do not say whether they have it");
const NO_POWER: Standing = Standing::NotBuilt("the power of machines is not managed");

/// All (OpenPBS 23.06), without `select`, `place` and `nodes`, which say how the others are spread
/// (`selects`).
const ALL: &[Known<'static>] = &[
    known("accelerator", ResourceKind::Text, true, NO_SUCH_PART),
    known("accelerator_group", ResourceKind::Text, true, NO_SUCH_PART),
    known("accelerator_memory", ResourceKind::Size, true, NO_SUCH_PART),
    known("accelerator_model", ResourceKind::Text, true, NO_SUCH_PART),
    known("aoe", ResourceKind::Text, true, Standing::NotBuilt("machines are not provisioned")),
    known("arch", ResourceKind::Text, true, Standing::Built),
    known("cpupercent", ResourceKind::Count, false, Standing::ReadOnly),
    known("cput", ResourceKind::Duration, false, Standing::Built),
    known("energy", ResourceKind::Count, false, Standing::ReadOnly),
    known("eoe", ResourceKind::Text, true, NO_POWER),
    known("exec_vnode", ResourceKind::Text, false, Standing::ReadOnly),
    known("file", ResourceKind::Size, false, Standing::Built),
    known("hbmem", ResourceKind::Size, true, NO_SUCH_PART),
    known("host", ResourceKind::Text, true, Standing::Built),
    known("hpm", ResourceKind::Count, false, NO_SUCH_PART),
    known("max_walltime", ResourceKind::Duration, false, Standing::Built),
    known("mem", ResourceKind::Size, true, Standing::Built),
    known("min_walltime", ResourceKind::Duration, false, Standing::Built),
    known("mpiprocs", ResourceKind::Count, true, Standing::Built),
    known("naccelerators", ResourceKind::Count, true, Standing::Built),
    known("nchunk", ResourceKind::Count, true, Standing::ReadOnly),
    known("ncpus", ResourceKind::Count, true, Standing::Built),
    known("nice", ResourceKind::Integer, false, Standing::Built),
    known("nodect", ResourceKind::Count, false, Standing::ReadOnly),
    known("nodemask", ResourceKind::Text, false, Standing::ReadOnly),
    known("ompthreads", ResourceKind::Count, true, Standing::Built),
    known("partition", ResourceKind::Text, false, Standing::ReadOnly),
    known("pcap_accelerator", ResourceKind::Count, false, NO_POWER),
    known("pcap_node", ResourceKind::Count, false, NO_POWER),
    known("pcput", ResourceKind::Duration, false, Standing::Built),
    known("pe_mask", ResourceKind::Text, false, Standing::ReadOnly),
    known("pgov", ResourceKind::Text, false, NO_POWER),
    known("pmem", ResourceKind::Size, false, Standing::Built),
    known(
        "preempt_targets",
        ResourceKind::Text,
        false,
        Standing::NotBuilt("no job is stopped for another's sake"),
    ),
    known("pstate", ResourceKind::Text, false, NO_POWER),
    known("pvmem", ResourceKind::Size, false, Standing::Built),
    known("resc", ResourceKind::Text, false, NO_SUCH_PART),
    known("site", ResourceKind::Text, false, Standing::Built),
    known("soft_walltime", ResourceKind::Duration, false, Standing::ReadOnly),
    known("software", ResourceKind::Text, false, Standing::Built),
    known("ssinodes", ResourceKind::Count, false, NO_SUCH_PART),
    known("start_time", ResourceKind::Count, false, Standing::ReadOnly),
    known("vmem", ResourceKind::Size, true, Standing::Built),
    known("vnode", ResourceKind::Text, true, Standing::Built),
    known("vntype", ResourceKind::Text, true, NO_SUCH_PART),
    known("walltime", ResourceKind::Duration, false, Standing::Built),
];

/// All resources of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resources<'a>(pub(super) &'a QueueSettings);

impl<'a> Resources<'a> {
    /// The resource of this name.
    pub(super) fn find(self, name: &'a str) -> Option<Known<'a>> {
        ALL.iter().find(|known| known.name == name).copied().or_else(|| {
            let Custom { kind, of_machines, .. } = self.0.custom(name)?;
            let kind = match kind {
                CustomKind::Boolean => ResourceKind::Truth,
                CustomKind::Long => ResourceKind::Integer,
                CustomKind::Float => ResourceKind::Real,
                CustomKind::Size => ResourceKind::Size,
                CustomKind::Text | CustomKind::Words => ResourceKind::Text,
            };
            Some(Known { name, kind, in_chunks: of_machines, standing: Standing::Built })
        })
    }

    /// Whether chunks ask for the resource of this name.
    pub(super) fn is_of_chunks(self, name: &str) -> bool {
        self.find(name).is_some_and(|known| known.in_chunks)
    }

    /// One that the pool's managers have named.
    pub(super) fn custom(self, name: &str) -> Option<Custom> {
        let is_known = ALL.iter().any(|known| known.name == name);
        self.0.custom(name).filter(|_| !is_known)
    }
}

/// Whether everybody has a resource of this name, as far as OpenPBS knows.
pub fn is_known_resource(name: &str) -> bool {
    ALL.iter().any(|known| known.name == name) || ["select", "place", "nodes"].contains(&name)
}

/// Whether a job may ask for a resource of this name.
pub fn is_resource(name: &str, settings: &QueueSettings) -> bool {
    is_known_resource(name) || settings.custom(name).is_some()
}

/// A value of this resource as jobs write it.
///
/// # Errors
/// If there is no such resource, or no such value of it.
pub fn resource_value(name: &str, text: &str, settings: &QueueSettings) -> Result<String, Refusal> {
    let of = format!("Resource_List.{name}");
    let unknown = || Refusal::new(code::UNKNOWN_RESOURCE, format!("Unknown resource {name}"));
    let known = Resources(settings).find(name).ok_or_else(unknown)?;
    match known.standing {
        // How many nodes a job has nobody sets, but its queue may bound it.
        Standing::ReadOnly => Ok(text.to_owned()),
        Standing::Built | Standing::NotBuilt(_) => value(&known, text, &of),
    }
}

/// How many of a resource that is used up a value is; sizes in KiB, begun ones counted.
pub fn consumed(custom: Custom, value: &str) -> Option<u64> {
    match custom.kind {
        CustomKind::Size => Size::read(value)?.bytes().map(|bytes| bytes.div_ceil(1024)),
        CustomKind::Long | CustomKind::Float => {
            let whole = value.split('.').next().unwrap_or_default();
            let is_whole = value[whole.len()..].bytes().all(|byte| matches!(byte, b'.' | b'0'));
            whole.parse::<u64>().ok()?.checked_add(u64::from(!is_whole))
        }
        CustomKind::Boolean | CustomKind::Text | CustomKind::Words => None,
    }
}

/// A value of the job's, as it is written; `of` is what messages call it by.
///
/// # Errors
/// If it is none for this resource.
pub(super) fn value(known: &Known<'_>, text: &str, of: &str) -> Result<String, Refusal> {
    let bad = || Refusal::bad_value(of);
    let written = match known.kind {
        ResourceKind::Count => text.parse::<u32>().ok().map(|count| count.to_string()),
        ResourceKind::Integer => text.parse::<i64>().ok().map(|number| number.to_string()),
        ResourceKind::Real => {
            text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|_| text.to_owned())
        }
        ResourceKind::Truth => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "y" => Some("True".to_owned()),
            "false" | "f" | "0" | "n" => Some("False".to_owned()),
            _ => None,
        },
        ResourceKind::Size => Size::read(text).map(Size::written),
        ResourceKind::Duration => duration_s(text).map(clock),
        ResourceKind::Text => (!text.is_empty()).then(|| text.to_owned()),
    };
    let written = written.ok_or_else(bad)?;
    match known.standing {
        Standing::Built => Ok(written),
        Standing::NotBuilt(why) => Err(Refusal::not_built(format!("-l {}", known.name), why)),
        Standing::ReadOnly => Err(read_only(of)),
    }
}

/// What no user sets.
pub(super) fn read_only(of: &str) -> Refusal {
    let message = format!("Cannot set attribute, read only or insufficient permission  {of}");
    Refusal::new(code::READ_ONLY, message)
}

/// Seconds of `HH:MM:SS`, begun ones counted.
pub(super) fn duration_s(text: &str) -> Option<u64> {
    let mut seconds: u64 = 0;
    for part in read(Rule::duration, text)? {
        if part.as_rule() == Rule::fraction {
            let begun = part.as_str().bytes().any(|digit| digit != b'0');
            seconds = seconds.checked_add(u64::from(begun))?;
        } else {
            seconds = seconds.checked_mul(60)?.checked_add(number(&part)?)?;
        }
    }
    Some(seconds)
}

/// Seconds as PBS writes them.
pub fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The most that a limit of this value allows: seconds, or KiB.
pub(super) fn most(value: &str) -> Option<i64> {
    let kib = || Size::read(value)?.bytes().map(|bytes| bytes.div_ceil(1024));
    let seconds = || value.contains(':').then(|| duration_s(value)).flatten();
    seconds().or_else(kib).and_then(|most| i64::try_from(most).ok())
}

/// A size as it was written: OpenPBS keeps the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    count: u64,
    /// Powers of 1024.
    power: u32,
    in_words: bool,
}

/// The bytes of a word.
const WORD: u64 = 8;

const POWERS: [(char, u32); 5] = [('k', 1), ('m', 2), ('g', 3), ('t', 4), ('p', 5)];

impl Size {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = read(Rule::size, text)?.into_iter();
        let count = number(&parts.next()?)?;
        let unit = parts.next().map(|unit| unit.as_str().to_ascii_lowercase()).unwrap_or_default();
        let first = unit.chars().next();
        let power = POWERS.iter().find(|(letter, _)| Some(*letter) == first).map_or(0, |(_, p)| *p);
        let size = Self { count, power, in_words: unit.ends_with('w') };
        size.bytes().map(|_| size)
    }

    /// `None` if that is more than can be counted.
    pub(super) fn bytes(self) -> Option<u64> {
        let unit = 1024_u64.checked_pow(self.power)?;
        self.count.checked_mul(unit)?.checked_mul(if self.in_words { WORD } else { 1 })
    }

    pub(super) fn written(self) -> String {
        let letter = POWERS.iter().find(|(_, power)| *power == self.power);
        let letter = letter.map(|(letter, _)| letter.to_string()).unwrap_or_default();
        format!("{}{letter}{}", self.count, if self.in_words { 'w' } else { 'b' })
    }

    /// So many of this size.
    pub(super) fn times(self, count: u64) -> Option<Self> {
        Some(Self { count: self.count.checked_mul(count)?, ..self })
    }

    /// Both: in their unit if they have one, else in KiB.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        if (self.power, self.in_words) == (other.power, other.in_words) {
            return Some(Self { count: self.count.checked_add(other.count)?, ..self });
        }
        let bytes = self.bytes()?.checked_add(other.bytes()?)?;
        Some(Self { count: bytes.div_ceil(1024), power: 1, in_words: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_clocks_and_seconds() {
        for (text, expected) in [
            ("60", "00:01:00"),
            ("1:00", "00:01:00"),
            ("1:2:3", "01:02:03"),
            ("100:00:00", "100:00:00"),
            ("60.5", "00:01:01"),
            ("10.0", "00:00:10"),
            ("1:99", "00:02:39"),
            ("0", "00:00:00"),
        ] {
            assert_eq!(duration_s(text).map(clock).as_deref(), Some(expected), "{text}");
        }
        for text in ["1:2:3:4", "abc", "-1", "", "1:", "99999999999999999999"] {
            assert_eq!(duration_s(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_keep_their_unit() {
        for (text, written, bytes) in [
            ("100", "100b", 100),
            ("100b", "100b", 100),
            ("5g", "5gb", 5 << 30),
            ("287MB", "287mb", 287 << 20),
            ("2kw", "2kw", 2 << 13),
            ("3w", "3w", 24),
        ] {
            let size = Size::read(text).unwrap();
            assert_eq!((size.written().as_str(), size.bytes()), (written, Some(bytes)), "{text}");
        }
        for text in ["abc", "-1", "10xb", "", "1.5gb", "99999999999999pb"] {
            assert_eq!(Size::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_used_up_is_a_whole_number_of_something() {
        let of = |kind| Custom { kind, of_machines: true, is_consumed: true };
        for (kind, value, expected) in [
            (CustomKind::Long, "3", Some(3)),
            (CustomKind::Float, "2.5", Some(3)),
            (CustomKind::Float, "2.0", Some(2)),
            (CustomKind::Size, "2mb", Some(2048)),
            (CustomKind::Long, "-1", None),
            (CustomKind::Text, "3", None),
        ] {
            assert_eq!(consumed(of(kind), value), expected, "{value}");
        }
    }

    #[test]
    fn every_name_is_found_once_and_in_order() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
    }
}
