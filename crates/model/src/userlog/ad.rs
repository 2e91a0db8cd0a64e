//! Events as ads, as HTCondor 25.14 writes them into logs in JSON and XML: one ad an event, under
//! the names that its readers know.

use crate::attr;
use classad::{ClassAd, Expr};

use super::entry::{EntryId, LogEntry, LogStyle, write_time};
use super::event::{Completion, Ending, Evicted, EvictedHow, Terminated, UserLogEvent};
use super::times::CpuTimes;
use super::usage::{Amount, ResourceUsage};

impl LogEntry {
    /// The event as an ad; `style` says how its time is written.
    pub fn ad(&self, style: &LogStyle) -> ClassAd {
        let Self { id, at, event } = self;
        let mut ad = ClassAd::new();
        let EntryId { cluster, proc, subproc } = *id;
        ad.set(attr::MY_TYPE, my_type(event));
        ad.set("EventTypeNumber", i64::from(event.number()));
        ad.set("EventTime", write_time(*at, style).replacen(' ', "T", 1));
        ad.set("Cluster", i64::from(cluster.0));
        ad.set("Proc", proc.map_or(-1, |proc| i64::from(proc.0)));
        ad.set("Subproc", i64::from(subproc));
        set_event(&mut ad, event);
        ad
    }
}

/// `MyType` of the event's ad.
const fn my_type(event: &UserLogEvent) -> &'static str {
    match event {
        UserLogEvent::Submitted { .. } => "SubmitEvent",
        UserLogEvent::Executing { .. } => "ExecuteEvent",
        UserLogEvent::ExecutableError(_) => "ExecutableErrorEvent",
        UserLogEvent::Checkpointed { .. } => "CheckpointedEvent",
        UserLogEvent::Evicted(_) => "JobEvictedEvent",
        UserLogEvent::Terminated(_) => "JobTerminatedEvent",
        UserLogEvent::ImageSize { .. } => "JobImageSizeEvent",
        UserLogEvent::ShadowException { .. } => "ShadowExceptionEvent",
        UserLogEvent::Generic { .. } => "GenericEvent",
        UserLogEvent::Aborted { .. } => "JobAbortedEvent",
        UserLogEvent::Suspended { .. } => "JobSuspendedEvent",
        UserLogEvent::Unsuspended => "JobUnsuspendedEvent",
        UserLogEvent::Held { .. } => "JobHeldEvent",
        UserLogEvent::Released { .. } => "JobReleaseEvent",
        UserLogEvent::NodeExecuting { .. } => "NodeExecuteEvent",
        UserLogEvent::NodeTerminated { .. } => "NodeTerminatedEvent",
        UserLogEvent::PostScriptTerminated { .. } => "PostScriptTerminatedEvent",
        UserLogEvent::RemoteError { .. } => "RemoteErrorEvent",
        UserLogEvent::Disconnected { .. } => "JobDisconnectedEvent",
        UserLogEvent::Reconnected { .. } => "JobReconnectedEvent",
        UserLogEvent::ReconnectFailed { .. } => "JobReconnectFailedEvent",
        UserLogEvent::GridResourceUp { .. } => "GridResourceUpEvent",
        UserLogEvent::GridResourceDown { .. } => "GridResourceDownEvent",
        UserLogEvent::GridSubmitted { .. } => "GridSubmitEvent",
        UserLogEvent::AdInformation { .. } => "JobAdInformationEvent",
        UserLogEvent::StatusUnknown => "JobStatusUnknownEvent",
        UserLogEvent::StatusKnown => "JobStatusKnownEvent",
        UserLogEvent::StageIn => "JobStageInEvent",
        UserLogEvent::StageOut => "JobStageOutEvent",
        UserLogEvent::AttributeUpdated { .. } => "AttributeUpdateEvent",
        UserLogEvent::PreSkipped { .. } => "PreSkipEvent",
        UserLogEvent::ClusterSubmitted { .. } => "ClusterSubmitEvent",
        UserLogEvent::ClusterRemoved { .. } => "ClusterRemoveEvent",
        UserLogEvent::FactoryPaused { .. } => "FactoryPausedEvent",
        UserLogEvent::FactoryResumed { .. } => "FactoryResumedEvent",
        UserLogEvent::FileTransfer { .. } => "FileTransferEvent",
        UserLogEvent::DataflowSkipped { .. } => "DataflowJobSkippedEvent",
        UserLogEvent::CommonFiles { .. } => "CommonFilesEvent",
        UserLogEvent::Other { .. } => "FutureEvent",
    }
}

fn set_event(ad: &mut ClassAd, event: &UserLogEvent) {
    match event {
        UserLogEvent::Submitted { host, log_notes, user_notes, warnings } => {
            ad.set("SubmitHost", host.as_str());
            texts(
                ad,
                &[("LogNotes", log_notes), ("UserNotes", user_notes), ("Warnings", warnings)],
            );
        }
        UserLogEvent::ClusterSubmitted { host, log_notes, user_notes } => {
            ad.set("SubmitHost", host.as_str());
            texts(ad, &[("LogNotes", log_notes), ("UserNotes", user_notes)]);
        }
        UserLogEvent::Executing { host, slot_name, properties } => {
            set_executing(ad, host, slot_name.as_deref(), properties);
        }
        UserLogEvent::Evicted(evicted) => set_evicted(ad, evicted),
        UserLogEvent::Terminated(terminated) => set_terminated(ad, terminated),
        UserLogEvent::PostScriptTerminated { ending, dag_node } => {
            set_ending(ad, ending);
            texts(ad, &[(attr::DAG_NODE_NAME, dag_node)]);
        }
        UserLogEvent::Checkpointed { run_remote, run_local, sent_bytes } => {
            times(ad, &[("RunRemoteUsage", *run_remote), ("RunLocalUsage", *run_local)]);
            bytes(ad, &[("SentBytes", *sent_bytes)]);
        }
        UserLogEvent::ImageSize { image_kib, memory_mib, resident_kib, proportional_kib } => {
            ad.set("Size", whole(*image_kib));
            for (name, size) in [
                (attr::MEMORY_USAGE, memory_mib),
                (attr::RESIDENT_SET_SIZE, resident_kib),
                ("ProportionalSetSize", proportional_kib),
            ] {
                if let Some(size) = size {
                    ad.set(name, whole(*size));
                }
            }
        }
        UserLogEvent::ShadowException { message, sent_bytes, received_bytes } => {
            ad.set("Message", message.as_str());
            bytes(ad, &[("SentBytes", *sent_bytes), ("ReceivedBytes", *received_bytes)]);
        }
        UserLogEvent::Suspended { processes } => ad.set("NumberOfPIDs", i64::from(*processes)),
        UserLogEvent::Held { reason, code, subcode } => {
            texts(ad, &[(attr::HOLD_REASON, reason)]);
            ad.set(attr::HOLD_REASON_CODE, i64::from(*code));
            ad.set(attr::HOLD_REASON_SUB_CODE, i64::from(*subcode));
        }
        UserLogEvent::Aborted { reason }
        | UserLogEvent::Released { reason }
        | UserLogEvent::FactoryResumed { reason }
        | UserLogEvent::DataflowSkipped { reason } => texts(ad, &[("Reason", reason)]),
        UserLogEvent::FileTransfer { step, queued_s, host } => {
            // The steps are numbered from 1, in their order.
            ad.set("Type", *step as i64 + 1);
            if let Some(queued) = queued_s {
                ad.set("QueueingDelay", whole(*queued));
            }
            texts(ad, &[("Host", host)]);
        }
        other => set_rare(ad, other),
    }
}

/// Events that most logs have none of.
fn set_rare(ad: &mut ClassAd, event: &UserLogEvent) {
    let mut text = |name: &str, value: &str| ad.set(name, value);
    match event {
        UserLogEvent::NodeExecuting { node, host, slot_name, properties } => {
            ad.set("Node", i64::from(*node));
            set_executing(ad, host, slot_name.as_deref(), properties);
        }
        UserLogEvent::NodeTerminated { node, terminated } => {
            ad.set("Node", i64::from(*node));
            set_terminated(ad, terminated);
        }
        UserLogEvent::Generic { text: info } => text("Info", info),
        UserLogEvent::RemoteError { critical, daemon, host, message, hold } => {
            text("Daemon", daemon);
            text("ExecuteHost", host);
            text("ErrorMsg", &message.join("|"));
            if !critical {
                ad.set("CriticalError", false);
            }
            if let Some((code, subcode)) = hold {
                ad.set(attr::HOLD_REASON_CODE, i64::from(*code));
                ad.set(attr::HOLD_REASON_SUB_CODE, i64::from(*subcode));
            }
        }
        UserLogEvent::Disconnected { reason, slot_name, startd } => {
            text("DisconnectReason", reason);
            text("StartdName", slot_name);
            text("StartdAddr", startd);
        }
        UserLogEvent::Reconnected { slot_name, startd, starter } => {
            text("StartdName", slot_name);
            text("StartdAddr", startd);
            text("StarterAddr", starter);
        }
        UserLogEvent::ReconnectFailed { reason, slot_name } => {
            text("Reason", reason);
            text("StartdName", slot_name);
        }
        UserLogEvent::GridResourceUp { resource } | UserLogEvent::GridResourceDown { resource } => {
            text("GridResource", resource);
        }
        UserLogEvent::GridSubmitted { resource, grid_job } => {
            text("GridResource", resource);
            text("GridJobId", grid_job);
        }
        UserLogEvent::AdInformation { attributes } => set_written(ad, attributes),
        UserLogEvent::AttributeUpdated { name, old, new } => {
            text("Attribute", name);
            text("Value", new);
            texts(ad, &[("PriorValue", old)]);
        }
        UserLogEvent::PreSkipped { notes } => text("SkipEventLogNotes", notes),
        UserLogEvent::CommonFiles { step } => text("Type", step),
        UserLogEvent::Other { head, payload, .. } => {
            text("EventHead", head);
            text("EventPayload", &payload.join("\n"));
        }
        UserLogEvent::ExecutableError(fault) => ad.set("ExecuteErrorType", *fault as i64 + 1),
        other => set_of_factory(ad, other),
    }
}

fn set_of_factory(ad: &mut ClassAd, event: &UserLogEvent) {
    match event {
        UserLogEvent::ClusterRemoved { jobs, items, completion, notes } => {
            ad.set("NextProcId", i64::from(*jobs));
            ad.set("NextRow", i64::from(*items));
            ad.set("Completion", completion_code(*completion));
            texts(ad, &[("Notes", notes)]);
        }
        UserLogEvent::FactoryPaused { reason, pause_code, hold_code } => {
            ad.set("PauseCode", i64::from(*pause_code));
            ad.set("HoldCode", i64::from(*hold_code));
            texts(ad, &[("Reason", reason)]);
        }
        // The rest say nothing, or have been told.
        _ => {}
    }
}

fn set_executing(
    ad: &mut ClassAd,
    host: &str,
    slot_name: Option<&str>,
    properties: &[(String, String)],
) {
    ad.set("ExecuteHost", host);
    if let Some(slot) = slot_name {
        ad.set("SlotName", slot);
    }
    if !properties.is_empty() {
        let mut of_slot = ClassAd::new();
        set_written(&mut of_slot, properties);
        let text = of_slot.to_new();
        set_written(ad, &[("ExecuteProps".to_owned(), text)]);
    }
}

/// Attributes whose values stand in the log as ClassAd text. What is no expression is kept as a
/// string.
fn set_written(ad: &mut ClassAd, attributes: &[(String, String)]) {
    for (name, text) in attributes {
        match text.parse::<Expr>() {
            Ok(expr) => ad.set(name.as_str(), expr),
            Err(_) => ad.set(name.as_str(), text.as_str()),
        }
    }
}

fn set_evicted(ad: &mut ClassAd, evicted: &Evicted) {
    let Evicted { code, how, run_remote, run_local, sent_bytes, received_bytes, reason, resources } =
        evicted;
    ad.set("Checkpointed", *how == EvictedHow::Checkpointed);
    ad.set("TerminatedAndRequeued", matches!(how, EvictedHow::Requeued(_)));
    match how {
        EvictedHow::Requeued(ending) => set_ending(ad, ending),
        EvictedHow::Stopped | EvictedHow::Checkpointed => ad.set("TerminatedNormally", false),
    }
    texts(ad, &[("Reason", reason)]);
    if let Some((code, subcode)) = code {
        ad.set("ReasonCode", i64::from(*code));
        ad.set("ReasonSubCode", i64::from(*subcode));
    }
    times(ad, &[("RunRemoteUsage", *run_remote), ("RunLocalUsage", *run_local)]);
    bytes(ad, &[("SentBytes", *sent_bytes), ("ReceivedBytes", *received_bytes)]);
    set_resources(ad, resources);
}

fn set_terminated(ad: &mut ClassAd, terminated: &Terminated) {
    set_ending(ad, &terminated.ending);
    times(
        ad,
        &[
            ("RunRemoteUsage", terminated.run_remote),
            ("RunLocalUsage", terminated.run_local),
            ("TotalRemoteUsage", terminated.total_remote),
            ("TotalLocalUsage", terminated.total_local),
        ],
    );
    bytes(
        ad,
        &[
            ("SentBytes", terminated.sent_bytes),
            ("ReceivedBytes", terminated.received_bytes),
            ("TotalSentBytes", terminated.total_sent_bytes),
            ("TotalReceivedBytes", terminated.total_received_bytes),
        ],
    );
    set_resources(ad, &terminated.resources);
}

fn set_ending(ad: &mut ClassAd, ending: &Ending) {
    match ending {
        Ending::Exited { code } => {
            ad.set("TerminatedNormally", true);
            ad.set("ReturnValue", i64::from(*code));
        }
        Ending::Signaled { signal, core_file } => {
            ad.set("TerminatedNormally", false);
            ad.set("TerminatedBySignal", i64::from(*signal));
            texts(ad, &[("CoreFile", core_file)]);
        }
    }
}

/// `CpusUsage`, `RequestCpus`, `Cpus`, `AssignedGPUs`.
fn set_resources(ad: &mut ClassAd, resources: &[ResourceUsage]) {
    for ResourceUsage { name, used, requested, allocated, assigned } in resources {
        for (name, amount) in [
            (format!("{name}Usage"), used),
            (format!("Request{name}"), requested),
            (name.clone(), allocated),
        ] {
            match amount {
                Some(Amount::Whole(n)) => ad.set(name, *n),
                Some(Amount::Real(x)) => ad.set(name, *x),
                Some(Amount::Text(text)) => set_written(ad, &[(name, text.clone())]),
                None => {}
            }
        }
        if let Some(assigned) = assigned {
            set_written(ad, &[(format!("Assigned{name}"), assigned.clone())]);
        }
    }
}

fn texts(ad: &mut ClassAd, all: &[(&str, &Option<String>)]) {
    for (name, text) in all {
        if let Some(text) = text {
            ad.set(*name, text.as_str());
        }
    }
}

fn bytes(ad: &mut ClassAd, all: &[(&str, u64)]) {
    for (name, n) in all {
        // HTCondor counts bytes in floating point.
        #[expect(clippy::cast_precision_loss, reason = "as HTCondor's are")]
        ad.set(*name, *n as f64);
    }
}

fn times(ad: &mut ClassAd, all: &[(&str, CpuTimes)]) {
    for (name, times) in all {
        ad.set(*name, times.to_string());
    }
}

fn completion_code(completion: Completion) -> i64 {
    match completion {
        Completion::Error(code) => i64::from(code),
        Completion::Incomplete => 0,
        Completion::Complete => 1,
        Completion::Paused => 2,
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
