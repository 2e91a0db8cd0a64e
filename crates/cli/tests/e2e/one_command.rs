//! `updraft run`: the first experience.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{events, eventually, text, updraft};

/// A copy of the example with a hundred jobs.
fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/script");
    for name in ["script.job", "test.py"] {
        fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn run(dir: &Path) -> Output {
    Command::new(updraft())
        .args(["run", "script.job", "--cpus", "4"])
        .current_dir(dir)
        .output()
        .unwrap()
}

fn outputs(dir: &Path, kind: &str) -> Vec<String> {
    (0..100)
        .map(|n| fs::read_to_string(dir.join(format!("script_{kind}.1.{n}.txt"))).unwrap())
        .collect()
}

#[test]
fn a_hundred_jobs_run_in_a_pool_that_comes_and_goes_with_the_command() {
    let dir = example();
    let out = run(dir.path());
    assert!(out.status.success(), "{}", text(&out));
    for (n, said) in outputs(dir.path(), "stdout").iter().enumerate() {
        assert!(
            said.starts_with(&format!("I am process {n} of cluster 1\n")),
            "job {n} said {said}"
        );
        assert!(said.ends_with("MYVAR1 = foo\nMYVAR2 = bar\n"), "job {n} said {said}");
    }
    assert!(outputs(dir.path(), "stderr").iter().all(String::is_empty));
    let log = dir.path().join("script.log");
    assert_eq!(["000", "001", "005"].map(|number| events(&log, number)), [100, 100, 100]);
}

#[test]
fn a_description_is_run_from_the_folder_that_it_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("say.sub"), "executable = say\noutput = out\nqueue\n").unwrap();
    fs::write(inner.join("say"), "#!/bin/sh\necho here\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(inner.join("say"), executable).unwrap();
    let mut run = Command::new(updraft());
    let out = run.args(["run", "inner/say.sub", "--cpus", "1"]).current_dir(dir.path()).output();
    let out = out.unwrap();
    assert!(out.status.success(), "{}", text(&out));
    assert_eq!(fs::read_to_string(inner.join("out")).unwrap(), "here\n");
}

#[test]
fn one_job_in_a_hundred_that_fails_is_told_from_the_others() {
    let dir = example();
    let program = dir.path().join("test.py");
    let changed = fs::read_to_string(&program)
        .unwrap()
        .replace("sys.exit(0 if", "sys.exit(13 if job.processid == 13 else 0 if");
    fs::write(&program, changed).unwrap();
    let out = run(dir.path());
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("1.13: ended with exit code 13"), "{said}");
    assert!(said.contains("1.0-12, 1.14-99: ended with exit code 0"), "{said}");
    let log = fs::read_to_string(dir.path().join("script.log")).unwrap();
    assert_eq!(log.matches("(1) Normal termination (return value 13)").count(), 1);
    assert_eq!(log.matches("(1) Normal termination (return value 0)").count(), 99);
}

#[test]
fn a_command_that_is_killed_takes_its_pool_along() {
    let dir = tempfile::tempdir().unwrap();
    let (pools, job) = (dir.path().join("tmp"), dir.path().join("job"));
    fs::create_dir(&pools).unwrap();
    fs::write(
        dir.path().join("sleep.job"),
        "executable = /bin/sh\narguments = \"-c 'echo $$$$ >job; exec sleep 600'\"\nqueue\n",
    )
    .unwrap();
    let mut command = Command::new(updraft())
        .args(["run", "sleep.job", "--cpus", "1"])
        .current_dir(dir.path())
        .env("TMPDIR", &pools)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&job).unwrap_or_default().trim().to_owned();
    eventually("the job runs", || !said().is_empty());
    command.kill().unwrap();
    command.wait().unwrap();
    eventually("the pool's folder is gone", || fs::read_dir(&pools).unwrap().next().is_none());
    assert!(!Path::new("/proc").join(said()).exists(), "job {} lives", said());
}
