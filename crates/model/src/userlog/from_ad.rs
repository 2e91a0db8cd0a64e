//! Ads of logs in JSON and XML as events: the way back of `ad`. As forgiving as `read`: what an ad
//! does not have is as in a text without that line.

use classad::{ClassAd, Expr, Value};
use jiff::tz::TimeZone;

use super::entry::{AdForm, EntryId, LogEntry, read_time};
use super::event::{
    COMMON_FILES_SENTENCES, Completion, Ending, Evicted, EvictedHow, ExecutableFault, Terminated,
    TransferStep, UserLogEvent,
};
use super::times::CpuTimes;
use super::usage::{Amount, ResourceUsage};
use crate::attr;
use crate::ids::{ClusterId, ProcId};

/// How a block of a log begins that is an ad, and the line that ends it.
const FORMS: [(char, AdForm, &str); 2] = [('<', AdForm::Xml, "</c>"), ('{', AdForm::Json, "}")];

/// What stands in the frame of every event, and is not its own.
const FRAME: [&str; 6] =
    [attr::MY_TYPE, "EventTypeNumber", "EventTime", "Cluster", "Proc", "Subproc"];

/// The form of a line's block, if it begins as an ad does, and the line that ends it.
pub(super) fn form_of(line: &str) -> Option<(AdForm, &'static str)> {
    let first = line.trim_start().chars().next()?;
    FORMS.iter().find(|(begins, ..)| *begins == first).map(|(_, form, end)| (*form, *end))
}

/// The numbers that the end of a run or a job has beside those of resources.
const NO_RESOURCES: [&str; 9] = [
    "Node",
    "ReturnValue",
    "TerminatedBySignal",
    "ReasonCode",
    "ReasonSubCode",
    "SentBytes",
    "ReceivedBytes",
    "TotalSentBytes",
    "TotalReceivedBytes",
];

/// The entry that a block is.
pub(super) fn read(block: &str, form: AdForm, zone: &TimeZone, year: i16) -> Option<LogEntry> {
    let ad = match form {
        AdForm::Json => ClassAd::parse_json(block).ok()?,
        AdForm::Xml => {
            // A document has a head, a log has none.
            let ad = block.get(block.find("<c>")?..)?;
            let mut ads = ClassAd::parse_xml_ads(&format!("<classads>\n{ad}\n</classads>")).ok()?;
            ads.pop()?
        }
    };
    entry(&Of(&ad), zone, year)
}

fn entry(ad: &Of<'_>, zone: &TimeZone, year: i16) -> Option<LogEntry> {
    let number = |name: &str| ad.int(name).and_then(|n| u32::try_from(n).ok());
    let at = read_time(&ad.text("EventTime")?.replacen('T', " ", 1), zone, year)?;
    let id = EntryId {
        // The first entry of a pool's log is about nobody.
        cluster: ClusterId(number("Cluster").unwrap_or(0)),
        proc: number("Proc").map(ProcId),
        subproc: number("Subproc").unwrap_or(0),
    };
    let kind = u16::try_from(number("EventTypeNumber")?).ok()?;
    Some(LogEntry { id, at, event: event(kind, ad)? })
}

fn event(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    match number {
        0..=8 => of_run(number, ad),
        9..=16 => of_decision(number, ad),
        21..=28 => of_connection(number, ad),
        29..=34 => of_small(number, ad),
        35..=38 | 40 | 46 | 47 => of_late(number, ad),
        _ => Some(UserLogEvent::Other {
            number,
            head: ad.text("EventHead").unwrap_or_default(),
            payload: ad
                .text("EventPayload")
                .filter(|text| !text.is_empty())
                .map(|text| text.split('\n').map(str::to_owned).collect())
                .unwrap_or_default(),
        }),
    }
}

fn of_run(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    Some(match number {
        0 => UserLogEvent::Submitted {
            host: ad.text("SubmitHost")?,
            log_notes: ad.text("LogNotes"),
            user_notes: ad.text("UserNotes"),
            warnings: ad.text("Warnings"),
        },
        1 => {
            let (host, slot_name, properties) = executing(ad)?;
            UserLogEvent::Executing { host, slot_name, properties }
        }
        2 => UserLogEvent::ExecutableError(match ad.int("ExecuteErrorType") {
            Some(2) => ExecutableFault::BadlyLinked,
            Some(_) | None => ExecutableFault::NotExecutable,
        }),
        3 => UserLogEvent::Checkpointed {
            run_remote: ad.times("RunRemoteUsage"),
            run_local: ad.times("RunLocalUsage"),
            sent_bytes: ad.amount("SentBytes").unwrap_or(0),
        },
        4 => UserLogEvent::Evicted(Box::new(evicted(ad)?)),
        5 => UserLogEvent::Terminated(Box::new(terminated(ad)?)),
        6 => UserLogEvent::ImageSize {
            image_kib: ad.amount("Size")?,
            memory_mib: ad.amount(attr::MEMORY_USAGE),
            resident_kib: ad.amount(attr::RESIDENT_SET_SIZE),
            proportional_kib: ad.amount("ProportionalSetSize"),
        },
        7 => UserLogEvent::ShadowException {
            message: ad.text("Message").unwrap_or_default(),
            sent_bytes: ad.amount("SentBytes").unwrap_or(0),
            received_bytes: ad.amount("ReceivedBytes").unwrap_or(0),
        },
        _ => UserLogEvent::Generic { text: ad.text("Info").unwrap_or_default() },
    })
}

fn of_decision(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    let node = || ad.int("Node").and_then(|n| u32::try_from(n).ok());
    Some(match number {
        9 => UserLogEvent::Aborted { reason: ad.text("Reason") },
        10 => UserLogEvent::Suspended {
            processes: ad.int("NumberOfPIDs").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        },
        11 => UserLogEvent::Unsuspended,
        12 => UserLogEvent::Held {
            reason: ad.text(attr::HOLD_REASON),
            code: ad.code(attr::HOLD_REASON_CODE),
            subcode: ad.code(attr::HOLD_REASON_SUB_CODE),
        },
        13 => UserLogEvent::Released { reason: ad.text("Reason") },
        14 => {
            let (host, slot_name, properties) = executing(ad)?;
            UserLogEvent::NodeExecuting { node: node()?, host, slot_name, properties }
        }
        15 => UserLogEvent::NodeTerminated { node: node()?, terminated: Box::new(terminated(ad)?) },
        _ => UserLogEvent::PostScriptTerminated {
            ending: ending(ad)?,
            dag_node: ad.text(attr::DAG_NODE_NAME),
        },
    })
}

fn of_connection(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    Some(match number {
        21 => UserLogEvent::RemoteError {
            critical: ad.truth("CriticalError").unwrap_or(true),
            daemon: ad.text("Daemon").unwrap_or_default(),
            host: ad.text("ExecuteHost").unwrap_or_default(),
            message: ad.text("ErrorMsg")?.split('|').map(str::to_owned).collect(),
            hold: ad
                .int(attr::HOLD_REASON_CODE)
                .map(|_| (ad.code(attr::HOLD_REASON_CODE), ad.code(attr::HOLD_REASON_SUB_CODE))),
        },
        22 => UserLogEvent::Disconnected {
            reason: ad.text("DisconnectReason")?,
            slot_name: ad.text("StartdName")?,
            startd: ad.text("StartdAddr")?,
        },
        23 => UserLogEvent::Reconnected {
            slot_name: ad.text("StartdName")?,
            startd: ad.text("StartdAddr")?,
            starter: ad.text("StarterAddr")?,
        },
        24 => UserLogEvent::ReconnectFailed {
            reason: ad.text("Reason")?,
            slot_name: ad.text("StartdName")?,
        },
        25 => UserLogEvent::GridResourceUp { resource: ad.text("GridResource")? },
        26 => UserLogEvent::GridResourceDown { resource: ad.text("GridResource")? },
        27 => UserLogEvent::GridSubmitted {
            resource: ad.text("GridResource")?,
            grid_job: ad.text("GridJobId")?,
        },
        _ => UserLogEvent::AdInformation { attributes: written(ad.0, &FRAME) },
    })
}

fn of_small(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    Some(match number {
        29 => UserLogEvent::StatusUnknown,
        30 => UserLogEvent::StatusKnown,
        31 => UserLogEvent::StageIn,
        32 => UserLogEvent::StageOut,
        33 => UserLogEvent::AttributeUpdated {
            name: ad.text("Attribute")?,
            old: ad.text("PriorValue"),
            new: ad.text("Value")?,
        },
        _ => UserLogEvent::PreSkipped { notes: ad.text("SkipEventLogNotes")? },
    })
}

fn of_late(number: u16, ad: &Of<'_>) -> Option<UserLogEvent> {
    Some(match number {
        35 => UserLogEvent::ClusterSubmitted {
            host: ad.text("SubmitHost")?,
            log_notes: ad.text("LogNotes"),
            user_notes: ad.text("UserNotes"),
        },
        36 => UserLogEvent::ClusterRemoved {
            jobs: ad.int("NextProcId").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            items: ad.int("NextRow").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            completion: match ad.code("Completion") {
                1 => Completion::Complete,
                2 => Completion::Paused,
                code if code < 0 => Completion::Error(code),
                _ => Completion::Incomplete,
            },
            notes: ad.text("Notes"),
        },
        37 => UserLogEvent::FactoryPaused {
            reason: ad.text("Reason"),
            pause_code: ad.code("PauseCode"),
            hold_code: ad.code("HoldCode"),
        },
        38 => UserLogEvent::FactoryResumed { reason: ad.text("Reason") },
        40 => {
            let nth = ad.int("Type").and_then(|n| usize::try_from(n).ok()?.checked_sub(1));
            UserLogEvent::FileTransfer {
                step: TransferStep::SENTENCES.get(nth?)?.0,
                queued_s: ad.amount("QueueingDelay"),
                host: ad.text("Host"),
            }
        }
        46 => UserLogEvent::DataflowSkipped { reason: ad.text("Reason") },
        _ => {
            let step = ad.text("Type")?;
            let is_known = COMMON_FILES_SENTENCES.iter().any(|(name, _)| *name == step);
            is_known.then_some(UserLogEvent::CommonFiles { step })?
        }
    })
}

type Slot = (String, Option<String>, Vec<(String, String)>);

fn executing(ad: &Of<'_>) -> Option<Slot> {
    let properties = match ad.0.literal("ExecuteProps").and_then(Value::as_ad) {
        Some(of_slot) => written(of_slot, &[]),
        None => match ad.0.get("ExecuteProps").map(ToString::to_string) {
            Some(text) => written(&ClassAd::parse_new(&text).ok()?, &[]),
            None => Vec::new(),
        },
    };
    Some((ad.text("ExecuteHost")?, ad.text("SlotName"), properties))
}

/// The attributes of an ad with their values as ClassAd text, but for those that are named.
fn written(ad: &ClassAd, but: &[&str]) -> Vec<(String, String)> {
    let is_own = |name: &str| but.iter().all(|other| !name.eq_ignore_ascii_case(other));
    let all = ad.iter().filter(|(name, _)| is_own(name.as_str()));
    all.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn evicted(ad: &Of<'_>) -> Option<Evicted> {
    let how = match (ad.truth("TerminatedAndRequeued"), ad.truth("Checkpointed")) {
        (Some(true), _) => EvictedHow::Requeued(ending(ad)?),
        (_, Some(true)) => EvictedHow::Checkpointed,
        (_, Some(false) | None) => EvictedHow::Stopped,
    };
    Some(Evicted {
        code: ad.int("ReasonCode").map(|_| (ad.code("ReasonCode"), ad.code("ReasonSubCode"))),
        how,
        run_remote: ad.times("RunRemoteUsage"),
        run_local: ad.times("RunLocalUsage"),
        sent_bytes: ad.amount("SentBytes").unwrap_or(0),
        received_bytes: ad.amount("ReceivedBytes").unwrap_or(0),
        reason: ad.text("Reason"),
        resources: resources(ad.0),
    })
}

fn terminated(ad: &Of<'_>) -> Option<Terminated> {
    let bytes = |name| ad.amount(name).unwrap_or(0);
    Some(Terminated {
        ending: ending(ad)?,
        run_remote: ad.times("RunRemoteUsage"),
        run_local: ad.times("RunLocalUsage"),
        total_remote: ad.times("TotalRemoteUsage"),
        total_local: ad.times("TotalLocalUsage"),
        sent_bytes: bytes("SentBytes"),
        received_bytes: bytes("ReceivedBytes"),
        total_sent_bytes: bytes("TotalSentBytes"),
        total_received_bytes: bytes("TotalReceivedBytes"),
        resources: resources(ad.0),
    })
}

fn ending(ad: &Of<'_>) -> Option<Ending> {
    match ad.truth("TerminatedNormally")? {
        true => Some(Ending::Exited { code: ad.code("ReturnValue") }),
        false => Some(Ending::Signaled {
            signal: ad.code("TerminatedBySignal"),
            core_file: ad.text("CoreFile"),
        }),
    }
}

/// The table of resources: of each something was asked for, used or given, which is a number.
fn resources(ad: &ClassAd) -> Vec<ResourceUsage> {
    let mut names: Vec<&str> = Vec::new();
    for (attribute, _) in ad.iter() {
        let attribute = attribute.as_str();
        let is_number = ad.literal(attribute).is_some_and(|value| value.as_f64().is_some());
        let is_frame =
            FRAME.iter().chain(&NO_RESOURCES).any(|own| own.eq_ignore_ascii_case(attribute));
        let name = attribute.strip_prefix("Request").or_else(|| attribute.strip_suffix("Usage"));
        let name = name.unwrap_or(attribute);
        if is_number && !is_frame && !names.contains(&name) {
            names.push(name);
        }
    }
    let row = |name: &str| ResourceUsage {
        name: name.to_owned(),
        used: ad.get(&format!("{name}Usage")).map(amount),
        requested: ad.get(&format!("Request{name}")).map(amount),
        allocated: ad.get(name).map(amount),
        assigned: ad.get(&format!("Assigned{name}")).map(ToString::to_string),
    };
    names.into_iter().map(row).collect()
}

fn amount(expr: &Expr) -> Amount {
    match expr.as_literal() {
        Some(Value::Integer(n)) => Amount::Whole(*n),
        Some(Value::Real(x)) => Amount::from(*x),
        Some(_) | None => Amount::Text(expr.to_string()),
    }
}

/// An event's ad, by the kinds of its values.
struct Of<'a>(&'a ClassAd);

impl Of<'_> {
    fn int(&self, name: &str) -> Option<i64> {
        self.0.literal(name)?.as_i64()
    }

    fn truth(&self, name: &str) -> Option<bool> {
        self.0.literal(name)?.as_bool()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.literal(name)?.as_str().map(str::to_owned)
    }

    fn code(&self, name: &str) -> i32 {
        self.int(name).and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
    }

    /// A number that is not below 0; HTCondor counts bytes in floating point.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is beyond is no size of a file"
    )]
    fn amount(&self, name: &str) -> Option<u64> {
        self.0.literal(name)?.as_f64().filter(|x| *x >= 0.0).map(|x| x as u64)
    }

    /// Zero if there is none.
    fn times(&self, name: &str) -> CpuTimes {
        self.text(name).and_then(|text| CpuTimes::read(&text)).unwrap_or_default()
    }
}
