//! `qhold` and `qrls`: whose holds are set and ended. What they mean for a job that runs, or is
//! held for something else too, the schedd knows.

use client::Action;
use jobspec::pbs::code;
use model::HoldCode;
use proto::client::Arrange;

use super::acting::{Verb, read};
use super::placing::arrange;
use super::words::Line;
use crate::line::output::complain;
use crate::render::pbs::Here;

/// `qhold`.
pub(super) fn hold(words: &[String], here: &Here) -> u8 {
    let usage = "usage: qhold [-h hold_list] job_identifier...\n       qhold --version\n";
    let line = match read(here, words, "h:", usage) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    change_holds(here, (&line, usage), true)
}

/// `qrls`.
pub(super) fn release(words: &[String], here: &Here) -> u8 {
    let usage = "usage: qrls [-h hold_list] job_identifier...\n       qrls --version\n";
    let line = match read(here, words, "h:", usage) {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    change_holds(here, (&line, usage), false)
}

/// Sets or ends the holds that `-h` names: `u` is the user's own, `o` one of operators, `s` of
/// managers, and `n` is none. `p` the server alone sets in OpenPBS, where a password is bad.
fn change_holds(here: &Here, (line, usage): (&Line, &str), is_set: bool) -> u8 {
    let list = line.value('h').unwrap_or("u");
    if list.is_empty() || !list.chars().all(|kind| "unosp".contains(kind)) {
        here.say("illegal -h value");
        complain(usage);
        return code::USAGE;
    }
    let kinds: String = list.chars().filter(|kind| *kind != 'n').collect();
    let verb = Verb::PLAIN;
    if kinds.is_empty() {
        return verb.only_look(here, &line.operands);
    }
    if kinds.contains(['o', 's', 'p']) {
        return verb.each(here, &line.operands, &mut |schedd, found| {
            let (jobs, kinds) = (found.selectors.clone(), kinds.clone());
            arrange(here, schedd, Arrange::Hold { jobs, kinds, is_set })
        });
    }
    verb.run(here, &line.operands, |_| match is_set {
        true => Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 },
        false => Action::Release { reason: None },
    })
}
