//! What the entry of a job that comes into the queue tells (000). Knows nothing of where it goes.

use classad::ClassAd;
use model::userlog::UserLogEvent;
use model::{Now, attr};

use crate::core::told::log_files::text_of;
use crate::core::told::told_of::{listed, told_of};

/// The names of the attributes that a submit entry tells without being asked (HTCondor 25.14).
const FACTS: [&str; 2] = [attr::DAG_NODE_NAME, attr::JOB_BATCH_NAME];

/// The entry of a job with this ad; `host` is the schedd's address.
pub(crate) fn submit_entry(ad: &ClassAd, host: &str, now: Now) -> UserLogEvent {
    let mut names: Vec<String> = FACTS.map(str::to_owned).into();
    names.extend(listed(ad, attr::SUBMIT_EVENT_NOTES_ATTRS, now));
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    let facts = told_of(ad, None, &names, now);
    let notes = text_of(ad, attr::SUBMIT_EVENT_NOTES);
    let user_notes = text_of(ad, attr::SUBMIT_EVENT_USER_NOTES);
    let (log_notes, user_notes) = submit_notes(&facts, notes.as_ref(), user_notes.as_ref());
    UserLogEvent::Submitted { host: host.to_owned(), log_notes, user_notes, warnings: None }
}

/// What stands below the first line of a submit entry: a line of DAGMan's or submit's, and one of
/// the user's. A batch name alone gives way to the user's note; attributes that were asked for do
/// not, because readers of 25.14 take them from the first line only.
fn submit_notes(
    facts: &[(String, String)],
    notes: Option<&String>,
    user_notes: Option<&String>,
) -> (Option<String>, Option<String>) {
    let batch_only = facts.iter().all(|(name, _)| name == attr::JOB_BATCH_NAME);
    let said = |node: &str| notes.is_some_and(|notes| *notes == format!("DAG Node: {node}"));
    let is_node = |(name, value): &(String, String)| {
        name == attr::DAG_NODE_NAME && said(value.trim_matches('"'))
    };
    let told = facts.iter().map(|(name, value)| format!("{name} = {value}"));
    let ad = (!facts.is_empty()).then(|| format!("[ {} ]", told.collect::<Vec<_>>().join("; ")));
    match notes.filter(|_| !facts.iter().any(is_node)) {
        Some(notes) if batch_only => (Some(notes.clone()), user_notes.cloned()),
        Some(notes) => {
            let both: Vec<&str> =
                [Some(notes), user_notes].into_iter().flatten().map(String::as_str).collect();
            (ad, Some(both.join("; ")))
        }
        None => (ad, user_notes.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submit_entry_has_one_line_of_attributes_or_of_notes_and_one_of_the_user() {
        let batch = [("JobBatchName", "\"b\"")];
        let node = [("DAGNodeName", "\"A\""), ("JobBatchName", "\"b\"")];
        let check = |facts: &[(&str, &str)], notes: &str, user: &str, expected: [&str; 2]| {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let owned: Vec<_> =
                facts.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            let told = submit_notes(&owned, given(notes).as_ref(), given(user).as_ref());
            let expected = (given(expected[0]), given(expected[1]));
            assert_eq!(told, expected, "{facts:?} {notes:?} {user:?}");
        };
        check(&[], "", "", ["", ""]);
        check(&[], "note", "mine", ["note", "mine"]);
        check(&batch, "", "mine", ["[ JobBatchName = \"b\" ]", "mine"]);
        check(&batch, "note", "", ["note", ""]);
        let told = "[ DAGNodeName = \"A\"; JobBatchName = \"b\" ]";
        check(&node, "DAG Node: A", "", [told, ""]);
        check(&node, "note", "", [told, "note"]);
        check(&node, "note", "mine", [told, "note; mine"]);
    }
}
