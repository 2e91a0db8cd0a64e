//! `qselect`: the identifiers of the jobs that all options let through. What they ask for is in
//! `criteria`.

mod criteria;

use jobspec::pbs::{Refusal, code, is_resource, resource_value, said};
use model::queues::QueueSettings;

use super::acting::usage_of;
use super::found::{self, Asked, Finished};
use super::server::NoDestination;
use super::words::Line;
use crate::line::output::{self, complain};
use crate::render::pbs::job::{Cluster, STANDING};
use crate::render::pbs::{Here, Job, RowKind, State};
use criteria::{Criterion, Reading, Wrong};

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "a:A:c:h:HJl:N:p:q:r:s:t:Tu:xP:") {
        Ok(line) => line,
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    let Reading { messages, values } = Reading::of(here, &line);
    if !messages.is_empty() || !line.operands.is_empty() {
        return usage_of(here, Some(messages));
    }
    let shown = criteria(here, &line, values).and_then(|criteria| select(here, &line, &criteria));
    match shown {
        Ok(out) => output::put(&out).map_or(code::FAILED, |()| 0),
        Err(exit) => exit,
    }
}

/// What is asked of the jobs; the exit code, if some value is none.
fn criteria(
    here: &Here,
    line: &Line,
    values: Vec<Result<Criterion, Wrong>>,
) -> Result<Vec<Criterion>, u8> {
    match here.destination(line.value('q').unwrap_or_default()) {
        Ok(_) => {}
        Err(NoDestination::IllFormed) => {
            let destination = line.value('q').unwrap_or_default();
            here.say(format_args!("illegally formed destination: {destination}"));
            return Err(code::USAGE);
        }
        Err(NoDestination::OtherServer) => return Err(here.no_host()),
    }
    let refused = |refusal: Refusal| {
        refusal.problems.iter().for_each(|problem| complain(&said(&here.command, problem)));
        refusal.exit
    };
    // The last is looked at first.
    let mut criteria = Vec::new();
    for value in values.into_iter().rev() {
        criteria.push(value.map_err(|wrong| match wrong {
            Wrong::Illegal(option) => {
                usage_of(here, Some(vec![format!("illegal -{option} value")]))
            }
            Wrong::Refused(refusal) => refused(refusal),
        })?);
    }
    if criteria.iter().any(needs_settings) {
        let settings = here.connect()?.queues().map_err(|error| here.cannot_connect(&error))?;
        for criterion in &mut criteria {
            look_at(here, criterion, &settings).map_err(refused)?;
        }
    }
    Ok(criteria)
}

const fn needs_settings(criterion: &Criterion) -> bool {
    matches!(criterion, Criterion::Resource(..) | Criterion::Queue(_))
}

/// What only the pool knows: its queues, and its own resources.
fn look_at(
    here: &Here,
    criterion: &mut Criterion,
    settings: &QueueSettings,
) -> Result<(), Refusal> {
    match criterion {
        Criterion::Resource(name, ..) if !is_resource(name, settings) => {
            let message = format!("Unknown resource Resource_List.{name}");
            Err(Refusal::new(code::UNKNOWN_RESOURCE, message))
        }
        Criterion::Resource(name, _, value) if settings.custom(name).is_some() => {
            resource_value(name, value, settings).map(drop)
        }
        Criterion::Queue(destination) => {
            let queue = here.destination(destination).unwrap_or_default().to_owned();
            if !queue.is_empty() && settings.queue(&queue).is_none() {
                return Err(Refusal::new(code::UNKNOWN_QUEUE, "Unknown queue destination"));
            }
            *destination = queue;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What the criteria look at.
fn asked(here: &Here, line: &Line, criteria: &[Criterion]) -> Asked {
    let looked_at = criteria.iter().flat_map(Criterion::looks_at);
    let mut asked = Asked::of(STANDING.iter().copied().chain(looked_at));
    for criterion in criteria {
        match criterion {
            Criterion::Queue(queue) if !queue.is_empty() => {
                asked = asked.in_queues(std::iter::once(queue.as_str()));
            }
            Criterion::Users(users) => asked = asked.of_users(users.iter().map(String::as_str)),
            _ => {}
        }
    }
    if line.has('T') {
        asked = asked.with_subjobs();
        asked.finished = Finished::OfArrays;
    }
    if line.any("xH") {
        asked.finished = Finished::Since(here.remembered_since());
    }
    asked
}

fn select(here: &Here, line: &Line, criteria: &[Criterion]) -> Result<String, u8> {
    let of = |number: u32, cluster: &Cluster| -> Vec<Job> {
        let whole = cluster.whole(number, here.now);
        let is_array = matches!(whole.kind, RowKind::Array { .. });
        match (line.has('J'), line.has('T'), is_array) {
            (true, false, false) => Vec::new(),
            (_, true, true) => cluster.subjobs(number, here.now),
            (true, true, false) => Vec::new(),
            (true | false, _, _) => vec![whole],
        }
    };
    let is_wanted = |job: &Job| {
        let by_history = match (job.state == State::Finished, line.has('H'), line.has('x')) {
            (is_over, true, _) => is_over,
            (_, false, true) => true,
            (is_over, false, false) => !is_over,
        };
        by_history && criteria.iter().all(|criterion| criterion.holds_of(job))
    };
    let mut out = String::new();
    found::each(here, &asked(here, line, criteria), |number, cluster| {
        for job in of(number, &cluster).iter().filter(|job| is_wanted(job)) {
            out += &job.id(&here.server);
            out.push('\n');
        }
        Ok(())
    })?;
    Ok(out)
}
