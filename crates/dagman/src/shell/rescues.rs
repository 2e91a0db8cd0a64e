//! The rescue files that are there: which one a run begins from, and which are put aside.

use std::path::Path;

use super::{ShellError, files};
use crate::record::{Names, names};

/// Where a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the beginning.
    #[default]
    Fresh,
    /// From a rescue file or a save point: its number, if it has one, and its path.
    From(Option<u32>, String),
}

/// The numbers of the rescue files of a DAG.
pub fn numbers(names: &Names) -> Vec<u32> {
    let stem = names.rescue_stem();
    let (dir, base) = match stem.rsplit_once('/') {
        Some((dir, base)) => (dir, base),
        None => (".", stem.as_str()),
    };
    let entries = std::fs::read_dir(if dir.is_empty() { "/" } else { dir });
    let names = entries.into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = names
        .filter_map(|entry| names::rescue_number(&entry.file_name().to_string_lossy(), base))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Where a run begins: with the rescue file that was asked for, else with the newest if that is
/// wanted.
///
/// # Errors
/// If the one that was asked for is not there.
pub fn choose(names: &Names, auto: bool, from: Option<u32>) -> Result<Start, ShellError> {
    let number = match from {
        Some(number) => Some(number),
        None if auto => numbers(names).last().copied(),
        None => None,
    };
    let Some(number) = number else { return Ok(Start::Fresh) };
    let path = names.rescue(number);
    if !files::is_there(&path) {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(ShellError::File { what: "find the rescue file", path: path.into(), source });
    }
    Ok(Start::From(Some(number), path))
}

/// Puts the rescue files behind a number aside (`-DoRescueFrom`).
///
/// # Errors
/// If one cannot be renamed.
pub fn rename_newer(names: &Names, number: u32) -> Result<(), ShellError> {
    for number in numbers(names).into_iter().filter(|found| *found > number) {
        let path = names.rescue(number);
        let aside = format!("{path}.old");
        std::fs::rename(&path, aside).map_err(ShellError::file("rename", Path::new(&path)))?;
    }
    Ok(())
}

/// Puts all rescue files aside (`-force`).
///
/// # Errors
/// If one cannot be renamed.
pub fn rename_all(names: &Names) -> Result<(), ShellError> {
    rename_newer(names, 0)
}
