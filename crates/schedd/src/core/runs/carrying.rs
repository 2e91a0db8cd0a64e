//! Which files of the submitter's a machine may have for a run: whether the run is its own, and
//! which paths its job names. How they are read and written is a shell's matter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use classad::{ClassAd, Value};
use model::{MachineName, Now, attr, file_items, output_remaps, url_scheme};
use proto::files::FilesFor;

use crate::core::state::core::Core;

impl Core {
    /// The paths that a machine may read and write below for a run; `None` if it is not the run
    /// that the claim of that machine has now.
    pub fn files_for(
        &self,
        now: Now,
        machine: &MachineName,
        wanted: &FilesFor,
    ) -> Option<Vec<PathBuf>> {
        let record = &self.claims.get(&wanted.claim)?.record;
        let is_its_own = record.machine == *machine
            && record.secret == wanted.secret
            && record.run == Some(wanted.run);
        if !is_its_own {
            return None;
        }
        Some(paths(&self.run_ad(now, wanted.run.job)?))
    }
}

/// What a job's files are at, or below.
fn paths(job: &ClassAd) -> Vec<PathBuf> {
    let text =
        |name: &str| job.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let iwd = Path::new(text(attr::IWD).unwrap_or("/"));
    let mut all = BTreeSet::from([iwd.to_owned()]);
    let inputs = file_items(text(attr::TRANSFER_INPUT).unwrap_or_default());
    let inputs = inputs.map(|item| item.strip_prefix("file://").unwrap_or(item));
    let inputs = inputs.filter(|item| url_scheme(item).is_none()).map(|item| iwd.join(item));
    all.extend(inputs);
    all.extend([attr::CMD, attr::IN].iter().filter_map(|name| Some(iwd.join(text(name)?))));
    // A file is written beside its name first.
    let above = |path: PathBuf| path.parent().map(Path::to_owned);
    let outputs = [attr::OUT, attr::ERR, attr::JOB_STARTER_LOG];
    let outputs = outputs.iter().filter_map(|name| above(iwd.join(text(name)?)));
    all.extend(outputs);
    let remaps = output_remaps(text(attr::TRANSFER_OUTPUT_REMAPS).unwrap_or_default());
    let remaps = remaps.into_iter().filter(|(_, to)| url_scheme(to).is_none());
    all.extend(remaps.filter_map(|(_, to)| above(iwd.join(to))));
    // What leads to a device (`/dev/null`) is in a folder that is nobody's.
    all.retain(|path| path.as_path() != Path::new("/dev") && path.as_path() != Path::new("/"));
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_may_have_what_the_job_names_and_no_folder_above_it() {
        let mut job = ClassAd::new();
        for (name, value) in [
            (attr::IWD, "/home/u/work"),
            (attr::CMD, "/home/u/bin/program"),
            (attr::IN, "/data/in"),
            (attr::OUT, "/dev/null"),
            (attr::ERR, "/logs/u/err"),
            (attr::TRANSFER_INPUT, "a, sub/b, /data/c, https://host/d, file:///data/e"),
            (attr::TRANSFER_OUTPUT_REMAPS, "x=/results/x; y = s3://bucket/y"),
        ] {
            job.set(name, value);
        }
        let expected = [
            "/data/c",
            "/data/e",
            "/data/in",
            "/home/u/bin/program",
            "/home/u/work",
            "/home/u/work/a",
            "/home/u/work/sub/b",
            "/logs/u",
            "/results",
        ];
        assert_eq!(paths(&job), expected.map(PathBuf::from));
    }
}
