//! Links by which the one binary answers to HTCondor's names: `condor_q -> updraft`. It makes and
//! reports them, and never replaces a file that is not such a link.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What became of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was made.
    Made,
    /// It was there and led here already.
    Already,
    /// It led to another Updraft, and now leads here.
    Moved {
        /// Where it led.
        from: PathBuf,
    },
    /// Something else has that name; it was left alone.
    Refused,
}

/// Why links could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("make the folder {dir} for the links")]
    Folder {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("make the link {path}")]
    Link {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes a link for each of `names` in `dir`, all leading to `binary`.
///
/// # Errors
///
/// If the folder or a link cannot be made. A name that is taken is no error: see
/// [`Linked::Refused`].
pub fn install(
    dir: &Path,
    binary: &Path,
    names: &[&'static str],
) -> Result<Vec<(&'static str, Linked)>, LinkError> {
    fs::create_dir_all(dir).map_err(|source| LinkError::Folder { dir: dir.to_owned(), source })?;
    names.iter().map(|name| Ok((*name, link(&dir.join(name), binary)?))).collect()
}

fn link(path: &Path, binary: &Path) -> Result<Linked, LinkError> {
    let failed = |source| LinkError::Link { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            symlink(binary, path).map_err(failed)?;
            Ok(Linked::Made)
        }
        Err(error) => Err(failed(error)),
        Ok(found) if found.is_symlink() => relink(path, binary).map_err(failed),
        Ok(_) => Ok(Linked::Refused),
    }
}

/// A link is ours if it leads to a file that is named like our binary.
fn relink(path: &Path, binary: &Path) -> io::Result<Linked> {
    let from = fs::read_link(path)?;
    if from == binary {
        return Ok(Linked::Already);
    }
    if from.file_name() != binary.file_name() {
        return Ok(Linked::Refused);
    }
    fs::remove_file(path)?;
    symlink(binary, path)?;
    Ok(Linked::Moved { from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_kept_moved_and_never_put_over_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        let binary = dir.path().join("updraft");
        let install = |names| install(&bin, &binary, names).unwrap();
        assert_eq!(install(&["condor_q"]), [("condor_q", Linked::Made)]);
        assert_eq!(install(&["condor_q"]), [("condor_q", Linked::Already)]);
        fs::write(bin.join("condor_rm"), "theirs").unwrap();
        symlink("/usr/bin/true", bin.join("condor_hold")).unwrap();
        let old = PathBuf::from("/old/updraft");
        symlink(&old, bin.join("condor_wait")).unwrap();
        assert_eq!(
            install(&["condor_rm", "condor_hold", "condor_wait"]),
            [
                ("condor_rm", Linked::Refused),
                ("condor_hold", Linked::Refused),
                ("condor_wait", Linked::Moved { from: old }),
            ]
        );
        assert_eq!(fs::read_to_string(bin.join("condor_rm")).unwrap(), "theirs");
        assert_eq!(fs::read_link(bin.join("condor_wait")).unwrap(), binary);
    }
}
