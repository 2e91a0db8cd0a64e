//! The folder that tells what a job found and left (`manifest = true`): `in`, the names at the top
//! of its folder before its program began; `out`, those when it had ended; `environment`, the
//! variables that it was started with. It lies in the folder in which the job runs: where that is
//! its scratch folder, `transfer` brings it back.
//!
//! A manifest that cannot be written is told in the startd's own log, and is no failure of the run
//! (as in HTCondor 25.14).

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use classad::{ClassAd, words};
use launcher::wire::Start;
use model::job_ad::manifest_folder;
use nix::fcntl::OFlag;
use proto::{plain_file, whole_file};
use serde::{Deserialize, Serialize};

/// What is noted of the manifest of a run begins with this, beside its scratch folder, where the
/// job has nothing to say; only for runs whose files do not travel.
const MARKER: &str = "manifest_of_";

/// The longest that is read of it.
const MARKER_MAX_BYTES: u64 = 64 * 1024;

/// Its permissions (HTCondor 25.14's).
const FOLDER_MODE: u32 = 0o700;

/// The manifest of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// What is listed.
    cwd: PathBuf,
    /// The folder in it that holds the manifest.
    name: String,
}

impl Manifest {
    /// What a job wants; none if it wants nothing. It runs in `cwd`.
    pub(crate) fn of(job: &ClassAd, cwd: &Path) -> Option<Self> {
        Some(Self { cwd: cwd.to_owned(), name: manifest_folder(job)? })
    }

    /// The folder, from the one in which the job runs.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Before the program begins.
    pub(crate) fn write_in(&self, start: &Start) {
        let environment = start.env.iter().map(|(name, value)| {
            let text = |bytes: &launcher::wire::OsBytes| {
                String::from_utf8_lossy(bytes.as_bytes()).into_owned()
            };
            format!("{}={}", text(name), text(value))
        });
        let environment = format!("{}\n", words::print_v2(environment));
        self.note(self.list("in").and_then(|()| self.write("environment", &environment)));
    }

    /// When everything of the run has ended.
    pub(crate) fn write_out(&self) {
        self.note(self.list("out"));
    }

    /// Keeps in mind, for [`of_ended`], that this run has one.
    pub(crate) fn mark(&self, scratch: &Path) {
        let marker = serde_json::to_vec(self).map_err(io::Error::from);
        self.note(marker.and_then(|text| whole_file::replace(&marker_of(scratch), 0o600, &text)));
    }

    fn path(&self, file: &str) -> PathBuf {
        self.cwd.join(&self.name).join(file)
    }

    fn list(&self, file: &str) -> io::Result<()> {
        let folder = self.cwd.join(&self.name);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        let entries = fs::read_dir(&self.cwd)?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = entries.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        let lines = names.iter().map(|name| format!("{}\n", name.to_string_lossy()));
        self.write(file, &lines.collect::<String>())
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true);
        plain_file::open(&self.path(file), options, OFlag::empty())?.write_all(text.as_bytes())
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            let folder = self.path("");
            tracing::warn!(folder = %folder.display(), %error, "cannot write a manifest");
        }
    }
}

/// The manifest of a run that has ended, whose files do not travel.
pub(crate) fn of_ended(scratch: &Path) -> Option<Manifest> {
    let mut options = OpenOptions::new();
    let marker = plain_file::open(&marker_of(scratch), options.read(true), OFlag::O_NOFOLLOW);
    serde_json::from_reader(marker.ok()?.take(MARKER_MAX_BYTES)).ok()
}

/// Forgets that a run has one, if it does.
pub(crate) fn forget(scratch: &Path) {
    // Most have none.
    let _ = fs::remove_file(marker_of(scratch));
}

fn marker_of(scratch: &Path) -> PathBuf {
    let mut name = OsString::from(MARKER);
    name.push(scratch.file_name().unwrap_or_default());
    scratch.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_marked_where_its_end_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("dir_1");
        fs::create_dir(&scratch).unwrap();
        let job = ClassAd::parse_old("ManifestDir = \"told\"").unwrap();
        assert_eq!(of_ended(&scratch), None);
        let manifest = Manifest::of(&job, Path::new("/home")).unwrap();
        manifest.mark(&scratch);
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "the job does not find it");
        assert_eq!(of_ended(&scratch), Some(manifest));
        forget(&scratch);
        assert_eq!(of_ended(&scratch), None);
    }
}
