//! The chunks of a job: what each has, and what is written of them for the job's life: the
//! `schedselect` of its ad, the nodes and vnodes of `qstat`, the lines of its file of nodes.
//!
//! Does not know how users ask for them (`selects`), and not where they run.

use std::collections::BTreeMap;

use super::resources::{Resources, Size, is_known_resource};
use super::text::{Rule, number, plain, read};

/// What machines have less of while a chunk is on them: what `exec_vnode` names (OpenPBS 23.06).
const CONSUMED: [&str; 4] = ["ncpus", "mem", "vmem", "naccelerators"];

/// So many chunks alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub count: u32,
    /// Names and values, in the order in which they were asked for.
    pub resources: Vec<(String, String)>,
}

impl Chunk {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.resources.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The machine that it names.
    pub fn machine(&self) -> Option<&str> {
        self.get("host").or_else(|| self.get("vnode"))
    }

    /// A resource that is counted.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.get(name).and_then(|value| value.parse().ok())
    }

    /// Takes what it does not say itself.
    pub(super) fn fill(&mut self, defaults: &BTreeMap<String, String>, known: Resources<'_>) {
        for (name, value) in defaults {
            if known.is_of_chunks(name) && self.get(name).is_none() {
                self.resources.push((name.clone(), value.clone()));
            }
        }
    }

    pub fn cpus(&self) -> u32 {
        self.number("ncpus").unwrap_or(1)
    }

    /// Lines in the file of nodes: processes of MPI's. One that asks for no processor has none
    /// unless it says so.
    pub fn ranks(&self) -> u32 {
        self.number("mpiprocs").unwrap_or_else(|| self.cpus().min(1))
    }
}

/// All chunks of a job, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks(pub Vec<Chunk>);

impl Chunks {
    /// Reads what [`Self::written`] wrote; `None` if it is anything else.
    pub fn read(text: &str) -> Option<Self> {
        let mut all = Vec::new();
        for part in read(Rule::select, text)? {
            let mut chunk = Chunk { count: 1, resources: Vec::new() };
            for inner in part.into_inner() {
                if inner.as_rule() == Rule::number {
                    chunk.count = number(&inner)?;
                    continue;
                }
                let mut pair = inner.into_inner();
                let name = pair.next()?.as_str().to_owned();
                chunk.resources.push((name, plain(pair.next()?)));
            }
            all.push(chunk);
        }
        Some(Self(all))
    }

    /// `2:ncpus=4:mem=2gb+1:ncpus=1`.
    pub fn written(&self) -> String {
        let chunk = |chunk: &Chunk| {
            let one = |(name, value): &(String, String)| format!(":{name}={}", quoted(value));
            let resources: String = chunk.resources.iter().map(one).collect();
            format!("{}{resources}", chunk.count)
        };
        self.0.iter().map(chunk).collect::<Vec<_>>().join("+")
    }

    /// One by one.
    pub fn each(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter().flat_map(|chunk| (0..chunk.count).map(move |_| chunk))
    }

    /// `host/0*2+host/1`: where they are, with the processors of each. `hosts` are their machines:
    /// the last is that of all that follow. The number tells apart what is on one machine; on the
    /// first it counts from `first`.
    pub fn exec_host(&self, hosts: &[&str], first: u32) -> String {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut first = Some(first);
        let mut one = |(nth, chunk): (usize, &Chunk)| {
            let host = host_of(hosts, nth);
            let count = counts.entry(host).or_insert_with(|| first.take().unwrap_or(0));
            let times =
                if chunk.cpus() == 1 { String::new() } else { format!("*{}", chunk.cpus()) };
            let written = format!("{host}/{count}{times}");
            *count += 1;
            written
        };
        self.each().enumerate().map(&mut one).collect::<Vec<_>>().join("+")
    }

    /// `(host:ncpus=2:mem=51200kb)+(host:ncpus=1)`: what each has.
    pub fn exec_vnode(&self, hosts: &[&str]) -> String {
        let one = |(nth, chunk): (usize, &Chunk)| {
            let has = chunk.resources.iter().filter(|(name, value)| {
                // What managers have named is shown if it is counted.
                let is_custom =
                    !is_known_resource(name) && value.starts_with(|c: char| c.is_ascii_digit());
                is_custom || CONSUMED.contains(&name.as_str())
            });
            let has: String =
                has.map(|(name, value)| format!(":{name}={}", counted(value))).collect();
            format!("({}{has})", host_of(hosts, nth))
        };
        self.each().enumerate().map(one).collect::<Vec<_>>().join("+")
    }

    /// The file of nodes: the machine's name for each rank.
    pub fn node_lines(&self, hosts: &[&str]) -> String {
        let line = |(nth, chunk): (usize, &Chunk)| {
            let ranks = usize::try_from(chunk.ranks()).unwrap_or(0);
            format!("{}\n", host_of(hosts, nth)).repeat(ranks)
        };
        self.each().enumerate().map(line).collect()
    }
}

/// The machine of a chunk.
fn host_of<'a>(hosts: &[&'a str], nth: usize) -> &'a str {
    hosts.get(nth).or(hosts.last()).copied().unwrap_or_default()
}

/// A value in quotes, where what is in it would end it.
fn quoted(value: &str) -> String {
    let ends = |c: char| matches!(c, ':' | '+' | '"' | '\'');
    match (value.contains(ends), value.contains('"')) {
        (false, _) => value.to_owned(),
        (true, false) => format!("\"{value}\""),
        (true, true) => format!("'{value}'"),
    }
}

/// A size in KiB, as machines are asked for it; anything else as it is.
fn counted(value: &str) -> String {
    let is_count = value.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = Size::read(value).filter(|_| !is_count).and_then(Size::bytes);
    bytes.map_or_else(|| value.to_owned(), |bytes| format!("{}kb", bytes.div_ceil(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, host: &str, vnode: &str, lines: usize) {
        let chunks = Chunks::read(text).unwrap();
        assert_eq!(chunks.written(), text);
        assert_eq!(chunks.exec_host(&["n1"], 3), host, "{text}");
        assert_eq!(chunks.exec_vnode(&["n1"]), vnode, "{text}");
        assert_eq!(chunks.node_lines(&["n1"]), "n1\n".repeat(lines), "{text}");
    }

    #[test]
    fn every_chunk_has_its_place_what_it_consumes_and_a_line_for_each_rank() {
        check("1:ncpus=1", "n1/3", "(n1:ncpus=1)", 1);
        check("1:mem=50mb:ncpus=1", "n1/3", "(n1:mem=51200kb:ncpus=1)", 1);
        check(
            "2:ncpus=2:mem=50mb:mpiprocs=2+1:ncpus=1",
            "n1/3*2+n1/4*2+n1/5",
            "(n1:ncpus=2:mem=51200kb)+(n1:ncpus=2:mem=51200kb)+(n1:ncpus=1)",
            5,
        );
        check("1:ncpus=0", "n1/3*0", "(n1:ncpus=0)", 0);
        check("1:ncpus=4:ompthreads=2:host=\"a:b\"", "n1/3*4", "(n1:ncpus=4)", 1);
    }
}
