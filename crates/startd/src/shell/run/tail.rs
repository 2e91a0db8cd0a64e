//! Reads files of a run that executes, for `tail`. It opens what the job writes to and files in the
//! folder in which it runs, and nothing else; it changes nothing.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use classad::ClassAd;
use model::job_ad::{Stream, Streams, initial_directory};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use proto::client::{Answer, ReadFrom, Refusal, RunFile};
use proto::files::Blob;
use proto::net::chain;
use proto::plain_file;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::shell::engine::{EngineInput, OwnersInput};
use crate::shell::files::transfer::{STDERR, STDOUT};
use crate::shell::run::entry::{Asker, place_for};
use crate::shell::run::environment::JOB_AD;
use crate::shell::run::shown::{Shown, Wanted};

/// The most bytes in one answer: far below the longest frame, and what a person can look at.
const PART_MAX_BYTES: u32 = 256 << 10;

/// The longest ad of a job that is read: no message carries a longer one.
const AD_MAX_BYTES: u64 = 16 << 20;

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
enum TailError {
    #[error("read {0}: a name of a file in the job's folder is wanted, such as out.txt or logs/a")]
    Outside(String),
    #[error("read the {0} of the job: it has none")]
    NoFile(&'static str),
    #[error("read {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Answers a command.
pub(crate) async fn answer(
    engine: &mpsc::Sender<EngineInput>,
    asker: &Asker,
    wanted: Wanted,
) -> Answer {
    let place = match place_for(engine, asker, wanted.job).await {
        Ok(place) => place,
        Err(refusal) => return Answer::Refused(refusal),
    };
    let shown = match place.is_owners {
        true => {
            let (answer, answered) = oneshot::channel();
            let read = OwnersInput::Read { key: place.key, wanted, answer };
            let read = EngineInput::Owners(Box::new(read));
            // An engine that has ended answers nobody.
            let _ = engine.send(read).await;
            answered.await.map_err(|_| "the process of its user that reads it is gone")
        }
        false => {
            let shown = spawn_blocking(move || show(&place.scratch, &wanted)).await;
            shown.map_err(|_| "the startd is stopping")
        }
    };
    match shown {
        Ok(Ok((offset, Blob(bytes)))) => Answer::FilePart { offset, bytes },
        Ok(Err(why)) => Answer::Refused(Refusal::Invalid(why)),
        Err(why) => Answer::Refused(Refusal::Busy(why.to_owned())),
    }
}

/// Reads what is wanted.
pub(crate) fn show(scratch: &Path, wanted: &Wanted) -> Shown {
    let read = read(scratch, wanted).map_err(|error| chain(&error));
    read.map(|(offset, bytes)| (offset, Blob(bytes)))
}

fn read(scratch: &Path, wanted: &Wanted) -> Result<(u64, Vec<u8>), TailError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        |source| TailError::Read { path, source }
    };
    let ad = scratch.join(JOB_AD);
    let job = own_text(&ad).map_err(failed(&ad))?;
    let job = ClassAd::parse_old(&job)
        .map_err(|error| failed(&ad)(io::Error::other(error.to_string())))?;
    let path = path(scratch, &job, &wanted.file)?;
    part(&path, wanted.from, wanted.max_bytes).map_err(failed(&path))
}

/// Where a file is: where files are brought to the job, it runs in its scratch folder; otherwise in
/// its initial directory.
fn path(scratch: &Path, job: &ClassAd, file: &RunFile) -> Result<PathBuf, TailError> {
    let iwd = initial_directory(job).unwrap_or(scratch);
    let streams = Streams::of(job);
    // What the job writes to is in its scratch folder only where it is brought back from there.
    let written = |stream: Option<Stream<'_>>, brought: &str, what| {
        let brought = scratch.join(brought);
        if brought.exists() {
            return Ok(brought);
        }
        stream.map(|stream| stream.below(iwd)).ok_or(TailError::NoFile(what))
    };
    match file {
        RunFile::Stdout => written(streams.stdout, STDOUT, "standard output"),
        RunFile::Stderr => {
            let brought = if streams.are_one() { STDOUT } else { STDERR };
            written(streams.stderr, brought, "standard error")
        }
        RunFile::Named(name) => {
            let inside = Path::new(name).components().all(|part| match part {
                Component::Normal(_) | Component::CurDir => true,
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => false,
            });
            if !inside || name.is_empty() {
                return Err(TailError::Outside(name.clone()));
            }
            let brought = scratch.join(name);
            Ok(if brought.exists() { brought } else { iwd.join(name) })
        }
    }
}

/// What was written there before the run began, and the job can put something else in the place of.
fn own_text(path: &Path) -> io::Result<String> {
    let file = plain_file::open(path, OpenOptions::new().read(true), OFlag::O_NOFOLLOW)?;
    let mut text = String::new();
    if file.take(AD_MAX_BYTES + 1).read_to_string(&mut text)? as u64 > AD_MAX_BYTES {
        return Err(Errno::EFBIG.into());
    }
    Ok(text)
}

fn part(path: &Path, from: ReadFrom, max_bytes: u32) -> io::Result<(u64, Vec<u8>)> {
    let limit = u64::from(max_bytes.min(PART_MAX_BYTES));
    let mut file = plain_file::open(path, OpenOptions::new().read(true), OFlag::empty())?;
    let found = file.metadata()?;
    let offset = match from {
        ReadFrom::End => found.len().saturating_sub(limit),
        ReadFrom::Offset(offset) => offset,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((offset, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use model::JobId;

    use super::*;

    fn check(lines: &str, file: RunFile, from: ReadFrom, expected: Result<(u64, &str), &str>) {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, home) = (folder.path().join("scratch"), folder.path().join("home"));
        fs::create_dir(&scratch).unwrap();
        fs::create_dir(&home).unwrap();
        fs::write(home.join("out"), "0123456789").unwrap();
        fs::write(home.join("err"), "bad").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let ad = format!("Iwd = \"{}\"\n{lines}\n", home.display());
        fs::write(scratch.join(JOB_AD), ad).unwrap();
        let wanted = Wanted { job: JobId::new(1, 0), file, from, max_bytes: 4 };
        let found = read(&scratch, &wanted).map_err(|error| error.to_string());
        match (found, expected) {
            (Ok((offset, bytes)), Ok((at, text))) => {
                assert_eq!((offset, bytes.as_slice()), (at, text.as_bytes()));
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, and not {expected:?}"),
        }
    }

    #[test]
    fn what_the_job_puts_in_the_place_of_its_ad_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let ad = folder.path().join(JOB_AD);
        let wanted =
            |from| Wanted { job: JobId::new(1, 0), file: RunFile::Stdout, from, max_bytes: 4 };
        let refused = |what: &str| {
            let refused = read(folder.path(), &wanted(ReadFrom::End));
            assert!(matches!(refused, Err(TailError::Read { .. })), "{what}: {refused:?}");
            fs::remove_file(&ad).unwrap();
        };
        std::os::unix::fs::symlink("/dev/zero", &ad).unwrap();
        refused("a device");
        nix::unistd::mkfifo(&ad, nix::sys::stat::Mode::S_IRWXU).unwrap();
        refused("a pipe");
        File::create(&ad).unwrap().set_len(AD_MAX_BYTES + 1).unwrap();
        refused("a file without end");
    }

    #[test]
    fn what_a_job_writes_is_shown_and_nothing_outside_of_its_folder() {
        let lines = "Out = \"out\"\nErr = \"err\"";
        let named = |name: &str| RunFile::Named(name.to_owned());
        check(lines, RunFile::Stdout, ReadFrom::End, Ok((6, "6789")));
        check(lines, RunFile::Stdout, ReadFrom::Offset(8), Ok((8, "89")));
        check(lines, RunFile::Stdout, ReadFrom::Offset(99), Ok((99, "")));
        check(lines, RunFile::Stderr, ReadFrom::End, Ok((0, "bad")));
        check(lines, named("err"), ReadFrom::End, Ok((0, "bad")));
        check(lines, named("nothing"), ReadFrom::End, Err("nothing"));
        check(lines, named("../secret"), ReadFrom::End, Err("in the job's folder"));
        check(lines, named("/etc/passwd"), ReadFrom::End, Err("in the job's folder"));
        check("Out = \"/dev/null\"", RunFile::Stdout, ReadFrom::End, Err("it has none"));
    }
}
