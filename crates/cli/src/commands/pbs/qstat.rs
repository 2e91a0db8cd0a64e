//! `qstat`: which jobs are asked for, and in which form they are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jobspec::pbs::{JobWord, QUEUE, Subjobs, code};

use super::found;
use super::words::Line;
use crate::line::output;
use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::full;
use crate::render::pbs::job::{Cluster, Job, RowKind, State};
use crate::render::pbs::table::{self, Extra, Tally};

const USAGE: &str = "usage: 
qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]
qstat [-a|-i|-r|-H|-T] [-J] [-t] [-u user] [-n] [-s] [-G|-M] [-1] [-w]
\t[ job_identifier... | destination... ]
qstat -Q [-f] [-F format] [-D delim] [ destination... ]
qstat -q [-G|-M] [ destination... ]
qstat -B [-f] [-F format] [-D delim] [ server_name... ]
qstat --version
";

const OPTIONS: &str = "aeinpqrstwxu:fGHJMQEBW:T1F:D:";

/// Options of OpenPBS's that are not built.
const NOT_BUILT: &[(char, &str)] = &[
    ('e', "qstat -i shows what waits"),
    ('p', "no job says how far it is"),
    ('q', "there is one queue, without limits: qstat -Q counts its jobs"),
    ('G', "sizes are shown as they were asked for"),
    ('M', "sizes are shown as they were asked for"),
    ('T', "when a job will start is not estimated"),
    ('W', "all attributes are shown with -f"),
];

/// Shows what the words ask for; gives the exit code.
pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, OPTIONS) {
        Ok(line) => line,
        Err(wrong) => {
            for message in wrong {
                here.say(message);
            }
            return usage();
        }
    };
    if let Some((option, why)) = NOT_BUILT.iter().find(|(option, _)| line.has(*option)) {
        here.say(format_args!("-{option} is not supported yet: {why}"));
        return code::NOT_SUPPORTED;
    }
    if let Some(exit) = refuse(here, &line) {
        return exit;
    }
    let shown = if line.any("QB") { counts(here, &line) } else { jobs(here, &line) };
    match shown {
        Ok(Answer { out, exit }) => match output::put(&out) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
            Err(_) => code::FAILED,
            Ok(()) => exit,
        },
        Err(exit) => exit,
    }
}

struct Answer {
    out: String,
    exit: u8,
}

fn usage() -> u8 {
    complain(USAGE);
    code::USAGE
}

/// Options that make no sense together.
fn refuse(here: &Here, line: &Line) -> Option<u8> {
    let format = line.value('F');
    if format.is_some_and(|format| !["json", "dsv", "default"].contains(&format)) {
        return Some(usage());
    }
    let conflict = (line.has('1') && (!line.any("ns") || line.has('f')))
        || (line.any("FD") && !line.has('f'))
        || (line.has('D') && format != Some("dsv"))
        || (line.has('f') && line.any("ainrsuH1"))
        || (line.has('Q') && line.any("ainrstuxJHB"));
    if conflict {
        here.say("conflicting options.");
        return Some(usage());
    }
    if line.value('u').is_some_and(str::is_empty) {
        return Some(usage());
    }
    if line.any("QB") && line.has('f') {
        here.say("-f of a queue or a server is not supported yet: updraft status and config_val tell of the pool");
        return Some(code::NOT_SUPPORTED);
    }
    None
}

/// `-Q` and `-B`.
fn counts(here: &Here, line: &Line) -> Result<Answer, u8> {
    for name in &line.operands {
        let (queue, server) = name.split_once('@').unwrap_or((name, ""));
        if line.has('Q') && ![QUEUE, ""].contains(&queue) {
            here.say(format_args!("Unknown queue {queue}"));
            return Err(code::UNKNOWN_QUEUE);
        }
        let server = if line.has('B') { name } else { server };
        if !server.is_empty() && !here.is_server(server) {
            return Err(no_host(here));
        }
    }
    let mut schedd = here.connect()?;
    let all = found::look_up(&mut schedd, None, false);
    let all = all.map_err(|error| here.cannot_connect(&error))?;
    let jobs: Vec<Job> = all.iter().map(|(number, one)| one.whole(*number, here.now)).collect();
    let tally = Tally::of(&jobs);
    let out = match line.has('B') {
        true => table::server(tally, here),
        false => table::queue(tally),
    };
    Ok(Answer { out, exit: 0 })
}

fn no_host(here: &Here) -> u8 {
    complain("Unknown Host.\n");
    here.say(format_args!("cannot connect to server {} (errno=15008)", here.server));
    code::NO_CONNECTION
}

fn jobs(here: &Here, line: &Line) -> Result<Answer, u8> {
    let mut exit = 0;
    let mut wanted = Vec::new();
    let mut everything = line.operands.is_empty();
    for text in &line.operands {
        match operand(here, text) {
            Ok(Operand::Queue) => everything = true,
            Ok(Operand::Job(word)) => wanted.push(word),
            Err(wrong) => exit = wrong,
        }
    }
    let with_history = line.any("xH");
    let mut schedd = here.connect()?;
    let mut look = |numbers: Option<&BTreeSet<u32>>, finished| {
        found::look_up(&mut schedd, numbers, finished).map_err(|error| here.cannot_connect(&error))
    };
    let mut shown = Vec::new();
    let (mut is_told, mut first_failed) = (false, false);
    if everything {
        let all = look(None, with_history || line.any("tf"))?;
        shown.extend(all.iter().flat_map(|(number, one)| of_cluster(here, line, *number, one)));
        shown.retain(|job| is_wanted(line, job));
    }
    let numbers: BTreeSet<u32> = wanted.iter().map(|word| word.number).collect();
    let known = if numbers.is_empty() { BTreeMap::new() } else { look(Some(&numbers), true)? };
    for word in &wanted {
        match named(here, line, word, known.get(&word.number)) {
            Ok(jobs) => shown.extend(jobs),
            Err(wrong) => {
                exit = wrong;
                first_failed |= !is_told;
            }
        }
        is_told = true;
    }
    if line.has('E') {
        shown.sort_by_key(|job| job.number);
    }
    // OpenPBS 23.06 prints no head if the first of several is not there.
    let out = show(here, line, &shown, !first_failed);
    Ok(Answer { out, exit })
}

enum Operand {
    Queue,
    Job(JobWord),
}

fn operand(here: &Here, text: &str) -> Result<Operand, u8> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return found::read(here, text).map(Operand::Job);
    }
    let (queue, server) = text.split_once('@').unwrap_or((text, ""));
    if !server.is_empty() && !here.is_server(server) {
        return Err(no_host(here));
    }
    if ![QUEUE, ""].contains(&queue) {
        here.say(format_args!("Unknown queue destination {queue}"));
        return Err(code::UNKNOWN_QUEUE);
    }
    Ok(Operand::Queue)
}

/// What is shown of a cluster that nobody named.
fn of_cluster(here: &Here, line: &Line, number: u32, cluster: &Cluster) -> Vec<Job> {
    let whole = cluster.whole(number, here.now);
    let is_array = matches!(whole.kind, RowKind::Array { .. });
    let subjobs = || if line.has('t') { cluster.subjobs(number, here.now) } else { Vec::new() };
    match (line.has('J'), line.has('t')) {
        (true, true) => subjobs(),
        (true, false) if !is_array => Vec::new(),
        (true | false, _) => std::iter::once(whole).chain(subjobs()).collect(),
    }
}

/// What the options let through of what nobody named.
fn is_wanted(line: &Line, job: &Job) -> bool {
    let is_over = job.state == State::Finished;
    let waits = matches!(job.state, State::Queued | State::Held | State::Waiting);
    let by_state = match () {
        () if line.has('H') => is_over,
        () if line.has('i') => waits,
        () if line.has('r') => matches!(job.state, State::Running | State::Suspended),
        () => line.has('x') || !is_over,
    };
    let users = line.value('u');
    let owner = job.owner();
    let by_user = users.is_none_or(|users| {
        users.split(',').any(|user| user.split('@').next() == Some(owner.as_str()))
    });
    by_state && by_user
}

/// What is shown of a job that was named.
fn named(
    here: &Here,
    line: &Line,
    word: &JobWord,
    cluster: Option<&Cluster>,
) -> Result<Vec<Job>, u8> {
    let id = found::full(here, word);
    let unknown = || {
        here.say(format_args!("Unknown Job Id {id}"));
        code::UNKNOWN_JOB
    };
    let cluster = cluster.ok_or_else(unknown)?;
    let whole = cluster.whole(word.number, here.now);
    let is_array = matches!(whole.kind, RowKind::Array { .. });
    let jobs = match word.subjobs {
        Subjobs::Whole if !is_array => return Err(unknown()),
        // Beyond OpenPBS, the number alone names an array too.
        Subjobs::None | Subjobs::Whole => {
            let subjobs =
                if line.has('t') { cluster.subjobs(word.number, here.now) } else { Vec::new() };
            let own = if line.has('J') && line.has('t') { None } else { Some(whole) };
            own.into_iter().chain(subjobs).collect()
        }
        Subjobs::Some { start, end, step } => {
            let mut subjobs = cluster.subjobs(word.number, here.now);
            subjobs.retain(|job| match job.kind {
                RowKind::Subjob(index) => {
                    (start..=end).contains(&index) && (index - start) % step == 0
                }
                RowKind::Single | RowKind::Array { .. } => false,
            });
            subjobs
        }
    };
    if jobs.is_empty() {
        return Err(unknown());
    }
    if cluster.is_over() && !line.any("xH") {
        here.say(format_args!(
            "{id} Job has finished, use -x or -H to obtain historical job information"
        ));
        return Err(code::FINISHED);
    }
    Ok(jobs)
}

fn show(here: &Here, line: &Line, jobs: &[Job], with_head: bool) -> String {
    let wide = line.has('w');
    if line.has('f') {
        return match line.value('F') {
            Some("json") => full::json(jobs, here),
            Some("dsv") => full::separated(jobs, here, line.value('D').unwrap_or("|")),
            Some(_) | None => full::text(jobs, here, wide),
        };
    }
    if line.any("ainrsuH") {
        let extra =
            Extra { nodes: line.has('n'), comment: line.has('s'), one_line: line.has('1'), wide };
        return table::alternate(jobs, here, extra);
    }
    table::plain(jobs, here, wide, with_head)
}
