//! What a run has left whose job left the queue while no dagman ran for it (it was held, and then
//! removed): its journal, and nothing that the next run begins from. This makes the rescue file
//! that the run would have written itself. Does not know who is about to begin the next run.

use std::collections::BTreeSet;
use std::sync::Arc;

use client::asynchronous::Schedd;
use client::{Home, Query, Select, Selector};
use model::{ClusterId, Seq};
use proto::client::{Recorded, Refusal};
use proto::command::AskError;

use super::engine::{known_jobs, lock, stock};
use super::journal::{self, Head, Past};
use super::{Knobs, Load, ShellError, facts, files, rescues};
use crate::core::{Core, Effect, Event, Input, run_batch};
use crate::record::{Names, Stamp, rescue};

/// A run that was ended for its dead job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The job that it was of.
    pub job: ClusterId,
    /// The rescue file; none if nothing had happened, or everything was done.
    pub rescue: Option<String>,
}

/// Ends a run that nobody goes on with: writes its rescue file from its journal and from what the
/// schedd's record says since, and removes the journal and the lock. None if there is no such run:
/// there is no journal, a dagman runs, or the journal's job is in the queue, or is `own`.
///
/// # Errors
///
/// If the schedd does not answer or a file cannot be read or written; [`ShellError::Left`] if the
/// DAG files are no longer those of the run.
pub fn end_left(
    home: &Home,
    names: &Names,
    lock_path: &str,
    own: Option<ClusterId>,
    knobs: &Knobs,
    load: &Load<'_>,
) -> Result<Option<Left>, ShellError> {
    let path = names.journal();
    let Some(past) = journal::open(&path)? else { return Ok(None) };
    let job = ClusterId(past.head.job);
    if Some(job) == own {
        return Ok(None);
    }
    let _lock = match lock(lock_path) {
        Ok(lock) => lock,
        Err(ShellError::Locked { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let select = Select::Any(vec![Selector::Cluster(job)]);
    if !home.schedd()?.jobs(Query::of(select))?.is_empty() {
        return Ok(None);
    }
    let rescue = match past.is_begun() {
        true => write_rescue(home, names, knobs, load, past)?,
        false => None,
    };
    for path in [path.as_str(), lock_path] {
        std::fs::remove_file(path).map_err(ShellError::file("remove", path))?;
    }
    Ok(Some(Left { job, rescue }))
}

fn write_rescue(
    home: &Home,
    names: &Names,
    knobs: &Knobs,
    load: &Load<'_>,
    past: Past,
) -> Result<Option<String>, ShellError> {
    let head = past.head.clone();
    let left = |why: &str| ShellError::Left {
        job: ClusterId(head.job),
        journal: names.journal().into(),
        why: why.to_owned(),
    };
    let (workflow, _) =
        load(head.rescue.as_deref()).map_err(|problems| left(&problems.join("; ")))?;
    if head.shape != journal::shape(&workflow) {
        return Err(left("they were changed since"));
    }
    let mut core = Core::new(Arc::new(workflow), knobs.options.clone());
    let mut is_over = false;
    let (_, mark) = past.replay(|event, _| {
        is_over |= matches!(event, Event::Finished { .. });
        core.apply(event);
    })?;
    // Its own end has written the rescue file, if there was anything to save.
    if is_over {
        return Ok(None);
    }
    take_what_followed(home, &mut core, &head, mark.next.unwrap_or(Seq(0)))?;
    let manner = &knobs.manner;
    let number = rescue::next_number(rescues::numbers(names).into_iter(), manner.max_rescue);
    let path = names.rescue(number);
    let now = proto::clock::now().wall;
    let stamp = Stamp::new(now, jiff::tz::TimeZone::system());
    let text = rescue::text(&core, names.primary(), &stamp, manner.reset_retries);
    files::replace(&path, &text)?;
    Ok(Some(path))
}

/// Tells the core what became of its nodes' jobs after the journal ends: while the DAG was held
/// they went on. Nothing that follows is done.
fn take_what_followed(
    home: &Home,
    core: &mut Core,
    head: &Head,
    since: Seq,
) -> Result<(), ShellError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ShellError::Runtime)?;
    let job = ClusterId(head.job);
    let schedd = Schedd::of(home);
    let known = runtime.block_on(known_jobs(&schedd, job, head.generation, true))?;
    // A submission that the journal began and did not see the end of.
    let submitted = core.resume().into_iter().filter_map(|effect| match effect {
        Effect::Submit { node, retry } => {
            let name = core.workflow().node(node).name().to_owned();
            let (cluster, jobs) = *known.get(&(name, retry))?;
            Some(Input::Submitted { node, retry, cluster, jobs })
        }
        _ => None,
    });
    let submitted: Vec<Input> = submitted.collect();
    tell(core, &submitted);
    // Where the queue was put back from a copy, a cluster's number may be somebody else's.
    let own: BTreeSet<ClusterId> = known.values().map(|(cluster, _)| *cluster).collect();
    let mut take = |events: &[Recorded]| {
        let is_ours =
            |input: &Input| matches!(input, Input::Job { job, .. } if own.contains(&job.cluster));
        let inputs = events.iter().flat_map(|event| facts::inputs(core, event));
        let inputs: Vec<Input> = inputs.filter(is_ours).collect();
        tell(core, &inputs);
        Ok::<_, AskError>(std::ops::ControlFlow::Continue(()))
    };
    match home.events(since, Select::All, &mut take) {
        // The record begins later: their ads tell how they ended.
        Err(AskError::Refused(Refusal::Gone { .. })) => {
            let stock = runtime.block_on(stock::look_up(&schedd, core))?;
            tell(core, &stock.inputs);
        }
        told => told?,
    }
    Ok(())
}

fn tell(core: &mut Core, inputs: &[Input]) {
    let mut inputs = inputs;
    while run_batch(core, proto::clock::now(), inputs, |_, _| {}).more {
        inputs = &[];
    }
}
