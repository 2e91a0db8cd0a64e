//! The server and its queues as lists of attributes: what is set, and what is counted of their
//! jobs. The order is OpenPBS 23.06's.

use std::collections::BTreeMap;

use jobspec::pbs::{VERSION, attribute};
use model::attr;
use model::queues::{Attributes, Form, KNOWN, Of, QueueSettings, amount};

use crate::render::pbs::listed::{Listed, Shown};
use crate::render::pbs::table::Tally;
use crate::render::pbs::{Here, Job, RowKind, State};

/// What is counted, and behind which attribute it stands.
type Counted = (&'static str, Vec<Shown>);

/// What is counted of the jobs of a queue or a server.
#[derive(Clone, Debug, Default)]
pub struct Load {
    pub tally: Tally,
    /// What those that run have together, by resource.
    assigned: BTreeMap<String, u64>,
}

/// What a job is looked at for, beside how it stands.
pub const COUNTED: &[&str] = &[attribute::RESOURCES, attr::REQUEST_CPUS, attr::REQUEST_MEMORY];

impl Load {
    /// One more job, or array; `counted` are the resources of the pool's own that are used up.
    pub fn add(&mut self, job: &Job, counted: &[String]) {
        self.tally.add(job);
        let runs = match &job.kind {
            RowKind::Array { counts, .. } => counts.running as u64,
            RowKind::Single | RowKind::Subjob(_) => {
                u64::from(matches!(job.state, State::Running | State::Suspended))
            }
        };
        if runs == 0 {
            return;
        }
        let resources = job.resources();
        let known = ["mem", "mpiprocs", "ncpus", "nodect"].into_iter();
        for name in known.chain(counted.iter().map(String::as_str)) {
            let own = resources.iter().find(|(known, _)| known == name);
            let own = own.and_then(|(_, value)| amount(value)).unwrap_or(0);
            *self.assigned.entry(name.to_owned()).or_default() += own * runs;
        }
    }

    fn assigned(&self) -> Vec<Shown> {
        let shown = |(name, sum): (&String, &u64)| {
            let value = match name.as_str() {
                "mem" => format!("{}mb", sum.div_ceil(1 << 20)),
                _ => sum.to_string(),
            };
            (name.clone(), value)
        };
        let parts = self.assigned.iter().map(shown).collect();
        Shown::parts("resources_assigned", parts).into_iter().collect()
    }

    fn counts(&self) -> Vec<Shown> {
        vec![
            Shown::one("total_jobs", self.tally.total.to_string()),
            Shown::one("state_count", self.tally.written()),
        ]
    }
}

/// A queue and its jobs.
pub fn queue(name: &str, attributes: &Attributes, load: &Load) -> Listed {
    let counted = [("Priority", load.counts()), ("max_run", load.assigned())];
    let attributes = listed(Of::Queue, &with_flags(attributes), &counted);
    Listed { name: name.to_owned(), attributes }
}

/// What is said of a queue: one that nobody has opened says so.
pub fn with_flags(attributes: &Attributes) -> Attributes {
    let mut all = attributes.clone();
    for flag in ["enabled", "started"] {
        all.0.entry(flag.to_owned()).or_insert_with(|| "False".to_owned());
    }
    all
}

/// The server and all jobs.
pub fn server(settings: &QueueSettings, load: &Load, here: &Here) -> Listed {
    let state = if settings.server.is("scheduling") { "Active" } else { "Idle" };
    let mut all =
        vec![Shown::one("server_state", state), Shown::one("server_host", here.server.clone())];
    let counted = [("scheduling", load.counts()), ("resources_max", load.assigned())];
    all.extend(listed(Of::Server, &settings.server, &counted));
    all.push(Shown::one("pbs_version", VERSION));
    all.push(Shown::one("job_history_enable", "True"));
    Listed { name: here.server.clone(), attributes: all }
}

/// A resource that managers have named.
pub fn resource(name: &str, attributes: &Attributes) -> Listed {
    Listed { name: name.to_owned(), attributes: listed(Of::Resource, attributes, &[]) }
}

/// What is set, in order, with what is counted behind the places where OpenPBS has it.
fn listed(of: Of, attributes: &Attributes, counted: &[Counted]) -> Vec<Shown> {
    let mut all = Vec::new();
    for known in KNOWN.iter().filter(|known| known.of == of) {
        match known.form {
            Form::Resources => {
                let parts = attributes.resources(known.name);
                let parts = parts.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                all.extend(Shown::parts(known.name, parts));
            }
            Form::Truth
            | Form::Number(..)
            | Form::Text
            | Form::Words
            | Form::Limits
            | Form::QueueType
            | Form::QueueName
            | Form::NodeState
            | Form::ResourceType
            | Form::Flags => {
                all.extend(attributes.get(known.name).map(|value| Shown::one(known.name, value)));
            }
        }
        let behind = counted.iter().filter(|(place, _)| *place == known.name);
        all.extend(behind.flat_map(|(_, shown)| shown.iter().cloned()));
    }
    all
}
