//! `qstat`: what is asked for, and in which form it is shown. `jobs` has jobs; here are queues and
//! the server.

mod jobs;
mod options;
mod page;

use jobspec::pbs::code;

use super::acting::usage_of;
use super::counting::Loads;
use super::server::NoDestination;
use super::words::Line;
use crate::render::pbs::Here;
use crate::render::pbs::listed::{self, Listed};
use crate::render::pbs::queues;
use crate::render::pbs::table::{self, Sizes};
use options::{Form, Wanted, What};

const OPTIONS: &str = "ainpqrstwxu:fGHJMQEBW:T1F:D:";

/// Shows what the words ask for; gives the exit code.
pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, OPTIONS) {
        Ok(line) => options::expanded(line),
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    let wanted = match options::wanted(&line) {
        Ok(wanted) => wanted,
        Err(wrong) => return usage_of(here, Some(wrong)),
    };
    if line.value('u').is_some_and(str::is_empty) {
        here.say("Illegal attribute or resource value ");
        return code::BAD_VALUE;
    }
    let shown = match wanted.what {
        What::Jobs => jobs::show(here, &line, wanted.form),
        What::Queues | What::Limits | What::Server => counts(here, &line, wanted),
    };
    shown.unwrap_or_else(|exit| exit)
}

/// `-Q`, `-q` and `-B`; gives the exit code.
fn counts(here: &Here, line: &Line, wanted: Wanted<'_>) -> Result<u8, u8> {
    let settings = here.connect()?.queues().map_err(|error| here.cannot_connect(&error))?;
    let mut exit = 0;
    let mut names: Vec<&str> = Vec::new();
    for name in &line.operands {
        let queue = match wanted.what {
            What::Server if name.is_empty() || here.is_server(name) => Ok(""),
            What::Server => Err(NoDestination::OtherServer),
            What::Jobs | What::Queues | What::Limits => here.destination(name),
        };
        match queue {
            Ok("") => {
                names.clear();
                break;
            }
            Ok(queue) if settings.queue(queue).is_some() => names.push(queue),
            Ok(queue) => {
                here.say(format_args!("Unknown queue {queue}"));
                exit = code::UNKNOWN_QUEUE;
            }
            Err(NoDestination::IllFormed) => {
                here.say("illegal 'destination' value");
                exit = code::FAILED;
            }
            Err(NoDestination::OtherServer) => return Err(here.no_host()),
        }
    }
    let is_wanted = |name: &str| match (names.is_empty(), exit) {
        (true, 0) => true,
        (true, _) => false,
        (false, _) => names.contains(&name),
    };
    let loads = Loads::count(here, &settings)?;
    let of_queues = settings.queues.iter().filter(|(name, _)| is_wanted(name));
    let tallies = || of_queues.clone().map(|(name, _)| (name.as_str(), loads.of(name).tally));
    let out = match wanted.what {
        What::Server if wanted.form.is_full() => {
            let server = queues::server(&settings, &loads.all, here);
            in_full(here, wanted.form, &listed::What::SERVERS, &[server])
        }
        What::Server => table::server(loads.all.tally, here, settings.server.is("scheduling")),
        What::Limits => {
            table::queues_by_limits(&settings, &tallies().collect::<Vec<_>>(), here, sizes(line))
        }
        What::Jobs | What::Queues if wanted.form.is_full() => {
            let queue = |(name, queue): &(String, _)| queues::queue(name, queue, &loads.of(name));
            let all: Vec<Listed> = of_queues.map(queue).collect();
            in_full(here, wanted.form, &listed::What::QUEUES, &all)
        }
        What::Jobs | What::Queues => table::queues(&settings, &tallies().collect::<Vec<_>>()),
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
fn in_full(here: &Here, form: Form<'_>, what: &listed::What, all: &[Listed]) -> String {
    match form {
        Form::Json => listed::json(what, all, here),
        Form::Separated(separator) => listed::separated(what, all, separator),
        Form::Text { is_whole } => listed::text(what, all, is_whole),
        Form::Plain | Form::Alternate => listed::text(what, all, false),
    }
}
