//! What must hold for any input of the readers beside ClassAd's: submit descriptions, PBS scripts,
//! DAG files, the configuration, the user's event log, and what comes over the wire.
//! `fuzz/fuzz_targets/` includes this file too.

use std::collections::BTreeMap;
use std::fmt::Debug;

use dagman::language::{Diagnostic, Lines, by_grammar, parse};
use dagman::workflow::{self, FileError, Files, assemble, check};
use jiff::tz::TimeZone;
use jobspec::config::Configuration;
use jobspec::htcondor::{self, SubmitOptions};
use jobspec::pbs::{self, Caller, Moment, NoScript, NumberedFor, Refusal};
use model::ClusterId;
use model::queues::QueueSettings;
use model::userlog::Entries;
use proto::claiming::{FromStartd, ToStartd};
use proto::client::{Answer, AskNegotiator, AskSchedd, AskStartd, Recorded, Request};
use proto::files::{FilesAnswer, FilesFor, Piece};
use proto::frame::{decode, encode};
use proto::joining::{AskPool, PoolSays, ToMachine};
use proto::matchmaking::{FromMachine, FromSchedd, ToSchedd};
use proto::net::Hello;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[path = "../../../crates/jobspec/tests/bare/site.rs"]
mod site;

/// No queue statement makes more jobs here.
const MOST_JOBS: u32 = 200;

/// Any text is jobs or messages, and each message can be shown.
pub fn submit_description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(description) = htcondor::parse(&text, "any.sub") else { return };
    let options =
        SubmitOptions { max_jobs: Some(MOST_JOBS), warn_unused: true, ..SubmitOptions::default() };
    let expanded = description.expand(&site::Bare::new(), &mut || Ok(ClusterId(1)), &options);
    let told = match expanded {
        Ok(submission) => {
            assert!(submission.jobs().count() <= MOST_JOBS as usize);
            submission.warnings
        }
        Err(diagnostics) => diagnostics,
    };
    assert!(told.iter().all(|diagnostic| !diagnostic.render().is_empty()));
}

/// Any script is a job or a refusal with an exit code; what is a job is one under any number.
pub fn pbs_script(bytes: &[u8]) {
    let caller = OneScript { script: bytes.to_vec(), environ: BTreeMap::new() };
    match pbs::qsub(&["script".to_owned()], &caller) {
        Ok(submission) => {
            let words = ["pbs_job".to_owned()];
            let numbered =
                NumberedFor { cluster: ClusterId(7), program: "/bin/updraft", words: &words };
            drop(submission.cluster(&numbered, &site::Bare::new(), &caller));
        }
        Err(refusal) => assert!(refusal.exit != 0 && !refusal.to_string().is_empty()),
    }
}

/// A caller with one script, at a server with its queue of the beginning.
struct OneScript {
    script: Vec<u8>,
    environ: BTreeMap<String, String>,
}

impl Caller for OneScript {
    fn environ(&self) -> &BTreeMap<String, String> {
        &self.environ
    }

    fn user(&self) -> &'static str {
        "alice"
    }

    fn group(&self) -> &'static str {
        "alice"
    }

    fn is_in(&self, group: &str) -> bool {
        group == self.group()
    }

    fn home(&self) -> &'static str {
        "/home/alice"
    }

    fn shell(&self) -> &'static str {
        "/bin/bash"
    }

    fn cwd(&self) -> &'static str {
        "/home/alice/work"
    }

    fn server(&self) -> &'static str {
        "pbshost"
    }

    fn queues(&self) -> Result<QueueSettings, Refusal> {
        Ok(QueueSettings::default())
    }

    fn script(&self, _: &str) -> Result<Vec<u8>, NoScript> {
        Ok(self.script.clone())
    }

    fn stdin(&self) -> Result<Vec<u8>, NoScript> {
        Err(NoScript::NotAFile)
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn is_folder(&self, path: &str) -> bool {
        path.ends_with('/')
    }

    fn seconds(&self, _: Moment) -> Option<i64> {
        Some(1_800_000_000)
    }
}

/// Any text is a workflow or messages that can be shown; what is read the fast way is what the
/// grammar says.
pub fn dag_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in Lines::new(&text) {
        assert_eq!(parse(&line), by_grammar(&line), "{line:?}");
    }
    let dag = OneDag(text.into_owned());
    let options = workflow::Options::new(vec![OneDag::NAME.to_owned()]);
    let told = match assemble(&options, &dag) {
        Ok(assembled) => {
            let mut told = check(&assembled.workflow, &dag);
            told.extend(assembled.warnings);
            told
        }
        Err(diagnostics) => diagnostics,
    };
    assert!(told.iter().map(Diagnostic::render).all(|told| !told.is_empty()));
}

/// One DAG file; every other exists and is empty.
struct OneDag(String);

impl OneDag {
    const NAME: &str = "any.dag";
}

impl Files for OneDag {
    fn read(&self, path: &str) -> Result<String, FileError> {
        Ok(if path == Self::NAME { self.0.clone() } else { String::new() })
    }

    fn exists(&self, _: &str) -> bool {
        true
    }
}

/// Any text is settings or a message; what was read can be asked for.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let site = site::Bare::new();
    let mut settings = Configuration::default();
    if let Err(refused) = settings.read(&text, "config", &site) {
        assert!(!refused.render().is_empty());
    }
    for assignment in settings.assignments() {
        drop(settings.value(None, &assignment.name, &site));
        drop(settings.value(Some("SCHEDD"), &assignment.name, &site));
    }
    drop(settings.unused(&site));
}

/// Any text is events and pieces that are none; no more is consumed than there is, and what was
/// read can be written.
pub fn event_log(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let zone = TimeZone::UTC;
    let mut entries = Entries::new(&text, &zone, 2026);
    while let Some(entry) = entries.next() {
        assert!(
            text.is_char_boundary(entries.consumed()),
            "{} of {}",
            entries.consumed(),
            text.len()
        );
        if let Ok(entry) = entry
            && let Some(job) = entry.id.job()
        {
            assert!(!entry.event.render(job, entry.at, &zone).is_empty());
        }
    }
}

/// Any bytes are a message of the wire or are refused; what was read can be sent, and arrives as it
/// was.
pub fn wire(bytes: &[u8]) {
    arrives::<Hello>(bytes);
    arrives::<Request<AskSchedd>>(bytes);
    arrives::<Request<AskNegotiator>>(bytes);
    arrives::<Request<AskStartd>>(bytes);
    arrives::<Answer>(bytes);
    arrives::<Recorded>(bytes);
    arrives::<ToStartd>(bytes);
    arrives::<FromStartd>(bytes);
    arrives::<FromSchedd>(bytes);
    arrives::<ToSchedd>(bytes);
    arrives::<FromMachine>(bytes);
    arrives::<ToMachine>(bytes);
    arrives::<AskPool>(bytes);
    arrives::<PoolSays>(bytes);
    arrives::<FilesFor>(bytes);
    arrives::<FilesAnswer>(bytes);
    arrives::<Piece>(bytes);
}

fn arrives<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(message) = decode::<T>(bytes) else { return };
    let sent = encode(&message).expect("what was read can be sent");
    let arrived = decode::<T>(&sent).expect("what was sent can be read");
    // By its text: a NaN is not equal to itself.
    assert_eq!(format!("{arrived:?}"), format!("{message:?}"));
}

/// Messages of every kind, for inputs to be made from.
pub fn some_messages() -> Vec<Vec<u8>> {
    let sent = |bytes: Result<bytes::Bytes, proto::frame::FrameError>| {
        bytes.map(|bytes| bytes.to_vec()).unwrap_or_default()
    };
    let beat = model::Beat { life: 7, sent_ms: 1000 };
    let hello = Hello {
        protocol: proto::net::PROTOCOL,
        version: "0.1.0".to_owned(),
        role: proto::net::Role::Schedd("s".to_owned()),
        generation: 2,
    };
    let token = model::SubmitToken([7; 16]);
    vec![
        sent(encode(&hello)),
        sent(encode(&ToStartd::Echo { beat })),
        sent(encode(&FromStartd::Beat { beat })),
        sent(encode(&AskSchedd::Totals)),
        sent(encode(&AskSchedd::ReserveCluster { token })),
        sent(encode(&Answer::Reserved(ClusterId(3)))),
        sent(encode(&Answer::Done)),
    ]
}
