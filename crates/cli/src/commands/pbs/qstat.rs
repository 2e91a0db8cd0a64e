//! `qstat`: which jobs are asked for, and in which form they are shown.

use std::collections::{BTreeMap, BTreeSet};

use client::Schedd;
use jobspec::pbs::{JobWord, Subjobs, code};
use model::queues::QueueSettings;

use super::found;
use super::words::Line;
use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::full;
use crate::render::pbs::job::{Cluster, Job, RowKind, State};
use crate::render::pbs::listed::{self, Listed, What};
use crate::render::pbs::queues;
use crate::render::pbs::table::{self, Extra, Sizes, Tally};

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
const NOT_BUILT: &[(char, &str)] =
    &[('e', "qstat -i shows what waits"), ('W', "all attributes are shown with -f")];

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
    let shown = if line.any("QqB") { counts(here, &line) } else { jobs(here, &line) };
    match shown {
        Ok(Answer { out, exit }) => here.print(&out).err().unwrap_or(exit),
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
    let conflict = (line.has('1') && (!line.any("nsf") || line.has('F')))
        || (line.any("FD") && !line.has('f'))
        || (line.has('D') && format != Some("dsv"))
        || (line.has('f') && line.any("ainrsuHGMTq"))
        || (line.has('Q') && line.any("inrstuxJHBT"))
        || (line.has('B') && line.any("inrstuxJHTq"));
    if conflict {
        here.say("conflicting options.");
        return Some(usage());
    }
    if line.value('u').is_some_and(str::is_empty) {
        here.say("Illegal attribute or resource value ");
        return Some(code::BAD_VALUE);
    }
    None
}

/// `-Q`, `-q` and `-B`.
fn counts(here: &Here, line: &Line) -> Result<Answer, u8> {
    let mut schedd = here.connect()?;
    let settings = schedd.queues().map_err(|error| here.cannot_connect(&error))?;
    let mut exit = 0;
    let mut names: Vec<&str> = Vec::new();
    for name in &line.operands {
        let (queue, is_here) = match line.has('B') {
            true => ("", name.is_empty() || here.is_server(name)),
            false => here.of_server(name),
        };
        if !is_here {
            return Err(here.no_host());
        }
        if queue.is_empty() {
            names.clear();
            break;
        }
        match settings.queue(queue) {
            Some(_) => names.push(queue),
            None => {
                here.say(format_args!("Unknown queue {queue}"));
                exit = code::UNKNOWN_QUEUE;
            }
        }
    }
    let is_wanted = |name: &str| match (names.is_empty(), exit) {
        (true, 0) => true,
        (true, _) => false,
        (false, _) => names.contains(&name),
    };
    let all = found::look_up(&mut schedd, None, false);
    let all = all.map_err(|error| here.cannot_connect(&error))?;
    let jobs: Vec<Job> = all.iter().map(|(number, one)| one.whole(*number, here.now)).collect();
    let of = |queue: &str| jobs.iter().filter(|job| job.queue() == queue).collect::<Vec<_>>();
    let wanted = settings.queues.iter().filter(|(name, _)| is_wanted(name));
    let out = match (line.has('B'), line.has('f')) {
        (true, true) => {
            let all = jobs.iter().collect::<Vec<_>>();
            let server = queues::server(&settings, &all, here);
            in_full(here, line, &What::SERVERS, &[server])
        }
        (true, false) => {
            let is_scheduling = settings.server.is("scheduling");
            table::server(Tally::of(jobs.iter()), here, is_scheduling)
        }
        (false, true) => {
            let all: Vec<Listed> =
                wanted.map(|(name, queue)| queues::queue(name, queue, &of(name))).collect();
            in_full(here, line, &What::QUEUES, &all)
        }
        (false, false) => {
            let tally = |name: &str| Tally::of(of(name).into_iter());
            let all: Vec<(String, Tally)> =
                wanted.map(|(name, _)| (name.clone(), tally(name))).collect();
            match line.has('q') {
                true => table::queues_by_limits(&settings, &all, here, sizes(line)),
                false => table::queues(&settings, &all),
            }
        }
    };
    Ok(Answer { out, exit })
}

fn sizes(line: &Line) -> Sizes {
    match (line.has('G'), line.has('M')) {
        (true, _) => Sizes::Gigabytes,
        (false, true) => Sizes::Megawords,
        (false, false) => Sizes::AsAsked,
    }
}

/// `-f`, in the form that is asked for.
fn in_full(here: &Here, line: &Line, what: &What, all: &[Listed]) -> String {
    match line.value('F') {
        Some("json") => listed::json(what, all, here),
        Some("dsv") => listed::separated(what, all, line.value('D').unwrap_or("|")),
        // Torque's way to say that lines are not to be folded is -1.
        Some(_) | None => listed::text(what, all, line.any("w1")),
    }
}

fn jobs(here: &Here, line: &Line) -> Result<Answer, u8> {
    let mut exit = 0;
    let mut wanted = Vec::new();
    let mut queues = Vec::new();
    let mut everything = line.operands.is_empty();
    let mut schedd = here.connect()?;
    let mut settings = None;
    for text in &line.operands {
        match operand(here, text, &mut schedd, &mut settings) {
            Ok(Operand::Server) => everything = true,
            Ok(Operand::Queue(queue)) => queues.push(queue),
            Ok(Operand::Job(word)) => wanted.push(word),
            Err(wrong) => exit = wrong,
        }
    }
    let with_history = line.any("xH");
    let mut look = |numbers: Option<&BTreeSet<u32>>, finished| {
        found::look_up(&mut schedd, numbers, finished).map_err(|error| here.cannot_connect(&error))
    };
    let mut shown = Vec::new();
    let (mut is_told, mut first_failed) = (false, false);
    if everything || !queues.is_empty() {
        let all = look(None, with_history || line.any("tf"))?;
        shown.extend(all.iter().flat_map(|(number, one)| of_cluster(here, line, *number, one)));
        let is_there = |job: &Job| everything || queues.iter().any(|queue| job.queue() == queue);
        shown.retain(|job| is_there(job) && is_wanted(line, job));
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
    if line.has('T') {
        // What runs has started already, and what nobody knows of comes last.
        shown.sort_by_key(|job| {
            let runs = matches!(job.state, State::Running | State::Suspended | State::Begun);
            (!runs, full::estimated_start(job).unwrap_or(i64::MAX))
        });
    }
    // OpenPBS 23.06 prints no head if the first of several is not there.
    let out = show(here, line, &shown, !first_failed);
    Ok(Answer { out, exit })
}

enum Operand {
    Server,
    Queue(String),
    Job(JobWord),
}

fn operand(
    here: &Here,
    text: &str,
    schedd: &mut Schedd,
    settings: &mut Option<QueueSettings>,
) -> Result<Operand, u8> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return found::read(here, text).map(Operand::Job);
    }
    let (queue, is_here) = here.of_server(text);
    if !is_here {
        return Err(here.no_host());
    }
    if queue.is_empty() {
        return Ok(Operand::Server);
    }
    if settings.is_none() {
        *settings = Some(schedd.queues().map_err(|error| here.cannot_connect(&error))?);
    }
    if settings.as_ref().is_none_or(|settings| settings.queue(queue).is_none()) {
        here.say(format_args!("Unknown queue destination {queue}"));
        return Err(code::UNKNOWN_QUEUE);
    }
    Ok(Operand::Queue(queue.to_owned()))
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
        Subjobs::Some { .. } => {
            let mut subjobs = cluster.subjobs(word.number, here.now);
            subjobs.retain(|job| match job.kind {
                RowKind::Subjob(index) => word.subjobs.has(index),
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
    if line.has('f') {
        return in_full(here, line, &What::JOBS, &full::listed(jobs, here));
    }
    let extra = Extra {
        nodes: line.has('n'),
        comment: line.has('s'),
        one_line: line.has('1'),
        wide: line.has('w'),
        percent: line.has('p'),
        start: line.has('T'),
        sizes: sizes(line),
    };
    if line.any("ainrsuHGMT") {
        return table::alternate(jobs, here, extra);
    }
    table::plain(jobs, here, extra, with_head)
}
