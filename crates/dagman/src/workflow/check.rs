//! What is odd about a workflow that runs all the same: `dag check`.
//!
//! The findings are data; how they are shown is the caller's. Reads submit files, to say what is
//! missing and which macros nobody uses; knows nothing of submit files but how a macro is written.

use std::collections::{BTreeMap, BTreeSet};

use super::assemble::{Files, join};
use super::{Description, Items, Map, Node, NodeKind, ScriptKind, Workflow};
use crate::language::{Diagnostic, Severity};

/// So many findings are enough.
const MAX_FINDINGS: usize = 200;

/// Macros that HTCondor's node jobs always have; who sets them sets what dagman sets.
const OWN_MACROS: [&str; 6] =
    ["job", "retry", "dag_status", "failed_count", "dagmanjobid", "dag_parent_names"];

/// Looks at a workflow for what its author can hardly have meant.
pub fn check(workflow: &Workflow, files: &dyn Files) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    categories(workflow, &mut found);
    descriptions(workflow, &mut found);
    lonely(workflow, &mut found);
    let mut texts = BTreeMap::new();
    for node in workflow.nodes() {
        if found.len() >= MAX_FINDINGS {
            break;
        }
        again_and_again(node, &mut found);
        scripts(node, files, &mut found);
        if let Some(text) = submit_text(node, files, &mut texts, &mut found) {
            macros(node, text, &mut found);
            items(node, text, &mut found);
        }
        list(node, files, &mut found);
    }
    found.truncate(MAX_FINDINGS);
    found
}

fn at(node: Node<'_>, severity: Severity, message: String) -> Diagnostic {
    let origin = node.origin();
    Diagnostic::about_line(severity, origin.file, origin.line, message)
}

fn about_dag(workflow: &Workflow, severity: Severity, message: String) -> Diagnostic {
    let file = workflow.files().first().map_or("", String::as_str);
    Diagnostic::about_file(severity, file, message)
}

/// The job of a DAG leaves the queue with 0, 1 or 2: with all else it begins anew.
fn again_and_again(node: Node<'_>, found: &mut Vec<Diagnostic>) {
    let Some(abort) = node.abort() else { return };
    let status = abort.return_code.unwrap_or(abort.exit);
    if !(0..=2).contains(&status) {
        let name = node.name();
        let message = format!(
            "when ABORT-DAG-ON of node {name} ends the DAG with {status}, it begins again, and so on for ever: only with 0, 1 or 2 is it over"
        );
        let hint = format!("ABORT-DAG-ON {name} {} RETURN 1", abort.exit);
        found.push(at(node, Severity::Warning, message).hint(hint));
    }
}

/// A category without nodes limits nothing, and neither does one without a limit.
fn categories(workflow: &Workflow, found: &mut Vec<Diagnostic>) {
    let used: BTreeSet<_> = workflow.nodes().filter_map(|node| node.category()).collect();
    for (number, category) in (0..).zip(workflow.categories()) {
        let name = &category.name;
        let nodes = used.contains(&super::CategoryIndex(number));
        let message = match (category.max_jobs, nodes) {
            (Some(max), false) => {
                format!(
                    "category {name} has no assigned nodes, so the throttle setting ({max}) will have no effect"
                )
            }
            (None, true) => format!("category {name} has no throttle value set"),
            (Some(0), true) => format!("category {name} lets no node run: its limit is 0"),
            _ => continue,
        };
        found.push(about_dag(workflow, Severity::Warning, message));
    }
}

fn descriptions(workflow: &Workflow, found: &mut Vec<Diagnostic>) {
    let used: BTreeSet<&str> = workflow
        .nodes()
        .filter_map(|node| match node.description() {
            Description::Named { name, .. } => Some(name),
            Description::Nothing | Description::File(_) | Description::Inline(_) => None,
        })
        .collect();
    for (name, _) in workflow.descriptions().filter(|(name, _)| !used.contains(name)) {
        let message = format!("no node uses the SUBMIT-DESCRIPTION {name}");
        found.push(about_dag(workflow, Severity::Advice, message));
    }
}

/// In a DAG with edges, a node without any was perhaps forgotten.
fn lonely(workflow: &Workflow, found: &mut Vec<Diagnostic>) {
    if workflow.edge_count() == 0 {
        return;
    }
    for node in workflow.nodes().filter(|node| node.kind() == NodeKind::Job) {
        if node.parents().len() == 0 && node.children().len() == 0 {
            let message = format!("node {} has no parents and no children", node.name());
            found.push(at(node, Severity::Advice, message));
        }
        if found.len() >= MAX_FINDINGS {
            return;
        }
    }
}

fn scripts(node: Node<'_>, files: &dyn Files, found: &mut Vec<Diagnostic>) {
    for (kind, word) in
        [(ScriptKind::Pre, "PRE"), (ScriptKind::Post, "POST"), (ScriptKind::Hold, "HOLD")]
    {
        let Some(script) = node.script(kind) else { continue };
        let Some(program) = script.words().next() else { continue };
        // a parent or another script may write it before it is wanted
        if !program.starts_with('$') && !files.exists(&join(node.dir(), program)) {
            let message =
                format!("there is no {program}, the {word} script of node {}", node.name());
            found.push(at(node, Severity::Warning, message));
        }
    }
}

/// The text that describes a node's jobs; each file is read once.
fn submit_text<'t>(
    node: Node<'t>,
    files: &dyn Files,
    texts: &'t mut BTreeMap<String, Option<String>>,
    found: &mut Vec<Diagnostic>,
) -> Option<&'t str> {
    let path = match node.description() {
        Description::Nothing => return None,
        Description::Inline(text) | Description::Named { text, .. } => return Some(text),
        Description::File(file) => join(node.dir(), file),
    };
    if !texts.contains_key(&path) {
        let text = files.read(&path);
        if let Err(reason) = &text
            && !node.is_noop()
        {
            let (what, severity) = match node.kind() {
                NodeKind::Subdag => ("DAG file", Severity::Advice),
                _ => ("submit file", Severity::Warning),
            };
            let message =
                format!("the {what} {path} of node {} cannot be read: {reason}", node.name());
            let hint = "it must be there when the node starts";
            found.push(at(node, severity, message).hint(hint));
        }
        texts.insert(path.clone(), text.ok().filter(|_| node.kind() != NodeKind::Subdag));
    }
    texts[&path].as_deref()
}

/// A macro of VARS that the description does not mention does nothing. Includes may mention it:
/// then nothing is said.
fn macros(node: Node<'_>, text: &str, found: &mut Vec<Diagnostic>) {
    let lower = text.to_lowercase();
    if lower.contains("include") {
        return;
    }
    let (mut unused, mut own) = (Vec::new(), Vec::new());
    for var in node.vars() {
        let name = var.name.to_lowercase();
        if OWN_MACROS.contains(&&*name) {
            own.push(var.name);
        } else if !name.starts_with("my.") && !mentions(&lower, &name) {
            unused.push(var.name);
        }
    }
    if !own.is_empty() {
        let message = format!("dagman itself sets, for node {}: {}", node.name(), own.join(", "));
        found.push(at(node, Severity::Advice, message));
    }
    if !unused.is_empty() {
        let names = unused.join(", ");
        let message = format!("nothing uses these macros of node {}: {names}", node.name());
        found.push(at(node, Severity::Advice, message));
    }
}

/// What is queued over a list is queued once, and each job has an item of its own to do something
/// with.
fn items(node: Node<'_>, text: &str, found: &mut Vec<Diagnostic>) {
    let Some(Map { names, .. }) = node.map() else { return };
    let name = node.name();
    if let Some(line) = text.lines().map(str::trim).find(|line| queues_many(line)) {
        let message = format!("the description of node {name} queues jobs by itself: {line}");
        let hint = "MAP says what is queued: one line with nothing but queue, or none";
        found.push(at(node, Severity::Warning, message).hint(hint));
    }
    let lower = text.to_lowercase();
    let names = if names.is_empty() { vec!["Item"] } else { names };
    let is_unused = |name: &&&str| !mentions(&lower, &name.to_lowercase());
    let unused: Vec<&str> = names.iter().filter(is_unused).copied().collect();
    if !unused.is_empty() && !lower.contains("include") {
        let unused = unused.join(", ");
        let message = format!("nothing uses these names of items of node {name}: {unused}");
        found.push(at(node, Severity::Advice, message));
    }
}

/// Whether a line of a description is a `queue` that is for more than one job.
fn queues_many(line: &str) -> bool {
    let is_queue = |word: &str| word.eq_ignore_ascii_case("queue");
    let mut words = line.split_ascii_whitespace();
    words.next().is_some_and(is_queue)
        && words.next().is_some_and(|word| word != "1" && !word.starts_with('='))
}

/// The file that a MAP has its items from. A parent may write it, and macros may name it.
fn list(node: Node<'_>, files: &dyn Files, found: &mut Vec<Diagnostic>) {
    let Some(Map { over: Items::File(file), .. }) = node.map() else { return };
    let path = join(node.dir(), file);
    if !node.is_noop() && !file.contains("$(") && !files.exists(&path) {
        let message = format!("there is no {path}, the list of node {}", node.name());
        let hint = "it must be there when the node starts";
        found.push(at(node, Severity::Warning, message).hint(hint));
    }
}

/// Whether the text has the word, not as a part of a longer one: as `$(name)`, `defined name`, or a
/// command that VARS sets.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(part) && !behind.starts_with(part)
    })
}
