//! The DAG of a case: one file with nodes and edges, perhaps others below it.

use super::Case;
use super::texts::{ENV_SH, NODE_SH, SCRIPT_SH, description, submit_file};
use crate::sim::Rng;

/// What kind of a case it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything at once.
    Free,
    /// One node at a time.
    Serial,
    /// A node ends the whole DAG; others hang meanwhile.
    Abort,
    /// The DAG is removed while a node hangs.
    Removal,
}

/// A node that was written.
struct Written {
    name: String,
    /// Other files may follow the node: it is an ordinary one.
    plain: bool,
}

pub(super) struct Maker<'r> {
    pub(super) rng: &'r mut Rng,
    pub(super) case: Case,
    pub(super) kind: Kind,
    /// Splices and sub-DAGs are not nested deeper.
    depth: u32,
    files: u32,
}

pub(super) fn make(rng: &mut Rng) -> Case {
    let kind = match rng.below(100) {
        0..50 => Kind::Free,
        50..75 => Kind::Serial,
        75..88 => Kind::Abort,
        _ => Kind::Removal,
    };
    let mut maker = Maker { rng, case: Case::default(), kind, depth: 0, files: 0 };
    for (name, text) in [
        ("node.sh", NODE_SH.to_owned()),
        ("script.sh", SCRIPT_SH.to_owned()),
        ("node.sub", submit_file(1)),
        ("two.sub", submit_file(2)),
        ("three.sub", submit_file(3)),
        ("hold.sub", hold_file()),
        ("first.sub", submit_file(1) + "queue 2\n"),
        ("items.sub", description() + "queue item in (x, y)\n"),
        ("env.sh", ENV_SH.to_owned()),
    ] {
        for folder in ["", "d1/"] {
            maker.case.files.insert(format!("{folder}{name}"), text.clone());
        }
    }
    maker.whole();
    maker.case
}

/// A job that is held when it ends the first time, and let go again.
fn hold_file() -> String {
    description()
        + "on_exit_hold = NumJobStarts == 1\non_exit_hold_reason = \"test\"\n\
           periodic_release = NumJobStarts == 1\nqueue\n"
}

impl Maker<'_> {
    fn whole(&mut self) {
        self.rounds();
        self.case.serial = self.kind == Kind::Serial;
        let several = self.kind == Kind::Free && self.rng.percent(8);
        let count = if several { self.rng.between(2, 3) } else { 1 };
        for at in 0..count {
            let file = ["main.dag", "other.dag", "third.dag"][usize::try_from(at).unwrap_or(0)];
            let prefix = if several { format!("{at}.") } else { String::new() };
            let mut text = self.file(&prefix, !several || at == 0);
            if at == 0 {
                text += &self.settings();
            }
            self.case.files.insert(file.to_owned(), text);
            self.case.dags.push(file.to_owned());
        }
    }

    /// A file of nodes, whose names get this prefix.
    fn file(&mut self, prefix: &str, is_whole: bool) -> String {
        let mut lines = Vec::new();
        let count = if self.depth == 0 { self.rng.between(2, 7) } else { self.rng.between(1, 3) };
        let mut nodes = Vec::new();
        for at in 0..count {
            let name = format!("{}{at}", if self.depth == 0 { "N" } else { "Q" });
            nodes.push(self.node(&name, prefix, &mut lines));
        }
        self.edges(&nodes, prefix, &mut lines);
        let all = ["RETRY ALL_NODES 1", "PRIORITY ALL_NODES 3", "VARS ALL_NODES extra=\"x y\""];
        if self.rng.percent(12) && nodes.iter().all(|node| node.plain) {
            lines.push(self.rng.pick(&all).to_owned());
        }
        if self.rng.percent(12) {
            let name = if self.depth == 0 { "N9" } else { "Q9" };
            lines.push(format!("JOB {name} node.sub\nSCRIPT PRE {name} env.sh $JOB"));
        }
        if self.depth == 0 && is_whole {
            self.throttle(&nodes, prefix, &mut lines);
            self.pivot(&nodes, prefix, &mut lines);
            self.beside(&mut lines);
        }
        if self.rng.percent(10) {
            let last = lines.len() - 1;
            lines[last] = lines[last].replacen(' ', " \\\n   ", 1);
        }
        lines.join("\n") + "\n"
    }

    /// A node and what is said of it.
    fn node(&mut self, name: &str, prefix: &str, lines: &mut Vec<String>) -> Written {
        let kind = self.rng.below(100);
        if kind < 9 && self.depth < 2 && self.kind != Kind::Serial {
            return self.splice(name, prefix, lines);
        }
        if kind < 16 && self.depth == 0 && self.kind == Kind::Free {
            return self.subdag(name, lines);
        }
        let jobs = if self.rng.percent(15) { self.rng.between(2, 3) } else { 1 };
        let mut line = self.job_line(name, jobs);
        if jobs == 1 {
            // HTCondor forgets the DONE of a node in a splice.
            let done = if self.depth == 0 { 5 } else { 0 };
            for (word, percent) in [(" NOOP", 6), (" DONE", done)] {
                if self.rng.percent(percent) {
                    line += word;
                }
            }
        }
        lines.push(line);
        let codes = self.codes(jobs > 1);
        if codes != "0" {
            lines.push(format!("VARS {name} codes=\"{codes}\""));
        }
        if jobs > 1 && self.rng.percent(40) {
            let how = self.rng.pick(&["1", "50%", "1 WAIT", "0 WAIT", "1 FAIL-FAST"]);
            lines.push(format!("TOLERANCE {name} {how}"));
        }
        self.say_of(name, lines);
        Written { name: name.to_owned(), plain: true }
    }

    fn job_line(&mut self, name: &str, jobs: u64) -> String {
        let folder = if self.rng.percent(10) { " DIR d1" } else { "" };
        match (jobs, self.rng.below(20)) {
            (2, 0..7) => format!("JOB {name} items.sub{folder}"),
            (2, _) => format!("JOB {name} two.sub{folder}"),
            (3, _) => format!("JOB {name} three.sub{folder}"),
            (_, 0) => format!("JOB {name} {{\n{}}}{folder}", description()),
            (_, 1) => {
                let text = description();
                format!("JOB {name} desc{name}{folder}\nSUBMIT-DESCRIPTION desc{name} {{\n{text}}}")
            }
            (_, 2) if self.kind == Kind::Free => format!("JOB {name} hold.sub{folder}"),
            (_, 3) if self.kind == Kind::Free => format!("JOB {name} missing.sub{folder}"),
            (_, 5) => format!("JOB {name} first.sub{folder}"),
            (_, 4) => format!("job {name} node.sub{}", folder.to_lowercase().replace("dir", "Dir")),
            _ => format!("JOB {name} node.sub{folder}"),
        }
    }

    /// As what a node's jobs end, by attempt. Several jobs end alike.
    fn codes(&mut self, several: bool) -> String {
        let text = match self.rng.below(100) {
            0..62 => "0",
            62..74 => "1",
            74..80 => "1,0",
            80..84 => "1,2,0",
            84..88 => "3",
            88..91 => "2!",
            91..94 => "kill",
            94..97 => "1,3",
            _ => "0!",
        };
        // Which of several jobs is removed because another failed is chance.
        if several && !matches!(text, "0" | "0!") { "0".to_owned() } else { text.to_owned() }
    }

    fn say_of(&mut self, name: &str, lines: &mut Vec<String>) {
        if self.rng.percent(30) {
            let max = self.rng.between(0, 3);
            let unless = if self.rng.percent(30) { " UNLESS-EXIT 2" } else { "" };
            lines.push(format!("RETRY {name} {max}{unless}"));
        }
        if self.kind != Kind::Serial {
            self.scripts(name, lines);
        }
        if self.rng.percent(20) {
            lines.push(format!("PRIORITY {name} {}", self.rng.pick(&["10", "-3", "7"])));
        }
        if self.rng.percent(8) {
            let file = if self.rng.percent(50) { format!(" {name}.save") } else { String::new() };
            lines.push(format!("SAVE_POINT_FILE {name}{file}"));
        }
        if self.kind == Kind::Serial && self.rng.percent(8) {
            let status = self.rng.pick(&["", " RETURN 0", " RETURN 1", " RETURN 2"]);
            let code = self.rng.pick(&["1", "2"]);
            lines.push(format!("ABORT-DAG-ON {name} {code}{status}"));
        }
    }

    fn scripts(&mut self, name: &str, lines: &mut Vec<String>) {
        if self.rng.percent(25) {
            let defer = if self.rng.percent(15) { "DEFER 7 1 " } else { "" };
            let codes = match self.rng.below(100) {
                _ if !defer.is_empty() => "defer",
                0..60 => "0",
                60..75 => "1",
                75..90 => "4",
                _ => "1,0",
            };
            let words = "$MAX_RETRIES $NODE_COUNT x$RETRY";
            let debug = self.debug();
            lines.push(format!(
                "SCRIPT {defer}{debug}PRE {name} script.sh PRE $JOB $RETRY {codes} {words}"
            ));
        }
        if self.rng.percent(25) {
            let defer = if self.rng.percent(12) { "DEFER 7 1 " } else { "" };
            let codes = match self.rng.below(100) {
                _ if !defer.is_empty() => "defer",
                0..65 => "0",
                65..80 => "1",
                80..90 => "2",
                _ => "1,0",
            };
            let words = "$RETURN $MAX_RETRIES $PRE_SCRIPT_RETURN $SUCCESS $JOB_COUNT $JOB_ABORT_COUNT \
                         $EXIT_CODES $EXIT_CODE_COUNTS";
            let debug = self.debug();
            lines.push(format!(
                "SCRIPT {defer}{debug}POST {name} script.sh POST $JOB $RETRY {codes} {words}"
            ));
        }
        if self.rng.percent(8) {
            lines.push(format!("SCRIPT HOLD {name} script.sh HOLD $JOB $RETRY 0"));
        }
        if self.rng.percent(12) {
            lines.push(format!("PRE_SKIP {name} {}", self.rng.pick(&["4", "1"])));
        }
    }

    fn splice(&mut self, name: &str, prefix: &str, lines: &mut Vec<String>) -> Written {
        self.files += 1;
        let file = format!("splice{}.dag", self.files);
        self.depth += 1;
        let mut text = self.file(&format!("{prefix}{name}+"), false);
        self.depth -= 1;
        if self.rng.percent(15) {
            text += "JOBSTATE_LOG inner.log\nNODE_STATUS_FILE inner.txt 1\n";
        }
        self.case.files.insert(file.clone(), text);
        lines.push(format!("SPLICE {name} {file}"));
        Written { name: name.to_owned(), plain: false }
    }

    fn subdag(&mut self, name: &str, lines: &mut Vec<String>) -> Written {
        self.files += 1;
        let file = format!("sub{}.dag", self.files);
        self.depth = 3;
        let edges = std::mem::take(&mut self.case.edges);
        let text = self.file("", false);
        self.case.edges = edges;
        self.depth = 0;
        // Names are of the inner DAG only: they must not be taken for the outer one's.
        let text = text.replace('Q', &format!("S{}", self.files)) + &self.settings_of_subdag();
        self.case.files.insert(file.clone(), text);
        lines.push(format!("SUBDAG EXTERNAL {name} {file}"));
        if self.rng.percent(25) {
            lines.push(format!("RETRY {name} 1"));
        }
        if self.rng.percent(25) {
            let words = "$RETURN $MAX_RETRIES $SUCCESS";
            lines.push(format!("SCRIPT POST {name} script.sh POST $JOB $RETRY 0 {words}"));
        }
        Written { name: name.to_owned(), plain: false }
    }

    fn edges(&mut self, nodes: &[Written], prefix: &str, lines: &mut Vec<String>) {
        for child in 1..nodes.len() {
            let parents: Vec<&Written> =
                nodes[..child].iter().filter(|_| self.rng.percent(35)).collect();
            if parents.is_empty() {
                continue;
            }
            let weak = parents.iter().all(|p| p.plain) && nodes[child].plain && self.rng.percent(8);
            let names: Vec<&str> = parents.iter().map(|p| p.name.as_str()).collect();
            let kind = if weak { "WEAK PARENT" } else { "PARENT" };
            lines.push(format!("{kind} {} CHILD {}", names.join(" "), nodes[child].name));
            for parent in parents {
                let full = |name: &str| format!("{prefix}{name}");
                self.case.edges.push((full(&parent.name), full(&nodes[child].name)));
            }
        }
        if self.rng.percent(10) && nodes.len() >= 4 {
            let names: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
            let (front, back) = names.split_at(2);
            lines.push(format!("PARENT {} CHILD {}", front.join(" "), back.join(" ")));
            for parent in front {
                for child in back {
                    let full = |name: &str| format!("{prefix}{name}");
                    self.case.edges.push((full(parent), full(child)));
                }
            }
        }
    }

    fn throttle(&mut self, nodes: &[Written], prefix: &str, lines: &mut Vec<String>) {
        if !self.rng.percent(20) {
            return;
        }
        let plain = nodes.iter().filter(|node| node.plain);
        let group: Vec<String> =
            plain.filter(|_| self.rng.percent(70)).map(|n| n.name.clone()).collect();
        lines.extend(group.iter().map(|name| format!("CATEGORY {name} few")));
        if group.is_empty() {
            return;
        }
        let max = self.rng.between(1, 2);
        lines.push(format!("MAXJOBS few {max}"));
        let full = group.iter().map(|name| format!("{prefix}{name}")).collect();
        self.case.limits.push((full, usize::try_from(max).unwrap_or(1)));
    }

    /// The node at which the whole DAG ends early, after all others but those that hang.
    fn pivot(&mut self, nodes: &[Written], prefix: &str, lines: &mut Vec<String>) {
        let (is_abort, is_removal) = (self.kind == Kind::Abort, self.kind == Kind::Removal);
        if !is_abort && !is_removal {
            return;
        }
        let code = self.rng.pick(&["5", "5", "0"]);
        // What aborts with 0 aborts again in the next round, where nothing hangs.
        let hanging = if code == "0" { 0 } else { self.rng.below(3) };
        for at in 0..hanging {
            lines.push(format!("JOB HANG{at} node.sub\nVARS HANG{at} codes=\"hang\""));
            if self.rng.percent(30) {
                lines.push(format!("SCRIPT POST HANG{at} script.sh POST $JOB $RETRY 0 $RETURN"));
            }
            if self.rng.percent(30) {
                lines.push(format!("RETRY HANG{at} 2"));
            }
        }
        lines.push("JOB PIVOT node.sub\nJOB AFTER node.sub\nPARENT PIVOT CHILD AFTER".to_owned());
        // Weak, so that it runs whatever became of the others.
        let (plain, others): (Vec<&Written>, Vec<&Written>) = nodes.iter().partition(|n| n.plain);
        for (kind, group) in [("WEAK PARENT", plain), ("PARENT", others)] {
            if !group.is_empty() {
                let names: Vec<&str> = group.iter().map(|n| n.name.as_str()).collect();
                lines.push(format!("{kind} {} CHILD PIVOT", names.join(" ")));
                let full = |name: &str| format!("{prefix}{name}");
                let edges = names.iter().map(|name| (full(name), full("PIVOT")));
                self.case.edges.extend(edges);
            }
        }
        self.case.edges.push((format!("{prefix}PIVOT"), format!("{prefix}AFTER")));
        if is_removal {
            lines.push("VARS PIVOT codes=\"hang\"".to_owned());
            self.case.remove_at = Some(format!("{prefix}PIVOT"));
            if self.rng.percent(30) {
                lines.push("SCRIPT POST PIVOT script.sh POST $JOB $RETRY 0 $RETURN".to_owned());
            }
            return;
        }
        let status = self.rng.pick(&["", " RETURN 0", " RETURN 1", " RETURN 2"]);
        lines.push(format!("VARS PIVOT codes=\"{code}\"\nABORT-DAG-ON PIVOT {code}{status}"));
        if self.rng.percent(30) {
            lines.push("RETRY PIVOT 2".to_owned());
        }
        if self.rng.percent(25) {
            let post = self.rng.pick(&["0", "5", "3"]);
            lines.push(format!("SCRIPT POST PIVOT script.sh POST $JOB $RETRY {post} $RETURN"));
        }
    }

    fn beside(&mut self, lines: &mut Vec<String>) {
        if self.rng.percent(22) {
            lines.push("FINAL LAST node.sub".to_owned());
            let codes = self.rng.pick(&["0", "0", "1", "2!"]);
            lines.push(format!("VARS LAST codes=\"{codes}\""));
            if self.rng.percent(50) {
                let words = "$DAG_STATUS $FAILED_COUNT $DONE_COUNT $FUTILE_COUNT $NODE_COUNT";
                let codes = self.rng.pick(&["0", "0", "0", "1"]);
                lines.push(format!("SCRIPT PRE LAST script.sh PRE $JOB $RETRY {codes} {words}"));
            }
            if self.rng.percent(50) {
                let words = "$DAG_STATUS $FAILED_COUNT $RETURN";
                let codes = self.rng.pick(&["0", "0", "1"]);
                lines.push(format!("SCRIPT POST LAST script.sh POST $JOB $RETRY {codes} {words}"));
            }
        }
        if self.rng.percent(8) && self.kind != Kind::Serial {
            lines.push("SERVICE HANGSERVICE node.sub\nVARS HANGSERVICE codes=\"hang!\"".to_owned());
        }
    }
}
