//! `qhold` and `qrls`: whose holds are set and ended. What they mean for a job that runs, or is
//! held for something else too, the schedd knows.

use client::Action;
use jobspec::pbs::is_hold_list;
use model::HoldCode;
use proto::client::Arrange;

use super::acting::{Verb, read, usage_of};
use super::placing::arrange;
use crate::render::pbs::Here;

/// `qhold`.
pub(super) fn hold(words: &[String], here: &Here) -> u8 {
    change_holds(here, words, true)
}

/// `qrls`.
pub(super) fn release(words: &[String], here: &Here) -> u8 {
    change_holds(here, words, false)
}

/// Sets or ends the holds that `-h` names: `u` is the user's own, `o` one of operators, `s`
/// and `p` of managers, and `n` is none.
fn change_holds(here: &Here, words: &[String], is_set: bool) -> u8 {
    let line = match read(here, words, "h:") {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let list = line.value('h').unwrap_or("u");
    if !is_hold_list(list) {
        return usage_of(here, Some(vec!["illegal -h value".to_owned()]));
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
