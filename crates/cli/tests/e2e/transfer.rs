//! Streams and limits of jobs whose files are brought. Which files travel is tested on the startd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{Pool, events, eventually, logged, updraft};

/// A shell job whose files are brought.
fn away(script: &str, more: &str) -> String {
    format!(
        "executable = /bin/sh\ntransfer_executable = false\narguments = \"-c '{script}'\"\n\
         getenv = PATH\nshould_transfer_files = yes\noutput = out\nerror = err\n{more}\nqueue\n"
    )
}

#[test]
fn a_streamed_output_is_there_while_the_job_runs() {
    let pool = Pool::start(1);
    let go = pool.work().join("go");
    let wait = format!("until test -e {}; do sleep 0.05; done", go.display());
    fs::write(pool.work().join("in"), "from the submitter\n").unwrap();
    pool.submit(&away(
        &format!("cat; echo bad >&2; {wait}; echo late"),
        "input = in\nstream_input = true\nstream_output = true\nlog = log",
    ));
    let out = pool.work().join("out");
    eventually("what the job has said so far is there", || {
        fs::read_to_string(&out).is_ok_and(|said| said == "from the submitter\n")
    });
    // The other stream comes at the end.
    assert!(!pool.work().join("err").exists());
    fs::write(go, "").unwrap();
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(fs::read_to_string(&out).unwrap(), "from the submitter\nlate\n");
    assert_eq!(fs::read_to_string(pool.work().join("err")).unwrap(), "bad\n");
    logged(&pool.work().join("log"), "005", 1);
    assert_eq!(events(&pool.work().join("log"), "040"), 4, "input and output, begun and done");
}

#[test]
fn a_job_with_more_files_than_it_allows_is_held() {
    let pool = Pool::start(1);
    fs::create_dir_all(pool.work().join("data/deep")).unwrap();
    fs::write(pool.work().join("data/deep/big"), vec![0; 2 << 20]).unwrap();
    let input = "transfer_input_files = data\nmax_transfer_input_mb";
    pool.submit(&away("true", &format!("{input} = 1")));
    pool.until("1.0", "HoldReasonCode", "32");
    let reason = &pool.attribute("1.0", "HoldReason")[0];
    assert!(reason.contains("The maximum total input file transfer size was exceeded"), "{reason}");
    pool.submit(&away("true", &format!("{input} = 2")));
    pool.until("2.0", "JobStatus", "4");
    assert_eq!(pool.attribute("2.0", "BytesRecvd"), ["2097152.0"]);

    let make = "echo said; head -c 2000000 /dev/zero > big; exit 3";
    pool.submit(&away(make, "max_transfer_output_mb = 1"));
    pool.until("3.0", "HoldReasonCode", "33");
    let reason = &pool.attribute("3.0", "HoldReason")[0];
    assert!(
        reason.contains("The maximum total output file transfer size was exceeded"),
        "{reason}"
    );
    // What the job said and how it ended come back whatever happens to its files.
    assert_eq!(pool.attribute("3.0", "ExitCode"), ["3"]);
    assert_eq!(fs::read_to_string(pool.work().join("out")).unwrap(), "said\n");
    assert!(!pool.work().join("big").exists());
    pool.submit(&away(make, "max_transfer_output_mb = -1"));
    pool.until("4.0", "JobStatus", "4");
    assert!(pool.work().join("big").exists());
    assert_eq!(pool.attribute("4.0", "BytesSent"), ["2000005.0"], "the file and what it said");
}

#[test]
fn an_evicted_job_goes_on_with_what_it_had_and_leaves_nothing_behind() {
    let pool = Pool::start(1);
    let script = "n=0; test ! -e state || read n < state; n=$((n + 1)); echo $n > state; echo run $n; \
                  test $n -ge 3 || sleep 1000";
    let evicting = "when_to_transfer_output = on_exit_or_evict\n";
    let cluster = pool.submit(&away(
        script,
        &format!("{evicting}erase_output_and_error_on_restart = false\nlog = log"),
    ));
    let (out, log) = (pool.work().join("out"), pool.work().join("log"));
    let kept = pool.home().join("schedd/spool").join(format!("{cluster}.0"));
    let said = |what: &str| fs::read_to_string(&out).is_ok_and(|said| said == what);

    eventually("the first run has begun", || events(&log, "001") == 1);
    eventually("and has said so", || tail(&pool) == "run 1\n");
    pool.ok(&["vacate_job", "1.0"]);
    eventually("what it said is back", || said("run 1\n"));
    eventually("the second run goes on", || tail(&pool) == "run 1\nrun 2\n");
    assert!(kept.join("1/list.json").exists());
    assert!(!pool.work().join("state").exists(), "it is kept, and not brought back");
    // Whoever forgets, the files are there.
    pool.kill_and_see_it_return("startd");
    pool.kill_and_see_it_return("schedd");
    pool.ok(&["hold", "1.0"]);
    pool.until("1.0", "JobStatus", "5");
    eventually("what it said is back", || said("run 1\nrun 2\n"));
    pool.ok(&["release", "1.0"]);
    eventually("it is done", || events(&log, "005") == 1);
    assert!(said("run 1\nrun 2\nrun 3\n"));
    assert_eq!(fs::read_to_string(pool.work().join("state")).unwrap(), "3\n");
    eventually("nothing is kept of it", || !kept.exists());

    // By default what a run has said is erased by the next, and a removed job leaves nothing behind
    // either.
    let cluster = pool.submit(&away(script, evicting));
    let kept = pool.home().join("schedd/spool").join(format!("{cluster}.0"));
    pool.until("2.0", "JobStatus", "2");
    eventually("the run has said so", || tail(&pool) == "run 1\n");
    pool.ok(&["vacate_job", "2.0"]);
    eventually("the second run has begun anew, with its files", || tail(&pool) == "run 2\n");
    assert!(kept.exists());
    pool.ok(&["rm", "2.0"]);
    pool.until("2.0", "JobStatus", "3");
    eventually("what it said comes back from a removed job too", || said("run 2\n"));
    eventually("nothing is kept of it", || !kept.exists());
}

#[test]
fn a_job_that_takes_checkpoints_goes_on_from_the_last_one_where_it_is() {
    let pool = Pool::start(1);
    // Each run adds a line, and says after two of them that it has taken a checkpoint.
    let script = "test ! -e state || n=$(wc -l < state); echo line >> state; echo run $((n + 1)); \
                  touch junk; test $((n + 1)) -lt 3 && exit 85; \
                  test $((n + 1)) -ge 4 || sleep 1000";
    let taking = "checkpoint_exit_code = 85\ntransfer_checkpoint_files = state\nlog = log";
    let cluster = pool.submit(&away(script, taking));
    let (out, log) = (pool.work().join("out"), pool.work().join("log"));
    let kept = pool.home().join("schedd/spool").join(format!("{cluster}.0"));
    eventually("the third run goes on", || tail(&pool) == "run 1\nrun 2\nrun 3\n");
    logged(&log, "003", 2);
    let ended = ["003", "004", "005"].map(|number| events(&log, number));
    assert_eq!(ended, [2, 0, 0], "no checkpoint is an end");
    assert_eq!(pool.ok(&["q", "1.0", "-af", "NumCkpts", "NumJobCompletions"]), "2 0\n");
    assert!(!pool.work().join("state").exists(), "it is kept, and not brought back");
    // A run that ends without a checkpoint of its own is begun again from the last, whoever has
    // forgotten it.
    pool.kill_and_see_it_return("startd");
    pool.kill_and_see_it_return("schedd");
    pool.ok(&["vacate_job", "1.0"]);
    eventually("it goes on from the second checkpoint", || events(&log, "001") == 4);
    assert_eq!(events(&log, "004"), 1);
    pool.ok(&["rm", "1.0"]);
    eventually("nothing is kept of it", || !kept.exists());
    assert!(fs::read_to_string(&out).is_ok_and(|said| said.starts_with("run 1\nrun 2\nrun 3\n")));
}

#[test]
fn a_checkpoint_that_cannot_be_kept_holds_the_job() {
    let pool = Pool::start(1);
    let taking = "checkpoint_exit_code = 85\ntransfer_checkpoint_files = nowhere";
    pool.submit(&away("exit 85", taking));
    pool.until("1.0", "JobStatus", "5");
    let said = pool.ok(&["q", "1.0", "-af", "HoldReasonCode", "HoldReasonSubCode", "HoldReason"]);
    assert!(said.starts_with("36 2 The job's checkpoint could not be kept: "), "{said}");
    assert!(said.ends_with("/nowhere: No such file or directory\n"), "{said}");
}

#[test]
fn a_job_whose_outputs_are_newer_than_its_inputs_is_not_run() {
    let pool = Pool::start(1);
    let work = |name: &str| pool.work().join(name);
    fs::write(work("in"), "1").unwrap();
    for transfer in ["yes", "if_needed"] {
        let script = "test -e in || cd $_CONDOR_SCRATCH_DIR; cp in made; echo ran >> ran";
        let lines = "transfer_input_files = in\ntransfer_output_files = made\nskip_if_dataflow = true\nlog = log";
        let description = away(script, lines).replace("= yes", &format!("= {transfer}"));
        let runs = |expected: &[&str]| {
            let _ = fs::remove_file(work("log"));
            let job = format!("{}.0", pool.submit(&description));
            pool.until(&job, "JobStatus", "4");
            logged(&work("log"), "005", 1);
            let told = ["001", "005", "040", "046"].map(|number| events(&work("log"), number));
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            assert_eq!(told, expected, "{transfer}");
            let shown = pool.ok(&["history", &job, "-af", "ExitCode", "DataflowJobSkipped"]);
            assert_eq!(shown, format!("0 {}\n", expected[3] == "1"), "{transfer}");
        };
        let _ = fs::remove_file(work("made"));
        let files = if transfer == "yes" { "4" } else { "0" };
        runs(&["1", "1", files, "0"]);
        runs(&["0", "1", "0", "1"]);
        fs::write(work("in"), "2").unwrap();
        runs(&["1", "1", files, "0"]);
        assert_eq!(fs::read_to_string(work("made")).unwrap(), "2");
    }
}

/// A plug-in for `toy://`: fetches the URL's path as a file's content, keeps what it stores beside
/// itself, and knows no `bad`.
const TOY: &str = r#"#!/bin/sh
if test "$1" = -classad; then
    printf 'MultipleFileSupport = true\nPluginType = "FileTransfer"\nSupportedMethods = "toy"\n'
    exit 0
fi
sed -n 's/.*Url = "\([^"]*\)".*LocalFileName = "\([^"]*\)".*/\2 \1/p' "$2" | while read -r file url; do
    case "$5$url" in
    *bad*)
        echo "[ TransferSuccess = false; TransferError = \"no such toy\"; TransferUrl = \"$url\" ]" > "$4"
        exit 3;;
    -upload*) cp "$file" "$(dirname "$0")/$(echo "${url#toy://}" | tr / _)";;
    *) printf '%s' "${url#toy://}" > "$file";;
    esac
    echo "[ TransferSuccess = true; TransferUrl = \"$url\" ]" >> "$4"
done
"#;

#[test]
fn plug_ins_fetch_and_store_what_has_a_url() {
    let shelf = tempfile::tempdir().unwrap();
    let toy = shelf.path().join("toy");
    fs::write(&toy, TOY).unwrap();
    fs::set_permissions(&toy, fs::Permissions::from_mode(0o755)).unwrap();
    let pool = Pool::start_with_config(1, &format!("FILETRANSFER_PLUGINS = {}\n", toy.display()));
    let kept = |name: &str| fs::read_to_string(shelf.path().join(name)).unwrap();

    let script = "mkdir d; cat ball > result; echo two > d/two; cat ball";
    let outputs = "transfer_output_files = result, d\n";
    let fetch = "transfer_input_files = toy://red/ball\n";
    pool.submit(&away(
        script,
        &format!("{fetch}{outputs}transfer_output_remaps = \"result=toy://shelf/one\"\nlog = log"),
    ));
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(kept("shelf_one"), "red/ball");
    let work = |name: &str| fs::read_to_string(pool.work().join(name)).unwrap();
    assert_eq!((work("d/two").as_str(), work("out").as_str()), ("two\n", "red/ball"));

    pool.submit(&away(script, &format!("{fetch}{outputs}output_destination = toy://box/")));
    pool.until("2.0", "JobStatus", "4");
    assert_eq!((kept("box_result").as_str(), kept("box_d_two").as_str()), ("red/ball", "two\n"));

    for (cluster, more, code, told) in [
        (
            3,
            "transfer_input_files = toy://bad",
            "13",
            "Transfer input files failure at execution point",
        ),
        (
            4,
            "output_destination = toy://bad",
            "12",
            "Transfer output files failure at execution point",
        ),
    ] {
        pool.submit(&away("true > made", more));
        let job = format!("{cluster}.0");
        pool.until(&job, "HoldReasonCode", code);
        let reason = &pool.attribute(&job, "HoldReason")[0];
        assert!(reason.contains(told) && reason.contains("Error: no such toy"), "{reason}");
    }
    pool.submit(&away("true", "transfer_input_files = never://x"));
    eventually("nobody speaks that", || pool.attribute("5.0", "IdleVerdict") == ["never"]);
}

/// A plug-in for `slow://`: says that it stores, and goes on when it is let.
const SLOW: &str = r#"#!/bin/sh
if test "$1" = -classad; then
    printf 'MultipleFileSupport = true\nPluginType = "FileTransfer"\nSupportedMethods = "slow"\n'
    exit 0
fi
cd "$(dirname "$0")" || exit 1
: > stores
until test -e go; do sleep 0.05; done
echo '[ TransferSuccess = true; TransferUrl = "slow://x" ]' > "$4"
"#;

#[test]
fn who_follows_an_output_sees_its_end_however_long_it_takes_to_come_home() {
    let shelf = tempfile::tempdir().unwrap();
    let slow = shelf.path().join("slow");
    fs::write(&slow, SLOW).unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let pool = Pool::start_with_config(1, &format!("FILETRANSFER_PLUGINS = {}\n", slow.display()));
    let end = pool.work().join("end");
    let script = format!(
        "echo first; until test -e {}; do sleep 0.05; done; echo > x; echo last",
        end.display()
    );
    let outputs = "transfer_output_files = x\ntransfer_output_remaps = \"x = slow://x\"";
    pool.submit(&away(&script, outputs));
    pool.until("1.0", "JobStatus", "2");
    let follow = format!("{} tail -f 1.0 > shown", updraft().display());
    let mut following = pool.command(Path::new("/bin/sh"), &["-c", &follow]).spawn().unwrap();
    let shown = || fs::read_to_string(pool.work().join("shown")).unwrap_or_default();
    eventually("it is followed", || shown() == "first\n");
    fs::write(end, "").unwrap();
    eventually("what it made is being stored", || shelf.path().join("stores").exists());
    // Longer than between two looks of who follows.
    for _ in 0..30 {
        pool.ok(&["q"]);
        assert!(following.try_wait().unwrap().is_none(), "{}", shown());
    }
    fs::write(shelf.path().join("go"), "").unwrap();
    assert!(following.wait().unwrap().success());
    assert_eq!(shown(), "first\nlast\n");
}

#[test]
fn a_job_brings_plug_ins_of_its_own_and_its_users_proxy() {
    let pool = Pool::start(1);
    fs::create_dir(pool.work().join("tools")).unwrap();
    fs::write(pool.work().join("tools/own.sh"), TOY).unwrap();
    fs::write(pool.work().join("proxy.pem"), "who I am\n").unwrap();
    let script = "cat ball; cat $X509_USER_PROXY; stat -c %a $X509_USER_PROXY; ls";
    let more = "transfer_plugins = toy = tools/own.sh\ntransfer_input_files = toy://red/ball\n\
                x509userproxy = proxy.pem\ntransfer_output_files = ball\n\
                transfer_output_remaps = \"ball = toy://kept\"";
    pool.submit(&away(script, more));
    pool.until("1.0", "JobStatus", "4");
    let said = fs::read_to_string(pool.work().join("out")).unwrap();
    assert!(said.starts_with("red/ballwho I am\n600\n"), "{said}");
    assert!(said.contains("own.sh\nproxy.pem\n"), "{said}");
    let left = pool.work().join("ball").exists();
    assert!(!left, "it was stored by the plug-in, which kept it in the scratch folder");
}

/// What the job that runs has said so far.
fn tail(pool: &Pool) -> String {
    let out = pool.updraft(&["q", "-run", "-af", "ClusterId"]);
    let cluster = String::from_utf8(out.stdout).unwrap();
    String::from_utf8(pool.updraft(&["tail", &format!("{}.0", cluster.trim())]).stdout).unwrap()
}

#[test]
fn a_job_that_fills_its_disk_is_tried_with_more_and_held_at_the_end() {
    let pool = Pool::start(1);
    let retry = "request_disk = 1MB\nretry_request_disk = 2MB\nlog = log";
    pool.submit(&away("head -c 3000000 /dev/zero > big; sleep 1000", retry));
    pool.until("1.0", "HoldReasonCode", "34");
    assert_eq!(pool.attribute("1.0", "HoldReasonSubCode"), ["104"]);
    assert_eq!(pool.attribute("1.0", "RequestDisk"), ["2048"]);
    let used: u64 = pool.attribute("1.0", "DiskUsage")[0].parse().unwrap();
    assert!((2930..4000).contains(&used), "{used} KiB");
    let files: u64 = pool.attribute("1.0", "ScratchDirFileCount")[0].parse().unwrap();
    // Two ads, two streams, and what it made.
    assert_eq!(files, 5);
    logged(&pool.work().join("log"), "012", 1);
    let log = fs::read_to_string(pool.work().join("log")).unwrap();
    assert!(log.contains("Job was evicted. Code 34 Subcode 104"), "{log}");
    assert!(log.contains("of disk, and its slot has 2048 KB"), "{log}");
    assert!(log.contains("Code 34 Subcode 104"), "{log}");
}

#[test]
fn a_manifest_tells_what_a_job_found_and_left_and_comes_back_whatever_else_does() {
    let pool = Pool::start(1);
    let work = |name: &str| fs::read_to_string(pool.work().join(name)).unwrap();
    fs::write(pool.work().join("data"), "data").unwrap();
    let more = "transfer_input_files = data\ntransfer_output_files = made\nmanifest = true";
    pool.submit(&away("rm data; echo > made; echo > left; exit 3", more));
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(work("1_0_manifest/in"), ".job.ad\n.machine.ad\n1_0_manifest\ndata\n");
    let out = ".job.ad\n.machine.ad\n1_0_manifest\n_condor_stderr\n_condor_stdout\nleft\nmade\n";
    assert_eq!(work("1_0_manifest/out"), out);
    let environment = work("1_0_manifest/environment");
    assert!(environment.contains(" _CONDOR_SLOT=slot1_1"), "{environment}");
    assert_eq!(environment.lines().count(), 1);
    assert!(!pool.work().join("left").exists());

    // Where files do not travel it lies in the folder in which the job ran.
    pool.submit(
        "executable = /bin/sh\narguments = \"-c 'echo > new'\"\nenvironment = \"TEXT='a b'\"\n\
         manifest_dir = told/now\nqueue\n",
    );
    pool.until("2.0", "JobStatus", "4");
    let [before, after] = ["in", "out"].map(|name| work(&format!("told/now/{name}")));
    let has_new = |text: &str| text.lines().any(|line| line == "new");
    assert_eq!((has_new(&before), has_new(&after)), (false, true));
    assert!(work("told/now/environment").contains("TEXT=a' 'b"));
}

#[test]
fn the_account_of_a_run_comes_back_whatever_came_of_it() {
    let pool = Pool::start(1);
    let account = |name: &str| fs::read_to_string(pool.work().join(name)).unwrap();
    // It comes behind the end of its run.
    let until_it_ends = |name: &str| {
        eventually("the account is there", || pool.work().join(name).exists());
    };
    let has = |account: &str, parts: &[&str]| {
        let mut rest = account;
        for part in parts {
            let at =
                rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in turn: {account}"));
            rest = &rest[at..];
        }
    };
    fs::write(pool.work().join("data"), "data").unwrap();
    let more = "transfer_input_files = data\nstarter_log = logs/$(Cluster)";
    pool.submit(&away("cp data made; exit 3", more));
    pool.until("1.0", "JobStatus", "4");
    until_it_ends("logs/1");
    let told = account("logs/1");
    has(
        &told,
        &[
            "Run 1.0#1 in slot1_1@",
            "Input data: 4 bytes in ",
            "To be executed: /bin/sh in ",
            "Its program executes, pid ",
            "its program ended with exit code 3",
            "Output made: 4 bytes in ",
            "The run ended with exit code 3; 4 bytes came, 4 went",
        ],
    );
    assert!(!told.contains("variable "), "{told}");
    assert!(!pool.work().join(".starter.log").exists(), "it is no output of the job's");

    // A run that cannot begin, and one whose files do not travel and which is removed.
    pool.submit(&away("true", "transfer_input_files = missing\nstarter_log = logs/2"));
    pool.until("2.0", "HoldReasonCode", "13");
    until_it_ends("logs/2");
    has(&account("logs/2"), &["Input missing: failed after ", "could not be started"]);
    pool.submit(
        "executable = /bin/sleep\narguments = 1000\nenvironment = \"A=b\"\nlog = log\n\
         starter_log = logs/3\nstarter_debug = D_FULLDEBUG\nqueue\n",
    );
    pool.until("3.0", "JobStatus", "2");
    eventually("it executes", || events(&pool.work().join("log"), "001") == 1);
    pool.kill_and_see_it_return("startd");
    eventually("the new startd knows it", || {
        pool.ok(&["status", "-af", "Activity"]).contains("Busy")
    });
    pool.ok(&["rm", "3.0"]);
    eventually("it is gone", || events(&pool.work().join("log"), "009") == 1);
    until_it_ends("logs/3");
    has(
        &account("logs/3"),
        &[
            "argument 1: 1000",
            "variable A=b",
            "Another startd goes on with this run",
            "Told to end: signal 15",
            "left, told to: its program was ended by signal 15",
            "The run was stopped",
        ],
    );
}

#[test]
fn what_is_no_plain_file_keeps_neither_the_machine_nor_other_jobs_waiting() {
    let pool = Pool::start(1);
    let path = |name: &str| pool.work().join(name);
    for name in ["pipe", "told/in", "log"] {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        mkfifo(&path(name), Mode::S_IRWXU).unwrap();
    }
    // Each lets the machine open a pipe: as an output, as the target of one, as the list of a
    // manifest, as the log of its run while it goes on and when it is over.
    let held = [
        ("mkfifo made", "transfer_output_files = made"),
        ("touch made", "transfer_output_files = made\ntransfer_output_remaps = \"made=pipe\""),
    ];
    for (cluster, (script, more)) in (1..).zip(held) {
        pool.submit(&away(script, more));
        pool.until(&format!("{cluster}.0"), "HoldReasonCode", "12");
    }
    let done = [
        away(
            "rm .starter.log; mkfifo .starter.log",
            "starter_debug = true\nstarter_log = told/log",
        ),
        away("true", "starter_debug = true\nstarter_log = log"),
        "executable = /bin/true\nmanifest_dir = told\nqueue\n".to_owned(),
    ];
    for (cluster, job) in (3..).zip(done) {
        pool.submit(&job);
        pool.until(&format!("{cluster}.0"), "JobStatus", "4");
    }
}
