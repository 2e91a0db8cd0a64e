//! `qenable`, `qdisable`, `qstart`, `qstop`: whether a queue takes jobs, and whether its jobs
//! start.

use jobspec::pbs::code;
use model::queues::{Change, Edit, Object};
use proto::client::Arrange;

use super::placing::arrange;
use super::server::NoDestination;
use crate::line::output::complain;
use crate::render::pbs::Here;

pub(super) fn enable(words: &[String], here: &Here) -> u8 {
    set(words, here, "enabled", "True")
}

pub(super) fn disable(words: &[String], here: &Here) -> u8 {
    set(words, here, "enabled", "False")
}

pub(super) fn start(words: &[String], here: &Here) -> u8 {
    set(words, here, "started", "True")
}

pub(super) fn stop(words: &[String], here: &Here) -> u8 {
    set(words, here, "started", "False")
}

/// These have no options: whatever is said is a destination.
fn set(words: &[String], here: &Here, name: &str, value: &str) -> u8 {
    if words.is_empty() {
        complain(here.usage());
        return code::FAILED;
    }
    let mut schedd = match here.connect() {
        Ok(schedd) => schedd,
        Err(exit) => return exit,
    };
    let mut exit = 0;
    for destination in words {
        let queue = match here.destination(destination) {
            Ok(queue) => queue,
            Err(NoDestination::IllFormed) => {
                here.say(format_args!("illegally formed destination: {destination}"));
                exit = code::FAILED;
                continue;
            }
            Err(NoDestination::OtherServer) => {
                let server = destination.split('@').nth(1).unwrap_or_default();
                complain("Unknown Host.\n");
                here.say(format_args!("could not connect to server {server} (15008)"));
                exit = code::USAGE;
                continue;
            }
        };
        let change = Change::Set { name: name.to_owned(), value: value.to_owned() };
        let set = |queue: String| Edit { object: Object::Queue(queue), change: change.clone() };
        let edits = match queue {
            // All but those of reservations, which the clock opens.
            "" => schedd.queues().map(|settings| {
                let names = settings.queues.into_iter().map(|(name, _)| name);
                names.filter(|name| !settings.reservations.contains_key(name)).map(set).collect()
            }),
            queue => Ok(vec![set(queue.to_owned())]),
        };
        let edits = match edits {
            Ok(edits) => edits,
            Err(error) => return here.cannot_connect(&error),
        };
        // OpenPBS 23.06 exits with 2, whatever it is.
        if let Err(refused) = arrange(here, &mut schedd, Arrange::Settings(edits)) {
            refused.say(here, destination);
            exit = code::USAGE;
        }
    }
    exit
}
