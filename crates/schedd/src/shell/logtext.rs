//! What the core says of a job's life, in the words of HTCondor's event log. How an event looks as text: `model::userlog`.

use std::sync::Arc;

use classad::Order;
use model::userlog::{
    AdForm, Amount, CpuTimes, DateForm, Ending, EntryId, Evicted, EvictedHow, LogForm, LogStyle,
    ResourceUsage, Terminated, UserLogEvent,
};
use model::{ProgramEnd, Resources, RunEnd, attr};

use super::userlog::LogBatch;
use crate::core::{Eviction, FactoryNews, LogEntry, LogKind, LogTo, RunSummary, SlotPlace};

/// `JobMaterializePaused` of a factory that is held (HTCondor 25.14).
const HELD_FACTORY: i32 = 1;

/// The forms of logs.
#[derive(Clone, Debug)]
pub struct LogForms {
    /// Of the users' logs (`DEFAULT_USERLOG_FORMAT_OPTIONS`).
    pub users: LogForm,
    /// Of that of all jobs (`EVENT_LOG_FORMAT_OPTIONS`).
    pub pool: LogForm,
}

/// The texts of a batch's entries, gathered by log, in order.
pub(crate) fn of_entries(entries: &[LogEntry], host: &str, forms: &LogForms) -> LogBatch {
    let mut batch = LogBatch::default();
    for entry in entries {
        let event = event(&entry.kind, host);
        let (form, ads) = match entry.to {
            LogTo::User { xml: true } => (&forms.users, Some(AdForm::Xml)),
            LogTo::User { xml: false } => (&forms.users, forms.users.ads),
            LogTo::Workflow => (&forms.users, None),
            LogTo::Pool => (&forms.pool, forms.pool.ads),
        };
        let text = match ads {
            None => event.render_as(entry.job.into(), entry.at, &form.style),
            Some(ads) => ad_text(event, entry, &form.style, ads),
        };
        batch.add(Arc::clone(&entry.path), &text);
    }
    batch
}

/// An entry as HTCondor 25.14 writes it as an ad: with milliseconds in the time.
fn ad_text(event: UserLogEvent, entry: &LogEntry, style: &LogStyle, ads: AdForm) -> String {
    let style = LogStyle { sub_second: true, date: DateForm::Iso, ..style.clone() };
    let about_cluster = matches!(entry.kind, LogKind::Factory(_));
    let proc = (!about_cluster).then_some(entry.job.proc);
    let id = EntryId { proc, ..entry.job.into() };
    let ad = model::userlog::LogEntry { id, at: entry.at, event }.ad(&style);
    match ads {
        AdForm::Xml => ad.to_xml_in(Order::ShorterFirst),
        AdForm::Json => format!("{}\n", ad.to_json_in(Order::ShorterFirst)),
    }
}

fn event(kind: &LogKind, host: &str) -> UserLogEvent {
    match kind {
        LogKind::Submitted { facts, notes, user_notes } => {
            let (log_notes, user_notes) = submit_notes(facts, notes.as_ref(), user_notes.as_ref());
            UserLogEvent::Submitted { host: host.to_owned(), log_notes, user_notes, warnings: None }
        }
        LogKind::Factory(news) => of_factory(news, host),
        LogKind::Executing { address, place } => UserLogEvent::Executing {
            host: address.clone(),
            slot_name: place.as_ref().map(|place| place.slot.to_string()),
            properties: place.as_ref().map(properties).unwrap_or_default(),
        },
        LogKind::Transfer { step, to } => {
            UserLogEvent::FileTransfer { step: *step, queued_s: None, host: to.clone() }
        }
        LogKind::ImageSize { peak_rss_kib } => UserLogEvent::ImageSize {
            image_kib: *peak_rss_kib,
            memory_mib: Some(peak_rss_kib.div_ceil(1024)),
            resident_kib: Some(*peak_rss_kib),
            proportional_kib: None,
        },
        LogKind::Terminated(run) => UserLogEvent::Terminated(Box::new(terminated(run))),
        LogKind::StartError { slot, hold } => UserLogEvent::RemoteError {
            critical: true,
            daemon: "starter".to_owned(),
            host: slot.as_deref().unwrap_or_default().to_owned(),
            message: vec![hold.reason.clone()],
            hold: Some((i32::from(hold.code.number()), hold.subcode)),
        },
        LogKind::UpToDate => UserLogEvent::DataflowSkipped { reason: None },
        LogKind::Checkpointed(run) => UserLogEvent::Checkpointed {
            run_remote: cpu(run.usage.user_us, run.usage.sys_us),
            run_local: CpuTimes::default(),
            sent_bytes: run.usage.sent_bytes,
        },
        LogKind::Evicted { eviction, run } => {
            UserLogEvent::Evicted(Box::new(evicted(eviction, run)))
        }
        LogKind::Disconnected { reason, slot, address } => UserLogEvent::Disconnected {
            reason: reason.clone(),
            slot_name: slot.to_string(),
            startd: address.clone(),
        },
        // The startd is the way to a run's keeper, too.
        LogKind::Reconnected { slot, address } => UserLogEvent::Reconnected {
            slot_name: slot.to_string(),
            startd: address.clone(),
            starter: address.clone(),
        },
        LogKind::Lost { reason, slot } => UserLogEvent::ReconnectFailed {
            reason: reason.clone(),
            slot_name: slot.as_deref().unwrap_or_default().to_owned(),
        },
        LogKind::Said(text) => UserLogEvent::Generic { text: text.to_string() },
        LogKind::Suspended { processes } => UserLogEvent::Suspended { processes: *processes },
        LogKind::AdInformation(attributes) => {
            UserLogEvent::AdInformation { attributes: attributes.clone() }
        }
        LogKind::Unsuspended => UserLogEvent::Unsuspended,
        LogKind::Held(hold) => UserLogEvent::Held {
            reason: Some(hold.reason.clone()),
            code: i32::from(hold.code.number()),
            subcode: hold.subcode,
        },
        LogKind::Released { reason } => UserLogEvent::Released { reason: Some(reason.clone()) },
        LogKind::Aborted { reason } => UserLogEvent::Aborted { reason: Some(reason.clone()) },
    }
}

fn of_factory(news: &FactoryNews, host: &str) -> UserLogEvent {
    match news {
        FactoryNews::Submitted { notes, user_notes } => UserLogEvent::ClusterSubmitted {
            host: host.to_owned(),
            log_notes: notes.clone(),
            user_notes: user_notes.clone(),
        },
        FactoryNews::Removed { jobs, items, completion } => UserLogEvent::ClusterRemoved {
            jobs: *jobs,
            items: *items,
            completion: *completion,
            notes: None,
        },
        FactoryNews::Paused { reason, code } => UserLogEvent::FactoryPaused {
            reason: Some(reason.clone()),
            pause_code: HELD_FACTORY,
            hold_code: i32::from(code.number()),
        },
        FactoryNews::Resumed { reason } => {
            UserLogEvent::FactoryResumed { reason: Some(reason.clone()) }
        }
    }
}

/// What HTCondor tells of a slot at event 001, sorted.
fn properties(place: &SlotPlace) -> Vec<(String, String)> {
    let SlotPlace { scratch_dir, resources, more, .. } = place;
    let mut all = vec![
        (attr::CONDOR_SCRATCH_DIR.to_owned(), quoted(scratch_dir)),
        ("Cpus".to_owned(), resources.cpus.to_string()),
        ("Disk".to_owned(), resources.disk_kib.to_string()),
        ("Memory".to_owned(), resources.memory_mib.to_string()),
    ];
    all.extend(resources.custom.iter().map(|(name, n)| (name.clone(), n.to_string())));
    let known: Vec<String> = all.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let news = more.iter().filter(|(name, _)| !known.contains(&name.to_ascii_lowercase()));
    all.extend(news.cloned());
    all.sort();
    all
}

fn terminated(run: &RunSummary) -> Terminated {
    Terminated {
        ending: ending(&run.end).unwrap_or(Ending::Exited { code: 0 }),
        run_remote: cpu(run.usage.user_us, run.usage.sys_us),
        run_local: CpuTimes::default(),
        total_remote: cpu(run.total_user_us, run.total_sys_us),
        total_local: CpuTimes::default(),
        sent_bytes: run.usage.sent_bytes,
        received_bytes: run.usage.received_bytes,
        total_sent_bytes: run.total_sent_bytes,
        total_received_bytes: run.total_received_bytes,
        resources: table(run),
    }
}

fn evicted(eviction: &Eviction, run: &RunSummary) -> Evicted {
    let how = how_evicted(run);
    // HTCondor 25.14 writes neither code nor table where the program ended by itself and runs again.
    let stopped = matches!(how, EvictedHow::Stopped);
    Evicted {
        code: stopped.then_some((i32::from(eviction.code), eviction.subcode)),
        how,
        run_remote: cpu(run.usage.user_us, run.usage.sys_us),
        run_local: CpuTimes::default(),
        sent_bytes: run.usage.sent_bytes,
        received_bytes: run.usage.received_bytes,
        reason: Some(eviction.reason.clone()),
        resources: if stopped { table(run) } else { Vec::new() },
    }
}

fn how_evicted(run: &RunSummary) -> EvictedHow {
    ending(&run.end).map_or(EvictedHow::Stopped, EvictedHow::Requeued)
}

/// How the program ended, if it ended by itself.
fn ending(end: &RunEnd) -> Option<Ending> {
    match end {
        RunEnd::Program(ProgramEnd::Exited { code }) => Some(Ending::Exited { code: *code }),
        RunEnd::UpToDate => Some(Ending::Exited { code: 0 }),
        RunEnd::Program(ProgramEnd::Signaled { signal, .. }) => {
            Some(Ending::Signaled { signal: *signal, core_file: None })
        }
        RunEnd::OutputFailed { .. }
        | RunEnd::ScriptFailed { .. }
        | RunEnd::StartFailed(_)
        | RunEnd::Vacated { .. }
        | RunEnd::Lost { .. } => None,
    }
}

/// What the run used of its slot; nothing where there was none.
fn table(run: &RunSummary) -> Vec<ResourceUsage> {
    if run.universe.is_beside() {
        return Vec::new();
    }
    let wall_s = run.usage.wall_ms() / 1000;
    let busy_s = match (run.since, run.usage.ended) {
        (Some(since), Some(ended)) => ended.since(since).as_secs(),
        (None, _) | (_, None) => wall_s,
    };
    let cpu_us = run.usage.user_us + run.usage.sys_us;
    let allocated =
        |pick: fn(&Resources) -> u64| run.allocated.as_ref().map(|slot| whole(pick(slot)));
    let row = |name: &str, used: Option<Amount>, requested: u64, allocated: Option<Amount>| {
        ResourceUsage {
            name: name.to_owned(),
            used,
            requested: Some(whole(requested)),
            allocated,
            assigned: None,
        }
    };
    let time = |name: &str, seconds: u64| ResourceUsage {
        name: name.to_owned(),
        used: Some(whole(seconds)),
        ..ResourceUsage::default()
    };
    let custom = run.devices.iter().map(|(tag, ids)| {
        let name = tag.to_ascii_lowercase();
        let of = |amounts: &Resources| amounts.custom.get(&name).copied().unwrap_or(0);
        ResourceUsage {
            name: tag.clone(),
            used: None,
            requested: Some(whole(of(&run.request))),
            allocated: run.allocated.as_ref().map(|slot| whole(of(slot))),
            assigned: (!ids.is_empty()).then(|| quoted(&ids.join(","))),
        }
    });
    let mut rows = vec![
        row(
            "Cpus",
            cpus_used(cpu_us, run.usage.wall_ms()),
            u64::from(run.request.cpus),
            allocated(|r| u64::from(r.cpus)),
        ),
        row(
            "Disk",
            Some(whole(run.usage.disk_kib)),
            run.request.disk_kib,
            allocated(|r| r.disk_kib),
        ),
        row(
            "Memory",
            Some(whole(run.usage.peak_rss_kib.div_ceil(1024))),
            run.request.memory_mib,
            allocated(|r| r.memory_mib),
        ),
        time(attr::TIME_EXECUTE, wall_s),
        time(attr::TIME_SLOT_BUSY, busy_s),
    ];
    rows.extend(custom);
    rows
}

/// Processors used on average; nothing for a run too short to tell, as HTCondor leaves it empty then.
fn cpus_used(cpu_us: u64, wall_ms: u64) -> Option<Amount> {
    let hundredths = (cpu_us / 10).checked_div(wall_ms).filter(|_| wall_ms >= 1000)?;
    Some(Amount::from(f64::from(u32::try_from(hundredths).ok()?) / 100.0))
}

fn cpu(user_us: u64, sys_us: u64) -> CpuTimes {
    CpuTimes { user_s: user_us / 1_000_000, sys_s: sys_us / 1_000_000 }
}

fn whole(n: u64) -> Amount {
    Amount::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}

/// As a ClassAd string.
fn quoted(text: &str) -> String {
    classad::Expr::from(text).to_string()
}

/// What stands below the first line of a submit entry: a line of DAGMan's or submit's, and one of the user's. A batch name alone gives
/// way to the user's note; attributes that were asked for do not, because readers of 25.14 take them from the first line only.
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
    use expect_test::expect;
    use jiff::tz::TimeZone;
    use model::{JobId, Timestamp, UserName};

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

    #[test]
    fn a_log_is_xml_where_its_job_wants_that() {
        let entry = |kind| LogEntry {
            owner: UserName::new("alice"),
            path: "/log".into(),
            to: LogTo::User { xml: true },
            job: JobId::new(44, 0),
            at: Timestamp::from_millis(1_763_828_668_832),
            kind,
        };
        let released = LogKind::Released { reason: "<again>".to_owned() };
        let resumed = LogKind::Factory(FactoryNews::Resumed { reason: "go on".to_owned() });
        let plain = LogForm::of_options("", &TimeZone::UTC).unwrap();
        let forms = LogForms { users: plain.clone(), pool: plain };
        let batch = of_entries(&[entry(released), entry(resumed)], "host", &forms);
        expect![[r#"
            <c>
                <a n="Proc"><i>0</i></a>
                <a n="MyType"><s>JobReleaseEvent</s></a>
                <a n="Reason"><s>&lt;again&gt;</s></a>
                <a n="Cluster"><i>44</i></a>
                <a n="Subproc"><i>0</i></a>
                <a n="EventTime"><s>2025-11-22T16:24:28.832</s></a>
                <a n="EventTypeNumber"><i>13</i></a>
            </c>
            <c>
                <a n="Proc"><i>-1</i></a>
                <a n="MyType"><s>FactoryResumedEvent</s></a>
                <a n="Reason"><s>go on</s></a>
                <a n="Cluster"><i>44</i></a>
                <a n="Subproc"><i>0</i></a>
                <a n="EventTime"><s>2025-11-22T16:24:28.832</s></a>
                <a n="EventTypeNumber"><i>38</i></a>
            </c>
        "#]]
        .assert_eq(&batch.texts["/log"]);
    }
}
