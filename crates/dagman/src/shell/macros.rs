//! The macros in the arguments of scripts: whole words that begin with `$`, in any case. Knows no
//! process.

use crate::core::{Core, JobEnd, JobsEnd, NodeState};
use crate::workflow::{NodeIndex, Script, ScriptKind};

/// A script that names a macro that is none, or not for it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("script of node {node}: {word} is no macro{hint}")]
pub(super) struct UnknownMacro {
    node: String,
    word: String,
    hint: &'static str,
}

/// The program and its arguments, macros expanded. Unknown macros stay where `strict` is false.
pub(super) fn expand(
    core: &Core,
    node: NodeIndex,
    script: &Script<'_>,
    kind: ScriptKind,
    dag_id: &str,
    strict: bool,
) -> Result<Vec<String>, UnknownMacro> {
    let mut words = Vec::new();
    for (at, word) in script.words().enumerate() {
        if at == 0 || !is_macro(word) {
            words.push(word.to_owned());
            continue;
        }
        let name = word.to_ascii_uppercase();
        let value = general(core, node, &name, dag_id);
        let of_jobs = || of_jobs(core, node, &name);
        match value.or_else(|| if kind == ScriptKind::Post { of_jobs() } else { None }) {
            Some(value) => words.push(value),
            None if !strict => words.push(word.to_owned()),
            None => {
                let for_post = of_jobs().is_some();
                let hint =
                    if for_post { " before the jobs are over: it is for POST scripts" } else { "" };
                let node = core.workflow().node(node).name().to_owned();
                return Err(UnknownMacro { node, word: word.to_owned(), hint });
            }
        }
    }
    Ok(words)
}

fn is_macro(word: &str) -> bool {
    let name = word.strip_prefix('$').unwrap_or_default();
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn general(core: &Core, node: NodeIndex, name: &str, dag_id: &str) -> Option<String> {
    let view = core.workflow().node(node);
    let counts = core.counts();
    Some(match name {
        "$NODE" | "$JOB" => view.name().to_owned(),
        "$RETRY" => core.retries(node).to_string(),
        "$MAX_RETRIES" => view.retry().map_or(0, |retry| retry.max).to_string(),
        "$DAGID" => dag_id.to_owned(),
        "$DAG_STATUS" => core.progress().status.number().to_string(),
        "$NODE_COUNT" => counts.total.to_string(),
        "$QUEUED_COUNT" => counts.queued.to_string(),
        "$DONE_COUNT" => counts.done.to_string(),
        "$FAILED_COUNT" => counts.failed.to_string(),
        "$FUTILE_COUNT" => counts.futile.to_string(),
        _ => return None,
    })
}

fn of_jobs(core: &Core, node: NodeIndex, name: &str) -> Option<String> {
    let nothing = JobsEnd::default();
    let end = if let NodeState::Post(_, end) = core.state(node) { end } else { &nothing };
    let cluster = end.cluster.map_or(-1, |cluster| i64::from(cluster.0));
    let last = end.last_proc();
    let codes: Vec<i32> =
        end.ends.iter().filter(|end| **end != JobEnd::Removed).map(|end| end.code()).collect();
    let mut kinds = codes.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let join = |texts: Vec<String>| texts.join(",");
    Some(match name {
        "$CLUSTERID" => cluster.to_string(),
        "$JOBID" => format!("{cluster}.{last}"),
        "$JOB_COUNT" => if end.is_noop() { 0 } else { end.ends.len() }.to_string(),
        "$JOB_ABORT_COUNT" => {
            end.ends.iter().filter(|end| **end == JobEnd::Removed).count().to_string()
        }
        "$SUCCESS" => if end.result == 0 { "True" } else { "False" }.to_owned(),
        "$RETURN" => end.result.to_string(),
        "$EXIT_CODES" => join(kinds.iter().map(i32::to_string).collect()),
        "$EXIT_CODE_LIST" => join(codes.iter().map(i32::to_string).collect()),
        "$EXIT_CODE_COUNTS" => {
            let count = |kind: &i32| codes.iter().filter(|code| *code == kind).count();
            join(kinds.iter().map(|kind| format!("{kind}:{}", count(kind))).collect())
        }
        "$PRE_SCRIPT_RETURN" => core.pre_result(node).unwrap_or(-1).to_string(),
        _ => return None,
    })
}
