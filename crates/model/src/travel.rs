//! Whether a job's files travel between the submit side and the machine, and by what.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use classad::ClassAd;
use serde::{Deserialize, Serialize};

use crate::{ProgramEnd, Universe, attr};

/// Whether the files of a job are brought to a machine of this `FileSystemDomain` and back
/// (HTCondor 25.14: `should_transfer_files`; with `IF_NEEDED` the domains decide). A job that runs
/// beside the schedd is where its files are.
pub fn files_travel(job: &ClassAd, file_system_domain: &str) -> bool {
    if Universe::of(job).is_beside() {
        return false;
    }
    let text = |name| job.literal(name).and_then(classad::Value::as_str);
    match text(attr::SHOULD_TRANSFER_FILES) {
        Some(should) if should.eq_ignore_ascii_case("YES") => true,
        Some(should) if should.eq_ignore_ascii_case("NO") => false,
        Some(_) | None => text(attr::FILE_SYSTEM_DOMAIN)
            .is_some_and(|domain| !domain.eq_ignore_ascii_case(file_system_domain)),
    }
}

/// The protocol of a URL, in lower case: what speaks it moves the file (HTCondor: a transfer
/// plug-in). `None` if the text is no URL.
pub fn url_scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// The items of a list of files in a job's ad.
pub fn file_items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// New names for outputs, from `TransferOutputRemaps`: `"a = b; c = d/e"`, where `\` takes the
/// meaning from the character after it.
pub fn output_remaps(text: &str) -> BTreeMap<String, String> {
    let mut remaps = BTreeMap::new();
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    let mut take = |parts: &mut Vec<String>| {
        if let [name, new] = &parts[..] {
            remaps.insert(name.trim().to_owned(), new.trim().to_owned());
        }
        *parts = vec![String::new()];
    };
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '\\' => parts[last].extend(chars.next()),
            '=' if parts.len() == 1 => parts.push(String::new()),
            ';' => take(&mut parts),
            c => parts[last].push(c),
        }
    }
    take(&mut parts);
    remaps
}

/// Whether a path names something below the folder that it starts from, and neither that folder nor
/// anything outside.
pub fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    parts.clone().next().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// What comes of the files of a job whose run is stopped before it has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEvict {
    /// Nothing: only what it said comes back.
    Nothing,
    /// They are kept for its next run.
    Keep,
    /// They come back to the submitter, as at its end.
    BringBack,
}

/// What a job says of that (HTCondor 25.14: `when_to_transfer_output = ON_EXIT_OR_EVICT`, and
/// `SpoolOnEvict`, true if the job does not say).
pub fn on_evict(job: &ClassAd) -> OnEvict {
    if Universe::of(job).is_beside() {
        return OnEvict::Nothing;
    }
    let when = job.literal(attr::WHEN_TO_TRANSFER_OUTPUT).and_then(classad::Value::as_str);
    if !when.is_some_and(|when| when.eq_ignore_ascii_case("ON_EXIT_OR_EVICT")) {
        return OnEvict::Nothing;
    }
    match job.literal("SpoolOnEvict").and_then(classad::Value::as_bool) {
        Some(false) => OnEvict::BringBack,
        Some(true) | None => OnEvict::Keep,
    }
}

/// The end of a run by which a job says that it has taken a checkpoint, and wants to be started
/// from it again (HTCondor 25.14: `checkpoint_exit_code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckpointEnd {
    /// This exit status.
    Exited(i32),
    /// This signal (`+SuccessCheckpointExitBySignal`).
    Signaled(i32),
}

impl CheckpointEnd {
    /// The exit status that is one.
    pub const EXIT_CODE: &str = attr::SUCCESS_CHECKPOINT_EXIT_CODE;

    /// Whether a signal is one.
    pub const BY_SIGNAL: &str = "SuccessCheckpointExitBySignal";

    /// What a job says of that; `None` if it takes no checkpoints.
    pub fn of(job: &ClassAd) -> Option<Self> {
        let number = |name| {
            let said = job.literal(name).and_then(classad::Value::as_i64);
            said.and_then(|n| i32::try_from(n).ok())
        };
        match job.literal(Self::BY_SIGNAL).is_some_and(classad::Value::is_true) {
            true => number("SuccessCheckpointExitSignal").map(Self::Signaled),
            false => number(Self::EXIT_CODE).map(Self::Exited),
        }
    }

    /// Whether a run ended so.
    pub fn is(self, end: ProgramEnd) -> bool {
        match (self, end) {
            (Self::Exited(said), ProgramEnd::Exited { code }) => said == code,
            (Self::Signaled(said), ProgramEnd::Signaled { signal, .. }) => said == signal,
            (Self::Exited(_) | Self::Signaled(_), _) => false,
        }
    }
}

/// Whether the schedd keeps files of a job from one run to the next: when it is evicted, or when it
/// has taken a checkpoint.
pub fn keeps_files(job: &ClassAd) -> bool {
    on_evict(job) == OnEvict::Keep || CheckpointEnd::of(job).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evicted_job_keeps_its_files_if_it_says_so() {
        for (text, expected) in [
            ("", OnEvict::Nothing),
            ("WhenToTransferOutput = \"ON_EXIT\"\nSpoolOnEvict = false", OnEvict::Nothing),
            ("WhenToTransferOutput = \"on_exit_or_evict\"", OnEvict::Keep),
            (
                "WhenToTransferOutput = \"ON_EXIT_OR_EVICT\"\nSpoolOnEvict = false",
                OnEvict::BringBack,
            ),
        ] {
            assert_eq!(on_evict(&ClassAd::parse_old(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn files_are_brought_where_the_disk_is_another_one() {
        let mut job = ClassAd::new();
        for (should, domain, travel) in [
            ("YES", "here", true),
            ("NO", "there", false),
            ("IF_NEEDED", "here", false),
            ("IF_NEEDED", "there", true),
        ] {
            job.set("ShouldTransferFiles", should);
            job.set("FileSystemDomain", domain);
            assert_eq!(files_travel(&job, "here"), travel, "{should} {domain}");
        }
        job.set("ShouldTransferFiles", "YES");
        job.set(attr::JOB_UNIVERSE, Universe::Local.number());
        assert!(!files_travel(&job, "here"), "beside the schedd");
    }

    #[test]
    fn only_what_names_a_protocol_is_a_url() {
        for (text, expected) in [
            ("HTTP://x/y", Some("http")),
            ("cred+https://x", Some("cred+https")),
            ("a/b", None),
            ("://x", None),
            ("a b://x", None),
        ] {
            assert_eq!(url_scheme(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_end_that_a_job_names_is_a_checkpoint() {
        let exited = |code| ProgramEnd::Exited { code };
        let killed = |signal| ProgramEnd::Signaled { signal, core: false };
        let by_signal = "SuccessCheckpointExitBySignal = true\nSuccessCheckpointExitSignal = 10";
        for (text, end, expected) in [
            ("", exited(85), None),
            ("SuccessCheckpointExitCode = 85", exited(85), Some(true)),
            ("SuccessCheckpointExitCode = 85", exited(0), Some(false)),
            ("SuccessCheckpointExitCode = 85", killed(85), Some(false)),
            (by_signal, killed(10), Some(true)),
            (by_signal, killed(9), Some(false)),
            (by_signal, exited(10), Some(false)),
            ("SuccessCheckpointExitBySignal = true", killed(0), None),
        ] {
            let job = ClassAd::parse_old(text).unwrap();
            let is = CheckpointEnd::of(&job).map(|checkpoint| checkpoint.is(end));
            assert_eq!(is, expected, "{text} {end:?}");
            assert_eq!(keeps_files(&job), expected.is_some(), "{text}");
        }
    }
}
