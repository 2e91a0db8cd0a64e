//! Machines as PBS shows nodes: what each has, and which jobs have how much of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use classad::ClassAd;
use model::attr;
use model::queues::{self, QueueSettings, custom_attribute};

use crate::render::pbs::Here;
use crate::render::pbs::full::date;
use crate::render::pbs::job::{Job, State, int, text};
use crate::render::pbs::listed::{Listed, Shown, Value};

/// A machine and its jobs.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub state: &'static str,
    comment: Option<String>,
    /// Processors that the machine has, whatever jobs may have of them.
    detected_cpus: i64,
    cpus: [i64; 2],
    memory_mib: [i64; 2],
    gpus: [i64; 2],
    op_sys: String,
    since: Option<i64>,
    /// What is said of resources that managers have named, and what jobs have of those that are
    /// used up.
    custom: Vec<(String, String, Option<u64>)>,
    jobs: Vec<NodeJob>,
}

/// A job on a machine.
#[derive(Clone, Debug)]
struct NodeJob {
    id: String,
    short_id: String,
    cpus: i64,
    is_suspended: bool,
    is_alone: bool,
}

/// What is shown of jobs, and where they run.
pub const OF_JOBS: &[&str] = &[
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::JOB_STATUS,
    attr::TOTAL_SUBMIT_PROCS,
    attr::PBS_ARRAY_INDICES,
    attr::PBS_ARRAY_INDEX,
    attr::REMOTE_HOST,
    attr::REQUEST_CPUS,
    attr::EXCLUSIVE,
];

/// All machines that these slots are of, with these jobs on them.
pub fn nodes(slots: &[ClassAd], jobs: &[Job], settings: &QueueSettings, here: &Here) -> Vec<Node> {
    let mut all: BTreeMap<String, Node> = BTreeMap::new();
    for ad in slots {
        let Some(name) = text(ad, attr::MACHINE) else { continue };
        let number = |name: &str| int(ad, name).unwrap_or(0);
        let node = all.entry(name.to_owned()).or_insert_with(|| Node {
            name: name.to_owned(),
            state: "free",
            comment: None,
            detected_cpus: int(ad, attr::DETECTED_CPUS).unwrap_or_else(|| number(attr::TOTAL_CPUS)),
            cpus: [0, number(attr::TOTAL_CPUS)],
            memory_mib: [0, number(attr::TOTAL_MEMORY)],
            gpus: [0, number(attr::TOTAL_GPUS)],
            op_sys: text(ad, attr::OP_SYS).unwrap_or("linux").to_ascii_lowercase(),
            since: int(ad, attr::ENTERED_CURRENT_STATE),
            custom: custom(settings, name),
            jobs: Vec::new(),
        });
        if text(ad, attr::SLOT_TYPE) == Some("Dynamic") {
            node.cpus[0] += number(attr::CPUS);
            node.memory_mib[0] += number(attr::MEMORY);
            node.gpus[0] += number(attr::GPUS);
            for (name, _, used) in &mut node.custom {
                let of_slot = number(&custom_attribute(name));
                *used = used.map(|used| used + u64::try_from(of_slot).unwrap_or(0));
            }
        }
    }
    for job in jobs {
        let machine = job.text(attr::REMOTE_HOST).and_then(|slot| slot.split('@').nth(1));
        let Some(node) = machine.and_then(|machine| all.get_mut(machine)) else { continue };
        let id = job.id(&here.server);
        let short_id = id.split('.').next().unwrap_or_default().to_owned();
        let cpus = job.int(attr::REQUEST_CPUS).unwrap_or(1);
        let is_suspended = job.state == State::Suspended;
        let is_alone = model::is_exclusive(&job.ad);
        node.jobs.push(NodeJob { id, short_id, cpus, is_suspended, is_alone });
    }
    let drained: BTreeMap<&str, &str> = slots.iter().filter_map(drained).collect();
    for node in all.values_mut() {
        let said = settings.nodes.get(&node.name);
        let why = || drained.get(node.name.as_str()).copied().filter(|why| !why.is_empty());
        let comment = said.and_then(|node| node.get("comment")).or_else(why);
        node.comment = comment.map(str::to_owned);
        node.state = match () {
            () if drained.contains_key(node.name.as_str()) => "offline",
            () if node.jobs.iter().any(|job| job.is_alone) => "job-exclusive",
            () if node.cpus[0] >= node.cpus[1] => "job-busy",
            () => "free",
        };
    }
    all.into_values().collect()
}

/// The machine of a slot that is drained, and why.
fn drained(slot: &ClassAd) -> Option<(&str, &str)> {
    slot.literal(attr::DRAINING)?;
    Some((text(slot, attr::MACHINE)?, text(slot, attr::DRAIN_REASON).unwrap_or_default()))
}

/// What is said of a machine's resources that managers have named.
fn custom(settings: &QueueSettings, machine: &str) -> Vec<(String, String, Option<u64>)> {
    let said = settings.nodes.get(machine).into_iter();
    let all = said.flat_map(|node| node.resources("resources_available"));
    let one = |(name, value): (&str, &str)| {
        let is_used_up = settings.custom(name)?.is_consumed;
        Some((name.to_owned(), value.to_owned(), is_used_up.then_some(0)))
    };
    all.filter_map(one).collect()
}

impl Node {
    /// With all attributes; jobs by processor, or each once.
    pub fn listed(&self, here: &Here, jobs_once: bool) -> Listed {
        let kib = |mib: i64| format!("{}kb", mib * 1024);
        let mut all = vec![
            Shown::one("Mom", self.name.clone()),
            Shown::one("ntype", "PBS"),
            Shown::one("state", self.state),
            Shown::one("pcpus", self.detected_cpus.to_string()),
        ];
        let jobs: Vec<String> = if jobs_once {
            self.jobs.iter().map(|job| job.id.clone()).collect()
        } else {
            let each = |job: &NodeJob| vec![job.id.clone(); usize::try_from(job.cpus).unwrap_or(1)];
            let processors = self.jobs.iter().flat_map(each).enumerate();
            processors.map(|(nth, id)| format!("{id}/{nth}")).collect()
        };
        if !jobs.is_empty() {
            all.push(Shown { name: "jobs".to_owned(), value: Value::Words(jobs) });
        }
        let parts = |parts: &[(&str, String)]| -> Vec<(String, String)> {
            parts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let mut available = parts(&[
            ("arch", self.op_sys.clone()),
            ("host", self.name.clone()),
            ("mem", kib(self.memory_mib[1])),
            ("ncpus", self.cpus[1].to_string()),
        ]);
        let mut assigned =
            parts(&[("mem", kib(self.memory_mib[0])), ("ncpus", self.cpus[0].to_string())]);
        let is_named = self.custom.iter().any(|(name, ..)| name == queues::GPUS);
        if self.gpus[1] > 0 && !is_named {
            available.push((queues::GPUS.to_owned(), self.gpus[1].to_string()));
            assigned.push((queues::GPUS.to_owned(), self.gpus[0].to_string()));
        }
        for (name, value, used) in &self.custom {
            available.push((name.clone(), value.clone()));
            let unit = if value.ends_with(['b', 'w']) { "kb" } else { "" };
            assigned.extend(used.map(|used| (name.clone(), format!("{used}{unit}"))));
        }
        available.push(("vnode".to_owned(), self.name.clone()));
        all.extend(Shown::parts("resources_available", available));
        all.extend(Shown::parts("resources_assigned", assigned));
        all.extend(self.comment.as_ref().map(|comment| Shown::one("comment", comment.clone())));
        all.push(Shown::one("resv_enable", "True"));
        all.push(Shown::one("sharing", "default_shared"));
        if let Some(since) = self.since {
            let since = if jobs_once { since.to_string() } else { date(since, &here.zone) };
            all.push(Shown::one("last_state_change_time", since));
        }
        Listed { name: self.name.clone(), attributes: all }
    }

    fn short_jobs(&self) -> String {
        let ids: Vec<&str> = self.jobs.iter().map(|job| job.short_id.as_str()).collect();
        if ids.is_empty() { "--".to_owned() } else { ids.join(",") }
    }

    fn suspended(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_suspended).count()
    }

    fn memory(&self) -> String {
        let gib = |mib: i64| format!("{}gb", (mib + 512) / 1024);
        let [used, all] = self.memory_mib;
        format!("{}/{}", gib(all - used), gib(all))
    }

    fn left([used, all]: [i64; 2]) -> String {
        format!("{}/{all}", all - used)
    }

    /// What `-S` has of it, as attributes; with `j` of its jobs.
    pub fn summary(&self, of_jobs: bool) -> Listed {
        let attributes = if of_jobs {
            let jobs = self.jobs.iter().map(|job| job.short_id.clone()).collect();
            vec![
                Shown::one("State", self.state),
                Shown::one("Total Jobs", self.jobs.len().to_string()),
                Shown::one("Running Jobs", (self.jobs.len() - self.suspended()).to_string()),
                Shown::one("Suspended Jobs", self.suspended().to_string()),
                Shown::one("mem f/t", self.memory()),
                Shown::one("ncpus f/t", Self::left(self.cpus)),
                Shown::one("nmics f/t", "0/0"),
                Shown::one("ngpus f/t", Self::left(self.gpus)),
                Shown { name: "jobs".to_owned(), value: Value::Words(jobs) },
            ]
        } else {
            vec![
                Shown::one("State", self.state),
                Shown::one("OS", "--"),
                Shown::one("hardware", "--"),
                Shown::one("host", self.name.clone()),
                Shown::one("queue", "--"),
                Shown::one("Memory", format!("{}gb", (self.memory_mib[1] + 512) / 1024)),
                Shown::one("ncpus", self.cpus[1].to_string()),
                Shown::one("nmics", "0"),
                Shown::one("ngpus", self.gpus[1].to_string()),
                Shown::one("comment", self.comment.clone().unwrap_or_else(|| "--".to_owned())),
            ]
        };
        Listed { name: self.name.clone(), attributes }
    }
}

/// `-a`: a paragraph for each.
pub fn text_of(nodes: &[Node], here: &Here) -> String {
    let mut out = String::new();
    for node in nodes {
        let _ = writeln!(out, "{}", node.name);
        for Shown { name, value } in node.listed(here, false).attributes {
            match value {
                Value::One(value) => drop(writeln!(out, "     {name} = {value}")),
                Value::Words(words) | Value::Pairs(words) => {
                    let _ = writeln!(out, "     {name} = {}", words.join(", "));
                }
                Value::Parts(parts) => {
                    for (part, value) in parts {
                        let _ = writeln!(out, "     {name}.{part} = {value}");
                    }
                }
            }
        }
        out.push('\n');
    }
    out
}

/// `-S`, and `-Sj`: a line for each.
pub fn table(nodes: &[Node], of_jobs: bool) -> String {
    let mut out = if of_jobs {
        "                                                        mem       ncpus   nmics   ngpus\n\
         vnode           state           njobs   run   susp      f/t        f/t     f/t     f/t   jobs\n\
         --------------- --------------- ------ ----- ------ ------------ ------- ------- ------- -------\n"
            .to_owned()
    } else {
        "vnode           state           OS       hardware host            queue        mem     ncpus   nmics   ngpus  comment\n\
         --------------- --------------- -------- -------- --------------- ---------- -------- ------- ------- ------- ---------\n"
            .to_owned()
    };
    for node in nodes {
        let (name, state) = (&node.name, node.state);
        let _ = if of_jobs {
            let (all, suspended) = (node.jobs.len(), node.suspended());
            writeln!(
                out,
                "{name:<15} {state:<15} {all:>6} {:>5} {suspended:>6} {:>12} {:>7} {:>7} {:>7} {}",
                all - suspended,
                node.memory(),
                Node::left(node.cpus),
                "0/0",
                Node::left(node.gpus),
                node.short_jobs()
            )
        } else {
            let memory = format!("{}gb", (node.memory_mib[1] + 512) / 1024);
            let comment = node.comment.as_deref().unwrap_or("--");
            writeln!(
                out,
                "{name:<15} {state:<15} {:<8} {:<8} {name:<15} {:<10} {memory:>8} {:>7} {:>7} {:>7} {comment}",
                "--", "--", "--", node.cpus[1], 0, node.gpus[1],
            )
        };
    }
    out
}

/// `-l`: those that take no jobs.
pub fn away(nodes: &[Node]) -> String {
    let mut out = String::new();
    for node in nodes.iter().filter(|node| node.state == "offline") {
        let comment = node.comment.as_deref().unwrap_or_default();
        let _ = writeln!(out, "{:<20} {} {comment}", node.name, node.state);
    }
    out
}
