//! What `pbs_rsub -l` asks for: the parts of machines of an advance reservation, and how they are
//! listed.

use std::collections::BTreeMap;

use model::Resources as Amounts;
use model::queues::{QueueSettings, ReservedChunk, ReservedParts, Spread, custom_attribute};

use super::chunks::Chunk;
use super::refusal::{Refusal, code};
use super::resources::{self, Resources, Size};
use super::selects;
use super::text;

/// What a reservation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// `Resource_List`, by name, without `walltime`.
    pub listed: BTreeMap<String, String>,
    pub parts: ReservedParts,
    /// How long it is to be, if that is said here.
    pub walltime_s: Option<u64>,
}

/// A duration of `-D`: seconds, or `HH:MM:SS`.
pub fn duration(text: &str) -> Option<i64> {
    resources::duration_s(text).and_then(|seconds| i64::try_from(seconds).ok())
}

/// Reads the lists of several `-l`.
///
/// # Errors
/// In OpenPBS's words.
pub fn reservation(lists: &[&str], settings: &QueueSettings) -> Result<Reservation, Refusal> {
    let known = Resources(settings);
    let mut given = Vec::new();
    for list in lists {
        let illegal = || Refusal::new(code::USAGE, "illegal -l value");
        given.extend(text::resources(list).ok_or_else(illegal)?);
    }
    let defaults = settings.defaults("", "default_chunk");
    let mut asked = selects::decide(&given, &defaults, known)?;
    let spread = match asked.spread {
        Some(model::Spread::Scatter) => Spread::Scatter,
        Some(model::Spread::Free | model::Spread::Nodes) => Spread::Free,
        None => Spread::Pack,
    };
    let chunks = asked.chunks.0.iter().map(|chunk| reserved(chunk, known)).collect();
    asked.listed.remove("walltime");
    Ok(Reservation {
        listed: asked.listed,
        parts: ReservedParts { chunks, spread, is_exclusive: asked.is_exclusive },
        walltime_s: asked.walltime_s,
    })
}

fn reserved(chunk: &Chunk, known: Resources<'_>) -> ReservedChunk {
    let bytes = chunk.get("mem").and_then(Size::read).and_then(Size::bytes);
    let custom = chunk.resources.iter().filter_map(|(name, value)| {
        let one = known.custom(name).filter(|one| one.of_machines && one.is_consumed)?;
        let amount = resources::consumed(one, value)?;
        Some((custom_attribute(name).to_ascii_lowercase(), amount))
    });
    let gpus = chunk.number("naccelerators").filter(|gpus| *gpus > 0);
    let gpus = gpus.map(|gpus| ("gpus".to_owned(), u64::from(gpus)));
    let part = Amounts {
        cpus: chunk.cpus(),
        memory_mib: bytes.map_or(0, |bytes| bytes.div_ceil(1 << 20)),
        disk_kib: 0,
        custom: custom.chain(gpus).collect(),
    };
    ReservedChunk { count: chunk.count, part, machine: chunk.machine().map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Reservation {
        reservation(&[list], &QueueSettings::default()).unwrap()
    }

    #[test]
    fn chunks_are_parts_of_machines_and_places_say_how_they_are_spread() {
        let read =
            read("select=2:ncpus=3:mem=2gb+1:ncpus=1:host=n1,place=scatter,walltime=1:00:00");
        assert_eq!(read.walltime_s, Some(3600));
        assert_eq!(read.parts.spread, Spread::Scatter);
        assert_eq!((read.parts.count(), read.parts.chunks.len()), (3, 2));
        assert_eq!(
            (read.parts.chunks[0].part.cpus, read.parts.chunks[0].part.memory_mib),
            (3, 2048)
        );
        assert_eq!(read.parts.chunks[1].machine.as_deref(), Some("n1"));
        assert_eq!(read.listed["ncpus"], "7");
        assert!(!read.listed.contains_key("walltime"));
    }

    #[test]
    fn what_a_job_may_not_ask_for_a_reservation_may_not() {
        let wrong = |list| reservation(&[list], &QueueSettings::default()).unwrap_err().exit;
        assert_eq!(wrong("select=1:nosuch=1"), 187);
        assert_eq!(wrong("ncpus=x"), 166);
        assert_eq!(wrong("=1"), 2);
        assert_eq!(duration("01:00:00"), Some(3600));
        assert_eq!((duration("60"), duration("x")), (Some(60), None));
    }
}
