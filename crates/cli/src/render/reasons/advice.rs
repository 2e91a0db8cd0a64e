//! What our own `q` says around the table: above it, why jobs are held and what to do about it;
//! below it, why idle jobs wait.
//!
//! Never shown under HTCondor's names. The reasons are the schedd's; only the remedies are written
//! here.

use std::collections::BTreeMap;

use classad::{AttrName, ClassAd};
use model::{HoldCode, Timestamp, attr};

use crate::render::paint::{Paint, Tone};
use crate::render::time::plain;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, Span, View};

/// What the advice is made from.
pub fn attributes() -> Vec<AttrName> {
    let names = [
        attr::CLUSTER_ID,
        attr::PROC_ID,
        attr::OWNER,
        attr::JOB_STATUS,
        attr::HOLD_REASON,
        attr::HOLD_REASON_CODE,
        attr::HOLD_REASON_SUB_CODE,
        attr::HOLD_RETRY_DATE,
        attr::IDLE_REASON,
        attr::IDLE_VERDICT,
    ];
    names.map(AttrName::from).to_vec()
}

/// The verdict that waiting does not help.
const NEVER: &str = "never";

/// Reasons of one kind that are told as examples.
const MOST_REASONS: usize = 2;

/// Jobs that are listed one by one before the rest is only counted.
const MOST_LINES: usize = 10;

/// What is said of jobs that do not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Of held jobs, which somebody must help: it stands above the table. Nothing if there are
    /// none.
    pub held: String,
    /// Of idle jobs: it stands below.
    pub idle: String,
}

impl Advice {
    /// The table with what is said above and below it.
    pub fn around(&self, table: &str) -> String {
        format!("{}{table}{}", self.held, self.idle)
    }
}

/// What is said of these jobs.
pub fn render(jobs: &[ClassAd], moment: &Moment) -> Advice {
    let jobs: Vec<View<'_>> = jobs.iter().map(|ad| View::new(ad, moment)).collect();
    Advice { held: held(&jobs, moment.paint), idle: idle(&jobs, moment.paint) }
}

fn held(jobs: &[View<'_>], paint: Paint) -> String {
    let mut groups: BTreeMap<(i64, i64, i64), Held> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.status() == status::HELD) {
        let reason =
            job.text(attr::HOLD_REASON).unwrap_or_else(|| "no reason was given".to_owned());
        // Jobs of a cluster that are held by the same code are one matter, though each may name a
        // file of its own.
        let number = |name| job.int(name).unwrap_or(0);
        let code = number(attr::HOLD_REASON_CODE);
        let key = (number(attr::CLUSTER_ID), code, number(attr::HOLD_REASON_SUB_CODE));
        let group = groups.entry(key).or_default();
        group.ids.extend(job.span());
        group.reasons.entry(apart_from_slots(&reason)).or_insert(reason);
        let retry = job
            .int(attr::HOLD_RETRY_DATE)
            .map(|at| plain(Timestamp::from_secs(at), &job.moment.zone));
        group.retry = [group.retry.take(), retry].into_iter().flatten().min();
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut out = paint.text(Tone::Bad, "Held:") + "\n";
    let mut ordered: Vec<_> = groups.into_iter().collect();
    ordered.sort_by_key(|(_, group)| group.ids.first().map(|span| span.first));
    let ordered = together(ordered);
    for ((_, code, _), Held { ids, reasons, retry }) in ordered.iter().take(MOST_LINES) {
        let mut lead = format!("  {}  ", span(ids));
        for reason in reasons.values().take(MOST_REASONS) {
            out += &format!("{lead}{}\n", paint.text(Tone::Faint, reason));
            lead = " ".repeat(lead.len());
        }
        if let Some(more @ 1..) = reasons.len().checked_sub(MOST_REASONS) {
            out += &format!("{lead}... and {more} more reasons of the kind: updraft q -hold\n");
        }
        if let Some(at) = retry {
            let who = if Span::of(ids.iter().copied()).is_some_and(|all| all.count > 1) {
                "the first of them "
            } else {
                ""
            };
            out += &format!("      {who}will be tried again at {at}; to help it:\n");
        }
        out += &format!("      {}\n", remedy(*code, &release_words(ids)));
    }
    out + &more(ordered.len())
}

/// Groups of several clusters that are held for the same single reason are one.
fn together(ordered: Vec<((i64, i64, i64), Held)>) -> Vec<((i64, i64, i64), Held)> {
    let mut all: Vec<((i64, i64, i64), Held)> = Vec::new();
    for (key, group) in ordered {
        let is_alike = |((_, code, sub), other): &&mut ((i64, i64, i64), Held)| {
            (*code, *sub) == (key.1, key.2)
                && other.reasons.len() == 1
                && other.reasons.keys().eq(group.reasons.keys())
        };
        match all.iter_mut().find(is_alike) {
            Some((_, other)) => {
                other.ids.extend(group.ids);
                other.retry = [other.retry.take(), group.retry].into_iter().flatten().min();
            }
            None => all.push((key, group)),
        }
    }
    all
}

/// A reason without the names of slots: on which one it happened does not make it another.
fn apart_from_slots(reason: &str) -> String {
    let is_slot = |word: &str| word.starts_with("slot") && word.contains('@');
    let words = reason.split(' ').map(|word| if is_slot(word) { "slot" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Jobs that are held for reasons of one kind.
#[derive(Default)]
struct Held {
    ids: Vec<Span>,
    /// What was said of them: by what is alike, what was said of one.
    reasons: BTreeMap<String, String>,
    /// When the first of them is tried again by itself.
    retry: Option<String>,
}

fn idle(jobs: &[View<'_>], paint: Paint) -> String {
    let mut groups: BTreeMap<(String, String), Vec<Span>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.status() == status::IDLE) {
        if let Some(reason) = job.text(attr::IDLE_REASON) {
            let verdict = job.text(attr::IDLE_VERDICT).unwrap_or_default();
            groups.entry((verdict, reason)).or_default().extend(job.span());
        }
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut out = paint.text(Tone::Waiting, "Idle:") + "\n";
    let mut ordered: Vec<_> = groups.into_iter().collect();
    ordered.sort_by_key(|(_, jobs)| jobs.first().map(|span| span.first));
    for ((verdict, reason), ids) in ordered.iter().take(MOST_LINES) {
        // The schedd may have put the verdict before the sentence.
        let reason = reason.strip_prefix(&format!("{verdict}: ")).unwrap_or(reason);
        let tone = if verdict == NEVER { Tone::Bad } else { Tone::Plain };
        let lead = if verdict.is_empty() { String::new() } else { format!("{verdict}: ") };
        let (lead, reason) = (paint.text(tone, &lead), paint.text(Tone::Faint, reason));
        out += &format!("  {}  {lead}{reason}\n", span(ids));
    }
    out + &more(ordered.len())
}

fn more(groups: usize) -> String {
    match groups.checked_sub(MOST_LINES) {
        None | Some(0) => String::new(),
        Some(left) => format!("  ... and {left} more\n"),
    }
}

/// `38.0`, or `37.0-1 (2 jobs)`.
fn span(jobs: &[Span]) -> String {
    match Span::of(jobs.iter().copied()) {
        Some(one) if one.count == 1 => one.to_string(),
        Some(all) => format!("{all} ({} jobs)", all.count),
        None => String::new(),
    }
}

/// What to type to release them.
fn release_words(jobs: &[Span]) -> String {
    let mut words: Vec<String> = match jobs {
        [one] if one.count == 1 => vec![one.first.to_string()],
        many => many.iter().map(|span| span.first.cluster.to_string()).collect(),
    };
    words.dedup();
    words.truncate(MOST_LINES);
    words.join(" ")
}

/// What to do about a hold.
pub(crate) fn remedy(code: i64, ids: &str) -> String {
    let code = u16::try_from(code).ok().and_then(|n| HoldCode::try_from(n).ok());
    let first = match code.unwrap_or(HoldCode::Unspecified) {
        HoldCode::UserRequest | HoldCode::SubmittedOnHold => {
            return format!("to let it run: updraft release {ids}");
        }
        HoldCode::SpoolingInput => {
            return "its input is still being sent; nothing to do".to_owned();
        }
        HoldCode::WaitsForJobs => {
            return "it is let go by what it waits for; to give it up: updraft rm".to_owned();
        }
        HoldCode::InvalidCronSettings => {
            return "correct the cron_* lines and submit again".to_owned();
        }
        HoldCode::Unspecified => {
            "no machine has what a $$(...) of it names; change that with updraft qedit, or give a default as in $$(Name:default)"
        }
        HoldCode::JobPolicy | HoldCode::SystemPolicy => "a policy expression of the job held it",
        HoldCode::JobPolicyUndefined => {
            "a policy expression has no value: see updraft q -long for the attributes that it names"
        }
        HoldCode::FailedToCreateProcess => {
            "check that the program exists on the machine, is executable and has a valid first line"
        }
        HoldCode::UnableToOpenOutput => "check the folder and the permissions of output and error",
        HoldCode::UnableToOpenInput => "check that the input file exists and is readable",
        HoldCode::TransferOutputError => {
            "the job did not leave a file that transfer_output_files names; correct one or the other"
        }
        HoldCode::TransferInputError => "check that every file in transfer_input_files is readable",
        HoldCode::IwdError => "check that initialdir exists and may be entered",
        HoldCode::MissedDeferredExecutionTime => "the time to start has passed; to run it now",
        HoldCode::UnableToInitUserLog => "check the folder and the permissions of the log file",
        HoldCode::MaxTransferInputSizeExceeded => {
            "the input is larger than max_transfer_input_mb; make it smaller"
        }
        HoldCode::MaxTransferOutputSizeExceeded => {
            "the output is larger than max_transfer_output_mb; make it smaller"
        }
        HoldCode::JobOutOfResources => {
            "it used more than it asked for; ask for more (updraft qedit, or submit again)"
        }
        HoldCode::FailedToCheckpoint => {
            "the job did not leave a file that transfer_checkpoint_files names, or there is no room"
        }
        HoldCode::PreScriptFailed | HoldCode::PostScriptFailed => {
            "the command that runs before or after the job failed"
        }
        HoldCode::CannotSwitchPrimaryGroup => {
            "primary_unix_group must be the group that you have when the pool is started (id -gn)"
        }
        HoldCode::JobDurationExceeded | HoldCode::JobExecuteExceeded => {
            "it ran longer than it was allowed to; allow more time"
        }
    };
    format!("{first}; then: updraft release {ids}")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn held(cluster: i64, proc: i64, code: i64, reason: &str) -> ClassAd {
        let mut ad = ClassAd::new();
        ad.set(attr::CLUSTER_ID, cluster);
        ad.set(attr::PROC_ID, proc);
        ad.set(attr::JOB_STATUS, status::HELD);
        ad.set(attr::HOLD_REASON, reason);
        ad.set(attr::HOLD_REASON_CODE, code);
        ad
    }

    fn check(jobs: &[ClassAd], expected: &expect_test::Expect) {
        let moment = Moment::new(0, TimeZone::UTC);
        expected.assert_eq(&render(jobs, &moment).around("the table\n"));
    }

    #[test]
    fn a_reason_is_told_once_on_whichever_slots_it_happened_and_above_the_table() {
        let jobs = [
            held(4, 0, 13, "no file on slot1_1@m for it"),
            held(4, 1, 13, "no file on slot1_2@m for it"),
            held(5, 0, 13, "no file on slot1_2@m for it"),
        ];
        check(
            &jobs,
            &expect_test::expect![[r#"
            Held:
              4.0 ... 5.0 (3 jobs)  no file on slot1_1@m for it
                  check that every file in transfer_input_files is readable; then: updraft release 4 5
            the table
        "#]],
        );
    }

    #[test]
    fn jobs_that_each_miss_a_file_of_their_own_are_one_matter_with_examples() {
        let jobs: Vec<ClassAd> =
            (0..200).map(|proc| held(4, proc, 12, &format!("out.{proc} is not there"))).collect();
        check(
            &jobs,
            &expect_test::expect![[r#"
            Held:
              4.0-199 (200 jobs)  out.0 is not there
                                  out.1 is not there
                                  ... and 198 more reasons of the kind: updraft q -hold
                  the job did not leave a file that transfer_output_files names; correct one or the other; then: updraft release 4
            the table
        "#]],
        );
    }
}
