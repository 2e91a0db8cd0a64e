//! The server and its queues as lists of attributes: what is set, and what is counted of their
//! jobs. The order is OpenPBS 23.06's.

use jobspec::pbs::VERSION;
use model::queues::{Attributes, Form, KNOWN, Of, QueueSettings, amount};

use crate::render::pbs::listed::{Listed, Shown};
use crate::render::pbs::table::Tally;
use crate::render::pbs::{Here, Job, RowKind, State};

/// What is counted, and behind which attribute it stands.
type Counted = (&'static str, Vec<Shown>);

/// A queue and its jobs.
pub fn queue(name: &str, attributes: &Attributes, jobs: &[&Job]) -> Listed {
    let tally = Tally::of(jobs.iter().copied());
    let counts = vec![
        Shown::one("total_jobs", tally.total.to_string()),
        Shown::one("state_count", tally.written()),
    ];
    let counted = [("Priority", counts), ("max_run", assigned(jobs))];
    let mut all = listed(Of::Queue, attributes, &counted);
    // A queue that nobody has opened says so.
    for flag in ["enabled", "started"] {
        if attributes.get(flag).is_none() {
            all.push(Shown::one(flag, "False"));
        }
    }
    Listed { name: name.to_owned(), attributes: all }
}

/// The server and all jobs.
pub fn server(settings: &QueueSettings, jobs: &[&Job], here: &Here) -> Listed {
    let tally = Tally::of(jobs.iter().copied());
    let state = if settings.server.is("scheduling") { "Active" } else { "Idle" };
    let mut all =
        vec![Shown::one("server_state", state), Shown::one("server_host", here.server.clone())];
    let counts = vec![
        Shown::one("total_jobs", tally.total.to_string()),
        Shown::one("state_count", tally.written()),
    ];
    let counted = [("scheduling", counts), ("resources_max", assigned(jobs))];
    all.extend(listed(Of::Server, &settings.server, &counted));
    all.push(Shown::one("pbs_version", VERSION));
    all.push(Shown::one("job_history_enable", "True"));
    Listed { name: here.server.clone(), attributes: all }
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
            | Form::NodeState => {
                all.extend(attributes.get(known.name).map(|value| Shown::one(known.name, value)));
            }
        }
        let behind = counted.iter().filter(|(place, _)| *place == known.name);
        all.extend(behind.flat_map(|(_, shown)| shown.iter().cloned()));
    }
    all
}

/// What the jobs that run have together.
fn assigned(jobs: &[&Job]) -> Vec<Shown> {
    let running: Vec<(&Job, u64)> = jobs
        .iter()
        .filter_map(|job| match &job.kind {
            RowKind::Array { counts, .. } => Some((*job, counts.running as u64)),
            RowKind::Single | RowKind::Subjob(_) => {
                matches!(job.state, State::Running | State::Suspended).then_some((*job, 1))
            }
        })
        .filter(|(_, runs)| *runs > 0)
        .collect();
    if running.is_empty() {
        return Vec::new();
    }
    let sum = |resource: &str| -> u64 {
        let of = |(job, runs): &(&Job, u64)| {
            job.resource(resource).and_then(|value| amount(&value)).unwrap_or(0) * runs
        };
        running.iter().map(of).sum()
    };
    let parts = [
        ("mem", format!("{}mb", sum("mem").div_ceil(1 << 20))),
        ("mpiprocs", sum("mpiprocs").to_string()),
        ("ncpus", sum("ncpus").to_string()),
        ("nodect", sum("nodect").to_string()),
    ];
    let parts = parts.map(|(name, value)| (name.to_owned(), value)).into();
    Shown::parts("resources_assigned", parts).into_iter().collect()
}
