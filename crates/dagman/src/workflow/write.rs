//! A workflow as one DAG file, splices unfolded, that reads back as the same workflow.
//!
//! Nodes of splices have a `+` in their names, which only DAGMAN_ALLOW_ANY_NODE_NAME_CHARACTERS
//! lets a DAG file have.

use std::fmt::Write as _;

use super::{
    Description, Items, Map, Node, NodeKind, Pause, Retry, ScriptKind, ScriptStream,
    ToleranceLimit, VarPlace, WhenExceeded, Workflow,
};

/// Writes a workflow. Joins become the `PARENT many CHILD many` that they were made from.
pub fn write(workflow: &Workflow) -> String {
    let mut out = String::new();
    for (name, text) in workflow.descriptions() {
        let _ = write!(out, "SUBMIT-DESCRIPTION {name} ");
        inline(&mut out, text);
        out.push('\n');
    }
    for node in workflow.nodes().filter(|node| node.kind() != NodeKind::Join) {
        declaration(&mut out, node);
        vars(&mut out, node);
        scripts(&mut out, node);
        attributes(&mut out, workflow, node);
    }
    for node in workflow.nodes() {
        edges(&mut out, workflow, node);
    }
    for category in workflow.categories() {
        if let Some(max) = category.max_jobs {
            let _ = writeln!(out, "MAXJOBS {} {max}", category.name);
        }
    }
    settings(&mut out, workflow);
    out
}

fn declaration(out: &mut String, node: Node<'_>) {
    let word = match node.kind() {
        NodeKind::Job if node.map().is_some() => "MAP",
        NodeKind::Job | NodeKind::Join => "JOB",
        NodeKind::Subdag => "SUBDAG EXTERNAL",
        NodeKind::Final => "FINAL",
        NodeKind::Service => "SERVICE",
        NodeKind::Provisioner => "PROVISIONER",
    };
    let _ = write!(out, "{word} {} ", node.name());
    match node.description() {
        Description::Nothing => {}
        Description::File(file) => out.push_str(&path(file)),
        Description::Named { name, .. } => out.push_str(name),
        Description::Inline(text) => inline(out, text),
    }
    if let Some(Map { over, names, at_once }) = node.map() {
        let _ = match over {
            Items::File(file) => write!(out, " OVER {}", path(file)),
            Items::List(list) => write!(out, " OVER ({list})"),
        };
        if !names.is_empty() {
            let _ = write!(out, " AS {}", names.join(","));
        }
        if let Some(jobs) = at_once {
            let _ = write!(out, " AT-ONCE {jobs}");
        }
    }
    if let Some(dir) = node.dir() {
        let _ = write!(out, " DIR {}", path(dir));
    }
    if node.is_noop() {
        out.push_str(" NOOP");
    }
    if node.is_done() {
        out.push_str(" DONE");
    }
    out.push('\n');
}

/// Between `@=TAG` and `@TAG`, with a tag that no line begins with.
fn inline(out: &mut String, text: &str) {
    let taken = |tag: &str| text.lines().any(|line| line.trim_start().starts_with(tag));
    let tag = (0..).map(|n| format!("end{n}")).find(|tag| !taken(&format!("@{tag}")));
    let tag = tag.unwrap_or_default();
    let _ = write!(out, "@={tag}\n{text}\n@{tag}");
}

fn vars(out: &mut String, node: Node<'_>) {
    for var in node.vars() {
        let place = match var.place {
            VarPlace::Default => "",
            VarPlace::Prepend => "PREPEND ",
            VarPlace::Append => "APPEND ",
        };
        let name = match var.name.strip_prefix("My.") {
            Some(attribute) => format!("+{attribute}"),
            None => var.name.to_owned(),
        };
        let _ = writeln!(out, "VARS {} {place}{name}={}", node.name(), quoted(var.value));
    }
}

fn scripts(out: &mut String, node: Node<'_>) {
    for (kind, word) in
        [(ScriptKind::Pre, "PRE"), (ScriptKind::Post, "POST"), (ScriptKind::Hold, "HOLD")]
    {
        let Some(script) = node.script(kind) else { continue };
        out.push_str("SCRIPT ");
        if let Some(defer) = script.defer {
            let _ = write!(out, "DEFER {} {} ", defer.status, defer.seconds);
        }
        if let Some(debug) = script.debug {
            let stream = match debug.stream {
                ScriptStream::Stdout => "STDOUT",
                ScriptStream::Stderr => "STDERR",
                ScriptStream::All => "ALL",
            };
            let _ = write!(out, "DEBUG {} {stream} ", path(debug.file));
        }
        let _ = writeln!(out, "{word} {} {}", node.name(), script.command_line);
    }
}

/// What stands behind the number of a RETRY line, with a blank in front.
pub(crate) fn retry_options(retry: Retry) -> String {
    let mut out = String::new();
    if let Some(code) = retry.unless_exit {
        let _ = write!(out, " UNLESS-EXIT {code}");
    }
    if let Some(causes) = retry.causes {
        out += " ON";
        for (from, to) in causes.ranges() {
            let _ = if from == to { write!(out, " {from}") } else { write!(out, " {from}-{to}") };
        }
        let words =
            [(causes.signal, "SIGNAL"), (causes.memory, "MEMORY"), (causes.removed, "REMOVED")];
        out.extend(words.iter().filter(|(is, _)| *is).map(|(_, word)| format!(" {word}")));
    }
    if let Some(Pause { seconds, up_to }) = retry.pause {
        let _ = write!(out, " AFTER {seconds} UP-TO {up_to}");
    }
    out
}

fn attributes(out: &mut String, workflow: &Workflow, node: Node<'_>) {
    let name = node.name();
    if let Some(retry) = node.retry() {
        let _ = writeln!(out, "RETRY {name} {}{}", retry.max, retry_options(retry));
    }
    if node.priority() != 0 {
        let _ = writeln!(out, "PRIORITY {name} {}", node.priority());
    }
    if let Some(category) = node.category() {
        let category = &workflow.categories()[category.0 as usize].name;
        let _ = writeln!(out, "CATEGORY {name} {category}");
    }
    if let Some(exit) = node.pre_skip() {
        let _ = writeln!(out, "PRE_SKIP {name} {exit}");
    }
    if let Some(abort) = node.abort() {
        let _ = write!(out, "ABORT-DAG-ON {name} {}", abort.exit);
        let _ = match abort.return_code {
            Some(code) => writeln!(out, " RETURN {code}"),
            None => writeln!(out),
        };
    }
    if let Some(tolerance) = node.tolerance() {
        let limit = match tolerance.limit {
            ToleranceLimit::Jobs(jobs) => jobs.to_string(),
            ToleranceLimit::Percent(percent) => format!("{percent}%"),
        };
        let when = match tolerance.when_exceeded {
            WhenExceeded::Default => "",
            WhenExceeded::FailFast => " FAIL-FAST",
            WhenExceeded::Wait => " WAIT",
        };
        let _ = writeln!(out, "TOLERANCE {name} {limit}{when}");
    }
    if let Some(said) = node.skip_unchanged() {
        let _ = write!(out, "SKIP_UNCHANGED {name}");
        for (word, files) in [("NEEDS", &said.needs), ("MAKES", &said.makes)] {
            let files: String = files.iter().map(|file| format!(" {}", quoted(file))).collect();
            if !files.is_empty() {
                let _ = write!(out, " {word}{files}");
            }
        }
        out.push('\n');
    }
    if let Some(file) = node.save_point() {
        let _ = writeln!(out, "SAVE_POINT_FILE {name} {}", path(file));
    }
}

/// A node's edges; those of a join stand with the join.
fn edges(out: &mut String, workflow: &Workflow, node: Node<'_>) {
    let name = |edge: super::Edge| workflow.node(edge.node).name();
    if node.kind() == NodeKind::Join {
        let weak = if node.parents().any(|edge| edge.weak) { "WEAK " } else { "" };
        let parents: Vec<&str> = node.parents().map(name).collect();
        let children: Vec<&str> = node.children().map(name).collect();
        let _ = writeln!(out, "{weak}PARENT {} CHILD {}", parents.join(" "), children.join(" "));
        return;
    }
    for edge in node.children() {
        if workflow.node(edge.node).kind() != NodeKind::Join {
            let weak = if edge.weak { "WEAK " } else { "" };
            let _ = writeln!(out, "{weak}PARENT {} CHILD {}", node.name(), name(edge));
        }
    }
}

fn settings(out: &mut String, workflow: &Workflow) {
    let settings = workflow.settings();
    if let Some(config) = &settings.config {
        let _ = writeln!(out, "CONFIG {}", path(config));
    }
    if !settings.environment.get.is_empty() {
        let _ = writeln!(out, "ENV GET {}", settings.environment.get.join(","));
    }
    for set in &settings.environment.set {
        let _ = writeln!(out, "ENV SET {set}");
    }
    for (name, value) in &settings.job_attributes {
        let _ = writeln!(out, "SET_JOB_ATTR {name} = {value}");
    }
    if let Some(dot) = &settings.dot {
        let update = if dot.update { "UPDATE" } else { "DONT-UPDATE" };
        let overwrite = if dot.overwrite { "OVERWRITE" } else { "DONT-OVERWRITE" };
        let _ = write!(out, "DOT {} {update} {overwrite}", path(&dot.file));
        let _ = match &dot.include {
            Some(header) => writeln!(out, " INCLUDE {}", path(header)),
            None => writeln!(out),
        };
    }
    if let Some(file) = &settings.node_status_file {
        let always = if file.always_update { " ALWAYS-UPDATE" } else { "" };
        let _ = writeln!(out, "NODE_STATUS_FILE {} {}{always}", path(&file.file), file.min_seconds);
    }
    if let Some(file) = &settings.jobstate_log {
        let _ = writeln!(out, "JOBSTATE_LOG {}", path(file));
    }
}

/// A path, between quotes if it needs them.
fn path(path: &str) -> String {
    let plain = !path.contains([' ', '\t', '"', '\'', '\\']) && !path.starts_with(['{', '@', '(']);
    if plain && !path.is_empty() { path.to_owned() } else { quoted(path) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
