//! Which files of the submitter's a machine may have for a run: whether the run is its own, and
//! which paths its job names. How they are read and written is a shell's matter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use classad::ClassAd;
use model::job_ad::{StarterLog, Streams, Transfer, initial_directory};
use model::{MachineName, Now};
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
        Some(paths(&self.run_ad(now, record)?))
    }
}

/// What a job's files are at, or below.
fn paths(job: &ClassAd) -> Vec<PathBuf> {
    let iwd = initial_directory(job).unwrap_or(Path::new("/"));
    let (transfer, streams) = (Transfer::of(job), Streams::of(job));
    let mut all = BTreeSet::from([iwd.to_owned()]);
    all.extend(transfer.input_paths().map(|path| iwd.join(path)));
    all.extend(transfer.program.map(|program| iwd.join(program)));
    all.extend(streams.stdin.map(|stdin| stdin.below(iwd)));
    // A file is written beside its name first.
    let above = |path: PathBuf| path.parent().map(Path::to_owned);
    let outputs = [streams.stdout, streams.stderr];
    let outputs = outputs.into_iter().flatten().map(|stream| stream.below(iwd));
    let log = StarterLog::of(job).and_then(|log| log.target).map(PathBuf::from);
    let renamed = transfer.renamed_paths().map(|(_, new)| iwd.join(new));
    all.extend(outputs.chain(log).chain(renamed).filter_map(above));
    // What leads to a device is in a folder that is nobody's.
    all.retain(|path| path.as_path() != Path::new("/dev") && path.as_path() != Path::new("/"));
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use model::attr;

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
