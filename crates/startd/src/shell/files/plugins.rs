//! Programs that fetch and store files by URL: HTCondor's file-transfer plug-ins, called as
//! HTCondor 25.14 calls them. Which files travel is `transfer`'s matter; how a protocol works is
//! the programs'.
//!
//! A plug-in that is called with `-classad` says which protocols it speaks (`SupportedMethods`).
//! With `-infile IN -outfile OUT`, and `-upload` in the other direction, it moves the files that
//! the ads in IN name (`Url`, `LocalFileName`), and writes what came of each into OUT
//! (`TransferSuccess`, `TransferError`, `TransferUrl`).

use model::attr;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use classad::{ClassAd, Value};
use model::url_scheme;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::shell::files::copying::TransferError;
use crate::shell::files::leash;
use crate::shell::run::environment::{JOB_AD, MACHINE_AD};

/// How long a plug-in may take to say what it can do (HTCondor 25.14: 20 s).
const ASKING_TIME: Duration = Duration::from_secs(20);

/// How long it may take to move files (HTCondor 25.14: `MAX_FILE_TRANSFER_PLUGIN_LIFETIME`, 72000
/// s).
const MOVING_TIME: Duration = Duration::from_secs(72_000);

/// The subcode of a hold for a plug-in that took too long (HTCondor 25.14: `ETIME`).
const TOOK_TOO_LONG: i32 = Errno::ETIME as i32;

/// The part of what a plug-in said that is kept for the user, bytes.
const SAID_MAX: u64 = 2000;

/// Which way files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the URL.
    Fetch,
    /// To the URL.
    Store,
}

/// A file, and where it comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlTransfer {
    pub(crate) url: String,
    /// The file on this machine, absolute.
    pub(crate) local: PathBuf,
}

/// The plug-ins of a machine, by the protocols that they speak.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plugins {
    by_method: BTreeMap<String, Vec<PathBuf>>,
}

impl Plugins {
    /// Asks each program (with its first arguments) what it can do. Of several that speak one
    /// protocol the first is used; one that cannot be asked is not used. It blocks, on a thread of
    /// the runtime's that may.
    pub(crate) fn find(programs: &[Vec<PathBuf>]) -> Self {
        let mut by_method = BTreeMap::new();
        for program in programs {
            match methods_of(program) {
                Ok(methods) => {
                    for method in methods {
                        by_method.entry(method).or_insert_with(|| program.clone());
                    }
                }
                Err(error) => {
                    tracing::warn!(?program, %error, "a file transfer plug-in is not used");
                }
            }
        }
        Self { by_method }
    }

    /// These, and in their place those that a job has brought into its scratch folder.
    pub(crate) fn with(&self, own: &[(Vec<String>, PathBuf)], scratch: &Path) -> Self {
        let mut all = self.clone();
        for (methods, name) in own {
            for method in methods {
                all.by_method.insert(method.clone(), vec![scratch.join(name)]);
            }
        }
        all
    }

    /// The protocols, as the machine's ad lists them (`HasFileTransferPluginMethods`); `None` if
    /// there is none.
    pub(crate) fn methods(&self) -> Option<String> {
        let methods: Vec<&str> = self.by_method.keys().map(String::as_str).collect();
        (!methods.is_empty()).then(|| methods.join(","))
    }

    /// Moves files for a run with this scratch folder, and says how many bytes they have. It
    /// blocks, as [`Plugins::find`].
    ///
    /// # Errors
    ///
    /// The first that could not be moved, with the plug-in's words.
    pub(crate) fn run(
        &self,
        way: Way,
        scratch: &Path,
        transfers: &[UrlTransfer],
    ) -> Result<u64, TransferError> {
        let mut by_method: BTreeMap<String, Vec<&UrlTransfer>> = BTreeMap::new();
        for transfer in transfers {
            by_method
                .entry(url_scheme(&transfer.url).unwrap_or_default())
                .or_default()
                .push(transfer);
        }
        for (method, transfers) in by_method {
            let Some(program) = self.by_method.get(&method) else {
                let said = format!("this machine has no plug-in for {method}");
                return Err(refused(&transfers[0].url, said, Errno::EPROTONOSUPPORT as i32));
            };
            send(program, way, scratch, &transfers)?;
        }
        let size = |transfer: &UrlTransfer| match fs::metadata(&transfer.local) {
            Ok(found) => Ok(found.len()),
            Err(error) => {
                let said = format!("the plug-in reported success, and there is no file: {error}");
                Err(refused(&transfer.url, said, error.raw_os_error().unwrap_or(0)))
            }
        };
        transfers.iter().map(size).sum()
    }
}

fn refused(url: &str, said: String, errno: i32) -> TransferError {
    TransferError { path: PathBuf::from(url), errno, over_limit: false, said: Some(said) }
}

fn methods_of(program: &[PathBuf]) -> io::Result<Vec<String>> {
    let (status, said) = call(program, &["-classad".into()], None, ASKING_TIME)?;
    let said = String::from_utf8_lossy(&said);
    if !status.is_some_and(|status| status.success()) {
        return Err(io::Error::other(format!("it said: {}", said.trim())));
    }
    let ad = ClassAd::parse_old(&said).map_err(io::Error::other)?;
    let methods = ad.literal("SupportedMethods").and_then(Value::as_str).unwrap_or_default();
    let methods = methods.split(',').map(|method| method.trim().to_ascii_lowercase());
    Ok(methods.filter(|method| !method.is_empty()).collect())
}

/// Has one plug-in do its transfers.
fn send(
    program: &[PathBuf],
    way: Way,
    scratch: &Path,
    transfers: &[&UrlTransfer],
) -> Result<(), TransferError> {
    let first = transfers[0].url.as_str();
    let broken = |error: io::Error| {
        let errno = error.raw_os_error().unwrap_or(Errno::EIO as i32);
        refused(first, format!("cannot call {}: {error}", program[0].display()), errno)
    };
    // Beside the scratch folder: what is in that is the job's.
    let papers = tempfile::tempdir_in(scratch.parent().unwrap_or(scratch)).map_err(broken)?;
    let (orders, report) = (papers.path().join("in"), papers.path().join("out"));
    fs::write(&orders, written(transfers)).map_err(broken)?;
    let mut words: Vec<OsString> =
        vec!["-infile".into(), orders.into(), "-outfile".into(), report.clone().into()];
    if way == Way::Store {
        words.push("-upload".into());
    }
    let (status, said) = call(program, &words, Some(scratch), MOVING_TIME).map_err(broken)?;
    let Some(status) = status else {
        let said = format!("{} took longer than {MOVING_TIME:?}", program[0].display());
        return Err(refused(first, said, TOOK_TOO_LONG));
    };
    let results = fs::read_to_string(&report).unwrap_or_default();
    let results = ClassAd::parse_new_ads(&results)
        .or_else(|_| ClassAd::parse_old_ads(&results))
        .unwrap_or_default();
    judge(program, status, &said, &results, transfers)
}

fn written(transfers: &[&UrlTransfer]) -> String {
    let ads = transfers.iter().map(|transfer| {
        let mut ad = ClassAd::new();
        ad.set(attr::LOCAL_FILE_NAME, transfer.local.to_string_lossy().as_ref());
        ad.set("Url", transfer.url.as_str());
        format!("{}\n", ad.to_new())
    });
    ads.collect()
}

/// What came of it, from the plug-in's exit code and its report.
fn judge(
    program: &[PathBuf],
    status: ExitStatus,
    said: &[u8],
    results: &[ClassAd],
    transfers: &[&UrlTransfer],
) -> Result<(), TransferError> {
    let text = |ad: &ClassAd, name| ad.literal(name).and_then(Value::as_str).map(str::to_owned);
    let failed =
        |ad: &&ClassAd| ad.literal(attr::TRANSFER_SUCCESS).and_then(Value::as_bool) == Some(false);
    let bad = results.iter().find(failed);
    let is_done =
        |ad: &&ClassAd| ad.literal(attr::TRANSFER_SUCCESS).and_then(Value::as_bool) == Some(true);
    let done = results.iter().filter(is_done).count();
    if status.success() && bad.is_none() {
        if done >= transfers.len() {
            return Ok(());
        }
        // What nobody reports is not known to have happened.
        let (program, all) = (program[0].display(), transfers.len());
        let said = format!("{program} reported {done} of {all} transfers");
        return Err(refused(&transfers[0].url, said, Errno::EPROTO as i32));
    }
    let url = bad.and_then(|ad| text(ad, attr::TRANSFER_URL));
    let url = url.unwrap_or_else(|| transfers[0].url.clone());
    let error = bad.and_then(|ad| text(ad, attr::TRANSFER_ERROR));
    let error = error.unwrap_or_else(|| String::from_utf8_lossy(said).trim().to_owned());
    let program = program[0].display();
    let said = match status.code() {
        Some(0) => error,
        Some(code) => format!("non-zero exit ({code}) from {program}. Error: {error}"),
        None => format!("{program} was killed. Error: {error}"),
    };
    // HTCondor 25.14: the exit code, shifted, is the subcode of the hold.
    Err(refused(&url, said, status.code().unwrap_or(0) << 8))
}

/// Calls a program: its end, `None` if it had to be killed; and the beginning of what it said. It
/// blocks, on a thread of the runtime's that may.
fn call(
    program: &[PathBuf],
    words: &[OsString],
    scratch: Option<&Path>,
    at_most: Duration,
) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let (name, first) = program
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a plug-in without a name"))?;
    let mut said = tempfile::tempfile()?;
    let mut command = Command::new(name);
    command.args(first).args(words).kill_on_drop(true);
    // What it has started itself is ended with it.
    command.process_group(0);
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
    if let Some(scratch) = scratch {
        command.current_dir(scratch);
        command.env("_CONDOR_JOB_AD", scratch.join(JOB_AD));
        command.env("_CONDOR_MACHINE_AD", scratch.join(MACHINE_AD));
    }
    let ended = Handle::current().block_on(async {
        let mut child = command.spawn()?;
        let ended = tokio::select! {
            ended = timeout(at_most, child.wait()) => match ended {
                Ok(status) => return status.map(Some),
                Err(_) => Ok::<_, io::Error>(None),
            },
            () = leash::cut_of_this_thread() => Err(Errno::ECANCELED.into()),
        };
        // Its number is its own as long as it has not been waited for.
        if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        ended
    })?;
    said.rewind()?;
    let mut text = Vec::new();
    said.take(SAID_MAX).read_to_end(&mut text)?;
    Ok((ended, text))
}

#[cfg(test)]
mod tests {
    use proto::clock;
    use tokio::task::spawn_blocking;

    use super::*;

    /// A plug-in for `toy://`: fetches a file with the URL's path as its content, fails for `bad`,
    /// and notes what it stores.
    const TOY: &str = r#"#!/bin/sh
if test "$1" = -classad; then
    printf 'MultipleFileSupport = true\nPluginType = "FileTransfer"\nSupportedMethods = "toy, TOYS"\n'
    exit 0
fi
in=$2 out=$4 upload=$5
sed -n 's/.*Url = "\([^"]*\)".*LocalFileName = "\([^"]*\)".*/\2 \1/p' "$in" | while read -r file url; do
    case "$upload$url" in
    *bad*)
        echo "[ TransferSuccess = false; TransferError = \"no such toy\"; TransferUrl = \"$url\" ]" > "$out"
        exit 3;;
    -upload*) cp "$file" "$(dirname "$file")/stored";;
    *silent*) printf '%s' half > "$file"; continue;;
    *) printf '%s' "${url#toy://}" > "$file";;
    esac
    echo "[ TransferSuccess = true; TransferUrl = \"$url\" ]" >> "$out"
done
"#;

    /// Writes a program, by another: one that we had open to write cannot be executed while a child
    /// of another test has that descriptor too.
    fn write_program(path: &Path, text: &str) {
        let write = ["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""];
        let written =
            std::process::Command::new("/bin/sh").args(write).arg(path).arg(text).status();
        assert!(written.unwrap().success());
    }

    fn on_a_thread_that_may_block(work: impl FnOnce() + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { spawn_blocking(work).await }).unwrap();
    }

    fn with_toys(work: impl FnOnce(&Plugins, &Path) + Send + 'static) {
        let folder = tempfile::tempdir().unwrap();
        let (program, scratch) = (folder.path().join("toy"), folder.path().join("scratch"));
        write_program(&program, TOY);
        fs::create_dir(&scratch).unwrap();
        on_a_thread_that_may_block(move || {
            work(&Plugins::find(&[vec![folder.path().join("none")], vec![program]]), &scratch);
            let left = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 2, "orders and report are removed");
        });
    }

    #[test]
    fn a_plug_in_that_takes_too_long_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let (program, number) = (folder.path().join("slow"), folder.path().join("number"));
        let text = format!("#!/bin/sh\nsleep 1000 &\necho $! > {}\nwait\n", number.display());
        write_program(&program, &text);
        on_a_thread_that_may_block(move || {
            let leash = leash::Leash::new();
            let cutter = leash.clone();
            let path = number.clone();
            let cutting = std::thread::spawn(move || {
                loop {
                    let said = fs::read_to_string(&path).unwrap_or_default();
                    if let Ok(number) = said.trim().parse::<i32>() {
                        cutter.cut();
                        return number;
                    }
                    std::thread::yield_now();
                }
            });
            let ended = leash.hold(|| call(&[program], &[], None, MOVING_TIME));
            assert_eq!(ended.unwrap_err().raw_os_error(), Some(Errno::ECANCELED as i32));
            let left = PathBuf::from(format!("/proc/{}/stat", cutting.join().unwrap()));
            // It is gone, or nobody has waited for it yet.
            let is_there = || fs::read_to_string(&left).is_ok_and(|stat| !stat.contains(") Z"));
            let begun = clock::now().boot_ms;
            while is_there() {
                assert!(clock::now().boot_ms < begun + 60_000, "what it started is left");
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn a_plug_in_fetches_and_stores_and_its_words_are_told() {
        with_toys(|plugins, scratch| {
            assert_eq!(plugins.methods().as_deref(), Some("toy,toys"));
            let transfer =
                |url: &str| UrlTransfer { url: url.to_owned(), local: scratch.join("ball") };
            let run = |way, url| plugins.run(way, scratch, &[transfer(url)]);
            assert_eq!(run(Way::Fetch, "toy://red/ball"), Ok(8));
            assert_eq!(fs::read_to_string(scratch.join("ball")).unwrap(), "red/ball");
            assert_eq!(run(Way::Store, "toy://shelf/ball"), Ok(8));
            assert!(scratch.join("stored").exists());
            let error = run(Way::Fetch, "toy://bad").unwrap_err();
            let said = error.said.unwrap();
            assert!(said.ends_with("Error: no such toy"), "{said}");
            assert_eq!(error.path, Path::new("toy://bad"));
            let error = run(Way::Fetch, "toy://silent").unwrap_err();
            let said = error.said.unwrap();
            assert!(said.ends_with("reported 0 of 1 transfers"), "{said}");
            let error = run(Way::Fetch, "ftp://x").unwrap_err();
            assert_eq!(error.said.as_deref(), Some("this machine has no plug-in for ftp"));
        });
    }
}
