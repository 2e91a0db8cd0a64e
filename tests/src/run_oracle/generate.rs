//! Random jobs, each small enough to read: streams, transfers and remaps of files and folders,
//! arguments and environment, ends by code and by signal, retries and policies.

use crate::sim::Rng;

/// A job, or two that differ by their number.
#[derive(Clone, Debug)]
pub struct Case {
    /// The lines of its description, without the last.
    pub lines: Vec<String>,
    /// The lines of its script.
    pub script: Vec<String>,
    /// How many jobs.
    pub jobs: u32,
}

/// What lies in the folder of each case, beside script and description.
pub const FILES: [(&str, &str); 6] = [
    ("in.txt", "first\nsecond\n"),
    ("more.txt", "more\n"),
    ("tree/leaf.txt", "leaf\n"),
    ("tree/deep/twig.txt", "twig\n"),
    ("out/kept", ""),
    ("here/local.txt", "local\n"),
];

/// The name of the script.
pub const SCRIPT: &str = "job.sh";

impl Case {
    /// What is submitted.
    pub fn description(&self) -> String {
        let queue = format!("queue {}", self.jobs);
        self.lines.iter().chain([&queue]).map(|line| format!("{line}\n")).collect()
    }

    /// What it runs.
    pub fn script(&self) -> String {
        let first = "#!/bin/sh".to_owned();
        [&first].into_iter().chain(&self.script).map(|line| format!("{line}\n")).collect()
    }
}

/// The case of this number.
pub fn case(seed: u64, index: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(index));
    let mut case = Case {
        lines: vec![format!("executable = {SCRIPT}"), "log = log".to_owned()],
        script: vec!["echo out $*".to_owned(), "echo err >&2".to_owned()],
        jobs: if rng.below(5) == 0 { 2 } else { 1 },
    };
    streams(&mut rng, &mut case);
    words(&mut rng, &mut case);
    files(&mut rng, &mut case);
    policies(&mut rng, &mut case);
    ends(&mut rng, &mut case);
    without_chance(&mut case);
    case
}

/// Takes out what hangs on chance, and the few things together that the real one does in ways of
/// its own, which the guide tells of.
fn without_chance(case: &mut Case) {
    // The jobs of a case write different files, each in a folder of its own.
    if !has(case, "should_transfer_files = YES") || has(case, "universe = local") {
        case.jobs = 1;
    }
    if case.jobs > 1 {
        let is_stream = |line: &&mut String| {
            (line.starts_with("output = ") || line.starts_with("error = "))
                && !line.contains("$(Process)")
        };
        case.lines.iter_mut().filter(is_stream).for_each(|line| line.push_str(".$(Process)"));
    }
    // Nor is a local job told of its processors.
    if has(case, "universe = local") {
        case.script.retain(|line| !line.starts_with("env |"));
    }
    for (with, what) in [
        // A local job that is held at its end has no exit code there.
        ("universe = local", "on_exit_hold"),
        // It is run again for ever.
        ("universe = local", "max_retries"),
        // Nothing comes back of one that failed.
        ("when_to_transfer_output = ON_EXIT", "success_exit_code"),
        // What is in a folder does not go by the folder's name.
        ("transfer_output_files = box/", "transfer_output_remaps"),
        // Of two streams in one file one writes over the other.
        ("error = so", "stream_output"),
    ] {
        if has(case, with) {
            case.lines.retain(|line| !line.starts_with(what));
        }
    }
}

fn has(case: &Case, text: &str) -> bool {
    case.lines.iter().any(|line| line.contains(text))
}

fn streams(rng: &mut Rng, case: &mut Case) {
    let names = ["so", "out/so", "so.$(Process)", "so.$(Cluster)x"];
    if rng.below(6) != 0 {
        case.lines.push(format!("output = {}", rng.pick(&names)));
    }
    if rng.below(4) != 0 {
        case.lines.push(format!("error = {}", rng.pick(&["se", "out/se", "so", "se.$(Process)"])));
    }
    if rng.below(3) == 0 {
        case.lines.push("input = in.txt".to_owned());
        case.script.push("cat".to_owned());
    }
    if rng.below(6) == 0 {
        case.lines.push("stream_output = true".to_owned());
    }
}

fn words(rng: &mut Rng, case: &mut Case) {
    if rng.below(2) == 0 {
        let all = ["a b", "$(Process) x", "\"one 'two words' ''\"", "\"say \"\"hi\"\"\"", "a  b"];
        case.lines.push(format!("arguments = {}", rng.pick(&all)));
        case.script.push("for word; do echo \"<$word>\"; done".to_owned());
    }
    if rng.below(3) == 0 {
        let all = ["\"X=1 Y='a b'\"", "X=1;Y=2", "\"X='it''s' Y=\"\"q\"\"\""];
        case.lines.push(format!("environment = {}", rng.pick(&all)));
        case.script.push("echo \"X=$X Y=$Y\"".to_owned());
    }
    if rng.below(5) == 0 {
        case.script
            .push("env | grep -E '^(_CONDOR_SLOT|OMP_NUM_THREADS|CUDA_VIS)' | sort".to_owned());
    }
    if rng.below(6) == 0 {
        case.lines.push("initialdir = here".to_owned());
        // Paths begin there.
        for line in &mut case.lines {
            for name in ["out/so", "out/se", "in.txt"] {
                *line = line.replace(&format!("= {name}"), &format!("= ../{name}"));
            }
        }
        case.lines[0] = format!("executable = ../{SCRIPT}");
        case.lines[1] = "log = ../log".to_owned();
    }
}

fn files(rng: &mut Rng, case: &mut Case) {
    let is_inside = case.lines.iter().any(|line| line == "initialdir = here");
    let up = if is_inside { "../" } else { "" };
    let travels = ["YES", "YES", "YES", "IF_NEEDED", "NO"];
    let travels = rng.pick(&travels);
    case.lines.push(format!("should_transfer_files = {travels}"));
    if travels == "NO" {
        case.script.push("echo made >> made.txt".to_owned());
        return;
    }
    if rng.below(2) == 0 {
        let all = ["more.txt", "tree", "tree/", "more.txt, tree/deep", "tree/leaf.txt"];
        let wanted: Vec<String> =
            rng.pick(&all).split(", ").map(|name| format!("{up}{name}")).collect();
        case.lines.push(format!("transfer_input_files = {}", wanted.join(", ")));
        case.script.push(
            "find . -type f | grep -v -E 'condor|chirp|job.sh|docker|machine|job.ad' | sort"
                .to_owned(),
        );
    }
    if rng.below(6) == 0 {
        case.lines.push("preserve_relative_paths = true".to_owned());
    }
    case.script.push(
        "echo made >> made.txt; mkdir -p box/inner; echo b > box/b.txt; echo i > box/inner/i.txt"
            .to_owned(),
    );
    match rng.below(5) {
        0 => {}
        1 => case.lines.push("transfer_output_files = made.txt".to_owned()),
        2 => case.lines.push("transfer_output_files = box".to_owned()),
        3 => case.lines.push("transfer_output_files = box/, made.txt".to_owned()),
        _ => case.lines.push(format!(
            "transfer_output_files = {}",
            rng.pick(&["box/b.txt", "nothing.txt", "made.txt, nothing.txt", "\"\"", "box/inner"])
        )),
    }
    if rng.below(3) == 0 {
        let all = [
            "made.txt=new.txt",
            "made.txt = OUT/made",
            "box=OUT/box",
            "b.txt=other; made.txt=x",
            "so=renamed",
        ];
        let remaps = rng.pick(&all).replace("OUT", &format!("{up}out"));
        case.lines.push(format!("transfer_output_remaps = \"{remaps}\""));
    }
    let when = rng.pick(&["ON_EXIT", "ON_EXIT", "ON_EXIT_OR_EVICT", "ON_SUCCESS"]);
    case.lines.push(format!("when_to_transfer_output = {when}"));
}

/// Not `noop_job`: HTCondor 25.14 runs it.
fn policies(rng: &mut Rng, case: &mut Case) {
    let all = [
        "max_retries = 1",
        "max_retries = 2\nsuccess_exit_code = 3",
        "max_retries = 1\nretry_until = ExitCode == 2",
        "on_exit_hold = ExitCode =?= 3",
        "on_exit_hold = ExitBySignal\non_exit_hold_reason = strcat(\"by \", ExitSignal)\non_exit_hold_subcode = 7",
        "on_exit_remove = NumJobStarts > 1 || ExitCode == 0",
        "hold = true",
        "+Own = \"text\"\n+Other = 2 + 3",
        "periodic_remove = false",
        "priority = 3",
    ];
    if rng.below(2) == 0 {
        case.lines.extend(rng.pick(&all).lines().map(str::to_owned));
    }
    if rng.below(12) == 0 {
        case.lines.push(rng.pick(&["executable = missing.sh", "universe = local"]).to_owned());
    }
}

fn ends(rng: &mut Rng, case: &mut Case) {
    let all = ["exit 0", "exit 0", "exit 3", "exit 2", "kill -9 $$", "kill -TERM $$", "exit 255"];
    case.script.push(rng.pick(&all).to_owned());
}
