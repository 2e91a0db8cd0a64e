//! Which files go: the same cases with the submitter's disk at hand and behind a connection.

use std::fmt::Write;

use expect_test::{Expect, expect};
use model::Granted;
use tempfile::TempDir;

use super::*;
use crate::shell::files::wire::tests::served;

/// A submitter's folder and a scratch folder.
struct Both {
    folder: TempDir,
    /// Whether the submitter's disk is reached over a connection.
    is_far: bool,
}

impl Both {
    /// What holds for a disk holds however it is reached.
    fn over_each() -> impl Iterator<Item = Self> {
        [false, true].into_iter().map(Self::new)
    }

    /// The submitter's disk, of which there is what the job names.
    fn side(&self, job: &ClassAd) -> Box<dyn Disk> {
        if self.is_far { Box::new(served(&Granted::of(job))) } else { Box::new(SameDisk) }
    }

    fn new(is_far: bool) -> Self {
        let both = Self { folder: TempDir::new().unwrap(), is_far };
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
            match value.parse::<i64>() {
                Ok(number) => job.set(*name, number),
                Err(_) => job.set(*name, *value),
            }
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

/// All of the way in.
fn bring_in(
    side: &dyn Disk,
    job: &ClassAd,
    scratch: &Path,
    spool: Option<&Spool>,
    plugins: &Plugins,
    run_log: &RunLog,
) -> Result<OutputPlan, TransferError> {
    plan(super::bring_in(side, job, scratch, run_log)?, job, scratch, spool, plugins, run_log)
}

/// All of the way back.
fn bring_back(
    side: &dyn Disk,
    plan: &OutputPlan,
    scratch: &Path,
    end: &RunEnd,
    cause: Cause,
    plugins: &Plugins,
    run_log: &RunLog,
) -> (u64, Result<(), TransferError>) {
    super::bring_back(side, plan, scratch, end, cause, run_log).store(scratch, plugins, run_log)
}

fn check_in(attributes: &[(&str, &str)], expected: &Expect) {
    for both in Both::over_each() {
        bring_in(
            &*both.side(&both.job(attributes)),
            &both.job(attributes),
            &both.path("scratch"),
            None,
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap();
        expected.assert_eq(&both.list("scratch"));
    }
}

/// What is in the submitter's folder that was not there before.
fn check_back(attributes: &[(&str, &str)], end: &RunEnd, expected: &Expect) {
    for both in Both::over_each() {
        let scratch = both.path("scratch");
        let plan = bring_in(
            &*both.side(&both.job(attributes)),
            &both.job(attributes),
            &scratch,
            None,
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap();
        let before = both.list("iwd");
        fs::create_dir_all(both.path("scratch/sub")).unwrap();
        both.write("scratch/_condor_stdout", "said");
        both.write("scratch/result", "42");
        both.write("scratch/sub/more", "43");
        both.write("scratch/.job.ad", "ours");
        let (sent_bytes, result) = bring_back(
            &*both.side(&both.job(attributes)),
            &plan,
            &scratch,
            end,
            Cause::ByItself,
            &Plugins::default(),
            &RunLog::default(),
        );
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
        writeln!(text, "{} bytes in, {sent_bytes} back", plan.received_bytes).unwrap();
        expected.assert_eq(&text);
    }
}

const GOOD: RunEnd = RunEnd::exited(0);

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
fn an_output_is_renamed_by_its_last_name_be_it_a_folder_or_a_stream() {
    let remaps = ("TransferOutputRemaps", "result=keep/r;sub=keep/box;more=m;new/out=said");
    check_back(
        &[("TransferOutput", "result,sub,sub/more"), remaps],
        &GOOD,
        &expect![[r#"
            keep/box/more: 43
            keep/r: 42
            m: 43
            said: said
            9 bytes in, 10 back
        "#]],
    );
}

#[test]
fn what_is_in_a_folder_that_is_named_with_a_slash_is_renamed_by_its_own_name() {
    check_back(
        &[("TransferOutput", "sub/"), ("TransferOutputRemaps", "more=keep/mm")],
        &GOOD,
        &expect![[r#"
            keep/mm: 43
            new/out: said
            9 bytes in, 6 back
        "#]],
    );
}

/// What comes back of `sub/` of a job with these remaps, with a link to a folder and a pipe in it.
fn contents_back(remaps: &str) -> Vec<(String, Vec<UrlTransfer>)> {
    let back = Both::over_each().map(|both| {
        let job = both.job(&[("TransferOutput", "sub/"), ("TransferOutputRemaps", remaps)]);
        let (side, scratch) = (both.side(&job), both.path("scratch"));
        let (plugins, run_log) = (Plugins::default(), RunLog::default());
        let plan = bring_in(&*side, &job, &scratch, None, &plugins, &run_log).unwrap();
        fs::create_dir_all(both.path("scratch/sub/deep")).unwrap();
        both.write("scratch/sub/deep/one", "1");
        both.write("scratch/sub/two", "2");
        std::os::unix::fs::symlink("deep", both.path("scratch/sub/link")).unwrap();
        nix::unistd::mkfifo(&both.path("scratch/sub/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let back = super::bring_back(&*side, &plan, &scratch, &GOOD, Cause::ByItself, &run_log);
        assert_eq!(back.first, None);
        let link = fs::read_link(both.path("iwd/link")).unwrap();
        assert_eq!(link, Path::new("deep"), "a link to a folder stays one");
        assert!(!both.path("iwd/pipe").exists());
        assert_eq!(fs::read_to_string(both.path("iwd/deep/one")).unwrap(), "1");
        let found = fs::read_to_string(both.path("iwd/new/two")).unwrap_or_default();
        let there = both.path("iwd/two").exists() || both.path("iwd/s3:").exists();
        let found = if there { "under its old name".to_owned() } else { found };
        (found, back.transfers)
    });
    back.collect()
}

#[test]
fn the_contents_of_a_folder_are_copied_by_one_rule_whether_something_in_it_is_renamed_or_not() {
    for (found, transfers) in contents_back("other=x") {
        assert_eq!((&*found, transfers), ("under its old name", vec![]));
    }
    for (found, transfers) in contents_back("two=new/two") {
        assert_eq!((&*found, transfers), ("2", vec![]));
    }
    for (found, transfers) in contents_back("two=s3://bucket/two") {
        assert_eq!(found, "");
        assert_eq!(transfers.len(), 1, "it is stored, and not written here");
        assert_eq!(transfers[0].url, "s3://bucket/two");
        assert!(transfers[0].local.ends_with("scratch/sub/two"));
    }
}

#[test]
fn a_folder_that_is_named_with_a_slash_keeps_its_path_for_who_wants_that() {
    for both in Both::over_each() {
        let mut job = both.job(&[("TransferInput", "data/deep/")]);
        job.set("PreserveRelativePaths", true);
        job.set("TransferExecutable", false);
        let (side, scratch) = (both.side(&job), both.path("scratch"));
        bring_in(&*side, &job, &scratch, None, &Plugins::default(), &RunLog::default()).unwrap();
        let list = both.list("scratch");
        assert!(list.contains("data/deep/c.txt: "), "{list}");
    }
}

#[test]
fn the_program_is_no_output_whatever_it_has_done_to_itself() {
    for both in Both::over_each() {
        let scratch = both.path("scratch");
        let job = both.job(&[]);
        let (plugins, run_log) = (Plugins::default(), RunLog::default());
        let plan = bring_in(&*both.side(&job), &job, &scratch, None, &plugins, &run_log).unwrap();
        both.write("scratch/run.sh", "#!/bin/sh, and more");
        both.write("scratch/result", "42");
        bring_back(&*both.side(&job), &plan, &scratch, &GOOD, Cause::ByItself, &plugins, &run_log)
            .1
            .unwrap();
        assert_eq!(fs::read_to_string(both.path("iwd/run.sh")).unwrap(), "#!/bin/sh");
        assert_eq!(fs::read_to_string(both.path("iwd/result")).unwrap(), "42");
    }
}

#[test]
fn relative_paths_are_kept_for_who_wants_that() {
    for both in Both::over_each() {
        let mut job = both.job(&[("TransferInput", "data/deep/c.txt")]);
        job.set("PreserveRelativePaths", true);
        job.set("TransferExecutable", false);
        bring_in(
            &*both.side(&job),
            &job,
            &both.path("scratch"),
            None,
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap();
        assert_eq!(both.list("scratch"), "data/deep/c.txt: c\n");
    }
}

#[test]
fn a_missing_input_is_named() {
    for both in Both::over_each() {
        let job = both.job(&[("TransferInput", "a.txt,missing")]);
        let error = bring_in(
            &*both.side(&job),
            &job,
            &both.path("scratch"),
            None,
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap_err();
        assert_eq!(
            error,
            TransferError {
                path: both.path("iwd/missing"),
                errno: 2,
                over_limit: false,
                said: None
            }
        );
    }
}

#[test]
fn what_is_new_at_the_top_comes_back_and_its_folder_is_made() {
    check_back(
        &[],
        &GOOD,
        &expect![[r#"
            new/out: said
            result: 42
            9 bytes in, 6 back
        "#]],
    );
    check_back(
        &[("TransferInput", "a.txt")],
        &GOOD,
        &expect![[r#"
            new/out: said
            result: 42
            10 bytes in, 6 back
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
            9 bytes in, 8 back
        "#]],
    );
    check_back(
        &[("TransferOutput", "")],
        &GOOD,
        &expect![[r#"
            new/out: said
            9 bytes in, 4 back
        "#]],
    );
}

#[test]
fn a_job_that_fails_or_is_killed_leaves_what_it_said() {
    let on_success = [("WhenToTransferOutput", "ON_SUCCESS"), ("JobSuccessExitCode", "0")];
    check_back(
        &on_success,
        &RunEnd::exited(1),
        &expect![[r#"
            new/out: said
            9 bytes in, 4 back
        "#]],
    );
    for ended in [Cause::Stopped, Cause::Killed] {
        for both in Both::over_each() {
            evict(&both, &[], 1, ended);
            assert_eq!(fs::read_to_string(both.path("iwd/new/out")).unwrap(), "said");
            assert!(!both.path("iwd/result").exists());
        }
    }
}

/// A run says something and makes a file, and ends in this way.
fn evict(both: &Both, attributes: &[(&str, &str)], attempt: u32, ended: Cause) {
    let (scratch, folder) = (both.path("scratch"), both.path("spool/1.0"));
    let job = both.job(attributes);
    let plan = bring_in(
        &*both.side(&job),
        &job,
        &scratch,
        Some(&Spool { folder, attempt }),
        &Plugins::default(),
        &RunLog::default(),
    )
    .unwrap();
    both.write("scratch/_condor_stdout", "said");
    both.write("scratch/result", "half");
    let end = match ended {
        Cause::ByItself => GOOD,
        Cause::Stopped | Cause::Killed => RunEnd::killed(15),
    };
    bring_back(
        &*both.side(&job),
        &plan,
        &scratch,
        &end,
        ended,
        &Plugins::default(),
        &RunLog::default(),
    )
    .1
    .unwrap();
    fs::remove_dir_all(&scratch).unwrap();
    fs::create_dir(&scratch).unwrap();
}

#[test]
fn an_evicted_job_that_asks_for_it_finds_its_files_again_and_they_come_back_at_its_end() {
    for both in Both::over_each() {
        let attributes = [("WhenToTransferOutput", "ON_EXIT_OR_EVICT"), ("TransferInput", "a.txt")];
        evict(&both, &attributes, 1, Cause::Stopped);
        assert!(!both.path("iwd/result").exists(), "they are kept and not brought");
        assert_eq!(fs::read_to_string(both.path("iwd/new/out")).unwrap(), "said");
        // The next run is killed at once: what was kept stays.
        evict(&both, &attributes, 2, Cause::Killed);
        let (scratch, folder) = (both.path("scratch"), both.path("spool/1.0"));
        let spool = Spool { folder, attempt: 3 };
        let plan = bring_in(
            &*both.side(&both.job(&attributes)),
            &both.job(&attributes),
            &scratch,
            Some(&spool),
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap();
        expect![[r#"
        _condor_stdout: said
        a.txt: a
        result: half
        run.sh: #!/bin/sh
    "#]]
        .assert_eq(&both.list("scratch"));
        bring_back(
            &*both.side(&both.job(&attributes)),
            &plan,
            &scratch,
            &GOOD,
            Cause::ByItself,
            &Plugins::default(),
            &RunLog::default(),
        )
        .1
        .unwrap();
        assert_eq!(fs::read_to_string(both.path("iwd/result")).unwrap(), "half");
        // A run after that begins anew.
        assert_eq!(both.list("spool"), "");
    }
}

#[test]
fn files_of_an_evicted_job_come_back_if_it_wants_them_not_spooled() {
    for both in Both::over_each() {
        let mut job = both.job(&[("WhenToTransferOutput", "ON_EXIT_OR_EVICT")]);
        job.set("SpoolOnEvict", false);
        let spool = Spool { folder: both.path("spool/1.0"), attempt: 1 };
        let plan = bring_in(
            &*both.side(&job),
            &job,
            &both.path("scratch"),
            Some(&spool),
            &Plugins::default(),
            &RunLog::default(),
        )
        .unwrap();
        both.write("scratch/result", "half");
        let vacated = RunEnd::vacated(model::VacateCode::ReconnectFailed);
        bring_back(
            &*both.side(&job),
            &plan,
            &both.path("scratch"),
            &vacated,
            Cause::Stopped,
            &Plugins::default(),
            &RunLog::default(),
        )
        .1
        .unwrap();
        assert_eq!(fs::read_to_string(both.path("iwd/result")).unwrap(), "half");
        assert!(!both.path("spool").exists());
    }
}
