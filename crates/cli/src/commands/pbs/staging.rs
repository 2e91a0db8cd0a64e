//! Files that `-W stagein` and `-W stageout` name, copied before and after a job's own program, as
//! its user, on the machine where it runs. What was copied in, or out, is taken away from there at
//! the end (OpenPBS 23.06), unless it is the same file. The end is that of each run, whatever ended
//! it: a job that runs again gets its files anew.
//!
//! A job whose files cannot be brought in is held, and does not run. What cannot be brought out is
//! kept in the user's home, and the job's standard error says where. So is what is not out when the
//! machine says, by SIGTERM, that it has taken long enough. Beside each file that was
//! brought in stands a mark with the job's name, so that nothing else is taken away, and what a
//! lost machine has left is known as the job's own.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use classad::ClassAd;
use jobspec::pbs::{INDEX_IN_PATHS, Staged, UNDELIVERED, attribute};
use model::attr;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Uid, User};
use proto::plain_file;

use crate::line::output::complain;
use crate::render::pbs::job::{index, text};

/// The job that files are copied for.
pub(super) struct For<'a> {
    pub(super) ad: &'a ClassAd,
    pub(super) id: &'a str,
    /// Where it runs.
    pub(super) cwd: &'a Path,
}

/// One entry of a list, with both of its names.
struct Pair {
    here: PathBuf,
    there: PathBuf,
}

/// One file that is copied.
struct Copied {
    from: PathBuf,
    to: PathBuf,
}

fn home() -> PathBuf {
    let user = User::from_uid(Uid::current()).ok().flatten();
    user.map_or_else(|| "/".into(), |user| user.dir)
}

impl For<'_> {
    /// Brings in what the job wants to find, all or nothing; the exit code.
    pub(super) fn bring_in(&self) -> u8 {
        for Pair { here, there } in self.pairs(attribute::STAGE_IN) {
            for from in named(&there) {
                let into = is_pattern(&there) || here.is_dir() && !self.mark(&here).exists();
                let to = if into { below(&here, &from) } else { here.clone() };
                let Err(error) = self.bring(&from, &to) else { continue };
                let (from, to) = (from.display(), to.display());
                self.said(&format!("pbs: cannot stage in {from} to {to}: {error}"));
                self.take_away_what_came();
                return 1;
            }
        }
        0
    }

    fn bring(&self, from: &Path, to: &Path) -> Result<(), String> {
        if is_same(from, to) {
            return Ok(());
        }
        may_come_and_go(to, self.cwd)?;
        let mark = self.mark(to);
        if mark.exists() {
            // Of a run that was lost.
            remove(to).map_err(|error| client::site::plain(&error))?;
        } else if to.is_dir() {
            let why = "a folder of that name is there already, and would be taken away afterwards";
            return Err(why.to_owned());
        }
        let whole = fs::metadata(from).and_then(|_| make_folder_of(to));
        whole.and_then(|()| fs::write(mark, "")).map_err(|error| client::site::plain(&error))?;
        copy(from, to, &Patience::for_ever())
    }

    /// Brings out what the job has made, if it has begun, and takes away what was brought in; the
    /// exit code, which is 0 if nothing is left that should be out.
    pub(super) fn bring_out(&self, has_begun: bool) -> u8 {
        let patience = Patience::until_told();
        let mut undelivered = 0;
        for Pair { here, there } in self.pairs(attribute::STAGE_OUT) {
            if !has_begun {
                continue;
            }
            for from in named(&here) {
                let to = if is_pattern(&here) { below(&there, &from) } else { there.clone() };
                if let Err(why) = self.send(&Copied { from, to }, &patience) {
                    self.said(&why);
                    undelivered = 1;
                }
            }
        }
        self.take_away_what_came();
        undelivered
    }

    fn send(&self, copied: &Copied, patience: &Patience) -> Result<(), String> {
        let Copied { from, to } = copied;
        if is_same(from, to) {
            return Ok(());
        }
        let (source, target) = (from.display(), to.display());
        if from.symlink_metadata().is_err() {
            return Err(format!("pbs: there is no {source} to stage out to {target}"));
        }
        may_come_and_go(from, self.cwd)
            .map_err(|error| format!("pbs: cannot stage out {source} to {target}: {error}"))?;
        self.deliver(copied, patience)
    }

    /// Copies one of the job's files out, and takes it away; keeps it where that cannot be.
    fn deliver(&self, Copied { from, to }: &Copied, patience: &Patience) -> Result<(), String> {
        let Err(error) = copy(from, to, patience) else {
            take_away(from);
            return Ok(());
        };
        let kept = home().join(UNDELIVERED).join(self.id);
        let what = format!("pbs: cannot stage out {} to {}: {error}", from.display(), to.display());
        let then = match keep(from, &below(&kept, from)) {
            Ok(()) => format!("it is kept in {}", kept.display()),
            Err(error) => format!("and it cannot be kept in {}: {error}", kept.display()),
        };
        Err(format!("{what}; {then}"))
    }

    /// Brings what the job has printed to where it belongs, if that was not there at first.
    pub(super) fn bring_streams(&self) {
        let folder = Path::new(text(self.ad, attr::IWD).unwrap_or("/"));
        let late = [(attr::OUT, attribute::LATE_OUTPUT), (attr::ERR, attribute::LATE_ERROR)];
        for (name, late) in late {
            let (Some(from), Some(to)) = (text(self.ad, name), text(self.ad, late)) else {
                continue;
            };
            let (from, to) = (folder.join(from), PathBuf::from(self.named(to.to_owned())));
            if !from.exists() {
                continue;
            }
            let has_folder = to.parent().is_some_and(Path::is_dir);
            let brought = match has_folder {
                true => fs::rename(&from, &to)
                    .or_else(|_| fs::copy(&from, &to).and_then(|_| fs::remove_file(&from))),
                false => Err(io::Error::from(io::ErrorKind::NotFound)),
            };
            if let Err(error) = brought {
                let (from, to, why) = (from.display(), to.display(), client::site::plain(&error));
                complain(&format!(
                    "pbs: cannot bring output to {to}: {why}; it is kept in {from}\n"
                ));
            }
        }
    }

    /// A name of a file, with the number of a subjob where it wants that.
    fn named(&self, text: String) -> String {
        let is_array = super::runner::is_array(self.ad);
        match index(self.ad).filter(|_| is_array) {
            Some(index) => text.replace(INDEX_IN_PATHS, &index.to_string()),
            None => text,
        }
    }

    /// Takes away each file that has this job's mark.
    fn take_away_what_came(&self) {
        for Pair { here, .. } in self.pairs(attribute::STAGE_IN) {
            let inside = fs::read_dir(&here).into_iter().flatten().flatten();
            let inside = inside.filter_map(|found| {
                let name = found.file_name();
                let name = name.as_bytes().strip_prefix(b".")?;
                let name = name.strip_suffix(self.ending().as_bytes())?;
                Some(here.join(OsStr::from_bytes(name)))
            });
            let came: Vec<PathBuf> = inside.collect();
            for path in came.iter().chain([&here]) {
                let mark = self.mark(path);
                if mark.exists() {
                    take_away(path);
                    take_away(&mark);
                }
            }
        }
    }

    /// What stands beside a file that was brought in for this job.
    fn mark(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!(".{name}{}", self.ending()))
    }

    fn ending(&self) -> String {
        format!(".staged-{}", self.id)
    }

    fn pairs(&self, list: &str) -> Vec<Pair> {
        let listed = text(self.ad, list).and_then(Staged::read).unwrap_or_default();
        let home = home();
        let pair = |(staged, _): (Staged, String)| Pair {
            here: self.cwd.join(self.named(staged.local)),
            there: home.join(self.named(staged.remote)),
        };
        listed.into_iter().map(pair).collect()
    }

    /// Says something where the job's user looks: behind what the job wrote to its standard error.
    fn said(&self, what: &str) {
        complain(&format!("{what}\n"));
        let (folder, path) = (text(self.ad, attr::IWD), text(self.ad, attr::ERR));
        let path = Path::new(folder.unwrap_or("/")).join(path.unwrap_or("/dev/null"));
        if let Err(error) = append(&path, what) {
            complain(&format!("pbs: cannot write to {}: {error}\n", path.display()));
        }
    }
}

fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.file_name().unwrap_or_default())
}

/// The files that a name is of: those in its folder that match, if it is a pattern, but none whose
/// name begins with a dot (OpenPBS 23.06).
fn named(path: &Path) -> Vec<PathBuf> {
    let Some(pattern) = path.file_name().filter(|_| is_pattern(path)) else {
        return vec![path.to_owned()];
    };
    let found = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let found = found.into_iter().flatten().flatten();
    let matching = found.filter(|found| {
        let name = found.file_name();
        !name.as_bytes().starts_with(b".") && matches(name.as_bytes(), pattern.as_bytes())
    });
    let mut all: Vec<PathBuf> = matching.map(|found| found.path()).collect();
    all.sort();
    all
}

fn is_pattern(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.contains(&b'*') || name.contains(&b'?')
}

/// Whether a name is what a pattern says: `*` is any part of it, `?` any one byte. Goes back to the
/// last `*` only, so that no pattern takes longer than both lengths together multiplied.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(at) {
        match (pattern.get(in_pattern), &mut star) {
            (Some(b'*'), _) => {
                in_pattern += 1;
                star = Some((at, in_pattern));
            }
            (Some(wanted), _) if *wanted == b'?' || wanted == byte => {
                at += 1;
                in_pattern += 1;
            }
            (_, Some((from, behind))) => {
                *from += 1;
                (at, in_pattern) = (*from, *behind);
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(in_pattern).all(|byte| *byte == b'*')
}

/// Whether a name here is of something that a job may bring in or out, and that is taken away
/// afterwards: not the folder in which it runs nor one around it.
fn may_come_and_go(here: &Path, cwd: &Path) -> Result<(), String> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_around = real(cwd).starts_with(real(here)) || real(&home()).starts_with(real(here));
    let is_name = matches!(here.components().next_back(), Some(Component::Normal(_)))
        && !here.to_string_lossy().ends_with("/.");
    if is_around || !is_name {
        return Err(
            "it is taken away afterwards, and with it all that is there: name a file or a \
                    folder below the one in which the job runs"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether both names are of one file: then there is nothing to copy, and nothing to take away.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some() && real(one) == real(other)
}

/// How long copying is waited for: until SIGTERM comes, or for ever.
struct Patience {
    /// Where SIGTERM is read; none if it ends this process as it ends others.
    told: Option<SignalFd>,
    is_over: Cell<bool>,
}

impl Patience {
    fn for_ever() -> Self {
        Self { told: None, is_over: Cell::new(false) }
    }

    /// From now on SIGTERM ends only the waiting.
    fn until_told() -> Self {
        let mut awaited = SigSet::empty();
        awaited.add(Signal::SIGTERM);
        let told = awaited.thread_block().and_then(|()| SignalFd::new(&awaited));
        Self { told: told.ok(), is_over: Cell::new(false) }
    }

    /// Reads until the end, or until there is none left.
    fn read(&self, mut from: impl Read + AsFd) -> io::Result<Vec<u8>> {
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        loop {
            let mut fds = vec![PollFd::new(from.as_fd(), PollFlags::POLLIN)];
            fds.extend(self.told.as_ref().map(|told| PollFd::new(told.as_fd(), PollFlags::POLLIN)));
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                ready => ready?,
            };
            if fds.get(1).is_some_and(|told| told.any().unwrap_or(true)) {
                self.is_over.set(true);
                return Ok(all);
            }
            match from.read(&mut some)? {
                0 => return Ok(all),
                length => all.extend_from_slice(&some[..length]),
            }
        }
    }
}

/// Keeps what could not be delivered: moved, which takes no time, or copied where that cannot be.
fn keep(from: &Path, to: &Path) -> Result<(), String> {
    make_folder_of(to).map_err(|error| client::site::plain(&error))?;
    fs::rename(from, to).or_else(|_| copy(from, to, &Patience::for_ever()))
}

/// Copies a file, or a folder with all that is in it. `cp` knows how. A folder that is there
/// already under the same name is what an earlier run has left: it is written over, not into.
fn copy(from: &Path, to: &Path, patience: &Patience) -> Result<(), String> {
    const TOO_LONG: &str = "it took longer than STAGE_OUT_TIMEOUT allows";
    if patience.is_over.get() {
        return Err(TOO_LONG.to_owned());
    }
    let whole = fs::symlink_metadata(from).and_then(|_| make_folder_of(to));
    whole.map_err(|error| client::site::plain(&error))?;
    let mut command = Command::new("/bin/cp");
    command.args(["-R", "-p"]);
    if from.is_dir() && to.is_dir() && from.file_name() == to.file_name() {
        command.arg("-T");
    }
    command.arg("--").arg(from).arg(to).stdin(Stdio::null());
    let (status, said) = run(command, patience).map_err(|error| client::site::plain(&error))?;
    match status.success() {
        true => Ok(()),
        false if patience.is_over.get() => Err(TOO_LONG.to_owned()),
        false => Err(String::from_utf8_lossy(&said).trim().replace('\n', "; ")),
    }
}

/// Runs a program to its end, or while there is patience; with what it said.
fn run(mut command: Command, patience: &Patience) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let said = child.stderr.take().map_or(Ok(Vec::new()), |stderr| patience.read(stderr));
    if said.is_err() || patience.is_over.get() {
        child.kill()?;
    }
    Ok((child.wait()?, said?))
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn take_away(path: &Path) {
    if let Err(error) = remove(path) {
        complain(&format!("pbs: cannot remove {}: {error}\n", path.display()));
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn append(path: &Path, what: &str) -> io::Result<()> {
    if path == Path::new("/dev/null") {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let mut file = plain_file::open(path, options.append(true).create(true), OFlag::empty())?;
    file.write_all(format!("{what}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_copied_again_does_not_go_into_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("job/out"), folder.path().join("data/out"));
        fs::create_dir_all(&from).unwrap();
        for text in ["first", "second"] {
            fs::write(from.join("result"), text).unwrap();
            copy(&from, &to, &Patience::for_ever()).unwrap();
            assert_eq!(fs::read_to_string(to.join("result")).unwrap(), text);
        }
        assert!(!to.join("out").exists());
        // Into a folder of another name it goes, as PBS's `cp -r` has it.
        copy(&from, &folder.path().join("data"), &Patience::for_ever()).unwrap();
        assert!(to.join("result").exists());
    }

    #[test]
    fn what_holds_more_than_what_was_staged_is_never_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = folder.path().join("home");
        fs::create_dir_all(cwd.join("data")).unwrap();
        for (name, may) in [
            ("new", true),
            ("deep/new", true),
            ("data/new", true),
            ("data", true),
            (".", false),
            ("data/.", false),
            ("data/..", false),
            ("..", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(may_come_and_go(&cwd.join(name), &cwd).is_ok(), may, "{name:?}");
        }
        assert!(may_come_and_go(&home(), &cwd).is_err(), "the home folder");
    }

    #[test]
    fn a_star_is_any_part_of_a_name_and_a_question_mark_any_one_byte() {
        for (name, pattern, is_it) in [
            ("a.dat", "*.dat", true),
            ("a.dat", "?.dat", true),
            (".dat", "?.dat", false),
            ("ab.dat", "?.dat", false),
            ("a", "*", true),
            ("a", "a**", true),
            ("aXbXc", "a*X?", true),
            ("aXbXcd", "a*X?", false),
            ("abc", "a*d", false),
            ("a[1]", "a[1]", true),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "*a*a*a*a*a*a*a*a*a*a*a*b", false),
        ] {
            assert_eq!(matches(name.as_bytes(), pattern.as_bytes()), is_it, "{name} {pattern}");
        }
    }

    /// A home with files, and a folder below it in which a job runs.
    struct Place {
        folder: tempfile::TempDir,
        ad: ClassAd,
    }

    impl Place {
        fn new(stage_in: &str, stage_out: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let there = folder.path().join("there");
            fs::create_dir_all(there.join("tree")).unwrap();
            fs::create_dir_all(folder.path().join("run/own")).unwrap();
            for name in ["a.dat", "b.dat", ".c.dat", "tree/leaf"] {
                fs::write(there.join(name), name).unwrap();
            }
            let mut ad = ClassAd::new();
            let whole = |list: &str| list.replace("THERE", &there.to_string_lossy());
            ad.set(attribute::STAGE_IN, whole(stage_in).as_str());
            ad.set(attribute::STAGE_OUT, whole(stage_out).as_str());
            ad.set(attr::IWD, folder.path().to_string_lossy().as_ref());
            ad.set(attr::ERR, "errors");
            Self { folder, ad }
        }

        fn cwd(&self) -> PathBuf {
            self.folder.path().join("run")
        }

        fn comes(&self) -> u8 {
            For { ad: &self.ad, id: "12.host", cwd: &self.cwd() }.bring_in()
        }

        fn goes(&self, has_begun: bool) -> u8 {
            For { ad: &self.ad, id: "12.host", cwd: &self.cwd() }.bring_out(has_begun)
        }

        /// All files below a folder, without those that begin with a dot.
        fn files(&self, below: &str) -> String {
            let find = Command::new("find")
                .args([below, "-mindepth", "1", "-not", "-name", ".*"])
                .current_dir(self.folder.path())
                .output();
            let found = String::from_utf8(find.unwrap().stdout).unwrap();
            let mut all: Vec<&str> = found.lines().collect();
            all.sort_unstable();
            all.join(" ")
        }

        fn all_names(&self) -> usize {
            fs::read_dir(self.folder.path().join("run")).unwrap().count()
        }
    }

    #[test]
    fn what_came_goes_and_what_was_there_stays() {
        for (stage_in, came) in [
            ("x@h:THERE/a.dat", "run/own run/x"),
            ("own@h:THERE/a.dat", "run/own run/own/a.dat"),
            ("own@h:THERE/*.dat", "run/own run/own/a.dat run/own/b.dat"),
            ("new@h:THERE/?.dat", "run/new run/new/a.dat run/new/b.dat run/own"),
            ("t@h:THERE/tree", "run/own run/t run/t/leaf"),
            ("t@h:THERE/nothing*", "run/own"),
        ] {
            let place = Place::new(stage_in, "");
            // The second time after a run that was lost, which has taken nothing away.
            for _ in 0..2 {
                assert_eq!(place.comes(), 0, "{stage_in}");
                assert_eq!(place.files("run"), came, "{stage_in}");
            }
            assert_eq!(place.goes(true), 0, "{stage_in}");
            let left = place.files("run").replace("run/new ", "");
            assert_eq!(left, "run/own", "{stage_in}");
            assert!(place.folder.path().join("there/.c.dat").exists());
        }
    }

    #[test]
    fn all_is_brought_in_or_nothing() {
        let place = Place::new("t@h:THERE/tree,x@h:THERE/missing", "");
        assert_eq!(place.comes(), 1);
        assert_eq!((place.files("run").as_str(), place.all_names()), ("run/own", 1));
        assert!(place.files(".").contains("errors"));
        let place = Place::new("own/tree@h:THERE/tree", "");
        fs::create_dir(place.folder.path().join("run/own/tree")).unwrap();
        fs::create_dir(place.folder.path().join("run/own/tree/tree")).unwrap();
        assert_eq!(place.comes(), 1);
        assert_eq!(place.files("run"), "run/own run/own/tree run/own/tree/tree");
    }

    #[test]
    fn what_was_made_is_sent_and_taken_away() {
        let place = Place::new("x@h:THERE/a.dat", "*.out@h:THERE/new,no@h:THERE/no,r@h:THERE/r");
        assert_eq!(place.comes(), 0);
        for name in ["1.out", "2.out", "r"] {
            fs::write(place.folder.path().join("run").join(name), name).unwrap();
        }
        assert_eq!(place.goes(true), 1, "one is not there");
        assert_eq!(place.files("run"), "run/own");
        let sent = place.files("there");
        assert!(sent.contains("there/new there/new/1.out there/new/2.out there/r"), "{sent}");
        let errors = fs::read_to_string(place.folder.path().join("errors")).unwrap();
        assert!(errors.starts_with("pbs: there is no ") && errors.lines().count() == 1, "{errors}");

        let never = Place::new("x@h:THERE/a.dat", "own@h:THERE/r");
        assert_eq!(never.comes(), 0);
        assert_eq!(never.goes(false), 0);
        assert_eq!((never.files("run").as_str(), never.all_names()), ("run/own", 1));
        assert!(!never.folder.path().join("there/r").exists());
    }
}
