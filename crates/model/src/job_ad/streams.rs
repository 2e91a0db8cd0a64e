//! Standard input, output and error of a job.

use std::path::{Path, PathBuf};

use classad::ClassAd;

use crate::attr;
use crate::job_ad::{is_false, is_true, text};

/// The file that stands for none.
pub const NULL: &str = "/dev/null";

/// The three streams of a job; none where there is nothing to read or nobody to read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams<'a> {
    pub stdin: Option<Stream<'a>>,
    pub stdout: Option<Stream<'a>>,
    pub stderr: Option<Stream<'a>>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// As the job says it: from the initial directory, or absolute.
    pub path: &'a str,
    /// Whether it is read or written at its place all the time (`stream_output = true`), instead of
    /// being brought.
    pub in_place: bool,
    /// Whether it goes with the job's files, where those go (`transfer_output = false`: not).
    pub travels: bool,
}

impl<'a> Streams<'a> {
    /// Those of this job.
    pub fn of(job: &'a ClassAd) -> Self {
        let stream = |name, in_place, travels| {
            let path = text(job, name).filter(|path| *path != NULL)?;
            Some(Stream {
                path,
                in_place: is_true(job, in_place),
                travels: !is_false(job, travels),
            })
        };
        Self {
            stdin: stream(attr::IN, attr::STREAM_IN, attr::TRANSFER_IN),
            stdout: stream(attr::OUT, attr::STREAM_OUT, attr::TRANSFER_OUT),
            stderr: stream(attr::ERR, attr::STREAM_ERR, attr::TRANSFER_ERR),
        }
    }

    /// Whether output and error are one file.
    pub fn are_one(&self) -> bool {
        let path = |stream: Option<Stream<'a>>| stream.map(|stream| stream.path);
        path(self.stdout) == path(self.stderr)
    }
}

impl Stream<'_> {
    /// Where it is, from this folder.
    pub fn below(&self, folder: impl AsRef<Path>) -> PathBuf {
        folder.as_ref().join(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_nothing_is_none_and_two_of_one_path_are_one() {
        for (ad, stdout, are_one) in [
            ("", None, true),
            ("Out = \"/dev/null\"\nErr = \"\"", None, true),
            ("Out = \"o\"\nErr = \"/dev/null\"", Some("o"), false),
            ("Out = \"o\"\nErr = \"o\"", Some("o"), true),
            ("Out = \"o\"\nErr = \"./o\"", Some("o"), false),
        ] {
            let job = ClassAd::parse_old(ad).unwrap();
            let streams = Streams::of(&job);
            assert_eq!(streams.stdout.map(|stream| stream.path), stdout, "{ad}");
            assert_eq!(streams.are_one(), are_one, "{ad}");
        }
    }

    #[test]
    fn a_stream_travels_unless_its_job_says_no_and_is_in_place_only_if_it_says_so() {
        let job = ClassAd::parse_old(
            "In = \"/i\"\nTransferIn = false\nOut = \"o\"\nStreamOut = true\nErr = \"e\"\nTransferErr = true",
        )
        .unwrap();
        let Streams { stdin, stdout, stderr } = Streams::of(&job);
        let told = [stdin, stdout, stderr].map(|stream| {
            let stream = stream.unwrap();
            (stream.below("/home"), stream.in_place, stream.travels)
        });
        assert_eq!(
            told,
            [
                ("/i".into(), false, false),
                ("/home/o".into(), true, true),
                ("/home/e".into(), false, true),
            ]
        );
    }
}
