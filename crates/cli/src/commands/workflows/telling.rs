//! dagman.out as it grows: only what was added is read, so that a DAG of a million nodes can be
//! looked at each second. What its lines mean, `dagman::record::story` knows.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use dagman::record::story::{Reader, Story};
use jiff::tz::TimeZone;
use model::ClusterId;
use proto::plain_file;

/// Read at once: the file may have gigabytes.
const PIECE: u64 = 1 << 20;

/// What dagman tells of a DAG.
pub(super) struct Telling {
    path: PathBuf,
    /// The file that was read, and up to where.
    inode: u64,
    read_to: u64,
    /// The job whose run is told.
    job: ClusterId,
    reader: Reader,
}

impl Telling {
    /// Of the run of `job` in the file at `path`, of which nothing was read yet.
    pub(super) fn of(path: impl Into<PathBuf>, job: ClusterId) -> Self {
        let reader = Reader::of_job(TimeZone::system(), job.0);
        Self { path: path.into(), inode: 0, read_to: 0, job, reader }
    }

    /// What it comes to now.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn now(&mut self) -> io::Result<&Story> {
        let mut file = plain_file::read(&self.path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if about.ino() != self.inode || about.len() < self.read_to {
            // another file, or one that was emptied
            let path = std::mem::take(&mut self.path);
            *self = Self { inode: about.ino(), ..Self::of(path, self.job) };
        }
        file.seek(SeekFrom::Start(self.read_to))?;
        let mut piece = Vec::new();
        loop {
            // What was not whole of the last piece is in front.
            let read = file.by_ref().take(PIECE).read_to_end(&mut piece)?;
            self.read_to += read as u64;
            let whole = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.reader.take(&String::from_utf8_lossy(&piece[..whole]));
            piece.drain(..whole);
            if (read as u64) < PIECE {
                break;
            }
        }
        // Read again the next time, with its rest.
        self.read_to -= piece.len() as u64;
        Ok(self.reader.story())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_what_was_added_is_read_and_another_file_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.dag.dagman.out");
        let up = "01/01/70 00:00:01 ** condor_scheduniv_exec.7.0 (CONDOR_DAGMAN) STARTING UP\n";
        let submit = |n: &str| {
            format!("01/01/70 00:00:01 Event: ULOG_SUBMIT for HTCondor Node {n} (2.0.0) {{x}}\n")
        };
        let mut telling = Telling::of(&path, ClusterId(7));
        assert!(telling.now().is_err());
        let names = |telling: &mut Telling| {
            telling.now().unwrap().nodes.keys().cloned().collect::<String>()
        };
        fs::write(&path, up.to_owned() + &submit("A")).unwrap();
        assert_eq!(names(&mut telling), "A");
        let both = up.to_owned() + &submit("A") + &submit("B");
        fs::write(&path, &both[..both.len() - 20]).unwrap();
        assert_eq!(names(&mut telling), "A");
        fs::write(&path, both).unwrap();
        assert_eq!(names(&mut telling), "AB");
        assert_eq!(telling.read_to, fs::metadata(&path).unwrap().len());
        fs::write(&path, up.to_owned() + &submit("C")).unwrap();
        assert_eq!(names(&mut telling), "C", "it is shorter than it was");
    }
}
