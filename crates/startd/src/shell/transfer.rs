//! File transfer between a job's initial directory and its scratch folder: which files go, and copying them. It blocks; who
//! calls it, and when, is `porter`'s matter.
//!
//! Submitter and machine see the same disk here: both directions are copies. A file appears at its destination whole or not
//! at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use classad::{ClassAd, Env, Value};
use model::{RunEnd, StartStage, attr};
use nix::errno::Errno;
use proto::clock;
use serde::{Deserialize, Serialize};

use super::environment::{JOB_AD, MACHINE_AD};
use super::sandbox::text;

/// Standard output, in the scratch folder until it is brought back.
pub(crate) const STDOUT: &str = "_condor_stdout";

/// Standard error, in the scratch folder until it is brought back.
pub(crate) const STDERR: &str = "_condor_stderr";

/// The permissions of an executable that was brought (HTCondor 25.14 makes it executable whatever it was).
const EXECUTABLE_MODE: u32 = 0o755;

/// The end of the name of a file that is not whole yet.
const PARTIAL: &str = ".updraft-partial";

/// A copy that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("copy {path}: error {errno}")]
pub(crate) struct TransferError {
    /// The file that could not be read or written.
    pub(crate) path: PathBuf,
    /// The kernel's error number.
    pub(crate) errno: i32,
    /// Whether nothing failed but that this file is beyond what the job allows (`MaxTransferInputMB`, `MaxTransferOutputMB`).
    pub(crate) over_limit: bool,
}

impl TransferError {
    /// The step that it breaks on the way in.
    pub(crate) fn stage(&self) -> StartStage {
        if self.over_limit { StartStage::InputSize } else { StartStage::TransferInput }
    }
}

/// What is to be brought back at the end of a run. Kept in a file while the run lasts, outside the job's reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The initial directory.
    iwd: PathBuf,
    /// Where standard output goes, if anywhere.
    stdout: Option<PathBuf>,
    /// Where standard error goes, if it does not go into standard output.
    stderr: Option<PathBuf>,
    files: Wanted,
    /// New names, by name in the scratch folder.
    remaps: BTreeMap<String, String>,
    preserve_relative_paths: bool,
    /// Files come back only if the job exits with this (`when_to_transfer_output = ON_SUCCESS`).
    only_after_exit_code: Option<i32>,
    /// Together, what comes back may be no larger.
    #[serde(default)]
    most_bytes: Option<u64>,
}

/// Which files are brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wanted {
    /// Those at the top of the scratch folder that are new, or not as they were.
    Changed(BTreeSet<Stamp>),
    /// These.
    Listed(Vec<String>),
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Stamp {
    name: OsString,
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

/// The program of a job whose files are brought.
pub(crate) fn program(job: &ClassAd, scratch: &Path) -> PathBuf {
    let cmd = Path::new(text(job, attr::CMD).unwrap_or_default());
    match cmd.file_name() {
        Some(name) if brings_executable(job) => scratch.join(name),
        Some(_) | None => scratch.join(cmd),
    }
}

/// Standard input of a job whose files are brought.
pub(crate) fn stdin(job: &ClassAd, scratch: &Path) -> Option<PathBuf> {
    if is_streamed(job, "StreamIn") {
        return stream(job, attr::IN);
    }
    let name = Path::new(stream_path(job, attr::IN)?).file_name()?;
    Some(scratch.join(name))
}

/// Standard output and standard error of a job whose files are brought, while it runs. A file for both is one.
pub(crate) fn outputs(job: &ClassAd, scratch: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
    let kept = |name, own| stream_path(job, name).map(|_| scratch.join(own));
    let stdout = match is_streamed(job, "StreamOut") {
        true => stream(job, attr::OUT),
        false => kept(attr::OUT, STDOUT),
    };
    let stderr = match is_streamed(job, "StreamErr") {
        _ if text(job, attr::OUT) == text(job, attr::ERR) => stdout.clone(),
        true => stream(job, attr::ERR),
        false => kept(attr::ERR, STDERR),
    };
    (stdout, stderr)
}

/// Whether a stream is read or written at its place all the time (`stream_output = true`), instead of being brought.
fn is_streamed(job: &ClassAd, flag: &str) -> bool {
    job.literal(flag).is_some_and(Value::is_true)
}

/// What a stream's attribute names; `None` if it is nothing.
fn stream_path<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    text(job, name).filter(|path| *path != super::sandbox::NULL)
}

/// Where a stream is on the submitting side.
fn stream(job: &ClassAd, name: &str) -> Option<PathBuf> {
    Some(Path::new(text(job, attr::IWD).unwrap_or("/")).join(stream_path(job, name)?))
}

fn brings_executable(job: &ClassAd) -> bool {
    job.literal("TransferExecutable").and_then(Value::as_bool) != Some(false)
}

/// Brings executable, standard input and the listed files into the scratch folder, and says what is to come back.
///
/// # Errors
///
/// The first file that cannot be brought.
pub(crate) fn bring_in(job: &ClassAd, scratch: &Path) -> Result<Plan, TransferError> {
    let iwd = text(job, attr::IWD).map_or_else(|| scratch.to_owned(), PathBuf::from);
    let preserve = job.literal("PreserveRelativePaths").is_some_and(Value::is_true);
    check_input_size(job, &iwd)?;
    for item in items(text(job, "TransferInput").unwrap_or_default()) {
        copy_item(&iwd, item, scratch, preserve)?;
    }
    if let (Some(path), Some(target)) = (stream(job, attr::IN), stdin(job, scratch))
        && path != target
    {
        copy_file(&path, &target)?;
    }
    if brings_executable(job) {
        let target = program(job, scratch);
        copy_file(&iwd.join(text(job, attr::CMD).unwrap_or_default()), &target)?;
        let permissions = fs::Permissions::from_mode(EXECUTABLE_MODE);
        fs::set_permissions(&target, permissions).map_err(|error| failed(&target, &error))?;
    }
    let outputs = job.literal("TransferOutput").and_then(Value::as_str);
    let files = match outputs {
        Some(list) => Wanted::Listed(items(list).map(str::to_owned).collect()),
        None => Wanted::Changed(top_level(scratch)?),
    };
    let on_success = text(job, "WhenToTransferOutput")
        .is_some_and(|when| when.eq_ignore_ascii_case("ON_SUCCESS"));
    let success = job.literal("JobSuccessExitCode").and_then(Value::as_i64);
    let success = success.and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
    let (stdout, stderr) = (stream(job, attr::OUT), stream(job, attr::ERR));
    let stderr = stderr.filter(|path| stdout.as_ref() != Some(path));
    Ok(Plan {
        stderr: stderr.filter(|_| !is_streamed(job, "StreamErr")),
        stdout: stdout.filter(|_| !is_streamed(job, "StreamOut")),
        most_bytes: most_bytes(job, "MaxTransferOutputMB"),
        iwd,
        files,
        remaps: remaps(text(job, "TransferOutputRemaps").unwrap_or_default()),
        preserve_relative_paths: preserve,
        only_after_exit_code: on_success.then_some(success),
    })
}

/// Brings back what came of a run: of one that was stopped (`by_itself` is false) only what it said. Every file that can be
/// brought is, whatever happens to others; doing it again does no harm.
///
/// # Errors
///
/// The first file that could not be brought.
pub(crate) fn bring_back(
    plan: &Plan,
    scratch: &Path,
    end: &RunEnd,
    by_itself: bool,
) -> Result<(), TransferError> {
    let mut first = Ok(());
    let mut note = |result: Result<(), TransferError>| {
        if first.is_ok() {
            first = result;
        }
    };
    for (name, target) in [(STDOUT, &plan.stdout), (STDERR, &plan.stderr)] {
        let source = scratch.join(name);
        if let Some(target) = target.as_ref().filter(|_| source.exists()) {
            note(make_parent(target).and_then(|()| copy_file(&source, target)));
        }
    }
    let wanted = match (end, plan.only_after_exit_code) {
        (RunEnd::Exited { code }, Some(wanted)) => *code == wanted,
        (RunEnd::Signaled { .. }, Some(_)) => false,
        (RunEnd::Exited { .. } | RunEnd::Signaled { .. }, None) => true,
        (_, _) => false,
    };
    if !wanted || !by_itself {
        return first;
    }
    if let Err(error) = check_output_size(plan, scratch) {
        note(Err(error));
        return first;
    }
    match &plan.files {
        Wanted::Listed(names) => {
            for name in names {
                note(bring_back_item(plan, scratch, name));
            }
        }
        Wanted::Changed(before) => match top_level(scratch) {
            Err(error) => note(Err(error)),
            Ok(after) => {
                for Stamp { name, .. } in after.difference(before) {
                    let target = plan.iwd.join(plan.remapped(name));
                    let source = scratch.join(name);
                    note(make_parent(&target).and_then(|()| copy_file(&source, &target)));
                }
            }
        },
    }
    first
}

/// A limit of the job in MiB as bytes; `None` if it has none, or a negative one.
fn most_bytes(job: &ClassAd, name: &str) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let env = Env::at(clock::now().wall.as_secs());
    let most_mib = job.eval(name, None, &env).as_i64()?;
    Some(u64::try_from(most_mib).ok()?.saturating_mul(MIB))
}

/// HTCondor 25.14's hold 32. Checked before anything is copied; what cannot be read is found when it is copied.
fn check_input_size(job: &ClassAd, iwd: &Path) -> Result<(), TransferError> {
    let Some(most) = most_bytes(job, "MaxTransferInputMB") else { return Ok(()) };
    let input = stream(job, attr::IN).filter(|_| !is_streamed(job, "StreamIn"));
    let program = text(job, attr::CMD).filter(|_| brings_executable(job));
    let listed = items(text(job, "TransferInput").unwrap_or_default());
    let listed = listed.map(|item| item.strip_prefix("file://").unwrap_or(item));
    let all =
        listed.map(|item| iwd.join(item)).chain(input).chain(program.map(|cmd| iwd.join(cmd)));
    check_sizes(all.map(|path| (bytes_below(&path), path)), most)
}

/// HTCondor 25.14's hold 33. Standard output and standard error count, and come back all the same.
fn check_output_size(plan: &Plan, scratch: &Path) -> Result<(), TransferError> {
    let Some(most) = plan.most_bytes else { return Ok(()) };
    let streams = [(STDOUT, &plan.stdout), (STDERR, &plan.stderr)];
    let streams = streams.into_iter().filter(|(_, target)| target.is_some());
    let streams = streams.map(|(name, _)| scratch.join(name));
    let files: Vec<PathBuf> = match &plan.files {
        Wanted::Listed(names) => names.iter().map(|name| scratch.join(name)).collect(),
        Wanted::Changed(before) => {
            let after = top_level(scratch)?;
            after.difference(before).map(|stamp| scratch.join(&stamp.name)).collect()
        }
    };
    check_sizes(streams.chain(files).map(|path| (bytes_below(&path), path)), most)
}

/// The first path with which the sum is more than allowed is the error.
fn check_sizes(
    paths: impl Iterator<Item = (u64, PathBuf)>,
    most: u64,
) -> Result<(), TransferError> {
    let mut sum: u64 = 0;
    for (bytes, path) in paths {
        sum = sum.saturating_add(bytes);
        if sum > most {
            return Err(TransferError { path, errno: Errno::EFBIG as i32, over_limit: true });
        }
    }
    Ok(())
}

/// What a file, or a folder with all that is below it, takes. What cannot be read counts nothing here.
fn bytes_below(path: &Path) -> u64 {
    let Ok(found) = fs::metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    // A link to a folder is copied as a link.
    let is_link_to_folder = |path: &Path| path.is_symlink() && path.is_dir();
    let below = entries.map(|entry| entry.path()).filter(|path| !is_link_to_folder(path));
    below.map(|path| bytes_below(&path)).fold(0, u64::saturating_add)
}

fn bring_back_item(plan: &Plan, scratch: &Path, item: &str) -> Result<(), TransferError> {
    if let Some(new) = plan.remaps.get(item) {
        let target = plan.iwd.join(new);
        return make_parent(&target).and_then(|()| copy_file(&scratch.join(item), &target));
    }
    copy_item(scratch, item, &plan.iwd, plan.preserve_relative_paths)
}

impl Plan {
    fn remapped(&self, name: &OsStr) -> PathBuf {
        let new = name.to_str().and_then(|name| self.remaps.get(name));
        new.map_or_else(|| PathBuf::from(name), PathBuf::from)
    }
}

/// The items of a list in a job's ad.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// `"a = b; c = d/e"`, where `\` takes the meaning from the character after it.
fn remaps(text: &str) -> BTreeMap<String, String> {
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

/// Copies what one item of a list names, from below one folder into another: `dir` is the folder, `dir/` what is in it.
fn copy_item(from: &Path, item: &str, to: &Path, preserve: bool) -> Result<(), TransferError> {
    let item = item.strip_prefix("file://").unwrap_or(item);
    if item.contains("://") {
        // Only a machine with a plug-in for it matches such a job; this one has none.
        return Err(TransferError {
            path: PathBuf::from(item),
            errno: Errno::EPROTONOSUPPORT as i32,
            over_limit: false,
        });
    }
    let source = from.join(item);
    let found = fs::metadata(&source).map_err(|error| failed(&source, &error))?;
    if found.is_dir() && item.ends_with('/') {
        return copy_contents(&source, to);
    }
    let path = Path::new(item);
    let plain =
        path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let target = match path.file_name() {
        Some(_) if preserve && plain => to.join(path),
        Some(name) => to.join(name),
        None => return copy_contents(&source, to),
    };
    make_parent(&target)?;
    if found.is_dir() { copy_folder(&source, &target) } else { copy_file(&source, &target) }
}

fn copy_folder(source: &Path, target: &Path) -> Result<(), TransferError> {
    fs::create_dir_all(target).map_err(|error| failed(target, &error))?;
    copy_contents(source, target)
}

/// Links to files are followed, links to folders are copied as links: a folder may lie in itself that way.
fn copy_contents(source: &Path, target: &Path) -> Result<(), TransferError> {
    for entry in fs::read_dir(source).map_err(|error| failed(source, &error))? {
        let entry = entry.map_err(|error| failed(source, &error))?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| failed(&from, &error))?;
        let found = fs::metadata(&from).map_err(|error| failed(&from, &error))?;
        if kind.is_symlink() && found.is_dir() {
            copy_link(&from, &to)?;
        } else if found.is_dir() {
            copy_folder(&from, &to)?;
        } else if found.is_file() {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

fn copy_link(from: &Path, to: &Path) -> Result<(), TransferError> {
    let leads_to = fs::read_link(from).map_err(|error| failed(from, &error))?;
    match symlink(leads_to, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(to, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a file so that the target is the old one or the whole new one at any moment. What is no plain file (`/dev/...`, a
/// pipe) is written to as it stands.
fn copy_file(source: &Path, target: &Path) -> Result<(), TransferError> {
    let mut from = File::open(source).map_err(|error| failed(source, &error))?;
    let found = from.metadata().map_err(|error| failed(source, &error))?;
    if found.is_dir() {
        return Err(failed(source, &Errno::EISDIR.into()));
    }
    let is_special = fs::metadata(target).is_ok_and(|found: Metadata| !found.is_file());
    if is_special {
        let mut to =
            OpenOptions::new().write(true).open(target).map_err(|error| failed(target, &error))?;
        return io::copy(&mut from, &mut to).map(|_| ()).map_err(|error| failed(target, &error));
    }
    // A link at the target stays one: what it leads to is replaced.
    let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let mut partial = target.clone().into_os_string();
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
    let copied = File::create(&partial).and_then(|mut to| {
        to.set_permissions(found.permissions())?;
        io::copy(&mut from, &mut to)
    });
    let result = match copied {
        // It may have grown meanwhile; it must not be shorter.
        Ok(bytes) if bytes < found.len() => Err(io::Error::from(Errno::EIO)),
        Ok(_) => fs::rename(&partial, &target),
        Err(error) => Err(error),
    };
    result.map_err(|error| {
        // It may not even have been made.
        let _ = fs::remove_file(&partial);
        failed(&target, &error)
    })
}

fn make_parent(target: &Path) -> Result<(), TransferError> {
    match target.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| failed(folder, &error)),
        None => Ok(()),
    }
}

/// The job's files at the top of its scratch folder. Our own are not among them.
fn top_level(scratch: &Path) -> Result<BTreeSet<Stamp>, TransferError> {
    let ours = [STDOUT, STDERR, JOB_AD, MACHINE_AD];
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(scratch).map_err(|error| failed(scratch, &error))? {
        let entry = entry.map_err(|error| failed(scratch, &error))?;
        let name = entry.file_name();
        let found = fs::metadata(entry.path()).ok().filter(Metadata::is_file);
        if let Some(found) = found.filter(|_| ours.iter().all(|own| name != *own)) {
            let (modified_s, modified_ns) = (found.mtime(), found.mtime_nsec());
            files.insert(Stamp { name, bytes: found.len(), modified_s, modified_ns });
        }
    }
    Ok(files)
}

fn failed(path: &Path, error: &io::Error) -> TransferError {
    let errno = error.raw_os_error().unwrap_or(Errno::EIO as i32);
    TransferError { path: path.to_owned(), errno, over_limit: false }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};
    use tempfile::TempDir;

    use super::*;

    /// A submitter's folder and a scratch folder.
    struct Both {
        folder: TempDir,
    }

    impl Both {
        fn new() -> Self {
            let both = Self { folder: TempDir::new().unwrap() };
            for folder in ["iwd/data/deep", "scratch"] {
                fs::create_dir_all(both.path(folder)).unwrap();
            }
            both.write("iwd/run.sh", "#!/bin/sh");
            both.write("iwd/a.txt", "a");
            both.write("iwd/data/b.txt", "b");
            both.write("iwd/data/deep/c.txt", "c");
            both
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn job(&self, attributes: &[(&str, &str)]) -> ClassAd {
            let mut job = ClassAd::new();
            job.set("Iwd", self.path("iwd").to_str().unwrap());
            job.set("Cmd", "run.sh");
            job.set("Out", "new/out");
            job.set("Err", "/dev/null");
            for (name, value) in attributes {
                job.set(*name, *value);
            }
            job
        }

        /// The files below a folder with what is in them.
        fn list(&self, folder: &str) -> String {
            let mut text = String::new();
            let mut folders = vec![self.path(folder)];
            let mut files = Vec::new();
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() { folders.push(path) } else { files.push(path) }
                }
            }
            files.sort();
            for file in files {
                let name = file.strip_prefix(self.path(folder)).unwrap().display();
                writeln!(text, "{name}: {}", fs::read_to_string(&file).unwrap()).unwrap();
            }
            text
        }
    }

    fn check_in(attributes: &[(&str, &str)], expected: &Expect) {
        let both = Both::new();
        bring_in(&both.job(attributes), &both.path("scratch")).unwrap();
        expected.assert_eq(&both.list("scratch"));
    }

    /// What is in the submitter's folder that was not there before.
    fn check_back(attributes: &[(&str, &str)], end: &RunEnd, expected: &Expect) {
        let both = Both::new();
        let scratch = both.path("scratch");
        let plan = bring_in(&both.job(attributes), &scratch).unwrap();
        let before = both.list("iwd");
        fs::create_dir_all(both.path("scratch/sub")).unwrap();
        both.write("scratch/_condor_stdout", "said");
        both.write("scratch/result", "42");
        both.write("scratch/sub/more", "43");
        both.write("scratch/.job.ad", "ours");
        let result = bring_back(&plan, &scratch, end, true);
        let mut text: String = both
            .list("iwd")
            .lines()
            .filter(|line| !before.contains(line))
            .map(|l| format!("{l}\n"))
            .collect();
        if let Err(error) = result {
            let path =
                error.path.strip_prefix(&scratch).unwrap_or(&error.path).display().to_string();
            writeln!(text, "error {} on {path}", error.errno).unwrap();
        }
        expected.assert_eq(&text);
    }

    const GOOD: RunEnd = RunEnd::Exited { code: 0 };

    #[test]
    fn files_and_folders_arrive_by_their_last_name() {
        check_in(
            &[],
            &expect![[r#"
            run.sh: #!/bin/sh
        "#]],
        );
        check_in(
            &[("TransferInput", "a.txt, data")],
            &expect![[r#"
            a.txt: a
            data/b.txt: b
            data/deep/c.txt: c
            run.sh: #!/bin/sh
        "#]],
        );
        check_in(
            &[("TransferInput", "data/,data/deep/c.txt"), ("In", "a.txt")],
            &expect![[r#"
            a.txt: a
            b.txt: b
            c.txt: c
            deep/c.txt: c
            run.sh: #!/bin/sh
        "#]],
        );
    }

    #[test]
    fn relative_paths_are_kept_for_who_wants_that() {
        let both = Both::new();
        let mut job = both.job(&[("TransferInput", "data/deep/c.txt")]);
        job.set("PreserveRelativePaths", true);
        job.set("TransferExecutable", false);
        bring_in(&job, &both.path("scratch")).unwrap();
        assert_eq!(both.list("scratch"), "data/deep/c.txt: c\n");
    }

    #[test]
    fn a_missing_input_is_named() {
        let both = Both::new();
        let job = both.job(&[("TransferInput", "a.txt,missing")]);
        let error = bring_in(&job, &both.path("scratch")).unwrap_err();
        assert_eq!(
            error,
            TransferError { path: both.path("iwd/missing"), errno: 2, over_limit: false }
        );
    }

    #[test]
    fn what_is_new_at_the_top_comes_back_and_its_folder_is_made() {
        check_back(
            &[],
            &GOOD,
            &expect![[r#"
            new/out: said
            result: 42
        "#]],
        );
        check_back(
            &[("TransferInput", "a.txt")],
            &GOOD,
            &expect![[r#"
            new/out: said
            result: 42
        "#]],
        );
    }

    #[test]
    fn listed_files_come_back_under_their_new_names_and_a_missing_one_stops_no_other() {
        let list =
            [("TransferOutput", "gone,result,sub"), ("TransferOutputRemaps", "result=kept/r\\;1")];
        check_back(
            &list,
            &GOOD,
            &expect![[r#"
            kept/r;1: 42
            new/out: said
            sub/more: 43
            error 2 on gone
        "#]],
        );
        check_back(
            &[("TransferOutput", "")],
            &GOOD,
            &expect![[r#"
            new/out: said
        "#]],
        );
    }

    #[test]
    fn a_job_that_fails_or_is_killed_leaves_what_it_said() {
        let on_success = [("WhenToTransferOutput", "ON_SUCCESS")];
        check_back(
            &on_success,
            &RunEnd::Exited { code: 1 },
            &expect![[r#"
            new/out: said
        "#]],
        );
        let both = Both::new();
        let plan = bring_in(&both.job(&[]), &both.path("scratch")).unwrap();
        both.write("scratch/_condor_stdout", "said");
        both.write("scratch/result", "half");
        let killed = RunEnd::Signaled { signal: 15, core: false };
        bring_back(&plan, &both.path("scratch"), &killed, false).unwrap();
        assert_eq!(fs::read_to_string(both.path("iwd/new/out")).unwrap(), "said");
        assert!(!both.path("iwd/result").exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one_whole() {
        let both = Both::new();
        both.write("iwd/result", "old");
        fs::create_dir(both.path(&format!("iwd/result{PARTIAL}"))).unwrap();
        both.write("scratch/result", "new");
        let error = copy_file(&both.path("scratch/result"), &both.path("iwd/result")).unwrap_err();
        assert_eq!(error.errno, Errno::EISDIR as i32);
        assert_eq!(fs::read_to_string(both.path("iwd/result")).unwrap(), "old");
    }
}
