//! An event as text, exactly as HTCondor 25.14 writes it: a first line, then what belongs to it,
//! then three dots.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::entry::{END, EntryId, LogStyle, write_head};
use super::event::{
    COMMON_FILES_SENTENCES, Completion, Ending, Evicted, EvictedHow, ExecutableFault, Terminated,
    UserLogEvent,
};
use super::times::CpuTimes;
use super::usage;
use crate::ids::JobId;
use crate::time::Timestamp;

/// Notes are cut here, as HTCondor does, so that its readers' buffers hold them.
const MAX_NOTE_CHARS: usize = 8191;

impl UserLogEvent {
    /// The event of `job` at `at` in HTCondor's default form, with the line that ends it.
    pub fn render(&self, job: JobId, at: Timestamp, zone: &TimeZone) -> String {
        self.render_as(job.into(), at, &LogStyle::iso(zone))
    }

    /// The event in any form. An event about a cluster is written as such, whatever proc `id` has.
    pub fn render_as(&self, id: EntryId, at: Timestamp, style: &LogStyle) -> String {
        let id = if self.is_about_cluster() { EntryId { proc: None, ..id } } else { id };
        let mut out = write_head(self.number(), id, at, style);
        out += &one_line(&self.first_line());
        out.push('\n');
        self.write_rest(&mut out);
        out += END;
        out.push('\n');
        out
    }

    /// What stands behind the time.
    fn first_line(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Submitted { host, .. } => {
                return format!("Job submitted from host: {host}").into();
            }
            Self::Executing { host, .. } => {
                return format!("Job executing on host: {host}").into();
            }
            Self::ExecutableError(ExecutableFault::NotExecutable) => "(1) Job file not executable.",
            Self::ExecutableError(ExecutableFault::BadlyLinked) => {
                "(2) Job not properly linked for Condor."
            }
            Self::Checkpointed { .. } => "Job was checkpointed.",
            Self::Evicted(evicted) => return evicted_line(evicted),
            Self::Terminated(_) => "Job terminated.",
            Self::ImageSize { image_kib, .. } => {
                return format!("Image size of job updated: {image_kib}").into();
            }
            Self::ShadowException { .. } => "Shadow exception!",
            Self::Generic { text } => text,
            Self::Aborted { .. } => "Job was aborted.",
            Self::Suspended { .. } => "Job was suspended.",
            Self::Unsuspended => "Job was unsuspended.",
            Self::Held { .. } => "Job was held.",
            Self::Released { .. } => "Job was released.",
            Self::NodeExecuting { node, host, .. } => {
                return format!("Node {node} executing on host: {host}").into();
            }
            Self::NodeTerminated { node, .. } => return format!("Node {node} terminated.").into(),
            Self::PostScriptTerminated { .. } => "POST Script terminated.",
            Self::RemoteError { critical, daemon, host, .. } => {
                let what = if *critical { "Error" } else { "Warning" };
                return format!("{what} from {daemon} on {host}:").into();
            }
            Self::Disconnected { .. } => "Job disconnected, attempting to reconnect",
            Self::Reconnected { slot_name, .. } => {
                return format!("Job reconnected to {slot_name}").into();
            }
            Self::ReconnectFailed { .. } => "Job reconnection failed",
            Self::GridResourceUp { .. } => "Grid Resource Back Up",
            Self::GridResourceDown { .. } => "Detected Down Grid Resource",
            Self::GridSubmitted { .. } => "Job submitted to grid resource",
            Self::AdInformation { .. } => "Job ad information event triggered.",
            Self::StatusUnknown => "The job's remote status is unknown",
            Self::StatusKnown => "The job's remote status is known again",
            Self::StageIn => "Job is performing stage-in of input files",
            Self::StageOut => "Job is performing stage-out of output files",
            Self::AttributeUpdated { name, old, new } => return updated_line(name, old, new),
            Self::PreSkipped { .. } => "PRE script return value is PRE_SKIP value",
            Self::ClusterSubmitted { host, .. } => {
                return format!("Cluster submitted from host: {host}").into();
            }
            Self::ClusterRemoved { .. } => "Cluster removed",
            Self::FactoryPaused { .. } => "Job Materialization Paused",
            Self::FactoryResumed { .. } => "Job Materialization Resumed",
            Self::FileTransfer { step, .. } => step.sentence(),
            Self::DataflowSkipped { .. } => "Dataflow job was skipped.",
            Self::CommonFiles { step } => return format!("Common files event: {step}").into(),
            Self::Other { head, .. } => head,
        })
    }

    /// The lines below the first.
    fn write_rest(&self, out: &mut String) {
        match self {
            Self::Submitted { log_notes, user_notes, warnings, .. } => {
                write_notes(log_notes.as_deref(), user_notes.as_deref(), out);
                write_warnings(warnings.as_deref(), out);
            }
            Self::ClusterSubmitted { log_notes, user_notes, .. } => {
                write_notes(log_notes.as_deref(), user_notes.as_deref(), out);
            }
            Self::Executing { slot_name, properties, .. }
            | Self::NodeExecuting { slot_name, properties, .. } => {
                write_slot(slot_name.as_deref(), properties, out);
            }
            Self::Checkpointed { run_remote, run_local, sent_bytes } => {
                write_checkpoint(*run_remote, *run_local, *sent_bytes, out);
            }
            Self::Evicted(evicted) => write_evicted(evicted, out),
            Self::Terminated(terminated) => write_terminated(terminated, "Job", out),
            Self::NodeTerminated { terminated, .. } => write_terminated(terminated, "Node", out),
            Self::ImageSize { memory_mib, resident_kib, proportional_kib, .. } => {
                write_sizes(*memory_mib, *resident_kib, *proportional_kib, out);
            }
            Self::ShadowException { message, sent_bytes, received_bytes } => {
                put(out, "\t", message);
                write_bytes(*sent_bytes, *received_bytes, "Run", "Job", out);
            }
            Self::Suspended { processes } => {
                put(out, "\tNumber of processes actually suspended: ", &processes.to_string());
            }
            Self::Held { reason, code, subcode } => {
                write_hold(reason.as_deref(), *code, *subcode, out);
            }
            Self::Aborted { reason }
            | Self::Released { reason }
            | Self::FactoryResumed { reason }
            | Self::DataflowSkipped { reason } => put_some(out, "\t", reason.as_deref()),
            Self::PostScriptTerminated { ending, dag_node } => {
                put(out, "\t", &ending_line(ending));
                put_some(out, "    DAG Node: ", dag_node.as_deref());
            }
            Self::RemoteError { message, hold, .. } => write_remote_error(message, *hold, out),
            Self::Disconnected { .. }
            | Self::Reconnected { .. }
            | Self::ReconnectFailed { .. }
            | Self::GridResourceUp { .. }
            | Self::GridResourceDown { .. }
            | Self::GridSubmitted { .. } => self.write_places(out),
            Self::AdInformation { attributes } => write_attributes(attributes, "", out),
            Self::PreSkipped { notes } => put(out, "    ", notes),
            Self::ClusterRemoved { jobs, items, completion, notes } => {
                write_removal(*jobs, *items, *completion, notes.as_deref(), out);
            }
            Self::FactoryPaused { reason, pause_code, hold_code } => {
                write_pause(reason.as_deref(), *pause_code, *hold_code, out);
            }
            Self::FileTransfer { queued_s, host, .. } => {
                write_transfer(*queued_s, host.as_deref(), out);
            }
            Self::CommonFiles { step } => write_common_files(step, out),
            Self::Other { payload, .. } => write_payload(payload, out),
            Self::ExecutableError(_)
            | Self::Generic { .. }
            | Self::Unsuspended
            | Self::StatusUnknown
            | Self::StatusKnown
            | Self::StageIn
            | Self::StageOut
            | Self::AttributeUpdated { .. } => {}
        }
    }

    /// The lines that name slots, daemons and grid resources; nothing for an event without them.
    fn write_places(&self, out: &mut String) {
        match self {
            Self::Disconnected { reason, slot_name, startd } => {
                put(out, "    ", reason);
                put(out, "    Trying to reconnect to ", &format!("{slot_name} {startd}"));
            }
            Self::Reconnected { startd, starter, .. } => {
                put(out, "    startd address: ", startd);
                put(out, "    starter address: ", starter);
            }
            Self::ReconnectFailed { reason, slot_name } => {
                put(out, "    ", reason);
                put(out, "    Can not reconnect to ", &format!("{slot_name}, rescheduling job"));
            }
            Self::GridResourceUp { resource } | Self::GridResourceDown { resource } => {
                put(out, "    GridResource: ", resource);
            }
            Self::GridSubmitted { resource, grid_job } => {
                put(out, "    GridResource: ", resource);
                put(out, "    GridJobId: ", grid_job);
            }
            _ => {}
        }
    }
}

/// A text without line ends, so that what a user wrote cannot end the event and begin another.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        Cow::Owned(text.replace('\n', "|").replace('\r', " "))
    } else {
        Cow::Borrowed(text)
    }
}

fn put(out: &mut String, lead: &str, text: &str) {
    out.push_str(lead);
    out.push_str(&one_line(text));
    out.push('\n');
}

fn put_some(out: &mut String, lead: &str, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        put(out, lead, text);
    }
}

fn write_notes(log: Option<&str>, user: Option<&str>, out: &mut String) {
    for note in [log, user].into_iter().flatten() {
        let cut: String = note.chars().take(MAX_NOTE_CHARS).collect();
        put_some(out, "    ", Some(&cut));
    }
}

fn write_warnings(warnings: Option<&str>, out: &mut String) {
    let lead =
        "    WARNING: Committed job submission into the queue with the following warning(s): ";
    put_some(out, lead, warnings);
}

fn write_slot(slot_name: Option<&str>, properties: &[(String, String)], out: &mut String) {
    put_some(out, "\tSlotName: ", slot_name);
    let mut sorted = properties.to_vec();
    sorted.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    write_attributes(&sorted, "\t", out);
}

fn write_attributes(attributes: &[(String, String)], lead: &str, out: &mut String) {
    for (name, value) in attributes {
        put(out, lead, &format!("{name} = {value}"));
    }
}

fn evicted_line(evicted: &Evicted) -> Cow<'static, str> {
    match evicted.code {
        Some((code, subcode)) => format!("Job was evicted. Code {code} Subcode {subcode}").into(),
        None => "Job was evicted.".into(),
    }
}

fn updated_line(name: &str, old: &Option<String>, new: &str) -> Cow<'static, str> {
    match old {
        Some(old) => format!("Changing job attribute {name} from {old} to {new}").into(),
        None => format!("Setting job attribute {name} to {new}").into(),
    }
}

fn write_evicted(evicted: &Evicted, out: &mut String) {
    let how = match evicted.how {
        EvictedHow::Stopped => "(0) CPU times",
        EvictedHow::Checkpointed => "(1) Job was checkpointed.",
        EvictedHow::Requeued(_) => "(0) Job terminated and was requeued",
    };
    put(out, "\t", how);
    write_times(evicted.run_remote, "Run Remote Usage", out);
    write_times(evicted.run_local, "Run Local Usage", out);
    write_bytes(evicted.sent_bytes, evicted.received_bytes, "Run", "Job", out);
    if let EvictedHow::Requeued(ending) = &evicted.how {
        write_ending(ending, out);
        put_some(out, "\t", evicted.reason.as_deref());
    } else {
        put_some(out, "\tReason: ", evicted.reason.as_deref());
    }
    usage::write(&evicted.resources, out);
}

fn write_terminated(terminated: &Terminated, whose: &str, out: &mut String) {
    write_ending(&terminated.ending, out);
    write_times(terminated.run_remote, "Run Remote Usage", out);
    write_times(terminated.run_local, "Run Local Usage", out);
    write_times(terminated.total_remote, "Total Remote Usage", out);
    write_times(terminated.total_local, "Total Local Usage", out);
    write_bytes(terminated.sent_bytes, terminated.received_bytes, "Run", whose, out);
    write_bytes(terminated.total_sent_bytes, terminated.total_received_bytes, "Total", whose, out);
    usage::write(&terminated.resources, out);
}

fn write_ending(ending: &Ending, out: &mut String) {
    put(out, "\t", &ending_line(ending));
    match ending {
        Ending::Exited { .. } => {}
        Ending::Signaled { core_file: Some(path), .. } => put(out, "\t(1) Corefile in: ", path),
        Ending::Signaled { core_file: None, .. } => put(out, "\t", "(0) No core file"),
    }
}

fn ending_line(ending: &Ending) -> String {
    match ending {
        Ending::Exited { code } => format!("(1) Normal termination (return value {code})"),
        Ending::Signaled { signal, .. } => format!("(0) Abnormal termination (signal {signal})"),
    }
}

fn write_times(times: CpuTimes, what: &str, out: &mut String) {
    put(out, "\t\t", &format!("{times}  -  {what}"));
}

fn write_bytes(sent: u64, received: u64, which: &str, whose: &str, out: &mut String) {
    put(out, "\t", &format!("{sent}  -  {which} Bytes Sent By {whose}"));
    put(out, "\t", &format!("{received}  -  {which} Bytes Received By {whose}"));
}

fn write_checkpoint(run_remote: CpuTimes, run_local: CpuTimes, sent_bytes: u64, out: &mut String) {
    write_times(run_remote, "Run Remote Usage", out);
    write_times(run_local, "Run Local Usage", out);
    put(out, "\t", &format!("{sent_bytes}  -  Run Bytes Sent By Job For Checkpoint"));
}

fn write_sizes(
    memory_mib: Option<u64>,
    resident_kib: Option<u64>,
    proportional_kib: Option<u64>,
    out: &mut String,
) {
    write_size(memory_mib, "MemoryUsage of job (MB)", out);
    write_size(resident_kib, "ResidentSetSize of job (KB)", out);
    write_size(proportional_kib, "ProportionalSetSize of job (KB)", out);
}

fn write_size(size: Option<u64>, what: &str, out: &mut String) {
    let text = size.map(|n| format!("{n}  -  {what}"));
    put_some(out, "\t", text.as_deref());
}

fn write_hold(reason: Option<&str>, code: i32, subcode: i32, out: &mut String) {
    put(out, "\t", reason.unwrap_or("Reason unspecified"));
    put(out, "\t", &format!("Code {code} Subcode {subcode}"));
}

fn write_transfer(queued_s: Option<u64>, host: Option<&str>, out: &mut String) {
    let queued = queued_s.map(|s| s.to_string());
    put_some(out, "\tSeconds spent in queue: ", queued.as_deref());
    put_some(out, "\tTransferring to host: ", host);
}

fn write_common_files(step: &str, out: &mut String) {
    let known = COMMON_FILES_SENTENCES.iter().find(|(name, _)| *name == step);
    put_some(out, "\t", known.map(|(_, sentence)| *sentence));
}

fn write_payload(payload: &[String], out: &mut String) {
    // A line of three dots would end the event.
    payload.iter().filter(|text| *text != END).for_each(|text| put(out, "", text));
}

fn write_removal(
    jobs: u32,
    items: u32,
    completion: Completion,
    notes: Option<&str>,
    out: &mut String,
) {
    let end = completion_word(completion);
    put(out, "\t", &format!("Materialized {jobs} jobs from {items} items.\t{end}"));
    put_some(out, "\t", notes);
}

fn write_remote_error(message: &[String], hold: Option<(i32, i32)>, out: &mut String) {
    message.iter().for_each(|text| put(out, "\t", text));
    let codes = hold.map(|(code, subcode)| format!("Code {code} Subcode {subcode}"));
    put_some(out, "\t", codes.as_deref());
}

fn completion_word(completion: Completion) -> String {
    match completion {
        Completion::Error(code) => format!("Error {code}"),
        Completion::Incomplete => "Incomplete".to_owned(),
        Completion::Complete => "Complete".to_owned(),
        Completion::Paused => "Paused".to_owned(),
    }
}

fn write_pause(reason: Option<&str>, pause_code: i32, hold_code: i32, out: &mut String) {
    // With a pause code the reason's line is there even if empty, because HTCondor's reader takes
    // the next line for it.
    if reason.is_some() || pause_code != 0 {
        put(out, "\t", reason.unwrap_or_default());
    }
    let code = |n: i32| (n != 0).then(|| n.to_string());
    put_some(out, "\tPauseCode ", code(pause_code).as_deref());
    put_some(out, "\tHoldCode ", code(hold_code).as_deref());
}
