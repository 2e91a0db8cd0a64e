//! How what a job asks for is spread over machines: `select` and `place`, or the forms before them,
//! `nodes` and resources of the job.
//!
//! All chunks of a job are one run (ADR 0034): on one machine it gets what they ask for together,
//! all or nothing. How many machines it needs at least is told to the matchmaker.

use std::collections::{BTreeMap, BTreeSet};

use model::Spread;
use model::queues::{Custom, CustomKind};

use super::chunks::{Chunk, Chunks};
use super::refusal::{Refusal, code};
use super::resources::{self, Known, ResourceKind, Resources, Size};
use super::text::{Rule, number, plain, read};

/// The most chunks of a job; each may be a line of its file of nodes.
const MOST_CHUNKS: u32 = 100_000;

/// What a job asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// `Resource_List`, by name.
    pub(super) listed: BTreeMap<String, String>,
    pub(super) cpus: u32,
    /// `None` if nothing is said.
    pub(super) memory_bytes: Option<u64>,
    pub(super) gpus: u32,
    /// The machine that some chunk names.
    pub(super) host: Option<String>,
    pub(super) arch: Option<String>,
    /// What each chunk has, with the defaults of its queue.
    pub(super) chunks: Chunks,
    /// Machines that the chunks must be on at least.
    pub(super) machines: u32,
    /// Whether they may be on several, and how.
    pub(super) spread: Option<Spread>,
    /// Whether nobody else may be on those machines.
    pub(super) is_exclusive: bool,
    /// Processes on each node, where the job asked for nodes as Torque's users do.
    pub(super) per_node: Option<u32>,
    /// Of the first chunk.
    pub(super) first_cpus: u32,
    /// Of the first chunk.
    pub(super) threads: u32,
    pub(super) walltime_s: Option<u64>,
    /// What it asks for of resources that the pool's managers have named.
    pub(super) custom: Vec<CustomAsked>,
}

impl Asked {
    /// Whether it has chunks that may be on several machines.
    pub(super) fn may_be_on_several(&self) -> bool {
        self.spread.is_some() && self.chunks.each().nth(1).is_some()
    }

    /// Whether its chunks name different machines.
    pub(super) fn is_on_several(&self) -> bool {
        self.spread.is_some() && named(&self.chunks.0) > 1
    }
}

/// How many different machines chunks name.
fn named(chunks: &[Chunk]) -> usize {
    chunks.iter().filter_map(Chunk::machine).collect::<BTreeSet<_>>().len()
}

/// So much of a resource that the pool's managers have named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomAsked {
    pub(super) name: String,
    pub(super) resource: Custom,
    /// What a chunk or the job wants.
    pub(super) value: String,
    /// All of them together, of what is used up.
    pub(super) total: u64,
}

/// What these resources come to.
///
/// # Errors
/// In OpenPBS's words.
pub(super) fn decide(
    given: &[(String, Option<String>)],
    chunk_defaults: &BTreeMap<String, String>,
    known_here: Resources<'_>,
) -> Result<Asked, Refusal> {
    let mut job: BTreeMap<String, String> = BTreeMap::new();
    let mut spread: BTreeMap<&str, &str> = BTreeMap::new();
    let given = separate(given, known_here);
    for (name, value) in &given {
        let of = format!("Resource_List.{name}");
        if let Some(shape) = ["select", "place", "nodes"].into_iter().find(|shape| shape == name) {
            let value = value.as_deref().filter(|value| !value.is_empty());
            spread.insert(shape, value.ok_or_else(|| Refusal::bad_value(&of))?);
            continue;
        }
        let known = known_here.find(name).ok_or_else(|| unknown(&of))?;
        // OpenPBS 23.06 takes a name without a value for nothing asked.
        if let Some(value) = value {
            job.insert(name.clone(), resources::value(&known, value, &of)?);
        }
    }
    if let Some(place) = spread.get("place") {
        read(Rule::place, place).ok_or_else(|| Refusal::bad_value("Resource_List.place"))?;
    }
    let (chunks, select, place) = match (spread.get("select"), spread.get("nodes")) {
        (_, Some(_)) if spread.len() > 1 => {
            let message = "Cannot be used with select or place: nodes";
            return Err(Refusal::new(code::NODES_BESIDE_SELECT, message));
        }
        (Some(select), _) => {
            refuse_beside(&job, known_here)?;
            let place = spread.get("place").copied().unwrap_or("free");
            (chunks(select, known_here)?, (*select).to_owned(), place.to_owned())
        }
        (None, Some(nodes)) => of_nodes(nodes, &job, known_here)?,
        (None, None) if spread.contains_key("place") => {
            let message = "Cannot have \"place\" without \"select\"";
            return Err(Refusal::new(code::PLACE_ALONE, message));
        }
        (None, None) => {
            let chunks = vec![of_job(&job, known_here)];
            let select = Chunks(chunks.clone()).written();
            (chunks, select, "pack".to_owned())
        }
    };
    if let Some(nodes) = spread.get("nodes") {
        job.insert("nodes".to_owned(), (*nodes).to_owned());
    }
    let placing = Placing::of(&place);
    let machines = placing.machines(&chunks)?;
    let Placing { spread: apart, is_exclusive } = placing;
    job.insert("select".to_owned(), select);
    job.insert("place".to_owned(), place);
    let mut chunks = chunks;
    for chunk in &mut chunks {
        chunk.fill(chunk_defaults, known_here);
        if chunk.get("ncpus").is_none() {
            // What OpenPBS 23.06's server has for its `default_chunk`.
            chunk.resources.push(("ncpus".to_owned(), "1".to_owned()));
        }
    }
    let per_node = spread.contains_key("nodes").then(|| chunks.first().map(Chunk::ranks)).flatten();
    let custom = custom(&job, &chunks, known_here)?;
    for one in custom.iter().filter(|one| one.resource.of_machines && one.resource.is_consumed) {
        job.insert(one.name.clone(), one.written_total());
    }
    let sum = sum(job, chunks)?;
    Ok(Asked { machines, spread: apart, is_exclusive, per_node, custom, ..sum })
}

/// What a job asks for with what its queue asks for in its place. Where chunks are described, what
/// chunks have is their matter.
pub(super) fn with_defaults(
    given: &[(String, Option<String>)],
    defaults: &BTreeMap<String, String>,
    known: Resources<'_>,
) -> Vec<(String, Option<String>)> {
    let said = |name: &str| given.iter().any(|(known, _)| known == name);
    let has_chunks = said("select") || said("nodes");
    let mut all = given.to_vec();
    for (name, value) in defaults {
        let in_chunks = known.is_of_chunks(name);
        if !(said(name) || has_chunks && in_chunks) {
            all.push((name.clone(), Some(value.clone())));
        }
    }
    all
}

/// `ncpus=2:mem=10mb`, as programs write it that join what a chunk has (ert 23.0): the same as two
/// resources of the job.
fn separate(
    given: &[(String, Option<String>)],
    known: Resources<'_>,
) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for (name, value) in given {
        let joined = value.as_ref().filter(|value| {
            let is_number = known.find(name).is_some_and(|known| known.kind == ResourceKind::Count);
            is_number && value.contains('=')
        });
        let text = joined.map(|value| format!("{name}={value}"));
        let chunk = text.as_deref().and_then(|text| read(Rule::select, text));
        let Some(chunk) = chunk.filter(|chunks| chunks.len() == 1) else {
            all.push((name.clone(), value.clone()));
            continue;
        };
        for pair in chunk.into_iter().flat_map(pest::iterators::Pair::into_inner) {
            let mut pair = pair.into_inner();
            let name = pair.next().map(|name| name.as_str().to_owned());
            all.extend(name.map(|name| (name, pair.next().map(plain))));
        }
    }
    all
}

fn unknown(of: &str) -> Refusal {
    Refusal::new(code::UNKNOWN_RESOURCE, format!("Unknown resource {of}"))
}

fn refuse_beside(job: &BTreeMap<String, String>, known: Resources<'_>) -> Result<(), Refusal> {
    let in_chunks = |name: &&String| known.is_of_chunks(name);
    match job.keys().find(in_chunks) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "\"-lresource=\" cannot be used with \"select\" or \"place\", resource is: {name}"
            );
            Err(Refusal::new(code::INVALID_FOR_JOB, message))
        }
    }
}

/// The chunks of a `select`.
fn chunks(text: &str, known_here: Resources<'_>) -> Result<Vec<Chunk>, Refusal> {
    let bad = || Refusal::bad_value("Resource_List.select");
    let mut all = Vec::new();
    for part in read(Rule::select, text).ok_or_else(bad)? {
        let mut chunk = Chunk { count: 1, resources: Vec::new() };
        for inner in part.into_inner() {
            if inner.as_rule() == Rule::number {
                chunk.count = number(&inner).filter(|n| *n <= MOST_CHUNKS).ok_or_else(bad)?;
                continue;
            }
            let mut pair = inner.into_inner();
            let name = pair.next().ok_or_else(bad)?.as_str();
            let value = plain(pair.next().ok_or_else(bad)?);
            let known = in_chunk(name, known_here)?;
            if chunk.get(name).is_some() {
                let message = format!(
                    "duplicated resource within a section of a select specification, resource is: {name}"
                );
                return Err(Refusal::new(code::TWICE_IN_CHUNK, message));
            }
            let value = resources::value(&known, &value, &format!("select.{name}"))?;
            chunk.resources.push((name.to_owned(), value));
        }
        if chunk.count == 0 {
            return Err(Refusal::bad_value(""));
        }
        all.push(chunk);
    }
    Ok(all)
}

fn in_chunk<'a>(name: &'a str, known: Resources<'a>) -> Result<Known<'a>, Refusal> {
    match known.find(name) {
        Some(known) if known.in_chunks => Ok(known),
        Some(_) => {
            let message = format!("Resource invalid in \"select\" specification: {name}");
            Err(Refusal::new(code::INVALID_IN_SELECT, message))
        }
        None => Err(Refusal::new(code::UNKNOWN_RESOURCE, format!("Unknown resource: {name}"))),
    }
}

/// One chunk with what the job asks for.
fn of_job(job: &BTreeMap<String, String>, known: Resources<'_>) -> Chunk {
    let in_chunks = |name: &String| known.is_of_chunks(name);
    let mut resources: BTreeMap<String, String> = job
        .iter()
        .filter(|(name, _)| in_chunks(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    resources.entry("ncpus".to_owned()).or_insert_with(|| "1".to_owned());
    Chunk { count: 1, resources: resources.into_iter().collect() }
}

/// The chunks of `nodes`, and what `select` and `place` they are.
fn of_nodes(
    text: &str,
    job: &BTreeMap<String, String>,
    known_here: Resources<'_>,
) -> Result<(Vec<Chunk>, String, String), Refusal> {
    let bad = || Refusal::bad_value("Resource_List.nodes");
    let mut chunks = Vec::new();
    let mut place = "scatter".to_owned();
    for part in read(Rule::nodes, text).ok_or_else(bad)? {
        if part.as_rule() == Rule::name {
            match part.as_str() {
                "shared" => place = "free".to_owned(),
                "excl" => place = "scatter:excl".to_owned(),
                _ => return Err(bad()),
            }
            continue;
        }
        let mut chunk = Chunk { count: 1, resources: Vec::new() };
        let mut host = None;
        for inner in part.into_inner() {
            if inner.as_rule() == Rule::number {
                chunk.count =
                    number(&inner).filter(|n| (1..=MOST_CHUNKS).contains(n)).ok_or_else(bad)?;
                continue;
            }
            let mut pair = inner.into_inner();
            let name = pair.next().ok_or_else(bad)?.as_str();
            match (name, pair.next().map(|value| value.as_str().to_owned())) {
                ("ppn", Some(per_node)) => {
                    let per_node: u32 = per_node.parse().map_err(|_| bad())?;
                    chunk.resources.push(("ncpus".to_owned(), per_node.to_string()));
                    chunk.resources.push(("mpiprocs".to_owned(), per_node.to_string()));
                }
                (name, Some(value)) => {
                    let known = in_chunk(name, known_here)?;
                    let value = resources::value(&known, &value, &format!("nodes.{name}"))?;
                    chunk.resources.push((name.to_owned(), value));
                }
                (name, None) => host = Some(name.to_owned()),
            }
        }
        if let Some(host) = host {
            chunk.resources.push(("host".to_owned(), host));
        }
        chunks.push(chunk);
    }
    spread_over(&mut chunks, job)?;
    let select = Chunks(chunks.clone()).written();
    Ok((chunks, select, place))
}

/// What the job asks for beside `nodes` is divided among them.
fn spread_over(chunks: &mut [Chunk], job: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let nodes: u32 = chunks.iter().map(|chunk| chunk.count).sum();
    let bad = || Refusal::bad_value("");
    let asked: Option<u32> = job.get("ncpus").and_then(|cpus| cpus.parse().ok());
    let said: u32 =
        chunks.iter().map(|chunk| chunk.count * chunk.number("ncpus").unwrap_or(0)).sum();
    let per_node = match (asked, said) {
        (Some(asked), 0) if asked % nodes == 0 => asked / nodes,
        (None, _) => 1,
        (Some(asked), said) if asked == said => 1,
        (Some(_), _) => return Err(bad()),
    };
    for chunk in &mut *chunks {
        if chunk.get("ncpus").is_none() {
            chunk.resources.insert(0, ("ncpus".to_owned(), per_node.to_string()));
        }
        if let Some(mem) = job.get("mem").and_then(|mem| Size::read(mem)) {
            let bytes = mem.bytes().ok_or_else(bad)?;
            let share = format!("{}kb", (bytes / u64::from(nodes)).div_ceil(1024));
            chunk.resources.push(("mem".to_owned(), share));
        }
    }
    Ok(())
}

/// What `place` says.
struct Placing {
    /// How chunks may be on several machines; nothing if they may not.
    spread: Option<Spread>,
    is_exclusive: bool,
}

impl Placing {
    /// Of a text that was read already. What it says of groups of machines means nothing here.
    fn of(place: &str) -> Self {
        let parts = read(Rule::place, place).unwrap_or_default();
        let says = |rule: Rule, words: [&str; 2]| {
            parts.iter().any(|part| part.as_rule() == rule && words.contains(&part.as_str()))
        };
        let is_exclusive = says(Rule::sharing, ["excl", "exclhost"]);
        let spread = if says(Rule::arrangement, ["scatter", "vscatter"]) {
            Some(Spread::Scatter)
        } else {
            (!says(Rule::arrangement, ["pack", "pack"])).then_some(Spread::Free)
        };
        Self { spread, is_exclusive }
    }

    /// How many machines the chunks must be on at least.
    fn machines(&self, chunks: &[Chunk]) -> Result<u32, Refusal> {
        let all: u64 = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        let all = u32::try_from(all).map_err(|_| Refusal::bad_value("Resource_List.select"))?;
        Ok(match self.spread {
            Some(Spread::Scatter) => all,
            Some(_) => u32::try_from(named(chunks)).unwrap_or(1).max(1),
            None => 1,
        })
    }
}

impl CustomAsked {
    /// As `Resource_List` has it.
    fn written_total(&self) -> String {
        match self.resource.kind {
            CustomKind::Size => format!("{}kb", self.total),
            CustomKind::Boolean
            | CustomKind::Long
            | CustomKind::Float
            | CustomKind::Text
            | CustomKind::Words => self.total.to_string(),
        }
    }
}

/// What the job asks for of resources that the pool's managers have named: its chunks of what
/// machines have, and the job of what the pool has.
fn custom(
    job: &BTreeMap<String, String>,
    chunks: &[Chunk],
    known: Resources<'_>,
) -> Result<Vec<CustomAsked>, Refusal> {
    let of_job = job.iter().map(|(name, value)| (false, 1, name, value));
    let of_chunks = chunks.iter().flat_map(|chunk| {
        let all = chunk.resources.iter();
        all.map(|(name, value)| (true, u64::from(chunk.count), name, value))
    });
    let mut all: Vec<CustomAsked> = Vec::new();
    for (in_chunk, count, name, value) in of_job.chain(of_chunks) {
        let Some(resource) = known.custom(name).filter(|one| one.of_machines == in_chunk) else {
            continue;
        };
        let bad = || Refusal::bad_value(&format!("Resource_List.{name}"));
        let each = match resource.is_consumed {
            true => resources::consumed(resource, value).ok_or_else(bad)?,
            false => 0,
        };
        let more = each.checked_mul(count).ok_or_else(bad)?;
        let same = |one: &&mut CustomAsked| {
            one.name == *name && (resource.is_consumed || one.value == *value)
        };
        match all.iter_mut().find(same) {
            Some(one) => one.total = one.total.checked_add(more).ok_or_else(bad)?,
            None => all.push(CustomAsked {
                name: name.clone(),
                resource,
                value: value.clone(),
                total: more,
            }),
        }
    }
    Ok(all)
}

/// What all chunks ask for together.
fn sum(mut job: BTreeMap<String, String>, chunks: Vec<Chunk>) -> Result<Asked, Refusal> {
    let bad = || Refusal::bad_value("");
    let total = |name: &str, otherwise: u32| -> Option<u32> {
        let each = |chunk: &Chunk| chunk.count.checked_mul(chunk.number(name).unwrap_or(otherwise));
        chunks.iter().try_fold(0_u32, |sum, chunk| sum.checked_add(each(chunk)?))
    };
    let sizes = |name: &str| -> Result<Option<Size>, Refusal> {
        let mut sum: Option<Size> = None;
        for chunk in &chunks {
            let Some(size) = chunk.get(name).and_then(Size::read) else { continue };
            let all = size.times(u64::from(chunk.count)).ok_or_else(bad)?;
            sum = Some(sum.map_or(Some(all), |sum| sum.and(all)).ok_or_else(bad)?);
        }
        Ok(sum)
    };
    let (memory, vmem) = (sizes("mem")?, sizes("vmem")?);
    let count = total("", 1).ok_or_else(bad)?;
    let cpus = total("ncpus", 1).ok_or_else(bad)?;
    let mut list = |name: &str, value: String| job.insert(name.to_owned(), value);
    list("ncpus", cpus.to_string());
    list("nodect", count.to_string());
    if chunks.iter().any(|chunk| chunk.get("mpiprocs").is_some()) {
        list("mpiprocs", total("mpiprocs", 0).ok_or_else(bad)?.to_string());
    }
    for (name, size) in [("mem", memory), ("vmem", vmem)] {
        if let Some(size) = size {
            list(name, size.written());
        }
    }
    let text = |name: &str| chunks.iter().find_map(|chunk| chunk.get(name).map(str::to_owned));
    let first = |name: &str| chunks.first().and_then(|chunk| chunk.number(name));
    let first_cpus = first("ncpus").unwrap_or(1);
    Ok(Asked {
        cpus,
        memory_bytes: memory.and_then(Size::bytes),
        gpus: total("naccelerators", 0).ok_or_else(bad)?,
        host: text("host").or_else(|| text("vnode")),
        arch: text("arch"),
        machines: 1,
        spread: None,
        is_exclusive: false,
        per_node: None,
        first_cpus,
        threads: first("ompthreads").unwrap_or(first_cpus),
        walltime_s: walltime_s(&job)?,
        custom: Vec::new(),
        listed: job,
        chunks: Chunks(chunks),
    })
}

fn walltime_s(job: &BTreeMap<String, String>) -> Result<Option<u64>, Refusal> {
    let of = |name: &str| job.get(name).and_then(|text| resources::duration_s(text));
    match (of("min_walltime"), of("max_walltime")) {
        (None, Some(_)) => {
            let message = "Cannot have \"max_walltime\" without \"min_walltime\"";
            Err(Refusal::new(code::MAX_WITHOUT_MIN, message))
        }
        (Some(min), Some(max)) if min > max => {
            let message = "\"min_walltime\" can not be greater than \"max_walltime\"";
            Err(Refusal::new(code::MIN_BEYOND_MAX, message))
        }
        // No time is kept free for anybody, so every job gets the most that it asks for.
        (_, max) => Ok(of("walltime").or(max)),
    }
}
