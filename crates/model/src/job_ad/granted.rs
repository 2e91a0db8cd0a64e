//! Which files on its submitter's disk a job needs read, and which it needs written: what a machine
//! that runs it is given there, and nothing else. It says so by the job's ad alone; where paths
//! really lead, and how they are reached, is not known here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use classad::ClassAd;
use serde::{Deserialize, Serialize};

use crate::job_ad::{StarterLog, Streams, Tool, Transfer, initial_directory, manifest_folder};
use crate::travel::stays_inside;

/// Paths on the submitter's disk, absolute. Of those that a path is at or below the nearest says
/// what may be done there; at the same path it may be written. So what is brought to a job is not
/// overwritten, unless the job names it among its outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Files and folders with all below them, to be read.
    pub read: Vec<PathBuf>,
    /// Files and folders with all below them, to be written. They may begin to be there, and so may
    /// the folders that they are in.
    pub write: Vec<PathBuf>,
    /// Folders in which files of any name are written, and nothing below the folders in them: of a
    /// job that names no outputs, whatever it has made comes back.
    pub into: Vec<PathBuf>,
}

impl Granted {
    /// What a job is given.
    pub fn of(job: &ClassAd) -> Self {
        let iwd = initial_directory(job).unwrap_or(Path::new("/"));
        let (write, into) = outputs(job, iwd);
        // What is at the root, or is a device, is nobody's to be given as a folder.
        let listed = |paths: BTreeSet<PathBuf>| {
            let is_ours = |path: &PathBuf| ["/", "/dev"].iter().all(|not| path != Path::new(not));
            paths.into_iter().filter(is_ours).collect()
        };
        Self { read: listed(inputs(job, iwd)), write: listed(write), into: listed(into) }
    }
}

fn inputs(job: &ClassAd, iwd: &Path) -> BTreeSet<PathBuf> {
    let transfer = Transfer::of(job);
    let program = transfer.program.filter(|_| transfer.brings_program);
    let input = Streams::of(job).stdin.map(|stdin| stdin.path);
    transfer.brought_paths().chain(program).chain(input).map(|path| iwd.join(path)).collect()
}

/// What is written by its name, and into which folders files of any name are.
fn outputs(job: &ClassAd, iwd: &Path) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let (transfer, streams) = (Transfer::of(job), Streams::of(job));
    let streams = [streams.stdout, streams.stderr].into_iter().flatten().map(|stream| stream.path);
    let new_names = transfer.renamed_paths().map(|(_, new)| new);
    let mut write: BTreeSet<_> = streams.chain(new_names).map(|path| iwd.join(path)).collect();
    let run_log = StarterLog::of(job).and_then(|log| log.target);
    write.extend(run_log.map(|path| iwd.join(path)));
    if transfer.destination.is_some() {
        // The rest goes to a URL.
        return (write, BTreeSet::new());
    }
    let preserve = transfer.preserve_relative_paths;
    let tool = Tool::of(job).map(|tool| [tool.stdout, tool.stderr]);
    write.extend(tool.into_iter().flatten().flatten().map(|path| iwd.join(path)));
    write.extend(manifest_folder(job).map(|name| target(iwd, &name, preserve)));
    match transfer.outputs {
        Some(listed) => {
            write.extend(listed.into_iter().map(|item| target(iwd, item, preserve)));
            (write, BTreeSet::new())
        }
        None => (write, BTreeSet::from([iwd.to_owned()])),
    }
}

/// Where an output comes back to. What is in a folder (`dir/`) comes into the initial directory.
fn target(iwd: &Path, item: &str, preserve: bool) -> PathBuf {
    let item = item.strip_prefix("file://").unwrap_or(item);
    match Path::new(item).file_name() {
        None => iwd.to_owned(),
        Some(_) if item.ends_with('/') => iwd.to_owned(),
        Some(_) if preserve && stays_inside(item) => iwd.join(item),
        Some(name) => iwd.join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, read: &[&str], write: &[&str], into: &[&str]) {
        let job = ClassAd::parse_old(&format!("Iwd = \"/home/u/work\"\n{lines}")).unwrap();
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let expected = Granted { read: paths(read), write: paths(write), into: paths(into) };
        assert_eq!(Granted::of(&job), expected, "{lines}");
    }

    #[test]
    fn a_machine_is_given_what_the_job_names_and_no_folder_above_it() {
        check(
            "Cmd = \"/home/u/bin/program\"\nIn = \"/data/in\"\nOut = \"/dev/null\"\n\
             Err = \"/logs/u/err\"\nTransferOutput = \"\"\n\
             TransferInput = \"a, sub/b, /data/c, https://host/d, file:///data/e\"\n\
             TransferOutputRemaps = \"x=/results/x; y = s3://bucket/y\"",
            &[
                "/data/c",
                "/data/e",
                "/data/in",
                "/home/u/bin/program",
                "/home/u/work/a",
                "/home/u/work/sub/b",
            ],
            &["/logs/u/err", "/results/x"],
            &[],
        );
    }

    #[test]
    fn a_job_that_names_no_outputs_has_them_in_its_initial_directory_and_not_below() {
        check("Cmd = \"x\"", &["/home/u/work/x"], &[], &["/home/u/work"]);
        check("Cmd = \"x\"\nTransferExecutable = false", &[], &[], &["/home/u/work"]);
        check("OutputDestination = \"s3://b\"\nOut = \"o\"", &[], &["/home/u/work/o"], &[]);
        check(
            "JobStarterDebug = true\nJobStarterLog = \"run.log\"\nTransferOutput = \"\"",
            &[],
            &["/home/u/work/run.log"],
            &[],
        );
        check(
            "ManifestDir = \"told\"\nToolDaemonCmd = \"t\"\nToolDaemonOutput = \"/logs/t\"",
            &[],
            &["/home/u/work/told", "/logs/t"],
            &["/home/u/work"],
        );
    }

    #[test]
    fn an_output_is_given_where_it_comes_back_to() {
        let work = "/home/u/work";
        for (list, preserve, expected) in [
            ("r, sub/s, /tmp/t", false, vec!["/home/u/work/r", "/home/u/work/s", "/home/u/work/t"]),
            ("sub/s, ../t", true, vec!["/home/u/work/sub/s", "/home/u/work/t"]),
            ("dir/", false, vec![work]),
            ("..", false, vec![work]),
        ] {
            let lines = format!("TransferOutput = \"{list}\"\nPreserveRelativePaths = {preserve}");
            check(&lines, &[], &expected, &[]);
        }
        // Nobody is given the root.
        let job = ClassAd::parse_old("Iwd = \"/\"\nOut = \"/dev/full\"").unwrap();
        let expected = Granted { write: vec!["/dev/full".into()], ..Granted::default() };
        assert_eq!(Granted::of(&job), expected);
    }
}
