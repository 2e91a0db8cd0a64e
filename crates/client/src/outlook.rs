//! What can be known of a submission before it is in the queue: jobs that no machine of the pool
//! can ever run, and folders for outputs that are not there. Whether that is a warning or an error
//! is the caller's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use classad::{AttrName, ClassAd, Value};
use jobspec::Diagnostic;
use jobspec::htcondor::{Submission, schedd_attributes};
use model::diagnostic::About;
use model::{JobId, Universe, attr};
use nix::unistd::{AccessFlags, access};

use crate::home::Home;
use crate::site::me;

/// Jobs of which it is asked whether they could ever run: those of a cluster mostly ask for the
/// same.
const ASKED_MOST: usize = 16;

/// Jobs whose folders are looked for. Of more it would take noticeable time, and mostly they have
/// the same.
const LOOKED_AT_MOST: usize = 10_000;

/// What speaks against a submission, as warnings. A pool that cannot be asked has nothing to say.
/// Outputs of jobs that are spooled stay with the schedd until they are fetched.
pub fn doubts(home: &Home, submission: &Submission, is_spooled: bool, now: i64) -> Vec<Diagnostic> {
    let mut doubts = never(home, submission, now);
    if !is_spooled {
        doubts.extend(missing_folders(submission));
    }
    doubts
}

fn never(home: &Home, submission: &Submission, now: i64) -> Vec<Diagnostic> {
    let asked = differing(submission, now);
    let ads = asked.iter().map(|(_, ad)| ad.clone()).collect::<Vec<_>>();
    let reasons = match ads.is_empty() {
        true => Vec::new(),
        false => home.negotiator().and_then(|mut pool| pool.never(ads)).unwrap_or_default(),
    };
    let told = asked.iter().zip(reasons).filter_map(|((job, _), reason)| {
        let message = format!("job {job}, {}", reason?);
        let warning = Diagnostic::warning(message).about(About::Submission);
        Some(warning.hint("no machine that the pool has now can run it; it waits until one comes"))
    });
    told.collect()
}

/// Jobs that may fare differently, by what matching looks at first: of each kind one.
fn differing(submission: &Submission, now: i64) -> Vec<(JobId, ClassAd)> {
    let mut kinds: BTreeMap<String, (JobId, ClassAd)> = BTreeMap::new();
    for (job, narrow) in submission.jobs_by(|name| matters(name.as_str())).take(LOOKED_AT_MOST) {
        if kinds.len() >= ASKED_MOST {
            break;
        }
        let told = narrow.iter().filter(|(name, _)| !is_universe(name.as_str()));
        let kind = told.map(|(name, expr)| format!("{name}={expr}\n")).collect();
        if Universe::of(&narrow).is_beside() || kinds.contains_key(&kind) {
            continue;
        }
        let ad = submission.ad(job).map(|ad| whole(job, &ad, now));
        kinds.extend(ad.map(|ad| (kind, (job, ad))));
    }
    let mut jobs: Vec<(JobId, ClassAd)> = kinds.into_values().collect();
    jobs.sort_by_key(|(job, _)| *job);
    jobs
}

fn matters(name: &str) -> bool {
    let starts = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts(attr::REQUEST_PREFIX)
        || name.eq_ignore_ascii_case(attr::REQUIREMENTS)
        || is_universe(name)
}

fn is_universe(name: &str) -> bool {
    name.eq_ignore_ascii_case(attr::JOB_UNIVERSE)
}

/// The ad with what the schedd adds to it.
fn whole(job: JobId, ad: &ClassAd, now: i64) -> ClassAd {
    let mut whole = schedd_attributes(job, now);
    whole.update(&ad.collapsed());
    let me = me();
    whole.set(attr::OWNER, me.as_str());
    whole
}

/// Folders into which outputs are to come and that are not there: the jobs would run, and be held.
fn missing_folders(submission: &Submission) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    let place = [attr::OUT, attr::ERR, attr::IWD, attr::TRANSFER_OUTPUT_REMAPS];
    for (job, ad) in submission.jobs_by(|name| is_one_of(name, &place)).take(LOOKED_AT_MOST) {
        for (command, name) in [("output", attr::OUT), ("error", attr::ERR)] {
            let Some(path) = output(&ad, name) else { continue };
            let Some(folder) = path.parent().map(Path::to_owned) else { continue };
            if seen.insert(folder.clone()) && !folder.is_dir() {
                missing.push((job, command, folder));
            }
        }
    }
    let Some((job, command, folder)) = missing.first() else { return Vec::new() };
    let others = match missing.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} others of other jobs"),
    };
    let folder = folder.display();
    let message = format!("the folder of job {job}'s {command} is not there: {folder}{others}");
    let warning = Diagnostic::warning(message).about(About::Submission);
    vec![
        warning.hint(format!("make it before the job ends, or the job is held: mkdir -p {folder}")),
    ]
}

fn is_one_of(name: &AttrName, names: &[&str]) -> bool {
    names.iter().any(|one| name.as_str().eq_ignore_ascii_case(one))
}

/// Where an output is to be, if that is a place on this machine.
fn output(ad: &ClassAd, name: &str) -> Option<PathBuf> {
    let text = |name: &str| ad.literal(name).and_then(Value::as_str);
    let path = text(name).filter(|path| !path.is_empty() && !path.contains("://"))?;
    let is_remapped = text(attr::TRANSFER_OUTPUT_REMAPS).is_some_and(|remaps| {
        let base = path.rsplit('/').next().unwrap_or(path);
        remaps.split(';').filter_map(|one| one.split_once('=')).any(|(from, _)| {
            let from = from.trim();
            from == path || from == base || path.starts_with(&format!("{from}/"))
        })
    });
    (!is_remapped).then(|| Path::new(text(attr::IWD).unwrap_or("/")).join(path))
}

/// Makes the folders of the jobs' event logs, as HTCondor's submit does: a log that cannot be
/// written is missed too late.
pub(crate) fn make_log_folders(submission: &Submission) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut failed = Vec::new();
    for (_, ad) in submission.jobs_by(|name| is_one_of(name, &[attr::USER_LOG, attr::IWD])) {
        let text = |name: &str| ad.literal(name).and_then(Value::as_str);
        let Some(log) = text(attr::USER_LOG).filter(|log| !log.is_empty()) else { continue };
        let path = Path::new(text(attr::IWD).unwrap_or("/")).join(log);
        if let Some(why) = takes_no_entries(&path)
            && seen.insert(path.clone())
        {
            let message = format!("no event is kept in the log {}: {why}", path.display());
            failed.push(Diagnostic::warning(message).about(About::Submission));
        }
        let Some(folder) = path.parent() else { continue };
        if !seen.insert(folder.to_owned()) || folder.is_dir() {
            continue;
        }
        if let Err(error) = fs::create_dir_all(folder) {
            let folder = folder.display();
            let message = format!("make the folder of the event log, {folder}: {error}");
            failed.push(Diagnostic::warning(message).about(About::Submission));
        }
    }
    failed
}

/// Why what stands at the path of an event log is none that the schedd writes. `/dev/null` is how
/// one says that none is wanted.
fn takes_no_entries(path: &Path) -> Option<&'static str> {
    let found = fs::metadata(path).ok()?;
    if found.is_dir() {
        Some("it is a folder")
    } else if found.is_file() {
        let is_read_only = access(path, AccessFlags::W_OK).is_err();
        is_read_only.then_some("it may not be written")
    } else {
        (path != Path::new("/dev/null")).then_some("it is a pipe or a device, not a plain file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_events_is_told_at_submission() {
        let folder = tempfile::tempdir().unwrap();
        let (log, pipe) = (folder.path().join("log"), folder.path().join("pipe"));
        fs::write(&log, "").unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, why) in [
            (log.as_path(), None),
            (Path::new("/dev/null"), None),
            (folder.path().join("none").as_path(), None),
            (folder.path(), Some("it is a folder")),
            (pipe.as_path(), Some("it is a pipe or a device, not a plain file")),
            (Path::new("/dev/zero"), Some("it is a pipe or a device, not a plain file")),
        ] {
            assert_eq!(takes_no_entries(path), why, "{}", path.display());
        }
    }

    #[test]
    fn an_output_is_at_a_place_unless_it_is_a_url_or_goes_elsewhere() {
        for (lines, expected) in [
            ("Out = \"o/x\"", Some("/home/al/o/x")),
            ("Out = \"/tmp/x\"", Some("/tmp/x")),
            ("Out = \"s3://bucket/x\"", None),
            ("Out = \"o/x\"\nTransferOutputRemaps = \"x = keep/x\"", None),
            ("Out = \"o/x\"\nTransferOutputRemaps = \"y=keep/y\"", Some("/home/al/o/x")),
            ("Err = \"o/x\"", None),
        ] {
            let text = format!("Iwd = \"/home/al\"\n{lines}\n\n");
            let ad = ClassAd::parse_old_ads(&text).unwrap().remove(0);
            assert_eq!(output(&ad, attr::OUT), expected.map(PathBuf::from), "{lines}");
        }
    }

    #[test]
    fn requests_and_requirements_tell_kinds_of_jobs_apart() {
        let told = ["RequestMemory", "requestgpus", "Requirements", "Arguments", "Req"];
        assert_eq!(told.map(matters), [true, true, true, false, false]);
    }
}
