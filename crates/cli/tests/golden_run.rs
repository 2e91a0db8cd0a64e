//! The real binary under HTCondor's names, against what HTCondor 25.14 answered to the same command
//! lines: standard output, standard error and exit code. `golden/COMMANDS` lists every answer that
//! was recorded of a command that we have; here are those that need no pool.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::verbs::VERBS;

/// One line of `golden/COMMANDS`.
struct Recorded {
    name: String,
    exit: String,
    place: String,
    command: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn golden(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_default()
}

fn recorded() -> Vec<Recorded> {
    let line = |line: &str| {
        let parts: Vec<&str> = line.splitn(4, " | ").collect();
        let [name, exit, place, command] = parts[..] else { panic!("{line}") };
        let [name, exit, place, command] = [name, exit, place, command].map(str::to_owned);
        Recorded { name, exit, place, command }
    };
    golden("COMMANDS").lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

/// A folder to run commands in: links under HTCondor's names in `bin`, the log that the outputs of
/// `condor_wait` show in `g`.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for part in ["bin", "g"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    for name in VERBS.iter().flat_map(|verb| verb.htcondor) {
        symlink(env!("CARGO_BIN_EXE_updraft"), dir.path().join("bin").join(name)).unwrap();
    }
    fs::copy(folder().join("probeYES.log"), dir.path().join("g/probeYES.log")).unwrap();
    dir
}

#[test]
fn without_a_pool_the_commands_answer_to_the_letter() {
    let dir = place();
    let log = dir.path().join("g/probeYES.log");
    let whole = fs::read_to_string(&log).unwrap();
    let first = whole.find("...\n").unwrap() + 4;
    for Recorded { name, exit, command, .. } in
        recorded().iter().filter(|recorded| recorded.place == "run")
    {
        // When HTCondor's wait ran out of time, the job had only been submitted.
        let ended = name != "condor_wait.timeout";
        fs::write(&log, if ended { &whole } else { &whole[..first] }).unwrap();
        let out = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(dir.path())
            .env("PATH", format!("{}:/usr/bin:/bin", dir.path().join("bin").display()))
            .env("UPDRAFT_HOME", dir.path().join("no-pool"))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&out.stdout), golden(&format!("{name}.out")), "{name}: {command}");
        assert_eq!(text(&out.stderr), golden(&format!("{name}.err")), "{name}: {command}");
        let code = out.status.code().map(|code| code.to_string());
        assert_eq!(code.as_ref(), Some(exit), "{name}: {command}");
    }
}

#[test]
fn lines_are_cut_where_that_is_asked_for() {
    let dir = place();
    let out = Command::new(dir.path().join("bin/condor_q"))
        .args(["-nobatch", "-wide:20", "-jobads"])
        .arg(folder().join("queue.ads"))
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("  3")).collect();
    assert!(rows.len() > 3 && rows.iter().all(|row| row.len() == 20), "{text}");
}

/// What a command line of HTCondor's says of a description: standard output and error together.
fn said_of(description: &str, more: &[&str]) -> (Option<i32>, String) {
    let dir = place();
    fs::write(dir.path().join("job.sub"), description).unwrap();
    let out = Command::new(dir.path().join("bin/condor_submit"))
        .args(["-dry-run", "-", "job.sub"])
        .args(more)
        .current_dir(dir.path())
        .env("UPDRAFT_HOME", dir.path().join("no-pool"))
        .output()
        .unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_dry_run_begins_the_first_job_with_what_all_have_and_ends_each_with_a_dot() {
    let (code, said) = said_of("executable = /bin/echo\narguments = $(Process)\nqueue 3\n", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("Args=")).count(), 3, "{said}");
    let rest = said.split_once("ProcId=0\n").map(|(_, rest)| rest);
    let expected = "JobStatus=1\n.\nProcId=1\nJobStatus=1\nArgs=\"1\"\n.\n\
                    ProcId=2\nJobStatus=1\nArgs=\"2\"\n.\n3 job(s) dry-run to cluster 1.\n";
    assert_eq!(rest, Some(expected), "{said}");
}

#[test]
fn a_queue_statement_may_stand_among_appended_lines_unless_the_file_has_one() {
    let jobs = |said: &str| said.lines().filter(|line| line.starts_with("Args=")).count();
    let open = "executable = /bin/echo\narguments = $(x) $(Process)\n";
    for (more, expected) in [
        (&["-append", "queue x in (a, b)"][..], 2),
        (&["-a", "x=3", "-a", "queue 2"], 2),
        (&["-a", "Queue", "-a", "x=3"], 1),
    ] {
        let (code, said) = said_of(open, more);
        assert_eq!((code, jobs(&said)), (Some(0), expected), "{more:?}: {said}");
    }
    let (code, said) = said_of(&format!("{open}queue\n"), &["-a", "queue 2"]);
    assert_eq!((code, jobs(&said)), (Some(1), 0), "{said}");
    let refused = "-queue argument conflicts with queue statement in submit file";
    assert!(said.contains(refused), "{said}");
}

#[test]
fn a_program_that_names_no_items_is_told_of_by_how_it_ended() {
    let of = |program: &str| {
        said_of(&format!("executable = /bin/true\nqueue x from {program} |\n"), &[])
    };
    for (program, reason) in [
        ("false", "command terminated with exit code 1"),
        ("no-such-program", "not a valid command, errno=2 : No such file or directory"),
    ] {
        let (code, said) = of(program);
        assert!(code == Some(1) && said.contains(reason), "{program}: {code:?} {said}");
    }
}

/// What a command of HTCondor's says, on a file of two jobs and one of two that have ended.
fn said_by(command: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let dir = place();
    let job = |proc: u32, end: &str| {
        format!(
            "ClusterId = 7\nProcId = {proc}\nOwner = \"ann\"\nJobStatus = {}\nQDate = 1795363560\n\
             JobUniverse = 5\nCmd = \"/bin/x\"\n{end}\n",
            1 + proc * 4
        )
    };
    fs::write(dir.path().join("jobs"), job(0, "") + &job(1, "")).unwrap();
    fs::write(dir.path().join("ended"), job(0, "*** Offset = 0") + &job(1, "*** Offset = 0"))
        .unwrap();
    fs::write(dir.path().join("none"), "").unwrap();
    let mut program = Command::new(dir.path().join("bin").join(command));
    let out = program.args(words).current_dir(dir.path()).env("TZ", "UTC").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn an_option_that_lacks_its_value_is_told_of_in_htcondors_words() {
    for (command, words, expected) in [
        ("condor_q", &["-constraint"][..], "Error: -constraint requires another parameter\n"),
        ("condor_q", &["-af"], "Error: -autoformat requires at least one attribute parameter\n"),
        ("condor_q", &["-limit", "0"], "Error: 0 is not a valid for -limit.\n"),
        (
            "condor_history",
            &["-af:h"],
            "Error: Argument -af:h requires at least one attribute parameter\n\
             \t\te.g. condor_history -af:h ClusterId\n",
        ),
        (
            "condor_history",
            &["-match"],
            "Error: Argument -match requires a number value as a parameter.\n",
        ),
        (
            "condor_status",
            &["-format", "%s"],
            "condor_status: -format requires two other arguments\n\
             Use \"condor_status -help\" for details\n",
        ),
        (
            "condor_history",
            &["-file", "ended", "-constraint", "a &&"],
            "Error:  could not parse constraint ( (a &&) )\n",
        ),
        ("condor_history", &["-bogus"], "Error: Unknown argument -bogus\n"),
    ] {
        let (code, _, err) = said_by(command, words);
        assert_eq!((code, err.as_str()), (Some(1), expected), "{command} {words:?}");
    }
}

#[test]
fn conditions_that_are_repeated_must_all_hold_and_letters_are_of_their_own_columns() {
    for (command, file, path) in
        [("condor_q", "-jobads", "jobs"), ("condor_history", "-file", "ended")]
    {
        for (words, expected) in [
            (
                &["-constraint", "ProcId < 2", "-constraint", "JobStatus == 5", "-af", "ProcId"][..],
                "1\n",
            ),
            (&["-constraint", "ProcId == 0", "-constraint", "JobStatus == 5", "-af", "ProcId"], ""),
            (
                &["-constraint", "ProcId == 0", "-af:V", "Owner", "-af:l", "ProcId"],
                "\"ann\" ProcId = 0\n",
            ),
        ] {
            let (code, out, err) = said_by(command, &[&[file, path], words].concat());
            assert_eq!((code, out.as_str()), (Some(0), expected), "{command} {words:?}: {err}");
        }
    }
}

#[test]
fn jobs_of_a_file_are_told_with_its_name_and_counted_alone() {
    let (_, out, _) = said_by("condor_q", &["-jobads", "jobs", "-totals"]);
    let lines: Vec<&str> = out.split('\n').collect();
    assert!(lines[2].starts_with("-- Jobads: jobs @ "), "{out}");
    let counts =
        "Total for query: 2 jobs; 0 completed, 0 removed, 1 idle, 0 running, 1 held, 0 suspended";
    assert_eq!(lines[3].trim_end(), counts);
    assert_eq!((lines[3].len() - counts.len(), &lines[4..]), (51, &["", ""][..]), "{out}");
    for (command, words, expected) in [
        ("condor_q", &["-jobads", "none", "-af:jh", "Owner"][..], " ID Owner\n"),
        ("condor_q", &["-jobads", "none", "-json"], ""),
        ("condor_history", &["-file", "none", "-json"], "[\n]\n"),
        ("condor_history", &["-file", "none", "-wide:12"], " ID         \n"),
        (
            "condor_q",
            &[
                "-jobads",
                "jobs",
                "-constraint",
                "ProcId == 0",
                "-long:nosort",
                "-attributes",
                "Owner",
            ],
            "Owner = \"ann\"\n\n",
        ),
    ] {
        assert_eq!(said_by(command, words).1, expected, "{command} {words:?}");
    }
    // Names of attributes alone change no table.
    let (_, out, _) = said_by("condor_history", &["-file", "none", "-attributes", "Owner"]);
    assert!(out.starts_with(" ID          OWNER "), "{out}");
}

#[test]
fn colour_is_for_people_under_our_own_names() {
    let dir = place();
    let (updraft, condor_q) =
        (PathBuf::from(env!("CARGO_BIN_EXE_updraft")), dir.path().join("bin/condor_q"));
    for (program, words, no_colour, painted) in [
        (&updraft, &["q", "--color", "always"][..], false, true),
        (&updraft, &["q", "--color", "always"], true, true),
        (&updraft, &["q", "--color", "never"], false, false),
        // Nobody reads a pipe.
        (&updraft, &["q"], false, false),
        (&updraft, &["q", "--color", "always", "-json"], false, false),
        (&condor_q, &[], false, false),
    ] {
        let mut command = Command::new(program);
        command.args(words).arg("-jobads").arg(folder().join("queue.ads")).env_remove("NO_COLOR");
        if no_colour {
            command.env("NO_COLOR", "1");
        }
        let out = command.output().unwrap();
        assert!(out.status.success() && !out.stdout.is_empty(), "{words:?}");
        assert_eq!(out.stdout.contains(&0x1b), painted, "{words:?} NO_COLOR {no_colour}");
    }
}

#[test]
fn every_recorded_answer_is_compared_or_says_why_not() {
    let (views, pool) = (include_str!("golden.rs"), include_str!("e2e/goldens.rs"));
    for Recorded { name, place, .. } in recorded() {
        let compared = match place.as_str() {
            "run" => true,
            "views" => views.contains(&format!("\"{name}.out\"")),
            "pool" => pool.contains(&format!("\"{name}\"")),
            why => why.strip_prefix("not: ").is_some_and(|why| !why.is_empty()),
        };
        assert!(compared, "{name} is not compared where golden/COMMANDS says ({place})");
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().to_string_lossy().into_owned();
        let name = file.strip_suffix(".out").or_else(|| file.strip_suffix(".err"));
        let known = |name: &str| recorded().iter().any(|recorded| recorded.name == name);
        assert!(name.is_none_or(known), "golden/COMMANDS does not say where {file} is compared");
    }
}
