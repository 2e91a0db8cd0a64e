//! This machine, as what users write in submit descriptions and configurations sees it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jobspec::{FileKind, Found, Host, Site, SiteError};

/// Why this machine cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SightError {
    /// The working directory is gone, or may not be seen.
    #[error("find out the working directory")]
    WorkingDirectory(#[source] io::Error),
    /// The working directory's name is no text, and so cannot stand in a job's ad.
    #[error("{} cannot be the folder of a job: its name is no text (UTF-8)", .0.display())]
    WorkingDirectoryName(PathBuf),
    /// The machine has no name.
    #[error("find out this machine's name")]
    Name(#[source] io::Error),
    /// The clock shows a time that no calendar has.
    #[error("read the clock")]
    Clock(#[from] jiff::Error),
}

/// The longest text that is taken from a file or a program, bytes: a million items. What never ends
/// (`/dev/zero`, `yes`) is longer.
const TEXT_MOST_BYTES: u64 = 64 << 20;

/// The most that is taken from what is no plain file, bytes: a pipe (`<(program)`) has an end, a
/// device may have none.
const PIPED_MOST_BYTES: u64 = 256 << 20;

/// The kernel reads no more of a script's first line, bytes.
const FIRST_LINE_BYTES: u64 = 256;

/// How many entries are looked at to tell how much is in a folder: a submission does not wait for a
/// walk through a whole disk.
const MOST_LOOKS: u32 = 100_000;

/// The user who runs this process.
pub fn me() -> String {
    proto::net::user_name(nix::unistd::Uid::current().as_raw()).to_string()
}

/// The real files, processes and environment.
#[derive(Debug)]
pub struct RealSite {
    host: Host,
    environ: BTreeMap<String, String>,
    /// Whether only plain files are read.
    only_plain: bool,
}

impl RealSite {
    /// As seen from the working directory.
    ///
    /// # Errors
    ///
    /// If the working directory or the machine's name cannot be found out.
    pub fn new() -> Result<Self, SightError> {
        Self::in_folder(&env::current_dir().map_err(SightError::WorkingDirectory)?)
    }

    /// The same, for a text whose relative paths mean this folder.
    ///
    /// # Errors
    ///
    /// If the machine's name cannot be found out.
    pub fn in_folder(cwd: &Path) -> Result<Self, SightError> {
        let name = nix::unistd::gethostname().map_err(|errno| SightError::Name(errno.into()))?;
        let name = name.to_string_lossy().into_owned();
        let wall = proto::clock::now().wall.as_millis();
        let now = jiff::Timestamp::from_millisecond(wall)?.to_zoned(jiff::tz::TimeZone::system());
        let release = os_release(&fs::read_to_string("/etc/os-release").unwrap_or_default());
        let arch = env::consts::ARCH.to_ascii_uppercase();
        let platform =
            model::version::condor_platform(&arch, &format!("{}{}", release.0, release.1));
        let host = Host {
            cwd: cwd
                .to_str()
                .ok_or_else(|| SightError::WorkingDirectoryName(cwd.to_owned()))?
                .to_owned(),
            user: me(),
            user_number: nix::unistd::Uid::current().as_raw(),
            arch,
            opsys: env::consts::OS.to_ascii_uppercase(),
            opsys_version: format!("{}00", release.1),
            opsys_and_version: format!("{}{}", release.0, release.1),
            opsys_major_version: release.1,
            filesystem_domain: name.clone(),
            uid_domain: name,
            version: model::version::CONDOR_VERSION.to_owned(),
            platform,
            now: now.timestamp().as_second(),
            today: (now.year(), now.month(), now.day()),
        };
        // a value that is no text cannot be written into a job's ad
        let environ = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { host, environ, only_plain: false })
    }

    /// The same for a process that nobody sits before: what is no plain file is refused, because a
    /// pipe at whose other end is nobody would keep it for ever.
    pub fn with_only_plain_files(self) -> Self {
        Self { only_plain: true, ..self }
    }

    fn path(&self, path: &str) -> PathBuf {
        Path::new(&self.host.cwd).join(path)
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> i64 {
        self.host.now
    }
}

impl Site for RealSite {
    fn host(&self) -> &Host {
        &self.host
    }

    fn read_file(&self, path: &str) -> Result<String, SiteError> {
        let found = self.path(path);
        let file = if self.only_plain { open_plain(&found) } else { fs::File::open(&found) };
        read_bounded(file.map_err(|error| SiteError(plain(&error)))?, path)
    }

    fn read_stdin(&self) -> Result<String, SiteError> {
        if self.only_plain {
            return Err(SiteError("nobody is at the other end of standard input".to_owned()));
        }
        read_bounded(io::stdin().lock(), "standard input")
    }

    fn write_file(&self, path: &str, text: &str) -> Result<(), SiteError> {
        fs::write(self.path(path), text).map_err(|error| SiteError(plain(&error)))
    }

    fn file_kind(&self, path: &str) -> Result<FileKind, SiteError> {
        let found = fs::metadata(self.path(path)).map_err(|error| SiteError(plain(&error)))?;
        if found.is_dir() {
            return Ok(FileKind::Directory);
        }
        if !found.is_file() {
            return Ok(FileKind::Other);
        }
        let executable = found.permissions().mode() & 0o111 != 0;
        Ok(FileKind::File { size_bytes: found.len(), executable })
    }

    fn folder_bytes(&self, path: &str) -> u64 {
        let mut folders = vec![self.path(path)];
        let (mut bytes, mut looks) = (0, 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                looks += 1;
                if looks > MOST_LOOKS {
                    return bytes;
                }
                match entry.metadata() {
                    Ok(found) if found.is_dir() => folders.push(entry.path()),
                    Ok(found) if found.is_file() => bytes += found.len(),
                    _ => {}
                }
            }
        }
        bytes
    }

    fn beginning(&self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(file) = proto::plain_file::read(&self.path(path)) {
            // What cannot be read is found out by who runs it.
            let _ = file.take(FIRST_LINE_BYTES).read_to_end(&mut bytes);
        }
        bytes
    }

    fn glob(&self, pattern: &str) -> Result<Vec<Found>, SiteError> {
        let paths = glob::glob(pattern).map_err(|error| SiteError(error.to_string()))?;
        let found = paths.filter_map(Result::ok);
        Ok(found
            .map(|path| Found { is_dir: path.is_dir(), path: path.to_string_lossy().into_owned() })
            .collect())
    }

    fn run_command(&self, command: &str) -> Result<String, SiteError> {
        let failed = |error: io::Error| SiteError(format!("{command}: {}", plain(&error)));
        // No shell: HTCondor 25.14 takes each word as it stands, quotes and stars too.
        let mut words = command.split_whitespace();
        let mut program = Command::new(words.next().unwrap_or_default());
        program.args(words).current_dir(&self.host.cwd).stderr(Stdio::inherit());
        let mut child = program.stdout(Stdio::piped()).spawn().map_err(|error| {
            let number = error.raw_os_error().unwrap_or(0);
            SiteError(format!("not a valid command, errno={number} : {}", plain(&error)))
        })?;
        let said = child.stdout.take().map_or(Ok(String::new()), |out| {
            read_bounded(out, &format!("the output of {command}"))
        });
        if said.is_err() {
            // It may go on for ever; whatever it started notices that nobody reads.
            let _ = child.kill();
        }
        let status = child.wait().map_err(failed)?;
        let said = said?;
        if !status.success() {
            let raw = || std::os::unix::process::ExitStatusExt::into_raw(status);
            let status = status.code().unwrap_or_else(raw);
            return Err(SiteError(format!(
                "Error \"{command} |\": command terminated with exit code {status}"
            )));
        }
        Ok(said)
    }

    fn environ(&self) -> &BTreeMap<String, String> {
        &self.environ
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where a description's random numbers come from"
    )]
    fn random_below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        // without randomness every draw is the first: a choice all the same
        if getrandom::fill(&mut bytes).is_err() || bound == 0 {
            return 0;
        }
        u64::from_le_bytes(bytes) % bound
    }
}

/// Reads a file that a user has named. What has no end (`/dev/zero`) is an error, not a process
/// that grows.
///
/// # Errors
///
/// If it cannot be read, or has no end.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let most = if file.metadata()?.is_file() { u64::MAX } else { PIPED_MOST_BYTES };
    read_at_most(file, most)
}

/// The same, if it is a text.
///
/// # Errors
///
/// As [`read`]; if it is no text.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    text(read(path)?)
}

/// The same of a plain file only: what else may stand there could keep a process for ever that
/// nobody sits before.
///
/// # Errors
///
/// As [`read_text`]; if it is a pipe, a socket, a device or a folder.
pub fn read_plain_text(path: impl AsRef<Path>) -> io::Result<String> {
    text(read_at_most(open_plain(path.as_ref())?, u64::MAX)?)
}

/// The same, where bytes that are no UTF-8 are taken for characters of Latin-1.
///
/// # Errors
///
/// As [`read_plain_text`], but for text that is none.
pub fn read_plain_latin(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(or_latin(read_at_most(open_plain(path.as_ref())?, u64::MAX)?))
}

fn or_latin(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| char::from(*byte)));
        }
        text
    })
}

fn open_plain(path: &Path) -> io::Result<fs::File> {
    proto::plain_file::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => {
            io::Error::new(io::ErrorKind::Unsupported, "it is a pipe or a device, not a plain file")
        }
        _ => error,
    })
}

/// Reads standard input to its end, if it has one.
///
/// # Errors
///
/// As [`read`].
pub fn read_stdin() -> io::Result<Vec<u8>> {
    read_at_most(io::stdin().lock(), PIPED_MOST_BYTES)
}

/// Bytes that are to be a text.
///
/// # Errors
///
/// If they are none, with the place of the first that is not.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not text: {}", error.utf8_error()),
        )
    })
}

fn read_at_most(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        let mib = most >> 20;
        return Err(io::Error::other(format!("it is no plain file, and longer than {mib} MiB")));
    }
    Ok(bytes)
}

/// Reads a text that has an end.
fn read_bounded(from: impl Read, what: &str) -> Result<String, SiteError> {
    let mut text = Vec::new();
    let read = from.take(TEXT_MOST_BYTES + 1).read_to_end(&mut text);
    let read = read.map_err(|error| SiteError(plain(&error)))?;
    if read as u64 > TEXT_MOST_BYTES {
        return Err(SiteError(format!("{what} is longer than {} MiB", TEXT_MOST_BYTES >> 20)));
    }
    String::from_utf8(text).map_err(|_| SiteError(format!("{what} is not text")))
}

/// An error of the operating system without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The distribution's name and major version: `Debian`, `12`.
fn os_release(text: &str) -> (String, String) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned()).unwrap_or_default()
    };
    let id = field("ID");
    let mut letters = id.chars();
    let name = letters.next().map(|c| c.to_ascii_uppercase().to_string() + letters.as_str());
    let version = field("VERSION_ID");
    let major = version.split('.').next().filter(|major| !major.is_empty()).unwrap_or("0");
    (name.unwrap_or_else(|| "Linux".to_owned()), major.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_name_is_no_text_is_none_to_submit_from() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/d\xef"));
        let error = RealSite::in_folder(folder).unwrap_err().to_string();
        assert!(error.contains("its name is no text"), "{error}");
    }

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let error = read("/dev/zero").unwrap_err().to_string();
        assert_eq!(error, "it is no plain file, and longer than 256 MiB");
        assert_eq!(read_text("/dev/null").unwrap(), "");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"a\xff").unwrap();
        assert_eq!(read(&path).unwrap(), b"a\xff");
        let error = read_text(&path).unwrap_err().to_string();
        assert_eq!(error, "it is not text: invalid utf-8 sequence of 1 bytes from index 1");
        fs::write(&path, b"caf\xe9 \xc3\xa9").unwrap();
        assert_eq!(read_plain_latin(&path).unwrap(), "caf\u{e9} \u{e9}");
        let error = read_plain_text("/dev/zero").unwrap_err().to_string();
        assert_eq!(error, "it is a pipe or a device, not a plain file");
        assert_eq!(read_plain_text("/dev/null").unwrap(), "");
    }
}
