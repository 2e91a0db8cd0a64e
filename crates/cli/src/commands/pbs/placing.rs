//! `qmove`, `qorder`, `qrun`: where a job stands among others. The schedd decides; what it denies
//! is told in OpenPBS's words.

use client::{AskError, Schedd};
use jobspec::pbs::{JobWord, Subjobs, code};
use model::ClusterId;
use model::queues::Denied;
use proto::client::{Arrange, Refusal};

use super::acting::{Found, Refused, Verb, read, usage_of};
use super::found;
use super::server::NoDestination;
use super::words::Line;
use crate::render::pbs::Here;

/// `qmove`.
pub(super) fn move_jobs(words: &[String], here: &Here) -> u8 {
    let line = Line::read(words, "");
    let (destination, jobs) = match line.as_ref().map(|line| line.operands.split_first()) {
        Ok(Some((destination, jobs))) if !jobs.is_empty() => (destination, jobs),
        _ => return usage_of(here, line.err()),
    };
    let queue = here.destination(destination);
    if queue == Err(NoDestination::IllFormed) {
        here.say(format_args!("illegally formed destination: {destination}"));
        return code::USAGE;
    }
    Verb::PLAIN.each(here, jobs, &mut |schedd, found| {
        let Ok(queue) = queue else {
            let said = "Access from host not allowed, or unknown host";
            return Err(Refused::because(code::BAD_HOST, said));
        };
        let cluster = ClusterId(found.word.number);
        arrange(here, schedd, Arrange::Move { cluster, queue: queue.to_owned() })
    })
}

/// `qorder`.
pub(super) fn order(words: &[String], here: &Here) -> u8 {
    let line = Line::read(words, "");
    let Ok([one, other]) = line
        .as_ref()
        .map_or(Err(()), |line| <&[String; 2]>::try_from(line.operands.as_slice()).map_err(|_| ()))
    else {
        return usage_of(here, line.err());
    };
    let exchanged = || -> Result<(), u8> {
        let (one, other) = (found::read(here, one)?, found::read(here, other)?);
        // Subjobs have no places of their own.
        let is_subjob = |word: &JobWord| matches!(word.subjobs, Subjobs::Some { .. });
        let exchanged = match is_subjob(&one) || is_subjob(&other) {
            true => Err(Refused::because(code::INVALID_REQUEST, "Invalid request")),
            false => {
                let what = Arrange::Exchange(ClusterId(one.number), ClusterId(other.number));
                arrange(here, &mut here.connect()?, what)
            }
        };
        exchanged.map_err(|refused| {
            let (one, other) = (found::full(here, &one), found::full(here, &other));
            refused.say(here, format_args!("{one} or {other}"))
        })
    };
    exchanged().err().unwrap_or(0)
}

/// `qrun`: OpenPBS 23.06 exits with 2, whatever it is.
pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match read(here, words, "aH:") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    if line.has('H') {
        here.say("-H is not supported yet: say -l host=NAME with qalter before");
        return code::NOT_SUPPORTED;
    }
    let exit = Verb::OF_SUBJOBS.each(here, &line.operands, &mut |schedd, found: &Found<'_>| {
        arrange(here, schedd, Arrange::RunNow(found.selectors.clone()))
    });
    if exit == 0 { 0 } else { code::USAGE }
}

/// Asks the schedd for it.
pub(super) fn arrange(here: &Here, schedd: &mut Schedd, what: Arrange) -> Result<(), Refused> {
    schedd.arrange(what).map_err(|error| match denied(&error) {
        Some(denied) => Refused::because(denied.exit(), denied.to_string()),
        None => Refused::Told(here.cannot_connect(&error)),
    })
}

/// What was denied.
pub(super) fn denied(error: &AskError) -> Option<&Denied> {
    match error {
        AskError::Refused(Refusal::Denied(denied)) => Some(denied),
        _ => None,
    }
}
