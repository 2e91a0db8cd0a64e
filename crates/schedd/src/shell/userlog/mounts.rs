//! Which file system a path is on, by the mount table alone: asking the file system itself waits
//! for a server that does not answer.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that file systems are mounted on, the deepest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounts(Vec<PathBuf>);

impl Mounts {
    /// As they are now; all is one where the system has no such table.
    pub(super) fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(table: &str) -> Self {
        let fifth = |line: &str| line.split(' ').nth(4).map(|path| PathBuf::from(unescaped(path)));
        let mut all: Vec<PathBuf> = table.lines().filter_map(fifth).collect();
        all.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        all.dedup();
        Self(all)
    }

    /// The folder that the path's file system is mounted on.
    pub(super) fn of(&self, path: &str) -> &Path {
        self.0
            .iter()
            .find(|mount| Path::new(path).starts_with(mount))
            .map_or(Path::new("/"), |mount| mount)
    }
}

/// The kernel writes blanks and the like as `\040`.
fn unescaped(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_on_the_deepest_file_system_above_it() {
        let mounts = Mounts::parse(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             40 22 0:35 / /home rw - nfs a:/home rw\n\
             41 40 0:36 / /home/my\\040data rw - nfs b:/data rw\n",
        );
        for (path, mount) in [
            ("/tmp/log", "/"),
            ("/home/a/log", "/home"),
            ("/homes/a/log", "/"),
            ("/home/my data/log", "/home/my data"),
        ] {
            assert_eq!(mounts.of(path), Path::new(mount), "{path}");
        }
    }
}
