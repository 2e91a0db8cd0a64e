//! History in files: ads as HTCondor keeps them, each followed by a line that begins with three
//! stars, or in any form in which ads are printed. `history -file`, `-search`, `-extract`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use classad::ClassAd;
use model::attr;

use crate::line::ad_file;
use crate::render::values::ads::{self, Form};
use crate::render::values::view::{Moment, View};

/// How the line behind an ad begins.
const BANNER: &str = "***";

/// The ads in a file, the oldest first.
pub(crate) fn read(path: &Path) -> Result<Vec<ClassAd>> {
    let shown = path.display();
    let text =
        client::site::read_text(path).with_context(|| format!("read history from {shown}"))?;
    if !text.lines().any(|line| line.starts_with(BANNER)) {
        return ad_file::parse(&text, ad_file::Form::Auto)
            .with_context(|| format!("read history from {shown}"));
    }
    let mut ads = Vec::new();
    for block in text.split_inclusive('\n').collect::<Vec<_>>().split(|l| l.starts_with(BANNER)) {
        let block = block.concat();
        if !block.trim().is_empty() {
            let ad = ClassAd::parse_old(&block);
            ads.push(ad.with_context(|| format!("read history from {shown}"))?);
        }
    }
    Ok(ads)
}

/// The files that `-search PATH` means: the path itself and its rotations (`PATH.*`), the oldest
/// first; all files of a folder with `-dir`.
pub(crate) fn search(path: &str, is_folder: bool) -> Result<Vec<PathBuf>> {
    let path = Path::new(path);
    let folder = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let wanted = |file: &Path| {
        let found = file.file_name().map(|name| name.to_string_lossy().into_owned());
        match (found, &name) {
            _ if is_folder => file.is_file(),
            (Some(found), Some(name)) => {
                let rest = found.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && file.is_file()
            }
            (None, _) | (_, None) => false,
        }
    };
    let entries = fs::read_dir(folder).with_context(|| format!("search {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|file| wanted(file)).collect();
    if files.is_empty() {
        bail!("search {}: there is no such file, and none that it was rotated to", path.display());
    }
    // A rotation has the time in its name; what is written now has none, and is the newest.
    files.sort_by_key(|file| (file.file_name() == path.file_name(), file.clone()));
    Ok(files)
}

/// Ads, the newest first, as HTCondor keeps a history: the oldest first, a line of stars behind
/// each.
pub(crate) fn kept(newest_first: &[ClassAd], moment: &Moment) -> String {
    let mut out = String::new();
    for ad in newest_first.iter().rev() {
        let at = out.len();
        let long = ads::render(std::slice::from_ref(ad), Form::Long, &[], false);
        out += long.trim_end_matches('\n');
        let job = View::new(ad, moment);
        let number = |name: &str| job.int(name).unwrap_or(0);
        // A string takes every text.
        let _ = writeln!(
            out,
            "\n{BANNER} Offset = {at} ClusterId = {} ProcId = {} Owner = {} CompletionDate = {}",
            number(attr::CLUSTER_ID),
            number(attr::PROC_ID),
            classad::Value::from(job.owner().as_str()),
            number(attr::COMPLETION_DATE)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_rotations_are_found_oldest_first() {
        let moment = Moment::new(0, TimeZone::UTC);
        let ads = |first: u32| {
            let ad = |n: u32| format!("ClusterId = {n}\nProcId = 0\nOwner = \"a\\\"b\"\n\n");
            ClassAd::parse_old_ads(&(ad(first + 1) + &ad(first))).unwrap()
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        fs::write(&path, kept(&ads(3), &moment)).unwrap();
        fs::write(dir.path().join("history.20261122T160000"), kept(&ads(1), &moment)).unwrap();
        fs::write(dir.path().join("historical"), "no ads").unwrap();
        let files = search(path.to_str().unwrap(), false).unwrap();
        let mut found: Vec<ClassAd> = Vec::new();
        for file in &files {
            found.extend(read(file).unwrap());
        }
        let ids: Vec<i64> =
            found.iter().map(|ad| ad.literal("ClusterId").unwrap().as_i64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!(found[0].literal("Owner").unwrap().as_str(), Some("a\"b"));
        assert!(search(dir.path().join("nothing").to_str().unwrap(), false).is_err());
        assert_eq!(search(dir.path().to_str().unwrap(), true).unwrap().len(), 3);
    }
}
