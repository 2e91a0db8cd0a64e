//! Whether a job need not run because what it makes is there, and newer than all that it is made
//! from (`skip_if_dataflow`). It looks at files of the submitting side; what follows is not its
//! matter.

use std::path::{Path, PathBuf};

use classad::ClassAd;
use model::job_ad::{Streams, Transfer, initial_directory};

use crate::shell::files::disk::{Disk, EntryKind, Links};

/// When something was changed, by the clock of its disk.
type Changed = (i64, i64);

/// Whether a job that wants to be skipped can be, by HTCondor 25.14's rules: inputs and outputs are
/// listed and are files, and not links; nothing is renamed or stored elsewhere; and the oldest
/// output is newer than the newest of inputs, executable and standard input. What has a URL does
/// not count.
pub(crate) fn is_up_to_date(disk: &dyn Disk, job: &ClassAd) -> bool {
    let (transfer, streams) = (Transfer::of(job), Streams::of(job));
    if !transfer.remaps.is_empty() || transfer.destination.is_some() || transfer.inputs.is_empty() {
        return false;
    }
    let iwd = initial_directory(job).unwrap_or(Path::new("/"));
    // The executable may be a link.
    let program = transfer.program.map(|program| iwd.join(program));
    let program = program.and_then(|path| Some(disk.look(&path, Links::Followed).ok()?.changed));
    let made_from = transfer.input_paths().map(|path| iwd.join(path));
    let made_from: Vec<_> = made_from.chain(streams.stdin.map(|stdin| stdin.below(iwd))).collect();
    let newest = all_changed(disk, &made_from).and_then(|times| times.into_iter().max());
    let newest = newest.zip(program).map(|(newest, program)| newest.max(program));
    let oldest = all_changed(disk, &outputs(&transfer, iwd));
    let oldest = oldest.and_then(|times| times.into_iter().min());
    newest.zip(oldest).is_some_and(|(newest, oldest)| oldest > newest)
}

/// Where the outputs are, if they are there.
fn outputs(transfer: &Transfer<'_>, iwd: &Path) -> Vec<PathBuf> {
    let place = |item: &&str| match Path::new(item).file_name() {
        Some(name) if !transfer.preserve_relative_paths => iwd.join(name),
        Some(_) | None => iwd.join(item),
    };
    transfer.outputs.iter().flatten().map(place).collect()
}

/// When each of these was changed last; `None` if one is no file.
fn all_changed(disk: &dyn Disk, paths: &[PathBuf]) -> Option<Vec<Changed>> {
    let changed = |path: &PathBuf| {
        let found = disk.look(path, Links::Seen).ok()?;
        (found.kind == EntryKind::File).then_some(found.changed)
    };
    paths.iter().map(changed).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use model::Granted;

    use super::*;
    use crate::shell::files::disk::SameDisk;
    use crate::shell::files::wire::tests::served;

    #[test]
    fn a_job_is_skipped_if_every_output_is_newer_than_all_that_it_is_made_from() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, age_s: u64| {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(10_000 - age_s))
                .unwrap();
        };
        for (name, age_s) in [("prog", 90), ("in", 80), ("late", 10), ("out", 20), ("out2", 30)] {
            made(name, age_s);
        }
        fs::create_dir(dir.path().join("folder")).unwrap();
        symlink("out", dir.path().join("link")).unwrap();
        let check = |lines: &str, expected: bool| {
            let text = format!("Iwd = \"{}\"\nCmd = \"prog\"\n{lines}", dir.path().display());
            let job = ClassAd::parse_old(&text).unwrap();
            assert_eq!(is_up_to_date(&SameDisk, &job), expected, "{lines}");
            // By a machine elsewhere, which is given what the job names.
            let wire = served(&Granted::of(&job));
            assert_eq!(is_up_to_date(&wire, &job), expected, "{lines}, over the wire");
        };
        let usual = "TransferInput = \"in\"\nTransferOutput = \"out\"\n";
        check(usual, true);
        check("TransferInput = \"in, http://host/x\"\nTransferOutput = \"out,out2\"", true);
        check("TransferInput = \"in\"\nTransferOutput = \"/tmp/out\"", true);
        check("TransferInput = \"in,late\"\nTransferOutput = \"out\"", false);
        check("TransferInput = \"in\"\nTransferOutput = \"out,missing\"", false);
        check("TransferInput = \"missing\"\nTransferOutput = \"out\"", false);
        check("TransferInput = \"folder\"\nTransferOutput = \"out\"", false);
        check("TransferInput = \"in\"\nTransferOutput = \"link\"", false);
        check("TransferInput = \"in\"", false);
        check("TransferInput = \"in\"\nTransferOutput = \"\"", false);
        check("TransferOutput = \"out\"", false);
        check(&format!("{usual}In = \"late\""), false);
        check(&format!("{usual}In = \"/dev/null\""), true);
        check(&format!("{usual}TransferOutputRemaps = \"out=other\""), false);
        check(&format!("{usual}OutputDestination = \"http://host/\""), false);
        made("prog", 5);
        check(usual, false);
    }
}
