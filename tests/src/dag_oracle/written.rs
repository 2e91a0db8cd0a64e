//! Cases that somebody wrote: a folder with the files of a DAG, of which `main.dag` is the one that
//! is submitted. `rounds` has what `condor_submit_dag` is told besides, a line for each round;
//! `dags` the DAG files, where there are several; `remove_at` the node at which it is removed. What
//! nodes and scripts run (`node.sh`, `script.sh`, `node.sub`) need not be there.

use std::fs;
use std::io;
use std::path::Path;

use super::generate::{Case, NODE_SH, SCRIPT_SH, submit_file};

/// The case of a folder.
///
/// # Errors
/// If it cannot be read.
pub fn read(folder: &Path) -> io::Result<Case> {
    let mut case = Case { dags: vec!["main.dag".to_owned()], ..Case::default() };
    for (name, text) in [
        ("node.sh", NODE_SH.to_owned()),
        ("script.sh", SCRIPT_SH.to_owned()),
        ("node.sub", submit_file(1)),
    ] {
        case.files.insert(name.to_owned(), text);
    }
    files(folder, "", &mut case)?;
    let mut lines = |name: &str| -> Vec<String> {
        let text = case.files.remove(name).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let (rounds, dags, remove_at) = (lines("rounds"), lines("dags"), lines("remove_at"));
    case.rounds =
        rounds.iter().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
    if case.rounds.is_empty() {
        case.rounds = vec![Vec::new(); 3];
    }
    if !dags.is_empty() {
        case.dags = dags;
    }
    case.remove_at = remove_at.into_iter().next();
    Ok(case)
}

fn files(folder: &Path, prefix: &str, case: &mut Case) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{name}/"), case)?;
        } else {
            case.files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_case() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        write("main.dag", "JOB A node.sub\n");
        write("sub/inner.dag", "JOB B node.sub\n");
        write("rounds", "-maxjobs 1\n\n");
        let case = read(folder.path()).unwrap();
        assert_eq!(case.files["main.dag"], "JOB A node.sub\n");
        assert_eq!(case.files["sub/inner.dag"], "JOB B node.sub\n");
        assert!(case.files.contains_key("node.sh") && !case.files.contains_key("rounds"));
        assert_eq!(case.rounds, [vec!["-maxjobs".to_owned(), "1".to_owned()], vec![]]);
        assert_eq!((case.dags, case.remove_at), (vec!["main.dag".to_owned()], None));
    }
}
