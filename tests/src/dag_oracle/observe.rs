//! What a dagman left in the folder of a case, in words that do not depend on numbers of jobs, on
//! the time, or on where the folder is.

use std::collections::BTreeMap;
use std::path::Path;

use super::generate::Case;

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Observation {
    /// What each submission ended with, and what dagman did after it.
    pub exits: Vec<String>,
    /// The lines of `runs`, but for those of nodes that hang.
    pub runs: Vec<String>,
    /// Rescue files and save points, with what they say.
    pub rescues: BTreeMap<String, String>,
    pub metrics: BTreeMap<String, String>,
    /// The lines of dagman.out that readers match, sorted.
    pub said: Vec<String>,
    /// The events of the nodes' log, by node and job.
    pub events: BTreeMap<String, Vec<String>>,
    /// The lines of the jobstate logs, sorted but for the DAG's own.
    pub states: Vec<String>,
    /// What the status files say at the end.
    pub status: Vec<String>,
    /// Pictures (DOT), what scripts said (DEBUG), why nodes of a status file stand as they do, and
    /// the numbers of nodes without jobs. None in what was recorded before it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<Vec<String>>,
}

/// Nodes that hang: when they begin, and whether, is chance.
const HANGS: &str = "HANG";

/// Reads the folder of a case. What `exits` has, the caller knows.
///
/// # Errors
/// If the folder cannot be read.
pub fn observe(folder: &Path, case: &Case, exits: Vec<String>) -> std::io::Result<Observation> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let mut seen = Observation { exits, ..Observation::default() };
    let hangs = case.files.values().any(|text| text.contains(HANGS));
    let runs = read("runs");
    let told = runs.lines().filter(|line| !line.contains(HANGS));
    let well = case.files.values().any(|text| aborts_well(text));
    let cut = CutOff {
        is_so: hangs || case.remove_at.is_some(),
        aborts_well: well,
        // What hangs is done in the end, if its POST script says so.
        has_posts: case.files.values().any(|text| text.contains("SCRIPT POST HANG")),
    };
    seen.runs = told.map(|line| told_to_final(line, cut)).collect();
    let mut more = Vec::new();
    for path in files(folder)? {
        let name = path.clone();
        more.extend(more_of(case, &name, &read));
        if name.contains(".rescue") {
            let text = rescue(&read(&path), case.remove_at.is_some());
            seen.rescues.insert(name, if hangs { without_hanging(&text) } else { text });
        } else if name.contains("save_files/") || name.contains(".save") {
            // What else was done when a node might begin is chance where nodes run side by side.
            let text = if case.serial { rescue(&read(&path), false) } else { String::new() };
            seen.rescues.insert(name, text);
        } else if name.ends_with(".metrics") {
            let counted = Counted { hangs, aborts_well: hangs && well, serves: serves(case) };
            metrics(&name, &read(&path), counted, &mut seen.metrics);
        } else if name.ends_with(".nodes.log") {
            events(&read(&path), &mut seen.events);
        } else if matches!(name.as_str(), "states.log" | "inner.log") {
            seen.states.extend(states(&name, &read(&path), case.serial));
        } else if matches!(name.as_str(), "status.txt" | "inner.txt") {
            seen.status.extend(status(&name, &read(&path)));
        }
    }
    let primary = case.dags.first().map_or("main.dag", String::as_str);
    seen.said = said(&read(&format!("{primary}.dagman.out")));
    seen.said.sort();
    seen.states.sort();
    more.sort();
    seen.more = Some(more);
    Ok(seen)
}

/// What else there is to say of a file.
fn more_of(case: &Case, name: &str, read: &impl Fn(&str) -> String) -> Vec<String> {
    let updates = case.files.values().any(|text| text.contains("DOT g.dot UPDATE"));
    let hangs = case.files.values().any(|text| text.contains(HANGS));
    let text = match name {
        // How often one is drawn, and what stands under way, is chance.
        "g.dot" if !(updates && hangs) => read(name).replace(" at ", "\0at "),
        "g.dot.0" if !updates => read(name).replace(" at ", "\0at "),
        "said.dbg" if case.serial => {
            read(name).replace(" Completion=", "\0").replace(" Cmd=", "\0")
        }
        "status.txt" => without_hanging_status(&read(name)),
        "main.dag.nodes.log" => noops(&read(name)),
        _ => return Vec::new(),
    };
    let lines = text.lines().map(|line| line.split('\0').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| format!("{name}: {line}")).collect()
}

/// Why nodes stand as they do.
fn without_hanging_status(text: &str) -> String {
    let nodes = text.split("Type = \"NodeStatus\"").skip(1).filter(|node| !node.contains(HANGS));
    let one = |node: &str| {
        let name = node.lines().find_map(|line| line.trim().strip_prefix("Node = "))?.to_owned();
        let why = node.lines().find_map(|line| line.trim().strip_prefix("StatusDetails = "))?;
        Some(format!("{name} {}\n", without_ids(why)))
    };
    nodes.filter_map(one).collect()
}

/// The numbers of nodes without jobs.
fn noops(text: &str) -> String {
    let ids = text.split("...\n").filter_map(|entry| entry.split(['(', ')']).nth(1));
    let mut ids: Vec<&str> = ids.filter(|id| id.starts_with("000.")).collect();
    ids.dedup();
    ids.iter().map(|id| format!("{id}\n")).collect()
}

/// How a workflow is ended early, if it is.
#[derive(Clone, Copy)]
struct CutOff {
    is_so: bool,
    aborts_well: bool,
    /// Whether nodes that hang have POST scripts.
    has_posts: bool,
}

/// A line without what is told to a script of FINAL in another way, after a workflow was ended
/// early. HTCondor begins FINAL before the nodes that hang are gone, and counts neither them as
/// failed, or as done where their POST scripts end well, nor what waits for them as futile; ours
/// waits, and does. And where a node aborts it with 0, `$DAG_STATUS` is there as if nothing had
/// been; 3 in ours, as in every other abort.
fn told_to_final(line: &str, cut: CutOff) -> String {
    let CutOff { is_so: is_cut_off, aborts_well, has_posts } = cut;
    let mut words: Vec<&str> = line.split(' ').collect();
    if let [_, kind @ ("PRE" | "POST"), "LAST", _, "begin", _, status, failed, rest @ ..] =
        &mut words[..]
    {
        if is_cut_off && (matches!(*status, "3" | "4") || aborts_well) {
            *failed = "*";
            if let ("PRE", [done, futile, ..]) = (*kind, rest) {
                *futile = "*";
                if has_posts {
                    *done = "*";
                }
            }
        }
        if aborts_well && matches!(*status, "0" | "2" | "3") {
            *status = "*";
        }
    }
    words.join(" ")
}

/// Whether a DAG has a node beside the others, which is submitted whenever it comes to that.
fn serves(case: &Case) -> bool {
    case.files.values().any(|text| text.contains("\nSERVICE "))
}

/// Whether a node of a DAG file aborts it with the exit status 0.
fn aborts_well(text: &str) -> bool {
    text.lines().any(|line| {
        matches!(
            line.split(' ').collect::<Vec<_>>()[..],
            ["ABORT-DAG-ON", _, "0"] | ["ABORT-DAG-ON", _, _, "RETURN", "0"]
        )
    })
}

/// The files below a folder, as paths from there, two levels deep.
fn files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            for inner in std::fs::read_dir(entry.path())? {
                found.push(format!("{name}/{}", inner?.file_name().to_string_lossy()));
            }
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// A rescue file without the lines that tell the time. HTCondor writes it as soon as a DAG is
/// removed, ours when its nodes are gone: which of them had failed by then is chance.
fn rescue(text: &str, removed: bool) -> String {
    let is_chance = |line: &str| {
        line.starts_with("# Created ")
            || removed && (line.starts_with("# Nodes that failed") || line.contains("<ENDLIST>"))
    };
    let lines = text.lines().filter(|line| !is_chance(line));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A rescue file without the nodes that hang among those that failed. Where a node aborts the
/// workflow, and there is a FINAL, HTCondor writes it before they are gone, and ours after.
fn without_hanging(text: &str) -> String {
    let line = |line: &str| {
        if line.starts_with("# Nodes that failed") {
            return String::new();
        }
        let Some(names) = line.strip_prefix("#   ").filter(|names| names.ends_with("<ENDLIST>"))
        else {
            return format!("{line}\n");
        };
        let names: Vec<&str> = names.split(',').filter(|name| !name.starts_with(HANGS)).collect();
        format!("#   {}\n", names.join(","))
    };
    text.lines().map(line).collect()
}

/// Because of what numbers in the metrics are chance.
#[derive(Clone, Copy)]
struct Counted {
    hangs: bool,
    /// Nodes that hang are removed by an abort with 0, and sometimes counted as well ended.
    aborts_well: bool,
    serves: bool,
}

/// What is the same in every run.
fn metrics(name: &str, text: &str, counted: Counted, into: &mut BTreeMap<String, String>) {
    const CHANCE: [&str; 7] = [
        "client",
        "version",
        "start_time",
        "end_time",
        "duration",
        "dagman_id",
        "parent_dagman_id",
    ];
    let Ok(serde_json::Value::Object(found)) = serde_json::from_str(text) else {
        into.insert(name.to_owned(), format!("no JSON: {text}"));
        return;
    };
    // Which jobs that were removed at the end are counted is chance too.
    const COUNTED: [&str; 4] =
        ["jobs_failed", "service_nodes_failed", "service_nodes_succeeded", "total_nodes_run"];
    let is_chance = |key: &str| {
        CHANCE.contains(&key)
            || (counted.hangs && COUNTED.contains(&key))
            || (counted.aborts_well && key == "jobs_succeeded")
            || (counted.serves && key == "jobs_submitted")
    };
    for (key, value) in found.iter().filter(|(key, _)| !is_chance(key)) {
        into.insert(format!("{name} {key}"), value.to_string());
    }
}

/// The numbers of events by node and job, in order. Whether a job ran before it was removed is
/// chance.
fn events(text: &str, into: &mut BTreeMap<String, Vec<String>>) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let entries: Vec<&str> = text.split("...\n").collect();
    for entry in &entries {
        let Some(id) = entry.split(['(', ')']).nth(1) else { continue };
        if let Some(name) = node_of(entry) {
            names.insert(cluster_of(id), name);
        }
    }
    for entry in &entries {
        let Some(id) = entry.split(['(', ')']).nth(1) else { continue };
        // All nodes without jobs have one number; the end follows the beginning at once.
        if let (true, Some(name)) = (cluster_of(id).trim_matches('0').is_empty(), node_of(entry)) {
            names.insert(cluster_of(id), name);
        }
        let number = entry.get(..3).unwrap_or_default();
        if matches!(number, "006" | "028" | "040" | "") {
            continue;
        }
        let node = names.get(&cluster_of(id)).map_or("?", String::as_str);
        if node.contains(HANGS) {
            continue;
        }
        let proc = id.split('.').nth(1).unwrap_or_default();
        // The end of a POST script has the number of whichever job was heard of last. It is written
        // by dagman, and what the schedd writes may come behind it.
        let proc = if number == "016" { "post" } else { proc };
        let seen = into.entry(format!("{node} {proc}")).or_default();
        // Before FINAL, HTCondor removes jobs once more that are over.
        if number != "009" || seen.last().is_none_or(|last| last != "005") {
            seen.push(number.to_owned());
        }
    }
}

/// The node that an entry names.
fn node_of(entry: &str) -> Option<String> {
    let (_, rest) =
        ["DAG Node: ", "DAGNodeName = \""].into_iter().find_map(|mark| entry.split_once(mark))?;
    Some(rest.split(['"', '\n']).next().unwrap_or_default().trim().to_owned())
}

fn cluster_of(id: &str) -> String {
    id.split('.').next().unwrap_or_default().to_owned()
}

/// The lines of a jobstate log without time and numbers of jobs. The numbers of attempts are in the
/// order of their beginnings, which is the same for both only where one runs at a time.
fn states(name: &str, text: &str, serial: bool) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.contains(HANGS)).map(|line| {
        let mut words: Vec<String> = line.split(' ').skip(1).map(anonymous).collect();
        if let (false, Some(last)) = (serial, words.last_mut()) {
            *last = "#".to_owned();
        }
        format!("{name}: {}", words.join(" "))
    });
    lines.collect()
}

/// A word without what depends on the number of a job: `12.0` is `#.0`.
fn anonymous(word: &str) -> String {
    match word.split_once('.') {
        Some((cluster, proc)) if cluster.parse::<i32>().is_ok() && proc.parse::<i32>().is_ok() => {
            format!("#.{proc}")
        }
        Some(_) | None => word.to_owned(),
    }
}

/// A status file without what tells the time.
fn status(name: &str, text: &str) -> Vec<String> {
    let told = |line: &&str| {
        !["Timestamp", "EndTime", "NextUpdate", "StatusDetails"]
            .iter()
            .any(|word| line.contains(word))
    };
    text.lines().filter(told).map(|line| format!("{name}: {}", line.trim())).collect()
}

/// The lines of dagman.out that monitord and others match, without what is chance.
fn said(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.contains(HANGS))
        .filter_map(|line| shape(line.get(18..)?))
        .collect()
}

/// What a line comes to; none if nobody reads it.
fn shape(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("Event: ") {
        let event = rest.split(' ').next()?;
        if matches!(event, "ULOG_IMAGE_SIZE" | "ULOG_JOB_AD_INFORMATION" | "ULOG_FILE_TRANSFER") {
            return None;
        }
        let (_, node) = rest.split_once(" Node ")?;
        return Some(format!("Event {event} {}", node.split(' ').next()?));
    }
    let kept = [
        "Submitting HTCondor Node ",
        "Running PRE script",
        "Running POST script",
        "Running HOLD script",
        "PRE Script of ",
        "POST Script of ",
        "HOLD Script of ",
        "Retrying node ",
        "Aborting further retries of node ",
        "Dag contains ",
        "Number of pre-completed nodes",
        "Wrote metrics file",
        "Parsing ",
        "Aborting DAG",
        "Shortcutting node ",
        "PRE_SKIP return",
        "ERROR: the following",
        "      Node Name:",
        "          Error:",
        "Received SIGUSR1",
    ];
    let is_node_line = line.starts_with("Node ")
        && (line.contains(" job proc (") || line.contains("have exited the queue"));
    if is_node_line || kept.iter().any(|start| line.starts_with(start)) {
        return Some(without_ids(line));
    }
    let end = "EXITING WITH STATUS ";
    line.find(end).map(|at| line[at..].to_owned())
}

/// `(12.0.0)` is `(#.0)`.
fn without_ids(line: &str) -> String {
    let Some(from) = line.find('(') else { return line.to_owned() };
    let Some(to) = line[from..].find(')') else { return line.to_owned() };
    let inner = &line[from + 1..from + to];
    let mut numbers = inner.split('.');
    let is_id = inner.split('.').count() == 3 && numbers.all(|n| n.parse::<i32>().is_ok());
    if !is_id {
        return line.to_owned();
    }
    let proc = inner.split('.').nth(1).unwrap_or_default();
    format!("{}(#.{proc}{}", &line[..from], &line[from + to..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_what_is_chance_and_keep_what_readers_match() {
        for (line, expected) in [
            (
                "Event: ULOG_SUBMIT for HTCondor Node S+A (12.0.0) {11/29/26 05:38:35}",
                Some("Event ULOG_SUBMIT S+A"),
            ),
            (
                "Node A job proc (5.1.0) failed with status 3.",
                Some("Node A job proc (#.1) failed with status 3."),
            ),
            ("Node A job(s) have exited the queue", Some("Node A job(s) have exited the queue")),
            (
                "**** condor_dagman (condor_DAGMAN) pid 7 EXITING WITH STATUS 1",
                Some("EXITING WITH STATUS 1"),
            ),
            ("Just submitted 1 job this cycle...", None),
        ] {
            assert_eq!(shape(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_nodes_log_is_read_by_node() {
        let text = "000 (7.000.000) 2026-11-29 05:38:35 Job submitted from host: <x>\n    DAG Node: A\n...\n\
                    005 (7.000.000) 2026-11-29 05:38:36 Job terminated.\n...\n";
        let mut found = BTreeMap::new();
        events(text, &mut found);
        assert_eq!(found["A 000"], ["000", "005"]);
    }

    #[test]
    fn what_final_is_told_of_failed_nodes_is_left_out_only_after_an_early_end() {
        let cut = |is_so, aborts_well| CutOff { is_so, aborts_well, has_posts: false };
        for (line, expected) in [
            ("1 PRE LAST 0 begin case35 3 1 2 1 7", "1 PRE LAST 0 begin case35 3 * 2 * 7"),
            ("1 POST LAST 0 begin case35 4 1 0", "1 POST LAST 0 begin case35 4 * 0"),
            ("1 PRE LAST 0 begin case35 2 1 2 1 7", "1 PRE LAST 0 begin case35 2 1 2 1 7"),
            ("1 PRE N1 0 begin case35 3 1 2 1 7", "1 PRE N1 0 begin case35 3 1 2 1 7"),
        ] {
            assert_eq!(told_to_final(line, cut(true, false)), expected);
            assert_eq!(told_to_final(line, cut(false, false)), line);
        }
        let posts = CutOff { has_posts: true, ..cut(true, false) };
        let line = "1 PRE LAST 0 begin c 3 1 2 1 7";
        assert_eq!(told_to_final(line, posts), "1 PRE LAST 0 begin c 3 * * * 7");
        let (well, removed) = ("1 POST LAST 0 begin c 0 0 0", "1 POST LAST 0 begin c 4 1 0");
        assert_eq!(told_to_final(well, cut(false, true)), "1 POST LAST 0 begin c * 0 0");
        assert_eq!(told_to_final(removed, cut(false, true)), removed);
        assert!(aborts_well("JOB A x\nABORT-DAG-ON A 5 RETURN 0\n"));
        assert!(aborts_well("ABORT-DAG-ON A 0\n") && !aborts_well("ABORT-DAG-ON A 0 RETURN 1\n"));
    }

    #[test]
    fn a_jobstate_line_says_no_numbers_of_jobs() {
        assert_eq!(states("s", "1795 A SUBMIT 2.0 - - 1\n", true), ["s: A SUBMIT #.0 - - 1"]);
    }
}
