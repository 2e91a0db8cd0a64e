//! `condor_dag_checker`: what is wrong with DAG files, each for itself, in the words, the order and
//! the JSON of HTCondor 25.14's. `updraft dag check` says more.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use dagman::Workflow;
use dagman::language::{Diagnostic, listed};
use dagman::workflow::{
    self, Description, Files, Looked, NodeKind, Options, ScriptKind, find_cycle,
};
use model::diagnostic::{About, Severity};

use crate::commands::workflows::dag_files::Disk;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::usage::Mistake;
use crate::render::said::Said;

/// Say what is wrong with DAG files, each for itself, in HTCondor's words.
#[derive(Debug, clap::Args)]
pub struct CheckerArgs {
    /// The DAG files.
    #[arg(value_name = "DAG")]
    dags: Vec<String>,
    /// Take any characters in the names of nodes.
    #[arg(long = "allowillegalchars")]
    any_characters: bool,
    /// Look at all that the files name: scripts, descriptions, sub-DAGs.
    #[arg(long = "checkexternalfiles")]
    external: bool,
    /// Look at the nodes' descriptions.
    #[arg(long = "checkjdl")]
    jdl: bool,
    /// See whether scripts are there.
    #[arg(long = "checkscripts")]
    scripts: bool,
    /// Look at sub-DAGs too.
    #[arg(long = "checksubdags")]
    subdags: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Put a node between many parents and many children: so it is without this.
    #[arg(long = "joinnodes", conflicts_with = "no_join_nodes")]
    join_nodes: bool,
    /// Put none there.
    #[arg(long = "nojoinnodes")]
    no_join_nodes: bool,
    /// How large the DAG is, in place of what is wrong.
    #[arg(long)]
    statistics: bool,
    /// What is looked at and is not there is wrong.
    #[arg(long)]
    strict: bool,
    /// Read each file from its own folder.
    #[arg(long)]
    usedagdir: bool,
}

/// What was found about one file.
struct Found {
    file: String,
    errors: Vec<Diagnostic>,
    cycle: Option<String>,
    /// What of it could be read.
    workflow: Option<Workflow>,
}

/// Does it.
///
/// # Errors
///
/// If the command line makes no sense.
pub fn run(args: &CheckerArgs, _: &Call) -> Result<Outcome> {
    if args.json && args.statistics {
        let text = "ERROR: Multiple print styles specified: -json and -statistics";
        return Err(Mistake(text).into());
    }
    if args.dags.is_empty() {
        return Err(Mistake("ERROR: No DAG file(s) provided for linting.").into());
    }
    let here = std::env::current_dir().context("find out the working directory")?;
    let mut all = Vec::new();
    for file in &args.dags {
        all.push(look(args, file));
        std::env::set_current_dir(&here)
            .with_context(|| format!("go back to {}", here.display()))?;
    }
    let said = if args.json {
        let ads: Vec<String> = all.iter().map(json).collect();
        format!("[\n{}\n]\n", ads.join(",\n"))
    } else if args.statistics {
        all.iter().map(statistics).collect()
    } else {
        all.iter().map(issues).collect()
    };
    let is_wrong = all.iter().any(|found| !found.errors.is_empty() || found.cycle.is_some());
    let exit = if is_wrong { Exit::Failed } else { Exit::Done };
    Ok(Outcome { said: Said::out(said), exit: exit.into() })
}

fn look(args: &CheckerArgs, file: &str) -> Found {
    let wrong = |message: String| Found {
        file: file.to_owned(),
        errors: vec![Diagnostic::about_file(Severity::Error, file, message)],
        cycle: None,
        workflow: None,
    };
    if !Path::new(file).exists() {
        return wrong(format!("Failed to open DAG {file}: Provided file path does not exist"));
    }
    let mut name = file;
    if let (true, Some((folder, base))) = (args.usedagdir, file.rsplit_once('/')) {
        if std::env::set_current_dir(folder).is_err() {
            return wrong("Failed to change directories: No such file or directory".to_owned());
        }
        name = base;
    }
    let options = Options {
        join_nodes: !args.no_join_nodes,
        any_name_characters: args.any_characters,
        keeps_cycles: true,
        ..Options::new(vec![name.to_owned()])
    };
    let Looked { workflow, found } = workflow::look(&options, &Disk::here());
    let mut errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    errors.sort_by_key(phase);
    let cycle = workflow.as_ref().filter(|_| errors.is_empty()).and_then(cycle);
    if let Some(workflow) = &workflow {
        errors.extend(outside(args, workflow));
    }
    Found { file: file.to_owned(), errors, cycle, workflow }
}

/// When HTCondor finds it: nodes first, then other commands, then what they refer to, then files.
fn phase(error: &Diagnostic) -> u8 {
    let defines = ["JOB", "SUBDAG", "SPLICE", "FINAL", "SERVICE", "PROVISIONER", "INCLUDE"];
    match command(error) {
        Some(command) if defines.contains(&command) => 0,
        Some("CONFIG") => 3,
        Some(_) if error.message.contains("References undefined node ") => 2,
        Some(_) | None => 1,
    }
}

fn command(error: &Diagnostic) -> Option<&'static str> {
    match error.about {
        About::Command(command) => Some(command),
        About::Line | About::Raised | About::Job | About::Submission | About::Macro => None,
    }
}

/// A cycle, as its nodes follow each other.
fn cycle(workflow: &Workflow) -> Option<String> {
    let nodes = find_cycle(workflow)?;
    if workflow.nodes().all(|node| node.parents().len() > 0) {
        return Some("No initial nodes discovered".to_owned());
    }
    let names = nodes.iter().chain(nodes.first()).map(|node| workflow.node(*node).name());
    Some(names.collect::<Vec<_>>().join(" -> "))
}

/// What is wrong with what the nodes name.
fn outside(args: &CheckerArgs, workflow: &Workflow) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for node in workflow.nodes() {
        let folder = Path::new(node.dir().unwrap_or("."));
        let mut say = |command: &'static str, message: String| {
            let origin = node.origin();
            let one = Diagnostic::about_line(Severity::Error, origin.file, origin.line, message);
            found.push(one.about(About::Command(command)));
        };
        let kinds = [ScriptKind::Pre, ScriptKind::Post, ScriptKind::Hold];
        for script in kinds.into_iter().filter_map(|kind| node.script(kind)) {
            let program = script.words().next().unwrap_or_default();
            if (args.scripts || args.external) && !folder.join(program).exists() {
                say("SCRIPT", "Script file does not exist".to_owned());
            }
        }
        let Description::File(file) = node.description() else { continue };
        let path = folder.join(file);
        let is_subdag = node.kind() == NodeKind::Subdag;
        if !path.exists() {
            let looked_at = if is_subdag { args.subdags } else { args.jdl };
            match (args.strict && (looked_at || args.external), is_subdag) {
                (true, true) => say("SUBDAG", format!("{file} does not exist")),
                (true, false) => say("JOB", "Submit JDL does not exist".to_owned()),
                (false, _) => {}
            }
        } else if is_subdag && (args.subdags || args.external) {
            let inner = workflow::look(
                &Options::new(vec![path.to_string_lossy().into_owned()]),
                &Disk::here(),
            );
            if let Some(first) = inner.found.iter().find(|one| one.is_error()) {
                say("SUBDAG", format!("{file}:{}>{}", first.line(), first.message));
            }
        } else if !is_subdag && (args.jdl || args.external) {
            let text = Disk::here().read(&path.to_string_lossy()).map_err(|error| error.0);
            let parsed = text.map(|text| jobspec::htcondor::parse(&text, file).err());
            match parsed {
                Ok(None) => {}
                Ok(Some(problems)) => {
                    let first = problems.first().map(|one| one.message.clone());
                    say(
                        "JOB",
                        format!("Failed to parse to queue line: {}", first.unwrap_or_default()),
                    );
                }
                Err(why) => say("JOB", format!("Failed to read {file}: {why}")),
            }
        }
    }
    found
}

fn issues(found: &Found) -> String {
    let mut lines: Vec<String> =
        found.errors.iter().map(|one| format!("\t* {}\n", listed(one))).collect();
    lines.extend(
        found.cycle.as_ref().map(|cycle| format!("\t* {}:0 Cycle detected: {cycle}\n", found.file)),
    );
    match lines.len() {
        0 => String::new(),
        1 => format!("Detected 1 issue in {}:\n{}\n", found.file, lines.concat()),
        count => format!("Detected {count} issues in {}:\n{}\n", found.file, lines.concat()),
    }
}

/// A fact about a DAG.
enum Fact {
    Number(usize),
    Text(String),
    Truth,
    Numbers(Vec<usize>),
}

fn facts(found: &Found) -> Vec<(&'static str, Fact)> {
    let mut facts = Vec::new();
    let Some(workflow) = &found.workflow else { return vec![("TotalNodes", Fact::Number(0))] };
    let of = |kind: NodeKind| workflow.nodes().filter(move |node| node.kind() == kind);
    let name = |kind| of(kind).next().map(|node| Fact::Text(node.name().to_owned()));
    facts.extend(name(NodeKind::Final).map(|fact| ("FinalNode", fact)));
    facts.extend(name(NodeKind::Provisioner).map(|fact| ("ProvisionerNode", fact)));
    for (name, number) in [
        ("NumArcs", workflow.edge_count()),
        ("NumNodes", of(NodeKind::Job).count()),
        ("NumJoinNodes", of(NodeKind::Join).count()),
        ("NumServiceNodes", of(NodeKind::Service).count()),
        ("NumSubDAGs", of(NodeKind::Subdag).count()),
        ("NumSplices", splices(workflow)),
        ("NumErrors", found.errors.len()),
    ] {
        facts.extend((number > 0).then_some((name, Fact::Number(number))));
    }
    facts.push(("TotalNodes", Fact::Number(workflow.len())));
    match &found.cycle {
        Some(cycle) => {
            facts.push(("IsCyclic", Fact::Truth));
            facts.push(("DetectedCycle", Fact::Text(cycle.clone())));
        }
        None => {
            let widths = widths(workflow);
            if let Some(width) = widths.iter().max() {
                facts.push(("GraphWidth", Fact::Number(*width)));
                facts.push(("GraphHeight", Fact::Number(widths.len())));
                facts.push(("WidthByDepth", Fact::Numbers(widths)));
            }
        }
    }
    facts
}

/// How many splices have nodes: they stand in these' names.
fn splices(workflow: &Workflow) -> usize {
    let mut names = std::collections::BTreeSet::new();
    for node in workflow.nodes() {
        names.extend(node.name().match_indices('+').map(|(at, _)| &node.name()[..at]));
    }
    names.len()
}

/// How many nodes there are of each depth, of those that have a place in the order.
fn widths(workflow: &Workflow) -> Vec<usize> {
    let mut depths = vec![0; workflow.len()];
    let mut open: Vec<usize> = workflow.nodes().map(|node| node.parents().len()).collect();
    let mut free: Vec<_> = workflow.nodes().filter(|node| node.parents().len() == 0).collect();
    let mut widths: Vec<usize> = Vec::new();
    while let Some(node) = free.pop() {
        let depth: usize = depths[node.index().position()];
        if !matches!(node.kind(), NodeKind::Final | NodeKind::Service | NodeKind::Provisioner) {
            widths.resize(widths.len().max(depth + 1), 0);
            widths[depth] += 1;
        }
        for child in node.children().map(|edge| edge.node) {
            let at = child.position();
            depths[at] = depths[at].max(depth + 1);
            open[at] -= 1;
            free.extend((open[at] == 0).then(|| workflow.node(child)));
        }
    }
    widths
}

fn statistics(found: &Found) -> String {
    let mut facts = facts(found);
    facts.retain(|(name, _)| *name != "NumErrors");
    facts.sort_by_key(|(name, _)| *name);
    let mut text = format!("=== {} statistics ===\n", found.file);
    for (name, fact) in &facts {
        let value = match fact {
            Fact::Number(number) => number.to_string(),
            Fact::Text(text) => format!("\"{text}\""),
            Fact::Truth => "true".to_owned(),
            Fact::Numbers(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("{{ {} }}", all.join(","))
            }
        };
        let _ = writeln!(text, "{name} = {value}");
    }
    text + "\n"
}

/// An ad as HTCondor's JSON has it: the names by their length, then by the alphabet.
fn json(found: &Found) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut members: Vec<(&str, String)> = facts(found)
        .into_iter()
        .map(|(name, fact)| {
            let value = match fact {
                Fact::Number(number) => number.to_string(),
                Fact::Text(one) => text(&one),
                Fact::Truth => "true".to_owned(),
                Fact::Numbers(all) => {
                    let all: Vec<String> = all.iter().map(|one| format!("    {one}")).collect();
                    format!("[\n{}\n  ]", all.join(",\n"))
                }
            };
            (name, value)
        })
        .collect();
    members.push(("DagFile", text(&found.file)));
    if !found.errors.is_empty() {
        let one = |one: &Diagnostic| {
            let command = command(one).map(|command| ("DagCommand", text(command)));
            let members = [("Reason", text(&one.message))]
                .into_iter()
                .chain(command)
                .chain([("SourceFile", text(one.file())), ("SourceLine", one.line().to_string())]);
            let members: Vec<String> =
                members.map(|(name, value)| format!("      \"{name}\": {value}")).collect();
            format!("    {{\n{}\n    }}", members.join(",\n"))
        };
        let all: Vec<String> = found.errors.iter().map(one).collect();
        members.push(("Errors", format!("[\n{}\n  ]", all.join(",\n"))));
    }
    members.sort_by_key(|(name, _)| (name.len(), *name));
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file, as HTCondor 25.14's own says it of the same.
    fn check(dag: &str, say: fn(&Found) -> String, expected: &expect_test::Expect) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag").to_string_lossy().into_owned();
        std::fs::write(&path, dag).unwrap();
        let args = CheckerArgs {
            dags: Vec::new(),
            any_characters: false,
            external: false,
            jdl: false,
            scripts: true,
            subdags: false,
            json: false,
            join_nodes: false,
            no_join_nodes: false,
            statistics: false,
            strict: false,
            usedagdir: false,
        };
        expected.assert_eq(&say(&look(&args, &path)).replace(&path, "a.dag"));
    }

    const BAD: &str = "JOB A a.sub\nJBO B b.sub\nRETRY C 2\nPARENT A CHILD Q\nJOB A z.sub\n";

    #[test]
    fn what_is_wrong_is_told_in_htcondors_order_and_words() {
        check(
            BAD,
            issues,
            &expect_test::expect![[r#"
            Detected 4 issues in a.dag:
            	* a.dag:5 Failed to parse JOB command: Node A is already defined in the DAG
            	* a.dag:2 'JBO' is not a valid DAG command
            	* a.dag:4 Failed to parse PARENT command: References to undefined nodes: Children [Q]
            	* a.dag:3 Failed to parse RETRY command: References undefined node C

        "#]],
        );
        check(
            BAD,
            json,
            &expect_test::expect![[r#"
            {
              "Errors": [
                {
                  "Reason": "Node A is already defined in the DAG",
                  "DagCommand": "JOB",
                  "SourceFile": "a.dag",
                  "SourceLine": 5
                },
                {
                  "Reason": "'JBO' is not a valid DAG command",
                  "SourceFile": "a.dag",
                  "SourceLine": 2
                },
                {
                  "Reason": "References to undefined nodes: Children [Q]",
                  "DagCommand": "PARENT",
                  "SourceFile": "a.dag",
                  "SourceLine": 4
                },
                {
                  "Reason": "References undefined node C",
                  "DagCommand": "RETRY",
                  "SourceFile": "a.dag",
                  "SourceLine": 3
                }
              ],
              "DagFile": "a.dag",
              "NumNodes": 1,
              "NumErrors": 4,
              "GraphWidth": 1,
              "TotalNodes": 1,
              "GraphHeight": 1,
              "WidthByDepth": [
                1
              ]
            }"#]],
        );
        let script = "JOB A a.sub\nSCRIPT PRE A /no/such/script x\n";
        check(
            script,
            issues,
            &expect_test::expect![[r#"
            Detected 1 issue in a.dag:
            	* a.dag:1 Failed to parse SCRIPT command: Script file does not exist

        "#]],
        );
    }

    #[test]
    fn the_size_of_a_dag_is_told_and_a_cycle_is_one_issue() {
        let joined = "JOB A a.sub\nJOB B a.sub\nJOB C a.sub\nJOB D a.sub\nPARENT A B CHILD C D\nPARENT C CHILD D\nFINAL F a.sub\n";
        check(
            joined,
            statistics,
            &expect_test::expect![[r#"
            === a.dag statistics ===
            FinalNode = "F"
            GraphHeight = 4
            GraphWidth = 2
            NumArcs = 5
            NumJoinNodes = 1
            NumNodes = 4
            TotalNodes = 6
            WidthByDepth = { 2,1,1,1 }

        "#]],
        );
        let cycle = "JOB A a.sub\nJOB B a.sub\nPARENT A CHILD B\nPARENT B CHILD A\n";
        check(
            cycle,
            issues,
            &expect_test::expect![[r#"
            Detected 1 issue in a.dag:
            	* a.dag:0 Cycle detected: No initial nodes discovered

        "#]],
        );
        check(
            cycle,
            json,
            &expect_test::expect![[r#"
            {
              "DagFile": "a.dag",
              "NumArcs": 2,
              "IsCyclic": true,
              "NumNodes": 2,
              "TotalNodes": 2,
              "DetectedCycle": "No initial nodes discovered"
            }"#]],
        );
    }
}
