//! Files that `-W stagein` and `-W stageout` name, copied before and after a job's own program, as
//! its user, on the machine where it runs. What was copied in, or out, is taken away from there at
//! the end (OpenPBS 23.06), unless it is the same file.
//!
//! A job whose files cannot be brought in is held, and does not run. What cannot be brought out is
//! kept in the user's home, and the job's standard error says where.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use classad::ClassAd;
use jobspec::pbs::{Staged, attribute};
use model::attr;
use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};
use proto::plain_file;

use crate::line::output::complain;
use crate::render::pbs::job::text;

/// Where what was not delivered is kept, in the user's home.
const UNDELIVERED: &str = "pbs_undelivered";

/// A file that is copied, with both of its names.
struct Pair {
    here: PathBuf,
    there: PathBuf,
}

fn pairs(ad: &ClassAd, name: &str, cwd: &Path) -> Vec<Pair> {
    let listed = text(ad, name).and_then(Staged::read).unwrap_or_default();
    let home = home();
    let pair = |(staged, _): (Staged, String)| Pair {
        here: cwd.join(staged.local),
        there: home.join(staged.remote),
    };
    listed.into_iter().map(pair).collect()
}

fn home() -> PathBuf {
    let user = User::from_uid(Uid::current()).ok().flatten();
    user.map_or_else(|| "/".into(), |user| user.dir)
}

/// Brings in what the job wants to find; the exit code.
pub(super) fn bring_in(ad: &ClassAd, cwd: &Path) -> u8 {
    for Pair { here, there } in pairs(ad, attribute::STAGE_IN, cwd) {
        if is_same(&here, &there) {
            continue;
        }
        if let Err(error) = may_come_and_go(&here, cwd, Way::In).and_then(|()| copy(&there, &here))
        {
            let (from, to) = (there.display(), here.display());
            said(ad, &format!("pbs: cannot stage in {from} to {to}: {error}"));
            return 1;
        }
    }
    0
}

/// Brings out what the job has made, and takes away what was brought in.
pub(super) fn bring_out(ad: &ClassAd, cwd: &Path, id: &str) {
    for Pair { here, there } in pairs(ad, attribute::STAGE_OUT, cwd) {
        if is_same(&here, &there) {
            continue;
        }
        let Err(error) = may_come_and_go(&here, cwd, Way::Out) else {
            deliver(ad, &here, &there, id);
            continue;
        };
        let (from, to) = (here.display(), there.display());
        said(ad, &format!("pbs: cannot stage out {from} to {to}: {error}"));
    }
    for Pair { here, there } in pairs(ad, attribute::STAGE_IN, cwd) {
        if !is_same(&here, &there) && may_come_and_go(&here, cwd, Way::Out).is_ok() {
            take_away(&here);
        }
    }
}

/// Copies one of the job's files out, and takes it away; keeps it where that cannot be.
fn deliver(ad: &ClassAd, here: &Path, there: &Path, id: &str) {
    let Err(error) = copy(here, there) else {
        take_away(here);
        return;
    };
    let (from, to) = (here.display(), there.display());
    let kept = home().join(UNDELIVERED).join(id);
    let name = here.file_name().unwrap_or_default();
    let what = format!("pbs: cannot stage out {from} to {to}: {error}");
    let then = match copy(here, &kept.join(name)) {
        Ok(()) => format!("it is kept in {}", kept.display()),
        Err(error) => format!("and it cannot be kept in {}: {error}", kept.display()),
    };
    said(ad, &format!("{what}; {then}"));
}

/// Which way a file is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Whether a name here is of something that a job may bring in or out, and that is taken away
/// afterwards: not the folder in which it runs nor one around it, and no folder that was there
/// before.
fn may_come_and_go(here: &Path, cwd: &Path, way: Way) -> Result<(), String> {
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
    if way == Way::In && here.is_dir() {
        return Err(
            "a folder of that name is there already, and would be taken away afterwards".to_owned()
        );
    }
    Ok(())
}

/// Whether both names are of one file: then there is nothing to copy, and nothing to take away.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some() && real(one) == real(other)
}

/// Copies a file, or a folder with all that is in it. `cp` knows how.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::metadata(from).map_err(|error| client::site::plain(&error))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| client::site::plain(&error))?;
    }
    let mut command = Command::new("/bin/cp");
    command.args(["-R", "-p", "--"]).arg(from).arg(to).stdin(Stdio::null());
    let out = command.output().map_err(|error| client::site::plain(&error))?;
    match out.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&out.stderr).trim().replace('\n', "; ")),
    }
}

fn take_away(path: &Path) {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    if let Err(error) = removed {
        complain(&format!("pbs: cannot remove {}: {error}\n", path.display()));
    }
}

/// Says something where the job's user looks: behind what the job wrote to its standard error.
fn said(ad: &ClassAd, what: &str) {
    complain(&format!("{what}\n"));
    let (folder, path) = (text(ad, attr::IWD), text(ad, attr::ERR));
    let path = Path::new(folder.unwrap_or("/")).join(path.unwrap_or("/dev/null"));
    let written = append(&path, what);
    if let Err(error) = written {
        complain(&format!("pbs: cannot write to {}: {error}\n", path.display()));
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
    fn what_holds_more_than_what_was_staged_is_never_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let cwd = folder.path().join("home");
        fs::create_dir_all(cwd.join("data")).unwrap();
        for (name, comes, goes) in [
            ("new", true, true),
            ("deep/new", true, true),
            ("data/new", true, true),
            ("data", false, true),
            (".", false, false),
            ("data/.", false, false),
            ("data/..", false, false),
            ("..", false, false),
            ("/", false, false),
            ("", false, false),
        ] {
            let here = cwd.join(name);
            assert_eq!(may_come_and_go(&here, &cwd, Way::In).is_ok(), comes, "{name:?} comes");
            assert_eq!(may_come_and_go(&here, &cwd, Way::Out).is_ok(), goes, "{name:?} goes");
        }
        assert!(may_come_and_go(&home(), &cwd, Way::In).is_err(), "the home folder");
    }
}
