//! The jobs that a command line names: what each word means, and what is said of those that there
//! are not.

use std::collections::{BTreeMap, BTreeSet};

use client::{Query, Schedd, Select, Selector};
use jobspec::pbs::{JobWord, Subjobs, code};
use model::ClusterId;

use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::job::{Cluster, clusters};

/// A word that names a job of this server.
pub(super) fn read(here: &Here, text: &str) -> Result<JobWord, u8> {
    let word = match JobWord::read(text) {
        Ok(word) if word.server.as_ref().is_none_or(|name| here.is_server(name)) => word,
        Ok(_) | Err(_) => {
            here.say(format_args!("illegally formed job identifier: {text}"));
            return Err(code::FAILED);
        }
    };
    if word.at.as_ref().is_some_and(|at| !here.is_server(at)) {
        complain(&format!(
            "Unknown Host.\nCouldn't connect to cluster: {}\n",
            word.at.unwrap_or_default()
        ));
        return Err(code::BAD_HOST);
    }
    Ok(word)
}

/// The identifier that messages call it by.
pub(super) fn full(here: &Here, word: &JobWord) -> String {
    let server = &here.server;
    match word.subjobs {
        Subjobs::None => format!("{}.{server}", word.number),
        Subjobs::Whole => format!("{}[].{server}", word.number),
        Subjobs::Some { start, end, .. } if start == end => {
            format!("{}[{start}].{server}", word.number)
        }
        Subjobs::Some { start, end, step: 1 } => format!("{}[{start}-{end}].{server}", word.number),
        Subjobs::Some { start, end, step } => {
            format!("{}[{start}-{end}:{step}].{server}", word.number)
        }
    }
}

/// What is known of the clusters of these numbers; of all in the queue if none are given.
pub(super) fn look_up(
    schedd: &mut Schedd,
    numbers: Option<&BTreeSet<u32>>,
    with_finished: bool,
) -> Result<BTreeMap<u32, Cluster>, client::AskError> {
    let select = match numbers {
        None => Select::All,
        Some(numbers) => {
            Select::Any(numbers.iter().map(|n| Selector::Cluster(ClusterId(*n))).collect())
        }
    };
    // The queue first: a job that ends in between is in both rather than in neither.
    let queued = schedd.jobs(Query::of(select.clone()))?;
    let finished = match with_finished {
        true => schedd.jobs(Query { finished: true, ..Query::of(select) })?,
        false => Vec::new(),
    };
    Ok(clusters(queued, finished))
}
