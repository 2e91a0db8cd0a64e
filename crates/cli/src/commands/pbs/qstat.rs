//! `qstat`: what is asked for, and in which form it is shown. `jobs` has jobs; here are queues and
//! the server.

mod jobs;
mod page;

use jobspec::pbs::code;

use super::acting::usage_of;
use super::counting::Loads;
use super::words::Line;
use crate::render::pbs::Here;
use crate::render::pbs::listed::{self, Listed, What};
use crate::render::pbs::queues;
use crate::render::pbs::table::{self, Sizes, Tally};

const OPTIONS: &str = "ainpqrstwxu:fGHJMQEBW:T1F:D:";

/// Options of OpenPBS's that are not built.
const NOT_BUILT: &[(char, &str)] = &[('W', "all attributes are shown with -f")];

/// Shows what the words ask for; gives the exit code.
pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, OPTIONS) {
        Ok(line) => line,
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    if let Some((option, why)) = NOT_BUILT.iter().find(|(option, _)| line.has(*option)) {
        here.say(format_args!("-{option} is not supported yet: {why}"));
        return code::NOT_SUPPORTED;
    }
    if let Some(exit) = refuse(here, &line) {
        return exit;
    }
    let shown = if line.any("QqB") { counts(here, &line) } else { jobs::show(here, &line) };
    shown.unwrap_or_else(|exit| exit)
}

/// Options that make no sense together.
fn refuse(here: &Here, line: &Line) -> Option<u8> {
    let format = line.value('F');
    if format.is_some_and(|format| !["json", "dsv", "default"].contains(&format)) {
        return Some(usage_of(here, None));
    }
    let conflict = (line.has('1') && (!line.any("nsf") || line.has('F')))
        || (line.any("FD") && !line.has('f'))
        || (line.has('D') && format != Some("dsv"))
        || (line.has('f') && line.any("ainrsuHGMTq"))
        || (line.has('Q') && line.any("inrstuxJHBT"))
        || (line.has('B') && line.any("inrstuxJHTq"));
    if conflict {
        return Some(usage_of(here, Some(vec!["conflicting options.".to_owned()])));
    }
    if line.value('u').is_some_and(str::is_empty) {
        here.say("Illegal attribute or resource value ");
        return Some(code::BAD_VALUE);
    }
    None
}

/// `-Q`, `-q` and `-B`; gives the exit code.
fn counts(here: &Here, line: &Line) -> Result<u8, u8> {
    let settings = here.connect()?.queues().map_err(|error| here.cannot_connect(&error))?;
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
    let loads = Loads::count(here, &settings)?;
    let wanted = settings.queues.iter().filter(|(name, _)| is_wanted(name));
    let out = match (line.has('B'), line.has('f')) {
        (true, true) => {
            let server = queues::server(&settings, &loads.all, here);
            in_full(here, line, &What::SERVERS, &[server])
        }
        (true, false) => {
            let is_scheduling = settings.server.is("scheduling");
            table::server(loads.all.tally, here, is_scheduling)
        }
        (false, true) => {
            let all: Vec<Listed> =
                wanted.map(|(name, queue)| queues::queue(name, queue, &loads.of(name))).collect();
            in_full(here, line, &What::QUEUES, &all)
        }
        (false, false) => {
            let all: Vec<(&str, Tally)> =
                wanted.map(|(name, _)| (name.as_str(), loads.of(name).tally)).collect();
            match line.has('q') {
                true => table::queues_by_limits(&settings, &all, here, sizes(line)),
                false => table::queues(&settings, &all),
            }
        }
    };
    here.print(&out)?;
    Ok(exit)
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
