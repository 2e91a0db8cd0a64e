//! `qenable`, `qdisable`, `qstart`, `qstop`: whether a queue takes jobs, and whether its jobs
//! start.

use jobspec::pbs::code;
use model::queues::{Change, Edit, Object};
use proto::client::Arrange;

use super::acting::read;
use super::placing::arrange;
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

fn set(words: &[String], here: &Here, name: &str, value: &str) -> u8 {
    let line = match read(here, words, "") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let mut schedd = match here.connect() {
        Ok(schedd) => schedd,
        Err(exit) => return exit,
    };
    let mut exit = 0;
    for destination in &line.operands {
        let (queue, is_here) = here.of_server(destination);
        if !is_here {
            here.say(format_args!("illegally formed destination: {destination}"));
            exit = code::FAILED;
            continue;
        }
        let change = Change::Set { name: name.to_owned(), value: value.to_owned() };
        let edit = Edit { object: Object::Queue(queue.to_owned()), change };
        // OpenPBS 23.06 exits with 2, whatever it is.
        if let Err(refused) = arrange(here, &mut schedd, Arrange::Settings(vec![edit])) {
            refused.say(here, queue);
            exit = code::USAGE;
        }
    }
    exit
}
