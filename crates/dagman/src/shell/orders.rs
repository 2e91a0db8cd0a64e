//! Orders to a workflow that runs: a folder beside the DAG file, in which a command puts a file and
//! finds an answer. Whoever may write there may give orders, as with HTCondor's halt file. What an
//! order does is in the journal before it is answered.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ShellError, files};
use crate::Workflow;
use crate::core::{Core, Input, Throttles};

/// What somebody wants of a workflow that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Order {
    /// These nodes, which failed, are to be tried again.
    Retry { nodes: Vec<String> },
    /// These nodes are to count as done.
    Skip { nodes: Vec<String> },
    /// These limits are to hold from now on; those that are none stay.
    Set(NewThrottles),
}

/// Limits of which each may be left as it is; 0 is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewThrottles {
    pub maxjobs: Option<u32>,
    pub maxidle: Option<u32>,
    pub maxpre: Option<u32>,
    pub maxpost: Option<u32>,
    pub maxhold: Option<u32>,
}

/// What came of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The nodes for which it was followed.
    pub done: Vec<String>,
    /// Why it was not followed, for each of the others.
    pub errors: Vec<String>,
    /// The limits that hold now, if some were set.
    pub throttles: Option<Throttles>,
}

/// The end of the name of an order's file.
const ORDER: &str = ".order";

/// The end of the name of an answer's file.
const ANSWER: &str = ".answer";

/// Puts an order where the DAG finds it, and gives the path of its answer.
///
/// # Errors
/// If it cannot be written.
pub fn give(folder: &str, order: &Order) -> Result<String, ShellError> {
    std::fs::create_dir_all(folder).map_err(ShellError::file("make the folder", folder))?;
    let unique = std::process::id();
    let path = (0_u32..)
        .map(|n| format!("{folder}/{unique}-{n}{ORDER}"))
        .find(|path| !files::is_there(path))
        .unwrap_or_default();
    let text = serde_json::to_string(order).map_err(|error| ShellError::File {
        what: "write the order",
        path: (&path).into(),
        source: error.into(),
    })?;
    files::replace(&path, &text)?;
    Ok(answer_of(&path))
}

/// Takes an order back, that nobody answers.
pub fn take_back(answer: &str) {
    let Some(front) = answer.strip_suffix(ANSWER) else { return };
    // It may be answered at this moment: there is nothing to take back then.
    let _ = std::fs::remove_file(format!("{front}{ORDER}"));
    remove_folder_of(answer);
}

/// Removes the folder of orders, unless another lies in it.
fn remove_folder_of(path: &str) {
    if let Some(folder) = Path::new(path).parent() {
        let _ = std::fs::remove_dir(folder);
    }
}

/// Reads an answer, if it is there, and takes it away.
///
/// # Errors
/// If it cannot be read.
pub fn answer(path: &str) -> Result<Option<Answer>, ShellError> {
    if !files::is_there(path) {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(ShellError::file("read", path))?;
    std::fs::remove_file(path).map_err(ShellError::file("remove", path))?;
    remove_folder_of(path);
    let answer = serde_json::from_str(&text).map_err(|error| ShellError::File {
        what: "read the answer",
        path: path.into(),
        source: error.into(),
    })?;
    Ok(Some(answer))
}

/// The orders that lie in the folder, but for these: each with its path. What is none is answered
/// so.
pub(super) fn waiting(
    folder: &str,
    passed_over: &BTreeSet<String>,
) -> Vec<(String, Result<Order, String>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    // A command gives its order a name that is text.
    let paths =
        entries.flatten().filter_map(|entry| entry.path().into_os_string().into_string().ok());
    let is_order = |path: &String| path.ends_with(ORDER) && !passed_over.contains(path);
    let mut paths: Vec<String> = paths.filter(is_order).collect();
    paths.sort();
    let read = |path: &String| {
        let text = client::site::read_plain_text(path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("that is no order: {error}"))
    };
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// Answers an order, and takes it away.
pub(super) fn reply(path: &str, answer: &Answer) -> Result<(), ShellError> {
    let text = serde_json::to_string(answer).map_err(|error| ShellError::File {
        what: "write the answer",
        path: path.into(),
        source: error.into(),
    })?;
    files::replace(&answer_of(path), &text)?;
    std::fs::remove_file(path).map_err(ShellError::file("remove", path))
}

/// What the core is told because of an order: each with the node that it is about. What cannot be
/// told is an error in the answer.
pub(super) fn inputs(core: &Core, order: &Order, answer: &mut Answer) -> Vec<(String, Input)> {
    let (nodes, retry) = match order {
        Order::Retry { nodes } => (nodes, true),
        Order::Skip { nodes } => (nodes, false),
        Order::Set(new) => return vec![(String::new(), Input::Throttle(merged(core, *new)))],
    };
    let mut inputs = Vec::new();
    for name in nodes {
        match core.workflow().find(name) {
            Some(node) if retry => inputs.push((name.clone(), Input::Retry { node })),
            Some(node) => inputs.push((name.clone(), Input::Skip { node })),
            None => answer.errors.push(unknown_node(core.workflow(), name)),
        }
    }
    inputs
}

fn merged(core: &Core, new: NewThrottles) -> Throttles {
    let old = core.throttles();
    Throttles {
        jobs: new.maxjobs.unwrap_or(old.jobs),
        idle: new.maxidle.unwrap_or(old.idle),
        pre: new.maxpre.unwrap_or(old.pre),
        post: new.maxpost.unwrap_or(old.post),
        hold: new.maxhold.unwrap_or(old.hold),
    }
}

/// What is said of a name that is no node's.
pub fn unknown_node(workflow: &Workflow, name: &str) -> String {
    let names = workflow.nodes().map(|node| node.name());
    match crate::language::nearest(name, names) {
        Some(near) => format!("there is no node {name}: did you mean {near}?"),
        None => format!("there is no node {name}"),
    }
}

fn answer_of(path: &str) -> String {
    path.strip_suffix(ORDER).map_or_else(String::new, |front| format!("{front}{ANSWER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_found_once_and_its_answer_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a.dag.orders").to_string_lossy().into_owned();
        let order = Order::Retry { nodes: vec!["A".to_owned()] };
        let place = give(&folder, &order).unwrap();
        assert_eq!(answer(&place).unwrap(), None);
        let found = waiting(&folder, &BTreeSet::new());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, Ok(order));
        let said = Answer { done: vec!["A".to_owned()], ..Answer::default() };
        reply(&found[0].0, &said).unwrap();
        assert_eq!(waiting(&folder, &BTreeSet::new()), []);
        assert_eq!(answer(&place).unwrap(), Some(said));
        assert_eq!(answer(&place).unwrap(), None);
        assert!(!Path::new(&folder).exists());
    }

    #[test]
    fn an_order_that_cannot_be_taken_away_is_passed_over_and_the_others_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_string_lossy().into_owned();
        let odd = format!("{folder}/0{ORDER}");
        std::fs::create_dir(&odd).unwrap();
        let name = std::os::unix::ffi::OsStringExt::from_vec(b"\xff.order".to_vec());
        std::fs::write(dir.path().join::<std::ffi::OsString>(name), "").unwrap();
        give(&folder, &Order::Set(NewThrottles::default())).unwrap();
        let found = waiting(&folder, &BTreeSet::new());
        assert_eq!(
            (found.len(), found[0].0.as_str(), found[0].1.is_err()),
            (2, odd.as_str(), true)
        );
        assert!(reply(&odd, &Answer::default()).is_err());
        let found = waiting(&folder, &BTreeSet::from([odd]));
        assert_eq!(found.len(), 1);
        assert!(found[0].1.is_ok());
    }

    #[test]
    fn an_order_that_is_taken_back_leaves_nothing_wherever_the_dag_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("the.answer").join("a.dag.orders");
        let folder = folder.to_string_lossy().into_owned();
        let place = give(&folder, &Order::Set(NewThrottles::default())).unwrap();
        assert_eq!(waiting(&folder, &BTreeSet::new()).len(), 1);
        take_back(&place);
        assert_eq!(waiting(&folder, &BTreeSet::new()), []);
        assert!(!Path::new(&folder).exists());
    }
}
